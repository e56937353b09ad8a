"""Combinations of a body's rotations that move together, and how smoothly each of them moves.

A body moves its joints together: most of what seventy angles do is a few combinations of them, each with its
own course in time. Noise is spread over all combinations alike. So a smoother of the combinations may follow
the few that move far more closely, and hold the others still.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dynamics.smoothing import penalized, reml

Array = NDArray[np.float64]
Groups = tuple[tuple[NDArray[np.int64], Array], ...]
"""Components of each bandwidth, and the Cholesky factor, in bands, of their coefficients' precision."""

# These were chosen on benchmarks/refinement.py's first set.
# The bandwidth that this share of the rotations stays below is the widest of translations too: a torque is a
# difference of accelerations, and what cancels in the body cancels only where it passes alike;
_MOST = 0.85
# for the same reason no combination is cut below this part of it.
_NARROWEST = 0.5
# e-folds above the likeliest bandwidths, for the accelerations that the combinations are found in.
_WIDER = 0.2
# Rotations with less noise than this share of the median one's are known, not measured: they do not combine.
_KNOWN = 0.3
_STEP = 1 / 6  # of the levels that are tried


@dataclass(frozen=True, eq=False)
class Components:
    """A clip's coordinates as components that move independently of each other, as far as samples tell.

    Attributes:
        weights: (nv, nv) `coordinates of dofs = components @ weights`.
        sigma: (nv,) standard deviation of each component's noise: 1, or 0 where there is none.
        levels: (nv,) bandwidth of each component; see penalized.py.
        design: the smoothing equations of the components.
    """

    weights: Array
    sigma: Array
    levels: Array
    design: penalized.Design


def single(found: reml.Estimate) -> Components:
    """Every dof alone, as the smoother takes them. found: noise and bandwidth of each dof."""
    noisy = found.sigma > 0
    scale = np.where(noisy, found.sigma, 1.0)
    design = _combined(found.design, np.diag(1 / scale))
    return Components(np.diag(scale), noisy.astype(np.float64), found.levels, design)


def synergies(found: reml.Estimate, angles: NDArray[np.bool_]) -> Components:
    """The principal components of the accelerations of all rotations, each at its likeliest bandwidth.

    Accelerations, since they are what is random in the prior: poses are what they add up to.

    found: noise and bandwidth of each dof. angles: (nv,) bool, dofs that are rotations.

    Source: Daffertshofer et al. (2004), "PCA in studying coordination and variability: a tutorial",
    doi:10.1016/j.clinbiomech.2004.01.005; here of accelerations.
    """
    alone = single(found)
    noisy = angles & (found.sigma > 0)
    if not noisy.any():
        return alone
    noisy &= found.sigma > _KNOWN * np.median(found.sigma[noisy])
    lengths = ~angles & (found.sigma > 0)
    levels = _likeliest(alone.design)
    widest = float(np.quantile(levels[noisy], _MOST))

    def coherent(likely: Array) -> Array:
        moving = np.where(noisy, np.maximum(likely, widest + np.log(_NARROWEST)), found.levels)
        return penalized.rounded(np.where(lengths, np.minimum(likely, widest), moving))

    accelerations = alone.design.curves(penalized.rounded(coherent(levels) + _WIDER))[2][:, noisy]
    axes = np.eye(len(angles))
    axes[np.ix_(noisy, noisy)] = np.linalg.eigh(accelerations.T @ accelerations)[1]
    design = _combined(alone.design, axes)
    return Components(axes.T @ alone.weights, alone.sigma, coherent(_likeliest(design)), design)


def posterior(components: Components, levels: Array) -> tuple[Array, Groups]:
    """Of smoothing splines at levels (nv,): the dofs' mean coefficients (T + 4, nv), and components' spread.

    Spread is for noise of standard deviation 1.
    """
    design = components.design
    mean = np.zeros((design.samples.basis.count, len(levels)))
    groups = []
    for level in np.unique(levels):
        at = np.flatnonzero(levels == level)
        mean[:, at] = design.coefficients(level, design.samples.values[:, at])
        groups.append((at, design.factor(level)[0]))
    return mean @ components.weights, tuple(groups)


def _combined(design: penalized.Design, weights: Array) -> penalized.Design:
    """The same equations for samples times weights (nv, m)."""
    samples = design.samples
    return replace(
        design, samples=replace(samples, values=samples.values @ weights, trend=samples.trend @ weights)
    )


def _likeliest(design: penalized.Design) -> Array:
    """(m,) levels of greatest restricted likelihood for components whose noise has standard deviation 1."""
    levels, basis = penalized.grid(design.samples.basis, _STEP), design.samples.basis
    least, determinants = design.least(levels)
    seen = basis.count - basis.null_space
    constant = determinants + seen * np.log(basis.power(np.exp(levels)))
    return penalized.least_of(least + constant[:, None], levels)[0]
