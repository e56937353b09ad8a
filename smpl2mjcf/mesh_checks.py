"""Whether a shaped mesh still encloses a body: faces that turned over, and a surface that crosses itself.

Every shape is tried for faces that turned over and for volume that the surface does not wind around exactly
once. The faces that cross each other are searched on a body's mean shape, once, and wherever a beta is
larger than EVERYDAY_BETA or one of the other tests finds something.
"""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from .body import Body, shaped_vertices
from .crossings import crossing_faces
from .errors import HumanoidError
from .surface import Surface, closed_surface
from .winding import enclosed

if TYPE_CHECKING:
    from .shape import Shape

Array = NDArray[np.float64]
Faces = NDArray[np.int64]

EVERYDAY_BETA = 3.0
"""One person in four hundred lies beyond; up to it no beta alone makes a default body cross itself."""

LARGEST_MISJUDGED_SHARE = 0.01
"""Of a body's volume: mass shares of a body that overlaps itself by more are no longer right to 1 %."""

REPORTED_MISJUDGED_SHARE = 0.001
"""Of a body's volume: less than a breath."""

REPORTED_CROSSING_SHARE = 0.01
"""Of the faces. Lips, lids, toes and armpits of a fitted mesh may cross without any volume."""

REPORTED_TURNED_SHARE = 0.001
"""Of the faces: about the fifteenth part of a hand."""

NAMED_PAIRS = 3
"""How many pairs of joints a message names."""


@dataclass(frozen=True, eq=False)
class MeshFaults:
    """What is wrong with a shape's closed surface."""

    turned: Faces  # (N,) faces whose normal lies more than 90 degrees from its direction in the mean shape
    crossing: Faces | None  # (K, 2) pairs of faces that cross and share no vertex; None: not searched
    crossing_share: float  # of the faces, that cross another; 0 where not searched
    misjudged_share: float  # of the volume, that is counted twice or inside out
    misjudged_volume: float  # m3
    between: tuple[tuple[str, str], ...]  # the joints whose skin crosses, the pair of most faces first
    num_faces: int

    @property
    def is_error(self) -> bool:
        """Whether the volumes are wrong."""
        return self.misjudged_share > LARGEST_MISJUDGED_SHARE

    @property
    def is_reported(self) -> bool:
        """Whether the mesh is worth a warning."""
        return (
            self.is_error
            or self.misjudged_share > REPORTED_MISJUDGED_SHARE
            or self.crossing_share > REPORTED_CROSSING_SHARE
            or len(self.turned) > REPORTED_TURNED_SHARE * self.num_faces
        )

    def __str__(self) -> str:
        parts = []
        if self.crossing is not None and len(self.crossing):
            count = len(np.unique(self.crossing))
            named = ", ".join("/".join(pair) for pair in self.between[:NAMED_PAIRS])
            more = ", ..." if len(self.between) > NAMED_PAIRS else ""
            parts.append(f"{count} of its {self.num_faces} faces cross others (between {named}{more})")
        if len(self.turned):
            parts.append(f"{len(self.turned)} faces are turned over")
        if self.misjudged_share > 0:
            parts.append(
                f"{1000 * self.misjudged_volume:.3g} L of its volume "
                f"({100 * self.misjudged_share:.3g} %) are counted twice or inside out"
            )
        return ", ".join(parts) or "nothing is wrong with the mesh"


def check_shape(shape: Shape) -> MeshFaults:
    """What is wrong with a shape's mesh, with one warning where that is worth saying.

    Raises HumanoidError where the surface overlaps itself so far that its volumes are wrong.
    """
    faults = mesh_faults(shape.body, shape.betas, shape.surface)
    if not faults.is_reported:
        return faults
    if len(_mean_shape(shape.body).crossing):
        cause = "faces of the body file's own mean shape cross"
    else:
        cause = f"use smaller betas (largest: {np.abs(shape.betas).max(initial=0.0):.3g})"
    if faults.is_error:
        raise HumanoidError(
            f"the mesh folds: {faults}; accepted: {100 * LARGEST_MISJUDGED_SHARE:g} % of the volume; {cause}"
        )
    warnings.warn(f"the mesh crosses itself or folds: {faults}; {cause}", stacklevel=4)
    return faults


def mesh_faults(body: Body, betas: Array, surface: Surface) -> MeshFaults:
    """What is wrong with the closed surface (closed_surface) of a body in the shape of betas (B,).

    Judged against the body's mean shape, whose own crossing faces are searched once and remembered.
    """
    mean = _mean_shape(body)
    vertices, faces = surface.vertices, surface.faces
    turned = np.flatnonzero((_normals(vertices, faces) * mean.normals).sum(axis=0) < 0)
    found = enclosed(vertices, faces)
    largest = np.abs(betas).max(initial=0.0)
    if largest == 0:
        crossing: Faces | None = mean.crossing
    elif largest > EVERYDAY_BETA or len(turned) or found.misjudged > 0 or len(mean.crossing):
        crossing = crossing_faces(vertices, faces)
    else:
        crossing = None
    share = 0.0 if crossing is None else len(np.unique(crossing)) / len(faces)
    between = () if crossing is None else _joints_between(body, faces, crossing)
    return MeshFaults(turned, crossing, share, found.share, found.misjudged, between, len(faces))


@dataclass(frozen=True, eq=False)
class _MeanShape:
    """What a body's shapes are compared with."""

    normals: Array  # (3, F), not of unit length
    crossing: Faces  # (K, 2)


_MEAN_SHAPES: WeakKeyDictionary[Body, _MeanShape] = WeakKeyDictionary()


def _mean_shape(body: Body) -> _MeanShape:
    if body not in _MEAN_SHAPES:
        surface = closed_surface(body, shaped_vertices(body))
        _MEAN_SHAPES[body] = _MeanShape(
            _normals(surface.vertices, surface.faces), crossing_faces(surface.vertices, surface.faces)
        )
    return _MEAN_SHAPES[body]


def _normals(vertices: Array, faces: Faces) -> Array:
    """(3, F) the faces' normals, of twice their area."""
    a, b, c = vertices[faces].transpose(1, 2, 0)
    (ux, uy, uz), (vx, vy, vz) = b - a, c - a
    return np.stack([uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx])


def _joints_between(body: Body, faces: Faces, crossing: Faces) -> tuple[tuple[str, str], ...]:
    """The pairs of joints that crossing faces follow most, those of most faces first."""
    # A cap's first corner is its own; its others are the body's.
    owner = body.weights[faces[:, 1:][crossing]].sum(axis=2).argmax(axis=2)  # (K, 2)
    counts = Counter(map(tuple, np.sort(owner, axis=1).tolist()))
    ordered = sorted(counts, key=lambda pair: (-counts[pair], pair))
    return tuple((body.joint_names[a], body.joint_names[b]) for a, b in ordered)
