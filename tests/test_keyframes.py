"""The poses that a model starts from, judged by MuJoCo's own kinematics and skinning."""

import mujoco
import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf.body import joint_positions, shaped_vertices
from smpl2mjcf.keyframes import (
    ARM_CLEARANCE,
    STAND_SHOULDER_DEG,
    add_keyframes,
    pose_qpos,
    standard_poses,
)
from smpl2mjcf.skeleton import mirror_name
from smpl2mjcf.skin import add_skin, skin_parts

SHAPES = {
    "mean": np.zeros(10),
    "heavy": 3 * np.eye(10)[1],
    "light": -3 * np.eye(10)[1],
    "tall": 3 * np.eye(10)[0],
    "any": np.random.default_rng(0).uniform(-3, 3, 10),
    "other": np.random.default_rng(4).uniform(-3, 3, 10),
}
KEYS = ("tpose", "apose", "stand")


class Standing:
    """A humanoid with the keyframes of its shape and a skin, compiled."""

    def __init__(self, sex, betas):
        self.body = smpl2mjcf.default_body(sex)
        human = smpl2mjcf.build_humanoid(self.body, betas)
        vertices = shaped_vertices(self.body, betas)
        joints = dict(zip(self.body.joint_names, joint_positions(self.body, betas)))
        parts = skin_parts(self.body, vertices, human.joint_names)
        self.poses = standard_poses(parts, joints, dict(zip(human.joint_names, human.inertias)))
        for key in list(human.spec.keys):
            human.spec.delete(key)
        add_keyframes(human.spec, self.poses)
        add_skin(human.spec, self.body, vertices, joints, human.joint_names)
        self.spec, self.model = human.spec, human.spec.compile()
        self.data = mujoco.MjData(self.model)

    def at(self, key):
        """(V, 3) m, the skin in a keyframe as MuJoCo draws it; the bodies are in self.data."""
        mujoco.mj_resetDataKeyframe(self.model, self.data, self.model.key(key).id)
        mujoco.mj_forward(self.model, self.data)
        scene = mujoco.MjvScene(self.model, 500)
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(
            self.model, self.data, mujoco.MjvOption(), None, mujoco.MjvCamera(), everything, scene
        )
        return np.array(scene.skinvert, dtype=np.float64).reshape(-1, 3)

    def place(self, name):
        return self.data.body(name).xpos


@pytest.fixture(scope="module", params=["neutral", "female", "male"])
def sex(request):
    return request.param


@pytest.fixture(scope="module", params=SHAPES)
def standing(request, sex):
    return Standing(sex, SHAPES[request.param])


@pytest.mark.parametrize("key", KEYS)
def test_upright_with_the_soles_on_the_floor(standing, key):
    skin = standing.at(key)
    # float32, and where the body leans the heel's skin follows the shank by 3 %
    assert skin[:, 2].min() == pytest.approx(0, abs=1e-6 if key == "tpose" else 2e-5)
    for side in ("left", "right"):
        foot = skin[standing.body.weights[:, standing.body.joint_names.index(f"{side}_ankle")] > 0.5]
        assert foot[:, 2].min() < 1e-3
        for part in ("ankle", "foot"):
            upright = standing.data.body(f"{side}_{part}").xmat.reshape(3, 3)
            np.testing.assert_allclose(upright, [[1, 0, 0], [0, 0, -1], [0, 1, 0]], atol=1e-12)
    assert standing.place("head")[2] > 0.8 * np.ptp(skin[:, 2]) * (key != "tpose")
    assert standing.place("left_foot")[1] < standing.place("left_ankle")[1]  # faces -y
    np.testing.assert_allclose(standing.place("pelvis")[:2], 0, atol=1e-12)


@pytest.mark.parametrize("key", KEYS)
def test_both_sides_are_alike(standing, key):
    standing.at(key)
    for name in standing.body.joint_names:
        np.testing.assert_allclose(
            standing.place(mirror_name(name)), standing.place(name) * [-1, 1, 1], atol=1e-9
        )


@pytest.mark.parametrize("key", ["apose", "stand"])
def test_standing_is_balanced(standing, key):
    """The centre of mass is above the middle between heel and ball, hence between the feet's ends."""
    skin = standing.at(key)
    com = standing.data.subtree_com[1]
    names = standing.body.joint_names
    ankles = standing.body.weights[:, [names.index("left_ankle"), names.index("right_ankle")]].sum(axis=1)
    heel = skin[ankles > 0.5][:, 1].max()
    ball = standing.place("left_foot")[1]
    assert com[0] == pytest.approx(0, abs=1e-9)
    # The rear of the foot is a vertex of the mesh here and of its cut piece there.
    assert com[1] == pytest.approx((heel + ball) / 2, abs=5e-4)
    lean = Rotation.from_matrix([[1, 0, 0], [0, 0, 1], [0, -1, 0]]) * standing.poses[key].root_rotation
    assert np.rad2deg(lean.magnitude()) < 2


def test_standing_needs_no_torque_of_ankles_that_a_foot_cannot_hold(standing):
    """At rest the pressure lies where the centre of mass is: MuJoCo's inverse dynamics agree."""
    standing.at("stand")
    standing.data.qvel[:], standing.data.qacc[:] = 0, 0
    standing.model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    mujoco.mj_inverse(standing.model, standing.data)
    standing.model.opt.disableflags &= ~int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    force, torque = standing.data.qfrc_inverse[:3], standing.data.qfrc_inverse[3:6]
    torque = standing.data.body("pelvis").xmat.reshape(3, 3) @ torque
    pressure = standing.place("pelvis")[1] + torque[0] / force[2]
    assert pressure == pytest.approx(standing.data.subtree_com[1][1], abs=1e-6)


def test_arms_hang_close_but_free(standing):
    skin = standing.at("stand")
    names = standing.body.joint_names
    owner = np.array([name.split("_")[-1] for name in names])[standing.body.weights.argmax(axis=1)]
    arm = np.isin(owner, ["elbow", "wrist", "hand"])
    rest = np.isin(owner, ["pelvis", "spine1", "spine2", "spine3", "hip", "knee"])
    normals = trimesh.Trimesh(skin, standing.body.faces, process=False).vertex_normals
    distance, near = cKDTree(skin[rest]).query(skin[arm])
    outside = ((skin[arm] - skin[rest][near]) * normals[rest][near]).sum(axis=1)
    assert outside.min() > 0
    # Sideways ARM_CLEARANCE; skin bulges a few mm, slopes make the shortest way shorter.
    assert distance.min() > ARM_CLEARANCE / 2
    hang = standing.poses["stand"].rotations["left_shoulder"].magnitude()
    assert distance.min() < 0.04 or np.rad2deg(hang) == pytest.approx(STAND_SHOULDER_DEG[1])
    assert standing.place("left_shoulder")[2] - standing.place("left_wrist")[2] > 0.3


def test_elbows_bend_forward(standing):
    standing.at("stand")
    for side in ("left", "right"):
        upper = standing.place(f"{side}_elbow") - standing.place(f"{side}_shoulder")
        fore = standing.place(f"{side}_wrist") - standing.place(f"{side}_elbow")
        assert fore[1] / np.linalg.norm(fore) < upper[1] / np.linalg.norm(upper) - 0.1  # -y is forward


def test_arms_of_the_a_pose_are_half_way_down(standing):
    arms = []
    for key in ("tpose", "apose"):
        standing.at(key)
        arm = standing.place("left_elbow") - standing.place("left_shoulder")
        arms.append(standing.data.body("pelvis").xmat.reshape(3, 3).T @ arm)  # the body leans a little
    level, lowered = arms
    turn = np.arctan2(level[1], level[0]) - np.arctan2(lowered[1], lowered[0])
    assert np.rad2deg(turn) == pytest.approx(45)


def test_the_t_pose_is_smpl_s_rest(standing):
    assert standing.poses["tpose"].rotations == {}
    qpos = standing.model.key("tpose").qpos
    np.testing.assert_allclose(qpos[7:].reshape(-1, 4), [[1, 0, 0, 0]] * (standing.model.njnt - 1))
    np.testing.assert_allclose(qpos[:2], 0)


def test_each_rotation_goes_to_its_joint():
    """Every joint turned by its own angle, read back joint by joint."""
    standing = Standing("neutral", None)
    pose = standing.poses["stand"]
    names = [standing.model.joint(j).name for j in range(standing.model.njnt)]
    turns = {name: Rotation.from_euler("xyz", [0.01 * k, 0.02, -0.03]) for k, name in enumerate(names[1:])}
    standing.data.qpos[:] = pose_qpos(
        standing.model, type(pose)(pose.root_position, pose.root_rotation, turns)
    )
    mujoco.mj_kinematics(standing.model, standing.data)
    np.testing.assert_allclose(standing.place("pelvis"), pose.root_position, atol=1e-12)
    for name, turn in turns.items():
        parent = standing.model.body(standing.model.body(name).parentid[0]).name
        above, own = (standing.data.body(n).xmat.reshape(3, 3) for n in (parent, name))
        np.testing.assert_allclose(above.T @ own, turn.as_matrix(), atol=1e-12)


def test_keyframes_survive_the_file():
    standing = Standing("female", SHAPES["any"])
    read = mujoco.MjModel.from_xml_string(standing.spec.to_xml())
    assert [read.key(k).name for k in range(read.nkey)] == list(KEYS)
    np.testing.assert_allclose(read.key_qpos, standing.model.key_qpos, atol=1e-6)
    again = Standing("female", SHAPES["any"])
    assert again.spec.to_xml() == standing.spec.to_xml()
