"""The anatomical segments of a model's person: mass shares, lengths, distribution of mass.

Values of paired segments are the means of both sides, or the one that there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import mujoco
import numpy as np
from numpy.typing import NDArray

from ..skeleton import SIDES
from .body_aliases import PAIRED_SEGMENTS, SEGMENTS
from .fact import Fact
from .person_tree import PersonTree
from .posture import Posture, places

Array = NDArray[np.float64]

LIMBS = {
    "thigh": ("hip", "knee"),
    "shank": ("knee", "ankle"),
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
}
"""Segments whose end points are joints, as in de Leva's table (HJC-KJC, KJC-AJC, SJC-EJC, EJC-WJC)."""

ON_LIMBS = ("centre of mass from the upper joint", "radius of gyration along", "radius of gyration across")
PRINCIPAL = ("largest radius of gyration", "middle radius of gyration", "smallest radius of gyration")

UNKNOWN = "bodies of unknown name"


def title_of(segment: str) -> str:
    """A segment in words: "upper arm", "head and neck"."""
    return "head and neck" if segment == "head" else segment.replace("_", " ")


def segment_masses(tree: PersonTree) -> Iterator[Fact]:
    """Each segment's share of body mass; of a pair, one of the two."""
    total = float(tree.model.body_subtreemass[tree.root])
    if not total > 0:
        return

    def share(bodies: list[int]) -> float:
        return 100 * float(tree.model.body_mass[bodies].sum()) / total

    for segment in SEGMENTS:
        found = [share(bodies) for name in sides_of(segment) if (bodies := bodies_of(tree, name))]
        if found:
            yield Fact("segment masses", title_of(segment), "% of body mass", float(np.mean(found)))
    unknown = [int(body) for body in tree.bodies if body not in tree.segments]
    if unknown:
        yield Fact("segment masses", UNKNOWN, "% of body mass", share(unknown))


def lengths(tree: PersonTree, posture: Posture) -> Iterator[Fact]:
    """Distances from joint to joint."""
    joints = places(tree, posture.data)
    for middle, pair in (("mid_hips", "hip"), ("mid_shoulders", "shoulder")):
        if f"left_{pair}" in joints and f"right_{pair}" in joints:
            joints[middle] = (joints[f"left_{pair}"] + joints[f"right_{pair}"]) / 2
    rows = {
        "thigh: hip to knee": [(f"{side}_hip", f"{side}_knee") for side in SIDES],
        "shank: knee to ankle": [(f"{side}_knee", f"{side}_ankle") for side in SIDES],
        "foot: ankle to toe joint": [(f"{side}_ankle", f"{side}_foot") for side in SIDES],
        "upper arm: shoulder to elbow": [(f"{side}_shoulder", f"{side}_elbow") for side in SIDES],
        "forearm: elbow to wrist": [(f"{side}_elbow", f"{side}_wrist") for side in SIDES],
        "between the hips": [("left_hip", "right_hip")],
        "between the shoulders": [("left_shoulder", "right_shoulder")],
        "trunk: mid-hips to mid-shoulders": [("mid_hips", "mid_shoulders")],
        "mid-shoulders to head joint": [("mid_shoulders", "head")],
    }
    for name, ends in rows.items():
        found = [np.linalg.norm(joints[a] - joints[b]) for a, b in ends if a in joints and b in joints]
        if found:
            yield Fact("lengths", name, "m", float(np.mean(found)))


def distributions(tree: PersonTree, posture: Posture) -> Iterator[Fact]:
    """Limbs along and across the line of their joints, as de Leva has them; the others' principal radii."""
    joints = places(tree, posture.data)
    for segment in SEGMENTS:
        measure: Callable[[str], Array | None]
        if segment in LIMBS:
            names, unit, measure = ON_LIMBS, "% of length", partial(_on_limb, tree, posture.data, joints)
        else:
            names, unit, measure = PRINCIPAL, "m", partial(_principal, tree, posture.data)
        found = [values for name in sides_of(segment) if (values := measure(name)) is not None]
        if found:
            for name, value in zip(names, np.mean(found, axis=0)):
                yield Fact("mass distribution", f"{title_of(segment)}: {name}", unit, float(value))


def sides_of(segment: str) -> list[str]:
    """A segment's names with its sides: ["left_thigh", "right_thigh"], ["trunk"]."""
    return [f"{side}_{segment}" for side in SIDES] if segment in PAIRED_SEGMENTS else [segment]


def bodies_of(tree: PersonTree, segment: str) -> list[int]:
    """MuJoCo's ids of the bodies of one segment, with its side."""
    return [body for body, found in tree.segments.items() if found == segment]


def _on_limb(tree: PersonTree, data: mujoco.MjData, joints: dict[str, Array], name: str) -> Array | None:
    """(3,) % of the joints' distance: the CM's place on their line, radii of gyration along and across it."""
    side, _, segment = name.partition("_")
    ends = [joints.get(f"{side}_{end}") for end in LIMBS[segment]]
    moments = _moments(tree, data, bodies_of(tree, name))
    if ends[0] is None or ends[1] is None or moments is None:
        return None
    mass, com, I = moments
    line = ends[1] - ends[0]
    length = float(np.linalg.norm(line))
    if not length > 0:
        return None
    axis = line / length
    along = axis @ I @ axis
    across = (np.trace(I) - along) / 2  # the mean of any two axes square to the line
    radii = np.sqrt(np.maximum([along, across], 0) / mass)
    return 100 * np.array([(com - ends[0]) @ axis, *radii]) / length


def _principal(tree: PersonTree, data: mujoco.MjData, name: str) -> Array | None:
    """(3,) m, radii of gyration about the principal axes, largest first."""
    moments = _moments(tree, data, bodies_of(tree, name))
    if moments is None:
        return None
    mass, _, I = moments
    return np.sqrt(np.maximum(np.linalg.eigvalsh(I), 0) / mass)[::-1]


def _moments(tree: PersonTree, data: mujoco.MjData, bodies: list[int]) -> tuple[float, Array, Array] | None:
    """Mass kg, centre of mass (3,) m, inertia about it (3, 3) kg m2, world axes; None without mass."""
    masses = tree.model.body_mass[bodies]
    mass = float(masses.sum())
    if not mass > 0:
        return None
    com = masses @ data.xipos[bodies] / mass
    total = np.zeros((3, 3))
    for body, m in zip(bodies, masses):
        R_world_inertial = data.ximat[body].reshape(3, 3)
        r = data.xipos[body] - com
        total += R_world_inertial * tree.model.body_inertia[body] @ R_world_inertial.T
        total += m * (r @ r * np.eye(3) - np.outer(r, r))
    return mass, com, total
