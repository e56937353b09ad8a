"""MuJoCo's engines behind the common call: threads, blocks, devices, compilations; bad input to every one."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import mujoco
import numpy as np
import pytest

import dynamics
from dynamics.mujoco_inverse import _FRAMES_FOR_COPIES, COPIES

TREES = sorted((Path(__file__).parent / "data" / "trees").glob("*.xml"))
ROOT = Path(__file__).parents[1]
# Every joint type, and a body without joint, in little to compile.
SMALL = """<mujoco><option gravity="1 2 -9"><flag contact="disable"/></option><worldbody>
<body name="base"><freejoint name="root"/><geom size=".1" pos=".1 0 0"/>
<body name="arm" pos=".3 0 0"><joint name="shoulder" type="ball"/><geom size=".1" pos=".2 0 .1"/>
<body name="hand" pos=".2 0 0"><joint name="wrist" axis="0 1 0" pos=".1 0 0" armature=".02"/>
<joint name="rail" type="slide" axis="1 0 1"/><geom size=".05" pos=".1 .1 0"/></body></body></body>
<body name="post"><geom size=".1"/></body></worldbody></mujoco>"""

# The least that MJX compiles, where it must do so several times.
PENDULUM = "<mujoco><worldbody><body><joint/><geom size='.1' pos='.1 0 0'/></body></worldbody></mujoco>"


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="module")
def small():
    return mujoco.MjModel.from_xml_string(SMALL)


def relative(a, b):
    return np.abs(np.asarray(a) - np.asarray(b)).max() / np.abs(b).max()


def mj_inverse(model, states):
    """MuJoCo's own call in a loop, on a model without springs, dampers, limits and contacts."""
    data = mujoco.MjData(model)
    tau = np.empty_like(states.qvel)
    for i, (qpos, qvel, qacc) in enumerate(zip(*states)):
        data.qpos, data.qvel, data.qacc = qpos, qvel, qacc
        mujoco.mj_inverse(model, data)
        tau[i] = data.qfrc_inverse
    return tau


# mujoco_inverse


@pytest.mark.parametrize("path", TREES, ids=lambda path: path.stem)
def test_many_frames_in_one_call_are_what_mj_inverse_finds_one_by_one(path):
    model = mujoco.MjModel.from_xml_path(str(path))
    for flag in ("CONSTRAINT", "SPRING", "DAMPER"):
        model.opt.disableflags |= int(getattr(mujoco.mjtDisableBit, f"mjDSBL_{flag}"))
    model.opt.density = model.opt.viscosity = 0
    # Not a multiple of what one call computes, so that the rest goes frame by frame.
    states = dynamics.random_states(model, _FRAMES_FOR_COPIES + COPIES - 1, seed=0)
    tau = dynamics.mujoco_inverse(model, *states)
    # Both sum in the same order but for armature, so a few roundings at most.
    assert relative(tau, mj_inverse(model, states)) <= 1e-14


@pytest.mark.parametrize("inverse", ["mujoco_inverse", "full_inverse"])
def test_numbers_do_not_depend_on_threads(inverse, small):
    states = dynamics.random_states(small, _FRAMES_FOR_COPIES + 5, seed=1)

    def tau(threads, count):
        found = getattr(dynamics, inverse)(small, *(a[:count] for a in states), threads=threads)
        return found if inverse == "mujoco_inverse" else found.total

    for count in (1, 2, 50, len(states.qpos)):
        for threads in (2, 3, 7, np.int64(64), None):
            np.testing.assert_array_equal(tau(threads, count), tau(1, count))


@pytest.mark.parametrize("inverse", ["mujoco_inverse", "full_inverse"])
@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_threads_out_of_range_are_refused(inverse, threads, small):
    with pytest.raises(dynamics.StateError, match=f"threads is {threads!r}; accepted: .* 1 or more"):
        getattr(dynamics, inverse)(small, *dynamics.random_states(small, 1, seed=0), threads=threads)


def test_another_body_of_the_same_topology_gets_its_own_numbers(small):
    states = dynamics.random_states(small, _FRAMES_FOR_COPIES, seed=2)
    first = dynamics.mujoco_inverse(small, *states)
    other = mujoco.MjModel.from_xml_string(SMALL.replace('pos=".2 0 .1"', 'pos=".2 .1 .1" mass="3"'))
    assert relative(dynamics.mujoco_inverse(other, *states), mj_inverse(other, states)) <= 1e-14
    np.testing.assert_array_equal(dynamics.mujoco_inverse(small, *states), first)


def test_massless_bodies_edited_into_a_model_are_computed(small):
    model = mujoco.MjModel.from_xml_string(SMALL)
    model.body_mass[:], model.body_inertia[:] = 0, 0
    states = dynamics.random_states(model, 3, seed=3)
    np.testing.assert_allclose(dynamics.mujoco_inverse(model, *states), model.dof_armature * states.qacc)


# mjx_inverse


def test_mjx_compiles_once_for_any_number_of_frames_and_any_body(small, monkeypatch):
    module = sys.modules[dynamics.mjx_inverse.__module__]
    traces = []
    inverse = module.mjx.inverse
    monkeypatch.setattr(module.mjx, "inverse", lambda *given: traces.append(1) or inverse(*given))
    module._mjx_frames.clear_cache()
    other = mujoco.MjModel.from_xml_string(
        SMALL.replace('pos=".2 0 .1"', 'pos=".2 .1 .1"').replace('armature=".02"', "").replace("9", "3")
    )
    for model in (small, other):
        for count in (1, 80, 300):
            states = dynamics.random_states(model, count, seed=count)
            tau = dynamics.mjx_inverse(model, *states)
            assert isinstance(tau, jax.Array)
            assert tau.dtype == np.float64
            assert relative(tau, mj_inverse(model, states)) <= 1e-12
            on_device = dynamics.mjx_inverse(model, *map(jax.numpy.asarray, states))
            np.testing.assert_array_equal(on_device, tau)
    assert len(traces) == 1
    assert dynamics.mjx_inverse(small, *(a[:0] for a in states)).shape == (0, small.nv)


def test_mjx_traces_under_jit_and_differentiates(small):
    states = dynamics.random_states(small, 3, seed=4)

    def loss(qacc):
        return (dynamics.mjx_inverse(small, states.qpos, states.qvel, qacc) ** 2).sum()

    gradient = jax.jit(jax.grad(loss))(states.qacc)
    # The loss is quadratic in qacc, so central differences are exact but for rounding.
    step = np.zeros_like(states.qacc)
    step[1, 4] = 1e-3
    difference = (loss(states.qacc + step) - loss(states.qacc - step)) / 2e-3
    assert abs(gradient[1, 4] - difference) <= 1e-9 * np.abs(gradient).max()


def test_mjx_shares_frames_among_devices():
    code = f"""
import jax, mujoco, numpy as np, dynamics
jax.config.update("jax_enable_x64", True)
assert len(jax.devices()) == 2
model = mujoco.MjModel.from_xml_string('''{PENDULUM}''')
states = dynamics.random_states(model, 700, seed=5)
module = __import__("sys").modules[dynamics.mjx_inverse.__module__]
used = []
program = module._program
def spied(devices):
    inverse, place = program(devices)
    def on_devices(*given):
        tau = inverse(*given)
        used.append({{shard.device for shard in tau.addressable_shards}})
        return tau
    return on_devices, place
module._program = spied
for arrays in (states, [jax.numpy.asarray(a) for a in states]):
    used.clear()
    tau = dynamics.mjx_inverse(model, *arrays)
    judge = dynamics.mujoco_inverse(model, *states)
    assert abs(tau - judge).max() <= 1e-12 * abs(judge).max()
    assert used and all(devices == set(jax.devices()) for devices in used), used
    assert tau.devices() == {{jax.devices()[0]}}
with jax.default_device(jax.devices()[1]):  # the user's choice goes before ours
    used.clear()
    tau = dynamics.mjx_inverse(model, *states)
    assert tau.devices() == {{jax.devices()[1]}}
    assert all(devices == {{jax.devices()[1]}} for devices in used), used
"""
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env={**os.environ, **flags})


# Bad input, the same lines from every engine


def native(model, *states):
    return dynamics.rnea(dynamics.Tree.from_mjmodel(model), *states)


def full(model, *states):
    return dynamics.full_inverse(model, *states).total


ENGINES = {
    "native": native,
    "mjx": dynamics.mjx_inverse,
    "mujoco": dynamics.mujoco_inverse,
    "full": full,
}


def edited(array, at, value):
    array = array.copy()
    array[at] = value
    return array


BAD = {
    "too few columns": (
        lambda q, v, a: (q[:, :-1], v, a),
        r"qpos has shape \(6, 12\), qvel \(6, 11\), qacc \(6, 11\); this model needs \(\.\.\., 13\)",
    ),
    "other leading axes": (
        lambda q, v, a: (q, v, a[:5]),
        r"qpos has shape \(6, 13\), qvel \(6, 11\), qacc \(5, 11\); .* with the same leading axes",
    ),
    "one frame too deep": (lambda q, v, a: (q, v[0], a), r"qvel \(11,\), qacc \(6, 11\)"),
    "a number": (lambda q, v, a: (1.0, v, a), r"qpos has shape \(\)"),
    "rows of different lengths": (lambda q, v, a: ([[1, 2], [3]], v, a), "qpos is not an array"),
    "text": (lambda q, v, a: (q, v.astype(str), a), "qvel holds <U.*; accepted: real numbers"),
    "complex numbers": (lambda q, v, a: (q, v, a * 1j), "qacc holds complex128; accepted: real numbers"),
    "mixed float types": (
        lambda q, v, a: (q, v.astype(np.float32), a),
        "mixed float types: qpos float64, qvel float32, qacc float64",
    ),
    "NaN in a quaternion": (
        lambda q, v, a: (edited(q, (4, 8), np.nan), v, a),
        "qpos of joint 'shoulder' is not finite at frame 4; every entry must be a finite number",
    ),
    "NaN in two frames": (
        lambda q, v, a: (q, edited(edited(v, (2, 9), np.nan), (5, 9), np.nan), a),
        "qvel of joint 'wrist' is not finite at frames 2, 5",
    ),
    "infinity": (
        lambda q, v, a: (q, v, edited(a, (0, 10), np.inf)),
        "qacc of joint 'rail' is not finite at frame 0",
    ),
    "a quaternion of length 2": (
        lambda q, v, a: (edited(q, (3, slice(7, 11)), [0, 2, 0, 0]), v, a),
        "the quaternion of joint 'shoulder' has length 2 at frame 3; accepted: 1 within 0.001",
    ),
    "a quaternion of zeros": (
        lambda q, v, a: (edited(q, (3, slice(3, 7)), 0), v, a),
        "the quaternion of joint 'root' has length 0 at frame 3",
    ),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("what", BAD)
def test_bad_states_are_refused_in_one_clear_line(engine, what, small):
    spoil, message = BAD[what]
    states = spoil(*dynamics.random_states(small, 6, seed=6))
    with pytest.raises(dynamics.StateError, match=message) as caught:
        ENGINES[engine](small, *states)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("engine", ENGINES)
def test_quaternions_within_the_tolerance_are_normalised(engine, small):
    states = dynamics.random_states(small, 6, seed=7)
    scaled = states.qpos.copy()
    scaled[:, 3:7] *= 1 + 0.9e-3
    scaled[:, 7:11] *= 1 - 0.9e-3
    expected = ENGINES[engine](small, *states)
    assert relative(ENGINES[engine](small, scaled, states.qvel, states.qacc), expected) <= 1e-14
    scaled[:, 3:7] *= 1.001
    with pytest.raises(
        dynamics.StateError, match=r"frames 0, 1, 2, 3, 4, \.\.\. \(6 frames\); accepted: 1 within"
    ):
        ENGINES[engine](small, scaled, states.qvel, states.qacc)


@pytest.mark.parametrize("engine", ENGINES)
def test_lists_and_whole_numbers_are_accepted(engine, small):
    qpos = small.qpos0.astype(int).tolist()
    tau = ENGINES[engine](small, qpos, [0] * small.nv, np.zeros(small.nv))
    np.testing.assert_array_equal(tau, ENGINES[engine](small, small.qpos0, *np.zeros((2, small.nv))))
