"""Landmarks and inertial sensors: on the skin, where anatomy puts them, in every shape.

No real SMPL mesh may be here, so published vertex numbers are tested as a table: a mesh whose numbered
vertices lie where the definitions say must be read by number, any other mesh of that size by definition.
"""

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest
import trimesh

import smpl2mjcf
from smpl2mjcf.body import joint_positions, shaped_vertices
from smpl2mjcf.imus import IMU_NAMES, imu_points, imus
from smpl2mjcf.landmarks import (
    ALIASES,
    MARKERS,
    kept_joint,
    landmark_points,
    landmarks,
)
from smpl2mjcf.marker_vertices import BY_VERTEX_COUNT, SOURCES
from smpl2mjcf.skeleton import FINGER_JOINTS, JOINT_NAMES, SMPL_JOINTS, mirror_name, parents_of
from smpl2mjcf.surface_points import Template

PLUG_IN_GAIT = "FHD BHD SHO UPA ELB FRM WRA WRB FIN ASI PSI THI KNE TIB ANK HEE TOE"  # of both sides
NAMES = [name for marker in MARKERS for name in marker.names]
SHAPES = [
    np.zeros(10),
    *np.random.default_rng(7).uniform(-3, 3, (6, 10)),
    3 * np.eye(10)[1],
    -3 * np.eye(10)[1],
]


@pytest.fixture(scope="module", params=["neutral", "female", "male"])
def body(request):
    return smpl2mjcf.default_body(request.param)


def shaped(body, betas):
    vertices = shaped_vertices(body, betas)
    return vertices, dict(zip(body.joint_names, joint_positions(body, betas)))


def in_model_frame(body, betas):
    """Landmark positions (3,) m by name, and the joints."""
    vertices, joints = shaped(body, betas)
    found = landmarks(body, vertices, joints, body.joint_names)
    return {name: landmark.position + joints[landmark.body] for name, landmark in found.items()}, joints


def test_the_set_is_a_full_body_s(default_body):
    assert len(NAMES) == len(set(NAMES)) == len(ALIASES) == 63
    plug_in_gait = "C7 T10 CLAV STRN RBAK " + " ".join(
        f"{side}{name}" for name in PLUG_IN_GAIT.split() for side in "LR"
    )
    assert set(plug_in_gait.split()) <= set(ALIASES)
    found = landmarks(default_body, *shaped(default_body, None), default_body.joint_names)
    assert list(found) == NAMES
    assert {landmark.body for landmark in found.values()} <= set(SMPL_JOINTS)
    assert {landmark.source for landmark in found.values()} == {"definition"}


@pytest.mark.parametrize("betas", SHAPES, ids=range(len(SHAPES)))
def test_all_lie_on_the_skin(body, betas):
    vertices, joints = shaped(body, betas)
    mesh = trimesh.Trimesh(vertices, body.faces, process=False)
    points = list(in_model_frame(body, betas)[0].values())
    points += [imu.position + joints[imu.body] for imu in imus(body, vertices, joints, SMPL_JOINTS).values()]
    distance = trimesh.proximity.closest_point(mesh, points)[1]
    assert distance.max() < 1e-9


@pytest.mark.parametrize("betas", SHAPES, ids=range(len(SHAPES)))
def test_left_and_right_mirror(body, betas):
    where, _ = in_model_frame(body, betas)
    for name, place in where.items():
        np.testing.assert_allclose(where[mirror_name(name)], place * [-1, 1, 1], atol=1e-12, err_msg=name)
    found = imus(body, *shaped(body, betas), SMPL_JOINTS)
    for name, imu in found.items():
        other = found[name.replace("left", "*").replace("right", "left").replace("*", "right")]
        np.testing.assert_allclose(other.position, imu.position * [-1, 1, 1], atol=1e-12)
        np.testing.assert_allclose(other.axes[:, ::2], imu.axes[:, ::2] * [[-1], [1], [1]], atol=1e-12)


def test_positions_are_linear_in_betas(body):
    a, b = SHAPES[1], SHAPES[2]
    mean, one, two, both = (in_model_frame(body, betas)[0] for betas in (0 * a, a, b, a + b))
    for name in NAMES:
        np.testing.assert_allclose(both[name] - two[name], one[name] - mean[name], atol=1e-12)


@pytest.mark.parametrize("betas", SHAPES, ids=range(len(SHAPES)))
def test_definitions_hold_in_every_shape(body, betas):
    """What a definition fixes on the mean shape stays true to 1 cm, or to its share of a limb."""
    where, joints = in_model_frame(body, betas)
    vertices, _ = shaped(body, betas)
    cm = 0.01

    def height(name, joint):
        return abs(where[name][1] - joints[joint][1])

    assert height("c7", "neck") < cm
    assert height("vertex", "head") > 0.1
    assert where["vertex"][1] == pytest.approx(vertices[:, 1].max(), abs=cm / 2)
    for left in ("lateral_malleolus", "medial_malleolus"):
        assert height(f"left_{left}", "left_ankle") < cm
    assert height("left_greater_trochanter", "left_hip") < 1.5 * cm
    for end, start, pair in (
        ("left_knee", "left_hip", ("left_lateral_femoral_epicondyle", "left_medial_femoral_epicondyle")),
        (
            "left_elbow",
            "left_shoulder",
            ("left_lateral_humeral_epicondyle", "left_medial_humeral_epicondyle"),
        ),
        ("left_wrist", "left_elbow", ("left_radial_styloid", "left_ulnar_styloid")),
    ):
        bone = joints[end] - joints[start]
        for name in pair:
            along = (where[name] - joints[start]) @ bone / (bone @ bone)
            assert along == pytest.approx(1, abs=cm / np.linalg.norm(bone)), name
        # The joint lies between the two, nearer to the middle than to either.
        share = (joints[end] - where[pair[0]]) @ (where[pair[1]] - where[pair[0]])
        share /= np.sum((where[pair[1]] - where[pair[0]]) ** 2)
        assert 0.25 < share < 0.75, pair
    feet = vertices[(vertices[:, 0] > 0) & (vertices[:, 1] < joints["left_ankle"][1])]
    forward = (joints["left_foot"] - joints["left_ankle"]) * [1, 0, 1]
    reach = feet @ forward / np.linalg.norm(forward)
    back, front = (where[f"left_{n}"] @ forward / np.linalg.norm(forward) for n in ("heel", "hallux"))
    assert back - reach.min() < cm / 2
    assert reach.max() - front < cm
    hands = vertices[vertices[:, 0] > joints["left_wrist"][0]]
    assert hands[:, 0].max() - where["left_dactylion"][0] < cm
    assert (
        np.abs([where[name][0] for name in ("c7", "t8", "t10", "suprasternale", "xiphoid", "sacrum")]).max()
        < 1e-9
    )


@pytest.mark.parametrize("betas", SHAPES, ids=range(len(SHAPES)))
def test_they_are_in_anatomical_order(body, betas):
    where, joints = in_model_frame(body, betas)
    down = (
        "vertex", "left_front_head", "c7", "suprasternale", "xiphoid", "left_asis", "left_greater_trochanter",
        "left_thigh", "left_lateral_femoral_epicondyle", "left_shank", "left_lateral_malleolus",
        "left_fifth_metatarsal_head",
    )  # fmt: skip
    heights = [where[name][1] for name in down]
    assert heights == sorted(heights, reverse=True)
    back = ("vertex", "left_back_head", "c7", "left_scapula", "t8", "t10", "sacrum")
    heights = [where[name][1] for name in back]
    assert heights == sorted(heights, reverse=True)
    assert where["left_asis"][2] > joints["left_hip"][2] > where["left_psis"][2]
    assert 0 < where["left_psis"][0] < where["left_asis"][0] < where["left_greater_trochanter"][0]
    toes = ("left_heel", "left_lateral_malleolus", "left_fifth_metatarsal_head", "left_first_metatarsal_head",
            "left_hallux")  # fmt: skip
    depths = [where[name][2] for name in toes]
    assert depths == sorted(depths)
    assert where["left_radial_styloid"][2] > where["left_ulnar_styloid"][2]  # palms down: the thumb in front
    assert where["left_lateral_humeral_epicondyle"][1] > where["left_medial_humeral_epicondyle"][1]


# Drillis, Contini 1966 (Body Segment Parameters, report 1166-03), heights as shares of stature: what they
# call hip, knee and ankle are trochanter, knee joint and malleolus.
HEIGHTS = {"left_greater_trochanter": 0.530, "left_lateral_femoral_epicondyle": 0.285}


def test_heights_agree_with_a_survey_s(body):
    where, _ = in_model_frame(body, None)
    sole, stature = body.v_template[:, 1].min(), np.ptp(body.v_template[:, 1])
    for name, share in HEIGHTS.items():
        assert (where[name][1] - sole) / stature == pytest.approx(share, abs=0.02), name
    # Gordon 2014 (ANSUR II): cervicale .866 and suprasternale .820 of stature in both sexes, as quoted.
    assert (where["c7"][1] - sole) / stature == pytest.approx(0.866, abs=0.02)
    assert (where["suprasternale"][1] - sole) / stature == pytest.approx(0.82, abs=0.02)


def test_a_landmark_s_body_moves_its_skin(default_body):
    """Skinning weight of the body, or of its neighbours across a joint where the skin follows both."""
    points = landmark_points(default_body)
    found = landmarks(default_body, *shaped(default_body, None), default_body.joint_names)
    parents = dict(zip(default_body.joint_names, default_body.parents))
    for name, landmark in found.items():
        point, _ = points[name]
        weights = np.asarray(point.weights) @ default_body.weights[list(point.vertices)]
        own = default_body.joint_names.index(landmark.body)
        near = [own, parents[landmark.body], *(j for j, p in enumerate(default_body.parents) if p == own)]
        assert weights[[j for j in near if j >= 0]].sum() > 0.5, name
        assert weights[own] > 0.1, name


# --- by vertex ---


def numbered(default_body, far=()):
    """The default body with the vertices renumbered: the tables' numbers lie where the definitions say.

    far: (marker, source) whose numbers get vertices elsewhere.
    """
    table = BY_VERTEX_COUNT["smpl", 6890]
    points = landmark_points(default_body)
    order = np.full(6890, -1)  # old vertex of each new number
    taken = np.zeros(6890, dtype=bool)
    for marker in MARKERS:
        for source, ids in table.get(marker.name, {}).items():
            for name, number in zip(marker.names, ids):
                if order[number] >= 0:
                    continue  # two sources agree
                place = points[name][0].on(default_body.v_template)
                if (marker.name, source) in far:
                    place = place + [0.0, -0.5, 0.0]
                distance = np.linalg.norm(default_body.v_template - place, axis=1)
                distance[taken] = np.inf
                order[number] = distance.argmin()
                taken[order[number]] = True
    order[order < 0] = np.flatnonzero(~taken)
    new = np.argsort(order)
    return replace(
        default_body,
        family="smpl",
        v_template=default_body.v_template[order],
        shapedirs=default_body.shapedirs[order],
        joint_regressor=default_body.joint_regressor[:, order],
        weights=default_body.weights[order],
        faces=new[default_body.faces],
    )


def test_smpl_s_vertices_are_taken_by_number(default_body):
    body = numbered(default_body)
    vertices, joints = shaped(body, SHAPES[1])
    found = landmarks(body, vertices, joints, body.joint_names)
    for marker in MARKERS:
        sources = BY_VERTEX_COUNT["smpl", 6890][marker.name]
        for side, name in enumerate(marker.names):
            number, source = found[name].source.removeprefix("vertex ").rstrip(")").split(" (")
            assert sources[source][side] == int(number)
            np.testing.assert_allclose(
                found[name].position, vertices[int(number)] - joints[found[name].body], atol=1e-15
            )


def test_where_sources_differ_the_one_nearest_to_the_definition_is_taken(default_body):
    body = numbered(default_body, far={("c7", "mosh"), ("c7", "anthropometry"), ("acromion", "bsm")})
    sources = {name: source for name, (_, source) in landmark_points(body).items()}
    assert sources["c7"] == "vertex 1306 (bsm)"
    assert sources["left_acromion"] == "vertex 1861 (mosh)"


def test_a_number_far_from_the_definition_is_not_believed(default_body):
    body = numbered(default_body, far={("t10", "mosh")})
    points = landmark_points(body)
    assert points["t10"][1] == "definition"
    place = points["t10"][0].on(body.v_template)
    expected = landmark_points(default_body)["t10"][0].on(default_body.v_template)
    np.testing.assert_allclose(place, expected, atol=1e-9)


def test_another_mesh_with_smpl_s_count_is_read_by_definition(default_body):
    body = replace(default_body, family="smpl")
    assert {source for _, source in landmark_points(body).values()} == {"definition"}


def test_the_tables_are_sound():
    for (_, count), table in BY_VERTEX_COUNT.items():
        for name, candidates in table.items():
            (marker,) = (marker for marker in MARKERS if marker.name == name)
            assert set(candidates) <= set(SOURCES)
            for ids in candidates.values():
                assert len(ids) == len(marker.names)
                assert len(set(ids)) == len(ids)
                assert all(0 <= number < count for number in ids)


def test_a_body_whose_joints_lie_outside_is_refused(default_body):
    regressor = default_body.joint_regressor.copy()
    regressor[SMPL_JOINTS.index("left_knee")] *= 1.04  # of 3 m: 12 cm before the shin, and still a Body
    body = replace(default_body, v_template=default_body.v_template + [0, 0, 3.0], joint_regressor=regressor)
    with pytest.raises(smpl2mjcf.HumanoidError, match="no skin from"):
        landmark_points(body)


def test_finger_landmarks_go_with_the_body_that_fingers_were_merged_into():
    body_joints = [name for name in SMPL_JOINTS if not name.endswith("hand")]
    assert kept_joint("hand", "left", SMPL_JOINTS) == "left_hand"
    assert kept_joint("hand", "left", body_joints) == "left_wrist"
    assert kept_joint("hand", "right", [*body_joints, *FINGER_JOINTS]) == "right_middle3"
    assert kept_joint("head", "left", body_joints) == "head"


def test_points_are_worked_out_once_and_go_with_their_body(default_body):
    body = replace(default_body, sex="male")
    for points in (landmark_points, imu_points):
        assert points(body) is points(body)
        assert points(body) is not points(default_body)
    alive = weakref.ref(body)
    del body
    gc.collect()
    assert alive() is None


def test_of_two_skins_a_ray_takes_the_first(default_body):
    """From the hip sideways through the thigh, with the hand hanging beside it: the thigh's skin."""
    template = Template(default_body)
    inside = template.joints["left_hip"]
    point = template.exit(inside, np.array([-1.0, 0.0, 0.0])).on(template.vertices)
    hits = trimesh.Trimesh(template.vertices, default_body.faces, process=False).ray.intersects_location(
        [inside], [[-1.0, 0.0, 0.0]]
    )[0]
    assert np.abs(point - hits).sum(axis=1).min() < 1e-9
    assert point[0] == pytest.approx(hits[:, 0].max(), abs=1e-9)


def with_fingers(default_body):
    """The default body as SMPL-H's layout: all fingers on the line from the wrist through the hand."""
    old = list(default_body.joint_names)
    regressor, weights = [], []
    for name in JOINT_NAMES["smplh"]:
        side, _, part = name.partition("_")
        if name in old:
            regressor.append(default_body.joint_regressor[old.index(name)])
            weights.append(default_body.weights[:, old.index(name)])
        else:
            wrist, hand = (
                default_body.joint_regressor[old.index(f"{side}_{end}")] for end in ("wrist", "hand")
            )
            share = 0.9 + 0.1 * int(part[-1])
            regressor.append((1 - share) * wrist + share * hand)
            tip = part == "middle3"
            weights.append(default_body.weights[:, old.index(f"{side}_hand")] * tip)
    return replace(
        default_body,
        family="smplh",
        joint_names=JOINT_NAMES["smplh"],
        parents=parents_of(JOINT_NAMES["smplh"]),
        joint_regressor=np.array(regressor),
        weights=np.array(weights).T,
    )


def test_bodies_with_fingers_have_the_same_landmarks(default_body):
    body = with_fingers(default_body)
    vertices, joints = shaped(body, SHAPES[1])
    expected, _ = in_model_frame(default_body, SHAPES[1])
    merged = [name for name in body.joint_names if name not in FINGER_JOINTS]
    for kept, tip in ((merged, "left_wrist"), (body.joint_names, "left_middle3")):
        found = landmarks(body, vertices, joints, kept)
        assert list(found) == NAMES
        assert found["left_dactylion"].body == tip
        assert {landmark.body for landmark in found.values()} <= set(kept)
        for name in NAMES:
            # The fingers start elsewhere than SMPL's hand does, by up to 2 cm.
            near = 0.025 if "metacarpal" in name else 1e-9
            place = found[name].position + joints[found[name].body]
            np.testing.assert_allclose(place, expected[name], atol=near, err_msg=name)
        assert len(imus(body, vertices, joints, kept)) == 17


# --- in the model ---


def test_sites_are_where_the_landmarks_are(default_body):
    human = smpl2mjcf.build_humanoid(default_body, SHAPES[1], extras=["markers", "imus"])
    vertices, joints = shaped(default_body, SHAPES[1])
    found = landmarks(default_body, vertices, joints, human.joint_names)
    sensors = imus(default_body, vertices, joints, human.joint_names)
    model = human.spec.compile()
    text = human.spec.to_xml()
    read = mujoco.MjModel.from_xml_string(text)
    assert {model.site(i).name for i in range(model.nsite)} == {*found, *sensors}
    assert [model.site(i).name for i in range(model.nsite)] == [read.site(i).name for i in range(read.nsite)]
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)  # at qpos0 the model frame is the world's
    for name, landmark in found.items():
        np.testing.assert_allclose(
            data.site(name).xpos, landmark.position + joints[landmark.body], atol=1e-12
        )
    for name, imu in sensors.items():
        np.testing.assert_allclose(data.site(name).xmat.reshape(3, 3), imu.axes, atol=1e-12)
    np.testing.assert_allclose(read.site_pos, model.site_pos, atol=5e-7)  # six digits of less than 1 m
    np.testing.assert_allclose(read.site_quat, model.site_quat, atol=2e-6)
    np.testing.assert_allclose(read.site_size, model.site_size, rtol=1e-6)
    again = smpl2mjcf.build_humanoid(default_body, SHAPES[1], extras=["markers", "imus"])
    assert again.spec.to_xml() == text


def test_seventeen_inertial_sensors_with_stated_axes(body):
    assert len(IMU_NAMES) == 17
    assert set(imu_points(body)) == set(IMU_NAMES)
    vertices, joints = shaped(body, None)
    mesh = trimesh.Trimesh(vertices, body.faces, process=False)
    found = imus(body, vertices, joints, SMPL_JOINTS)
    places = [imu.position + joints[imu.body] for imu in found.values()]
    _, _, faces = trimesh.proximity.closest_point(mesh, places)
    for (name, imu), face in zip(found.items(), faces):
        np.testing.assert_allclose(imu.axes.T @ imu.axes, np.eye(3), atol=1e-12)
        assert np.linalg.det(imu.axes) == pytest.approx(1)
        # z leads out of the skin: within 50 degrees of the face's own normal, as calves and backs slope.
        assert imu.axes[:, 2] @ mesh.face_normals[face] > np.cos(np.deg2rad(50)), name
    up = [
        name
        for name in found
        if name.split("_")[-1] in ("head", "sternum", "pelvis", "scapula", "thigh", "shank")
    ]
    assert len(up) == 9
    assert all(found[name].axes[1, 0] > 0.98 for name in up)
    assert found["imu_left_forearm"].axes[0, 0] < -0.95  # along the arm, towards the elbow
    assert found["imu_left_foot"].axes[2, 0] < -0.9  # towards the heel
    assert found["imu_left_foot"].axes[1, 2] == pytest.approx(1)


# --- in words ---


def test_the_page_lists_every_landmark():
    page = (Path(__file__).parents[1] / "docs" / "landmarks.md").read_text()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line[:3] == "| `"
    ]
    expected = [
        [f"`{marker.name}`", ", ".join(marker.aliases), f"`{marker.joint}`", marker.meaning]
        for marker in MARKERS
    ]
    assert [row[:4] for row in rows if len(row) == 6] == expected
    for marker, row in zip(MARKERS, [row for row in rows if len(row) == 6]):
        for cell, key in ((row[4], ("smpl", 6890)), (row[5], ("smplx", 10475))):
            candidates = BY_VERTEX_COUNT[key].get(marker.name, {})
            stated = {f"{'/'.join(map(str, ids))} {source}" for source, ids in candidates.items()}
            assert set(filter(None, cell.split(", "))) == (stated or {"-"}), marker.name
    for name, source in SOURCES.items():
        assert f"**{name}**: {source}" in page
