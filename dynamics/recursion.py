"""Linear recursions along time without a loop over time: a few matrix products, forward and transposed alike.

A low-pass filter and a spline are both kernels that far from their centre are sums of decaying exponentials.
Cut into blocks, such a kernel is one small dense matrix inside a block, and a state of one number or two a
pole from block to block.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

# Samples of a block, and a multiple of it for many: matrices that a processor multiplies at full speed.
_BLOCK = 64


@dataclass(frozen=True, eq=False)
class Recursion:
    """The kernel h(0) = centre, h(k) = output A^(k-1) input for k >= 1, on one side of a sample or on both.

    Attributes:
        centre: weight of the sample itself.
        A: (m, m) what a state becomes from one sample to the next.
        input: (m,) what a sample adds to the state.
        output: (m,) weights of the state in the result.
        past: whether a result takes earlier samples, h(k) for the one k samples ago.
        future: whether it takes later samples.
    """

    centre: float
    A: np.ndarray
    input: np.ndarray
    output: np.ndarray
    past: bool = True
    future: bool = True

    @classmethod
    def from_response(
        cls, response: np.ndarray, poles: np.ndarray, past: bool = True, future: bool = True
    ) -> Recursion:
        """The recursion with the weights `response` (m + 1,): h(0), ..., h(m).

        poles: (m,) of the kernel, each of a complex pair once or twice, inside the unit circle.
        """
        real = [[[p.real]] for p in poles if p.imag == 0]
        pairs = [[[p.real, -p.imag], [p.imag, p.real]] for p in poles if p.imag > 0]
        m = len(poles)
        A = np.zeros((m, m))
        at, start = 0, np.zeros(m)
        for block in [*real, *pairs]:
            size = len(block)
            A[at : at + size, at : at + size] = block
            start[at] = 1
            at += size
        states = np.stack([np.linalg.matrix_power(A, k) @ start for k in range(m)])
        output = np.linalg.solve(states, response[1:])
        return cls(float(response[0]), A, start, output, past, future)

    @property
    def radius(self) -> float:
        """The share of its weight that the kernel keeps from one sample to the next, in the long run."""
        return float(np.abs(np.linalg.eigvals(self.A)).max())

    @functools.cached_property
    def transposed(self) -> Recursion:
        """The recursion whose matrix is the transpose of this one's: time runs backward."""
        if self.past == self.future:
            return self
        return replace(self, past=self.future, future=self.past)

    def apply(self, rows: Array) -> Array:
        """The weighted sums (n, T) of samples (n, T), as if all samples beyond either end were 0."""
        if isinstance(rows, jax.Array):
            return _recursion_p.bind(rows, recursion=self)
        return self._sums(rows)

    def _sums(self, rows: Array) -> Array:
        count, length = rows.shape
        block = _BLOCK * math.ceil(math.sqrt(length) / _BLOCK)
        if length % block and length % (block // 2) == 0:
            block //= 2  # no copy to fill the last block
        blocks = math.ceil(length / block)
        xp = jnp if isinstance(rows, jax.Array) else np
        if blocks * block > length:
            rows = xp.pad(rows, ((0, 0), (0, blocks * block - length)))
        to_state, between, to_result = (matrix.astype(rows.dtype) for matrix in self._matrices(block, blocks))
        rows = rows.reshape(count * blocks, block)
        states = product(rows, to_state).reshape(count, -1)
        states = product(states, between).reshape(count * blocks, -1)
        result = product(xp.concatenate([rows, states], axis=1), to_result)
        return result.reshape(count, blocks * block)[:, :length]

    def _matrices(self, block: int, blocks: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """From a block's samples to its states, from block to block, from samples and states to results."""
        m = len(self.input)
        inputs, outputs = np.empty((block, m)), np.empty((block, m))  # A^k input, output A^k
        state, weights = self.input, self.output
        for k in range(block):
            inputs[k], outputs[k] = state, weights
            state, weights = self.A @ state, weights @ self.A
        response = np.append(self.centre, outputs[:-1] @ self.input)
        lag = np.subtract.outer(np.arange(block), np.arange(block))  # of sample i behind result j: j - i
        taken = ((lag <= 0) & self.past) | ((lag >= 0) & self.future)
        inside = np.where(taken, response[np.abs(lag)], 0)
        step = np.linalg.matrix_power(self.A, block)
        powers = [np.eye(m)]
        while len(powers) < blocks:
            powers.append(powers[-1] @ step)
        onward = np.zeros((blocks, m, blocks, m))  # row: the block that leaves a state, column: that takes it
        for distance in range(1, blocks):
            leaving = np.arange(blocks - distance)
            onward[leaving, :, leaving + distance, :] = powers[distance - 1].T
        onward = onward.reshape(blocks, m, blocks, m)
        sides = []
        if self.past:
            sides.append((inputs[::-1], onward, outputs.T))
        if self.future:
            sides.append((inputs, onward[::-1, :, ::-1], outputs[::-1].T))
        to_state = np.concatenate([side[0] for side in sides], axis=1)
        from_state = np.concatenate([side[2] for side in sides], axis=0)
        wide = len(sides) * m
        between = np.zeros((blocks, wide, blocks, wide))
        for k, (_, link, _) in enumerate(sides):
            between[:, k * m : (k + 1) * m, :, k * m : (k + 1) * m] = link
        return to_state, between.reshape(blocks * wide, blocks * wide), np.concatenate([inside, from_state])


def product(a: Array, b: Array) -> Array:
    """Matrix product in full precision on every device (accelerators round float32 by default)."""
    if isinstance(a, jax.Array) or isinstance(b, jax.Array):
        return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
    return a @ b


# JAX would derive as the transpose of `_sums` products with the transposed matrices, which XLA multiplies at
# two thirds of the speed and writes into the program once more.
_recursion_p = Primitive("recursion")
_recursion_p.def_abstract_eval(lambda rows, recursion: rows.update(weak_type=False))


@functools.lru_cache(maxsize=64)
def _applied(recursion: Recursion) -> Any:
    return jax.jit(recursion.apply)


def _at_once(rows: Array, recursion: Recursion) -> Array:
    return _applied(recursion)(rows)


def _lowered(rows: Array, recursion: Recursion) -> Array:
    return recursion._sums(rows)


def _transpose(bar: Array, _: Array, recursion: Recursion) -> list[Array]:
    return [_recursion_p.bind(bar, recursion=recursion.transposed)]


def _batched(rows: Sequence[Array], axes: Sequence[int], recursion: Recursion) -> tuple[Array, int]:
    """One more axis: more rows."""
    many = jnp.moveaxis(rows[0], axes[0], 0)
    return recursion.apply(many.reshape(-1, many.shape[-1])).reshape(many.shape), 0


_recursion_p.def_impl(_at_once)
mlir.register_lowering(_recursion_p, mlir.lower_fun(_lowered, multiple_results=False))
ad.deflinear2(_recursion_p, _transpose)
batching.primitive_batchers[_recursion_p] = _batched
