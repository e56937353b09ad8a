"""Quintic splines with a knot at every frame, and the banded equations of smoothing with them.

A smoothing spline is the curve that makes

    sum over samples of (noise-weighted misfit)^2 + penalty * roughness

least, the roughness a sum of weights times integrals over the clip of squared derivatives. It is the
posterior mean where the curve is a Gaussian process whose spectrum is 1 / sum of weights * w^(2 order)
(Kimeldorf and Wahba 1970, doi:10.1214/aoms/1177697089). With the third derivative alone that is a three times
integrated Wiener process, and the curve a natural quintic spline, exactly; with higher derivatives it is
the best of all quintic splines. All times here are in frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import sparse
from scipy.interpolate import BSpline
from scipy.linalg import lapack

from ..quintic_spline import FIRST, SECOND, VALUES

DEGREE = 5
# Weights of the five B-splines that are not zero at a knot, for value, slope and curvature.
_STENCILS = np.stack([VALUES, FIRST, SECOND])


@dataclass(frozen=True, eq=False)
class Basis:
    """The cardinal B-splines of degree 5 that reach a clip of T frames: T + 4 of them.

    Attributes:
        frames: T.
        values: (T, T + 4) sparse; row t evaluates a spline of given coefficients at frame t.
        curvature: (T, T + 4) sparse; the same for the second derivative.
        penalty: (6, T + 4) the roughness' matrix, symmetric, its upper bands as LAPACK stores them.
        prior: the weights that the roughness has; see `basis`.
    """

    frames: int
    values: sparse.csr_array
    curvature: sparse.csr_array
    penalty: np.ndarray
    prior: tuple[float, ...]

    @property
    def count(self) -> int:
        """Number of coefficients."""
        return self.frames + DEGREE - 1

    @property
    def null_space(self) -> int:
        """How many powers of time, from 1 on, have no roughness."""
        return next(order for order, weight in enumerate(self.prior) if weight > 0)

    def power(self, w: Any) -> Any:
        """Roughness of a unit wave of w rad a frame: one over the prior's spectrum."""
        return sum(weight * w ** (2 * order) for order, weight in enumerate(self.prior))

    def evaluate(self, coefficients: np.ndarray) -> np.ndarray:
        """Value, slope and curvature (3, T, m), by frame, of splines with coefficients (T + 4, m)."""
        windows = [coefficients[k : k + self.frames] for k in range(DEGREE)]
        # Symmetric stencils for value and curvature, an antisymmetric one for the slope.
        near, far = windows[1] + windows[3], windows[0] + windows[4]
        value, slope, curvature = _STENCILS
        return np.stack(
            [
                value[2] * windows[2] + value[3] * near + value[4] * far,
                slope[3] * (windows[3] - windows[1]) + slope[4] * (windows[4] - windows[0]),
                curvature[2] * windows[2] + curvature[3] * near + curvature[4] * far,
            ]
        )


@lru_cache(maxsize=32)
def basis(frames: int, prior: tuple[float, ...]) -> Basis:
    """The basis for clips of so many frames.

    prior: weight of the integral of the squared k-th derivative in the roughness, for k = 0, 1, ... 4.
    """
    values, _, curvature = (
        sparse.diags_array(
            [np.full(frames, weight) for weight in stencil],
            offsets=range(DEGREE),
            shape=(frames, frames + DEGREE - 1),
        ).tocsr()
        for stencil in _STENCILS
    )
    local = np.sum([weight * _between_knots(order) for order, weight in enumerate(prior)], axis=0)
    bands = np.zeros((DEGREE + 1, frames + DEGREE - 1))
    for i in range(DEGREE + 1):
        for j in range(i, DEGREE + 1):
            bands[DEGREE - (j - i), j : j + frames - 1] += local[i, j]
    return Basis(frames, values, curvature, bands, prior)


@lru_cache(maxsize=8)
def _between_knots(order: int) -> np.ndarray:
    """(6, 6) integral between two knots of products of the B-splines' derivatives of an order.

    The products have degree 10 at most: six Gauss points integrate them exactly.
    """
    points, weights = np.polynomial.legendre.leggauss(DEGREE + 1)
    knots = np.arange(-DEGREE, DEGREE + 2, dtype=np.float64)
    splines = BSpline(knots, np.eye(DEGREE + 1), DEGREE).derivative(order)((points + 1) / 2)
    return splines.T @ (weights[:, None] / 2 * splines)


def factor(bands: np.ndarray) -> tuple[np.ndarray, float]:
    """Cholesky factor of a positive definite matrix in upper bands, and the log of its determinant."""
    root, info = lapack.dpbtrf(bands)
    if info:
        raise FloatingPointError(f"the matrix is not positive definite at row {info}")
    return root, 2 * float(np.log(root[-1]).sum())


def solve(root: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solution (n, m) of the equations that `factor` factored, for right sides (n, m)."""
    return lapack.dpbtrs(root, right)[0]


def half_solve(root: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(n, m) h with |h|^2 = right . solution, column by column: half of the work of `solve`."""
    return lapack.dtbtrs(root, right, uplo="U", trans="T")[0]


def upper_bands(matrix: sparse.csr_array, least: int = DEGREE) -> np.ndarray:
    """A symmetric sparse matrix in upper bands, at least `least` of them beside the diagonal."""
    entries = sparse.triu(matrix).tocoo()
    offset = entries.col - entries.row
    width = max(least, int(offset.max(initial=0)))
    bands = np.zeros((width + 1, matrix.shape[0]))
    bands[width - offset, entries.col] = entries.data
    return bands
