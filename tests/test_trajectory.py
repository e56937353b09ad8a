"""Smoothing and differentiation of a recorded motion: the cutoff, the manifold, the ends, bad input."""

from pathlib import Path

import jax
import mujoco
import numpy as np
import pytest
from scipy.interpolate import make_interp_spline

import dynamics
from dynamics import so3

TREES = Path(__file__).parent / "data" / "trees"
ROD = """<mujoco><worldbody>
  <body><joint name="rail" type="slide"/><geom size=".1"/></body>
  <body name="float"><freejoint name="root"/><geom size=".1"/>
    <body pos="1 0 0"><joint name="ball" type="ball"/><geom size=".1"/></body></body>
</worldbody></mujoco>"""
POSITION, ROOT, ROOT_TURN, BALL = slice(0, 1), slice(1, 4), slice(4, 8), slice(8, 12)
RATE, ROOT_RATE, ROOT_SPIN, BALL_SPIN = slice(0, 1), slice(1, 4), slice(4, 7), slice(7, 10)


@pytest.fixture(scope="module")
def model():
    return mujoco.MjModel.from_xml_string(ROD)


def motion(t):
    """Smooth motion of ROD at times t (T,): moderate frequencies, wide rotations."""
    qpos = np.empty((len(t), 12))
    qpos[:, POSITION] = np.sin(5 * t)[:, None]
    qpos[:, ROOT] = np.stack([np.sin(3 * t), np.cos(4 * t), t], axis=-1)
    for columns, k in [(ROOT_TURN, 1.0), (BALL, -1.5)]:
        swing = so3.exp(np.stack([2 * np.sin(k * t), np.cos(2 * t), 0 * t], axis=-1))
        spin = so3.exp(np.stack([0 * t, k * t, 1.5 * np.sin(3 * t)], axis=-1))
        qpos[:, columns] = so3.multiply(swing, spin)
    return qpos


def with_random_signs(qpos):
    flipped = qpos.copy()
    for columns in (ROOT_TURN, BALL):
        flipped[1:, columns] *= np.random.default_rng(0).choice([-1, 1], size=(len(qpos) - 1, 1))
    return flipped


# The filter


@pytest.mark.parametrize(
    ("cutoff", "fps"), [(6, 30), (6, 120), (0.5, 30), (3, 100), (14, 30), (14.7, 30), (59, 120), (25, 60.5)]
)
def test_gain_at_the_stated_cutoff_is_minus_3_db_without_lag(model, cutoff, fps):
    frames = 3000
    t = np.arange(frames) / fps
    angle = 2 * np.pi * cutoff * t + 0.3  # so that near the Nyquist frequency no phase hides
    qpos = np.zeros((frames, 12))
    qpos[:, POSITION] = np.sin(angle)[:, None]
    qpos[:, ROOT_TURN] = [1, 0, 0, 0]
    qpos[:, BALL] = so3.exp(1e-4 * np.sin(angle)[:, None] * np.array([0.6, 0, 0.8]))  # far below a radian
    smooth = dynamics.trajectory(model, qpos, fps, cutoff).qpos[500:-500]
    basis = np.stack([np.sin(angle), np.cos(angle)], axis=-1)[500:-500]
    for signal in (smooth[:, 0], so3.log(smooth[:, BALL])[:, 0] / 0.6e-4):
        in_phase, lag = np.linalg.lstsq(basis, signal, rcond=None)[0]
        assert in_phase == pytest.approx(np.sqrt(0.5), abs=1e-3)
        assert abs(lag) < 1e-3


def test_slow_motion_passes_and_fast_noise_does_not(model):
    t = np.arange(600) / 120
    slow = motion(t / 4)
    noise = 1e-3 * np.cos(2 * np.pi * 50 * t)
    noisy = slow.copy()
    noisy[:, POSITION] += noise[:, None]
    result = dynamics.trajectory(model, noisy, fps=120, cutoff=6)
    clean = dynamics.trajectory(model, slow, fps=120, cutoff=6)
    # Gain 1 / (1 + (sqrt(2) - 1) r^4) with r = tan(pi 50 / 120) / tan(pi 6 / 120): 2e-6 of the 1e-3.
    assert np.abs(result.qpos - clean.qpos)[100:-100].max() < 1e-8
    assert np.abs(result.qpos - slow)[result.valid].max() < 1e-3


# The manifold


@pytest.mark.parametrize("cutoff", [6.0, None])
def test_a_constant_spin_stays_the_same_spin_up_to_the_ends(model, cutoff):
    omega = np.array([0.3, 2.0, -3.0])
    t = np.arange(150) / 100
    qpos = motion(t)
    qpos[:, ROOT_TURN] = so3.multiply(so3.exp(np.array([0.4, -1.0, 2.0])), so3.exp(omega * t[:, None]))
    result = dynamics.trajectory(model, qpos, fps=100, cutoff=cutoff)
    np.testing.assert_allclose(result.qpos[:, ROOT_TURN], qpos[:, ROOT_TURN], atol=1e-9)
    # What is left is the spline's: (half angle a frame)^5 and less.
    np.testing.assert_allclose(result.qvel[:, ROOT_SPIN], np.tile(omega, (150, 1)), atol=1e-7)
    np.testing.assert_allclose(result.qacc[5:-5, ROOT_SPIN], 0, atol=1e-6)


@pytest.mark.parametrize("cutoff", [6.0, None])
def test_signs_of_the_recorded_quaternions_do_not_matter(model, cutoff):
    qpos = motion(np.arange(100) / 60)
    plain = dynamics.trajectory(model, qpos, 60, cutoff)
    flipped = dynamics.trajectory(model, with_random_signs(qpos), 60, cutoff)
    for name in ("qpos", "qvel", "qacc", "valid"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(flipped, name))


def test_without_a_filter_the_positions_are_those_recorded(model):
    qpos = motion(np.arange(100) / 60)
    result = dynamics.trajectory(model, qpos, 60, None)
    np.testing.assert_allclose(result.qpos, qpos, atol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(result.qpos[:, BALL], axis=-1), 1, atol=1e-15)


@pytest.mark.parametrize("name", ["human_tree", "two_roots", "offset_joints"])
def test_velocity_is_mujocos_and_acceleration_its_derivative(name):
    """Judged by mj_differentiatePos over 1e-4 s around each frame of a motion that MuJoCo integrates."""
    model = mujoco.MjModel.from_xml_path(str(TREES / f"{name}.xml"))
    rng = np.random.default_rng(1)
    start = dynamics.random_states(model, 1, seed=1).qpos[0]
    amplitude, phase = rng.normal(size=(2, model.nv))
    step = 1e-4

    def velocity(t):
        return amplitude * np.cos(3 * t + phase)

    # mj_integratePos over 2 h at the midpoint's velocity: second order, error about 1e-8.
    fine = [start]
    for k in range(4000):
        qpos = fine[-1].copy()
        mujoco.mj_integratePos(model, qpos, velocity((k + 0.5) * step), step)
        fine.append(qpos)
    fine = np.array(fine)
    every = 50
    result = dynamics.trajectory(model, fine[::every], fps=1 / (every * step), cutoff=None)
    for i in range(10, len(result.time) - 10, 7):
        at = i * every
        judged = np.empty(model.nv)
        mujoco.mj_differentiatePos(model, judged, 2 * step, fine[at - 1], fine[at + 1])
        np.testing.assert_allclose(result.qvel[i], judged, atol=1e-6)
        np.testing.assert_allclose(result.qvel[i], velocity(at * step), atol=1e-6)
        np.testing.assert_allclose(result.qacc[i], -3 * amplitude * np.sin(3 * at * step + phase), atol=1e-4)


@pytest.mark.parametrize("cutoff", [6.0, None])
def test_the_choice_of_world_and_body_frames_does_not_matter(model, cutoff):
    qpos = motion(np.arange(80) / 60)
    plain = dynamics.trajectory(model, qpos, 60, cutoff)
    yaw, mount = so3.exp(np.array([0, 0, 2.0])), so3.exp(np.array([0.5, -1.0, 0.3]))
    turned = qpos.copy()
    turned[:, ROOT] = so3.rotate(yaw, qpos[:, ROOT])
    turned[:, ROOT_TURN] = so3.multiply(yaw, so3.multiply(qpos[:, ROOT_TURN], mount))
    result = dynamics.trajectory(model, turned, 60, cutoff)
    for name in ("qvel", "qacc"):
        was, now = getattr(plain, name), getattr(result, name)
        scale = np.abs(was).max()
        np.testing.assert_allclose(now[:, ROOT_RATE], so3.rotate(yaw, was[:, ROOT_RATE]), atol=1e-11 * scale)
        unmounted = so3.rotate(mount, now[:, ROOT_SPIN])
        np.testing.assert_allclose(unmounted, was[:, ROOT_SPIN], atol=1e-11 * scale)


# The spline


def test_polynomials_up_to_the_fifth_degree_are_exact_up_to_the_ends(model):
    t = np.arange(40) / 30
    polynomial = np.polynomial.Polynomial([0.1, -2, 3, 0.5, -4, 1])
    qpos = motion(t)
    qpos[:, 0] = polynomial(t)
    result = dynamics.trajectory(model, qpos, 30, None)
    np.testing.assert_allclose(result.qvel[:, 0], polynomial.deriv(1)(t), atol=1e-11)
    np.testing.assert_allclose(result.qacc[:, 0], polynomial.deriv(2)(t), atol=1e-9)


def test_the_spline_keeps_what_central_differences_lose(model):
    """The two numbers that the docstring states: 12 % too little, .5 % too much (6 Hz, 30 fps)."""
    t = np.arange(200) / 30
    w = 2 * np.pi * 6
    qpos = motion(t)
    qpos[:, 0] = np.sin(w * t)
    spline = dynamics.trajectory(model, qpos, 30, None).qacc[20:-20, 0]
    central = (qpos[2:, 0] - 2 * qpos[1:-1, 0] + qpos[:-2, 0])[19:-19] * 30**2
    truth = -(w**2) * np.sin(w * t[20:-20])
    assert 1 - central @ truth / (truth @ truth) == pytest.approx(0.124, abs=0.005)
    assert 1 - spline @ truth / (truth @ truth) == pytest.approx(-0.005, abs=0.0005)


def test_spin_is_that_of_the_spline_brought_back_to_the_sphere(model):
    """So coarse a recording that the spline leaves the unit sphere: derivatives are still the curve's own."""
    fps, step = 4.0, 1e-4
    t = np.arange(20) / fps
    qpos = motion(t)
    # In time, not frames, and differentiated by MuJoCo: nothing of our formula is used.
    spline = make_interp_spline(t, qpos[:, BALL], k=5)
    assert np.abs((spline(t) * spline(t, 1)).sum(-1)).max() > 0.01
    result = dynamics.trajectory(model, qpos, fps, None)

    def spin(at):
        curve, judged = spline([at - step, at + step]), np.empty(model.nv)
        poses = np.tile(model.qpos0, (2, 1))
        poses[:, BALL] = curve / np.linalg.norm(curve, axis=-1, keepdims=True)
        mujoco.mj_differentiatePos(model, judged, 2 * step, *poses)
        return judged[BALL_SPIN]

    for i in range(2, 18):
        np.testing.assert_allclose(result.qvel[i, BALL_SPIN], spin(t[i]), atol=1e-5)
        acceleration = (spin(t[i] + step) - spin(t[i] - step)) / (2 * step)
        np.testing.assert_allclose(result.qacc[i, BALL_SPIN], acceleration, atol=1e-4)


# The ends


@pytest.mark.parametrize(
    ("cutoff", "fps"), [(6.0, 30.0), (6.0, 120.0), (None, 60.0), (20.0, 120.0), (14.0, 30.0)]
)
def test_valid_frames_rest_on_the_recording(model, cutoff, fps):
    """Change what a recording would have gone on with: valid accelerations move by 1 % at most."""
    frames = 400
    rng = np.random.default_rng(2)
    longer = np.zeros((frames + 400, 12))
    longer[:, ROOT_TURN] = longer[:, BALL] = [1, 0, 0, 0]
    longer[:, 0] = rng.choice([-1.0, 1.0], size=len(longer))  # the worst there is for absolute weights
    inner = slice(200, 200 + frames)
    full = dynamics.trajectory(model, longer, fps, cutoff)
    cut = dynamics.trajectory(model, longer[inner], fps, cutoff)
    assert len(cut.time) == len(cut.valid) == len(cut.qpos) == len(cut.qvel) == len(cut.qacc) == frames
    lost = np.abs(cut.qacc[:, 0] - full.qacc[inner, 0])
    # The unknown samples are at most 3 (a point reflection of -1 .. 1) away from those extrapolated.
    scale = np.abs(full.qacc[:, 0]).max()
    assert lost[cut.valid].max() < 0.04 * scale
    count = np.flatnonzero(cut.valid)
    assert cut.valid[count[0] : count[-1] + 1].all()
    assert 0 < count[0] == frames - 1 - count[-1]
    if cutoff == 6.0:  # as the docstring says
        assert count[0] / fps == pytest.approx({30: 0.17, 120: 0.13}[fps], abs=0.005)


@pytest.mark.parametrize(("cutoff", "needed"), [(6.0, 12), (None, 11)])
def test_the_shortest_clip_has_a_valid_frame_and_a_shorter_one_is_refused(model, cutoff, needed):
    qpos = motion(np.arange(needed) / 30)
    assert dynamics.trajectory(model, qpos, 30, cutoff).valid.any()
    message = f"the clip has {needed - 1} frames; .* needs at least {needed} "
    with pytest.raises(dynamics.TrajectoryError, match=message):
        dynamics.trajectory(model, qpos[1:], 30, cutoff)


# Bad input


@pytest.mark.parametrize("cutoff", [0, -1, 15, 15.1, np.nan, np.inf])
def test_a_cutoff_out_of_range_is_refused_with_the_range(model, cutoff):
    with pytest.raises(dynamics.TrajectoryError, match=r"accepted: from 0.003 Hz to below .* 15 Hz"):
        dynamics.trajectory(model, motion(np.arange(50) / 30), 30, cutoff)


@pytest.mark.parametrize("fps", [0, -30, np.nan, np.inf, None, "30"])
def test_a_frame_rate_out_of_range_is_refused(model, fps):
    with pytest.raises(dynamics.TrajectoryError, match=r"fps is .*; accepted: a finite number"):
        dynamics.trajectory(model, motion(np.arange(50) / 30), fps)


def test_nan_wrong_shapes_and_long_quaternions_are_refused_by_name(model):
    qpos = motion(np.arange(50) / 30)
    for bad, message in [
        (
            np.where(np.arange(600).reshape(50, 12) == 7 * 12 + 2, np.nan, qpos),
            "'root' is not finite at frame 7;",
        ),
        (qpos[:, :-1], r"qpos has shape \(50, 11\); this model needs \(T, 12\)"),
        (qpos[0], r"qpos has shape \(12,\); this model needs \(T, 12\)"),
        (
            qpos * np.where(np.arange(12) >= 8, 1.01, 1),
            r"joint 'ball' has length 1.01 at frames 0, 1",
        ),
    ]:
        with pytest.raises(dynamics.StateError, match=message):
            dynamics.trajectory(model, bad, 30)


def test_a_trajectory_is_a_pytree_and_input_stays_as_it_was(model):
    qpos = motion(np.arange(50) / 30)
    before = qpos.copy()
    result = dynamics.trajectory(model, qpos, fps=30)
    np.testing.assert_array_equal(qpos, before)
    assert len(jax.tree.leaves(result)) == 5
    assert result.time[1] == pytest.approx(1 / 30)
    with pytest.raises(AttributeError):
        result.time = None
