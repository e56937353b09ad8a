"""The visible body: a skin that bends as linear blend skinning does, and rigid parts that leave no gap."""

import mujoco
import numpy as np
import pytest
import trimesh

import smpl2mjcf
from smpl2mjcf.body import joint_positions, shaped_vertices
from smpl2mjcf.skin import add_meshes, add_skin, closed_part, kept_weights

BETAS = np.random.default_rng(3).uniform(-2, 2, 10)


def shaped(body, betas):
    return shaped_vertices(body, betas), dict(zip(body.joint_names, joint_positions(body, betas)))


def seen(default_body, add, betas=BETAS):
    """A humanoid's spec with its visible body."""
    human = smpl2mjcf.build_humanoid(default_body, betas)
    add(human.spec, default_body, *shaped(default_body, betas), human.joint_names)
    return human.spec


def drawn_skin(model, data):
    """(V, 3) m as MuJoCo computes it for drawing."""
    scene = mujoco.MjvScene(model, 500)
    mujoco.mjv_updateScene(
        model, data, mujoco.MjvOption(), None, mujoco.MjvCamera(), mujoco.mjtCatBit.mjCAT_ALL, scene
    )
    return np.array(scene.skinvert, dtype=np.float64).reshape(-1, 3)


def random_pose(model, seed):
    rng = np.random.default_rng(seed)
    qpos = rng.standard_normal(model.nq)
    for j in range(model.njnt):
        start = model.jnt_qposadr[j] + (3 if j == 0 else 0)
        qpos[start : start + 4] /= np.linalg.norm(qpos[start : start + 4])
    return qpos


@pytest.mark.parametrize("seed", range(5))
def test_mujoco_s_skin_is_the_body_s_linear_blend_skinning(default_body, seed):
    """LBS by its formula: sum over joints of w (R (v - J) + place), with the bodies' frames from MuJoCo."""
    model = seen(default_body, add_skin).compile()
    data = mujoco.MjData(model)
    data.qpos[:] = random_pose(model, seed)
    mujoco.mj_forward(model, data)
    vertices, joints = shaped(default_body, BETAS)
    expected = np.zeros_like(vertices)
    for j, name in enumerate(default_body.joint_names):
        frame = data.body(name)
        moved = (vertices - joints[name]) @ frame.xmat.reshape(3, 3).T + frame.xpos
        expected += default_body.weights[:, [j]] * moved
    # float32 of coordinates of up to 4 m, and up to four bones
    np.testing.assert_allclose(drawn_skin(model, data), expected, atol=3e-6)


def test_smplx_s_own_skinning_agrees(oracle, default_body):
    lbs, torch = oracle("smplx.lbs").lbs, oracle("torch")
    model = seen(default_body, add_skin).compile()
    data = mujoco.MjData(model)
    rng = np.random.default_rng(11)
    motion = smpl2mjcf.Motion(
        0.7 * rng.standard_normal((3, 24, 3)), rng.standard_normal((3, 3)), 30.0, family=default_body.family
    )
    human = smpl2mjcf.build_humanoid(default_body, BETAS)
    qpos = smpl2mjcf.motion_to_qpos(human, motion)

    def tensor(array):
        return torch.tensor(np.ascontiguousarray(array), dtype=torch.float64)

    vertices, _ = lbs(
        tensor(np.tile(BETAS, (3, 1))),
        tensor(motion.poses.reshape(3, -1)),
        tensor(default_body.v_template),
        tensor(default_body.shapedirs),
        torch.zeros((23 * 9, 3 * 6890), dtype=torch.float64),
        tensor(default_body.joint_regressor),
        torch.tensor(default_body.parents),
        tensor(default_body.weights),
    )
    for frame in range(3):
        data.qpos[:] = qpos[frame]
        mujoco.mj_forward(model, data)
        expected = vertices[frame].numpy() + motion.trans[frame]
        np.testing.assert_allclose(drawn_skin(model, data), expected, atol=3e-6)


@pytest.mark.parametrize("add", [add_skin, add_meshes])
def test_what_is_seen_weighs_and_touches_nothing(default_body, add):
    plain = smpl2mjcf.build_humanoid(default_body, BETAS).model
    model = seen(default_body, add).compile()
    np.testing.assert_array_equal(model.body_mass, plain.body_mass)
    np.testing.assert_allclose(model.body_inertia, plain.body_inertia, rtol=1e-12)
    touching = [g for g in range(model.ngeom) if model.geom_contype[g] or model.geom_conaffinity[g]]
    assert len(touching) == plain.ngeom
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("stand").id)
    other = mujoco.MjData(plain)
    mujoco.mj_resetDataKeyframe(plain, other, plain.key("stand").id)
    for _ in range(20):
        mujoco.mj_step(model, data)
        mujoco.mj_step(plain, other)
    np.testing.assert_allclose(data.qpos, other.qpos, atol=1e-9)


def test_the_skin_survives_the_file(default_body):
    spec = seen(default_body, add_skin)
    model, text = spec.compile(), spec.to_xml()
    assert len(text) < 1e6  # one self-contained file
    read = mujoco.MjModel.from_xml_string(text)
    assert read.skin(0).name == "skin"
    np.testing.assert_array_equal(read.skin_face, model.skin_face)
    np.testing.assert_array_equal(read.skin_bonevertid, model.skin_bonevertid)
    np.testing.assert_allclose(read.skin_vert, model.skin_vert, atol=6e-6)  # six digits
    np.testing.assert_allclose(read.skin_bonevertweight, model.skin_bonevertweight, atol=1e-6)
    data, again = mujoco.MjData(model), mujoco.MjData(read)
    data.qpos[:] = again.qpos[:] = random_pose(model, 1)
    mujoco.mj_forward(model, data)
    mujoco.mj_forward(read, again)
    # the bones' printed lengths add up along the chain
    np.testing.assert_allclose(drawn_skin(read, again), drawn_skin(model, data), atol=2e-5)
    assert seen(default_body, add_skin).to_xml() == text


def test_rigid_parts_survive_the_file(default_body):
    spec = seen(default_body, add_meshes)
    model, text = spec.compile(), spec.to_xml()
    assert len(text) < 1e6
    read = mujoco.MjModel.from_xml_string(text)
    assert [read.mesh(m).name for m in range(read.nmesh)] == [model.mesh(m).name for m in range(model.nmesh)]
    np.testing.assert_array_equal(read.mesh_face, model.mesh_face)
    np.testing.assert_allclose(read.mesh_vert, model.mesh_vert, atol=6e-6)
    assert seen(default_body, add_meshes).to_xml() == text


def mesh_of(model, data, name):
    """A rigid part as trimesh, in the world."""
    mesh, geom = model.mesh(f"{name}_skin"), data.geom(f"{name}_skin")
    first, count = mesh.vertadr[0], mesh.vertnum[0]
    points = model.mesh_vert[first : first + count] @ geom.xmat.reshape(3, 3).T + geom.xpos
    faces = model.mesh_face[mesh.faceadr[0] : mesh.faceadr[0] + mesh.facenum[0]]
    return trimesh.Trimesh(points, faces, process=False)


def test_every_body_has_a_closed_part(default_body):
    model = seen(default_body, add_meshes).compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    assert model.nmesh == 24
    for name in default_body.joint_names:
        part = mesh_of(model, data, name)
        # Where two rims meet in a vertex an edge may have four faces, so trimesh's watertight is too strict.
        _, uses = np.unique(part.edges_sorted, axis=0, return_counts=True)
        assert set(uses.tolist()) <= {2, 4}, name
        assert (uses == 4).sum() < 3
        outward = (part.face_normals * part.area_faces[:, None]).sum(axis=0)
        np.testing.assert_allclose(outward, 0, atol=1e-7 * part.area, err_msg=name)
        assert part.volume > 0, name


def test_in_the_rest_pose_the_parts_show_the_whole_skin(default_body):
    """Every vertex of the mesh lies on the part that it follows most; no part reaches out of the body."""
    model = seen(default_body, add_meshes).compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    vertices, _ = shaped(default_body, BETAS)
    owner = default_body.weights.argmax(axis=1)
    whole = trimesh.Trimesh(vertices, default_body.faces, process=False)
    for j, name in enumerate(default_body.joint_names):
        part = mesh_of(model, data, name)
        distance = trimesh.proximity.closest_point(part, vertices[owner == j])[1]
        assert distance.max() < 1e-6, name  # float32
        outside = -trimesh.proximity.signed_distance(whole, part.vertices[::3])
        # drawn in along a chord: a hollow (armpit, crotch, between thumb and palm) lets it out a little
        assert outside.max() < 0.015, name


def test_merged_joints_give_their_skin_to_what_they_are_merged_into(default_body):
    names = default_body.joint_names
    weights = kept_weights(default_body, names)
    np.testing.assert_array_equal(weights, default_body.weights)
    fewer = [name for name in names if not name.endswith("hand")]
    weights = kept_weights(default_body, fewer)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    wrist, hand = names.index("left_wrist"), names.index("left_hand")
    np.testing.assert_array_equal(
        weights[:, fewer.index("left_wrist")], default_body.weights[:, wrist] + default_body.weights[:, hand]
    )


def test_a_whole_mesh_needs_no_closing(default_body):
    points, faces = closed_part(default_body.v_template, default_body.faces)
    np.testing.assert_array_equal(points, default_body.v_template)
    np.testing.assert_array_equal(faces, default_body.faces)
