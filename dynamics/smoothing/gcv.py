"""The level of a smoothing spline by generalized cross-validation, which assumes white noise."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from . import penalized

PRIOR = (0.0, 0.0, 0.0, 1.0)
"""Roughness is the integral of the squared third derivative: the curves are natural quintic splines."""

_GRID_STEP = 1 / 6
# Share of the samples that smoothing must leave free to judge by; with fewer, rounding would choose.
_LEAST_FREE = 0.01


def levels(design: penalized.Design) -> np.ndarray:
    """(m,) level of each component at which predicting left-out samples errs least.

    The criterion is `misfit / (N - trace)^2`, the trace being that of the matrix that smooths. It costs no
    N x N matrix: log |A^T A + penalty Omega| grows with the log penalty at the rate T + 4 - trace, and the
    least penalised sum at that of its roughness part. Under correlated noise the criterion takes noise for
    signal and smooths far too little.

    Source: Craven and Wahba (1979), doi:10.1007/BF01404567; Woltring (1986),
    doi:10.1016/0141-1195(86)90098-7, for quintic splines in biomechanics.
    """
    basis, count = design.samples.basis, len(design.samples.recorded)
    tried = penalized.grid(basis, _GRID_STEP)[::-1]  # from the least penalty to the greatest
    least, log_determinants = design.least(tried)
    log_penalty = -np.log(basis.power(np.exp(tried)))
    trace = basis.count - CubicSpline(log_penalty, log_determinants)(log_penalty, 1)
    misfit = least - CubicSpline(log_penalty, least)(log_penalty, 1)
    own = ((design.whitener @ design.samples.values) ** 2).sum(axis=0)
    # Rounding is no misfit; what has no roughness has none at any level.
    fitted = np.log(np.where(own > 0, np.maximum(misfit, penalized.ROUNDING * own), 1.0))
    allowed = count - trace >= _LEAST_FREE * count
    criterion = fitted[allowed] - 2 * np.log((count - trace)[allowed])[:, None]
    return penalized.least_of(criterion[::-1], tried[allowed][::-1])[0]
