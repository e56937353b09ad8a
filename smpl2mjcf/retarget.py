"""From a CMU skeleton's bones to SMPL's joints, on a body with the recorded person's bone lengths.

Joints map by name. A SMPL joint's world orientation is that of its recorded bone times a constant
rest-pose offset, which lays SMPL's T-pose onto the ASF zero pose (legs spread by 20 degrees, elbow
axes turned by 30): bones point the same way and hinge axes coincide, so that a recorded angle of zero
stays zero and knee flexion stays knee flexion. Time and root displacement are never scaled: the body
is fitted to the recorded bones instead, since a scaled motion no longer falls at g.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .asf_amc import ROOT, AsfSkeleton, BonePoses
from .body import Body, joint_positions
from .bone_fit import joint_lengths
from .errors import MotionFileError
from .motion import Motion
from .skeleton import BODY_JOINTS, BODY_PARENTS

Array = NDArray[np.float64]

# SMPL's elbow holds the forearm's pronation, as in the radius of anatomical models; its wrist holds
# flexion and deviation. CMU's lradius only flexes; lwrist, the distal half of the forearm, pronates.
_SIDE_BONES = {
    "hip": "femur",
    "knee": "tibia",
    "ankle": "foot",
    "foot": "toes",
    "collar": "clavicle",
    "shoulder": "humerus",
    "elbow": "wrist",
    "wrist": "hand",
}
BONES = {
    "pelvis": ROOT,
    "spine1": "lowerback",
    "spine2": "upperback",
    "spine3": "thorax",
    "neck": "lowerneck",
    "head": "head",
    **{f"left_{joint}": f"l{bone}" for joint, bone in _SIDE_BONES.items()},
    **{f"right_{joint}": f"r{bone}" for joint, bone in _SIDE_BONES.items()},
}
"""The CMU bone whose orientation each SMPL joint takes."""


def recorded_lengths(skeleton: AsfSkeleton) -> dict[str, float]:
    """Bone lengths of a CMU skeleton in m, mean of both sides, by the names of bone_fit.LENGTH_ACCURACY."""
    _require_bones(skeleton)
    start = skeleton.rest_starts()
    joints = {joint: start[bone] for joint, bone in BONES.items()}
    for side in ("left", "right"):
        # The recorded elbow is where lradius starts; lwrist starts halfway down the forearm.
        joints[f"{side}_elbow"] = start[f"{side[0]}radius"]
    return joint_lengths(joints)


def retarget(
    body: Body, betas: Array, skeleton: AsfSkeleton, poses: BonePoses, fps: float, source: str
) -> Motion:
    """The y-up Motion of recorded bones on a body whose betas (B,) have been fitted to them.

    Raises MotionFileError for a skeleton that is not laid out as CMU's.

    The middle of the hips stays where it was recorded: CMU's root joint lies elsewhere in the pelvis
    than SMPL's, and the hips are what carries the legs' dynamics.
    """
    _require_bones(skeleton)
    rest = dict(zip(body.joint_names, joint_positions(body, betas)))
    offsets = _rest_offsets(rest, skeleton)
    world = {joint: poses.orientation[bone] * offsets[joint] for joint, bone in BONES.items()}
    rotations = np.zeros((len(poses.start[ROOT]), len(body.joint_names), 3))
    for j, name in enumerate(BODY_JOINTS):
        local = world[name]
        if BODY_PARENTS[j] >= 0:
            local = world[BODY_JOINTS[BODY_PARENTS[j]]].inv() * local
        rotations[:, j] = local.as_rotvec()
    middle = (poses.start["lfemur"] + poses.start["rfemur"]) / 2
    rest_middle = (rest["left_hip"] + rest["right_hip"]) / 2 - rest["pelvis"]
    trans = middle - world["pelvis"].apply(rest_middle) - rest["pelvis"]
    return Motion(rotations, trans, fps, betas=betas, family=body.family, sex=body.sex, up="y", source=source)


def _rest_offsets(rest: Mapping[str, Array], skeleton: AsfSkeleton) -> dict[str, Rotation]:
    """The rotation that lays each SMPL joint's rest frame onto its bone's zero pose.

    Trunk, neck, head and collars: none, both rest upright. Thighs, shanks, upper arms, forearms: the
    bones coincide, and so do the hinge axes of knee, elbow and wrist. Feet: what takes a straight
    vertical leg to the skeleton's leg, since SMPL's ankle lies behind its knee and the sole must not
    follow that slant. Hands take the forearm's: a wrist angle of zero stays zero.
    """
    offsets = {joint: Rotation.identity() for joint in BONES}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        s = side[0]
        joint = {
            name: rest[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
        }
        bone = {name: skeleton.bones[s + name] for name in ("femur", "tibia", "humerus", "radius", "hand")}
        knee_axis, elbow_axis, wrist_axis = (bone[name].axes[:, 0] for name in ("tibia", "radius", "hand"))
        # SMPL's flexion axes, left side; the right mirrors y and z (a rotation axis is a pseudo-vector).
        smpl_knee = np.array([1.0, 0.0, 0.0])
        smpl_elbow = np.array([0.0, -sign, 0.0])
        smpl_wrist = np.array([0.0, 0.0, -sign])
        down = np.array([0.0, -1.0, 0.0])
        shank = _align(down, smpl_knee, bone["tibia"].vector, knee_axis)
        forearm = _align(joint["wrist"] - joint["elbow"], smpl_wrist, bone["radius"].vector, wrist_axis)
        offsets[f"{side}_hip"] = _align(
            joint["knee"] - joint["hip"], smpl_knee, bone["femur"].vector, knee_axis
        )
        offsets[f"{side}_knee"] = _align(
            joint["ankle"] - joint["knee"], smpl_knee, bone["tibia"].vector, knee_axis
        )
        offsets[f"{side}_ankle"] = offsets[f"{side}_foot"] = shank
        offsets[f"{side}_shoulder"] = _align(
            joint["elbow"] - joint["shoulder"], smpl_elbow, bone["humerus"].vector, elbow_axis
        )
        offsets[f"{side}_elbow"] = offsets[f"{side}_wrist"] = forearm
    return offsets


def _align(from_bone: Array, from_axis: Array, to_bone: Array, to_axis: Array) -> Rotation:
    """The rotation that takes one bone direction exactly to another, and the axis as near as that allows."""
    return Rotation.from_matrix(_frame(to_bone, to_axis) @ _frame(from_bone, from_axis).T)


def _frame(first: Array, second: Array) -> Array:
    a = first / np.linalg.norm(first)
    b = second - (second @ a) * a
    b = b / np.linalg.norm(b)
    return np.stack([a, b, np.cross(a, b)], axis=1)


def _require_bones(skeleton: AsfSkeleton) -> None:
    needed = {bone for bone in BONES.values() if bone != ROOT} | {"lradius", "rradius"}
    missing = sorted(needed - set(skeleton.bones))
    if missing:
        raise MotionFileError(
            f"the skeleton lacks bones of CMU's layout: {', '.join(missing)}; "
            f"found: {', '.join(skeleton.bones)}"
        )
