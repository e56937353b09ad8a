"""Derivatives, at its samples, of the quintic spline through samples that are equally spaced in time."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .recursion import Recursion, product
from .samples import spline_rates

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

REACH = 48
"""Frames beyond which a sample weighs less than rounding: the slowest pole is .431, and .431^47 = 7e-18."""

# The quintic B-spline at the nodes, and its derivatives as weights of the coefficients from two frames
# before to two frames after.
VALUES = np.array([1, 26, 66, 26, 1]) / 120
FIRST = np.array([-1, -10, 0, 10, 1]) / 24
SECOND = np.array([1, 2, -6, 2, 1]) / 6


def rates(rows: Array, fps: float) -> tuple[Array, Array]:
    """First and second time derivatives (n, T) of the spline through rows (n, T), T > 5: `spline_rates`."""
    frames = rows.shape[1]
    if frames < 2 * REACH:
        return _derivatives(product(rows, _end_coefficients(frames).astype(rows.dtype)), fps)
    held = jnp.pad(rows, ((0, 0), (REACH, REACH)), mode="edge")
    return rates_within(held, fps, True, True, frames)


def rates_within(
    rows: Array, fps: float, at_start: Array | bool, at_end: Array | bool, end: int
) -> tuple[Array, Array]:
    """First and second time derivatives (n, T) of the spline within rows (n, REACH + T + REACH).

    Args:
        rows: the samples, with REACH frames more on either side.
        fps: frames a second, Hz.
        at_start: whether the recording starts at the first of the T frames. What comes before in `rows`
            does not count then.
        at_end: whether the recording stops after `end` of the T frames. What follows in `rows` does not
            count then, and the derivatives there are of no use.
        end: at least 2 REACH.
    """
    frames = rows.shape[1] - 2 * REACH
    correction = _start_correction().astype(rows.dtype)

    def at_ends(coefficients: Array, rows: Array) -> Array:
        before = product(rows[:, : 3 * REACH], correction) * at_start
        after = product(rows[:, end - REACH : end + 2 * REACH], correction[::-1, ::-1]) * at_end
        # The frames that an end affects, those between, and those beyond; XLA updates slices slowly.
        start, stop = 2 + REACH, end + 2 - REACH
        pieces = [
            coefficients[:, :start] + before,
            coefficients[:, start:stop],
            coefficients[:, stop : end + 4] + after,
            coefficients[:, end + 4 :],
        ]
        return jnp.concatenate(pieces, axis=1)

    coefficients = _coefficients().apply(rows)[:, REACH - 2 : REACH + frames + 2]
    if at_start is True and at_end is True:
        return _derivatives(at_ends(coefficients, rows), fps)
    # Most windows have neither end.
    coefficients = jax.lax.cond(at_start | at_end, at_ends, lambda c, _: c, coefficients, rows)
    return _derivatives(coefficients, fps)


def _derivatives(coefficients: Array, fps: float) -> tuple[Array, Array]:
    """First and second time derivatives (n, T) of the sum of B-splines with coefficients (n, 2 + T + 2)."""
    frames = coefficients.shape[1] - 4
    shifted = [coefficients[:, k : k + frames] for k in range(5)]
    first, second = (
        sum(float(weight) * part for weight, part in zip(weights, shifted) if weight)
        for weights in (FIRST * fps, SECOND * fps**2)
    )
    return first, second


@functools.cache
def _coefficients() -> Recursion:
    """From samples to the coefficients of the B-splines whose sum passes through them, far from any end."""
    poles = np.roots(VALUES)
    size = 4 * REACH
    shares = sum(value * np.eye(size, k=k) for k, value in zip(range(-2, 3), VALUES))
    response = np.linalg.solve(shares, np.eye(size)[size // 2])[size // 2 :]
    return Recursion.from_response(response[:3], poles[np.abs(poles) < 1])


@functools.lru_cache(maxsize=16)
def _end_coefficients(frames: int) -> np.ndarray:
    """(T, 2 + T + 2) from the samples of a whole recording to the coefficients of the spline through them.

    With a B-spline at every frame and two beyond either end, which SciPy's spline (it has a knot less near
    either end) is a sum of too. They follow from its samples and from its derivatives at both ends.
    """
    samples = np.eye(frames)
    rates = spline_rates(samples, 1.0)
    bands = [
        [weight * np.eye(frames, frames + 4, k=k) for k, weight in enumerate(weights)]
        for weights in (VALUES, FIRST, SECOND)
    ]
    value, *slopes = (sum(band) for band in bands)
    equations = np.concatenate([value, *(slope[[0, -1]] for slope in slopes)])
    return np.linalg.solve(equations, np.concatenate([samples, *(rate[[0, -1]] for rate in rates)])).T


@functools.cache
def _start_correction() -> np.ndarray:
    """(3 REACH, 2 + REACH): what the start of a recording adds to the coefficients from two frames before it.

    The first REACH samples are those before the start, which are taken out. The end is the mirror image.
    """
    exact = np.pad(_end_coefficients(4 * REACH)[: 2 * REACH, : 2 + REACH], ((REACH, 0), (0, 0)))
    return exact - _coefficients().apply(np.eye(3 * REACH, 4 * REACH))[:, REACH - 2 : 2 * REACH]
