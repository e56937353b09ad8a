"""`smpl2mjcf convert`, and gaps on the command line, as a user meets them (run in this process)."""

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf.__main__ import main

WALK = smpl2mjcf.model_file("walk.npz")


@pytest.fixture
def command(capsys, tmp_path):
    def run(*words):
        code = main([*map(str, words), "--out", str(tmp_path / "out")])
        captured = capsys.readouterr()
        return code, captured.out, captured.err, tmp_path / "out"

    return run


def test_convert_cuts_resamples_mirrors_and_moves_to_the_floor(command, tmp_path):
    walk = smpl2mjcf.load_motion(WALK)
    arrays = dict(np.load(WALK))
    np.savez(tmp_path / "high.npz", **(arrays | {"trans": arrays["trans"] + [0, 0, 0.5]}))
    options = ("--start", 1, "--end", 3, "--resample", 60, "--mirror", "--to-floor")
    code, out, _, folder = command("convert", tmp_path / "high.npz", *options)
    assert code == 0
    assert "121 frames at 60 Hz" in out
    assert "floor at z = 0.500 m" in out
    motion = smpl2mjcf.load_motion(folder / "motion.npz")
    expected = smpl2mjcf.mirror(smpl2mjcf.resample(smpl2mjcf.trim(walk, 1, 3), 60.0))
    np.testing.assert_array_equal(motion.poses, expected.poses)
    np.testing.assert_allclose(motion.trans, expected.trans, atol=0.003)  # the floor, to its accuracy
    record = json.loads((folder / "run.json").read_text())
    assert record["floor"]["height"] == pytest.approx(0.5, abs=0.003)
    assert record["floor"]["moved_to_zero"] is True
    assert record["inputs"]["frames"] == walk.num_frames


def test_convert_does_not_overwrite_its_input(command, tmp_path):
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "motion.npz"
    path.write_bytes(WALK.read_bytes())
    code, _, err, _ = command("convert", path)
    assert code == 2
    assert "would be overwritten" in err
    assert path.read_bytes() == WALK.read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--up", "w"), "unknown up axis 'w'; accepted: x, y, z, -x"),
        (("--up", "1,2"), r"up has shape (2,)"),
        (("--up", "a,b,c"), "--up takes an axis or numbers, received 'a,b,c'"),
        (("--up", "1,0,0,0,1,0,0,0,2"), "up is no rotation"),
        (("--person", "3"), "holds one person"),
        (("--unit", "cm"), "takes no unit"),
        (("--start", "9"), "no recorded frame lies between 9.0 and inf s; the motion has 0-5.325 s"),
        (("--resample", "0"), "fps must be a positive number"),
    ],
)
def test_options_that_do_not_apply_are_one_line(command, options, message):
    code, _, err, folder = command("convert", WALK, *options)
    assert code == 2
    assert message in err.splitlines()[-1]
    assert not folder.exists()


def test_gravity_may_be_given_as_an_axis_a_vector_or_a_rotation(command, tmp_path):
    """The walk in a level camera's axes (x right, y down, z forward), brought back three ways."""
    walk = smpl2mjcf.trim(smpl2mjcf.load_motion(WALK), 0, 1)
    J0 = smpl2mjcf.joint_positions(smpl2mjcf.default_body())[0]
    R_camera_world = np.array([[0, -1.0, 0], [0, 0, -1], [1, 0, 0]])  # it looks along the world's x
    seen = smpl2mjcf.turned(walk, R_camera_world, J0, up="z")
    smpl2mjcf.save_motion(seen, tmp_path / "camera.npz")
    back = R_camera_world.T @ np.diag([1.0, 1, 1])
    rotation = "--up=" + ",".join(str(x) for x in back.ravel())
    for way in (("--up", "-y"), ("--up=-y",), ("--up", "0,-1,0"), (rotation,)):
        code, _, _, folder = command("convert", tmp_path / "camera.npz", *way)
        assert code == 0
        motion = smpl2mjcf.load_motion(folder / "motion.npz")
        np.testing.assert_allclose((motion.trans + J0)[:, 2], (walk.trans + J0)[:, 2], atol=1e-9)
        upright = Rotation.from_rotvec(motion.poses[:, 0]).apply([0.0, 1.0, 0.0])
        wanted = Rotation.from_rotvec(walk.poses[:, 0]).apply([0.0, 1.0, 0.0])
        np.testing.assert_allclose(upright[:, 2], wanted[:, 2], atol=1e-9)
    np.testing.assert_allclose(motion.trans, walk.trans, atol=1e-9)  # a rotation keeps the heading too


def test_torques_of_a_motion_with_gaps(command, tmp_path):
    walk = smpl2mjcf.trim(smpl2mjcf.load_motion(WALK), 0, 1.5)
    recorded = np.ones(walk.num_frames, dtype=bool)
    recorded[80:84] = False
    gappy = smpl2mjcf.Motion(
        walk.poses, walk.trans, walk.fps, walk.betas, walk.family, recorded=recorded, source="gappy"
    )
    smpl2mjcf.save_motion(gappy, tmp_path / "gappy.npz")
    code, out, _, folder = command("torques", tmp_path / "gappy.npz")
    assert code == 0
    assert "4 frames were not recorded" in out
    result = np.load(folder / "torques.npz")
    assert np.isfinite(result["tau"]).all()
    assert not result["valid"][80:84].any()
    assert result["valid"][[40, 120]].all()
    record = json.loads((folder / "run.json").read_text())
    assert record["inputs"]["recorded_frames"] == walk.num_frames - 4
    assert record["floor"]["height"] == pytest.approx(0, abs=0.003)
