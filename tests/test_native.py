"""The machine code of inverse dynamics: its expressions, its lanes and threads, its adjoint, its life in JAX.

Judges: complex steps and finite differences, long doubles, and `_rnea_frame`, the plain JAX equations, which
share neither the equations' form nor the differentiation nor the compiler with the machine code.
"""

import ctypes
import functools
import operator
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
import pytest

import dynamics
from dynamics import native
from dynamics.native import execution, library
from dynamics.native.expressions import Expression, adjoint, cosine, expression, inputs, sine, sqrt, tangent
from dynamics.rnea import _rnea_frame

TREES = sorted((Path(__file__).parent / "data" / "trees").glob("*.xml"))
TYPES = (np.float64, np.float32)
# Rounding through at most 24 bodies, relative to the largest entry; derivatives add a pass of their own.
TOLERANCE = {np.float64: 1e-12, np.float32: 1e-4}
STATES = ("qpos", "qvel", "qacc")
WRENCH = ("force", "torque")


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def read(name):
    return mujoco.MjModel.from_xml_path(str(next(path for path in TREES if path.stem == name)))


# What compiles fast: a joint that has quaternions and one that has an axis.
SMALL = """<mujoco><worldbody><body><joint type="ball" pos="0.1 0 0" armature="0.1"/>
<inertial pos="0 0.1 -1" mass="1" diaginertia="0.1 0.2 0.15"/><body pos="0 0.2 -1" quat="0.8 0 0.6 0">
<joint axis="0 0.6 0.8" ref="0.4"/><inertial pos="0.3 0 0" mass="2" diaginertia="0.3 0.2 0.4"/></body></body>
</worldbody></mujoco>"""


@functools.cache
def problem(name, count=21):
    """A tree, states and a wrench of so many frames, and a cotangent of tau."""
    model = mujoco.MjModel.from_xml_string(SMALL) if name == "small" else read(name)
    rng = np.random.default_rng(7)
    wrench = dynamics.Wrench(*rng.normal(size=(2, count, model.nbody, 3)))
    bar = rng.normal(size=(count, model.nv))
    return dynamics.Tree.from_mjmodel(model), dynamics.random_states(model, count, seed=8), wrench, bar


def cast(arrays, dtype):
    return jax.tree.map(lambda a: np.asarray(a, dtype), arrays)


def relative(a, b):
    return np.abs(np.asarray(a) - np.asarray(b)).max() / max(np.abs(np.asarray(b)).max(), 1e-300)


def assert_close(given, expected, tolerance):
    given, expected = jax.tree.leaves(given), jax.tree.leaves(expected)
    assert len(given) == len(expected)
    for a, b in zip(given, expected):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(np.abs(b).max(initial=0), 1e-3))


plain_rnea = jax.vmap(_rnea_frame, (None, 0, 0, 0, 0))
"""tau of frames by plain JAX; the wrench may be None."""


def test_this_machine_has_machine_code():
    # Everything below would pass through JAX, too.
    assert all(native.serves(dtype) for dtype in TYPES)
    assert not native.serves(np.float16)
    tree, states, wrench, _ = problem("two_roots")
    forward = jax.jit(dynamics.rnea).lower(tree, *states).as_text()
    gradient = jax.jit(jax.grad(lambda *s: dynamics.rnea(tree, *s, wrench).sum())).lower(*states).as_text()
    assert "@smpl2mjcf_rnea" in forward
    assert "@smpl2mjcf_rnea_adjoint" in gradient


# Expressions

OPERATIONS = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "negate": operator.neg,
    "sqrt": np.sqrt,
    "sine": np.sin,
    "cosine": np.cos,
}


def number(node, given, known):
    """Value of an expression, by plain recursion."""
    if id(node) not in known:
        if node.operation == "constant":
            known[id(node)] = node.value
        elif node.operation == "input":
            known[id(node)] = given[node.value[1]]
        else:
            operands = [number(operand, given, known) for operand in node.operands]
            known[id(node)] = OPERATIONS[node.operation](*operands)
    return known[id(node)]


def numbers(nodes, given):
    known = {}
    return np.array([number(node, given, known) for node in nodes])


def random_graph(rng, count):
    """`count` outputs of three inputs: 40 random operations, constants 0, 1 and -1 among the operands."""
    x = list(inputs("x", 3))
    nodes = [*x, expression(0), expression(1), expression(-1), expression(0.7)]
    for _ in range(40):
        a, b = (nodes[i] for i in rng.integers(len(nodes), size=2))
        made = [
            lambda a, b: a + b,
            lambda a, b: a - b,
            lambda a, b: a * b,
            lambda a, b: a / (b * b + 2),
            lambda a, b: -a,
            lambda a, b: sqrt(a * a + 1.5),
            lambda a, b: sine(a) * b,
            lambda a, b: cosine(a),
            lambda a, b: 3 - a,
            lambda a, b: 2 / (a * a + 1) + 0.5 * b,
        ]
        node = made[rng.integers(len(made))](a, b)
        # Bounded, so that no value leaves the range where derivatives can be judged.
        nodes.append(node / sqrt(node * node + 1) if rng.random() < 0.3 else node)
    return x, [nodes[i] for i in rng.integers(len(nodes) - 10, len(nodes), size=count)]


@pytest.mark.parametrize("seed", range(25))
def test_both_ways_of_differentiating_equal_complex_steps(seed):
    rng = np.random.default_rng(seed)
    x, outputs = random_graph(rng, 4)
    at, direction, weights = rng.uniform(-1, 1, 3), rng.normal(size=3), rng.normal(size=4)
    step = 1e-40  # a complex step loses nothing to cancellation
    J = np.array([numbers(outputs, at + 1j * step * e).imag / step for e in np.eye(3)]).T
    bars = adjoint(outputs, [expression(w) for w in weights], x)
    rates = tangent(outputs, x, [expression(d) for d in direction])
    scale = 1e-13 * max(np.abs(J).max(), 1)
    np.testing.assert_allclose(numbers(bars, at), weights @ J, rtol=0, atol=scale * 10)
    np.testing.assert_allclose(numbers(rates, at), J @ direction, rtol=0, atol=scale * 10)


def test_an_output_that_is_an_input_or_appears_twice_is_differentiated():
    x, y = inputs("x", 2)
    bars = adjoint([x, x, x * y], inputs("bar", 3), [x, y])
    # In an area of its own each bar would be another number: here both areas read the same list.
    assert numbers(bars, [2.0, 3.0, 5.0]).tolist() == [2 + 3 + 5 * 3, 5 * 2]
    assert numbers(tangent([x, x * y, y], [x], [expression(1)]), [2.0, 3.0]).tolist() == [1, 3, 0]
    # The change of a product with respect to itself hides its operands.
    product = x * y
    assert numbers(tangent([product * product], [product], [expression(1)]), [2.0, 3.0]).tolist() == [12]


def test_folding_leaves_no_useless_operation_and_no_other_value():
    x, y = inputs("x", 2)
    zero, one, negative = expression(0), expression(1), -x
    for made in (x + 0, 0 + x, x - 0, x * 1, 1 * x, x / 1, -negative, -1 * negative):
        assert made is x
    for made in (x * 0, 0 * x, zero / x, one - one, zero + zero, -zero):
        assert made.is_constant(0)
    for made in (0 - x, x * -1, -1 * x):
        assert made.operation == "negate"
        assert made.operands == (x,)
    for made, operation, value in [
        (x + -y, "subtract", -3),
        (-y + x, "subtract", -3),
        (x - -y, "add", 7),
        (-x * y, "negate", -10),
        (x * -y, "negate", -10),
        (-x - y, "subtract", -7),
        (3 - x, "subtract", 1),
        (1 / x, "divide", 0.5),
    ]:
        assert made.operation == operation
        assert numbers([made], [2.0, 5.0]).tolist() == [value]
    assert (expression(6) / expression(4)).is_constant(1.5)
    assert (expression(6) * 4 - 3).is_constant(21)


def test_the_repr_of_an_expression_shows_how_it_is_computed():
    (x,) = inputs("x", 1)
    assert repr(sine(x) * 2) == "multiply(sine(input(('x', 0))), constant(2.0))"
    assert isinstance(x, Expression)


# Sine and cosine in the machine code


@functools.cache
def pendulum():
    """Unit mass at unit distance: tau is exactly the sine or cosine if gravity points along an axis."""
    model = mujoco.MjModel.from_xml_string(
        '<mujoco><worldbody><body><joint axis="0 1 0"/>'
        '<inertial pos="0 0 -1" mass="1" diaginertia="1 1 1"/></body></worldbody></mujoco>'
    )
    return dynamics.Tree.from_mjmodel(model)


def sine_and_cosine(angles):
    still = np.zeros((len(angles), 1), angles.dtype)
    return [
        np.asarray(dynamics.rnea(pendulum().replace(gravity=np.array(g)), angles[:, None], still, still))[
            :, 0
        ]
        for g in ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0))
    ]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("largest", [1e-3, 1, 10, 2e3, 1e5, 1e6, 1e7, 1e12])
def test_sine_and_cosine_are_right_to_the_last_place(dtype, largest):
    rng = np.random.default_rng(9)
    angles = rng.uniform(-largest, largest, 20_000)
    # Where series meet, quadrants change and the library takes over; and multiples of a quarter turn.
    quarters = np.pi / 4 * np.arange(-2000, 2000)
    seams = np.array([0.0, -0.0, 2e3, np.nextafter(2e3, 3e3), 1e6, np.nextafter(1e6, 2e6)])
    angles = np.concatenate([angles, *(q[np.abs(q) <= largest] for q in (quarters, seams))]).astype(dtype)
    # float64 angles are judged in long doubles (of 64 bits precision on x86), float32 ones in float64.
    wide = angles.astype(np.longdouble if dtype == np.float64 else np.float64)
    for given, exact in zip(sine_and_cosine(angles), (np.sin(wide), np.cos(wide))):
        assert given.dtype == dtype
        error = np.abs(given - exact)
        # Results between 1/2 and 1 end at eps / 2: two units of that, correct rounding being half of one.
        assert (error / np.finfo(dtype).eps).max() < 1
        if largest <= 1:
            # The sine of a small angle keeps its relative accuracy: eps is one or two last places.
            assert (error <= 2 * np.finfo(dtype).eps * np.abs(exact)).all()


@pytest.mark.parametrize("dtype", TYPES)
def test_a_frame_with_a_huge_angle_changes_no_other_frame(dtype):
    lanes = library.lanes(np.dtype(dtype))
    angles = np.random.default_rng(10).uniform(-100, 100, 4 * lanes).astype(dtype)
    alone = sine_and_cosine(angles)
    for lane in range(2 * lanes):
        among = angles.copy()
        among[lane] = 1e9
        for given, expected in zip(sine_and_cosine(among), alone):
            np.testing.assert_array_equal(np.delete(given, lane), np.delete(expected, lane))


# Frames, lanes and threads


def forward_of(tree, arrays, dtype):
    return [native.tau_and_flags(tree, [a[None] for a in arrays], np.dtype(dtype))[0][0]]


def jacobian_of(tree, arrays, dtype):
    return [a[0] for a in native.derivatives_and_flags(tree, [a[None] for a in arrays], np.dtype(dtype))[0]]


def adjoint_of(tree, arrays, dtype, bar=None):
    """Derivatives of sum(tau * bar) in the states, then the sums over frames for the parameters."""
    arrays = [np.ascontiguousarray(a)[None] for a in arrays]
    tau_bar = np.ones_like(arrays[1]) if bar is None else np.ascontiguousarray(bar, dtype)[None]
    made = [np.full_like(a, np.nan) for a in arrays]
    parameters = native.parameters_of(tree, np.dtype(dtype))[None]
    sums = np.full_like(parameters, np.nan)
    execution.adjoint(native.node_table(tree.topology), parameters, arrays, tau_bar, made, sums)
    return [a[0] for a in made] + [sums[0]]


def arrays_of(name, dtype, with_wrench):
    tree, states, wrench, _ = problem(name, 64)
    wrench = (wrench.force, wrench.torque) if with_wrench else ()
    return tree, [np.ascontiguousarray(a, dtype) for a in (*states, *wrench)]


@pytest.mark.parametrize("run", [forward_of, adjoint_of, jacobian_of])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("with_wrench", [False, True], ids=["", "wrench"])
def test_any_number_of_frames_gives_what_each_frame_alone_gives(run, dtype, with_wrench):
    for name in ("two_roots", "scalar_arm"):  # more and fewer columns than lanes
        tree, arrays = arrays_of(name, dtype, with_wrench)
        most = 3 * library.lanes(np.dtype(dtype)) + 1
        states_only = slice(len(arrays)) if run is adjoint_of else slice(None)
        alone = [run(tree, [a[i : i + 1] for a in arrays], dtype)[states_only] for i in range(most)]
        for count in range(1, most + 1):
            together = run(tree, [a[:count] for a in arrays], dtype)[states_only]
            for k, given in enumerate(together):
                expected = np.concatenate([single[k] for single in alone[:count]])
                np.testing.assert_array_equal(given, expected, err_msg=f"{name}, {count} frames")


@pytest.mark.parametrize("run", [forward_of, adjoint_of, jacobian_of])
@pytest.mark.parametrize("cores", [2, 3, 7])
def test_any_number_of_threads_gives_the_same(run, cores, monkeypatch):
    tree, arrays = arrays_of("two_roots", np.float64, True)
    # 64 frames are one piece for one thread.
    (*expected, sums) = run(tree, arrays, np.float64)
    monkeypatch.setattr(execution, "cores", lambda: cores)
    monkeypatch.setattr(execution, "_LEAST_FRAMES", 1)
    execution._pool.cache_clear()
    try:
        for pieces in (1, 4, 100):
            monkeypatch.setattr(execution, "_PIECES_A_THREAD", pieces)
            for _ in range(5):
                (*given, given_sums) = run(tree, arrays, np.float64)
                for a, b in zip(given, expected):
                    np.testing.assert_array_equal(a, b)
                if run is adjoint_of:  # sums over frames in another order
                    np.testing.assert_allclose(given_sums, sums, rtol=0, atol=1e-13 * np.abs(sums).max())
                else:
                    np.testing.assert_array_equal(given_sums, sums)
    finally:
        execution._pool.cache_clear()


def test_several_bodies_take_their_own_parameters_and_frames(monkeypatch):
    """(bodies, frames) in pieces: each body alone gives the same."""
    tree, arrays = arrays_of("two_roots", np.float64, True)
    monkeypatch.setattr(execution, "_LEAST_FRAMES", 1)
    trees = [jax.tree.map(lambda a, k=k: np.asarray(a) * (1 + k / 10), tree) for k in range(3)]
    parameters = np.stack([native.parameters_of(t, np.dtype(np.float64)) for t in trees])
    frames = [np.ascontiguousarray(a[:63].reshape(3, 21, *a.shape[1:])) for a in arrays]
    nodes, bars = native.node_table(tree.topology), np.random.default_rng(11).normal(size=(3, 21, 18))
    tau = np.empty((3, 21, 18))
    states_bar, parameters_bar = [np.empty_like(a) for a in frames], np.empty_like(parameters)
    execution.forward(nodes, parameters, frames, tau)
    execution.adjoint(nodes, parameters, frames, bars, states_bar, parameters_bar)
    for k, other in enumerate(trees):
        own = [a[k] for a in frames]
        np.testing.assert_allclose(tau[k], forward_of(other, own, np.float64)[0], rtol=0, atol=1e-12)
        *expected, sums = adjoint_of(other, own, np.float64, bars[k])
        for a, b in zip(states_bar, expected):
            np.testing.assert_allclose(a[k], b, rtol=0, atol=1e-13 * np.abs(b).max())
        np.testing.assert_allclose(parameters_bar[k], sums, rtol=0, atol=1e-13 * np.abs(sums).max())


def test_memory_beyond_the_rows_is_never_written_nor_read():
    """Guard pages of NaN around each array: what is read would spread, what is written would show."""
    tree, arrays = arrays_of("offset_joints", np.float64, True)
    lanes = library.lanes(np.dtype(np.float64))

    def guarded(array):
        padded = np.full(array.size + 2 * 512, np.nan)
        inside = padded[512:-512].reshape(array.shape)
        inside[...] = array
        return padded, inside

    for count in (1, lanes - 1, lanes, lanes + 1):
        expected = forward_of(tree, [a[:count] for a in arrays], np.float64)[0]
        *bars, _ = adjoint_of(tree, [a[:count] for a in arrays], np.float64)
        dense = jacobian_of(tree, [a[:count] for a in arrays], np.float64)
        read = [guarded(a[None, :count])[1] for a in arrays]
        parameters = guarded(native.parameters_of(tree, np.dtype(np.float64))[None])[1]
        nodes = native.node_table(tree.topology)
        written = [guarded(np.zeros_like(a[None])) for a in (expected, *bars, *dense)]
        sums = guarded(np.zeros_like(parameters))
        places = [inside for _, inside in written]
        assert execution.forward(nodes, parameters, read, places[0]) == 0
        ones = guarded(np.ones_like(expected)[None])[1]
        execution.adjoint(nodes, parameters, read, ones, places[1 : 1 + len(bars)], sums[1])
        execution.jacobian(nodes, parameters, read, places[1 + len(bars) :])
        for (padded, inside), b in zip(written, (expected, *bars, *dense)):
            np.testing.assert_array_equal(inside[0], b)
            assert np.isnan(padded[:512]).all()
            assert np.isnan(padded[-512:]).all()
        assert np.isnan(sums[0][:512]).all()
        assert np.isnan(sums[0][-512:]).all()


@pytest.mark.parametrize("leading", [(), (1,), (2, 3), (0,), (2, 0, 1)])
def test_leading_axes_of_values_and_of_tracers(leading):
    tree, states, wrench, _ = problem("ball_chain")
    count = int(np.prod(leading))
    shaped = [a[:count].reshape(*leading, *a.shape[1:]) for a in states]
    outer = dynamics.Wrench(
        *(a[:count].reshape(*leading, *a.shape[1:]) for a in (wrench.force, wrench.torque))
    )
    expected = np.asarray(dynamics.rnea(tree, *states, wrench))[:count].reshape(*leading, -1 if count else 12)
    at_hand = dynamics.rnea(tree, *shaped, outer)
    traced = jax.jit(dynamics.rnea)(tree, *shaped, outer)
    assert at_hand.shape == traced.shape == expected.shape == (*leading, 12)
    np.testing.assert_allclose(at_hand, expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(traced, expected, rtol=0, atol=1e-12)
    bars = jax.grad(lambda q: (dynamics.rnea(tree, q, *shaped[1:], outer) ** 2).sum())(shaped[0])
    assert bars.shape == shaped[0].shape
    assert np.isfinite(bars).all()


def test_what_lies_elsewhere_in_memory_is_taken_as_it_is():
    tree, states, _, _ = problem("two_roots")
    expected = np.asarray(dynamics.rnea(tree, *states))
    reordered = [np.asfortranarray(a) for a in states]
    reversed_ = [a[::-1][::-1] for a in states]
    unaligned = []
    for a in states:
        raw = np.zeros(a.nbytes + 1, np.uint8)[1:]
        unaligned.append(np.frombuffer(raw, a.dtype).reshape(a.shape))
        unaligned[-1][...] = a
    swapped = [a.astype(">f8") for a in states]
    for given in (reordered, reversed_, unaligned, swapped, [list(map(list, a)) for a in states]):
        np.testing.assert_array_equal(dynamics.rnea(tree, *given), expected)


def test_a_result_is_the_callers_own():
    tree, states, _, _ = problem("two_roots")
    first = dynamics.rnea(tree, *states)
    kept = np.array(first)
    dynamics.rnea(tree, *(a[::-1] for a in states))
    np.testing.assert_array_equal(first, kept)


def test_a_tree_that_was_written_to_is_seen():
    tree, states, _, _ = problem("two_roots")
    tree = jax.tree.map(np.array, tree)
    before = np.asarray(dynamics.rnea(tree, *states))
    tree.masses[2] *= 3
    after = np.asarray(dynamics.rnea(tree, *states))
    assert relative(after, before) > 0.01
    np.testing.assert_allclose(after, plain_rnea(tree, *states, None), rtol=0, atol=1e-11)


# What must be refused


@pytest.mark.parametrize("call", [dynamics.rnea, dynamics.rnea_derivatives])
@pytest.mark.parametrize("dtype", TYPES)
def test_a_bad_number_is_noticed_wherever_it_is(call, dtype):
    tree, arrays = arrays_of("two_roots", dtype, True)
    frames = library.lanes(np.dtype(dtype)) * (1 if call is dynamics.rnea_derivatives else 2) + 3
    arrays = [a[:frames].copy() for a in arrays]
    topology = tree.topology
    bad = [np.nan, np.inf, -np.inf]
    tried = 0
    for name, array in zip((*STATES, *WRENCH), arrays):
        rows = array.reshape(frames, -1)
        for frame in range(frames):
            # Every column with rnea, one of each node's with its derivatives, which take longer.
            for column in range(
                frame % 3 if call is not dynamics.rnea else 0, rows.shape[1], 3 if frame else 1
            ):
                kept, rows[frame, column] = rows[frame, column], bad[tried % 3]
                tried += 1
                with pytest.raises(dynamics.StateError) as error:
                    call(tree, *arrays[:3], dynamics.Wrench(*arrays[3:]))
                rows[frame, column] = kept
                if name in WRENCH:
                    what = f"wrench.{name} on body '{topology.body_names[column // 3]}'"
                else:
                    at = topology.joint_at_position if name == "qpos" else topology.joint_at_dof
                    what = f"{name} of joint '{at(column)}'"
                expected = f"{what} is not finite at frame {frame}; every entry must be a finite number"
                assert str(error.value) == expected
    assert tried > 300
    call(tree, *arrays[:3], dynamics.Wrench(*arrays[3:]))


@pytest.mark.parametrize("call", [dynamics.rnea, dynamics.rnea_derivatives])
@pytest.mark.parametrize("dtype", TYPES)
def test_a_quaternion_off_unit_length_is_noticed_in_every_frame_of_every_joint(call, dtype):
    tree, arrays = arrays_of("two_roots", dtype, False)
    frames = library.lanes(np.dtype(dtype)) + 3
    qpos, qvel, qacc = (a[:frames].copy() for a in arrays)
    for address in tree.topology.quaternion_addresses:
        joint = tree.topology.joint_at_position(address)
        for frame in range(frames):
            kept = qpos[frame, address : address + 4].copy()
            for length, shown in ((1.002, "1.002"), (0.998, "0.998"), (0, "0"), (30, "30")):
                qpos[frame, address : address + 4] = kept * length
                message = f"the quaternion of joint '{joint}' has length {shown}[0-9]* at frame {frame};"
                with pytest.raises(dynamics.StateError, match=message):
                    call(tree, qpos, qvel, qacc)
            for length in (1.0009, 0.9991):
                qpos[frame, address : address + 4] = kept * length
                call(tree, qpos, qvel, qacc)
            qpos[frame, address : address + 4] = kept


@pytest.mark.parametrize("dtype", TYPES)
def test_inside_jit_nan_stays_in_its_own_frame(dtype):
    tree, arrays = arrays_of("offset_joints", dtype, True)
    frames = library.lanes(np.dtype(dtype)) + 3
    arrays = [a[:frames] for a in arrays]

    @jax.jit
    def tau_and_gradients(*given):
        def tau(*given):
            return dynamics.rnea(tree, *given[:3], dynamics.Wrench(*given[3:]))

        made, pull = jax.vjp(tau, *given)
        return made, *pull(jnp.ones_like(made))

    clean = tau_and_gradients(*arrays)
    assert all(np.isfinite(a).all() for a in clean)
    for k, array in enumerate(arrays):
        for frame in (0, 1, frames - 4, frames - 1):
            spoilt = array.copy()
            spoilt[frame].flat[-1] = np.nan  # of the last body, so that it reaches tau
            given = tau_and_gradients(*arrays[:k], spoilt, *arrays[k + 1 :])
            assert np.isnan(given[0][frame]).any()
            for a, b in zip(given, clean):
                np.testing.assert_array_equal(np.delete(a, frame, 0), np.delete(b, frame, 0))


@pytest.mark.parametrize("name", ["two_roots", "offset_joints", "welded"])
def test_the_worlds_row_of_a_wrench_has_no_effect(name):
    tree, arrays = arrays_of(name, np.float64, True)
    changed = [a.copy() for a in arrays]
    for outer in changed[3:]:
        outer[:, 0] = 1e3
    for run in (forward_of, adjoint_of, jacobian_of):
        for a, b in zip(run(tree, changed, np.float64), run(tree, arrays, np.float64)):
            np.testing.assert_array_equal(a, b)
    for bars in adjoint_of(tree, changed, np.float64)[3:5]:
        assert (bars[:, 0] == 0).all()


# The adjoint, against the plain JAX equations on every tree


def tangential(tree, bars):
    """What can be compared of the derivatives in a tree.

    Of tensors, which are symmetric, the symmetric part; of axes and rotations, which have unit length, what
    does not change it: beyond, the equations of the two paths continue differently.
    """
    symmetric = (bars.tensors + np.swapaxes(bars.tensors, -1, -2)) / 2
    along = (np.asarray(tree.axes) * bars.axes).sum(-1, keepdims=True)
    return bars.replace(tensors=symmetric, axes=bars.axes - along * tree.axes)


@functools.cache
def plain_gradients(name):
    """tau and the derivatives of sum(tau * bar) in tree, states and wrench by plain JAX: with and without
    wrench."""
    tree, states, wrench, bar = problem(name)

    @jax.jit
    def run(tree, states, wrench):
        tau, pull = jax.vjp(lambda t, s, w: plain_rnea(t, *s, w), tree, states, wrench)
        return tau, *pull(jnp.asarray(bar))

    still = dynamics.Wrench.zeros(len(bar), nbody=tree.topology.nbody)
    return run(tree, tuple(states), wrench), run(tree, tuple(states), still)


# All trees take minutes to compile in plain JAX; one with free, ball and hinge joints stands for them here.
ALL_TREES = [
    path.stem if path.stem == "two_roots" else pytest.param(path.stem, marks=pytest.mark.slow)
    for path in TREES
]


@pytest.mark.parametrize("name", ALL_TREES)
@pytest.mark.parametrize("dtype", TYPES)
def test_tau_and_all_gradients_are_those_of_the_plain_equations(name, dtype):
    tree, states, wrench, bar = problem(name)
    for outer, (tau, tree_bar, states_bar, wrench_bar) in zip((wrench, None), plain_gradients(name)):
        given = cast((tree, tuple(states), outer), dtype)

        def total(tree, states, outer):
            tau = dynamics.rnea(tree, *states, outer)
            return (tau * bar.astype(dtype)).sum(), tau

        gradient = jax.value_and_grad(total, (0, 1, 2) if outer else (0, 1), has_aux=True)
        (_, made), bars = jax.jit(gradient)(*given)
        assert {a.dtype for a in jax.tree.leaves((made, bars))} == {np.dtype(dtype)}
        assert_close(made, tau, TOLERANCE[dtype])
        assert_close(dynamics.rnea(*given[:1], *given[1], given[2]), tau, TOLERANCE[dtype])
        assert_close(tangential(tree, bars[0]), tangential(tree, tree_bar), TOLERANCE[dtype])
        np.testing.assert_array_equal(bars[0].tensors, np.swapaxes(bars[0].tensors, -1, -2))
        assert_close(bars[1], states_bar, TOLERANCE[dtype])
        if outer:
            assert_close(bars[2], wrench_bar, TOLERANCE[dtype])


def test_gradients_in_a_tree_equal_finite_differences():
    """Of tau at hand, so of the compiled forward pass, in every number of a tree."""
    tree, states, wrench, bar = problem("offset_joints", 5)
    bars = jax.grad(lambda t: (dynamics.rnea(t, *states, wrench) * bar).sum())(tree)

    def total(tree):
        return float((np.asarray(dynamics.rnea(tree, *states, wrench)) * bar).sum())

    for name in ("offsets", "rotations", "anchors", "references", "masses", "coms", "armature", "gravity"):
        array, step = np.asarray(getattr(tree, name), float), 1e-6
        expected = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            d = np.zeros_like(array)
            d[place] = step
            expected[place] = (
                total(tree.replace(**{name: array + d})) - total(tree.replace(**{name: array - d}))
            ) / (2 * step)
        # Rounding of the total, some hundreds, over the step.
        np.testing.assert_allclose(getattr(bars, name), expected, atol=2e-6 * max(np.abs(expected).max(), 1))


def test_each_wanted_derivative_alone_is_the_same():
    """Differentiating in some arguments only runs other code than in all."""
    tree, states, wrench, bar = problem("two_roots")

    def total(tree, qpos, qvel, qacc, force, torque):
        return (dynamics.rnea(tree, qpos, qvel, qacc, dynamics.Wrench(force, torque)) * bar).sum()

    given = (tree, *states, wrench.force, wrench.torque)
    every = jax.grad(total, range(6))(*given)
    for chosen in [(0,), (1,), (2,), (3,), (4,), (5,), (1, 3), (2, 4), (0, 5), (1, 2, 3)]:
        for k, alone in zip(chosen, jax.grad(total, chosen)(*given)):
            assert_close(alone, every[k], 1e-14)
    masses = jax.grad(lambda m: total(tree.replace(masses=m), *given[1:]))(tree.masses)
    assert_close(masses, every[0].masses, 1e-14)


# Transformations of JAX

TAU = dynamics.rnea


def plain(tree, qpos, qvel, qacc, wrench=None):
    """The public call's shapes by plain JAX."""
    if qpos.ndim == 1:
        return _rnea_frame(tree, qpos, qvel, qacc, wrench)
    return plain_rnea(tree, qpos, qvel, qacc, wrench)


def loss(tau, tree, *states):
    return (tau(tree, *states) ** 2).sum()


def rates_like(given, seed):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda a: rng.normal(size=np.shape(a)), given)


def jvp(tau, tree, states):
    return jax.jvp(
        functools.partial(tau), (tree, *states), (rates_like(tree, 1), *rates_like(tuple(states), 2))
    )


def linearized(tau, tree, states):
    value, change = jax.linearize(lambda *s: tau(tree, *s), *states)
    back = jax.linear_transpose(change, *states)
    # Linear in one rate where the other is there, known and zero.
    still = jnp.zeros_like(states[0])

    def by_velocity(rate):
        return jax.jvp(lambda q, v: tau(tree, q, v, states[2]), tuple(states[:2]), (still, rate))[1]

    (of_velocity,) = jax.linear_transpose(by_velocity, states[1])(jnp.ones_like(value))
    return value, change(*rates_like(tuple(states), 3)), back(jnp.ones_like(value)), of_velocity


def jvp_in_one(tau, tree, states):
    return jax.jvp(lambda v: tau(tree, states[0], v, states[2]), (states[1],), (rates_like(states[1], 4),))


def jacobians(tau, tree, states):
    frame = [a[0] for a in states]
    forward = jax.jacfwd(lambda *s: tau(tree, *s), (0, 1, 2))(*frame)
    return forward, jax.jacrev(lambda *s: tau(tree, *s), (0, 1, 2))(*frame)


def hessian(tau, tree, states):
    frame = [a[0] for a in states]
    return jax.hessian(lambda q: loss(tau, tree, q, *frame[1:]))(frame[0])


def hessian_product(tau, tree, states):
    """Forward over reverse, also across the bodies' arrays."""
    gradient = jax.grad(lambda m, v: loss(tau, tree.replace(masses=m), states[0], v, states[2]), (0, 1))
    given = (jnp.asarray(tree.masses), jnp.asarray(states[1]))
    return jax.jvp(gradient, given, rates_like(given, 5))


def reverse_over_reverse(tau, tree, states):
    def length_of_gradient(q):
        return (jax.grad(lambda q: loss(tau, tree, q, *states[1:]))(q) ** 2).sum()

    return jax.grad(length_of_gradient)(jnp.asarray(states[0]))


def reverse_over_forward(tau, tree, states):
    def change(q):
        return jax.jvp(lambda q: tau(tree, q, *states[1:]), (q,), (rates_like(states[0], 6),))[1]

    return jax.grad(lambda q: (change(q) ** 2).sum())(jnp.asarray(states[0]))


def over_frames(tau, tree, states):
    return jax.vmap(jax.value_and_grad(lambda *s: loss(tau, tree, *s), (0, 1, 2)))(*states)


def over_frames_in_the_body(tau, tree, states):
    """One gradient in the body a frame."""
    few = [a[:3] for a in states]
    return jax.vmap(jax.grad(lambda m, *s: loss(tau, tree.replace(masses=m), *s)), (None, 0, 0, 0))(
        tree.masses, *few
    )


def population(tree):
    """Three bodies; axes keep their unit length."""
    many = jax.tree.map(lambda a: jnp.asarray(a) * jnp.array([1, 1.1, 0.8]).reshape(3, *[1] * a.ndim), tree)
    return many.replace(axes=jnp.stack([jnp.asarray(tree.axes)] * 3))


def over_bodies(tau, tree, states):
    def of_body(tree, *states):
        return jax.value_and_grad(lambda o, c, *s: loss(tau, tree.replace(offsets=o, coms=c), *s), (0, 1, 2))(
            tree.offsets, tree.coms, *states
        )

    shared = jax.vmap(of_body, (0, None, None, None))(population(tree), *states)
    own = jax.vmap(of_body)(population(tree), *(a[:6].reshape(3, 2, -1) for a in states))
    return shared, own


def nested(tau, tree, states):
    """Bodies, then trajectories, the axes of frames in odd places."""
    qpos, qvel, qacc = (a[:12].reshape(3, 4, -1) for a in states)
    over_trajectories = jax.vmap(functools.partial(tau), (None, 1, 1, None), 2)
    values = jax.vmap(over_trajectories, (0, None, None, None), 1)(population(tree), qpos, qvel, qacc[:, 0])
    gradients = jax.vmap(
        jax.vmap(jax.grad(lambda t, q, v, a: loss(tau, t, q, v, a), 1), (0, None, None, None)),
        (None, 0, 0, 0),
    )(population(tree), qpos, qvel, qacc)
    return values, gradients


def gradient_of_mapped(tau, tree, states):
    mapped = jax.vmap(lambda masses, *s: tau(tree.replace(masses=masses), *s), (None, 0, 0, 0))
    return jax.grad(lambda m, *s: (mapped(m, *s) ** 2).sum(), (0, 1, 3))(jnp.asarray(tree.masses), *states)


def checkpointed(tau, tree, states):
    return jax.grad(lambda *s: jax.checkpoint(lambda *s: loss(tau, tree, *s))(*s), (0, 1))(*states)


def scanned(tau, tree, states):
    def step(total, frame):
        made = tau(tree, *frame)
        return total + (made**2).sum(), made

    def last(*states):
        return jax.lax.scan(step, 0.0, states)[0]

    return jax.lax.scan(step, 0.0, tuple(states)), jax.grad(last, (0, 2))(*states)


def mapped(tau, tree, states):
    few = [a[:20].reshape(5, 4, -1) for a in states]
    return jax.lax.map(lambda s: tau(tree, *s), few), jax.lax.map(lambda s: tau(tree, *s), few, batch_size=2)


def conditional(tau, tree, states):
    return jax.lax.cond(
        jnp.asarray(states[0][0, 0] > -9), lambda: tau(tree, *states), lambda: jnp.zeros_like(states[1])
    )


TRANSFORMED = [
    jvp,
    linearized,
    jvp_in_one,
    jacobians,
    hessian,
    hessian_product,
    reverse_over_reverse,
    reverse_over_forward,
    over_frames,
    over_frames_in_the_body,
    over_bodies,
    nested,
    gradient_of_mapped,
    checkpointed,
    scanned,
    mapped,
    conditional,
]


# One of each rule: both modes, both kinds of batches and their mixture, and what JAX makes of a primitive.
QUICK = [hessian, nested, scanned]


@pytest.mark.parametrize("transformed", QUICK, ids=lambda f: f.__name__)
def test_transformations_give_what_they_give_of_the_plain_equations(transformed):
    tree, states, _, _ = problem("small")
    states = [jnp.asarray(a) for a in states]
    expected = jax.jit(functools.partial(transformed, plain))(tree, states)
    compiled = jax.jit(functools.partial(transformed, TAU))(tree, states)
    assert_close(compiled, expected, 1e-11)
    if transformed in (jacobians, over_frames):
        # Step by step, too, where each primitive runs by itself.
        assert_close(transformed(TAU, tree, states), expected, 1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["small", "two_roots", "offset_joints", "scalar_arm"])
@pytest.mark.parametrize("transformed", TRANSFORMED, ids=lambda f: f.__name__)
def test_transformations_of_every_kind_of_joint(transformed, name):
    tree, states, _, _ = problem(name)
    states = [jnp.asarray(a) for a in states]
    expected = jax.jit(functools.partial(transformed, plain))(tree, states)
    assert_close(jax.jit(functools.partial(transformed, TAU))(tree, states), expected, 1e-10)


def test_float32_inside_float64_stays_float32_through_every_derivative():
    tree, states, wrench, _ = cast(problem("small"), np.float32)

    def total(tree, *states):
        return (dynamics.rnea(tree, *states, wrench) ** 2).sum()

    made = jax.jit(jax.value_and_grad(total, (0, 1, 2, 3)))(tree, *states)
    twice = jax.jit(jax.jvp, static_argnums=0)(
        jax.grad(total, (1, 2, 3)), (tree, *states), cast(rates_like((tree, *states), 8), np.float32)
    )
    assert {a.dtype for a in jax.tree.leaves((made, twice))} == {np.dtype(np.float32)}
    assert "f64" not in str(jax.make_jaxpr(jax.grad(total, (0, 1, 2, 3)))(tree, *states))


def test_the_same_topology_is_traced_once_for_other_bodies_and_gradients():
    model = read("two_roots")
    tree, states, _, _ = problem("two_roots")
    module, traced = sys.modules["dynamics.rnea"], []

    @jax.jit
    def gradients(tree, *states):
        traced.append(1)
        return jax.grad(lambda t, *s: (dynamics.rnea(t, *s) ** 2).sum(), (0, 1, 2, 3))(tree, *states)

    first = gradients(tree, *states)
    model.body_mass[:] *= 2
    model.body_ipos[:] += 0.1
    # A rotation at rest that was the identity: other code for it is in the loops, not in another program.
    model.body_quat[:] = [0.5, 0.5, -0.5, 0.5]
    other = dynamics.Tree.from_mjmodel(model)
    given = gradients(other, *states)
    assert len(traced) == 1
    assert relative(given[1], first[1]) > 0.1
    expected = jax.grad(lambda *s: (plain_rnea(other, *s, None) ** 2).sum(), (0, 1, 2))(*states)
    assert_close(given[1:], expected, 1e-11)
    assert module.RNEA.forward_p.name == "rnea"


# The process around it


def python(script, *, expect="fine", **environment):
    """Run a script in a Python of its own; returns what it prints."""
    preamble = """
        import sys, os
        import numpy as np
        import jax, jax.numpy as jnp, mujoco
        jax.config.update("jax_enable_x64", True)
        import dynamics
        from dynamics.rnea import _rnea_frame
        plain = jax.vmap(_rnea_frame, (None, 0, 0, 0, 0))
        def problem(name, count=21):
            small = mujoco.MjModel.from_xml_string(os.environ["SMALL"])
            model = small if name == "small" else mujoco.MjModel.from_xml_path(name)
            return dynamics.Tree.from_mjmodel(model), *dynamics.random_states(model, count, 8)
        def relative(a, b):
            return np.abs(np.asarray(a) - np.asarray(b)).max() / np.abs(np.asarray(b)).max()
    """
    first, _, rest = script.partition("# then\n") if "# then\n" in script else ("", "", script)
    text = textwrap.dedent(first) + textwrap.dedent(preamble) + textwrap.dedent(rest)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        env=os.environ | {"SMALL": SMALL, "JAX_PLATFORMS": "cpu"} | environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert expect in done.stdout
    return done.stdout


def test_without_llvmlite_everything_runs_through_jax():
    python(
        """
        import sys
        sys.modules["llvmlite"] = None
        # then
        from dynamics import native
        assert not native.serves(np.float64)
        tree, *states = problem("small")
        expected = plain(tree, *states, None)
        assert relative(dynamics.rnea(tree, *states), expected) < 1e-13
        assert relative(jax.jit(dynamics.rnea)(tree, *states), expected) < 1e-13
        bars = jax.jit(jax.grad(lambda q: (dynamics.rnea(tree, q, *states[1:]) ** 2).sum()))(states[0])
        other = jax.jit(jax.grad(lambda q: (plain(tree, q, *states[1:], None) ** 2).sum()))(states[0])
        assert relative(bars, other) < 1e-13
        dense = dynamics.rnea_derivatives(tree, *states)
        frames = [a[0] for a in states]
        qvel = jax.jacfwd(lambda v: _rnea_frame(tree, frames[0], v, frames[2], None))(frames[1])
        assert relative(dense.qvel[0], qvel) < 1e-13
        try:
            dynamics.rnea(tree, states[0] * np.nan, *states[1:])
        except dynamics.StateError:
            print("fine")
        """
    )


def test_programs_that_another_process_has_compiled_give_right_numbers(tmp_path):
    """JAX's persistent cache: the second process takes the first's program after it met another tree."""
    script = """
        if "OTHER" in os.environ:
            tree, *states = problem(os.environ["OTHER"], 5)  # what is counted or kept is different
            jax.jit(dynamics.rnea)(tree, *states)
        tree, *states = problem("small")
        run = jax.jit(jax.value_and_grad(lambda t, *s: (dynamics.rnea(t, *s) ** 2).sum(), (0, 1, 2, 3)))
        value, bars = run(tree, *states)
        tau = dynamics.rnea(tree, *states)
        print(float(value).hex(), [float(jnp.abs(a).sum()).hex() for a in jax.tree.leaves(bars)])
        assert relative(value, (np.asarray(tau) ** 2).sum()) < 1e-13
        print("fine")
    """
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
    }
    first = python(script, **cache)
    entries = {path.name for path in tmp_path.iterdir() if "lambda" in path.name and "atime" not in path.name}
    assert entries
    # The second process compiles no gradient of its own.
    second = python(script, OTHER=str(next(p for p in TREES if p.stem == "two_roots")), **cache)
    again = {path.name for path in tmp_path.iterdir() if "lambda" in path.name and "atime" not in path.name}
    assert again == entries
    assert first == second


def test_several_devices_share_the_frames():
    python(
        """
        from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
        tree, *states = problem("small", 16)
        expected = np.asarray(dynamics.rnea(tree, *states))
        first, second = jax.devices()
        loss = lambda tau: lambda tree, *s: (tau(tree, *s) ** 2).sum()
        bars = jax.grad(loss(dynamics.rnea), (0, 1, 2, 3))(tree, *states)
        leaves = jax.tree.leaves

        # Results lie where the states lie, or where the user wants them.
        moved = [jax.device_put(a, second) for a in states]
        tau = dynamics.rnea(tree, *moved)
        assert tau.devices() == {second} and relative(tau + 0 * moved[1], expected) < 1e-13
        dense = dynamics.rnea_derivatives(tree, *moved)
        assert dense.qvel.devices() == {second}
        with jax.default_device(second):
            assert dynamics.rnea(tree, *states).devices() == {second}
        assert not dynamics.rnea(tree, *states).committed

        mesh = Mesh(np.array(jax.devices()), ("frames",))
        spread = [jax.device_put(a, NamedSharding(mesh, P("frames"))) for a in states]
        for run in (dynamics.rnea, jax.jit(dynamics.rnea)):
            tau = run(tree, *spread)
            assert relative(tau + 0 * spread[1], expected) < 1e-13
        given = jax.jit(jax.grad(loss(dynamics.rnea), (0, 1, 2, 3)))(tree, *spread)
        for a, b in zip(leaves(given), leaves(bars)):
            assert np.abs(a - b).max(initial=0) <= 1e-12 * max(np.abs(b).max(initial=0), 1)

        for check in (True, False):
            shared = jax.shard_map(
                dynamics.rnea, mesh=mesh, in_specs=(P(), *[P("frames")] * 3), out_specs=P("frames"),
                check_vma=check,
            )
            assert relative(jax.jit(shared)(tree, *states), expected) < 1e-13
            given = jax.jit(jax.grad(loss(shared), (0, 1, 2, 3)))(tree, *states)
            for a, b in zip(leaves(given), leaves(bars)):
                assert np.abs(a - b).max(initial=0) <= 1e-12 * max(np.abs(b).max(initial=0), 1), check

        # Enough frames of NumPy arrays.
        many = [np.tile(a, (600, 1)) for a in states]
        assert relative(dynamics.rnea(tree, *many), np.tile(expected, (600, 1))) < 1e-13
        print("fine")
        """,
        XLA_FLAGS="--xla_force_host_platform_device_count=2",
    )


@pytest.mark.slow
def test_several_threads_at_once_get_their_own_results():
    """From the first call on, so that compiling is shared, too."""
    python(
        """
        import threading
        names = ["small", os.environ["OTHER"]] * 4
        given = [problem(name, 2500) for name in names]
        start, failures = threading.Barrier(len(names)), []

        def work(k):
            with jax.enable_x64(True):
                tree, *states = given[k]
                start.wait()
                try:
                    for _ in range(3):
                        made = [dynamics.rnea(tree, *states), jax.jit(dynamics.rnea)(tree, *states)]
                        total = lambda v: dynamics.rnea(tree, states[0], v, states[2]).sum()
                        made.append(jax.grad(total)(states[1]))
                    results[k] = list(map(np.asarray, made))
                except BaseException as error:
                    failures.append(error)

        results = {}
        threads = [threading.Thread(target=work, args=(k,)) for k in range(len(names))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures, failures
        for k, (tree, *states) in enumerate(given):
            at_hand, traced, bars = results[k]
            assert (at_hand == np.asarray(dynamics.rnea(tree, *states))).all()
            assert relative(traced, at_hand) < 1e-13
            for a, b in zip(results[k], results[k % 2]):
                assert (a == b).all()
        few = [a[:20] for a in states]
        assert relative(dynamics.rnea(tree, *few), plain(tree, *few, None)) < 1e-12
        print("fine")
        """,
        OTHER=str(next(p for p in TREES if p.stem == "two_roots")),
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_has_threads_of_its_own_and_ends():
    python(
        """
        import warnings
        from dynamics.native import execution
        execution.cores = lambda: 3  # threads, whatever the machine
        tree, *states = problem("small", 4000)
        expected = np.asarray(dynamics.rnea(tree, *states))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # JAX warns of every fork; values at hand do not enter it
            child = os.fork()
        if child == 0:
            from dynamics import native
            tau, flags = native.tau_and_flags(tree, [a[None] for a in states], np.dtype(float))
            os._exit(0 if flags == 0 and (tau[0] == expected).all() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert relative(dynamics.rnea(tree, *states), expected) == 0
        # What is under way when the interpreter ends must not hold it up.
        last = jax.jit(dynamics.rnea)(tree, *states)
        print("fine")
        """
    )


def test_without_memory_the_caller_is_told(monkeypatch):
    tree, states, _, _ = problem("small")
    expected = np.asarray(dynamics.rnea(tree, *states))

    def fails(*given, **named):
        raise MemoryError("no room for scratch")

    monkeypatch.setattr(library.Compiled, "scratch", fails)
    with pytest.raises(MemoryError, match="no room for scratch"):
        dynamics.rnea(tree, *states)
    monkeypatch.undo()
    np.testing.assert_array_equal(dynamics.rnea(tree, *states), expected)


def test_inside_jit_every_piece_is_computed_before_the_result_is_used():
    """Many pieces, of many bodies too, again and again: what a thread left out would be old memory."""
    tree, states, _, _ = problem("small", 6000)
    run = jax.jit(dynamics.rnea)
    gradient = jax.jit(jax.grad(lambda m, *s: (dynamics.rnea(tree.replace(masses=m), *s) ** 2).sum()))
    bodies = jax.jit(jax.vmap(lambda m, *s: dynamics.rnea(tree.replace(masses=m), *s)))
    masses = np.asarray(tree.masses)
    many = (np.outer(np.linspace(1, 2, 300), masses), *(a.reshape(300, 20, -1) for a in states))
    first = [np.asarray(made) for made in (run(tree, *states), gradient(masses, *states), bodies(*many))]
    np.testing.assert_allclose(first[0], dynamics.rnea(tree, *states), rtol=0, atol=1e-12)
    for k in (0, 150, 299):
        alone = dynamics.rnea(tree.replace(masses=many[0][k]), *(a[k] for a in many[1:]))
        np.testing.assert_allclose(first[2][k], alone, rtol=0, atol=1e-12)
    for _ in range(50):
        again = run(tree, *states), gradient(masses, *states), bodies(*many)
        for a, b in zip(again, first):
            np.testing.assert_array_equal(a, b)


def test_the_handler_tells_its_version_before_xla_hands_out_its_table():
    """As jaxlib 0.8 asks: by a call frame (xla/ffi/api/c_api.h) whose pointer to that table is null."""
    metadata, extension, frame = ((ctypes.c_int64 * 16)() for _ in range(3))
    extension[1], extension[3] = 1, ctypes.addressof(metadata)  # its kind; where the answer goes
    frame[1] = ctypes.addressof(extension)
    address = library.forward(np.dtype(np.float64), False).handler
    assert ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(address)(ctypes.addressof(frame)) is None
    header = (Path(jax.ffi.include_dir()) / "xla/ffi/api/c_api.h").read_text()
    told = np.frombuffer(metadata, np.int32)[6:8]
    for part, number in zip(("MAJOR", "MINOR"), told):
        assert f"#define XLA_FFI_API_{part} {number}\n" in header
