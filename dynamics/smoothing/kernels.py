"""The weights of a smoother on its samples, which say how their noise reaches pose and derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import signal

from ..errors import TrajectoryError

Operator = Callable[[np.ndarray], np.ndarray]
"""A linear map from samples (T, m) to (3, T, m): position, first (1/s) and second derivative (1/s2)."""

# Columns carried through an operator at a time: what keeps a long clip's Gram matrices out of T x T arrays.
_BLOCK = 256
_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


@dataclass(frozen=True, eq=False)
class Kernels:
    """A linear scheme as the weights k_0, k_1, k_2 of pose, velocity and acceleration on the samples' noise.

    The noise is a right perturbation of every recorded rotation, `R Exp(n)` with n in the child body's axes
    (rad), or a number added to a slide's, hinge's or translation's sample. To first order the scheme's
    output at frame t is then perturbed, in the same axes, by `n_t = k_0[t] . n`, `n'_t = k_1[t] . n` and
    `n''_t = k_2[t] . n`, sums over the recorded frames. Angular velocity and acceleration follow from the
    three: `w + w x n + n'` and `alpha + alpha x n + w x n' + n''`.

    The dofs of a model share few schemes: `groups[i]` is the one of dof i. A covariance over dofs is

        grams = kernels.gram(rho=0.8)[kernels.groups]    # (nv, T, 3, 3), for noise of 1 rad
        cov_tau[t] = sum over dofs i and x, y in (0, 1, 2) of sigma[i]^2 grams[i, t, x, y] J_x[i] J_y[i]^T

    Where the scheme itself depends on the samples (a smoothing level that was estimated from them), the
    weights are those at the chosen level.

    Attributes:
        frames: T.
        groups: (nv,) int, index into `operators` of each dof.
        operators: one linear map for each group of dofs; see `Operator`.
        scale: (T,) standard deviation of each frame's noise relative to sigma: 1 / sqrt(confidence), and 0
            for a frame that was not recorded.
    """

    frames: int
    groups: np.ndarray
    operators: tuple[Operator, ...]
    scale: np.ndarray

    @classmethod
    def shared(cls, operator: Operator, frames: int, nv: int) -> Kernels:
        """Kernels of one scheme for all dofs, all frames recorded alike."""
        return cls(frames, np.zeros(nv, int), (operator,), np.ones(frames))

    def rows(self, group: int = 0) -> np.ndarray:
        """The weights (3, T, T) of a group: [x, t, s] is that of sample s in derivative x at frame t."""
        return self.operators[group](np.eye(self.frames))

    def gram(self, sigma: float = 1.0, rho: float = 0.0, bias: float = 0.0) -> np.ndarray:
        """Gram matrices (G, T, 3, 3): covariance of (n, n', n'') of a dof at every frame, for each group.

        `G_xy[t] = k_x[t] C k_y[t]^T` with `C = sigma^2 S rho^|i-j| S + bias^2 1 1^T`, S the frames' `scale`.
        Weights of derivatives sum to zero, so that a bias enters G_00 alone.

        Args:
            sigma: standard deviation of the noise of one component, rad (m for lengths), >= 0.
            rho: correlation of the noise of neighbouring frames, 0 (white) <= rho < 1.
            bias: standard deviation of a constant offset of the whole clip, in sigma's unit, >= 0.

        Returns:
            (G, T, 3, 3) in the unit of sigma squared times s^-(x + y); index with `groups` for each dof.

        Raises:
            TrajectoryError: for a sigma, rho or bias out of range.
        """
        check_noise(sigma, rho, bias)
        grams = np.zeros((len(self.operators), self.frames, 3, 3))
        if sigma:
            grams += sigma**2 * self._unit(float(rho))
        if bias:
            sums = self._sums
            grams = grams + bias**2 * sums[..., :, None] * sums[..., None, :]
        return grams

    def _unit(self, rho: float) -> np.ndarray:
        """Gram matrices (G, T, 3, 3) for sigma 1 and no bias.

        With C = L L^T, G_xy[t] is the sum over L's columns of what the scheme makes of each: no T x T weights
        are kept. A column of L is a unit shock and its echo rho, rho^2, ... in the frames that follow.
        """
        grams = np.zeros((len(self.operators), self.frames, 3, 3))
        fresh = np.sqrt(1 - rho**2)
        for first in range(0, self.frames, _BLOCK):
            last = min(first + _BLOCK, self.frames)
            shocks = np.zeros((self.frames, last - first))
            shocks[np.arange(first, last), np.arange(last - first)] = fresh
            if first == 0:
                shocks[0, 0] = 1.0  # the noise starts in its stationary state
            columns = signal.lfilter([1.0], [1.0, -rho], shocks, axis=0) if rho else shocks
            columns = columns * self.scale[:, None]
            for gram, operator in zip(grams, self.operators):
                carried = operator(columns)
                for x, y in _PAIRS:
                    gram[:, x, y] += np.einsum("tm,tm->t", carried[x], carried[y])
        for x, y in _PAIRS:
            grams[..., y, x] = grams[..., x, y]
        return grams

    @cached_property
    def _sums(self) -> np.ndarray:
        """(G, T, 3) what each group's scheme makes of a constant 1 in the recorded frames."""
        constant = (self.scale > 0).astype(np.float64)[:, None]
        return np.stack([operator(constant)[..., 0].T for operator in self.operators])


def check_noise(sigma: float, rho: float = 0.0, bias: float = 0.0) -> None:
    """Return if a noise level is one: sigma and bias finite and >= 0, rho in [0, 1).

    Raises:
        TrajectoryError: naming the value that is out of range.
    """
    for name, value in (("sigma", sigma), ("bias", bias)):
        if not (isinstance(value, int | float | np.number) and np.isfinite(value) and value >= 0):
            raise TrajectoryError(f"{name} is {value!r}; accepted: a finite standard deviation, 0 or more")
    if not (isinstance(rho, int | float | np.number) and 0 <= rho < 1):
        raise TrajectoryError(
            f"rho is {rho!r}; accepted: from 0 (white noise) to below 1 (1 is a constant offset: a bias)"
        )
