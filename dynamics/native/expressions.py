"""Real numbers as expressions: arithmetic that is recorded, simplified and differentiated before compilation.

NumPy arrays of objects carry them, so equations of vectors and matrices are written as in NumPy (`R @ v`,
`a * b`, sums). What is recorded is straight-line code for one frame; `emitter` turns it into vector
instructions for many.

Source: Griewank and Walther (2008), "Evaluating derivatives", chapter 3, doi:10.1137/1.9780898717761, for the
two ways of differentiating.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence

import numpy as np


class Expression:
    """A real number that is known only when the compiled code runs, or a constant.

    Attributes:
        operation: "constant", "input", "add", "subtract", "multiply", "divide", "negate", "sqrt", "sine" or
            "cosine".
        operands: the expressions that it is computed from.
        value: the number of a constant, the key of an input (what the code reads there), else None.
    """

    __slots__ = ("operands", "operation", "value")

    def __init__(
        self, operation: str, operands: tuple[Expression, ...] = (), value: Hashable | None = None
    ) -> None:
        self.operation = operation
        self.operands = operands
        self.value = value

    def __repr__(self) -> str:
        inside = ", ".join(map(repr, self.operands)) if self.operands else repr(self.value)
        return f"{self.operation}({inside})"

    def is_constant(self, number: float | None = None) -> bool:
        """Whether it is a constant (this one, if a number is given)."""
        return self.operation == "constant" and (number is None or self.value == number)

    def __add__(self, other: Expression | float) -> Expression:
        other = expression(other)
        if self.is_constant(0):
            return other
        if other.is_constant(0):
            return self
        if other.operation == "negate":
            return self - other.operands[0]
        if self.operation == "negate":
            return other - self.operands[0]
        return _folded("add", self, other)

    def __sub__(self, other: Expression | float) -> Expression:
        other = expression(other)
        if other.is_constant(0):
            return self
        if self.is_constant(0):
            return -other
        if other.operation == "negate":
            return self + other.operands[0]
        return _folded("subtract", self, other)

    def __mul__(self, other: Expression | float) -> Expression:
        other = expression(other)
        for a, b in ((self, other), (other, self)):
            if a.is_constant(0):
                return a
            if a.is_constant(1):
                return b
            if a.is_constant(-1):
                return -b
        if self.operation == "negate":
            return -(self.operands[0] * other)
        if other.operation == "negate":
            return -(self * other.operands[0])
        return _folded("multiply", self, other)

    def __truediv__(self, other: Expression | float) -> Expression:
        other = expression(other)
        if self.is_constant(0) or other.is_constant(1):
            return self
        return _folded("divide", self, other)

    def __neg__(self) -> Expression:
        if self.operation == "negate":
            return self.operands[0]
        if self.operation == "constant":
            return Expression("constant", value=-self.value)  # type: ignore[operator]
        return Expression("negate", (self,))

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: float) -> Expression:
        return expression(other) - self

    def __rtruediv__(self, other: float) -> Expression:
        return expression(other) / self


def expression(number: Expression | float) -> Expression:
    """The expression itself, or a number as a constant."""
    if isinstance(number, Expression):
        return number
    return Expression("constant", value=float(number))


def inputs(area: str, *shape: int, start: int = 0) -> np.ndarray:
    """Expressions for consecutive entries of an area of memory, from `start`: an object array of that shape.

    Their keys are (area, place); the emitter knows where each area lies.
    """
    count = math.prod(shape)
    entries = [Expression("input", value=(area, start + k)) for k in range(count)]
    return np.array(entries, dtype=object).reshape(shape)


def sqrt(x: Expression) -> Expression:
    """Square root."""
    return Expression("sqrt", (x,))


def sine(x: Expression) -> Expression:
    """Sine of an angle in rad."""
    return Expression("sine", (x,))


def cosine(x: Expression) -> Expression:
    """Cosine of an angle in rad."""
    return Expression("cosine", (x,))


_EVALUATED = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
}


def _folded(operation: str, a: Expression, b: Expression) -> Expression:
    if a.is_constant() and b.is_constant():
        return expression(_EVALUATED[operation](a.value, b.value))
    return Expression(operation, (a, b))


def in_order(outputs: Iterable[Expression]) -> list[Expression]:
    """Every expression that the outputs need, each after its operands."""
    done: dict[int, Expression] = {}
    stack = [(output, False) for output in outputs]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if ready:
            done[id(node)] = node
        else:
            stack.append((node, True))
            stack.extend((operand, False) for operand in node.operands)
    return list(done.values())


def _partials(node: Expression) -> tuple[Expression, ...]:
    """Derivative of an operation in each of its operands."""
    if node.operation in ("add", "subtract", "negate"):
        signs = {"add": (1, 1), "subtract": (1, -1), "negate": (-1,)}[node.operation]
        return tuple(expression(sign) for sign in signs)
    if node.operation == "multiply":
        return node.operands[1], node.operands[0]
    if node.operation == "divide":
        return 1 / node.operands[1], -(node / node.operands[1])
    if node.operation == "sqrt":
        return (0.5 / node,)
    if node.operation == "sine":
        return (cosine(node.operands[0]),)
    if node.operation == "cosine":
        return (-sine(node.operands[0]),)
    return ()


def adjoint(
    outputs: Sequence[Expression], cotangents: Sequence[Expression], wanted: Sequence[Expression]
) -> list[Expression]:
    """Derivative of `sum(outputs * cotangents)` in each wanted expression (reverse accumulation)."""
    total: dict[int, Expression] = {}
    for output, cotangent in zip(outputs, cotangents, strict=True):
        total[id(output)] = total.get(id(output), expression(0)) + cotangent
    for node in reversed(in_order(outputs)):
        own = total.get(id(node))
        if own is None or own.is_constant(0):
            continue
        for operand, partial in zip(node.operands, _partials(node)):
            total[id(operand)] = total.get(id(operand), expression(0)) + own * partial
    return [total.get(id(node), expression(0)) for node in wanted]


def tangent(
    outputs: Sequence[Expression], varied: Sequence[Expression], rates: Sequence[Expression]
) -> list[Expression]:
    """Rate of change of each output when the varied expressions change at the given rates."""
    total = {id(node): rate for node, rate in zip(varied, rates, strict=True)}
    for node in in_order(outputs):
        if id(node) in total:
            continue
        rate = expression(0)
        for operand, partial in zip(node.operands, _partials(node)):
            own = total[id(operand)]
            if not own.is_constant(0):
                rate = rate + own * partial
        total[id(node)] = rate
    return [total[id(output)] for output in outputs]
