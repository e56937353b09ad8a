"""Shapes as arrays: what betas and mass make of a humanoid's bodies, in JAX, for populations and gradients.

The numbers are build_humanoid's: the same plan of cuts (cut_plan.py) and the same formulas (inertia.py), with
the cuts made in arrays of fixed sizes (traced_cells.py). No model is built.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from .body import STATURE_RANGE, Body
from .cells import trunk_cell, trunk_cuts
from .cut_plan import TRUNK_JOINTS, body_cuts, hand_cuts
from .deleva import TRUNK_PARTS
from .errors import HumanoidError
from .hands import SMALLEST_BONE
from .inertia import BODY_DENSITY, MASS_RANGE, body_inertias
from .options import INERTIAS, TRUNKS
from .population_input import checked_betas, checked_mass
from .principal_axes import principal_axes
from .skeleton import FINGER_JOINTS, HANDS, SEXES, SIDES, parents_of
from .traced_body import BodyArrays, arrays_of, grown, traced_body
from .traced_cells import Capacities, TracedCells, rows

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

GROWTHS = 3
"""How often arrays grow for shapes that need more room. What needs more still is no body."""

SLICE = 64
"""Shapes that one call of compiled code takes on a CPU, one by one, while another core runs the next call; an
accelerator takes as many at once."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ShapeArrays:
    """The bodies of humanoids of one topology, a JAX pytree; rows are MuJoCo's bodies, the world row 0.

    Axes (...) are those of betas. Where `valid` is False the other arrays' rows after the world's are NaN.
    """

    names: tuple[str, ...] = dataclasses.field(metadata={"static": True})  # (nbody,)
    parents: tuple[int, ...] = dataclasses.field(metadata={"static": True})  # (nbody,) the world is its own
    offsets: Array  # (..., nbody, 3) m, origin of the body frame in the parent body's frame
    masses: Array  # (..., nbody) kg
    coms: Array  # (..., nbody, 3) m, centre of mass in the body frame
    tensors: Array  # (..., nbody, 3, 3) kg m2, inertia about the com in body axes
    valid: Array  # (...,) bool: the shape has matter for every body, and a person's stature and mass

    def model_fields(self) -> dict[str, Array]:
        """These bodies as the fields of a MuJoCo model, by MjModel's names.

        For `mjx.Model.replace(**fields)` and, one by one, `mujoco.batch.Batch.expand(name)[:] = field` or an
        MjModel's own arrays, which need set_const() or mj_setConst afterwards. Geoms, sites, actuators,
        joint damping, armature, qpos0 and keyframes stay those of the model (feet are millimetres off the
        floor). MJX keeps its `*_invweight0` too, off by up to a half for shapes within ±3, and with them the
        softness of contacts and limits. principal_axes says how the axes of inertia differentiate.
        """
        moments, quaternions = principal_axes(self.tensors)
        identity = jnp.array([1.0, 0.0, 0.0, 0.0], quaternions.dtype)
        below = np.eye(len(self.parents))
        for child in reversed(range(1, len(self.parents))):
            below[self.parents[child]] += below[child]
        return {
            "body_pos": self.offsets,
            "body_mass": self.masses,
            "body_ipos": self.coms,
            "body_inertia": moments,
            "body_iquat": quaternions.at[..., 0, :].set(identity),
            "body_subtreemass": jnp.matmul(
                self.masses, below.T.astype(self.masses.dtype), precision="highest"
            ),
        }


def shape_arrays(
    body: Body,
    betas: Array,
    mass: Array | None = None,
    sex: str | None = None,
    hands: str = "merged",
    inertia: str = "deleva",
    trunk: str = "parts",
) -> ShapeArrays:
    """Offsets, masses, centres of mass and inertia tensors of one shape or of thousands; JAX can trace it.

    betas: (..., B); mass: (...) kg or one for all, None for 985 kg/m3 times the mesh's volume; sex, hands,
    inertia and trunk: as build_humanoid's, the same for all. Float64 where `jax_enable_x64` is on, otherwise
    float32: tensors typically 5e-5 of their largest entry off on a CPU, at worst 6e-4, the rest 5e-5.

    The first call for a body's topology and a set of options compiles for ten seconds or more; other betas,
    masses, bodies of that topology and, on a CPU, numbers of shapes beyond 32 do not. Derivatives with
    respect to betas and mass are finite for every valid shape. Give populations as leading axes: they take
    the memory of one shape, under jax.vmap of all at once (3 MB each in float32, 23 with a gradient).

    A shape that leaves a joint without volume, or has no person's stature or mass, is NaN and not `valid`;
    so are its derivatives, masked or not: drop it before shapes share a mass or weights. Joints out of order,
    faces that cross or are turned over, volume counted twice and an absurd density, which build_humanoid
    looks for as well, are not looked for. Arrays that a shape outgrows grow and compile again for that call;
    where JAX traces they cannot, and the shape is not `valid` (three deviations fit with room to spare).

    Raises BodyError for betas of a wrong shape or not finite, HumanoidError for a mass that is not positive
    or does not fit the betas, an unknown option, and for bodies that build_humanoid refuses. Values that JAX
    traces make `valid` False instead.
    """
    sex = body.sex if sex is None else sex
    for option, word, accepted in (
        ("sex", sex, SEXES),
        ("hands", hands, HANDS),
        ("inertia", inertia, INERTIAS),
        ("trunk", trunk, TRUNKS),
    ):
        if word not in accepted:
            raise HumanoidError(f"unknown {option} {word!r}; accepted: {', '.join(accepted)}")
    betas, mass = checked_betas(body, betas), checked_mass(mass, np.shape(betas)[:-1])
    prepared = traced_body(body, hands)
    dtype = np.dtype(jax.dtypes.canonicalize_dtype(float))
    leading = betas.shape[:-1]
    arrays = arrays_of(prepared, dtype, betas.shape[-1])
    betas = jnp.asarray(betas, dtype).reshape(math.prod(leading), betas.shape[-1])
    if mass is not None:
        mass = jnp.broadcast_to(jnp.asarray(mass, dtype), leading).ravel()
    # Inside jit even constants are traced, betas that no operation has touched yet are not.
    is_traced = any(isinstance(array, jax.core.Tracer) for array in (betas, mass, jnp.zeros(())))
    run = _population if is_traced or jax.default_backend() != "cpu" else _sliced
    capacities = prepared.capacities
    for _ in range(GROWTHS + 1):
        options = _Options(
            body.joint_names, prepared.names, sex, hands, inertia, trunk, capacities, is_traced
        )
        found, splits = run(options, arrays, betas, mass)
        needed = capacities if is_traced else grown(capacities, splits)
        if needed == capacities:
            break
        capacities = needed
    return jax.tree.map(lambda array: array.reshape(*leading, *array.shape[1:]), found)


class _Options(NamedTuple):
    """What a compilation depends on beside the sizes of arrays."""

    joint_names: tuple[str, ...]  # (J,)
    names: tuple[str, ...]  # (K,) the joints that are bodies, in the body's order
    sex: str
    hands: str
    inertia: str
    trunk: str
    capacities: Capacities
    is_traced: bool  # perhaps to be differentiated


@functools.partial(jax.jit, static_argnames="options")
def _population(
    options: _Options, arrays: BodyArrays, betas: Array, mass: Array | None
) -> tuple[ShapeArrays, Array]:
    """N shapes: betas (N, B), mass (N,). Also (N, levels) how many triangles had to be split."""

    def one(row: tuple[Array, Array | None]) -> tuple[ShapeArrays, Array]:
        return _shape(options, arrays, *row)

    batch_size = None if jax.default_backend() == "cpu" else SLICE
    # What the reverse pass needs of a shape is megabytes: it is computed again, one shape at a time.
    function = jax.checkpoint(one) if options.is_traced and len(betas) > 1 else one
    with jax.default_matmul_precision("highest"):  # GPUs may multiply float32 in ten bits
        return lax.map(function, (betas, mass), batch_size=batch_size)


def _sliced(
    options: _Options, arrays: BodyArrays, betas: Array, mass: Array | None
) -> tuple[ShapeArrays, Array]:
    """_population on all cores, in slices of one size, so that other numbers of shapes compile nothing."""
    N = len(betas)
    if N <= 1:
        return _population(options, arrays, betas, mass)
    size = min(SLICE, 2 ** math.ceil(math.log2(N)))
    # Spare places repeat the last shape.
    picks = np.minimum(np.arange(size * -(-N // size)), N - 1).reshape(-1, size)

    def run(pick: NDArray[np.int64]) -> tuple[ShapeArrays, Array]:
        part = None if mass is None else mass[pick]
        return jax.block_until_ready(_population(options, arrays, betas[pick], part))

    first = run(picks[0])  # compiles
    x64 = betas.dtype == np.float64

    def run_there(pick: NDArray[np.int64]) -> tuple[ShapeArrays, Array]:
        with jax.enable_x64(x64):  # a setting of the thread
            return run(pick)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        slices = [first, *pool.map(run_there, picks[1:])]
    return jax.tree.map(lambda *parts: jnp.concatenate(parts)[:N], *slices)


def _shape(
    options: _Options, arrays: BodyArrays, betas: Array, mass: Array | None
) -> tuple[ShapeArrays, Array]:
    vertices = arrays.template + arrays.directions @ betas
    joints = dict(zip(options.joint_names, rows(arrays.joints + arrays.joint_directions @ betas)))
    cuts = body_cuts(joints)
    if options.hands == "articulated":
        cuts += [cut for side in SIDES for cut in hand_cuts(joints, side)]
    cuts += trunk_cuts(joints, options.sex)
    cells = TracedCells(vertices, arrays.faces, cuts, joints, options.names, options.capacities)
    volume = sum(cells.matter(name).volume for name in cells.names)
    kilograms = BODY_DENSITY * volume if mass is None else mass
    inertias = body_inertias(cells, joints, options.sex, kilograms, options.inertia, options.trunk)

    order, parents = _depth_first(options.names)
    names = [options.names[index] for index in order]
    offsets = [joints[names[0]]] + [
        joints[name] - joints[names[parent - 1]] for name, parent in zip(names[1:], parents[2:])
    ]
    bodies = [inertias[name] for name in names]
    stature = jnp.ptp(vertices[1])
    is_person = (stature >= STATURE_RANGE[0]) & (stature <= STATURE_RANGE[1])
    valid = is_person & _is_valid(cells, options, kilograms)

    def rows_of(values: list[Array]) -> Array:
        array = jnp.stack(values)
        array = jnp.where(valid, array, jnp.nan)
        return jnp.concatenate([jnp.zeros_like(array[:1]), array])

    return (
        ShapeArrays(
            ("world", *names),
            parents,
            rows_of(offsets),
            rows_of([body.mass for body in bodies]),
            rows_of([body.com for body in bodies]),
            rows_of([body.tensor for body in bodies]),
            valid,
        ),
        jnp.where(is_person, cells.splits, 0),
    )


def _is_valid(cells: TracedCells, options: _Options, kilograms: Array) -> Array:
    """Whether there is matter for every body and trunk part, and a person's mass."""
    least = SMALLEST_BONE if options.hands == "articulated" else 0.0
    volumes = [cells.matter(name).volume - (least if name in FINGER_JOINTS else 0.0) for name in cells.names]
    volumes += [
        sum(cells.matter(trunk_cell(name, part)).volume for name in TRUNK_JOINTS) for part in TRUNK_PARTS
    ]
    return (
        cells.is_complete
        & (jnp.stack(volumes) > 0).all()
        & (kilograms >= MASS_RANGE[0])
        & (kilograms <= MASS_RANGE[1])
    )


def _depth_first(names: tuple[str, ...]) -> tuple[list[int], tuple[int, ...]]:
    """MuJoCo's order of the bodies, (K,) indices into names, and the parents (K + 1,) of its rows."""
    parents = parents_of(names)
    order: list[int] = []

    def visit(index: int) -> None:
        order.append(index)
        for child, parent in enumerate(parents):
            if parent == index:
                visit(child)

    visit(0)
    row = {index: k + 1 for k, index in enumerate(order)}
    return order, (0, *(row.get(parents[index], 0) for index in order))
