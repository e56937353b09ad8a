"""Dense derivatives of inverse dynamics, judged by Pinocchio, by finite differences of MuJoCo and by JAX."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dynamics
import smpl2mjcf
from dynamics import native
from dynamics.derivatives import integrated
from dynamics.native import execution

TREES = sorted((Path(__file__).parent / "data" / "trees").glob("*.xml"))
HUMANOID = "our humanoid"
FRAMES = 11  # more than the lanes of float64, and not a multiple


def judges():
    """test_engines.py, which translates MuJoCo's coordinates for Pinocchio and builds random forests."""
    spec = importlib.util.spec_from_file_location("engines", Path(__file__).with_name("test_engines.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


engines = judges()


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module", params=[*TREES, HUMANOID], ids=lambda tree: getattr(tree, "stem", tree))
def xml(request):
    if request.param == HUMANOID:
        return smpl2mjcf.build_humanoid(request.getfixturevalue("default_body")).xml
    return request.param.read_text()


@pytest.fixture(scope="module")
def model(xml):
    return mujoco.MjModel.from_xml_string(xml)


def read(name):
    return mujoco.MjModel.from_xml_path(str(next(path for path in TREES if path.stem == name)))


def random_wrench(model, frames=FRAMES):
    return dynamics.Wrench(*np.random.default_rng(12).normal(size=(2, frames, model.nbody, 3)))


def parts(derivatives):
    return {name: np.asarray(getattr(derivatives, name)) for name in ("qpos", "qvel", "qacc")}


def assert_parts(given, expected, tolerance):
    """To `tolerance` of the largest entry of each matrix of a frame."""
    for name, matrices in parts(given).items():
        judge = np.asarray(expected[name])
        assert matrices.shape == judge.shape
        scale = np.abs(judge).max(axis=(-2, -1), keepdims=True)
        assert (np.abs(matrices - judge) / scale).max() < tolerance, name


# Pinocchio


def skew(v):
    return np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])


def pinocchio_derivatives(pin, pin_model, mj, qpos, qvel, qacc):
    """pin.computeRNEADerivatives of one MuJoCo state, by the chain rule in MuJoCo's axes.

    MuJoCo's tau is P tau_pin(q, V, A) with P = diag(R, 1) at a free joint, whose linear velocity and
    acceleration in body axes are V = R^T v and A = R^T a - omega x V.
    """
    qpos, qvel, qacc = qpos.copy(), qvel.copy(), qacc.copy()
    n = mj.nv
    P, to_body = np.eye(n), np.eye(n)  # tau_mj = P tau_pin; changes of q, v and a: body = to_body @ MuJoCo's
    V_by_q, A_by_q, A_by_v = np.zeros((3, n, n))
    frees = []
    for j in range(mj.njnt):
        q, v = mj.jnt_qposadr[j], mj.jnt_dofadr[j]
        kind = mujoco.mjtJoint(mj.jnt_type[j]).name
        if kind in ("mjJNT_HINGE", "mjJNT_SLIDE"):
            qpos[q] -= mj.qpos0[q]
            continue
        q += 3 if kind == "mjJNT_FREE" else 0
        qpos[q : q + 4] = np.roll(qpos[q : q + 4], -1)
        if kind != "mjJNT_FREE":
            continue
        R, omega = pin.Quaternion(qpos[q : q + 4]).matrix(), qvel[v + 3 : v + 6]
        linear, angular = slice(v, v + 3), slice(v + 3, v + 6)
        V, turned = R.T @ qvel[linear], R.T @ qacc[linear]
        qvel[linear], qacc[linear] = V, turned - np.cross(omega, V)
        P[linear, linear], to_body[linear, linear] = R, R.T
        # R becomes R (1 + [e]), so R^T v changes by V x e.
        V_by_q[linear, angular] = skew(V)
        A_by_q[linear, angular] = skew(turned) - skew(omega) @ skew(V)
        A_by_v[linear, linear] = -skew(omega) @ R.T
        A_by_v[linear, angular] = skew(V)
        frees.append((linear, angular, R))
    data = pin_model.createData()
    tau = pin.rnea(pin_model, data, qpos, qvel, qacc).copy()
    by_q, by_v, by_a = (np.array(m) for m in pin.computeRNEADerivatives(pin_model, data, qpos, qvel, qacc))
    by_a = np.triu(by_a) + np.triu(by_a, 1).T  # Pinocchio promises the upper triangle only
    in_q = P @ (by_q @ to_body + by_v @ V_by_q + by_a @ A_by_q)
    for linear, angular, R in frees:
        in_q[linear, angular] -= R @ skew(tau[linear])
    in_v = P @ (by_v @ to_body + by_a @ A_by_v)
    return {"qpos": in_q, "qvel": in_v, "qacc": P @ by_a @ to_body}


def test_derivatives_are_pinocchios(model, oracle):
    judge = engines.PinocchioJudge(oracle("pinocchio"), model)
    states = dynamics.random_states(model, FRAMES, seed=13)
    expected = [pinocchio_derivatives(judge.pin, judge.model, model, *state) for state in zip(*states)]
    expected = {name: np.array([frame[name] for frame in expected]) for name in expected[0]}
    given = dynamics.rnea_derivatives(dynamics.Tree.from_mjmodel(model), *states)
    # Rounding through the levels of the tree, as for tau.
    assert_parts(given, expected, 1e-12)


# MuJoCo


def finite_differences(tau, model, state, step):
    """Fourth-order central differences of tau(qpos, qvel, qacc), q along MuJoCo's own integration."""
    qpos, qvel, qacc = state
    made = {name: np.empty((model.nv, model.nv)) for name in ("qpos", "qvel", "qacc")}

    def moved(direction, t):
        q = qpos.copy()
        mujoco.mj_integratePos(model, q, direction, t)
        return q

    for j, e in enumerate(np.eye(model.nv)):
        for name, at in (
            ("qpos", lambda t, e=e: tau(moved(e, t), qvel, qacc)),
            ("qvel", lambda t, e=e: tau(qpos, qvel + t * e, qacc)),
            ("qacc", lambda t, e=e: tau(qpos, qvel, qacc + t * e)),
        ):
            near, far = (at(k * step) - at(-k * step) for k in (1, 2))
            made[name][:, j] = (8 * near - far) / (12 * step)
    return made


def mujocos_tau(model, wrench=None):
    """tau of one state and frame by mj_inverse, less what the wrench does through mj_jacBodyCom."""
    for flag in ("CONSTRAINT", "SPRING", "DAMPER"):
        model.opt.disableflags |= int(getattr(mujoco.mjtDisableBit, f"mjDSBL_{flag}"))
    model.opt.density = model.opt.viscosity = 0
    model.body_gravcomp[:] = 0
    data = mujoco.MjData(model)
    linear, angular = np.zeros((2, 3, model.nv))

    def tau(qpos, qvel, qacc):
        data.qpos, data.qvel, data.qacc = qpos, qvel, qacc
        mujoco.mj_inverse(model, data)
        made = data.qfrc_inverse.copy()
        for body in range(1, model.nbody) if wrench else ():
            mujoco.mj_jacBodyCom(model, data, linear, angular, body)
            made -= linear.T @ wrench.force[body] + angular.T @ wrench.torque[body]
        return made

    return tau


# Truncation step^4 and rounding 1e-15 / step, of entries that differ by three orders of magnitude.
STEP, DIFFERENCES = 1e-3, 1e-9


@pytest.mark.parametrize("outer", [None, random_wrench], ids=["", "wrench"])
def test_derivatives_are_finite_differences_of_mujocos_inverse(xml, outer):
    model = mujoco.MjModel.from_xml_string(xml)
    states = dynamics.random_states(model, 2, seed=14)
    wrench = outer and outer(model, 2)
    given = dynamics.rnea_derivatives(dynamics.Tree.from_mjmodel(model), *states, wrench)
    expected = []
    for i, state in enumerate(zip(*states)):
        frame = wrench and dynamics.Wrench(wrench.force[i], wrench.torque[i])
        expected.append(finite_differences(mujocos_tau(model, frame), model, state, STEP))
    expected = {name: np.array([frame[name] for frame in expected]) for name in expected[0]}
    assert_parts(given, expected, DIFFERENCES)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10_000))
def test_derivatives_of_random_forests(seed):
    """Every kind and combination of joints; the adjoint agrees with the matrices, too."""
    model = engines.random_forest(seed)
    if model.nv == 0:
        return
    tree, states = dynamics.Tree.from_mjmodel(model), dynamics.random_states(model, 2, seed)
    wrench = random_wrench(model, 2)
    with jax.enable_x64(True):
        dense = parts(dynamics.rnea_derivatives(tree, *states, wrench))
    for i, state in enumerate(zip(*states)):
        tau = mujocos_tau(model, dynamics.Wrench(wrench.force[i], wrench.torque[i]))
        for name, judge in finite_differences(tau, model, state, STEP).items():
            assert np.abs(dense[name][i] - judge).max() <= 1e-8 * np.abs(judge).max()
    arrays = [a[None] for a in (*states, wrench.force, wrench.torque)]
    bar = np.random.default_rng(seed).normal(size=(1, 2, model.nv))
    bars, parameters = [np.empty_like(a) for a in arrays], native.parameters_of(tree, np.dtype(float))[None]
    execution.adjoint(native.node_table(tree.topology), parameters, arrays, bar, bars, None)
    for name, made in zip(("qvel", "qacc"), bars[1:3]):
        expected = np.einsum("fi,fij->fj", bar[0], dense[name])
        np.testing.assert_allclose(made[0], expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    # The adjoint's derivative in qpos, carried to the dofs' directions.
    steps = 1e-6 * np.eye(model.nv)
    for i in range(2):
        moves = [[integrated(tree.topology, states.qpos[i], s * e) for s in (1, -1)] for e in steps]
        along = np.array([(ahead - behind) / 2e-6 for ahead, behind in moves])
        expected = bar[0, i] @ dense["qpos"][i]
        np.testing.assert_allclose(
            along @ bars[0][0, i], expected, rtol=0, atol=1e-8 * np.abs(expected).max()
        )


def test_a_change_of_position_is_mujocos(model):
    topology = dynamics.Tree.from_mjmodel(model).topology
    states = dynamics.random_states(model, FRAMES, seed=15)
    for qpos, change in zip(states.qpos, states.qvel):
        expected = qpos.copy()
        mujoco.mj_integratePos(model, expected, change, 1.0)
        np.testing.assert_allclose(integrated(topology, qpos, change), expected, rtol=0, atol=1e-14)


def test_the_mass_matrix_is_symmetric_positive_definite_and_mujocos(model):
    states = dynamics.random_states(model, FRAMES, seed=16)
    masses = parts(dynamics.rnea_derivatives(dynamics.Tree.from_mjmodel(model), *states))["qacc"]
    data, expected = mujoco.MjData(model), np.empty((model.nv, model.nv))
    for qpos, M in zip(states.qpos, masses):
        data.qpos = qpos
        mujoco.mj_forward(model, data)
        mujoco.mj_fullM(model, data, expected)
        assert np.abs(M - expected).max() < 1e-12 * np.abs(expected).max()
        assert np.abs(M - M.T).max() < 1e-13 * np.abs(M).max()
        assert np.linalg.eigvalsh(M).min() > 0


def test_nothing_depends_on_what_lies_in_another_tree():
    """Entries between different trees of a forest, and for M between branches, are exactly zero."""
    model = read("two_roots")
    states = dynamics.random_states(model, FRAMES, seed=17)
    given = parts(dynamics.rnea_derivatives(dynamics.Tree.from_mjmodel(model), *states, random_wrench(model)))
    root = model.body_rootid[model.dof_bodyid]
    for matrices in given.values():
        assert (matrices[:, root[:, None] != root] == 0).all()
    left, right = (np.flatnonzero(model.dof_bodyid == model.body(f"claw_{s}").id) for s in ("left", "right"))
    assert (given["qacc"][:, left[:, None], right] == 0).all()


# JAX


def test_tracers_are_differentiated_by_jax_to_the_same_numbers():
    model = read("two_roots")
    tree, states = dynamics.Tree.from_mjmodel(model), dynamics.random_states(model, FRAMES, seed=18)
    wrench = random_wrench(model)
    at_hand = parts(dynamics.rnea_derivatives(tree, *states, wrench))
    traced = jax.jit(dynamics.rnea_derivatives)(tree, *states, wrench)
    assert_parts(traced, at_hand, 1e-12)
    assert all(isinstance(array, jax.Array) for array in jax.tree.leaves(traced))
    mapped = jax.vmap(dynamics.rnea_derivatives, (None, 0, 0, 0))(tree, *states)
    assert_parts(mapped, parts(dynamics.rnea_derivatives(tree, *states)), 1e-12)


@pytest.mark.slow
def test_tracers_are_differentiated_by_jax_to_the_same_numbers_on_every_tree(model):
    tree, states = dynamics.Tree.from_mjmodel(model), dynamics.random_states(model, FRAMES, seed=18)
    wrench = random_wrench(model)
    traced = jax.jit(dynamics.rnea_derivatives)(tree, *states, wrench)
    assert_parts(traced, parts(dynamics.rnea_derivatives(tree, *states, wrench)), 1e-12)


ARM = """<mujoco><worldbody>
<body><joint axis="0.6 0 0.8"/><inertial pos="0 0.1 -1" mass="1" diaginertia="1 1 1"/>
<body pos="0 0.2 -1"><joint axis="0 1 0"/><inertial pos="0.3 0 0" mass="2" diaginertia="1 2 2"/></body></body>
</worldbody></mujoco>"""


def test_derivatives_of_derivatives_are_finite_differences_of_them():
    """How the mass matrix changes with the pose, as a learner of trajectories would ask."""
    model = mujoco.MjModel.from_xml_string(ARM)
    tree, states = dynamics.Tree.from_mjmodel(model), dynamics.random_states(model, 3, seed=19)

    def masses(qpos):
        return dynamics.rnea_derivatives(tree, qpos, states.qvel, states.qacc).qacc

    rate = np.random.default_rng(20).normal(size=states.qpos.shape)
    (change,) = (jax.jit(lambda q, r: jax.jvp(masses, (q,), (r,)))(states.qpos, rate)[1],)
    expected = (np.asarray(masses(states.qpos + 1e-6 * rate)) - masses(states.qpos - 1e-6 * rate)) / 2e-6
    np.testing.assert_allclose(change, expected, rtol=0, atol=1e-8 * np.abs(expected).max())


# Types, shapes and what is refused


@pytest.mark.parametrize("outer", [None, random_wrench], ids=["", "wrench"])
def test_float32_stays_float32(model, outer):
    tree, states = dynamics.Tree.from_mjmodel(model), dynamics.random_states(model, FRAMES, seed=21)
    wrench = outer and outer(model)
    exact = parts(dynamics.rnea_derivatives(tree, *states, wrench))
    single = jax.tree.map(lambda a: a.astype(np.float32), (tuple(states), wrench))
    given = dynamics.rnea_derivatives(tree, *single[0], single[1])
    assert {a.dtype for a in jax.tree.leaves(given)} == {np.dtype(np.float32)}
    # float32 through up to nine levels
    assert_parts(given, exact, 1e-4)


def test_float64_with_x64_off_is_computed_in_float32():
    tree, states = (
        dynamics.Tree.from_mjmodel(read("scalar_arm")),
        dynamics.random_states(read("scalar_arm"), 3, 0),
    )
    with jax.enable_x64(False):
        single = [a.astype(np.float32) for a in states]
        assert dynamics.rnea_derivatives(tree, *single).qpos.dtype == np.float32


@pytest.mark.parametrize("leading", [(), (1,), (2, 3), (0,), (2, 0, 1)])
def test_leading_axes(leading):
    model = read("ball_chain")
    tree, states = dynamics.Tree.from_mjmodel(model), dynamics.random_states(model, FRAMES, seed=22)
    wrench, count = random_wrench(model), int(np.prod(leading))
    flat = parts(dynamics.rnea_derivatives(tree, *states, wrench))

    def shaped(array):
        return array[:count].reshape(*leading, *array.shape[1:])

    outer = dynamics.Wrench(shaped(wrench.force), shaped(wrench.torque))
    given = dynamics.rnea_derivatives(tree, *map(shaped, states), outer)
    for name, matrices in parts(given).items():
        np.testing.assert_array_equal(matrices, shaped(flat[name]))


def test_a_model_without_joints_has_empty_derivatives():
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><body><geom size='.1'/></body></worldbody></mujoco>"
    )
    empty = np.zeros((3, 0))
    given = dynamics.rnea_derivatives(dynamics.Tree.from_mjmodel(model), empty, empty, empty)
    assert {a.shape for a in jax.tree.leaves(given)} == {(3, 0, 0)}


def test_what_rnea_refuses_is_refused():
    model = read("ball_chain")
    tree, states = dynamics.Tree.from_mjmodel(model), dynamics.random_states(model, FRAMES, seed=23)
    with pytest.raises(dynamics.StateError, match=r"qpos has shape \(11, 15\), qvel \(11, 12\)"):
        dynamics.rnea_derivatives(tree, states.qpos[:, 1:], *states[1:])
    with pytest.raises(dynamics.StateError, match="mixed float types"):
        dynamics.rnea_derivatives(tree, states.qpos.astype(np.float32), *states[1:])
    with pytest.raises(dynamics.StateError, match=r"wrench\.torque has shape"):
        dynamics.rnea_derivatives(
            tree, *states, dynamics.Wrench(random_wrench(model).force, np.zeros((11, 3)))
        )
    for array, name in zip(states, ("qpos", "qvel", "qacc")):
        kept, array[10, 5] = array[10, 5], np.nan
        with pytest.raises(dynamics.StateError, match=f"{name} of joint 'b' is not finite at frame 10"):
            dynamics.rnea_derivatives(tree, *states)
        with pytest.raises(dynamics.StateError, match=f"{name} of joint 'b' is not finite at frame 10"):
            dynamics.rnea_derivatives(tree, *map(jnp.asarray, states))
        array[10, 5] = kept


def test_a_pytree_comes_back():
    model = read("ball_chain")
    tree, states = dynamics.Tree.from_mjmodel(model), dynamics.random_states(model, 2, seed=24)
    given = dynamics.rnea_derivatives(tree, *states)
    doubled = jax.tree.map(lambda a: 2 * a, given)
    assert isinstance(doubled, dynamics.RneaDerivatives)
    np.testing.assert_array_equal(doubled.qvel, 2 * given.qvel)
    assert {a.shape for a in jax.tree.leaves(given)} == {(2, 12, 12)}
