"""What the bodies of other simulators' humanoids are called, and which of SMPL's each one is.

The same word means different bodies in different humanoids ("foot" is the whole foot in Gymnasium's and
the toes in SMPL's; "torso" is SMPL's spine1 in PHC's), so a model is read by the one naming that knows
most of its bodies. Bodies that SMPL has none of (a patella, Gymnasium's torso) get a name of their own.

Sources: the public model files of PHC and SMPLSim, dm_control, Gymnasium, MuJoCo, MyoSuite and OpenSim,
and the joint names of Mixamo's and MotionBuilder's skeletons.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..segment_frames import SEGMENT_JOINTS
from ..skeleton import BODY_JOINTS, FACE_JOINTS, FINGER_JOINTS, JOINT_NAMES, SIDES

SEGMENTS = ("head", "trunk", "upper_arm", "forearm", "hand", "thigh", "shank", "foot")
"""The anatomical groups; head is head and neck. All but head and trunk come in pairs."""

PAIRED_SEGMENTS = SEGMENTS[2:]


@dataclass(frozen=True)
class Naming:
    """The words of one kind of humanoid, in lower case, and the part that each stands for."""

    title: str
    sided: Mapping[str, str]  # without the side: "femur" -> "hip"
    middle: Mapping[str, str]  # "lowerback" -> "spine1"


@dataclass(frozen=True)
class Anatomy:
    """What each body of a model is; a name that no naming knows is in neither mapping."""

    naming: str  # title
    parts: Mapping[int, str]  # position in the list of names -> part ("left_hip"); no part stands twice
    segments: Mapping[int, str]  # position -> one of SEGMENTS, with its side: "left_thigh"


def _same(*words: str) -> dict[str, str]:
    return {word: word for word in words}


_LEG_AND_ARM = _same("hip", "knee", "ankle", "shoulder", "elbow", "wrist", "hand")
_FINGERS = {name.removeprefix("left_"): name.removeprefix("left_") for name in FINGER_JOINTS[:15]}
_CARPUS = (
    "lunate", "scaphoid", "pisiform", "triquetrum", "capitate", "trapezium", "trapezoid", "hamate",
    "firstmc", "firstmc1", "secondmc", "thirdmc", "fourthmc", "fifthmc", "proximal_thumb", "distal_thumb",
    "proximal_thumb1", "distal_thumb1", "thumbprox", "thumbdist", "fingers",
    *(f"{bone}ph{finger}" for bone in ("prox", "mid", "dist") for finger in (2, 3, 4, 5)),
    *(f"{finger}{bone}" for bone in ("prox", "mid", "dist") for finger in (2, 3, 4, 5)),
)  # fmt: skip
_TRUNK_BONES = (
    "sacrum", "abdomen", "torso", "thorax", "lumbar", "lumbar_spine", "thoracic_spine",
    *(f"lumbar{k}" for k in range(1, 6)), *(f"thoracic{k}" for k in range(1, 13)),
)  # fmt: skip

NAMINGS = (
    Naming(
        "SMPL",
        {**_LEG_AND_ARM, **_FINGERS, **_same("foot", "collar", "eye", "eye_smplhf")},
        _same("pelvis", "spine1", "spine2", "spine3", "neck", "head", "jaw"),
    ),
    Naming(
        "PHC and SMPLSim",
        {**_LEG_AND_ARM, **_FINGERS, "toe": "foot", "thorax": "collar"},
        {**_same("pelvis", "neck", "head", "jaw"), "torso": "spine1", "spine": "spine2", "chest": "spine3"},
    ),
    Naming(
        "CMU (dm_control)",
        {
            "femur": "hip", "tibia": "knee", "foot": "ankle", "toes": "foot", "clavicle": "collar",
            "humerus": "shoulder", "radius": "elbow", "wrist": "lower_forearm", "hand": "wrist",
            "fingers": "hand", **_same("hipjoint", "thumb"),
        },
        {
            "root": "pelvis", "lowerback": "spine1", "upperback": "spine2", "thorax": "spine3",
            "lowerneck": "neck", **_same("upperneck", "head"),
        },
    ),
    Naming(
        "Gymnasium and DeepMind",
        {
            **dict.fromkeys(("thigh", "upper_leg", "upperleg"), "hip"),
            **dict.fromkeys(("shin", "shank", "calf", "lower_leg", "lowerleg"), "knee"),
            **dict.fromkeys(("toe", "toes"), "foot"),
            **dict.fromkeys(("upper_arm", "upperarm", "uarm"), "shoulder"),
            **dict.fromkeys(("lower_arm", "lowerarm", "forearm", "larm"), "elbow"),
            **dict.fromkeys(("clavicle", "collar"), "collar"),
            "foot": "ankle", "hand": "wrist",
        },
        {
            **dict.fromkeys(("lwaist", "lower_waist", "waist_lower", "waist"), "waist"),
            **dict.fromkeys(("uwaist", "upper_waist", "waist_upper"), "upper_waist"),
            **dict.fromkeys(("pelvis", "hips", "butt"), "pelvis"),
            **_same("torso", "abdomen", "chest", "neck", "head"),
        },
    ),
    Naming(
        "OpenSim and MyoSuite",
        {
            "femur": "hip", "tibia": "knee", "talus": "ankle", "calcn": "calcaneus", "toes": "foot",
            "clavicle": "collar", "humerus": "shoulder", "ulna": "elbow", "hand": "wrist",
            **_same("patella", "scapula", "radius", "clavphant", "scapphant", "humphant", "humphant1"),
            **_same(*_CARPUS),
        },
        {
            **_same("pelvis", "neck", *_TRUNK_BONES), "cervical_spine": "neck",
            **dict.fromkeys(("head", "head_neck", "headneck", "skull"), "head"),
        },
    ),
    Naming(
        "Mixamo and MotionBuilder",
        {
            "upleg": "hip", "leg": "knee", "foot": "ankle", "toebase": "foot", "toe": "foot",
            "shoulder": "collar", "arm": "shoulder", "forearm": "elbow", "hand": "wrist",
        },
        {"hips": "pelvis", "spine": "spine1", "spine1": "spine2", "spine2": "spine3",
         **_same("neck", "head")},
    ),
)  # fmt: skip
"""The first one wins where two know as many bodies."""

_PART_SEGMENTS = {
    **dict.fromkeys((*BODY_JOINTS, *_TRUNK_BONES, "waist", "upper_waist", "chest"), "trunk"),
    **{joint: segment for segment, joints in SEGMENT_JOINTS.items() for joint in joints},
    **dict.fromkeys((*FACE_JOINTS, "left_eye_smplhf", "right_eye_smplhf", "upperneck"), "head"),
    **{
        f"{side}_{word}": "trunk"
        for side in SIDES
        for word in ("hipjoint", "scapula", "clavphant", "scapphant")
    },
    **{
        f"{side}_{word}": f"{side}_{segment}"
        for side in SIDES
        for word, segment in (
            ("humphant", "upper_arm"),
            ("humphant1", "upper_arm"),
            ("radius", "forearm"),
            ("lower_forearm", "forearm"),
            ("thumb", "hand"),
            *((bone, "hand") for bone in _CARPUS),
            ("patella", "shank"),
            ("calcaneus", "foot"),
        )
    },
}

PART_ORDER = (*dict.fromkeys((*JOINT_NAMES["smpl"], *JOINT_NAMES["smplx"])), *_PART_SEGMENTS)
"""Parts in the order of tables: SMPL's joints first."""

_LETTERS = {"l": "left", "r": "right", "left": "left", "right": "right"}
_SIDE_FORMS = (
    r"(?P<side>left|right|l|r)_(?P<word>.+)",
    r"(?P<word>.+)_(?P<side>left|right|l|r)",
    r"(?P<side>left|right|l|r)(?P<word>.+)",
    r"(?P<word>.+)(?P<side>left|right)",
)


def anatomy(names: Sequence[str]) -> Anatomy:
    """Which part each body is, by the naming that knows most of the names.

    Upper case, and a prefix that all the names share ("walker/", "1a_"), make no difference. Where two
    bodies have the same part the first keeps it; the other still counts in the segment.
    """
    plain = [re.sub(r"[\s.-]+", "_", name.strip().lower()) for name in names]
    starts = [plain[0][: separator.end()] for separator in re.finditer(r"[/:_]", plain[0])]
    shared = [start for start in starts if all(name.startswith(start) for name in plain)]
    spellings = [plain, *([name.removeprefix(start) for name in plain] for start in shared)]
    readings = [
        (naming.title, [_part(naming, name) for name in spelling])
        for spelling in spellings
        for naming in NAMINGS
    ]
    title, found = max(readings, key=lambda reading: sum(part is not None for part in reading[1]))
    parts: dict[int, str] = {}
    segments: dict[int, str] = {}
    for k, part in enumerate(found):
        if part is not None:
            segments[k] = _PART_SEGMENTS[part]
            if part not in parts.values():
                parts[k] = part
    return Anatomy(title if segments else "none known", parts, segments)


def _part(naming: Naming, name: str) -> str | None:
    if name in naming.middle:
        return naming.middle[name]
    for form in _SIDE_FORMS:
        match = re.fullmatch(form, name)
        if match and match["word"] in naming.sided:
            return f"{_LETTERS[match['side']]}_{naming.sided[match['word']]}"
    return None
