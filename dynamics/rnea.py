"""Inverse dynamics by the recursive Newton-Euler algorithm: the call, and its equations in plain JAX."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from . import native, so3
from .batches import Batch
from .devices import over_frames
from .kinematics import (
    NodeFrames,
    node_anchors,
    node_frames,
    parent_rows,
    rows_by_joint,
    rows_or_zero,
    spread,
    world_frames,
)
from .primitives import RneaPrimitives
from .topology import Topology
from .tree import Tree
from .wrench import Wrench

Array = Any  # a numpy.ndarray, a jax.Array or a tracer


def rnea(tree: Tree, qpos: Array, qvel: Array, qacc: Array, wrench: Wrench | None = None) -> jax.Array:
    """Joint forces and torques tau that make the bodies move with the given accelerations.

    `tau = M(q) qacc + armature qacc + c(q, qvel) - g(q) - J(q)^T wrench`, without any passive, limit,
    contact or actuator force. On the CPU it runs as machine code over frames (see `native`), compiled once
    a process for all trees and numbers of frames; on accelerators as plain JAX. It traces under jit, vmap
    and grad, in all arguments and in the tree's arrays, in reverse and forward mode and to any order; a
    second call with the same topology, shapes and types traces nothing, for another body of that topology
    neither.

    Args:
        tree: the bodies.
        qpos: (..., nq) m, rad and quaternions wxyz, which are normalised as MuJoCo does.
        qvel: (..., nv) m/s and rad/s; free joint [linear in world axes; angular in body axes], ball joint
            in the child body's axes.
        qacc: (..., nv) m/s2 and rad/s2, the time derivative of qvel, in the same axes.
        wrench: external forces on the bodies, (..., nbody, 3) each; None for none.

    Returns:
        tau (..., nv) N and N m, in the axes of qvel, in the float type of the states under JAX's present
        setting.

    Raises:
        StateError: for shapes that differ or do not fit the tree, mixed float types and, where values are
            at hand (not while tracing), NaN or quaternions further than 1e-3 from unit length.

    Source: Luh, Walker and Paul (1980), "On-line computational scheme for mechanical manipulators",
    doi:10.1115/1.3149599: velocities and (classical, not spatial) accelerations outward, forces inward, in
    body axes; forests and the order of joints as Featherstone (2008), "Rigid body dynamics algorithms",
    section 5.3, doi:10.1007/978-1-4899-7560-7.
    """
    batch = Batch.of(tree, qpos, qvel, qacc, wrench)
    nv = tree.topology.nv
    if nv == 0:
        return jnp.zeros((*batch.leading, 0), batch.dtype)
    if batch.runs_here():
        here: jax.Array = batch.here(native.tau_and_flags)
        return here
    trees, frames = batch.in_jax()
    tau = over_frames(RNEA, trees, frames) if batch.is_nowhere_yet() else RNEA(trees, frames)
    return tau.reshape(*batch.leading, nv)


def _rnea_frame(tree: Tree, qpos: Array, qvel: Array, qacc: Array, wrench: Wrench | None) -> Array:
    """tau (nv,) of one frame in plain JAX, which vmaps over frames and differentiates to any order."""
    frames = node_frames(tree, qpos)
    motion = _joint_motion(tree, frames, qvel, qacc)
    bodies = _Bodies.of(tree)
    force, moment = _body_forces(tree, frames, motion, bodies)
    if wrench is not None:
        rotation = world_frames(tree.topology, frames).rotation
        outer_force, outer_moment = _wrench_at_nodes(tree.topology, wrench, rotation, bodies)
        force, moment = force - outer_force, moment - outer_moment
    force, moment = _sum_inward(tree.topology, frames, force, moment)
    return _along_dofs(tree, frames, force, moment) + tree.armature * qacc


RNEA = RneaPrimitives(_rnea_frame)


class _Bodies(NamedTuple):
    """Inertia of each node: its body's for the last node of a chain, none for the others."""

    mass: Array  # (nnode,) kg
    com: Array  # (nnode, 3) m, in the node's frame
    tensor: Array  # (nnode, 3, 3) kg m2, about the com, node axes

    @classmethod
    def of(cls, tree: Tree) -> _Bodies:
        body = [node.body if node.last else -1 for node in tree.topology.nodes]
        return cls(
            mass=rows_or_zero(tree.masses, body),
            com=rows_or_zero(tree.coms, body) - node_anchors(tree),
            tensor=rows_or_zero(tree.tensors, body),
        )


class _JointMotion(NamedTuple):
    """What each joint adds to the motion of its parent: (nnode, 3) each, node axes."""

    angular: Array  # rad/s
    linear: Array  # m/s
    angular_rate: Array  # rad/s2, derivative of `angular` as coordinates of the node
    linear_rate: Array  # m/s2


def _joint_motion(tree: Tree, frames: NodeFrames, qvel: Array, qacc: Array) -> _JointMotion:
    topology = tree.topology
    (hinges, slides, balls, frees), dof = topology.joints, topology.dof_addresses
    turning = rows_by_joint(topology, hinges, balls, frees)
    sliding = rows_by_joint(topology, slides, frees)
    # A free joint hangs on the world, so R_parent_node turns its world-axes velocity into node axes.
    R_world_free = frames.rotation[topology.node_of_joint[frees]]

    def split(rate: Array) -> tuple[Array, Array]:
        own_axis = rate[:, None]
        angular = [
            own_axis[dof[hinges]] * tree.axes[hinges],
            rate[spread(np.append(dof[balls], dof[frees] + 3), 3)],
        ]
        linear = [
            own_axis[dof[slides]] * tree.axes[slides],
            so3.apply_transposed(R_world_free, rate[spread(dof[frees], 3)]),
        ]
        return (
            rows_or_zero(jnp.concatenate(angular), turning),
            rows_or_zero(jnp.concatenate(linear), sliding),
        )

    angular, linear = split(qvel)
    angular_rate, linear_rate = split(qacc)
    return _JointMotion(angular, linear, angular_rate, linear_rate)


def _body_forces(
    tree: Tree, frames: NodeFrames, motion: _JointMotion, bodies: _Bodies
) -> tuple[Array, Array]:
    """Rate of change of each node's momentum: force (nnode, 3) N and moment about its origin, node axes.

    Luh, Walker and Paul (1980), equations of the outward pass. Gravity enters as an upward acceleration of
    the world, so that the forces come out without weight.
    """
    topology = tree.topology
    omegas: list[Array] = []
    alphas: list[Array] = []
    accelerations: list[Array] = []
    for level in topology.levels:
        here = slice(*level)
        R_parent_node, r = frames.rotation[here], frames.origin[here]
        w, v, w_rate, v_rate = (array[here] for array in motion)
        if omegas:
            up = parent_rows(topology, level)
            omega, alpha, acceleration = omegas[-1][up], alphas[-1][up], accelerations[-1][up]
            acceleration = acceleration + so3.cross(alpha, r) + so3.cross(omega, so3.cross(omega, r))
            omega, alpha, acceleration = (
                so3.apply_transposed(R_parent_node, a) for a in (omega, alpha, acceleration)
            )
            # The joint's own rate is a derivative in turning axes: hence w x and twice w x (Coriolis).
            alphas.append(alpha + w_rate + so3.cross(omega, w))
            accelerations.append(acceleration + v_rate + 2 * so3.cross(omega, v))
            omegas.append(omega + w)
        else:
            omegas.append(w)
            alphas.append(w_rate)
            accelerations.append(v_rate - so3.apply_transposed(R_parent_node, tree.gravity))
    if not omegas:
        return jnp.zeros((0, 3), tree.masses.dtype), jnp.zeros((0, 3), tree.masses.dtype)
    omega, alpha, acceleration = (jnp.concatenate(a) for a in (omegas, alphas, accelerations))
    mass, com, tensor = bodies
    com_acceleration = acceleration + so3.cross(alpha, com) + so3.cross(omega, so3.cross(omega, com))
    force = mass[:, None] * com_acceleration
    moment = so3.apply(tensor, alpha) + so3.cross(omega, so3.apply(tensor, omega))
    return force, moment + so3.cross(com, force)


def _wrench_at_nodes(
    topology: Topology, wrench: Wrench, R_world_node: Array, bodies: _Bodies
) -> tuple[Array, Array]:
    """External force and moment about each node's origin, (nnode, 3) each, node axes."""
    body = [node.body if node.last else -1 for node in topology.nodes]
    force = so3.apply_transposed(R_world_node, rows_or_zero(wrench.force, body))
    torque = so3.apply_transposed(R_world_node, rows_or_zero(wrench.torque, body))
    return force, torque + so3.cross(bodies.com, force)


def _sum_inward(topology: Topology, frames: NodeFrames, force: Array, moment: Array) -> tuple[Array, Array]:
    """What each joint must transmit: its node's own force and moment plus those of all it carries."""
    forces = [force[slice(*level)] for level in topology.levels]
    moments = [moment[slice(*level)] for level in topology.levels]
    for k in range(len(forces) - 1, 0, -1):
        level = topology.levels[k]
        R_parent_node, r = frames.rotation[slice(*level)], frames.origin[slice(*level)]
        f = so3.apply(R_parent_node, forces[k])
        n = so3.apply(R_parent_node, moments[k]) + so3.cross(r, f)
        # Gather each parent's children slot by slot: XLA runs gathers far faster than scatter-adds.
        for children in _child_slots(parent_rows(topology, level), forces[k - 1].shape[0]):
            forces[k - 1] += rows_or_zero(f, children)
            moments[k - 1] += rows_or_zero(n, children)
    if not forces:
        return force, moment
    return jnp.concatenate(forces), jnp.concatenate(moments)


def _child_slots(parent_of_child: np.ndarray, parents: int) -> list[np.ndarray]:
    """The first child of every parent, the second, ...; -1 where there is none."""
    children = [np.flatnonzero(parent_of_child == parent) for parent in range(parents)]
    slots = max(len(c) for c in children)
    return [np.array([c[k] if k < len(c) else -1 for c in children], int) for k in range(slots)]


def _along_dofs(tree: Tree, frames: NodeFrames, force: Array, moment: Array) -> Array:
    """The transmitted forces along each joint's own directions: (nv,) in MuJoCo's axes."""
    topology = tree.topology
    (hinges, slides, balls, frees), dof = topology.joints, topology.dof_addresses
    hinge_at, slide_at, ball_at, free_at = (topology.node_of_joint[joints] for joints in topology.joints)
    parts = [
        (tree.axes[hinges] * moment[hinge_at]).sum(-1),
        (tree.axes[slides] * force[slide_at]).sum(-1),
        moment[ball_at].ravel(),
        so3.apply(frames.rotation[free_at], force[free_at]).ravel(),
        moment[free_at].ravel(),
    ]
    places = [
        dof[hinges],
        dof[slides],
        spread(dof[balls], 3).ravel(),
        spread(dof[frees], 3).ravel(),
        spread(dof[frees] + 3, 3).ravel(),
    ]
    return jnp.concatenate(parts)[np.argsort(np.concatenate(places))]
