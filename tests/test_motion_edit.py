"""Resampling, trimming, mirroring and joining motions; and writing them in AMASS' layout."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

import smpl2mjcf
from smpl2mjcf import Motion, MotionError, concatenate, mirror, resample, save_motion, trim
from smpl2mjcf.skeleton import mirror_name


def swinging(T=121, fps=60.0, joints=24, **changes):
    """Every joint turns about an axis of its own at a frequency of its own; the root walks and turns."""
    rng = np.random.default_rng(3)
    t = np.arange(T) / fps
    axes = rng.normal(size=(joints, 3))
    amplitude = 0.8 * np.sin(
        2 * np.pi * np.outer(t, rng.uniform(0.3, 1.2, joints)) + rng.uniform(0, 6, joints)
    )
    poses = amplitude[..., None] * axes / np.linalg.norm(axes, axis=1)[:, None]
    upright = Rotation.from_euler("x", 90, degrees=True)
    poses[:, 0] = (Rotation.from_euler("z", 0.9 * t[:, None]) * upright).as_rotvec()
    trans = np.stack([1.2 * t, np.sin(t), 0.9 + 0.03 * np.sin(9 * t)], axis=1)
    return Motion(poses, trans, fps, **changes)


def turn_between(a, b):
    """Largest angle in rad between two sets of rotation vectors."""
    return (
        (Rotation.from_rotvec(a.reshape(-1, 3)).inv() * Rotation.from_rotvec(b.reshape(-1, 3)))
        .magnitude()
        .max()
    )


@pytest.fixture(scope="module")
def human(default_body):
    return smpl2mjcf.build_humanoid(default_body)


# --- resampling ---


def test_a_resampled_motion_is_the_motion_at_the_new_times():
    """The same curves sampled directly: a cubic spline errs by (w dt)^4 / 384 of the amplitude."""
    fast, slow = swinging(T=241, fps=120.0), swinging(T=121, fps=60.0)
    up = resample(slow, 120.0)
    assert (up.num_frames, up.fps) == (241, 120.0)
    inner = slice(8, -8)  # the spline's natural ends know less
    assert turn_between(up.poses[inner], fast.poses[inner]) < 2e-5
    np.testing.assert_allclose(up.trans[inner], fast.trans[inner], atol=1e-5)


def test_frames_that_fall_on_the_new_rate_are_kept_exactly():
    motion = swinging(T=121, fps=120.0)
    half = resample(motion, 30.0)
    np.testing.assert_array_equal(half.poses, motion.poses[::4])
    np.testing.assert_array_equal(half.trans, motion.trans[::4])
    same = resample(motion, 120.0)
    np.testing.assert_array_equal(same.poses, motion.poses)


@pytest.mark.parametrize("fps", [29.97, 50.0, 59.94, 100.0, 240.0, 1000.0])
def test_the_duration_is_kept(fps):
    motion = swinging(T=120, fps=60.0)
    last = (resample(motion, fps).num_frames - 1) / fps
    assert 119 / 60 - 1 / fps < last <= 119 / 60 + 1e-9


def test_rotations_beyond_pi_interpolate_the_short_way():
    """An axis-angle may wrap from +pi to -pi between frames: as numbers they are far, as rotations near."""
    angles = np.linspace(2.8, 3.4, 7)
    poses = np.zeros((7, 24, 3))
    poses[:, 5] = Rotation.from_rotvec(np.outer(angles, [0, 0, 1.0])).as_rotvec()
    assert poses[-1, 5, 2] < 0
    up = resample(Motion(poses, np.zeros((7, 3)), 10.0), 20.0)
    wanted = np.outer(np.linspace(2.8, 3.4, 13), [0, 0, 1.0])
    assert turn_between(up.poses[:, 5], wanted) < 1e-12


def test_gaps_stay_gaps_when_resampled():
    recorded = np.ones(40, dtype=bool)
    recorded[[10, 11, 25]] = False
    motion = swinging(T=40, fps=60.0, recorded=recorded)
    up = resample(motion, 120.0)
    missing = np.flatnonzero(~up.recorded)
    np.testing.assert_array_equal(missing, [19, 20, 21, 22, 23, 49, 50, 51])
    assert np.isnan(up.poses[missing]).all()
    np.testing.assert_array_equal(resample(up, 60.0).recorded, recorded)


def test_short_runs_between_gaps_are_interpolated_as_far_as_they_go():
    recorded = np.zeros(9, dtype=bool)
    recorded[[0, 3, 4, 6, 7, 8]] = True  # runs of one, two and three frames
    motion = swinging(T=9, recorded=recorded)
    up = resample(motion, 120.0)
    np.testing.assert_array_equal(np.flatnonzero(up.recorded), [0, 6, 7, 8, 12, 13, 14, 15, 16])
    between = Slerp([0, 1], Rotation.from_rotvec(motion.poses[3:5, 7]))(0.5).as_rotvec()
    np.testing.assert_allclose(up.poses[7, 7], between, atol=1e-12)


@pytest.mark.parametrize("fps", [0.0, -1.0, np.nan, np.inf, True])
def test_a_rate_that_is_none_is_refused(fps):
    with pytest.raises(MotionError, match="fps must be a positive number"):
        resample(swinging(), fps)


# --- trimming ---


def test_trimming_keeps_both_ends():
    motion = swinging(T=121, fps=60.0)
    part = trim(motion, 0.5, 1.0)
    np.testing.assert_array_equal(part.trans, motion.trans[30:61])
    np.testing.assert_array_equal(trim(motion).poses, motion.poses)


@pytest.mark.parametrize(("start", "end"), [(3.0, 4.0), (1.0, 0.5), (np.nan, 1.0), (-2.0, -1.0)])
def test_trimming_to_nothing_is_refused(start, end):
    with pytest.raises(MotionError, match="no recorded frame lies|must be seconds"):
        trim(swinging(), start, end)


# --- mirroring ---


def test_a_mirrored_motion_is_the_mirror_image_in_space(human):
    """Every joint of the mirrored motion is where the other side's joint is, reflected in x = J0_x."""
    import mujoco

    motion = swinging(T=20)
    images = []
    for each in (motion, mirror(motion)):
        data, places = mujoco.MjData(human.model), []
        for qpos in smpl2mjcf.motion_to_qpos(human, each):
            data.qpos[:] = qpos
            mujoco.mj_kinematics(human.model, data)
            places.append({name: data.body(name).xpos.copy() for name in human.body.joint_names})
        images.append(places)
    for place, image in zip(*images):
        for name in human.body.joint_names:
            np.testing.assert_allclose(image[mirror_name(name)], place[name] * [-1, 1, 1], atol=1e-9)


@pytest.mark.parametrize(("family", "joints"), [("smpl", 24), ("smplh", 52), ("smplx", 55), ("smplx", 22)])
def test_mirroring_twice_changes_nothing(family, joints):
    motion = swinging(joints=joints, family=family)
    twice = mirror(mirror(motion))
    np.testing.assert_array_equal(twice.poses, motion.poses)
    np.testing.assert_array_equal(twice.trans, motion.trans)


# --- joining ---


def test_joined_motions_go_on_where_the_last_ended():
    J0 = np.array([0.01, -0.2, 0.03])
    motion = swinging(T=90, fps=60.0)
    both = concatenate([motion, motion, motion], J0, blend=0.25)
    n = 15
    assert both.num_frames == 3 * 90 - 2 * n
    np.testing.assert_array_equal(both.poses[: 90 - n], motion.poses[: 90 - n])
    pelvis = both.trans + J0
    speed = np.linalg.norm(np.diff(pelvis[:, :2], axis=0), axis=1) * 60
    assert speed.max() < 2.5  # the motion's own is 1.6; an unaligned join jumps by metres in a frame
    step = Rotation.from_rotvec(both.poses[:-1, 0]).inv() * Rotation.from_rotvec(both.poses[1:, 0])
    assert step.magnitude().max() * 60 < 1.0  # rad/s; the motion turns at 0.9
    # Within a copy, the motion is the same up to a turn about the vertical and a shift along the floor.
    np.testing.assert_allclose(both.poses[90:150, 1:], motion.poses[15:75, 1:], atol=1e-12)
    np.testing.assert_allclose(both.trans[90:150, 2] - motion.trans[15:75, 2], 0, atol=1e-12)
    distance = np.linalg.norm(np.diff(pelvis[90:150], axis=0), axis=1)
    np.testing.assert_allclose(
        distance, np.linalg.norm(np.diff(motion.trans[15:75], axis=0), axis=1), atol=1e-9
    )


@pytest.mark.parametrize("lean", [-120, -85, -62, -59, -30, 30, 59, 62, 85, 120])
def test_headings_are_followed_while_the_body_leans(lean):
    """Cut anywhere between upright and lying on the back or the belly, a turning body goes on as it was."""
    T = 40
    degrees = np.linspace(lean - 3, lean + 3, T)  # through 60, where facing gives way to the body's top
    poses = np.zeros((T, 24, 3))
    root = Rotation.from_euler("z", np.linspace(20, 60, T)[:, None], degrees=True)
    poses[:, 0] = (root * Rotation.from_euler("x", 90 + degrees[:, None], degrees=True)).as_rotvec()
    motion = Motion(poses, np.zeros((T, 3)), 30.0)
    both = concatenate([trim(motion, 0, 20 / 30), trim(motion, 20 / 30)], np.zeros(3), blend=0.0)
    assert turn_between(both.poses[:, 0], motion.poses[:, 0]) < 1e-9
    other = concatenate([trim(motion, 0, 19 / 30), trim(motion, 21 / 30)], np.zeros(3), blend=0.0)
    assert turn_between(other.poses[19:, 0], motion.poses[21:, 0]) < np.deg2rad(5)


def test_joining_without_a_blend_drops_the_doubled_frame():
    motion = swinging(T=30)
    tail = trim(motion, 20 / 60)
    both = concatenate([trim(motion, 0, 20 / 60), tail], np.zeros(3), blend=0.0)
    assert both.num_frames == 30
    assert turn_between(both.poses, motion.poses) < 1e-9
    np.testing.assert_allclose(both.trans, motion.trans, atol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fps": 30.0}, "differ in fps: '60.0' and '30.0'"),
        ({"family": "smpl2mjcf"}, "differ in family"),
        ({"betas": np.ones(10)}, "different betas"),
        ({"T": 5}, "a blend of 0.2 s takes 12 frames; the motions have 121 and 5"),
        ({"recorded": np.arange(121) > 3}, "were not all recorded"),
    ],
)
def test_motions_that_do_not_fit_together_are_refused(change, message):
    with pytest.raises(MotionError, match=message):
        concatenate([swinging(), swinging(**change)], np.zeros(3))


# --- writing ---


@pytest.mark.parametrize(
    ("family", "joints", "width"),
    [("smpl", 24, 72), ("smpl2mjcf", 24, 72), ("smplh", 52, 156), ("smplx", 55, 165)],
)
def test_what_is_saved_is_read_back_exactly(tmp_path, family, joints, width):
    recorded = np.arange(121) % 50 != 7
    motion = swinging(
        joints=joints, family=family, betas=np.arange(10.0), sex="female", source="a test", recorded=recorded
    )
    path = save_motion(motion, tmp_path / "m.npz")
    back = smpl2mjcf.load_motion(path)
    assert np.load(path)["poses"].shape == (121, width)
    for name in ("poses", "trans", "betas", "recorded"):
        np.testing.assert_array_equal(getattr(back, name), getattr(motion, name))
    for name in ("fps", "family", "sex", "up", "source"):
        assert getattr(back, name) == getattr(motion, name)


@pytest.mark.parametrize("fps", [29.97002997, 59.94, 1 / 3, 0.0044, 120.0, 1000.5])
def test_frame_rates_come_back_as_they_were(tmp_path, fps):
    motion = Motion(np.full((4, 24, 3), [[[0.1]], [[0.2]], [[0.3]], [[0.4]]]), np.zeros((4, 3)), fps)
    arrays = dict(np.load(save_motion(motion, tmp_path / "m.npz")))
    np.savez(tmp_path / "m.npz", **(arrays | {"poses": arrays["poses"] * 0 + np.pi / 2 * np.eye(72)[0]}))
    assert smpl2mjcf.load_motion(tmp_path / "m.npz").fps == fps


def test_a_placeholder_for_the_root_s_path_is_saved_as_one(tmp_path):
    path = save_motion(swinging(root_known=False), tmp_path / "m.npz")
    assert smpl2mjcf.load_motion(path).root_known is False
    assert smpl2mjcf.load_motion(save_motion(swinging(), path)).root_known is True


def test_a_smplx_file_has_its_release_s_keys(tmp_path):
    motion = swinging(joints=22, family="smplx", betas=np.zeros(16))
    stored = np.load(save_motion(motion, tmp_path / "m.npz"))
    parts = [stored[key] for key in ("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_hand")]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), stored["poses"])
    assert stored["mocap_frame_rate"] == 60.0
    assert stored["surface_model_type"] == "smplx"
    assert not stored["pose_hand"].any()


def test_nothing_is_written_of_a_motion_that_cannot_be_saved(tmp_path):
    with pytest.raises(MotionError, match="z up; this motion's up axis is 'y'"):
        save_motion(swinging(up="y"), tmp_path / "m.npz")
    with pytest.raises(MotionError, match=r"saved as \.npz"):
        save_motion(swinging(), tmp_path / "m.pkl")
    with pytest.raises(smpl2mjcf.OutputError, match="no folder"):
        save_motion(swinging(), tmp_path / "absent" / "m.npz")
    assert list(tmp_path.iterdir()) == []
