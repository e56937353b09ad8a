"""Names and parents of the SMPL family's joints.

SMPL has 24 joints, SMPL-H 52, SMPL-X 55; joints 0-21 are the same in all three, so motions map
between families by joint name. Order and names follow the public SMPL-family model files.
"""

from collections.abc import Collection, Sequence

BODY_JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle",
    "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
BODY_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)

SIDES = ("left", "right")
FINGERS = ("index", "middle", "pinky", "ring", "thumb")
FINGER_JOINTS = tuple(
    f"{side}_{finger}{segment}" for side in SIDES for finger in FINGERS for segment in (1, 2, 3)
)

FACE_JOINTS = ("jaw", "left_eye", "right_eye")

SMPL_JOINTS = (*BODY_JOINTS, "left_hand", "right_hand")
SMPL_PARENTS = (*BODY_PARENTS, 20, 21)

JOINT_NAMES: dict[str, tuple[str, ...]] = {
    "smpl": SMPL_JOINTS,
    "smpl2mjcf": SMPL_JOINTS,
    "smplh": BODY_JOINTS + FINGER_JOINTS,
    "smplx": (*BODY_JOINTS, *FACE_JOINTS, *FINGER_JOINTS),
}
"""Joint names of each family, in the order of its files; the keys are the known families."""


def parent_name(joint: str) -> str | None:
    """The joint that one hangs on, the same in every family that has it; None for the root."""
    if joint in SMPL_JOINTS:
        parent = SMPL_PARENTS[SMPL_JOINTS.index(joint)]
        return SMPL_JOINTS[parent] if parent >= 0 else None
    if joint in FACE_JOINTS:
        return "head"
    side, finger = joint.split("_")
    return f"{side}_wrist" if finger.endswith("1") else f"{side}_{finger[:-1]}{int(finger[-1]) - 1}"


def parents_of(joint_names: Sequence[str]) -> tuple[int, ...]:
    """(J,) the index of each joint's parent among joint_names, -1 for the root."""
    names = [parent_name(joint) for joint in joint_names]
    return tuple(-1 if name is None else joint_names.index(name) for name in names)


def kept_ancestor(joint: str, kept: Collection[str]) -> str:
    """The joint itself, or the nearest above it that is kept; the root always is."""
    while joint not in kept:
        parent = parent_name(joint)
        assert parent is not None  # the root is never merged away
        joint = parent
    return joint


SEXES = ("neutral", "female", "male")

HANDS = ("merged", "articulated")
"""What becomes of the fingers: part of the wrist's body, or 30 bodies of their own."""


def mirror_name(joint: str) -> str:
    """The same joint on the other side of the body ("left_hip" -> "right_hip"; "neck" -> "neck")."""
    if joint.startswith("left_"):
        return "right_" + joint[len("left_") :]
    if joint.startswith("right_"):
        return "left_" + joint[len("right_") :]
    return joint
