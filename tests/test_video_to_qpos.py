"""From a video method's file to qpos by load_motion: the embedded walk, written as each tool writes."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf import MotionFileError, load_motion, motion_to_qpos

FRAMES = [i for i in range(40) if i not in (17, 18)]
R_YUP_ZUP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
R_CAMERA_ZUP = np.array([[0, -1.0, 0], [0, 0, -1], [1, 0, 0]])  # looks along +x of the world, level


@pytest.fixture(scope="module")
def human(default_body):
    return smpl2mjcf.build_humanoid(default_body)


@pytest.fixture(scope="module")
def walk():
    return smpl2mjcf.trim(smpl2mjcf.load_motion(smpl2mjcf.model_file("walk.npz")), 0, 39 / 120)


def arrays(walk, R, body, dtype):
    """Poses, SMPL's transl, and the middle of the hips, in axes R of the z-up world; listed frames only."""
    joints = smpl2mjcf.joint_positions(body)
    seen = smpl2mjcf.turned(walk, R, joints[0], up="z")
    hips = (joints[1] + joints[2]) / 2 - joints[0]
    middle = joints[0] + seen.trans + Rotation.from_rotvec(seen.poses[:, 0]).apply(hips)
    return (x[FRAMES].astype(dtype) for x in (seen.poses, seen.trans, middle))


def assert_is_the_walk(motion, walk, human, tolerance):
    qpos, wanted = motion_to_qpos(human, motion), motion_to_qpos(human, walk)
    assert motion.fps == 120
    missing = np.setdiff1d(np.arange(40), FRAMES)
    np.testing.assert_array_equal(np.flatnonzero(~motion.recorded), missing)
    np.testing.assert_allclose(qpos[FRAMES], wanted[FRAMES], atol=tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6)])
def test_wham(tmp_path, oracle, walk, human, dtype, tolerance):
    joblib = oracle("joblib")
    poses, trans, middle = arrays(walk, R_YUP_ZUP, human.body, dtype)
    T = len(FRAMES)
    person = {
        "pose": 0 * poses.reshape(T, 72),
        "trans": 0 * trans,
        "pose_world": poses.reshape(T, 72),
        "trans_world": middle,
        "betas": np.zeros((T, 10), dtype),
        "verts": np.zeros((T, 4, 3), dtype),
        "frame_ids": np.array(FRAMES),
    }
    joblib.dump({0: person, 7: person}, tmp_path / "wham_output.pkl")
    with pytest.raises(MotionFileError, match="7"):
        load_motion(tmp_path / "wham_output.pkl", fps=120)
    motion = load_motion(tmp_path / "wham_output.pkl", fps=120, person="7")
    with pytest.warns(UserWarning, match="mean nothing to this smpl2mjcf body"):
        assert smpl2mjcf.betas_for_body(motion, human.body) is None
    assert_is_the_walk(motion, walk, human, tolerance)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_prompthmr(tmp_path, oracle, walk, human, dtype):
    joblib = oracle("joblib")
    poses, trans, _ = arrays(walk, R_YUP_ZUP, human.body, dtype)
    T = len(FRAMES)
    pose = np.zeros((T, 165), dtype)
    pose[:, :66] = poses[:, :22].reshape(T, 66)
    world = {"pose": pose, "shape": np.zeros((T, 10), dtype), "trans": trans}
    camera = {
        "rotmat": np.tile(np.eye(3, dtype=dtype), (T, 55, 1, 1)),
        "shape": world["shape"],
        "trans": trans,
    }
    person = {"frames": np.array(FRAMES), "track_id": 1, "smplx_cam": camera, "smplx_world": world}
    joblib.dump({"people": {1: person}, "camera": {}, "camera_world": {}}, tmp_path / "results.pkl")
    motion = load_motion(tmp_path / "results.pkl", fps=120)
    assert motion.family == "smplx"
    assert_is_the_walk(motion, walk, human, 2e-6 if dtype is np.float32 else 1e-12)


def test_tram_needs_gravity(tmp_path, oracle, walk, human):
    """A still, level first camera: with --up -y the walk is back but for its heading."""
    torch = oracle("torch")
    poses, trans, _ = arrays(walk, R_CAMERA_ZUP, human.body, np.float64)
    rotations = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(len(FRAMES), 24, 3, 3)
    track = {
        "pred_rotmat": torch.tensor(rotations),
        "pred_trans": torch.tensor(trans[:, None]),
        "pred_shape": torch.zeros(len(FRAMES), 10),
        "frame": torch.tensor(FRAMES),
    }
    camera = {"pred_cam_R": np.tile(np.eye(3), (40, 1, 1)), "pred_cam_T": np.zeros((40, 3))}
    np.save(tmp_path / "hps_track_0.npy", np.array(track, dtype=object), allow_pickle=True)
    np.save(tmp_path / "camera.npy", np.array(camera, dtype=object), allow_pickle=True)
    with pytest.raises(MotionFileError, match="does not tell gravity: say which way is up"):
        load_motion(tmp_path / "hps_track_0.npy", fps=120)
    motion = load_motion(tmp_path / "hps_track_0.npy", fps=120, up=R_CAMERA_ZUP.T)
    assert_is_the_walk(motion, walk, human, 1e-9)
    level = load_motion(tmp_path / "hps_track_0.npy", fps=120, up="-y")
    J0 = human.joint_positions[0]
    turn = Rotation.from_euler("z", -90, degrees=True).as_matrix()  # the camera's forward back to x
    assert_is_the_walk(smpl2mjcf.turned(level, turn, J0, up="z"), walk, human, 1e-9)


def test_phalp_says_that_the_root_is_not_known(tmp_path, oracle, walk):
    joblib = oracle("joblib")
    frames = {}
    for i, poses in enumerate(walk.poses):
        R = Rotation.from_rotvec(poses).as_matrix()
        smpl = {"global_orient": R[:1], "body_pose": R[1:], "betas": np.zeros(10)}
        frames[f"{i:06d}.jpg"] = {
            **{"time": i, "shot": 0, "tid": [1], "tracked_ids": [1], "tracked_time": [0], "conf": [0.9]},
            **{"smpl": [smpl], "camera": [np.array([0.0, 0.0, 30.0 + i])]},
        }
    joblib.dump(frames, tmp_path / "demo_video.pkl", compress=3)
    with pytest.warns(UserWarning, match="metric"):
        motion = load_motion(tmp_path / "demo_video.pkl", fps=120, up="-y")
    assert motion.root_known is False
    assert smpl2mjcf.mirror(smpl2mjcf.resample(motion, 60)).root_known is False
