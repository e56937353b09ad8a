"""Segment inertia against de Leva's printed table and the laws every rigid body obeys."""

import csv

import mujoco
import numpy as np
import pytest

import smpl2mjcf
from smpl2mjcf import deleva
from smpl2mjcf.cut_plan import TRUNK_JOINTS
from smpl2mjcf.segment_frames import SEGMENT_JOINTS
from smpl2mjcf.segments import matter
from smpl2mjcf.skeleton import mirror_name

# The rows of the published table that we use: our name -> (segment, origin, endpoint).
ROWS = {
    "head": ("head", "VERT", "CERV"),
    "upper_trunk": ("upper_trunk", "SUPR", "XYPH"),
    "mid_trunk": ("mid_trunk", "XYPH", "OMPH"),
    "lower_trunk": ("lower_trunk", "OMPH", "MIDH"),
    "upper_arm": ("upper_arm", "SJC", "EJC"),
    "forearm": ("forearm", "EJC", "WJC"),
    "hand": ("hand", "WJC", "DAC3"),
    "thigh": ("thigh", "HJC", "KJC"),
    "shank": ("shank", "KJC", "AJC"),
    "foot": ("foot", "HEEL", "TTIP"),
}


@pytest.mark.parametrize("sex", ["female", "male"])
def test_the_table_is_the_published_one(shared, sex):
    with (shared / "facts" / "de_leva_1996.csv").open() as file:
        published = {(r["segment"], r["origin"], r["endpoint"], r["sex"]): r for r in csv.DictReader(file)}
    table = deleva.segments(sex)
    total = sum(
        float(published[(*ROWS[n], sex)]["mass_pct"]) * (2 if n in deleva.PAIRED else 1) for n in ROWS
    )
    assert total == pytest.approx(99.99 if sex == "female" else 100.0, abs=1e-9)
    for name, key in ROWS.items():
        row = published[(*key, sex)]
        assert table[name].mass == pytest.approx(float(row["mass_pct"]) / total, rel=1e-14)
        for field, column in (
            ("com", "cm_pct_from_origin"),
            ("sagittal", "rg_sagittal_pct"),
            ("transverse", "rg_transverse_pct"),
            ("longitudinal", "rg_longitudinal_pct"),
        ):
            assert getattr(table[name], field) == pytest.approx(float(row[column]) / 100, rel=1e-14)
        assert table[name].length == pytest.approx(float(row["length_mm"]) / 1000, rel=1e-14)
    trunk = published[("trunk", "MIDS", "MIDH", sex)]
    assert deleva.trunk_length(sex) == pytest.approx(float(trunk["length_mm"]) / 1000)


@pytest.mark.parametrize("sex", ["neutral", "female", "male"])
def test_the_table_is_a_whole_body(sex):
    table = deleva.segments(sex)
    assert sum(
        row.mass * (2 if name in deleva.PAIRED else 1) for name, row in table.items()
    ) == pytest.approx(1, rel=1e-14)


def test_neutral_is_the_mean_of_both_sexes():
    female, male, neutral = (deleva.segments(sex) for sex in ("female", "male", "neutral"))
    assert neutral["thigh"].mass == pytest.approx((female["thigh"].mass + male["thigh"].mass) / 2)
    assert neutral["shank"].com == pytest.approx((0.4352 + 0.4395) / 2)


@pytest.mark.filterwarnings("ignore:.*kg/m3; people have")  # 12.5 kg are a child's
@pytest.mark.parametrize("sex", ["neutral", "female", "male"])
@pytest.mark.parametrize("mass", [None, 12.5, 73.0])
def test_masses_are_de_leva_s_shares_of_the_request(default_body, sex, mass):
    rng = np.random.default_rng(7)
    table = deleva.segments(sex)
    for betas in (None, rng.uniform(-2, 2, default_body.num_betas)):
        human = smpl2mjcf.build_humanoid(default_body, betas, mass, sex)
        by_name = {n: i.mass for n, i in zip(default_body.joint_names, human.inertias)}
        vertices = smpl2mjcf.shaped_vertices(default_body, betas)
        request = 985 * matter(vertices[default_body.faces]).volume if mass is None else mass
        assert sum(human.model.body_mass) == pytest.approx(request, rel=1e-12)
        shares = {"trunk": sum(by_name[n] for n in TRUNK_JOINTS) / request}
        shares |= {
            s: sum(by_name[n] for n in names if n in by_name) / request for s, names in SEGMENT_JOINTS.items()
        }
        for segment, share in shares.items():
            name = segment.removeprefix("left_").removeprefix("right_")
            expected = sum(table[p].mass for p in deleva.TRUNK_PARTS) if name == "trunk" else table[name].mass
            assert share == pytest.approx(expected, rel=1e-12), segment


def test_xml_read_back_keeps_mass_and_inertia(default_body):
    human = smpl2mjcf.build_humanoid(default_body, mass=73.0)
    read = mujoco.MjModel.from_xml_string(human.xml)
    assert read.body_mass.sum() == pytest.approx(73.0, rel=1e-5)
    for inertia, name in zip(human.inertias, default_body.joint_names):
        body = read.body(name)
        assert body.mass[0] == pytest.approx(inertia.mass, rel=1e-5)
        np.testing.assert_allclose(body.ipos, inertia.com, atol=1e-6)
        rotation = np.zeros(9)
        mujoco.mju_quat2Mat(rotation, body.iquat)
        tensor = rotation.reshape(3, 3) @ np.diag(body.inertia) @ rotation.reshape(3, 3).T
        # Six printed digits of the principal moments and of the quaternion.
        np.testing.assert_allclose(tensor, inertia.tensor, atol=2e-5 * np.trace(inertia.tensor))


def test_every_tensor_is_a_body_s_in_many_shapes(default_body):
    rng = np.random.default_rng(1)
    for _ in range(40):
        human = smpl2mjcf.build_humanoid(default_body, rng.uniform(-2.5, 2.5, default_body.num_betas))
        for inertia in human.inertias:
            moments = np.linalg.eigvalsh(inertia.tensor)
            assert moments[0] > 0
            assert moments[0] + moments[1] > moments[2]


def test_left_and_right_are_equal(default_body):
    """To 1e-9: the sides are cut one after the other, so sums over triangles run in another order."""
    rng = np.random.default_rng(2)
    mirror = np.diag([-1.0, 1.0, 1.0])
    for betas in (None, rng.uniform(-2, 2, default_body.num_betas)):
        human = smpl2mjcf.build_humanoid(default_body, betas)
        inertias = dict(zip(default_body.joint_names, human.inertias))
        for name, one in inertias.items():
            other = inertias[mirror_name(name)]
            assert one.mass == pytest.approx(other.mass, rel=1e-9)
            np.testing.assert_allclose(one.com, mirror @ other.com, atol=1e-9)
            np.testing.assert_allclose(one.tensor, mirror @ other.tensor @ mirror, atol=1e-9)


SINGLE = {
    "upper_arm": ("shoulder", "elbow"),
    "forearm": ("elbow", "wrist"),
    "thigh": ("hip", "knee"),
    "shank": ("knee", "ankle"),
}


@pytest.mark.parametrize("segment", SINGLE)
def test_a_limb_has_de_leva_s_centre_and_radii_on_its_bone(default_body, segment):
    human = smpl2mjcf.build_humanoid(default_body, sex="male")
    row = deleva.segments("male")[segment]
    start, end = (human.joint_positions[default_body.joint_names.index(f"left_{n}")] for n in SINGLE[segment])
    inertia = human.inertias[default_body.joint_names.index(f"left_{SINGLE[segment][0]}")]
    np.testing.assert_allclose(inertia.com, row.com * (end - start), atol=1e-12)
    length = np.linalg.norm(end - start)
    radii = np.sqrt(np.linalg.eigvalsh(inertia.tensor) / inertia.mass) / length
    np.testing.assert_allclose(radii, sorted([row.sagittal, row.transverse, row.longitudinal]), rtol=1e-9)
    along = (end - start) / length
    assert along @ inertia.tensor @ along == pytest.approx(
        inertia.mass * (row.longitudinal * length) ** 2, rel=1e-9
    )
    forward = np.array([0.0, 0.0, 1.0]) - along[2] * along
    forward /= np.linalg.norm(forward)
    assert forward @ inertia.tensor @ forward == pytest.approx(
        inertia.mass * (row.sagittal * length) ** 2, rel=1e-9
    )


@pytest.mark.parametrize(
    ("segment", "parts", "sagittal_axis"),
    [
        ("head", ("neck", "head"), 2),
        ("foot", ("left_ankle", "left_foot"), 1),
        ("hand", ("left_wrist", "left_hand"), 1),
    ],
)
def test_segments_of_two_bodies_are_de_leva_s_as_a_whole(default_body, segment, parts, sagittal_axis):
    human = smpl2mjcf.build_humanoid(default_body, sex="female")
    row = deleva.segments("female")[segment]
    index = [default_body.joint_names.index(part) for part in parts]
    inertias = [human.inertias[i] for i in index]
    mass = sum(i.mass for i in inertias)
    coms = [human.joint_positions[k] + i.com for k, i in zip(index, inertias)]
    com = sum(i.mass * c for i, c in zip(inertias, coms)) / mass
    tensor = sum(
        i.tensor + i.mass * ((c - com) @ (c - com) * np.eye(3) - np.outer(c - com, c - com))
        for i, c in zip(inertias, coms)
    )
    ratio = np.sqrt(np.linalg.eigvalsh(tensor) / mass)
    wanted = np.array(sorted([row.sagittal, row.transverse, row.longitudinal]))
    length = ratio[0] / wanted[0]
    np.testing.assert_allclose(ratio / length, wanted, rtol=1e-9)
    vertices = default_body.v_template
    if segment == "head":  # VERT to the height of the neck joint
        assert length == pytest.approx(vertices[:, 1].max() - human.joint_positions[index[0]][1], rel=1e-9)
        assert vertices[:, 1].max() - com[1] == pytest.approx(row.com * length, rel=1e-9)
    else:
        assert 0.15 < length < 0.3
    # The largest radius of hand and foot is about the axis square to palm and sole: vertical.
    axis = np.eye(3)[sagittal_axis]
    assert axis @ tensor @ axis == pytest.approx(mass * (row.sagittal * length) ** 2, rel=0.02)


def test_hand_and_foot_have_de_leva_s_centre_along_their_axis(default_body):
    """WJC-DAC3 from the wrist to the finger tips, HEEL-TTIP from heel to toes, on the mesh's vertices."""
    human = smpl2mjcf.build_humanoid(default_body, sex="male")
    table = deleva.segments("male")
    joints = dict(zip(default_body.joint_names, human.joint_positions))
    inertias = dict(zip(default_body.joint_names, human.inertias))
    for side in ("left", "right"):
        for segment, (near, far) in {"hand": ("wrist", "hand"), "foot": ("ankle", "foot")}.items():
            a, b = joints[f"{side}_{near}"], joints[f"{side}_{far}"]
            axis = (b - a) * ([1, 1, 1] if segment == "hand" else [1, 0, 1])
            axis /= np.linalg.norm(axis)
            # Vertices that only this limb's end has: beyond the wrist, below the ankle on this side.
            v = default_body.v_template
            if segment == "hand":
                own = v[v[:, 0] * np.sign(a[0]) > abs(a[0]) + 0.02]
                start, length = a @ axis, (own @ axis).max() - a @ axis
            else:
                own = v[(v[:, 1] < a[1]) & (v[:, 0] * np.sign(a[0]) > 0)]
                start, length = (own @ axis).min(), np.ptp(own @ axis)
            parts = [(inertias[f"{side}_{n}"], joints[f"{side}_{n}"]) for n in (near, far)]
            com = sum(i.mass * (j + i.com) for i, j in parts) / sum(i.mass for i, _ in parts)
            assert com @ axis == pytest.approx(start + table[segment].com * length, abs=1e-9), (side, segment)


@pytest.mark.parametrize("mass", [0.0, -70.0, float("nan"), float("inf")])
def test_a_mass_that_is_none_is_refused(default_body, mass):
    with pytest.raises(smpl2mjcf.HumanoidError, match="mass must be a positive number of kg"):
        smpl2mjcf.build_humanoid(default_body, mass=mass)


def test_a_mass_in_grams_is_refused(default_body):
    with pytest.raises(smpl2mjcf.HumanoidError, match="accepted: 0.5-500"):
        smpl2mjcf.build_humanoid(default_body, mass=70000.0)


@pytest.mark.parametrize("mass", ["70", True])
def test_a_mass_that_is_no_number_is_refused(default_body, mass):
    with pytest.raises(smpl2mjcf.HumanoidError, match="mass must be a positive number"):
        smpl2mjcf.build_humanoid(default_body, mass=mass)


@pytest.mark.parametrize(
    ("beta", "message"),
    [(0, "make a body of .* accepted: 0.4-2.6 m"), (1, "the mesh folds: .* accepted: 1 % of")],
)
def test_betas_that_make_no_person_are_refused(default_body, beta, message):
    betas = np.zeros(10)
    betas[beta] = 60.0
    with pytest.raises(smpl2mjcf.HumanoidError, match=message):
        smpl2mjcf.build_humanoid(default_body, betas)


def test_an_unknown_sex_is_refused(default_body):
    with pytest.raises(smpl2mjcf.HumanoidError, match="unknown sex 'other'; accepted: neutral, female, male"):
        smpl2mjcf.build_humanoid(default_body, sex="other")
