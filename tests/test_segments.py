"""The cuts and their moments, judged by trimesh, closed forms and the mesh's own total."""

import numpy as np
import pytest
import trimesh

import smpl2mjcf
from smpl2mjcf.body import joint_positions, shaped_vertices
from smpl2mjcf.cut_plan import Cut, Plane
from smpl2mjcf.errors import HumanoidError
from smpl2mjcf.segments import cut_up, matter, require_closed, split, whole


def solids():
    return {
        "sphere": trimesh.creation.icosphere(subdivisions=3, radius=0.7),
        "torus": trimesh.creation.torus(0.8, 0.3),  # a plane through it makes two loops, one in the other
        "box": trimesh.creation.box(extents=(1.0, 2.0, 0.5)),
    }


@pytest.mark.parametrize("name", solids())
def test_moments_of_a_whole_solid_are_trimesh_s(name):
    mesh = solids()[name]
    mesh.apply_translation([0.3, -1.2, 2.0])
    found = matter(mesh.triangles)
    assert found.volume == pytest.approx(mesh.volume, rel=1e-12)
    np.testing.assert_allclose(found.centroid, mesh.center_mass, rtol=1e-11)
    tensor = found.volume * (np.trace(found.covariance) * np.eye(3) - found.covariance)
    np.testing.assert_allclose(tensor, mesh.moment_inertia, rtol=1e-9, atol=1e-12)


def test_a_box_has_its_closed_form_covariance():
    covariance = matter(solids()["box"].triangles).covariance
    np.testing.assert_allclose(covariance, np.diag([1.0, 4.0, 0.25]) / 12, atol=1e-14)


@pytest.mark.parametrize("name", solids())
@pytest.mark.parametrize("seed", range(5))
def test_a_cut_piece_is_trimesh_s_capped_slice(name, seed):
    rng = np.random.default_rng(seed)
    mesh = solids()[name]
    plane = Plane(rng.normal(scale=0.1, size=3), rng.normal(size=3))
    inside, outside = split(mesh.triangles, plane)
    sliced = trimesh.intersections.slice_mesh_plane(mesh, plane.normal, plane.point, cap=True)
    found = matter(inside)
    assert found.volume == pytest.approx(sliced.volume, rel=1e-9)
    np.testing.assert_allclose(found.centroid, sliced.center_mass, atol=1e-9)
    both = found + matter(outside)
    whole = matter(mesh.triangles)
    assert both.volume == pytest.approx(whole.volume, rel=1e-12)
    np.testing.assert_allclose(both.second, whole.second, atol=1e-12)


def test_cuts_through_cuts_stay_exact():
    """An octant of a box, cut by three planes through its middle, is an eighth of it."""
    box = solids()["box"].triangles
    origin = np.zeros(3)
    cuts = [Cut("rest", Plane(origin, np.eye(3)[0]), "octant", "rest")]
    cuts += [Cut("octant", Plane(origin, axis), "octant", "rest") for axis in np.eye(3)[1:]]
    corners, faces = box.reshape(-1, 3), np.arange(3 * len(box)).reshape(-1, 3)
    pieces = cut_up(corners, faces, cuts, {"rest": whole(faces)})
    pieces = {name: piece.chain(corners, faces) for name, piece in pieces.items()}
    assert matter(pieces["octant"]).volume == pytest.approx(1 / 8, rel=1e-12)
    np.testing.assert_allclose(matter(pieces["octant"]).centroid, [0.25, 0.5, 0.125], atol=1e-12)
    assert matter(pieces["rest"]).volume == pytest.approx(7 / 8, rel=1e-12)


def test_a_plane_through_vertices_and_edges_is_no_special_case():
    box = solids()["box"].triangles
    inside, outside = split(box, Plane(np.array([0.5, 1.0, 0.25]), np.array([1.0, 0.5, 0.0])))
    assert matter(inside).volume == pytest.approx(0.0, abs=1e-15)
    assert matter(outside).volume == pytest.approx(1.0)


def test_pieces_of_the_default_body_sum_to_its_mesh(default_body, body_chains):
    rng = np.random.default_rng(0)
    for _ in range(5):
        betas = rng.uniform(-2, 2, default_body.num_betas)
        vertices = shaped_vertices(default_body, betas)
        named = dict(zip(default_body.joint_names, joint_positions(default_body, betas)))
        pieces = body_chains(vertices, default_body.faces, named)
        volume = sum(matter(piece).volume for piece in pieces.values())
        assert set(pieces) == set(default_body.joint_names)
        assert volume == pytest.approx(
            trimesh.Trimesh(vertices, default_body.faces, process=False).volume, rel=1e-10
        )


def test_an_open_mesh_is_refused_with_the_number_of_open_edges():
    box = solids()["box"]
    with pytest.raises(HumanoidError, match="not closed: 3 of its 18 edges"):
        require_closed(np.asarray(box.vertices), np.asarray(box.faces)[:-1])


def test_faces_inside_out_are_refused():
    box = solids()["box"]
    one_flipped = np.array(box.faces)
    one_flipped[0] = one_flipped[0][::-1]
    for faces in (one_flipped, np.asarray(box.faces)[:, ::-1]):
        with pytest.raises(HumanoidError, match="turned inside out"):
            require_closed(np.asarray(box.vertices), faces)


def test_two_closed_pieces_are_refused():
    """A stray component's matter would be counted wherever it lies."""
    box, ball = solids()["box"], solids()["sphere"]
    vertices = np.concatenate([box.vertices, ball.vertices + 3])
    faces = np.concatenate([box.faces, ball.faces + len(box.vertices)])
    with pytest.raises(HumanoidError, match="2 separate pieces, the smallest of 12 faces"):
        require_closed(vertices, faces)
    require_closed(vertices, np.asarray(box.faces))  # vertices that no face uses are no piece


def test_the_open_template_is_refused_by_the_builder(default_body):
    from dataclasses import replace

    with pytest.raises(HumanoidError, match="not closed"):
        smpl2mjcf.build_humanoid(replace(default_body, faces=default_body.faces[1:]))
