"""The joint names of the common kinds of BVH file, and which of them stands for each of SMPL's joints.

Sources: files and readers of each kind in public repositories (Hahne's two CMU releases, Mixamo, LAFAN1,
OptiTrack, Xsens MVN), and SMPL's own names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .bvh import BvhClip
from .errors import MotionFileError
from .skeleton import BODY_JOINTS, SIDES

TRUNK = ("spine1", "spine2", "spine3")


@dataclass(frozen=True)
class Naming:
    """How one kind of BVH file names SMPL's joints, left side; the right side has Right or R instead."""

    title: str
    neck: str
    head: str
    hip: str
    knee: str
    ankle: str
    foot: tuple[str, ...]  # accepted names; a file without toes keeps them straight
    collar: str
    shoulder: str
    elbow: str
    wrist: str
    pronation: str = ""  # the joint between elbow and wrist that only turns the forearm
    root: str = "Hips"
    mark: str = ""  # a joint that tells this kind from one with the same other names
    cmu: bool = False
    """CMU's conventions: the foot of the zero pose follows its leg, elbow axes are turned by 30 degrees."""
    smpl: bool = False
    """SMPL's own joints: the elbow holds the forearm's pronation, hinges lie along the axes of the T-pose."""


NAMINGS = (
    Naming(
        "CMU for 3dsMax (Hahne)", "lowerneck", "Head", "LeftHip", "LeftKnee", "LeftAnkle", ("LeftToe",),
        "LeftCollar", "LeftShoulder", "LeftElbow", "LeftWrist", mark="LHipJoint", cmu=True,
    ),
    Naming(
        "CMU for MotionBuilder (Hahne)", "Neck", "Head", "LeftUpLeg", "LeftLeg", "LeftFoot", ("LeftToeBase",),
        "LeftShoulder", "LeftArm", "LeftForeArm", "LeftFingerBase", "LeftHand", mark="LHipJoint", cmu=True,
    ),
    Naming(
        "Mixamo, LAFAN1, MotionBuilder, OptiTrack", "Neck", "Head", "LeftUpLeg", "LeftLeg", "LeftFoot",
        ("LeftToeBase", "LeftToe"), "LeftShoulder", "LeftArm", "LeftForeArm", "LeftHand",
    ),
    Naming(
        "Xsens", "Neck", "Head", "LeftHip", "LeftKnee", "LeftAnkle", ("LeftToe",), "LeftCollar",
        "LeftShoulder", "LeftElbow", "LeftWrist",
    ),
    Naming(
        "SMPL", "neck", "head", "left_hip", "left_knee", "left_ankle", ("left_foot",), "left_collar",
        "left_shoulder", "left_elbow", "left_wrist", root="pelvis", smpl=True,
    ),
)  # fmt: skip


def find_joints(clip: BvhClip, path: Path) -> tuple[Naming, dict[str, int]]:
    """The kind of the file, and the clip's joint (its index) that stands for each of SMPL's 22.

    The spine is whatever joints lead from the root to the collars.
    Raises MotionFileError where a joint lacks, with those of the nearest kind that were not found.
    """
    naming = _naming(clip, path)
    index = plain_names(clip)
    found = {"pelvis": index[naming.root.lower()], "neck": index[naming.neck.lower()]}
    found["head"] = index[naming.head.lower()]
    for side in SIDES:
        for joint in ("hip", "knee", "ankle", "collar", "shoulder", "elbow", "wrist"):
            found[f"{side}_{joint}"] = index[of_side(getattr(naming, joint), side)]
        toes = [index[name] for foot in naming.foot if (name := of_side(foot, side)) in index]
        found[f"{side}_foot"] = toes[0] if toes else found[f"{side}_ankle"]
    chain = []  # from the collars up to the root
    at = clip.parents[found["left_collar"]]
    while at >= 0 and at != found["pelvis"]:
        chain.append(at)
        at = clip.parents[at]
    if not chain or at < 0 or chain[0] != clip.parents[found["right_collar"]]:
        raise MotionFileError(f"{path}: no spine leads from {naming.root!r} to both collars")
    chain.reverse()
    found |= dict(zip(TRUNK, (chain[0], chain[(len(chain) - 1) // 2 if len(chain) > 2 else -1], chain[-1])))
    return naming, {joint: found[joint] for joint in BODY_JOINTS}


def _naming(clip: BvhClip, path: Path) -> Naming:
    names = plain_names(clip)
    lacking = {}
    for naming in NAMINGS:
        wanted = [naming.root, naming.neck, naming.head, naming.mark]
        parts = (naming.hip, naming.knee, naming.ankle, naming.collar, naming.shoulder, naming.elbow)
        for part in (*parts, naming.wrist, naming.pronation):
            wanted += [part, part.replace("Left", "Right").replace("left", "right")]
        lacking[naming.title] = [name for name in dict.fromkeys(wanted) if name and name.lower() not in names]
        if not lacking[naming.title]:
            return naming
    nearest = min(lacking, key=lambda title: len(lacking[title]))
    raise MotionFileError(
        f"{path}: joint names of no known kind ({', '.join(lacking)}); the nearest, {nearest}, would need "
        f"{', '.join(lacking[nearest])}; found: {', '.join(clip.names[:40])}"
    )


def plain_names(clip: BvhClip) -> dict[str, int]:
    """Index of each joint by its name in lower case, without a prefix ("mixamorig:", or "Model_" on all)."""
    names = [name.lower() for name in clip.names]
    root = re.fullmatch(r"(.*[:_ ]|mixamorig)(hips|pelvis)", names[0])
    if root and all(name.startswith(root[1]) for name in names):
        names = [name[len(root[1]) :] for name in names]
    return {name.rsplit(":", 1)[-1]: j for j, name in enumerate(names)}


def of_side(name: str, side: str) -> str:
    """A name of the left side as it is on this one, in lower case."""
    return name.lower().replace("left", side)
