"""Scores of torque estimates: right numbers, the trivial baselines, and noise that hides from a stencil."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import analysis
import dynamics
import smpl2mjcf
from analysis.pose_noise import perturbed
from analysis.scores import inner_joints, pose_error_deg, torque_error
from dynamics.smoothing import smooth

FPS = 30.0


@pytest.fixture(scope="module")
def model(default_body):
    return smpl2mjcf.build_humanoid(default_body, mass=70.0).model


@pytest.fixture(scope="module")
def walk(model, default_body):
    motion = smpl2mjcf.load_motion(smpl2mjcf.model_file("walk.npz"))
    qpos = smpl2mjcf.motion_to_qpos(smpl2mjcf.build_humanoid(default_body, mass=70.0), motion)
    return analysis.CleanMotion.of(model, qpos, motion.fps)


@pytest.fixture(scope="module")
def truth(walk):
    return walk.at(FPS)


@pytest.fixture(scope="module")
def noisy(model, truth):
    noise = analysis.PoseNoise.of(model, sigma=0.05)
    topology = dynamics.Tree.from_mjmodel(model).topology
    return perturbed(topology, truth.qpos, noise.draw(np.random.default_rng(7), len(truth.qpos)))


def test_curve_is_the_recording_and_its_own_derivative(model, walk):
    """At the recording's rate the curve is the low-passed recording, and its derivatives are its own."""
    dense = walk.at(walk.fps)
    fine = walk.at(3840.0)
    step = 1 / 3840.0
    at = 32 * np.arange(5, 300)  # inner frames of the 120 Hz recording, on the fine grid
    turn = Rotation.from_quat(fine.qpos[:, 7:11], scalar_first=True)
    # Third-order differences of rotation vectors: the error falls with the square of the step.
    ahead, behind = ((turn[at].inv() * turn[at + k]).as_rotvec() for k in (1, -1))
    np.testing.assert_allclose(fine.qvel[at, 6:9], (ahead - behind) / (2 * step), atol=2e-4)
    np.testing.assert_allclose(fine.qacc[at, 6:9], (ahead + behind) / step**2, atol=2e-3)
    np.testing.assert_allclose(fine.qpos[at], dense.qpos[at // 32], atol=1e-9)
    assert np.abs(np.linalg.norm(fine.qpos[:, 3:7], axis=1) - 1).max() < 1e-12


def test_perfect_estimate(model, truth, noisy):
    found = analysis.score(model, truth, truth, FPS, noisy=noisy)
    assert found.own.mean == 0
    # What the 30 Hz quintic spline loses of the true curve is all that is left.
    assert found.estimate.share < 0.02
    assert found.pose_error_deg < 1e-12
    assert found.beats_trivial
    assert found.reduction(found.own) == 1
    # .05 rad on each of three axes: the mean length of such a vector is sqrt(8 / pi) sigma.
    assert found.raw_pose_error_deg == pytest.approx(np.degrees(0.05 * np.sqrt(8 / np.pi)), rel=0.02)


def test_errors_by_hand(model, truth):
    tau = dynamics.inverse_dynamics(model, truth).tau
    off = tau.copy()
    off[:, 6:9] += [3.0, 0.0, 4.0]  # the left hip, by 5 N m
    off[:, :6] += 1000.0  # the root is no joint
    found = torque_error(model, off, tau)
    joints = len(inner_joints(model))
    assert joints == 23
    assert found.by_joint["left_hip"] == pytest.approx(5)
    assert found.mean == pytest.approx(5 / joints)
    assert found.rms == pytest.approx(5 / np.sqrt(joints))
    hip = np.sqrt((tau[:, 6:9] ** 2).sum(1).mean())
    assert found.share == pytest.approx(5 / hip / joints)
    turned = truth.qpos.copy()
    turned[:, 3:7] = (
        Rotation.from_quat(turned[:, 3:7], scalar_first=True) * Rotation.from_rotvec([0, 0.24, 0])
    ).as_quat(scalar_first=True)
    assert pose_error_deg(model, turned, truth.qpos) == pytest.approx(np.degrees(0.24) / 24)


def test_trivial_baselines_stand_beside_the_score(model, truth, noisy):
    found = analysis.score(model, truth, smooth(model, noisy, FPS).trajectory, FPS, noisy=noisy)
    assert found.zero.mean == pytest.approx(found.true_mean)
    assert found.zero.share == pytest.approx(1)
    # Predicting nothing at all "removes" most of the raw error: the reason for absolute numbers.
    assert found.reduction(found.zero) > 0.7
    assert found.reduction(found.estimate) > found.reduction(found.zero)
    assert found.pose_error_deg < found.raw_pose_error_deg
    for row in ("zero torque", "static torque", "raw poses by central", "N m", "of RMS", "pose error"):
        assert row in str(found)


def hidden_in_the_stencil(model, noisy, weight):
    """Poses whose central accelerations are small and which stay near the noisy ones: the least of

    |D x|^2 weight + |x - noisy|^2, D central differences applied twice. What alternates from frame to frame
    costs nothing and stays.
    """
    frames = len(noisy)
    D = np.zeros((frames - 4, frames))
    rows = np.arange(frames - 4)
    D[rows, rows], D[rows, rows + 2], D[rows, rows + 4] = 1, -2, 1
    moved = np.linalg.solve(np.eye(frames) + weight * D.T @ D, noisy)
    quaternions = dynamics.Tree.from_mjmodel(model).topology.quaternion_addresses
    for at in quaternions:
        moved[:, at : at + 4] /= np.linalg.norm(moved[:, at : at + 4], axis=1, keepdims=True)
    return moved


def test_noise_hidden_in_the_nyquist_mode_is_caught(model, truth, noisy):
    hidden = hidden_in_the_stencil(model, noisy, 3.0)
    path = smooth(model, hidden, FPS, "central").trajectory
    blind = analysis.score(model, truth, path, FPS, noisy=noisy, scheme="central")
    honest = analysis.score(model, truth, path, FPS, noisy=noisy, loss_scheme="central")
    # By its own stencil the method looks good, by any other it is worse than doing nothing.
    assert blind.reduction(blind.estimate) > 0.7
    assert honest.reduction(honest.estimate) < 0
    assert honest.hides_noise
    assert not blind.hides_noise
    assert "noise is hidden" in str(honest)
    # A smoother has nothing to hide.
    fair = analysis.score(model, truth, smooth(model, noisy, FPS).trajectory, FPS, noisy=noisy)
    assert not fair.hides_noise


def test_pure_nyquist_mode_is_invisible_to_central_differences(model, truth):
    """Errors of one joint that change sign at every frame: their central differences are zero."""
    alternating = 0.05 * (-1.0) ** np.arange(len(truth.qpos))
    topology = dynamics.Tree.from_mjmodel(model).topology
    shaken = np.zeros((len(truth.qpos), model.nv))
    shaken[:, 6:9] = alternating[:, None]
    poses = perturbed(topology, truth.qpos, shaken)
    clean = analysis.score(model, truth, truth.qpos, FPS, scheme="central").estimate.mean
    unseen = analysis.score(model, truth, poses, FPS, scheme="central").estimate.mean
    seen = analysis.score(model, truth, poses, FPS).estimate.mean
    # What is left is the change of axes between the frames, second order.
    assert unseen < clean + 1.0
    assert seen > 30 * unseen


def test_static_poses_have_static_torques(model, truth):
    frames = 30
    still = np.tile(truth.qpos[:1], (frames, 1))
    path = replace(
        truth,
        time=truth.time[:frames],
        qpos=still,
        qvel=np.zeros((frames, model.nv)),
        qacc=np.zeros((frames, model.nv)),
        valid=truth.valid[:frames],
    )
    found = analysis.score(model, path, still, FPS)
    assert found.static.mean == pytest.approx(0, abs=1e-9)
    assert found.estimate.mean == pytest.approx(0, abs=1e-9)
    assert np.isnan(found.reduction(found.estimate))


def test_refused(model, truth):
    refused = {
        "scheme is 'magic'; available: spline, three-point, central": {"scheme": "magic"},
        "loss differentiates by 'spline'": {"loss_scheme": "spline"},
    }
    for message, options in refused.items():
        with pytest.raises(analysis.Error, match=message):
            analysis.score(model, truth, truth.qpos, FPS, **options)
    with pytest.raises(analysis.Error, match="the estimate has shape"):
        analysis.score(model, truth, truth.qpos[:-1], FPS)
    bad = truth.qpos.copy()
    bad[3, 3] = np.nan
    with pytest.raises(analysis.Error, match="NaN or infinity"):
        analysis.score(model, truth, bad, FPS)


def test_clips_too_short(model, walk, truth):
    dense = walk.at(120.0).qpos
    with pytest.raises(analysis.Error, match="s of the motion are unbroken .* needs 1 s"):
        analysis.CleanMotion.of(model, dense[:100], 120.0)
    with pytest.raises(analysis.Error, match="fps is -3; accepted"):
        walk.at(-3)
    with pytest.raises(analysis.Error, match="at 1 frames a second are 6 frames"):
        walk.at(1.0)
