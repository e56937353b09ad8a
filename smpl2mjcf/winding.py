"""How often the surface of a mesh goes round the places within it, and the volume that this misjudges.

A closed surface that does not cross itself winds once around what it encloses. Where it overlaps itself the
divergence theorem counts matter twice, where it is turned inside out less than not at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Faces = NDArray[np.int64]

SPACING = 0.01
"""m between rays: a twentieth of a litre, wherever it is, is met by many."""

MOST_RAYS = 1000
"""Along each axis: of a mesh that is wider, metres that is, the rays lie further apart."""

_OFFSET = np.array([0.381966, 0.618034])
"""Of the first ray, in spacings: off the plane of symmetry, where a ray would run along edges."""


@dataclass(frozen=True)
class Enclosed:
    """The volumes of a closed surface in m3, by how often it winds around them; sampled by parallel rays."""

    signed: float  # every place counted as often as the surface winds around it: the divergence theorem's
    covered: float  # every place that it winds around at all, counted once
    misjudged: float  # the difference of the two, place by place

    @property
    def share(self) -> float:
        """Of the volume covered, how much is misjudged."""
        return self.misjudged / self.covered if self.covered > 0 else 0.0


def enclosed(vertices: Array, faces: Faces, spacing: float = SPACING) -> Enclosed:
    """What a closed surface encloses, along rays parallel to z at every `spacing` m in x and y.

    vertices (V, 3) m; faces (F, 3), joined without a gap.
    """
    spacing = max(spacing, float(np.ptp(vertices[:, :2], axis=0).max()) / MOST_RAYS)
    ray, depth, turn = _hits(vertices, faces, spacing)
    # One number sorts by ray, then by depth: its fraction says where along the ray, to a nanometre.
    deepest, nearest = (depth.min(), depth.max()) if len(depth) else (0.0, 1.0)
    order = np.argsort(ray + 0.5 * (depth - deepest) / max(nearest - deepest, np.finfo(np.float64).tiny))
    ray, depth, turn = ray[order], depth[order], turn[order]
    winding = np.cumsum(turn)[:-1]  # every ray leaves what it enters: the sum starts again at 0 by itself
    length = np.where(ray[1:] == ray[:-1], np.diff(depth), 0.0) * spacing**2
    covered = winding != 0
    return Enclosed(
        signed=float((length * winding).sum()),
        covered=float(length[covered].sum()),
        misjudged=float((length * np.abs(winding - covered)).sum()),
    )


def _hits(vertices: Array, faces: Faces, spacing: float) -> tuple[Faces, Array, Faces]:
    """Where rays meet faces: the ray's number, z in m, and 1 where it enters or -1 where it leaves, (N,)."""
    plane = (vertices[:, :2] - vertices[:, :2].min(axis=0)) / spacing - _OFFSET
    x, y = (np.ascontiguousarray(plane[:, axis][faces].T) for axis in (0, 1))  # (3, F)
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    first = [np.ceil(at.min(axis=0)).astype(np.int64) for at in (x, y)]
    counts = [np.floor(at.max(axis=0)).astype(np.int64) - start + 1 for at, start in zip((x, y), first)]
    copies = np.where(area != 0, counts[0] * counts[1], 0)
    face = np.repeat(np.arange(len(faces)), copies)
    step = np.arange(len(face)) - np.repeat(np.cumsum(copies) - copies, copies)
    wide = counts[0][face]
    column, row = first[0][face] + step % wide, first[1][face] + step // wide

    # Each edge from its lower to its higher vertex, whichever face asks: neighbours agree to the bit
    # which of them a ray through their common edge meets.
    corner = np.ascontiguousarray(faces.T)
    inside = np.ones(len(face), dtype=bool)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        turned = corner[i] > corner[j]
        ax, bx = np.where(turned, x[j], x[i]), np.where(turned, x[i], x[j])
        ay, by = np.where(turned, y[j], y[i]), np.where(turned, y[i], y[j])
        left = (bx - ax)[face] * (row - ay[face]) - (by - ay)[face] * (column - ax[face]) >= 0
        inside &= left == ((area > 0) != turned)[face]
    face, column, row = face[inside], column[inside], row[inside]

    # z on the face's plane, by its slopes.
    z = vertices[:, 2][faces].T
    with np.errstate(divide="ignore", invalid="ignore"):  # faces that stand upright are met by no ray
        along_x = ((z[1] - z[0]) * (y[2] - y[0]) - (z[2] - z[0]) * (y[1] - y[0])) / area
        along_y = ((z[2] - z[0]) * (x[1] - x[0]) - (z[1] - z[0]) * (x[2] - x[0])) / area
    depth = z[0][face] + along_x[face] * (column - x[0][face]) + along_y[face] * (row - y[0][face])
    rows = int(row.max()) + 1 if len(row) else 1
    return column * rows + row, depth, np.where(area[face] > 0, -1, 1)
