"""The faces of a mesh that cross each other: where a surface goes through itself.

Every pair whose boxes meet is found on a grid, every one of them is tested: nothing is sampled.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Faces = NDArray[np.int64]

WIDE = 8
"""Cells along an axis; a face that is longer is tried against every other face instead of by the grid."""

TOUCH = 1e-12
"""In the unit of the vertices: nearer is met. Rounding moves the coordinates of a body in metres by 1e-16."""

BLOCK = 1 << 22
"""Pairs that are tried at once: bounds the memory, some hundred megabytes."""


def crossing_faces(vertices: Array, faces: Faces) -> Faces:
    """(K, 2) the pairs of faces that cross and share no vertex, each pair and the list in rising order.

    vertices (V, 3); faces (F, 3). Two faces cross where an edge of one meets the other, be it with its end;
    faces that lie in one plane do not.
    """
    corners = np.ascontiguousarray(vertices[faces].transpose(1, 2, 0))  # (3 corners, 3 axes, F)
    low, high = corners.min(axis=0), corners.max(axis=0)  # (3, F)
    found = [_crossing(corners, *_strangers(faces, *pairs)) for pairs in _boxes_that_meet(low, high)]
    pairs = np.sort(np.concatenate([np.zeros((0, 2), np.int64), *found]), axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _boxes_that_meet(low: Array, high: Array) -> Iterator[tuple[Faces, Faces]]:
    """The pairs of faces whose boxes meet, each once, in blocks of two index arrays (N,).

    low, high: (3, F) the ends of the boxes.
    """
    size = 0.9 * float(np.percentile((high - low).max(axis=0), 80))
    start = low.min(axis=1, keepdims=True)
    # Three numbers of cells make one integer, and faces that are points still need a cell.
    size = max(size, float((high - start).max()) / 2**20, np.finfo(np.float64).tiny)
    first, last = (((ends - start) / size).astype(np.int64) for ends in (low, high))
    wide = (last - first >= WIDE).any(axis=0)
    yield from _wide_boxes_that_meet(low, high, wide)
    cells = last.max(axis=1) + 1
    number = (first[0] * cells[1] + first[1]) * cells[2] + first[2]
    face, key = _entries(np.flatnonzero(~wide), number, last - first + 1, cells)
    order = np.argsort(key)
    face, key = face[order], key[order]
    # Entry e is paired with those behind it in its cell.
    ends = np.flatnonzero(np.append(key[1:] != key[:-1], len(key) > 0)) + 1
    behind = np.repeat(ends, np.diff(ends, prepend=0)) - np.arange(len(key)) - 1
    # Rounding keeps the order of numbers, so no meeting is lost in fewer bits, and they are read faster.
    boxes = [(low[axis].astype(np.float32), high[axis].astype(np.float32)) for axis in range(3)]
    for block in _blocks(behind):
        one = np.repeat(np.arange(block.start, block.stop), behind[block])
        two = one + _count_up(behind[block]) + 1
        a, b = face[one], face[two]
        for low_end, high_end in boxes:
            meets = (low_end[a] <= high_end[b]) & (low_end[b] <= high_end[a])
            a, b, one = a[meets], b[meets], one[meets]
        # Two boxes that meet share a block of cells: the pair counts in its lowest one.
        i, j, k = (np.maximum(first[axis][a], first[axis][b]) for axis in range(3))
        once = (i * cells[1] + j) * cells[2] + k == key[one]
        yield a[once], b[once]


def _entries(narrow: Faces, number: Faces, spans: Faces, cells: Faces) -> tuple[Faces, Faces]:
    """(N,), (N,) every face with the number of every cell that its box meets.

    narrow: the faces that are entered; number: (F,) of each box's first cell; spans: (3, F) cells along
    the axes; cells: (3,) of the grid.
    """
    nx, ny, nz = spans[:, narrow]
    copies = nx * ny * nz
    face = np.repeat(narrow, copies)
    step = _count_up(copies)
    nx, ny = np.repeat(nx, copies), np.repeat(ny, copies)
    across, step = step % nx, step // nx
    return face, number[face] + (across * cells[1] + step % ny) * cells[2] + step // ny


def _count_up(counts: Faces) -> Faces:
    """0, 1, ... count - 1 for each count, one after the other."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _blocks(counts: Faces) -> Iterator[slice]:
    """Slices of a list of counts, each summing to BLOCK at most where it is longer than one."""
    total = np.cumsum(counts)
    start = 0
    while start < len(counts):
        done = total[start - 1] if start else 0
        end = max(int(np.searchsorted(total, done + BLOCK, side="right")), start + 1)
        yield slice(start, end)
        start = end


def _wide_boxes_that_meet(low: Array, high: Array, wide: NDArray[np.bool_]) -> Iterator[tuple[Faces, Faces]]:
    """The pairs of which a face is wide, each once."""
    waiting = ~wide  # a wide face waits for those after it only
    for a in np.flatnonzero(wide):
        b = np.flatnonzero(waiting & ((low <= high[:, a, None]) & (low[:, a, None] <= high)).all(axis=0))
        yield np.full(len(b), a), b
        waiting[a] = True


def _strangers(faces: Faces, a: Faces, b: Faces) -> tuple[Faces, Faces]:
    """The pairs that share no vertex."""
    corner = np.ascontiguousarray(faces.T)
    apart = np.ones(len(a), dtype=bool)
    for own in (corner[i][a] for i in range(3)):
        for j in range(3):
            apart &= own != corner[j][b]
    return a[apart], b[apart]


def _crossing(corners: Array, a: Faces, b: Faces) -> Faces:
    """(K, 2) the pairs of which an edge of one goes through the other. corners: (3 corners, 3 axes, F)."""
    for _ in range(2):  # each time the two change places
        kept = _straddles(corners, a, b)
        a, b = b[kept], a[kept]
    meets = np.zeros(len(a), dtype=bool)
    one, two = corners[:, :, a], corners[:, :, b]
    for edges, face in ((one, two), (two, one)):
        for i in range(3):
            meets |= _goes_through(edges[i], edges[(i + 1) % 3], face)
    return np.stack([a[meets], b[meets]], axis=1)


def _straddles(corners: Array, a: Faces, b: Faces) -> NDArray[np.bool_]:
    """Whether each face b does not lie on one side of face a's plane."""
    u, v, w = (corners[i][:, a] for i in range(3))
    normal = _cross(v - u, w - u)
    heights = [_dot(normal, corners[i][:, b] - u) for i in range(3)]
    touch = TOUCH * np.sqrt(_dot(normal, normal))
    return (np.minimum.reduce(heights) <= touch) & (np.maximum.reduce(heights) >= -touch)


def _goes_through(start: Array, end: Array, face: Array) -> NDArray[np.bool_]:
    """Whether edges meet faces, by the signs of the volumes that they span: (N,).

    start, end: (3 axes, N); face: (3 corners, 3 axes, N). An edge in the face's own plane meets none, those
    that bound it do.
    """
    normal = _cross(face[1] - face[0], face[2] - face[0])
    touch = TOUCH * np.sqrt(_dot(normal, normal))
    parted = _sign(_dot(normal, start - face[0]), touch) != _sign(_dot(normal, end - face[0]), touch)
    along = end - start
    length = np.sqrt(_dot(along, along))
    turns = []
    for i in range(3):
        edge = face[(i + 1) % 3] - face[i]
        touch = TOUCH * length * np.sqrt(_dot(edge, edge))
        turns.append(_sign(_dot(along, _cross(face[i] - start, edge)), touch))
    # Mirror images meet edge on edge, where one of these volumes is 0: that counts, too.
    return parted & ((np.minimum.reduce(turns) >= 0) | (np.maximum.reduce(turns) <= 0))


def _sign(values: Array, touch: Array) -> Array:
    return np.where(np.abs(values) <= touch, 0.0, np.sign(values))


def _cross(a: Array, b: Array) -> Array:
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def _dot(a: Array, b: Array) -> Array:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
