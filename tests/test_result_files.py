"""Result files of pose estimators, written as the tools write them (joblib, torch, np.save), read back."""

import collections
import functools
import os
import pickle
import warnings
from dataclasses import replace

import joblib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf import MotionFileError, UnsafeFileError
from smpl2mjcf.motion import betas_for_body
from smpl2mjcf.result_files import read_result

TOLERANCE = 1e-6  # the files hold float32: 6e-8 of numbers of order 1, a few operations on them

# --- synthetic people ---


@pytest.fixture(scope="session")
def smpl_body(default_body):
    """A body of SMPL's family, so that SMPL's betas shape it: the default body under another name."""
    return replace(default_body, family="smpl", shape_names=())


@pytest.fixture(scope="session")
def smplx_joints(oracle, smpl_body):
    """A function from (poses, trans, betas) to (T, 24, 3) m world joints, by smplx in float64."""
    smplx, torch = oracle("smplx"), oracle("torch")
    V = len(smpl_body.v_template)
    parents = np.array(smpl_body.parents)
    arrays = {
        "v_template": smpl_body.v_template,
        "shapedirs": smpl_body.shapedirs,
        "J_regressor": smpl_body.joint_regressor,
        "weights": smpl_body.weights,
        "f": smpl_body.faces,
        "posedirs": np.zeros((V, 3, 207)),
        "kintree_table": np.array([parents, range(24)]),
    }
    model = smplx.SMPL(
        model_path="",
        data_struct=smplx.utils.Struct(**arrays),
        dtype=torch.float64,
        vertex_ids=dict.fromkeys(smplx.vertex_ids.vertex_ids["smplh"], 0),
    )

    def joints(poses, trans, betas):
        with torch.no_grad():
            output = model(
                global_orient=torch.tensor(poses[:, :1], dtype=torch.float64).reshape(-1, 3),
                body_pose=torch.tensor(poses[:, 1:], dtype=torch.float64).reshape(-1, 69),
                betas=torch.tensor(np.broadcast_to(betas, (len(poses), 10)).copy(), dtype=torch.float64),
                transl=torch.tensor(trans, dtype=torch.float64),
            )
        return output.joints[:, :24].numpy()

    return joints


def single(array):
    return np.asarray(array, np.float32)


def some_motion(T, joints, seed=0):
    """(poses (T, joints, 3), trans (T, 3), betas (10,)) of no particular person; float32 values."""
    rng = np.random.default_rng(seed)
    poses, trans = rng.normal(0, 0.4, (T, joints, 3)), rng.normal(0, 1, (T, 3))
    poses[:, 0] += [2.0, 0.3, 0.1]
    return single(poses), single(trans), single(rng.normal(0, 1, 10))


def matrices(poses):
    return single(Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(*poses.shape[:2], 3, 3))


def assert_same_rotations(a, b, tolerance=TOLERANCE):
    between = Rotation.from_rotvec(a.reshape(-1, 3)).inv() * Rotation.from_rotvec(b.reshape(-1, 3))
    assert between.magnitude().max() < tolerance


# --- files as the tools write them ---


def wham_person(T=5, seed=0, **changes):
    poses, trans, betas = some_motion(T, 24, seed)
    person = {
        "pose": poses.reshape(T, 72),
        "trans": trans,
        "pose_world": poses.reshape(T, 72),
        "trans_world": trans,
        "betas": np.tile(betas, (T, 1)),
        "verts": np.zeros((T, 20, 3), np.float32),
        "frame_ids": np.array([3, 4, 5, 6, 8])[:T],
    }
    return {**person, **changes}


def write_wham(path, people, **options):
    content = collections.defaultdict(dict)
    for key, person in people.items():
        content[np.int64(key)].update(person)
    joblib.dump(content, path, **options)
    return path


def write_gvhmr(path, torch, F=6, change=None, **options):
    poses, trans, betas = some_motion(F, 22)
    tensors = {
        "global_orient": torch.tensor(poses[:, 0]),
        "body_pose": torch.tensor(poses[:, 1:].reshape(F, 63)),
        "betas": torch.tensor(np.tile(betas, (F, 1))),
        "transl": torch.tensor(trans - single([0, 0.3, 0])),
    }
    batched = {key: value[None] for key, value in tensors.items()}
    content = {
        "smpl_params_global": {
            **{key: value[0] for key, value in batched.items()},
            "jaw_pose": torch.zeros(F, 3),
        },
        "smpl_params_incam": tensors,
        "K_fullimg": torch.eye(3).repeat(F, 1, 1),
        "net_outputs": {"pred_smpl_params_global": batched, "static_conf_logits": torch.zeros(1, F, 6)},
    }
    if change:
        change(content)
    torch.save(content, path, **options)
    return path


def tram_track(torch, T=16, frames=None, **changes):
    poses, trans, betas = some_motion(T, 24)
    frames = np.r_[2:10, 12:20] if frames is None else frames
    track = {
        "pred_cam": torch.zeros(T, 3),
        "pred_pose": torch.zeros(T, 144),
        "pred_shape": torch.tensor(np.tile(betas, (T, 1))),
        "pred_rotmat": torch.tensor(matrices(poses)),
        "pred_trans": torch.tensor(trans)[:, None],
        "frame": torch.tensor(frames),
    }
    return {**track, **changes}


def tram_camera(F=20):
    """A camera that turns by 10 degrees a frame about y and moves."""
    turns = Rotation.from_rotvec(np.radians(10) * np.arange(F)[:, None] * [0, 1, 0])
    return {
        "pred_cam_R": single(turns.as_matrix()),
        "pred_cam_T": single(np.arange(F)[:, None] * [0.1, 0, 0.05]),
        "img_focal": np.float32(600),
        "img_center": single([320, 240]),
    }


def write_tram(folder, track, camera=None):
    (folder / "hps").mkdir(exist_ok=True)
    if camera is not None:
        np.save(folder / "camera.npy", camera)
    np.save(folder / "hps" / "hps_track_0.npy", track)
    return folder / "hps" / "hps_track_0.npy"


def phalp_frame(time, people, shot=0):
    """people: (tid, tracked_time, poses (24, 3), betas) of each."""
    rotations = [matrices(poses[None])[0] for _, _, poses, _ in people]
    return {
        "time": time,
        "shot": shot,
        "frame_path": f"img/{time:06d}.jpg",
        "tid": [tid for tid, *_ in people],
        "tracked_ids": [tid for tid, age, *_ in people if age == 0],
        "tracked_time": [age for _, age, *_ in people],
        "bbox": [np.zeros(4) for _ in people],
        "size": [[480, 640] for _ in people],
        "conf": [np.float32(0.9) for _ in people],
        "mask": [[{"size": [480, 640], "counts": b"abc"}] for _ in people],
        "annotations": [[] for _ in people],
        "smpl": [
            {"global_orient": R[:1], "body_pose": R[1:], "betas": betas}
            for R, (*_, betas) in zip(rotations, people)
        ],
        "camera": [single([0, 0, 50]) for _ in people],
    }


def phalp_content(seed=0):
    """Frame 2 is empty; frame 3 has a second person, who was predicted and not seen."""
    poses, _, betas = some_motion(5, 24, seed)
    frames = [
        phalp_frame(0, [(1, 0, poses[0], betas)]),
        phalp_frame(1, [(1, 0, poses[1], betas)]),
        phalp_frame(2, []),
        phalp_frame(3, [(2, 1, poses[4], betas), (1, 0, poses[3], betas)]),
    ]
    return {frame["frame_path"]: frame for frame in frames}


def write_joblib(path, content, **options):
    joblib.dump(content, path, **options)
    return path


def prompthmr_content(T=8, people=(1,), **changes):
    def person(key):
        poses, trans, betas = some_motion(T, 55, seed=key)
        world = {"pose": poses.reshape(T, 165), "shape": np.tile(betas, (T, 1)), "trans": trans}
        return {
            "frames": np.arange(12, 12 + T),
            "bboxes": np.zeros((T, 4)),
            "track_id": key,
            "smplx_cam": {"rotmat": matrices(poses), "shape": world["shape"], "trans": trans},
            "smplx_world": {**world, **changes},
        }

    return {
        "camera": {"pred_cam_R": np.tile(np.eye(3, dtype=np.float32), (30, 1, 1)), "img_focal": 600.0},
        "camera_world": {"Rwc": np.tile(np.eye(3, dtype=np.float32), (30, 1, 1))},
        "people": {key: person(key) for key in people},
        "timings": {},
        "contact_joint_ids": [7, 10, 8, 11, 20, 21],
        "has_hps_world": True,
    }


# --- each reader gives back what was written ---


def test_wham(tmp_path, smpl_body, smplx_joints):
    poses, trans, betas = some_motion(5, 24)
    world = smplx_joints(poses, trans, betas)
    middle_of_hips = world[:, [1, 2]].mean(axis=1)  # where WHAM's trans_world puts them
    person = wham_person(trans_world=single(middle_of_hips))
    motion = read_result(write_wham(tmp_path / "wham_output.pkl", {0: person}), smpl_body, fps=25)
    assert (motion.family, motion.up, motion.fps, motion.num_frames) == ("smpl", "y", 25.0, 6)
    assert motion.recorded.tolist() == [True, True, True, True, False, True]
    assert np.isnan(motion.trans[4]).all()
    assert "WHAM person 0, frames 3-8" in motion.source
    seen = motion.recorded
    assert_same_rotations(motion.poses[seen], poses)
    np.testing.assert_allclose(motion.trans[seen], trans, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(
        smplx_joints(motion.poses[seen], motion.trans[seen], motion.betas), world, rtol=0, atol=TOLERANCE
    )


def test_wham_on_a_body_of_another_family_uses_its_mean_shape(tmp_path, default_body):
    J = smpl2mjcf.joint_positions(default_body)
    motion = read_result(write_wham(tmp_path / "a.pkl", {0: wham_person()}), default_body, fps=25)
    seen = motion.recorded
    R = Rotation.from_rotvec(motion.poses[seen, 0]).as_matrix()
    middle = J[0] + motion.trans[seen] + np.einsum("tij,j->ti", R, (J[1] + J[2]) / 2 - J[0])
    np.testing.assert_allclose(middle, wham_person()["trans_world"], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("zipped", [True, False])
def test_gvhmr(tmp_path, oracle, default_body, zipped):
    path = write_gvhmr(tmp_path / "hmr4d_results.pt", oracle("torch"), _use_new_zipfile_serialization=zipped)
    poses, trans, betas = some_motion(6, 22)
    motion = read_result(path, default_body)
    assert (motion.family, motion.up, motion.fps, motion.num_frames) == ("smplx", "y", 30.0, 6)
    assert motion.recorded.all()
    np.testing.assert_allclose(motion.poses, poses, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(motion.trans, trans - [0, 0.3, 0], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(motion.betas, betas, rtol=0, atol=TOLERANCE)
    assert len(motion.joint_names) == 22


@pytest.mark.parametrize("shape", [(1, 10), (10,), (6, 10)])
def test_gvhmr_betas_may_be_one_row(tmp_path, oracle, default_body, shape):
    torch = oracle("torch")
    betas = some_motion(6, 22)[2]
    row = torch.tensor(np.broadcast_to(betas, shape).copy())
    path = write_gvhmr(
        tmp_path / "a.pt", torch, change=lambda content: content["smpl_params_global"].update(betas=row)
    )
    np.testing.assert_array_equal(read_result(path, default_body).betas, betas)


def test_gvhmr_betas_of_one_row_that_are_not_finite_are_refused(tmp_path, oracle, default_body):
    torch = oracle("torch")
    row = torch.full((1, 10), np.nan)
    path = write_gvhmr(
        tmp_path / "a.pt", torch, change=lambda content: content["smpl_params_global"].update(betas=row)
    )
    with pytest.raises(MotionFileError, match="betas has NaN or infinite values in frame 0"):
        read_result(path, default_body)


def test_gvhmr_betas_of_some_frames_are_refused(tmp_path, oracle, default_body):
    torch = oracle("torch")
    few = torch.zeros(2, 10)
    path = write_gvhmr(
        tmp_path / "a.pt", torch, change=lambda content: content["smpl_params_global"].update(betas=few)
    )
    with pytest.raises(MotionFileError, match=r"betas has shape \(2, 10\), expected \(6, B\) or \(1, B\) or"):
        read_result(path, default_body)


def test_gvhmr_at_another_rate_is_warned_of(tmp_path, oracle, default_body):
    path = write_gvhmr(tmp_path / "hmr4d_results.pt", oracle("torch"))
    with pytest.warns(UserWarning, match="GVHMR works at 30 frames/s; 50 was asked for and is used"):
        assert read_result(path, default_body, fps=50).fps == 50.0
    assert read_result(path, default_body, fps=30).fps == 30.0


@pytest.mark.parametrize("camera_beside", [True, False])
def test_tram(tmp_path, oracle, smpl_body, smplx_joints, camera_beside):
    camera = tram_camera()
    path = write_tram(tmp_path, tram_track(oracle("torch")), camera)
    if camera_beside:
        (tmp_path / "camera.npy").rename(path.parent / "camera.npy")
    motion = read_result(path, smpl_body, fps=30)
    assert (motion.family, motion.up, motion.num_frames) == ("smpl", "unknown", 18)
    assert np.flatnonzero(~motion.recorded).tolist() == [8, 9]
    # the viewer's formula: joints of the camera stream, each turned by the camera of its frame
    frames = np.r_[2:10, 12:20]
    in_camera = smplx_joints(*some_motion(16, 24))
    expected = np.einsum("tij,tkj->tki", camera["pred_cam_R"][frames], in_camera)
    expected += camera["pred_cam_T"][frames][:, None]
    seen = motion.recorded
    found = smplx_joints(motion.poses[seen], motion.trans[seen], motion.betas)
    np.testing.assert_allclose(found, expected, rtol=0, atol=5 * TOLERANCE)  # two float32 matrices a joint


def test_tram_without_a_camera_stays_in_its_axes(tmp_path, oracle, smpl_body):
    path = write_tram(tmp_path, tram_track(oracle("torch")))
    with pytest.warns(UserWarning, match=r"no camera\.npy .*the camera's own motion is in it"):
        motion = read_result(path, smpl_body, fps=30)
    poses, trans, _ = some_motion(16, 24)
    assert motion.up == "unknown"
    assert_same_rotations(motion.poses[motion.recorded], poses)
    np.testing.assert_allclose(motion.trans[motion.recorded], trans, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("compress", [0, 3])
def test_phalp(tmp_path, smpl_body, compress):
    path = write_joblib(tmp_path / "demo_walk.pkl", phalp_content(), compress=compress)
    with pytest.warns(UserWarning, match="pelvis is held still") as caught:
        motion = read_result(path, smpl_body, fps=30)
    assert len(caught) == 1
    poses, _, betas = some_motion(5, 24)
    assert (motion.family, motion.up, motion.num_frames) == ("smpl", "unknown", 4)
    assert motion.recorded.tolist() == [True, True, False, True]
    assert_same_rotations(motion.poses[[0, 1, 3]], poses[[0, 1, 3]])
    assert not motion.trans[motion.recorded].any()
    assert motion.root_known is False
    np.testing.assert_allclose(motion.betas, betas, rtol=0, atol=TOLERANCE)


# a cut is the first frame of its shot: also the track's last frame, never its first
@pytest.mark.parametrize(("cut", "warned"), [(1, ["frame 1"]), (2, ["frame 2"]), (3, ["frame 3"]), (0, [])])
@pytest.mark.parametrize("kind", [int, float, bool, np.int64, np.uint8, np.float32, np.bool_])
def test_phalp_warns_of_cuts(tmp_path, smpl_body, cut, warned, kind):
    content = phalp_content()
    for frame in content.values():
        frame["shot"] = kind(frame["time"] == cut)
    path = write_joblib(tmp_path / "a.pkl", content)
    with pytest.warns(UserWarning, match="pelvis|shot") as caught:
        read_result(path, smpl_body, fps=30)
    cuts = [str(warning.message) for warning in caught if "another shot" in str(warning.message)]
    assert [message.split(" shot at ")[1].split(";")[0] for message in cuts] == warned


def test_phalp_without_shots_is_read(tmp_path, smpl_body):
    content = phalp_content()
    for frame in content.values():
        del frame["shot"]
    with pytest.warns(UserWarning, match="pelvis") as caught:
        read_result(write_joblib(tmp_path / "a.pkl", content), smpl_body, fps=30)
    assert len(caught) == 1


@pytest.mark.parametrize("kind", [float, np.float64, np.float32, np.int32, np.uint16])
def test_phalp_counts_may_be_any_whole_numbers(tmp_path, smpl_body, kind):
    content = phalp_content()
    for frame in content.values():
        frame["time"] = kind(frame["time"])
        frame["tid"], frame["tracked_time"] = (
            [kind(n) for n in frame[key]] for key in ("tid", "tracked_time")
        )
    with pytest.warns(UserWarning, match="pelvis"):
        motion = read_result(write_joblib(tmp_path / "a.pkl", content), smpl_body, fps=30)
    assert motion.recorded.tolist() == [True, True, False, True]
    assert "PHALP person 1, frames 0-3" in motion.source


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("time", 1.5, "time is 1.5; a whole number"),
        ("time", np.float64(1.5), "time is 1.5; a whole number"),
        ("time", np.nan, "time is nan; a whole number"),
        ("time", -1, "time is -1; a whole number"),
        ("time", 10**400, "time is far too large; a whole number"),
        ("time", -np.inf, "time is far too large; a whole number"),
        ("time", "1", "time is a str; a number"),
        ("time", np.arange(2), "time is an array; a number"),
        ("time", np.datetime64("2020-01-01"), "only plain numbers and text"),
        ("shot", None, "shot is nothing; a number"),
        ("shot", 0.5, "shot is 0.5; a whole number"),
    ],
    ids=str,
)
def test_phalp_counts_that_are_no_whole_numbers_are_named(tmp_path, smpl_body, key, value, message):
    content = phalp_content()
    content["img/000001.jpg"][key] = value
    with pytest.raises(MotionFileError, match=message):
        read_result(write_joblib(tmp_path / "a.pkl", content), smpl_body, fps=30)


@pytest.mark.parametrize("kind", [int, float, np.int64, np.int32, np.uint64, np.float32])
def test_frames_may_be_a_list_of_numbers(tmp_path, oracle, smpl_body, kind):
    person = wham_person()
    listed = {**person, "frame_ids": [kind(number) for number in person["frame_ids"]]}
    expected = read_result(write_wham(tmp_path / "a.pkl", {0: person}), smpl_body, fps=30)
    found = read_result(write_wham(tmp_path / "b.pkl", {0: listed}), smpl_body, fps=30)
    np.testing.assert_array_equal(found.trans, expected.trans)
    np.testing.assert_array_equal(found.recorded, expected.recorded)
    frames = [kind(number) for number in np.r_[2:10, 12:20]]
    path = write_tram(tmp_path, tram_track(oracle("torch"), frame=frames), tram_camera())
    assert np.flatnonzero(~read_result(path, smpl_body, fps=30).recorded).tolist() == [8, 9]


@pytest.mark.parametrize("odd", [True, None, "4", np.bool_(True), np.str_("4"), np.arange(2), [4]], ids=str)
def test_lists_of_other_things_are_no_numbers(tmp_path, smpl_body, odd):
    person = wham_person(frame_ids=[np.int64(3), odd, 5, 6, 8])
    with pytest.raises(MotionFileError, match="frame_ids is a list; an array of numbers is expected"):
        read_result(write_wham(tmp_path / "a.pkl", {0: person}), smpl_body, fps=30)


def test_a_frame_between_two_in_a_list_of_numpy_numbers_is_refused(tmp_path, smpl_body):
    person = wham_person(frame_ids=[np.float32(number) for number in (3, 4.5, 5, 6, 8)])
    with pytest.raises(MotionFileError, match="do not count frames"):
        read_result(write_wham(tmp_path / "a.pkl", {0: person}), smpl_body, fps=30)


def test_prompthmr(tmp_path, default_body):
    path = write_joblib(tmp_path / "results.pkl", prompthmr_content())
    motion = read_result(path, default_body, fps=50)
    poses, trans, betas = some_motion(8, 55, seed=1)
    assert (motion.family, motion.up, motion.fps, motion.num_frames) == ("smplx", "y", 50.0, 8)
    np.testing.assert_allclose(motion.poses, poses, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(motion.trans, trans, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(motion.betas, betas, rtol=0, atol=TOLERANCE)
    assert motion.joint_names[22:25] == ("jaw", "left_eye", "right_eye")
    assert motion.root_known is True
    assert "frames 12-19" in motion.source


def test_prompthmr_with_tensors_left_in_it(tmp_path, oracle, default_body):
    torch = oracle("torch")
    _, trans, _ = some_motion(8, 55, seed=1)
    path = write_joblib(tmp_path / "results.pkl", prompthmr_content(trans=torch.tensor(trans)))
    np.testing.assert_allclose(read_result(path, default_body, fps=50).trans, trans, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_same_dictionaries_as_plain_pickles(tmp_path, smpl_body, protocol):
    path = tmp_path / "plain.pkl"
    path.write_bytes(pickle.dumps({0: wham_person()}, protocol))
    expected = read_result(write_wham(tmp_path / "joblib.pkl", {0: wham_person()}), smpl_body, fps=30)
    np.testing.assert_array_equal(read_result(path, smpl_body, fps=30).trans, expected.trans)


def test_what_a_file_is_is_told_by_its_content(tmp_path, smpl_body):
    path = write_wham(tmp_path / "anything.at.all", {0: wham_person()})
    assert "WHAM" in read_result(path, smpl_body, fps=30).source


# --- one shape ---


def test_betas_that_vary_are_made_one_by_their_median(tmp_path, smpl_body):
    rows = np.tile(some_motion(5, 24)[2], (5, 1))
    rows[:, 4] = [0, 1, 5, 2, 9]
    path = write_wham(tmp_path / "a.pkl", {0: wham_person(betas=rows)})
    with pytest.warns(
        UserWarning, match=r"betas differ .*most betas\[4\], .*deviation is 3.3.*median"
    ) as caught:
        motion = read_result(path, smpl_body, fps=30)
    assert len(caught) == 1
    assert motion.betas[4] == 2
    # the body is placed in that one shape
    J = smpl2mjcf.joint_positions(smpl_body, betas_for_body(motion, smpl_body))
    first = J[0] + motion.trans[0] + Rotation.from_rotvec(motion.poses[0, 0]).apply((J[1] + J[2]) / 2 - J[0])
    np.testing.assert_allclose(first, wham_person()["trans_world"][0], rtol=0, atol=TOLERANCE)


# --- who ---


def test_several_people_are_listed_and_one_is_chosen(tmp_path, smpl_body, default_body):
    people = {0: wham_person(), 3: wham_person(4, seed=1), 12: wham_person(1)}
    path = write_wham(tmp_path / "a.pkl", people)
    listed = r"people: 0 \(5 frames\), 3 \(4 frames\), 12 \(1 frame\); "
    with pytest.raises(MotionFileError, match=listed + "choose one with --person"):
        read_result(path, smpl_body, fps=30)
    with pytest.raises(MotionFileError, match=listed + "there is no person '7'"):
        read_result(path, smpl_body, person="7", fps=30)
    motion = read_result(path, smpl_body, person="3", fps=30)
    np.testing.assert_allclose(motion.poses, some_motion(4, 24, seed=1)[0], rtol=0, atol=TOLERANCE)

    path = write_joblib(tmp_path / "b.pkl", prompthmr_content(people=(1, 2)))
    with pytest.raises(MotionFileError, match=r"people: 1 \(8 frames\), 2 \(8 frames\); choose"):
        read_result(path, default_body, fps=30)
    assert "person 2" in read_result(path, default_body, person="2", fps=30).source


def test_phalp_people(tmp_path, smpl_body):
    content = phalp_content()
    poses, _, betas = some_motion(5, 24)
    content["img/000002.jpg"] = phalp_frame(2, [(7, 0, poses[2], betas)])
    path = write_joblib(tmp_path / "a.pkl", content)
    with pytest.raises(MotionFileError, match=r"people: 1 \(3 frames\), 7 \(1 frame\); choose one"):
        read_result(path, smpl_body, fps=30)
    with pytest.warns(UserWarning, match="held still"):
        assert read_result(path, smpl_body, person="7", fps=30).num_frames == 1


def test_files_of_one_person_know_only_that_one(tmp_path, oracle, default_body):
    path = write_gvhmr(tmp_path / "a.pt", oracle("torch"))
    assert read_result(path, default_body, person="0").num_frames == 6
    with pytest.raises(MotionFileError, match=r"people: 0 \(6 frames\); there is no person '1'"):
        read_result(path, default_body, person="1")


@pytest.mark.parametrize(
    "content",
    [{}, prompthmr_content(people=()), {"a.jpg": phalp_frame(0, []), "b.jpg": phalp_frame(1, [])}],
    ids=["empty", "PromptHMR", "PHALP"],
)
def test_a_file_without_people_says_so(tmp_path, default_body, content):
    with pytest.raises(MotionFileError, match="holds no person"):
        read_result(write_joblib(tmp_path / "a.pkl", content), default_body, fps=30)


# --- bad input ---


def damaged(person, key, change):
    return {**person, key: change(person[key].copy())}


def put(index, value):
    def change(array):
        array[index] = value
        return array

    return change


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("frame_ids", put(2, 4), "frame_ids holds frame 4 twice"),
        ("frame_ids", put(slice(1, None), 3), "frame_ids holds frame 3 twice"),
        ("frame_ids", put(4, 1), "frame_ids decreases from frame 6 to frame 1"),
        ("frame_ids", put(0, -1), "do not count frames"),
        ("frame_ids", lambda a: a + 0.5, "do not count frames"),
        ("frame_ids", put(4, 10**12), "from frame 3 to 1000000000000 in 5 frames; at most 200000 may"),
        ("frame_ids", lambda a: a[:0], "frame_ids is empty"),
        ("frame_ids", lambda a: a[:4], r"pose_world has shape \(5, 72\), expected \(4, 72\)"),
        ("frame_ids", lambda a: a[None], r"frame_ids has shape \(1, 5\), expected \(n,\)"),
        ("pose_world", lambda a: a[:, :69], r"pose_world has shape \(5, 69\), expected \(5, 72\)"),
        ("pose_world", put((4, 7), np.nan), "pose_world has NaN or infinite values in frame 8"),
        ("trans_world", put((slice(0, 2), 1), np.inf), "trans_world has NaN or infinite .* in frames 3-4"),
        ("trans_world", lambda a: a.astype("U9"), "trans_world holds <U9 instead of numbers"),
        ("betas", lambda a: a[:, None], r"shape \(5, 1, 10\), expected \(5, B\) or \(1, B\) or \(B,\)"),
        ("betas", put((1, 0), np.nan), "betas has NaN or infinite values in frame 4"),
    ],
)  # fmt: skip
def test_bad_arrays_are_named(tmp_path, smpl_body, key, change, message):
    path = write_wham(tmp_path / "a.pkl", {0: damaged(wham_person(), key, change)})
    with pytest.raises(MotionFileError, match=message) as caught:
        read_result(path, smpl_body, fps=30)
    assert "WHAM person 0, " in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["pose_world", "trans_world", "betas", "frame_ids"])
def test_a_missing_key_is_named_with_the_tool(tmp_path, smpl_body, key):
    person = {name: value for name, value in wham_person().items() if name != key}
    with pytest.raises(MotionFileError, match=f"WHAM person 0 lacks '{key}'; found: 'pose', 'trans'"):
        read_result(write_wham(tmp_path / "a.pkl", {0: person}), smpl_body, fps=30)


def test_missing_keys_of_the_others(tmp_path, oracle, default_body):
    torch = oracle("torch")
    path = write_gvhmr(tmp_path / "a.pt", torch, change=lambda c: c.pop("smpl_params_global"))
    with pytest.raises(MotionFileError, match="GVHMR person 0 lacks 'smpl_params_global'; found: 'smpl_"):
        read_result(path, default_body)
    path = write_gvhmr(tmp_path / "a.pt", torch, change=lambda c: c["smpl_params_global"].pop("transl"))
    with pytest.raises(MotionFileError, match="smpl_params_global lacks 'transl'"):
        read_result(path, default_body)
    track = tram_track(torch)
    del track["frame"]
    with pytest.raises(MotionFileError, match="TRAM person 0 lacks 'frame'"):
        read_result(write_tram(tmp_path, track), default_body, fps=30)
    content = prompthmr_content()
    del content["people"][1]["smplx_world"]
    with pytest.raises(MotionFileError, match="PromptHMR person 1 lacks 'smplx_world'"):
        read_result(write_joblib(tmp_path / "b.pkl", content), default_body, fps=30)
    content = phalp_content()
    del content["img/000001.jpg"]["tracked_time"]
    with pytest.raises(MotionFileError, match="frame 'img/000001.jpg' lacks 'tracked_time'"):
        read_result(write_joblib(tmp_path / "b.pkl", content), default_body, fps=30)


def test_no_frame_rate_asks_for_one(tmp_path, oracle, smpl_body):
    paths = [
        write_wham(tmp_path / "wham.pkl", {0: wham_person()}),
        write_tram(tmp_path, tram_track(oracle("torch"))),
        write_joblib(tmp_path / "phalp.pkl", phalp_content()),
        write_joblib(tmp_path / "prompthmr.pkl", prompthmr_content()),
    ]
    for path in paths:
        with pytest.raises(MotionFileError, match="stores no frame rate: give the video's with --fps"):
            read_result(path, smpl_body)


def bent(index, matrix):
    def change(R):
        R[index] = matrix
        return R

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (bent((slice(0, 3), 4), 1.1 * np.eye(3)), "'left_knee' is not orthonormal .* in frames 2-4"),
        (bent((15, 0), np.diag([1, 1, -1])), "'pelvis' mirrors in frame 19"),
        (bent((1, 23), np.full((3, 3), np.nan)), "NaN or infinite values in frame 3"),
        (bent((1, 23), np.full((3, 3), 1e30)), "'right_hand' is not orthonormal"),
        (lambda R: R[:, :23], r"pred_rotmat has shape \(16, 23, 3, 3\), expected \(16, 24, 3, 3\)"),
    ],
)
def test_matrices_that_are_no_rotations_are_named(tmp_path, oracle, smpl_body, change, message):
    torch = oracle("torch")
    R = change(matrices(some_motion(16, 24)[0]))
    path = write_tram(tmp_path, tram_track(torch, pred_rotmat=torch.tensor(R)), tram_camera())
    with pytest.raises(MotionFileError, match=message):
        read_result(path, smpl_body, fps=30)


def test_nearly_orthonormal_matrices_are_projected(tmp_path, oracle, smpl_body):
    torch = oracle("torch")
    R = matrices(some_motion(16, 24)[0]).astype(np.float64)
    R[:, 5] += np.random.default_rng(0).normal(0, 1e-4, (16, 3, 3))
    path = write_tram(tmp_path, tram_track(torch, pred_rotmat=torch.tensor(R)), tram_camera(1000))
    motion = read_result(path, smpl_body, fps=30)
    # the nearest rotation in the Frobenius norm: R (R^T R)^(-1/2), whose inverse root is 1 - E/2 + 3 E^2/8
    E = np.swapaxes(R[:, 5], -1, -2) @ R[:, 5] - np.eye(3)
    nearest = R[:, 5] @ (np.eye(3) - E / 2 + 3 / 8 * E @ E)
    found = Rotation.from_rotvec(motion.poses[motion.recorded, 5]).as_matrix()
    np.testing.assert_allclose(found, nearest, rtol=0, atol=1e-9)  # E^3 is 1e-10


def test_a_camera_file_that_does_not_fit_is_named(tmp_path, oracle, smpl_body):
    track = tram_track(oracle("torch"))
    path = write_tram(tmp_path, track, tram_camera(15))
    with pytest.raises(MotionFileError, match=r"camera\.npy has 15 frames; the track goes on to frame 19"):
        read_result(path, smpl_body, fps=30)
    write_tram(tmp_path, track, {"pred_cam_R": np.eye(3)})
    with pytest.raises(MotionFileError, match=r"camera\.npy, pred_cam_R has shape \(3, 3\)"):
        read_result(path, smpl_body, fps=30)
    camera = tram_camera()
    camera["pred_cam_R"][5] *= 2
    write_tram(tmp_path, track, camera)
    with pytest.raises(MotionFileError, match="matrix of 'camera' is not orthonormal .* in frame 5"):
        read_result(path, smpl_body, fps=30)
    with pytest.raises(MotionFileError, match=r"TRAM's camera\.npy; give a track"):
        read_result(tmp_path / "camera.npy", smpl_body, fps=30)


def test_phalp_lists_that_do_not_match(tmp_path, smpl_body):
    content = phalp_content()
    content["img/000003.jpg"]["tid"] = [1]
    with pytest.raises(MotionFileError, match="1 tid, 2 tracked_time and 2 smpl do not match"):
        read_result(write_joblib(tmp_path / "a.pkl", content), smpl_body, fps=30)
    content["img/000003.jpg"]["tid"] = [1, 1]
    content["img/000003.jpg"]["tracked_time"] = [0, 0]
    with pytest.raises(MotionFileError, match="time holds frame 3 twice"):
        read_result(write_joblib(tmp_path / "a.pkl", content), smpl_body, fps=30)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "its content is a list; a dictionary is expected"),
        ({"weights": np.zeros(3), 7: 1}, "no result file that is known; found keys: .weights., 7; "),
        ({0: {"frame_ids": np.arange(3)}, 1: "x"}, "WHAM person 1 is a str; a dictionary is expected"),
        ({0: {"frame_ids": {}}}, "frame_ids is a dict; an array of numbers is expected"),
        ({0: {"frame_ids": [10**400]}}, "do not count frames"),
    ],
)  # fmt: skip
def test_other_content_is_described(tmp_path, smpl_body, content, message):
    with pytest.raises(MotionFileError, match=message):
        read_result(write_joblib(tmp_path / "a.pkl", content), smpl_body, fps=30)


def test_other_files_are_described(tmp_path, smpl_body):
    path = tmp_path / "notes.pkl"
    path.write_text("not a result file")
    with pytest.raises(MotionFileError, match="neither a pickle, .*accepted: WHAM's wham_output.pkl"):
        read_result(path, smpl_body, fps=30)
    with pytest.raises(MotionFileError, match="does not exist"):
        read_result(tmp_path / "absent.pkl", smpl_body, fps=30)


# --- hostile files ---


class Runs:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


def hostile(torch, folder, tool, marker):
    evil = Runs(marker)
    if tool == "wham":
        return write_wham(folder / "a.pkl", {0: wham_person(verts=evil)})
    if tool == "wham compressed":
        return write_wham(folder / "a.pkl", {0: wham_person(verts=evil)}, compress=3)
    if tool == "gvhmr":
        return write_gvhmr(folder / "a.pt", torch, change=lambda content: content.update(extra=evil))
    if tool == "gvhmr legacy":
        change = functools.partial(dict.update, extra=evil)
        return write_gvhmr(folder / "a.pt", torch, change=change, _use_new_zipfile_serialization=False)
    if tool == "tram":
        return write_tram(folder, tram_track(torch, pred_cam=evil), tram_camera())
    if tool == "tram camera":
        return write_tram(folder, tram_track(torch), {**tram_camera(), "img_focal": evil})
    if tool == "phalp":
        content = phalp_content()
        content["img/000001.jpg"]["conf"] = [evil]
        return write_joblib(folder / "a.pkl", content, compress=3)
    return write_joblib(folder / "a.pkl", {**prompthmr_content(), "timings": evil})


HOSTILE = ["wham", "wham compressed", "gvhmr", "gvhmr legacy", "tram", "tram camera", "phalp", "prompthmr"]


@pytest.mark.parametrize("tool", HOSTILE)
def test_a_hostile_file_is_refused_and_not_run(tmp_path, oracle, smpl_body, tool):
    marker = tmp_path / "marker"
    path = hostile(oracle("torch"), tmp_path, tool, marker)
    with pytest.raises(UnsafeFileError, match="refused, nothing in it was run: .*posix.system") as caught:
        read_result(path, smpl_body, fps=30)
    assert not marker.exists()
    assert "\n" not in str(caught.value)


# --- damage ---


def intact(torch, folder, tool):
    if tool.startswith("wham"):
        return write_wham(folder / "a.pkl", {0: wham_person()}, compress=3 if "compressed" in tool else 0)
    if tool.startswith("gvhmr"):
        return write_gvhmr(folder / "a.pt", torch, _use_new_zipfile_serialization="legacy" not in tool)
    if tool == "tram":
        return write_tram(folder, tram_track(torch), tram_camera())
    if tool == "phalp":
        return write_joblib(folder / "a.pkl", phalp_content())
    return write_joblib(folder / "a.pkl", prompthmr_content())


FORMATS = ["wham", "wham compressed", "gvhmr", "gvhmr legacy", "tram", "phalp", "prompthmr"]


def reads_or_refuses(path, body):
    """True where a motion comes out, False at one of our errors; anything else fails the test.

    Warnings of ours about a readable file are no matter here; numpy's stay errors.
    """
    message = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            motion = read_result(path, body, fps=30)
        except smpl2mjcf.Error as error:
            message = str(error)
    if message:
        assert "\n" not in message
        assert len(message) < 1000
        return False
    assert np.isfinite(motion.poses[motion.recorded]).all()
    return True


@pytest.mark.parametrize("tool", FORMATS)
def test_truncated_files_are_refused(tmp_path, oracle, default_body, tool):
    path = intact(oracle("torch"), tmp_path, tool)
    data = path.read_bytes()
    assert reads_or_refuses(path, default_body)
    rng = np.random.default_rng(0)
    for end in [0, 1, 2, 10, len(data) - 1, *rng.integers(0, len(data), 100).tolist()]:
        path.write_bytes(data[:end])
        assert not reads_or_refuses(path, default_body), end


@pytest.mark.parametrize("tool", FORMATS)
def test_flipped_bits_give_a_motion_or_one_of_our_errors(tmp_path, oracle, default_body, tool):
    path = intact(oracle("torch"), tmp_path, tool)
    data = np.frombuffer(path.read_bytes(), np.uint8)
    text = np.flatnonzero((data > 31) & (data < 127))  # names and opcodes lie there, numbers elsewhere
    rng = np.random.default_rng(1)
    refused = 0
    for count in [1] * 200 + [6] * 100:
        changed = data.copy()
        where = rng.choice(text if count == 1 else len(data), count)
        changed[where] ^= np.uint8(1) << rng.integers(0, 8, count).astype(np.uint8)
        path.write_bytes(changed.tobytes())
        refused += not reads_or_refuses(path, default_body)
    assert refused > 20
