"""BVH files: what stands in them, where their joints go, and what is refused."""

import re
import warnings

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf.bvh import joint_poses, lost_bones, read_bvh
from smpl2mjcf.bvh_bones import read_bvh_motion
from smpl2mjcf.frame_time import CUSTOMARY_RATES, written_rate
from smpl2mjcf.turning import smallest_rotation

ARM = """HIERARCHY
ROOT Hips
{
	OFFSET 1 2 3
	CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
	JOINT  Upper Arm
	{
		OFFSET	0.0   10 0
		CHANNELS 3 Yrotation Xrotation Zrotation
		JOINT Hand
		{
			OFFSET 0 5 0
			CHANNELS 1 Xrotation
			End Site
			{
				OFFSET 0 1 0
			}
		}
	}
}
MOTION
Frames: 2
Frame Time: .0083333
0 0 0  0 0 0  0 0 0  0
10 20 30  90 0 0  0 90 0 \t 90@
""".replace("@", "  ")  # trailing blanks occur


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "clip.bvh"
        path.write_bytes(text if isinstance(text, bytes) else text.encode("latin-1"))
        return path

    return write


def test_a_small_file_by_hand(write):
    """Zero pose, then: root turned by 90 deg about z, arm by 90 about its x, hand by 90 about its x."""
    clip = read_bvh(write(ARM))
    assert clip.names == ("Hips", "Upper Arm", "Hand")
    assert clip.parents == (-1, 0, 1)
    assert clip.fps == 120.0
    np.testing.assert_array_equal(clip.offsets, [[1, 2, 3], [0, 10, 0], [0, 5, 0]])  # no End Site among them
    orientation, start = joint_poses(clip)
    # Position channels stand for the root's OFFSET.
    np.testing.assert_allclose(start[:, 0], [[0, 0, 0], [0, 10, 0], [0, 15, 0]], atol=1e-12)
    # The root's y is the world's -x; the arm's x turns its y to its z, which is the world's z.
    np.testing.assert_allclose(start[:, 1], [[10, 20, 30], [0, 20, 30], [0, 20, 35]], atol=1e-12)
    np.testing.assert_allclose(orientation[2].apply([0, 1, 0])[1], [1, 0, 0], atol=1e-12)


@pytest.mark.parametrize("order", ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"])
def test_rotation_channels_act_in_the_order_they_stand_in(write, order):
    """R = R_first R_second R_third, each written out as a matrix."""
    angles = {"X": 20.0, "Y": -50.0, "Z": 110.0}
    channels = " ".join(f"{axis}rotation" for axis in order)
    text = ARM.replace("CHANNELS 3 Yrotation Xrotation Zrotation", f"CHANNELS 3 {channels}")
    text = text.replace("0 90 0 \t 90", " ".join(str(angles[axis]) for axis in order) + " 0").replace(
        "10 20 30  90 0 0", "0 0 0 0 0 0"
    )
    orientation, _ = joint_poses(read_bvh(write(text)))
    product = np.eye(3)
    for axis in order:
        c, s = np.cos(np.deg2rad(angles[axis])), np.sin(np.deg2rad(angles[axis]))
        product = (
            product
            @ {
                "X": np.array([[1, 0, 0], [0, c, -s], [0, s, c]]),
                "Y": np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]),
                "Z": np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]),
            }[axis]
        )
    np.testing.assert_allclose(orientation[1].as_matrix()[1], product, atol=1e-12)


@pytest.mark.parametrize(
    ("values", "end"),
    [
        ("0 5 0", [0, 15, 0]),  # stands for the OFFSET
        ("0 5.5 0", [0, 15.5, 0]),
        ("0 0 0", [0, 15, 0]),  # added to it
        ("0 0.5 0", [0, 15.5, 0]),
    ],
)
def test_position_channels_below_the_root(write, values, end):
    text = ARM.replace("CHANNELS 1 Xrotation", "CHANNELS 4 Xposition Yposition Zposition Xrotation")
    text = text.replace("0 0 0  0 0 0  0 0 0  0\n", f"0 0 0  0 0 0  0 0 0  {values} 0\n")
    text = text.replace("0 90 0 \t 90", f"0 90 0 {values} 90")
    _, start = joint_poses(read_bvh(write(text)))
    np.testing.assert_allclose(start[2, 0], end, atol=1e-12)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace("\n", "\r\n"),
        lambda t: t.replace("\t", "    ").replace("\n{", " {"),
        lambda t: "\ufeff".encode() + t.encode(),
        lambda t: t + "\n\n  \n",
        lambda t: t.replace("Xposition", "XPOSITION").replace("Zrotation", "zrotation"),
        lambda t: t.replace("90 0 0", "9e1 +0. -0"),
    ],
)
def test_spellings_that_occur(write, change):
    clip = read_bvh(write(change(ARM)))
    np.testing.assert_array_equal(clip.values, read_bvh(write(ARM)).values)
    assert clip.names == ("Hips", "Upper Arm", "Hand")


@pytest.mark.parametrize(
    ("written", "fps"),
    [
        (".0083333", 120.0), ("0.008333", 120.0), ("0.033333", 30.0), ("0.0333333", 30.0),
        ("0.0416667", 24.0),
        ("0.0166833", pytest.approx(59.9402, abs=1e-3)), ("0.01", 100.0), ("8.3333e-3", 120.0),
        ("0.02", 50.0),
        ("0.0069444", 144.0), ("0.0333667", pytest.approx(29.97, abs=1e-3)),
        # Few digits: the one customary rate that rounds to them.
        ("0.017", 60.0), ("0.033", 30.0), ("0.008", 120.0), ("0.0083", 120.0),
        ("0.042", 24.0), ("0.021", 48.0), ("0.014", 72.0), ("0.011", 90.0),
        # Zeros dropped at the end: with two decimals others would round to them too.
        ("0.05", 20.0), ("0.005", 200.0), ("0.04", 25.0),
        # Cut off, 32 bits, no customary rate, none that is whole.
        ("0.0166666", 60.0), ("0.01666", 60.0), ("0.041667000", 24.0), ("0.016000", 62.5), ("0.010101", 99.0),
    ],
)  # fmt: skip
def test_the_rate_that_a_frame_time_rounds(write, written, fps):
    clip = read_bvh(write(ARM.replace(".0083333", written)))
    assert (clip.fps, clip.rate_doubt) == (fps, "")


@pytest.mark.parametrize("rate", [r for r in CUSTOMARY_RATES if r <= 240])
@pytest.mark.parametrize("digits", [3, 4, 5, 6, 7, 8])
def test_customary_rates_survive_their_rounding(rate, digits):
    """However many digits a program writes: the rate itself, or a doubt that is said."""
    found, doubt = written_rate(f"{1 / rate:.{digits}f}")
    assert found == rate or doubt
    assert digits < 4 or not doubt


@pytest.mark.parametrize(
    ("written", "fps", "message"),
    [
        ("0.016", 62.5, "0.016 s rounds that of no customary rate; 62.5 frames/s are taken"),
        ("0.4", 2.5, "no customary rate; 2.5 frames/s"),
        ("0.007", 144.0, "0.007 s rounds that of 144, 150 frames/s; 144 are taken"),
        ("0.004", 250.0, "0.004 s rounds that of 240, 250 frames/s; 250 are taken"),
        ("0.03", 30.0, "0.03 s rounds that of 30, 40 frames/s; 30 are taken"),
        ("0.006", 160.0, "160, 180 frames/s; 160 are taken"),
    ],
)
@pytest.mark.usefixtures("quiet")
def test_a_doubtful_rate_is_said(shared, default_body, tmp_path, written, fps, message):
    text = (shared / "data" / "cmu_mocap" / "131_03.bvh").read_text()
    head, rows = text.split("Frame Time: .0083333\n")
    rows = "\n".join(rows.splitlines()[:9])
    path = tmp_path / "clip.bvh"
    path.write_text(f"{head.replace('1102', '9')}Frame Time: {written}\n{rows}\n")
    with pytest.warns(UserWarning, match=message):
        assert read_bvh_motion(path, default_body, unit="cmu").fps == fps
    # Who says the rate need not read that it was doubtful.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert read_bvh_motion(path, default_body, fps=90.0, unit="cmu").fps == 90.0
    assert not [w for w in caught if "frames/s" in str(w.message)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HIERARCHY", "HIERARCY", "not a BVH file"),
        ("MOTION", "MOTIONS", "not a BVH file"),
        ("Frames: 2", "Frames: 3", "states 3 frames and has 2 rows; is it cut off|states 3 frames"),
        ("Frames: 2", "Frames: " + "9" * 5000, "a whole number is expected"),
        ("Frames: 2", "Frames: -2", "a whole number is expected"),
        ("Frames: 2\n", "", "must go on with the lines 'Frames: n'"),
        (".0083333", "0", "a time above 0"),
        (".0083333", "nan", "a time above 0"),
        (".0083333", "-0.01", "a time above 0"),
        (".0083333", "1e-99999999", "a time above 0"),
        (".0083333", "0.0_1", "a time above 0"),
        (".0083333", "0.01" + "0" * 5000, "a time above 0"),
        ("10 20 30", "10 nan 30", "line 25: 'nan' is not a number"),
        ("10 20 30", "10 1e999 30", "line 25: '1e999' is not a number"),
        ("10 20 30", "10 1_0 30", "line 25: '1_0' is not a number"),
        ("10 20 30", "10 0x10 30", "'0x10' is not a number"),
        ("10 20 30", "10 20", r"line 25: 9 numbers, the hierarchy has 10 channels; is the file cut off\?"),
        ("CHANNELS 1 Xrotation", "CHANNELS 2 Xrotation", "'CHANNELS 2 Xrotation End Site|CHANNELS"),
        ("CHANNELS 1 Xrotation", "CHANNELS 1 Wrotation", "accepted: CHANNELS, a number up to 6"),
        ("CHANNELS 1 Xrotation", "CHANNELS x Xrotation", "accepted: CHANNELS, a number up to 6"),
        ("CHANNELS 1 Xrotation", "CHANNELS 2 Xrotation Xrotation", "as many different ones"),
        ("CHANNELS 1 Xrotation", "", "'Hand' has no OFFSET or no CHANNELS"),
        ("OFFSET 0 5 0", "OFFSET 0 5 inf", "three numbers are expected"),
        ("OFFSET 0 5 0", "OFFSET 0 5", "three numbers are expected"),
        ("JOINT Hand", "JOINT Hips", "'Hips' stands twice"),
        ("JOINT Hand", "ROOT Hand", "'ROOT Hand {' is not expected here"),
        ("}\nMOTION", "}\nROOT Other\n{\nOFFSET 0 0 0\nCHANNELS 0\n}\nMOTION", "second ROOT, 'Other'"),
        ("}\nMOTION", "MOTION", "joint 'Hips' is not closed"),
        ("}\nMOTION", "}\n}\nMOTION", "'}' is not expected here"),
    ],
)
def test_what_is_no_bvh_is_refused(write, old, new, message):
    assert old in ARM
    with pytest.raises(smpl2mjcf.MotionFileError, match=message):
        read_bvh(write(ARM.replace(old, new, 1)))


@pytest.mark.parametrize("depth", [1000, 100000])
def test_a_nest_without_end_is_refused(write, depth):
    joint = "JOINT j{} {{ OFFSET 0 1 0 CHANNELS 0 "
    text = "HIERARCHY ROOT r { OFFSET 0 0 0 CHANNELS 0 " + "".join(joint.format(i) for i in range(depth))
    with pytest.raises(smpl2mjcf.MotionFileError, match="more than 200 inside one another"):
        read_bvh(write(text + "}" * (depth + 1) + "\nMOTION\nFrames: 1\nFrame Time: 1\n"))


def test_lost_bones_are_named(shared, default_body):
    path = shared / "data" / "cmu_mocap" / "131_03.bvh"
    assert lost_bones(read_bvh(path)) == {
        "Chest2": ["lowerneck", "LeftCollar", "RightCollar"],
        "LeftWrist": ["lhand", "LThumb"],
        "RightWrist": ["rhand", "RThumb"],
    }
    with pytest.warns(UserWarning, match="bones of no length") as caught:
        motion = read_bvh_motion(path, default_body, unit="cmu")
    lost = [str(w.message) for w in caught if "bones of no length" in str(w.message)]
    assert len(lost) == 1
    assert "Chest2 (before lowerneck, LeftCollar, RightCollar)" in lost[0]
    assert "shoulders and head sit too low" in lost[0]
    assert (motion.fps, motion.num_frames, motion.up) == (120.0, 1102, "y")


@pytest.fixture
def quiet():
    """These tests look at errors; warnings of lost bones are another test's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.usefixtures("quiet")
def test_the_unit_is_asked_for_and_the_fitting_one_named(shared, default_body):
    path = shared / "data" / "cmu_mocap" / "131_03.bvh"
    with pytest.raises(
        smpl2mjcf.MotionFileError, match=r"thigh is 7.29 long, which fits 'cmu' \(0.411 m\): --unit cmu"
    ):
        read_bvh_motion(path, default_body)
    with pytest.raises(smpl2mjcf.MotionFileError, match=r"0.0729 m in unit 'cm'.*it fits 'cmu'"):
        read_bvh_motion(path, default_body, unit="cm")
    with pytest.raises(smpl2mjcf.MotionFileError, match="unknown unit 'yard'.*m, cm, mm, inch, cmu"):
        read_bvh_motion(path, default_body, unit="yard")


@pytest.mark.usefixtures("quiet")
def test_names_of_no_known_kind_list_what_is_missing(shared, default_body, tmp_path):
    text = (shared / "data" / "cmu_mocap" / "131_03.bvh").read_text()
    (tmp_path / "odd.bvh").write_text(text.replace("LeftKnee", "LeftGenou").replace("Head", "Kopf"))
    with pytest.raises(
        smpl2mjcf.MotionFileError, match=r"CMU for 3dsMax.*would need Head, LeftKnee; found: Hips"
    ):
        read_bvh_motion(tmp_path / "odd.bvh", default_body, unit="cmu")


@pytest.mark.usefixtures("quiet")
def test_a_rate_of_the_user_wins_and_is_said(shared, default_body):
    path = shared / "data" / "cmu_mocap" / "131_03.bvh"
    with pytest.warns(UserWarning, match=r"states 120 frames/s; 60 was asked for and is used"):
        assert read_bvh_motion(path, default_body, fps=60, unit="cmu").fps == 60.0


@pytest.mark.usefixtures("quiet")
def test_a_pose_set_before_the_motion_is_left_out(shared, default_body, tmp_path):
    """Hahne's MotionBuilder release starts with a T-pose by hand; a recording's first frames do not jump."""
    text = (shared / "data" / "cmu_mocap" / "131_03.bvh").read_text()
    head, rows = text.split("Frame Time: .0083333\n")
    rows = rows.splitlines()
    posed = " ".join(rows[0].split()[:3] + ["0"] * 93)
    head = re.sub("Frames: 1102", "Frames: 1103", head)
    (tmp_path / "posed.bvh").write_text(f"{head}Frame Time: .0083333\n" + "\n".join([posed, *rows]))
    with pytest.warns(UserWarning, match="the first is a pose set before the motion: left out"):
        posed = read_bvh_motion(tmp_path / "posed.bvh", default_body, unit="cmu")
    plain = read_bvh_motion(shared / "data" / "cmu_mocap" / "131_03.bvh", default_body, unit="cmu")
    np.testing.assert_array_equal(posed.poses, plain.poses)


def test_a_zero_pose_that_no_person_takes_is_refused(shared, default_body, tmp_path):
    """Legs that point up: the rest axes, and with them every angle, would be guesses."""
    text = (shared / "data" / "cmu_mocap" / "131_03.bvh").read_text()
    (tmp_path / "odd.bvh").write_text(text.replace("OFFSET 2.49329 -6.85026", "OFFSET 2.49329 6.85026"))
    with pytest.raises(smpl2mjcf.MotionFileError, match="zero pose is no standing person's"):
        read_bvh_motion(tmp_path / "odd.bvh", default_body, unit="cmu")


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("axes", ["xyz", "yzx", "zxy", "-zyx", "x-zy"])
def test_the_zero_pose_may_face_any_way(shared, default_body, tmp_path, axes):
    """A file whose own axes are other ones, about which every angle is told, holds the same motion."""
    columns = np.zeros((3, 3))
    for k, axis in enumerate(re.findall("-?[xyz]", axes)):
        columns["xyz".index(axis[-1]), k] = -1 if axis[0] == "-" else 1
    assert np.linalg.det(columns) == pytest.approx(1)
    Q = Rotation.from_matrix(columns)
    path = shared / "data" / "cmu_mocap" / "131_03.bvh"
    clip = read_bvh(path)
    orientation, start = joint_poses(clip)
    frames = slice(0, clip.num_frames, 40)
    head = path.read_text().split("MOTION")[0]
    head = re.sub(r"CHANNELS (\d) .*", lambda m: f"CHANNELS {m[1]} " + "Xposition Yposition Zposition " * (
        m[1] == "6") + "Zrotation Yrotation Xrotation", head)  # fmt: skip
    head = re.sub(
        r"OFFSET (.*)",
        lambda m: "OFFSET " + " ".join(f"{x:.8f}" for x in Q.apply([*map(float, m[1].split())])),
        head,
    )
    columns = [start[0][frames]]
    for j, parent in enumerate(clip.parents):
        # Only the zero pose is turned: each joint's own axes are Q's, the world's stay.
        world = orientation[j] * Q.inv()
        local = world if parent < 0 else (orientation[parent] * Q.inv()).inv() * world
        columns.append(local.as_euler("ZYX", degrees=True)[frames])
    rows = np.concatenate(columns, axis=1)
    lines = "\n".join(" ".join(f"{x:.8f}" for x in row) for row in rows)
    turned = tmp_path / "turned.bvh"
    turned.write_text(f"{head}MOTION\nFrames: {len(rows)}\nFrame Time: 0.3333333\n{lines}\n")
    ours = read_bvh_motion(turned, default_body, unit="cmu")
    theirs = read_bvh_motion(path, default_body, unit="cmu")
    apart = Rotation.from_rotvec(ours.poses.reshape(-1, 3)).inv() * Rotation.from_rotvec(
        theirs.poses[frames].reshape(-1, 3)
    )
    assert apart.magnitude().max() < 1e-5  # eight digits of degrees, through a gimbal of 85
    np.testing.assert_allclose(ours.trans, theirs.trans[frames], atol=1e-6)


def cycled(text, times=1):
    """The same file told in other axes, world and zero pose alike: x becomes y, y becomes z, z becomes x."""
    for _ in range(times):
        text = re.sub(r"OFFSET\s+(\S+)\s+(\S+)\s+(\S+)", r"OFFSET \3 \1 \2", text)
        text = re.sub("([XYZ])(position|rotation)", lambda m: "YZX"["XYZ".index(m[1])] + m[2], text)
    return text


CYCLE = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])  # what it does to a vector


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("times", "axis"), [(1, "z"), (2, "x")])
def test_files_that_are_not_y_up_need_their_rotation(shared, default_body, tmp_path, times, axis):
    """Told in other axes, the motion is the same, turned by what is left of both; 1e-9 is rounding."""
    path = shared / "data" / "cmu_mocap" / "131_01.bvh"
    theirs = read_bvh_motion(path, default_body, unit="cmu")
    other = tmp_path / "other.bvh"
    other.write_text(cycled(path.read_text(), times))
    Q = np.linalg.matrix_power(CYCLE, times)
    ours = read_bvh_motion(other, default_body, unit="cmu", R_yup_file=Q.T)
    np.testing.assert_allclose(ours.poses, theirs.poses, atol=1e-9)
    np.testing.assert_allclose(ours.trans, theirs.trans, atol=1e-9)
    assert ours.up == "y"
    # The smallest rotation keeps another heading.
    upright = smallest_rotation(np.eye(3)["xyz".index(axis)], [0, 1, 0])
    ours = read_bvh_motion(other, default_body, unit="cmu", R_yup_file=upright.as_matrix())
    heading = upright.as_matrix() @ Q
    np.testing.assert_allclose(heading @ [0, 1, 0], [0, 1, 0], atol=1e-12)
    root = Rotation.from_matrix(heading) * Rotation.from_rotvec(theirs.poses[:, 0])
    apart = root.inv() * Rotation.from_rotvec(ours.poses[:, 0])
    assert apart.magnitude().max() < 1e-9
    np.testing.assert_allclose(ours.poses[:, 1:], theirs.poses[:, 1:], atol=1e-9)
    J0 = smpl2mjcf.joint_positions(default_body, theirs.betas)[0]
    np.testing.assert_allclose(ours.trans + J0, (theirs.trans + J0) @ heading.T, atol=1e-9)
    # Without a rotation nobody is laid down silently; y up may be said of one who lies.
    said = f"stands along {axis}, .* not stand along y: if the file is {axis} up say so with --up {axis}"
    with pytest.raises(smpl2mjcf.MotionFileError, match=said):
        read_bvh_motion(other, default_body, unit="cmu")
    lying = read_bvh_motion(other, default_body, unit="cmu", R_yup_file=np.eye(3))
    spine = Rotation.from_rotvec(lying.poses[:, 0]).apply([0, 1, 0])
    assert np.abs(spine[:, 1]).max() < 0.5


@pytest.mark.usefixtures("quiet")
def test_a_z_up_world_on_a_y_up_zero_pose(shared, default_body, tmp_path):
    """Only the root's numbers are told in z-up axes, as game engines do it."""
    path = shared / "data" / "cmu_mocap" / "131_01.bvh"
    clip = read_bvh(path)
    head, rows = path.read_text().split("Frame Time: .0083333\n")
    assert clip.channels[0] == ("xposition", "yposition", "zposition", "zrotation", "yrotation", "xrotation")
    root = clip.values[:, :6].copy()
    root[:, :3] = root[:, :3] @ CYCLE.T
    turned = Rotation.from_matrix(CYCLE) * Rotation.from_euler("ZYX", root[:, 3:], degrees=True)
    root[:, 3:] = turned.as_euler("ZYX", degrees=True)
    lines = [
        " ".join([*(f"{x:.9f}" for x in new), *row.split()[6:]]) for new, row in zip(root, rows.splitlines())
    ]
    other = tmp_path / "other.bvh"
    other.write_text(f"{head}Frame Time: .0083333\n" + "\n".join(lines) + "\n")
    ours = read_bvh_motion(other, default_body, unit="cmu", R_yup_file=CYCLE.T)
    theirs = read_bvh_motion(path, default_body, unit="cmu")
    np.testing.assert_allclose(ours.poses, theirs.poses, atol=1e-6)  # nine digits, through a gimbal
    np.testing.assert_allclose(ours.trans, theirs.trans, atol=1e-6)


def test_the_smallest_rotation():
    """It takes one direction to the other, and its angle is theirs; opposites have one of their own."""
    rng = np.random.default_rng(4)
    for a, b in rng.normal(size=(50, 2, 3)):
        R = smallest_rotation(a, b)
        np.testing.assert_allclose(R.apply(a / np.linalg.norm(a)), b / np.linalg.norm(b), atol=1e-12)
        cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        assert R.magnitude() == pytest.approx(np.arccos(cosine), abs=1e-7)
        assert smallest_rotation(a, 3 * a).magnitude() < 1e-7
        np.testing.assert_allclose(smallest_rotation(a, -a).apply(a), -a, atol=1e-9)
    np.testing.assert_allclose(
        smallest_rotation([0, 0, -2], [0, 0, 1]).as_matrix(), np.diag([1, -1, -1]), atol=1e-12
    )
    np.testing.assert_allclose(
        smallest_rotation([1, 0, 0], [-1, 0, 0]).apply([1, 0, 0]), [-1, 0, 0], atol=1e-12
    )


@pytest.mark.usefixtures("quiet")
def test_damaged_files_give_our_errors_only(shared, default_body, tmp_path):
    """300 files cut off or with changed bytes: a motion, or one of our errors; never anything else."""
    rng = np.random.default_rng(11)
    text = (shared / "data" / "cmu_mocap" / "131_03.bvh").read_text()
    head, rows = text.split("Frame Time: .0083333\n")
    source = (
        head.replace("1102", "5") + "Frame Time: .0083333\n" + "\n".join(rows.splitlines()[:5]) + "\n"
    ).encode()
    outcomes, lines = {True: 0, False: 0}, set()
    for i in range(300):
        damaged = bytearray(source)
        if i % 3 == 0:
            damaged = damaged[: rng.integers(1, len(damaged))]
        for _ in range(rng.integers(1, 6)):
            at = rng.integers(0, len(damaged))
            if i % 4 == 1:
                damaged[at] = ord("7") if damaged[at] in b"0123456789" else damaged[at]
            elif i % 2:
                damaged[at] ^= 1 << rng.integers(0, 8)
            else:
                words = [
                    b" nan ",
                    b"1e999",
                    b"{",
                    b"}",
                    b"\xb2",
                    b" -1 ",
                    b"99999999999",
                    b"ROOT",
                    b"\0",
                    b"\n",
                ]
                damaged[at : at + rng.integers(0, 5)] = words[rng.integers(0, len(words))]
        path = tmp_path / "fuzz.bvh"
        path.write_bytes(damaged)
        try:
            motion = read_bvh_motion(path, default_body, unit="cmu")
            assert np.isfinite(motion.poses).all()
            outcomes[True] += 1
        except smpl2mjcf.Error as error:
            outcomes[False] += 1
            lines.add(len(str(error).splitlines()))
    assert min(outcomes.values()) > 20
    assert lines == {1}
