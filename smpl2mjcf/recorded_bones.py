"""The bones of a recorded person, whatever file they came from: what retargeting and fitting need of them.

Every quantity is named by SMPL's joints. "Rest axes" are those of the recorder's zero pose: x to the person's
left, y up, z forward. A zero pose is not SMPL's T-pose: legs may be spread and arms may hang, which is what
`direction`, `hinge` and `sole` tell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]

DOWN = np.array([0.0, -1.0, 0.0])

SMPL_KNEE = np.array([1.0, 0.0, 0.0])


def outward(side: str) -> Array:
    """(3,) away from the middle of the body on this side: where an arm points in the T-pose."""
    return np.array([1.0 if side == "left" else -1.0, 0.0, 0.0])


def smpl_elbow(side: str) -> Array:
    """(3,) the axis about which SMPL's elbow flexes in the T-pose, palms down."""
    return np.array([0.0, -outward(side)[0], 0.0])


def smpl_wrist(side: str) -> Array:
    """(3,) the axis about which SMPL's wrist flexes (palm towards the forearm) in the T-pose, palms down."""
    return np.array([0.0, 0.0, -outward(side)[0]])


@dataclass(frozen=True, eq=False)
class RecordedBones:
    """Poses of a person's bones in every frame, and how the bones lie in the recorder's zero pose."""

    orientation: dict[str, Rotation]
    """Of SMPL's 22 body joints, T rotations each: rest axes to world. An elbow's is that of the forearm where
    the hand sits, with its pronation, as SMPL's elbow holds it."""
    start: dict[str, Array]  # (T, 3) m, world: where those joints are
    direction: dict[str, Array]
    """(3,) rest axes: of the bone from left_hip, left_knee, left_shoulder, left_elbow; right too."""
    hinge: dict[str, Array]
    """(3,) rest axes: about which left_knee, left_elbow, left_wrist flex; right too."""
    sole: dict[str, Rotation]  # by side: from a foot flat on the floor to the foot of the zero pose
    lengths: dict[str, float]  # m, by the names of bone_fit.LENGTH_ACCURACY; those that the file has right


def align(from_bone: Array, from_axis: Array, to_bone: Array, to_axis: Array) -> Rotation:
    """The rotation that takes one bone direction exactly to another, and the axis as near as that allows."""
    return Rotation.from_matrix(_frame(to_bone, to_axis) @ _frame(from_bone, from_axis).T)


def leg_sole(shank: Array, knee_axis: Array) -> Rotation:
    """The sole of a zero pose whose foot follows its leg: what takes a straight vertical leg to this one."""
    return align(DOWN, SMPL_KNEE, shank, knee_axis)


def _frame(first: Array, second: Array) -> Array:
    a = first / np.linalg.norm(first)
    b = second - (second @ a) * a
    b = b / np.linalg.norm(b)
    return np.stack([a, b, np.cross(a, b)], axis=1)
