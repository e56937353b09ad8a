"""CMU's library beyond the clips at hand: bones of other subjects, and files written as CMU writes them.

The bone lengths were read from the BVH headers of Hahne's conversion (github.com/una-dinosauria/cmu-mocap,
one clip each of 26 subjects, the same 31 joints in each) and from subject 12's ASF. Converting the BVHs'
angles about the axes below leaves nothing (8e-5 degrees, the files' last digit) in the angles that the bones
do not have. The data used here was obtained from mocap.cs.cmu.edu. The database was created with funding from
NSF EIA-0196217.
"""

import re
import warnings

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf.asf_amc import bone_poses, read_amc, read_asf
from smpl2mjcf.body import joint_positions, shaped_vertices
from smpl2mjcf.bone_fit import LENGTH_ACCURACY, fit_betas, joint_lengths
from smpl2mjcf.bvh import read_bvh
from smpl2mjcf.bvh_bones import bvh_bones
from smpl2mjcf.cmu_bones import cmu_bones
from smpl2mjcf.lost_limbs import lost_limbs, warn_of_lost_limbs

UNIT = 0.0254 / 0.45  # m
LIMBS = ("thigh", "shank", "upper_arm", "forearm")

# mm, mean of both sides in the order of LENGTH_ACCURACY. Elbow to wrist is 1.5 times what a BVH shows.
SUBJECTS = {
    "05": (371, 449, 311, 208, 183, 377, 486), "09": (423, 437, 321, 305, 177, 353, 520),
    "10": (413, 447, 306, 284, 141, 350, 542), "12": (341, 445, 270, 234, 224, 423, 448),
    "13": (424, 461, 325, 310, 180, 365, 528), "16": (400, 437, 295, 318, 173, 360, 522),
    "18": (419, 426, 298, 284, 153, 382, 531), "23": (429, 451, 307, 312, 150, 354, 533),
    "28": (386, 460, 308, 256, 173, 321, 465), "35": (424, 449, 294, 304, 190, 388, 506),
    "49": (386, 456, 304, 275, 179, 324, 497), "56": (393, 458, 325, 300, 205, 359, 512),
    "60": (409, 415, 274, 296, 166, 445, 499), "62": (416, 418, 297, 302, 215, 368, 551),
    "75": (418, 425, 273, 294, 143, 395, 531), "79": (417, 437, 262, 309, 175, 383, 508),
    "87": (380, 378, 220, 270, 161, 370, 474), "88": (367, 381, 246, 267, 147, 323, 486),
    "94": (364, 396, 250, 274, 141, 326, 459), "105": (370, 373, 249, 252, 202, 292, 436),
    "111": (350, 412, 304, 263, 260, 329, 482), "114": (419, 414, 269, 231, 227, 370, 417),
    "120": (412, 436, 294, 281, 158, 361, 570), "127": (425, 431, 293, 303, 159, 374, 540),
    "136": (380, 444, 295, 293, 169, 416, 517), "140": (364, 411, 299, 289, 184, 310, 515),
    "144": (374, 373, 256, 238, 211, 337, 510),
}  # fmt: skip

# mm: how much longer a left bone was than the right one, at most.
ASYMMETRY = {"femur": 21, "tibia": 25, "humerus": 40, "radius": 21}

# Of the other bones: mm, shortest and longest; the mean direction of the left one; how far from it, degrees.
BONES = {
    "hipjoint": (122, 170, (0.639, -0.696, 0.328), 16.5), "foot": (86, 147, (0.095, -0.260, 0.961), 10.2),
    "toes": (44, 73, (0, 0, 1), 0), "lowerback": (94, 127, (-0.006, 0.999, -0.052), 13.7),
    "upperback": (92, 127, (0.006, 1, 0.022), 6.1), "thorax": (92, 127, (0.007, 1, 0.025), 7.8),
    "lowerneck": (81, 107, (-0.014, 0.996, 0.09), 8.5), "upperneck": (82, 109, (0.023, 0.986, -0.165), 12.7),
    "head": (82, 109, (0.007, 0.998, -0.066), 4.1), "clavicle": (158, 233, (0.939, 0.342, -0.031), 16.2),
    "hand": (19, 49, (1, 0, 0), 0), "fingers": (15, 39, (1, 0, 0), 0),
    "thumb": (21, 56, (0.707, 0, 0.707), 0),
}  # fmt: skip
LEG = (0.34202, -0.939693, 0.0)  # 20 degrees, in every subject
STRAIGHT = {"femur": LEG, "tibia": LEG, "humerus": (1, 0, 0), "radius": (1, 0, 0), "wrist": (1, 0, 0)}
LEAN = {"humerus": 0.4}  # degrees

# Of left bones, in every subject: the axis line (right: the same about x, the opposite about y and z), the
# dofs in the file's order, and the limits in degrees that CMU's skeletons state.
JOINTS = {
    "hipjoint": ((0, 0, 0), "", ()),
    "femur": ((0, 0, 20), "rx ry rz", ((-160, 20), (-70, 70), (-60, 70))),
    "tibia": ((0, 0, 20), "rx", ((-10, 170),)),
    "foot": ((-90, 0, 20), "rx rz", ((-45, 90), (-70, 20))),
    "toes": ((-90, 0, 20), "rx", ((-90, 20),)),
    "clavicle": ((0, 0, 0), "ry rz", ((-20, 10), (0, 20))),
    "humerus": ((180, -30, -90), "rx ry rz", ((-60, 90), (-90, 90), (-90, 90))),
    "radius": ((180, -30, -90), "rx", ((-10, 170),)),
    "wrist": ((0, 90, 90), "ry", ((-180, 0),)),
    "hand": ((0, 90, 90), "rx rz", ((-90, 90), (-45, 45))),
    "fingers": ((0, 90, 90), "rx", ((0, 90),)),
    "thumb": ((-90, 45, 0), "rx rz", ((-45, 45), (-45, 45))),
}
BACK = ((0, 0, 0), "rx ry rz", ((-20, 45), (-30, 30), (-30, 30)))
TREE = {
    "root": "lhipjoint rhipjoint lowerback", "lowerback": "upperback", "upperback": "thorax",
    "thorax": "lowerneck lclavicle rclavicle", "lowerneck": "upperneck", "upperneck": "head",
    **{f"{s}{a}": " ".join(f"{s}{b}" for b in c.split()) for s in "lr" for a, c in {
        "hipjoint": "femur", "femur": "tibia", "tibia": "foot", "foot": "toes", "clavicle": "humerus",
        "humerus": "radius", "radius": "wrist", "wrist": "hand thumb", "hand": "fingers"}.items()},
}  # fmt: skip
PARENT = {child: parent for parent, children in TREE.items() for child in children.split()}


def zyx(angles_deg):
    """Rz Ry Rx of (x, y, z), written out."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.deg2rad(angles_deg)), np.sin(np.deg2rad(angles_deg))
    x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]]) @ y @ x


def joint(name):
    axis, dof, limits = JOINTS.get(name[1:], BACK)
    if name[0] == "r" and name[1:] in JOINTS:
        axis = (axis[0], -axis[1], -axis[2])
        turned = {"rx": 1, "ry": -1, "rz": -1}
        limits = [tuple(sorted(turned[d] * x for x in pair)) for d, pair in zip(dof.split(), limits)]
    return axis, dof.split(), limits


def tilted(rng, direction, most):
    """A direction within some degrees of another."""
    d = np.array(direction) / np.linalg.norm(direction)
    across = np.cross(d, rng.normal(size=3))
    return Rotation.from_rotvec(np.deg2rad(most * rng.uniform()) * across / np.linalg.norm(across)).apply(d)


def person(rng):
    """Bone vectors in the file's unit: two subjects' limbs mixed, the rest 5 % beyond what was measured."""
    a, b = (np.array(list(SUBJECTS.values()))[rng.integers(len(SUBJECTS), size=2)]) * rng.uniform(0.92, 1.06)
    share = rng.uniform()
    mixed = dict(zip(LIMBS, (share * a + (1 - share) * b) / 1000 / UNIT))
    mean = dict(zip(("femur", "tibia", "humerus"), mixed.values())) | {"radius": mixed["forearm"] / 1.5}
    vectors = {}
    for name in PARENT:
        part = name[1:] if name[1:] in JOINTS else name
        sign = -1 if name[0] == "r" and part != name else 1
        mirror = np.array([sign, 1, 1])
        if part in mean:
            apart = ASYMMETRY[part] / 2000 / UNIT * rng.uniform(-1, 1)
            vectors[name] = (mean[part] + apart) * mirror * tilted(rng, STRAIGHT[part], LEAN.get(part, 0))
        elif part == "wrist":
            vectors[name] = vectors[f"{name[0]}radius"] / 2
        else:
            low, high, direction, off = BONES[part]
            length = rng.uniform(0.95 * low, 1.05 * high) / 1000 / UNIT
            vectors[name] = length * mirror * tilted(rng, direction, off)
    return vectors


def angles_of(rng, T):
    """The root's place (T, 3) and turn (T, 3), and degrees by bone, (T, dofs), up to half of CMU's limits."""
    out = {}
    for name in PARENT:
        _, dof, limits = joint(name)
        low, high = np.array(limits, dtype=float).reshape(-1, 2).T
        out[name] = np.where(rng.random((T, len(dof))) < 0.5, low, high) * rng.uniform(0, 0.55, (T, len(dof)))
    heading = rng.uniform(-180, 180)
    turn = rng.uniform(-30, 30, (T, 3)) + [0, heading, 0]
    place = rng.uniform(-20, 20, 3) * [1, 0, 1] + [0, 17, 0] + rng.uniform(-0.5, 0.5, (T, 3))
    return place, turn, out


def kinematics(vectors, place, turn, angles):
    """Start (T, 3) in m and orientation (T, 3, 3) of each bone: G = G_parent C Rz Ry Rx C^-1, p += G v."""
    T = len(place)
    G = {"root": np.array([zyx(row) for row in turn])}
    end = {"root": place * UNIT}
    start = dict(end)
    for name, parent in PARENT.items():
        axis, dof, _ = joint(name)
        C = zyx(axis)
        full = np.zeros((T, 3))
        full[:, ["xyz".index(d[1]) for d in dof]] = angles[name]
        G[name] = G[parent] @ (C @ np.array([zyx(row) for row in full]) @ C.T)
        start[name] = end[parent]
        end[name] = start[name] + G[name] @ vectors[name] * UNIT
    return start, G


def order_of(name, style):
    """A bone's dofs in the order of the file; (columns, words)."""
    dof = joint(name)[1]
    columns = list(range(len(dof)))[:: -1 if style == "reversed" else 1]
    return columns, [dof[k] for k in columns]


def asf_text(vectors, style):
    blocks = []
    for i, (name, v) in enumerate(vectors.items(), 1):
        words = order_of(name, style)[1] if keeps(name, style) else []
        dof = f"    dof {' '.join(words)}\n    limits (-180 180)\n" if words else ""
        numbers = " ".join(f"{x:.14e}" for x in v / np.linalg.norm(v))
        axis = " ".join(f"{x}" for x in joint(name)[0])
        length = f"{np.linalg.norm(v):.14g}"
        blocks.append(f"  begin\n id {i}\n name {name} \n direction {numbers} \n length {length}\n"
                      f" axis {axis}  XYZ \n{dof}  end\n")  # fmt: skip
    lines = [f"{a} {c}" for a, c in TREE.items()]
    lines = [" ".join(w for w in line.split() if w in vectors or w == "root") for line in lines]
    order = "RX RY RZ TX TY TZ" if style == "reversed" else "TX TY TZ RX RY RZ"
    return (
        "# written as CMU's\n:version 1.10\n:name VICON\n"
        ":units\n  mass 1.0\n  length 0.45\n  angle deg\n:root\n"
        f"   order {order}\n   axis XYZ\n   position 0 0 0  \n   orientation 0 0 0 \n:bonedata\n"
        f"{''.join(blocks)}:hierarchy\n  begin\n" + "\n".join(lines) + "\n  end\n"
    )


def keeps(name, style):
    """Clavicles without dof occur, and skeletons without fingers."""
    return not (style == "stiff" and "clavicle" in name)


def amc_text(vectors, place, turn, angles, style):
    lines = ["#!OML:ASF H:\\Some\\PATH.ASF", ":FULLY-SPECIFIED", ":DEGREES"]
    for t in range(len(place)):
        root = [*turn[t], *place[t]] if style == "reversed" else [*place[t], *turn[t]]
        rows = {n: angles[n][t, order_of(n, style)[0]] for n in vectors if keeps(n, style)}
        rows = {"root": root, **rows}.items()
        lines += [str(t + 1), *(f"{n} {' '.join(f'{x:.14e}' for x in a)} " for n, a in rows if len(a))]
    return "\r\n".join(lines) + "\r\n"


def written(folder, seed, T=4):
    """A seeded person in two files, and the same by kinematics of our own."""
    rng = np.random.default_rng(seed)
    style = ("as CMU's", "reversed", "stiff", "no fingers")[seed % 4]
    vectors, (place, turn, angles) = person(rng), angles_of(rng, T)
    if style == "stiff":
        angles = {n: a if keeps(n, style) else 0 * a for n, a in angles.items()}
    start, G = kinematics(vectors, place, turn, angles)
    if style == "no fingers":
        vectors = {n: v for n, v in vectors.items() if n[1:] not in ("fingers", "thumb")}
    asf, amc = folder / f"{seed}.asf", folder / f"{seed}.amc"
    asf.write_text(asf_text(vectors, style))
    amc.write_bytes(amc_text(vectors, place, turn, angles, style).encode())
    return asf, amc, vectors, angles, start, G


SIDES = {"left": 1, "right": -1}
LEGS = {"hip": "femur", "knee": "tibia", "ankle": "foot"}
PARTS = LEGS | {"shoulder": "humerus", "elbow": "radius", "wrist": "hand"}
SEGMENTS = (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist"))
UP = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])  # y up to z up


@pytest.fixture(scope="module")
def people(tmp_path_factory, default_body):
    """40 of them: files, their own kinematics, and the motion as loaded, with its warnings."""
    folder, loaded = tmp_path_factory.mktemp("cmu"), []
    for seed in range(40):
        asf, amc, vectors, angles, start, G = written(folder, seed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            motion = smpl2mjcf.load_motion(amc, body=default_body, skeleton=asf, fps=120)
        loaded.append((asf, amc, vectors, angles, start, G, motion, [str(w.message) for w in caught]))
    return loaded


def angle_deg(first, second):
    cross = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.rad2deg(np.arctan2(cross, (first * second).sum(axis=-1)))


def test_bones_go_where_the_formula_says(people):
    """Every bone of 40 skeletons: starts to 1e-9 m and axes to 1e-9, which are rounding."""
    for asf, amc, vectors, _, start, G, *_ in people:
        skeleton = read_asf(asf)
        poses = bone_poses(skeleton, read_amc(amc, skeleton))
        assert set(poses.start) == {*vectors, "root"}
        for name in poses.start:
            np.testing.assert_allclose(poses.start[name], start[name], atol=1e-9)
            np.testing.assert_allclose(poses.orientation[name].as_matrix(), G[name], atol=1e-9)


def test_limbs_point_where_the_formula_says(people, default_body, forward):
    """The body's limbs in the world to 1e-4 degrees, the middle of its hips to 1e-6 m."""
    for *_, start, _, motion, _ in people:
        _, place = forward(motion, default_body)
        for side in SIDES:
            for first, second in SEGMENTS:
                theirs = (start[side[0] + PARTS[second]] - start[side[0] + PARTS[first]]) @ UP.T
                ours = place[f"{side}_{second}"] - place[f"{side}_{first}"]
                assert angle_deg(ours, theirs).max() < 1e-4, (side, first)
        middle = (place["left_hip"] + place["right_hip"]) / 2
        np.testing.assert_allclose(middle, (start["lfemur"] + start["rfemur"]) / 2 @ UP.T, atol=1e-6)


def test_hinges_turn_by_the_angle_in_the_file(people, default_body, forward):
    """Knee and elbow flexion is rx, and bends the way a knee and an elbow bend."""
    for _, _, _, angles, _, _, motion, _ in people:
        world, place = forward(motion, default_body)
        for side, sign in SIDES.items():
            for joints, bone, axis in (
                (("hip", "knee", "ankle"), "tibia", [1.0, 0, 0]),
                (("shoulder", "elbow", "wrist"), "radius", [0, -sign * 1.0, 0]),
            ):
                a, b, c = (place[f"{side}_{name}"] for name in joints)
                recorded = angles[side[0] + bone][:, 0]
                # Skeletons' upper arms lean by 0.4 degrees from their forearms.
                bound = 1e-4 if bone == "tibia" else 0.4
                np.testing.assert_allclose(angle_deg(b - a, c - b), np.abs(recorded), atol=bound)
                flexed = recorded > 12
                turn = np.cross(b - a, c - b)[flexed]
                # SMPL's shank slants by 6 degrees, and its frames with it.
                assert angle_deg(turn, world[f"{side}_{joints[0]}"].apply(axis)[flexed]).max(initial=0) < 8


def test_the_body_takes_the_limb_lengths(people, default_body):
    """Thigh, shank, upper arm, forearm to 2 mm of the mean of both sides, from the motion's own betas."""
    worst = 0.0
    for _, _, vectors, _, _, _, motion, said in people:
        body = dict(zip(default_body.joint_names, joint_positions(default_body, motion.betas)))
        length = {n: np.linalg.norm(v) * UNIT for n, v in vectors.items()}
        length |= {f"{s}radius": 1.5 * length[f"{s}radius"] for s in "lr"}
        for (first, second), part in zip(SEGMENTS, ("femur", "tibia", "humerus", "radius")):
            ours = [np.linalg.norm(body[f"{s}_{first}"] - body[f"{s}_{second}"]) for s in SIDES]
            worst = max(worst, abs(np.mean(ours) - (length["l" + part] + length["r" + part]) / 2))
        assert all("differs from them" in line for line in said)
        assert not any(limb in line for line in said for limb in LIMBS)
    print(f"worst limb {1000 * worst:.2f} mm")
    assert worst < 0.002


@pytest.mark.parametrize("subject", SUBJECTS)
def test_bodies_of_27_subjects(default_body, oracle, subject):
    """Limbs to 2 mm, on a body as tall and as heavy as people who walk, jump and dance for a library."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the body fitted .*(width|trunk)")
        fit = fit_betas(default_body, dict(zip(LENGTH_ACCURACY, np.array(SUBJECTS[subject]) / 1000)))
    assert max(abs(fit.misfit[limb]) for limb in LIMBS) < 0.002
    vertices = shaped_vertices(default_body, fit.betas)
    stature = np.ptp(vertices[:, 1])
    skin = oracle("trimesh").Trimesh(vertices, default_body.faces, process=False)
    index = 985 * abs(skin.volume) / stature**2
    print(f"{subject}: {stature:.2f} m, {index:.1f} kg/m2, largest beta {np.abs(fit.betas).max():.1f}")
    assert 1.58 < stature < 1.95
    assert 20 < index < 27


def test_a_limb_that_the_body_cannot_have_is_reported(default_body):
    """Arms that no shape reaches: 5 mm are said, as a width's 2 cm are."""
    lengths = joint_lengths(dict(zip(default_body.joint_names, joint_positions(default_body))))
    with pytest.warns(UserWarning, match=r"them: upper_arm -0.9 cm, forearm \+0.9 cm, shoulder_width"):
        fit_betas(default_body, lengths | {"upper_arm": 0.33, "forearm": 0.21})


HAHNE = {
    "LHipJoint": "lhipjoint", "LeftUpLeg": "lfemur", "LeftLeg": "ltibia", "LeftFoot": "lfoot",
    "LeftToeBase": "ltoes", "RHipJoint": "rhipjoint", "RightUpLeg": "rfemur", "RightLeg": "rtibia",
    "RightFoot": "rfoot", "RightToeBase": "rtoes", "LowerBack": "lowerback", "Spine": "upperback",
    "Spine1": "thorax", "Neck": "lowerneck", "Neck1": "upperneck", "Head": "head",
    "LeftShoulder": "lclavicle", "LeftArm": "lhumerus", "LeftForeArm": "lradius", "LeftHand": "lwrist",
    "LeftFingerBase": "lhand", "LeftHandIndex1": "lfingers", "LThumb": "lthumb", "RightShoulder": "rclavicle",
    "RightArm": "rhumerus", "RightForeArm": "rradius", "RightHand": "rwrist", "RightFingerBase": "rhand",
    "RightHandIndex1": "rfingers", "RThumb": "rthumb",
}  # fmt: skip
"""The joints of Hahne's MotionBuilder-friendly BVHs and the bone that starts at each: in all 26 headers."""


def bvh_text(vectors, start, G):
    """The same person as Hahne's conversion writes it: where a joint has several children, they lie at it."""
    joint_of = {"root": "Hips"} | {bone: name for name, bone in HAHNE.items()}
    columns = [start["root"] / UNIT]

    def block(bone):
        above = PARENT.get(bone)
        local = G[bone] if above is None else np.swapaxes(G[above], 1, 2) @ G[bone]
        columns.append(Rotation.from_matrix(local).as_euler("ZYX", degrees=True))
        alone = above not in (None, "root") and len(TREE[above].split()) == 1
        offset = " ".join(f"{x:.12f}" for x in (vectors[above] if alone else np.zeros(3)))
        place = "6 Xposition Yposition Zposition" if above is None else "3"
        inner = "".join(block(child) for child in TREE.get(bone, "").split())
        inner = inner or "End Site\n{\nOFFSET 0 0 1\n}\n"
        kind = "ROOT" if above is None else "JOINT"
        return (f"{kind} {joint_of[bone]}\n{{\nOFFSET {offset}\n"
                f"CHANNELS {place} Zrotation Yrotation Xrotation\n{inner}}}\n")  # fmt: skip

    head = block("root")
    rows = [" ".join(f"{x:.12f}" for x in row) for row in np.concatenate(columns, axis=1)]
    return f"HIERARCHY\n{head}MOTION\nFrames: {len(rows)}\nFrame Time: .0083333\n" + "\n".join(rows) + "\n"


def test_a_bvh_of_the_same_people_moves_the_same(people, default_body, tmp_path, forward):
    """Limbs in the world to 1e-4 degrees of the formula's, whatever lengths the lost bones have spoilt."""
    for _, _, vectors, _, start, G, *_ in [p for p in people if "lfingers" in p[2]][:12]:
        path = tmp_path / "clip.bvh"
        path.write_text(bvh_text(vectors, start, G))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            motion = smpl2mjcf.load_motion(path, body=default_body, unit="cmu")
        said = {re.sub("^/.*?: ", "", str(w.message))[:20] for w in caught}
        assert "bones of no length: " in said
        assert said <= {"bones of no length: ", "the body fitted to t"}
        assert motion.fps == 120
        _, place = forward(motion, default_body)
        for side in SIDES:
            for first, second in SEGMENTS:
                theirs = (start[side[0] + PARTS[second]] - start[side[0] + PARTS[first]]) @ UP.T
                ours = place[f"{side}_{second}"] - place[f"{side}_{first}"]
                assert angle_deg(ours, theirs).max() < 1e-4, (side, first)


def lost(text, bones, frames):
    """The AMC with angles of 0, as CMU writes them, for these bones and frames (from 0)."""
    out, t = [], -1
    for line in text.splitlines():
        words = line.split()
        t += len(words) == 1 and words[0].isdigit()
        gone = words[0] in bones and t in frames
        out.append(" ".join([words[0], *"0" * (len(words) - 1)]) if gone else line)
    return "\n".join(out)


def test_limbs_without_markers_are_named(tmp_path):
    asf, amc, *_ = written(tmp_path, 0, T=9)
    skeleton = read_asf(asf)
    text = lost(amc.read_text(), ("rfemur", "rtibia"), {2, 3, 4})
    amc.write_text(lost(text, ("lclavicle", "lhumerus", "lradius", "lwrist"), {8}))
    bones = cmu_bones(skeleton, bone_poses(skeleton, read_amc(amc, skeleton)))
    found = {limb: frames.tolist() for limb, frames in lost_limbs(bones).items()}
    assert found == {"right leg": [2, 3, 4], "left arm": [8]}
    said = "markers were hidden: left arm in frame 8; right leg in frames 2-4 .of 9, from 0"
    with pytest.warns(UserWarning, match=said):
        warn_of_lost_limbs(bones, amc)


def test_no_limb_is_lost_in_the_clips_at_hand(shared):
    folder = shared / "data" / "cmu_mocap"
    for amc, asf in (("02_01", "02_rebuilt"), ("01_01", "01"), ("11_01", "11")):
        skeleton = read_asf(folder / f"{asf}.asf")
        bones = cmu_bones(skeleton, bone_poses(skeleton, read_amc(folder / f"{amc}.amc", skeleton)))
        assert lost_limbs(bones) == {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # lost bones are another test's
        for name in ("131_01", "131_03"):
            path = folder / f"{name}.bvh"
            assert lost_limbs(bvh_bones(read_bvh(path), path, "cmu")) == {}
