"""From a CMU skeleton's bones to SMPL's joints, on a body with the recorded person's bone lengths.

Joints map by name. A SMPL joint's world orientation is that of its recorded bone times a constant
rest-pose offset, which lays SMPL's T-pose onto the ASF zero pose (legs spread by 20 degrees, elbow
axes turned by 30): bones point the same way and hinge axes coincide, so that a recorded angle of zero
stays zero and knee flexion stays knee flexion. Time and root displacement are never scaled: the body
is fitted to the recorded bones instead, since a scaled motion no longer falls at g.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from .asf_amc import ROOT, AsfSkeleton, BonePoses
from .body import Body, joint_positions
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

LENGTH_ACCURACY = {
    "thigh": 0.002,
    "shank": 0.002,
    "upper_arm": 0.002,
    "forearm": 0.002,
    "hip_width": 0.02,
    "shoulder_width": 0.02,
    "trunk": 0.03,
}
"""m, how closely the fitted body keeps to each recorded length. Limbs are rigid and well seen. CMU's
hip centres lie 15-18 cm apart and its shoulders sit low on a straight spine, both by definition: taken
to the letter they would be bought with girth (a 93 kg walker), so they only guide the fit."""

LARGEST_BETA = 4.0
"""Beyond this the shape space says nothing of real people."""

LIMBS = ("thigh", "shank", "upper_arm", "forearm")

WORST_LIMB_MISFIT = 0.01  # m, a limb that misses by more is reported


@dataclass(frozen=True)
class Fit:
    """Betas of the recorded person, and what is left between the body and the record."""

    betas: Array  # (B,)
    misfit: dict[str, float]  # m, body minus record, by length


def fit_betas(body: Body, recorded: Mapping[str, float]) -> Fit:
    """Betas whose bone lengths are the recorded ones, as close to the mean shape as they allow.

    recorded: m, by the names of LENGTH_ACCURACY.
    """
    base = joint_positions(body)
    directions = np.stack([joint_positions(body, e) - base for e in np.eye(body.num_betas)], axis=-1)
    names = list(LENGTH_ACCURACY)
    wanted = np.array([recorded[name] for name in names])
    accuracy = np.array([LENGTH_ACCURACY[name] for name in names])

    def lengths(betas: Array) -> Array:
        found = _joint_lengths(dict(zip(body.joint_names, base + directions @ betas)))
        return np.array([found[name] for name in names])

    solution = least_squares(
        lambda betas: np.concatenate([(lengths(betas) - wanted) / accuracy, betas]),
        np.zeros(body.num_betas),
        bounds=(-LARGEST_BETA, LARGEST_BETA),
    )
    misfit = dict(zip(names, (lengths(solution.x) - wanted).tolist()))
    far = {name: misfit[name] for name in LIMBS if abs(misfit[name]) > WORST_LIMB_MISFIT}
    if far:
        parts = ", ".join(f"{name} by {100 * error:+.1f} cm" for name, error in far.items())
        warnings.warn(f"the body cannot take the recorded bone lengths: it misses {parts}", stacklevel=2)
    return Fit(solution.x, misfit)


def recorded_lengths(skeleton: AsfSkeleton) -> dict[str, float]:
    """Bone lengths of a CMU skeleton in m, mean of both sides, by the names of LENGTH_ACCURACY."""
    _require_bones(skeleton)
    start = skeleton.rest_starts()
    joints = {joint: start[bone] for joint, bone in BONES.items()}
    for side in ("left", "right"):
        # The recorded elbow is where lradius starts; lwrist starts halfway down the forearm.
        joints[f"{side}_elbow"] = start[f"{side[0]}radius"]
    return _joint_lengths(joints)


def retarget(
    body: Body, betas: Array, skeleton: AsfSkeleton, poses: BonePoses, fps: float, source: str
) -> Motion:
    """The y-up Motion of recorded bones on a body whose betas have been fitted to them.

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
    return Motion(
        rotations, trans, fps, betas=betas, family=body.family, sex="neutral", up="y", source=source
    )


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


def _joint_lengths(joints: Mapping[str, Array]) -> dict[str, float]:
    def both(first: str, second: str) -> float:
        return float(
            np.mean(
                [np.linalg.norm(joints[f"{s}_{first}"] - joints[f"{s}_{second}"]) for s in ("left", "right")]
            )
        )

    def middle(name: str) -> Array:
        return (joints[f"left_{name}"] + joints[f"right_{name}"]) / 2

    return {
        "thigh": both("hip", "knee"),
        "shank": both("knee", "ankle"),
        "upper_arm": both("shoulder", "elbow"),
        "forearm": both("elbow", "wrist"),
        "hip_width": float(np.linalg.norm(joints["left_hip"] - joints["right_hip"])),
        "shoulder_width": float(np.linalg.norm(joints["left_shoulder"] - joints["right_shoulder"])),
        "trunk": float(np.linalg.norm(middle("shoulder") - middle("hip"))),
    }


def _require_bones(skeleton: AsfSkeleton) -> None:
    needed = {bone for bone in BONES.values() if bone != ROOT} | {"lradius", "rradius"}
    missing = sorted(needed - set(skeleton.bones))
    if missing:
        raise MotionFileError(
            f"the skeleton lacks bones of CMU's layout: {', '.join(missing)}; "
            f"found: {', '.join(skeleton.bones)}"
        )
