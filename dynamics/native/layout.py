"""A Tree as the two tables that the compiled loops run over: one row a node.

Nodes keep the order of `Topology.nodes` (parents before children). Slot 0 of the loops' memory is the world,
node i has slot i + 1.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import so3
from ..topology import DOF_COUNT, FREE, POSITION_COUNT, Topology
from ..tree import Tree
from .equations import PARAMETER_SHAPES, WELD

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

# Columns of the table of integers.
KIND, TURNED, PARENT_SLOT, QPOS, DOF, BODY = range(6)
NODE_COLUMNS = 6

PARAMETER_SIZES = tuple(math.prod(shape) for shape in PARAMETER_SHAPES)
PARAMETER_COUNT = sum(PARAMETER_SIZES)
# After the rows of the nodes.
GRAVITY_COUNT = 3


def parameter_length(topology: Topology) -> int:
    """Length of the vector that `parameters` makes."""
    return len(topology.nodes) * PARAMETER_COUNT + GRAVITY_COUNT


@functools.lru_cache(maxsize=64)
def node_table(topology: Topology) -> np.ndarray:
    """(nnode, 6) int32: kind, 0, parent's slot, first places in qpos and in the dofs, body.

    The second column is for `turned_nodes`. The body is 0, the world, except for the last node of a chain,
    which carries the body's inertia and wrench.
    """
    rows = [
        (
            WELD if node.joint < 0 else topology.joint_types[node.joint],
            0,
            node.parent + 1,
            0 if node.joint < 0 else topology.qpos_addresses[node.joint],
            0 if node.joint < 0 else topology.dof_addresses[node.joint],
            node.body if node.last else 0,
        )
        for node in topology.nodes
    ]
    return np.array(rows, np.int32).reshape(-1, NODE_COLUMNS)


def turned_nodes(table: Array, parameters: Array) -> Array:
    """The node table with its second column 1 where the fixed rotation is not the identity.

    SMPL's bodies share the world's axes at rest, and their products with the identity are left out.
    """
    xp = jnp if isinstance(parameters, jax.Array) else np
    rows = parameters[..., : len(table) * PARAMETER_COUNT].reshape(-1, len(table), PARAMETER_COUNT)
    differs = (rows[..., :9] != np.eye(3, dtype=parameters.dtype).ravel()).any(axis=(0, 2))
    column = (differs & (table[:, KIND] != FREE)).astype(table.dtype)
    return xp.concatenate([table[:, :TURNED], column[:, None], table[:, TURNED + 1 :]], axis=1)


def parameters(tree: Tree, dtype: np.dtype) -> Array:
    """What the loops know of the bodies: a vector of `equations.Parameters`, node by node, then gravity.

    Built in the type of the tree's arrays (NumPy in, NumPy out; JAX in, JAX out and differentiable), then
    cast: the second moments of small bodies far from their joint lose digits otherwise.
    """
    topology = tree.topology
    xp = jnp if any(isinstance(a, jax.Array) for a in jax.tree.leaves(tree)) else np
    rows = _rows(topology)

    def take(array: Array, index: np.ndarray) -> Array:
        """Rows of an array; zeros for the index -1."""
        array = xp.asarray(array)
        return xp.concatenate([array, xp.zeros_like(array[:1], shape=(1, *array.shape[1:]))])[index]

    fixed = so3.matrix(so3.normalize(xp.asarray(tree.rotations)))
    identity = xp.eye(3, dtype=fixed.dtype)
    turn = xp.where((rows.carried >= 0)[:, None, None], fixed[rows.carried], identity)
    anchors = take(tree.anchors, rows.joint)
    origin = take(tree.offsets, rows.carried) + so3.apply(turn, anchors) - take(anchors, rows.parent)
    mass = take(tree.masses, rows.body)
    com = take(tree.coms, rows.body) - xp.where((rows.body >= 0)[:, None], anchors, 0)
    tensor = take(tree.tensors, rows.body)
    trace = xp.trace(tensor, axis1=-2, axis2=-1)[:, None, None]
    # Symmetric in both triangles, so that a derivative in the tensor is symmetric as the tensor is.
    tensor = (tensor + xp.swapaxes(tensor, -2, -1)) / 2
    second = trace / 2 * identity - tensor + mass[:, None, None] * com[:, :, None] * com[:, None, :]
    parts = (
        turn.reshape(-1, 9),
        origin,
        take(tree.axes, rows.joint),
        take(tree.references, rows.joint)[:, None],
        take(tree.armature, rows.dofs),
        mass[:, None],
        mass[:, None] * com,
        second[:, (0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2)],
        com,
    )
    table = xp.concatenate(parts, axis=1)
    return xp.concatenate([table.ravel(), xp.asarray(tree.gravity)]).astype(dtype)


class _Rows:
    """For each node the row of the Tree's arrays that describes it; -1 for none."""

    def __init__(self, topology: Topology) -> None:
        nodes = topology.nodes
        kinds = [WELD if n.joint < 0 else topology.joint_types[n.joint] for n in nodes]
        self.joint = np.array([n.joint for n in nodes], int)
        self.parent = np.array([n.parent for n in nodes], int)
        self.body = np.array([n.body if n.last else -1 for n in nodes], int)
        # A free joint states the pose in the world, so the model's offset has no effect.
        self.carried = np.array([n.body if n.first and k != FREE else -1 for n, k in zip(nodes, kinds)], int)
        self.dofs = np.full((len(nodes), 6), -1)
        for row, node in zip(self.dofs, nodes):
            if node.joint >= 0:
                count = DOF_COUNT[topology.joint_types[node.joint]]
                row[:count] = topology.dof_addresses[node.joint] + np.arange(count)


@functools.lru_cache(maxsize=64)
def _rows(topology: Topology) -> _Rows:
    return _Rows(topology)


def position_count(kind: int) -> int:
    """Entries of qpos of a kind of node."""
    return POSITION_COUNT.get(kind, 0)


def dof_count(kind: int) -> int:
    """Entries of qvel of a kind of node."""
    return DOF_COUNT.get(kind, 0)
