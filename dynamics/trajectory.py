"""Velocities and accelerations of a recorded motion, smoothed on the rotation manifold."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import jax
import mujoco
import numpy as np
from scipy.interpolate import make_interp_spline

from . import gaps, lowpass, so3
from .errors import StateError, TrajectoryError
from .states import as_float64, check_values
from .topology import Topology

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

_SPLINE_DEGREE = 5
# A frame is valid if no more than this share of what it is computed from lies beyond the recording.
_EXTRAPOLATED_SHARE = 0.01


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Trajectory:
    """A motion with its derivatives, in MuJoCo's coordinates and axes; a JAX pytree.

    Attributes:
        time: (T,) s, from 0.
        qpos: (T, nq) m, rad and unit quaternions wxyz without jumps of sign.
        qvel: (T, nv) m/s and rad/s; free joint [linear in world axes; angular in body axes], ball joint in
            the child body's axes.
        qacc: (T, nv) m/s2 and rad/s2, the time derivative of qvel.
        valid: (T,) bool, False where the ends are extrapolated or a gap is bridged (see `trajectory`).
    """

    time: Array
    qpos: Array
    qvel: Array
    qacc: Array
    valid: Array


def trajectory(model: mujoco.MjModel, qpos: Any, fps: float, cutoff: float | None = 6.0) -> Trajectory:
    """The motion smoothed, with its velocities and accelerations, frame by frame.

    A reference calculation in float64 NumPy and SciPy; it neither traces nor runs on a device.

    Smoothing: a zero-lag Butterworth low-pass (forward and backward, fourth order together) whose gain at
    `cutoff` is -3 dB for both passes together (see lowpass.py). Positions, slides and hinges are filtered
    as they are. Rotations are made continuous (q and -q are one rotation), all four components pass the
    same filter and the result is brought back to unit length. A linear filter on all of R^4 commutes with
    multiplication from the left and the right, so the result depends neither on the choice of the world
    frame nor of the body frame, and a constant spin stays the same spin. For swings small against a
    radian, `cutoff` is the cutoff of the angle; a wide and fast swing is filtered as its quaternion is.

    Before the filter, the ends are continued by point reflection: `2 x_0 - x_k` for numbers, and its
    counterpart on the manifold, `q_0 q_k^-1 q_0`, for rotations.

    Differentiation: the quintic spline through the smoothed samples s, differentiated exactly. With unit
    samples, `omega = 2 vec(s* s')` and `alpha = 2 vec(s* s'') - 2 (s . s') omega` in body axes; the last
    term removes the change of length of s between the samples. Central differences would lose the share
    `1 - (2 - 2 cos(w dt)) / (w dt)^2` of an acceleration of frequency w: 12 % at 6 Hz and 30 frames a
    second, where the spline gains 0.5 %.

    Valid frames: the acceleration of a frame is a weighted sum of samples; the weights (filter and spline
    together) fade with distance. A frame is valid if at most 1 % of the sum of their absolute values falls
    on samples that were never recorded. Position and velocity have shorter weights, so the rule covers
    them. At 6 Hz it leaves out .17 s at either end at 30 frames a second and .13 s at 120.

    Gaps: rows of qpos that are NaN throughout were not recorded. They are bridged (`gaps.bridge`), which
    the filter needs, and neither they nor the frames whose weights reach them are valid, by the same rule.

    Args:
        model: what the motion belongs to; it is only read.
        qpos: (T, nq) m, rad and quaternions wxyz (length 1 within 1e-3, then normalised); NaN in the rows
            of frames that were not recorded.
        fps: frames a second, Hz; the samples are equally spaced.
        cutoff: effective -3 dB frequency, Hz, below fps / 2; None for no filter.

    Returns:
        A Trajectory with T frames in float64.

    Raises:
        ModelError: as `Tree.from_mjmodel`.
        StateError: for a wrong shape (both shown), NaN (names frames and joint) or quaternions far from
            unit length.
        TrajectoryError: for a frame rate or cutoff out of range, or a clip so short or so full of gaps that
            no frame of it would be valid (states how many frames it needs).

    Source: Winter (2009), "Biomechanics and motor control of human movement", section 3.4.4,
    doi:10.1002/9780470549148, for the filter; Solà (2017), arXiv:1711.02508, equation 201, for
    `omega = 2 q* q'`.
    """
    topology = Topology.from_mjmodel(model)
    samples, missing = _check(topology, qpos, fps)
    lost = _lost_share(fps, cutoff)
    needed = _frames_needed(lost)
    if len(samples) < needed:
        raise TrajectoryError(
            f"the clip has {len(samples)} frames; a cutoff of {cutoff} Hz at {fps:g} frames a second needs "
            f"at least {needed} for one frame that is not extrapolated"
        )
    from_start = np.arange(len(samples))
    # Beyond the length of the weights nothing is lost.
    share = np.append(lost, 0.0)
    from_start = np.minimum(from_start, len(lost))
    beyond = share[from_start] + share[from_start[::-1]] + gaps.missing_share(missing, lost)
    valid = beyond <= _EXTRAPOLATED_SHARE
    if not valid.any():
        raise TrajectoryError(
            f"{int(missing.sum())} of {len(samples)} frames were not recorded; at a cutoff of {cutoff} Hz no "
            f"frame is far enough from a gap (an unbroken run of {needed} frames has one)"
        )
    samples = _continuous(topology, samples, missing)
    if cutoff is not None:
        samples = _smooth(topology, samples, lowpass.design(cutoff, fps))
    qvel, qacc = _differentiate(topology, samples, fps)
    return Trajectory(np.arange(len(samples)) / fps, samples, qvel, qacc, valid)


def _check(topology: Topology, qpos: Any, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """The samples (T, nq), and (T,) which of them were not recorded."""
    samples = as_float64("qpos", qpos)
    if samples.ndim != 2 or samples.shape[1] != topology.nq:
        raise StateError(f"qpos has shape {samples.shape}; this model needs (T, {topology.nq})")
    missing = gaps.missing_frames(samples)
    if len(missing) and missing.all():
        raise StateError(f"none of the {len(missing)} frames was recorded: every row of qpos is NaN")
    # Checked with a recorded row in their place, so that the frames of a message are the caller's.
    check_values(topology, "qpos", np.where(missing[:, None], samples[np.argmin(missing)], samples))
    if not (isinstance(fps, int | float | np.number) and math.isfinite(fps) and fps > 0):
        raise TrajectoryError(f"fps is {fps!r}; accepted: a finite number of frames a second above 0")
    return samples, missing


def _quaternions(topology: Topology, samples: np.ndarray) -> list[np.ndarray]:
    """Views (T, 4) of the samples' quaternions."""
    return [samples[:, address : address + 4] for address in topology.quaternion_addresses]


def _continuous(topology: Topology, samples: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """The samples with gaps bridged, and unit quaternions on the same side of the sphere as the last."""
    samples = samples.copy()
    recorded = samples[~missing]
    for q in _quaternions(topology, recorded):
        flips = np.where((q[1:] * q[:-1]).sum(axis=-1) < 0, -1, 1)
        q *= np.cumprod(np.append(1, flips))[:, None]
        q[:] = so3.normalize(q)
    samples[~missing] = recorded
    if missing.any():
        samples = gaps.bridge(samples, missing)
        for q in _quaternions(topology, samples):
            q[:] = so3.normalize(q)
    return samples


def _smooth(topology: Topology, samples: np.ndarray, sections: np.ndarray) -> np.ndarray:
    padding = min(len(samples) - 1, lowpass.decay(sections))
    before, after = samples[padding:0:-1], samples[-2 : -padding - 2 : -1]
    ends = [(samples[:1], before), (samples[-1:], after)]
    reflected = [2 * end - inner for end, inner in ends]
    for (end, inner), outer in zip(ends, reflected):
        views = (_quaternions(topology, array) for array in (end, inner, outer))
        for q_end, q_inner, q_outer in zip(*views):
            q_outer[:] = so3.multiply(so3.multiply(q_end, so3.conjugate(q_inner)), q_end)
    padded = np.concatenate([reflected[0], samples, reflected[1]])
    smoothed = lowpass.smooth(sections, padded)[padding : padding + len(samples)].copy()
    for q in _quaternions(topology, smoothed):
        q[:] = so3.normalize(q)
    return smoothed


def _differentiate(topology: Topology, samples: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    rates, second_rates = _spline_rates(samples, fps)
    qvel = np.empty((len(samples), topology.nv))
    qacc = np.empty_like(qvel)
    (hinges, slides, balls, frees), position = topology.joints, topology.qpos_addresses
    dof = topology.dof_addresses
    plain = [(position[j], dof[j], 1) for j in (*hinges, *slides)] + [(position[j], dof[j], 3) for j in frees]
    for q_at, v_at, count in plain:
        qvel[:, v_at : v_at + count] = rates[:, q_at : q_at + count]
        qacc[:, v_at : v_at + count] = second_rates[:, q_at : q_at + count]
    turning = [(position[j], dof[j]) for j in balls] + [(position[j] + 3, dof[j] + 3) for j in frees]
    for q_at, v_at in turning:
        s, s_rate, s_second = (a[:, q_at : q_at + 4] for a in (samples, rates, second_rates))
        inverse = so3.conjugate(s)
        omega = 2 * so3.multiply(inverse, s_rate)[:, 1:]
        stretch = 2 * (s * s_rate).sum(axis=-1, keepdims=True)
        qvel[:, v_at : v_at + 3] = omega
        qacc[:, v_at : v_at + 3] = 2 * so3.multiply(inverse, s_second)[:, 1:] - stretch * omega
    return qvel, qacc


def _spline_rates(samples: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """First and second time derivatives at the samples (T, n) of the quintic spline through them."""
    # In units of frames, which keeps the spline's equations well scaled whatever the rate.
    frames = np.arange(len(samples), dtype=np.float64)
    spline = make_interp_spline(frames, samples, k=_SPLINE_DEGREE)
    return spline(frames, 1) * fps, spline(frames, 2) * fps**2


@functools.lru_cache(maxsize=64)
def _lost_share(fps: float, cutoff: float | None) -> np.ndarray:
    """Share of an acceleration's weights further than m frames to one side, for m = 0, 1, ...

    The weights are read off an impulse in the middle of a clip so long that its ends do not matter.
    """
    sections = None if cutoff is None else lowpass.design(cutoff, fps)
    half = 40 + (0 if sections is None else 2 * lowpass.decay(sections))
    impulse = np.zeros((2 * half + 1, 1))
    impulse[half] = 1
    if sections is not None:
        impulse = lowpass.smooth(sections, impulse)
    weights = np.abs(_spline_rates(impulse, 1.0)[1][half:, 0])
    total = 2 * weights.sum() - weights[0]
    return np.append(np.cumsum(weights[:0:-1])[::-1], 0.0) / total


def _frames_needed(lost: np.ndarray) -> int:
    """Frames of the shortest clip with a valid frame: its middle one loses the least."""
    lengths = np.arange(_SPLINE_DEGREE + 1, 2 * len(lost))
    middle = lost[(lengths - 1) // 2] + lost[lengths // 2]
    return int(lengths[np.argmax(middle <= _EXTRAPOLATED_SHARE)])
