"""De Leva's segments on a SMPL body: which joints each one has, and where its two endpoints lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .cells import Cells, trunk_axis
from .cut_plan import LEVEL, UP, knuckle, norm, unit
from .matrix_roots import namespace_of
from .skeleton import FINGER_JOINTS, SIDES

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

FORWARD = np.array([0.0, 0.0, 1.0], np.float32)  # see cut_plan.UP

SEGMENT_JOINTS = {
    "head": ("neck", "head"),
    **{f"{side}_upper_arm": (f"{side}_shoulder",) for side in SIDES},
    **{f"{side}_forearm": (f"{side}_elbow",) for side in SIDES},
    **{
        f"{side}_hand": (f"{side}_wrist", f"{side}_hand", *(n for n in FINGER_JOINTS if n.startswith(side)))
        for side in SIDES
    },
    **{f"{side}_thigh": (f"{side}_hip",) for side in SIDES},
    **{f"{side}_shank": (f"{side}_knee",) for side in SIDES},
    **{f"{side}_foot": (f"{side}_ankle", f"{side}_foot") for side in SIDES},
}
"""The SMPL bodies that each de Leva segment outside the trunk can have; a humanoid has some of a hand's."""


@dataclass(frozen=True)
class SegmentFrame:
    """Where a segment's first endpoint lies and along what it is measured; model frame."""

    origin: Array  # (3,) m, the first endpoint; across the long axis it lies where the segment's matter does
    long_axis: Array  # (3,) unit, from the first endpoint to the second
    sagittal_axis: Array  # (3,) unit, about which the "sagittal" radius of gyration is
    length: Array  # m

    @property
    def axes(self) -> tuple[Array, Array, Array]:
        """(3,) unit each, in the table's order: sagittal, transverse, longitudinal."""
        s, l = self.sagittal_axis, self.long_axis
        transverse = [l[1] * s[2] - l[2] * s[1], l[2] * s[0] - l[0] * s[2], l[0] * s[1] - l[1] * s[0]]
        return s, namespace_of(l).stack(transverse), l


def segment_part(segment: str) -> str:
    """The table's name of a segment: "thigh" of "left_thigh"."""
    return segment.removeprefix("left_").removeprefix("right_")


def segment_frame(
    segment: str, names: Sequence[str], cells: Cells, joints: Mapping[str, Array]
) -> SegmentFrame:
    """The frame of one segment of SEGMENT_JOINTS on a body that has its joints `names`.

    The sagittal axis of the table is the antero-posterior one of a person who stands with the palms
    forward; it stays z for the head, the legs and the arms raised into the T-pose. A hand's palm faces
    down in the T-pose, which turns its sagittal axis (square to the palm) to y; and the foot's long
    axis runs from heel to toe, which turns its sagittal axis (square to the sole) to y too.
    """
    part = segment_part(segment)
    if segment == "head":  # VERT-CERV: the top of the head, and C7 at the height of SMPL's neck joint
        top, base = cells.extent(names, UP)[1], joints["neck"][1]
        centroid = (cells.matter("neck") + cells.matter("head")).centroid
        return SegmentFrame(centroid + (top - centroid[1]) * UP, -UP, FORWARD, top - base)
    if part == "foot":  # HEEL-TTIP, level
        ankle, toes = joints[names[0]], joints[names[1]]
        forward = unit((toes - ankle) * LEVEL)
        heel, tip = cells.extent(names, forward)
        centroid = (cells.matter(names[0]) + cells.matter(names[1])).centroid
        return SegmentFrame(centroid + (heel - centroid @ forward) * forward, forward, UP, tip - heel)
    start = joints[names[0]]
    if part == "hand":  # WJC-DAC3: along the line from the wrist to the finger tips
        along = unit(knuckle(joints, segment.split("_")[0]) - start)
        length = cells.extent(names, along)[1] - start @ along
        return SegmentFrame(start, along, _square(UP, along), length)
    bone = joints[_BONE_END[part].format(side=segment.split("_")[0])] - start
    return SegmentFrame(start, unit(bone), _square(FORWARD, bone), norm(bone))


def trunk_frame(joints: Mapping[str, Array], centroid: Array) -> SegmentFrame:
    """The frame of the whole trunk, MIDS-MIDH, as deep as the centroid (3,) m of its matter."""
    midh, mids = trunk_axis(joints)
    along = unit(midh - mids)
    origin = centroid + ((mids - centroid) @ along) * along
    return SegmentFrame(origin, along, _square(FORWARD, along), norm(midh - mids))


_BONE_END = {
    "upper_arm": "{side}_elbow",
    "forearm": "{side}_wrist",
    "thigh": "{side}_knee",
    "shank": "{side}_ankle",
}


def _square(axis: Array, along: Array) -> Array:
    """The direction nearest to an axis (3,) that is square to another direction."""
    along = unit(along)
    return unit(axis - (axis @ along) * along)
