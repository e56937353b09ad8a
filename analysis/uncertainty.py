"""A standard deviation and a 95 % band for every torque, and where not to believe them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynamics import Wrench, inverse_dynamics
from dynamics.samples import checked, continuous
from dynamics.smoothing import Smoothed
from dynamics.topology import Topology
from smpl2mjcf.floor import Flight

from .amplification import NORMAL_95, TorqueNoise, propagated, torque_noise
from .body_uncertainty import BodyUncertainty, body_covariance
from .dof_blocks import DofBlocks
from .errors import Error
from .pose_noise import PoseNoise
from .posterior import PENALIZED, MissedMovement, angles_of, missed_movement, posterior_grams, residuals

Array = NDArray[np.float64]

SHORTEST = 2.0
"""s: on shorter clips a smoother's noise estimate is no better than a guess."""
CORRELATED = 0.9
SLOW_RATE = 45.0
"""Hz. Noise that correlates this much at such a rate is as slow as the movement."""
IMPACT = 0.1
"""s around take-off and landing, which a smoother rounds off: errors are some four times larger there."""
UNSMOOTHED = ("spline", "central", "three-point")


@dataclass(frozen=True, eq=False)
class TorqueUncertainty:
    """Torques with error bars.

    Attributes:
        tau: (T, nv) N m, the estimate.
        pose: covariance that errors of the pose give them, by blocks.
        body: (T, K, 3, 3) N2 m2, that of an uncertain body; None where the body was taken for known.
        doubtful: (T, nv) bool: bands there are known to fail; see `warnings`.
        warnings: why, one line each, with joints and times.
        valid: (T,) bool, frames of which the smoother is certain.
        missed: movement that the residuals show to be smoothed away; None where nothing was smoothed.
    """

    tau: Array
    pose: TorqueNoise
    body: Array | None
    doubtful: NDArray[np.bool_]
    warnings: tuple[str, ...]
    valid: NDArray[np.bool_]
    missed: MissedMovement | None = None

    @property
    def total(self) -> TorqueNoise:
        """Covariance of pose and body together, taken for independent."""
        if self.body is None:
            return self.pose
        return TorqueNoise(self.pose.blocks, self.pose.covariance + self.body)

    @property
    def sd(self) -> Array:
        """(T, nv) standard deviation of each torque, N m."""
        return self.total.sd

    @property
    def band(self) -> tuple[Array, Array]:
        """Lower and upper end (T, nv) of the 95 % band of each torque, N m."""
        half = NORMAL_95 * self.sd
        return self.tau - half, self.tau + half


def torque_uncertainty(
    model: mujoco.MjModel,
    qpos: ArrayLike,
    fps: float,
    smoothed: Smoothed,
    noise: PoseNoise | None = None,
    body: BodyUncertainty | None = None,
    flights: Sequence[Flight] = (),
    wrench: Wrench | None = None,
) -> TorqueUncertainty:
    """Torques of a smoothed motion with their standard deviations and 95 % bands.

    What errors of the pose contribute:

    - unsmoothed schemes: the law, for the noise given;
    - "reml" (and "gcv", for the noise given): the smoother's posterior, and what its residuals hold beyond
      noise (posterior.py). "reml" finds its noise itself: one sigma for all rotations, the median of those of
      their components (a component with hidden movement claims too much noise), unless `noise` is given;
    - other filters: the law for the noise given, and what the residuals hold beyond it.

    Bands are taken about the estimate, at its own poses. They hold for noise as the model of it says, without
    the bias of a constant offset unless `noise` has one, and know nothing of ground forces beyond `wrench`.

    Args:
        model: the bodies; read only.
        qpos: (T, nq) the samples that were smoothed, NaN rows where not recorded.
        fps: Hz.
        smoothed: what `dynamics.smoothing.smooth` made of them.
        noise: of the samples, where it is known.
        body: how uncertain the body is.
        flights: `smpl2mjcf.flights` of the motion: bands fail at their landings and take-offs.
        wrench: external forces, (T, nbody, 3) each.

    Raises:
        Error: for samples of another length than what was smoothed, and where the noise of a method that
            finds none itself is not given.
        dynamics.Error: as `dynamics.rnea`.
    """
    topology = Topology.from_mjmodel(model)
    samples, missing = checked(topology, qpos, fps)
    path, kernels = smoothed.trajectory, smoothed.kernels
    if len(samples) != kernels.frames:
        raise Error(f"qpos has {len(samples)} frames; what was smoothed had {kernels.frames}")
    if noise is None and smoothed.noise is None:
        raise Error(
            f"method {smoothed.method!r} does not find the samples' noise; "
            "give it with noise=PoseNoise.of(...)"
        )
    if noise is not None and len(noise.sigma) != topology.nv:
        raise Error(f"the noise has {len(noise.sigma)} dofs; this model has {topology.nv}")
    angles = angles_of(topology)
    sigma, rho = _noise_level(smoothed, noise, angles)
    missed = None
    if smoothed.method not in UNSMOOTHED:
        left = residuals(topology, continuous(topology, samples, missing), smoothed, fps)
        missed = missed_movement(left, sigma, rho, kernels.scale, angles, fps)
    extra = np.zeros((topology.nv, 1, 3, 3)) if missed is None else missed.grams[:, None]
    if smoothed.method in PENALIZED and smoothed.cutoffs is not None:
        grams = posterior_grams(kernels, sigma, rho, smoothed.cutoffs, fps) + extra
        if noise is not None and noise.bias.any():
            grams = grams + noise.bias[:, None, None, None] ** 2 * kernels.gram(0.0, bias=1.0)[kernels.groups]
        pose = propagated(model, path, grams, wrench)
    else:
        assert noise is not None
        pose = torque_noise(model, path, kernels, noise, wrench)
        if missed is not None:
            repeated = np.broadcast_to(extra, (topology.nv, kernels.frames, 3, 3))
            added = propagated(model, path, repeated, wrench)
            pose = TorqueNoise(pose.blocks, pose.covariance + added.covariance)
    doubtful, warnings = _doubts(topology, smoothed, rho, missed, flights, fps)
    tau = inverse_dynamics(model, path, wrench).tau
    return TorqueUncertainty(
        tau,
        pose,
        None if body is None else body_covariance(model, path, body, wrench),
        doubtful,
        warnings,
        np.asarray(path.valid),
        missed,
    )


def _noise_level(
    smoothed: Smoothed, noise: PoseNoise | None, angles: NDArray[np.bool_]
) -> tuple[Array, float]:
    """(nv,) standard deviation and correlation of the samples' changing noise."""
    if noise is not None:
        return noise.sigma, noise.rho
    found: Any = smoothed.noise
    sigma = np.array(found.sigma, dtype=np.float64)
    if angles.any():
        sigma[angles] = np.median(sigma[angles])
    return sigma, float(found.rho)


def _doubts(
    topology: Topology,
    smoothed: Smoothed,
    rho: float,
    missed: MissedMovement | None,
    flights: Sequence[Flight],
    fps: float,
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Where bands are known to fail, (T, nv), and why."""
    frames = smoothed.kernels.frames
    doubtful = np.zeros((frames, topology.nv), bool)
    warnings: list[str] = []
    finds_noise = smoothed.noise is not None
    seconds = (frames - 1) / fps
    if seconds < SHORTEST and finds_noise:
        doubtful[:] = True
        warnings.append(
            f"all joints, whole clip: {seconds:.2f} s are too short to tell noise from movement "
            f"(bands are calibrated from {SHORTEST:g} s on)"
        )
    if rho >= CORRELATED and fps <= SLOW_RATE and finds_noise:
        doubtful[:] = True
        warnings.append(
            f"all joints, whole clip: noise that correlates by {rho:g} from frame to frame at {fps:g} fps is "
            "as slow as movement; bands come out too narrow or too wide"
        )
    if smoothed.method not in UNSMOOTHED:
        around = int(np.ceil(IMPACT * fps))
        for flight in flights:
            for frame, what in ((flight.start, "take-off"), (flight.end, "landing")):
                doubtful[max(0, frame - around) : frame + around + 1] = True
                warnings.append(
                    f"legs and trunk, {max(0.0, frame / fps - IMPACT):.2f}-{frame / fps + IMPACT:.2f} s: "
                    f"{what}; smoothing rounds off impacts, and torques err beyond their bands"
                )
    if missed is not None and len(missed.frequencies):
        blocks = DofBlocks.of(topology)
        size = np.sqrt(blocks.grouped(missed.grams[:, 0, 0]).sum(-1))
        moving = [blocks.names[k] for k in np.argsort(-size) if blocks.is_angle[k] and size[k] > 0]
        near = ", ".join(f"{f:.1f}" for f in _merged(missed.frequencies, fps / frames))
        warnings.append(
            f"{', '.join(moving[:3])} and others: movement near {near} Hz was smoothed away; the bands are "
            "widened for it"
        )
    invalid = ~np.asarray(smoothed.trajectory.valid)
    doubtful[invalid] = True
    if invalid.any():
        warnings.append(f"all joints, {int(invalid.sum())} frames at the ends and at gaps: extrapolated")
    return doubtful, tuple(warnings)


def _merged(frequencies: Array, spacing: float) -> Array:
    """The middles of runs of neighbouring frequencies."""
    runs = np.split(frequencies, np.flatnonzero(np.diff(frequencies) > 1.5 * spacing) + 1)
    return np.array([run.mean() for run in runs])
