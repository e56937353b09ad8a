"""Velocities and accelerations of a recorded motion, smoothed on the rotation manifold."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

from . import gaps, lowpass, traced_trajectory
from .errors import StateError, TrajectoryError
from .motion_rows import MotionRows
from .precision import canonical_dtype
from .samples import SPLINE_DEGREE, checked, continuous, low_pass, require_fps, spline_rates
from .states import as_array, is_traced
from .topology import Topology

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

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

    Of arrays with values this is a calculation in float64 by NumPy and SciPy, with every check below. A
    traced qpos (under jit, vmap, grad, jacfwd) gives the same numbers to rounding, in its own float type,
    and takes a few megabytes beside input and output; the model, fps and cutoff are constants of the trace.
    Its values are not looked at: NaN are not gaps, `valid` follows from T, fps and cutoff alone, and
    quaternions of any length are normalised. In float32 the rounding error of qacc is about 1e-5 fps^2
    times the size of qpos: keep the root near the origin, or trace in float64.

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
            of frames that were not recorded. Batches come by vmap.
        fps: frames a second, Hz; the samples are equally spaced.
        cutoff: effective -3 dB frequency, Hz, below fps / 2; None for no filter.

    Returns:
        A Trajectory with T frames, NumPy arrays in float64 or as traced as qpos.

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
    if is_traced(qpos):
        return _traced(topology, qpos, fps, cutoff)
    samples, missing = checked(topology, qpos, fps)
    valid = _valid(missing, fps, cutoff)
    samples = continuous(topology, samples, missing)
    if cutoff is not None:
        samples = low_pass(topology, samples, lowpass.design(cutoff, fps))
    qvel, qacc = _differentiate(topology, samples, fps)
    return Trajectory(np.arange(len(samples)) / fps, samples, qvel, qacc, valid)


def _traced(topology: Topology, qpos: Array, fps: float, cutoff: float | None) -> Trajectory:
    qpos, rate, limit, valid = checked_trace(topology, qpos, fps, cutoff)
    smooth, qvel, qacc = traced_trajectory.smooth_and_differentiate(topology, qpos, rate, limit)
    time = jnp.asarray(np.arange(len(qpos)) / fps, qpos.dtype)
    return Trajectory(time, smooth, qvel, qacc, jnp.asarray(valid))


def checked_trace(
    topology: Topology, qpos: Array, fps: float, cutoff: float | None
) -> tuple[Array, float, float | None, np.ndarray]:
    """What `traced_trajectory` takes, in JAX's float type: qpos, fps and cutoff; and `Trajectory.valid`.

    Raises:
        StateError, TrajectoryError: as `trajectory`, but for values.
    """
    qpos = as_array("qpos", qpos)
    if qpos.ndim != 2 or qpos.shape[1] != topology.nq:
        raise StateError(f"qpos has shape {qpos.shape}; this model needs (T, {topology.nq}), batches by vmap")
    require_fps(fps)
    valid = _valid(np.zeros(len(qpos), dtype=bool), fps, cutoff)
    limit = None if cutoff is None else float(cutoff)
    return qpos.astype(canonical_dtype(qpos)), float(fps), limit, valid


def _valid(missing: np.ndarray, fps: float, cutoff: float | None) -> np.ndarray:
    """(T,) which frames rest on the recording, of which the frames `missing` (T,) are no part."""
    if not isinstance(cutoff, int | float | np.number | None):
        raise TrajectoryError(f"cutoff is {cutoff!r}; accepted: a number of Hz, or None for no filter")
    lost = _lost_share(fps, cutoff)
    needed = _frames_needed(lost)
    frames = len(missing)
    if frames < needed:
        raise TrajectoryError(
            f"the clip has {frames} frames; a cutoff of {cutoff} Hz at {fps:g} frames a second needs "
            f"at least {needed} for one frame that is not extrapolated"
        )
    # Beyond the length of the weights nothing is lost.
    share = np.append(lost, 0.0)
    from_start = np.minimum(np.arange(frames), len(lost))
    beyond = share[from_start] + share[from_start[::-1]] + gaps.missing_share(missing, lost)
    valid = beyond <= _EXTRAPOLATED_SHARE
    if not valid.any():
        raise TrajectoryError(
            f"{int(missing.sum())} of {frames} frames were not recorded; at a cutoff of {cutoff} Hz no "
            f"frame is far enough from a gap (an unbroken run of {needed} frames has one)"
        )
    return valid


def _differentiate(topology: Topology, samples: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    rows_of = MotionRows.of(topology)
    curves = map(rows_of.from_qpos, (samples, *spline_rates(samples, fps)))
    qvel, qacc = map(rows_of.to_dofs, rows_of.motion(*curves))
    return np.ascontiguousarray(qvel), np.ascontiguousarray(qacc)


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
    weights = np.abs(spline_rates(impulse, 1.0)[1][half:, 0])
    total = 2 * weights.sum() - weights[0]
    return np.append(np.cumsum(weights[:0:-1])[::-1], 0.0) / total


def _frames_needed(lost: np.ndarray) -> int:
    """Frames of the shortest clip with a valid frame: its middle one loses the least."""
    lengths = np.arange(SPLINE_DEGREE + 1, 2 * len(lost))
    middle = lost[(lengths - 1) // 2] + lost[lengths // 2]
    return int(lengths[np.argmax(middle <= _EXTRAPOLATED_SHARE)])
