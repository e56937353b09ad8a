"""A rigid-body forest as arrays that JAX can trace: what `rnea` and the kinematics run on."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import jax
import mujoco
import numpy as np

from . import so3
from .errors import ModelError
from .topology import Topology

Array = Any  # a numpy.ndarray, a jax.Array or a tracer


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Tree:
    """Rigid bodies on free, ball, slide and hinge joints, in MuJoCo's order; a JAX pytree.

    The topology is static (it decides what is compiled), the rest are arrays (they may be traced,
    differentiated and exchanged without a new compilation). Rows of the arrays are MuJoCo's bodies with
    the world as row 0, joints or dofs. Built in float64 NumPy; calls cast to the type of the state.

    Attributes:
        topology: parents and joint types; static and hashable.
        offsets: (nbody, 3) m, origin of the body frame in the parent body's frame.
        rotations: (nbody, 4), quaternion wxyz of the body frame in the parent body's frame.
        anchors: (njnt, 3) m, the joint's position in its body's frame (0 for free joints).
        axes: (njnt, 3), unit axis of slides and hinges in the body's frame; others ignore theirs.
        references: (njnt,) m or rad, position of slides and hinges in which offsets and rotations hold.
        masses: (nbody,) kg.
        coms: (nbody, 3) m, centre of mass in the body frame.
        tensors: (nbody, 3, 3) kg m2, inertia about the com in body axes.
        armature: (nv,) kg or kg m2, inertia added to the diagonal of M.
        gravity: (3,) m/s2, world axes.
    """

    topology: Topology = dataclasses.field(metadata={"static": True})
    offsets: Array
    rotations: Array
    anchors: Array
    axes: Array
    references: Array
    masses: Array
    coms: Array
    tensors: Array
    armature: Array
    gravity: Array

    @classmethod
    def from_mjmodel(cls, model: mujoco.MjModel) -> Tree:
        """The Tree of a MuJoCo model, which is only read.

        Bodies welded to the world, mocap bodies included, stay where the model has them. Gravity is zero
        if the model's flags disable it.

        Raises:
            ModelError: if the model holds what `rnea` does not model; names the element and lists what
                is accepted.
        """
        topology = Topology.from_mjmodel(model)
        references = np.zeros(model.njnt)
        scalar = np.append(topology.joints.slides, topology.joints.hinges)
        references[scalar] = model.qpos0[topology.qpos_addresses[scalar]]
        principal_axes = so3.matrix(np.array(model.body_iquat))
        tensors = (principal_axes * model.body_inertia[:, None, :]) @ principal_axes.swapaxes(1, 2)
        no_gravity = model.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_GRAVITY)
        return cls(
            topology=topology,
            offsets=np.array(model.body_pos),
            rotations=np.array(model.body_quat),
            anchors=np.array(model.jnt_pos),
            axes=np.array(model.jnt_axis),
            references=references,
            masses=np.array(model.body_mass),
            coms=np.array(model.body_ipos),
            tensors=tensors,
            armature=np.array(model.dof_armature),
            gravity=np.zeros(3) if no_gravity else np.array(model.opt.gravity),
        )

    @staticmethod
    def shapes(topology: Topology) -> tuple[tuple[int, ...], ...]:
        """Shapes of the arrays, in the order of the fields."""
        n, joints = topology.nbody, topology.njnt
        of_bodies = [(n, 3), (n, 4)]
        of_joints = [(joints, 3), (joints, 3), (joints,)]
        of_inertia = [(n,), (n, 3), (n, 3, 3)]
        return (*of_bodies, *of_joints, *of_inertia, (topology.nv,), (3,))

    def replace(self, **arrays: Array) -> Tree:
        """The same topology with other arrays, for example another body shape.

        Raises:
            ModelError: for an unknown name or a shape that differs from the present one (both shown).
        """
        names = [f.name for f in dataclasses.fields(self) if f.name != "topology"]
        for name, array in arrays.items():
            if name not in names:
                raise ModelError(f"a Tree has no array '{name}'; available: {', '.join(names)}")
            shape, accepted = np.shape(array), np.shape(getattr(self, name))
            if shape != accepted:
                raise ModelError(f"{name} has shape {shape}; this tree needs {accepted}")
        return dataclasses.replace(self, **arrays)

    def astype(self, dtype: np.dtype) -> Tree:
        """The same tree with every array in one float type, so that constants promote nothing."""
        return jax.tree.map(lambda array: array.astype(dtype), self)
