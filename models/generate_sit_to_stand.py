"""Makes models/sit_to_stand.npz, an example motion: `python models/generate_sit_to_stand.py`.

The default body sits on a stool without arm rests, stands up in 2 s and stands quietly. 120 frames/s; world
z up, floor z = 0, facing +x, left +y; the ankles stay at x = 0.

While the person sits, the seat carries most of the weight: a force on pelvis and thighs that no joint of
the model has. The file says until when (`seat_off_frame`, the first frame in which only the feet carry) and
where the seat is (`seat_height`, `seat_front`, m: a horizontal surface behind x = seat_front).

The road: the curves below give knee, pelvis, spine, head and arms. The feet do not move; the hips stay where
they are until the knees extend; from then on their way forward is a smooth curve, fitted (least squares on
B-splines) so that the centre of pressure stays under the feet.

Sources
  Schenkman et al. 1990, Phys Ther 70:638-648, doi 10.1093/ptj/70.10.638: four phases: flexion momentum,
    momentum transfer (from seat-off to the largest dorsiflexion), extension, stabilisation.
  Nuzik, Lamb, VanSant & Hirt 1986, Sit-to-stand movement pattern: a kinematic study, Phys Ther 66:1708-1713:
    the trunk flexes over still thighs first, then knees, hips and trunk extend together.
  Kralj, Jaeger & Munih 1990, J Biomech 23:1123-1138, doi 10.1016/0021-9290(90)90005-N: the events of rising,
    by the ground's forces.
  Kerr et al. 1997, Clin Biomech 12:236-245, doi 10.1016/S0268-0033(96)00077-0: 1.91 s at one's own speed.
The phases and the duration are theirs. No values were read off their figures: the angles are ours, of a usual
size (the upper trunk 48 degrees forward, the seat left after a third of the movement).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from motion_maker import Array, Pose, step
from planted_motion import (
    COM_BEFORE_ANKLES,
    FPS,
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
from scipy.interpolate import BSpline
from scipy.optimize import least_squares

SOURCE = (
    "smpl2mjcf example: sit-to-stand, made by models/generate_sit_to_stand.py from cited phases; "
    "until seat_off_frame a seat at seat_height carries pelvis and thighs too"
)

DURATION = 3.6  # s
BEGIN = 0.6  # s, the trunk starts
STANCE = Stance(half_width=0.10, turn_out=4.0, knees_out=6.0)

SEATED_KNEE, SEATED_HIP = 92.0, 0.55
"""Degrees of flexion, and m the hip joints' height; the shanks then lean forward by 20 degrees."""

SEAT_DEPTH = 0.22
"""m from under the hips to the seat's front edge."""

# (s after BEGIN, duration s) of each move
FLEX = (0.0, 1.0)
EXTEND = (0.75, 1.3)
RISE = (0.58, 1.42)

PELVIS, SPINE = (-4.0, 36.0), (8.0, 12.0)
"""Degrees forward, seated and at most: of the pelvis in the world, and of the spine against the pelvis."""

GAZE = 0.7
"""How much of the trunk's lean the neck takes back."""

PRESSURE_SIGMA, STRAY_SIGMA = 0.02, 0.2
"""m, standard deviations in the least squares: of the pressure's place, and of a spline's coefficient."""

NUM_SPLINES = 12
LIFTED = 0.002
"""m by which the hips have risen where we say that the seat is left; the skin below them has by then too."""


def splines(time: Array, begin: float, end: float) -> Array:
    """(NUM_SPLINES, T) quintic B-splines; each comes from rest and returns to it between two times."""
    knots = np.linspace(begin, end, NUM_SPLINES + 6)
    each = [BSpline.basis_element(knots[k : k + 7], extrapolate=False)(time) for k in range(NUM_SPLINES)]
    return np.nan_to_num(each)


def sit_to_stand() -> dict[str, Array]:
    """The arrays of sit_to_stand.npz, in AMASS' layout, and seat_off_frame, seat_height, seat_front."""
    planted, time = Planted(STANCE), seconds(DURATION)

    def by(when: tuple[float, float], degrees: float) -> tuple[float, float, float]:
        return BEGIN + when[0], when[1], degrees

    knee_change = np.rad2deg(STANDING_KNEE) - SEATED_KNEE
    knee = moves(time, SEATED_KNEE, by(RISE, knee_change))
    pelvis, spine = (
        moves(time, seated, by(FLEX, most - seated), by(EXTEND, -most)) for seated, most in (PELVIS, SPINE)
    )
    spine = spine - breath(time)
    tilts = {"pelvis_tilt": pelvis, "trunk_tilt": spine, "head_tilt": -GAZE * (pelvis + spine)}
    flexion = moves(time, 18.0, by((0.0, 1.1), 30.0), by((0.75, 1.25), -45.0))
    arms = Arms(
        flexion=flexion,
        abduction=np.full(len(time), np.deg2rad(10.0)),
        outward=np.zeros(len(time)),
        supination=np.zeros(len(time)),
        elbow=moves(time, 50.0, by((0.1, 0.9), -15.0), by((0.8, 1.2), -23.0)),
        scapula=scapular_rotation(flexion, 60.0),
    )

    def build(hips: Array) -> Pose:
        return planted.pose(tilts, arms, knee, hips)

    sitting = -planted.hip_distance(knee[0], SEATED_HIP - planted.ankle_height)
    standing = planted.balanced(build, len(time))[-1]
    begin, end = BEGIN + RISE[0], BEGIN + RISE[0] + RISE[1]
    hips = sitting + (standing - sitting) * step((time - begin) / (end - begin))
    pose = build(fitted(planted, build, hips, splines(time, begin, end)))
    return {**planted.arrays(pose, SOURCE), **seat(planted, pose)}


def fitted(planted: Planted, build: Callable[[Array], Pose], hips: Array, shapes: Array) -> Array:
    """(T,) m, the hips' way forward with splines added that keep the centre of pressure under the feet.

    hips: (T,) m without them; shapes: (K, T). The pressure counts from when the seat is about to be left.
    """
    time = np.arange(len(hips)) / FPS
    counts = step((time - BEGIN - RISE[0]) / 0.15) / np.sqrt(FPS)

    def residual(coefficients: Array) -> Array:
        off = planted.pressure(build(hips + coefficients @ shapes)) - COM_BEFORE_ANKLES
        return np.concatenate([counts * off / PRESSURE_SIGMA, coefficients / STRAY_SIGMA])

    # One batched call gives all derivatives.
    def jacobian(coefficients: Array) -> Array:
        small = 1e-5
        around = coefficients + small * np.concatenate([np.eye(len(shapes)), -np.eye(len(shapes))])
        off = planted.pressure(build(hips + around @ shapes))
        slope = (off[: len(shapes)] - off[len(shapes) :]) / (2 * small)
        return np.concatenate([(counts * slope / PRESSURE_SIGMA).T, np.eye(len(shapes)) / STRAY_SIGMA])

    fit = least_squares(residual, np.zeros(len(shapes)), jacobian, x_scale=0.01, xtol=1e-12, ftol=1e-12)
    return hips + fit.x @ shapes


def seat(planted: Planted, pose: Pose) -> dict[str, Array]:
    """Where the seat is, and the first frame in which the body has left it."""
    body, hips = planted.person.body, pose.position[0, planted.person.index("left_hip")]
    upper = [body.joint_names.index(name) for name in ("pelvis", "left_hip", "right_hip")]
    rows = np.flatnonzero(body.weights[:, upper].sum(1) > 0.5)
    front = hips[0] + SEAT_DEPTH
    skin = planted.person.skin(pose, rows)[0]
    risen = pose.position[:, planted.person.index("left_hip"), 2] - hips[2]
    return {
        "seat_off_frame": np.array(np.flatnonzero(risen < LIFTED).max() + 1),
        "seat_height": np.array(np.round(skin[skin[:, 0] < front, 2].min(), 3)),
        "seat_front": np.array(np.round(front, 3)),
    }


if __name__ == "__main__":
    write("sit_to_stand.npz", sit_to_stand())
