"""Landmarks: a full-body marker set with anatomical names, as points of the skin and as MuJoCo sites.

Each body has its own: on SMPL, SMPL-H and SMPL-X meshes the vertices that public marker layouts name
(marker_vertices.py), elsewhere, and where no source or only an implausible one exists, the anatomical
definition (landmark_rules.py), worked out once on the mean shape. Through the betas a landmark stays on
the same piece of skin, so its position is linear in them.

A site follows one body, the one that the landmark's bone belongs to. Skin near a joint moves with two.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

import mujoco
import numpy as np
from numpy.typing import NDArray

from . import landmark_rules as rules
from .body import Body
from .body_cache import once_per_body
from .landmark_rules import FORWARD, UP, Side
from .marker_vertices import BY_VERTEX_COUNT
from .skeleton import SIDES, SMPL_JOINTS, parent_name
from .surface_points import SurfacePoint, Template, at_vertex

Array = NDArray[np.float64]

LARGEST_DISAGREEMENT = 0.06
"""m between a published vertex and the definition, beyond which one of them is another place."""

LEAST_SHARE = 0.75
"""Of a table's markers that must agree with the definitions; fewer, and the mesh is not the one it is for."""

MARKER_GROUP = 4
"""MuJoCo's group of the marker sites; viewers hide it until asked."""

MARKER_RADIUS = 0.007
"""m: the 14 mm spheres of motion laboratories."""


@dataclass(frozen=True)
class Marker:
    """A row of the marker set. Of a marker with sides, names and joints come without "left_" and "right_"."""

    name: str
    alias: str  # the laboratory's short name, without the L or R
    joint: str  # whose body carries it
    meaning: str
    rule: Callable[[Side], SurfacePoint]
    sided: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The name, or those of the left and the right marker."""
        return tuple(f"{side}_{self.name}" for side in SIDES) if self.sided else (self.name,)

    @property
    def aliases(self) -> tuple[str, ...]:
        """Short names in the order of `names`."""
        return (f"L{self.alias}", f"R{self.alias}") if self.sided else (self.alias,)


@dataclass(frozen=True, eq=False)
class Landmark:
    """A landmark of a humanoid."""

    body: str  # that it is fixed to
    position: Array  # (3,) m, in that body's frame
    source: str  # "definition", or the vertex and whose number it is


def _across(start: str, end: str, share: float, way: str) -> Callable[[Side], SurfacePoint]:
    """The rule "from a share of a bone's length, square to it": laterally, medially, up, down, ..."""

    def rule(s: Side) -> SurfacePoint:
        ways = {
            "lateral": s.lateral, "medial": -s.lateral, "up": UP, "down": -UP,
            "front": FORWARD, "back": -FORWARD,
        }  # fmt: skip
        return s.across(start, end, share, ways[way])

    return rule


def _mid(name: str, alias: str, joint: str, meaning: str, rule: Callable[[Side], SurfacePoint]) -> Marker:
    return Marker(name, alias, joint, meaning, rule, sided=False)


MARKERS: tuple[Marker, ...] = (
    _mid("vertex", "VERT", "head", "top of the head in the mid-line (de Leva's VERT)", rules.vertex),
    Marker("front_head", "FHD", "head", "head band, 45° from the front", partial(rules.band, turn_deg=45)),
    Marker("back_head", "BHD", "head", "head band, 45° from the back", partial(rules.band, turn_deg=135)),
    _mid("c7", "C7", "spine3", "spinous process of the seventh cervical vertebra (de Leva's CERV)",
         partial(rules.trunk, below=0.0, direction=-FORWARD)),
    _mid("t8", "T8", "spine3", "spinous process of the eighth thoracic vertebra, level with the xiphoid",
         partial(rules.trunk, below=rules.CERV_XYPH, direction=-FORWARD)),
    _mid("t10", "T10", "spine1", "spinous process of the tenth thoracic vertebra, two below T8",
         partial(rules.trunk, below=rules.CERV_XYPH + 2 * rules.VERTEBRA, direction=-FORWARD)),
    _mid("suprasternale", "CLAV", "spine3", "jugular notch of the sternum (ISB's IJ, de Leva's SUPR)",
         partial(rules.trunk, below=rules.CERV_SUPR, direction=FORWARD)),
    _mid("xiphoid", "STRN", "spine3", "lower end of the sternum (ISB's PX, de Leva's XYPH)",
         partial(rules.trunk, below=rules.CERV_XYPH, direction=FORWARD)),
    Marker("scapula", "BAK", "collar", "on the shoulder blade; a tracking marker", rules.scapula),
    Marker("acromion", "SHO", "collar", "acromion, above the shoulder joint (ISB's AC)",
           _across("shoulder", "elbow", 0.0, "up")),
    Marker("upper_arm", "UPA", "shoulder", "outer side of the upper arm, at its middle; a tracking marker",
           _across("shoulder", "elbow", 0.5, "up")),
    Marker("lateral_humeral_epicondyle", "ELB", "shoulder", "outer end of the elbow's axis (ISB's EL)",
           _across("shoulder", "elbow", 1.0, "up")),
    Marker("medial_humeral_epicondyle", "ELM", "shoulder", "inner end of the elbow's axis (ISB's EM)",
           _across("shoulder", "elbow", 1.0, "down")),
    Marker("forearm", "FRM", "elbow", "back of the forearm, at its middle; a tracking marker",
           _across("elbow", "wrist", 0.5, "up")),
    Marker("radial_styloid", "WRA", "elbow", "thumb side of the wrist (ISB's RS)",
           _across("elbow", "wrist", 1.0, "front")),
    Marker("ulnar_styloid", "WRB", "elbow", "little finger's side of the wrist (ISB's US)",
           _across("elbow", "wrist", 1.0, "back")),
    Marker("second_metacarpal_head", "MC2", "wrist", "knuckle of the index finger, thumb side",
           partial(rules.knuckles, finger="index", direction=FORWARD)),
    Marker("third_metacarpal_head", "FIN", "wrist", "knuckle of the middle finger, back of the hand",
           partial(rules.knuckles, finger="middle", direction=UP)),
    Marker("fifth_metacarpal_head", "MC5", "wrist", "knuckle of the little finger, outer side",
           partial(rules.knuckles, finger="pinky", direction=-FORWARD)),
    Marker("dactylion", "DAC", "hand", "tip of the middle finger (de Leva's DAC3)", rules.dactylion),
    Marker("asis", "ASI", "pelvis", "anterior superior iliac spine", rules.asis),
    Marker("psis", "PSI", "pelvis", "posterior superior iliac spine", rules.psis),
    _mid("sacrum", "SACR", "pelvis", "between the posterior superior iliac spines", rules.sacrum),
    Marker("greater_trochanter", "GTR", "hip", "greater trochanter, level with the hip's centre",
           _across("hip", "knee", 0.0, "lateral")),
    Marker("thigh", "THI", "hip", "outer side of the thigh, at its middle; a tracking marker",
           _across("hip", "knee", 0.5, "lateral")),
    Marker("lateral_femoral_epicondyle", "KNE", "hip", "outer end of the knee's axis",
           _across("hip", "knee", 1.0, "lateral")),
    Marker("medial_femoral_epicondyle", "KNM", "hip", "inner end of the knee's axis",
           _across("hip", "knee", 1.0, "medial")),
    Marker("shank", "TIB", "knee", "outer side of the shank, at its middle; a tracking marker",
           _across("knee", "ankle", 0.5, "lateral")),
    Marker("lateral_malleolus", "ANK", "knee", "outer end of the ankle's axis (ISB's LM)",
           partial(rules.ankle, sign=1.0)),
    Marker("medial_malleolus", "MED", "knee", "inner end of the ankle's axis (ISB's MM)",
           partial(rules.ankle, sign=-1.0)),
    Marker("heel", "HEE", "ankle", "rearmost point of the heel (de Leva's HEEL)", rules.heel),
    Marker("first_metatarsal_head", "MT1", "ankle", "inner side of the first metatarsal head",
           partial(rules.metatarsal, share=rules.FIRST_HEAD, sign=-1.0)),
    Marker("second_metatarsal_head", "TOE", "ankle", "above the second metatarsal head",
           rules.second_metatarsal),
    Marker("fifth_metatarsal_head", "MT5", "ankle", "outer side of the fifth metatarsal head",
           partial(rules.metatarsal, share=rules.FIFTH_HEAD, sign=1.0)),
    Marker("hallux", "HLX", "foot", "tip of the big toe (de Leva's TTIP)", rules.hallux),
)  # fmt: skip
"""The marker set, from head to toe. Bones of the arm are named as in the T-pose with the palms down, in which
the elbow's axis is vertical: its lateral end is on top, and the thumb in front."""

ALIASES: Mapping[str, str] = {
    alias: name for marker in MARKERS for alias, name in zip(marker.aliases, marker.names)
}
"""Laboratory short names and the landmark of each, as "LHEE": "left_heel"."""


def landmarks(
    body: Body, vertices: Array, positions: Mapping[str, Array], joint_names: Collection[str]
) -> dict[str, Landmark]:
    """The landmarks of a shape, by name, in the order of MARKERS.

    vertices: (V, 3) m, the body's mesh in that shape; positions: (3,) m, its joints by name; both in the
    T-pose, model frame. joint_names: the joints that are bodies of the humanoid; a landmark of a joint that
    is merged away (a finger's) goes with the body that it was merged into.

    Raises HumanoidError for a body whose joints lie outside its mesh.
    """
    found = {}
    points = landmark_points(body)
    for marker in MARKERS:
        for side, name in zip(SIDES if marker.sided else ("",), marker.names):
            point, source = points[name]
            joint = kept_joint(marker.joint, side, joint_names)
            found[name] = Landmark(joint, point.on(vertices) - positions[joint], source)
    return found


def add_markers(spec: mujoco.MjSpec, found: Mapping[str, Landmark]) -> None:
    """Add landmarks to a model as sites of their names: spheres in MARKER_GROUP."""
    for name, landmark in found.items():
        site = spec.body(landmark.body).add_site(
            name=name,
            pos=landmark.position,
            type=mujoco.mjtGeom.mjGEOM_SPHERE,
            rgba=[0.1, 0.35, 0.8, 1.0],
            group=MARKER_GROUP,
        )
        site.size[0] = MARKER_RADIUS  # a sphere's XML has this size alone


def kept_joint(name: str, side: str, joint_names: Collection[str]) -> str:
    """A side's joint of this name (or the trunk's), or the nearest one above it that is a humanoid's body."""
    joint = name if name in SMPL_JOINTS else f"{side}_{name}"
    if joint.endswith("_hand") and joint not in joint_names:  # SMPL-H and SMPL-X have fingers instead
        joint = joint.removesuffix("hand") + "middle3"
    while joint not in joint_names:
        parent = parent_name(joint)
        assert parent is not None  # the root is never merged away
        joint = parent
    return joint


@once_per_body
def landmark_points(body: Body) -> dict[str, tuple[SurfacePoint, str]]:
    """Each landmark's point of a body's skin, and where it comes from ("definition" or a vertex's source)."""
    template = Template(body)
    defined = {
        name: marker.rule(Side(template, side))
        for marker in MARKERS
        for side, name in zip(SIDES if marker.sided else ("left",), marker.names)
    }
    found = {name: (point, "definition") for name, point in defined.items()}
    table = BY_VERTEX_COUNT.get((body.family, len(body.v_template)), {})
    named = {marker.name: marker.names for marker in MARKERS}
    accepted: dict[str, tuple[SurfacePoint, str]] = {}
    for marker, candidates in table.items():
        where = [defined[name].on(template.vertices) for name in named[marker]]
        source = min(candidates, key=lambda s: _disagreement(template, candidates[s], where))
        ids = candidates[source]
        if _disagreement(template, ids, where) <= LARGEST_DISAGREEMENT:
            for name, i in zip(named[marker], ids):
                accepted[name] = at_vertex(i), f"vertex {i} ({source})"
    # A mesh of another topology agrees by chance only, here and there: then none of the numbers is for it.
    if len(accepted) >= LEAST_SHARE * sum(len(named[marker]) for marker in table):
        found |= accepted
    return found


def _disagreement(template: Template, ids: tuple[int, ...], where: list[Array]) -> float:
    """m between vertices and the places that they should be at: the worse side's."""
    return max(float(np.linalg.norm(template.vertices[i] - place)) for i, place in zip(ids, where))
