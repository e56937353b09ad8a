"""Shapes as arrays against compiled models of build_humanoid, finite differences, MuJoCo and MJX."""

import contextlib
import importlib.util
import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import dynamics
import smpl2mjcf
from smpl2mjcf import population
from smpl2mjcf.population import _population, shape_arrays
from smpl2mjcf.principal_axes import principal_axes
from smpl2mjcf.traced_body import grown, traced_body
from smpl2mjcf.traced_cells import Capacities
from smpl2mjcf.traced_roots import root_and_inverse

with contextlib.redirect_stdout(io.StringIO()):  # it speaks where the optional warp is absent
    from mujoco import mjx


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def thousand(default_body):
    """A thousand shapes within three deviations, and their arrays."""
    betas = np.random.default_rng(0).uniform(-3, 3, (1000, 10))
    with jax.enable_x64(True):
        return betas, shape_arrays(default_body, betas)


def body_tensors(model):
    axes = Rotation.from_quat(model.body_iquat, scalar_first=True).as_matrix()
    return (axes * model.body_inertia[:, None]) @ axes.swapaxes(1, 2)


def assert_is_the_model(arrays, model, rtol=1e-9):
    """Row by row, relative to each row's largest entry."""
    assert list(arrays.names) == [model.body(b).name for b in range(model.nbody)]
    assert list(arrays.parents) == model.body_parentid.tolist()
    for found, expected in (
        (arrays.offsets, model.body_pos),
        (arrays.masses, model.body_mass),
        (arrays.coms, model.body_ipos),
        (arrays.tensors, body_tensors(model)),
    ):
        assert found.shape == expected.shape
        for row, wanted in zip(np.asarray(found), expected):
            np.testing.assert_allclose(row, wanted, rtol=0, atol=rtol * np.abs(wanted).max())


# --- the numbers are the models' ---


def test_rows_are_the_compiled_models(default_body, thousand):
    """1e-9: the same exact cuts, summed in another order over 14 thousand triangles."""
    betas, arrays = thousand
    for i in range(0, 1000, 100):
        model = smpl2mjcf.build_humanoid(default_body, betas[i]).model
        assert_is_the_model(jax.tree.map(lambda array: array[i], arrays), model)  # noqa: B023


def test_a_thousand_shapes_have_no_invalid_tensor(thousand):
    _, arrays = thousand
    assert np.asarray(arrays.valid).all()
    moments = np.linalg.eigvalsh(np.asarray(arrays.tensors)[:, 1:])
    assert (moments[..., 0] > 0).all()
    assert (moments[..., 0] + moments[..., 1] > moments[..., 2]).all()


@pytest.mark.parametrize(
    "options",
    [
        {"inertia": "hybrid", "sex": "male", "mass": 80.0, "trunk": "whole"},
        pytest.param({"inertia": "mesh"}, marks=pytest.mark.slow),
        pytest.param({"trunk": "whole", "sex": "female"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_options_are_build_humanoid_s(default_body, options):
    betas = np.random.default_rng(1).uniform(-2, 2, 10)
    model = smpl2mjcf.build_humanoid(default_body, betas, **options).model
    arrays = shape_arrays(default_body, betas, **options)
    assert arrays.masses.shape == (25,)
    assert_is_the_model(arrays, model)


def family_bodies(folder, default_body, family):
    """The body of test_smplh_smplx.py with ten betas."""
    path = Path(__file__).with_name("test_smplh_smplx.py")
    specification = importlib.util.spec_from_file_location("family_files", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    file = folder / f"{family.upper()}_FEMALE.npz"
    np.savez(file, **module.family_arrays(default_body, family))
    body = smpl2mjcf.load_body(file)
    return replace(body, shapedirs=body.shapedirs[:, :, :10])


@pytest.mark.slow
@pytest.mark.parametrize("family", ["smplh", "smplx"])
def test_fingers_and_capped_faces_too(default_body, tmp_path, family):
    """SMPL-H and SMPL-X with 52 bodies: eyeballs dropped, the mouth capped, hands cut into 16 pieces.

    To 2e-8: moments about the model's origin, .8 m from a finger bone whose matter spreads 5 mm, lose four to
    five digits on either side.
    """
    body = family_bodies(tmp_path, default_body, family)
    betas = np.random.default_rng(3).uniform(-3, 3, (20, 10))
    arrays = shape_arrays(body, betas, hands="articulated")
    assert np.asarray(arrays.valid).all()
    assert len(arrays.names) == 53
    for i in (0, 7):
        model = smpl2mjcf.build_humanoid(body, betas[i], hands="articulated").model
        assert_is_the_model(jax.tree.map(lambda array: array[i], arrays), model, rtol=2e-8)  # noqa: B023


def test_leading_axes_and_masses(default_body, thousand):
    betas, arrays = thousand
    masses = np.array([[50.0, 60.0, 70.0], [80.0, 90.0, 100.0]])
    grid = shape_arrays(default_body, betas[:6].reshape(2, 3, 10), mass=masses)
    assert grid.tensors.shape == (2, 3, 25, 3, 3)
    assert grid.valid.shape == (2, 3)
    np.testing.assert_allclose(grid.masses.sum(axis=-1), masses, rtol=1e-12)
    np.testing.assert_allclose(grid.offsets.reshape(6, 25, 3), arrays.offsets[:6], atol=1e-14)
    empty = shape_arrays(default_body, np.zeros((0, 10)))
    assert empty.masses.shape == (0, 25)


@pytest.mark.slow
def test_without_x64_it_is_float32(default_body, thousand):
    """Inertia of a hand is a difference of moments about its joint: 1e-3 of its largest entry."""
    betas, arrays = thousand
    with jax.enable_x64(False):
        single = shape_arrays(default_body, betas[:64])
        assert single.tensors.dtype == np.float32
    scale = np.abs(arrays.tensors[:64]).max(axis=(-1, -2), keepdims=True)
    difference = np.abs(np.asarray(single.tensors, float) - arrays.tensors[:64])[:, 1:]
    assert (difference / scale[:, 1:]).max() < 1e-3
    np.testing.assert_allclose(single.masses, arrays.masses[:64], rtol=1e-5)


# --- derivatives ---


def scalar(arrays):
    """Every number of the shapes in one, each of a body's with a weight of its own."""
    rng = np.random.default_rng(0)
    parts = [
        (arrays.offsets, 2, 0.2),
        (arrays.masses, 1, 5.0),
        (arrays.coms, 2, 0.1),
        (arrays.tensors, 3, 0.05),
    ]
    return sum((rng.normal(size=array.shape[-axes:]) * array / size).sum() for array, axes, size in parts)


@pytest.fixture(scope="module")
def values(default_body):
    """A function of betas and mass together: all the numbers in one, and a torque; with its derivatives."""
    model = smpl2mjcf.build_humanoid(default_body).model
    tree = dynamics.Tree.from_mjmodel(model)
    states = dynamics.random_states(model, 1, seed=0)
    knee = int(model.jnt_dofadr[model.joint("left_knee").id])

    def function(at):
        arrays = shape_arrays(default_body, at[:10], at[10])
        shaped = tree.replace(
            offsets=arrays.offsets, masses=arrays.masses, coms=arrays.coms, tensors=arrays.tensors
        )
        tau = dynamics.rnea(shaped, states.qpos[0], states.qvel[0], states.qacc[0])
        return jnp.stack([scalar(arrays), tau[knee]])

    def with_derivatives(at):
        found, pull = jax.vjp(function, at)
        return found, jax.vmap(lambda one: pull(one)[0])(np.eye(2))

    return jax.jit(function), jax.jit(with_derivatives)


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_derivatives_are_finite_differences(values, seed):
    """1e-6 of the largest: of every number, and of a torque through Tree.replace and rnea.

    At the symmetric mean shape, whose midline lies on the planes of both sides, and elsewhere.
    """
    function, with_derivatives = values
    betas = np.zeros(10) if seed is None else np.random.default_rng(seed).uniform(-2, 2, 10)
    at, step = np.append(betas, 70.0), 1e-5
    _, found = with_derivatives(at)
    expected = [(function(at + step * u) - function(at - step * u)) / (2 * step) for u in np.eye(11)]
    for one, other in zip(found, np.transpose(expected)):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6 * np.abs(other).max())


@pytest.mark.slow
def test_gradients_of_a_population_are_those_of_its_shapes(default_body, values):
    betas = np.random.default_rng(5).uniform(-2, 2, (3, 10))
    found = jax.jit(jax.grad(lambda b: scalar(shape_arrays(default_body, b, 70.0))))(betas)
    for row, shape in zip(found, betas):
        _, derivatives = values[1](np.append(shape, 70.0))
        np.testing.assert_allclose(row, derivatives[0, :10], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("moments", [(1.0, 2.0, 3.0), (1.0, 1.0, 3.0), (1.0, 1.0, 1.0)])
def test_matrix_roots_differentiate_where_eigenvalues_meet(moments):
    axes = Rotation.random(rng=0).as_matrix()
    matrix = (axes * moments) @ axes.T
    root, inverse = root_and_inverse(matrix)
    np.testing.assert_allclose(root @ root, matrix, atol=1e-14)
    np.testing.assert_allclose(root @ inverse, np.eye(3), atol=1e-14)
    change = np.random.default_rng(1).normal(size=(3, 3))
    change = change + change.T
    for part in (0, 1):
        _, slope = jax.jvp(lambda m: root_and_inverse(m)[part], (matrix,), (change,))  # noqa: B023
        step = 1e-6
        ahead, back = (root_and_inverse(matrix + s * change)[part] for s in (step, -step))
        np.testing.assert_allclose(slope, (ahead - back) / (2 * step), atol=1e-8)


# --- MuJoCo's models ---


def test_populations_of_rnea_are_each_model_s(default_body, thousand):
    """jax.vmap over shapes, against MuJoCo's own inverse dynamics of each compiled model."""
    betas, arrays = thousand
    model = smpl2mjcf.build_humanoid(default_body).model
    tree = dynamics.Tree.from_mjmodel(model)
    states = dynamics.random_states(model, 5, seed=1)

    @jax.jit
    @jax.vmap
    def torques(a):
        shaped = tree.replace(offsets=a.offsets, masses=a.masses, coms=a.coms, tensors=a.tensors)
        return dynamics.rnea(shaped, states.qpos, states.qvel, states.qacc)

    tau = torques(jax.tree.map(lambda array: array[:4], arrays))
    assert tau.shape == (4, 5, 75)
    for i in range(4):
        shaped = smpl2mjcf.build_humanoid(default_body, betas[i]).model
        expected = dynamics.mujoco_inverse(shaped, states.qpos, states.qvel, states.qacc)
        np.testing.assert_allclose(tau[i], expected, atol=1e-9 * np.abs(expected).max())


def test_principal_axes_are_mujoco_s(default_body, thousand):
    betas, arrays = thousand
    moments, quaternions = principal_axes(arrays.tensors[:20])
    axes = Rotation.from_quat(np.asarray(quaternions), scalar_first=True).as_matrix()
    tensors = (axes * np.asarray(moments)[..., None, :]) @ axes.swapaxes(-1, -2)
    np.testing.assert_allclose(tensors, arrays.tensors[:20], atol=1e-15)
    model = smpl2mjcf.build_humanoid(default_body, betas[0]).model
    np.testing.assert_allclose(moments[0], model.body_inertia, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("moments", [(3.0, 2.0, 1.0), (2.0, 2.0, 1.0), (1.0, 1.0, 1.0)])
def test_tensors_differentiate_through_principal_axes(moments):
    """Two moments that stay equal as in every male thigh, where the axes themselves have no derivative."""

    def tensor(t):
        angle = jnp.array([0.3, -0.5, 0.8]) * (1 + t)
        skew = jnp.cross(np.eye(3), angle)
        R = jax.scipy.linalg.expm(skew)
        return R @ jnp.diag(jnp.array(moments) * (1 + 2 * t)) @ R.T

    def through(t):
        values, q = principal_axes(tensor(t))
        w, v = q[0], q[1:]
        axes = np.eye(3) + 2 * jnp.cross(v, jnp.cross(v, np.eye(3)) + w * np.eye(3))
        return axes.T @ jnp.diag(values) @ axes  # the rows of `axes` are the principal axes

    found, expected = (jax.jvp(function, (0.2,), (1.0,)) for function in (through, tensor))
    np.testing.assert_allclose(found[0], expected[0], atol=1e-14)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-9)


def test_mujoco_s_batch_takes_the_fields(default_body, thousand):
    """Falling for ten steps, each simulation with its own shape, against the compiled models."""
    batch = pytest.importorskip("mujoco.batch", reason="MuJoCo 4's")
    betas, arrays = thousand
    model = smpl2mjcf.build_humanoid(default_body).model
    fields = jax.tree.map(lambda array: array[:3], arrays).model_fields()
    simulations = batch.Batch(model, 3, 1)
    for name, field in fields.items():
        simulations.expand(name)[:] = field
    simulations.set_const()
    qpos, qvel = simulations.bind("qpos"), simulations.bind("qvel")
    start = np.random.default_rng(4).normal(size=model.nv)
    qpos[:, 2], qvel[:] = 3.0, start
    simulations.step(nstep=10)
    for i in range(3):
        shaped = smpl2mjcf.build_humanoid(default_body, betas[i]).model
        np.testing.assert_allclose(
            simulations.get_model(i).body_subtreemass, shaped.body_subtreemass, rtol=1e-9
        )
        data = mujoco.MjData(shaped)
        data.qpos[2], data.qvel[:] = 3.0, start
        for _ in range(10):
            mujoco.mj_step(shaped, data)
        np.testing.assert_allclose(qvel[i], data.qvel, atol=1e-8)


def test_mjx_takes_other_shapes_without_another_compilation(default_body, thousand):
    betas, arrays = thousand
    model = smpl2mjcf.build_humanoid(default_body).model
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONTACT | mujoco.mjtDisableBit.mjDSBL_CONSTRAINT
    device_model, data = mjx.put_model(model), mjx.make_data(model)
    traces = []

    @jax.jit
    def accelerations(fields, qpos, qvel):
        traces.append(1)
        state = data.replace(qpos=qpos, qvel=qvel)
        return mjx.forward(device_model.replace(**fields), state).qacc

    qpos = model.key("stand").qpos if model.nkey else model.qpos0
    qvel = np.random.default_rng(6).normal(size=model.nv)
    for i in range(3):
        fields = jax.tree.map(lambda array: array[i], arrays).model_fields()  # noqa: B023
        found = accelerations(fields, qpos, qvel)
        shaped = smpl2mjcf.build_humanoid(default_body, betas[i]).model
        shaped.opt.disableflags = model.opt.disableflags
        expected = mujoco.MjData(shaped)
        expected.qpos[:], expected.qvel[:] = qpos, qvel
        mujoco.mj_forward(shaped, expected)
        np.testing.assert_allclose(found, expected.qacc, atol=1e-8 * np.abs(expected.qacc).max())
    assert len(traces) == 1


# --- compilations ---


def test_other_betas_numbers_and_bodies_do_not_compile_again(default_body, thousand):
    """Slices of one size serve any number of shapes; a body of the same topology has other numbers only."""
    betas, _ = thousand
    with count_compilations() as count:
        shape_arrays(default_body, betas[:500])
        shape_arrays(default_body, betas[7:100])
        assert count() == 0
        shape_arrays(replace(default_body, v_template=1.01 * default_body.v_template), betas[:500])
        assert count() == 0


@contextlib.contextmanager
def count_compilations():
    """How often the shapes' function was compiled since."""
    before = _population._cache_size()
    yield lambda: _population._cache_size() - before


def test_importing_the_package_loads_no_jax():
    code = "import sys, smpl2mjcf; smpl2mjcf.default_body(); assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- what is refused ---


@pytest.mark.parametrize("shape", [(9,), (5, 11), ()])
def test_betas_of_a_wrong_shape_are_refused(default_body, shape):
    with pytest.raises(smpl2mjcf.BodyError) as problem:
        shape_arrays(default_body, np.zeros(shape))
    assert str(problem.value) == f"betas have shape {shape}; this smpl2mjcf body takes (..., 10)"


def test_betas_that_are_no_finite_numbers_are_refused(default_body):
    with pytest.raises(smpl2mjcf.BodyError, match="betas must be finite, received .*nan"):
        shape_arrays(default_body, [[0.0] * 10, [np.nan] * 10])
    with pytest.raises(smpl2mjcf.BodyError, match="betas must be numbers, received"):
        shape_arrays(default_body, ["tall"])


def test_complex_betas_are_refused(default_body):
    with pytest.raises(smpl2mjcf.BodyError, match="betas must be real numbers"):
        shape_arrays(default_body, np.zeros(10) + 1j)


@pytest.mark.parametrize("mass", [0.0, -70.0, np.nan, [70.0, -1.0], [70.0, np.inf], "70", True])
def test_a_mass_that_is_none_is_refused(default_body, mass):
    with pytest.raises(smpl2mjcf.HumanoidError, match="mass must be a positive number of kg"):
        shape_arrays(default_body, np.zeros((2, 10)), mass=mass)


def test_a_mass_of_no_person_or_no_shape_is_refused(default_body):
    with pytest.raises(smpl2mjcf.HumanoidError, match="accepted: 0.5-500"):
        shape_arrays(default_body, np.zeros(10), mass=70000.0)
    with pytest.raises(smpl2mjcf.HumanoidError, match=r"mass has shape \(3,\); .* take \(\) or \(2,\)"):
        shape_arrays(default_body, np.zeros((2, 10)), mass=np.full(3, 70.0))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"sex": "other"}, "unknown sex 'other'; accepted"),
        ({"hands": "gloves"}, "unknown hands 'gloves'; accepted"),
        ({"hands": "articulated"}, "need a body with fingers"),
        ({"inertia": "lead"}, "unknown inertia 'lead'; accepted"),
        ({"trunk": "half"}, "unknown trunk 'half'; accepted"),
        ({"inertia": ["deleva"]}, r"unknown inertia \['deleva'\]; accepted"),
        ({"mass": [[70.0], [60.0, 50.0]]}, "mass must be numbers of kg, received"),
    ],
    ids=str,
)
def test_unknown_options_are_refused(default_body, option, message):
    with pytest.raises(smpl2mjcf.HumanoidError, match=message):
        shape_arrays(default_body, np.zeros(10), **option)


def test_a_shape_that_folds_is_not_valid_and_not_a_number(default_body, thousand):
    """Nor does it spoil its neighbours; of a stature or mass that no person has likewise."""
    betas, arrays = thousand
    several = np.concatenate([betas[:60], np.full((1, 10), -40.0), 60 * np.eye(10)[:2]])
    found = shape_arrays(default_body, several)
    assert np.asarray(found.valid).tolist() == 60 * [True] + 3 * [False]
    assert np.isnan(found.masses[60:, 1:]).all()
    np.testing.assert_allclose(found.tensors[:60], arrays.tensors[:60], rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_arrays_that_are_outgrown_grow(default_body, monkeypatch):
    """Too small ones: outside jit they grow until the numbers are right, inside the shape is not valid."""
    small = traced_body(default_body, "merged")
    small = replace(small, capacities=replace(small.capacities, first=512))
    monkeypatch.setattr(population, "traced_body", lambda body, hands: small)
    inside = jax.jit(lambda betas: shape_arrays(default_body, betas))(np.zeros(10))
    assert not inside.valid
    assert np.isnan(inside.masses[1:]).all()
    model = smpl2mjcf.build_humanoid(default_body).model
    assert_is_the_model(shape_arrays(default_body, np.zeros(10)), model)
    assert small.capacities.first == 512  # what one shape needed is not remembered


def test_room_grows_with_need():
    room = Capacities(512, 256, 4)
    assert grown(room, np.zeros((0, 5), int)) == room
    assert grown(room, np.array([[500, 200, 10, 0, 0]])) == room
    assert grown(room, np.array([[500, 300, 10, 0, 0]])) == Capacities(512, 512, 4)
    assert grown(room, np.array([[900, 200, 10, 9, 7]])) == Capacities(1280, 256, 6)


def test_constant_betas_inside_jit(default_body, thousand):
    """A population that is no argument of the traced function is traced all the same."""
    betas, arrays = thousand
    some = jnp.asarray(betas[:64])
    total = jax.jit(lambda factor: factor * shape_arrays(default_body, some).masses.sum())(2.0)
    np.testing.assert_allclose(total, 2 * np.asarray(arrays.masses)[:64].sum(), rtol=1e-12)
