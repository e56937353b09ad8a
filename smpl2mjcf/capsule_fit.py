"""Capsules of least mean squared distance from a skin.

The distance of a point from a capsule's surface is n - r, n that from its nearest axis point
c = (1 - t) start + t end. Since c is the nearest, n changes with start and end as if t stood still:
dn/dstart = -(1 - t) e, dn/dend = -t e with the unit vector e from c to the point. These seven derivatives
make each of Levenberg's and Marquardt's steps one 7 x 7 system.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .errors import HumanoidError
from .primitive import Capsule
from .skin_samples import Samples

Array = NDArray[np.float64]

STEPS = 4
"""Of descent; more lower a body's mean distance by less than 0.3 mm from the starts used here."""

DAMPING = 1e-3
"""Of the normal equations, whose weights sum to 1. It holds what the skin does not tell: how far along its
axis a capsule ends inside its neighbours."""

INSET = 0.6
"""Radii that a limb's axis starts from its bone's ends, at most LARGEST_INSET of the bone: from within, the
skin that is left beyond the ends tells where they belong."""

LARGEST_INSET = 0.3

LATERAL = np.array([1.0, 0.0, 0.0])

_FREE = np.eye(7)
_STANDING = np.zeros((7, 5))  # start, end and radius from (x and z of the start, those of the end, radius)
_STANDING[[0, 2, 3, 5], [0, 1, 2, 3]] = 1
_STANDING[[1, 4, 6], 4] = 1


def fitted_capsule(skin: Samples, start: Array, end: Array, radius: float) -> Capsule:
    """The capsule of least mean squared distance of its surface from a skin, searched from a first guess.

    skin: weighted points, in m; start, end (3,) m and radius m: the guess. What the skin does not determine
    stays as guessed. Raises HumanoidError for a skin without points.
    """
    return _descend(skin, np.concatenate([start, end, [radius]]), _FREE)


def standing_capsule(skin: Samples, across: Array, floor: float) -> Capsule:
    """The same among the level capsules that touch a floor from above.

    across: (3,) unit vector, level, along which the search starts; floor: m, along y.
    """
    start, end, radius = _spanning(skin, across)
    height = floor + radius
    return _descend(skin, np.array([start[0], height, start[2], end[0], height, end[2], radius]), _STANDING)


def along_capsule(skin: Samples, start: Array, end: Array) -> Capsule:
    """The capsule that fits a limb's skin best. start, end: (3,) m, its bone's."""
    bone = end - start
    offset = skin.points - start
    lateral = offset - np.outer(offset @ bone / (bone @ bone), bone)
    total = max(float(skin.weights.sum()), 1e-12)
    radius = float(skin.weights @ np.linalg.norm(lateral, axis=1)) / total
    inset = min(INSET * radius / float(np.linalg.norm(bone)), LARGEST_INSET) * bone
    return fitted_capsule(skin, start + inset, end - inset, radius)


def across_capsule(skin: Samples, across: Array = LATERAL) -> Capsule:
    """The capsule that fits best, searched from one that spans the skin along a unit vector (3,)."""
    return fitted_capsule(skin, *_spanning(skin, across))


def _spanning(skin: Samples, across: Array) -> tuple[Array, Array, float]:
    """Start, end and radius of a capsule along a level vector, as wide and as thick as the skin."""
    _require_points(skin)
    half = float(np.ptp(skin.points @ across)) / 2
    thickness = np.ptp(skin.points - np.outer(skin.points @ across, across), axis=0)
    radius = min(float(np.linalg.norm(thickness)) / 2, 0.8 * half)
    reach = (half - radius) * across
    return skin.centroid - reach, skin.centroid + reach, radius


def _require_points(skin: Samples) -> None:
    if len(skin) == 0:
        raise HumanoidError(
            "a part of the body has no vertex of the mesh to fit a collision primitive to; "
            "accepted: meshes as dense as SMPL's"
        )


def _descend(skin: Samples, guess: Array, directions: Array) -> Capsule:
    """The best capsule among guess + directions @ (M,), by Levenberg's and Marquardt's steps."""
    _require_points(skin)
    points, weights = skin.points, skin.weights / skin.weights.sum()
    best, damping = guess, DAMPING
    cost, residual, slope = _residual(points, weights, guess)
    for _ in range(STEPS):
        reduced = slope @ directions
        weighted = weights[:, None] * reduced
        matrix = weighted.T @ reduced
        matrix.flat[:: len(matrix) + 1] += damping  # its diagonal
        trial = best - directions @ np.linalg.solve(matrix, weighted.T @ residual)
        found = _residual(points, weights, trial)
        if found[0] < cost:
            best, (cost, residual, slope), damping = trial, found, max(damping / 10, DAMPING)
        else:
            damping *= 10
    return Capsule(best[:3], best[3:6], float(best[6]))


def _residual(points: Array, weights: Array, capsule: Array) -> tuple[float, Array, Array]:
    """Mean squared distance, signed distances (N,), and their derivatives (N, 7) by start, end and radius."""
    start, along = capsule[:3], capsule[3:6] - capsule[:3]
    offset = points - start
    t = np.minimum(np.maximum(offset @ along / max(float(along @ along), 1e-12), 0.0), 1.0)
    offset -= t[:, None] * along
    distance = np.sqrt(np.einsum("ni,ni->n", offset, offset))
    # A point on the axis itself has no direction; it then moves neither end.
    unit = offset / np.maximum(distance, 1e-9)[:, None]
    slope = np.empty((len(points), 7))
    slope[:, 3:6] = -t[:, None] * unit
    slope[:, :3] = -unit - slope[:, 3:6]
    slope[:, 6] = -1.0
    residual = distance - capsule[6]
    return float(weights @ (residual * residual)), residual, slope
