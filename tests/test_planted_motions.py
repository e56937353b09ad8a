"""The example motions on planted feet: squat, sit-to-stand, arm raise; judged on the mesh and by MuJoCo."""

import importlib
import sys
from dataclasses import dataclass, field
from pathlib import Path

import mujoco
import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf.assembly import GRAVITY
from smpl2mjcf.skeleton import mirror_name

NAMES = ("squat", "sit_to_stand", "arm_raise")
CONTACT = 0.005  # m: a vertex lower than this touches the floor
ARM = ("shoulder", "elbow", "wrist", "hand")


@dataclass(eq=False)
class Performance:
    """A motion on its body: what the tests look at, computed once and without the generators' code."""

    name: str
    motion: smpl2mjcf.Motion
    body: smpl2mjcf.Body
    world: np.ndarray = field(init=False)  # (T, J, 3, 3)
    position: np.ndarray = field(init=False)  # (T, J, 3) m
    local: np.ndarray = field(init=False)  # (T, J, 3, 3)

    def __post_init__(self):
        T = self.motion.num_frames
        rest = smpl2mjcf.joint_positions(self.body)
        self.local = Rotation.from_rotvec(self.motion.poses.reshape(-1, 3)).as_matrix().reshape(T, -1, 3, 3)
        self.world, self.position = np.empty_like(self.local), np.empty(self.local.shape[:3])
        for j, parent in enumerate(self.body.parents):
            if parent < 0:
                self.world[:, j], self.position[:, j] = self.local[:, j], rest[j] + self.motion.trans
            else:
                self.world[:, j] = self.world[:, parent] @ self.local[:, j]
                reach = self.world[:, parent] @ (rest[j] - rest[parent])
                self.position[:, j] = self.position[:, parent] + reach
        self.rest = rest

    def index(self, joint):
        return self.body.joint_names.index(joint)

    def at(self, joint):
        """(T, 3) m."""
        return self.position[:, self.index(joint)]

    def rows(self, *joints, share=0.5):
        """Vertices that these joints carry."""
        return np.flatnonzero(self.body.weights[:, [self.index(j) for j in joints]].sum(1) > share)

    def skin(self, rows, frames=slice(None)):
        """(T, R, 3) m."""
        body, out = self.body, 0.0
        for j in np.flatnonzero(body.weights[rows].any(0)):
            moved = (body.v_template[rows] - self.rest[j]) @ self.world[frames, j].swapaxes(1, 2)
            out = out + body.weights[rows, j, None] * (moved + self.position[frames, j][:, None])
        return out

    def angles(self, joint):
        """(T, 3) degrees about x, then z, then y, in SMPL's signs."""
        return Rotation.from_matrix(self.local[:, self.index(joint)]).as_euler("XZY", degrees=True)

    def lean(self, low, high):
        """(T,) degrees by which the line between two joints leans forward."""
        line = self.at(high) - self.at(low)
        return np.rad2deg(np.arctan2(line[:, 0], line[:, 2]))

    def trunk(self):
        """(T,) degrees by which the trunk leans further forward than in standing, the motion's end."""
        lean = self.lean("pelvis", "neck")
        return lean - lean[-1]


@pytest.fixture(scope="module")
def performances(default_body):
    return {
        name: Performance(name, smpl2mjcf.load_motion(smpl2mjcf.model_file(f"{name}.npz")), default_body)
        for name in NAMES
    }


@pytest.fixture(params=NAMES)
def performance(request, performances):
    return performances[request.param]


@pytest.fixture(scope="module")
def grounds(performances, default_body):
    """By motion: what floor (and seat) must supply by MuJoCo: force / body weight, pressure, com, qacc."""
    humanoid = smpl2mjcf.build_humanoid(default_body)
    model, data = humanoid.model, mujoco.MjData(humanoid.model)
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONSTRAINT
    pelvis, made = model.body("pelvis").id, {}
    for name, performance in performances.items():
        fps, qpos = performance.motion.fps, smpl2mjcf.motion_to_qpos(humanoid, performance.motion)
        qpos = np.concatenate([qpos[:1], qpos[:1], qpos, qpos[-1:], qpos[-1:]])  # at rest before and after
        T = len(qpos) - 4
        qvel = np.zeros((len(qpos), model.nv))
        for t in range(1, len(qpos) - 1):
            mujoco.mj_differentiatePos(model, qvel[t], 2 / fps, qpos[t - 1], qpos[t + 1])
        qacc = (qvel[3:-1] - qvel[1:-3]) * fps / 2
        force, pressure, com = np.zeros((T, 3)), np.zeros((T, 2)), np.zeros((T, 3))
        for t in range(T):
            data.qpos[:], data.qvel[:], data.qacc[:] = qpos[t + 2], qvel[t + 2], qacc[t]
            mujoco.mj_inverse(model, data)
            force[t] = F = data.qfrc_inverse[:3]
            moment = data.xmat[pelvis].reshape(3, 3) @ data.qfrc_inverse[3:6] + np.cross(data.xpos[pelvis], F)
            pressure[t] = np.array([-moment[1], moment[0]]) / F[2]
            com[t] = data.subtree_com[0]
        force /= humanoid.mass * GRAVITY
        made[name] = {"force": force, "pressure": pressure, "com": com, "qacc": qacc}
    return made


@pytest.fixture(scope="module")
def seat():
    with np.load(smpl2mjcf.model_file("sit_to_stand.npz"), allow_pickle=False) as file:
        return {key: file[key].item() for key in ("seat_off_frame", "seat_height", "seat_front")}


@pytest.fixture
def feet_only(performance, seat):
    """The frames in which nothing but the feet carries."""
    return slice(seat["seat_off_frame"] if performance.name == "sit_to_stand" else 0, None)


def soles(performance):
    """Vertices of the feet's undersides: within 5 mm of the rest pose's lowest."""
    feet = performance.rows("left_ankle", "left_foot", "right_ankle", "right_foot", share=0.9)
    height = performance.body.v_template[feet, 1]
    return feet[height < performance.body.v_template[:, 1].min() + CONTACT]


def support(performance):
    """Half-planes (N, 3) of the feet's hull on the floor: a point p is inside where h[:2] @ p + h[2] < 0."""
    return ConvexHull(performance.skin(soles(performance), slice(0, 1))[0, :, :2]).equations


def depth(hull, points):
    """(T,) m, how far inside a hull points (T, 2) are; negative outside."""
    return -(points @ hull[:, :2].T + hull[:, 2]).max(1)


def test_files_are_amass_layout(performance):
    path = smpl2mjcf.model_file(f"{performance.name}.npz")
    assert path.stat().st_size < 300_000
    with np.load(path, allow_pickle=False) as file:
        T = len(file["poses"])
        assert file["poses"].shape == (T, 72)
        assert file["trans"].shape == (T, 3)
        assert file["mocap_framerate"] == 120.0
        assert str(file["gender"]) == "neutral"
        assert str(file["family"]) == "smpl2mjcf"
        assert f"generate_{performance.name}.py" in str(file["source"])
        np.testing.assert_array_equal(file["betas"], np.zeros(10))
    assert performance.motion.up == "z"


def test_begins_and_ends_at_rest(performance):
    """Velocity and acceleration are zero at the ends; between, the person breathes: no frame is repeated."""
    fps = performance.motion.fps
    for values in (performance.motion.poses.reshape(-1, 72), performance.motion.trans):
        for end in (values[:24], values[:-25:-1]):
            assert np.abs(end[1] - end[0]).max() * fps < 1e-4  # rad/s, m/s
            assert np.abs(end[2] - 2 * end[1] + end[0]).max() * fps**2 < 1e-2  # a cube of the time
            assert np.ptp(end, axis=0).max() < 1e-3  # a fifth of a second
    assert (np.abs(np.diff(performance.motion.poses, axis=0)).max((1, 2)) > 0).all()


def test_sides_mirror(performance):
    names = performance.motion.joint_names
    other = [names.index(mirror_name(name)) for name in names]
    poses = performance.motion.poses[:, 1:]
    mirrored = performance.motion.poses[:, other][:, 1:] * [1, -1, -1]
    np.testing.assert_allclose(mirrored, poses, atol=1e-8)
    np.testing.assert_allclose(performance.at("pelvis")[:, 1], 0, atol=1e-8)


def test_feet_stand_still_flat_and_on_the_floor(performance):
    feet = performance.rows("left_ankle", "left_foot", "right_ankle", "right_foot", share=0.05)
    skin = performance.skin(feet)
    assert skin[:, :, 2].min() > -0.001
    sole = performance.skin(soles(performance))
    assert len(sole[0]) > 150
    assert np.ptp(sole[:, :, 2], axis=0).max() < 1e-3  # heels and toes stay down
    drift = np.linalg.norm(np.ptp(sole[:, :, :2], axis=0), axis=-1)
    assert drift.max() < 1e-3


def test_nothing_is_below_the_floor(performance):
    frames = np.arange(0, performance.motion.num_frames, 12)
    lowest = performance.skin(np.arange(len(performance.body.v_template)), frames)[:, :, 2].min(1)
    assert lowest.min() > -0.001
    assert lowest.max() < 0.001


def test_accelerations_have_no_spikes(performance, grounds):
    """From one frame to the next no acceleration changes by more than a part of the largest.

    The shortest smooth step, 0.9 s, changes its acceleration by at most 1/7 of its peak a frame.
    """
    qacc = grounds[performance.name]["qacc"]
    assert np.abs(np.diff(qacc, axis=0)).max() < 0.15 * np.abs(qacc).max()


def test_feet_carry_the_weight_within_their_hull(performance, grounds, feet_only):
    ground, hull = grounds[performance.name], support(performance)
    force = ground["force"]
    np.testing.assert_allclose(force.mean(0), [0, 0, 1], atol=1e-3)  # at rest before and after
    assert force[:, 2].min() > 0.75
    assert force[:, 2].max() < 1.25
    assert np.abs(force[feet_only, :2]).max() < 0.15
    assert depth(hull, ground["pressure"][feet_only]).min() > 0.04
    # Rising from a seat the centre of mass still comes forward when the seat is left.
    least = -0.01 if performance.name == "sit_to_stand" else 0.05
    assert depth(hull, ground["com"][feet_only, :2]).min() > least


def test_arms_and_legs_keep_clear_of_the_body(performance):
    """No vertex of forearm and hand is inside trunk, head and legs; the knees do not cross."""
    arm = [f"{side}_{part}" for side in ("left", "right") for part in ARM]
    mine = performance.rows("left_elbow", "left_wrist", "left_hand", share=0.95)[::8]
    arms = performance.rows(*arm, share=0.5)
    faces = performance.body.faces[~np.isin(performance.body.faces, arms).any(1)]
    everything = np.arange(len(performance.body.v_template))
    for frame in np.linspace(0, performance.motion.num_frames - 1, 12).astype(int):
        skin = performance.skin(everything, slice(frame, frame + 1))[0]
        assert winding_numbers(skin[mine], skin[faces]).max() < 0.3, frame
    assert (performance.at("left_knee") - performance.at("right_knee"))[:, 1].min() > 0.15


def winding_numbers(points, triangles):
    """(P,) how often triangles (F, 3, 3) wind about points (P, 3): 1 inside a closed surface, 0 outside.

    Van Oosterom & Strackee 1983, doi 10.1109/TBME.1983.325207.
    """
    a, b, c = np.moveaxis(triangles[None] - points[:, None, None], 2, 0)
    la, lb, lc = (np.linalg.norm(v, axis=-1) for v in (a, b, c))
    top = np.einsum("pfi,pfi->pf", a, np.cross(b, c))
    dots = [np.einsum("pfi,pfi->pf", u, v) for u, v in ((a, b), (b, c), (c, a))]
    bottom = la * lb * lc + dots[0] * lc + dots[1] * la + dots[2] * lb
    return np.arctan2(top, bottom).sum(1) / (2 * np.pi)


def test_winding_numbers_know_inside():
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=float)
    triangles = corners[[[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]]
    np.testing.assert_allclose(winding_numbers(np.array([[0.1, 0.1, 0.1]]), triangles), 1, atol=1e-12)
    np.testing.assert_allclose(winding_numbers(np.array([[1.0, 1.0, 1.0]]), triangles), 0, atol=1e-12)


def test_joints_stay_within_peoples_ranges(performance):
    for side in ("left", "right"):
        mirror = 1 if side == "left" else -1
        assert performance.angles(f"{side}_knee")[:, 0].min() >= 0
        assert performance.angles(f"{side}_knee")[:, 0].max() < 125
        assert np.abs(performance.angles(f"{side}_knee")[:, 1:]).max() < 1e-6  # a hinge
        assert performance.lean(f"{side}_ankle", f"{side}_knee").max() < 35  # dorsiflexion over a flat foot
        assert np.abs(performance.angles(f"{side}_ankle")[:, 1:]).max() < 12
        hip = performance.angles(f"{side}_hip") * [-1, mirror, mirror]
        assert hip[:, 0].min() > -20
        assert hip[:, 0].max() < 125
        assert np.abs(hip[:, 1:]).max() < 30
        assert performance.angles(f"{side}_elbow")[:, 1].max() < 1
    spine = sum(performance.angles(f"spine{n}")[:, 0] for n in (1, 2, 3))
    assert spine.min() > -15
    assert spine.max() < 25


def test_squat_is_twice_to_level_thighs(performances):
    squat = performances["squat"]
    knee = squat.angles("left_knee")[:, 0]
    low = knee > 0.95 * knee.max()
    assert np.count_nonzero(np.diff(low.astype(int)) == 1) == 2
    assert knee[[0, 550, -1]].max() < 2  # standing before, between and after
    bottom = knee.argmax()
    assert 105 < knee[bottom] + 5.4 < 120  # the rest pose's knee is bent by 5.4 degrees
    thigh = squat.at("left_knee")[bottom] - squat.at("left_hip")[bottom]
    assert abs(np.rad2deg(np.arctan2(thigh[2], np.hypot(*thigh[:2])))) < 12
    assert 20 < squat.lean("left_ankle", "left_knee")[bottom] < 35
    assert 35 < squat.trunk()[bottom] < 50
    # Knees over the feet, arms level.
    shank = squat.at("left_knee")[bottom] - squat.at("left_ankle")[bottom]
    foot = squat.at("left_foot")[bottom] - squat.at("left_ankle")[bottom]
    heading = [np.rad2deg(np.arctan2(v[1], v[0])) for v in (shank, foot)]
    assert abs(heading[0] - heading[1]) < 12
    arm = squat.at("left_wrist")[bottom] - squat.at("left_shoulder")[bottom]
    assert abs(np.rad2deg(np.arcsin(arm[2] / np.linalg.norm(arm)))) < 15


def test_rising_leaves_the_seat_once_the_feet_can_carry(performances, grounds, seat):
    rise, ground = performances["sit_to_stand"], grounds["sit_to_stand"]
    off, height, front = seat["seat_off_frame"], seat["seat_height"], seat["seat_front"]
    assert 0.40 <= height <= 0.48
    upper = rise.rows("pelvis", "left_hip", "right_hip")
    skin = rise.skin(upper)
    over = np.where(skin[:, :, 0] < front, skin[:, :, 2], np.inf).min(1)
    # Until then the body is on the seat, neither in it nor off it; after it, it never comes back.
    np.testing.assert_allclose(over[:off], height, atol=0.004)
    assert over[off:].min() > height + 0.001
    assert over[-1] > height + 0.15
    # Seat and feet together carry the body: the pressure is within the hull of both. A sitting person's
    # buttocks give way by some 3 cm (ours do not), so what is near the seat counts as on it.
    on_seat = skin[0][(skin[0, :, 2] < height + 0.03) & (skin[0, :, 0] < front), :2]
    sole = rise.skin(soles(rise), slice(0, 1))[0, :, :2]
    both = ConvexHull(np.concatenate([on_seat, sole])).equations
    assert depth(both, ground["pressure"][:off]).min() > 0.01
    assert ground["pressure"][0, 0] < front  # sitting is on the seat
    assert np.ptp(ground["pressure"][off:, 0]) < 0.08  # without the fit 0.14 m


def test_rising_goes_through_its_phases(performances, seat):
    """Schenkman et al. 1990: the trunk goes first; dorsiflexion is largest just after the seat is left."""
    rise, off = performances["sit_to_stand"], seat["seat_off_frame"]
    trunk, shank = rise.trunk(), rise.lean("left_ankle", "left_knee")
    knee, fps = rise.angles("left_knee")[:, 0], rise.motion.fps
    moving = np.flatnonzero(np.abs(np.diff(rise.motion.poses, axis=0)).max((1, 2)) > 1e-4)
    assert 1.6 < (moving[-1] - moving[0]) / fps < 2.3
    assert 0.25 < (off - moving[0]) / (moving[-1] - moving[0]) < 0.45
    assert np.ptp(knee[:off]) < 2  # trunk flexion over still legs
    assert 0.75 * trunk.max() < trunk[off]
    assert 35 < trunk.max() < 55
    assert abs(trunk.argmax() - off) < 0.25 * fps
    assert 0 < shank.argmax() - off < 0.35 * fps
    assert knee[0] > 80
    assert knee[-1] < 2


@pytest.mark.parametrize(("when", "out"), [(slice(0, 620), 1), (slice(620, None), 0)])
def test_arms_go_overhead_with_the_scapula(performances, when, out):
    """First sideways, then forward; the collar lifts the shoulder, little below 30 and 60 degrees (Inman)."""
    raised = performances["arm_raise"]
    arm = raised.at("left_elbow") - raised.at("left_shoulder")
    elevation = np.rad2deg(np.arccos(-arm[when, 2] / np.linalg.norm(arm[when], axis=1)))
    assert elevation[0] < 15
    assert elevation[-1] < 15
    assert elevation.max() > 150
    level = np.abs(elevation - 90).argmin()
    assert abs(arm[when][level, out]) > 0.9 * np.linalg.norm(arm[when][level])
    collar = raised.angles("left_collar")[when, 1]
    assert 15 < np.ptp(collar) < 30
    low = elevation < (60 if out == 0 else 30)
    assert np.ptp(collar[low]) < 0.2 * np.ptp(collar)
    lift = raised.at("left_shoulder")[when, 2]
    assert 0.02 < np.ptp(lift) < 0.06


def test_trunk_sways_little_and_against_the_arms(performances, grounds):
    raised, com = performances["arm_raise"], grounds["arm_raise"]["com"]
    forward = raised.at("left_wrist")[:, 0].argmax()
    assert raised.at("neck")[forward, 0] < raised.at("neck")[0, 0] - 0.02
    assert np.abs(raised.trunk()).max() < 8
    assert np.ptp(com[:, 0]) < 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_scripts_make_the_files(name, monkeypatch):
    """The committed motions are what the scripts make of the committed body.

    1e-5: the seat-off fit is a least squares that stops at a relative gain.
    """
    monkeypatch.syspath_prepend(Path(__file__).resolve().parent.parent / "models")
    for module in ("motion_maker", "planted_motion", f"generate_{name}"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    made = getattr(importlib.import_module(f"generate_{name}"), name)()
    with np.load(smpl2mjcf.model_file(f"{name}.npz"), allow_pickle=False) as file:
        assert set(made) == set(file.files)
        for key in file.files:
            if file[key].dtype.kind == "U":
                assert str(made[key]) == str(file[key])
            else:
                np.testing.assert_allclose(made[key], file[key], atol=1e-5)
