"""Refinement by the likeliest poses: a smoother's posterior times a prior on how fast torques change.

The smoother is one of combinations of rotations that move together (synergies.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from .lbfgs import minimize
from .torque_objective import Clip

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    """What the prior says, and how long the search goes on. Tuned on benchmarks/refinement.py's first set.

    Attributes:
        rate_weight: s; the weight of the squared torque rate, in units of the torque's own size, against
            the log density of the poses.
        window: s, standard deviation of the moving window that sizes are seen through.
        share: of a torque's size that is its RMS over the whole clip; the rest is that in the window.
        widening: of the smoother's bandwidths, e-folds: part of its work is the torque prior's now.
        passes: how often sizes are taken anew from the last torques.
        iterations: of L-BFGS in each pass.
    """

    rate_weight: float = 0.02
    window: float = 0.05
    share: float = 0.01
    widening: float = 0.2
    passes: int = 2
    iterations: int = 25


def refined(clip: Clip, settings: Settings, progress: Callable[[str], None]) -> tuple[Array, int]:
    """qpos (T, nq) of the likeliest poses, and how many steps the search took."""
    clip = clip.coordinated(settings.widening)
    z, steps = np.zeros_like(clip.mean), 0
    for number in range(settings.passes):
        weights = _weights(clip, clip.torques(clip.mean + clip.spread(z)), settings)

        def unlikeliness(flat: Array, weights: Array = weights) -> tuple[float, Array]:
            z = flat.reshape(clip.mean.shape)
            rough, gradient = clip.roughness(clip.mean + clip.spread(z), weights)
            return rough + float((flat * flat).sum()) / 2, flat + clip.pulled(gradient).ravel()

        found = minimize(unlikeliness, z.ravel(), settings.iterations)
        z, steps = found.x.reshape(z.shape), steps + found.steps
        progress(f"pass {number + 1} of {settings.passes}: {found.steps} steps, objective {found.value:.4g}")
    return clip.poses(clip.mean + clip.spread(z)), steps


def _weights(clip: Clip, tau: Array, settings: Settings) -> Array:
    """(T - 3, nv) weights of squared torque differences: how much a torque changes depends on its size."""
    between = ((tau[1:] + tau[:-1]) / 2) ** 2
    whole = between.mean(axis=0)
    near = gaussian_filter1d(between, settings.window * clip.fps, axis=0, mode="nearest")
    squared = settings.share * whole + (1 - settings.share) * near
    inner = clip.inner
    weights = np.zeros_like(between)
    # A joint that never carries torque must not outweigh the others.
    least = 1e-6 * squared[:, inner].max(initial=0.0)
    carried = squared[:, inner] > 0
    safe = np.where(carried, np.maximum(squared[:, inner], least), 1.0)
    weights[:, inner] = np.where(carried, settings.rate_weight * clip.fps / safe, 0.0)
    return weights
