"""Two humanoids side by side, judged by MuJoCo's own sums, figures of known size and de Leva's table."""

import argparse
import csv
import json
import re

import mujoco
import numpy as np
import pytest

import smpl2mjcf
from smpl2mjcf import deleva
from smpl2mjcf.comparison.body_aliases import NAMINGS, PART_ORDER, SEGMENTS, anatomy
from smpl2mjcf.comparison.joint_facts import actuators_text, joints_text
from smpl2mjcf.comparison.person_tree import person_tree
from smpl2mjcf.comparison.table import comparison_csv, comparison_text
from smpl2mjcf.comparison.two_models import compare
from smpl2mjcf.comparison.verb import FILES, Compare
from smpl2mjcf.errors import ModelFileError
from smpl2mjcf.skeleton import SMPL_JOINTS

# PHC's and SMPLSim's names for SMPL's joints, typed from their public model files.
PHC = {
    "pelvis": "Pelvis", "spine1": "Torso", "spine2": "Spine", "spine3": "Chest", "neck": "Neck",
    "head": "Head",
    **{
        f"{side}_{ours}": f"{side[0].upper()}_{theirs}"
        for side in ("left", "right")
        for ours, theirs in {
            "hip": "Hip", "knee": "Knee", "ankle": "Ankle", "foot": "Toe", "collar": "Thorax",
            "shoulder": "Shoulder", "elbow": "Elbow", "wrist": "Wrist", "hand": "Hand",
        }.items()
    },
}  # fmt: skip

# dm_control's CMU humanoid, from its public model file: the left side stands for both.
CMU = {
    "root": "pelvis", "lhipjoint": "left_hipjoint", "lfemur": "left_hip", "ltibia": "left_knee",
    "lfoot": "left_ankle", "ltoes": "left_foot", "lowerback": "spine1", "upperback": "spine2",
    "thorax": "spine3", "lowerneck": "neck", "upperneck": "upperneck", "head": "head",
    "lclavicle": "left_collar", "lhumerus": "left_shoulder", "lradius": "left_elbow",
    "lwrist": "left_lower_forearm", "lhand": "left_wrist", "lfingers": "left_hand", "lthumb": "left_thumb",
}  # fmt: skip
GYMNASIUM = {
    "torso": "torso", "lwaist": "waist", "pelvis": "pelvis", "right_thigh": "right_hip",
    "right_shin": "right_knee", "right_foot": "right_ankle", "left_upper_arm": "left_shoulder",
    "left_lower_arm": "left_elbow",
}  # fmt: skip
MUJOCO_S = {"waist_lower": "waist", "thigh_right": "right_hip", "hand_left": "left_wrist", "torso": "torso"}
OPENSIM = {
    "pelvis": "pelvis", "femur_r": "right_hip", "tibia_r": "right_knee", "patella_r": "right_patella",
    "talus_r": "right_ankle", "calcn_r": "right_calcaneus", "toes_r": "right_foot", "torso": "torso",
    "humerus_l": "left_shoulder", "ulna_l": "left_elbow", "radius_l": "left_radius", "hand_l": "left_wrist",
}  # fmt: skip


def figure(
    thigh=7.0, left_thigh=None, pose="", knee='type="hinge" axis="1 0 0" range="-150 0"', more="", extra=""
):
    """A person of boxes, standing along z: every mass and every length below is known."""

    def leg(side, x, mass):
        return f"""
        <body name="{side}_hip" pos="{x} 0 -0.1">
          <joint type="ball"/>
          <inertial pos="0 0 -0.16" mass="{mass}" diaginertia="0.10 0.10 0.02"/>
          <body name="{side}_knee" pos="0 0 -0.40">
            <joint {knee} name="{side}_knee"/>
            <inertial pos="0 0 -0.20" mass="3" diaginertia="0.04 0.04 0.005"/>
            <body name="{side}_ankle" pos="0 0 -0.45">
              <inertial pos="0 0.05 -0.03" mass="1" diaginertia="0.004 0.001 0.004"/>
              <geom type="box" size="0.05 0.13 0.025" pos="0 0.05 -0.05" mass="0"/>
            </body>
          </body>
        </body>"""

    left = thigh if left_thigh is None else left_thigh
    return f"""
    <mujoco model="figure"><compiler angle="degree"/>
      <worldbody>
        <geom type="plane" size="5 5 .1"/>
        <body name="pelvis" pos="0 0 1">
          <freejoint/>
          <inertial pos="0 0 0.1" mass="30" diaginertia="1 1 0.4"/>
          <body name="head" pos="0 0 0.55">
            <joint type="ball"/>
            <inertial pos="0 0 0.1" mass="5" diaginertia="0.03 0.03 0.02"/>
            <geom type="sphere" size="0.1" pos="0 0 0.1" mass="0"/>
          </body>
          {leg("left", 0.09, left)}{leg("right", -0.09, thigh)}
          {more}
        </body>
        {extra}
      </worldbody>
      {pose}
    </mujoco>"""


def model_of(xml):
    return mujoco.MjModel.from_xml_string(xml)


@pytest.fixture(scope="module")
def human(default_body):
    return smpl2mjcf.build_humanoid(default_body)


@pytest.fixture(scope="module")
def files(human, tmp_path_factory):
    """Our humanoid, and the same one under PHC's names."""
    folder = tmp_path_factory.mktemp("models")
    renamed = re.sub(r'name="(\w+)"', lambda m: f'name="{PHC.get(m[1], m[1])}"', human.xml)
    assert not re.search(r'<body name="left_', renamed)
    (folder / "ours.xml").write_text(human.xml)
    (folder / "phc.xml").write_text(renamed)
    return folder / "ours.xml", folder / "phc.xml"


def numbers(comparison):
    return [row for row in comparison.rows if row.difference is not None]


# ---- names -------------------------------------------------------------------------------------------


def test_a_model_against_itself_has_no_difference(files):
    ours, _ = files
    comparison = compare(ours, ours)
    assert len(numbers(comparison)) > 80
    assert all(row.difference == 0 for row in numbers(comparison))
    assert all(row.a == row.b and row.label_a == row.label_b for row in comparison.rows)
    assert comparison.unmatched_a == comparison.unmatched_b == ()
    assert comparison.notes == ()


def test_phc_s_names_are_smpl_s_joints(files):
    comparison = compare(*files)
    assert comparison.unmatched_a == comparison.unmatched_b == ()
    bodies = {row.label_a: row.label_b for row in comparison.rows if row.section == "bodies"}
    assert bodies == {joint: PHC[joint] for joint in SMPL_JOINTS}
    assert all(row.difference == 0 for row in numbers(comparison))
    assert comparison.row("whole body", "names").b == "PHC and SMPLSim"


@pytest.mark.parametrize(
    ("names", "title"),
    [
        (CMU, "CMU (dm_control)"),
        (GYMNASIUM, "Gymnasium and DeepMind"),
        (MUJOCO_S, "Gymnasium and DeepMind"),
        (OPENSIM, "OpenSim and MyoSuite"),
        ({theirs: ours for ours, theirs in PHC.items()}, "PHC and SMPLSim"),
        ({name: name for name in SMPL_JOINTS}, "SMPL"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "1a_", "walker/"])
def test_names_of_other_simulators(names, title, prefix):
    read = anatomy([prefix + name for name in names])
    assert read.naming == title
    assert [read.parts[k] for k in range(len(names))] == list(names.values())


def test_one_arm_keeps_its_side():
    """The side that all names share is no prefix to strip."""
    assert list(anatomy(["r_humerus", "r_ulna", "r_hand"]).parts.values()) == [
        "right_shoulder",
        "right_elbow",
        "right_wrist",
    ]


def test_every_alias_leads_to_a_part_with_a_segment():
    for naming in NAMINGS:
        parts = [*naming.middle.values(), *(f"left_{part}" for part in naming.sided.values())]
        assert set(parts) <= set(PART_ORDER), naming.title
    read = anatomy(list(PART_ORDER[:24]))
    assert {name.removeprefix("left_").removeprefix("right_") for name in read.segments.values()} == set(
        SEGMENTS
    )


def test_bodies_without_a_counterpart_are_listed_and_their_mass_is_counted():
    pack = '<body name="jetpack" pos="0 -.2 .3"><joint name="strap"/><geom size=".1" mass="4"/></body>'
    comparison = compare(model_of(figure(more=pack)), model_of(figure()))
    assert comparison.unmatched_a == ("jetpack",)
    assert comparison.unmatched_b == ()
    row = comparison.row("bodies", "jetpack")
    assert (row.a, row.b, row.difference) == (pytest.approx(4), None, None)
    total = 57 + 4
    assert comparison.row("segment masses", "bodies of unknown name").a == pytest.approx(100 * 4 / total)
    assert any("jetpack" in note for note in comparison.notes)
    assert "1 of A's have no counterpart in B: jetpack" in comparison_text(comparison)


def test_a_welded_body_of_unknown_name_belongs_to_what_it_is_welded_to():
    pack = '<body name="belt"><geom size=".1" mass="4"/></body>'
    comparison = compare(model_of(figure(more=pack)), model_of(figure()))
    assert comparison.unmatched_a == ("belt",)
    assert comparison.row("segment masses", "trunk").a == pytest.approx(100 * 34 / 61)


def test_the_same_unknown_name_in_both_is_a_match():
    pack = '<body name="jetpack"><joint/><geom size=".1" mass="4"/></body>'
    comparison = compare(model_of(figure(more=pack)), model_of(figure(more=pack)))
    assert comparison.unmatched_a == comparison.unmatched_b == ()


def test_two_bodies_of_one_part_are_both_there():
    twice = '<body name="L_Hip"><joint/><geom size=".05" mass="2"/></body>'
    comparison = compare(model_of(figure(more=twice)), model_of(figure()))
    assert comparison.unmatched_a == ("L_Hip",)
    assert comparison.row("segment masses", "thigh").a == pytest.approx(100 * (7 + 7 + 2) / 2 / 59)


# ---- masses and lengths ------------------------------------------------------------------------------


def test_known_masses_and_lengths():
    comparison = compare(model_of(figure()), model_of(figure(thigh=8.0)))
    masses = {"mass": (57, 59)}
    for name, values in masses.items():
        row = comparison.row("whole body", name)
        assert (row.a, row.b) == pytest.approx(values)
        assert row.difference == pytest.approx(2)
    # Sole at 1 - .1 - .4 - .45 - .075, top of the head at 1 + .55 + .2.
    assert comparison.row("whole body", "stature").a == pytest.approx(1.75 - (-0.025))
    height = (30 * 1.1 + 5 * 1.65 + 2 * (7 * 0.74 + 3 * 0.3 + 1 * 0.02)) / 57 + 0.025
    assert comparison.row("whole body", "height of the centre of mass").a == pytest.approx(height)
    assert comparison.row("lengths", "thigh: hip to knee").a == pytest.approx(0.40)
    assert comparison.row("lengths", "shank: knee to ankle").a == pytest.approx(0.45)
    assert comparison.row("lengths", "between the hips").a == pytest.approx(0.18)
    assert comparison.row("segment masses", "thigh").b == pytest.approx(100 * 8 / 59)
    thigh = "thigh: centre of mass from the upper joint"
    assert comparison.row("mass distribution", thigh).a == pytest.approx(100 * 0.16 / 0.40)
    along = comparison.row("mass distribution", "thigh: radius of gyration along").a
    across = comparison.row("mass distribution", "thigh: radius of gyration across").a
    assert along == pytest.approx(100 * np.sqrt(0.02 / 7) / 0.40)
    assert across == pytest.approx(100 * np.sqrt(0.10 / 7) / 0.40)


def test_lacking_segments_are_said():
    comparison = compare(model_of(figure()), model_of(figure()))
    assert comparison.notes[0].startswith("A has no body for upper arm, forearm, hand")
    with pytest.raises(KeyError, match="available: head and neck, trunk, thigh, shank, foot"):
        comparison.row("segment masses", "hand")


@pytest.mark.parametrize("sex", ["female", "male"])
def test_our_humanoid_has_de_leva_s_values(default_body, sex):
    model = smpl2mjcf.build_humanoid(default_body, sex=sex).model
    comparison = compare(model, model, sex=sex)
    masses = [row for row in comparison.rows if row.section == "segment masses"]
    assert len(masses) == len(SEGMENTS)
    for row in masses:
        assert row.a == pytest.approx(row.reference, abs=1e-9), row.name
    limbs = [row for row in comparison.rows if row.section == "mass distribution" and row.reference]
    assert len(limbs) == 12
    for row in limbs:  # the CM lies on the line of the joints, the axes along it
        assert row.a == pytest.approx(row.reference, abs=0.05), row.name
    table = deleva.segments(sex)
    assert comparison.row("segment masses", "thigh").reference == pytest.approx(100 * table["thigh"].mass)


def test_masses_of_the_segments_are_mujoco_s_subtrees(human):
    """MuJoCo sums a leg's subtree by itself: thigh + shank + foot."""
    comparison = compare(human.model, human.model)
    leg = sum(comparison.row("segment masses", name).a for name in ("thigh", "shank", "foot"))
    model = human.model
    subtree = model.body("left_hip").subtreemass[0] / model.body("pelvis").subtreemass[0]
    assert leg == pytest.approx(100 * subtree, rel=1e-9)
    assert comparison.row("whole body", "mass").a == pytest.approx(model.body_mass.sum())


def test_radii_of_a_segment_of_two_bodies_are_those_of_mujoco_s_one_body():
    """MuJoCo sums two geoms of one body; the same two as welded bodies are one segment here."""
    box = '<geom type="box" size=".05 .08 .11" mass="3"/>'
    ball = '<geom type="capsule" size=".06 .04" mass="2" {}/>'
    place = 'pos=".03 .04 .2" euler="10 20 30"'
    one = f'<body name="head"><joint/>{box}{ball.format(place)}</body>'
    two = f'<body name="head"><joint/>{box}<body name="neck" {place}>{ball.format("")}</body></body>'
    a, b = (model_of(f"<mujoco><worldbody>{body}</worldbody></mujoco>") for body in (one, two))
    comparison = compare(a, b)
    radii = [row for row in comparison.rows if row.name.startswith("head and neck: ")]
    assert len(radii) == 3
    for row, moment in zip(radii, np.sort(a.body_inertia[1])[::-1]):
        assert row.a == pytest.approx(np.sqrt(moment / 5), rel=1e-12)
        assert row.b == pytest.approx(row.a, rel=1e-12)


@pytest.mark.parametrize("quat", ["1 0 0 0", "0.7071068 0.7071068 0 0", "0.5 0.5 0.5 0.5", "0 1 0 0"])
def test_stature_does_not_depend_on_how_the_model_lies(quat):
    turned = figure().replace('pos="0 0 1">', f'pos="0 0 1" quat="{quat}">', 1)
    comparison = compare(model_of(figure()), model_of(turned))
    for name in ("stature", "height of the centre of mass"):
        assert comparison.row("whole body", name).difference == pytest.approx(0, abs=1e-6), (
            name
        )  # quat's digits


def test_a_leaning_model_is_measured_along_itself():
    """40 degrees, between two axes of the world: the line from the ankles to the head is up."""
    quat = f"{np.cos(np.deg2rad(20))} {np.sin(np.deg2rad(20))} 0 0"
    turned = figure().replace('pos="0 0 1">', f'pos="0 0 1" quat="{quat}">', 1)
    comparison = compare(model_of(figure()), model_of(turned))
    assert comparison.row("whole body", "stature").difference == pytest.approx(0, abs=1e-9)


def test_the_most_extended_pose_is_taken():
    """The knees bent in qpos0's place: the keyframe that stands is the one to measure."""
    crouch = figure(knee='type="hinge" axis="1 0 0" range="-150 150" ref="0"').replace(
        '<body name="left_knee" pos="0 0 -0.40">', '<body name="left_knee" pos="0 0 -0.40" euler="90 0 0">'
    )
    crouch = crouch.replace(
        '<body name="right_knee" pos="0 0 -0.40">', '<body name="right_knee" pos="0 0 -0.40" euler="90 0 0">'
    )
    qpos = model_of(crouch).qpos0.copy()
    model = model_of(crouch)
    for side in ("left", "right"):
        qpos[model.joint(f"{side}_knee").qposadr[0]] = -np.pi / 2
    key = f'<keyframe><key name="up" qpos="{" ".join(map(str, qpos))}"/></keyframe>'
    bent = model_of(crouch.replace("</mujoco>", f"{key}</mujoco>"))
    comparison = compare(bent, model_of(figure()))
    assert comparison.row("whole body", "measured in pose").a == "keyframe up"
    assert comparison.row("whole body", "stature").difference == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    "geom",
    [
        '<geom type="box" size=".1 .2 .3" euler="20 30 40" pos="0 0 .1"/>',
        '<geom type="capsule" size=".05 .3" euler="20 30 40"/>',
        '<geom type="ellipsoid" size=".1 .2 .3" euler="20 30 40"/>',
        '<geom type="cylinder" size=".1 .3" euler="20 30 40"/>',
        '<geom type="sphere" size=".3"/>',
    ],
)
def test_extents_are_those_that_mujoco_s_distance_finds(geom):
    """The gap between a floor and the geom above it, and a ceiling and the geom below it."""
    walls = '<body name="floor" pos="0 0 -2"><geom type="box" size="9 9 1"/></body>'
    walls += '<body name="ceiling" pos="0 0 3"><geom type="box" size="9 9 1"/></body>'
    model = model_of(
        f'<mujoco><worldbody>{walls}<body name="torso"><freejoint/>{geom}</body></worldbody></mujoco>'
    )
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    gaps = [mujoco.mj_geomDistance(model, data, wall, 2, 10.0, np.zeros(6)) for wall in (0, 1)]
    comparison = compare(model, model)
    # From -1 to 2; MuJoCo's convex distance iterates to 1e-6.
    assert comparison.row("whole body", "stature").a == pytest.approx(3 - sum(gaps), abs=1e-5)
    assert any("up" in note for note in comparison.notes)


def test_a_mesh_reaches_as_far_as_its_vertices():
    mesh = '<asset><mesh name="m" vertex="0 0 0 1 0 0 0 1 0 0 0 1.5"/></asset>'
    model = model_of(
        f'<mujoco>{mesh}<worldbody><body name="torso"><freejoint/><geom type="mesh" mesh="m"/></body>'
        "</worldbody></mujoco>"
    )
    assert compare(model, model).row("whole body", "stature").a == pytest.approx(1.5, abs=1e-6)


# ---- joints and actuators ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("joints", "text"),
    [
        ("<freejoint/>", "free"),
        ("", "welded"),
        ('<joint type="ball"/>', "ball, no limit"),
        ('<joint type="ball" range="0 60"/>', "ball, up to 60.0 deg"),
        ('<joint axis="0 -1 0" range="-10 20.55"/>', "hinge -y -10.0..20.6 deg"),
        ('<joint axis="1 1 0"/>', "hinge oblique no limit"),
        ('<joint axis="1 0 0" range="80 130" ref="90"/>', "hinge x -10.0..40.0 deg"),
        ('<joint axis="1 0 0" range="-720 720"/>', "hinge x -720.0..720.0 deg*"),
        ('<joint type="slide" axis="0 0 1" range="-.1 .2"/>', "slide z -100.0..200.0 mm"),
        (
            '<joint name="a" axis="1 0 0" range="-1 1"/><joint name="b" axis="0 1 0"/>',
            "2 hinges: x -1.0..1.0 deg, y no limit",
        ),
    ],
)
def test_joints_in_words(joints, text):
    body = f'<body name="torso">{joints}<geom size=".1"/></body>'
    model = model_of(f'<mujoco><compiler angle="degree"/><worldbody>{body}</worldbody></mujoco>')
    assert joints_text(model, 1) == text


@pytest.mark.parametrize(
    ("actuators", "text"),
    [
        ("", ""),
        ('<motor joint="a"/>', "motor: no limit"),
        ('<motor joint="a" gear="150" ctrlrange="-1 1"/>', "motor: 150 N m"),
        ('<motor joint="a" gear="2" ctrlrange="-1 3" forcerange="-2 2"/>', "motor: 4 N m"),
        ('<position joint="a" kp="100" ctrlrange="-1 1"/>', "position: no limit"),
        ('<position joint="a" kp="100" forcerange="-80 80"/>', "position: 80 N m"),
        ('<velocity joint="a" kv="10" forcerange="-8 8"/>', "velocity: 8 N m"),
        (
            '<motor joint="a" forcerange="-5 5"/><motor joint="b" forcerange="-5 5"/>',
            "2 motors: 5 N m each",
        ),
        ('<motor joint="a" forcerange="-5 5"/><motor joint="b"/>', "2 motors: 5 N m, no limit"),
        ('<motor joint="c" forcerange="-5 5"/>', "motor: 5 N m"),
    ],
)
def test_actuators_in_words(actuators, text):
    joints = '<joint name="a"/><joint name="b" axis="1 0 0"/><joint name="c" axis="0 1 0"'
    body = f'<body name="torso">{joints} actuatorfrcrange="-9 9"/><geom size=".1"/></body>'
    model = model_of(f"<mujoco><worldbody>{body}</worldbody><actuator>{actuators}</actuator></mujoco>")
    assert actuators_text(model, 1) == text


def test_the_force_of_a_motor_is_what_mujoco_applies():
    """At full control MuJoCo's own actuator force on the joint is the number in the table."""
    body = '<body name="torso"><joint name="a"/><geom size=".1"/></body>'
    motor = '<motor joint="a" gear="2.5" ctrlrange="-1 4" forcerange="-3 3"/>'
    model = model_of(f"<mujoco><worldbody>{body}</worldbody><actuator>{motor}</actuator></mujoco>")
    data = mujoco.MjData(model)
    data.ctrl[:] = 4
    mujoco.mj_forward(model, data)
    assert actuators_text(model, 1) == f"motor: {data.qfrc_actuator[0]:.4g} N m" == "motor: 7.5 N m"


# ---- symmetry and validity ---------------------------------------------------------------------------


def test_our_humanoid_is_symmetric_and_has_margin(human):
    comparison = compare(human.model, human.model)
    for row in comparison.rows:
        if row.section == "left against right" and row.name.startswith("most"):
            assert row.a == pytest.approx(0, abs=1e-6), row.name
            assert row.label_a == ""
    assert comparison.row("left against right", "pairs").a == 9
    assert comparison.row("validity", "least A + B - C of the principal moments, of C").a > 1
    assert comparison.row("validity", "turning axes without a limit").a == 69


def test_the_worst_asymmetry_is_named():
    model = model_of(figure(left_thigh=6.3))
    comparison = compare(model, model_of(figure()))
    row = comparison.row("left against right", "most in mass")
    assert (row.a, row.label_a, row.b, row.label_b) == (pytest.approx(10), "hip", 0, "")
    shorter = figure().replace(
        '<body name="left_knee" pos="0 0 -0.40">', '<body name="left_knee" pos="0 0 -0.39">'
    )
    tighter = shorter.replace('range="-150 0" name="left_knee"', 'range="-140 0" name="left_knee"')
    comparison = compare(model_of(tighter), model)
    row = comparison.row("left against right", "most in the distance to the joint before")
    assert (row.a, row.label_a) == (pytest.approx(0.01), "knee")
    row = comparison.row("left against right", "most in the width of a range")
    assert (row.a, row.label_a) == (pytest.approx(10), "knee")


def test_a_body_without_a_twin_is_named():
    arm = '<body name="left_shoulder"><joint/><geom size=".1" mass="1"/></body>'
    comparison = compare(model_of(figure(more=arm)), model_of(figure()))
    row = comparison.row("left against right", "without a twin")
    assert (row.a, row.label_a, row.b) == (1, "left_shoulder", 0)


def test_a_limit_on_one_side_only_is_said():
    one = figure().replace('range="-150 0" name="left_knee"', 'name="left_knee"')
    comparison = compare(model_of(one), model_of(figure()))
    assert comparison.row("left against right", "most in the width of a range").a == np.inf
    assert "one side only" in comparison_text(comparison)


def test_the_least_margin_is_the_triangle_inequality_s():
    thin = figure().replace('diaginertia="1 1 0.4"', 'diaginertia="1 0.52 0.5"')
    row = compare(model_of(thin), model_of(figure())).row(
        "validity", "least A + B - C of the principal moments, of C"
    )
    assert (row.a, row.label_a) == (pytest.approx(2, abs=1e-9), "pelvis")


def test_bodies_without_mass_and_qpos0_out_of_range_are_named():
    ghost = '<body name="ghost"><joint/><body name="neck"><geom size=".1" mass="1"/></body></body>'
    bent = figure(knee='type="hinge" axis="1 0 0" range="-150 -5"', more=ghost)
    comparison = compare(model_of(bent), model_of(figure()))
    row = comparison.row("validity", "bodies without mass")
    assert (row.a, row.label_a) == (1, "ghost")
    row = comparison.row("validity", "joints with qpos0 out of their range")
    assert (row.a, row.label_a) == (2, "left_knee, right_knee")


def test_where_the_inertia_comes_from(tmp_path):
    pack = '<body name="jetpack"><joint/><geom size=".1" mass="4"/></body>'
    a, b = tmp_path / "a.xml", tmp_path / "b.xml"
    a.write_text(figure(more=pack))
    b.write_text(figure().replace("<compiler ", '<compiler balanceinertia="true" boundmass="0.01" '))
    comparison = compare(a, b)
    written = comparison.row("validity", "bodies whose inertia is written in the file")
    assert (written.a, written.b) == (8, 8)
    assert comparison.row("validity", "bodies whose inertia comes from geoms").a == 1
    row = comparison.row("validity", "masses and inertia changed by the compiler")
    assert (row.a, row.b) == ("no", "balanceinertia, boundmass 0.01")


# ---- whole models ------------------------------------------------------------------------------------


def test_of_several_people_the_one_of_most_known_names_is_taken():
    robot = "".join(f'<body name="link{k}"><joint/><geom size=".1"/>' for k in range(12)) + "</body>" * 12
    model = model_of(figure(extra=f'<body name="table"><geom size=".1"/></body>{robot}'))
    comparison = compare(model, model_of(figure()))
    assert comparison.row("whole body", "mass").a == pytest.approx(57)
    assert comparison.row("whole body", "bodies").a == 8
    assert comparison.notes[0] == (
        "A has other trees that move, left out: link0 (12 bodies); compared is pelvis (8 bodies)"
    )
    assert person_tree(model).name(person_tree(model).root) == "pelvis"


def test_a_fixed_base_is_said():
    fixed = model_of(figure().replace("<freejoint/>", ""))
    comparison = compare(fixed, model_of(figure()))
    row = comparison.row("whole body", "root joint")
    assert (row.a, row.b) == ("none: fixed to the world", "free")


def test_a_model_without_geoms_has_no_stature():
    bare = model_of(re.sub(r"<geom type=\"(box|sphere).*?/>", "", figure()))
    comparison = compare(bare, model_of(figure()))
    assert comparison.row("whole body", "stature").a is None
    assert "A has no geoms: no stature" in comparison.notes


def test_a_free_rigid_body_and_nameless_bodies_are_compared():
    lone = model_of("<mujoco><worldbody><body><freejoint/><geom size='.1'/></body></worldbody></mujoco>")
    comparison = compare(lone, model_of(figure()))
    assert comparison.unmatched_a == ("body 1 without a name",)
    assert comparison_text(comparison)


def test_the_model_is_not_changed(human):
    before = human.model.body_mass.copy(), human.model.qpos0.copy()
    compare(human.model, human.model)
    np.testing.assert_array_equal(human.model.body_mass, before[0])
    np.testing.assert_array_equal(human.model.qpos0, before[1])


# ---- what cannot be read -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        ("not xml at all", "MuJoCo cannot read it: XML parse error"),
        ("<html/>", "Unrecognized XML model type: 'html'"),
        (
            "<mujoco><worldbody><body><joint/></body></worldbody></mujoco>",
            "mass and inertia of moving bodies",
        ),
        ("<mujoco><worldbody/></mujoco>", "no body beside the world"),
        ('<mujoco><include file="gone.xml"/></mujoco>', "gone.xml"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, files, content, message):
    path = tmp_path / "bad.xml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ModelFileError, match=re.escape(message)) as caught:
        compare(files[0], path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value, smpl2mjcf.Error)


def test_all_files_that_a_model_lacks_are_named(tmp_path):
    path = tmp_path / "meshes.xml"
    path.write_text(
        '<mujoco><compiler meshdir="parts"/><asset><mesh name="a" file="arm.stl"/>'
        '<mesh name="b" file="leg.obj"/><texture name="t" type="2d" file="skin.png"/></asset>'
        '<worldbody><body name="torso"><geom type="mesh" mesh="a"/></body></worldbody></mujoco>'
    )
    with pytest.raises(ModelFileError, match="refers to files that are not there") as caught:
        compare(path, path)
    lacking = str(caught.value).split(": ", 1)[1].split(", ")
    assert lacking == [
        str(tmp_path / "parts" / "arm.stl"),
        str(tmp_path / "parts" / "leg.obj"),
        str(tmp_path / "skin.png"),
    ]


def test_an_unknown_sex_is_refused(human):
    with pytest.raises(smpl2mjcf.HumanoidError, match="unknown sex 'x'"):
        compare(human.model, human.model, sex="x")


# ---- the verb ----------------------------------------------------------------------------------------


def run(*words):
    parser = argparse.ArgumentParser()
    Compare.add_arguments(parser)
    return Compare.run(parser.parse_args([*map(str, words)]))


def test_the_verb_prints_the_table_and_writes_nothing_by_itself(files, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*files) == 0
    out = capsys.readouterr().out
    assert "WHOLE BODY" in out
    assert "left_hip | L_Hip" in out
    assert "none: every body has its counterpart" in out
    assert list(tmp_path.iterdir()) == []


def test_the_verb_writes_a_folder_whole(files, capsys, tmp_path):
    assert run(*files, "--out", tmp_path / "out", "--sex", "female") == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(FILES)
    assert (tmp_path / "out" / "compare.txt").read_text() == capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "out" / "compare.csv").read_text().splitlines()))
    comparison = compare(*files, sex="female")
    assert len(rows) == len(comparison.rows)
    mass = next(row for row in rows if row["name"] == "mass")
    assert float(mass["A"]) == pytest.approx(comparison.row("whole body", "mass").a, rel=1e-5)  # six digits
    assert mass["unit"] == "kg"
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["verb"] == "compare"
    assert record["unmatched"] == {"a": [], "b": []}


def test_bad_input_leaves_no_folder(files, tmp_path):
    with pytest.raises(ModelFileError):
        run(files[0], tmp_path / "absent.xml", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_is_never_overwritten_by_its_own_comparison(files, tmp_path):
    model = tmp_path / "compare.txt"
    model.write_text(files[0].read_text())
    with pytest.raises(smpl2mjcf.OutputError, match="would be overwritten"):
        run(files[0], model, "--out", tmp_path)


def test_the_same_input_gives_the_same_text(files):
    first, second = compare(*files), compare(*files)
    assert comparison_text(first) == comparison_text(second)
    assert comparison_csv(first) == comparison_csv(second)


def test_numbers_are_shown_to_a_gram_a_millimetre_a_tenth_of_a_degree():
    text = comparison_text(compare(model_of(figure()), model_of(figure(thigh=7.12345))))
    assert re.search(r"mass, kg +57\.000 +57\.247 +\+0\.247", text)
    assert re.search(r"stature, m +1\.775 +1\.775 +0\.000", text)
    assert "hinge x -150.0..0.0 deg" in text
