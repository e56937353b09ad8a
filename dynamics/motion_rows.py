"""A motion as rows over time, numbers first and then unit quaternions: the formulas of its trajectory.

They take NumPy and JAX arrays alike: trajectory.py runs them on whole recordings, and traced_trajectory.py
traces them over windows of one. Numbers are positions, slides and hinges, turns the quaternions wxyz.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .samples import component_rates
from .topology import BALL, FREE, Topology

Array = Any  # a numpy.ndarray, a jax.Array or a tracer


@dataclass(frozen=True)
class MotionRows:
    """Where a topology's joints lie among the rows: (numbers + 4 turns, n) for n frames.

    Attributes:
        numbers: count of positions, slides and hinges.
        turns: count of quaternions.
        qpos_order: the entry of qpos that each row holds.
        dof_order: the entry of qvel or qacc of each row of velocities: numbers, then three a turn.
    """

    numbers: int
    turns: int
    qpos_order: tuple[int, ...]
    dof_order: tuple[int, ...]

    @classmethod
    @functools.cache
    def of(cls, topology: Topology) -> MotionRows:
        """The rows of a topology's motions."""
        numbers: list[int] = []
        turns: list[int] = []
        numbers_dof: list[int] = []
        turns_dof: list[int] = []
        addresses = zip(topology.qpos_addresses.tolist(), topology.dof_addresses.tolist())
        for kind, (q, v) in zip(topology.joint_types, addresses):
            plain = {FREE: 3, BALL: 0}.get(kind, 1)
            numbers += range(q, q + plain)
            numbers_dof += range(v, v + plain)
            if kind in (FREE, BALL):
                turns += range(q + plain, q + plain + 4)
                turns_dof += range(v + plain, v + plain + 3)
        orders = (*numbers, *turns), (*numbers_dof, *turns_dof)
        return cls(len(numbers), len(turns) // 4, *orders)

    def from_qpos(self, qpos: Array) -> Array:
        """Rows (nq, n) of qpos (n, nq)."""
        return _taken(qpos.T, self.qpos_order)

    def to_qpos(self, rows: Array) -> Array:
        """(n, nq) of rows (nq, n)."""
        return _taken(rows, np.argsort(self.qpos_order)).T

    def to_dofs(self, rows: Array) -> Array:
        """(n, nv) of rows (nv, n)."""
        return _taken(rows, np.argsort(self.dof_order)).T

    def split(self, rows: Array) -> tuple[Array, tuple[Array, ...]]:
        """The numbers (numbers, n) and the four components (turns, n) of the quaternions of rows (nq, n)."""
        numbers, turns = self._parts(rows)
        return numbers, tuple(part[:, 0] for part in _split(turns, (1, 1, 1, 1), 1))

    def _parts(self, rows: Array) -> tuple[Array, Array]:
        """The numbers (numbers, n) and the quaternions (turns, 4, n) of rows (nq, n)."""
        numbers, turns = _split(rows, (self.numbers, 4 * self.turns), 0)
        return numbers, turns.reshape(self.turns, 4, rows.shape[1])

    def join(self, numbers: Array, components: Sequence[Array]) -> Array:
        """Rows of numbers (numbers, n) and of components (turns, n), three of a vector or four of a turn."""
        xp = _namespace(numbers)
        turns = xp.stack(components, axis=1)
        return xp.concatenate([numbers, turns.reshape(len(components) * self.turns, turns.shape[2])])

    def flips(self, rows: Array) -> Array:
        """(turns, n - 1) bool: whether a quaternion has left the half-sphere of the one before."""
        _, turns = self.split(rows)
        return sum(part[:, 1:] * part[:, :-1] for part in turns) < 0

    def unit(self, rows: Array, signs: Array | None = None) -> Array:
        """Rows with the quaternions at unit length, those of zero length the identity as in `so3.normalize`.

        signs: (turns, n or 1) that they are multiplied by.
        """
        numbers, turns = self.split(rows)
        squared = sum(part * part for part in turns)
        zero = squared == 0
        xp = _namespace(rows)
        # The root's slope is infinite at zero: its argument must stay away from zero in both branches.
        factor = (1 if signs is None else signs) / xp.sqrt(xp.where(zero, 1, squared))
        # Part by part: what XLA makes of the transpose of one product takes up to twice as long.
        scaled = (part * factor for part in turns)
        return self.join(numbers, [xp.where(zero, one, part) for one, part in zip((1, 0, 0, 0), scaled)])

    def reflected(self, end: Array, inner: Array) -> Array:
        """The point reflection of inner (nq, n) through end (nq, 1): `2 x - x_k`, `q q_k^-1 q` of turns.

        The latter is `2 (q . q_k) q / (q . q) - q_k`, which keeps the length and the sign of q_k.
        """
        (x, q), (x_inner, q_inner) = self.split(end), self.split(inner)
        squared = sum(part * part for part in q)
        squared = _namespace(inner).where(squared == 0, 1, squared)
        twice = 2 * sum(a * b for a, b in zip(q, q_inner)) / squared
        return self.join(2 * x - x_inner, [twice * a - b for a, b in zip(q, q_inner)])

    def motion(self, rows: Array, first: Array, second: Array) -> tuple[Array, Array]:
        """Velocities and accelerations, rows (nv, n) each, of unit quaternions and numbers (nq, n).

        first, second: their first and second time derivatives (nq, n). Spin in body axes.
        """
        (_, s), (rate, s_rate), (second_rate, s_second) = map(self.split, (rows, first, second))
        omega, alpha = component_rates(s, s_rate, s_second)
        return self.join(rate, omega), self.join(second_rate, alpha)


def _taken(rows: Array, order: Sequence[int] | np.ndarray) -> Array:
    """The rows in this order; runs of neighbours move together."""
    breaks = np.flatnonzero(np.diff(order) != 1) + 1
    runs = np.split(np.asarray(order, int), breaks)
    if len(order) == 0 or len(runs) == 1:
        return rows
    return _namespace(rows).concatenate([rows[run[0] : run[-1] + 1] for run in runs])


def _split(array: Array, sizes: tuple[int, ...], axis: int) -> Sequence[Array]:
    """Consecutive parts of so many rows each. JAX's own split, whose transpose is one concatenation."""
    if isinstance(array, jax.Array):
        return jax.lax.split(array, sizes, axis)
    return np.split(array, np.cumsum(sizes)[:-1], axis)


def _namespace(array: Array) -> Any:
    return jnp if isinstance(array, jax.Array) else np
