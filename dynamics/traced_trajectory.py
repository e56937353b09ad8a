"""The trajectory of a traced motion: window after window along time, so that memory stays flat.

The numbers are those of trajectory.py. There SciPy filters and differentiates the whole recording; here each
window carries so many frames on either side that what lies further off weighs less than rounding.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import signal

from . import lowpass, quintic_spline
from .motion_rows import MotionRows
from .recursion import Recursion
from .topology import Topology

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

Finish = Callable[[Any, Array, Array, Array], Any]

_ROUNDING = 1e-16
# Frames of a window. On a processor its rows stay in the cache; an accelerator wants work for all its cores.
_CPU_WINDOW, _ACCELERATOR_WINDOW = 2048, 65536
# A filter that reaches so many frames is applied to the whole recording at once.
_LONGEST_MARGIN = 4096


@dataclass(frozen=True, eq=False)
class Filter:
    """The low-pass filter of lowpass.py: one pass each way for ends, both in one inside a recording."""

    forward: Recursion
    backward: Recursion
    both: Recursion
    padding: int  # frames by which the ends are continued, as `lowpass.decay`
    reach: int  # frames after which the weights are below rounding


@functools.lru_cache(maxsize=64)
def low_pass(fps: float, cutoff: float) -> Filter:
    """The filter of `lowpass.design`; raises TrajectoryError as that does."""
    sections = lowpass.design(cutoff, fps)
    b, a = sections[0, :3], sections[0, 3:]
    poles = np.roots(a)
    reach = math.log(_ROUNDING) / math.log(max(np.abs(poles).max(), 1e-3))
    reach = 16 * math.ceil((reach + 2) / 16)  # whole blocks of `Recursion`
    response = signal.lfilter(b, a, np.eye(1, reach)[0])
    both = np.array([response[k:] @ response[: reach - k] for k in range(3)])
    forward = Recursion.from_response(response[:3], poles, future=False)
    backward = Recursion.from_response(response[:3], poles, past=False)
    return Filter(forward, backward, Recursion.from_response(both, poles), lowpass.decay(sections), reach)


def smooth_and_differentiate(
    topology: Topology, qpos: Array, fps: float, cutoff: float | None
) -> tuple[Array, Array, Array]:
    """The smoothed qpos (T, nq), qvel (T, nv) and qacc (T, nv) of a motion qpos (T, nq) without gaps.

    Memory as in `over_windows`.
    """
    made: tuple[Array, Array, Array] = over_windows(topology, qpos, fps, cutoff, _states, None)
    return made


def _states(_: None, qpos: Array, qvel: Array, qacc: Array) -> tuple[Array, Array, Array]:
    return qpos, qvel, qacc


@functools.partial(jax.jit, static_argnums=(0, 2, 3, 4))
def over_windows(
    topology: Topology, qpos: Array, fps: float, cutoff: float | None, finish: Finish, operands: Any
) -> Any:
    """finish(operands, qpos, qvel, qacc) of a motion qpos (T, nq) without gaps, smoothed and differentiated.

    Memory beside input and output is that of a few windows, in reverse mode too: a window's derivative is
    computed from the window again. `_LONGEST_MARGIN` says where that ends.

    Args:
        topology: what the motion belongs to.
        qpos: (T, nq).
        fps, cutoff: as `trajectory`.
        finish: what is made of the states of some frames (n, ...), frame by frame: arrays (n, ...). One
            object from call to call, on which the compiled program is kept.
        operands: a pytree of arrays that it needs beside.
    """
    rows_of = MotionRows.of(topology)
    scheme = None if cutoff is None else low_pass(fps, cutoff)
    margin = quintic_spline.REACH + (0 if scheme is None else scheme.reach)
    least = _CPU_WINDOW if jax.default_backend() == "cpu" else _ACCELERATOR_WINDOW
    # At least the square root, so that the frames that fill the last window are few against it.
    window = max(least, 2 * margin, 2 * math.isqrt(len(qpos)))
    if len(qpos) < 2 * window or margin > _LONGEST_MARGIN:
        return finish(operands, *_whole(rows_of, qpos, fps, scheme))
    made = functools.partial(finish, operands)
    return _in_windows(rows_of, qpos, fps, scheme, margin, math.ceil(len(qpos) / window), made)


@functools.partial(jax.checkpoint, static_argnums=(0, 2, 3))
def _whole(rows_of: MotionRows, qpos: Array, fps: float, scheme: Filter | None) -> tuple[Array, Array, Array]:
    """The trajectory in one piece, with the ends exactly as SciPy's filter treats them."""
    rows = rows_of.from_qpos(qpos)
    rows = rows_of.unit(rows, _signs(rows_of, rows))
    if scheme is not None:
        frames, padding = rows.shape[1], min(rows.shape[1] - 1, scheme.padding)
        before = rows_of.reflected(rows[:, :1], rows[:, padding:0:-1])
        after = rows_of.reflected(rows[:, -1:], rows[:, -2 : -padding - 2 : -1])
        padded = jnp.concatenate([before, rows, after], axis=1)
        # Each pass starts as if its first sample had lasted for ever.
        first = padded[:, :1]
        forth = scheme.forward.apply(padded - first) + first
        last = forth[:, -1:]
        smoothed = scheme.backward.apply(forth - last) + last
        rows = rows_of.unit(smoothed[:, padding : padding + frames])
    qvel, qacc = rows_of.motion(rows, *quintic_spline.rates(rows, fps))
    return rows_of.to_qpos(rows), rows_of.to_dofs(qvel), rows_of.to_dofs(qacc)


def _in_windows(
    rows_of: MotionRows,
    qpos: Array,
    fps: float,
    scheme: Filter | None,
    margin: int,
    count: int,
    finish: Callable[[Array, Array, Array], Any],
) -> Any:
    """The trajectory in `count` windows, each with `margin` frames of its neighbours on either side.

    finish: made of the states (window, ...) of each window before the next.
    """
    frames, nq = qpos.shape
    window = math.ceil(frames / count)
    spare = count * window - frames  # frames that the last window lacks
    before, after = _continued(rows_of, qpos, scheme, margin, margin + spare)
    if spare:
        qpos = jnp.concatenate([qpos, after[:spare]])
    blocks = qpos.reshape(count, window, nq)
    earlier = jnp.concatenate([before[None], blocks[:-1, window - margin :]])
    later = jnp.concatenate([blocks[1:, :margin], after[None, spare:]])
    edge = quintic_spline.REACH

    def signs_of(rows: Array, sign: Array) -> Array:
        return sign * _signs(rows_of, rows)

    def low_passed(rows: Array) -> Array:
        assert scheme is not None
        return scheme.both.apply(rows)[:, scheme.reach : rows.shape[1] - scheme.reach]

    def curves(rows: Array, index: Array) -> tuple[Array, Array, Array]:
        at_start, at_end = index == 0, index == count - 1
        inner = rows[:, edge:-edge]
        return inner, *quintic_spline.rates_within(rows, fps, at_start, at_end, window - spare)

    @jax.checkpoint
    def step(sign: Array, pieces: tuple[Array, ...]) -> tuple[Array, Any]:
        index, *parts = pieces
        rows = rows_of.from_qpos(jnp.concatenate(parts))
        signs = _apart(index, signs_of, rows, sign)
        rows = _apart(index, rows_of.unit, rows, signs)
        if scheme is not None:
            rows = _apart(index, rows_of.unit, _apart(index, low_passed, rows))
        rows, first, second = _apart(index, curves, rows, index)
        qvel, qacc = _apart(index, rows_of.motion, rows, first, second)
        states = rows_of.to_qpos(rows), rows_of.to_dofs(qvel), rows_of.to_dofs(qacc)
        return signs[:, window : window + 1], finish(*states)

    # The first recorded frame keeps its sign.
    flips = rows_of.flips(rows_of.from_qpos(jnp.concatenate([before, qpos[:1]])))
    first = (1 - 2 * (flips.sum(axis=1, keepdims=True) % 2)).astype(qpos.dtype)
    _, made = jax.lax.scan(step, first, (jnp.arange(count), earlier, blocks, later))
    return jax.tree.map(lambda a: a.reshape(count * window, *a.shape[2:])[:frames], made)


def _apart(index: Array, function: Callable[..., Any], *arrays: Array) -> Any:
    """function(*arrays), compiled by itself: on a processor two to four times as fast.

    XLA fuses a step of arithmetic into whatever takes its result, computes it once for each use and, where
    that is a transposition, against the order of memory. It has no other fence that holds on a processor
    than a branch that it cannot foresee; index >= 0, the window's number, always holds.
    """
    if jax.default_backend() != "cpu":
        return function(*arrays)

    def never(*arrays: Array) -> Any:
        return jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), jax.eval_shape(function, *arrays))

    return jax.lax.cond(index >= 0, jax.checkpoint(function), never, *arrays)


def _continued(
    rows_of: MotionRows, qpos: Array, scheme: Filter | None, before: int, after: int
) -> tuple[Array, Array]:
    """What a window finds before (before, nq) and after (after, nq) the recording: its point reflections.

    Beyond the filter's padding, and without a filter, the last frame is held; no valid number rests on it.
    """
    padding = 0 if scheme is None else min(scheme.padding, before, after)

    # Both at once, one after the other: half the program.
    rows = rows_of.from_qpos(jnp.concatenate([qpos[: padding + 1], qpos[: -padding - 2 : -1]]))
    if padding:
        ends = jnp.repeat(rows[:, :: padding + 1], padding + 1, axis=1)
        rows = rows_of.reflected(ends, rows)
    sides = jnp.split(rows_of.to_qpos(rows), 2)
    start, end = (
        jnp.pad(side[bool(padding) :], ((0, wanted - len(side) + bool(padding)), (0, 0)), mode="edge")
        for side, wanted in zip(sides, (before, after))
    )
    return start[::-1], end


def _signs(rows_of: MotionRows, rows: Array) -> Array:
    """(turns, n) that bring the quaternions to the same side of the sphere as the first."""
    flips = jnp.pad(rows_of.flips(rows).astype(rows.dtype), ((0, 0), (1, 0)))
    turned = _COUNT.apply(flips)
    return 1 - 2 * (turned - 2 * jnp.floor(turned / 2))


# How often so far is a running sum, and that the recursion that forgets nothing. Whole numbers stay exact.
_COUNT = Recursion(1.0, np.ones((1, 1)), np.ones(1), np.ones(1), future=False)
