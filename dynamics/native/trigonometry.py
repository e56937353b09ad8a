"""Sine and cosine of all lanes at once, which LLVM leaves to a library call a lane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir

if TYPE_CHECKING:
    from .emitter import Emitter

Value = Any  # an llvmlite.ir.Value

# pi / 2 in three parts; the first two have so many trailing zero bits that their products with a quotient
# below 2^20 (float64) or 2^11 (float32) are exact: Cody and Waite (1980), "Software manual for the elementary
# functions", chapter 8.
_HALF_PI = {
    np.dtype(np.float64): (1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21),
    np.dtype(np.float32): (1.5703125, 4.837512969970703e-4, 7.549789954891882e-8),
}
# Beyond, the reduced angle would lose digits: those frames take the library's functions.
_LARGEST = {np.dtype(np.float64): 1e6, np.dtype(np.float32): 2e3}

# Taylor's series about 0 to where the next term is below half a unit in the last place at pi / 4.
_TERMS = {np.dtype(np.float64): 9, np.dtype(np.float32): 6}


def sine_and_cosine(emitter: Emitter, angle: Value) -> tuple[Value, Value]:
    """(sine, cosine) of a vector of angles in rad."""
    b, dtype, width = emitter.builder, emitter.dtype, emitter.width
    flags = ("contract",)

    def times(x: Value, y: Value) -> Value:
        return b.fmul(x, y, flags=flags)

    def polynomial(first: int, x: Value, square: Value) -> Value:
        """Sum of (-1)^k x^(2k) / (2k + first)!, by Horner's rule."""
        total = emitter.constant(0.0)
        for k in reversed(range(_TERMS[dtype])):
            factorial = float(np.prod(np.arange(1, 2 * k + first + 1, dtype=np.float64)))
            total = b.fadd(times(total, square), emitter.constant((-1) ** k / factorial), flags=flags)
        return times(total, x) if first else total

    quotient = b.call(emitter.intrinsic("rint"), [b.fmul(angle, emitter.constant(2 / np.pi))])
    reduced = angle
    for part in _HALF_PI[dtype]:
        reduced = b.fsub(reduced, times(quotient, emitter.constant(part)), flags=flags)
    square = times(reduced, reduced)
    s, c = polynomial(1, reduced, square), polynomial(0, reduced, square)

    # The quadrant, modulo 4: odd ones exchange sine and cosine, then signs.
    integers = ir.VectorType(ir.IntType(dtype.itemsize * 8), width)
    quadrant = b.fptosi(quotient, integers)

    def bit(mask: int, shift: int) -> Value:
        shifted = b.add(quadrant, ir.Constant(integers, [shift] * width))
        return b.icmp_signed(
            "!=", b.and_(shifted, ir.Constant(integers, [mask] * width)), ir.Constant(integers, [0] * width)
        )

    odd = bit(1, 0)
    sine, cosine = b.select(odd, c, s), b.select(odd, s, c)
    sine = b.select(bit(2, 0), b.fneg(sine), sine)
    cosine = b.select(bit(2, 1), b.fneg(cosine), cosine)

    # The few large angles by the library. Other lanes keep their own: what a frame gives must not depend on
    # its neighbours.
    near = b.fcmp_ordered("<=", b.call(emitter.intrinsic("fabs"), [angle]), emitter.constant(_LARGEST[dtype]))
    far = b.icmp_signed("!=", b.bitcast(near, ir.IntType(width)), ir.IntType(width)(-1))
    results = [emitter.variable(emitter.vector, value) for value in (sine, cosine)]
    with b.if_then(far, likely=False):
        for name, place in zip(("sin", "cos"), results):
            exact = b.call(emitter.intrinsic(name), [angle])
            b.store(b.select(near, b.load(place), exact), place)
    return tuple(b.load(place) for place in results)
