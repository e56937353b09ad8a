"""The call a user makes: types, the root residual, external forces."""

from pathlib import Path

import jax
import mujoco
import numpy as np
import pytest

import dynamics
from dynamics import so3

TREES = Path(__file__).parent / "data" / "trees"
FRAMES = 80


def read(name):
    return mujoco.MjModel.from_xml_path(str(TREES / f"{name}.xml"))


def moving(model, seed=0):
    states = dynamics.random_states(model, FRAMES, seed)
    return dynamics.Trajectory(np.arange(FRAMES) / 30, *states, np.ones(FRAMES, bool))


def test_it_computes_in_float64_whatever_the_setting_which_it_leaves_alone():
    model = read("human_tree")
    traj = moving(model)
    with jax.enable_x64(False):
        result = dynamics.inverse_dynamics(model, traj)
        assert not jax.config.jax_enable_x64
    expected = dynamics.mujoco_inverse(model, traj.qpos, traj.qvel, traj.qacc)
    assert isinstance(result.tau, np.ndarray)
    assert result.tau.dtype == result.root_residual.dtype == np.float64
    assert np.abs(result.tau - expected).max() < 1e-12 * np.abs(expected).max()
    assert result.ground is None


def test_standing_still_the_root_residual_is_the_weight_upward_through_the_com():
    model = read("human_tree")
    still = np.zeros((FRAMES, model.nv))
    qpos = dynamics.random_states(model, FRAMES, seed=1).qpos
    traj = dynamics.Trajectory(np.arange(FRAMES) / 30, qpos, still, still, np.ones(FRAMES, bool))
    residual = dynamics.inverse_dynamics(model, traj).root_residual
    weight = model.body_mass.sum() * 9.81
    np.testing.assert_allclose(residual[:, :3], np.tile([0, 0, weight], (FRAMES, 1)), atol=1e-10)
    data = mujoco.MjData(model)
    for i in range(10):
        data.qpos = qpos[i]
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        arm = data.subtree_com[0] - data.xpos[1]
        np.testing.assert_allclose(residual[i, 3:], np.cross(arm, [0, 0, weight]), atol=1e-10)


def test_a_ground_wrench_takes_the_whole_residual_over():
    """The residual, moved from the root joint to the com of the root body and given back as `ground`."""
    model = read("human_tree")
    traj = moving(model, seed=2)
    residual = dynamics.inverse_dynamics(model, traj).root_residual
    ground = dynamics.Wrench.zeros(FRAMES, nbody=model.nbody)
    arm = so3.rotate(traj.qpos[:, 3:7], model.body_ipos[1])
    ground.force[:, 1] = residual[:, :3]
    ground.torque[:, 1] = residual[:, 3:] - np.cross(arm, residual[:, :3])
    rest = dynamics.inverse_dynamics(model, traj, ground=ground)
    assert np.abs(rest.root_residual).max() < 1e-12 * np.abs(residual).max()
    assert rest.ground.force is not None
    np.testing.assert_allclose(rest.tau[:, :6], 0, atol=1e-12 * np.abs(residual).max())


def test_with_several_free_joints_the_residual_is_the_firsts_and_without_one_it_is_none():
    model = read("two_roots")
    traj = moving(model)
    result = dynamics.inverse_dynamics(model, traj)
    np.testing.assert_array_equal(result.root_residual[:, :3], result.tau[:, :3])
    turned = so3.rotate(traj.qpos[:, 3:7], result.tau[:, 3:6])
    np.testing.assert_allclose(result.root_residual[:, 3:], turned)
    fixed = read("ball_chain")
    assert dynamics.inverse_dynamics(fixed, moving(fixed)).root_residual is None


def test_a_falling_body_needs_nothing():
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><body><freejoint/><geom type='box' size='.1 .2 .3'/></body></worldbody></mujoco>"
    )
    t = np.arange(90) / 30
    qpos = np.zeros((90, 7))
    qpos[:, 0], qpos[:, 2] = t, 5 - 9.81 / 2 * t**2
    qpos[:, 3:] = so3.exp(np.array([0, 0, 2.0]) * t[:, None])  # a spin about a principal axis
    result = dynamics.inverse_dynamics(model, dynamics.trajectory(model, qpos, fps=30, cutoff=None))
    weight = model.body_mass.sum() * 9.81
    assert np.abs(result.root_residual).max() < 1e-6 * weight


def test_shapes_are_checked():
    model = read("two_roots")
    with pytest.raises(dynamics.StateError, match="this model needs"):
        dynamics.inverse_dynamics(model, moving(read("human_tree")))
    with pytest.raises(dynamics.StateError, match=r"wrench\.force has shape"):
        dynamics.inverse_dynamics(model, moving(model), ground=dynamics.Wrench.zeros(3, nbody=model.nbody))
