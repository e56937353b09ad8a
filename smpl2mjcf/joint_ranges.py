"""What each SMPL joint can do: its three anatomical motions, their axes and their clinical ranges.

A joint's three `Freedom`s stand in the order of its hinges (see hinges.py), the first next to the parent.
A positive angle is the motion that gives the freedom its name, on both sides of the body, so that a left
and a right joint have the same ranges; the axes mirror instead (x stays, y and z change sign). Angles are
zero in SMPL's rest pose: standing, arms raised sideways to the horizontal, palms down, which is 90 degrees
of shoulder abduction and, since the thumbs then point where the elbows flex to, the middle between pronation
and supination.

The order follows the joint coordinate systems of the International Society of Biomechanics (Grood and Suntay
1983; Wu et al. 2002, 2005): the large motion first, the segment's long axis last. The shoulder departs from
it. Its ISB sequence is degenerate where the arm hangs, and one that starts with abduction where the arm
points forward. Here the first axis is the normal of the plane 45 degrees in front of the frontal one, near
that of the scapula: degenerate where the arm has swung 45 degrees behind the frontal plane, or 135 degrees
across the chest, the ends of its range.

Ranges are active or passive limits of healthy adults as published, in degrees. `basis` says how a row comes
from its source: "value" as published, "split" a share of a published total, "derived" computed from published
ones, "assumption" unsourced. The ranges of a joint's freedoms are given independently of each other, as
hinges have them; those of a living joint are not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from .errors import HumanoidError
from .skeleton import FINGERS, SIDES

Array = NDArray[np.float64]
Axis = tuple[float, float, float]

SOURCES = MappingProxyType(
    {
        "Merck": "Merck Manual Professional, table Normal values for range of motion of joints (2013)",
        "AAOS": "American Academy of Orthopaedic Surgeons, Joint motion (1965), as tabulated in Norkin and "
        "White, Measurement of joint motion, appendix A",
        "AMA": "American Medical Association, Guides to the evaluation of permanent impairment",
        "Castori": "Castori 2012, table 8, doi:10.5402/2012/751768",
        "Boone": "Boone and Azen 1979, doi:10.2106/00004623-197961050-00017",
        "Troke": "Troke et al. 2005, Manual Therapy 10:198-206, youngest medians",
        "Savlovskis": "Savlovskis, Anatomy Standard, meta-analysis of in-vivo studies of the spine's motion",
        "Ishii": "Ishii et al. 2004, Spine 29:E139-E144 and 29:2826-2831",
        "Zarins": "Zarins et al. 1983, Am J Sports Med 11:152-156, knee flexed 30-90 degrees",
        "Levangie": "Levangie and Norkin, Joint structure and function, sternoclavicular joint",
        "Hamilton": "Hamilton, Weimar and Luttgens, Kinesiology, appendix 1",
        "e-hand": "The Electronic Textbook of Hand Surgery, Normal range of motion reference values",
        "none": "no source",
    }
)
"""Citations of the rows, by the key that they carry."""


@dataclass(frozen=True)
class Freedom:
    """One anatomical motion of a joint, about one axis."""

    name: str  # of the positive motion
    opposite: str  # of the negative one
    axis: Axis  # unit vector in the body frame at rest (SMPL's: x left, y up, z forward)
    low: float  # deg, at most 0
    high: float  # deg, at least 0
    source: str  # a key of SOURCES; several joined by " + "
    basis: str = "value"  # or "split", "derived", "assumption"
    note: str = ""

    @property
    def mirrored(self) -> Freedom:
        """The same motion on the other side of the body."""
        x, y, z = self.axis
        # + 0.0 turns -0.0 into 0.0
        return replace(self, axis=(x + 0.0, -y + 0.0, -z + 0.0))


X, Y, Z = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
NEG_X, NEG_Y, NEG_Z = (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)
DIAGONAL = float(np.sqrt(0.5))
SCAPULAR_NORMAL = (-DIAGONAL, 0.0, DIAGONAL)
THUMB = (DIAGONAL, 0.0, DIAGONAL)
THUMB_NORMAL = (DIAGONAL, 0.0, -DIAGONAL)

LAXITY = "passive play; also takes up that a fitted joint centre's axis is not the anatomical one"

_Row = tuple[Freedom, Freedom, Freedom]


def _spine(rotation: float, rotation_note: str) -> _Row:
    third = "a third of the trunk's"
    return (
        Freedom(
            "flexion", "extension", X, -29 / 3, 73 / 3, "Troke", "split",
            f"{third} 73/29, which are lumbar; the thorax adds nothing",
        ),
        Freedom("left_bending", "right_bending", NEG_Z, -35 / 3, 35 / 3, "Castori", "split", f"{third} 35"),
        Freedom(
            "left_rotation", "right_rotation", Y, -rotation, rotation, "AMA + Troke", "split", rotation_note
        ),
    )  # fmt: skip


_UPPER_ROTATION = "half of the trunk's 45 less the lumbar 7"

_CERVICAL: _Row = (
    Freedom("flexion", "extension", X, -31.5, 32.0, "Savlovskis", "split", "half of the neck's 64/63"),
    Freedom("left_bending", "right_bending", NEG_Z, -24.5, 24.5, "Savlovskis", "split", "half of 49"),
    Freedom(
        "left_rotation", "right_rotation", Y, -40.0, 40.0, "AMA + Ishii", "split",
        "half of the neck's 80: C0-C2 turns 38 of 69.5",
    ),
)  # fmt: skip

_TWIST = "half of the forearm's 80/80, which elbow and wrist share"
_GIRDLE_ZERO = "zero taken as SMPL's rest pose"


def _finger(flexion: float, extension: float, source: str, spread: float, spread_basis: str) -> _Row:
    return (
        Freedom("flexion", "extension", NEG_Z, 0.0 - extension, flexion, source),
        Freedom(
            "radial_deviation", "ulnar_deviation", NEG_Y, -spread, spread,
            "Merck" if spread_basis == "value" else "none", spread_basis,
            "abduction; whether it is radial depends on the finger" if spread_basis == "value" else LAXITY,
        ),
        Freedom("pronation", "supination", X, -5.0, 5.0, "none", "assumption", LAXITY),
    )  # fmt: skip


def _thumb(flexion: float, extension: float, source: str, side: tuple[float, float, str]) -> _Row:
    adduction, abduction, side_source = side
    play = side_source == "none"
    axes = "the thumb's axis taken half-way between the hand's and forward"
    return (
        Freedom("flexion", "extension", Y, -extension, flexion, source, note=axes),
        Freedom(
            "palmar_abduction", "adduction", THUMB_NORMAL, 0.0 - adduction, abduction, side_source,
            "assumption" if play else "value", LAXITY if play else axes,
        ),
        Freedom("pronation", "supination", THUMB, -10.0, 10.0, "none", "assumption", LAXITY),
    )  # fmt: skip


_LONG_FINGERS = tuple(finger for finger in FINGERS if finger != "thumb")
_KNUCKLE = _finger(90.0, 30.0, "Merck", 25.0, "value")
_TABLE: dict[str, _Row] = {
    "hip": (
        Freedom("flexion", "extension", NEG_X, -30.0, 125.0, "Merck + AAOS", note="extension AAOS"),
        Freedom("adduction", "abduction", NEG_Z, -45.0, 30.0, "Merck + Castori", note="adduction Castori"),
        Freedom("internal_rotation", "external_rotation", NEG_Y, -45.0, 45.0, "Merck"),
    ),
    "knee": (
        Freedom("flexion", "extension", X, -10.0, 135.0, "AAOS + Castori", note="hyperextension Castori"),
        Freedom("adduction", "abduction", NEG_Z, -10.0, 10.0, "none", "assumption", LAXITY),
        Freedom("internal_rotation", "external_rotation", NEG_Y, -45.0, 25.0, "Zarins"),
    ),
    "ankle": (
        Freedom("dorsiflexion", "plantarflexion", NEG_X, -50.0, 20.0, "Merck"),
        Freedom("inversion", "eversion", NEG_Z, -25.0, 35.0, "Merck"),
        Freedom(
            "internal_rotation", "external_rotation", NEG_Y, -20.0, 20.0, "none", "assumption",
            "the turn of the foot that goes with inversion and eversion",
        ),
    ),
    "foot": (
        Freedom("extension", "flexion", NEG_X, -30.0, 80.0, "Merck", note="metatarsophalangeal joints"),
        Freedom("inversion", "eversion", NEG_Z, -10.0, 10.0, "none", "assumption", LAXITY),
        Freedom("internal_rotation", "external_rotation", NEG_Y, -10.0, 10.0, "none", "assumption", LAXITY),
    ),
    "spine1": _spine(7.0, "the lumbar spine's 7 (Troke)"),
    "spine2": _spine(19.0, _UPPER_ROTATION),
    "spine3": _spine(19.0, _UPPER_ROTATION),
    "neck": _CERVICAL,
    "head": _CERVICAL,
    "collar": (
        Freedom("protraction", "retraction", NEG_Y, -30.0, 30.0, "Levangie", note=_GIRDLE_ZERO),
        Freedom("elevation", "depression", Z, -15.0, 48.0, "Levangie", note=_GIRDLE_ZERO),
        Freedom("anterior_rotation", "posterior_rotation", X, -50.0, 10.0, "Levangie", note=_GIRDLE_ZERO),
    ),
    "shoulder": (
        Freedom(
            "elevation", "lowering", SCAPULAR_NORMAL, -141.0, 90.0, "AAOS", "derived",
            "holds flexion 180, extension 60, abduction 180; arm to trunk, the collar's range comes on top",
        ),
        Freedom(
            "horizontal_adduction", "horizontal_abduction", NEG_Y, -45.0, 135.0, "Hamilton", "value",
            "the sequence is degenerate at both ends",
        ),
        Freedom(
            "internal_rotation", "external_rotation", X, -135.0, 90.0, "Merck + AAOS", "derived",
            "holds 90/90 with the arm at the side and raised to 90, and flexion to 180, which turns it too",
        ),
    ),
    "elbow": (
        Freedom("flexion", "extension", NEG_Y, 0.0, 150.0, "AAOS"),
        Freedom("abduction", "adduction", Z, -10.0, 10.0, "none", "assumption", f"carrying angle; {LAXITY}"),
        Freedom("pronation", "supination", X, -40.0, 40.0, "AAOS", "split", _TWIST),
    ),
    "wrist": (
        Freedom("flexion", "extension", NEG_Z, -70.0, 80.0, "AAOS"),
        Freedom("radial_deviation", "ulnar_deviation", NEG_Y, -36.0, 22.0, "Boone"),
        Freedom("pronation", "supination", X, -40.0, 40.0, "AAOS", "split", _TWIST),
    ),
    "hand": _KNUCKLE,  # SMPL's one joint for all fingers, near the knuckles
    **{f"{finger}1": _KNUCKLE for finger in _LONG_FINGERS},
    **{f"{finger}2": _finger(120.0, 0.0, "Merck", 5.0, "assumption") for finger in _LONG_FINGERS},
    **{f"{finger}3": _finger(80.0, 0.0, "Merck", 5.0, "assumption") for finger in _LONG_FINGERS},
    "thumb1": _thumb(45.0, 20.0, "Hamilton", (0.0, 70.0, "Hamilton")),
    "thumb2": _thumb(70.0, 10.0, "Merck + e-hand", (10.0, 10.0, "none")),
    "thumb3": _thumb(90.0, 15.0, "Merck + e-hand", (5.0, 5.0, "none")),
}  # fmt: skip
"""By joint without its side; axes of the left side."""

_MIDLINE = ("spine1", "spine2", "spine3", "neck", "head")

HINGE_JOINTS = _MIDLINE + tuple(f"{side}_{name}" for side in SIDES for name in _TABLE if name not in _MIDLINE)
"""Every joint of the SMPL family that has freedoms: all but the root, the jaw and the eyes."""


def freedoms(joint: str) -> tuple[Freedom, Freedom, Freedom]:
    """The three freedoms of a SMPL joint, in hinge order, in its own side's axes.

    Raises HumanoidError for a joint that has none: the root, the jaw and the eyes, and names of no joint.
    """
    if joint not in HINGE_JOINTS:
        raise HumanoidError(f"joint {joint!r} has no ranges; available: {', '.join(HINGE_JOINTS)}")
    side, _, name = joint.rpartition("_")
    first, second, third = _TABLE[name]
    return (first.mirrored, second.mirrored, third.mirrored) if side == "right" else (first, second, third)


def joint_axes(joint: str) -> Array:
    """(3, 3) unit axes of a joint's freedoms, one a row, in its body's frame. Raises as `freedoms`."""
    return np.array([freedom.axis for freedom in freedoms(joint)])


def joint_range(joint: str) -> Array:
    """(3, 2) rad, lowest and highest angle of a joint's freedoms. Raises as `freedoms`."""
    return np.deg2rad([(freedom.low, freedom.high) for freedom in freedoms(joint)])
