"""The Motion type and its mapping to qpos; the round trip is judged in test_lbs.py."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf import Motion, MotionError
from smpl2mjcf.motion import betas_for_body
from smpl2mjcf.skeleton import JOINT_NAMES
from smpl2mjcf.world_axes import to_z_up, up_rotation


@pytest.fixture(scope="module")
def human(default_body):
    return smpl2mjcf.build_humanoid(default_body)


def still(T=8, J=24, **changes):
    return Motion(**({"poses": np.zeros((T, J, 3)), "trans": np.zeros((T, 3)), "fps": 30.0} | changes))


def test_smplh_motions_map_by_name_and_leave_fingers_out(human):
    rng = np.random.default_rng(0)
    poses = rng.uniform(-1, 1, (4, 52, 3))
    qpos = smpl2mjcf.motion_to_qpos(human, still(4, 52, poses=poses, family="smplh"))
    back = smpl2mjcf.qpos_to_motion(human, qpos, 30.0)
    np.testing.assert_allclose(back.poses[:, :22], poses[:, :22], atol=1e-12)
    assert not back.poses[:, 22:].any()  # SMPL's hand joints rest; they are none of SMPL-H's fingers


def test_motions_of_22_joints_are_accepted(human):
    assert still(3, 22).joint_names[-1] == "right_wrist"
    assert smpl2mjcf.motion_to_qpos(human, still(3, 22)).shape == (3, 99)


def test_the_pelvis_is_at_its_rest_position_plus_trans(human):
    trans = np.random.default_rng(1).standard_normal((8, 3))
    qpos = smpl2mjcf.motion_to_qpos(human, still(trans=trans))
    np.testing.assert_allclose(qpos[:, :3], human.joint_positions[0] + trans, atol=1e-15)


def test_y_up_is_turned_about_the_pelvis_not_the_origin(human):
    """A y-up person at rest stands: the pelvis keeps its height above the y-up origin."""
    motion = still(up="y", trans=np.tile([0.3, 1.0, -0.2], (8, 1)))
    qpos = smpl2mjcf.motion_to_qpos(human, motion)
    J0 = human.joint_positions[0]
    assert qpos[0, 2] == pytest.approx(J0[1] + 1.0)
    assert qpos[0, 0] == pytest.approx(J0[0] + 0.3)
    assert qpos[0, 1] == pytest.approx(-(J0[2] - 0.2))
    upright = Rotation.from_quat(qpos[0, 3:7], scalar_first=True)
    np.testing.assert_allclose(upright.apply([0, 1, 0]), [0, 0, 1], atol=1e-12)
    assert to_z_up(motion, J0).up == "z"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"poses": np.zeros((8, 23, 3))}, r"poses have shape \(8, 23, 3\).*\(T, 24, 3\)"),
        ({"poses": np.zeros((8, 72))}, r"poses have shape \(8, 72\)"),
        ({"trans": np.zeros((7, 3))}, r"trans has shape \(7, 3\), expected \(8, 3\)"),
        ({"poses": np.zeros((0, 24, 3)), "trans": np.zeros((0, 3))}, "no frames"),
        ({"fps": 0.0}, "fps must be a positive number"),
        ({"fps": -30.0}, "fps must be a positive number"),
        ({"fps": float("nan")}, "fps must be a positive number"),
        ({"fps": None}, "fps must be a positive number"),
        ({"fps": 1e300}, "0.001 to 100000, received 1e.300"),
        ({"fps": True}, "fps must be a positive number"),
        ({"poses": "walk"}, "poses must be an array of numbers"),
        ({"poses": [[1.0], [1.0, 2.0]]}, "poses must be an array of numbers"),
        ({"betas": ["tall"]}, "betas must be an array of numbers"),
        ({"family": "smpl3"}, "unknown family 'smpl3'; accepted: smpl, "),
        ({"sex": "M"}, "unknown sex 'M'; accepted: neutral, female, male"),
        ({"up": "x"}, "up axis 'x'; accepted: y, z, unknown"),
        ({"betas": np.zeros((2, 10))}, r"betas must be one row.*\(2, 10\)"),
    ],
)
def test_arrays_that_make_no_motion_are_refused(changes, message):
    with pytest.raises(MotionError, match=message):
        still(**changes)


def test_nan_frames_are_named():
    poses = np.zeros((20, 24, 3))
    poses[[3, 4, 5, 11], 7, 1] = np.nan
    with pytest.raises(MotionError, match="frames 3-5, 11 of 20"):
        still(20, poses=poses)
    trans = np.zeros((20, 3))
    trans[6] = np.inf
    with pytest.raises(MotionError, match="frame 6 of 20"):
        still(20, trans=trans)


def test_qpos_of_a_wrong_width_is_refused(human):
    with pytest.raises(MotionError, match=r"qpos has shape \(5, 75\); this humanoid takes \(T, 99\)"):
        smpl2mjcf.qpos_to_motion(human, np.zeros((5, 75)), 30.0)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.0, "not of unit length in frames 0-4"),
        (np.inf, "infinite .* frames 0-4 of 5"),
        (np.nan, "none of the 5 frames was recorded"),
    ],
)
def test_qpos_that_is_no_pose_is_refused(human, value, message):
    with pytest.raises(MotionError, match=message):
        smpl2mjcf.qpos_to_motion(human, np.full((5, 99), value), 30.0)


def test_a_joint_that_is_none_is_named(human):
    with pytest.raises(smpl2mjcf.HumanoidError, match="joint 'L_Foot' not in humanoid; available: pelvis, "):
        human.joint_id("L_Foot")


def test_a_motion_keeps_its_own_copy_of_read_only_arrays():
    poses = np.zeros((4, 24, 3))
    poses.flags.writeable = False
    motion = still(4, poses=poses)
    motion.poses[0] = 1.0
    assert not poses.any()


def test_betas_of_another_family_are_dropped_with_one_warning(default_body):
    with pytest.warns(UserWarning, match="belong to the smplh family") as caught:
        assert betas_for_body(still(8, 52, family="smplh", betas=np.ones(16)), default_body) is None
    assert len(caught) == 1


def test_sixteen_betas_are_cut_to_ten_with_a_warning(default_body):
    motion = still(family="smpl2mjcf", betas=np.arange(16.0))
    with pytest.warns(UserWarning, match="16 betas cut to the 10"):
        betas = betas_for_body(motion, default_body)
    np.testing.assert_array_equal(betas, np.arange(10.0))


def test_betas_of_another_sex_are_used_with_a_warning(default_body):
    motion = still(family="smpl2mjcf", betas=np.arange(10.0), sex="female")
    with pytest.warns(UserWarning, match="belong to a female body and are used on a neutral one"):
        np.testing.assert_array_equal(betas_for_body(motion, default_body), np.arange(10.0))


def test_fewer_betas_are_filled_up(default_body):
    betas = betas_for_body(still(family="smpl2mjcf", betas=np.ones(3)), default_body)
    np.testing.assert_array_equal(betas, [1, 1, 1, 0, 0, 0, 0, 0, 0, 0])


def test_every_family_has_its_joints():
    assert [len(JOINT_NAMES[f]) for f in ("smpl", "smpl2mjcf", "smplh", "smplx")] == [24, 24, 52, 55]
    assert all(names[:22] == JOINT_NAMES["smpl"][:22] for names in JOINT_NAMES.values())


def test_a_nan_inside_a_pose_is_no_gap(human):
    qpos = np.tile(human.model.qpos0, (5, 1))
    qpos[2, 40] = np.nan
    with pytest.raises(MotionError, match="NaN or infinite values in frame 2 of 5 of qpos"):
        smpl2mjcf.qpos_to_motion(human, qpos, 30.0)


def test_gaps_go_to_qpos_and_back(human):
    recorded = np.array([True, False, False, True, True])
    motion = still(5, recorded=recorded)
    assert np.isnan(motion.poses[1:3]).all()
    qpos = smpl2mjcf.motion_to_qpos(human, motion)
    np.testing.assert_array_equal(np.isnan(qpos).all(axis=1), ~recorded)
    assert np.isfinite(qpos[recorded]).all()
    np.testing.assert_array_equal(smpl2mjcf.qpos_to_motion(human, qpos, 30.0).recorded, recorded)


@pytest.mark.parametrize(
    ("recorded", "message"),
    [
        (np.zeros(8, dtype=bool), "none of the 8 frames was recorded"),
        (np.ones(7, dtype=bool), r"recorded must be \(8,\) bool"),
        (np.ones(8), r"recorded must be \(8,\) bool .*float64"),
    ],
)
def test_masks_that_fit_no_motion_are_refused(recorded, message):
    with pytest.raises(MotionError, match=message):
        still(8, recorded=recorded)


# --- which way is up ---


@pytest.mark.parametrize(
    "up", ["x", "y", "z", "-x", "-y", "-z", [0.1, -0.9, 0.3], (0, 0, -2.0), [1e-9, 0, -1]]
)
def test_what_points_up_in_the_file_points_up(up):
    R = up_rotation(up)
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(R) == pytest.approx(1)
    vector = up
    if isinstance(up, str):
        vector = np.eye(3)["xyz".index(up[-1])] * (-1 if up[0] == "-" else 1)
    vector = np.asarray(vector, dtype=float)
    np.testing.assert_allclose(R @ vector / np.linalg.norm(vector), [0, 0, 1], atol=1e-8)


def test_a_level_camera_s_axes_become_forward_left_up():
    """Camera: x right, y down, z forward. Turned about x alone, what was forward stays level."""
    R = up_rotation("-y")
    np.testing.assert_allclose(R @ [1, 0, 0], [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(R @ [0, 0, 1], [0, 1, 0], atol=1e-12)


def test_a_camera_upside_down_is_turned_about_its_own_x():
    for up in ("-z", [0, 0, -3.0]):
        np.testing.assert_allclose(up_rotation(up), np.diag([1.0, -1.0, -1.0]), atol=1e-12)


def test_axes_may_be_written_with_a_sign_or_in_capitals():
    for name in ("Z", "+z", "z"):
        np.testing.assert_array_equal(up_rotation(name), np.eye(3))


@pytest.mark.parametrize(
    "up",
    [
        "w",
        "up",
        "",
        "-",
        [0, 0, 0],
        [1, 2],
        np.nan * np.ones(3),
        [np.inf, 0, 0],
        np.full((3, 3), np.inf),
        2 * np.eye(3),
        np.diag([1, 1, -1.0]),
        None,
    ],
)
def test_what_is_no_vertical_is_refused(up):
    with pytest.raises(MotionError, match="up"):
        up_rotation(up)


def test_a_camera_s_motion_is_refused_until_gravity_is_given(human):
    motion = still(up="unknown")
    with pytest.raises(MotionError, match="gravity is not known; say which way is up"):
        smpl2mjcf.motion_to_qpos(human, motion)
    upright = to_z_up(motion, human.joint_positions[0], up="-y")
    assert upright.up == "z"
    smpl2mjcf.motion_to_qpos(human, upright)
