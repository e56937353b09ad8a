"""Smoothers judged by dense Gaussian-process algebra, finite differences, closed forms and clean motions."""

import importlib.util
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import smpl2mjcf
from dynamics import StateError, TrajectoryError, trajectory
from dynamics.smoothing import METHODS, Kernels, chart, gcv, penalized, reml, smooth
from dynamics.topology import Topology

ORDER_3 = (0.0, 0.0, 0.0, 1.0)
UNSMOOTHED = ("spline", "central", "three-point")

MIXED = """<mujoco><worldbody><body><freejoint name="root"/><geom size=".1" mass="1"/>
  <body pos="0 0 .3"><joint name="knee" type="hinge" axis="0 1 0"/><geom size=".1" mass="1"/>
    <body pos="0 0 .3"><joint name="ball" type="ball"/><geom size=".1" mass="1"/>
      <body pos="0 0 .3"><joint name="rail" type="slide" axis="1 0 0"/><geom size=".1" mass="1"/>
</body></body></body></body></worldbody></mujoco>"""


@pytest.fixture(scope="module")
def mixed():
    """A free, a hinge, a ball and a slide joint."""
    return mujoco.MjModel.from_xml_string(MIXED)


@pytest.fixture(scope="module")
def recovery():
    """benchmarks/recovery.py, the clips, noise and scores that the smoothers are judged by."""
    path = Path(__file__).parent.parent / "benchmarks" / "recovery.py"
    spec = importlib.util.spec_from_file_location("recovery", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)  # dataclasses look it up
    spec.loader.exec_module(module)
    return module


def wxyz(rotation):
    return rotation.as_quat(scalar_first=True)


def mixed_motion(time):
    """qpos (T, 13) of the mixed model, smooth in time: swings of a radian and a root that turns on."""
    t = np.asarray(time)[:, None]
    root = Rotation.from_rotvec(t * [0, 0, 2.5]) * Rotation.from_rotvec(0.3 * np.sin(4 * t) * [1, 0, 0.5])
    ball = Rotation.from_rotvec(np.sin(5 * t + [0, 1, 2]) * [0.9, 0.3, 0.6])
    place = np.hstack([0.5 * t, 0.1 * np.sin(6 * t), 1 + 0.05 * np.cos(6 * t)])
    return np.hstack([place, wxyz(root), 0.7 * np.sin(6 * t), wxyz(ball), 0.1 * np.cos(5 * t)])


def turned(model, qpos, vectors):
    """qpos with every rotation perturbed from the right, and numbers moved, by vectors (T, nv)."""
    moved = qpos.copy()
    for row, step in zip(moved, vectors):
        mujoco.mj_integratePos(model, row, step, 1.0)
    return moved


def apart(model, qpos, other):
    """(T, nv) tangent from qpos to other, by MuJoCo."""
    out = np.zeros((len(qpos), model.nv))
    for row, a, b in zip(out, qpos, other):
        mujoco.mj_differentiatePos(model, row, 1.0, a, b)
    return out


def correlated(rng, shape, rho):
    noise = rng.normal(size=shape)
    for t in range(1, len(noise)):
        noise[t] = rho * noise[t - 1] + np.sqrt(1 - rho**2) * noise[t]
    return noise


# ---- smoothing splines against dense Gaussian-process algebra ----------------------------------------


def wiener_covariance(s, t):
    """Covariance of the three times integrated Wiener process from rest: the integral of
    (s - u)^2 (t - u)^2 / 4 over u up to min(s, t), expanded."""
    low, gap = np.minimum(s, t), np.abs(s - t)
    return low**5 / 20 + gap * low**4 / 8 + gap**2 * low**3 / 12


def dense(frames, recorded, scale, rho, penalty):
    """Kriging's covariance (N, N), trend (N, 3) and cross-covariance (T, N), all over sigma squared."""
    t = np.arange(frames) + 1.0
    s = t[recorded]
    echo = rho ** np.abs(s[:, None] - s)
    noise = echo * scale[recorded][:, None] * scale[recorded]
    cross = wiener_covariance(t[:, None], s) / penalty
    return cross[recorded] + noise, (s / frames)[:, None] ** np.arange(3), cross, (t / frames)[:, None]


@pytest.mark.parametrize("rho", [0.0, 0.8])
@pytest.mark.parametrize("lost", [(), (7, 8, 20)])
def test_smoothing_is_the_posterior_mean(rho, lost):
    frames, penalty = 40, 8.0
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.5, 2, frames)
    scale[list(lost)] = 0
    recorded = np.flatnonzero(scale)
    values = rng.normal(size=(frames, 3)).cumsum(axis=0)
    V, X, cross, t = dense(frames, recorded, scale, rho, penalty)
    inverse = np.linalg.inv(V)
    y = values[recorded]
    beta = np.linalg.solve(X.T @ inverse @ X, X.T @ inverse @ y)
    mean = t ** np.arange(3) @ beta + cross @ inverse @ (y - X @ beta)
    design = penalized.Design.of(penalized.Samples.of(values, scale, ORDER_3), rho)
    level = -np.log(penalty) / 6
    curves = design.curves(np.full(3, level))
    np.testing.assert_allclose(curves[0], mean, atol=1e-6)  # the dense algebra loses nine digits
    # Its derivatives are those of one curve, and the kernels are the same map.
    operator = design.operator(level, 1.0)
    np.testing.assert_allclose(operator(values), curves, atol=1e-9)
    np.testing.assert_allclose(np.gradient(curves[0], axis=0)[3:-3], curves[1][3:-3], atol=0.1)


def restricted_deviance(V, X, y):
    """-2 log restricted likelihood of each column, sigma profiled out, without constants."""
    inverse = np.linalg.inv(V)
    information = X.T @ inverse @ X
    beta = np.linalg.solve(information, X.T @ inverse @ y)
    left = y - X @ beta
    freedom = len(y) - X.shape[1]
    least = np.einsum("nm,nk,km->m", left, inverse, left)
    logs = np.linalg.slogdet(V)[1] + np.linalg.slogdet(information)[1]
    return freedom * (1 + np.log(least / freedom)) + logs


def test_the_restricted_likelihood_is_the_dense_one():
    """Up to one constant for all levels and rho."""
    frames, rng = 30, np.random.default_rng(1)
    values = correlated(rng, (frames, 2), 0.5) + np.sin(np.arange(frames) / 4)[:, None]
    scale = np.ones(frames)
    scale[11] = 0
    recorded = np.flatnonzero(scale)
    samples = penalized.Samples.of(values, scale, ORDER_3)
    levels = np.log([0.3, 0.7, 1.5])
    differences = []
    for rho in (0.0, 0.5, 0.9):
        ours, _ = reml._criterion(
            penalized.Design.of(samples, rho), levels, np.full(2, np.nan), np.full(2, np.inf)
        )
        for level, row in zip(levels, ours):
            V, X, _, _ = dense(frames, recorded, scale, rho, np.exp(-6 * level))
            differences.append(row - restricted_deviance(V, X, values[recorded]))
    np.testing.assert_allclose(differences, np.broadcast_to(differences[0], (9, 2)), atol=1e-5)


def test_cross_validation_is_the_dense_one():
    """The level chosen is where N misfit / (N - trace)^2 of the dense smoothing matrix is least."""
    frames, rng = 60, np.random.default_rng(2)
    t = np.arange(frames)
    values = np.sin(t / 5)[:, None] + 0.1 * rng.normal(size=(frames, 3))
    design = penalized.Design.of(penalized.Samples.of(values, np.ones(frames), ORDER_3), 0.0)
    levels = np.linspace(-2, 1, 300)
    scores = []
    for level in levels:
        smoother = design.operator(level, 1.0)(np.eye(frames))[0]
        left = values - smoother @ values
        scores.append((left**2).sum(axis=0) / (frames - np.trace(smoother)) ** 2)
    best = levels[np.argmin(scores, axis=0)]
    np.testing.assert_allclose(gcv.levels(design), best, atol=0.05)  # a level apart by .05 is 5 % of cutoff


def test_cutoffs_are_where_the_gain_is():
    """A long wave of the stated frequency comes out 3 dB smaller, whatever the noise's correlation."""
    frames, fps = 2000, 30.0
    prior = reml.prior(fps)
    for rho in (0.0, 0.8):
        design = penalized.Design.of(penalized.Samples.of(np.zeros((frames, 1)), np.ones(frames), prior), rho)
        level = np.log(0.5)
        (cutoff,) = penalized.cutoffs(design, np.array([level]), fps)
        wave = np.cos(2 * np.pi * cutoff / fps * np.arange(frames))[:, None]
        gain = design.operator(level, fps)(wave)[0][900:1100, 0] @ wave[900:1100, 0]
        assert gain / (wave[900:1100, 0] @ wave[900:1100, 0]) == pytest.approx(np.sqrt(0.5), abs=3e-3)


# ---- kernels -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rho", [0.0, 0.8, 0.95])
def test_gram_matrices_of_stencils_in_closed_form(mixed, rho):
    """Weights (1, -2, 1) at lag k: variance 6 - 8 r + 2 r^2 with r = rho^k; at k = 2 a fourth each way."""
    qpos = mixed_motion(np.arange(20) / 30)
    variance = {"three-point": (1, 1.0), "central": (2, 1 / 16)}
    for method, (lag, share) in variance.items():
        grams = smooth(mixed, qpos, 30.0, method).kernels.gram(sigma=0.05, rho=rho, bias=0.03)
        assert grams.shape == (1, 20, 3, 3)
        r = rho**lag
        expected = 0.05**2 * 30.0**4 * share * (6 - 8 * r + 2 * r**2)
        np.testing.assert_allclose(grams[0, 5:-5, 2, 2], expected, rtol=1e-12)
        # A bias moves the pose and nothing else.
        np.testing.assert_allclose(grams[0, 5:-5, 0, 0], 0.05**2 + 0.03**2, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_gram_matrices_are_products_of_rows(mixed, method):
    frames, rho = 60, 0.8
    options = {"window": 0.5} if method == "savitzky-golay" else {}
    noisy = turned(
        mixed, mixed_motion(np.arange(frames) / 30), 0.05 * np.random.default_rng(0).normal(size=(frames, 11))
    )
    kernels = smooth(mixed, noisy, 30.0, method, **options).kernels
    echo = rho ** np.abs(np.arange(frames)[:, None] - np.arange(frames))
    grams = kernels.gram(sigma=0.1, rho=rho, bias=0.2)
    for group, gram in enumerate(grams):
        rows = kernels.rows(group)
        expected = np.einsum("xts,su,ytu->txy", rows, 0.01 * echo + 0.04, rows)
        np.testing.assert_allclose(gram, expected, rtol=1e-7, atol=1e-9 * expected.max())
    assert kernels.groups.shape == (mixed.nv,)


@pytest.mark.parametrize(
    "method", ["reml", "gcv", "butterworth", "savitzky-golay", "spline", "central", "three-point"]
)
def test_kernels_say_how_a_sample_moves_the_result(mixed, method):
    """One rotation turned by .001 rad: pose and acceleration of the motion change as the kernel says.

    Judged on the whole smoother. What is left over is of the order of the angle between the frames that the
    kernel joins, some tenths here; numbers (hinge, slide) are exact where the level does not move.
    """
    time = np.arange(60) / 30
    slow = mixed_motion(0.1 * time)
    options = {"reml": {"sigma": 0.05, "rho": 0.0}}.get(method, {})
    if method in ("reml", "gcv"):
        slow = turned(mixed, slow, 0.05 * np.random.default_rng(3).normal(size=(60, 11)))
    step = 1e-4
    before = smooth(mixed, slow, 30.0, method, **options)
    for dof in (4, 6, 8, 10):  # root rotation, hinge, ball, slide
        vectors = np.zeros((60, 11))
        vectors[30, dof] = step
        after = smooth(mixed, turned(mixed, slow, vectors), 30.0, method, **options)
        change = apart(mixed, before.trajectory.qpos, after.trajectory.qpos)[:, dof] / step
        rows = before.kernels.rows(before.kernels.groups[dof])
        assert np.abs(change - rows[0, :, 30]).max() < 0.03 * np.abs(rows[0, :, 30]).max()
        curvature = (after.trajectory.qacc - before.trajectory.qacc)[:, dof] / step
        # The law adds alpha x n + w x n': some tenths of a radian a second, against kernels of 1 Hz and more.
        assert np.abs(curvature - rows[2, :, 30]).max() < 0.1 * np.abs(rows[2, :, 30]).max()


def test_noise_out_of_range_is_refused():
    kernels = Kernels.shared(lambda samples: np.stack([samples] * 3), 5, 2)
    for bad in ({"sigma": -0.1}, {"sigma": np.nan}, {"bias": -1.0}, {"rho": 1.0}, {"rho": -0.2}):
        with pytest.raises(TrajectoryError, match="accepted"):
            kernels.gram(**bad)
    assert not kernels.gram(sigma=0.0).any()


# ---- the chart -----------------------------------------------------------------------------------------


def test_the_chart_leads_there_and_back(mixed):
    qpos = mixed_motion(np.arange(90) / 30)
    along = chart.Chart.along(Topology.from_mjmodel(mixed), qpos, 30.0)
    lifted = along.lift(qpos)
    back, _, _ = along.lower(np.stack([lifted] * 3))
    np.testing.assert_allclose(apart(mixed, qpos, back), 0, atol=1e-12)


@pytest.mark.parametrize("size", [1e-6, 5e-3, 0.3, 2.0])
def test_rates_of_the_exponential_map(size):
    """Against scipy's rotations, differenced over 1e-4 s; at angles of both branches."""
    rng = np.random.default_rng(4)
    phi, rate, second = size * rng.normal(size=3), rng.normal(size=3), rng.normal(size=3)
    h = 1e-4

    def at(t):
        return Rotation.from_rotvec(phi + t * rate + t * t / 2 * second)

    def velocity(t):
        return (at(t - h / 2).inv() * at(t + h / 2)).as_rotvec() / h

    omega, alpha = chart.exp_rates(phi, rate, second)
    np.testing.assert_allclose(omega, velocity(0), atol=1e-7)
    np.testing.assert_allclose(alpha, (velocity(h) - velocity(-h)) / (2 * h), atol=1e-6)


@pytest.mark.parametrize("method", ["reml", "gcv", "savitzky-golay", "central", "spline"])
def test_a_spin_of_many_turns_is_steady(mixed, method):
    """Six turns of the root, signs of the quaternions at random: velocity constant, no jump anywhere."""
    time, rng = np.arange(150) / 30, np.random.default_rng(5)
    qpos = np.tile(mixed_motion([0.0]), (150, 1))
    axis = np.array([0.6, 0, 0.8])
    qpos[:, 3:7] = wxyz(Rotation.from_rotvec(np.outer(7.5 * time, axis))) * rng.choice([-1, 1], (150, 1))
    path = smooth(mixed, qpos, 30.0, method).trajectory
    np.testing.assert_allclose(path.qvel[:, 3:6], np.tile(7.5 * axis, (150, 1)), atol=1e-4)
    np.testing.assert_allclose(path.qacc[:, 3:6], 0, atol=1e-2)
    noisy = turned(mixed, qpos, 0.05 * rng.normal(size=(150, 11)))
    if method not in UNSMOOTHED:
        error = apart(mixed, qpos, smooth(mixed, noisy, 30.0, method).trajectory.qpos)[:, 3:6]
        assert np.sqrt(np.mean(error**2)) < 0.04


@pytest.mark.parametrize("method", METHODS)
def test_the_world_may_be_turned(mixed, method):
    """Yaw of the world turns the result; velocities in body axes stay."""
    noise = 0.05 * np.random.default_rng(6).normal(size=(90, 11))
    qpos = turned(mixed, mixed_motion(np.arange(90) / 30), noise)
    yaw = Rotation.from_rotvec([0, 0, 2.0])
    elsewhere = qpos.copy()
    elsewhere[:, :3] = yaw.apply(qpos[:, :3])
    elsewhere[:, 3:7] = wxyz(yaw * Rotation.from_quat(qpos[:, 3:7], scalar_first=True))
    # Components of the root's translation turn with the world, so one bandwidth for each is no invariant;
    # all rotations are.
    a, b = (smooth(mixed, q, 30.0, method).trajectory for q in (qpos, elsewhere))
    np.testing.assert_allclose(a.qpos[:, 7:], b.qpos[:, 7:], atol=1e-6)
    np.testing.assert_allclose(a.qvel[:, 3:], b.qvel[:, 3:], atol=1e-5)
    np.testing.assert_allclose(a.qacc[:, 3:], b.qacc[:, 3:], atol=1e-3)


# ---- limits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_derivatives_of_a_clean_motion(mixed, method):
    """Judged by MuJoCo's differences over 1e-4 s of the motion itself; smoothing costs a share of it."""
    fps = 120.0
    time = np.arange(360) / fps
    path = smooth(mixed, mixed_motion(time), fps, method).trajectory
    h = 1e-4
    speeds = [
        apart(mixed, mixed_motion(time + d - h), mixed_motion(time + d + h)) / (2 * h) for d in (-h, 0, h)
    ]
    inside = slice(80, -80)
    # The movements are of 1 Hz: a window of 1 s passes .9 of such an acceleration, 6 Hz .97.
    accepted = {"reml": 1e-3, "gcv": 1e-3, "spline": 1e-5, "savitzky-golay": 0.1}.get(method, 0.03)
    qacc = (speeds[2] - speeds[0]) / (2 * h)
    for judged, ours in ((speeds[1], path.qvel), (qacc, path.qacc)):
        # Differences of differences at 1e-4 s leave 1e-6.
        limit = accepted * np.abs(judged[inside]).max() + 1e-5
        np.testing.assert_allclose(ours[inside], judged[inside], atol=limit)
    assert path.valid[inside].all()


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_pose_stays(mixed, method):
    qpos = np.tile(mixed_motion([0.3]), (60, 1))
    smoothed = smooth(mixed, qpos, 30.0, method)
    path = smoothed.trajectory
    # Fitting polynomials of degree 5 loses four digits.
    np.testing.assert_allclose(apart(mixed, qpos, path.qpos), 0, atol=1e-11)
    np.testing.assert_allclose(path.qacc, 0, atol=1e-8)
    assert np.isfinite(smoothed.kernels.gram(sigma=0.05)).all()
    assert path.valid.any()
    if smoothed.noise:
        np.testing.assert_allclose(smoothed.noise.sigma, 0, atol=1e-12)


def test_no_noise_is_interpolated(mixed):
    """sigma 0 said: through every sample, and the spline's derivatives. Found: to a hundredth of a degree."""
    qpos = mixed_motion(np.arange(90) / 30)
    said = smooth(mixed, qpos, 30.0, sigma=0.0).trajectory
    np.testing.assert_allclose(apart(mixed, qpos, said.qpos), 0, atol=1e-6)
    spline = trajectory(mixed, qpos, 30.0, None)
    # Natural ends against not-a-knot ones: alike inside.
    np.testing.assert_allclose(said.qacc[15:-15], spline.qacc[15:-15], atol=0.02 * np.abs(spline.qacc).max())
    found = smooth(mixed, qpos, 30.0)
    assert np.abs(apart(mixed, qpos, found.trajectory.qpos)).max() < np.deg2rad(0.01)
    assert found.noise.sigma.max() < 1e-3


def test_known_noise_is_used(mixed):
    """Told ten times too little noise, it smooths less; told the truth, about as by itself."""
    rng = np.random.default_rng(7)
    clean = mixed_motion(np.arange(150) / 30)
    noisy = turned(mixed, clean, 0.05 * rng.normal(size=(150, 11)) * (np.arange(11) > 2))
    left = {}
    for sigma in (None, 0.05, 0.005):
        path = smooth(mixed, noisy, 30.0, sigma=sigma, rho=0.0).trajectory
        left[sigma] = np.sqrt(np.mean(apart(mixed, clean, path.qpos)[:, 3:] ** 2))
    assert left[0.05] < 1.1 * left[None] < 0.8 * left[0.005]


# ---- gaps and confidences ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["reml", "gcv", "butterworth", "winter", "spline"])
def test_gaps(mixed, method):
    rng = np.random.default_rng(8)
    clean = mixed_motion(np.arange(150) / 30)
    qpos = turned(mixed, clean, 0.02 * rng.normal(size=(150, 11)))
    gap = slice(70, 76)
    qpos[gap] = np.nan
    smoothed = smooth(mixed, qpos, 30.0, method)
    path = smoothed.trajectory
    assert all(np.isfinite(array).all() for array in (path.qpos, path.qvel, path.qacc))
    assert not path.valid[gap].any()
    assert path.valid[35:50].all()
    assert np.abs(smoothed.kernels.rows()[:, :, gap]).max() < 1e-9
    assert not np.any(smoothed.kernels.scale[gap])


def test_confidence_scales_the_noise(mixed):
    """A wild frame of low confidence does little; confidence 0 is a frame that was not recorded."""
    rng = np.random.default_rng(9)
    clean = mixed_motion(np.arange(120) / 30)
    noisy = turned(mixed, clean, 0.02 * rng.normal(size=(120, 11)))
    wild = noisy.copy()
    wild[60] = turned(mixed, wild[60:61], np.full((1, 11), 0.4))[0]
    doubt = np.ones(120)
    doubt[60] = 0.002
    for method in ("reml", "gcv"):
        errors = [
            np.abs(
                apart(mixed, clean, smooth(mixed, q, 30.0, method, confidence=c).trajectory.qpos)[60]
            ).max()
            for q, c in ((noisy, None), (wild, doubt), (wild, None))
        ]
        assert errors[1] < 2 * errors[0] + 0.01 < errors[2]
        lost, missing = np.ones(120), noisy.copy()
        lost[40:44], missing[40:44] = 0, np.nan
        a, b = smooth(mixed, noisy, 30.0, method, confidence=lost), smooth(mixed, missing, 30.0, method)
        np.testing.assert_allclose(a.trajectory.qacc[60:], b.trajectory.qacc[60:], atol=1e-6)
        assert not a.trajectory.valid[40:44].any()


# ---- bad input -----------------------------------------------------------------------------------------


def test_bad_input_is_named(mixed):
    qpos = mixed_motion(np.arange(60) / 30)
    gapped = qpos.copy()
    gapped[20] = np.nan
    cases = [
        (TrajectoryError, "method is 'kalman'; available: reml, gcv", {"method": "kalman"}),
        (TrajectoryError, "'gcv' has no option 'cutoff'; accepted: none", {"method": "gcv", "cutoff": 3}),
        (TrajectoryError, "half the frame rate, 15", {"method": "butterworth", "cutoff": 15.0}),
        (TrajectoryError, "sigma is -0.1; accepted", {"sigma": -0.1}),
        (TrajectoryError, "rho is 1.0; accepted", {"rho": 1.0}),
        (TrajectoryError, "sigma is 'much'; accepted", {"sigma": "much"}),
        (TrajectoryError, "no filter is method 'spline'", {"method": "butterworth", "cutoff": None}),
        (TrajectoryError, "corner is -3.0 Hz; accepted", {"corner": -3.0}),
        (TrajectoryError, "window of 3 s is 91 frames", {"method": "savitzky-golay", "window": 3.0}),
        (TrajectoryError, "window is -1", {"method": "savitzky-golay", "window": -1.0}),
        (TrajectoryError, "degree is 1.5", {"method": "savitzky-golay", "degree": 1.5}),
        (TrajectoryError, "those that do: reml, gcv", {"method": "winter", "confidence": np.ones(60)}),
        (StateError, r"confidence has shape \(59,\)", {"confidence": np.ones(59)}),
        (StateError, "confidence is 2.0 at frame 0", {"confidence": np.full(60, 2.0)}),
        (StateError, "confidence is nan at frame 0", {"confidence": np.full(60, np.nan)}),
        (StateError, "none of the 60 frames", {"confidence": np.zeros(60)}),
    ]
    for error, message, options in cases:
        with pytest.raises(error, match=message):
            smooth(mixed, qpos, 30.0, **options)
    for method in ("savitzky-golay", "central", "three-point"):
        with pytest.raises(TrajectoryError, match="takes no gaps, and 1 of 60 .* reml, gcv, butterworth"):
            smooth(mixed, gapped, 30.0, method)
    for method in METHODS:
        with pytest.raises(TrajectoryError, match="frames"):
            smooth(mixed, qpos[:4], 30.0, method)
    with pytest.raises(TrajectoryError, match="fps is -30"):
        smooth(mixed, qpos, -30)


# ---- noise found, torque recovered ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rho", "accepted"), [(0.0, (0.0,)), (0.5, (0.3, 0.5, 0.65)), (0.8, (0.65, 0.8, 0.9))]
)
def test_the_noise_is_found(recovery, rho, accepted):
    """sigma in the middle of the joints within 5 %, as far as .8 (10 %: five seconds hold few cycles)."""
    clip = recovery.clip("walk").at(60.0)
    qpos = recovery.perturbed(clip, recovery.Noise(0.05, rho), seed=0)
    noise = smooth(clip.model, qpos, 60.0).noise
    assert noise.rho in accepted
    assert np.median(noise.sigma[3:]) == pytest.approx(0.05, rel=0.05 if rho < 0.8 else 0.1)


@pytest.mark.parametrize("rho", [0.0, 0.8, 0.95])
def test_third_differences_bound_the_noise(rho):
    """Of noise alone the bound is its sigma, whatever the frames' confidence; movement only raises it."""
    frames, sigma = 400, 0.05
    rng = np.random.default_rng(11)
    scale = rng.uniform(0.5, 2, frames)
    scale[[50, 51, 200]] = 0
    noise = sigma * correlated(rng, (frames, 30), rho) * scale[:, None]
    swing = 0.8 * np.sin(np.arange(frames) * 2 * np.pi * 2 / 30)[:, None]

    def most(values, scale=scale):
        samples = penalized.Samples.of(values, scale, ORDER_3)
        return reml.most_noise(penalized.Design.of(samples, rho))

    # Thirty series of 400 frames: 1 % where the frames are independent, several times that at .95.
    assert most(noise).mean() == pytest.approx(sigma, rel=0.05)
    assert (most(noise + swing) > most(noise)).all()
    lonely = np.where(np.arange(frames) % 4 == 3, 0.0, 1.0)
    assert np.isinf(most(noise, lonely)).all()


def test_bandwidths_are_drawn_together_where_noise_is_slow():
    """All of a body that moves; not a few moving joints of a still body."""
    angles, sigma = np.ones(60, bool), np.full(60, 0.05)
    angles[:3], sigma[:3] = False, 0.0
    moving, waving = np.full(60, -4.0), np.full(60, -4.0)
    moving[3:30], waving[3:9] = -0.2, -0.2
    fast, slow = (reml.coherent(moving, sigma, angles, rho) for rho in (0.65, 0.95))
    moving[3:10] = 0.5
    wider, drawn = (reml.coherent(moving, sigma, angles, rho) for rho in (0.65, 0.95))
    np.testing.assert_allclose(fast, slow)  # all of the moving ones agree already
    np.testing.assert_allclose(wider[3:10], 0.5)
    common = (7 * 0.5 - 20 * 0.2) / 27  # of the widest half of 57 those that move
    np.testing.assert_allclose(drawn[3:10], common + np.sqrt(1 - 0.95**2) * (0.5 - common))
    np.testing.assert_array_equal(
        reml.coherent(waving, sigma, angles, rho=0.95), reml.coherent(waving, sigma, angles, rho=0.0)
    )


def test_hidden_nyquist_noise_is_seen(recovery):
    """A pose that alternates from frame to frame looks still to central differences; the spline sees it."""
    clip = recovery.clip("squat").at(30.0)
    alternating = np.zeros((len(clip.qpos), clip.model.nv))
    alternating[::2, 6:] = 0.05
    qpos = turned(clip.model, clip.qpos, alternating)
    errors = {
        name: recovery.joint_rms(
            (recovery.smoothing(name)(clip.model, qpos, 30.0).tau - clip.tau)[clip.judged]
        )
        for name in ("central", "three-point", "spline")
    }
    assert errors["spline"] > 10 * errors["central"]
    assert errors["three-point"] > 10 * errors["central"]


@pytest.mark.parametrize(
    ("fps", "name", "least"), [(30.0, "white .05", 0.8), (30.0, "AR .8", 0.62), (60.0, "AR .8", 0.89)]
)
def test_a_walk_and_a_squat_are_recovered(recovery, fps, name, least):
    """The bars of the whole sets (see the slow test) hold for two clips; better than no torque at all."""
    methods = {"reml": recovery.smoothing("reml"), "zero": recovery.zero_torque}
    for clip in ("walk", "squat"):
        scores = recovery.scores(methods, recovery.clip(clip).at(fps), recovery.NOISES[name], seed=1)
        assert scores["reml"].reduction > 100 * least
        assert scores["reml"].error < scores["zero"].error


def test_noise_as_slow_as_a_run_is_no_worse_than_raw(recovery):
    """Where bandwidths of each rotation's own would be: 30 frames a second, noise correlated by .95."""
    clean, noise = recovery.clip("run").at(30.0), recovery.NOISES["AR .95"]
    for seed in range(3):
        score = recovery.scores({"reml": recovery.smoothing("reml")}, clean, noise, seed)["reml"]
        assert score.reduction > 0


@pytest.mark.slow
@pytest.mark.parametrize("fps", [30.0, 60.0])
@pytest.mark.parametrize("name", ["white .03", "white .05", "white .08", "AR .8", "AR .95", "bias .03"])
def test_never_worse_than_raw(recovery, shared, fps, name):
    """Clip by clip and draw by draw, against central differences of the same samples; never NaN."""
    methods = {"reml": recovery.smoothing("reml")}
    found = {
        (clip, seed): recovery.scores(methods, recovery.clip(clip).at(fps), recovery.NOISES[name], seed)[
            "reml"
        ]
        for clip in (*recovery.TUNED, *recovery.HELD_OUT)
        for seed in range(3)
    }
    worst = min(found, key=lambda key: found[key].reduction)
    print(f"{fps:g} fps {name}: least reduction {found[worst].reduction:.1f} % ({worst[0]}, seed {worst[1]})")
    assert np.isfinite([score[:4] for score in found.values()]).all()
    assert found[worst].reduction > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fps", "name", "reduction", "pose"),
    [
        (30.0, "white .05", 80, 2.2),
        (60.0, "white .05", 94, 1.6),
        (30.0, "AR .8", 62, np.inf),
        (60.0, "AR .8", 89, np.inf),
    ],
)
def test_both_sets_of_clips_are_recovered(recovery, shared, fps, name, reduction, pose):
    """Means over the clips that choices were made on, and over those that none was made on."""
    methods = {"reml": recovery.smoothing("reml")}
    for names in (recovery.TUNED, recovery.HELD_OUT):
        found = [
            recovery.scores(methods, recovery.clip(n).at(fps), recovery.NOISES[name], 0)["reml"]
            for n in names
        ]
        mean = recovery.Score(*np.mean(found, axis=0))
        assert mean.reduction > reduction
        assert mean.pose_deg < pose


def test_hinged_bodies_too():
    """The same walk on a body of hinges: finite, and better than raw by as much."""
    body = smpl2mjcf.default_body()
    human = smpl2mjcf.build_humanoid(body, joints="hinge")
    qpos = smpl2mjcf.motion_to_qpos(human, smpl2mjcf.load_motion(smpl2mjcf.model_file("walk.npz")))[:480:4]
    rng = np.random.default_rng(10)
    noisy = turned(
        human.model,
        qpos,
        0.05 * rng.normal(size=(len(qpos), human.model.nv)) * (np.arange(human.model.nv) > 2),
    )
    path = smooth(human.model, noisy, 30.0)
    left = apart(human.model, qpos, path.trajectory.qpos)[:, 3:]
    assert np.sqrt(np.mean(left**2)) < 0.5 * 0.05
    assert np.median(path.noise.sigma[3:]) == pytest.approx(0.05, rel=0.1)
