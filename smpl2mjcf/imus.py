"""Sites of inertial sensors: the usual 17 of a full-body suit, each with stated axes.

Positions are points of the skin, fixed on the mean shape as landmarks are. Axes, in the T-pose:

    x   along the segment towards its upper end: up on the trunk, to the joint above on a limb, and
        from the toes to the heel on a foot
    z   out of the skin, square to x: the `faces` of the table below
    y   z cross x

A sensor at rest with its x axis up reads (+9.81, 0, 0) m/s2, as accelerometers measure specific force.

Placement after the suits' own instructions (Roetenberg, Luinge, Slycke 2009, Xsens MVN): pelvis on the
sacrum, shanks on the flat inner side of the tibia, feet on the bridge, hands on their backs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from . import landmark_rules as rules
from .body import Body
from .body_cache import once_per_body
from .cut_plan import knuckle
from .landmark_rules import FORWARD, LATERAL, UP, Side
from .landmarks import MARKER_GROUP, kept_joint
from .skeleton import SIDES
from .surface_points import SurfacePoint, Template

Array = NDArray[np.float64]

CASE = (0.0235, 0.015, 0.0065)
"""m, half sizes of a sensor's box along its x, y and z, as it is drawn."""


@dataclass(frozen=True)
class Placement:
    """Where a suit has a sensor. Directions are the left side's; the right side mirrors x."""

    name: str  # without "imu_" and the side
    joint: str  # whose body carries it
    faces: tuple[float, float, float]  # nominal direction out of the skin, model frame, T-pose
    rule: Callable[[Side], SurfacePoint]
    bone: tuple[str, str] | None = None  # joints, lower and upper end, that x runs between; None: up
    sided: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """The sites' names, left and right."""
        return tuple(f"imu_{side}_{self.name}" for side in SIDES) if self.sided else (f"imu_{self.name}",)


@dataclass(frozen=True, eq=False)
class Imu:
    """An inertial sensor of a humanoid."""

    body: str  # that it is fixed to
    position: Array  # (3,) m, in that body's frame
    axes: Array  # (3, 3) R_body_sensor: columns are its x, y and z in the body's frame


def _on_bone(start: str, end: str, share: float, faces: tuple[float, float, float]) -> Placement:
    """The sensor of a limb's segment, at a share of its bone from the upper end."""
    names = {"shoulder": "upper_arm", "elbow": "forearm", "hip": "thigh", "knee": "shank"}

    def rule(s: Side) -> SurfacePoint:
        return s.across(start, end, share, _mirrored(faces, s.side))

    return Placement(names[start], start, faces, rule, (end, start))


def _sternum(s: Side) -> SurfacePoint:
    return rules.trunk(s, (rules.CERV_SUPR + rules.CERV_XYPH) / 2, FORWARD)


def _hand(s: Side) -> SurfacePoint:
    return s.across("wrist", s.knuckle, 0.5, UP)


def _foot(s: Side) -> SurfacePoint:
    return s.template.exit((s.joint("ankle") + s.joint("foot")) / 2, UP)


_UP, _BACK, _FRONT, _OUT = (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)

PLACEMENTS: tuple[Placement, ...] = (
    Placement("head", "head", _BACK, lambda s: rules.band(s, 180.0), sided=False),
    Placement("sternum", "spine3", _FRONT, _sternum, sided=False),
    Placement("pelvis", "pelvis", _BACK, rules.sacrum, sided=False),
    Placement("scapula", "collar", _BACK, rules.scapula),
    _on_bone("shoulder", "elbow", 0.5, _UP),
    _on_bone("elbow", "wrist", 0.8, _UP),
    Placement("hand", "wrist", _UP, _hand, ("knuckle", "wrist")),
    _on_bone("hip", "knee", 0.5, _OUT),
    _on_bone("knee", "ankle", 0.3, (-1.0, 0.0, 1.0)),
    Placement("foot", "ankle", _UP, _foot, ("foot", "ankle")),
)
"""Three sensors of the trunk and head, seven of each side. The arms' outer side faces up in the T-pose."""

IMU_NAMES: tuple[str, ...] = tuple(name for placement in PLACEMENTS for name in placement.names)
"""The sites in the order of PLACEMENTS."""


def imus(
    body: Body, vertices: Array, positions: Mapping[str, Array], joint_names: Collection[str]
) -> dict[str, Imu]:
    """The inertial sensors of a shape, by site name. Arguments and errors as those of `landmarks`."""
    found = {}
    points = imu_points(body)
    for placement in PLACEMENTS:
        for side, name in zip(SIDES, placement.names):
            joint = kept_joint(placement.joint, side, joint_names)
            axes = _axes(placement, side, positions)
            found[name] = Imu(joint, points[name].on(vertices) - positions[joint], axes)
    return found


def add_imus(spec: mujoco.MjSpec, found: Mapping[str, Imu]) -> None:
    """Add inertial sensors to a model as sites of their names: boxes in the markers' group."""
    for name, imu in found.items():
        spec.body(imu.body).add_site(
            name=name,
            pos=imu.position,
            quat=Rotation.from_matrix(imu.axes).as_quat(scalar_first=True, canonical=True),
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=CASE,
            rgba=[0.9, 0.45, 0.1, 1.0],
            group=MARKER_GROUP,
        )


@once_per_body
def imu_points(body: Body) -> dict[str, SurfacePoint]:
    """Each sensor's point of a body's skin."""
    template = Template(body)
    return {
        name: placement.rule(Side(template, side))
        for placement in PLACEMENTS
        for side, name in zip(SIDES, placement.names)
    }


def _mirrored(direction: tuple[float, float, float], side: str) -> Array:
    return np.array(direction) * (1 - 2 * LATERAL if side == "right" else 1.0)


def _axes(placement: Placement, side: str, positions: Mapping[str, Array]) -> Array:
    """(3, 3) R_body_sensor; body frames are parallel to the model frame in the T-pose."""
    x = UP
    if placement.bone is not None:
        lower, upper = (_end(name, side, positions) for name in placement.bone)
        x = upper - lower
        if placement.name == "foot":
            x = x * [1.0, 0.0, 1.0]
        x = x / np.linalg.norm(x)
    z = _mirrored(placement.faces, side)
    z = z - (z @ x) * x
    z = z / np.linalg.norm(z)
    return np.stack([x, np.cross(z, x), z], axis=1)


def _end(name: str, side: str, positions: Mapping[str, Array]) -> Array:
    return knuckle(positions, side) if name == "knuckle" else positions[f"{side}_{name}"]
