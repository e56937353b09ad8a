"""How the mesh is cut, judged by trimesh's capped slices along planes written down again here."""

import numpy as np
import pytest
import trimesh

import smpl2mjcf
from smpl2mjcf import deleva
from smpl2mjcf.inertia import LEAST_NECK_SHARE, _shares
from smpl2mjcf.segments import matter

UP = np.array([0.0, 1.0, 0.0])
THIGH_ANGLE = np.deg2rad(37)  # de Leva's thigh plane against the sagittal plane


def unit(vector):
    return vector / np.linalg.norm(vector)


@pytest.fixture(scope="module", params=["mean", "broad", "tall"])
def shape(request, default_body, body_chains):
    betas = np.zeros(10)
    betas[{"mean": 2, "broad": 1, "tall": 0}[request.param]] = 0.0 if request.param == "mean" else 2.0
    vertices = smpl2mjcf.shaped_vertices(default_body, betas)
    joints = dict(zip(default_body.joint_names, smpl2mjcf.joint_positions(default_body, betas)))
    mesh = trimesh.Trimesh(vertices, default_body.faces, process=False)
    pieces = body_chains(vertices, default_body.faces, joints)
    return default_body, betas, joints, mesh, pieces


def sliced(mesh, *planes):
    """A mesh clipped by (point, normal) half-spaces, capped by trimesh."""
    for point, normal in planes:
        mesh = trimesh.intersections.slice_mesh_plane(mesh, unit(normal), point, cap=True)
    return mesh


def limb_planes(j, joint):
    """The half-spaces of each cut-off part of the left side, and the next cut down the limb."""
    shoulder, elbow, wrist, hand = (j[f"left_{n}"] for n in ("shoulder", "elbow", "wrist", "hand"))
    hip, knee, ankle, foot = (j[f"left_{n}"] for n in ("hip", "knee", "ankle", "foot"))
    level = (foot - ankle) * [1, 0, 1]
    arm = [(shoulder, elbow - shoulder), (shoulder - [0, 0.13, 0], UP)]
    outer_thigh = np.array([np.cos(THIGH_ANGLE), -np.sin(THIGH_ANGLE), 0])
    leg = [(j["pelvis"], np.array([1.0, 0, 0])), (hip, outer_thigh), (hip + [0, 0.2, 0], -UP)]
    cuts = {
        "shoulder": (arm, (elbow, unit(elbow - shoulder) + unit(wrist - elbow))),
        "elbow": (arm, (wrist, unit(wrist - elbow) + unit(hand - wrist))),
        "wrist": (arm, (hand, hand - wrist)),
        "hand": (arm, None),
        "hip": (leg, (knee, unit(knee - hip) + unit(ankle - knee))),
        "knee": (leg, (ankle, -UP)),
        "ankle": (leg, (foot, level)),
        "foot": (leg, None),
    }
    order = (
        ["shoulder", "elbow", "wrist", "hand"]
        if joint in ("shoulder", "elbow", "wrist", "hand")
        else ["hip", "knee", "ankle", "foot"]
    )
    base, below = cuts[joint]
    above = order[: order.index(joint)]
    planes = [*base, *(cuts[name][1] for name in above)]
    return planes if below is None else [*planes, (below[0], -below[1])]


@pytest.mark.parametrize("joint", ["shoulder", "elbow", "wrist", "hand", "hip", "knee", "ankle", "foot"])
def test_limb_pieces_are_trimesh_s_slices(shape, joint):
    _, _, joints, mesh, pieces = shape
    if joint in ("hip", "knee", "ankle", "foot"):
        # The hands of a T-pose lie beyond the thigh's plane: take the arms off first.
        for side in (1, -1):
            shoulder = joints["left_shoulder"] * [side, 1, 1]
            mesh = sliced(mesh, (shoulder + [0.1 * side, 0, 0], np.array([-side, 0.0, 0.0])))
    expected = sliced(mesh, *limb_planes(joints, joint))
    found = matter(pieces[f"left_{joint}"])
    assert found.volume == pytest.approx(expected.volume, rel=1e-9)
    np.testing.assert_allclose(found.centroid, expected.center_mass, atol=1e-9)


def test_head_and_neck_are_trimesh_s_slices(shape):
    """Less what the arms took first: raised shoulders of a broad body reach beyond the neck's plane."""
    _, _, joints, mesh, pieces = shape
    normal = unit(joints["head"] - joints["neck"]) + UP
    arms = []
    for side in ("left", "right"):
        shoulder, elbow, wrist = (joints[f"{side}_{n}"] for n in ("shoulder", "elbow", "wrist"))
        below = unit(UP - (UP @ unit(wrist - shoulder)) * unit(wrist - shoulder))
        armpit = shoulder - np.linalg.norm(elbow - shoulder) / 2 * below
        arms.append([(shoulder, elbow - shoulder), (armpit, below)])

    def volume(part):
        whole = sliced(mesh, *part)
        return whole.volume - sum(sliced_volume(whole, arm) for arm in arms)

    neck_plane, head_plane = (joints["neck"], normal), (joints["head"], normal)
    both = matter(pieces["neck"]).volume + matter(pieces["head"]).volume
    assert both == pytest.approx(volume([neck_plane]), rel=1e-9)
    assert matter(pieces["head"]).volume == pytest.approx(volume([neck_plane, head_plane]), rel=1e-9)


def sliced_volume(mesh, planes):
    """Of a mesh that the half-spaces may leave nothing of."""
    for plane in planes:
        if (mesh.vertices - plane[0]).dot(plane[1]).max() <= 0:
            return 0.0
        mesh = sliced(mesh, plane)
    return mesh.volume


def test_trunk_pieces_lie_between_their_joints(shape):
    _, _, joints, _, pieces = shape
    heights = [joints[f"spine{k}"][1] for k in (1, 2, 3)]
    for name, low, high in (
        ("pelvis", -np.inf, heights[0]),
        ("spine1", heights[0], heights[1]),
        ("spine2", heights[1], heights[2]),
        ("spine3", heights[2], np.inf),
        ("left_collar", heights[2], np.inf),
    ):
        y = pieces[name].reshape(-1, 3)[:, 1]
        assert y.min() > low - 1e-12
        assert y.max() < high + 1e-12
        assert matter(pieces[name]).volume > 0
    assert pieces["left_collar"].reshape(-1, 3)[:, 0].min() > -1e-12


@pytest.mark.parametrize("sex", ["female", "male"])
def test_trunk_parts_have_de_leva_s_masses(shape, sex):
    """Each trunk body is the sum of its slices, each with its part's mass over its part's volume."""
    body, betas, joints, _, pieces = shape
    table = deleva.segments(sex)
    lengths = {"female": (0.1815, 0.2053, 0.4979), "male": (0.1457, 0.2155, 0.5155)}[sex]  # table, metres
    low = (joints["left_hip"] + joints["right_hip"])[1] / 2
    high = (joints["left_shoulder"] + joints["right_shoulder"])[1] / 2
    omphalion = low + lengths[0] / lengths[2] * (high - low)
    xiphion = low + (lengths[0] + lengths[1]) / lengths[2] * (high - low)
    bands = {
        "lower_trunk": (-np.inf, omphalion),
        "mid_trunk": (omphalion, xiphion),
        "upper_trunk": (xiphion, np.inf),
    }
    names = ("pelvis", "spine1", "spine2", "spine3", "left_collar", "right_collar")
    volumes = {
        part: {name: band_volume(pieces[name], *limits) for name in names} for part, limits in bands.items()
    }
    human = smpl2mjcf.build_humanoid(body, betas, sex=sex)
    mass = human.mass
    for name in names:
        expected = sum(
            mass * table[part].mass * volumes[part][name] / sum(volumes[part].values()) for part in bands
        )
        found = human.inertias[body.joint_names.index(name)].mass
        assert found == pytest.approx(expected, abs=1e-4 * mass), name  # band_volume's own error


def band_volume(chain, low, high):
    """Volume of a closed chain between two heights, without cutting it.

    The flux of the field (0, clamp(y, low, high), 0): its divergence is 1 in the band and 0 outside. By the
    centroid rule on triangles halved three times, which errs by some 1e-5 of the trunk.
    """
    for _ in range(3):
        a, b, c = chain[:, 0], chain[:, 1], chain[:, 2]
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        corners = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        chain = np.concatenate([np.stack(triangle, axis=1) for triangle in corners])
    area_normal = np.cross(chain[:, 1] - chain[:, 0], chain[:, 2] - chain[:, 0])[:, 1] / 2
    return float(np.clip(chain[:, :, 1].mean(axis=1), max(low, -9), min(high, 9)) @ area_normal)


def test_a_vanishing_neck_keeps_its_floor():
    """Some SMPL shapes leave the neck's slab next to nothing."""
    np.testing.assert_allclose(_shares([0.02, 0.98], "head"), [LEAST_NECK_SHARE, 1 - LEAST_NECK_SHARE])
    np.testing.assert_allclose(_shares([0.3, 0.7], "head"), [0.3, 0.7])
    np.testing.assert_allclose(_shares([0.02, 0.98], "left_foot"), [0.02, 0.98])


@pytest.mark.parametrize("droop_deg", [0, 15, 25])
def test_an_arm_that_droops_stays_whole(default_body, droop_deg, body_chains):
    """SMPL-family templates hang their arms a little; the hand must not fall to the trunk."""
    angle = np.deg2rad(droop_deg)
    vertices, joints = default_body.v_template.copy(), smpl2mjcf.joint_positions(default_body)
    for side, sign in (("left", -1), ("right", 1)):
        shoulder = joints[default_body.joint_names.index(f"{side}_shoulder")].copy()
        names = [f"{side}_{part}" for part in ("shoulder", "elbow", "wrist", "hand")]
        index = [default_body.joint_names.index(name) for name in names]
        weight = default_body.weights[:, index].sum(axis=1, keepdims=True)
        c, s = np.cos(sign * angle), np.sin(sign * angle)
        turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
        vertices += weight * ((vertices - shoulder) @ turn.T + shoulder - vertices)
        joints[index] = (joints[index] - shoulder) @ turn.T + shoulder
    pieces = body_chains(vertices, default_body.faces, dict(zip(default_body.joint_names, joints)))
    rest = body_chains(
        default_body.v_template,
        default_body.faces,
        dict(zip(default_body.joint_names, smpl2mjcf.joint_positions(default_body))),
    )
    for part in ("elbow", "wrist", "hand"):
        name = f"left_{part}"
        assert matter(pieces[name]).volume == pytest.approx(matter(rest[name]).volume, rel=0.01), name


def test_a_broad_flank_is_not_arm(default_body, body_chains):
    """Two units of adiposity reach beyond the shoulder's plane at the hips; the arm piece must not."""
    betas = np.zeros(10)
    betas[1] = betas[5] = 3.0
    vertices = smpl2mjcf.shaped_vertices(default_body, betas)
    joints = dict(zip(default_body.joint_names, smpl2mjcf.joint_positions(default_body, betas)))
    flank = vertices[vertices[:, 1] < joints["spine1"][1]]
    assert flank[:, 0].max() > joints["left_shoulder"][0]
    pieces = body_chains(vertices, default_body.faces, joints)
    assert pieces["left_shoulder"].reshape(-1, 3)[:, 1].min() > joints["spine2"][1]
