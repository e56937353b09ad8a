"""The options of build_humanoid and `smpl2mjcf build` together: names, numbers, bytes, motions."""

import csv
import itertools
import json

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import dynamics
import smpl2mjcf
from smpl2mjcf.__main__ import main
from smpl2mjcf.errors import HumanoidError
from smpl2mjcf.options import ACTUATORS, EXTRAS, INERTIAS, JOINTS, LOOKS, PROFILES, TRUNKS

CASES = [
    {"joints": joints, "profile": profile, "actuators": actuators}
    for joints, profile, actuators in itertools.product(JOINTS, PROFILES, ACTUATORS)
    if profile != "inverse-dynamics"
]
CASES += [{"joints": joints} for joints in JOINTS]
CASES += [{"look": look, "extras": EXTRAS, "profile": "simulation"} for look in LOOKS]
CASES += [{"inertia": inertia, "trunk": trunk, "extras": ()} for inertia in INERTIAS for trunk in TRUNKS]

NAMED = {
    "body": mujoco.mjtObj.mjOBJ_BODY,
    "joint": mujoco.mjtObj.mjOBJ_JOINT,
    "geom": mujoco.mjtObj.mjOBJ_GEOM,
    "site": mujoco.mjtObj.mjOBJ_SITE,
    "actuator": mujoco.mjtObj.mjOBJ_ACTUATOR,
    "sensor": mujoco.mjtObj.mjOBJ_SENSOR,
    "key": mujoco.mjtObj.mjOBJ_KEY,
    "skin": mujoco.mjtObj.mjOBJ_SKIN,
    "mesh": mujoco.mjtObj.mjOBJ_MESH,
    "exclude": mujoco.mjtObj.mjOBJ_EXCLUDE,
    "numeric": mujoco.mjtObj.mjOBJ_NUMERIC,
}
COUNTS = {
    "body": "nbody", "joint": "njnt", "geom": "ngeom", "site": "nsite", "actuator": "nu", "sensor": "nsensor",
    "key": "nkey", "skin": "nskin", "mesh": "nmesh", "exclude": "nexclude", "numeric": "nnumeric",
}  # fmt: skip
NUMBERS = (
    "body_pos", "body_mass", "body_ipos", "body_inertia", "jnt_axis", "jnt_range", "dof_damping",
    "dof_armature", "geom_size", "geom_pos", "geom_quat", "site_pos", "site_quat", "site_size",
    "actuator_gear", "actuator_gainprm",
    "actuator_biasprm", "actuator_forcerange", "actuator_ctrlrange", "key_qpos", "key_ctrl", "numeric_data",
)  # fmt: skip


@pytest.mark.parametrize("options", CASES, ids=lambda options: "-".join(map(str, options.values())))
def test_the_xml_says_what_the_model_is(default_body, options):
    """Read back: the same names in the same order, numbers to six digits, the same text once more."""
    betas = 0.7 * np.array([1, -1, 1, 1, -1, 1, -1, 1, -1, 1])
    human = smpl2mjcf.build_humanoid(default_body, betas, **options)
    text = human.xml
    read = mujoco.MjModel.from_xml_string(text)
    for kind, count in COUNTS.items():
        here, there = ([mujoco.mj_id2name(m, NAMED[kind], i) for i in range(getattr(m, count))]
                       for m in (human.model, read))  # fmt: skip
        assert here == there, kind
    for name in NUMBERS:
        here, there = getattr(human.model, name), getattr(read, name)
        # Six digits of each number; quaternions and axes are normalised again.
        scale = max(1e-3, float(np.abs(here).max(initial=0.0)))
        np.testing.assert_allclose(there, here, rtol=6e-6, atol=3e-6 * min(scale, 1.0), err_msg=name)
    assert smpl2mjcf.build_humanoid(default_body, betas, **options).xml == text


@pytest.mark.parametrize("profile", PROFILES)
def test_torques_do_not_depend_on_the_profile(default_body, profile):
    """Damping, actuators and contacts are no part of tau; armature is, and is taken out here."""
    plain = smpl2mjcf.build_humanoid(default_body)
    human = smpl2mjcf.build_humanoid(default_body, profile=profile)
    assert human.profile == profile
    qpos, qvel, qacc = dynamics.random_states(plain.model, 8, seed=1)
    expected = dynamics.mujoco_inverse(plain.model, qpos, qvel, qacc)
    found = dynamics.mujoco_inverse(human.model, qpos, qvel, qacc) - human.model.dof_armature * qacc
    np.testing.assert_allclose(found, expected, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("joints", JOINTS)
@pytest.mark.parametrize("profile", PROFILES)
def test_a_motion_plays_on_every_model(default_body, joints, profile):
    motion = smpl2mjcf.load_motion(smpl2mjcf.model_file("walk.npz"))
    plain = smpl2mjcf.build_humanoid(default_body)
    human = smpl2mjcf.build_humanoid(default_body, joints=joints, profile=profile)
    places = []
    for one in (plain, human):
        qpos, data = smpl2mjcf.motion_to_qpos(one, motion), mujoco.MjData(one.model)
        data.qpos[:] = qpos[20]
        mujoco.mj_kinematics(one.model, data)
        places.append([data.body(name).xpos.copy() for name in plain.joint_names])
    np.testing.assert_allclose(places[1], places[0], atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"joints": "screws"}, "unknown joints 'screws'; accepted: ball, hinge"),
        ({"profile": "game"}, "unknown profile 'game'; accepted: inverse-dynamics, simulation, mjx"),
        ({"profile": "mjx", "actuators": "springs"}, "unknown actuators 'springs'; accepted: servos, motors"),
        ({"actuators": "springs"}, "unknown actuators 'springs'; accepted: servos, motors"),
        ({"actuators": "motors"}, "the profile 'inverse-dynamics' has no actuators, received 'motors'"),
        ({"look": "velvet"}, "unknown look 'velvet'; accepted: none, skin, meshes"),
        ({"extras": ["lasers"]}, "unknown extra 'lasers'; accepted: markers, imus, sensors"),
        ({"extras": "markers"}, "extras must be a list of markers, imus, sensors; received 'markers'"),
        ({"extras": None}, "extras must be a list of markers, imus, sensors; received None"),
        ({"bmi": "22"}, "a body mass index must be a number of kg/m2, received '22'"),
        ({"bmi": [22.0]}, "a body mass index must be a number of kg/m2, received [22.0]"),
        ({"bmi": True}, "a body mass index must be a number of kg/m2, received True"),
    ],
)
def test_unknown_options_are_refused(default_body, options, message):
    with pytest.raises(HumanoidError) as caught:
        smpl2mjcf.build_humanoid(default_body, **options)
    assert message in str(caught.value)


def test_extras_may_come_from_any_iterable(default_body):
    for extras in ({"imus"}, (word for word in ["imus"])):
        human = smpl2mjcf.build_humanoid(default_body, extras=extras)
        assert human.extras == ("imus",)
        assert human.model.nsite == 17


def test_hinges_are_not_one_joint(default_body):
    human = smpl2mjcf.build_humanoid(default_body, joints="hinge")
    assert len(human.joint_ids("left_knee")) == 3
    assert human.model.joint(human.joint_ids("left_knee")[0]).name == "left_knee_flexion"
    assert list(human.joint_dofs("pelvis")) == [0, 1, 2, 3, 4, 5]
    with pytest.raises(HumanoidError, match="three hinges here: left_knee_flexion, .*; use joint_ids"):
        human.joint_id("left_knee")
    with pytest.raises(HumanoidError, match="joint 'L_Knee' not in humanoid; available: pelvis"):
        human.joint_ids("L_Knee")


def test_build_writes_what_its_options_ask_for(tmp_path, capsys):
    out = tmp_path / "out"
    options = (
        "--sex male --stature 1.8 --bmi 23 --inertia hybrid --trunk whole --joints hinge --profile simulation"
    )
    words = [
        *options.split(),
        *["--look", "skin", "--extras", "imus", "sensors", "--report", "--out"],
        str(out),
    ]
    assert main(["build", *words]) == 0
    written = {path.name for path in out.iterdir()}
    assert written == {
        "humanoid.xml", "run.json", "inertia.txt", "inertia_segments.csv", "inertia_bodies.csv"
    }  # fmt: skip
    model = mujoco.MjModel.from_xml_path(str(out / "humanoid.xml"))
    assert model.joint("left_knee_flexion").range[1] > 2.0
    assert (model.nskin, model.nu) == (1, 69)
    assert model.nsensor > 17
    assert {model.site(i).name[:3] for i in range(model.nsite)} >= {"imu"}
    assert model.body_mass.sum() == pytest.approx(23 * 1.8**2, rel=1e-5)
    said = capsys.readouterr().out
    assert "in brackets the deviation from de Leva" in said
    assert said.startswith((out / "inertia.txt").read_text())
    record = json.loads((out / "run.json").read_text())
    assert (record["body"]["inertia"], record["body"]["trunk"]) == ("hybrid", "whole")
    assert record["body"]["profile"] == "simulation"
    assert (record["body"]["joints"], record["body"]["actuators"]) == ("hinge", "servos")
    assert (record["body"]["look"], record["body"]["extras"]) == ("skin", ["imus", "sensors"])
    assert "hinges" in record["frames"]
    with (out / "inertia_bodies.csv").open() as file:
        assert sum(float(row["mass_kg"]) for row in csv.DictReader(file)) == pytest.approx(23 * 1.8**2)


def test_torques_about_clinical_axes(tmp_path):
    """`torques --joints hinge`: a hinge's torque is the ball joint's along its axis, up to the filter.

    Axes in the child's frame: e1 turned back by the two later hinges, e2 by the last, e3. Quaternions are
    filtered for the one model, angles for the other, which is all that may differ.
    """
    walk = smpl2mjcf.model_file("walk.npz")
    for joints in JOINTS:
        assert main(["torques", str(walk), "--joints", joints, "--out", str(tmp_path / joints)]) == 0
    ball, hinge = (np.load(tmp_path / joints / "torques.npz") for joints in JOINTS)
    model = mujoco.MjModel.from_xml_path(str(tmp_path / "hinge" / "humanoid.xml"))
    names, valid = [list(result["dof_names"]) for result in (ball, hinge)], ball["valid"]
    for joint in ("left_hip", "left_knee", "left_ankle", "spine1", "left_elbow"):
        torque = ball["tau"][:, [names[0].index(f"{joint}_{axis}") for axis in "xyz"]]
        columns = [k for k, name in enumerate(names[1]) if name.startswith(f"{joint}_")]
        hinges = [model.joint(names[1][k]) for k in columns]
        turns = [
            Rotation.from_rotvec(hinge["qpos"][:, one.qposadr] * model.jnt_axis[one.id]) for one in hinges
        ]
        axes = [model.jnt_axis[one.id] for one in hinges]
        in_child = [(turns[1] * turns[2]).inv().apply(axes[0]), turns[2].inv().apply(axes[1]), axes[2]]
        for column, axis in zip(columns, in_child):
            difference = hinge["tau"][:, column] - (torque * axis).sum(axis=1)
            assert np.abs(difference[valid]).max() < 0.03 * np.abs(torque[valid]).max(), names[1][column]
    head = (tmp_path / "hinge" / "torques.csv").read_text()
    assert "toward the motion in the column's name" in head
    assert "left_knee_flexion [N m]" in head
