"""Collision primitives: one geom each, in its body's frame."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEAST_LENGTH = 2e-3
"""m, of a capsule's axis: one that shrinks to a sphere keeps a direction."""


@dataclass(frozen=True, eq=False)
class Primitive:
    """One geom in its body's frame, sizes as MuJoCo defines them for its type."""

    name: str
    body: str
    type: mujoco.mjtGeom
    size: Array  # (3,) m
    pos: Array  # (3,) m
    quat: Array  # (4,) wxyz

    @property
    def frame(self) -> Array:
        """(3, 3) R_body_geom; a capsule lies along its last column."""
        matrix = np.zeros(9)
        mujoco.mju_quat2Mat(matrix, self.quat)
        return matrix.reshape(3, 3)

    @property
    def reach(self) -> float:
        """m from its middle to its farthest point."""
        if self.type == mujoco.mjtGeom.mjGEOM_BOX:
            return float(np.linalg.norm(self.size))
        return float(self.size[0] + self.size[1])


@dataclass(frozen=True, eq=False)
class Capsule:
    """The points within a radius of a line from start to end, in one frame."""

    start: Array  # (3,) m
    end: Array  # (3,) m
    radius: float  # m

    def distances(self, points: Array) -> Array:
        """(N,) m of (N, 3) points from its surface, negative inside."""
        along = self.end - self.start
        from_start = points - self.start
        share = np.minimum(np.maximum(from_start @ along / max(float(along @ along), 1e-12), 0.0), 1.0)
        return np.sqrt(((from_start - share[:, None] * along) ** 2).sum(axis=1)) - self.radius

    def primitive(self, name: str, body: str, origin: Array) -> Primitive:
        """Its geom in a frame parallel to its own, with the origin (3,) m."""
        along = self.end - self.start
        length = float(np.linalg.norm(along))
        quat = np.array([1.0, 0.0, 0.0, 0.0])
        if length > 0:
            mujoco.mju_quatZ2Vec(quat, along / length)
        size = np.array([self.radius, max(length, LEAST_LENGTH) / 2, 0.0])
        middle = (self.start + self.end) / 2 - origin
        return Primitive(name, body, mujoco.mjtGeom.mjGEOM_CAPSULE, size, middle, quat)
