"""Motors and position servos for every degree of freedom, and how stiff a servo has to be.

A hinge gets one actuator of its own name. A ball joint gets three, `left_hip_x`, `_y` and `_z`, whose gear
is an axis of the joint's own body: MuJoCo's joint transmission then measures that component of the joint's
rotation vector (log of its quaternion) and applies its torque about the same body axis. So three servos hold
a rotation vector, the SMPL pose itself. The measured rate is not exactly the angular velocity: off the rest
pose the servo's torque has a part square to the error, which damping must outweigh; with the gains below it
does up to 145 degrees (x tan x = 4 at half that angle), and at 180 the rotation vector jumps. MuJoCo wraps
each component of the error into half a turn either way.

Controls are N m (motors, gear 1) or rad (servos), never shares of a range: strengths differ between
directions, and a reader of the file sees what they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from .joint_strength import Strength

Array = NDArray[np.float64]

BANDWIDTH = 20.0
"""rad/s (3.2 Hz), natural frequency of a free limb on its servo: about the fastest voluntary movement."""

WEIGHT_FACTOR = 3.0
"""How many times the stiffness that just balances the load standing on a joint its servo has. Below 1 the
body falls like an inverted pendulum; people add muscle to an ankle that has .91 of it by itself (Loram &
Lakie 2002, 10.1113/jphysiol.2002.025049)."""

FULL_ERROR = 1.0
"""rad of error at which a servo gives all of its joint's strength, if nothing above makes it stiffer."""

PASSIVE_RATE = 0.8
"""1/s, damping of a relaxed joint per inertia of its limb: a dropped leg's swings of .94, .60, .38, .26 rad
in 1.1 s each (pendulum test, J Sports Med Doping Stud S6:001, Figure 1) lose 2 ln(.94/.26)/3.3 s."""

STEP_TURN = 0.1
"""rad a time step at which a joint's damping takes all of its strength: 50 rad/s at 2 ms, 25 rad/s at 4 ms;
the fastest human motion measured is a pitcher's shoulder at 122 rad/s (Fleisig). MuJoCo integrates the
gyroscopic torques of a tumbling limb explicitly: from 0.18 on, full random torques make it diverge."""

STEP_PHASE = 0.5
"""rad, the most that a servo may turn through its own oscillation in one time step; semi-implicit
integration is stable up to 2. A limb too light for that gets armature, and every hinge of three."""

LEG_PARTS = ("hip", "knee", "ankle")
"""Joints that carry what is above them when their foot is on the floor; two legs share it."""


@dataclass(frozen=True, eq=False)
class Gains:
    """What each degree of freedom of a model gets; zero on the root's six."""

    stiffness: Array  # (nv,) N m/rad, of the servos
    damping: Array  # (nv,) N m s/rad, of the servos
    passive: Array  # (nv,) N m s/rad, of the joint itself
    armature: Array  # (nv,) kg m2


def servo_gains(
    model: mujoco.MjModel, qpos: Array, strengths: Mapping[str, Strength], timestep: float
) -> Gains:
    """Gains of a humanoid that stands as qpos (nq,) on two feet in a z-up world.

    Stiffness is the greatest of three: inertia x BANDWIDTH^2 (a free limb tracks), WEIGHT_FACTOR times the
    gravitational stiffness of the load on it (the body stands), strength / FULL_ERROR (it can use its
    muscles). Damping is 2 / BANDWIDTH times stiffness: critical for the free limb. The joint's own damping is
    the greater of PASSIVE_RATE x inertia and strength x timestep / STEP_TURN.
    timestep: s, the step that damping and armature are for.
    """
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    mujoco.mj_fwdPosition(model, data)
    mass_matrix = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, mass_matrix)
    inertia = mass_matrix.diagonal() - model.dof_armature
    driven = _joint_types(model) != mujoco.mjtJoint.mjJNT_FREE
    strength = np.abs(torque_limits(model, strengths)).max(axis=1)
    load = np.zeros(model.nv)
    load[driven] = [_load_stiffness(model, data, dof) for dof in np.flatnonzero(driven)]
    stiffness = np.maximum.reduce([inertia * BANDWIDTH**2, WEIGHT_FACTOR * load, strength / FULL_ERROR])
    passive = np.maximum(inertia * PASSIVE_RATE, strength * timestep / STEP_TURN)
    # Two of a joint's three hinges in line (gimbal lock) have no inertia of their own left between them.
    own = np.where(_joint_types(model) == mujoco.mjtJoint.mjJNT_HINGE, 0.0, inertia)
    armature = np.maximum(stiffness * (timestep / STEP_PHASE) ** 2 - own, 0.0)
    return Gains(driven * stiffness, driven * stiffness * 2 / BANDWIDTH, driven * passive, driven * armature)


def torque_limits(model: mujoco.MjModel, strengths: Mapping[str, Strength]) -> Array:
    """(nv, 2) N m, the lowest and the highest torque of each dof; zero on the free root's."""
    limits = np.zeros((model.nv, 2))
    for joint in range(model.njnt):
        dof = model.jnt_dofadr[joint]
        if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE:
            continue
        strength = strengths[model.body(model.jnt_bodyid[joint]).name]
        if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_BALL:
            limits[dof : dof + 3] = np.stack([-strength.negative, strength.positive], axis=1)
        else:
            limits[dof] = strength.about(model.jnt_axis[joint])
    return limits


def _joint_types(model: mujoco.MjModel) -> NDArray[np.int32]:
    """(nv,) the type of each dof's joint."""
    return model.jnt_type[model.dof_jntid]


def _load_stiffness(model: mujoco.MjModel, data: mujoco.MjData, dof: np.intp) -> float:
    """N m/rad by which gravity topples what stands on a joint, 0 where the load hangs.

    A leg carries its half of the rest of the body, any other joint its own limb: m g h about a level axis.
    """
    body = model.dof_bodyid[dof]
    joint = model.dof_jntid[dof]
    mass, com = model.body_subtreemass[body], data.subtree_com[body]
    if model.body(body).name.rpartition("_")[2] in LEG_PARTS:
        root = model.body_rootid[body]
        whole = model.body_subtreemass[root]
        com = (whole * data.subtree_com[root] - mass * com) / (whole - mass)
        mass = (whole - mass) / 2
    height = com[2] - data.xanchor[joint][2]
    upright = data.cdof[dof, 2]  # the axis' vertical part: turning about it lifts nothing
    return max(float(-mass * model.opt.gravity[2] * height * (1 - upright**2)), 0.0)


def set_joint_dynamics(spec: mujoco.MjSpec, model: mujoco.MjModel, gains: Gains) -> None:
    """Give the joints of a spec their passive damping and armature.

    model: the spec, compiled. MuJoCo has one number for the three axes of a ball joint: the largest.
    """
    for joint in spec.joints:
        dofs = _dofs_of(model, joint.name)
        if joint.type != mujoco.mjtJoint.mjJNT_FREE:
            joint.damping[0] = gains.passive[dofs].max()
            joint.armature = gains.armature[dofs].max()


def _dofs_of(model: mujoco.MjModel, joint: str) -> slice:
    first = int(model.joint(joint).dofadr[0])
    return slice(first, first + len(model.joint(joint).damping))


def add_motors(spec: mujoco.MjSpec, model: mujoco.MjModel, strengths: Mapping[str, Strength]) -> None:
    """A motor for every dof: control in N m, limited to what the joint can do in each direction.

    model: the spec, compiled. strengths: by SMPL joint, which is the body's name.
    """
    limits = torque_limits(model, strengths)
    for dof, actuator in _new_actuators(spec, model):
        actuator.ctrllimited = mujoco.mjtLimited.mjLIMITED_TRUE
        actuator.ctrlrange = limits[dof]


def add_servos(
    spec: mujoco.MjSpec, model: mujoco.MjModel, strengths: Mapping[str, Strength], gains: Gains
) -> None:
    """A position servo for every dof: control in rad, torque limited to the joint's strength.

    A ball joint's three controls are its target rotation vector. model: the spec, compiled.
    """
    limits = torque_limits(model, strengths)
    for dof, actuator in _new_actuators(spec, model):
        joint = model.dof_jntid[dof]
        actuator.gainprm[0] = gains.stiffness[dof]
        actuator.biastype = mujoco.mjtBias.mjBIAS_AFFINE
        actuator.biasprm[1:3] = [-gains.stiffness[dof], -gains.damping[dof]]
        actuator.forcelimited = mujoco.mjtLimited.mjLIMITED_TRUE
        actuator.forcerange = limits[dof]
        actuator.ctrllimited = mujoco.mjtLimited.mjLIMITED_TRUE
        actuator.ctrlrange = model.jnt_range[joint] if model.jnt_limited[joint] else (-np.pi, np.pi)


def _new_actuators(spec: mujoco.MjSpec, model: mujoco.MjModel) -> Iterator[tuple[int, mujoco.MjsActuator]]:
    """Each driven dof with its new actuator, in the model's order."""
    for joint in range(model.njnt):
        name, dof = model.joint(joint).name, int(model.jnt_dofadr[joint])
        if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_HINGE:
            gears = {name: np.eye(6)[0]}
        elif model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_BALL:
            gears = {f"{name}_{axis}": gear for axis, gear in zip("xyz", np.eye(6))}
        else:
            continue
        for k, (own, gear) in enumerate(gears.items()):
            transmission = mujoco.mjtTrn.mjTRN_JOINT
            yield dof + k, spec.add_actuator(name=own, trntype=transmission, target=name, gear=gear)


def servo_targets(model: mujoco.MjModel, qpos: Array) -> Array:
    """(nu,) rad, the controls at which every servo of a model rests in the pose qpos (nq,)."""
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    mujoco.mj_fwdPosition(model, data)
    return data.actuator_length.copy()
