"""A plan of cuts as arrays, and the walk of points through it, for JAX to trace.

Every point walks through the plan and notes on which side of each plane it lies. A triangle whose corners
agree all the way is cut by nothing; the first step at which they do not is the one that splits it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .cut_plan import WHOLE, Cut, Plane

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

WORD = 32
"""Steps whose sides one integer holds."""

BLOCK = 8192
"""Points that walk together: what a step reads and writes of so many stays in a processor's cache."""

TOLERANCE = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 1e-6}
"""m; points as near as this to a plane count as on it, hence as inside. What one plane cuts lies on it but
for rounding; where another plane meets it there, to take that rounding for a side would do volumes no harm,
but derivatives would be divided by it."""


@dataclass(frozen=True)
class Plan:
    """S steps, each a cut or the two that take off one wedge: what is inside all its planes goes inside."""

    labels: Mapping[str, int]  # of every piece that there is on the way
    pieces: Array  # (S, 3) int32: the label of the piece that is cut, of what is inside and of what is not
    is_wedge: Array  # (S,) bool
    normals: Array  # (S, 2, 3), unit length; a single plane stands twice
    offsets: Array  # (S, 2) m, normal . x of the planes
    apexes: Array  # (S, 3) m, a point of both planes

    def __len__(self) -> int:
        """The number of steps."""
        return len(self.pieces)


class Sides(NamedTuple):
    """How points (...) walked: where they end, and one bit a step in W words."""

    label: Array  # (...) int32
    first: Array  # (W, ...) uint32, whether inside the first plane of a step that cuts their piece
    last: Array  # (W, ...) uint32, whether inside the second one; the same bit where there is no second


def plan_of(cuts: Sequence[Cut], dtype: np.dtype) -> Plan:
    """The Plan of an ordered list of cuts, whose planes may be traced, from the piece WHOLE."""
    labels = {WHOLE: 0}
    for cut in cuts:
        for name in (cut.inside, cut.outside):
            labels.setdefault(name, len(labels))
    steps: list[tuple[Cut, Plane, Plane, Array]] = []
    followed = zip(cuts, [*cuts[1:], None])
    for cut, following in followed:
        first = last = _unit(cut.plane)
        apex = cut.plane.point
        if following is not None and _is_wedge(cut, following):
            last = _unit(following.plane)
            apex = _common_point(first, last)
            next(followed)
        steps.append((cut, first, last, apex))
    normals = [jnp.asarray(plane.normal, dtype) for _, *planes, _ in steps for plane in planes]
    offsets = [plane.point @ plane.normal for _, *planes, _ in steps for plane in planes]
    return Plan(
        labels,
        np.array([[labels[cut.of], labels[cut.inside], labels[cut.outside]] for cut, *_ in steps], np.int32),
        np.array([first is not last for _, first, last, _ in steps]),
        jnp.stack(normals).reshape(-1, 2, 3),
        jnp.stack(offsets).reshape(-1, 2).astype(dtype),
        jnp.stack([jnp.asarray(apex, dtype) for *_, apex in steps]),
    )


def walk(plan: Plan, points: Array, label: Array, resume: Array) -> Sides:
    """The Sides of points (3, P) m that start in pieces label (P,).

    resume (P,): 2 k where step k is next, 2 k + 1 where its first plane is passed already.
    """
    P = len(label)
    count = max(1, -(-P // BLOCK))
    size = -(-P // count)

    def in_blocks(array: Array) -> Array:
        array = jnp.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, count * size - P)])
        return jnp.moveaxis(array.reshape(*array.shape[:-1], count, size), -2, 0)

    def joined(array: Array) -> Array:
        array = jnp.moveaxis(array, 0, -2)
        return array.reshape(*array.shape[:-2], count * size)[..., :P]

    blocks = (in_blocks(points), in_blocks(label), in_blocks(resume))
    return jax.tree.map(joined, lax.map(lambda block: _walk(plan, *block), blocks))


def _walk(plan: Plan, points: Array, label: Array, resume: Array) -> Sides:
    # Which side a point lies on has no derivative.
    points, normals, offsets = lax.stop_gradient((points, plan.normals, plan.offsets))
    least = -TOLERANCE[np.dtype(points.dtype)]
    steps = jnp.arange(len(plan), dtype=jnp.int32)
    rows = (steps, jnp.asarray(plan.pieces), jnp.asarray(plan.is_wedge), normals, offsets)

    def step(walked: tuple[Array, Array, Array], row: tuple[Array, ...]) -> tuple[Any, None]:
        label, firsts, lasts = walked
        k, (of, inside, outside), is_wedge, normal, offset = row
        bit = jnp.uint32(1) << (k % WORD).astype(jnp.uint32)
        mine = (label == of) & (resume <= 2 * k + 1)
        first = mine & ((along(normal[0], points) - offset[0] >= least) | (resume == 2 * k + 1))
        last = mine & (along(normal[1], points) - offset[1] >= least)
        last = jnp.where(is_wedge, last, first)
        firsts |= jnp.where(first, bit, jnp.uint32(0))
        lasts |= jnp.where(last, bit, jnp.uint32(0))
        return (jnp.where(mine, jnp.where(first & last, inside, outside), label), firsts, lasts), None

    words = []
    none = jnp.zeros(points.shape[1:], jnp.uint32)
    for start in range(0, len(plan), WORD):
        part = tuple(row[start : start + WORD] for row in rows)
        (label, *word), _ = lax.scan(step, (label, none, none), part)
        words.append(word)
    firsts, lasts = zip(*words)
    return Sides(label, jnp.stack(firsts), jnp.stack(lasts))


def first_split(first: Array, last: Array) -> tuple[Array, Array]:
    """(N,) the step that splits a triangle, -1 where none does, and whether its second plane does.

    first, last: (W, 3, N) the words of each triangle's corners.
    """
    some_first, every_first = first[:, 0] | first[:, 1] | first[:, 2], first[:, 0] & first[:, 1] & first[:, 2]
    some_last, every_last = last[:, 0] | last[:, 1] | last[:, 2], last[:, 0] & last[:, 1] & last[:, 2]
    # A triangle that lies outside one of a wedge's planes lies outside of the wedge, wherever the other runs.
    split = some_first & some_last & ~(every_first & every_last)
    step = jnp.full(split.shape[1:], -1, jnp.int32)
    second = jnp.zeros(split.shape[1:], bool)
    for word in reversed(range(len(split))):
        bits = split[word]
        lowest = bits & (~bits + 1)
        index = lax.population_count(lowest - 1).astype(jnp.int32) + WORD * word
        step = jnp.where(bits != 0, index, step)
        second = jnp.where(bits != 0, (every_first[word] & lowest) != 0, second)
    return step, second


def along(direction: Array, points: Array) -> Array:
    """Dot products of a direction (3,) or (3, ...) with points (3, ...), in full precision on any device."""
    return direction[0] * points[0] + direction[1] * points[1] + direction[2] * points[2]


def _is_wedge(cut: Cut, following: Cut) -> bool:
    """Whether two cuts in a row take one wedge off a piece and return to it what the second leaves."""
    rest = (following.of, following.inside, following.outside)
    return cut.outside == cut.of and rest == (cut.inside, cut.inside, cut.outside)


def _unit(plane: Plane) -> Plane:
    return Plane(plane.point, plane.normal / (plane.normal @ plane.normal) ** 0.5)


def _common_point(first: Plane, second: Plane) -> Array:
    """The point of two planes with unit normals that lies nearest to the first one's own."""
    down = second.normal - (second.normal @ first.normal) * first.normal
    return first.point - second.height(first.point) / (second.normal @ down) * down
