"""Reading motion files: synthetic ones with the true layouts, and what is wrong with bad ones."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf import MotionFileError, load_motion
from smpl2mjcf.asf_amc import bone_poses, read_amc, read_asf
from smpl2mjcf.motion_files import read_betas


def amass(T=8, width=156):
    """An SMPL-H release file as AMASS writes it, standing upright and drifting along x."""
    poses = np.zeros((T, width))
    poses[:, 0] = np.pi / 2
    trans = np.tile([0.0, 0.0, 0.9], (T, 1)) + np.outer(np.arange(T), [0.01, 0, 0])
    return {
        "poses": poses,
        "trans": trans,
        "betas": np.zeros(16),
        "dmpls": np.zeros((T, 8)),
        "gender": np.array(b"male"),
        "mocap_framerate": np.array(120.00004577636719),
    }


@pytest.fixture
def write(tmp_path):
    def save(arrays, name="motion.npz"):
        path = tmp_path / name
        np.savez(path, **arrays)
        return path

    return save


def test_an_amass_file_is_read(write):
    arrays = amass()
    motion = load_motion(write(arrays))
    assert (motion.family, motion.sex, motion.up, motion.fps) == ("smplh", "male", "z", 120.0)
    np.testing.assert_array_equal(motion.poses.reshape(8, -1), arrays["poses"])
    np.testing.assert_array_equal(motion.trans, arrays["trans"])
    assert motion.betas.shape == (16,)


@pytest.mark.parametrize(
    "gender", ["male", b"male", np.array("male"), np.array(b"male"), np.array([b"male"])]
)
def test_gender_may_be_text_or_bytes(write, gender):
    assert load_motion(write(amass() | {"gender": gender})).sex == "male"


@pytest.mark.parametrize(("width", "family"), [(66, "smpl"), (72, "smpl"), (156, "smplh"), (165, "smplx")])
def test_the_width_of_poses_tells_the_family(write, width, family):
    assert load_motion(write(amass(width=width))).family == family


def test_both_spellings_of_the_frame_rate_are_known(write):
    arrays = amass()
    del arrays["mocap_framerate"]
    assert load_motion(write(arrays | {"mocap_frame_rate": np.array(60.0)})).fps == 60.0


def test_an_amass_motion_on_a_body_of_another_family_warns_once(write, default_body):
    """SMPL-H's betas mean nothing to this body: dropped, said once, poses used."""
    import analysis

    motion = load_motion(write(amass(T=60) | {"betas": np.ones(16)}))
    with pytest.warns(UserWarning, match="mean shape is used|person is male") as caught:
        study = analysis.torque_study(default_body, motion)
    messages = [str(warning.message) for warning in caught]
    assert sum("belong to the smplh family" in message for message in messages) == 1
    assert not study.humanoid.betas.any()
    assert any("the motion's person is male" in message for message in messages)
    assert study.humanoid.sex == "neutral"


def test_a_y_up_file_is_turned(write, default_body):
    arrays = amass()
    arrays["poses"][:, 0] = 0.0
    arrays["trans"] = np.tile([0.0, 1.1, 0.0], (8, 1))
    motion = load_motion(write(arrays), up="y")
    assert motion.up == "z"
    J0 = smpl2mjcf.joint_positions(default_body)[0]
    assert (J0 + motion.trans[0])[2] == pytest.approx(J0[1] + 1.1)
    turned = Rotation.from_rotvec(motion.poses[0, 0]).apply([0, 1, 0])
    np.testing.assert_allclose(turned, [0, 0, 1], atol=1e-12)


def test_a_motion_without_a_frame_rate_names_the_option(write):
    arrays = amass()
    del arrays["mocap_framerate"]
    with pytest.raises(MotionFileError, match="no frame rate .* --fps"):
        load_motion(write(arrays))
    assert load_motion(write(arrays), fps=60).fps == 60.0


def test_another_rate_than_the_stored_one_is_used_with_a_warning(write):
    with pytest.warns(UserWarning, match=r"120\.0 frames/s; 60 was asked for"):
        assert load_motion(write(amass()), fps=60).fps == 60.0


def test_two_rates_in_one_file_are_refused(write):
    with pytest.raises(MotionFileError, match="two frame rates"):
        load_motion(write(amass() | {"mocap_frame_rate": np.array(60.0)}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"poses": np.zeros((8, 100))}, r"poses have shape \(8, 100\); accepted"),
        ({"poses": np.zeros(156)}, "poses have shape"),
        ({"trans": np.zeros((7, 3))}, r"trans has shape \(7, 3\), expected \(8, 3\)"),
        ({"poses": np.full((8, 156), np.nan)}, "NaN or infinite values in frames 0-7 of 8"),
        ({"poses": np.zeros((8, 156), dtype="U4")}, "poses holds <U4 instead of numbers"),
        ({"gender": np.array("unknown")}, "unknown gender 'unknown'; accepted: neutral, female, male"),
        ({"mocap_framerate": np.array(0.0)}, "fps must be a positive number"),
        ({"mocap_framerate": np.array([30.0, 60.0])}, "mocap_framerate must be one number"),
        ({"poses": np.zeros((0, 156)), "trans": np.zeros((0, 3))}, "no frames"),
    ],
)
def test_bad_arrays_are_named(write, changes, message):
    with pytest.raises(MotionFileError, match=message):
        load_motion(write(amass() | changes))


def test_missing_arrays_are_named(write):
    arrays = amass()
    del arrays["trans"]
    with pytest.raises(MotionFileError, match="lacks trans;.*found: .*poses"):
        load_motion(write(arrays))


def test_millimetres_are_recognised(write):
    arrays = amass()
    with pytest.raises(MotionFileError, match="looks like millimetres"):
        load_motion(write(arrays | {"trans": 1000 * arrays["trans"]}))


def test_centimetres_of_somebody_who_stands_are_recognised(write):
    trans = np.tile([0.0, 0.0, 90.0], (8, 1))
    with pytest.raises(MotionFileError, match="looks like centimetres"):
        load_motion(write(amass() | {"trans": trans}))


def test_degrees_are_recognised(write):
    arrays = amass()
    with pytest.raises(MotionFileError, match="looks like degrees"):
        load_motion(write(arrays | {"poses": np.rad2deg(arrays["poses"])}))


def test_an_object_array_is_refused_without_unpickling(write, tmp_path):
    class Touch:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    with pytest.raises(MotionFileError, match="Python objects"):
        load_motion(write(amass() | {"betas": np.array([Touch()], dtype=object)}))
    assert not (tmp_path / "ran").exists()


def test_a_truncated_or_foreign_file_is_refused(write, tmp_path):
    whole = write(amass()).read_bytes()
    for count in (0, 4, 100, len(whole) // 2, len(whole) - 30):
        path = tmp_path / "cut.npz"
        path.write_bytes(whole[:count])
        with pytest.raises(MotionFileError, match="cannot read"):
            load_motion(path)
    (tmp_path / "text.npz").write_text("not a zip")
    with pytest.raises(MotionFileError, match="truncated or corrupted"):
        load_motion(tmp_path / "text.npz")


def test_unknown_kinds_and_missing_files(tmp_path):
    (tmp_path / "walk.fbx").write_bytes(b"x")
    with pytest.raises(MotionFileError, match=r"unknown kind of motion file '\.fbx'; accepted: AMASS-layout"):
        load_motion(tmp_path / "walk.fbx")
    with pytest.raises(MotionFileError, match="does not exist, or is not a file"):
        load_motion(tmp_path / "absent.npz")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"up": "w"}, "up axis 'w'"),
        ({"person": "1"}, "holds one person"),
        ({"unit": "cm"}, "takes no unit"),
        ({"fps": -1.0}, "--fps"),
        ({"skeleton": "a.asf"}, "takes no skeleton"),
    ],
)
def test_bad_options_are_named(write, options, message):
    with pytest.raises(MotionFileError, match=message):
        load_motion(write(amass()), **options)


def test_the_split_layout_of_the_smplx_release_is_read(write):
    """root_orient and pose_body alone, or with hands and face: SMPL-X, whatever else the file says."""
    whole = amass(width=165)
    poses = whole.pop("poses") + 0.01 * np.arange(165)
    parts = dict(
        zip(
            ("root_orient", "pose_body", "pose_jaw", "pose_eye", "pose_hand"),
            np.split(poses, (3, 66, 69, 75), axis=1),
        )
    )
    motion = load_motion(write(whole | parts))
    assert motion.family == "smplx"
    np.testing.assert_array_equal(motion.poses.reshape(8, 165), poses)
    body_only = load_motion(write(whole | {key: parts[key] for key in ("root_orient", "pose_body")}))
    assert body_only.family == "smplx"
    assert body_only.poses.shape == (8, 22, 3)
    with pytest.raises(MotionFileError, match=r"pose_body has shape \(8, 62\)"):
        load_motion(write(whole | {**parts, "pose_body": parts["pose_body"][:, :62]}))
    with pytest.raises(MotionFileError, match="holds two motions"):
        load_motion(write(whole | {**parts, "poses": 2 * poses}))


def test_repeated_frames_are_pointed_out(write):
    arrays = amass(T=20)
    arrays["poses"] += 0.001 * np.arange(20)[:, None]
    for key in ("poses", "trans"):
        arrays[key][[5, 6, 12]] = arrays[key][[4, 4, 11]]
    with pytest.warns(UserWarning, match="frames 5-6, 12 of 20 repeat the frame before exactly"):
        load_motion(write(arrays))
    still = amass(T=20)
    still["trans"][:] = still["trans"][0]
    load_motion(write(still))  # nobody moves: no warning


def test_a_person_high_above_the_origin_of_another_axis_is_none(write):
    """Twenty-seven metres along z is far away in a y-up file, and a unit's mistake in a z-up one."""
    arrays = amass()
    arrays["poses"][:, 0] = 0.001
    arrays["trans"] += [0, 0.9, 26.1]
    load_motion(write(arrays), up="y")
    with pytest.raises(
        MotionFileError, match="27 above or below the world's origin; this looks like centimetres"
    ):
        load_motion(write(arrays))


def test_betas_of_a_file_come_with_their_family(write):
    family, betas = read_betas(write(amass() | {"betas": np.arange(16.0)}))
    assert family == "smplh"
    np.testing.assert_array_equal(betas, np.arange(16.0))
    with pytest.raises(MotionFileError, match="holds no betas"):
        read_betas(write({"poses": np.zeros((3, 72))}))
    with pytest.raises(MotionFileError, match="does not tell the family"):
        read_betas(write({"betas": np.zeros(10)}))


# A three-bone skeleton in CMU's dialect: lengths in units of an inch / 0.45, spread leg, comments, blanks.
ASF = """# comment
:version 1.10
:name TEST
:units
  mass 1.0
  length 0.45
  angle deg
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name thigh
     direction 0.34202 -0.939693 0
     length 10
     axis 0 0 20  XYZ
    dof rx ry rz
    limits (-160.0 20.0)
           (-70.0 70.0)
           (-60.0 70.0)
  end
  begin
     id 2
     name shin
     direction 0.34202 -0.939693 0
     length 5
     axis 0 0 20 XYZ
    dof rx
  end
:hierarchy
  begin
    root thigh
    thigh shin
  end
"""
AMC = """#!OML:ASF H:\\somewhere
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 0 90 0
thigh 0 0 -20
shin 9.0e+001
2
root 1 2 3 0 0 0
thigh 0 0 0
shin 0
"""


@pytest.fixture
def cmu(tmp_path):
    def save(asf=ASF, amc=AMC):
        (tmp_path / "s.asf").write_text(asf)
        (tmp_path / "m.amc").write_text(amc)
        return tmp_path / "s.asf", tmp_path / "m.amc"

    return save


def test_asf_amc_kinematics_by_hand(cmu):
    asf, amc = cmu()
    skeleton = read_asf(asf)
    unit = 0.0254 / 0.45
    poses = bone_poses(skeleton, read_amc(amc, skeleton))
    np.testing.assert_allclose(poses.start["root"], unit * np.array([[1, 2, 3]] * 2))
    # Frame 1: the leg is brought from 20 degrees spread to vertical, then the root turns by 90 about y.
    knee = poses.start["shin"][0] - poses.start["root"][0]
    np.testing.assert_allclose(knee, unit * np.array([0, -10, 0]), atol=1e-6)
    # The knee flexes 90 degrees about the leg's own x axis, which now points to -z: the shin to -x.
    shin = poses.orientation["shin"][0].apply(skeleton.bones["shin"].vector)
    np.testing.assert_allclose(shin, unit * np.array([-5.0, 0, 0]), atol=1e-6)
    # Frame 2: the zero pose.
    np.testing.assert_allclose(
        poses.start["shin"][1] - poses.start["root"][1],
        unit * 10 * np.array([0.34202, -0.939693, 0]),
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("asf", "amc", "message"),
    [
        (ASF, AMC.replace("shin 9.0e+001\n", ""), "frame 1 has no 'shin'"),
        (ASF, AMC.replace("shin 0", "shin 0 0"), "line 11: 'shin' with 2 numbers; expected 1 numbers"),
        (ASF, AMC.replace("shin 0", "shin x"), "line 11: not a number"),
        (ASF, AMC.replace("shin 0", "tail 0"), "line 11: 'tail'.*belong to this motion"),
        (ASF, ":DEGREES\n", "has no frames"),
        (ASF, AMC.replace(":DEGREES", ":RADIANS"), "radians, but the skeleton's angles are degrees"),
        (ASF.replace("angle deg", "angle rad"), AMC, "degrees, but the skeleton's angles are radians"),
        (ASF.replace("order TX TY TZ", "order TX TY QQ"), AMC, "root's order is tx ty qq"),
        (ASF.replace("orientation 0 0 0", "orientation 0 90 0"), AMC, "orientation of its own"),
        (ASF.replace("axis XYZ\n   position", "axis ZYX\n   position"), AMC, "root axis ZYX; accepted: XYZ"),
        (ASF.replace("    thigh shin", "    thigh shin tail"), AMC, "tail stands in :hierarchy but not in"),
        ("nothing here\n", AMC, "not an ASF skeleton"),
        (ASF.replace("length 0.45", "length much"), AMC, "line 6: cannot read"),
        (ASF.replace("length 0.45", "length 0"), AMC, "unit of length must be positive"),
        (ASF.replace("     length 10\n", ""), AMC, "bone 'thigh' is incomplete"),
        (ASF.replace("dof rx ry rz", "dof rx tz"), AMC, "unknown dof tz"),
        (ASF.replace("length 10", "length nan"), AMC, "bone 'thigh' is incomplete .*length nan"),
        (ASF.replace("direction 0.34202 -0.939693 0", "direction 0 0 0"), AMC, "points nowhere"),
        (ASF.replace("root thigh", "hip thigh"), AMC, "does not lead from the root"),
    ],
)
def test_bad_asf_and_amc_files_are_named(cmu, asf, amc, message):
    skeleton, motion = cmu(asf, amc)
    with pytest.raises(MotionFileError, match=message):
        load_motion(motion, skeleton=skeleton, fps=120)


def test_an_amc_needs_skeleton_and_rate(cmu):
    skeleton, motion = cmu()
    with pytest.raises(MotionFileError, match="--skeleton"):
        load_motion(motion, fps=120)
    with pytest.raises(MotionFileError, match="stores no frame rate: give it with --fps"):
        load_motion(motion, skeleton=skeleton)
    with pytest.raises(MotionFileError, match="y up by definition"):
        load_motion(motion, skeleton=skeleton, fps=120, up="z")
    with pytest.raises(MotionFileError, match="lacks bones of CMU's layout: head, "):
        load_motion(motion, skeleton=skeleton, fps=120)
    with pytest.raises(MotionFileError, match="does not exist"):
        load_motion(motion, skeleton=skeleton.with_name("absent.asf"), fps=120)
