"""The compiled functions as calls that XLA makes, so that they serve inside jit on the CPU."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import execution, library
from .handler import ALIGNMENT
from .layout import turned_nodes
from .library import Compiled

Array = Any  # a jax.Array or a tracer


def forward(nodes: np.ndarray, nbody: int, parameters: Array, states: Sequence[Array]) -> Array:
    """tau (B, F, nv), as `execution.forward`, traced."""
    compiled = library.forward(states[0].dtype, len(states) == 5)
    nv = states[1].shape[2]
    shape = jax.ShapeDtypeStruct((*states[1].shape[:2], nv), states[1].dtype)
    tau, *_ = _call(compiled, nodes, nbody, parameters, states, [shape])
    return tau


def adjoint(
    nodes: np.ndarray,
    nbody: int,
    parameters: Array,
    states: Sequence[Array],
    tau_bar: Array,
    of_bodies: bool,
) -> tuple[list[Array], Array | None]:
    """Derivatives in the states, and in the parameters (B, n) if wanted, as `execution.adjoint`, traced."""
    compiled = library.adjoint(tau_bar.dtype, len(states) == 5, of_bodies)
    shapes = [jax.ShapeDtypeStruct(s.shape, s.dtype) for s in states]
    made = _call(compiled, nodes, nbody, parameters, [*states, tau_bar], shapes, sums=of_bodies)
    return made[: len(states)], made[len(states)].sum(axis=1) if of_bodies else None


def _call(
    compiled: Compiled,
    nodes: np.ndarray,
    nbody: int,
    parameters: Array,
    read: Sequence[Array],
    written: Sequence[jax.ShapeDtypeStruct],
    sums: bool = False,
) -> list[Array]:
    """The handler's call: see `handler` for its operands and results."""
    bodies, frames = read[0].shape[:2]
    nq, nv = read[0].shape[2], read[1].shape[2]
    pieces, length = execution.piece_lengths(bodies, frames, compiled.width)
    threads = execution.threads_for(bodies * pieces, bodies * frames)
    sizes = execution.tree_sizes(nodes, nq, nv, nbody)
    results = list(written)
    if sums:
        results.append(jax.ShapeDtypeStruct((bodies, pieces, parameters.shape[1]), parameters.dtype))
    room = compiled.scratch_size(**sizes) + ALIGNMENT // parameters.dtype.itemsize
    results.append(jax.ShapeDtypeStruct((threads, room), parameters.dtype))
    call = jax.ffi.ffi_call(_registered(compiled), results)
    plan = np.array([pieces, length, nbody], np.int32)
    made = call(turned_nodes(jnp.asarray(nodes), parameters), plan, parameters, *read)
    return list(made)[:-1]


@functools.cache
def _registered(compiled: Compiled) -> str:
    """The name under which XLA knows the handler."""
    name = f"smpl2mjcf_{compiled.name}"
    jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(compiled.handler), platform="cpu")
    return name
