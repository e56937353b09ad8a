"""A private model that holds what enters tau and nothing else: what the two MuJoCo engines run on."""

from __future__ import annotations

import copy
import functools

import mujoco
import numpy as np

from .topology import HINGE, SLIDE, Topology

# What the copy takes over bit by bit, after the compiler has made arrays of the right shapes.
_BODY_FIELDS = ("body_pos", "body_quat", "body_ipos", "body_iquat", "body_mass", "body_inertia")
_JOINT_FIELDS = ("jnt_pos", "jnt_axis")
_OTHER_FIELDS = ("dof_armature", "qpos0")
_FIELDS = _BODY_FIELDS + _JOINT_FIELDS + _OTHER_FIELDS


def reference_model(model: mujoco.MjModel, copies: int = 1) -> mujoco.MjModel:
    """A model of the same bodies, joints, armature and gravity with everything else left out.

    On it `mj_inverse` and `mjx.inverse` return tau as this package defines it: there are no springs,
    dampers, limits, friction losses, contacts, actuators, tendons, fluid or gravity compensation, and the
    options are MuJoCo's defaults (no discrete-time inverse, no sleep). Geoms are left out too, so MJX has
    no collision pairs to refuse. Bodies, joints and dofs keep their order and, bit by bit, their numbers.

    Args:
        model: any model that `check_model` accepts; it is only read.
        copies: how many times the forest stands in the world, one after the other and without effect on
            each other. qpos, qvel and tau of such a model are those of `copies` frames in a row, so that
            one call computes them all; only its kinematics and Newton-Euler equations are of use, since
            what MuJoCo derives from the masses for constraints is left as it was compiled.

    Returns:
        A model that callers share: they must not change it.

    Raises:
        ModelError: as `check_model` does.
    """
    topology = Topology.from_mjmodel(model)
    content = tuple(np.ascontiguousarray(getattr(model, name)).tobytes() for name in _FIELDS)
    no_gravity = model.opt.disableflags & int(mujoco.mjtDisableBit.mjDSBL_GRAVITY)
    gravity = np.zeros(3) if no_gravity else np.array(model.opt.gravity)
    return _filled(topology, copies, content, gravity.tobytes())


# By content, since a model is mutable and its identity says nothing; a few, as callers compare bodies.
@functools.lru_cache(maxsize=16)
def _filled(topology: Topology, copies: int, content: tuple[bytes, ...], gravity: bytes) -> mujoco.MjModel:
    model = copy.copy(_compiled(topology, copies))
    for name, numbers in zip(_FIELDS, content):
        target = getattr(model, name)
        if name in _BODY_FIELDS:  # row 0 is the world, which all copies share
            rows = np.frombuffer(numbers).reshape(topology.nbody, *target.shape[1:])
            target[0], target = rows[0], target[1:]
            rows = rows[1:]
        else:
            rows = np.frombuffer(numbers).reshape(-1, *target.shape[1:])
        target.reshape(copies, *rows.shape)[...] = rows
    # What kinematics and dynamics read and the compiler derived from other numbers.
    model.body_subtreemass[:] = model.body_mass
    for body in range(model.nbody - 1, 0, -1):
        model.body_subtreemass[model.body_parentid[body]] += model.body_subtreemass[body]
    model.body_sameframe[:] = int(mujoco.mjtSameFrame.mjSAMEFRAME_NONE)
    model.opt.gravity[:] = np.frombuffer(gravity)
    return model


# Compiling grows with the square of the copies (16 of 24 bodies: 45 ms), filling takes .2 ms.
@functools.lru_cache(maxsize=16)
def _compiled(topology: Topology, copies: int) -> mujoco.MjModel:
    """The forest with unit inertia and armature, bodies in one place; its numbers are filled in later."""
    spec = mujoco.MjSpec()
    for _ in range(copies):
        bodies = [spec.worldbody]
        for parent in topology.parents[1:]:
            body = bodies[parent].add_body(mass=1, inertia=np.ones(3), explicitinertial=True)
            # Whether M is stored as a diagonal must not depend on numbers that are not there yet.
            body.simple = False
            bodies.append(body)
        for joint_type, body_index in zip(topology.joint_types, topology.joint_bodies):
            # Armature, since without it the joints of a body that turn about one axis make M singular.
            joint = bodies[body_index].add_joint(type=mujoco.mjtJoint(joint_type), armature=1)
            if joint_type in (HINGE, SLIDE):
                joint.axis = np.eye(3)[0]
    model = spec.compile()
    per_copy = topology.nbody - 1
    expected = np.array(topology.parents[1:])[None] + per_copy * np.arange(copies)[:, None]
    expected = np.where(np.array(topology.parents[1:]) == 0, 0, expected)
    assert np.array_equal(model.body_parentid[1:], expected.ravel())  # depth first, as every MjModel
    return model
