"""A private model that holds what enters tau and nothing else: what the two MuJoCo engines run on."""

from __future__ import annotations

import functools

import mujoco
import numpy as np

from .topology import HINGE, SLIDE, Topology

# What the copy takes over bit by bit, after the compiler has made arrays of the right shapes.
_BODY_FIELDS = ("body_pos", "body_quat", "body_ipos", "body_iquat", "body_mass", "body_inertia")
_JOINT_FIELDS = ("jnt_pos", "jnt_axis")
_OTHER_FIELDS = ("dof_armature", "qpos0")


def reference_model(model: mujoco.MjModel) -> mujoco.MjModel:
    """A model of the same bodies, joints, armature and gravity with everything else left out.

    On it `mj_inverse` and `mjx.inverse` return tau as this package defines it: there are no springs,
    dampers, limits, friction losses, contacts, actuators, tendons, fluid or gravity compensation, and the
    options are MuJoCo's defaults (no discrete-time inverse). Geoms are left out too, so MJX has no
    collision pairs to refuse. Bodies, joints and dofs keep their order and, bit by bit, their numbers.

    Args:
        model: any model that `check_model` accepts; it is only read.

    Returns:
        A model that callers share: they must not change it.

    Raises:
        ModelError: as `check_model` does.
    """
    topology = Topology.from_mjmodel(model)
    fields = _BODY_FIELDS + _JOINT_FIELDS + _OTHER_FIELDS
    content = tuple(np.ascontiguousarray(getattr(model, name)).tobytes() for name in fields)
    no_gravity = model.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_GRAVITY)
    gravity = np.zeros(3) if no_gravity else np.array(model.opt.gravity)
    return _build(topology, content, gravity.tobytes())


# By content, since a model is mutable and its identity says nothing; a few, as callers compare bodies.
@functools.lru_cache(maxsize=16)
def _build(topology: Topology, content: tuple[bytes, ...], gravity: bytes) -> mujoco.MjModel:
    fields = _BODY_FIELDS + _JOINT_FIELDS + _OTHER_FIELDS
    arrays = dict(zip(fields, (np.frombuffer(c) for c in content)))
    mass, inertia = arrays["body_mass"], arrays["body_inertia"].reshape(-1, 3)
    spec = mujoco.MjSpec()
    bodies = [spec.worldbody]
    for body in range(1, topology.nbody):
        bodies.append(
            bodies[topology.parents[body]].add_body(
                pos=arrays["body_pos"].reshape(-1, 3)[body],
                quat=arrays["body_quat"].reshape(-1, 4)[body],
                ipos=arrays["body_ipos"].reshape(-1, 3)[body],
                iquat=arrays["body_iquat"].reshape(-1, 4)[body],
                mass=mass[body],
                inertia=inertia[body],
                explicitinertial=True,
            )
        )
    for joint, (joint_type, body) in enumerate(zip(topology.joint_types, topology.joint_bodies)):
        new = bodies[body].add_joint(
            type=mujoco.mjtJoint(joint_type),
            pos=arrays["jnt_pos"].reshape(-1, 3)[joint],
            armature=arrays["dof_armature"][topology.dof_addresses[joint]],
        )
        if joint_type in (HINGE, SLIDE):
            new.axis = arrays["jnt_axis"].reshape(-1, 3)[joint]
    built = spec.compile()
    assert tuple(built.body_parentid.tolist()) == topology.parents  # depth first, as every MjModel
    for name, values in arrays.items():
        target = getattr(built, name)
        target[...] = values.reshape(target.shape)
    built.opt.gravity[:] = np.frombuffer(gravity)
    return built
