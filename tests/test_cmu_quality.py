"""Five clips of CMU's library, retargeted: angles that keep their meaning, arms near their recorded place.

The data used here was obtained from mocap.cs.cmu.edu. The database was created with funding from NSF
EIA-0196217.
"""

import warnings

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from smpl2mjcf.arm_contact import clear_arms
from smpl2mjcf.asf_amc import bone_poses, read_amc, read_asf
from smpl2mjcf.bvh import joint_poses, read_bvh
from smpl2mjcf.bvh_bones import UNITS, bvh_bones, read_bvh_motion
from smpl2mjcf.cmu_bones import cmu_bones, read_cmu_motion

SKELETONS = {"02_01": "02_rebuilt.asf", "01_01": "01.asf", "11_01": "11.asf", "131_01": "", "131_03": ""}
RECORDED_BY_AMC = [name for name, asf in SKELETONS.items() if asf]
SIDES = {"left": 1, "right": -1}


@pytest.fixture(scope="module")
def clips(shared, default_body, forward):
    """(motion, recorded bones, world rotations and joint positions by name) of each clip, y up."""
    folder = shared / "data" / "cmu_mocap"
    loaded = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lost bones and misfits are other tests'
        for name, asf in SKELETONS.items():
            if asf:
                skeleton, amc = read_asf(folder / asf), folder / f"{name}.amc"
                bones = cmu_bones(skeleton, bone_poses(skeleton, read_amc(amc, skeleton)))
                motion = read_cmu_motion(amc, default_body, folder / asf, 120.0)
            else:
                bvh = folder / f"{name}.bvh"
                bones = bvh_bones(read_bvh(bvh), bvh, "cmu")
                motion = read_bvh_motion(bvh, default_body, unit="cmu")
            loaded[name] = (motion, bones, *forward(motion, default_body))
    return loaded


def angle_deg(first, second):
    cross = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.rad2deg(np.arctan2(cross, (first * second).sum(axis=-1)))


@pytest.mark.parametrize("name", SKELETONS)
def test_limbs_point_where_they_were_recorded(clips, name):
    """Thighs, shanks, upper arms and forearms in every frame; 1e-4 degrees are rounding."""
    _, bones, _, place = clips[name]
    for side in SIDES:
        for first, second in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist")):
            first, second = f"{side}_{first}", f"{side}_{second}"
            ours, theirs = place[second] - place[first], bones.start[second] - bones.start[first]
            assert angle_deg(ours, theirs).max() < 1e-4, (first, second)


@pytest.mark.parametrize("name", SKELETONS)
def test_knees_and_elbows_bend_the_way_they_can(clips, default_body, name):
    """Hinges: knees about SMPL's x within -6 to 135 degrees, elbows so that the forearm comes forward.

    SMPL's shank slants by 6 degrees, about z and in every frame; the body's T-pose holds its knees some 3
    to 5 degrees bent, which a straight recorded knee takes back.
    """
    motion, _, world, place = clips[name]
    for side, sign in SIDES.items():
        knee = np.rad2deg(motion.poses[:, default_body.joint_names.index(f"{side}_knee")])
        assert -6 < knee[:, 0].min() < knee[:, 0].max() < 135
        assert np.abs(knee[:, 1:]).max() < 7
        upper = place[f"{side}_elbow"] - place[f"{side}_shoulder"]
        fore = place[f"{side}_wrist"] - place[f"{side}_elbow"]
        flexion = angle_deg(upper, fore)
        axis = world[f"{side}_shoulder"].apply([0.0, -sign, 0.0])
        bent = flexion > 12
        assert bent.any()
        assert flexion.max() < 142
        assert angle_deg(np.cross(upper, fore)[bent], axis[bent]).max() < 8


# CMU's knee is a pure hinge and its ankle has no inversion: what shank and foot turn about their long axes
# all stands in the ankle's axial angle, which CMU's skeletons limit to -20 and 70 degrees. 131_01 reaches 60
# in a kneeling turn.
AXIAL = {"02_01": 25, "01_01": 40, "11_01": 42, "131_01": 62, "131_03": 45}


@pytest.mark.parametrize("name", SKELETONS)
def test_ankles_are_not_twisted(clips, default_body, name):
    """Axial rotation as recorded, inversion within 8 degrees, flexion within the joint's 45."""
    motion = clips[name][0]
    for side in SIDES:
        ankle = Rotation.from_rotvec(motion.poses[:, default_body.joint_names.index(f"{side}_ankle")])
        axial, flexion, inversion = ankle.as_euler("YXZ", degrees=True).T
        assert np.abs(axial).max() < AXIAL[name]
        assert np.abs(flexion).max() < 46
        assert np.abs(inversion).max() < 8
        toes = np.rad2deg(motion.poses[:, default_body.joint_names.index(f"{side}_foot")])
        assert np.abs(toes[:, 1:]).max() < 0.1


@pytest.mark.parametrize("name", RECORDED_BY_AMC)
def test_ankles_turn_as_the_file_says(shared, clips, default_body, name):
    """The axial angle is the recorded rz to 6 degrees: SMPL's shank slants by that much under the foot."""
    folder = shared / "data" / "cmu_mocap"
    skeleton = read_asf(folder / SKELETONS[name])
    numbers = read_amc(folder / f"{name}.amc", skeleton)
    for side in SIDES:
        recorded = dict(zip(skeleton.bones[f"{side[0]}foot"].dof, numbers[f"{side[0]}foot"].T))["rz"]
        ankle = clips[name][0].poses[:, default_body.joint_names.index(f"{side}_ankle")]
        axial = Rotation.from_rotvec(ankle).as_euler("YXZ", degrees=True)[:, 0]
        assert np.abs(axial - recorded).max() < 6


def test_the_walk_is_a_walk(clips, default_body):
    """Knee flexion 0-70 degrees: 4 near heel strike, 68 in the swing, as recorded (SMPL's -3 included)."""
    motion = clips["02_01"][0]
    for side in SIDES:
        knee = np.rad2deg(motion.poses[:, default_body.joint_names.index(f"{side}_knee"), 0])
        assert 0 < knee.min() < 8
        assert 60 < knee.max() < 70


@pytest.mark.parametrize("name", RECORDED_BY_AMC)
def test_standing_soles_are_level(clips, name):
    """Middle pitch and roll of a resting foot within 5.5 degrees; CMU's ankle has no inversion to help."""
    _, _, world, place = clips[name]
    for side in SIDES:
        turn = np.linalg.norm(np.diff(world[f"{side}_ankle"].as_matrix(), axis=0), axis=(1, 2)) * 120
        speed = np.linalg.norm(np.diff(place[f"{side}_ankle"], axis=0), axis=1) * 120
        height = place[f"{side}_ankle"][1:, 1]
        rest = np.flatnonzero((turn < 0.6) & (speed < 0.1) & (height < np.percentile(height, 40)))
        assert len(rest) > 10
        pitch = np.rad2deg(np.arcsin(world[f"{side}_ankle"].apply([0, 0, 1])[rest, 1]))
        roll = np.rad2deg(np.arcsin(world[f"{side}_ankle"].apply([1, 0, 0])[rest, 1]))
        print(f"{name} {side}: sole pitch {np.median(pitch):+.1f}, roll {np.median(roll):+.1f} degrees")
        assert abs(np.median(pitch)) < 5.5
        assert abs(np.median(roll)) < 5.5


# cm, in 95 % of the frames. Our forearms are not the person's, which the files have lost; a hand that is laid
# on the skin leaves the recorded place by up to its depth under it.
APART = {
    "recorded": {"shoulder": 6, "elbow": 6, "wrist": 8},
    "clear": {"shoulder": 6, "elbow": 7, "wrist": 11},
}


@pytest.mark.parametrize("arms", APART)
@pytest.mark.parametrize("name", ["131_01", "131_03"])
def test_arms_are_where_they_were_recorded(shared, clips, default_body, name, arms, forward):
    """Our shoulders, elbows and wrists against the recording's, as the middle of the hips sees them.

    The file's two lost bones are put back: the thorax as long as the vertebra below it, the wrist half the
    forearm (their lengths in seven CMU skeletons).
    """
    motion = clips[name][0]
    if arms == "clear":
        with pytest.warns(UserWarning, match="arm would reach"):
            motion = clear_arms(motion, default_body)
    _, place = forward(motion, default_body)
    clip = read_bvh(shared / "data" / "cmu_mocap" / f"{name}.bvh")
    orientation, start = joint_poses(clip)
    at = {joint: start[j] * UNITS["cmu"] for j, joint in enumerate(clip.names)}
    chest = clip.names.index("Chest2")
    thorax = orientation[chest].apply(clip.offsets[chest]) * UNITS["cmu"]
    hips = (at["LeftHip"] + at["RightHip"]) / 2
    our_hips = (place["left_hip"] + place["right_hip"]) / 2
    for side in SIDES:
        elbow = at[f"{side.capitalize()}Elbow"] + thorax
        forearm = at[f"{side.capitalize()}Wrist"] + thorax - elbow
        recorded = {
            "shoulder": at[f"{side.capitalize()}Shoulder"] + thorax,
            "elbow": elbow,
            "wrist": elbow + 1.5 * forearm,
        }
        for joint, track in recorded.items():
            apart = np.linalg.norm(track - hips - (place[f"{side}_{joint}"] - our_hips), axis=1)
            far = 100 * np.percentile(apart, 95)
            print(f"{name} {side}_{joint}: cm apart {100 * np.median(apart):.1f}, 95 % {far:.1f}")
            assert far < APART[arms][joint]
