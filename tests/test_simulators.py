"""The saved model in other people's environments: Gymnasium's MujocoEnv and dm_control."""

import mujoco
import numpy as np
import pytest

import smpl2mjcf

ROUGH_STEPS = 500


@pytest.fixture(scope="module", params=["ball", "hinge"])
def saved(request, default_body, tmp_path_factory):
    """The path of a simulation model's MJCF file."""
    human = smpl2mjcf.build_humanoid(default_body, profile="simulation", joints=request.param)
    file = human.save(tmp_path_factory.mktemp("saved") / "humanoid.xml")
    return str(file)


@pytest.fixture(scope="module")
def reference(saved):
    """MuJoCo's own state after a second of standing: qpos (nq,)."""
    model = mujoco.MjModel.from_xml_path(saved)
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("stand").id)
    for _ in range(ROUGH_STEPS):
        mujoco.mj_step(model, data)
    return data.qpos.copy()


def test_stand_is_on_the_floor_and_qpos0_in_it(saved):
    model = mujoco.MjModel.from_xml_path(saved)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    assert -0.125 < data.contact.dist.min() < -0.1  # docs/simulation.md: 12 cm
    mujoco.mj_resetDataKeyframe(model, data, model.key("stand").id)
    mujoco.mj_forward(model, data)
    assert data.contact.dist.min() > -1e-4


def test_gymnasium_s_environment_stands(oracle, saved, reference):
    oracle("gymnasium")
    mujoco_envs = oracle("gymnasium.envs.mujoco")
    spaces = oracle("gymnasium.spaces")

    class Standing(mujoco_envs.MujocoEnv):
        metadata = {"render_modes": ["human", "rgb_array", "depth_array", "rgbd_tuple"]}  # noqa: RUF012

        def __init__(self):
            super().__init__(saved, frame_skip=5, observation_space=None)
            size = self.model.nq + self.model.nv
            self.observation_space = spaces.Box(-np.inf, np.inf, (size,), np.float64)

        def observation(self):
            return np.concatenate([self.data.qpos, self.data.qvel])

        def step(self, action):
            self.do_simulation(action, self.frame_skip)
            return self.observation(), 0.0, self.data.qpos[2] < 0.5, False, {}

        def reset_model(self):
            key = self.model.key("stand")
            self.set_state(key.qpos, key.qvel)
            return self.observation()

    environment = Standing()
    try:
        observed, _ = environment.reset(seed=0)
        assert observed in environment.observation_space
        assert environment.action_space.shape == (environment.model.nu,)
        targets = environment.model.key("stand").ctrl
        for _ in range(ROUGH_STEPS // 5):
            observed, _, fallen, _, _ = environment.step(targets)
        assert not fallen
        # The same engine: equal to the bit but for the engine's own warm start.
        np.testing.assert_allclose(observed[: environment.model.nq], reference, atol=1e-9)
        observed, _, _, _, _ = environment.step(environment.action_space.sample())
        assert np.isfinite(observed).all()
    finally:
        environment.close()


@pytest.fixture(scope="module")
def dm_control():
    """dm_control where it can load any model at all: it names every field of the engine it was made for."""
    pytest.importorskip("dm_control")
    from dm_control import mujoco as wrapped

    try:
        wrapped.Physics.from_xml_string("<mujoco/>")
    except AttributeError as error:
        pytest.skip(f"this dm_control does not fit mujoco {mujoco.__version__}: {error}")
    return wrapped


def test_dm_control_s_physics_stands(dm_control, saved, reference):
    physics = dm_control.Physics.from_xml_path(saved)
    with physics.reset_context():
        key = physics.model.key("stand")
        physics.data.qpos[:], physics.data.ctrl[:] = key.qpos, key.ctrl
    assert physics.named.data.qpos["pelvis"][2] == physics.data.qpos[2]
    physics.step(ROUGH_STEPS)
    np.testing.assert_allclose(physics.data.qpos, reference, atol=1e-9)


def test_dm_control_s_mjcf_keeps_bodies_and_actuators(dm_control, saved):
    from dm_control import mjcf

    model = mujoco.MjModel.from_xml_path(saved)
    root = mjcf.from_path(saved)
    assert len(root.find_all("body")) == model.nbody - 1
    assert len(root.find_all("actuator")) == model.nu
    physics = mjcf.Physics.from_mjcf_model(root)
    assert physics.data.qpos.shape == (model.nq,)
    np.testing.assert_allclose(physics.model.body_mass, model.body_mass, rtol=1e-12)
