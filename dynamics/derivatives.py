"""Dense derivatives of inverse dynamics, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import native, so3
from .batches import Batch
from .rnea import rnea
from .topology import BALL, FREE, Topology
from .tree import Tree
from .wrench import Wrench

Array = Any  # a numpy.ndarray, a jax.Array or a tracer


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RneaDerivatives:
    """How tau changes with the state; a JAX pytree. Row i is tau_i, column j a dof.

    Attributes:
        qpos: (..., nv, nv) d tau / d q, along the dofs' directions: balls and free joints turn about the axes
            of the body (R becomes R Exp(e)), free joints shift along those of the world. N m/rad, N/m, ...
        qvel: (..., nv, nv) d tau / d qvel, N m s/rad, ...
        qacc: (..., nv, nv) d tau / d qacc: the mass matrix with armature, kg m2, ...
    """

    qpos: Array
    qvel: Array
    qacc: Array


def rnea_derivatives(
    tree: Tree, qpos: Array, qvel: Array, qacc: Array, wrench: Wrench | None = None
) -> RneaDerivatives:
    """d tau / d (q, qvel, qacc) of every frame; see `rnea` for tau.

    The derivative in q holds qvel and qacc, the numbers, fixed, and leaves a wrench as it is in the world.
    Values at hand on the CPU are differentiated by compiled loops (native/jacobian.py), tracers and
    accelerators by JAX's forward mode.

    Args:
        tree, qpos, qvel, qacc, wrench: as for `rnea`.

    Returns:
        RneaDerivatives in the float type of the states under JAX's present setting. At float64 and 75 dofs
        each frame takes 135 kB.

    Raises:
        StateError: as `rnea`.

    Source: Carpentier and Mansard (2018), "Analytical derivatives of rigid body dynamics algorithms",
    doi:10.15607/RSS.2018.XIV.038, for the sparsity and the axes of the change.
    """
    batch = Batch.of(tree, qpos, qvel, qacc, wrench)
    nv = tree.topology.nv
    if nv == 0:
        empty = jnp.zeros((*batch.leading, 0, 0), batch.dtype)
        return RneaDerivatives(empty, empty, empty)
    if batch.runs_here():
        return RneaDerivatives(*batch.here(native.derivatives_and_flags))
    _, states = batch.in_jax()
    arrays = _by_forward_mode(tree.astype(batch.dtype), [state[0] for state in states])
    return RneaDerivatives(*(array.reshape(*batch.leading, nv, nv) for array in arrays))


@jax.jit
def _by_forward_mode(tree: Tree, states: list[Array]) -> tuple[Array, Array, Array]:
    def frame(*state: Array) -> tuple[Array, Array, Array]:
        qpos, qvel, qacc, *outer = state
        wrench = Wrench(*outer) if outer else None

        def tau(change: Array, qvel: Array, qacc: Array) -> Array:
            return rnea(tree, integrated(tree.topology, qpos, change), qvel, qacc, wrench)

        return jax.jacfwd(tau, (0, 1, 2))(jnp.zeros_like(qvel), qvel, qacc)

    return jax.lax.map(lambda state: frame(*state), tuple(states), batch_size=64)


def integrated(topology: Topology, qpos: Array, change: Array) -> Array:
    """qpos (nq,) moved by a change (nv,) along the dofs' directions, as MuJoCo's `mj_integratePos` does."""
    parts = []
    for kind, q_at, v_at in zip(topology.joint_types, topology.qpos_addresses, topology.dof_addresses):
        if kind not in (FREE, BALL):
            parts.append(qpos[q_at : q_at + 1] + change[v_at : v_at + 1])
            continue
        if kind == FREE:
            parts.append(qpos[q_at : q_at + 3] + change[v_at : v_at + 3])
            q_at, v_at = q_at + 3, v_at + 3
        turn = so3.exp(change[v_at : v_at + 3])
        parts.append(so3.multiply(so3.normalize(qpos[q_at : q_at + 4]), turn))
    return (jnp if isinstance(change, jax.Array) else np).concatenate(parts)
