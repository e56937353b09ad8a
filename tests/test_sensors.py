"""What the sensors of a humanoid read where the answer is known: free fall, rest, a known spin, a floor."""

import mujoco
import numpy as np
import pytest

import smpl2mjcf
from smpl2mjcf.body import joint_positions, shaped_vertices
from smpl2mjcf.imus import IMU_NAMES, add_imus, imus
from smpl2mjcf.sensors import IMU_KINDS, add_foot_forces, add_imu_sensors, add_sole_sensors
from smpl2mjcf.skin import skin_parts

FEET = ("left_ankle", "left_foot", "right_ankle", "right_foot")


@pytest.fixture(scope="module")
def model(default_body):
    human = smpl2mjcf.build_humanoid(default_body)
    vertices = shaped_vertices(default_body)
    joints = dict(zip(default_body.joint_names, joint_positions(default_body)))
    add_imus(human.spec, imus(default_body, vertices, joints, human.joint_names))
    add_imu_sensors(human.spec, IMU_NAMES, tuple(IMU_KINDS))
    add_sole_sensors(human.spec, skin_parts(default_body, vertices, human.joint_names), joints)
    add_foot_forces(human.spec)
    return mujoco.MjModel.from_xml_string(human.spec.to_xml())  # as a user reads it


def test_every_sensor_is_named_after_its_site(model):
    assert model.nsensor == 17 * 3 + 6
    for name in IMU_NAMES:
        for kind in IMU_KINDS:
            assert model.sensor(f"{name}_{kind}").dim[0] == (4 if kind == "orientation" else 3)


def falling(model, spin):
    """A rigid, spinning body in free fall: every joint locked by its acceleration."""
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("stand").id)
    data.qpos[2] += 5
    mujoco.mj_forward(model, data)
    R = data.body("pelvis").xmat.reshape(3, 3)
    data.qvel[3:6] = R.T @ spin  # a free joint's angular velocity is in body axes
    data.qvel[:3] = np.cross(spin, data.body("pelvis").xpos - data.subtree_com[0])
    return data


def test_free_fall_reads_nothing(model):
    data = falling(model, np.zeros(3))
    mujoco.mj_forward(model, data)
    for name in IMU_NAMES:
        np.testing.assert_allclose(data.sensor(f"{name}_accelerometer").data, 0, atol=1e-8)
        np.testing.assert_allclose(data.sensor(f"{name}_gyro").data, 0, atol=1e-12)
    for side in ("left", "right"):
        np.testing.assert_array_equal(data.sensor(f"{side}_foot_force").data, 0)


def test_a_known_spin_reads_its_rate_and_its_centripetal_acceleration(model):
    """All bodies turn as one at the first instant: joints have no torque, but no relative velocity either."""
    spin = np.array([0.3, -1.1, 2.0])
    data = falling(model, spin)
    mujoco.mj_forward(model, data)
    for name in IMU_NAMES:
        R = data.site(name).xmat.reshape(3, 3)
        np.testing.assert_allclose(
            data.sensor(f"{name}_gyro").data, R.T @ spin, atol=1e-6
        )  # six printed digits
        quaternion = np.zeros(4)
        mujoco.mju_mat2Quat(quaternion, data.site(name).xmat)
        assert abs(quaternion @ data.sensor(f"{name}_orientation").data) == pytest.approx(1)


def test_an_accelerometer_reads_what_its_path_says(model):
    """Against the second difference of the site's own positions, less gravity, in a tumbling fall."""
    data = falling(model, np.array([0.3, -1.1, 2.0]))
    rng = np.random.default_rng(0)
    data.qvel[6:] = 0.5 * rng.standard_normal(model.nv - 6)
    mujoco.mj_forward(model, data)
    qpos, qvel, qacc = data.qpos.copy(), data.qvel.copy(), data.qacc.copy()
    step = 1e-4
    places = {}
    for sign in (-1, 0, 1):
        other = mujoco.MjData(model)
        other.qpos[:] = qpos
        mujoco.mj_integratePos(model, other.qpos, qvel + sign * step * qacc / 2, sign * step)
        mujoco.mj_kinematics(model, other)
        places[sign] = other.site_xpos.copy()
    acceleration = (places[1] - 2 * places[0] + places[-1]) / step**2
    for name in IMU_NAMES:
        site = model.site(name).id
        specific = acceleration[site] - model.opt.gravity
        read = data.site(name).xmat.reshape(3, 3) @ data.sensor(f"{name}_accelerometer").data
        np.testing.assert_allclose(read, specific, atol=2e-5)  # rounding 1e-15 m / step^2, truncation


def test_at_rest_they_read_gravity_upwards(model):
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("tpose").id)
    data.qpos[2] += 1
    # Held by a force of its weight on each body: nothing accelerates.
    mujoco.mj_forward(model, data)
    data.xfrc_applied[1:, 2] = model.body_mass[1:] * 9.81
    mujoco.mj_forward(model, data)
    assert np.abs(data.qacc).max() < 1e-6
    for name in ("imu_head", "imu_sternum", "imu_pelvis"):  # x up
        np.testing.assert_allclose(data.sensor(f"{name}_accelerometer").data, [9.81, 0, 0], atol=1e-5)
    for name in IMU_NAMES:
        read = data.site(name).xmat.reshape(3, 3) @ data.sensor(f"{name}_accelerometer").data
        np.testing.assert_allclose(read, [0, 0, 9.81], atol=1e-5)


def test_soles_read_the_floor_s_forces(model):
    """Against mj_contactForce, contact by contact, while the humanoid lands."""
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("stand").id)
    largest = 0.0
    for _ in range(60):
        mujoco.mj_step(model, data)
        mujoco.mj_forward(model, data)
        normal, force = dict.fromkeys(FEET, 0.0), {"left": np.zeros(3), "right": np.zeros(3)}
        for c in range(data.ncon):
            contact, wrench = data.contact[c], np.zeros(6)
            mujoco.mj_contactForce(model, data, c, wrench)
            first, second = (model.body(model.geom_bodyid[g]).name for g in contact.geom)
            name = second if first == "world" else first
            sign = 1.0 if first == "world" else -1.0
            if name in FEET:
                normal[name] += wrench[0]
                force[name.split("_")[0]] += sign * contact.frame.reshape(3, 3).T @ wrench[:3]
        for side in ("left", "right"):
            for part, joint in (("rearfoot", "ankle"), ("toes", "foot")):
                read = data.sensor(f"{side}_{part}_touch").data[0]
                assert read == pytest.approx(normal[f"{side}_{joint}"], abs=1e-6)
            np.testing.assert_allclose(data.sensor(f"{side}_foot_force").data, force[side], atol=1e-6)
        largest = max(largest, force["left"][2] + force["right"][2])
    assert largest > 0.5 * model.body_mass.sum() * 9.81


def test_an_unknown_kind_is_refused(default_body):
    with pytest.raises(
        smpl2mjcf.HumanoidError, match="unknown sensor 'thermometer'; accepted: accelerometer"
    ):
        add_imu_sensors(mujoco.MjSpec(), ["imu_head"], ("thermometer",))
