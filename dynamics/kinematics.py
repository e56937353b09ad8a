"""Where the bodies are and how the joints move them: forward kinematics on a Tree.

The recursions run on nodes (one joint each, see topology.Node). A node's frame has the axes of its body
and its origin at the joint's anchor, so a hinge or a ball turns it about its own origin; the levels of the
forest are handled one after the other, all nodes of a level together.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from . import so3
from .errors import StateError
from .precision import canonical_dtype
from .states import as_array, check_values, is_traced
from .topology import FREE, Topology
from .tree import Tree

Array = Any  # a numpy.ndarray, a jax.Array or a tracer


class NodeFrames(NamedTuple):
    """Each node's frame in another frame: its parent node's, or the world's.

    Attributes:
        rotation: (nnode, 3, 3), axes of the node in the other frame (R_parent_node or R_world_node).
        origin: (nnode, 3) m, origin of the node in the other frame.
    """

    rotation: Array
    origin: Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class BodyPoses:
    """Where the bodies are; a JAX pytree. Row 0 is the world.

    Attributes:
        position: (..., nbody, 3) m, origin of the body frame in the world.
        rotation: (..., nbody, 3, 3), R_world_body.
        com: (..., nbody, 3) m, centre of mass in the world.
    """

    position: Array
    rotation: Array
    com: Array


def body_poses(tree: Tree, qpos: Array) -> BodyPoses:
    """Positions, rotations and centres of mass of all bodies in the world.

    Args:
        tree: the bodies.
        qpos: (..., nq) m, rad and quaternions wxyz; quaternions are normalised as MuJoCo does.

    Returns:
        BodyPoses with the leading axes of qpos, in the float type of qpos under JAX's present setting.

    Raises:
        StateError: for a shape that does not fit the tree; for NaN or quaternions far from unit length.
    """
    qpos = as_array("qpos", qpos)
    if qpos.ndim == 0 or qpos.shape[-1] != tree.topology.nq:
        raise StateError(f"qpos has shape {tuple(qpos.shape)}; this model needs (..., {tree.topology.nq})")
    if not is_traced(qpos):
        check_values(tree.topology, "qpos", np.asarray(qpos))
    dtype = canonical_dtype(qpos)
    poses = _body_poses(
        tree.astype(dtype), qpos.astype(dtype).reshape(math.prod(qpos.shape[:-1]), qpos.shape[-1])
    )
    return jax.tree.map(lambda array: array.reshape(*qpos.shape[:-1], *array.shape[1:]), poses)


@jax.jit
@functools.partial(jax.vmap, in_axes=(None, 0))
def _body_poses(tree: Tree, qpos: Array) -> BodyPoses:
    topology = tree.topology
    world = world_frames(topology, node_frames(tree, qpos))
    # The world's own row comes first, then each body from the last node of its chain.
    last = np.array(topology.last_node_of_body[1:], int)
    rotation = jnp.concatenate([jnp.eye(3, dtype=qpos.dtype)[None], world.rotation[last]])
    nodes = jnp.concatenate([jnp.zeros((1, 3), qpos.dtype), world.origin[last]])
    anchors = jnp.concatenate([jnp.zeros((1, 3), qpos.dtype), node_anchors(tree)[last]])
    position = nodes - so3.apply(rotation, anchors)
    return BodyPoses(position, rotation, com=position + so3.apply(rotation, tree.coms))


def world_frames(topology: Topology, frames: NodeFrames) -> NodeFrames:
    """Every node's frame in the world, from each node's frame in its parent's."""
    rotations: list[Array] = []
    origins: list[Array] = []
    for level in topology.levels:
        rotation, origin = (array[slice(*level)] for array in frames)
        if rotations:
            up = parent_rows(topology, level)
            origin = origins[-1][up] + so3.apply(rotations[-1][up], origin)
            rotation = so3.compose(rotations[-1][up], rotation)
        rotations.append(rotation)
        origins.append(origin)
    if not rotations:
        return frames
    return NodeFrames(jnp.concatenate(rotations), jnp.concatenate(origins))


def node_frames(tree: Tree, qpos: Array) -> NodeFrames:
    """Each node's frame in its parent node's (the world's for the first level) at one qpos (nq,).

    MuJoCo's rule (mj_kinematics): a body's joints act one after the other, all in the body's coordinates;
    a slide shifts along its axis by qpos - reference, a hinge turns about its anchor by as much, and a
    free joint states the pose in the world and so overrides the offset that the model gives.
    """
    topology, nodes = tree.topology, tree.topology.nodes
    identity = jnp.eye(3, dtype=qpos.dtype)[None]
    carries_offset = [
        n.body if n.first and (n.joint < 0 or topology.joint_types[n.joint] != FREE) else -1 for n in nodes
    ]
    fixed = jnp.concatenate([so3.matrix(so3.normalize(tree.rotations)), identity])[np.array(carries_offset)]
    anchors = node_anchors(tree)
    origin = rows_or_zero(tree.offsets, carries_offset) + so3.apply(fixed, anchors)
    origin -= rows_or_zero(anchors, [n.parent for n in nodes])

    # What the joints add: a turn of the node's own axes and a shift along them.
    hinges, slides, balls, frees = topology.joints
    address = topology.qpos_addresses
    angles = qpos[address[hinges]] - tree.references[hinges]
    lengths = qpos[address[slides]] - tree.references[slides]
    quaternions = qpos[spread(np.append(address[balls], address[frees] + 3), 4)]
    turns = so3.matrix(
        jnp.concatenate(
            [
                so3.from_axis_angle(tree.axes[hinges], angles),
                so3.normalize(quaternions),
                jnp.array([[1, 0, 0, 0]], qpos.dtype),
            ]
        )
    )
    shifts = jnp.concatenate([lengths[:, None] * tree.axes[slides], qpos[spread(address[frees], 3)]])
    turn = turns[rows_by_joint(topology, hinges, balls, frees)]
    shift = rows_or_zero(shifts, rows_by_joint(topology, slides, frees))
    return NodeFrames(so3.compose(fixed, turn), origin + so3.apply(fixed, shift))


def node_anchors(tree: Tree) -> Array:
    """Origins of the node frames in their bodies' frames: (nnode, 3) m."""
    return rows_or_zero(tree.anchors, [node.joint for node in tree.topology.nodes])


def parent_rows(topology: Topology, level: tuple[int, int]) -> np.ndarray:
    """For each node of a level the place of its parent within the level above."""
    start, stop = level
    above = next(begin for begin, end in topology.levels if end == start)
    return np.array([topology.nodes[i].parent - above for i in range(start, stop)], int)


def rows_by_joint(topology: Topology, *joints: np.ndarray) -> np.ndarray:
    """For each node the place of its joint in `joints` put together; -1 where it is not among them."""
    place = {int(joint): row for row, joint in enumerate(np.concatenate(joints))}
    return np.array([place.get(node.joint, -1) for node in topology.nodes], int)


def rows_or_zero(array: Array, indices: Sequence[int] | np.ndarray) -> Array:
    """Rows of an array; zeros for the index -1."""
    padded = jnp.concatenate([array, jnp.zeros((1, *array.shape[1:]), array.dtype)])
    return padded[np.asarray(indices, int)]


def spread(starts: np.ndarray, count: int) -> np.ndarray:
    """Indices (n, count) of `count` consecutive entries from each start."""
    return starts[:, None] + np.arange(count)
