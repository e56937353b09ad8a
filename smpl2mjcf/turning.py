"""The smallest rotation between two directions."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

PARALLEL = 1e-12
"""Sine of an angle below which its axis is rounding."""


def smallest_rotation(from_vector: ArrayLike, to_vector: ArrayLike) -> Rotation:
    """The rotation by the smallest angle that takes one direction (3,) to another, of any length above 0.

    Directions that are exactly opposite leave the axis open: it is the one nearest to x (nearest to y where
    they lie along x), so that upside down becomes upright by half a turn about x.
    """
    a, b = (v / np.linalg.norm(v) for v in (np.asarray(from_vector, float), np.asarray(to_vector, float)))
    axis = np.cross(a, b)
    sine, cosine = float(np.linalg.norm(axis)), float(a @ b)
    if sine >= PARALLEL:
        return Rotation.from_rotvec(axis / sine * np.arctan2(sine, cosine))
    if cosine > 0:
        return Rotation.identity()
    x, y = np.eye(3)[:2]
    near = y if abs(a[0]) > 1 - 1e-6 else x
    axis = near - (near @ a) * a
    return Rotation.from_rotvec(np.pi * axis / np.linalg.norm(axis))
