"""Where each landmark is on a body in the T-pose: its definition as geometry.

A rule is written for one side and asks the template for a point of the skin: mostly where a ray from a
joint centre leaves the body, so that a landmark lies at exactly the height that its definition names.
A template has no bones to be felt, so bony landmarks are where the joint centres and cited proportions put
them: good to about 2 cm on a person.

Sources: de Leva 1996, doi 10.1016/0021-9290(95)00178-6 (CERV, SUPR, XYPH); Bell, Petersen, Brand 1990,
doi 10.1016/0021-9290(90)90054-7 (hip centre from the iliac spines);
Levine, Whittle 1996, doi 10.2519/jospt.1996.24.3.130 (tilt of the standing pelvis); Panjabi 1991,
doi 10.1097/00007632-199108000-00006 (height of thoracic vertebrae); ISB: Wu 2002, 2005,
doi 10.1016/S0021-9290(01)00222-6, 10.1016/j.jbiomech.2004.05.042 (which landmarks span a segment).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .surface_points import SurfacePoint, Template

Array = NDArray[np.float64]

LATERAL, UP, FORWARD = np.eye(3)  # of the left side; model frame

CERV_SUPR, CERV_XYPH = (71.4 + 85.5) / (242.9 + 243.7), (242.1 + 228.0) / (242.9 + 243.7)
"""de Leva's suprasternale and xiphion below the cervicale, of VERT-CERV; mean of both sexes' lengths."""

VERTEBRA = 0.1
"""Of VERT-CERV: a lower thoracic vertebra with its disc, 24.5 mm."""

HEAD_BAND = 0.35
"""Of VERT-CERV below the vertex: the plane of the four head markers, above brows and ears."""

ASIS_LATERAL, ASIS_UP = 0.14, 0.30
"""Of the distance between the iliac spines: where they lie from the hip centres (Bell 1990)."""

PSIS_LATERAL = 0.2
"""Of the same distance, from the mid-line: the dimples are less than half as far apart. An assumption."""

PELVIC_TILT = np.deg2rad(11.0)
"""By which the line from the front to the back iliac spines rises (Levine 1996)."""

FIRST_HEAD, FIFTH_HEAD = 0.73, 0.63
"""Of the foot's length from the heel: the first and fifth metatarsal heads, as in surveys. An assumption."""

SECOND_RAY = 0.25
"""Of the line from the first to the fifth metatarsal head: the second one. An assumption."""


class Side:
    """A template seen from one side: joints of that side by their short names, lateral as a direction."""

    def __init__(self, template: Template, side: str) -> None:
        self.template, self.side = template, side
        self.lateral = -LATERAL if side == "right" else LATERAL

    def joint(self, name: str) -> Array:
        """(3,) m. A joint without sides goes by its own name."""
        joints = self.template.joints
        return joints[name] if name in joints else joints[f"{self.side}_{name}"]

    def square(self, direction: Array, start: str, end: str) -> Array:
        """A direction made square to a bone, (3,) of unit length."""
        bone = self.joint(end) - self.joint(start)
        direction = direction - (direction @ bone) / (bone @ bone) * bone
        return direction / np.linalg.norm(direction)

    def across(self, start: str, end: str, share: float, direction: Array) -> SurfacePoint:
        """From a share of a bone's length, square to it, out through the skin."""
        origin = self.joint(start) + share * (self.joint(end) - self.joint(start))
        return self.template.exit(origin, self.square(direction, start, end))

    @property
    def foot_axis(self) -> Array:
        """(3,) from the ankle to the toes, level, of unit length."""
        axis = (self.joint("foot") - self.joint("ankle")) * [1, 0, 1]
        return axis / np.linalg.norm(axis)

    @property
    def foot_lateral(self) -> Array:
        """(3,) square to the foot's axis, level, of unit length."""
        turned = np.cross(UP, self.foot_axis)
        return turned * np.sign(turned @ self.lateral)

    @property
    def knuckle(self) -> str:
        """The joint that the middle of the knuckles is at: SMPL's hand, or the middle finger's first."""
        return "hand" if f"{self.side}_hand" in self.template.joints else "middle1"


def top_of_head(template: Template) -> Array:
    """(3,) m."""
    head = template.vertices[template.owned_by({"head"})]
    return head[head[:, 1].argmax()]


def head_length(template: Template) -> float:
    """VERT-CERV in m, from the vertex down to SMPL's neck joint, which is at the height of C7."""
    return float(top_of_head(template)[1] - template.joints["neck"][1])


def midline(template: Template, height: float, direction: Array) -> SurfacePoint:
    """The skin before or behind the neck and trunk at a height, in the plane of symmetry."""
    origin = np.array([0.0, height, template.joints["neck"][2]])
    return template.exit(origin, direction)


def vertex(s: Side) -> SurfacePoint:
    """Straight above the head joint, at the depth of the head's highest point."""
    origin = s.joint("head") * [0, 1, 0] + top_of_head(s.template) * [0, 0, 1]
    return s.template.exit(origin, UP)


def band(s: Side, turn_deg: float) -> SurfacePoint:
    """The skin of the head in the band's plane, turned from the front to the side by an angle."""
    t = s.template
    height = top_of_head(t)[1] - HEAD_BAND * head_length(t)
    inside = np.array([0.0, height, t.joints["head"][2]])
    depths = [t.exit(inside, way).on(t.vertices)[2] for way in (FORWARD, -FORWARD)]
    turn = np.deg2rad(turn_deg)
    return t.exit(np.array([0.0, height, sum(depths) / 2]), np.cos(turn) * FORWARD + np.sin(turn) * s.lateral)


def trunk(s: Side, below: float, direction: Array) -> SurfacePoint:
    """The mid-line's skin below C7 by a share of VERT-CERV."""
    return midline(s.template, s.joint("neck")[1] - below * head_length(s.template), direction)


def scapula(s: Side) -> SurfacePoint:
    """The back, half-way to the shoulder joint and from C7 to T8."""
    height = s.joint("neck")[1] - CERV_XYPH / 2 * head_length(s.template)
    shoulder = s.joint("shoulder")
    return s.template.exit(np.array([shoulder[0] / 2, height, shoulder[2]]), -FORWARD)


def _iliac(s: Side) -> tuple[Array, float]:
    """(3,) m below the skin of the front iliac spine, at the hip's depth; the spines' distance in m."""
    hips = s.template.joints
    width = float(hips["left_hip"][0] - hips["right_hip"][0]) / (1 - 2 * ASIS_LATERAL)
    return s.joint("hip") + ASIS_LATERAL * width * s.lateral + ASIS_UP * width * UP, width


def asis(s: Side) -> SurfacePoint:
    """Straight before the point that Bell's proportions give for the hip joints."""
    return s.template.exit(_iliac(s)[0], FORWARD)


def _psis_height(s: Side) -> tuple[float, float]:
    inside, width = _iliac(s)
    t = s.template
    back = t.exit(inside * [0, 1, 1], -FORWARD).on(t.vertices)
    depth = asis(s).on(t.vertices)[2] - back[2]
    return float(inside[1] + np.tan(PELVIC_TILT) * depth), width


def psis(s: Side) -> SurfacePoint:
    """The back above the level of the front spines, as the standing pelvis tilts."""
    height, width = _psis_height(s)
    aside = PSIS_LATERAL * width * s.lateral
    return s.template.exit(aside + [0, height, s.joint("hip")[2]], -FORWARD)


def sacrum(s: Side) -> SurfacePoint:
    """The mid-line at the height of the back spines."""
    height, _ = _psis_height(Side(s.template, "left"))
    return s.template.exit(np.array([0.0, height, s.template.joints["left_hip"][2]]), -FORWARD)


def heel(s: Side) -> SurfacePoint:
    """The rearmost vertex below the ankle."""
    below = s.template.vertices[:, 1] < s.joint("ankle")[1]
    return s.template.farthest(-s.foot_axis, below & s.template.owned_by({f"{s.side}_ankle"}))


def hallux(s: Side) -> SurfacePoint:
    """The foremost vertex of the toes medial to the foot's axis."""
    t = s.template
    medial = (t.vertices - s.joint("ankle")) @ s.foot_lateral < 0
    return t.farthest(s.foot_axis, medial & t.owned_by({f"{s.side}_foot"}))


def ankle(s: Side, sign: float) -> SurfacePoint:
    """Level from the ankle's centre, square to the foot's axis: lateral or medial."""
    return s.template.exit(s.joint("ankle"), sign * s.foot_lateral)


def metatarsal(s: Side, share: float, sign: float) -> SurfacePoint:
    """Level at the toe joint's height, at a share of the foot's length: laterally (1) or medially (-1)."""
    t, axis = s.template, s.foot_axis
    reach = t.vertices[t.owned_by({f"{s.side}_ankle", f"{s.side}_foot"})] @ axis
    wanted = reach.min() + share * np.ptp(reach)
    toes = s.joint("foot")
    return t.exit(toes + (wanted - toes @ axis) * axis, sign * s.foot_lateral)


def second_metatarsal(s: Side) -> SurfacePoint:
    """The back of the foot above a quarter of the line from the first to the fifth head."""
    first = metatarsal(s, FIRST_HEAD, -1.0).on(s.template.vertices)
    fifth = metatarsal(s, FIFTH_HEAD, 1.0).on(s.template.vertices)
    return s.template.exit(first + SECOND_RAY * (fifth - first), UP)


def knuckles(s: Side, finger: str, direction: Array) -> SurfacePoint:
    """From a finger's first joint, or the middle of the knuckles, square to the hand."""
    start = f"{finger}1" if f"{s.side}_{finger}1" in s.template.joints else s.knuckle
    return s.template.exit(s.joint(start), s.square(direction, "wrist", start))


def dactylion(s: Side) -> SurfacePoint:
    """The vertex farthest along the line from the wrist to the knuckles: a finger tip."""
    along = s.joint(s.knuckle) - s.joint("wrist")
    fingers = {name for name in s.template.joints if name.startswith(s.side) and _of_hand(name)}
    return s.template.farthest(along, s.template.owned_by(fingers))


def _of_hand(joint: str) -> bool:
    return joint.endswith("_hand") or joint[-1].isdigit()
