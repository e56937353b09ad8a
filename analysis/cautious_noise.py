"""The noise that a refinement takes for granted: what the smoother found, less what a clip cannot tell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dynamics.smoothing import penalized, reml

_LONGEST_MEMORY = 0.35
"""s, after which the correlation of noise has fallen to 1/e.

Noise that lasts longer looks like slow movement and posture: in some seconds of a moving body it is often
taken for longer and larger than it is (.05 rad of rho .95 at 30 Hz for .08 rad of .98; what changes from
frame to frame comes out right). Smoothing hardly depends on it, but a search would move poses as far as such
noise allows, and past their samples. So less is taken for noise: the slow part of a pose stays as recorded.
"""

_SUSPECT = 1.5
"""A joint whose noise seems to be more than so many times the median joint's moves too fast to be told."""


def cautious_noise(
    samples: penalized.Samples,
    angles: NDArray[np.bool_],
    fps: float,
    sigma: float | None,
    rho: float | None,
    found_rho: float,
) -> reml.Estimate:
    """Noise and bandwidths of every dof, where neither movement nor posture is taken for noise.

    Args:
        samples: of all dofs.
        angles: (nv,) bool, dofs that are angles.
        fps: Hz.
        sigma: rad, of the angles' noise, where it is known.
        rho: its correlation from frame to frame, where it is known.
        found_rho: that correlation as the smoother found it.
    """
    longest = float(np.exp(-1 / (_LONGEST_MEMORY * fps)))
    found = reml.estimate(samples, angles, sigma, min(found_rho, longest) if rho is None else rho)
    return found if sigma is not None else _without_outliers(found, samples, angles)


def _without_outliers(
    found: reml.Estimate, samples: penalized.Samples, angles: NDArray[np.bool_]
) -> reml.Estimate:
    """An estimate in which no joint's fast movement is taken for noise.

    A frame rate may be too low to tell the two apart, and a single joint then seems to be several times as
    noisy as the others. Such a joint gets the noise of the median one, and the bandwidth that belongs to it.
    """
    noisy = angles & (found.sigma > 0)
    usual = float(np.median(found.sigma[noisy])) if noisy.any() else 0.0
    suspect = noisy & (found.sigma > _SUSPECT * usual)
    if not suspect.any():
        return found
    again = reml.estimate(samples, angles, usual, found.design.rho)
    levels = np.where(suspect, np.maximum(again.levels, found.levels), found.levels)
    return reml.Estimate(levels, np.where(suspect, usual, found.sigma), found.design)
