"""How strong a joint is: the peak torque of its muscles in each direction, from dynamometer studies.

A strength belongs to a motion (knee extension); here each motion is laid onto an axis of SMPL's frame of
the joint (x left, y up, z forward in the T-pose), and scaled by the body's mass and stature. Young healthy
adults, isometric at the best angle unless the source says otherwise: an upper bound that falls with speed
and away from that angle, so a simulation that stays below it is possible and not yet likely.

Left and right are equal. The neutral sex has the mean of both. Where no measurement was found the row says
"assumed", with the reason; `MOTIONS` is the whole list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import HumanoidError
from .inertia import require_mass
from .skeleton import FINGERS, SEXES

Array = NDArray[np.float64]

WEIGHT = 9.81  # N/kg, turns the studies' shares of weight x stature into N m

COHORT_MASS = (73.0, 61.9)
"""kg of men and women where a study's abstract gives none: de Leva's (1996) reference bodies."""


class PeakTorque(NamedTuple):
    """That of one motion, as its source gives it."""

    part: str  # the joint without its side
    name: str
    axis: str  # "x", "y" or "z" of the body frame
    sign: int  # of the torque about that axis, on the left side
    men: float
    women: float
    unit: str  # "m g h": share of weight x stature; "N m/kg": of body mass; "N m": of the cohort
    source: str
    cohort: tuple[float, float] = COHORT_MASS  # kg of the men and women measured


_ANDERSON = "Anderson 2007 (10.1016/j.jbiomech.2007.03.022), Table 3, age 18-25"
_SUGIMOTO = "Sugimoto 2014 (10.1097/JSM.0000000000000059), athletes, concentric 60 deg/s"
_OTTAVIANI = "Ottaviani 2001 (Am J Sports Med 29:219-225), bearing weight, both sexes"
_TOES = "Goldmann 2012 (10.1111/j.1469-7580.2012.01524.x), men; women by mass"
_TRUNK = "Keller & Roy 2002 (10.1097/00024720-200208000-00009), Figure 2, read by one other author"
_NECK = "Fice 2014 (10.1007/s10439-014-1046-0), men; women / 1.45 (Chiu 2002: 1.2-1.7)"
_HEAD = "Fice 2014 x craniocervical share of Van Wyk 2010 (16.46/30.24, 13.34/18.90 N m)"
_ADDUCTION = "Holzbaur 2007 (10.1016/j.jbiomech.2006.11.013), mean 67.9 N m of both sexes, women 0.6 of men"
_ABDUCTION = "Holzbaur 2007, ratio of abduction to adduction of subject F1 (31.6/43.0 N m)"
_FLEXION = "static shoulder flexion at 0 deg, 26 men and 25 women: 89.9 N m, women half (no DOI found)"
_ROTATION = "shoulder rotation strength curves, 15 men and 15 women (conference abstract, no DOI found)"
_KUMAR = "Kumar 2004, Muscle Strength, pp. 241-243, read by one other author"
_FOREARM = "O'Sullivan & Gallwey 2002 (10.1016/S1050-6411(02)00014-7), men; women as at the wrist"
_WRIST = "Delp 1996 (10.1016/0021-9290(96)00029-2), men; women 0.641 (10.3390/jfmk10040377)"
_HIP_ROTATION = "assumed: 60 N m at 70 kg; women as in abduction"
_TRUNK_ROTATION = "assumed: 80 N m at 70 kg; women as in bending"
_FEMALE_WRIST = 0.641

MOTIONS = (
    PeakTorque("hip", "extension", "x", +1, 0.161, 0.181, "m g h", _ANDERSON),
    PeakTorque("hip", "flexion", "x", -1, 0.113, 0.127, "m g h", _ANDERSON),
    PeakTorque("hip", "abduction", "z", +1, 1.29, 1.13, "N m/kg", _SUGIMOTO),
    PeakTorque("hip", "adduction", "z", -1, 1.29, 1.13, "N m/kg", "assumed: as abduction"),
    PeakTorque("hip", "external rotation", "y", +1, 0.86, 0.75, "N m/kg", _HIP_ROTATION),
    PeakTorque("hip", "internal rotation", "y", -1, 0.86, 0.75, "N m/kg", _HIP_ROTATION),
    PeakTorque("knee", "extension", "x", -1, 0.163, 0.159, "m g h", _ANDERSON),
    PeakTorque("knee", "flexion", "x", +1, 0.087, 0.080, "m g h", _ANDERSON),
    PeakTorque("ankle", "plantarflexion", "x", +1, 0.095, 0.104, "m g h", _ANDERSON),
    PeakTorque("ankle", "dorsiflexion", "x", -1, 0.033, 0.027, "m g h", _ANDERSON),
    PeakTorque("ankle", "inversion", "z", -1, 0.027, 0.027, "m g h", _OTTAVIANI),
    PeakTorque("ankle", "eversion", "z", +1, 0.016, 0.016, "m g h", _OTTAVIANI),
    PeakTorque(
        "ankle", "toe-in", "y", -1, 0.027, 0.027, "m g h", "assumed: inversion's, the axis is oblique"
    ),
    PeakTorque(
        "ankle", "toe-out", "y", +1, 0.016, 0.016, "m g h", "assumed: eversion's, the axis is oblique"
    ),
    PeakTorque("foot", "toe flexion", "x", +1, 14.2, 14.2, "N m", _TOES, (73.0, 73.0)),
    PeakTorque("foot", "toe extension", "x", -1, 7.1, 7.1, "N m", "assumed: half of flexion", (73.0, 73.0)),
    PeakTorque("spine", "extension", "x", -1, 218.0, 137.0, "N m", _TRUNK),
    PeakTorque("spine", "flexion", "x", +1, 123.0, 60.0, "N m", _TRUNK),
    PeakTorque(
        "spine", "lateral bending", "z", 0, 170.0, 98.0, "N m", "assumed: mean of extension and flexion"
    ),
    PeakTorque("spine", "rotation", "y", 0, 1.14, 0.66, "N m/kg", _TRUNK_ROTATION),
    PeakTorque("neck", "extension", "x", -1, 51.0, 35.2, "N m", _NECK),
    PeakTorque("neck", "flexion", "x", +1, 30.0, 20.7, "N m", _NECK),
    PeakTorque("neck", "lateral bending", "z", 0, 32.0, 22.1, "N m", _NECK),
    PeakTorque("neck", "rotation", "y", 0, 13.0, 9.0, "N m", _NECK),
    PeakTorque("head", "extension", "x", -1, 27.8, 19.2, "N m", _HEAD),
    PeakTorque("head", "flexion", "x", +1, 21.2, 14.6, "N m", _HEAD),
    PeakTorque(
        "head", "lateral bending", "z", 0, 20.0, 13.8, "N m", "assumed: mean share of extension and flexion"
    ),
    PeakTorque("head", "rotation", "y", 0, 13.0, 9.0, "N m", "assumed: the neck's, passed on"),
    PeakTorque("shoulder", "adduction", "z", -1, 84.9, 50.9, "N m", _ADDUCTION),
    PeakTorque("shoulder", "abduction", "z", +1, 62.4, 37.4, "N m", _ABDUCTION),
    PeakTorque("shoulder", "flexion", "y", -1, 89.9, 45.0, "N m", _FLEXION),
    PeakTorque("shoulder", "extension", "y", +1, 93.0, 54.0, "N m", _KUMAR),
    PeakTorque("shoulder", "internal rotation", "x", +1, 54.6, 24.7, "N m", _ROTATION, (85.4, 70.1)),
    PeakTorque("shoulder", "external rotation", "x", -1, 39.6, 20.4, "N m", _ROTATION, (85.4, 70.1)),
    PeakTorque("elbow", "flexion", "y", -1, 77.0, 41.0, "N m", _KUMAR),
    PeakTorque("elbow", "extension", "y", +1, 46.0, 27.0, "N m", _KUMAR),
    PeakTorque("elbow", "pronation", "x", +1, 13.1, 13.1 * _FEMALE_WRIST, "N m", _FOREARM),
    PeakTorque("elbow", "supination", "x", -1, 16.2, 16.2 * _FEMALE_WRIST, "N m", _FOREARM),
    PeakTorque("wrist", "flexion", "z", -1, 12.2, 12.2 * _FEMALE_WRIST, "N m", _WRIST),
    PeakTorque("wrist", "extension", "z", +1, 7.1, 7.1 * _FEMALE_WRIST, "N m", _WRIST),
    PeakTorque("wrist", "radial deviation", "y", -1, 11.0, 11.0 * _FEMALE_WRIST, "N m", _WRIST),
    PeakTorque("wrist", "ulnar deviation", "y", +1, 9.5, 9.5 * _FEMALE_WRIST, "N m", _WRIST),
    PeakTorque("wrist", "pronation", "x", +1, 13.1, 13.1 * _FEMALE_WRIST, "N m", _FOREARM),
    PeakTorque("wrist", "supination", "x", -1, 16.2, 16.2 * _FEMALE_WRIST, "N m", _FOREARM),
)
"""Every motion with a strength. Sign 0 means both directions. Axes that are missing (knee and elbow beside
their hinge, toes sideways) carry load through bone and ligament: they get the joint's largest strength."""

SAME_AS = {
    # The girdle passes the shoulder's moment on to the trunk. Garner & Shim 2007
    # (10.1016/j.clinbiomech.2007.07.018) measured shrugs of 810-1117 N with both sides, 38-53 N m a side
    # about SMPL's collar joint (.095 m from the shoulder): less than that.
    "collar": ("shoulder", 1.0),
    # Assumed: the grip is as strong as the wrist that holds it, and a finger has a fifth of it.
    "hand": ("wrist", 1.0),
    **{f"{finger}{k}": ("wrist", 0.2 / 2 ** (k - 1)) for finger in FINGERS for k in (1, 2, 3)},
    **{f"spine{k}": ("spine", 1.0) for k in (1, 2, 3)},
}
"""Joints that take another's strengths, and the share. The three spine joints are in series: one moment."""


@dataclass(frozen=True, eq=False)
class Strength:
    """Peak torque of one joint about its body frame's axes."""

    positive: Array  # (3,) N m about +x, +y, +z
    negative: Array  # (3,) N m about -x, -y, -z, as positive numbers

    def about(self, axis: ArrayLike) -> tuple[float, float]:
        """(lowest, highest) torque in N m about an axis (3,) of the body frame, lowest <= 0.

        Between the frame's axes the strengths span an ellipsoid, the shape of measured shoulder torques
        (PMC6874736).
        """
        direction = np.asarray(axis, dtype=float) / np.linalg.norm(axis)
        return -self._towards(-direction), self._towards(direction)

    def _towards(self, direction: Array) -> float:
        limits = np.where(direction >= 0, self.positive, self.negative)
        return float(1 / np.linalg.norm(direction / limits))


def joint_strengths(joints: Sequence[str], sex: str, mass: float, stature: float) -> dict[str, Strength]:
    """The strength of each joint of a person, by SMPL name; the root has none.

    joints: SMPL names; sex: "female", "male" or "neutral"; mass: kg; stature: m.
    Raises HumanoidError for an unknown sex, an impossible mass or stature, or a joint without strengths.
    """
    if sex not in SEXES:
        raise HumanoidError(f"unknown sex {sex!r}; accepted: {', '.join(SEXES)}")
    require_mass(mass)
    if not (np.isfinite(stature) and stature > 0):
        raise HumanoidError(f"stature must be a positive number of m, received {stature!r}")
    parts = {part: _strength(part, sex, mass, stature) for part in {motion.part for motion in MOTIONS}}
    strengths = {}
    for joint in joints:
        side, _, part = joint.rpartition("_")
        if part == "pelvis":
            continue
        base, share = SAME_AS.get(part, (part, 1.0))
        if base not in parts:
            raise HumanoidError(f"no strength for joint {joint!r}; known: {', '.join(sorted(parts))}")
        left = Strength(parts[base].positive * share, parts[base].negative * share)
        strengths[joint] = _mirrored(left) if side == "right" else left
    return strengths


def _strength(part: str, sex: str, mass: float, stature: float) -> Strength:
    """One left joint's, in N m."""
    limits = np.zeros((2, 3))  # about the positive and the negative axes
    for motion in MOTIONS:
        if motion.part == part:
            torque = _torque(motion, sex, mass, stature)
            axis = "xyz".index(motion.axis)
            for row, sign in enumerate((+1, -1)):
                if motion.sign in (sign, 0):
                    limits[row, axis] = torque
    limits[limits == 0] = limits.max()
    return Strength(*limits)


def _torque(motion: PeakTorque, sex: str, mass: float, stature: float) -> float:
    """N m of a motion for one person."""
    per_sex = np.array([motion.men, motion.women])
    if motion.unit == "m g h":
        torques = per_sex * mass * WEIGHT * stature
    elif motion.unit == "N m/kg":
        torques = per_sex * mass
    else:
        torques = per_sex * mass / np.array(motion.cohort)
    return float({"male": torques[0], "female": torques[1], "neutral": torques.mean()}[sex])


def _mirrored(left: Strength) -> Strength:
    """The right joint's: a reflection in x turns torques about y and z around."""
    return Strength(
        np.array([left.positive[0], *left.negative[1:]]),
        np.array([left.negative[0], *left.positive[1:]]),
    )
