"""Strengths, motors, servos and their gains.

Judges: other dynamometer studies, MuJoCo's own motion under a torque, scipy's rotation vectors, closed-form
pendulums, and the potential energy that MuJoCo computes.
"""

from pathlib import Path

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf.actuators import (
    BANDWIDTH,
    PASSIVE_RATE,
    STEP_PHASE,
    STEP_TURN,
    WEIGHT_FACTOR,
    add_motors,
    add_servos,
    servo_gains,
    servo_targets,
    set_joint_dynamics,
)
from smpl2mjcf.joint_ranges import freedoms
from smpl2mjcf.joint_strength import MOTIONS, SAME_AS, WEIGHT, Strength, joint_strengths
from smpl2mjcf.skeleton import FINGER_JOINTS, SMPL_JOINTS, mirror_name

STEP = 0.002  # s
MAN = ("male", 73.0, 1.74)
WOMAN = ("female", 62.0, 1.65)


@pytest.fixture(scope="module")
def bare(default_body):
    """The humanoid without actuators."""
    return smpl2mjcf.build_humanoid(default_body)


@pytest.fixture(scope="module")
def strengths(bare):
    return joint_strengths(bare.joint_names, "neutral", bare.mass, bare.shape.stature)


def stand(model):
    return model.key("stand").qpos.copy()


@pytest.fixture(scope="module")
def gains(bare, strengths):
    return servo_gains(bare.model, stand(bare.model), strengths, STEP)


def adrift(bare):
    spec = bare.spec.copy()
    spec.option.gravity = np.zeros(3)
    spec.option.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    return spec


@pytest.fixture(scope="module")
def motors(bare, strengths):
    """The model with motors, weightless and touching nothing."""
    spec = adrift(bare)
    add_motors(spec, bare.model, strengths)
    return spec.compile()


@pytest.fixture(scope="module")
def servos(bare, strengths, gains):
    """The model with servos, weightless and touching nothing."""
    spec = adrift(bare)
    spec.option.timestep = STEP
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    set_joint_dynamics(spec, bare.model, gains)
    add_servos(spec, bare.model, strengths, gains)
    return spec.compile()


# --- strengths ---

SECOND_STUDIES = [
    # N m or N m/kg, mean and SD, of studies that the table does not take.
    # 10.1016/j.asmr.2023.100861, 80 deg of knee flexion, trained, N m/kg
    ("left_knee", "negative", 0, MAN, 2.74 * 73, 0.58 * 73),
    ("left_knee", "positive", 0, MAN, 1.24 * 73, 0.30 * 73),
    ("left_knee", "negative", 0, WOMAN, 2.20 * 62, 0.51 * 62),
    ("left_knee", "positive", 0, WOMAN, 1.04 * 62, 0.26 * 62),
    # 10.5312/wjo.v16.i10.108858, 200 adults of both sexes, N m
    ("left_ankle", "positive", 0, MAN, 140, 44),
    ("left_ankle", "negative", 0, MAN, 48, 14),
    ("left_ankle", "negative", 2, MAN, 35, 12),
    ("left_ankle", "positive", 2, MAN, 29, 10),
    # Holzbaur 2007, 10.1016/j.jbiomech.2006.11.013: wrist extensors of both sexes, N m
    ("left_wrist", "positive", 2, MAN, 10.2, 4.6),
    # Van Wyk 2010: extension about C7, both sexes, N m; flexion is 18.9
    ("neck", "negative", 0, WOMAN, 30.2, 12.2),
    ("neck", "positive", 0, WOMAN, 18.9, 8.2),
]


@pytest.mark.parametrize(("joint", "side", "axis", "person", "mean", "sd"), SECOND_STUDIES)
def test_strengths_lie_within_the_spread_of_a_second_study(joint, side, axis, person, mean, sd):
    strength = joint_strengths([joint], *person)[joint]
    # One standard deviation between people is as close as two laboratories agree.
    assert abs(getattr(strength, side)[axis] - mean) < sd


def test_strength_grows_with_mass_and_stature_as_its_source_says():
    light, heavy = (joint_strengths(["left_knee", "neck"], "male", m, 1.7) for m in (60, 90))
    tall = joint_strengths(["left_knee", "neck"], "male", 60, 1.87)
    np.testing.assert_allclose(heavy["neck"].positive, 1.5 * light["neck"].positive, rtol=1e-12)
    np.testing.assert_allclose(tall["neck"].positive, light["neck"].positive, rtol=1e-12)
    np.testing.assert_allclose(tall["left_knee"].negative, 1.1 * light["left_knee"].negative, rtol=1e-12)
    # Anderson's young men: 0.163 of weight x stature
    assert light["left_knee"].negative[0] == pytest.approx(0.163 * 60 * WEIGHT * 1.7, rel=1e-12)


def test_neutral_is_the_mean_of_both_sexes():
    man, woman, neutral = (
        joint_strengths(SMPL_JOINTS, sex, 70, 1.7)["left_elbow"] for sex in ("male", "female", "neutral")
    )
    np.testing.assert_allclose(neutral.positive, (man.positive + woman.positive) / 2, rtol=1e-12)
    assert (woman.positive < man.positive).all()


def test_left_and_right_mirror_to_the_bit():
    every = joint_strengths([*SMPL_JOINTS, *FINGER_JOINTS], "neutral", 70, 1.7)
    assert set(every) == {*SMPL_JOINTS, *FINGER_JOINTS} - {"pelvis"}
    for name, strength in every.items():
        other = every[mirror_name(name)]
        assert (strength.positive > 0).all()
        assert (strength.negative > 0).all()
        np.testing.assert_array_equal(other.positive[0], strength.positive[0])
        np.testing.assert_array_equal(other.positive[1:], strength.negative[1:])


def test_motions_are_those_of_the_hinges():
    """The signs agree with the freedoms' axes, which were written down independently."""
    compared = 0
    for motion in MOTIONS:
        joints = [part for part, (base, _) in SAME_AS.items() if base == motion.part] or [motion.part]
        joint = joints[0] if joints[0] in SMPL_JOINTS else f"left_{joints[0]}"
        if joint.endswith("collar"):  # takes the shoulder's
            joint = "left_shoulder"
        for freedom in freedoms(joint):
            for name, sign in ((freedom.name, 1.0), (freedom.opposite, -1.0)):
                if name == motion.name.replace(" ", "_"):
                    compared += 1
                    assert sign * motion.sign * freedom.axis["xyz".index(motion.axis)] > 0, motion
    assert compared >= 20


def test_between_the_axes_strength_is_an_ellipsoid():
    strength = Strength(np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]))
    for axis, (low, high) in zip(np.eye(3), [(-4, 1), (-5, 2), (-6, 3)]):
        assert strength.about(axis) == pytest.approx((low, high))
        assert strength.about(-axis) == pytest.approx((-high, -low))
    rng = np.random.default_rng(0)
    for axis in rng.standard_normal((50, 3)):
        low, high = strength.about(axis)
        for end in (high * axis / np.linalg.norm(axis), low * axis / np.linalg.norm(axis)):
            scaled = end / np.where(end > 0, strength.positive, strength.negative)
            assert np.linalg.norm(scaled) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["left_hip"], "other", 70, 1.7), "unknown sex 'other'; accepted: neutral, female, male"),
        ((["left_hip"], "male", -1, 1.7), "mass must be a positive number"),
        ((["left_hip"], "male", 70, np.nan), "stature must be a positive number of m, received nan"),
        ((["left_hip"], "male", 70, 0), "stature must be"),
        ((["tail"], "male", 70, 1.7), "no strength for joint 'tail'; known: ankle, elbow"),
    ],
)
def test_bad_input_is_one_clear_error(arguments, message):
    with pytest.raises(smpl2mjcf.HumanoidError, match=message):
        joint_strengths(*arguments)


# --- motors ---

TOWARDS = {
    # motion of a left joint: (actuator, sign, body that shows it, direction in the model frame)
    "hip flexion": ("left_hip_x", -1, "left_knee", (0, 0, 1)),
    "hip abduction": ("left_hip_z", 1, "left_knee", (1, 0, 0)),
    "hip internal rotation": ("left_hip_y", -1, "left_foot", (-1, 0, 0)),
    "knee flexion": ("left_knee_x", 1, "left_ankle", (0, 0, -1)),
    "plantarflexion": ("left_ankle_x", 1, "left_foot", (0, -1, 0)),
    "spine flexion": ("spine2_x", 1, "head", (0, 0, 1)),
    "neck flexion": ("neck_x", 1, "head", (0, 0, 1)),
    "shoulder abduction": ("left_shoulder_z", 1, "left_elbow", (0, 1, 0)),
    "shoulder flexion": ("left_shoulder_y", -1, "left_elbow", (0, 0, 1)),
    "collar elevation": ("left_collar_z", 1, "left_shoulder", (0, 1, 0)),
    "elbow flexion": ("left_elbow_y", -1, "left_wrist", (0, 0, 1)),
    "wrist flexion": ("left_wrist_z", -1, "left_hand", (0, -1, 0)),
    "radial deviation": ("left_wrist_y", -1, "left_hand", (0, 0, 1)),
}


@pytest.mark.parametrize("motion", TOWARDS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_motor_moves_the_limb_as_the_anatomist_says(motors, motion, side):
    name, sign, body, direction = TOWARDS[motion]
    direction = np.array(direction, float)
    if side == "right":
        name, body = mirror_name(name), mirror_name(body)
        direction[0] *= -1
        if name.startswith("right") and name[-1] in "yz":
            sign = -sign
    data = mujoco.MjData(motors)
    mujoco.mj_forward(motors, data)
    joint = motors.joint(motors.actuator(name).trnid[0]).name
    before = data.body(body).xpos - data.body(joint).xpos
    data.ctrl[motors.actuator(name).id] = sign
    for _ in range(20):
        mujoco.mj_step(motors, data)
    mujoco.mj_forward(motors, data)
    # In the frame of the body above, since the whole body floats and turns.
    parent = motors.body_parentid[motors.body(joint).id]
    after = data.xmat[parent].reshape(3, 3).T @ (data.body(body).xpos - data.body(joint).xpos)
    moved = after - before
    # A rigid limb's principal axes would make it go exactly there; the loose joints beyond let it stray.
    assert moved @ direction > 0.3 * np.linalg.norm(moved) > 1e-6


def test_one_motor_a_dof_in_newton_metres(motors, strengths):
    assert motors.nu == motors.nv - 6
    data = mujoco.MjData(motors)
    data.qpos[7:] = np.random.default_rng(0).standard_normal(motors.nq - 7)  # any pose
    rng = np.random.default_rng(1)
    low, high = motors.actuator_ctrlrange.T
    data.ctrl[:] = rng.uniform(low, high)
    mujoco.mj_forward(motors, data)
    np.testing.assert_allclose(data.qfrc_actuator[6:], data.ctrl, rtol=1e-12)
    data.ctrl[:] = 1e4
    mujoco.mj_forward(motors, data)
    np.testing.assert_allclose(data.qfrc_actuator[6:], high, rtol=1e-12)
    for name, strength in strengths.items():
        for k, axis in enumerate("xyz"):
            limits = motors.actuator(f"{name}_{axis}").ctrlrange
            np.testing.assert_allclose(limits, [-strength.negative[k], strength.positive[k]], rtol=1e-12)


# --- servos ---


@pytest.mark.parametrize("joint", ["left_shoulder", "right_hip", "spine1", "left_wrist"])
@pytest.mark.parametrize("degrees", [30, 90, 140])
def test_three_servos_hold_a_rotation_vector(servos, joint, degrees):
    rng = np.random.default_rng(degrees)
    axis = rng.standard_normal(3)
    target = np.deg2rad(degrees) * axis / np.linalg.norm(axis)
    actuators = [servos.actuator(f"{joint}_{name}").id for name in "xyz"]
    start = servos.joint(joint).qposadr[0]
    data = mujoco.MjData(servos)
    off = Rotation.from_rotvec(target + 0.05 * rng.standard_normal(3))
    data.qpos[start : start + 4] = off.as_quat(scalar_first=True)
    data.ctrl[actuators] = target
    for _ in range(2500):
        mujoco.mj_step(servos, data)
    held = Rotation.from_quat(data.qpos[start : start + 4], scalar_first=True)
    # The oscillation dies slowly as 145 degrees come near; 5 s leave a tenth of the .05 rad.
    np.testing.assert_allclose(held.as_rotvec(), target, atol=1e-4 if degrees < 100 else 5e-3)


def test_targets_are_the_rotation_vectors_of_a_pose(servos):
    rng = np.random.default_rng(2)
    poses = rng.uniform(-1.8, 1.8, (servos.njnt - 1, 3))  # within half a turn
    qpos = np.concatenate(
        [[0, 0, 0, 1, 0, 0, 0], Rotation.from_rotvec(poses).as_quat(scalar_first=True).ravel()]
    )
    np.testing.assert_allclose(servo_targets(servos, qpos), poses.ravel(), atol=1e-12)


def test_a_servo_gives_no_more_than_the_joint_s_strength(servos, strengths):
    data = mujoco.MjData(servos)
    data.ctrl[:] = 3.0  # nearly half a turn, where MuJoCo would go round the other way
    mujoco.mj_forward(servos, data)
    for name, strength in strengths.items():
        forces = [data.actuator(f"{name}_{axis}").force[0] for axis in "xyz"]
        np.testing.assert_allclose(forces, strength.positive, rtol=1e-12)


# --- gains ---

ARM = """
<mujoco>
  <option gravity="0 0 0" timestep="1e-4"/>
  <worldbody>
    <body name="left_elbow" pos="0 0 1">
      <joint name="left_elbow" type="hinge" axis="0 1 0"/>
      <geom type="capsule" fromto="0 0 0 .25 0 0" size=".03" mass="1.5"/>
    </body>
  </worldbody>
</mujoco>
"""
WEAK = {"left_elbow": Strength(np.full(3, 1e-3), np.full(3, 1e-3))}


def test_a_free_limb_is_critically_damped_at_the_bandwidth():
    """Its response to a step is 1 - (1 + w t) exp(-w t)."""
    spec = mujoco.MjSpec.from_string(ARM)
    model = spec.compile()
    gains = servo_gains(model, np.zeros(1), WEAK, 1e-4)
    add_servos(spec, model, {"left_elbow": Strength(np.full(3, 1e3), np.full(3, 1e3))}, gains)
    model = spec.compile()
    data = mujoco.MjData(model)
    data.ctrl[0] = 0.1
    for _ in range(1000):
        mujoco.mj_step(model, data)
    phase = BANDWIDTH * data.time
    # First-order integration of 1000 steps of w dt = .002.
    assert data.qpos[0] == pytest.approx(0.1 * (1 - (1 + phase) * np.exp(-phase)), rel=2e-3)


def test_legs_bear_three_times_what_topples_the_body(bare, gains):
    """The toppling stiffness m g h is the curvature of the potential energy of the body tilting as one."""
    model = bare.model
    data = mujoco.MjData(model)

    def energy(angle):
        """Potential energy, J, of all but the feet turned about the line through the ankles."""
        data.qpos[:] = stand(model)
        mujoco.mj_forward(model, data)
        pivot = (data.body("left_ankle").xpos + data.body("right_ankle").xpos) / 2
        turn = Rotation.from_euler("x", angle)
        data.qpos[:3] = pivot + turn.apply(data.qpos[:3] - pivot)
        root = turn * Rotation.from_quat(data.qpos[3:7], scalar_first=True)
        data.qpos[3:7] = root.as_quat(scalar_first=True)
        mujoco.mj_forward(model, data)
        feet = [model.body(f"{side}_{part}").id for side in ("left", "right") for part in ("ankle", "foot")]
        heights = data.xipos[:, 2].copy()
        return -model.opt.gravity[2] * sum(
            model.body_mass[b] * heights[b] for b in range(model.nbody) if b not in feet
        )

    small = 1e-3
    toppling = -(energy(small) - 2 * energy(0) + energy(-small)) / small**2
    ankles = [model.joint(f"{side}_ankle").dofadr[0] for side in ("left", "right")]
    # Each ankle carries half of all but its own foot: the other foot, 2 % of the mass at no height, is in.
    assert gains.stiffness[ankles].sum() == pytest.approx(WEIGHT_FACTOR * toppling, rel=0.01)


def test_gains_follow_their_rule_on_every_joint(bare, strengths, gains):
    model = bare.model
    data = mujoco.MjData(model)
    data.qpos[:] = stand(model)
    mujoco.mj_forward(model, data)
    mass_matrix = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, mass_matrix)
    inertia = mass_matrix.diagonal()[6:]
    strength = np.array([np.maximum(s.positive, s.negative) for s in strengths.values()])
    order = [model.body(b).name for b in range(2, model.nbody)]
    strength = np.ravel([strength[list(strengths).index(name)] for name in order])
    assert (gains.stiffness[:6] == 0).all()
    assert (gains.passive[:6] == 0).all()
    assert (gains.stiffness[6:] >= inertia * BANDWIDTH**2 * (1 - 1e-12)).all()
    assert (gains.stiffness[6:] >= strength * (1 - 1e-12)).all()
    np.testing.assert_allclose(gains.damping, gains.stiffness * 0.1, rtol=1e-12)
    np.testing.assert_allclose(
        gains.passive[6:], np.maximum(inertia * PASSIVE_RATE, strength * STEP / STEP_TURN), rtol=1e-12
    )
    phase = STEP * np.sqrt(gains.stiffness[6:] / (inertia + gains.armature[6:]))
    assert phase.max() <= STEP_PHASE * (1 + 1e-12)
    # Armature only where it is needed: a hip, a knee and a spine have none.
    assert (gains.armature[6:] > 0).sum() < 0.3 * len(inertia)


def test_left_and_right_gains_are_equal(bare, gains):
    model = bare.model
    for name in bare.joint_names[1:]:
        here, there = model.joint(name).dofadr[0], model.joint(mirror_name(name)).dofadr[0]
        # The default body is symmetric to rounding.
        for array in (gains.stiffness, gains.damping, gains.passive, gains.armature):
            np.testing.assert_allclose(
                array[here : here + 3], array[there : there + 3], rtol=1e-9, atol=1e-15
            )


def test_actuators_survive_the_xml(bare, strengths, gains):
    spec = bare.spec.copy()
    set_joint_dynamics(spec, bare.model, gains)
    add_servos(spec, bare.model, strengths, gains)
    built, read = spec.compile(), mujoco.MjModel.from_xml_string(spec.to_xml())
    assert [read.actuator(i).name for i in range(read.nu)] == [
        built.actuator(i).name for i in range(built.nu)
    ]
    fields = ("gainprm", "biasprm", "gear", "forcerange", "ctrlrange")
    for name in [*(f"actuator_{field}" for field in fields), "dof_damping", "dof_armature"]:
        # Six digits are printed.
        np.testing.assert_allclose(getattr(read, name), getattr(built, name), rtol=1e-5, atol=1e-9)


def test_the_documented_strengths_are_the_table_s():
    text = (Path(__file__).parent.parent / "docs" / "simulation.md").read_text()
    people = {"male": (73.0, 1.741), "female": (61.9, 1.735)}
    for motion in MOTIONS:
        part = next((joint for joint, (base, _) in SAME_AS.items() if base == motion.part), motion.part)
        joint = part if part in SMPL_JOINTS else f"left_{motion.part}"
        torques = []
        for sex, (mass, stature) in people.items():
            strength = joint_strengths([joint], sex, mass, stature)[joint]
            side = strength.negative if motion.sign < 0 else strength.positive
            torques.append(f"{side['xyz'.index(motion.axis)]:.0f}")
        assert f"| {motion.part} | {motion.name} | {torques[0]} | {torques[1]} | {motion.source} |" in text
