"""The methods of `smooth`: a recording in, pose, velocity, acceleration and kernels out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np

from .. import gaps
from ..errors import TrajectoryError
from ..topology import Topology
from ..trajectory import Trajectory, trajectory
from . import filters, gcv, penalized, reml, stencils
from .chart import Chart
from .kernels import Kernels, Operator, check_noise

# Fewer samples than this say nothing about noise beside the three that a quadratic takes.
_FEWEST = 8


@dataclass(frozen=True, eq=False)
class Noise:
    """A smoother's estimate of the samples' noise.

    On clips of three to five seconds the median of sigma over the joints is right to 4 % at 60 frames a
    second, and up to 20 % too large at 30 where movements are fast. Of a single joint it can be several times
    too large: movement that the frame rate cannot tell from noise. Correlation of .8 and more is often found
    a step too high (.9 for .8), and sigma with it, by up to a half: what changes from frame to frame, and so
    the smoothing, is then nearly the same.

    Attributes:
        sigma: (nv,) standard deviation of the noise of each dof's samples, rad (m for lengths).
        rho: its correlation from one frame to the next, one for all dofs.
    """

    sigma: np.ndarray
    rho: float


@dataclass(frozen=True, eq=False)
class Smoothed:
    """A smoothed motion and what its smoother knows about it.

    Attributes:
        method: the name it was asked for by.
        trajectory: pose, velocity, acceleration and which frames of them are valid.
        kernels: the weights of the samples' noise in the three; see `Kernels`.
        cutoffs: (nv,) effective -3 dB frequency of each dof's pose, Hz; None for schemes without smoothing
            and for Savitzky-Golay.
        noise: the estimate of the method that makes one ("reml"), else None.
    """

    method: str
    trajectory: Trajectory
    kernels: Kernels
    cutoffs: np.ndarray | None = None
    noise: Noise | None = None


@dataclass(frozen=True, eq=False)
class Recording:
    """A motion as the methods take it: checked, continuous, gaps bridged.

    Attributes:
        model: what it belongs to.
        topology: the model's.
        qpos: (T, nq) as given.
        samples: (T, nq) quaternions continuous in sign, missing frames bridged.
        scale: (T,) standard deviation of each frame's noise relative to sigma, 0 where it was not recorded.
        fps: Hz.
    """

    model: mujoco.MjModel
    topology: Topology
    qpos: np.ndarray
    samples: np.ndarray
    scale: np.ndarray
    fps: float

    @property
    def recorded(self) -> np.ndarray:
        """(T,) bool."""
        return self.scale > 0

    def path(self, qpos: np.ndarray, qvel: np.ndarray, qacc: np.ndarray, valid: np.ndarray) -> Trajectory:
        """A trajectory at this recording's times."""
        return Trajectory(np.arange(len(qpos)) / self.fps, qpos, qvel, qacc, valid)


def by_differences(method: str, operator: Callable[[float], Operator]) -> Callable[..., Smoothed]:
    """The method of finite differences of this name; operator: its weights at a frame rate."""

    def smoother(recording: Recording) -> Smoothed:
        qvel, qacc = stencils.differences(recording.topology, recording.samples, recording.fps, method)
        frames, reach = len(qvel), stencils.REACH[method]
        valid = np.zeros(frames, bool)
        valid[reach : frames - reach] = True
        path = recording.path(recording.samples, qvel, qacc, valid)
        return Smoothed(method, path, _shared(recording, operator(recording.fps)))

    return smoother


def by_spline(recording: Recording) -> Smoothed:
    """The quintic spline through the samples, as `trajectory` without a cutoff."""
    path = trajectory(recording.model, recording.qpos, recording.fps, None)
    return Smoothed("spline", path, _shared(recording, filters.spline(recording.fps)))


def by_butterworth(recording: Recording, cutoff: float = 6.0, method: str = "butterworth") -> Smoothed:
    """`trajectory` with a cutoff in Hz."""
    if cutoff is None:
        raise TrajectoryError("cutoff is None; accepted: Hz (no filter is method 'spline')")
    path = trajectory(recording.model, recording.qpos, recording.fps, cutoff)
    kernels = _shared(recording, filters.spline(recording.fps, cutoff))
    return Smoothed(method, path, kernels, np.full(recording.topology.nv, float(cutoff)))


def by_winter(recording: Recording) -> Smoothed:
    """Butterworth with the cutoff of Winter's residual analysis, over all rotations and hinges together."""
    lifted = Chart.along(recording.topology, recording.samples, recording.fps).lift(recording.samples)
    angles = _angles(recording.topology)
    deciding = lifted[:, angles] if angles.any() else lifted
    return by_butterworth(recording, filters.residual_cutoff(deciding, recording.fps), "winter")


def by_savitzky_golay(recording: Recording, window: float = 1.0, degree: int = 5) -> Smoothed:
    """Polynomials of a degree in a window of seconds, on the chart's coordinates."""
    frames = len(recording.samples)
    operator, reach = filters.savitzky_golay(frames, recording.fps, window, degree)
    chart = Chart.along(recording.topology, recording.samples, recording.fps)
    valid = np.zeros(frames, bool)
    valid[reach : frames - reach] = True
    path = recording.path(*chart.lower(operator(chart.lift(recording.samples))), valid)
    return Smoothed("savitzky-golay", path, _shared(recording, operator))


def by_gcv(recording: Recording) -> Smoothed:
    """Smoothing splines of order 3, a level by cross-validation for every dof."""
    chart, samples = _lifted(recording, gcv.PRIOR)
    design = penalized.Design.of(samples, 0.0)
    return _penalized("gcv", recording, chart, design, penalized.rounded(gcv.levels(design)))


def by_reml(
    recording: Recording,
    sigma: float | None = None,
    rho: float | None = None,
    corner: float | None = reml.CORNER,
) -> Smoothed:
    """Smoothing splines whose noise and bandwidths restricted maximum likelihood finds; see reml.py."""
    check_noise(0.0 if sigma is None else sigma, 0.0 if rho is None else rho)
    if corner is not None and not (np.isfinite(corner) and corner > 0):
        raise TrajectoryError(f"corner is {corner} Hz; accepted: a finite frequency above 0, or None")
    chart, samples = _lifted(recording, reml.prior(recording.fps, corner))
    found = reml.estimate(samples, _angles(recording.topology), sigma, rho)
    noise = Noise(found.sigma, found.design.rho)
    return _penalized("reml", recording, chart, found.design, found.levels, noise)


def _lifted(recording: Recording, prior: tuple[float, ...]) -> tuple[Chart, penalized.Samples]:
    """The chart along a recording, and its coordinates there under a prior (see `quintic.basis`)."""
    count = int(recording.recorded.sum())
    if count < _FEWEST:
        raise TrajectoryError(
            f"{count} of {len(recording.scale)} frames were recorded; at least {_FEWEST} are needed to tell "
            "noise from movement"
        )
    chart = Chart.along(recording.topology, recording.samples, recording.fps)
    return chart, penalized.Samples.of(chart.lift(recording.samples), recording.scale, prior)


def _penalized(
    method: str,
    recording: Recording,
    chart: Chart,
    design: penalized.Design,
    levels: np.ndarray,
    noise: Noise | None = None,
) -> Smoothed:
    fps = recording.fps
    curves = design.curves(levels) * np.array([1.0, fps, fps**2])[:, None, None]
    different, groups = np.unique(levels, return_inverse=True)
    operators = tuple(design.operator(level, fps) for level in different)
    kernels = Kernels(len(recording.samples), groups, operators, recording.scale)
    valid = design.certain(float(np.median(levels)))
    path = recording.path(*chart.lower(curves), valid)
    return Smoothed(method, path, kernels, penalized.cutoffs(design, levels, fps), noise)


def _shared(recording: Recording, operator: Operator) -> Kernels:
    """Kernels of one scheme for all dofs; bridged frames pass on the noise of those beside the gap."""
    frames, missing = len(recording.scale), ~recording.recorded
    groups = np.zeros(recording.topology.nv, int)
    if not missing.any():
        return Kernels(frames, groups, (operator,), recording.scale)

    def bridged(samples: np.ndarray) -> np.ndarray:
        return operator(gaps.bridge(samples, missing))

    return Kernels(frames, groups, (bridged,), recording.scale)


def _angles(topology: Topology) -> np.ndarray:
    """(nv,) bool, the dofs that are angles: all but slides and the translations of free joints."""
    angles = np.ones(topology.nv, bool)
    angles[topology.dof_addresses[topology.joints.slides]] = False
    angles[topology.dof_addresses[topology.joints.frees][:, None] + np.arange(3)] = False
    return angles
