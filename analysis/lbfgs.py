"""Limited-memory BFGS for smooth functions of many well-scaled numbers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Pairs of steps that the curvature is kept in.
_MEMORY = 10
# A step must bring this share of the decrease that the slope promises; else it is cut, so many times at most.
_SUFFICIENT, _CUT, _CUTS = 1e-4, 0.5, 20
# A pair whose curvature is less than this share of its gradient's change squared tells nothing.
_LEAST_CURVATURE = 1e-10


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where the search ended.

    Attributes:
        x: (n,) the best point.
        value: of the function there.
        steps: taken.
    """

    x: Array
    value: float
    steps: int


def minimize(
    function: Callable[[Array], tuple[float, Array]], start: Array, steps: int, tolerance: float = 1e-7
) -> Minimum:
    """A point (n,) where a function, which returns its value and gradient (n,), is small.

    The first step is along the gradient at length 1 at most, so that numbers should be scaled to about 1.
    Every step lowers the value; the search ends after `steps`, or when a step lowers it by less than
    `tolerance` of itself, or no step along the search direction lowers it.

    SciPy's routine is not used: for vectors of ten thousand numbers it calls threaded BLAS, whose threads, on
    a machine with busy cores, waited ten times as long as this whole search takes.

    Source: Nocedal and Wright (2006), "Numerical optimization", algorithms 3.1 and 7.4,
    doi:10.1007/978-0-387-40065-5.
    """
    x, (value, gradient) = start, function(start)
    pairs: deque[tuple[Array, Array, float]] = deque(maxlen=_MEMORY)
    taken = 0
    while taken < steps and gradient.any():
        direction = -_times_inverse_hessian(pairs, gradient)
        slope = _dot(direction, gradient)
        length = 1.0 if pairs else min(1.0, 1 / np.sqrt(_dot(gradient, gradient)))
        for _ in range(_CUTS):
            new_x = x + length * direction
            new_value, new_gradient = function(new_x)
            if new_value <= value + _SUFFICIENT * length * slope:
                break
            length *= _CUT
        else:
            break
        step, change = new_x - x, new_gradient - gradient
        curvature = _dot(step, change)
        if curvature > _LEAST_CURVATURE * _dot(change, change):
            pairs.append((step, change, curvature))
        lowered = value - new_value
        x, value, gradient, taken = new_x, new_value, new_gradient, taken + 1
        if lowered <= tolerance * abs(value):
            break
    return Minimum(x, value, taken)


def _times_inverse_hessian(pairs: deque[tuple[Array, Array, float]], gradient: Array) -> Array:
    """The gradient (n,) times the inverse Hessian that the pairs of steps have shown, by two loops."""
    found, shares = gradient.copy(), []
    for step, change, curvature in reversed(pairs):
        share = _dot(step, found) / curvature
        shares.append(share)
        found -= share * change
    if pairs:
        _, change, curvature = pairs[-1]
        found *= curvature / _dot(change, change)
    for (step, change, curvature), share in zip(pairs, reversed(shares)):
        found += (share - _dot(change, found) / curvature) * step
    return found


def _dot(a: Array, b: Array) -> float:
    """Scalar product of vectors (n,), without BLAS and its threads."""
    return float(np.einsum("i,i->", a, b))
