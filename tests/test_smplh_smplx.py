"""SMPL-H and SMPL-X: files of the true layouts become humanoids, judged by smplx, trimesh and de Leva.

The licences allow no real file here. These bodies have the real files' keys, shapes and counts; their
meshes are the default body's with hands of five separate fingers, and for SMPL-X two eyeballs and a mouth
that is open at the lips: 32 edges, as V - E + F of the real mesh's 10475 vertices and 20908 faces demands.
"""

import pickle
from dataclasses import replace
from itertools import pairwise

import manifold3d
import mujoco
import numpy as np
import pytest
import scipy.sparse
import scipy.spatial
import trimesh
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf.segments import body_pieces, matter
from smpl2mjcf.skeleton import BODY_JOINTS, BODY_PARENTS, FACE_JOINTS, FINGER_JOINTS, JOINT_NAMES, mirror_name
from smpl2mjcf.surface import closed_surface

FAMILIES = ("smplh", "smplx")
KNUCKLES = {  # mm from the left wrist to each finger's three joints and tip, near those of public hand models
    "index": [(88, -5, 23), (121, -5, 28), (143, -6, 31), (166, -8, 34)],
    "middle": [(95, -2, -2), (128, 0, -1), (151, -1, 0), (176, -3, 1)],
    "pinky": [(70, -10, -47), (91, -11, -54), (108, -12, -59), (127, -14, -65)],
    "ring": [(83, -5, -26), (113, -4, -30), (135, -6, -33), (159, -8, -37)],
    "thumb": [(24, -14, 26), (46, -15, 49), (67, -19, 66), (89, -23, 81)],
}
KNUCKLES = {finger: np.array(chain) / 1000 for finger, chain in KNUCKLES.items()}
THICKNESS = {"index": 0.0085, "middle": 0.0088, "pinky": 0.007, "ring": 0.008, "thumb": 0.0105}  # m, radii

# Joints 22 and up of the public files: fingers hang on wrists in threes, jaw and eyes on the head.
FINGER_PARENTS = {
    "smplh": (20, 22, 23, 20, 25, 26, 20, 28, 29, 20, 31, 32, 20, 34, 35,
              21, 37, 38, 21, 40, 41, 21, 43, 44, 21, 46, 47, 21, 49, 50),
    "smplx": (15, 15, 15,
              20, 25, 26, 20, 28, 29, 20, 31, 32, 20, 34, 35, 20, 37, 38,
              21, 40, 41, 21, 43, 44, 21, 46, 47, 21, 49, 50, 21, 52, 53),
}  # fmt: skip
VERTICES = {"smplh": 6890, "smplx": 10475}
FACES = {"smplh": 13776, "smplx": 20908}
EYEBALL = 546  # vertices of each
LIPS = 32  # edges of the open mouth


# --- a body with fingers ---


def capsule(start, end, radius):
    ball = manifold3d.Manifold.sphere(radius, 12)
    return manifold3d.Manifold.batch_hull([ball.translate(start), ball.translate(end)])


def finger_solids(wrist):
    """Each left finger, from its first joint to its tip, as a solid of its own."""
    solids = {}
    for finger, chain in KNUCKLES.items():
        points = wrist + chain
        bones = [capsule(a, b, THICKNESS[finger]) for a, b in pairwise(points)]
        solids[finger] = bones[0] + bones[1] + bones[2]
    return solids


def to_trimesh(solid):
    mesh = solid.to_mesh64()
    return trimesh.Trimesh(mesh.vert_properties[:, :3], mesh.tri_verts.astype(np.int64), process=False)


def body_mesh(default_body):
    """The default body with its hands cut off at the wrists and hands of separate fingers put on."""
    joints = dict(zip(default_body.joint_names, smpl2mjcf.joint_positions(default_body)))
    wrist = joints["left_wrist"]
    mesh = manifold3d.Mesh64(default_body.v_template.copy(), default_body.faces.astype(np.uint64))
    half = manifold3d.Manifold(mesh).trim_by_plane((1, 0, 0), 0).trim_by_plane((-1, 0, 0), -wrist[0] + 0.01)
    base = manifold3d.Manifold.sphere(0.017, 16).scale((1.5, 1, 1.6)).translate(wrist)
    knuckles = [
        manifold3d.Manifold.sphere(1.1 * THICKNESS[f], 12).translate(wrist + KNUCKLES[f][0]) for f in KNUCKLES
    ]
    half = half + manifold3d.Manifold.batch_hull([base, *knuckles])
    for solid in finger_solids(wrist).values():
        half = half + solid
    mesh = to_trimesh(half + half.mirror((1, 0, 0)))
    assert mesh.is_watertight
    assert mesh.body_count == 1
    return np.array(mesh.vertices), np.array(mesh.faces), joints


def with_vertices(vertices, faces, count, among=None):
    """Split the longest edges until there are `count` vertices; with `among`, open edges that it takes."""
    while len(vertices) < count:
        edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        edges, inverse, uses = np.unique(edges, axis=0, return_inverse=True, return_counts=True)
        wanted = uses == (2 if among is None else 1)
        if among is not None:
            wanted &= among(vertices[edges].mean(axis=1))
        length = np.where(wanted, np.linalg.norm(np.subtract(*vertices[edges].swapaxes(0, 1)), axis=1), -1)
        of_face = inverse.reshape(-1, 3)
        faces_of = [[] for _ in edges]
        for f, three in enumerate(of_face.tolist()):
            for e in three:
                faces_of[e].append(f)
        changed, new_vertices, new_faces = set(), [], []
        for e in np.argsort(-length)[: np.count_nonzero(length > 0) // 8 + 1]:
            if len(vertices) + len(new_vertices) == count:
                break
            if changed.isdisjoint(faces_of[e]):
                changed.update(faces_of[e])
                middle = len(vertices) + len(new_vertices)
                new_vertices.append(vertices[edges[e]].mean(axis=0))
                for f in faces_of[e]:
                    k = of_face[f].tolist().index(e)
                    a, b, c = faces[f][[k, (k + 1) % 3, (k + 2) % 3]]
                    new_faces += [(a, middle, c), (middle, b, c)]
        kept = np.delete(faces, sorted(changed), axis=0)
        vertices, faces = np.concatenate([vertices, new_vertices]), np.concatenate([kept, new_faces])
    return vertices, faces


def without(vertices, faces, removed):
    """The mesh without some faces and the vertices that then have none."""
    faces = faces[~removed]
    used, faces = np.unique(faces, return_inverse=True)
    return vertices[used], faces.reshape(-1, 3)


def opened(vertices, faces, centre, reach, edges):
    """A hole of exactly `edges` edges about a point of the front of the face."""
    at = vertices[faces].mean(axis=1)
    near = (np.abs((at - centre)[:, :2]) < reach).all(axis=1) & (at[:, 2] > centre[2] - 0.04)
    vertices, faces = without(vertices, faces, near)
    rim = rim_size(faces)
    assert rim <= edges
    return with_vertices(
        vertices, faces, len(vertices) + edges - rim, lambda x: np.linalg.norm(x - centre, axis=1) < 0.05
    )


def rim_size(faces):
    _, uses = np.unique(
        np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0, return_counts=True
    )
    return int((uses == 1).sum())


def eyeball(centre):
    """A closed sphere of 17 rings of 32 vertices and two poles."""
    theta, phi = np.meshgrid(np.pi * np.arange(1, 18) / 18, np.pi * np.arange(32) / 16, indexing="ij")
    ring = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1)
    points = np.concatenate([ring.reshape(-1, 3), [[0, 0, 1], [0, 0, -1]]])
    faces = scipy.spatial.ConvexHull(points).simplices
    turned = np.linalg.det(points[faces]) < 0  # qhull's triangles run either way round
    return centre + 0.012 * points, np.where(turned[:, None], faces[:, ::-1], faces)


def face_points(vertices, joints):
    """Where mouth, left and right eye are on the default body's head."""
    head = joints["head"]
    front = vertices[(np.abs(vertices[:, 0]) < 0.03) & (np.abs(vertices[:, 1] - head[1] - 0.02) < 0.015)]
    mouth = np.array([0.0, head[1] + 0.02, front[:, 2].max()])
    left = mouth + [0.03, 0.065, -0.02]
    return mouth, left, left * [-1, 1, 1]


def family_arrays(default_body, family):
    """The arrays of a file with the family's true layout, values that float32 holds exactly."""
    vertices, faces, joints = body_mesh(default_body)
    mouth, left_eye, right_eye = face_points(vertices, joints)
    for side, sign in (("left", 1), ("right", -1)):
        for finger, chain in KNUCKLES.items():
            for k in range(3):
                joints[f"{side}_{finger}{k + 1}"] = (joints["left_wrist"] + chain[k]) * [sign, 1, 1]
    joints |= {"jaw": mouth - [0, 0, 0.07], "left_eye": left_eye, "right_eye": right_eye}
    names = JOINT_NAMES[family]
    targets = np.array([joints[name] for name in names])
    rim = np.zeros(0, dtype=int)
    if family == "smplx":
        vertices, faces = opened(vertices, faces, mouth, (0.022, 0.007), LIPS)
    vertices, faces = with_vertices(
        vertices, faces, VERTICES[family] - (2 * EYEBALL if family == "smplx" else 0)
    )
    body = len(vertices)
    if family == "smplx":
        edges, uses = np.unique(
            np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0, return_counts=True
        )
        rim = np.unique(edges[uses == 1])
        for centre in (left_eye, right_eye):
            ball, ball_faces = eyeball(centre)
            faces = np.concatenate([faces, ball_faces + len(vertices)])
            vertices = np.concatenate([vertices, ball])
    parents = (*BODY_PARENTS, *FINGER_PARENTS[family])
    weights = np.zeros((len(vertices), len(names)))
    skinned = [j for j, name in enumerate(names) if name not in FACE_JOINTS]
    nearest = np.array(skinned)[scipy.spatial.cKDTree(targets[skinned]).query(vertices)[1]]
    weights[np.arange(len(vertices)), nearest] = 0.75
    weights[np.arange(len(vertices)), np.maximum(np.array(parents)[nearest], 0)] += 0.25
    if family == "smplx":
        weights[rim] = 0
        lower = vertices[rim, 1] < mouth[1]
        weights[rim[lower], names.index("jaw")] = weights[rim[~lower], names.index("head")] = 1
        weights[body:] = 0
        weights[body : body + EYEBALL, names.index("left_eye")] = 1
        weights[body + EYEBALL :, names.index("right_eye")] = 1
    kintree = np.array([parents, range(len(names))], dtype=np.int64)
    kintree[0, 0] = 2**32 - 1
    V = len(vertices)
    columns = {"smplh": 16, "smplx": 400}[family]
    arrays = {
        "v_template": vertices,
        "shapedirs": shape_directions(vertices, columns),
        "posedirs": np.zeros((V, 3, 9 * (len(names) - 1)), dtype=np.float32),
        "J_regressor": regressor(vertices[:body], targets, V),
        "weights": weights,
    }
    # smplx rounds what it reads to float32, so the values are float32's; the largest array stays so on disk.
    arrays = {key: array.astype(np.float32) for key, array in arrays.items()}
    arrays = {key: a if key.endswith("dirs") else a.astype(np.float64) for key, a in arrays.items()}
    rng = np.random.default_rng(0)
    for side in "lr":
        arrays[f"hands_components{side}"] = rng.standard_normal((45, 45)).astype(np.float32)
        arrays[f"hands_mean{side}"] = (0.2 * rng.standard_normal(45)).astype(np.float32)
    arrays |= {"f": faces.astype(np.uint32), "kintree_table": kintree.astype(np.uint32)}
    if family == "smplx":
        arrays |= {
            "lmk_faces_idx": np.arange(51),
            "lmk_bary_coords": np.full((51, 3), 1 / 3),
            "dynamic_lmk_faces_idx": np.zeros((79, 51), dtype=np.int64),
            "dynamic_lmk_bary_coords": np.full((79, 51, 3), 1 / 3),
            "joint2num": np.array({"Pelvis": 0}, dtype=object),
            "part2num": np.array({"Pelvis": 0}, dtype=object),
            "vt": np.zeros((11313, 2)),
            "ft": faces.astype(np.uint32),
        }
    assert arrays["v_template"].shape == (VERTICES[family], 3)
    assert arrays["f"].shape == (FACES[family], 3)
    return arrays


def shape_directions(vertices, columns):
    """Smooth and mirror-symmetric: size, height, girth, breadth, then waves of some decimetres and 3 mm."""
    x, y, z = vertices.T
    directions = np.zeros((len(vertices), 3, columns))
    directions[:, :, 0] = 0.03 * vertices
    directions[:, 1, 1] = 0.02 * y
    directions[:, 2, 2] = 0.03 * z
    directions[:, 0, 3] = 0.02 * x
    rng = np.random.default_rng(1)
    for k in range(4, columns):
        a, b, c = rng.uniform(4, 12, 3)
        size = 0.003 * 0.98**k
        directions[:, 0, k] = size * np.sin(a * x) * np.cos(b * y + k)
        directions[:, 1, k] = size * np.cos(b * x) * np.sin(c * y + k)
        directions[:, 2, k] = size * np.cos(c * x) * np.sin(a * y + b * z + k)
    return directions


def regressor(vertices, targets, columns):
    """(J, columns) rows on the 24 nearest vertices that put each joint where it should be and sum to 1."""
    rows = np.zeros((len(targets), columns))
    for row, target in zip(rows, targets):
        _, near = scipy.spatial.cKDTree(vertices).query(target, 24)
        system = np.concatenate([vertices[near].T - target[:, None], np.ones((1, 24))])
        row[near] = np.linalg.lstsq(system, [0, 0, 0, 1.0])[0]
    return rows


@pytest.fixture(scope="module")
def arrays(default_body):
    return {family: family_arrays(default_body, family) for family in FAMILIES}


@pytest.fixture(scope="module")
def files(arrays, tmp_path_factory):
    """family -> an npz of the true layout."""
    folder = tmp_path_factory.mktemp("family")
    paths = {family: folder / f"{family.upper()}_FEMALE.npz" for family in FAMILIES}
    for family, path in paths.items():
        np.savez(path, **arrays[family])
    return paths


@pytest.fixture(scope="module")
def read(files):
    """family -> the body that load_body reads from that file."""
    return {family: smpl2mjcf.load_body(path) for family, path in files.items()}


@pytest.fixture(scope="module")
def bodies(read):
    """family -> that body with its first ten shape directions: faster than with SMPL-X's 300."""
    return {family: replace(body, shapedirs=body.shapedirs[:, :, :10]) for family, body in read.items()}


HANDS = ("merged", "articulated")
CASES = [(family, hands) for family in FAMILIES for hands in HANDS]


def random_shapes(body, count, seed):
    """The mean shape, then betas of up to three units."""
    rng = np.random.default_rng(seed)
    return [np.zeros(body.num_betas), *rng.uniform(-3, 3, (count - 1, body.num_betas))]


def left_hand(body, betas=None):
    """The left hand's whole chain, and the shape's joints by name."""
    vertices = smpl2mjcf.shaped_vertices(body, betas)
    joints = dict(zip(body.joint_names, smpl2mjcf.joint_positions(body, betas)))
    surface = closed_surface(body, vertices)
    return (
        body_pieces(surface.vertices, surface.faces, joints)["left_wrist"].chain(
            surface.vertices, surface.faces
        ),
        joints,
        surface,
    )


# --- files ---


@pytest.mark.parametrize("family", FAMILIES)
def test_a_file_of_the_true_layout_is_read_whole(read, arrays, family):
    body = read[family]
    assert (body.family, body.sex, body.joint_names) == (family, "female", JOINT_NAMES[family])
    assert body.parents == (*BODY_PARENTS, *FINGER_PARENTS[family])
    np.testing.assert_array_equal(body.v_template, arrays[family]["v_template"])
    # SMPL-X's 100 last columns are expressions. SMPL-H's 16 may be cut to smplx's 10.
    assert body.num_betas in {"smplh": (10, 16), "smplx": (300,)}[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_pickle_and_npz_are_the_same_body(read, arrays, family, tmp_path):
    """SMPL-H's pickle keeps a sparse regressor, SMPL-X's a dense one; both hold numpy arrays."""
    content = dict(arrays[family])
    if family == "smplh":
        content["J_regressor"] = scipy.sparse.csc_matrix(content["J_regressor"])
    path = tmp_path / "model_female.pkl"
    path.write_bytes(pickle.dumps(content, protocol=2))
    body = smpl2mjcf.load_body(path)
    for name in ("v_template", "shapedirs", "joint_regressor", "weights", "faces"):
        np.testing.assert_array_equal(getattr(body, name), getattr(read[family], name), strict=True)
    assert (body.parents, body.sex) == (read[family].parents, "female")


# --- where the bodies are ---


@pytest.mark.parametrize("family", FAMILIES)
def test_bodies_are_where_smplx_puts_the_joints(oracle, bodies, files, family):
    """Fingers, jaw and eyes move too: of the merged ones no joint that is left may notice."""
    smplx, torch = oracle("smplx"), oracle("torch")
    body, T = bodies[family], 4
    layer = {"smplh": smplx.SMPLHLayer, "smplx": smplx.SMPLXLayer}[family]
    model = layer(model_path=str(files[family]), ext="npz", num_betas=10, dtype=torch.float64)
    rng = np.random.default_rng(4)
    motion = random_motion(body, rng, T)
    matrices = Rotation.from_rotvec(motion.poses.reshape(-1, 3)).as_matrix().reshape(T, -1, 3, 3)

    def joints(*names):
        return torch.tensor(matrices[:, [body.joint_names.index(name) for name in names]])

    poses = {
        "global_orient": joints("pelvis"),
        "body_pose": joints(*BODY_JOINTS[1:]),
        "left_hand_pose": joints(*FINGER_JOINTS[:15]),
        "right_hand_pose": joints(*FINGER_JOINTS[15:]),
    }
    if family == "smplx":
        poses |= dict(zip(("jaw_pose", "leye_pose", "reye_pose"), (joints(name) for name in FACE_JOINTS)))
    betas = rng.uniform(-3, 3, 10)
    with torch.no_grad():
        given = torch.tensor(np.tile(betas, (T, 1)))
        output = model(betas=given, transl=torch.tensor(motion.trans), **poses)
    expected = output.joints.numpy()[:, : body.num_joints]
    for hands, count in (("merged", 22), ("articulated", 52)):
        human = smpl2mjcf.build_humanoid(body, betas, hands=hands)
        assert len(human.joint_names) == count == human.model.nbody - 1
        column = [body.joint_names.index(name) for name in human.joint_names]
        found = mujoco_positions(human, smpl2mjcf.motion_to_qpos(human, motion))
        np.testing.assert_allclose(found, expected[:, column], rtol=0, atol=1e-9)


def random_motion(body, rng, frames):
    axes = rng.standard_normal((frames, body.num_joints, 3))
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    angles = rng.uniform(0, np.pi, (frames, body.num_joints, 1))
    return smpl2mjcf.Motion(axes * angles, rng.standard_normal((frames, 3)), 30.0, family=body.family)


def mujoco_positions(human, qpos):
    data = mujoco.MjData(human.model)
    found = []
    for row in qpos:
        data.qpos[:] = row
        mujoco.mj_kinematics(human.model, data)
        found.append([data.body(name).xpos.copy() for name in human.joint_names])
    return np.array(found)


@pytest.mark.parametrize("flat", [True, False])
def test_hand_poses_are_whole_rotations(oracle, bodies, arrays, files, flat):
    """As AMASS stores them. Where smplx is told to add the file's mean hand, it must be added to ours too."""
    smplx, torch = oracle("smplx"), oracle("torch")
    body = bodies["smplh"]
    options = {"use_pca": False, "flat_hand_mean": flat, "dtype": torch.float64}
    model = smplx.SMPLH(model_path=str(files["smplh"]), ext="npz", num_betas=10, **options)
    hands = 0.5 * np.random.default_rng(6).standard_normal((2, 45))
    with torch.no_grad():
        output = model(left_hand_pose=torch.tensor(hands[:1]), right_hand_pose=torch.tensor(hands[1:]))
    poses = np.zeros((1, body.num_joints, 3))
    for hand, side, names in zip(hands, "lr", (FINGER_JOINTS[:15], FINGER_JOINTS[15:])):
        whole = hand if flat else hand + arrays["smplh"][f"hands_mean{side}"]
        poses[0, [body.joint_names.index(name) for name in names]] = whole.reshape(15, 3)
    human = smpl2mjcf.build_humanoid(body, hands="articulated")
    qpos = smpl2mjcf.motion_to_qpos(human, smpl2mjcf.Motion(poses, np.zeros((1, 3)), 30.0, family="smplh"))
    # smplx adds 1e-8 to rotation vectors given as such.
    expected = output.joints.numpy()[:, : body.num_joints]
    np.testing.assert_allclose(mujoco_positions(human, qpos), expected, rtol=0, atol=1e-7)


# --- inertia ---


@pytest.mark.filterwarnings("ignore:.*kg/m3; people have")  # one mass for every shape
@pytest.mark.parametrize(("family", "hands"), CASES)
def test_masses_sum_to_the_request_and_tensors_are_bodies(bodies, family, hands):
    body = bodies[family]
    for betas in random_shapes(body, 4, 7):
        human = smpl2mjcf.build_humanoid(body, betas, mass=56.0, hands=hands)
        assert sum(human.model.body_mass) == pytest.approx(56.0, rel=1e-12)
        for name, inertia in zip(human.joint_names, human.inertias):
            moments = np.linalg.eigvalsh(inertia.tensor)
            assert moments[0] > 0, name
            assert moments[0] + moments[1] > moments[2], name


@pytest.mark.parametrize("family", FAMILIES)
def test_the_bones_of_a_hand_together_are_de_leva_s_hand(bodies, family):
    body = bodies[family]
    for betas in random_shapes(body, 2, 8):
        merged, bones = (smpl2mjcf.build_humanoid(body, betas, hands=hands) for hands in HANDS)
        for side in ("left", "right"):
            names = [f"{side}_wrist", *(name for name in FINGER_JOINTS if name.startswith(side))]
            whole = merged.inertias[merged.joint_names.index(f"{side}_wrist")]
            mass, com, tensor = together(bones, names)
            assert mass == pytest.approx(whole.mass, rel=1e-12)
            np.testing.assert_allclose(com, whole.com, atol=1e-12)
            np.testing.assert_allclose(tensor, whole.tensor, rtol=0, atol=1e-11 * np.trace(whole.tensor))
        others = [name for name in merged.joint_names if not name.endswith("wrist")]
        for name in others:
            one, other = (h.inertias[h.joint_names.index(name)] for h in (merged, bones))
            np.testing.assert_allclose(one.tensor, other.tensor, rtol=1e-12)


def together(human, names):
    """Mass, centre of mass from the first joint, and tensor about it of several bodies at rest."""
    index = [human.joint_names.index(name) for name in names]
    masses = np.array([human.inertias[i].mass for i in index])
    coms = np.array([human.joint_positions[i] + human.inertias[i].com for i in index])
    com = masses @ coms / masses.sum()
    tensor = sum(
        human.inertias[i].tensor + m * ((c - com) @ (c - com) * np.eye(3) - np.outer(c - com, c - com))
        for i, m, c in zip(index, masses, coms)
    )
    return masses.sum(), com - human.joint_positions[index[0]], tensor


@pytest.mark.parametrize("family", FAMILIES)
def test_bones_share_the_hand_by_their_volume(bodies, family, hand_chains):
    body = bodies[family]
    hand, joints, _ = left_hand(body)
    pieces = hand_chains(hand, joints, "left")
    human = smpl2mjcf.build_humanoid(body, hands="articulated")
    masses = [human.inertias[human.joint_names.index(name)].mass for name in pieces]
    volumes = [matter(piece).volume for piece in pieces.values()]
    np.testing.assert_allclose(masses, sum(masses) * np.array(volumes) / sum(volumes), rtol=1e-9)
    assert sum(volumes) == pytest.approx(matter(hand).volume, rel=1e-12)


@pytest.mark.parametrize(("family", "hands"), CASES)
def test_left_and_right_are_equal(bodies, family, hands):
    """To 1e-6: the file's values are float32, and its right joints are regressed from other vertices."""
    human = smpl2mjcf.build_humanoid(bodies[family], hands=hands)
    inertias = dict(zip(human.joint_names, human.inertias))
    mirror = np.diag([-1.0, 1.0, 1.0])
    for name, one in inertias.items():
        other = inertias[mirror_name(name)]
        assert one.mass == pytest.approx(other.mass, rel=1e-4)
        np.testing.assert_allclose(one.com, mirror @ other.com, atol=1e-6)
        np.testing.assert_allclose(
            one.tensor, mirror @ other.tensor @ mirror, atol=1e-4 * np.trace(one.tensor)
        )


# --- where fingers are cut ---


def sliced_volume(mesh, planes):
    """Volume of a mesh clipped by (point, normal) half-spaces, capped by trimesh."""
    for point, normal in planes:
        if mesh.is_empty:
            return 0.0
        mesh = trimesh.intersections.slice_mesh_plane(
            mesh, normal / np.linalg.norm(normal), point, cap=True, engine="manifold"
        )
    return float(mesh.volume) if len(mesh.faces) else 0.0


def unit(vector):
    return vector / np.linalg.norm(vector)


def finger_planes(joints):
    """Each left finger's half-spaces, and its cuts across at joints 1 to 3, written down again."""
    at = {f: np.array([joints[f"left_{f}{k}"] for k in (1, 2, 3)]) for f in KNUCKLES}

    def away(finger, neighbour):
        along = unit(unit(at[finger][2] - at[finger][0]) + unit(at[neighbour][2] - at[neighbour][0]))
        line = at[finger].mean(axis=0) - at[neighbour].mean(axis=0)
        return (at[finger].mean(axis=0) + at[neighbour].mean(axis=0)) / 2, line - (line @ along) * along

    sides = {
        "thumb": [away("thumb", "index")],
        "index": [away("index", "middle")],
        "middle": [away("middle", "index"), away("middle", "ring")],
        "ring": [away("middle", "index"), away("ring", "middle"), away("ring", "pinky")],
        "pinky": [away(a, b) for a, b in (("middle", "index"), ("ring", "middle"), ("pinky", "ring"))],
    }
    cuts = {}
    for finger, chain in at.items():
        before = [joints["left_wrist"], *chain[:2]]
        bends = [unit(c - b) + unit(after - c) for b, c, after in zip(before, chain, chain[1:])]
        cuts[finger] = list(zip(chain, [*bends, chain[2] - chain[1]]))
    return sides, cuts


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_finger_bones_are_trimesh_s_slices(bodies, seed, hand_chains):
    body = bodies["smplh"]
    rng = np.random.default_rng(seed)
    betas = np.zeros(10) if seed is None else rng.uniform(-3, 3, 10)
    hand, joints, surface = left_hand(body, betas)
    pieces = hand_chains(hand, joints, "left")
    elbow, wrist, middle = (joints[f"left_{name}"] for name in ("elbow", "wrist", "middle1"))
    whole = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
    hand_mesh = trimesh.intersections.slice_mesh_plane(
        whole, unit(unit(wrist - elbow) + unit(middle - wrist)), wrist, cap=True, engine="manifold"
    )
    sides, cuts = finger_planes(joints)
    thumb = [*sides["thumb"], cuts["thumb"][0]]
    for finger in KNUCKLES:
        for k in (1, 2, 3):
            planes = [*sides[finger], *cuts[finger][:k]]
            if k < 3:
                point, normal = cuts[finger][k]
                planes.append((point, -normal))
            expected = sliced_volume(hand_mesh, planes)
            if finger != "thumb":  # what the thumb took first
                expected -= sliced_volume(hand_mesh, [*planes, *thumb])
            found = matter(pieces[f"left_{finger}{k}"]).volume
            assert found == pytest.approx(expected, rel=1e-6), (finger, k)  # trimesh merges near vertices


def test_the_planes_between_fingers_cut_no_finger(bodies, default_body, hand_chains):
    """Bones 2 and 3 are those of the finger's own solid, which no other finger's planes have met."""
    hand, joints, _ = left_hand(bodies["smplh"])
    pieces = hand_chains(hand, joints, "left")
    _, cuts = finger_planes(joints)
    wrist = smpl2mjcf.joint_positions(default_body)[default_body.joint_names.index("left_wrist")]
    for finger, solid in finger_solids(wrist).items():
        tip = sliced_volume(to_trimesh(solid), cuts[finger])
        beyond = sliced_volume(to_trimesh(solid), cuts[finger][:2])
        # The body's file is float32: some 1e-7 m on bones of 8 mm.
        assert matter(pieces[f"left_{finger}3"]).volume == pytest.approx(tip, rel=1e-4), finger
        second = matter(pieces[f"left_{finger}2"]).volume
        if finger == "thumb":  # with some of the web to the palm
            assert 1 < second / (beyond - tip) < 1.1
        else:
            assert second == pytest.approx(beyond - tip, rel=1e-4), finger


@pytest.mark.parametrize("family", FAMILIES)
def test_every_bone_has_volume_in_many_shapes(bodies, family, hand_chains):
    body = bodies[family]
    for betas in random_shapes(body, 8, 9):
        hand, joints, _ = left_hand(body, betas)
        volumes = [matter(piece).volume for piece in hand_chains(hand, joints, "left").values()]
        assert sum(volumes) == pytest.approx(matter(hand).volume, rel=1e-10)
        assert min(volumes) > 1e-6  # the smallest tip of these hands holds 3 ml
        assert max(volumes[1:]) < 4e-5


# --- the model ---


@pytest.mark.parametrize(("family", "hands"), CASES)
def test_the_model_that_simulators_load(bodies, family, hands):
    human = smpl2mjcf.build_humanoid(bodies[family], hands=hands)
    read = mujoco.MjModel.from_xml_string(human.xml)
    expected = [name for name in JOINT_NAMES[family] if name not in FACE_JOINTS]
    expected = expected if hands == "articulated" else list(BODY_JOINTS)
    assert human.joint_names == tuple(expected)
    for model in (human.model, read):
        assert {model.body(b).name for b in range(1, model.nbody)} == set(expected)
        assert (model.nq, model.nv) == (4 * len(expected) + 3, 3 * len(expected) + 3)
        assert set(model.geom_bodyid.tolist()) == set(range(model.nbody))  # every body and the floor
        for name in expected[1:]:
            parent = model.body(model.body(name).parentid[0]).name
            j = bodies[family].joint_names.index(name)
            assert parent == bodies[family].joint_names[bodies[family].parents[j]]
    data = mujoco.MjData(read)
    for key in ("tpose", "stand"):
        mujoco.mj_resetDataKeyframe(read, data, read.key(key).id)
        mujoco.mj_forward(read, data)
        assert data.body("head").xpos[2] > 1.4
        for part in ("ankle_heel", "ankle_ball", "foot_toes"):
            geom = read.geom(f"left_{part}")
            assert data.geom(f"left_{part}").xpos[2] == pytest.approx(geom.size[0], abs=1e-5)
    for name, inertia in zip(human.joint_names, human.inertias):
        assert read.body(name).mass[0] == pytest.approx(inertia.mass, rel=1e-5)
        np.testing.assert_allclose(read.body(name).ipos, inertia.com, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_finger_geoms_lie_on_their_bones(bodies, family):
    human = smpl2mjcf.build_humanoid(bodies[family], hands="articulated")
    data = mujoco.MjData(human.model)
    mujoco.mj_forward(human.model, data)
    for finger, chain in KNUCKLES.items():
        for k in (1, 2, 3):
            name = f"left_{finger}{k}"
            geom = human.model.geom(name)
            assert geom.type[0] == mujoco.mjtGeom.mjGEOM_CAPSULE
            # The web at a finger's root and the ball of the thumb make their capsules thicker.
            assert 0.6 * THICKNESS[finger] < geom.size[0] < (2.0 if k == 1 else 1.1) * THICKNESS[finger]
            middle = (chain[k] - chain[k - 1]) / 2
            offset = data.geom(name).xpos - data.body(name).xpos
            np.testing.assert_allclose(offset, middle, atol=0.004)  # the last one reaches to the tip
    palm, wrist = human.model.geom("left_wrist"), data.body("left_wrist").xpos
    assert palm.type[0] == mujoco.mjtGeom.mjGEOM_BOX
    assert 0 < (data.geom("left_wrist").xpos - wrist)[0] < 0.07


def test_merged_hands_are_boxes_as_large_as_the_hand(bodies):
    human = smpl2mjcf.build_humanoid(bodies["smplh"])
    box = human.model.geom("left_wrist")
    assert box.type[0] == mujoco.mjtGeom.mjGEOM_BOX
    frame = np.zeros(9)
    mujoco.mju_quat2Mat(frame, box.quat)
    tip = box.pos + box.size[0] * frame.reshape(3, 3)[:, 0]  # the middle of the face at the finger tips
    assert tip[0] == pytest.approx(KNUCKLES["middle"][3][0] + THICKNESS["middle"], abs=1e-3)


# --- motions of one family on another's humanoid ---


def still(family, **angles):
    poses = np.zeros((2, len(JOINT_NAMES[family]), 3))
    for name, angle in angles.items():
        poses[:, JOINT_NAMES[family].index(name)] = [0, 0, angle]
    return smpl2mjcf.Motion(poses, np.zeros((2, 3)), 30.0, family=family)


def test_smpl_s_hand_joints_are_left_out_on_a_body_of_fingers(bodies):
    for hands in HANDS:
        human = smpl2mjcf.build_humanoid(bodies["smplh"], hands=hands)
        qpos = smpl2mjcf.motion_to_qpos(human, still("smpl", left_hand=0.5, left_wrist=0.3))
        assert np.count_nonzero(qpos[0, 3:] * (qpos[0, 3:] != 1)) == 2  # the wrist's quaternion alone
        start = human.model.jnt_qposadr[human.joint_id("left_wrist")]
        np.testing.assert_allclose(qpos[0, start : start + 4], [np.cos(0.15), 0, 0, np.sin(0.15)])


def test_fingers_are_left_out_on_smpl_s_body(bodies, default_body):
    human = smpl2mjcf.build_humanoid(default_body)
    moved = still("smplh", left_index1=0.5, left_wrist=0.3)
    np.testing.assert_array_equal(
        smpl2mjcf.motion_to_qpos(human, moved),
        smpl2mjcf.motion_to_qpos(human, still("smplh", left_wrist=0.3)),
    )


@pytest.mark.parametrize(("family", "hands"), CASES)
def test_motion_to_qpos_and_back(bodies, family, hands):
    body = bodies[family]
    human = smpl2mjcf.build_humanoid(body, hands=hands)
    motion = random_motion(body, np.random.default_rng(11), 5)
    back = smpl2mjcf.qpos_to_motion(human, smpl2mjcf.motion_to_qpos(human, motion), 30.0)
    kept = [body.joint_names.index(name) for name in human.joint_names]
    gone = [j for j in range(body.num_joints) if j not in kept]
    one, other = (Rotation.from_rotvec(m.poses[:, kept].reshape(-1, 3)) for m in (motion, back))
    assert (one.inv() * other).magnitude().max() < 1e-9
    assert not back.poses[:, gone].any()
    np.testing.assert_allclose(back.trans, motion.trans, atol=1e-12)


# --- refusals ---


def test_articulated_hands_need_fingers(default_body):
    with pytest.raises(
        smpl2mjcf.HumanoidError, match=r"need a body with fingers .*this smpl2mjcf body has none"
    ):
        smpl2mjcf.build_humanoid(default_body, hands="articulated")


def test_unknown_hands_are_refused(bodies):
    with pytest.raises(
        smpl2mjcf.HumanoidError, match="unknown hands 'gloves'; accepted: merged, articulated"
    ):
        smpl2mjcf.build_humanoid(bodies["smplh"], hands="gloves")


def test_a_finger_without_matter_is_named(bodies, hand_chains):
    """Its last joint lies beyond the finger tip."""
    body = bodies["smplh"]
    hand, joints, _ = left_hand(body)
    stretched = dict(joints)
    stretched["left_index3"] = joints["left_index3"] + [0.1, 0, 0]
    with pytest.raises(smpl2mjcf.HumanoidError, match=r"no volume is left for left_index3"):
        hand_chains(hand, stretched, "left")


def test_fingers_on_other_parents_are_refused(bodies):
    body = bodies["smplh"]
    parents = list(body.parents)
    parents[body.joint_names.index("left_index2")] = 20
    with pytest.raises(
        smpl2mjcf.HumanoidError, match="left_index2 hangs on left_wrist instead of left_index1"
    ):
        smpl2mjcf.build_humanoid(replace(body, parents=tuple(parents)))


# --- SMPL-X's surface ---


def test_eyeballs_are_dropped_and_the_mouth_is_capped(bodies):
    body = bodies["smplx"]
    surface = smpl2mjcf.build_humanoid(body).surface
    assert (surface.eyeballs_dropped, surface.capped) == (2, ("mouth",))
    assert len(surface.faces) == FACES["smplx"] - 2 * (2 * EYEBALL - 4) + LIPS
    mesh = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert surface.volume == pytest.approx(mesh.volume, rel=1e-12)
    # A closed polyhedron of 18 x 32 faces holds a little less than its sphere.
    assert surface.dropped_volume == pytest.approx(2 * 4 / 3 * np.pi * 0.012**3, rel=0.02)
    assert surface.cap_area == pytest.approx(mesh.area_faces[-LIPS:].sum(), rel=1e-12)
    assert str(surface).startswith(f"{1000 * surface.volume:.1f} L, 2 eyeballs dropped (14.")
    assert "mouth capped (" in str(surface)


def test_smplx_and_smplh_of_one_shape_have_one_volume(bodies):
    """Without eyeballs, and with the lips closed again, it is the same person."""
    smplh, smplx = (smpl2mjcf.build_humanoid(bodies[family]).surface for family in FAMILIES)
    assert smplx.volume == pytest.approx(smplh.volume, rel=3e-5)  # the lips' curve against a flat cap
    assert (smplh.eyeballs_dropped, smplh.capped, smplh.cap_area) == (0, (), 0.0)


def reopened(body, point, skinned_to=None):
    """The body with the faces about one more point taken away."""
    at = body.v_template[body.faces].mean(axis=1)
    face = np.linalg.norm(at - point, axis=1).argmin()
    vertex = body.faces[face, 0]
    weights = body.weights
    if skinned_to:
        weights = weights.copy()
        weights[np.linalg.norm(body.v_template - body.v_template[vertex], axis=1) < 0.05] = 0
        weights[weights.sum(axis=1) == 0, body.joint_names.index(skinned_to)] = 1
    return replace(body, faces=body.faces[(body.faces != vertex).all(axis=1)], weights=weights)


def test_open_eye_sockets_are_capped_too(bodies):
    body = bodies["smplx"]
    for eye in ("left_eye", "right_eye"):
        centre = body.v_template[body.weights[:, body.joint_names.index(eye)] == 1].mean(axis=0)
        skin = (
            body.weights[body.faces]
            .sum(axis=1)[:, [body.joint_names.index(e) for e in FACE_JOINTS]]
            .sum(axis=1)
            == 0
        )
        at = np.where(skin[:, None], body.v_template[body.faces].mean(axis=1), 9.0)
        body = reopened(body, at[np.linalg.norm(at - centre, axis=1).argmin()])
    surface = smpl2mjcf.build_humanoid(body).surface
    assert sorted(surface.capped) == ["left_eye", "mouth", "right_eye"]
    whole = smpl2mjcf.build_humanoid(bodies["smplx"]).surface
    assert surface.volume == pytest.approx(whole.volume, rel=1e-4)


@pytest.mark.parametrize("where", ["left_knee", "spine2", "head"])
def test_any_other_opening_is_refused(bodies, where):
    body = bodies["smplx"]
    joint = smpl2mjcf.joint_positions(body)[body.joint_names.index(where)]
    hole = reopened(body, joint + [0, 0.05, -0.2])
    with pytest.raises(smpl2mjcf.HumanoidError, match=r"not closed: \d+ of its \d+ edges"):
        smpl2mjcf.build_humanoid(hole)


def test_a_hole_in_the_chin_is_not_a_mouth(bodies):
    body = bodies["smplx"]
    jaw = smpl2mjcf.joint_positions(body)[body.joint_names.index("jaw")]
    with pytest.raises(smpl2mjcf.HumanoidError, match="not closed"):
        smpl2mjcf.build_humanoid(reopened(body, jaw + [0, -0.2, 0.1], skinned_to="jaw"))


def test_a_component_that_is_no_eyeball_is_refused(bodies):
    body = bodies["smplx"]
    weights = body.weights.copy()
    ball = weights[:, body.joint_names.index("left_eye")] == 1
    weights[ball] = 0
    weights[ball, body.joint_names.index("head")] = 1
    with pytest.raises(smpl2mjcf.HumanoidError, match="2 separate pieces, the smallest of 1088 faces"):
        smpl2mjcf.build_humanoid(replace(body, weights=weights))
