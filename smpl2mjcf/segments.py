"""The closed mesh of a T-pose body, cut into one piece of matter per joint.

A piece is a chain of triangles that closes in the sense of the divergence theorem: where a plane
cuts the surface, the cut is closed by a fan of triangles from one point of that plane. The fan may
overlap itself, but its signed contributions are those of the true cap whatever the outline (several
loops, not convex, not star-shaped), so volumes and moments are exact and no triangulation is needed.

Pieces cannot overlap: each cut splits what is left in two, hence they sum to the whole body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def carve(triangles: Array, planes: Sequence[Plane]) -> tuple[Array, Array]:
    """The part of a closed chain (N, 3, 3) within all of some half-spaces, and the rest, both closed.

    Both get the same caps, turned round, so that what one plane cuts and the next gives back leaves no trace.
    """
    rest, caps = [], np.zeros((0, 3, 3))
    for plane in planes:
        triangles, beyond, edges = _split(triangles, plane)
        caps, _, more = _split(caps, plane)
        edges = np.concatenate([edges, more])
        # A fan of the cut edges, against them: every edge has its opposite partner.
        apex = edges[:, 1].mean(axis=0) if len(edges) else np.zeros(3)
        fan = np.stack([np.broadcast_to(apex, (len(edges), 3)), edges[:, 1], edges[:, 0]], axis=1)
        rest.append(beyond)
        caps = np.concatenate([caps, fan])
    return np.concatenate([triangles, caps]), np.concatenate([*rest, caps[:, ::-1]])


def split(triangles: Array, plane: Plane) -> tuple[Array, Array]:
    """The parts of a closed chain (N, 3, 3) inside and outside a half-space, both closed again."""
    return carve(triangles, [plane])


@dataclass(frozen=True, eq=False)
class Piece:
    """A closed part of a mesh: most of its faces are the mesh's, the rest are what cuts made of them."""

    uncut: Faces  # (N,) faces of the mesh
    loose: Array  # (M, 3, 3) m, triangles

    def chain(self, vertices: Array, faces: Faces) -> Array:
        """(N + M, 3, 3) m, all its triangles. vertices (V, 3) m, faces (F, 3): the mesh."""
        return np.concatenate([vertices[faces[self.uncut]], self.loose])


def cut_up(
    vertices: Array, faces: Faces, cuts: Sequence[Cut], pieces: Mapping[str, Piece]
) -> dict[str, Piece]:
    """The pieces of a mesh after a plan's cuts.

    vertices (V, 3) m; faces (F, 3); pieces: by name, as they are before the first cut (`whole` of a mesh).
    """
    inside = np.array([cut.plane.height(vertices) >= 0 for cut in cuts], dtype=np.int8)  # (cuts, V)
    a, b, c = (np.take(inside, faces[:, k], axis=1) for k in range(3))
    corners = a + b + c  # (cuts, F), how many are inside
    uncut = {name: piece.uncut for name, piece in pieces.items()}
    loose = {name: [piece.loose] for name, piece in pieces.items()}
    for of, inside_name, outside_name, rows in _carves(cuts):
        own, triangles = uncut.pop(of), loose.pop(of)
        within, beyond = np.ones(len(own), dtype=bool), np.zeros(len(own), dtype=bool)
        for count in corners[rows][
            :, own
        ]:  # a face that a plane cuts gives its cap an edge, wherever it lies
            beyond |= within & (count == 0)
            within &= count == 3
        across = vertices[faces[own[~within & ~beyond]]]
        inner, outer = carve(np.concatenate([across, *triangles]), [cuts[k].plane for k in rows])
        for name, indices, chain in (
            (inside_name, own[within], inner),
            (outside_name, own[beyond], outer),
        ):
            uncut[name] = np.concatenate([uncut[name], indices]) if name in uncut else indices
            loose.setdefault(name, []).append(chain)
    return {name: Piece(uncut[name], np.concatenate(loose[name])) for name in uncut}


def _carves(cuts: Sequence[Cut]) -> list[tuple[str, str, str, list[int]]]:
    """(of, inside, outside, the cuts' numbers): cuts that narrow down one part of a piece, taken together."""
    carves: list[tuple[str, str, str, list[int]]] = []
    for k, cut in enumerate(cuts):
        if carves:
            _, inside, outside, rows = carves[-1]
            if (cut.of, cut.inside, cut.outside) == (inside, inside, outside):
                rows.append(k)
                continue
        carves.append((cut.of, cut.inside, cut.outside, [k]))
    return carves


def whole(faces: Faces) -> Piece:
    """A mesh with faces (F, 3) as one piece."""
    return Piece(np.arange(len(faces)), np.zeros((0, 3, 3)))


class Measured:
    """The moments of a mesh's pieces, its own faces measured once for all of them.

    By signed tetrahedra (divergence theorem) from one point within the mesh, which keeps the signed terms
    small: less cancellation.
    """

    def __init__(self, vertices: Array, faces: Faces) -> None:
        self._base = vertices.mean(axis=0)
        self._faces = _tetrahedra(vertices[faces] - self._base)

    def matter(self, piece: Piece) -> Matter:
        """Moments of a piece of this mesh about the model's origin."""
        sums = self._faces[piece.uncut].sum(axis=0) + _tetrahedra(piece.loose - self._base).sum(axis=0)
        return _about_origin(sums, self._base)


def matter(triangles: Array) -> Matter:
    """Volume and moments of a closed chain (N, 3, 3)."""
    base = triangles.reshape(-1, 3).mean(axis=0) if len(triangles) else np.zeros(3)
    return _about_origin(_tetrahedra(triangles - base).sum(axis=0), base)


def _tetrahedra(corners: Array) -> Array:
    """(N, 10) volume, first and second moments (xx, yy, zz, xy, xz, yz) of origin and triangles (N, 3, 3)."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = np.cross(b, c)
    six_volumes = a[:, 0] * normal[:, 0] + a[:, 1] * normal[:, 1] + a[:, 2] * normal[:, 2]
    total = a + b + c
    moments = np.empty((len(corners), 10))
    moments[:, 0] = six_volumes / 6
    moments[:, 1:4] = six_volumes[:, None] * total / 24
    for k, (i, j) in enumerate(_PAIRS, start=4):
        products = total[:, i] * total[:, j] + a[:, i] * a[:, j] + b[:, i] * b[:, j] + c[:, i] * c[:, j]
        moments[:, k] = six_volumes * products / 120
    return moments


_PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


def _about_origin(moments: Array, base: Array) -> Matter:
    """Moments (10,) about a base (3,) m, as Matter about the model's origin."""
    volume, first = float(moments[0]), moments[1:4]
    xx, yy, zz, xy, xz, yz = moments[4:]
    second = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    cross = np.outer(first, base)
    return Matter(volume, first + volume * base, second + cross + cross.T + volume * np.outer(base, base))


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


def body_pieces(vertices: Array, faces: Faces, joints: Mapping[str, Array]) -> dict[str, Piece]:
    """The matter of each SMPL joint, T-pose, model frame.

    vertices (V, 3) m; faces (F, 3); joints (3,) m each by SMPL name. cut_plan.body_cuts says where.

    Raises HumanoidError for joints that are missing, a mesh that is open or has faces inside out.
    """
    cuts = body_cuts(joints)
    require_closed(vertices, faces)
    return cut_up(vertices, faces, cuts, {WHOLE: whole(faces)})


def _split(triangles: Array, plane: Plane) -> tuple[Array, Array, Array]:
    """Triangles (N, 3, 3) inside a half-space, those outside, and the cut edges (E, 2, 3) of the inside."""
    height = plane.height(triangles)
    inside = height >= 0
    count = inside.sum(axis=1)
    cut = (count == 1) | (count == 2)
    if not cut.any():
        return triangles[count == 3], triangles[count == 0], np.zeros((0, 2, 3))
    alone = count[cut] == 1  # the odd corner is the inside one
    # Turn each triangle so that its odd corner (the one alone on its side) comes first.
    odd = np.where(alone, inside[cut].argmax(axis=1), (~inside[cut]).argmax(axis=1))
    order = (odd[:, None] + np.arange(3)) % 3
    corners = np.take_along_axis(triangles[cut], order[:, :, None], axis=1)
    height = np.take_along_axis(height[cut], order, axis=1)
    tip, first, second = corners[:, 0], corners[:, 1], corners[:, 2]
    on_first = _crossing(tip, first, height[:, 0], height[:, 1], alone)
    on_second = _crossing(tip, second, height[:, 0], height[:, 2], alone)

    tips = np.stack([tip, on_first, on_second], axis=1)
    bases = np.stack([[on_first, first, second], [on_first, second, on_second]]).transpose(2, 0, 1, 3)
    forward = np.stack([on_first, on_second], axis=1)  # as the tip's own edge runs
    return (
        np.concatenate([triangles[count == 3], tips[alone], bases[~alone].reshape(-1, 3, 3)]),
        np.concatenate([triangles[count == 0], tips[~alone], bases[alone].reshape(-1, 3, 3)]),
        np.concatenate([forward[alone], forward[~alone][:, ::-1]]),
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
