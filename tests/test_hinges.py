"""Joints as three hinges: angles judged by SciPy and MuJoCo's kinematics, torques by MuJoCo's dynamics."""

import dataclasses
from itertools import pairwise

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

import dynamics
import smpl2mjcf
from smpl2mjcf.hinges import (
    add_ball,
    add_hinges,
    angles_of,
    dof_columns,
    hinge_names,
    is_hinged,
    joint_ids,
    lock_angles,
    model_range,
    rotation_columns,
    rotation_of,
)
from smpl2mjcf.joint_ranges import HINGE_JOINTS, joint_axes, joint_range

MOTIONS = ("walk", "run", "jump", "squat", "sit_to_stand", "arm_raise")


@pytest.fixture(scope="module")
def ball(default_body):
    return smpl2mjcf.build_humanoid(default_body)


@pytest.fixture(scope="module")
def hinged(default_body):
    """The same humanoid with three hinges in the place of every ball joint."""
    return smpl2mjcf.build_humanoid(default_body, joints="hinge")


def turn(one, other):
    """rad, the largest angle between two sets of rotations."""
    return float((one * other.inv()).magnitude().max())


def step(angles):
    return float(np.abs(np.diff(angles, axis=0)).max())


# The angles of a rotation


@pytest.mark.parametrize("joint", HINGE_JOINTS)
def test_the_angles_are_scipy_s(joint):
    rng = np.random.default_rng(0)
    axes, (low, high) = joint_axes(joint), lock_angles(joint)
    angles = rng.uniform([-np.pi, low + 1e-3, -np.pi], [np.pi, high - 1e-3, np.pi], size=(200, 3))
    expected = Rotation.from_davenport(axes, "intrinsic", angles)
    assert turn(rotation_of(angles, joint), expected) < 1e-14
    for angle, rotation in zip(angles, expected):
        found = angles_of(rotation, joint)
        assert found.shape == (1, 3)
        # The arctangents lose digits near the lock, where 1e-3 rad of distance cost three.
        np.testing.assert_allclose(
            Rotation.from_rotvec(np.eye(3) * (found - angle).T).magnitude(), 0, atol=1e-12
        )
        assert low < found[0, 1] < high
        assert (np.abs(found[0] - joint_range(joint).mean(axis=1)) <= np.pi + 1e-9).all()


@pytest.mark.parametrize("joint", ["left_hip", "right_elbow", "spine1", "left_wrist"])
def test_angles_about_three_orthogonal_axes_are_euler_s(joint):
    axes = joint_axes(joint)
    signs, letters = axes.sum(axis=1), "".join("XYZ"[i] for i in np.abs(axes).argmax(axis=1))
    rotations = Rotation.random(300, random_state=1)
    expected = rotations.as_euler(letters) * signs
    found = np.concatenate([angles_of(rotation, joint) for rotation in rotations])
    np.testing.assert_allclose(np.exp(1j * found), np.exp(1j * expected), atol=1e-12)


@pytest.mark.parametrize("joint", ["left_hip", "left_shoulder", "right_shoulder", "neck", "left_thumb1"])
@pytest.mark.parametrize("end", [0, 1])
def test_a_path_through_the_lock_comes_back_as_it_was(joint, end):
    lock = lock_angles(joint)[end]
    second = lock + np.linspace(-0.6, 0.6, 201) * (
        1 if end else -1
    )  # starts between the locks, frame 100 at it
    path = np.stack([np.full(201, 0.3), second, np.linspace(-0.2, 0.4, 201)], axis=1)
    found = angles_of(rotation_of(path, joint), joint)
    np.testing.assert_allclose(found, path, atol=1e-12)


@pytest.mark.parametrize("joint", ["left_hip", "left_shoulder", "right_collar"])
@pytest.mark.parametrize("miss", [0.0, 1e-15, 1e-12, 1e-9, 1e-6])
def test_at_and_near_the_lock_the_rotation_comes_back_exactly(joint, miss):
    lock = lock_angles(joint)[1]
    angles = [[0.7, lock - miss, 0.4]] * 3
    rotations = rotation_of(angles, joint)
    found = angles_of(rotations, joint)
    assert np.isfinite(found).all()
    assert turn(rotation_of(found, joint), rotations) < 1e-14
    assert step(found) < 1e-3


def test_a_path_that_starts_at_the_lock_takes_zero_for_the_first_angle():
    lock = lock_angles("left_hip")[1]
    found = angles_of(rotation_of([[0.7, lock, 0.4]], "left_hip"), "left_hip")
    assert found[0, 0] == 0
    assert np.isfinite(found).all()


@pytest.mark.parametrize("joint", ["left_shoulder", "right_hip", "spine2"])
def test_whole_turns_are_followed(joint):
    angles = np.zeros((400, 3))
    angles[:, 0] = np.linspace(0, 6 * np.pi, 400)
    angles[:, 2] = np.linspace(0, -4 * np.pi, 400)
    np.testing.assert_allclose(angles_of(rotation_of(angles, joint), joint), angles, atol=1e-12)


@given(
    joint=st.sampled_from(HINGE_JOINTS),
    seed=st.integers(0, 2**32 - 1),
    size=st.sampled_from([1e-9, 1e-3, 0.1, 2.0]),
)
def test_any_walk_on_the_rotations_comes_back(joint, seed, size):
    rng = np.random.default_rng(seed)
    rotation, path = Rotation.random(random_state=rng), []
    for vector in size * rng.standard_normal((40, 3)):
        rotation = rotation * Rotation.from_rotvec(vector)
        path.append(rotation.as_quat())
    rotations = Rotation.from_quat(path)
    found = angles_of(rotations, joint)
    assert turn(rotation_of(found, joint), rotations) < 1e-13


def test_between_frames_no_other_set_of_angles_is_nearer():
    """Against a search over both sets and whole turns, frame by frame."""
    rng = np.random.default_rng(3)
    joint, offset = "left_shoulder", sum(lock_angles("left_shoulder")) / 2
    angles = np.cumsum(0.15 * rng.standard_normal((500, 3)), axis=0)
    found = angles_of(rotation_of(angles, joint), joint)
    for before, here in pairwise(found):
        mirror = 2 * (offset + np.pi / 2)  # the second angles of the two sets lie about a lock
        for candidate in (here, np.array([here[0] + np.pi, mirror - here[1], here[2] + np.pi])):
            near = candidate - 2 * np.pi * np.round((candidate - before) / (2 * np.pi))
            assert np.linalg.norm(here - before) <= np.linalg.norm(near - before) + 1e-9


def test_joints_without_freedoms_are_refused():
    for joint in ("pelvis", "jaw", "left_eye", "nose", "hip"):
        with pytest.raises(
            smpl2mjcf.HumanoidError, match=f"joint '{joint}' has no ranges; available: spine1"
        ):
            rotation_of(np.zeros(3), joint)


# The hinges in MJCF


def test_mujoco_turns_the_bodies_as_rotation_of_says(hinged):
    model, data = hinged.model, mujoco.MjData(hinged.model)
    rng = np.random.default_rng(0)
    data.qpos[:] = rng.uniform(-3, 3, model.nq)
    mujoco.mj_kinematics(model, data)
    for joint in hinged.joint_names[1:]:
        angles = data.qpos[model.jnt_qposadr[list(joint_ids(model, joint))]]
        body = model.body(joint)
        child, parent = (data.xmat[i].reshape(3, 3) for i in (body.id, body.parentid[0]))
        assert turn(rotation_of(angles, joint), Rotation.from_matrix(parent.T @ child)) < 1e-14


MOVES = {
    # freedom: (body whose place moves, where to), left side; x left, y up, z forward
    "hip_flexion": ("knee", [0, 0, 1]),
    "hip_adduction": ("knee", [-1, 0, 0]),
    "hip_internal_rotation": ("foot", [-1, 0, 0]),
    "knee_flexion": ("ankle", [0, 0, -1]),
    "knee_adduction": ("ankle", [-1, 0, 0]),
    "knee_internal_rotation": ("foot", [-1, 0, 0]),
    "ankle_dorsiflexion": ("foot", [0, 1, 0]),
    "ankle_internal_rotation": ("foot", [-1, 0, 0]),
    "collar_elevation": ("shoulder", [0, 1, 0]),
    "collar_protraction": ("shoulder", [0, 0, 1]),
    "shoulder_elevation": ("elbow", [0, 1, 0]),
    "shoulder_horizontal_adduction": ("elbow", [0, 0, 1]),
    "elbow_flexion": ("wrist", [0, 0, 1]),
    "wrist_flexion": ("hand", [0, -1, 0]),
    "wrist_radial_deviation": ("hand", [0, 0, 1]),
    "spine1_flexion": ("neck", [0, 0, 1]),
    "spine1_left_bending": ("neck", [1, 0, 0]),
    "spine1_left_rotation": ("left_shoulder", [0, 0, -1]),
    "neck_flexion": ("head", [0, 0, 1]),
    "neck_left_bending": ("head", [1, 0, 0]),
}
TURNS = {
    # freedom: (direction in the body, where it turns to)
    "ankle_inversion": ([0, -1, 0], [-1, 0, 0]),  # the sole faces the midline
    "foot_extension": ([0, 0, 1], [0, 1, 0]),
    "shoulder_internal_rotation": ([0, 0, 1], [0, -1, 0]),  # where the elbow flexes to
    "elbow_pronation": ([0, -1, 0], [0, 0, -1]),  # the palm faces backward
    "wrist_pronation": ([0, -1, 0], [0, 0, -1]),
    "collar_anterior_rotation": ([0, 1, 0], [0, 0, 1]),
    "hand_flexion": ([1, 0, 0], [0, -1, 0]),
    "neck_left_rotation": ([0, 0, 1], [1, 0, 0]),
}


def cases(table):
    midline = ("spine", "neck", "head")
    return [
        (key, side) for key in table for side in (("",) if key.startswith(midline) else ("left", "right"))
    ]


def moved(hinged, name):
    """The model's data with one hinge at half a radian."""
    data = mujoco.MjData(hinged.model)
    data.joint(name).qpos = 0.5
    mujoco.mj_kinematics(hinged.model, data)
    return data


@pytest.mark.parametrize(("key", "side"), cases(MOVES))
def test_a_positive_angle_is_the_motion_of_that_name(hinged, key, side):
    joint = f"{side}_{key}" if side else key
    child = f"{side}_{MOVES[key][0]}" if side else MOVES[key][0]
    direction = np.array(MOVES[key][1]) * ([-1, 1, 1] if side == "right" else 1)
    rest = mujoco.MjData(hinged.model)
    mujoco.mj_kinematics(hinged.model, rest)
    displacement = moved(hinged, joint).body(child).xpos - rest.body(child).xpos
    assert displacement @ direction > 0.4 * np.linalg.norm(displacement) > 0


@pytest.mark.parametrize(("key", "side"), cases(TURNS))
def test_a_positive_angle_turns_as_its_name_says(hinged, key, side):
    joint = f"{side}_{key}" if side else key
    mirror = np.array([-1, 1, 1]) if side == "right" else 1
    start, end = (np.array(v) * mirror for v in TURNS[key])
    body = hinged.model.jnt_bodyid[hinged.model.joint(joint).id]
    assert moved(hinged, joint).xmat[body].reshape(3, 3) @ start @ end == pytest.approx(
        np.sin(0.5), abs=1e-12
    )


@pytest.mark.parametrize("degree", [True, False])
def test_limits_are_radians_in_whatever_unit_the_spec_counts(degree):
    spec = mujoco.MjSpec()
    spec.compiler.degree = degree
    node = spec.worldbody.add_body(name="left_hip", mass=1, ipos=[0, 0, 0.1], inertia=[1, 1, 1])
    add_hinges(node, "left_hip")
    model = spec.compile()
    read = mujoco.MjModel.from_xml_string(spec.to_xml())
    for each, tolerance in ((model, 1e-15), (read, 1e-6)):  # six printed digits
        assert each.jnt_limited.all()
        assert [each.joint(i).name for i in range(3)] == list(hinge_names("left_hip"))
        np.testing.assert_allclose(each.jnt_range, joint_range("left_hip"), atol=5 * tolerance)
        np.testing.assert_allclose(each.jnt_axis, joint_axes("left_hip"), atol=tolerance)
        np.testing.assert_allclose(model_range(each, "left_hip"), joint_range("left_hip"), atol=5 * tolerance)


def test_the_humanoid_s_hinges_survive_the_xml(hinged):
    read = mujoco.MjModel.from_xml_string(hinged.spec.to_xml())
    assert hinged.spec.to_xml() == hinged.spec.copy().to_xml()
    assert (read.nq, read.nv) == (7 + 69, 6 + 69)
    names = [read.joint(i).name for i in range(read.njnt)]
    assert names == [hinged.model.joint(i).name for i in range(read.njnt)]
    np.testing.assert_allclose(read.jnt_range, hinged.model.jnt_range, atol=5e-6)
    np.testing.assert_allclose(read.jnt_axis, hinged.model.jnt_axis, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(hinged.model.jnt_axis, axis=1), 1, atol=1e-15)


def test_metadata_of_ball_joints_survive_the_xml(ball):
    spec = ball.spec
    for model, tolerance in ((spec.compile(), 1e-15), (mujoco.MjModel.from_xml_string(spec.to_xml()), 5e-6)):
        assert model.nnumeric == 2 * 23
        for joint in ball.joint_names[1:]:
            assert not is_hinged(model, joint)
            np.testing.assert_allclose(model_range(model, joint), joint_range(joint), atol=tolerance)
            axes = model.numeric(f"rom_axes_{joint}").data.reshape(3, 3)
            np.testing.assert_allclose(axes, joint_axes(joint), atol=tolerance)
        address = model.text_adr[mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_TEXT, "rom_left_knee")]
        text = bytes(model.text_data[address:]).split(b"\0")[0].decode()
        assert text == "flexion/extension adduction/abduction internal_rotation/external_rotation"


def test_every_column_of_qpos_and_tau_is_one_joint_s(ball, hinged):
    for human, width in ((ball, 4), (hinged, 3)):
        model, joints = human.model, human.joint_names
        positions = np.concatenate([[0, 1, 2], *(rotation_columns(model, joint) for joint in joints)])
        dofs = np.concatenate([dof_columns(model, joint) for joint in joints])
        np.testing.assert_array_equal(np.sort(positions), np.arange(model.nq))
        np.testing.assert_array_equal(np.sort(dofs), np.arange(model.nv))
        assert len(rotation_columns(model, "left_hip")) == width
        for joint in joints:
            np.testing.assert_array_equal(model.dof_bodyid[dof_columns(model, joint)], model.body(joint).id)


def test_ball_joints_have_no_limit():
    spec = mujoco.MjSpec()
    add_ball(
        spec.worldbody.add_body(name="left_hip", mass=1, ipos=[0, 0, 0.1], inertia=[1, 1, 1]), "left_hip"
    )
    model = spec.compile()
    assert not model.jnt_limited.any()
    assert joint_ids(model, "left_hip") == (0,)
    with pytest.raises(smpl2mjcf.HumanoidError, match="no range of joint 'left_hip'"):
        model_range(model, "left_hip")
    with pytest.raises(smpl2mjcf.HumanoidError, match="no joint 'neck' and no hinges of it"):
        joint_ids(model, "neck")


@pytest.mark.parametrize("ranges", [[[0, 1]] * 2, [[1, 0]] * 3, [[0, np.nan]] * 3, [0, 1]])
def test_ranges_that_are_none_are_refused(ranges):
    node = mujoco.MjSpec().worldbody.add_body(name="left_hip")
    with pytest.raises(smpl2mjcf.HumanoidError, match="ranges of joint 'left_hip' are"):
        add_hinges(node, "left_hip", ranges)


# Motions on hinges


@pytest.mark.parametrize("name", MOTIONS)
def test_a_motion_comes_back_from_hinges(hinged, name):
    motion = smpl2mjcf.load_motion(smpl2mjcf.model_file(f"{name}.npz"))
    qpos = smpl2mjcf.motion_to_qpos(hinged, motion)
    back = smpl2mjcf.qpos_to_motion(hinged, qpos, motion.fps)
    before, after = (Rotation.from_rotvec(m.poses.reshape(-1, 3)) for m in (motion, back))
    assert turn(before, after) < 1e-13
    np.testing.assert_allclose(back.trans, motion.trans, atol=1e-14)


@pytest.mark.parametrize("name", ["walk", "arm_raise"])
def test_hinges_and_balls_stand_in_the_same_pose(ball, hinged, name):
    motion = smpl2mjcf.load_motion(smpl2mjcf.model_file(f"{name}.npz"))
    poses = [(h.model, mujoco.MjData(h.model), smpl2mjcf.motion_to_qpos(h, motion)) for h in (ball, hinged)]
    for frame in range(0, motion.num_frames, 20):
        for model, data, qpos in poses:
            data.qpos[:] = qpos[frame]
            mujoco.mj_kinematics(model, data)
        (_, one, _), (_, other, _) = poses
        np.testing.assert_allclose(one.xpos, other.xpos, atol=1e-13)
        np.testing.assert_allclose(one.xmat, other.xmat, atol=1e-13)


@pytest.mark.parametrize("name", MOTIONS)
def test_hinge_angles_do_not_jump(ball, hinged, name):
    """A hinge turns no faster than its joint, but for the nearness of the lock: 40 degrees and more here."""
    motion = smpl2mjcf.load_motion(smpl2mjcf.model_file(f"{name}.npz"))
    qpos = smpl2mjcf.motion_to_qpos(hinged, motion)
    for joint in hinged.joint_names[1:]:
        rotations = Rotation.from_rotvec(motion.poses[:, motion.joint_names.index(joint)])
        fastest = (rotations[1:] * rotations[:-1].inv()).magnitude().max()
        columns = hinged.model.jnt_qposadr[list(joint_ids(hinged.model, joint))]
        assert step(qpos[:, columns]) <= fastest / np.sin(np.deg2rad(40)) + 1e-12


def test_fingers_move_on_hinges_and_back(body_with_fingers, forward):
    """Every joint of an articulated SMPL-H body turns: MuJoCo's pose is the body's, and it reads back."""
    body = body_with_fingers("smplh")
    human = smpl2mjcf.build_humanoid(body, hands="articulated", joints="hinge")
    rng = np.random.default_rng(0)
    time = np.linspace(0, 1, 30)[:, None, None]
    size = rng.uniform(-0.8, 0.8, (2, body.num_joints, 3))
    poses = size[0] * np.sin(2 * np.pi * time) + size[1] * np.cos(np.pi * time)
    motion = smpl2mjcf.Motion(poses, np.zeros((30, 3)), 30.0, betas=np.zeros(10), family="smplh")
    qpos = smpl2mjcf.motion_to_qpos(human, motion)
    back = smpl2mjcf.qpos_to_motion(human, qpos, motion.fps)
    before, after = (Rotation.from_rotvec(m.poses.reshape(-1, 3)) for m in (motion, back))
    assert turn(before, after) < 1e-13
    world, place = forward(motion, body)
    data = mujoco.MjData(human.model)
    for frame in (0, 11, 29):
        data.qpos[:] = qpos[frame]
        mujoco.mj_kinematics(human.model, data)
        for name in human.joint_names:
            found = data.body(name)
            np.testing.assert_allclose(found.xpos, place[name][frame], atol=1e-13)
            np.testing.assert_allclose(found.xmat.reshape(3, 3), world[name][frame].as_matrix(), atol=1e-12)


def test_gaps_stay_gaps(hinged):
    motion = smpl2mjcf.load_motion(smpl2mjcf.model_file("walk.npz"))
    recorded = np.ones(motion.num_frames, dtype=bool)
    recorded[[0, 50, 51, 52, -1]] = False
    gapped = dataclasses.replace(motion, recorded=recorded)
    qpos = smpl2mjcf.motion_to_qpos(hinged, gapped)
    assert (np.isnan(qpos).all(axis=1) == ~recorded).all()
    np.testing.assert_allclose(qpos[recorded], smpl2mjcf.motion_to_qpos(hinged, motion)[recorded], atol=1e-12)
    back = smpl2mjcf.qpos_to_motion(hinged, qpos, motion.fps)
    assert (back.recorded == recorded).all()


# Torques on hinges


def ball_state(ball, hinged, angles, rates, rate_changes):
    """The ball model's state of the hinge model's, and each dof's hinge axes in the child's frame (n, 3)."""
    free = 6
    qpos, qvel, qacc = np.zeros(ball.model.nq), np.zeros(ball.model.nv), np.zeros(ball.model.nv)
    qpos[: free + 1], qvel[:free], qacc[:free] = angles[: free + 1], rates[:free], rate_changes[:free]
    jacobians = {}
    for joint in ball.joint_names[1:]:
        ids = list(joint_ids(hinged.model, joint))
        a = angles[hinged.model.jnt_qposadr[ids]]
        v, vdot = (array[hinged.model.jnt_dofadr[ids]] for array in (rates, rate_changes))
        e1, e2, e3 = joint_axes(joint)
        second, third = (Rotation.from_rotvec(-angle * e) for angle, e in ((a[1], e2), (a[2], e3)))
        u1, u2, u3 = third.apply(second.apply(e1)), third.apply(e2), e3
        # Axes nearer to the parent turn, as the child sees it, against the hinges that follow them.
        u1_rate = -v[1] * np.cross(u2, u1) - v[2] * np.cross(u3, u1)
        u2_rate = -v[2] * np.cross(u3, u2)
        jacobians[joint] = np.array([u1, u2, u3])
        start, dof = (
            array[ball.joint_id(joint)] for array in (ball.model.jnt_qposadr, ball.model.jnt_dofadr)
        )
        qpos[start : start + 4] = rotation_of(a, joint).as_quat(scalar_first=True)
        qvel[dof : dof + 3] = v @ jacobians[joint]
        qacc[dof : dof + 3] = vdot @ jacobians[joint] + v[0] * u1_rate + v[1] * u2_rate
    return (qpos, qvel, qacc), jacobians


def projected(ball, hinged, tau, jacobians):
    """The ball model's tau along the hinges of the other."""
    along = np.zeros(hinged.model.nv)
    along[:6] = tau[:6]
    for joint, jacobian in jacobians.items():
        dof = ball.model.jnt_dofadr[ball.joint_id(joint)]
        along[hinged.model.jnt_dofadr[list(joint_ids(hinged.model, joint))]] = jacobian @ tau[dof : dof + 3]
    return along


def test_hinge_torques_are_the_ball_joint_s_along_the_hinges(ball, hinged):
    rng = np.random.default_rng(0)
    for _ in range(5):
        angles, rates, changes = rng.standard_normal((3, hinged.model.nq))
        angles[3:7] /= np.linalg.norm(angles[3:7])
        states = angles, rates[:-1], changes[:-1]
        on_balls, jacobians = ball_state(ball, hinged, *states)
        data = mujoco.MjData(hinged.model)  # MuJoCo's own hinge axes, world frame
        data.qpos[:] = angles
        mujoco.mj_kinematics(hinged.model, data)
        for joint, jacobian in jacobians.items():
            axes_world = data.xaxis[list(joint_ids(hinged.model, joint))]
            np.testing.assert_allclose(axes_world @ data.body(joint).xmat.reshape(3, 3), jacobian, atol=1e-13)
        pair = ((hinged.model, states), (ball.model, on_balls))
        tau, tau_ball = (dynamics.mujoco_inverse(model, *state) for model, state in pair)
        difference = np.abs(projected(ball, hinged, tau_ball, jacobians) - tau).max()
        assert difference < 1e-12 * np.abs(tau).max()


FILTERED = [
    # clip, cutoff in Hz, most; measured: 3.7e-6, .018, .070, .051
    ("walk", None, 1e-5),
    ("walk", 6.0, 0.025),
    ("run", 6.0, 0.09),
    ("jump", 6.0, 0.065),
]


@pytest.mark.parametrize(("name", "cutoff", "most"), FILTERED)
def test_a_motion_s_torques_on_hinges_are_those_on_balls(ball, hinged, name, cutoff, most):
    """Splines and filter see angles on one model, quaternions on the other: they agree to that accuracy.

    Of each joint the largest difference, as a share of the joint's own largest torque in the clip.
    """
    motion = smpl2mjcf.load_motion(smpl2mjcf.model_file(f"{name}.npz"))
    states, taus = [], []
    for human in (ball, hinged):
        qpos = smpl2mjcf.motion_to_qpos(human, motion)
        path = dynamics.trajectory(human.model, qpos, fps=motion.fps, cutoff=cutoff)
        states.append([array[path.valid][::4] for array in (path.qpos, path.qvel, path.qacc)])
        taus.append(dynamics.mujoco_inverse(human.model, *states[-1]))
    expected = []
    for tau, *state in zip(taus[0], *states[1]):
        _, jacobians = ball_state(ball, hinged, *state)
        expected.append(projected(ball, hinged, tau, jacobians))
    difference, largest = np.abs(expected - taus[1]).max(axis=0), np.abs(expected).max(axis=0)
    for joint in hinged.joint_names[1:]:
        dofs = hinged.joint_dofs(joint)
        assert difference[dofs].max() < most * largest[dofs].max(), joint
