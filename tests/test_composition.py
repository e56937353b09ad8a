"""The whole body and the trunk against de Leva's printed table; inertia modes; the report."""

import csv
import io

import numpy as np
import pytest
import trimesh

import smpl2mjcf
from smpl2mjcf import inertia_report
from smpl2mjcf.cut_plan import TRUNK_JOINTS, body_cuts
from smpl2mjcf.errors import HumanoidError
from smpl2mjcf.inertia import BODY_DENSITY

Y, Z = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])


@pytest.fixture(scope="module")
def printed(shared):
    """{(segment, origin, endpoint, sex): (mass, com, (sagittal, transverse, longitudinal))}, fractions."""
    rows = {}
    with open(shared / "facts" / "de_leva_1996.csv") as file:
        for row in csv.DictReader(file):
            key = (row["segment"], row["origin"], row["endpoint"], row["sex"])
            radii = [
                float(row[f"rg_{axis}_pct"]) / 100 for axis in ("sagittal", "transverse", "longitudinal")
            ]
            rows[key] = (float(row["mass_pct"]), float(row["cm_pct_from_origin"]) / 100, np.array(radii))
    return rows


def rod(row, start, end, sagittal):
    """(mass, com, covariance) of a printed segment between two points."""
    mass, com, radii = row
    bone = end - start
    length = np.linalg.norm(bone)
    axis = bone / length
    sagittal = sagittal - (sagittal @ axis) * axis
    sagittal = sagittal / np.linalg.norm(sagittal)
    squares = (length * radii) ** 2
    axes = np.stack([sagittal, np.cross(axis, sagittal), axis], axis=1)
    return mass, start + com * bone, (axes * (squares.sum() / 2 - squares)) @ axes.T


def whole(parts):
    """(com (3,), radii (3,) about x, y, z through it) of (mass, com, covariance) parts."""
    mass = sum(part[0] for part in parts)
    com = sum(m * c for m, c, _ in parts) / mass
    covariance = sum(m * (S + np.outer(c - com, c - com)) for m, c, S in parts) / mass
    return com, np.sqrt(np.trace(covariance) - np.diag(covariance))


def composed_from_the_table(printed, sex, vertices, j):
    """The T-pose body that the printed rows make on these joints; the trunk is the row MIDS-MIDH."""
    mids = (j["left_shoulder"] + j["right_shoulder"]) / 2
    midh = (j["left_hip"] + j["right_hip"]) / 2
    neck = j["neck"]
    vertex = np.array([neck[0], vertices[:, 1].max(), neck[2]])
    parts = [
        rod(printed["trunk", "MIDS", "MIDH", sex], mids, midh, Z),
        rod(printed["head", "VERT", "CERV", sex], vertex, neck, Z),
    ]
    for side in ("left", "right"):
        shoulder, elbow, wrist, hand, hip, knee, ankle, foot = (
            j[f"{side}_{name}"]
            for name in ("shoulder", "elbow", "wrist", "hand", "hip", "knee", "ankle", "foot")
        )
        along = (hand - wrist) / np.linalg.norm(hand - wrist)
        beyond = vertices[vertices[:, 0] * np.sign(wrist[0]) > abs(wrist[0])]
        tip = wrist + ((beyond - wrist) @ along).max() * along
        forward = (foot - ankle) * [1, 0, 1]
        forward = forward / np.linalg.norm(forward)
        below = vertices[(vertices[:, 1] < ankle[1]) & (vertices[:, 0] * np.sign(ankle[0]) > 0)]
        reach = (below - ankle) @ forward
        middle = ankle * [1, 0, 1] + below[:, 1].mean() * Y
        parts += [
            rod(printed["upper_arm", "SJC", "EJC", sex], shoulder, elbow, Z),
            rod(printed["forearm", "EJC", "WJC", sex], elbow, wrist, Z),
            rod(printed["hand", "WJC", "DAC3", sex], wrist, tip, Y),
            rod(printed["thigh", "HJC", "KJC", sex], hip, knee, Z),
            rod(printed["shank", "KJC", "AJC", sex], knee, ankle, Z),
            rod(printed["foot", "HEEL", "TTIP", sex], middle + reach.min() * forward,
                middle + reach.max() * forward, Y),
        ]  # fmt: skip
    return whole(parts)


def as_parts(human, names=None):
    """(mass, com, covariance) of a humanoid's bodies, model frame."""
    parts = []
    for name, joint, inertia in zip(human.joint_names, human.joint_positions, human.inertias):
        if names is None or name in names:
            moment = inertia.tensor / inertia.mass
            parts.append((inertia.mass, joint + inertia.com, np.trace(moment) / 2 * np.eye(3) - moment))
    return parts


@pytest.mark.parametrize(("trunk", "shapes"), [("parts", 50), ("whole", 10)])
@pytest.mark.parametrize("sex", ["female", "male"])
def test_whole_bodies_are_de_leva_s(printed, sex, trunk, shapes):
    """Betas uniform in +-3: centre of mass within 1.5 % of stature, radii within 5 %."""
    body, rng = smpl2mjcf.default_body(sex), np.random.default_rng(4)
    apart, radii = [], []
    for _ in range(shapes):
        betas = rng.uniform(-3, 3, body.num_betas)
        human = smpl2mjcf.build_humanoid(body, betas, trunk=trunk)
        vertices = smpl2mjcf.shaped_vertices(body, betas)
        positions = dict(zip(human.joint_names, human.joint_positions))
        ideal = composed_from_the_table(printed, sex, vertices, positions)
        ours = whole(as_parts(human))
        apart.append(np.linalg.norm(ours[0] - ideal[0]) / np.ptp(vertices[:, 1]))
        radii.append(np.abs(ours[1] / ideal[1] - 1).max())
    print(f"{sex} {trunk}: CM {100 * max(apart):.2f} % of stature, radii {100 * max(radii):.2f} %")
    assert max(apart) < 0.015
    assert max(radii) < 0.05


@pytest.mark.parametrize("mode", ["deleva", "mesh", "hybrid"])
@pytest.mark.parametrize("sex", ["female", "male"])
def test_a_whole_trunk_is_the_printed_row(printed, sex, mode):
    """Centre of mass and three radii of the composed trunk, MIDS-MIDH, in every mode."""
    body = smpl2mjcf.default_body(sex)
    human = smpl2mjcf.build_humanoid(body, 0.8 * np.ones(body.num_betas), inertia=mode, trunk="whole")
    j = dict(zip(human.joint_names, human.joint_positions))
    mids, midh = ((j[f"left_{n}"] + j[f"right_{n}"]) / 2 for n in ("shoulder", "hip"))
    length = np.linalg.norm(midh - mids)
    axis = (midh - mids) / length
    _, com, radii = printed["trunk", "MIDS", "MIDH", sex]
    parts = as_parts(human, TRUNK_JOINTS)
    mass = sum(part[0] for part in parts)
    centre = sum(m * c for m, c, _ in parts) / mass
    spread = sum(m * (S + np.outer(c - centre, c - centre)) for m, c, S in parts) / mass
    moment = np.trace(spread) * np.eye(3) - spread
    assert (centre - mids) @ axis / length == pytest.approx(com, abs=1e-9)
    sagittal = Z - (Z @ axis) * axis
    sagittal /= np.linalg.norm(sagittal)
    for direction, radius in zip((sagittal, np.cross(axis, sagittal), axis), radii):
        assert np.sqrt(direction @ moment @ direction) / length == pytest.approx(radius, abs=1e-9)


def test_mesh_inertia_is_trimesh_s(default_body):
    """One density, a limb's piece a capped slice of the mesh: mass, centre and tensor are trimesh's."""
    human = smpl2mjcf.build_humanoid(default_body, inertia="mesh")
    mesh = trimesh.Trimesh(human.shape.vertices, default_body.faces, process=False)
    assert human.mass == pytest.approx(BODY_DENSITY * mesh.volume, rel=1e-9)
    parts = as_parts(human)
    com = sum(m * c for m, c, _ in parts) / human.mass
    np.testing.assert_allclose(com, mesh.center_mass, atol=1e-9)
    covariance = sum(m * (S + np.outer(c - com, c - com)) for m, c, S in parts)
    tensor = np.trace(covariance) * np.eye(3) - covariance
    np.testing.assert_allclose(tensor, BODY_DENSITY * mesh.moment_inertia, atol=1e-7)
    cuts = {(cut.of, cut.inside): cut.plane for cut in body_cuts(human.shape.positions)}
    foot = mesh
    for key in (("left_hip", "left_knee"), ("left_knee", "left_ankle"), ("left_ankle", "left_foot")):
        plane = cuts[key]
        normal = plane.normal / np.linalg.norm(plane.normal)
        foot = trimesh.intersections.slice_mesh_plane(foot, normal, plane.point, cap=True)
    toes = max(foot.split(), key=lambda part: part.center_mass[0])  # the left one
    toes.density = BODY_DENSITY
    inertia = human.inertias[human.joint_names.index("left_foot")]
    assert inertia.mass == pytest.approx(toes.mass, rel=1e-9)
    np.testing.assert_allclose(inertia.tensor, toes.moment_inertia, atol=1e-10)


def test_hybrid_has_the_table_s_masses_and_the_mesh_s_shapes(default_body):
    table, mesh, hybrid = (
        smpl2mjcf.build_humanoid(default_body, mass=70.0, inertia=mode)
        for mode in ("deleva", "mesh", "hybrid")
    )
    for name, of_table, of_mesh, both in zip(
        table.joint_names, table.inertias, mesh.inertias, hybrid.inertias
    ):
        assert both.mass == pytest.approx(of_table.mass, rel=1e-12)
        if name not in TRUNK_JOINTS:  # those hold parts of several densities
            np.testing.assert_allclose(both.com, of_mesh.com, atol=1e-12)
            np.testing.assert_allclose(
                both.tensor / both.mass, of_mesh.tensor / of_mesh.mass, rtol=1e-9, atol=1e-12
            )


@pytest.mark.parametrize("mode", ["deleva", "mesh", "hybrid"])
@pytest.mark.parametrize("trunk", ["parts", "whole"])
def test_masses_sum_to_the_request(default_body, mode, trunk):
    human = smpl2mjcf.build_humanoid(default_body, mass=64.2, inertia=mode, trunk=trunk)
    assert human.mass == pytest.approx(64.2, rel=1e-12)
    for inertia in human.inertias:
        moments = np.linalg.eigvalsh(inertia.tensor)
        assert moments[0] > 0
        assert moments[2] < moments[0] + moments[1]


def test_a_body_mass_index_is_mass_over_stature_squared(default_body):
    human = smpl2mjcf.build_humanoid(default_body, bmi=24.0)
    assert human.mass == pytest.approx(24.0 * np.ptp(human.shape.vertices[:, 1]) ** 2, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mass": 70.0, "bmi": 22.0}, "received both: 70.0 kg and 22.0 kg/m2"),
        ({"bmi": 3.0}, "body mass index of 3.0 kg/m2 is not a person's; accepted: 8.0-100.0"),
        ({"bmi": float("nan")}, "body mass index must be a number of kg/m2, received nan"),
        ({"inertia": "capsules"}, "unknown inertia 'capsules'; accepted: deleva, mesh, hybrid"),
        ({"trunk": "half"}, "unknown trunk 'half'; accepted: parts, whole"),
    ],
)
def test_options_that_are_none_are_refused(default_body, options, message):
    with pytest.raises(HumanoidError, match=message.replace("(", r"\(")):
        smpl2mjcf.build_humanoid(default_body, **options)


@pytest.mark.parametrize("mass", [30.0, 150.0])
def test_an_absurd_density_is_told_with_its_figure(default_body, mass):
    volume = trimesh.Trimesh(default_body.v_template, default_body.faces, process=False).volume
    with pytest.warns(
        UserWarning, match=f"{mass:g} kg in the .* means {mass / volume:.0f} kg/m3; people have"
    ):
        smpl2mjcf.build_humanoid(default_body, mass=mass)


def test_the_report_s_segments_are_the_model_s(printed, default_body):
    """Shares sum to the body, deviations are differences, and a limb's are zero in the mode deleva."""
    human = smpl2mjcf.build_humanoid(smpl2mjcf.default_body("male"), mass=80.0)
    rows = {row.segment: row for row in inertia_report.segment_rows(human)}
    assert sum(row.share for row in rows.values()) == pytest.approx(1.0, abs=1e-12)
    assert sorted(name for row in rows.values() for name in row.bodies) == sorted(human.joint_names)
    keys = {
        "head": ("VERT", "CERV"),
        "hand": ("WJC", "DAC3"),
        "thigh": ("HJC", "KJC"),
        "foot": ("HEEL", "TTIP"),
    }
    for part, ends in keys.items():
        mass, com, radii = printed[(part, *ends, "male")]
        row = rows[part if part == "head" else f"left_{part}"]
        assert row.share == pytest.approx(mass / 100, abs=1e-9)
        assert row.com == pytest.approx(com, abs=1e-9)
        np.testing.assert_allclose(row.radii, radii, atol=1e-9)
    assert rows["trunk"].com == pytest.approx(rows["trunk"].table_com, abs=0.04)
    table = list(csv.DictReader(io.StringIO(inertia_report.segments_csv(human))))
    assert [row["segment"] for row in table] == list(rows)
    for row in table:
        for name in ("mass_pct", "com_pct", "rg_sagittal_pct"):
            difference = float(row[name]) - float(row[f"deleva_{name}"])
            assert float(row[f"deviation_{name}"]) == pytest.approx(difference, abs=2e-6)
    bodies = list(csv.DictReader(io.StringIO(inertia_report.bodies_csv(human))))
    assert sum(float(row["mass_kg"]) for row in bodies) == pytest.approx(80.0, rel=1e-8)
    assert "-0.00)" not in inertia_report.report_text(human)
