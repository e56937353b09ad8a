"""Recorded samples made ready: checked, continuous, low-passed, differentiated. NumPy and SciPy, float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.interpolate import make_interp_spline

from . import gaps, lowpass, so3
from .errors import StateError, TrajectoryError
from .states import as_float64, check_values
from .topology import Topology

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

SPLINE_DEGREE = 5


def checked(topology: Topology, qpos: Any, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """The samples (T, nq) in float64, and (T,) bool which of them were not recorded.

    Raises:
        StateError: for a wrong shape (both shown), NaN or infinity (names frames and joint), quaternions far
            from unit length, and if no frame was recorded.
        TrajectoryError: for a frame rate that is none.
    """
    samples = as_float64("qpos", qpos)
    if samples.ndim != 2 or samples.shape[1] != topology.nq:
        raise StateError(f"qpos has shape {samples.shape}; this model needs (T, {topology.nq})")
    missing = gaps.missing_frames(samples)
    if len(missing) and missing.all():
        raise StateError(f"none of the {len(missing)} frames was recorded: every row of qpos is NaN")
    # Checked with a recorded row in their place, so that the frames of a message are the caller's.
    check_values(topology, "qpos", np.where(missing[:, None], samples[np.argmin(missing)], samples))
    require_fps(fps)
    return samples, missing


def require_fps(fps: float) -> None:
    """Return if this is a frame rate in Hz, and not a traced one; else raise TrajectoryError."""
    if not (isinstance(fps, int | float | np.number) and math.isfinite(fps) and fps > 0):
        raise TrajectoryError(f"fps is {fps!r}; accepted: a finite number of frames a second above 0")


def quaternions(topology: Topology, samples: np.ndarray) -> list[np.ndarray]:
    """Views (T, 4) of the samples' quaternions."""
    return [samples[:, address : address + 4] for address in topology.quaternion_addresses]


def continuous(topology: Topology, samples: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """The samples with gaps bridged, and unit quaternions on the same side of the sphere as the last."""
    samples = samples.copy()
    recorded = samples[~missing]
    for q in quaternions(topology, recorded):
        flips = np.where((q[1:] * q[:-1]).sum(axis=-1) < 0, -1, 1)
        q *= np.cumprod(np.append(1, flips))[:, None]
        q[:] = so3.normalize(q)
    samples[~missing] = recorded
    if missing.any():
        samples = gaps.bridge(samples, missing)
        for q in quaternions(topology, samples):
            q[:] = so3.normalize(q)
    return samples


def low_pass(topology: Topology, samples: np.ndarray, sections: np.ndarray) -> np.ndarray:
    """Continuous samples (T, nq) through a zero-lag low-pass (see lowpass.py), quaternions in R^4.

    The ends are continued by point reflection, on the manifold for rotations: `q_0 q_k^-1 q_0`.
    """
    padding = min(len(samples) - 1, lowpass.decay(sections))
    before, after = samples[padding:0:-1], samples[-2 : -padding - 2 : -1]
    ends = [(samples[:1], before), (samples[-1:], after)]
    outers = [2 * end - inner for end, inner in ends]
    for (end, inner), outer in zip(ends, outers):
        views = (quaternions(topology, array) for array in (end, inner, outer))
        for q_end, q_inner, q_outer in zip(*views):
            q_outer[:] = reflected(q_end, q_inner)
    padded = np.concatenate([outers[0], samples, outers[1]])
    smoothed = lowpass.smooth(sections, padded)[padding : padding + len(samples)].copy()
    for q in quaternions(topology, smoothed):
        q[:] = so3.normalize(q)
    return smoothed


def spline_rates(samples: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """First and second time derivatives at the samples (T, ...) of the quintic spline through them."""
    # In units of frames, which keeps the spline's equations well scaled whatever the rate.
    frames = np.arange(len(samples), dtype=np.float64)
    spline = make_interp_spline(frames, samples, k=SPLINE_DEGREE)
    return spline(frames, 1) * fps, spline(frames, 2) * fps**2


def body_rates(q: np.ndarray, rate: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Angular velocity and acceleration (..., 3), body axes, of unit quaternions and their two derivatives.

    The last term of `alpha = 2 vec(q* q'') - 2 (q . q') omega` removes the change of length of an
    interpolated q between the samples.

    Source: Solà (2017), arXiv:1711.02508, equation 201.
    """
    omega, alpha = component_rates(*map(so3.components, (q, rate, second)))
    return np.stack(omega, axis=-1), np.stack(alpha, axis=-1)


def component_rates(
    q: Sequence[Array], rate: Sequence[Array], second: Sequence[Array]
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """The same as `body_rates` on the components of quaternions, NumPy's arrays or JAX's: (x, y, z) twice."""
    w, x, y, z = q
    inverse = w, -x, -y, -z
    omega = tuple(2 * part for part in so3.multiply_components(inverse, rate)[1:])
    stretch = 2 * (w * rate[0] + x * rate[1] + y * rate[2] + z * rate[3])
    turning = so3.multiply_components(inverse, second)[1:]
    return omega, tuple(2 * part - stretch * spin for part, spin in zip(turning, omega))


def reflected(end: Array, inner: Array) -> Array:
    """The quaternions inner (..., 4) on the other side of end: `q q_k^-1 q`, as `2 x - x_k` of numbers."""
    return so3.multiply(so3.multiply(end, so3.conjugate(inner)), end)
