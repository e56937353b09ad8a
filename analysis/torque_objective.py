"""A clip's poses as a smoother's posterior, and how rough their torques are: what refinement searches."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import lapack

from dynamics import Trajectory, Tree, rnea, so3
from dynamics.precision import double_precision
from dynamics.samples import checked, continuous
from dynamics.smoothing import Chart, Noise, penalized, reml, smooth
from dynamics.smoothing.chart import plain, quaternion_addresses, turning
from dynamics.smoothing.quintic import DEGREE
from dynamics.topology import Topology

from .cautious_noise import cautious_noise
from .errors import Error
from .synergies import Components, Groups, posterior, single, synergies

Array = NDArray[np.float64]
Traced = Any  # a numpy.ndarray, a jax.Array or a tracer

FEWEST_FRAMES = 12
"""Recorded frames: fewer do not tell noise from movement."""

_BUCKET = 32
"""Clips are filled up to a multiple of so many frames, so that clips of similar length share one program."""


PathArrays = tuple[Traced, ...]
"""The chart of a clip: reference (T, R, 4), carried (T, R, 4), origin (T, R, 3), trend (T, nv)."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A noisy recording as restricted maximum likelihood sees it: where its poses may lie, and how likely.

    A clip's coordinates on the chart (dynamics/smoothing/chart.py) are splines with coefficients
    `mean + spread(z)`: where z is standard normal, these are draws from a posterior, and z = 0 is the most
    likely motion. At first, dof by dof, it is the smoother's motion; `coordinated` lets dofs move together.

    Attributes:
        model: whose motion it is.
        tree: the model's.
        fps: Hz.
        samples: (T, nq) as recorded, quaternions continuous, gaps bridged.
        confidence: (T,) noise variance is that of a frame of confidence 1 divided by it; 0: not recorded.
        chart: the coordinates' meaning.
        estimate: noise and bandwidths, dof by dof.
        mean: (T + 4, nv) spline coefficients of the most likely motion.
        groups: for the components of each bandwidth, their indices and the Cholesky factor, in bands, of
            their coefficients' precision for noise of standard deviation 1.
        components: what moves independently: dofs, or combinations of them.
        smoothed: the smoother's own trajectory.
    """

    model: mujoco.MjModel
    tree: Tree
    fps: float
    samples: Array
    confidence: Array
    chart: Chart
    estimate: reml.Estimate
    mean: Array
    groups: Groups
    components: Components
    smoothed: Trajectory

    @classmethod
    def of(
        cls,
        model: mujoco.MjModel,
        qpos: ArrayLike,
        fps: float,
        sigma: float | None = None,
        rho: float | None = None,
        confidence: ArrayLike | None = None,
    ) -> Clip:
        """The smoother's posterior of a recording qpos (T, nq), NaN rows where nothing was recorded.

        sigma, rho: of the noise, where known. confidence: (T,) from 0 to 1, as `dynamics.smoothing.smooth`.
        """
        topology = Topology.from_mjmodel(model)
        samples, missing = checked(topology, qpos, fps)
        _require_frames(~missing)
        smoothed = smooth(model, qpos, fps, confidence=confidence, sigma=sigma, rho=rho)
        scale = smoothed.kernels.scale
        _require_frames(scale > 0)
        samples = continuous(topology, samples, scale == 0)
        chart = Chart.along(topology, samples, fps)
        lifted = penalized.Samples.of(chart.lift(samples), scale, reml.prior(fps))
        noise, angles = smoothed.noise, turning_dofs(topology)
        assert noise is not None, "the smoother by restricted maximum likelihood finds it"
        found = cautious_noise(lifted, angles, fps, sigma, rho, noise.rho)
        components = single(found)
        mean, groups = posterior(components, components.levels)
        return cls(
            model=model,
            tree=Tree.from_mjmodel(model),
            fps=float(fps),
            samples=samples,
            confidence=np.where(scale > 0, 1 / np.where(scale > 0, scale, 1.0) ** 2, 0.0),
            chart=chart,
            estimate=found,
            mean=mean,
            groups=groups,
            components=components,
            smoothed=smoothed.trajectory,
        )

    def coordinated(self, widening: float) -> Clip:
        """The same recording under a prior whose dofs move together; see synergies.py.

        widening: of the bandwidths, e-folds.
        """
        together = synergies(self.estimate, turning_dofs(self.tree.topology))
        mean, groups = posterior(together, together.levels + widening)
        return replace(self, mean=mean, groups=groups, components=together)

    @property
    def noise(self) -> Noise:
        """What is taken for noise."""
        return Noise(self.estimate.sigma, self.estimate.design.rho)

    @property
    def recorded(self) -> NDArray[np.bool_]:
        """(T,) frames that have a sample."""
        return self.confidence > 0

    @property
    def trend(self) -> Array:
        """(T, nv) what the splines are added to."""
        return self.estimate.design.samples.trend[0]

    @property
    def frames(self) -> int:
        """T."""
        return len(self.samples)

    @property
    def inner(self) -> NDArray[np.int64]:
        """Dofs whose torque a muscle makes: all but free joints'."""
        topology = self.tree.topology
        free = topology.dof_addresses[topology.joints.frees][:, None] + np.arange(6)
        return np.setdiff1d(np.arange(self.model.nv), free)

    def spread(self, z: Array) -> Array:
        """Coefficients (T + 4, nv) away from the mean of standard normal numbers z (T + 4, nv)."""
        away, sigma = np.zeros_like(z), self.components.sigma
        for at, root in self.groups:
            away[:, at] = lapack.dtbtrs(root, np.asfortranarray(z[:, at] * sigma[at]), uplo="U")[0]
        return away @ self.components.weights

    def pulled(self, gradient: Array) -> Array:
        """The gradient by z (T + 4, nv) of what has this gradient by the coefficients."""
        by_components, sigma = gradient @ self.components.weights.T, self.components.sigma
        by_z = np.zeros_like(gradient)
        for at, root in self.groups:
            solved = lapack.dtbtrs(root, np.asfortranarray(by_components[:, at]), uplo="U", trans="T")[0]
            by_z[:, at] = solved * sigma[at]
        return by_z

    @functools.cached_property
    def path(self) -> PathArrays:
        """The chart's arrays."""
        return self.chart.reference, self.chart.carried, self.chart.origin, self.trend

    @functools.cached_property
    def padding(self) -> int:
        """Frames that fill the clip up to a multiple of `_BUCKET`."""
        return -self.frames % _BUCKET

    @functools.cached_property
    def padded_path(self) -> PathArrays:
        """The chart's arrays, the last frame held to fill up."""
        return tuple(jnp.asarray(filled(array, self.padding)) for array in self.path)

    def poses(self, coefficients: Array) -> Array:
        """qpos (T, nq) of spline coefficients (T + 4, nv)."""
        return np.asarray(_poses(self.tree.topology, self.path, coefficients))

    def torques(self, coefficients: Array) -> Array:
        """tau (T - 2, nv) of all frames but the first and the last, by three-point stencils."""
        with double_precision():
            return np.asarray(stencil_torques(self.tree, self.poses(coefficients), self.fps))

    def roughness(self, coefficients: Array, weights: Array) -> tuple[float, Array]:
        """Half the weighted sum of squares of the torques' differences, and its gradient (T + 4, nv).

        coefficients: (T + 4, nv). weights: (T - 3, nv) of each dof's difference from one frame to the next.
        """
        count = len(coefficients)
        fill = self.padding
        padded = np.concatenate([weights, np.zeros((fill, weights.shape[1]))])
        with double_precision():
            value, gradient = _roughness(
                filled(coefficients, fill), self.tree, self.padded_path, padded, self.fps
            )
        # What fills up has no weight, and so no gradient.
        return float(value), np.asarray(gradient)[:count]


def turning_dofs(topology: Topology) -> NDArray[np.bool_]:
    """(nv,) bool, dofs that are angles: of ball joints, hinges and free joints' rotations."""
    angles = np.zeros(topology.nv, bool)
    angles[turning(topology).ravel()] = True
    angles[topology.dof_addresses[topology.joints.hinges]] = True
    return angles


def _require_frames(recorded: NDArray[np.bool_]) -> None:
    count = int(recorded.sum())
    if count < FEWEST_FRAMES:
        raise Error(
            f"{count} of {len(recorded)} frames were recorded; refinement needs at least {FEWEST_FRAMES}"
        )


def filled(array: Array, count: int) -> Array:
    """An array (T, ...) with its last row repeated `count` times more."""
    return np.concatenate([array, np.repeat(array[-1:], count, axis=0)])


# Weights of the five quintic B-splines that are not zero at a knot.
_AT_KNOT = np.array([1.0, 26.0, 66.0, 26.0, 1.0]) / 120


def _poses(topology: Topology, path: PathArrays, coefficients: Traced) -> Traced:
    """qpos (T, nq) of spline coefficients (T + 4, nv)."""
    reference, carried, origin, trend = path
    xp = jnp if isinstance(coefficients, jax.Array) else np
    frames = len(trend)
    windows = (weight * coefficients[k : k + frames] for k, weight in zip(range(DEGREE), _AT_KNOT))
    lifted = trend + sum(windows)
    position, dof = plain(topology)
    offset = so3.rotate(so3.conjugate(carried), lifted[:, turning(topology)] - origin)
    turned = so3.normalize(so3.multiply(reference, so3.exp(offset)))
    places = np.concatenate([position, rotation_columns(topology).ravel()])
    parts = xp.concatenate([lifted[:, dof], turned.reshape(frames, -1)], axis=1)
    return parts[:, np.argsort(places)]


def stencil_torques(tree: Tree, qpos: Traced, fps: Traced) -> Traced:
    """tau (T - 2, nv) of poses (T, nq), by three-point stencils, which see the fastest mode the most.

    Central differences applied twice are blind to it: an optimiser would hide noise there.
    """
    topology = tree.topology
    xp = jnp if isinstance(qpos, jax.Array) else np
    turned = qpos[:, rotation_columns(topology)]
    steps = so3.log(so3.multiply(so3.conjugate(turned[:-1]), turned[1:]))
    position, dof = plain(topology)
    numbers = qpos[:, position]
    rates = xp.concatenate([numbers[1:] - numbers[:-1], steps.reshape(len(steps), -1)], axis=1) * fps
    rates = rates[:, np.argsort(np.concatenate([dof, turning(topology).ravel()]))]
    return rnea(tree, qpos[1:-1], (rates[1:] + rates[:-1]) / 2, (rates[1:] - rates[:-1]) * fps)


def rotation_columns(topology: Topology) -> NDArray[np.int64]:
    """(R, 4) columns of qpos that hold quaternions."""
    return quaternion_addresses(topology)[:, None] + np.arange(4)


@jax.jit
@jax.value_and_grad
def _roughness(coefficients: Traced, tree: Tree, path: PathArrays, weights: Traced, fps: Traced) -> Traced:
    tau = stencil_torques(tree, _poses(tree.topology, path, coefficients), fps)
    return (weights * (tau[1:] - tau[:-1]) ** 2).sum() / 2
