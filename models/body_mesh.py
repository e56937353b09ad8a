"""A closed, mirror-symmetric triangle mesh of an exact face count from the field of its left half.

Marching cubes on x >= 0 leaves a fine mesh that is open along the seam x = 0. Edges that are short
for their place collapse, seam edges among them where the parity asks for it, until exactly half of
the wanted faces are left. Edge flips, tangential smoothing and projection back onto the field even
the triangles out, and the mirror image closes the mesh. Lengths are in the field's unit.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from skimage.measure import marching_cubes

Array = NDArray[np.float64]
Faces = NDArray[np.int64]
Field = Callable[[Array], Array]

MAX_VALENCE = 9
MIN_TURN = 0.3
"""Smallest cosine between the normals of a triangle before and after one of its corners moves."""


def half_surface(field: Field, ticks: Sequence[Array]) -> tuple[Array, Faces]:
    """Vertices (V, 3) and outward faces (F, 3) of the zero level of a field, open where x = 0.

    ticks: the x, y and z coordinates of the grid, unevenly spaced at will; x starts at 0.
    """
    grid = np.stack(np.meshgrid(*ticks, indexing="ij"), axis=-1)
    values = np.stack([field(sheet.reshape(-1, 3)).reshape(sheet.shape[:2]) for sheet in grid])
    indices, faces, _, _ = marching_cubes(values, 0.0, allow_degenerate=False)
    vertices = np.stack([np.interp(indices[:, i], np.arange(len(t)), t) for i, t in enumerate(ticks)], axis=1)
    faces = faces.astype(np.int64)
    corners = vertices[faces]
    if np.einsum("ni,ni->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) < 0:
        faces = faces[:, ::-1]
    return vertices, np.ascontiguousarray(faces)


def collapse_edges(vertices: Array, faces: Faces, size: Array, count: int) -> tuple[Array, Faces]:
    """The mesh with exactly `count` faces left, by collapsing the edges shortest for their place.

    size: (V,) the wanted edge length at each vertex. Vertices at x = 0 stay there, and the open seam
    stays one simple loop: edges through the inside that join two of its vertices never collapse.
    Raises ValueError where the count cannot be reached.
    """
    mesh = _Collapsing(vertices, faces, size)
    for _ in range(20):
        if mesh.reduce(count):
            return mesh.compacted()
    raise ValueError(f"the mesh keeps {len(mesh.corners)} faces, {count} were wanted")


class _Collapsing:
    """A triangle mesh that loses edges: faces around each vertex, and a queue of edges."""

    def __init__(self, vertices: Array, faces: Faces, size: Array) -> None:
        self.position = [tuple(p) for p in vertices.tolist()]
        self.size = size.tolist()
        self.corners = dict(enumerate(map(tuple, faces.tolist())))
        self.around: list[set[int]] = [set() for _ in self.position]
        for f, corner in self.corners.items():
            for v in corner:
                self.around[v].add(f)

    def neighbours(self, v: int) -> set[int]:
        found = {u for f in self.around[v] for u in self.corners[f]}
        found.discard(v)
        return found

    def cost(self, a: int, b: int) -> float:
        p, q = self.position[a], self.position[b]
        length2 = (p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 + (p[2] - q[2]) ** 2
        # Rounded, so that ties fall to the vertex numbers and not to the last bit.
        return round(length2 / (self.size[a] * self.size[b]), 9)

    def reduce(self, count: int) -> bool:
        """Collapse edges in the order of their cost; True once `count` faces are left."""
        queue = [
            (self.cost(a, b), a, b) for a in range(len(self.position)) for b in self.neighbours(a) if a < b
        ]
        heapq.heapify(queue)
        while queue and len(self.corners) > count:
            cost, a, b = heapq.heappop(queue)
            if not self.around[a] or not self.around[b] or cost != self.cost(a, b):
                continue
            if self.collapse(a, b, len(self.corners) - count):
                for c in self.neighbours(a):
                    heapq.heappush(queue, (self.cost(a, c), min(a, c), max(a, c)))
        return len(self.corners) == count

    def collapse(self, a: int, b: int, spare: int) -> bool:
        """Merge b into a unless that harms the mesh or takes more than `spare` faces."""
        shared = self.around[a] & self.around[b]
        if not shared or len(shared) > spare:
            return False
        seam_a, seam_b = self.position[a][0] == 0.0, self.position[b][0] == 0.0
        if seam_a and seam_b and len(shared) == 2:
            return False
        if len(self.neighbours(a) & self.neighbours(b)) != len(shared):
            return False
        moved = (self.around[a] | self.around[b]) - shared
        if len(moved) > MAX_VALENCE:
            return False
        p, q = self.position[a], self.position[b]
        if seam_a != seam_b:
            place = p if seam_a else q
        else:
            place = ((p[0] + q[0]) / 2, (p[1] + q[1]) / 2, (p[2] + q[2]) / 2)
        if any(self.turns(f, (a, b), place) for f in moved):
            return False

        for f in shared:
            for v in self.corners.pop(f):
                self.around[v].discard(f)
        for f in self.around[b]:
            self.corners[f] = tuple(a if v == b else v for v in self.corners[f])
        self.around[a] |= self.around[b]
        self.around[b] = set()
        self.position[a], self.size[a] = place, (self.size[a] + self.size[b]) / 2
        return True

    def turns(self, f: int, ends: tuple[int, int], place: tuple[float, float, float]) -> bool:
        """Whether a face would turn over, or nearly, when its corner in `ends` moves to a place."""
        before = _normal(*(self.position[v] for v in self.corners[f]))
        after = _normal(*(place if v in ends else self.position[v] for v in self.corners[f]))
        dot = before[0] * after[0] + before[1] * after[1] + before[2] * after[2]
        return dot <= MIN_TURN * (_square(before) * _square(after)) ** 0.5

    def compacted(self) -> tuple[Array, Faces]:
        used, faces = np.unique(np.array(list(self.corners.values())), return_inverse=True)
        return np.array(self.position)[used], faces.reshape(-1, 3)


def _normal(p: Sequence[float], q: Sequence[float], r: Sequence[float]) -> tuple[float, float, float]:
    ax, ay, az, bx, by, bz = q[0] - p[0], q[1] - p[1], q[2] - p[2], r[0] - p[0], r[1] - p[1], r[2] - p[2]
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx


def _square(v: Sequence[float]) -> float:
    return v[0] * v[0] + v[1] * v[1] + v[2] * v[2]


def even_out(
    vertices: Array, faces: Faces, field: Field, size: Callable[[Array], Array]
) -> tuple[Array, Faces]:
    """The open half mesh with rounder triangles: flips, tangential smoothing, projection, in turn."""
    for _ in range(8):
        faces = flip_edges(vertices, faces)
        for _ in range(3):
            vertices = _smoothed(vertices, faces, size(vertices))
            vertices = _projected(vertices, field)
    return vertices, flip_edges(vertices, faces)


def reshaped(
    vertices: Array, faces: Faces, field: Field, size: Callable[[Array], Array], rounds: int = 16
) -> Array:
    """The vertices of an open half mesh carried to another field not far away; its faces stay as they are."""
    for _ in range(rounds):
        vertices = _projected(vertices, field)
        vertices = _smoothed(vertices, faces, size(vertices))
    return _projected(vertices, field)


def flip_edges(vertices: Array, faces: Faces) -> Faces:
    """Faces (F, 3) after flipping the edges that are not locally Delaunay and lie in nearly flat ground."""
    corners = [list(f) for f in faces.tolist()]
    opposite = {(f[i], f[(i + 1) % 3]): (k, f[(i + 2) % 3]) for k, f in enumerate(corners) for i in range(3)}
    angles = _angles(vertices, faces)
    position = vertices.tolist()
    worst = []
    for (a, b), (k, c) in opposite.items():
        if a < b and (b, a) in opposite:
            m, d = opposite[b, a]
            total = angles[k][corners[k].index(c)] + angles[m][corners[m].index(d)]
            if total > np.pi + 0.01:
                worst.append((-round(total, 9), a, b))
    for _, a, b in sorted(worst):
        if (a, b) not in opposite or (b, a) not in opposite:
            continue
        (k, c), (m, d) = opposite[a, b], opposite[b, a]
        if (c, d) in opposite or (d, c) in opposite:
            continue
        pa, pb, pc, pd = (position[v] for v in (a, b, c, d))
        old, new = (_normal(pa, pb, pc), _normal(pb, pa, pd)), (_normal(pc, pd, pb), _normal(pd, pc, pa))
        if min(_cosine(old[0], old[1]), *(_cosine(x, y) for x in old for y in new)) < 0.6:
            continue
        if _smallest_sine(pc, pd, pb, pa) <= _smallest_sine(pa, pb, pc, pd):
            continue
        corners[k], corners[m] = [c, d, b], [d, c, a]
        del opposite[a, b], opposite[b, a]
        for n in (k, m):
            f = corners[n]
            for i in range(3):
                opposite[f[i], f[(i + 1) % 3]] = (n, f[(i + 2) % 3])
    return np.array(corners, dtype=np.int64)


def _angles(vertices: Array, faces: Faces) -> list[list[float]]:
    p = vertices[faces]
    to_next, to_last = np.roll(p, -1, axis=1) - p, np.roll(p, 1, axis=1) - p
    cross = np.linalg.norm(np.cross(to_next, to_last), axis=2)
    return np.arctan2(cross, np.einsum("fki,fki->fk", to_next, to_last)).tolist()


def _cosine(v: Sequence[float], w: Sequence[float]) -> float:
    return (v[0] * w[0] + v[1] * w[1] + v[2] * w[2]) / max((_square(v) * _square(w)) ** 0.5, 1e-12)


def _smallest_sine(a: Sequence[float], b: Sequence[float], c: Sequence[float], d: Sequence[float]) -> float:
    """The worse of the triangles a b c and b a d: twice the area over the longest side squared."""
    worst = np.inf
    for p, q, r in ((a, b, c), (b, a, d)):
        longest = max(sum((x - y) ** 2 for x, y in zip(u, v)) for u, v in ((p, q), (q, r), (r, p)))
        worst = min(worst, _square(_normal(p, q, r)) ** 0.5 / longest)
    return worst


def _smoothed(vertices: Array, faces: Faces, size: Array) -> Array:
    """Vertices moved in their tangent plane towards the mean of their neighbours; the seam along itself."""
    seam = vertices[:, 0] == 0.0
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    pairs, count = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    rim = pairs[count == 1]
    pairs = np.concatenate(
        [pairs[~seam[pairs[:, 0]] & ~seam[pairs[:, 1]]], pairs[seam[pairs].sum(axis=1) == 1], rim]
    )
    i, j = np.concatenate([pairs, pairs[:, ::-1]]).T
    both_or_inner = seam[j] | ~seam[i]  # a seam vertex listens to the seam only
    i, j = i[both_or_inner], j[both_or_inner]
    # Long edges pull harder where the wanted length is short: lengths settle in proportion to size.
    pull = 1 / (size[i] * size[j])
    mean = sparse.csr_matrix((pull, (i, j)), shape=(len(vertices), len(vertices)))
    total = np.asarray(mean.sum(axis=1)).ravel()
    step = mean @ vertices / total[:, None] - vertices
    normal = vertex_normals(vertices, faces)
    normal[seam, 0] = 0
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    step -= np.einsum("vi,vi->v", step, normal)[:, None] * normal
    step[seam, 0] = 0
    return vertices + 0.5 * step


def _projected(vertices: Array, field: Field) -> Array:
    """Vertices brought back to the zero level by Newton steps along the field's gradient."""
    seam = vertices[:, 0] == 0.0
    h = 0.5
    for _ in range(2):
        probes = np.concatenate([vertices + s * h * axis for axis in np.eye(3) for s in (1, -1)])
        values = field(probes).reshape(3, 2, -1)
        gradient = ((values[:, 0] - values[:, 1]) / (2 * h)).T
        gradient[seam, 0] = 0
        step = field(vertices)[:, None] * gradient / np.maximum((gradient**2).sum(axis=1), 0.1)[:, None]
        length = np.linalg.norm(step, axis=1, keepdims=True)
        vertices = vertices - step * np.minimum(1, 3 / np.maximum(length, 1e-9))
    return vertices


def vertex_normals(vertices: Array, faces: Faces) -> Array:
    """(V, 3) unit normals, the mean of the faces around each vertex weighted by area."""
    p = vertices[faces]
    normal = np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0])
    total = np.stack(
        [np.bincount(faces.ravel(), np.repeat(normal[:, i], 3), minlength=len(vertices)) for i in range(3)],
        axis=1,
    )
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def mirrored(vertices: Array, faces: Faces) -> tuple[Array, Faces, NDArray[np.int64]]:
    """The closed mesh of a half and its mirror image, and (V,) the mirror partner of each vertex.

    Seam vertices come first, then the left side, then the right side in the same order.
    """
    seam = vertices[:, 0] == 0.0
    order = np.concatenate([_top_down(vertices, np.flatnonzero(s)) for s in (seam, ~seam)])
    rank = np.argsort(order)
    half, left = vertices[order], rank[faces]
    num_seam, num_side = int(seam.sum()), int((~seam).sum())
    partner = np.arange(num_seam + 2 * num_side)
    partner[num_seam:] = np.roll(partner[num_seam:], num_side)
    left = left[np.lexsort(left.T[::-1])]
    whole = np.concatenate([half, half[num_seam:] * [-1, 1, 1]])
    return whole, np.concatenate([left, partner[left][:, ::-1]]), partner


def _top_down(vertices: Array, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """The chosen vertices from head to sole: neighbours get near numbers, which compresses well."""
    return chosen[np.argsort(-vertices[chosen, 1], kind="stable")]
