"""The joints' ranges: their table, what it is made of, and the motions that it must hold."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf.hinges import angles_of, lock_angles
from smpl2mjcf.joint_ranges import HINGE_JOINTS, SOURCES, freedoms, joint_axes, joint_range
from smpl2mjcf.skeleton import FACE_JOINTS, JOINT_NAMES, mirror_name

DOC = Path(__file__).resolve().parent.parent / "docs" / "joints.md"
WITHOUT = ("pelvis", *FACE_JOINTS)


def test_every_joint_but_the_root_and_the_face_has_freedoms():
    joints = {joint for names in JOINT_NAMES.values() for joint in names}
    assert set(HINGE_JOINTS) == joints - set(WITHOUT)
    assert len(HINGE_JOINTS) == len(set(HINGE_JOINTS))


@pytest.mark.parametrize("joint", HINGE_JOINTS)
def test_a_row_is_whole(joint):
    axes, limits = joint_axes(joint), joint_range(joint)
    np.testing.assert_allclose(np.linalg.norm(axes, axis=1), 1, atol=1e-15)
    np.testing.assert_allclose([axes[0] @ axes[1], axes[1] @ axes[2]], 0, atol=1e-15)
    assert (limits[:, 0] <= 0).all()
    assert (limits[:, 1] >= 0).all()
    assert (limits[:, 1] > limits[:, 0]).all()
    # Limits never reach past the angles where the sequence is degenerate.
    low, high = lock_angles(joint)
    assert low - 1e-12 <= limits[1, 0]
    assert limits[1, 1] <= high + 1e-12
    for freedom in freedoms(joint):
        assert all(key in SOURCES for key in freedom.source.split(" + "))
        assert freedom.basis in ("value", "split", "derived", "assumption")
        assert (freedom.source == "none") == (freedom.basis == "assumption")
        assert freedom.note or freedom.basis == "value"


@pytest.mark.parametrize("joint", HINGE_JOINTS)
def test_the_sides_mirror(joint):
    other = mirror_name(joint)
    if other == joint:
        # The sagittal motion is its own mirror image, the two others swap the sides.
        assert [freedom.axis[0] == 0 for freedom in freedoms(joint)] == [False, True, True]
        limits = joint_range(joint)[1:]
        np.testing.assert_array_equal(limits[:, 0], -limits[:, 1])
        return
    np.testing.assert_array_equal(joint_axes(other), joint_axes(joint) * [1, -1, -1])
    np.testing.assert_array_equal(joint_range(other), joint_range(joint))
    assert [freedom.name for freedom in freedoms(other)] == [freedom.name for freedom in freedoms(joint)]


def test_shares_add_up_to_what_was_published():
    def total(joints, index):
        return sum(np.rad2deg(joint_range(joint)[index]) for joint in joints)

    spine, cervical, forearm = ("spine1", "spine2", "spine3"), ("neck", "head"), ("left_elbow", "left_wrist")
    np.testing.assert_allclose(total(spine, 0), [-29, 73])  # Troke et al. 2005, lumbar
    np.testing.assert_allclose(total(spine, 1), [-35, 35])
    np.testing.assert_allclose(total(spine, 2), [-45, 45])
    np.testing.assert_allclose(total(cervical, 0), [-63, 64])
    np.testing.assert_allclose(total(cervical, 1), [-49, 49])
    np.testing.assert_allclose(total(cervical, 2), [-80, 80])
    np.testing.assert_allclose(total(forearm, 2), [-80, 80])


def about(letter, degrees):
    return Rotation.from_euler(letter, np.reshape(degrees, (-1, 1)), degrees=True)


def test_the_shoulder_s_ranges_are_the_box_around_its_clinical_motions():
    """Each motion as an examiner makes it, on the left: from the hanging arm, or from the T-pose."""
    hanging = Rotation.from_euler("z", -90, degrees=True)
    motions = {
        "flexion 180, extension 60": about("x", -np.linspace(-60, 180, 481)) * hanging,
        "abduction 180": about("z", np.linspace(-90, 90, 361)),
        "rotation 90/90, arm at the side": hanging * about("x", np.linspace(-90, 90, 361)),
        "rotation 90/90, arm at 90 of abduction": about("x", np.linspace(-90, 90, 361)),
        # Both ends are degenerate: there the other two angles mean nothing.
        "horizontal adduction 135, abduction 45": about("y", -np.linspace(-44.99, 134.99, 361)),
    }
    angles = np.rad2deg(np.concatenate([angles_of(motion, "left_shoulder") for motion in motions.values()]))
    box = np.stack([angles.min(axis=0), angles.max(axis=0)], axis=1)
    np.testing.assert_allclose(np.rad2deg(joint_range("left_shoulder")), box, atol=0.5)  # whole degrees


def test_the_shoulder_is_degenerate_only_at_the_ends_of_its_range():
    locks = lock_angles("left_shoulder")
    np.testing.assert_allclose(locks, joint_range("left_shoulder")[1], atol=1e-12)
    np.testing.assert_allclose(np.rad2deg(locks), [-45, 135], atol=1e-12)


# Largest excess over the published range in degrees, by freedom; all others of the clip stay inside.
# Dorsiflexion was measured without weight on the foot, and these squat and run.
EXCESS = {
    "walk": {},
    "run": {"ankle_dorsiflexion": 8},
    "jump": {"ankle_dorsiflexion": 27},
    "squat": {"ankle_dorsiflexion": 4},
    "sit_to_stand": {},
    "arm_raise": {},
}


@pytest.mark.parametrize("name", EXCESS)
def test_the_embedded_motions_stay_inside(name):
    motion = smpl2mjcf.load_motion(smpl2mjcf.model_file(f"{name}.npz"))
    found = {}
    for column, joint in enumerate(motion.joint_names):
        if joint not in HINGE_JOINTS:
            continue
        angles = angles_of(Rotation.from_rotvec(motion.poses[:, column]), joint)
        low, high = joint_range(joint).T
        beyond = np.rad2deg(np.maximum(angles - high, low - angles).max(axis=0))
        for freedom, excess in zip(freedoms(joint), beyond):
            if excess > 0.5:
                found[f"{joint}_{freedom.name}"] = round(float(excess))
    assert found == {
        f"{side}_{key}": value for key, value in EXCESS[name].items() for side in ("left", "right")
    }


def rows():
    """The table of docs/joints.md as the module has it."""
    for joint in HINGE_JOINTS:
        if joint.startswith("right_") or any(f"_{finger}" in joint for finger in ("middle", "pinky", "ring")):
            continue
        for freedom in freedoms(joint):
            axis = ", ".join(f"{value:.3g}" for value in freedom.axis)
            limits = f"{freedom.low:.3g} to {freedom.high:.3g}"
            note = f"; {freedom.note}" if freedom.note else ""
            yield (
                f"| {joint} | {freedom.name} / {freedom.opposite} | {axis} | {limits} "
                f"| {freedom.source} | {freedom.basis}{note} |"
            )


def test_the_page_shows_the_table_and_its_sources():
    text = DOC.read_text()
    shown = [line for line in text.splitlines() if re.match(r"\| (left_|spine|neck|head)", line)]
    assert shown == list(rows())
    for key, citation in SOURCES.items():
        assert f"| {key} | {citation} |" in text
