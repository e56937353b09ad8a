"""CMU's ASF/AMC recordings as recorded bones, and as motions."""

from __future__ import annotations

from pathlib import Path

from .asf_amc import ROOT, AsfSkeleton, BonePoses, bone_poses, read_amc, read_asf
from .body import Body
from .bone_fit import joint_lengths
from .errors import MotionFileError
from .lost_limbs import warn_of_lost_limbs
from .motion import Motion
from .recorded_bones import RecordedBones, leg_sole
from .retarget import motion_of_bones
from .skeleton import SIDES

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


def read_cmu_motion(path: Path, body: Body, skeleton: Path, fps: float) -> Motion:
    """The y-up Motion of an AMC file and its ASF skeleton on a body fitted to the skeleton's bones.

    Raises MotionFileError for files that cannot be read, that do not belong together, or whose skeleton is
    not laid out as CMU's.
    """
    asf = read_asf(skeleton)
    bones = cmu_bones(asf, bone_poses(asf, read_amc(path, asf)))
    warn_of_lost_limbs(bones, path)
    return motion_of_bones(body, bones, fps, path.name)


def cmu_lengths(skeleton: AsfSkeleton) -> dict[str, float]:
    """Bone lengths of a CMU skeleton in m, mean of both sides, by the names of bone_fit.LENGTH_ACCURACY."""
    _require_bones(skeleton)
    start = skeleton.rest_starts()
    return joint_lengths({joint: start[_starting_bone(joint)] for joint in BONES})


def cmu_bones(skeleton: AsfSkeleton, poses: BonePoses) -> RecordedBones:
    """The recorded bones of a CMU skeleton; its zero pose has T-pose arms and legs spread by 20 degrees.

    Raises MotionFileError for a skeleton that is not laid out as CMU's.
    """
    lengths = cmu_lengths(skeleton)
    bone = skeleton.bones
    direction, hinge, sole = {}, {}, {}
    for side in SIDES:
        s = side[0]
        for joint, name in (
            ("hip", "femur"),
            ("knee", "tibia"),
            ("shoulder", "humerus"),
            ("elbow", "radius"),
        ):
            direction[f"{side}_{joint}"] = bone[s + name].vector
        for joint, name in (("knee", "tibia"), ("elbow", "radius"), ("wrist", "hand")):
            hinge[f"{side}_{joint}"] = bone[s + name].axes[:, 0]  # flexion is rx
        sole[side] = leg_sole(direction[f"{side}_knee"], hinge[f"{side}_knee"])
    return RecordedBones(
        {joint: poses.orientation[name] for joint, name in BONES.items()},
        {joint: poses.start[_starting_bone(joint)] for joint in BONES},
        direction,
        hinge,
        sole,
        lengths,
    )


def _starting_bone(joint: str) -> str:
    """The bone that starts where a joint is: lwrist starts halfway down the forearm, the elbow at lradius."""
    return f"{joint[0]}radius" if joint.endswith("elbow") else BONES[joint]


def _require_bones(skeleton: AsfSkeleton) -> None:
    needed = {bone for bone in BONES.values() if bone != ROOT} | {"lradius", "rradius"}
    missing = sorted(needed - set(skeleton.bones))
    if missing:
        raise MotionFileError(
            f"the skeleton lacks bones of CMU's layout: {', '.join(missing)}; "
            f"found: {', '.join(skeleton.bones)[:600]}"
        )
