"""The call a user makes: joint torques of a recorded motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import mujoco
import numpy as np

from . import so3
from .precision import double_precision
from .rnea import rnea
from .states import as_float64
from .trajectory import Trajectory
from .tree import Tree
from .wrench import Wrench

Array = Any  # a numpy.ndarray, a jax.Array or a tracer


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class InverseDynamics:
    """Joint forces and torques of a motion, and what remains for the surroundings; a JAX pytree.

    Attributes:
        tau: (T, nv) N and N m; ball joints in the child body's axes, free joint [force in world axes;
            torque in body axes].
        root_residual: (T, 6) N and N m, [force; torque], world axes, about the root joint's position: what
            something outside the body and not in `ground` must have supplied. None without a free joint.
        ground: the external wrenches that were given, or None.
    """

    tau: Array
    root_residual: Array | None
    ground: Wrench | None


def inverse_dynamics(
    model: mujoco.MjModel, traj: Trajectory, ground: Wrench | None = None
) -> InverseDynamics:
    """Joint torques of a trajectory, and the root residual: a reference calculation in float64.

    A floating body has no motor at its root, so the root's share of tau must come from outside. Without
    `ground` the root residual is that whole outside force (standing still: the body's weight, upward), and
    the torques of joints between the root and the point of contact lack the contact force.

    Args:
        model: the bodies; it is only read.
        traj: positions, velocities and accelerations, as `trajectory` makes them.
        ground: external forces on the bodies, (T, nbody, 3) each; None for none.

    Returns:
        InverseDynamics in float64 NumPy, whatever JAX's setting, which is not changed. With several free
        joints the root residual is that of the first.

    Raises:
        ModelError: if the model holds what `rnea` does not model.
        StateError: for shapes that differ or do not fit the model, or NaN.
    """
    tree = Tree.from_mjmodel(model)
    states = (as_float64(name, getattr(traj, name)) for name in ("qpos", "qvel", "qacc"))
    qpos, qvel, qacc = states
    if ground is not None:
        ground = Wrench(as_float64("wrench.force", ground.force), as_float64("wrench.torque", ground.torque))
    with double_precision():
        tau = np.asarray(rnea(tree, qpos, qvel, qacc, wrench=ground))
    return InverseDynamics(tau, root_residual(tree, qpos, tau), ground)


def root_residual(tree: Tree, qpos: np.ndarray, tau: np.ndarray) -> np.ndarray | None:
    """The first free joint's share of tau, (T, 6) [force; torque] in world axes, about its position.

    None if there is no free joint.
    """
    topology = tree.topology
    if not len(topology.joints.frees):
        return None
    joint = topology.joints.frees[0]
    quaternion_at, dof = topology.qpos_addresses[joint] + 3, topology.dof_addresses[joint]
    q_world_root = so3.normalize(qpos[..., quaternion_at : quaternion_at + 4])
    torque_world = so3.rotate(q_world_root, tau[..., dof + 3 : dof + 6])
    return np.concatenate([tau[..., dof : dof + 3], torque_world], axis=-1)
