"""The command line as a user meets it: real processes, exit codes, one clear line, nothing half-written."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest

import smpl2mjcf

OUTPUTS = {"humanoid.xml", "torques.npz", "torques.csv", "torques.png", "run.json"}


def run(*words, cwd=None, **environment):
    env = {**os.environ, **{key: str(value) for key, value in environment.items()}}
    return subprocess.run(
        [sys.executable, "-m", "smpl2mjcf", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=env,
    )


def assert_refused(result, message, out=None):
    """Exit 2, one line on stderr that says it, and no output folder."""
    errors = [line for line in result.stderr.splitlines() if "error:" in line]
    assert result.returncode == 2, result
    assert "Traceback" not in result.stderr
    assert len(errors) == 1, result.stderr
    assert errors[0].startswith("smpl2mjcf: error: ")
    assert message in errors[0]
    assert result.stderr.splitlines()[-1] == errors[0]
    assert out is None or not Path(out).exists()


@pytest.fixture(scope="module")
def walk_file(tmp_path_factory):
    """A short clip in AMASS's layout: the first second of the embedded walk."""
    walk = smpl2mjcf.load_motion(smpl2mjcf.model_file("walk.npz"))
    path = tmp_path_factory.mktemp("clip") / "clip.npz"
    np.savez(
        path,
        poses=walk.poses[:120].reshape(120, -1),
        trans=walk.trans[:120],
        betas=walk.betas,
        gender="female",
        mocap_framerate=walk.fps,
        family=walk.family,
    )
    return path


@pytest.fixture(scope="module")
def torques(walk_file, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "out"
    result = run("torques", walk_file, "--out", out, "--mass", 65)
    assert result.returncode == 0, result.stderr
    return out, result


def test_help_and_version():
    shown = run("--help")
    assert shown.returncode == 0
    assert all(verb in shown.stdout for verb in ("build", "check", "demo", "torques"))
    assert run("--version").stdout.startswith("smpl2mjcf ")
    assert run("torques", "--help").returncode == 0


def test_help_and_import_load_neither_jax_nor_torch():
    code = (
        "import sys, smpl2mjcf, smpl2mjcf.__main__ as m\ntry: m.main(['--help'])\nexcept SystemExit: pass\n"
    )
    code += "print('LOADED', sorted({'jax', 'torch', 'mujoco', 'matplotlib'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "LOADED []" in result.stdout, result.stdout + result.stderr


def test_build_writes_a_model_that_loads(tmp_path):
    out = tmp_path / "new" / "folder"
    result = run(
        "build", "--betas", "0.5", "-1", "0", "0", "0", "0", "0", "0", "0", "0", "--mass", 70, "--out", out
    )
    assert result.returncode == 0, result.stderr
    assert {p.name for p in out.iterdir()} == {"humanoid.xml", "run.json"}
    model = mujoco.MjModel.from_xml_path(str(out / "humanoid.xml"))
    assert model.body_mass.sum() == pytest.approx(70, rel=1e-5)
    assert json.loads((out / "run.json").read_text())["body"]["betas"][:2] == [0.5, -1.0]


def test_betas_may_be_one_word_or_come_from_a_file_of_the_family(tmp_path, walk_file):
    words = ["-1e-3", "-.5", *"00000000"]
    for betas in (["--betas=-1,0,0,0,0,0,0,0,0,0.5"], ["--betas", *words], ["--betas", walk_file]):
        result = run("build", *betas, "--out", tmp_path)
        assert result.returncode == 0, result.stderr


def test_torques_writes_what_it_promises(torques):
    out, result = torques
    assert {p.name for p in out.iterdir()} == OUTPUTS
    assert "body weight" in result.stdout
    with np.load(out / "torques.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert set(arrays) >= {"time", "dof_names", "tau", "qpos", "qvel", "qacc", "root_residual", "valid"}
    T, nv = arrays["tau"].shape
    assert (T, nv) == (120, 75)
    assert arrays["qpos"].shape == (T, 99)
    assert arrays["root_residual"].shape == (T, 6)
    assert arrays["dof_names"][0] == "pelvis_tx"
    assert "left_knee_x" in arrays["dof_names"]
    assert np.isfinite(arrays["tau"]).all()


def test_torques_of_the_file_are_mujoco_s(torques):
    """The written numbers, from the written model and motion, by MuJoCo's own inverse dynamics."""
    out, _ = torques
    model = mujoco.MjModel.from_xml_path(str(out / "humanoid.xml"))
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONSTRAINT
    data = mujoco.MjData(model)
    with np.load(out / "torques.npz") as file:
        for frame in range(0, 120, 10):
            data.qpos[:], data.qvel[:], data.qacc[:] = (file[key][frame] for key in ("qpos", "qvel", "qacc"))
            mujoco.mj_inverse(model, data)
            # The model was written with six digits.
            scale = np.abs(file["tau"]).max()
            np.testing.assert_allclose(file["tau"][frame], data.qfrc_inverse, atol=2e-5 * scale)


def test_the_missing_ground_force_is_flagged_in_every_output(torques):
    out, result = torques
    assert "no ground forces" in result.stdout
    record = json.loads((out / "run.json").read_text())
    assert any("no ground reaction forces" in warning for warning in record["warnings"])
    header = [line for line in (out / "torques.csv").read_text().splitlines() if line.startswith("#")]
    assert any("GROUND: no ground reaction forces" in line for line in header)
    with np.load(out / "torques.npz") as file:
        assert str(file["ground"]) == "none"
        flags, names, standing = file["lacks_ground_force"], list(file["dof_names"]), file["standing"]
    for side, stands in zip(("left", "right"), standing.T):
        assert 0.4 < stands.mean() < 0.9
        for part in ("hip", "knee", "ankle", "foot"):
            np.testing.assert_array_equal(flags[:, names.index(f"{side}_{part}_x")], stands)
    assert not flags[:, names.index("left_elbow_y")].any()
    assert standing.any(axis=1).all()  # in a walk one foot always stands


def test_the_csv_reads_back_with_units_frame_and_sign(torques):
    out, _ = torques
    lines = (out / "torques.csv").read_text().splitlines()
    header = " ".join(line for line in lines if line.startswith("#"))
    assert all(word in header for word in ("units", "frames", "sign"))
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert len(rows) == 120
    with np.load(out / "torques.npz") as file:
        knee = file["tau"][:, list(file["dof_names"]).index("left_knee_x")]
    np.testing.assert_allclose([float(row["left_knee_x [N m]"]) for row in rows], knee, rtol=1e-5)
    np.testing.assert_allclose([float(row["left_knee_x [N m/kg]"]) for row in rows], knee / 65, rtol=1e-5)


def test_run_json_records_inputs_versions_units_frames_and_options(torques):
    record = json.loads((torques[0] / "run.json").read_text())
    assert record["inputs"]["fps"] == 120
    assert record["versions"]["mujoco"] == mujoco.__version__
    assert record["units"]["torque"] == "N m"
    assert "world" in record["frames"]
    assert record["options"]["mass"] == 65
    assert record["body"]["sex"] == "neutral"  # the body's, and a warning says whose the motion is
    assert any("the motion's person is female" in warning for warning in record["warnings"])
    assert record["cutoff_hz"] == 6.0


def test_the_picture_is_one(torques):
    data = (torques[0] / "torques.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    assert width > 800
    assert height > 800


def test_other_files_in_the_folder_stay_and_a_failed_run_changes_nothing(torques, walk_file):
    out, _ = torques
    (out / "mine.txt").write_text("mine")
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    assert_refused(run("torques", walk_file, "--out", out, "--mass", -1), "mass must be a positive number")
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    (out / "mine.txt").unlink()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mass", "0"], "mass must be a positive number of kg, received 0.0"),
        (["--mass", "-3"], "mass must be a positive number of kg"),
        (["--mass", "heavy"], "invalid float value: 'heavy'"),
        (["--sex", "other"], "invalid choice: 'other'"),
        (["--betas", "1", "2"], "betas have shape (2,); this smpl2mjcf body takes (10,)"),
        (["--betas", "a", "b"], "--betas takes numbers or one .npz file"),
        (["--betas", "absent.npz"], "absent.npz does not exist"),
        (["--body", "absent.npz"], "absent.npz does not exist"),
        (["--cutoff", "fast"], "--cutoff takes a frequency in Hz or 'none', received 'fast'"),
        (["--cutoff", "60"], "cutoff is 60 Hz; accepted"),
        (["--cutoff", "-1"], "cutoff is -1 Hz; accepted"),
        (["--fps", "0"], "--fps"),
        (["--up", "w"], "unknown up axis 'w'; accepted: x, y, z, "),
    ],
)
def test_bad_options_are_one_line_and_exit_2(walk_file, tmp_path, options, message):
    assert_refused(run("torques", walk_file, "--out", tmp_path / "out", *options), message, tmp_path / "out")


def test_betas_of_another_family_given_explicitly_are_an_error(tmp_path):
    path = tmp_path / "smplh.npz"
    np.savez(path, betas=np.zeros(16), poses=np.zeros((2, 156)))
    assert_refused(
        run("build", "--betas", path, "--out", tmp_path / "out"),
        "belong to the smplh family",
        tmp_path / "out",
    )


def test_a_motion_without_a_rate_or_in_millimetres(walk_file, tmp_path):
    with np.load(walk_file) as file:
        arrays = dict(file)
    out = tmp_path / "new" / "out"
    np.savez(tmp_path / "mm.npz", **arrays | {"trans": 1000 * arrays["trans"]})
    assert_refused(run("torques", tmp_path / "mm.npz", "--out", out), "looks like millimetres", out.parent)
    del arrays["mocap_framerate"]
    np.savez(tmp_path / "rateless.npz", **arrays)
    assert_refused(run("torques", tmp_path / "rateless.npz", "--out", out), "give it with --fps", out.parent)


def test_a_source_of_several_lines_does_not_break_the_csv(walk_file, tmp_path):
    with np.load(walk_file) as file:
        np.savez(tmp_path / "clip.npz", **dict(file) | {"source": "one\ntwo,three"})
    assert run("torques", tmp_path / "clip.npz", "--out", tmp_path).returncode == 0
    lines = (tmp_path / "torques.csv").read_text().splitlines()
    assert len([line for line in lines if not line.startswith("#")]) == 121


def test_a_broken_plugin_costs_only_its_own_verb(tmp_path):
    info = tmp_path / "plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[smpl2mjcf.verbs]\ndance = absent_module:Dance\n")
    result = run("--help", PYTHONPATH=tmp_path)
    assert result.returncode == 0
    assert "torques" in result.stdout
    assert "warning: the verb 'dance' of absent_module cannot be loaded" in result.stderr


def test_a_clip_too_short_to_differentiate(walk_file, tmp_path):
    with np.load(walk_file) as file:
        short = dict(file) | {"poses": file["poses"][:3], "trans": file["trans"][:3]}
    np.savez(tmp_path / "short.npz", **short)
    result = run("torques", tmp_path / "short.npz", "--out", tmp_path / "out")
    assert_refused(result, "3 frames", tmp_path / "out")


def test_nan_frames_are_named(walk_file, tmp_path):
    with np.load(walk_file) as file:
        arrays = dict(file)
    arrays["poses"][5:8] = np.nan
    np.savez(tmp_path / "nan.npz", **arrays)
    assert_refused(
        run("torques", tmp_path / "nan.npz", "--out", tmp_path / "out"), "frames 5-7 of 120", tmp_path / "out"
    )


def test_a_hostile_body_pickle_is_refused_and_not_run(walk_file, tmp_path):
    import pickle

    class Touch:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    (tmp_path / "SMPL_NEUTRAL.pkl").write_bytes(pickle.dumps({"v_template": Touch()}, protocol=2))
    result = run("torques", walk_file, "--body", tmp_path / "SMPL_NEUTRAL.pkl", "--out", tmp_path / "out")
    assert_refused(result, "refused, nothing in it was run", tmp_path / "out")
    assert not (tmp_path / "ran").exists()


def test_an_unwritable_output_folder(walk_file, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    result = run("torques", walk_file, "--out", tmp_path / "file" / "out")
    assert_refused(result, "cannot write into the folder")
    assert (tmp_path / "file").read_text() == "not a folder"


def test_results_do_not_overwrite_their_input(walk_file, tmp_path):
    motion = tmp_path / "torques.npz"
    motion.write_bytes(walk_file.read_bytes())
    assert_refused(run("torques", motion, "--out", tmp_path), "would be overwritten by the results")
    assert motion.read_bytes() == walk_file.read_bytes()


def test_a_folder_in_the_way_of_a_result_leaves_the_old_results_together(torques, walk_file):
    out, _ = torques
    kept = (out / "torques.csv").read_bytes()
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    (out / "torques.csv").unlink()
    (out / "torques.csv").mkdir()
    assert_refused(run("torques", walk_file, "--mass", 60, "--out", out), "there is a folder of that name")
    (out / "torques.csv").rmdir()
    (out / "torques.csv").write_bytes(kept)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_a_failed_run_leaves_what_others_put_into_its_new_folder(tmp_path):
    from smpl2mjcf.output_folder import output_folder

    def fail_beside_notes():
        with output_folder(tmp_path / "a" / "b"):
            (tmp_path / "a" / "b" / "notes.txt").write_text("mine")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_beside_notes()
    assert [p.name for p in (tmp_path / "a" / "b").iterdir()] == ["notes.txt"]
    with pytest.raises(RuntimeError), output_folder(tmp_path / "c" / "d"):
        raise RuntimeError
    assert not (tmp_path / "c").exists()


def test_a_reader_that_goes_away_is_no_traceback(tmp_path):
    command = f"{sys.executable} -m smpl2mjcf build --out {tmp_path} | true"
    result = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert "Traceback" not in result.stderr
    assert "Exception" not in result.stderr
    assert (tmp_path / "humanoid.xml").exists()


def test_being_ended_leaves_no_scratch_folder(tmp_path, walk_file):
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "smpl2mjcf", "torques", walk_file, "--out", out],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "reading" in process.stderr.readline()
    process.terminate()
    process.communicate()
    assert process.returncode == 143
    assert not out.exists()


@pytest.mark.parametrize("name", ["a $b^$ c.npz", "two  spaces.npz", "umlaut \u00e4.npz"])
def test_odd_file_names_are_only_names(walk_file, tmp_path, name):
    (tmp_path / name).write_bytes(walk_file.read_bytes())
    result = run("torques", tmp_path / name, "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", ""], "empty name"),
        (["--body", ""], "is a folder"),
        (["--cutoff", "1e-9"], "cutoff is 1e-09 Hz"),
    ],
)
def test_unset_variables_and_tiny_cutoffs(walk_file, tmp_path, options, message):
    assert_refused(run("torques", walk_file, "--out", tmp_path / "out", *options), message)


def test_a_recording_lying_on_its_side_is_asked_about(walk_file, tmp_path):
    with np.load(walk_file) as file:
        arrays = dict(file)
    poses = np.zeros_like(arrays["poses"])  # SMPL's rest orientation: y up
    np.savez(tmp_path / "y_up.npz", **arrays | {"poses": poses})
    result = run("torques", tmp_path / "y_up.npz", "--out", tmp_path / "out")
    assert result.returncode == 0
    assert "the person lies all the time; if the file is y up, say so with --up y" in result.stderr


def test_no_verb_and_an_unknown_verb():
    assert_refused(run(), "the following arguments are required: VERB")
    assert_refused(run("dance"), "invalid choice: 'dance'")


@pytest.mark.parametrize("package", ["analysis", "dynamics"])
def test_a_foreign_package_that_hides_ours_is_named(tmp_path, package):
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("")
    result = run("--help", cwd=tmp_path)  # `python -m` puts the current folder first on the path
    assert_refused(result, f"another package named {package!r} hides ours: {tmp_path / package}")


def test_check_passes_on_our_humanoid_and_fails_above_its_tolerance(torques):
    model = torques[0] / "humanoid.xml"
    result = run("check", model, "--states", 5)
    assert result.returncode == 0, result.stderr
    assert "agree" in result.stdout
    assert run("check", model, "--states", 5, "--tolerance", 1e-30).returncode == 1


def test_check_refuses_what_is_not_a_model(tmp_path):
    (tmp_path / "bad.xml").write_text("<mujoco><worldbody>")
    assert_refused(run("check", tmp_path / "bad.xml"), "bad.xml")
    assert_refused(run("check", tmp_path / "absent.xml"), "absent.xml")
    closed = tmp_path / "closed.xml"
    closed.write_text(
        "<mujoco><worldbody><body name='a'><freejoint/><geom size='.1'/></body>"
        "<body name='b'><freejoint/><geom size='.1'/></body></worldbody>"
        "<equality><weld name='loop' body1='a' body2='b'/></equality></mujoco>"
    )
    assert_refused(run("check", closed), "loop")
    bare = tmp_path / "bare.xml"
    bare.write_text("<mujoco><worldbody><body><geom size='.1'/></body></worldbody></mujoco>")
    assert_refused(run("check", bare), "has no joints")
