"""The closed form of torque noise, judged by sampling: noisy rotations, the scheme, inverse dynamics."""

import mujoco
import numpy as np
import pytest

import analysis
import dynamics
import smpl2mjcf
from analysis.amplification import propagated
from analysis.dof_blocks import DofBlocks
from analysis.pose_noise import perturbed
from dynamics.precision import double_precision
from dynamics.smoothing import smooth

SECONDS = 2.5
HINGED = {"sigma": 0.03, "rho": 0.5, "translation": 0.002}


@pytest.fixture(scope="module")
def humanoid(default_body):
    return smpl2mjcf.build_humanoid(default_body, mass=70.0)


@pytest.fixture(scope="module")
def clip(humanoid):
    """A function from a name and a frame rate to the qpos of 2.5 s of an example motion."""

    def load(name, fps, body=humanoid):
        motion = smpl2mjcf.load_motion(smpl2mjcf.model_file(f"{name}.npz"))
        part = smpl2mjcf.trim(motion, 0.5, 0.5 + SECONDS)
        return smpl2mjcf.motion_to_qpos(body, smpl2mjcf.resample(part, fps))

    return load


def torques(tree, paths):
    with double_precision():
        return np.asarray(dynamics.rnea(tree, *(np.array([path[i] for path in paths]) for i in range(3))))


def sampled(model, qpos, fps, noise, method, draws, **options):
    """Law and errors of sampled torques, (draws, T, nv), at the frames that the scheme says are valid.

    The samples share no code with the law: rotations are turned, smoothed and differentiated by the scheme,
    and inverse dynamics runs on each.
    """
    tree = dynamics.Tree.from_mjmodel(model)
    clean = smooth(model, qpos, fps, method, **options)
    law = analysis.torque_noise(tree, clean.trajectory, clean.kernels, noise)
    valid = clean.trajectory.valid
    rng = np.random.default_rng(20260524)

    def path(recorded):
        found = smooth(model, recorded, fps, method, **options).trajectory
        return found.qpos[valid], found.qvel[valid], found.qacc[valid]

    paths = [path(perturbed(tree.topology, qpos, noise.draw(rng, len(qpos)))) for _ in range(draws)]
    return law, torques(tree, paths) - torques(tree, [path(qpos)]), valid


def agreement(model, qpos, fps, noise, method, draws, **options):
    """Sampled SD over the law's for each joint, and the share of errors within the 95 % band.

    Variances are pooled over the frames before they are compared: a single frame's SD from 300 draws is
    4 % uncertain by itself, the pooled one under 1 % (errors of frames further apart than the scheme's reach
    are independent).
    """
    law, errors, valid = sampled(model, qpos, fps, noise, method, draws, **options)
    variance = law.blocks.grouped(errors.var(axis=0, ddof=1)).sum(-1).mean(0)
    expected = (law.joint_sd[valid] ** 2).mean(0)
    return np.sqrt(variance / expected), float((np.abs(errors) <= law.half_width[valid]).mean())


def require_law(ratio, cover, names, bar, least=0.93, most=0.97):
    worst = np.abs(ratio - 1).argmax()
    assert np.abs(ratio - 1).max() <= bar, f"{names[worst]}: {ratio[worst]:.3f}"
    assert least <= cover <= most


def test_white_noise_against_sampling(humanoid, clip):
    model = humanoid.model
    noise = analysis.PoseNoise.of(model, sigma=0.05, translation=0.005)
    ratio, cover = agreement(model, clip("walk", 30.0), 30.0, noise, "central", 300)
    # 300 draws pooled over some 70 frames leave 1 % of their own.
    require_law(ratio, cover, DofBlocks.of(dynamics.Tree.from_mjmodel(model).topology).names, 0.04)


def test_correlated_noise_through_a_filter_on_hinges(default_body, clip):
    """Hinged joints have no cross terms, and the filter is none of the stencils."""
    hinged = smpl2mjcf.build_humanoid(default_body, mass=70.0, joints="hinge")
    model = hinged.model
    noise = analysis.PoseNoise.of(model, **HINGED)
    # A filter correlates neighbouring frames, so that fewer are independent: more draws.
    ratio, cover = agreement(model, clip("walk", 60.0, hinged), 60.0, noise, "butterworth", 300, cutoff=6.0)
    require_law(ratio, cover, DofBlocks.of(dynamics.Tree.from_mjmodel(model).topology).names, 0.04)


CONDITIONS = {
    "white .03": {"sigma": 0.03},
    "white .05": {"sigma": 0.05},
    "AR .8": {"sigma": 0.05, "rho": 0.8},
    "AR .95": {"sigma": 0.05, "rho": 0.95},
    ".05 + bias .05": {"sigma": 0.05, "bias": 0.05},
    "white .08": {"sigma": 0.08},
}


@pytest.mark.slow
@pytest.mark.parametrize("fps", [30.0, 60.0, 120.0])
@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("method", ["central", "three-point", "butterworth"])
def test_law_over_the_grid(humanoid, clip, fps, condition, method):
    model = humanoid.model
    noise = analysis.PoseNoise.of(model, **CONDITIONS[condition])
    for name in ("walk", "jump"):
        ratio, cover = agreement(model, clip(name, fps), fps, noise, method, 300)
        bar = 0.12 if condition == "white .08" else 0.04
        print(
            f"{name} {fps:g} fps {method} {condition}: worst {np.abs(ratio - 1).max():.3f}, "
            f"median {np.median(np.abs(ratio - 1)):.3f}, cover {cover:.3f}"
        )
        require_law(ratio, cover, DofBlocks.of(dynamics.Tree.from_mjmodel(model).topology).names, bar)


@pytest.mark.slow
def test_law_of_a_bias_alone(humanoid, clip):
    """One offset a clip: frames do not average, so that it takes many draws: 4000 leave 1 % of an SD."""
    model, qpos = humanoid.model, clip("walk", 30.0)
    noise = analysis.PoseNoise.of(model, sigma=0.0, bias=0.05)
    tree = dynamics.Tree.from_mjmodel(model)
    clean = smooth(model, qpos, 30.0, "spline")
    frames = np.flatnonzero(clean.trajectory.valid)[::6]
    law = analysis.torque_noise(tree, clean.trajectory, clean.kernels, noise)
    rng = np.random.default_rng(1)
    paths = []
    for _ in range(4000):
        offset = np.tile(noise.draw(rng, 1), (len(qpos), 1))
        found = smooth(model, perturbed(tree.topology, qpos, offset), 30.0, "spline").trajectory
        paths.append((found.qpos[frames], found.qvel[frames], found.qacc[frames]))
    base = clean.trajectory
    errors = torques(tree, paths) - torques(tree, [(base.qpos[frames], base.qvel[frames], base.qacc[frames])])
    ratio = np.sqrt(
        law.blocks.grouped(errors.var(axis=0, ddof=1)).sum(-1).mean(0) / (law.joint_sd[frames] ** 2).mean(0)
    )
    cover = float((np.abs(errors) <= law.half_width[frames]).mean())
    require_law(ratio, cover, law.blocks.names, 0.04)


def test_pendulum_by_hand():
    """One hinge: tau = I alpha + m g l sin q, so that Var = sigma^2 (I^2 G_22 + 2 I k G_02 + k^2 G_00)."""
    model = mujoco.MjModel.from_xml_string(
        """<mujoco><worldbody><body><joint name="swing" axis="0 1 0" armature="0"/>
        <inertial pos="0 0 -0.5" mass="2" diaginertia=".1 .1 .1"/></body></worldbody></mujoco>"""
    )
    qpos = np.full((40, 1), 0.3)
    found = smooth(model, qpos, 100.0, "three-point")
    law = analysis.torque_noise(
        model, found.trajectory, found.kernels, analysis.PoseNoise.of(model, sigma=0.01)
    )
    inertia, slope = 0.1 + 2 * 0.5**2, 2 * 9.81 * 0.5 * np.cos(0.3)
    G = found.kernels.gram(sigma=0.01)[0]
    expected = inertia**2 * G[:, 2, 2] + 2 * inertia * slope * G[:, 0, 2] + slope**2 * G[:, 0, 0]
    np.testing.assert_allclose(law.sd[:, 0] ** 2, expected, rtol=1e-9)
    # The three-point stencil's weights are 1, -2, 1 times fps^2.
    np.testing.assert_allclose(G[20, 2, 2], 0.01**2 * 6 * 100.0**4, rtol=1e-12)


@pytest.mark.parametrize("dof", [4, 7, 26, 57])
def test_slow_perturbations_to_first_order(humanoid, dof):
    """A known smooth error of one dof: its torque, by perturbing, differentiating and inverting again.

    White noise hides the terms w x n, w x n' and alpha x n behind n''; a slow error does not.
    """
    model, fps, size = humanoid.model, 480.0, 1e-4
    motion = smpl2mjcf.load_motion(smpl2mjcf.model_file("jump.npz"))
    qpos = smpl2mjcf.motion_to_qpos(humanoid, motion)
    truth = analysis.CleanMotion.of(model, qpos, motion.fps, seconds=1.5).at(fps)
    tree = dynamics.Tree.from_mjmodel(model)
    w = 2 * np.pi * 0.5
    n, rate, second = (
        size * f
        for f in (np.sin(w * truth.time), w * np.cos(w * truth.time), -(w**2) * np.sin(w * truth.time))
    )
    error = np.zeros((len(n), model.nv))
    error[:, dof] = n
    change = []
    for sign in (1, -1):
        found = smooth(model, perturbed(tree.topology, truth.qpos, sign * error), fps, "spline").trajectory
        change.append(torques(tree, [(found.qpos, found.qvel, found.qacc)])[0])
    expected = np.abs(change[0] - change[1]) / 2
    grams = np.zeros((model.nv, len(n), 3, 3))
    state = np.stack([n, rate, second], axis=-1)
    grams[dof] = state[:, :, None] * state[:, None]
    inner = slice(40, -40)
    found = propagated(model, truth, grams).sd
    # The spline's own error at 480 Hz, and rounding of second differences.
    np.testing.assert_allclose(found[inner], expected[inner], atol=2e-3 * expected.max(), rtol=2e-3)


def test_covariance_given_whole_is_the_independent_one_where_it_is_diagonal(humanoid, clip):
    model, qpos = humanoid.model, clip("walk", 30.0)
    found = smooth(model, qpos, 30.0, "central")
    sigma = np.random.default_rng(3).uniform(0.01, 0.1, model.nv)
    by_dof = analysis.PoseNoise(sigma, 0.5, np.full(model.nv, 0.01))
    whole = analysis.PoseNoise.from_covariance(model, np.diag(sigma**2), rho=0.5, bias=0.01)
    whole = analysis.PoseNoise(whole.sigma, whole.rho, by_dof.bias, whole.mixing)
    a, b = (
        analysis.torque_noise(model, found.trajectory, found.kernels, noise).covariance
        for noise in (by_dof, whole)
    )
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(a).max())


def test_joints_that_err_together(humanoid, clip):
    """A covariance between joints, judged by sampling: the whole body turned by one error."""
    model, qpos = humanoid.model, clip("walk", 30.0)
    rng = np.random.default_rng(4)
    root = rng.normal(size=(model.nv, 5)) * 0.02
    root[:3] = 0.0
    noise = analysis.PoseNoise.from_covariance(model, root @ root.T)
    ratio, cover = agreement(model, qpos, 30.0, noise, "central", 300)
    # Five sources instead of 75: less averaging than elsewhere.
    require_law(
        ratio, cover, DofBlocks.of(dynamics.Tree.from_mjmodel(model).topology).names, 0.06, 0.92, 0.975
    )


def test_mean_length_against_sampling():
    rng = np.random.default_rng(5)
    root = rng.normal(size=(4, 2, 3, 3)) * np.array([1.0, 0.1, 0.0])
    blocks = DofBlocks(("a", "b"), np.arange(6).reshape(2, 3), np.ones(2, bool), np.ones(2, bool))
    law = analysis.TorqueNoise(blocks, root @ root.swapaxes(-1, -2))
    drawn = np.einsum("tkij,njtk->ntki", root, rng.normal(size=(200_000, 3, 4, 2)))
    # 200,000 lengths, whose SD is about .6 of their mean: .15 %.
    np.testing.assert_allclose(law.mean_length(), np.linalg.norm(drawn, axis=-1).mean(0), rtol=0.008)
    still = analysis.TorqueNoise(blocks, np.zeros((4, 2, 3, 3)))
    assert (still.mean_length() == 0).all()


def test_limits(humanoid, clip):
    """No noise gives exactly no error; errors grow in proportion to sigma; a still pose is no exception."""
    model = humanoid.model
    still = np.tile(clip("walk", 30.0)[:1], (20, 1))
    found = smooth(model, still, 30.0, "central")
    none, one, two = (
        analysis.torque_noise(
            model, found.trajectory, found.kernels, analysis.PoseNoise.of(model, sigma=sigma)
        ).sd
        for sigma in (0.0, 0.01, 0.02)
    )
    assert (none == 0).all()
    assert np.isfinite(one).all()
    np.testing.assert_allclose(two, 2 * one, rtol=1e-12)


def test_bias_under_a_body_weight(humanoid, clip):
    """What no filter removes, judged by sampling: a leg that carries the body turns a bias into torque."""
    model, qpos = humanoid.model, clip("walk", 30.0)
    found = smooth(model, qpos, 30.0, "spline")
    force = np.zeros((len(qpos), model.nbody, 3))
    force[:, model.body("left_ankle").id, 2] = 70 * 9.81
    ground = dynamics.Wrench(force, np.zeros_like(force))
    noise = analysis.PoseNoise.of(model, sigma=0.0, bias=0.03)
    at = np.array([30])
    law = analysis.torque_noise(model, found.trajectory, found.kernels, noise, ground, at=at)
    rng = np.random.default_rng(6)
    topology = dynamics.Tree.from_mjmodel(model).topology
    still = np.repeat(found.trajectory.qpos[at], 2000, axis=0)
    turned = perturbed(topology, still, np.concatenate([noise.draw(rng, 1) for _ in range(2000)]))
    # One frame: its own rates, in the turned axes, are Exp(-n) w; slow enough here to leave out.
    zero = np.zeros((2000, model.nv))
    outer = dynamics.Wrench(np.repeat(force[at], 2000, axis=0), np.zeros((2000, model.nbody, 3)))
    with double_precision():
        tree = dynamics.Tree.from_mjmodel(model)
        tau = np.asarray(dynamics.rnea(tree, turned, zero, zero, outer))
    knee = law.blocks.names.index("left_knee")
    sampled_sd = np.sqrt(law.blocks.grouped(tau.var(axis=0))[knee].sum())
    assert sampled_sd > 15
    # 2000 samples leave 1.6 %, the turning that is left out a little more.
    assert law.joint_sd[0, knee] == pytest.approx(sampled_sd, rel=0.06)


def test_fps_squared(humanoid, clip):
    """Central differences of white noise: 4 and 16 times the error at twice and four times the rate."""
    model, rms = humanoid.model, []
    for fps in (30.0, 60.0, 120.0):
        found = smooth(model, clip("walk", fps), fps, "central")
        noise = analysis.PoseNoise.of(model, sigma=0.05)
        law = analysis.torque_noise(model, found.trajectory, found.kernels, noise)
        rms.append(np.sqrt((law.joint_sd[found.trajectory.valid] ** 2).mean()))
    np.testing.assert_allclose(np.array(rms[1:]) / rms[0], [4, 16], rtol=0.02)


def test_hinges_and_slides_in_blocks():
    model = mujoco.MjModel.from_xml_string(
        """<mujoco><worldbody><body name="cart"><joint type="slide" axis="1 0 0"/>
        <joint type="slide" axis="0 1 0"/><joint type="hinge" axis="0 0 1"/><geom size=".1"/>
        <body name="pole"><joint type="ball"/><geom size=".1"/></body></body></worldbody></mujoco>"""
    )
    blocks = DofBlocks.of(dynamics.Tree.from_mjmodel(model).topology)
    assert blocks.names == ("cart_translation", "cart", "pole")
    assert blocks.dofs.tolist() == [[0, 1, -1], [2, -1, -1], [3, 4, 5]]
    assert blocks.is_rotation.tolist() == [False, False, True]
    values = np.arange(1.0, 7.0)
    assert blocks.grouped(values)[0].tolist() == [1.0, 2.0, 0.0]
    assert (blocks.flat(blocks.grouped(values)) == values).all()
    # Grams by hand, all of the acceleration: the covariance of tau is then M M^T, block by block.
    qpos = np.tile(model.qpos0, (3, 1))
    path = dynamics.Trajectory(np.arange(3.0), qpos, np.zeros((3, 6)), np.zeros((3, 6)), np.ones(3, bool))
    grams = np.zeros((6, 3, 3, 3))
    grams[..., 2, 2] = 1.0
    data, mass = mujoco.MjData(model), np.zeros((6, 6))
    mujoco.mj_forward(model, data)
    mujoco.mj_fullM(model, data, mass)
    expected = np.sqrt(np.diag(mass @ mass.T))
    np.testing.assert_allclose(propagated(model, path, grams).sd, np.tile(expected, (3, 1)), rtol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sigma": -0.01}, "sigma is -0.01; accepted: a finite standard deviation, 0 or more"),
        ({"sigma": float("nan")}, "sigma is nan"),
        ({"bias": float("inf")}, "bias is inf"),
        ({"rho": 1.0}, "rho is 1.0; accepted: from 0"),
        ({"rho": -0.1}, "rho is -0.1"),
        ({"translation": "far"}, "translation is 'far'"),
        (
            {"joints": {"left_wing": 0.1}},
            "no joint 'left_wing' to put noise on; available: pelvis_translation",
        ),
        ({"joints": {"left_hip": -1}}, "sigma of left_hip is -1"),
    ],
)
def test_noise_out_of_range(humanoid, arguments, message):
    with pytest.raises(analysis.Error, match=message):
        analysis.PoseNoise.of(humanoid.model, **arguments)


def test_covariances_out_of_range(humanoid):
    nv = humanoid.model.nv
    refused = {
        "has shape (3, 3); this model needs (75, 75)": np.eye(3),
        "NaN or infinity": np.full((nv, nv), np.nan),
        "not symmetric": np.triu(np.ones((nv, nv))),
        "not positive: its least eigenvalue is -1": -np.eye(nv),
    }
    for message, matrix in refused.items():
        with pytest.raises(analysis.Error) as caught:
            analysis.PoseNoise.from_covariance(humanoid.model, matrix)
        assert message in str(caught.value)


def test_kernels_of_another_motion(humanoid, clip):
    model, qpos = humanoid.model, clip("walk", 30.0)
    found, other = smooth(model, qpos, 30.0, "central"), smooth(model, qpos[:30], 30.0, "central")
    noise = analysis.PoseNoise.of(model)
    with pytest.raises(
        analysis.Error, match="kernels belong to 30 frames of 75 dofs; this motion has 76 of 75"
    ):
        analysis.torque_noise(model, found.trajectory, other.kernels, noise)
    with pytest.raises(analysis.Error, match="the noise has 3 dofs; this model has 75"):
        analysis.torque_noise(
            model, found.trajectory, found.kernels, analysis.PoseNoise(np.ones(3), 0.0, np.ones(3))
        )
