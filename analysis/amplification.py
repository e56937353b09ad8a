"""The law by which noise of poses becomes noise of torques, in closed form: no sampling.

Noise n of the samples, through a scheme's weights (smoothing and differentiation), perturbs pose, velocity
and acceleration of each rotation by n, n' and n'' in the body's axes:

    R Exp(n),   w + w x n + n',   alpha + alpha x n + w x n' + n''

Torque is smooth in all three, so that to first order, dof by dof,

    Cov(tau) = sum over dofs i and x, y in {n, n', n''} of G_xy[i] J_x[i] J_y[i]^T

with G the covariance of (n, n', n'') (`dynamics.smoothing.Kernels.gram`) and J_x = d tau / d x from the exact
derivatives of inverse dynamics. Slides, hinges and translations have no cross terms.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields

import mujoco
import numpy as np
from numpy.typing import NDArray

from dynamics import Trajectory, Tree, Wrench, rnea_derivatives
from dynamics.precision import double_precision
from dynamics.smoothing import Kernels

from .dof_blocks import DofBlocks
from .errors import Error
from .pose_noise import PoseNoise

Array = NDArray[np.float64]

# Frames at a time: three (nv, nv) matrices each and their copies stay within the processor's caches.
_SLICE = 32
NORMAL_95 = 1.959963984540054
"""Half of a normal distribution's 95 % interval, in standard deviations."""


@dataclass(frozen=True, eq=False)
class TorqueNoise:
    """Covariance of every torque of a motion, by blocks of dofs (see DofBlocks).

    Attributes:
        blocks: the K blocks: names and dofs.
        covariance: (T, K, 3, 3) N2 m2 (N2 for translations), in tau's axes; 0 in places without a dof.
    """

    blocks: DofBlocks
    covariance: Array

    @property
    def sd(self) -> Array:
        """(T, nv) standard deviation of each torque, N m (N for translations)."""
        return np.sqrt(self.blocks.flat(np.diagonal(self.covariance, axis1=-2, axis2=-1)))

    @property
    def joint_sd(self) -> Array:
        """(T, K) root mean square length of the error vector of each joint's torque, N m."""
        return np.sqrt(np.trace(self.covariance, axis1=-2, axis2=-1))

    @property
    def half_width(self) -> Array:
        """(T, nv) half of the 95 % band of each torque, N m."""
        return NORMAL_95 * self.sd

    def mean_length(self) -> Array:
        """(T, K) mean length of the error vector of each joint's torque, N m.

        With eigenvalues l of the covariance, E|x| is the integral over t > 0 of
        (1 - prod (1 + 2 t l)^(-1/2)) t^(-3/2) / (2 sqrt(pi)); t = u^2 / (1 - u)^2 makes it smooth on [0, 1].

        Source: Mathai and Provost (1992), "Quadratic forms in random variables", section 3.2b: moments of
        order between 0 and 1 of a quadratic form from its Laplace transform.
        """
        values = np.maximum(np.linalg.eigvalsh(self.covariance), 0.0)
        scale = values.sum(axis=-1)
        shares = values / np.where(scale > 0, scale, 1.0)[..., None]
        points, weights = np.polynomial.legendre.leggauss(64)
        total = np.zeros_like(scale)
        for u, weight in zip((points + 1) / 2, weights / 2):
            root = u / (1 - u)
            survived = 1 / np.sqrt(np.prod(1 + 2 * root**2 * shares, axis=-1))
            # t^(-3/2) dt = 2 / root^2 d root, and d root = d u / (1 - u)^2
            total += weight * (1 - survived) * 2 / root**2 / (1 - u) ** 2
        return np.sqrt(scale) * total / (2 * np.sqrt(np.pi))


def torque_noise(
    model: mujoco.MjModel | Tree,
    trajectory: Trajectory,
    kernels: Kernels,
    noise: PoseNoise,
    wrench: Wrench | None = None,
    at: NDArray[np.int64] | None = None,
) -> TorqueNoise:
    """Covariance of the torques of a motion whose poses carry noise, for any linear scheme.

    First order in the noise: within 4 % of sampling up to sigma .05 rad, and within 12 % at .08, where the
    mean of the torque shifts as well.

    Args:
        model: the bodies, or their Tree.
        trajectory: T frames about which the noise is taken: the clean motion, or the estimate of it.
        kernels: what the scheme that made the trajectory does to noise (`Smoothed.kernels`).
        noise: of the poses before that scheme.
        wrench: external forces, (T, nbody, 3) each, which stay as they are in the world.
        at: (F,) frames to compute, F in the place of T; None for all.

    Raises:
        Error: for kernels or noise of another motion or model, and for noise of dofs that err together where
            the scheme smooths them differently.
        dynamics.StateError: as `rnea`.
    """
    tree = _tree(model)
    nv, frames = tree.topology.nv, len(trajectory.qpos)
    if kernels.frames != frames or len(kernels.groups) != nv:
        raise Error(
            f"the kernels belong to {kernels.frames} frames of {len(kernels.groups)} dofs; this motion has "
            f"{frames} of {nv}"
        )
    if len(noise.sigma) != nv:
        raise Error(f"the noise has {len(noise.sigma)} dofs; this model has {nv}")
    at = np.arange(frames) if at is None else at
    trajectory = Trajectory(*(getattr(trajectory, field.name)[at] for field in fields(Trajectory)))
    if wrench is not None:
        wrench = Wrench(wrench.force[at], wrench.torque[at])
    changing = kernels.gram(rho=noise.rho)[kernels.groups][:, at]
    grams = np.zeros_like(changing)
    if noise.bias.any():
        constant = kernels.gram(sigma=0.0, bias=1.0)[kernels.groups][:, at]
        grams = noise.bias[:, None, None, None] ** 2 * constant
    if noise.mixing is None:
        grams = grams + noise.sigma[:, None, None, None] ** 2 * changing
        return propagated(tree, trajectory, grams, wrench)
    if len(np.unique(kernels.groups[noise.sigma > 0])) > 1:
        raise Error(
            "noise of dofs that err together needs one scheme for all of them; this smoother has chosen a "
            "level for each. Accepted here: 'butterworth', 'winter', 'savitzky-golay', 'spline', 'central', "
            "'three-point'"
        )
    return propagated(tree, trajectory, grams, wrench, (noise.mixing, changing[int(np.argmax(noise.sigma))]))


def propagated(
    model: mujoco.MjModel | Tree,
    trajectory: Trajectory,
    grams: Array,
    wrench: Wrench | None = None,
    mixed: tuple[Array, Array] | None = None,
) -> TorqueNoise:
    """Covariance of the torques from that of pose, velocity and acceleration.

    Args:
        model: the bodies, or their Tree.
        trajectory: T frames.
        grams: (nv, T, 3, 3) covariance of (n, n', n'') of each dof at every frame, dofs independent: what a
            linear scheme makes of noise, or a smoother's own uncertainty.
        wrench: as `torque_noise`.
        mixed: beside the grams, noise L e of dofs that err together: L (nv, m), and the covariance
            (T, 3, 3) of (e, e', e'') that all m unit noises e have.

    Raises:
        dynamics.StateError: as `rnea`.
    """
    tree = _tree(model)
    blocks = DofBlocks.of(tree.topology)
    covariance = np.empty((len(trajectory.qpos), len(blocks.names), 3, 3))

    def fill(part: slice) -> None:
        sensitivity = _Sensitivity.of(tree, blocks, trajectory, part, wrench)
        covariance[part] = sensitivity.covariance(grams[:, part])
        if mixed is not None:
            covariance[part] += sensitivity.mixed_covariance(mixed[0], mixed[1][part])

    parts = [slice(t, t + _SLICE) for t in range(0, len(covariance), _SLICE)]
    with ThreadPoolExecutor(max_workers=min(len(parts) or 1, os.cpu_count() or 1)) as pool:
        list(pool.map(fill, parts))
    return TorqueNoise(blocks, covariance)


@dataclass(frozen=True, eq=False)
class _Sensitivity:
    """How the torques of T frames answer to noise.

    Attributes:
        blocks: K blocks.
        derivatives: (T, nv, K, 9) d tau / d (q, qvel, qacc) by block of the noise, three places of each.
        chain: (T, K, 9, 9) d (q, qvel, qacc) / d (n, n', n'') of each block.
    """

    blocks: DofBlocks
    derivatives: Array
    chain: Array

    @classmethod
    def of(
        cls, tree: Tree, blocks: DofBlocks, trajectory: Trajectory, part: slice, wrench: Wrench | None
    ) -> _Sensitivity:
        qpos, qvel, qacc = (
            np.asarray(a, dtype=np.float64)[part] for a in (trajectory.qpos, trajectory.qvel, trajectory.qacc)
        )
        outer = None if wrench is None else Wrench(wrench.force[part], wrench.torque[part])
        with double_precision():
            found = rnea_derivatives(tree, qpos, qvel, qacc, outer)
        derivatives = np.concatenate(
            [blocks.grouped(np.asarray(d)) for d in (found.qpos, found.qvel, found.qacc)], axis=-1
        )
        chain = np.zeros((len(qpos), len(blocks.names), 9, 9))
        chain[:] = np.eye(9)
        turning = blocks.is_rotation
        spin, spin_rate = (_skew(blocks.grouped(a)[:, turning]) for a in (qvel, qacc))
        chain[:, turning, 3:6, 0:3] = spin
        chain[:, turning, 6:9, 3:6] = spin
        chain[:, turning, 6:9, 0:3] = spin_rate
        return cls(blocks, derivatives, chain)

    def covariance(self, grams: Array) -> Array:
        """(T, K, 3, 3) torque covariance of noise with the grams (nv, T, 3, 3)."""
        T, _, K, _ = self.derivatives.shape
        by_place = self.blocks.grouped(np.moveaxis(grams, 0, -1))  # (T, x, y, K, place)
        state = np.zeros((T, K, 3, 3, 3, 3))  # (T, K, x, place, y, place)
        for place in range(3):
            state[:, :, :, place, :, place] = np.moveaxis(by_place[..., place], -1, 1)
        spread = self.chain @ state.reshape(T, K, 9, 9) @ np.swapaxes(self.chain, -1, -2)
        weighted = np.empty_like(self.derivatives)
        np.matmul(self.derivatives.swapaxes(1, 2), spread, out=weighted.swapaxes(1, 2))
        return self._by_block(weighted, self.derivatives)

    def mixed_covariance(self, mixing: Array, gram: Array) -> Array:
        """(T, K, 3, 3) of noise L e with L (nv, m), every unit noise e having the gram (T, 3, 3)."""
        T, nv, K, _ = self.derivatives.shape
        roots = np.moveaxis(self.blocks.grouped(mixing.T), 0, -1)  # (K, place, m)
        chained = (self.derivatives.swapaxes(1, 2) @ self.chain).reshape(T, K, nv, 3, 3)
        answers = np.einsum("tkrxp,kpm->txrm", chained, roots, optimize=True)  # (T, x, nv, m)
        weighted = np.einsum("txy,tyrm->txrm", gram, answers)
        return self._by_block(*(np.moveaxis(a, 1, 2) for a in (weighted, answers)))

    def _by_block(self, left: Array, right: Array) -> Array:
        """Products over all that follows the rows of left and right (T, nv, ...), rows of one block each."""
        rows = []
        for part in (left, right):
            flat = part.reshape(*part.shape[:2], -1)
            if not self.blocks.is_whole:
                flat = np.where(
                    self.blocks.dofs.ravel()[:, None] >= 0, flat[:, self.blocks.dofs.ravel()], 0.0
                )
            rows.append(flat.reshape(len(flat), -1, 3, flat.shape[-1]))
        return rows[0] @ rows[1].swapaxes(-1, -2)


def _skew(vectors: Array) -> Array:
    """(..., 3, 3) matrices of the cross product with vectors (..., 3)."""
    matrices = np.zeros((*vectors.shape, 3))
    for i, (j, k) in enumerate(((1, 2), (2, 0), (0, 1))):
        matrices[..., k, j], matrices[..., j, k] = vectors[..., i], -vectors[..., i]
    return matrices


def _tree(model: mujoco.MjModel | Tree) -> Tree:
    return model if isinstance(model, Tree) else Tree.from_mjmodel(model)
