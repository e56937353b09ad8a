"""The profiles as a simulator runs them: standing, stable whatever the controls, the same in MJX and Warp.

Judges: MuJoCo's own contacts and warnings, and its C engine for MJX's and Warp's steps.
"""

import contextlib
import io
from pathlib import Path

import mujoco
import numpy as np
import pytest

import smpl2mjcf
from smpl2mjcf.joint_strength import joint_strengths
from smpl2mjcf.options import EXTRAS, JOINTS, LOOKS, PROFILES
from smpl2mjcf.profiles import apply_profile, find_profile
from smpl2mjcf.skeleton import SEXES, SMPL_JOINTS, mirror_name


def saved(body, betas=None, profile="simulation", **options):
    """A humanoid's model, read back from its XML, as a simulator has it."""
    human = smpl2mjcf.build_humanoid(body, betas, profile=profile, **options)
    return mujoco.MjModel.from_xml_string(human.xml)


def at_key(model, name="stand"):
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key(name).id)
    return data


# --- settings ---


def test_inverse_dynamics_adds_nothing_to_the_torque(default_body):
    model = saved(default_body, profile="inverse-dynamics")
    assert model.nu == 0
    for field in ("dof_damping", "dof_armature", "dof_frictionloss", "jnt_stiffness"):
        assert not getattr(model, field).any(), field
    assert not any(model.geom_contype[g] & model.geom_conaffinity[g] for g in range(1, model.ngeom))


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_s_settings_survive_the_xml(default_body, name):
    model, profile = saved(default_body, profile=name), find_profile(name)
    assert model.opt.timestep == pytest.approx(profile.timestep)
    assert model.opt.integrator == profile.integrator
    assert (model.opt.iterations, model.opt.ls_iterations) == (profile.iterations, profile.ls_iterations)
    assert (model.nu > 0) == profile.actuated


def test_the_same_input_gives_the_same_bytes(default_body):
    first, second = (smpl2mjcf.build_humanoid(default_body, profile="simulation") for _ in range(2))
    assert first.xml == second.xml


@pytest.mark.parametrize("joints", ["ball", "hinge"])
def test_every_keyframe_carries_the_controls_that_hold_it(default_body, joints):
    model = saved(default_body, joints=joints)
    for k in range(model.nkey):
        data = at_key(model, model.key(k).name)
        data.qvel[:] = 0
        mujoco.mj_forward(model, data)
        # Six printed digits, times stiffnesses up to 1300 N m/rad.
        assert np.abs(data.actuator_force).max() < 0.02


ACTIVE = tuple(name for name in PROFILES if find_profile(name).actuated)


def test_the_page_lists_the_armature(default_body):
    """docs/simulation.md: the largest of each joint's three, 1e-3 kg m2 to two digits."""
    cells = {}
    for profile in ACTIVE:
        for joints in JOINTS:
            human = smpl2mjcf.build_humanoid(default_body, profile=profile, joints=joints)
            for name in human.joint_names[1:]:
                largest = 1e3 * human.model.dof_armature[human.joint_dofs(name)].max()
                cells.setdefault(name.removeprefix("left_"), []).append(f"{largest:.2g}" if largest else "-")
    page = (Path(__file__).parents[1] / "docs" / "simulation.md").read_text()
    assert "| joint | " + " | ".join(f"`{p}` {j}" for p in ACTIVE for j in JOINTS) + " |" in page
    for name in SMPL_JOINTS[1:]:
        if not name.startswith("right_"):
            part = name.removeprefix("left_")
            assert f"| {part} | {' | '.join(cells[part])} |" in page


def test_unknown_names_are_one_clear_error(default_body):
    with pytest.raises(
        smpl2mjcf.HumanoidError, match=r"unknown profile 'fast'; accepted: inverse-dynamics, "
    ):
        find_profile("fast")
    human = smpl2mjcf.build_humanoid(default_body)
    strengths = joint_strengths(human.joint_names, "neutral", 70, 1.7)
    with pytest.raises(
        smpl2mjcf.HumanoidError, match="unknown actuators 'muscles'; accepted: servos, motors"
    ):
        apply_profile(human.spec, find_profile("simulation"), strengths, "muscles")
    for key in list(human.spec.keys):
        human.spec.delete(key)
    with pytest.raises(smpl2mjcf.HumanoidError, match="no keyframe 'stand' .* there are: none"):
        apply_profile(human.spec, find_profile("simulation"), strengths)


# --- standing ---

SHAPES = [None, (0, 2.0), (0, -2.0), (1, 2.0), (1, -2.0)]
"""(beta, value): short and tall, light (48 kg) and heavy (111 kg)."""


def betas_of(shape):
    return None if shape is None else shape[1] * np.eye(10)[shape[0]]


def floor_pressure(model, data):
    """Force in N and centre of pressure (2,) m of all contacts with the floor."""
    force, moment, one = 0.0, np.zeros(2), np.zeros(6)
    for i, contact in enumerate(data.contact):
        if model.geom("floor").id in contact.geom:
            mujoco.mj_contactForce(model, data, i, one)
            force += one[0]
            moment += one[0] * contact.pos[:2]
    return force, moment / force


@pytest.mark.parametrize("joints", ["ball", "hinge"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sex", SEXES)
def test_it_stands_on_its_servos_for_five_seconds(sex, shape, joints):
    assert_stands(saved(smpl2mjcf.default_body(sex), betas_of(shape), joints=joints))


MADE_OTHERWISE = [
    {"profile": "mjx", "joints": "ball"},
    {"profile": "mjx", "joints": "hinge"},
    {"inertia": "mesh"},
    {"trunk": "whole"},
]


@pytest.mark.parametrize("options", MADE_OTHERWISE, ids=lambda options: "-".join(options.values()))
def test_it_stands_however_it_is_made(default_body, options):
    model = saved(default_body, **options)
    assert_stands(model)
    assert_stands(model, "apose")


@pytest.mark.parametrize(("family", "hands"), [("smplh", "articulated"), ("smplx", "merged")])
def test_bodies_with_fingers_stand(body_with_fingers, family, hands):
    assert_stands(saved(body_with_fingers(family), hands=hands))


def assert_stands(model, key="stand"):
    """Five seconds on the controls of a keyframe."""
    data = at_key(model, key)
    height, head = data.qpos[2], None
    for step in range(round(5 / model.opt.timestep)):
        mujoco.mj_step(model, data)
        if step == 0:
            head = data.body("head").xpos.copy()
        assert abs(data.qpos[2] - height) < 0.01
        low, high = model.actuator_forcerange.T
        # A quarter of the strength: standing tires nobody.
        assert (data.actuator_force < 0.25 * high).all()
        assert (data.actuator_force > 0.25 * low).all()
    assert np.linalg.norm(data.body("head").xpos - head) < 0.08  # swayed, not fallen
    assert np.abs(data.qvel).max() < 0.01  # and at rest
    weight = -model.body_mass.sum() * model.opt.gravity[2]
    force, pressure = floor_pressure(model, data)
    assert force == pytest.approx(weight, rel=1e-3)
    feet = np.array([data.geom(f"left_{part}").xpos for part in ("ankle_heel", "ankle_ball")])
    assert feet[:, 1].min() < pressure[1] < feet[:, 1].max()
    assert abs(pressure[0]) < 0.01
    assert not any(warning.number for warning in data.warning)


def test_it_falls_without_its_servos(default_body):
    """So that the test above can fail."""
    model = saved(default_body)
    model.actuator_gainprm[:] = 0
    model.actuator_biasprm[:] = 0
    data = at_key(model)
    for _ in range(round(2 / model.opt.timestep)):
        mujoco.mj_step(model, data)
    assert data.qpos[2] < 0.6


# --- stability ---


@pytest.mark.parametrize("actuators", ["servos", "motors"])
@pytest.mark.parametrize("profile", ["simulation", "mjx"])
@pytest.mark.parametrize("joints", ["ball", "hinge"])
def test_no_controls_make_it_fail(default_body, joints, profile, actuators):
    """Full random torques or targets on every joint, new every tenth of a second, tumbling on the floor."""
    model = saved(default_body, profile=profile, actuators=actuators, joints=joints)
    for seed in range(2):
        toss(model, np.random.default_rng(seed), seconds=5)


def toss(model, rng, seconds):
    """Step with the lowest or highest control of each actuator, by chance."""
    low, high = model.actuator_ctrlrange.T
    data = at_key(model)
    for step in range(round(seconds / model.opt.timestep)):
        if step % round(0.1 / model.opt.timestep) == 0:
            data.ctrl[:] = np.where(rng.random(model.nu) < 0.5, low, high)
        mujoco.mj_step(model, data)
    # MuJoCo resets a diverged state and counts a warning.
    assert not any(warning.number for warning in data.warning)


@pytest.mark.parametrize("joints", JOINTS)
def test_no_controls_make_its_fingers_fail(body_with_fingers, joints):
    model = saved(body_with_fingers("smplh"), hands="articulated", joints=joints)
    assert model.nu == 3 * 51
    toss(model, np.random.default_rng(0), seconds=1)


# --- sides ---


def other_side(name):
    return "imu_" + mirror_name(name[4:]) if name.startswith("imu_") else mirror_name(name)


def mirrored(names):
    """Of each element, by its name, which one is on the other side: itself in the middle."""
    return [names.index(other_side(name)) for name in names]


def spread(rotations, sizes, types):
    """(N, 3, 3) R diag(reach) R^T of boxes, spheres and capsules: the same for all that look the same."""
    reach = sizes.copy()
    capsules, balls = types == mujoco.mjtGeom.mjGEOM_CAPSULE, types == mujoco.mjtGeom.mjGEOM_SPHERE
    reach[capsules] = sizes[capsules][:, [0, 0, 1]]
    reach[balls] = sizes[balls][:, [0, 0, 0]]
    R = rotations.reshape(-1, 3, 3)
    return np.einsum("nij,nj,nkj->nik", R, reach, R)


@pytest.fixture(scope="module", params=[(p, j) for p in ACTIVE for j in JOINTS], ids="-".join)
def assembled(request, default_body):
    """A model with all that has sides. The default body is symmetric to rounding in every shape."""
    profile, joints = request.param
    betas = np.random.default_rng(0).uniform(-2, 2, 10)
    return smpl2mjcf.build_humanoid(default_body, betas, profile=profile, joints=joints, extras=EXTRAS).model


@pytest.mark.parametrize("kind", ["geom", "site"])
def test_geoms_and_sites_mirror(assembled, kind):
    """At qpos0 the world is the model frame: x is left."""
    data = mujoco.MjData(assembled)
    mujoco.mj_kinematics(assembled, data)
    number = {"geom": assembled.ngeom, "site": assembled.nsite}[kind]
    swap = mirrored([getattr(assembled, kind)(i).name for i in range(number)])
    types, sizes = getattr(assembled, f"{kind}_type"), getattr(assembled, f"{kind}_size")
    np.testing.assert_array_equal(types[swap], types)
    flip = np.array([-1.0, 1.0, 1.0])
    place = getattr(data, f"{kind}_xpos")
    np.testing.assert_allclose(place[swap], place * flip, atol=1e-9)
    shapes = spread(getattr(data, f"{kind}_xmat"), sizes, types)
    np.testing.assert_allclose(shapes[swap], shapes * np.outer(flip, flip), atol=1e-9)


def test_contacts_mirror(assembled):
    swap = mirrored([assembled.geom(i).name for i in range(assembled.ngeom)])
    for field in ("contype", "conaffinity", "condim", "friction", "margin", "solref", "solimp"):
        values = getattr(assembled, f"geom_{field}")
        np.testing.assert_array_equal(values[swap], values, err_msg=field)
    excluded = [assembled.exclude(i).name.split("-") for i in range(assembled.nexclude)]
    geoms = zip(assembled.pair_geom1, assembled.pair_geom2)
    pairs = [[assembled.geom(g).name for g in pair] for pair in geoms]
    assert excluded or pairs
    for found in (excluded, pairs):
        here = {frozenset(pair) for pair in found}
        assert here == {frozenset(map(mirror_name, pair)) for pair in found}


def test_joints_and_servos_mirror(assembled):
    swap = mirrored([assembled.joint(j).name for j in range(assembled.njnt)])
    for joint, other in enumerate(swap):
        here, there = assembled.joint(joint), assembled.joint(other)
        for field in ("damping", "armature", "range"):
            np.testing.assert_allclose(getattr(there, field), getattr(here, field), rtol=1e-9, atol=1e-15)
    names = [assembled.actuator(i).name for i in range(assembled.nu)]
    swap = mirrored(names)
    for field in ("gainprm", "biasprm"):
        values = getattr(assembled, f"actuator_{field}")
        np.testing.assert_allclose(values[swap], values, rtol=1e-9)
    expected = assembled.actuator_forcerange[swap]
    turned = [name.endswith(("_y", "_z")) for name in names]  # a ball's torques about y and z turn around
    expected[turned] = -expected[turned][:, ::-1]
    np.testing.assert_allclose(assembled.actuator_forcerange, expected, rtol=1e-9)


# --- MJX and Warp ---

STEPS = 200


@pytest.fixture(scope="module")
def few(default_body):
    """The model of the profile `mjx`, and the C engine's poses of .8 s of sway: (T, nq)."""
    model = saved(default_body, profile="mjx")
    data = at_key(model)
    sway(data)
    poses = []
    for _ in range(STEPS):
        mujoco.mj_step(model, data)
        poses.append(data.qpos.copy())
    return model, np.array(poses)


def sway(data):
    """A push forward, so that contacts and servos work."""
    data.qvel[1] = -0.1


def stepped(model, implementation):
    import jax

    with contextlib.redirect_stdout(io.StringIO()):  # MJX prints where the optional warp is absent
        from mujoco import mjx
    data = at_key(model)
    sway(data)
    mujoco.mj_forward(model, data)
    held, state = mjx.put_model(model, impl=implementation), mjx.put_data(model, data, impl=implementation)
    step, poses = jax.jit(mjx.step), []
    for _ in range(STEPS):
        state = step(held, state)
        poses.append(np.asarray(state.qpos))
    return np.array(poses)


def test_mjx_steps_as_the_c_engine_does(few):
    model, poses = few
    assert np.abs(poses[-1, 2] - poses[0, 2]) < 0.02  # it still stands
    # JAX's default float32: 1e-7 of 1 m, a thousandfold over 200 steps with contacts that open and close.
    states = stepped(model, "jax")
    assert np.isfinite(states).all()
    np.testing.assert_allclose(states, poses, atol=1e-4)


def test_warp_steps_as_the_c_engine_does(few):
    pytest.importorskip("warp")
    model, poses = few
    # float32, as above.
    np.testing.assert_allclose(stepped(model, "warp"), poses, atol=1e-4)


@pytest.mark.parametrize("look", LOOKS)
def test_mjx_takes_the_model_with_every_look_and_extra(default_body, look):
    model = saved(default_body, profile="mjx", look=look, extras=EXTRAS)
    with contextlib.redirect_stdout(io.StringIO()):
        from mujoco import mjx
    assert mjx.put_model(model).nsensor == model.nsensor == 17 * 3 + 4


@pytest.mark.parametrize("profile", PROFILES)
def test_foot_forces_are_sensed_where_the_engine_can(default_body, profile):
    model = saved(default_body, profile=profile, extras=["sensors"])
    names = {model.sensor(i).name for i in range(model.nsensor)}
    assert ({"left_foot_force", "right_foot_force"} <= names) == find_profile(profile).contact_sensors
    assert {"left_rearfoot_touch", "right_toes_touch", "imu_head_gyro"} <= names


def test_mjx_has_few_geoms_and_contacts(few):
    model, _ = few
    collide = (model.geom_contype > 0) | (model.geom_conaffinity > 0)
    assert collide.sum() - 1 + model.npair <= 22
    with contextlib.redirect_stdout(io.StringIO()):
        from mujoco import mjx
    # MJX holds a place for every possible contact, whether it touches or not.
    assert mjx.make_data(mjx.put_model(model))._impl.contact.dist.shape[0] <= 40
