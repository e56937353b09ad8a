"""The zero pose of a BVH file: how each joint's own axes lie in a standing person.

A zero pose that a person can take (arms and legs anywhere below a T-pose) has the same axes for all joints,
those of the file, turned in one of 24 ways. In Ubisoft's LAFAN1 every bone lies along its own +x instead,
hips along z; another program may have turned these axes too.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .bvh import BvhClip
from .errors import MotionFileError
from .recorded_bones import outward
from .skeleton import BODY_JOINTS, SIDES

Array = NDArray[np.float64]

# What a LAFAN1 bone calls left, up and forward of the T-pose, as signed axes of its own. Feet besides turn
# about their lateral axis: with the sole on the floor the instep falls by the angle that the toes rise again.
_LAFAN_AXES = {
    "trunk": ("z", "x", "y"),
    "leg": ("-z", "-x", "y"),
    "left arm": ("x", "z", "-y"),
    "right arm": ("-x", "-z", "-y"),
}
_LAFAN_INSTEP = np.deg2rad(21.45)


def limb_ends() -> dict[str, str]:
    """Each joint at which a limb's bone starts, and the one at which it ends."""
    pairs = (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
    return {f"{side}_{first}": f"{side}_{second}" for side in SIDES for first, second in pairs}


def rest_axes(clip: BvhClip, joints: dict[str, int], path: Path) -> tuple[dict[str, Rotation], Array]:
    """For each SMPL joint: from rest axes (left, up, forward) to the joint's own axes in the file.

    Besides (3,), which way is up by the zero pose, in the file's axes; a file may say it otherwise.
    Raises MotionFileError for a zero pose that is neither a person's nor LAFAN1's.
    """
    starts = clip.rest_starts()

    def bone(first: str, second: str) -> Array:
        vector = starts[joints[second]] - starts[joints[first]]
        if not vector.any():
            raise MotionFileError(f"{path}: the {first.replace('_', ' ')} and the {second} are at one place")
        return vector / np.linalg.norm(vector)

    across = bone("right_hip", "left_hip")
    limbs = [bone(first, second) for first, second in limb_ends().items()]
    left = _nearest_axis(across)
    # Arms and legs of a person may hang alike, but never the same way as the trunk.
    along = _nearest_axis(bone("pelvis", "neck"))
    if min(limb @ along for limb in limbs) > 0.98 and across @ left > 0.98 and not along @ left:
        turned = Rotation.from_matrix(np.stack([along, np.cross(left, along), left], axis=1))
        return _lafan_axes(turned), turned.apply([0.0, 1.0, 0.0])
    legs = bone("left_hip", "left_ankle") + bone("right_hip", "right_ankle")
    up = _nearest_axis(-legs)
    # The pelvis and each leg must look like a person's, or the hinge axes would be guesses.
    if left @ across < 0.9 or -(up @ legs) / 2 < np.cos(np.deg2rad(40)) or abs(left @ up) > 0.5:
        raise MotionFileError(
            f"{path}: its zero pose is no standing person's (hips along {np.round(across, 2).tolist()}, legs "
            f"along {np.round(legs / 2, 2).tolist()}), so its rest axes are not known; accepted: legs down, "
            "arms anywhere below a T-pose, or LAFAN1's bones along +x"
        )
    axes = Rotation.from_matrix(np.stack([left, up, np.cross(left, up)], axis=1))
    for side in SIDES:
        for first, second in (("shoulder", "elbow"), ("elbow", "wrist")):
            arm = axes.inv().apply(bone(f"{side}_{first}", f"{side}_{second}"))
            if arm @ outward(side) < -0.5 or arm[1] > 0.7:
                raise MotionFileError(
                    f"{path}: in its zero pose the {side} {first} points {np.round(arm, 2).tolist()} (left, "
                    "up, forward); accepted: from a T-pose down to hanging arms"
                )
    return dict.fromkeys(joints, axes), up


def _nearest_axis(vector: Array) -> Array:
    axis = np.zeros(3)
    k = int(np.abs(vector).argmax())
    axis[k] = np.sign(vector[k])
    return axis


def _lafan_axes(turned: Rotation) -> dict[str, Rotation]:
    """As rest_axes, for LAFAN1's axes, turned so in the file."""

    def of(part: str) -> Rotation:
        columns = np.zeros((3, 3))
        for k, name in enumerate(_LAFAN_AXES[part]):
            columns["xyz".index(name[-1]), k] = -1.0 if name.startswith("-") else 1.0
        return Rotation.from_matrix(columns)

    axes: dict[str, Rotation] = {}
    for joint in BODY_JOINTS:
        side, _, name = joint.partition("_")
        if name in ("collar", "shoulder", "elbow", "wrist"):
            axes[joint] = of(f"{side} arm")
        elif name in ("hip", "knee", "ankle", "foot"):
            # Toes lie flat; the instep rises from them to the ankle.
            bend = {"ankle": np.pi / 2 - _LAFAN_INSTEP, "foot": np.pi / 2}.get(name, 0.0)
            axes[joint] = Rotation.from_rotvec([0.0, 0.0, -bend]) * of("leg")
        else:
            axes[joint] = of("trunk")
    return {joint: turned * own for joint, own in axes.items()}


def rest_joints(clip: BvhClip, joints: dict[str, int], axes: dict[str, Rotation]) -> dict[str, Array]:
    """(3,) where SMPL's joints are in the zero pose, from the root, in rest axes and the file's unit.

    Joints that SMPL lacks turn with the nearest one above them that it has.
    """
    known: dict[int, Rotation] = {}
    for joint, j in joints.items():
        known.setdefault(j, axes[joint])
    turned: list[Rotation] = []
    starts = np.zeros((len(clip.names), 3))
    for j, parent in enumerate(clip.parents):
        turned.append(known[j] if j in known else turned[parent] if parent >= 0 else Rotation.identity())
        if parent >= 0:
            starts[j] = starts[parent] + turned[parent].inv().apply(clip.offsets[j])
    return {joint: starts[j] for joint, j in joints.items()}
