"""Meshes that cross themselves, fold, are open or have their joints elsewhere: found, judged, refused.

The judges are coal (the collision library that pin brings along), closed forms, the solid angle of a
triangle (van Oosterom and Strackee 1983, doi 10.1109/TBME.1983.325207) and trimesh.
"""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf import crossings
from smpl2mjcf.body import shaped_vertices
from smpl2mjcf.crossings import crossing_faces
from smpl2mjcf.mesh_checks import LARGEST_MISJUDGED_SHARE, mesh_faults
from smpl2mjcf.shape import shape_of
from smpl2mjcf.surface import closed_surface
from smpl2mjcf.winding import enclosed

SEXES = ("neutral", "female", "male")


def betas_of(**single):
    """(10,) betas, by index: betas_of(b1=8)."""
    betas = np.zeros(10)
    for name, value in single.items():
        betas[int(name[1:])] = value
    return betas


def posed(body, rotvecs):
    """(V, 3) m, the skin by linear blend skinning, from the definition."""
    rest = body.joint_regressor @ body.v_template
    turned = Rotation.from_rotvec(rotvecs).as_matrix()
    orientation, place = np.zeros((len(rest), 3, 3)), np.zeros((len(rest), 3))
    for j, parent in enumerate(body.parents):
        above, at = (np.eye(3), np.zeros(3)) if parent < 0 else (orientation[parent], place[parent])
        orientation[j] = above @ turned[j]
        place[j] = at + above @ (rest[j] - (0 if parent < 0 else rest[parent]))
    shift = place - np.einsum("jab,jb->ja", orientation, rest)
    turn = np.einsum("vj,jab->vab", body.weights, orientation)
    return np.einsum("vab,vb->va", turn, body.v_template) + body.weights @ shift


# --- faces that cross ---


@pytest.mark.parametrize("sex", SEXES)
def test_no_face_of_a_default_body_crosses_another(sex):
    body = smpl2mjcf.default_body(sex)
    assert crossing_faces(body.v_template, body.faces).shape == (0, 2)


@pytest.mark.parametrize("single", [{"b1": 5}, {"b1": 8}, {"b1": -8}, {"b1": -15}, {"b5": -15}], ids=str)
def test_crossing_faces_of_far_shapes_are_coal_s(default_body, single, pairs_by_coal):
    """Symmetric bodies: thighs that overlap meet edge on edge in the plane between them."""
    vertices = shaped_vertices(default_body, betas_of(**single))
    found = crossing_faces(vertices, default_body.faces)
    assert len(found) > 30
    np.testing.assert_array_equal(found, pairs_by_coal(vertices, default_body.faces))


@pytest.mark.parametrize("seed", range(4))
def test_crossing_faces_of_posed_bodies_are_coal_s(default_body, seed, pairs_by_coal):
    turns = np.random.default_rng(seed).normal(scale=1.0, size=(24, 3))
    vertices = posed(default_body, turns)
    found = crossing_faces(vertices, default_body.faces)
    assert len(found) > 300
    np.testing.assert_array_equal(found, pairs_by_coal(vertices, default_body.faces))


def soup(count, spread, seed):
    """Triangles apart, of sizes that differ by `spread` powers of e."""
    rng = np.random.default_rng(seed)
    size = 0.05 * rng.lognormal(sigma=spread, size=(count, 1, 1))
    corners = rng.normal(size=(count, 1, 3)) + size * rng.normal(size=(count, 3, 3))
    return corners.reshape(-1, 3), np.arange(3 * count).reshape(-1, 3)


@pytest.mark.parametrize("spread", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(3))
def test_crossing_faces_of_a_soup_are_coal_s(spread, seed, pairs_by_coal):
    vertices, faces = soup(3000, spread, seed)
    found = crossing_faces(vertices, faces)
    assert len(found) > 20
    np.testing.assert_array_equal(found, pairs_by_coal(vertices, faces))


def test_crossings_do_not_depend_on_the_size_of_the_blocks(monkeypatch):
    vertices, faces = soup(2000, 1.5, 7)
    whole = crossing_faces(vertices, faces)
    monkeypatch.setattr(crossings, "BLOCK", 50)
    np.testing.assert_array_equal(crossing_faces(vertices, faces), whole)


def test_crossings_stay_where_the_mesh_goes():
    vertices, faces = soup(1000, 1.0, 3)
    turn = Rotation.from_rotvec([0.3, -1.1, 0.4]).as_matrix()
    moved = 40.0 * vertices @ turn.T + [100.0, -300.0, 20.0]
    np.testing.assert_array_equal(crossing_faces(moved, faces), crossing_faces(vertices, faces))


@pytest.mark.parametrize(
    ("second", "crosses"),
    [
        ([(0.2, 0.2, -1), (0.2, 0.2, 1), (3, 3, 0)], True),  # an edge through the inside
        ([(0.2, 0.2, 0), (0.2, 0.2, 1), (3, 3, 1)], True),  # a corner upon it
        ([(0.5, 0, -1), (0.5, 0, 1), (0.5, -1, 0)], True),  # edge upon edge
        ([(0.2, 0.2, 0.1), (0.2, 0.2, 1), (3, 3, 0.1)], False),  # above it
        ([(0.1, 0.1, 0), (0.3, 0.1, 0), (0.1, 0.3, 0)], False),  # within it, in its plane
        ([(5, 5, 0), (6, 5, 0), (5, 6, 0)], False),  # beside it, in its plane
        ([(0.6, 0.6, -1), (0.6, 0.6, 1), (3, 3, 0)], False),  # boxes meet, faces do not
    ],
)
def test_two_triangles(second, crosses):
    vertices = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), *second], dtype=np.float64)
    for faces in ([(0, 1, 2), (3, 4, 5)], [(4, 5, 3), (1, 2, 0)], [(0, 2, 1), (5, 4, 3)]):
        assert len(crossing_faces(vertices, np.array(faces))) == crosses


def test_faces_that_are_points_cross_nothing():
    assert len(crossing_faces(np.zeros((6, 3)), np.arange(6).reshape(2, 3))) == 0


# --- the volume that a surface winds around ---


def balls(*centres_and_radii):
    meshes = [trimesh.creation.icosphere(4, radius) for _, radius in centres_and_radii]
    for mesh, (centre, _) in zip(meshes, centres_and_radii):
        mesh.apply_translation(centre)
    whole = trimesh.util.concatenate(meshes)
    return np.asarray(whole.vertices), np.asarray(whole.faces)


RAYS = 0.003  # relative: 12 000 rays through balls of 5120 faces


def test_balls_that_overlap_count_their_lens_twice():
    r, distance = 0.5, 0.7
    lens = np.pi * (4 * r + distance) * (2 * r - distance) ** 2 / 12
    vertices, faces = balls(((0.1, 0.2, 0.3), r), ((0.1 + distance * 0.6, 0.2 + distance * 0.8, 0.3), r))
    found = enclosed(vertices, faces)
    assert found.misjudged == pytest.approx(lens, rel=2 * RAYS)
    assert found.signed == pytest.approx(2 * 4 / 3 * np.pi * r**3, rel=RAYS)
    assert found.covered == pytest.approx(found.signed - lens, rel=RAYS)


def test_a_ball_inside_out_counts_less_than_not_at_all():
    vertices, faces = balls(((0, 0, 0), 0.4))
    found = enclosed(vertices, faces[:, ::-1])
    assert found.signed == pytest.approx(-4 / 3 * np.pi * 0.4**3, rel=RAYS)
    assert found.misjudged == pytest.approx(2 * found.covered)


def test_a_hollow_is_misjudged_by_nothing():
    vertices, faces = balls(((0, 0, 0), 0.4), ((0.1, 0, 0), 0.2))
    inner = np.arange(len(faces)) >= len(faces) // 2
    faces[inner] = faces[inner][:, ::-1]
    found = enclosed(vertices, faces)
    assert found.misjudged == 0
    assert found.covered == pytest.approx(4 / 3 * np.pi * (0.4**3 - 0.2**3), rel=RAYS)


def test_rays_along_the_edges_of_a_box_are_met_once():
    """Corners on the rays themselves: neighbours must agree whose a ray through their edge is."""
    box = trimesh.creation.box(extents=(0.2, 0.2, 0.2)).subdivide().subdivide()
    vertices = np.asarray(box.vertices) + 0.1
    found = enclosed(vertices + [0.00381966, 0.00618034, 0], np.asarray(box.faces))
    assert found.misjudged == 0
    assert found.signed == pytest.approx(0.008, rel=0.11)  # a row of rays more or less in twenty


@pytest.mark.parametrize("sex", SEXES)
def test_the_volume_of_a_body_is_trimesh_s(sex):
    body = smpl2mjcf.default_body(sex)
    found = enclosed(body.v_template, body.faces)
    assert found.signed == pytest.approx(
        trimesh.Trimesh(body.v_template, body.faces, process=False).volume, rel=2e-3
    )
    assert found.misjudged == 0


def winding_numbers(points, vertices, faces):
    """(N,) by the faces' solid angles."""
    numbers = []
    for point in points:
        a, b, c = (vertices - point)[faces].transpose(1, 0, 2)
        la, lb, lc = (np.linalg.norm(x, axis=1) for x in (a, b, c))
        over = np.einsum("fi,fi->f", a, np.cross(b, c))
        under = la * lb * lc + lc * np.einsum("fi,fi->f", a, b)
        under += la * np.einsum("fi,fi->f", b, c) + lb * np.einsum("fi,fi->f", c, a)
        numbers.append(2 * np.arctan2(over, under).sum() / (4 * np.pi))
    return np.array(numbers)


def test_the_volume_that_thighs_count_twice_is_that_of_the_solid_angles(default_body):
    vertices = shaped_vertices(default_body, betas_of(b1=15))
    met = vertices[default_body.faces[np.unique(crossing_faces(vertices, default_body.faces))]].reshape(-1, 3)
    low, high = met.min(axis=0), met.max(axis=0)  # where it overlaps lies between the faces that cross
    points = np.random.default_rng(0).uniform(low, high, (600, 3))
    twice = np.round(winding_numbers(points, vertices, default_body.faces)) == 2
    share = twice.mean()
    expected = share * np.prod(high - low)
    found = enclosed(vertices, default_body.faces)
    spread = np.sqrt((1 - share) / share / len(points))
    assert twice.sum() > 20
    assert found.misjudged == pytest.approx(expected, rel=4 * spread)


# --- shapes ---


@pytest.mark.parametrize("sex", SEXES)
def test_everyday_shapes_are_not_remarked_on(sex):
    """Every beta alone at +-3 and sixty at random: neither warned of (warnings are errors) nor at fault."""
    body = smpl2mjcf.default_body(sex)
    singles = [sign * 3 * row for row in np.eye(10) for sign in (1, -1)]
    for betas in [*singles, *np.random.default_rng(0).uniform(-3, 3, (60, 10))]:
        faults = mesh_faults(body, betas, closed_surface(body, shaped_vertices(body, betas)))
        assert len(faults.turned) == 0
        assert faults.misjudged_share < 1e-4
        assert not faults.is_reported


def test_thighs_that_overlap_are_warned_of_with_figures(default_body, pairs_by_coal):
    betas = betas_of(b1=8)
    vertices = shaped_vertices(default_body, betas)
    count = len(np.unique(pairs_by_coal(vertices, default_body.faces)))
    said = rf"{count} of its 13776 faces cross others \(between left_hip/right_hip\), 0\.\d+ L .*largest: 8\)"
    with pytest.warns(UserWarning, match=said) as caught:
        shape_of(default_body, betas)
    assert len(caught) == 1


def test_beyond_everyday_betas_crossings_are_searched_whatever_the_rays_say(default_body, pairs_by_coal):
    found = []
    for size in (3, 5):
        betas = betas_of(b1=size)
        surface = closed_surface(default_body, shaped_vertices(default_body, betas))
        faults = mesh_faults(default_body, betas, surface)
        assert faults.misjudged_share == 0
        found.append(faults.crossing)
    assert found[0] is None
    np.testing.assert_array_equal(found[1], pairs_by_coal(surface.vertices, surface.faces))


def test_the_warning_points_at_who_built(default_body):
    with pytest.warns(UserWarning, match="crosses itself") as caught:
        smpl2mjcf.build_humanoid(default_body, betas_of(b1=8))
    assert caught[0].filename == __file__


@pytest.mark.parametrize("single", [{"b1": 15}, {"b1": -8}], ids=str)
def test_shapes_whose_volumes_are_wrong_are_refused(default_body, single):
    with pytest.raises(smpl2mjcf.HumanoidError, match="the mesh folds: .* faces cross .* use smaller betas"):
        shape_of(default_body, betas_of(**single))


@pytest.mark.parametrize("size", [8.0, 15.0, 30.0])
def test_far_betas_end_in_a_body_a_warning_or_one_clear_error(default_body, size, pairs_by_coal):
    """What is built without a word is whole: coal finds no more crossing faces than in daily poses."""
    rng = np.random.default_rng(int(size))
    ends = {"body": 0, "warning": 0, "error": 0}
    signs = np.diag(size * np.tile([1, -1], 5))
    for betas in [*signs, -signs[1], *rng.uniform(-size, size, (4, 10))]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                shape = shape_of(default_body, betas)
        except smpl2mjcf.Error:
            ends["error"] += 1
        except UserWarning:
            ends["warning"] += 1
        else:
            ends["body"] += 1
            crossing = np.unique(pairs_by_coal(shape.vertices, default_body.faces))
            assert len(crossing) <= 0.01 * len(default_body.faces)
    assert min(ends["body"], ends["error"]) > 0, ends


def test_a_hand_that_is_inside_out_is_warned_of(default_body):
    """Too little volume to count, but 5 % of the faces."""
    hand = default_body.weights[:, default_body.joint_names.index("left_hand")] > 0.5
    shapedirs = np.zeros((len(hand), 3, 1))
    middle = default_body.v_template[hand].mean(axis=0)
    shapedirs[hand, :, 0] = middle - default_body.v_template[hand]
    body = replace(default_body, shapedirs=shapedirs, shape_names=())
    with pytest.warns(UserWarning, match=r"\d+ faces are turned over"):
        shape = shape_of(body, [1.7])
    assert mesh_faults(body, shape.betas, shape.surface).misjudged_share < LARGEST_MISJUDGED_SHARE


# --- files ---


def saved(body, path, **other):
    arrays = {
        "v_template": body.v_template,
        "shapedirs": body.shapedirs,
        "J_regressor": body.joint_regressor,
        "weights": body.weights,
        "f": body.faces,
        "kintree_table": np.stack([body.parents, np.arange(body.num_joints)]),
        "family": body.family,
        "sex": body.sex,
    }
    np.savez(path, **(arrays | other))
    return smpl2mjcf.load_body(path)


def legs_together(body, by):
    """(V, 3) m, the template with each leg moved by so many metres towards the other."""
    leg = [body.joint_names.index(f"left_{part}") for part in ("knee", "ankle", "foot")]
    other = [body.joint_names.index(f"right_{part}") for part in ("knee", "ankle", "foot")]
    shift = body.weights[:, other].sum(axis=1) - body.weights[:, leg].sum(axis=1)
    return body.v_template + by * shift[:, None] * [1, 0, 0]


def test_a_file_whose_template_crosses_itself_is_warned_of_then_refused(default_body, tmp_path):
    said = r"faces cross others \(between left_knee/right_knee.*the body file's own mean shape cross"
    body = saved(default_body, tmp_path / "a.npz", v_template=legs_together(default_body, 0.06))
    with pytest.warns(UserWarning, match=said):
        smpl2mjcf.build_humanoid(body)
    body = saved(default_body, tmp_path / "b.npz", v_template=legs_together(default_body, 0.08))
    with pytest.raises(smpl2mjcf.HumanoidError, match=said):
        smpl2mjcf.build_humanoid(body)


def test_an_open_file_is_refused(default_body, tmp_path):
    body = saved(default_body, tmp_path / "open.npz", f=default_body.faces[:-1])
    with pytest.raises(smpl2mjcf.HumanoidError, match="not closed: 3 of its 20664 edges"):
        smpl2mjcf.build_humanoid(body)


def exchanged(body, names, *tables):
    """The body's arrays with joints in another order; `tables` of the joints that go with it."""
    order = [body.joint_names.index(names.get(name, name)) for name in body.joint_names]
    place = np.argsort(order)
    parents = np.array(body.parents)[order]
    parents = np.where(parents < 0, -1, place[parents])
    all_tables = {
        "J_regressor": body.joint_regressor[order],
        "weights": body.weights[:, order],
        "kintree_table": np.stack([parents, np.arange(len(order))]),
    }
    return {name: all_tables[name] for name in tables}


def both_ways(*pairs):
    return {a: b for pair in pairs for a, b in (pair, pair[::-1])}


def test_a_file_with_joints_in_another_order_is_refused(default_body, tmp_path):
    tables = exchanged(
        default_body, both_ways(("left_hip", "spine1")), "J_regressor", "weights", "kintree_table"
    )
    with pytest.raises(smpl2mjcf.BodyFileError, match="its joints are in another order"):
        saved(default_body, tmp_path / "order.npz", **tables)


LEFT = [name for name in smpl2mjcf.default_body().joint_names if name.startswith("left")]


@pytest.mark.parametrize(
    "pairs",
    [
        [(name, name.replace("left", "right")) for name in LEFT],
        [("left_knee", "right_knee")],
        [("left_shoulder", "right_shoulder")],
        [("left_hip", "spine1")],
        [("left_collar", "neck")],
        [("neck", "head")],
        [("spine1", "spine2")],
        [("left_foot", "left_ankle")],
        [("left_elbow", "left_wrist")],
        [("left_hip", "left_knee")],
    ],
    ids=lambda pairs: f"{pairs[0][0]}-{pairs[0][1]}-{len(pairs)}",
)
def test_a_file_whose_joints_lie_in_another_order_is_refused(default_body, tmp_path, pairs):
    """Orders that fit the tree of parents: only where the joints lie tells."""
    body = saved(
        default_body, tmp_path / "o.npz", **exchanged(default_body, both_ways(*pairs), "J_regressor")
    )
    with pytest.raises(smpl2mjcf.HumanoidError, match="joint '.*' does not lie .* in another order"):
        smpl2mjcf.build_humanoid(body)


@pytest.mark.parametrize("turn", [(-1, 1, 1), (-1, 1, -1)], ids=["mirrored", "facing backwards"])
def test_a_file_with_its_left_at_the_right_is_refused(default_body, tmp_path, turn):
    faces = default_body.faces[:, ::-1] if np.prod(turn) < 0 else default_body.faces
    turned = {
        "v_template": default_body.v_template * turn,
        "shapedirs": default_body.shapedirs * np.array(turn)[:, None],
        "f": faces,
    }
    body = saved(default_body, tmp_path / "turned.npz", **turned)
    with pytest.raises(smpl2mjcf.HumanoidError, match="mirrored or turned"):
        smpl2mjcf.build_humanoid(body)
