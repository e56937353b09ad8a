"""Limbs that a recording did not see: CMU's library writes angles of 0 for them.

Where markers were hidden, often in a clip's first or last seconds, its skeletons hold a leg, a foot or an arm
in the zero pose to the last digit (4 of 26 clips of as many subjects: 13_07, 28_01, 79_23, 87_02). No person
holds two joints so; when the markers come back the limb jumps within one frame.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .frame_ranges import frame_ranges
from .recorded_bones import RecordedBones
from .skeleton import SIDES

_LIMBS = {
    "leg": (("pelvis", "hip"), ("hip", "knee")),
    "foot": (("knee", "ankle"), ("ankle", "foot")),
    "arm": (("collar", "shoulder"), ("shoulder", "elbow")),
}
"""Joints whose rotation against the joint before them is 0 when the limb was not seen."""

ZERO = 1e-6
"""rad; half of the last of a BVH's four decimals of a degree."""


def lost_limbs(bones: RecordedBones) -> dict[str, NDArray[np.intp]]:
    """The frames, from 0, in which a limb lies in the recorder's zero pose, by "left leg" and the like.

    Limbs that are never so are left out.
    """
    lost: dict[str, NDArray[np.intp]] = {}
    for side in SIDES:
        for limb, joints in _LIMBS.items():
            turn = [
                bones.orientation["pelvis" if above == "pelvis" else f"{side}_{above}"].inv()
                * bones.orientation[f"{side}_{joint}"]
                for above, joint in joints
            ]
            frames = np.flatnonzero(np.max([r.magnitude() for r in turn], axis=0) < ZERO)
            if len(frames):
                lost[f"{side} {limb}"] = frames
    return lost


def warn_of_lost_limbs(bones: RecordedBones, path: Path) -> None:
    """Names the limbs and frames that the recording did not see, in one warning."""
    lost = lost_limbs(bones)
    if not lost:
        return
    parts = "; ".join(f"{limb} in {frame_ranges(frames)}" for limb, frames in lost.items())
    total = len(bones.start["pelvis"])
    warnings.warn(
        f"{path}: every angle is exactly 0, as CMU's library writes where markers were hidden: {parts} "
        f"(of {total}, from 0); that is no pose, and the limb jumps when it is seen again: leave those "
        "frames out",
        stacklevel=3,
    )
