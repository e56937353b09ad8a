"""Points of the skin that are fixed on a template and follow it through every shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .body import Body
from .errors import HumanoidError
from .surface import closed_surface

Array = NDArray[np.float64]

EDGE = 1e-9
"""Barycentric slack, so that a ray along an edge of the mid-line does not slip between its two faces."""


@dataclass(frozen=True)
class SurfacePoint:
    """A point of a mesh: a weighted mean of the corners of one face. Linear in the vertices, so in betas."""

    vertices: tuple[int, int, int]
    weights: tuple[float, float, float]  # >= 0, sum 1

    def on(self, vertices: Array) -> Array:
        """(3,) m, where it lies on a shape's mesh (V, 3) m."""
        return np.asarray(self.weights) @ vertices[list(self.vertices)]


def at_vertex(vertex: int) -> SurfacePoint:
    """The point at a vertex."""
    return SurfacePoint((vertex,) * 3, (1.0, 0.0, 0.0))


class Template:
    """A body's mean shape in the T-pose, asked for points of its skin; model frame."""

    def __init__(self, body: Body) -> None:
        self.vertices: Array = body.v_template
        self.joints: dict[str, Array] = dict(zip(body.joint_names, body.joint_regressor @ body.v_template))
        self._owner = np.array(body.joint_names)[body.weights.argmax(axis=1)]
        # Without the eyeballs, which a ray from inside the head could meet before the skin.
        faces = closed_surface(body, body.v_template).faces
        self._faces = faces[(faces < len(body.v_template)).all(axis=1)]
        self._corners = self.vertices[self._faces]
        self._middles = self._corners.mean(axis=1)
        self._reach = float(np.linalg.norm(self._corners - self._middles[:, None], axis=2).max())

    def exit(self, origin: Array, direction: Array) -> SurfacePoint:
        """Where a ray from inside the body first leaves it. origin: (3,) m; direction: (3,), any length.

        Raises HumanoidError where it meets no skin: the origin lies outside the mesh.
        """
        direction = direction / np.linalg.norm(direction)
        offset = self._middles - origin
        along = offset @ direction
        near = np.einsum("fi,fi->f", offset, offset) - along**2 <= self._reach**2
        faces = np.flatnonzero(near & (along >= -self._reach))
        a, b, c = (self._corners[faces, k] for k in range(3))
        ab, ac = b - a, c - a
        # Moeller, Trumbore 1997, doi 10.1080/10867651.1997.10487468; det < 0 where the ray goes out.
        across = np.cross(direction, ac)
        det = np.einsum("fi,fi->f", ab, across)
        with np.errstate(divide="ignore", invalid="ignore"):
            start = origin - a
            u = np.einsum("fi,fi->f", start, across) / det
            q = np.cross(start, ab)
            v = q @ direction / det
            t = np.einsum("fi,fi->f", ac, q) / det
            met = (det < 0) & (t > 0) & (u >= -EDGE) & (v >= -EDGE) & (u + v <= 1 + EDGE)
        if not met.any():
            raise HumanoidError(
                f"no skin from {np.round(origin, 3).tolist()} towards {np.round(direction, 3).tolist()}: "
                "a joint lies outside this body's mesh, so its landmarks cannot be defined"
            )
        face = int(np.where(met, t, np.inf).argmin())
        weights = np.clip([1 - u[face] - v[face], u[face], v[face]], 0, 1)
        i, j, k = (int(vertex) for vertex in self._faces[faces[face]])
        w = (weights / weights.sum()).tolist()
        return SurfacePoint((i, j, k), (w[0], w[1], w[2]))

    def farthest(self, direction: Array, region: NDArray[np.bool_]) -> SurfacePoint:
        """The vertex of a region (V,) that lies farthest in a direction. Raises HumanoidError for none."""
        if not region.any():
            raise HumanoidError("the skin of a body part that landmarks lie on has no vertex in this mesh")
        reach = np.where(region, self.vertices @ direction, -np.inf)
        return at_vertex(int(reach.argmax()))

    def owned_by(self, joints: set[str]) -> NDArray[np.bool_]:
        """(V,) which vertices follow one of these joints more than any other."""
        return np.isin(self._owner, sorted(joints))
