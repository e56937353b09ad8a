"""Makes models/arm_raise.npz, an example motion: `python models/generate_arm_raise.py`.

The default body stands quietly, raises both arms sideways to overhead and lowers them, then forward to
overhead and lowers them. 120 frames/s; world z up, floor z = 0, facing +x, left +y; the ankles stay at x = 0.

The road: curves for the arms and the trunk, the scapula by its rhythm, and the whole body swaying about the
ankles by what keeps the centre of mass over the same point of the feet.

Sources
  Inman, Saunders & Abbott 1944, Observations on the function of the shoulder joint, J Bone Joint Surg
    26:1-30: the rhythm of scapula and shoulder joint and its setting phase.
  Ludewig et al. 2009, J Bone Joint Surg Am 91:378-389, doi 10.2106/JBJS.G.01483: clavicle, scapula and
    humerus move together in abduction, scapular plane and flexion.
  Braman et al. 2009, J Shoulder Elbow Surg 18:960-967, doi 10.1016/j.jse.2009.02.001: 2.3 degrees in the
    shoulder joint to one of the scapula while the arm rises, 2.7 while it is lowered.
  Bouisset & Do 2008, Neurophysiol Clin 38:345-362, doi 10.1016/j.neucli.2008.10.001: trunk and legs move
    against raised arms. How much of it the trunk does is ours.
The turns of the arm about its length are ours: abduction beyond the horizontal needs the arm turned outward
(palm forward), flexion goes with a turn inward. The durations are ours.
"""

from __future__ import annotations

import numpy as np
from motion_maker import Array
from planted_motion import (
    STANDING_KNEE,
    Arms,
    Planted,
    Stance,
    breath,
    moves,
    scapular_rotation,
    seconds,
    write,
)

SOURCE = (
    "smpl2mjcf example: arms raised sideways, then forward, made by models/generate_arm_raise.py from a "
    "cited scapular rhythm"
)

DURATION = 10.3  # s
RAISE = 2.0  # s up, and down
SIDEWAYS, FORWARDS = (0.5, 2.9), (5.4, 7.8)
"""s, when a raising and a lowering begin."""

STANCE = Stance(half_width=0.10, turn_out=3.0, knees_out=5.0)

HANG, FORWARD_HANG = 10.0, 3.0
"""Degrees: how far the hanging arms stand off to the side and forward."""

OVERHEAD = 168.0
"""Degrees, the arm's greatest elevation against the trunk."""

OUTWARD, SUPINATION, TURN_LEAD = (60.0, -75.0), (35.0, 35.0), 0.25
"""Degrees, sideways and forward: the turns of upper arm and forearm about their length; and s by which the
first comes before the raising sideways."""

LEAN, ARCH = 3.0, 4.0
"""Degrees: the trunk leans back against arms held out before it, and arches when they are overhead."""


def arm_raise() -> dict[str, Array]:
    """The arrays of arm_raise.npz, in AMASS' layout."""
    planted, time = Planted(STANCE), seconds(DURATION)

    def up_and_down(start: float, most: float, when: tuple[float, float], lead: float = 0.0) -> Array:
        up, down = when
        return moves(time, start, (up - lead, RAISE, most - start), (down + lead, RAISE, start - most))

    abduction = up_and_down(HANG, OVERHEAD, SIDEWAYS)
    flexion = up_and_down(FORWARD_HANG, OVERHEAD, FORWARDS)
    arms = Arms(
        flexion=flexion,
        abduction=abduction,
        outward=up_and_down(0.0, OUTWARD[0], SIDEWAYS, TURN_LEAD) + up_and_down(0.0, OUTWARD[1], FORWARDS),
        supination=up_and_down(0.0, SUPINATION[0], SIDEWAYS, TURN_LEAD)
        + up_and_down(0.0, SUPINATION[1], FORWARDS),
        elbow=up_and_down(12.0, 6.0, SIDEWAYS) + up_and_down(0.0, -6.0, FORWARDS),
        scapula=scapular_rotation(abduction, 30.0) + scapular_rotation(flexion, 60.0),
    )
    overhead = sum((1 - np.cos(angle)) / 2 for angle in (abduction, flexion))
    lean = -np.deg2rad(LEAN) * np.sin(flexion) - np.deg2rad(ARCH) * overhead
    lean = lean - lean[0]
    spine = 0.6 * lean - breath(time)
    tilts = {"pelvis_tilt": 0.4 * lean, "trunk_tilt": spine, "head_tilt": -0.4 * lean - spine}
    knee = np.full(len(time), STANDING_KNEE)
    hips = planted.balanced(lambda x: planted.pose(tilts, arms, knee, x), len(time))
    return planted.arrays(planted.pose(tilts, arms, knee, hips), SOURCE)


if __name__ == "__main__":
    write("arm_raise.npz", arm_raise())
