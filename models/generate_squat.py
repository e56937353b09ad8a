"""Makes models/squat.npz, an example motion: `python models/generate_squat.py`.

The default body does two bodyweight squats until the thighs are about level, from quiet standing and back to
it, the arms raised forward. 120 frames/s; world z up, floor z = 0, facing +x, left +y; the ankles stay at
x = 0.

The road: the curves below give knee, pelvis, spine, head and arms. The feet do not move, legs follow by
inverse kinematics, and the one thing left open, how far back the hips go, is what keeps the centre of mass
over the same point of the feet. Hip and ankle angles are results; models/README.md has them.

Sources
  Escamilla 2001, Med Sci Sports Exerc 33:127-141, doi 10.1097/00005768-200101000-00020: the parallel squat
    bends the knee by about 100 degrees.
  Straub & Powers 2024, Int J Sports Phys Ther 19:490-501, doi 10.26603/001c.94600: thighs parallel to the
    floor at 90-110 degrees of knee flexion.
  Schoenfeld 2010, J Strength Cond Res 24:3497-3506, doi 10.1519/JSC.0b013e3181bac2d7: heels down, knees over
    the toes, little bending of the spine, gaze ahead.
  Lorenzetti et al. 2018, BMC Sports Sci Med Rehabil 10:14, doi 10.1186/s13102-018-0103-7: stances of hip
    width and wider with the feet turned out by 0, 21 and 42 degrees; ours lies between the first two.
  Zawadka et al. 2020, J Sports Sci Med 19:500-507: unloaded squats as deep as possible with the arms forward.
    Ranges of women and men: ankle 31 and 30 degrees, knee 119 and 125, hip 99 and 100, thorax against
    pelvis 30 and 44. Ours is less deep.
The durations are ours: an unhurried repetition of 3.5 s.
"""

from __future__ import annotations

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

SOURCE = "smpl2mjcf example: two bodyweight squats, made by models/generate_squat.py from cited angles"

DURATION = 9.1  # s
DESCENT, ASCENT = 1.7, 1.5  # s
REPETITIONS = ((0.5, 2.4), (4.7, 6.6))
"""s, when a descent and an ascent begin."""

STANCE = Stance(half_width=0.15, turn_out=10.0, knees_out=15.0)

KNEE, PELVIS, SPINE, HEAD = 110.0, 30.0, 14.0, -30.0
"""Degrees that are added at the lowest point: knee flexion and forward tilts, each against its parent."""

SHOULDER, SHOULDER_LEAD = 122.0, 0.1
"""Degrees of flexion against the trunk, which makes the arms level, and s by which the arms go first."""

HANG = 10.0
"""Degrees: the hanging arms' abduction, clear of the thighs."""


def follow(time: Array, start: float, lowest: float, lead: float = 0.0) -> Array:
    """(T,) rad, an angle that is `start` degrees in standing and `lowest` more at the lowest points."""
    each = []
    for down, up in REPETITIONS:
        each += [(down - lead, DESCENT, lowest), (up + lead, ASCENT, -lowest)]
    return moves(time, start, *each)


def squat() -> dict[str, Array]:
    """The arrays of squat.npz, in AMASS' layout."""
    planted, time = Planted(STANCE), seconds(DURATION)
    knee = STANDING_KNEE + follow(time, 0.0, KNEE)
    tilts = {
        "pelvis_tilt": follow(time, 0.0, PELVIS),
        "trunk_tilt": follow(time, 0.0, SPINE) - breath(time),
        "head_tilt": follow(time, 0.0, HEAD) + breath(time),
    }
    flexion = follow(time, 3.0, SHOULDER, SHOULDER_LEAD)
    arms = Arms(
        flexion=flexion,
        abduction=follow(time, HANG, -4.0),
        outward=follow(time, 0.0, -40.0),
        supination=follow(time, 0.0, -10.0),  # the palms half down
        elbow=follow(time, 12.0, -4.0),
        scapula=scapular_rotation(flexion, 60.0),
    )
    hips = planted.balanced(lambda x: planted.pose(tilts, arms, knee, x), len(time))
    return planted.arrays(planted.pose(tilts, arms, knee, hips), SOURCE)


if __name__ == "__main__":
    write("squat.npz", squat())
