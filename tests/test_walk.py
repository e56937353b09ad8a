"""The embedded example walk: a gait that a floor could carry, judged on the posed mesh and by MuJoCo."""

import importlib.util
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf.assembly import GRAVITY

STRIDE = 128  # frames
STEP = STRIDE // 2
CONTACT = 0.005  # m: a vertex lower than this touches the floor
FORWARD, LEFT, UP = np.eye(3)


@pytest.fixture(scope="module")
def walk():
    return smpl2mjcf.load_motion(smpl2mjcf.model_file("walk.npz"))


@pytest.fixture(scope="module")
def mesh(walk, default_body):
    """The skinned mesh over the first stride (STRIDE, V, 3) m, and the joints' rotations in the world."""
    body, joints = default_body, smpl2mjcf.joint_positions(default_body)
    local = (
        Rotation.from_rotvec(walk.poses[:STRIDE].reshape(-1, 3).copy()).as_matrix().reshape(STRIDE, -1, 3, 3)
    )
    world, position = np.empty_like(local), np.empty(local.shape[:3])
    vertices = np.zeros((STRIDE, len(body.v_template), 3))
    for j, parent in enumerate(body.parents):
        if parent < 0:
            world[:, j], position[:, j] = local[:, j], joints[j] + walk.trans[:STRIDE]
        else:
            world[:, j] = world[:, parent] @ local[:, j]
            position[:, j] = position[:, parent] + world[:, parent] @ (joints[j] - joints[parent])
        skin = np.flatnonzero(body.weights[:, j])
        moved = (body.v_template[skin] - joints[j]) @ world[:, j].swapaxes(1, 2) + position[:, None, j]
        vertices[:, skin] += body.weights[skin, j, None] * moved
    return vertices, world


@pytest.fixture(scope="module")
def left_sole(default_body):
    """Vertices of the left foot's underside: within 12 mm of the rest pose's lowest."""
    body = default_body
    foot = [body.joint_names.index(f"left_{name}") for name in ("ankle", "foot")]
    low = body.v_template[:, 1] < body.v_template[:, 1].min() + 0.012
    return np.flatnonzero((body.weights[:, foot].sum(1) > 0.9) & low)


@pytest.fixture(scope="module")
def ground(walk, default_body):
    """What the floor must supply over a stride, by MuJoCo: force / body weight, pressure, turning moment."""
    humanoid = smpl2mjcf.build_humanoid(default_body)
    model, data = humanoid.model, mujoco.MjData(humanoid.model)
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONSTRAINT
    qpos = smpl2mjcf.motion_to_qpos(humanoid, walk)[STRIDE - 2 : 2 * STRIDE + 2]
    # Central differences: at 120 frames/s a little softer than the walk's true derivatives.
    qvel = np.zeros((len(qpos), model.nv))
    for t in range(1, len(qpos) - 1):
        mujoco.mj_differentiatePos(model, qvel[t], 2 / walk.fps, qpos[t - 1], qpos[t + 1])
    qacc = (qvel[3:-1] - qvel[1:-3]) * walk.fps / 2
    force, pressure, turning, com = (np.zeros((STRIDE, n)) for n in (3, 2, 1, 3))
    for t in range(STRIDE):
        data.qpos[:], data.qvel[:], data.qacc[:] = qpos[t + 2], qvel[t + 2], qacc[t]
        mujoco.mj_inverse(model, data)
        pelvis = model.body("pelvis").id
        force[t] = F = data.qfrc_inverse[:3]
        moment = data.xmat[pelvis].reshape(3, 3) @ data.qfrc_inverse[3:6] + np.cross(data.xpos[pelvis], F)
        pressure[t] = np.array([-moment[1], moment[0]]) / F[2]
        turning[t] = moment[2] - (pressure[t, 0] * F[1] - pressure[t, 1] * F[0])
        com[t] = data.subtree_com[0]
    pressure[:, 0] -= walk.trans[STRIDE, 0] - walk.trans[0, 0]  # back to the first stride
    return {
        "force": force / (humanoid.mass * GRAVITY),
        "pressure": pressure,
        "turning": turning[:, 0],
        "com": com,
    }


@pytest.fixture(scope="module")
def script():
    path = Path(__file__).resolve().parent.parent / "models" / "generate_walk.py"
    spec = importlib.util.spec_from_file_location("generate_walk", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate_walk"] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules["generate_walk"]


def left_angles(walk, joint):
    """(STRIDE, 3) degrees about x, then z, then y of a joint, in SMPL's signs."""
    poses = walk.poses[:STRIDE, walk.joint_names.index(joint)].copy()
    return Rotation.from_rotvec(poses).as_euler("XZY", degrees=True)


def test_file_is_amass_layout():
    path = smpl2mjcf.model_file("walk.npz")
    assert path.stat().st_size < 300_000
    with np.load(path, allow_pickle=False) as file:
        assert file["poses"].shape == (5 * STRIDE, 72)
        assert file["trans"].shape == (5 * STRIDE, 3)
        assert file["mocap_framerate"] == 120.0
        assert str(file["gender"]) == "neutral"
        assert str(file["family"]) == "smpl2mjcf"
        np.testing.assert_array_equal(file["betas"], np.zeros(10))


def test_walk_is_straight_level_and_of_natural_speed(walk):
    assert np.isfinite(walk.poses).all()
    assert np.isfinite(walk.trans).all()
    assert walk.up == "z"
    travel = walk.trans[STRIDE:] - walk.trans[:-STRIDE]
    speed = travel * walk.fps / STRIDE
    np.testing.assert_allclose(speed, np.tile([1.30, 0, 0], (len(speed), 1)), atol=1e-6)
    assert 110 <= 2 * 60 * walk.fps / STRIDE <= 115  # steps a minute


def test_strides_repeat_and_sides_mirror(walk, default_body):
    # The file is rounded to 2**-32.
    np.testing.assert_allclose(walk.poses[STRIDE:], walk.poses[:-STRIDE], atol=1e-9)
    names = walk.joint_names
    other = [
        names.index(n.replace("left", "?").replace("right", "left").replace("?", "right")) for n in names
    ]
    upright = Rotation.from_matrix(np.stack([LEFT, UP, FORWARD], axis=1))
    local = walk.poses.copy()
    local[:, 0] = (upright.inv() * Rotation.from_rotvec(local[:, 0])).as_rotvec()
    mirrored = local[STEP:, other] * [1, -1, -1]
    np.testing.assert_allclose(mirrored, local[:-STEP], atol=1e-8)
    pelvis = smpl2mjcf.joint_positions(default_body)[0] + walk.trans
    step = pelvis[STEP:] - pelvis[:-STEP] * [1, -1, 1]
    np.testing.assert_allclose(step, np.tile([1.30 * STEP / walk.fps, 0, 0], (len(step), 1)), atol=1e-8)


def test_contact_points_stand_still(mesh, walk):
    """No vertex moves more than 1 cm along the floor from touching it (5 mm) to leaving it."""
    vertices, _ = mesh
    low = np.flatnonzero(vertices[:, :, 2].min(0) < CONTACT)
    assert len(low) > 100
    travel = walk.trans[STRIDE] - walk.trans[0]
    path = np.concatenate([vertices[:, low], vertices[:, low] + travel])
    touching = path[:, :, 2] < CONTACT
    worst = 0.0
    for v in range(len(low)):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], touching[:, v], [0]]).astype(int)))
        for first, last in zip(edges[::2], edges[1::2]):
            xy = path[first:last, v, :2]
            worst = max(worst, np.linalg.norm(xy[:, None] - xy, axis=2).max())
    assert worst <= 0.010, f"{1000 * worst:.1f} mm"


def test_nothing_is_below_the_floor_and_a_foot_is_always_on_it(mesh):
    vertices, _ = mesh
    lowest = vertices[:, :, 2].min(1)
    assert lowest.min() >= -0.005
    assert lowest.max() <= CONTACT


def test_stance_swing_and_double_support(mesh, left_sole):
    vertices, _ = mesh
    height = vertices[:, left_sole, 2].min(1)
    stance = height < CONTACT
    assert stance[0]
    assert not stance[-1]
    assert np.count_nonzero(np.diff(stance)) == 1  # one stance, one swing
    assert 0.60 <= stance.mean() <= 0.62
    double = stance & np.roll(stance, STEP)
    assert 0.20 <= double.mean() <= 0.24
    swing = slice(int(0.72 * STRIDE), int(0.92 * STRIDE))
    assert height[swing].min() >= 0.010


def test_standing_foot_is_flat_and_points_a_little_outward(mesh, left_sole, default_body):
    vertices, world = mesh
    flat = slice(int(0.12 * STRIDE), int(0.35 * STRIDE))
    assert vertices[flat, left_sole, 2].max() < 0.015
    for name in ("left_ankle", "left_foot"):
        sole_normal = world[flat, default_body.joint_names.index(name), :, 1]
        assert np.rad2deg(np.arccos(sole_normal @ UP)).max() < 1.0
    # From the middle of the heel to the middle of the forefoot, and to the toes.
    rest = default_body.v_template[left_sole, 2]
    place = (rest - rest.min()) / np.ptp(rest)
    sole = vertices[flat, left_sole]
    heel = sole[:, place < 0.2].mean(1)
    for patch in ((place > 0.6) & (place < 0.75), place > 0.85):
        line = sole[:, patch].mean(1) - heel
        outward = np.rad2deg(np.arctan2(line[:, 1], line[:, 0]))
        assert outward.min() > 0
        assert outward.max() < 9


def test_joints_move_as_people_do(walk):
    knee = left_angles(walk, "left_knee")[:, 0]
    assert knee.min() >= -2
    assert 55 <= knee.max() <= 65
    assert 0.68 <= knee.argmax() / STRIDE <= 0.75
    plantarflexion = left_angles(walk, "left_ankle")[:, 0]
    assert 15 <= plantarflexion.max() <= 22
    assert 0.59 <= plantarflexion.argmax() / STRIDE <= 0.66
    thigh_flexion = -left_angles(walk, "left_hip")[:, 0]
    assert 40 <= np.ptp(thigh_flexion) <= 52
    # The arm swings against the leg of its side.
    assert -left_angles(walk, "left_shoulder")[0, 0] < -10
    assert -left_angles(walk, "left_shoulder")[STEP, 0] > 5


@pytest.mark.parametrize(
    ("joint", "axis", "sign", "curve"),
    [
        ("left_hip", 0, -1, "hip_flexion"),
        ("left_hip", 1, -1, "hip_adduction"),
        ("left_knee", 0, 1, "knee_flexion"),
        ("left_ankle", 0, -1, "ankle_dorsiflexion"),
        ("left_foot", 0, -1, "toe_extension"),
        ("left_shoulder", 0, -1, "shoulder_flexion"),
        ("left_elbow", 2, -1, "elbow_flexion"),
    ],
)
def test_joints_stay_near_the_cited_curves(walk, script, joint, axis, sign, curve):
    difference = sign * left_angles(walk, joint)[:, axis] - np.rad2deg(script.curve(curve))
    assert np.sqrt(np.mean(difference**2)) < 6


def test_ground_would_push_as_it_does_on_people(ground):
    force = ground["force"]
    assert force[:, 2].mean() == pytest.approx(1, abs=1e-3)  # the centre of mass ends as it began
    np.testing.assert_allclose(force.mean(0)[:2], 0, atol=1e-3)
    assert force[:, 2].min() > 0.70
    assert force[:, 2].max() < 1.25
    # Humps in double support, troughs in single support: two of each a stride.
    second = np.fft.rfft(force[:, 2])[2] / STRIDE * 2
    assert 0.15 < abs(second) < 0.25
    assert force[int(0.06 * STRIDE), 2] > 1.15
    assert force[int(0.31 * STRIDE), 2] < 0.85
    # Braked by the foot ahead, pushed on by the foot behind.
    assert -0.25 < force[int(0.15 * STRIDE), 0] < -0.08
    assert 0.08 < force[int(0.48 * STRIDE), 0] < 0.25
    assert np.abs(force[:, 1]).max() < 0.12
    assert np.abs(ground["turning"]).max() < 10  # Nm
    assert 0.03 <= np.ptp(ground["com"][:, 2]) <= 0.05


def test_pressure_stays_under_the_feet(ground, mesh):
    vertices, _ = mesh
    for centre, frame in zip(ground["pressure"], vertices):
        hull = ConvexHull(frame[frame[:, 2] < CONTACT, :2]).equations
        assert (hull[:, :2] @ centre + hull[:, 2]).max() < 0


def test_script_makes_the_file(script):
    """The committed walk is what the script makes of the committed body.

    1e-5: the least squares stop at a relative gain, and another machine's rounding moves the last step.
    """
    made = script.walk()
    with np.load(smpl2mjcf.model_file("walk.npz"), allow_pickle=False) as file:
        assert set(made) == set(file.files)
        np.testing.assert_allclose(made["poses"], file["poses"], atol=1e-5)
        np.testing.assert_allclose(made["trans"], file["trans"], atol=1e-5)
        assert str(made["source"]) == str(file["source"])
