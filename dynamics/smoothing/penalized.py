"""Smoothing splines for many components at once: the equations that every choice of level shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from . import quintic
from .kernels import Operator

# Correlation of the noise across a gap of more frames than this is left out: it is slight, and the bands of
# the equations are as wide as the gaps that noise bridges.
_LONGEST_ECHO = 10
# What a sum of squares loses to rounding, relative to the samples' own.
ROUNDING = 1e-14
# A component that leaves its trend by less, rad or m or relatively, is that trend.
_STILL = 1e-12
# A level is the natural logarithm of a bandwidth in rad a frame: the frequency at which a smoother loses half
# against white noise. The greatest lies far above the Nyquist frequency and interpolates.
_GREATEST_LEVEL = 3.0
# The least is where the penalty reaches this (.2 Hz at 120 frames a second); beyond, rounding eats the
# equations. At 1000 frames a second it is 6 Hz: thin such a recording first.
_GREATEST_PENALTY = 1e11
# Levels are rounded to this, so that components share one.
STEP = 0.04
# A frame's acceleration may be this many times as uncertain as the median frame's and still be valid.
_UNCERTAIN = 1.5


@dataclass(frozen=True, eq=False)
class Samples:
    """Components to smooth, free of the trend that has no roughness.

    Attributes:
        basis: of the whole clip, frames without a sample included.
        recorded: (N,) frames that have a sample.
        scale: (N,) standard deviation of each sample's noise relative to sigma.
        values: (N, m) what is left of the samples without their trend.
        trend: (3, T, m) that trend at every frame, with its two derivatives by frame.
    """

    basis: quintic.Basis
    recorded: np.ndarray
    scale: np.ndarray
    values: np.ndarray
    trend: np.ndarray

    @classmethod
    def of(cls, samples: np.ndarray, scale: np.ndarray, prior: tuple[float, ...]) -> Samples:
        """From (T, m) samples and (T,) relative noise, which is 0 at frames that have no sample.

        prior: weights of the squared derivatives in the roughness; see `quintic.basis`.
        """
        frames = len(samples)
        recorded = np.flatnonzero(scale > 0)
        basis = quintic.basis(frames, prior)
        # On [-1, 1], where the powers are nearly orthogonal for any length.
        t, unit = np.linspace(-1, 1, frames), 2 / (frames - 1)
        degree = np.arange(basis.null_space)
        powers = t[:, None] ** degree
        root, triangle = np.linalg.qr(powers[recorded])
        fitted = np.linalg.solve(triangle, root.T @ samples[recorded])
        slopes = degree * unit * t[:, None] ** np.maximum(degree - 1, 0)
        curvatures = degree * (degree - 1) * unit**2 * t[:, None] ** np.maximum(degree - 2, 0)
        trend = np.stack([powers, slopes, curvatures]) @ fitted
        left = samples[recorded] - trend[0, recorded]
        size = np.maximum(1, np.abs(samples[recorded]).max(axis=0))
        left[:, np.abs(left).max(axis=0) <= _STILL * size] = 0
        return cls(basis, recorded, scale[recorded], left, trend)


@dataclass(frozen=True, eq=False)
class Design:
    """The smoothing equations under AR(1) noise: (A^T A + penalty Omega) c = A^T b.

    Attributes:
        samples: what is smoothed.
        rho: correlation of the noise of neighbouring frames.
        whitener: (N, N) sparse W, which makes the noise white with standard deviation sigma.
        matrix: (N, T + 4) sparse A = W x values of the B-splines; b = W x samples.
        bands: A^T A in upper bands.
        log_determinant: log |R|, R the noise's covariance over sigma^2.
    """

    samples: Samples
    rho: float
    whitener: sparse.csr_array
    matrix: sparse.csr_array
    bands: np.ndarray
    log_determinant: float

    @classmethod
    def of(cls, samples: Samples, rho: float) -> Design:
        """For noise whose neighbouring frames have correlation rho.

        A sample's noise, less what the sample before it foretells, is white: rho^k of that one's, k the
        frames between the two (1, or more across a gap).
        """
        apart = np.diff(samples.recorded)
        echo = np.where(apart <= _LONGEST_ECHO, float(rho) ** apart, 0.0)
        fresh = np.append(1.0, np.sqrt(1 - echo**2))
        count = len(samples.recorded)
        diagonal = 1 / (fresh * samples.scale)
        below = -echo / (fresh[1:] * samples.scale[:-1])
        whitener = sparse.diags_array([diagonal, below], offsets=[0, -1], shape=(count, count)).tocsr()
        matrix = whitener @ samples.basis.values[samples.recorded]
        bands = quintic.upper_bands(matrix.T @ matrix)
        return cls(samples, rho, whitener, matrix, bands, 2 * float(np.log(fresh * samples.scale).sum()))

    def factor(self, level: float) -> tuple[np.ndarray, float]:
        """Cholesky factor of the equations at a level, and the log of their determinant."""
        bands, basis = self.bands.copy(), self.samples.basis
        bands[-len(basis.penalty) :] += basis.penalty / basis.power(np.exp(level))
        return quintic.factor(bands)

    def coefficients(self, level: float, values: np.ndarray) -> np.ndarray:
        """(T + 4, m) of the smoothing splines through values (N, m) at a level."""
        root, _ = self.factor(level)
        return quintic.solve(root, self.matrix.T @ (self.whitener @ values))

    def curves(self, levels: np.ndarray) -> np.ndarray:
        """(3, T, m) smoothed components and their derivatives by frame, at levels (m,)."""
        curves = self.samples.trend.copy()
        for level in np.unique(levels):
            at = np.flatnonzero(levels == level)
            coefficients = self.coefficients(level, self.samples.values[:, at])
            curves[:, :, at] += self.samples.basis.evaluate(coefficients)
        return curves

    def operator(self, level: float, fps: float) -> Operator:
        """The linear map from samples at all frames (those not recorded are ignored) to derivatives."""
        root, _ = self.factor(level)
        per_second = np.array([1.0, fps, fps**2])[:, None, None]

        def operator(samples: np.ndarray) -> np.ndarray:
            white = self.whitener @ samples[self.samples.recorded]
            return per_second * self.samples.basis.evaluate(quintic.solve(root, self.matrix.T @ white))

        return operator

    def least(self, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The least value (L, m) of misfit + penalty x roughness, and log |A^T A + penalty Omega| (L,)."""
        white = self.whitener @ self.samples.values
        right = np.asfortranarray(self.matrix.T @ white)
        own = (white * white).sum(axis=0)
        least, log_determinants = np.empty((len(levels), white.shape[1])), np.empty(len(levels))
        for i, level in enumerate(levels):
            root, log_determinants[i] = self.factor(level)
            half = quintic.half_solve(root, right)
            least[i] = own - (half * half).sum(axis=0)
        return np.maximum(least, ROUNDING * own), log_determinants

    def certain(self, level: float) -> np.ndarray:
        """(T,) bool, frames whose acceleration is about as well known as in the middle of a recording.

        At the ends, in gaps and where confidence is low its posterior standard deviation rises; more than
        1.5 times the median is too much.
        """
        frames, root = self.samples.basis.frames, self.factor(level)[0]
        # Frames so far apart do not know of each other, and one right side serves them all.
        spacing = min(frames, int(np.ceil(60 * np.exp(-level))) + 2 * quintic.DEGREE)
        curvature = self.samples.basis.curvature
        variance = np.empty(frames)
        for first in range(0, spacing, 256):
            starts = np.arange(first, min(first + 256, spacing))
            comb = sparse.coo_array(
                (np.ones(frames), (np.arange(frames), np.arange(frames) % spacing)), shape=(frames, spacing)
            ).tocsc()[:, starts]
            right = (curvature.T @ comb).toarray()
            seen = curvature @ quintic.solve(root, right)
            own = np.flatnonzero(np.isin(np.arange(frames) % spacing, starts))
            variance[own] = seen[own, own % spacing - first]
        recorded = np.zeros(frames, bool)
        recorded[self.samples.recorded] = True
        return recorded & (variance <= _UNCERTAIN**2 * np.median(variance[recorded]))


def least_of(criterion: np.ndarray, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(m,) level where each column of a criterion (L, m) is least, and (m,) its value there.

    A parabola through the least entry and its two neighbours refines the even grid of levels.
    """
    columns = np.arange(criterion.shape[1])
    least = np.argmin(criterion, axis=0)
    at = np.clip(least, 1, len(levels) - 2)
    before, here, after = (criterion[at + k, columns] for k in (-1, 0, 1))
    bend = before - 2 * here + after
    inside = (at == least) & (bend > 0)
    shift = np.where(inside, (before - after) / np.where(inside, 2 * bend, 1.0), 0.0)
    value = np.where(inside, here - shift * (before - after) / 4, criterion[least, columns])
    return levels[least] + shift * (levels[1] - levels[0]), value


def grid(basis: quintic.Basis, step: float) -> np.ndarray:
    """(L,) every level that is tried, `step` apart."""
    w = np.geomspace(1e-3, 1.0, 3000)
    least = np.log(np.interp(1 / _GREATEST_PENALTY, basis.power(w), w))
    return np.arange(_GREATEST_LEVEL, least, -step)[::-1]


def rounded(levels: np.ndarray) -> np.ndarray:
    """Levels on the grid that components share."""
    return STEP * np.round(levels / STEP)


def cutoffs(design: Design, levels: np.ndarray, fps: float) -> np.ndarray:
    """(m,) Hz where a smoother's gain is -3 dB far from the ends, at most half of the frame rate.

    The gain is 1 / (1 + penalty x power x S), S the noise's spectrum over a white one's of the same size:
    correlated noise is strong at low frequencies, and is smoothed there at a lower penalty.
    """
    w, rho, basis = np.geomspace(1e-4, np.pi, 2000), design.rho, design.samples.basis
    spectrum = (1 - rho**2) / (1 - 2 * rho * np.cos(w) + rho**2)
    lost = np.maximum.accumulate(basis.power(w) * spectrum)
    return np.interp((np.sqrt(2) - 1) * basis.power(np.exp(levels)), lost, w) * fps / (2 * np.pi)
