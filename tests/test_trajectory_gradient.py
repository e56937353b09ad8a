"""The trajectory of traced arrays: the reference's numbers, derivatives, memory.

The judge is the same call on NumPy arrays, where SciPy filters and differentiates, and its finite
differences.
"""

import functools

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

import dynamics
from dynamics import so3, traced_trajectory
from dynamics.recursion import Recursion

# Joints in an order in which numbers and quaternions alternate.
MIXED = """<mujoco><worldbody>
  <body><joint type="ball"/><geom size=".1"/>
    <body pos="0 0 1"><joint type="hinge" axis="0 1 0"/><geom size=".1"/></body></body>
  <body><freejoint/><geom size=".1"/>
    <body pos="1 0 0"><joint type="slide"/><joint type="ball" pos=".1 0 0"/><geom size=".1"/></body></body>
</worldbody></mujoco>"""
LONG = 4500  # frames; three windows


@pytest.fixture(scope="module")
def model():
    return mujoco.MjModel.from_xml_string(MIXED)


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def motion(model, frames, fps, noise=0.01, seed=0):
    """A swinging motion with noise and quaternions of random sign (T, nq)."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames)[:, None] / fps
    qpos = np.sin(t * rng.uniform(1, 6, model.nq) + rng.uniform(0, 6, model.nq))
    qpos += noise * rng.normal(size=qpos.shape)
    for at in quaternions(model):
        swing = np.sin(t * rng.uniform(1, 5, 3)) @ rng.normal(size=(3, 3))
        qpos[:, at : at + 4] = so3.exp(swing + noise * rng.normal(size=swing.shape))
        qpos[1:, at : at + 4] *= rng.choice([-1, 1], size=(frames - 1, 1))
    return qpos


def quaternions(model):
    starts = {int(mujoco.mjtJoint.mjJNT_BALL): 0, int(mujoco.mjtJoint.mjJNT_FREE): 3}
    for kind, at in zip(model.jnt_type.tolist(), model.jnt_qposadr.tolist()):
        if kind in starts:
            yield at + starts[kind]


def assert_same(traced, reference, fps, rounding):
    """Each derivative within `rounding` of what enters it: the samples' size times fps a derivative."""
    size = np.abs(reference.qpos).max()
    for power, name in enumerate(("qpos", "qvel", "qacc")):
        error = np.abs(np.asarray(getattr(traced, name)) - getattr(reference, name)).max()
        assert error <= rounding * size * fps**power, (name, error / (size * fps**power))
    np.testing.assert_array_equal(traced.valid, reference.valid)
    np.testing.assert_allclose(traced.time, reference.time, rtol=1e-7)


@pytest.mark.parametrize(
    ("frames", "fps", "cutoff"),
    [
        (12, 30.0, 6.0),  # the shortest
        (11, 60.0, None),
        (95, 30.0, None),
        (96, 30.0, None),
        (150, 120.0, 6.0),  # shorter than the filter's memory
        (700, 120.0, 0.5),
        (LONG, 120.0, 6.0),
        (LONG, 30.0, None),
        (8192, 30.0, 14.0),
        (4097, 30.0, 6.0),
        (4401, 120.0, 1.0),
        (4400, 100.0, 0.1),  # reaches so far that there are no windows
    ],
)
def test_traced_numbers_are_the_references(model, frames, fps, cutoff):
    qpos = motion(model, frames, fps)
    reference = dynamics.trajectory(model, qpos, fps, cutoff)
    traced = jax.jit(lambda q: dynamics.trajectory(model, q, fps, cutoff))(qpos)
    # Rounding of float64 (1e-16) in sums whose absolute weights reach a few hundred at the spline's ends. A
    # filter that remembers some fps / cutoff frames adds up as many roundings, SciPy's too.
    assert_same(traced, reference, fps, 3e-13 * max(1.0, fps / (cutoff or fps) / 50))
    assert traced.qacc.dtype == np.float64


@pytest.mark.parametrize("frames", [200, LONG])
def test_in_float32_they_agree_to_its_rounding(model, frames):
    qpos = motion(model, frames, 120.0).astype(np.float32)
    reference = dynamics.trajectory(model, qpos, 120.0)
    traced = jax.jit(lambda q: dynamics.trajectory(model, q, 120.0))(qpos)
    assert traced.qpos.dtype == traced.qvel.dtype == traced.qacc.dtype == traced.time.dtype == np.float32
    # float32 rounds to 6e-8; the rest as in float64: 2.5e-5 at the spline's ends.
    assert_same(traced, reference, 120.0, 5e-5)


def test_every_row_of_a_batch_is_that_motion(model):
    batch = np.stack([motion(model, 60, 30.0, seed=seed) for seed in range(3)])
    traced = jax.vmap(lambda q: dynamics.trajectory(model, q, 30.0))(batch)
    for k in range(3):
        reference = dynamics.trajectory(model, batch[k], 30.0)
        np.testing.assert_allclose(traced.qacc[k], reference.qacc, atol=1e-10)
        np.testing.assert_array_equal(traced.valid[k], reference.valid)


@pytest.mark.slow
def test_windows_in_a_batch(model):
    batch = np.stack([motion(model, LONG, 30.0, seed=seed) for seed in range(2)])
    gradient_of_one = jax.grad(lambda q: (dynamics.trajectory(model, q, 30.0).qacc ** 2).sum())
    gradient = jax.jit(jax.vmap(gradient_of_one))(batch)
    alone = jax.jit(gradient_of_one)(batch[1])
    np.testing.assert_allclose(gradient[1], alone, atol=1e-12 * np.abs(alone).max())


# Derivatives


@functools.cache
def gradient_of(model, fps, cutoff):
    """The compiled gradient of `loss_of` as a function of qpos and weights."""
    return jax.jit(jax.grad(lambda q, weights: loss_of(dynamics.trajectory(model, q, fps, cutoff), weights)))


def loss_of(path, weights):
    """A number that every entry of the trajectory enters, of about the same size each."""
    return sum((w * getattr(path, n)).sum() / s for w, (n, s) in zip(weights, SIZES.items()))


SIZES = {"qpos": 1.0, "qvel": 10.0, "qacc": 300.0}


@pytest.mark.parametrize("frames", [12, pytest.param(50, marks=pytest.mark.slow), LONG])
@pytest.mark.parametrize("kind", ["moving", "constant", "identical frames", "still start"])
@pytest.mark.parametrize("cutoff", [6.0, pytest.param(None, marks=pytest.mark.slow)])
def test_gradients_are_the_references_finite_differences(model, frames, kind, cutoff):
    fps = 30.0
    qpos = motion(model, frames, fps)
    if kind == "constant":
        qpos[:] = qpos[0]
    elif kind == "identical frames":
        qpos[1::2] = qpos[: len(qpos[1::2]) * 2 : 2]
    elif kind == "still start":
        qpos[: frames // 2] = qpos[frames // 2]
    rng = np.random.default_rng(1)
    shapes = [(frames, model.nq), (frames, model.nv), (frames, model.nv)]
    weights = [rng.normal(size=shape) for shape in shapes]
    gradient = np.asarray(gradient_of(model, fps, cutoff)(qpos, weights))
    assert np.isfinite(gradient).all()
    step = 1e-6
    # All frames at once; the first and last ones, which the ends' treatment hangs on; a seam of windows.
    places = [slice(None), slice(0, 1), slice(-1, None), slice(1, 4), slice(-5, -2), slice(1499, 1501)]
    for place in places[: 6 if frames == LONG else 5]:
        direction = np.zeros_like(qpos)
        direction[place] = rng.normal(size=direction[place].shape)
        ahead, behind = (
            loss_of(dynamics.trajectory(model, qpos + s * direction, fps, cutoff), weights)
            for s in (step, -step)
        )
        # Rounding of the reference, 1e-13 of a sum of about sqrt(n) terms of size 1, over the step.
        expected = (ahead - behind) / (2 * step)
        assert (gradient * direction).sum() == pytest.approx(expected, rel=1e-6, abs=2e-6 * len(qpos) ** 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("frames", [14, LONG])
def test_forward_mode_is_reverse_mode(model, frames):
    qpos = motion(model, frames, 30.0)
    rng = np.random.default_rng(2)

    def qacc(q):
        return dynamics.trajectory(model, q, 30.0).qacc

    tangent = rng.normal(size=qpos.shape)
    value, forward = jax.jit(lambda q, t: jax.jvp(qacc, (q,), (t,)))(qpos, tangent)
    cotangent = rng.normal(size=value.shape)
    (backward,) = jax.jit(lambda q, c: jax.vjp(qacc, q)[1](c))(qpos, cotangent)
    assert (forward * cotangent).sum() == pytest.approx(float((backward * tangent).sum()), rel=1e-10)
    if frames == 14:
        columns = jax.jit(jax.jacfwd(qacc))(qpos)
        rows = jax.jit(jax.jacrev(qacc))(qpos)
        np.testing.assert_allclose(columns, rows, atol=1e-11 * np.abs(rows).max())


def test_torques_gradient_with_respect_to_poses(model):
    """Through smoothing, velocities, accelerations and inverse dynamics."""
    tree = dynamics.Tree.from_mjmodel(model)
    qpos = motion(model, 30, 30.0)

    def loss(q):
        path = dynamics.trajectory(model, q, 30.0)
        return (dynamics.rnea(tree, path.qpos, path.qvel, path.qacc) ** 2).mean()

    gradient = np.asarray(jax.jit(jax.grad(loss))(qpos))
    direction = np.random.default_rng(3).normal(size=qpos.shape)
    ahead, behind = (float(loss(qpos + s * direction)) for s in (1e-6, -1e-6))
    assert (gradient * direction).sum() == pytest.approx((ahead - behind) / 2e-6, rel=1e-5)


# What a trace costs


@pytest.mark.parametrize("frames", [40, LONG])
def test_torques_are_rnea_of_the_trajectory(model, frames):
    qpos = motion(model, frames, 30.0)
    tree = dynamics.Tree.from_mjmodel(model)
    states = dynamics.trajectory(model, qpos, 30.0)
    expected = np.asarray(dynamics.rnea(tree, states.qpos, states.qvel, states.qacc))
    # As the accelerations agree: rounding, amplified by the frame rate squared.
    assert np.abs(dynamics.torques(tree, qpos, 30.0) - expected).max() < 1e-10 * np.abs(expected).max()
    with pytest.raises(dynamics.StateError, match="is not finite"):
        dynamics.torques(tree, np.where(np.arange(frames)[:, None] == 3, np.nan, qpos), 30.0)


@pytest.mark.slow
def test_memory_stays_flat_and_the_gradients_within_twice_input_and_output(model):
    def temporary(function, frames):
        shape = jax.ShapeDtypeStruct((frames, model.nq), np.float64)
        memory = jax.jit(function).lower(shape).compile().memory_analysis()
        return memory.temp_size_in_bytes

    def path(q):
        return dynamics.trajectory(model, q, 120.0)

    short, long = (temporary(path, frames) for frames in (16_384, 131_072))
    # Margins of 192 frames a window of 2048, on either side, and their likes; no copy of the motion.
    assert long - short < 0.5 * 8 * model.nq * (131_072 - 16_384)
    gradient = temporary(jax.value_and_grad(lambda q: (path(q).qacc ** 2).sum()), 131_072)
    # One array each of input and output; the cotangents of qpos, qvel and qacc are three of them.
    assert gradient < 4 * 8 * model.nq * 131_072


def test_bodies_of_one_topology_share_one_program(model):
    other = mujoco.MjModel.from_xml_string(MIXED.replace('size=".1"', 'size=".2"'))
    qpos = motion(model, 40, 30.0)
    jax.jit(lambda q: dynamics.trajectory(model, q, 30.0).qacc)(qpos)
    before = traced_trajectory.over_windows._cache_size()
    jax.jit(lambda q: dynamics.trajectory(other, q, 30.0).qacc)(qpos)
    assert traced_trajectory.over_windows._cache_size() == before


# Bad input


def test_a_traced_clip_is_refused_by_its_shape_and_rates(model):
    qpos = motion(model, 30, 30.0)
    for arguments, error, message in [
        ((qpos[:5], 30.0, 6.0), dynamics.TrajectoryError, "the clip has 5 frames; .* needs at least 12 "),
        ((qpos, 30.0, 15.0), dynamics.TrajectoryError, "cutoff is 15 Hz; accepted"),
        ((qpos, 30.0, "6"), dynamics.TrajectoryError, "cutoff is '6'; accepted: a number of Hz, or None"),
        ((qpos, 0.0, 6.0), dynamics.TrajectoryError, "fps is 0.0; accepted"),
        (
            (qpos[:, 1:], 30.0, 6.0),
            dynamics.StateError,
            r"qpos has shape \(30, 16\); this model needs \(T, 17\)",
        ),
        ((qpos[None], 30.0, 6.0), dynamics.StateError, r"qpos has shape \(1, 30, 17\); .* batches by vmap"),
    ]:
        clip, fps, cutoff = arguments
        with pytest.raises(error, match=message):
            jax.jit(lambda q: dynamics.trajectory(model, q, fps, cutoff))(clip)  # noqa: B023


@pytest.mark.parametrize("traced", ["fps", "cutoff"])
def test_rates_are_constants_of_the_trace(model, traced):
    qpos = motion(model, 30, 30.0)
    with pytest.raises(dynamics.TrajectoryError, match=f"{traced} is .*; accepted"):
        jax.jit(lambda q, rate: dynamics.trajectory(model, q, **{"fps": 30.0, traced: rate}))(qpos, 6.0)


# The recursion


@pytest.mark.parametrize("length", [1, 31, 64, 100, 5000])
@pytest.mark.parametrize("sides", [{"future": False}, {"past": False}, {}])
def test_a_recursion_is_the_sum_over_its_weights(length, sides):
    poles = np.array([0.5 + 0.3j, 0.5 - 0.3j, -0.4])
    response = np.array([1.0, 0.7, -0.2, 0.3])
    rows = np.random.default_rng(4).normal(size=(2, length))
    weights = list(response)  # by the linear recurrence whose roots are the poles
    a = np.poly(poles).real[1:]
    while len(weights) < max(length, 5):
        weights.append(-np.dot(a, weights[:-4:-1]))
    lag = np.subtract.outer(np.arange(length), np.arange(length))
    taken = ((lag <= 0) & sides.get("past", True)) | ((lag >= 0) & sides.get("future", True))
    matrix = np.where(taken, np.array(weights)[np.abs(lag)], 0)
    expected, transposed = rows @ matrix, rows @ matrix.T
    recursion = Recursion.from_response(response, poles, **sides)
    np.testing.assert_allclose(recursion.apply(rows), expected, atol=1e-12)
    traced, rows = jax.jit(recursion.apply), jnp.asarray(rows)
    value, pull = jax.vjp(traced, rows)
    np.testing.assert_allclose(value, expected, atol=1e-12)
    np.testing.assert_allclose(pull(rows)[0], transposed, atol=1e-12)
    np.testing.assert_allclose(jax.jvp(traced, (rows,), (2 * rows,))[1], 2 * expected, atol=1e-12)
    many = jax.vmap(traced, in_axes=2, out_axes=1)(jnp.stack([rows, 3 * rows], axis=2))
    np.testing.assert_allclose(many, np.stack([expected, 3 * expected], axis=1), atol=1e-12)
