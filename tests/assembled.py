"""A humanoid with a profile, put together from its parts, for the tests of what a simulator does with it."""

import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf.collision import add_collisions, collision_primitives
from smpl2mjcf.hinges import add_hinges, angles_of
from smpl2mjcf.joint_strength import joint_strengths
from smpl2mjcf.keyframes import standard_poses
from smpl2mjcf.profiles import apply_profile, find_profile
from smpl2mjcf.skin import skin_parts


def assembled_spec(body, betas=None, profile="simulation", actuators="servos", joints="ball", **options):
    """The MjSpec of a shape with fitted geoms, keyframes and a profile's actuators."""
    human = smpl2mjcf.build_humanoid(body, betas, **options)
    shape, names, spec = human.shape, human.joint_names, human.spec
    poses = standard_poses(
        skin_parts(body, shape.vertices, names), shape.positions, dict(zip(names, human.inertias))
    )
    for old in [geom for geom in spec.geoms if geom.name != "floor"] + list(spec.keys):
        spec.delete(old)
    primitives = collision_primitives(
        shape.surface.vertices, shape.surface.faces, shape.positions, names, profile
    )
    turns = [pose.rotations for pose in poses.values()]
    add_collisions(spec, primitives, shape.positions, names, turns, profile)
    if joints == "hinge":
        for ball in [joint for joint in spec.joints if joint.type == mujoco.mjtJoint.mjJNT_BALL]:
            node, name = ball.parent, ball.name
            spec.delete(ball)
            add_hinges(node, name)
    model = spec.compile()
    for name, pose in poses.items():
        spec.add_key(name=name, qpos=qpos_of(model, pose))
    strengths = joint_strengths(names, human.sex, human.mass, shape.stature)
    apply_profile(spec, find_profile(profile), strengths, actuators)
    return spec


def qpos_of(model, pose):
    qpos = np.zeros(model.nq)
    qpos[:3], qpos[3:7] = pose.root_position, pose.root_rotation.as_quat(scalar_first=True)
    for body in range(2, model.nbody):
        name, joint = model.body(body).name, model.body_jntadr[body]
        turn, start = pose.rotations.get(name, Rotation.identity()), model.jnt_qposadr[joint]
        if model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_BALL:
            qpos[start : start + 4] = turn.as_quat(scalar_first=True)
        else:
            qpos[start : start + 3] = angles_of(turn, name)[0]
    return qpos


def assembled(*args, **kwargs):
    """The model of assembled_spec, read back from its XML, as a simulator has it."""
    return mujoco.MjModel.from_xml_string(assembled_spec(*args, **kwargs).to_xml())
