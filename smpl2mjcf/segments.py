"""The closed mesh of a T-pose body, cut into one piece of matter per joint.

A piece is a chain of triangles that closes in the sense of the divergence theorem: where a plane
cuts the surface, the cut is closed by a fan of triangles from one point of that plane. The fan may
overlap itself, but its signed contributions are those of the true cap whatever the outline (several
loops, not convex, not star-shaped), so volumes and moments are exact and no triangulation is needed.

Pieces cannot overlap: each cut splits what is left in two, hence they sum to the whole body.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import trimesh
from numpy.typing import NDArray

from .cut_plan import WHOLE, Cut, Plane, body_cuts
from .errors import HumanoidError

Array = NDArray[np.float64]
Faces = NDArray[np.int64]


@dataclass(frozen=True)
class Matter:
    """Moments of a solid of density 1 about the model's origin; they add where solids join."""

    volume: float  # m3
    first: Array  # (3,) m4, integral of x
    second: Array  # (3, 3) m5, integral of x x^T

    def __add__(self, other: Matter) -> Matter:
        return Matter(self.volume + other.volume, self.first + other.first, self.second + other.second)

    def __mul__(self, density: float) -> Matter:
        return Matter(self.volume * density, self.first * density, self.second * density)

    @property
    def centroid(self) -> Array:
        """(3,) m."""
        return self.first / self.volume

    @property
    def covariance(self) -> Array:
        """(3, 3) m2, mean of (x - centroid)(x - centroid)^T over the matter."""
        c = self.centroid
        return self.second / self.volume - c[:, None] * c


def split(triangles: Array, plane: Plane) -> tuple[Array, Array]:
    """The parts of a closed chain (N, 3, 3) inside and outside a half-space, both closed again."""
    inside = plane.height(triangles) >= 0
    count = inside.sum(axis=1)
    parts, rest = _split_across(triangles[(count == 1) | (count == 2)], plane)
    return np.concatenate([triangles[count == 3], parts]), np.concatenate([triangles[count == 0], rest])


def cut_up(vertices: Array, faces: Faces, cuts: Iterable[Cut], whole: str) -> dict[str, Array]:
    """The pieces of a closed mesh after a plan's cuts, as closed chains (N, 3, 3) m by name.

    vertices (V, 3) m; faces (F, 3); whole: the name of the uncut mesh, which what is left keeps.
    """
    # Most faces lie on one side of every plane: they stay indices, and only what is cut becomes triangles.
    uncut: dict[str, Faces] = {whole: np.arange(len(faces))}
    loose: dict[str, list[Array]] = {whole: []}
    for cut in cuts:
        own, triangles = uncut.pop(cut.of), loose.pop(cut.of)
        count = (cut.plane.height(vertices) >= 0)[faces[own]].sum(axis=1)
        across = vertices[faces[own[(count == 1) | (count == 2)]]]
        within, beyond = split(np.concatenate([across, *triangles]), cut.plane)
        for name, indices, chain in (
            (cut.inside, own[count == 3], within),
            (cut.outside, own[count == 0], beyond),
        ):
            uncut[name] = np.concatenate([uncut[name], indices]) if name in uncut else indices
            loose.setdefault(name, []).append(chain)
    return {name: np.concatenate([vertices[faces[uncut[name]]], *loose[name]]) for name in uncut}


def matter(triangles: Array) -> Matter:
    """Volume and moments of a closed chain (N, 3, 3), by signed tetrahedra (divergence theorem)."""
    # Tetrahedra from a point of the piece itself keep the signed terms small: less cancellation.
    base = triangles.reshape(-1, 3).mean(axis=0) if len(triangles) else np.zeros(3)
    corners = triangles - base
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    six_volumes = (a * np.cross(b, c)).sum(axis=1)
    total = a + b + c
    volume = six_volumes.sum() / 6
    first = six_volumes @ total / 24
    flat = corners.reshape(-1, 3)
    second = (
        total.T @ (six_volumes[:, None] * total) + flat.T @ (np.repeat(six_volumes, 3)[:, None] * flat)
    ) / 120
    second = (second + second.T) / 2
    shifted = second + np.outer(first, base) + np.outer(base, first) + volume * np.outer(base, base)
    return Matter(float(volume), first + volume * base, shifted)


def require_closed(vertices: Array, faces: Faces) -> None:
    """Check that a mesh encloses one volume: watertight, in one piece, its faces agreeing on what is out.

    vertices (V, 3), faces (F, 3). Raises HumanoidError with the number of open edges, or of pieces.
    """
    problem = _connectivity_problem(np.ascontiguousarray(faces, dtype=np.int64).tobytes())
    if problem is None and matter(vertices[faces]).volume <= 0:
        problem = _INSIDE_OUT
    if problem is not None:
        raise HumanoidError(problem)


_INSIDE_OUT = (
    "the mesh has faces that are turned inside out (by extreme betas, or in the file); "
    "volumes need faces that run counter-clockwise seen from outside"
)


@lru_cache(maxsize=16)  # every shape of a body has the same faces
def _connectivity_problem(faces_bytes: bytes) -> str | None:
    """What keeps faces (int64, three a row) from being one closed surface, whatever their vertices."""
    faces = np.frombuffer(faces_bytes, dtype=np.int64).reshape(-1, 3)
    mesh = trimesh.Trimesh(np.zeros((int(faces.max()) + 1, 3)), faces, process=False)
    if not mesh.is_watertight:
        _, uses = np.unique(mesh.edges_sorted, axis=0, return_counts=True)
        return (
            f"the mesh is not closed: {int((uses != 2).sum())} of its {len(uses)} edges do not join "
            "two faces; volumes need a watertight mesh"
        )
    # By faces, not by vertices: dropped eyeballs leave vertices that no face uses.
    piece = trimesh.graph.connected_component_labels(mesh.face_adjacency, node_count=len(faces))
    sizes = np.bincount(piece)
    if len(sizes) > 1:
        return (
            f"the mesh has {len(sizes)} separate pieces, the smallest of {sizes.min()} faces; "
            "one closed surface is accepted, beside SMPL-X's eyeballs"
        )
    return None if mesh.is_winding_consistent else _INSIDE_OUT


def body_pieces(vertices: Array, faces: Faces, joints: Mapping[str, Array]) -> dict[str, Array]:
    """The matter of each SMPL joint as a closed chain (N, 3, 3) m, T-pose, model frame.

    vertices (V, 3) m; faces (F, 3); joints (3,) m each by SMPL name. cut_plan.body_cuts says where.

    Raises HumanoidError for joints that are missing, a mesh that is open or has faces inside out.
    """
    cuts = body_cuts(joints)
    require_closed(vertices, faces)
    return cut_up(vertices, faces, cuts, WHOLE)


def _split_across(triangles: Array, plane: Plane) -> tuple[Array, Array]:
    """Both parts of triangles (N, 3, 3) that all straddle a plane, each closed by a fan in the plane."""
    if not len(triangles):
        return triangles, triangles
    height = plane.height(triangles)
    inside = height >= 0
    # Turn each triangle so that its odd corner (the one alone on its side) comes first.
    alone = inside.sum(axis=1) == 1  # the odd corner is the inside one
    odd = np.where(alone, inside.argmax(axis=1), (~inside).argmax(axis=1))
    order = (odd[:, None] + np.arange(3)) % 3
    corners = np.take_along_axis(triangles, order[:, :, None], axis=1)
    height = np.take_along_axis(height, order, axis=1)
    tip, first, second = corners[:, 0], corners[:, 1], corners[:, 2]
    on_first = _crossing(tip, first, height[:, 0], height[:, 1], alone)
    on_second = _crossing(tip, second, height[:, 0], height[:, 2], alone)

    tips = np.stack([tip, on_first, on_second], axis=1)
    bases = np.stack([[on_first, first, second], [on_first, second, on_second]]).transpose(2, 0, 1, 3)
    # The fan runs against the cut edges, so that every edge has its opposite partner.
    start = np.where(alone[:, None], on_second, on_first)
    end = np.where(alone[:, None], on_first, on_second)
    fan = np.stack([np.broadcast_to(start.mean(axis=0), start.shape), start, end], axis=1)
    return (
        np.concatenate([tips[alone], bases[~alone].reshape(-1, 3, 3), fan]),
        np.concatenate([tips[~alone], bases[alone].reshape(-1, 3, 3), fan[:, ::-1]]),
    )


def _crossing(
    tip: Array, other: Array, height_tip: Array, height_other: Array, alone: NDArray[np.bool_]
) -> Array:
    """Where edges cross the plane; always from the inner end, so that neighbours agree to the bit.

    alone: whether the tip is the inner end.
    """
    swap = ~alone[:, None]
    inner, outer = np.where(swap, other, tip), np.where(swap, tip, other)
    share = np.where(alone, height_tip, height_other) / np.abs(height_tip - height_other)
    return inner + share[:, None] * (outer - inner)
