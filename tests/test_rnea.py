"""The native inverse dynamics: laws it must obey, gradients, tracing, types and what it refuses."""

import subprocess
import sys
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

import dynamics
from dynamics import native, so3
from dynamics.precision import _warn_precision_lost

TREES = sorted((Path(__file__).parent / "data" / "trees").glob("*.xml"))
# More than the dofs of any tree: one compiled program a tree then serves every test.
STATES = 80


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module", params=TREES, ids=[path.stem for path in TREES])
def model(request):
    return mujoco.MjModel.from_xml_path(str(request.param))


def read(name):
    return mujoco.MjModel.from_xml_path(str(next(path for path in TREES if path.stem == name)))


def tree_and_states(model, seed=0):
    return dynamics.Tree.from_mjmodel(model), *dynamics.random_states(model, STATES, seed)


def relative(a, b):
    return np.abs(np.asarray(a) - np.asarray(b)).max() / np.abs(b).max()


# Laws


def test_pendulum_in_closed_form():
    length, mass, inertia, rotor = 0.7, 1.3, 0.02, 0.005
    model = mujoco.MjModel.from_xml_string(
        f"""<mujoco><option gravity="0 0 -9.81"/><worldbody><body><joint axis="0 1 0" armature="{rotor}"/>
        <inertial pos="0 0 {-length}" mass="{mass}" diaginertia="{inertia} {inertia} {inertia}"/>
        </body></worldbody></mujoco>"""
    )
    theta, rate, acceleration = np.random.default_rng(0).normal(size=(3, 9, 1))
    tau = dynamics.rnea(dynamics.Tree.from_mjmodel(model), theta, rate, acceleration)
    total = inertia + mass * length**2 + rotor
    np.testing.assert_allclose(tau, total * acceleration + mass * 9.81 * length * np.sin(theta), atol=1e-14)


def test_mass_matrix_from_unit_accelerations_is_mujocos_and_positive_definite(model):
    tree, qpos, qvel, qacc = tree_and_states(model)
    n = model.nv
    qpos[:], qvel[:] = qpos[0], qvel[0]
    qacc[:n], qacc[n] = np.eye(n), 0
    tau = np.asarray(dynamics.rnea(tree, qpos, qvel, qacc))
    M = tau[:n] - tau[n]
    data = mujoco.MjData(model)
    data.qpos = qpos[0]
    mujoco.mj_forward(model, data)
    expected = np.zeros((n, n))
    mujoco.mj_fullM(model, data, expected)
    assert relative(M, expected) < 1e-12
    assert relative(M, M.T) < 1e-12
    assert np.linalg.eigvalsh(M).min() > 0
    # Linear in qacc, so the columns foretell the random accelerations of the other rows.
    assert relative(tau[n:], tau[n] + qacc[n:] @ M) < 1e-13


def test_root_force_moves_the_centre_of_mass_and_turns_the_whole():
    """Newton and Euler for the whole body, its momenta differentiated by finite steps of MuJoCo's motion."""
    model = read("human_tree")
    model.dof_armature[:] = 0
    tree, qpos, qvel, qacc = tree_and_states(model)
    data, step = mujoco.MjData(model), 1e-5

    def momentum(t):
        """[linear; angular about the world's origin] at time t of the motion with this qacc."""
        data.qpos = qpos[0]
        # Halfway velocity makes the position second order in t.
        mujoco.mj_integratePos(model, data.qpos, qvel[0] + qacc[0] * t / 2, t)
        data.qvel = qvel[0] + qacc[0] * t
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_comVel(model, data)
        mujoco.mj_subtreeVel(model, data)
        linear = model.body_mass.sum() * data.subtree_linvel[0]
        return np.concatenate([linear, data.subtree_angmom[0] + np.cross(data.subtree_com[0], linear)])

    rate = (momentum(step) - momentum(-step)) / (2 * step)
    momentum(0)
    weight = model.body_mass.sum() * model.opt.gravity
    force = rate[:3] - weight
    moment_about_root = rate[3:] - np.cross(data.subtree_com[0], weight) - np.cross(qpos[0, :3], force)
    tau = np.asarray(dynamics.rnea(tree, qpos, qvel, qacc))[0]
    R = data.xmat[1].reshape(3, 3)
    # Central differences over 1e-5 s: truncation 1e-10, rounding 1e-16 / 1e-5.
    assert relative(tau[:3], force) < 1e-8
    assert relative(R @ tau[3:6], moment_about_root) < 1e-8


def test_power_of_tau_is_the_rate_of_energy(model):
    """tau . qvel = dE/dt along MuJoCo's own motion; rotor energy included, gravity as potential."""
    model = mujoco.MjModel.from_xml_path(str(next(p for p in TREES if p.stem == model_name(model))))
    model.opt.enableflags |= int(mujoco.mjtEnableBit.mjENBL_ENERGY)
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_SPRING)
    tree, qpos, qvel, qacc = tree_and_states(model, seed=3)
    data, step = mujoco.MjData(model), 1e-5
    tau = np.asarray(dynamics.rnea(tree, qpos, qvel, qacc))

    def energy(i, t):
        data.qpos = qpos[i]
        mujoco.mj_integratePos(model, data.qpos, qvel[i] + qacc[i] * t / 2, t)
        data.qvel = qvel[i] + qacc[i] * t
        mujoco.mj_forward(model, data)
        return data.energy.sum()

    for i in range(10):
        rate = (energy(i, step) - energy(i, -step)) / (2 * step)
        assert abs(tau[i] @ qvel[i] - rate) < 1e-7 * np.abs(tau[i] * qvel[i]).sum()


def model_name(model):
    return model.names.split(b"\x00")[0].decode()


def test_forward_dynamics_of_tau_is_the_acceleration(model):
    tree, qpos, qvel, qacc = tree_and_states(model, seed=4)
    tau = np.asarray(dynamics.rnea(tree, qpos, qvel, qacc))
    model = mujoco.MjModel.from_xml_path(str(next(p for p in TREES if p.stem == model_name(model))))
    for flag in ("CONSTRAINT", "SPRING", "DAMPER", "ACTUATION"):
        model.opt.disableflags |= int(getattr(mujoco.mjtDisableBit, f"mjDSBL_{flag}"))
    model.opt.density = model.opt.viscosity = 0
    data = mujoco.MjData(model)
    for i in range(STATES):
        data.qpos, data.qvel, data.qfrc_applied = qpos[i], qvel[i], tau[i]
        mujoco.mj_forward(model, data)
        # The inverse of the mass matrix magnifies rounding by its condition number, here up to 1e4.
        assert relative(data.qacc, qacc[i]) < 1e-9


def test_turning_the_world_about_gravity_changes_nothing_but_world_axes():
    tree, qpos, qvel, qacc = tree_and_states(read("human_tree"))
    tau = np.asarray(dynamics.rnea(tree, qpos, qvel, qacc))
    yaw = so3.exp(np.array([0, 0, 1.234]))
    qpos, qvel, qacc, expected = (a.copy() for a in (qpos, qvel, qacc, tau))
    for linear in (qpos, qvel, qacc, expected):
        linear[:, :3] = so3.rotate(yaw, linear[:, :3])
    qpos[:, 3:7] = so3.multiply(yaw, qpos[:, 3:7])
    assert relative(dynamics.rnea(tree, qpos, qvel, qacc), expected) < 1e-13


def test_wrench_acts_through_mujocos_jacobian(model):
    tree, qpos, qvel, qacc = tree_and_states(model, seed=5)
    rng = np.random.default_rng(5)
    wrench = dynamics.Wrench(*rng.normal(size=(2, STATES, model.nbody, 3)))
    change = dynamics.rnea(tree, qpos, qvel, qacc) - dynamics.rnea(tree, qpos, qvel, qacc, wrench)
    data = mujoco.MjData(model)
    for i in range(STATES):
        data.qpos = qpos[i]
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        expected = np.zeros(model.nv)
        for body in range(model.nbody):
            linear, angular = np.zeros((2, 3, model.nv))
            mujoco.mj_jacBodyCom(model, data, linear, angular, body)
            expected += linear.T @ wrench.force[i, body] + angular.T @ wrench.torque[i, body]
        assert relative(change[i], expected) < 1e-12


# Gradients


def numeric(function, x, step=1e-5):
    """Derivative of a scalar function by fourth-order central differences."""
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        d = np.zeros_like(x)
        d[i] = step
        near, far = (function(x + k * d) - function(x - k * d) for k in (1, 2))
        gradient[i] = (8 * near - far) / (12 * step)
    return gradient


@pytest.mark.parametrize("name", ["offset_joints", "two_roots"])
def test_gradients_equal_finite_differences(name):
    tree, qpos, qvel, qacc = tree_and_states(read(name))
    weights = np.random.default_rng(6).normal(size=qvel.shape[-1])
    arrays = {"qpos": qpos[0], "qvel": qvel[0], "qacc": qacc[0]}
    arrays |= {n: getattr(tree, n) for n in ("offsets", "masses", "coms", "tensors", "anchors", "armature")}

    @jax.jit
    def loss(given):
        states = [given[n] for n in ("qpos", "qvel", "qacc")]
        other = tree.replace(**{n: a for n, a in given.items() if n not in ("qpos", "qvel", "qacc")})
        return (weights * dynamics.rnea(other, *states)).sum()

    gradients = jax.grad(loss)(arrays)
    for n, array in arrays.items():
        expected = numeric(lambda x, n=n: float(loss(arrays | {n: x})), array)
        assert relative(gradients[n], expected) < 1e-6, n


def test_gradients_are_right_in_the_rest_pose_and_finite_at_a_zero_quaternion():
    tree, *_ = tree_and_states(read("two_roots"))
    qpos, qvel, qacc = read("two_roots").qpos0, np.zeros(tree.topology.nv), np.zeros(tree.topology.nv)

    @jax.jit
    def loss(qpos, qvel, qacc):
        return (dynamics.rnea(tree, qpos, qvel, qacc) ** 2).sum()

    gradients = jax.grad(loss, argnums=(0, 1, 2))(qpos, qvel, qacc)
    expected = numeric(lambda x: float(loss(x, qvel, qacc)), qpos)
    np.testing.assert_allclose(gradients[0], expected, atol=1e-6 * np.abs(expected).max())
    assert np.abs(gradients[1]).max() == 0  # c is quadratic in qvel
    zero = jax.grad(loss, argnums=(0, 1, 2))(np.zeros_like(qpos), qvel, qacc)
    assert all(np.isfinite(g).all() for g in zero)


# Tracing


def test_it_traces_under_jit_vmap_and_grad_without_callbacks():
    tree, *states = tree_and_states(read("ball_chain"))
    wrench = dynamics.Wrench.zeros(STATES, nbody=tree.topology.nbody)
    plain = dynamics.rnea(tree, *states)
    assert relative(jax.jit(dynamics.rnea)(tree, *states), plain) < 1e-14
    assert relative(jax.vmap(dynamics.rnea, (None, 0, 0, 0))(tree, *states), plain) < 1e-14
    stacked = jax.tree.map(lambda a: jnp.stack([a, 2 * a]), tree)
    assert jax.vmap(dynamics.rnea, (0, None, None, None))(stacked, *states).shape == (2, *plain.shape)
    jaxpr = str(
        jax.make_jaxpr(lambda *s: jax.grad(lambda q: dynamics.rnea(tree, q, *s[1:], wrench).sum())(s[0]))(
            *states
        )
    )
    assert "callback" not in jaxpr


def test_it_does_not_call_mujoco():
    source = Path(dynamics.rnea.__code__.co_filename).read_text()
    assert "mujoco" not in source.replace("MuJoCo", "")


def test_another_body_of_the_same_topology_is_not_traced_again():
    model = read("ball_chain")
    tree, *states = tree_and_states(model)
    traced = []

    @jax.jit
    def torques(tree, *states):
        traced.append(1)
        return dynamics.rnea(tree, *states)

    torques(tree, *states)
    model.body_mass[:] *= 2
    model.body_ipos[:] += 0.1
    other = dynamics.Tree.from_mjmodel(model)
    torques(other, *(a + 0.0 for a in states))
    torques(other.replace(gravity=np.zeros(3)), *map(jnp.asarray, states))
    assert len(traced) == 1


def test_values_at_hand_are_never_traced_and_compile_once_for_all_trees(monkeypatch):
    """The machine code serves every topology and number of frames; JAX's tracer sees none of it."""
    for name in ("ball_chain", "scalar_arm"):
        tree, *states = tree_and_states(read(name))
        dynamics.rnea(tree, *states)
    monkeypatch.setattr(native.library, "_compiled", lambda *given, **more: pytest.fail("compiled again"))
    module = sys.modules["dynamics.rnea"]
    monkeypatch.setattr(module, "_joint_motion", lambda *given: pytest.fail("traced"))
    for name in ("human_tree", "two_roots"):
        tree, *states = tree_and_states(read(name))
        dynamics.rnea(tree, *(a[:7] for a in states))


def test_a_computation_in_flight_does_not_keep_the_process_from_ending():
    """JAX computes while Python goes on, and Python may end first: the loops must not need its lock."""
    code = f"""
import jax, mujoco, dynamics
model = mujoco.MjModel.from_xml_path({str(TREES[1])!r})
tree, states = dynamics.Tree.from_mjmodel(model), dynamics.random_states(model, 20000, 0)
with jax.enable_x64(True):
    gradient = jax.jit(jax.grad(lambda t, *s: (dynamics.rnea(t, *s) ** 2).sum()))
    left_alone = [gradient(tree, *states) for _ in range(20)]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.parametrize("leading", [(), (1,), (4,), (2, 3), (0,), (2, 0, 1)])
def test_leading_axes(leading):
    tree, *states = tree_and_states(read("scalar_arm"))
    count = int(np.prod(leading))
    shaped = [a[:count].reshape(*leading, a.shape[-1]) for a in states]
    tau = dynamics.rnea(tree, *shaped)
    assert tau.shape == (*leading, tree.topology.nv)
    flat = dynamics.rnea(tree, *states)[:count]
    np.testing.assert_allclose(tau.reshape(flat.shape), flat, rtol=1e-13, atol=1e-13)


def test_a_model_without_joints_has_an_empty_tau():
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><body><geom size='.1'/></body></worldbody></mujoco>"
    )
    empty = np.zeros((3, 0))
    assert dynamics.rnea(dynamics.Tree.from_mjmodel(model), empty, empty, empty).shape == (3, 0)


# Types


def test_one_tree_serves_both_float_types():
    """JAX keeps constants by identity: indices must not change their type with x64."""
    tree, *states = tree_and_states(read("ball_chain"))
    # Forward mode runs the plain JAX equations, which have such indices.
    rate = jax.jit(lambda q, v, a: jax.jvp(lambda a: dynamics.rnea(tree, q, v, a), (a,), (a,))[1])
    with jax.enable_x64(False):
        assert rate(*(a[0].astype(np.float32) for a in states)).dtype == jnp.float32
    assert rate(*(a[0] for a in states)).dtype == jnp.float64


def test_float32_stays_float32_with_x64_on():
    tree, *states = tree_and_states(read("human_tree"))
    single = [a.astype(np.float32) for a in states]
    tau = dynamics.rnea(tree, *single)
    assert tau.dtype == jnp.float32
    # float32 through nine levels of 24 bodies
    assert relative(tau, dynamics.rnea(tree, *states)) < 1e-5
    jaxpr = str(jax.make_jaxpr(dynamics.rnea)(tree.astype(np.dtype(np.float32)), *single))
    assert "f64" not in jaxpr


def test_float64_input_with_x64_off_warns_once():
    tree, *states = tree_and_states(read("scalar_arm"))
    _warn_precision_lost.cache_clear()
    with jax.enable_x64(False):
        with pytest.warns(UserWarning, match="jax_enable_x64 is off"):
            assert dynamics.rnea(tree, *states).dtype == jnp.float32
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            dynamics.rnea(tree, *states)
            dynamics.rnea(tree, *(a.astype(np.float32) for a in states))


def test_integers_are_taken_as_floats():
    tree, *_ = tree_and_states(read("scalar_arm"))
    zeros = [0] * 5
    assert dynamics.rnea(tree, zeros, zeros, zeros).dtype == jnp.float64


# What it refuses


def test_quaternions_are_normalised_within_a_thousandth_and_refused_beyond():
    tree, qpos, qvel, qacc = tree_and_states(read("ball_chain"))
    longer = qpos * 1.0009
    assert relative(dynamics.rnea(tree, longer, qvel, qacc), dynamics.rnea(tree, qpos, qvel, qacc)) < 1e-13
    qpos[2, 4:8] *= 1.01
    with pytest.raises(
        dynamics.StateError, match=r"quaternion of joint 'b' has length 1.01 at frame 2; accepted: 1"
    ):
        dynamics.rnea(tree, qpos, qvel, qacc)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("qpos", 3, 1), np.nan, "qpos of joint 'shoulder' is not finite at frame 3;"),
        (("qvel", slice(0, 2), 4), np.inf, "qvel of joint 'spin' is not finite at frames 0, 1;"),
        (
            ("qacc", slice(None), 0),
            np.nan,
            r"qacc of joint 'rail' is not finite at frames 0, 1, 2, 3, 4, ... \(80 frames\);",
        ),
    ],
)
def test_nan_is_refused_with_frame_and_joint(place, value, message):
    tree, *arrays = tree_and_states(read("scalar_arm"))
    states = dict(zip(("qpos", "qvel", "qacc"), arrays))
    states[place[0]][place[1:]] = value
    with pytest.raises(dynamics.StateError, match=message):
        dynamics.rnea(tree, **states)
    with pytest.raises(dynamics.StateError, match=message):
        dynamics.rnea(tree, **{n: jnp.asarray(a) for n, a in states.items()})


def test_shapes_are_shown_on_both_sides():
    tree, qpos, qvel, qacc = tree_and_states(read("two_roots"))
    message = (
        r"qpos has shape \(80, 20\), qvel \(80, 18\), qacc \(80, 18\); "
        r"this model needs \(\.\.\., 21\), \(\.\.\., 18\)"
    )
    with pytest.raises(dynamics.StateError, match=message):
        dynamics.rnea(tree, qpos[:, 1:], qvel, qacc)
    for wrong in [(qpos[0], qvel, qacc), (qpos, qvel[:5], qacc), (np.float64(0), qvel, qacc)]:
        with pytest.raises(dynamics.StateError, match="same leading axes"):
            dynamics.rnea(tree, *wrong)
    with pytest.raises(dynamics.StateError, match=r"wrench\.force has shape \(7, 3\); .* need \(80, 7, 3\)"):
        dynamics.rnea(tree, qpos, qvel, qacc, dynamics.Wrench.zeros(nbody=7))
    wrench = dynamics.Wrench.zeros(STATES, nbody=7)
    wrench.force[1, 2] = np.nan
    with pytest.raises(
        dynamics.StateError, match=r"wrench\.force on body 'claw_left' is not finite at frame 1"
    ):
        dynamics.rnea(tree, qpos, qvel, qacc, wrench)


def test_mixed_types_and_things_that_are_no_numbers_are_refused():
    tree, qpos, qvel, qacc = tree_and_states(read("scalar_arm"))
    with pytest.raises(
        dynamics.StateError, match="mixed float types: qpos float32, qvel float64, qacc float64"
    ):
        dynamics.rnea(tree, qpos.astype(np.float32), qvel, qacc)
    with pytest.raises(dynamics.StateError, match="qvel holds complex128; accepted: real numbers"):
        dynamics.rnea(tree, qpos, qvel * 1j, qacc)
    with pytest.raises(dynamics.StateError, match="qpos is not an array"):
        dynamics.rnea(tree, [[1.0], [1.0, 2.0]], qvel, qacc)
