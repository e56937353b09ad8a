"""One shape of a body, measured: its closed surface cut into the matter of each joint."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .body import STATURE_RANGE, Body, complete_betas, shaped_vertices, stature
from .cells import MeshCells, require_volumes
from .errors import HumanoidError
from .hands import hand_pieces
from .inertia import BODY_DENSITY, require_mass
from .joint_layout import require_joint_layout
from .mesh_checks import check_shape
from .segments import Piece, body_pieces
from .skeleton import FACE_JOINTS, FINGER_JOINTS, HANDS, JOINT_NAMES, SIDES, parents_of
from .surface import Surface, closed_surface

Array = NDArray[np.float64]

DENSITY_RANGE = (800.0, 1200.0)
"""kg/m3 that raise no warning. People have 930 (much fat, a deep breath) to 1100 (little, empty lungs); a
mass that was weighed and a shape that was guessed from a video may disagree by more than that."""

BMI_RANGE = (8.0, 100.0)
"""kg/m2 that people have had."""


@dataclass(frozen=True, eq=False)
class Shape:
    """A body's mesh in one shape, in the T-pose and SMPL's model frame, and its matter joint by joint."""

    body: Body
    betas: Array  # (B,)
    vertices: Array  # (V, 3) m
    positions: Mapping[str, Array]  # (3,) m of each of the body's joints, those that are merged too
    joint_names: tuple[str, ...]  # (K,) the joints that are bodies of the humanoid, in the body's order
    surface: Surface
    pieces: Mapping[str, Piece]  # of the surface, by joint

    @property
    def stature(self) -> float:
        """m, from the sole to the top of the head."""
        return stature(self.vertices)

    @property
    def joints(self) -> Array:
        """(K, 3) m, the positions of joint_names."""
        return np.array([self.positions[name] for name in self.joint_names])

    def cells(self, sex: str) -> MeshCells:
        """The measured matter, the trunk's divided as that sex's table says.

        Raises HumanoidError for an unknown sex, or where a joint or trunk part has no volume.
        """
        surface = self.surface
        cells = MeshCells(surface.vertices, surface.faces, self.pieces, self.positions, sex)
        require_volumes(cells)
        return cells


def shape_of(body: Body, betas: ArrayLike | None = None, hands: str = "merged") -> Shape:
    """A body's shape. betas: (B,), None for the mean shape; hands: as build_humanoid's.

    Raises BodyError for betas of a wrong length, HumanoidError for articulated hands on a body without
    fingers or with a finger that has no volume, joints in another order than the family's or that lie as no
    person's do, a stature that no person has, or a mesh that is open or folds. Warns of faces that cross or
    are turned over (mesh_checks).
    """
    names = kept_joints(body, hands)
    betas = complete_betas(body, betas)
    vertices = shaped_vertices(body, betas)
    height = stature(vertices)
    if not STATURE_RANGE[0] <= height <= STATURE_RANGE[1]:
        raise HumanoidError(
            f"these betas make a body of {height:.4g} m; accepted: {STATURE_RANGE[0]}-{STATURE_RANGE[1]} m"
        )
    # The joints that are merged still say where the hands point and the fingers lie.
    positions = dict(zip(body.joint_names, body.joint_regressor @ vertices))
    require_joint_layout(positions)
    surface = closed_surface(body, vertices)
    pieces = body_pieces(surface.vertices, surface.faces, positions)
    if hands == "articulated":
        for side in SIDES:
            hand = pieces[f"{side}_wrist"]
            pieces |= hand_pieces(surface.vertices, surface.faces, hand, positions, side)
    shape = Shape(body, betas, vertices, positions, names, surface, pieces)
    check_shape(shape)
    return shape


def mass_of(shape: Shape, mass: float | None = None, bmi: float | None = None) -> float:
    """kg of a person of this shape: as given, by body mass index and stature, or 985 kg/m3 x volume.

    Warns of a density that no living body has. Raises HumanoidError for a mass or an index that is not
    positive or no person's, or for both at once.
    """
    kilograms = requested_mass(shape.stature, mass, bmi)
    if kilograms is None:
        kilograms = BODY_DENSITY * shape.surface.volume
        require_mass(kilograms)  # extreme betas weigh tons
    density = kilograms / shape.surface.volume
    if not DENSITY_RANGE[0] <= density <= DENSITY_RANGE[1]:
        warnings.warn(
            f"{kilograms:.4g} kg in the {1000 * shape.surface.volume:.4g} L of this shape means "
            f"{density:.0f} kg/m3; people have 930-1100. "
            "Give betas of a person of that mass, or no mass",
            stacklevel=3,
        )
    return kilograms


def requested_mass(stature: float, mass: float | None = None, bmi: float | None = None) -> float | None:
    """kg: the mass as given, or by body mass index (kg/m2) and stature (m); None where neither is given.

    Raises HumanoidError for a mass or an index that is not positive or no person's, or for both at once.
    """
    if mass is not None and bmi is not None:
        raise HumanoidError(f"give a mass or a body mass index, received both: {mass} kg and {bmi} kg/m2")
    if bmi is not None:
        if isinstance(bmi, bool) or not (isinstance(bmi, Real) and np.isfinite(bmi)):
            raise HumanoidError(f"a body mass index must be a number of kg/m2, received {bmi!r}")
        if not BMI_RANGE[0] <= bmi <= BMI_RANGE[1]:
            raise HumanoidError(
                f"a body mass index of {bmi} kg/m2 is not a person's; accepted: {BMI_RANGE[0]}-{BMI_RANGE[1]}"
            )
        mass = bmi * stature**2
    if mass is None:
        return None
    require_mass(mass)
    return float(mass)


def kept_joints(body: Body, hands: str) -> tuple[str, ...]:
    """The joints of a body that become bodies of its humanoid, in the body's order.

    Raises HumanoidError for articulated hands on a body without fingers, or joints that are not the family's.
    """
    if hands not in HANDS:
        raise HumanoidError(f"unknown hands {hands!r}; accepted: {', '.join(HANDS)}")
    expected = JOINT_NAMES[body.family]
    if body.joint_names != expected or body.parents != parents_of(expected):
        raise HumanoidError(
            f"the joints of this {body.family} body are not that family's: {_difference(body, expected)}"
        )
    if hands == "articulated" and not set(FINGER_JOINTS) <= set(body.joint_names):
        raise HumanoidError(
            f"articulated hands need a body with fingers (SMPL-H or SMPL-X); this {body.family} body has none"
        )
    merged = {*FACE_JOINTS, *(FINGER_JOINTS if hands == "merged" else ())}
    return tuple(name for name in body.joint_names if name not in merged)


def _difference(body: Body, expected: tuple[str, ...]) -> str:
    if body.joint_names != expected:
        return f"{body.num_joints} joints {', '.join(body.joint_names[:3])}, ... instead of {len(expected)}"
    found = zip(expected, body.parents, parents_of(expected))
    name, parent, right = next(item for item in found if item[1] != item[2])
    return f"{name} hangs on {expected[parent]} instead of {expected[right]}"
