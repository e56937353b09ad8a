"""The humanoid as a model that simulators load."""

import mujoco
import numpy as np
import pytest

import smpl2mjcf
from smpl2mjcf.skeleton import SMPL_JOINTS, SMPL_PARENTS


@pytest.fixture(scope="module")
def human(default_body):
    return smpl2mjcf.build_humanoid(default_body)


def test_one_body_a_joint_with_smpl_s_names_and_parents(human):
    model = human.model
    assert model.nbody == 25
    assert (model.nq, model.nv) == (99, 75)
    for j, name in enumerate(SMPL_JOINTS):
        parent = model.body(model.body(name).parentid[0]).name
        assert parent == ("world" if j == 0 else SMPL_JOINTS[SMPL_PARENTS[j]])
        kind = model.joint(name).type[0]
        assert kind == (mujoco.mjtJoint.mjJNT_FREE if j == 0 else mujoco.mjtJoint.mjJNT_BALL)


def test_rest_frames_are_smpl_s(human):
    data = mujoco.MjData(human.model)
    mujoco.mj_forward(human.model, data)
    for name, joint in zip(SMPL_JOINTS, human.joint_positions):
        np.testing.assert_allclose(data.body(name).xpos, joint, atol=1e-15)
        np.testing.assert_allclose(data.body(name).xmat, np.eye(3).ravel(), atol=1e-15)


@pytest.mark.parametrize("key", ["tpose", "stand"])
def test_keyframes_are_upright_with_the_feet_on_the_floor(human, default_body, key):
    model = mujoco.MjModel.from_xml_string(human.xml)
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key(key).id)
    mujoco.mj_forward(model, data)
    assert data.body("head").xpos[2] > 1.4
    assert data.body("left_foot").xpos[1] < data.body("left_ankle").xpos[1]  # toes point to -y
    heights = {g: lowest_point(model, data, g) for g in range(model.ngeom) if model.geom_bodyid[g] > 0}
    soles = [
        min(heights[g] for g in heights if model.body(model.geom_bodyid[g]).name == f"{side}_{part}")
        for side in ("left", "right")
        for part in ("ankle", "foot")
    ]
    np.testing.assert_allclose(soles, 0, atol=1e-5)  # six printed digits
    others = [g for g in heights if model.body(model.geom_bodyid[g]).name[-5:] not in ("ankle", "_foot")]
    assert min(heights[g] for g in others) > 0.03
    for side in ("left", "right"):
        hangs = data.body(f"{side}_shoulder").xpos[2] - data.body(f"{side}_wrist").xpos[2]
        assert abs(hangs) < 0.05 if key == "tpose" else hangs > 0.35


def lowest_point(model, data, g):
    """m, world z, of a box's corners or a capsule's ends."""
    size, frame = model.geom_size[g], data.geom_xmat[g].reshape(3, 3)
    if model.geom_type[g] == mujoco.mjtGeom.mjGEOM_CAPSULE:
        return data.geom_xpos[g][2] - size[0] - abs(frame[2, 2]) * size[1]
    corners = np.array(np.meshgrid(*[(-1, 1)] * 3)).reshape(3, -1).T * size
    return (data.geom_xpos[g] + corners @ frame.T)[:, 2].min()


def test_geoms_carry_no_mass_and_meet_only_the_floor(human):
    model = human.model
    assert model.body_mass[0] == 0
    assert model.body_mass.sum() == pytest.approx(human.mass, rel=1e-12)
    body_geoms = [g for g in range(model.ngeom) if model.geom_bodyid[g] > 0]
    assert {int(model.geom_bodyid[g]) for g in body_geoms} == set(range(1, 25))
    for g in body_geoms:
        assert int(model.geom_type[g]) in {int(mujoco.mjtGeom.mjGEOM_CAPSULE), int(mujoco.mjtGeom.mjGEOM_BOX)}
        assert model.geom_contype[g] & model.geom("floor").conaffinity[0]
        assert not any(model.geom_contype[g] & model.geom_conaffinity[h] for h in body_geoms)


def test_a_falling_humanoid_lands_on_the_floor(human):
    model = human.model
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("stand").id)
    for _ in range(500):
        mujoco.mj_step(model, data)
    assert np.isfinite(data.qpos).all()
    assert 0 < data.subtree_com[1][2] < 0.6


def test_the_same_input_gives_the_same_bytes(default_body, human):
    assert smpl2mjcf.build_humanoid(default_body).xml == human.xml


def test_xml_read_back_has_the_same_names_in_the_same_order(human):
    read = mujoco.MjModel.from_xml_string(human.xml)
    for kind in ("body", "jnt", "geom", "key"):
        count = {"body": read.nbody, "jnt": read.njnt, "geom": read.ngeom, "key": read.nkey}[kind]
        accessor = {"body": "body", "jnt": "joint", "geom": "geom", "key": "key"}[kind]
        names = [[getattr(m, accessor)(i).name for i in range(count)] for m in (read, human.model)]
        assert names[0] == names[1]


def test_save_writes_the_file_whole(human, tmp_path):
    path = human.save(tmp_path / "humanoid.xml")
    assert path.read_text() == human.xml
    assert [p.name for p in tmp_path.iterdir()] == ["humanoid.xml"]
    assert mujoco.MjModel.from_xml_path(str(path)).nbody == 25


def test_save_over_a_folder_leaves_nothing_behind(human, tmp_path):
    (tmp_path / "humanoid.xml").mkdir()
    with pytest.raises(smpl2mjcf.OutputError, match="cannot write"):
        human.save(tmp_path / "humanoid.xml")
    assert [p.name for p in tmp_path.iterdir()] == ["humanoid.xml"]


def test_save_into_nowhere_is_one_clear_error(human, tmp_path):
    with pytest.raises(smpl2mjcf.OutputError, match="cannot write"):
        human.save(tmp_path / "absent" / "humanoid.xml")


def test_primitives_are_as_large_as_the_mesh(human, default_body):
    """Capsules and boxes together fill about the body's volume and stay within its bounding box."""
    model = human.model
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    low, high = default_body.v_template.min(axis=0), default_body.v_template.max(axis=0)
    low, high = low - 0.03, high + 0.03
    points = np.random.default_rng(0).uniform(low, high, (200_000, 3))
    filled = np.zeros(len(points), dtype=bool)
    for g in range(model.ngeom):
        if model.geom_bodyid[g] == 0:
            continue
        a, b, _ = model.geom_size[g]
        capsule = model.geom_type[g] == mujoco.mjtGeom.mjGEOM_CAPSULE
        frame = data.geom_xmat[g].reshape(3, 3)
        reach = np.abs(frame[:, 2]) * b + a if capsule else np.abs(frame) @ model.geom_size[g]
        assert (data.geom_xpos[g] - reach > low).all(), model.geom(g).name
        assert (data.geom_xpos[g] + reach < high).all(), model.geom(g).name
        local = (points - data.geom_xpos[g]) @ frame
        if capsule:
            local[:, 2] -= np.clip(local[:, 2], -b, b)
            filled |= (local**2).sum(axis=1) < a**2
        else:
            filled |= (np.abs(local) < model.geom_size[g]).all(axis=1)
    volume = filled.mean() * np.prod(high - low)
    assert volume == pytest.approx(human.mass / 985, rel=0.2)


@pytest.mark.parametrize("betas", [np.zeros(9), np.zeros(11), np.zeros((1, 10)), np.zeros(16)])
def test_betas_of_a_wrong_length_are_refused(default_body, betas):
    with pytest.raises(smpl2mjcf.BodyError, match=r"this smpl2mjcf body takes \(10,\)"):
        smpl2mjcf.build_humanoid(default_body, betas)


def test_betas_that_are_not_finite_are_refused(default_body):
    with pytest.raises(smpl2mjcf.BodyError, match="finite"):
        smpl2mjcf.build_humanoid(default_body, [np.nan] * 10)


def test_a_shape_that_folds_is_refused(default_body):
    with pytest.raises(smpl2mjcf.HumanoidError, match="folds|inside out|betas are extreme"):
        smpl2mjcf.build_humanoid(default_body, np.full(10, -40.0))
