"""Persons by stature and mass: their meshes are measured by trimesh, their betas judged by another solver."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy.optimize import minimize

import smpl2mjcf
from smpl2mjcf.body import shaped_vertices
from smpl2mjcf.person import betas_for_person
from smpl2mjcf.surface import closed_surface

DENSITY = 985.0  # kg/m3


def measured(body, betas):
    """(m, kg) of a shape, by trimesh."""
    surface = closed_surface(body, shaped_vertices(body, betas))
    mesh = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
    used = body.v_template + body.shapedirs @ betas
    return np.ptp(used[:, 1]), DENSITY * mesh.volume


@pytest.mark.parametrize("sex", ["female", "male"])
def test_random_persons_are_as_tall_and_heavy_as_asked(sex):
    """Fifty a sex: every one is met to 1 mm and 0.1 kg, none is out of reach."""
    body = smpl2mjcf.default_body(sex)
    rng = np.random.default_rng(0)
    for stature, bmi in zip(rng.uniform(1.45, 2.05, 50), rng.uniform(17, 38, 50)):
        betas = betas_for_person(body, stature, bmi=bmi)
        tall, heavy = measured(body, betas)
        assert tall == pytest.approx(stature, abs=1e-3)
        assert heavy == pytest.approx(bmi * stature**2, abs=0.1)
        assert np.abs(betas).max() <= 5


@pytest.mark.parametrize(
    ("sex", "stature", "mass"), [("female", 1.629, 67.8), ("male", 1.756, 85.5)], ids=["female", "male"]
)
def test_the_mean_person_of_the_survey_has_betas_near_zero(sex, stature, mass):
    """ANSUR II's means (Gordon et al. 2014), which the default bodies were made to have."""
    betas = betas_for_person(smpl2mjcf.default_body(sex), stature, mass)
    assert np.linalg.norm(betas) < 0.05


@pytest.mark.parametrize(
    ("sex", "stature", "mass"), [("female", 1.70, 60.0), ("male", 1.70, 95.0), ("neutral", 1.95, 80.0)]
)
def test_no_other_betas_of_that_person_are_nearer_to_the_mean(sex, stature, mass):
    """Judged by an interior-point solver with gradients by differences of trimesh's measures."""
    body = smpl2mjcf.default_body(sex)
    found = betas_for_person(body, stature, mass)
    judge = minimize(
        lambda betas: betas @ betas,
        np.full(10, 0.1),
        method="trust-constr",
        jac=lambda betas: 2 * betas,
        constraints={
            "type": "eq",
            "fun": lambda betas: (measured(body, betas) - np.array([stature, mass])) / [1.0, 100.0],
        },
        options={"maxiter": 60},
    )
    np.testing.assert_allclose(measured(body, judge.x), [stature, mass], rtol=1e-5)
    # The norm is flat at its minimum, the betas are known less well: by what 60 steps leave.
    assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(judge.x), abs=1e-3)
    np.testing.assert_allclose(found, judge.x, atol=0.03)


def test_stature_alone_leaves_the_build_alone(default_body):
    betas = betas_for_person(default_body, 1.9)
    assert measured(default_body, betas)[0] == pytest.approx(1.9, abs=1e-4)
    names = [name.split(":")[0] for name in default_body.shape_names]
    strongest = sorted(range(10), key=lambda k: -abs(betas[k]))[:2]
    assert {names[k] for k in strongest} == {"stature", "leg length"}
    assert abs(betas[names.index("mass")]) < 0.05


def test_a_person_builds_at_the_mass_asked_for(default_body):
    humanoid = smpl2mjcf.build_humanoid(default_body, betas_for_person(default_body, 1.82, 74.0))
    assert humanoid.mass == pytest.approx(74.0, abs=0.01)
    assert humanoid.shape.stature == pytest.approx(1.82, abs=1e-4)


def test_a_person_builds_the_same_twice(default_body):
    first, second = (betas_for_person(default_body, 1.6, bmi=30.0) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_body_of_many_betas_uses_the_first_ten(default_body):
    rng = np.random.default_rng(0)
    more = np.concatenate([default_body.shapedirs, rng.normal(size=(6890, 3, 6)) * 1e-3], axis=2)
    wide = replace(default_body, shapedirs=more, shape_names=())
    betas = betas_for_person(wide, 1.8, 80.0)
    assert betas.shape == (16,)
    assert not betas[10:].any()
    np.testing.assert_allclose(betas[:10], betas_for_person(default_body, 1.8, 80.0), atol=1e-9)


def test_a_cap_moves_with_its_rim(default_body):
    """An open mouth: its cap is part of the volume that the betas must fill."""
    names = (*default_body.joint_names[:22], "jaw", "left_eye", "right_eye")
    names += tuple(n for n in smpl2mjcf.skeleton.JOINT_NAMES["smplx"] if n not in names)
    weights = np.zeros((6890, 55))
    weights[:, :22] = default_body.weights[:, :22]
    weights[:, 20] += default_body.weights[:, 22]
    weights[:, 21] += default_body.weights[:, 23]
    head = default_body.joint_names.index("head")
    front = int(np.argmax(np.where(weights[:, head] > 0.9, default_body.v_template[:, 2], -1)))
    rim = np.unique(default_body.faces[(default_body.faces == front).any(axis=1)])
    weights[rim] = 0
    weights[rim[::2], names.index("jaw")] = 1
    weights[rim[1::2], head] = 1
    open_mouth = replace(
        default_body,
        family="smplx",
        joint_names=names,
        parents=smpl2mjcf.skeleton.parents_of(names),
        joint_regressor=np.tile(default_body.joint_regressor[:1], (55, 1)),
        weights=weights,
        faces=default_body.faces[~(default_body.faces == front).any(axis=1)],
        shape_names=(),
    )
    surface = closed_surface(open_mouth, open_mouth.v_template)
    assert surface.capped == ("mouth",)
    betas = betas_for_person(open_mouth, 1.8, 80.0)
    # To a milligram: the cap holds but a few grams.
    assert measured(open_mouth, betas) == pytest.approx((1.8, 80.0), abs=1e-6)


# --- what is refused ---


@pytest.mark.parametrize(
    ("stature", "message"),
    [
        (175.0, "175 m is not a person's: it looks like centimetres"),
        (1750.0, "looks like millimetres"),
        (5.9, "looks like .*feet"),
        (0.0, "positive number of metres, received 0"),
        (-1.7, "positive number"),
        (float("nan"), "received nan"),
        (True, "received True"),
        ("tall", "received 'tall'"),
    ],
)
def test_a_stature_that_is_no_person_s_is_refused(default_body, stature, message):
    with pytest.raises(smpl2mjcf.HumanoidError, match=message):
        betas_for_person(default_body, stature)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mass": -3.0}, "positive number of kg"),
        ({"mass": 7500.0}, "7500.0 kg is not a person's"),
        ({"bmi": 2.0}, "body mass index of 2.0"),
        ({"mass": 70.0, "bmi": 22.0}, "received both"),
    ],
)
def test_a_mass_that_is_no_person_s_is_refused(default_body, given, message):
    with pytest.raises(smpl2mjcf.HumanoidError, match=message):
        betas_for_person(default_body, 1.75, **given)


def test_a_person_out_of_reach_is_told_how_near_the_body_comes():
    body = smpl2mjcf.default_body("female")
    said = r"female smpl2mjcf body 2\.3 m tall and 80 kg heavy; the nearest is 2\.0\d+ m tall and 80 kg heavy"
    with pytest.raises(smpl2mjcf.HumanoidError, match=said):
        betas_for_person(body, 2.3, 80.0)


# --- the command line ---


def run(*words):
    return subprocess.run(
        [sys.executable, "-m", "smpl2mjcf", *map(str, words)], capture_output=True, text=True
    )


def test_build_makes_the_person_asked_for(tmp_path):
    import mujoco

    out = tmp_path / "person"
    done = run("build", "--sex", "male", "--stature", 1.83, "--bmi", 24, "--out", out)
    assert done.returncode == 0, done.stderr
    model = mujoco.MjModel.from_xml_path(str(out / "humanoid.xml"))
    assert model.body_mass.sum() == pytest.approx(24 * 1.83**2, abs=0.01)
    record = json.loads((out / "run.json").read_text())
    assert record["options"]["stature"] == 1.83
    assert measured(smpl2mjcf.default_body("male"), np.array(record["body"]["betas"])) == pytest.approx(
        (1.83, 24 * 1.83**2), abs=0.01
    )


def test_build_takes_a_body_mass_index_for_betas_too(tmp_path):
    out = tmp_path / "person"
    done = run("build", "--betas", *[1] + [0] * 9, "--bmi", 23, "--out", out)
    assert done.returncode == 0, done.stderr
    tall, _ = measured(smpl2mjcf.default_body(), np.eye(10)[0])
    assert f"{23 * tall**2:.2f} kg" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stature", 180], "looks like centimetres"),
        (["--stature", 1.8, "--betas", *[0] * 10], "--stature and --betas both give the shape"),
        (["--stature", 1.8, "--mass", 70, "--bmi", 20], "received both"),
        (["--mass", 70, "--bmi", 20], "received both"),
        (["--stature", 2.4], "the nearest is"),
    ],
    ids=str,
)
def test_build_refuses_what_no_person_is(tmp_path, words, message):
    refused = run("build", *words, "--out", tmp_path / "none")
    assert refused.returncode == 2
    assert refused.stderr.startswith("smpl2mjcf: error: ")
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "none").exists()
