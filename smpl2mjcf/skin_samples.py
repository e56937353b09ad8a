"""A body's skin as weighted points, told apart by the same plan that cuts its matter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cut_plan import WHOLE, Cut

Array = NDArray[np.float64]


TIE = 1e-9
"""m within which a vertex lies on a plane. It then stays outside, so that both sides leave the midline's to
the trunk, and mirrored bodies get mirrored samples."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Points of a surface and how much of it each stands for."""

    points: Array  # (N, 3) m
    weights: Array  # (N,) m2

    def __getitem__(self, chosen: NDArray[Any]) -> Samples:
        return Samples(self.points[chosen], self.weights[chosen])

    def __len__(self) -> int:
        return len(self.points)

    def nearest(self, point: Array, count: int) -> Samples:
        """The samples nearest to a point (3,) m."""
        distance = ((self.points - point) ** 2).sum(axis=1)
        return self[np.argsort(distance, kind="stable")[:count]]

    @property
    def centroid(self) -> Array:
        """(3,) m."""
        return self.weights @ self.points / self.weights.sum()


def surface_samples(vertices: Array, faces: NDArray[np.int64]) -> Samples:
    """The vertices of a mesh, each standing for a third of its faces. vertices (V, 3) m; faces (F, 3)."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    thirds = np.sqrt((normals * normals).sum(axis=1)) / 6
    weights = np.asarray(np.bincount(faces.T.ravel(), np.tile(thirds, 3), len(vertices)), dtype=np.float64)
    used = weights > 0  # eyeballs that are left out keep vertices that no face uses
    return Samples(vertices[used], weights[used])


def samples_by_piece(skin: Samples, cuts: Iterable[Cut]) -> dict[str, Samples]:
    """A closed mesh's samples by the piece of it that they lie in; a small piece may hold none.

    cuts: as for segments.cut_up, whose caps are no skin and do not count.
    """
    owned = {WHOLE: np.arange(len(skin))}
    for cut in cuts:
        own = owned.pop(cut.of)
        inside = cut.plane.height(skin.points[own]) > TIE
        for name, indices in ((cut.inside, own[inside]), (cut.outside, own[~inside])):
            owned[name] = np.concatenate([owned[name], indices]) if name in owned else indices
    return {name: skin[own] for name, own in owned.items()}
