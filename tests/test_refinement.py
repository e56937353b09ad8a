"""Refinement judged by dense Gaussian algebra, MuJoCo, finite differences, exact limits and clean motions."""

import argparse
import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest
from scipy.interpolate import BSpline
from scipy.optimize import check_grad, rosen, rosen_der
from scipy.spatial.transform import Rotation

import analysis
import smpl2mjcf
from analysis import lbfgs, refine, refine_verb, score
from analysis.adam_refinement import Settings as AdamSettings
from analysis.map_refinement import Settings as MapSettings
from analysis.refinement import METHODS
from analysis.torque_objective import FEWEST_FRAMES, Clip, stencil_torques
from dynamics import Error as DynamicsError
from dynamics import mujoco_inverse
from dynamics.precision import double_precision
from dynamics.smoothing import smooth

MIXED = """<mujoco><worldbody><body><freejoint name="root"/><geom size=".1" mass="1"/>
  <body pos="0 0 .3"><joint name="knee" type="hinge" axis="0 1 0"/><geom size=".1" mass="1"/>
    <body pos="0 0 .3"><joint name="ball" type="ball"/><geom size=".1" mass="1"/>
      <body pos="0 0 .3"><joint name="rail" type="slide" axis="1 0 0"/><geom size=".1" mass="1"/>
</body></body></body></body></worldbody></mujoco>"""

QUICK = {"map": MapSettings(iterations=8), "adam": AdamSettings(iterations=50)}


@pytest.fixture(scope="module")
def mixed():
    """A free, a hinge, a ball and a slide joint."""
    return mujoco.MjModel.from_xml_string(MIXED)


@pytest.fixture(scope="module")
def benchmark():
    """benchmarks/refinement.py and, as its attribute, recovery.py: the clips, noise and scores."""
    folder = Path(__file__).parent.parent / "benchmarks"
    modules = {}
    for name in ("recovery", "refinement"):
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        module = modules[name] = importlib.util.module_from_spec(spec)
        held, sys.modules[name] = sys.modules.get(name), module  # dataclasses and the second look it up
        spec.loader.exec_module(module)
        if name == "refinement" and held is not None:
            sys.modules[name] = held
    return modules["refinement"]


@pytest.fixture(scope="module")
def squat(benchmark):
    """The clean squat at 30 frames a second, and the same with white noise of .05 rad."""
    clean = benchmark.recovery.clip("squat").at(30.0)
    return clean, benchmark.recovery.perturbed(clean, benchmark.recovery.NOISES["white .05"], 0)


def mixed_motion(frames=60, fps=30.0, noise=0.02, seed=0):
    """qpos (T, 13) of the mixed model with noise on every number and rotation."""
    t = np.arange(frames)[:, None] / fps
    rng = np.random.default_rng(seed)

    def noisy(vectors):
        return Rotation.from_rotvec(vectors) * Rotation.from_rotvec(noise * rng.normal(size=(frames, 3)))

    root = noisy(0.3 * np.sin(4 * t) * [1, 0, 0.5]).as_quat(scalar_first=True)
    ball = noisy(np.sin(5 * t + [0, 1, 2]) * [0.9, 0.3, 0.6]).as_quat(scalar_first=True)
    place = np.hstack([0.5 * t, 0.1 * np.sin(6 * t), 1 + 0.05 * np.cos(6 * t)])
    numbers = [0.7 * np.sin(6 * t), 0.1 * np.cos(5 * t)]
    knee, rail = (values + noise * rng.normal(size=values.shape) for values in numbers)
    return np.hstack([place, root, knee, ball, rail])


# The search


def test_lbfgs_finds_rosenbrocks_minimum():
    found = lbfgs.minimize(lambda x: (rosen(x), rosen_der(x)), np.full(6, -0.5), 500, 0.0)
    np.testing.assert_allclose(found.x, np.ones(6), atol=1e-6)  # gradient of 1e-7 at curvature of .4
    assert found.steps < 500


def test_lbfgs_solves_a_quadratic_as_linear_algebra_does():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(40, 40))
    hessian, centre = root @ root.T + np.eye(40), rng.normal(size=40)

    def function(x):
        return 0.5 * (x - centre) @ hessian @ (x - centre), hessian @ (x - centre)

    found = lbfgs.minimize(function, np.zeros(40), 1000, 0.0)
    np.testing.assert_allclose(found.x, centre, atol=1e-5)


def test_lbfgs_stays_where_the_gradient_is_zero():
    found = lbfgs.minimize(lambda x: (0.0, np.zeros(3)), np.ones(3), 10)
    assert found.steps == 0
    np.testing.assert_array_equal(found.x, np.ones(3))


# The posterior, the torques and their gradient


def test_the_spread_is_the_smoothers_posterior(mixed):
    """Its covariance is sigma^2 K R: K the smoother's weights on the samples, R the noise's correlation."""
    qpos = mixed_motion(40)
    clip = Clip.of(mixed, qpos, 30.0, sigma=0.02, rho=0.3)
    found = smooth(mixed, qpos, 30.0, sigma=0.02, rho=0.3)
    correlation = 0.3 ** np.abs(np.subtract.outer(np.arange(40), np.arange(40)))
    shape = clip.mean.shape
    dof = 7  # the ball's first
    moves = []
    for k in range(shape[0]):
        z = np.zeros(shape)
        z[k, dof] = 1.0
        coefficients = clip.spread(z)[:, dof]
        moves.append(np.convolve(coefficients, np.array([1, 26, 66, 26, 1]) / 120, "valid"))
    covariance = np.transpose(moves) @ np.array(moves)
    weights = found.kernels.rows(found.kernels.groups[dof])[0]
    expected = clip.noise.sigma[dof] ** 2 * weights @ correlation
    np.testing.assert_allclose(covariance, expected, atol=1e-9 * expected.max())


def test_without_spread_the_poses_are_the_smoothers(mixed):
    clip = Clip.of(mixed, mixed_motion(), 30.0)
    np.testing.assert_allclose(clip.poses(clip.mean), clip.smoothed.qpos, atol=1e-12)  # rounding
    np.testing.assert_allclose(
        clip.smoothed.qpos, smooth(mixed, mixed_motion(), 30.0).trajectory.qpos, atol=1e-12
    )


def test_torques_are_mujocos_of_the_three_point_stencil(mixed):
    qpos = mixed_motion()
    path = smooth(mixed, qpos, 30.0, "three-point").trajectory
    expected = mujoco_inverse(mixed, path.qpos, path.qvel, path.qacc)[1:-1]
    with double_precision():
        tau = np.asarray(stencil_torques(Clip.of(mixed, qpos, 30.0).tree, path.qpos, 30.0))
    np.testing.assert_allclose(tau, expected, atol=1e-9 * np.abs(expected).max())


# Filled up to a whole program, and as long as one.
@pytest.mark.parametrize(("frames", "coordinated"), [(50, True), (64, False)])
def test_the_gradient_is_that_of_finite_differences(mixed, frames, coordinated):
    clip = Clip.of(mixed, mixed_motion(frames), 30.0)
    clip = clip.coordinated(0.2) if coordinated else clip
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.5, 1, size=(frames - 3, mixed.nv))

    def value(z):
        tau = clip.torques(clip.mean + clip.spread(z.reshape(clip.mean.shape)))
        return (weights * np.diff(tau, axis=0) ** 2).sum() / 2

    def gradient(z):
        rough, by_coefficients = clip.roughness(clip.mean + clip.spread(z.reshape(clip.mean.shape)), weights)
        assert rough == pytest.approx(value(z), rel=1e-10)
        return clip.pulled(by_coefficients).ravel()

    z = 0.3 * rng.normal(size=clip.mean.size)
    size = np.linalg.norm(gradient(z))
    for _ in range(4):
        direction = rng.normal(size=z.size)
        direction /= np.linalg.norm(direction)
        error = check_grad(
            lambda s, d=direction: value(z + s[0] * d),
            lambda s, d=direction: [gradient(z + s[0] * d) @ d],
            [0.0],
            epsilon=1e-6,
        )
        assert error < 1e-4 * size  # forward differences


# Rotations that move together


def dense_posterior(frames, fps, rho, level):
    """(T, T) covariance of a smoothing spline's posterior for noise of 1, by dense matrices."""
    knots = np.arange(-5.0, frames + 5)
    splines = BSpline(knots, np.eye(frames + 4), 5)
    values = splines(np.arange(frames))
    points, weights = np.polynomial.legendre.leggauss(8)
    times = (np.arange(frames - 1)[:, None] + (points + 1) / 2).ravel()
    roughness = np.zeros((frames + 4, frames + 4))
    corner = (2 * np.pi * 3.0 / fps) ** 2
    prior = {2: corner**2, 3: 2 * corner, 4: 1.0}
    for order, weight in prior.items():
        bent = splines.derivative(order)(times)
        roughness += weight * (bent.T * np.tile(weights / 2, frames - 1)) @ bent
    w = np.exp(level)
    penalty = 1 / sum(weight * w ** (2 * order) for order, weight in prior.items())
    correlation = rho ** np.abs(np.subtract.outer(np.arange(frames), np.arange(frames)))
    precision = values.T @ np.linalg.solve(correlation, values) + penalty * roughness
    return values @ np.linalg.solve(precision, values.T)


def test_coordinated_poses_spread_as_dense_algebra_says(mixed):
    """Covariance of any two dofs: the components' posteriors, mixed as the components are."""
    clip = Clip.of(mixed, mixed_motion(40), 30.0, sigma=0.02, rho=0.3).coordinated(0.1)
    parts = clip.components
    posteriors = {
        level: dense_posterior(40, 30.0, 0.3, level + 0.1)
        for level in np.unique(parts.levels[parts.sigma > 0])
    }
    at_knot = np.array([1, 26, 66, 26, 1]) / 120
    frame, one, other = 20, 6, 8  # the knee, and the ball's second
    spread = np.zeros((2, 40, clip.mean.size))
    for number in range(clip.mean.size):
        z = np.zeros(clip.mean.size)
        z[number] = 1.0
        coefficients = clip.spread(z.reshape(clip.mean.shape))
        for row, dof in enumerate((one, other)):
            spread[row, :, number] = np.convolve(coefficients[:, dof], at_knot, "valid")
    for row, first in enumerate((one, other)):
        found = spread[row, frame] @ spread[1].T  # with the other at all frames
        expected = sum(
            parts.weights[k, first] * parts.weights[k, other] * posteriors[parts.levels[k]][frame]
            for k in np.flatnonzero(parts.sigma)
        )
        np.testing.assert_allclose(found, expected, atol=1e-8 * np.abs(expected).max())
    assert np.abs(parts.weights[:, one] * parts.weights[:, other]).max() > 0  # they do combine


def synergy_motion(model, frames=150, fps=30.0, noise=0.05):
    """A clean motion (T, nq) of a chain whose hinges follow one course, their shares, and noisy samples."""
    t = np.arange(frames) / fps
    shares = np.cos(np.arange(model.nv))
    clean = np.outer(0.15 * np.sin(2 * np.pi * 1.5 * t) + 0.1 * np.sin(2 * np.pi * 0.4 * t), shares)
    return clean, shares, clean + noise * np.random.default_rng(0).normal(size=clean.shape)


@pytest.fixture(scope="module")
def chain():
    """Twelve hinges in a row."""
    inside = "<geom size='.05' mass='1'/>"
    for _ in range(12):
        inside = (
            f"<body pos='0 0 .1'><joint type='hinge' axis='0 1 0'/><geom size='.05' mass='1'/>{inside}</body>"
        )
    return mujoco.MjModel.from_xml_string(f"<mujoco><worldbody>{inside}</worldbody></mujoco>")


def test_a_synergy_is_found_and_followed(chain):
    clean, shares, noisy = synergy_motion(chain)
    alone = Clip.of(chain, noisy, 30.0)
    together = alone.coordinated(0.0)
    parts = together.components
    # Components of white noise are white noise: an orthogonal mixture, once each dof counts by its noise.
    mixture = parts.weights / alone.noise.sigma
    np.testing.assert_allclose(mixture @ mixture.T, np.eye(chain.nv), atol=1e-10)
    fastest = mixture[np.argmax(parts.levels)]
    direction = shares / alone.noise.sigma / np.linalg.norm(shares / alone.noise.sigma)
    assert abs(fastest @ direction) > 0.95
    before, after = (np.sqrt(np.mean((c.poses(c.mean) - clean)[6:-6] ** 2)) for c in (alone, together))
    assert after < 0.9 * before  # none is cut below half of the widest band, or it would be a third


def test_noise_is_taken_for_no_longer_than_can_be_told(chain):
    """Correlated over seconds it looks like posture, and stays, unless it is known to be noise."""
    clean, _, _ = synergy_motion(chain)
    rng = np.random.default_rng(1)
    slow = np.zeros_like(clean)
    for t in range(1, len(clean)):
        slow[t] = 0.98 * slow[t - 1] + 0.05 * np.sqrt(1 - 0.98**2) * rng.normal(size=chain.nv)
    longest = np.exp(-1 / (0.35 * 30))
    assert smooth(chain, clean + slow, 30.0).noise.rho > longest
    assert Clip.of(chain, clean + slow, 30.0).noise.rho == pytest.approx(longest)
    assert Clip.of(chain, clean + slow, 30.0, rho=0.98).noise.rho == 0.98


# What it is for


@pytest.mark.parametrize("method", METHODS)
def test_a_noisy_motion_is_refined(squat, benchmark, method):
    clean, noisy = squat
    heard = []
    found = refine(clean.model, noisy, 30.0, method=method, progress=heard.append)
    judged = clean.judged

    def error(tau):
        return benchmark.recovery.joint_rms((tau - clean.tau)[judged])

    def pose_error(qpos):
        return benchmark.recovery.pose_error_deg(clean.model, qpos[judged], clean.qpos[judged])

    assert error(found.tau) < (1.5 if method == "map" else 25)  # N m, of 110 by the gentlest scheme
    assert error(found.tau) < 0.1 * error(found.tau_before)
    assert pose_error(found.qpos) < pose_error(noisy)
    assert len(heard) >= 4
    assert all("\n" not in line for line in heard)
    own = mujoco_inverse(clean.model, found.trajectory.qpos, found.trajectory.qvel, found.trajectory.qacc)
    np.testing.assert_allclose(found.tau, own, atol=1e-8 * np.abs(own).max())


def test_no_noise_is_hidden_from_the_loss(squat, benchmark):
    """What the loss's own stencil sees is what a spline through the refined poses sees."""
    clean, noisy = squat
    truth = replace(
        smooth(clean.model, clean.qpos, 30.0, "spline").trajectory, valid=np.ones(len(clean.qpos), bool)
    )
    found = refine(clean.model, noisy, 30.0)
    stencil = smooth(clean.model, found.qpos, 30.0, "three-point").trajectory
    judged = score(clean.model, truth, stencil, 30.0, noisy, loss_scheme="three-point")
    assert not judged.hides_noise
    assert judged.beats_trivial
    assert judged.estimate.mean < 1.1 * judged.own.mean


def test_a_list_gives_what_its_clips_give_alone(squat):
    clean, noisy = squat
    clips = [noisy, noisy[20:120]]
    together = refine(clean.model, clips, 30.0, settings=QUICK["map"])
    for clip, found in zip(clips, together):
        alone = refine(clean.model, clip, 30.0, settings=QUICK["map"])
        # The order of sums depends on where arrays lie in memory; fifty steps magnify that.
        np.testing.assert_allclose(found.qpos, alone.qpos, atol=1e-9)
        assert found.tau.shape == (len(clip), clean.model.nv)
    stacked = refine(clean.model, np.stack([noisy, noisy]), 30.0, settings=QUICK["map"])
    np.testing.assert_allclose(stacked[1].qpos, together[0].qpos, atol=1e-9)


def test_every_kind_of_joint(mixed):
    for method in METHODS:
        found = refine(mixed, mixed_motion(), 30.0, method=method, settings=QUICK[method])
        assert np.isfinite(found.tau).all()
        assert (found.pose_change_deg < 10).all()


def test_hinged_bodies():
    human = smpl2mjcf.build_humanoid(smpl2mjcf.default_body(), joints="hinge")
    qpos = np.tile(human.model.qpos0, (40, 1))
    qpos[:, 7:] += 0.05 * np.random.default_rng(0).normal(size=(40, human.model.nq - 7))
    found = refine(human, qpos, 30.0, settings=QUICK["map"])
    size = np.abs(
        mujoco_inverse(human.model, human.model.qpos0, np.zeros(human.model.nv), np.zeros(human.model.nv))
    )
    assert np.isfinite(found.tau).all()
    assert np.abs(found.tau[5:-5, 6:]).max() < 20 + 2 * size[6:].max()


# Exact limits and gaps


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_pose_stays(mixed, method):
    qpos = np.tile(mixed_motion(1), (60, 1))
    found = refine(mixed, qpos, 30.0, method=method, settings=QUICK[method])
    still = np.zeros(mixed.nv)
    if method == "map":
        np.testing.assert_allclose(found.qpos, qpos, atol=1e-12)
        expected = np.tile(mujoco_inverse(mixed, qpos[0], still, still), (60, 1))
        np.testing.assert_allclose(found.tau, expected, atol=1e-8)
    assert np.isfinite(found.tau).all()


def test_noise_known_to_be_zero_leaves_the_poses(mixed):
    """Rotations that are known keep their samples; lengths still have the noise that was found."""
    found = refine(mixed, mixed_motion(noise=0.0), 30.0, sigma=0.0)
    assert found.pose_change_deg.max() < 1e-4  # the penalty of the narrowest smoother


def test_gaps_stay_gaps(squat, benchmark):
    clean, noisy = squat
    holed = noisy.copy()
    holed[60:66] = np.nan
    found = refine(clean.model, holed, 30.0, settings=QUICK["map"])
    assert np.isfinite(found.qpos).all()
    assert np.isfinite(found.tau).all()
    assert not found.trajectory.valid[60:66].any()
    valid = found.trajectory.valid[clean.judged]
    error = benchmark.recovery.joint_rms((found.tau - clean.tau)[clean.judged][valid])
    assert error < 3  # N m, of 110


def test_a_motion_comes_back_in_its_own_format(body_with_fingers):
    body = body_with_fingers("smplh")
    rng = np.random.default_rng(0)
    recorded = np.ones(50, bool)
    recorded[20:23] = False
    motion = smpl2mjcf.Motion(
        0.05 * rng.normal(size=(50, 52, 3)), np.zeros((50, 3)), 30.0,
        betas=np.zeros(16), family="smplh", sex="female", source="a file", recorded=recorded,
    )  # fmt: skip
    with pytest.warns(UserWarning, match="16 betas cut"):
        found = refine(body, motion, settings=QUICK["map"])
    back = found.motion
    assert (back.family, back.sex, back.fps, back.up) == ("smplh", "female", 30.0, "z")
    assert back.poses.shape == motion.poses.shape
    assert len(back.betas) == 16
    np.testing.assert_array_equal(back.recorded, recorded)
    assert np.isnan(back.poses[20:23]).all()
    fingers = [k for k, name in enumerate(motion.joint_names) if "index" in name]
    np.testing.assert_array_equal(back.poses[:, fingers], motion.poses[:, fingers])
    knee = motion.joint_names.index("left_knee")
    assert np.nanstd(back.poses[:, knee]) < 0.5 * np.nanstd(motion.poses[:, knee])


# Confidences


@pytest.mark.parametrize("method", METHODS)
def test_a_frame_of_low_confidence_hardly_counts(mixed, method):
    """However wrong it is: the rest decides, as if it had not been recorded."""
    qpos, doubtful = mixed_motion(), slice(28, 31)
    wrong, missing = qpos.copy(), qpos.copy()
    wrong[doubtful, :3] += 0.1
    wrong[doubtful, 7] += 0.5
    missing[doubtful] = np.nan
    confidence = np.ones(len(qpos))
    confidence[doubtful] = 1e-6

    def refined(motion, **options):
        found = refine(mixed, motion, 30.0, method=method, settings=QUICK[method], **options)
        return found.qpos[:, 7] if method == "map" else found.smoothed.qpos[:, 7]

    bridged = refined(missing)
    near = np.abs(refined(wrong, confidence=confidence) - bridged).max()
    assert near < 0.02  # rad, of .5
    assert np.abs(refined(wrong) - bridged).max() > 5 * near


def test_confidence_zero_is_a_gap_and_one_is_none(mixed):
    qpos = mixed_motion()
    holed = qpos.copy()
    holed[20:24] = np.nan
    zero = np.ones(len(qpos))
    zero[20:24] = 0.0
    options = {"fps": 30.0, "settings": QUICK["map"]}
    gap = refine(mixed, holed, **options)
    lost = refine(mixed, qpos, confidence=zero, **options)
    np.testing.assert_allclose(lost.qpos, gap.qpos, atol=1e-9)  # sums in another order
    np.testing.assert_array_equal(lost.trajectory.valid[20:24], False)
    whole, sure = refine(mixed, [qpos, qpos], confidence=[None, np.ones(len(qpos))], **options)
    np.testing.assert_allclose(sure.qpos, whole.qpos, atol=1e-9)


def test_adam_holds_frames_by_their_confidence(mixed):
    """Twice the confidence, and half of it, pull twice and half as hard: only shares of the sum count."""
    qpos = mixed_motion()
    half = np.full(len(qpos), 0.5)
    options = {"fps": 30.0, "method": "adam", "settings": QUICK["adam"]}
    same = refine(mixed, qpos, confidence=half, **options)
    np.testing.assert_allclose(same.qpos, refine(mixed, qpos, **options).qpos, atol=1e-9)
    half[:30] = 0.01
    moved = refine(mixed, qpos, confidence=half, **options).pose_change_deg
    assert moved[:30].mean() > 1.1 * same.pose_change_deg[:30].mean()
    assert moved[30:].mean() < same.pose_change_deg[30:].mean()


# Bad input


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"method": "magic"}, analysis.Error, "available: map, adam"),
        ({"settings": AdamSettings()}, analysis.Error, "takes analysis.map_refinement.Settings"),
        ({"fps": None}, analysis.Error, "fps is missing"),
        ({"fps": -30.0}, DynamicsError, "fps is -30.0"),
        ({"sigma": -0.1}, DynamicsError, "sigma"),
        ({"rho": 1.0}, DynamicsError, "rho"),
        ({"motion": mixed_motion(FEWEST_FRAMES - 1)}, analysis.Error, "at least 12"),
        ({"motion": np.full((40, 13), np.nan)}, DynamicsError, "none of the 40 frames"),
        ({"motion": np.zeros((40, 3))}, DynamicsError, r"\(T, 13\)"),
        ({"motion": []}, analysis.Error, "empty"),
        (
            {"confidence": np.ones(59)},
            DynamicsError,
            r"confidence has shape \(59,\); this motion needs \(60,\)",
        ),
        (
            {"confidence": np.full(60, 1.5)},
            DynamicsError,
            "confidence is 1.5 at frame 0; accepted: from 0 to 1",
        ),
        ({"confidence": np.eye(60)[:10].sum(axis=0)}, analysis.Error, "10 of 60 frames were recorded"),
        ({"motion": [mixed_motion()] * 2, "confidence": [None]}, analysis.Error, "1 entries for 2 motions"),
        ({"motion": [mixed_motion()] * 2, "confidence": 1.0}, analysis.Error, "0 entries for 2 motions"),
        ({"mass": 70.0}, analysis.Error, "mass: only for a Body"),
    ],
)
def test_bad_input_is_named(mixed, given, error, message):
    options = {"motion": mixed_motion(), "fps": 30.0} | given
    with pytest.raises(error, match=message):
        refine(mixed, **options)


def test_subjects_that_do_not_fit(mixed, default_body):
    motion = smpl2mjcf.Motion(np.zeros((20, 24, 3)), np.zeros((20, 3)), 30.0)
    with pytest.raises(analysis.Error, match="a Motion needs a Body or a Humanoid"):
        refine(mixed, motion)
    with pytest.raises(analysis.Error, match="qpos belongs to a model"):
        refine(default_body, mixed_motion(), 30.0)
    with pytest.raises(analysis.Error, match=r"fps is 60.0, the motion's own is 30.0"):
        refine(default_body, motion, 60.0)
    free = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><body><freejoint/><geom size='.1'/></body></worldbody></mujoco>"
    )
    with pytest.raises(analysis.Error, match="no joint beside a free one"):
        refine(free, np.tile(free.qpos0, (20, 1)), 30.0)


# The verb


def test_the_verb_offers_every_method():
    assert tuple(METHODS) == refine_verb.METHODS


def test_the_verb_writes_a_motion_that_can_be_read(squat, tmp_path, capsys):
    _, noisy = squat
    human = smpl2mjcf.build_humanoid(smpl2mjcf.default_body())
    smpl2mjcf.save_motion(smpl2mjcf.qpos_to_motion(human, noisy, 30.0), tmp_path / "noisy.npz")
    out = tmp_path / "out"
    parser = argparse.ArgumentParser()
    refine_verb.Refine.add_arguments(parser)
    assert refine_verb.Refine.run(parser.parse_args([str(tmp_path / "noisy.npz"), "--out", str(out)])) == 0
    text = capsys.readouterr()
    assert "smoothed" in text.out
    assert "pass 2 of 2" in text.err
    names = {"humanoid.xml", "motion.npz", "refinement.npz", "refinement.png", "run.json"}
    assert {path.name for path in out.iterdir()} == names
    motion = smpl2mjcf.load_motion(out / "motion.npz")
    refined = smpl2mjcf.motion_to_qpos(human, motion)
    arrays = np.load(out / "refinement.npz")
    # Quaternions of both signs are one rotation.
    np.testing.assert_allclose(np.abs(refined), np.abs(arrays["qpos"]), atol=1e-9)
    record = json.loads((out / "run.json").read_text())
    assert record["verb"] == "refine"
    assert record["results"]["noise_sigma_rad"] == pytest.approx(0.05, rel=0.1)
    torque = record["results"]["torque_rms_n_m"]
    assert max(torque["after"], torque["smoothed"]) < 0.2 * torque["before"]


# The numbers, on both sets: minutes


@pytest.mark.slow
@pytest.mark.parametrize("fps", [30.0, 60.0])
@pytest.mark.parametrize("clips", ["TUNED", "HELD_OUT"])
def test_the_numbers(benchmark, shared, fps, clips):
    """See benchmarks/refinement.py for the tables."""
    recovery = benchmark.recovery
    methods = {name: benchmark.JUDGED[name] for name in ("reml", "map")}
    for name, noise in recovery.NOISES.items():
        errors, reductions, poses = {"reml": [], "map": []}, [], []
        for clip in getattr(recovery, clips):
            clean = recovery.clip(clip).at(fps)
            found = recovery.scores(methods, clean, noise, 0)
            noisy = recovery.perturbed(clean, noise, 0)
            raw = recovery.pose_error_deg(clean.model, noisy[clean.judged], clean.qpos[clean.judged])
            poses.append((found["map"].pose_deg, raw))
            reductions.append(found["map"].reduction)
            for method, got in found.items():
                errors[method].append(got.error)
        refined, before = np.transpose(poses)
        assert np.isfinite(errors["map"]).all()
        assert refined.mean() < before.mean(), name
        assert (refined <= 1.01 * before).all(), name  # slow noise of rho .95 cannot be told from posture
        assert np.mean(errors["map"]) < np.mean(errors["reml"]), name
        if name == "white .05":
            assert np.mean(reductions) >= (83 if fps == 30 else 95)
            assert np.mean(errors["map"]) <= 0.85 * np.mean(errors["reml"])
            lower = np.log(errors["map"]) - np.log(errors["reml"])
            assert np.exp(lower.mean()) <= 0.85
