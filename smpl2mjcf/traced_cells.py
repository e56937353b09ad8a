"""The matter of a cut body as JAX traces it: exact cuts of one mesh in arrays of fixed sizes.

The same plan of cuts as in segments.py, but triangle by triangle: one that no plane divides belongs to
the cell where its corners' walk ends (traced_plan.py); any other is split by the first plane that divides it,
into a tip, two triangles of the base and, to close the cut, a fan on either side. The parts walk on from
there, and what is split n times makes up level n. Triangles do not depend on each other, so a level is one
batch.

A fan runs from a fixed point of its plane to the cut. The two planes of a wedge (sagittal plane and thigh,
shoulder and armpit) share that point: so no fan crosses the other plane, and triangles outside of it need no
split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .cells import trunk_cell
from .cut_plan import TRUNK_JOINTS, WHOLE, Cut
from .deleva import TRUNK_PARTS
from .segments import Matter
from .traced_plan import TOLERANCE, Plan, along, first_split, plan_of, walk

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

# The nine points of a split triangle, those on the cut once for either side, and its five parts.
TIP, ON_FIRST, ON_OTHER, TIP_APEX, ON_FIRST_BASE, FIRST, OTHER, ON_OTHER_BASE, BASE_APEX = range(9)
PARTS = np.array(
    [
        (TIP, ON_FIRST, ON_OTHER),
        (ON_FIRST_BASE, FIRST, OTHER),
        (ON_FIRST_BASE, OTHER, ON_OTHER_BASE),
        # Fans run against the cut, so that every edge has its opposite partner.
        (TIP_APEX, ON_OTHER, ON_FIRST),
        (BASE_APEX, ON_FIRST_BASE, ON_OTHER_BASE),
    ]
)
IS_FAN = np.array([False, False, False, True, True])


@dataclass(frozen=True)
class Capacities:
    """How many triangles can be split: of the mesh, then at each of some levels."""

    first: int
    later: int
    levels: int


class Level(NamedTuple):
    """N triangles on P points; a point's piece and progress are those of the triangles that have it."""

    points: Array  # (3, P) m
    faces: Array  # (3, N)
    label: Array  # (P,) int32, the piece that it is part of; the number of labels where it is of none
    resume: Array  # (P,) int32, how far through the plan, see `walk`
    is_surface: Array  # (N,) bool: of the body's surface, not of a fan
    skin: Array  # (Q,) points that no level before had, and that can be of the surface
    is_skin: Array  # (Q,) bool: they are


class Found(NamedTuple):
    """What one level adds to the cells, and what is left to split."""

    moments: Array  # (10, L), see `_moments`
    skin: tuple[Array, Array]  # points (3, P) m of the surface and their label (P,); nothing for others
    step: Array  # (N,) int32, the step that splits a triangle; -1 where none does
    second: Array  # (N,) bool, whether that step's second plane does


class TracedCells:
    """The Cells of a closed mesh, traced by JAX; `splits` says whether its arrays sufficed."""

    def __init__(
        self,
        vertices: Array,
        faces: Array,
        cuts: Sequence[Cut],
        joints: Mapping[str, Array],
        names: Sequence[str],
        capacities: Capacities,
    ) -> None:
        """Cut a mesh: vertices (3, V) m, each used by a face; faces (3, F).

        cuts: the whole plan, the trunk's parts included; joints: (3,) m by name; names: the joints that get
        a cell.
        """
        self.names = list(names)
        plan = plan_of(cuts, vertices.dtype)
        self._labels = plan.labels
        self._origins = jnp.stack([joints[name.split(":")[0]] for name in plan.labels], axis=1)

        def found(level: Level) -> Found:
            return _find(plan, level, self._origins)

        mesh = found(_mesh(vertices, faces, plan.labels[WHOLE]))
        level = _split(plan, _mesh(vertices, faces, plan.labels[WHOLE]), mesh, capacities.first)
        first = found(level)
        level = _split(plan, level, first, capacities.later)
        nothing = jax.tree.map(jnp.zeros_like, jax.eval_shape(found, level))
        nothing = nothing._replace(skin=(nothing.skin[0], nothing.skin[1] + len(plan.labels)))

        def deeper(state: tuple[Level, Array], _: None) -> tuple[tuple[Level, Array], Any]:
            level, count = state

            def go() -> Any:
                more = found(level)
                return (_split(plan, level, more, capacities.later), (more.step >= 0).sum()), more

            (level, left), more = lax.cond(count > 0, go, lambda: ((level, count), nothing))
            return (level, left), (more.moments, more.skin, left)

        start = (level, (first.step >= 0).sum())
        _, (moments, skin, left) = lax.scan(deeper, start, length=capacities.levels)
        moments = mesh.moments + first.moments + moments.sum(axis=0)
        self._matter = dict(zip(plan.labels, _matter(moments, self._origins)))
        points, labels = skin
        self._skin = [mesh.skin, first.skin, (points.swapaxes(0, 1), labels)]
        self.is_complete = (
            ((mesh.step >= 0).sum() <= capacities.first)
            & ((first.step >= 0).sum() <= capacities.later)
            & (left <= capacities.later).all()
            & (left[-1] == 0)
        )
        self.splits = jnp.concatenate([jnp.stack([(mesh.step >= 0).sum(), start[1]]), left])

    def matter(self, name: str) -> Matter:
        """Moments of a joint's cell, or of `trunk_cell(joint, part)`."""
        if name in TRUNK_JOINTS:
            upper, middle, lower = (self.matter(trunk_cell(name, part)) for part in TRUNK_PARTS)
            return upper + middle + lower
        return self._matter[name]

    def extent(self, names: Sequence[str], direction: Array) -> tuple[Array, Array]:
        """m, the least and greatest reach of some joints' cells along a direction (3,)."""
        least, greatest = [], []
        for points, label in self._skin:
            is_theirs = jnp.isin(label, np.array([self._labels[name] for name in names]))
            reach = along(direction, points)
            least.append(jnp.where(is_theirs, reach, jnp.inf).min())
            greatest.append(jnp.where(is_theirs, reach, -jnp.inf).max())
        return jnp.stack(least).min(), jnp.stack(greatest).max()


def _mesh(vertices: Array, faces: Array, whole: int) -> Level:
    label = jnp.full(vertices.shape[1], whole, jnp.int32)
    is_surface, is_skin = jnp.ones(faces.shape[1], bool), jnp.ones(vertices.shape[1], bool)
    return Level(
        vertices, faces, label, jnp.zeros_like(label), is_surface, jnp.arange(vertices.shape[1]), is_skin
    )


def _find(plan: Plan, level: Level, origins: Array) -> Found:
    """Which triangles nothing divides and what they add; origins (3, L) m."""
    sides = walk(plan, level.points, level.label, level.resume)
    step, second = first_split(sides.first[:, level.faces], sides.last[:, level.faces])
    nothing = len(plan.labels)
    label = jnp.where(step < 0, sides.label[level.faces[0]], nothing)
    moments = _moments(level.points[:, level.faces], label, origins)
    skin = (level.points[:, level.skin], jnp.where(level.is_skin, sides.label[level.skin], nothing))
    return Found(moments, skin, step, second)


def _split(plan: Plan, level: Level, found: Found, capacity: int) -> Level:
    """The next level: the parts of the triangles that a step splits, as many as there is room for."""
    step, second = found.step, found.second
    N, K, nothing = len(step), capacity, len(plan.labels)
    chosen = jnp.searchsorted(jnp.cumsum(step >= 0), jnp.arange(1, K + 1))
    is_used = chosen < N
    chosen = jnp.minimum(chosen, N - 1)
    step, second = jnp.where(is_used, step[chosen], 0), second[chosen]
    corners = level.points[:, level.faces[:, chosen]]  # (3, 3 corners, K)
    normal, apex = plan.normals[step, second.astype(int)].T, plan.apexes[step].T
    height = along(normal[:, None], corners - apex[:, None])

    tolerance = TOLERANCE[np.dtype(height.dtype)]
    is_inside = height >= -tolerance
    height = jnp.where(jnp.abs(height) <= tolerance, 0, height)
    # Turn each triangle so that its odd corner (the one alone on its side) comes first.
    alone = is_inside.sum(axis=0) == 1  # the odd corner is the inside one
    odd = jnp.argmax(is_inside == alone, axis=0)
    order = (odd + np.arange(3)[:, None]) % 3
    tip, first, other = jnp.take_along_axis(corners, order[None], axis=1).swapaxes(0, 1)
    height_tip, *heights = jnp.take_along_axis(height, order, axis=0)
    on_first, on_other = (
        _crossing(tip, end, height_tip, height_end, alone) for end, height_end in zip((first, other), heights)
    )

    of, inside, outside = jnp.asarray(plan.pieces)[step].T
    # What passes the first plane of a wedge waits for the second.
    waits = jnp.asarray(plan.is_wedge)[step] & ~second
    passed, stopped = (jnp.where(waits, of, inside), 2 * step + 2 - waits), (outside, 2 * step + 2)
    (tip_label, tip_resume), (base_label, base_resume) = (
        [jnp.where(alone, a, b) for a, b in zip(one, two)]
        for one, two in ((passed, stopped), (stopped, passed))
    )
    points = [tip, on_first, on_other, apex, on_first, first, other, on_other, apex]
    is_surface = level.is_surface[chosen]
    on_cut = np.array([ON_FIRST, ON_OTHER, ON_FIRST_BASE, ON_OTHER_BASE])
    return Level(
        jnp.concatenate(points, axis=1),
        jnp.asarray((PARTS.T[:, :, None] * K + np.arange(K)).reshape(3, -1)),
        jnp.where(jnp.tile(is_used, 9), jnp.concatenate([tip_label] * 4 + [base_label] * 5), nothing),
        jnp.concatenate([tip_resume] * 4 + [base_resume] * 5),
        (is_surface & ~IS_FAN[:, None]).ravel(),
        jnp.asarray((on_cut[:, None] * K + np.arange(K)).ravel()),
        jnp.tile(is_surface, 4),
    )


def _crossing(tip: Array, end: Array, height_tip: Array, height_end: Array, alone: Array) -> Array:
    """(3, K) where edges cross the plane, from their inner end outwards; alone: whether the tip is inner."""
    inner, outer = jnp.where(alone, tip, end), jnp.where(alone, end, tip)
    above, below = jnp.where(alone, height_tip, height_end), jnp.where(alone, height_end, height_tip)
    # Spare places hold triangles that no plane divides; they must not divide by 0 either.
    crosses = (above >= 0) & (below < 0)
    share = jnp.where(crosses, above, 0) / jnp.where(crosses, above - below, 1)
    return inner + share * (outer - inner)


def rows(array: Array) -> list[Array]:
    """The rows of an array; their derivatives are put together at once, not one by one."""
    return [row[0] for row in lax.split(array, [1] * len(array))]


def _matter(moments: Array, origins: Array) -> list[Matter]:
    """Matter about the model's origin by label, from moments (10, L) about origins (3, L) m."""
    volume, first, xx = moments[0], moments[1:4].T, moments[4:]
    origins = origins.T
    second = xx[np.array([[0, 3, 4], [3, 1, 5], [4, 5, 2]])].transpose(2, 0, 1)
    shift = first[:, :, None] * origins[:, None, :]
    here = volume[:, None] * origins
    second = second + shift + shift.swapaxes(1, 2) + here[:, :, None] * origins[:, None, :]
    return [Matter(*parts) for parts in zip(rows(volume), rows(first + here), rows(second))]


def _moments(corners: Array, label: Array, origins: Array) -> Array:
    """(10, L) volume and moments (x, y, z; xx, yy, zz, xy, xz, yz) by label, about origins (3, L) m.

    corners: (3, 3 corners, N) m; label: (N,), L where a triangle counts for none. Signed tetrahedra from the
    label's origin (divergence theorem).
    """
    count = origins.shape[1]
    corners = corners - origins[:, None, jnp.minimum(label, count - 1)]
    a, b, c = corners.swapaxes(0, 1)
    six_volumes = along(a, jnp.cross(b, c, axis=0))
    total = a + b + c
    i, j = np.array([0, 1, 2, 0, 0, 1]), np.array([0, 1, 2, 1, 2, 2])
    products = total[i] * total[j] + a[i] * a[j] + b[i] * b[j] + c[i] * c[j]
    rows = jnp.concatenate([six_volumes[None] / 6, six_volumes * total / 24, six_volumes * products / 120])
    return jax.ops.segment_sum(rows.T, label, count).T
