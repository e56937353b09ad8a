"""The study of noise and the calculator: right figures, files written whole, bad input in one line."""

import csv
import json

import matplotlib.image
import numpy as np
import pytest

import analysis
import smpl2mjcf
from analysis.noise_files import FILES
from analysis.noise_verb import Noise
from smpl2mjcf import __main__ as command

QUICK = ("--draws", "4", "--seconds", "2", "--rates", "30", "60")


@pytest.fixture(scope="module")
def clean(default_body):
    humanoid = smpl2mjcf.build_humanoid(default_body, mass=70.0)
    motion = smpl2mjcf.load_motion(smpl2mjcf.model_file("walk.npz"))
    return analysis.CleanMotion.of(
        humanoid.model, smpl2mjcf.motion_to_qpos(humanoid, motion), motion.fps, seconds=3.0
    )


@pytest.fixture(scope="module")
def study(clean):
    told = []
    found = analysis.noise_study(clean, draws=12, progress=told.append)
    assert len(told) == 5
    assert told[0] == "1 of 5: error over sigma at 30, 60, 120 Hz"
    return found


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """A function from arguments of the verb to exit code, the output folder and what was said."""
    monkeypatch.setattr(command, "load_verbs", lambda: {"noise": Noise})

    def call(*args):
        folder = tmp_path / "results"
        try:
            code = command.main(["noise", *args, "--out", str(folder)])
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, folder, said.out, said.err

    return call


def test_the_paper_s_figure_and_what_it_depends_on(study):
    # Central differences twice at 30 Hz, mean over the joints' vectors: an earlier prototype measured 800-865
    # on six clips of a 70 kg body without the root; with the root it is the paper's "about 1,000".
    assert 750 < study.slope < 950
    assert 1000 < study.slope_with_root < 1250
    slopes = {(row.scheme, row.fps): row.law_mean / row.sigma for row in study.table("rates", joint=None)}
    for scheme in ("central", "three-point", "spline"):
        assert slopes[scheme, 60.0] / slopes[scheme, 30.0] == pytest.approx(4, rel=0.03)
        assert slopes[scheme, 120.0] / slopes[scheme, 30.0] == pytest.approx(16, rel=0.03)
    # x_{t+2} - 2 x_t + x_{t-2} over 4 against x_{t+1} - 2 x_t + x_{t-1}: four times less.
    assert slopes["three-point", 30.0] / slopes["central", 30.0] == pytest.approx(4, rel=0.02)


def test_law_and_samples_agree(study):
    """Twelve samples of some 80 frames: 2 % of the mean; beyond .05 rad the law's own error adds."""
    for row in study.table("growth"):
        bar = 0.06 if row.sigma <= 0.05 else 0.12
        assert row.sampled_mean == pytest.approx(row.law_mean, rel=bar), row
    for row in study.table("kinds", scheme="central"):
        # An offset is drawn once a clip: twelve samples say little.
        bar = 0.5 if row.noise == "constant bias" else 0.1
        assert row.sampled_rms == pytest.approx(row.law_rms, rel=bar), row


def test_proximal_joints_suffer_most(study):
    ranked = sorted(study.table("joints"), key=lambda row: -row.law_mean)
    assert {row.joint for row in ranked[:5]} == {"spine1", "spine2", "spine3", "left_hip", "right_hip"}
    level = {row.joint: row.law_mean for row in ranked}
    assert level["left_hip"] > 10 * level["left_ankle"]
    # The noise of one arm does not reach the other leg.
    (apart,) = study.table("sources", source="left_elbow", joint="right_knee")
    assert apart.law_rms == 0


def test_cutoffs_trade_noise_for_distortion(study):
    for fps in (30.0, 60.0, 120.0):
        rows = study.table("cutoffs", fps=fps, rho=0.0)
        noise, distortion = ([getattr(row, name) for row in rows] for name in ("law_rms", "distortion_rms"))
        assert noise == sorted(noise)
        assert distortion == sorted(distortion, reverse=True)
        for row in rows:
            assert row.total_rms == pytest.approx(np.hypot(row.law_rms, row.distortion_rms))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers(clean):
    once, again = (
        analysis.noise_study(clean, rates=[30.0], sigmas=[0.05], draws=2, seed=3).rows for _ in range(2)
    )
    assert once == again


def test_verb_writes_everything(run):
    code, folder, out, err = run(*QUICK)
    assert code == 0, err
    assert {path.name for path in folder.iterdir()} == {*FILES, "run.json"}
    assert "N m of torque error a radian" in out
    assert "5 of 5: kinds of noise" in err
    with (folder / "noise.csv").open() as file:
        lines = file.readlines()
    header = [line for line in lines if line.startswith("#")]
    assert "units: Hz, rad, N m" in header[0]
    rows = list(csv.DictReader(lines[len(header) :]))
    assert {row["table"] for row in rows} == {"growth", "rates", "joints", "sources", "cutoffs", "kinds"}
    record = json.loads((folder / "run.json").read_text())
    assert record["verb"] == "noise"
    assert record["settings"]["seed"] == 0
    assert record["settings"]["draws"] == 4
    assert record["results"]["amplification_n_m_per_rad"] > 500
    for name in FILES:
        if name.endswith(".png"):
            picture = matplotlib.image.imread(folder / name)
            assert picture.std() > 0.05, f"{name} is nearly empty"
        if name.endswith(".svg"):
            assert (folder / name).read_text().rstrip().endswith("</svg>")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--sigma", "-0.1"), "sigma holds -0.1; accepted: finite numbers above 0"),
        (("--sigma", "0"), "sigma holds 0.0; accepted: finite numbers above 0"),
        (("--rates", "0"), "rates holds 0.0"),
        (("--rates", "5"), "rates holds 5 Hz; the filters that are compared need 15 Hz or more"),
        (("--draws", "1"), "draws is 1; accepted: 2 samples or more"),
        (("--seed", "-1"), "--seed is -1; accepted: 0 or more"),
        (("--cutoff", "70"), "cutoff is 70 Hz; accepted"),
        (("--cutoff", "low"), "--cutoff takes a frequency in Hz or 'none', received 'low'"),
        (("--seconds", "0.5"), "a study of noise needs 1 s"),
        (("nowhere.npz",), "nowhere.npz does not exist"),
    ],
)
def test_bad_input_is_one_line(run, args, message):
    code, folder, _, err = run(*args)
    assert code == 2
    assert message in err
    assert err.strip().splitlines()[-1].startswith("smpl2mjcf: error: ")
    assert not folder.exists()


def test_calculator_by_the_law(clean):
    """Three degrees at 30 Hz: the table's numbers are the law's, and errors are in proportion to noise."""
    sigma = np.radians(3.0)
    found = analysis.trust(sigma, 30.0, method="butterworth", motion=clean, cutoff=3.0)
    double = analysis.trust(2 * sigma, 30.0, method="butterworth", motion=clean, cutoff=3.0)
    for joint in found.joints:
        assert double[joint.name].noise == pytest.approx(2 * joint.noise, rel=1e-9)
        assert double[joint.name].distortion == pytest.approx(joint.distortion, rel=1e-9)
        assert joint.error == pytest.approx(np.hypot(joint.noise, joint.distortion))
    assert found["left_hip"].verdict == "no"
    assert "3.00 deg of noise" in str(found)
    assert "butterworth, cutoff 3.0" in str(found)
    with pytest.raises(analysis.Error, match="no joint 'left_wing'; available: left_hip"):
        found["left_wing"]


def test_the_automatic_smoother_in_the_calculator(clean):
    raw = analysis.trust(0.05, 30.0, method="central", motion=clean)
    smooth = analysis.trust(0.05, 30.0, method="reml", motion=clean)
    assert smooth.rms < 0.25 * raw.rms
    assert smooth["spine1"].distortion > 0


def test_what_is_needed_is_what_suffices(clean):
    """The inverse question: put the answers in, and the target comes out."""
    asked = analysis.needed(10.0, sigma=0.05, fps=30.0, motion=clean, rates=(30.0, 60.0))
    assert asked.cutoffs
    for cutoff in asked.cutoffs:
        assert analysis.trust(0.05, 30.0, motion=clean, cutoff=cutoff).rms <= 10.0
    at_most = [
        analysis.trust(asked.sigma, 30.0, motion=clean, cutoff=cutoff).rms
        for cutoff in analysis.calculator.CUTOFFS
    ]
    assert min(at_most) == pytest.approx(10.0, rel=1e-6)
    assert asked.fps == 30.0
    nothing = analysis.needed(0.1, sigma=0.05, fps=30.0, motion=clean, rates=(30.0, 60.0))
    assert nothing.fps is None
    assert nothing.cutoffs == ()
    assert "none" in str(nothing)
    hip = analysis.needed(10.0, "left_hip", sigma=0.01, motion=clean, rates=(30.0,))
    assert "Butterworth cutoff" in str(hip)


@pytest.mark.parametrize("target", [0, -1, float("nan"), "ten"])
def test_targets_that_are_none(clean, target):
    with pytest.raises(analysis.Error, match="target is .*; accepted: a finite torque above 0"):
        analysis.needed(target, motion=clean)
