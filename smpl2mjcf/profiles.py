"""Profiles: what a humanoid is made for, as the settings that differ between those uses.

`inverse-dynamics` is a chain of rigid bodies and nothing else: any damping, armature or actuator would be
part of the torque that it is to measure. `simulation` stands and moves by itself and collides with itself.
`mjx` is the same for thousands of copies on an accelerator: few geoms, few contacts, a longer step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import mujoco

from .actuators import add_motors, add_servos, servo_gains, servo_targets, set_joint_dynamics
from .errors import HumanoidError
from .joint_strength import Strength
from .keyframes import STANDING_KEY
from .options import ACTUATORS, PROFILES


@dataclass(frozen=True)
class Profile:
    """The settings of one use. Who collides with whom is in collision.py, by the profile's name."""

    timestep: float  # s
    integrator: mujoco.mjtIntegrator
    iterations: int  # of the constraint solver, at most
    ls_iterations: int  # of its line search, at most
    actuated: bool  # has actuators, joint damping and armature
    contact_sensors: bool  # its engine has them: sensors.add_foot_forces


SETTINGS = {
    # MuJoCo's defaults: nothing here is stepped.
    "inverse-dynamics": Profile(
        0.002, mujoco.mjtIntegrator.mjINT_EULER, 100, 50, actuated=False, contact_sensors=True
    ),
    # implicitfast: over a step the servos' damping outweighs the inertia of a light limb.
    "simulation": Profile(
        0.002, mujoco.mjtIntegrator.mjINT_IMPLICITFAST, 100, 50, actuated=True, contact_sensors=True
    ),
    # All copies run as many iterations as the slowest of them; a falling humanoid needs 6 in MuJoCo's C.
    "mjx": Profile(
        0.004, mujoco.mjtIntegrator.mjINT_IMPLICITFAST, 6, 8, actuated=True, contact_sensors=False
    ),
}
"""By the names of options.PROFILES."""


def find_profile(name: str) -> Profile:
    """The profile of a name. Raises HumanoidError for a name that is none."""
    if name not in PROFILES:
        raise HumanoidError(f"unknown profile {name!r}; accepted: {', '.join(PROFILES)}")
    return SETTINGS[name]


def apply_profile(
    spec: mujoco.MjSpec,
    profile: Profile,
    strengths: Mapping[str, Strength],
    actuators: str = "servos",
) -> None:
    """Give a humanoid's spec a profile's solver settings, actuators, joint damping and armature.

    The spec has its bodies, joints, geoms and keyframes; with servos every keyframe gets the controls that
    hold its pose. strengths: by joint (`joint_strength.joint_strengths`). actuators: "servos" or "motors",
    no matter in a profile without any.
    Raises HumanoidError for unknown actuators, or where the keyframe `stand` is missing.
    """
    if actuators not in ACTUATORS:
        raise HumanoidError(f"unknown actuators {actuators!r}; accepted: {', '.join(ACTUATORS)}")
    spec.option.timestep = profile.timestep
    spec.option.integrator = profile.integrator
    spec.option.iterations = profile.iterations
    spec.option.ls_iterations = profile.ls_iterations
    if not profile.actuated:
        return
    keys = [key.name for key in spec.keys]
    if STANDING_KEY not in keys:
        there = ", ".join(keys) or "none"
        raise HumanoidError(f"no keyframe {STANDING_KEY!r} to take the servos' load from; there are: {there}")
    model = spec.compile()
    gains = servo_gains(model, model.key(STANDING_KEY).qpos, strengths, profile.timestep)
    set_joint_dynamics(spec, model, gains)
    if actuators == "motors":
        add_motors(spec, model, strengths)
        return
    add_servos(spec, model, strengths, gains)
    model = spec.compile()
    for key, qpos in zip(spec.keys, model.key_qpos):
        key.ctrl = servo_targets(model, qpos)
