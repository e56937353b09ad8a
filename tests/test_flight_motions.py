"""The embedded run and jump: contacts, free flight and ground forces, judged on the mesh and by MuJoCo."""

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

import smpl2mjcf

MODELS = Path(__file__).resolve().parent.parent / "models"
CONTACT = 0.005  # m: a vertex lower than this touches the floor
AIRBORNE = 0.002  # m: no vertex lower than this, and nothing can push
GRAVITY = np.array([0.0, 0.0, -9.81])
STRIDE = 86  # frames of the run
STEP = STRIDE // 2
NAMES = ("run", "jump")


@dataclass(frozen=True)
class Made:
    """A motion with what the tests look at."""

    name: str
    motion: smpl2mjcf.Motion
    feet: np.ndarray  # (T, V, 3) m, the feet's vertices
    left: np.ndarray  # (V,) bool
    com: np.ndarray  # (T, 3) m, MuJoCo's
    force: np.ndarray  # (T, 3) body weights, what mj_inverse asks of the floor; NaN at the two ends
    moment: np.ndarray  # (T, 3) N m about the centre of mass
    pressure: np.ndarray  # (T, 2) m
    qacc: np.ndarray  # (T, nv)
    tau: np.ndarray  # (T, nv) N m and N, mj_inverse with no floor: of the root and of the joints

    @property
    def lowest(self):
        return self.feet[:, :, 2].min(1)

    @property
    def inner(self):
        """Airborne frames whose neighbours are airborne too: the stencil spans three frames."""
        air = self.lowest > AIRBORNE
        inner = air.copy()
        inner[1:] &= air[:-1]
        inner[:-1] &= air[1:]
        inner[[0, -1]] = False
        return inner


def skin(body, motion, vertices):
    """(T, V, 3) m, linear blend skinning of some vertices."""
    joints, T = smpl2mjcf.joint_positions(body), motion.num_frames
    local = Rotation.from_rotvec(motion.poses.reshape(-1, 3).copy()).as_matrix().reshape(T, -1, 3, 3)
    world, position = np.empty_like(local), np.empty(local.shape[:3])
    out = np.zeros((T, len(vertices), 3))
    for j, parent in enumerate(body.parents):
        if parent < 0:
            world[:, j], position[:, j] = local[:, j], joints[j] + motion.trans
        else:
            world[:, j] = world[:, parent] @ local[:, j]
            position[:, j] = position[:, parent] + world[:, parent] @ (joints[j] - joints[parent])
        here = np.flatnonzero(body.weights[vertices, j])
        rows = vertices[here]
        moved = (body.v_template[rows] - joints[j]) @ world[:, j].swapaxes(1, 2) + position[:, None, j]
        out[:, here] += body.weights[rows, j, None] * moved
    return out


@pytest.fixture(scope="module")
def humanoid(default_body):
    return smpl2mjcf.build_humanoid(default_body)


def make(name, body, humanoid):
    motion = smpl2mjcf.load_motion(smpl2mjcf.model_file(f"{name}.npz"))
    lower_leg = [body.joint_names.index(f"{s}_{n}") for s in ("left", "right") for n in ("ankle", "foot")]
    vertices = np.flatnonzero(body.weights[:, lower_leg].sum(1) > 0.3)
    feet = skin(body, motion, vertices)
    model, data = humanoid.model, mujoco.MjData(humanoid.model)
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONSTRAINT
    qpos = smpl2mjcf.motion_to_qpos(humanoid, motion)
    T, dt = len(qpos), 1 / motion.fps
    half = np.zeros((T - 1, model.nv))  # velocities between frames
    for t in range(T - 1):
        mujoco.mj_differentiatePos(model, half[t], dt, qpos[t], qpos[t + 1])
    com, qacc, tau = np.zeros((T, 3)), np.zeros((T, model.nv)), np.zeros((T, model.nv))
    force, moment, pressure = (np.full((T, n), np.nan) for n in (3, 3, 2))
    pelvis = model.body("pelvis").id
    for t in range(T):
        data.qpos[:] = qpos[t]
        if 0 < t < T - 1:
            qacc[t] = (half[t] - half[t - 1]) / dt
            data.qvel[:], data.qacc[:] = (half[t] + half[t - 1]) / 2, qacc[t]
        mujoco.mj_inverse(model, data)
        com[t], tau[t] = data.subtree_com[0], data.qfrc_inverse
        if not 0 < t < T - 1:
            continue
        force[t] = F = data.qfrc_inverse[:3]
        about_origin = data.xmat[pelvis].reshape(3, 3) @ data.qfrc_inverse[3:6] + np.cross(
            data.xpos[pelvis], F
        )
        moment[t] = about_origin - np.cross(com[t], F)
        pressure[t] = np.array([-about_origin[1], about_origin[0]]) / F[2]
    weight = humanoid.mass * -GRAVITY[2]
    left = body.v_template[vertices, 0] > 0
    return Made(name, motion, feet, left, com, force / weight, moment, pressure, qacc, tau)


@pytest.fixture(scope="module")
def run(default_body, humanoid):
    return make("run", default_body, humanoid)


@pytest.fixture(scope="module")
def jump(default_body, humanoid):
    return make("jump", default_body, humanoid)


@pytest.fixture(params=NAMES)
def made(request):
    return request.getfixturevalue(request.param)


def angles(made, joint):
    """(T, 3) degrees about x, then z, then y of a joint, in SMPL's signs."""
    poses = made.motion.poses[:, made.motion.joint_names.index(joint)].copy()
    return Rotation.from_rotvec(poses).as_euler("XZY", degrees=True)


@pytest.mark.parametrize("name", NAMES)
def test_file_is_amass_layout(name):
    path = smpl2mjcf.model_file(f"{name}.npz")
    assert path.stat().st_size < 400_000
    with np.load(path, allow_pickle=False) as file:
        T = len(file["poses"])
        assert file["poses"].shape == (T, 72)
        assert file["trans"].shape == (T, 3)
        assert file["mocap_framerate"] == 120.0
        assert str(file["gender"]) == "neutral"
        assert str(file["family"]) == "smpl2mjcf"
        assert f"generate_{name}.py" in str(file["source"])
        np.testing.assert_array_equal(file["betas"], np.zeros(10))


def test_contact_points_stand_still(made):
    """No vertex moves more than 1 cm along the floor from touching it (5 mm) to leaving it."""
    touching = made.feet[:, :, 2] < CONTACT
    worst = 0.0
    for v in np.flatnonzero(touching.any(0)):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], touching[:, v], [0]]).astype(int)))
        for first, last in zip(edges[::2], edges[1::2]):
            xy = made.feet[first:last, v, :2]
            worst = max(worst, np.linalg.norm(xy[:, None] - xy, axis=2).max())
    assert worst <= 0.010, f"{1000 * worst:.1f} mm"


def test_nothing_is_below_the_floor(made):
    assert made.lowest.min() >= -0.002


def test_free_flight_where_the_feet_are_off_the_floor(made):
    """MuJoCo's centre of mass, second central differences at 120 frames/s: exact for a parabola."""
    assert made.inner.sum() > 30
    second = np.zeros_like(made.com)
    second[1:-1] = (made.com[2:] - 2 * made.com[1:-1] + made.com[:-2]) * made.motion.fps**2
    excess = np.linalg.norm(second[made.inner] - GRAVITY, axis=1)
    assert excess.max() <= 0.02 * -GRAVITY[2]


def test_no_moment_without_contact(made):
    assert np.abs(made.moment[made.inner]).max() < 10  # N m


def test_floor_only_pushes(made):
    inside = slice(1, -1)
    # Joint velocities' central differences leave some 0.5 % of a body weight in the air.
    assert made.force[inside, 2].min() > -0.01
    standing = made.force[inside, 2] > 0.05
    assert (made.lowest[inside][standing] < CONTACT).all()


def test_knees_do_not_bend_backwards(made):
    """SMPL's rest pose has them bent by 5 degrees already."""
    for side in ("left", "right"):
        assert angles(made, f"{side}_knee")[:, 0].min() > -3


def test_joints_do_not_jerk(made):
    """A running knee is turned with some 500 rad/s2; a kink in a 120 Hz curve shows in the thousands."""
    assert np.abs(made.qacc[2:-2, 3:]).max() < 900


def test_run_is_straight_and_steady(run):
    motion = run.motion
    assert motion.num_frames == 6 * STRIDE
    travel = motion.trans[STRIDE:] - motion.trans[:-STRIDE]
    np.testing.assert_allclose(
        travel * motion.fps / STRIDE, np.tile([3.0, 0, 0], (len(travel), 1)), atol=1e-6
    )
    assert 160 <= 2 * 60 * motion.fps / STRIDE <= 170  # steps a minute
    # The file is rounded to 2**-32.
    np.testing.assert_allclose(motion.poses[STRIDE:], motion.poses[:-STRIDE], atol=1e-9)


def test_run_has_mirrored_sides(run, default_body):
    names = run.motion.joint_names
    other = [
        names.index(n.replace("left", "?").replace("right", "left").replace("?", "right")) for n in names
    ]
    upright = Rotation.from_matrix([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    local = run.motion.poses.copy()
    local[:, 0] = (upright.inv() * Rotation.from_rotvec(local[:, 0])).as_rotvec()
    np.testing.assert_allclose(local[STEP:, other] * [1, -1, -1], local[:-STEP], atol=1e-8)


def test_run_has_two_flights_a_stride(run):
    height = run.feet[:STRIDE, run.left, 2].min(1)
    stance = height < CONTACT
    assert np.count_nonzero(np.diff(np.append(stance, stance[0]))) == 2  # one stance, one swing
    assert 0.35 <= stance.mean() <= 0.40
    assert not (stance & np.roll(stance, STEP)).any()
    swing = slice(int(0.5 * STRIDE), int(0.85 * STRIDE))
    assert height[swing].min() > 0.04


def test_run_asks_the_floor_for_what_runners_do(run):
    force = run.force[STRIDE : 2 * STRIDE]
    # 0.3 %: two-point velocities miss a little of what the feet's impact adds.
    assert force[:, 2].mean() == pytest.approx(1, abs=3e-3)
    assert 2.0 < force[:, 2].max() < 3.0
    # Braked first, pushed on later.
    assert -0.35 < force[:, 0].min() < -0.1
    assert 0.1 < force[:, 0].max() < 0.35
    assert force[:STEP, 0].argmin() < force[10:STEP, 0].argmax() + 10
    assert np.abs(force[:, 1]).max() < 0.2


def test_runs_pressure_is_under_the_standing_foot(run):
    """Within 1 cm wherever the floor carries a tenth of the weight or more."""
    for t in range(STRIDE, 2 * STRIDE):
        if run.force[t, 2] > 0.1:
            low = run.feet[t][run.feet[t, :, 2] < CONTACT, :2]
            hull = ConvexHull(low).equations
            assert (hull[:, :2] @ run.pressure[t] + hull[:, 2]).max() < 0.010


def test_run_moves_as_runners_do(run):
    knee = angles(run, "left_knee")[:STRIDE, 0]
    assert 80 <= knee.max() <= 105
    assert 0.55 <= knee.argmax() / STRIDE <= 0.72
    assert 35 <= knee[: int(0.3 * STRIDE)].max() <= 52
    thigh = -angles(run, "left_hip")[:STRIDE, 0]
    assert 35 <= thigh.max() <= 50
    assert -32 <= thigh.min() <= -18
    # Arms swing against the legs, elbows bent.
    arm = -angles(run, "left_shoulder")[:STRIDE, 0]
    assert np.corrcoef(arm, np.roll(thigh, STEP))[0, 1] > 0.7


def above(cutoff, stride):
    """The part above `cutoff` Hz of a stride (STRIDE, ...) that repeats: its harmonics, nothing filtered."""
    spectrum = np.fft.rfft(stride, axis=0)
    spectrum[np.fft.rfftfreq(STRIDE, 1 / 120) < cutoff] = 0
    return np.fft.irfft(spectrum, STRIDE, axis=0)


def root_mean_square(vectors):
    """(...) of vectors (T, ..., 3) over frames."""
    return np.sqrt((vectors**2).sum(-1).mean(0))


def test_run_does_not_tremble(run, humanoid):
    """Measured: 0.6 mm, 1.1 g (0.24 g), 0, 5.7 of 15 N m; with a trembling pelvis 5.5 mm, 3.2 g (2.1 g),
    0.87, 23 of 28 N m.

    Above 8 Hz a runner's pelvis and trunk have the shock of landing, which this run leaves out, and little
    else; 1 mm is a recorded marker's noise. 6 Hz is the field's usual low-pass: it keeps a motion's torques
    only if most of them lie below.
    """
    steady = run.motion.trans[:STRIDE] - np.outer(np.arange(STRIDE) / 120, [3.0, 0, 0])
    assert np.abs(above(8, steady)).max() < 0.001
    one = slice(STRIDE, 2 * STRIDE)
    assert np.abs(run.qacc[one, 0]).max() < 1.2 * 9.81
    assert np.abs(above(10, run.qacc[one, 0])).max() < 0.3 * 9.81
    for joint in ("spine1", "spine2", "spine3"):
        trunk = run.qacc[one][:, humanoid.joint_dofs(joint)]
        assert root_mean_square(above(12, trunk)) < 0.3 * root_mean_square(trunk)
    joints = run.tau[one, 6:].reshape(STRIDE, -1, 3)
    rapid = root_mean_square(above(6, joints)).mean()
    assert rapid < 8  # N m, mean over joints
    assert rapid < 0.5 * root_mean_square(joints).mean()


def test_jump_goes_from_standing_to_standing(jump):
    for edge in (jump.force[1:30], jump.force[-30:-1]):
        np.testing.assert_allclose(edge[:, 2], 1, atol=0.01)
    apart = jump.motion.trans[0] - jump.motion.trans[-1]
    assert np.abs(apart).max() < 0.005
    # Left and right do the same, pelvis and trunk stay in the middle.
    mirrored = [angles(jump, f"{side}_knee")[:, 0] for side in ("left", "right")]
    np.testing.assert_allclose(*mirrored, atol=1e-6)
    np.testing.assert_allclose(jump.com[:, 1], jump.com[0, 1], atol=1e-6)


def test_jump_is_high_and_pushes_as_jumpers_do(jump):
    rate = np.gradient(jump.com[:, 2], 1 / jump.motion.fps)
    air = np.flatnonzero(jump.inner)
    assert 0.44 < len(air) / jump.motion.fps < 0.54  # s
    take_off = np.flatnonzero(jump.force[: air[0], 2] > 0.01)[-1]
    assert 0.29 <= jump.com[:, 2].max() - jump.com[take_off, 2] <= 0.40  # m
    assert 2.2 < rate[: air[0]].max() < 2.8
    force = jump.force[:, 2]
    low = jump.com[: air[0], 2].argmin()
    assert 0.25 < jump.com[0, 2] - jump.com[low, 2] < 0.40
    assert np.nanmin(force[:low]) < 0.6  # sinking
    assert 2.0 < np.nanmax(force[: air[0]]) < 3.3
    assert 2.0 < np.nanmax(force[air[-1] :]) < 4.0
    # The arms are behind while the body sinks and above the shoulders at take-off.
    arm = -angles(jump, "left_shoulder")[:, 0]
    assert arm[:low].min() < -25
    assert arm[take_off + 3 : take_off + 12].max() > 110


def test_jumps_pressure_is_under_the_feet_but_for_the_last_of_the_push(jump):
    """Within 2 cm; in the last 0.12 s before take-off, on the toes, it runs up to 10 cm behind them."""
    take_off = np.flatnonzero(jump.inner)[0]
    for t in range(1, jump.motion.num_frames - 1):
        if jump.force[t, 2] > 0.5:
            low = jump.feet[t][jump.feet[t, :, 2] < CONTACT, :2]
            hull = ConvexHull(low).equations
            outside = (hull[:, :2] @ jump.pressure[t] + hull[:, 2]).max()
            assert outside < (0.10 if 0 < take_off - t < 20 else 0.02)


def load_script(name):
    sys.path.insert(0, str(MODELS))
    try:
        return importlib.import_module(f"generate_{name}")
    finally:
        sys.path.remove(str(MODELS))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_script_makes_the_file(name):
    """1e-4: the least squares stop before the last digit, and rounding moves the last steps."""
    made = getattr(load_script(name), name)()
    with np.load(smpl2mjcf.model_file(f"{name}.npz"), allow_pickle=False) as file:
        assert set(made) == set(file.files)
        np.testing.assert_allclose(made["poses"], file["poses"], atol=1e-4)
        np.testing.assert_allclose(made["trans"], file["trans"], atol=1e-4)
        assert str(made["source"]) == str(file["source"])
