"""From recorded bones to SMPL's joints, on a body with the recorded person's bone lengths.

A SMPL joint's world orientation is that of its recorded bone times a constant rest-pose offset, which lays
SMPL's T-pose onto the recorder's zero pose (CMU's: legs spread by 20 degrees, elbow axes turned by 30): bones
point the same way and hinge axes coincide, so that a recorded angle of zero stays zero and knee flexion stays
knee flexion. Time and root displacement are never scaled: the body is fitted to the recorded bones instead,
since a scaled motion no longer falls at g.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .body import Body, joint_positions
from .bone_fit import fit_betas
from .motion import Motion
from .recorded_bones import SMPL_KNEE, RecordedBones, align, smpl_elbow, smpl_wrist
from .skeleton import BODY_JOINTS, BODY_PARENTS, SIDES

Array = NDArray[np.float64]


def motion_of_bones(body: Body, bones: RecordedBones, fps: float, source: str) -> Motion:
    """The y-up Motion of recorded bones on this body, its betas fitted to their lengths.

    The middle of the hips stays where it was recorded: a recorder's root joint lies elsewhere in the pelvis
    than SMPL's, and the hips are what carries the legs' dynamics.
    Raises MotionFileError for bone lengths that no person has.
    """
    betas = fit_betas(body, bones.lengths).betas
    rest = dict(zip(body.joint_names, joint_positions(body, betas)))
    offsets = rest_offsets(rest, bones)
    world = {joint: bones.orientation[joint] * offsets[joint] for joint in BODY_JOINTS}
    rotations = np.zeros((len(bones.start["pelvis"]), len(body.joint_names), 3))
    for j, name in enumerate(BODY_JOINTS):
        local = world[name]
        if BODY_PARENTS[j] >= 0:
            local = world[BODY_JOINTS[BODY_PARENTS[j]]].inv() * local
        rotations[:, j] = local.as_rotvec()
    middle = (bones.start["left_hip"] + bones.start["right_hip"]) / 2
    rest_middle = (rest["left_hip"] + rest["right_hip"]) / 2 - rest["pelvis"]
    trans = middle - world["pelvis"].apply(rest_middle) - rest["pelvis"]
    return Motion(rotations, trans, fps, betas=betas, family=body.family, sex=body.sex, up="y", source=source)


def rest_offsets(rest: Mapping[str, Array], bones: RecordedBones) -> dict[str, Rotation]:
    """The rotation that lays each SMPL joint's rest frame onto its bone's zero pose.

    rest: (3,) m, SMPL's rest joints by name. Trunk, neck, head and collars: none, both rest upright. Thighs,
    shanks, upper arms, forearms: the bones coincide, and so do the hinge axes of knee, elbow and wrist. Feet:
    what the recording says of a flat sole, since SMPL's ankle lies behind its knee and the sole must not
    follow that slant. Hands take the forearm's: a wrist angle of zero stays zero.
    """
    offsets = {joint: Rotation.identity() for joint in BODY_JOINTS}
    for side in SIDES:
        hip, knee, ankle, shoulder, elbow, wrist = (
            rest[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
        )
        direction, hinge = bones.direction, bones.hinge
        knee_axis, elbow_axis = hinge[f"{side}_knee"], hinge[f"{side}_elbow"]
        offsets[f"{side}_hip"] = align(knee - hip, SMPL_KNEE, direction[f"{side}_hip"], knee_axis)
        offsets[f"{side}_knee"] = align(ankle - knee, SMPL_KNEE, direction[f"{side}_knee"], knee_axis)
        offsets[f"{side}_ankle"] = offsets[f"{side}_foot"] = bones.sole[side]
        offsets[f"{side}_shoulder"] = align(
            elbow - shoulder, smpl_elbow(side), direction[f"{side}_shoulder"], elbow_axis
        )
        offsets[f"{side}_elbow"] = offsets[f"{side}_wrist"] = align(
            wrist - elbow, smpl_wrist(side), direction[f"{side}_elbow"], hinge[f"{side}_wrist"]
        )
    return offsets
