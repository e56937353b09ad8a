"""One recording in many kinds of BVH: names, zero poses, local axes and units must not change the motion.

The judge is a recording of CMU's library as ASF/AMC: its bones, written by the test as BVH files of every
kind, must come back as the same motion. The writer shares no code with the reader.

The data used here was obtained from mocap.cs.cmu.edu. The database was created with funding from NSF
EIA-0196217.
"""

import re
import warnings

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf import MotionFileError
from smpl2mjcf.asf_amc import bone_poses, read_amc, read_asf
from smpl2mjcf.bvh_bones import read_bvh_motion
from smpl2mjcf.cmu_bones import BONES, cmu_bones, read_cmu_motion
from smpl2mjcf.skeleton import BODY_JOINTS, BODY_PARENTS

FRAMES = slice(0, 343, 9)
CMU_UNIT = 0.0254 / 0.45
TREE = {
    "spine1": "pelvis", "spine2": "spine1", "spine3": "spine2", "neck": "spine3", "head": "neck",
    **{f"{s}_{a}": (b if b in ("pelvis", "spine3") else f"{s}_{b}") for s in ("left", "right") for a, b in (
        ("hip", "pelvis"), ("knee", "hip"), ("ankle", "knee"), ("foot", "ankle"), ("collar", "spine3"),
        ("shoulder", "collar"), ("elbow", "shoulder"), ("wrist", "elbow"))},
}  # fmt: skip
SIDED = {
    "mixamo": dict(
        hip="UpLeg", knee="Leg", ankle="Foot", foot="ToeBase", collar="Shoulder", shoulder="Arm",
        elbow="ForeArm", wrist="Hand",
    ),
    "xsens": dict(
        hip="Hip", knee="Knee", ankle="Ankle", foot="Toe", collar="Collar", shoulder="Shoulder",
        elbow="Elbow", wrist="Wrist",
    ),
}  # fmt: skip
SIDED["lafan"] = {**SIDED["mixamo"], "foot": "Toe"}
MIDDLE = {
    "mixamo": dict(pelvis="Hips", spine1="Spine", spine2="Spine1", spine3="Spine2", neck="Neck", head="Head"),
    "xsens": dict(pelvis="Hips", spine1="Chest", spine2="Chest2", spine3="Chest4", neck="Neck", head="Head"),
}
MIDDLE["lafan"] = MIDDLE["mixamo"]


@pytest.fixture(scope="module")
def walk(shared):
    folder = shared / "data" / "cmu_mocap"
    skeleton = read_asf(folder / "02_rebuilt.asf")
    return skeleton, bone_poses(skeleton, read_amc(folder / "02_01.amc", skeleton))


@pytest.fixture(scope="module")
def expected(shared, default_body):
    folder = shared / "data" / "cmu_mocap"
    with pytest.warns(UserWarning, match="differs from them"):
        return read_cmu_motion(folder / "02_01.amc", default_body, folder / "02_rebuilt.asf", 120.0)


def name_of(kind, joint):
    if kind == "smpl":
        return joint
    side, _, part = joint.partition("_")
    return side.capitalize() + SIDED[kind][part] if part else MIDDLE[kind][joint]


def upright(side, joint, skeleton):
    """World orientation in a standing T-pose of the bone that a SMPL joint stands for, in ASF's zero axes.

    A recorded bone's orientation is told from ASF's zero pose; this turns its legs from 20 degrees to
    vertical, its elbows' axes (turned by 30) to level palms, so that the bone's zero is a plain T-pose.
    """
    if joint in ("hip", "knee", "ankle", "foot"):
        return Rotation.from_rotvec([0, 0, np.deg2rad(-20 if side == "left" else 20)])
    if joint == "shoulder":
        return Rotation.from_rotvec([np.deg2rad(30), 0, 0])
    return Rotation.identity()


def lafan_axes(side, joint):
    """Columns: a LAFAN1 bone's own x, y, z in the T-pose (left, up, forward), from its description."""
    left, up, forward = np.eye(3)
    if joint in ("hip", "knee"):
        return np.stack([-up, forward, -left], axis=1)
    if joint == "foot":
        return np.stack([forward, up, -left], axis=1)
    if joint == "ankle":  # along the instep, which falls by the angle of the toes
        a = np.deg2rad(21.45)
        return np.stack(
            [forward * np.cos(a) - up * np.sin(a), up * np.cos(a) + forward * np.sin(a), -left], axis=1
        )
    if side == "left":
        return np.stack([left, -forward, up], axis=1)
    if side == "right":
        return np.stack([-left, -forward, -up], axis=1)
    return np.stack([up, forward, left], axis=1)


def zero_pose(kind, pose, skeleton):
    """Joint -> rotation from the recorder's T-pose axes (standing, T) to the joint's own axes in the file."""
    local = {}
    for joint in TREE | {"pelvis": None}:
        side, _, part = joint.partition("_")
        if kind == "lafan":
            local[joint] = Rotation.from_matrix(lafan_axes(side, part)).inv()
        elif pose == "hanging" and part in ("shoulder", "elbow", "wrist"):
            local[joint] = Rotation.from_rotvec([0, 0, np.deg2rad(-90 if side == "left" else 90)])
        elif pose == "spread" and part in ("hip", "knee"):
            local[joint] = Rotation.from_rotvec([0, 0, np.deg2rad(12 if side == "left" else -12)])
        elif pose == "A" and part in ("shoulder", "elbow", "wrist"):
            local[joint] = Rotation.from_rotvec([0, 0, np.deg2rad(-50 if side == "left" else 50)])
        else:
            local[joint] = Rotation.identity()
    return local


def write_bvh(path, walk, kind, pose="T", unit=0.01, order="ZXY", prefix="", end="\n", inner=False):
    """The walk as a BVH whose joints are SMPL's, named and posed as `kind` and `pose` say."""
    skeleton, poses = walk
    bones = cmu_bones(skeleton, poses)
    local = zero_pose(kind, pose, skeleton)
    # Each bone's orientation told from a standing T-pose, then from the file's own axes. In the zero pose a
    # bone is turned by that, and bones lie so where its parent's axes are taken to the world's.
    world, tpose_world = {}, {}
    for joint in BONES:
        side, _, part = joint.partition("_")
        T_axes = bones.orientation[joint] * upright(side, part, skeleton).inv()
        tpose_world[joint] = T_axes
        world[joint] = T_axes * local[joint].inv()
    start = {joint: np.asarray(p) for joint, p in bones.start.items()}
    children = {joint: [c for c, p in TREE.items() if p == joint] for joint in BONES}
    lines, columns = ["HIERARCHY"], []

    def walk_down(joint, depth):
        parent = TREE.get(joint)
        tabs = "\t" * depth
        if parent is None:
            rotation, offset = world[joint], np.zeros(3)
        else:
            rotation = world[parent].inv() * world[joint]
            # A rigid bone: its vector in its parent's axes is the same in every frame, but for the head's, of
            # which CMU's neck has two bones.
            vectors = world[parent].inv().apply(start[joint] - start[parent])
            assert joint == "head" or np.ptp(vectors, axis=0).max() < 1e-9, joint
            offset = vectors[0] / unit
        lines.extend([f"{tabs}{'JOINT' if parent else 'ROOT'} {prefix}{name_of(kind, joint)}", f"{tabs}{{"])
        lines.append(f"{tabs}\tOFFSET\t" + " ".join(f"{x:.10f}" for x in offset) + "  ")
        moves = parent is None or inner
        names = (["Xposition", "Yposition", "Zposition"] if moves else []) + [f"{c}rotation" for c in order]
        lines.append(f"{tabs}\tCHANNELS {len(names)} {' '.join(names)} ")
        if moves:
            place = start[joint] / unit if parent is None else np.tile(offset, (len(rotation), 1))
            columns.append(place)
        columns.append(rotation.as_euler(order, degrees=True))
        for child in children[joint]:
            walk_down(child, depth + 1)
        if not children[joint]:
            lines.extend([f"{tabs}\tEnd Site", f"{tabs}\t{{", f"{tabs}\t\tOFFSET 0 0 0", f"{tabs}\t}}"])
        lines.append(f"{tabs}}}")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # gimbal lock only means that one of two angles is free
        walk_down("pelvis", 0)
    rows = np.concatenate(columns, axis=1)[FRAMES]
    lines += ["MOTION", f"Frames: {len(rows)}", f"Frame Time:\t{9 / 120:.6f}"]
    lines += [" ".join(f"{x:.8f}" for x in row) + "\t" for row in rows]
    path.write_bytes((end.join(lines) + end).encode())


def world_rotations(motion, body):
    world = {}
    for j, name in enumerate(body.joint_names):
        local = Rotation.from_rotvec(motion.poses[:, j])
        world[name] = local if body.parents[j] < 0 else world[body.joint_names[body.parents[j]]] * local
    return world


KINDS = [
    ("mixamo", "T", dict(prefix="mixamorig:")),
    ("mixamo", "A", dict(prefix="mixamorig", order="XYZ", end="\r\n")),
    ("mixamo", "hanging", dict(order="ZYX", unit=1.0)),
    ("mixamo", "spread", dict(order="YXZ", unit=0.0254)),
    ("xsens", "T", dict(order="YXZ", inner=True)),
    ("lafan", "", dict(order="ZYX")),
    ("smpl", "T", dict(unit=0.001, inner=True)),
]
UNIT_NAMES = {1.0: "m", 0.01: "cm", 0.001: "mm", 0.0254: "inch"}


@pytest.mark.parametrize(("kind", "pose", "options"), KINDS)
def test_the_motion_does_not_depend_on_the_kind_of_bvh(
    tmp_path, walk, expected, default_body, kind, pose, options
):
    """World rotations of every joint within .1 degree of ASF/AMC's: eight digits an angle, ten an offset.

    Where the zero pose spreads the legs the sole keeps to the floor there, so feet turn with that choice.
    """
    write_bvh(tmp_path / "walk.bvh", walk, kind, pose, **options)
    unit = UNIT_NAMES[options.get("unit", 0.01)]
    with pytest.warns(UserWarning, match="differs from them"):
        motion = read_bvh_motion(tmp_path / "walk.bvh", default_body, unit=unit)
    assert motion.up == "y"
    assert motion.fps == pytest.approx(120 / 9, rel=1e-4)
    ours, theirs = world_rotations(motion, default_body), world_rotations(expected, default_body)
    off = {}
    for joint in BONES:
        apart = (ours[joint].inv() * theirs[joint][FRAMES]).magnitude()
        off[joint] = np.rad2deg(apart.max())
    # CMU's forearm turns with a joint of its own; a BVH's is split from the hand's turn by its twist, which
    # two angles of the hand make too (5 degrees here).
    tolerance = {j: 6.0 if "elbow" in j else 0.1 for j in BONES}
    assert all(off[j] < tolerance[j] for j in BONES), off
    np.testing.assert_allclose(motion.betas, expected.betas, atol=1e-4)
    np.testing.assert_allclose(motion.trans, expected.trans[FRAMES], atol=1e-5)


@pytest.mark.parametrize(("kind", "pose"), [("lafan", ""), ("mixamo", "A"), ("mixamo", "hanging")])
def test_a_z_up_file_of_any_kind(tmp_path, walk, default_body, kind, pose):
    """x, y, z told as y, z, x, in the zero pose and in every frame: the same motion, to rounding."""
    path = tmp_path / "walk.bvh"
    write_bvh(path, walk, kind, pose)
    Q = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
    text = re.sub(r"OFFSET\s+(\S+)\s+(\S+)\s+(\S+)", r"OFFSET \3 \1 \2", path.read_text())
    text = re.sub("([XYZ])(position|rotation)", lambda m: "YZX"["XYZ".index(m[1])] + m[2], text)
    (tmp_path / "z_up.bvh").write_text(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = read_bvh_motion(path, default_body, unit="cm")
        ours = read_bvh_motion(tmp_path / "z_up.bvh", default_body, unit="cm", R_yup_file=Q.T)
        with pytest.raises(MotionFileError, match="stands along z.*say so with --up z"):
            read_bvh_motion(tmp_path / "z_up.bvh", default_body, unit="cm")
    np.testing.assert_allclose(ours.poses, theirs.poses, atol=1e-9)
    np.testing.assert_allclose(ours.trans, theirs.trans, atol=1e-9)


def smpl_bvh(path, rest, poses, pelvis):
    """SMPL's own joints and rotations (T, 22, 3) rad as a BVH in metres; rest (22, 3), pelvis (T, 3) m."""
    lines, columns = ["HIERARCHY"], [pelvis]

    def walk_down(j):
        parent = BODY_PARENTS[j]
        offset = rest[j] - rest[parent] if parent >= 0 else np.zeros(3)
        lines.extend([f"{'JOINT' if parent >= 0 else 'ROOT'} {BODY_JOINTS[j]}", "{"])
        lines.append("OFFSET " + " ".join(f"{x:.10f}" for x in offset))
        moves = "3" if parent >= 0 else "6 Xposition Yposition Zposition"
        lines.append(f"CHANNELS {moves} Zrotation Xrotation Yrotation")
        columns.append(Rotation.from_rotvec(poses[:, j]).as_euler("ZXY", degrees=True))
        children = [c for c, p in enumerate(BODY_PARENTS) if p == j]
        for child in children:
            walk_down(child)
        lines.extend(["}"] if children else ["End Site", "{", "OFFSET 0 0 0", "}", "}"])

    walk_down(0)
    lines += ["MOTION", f"Frames: {len(poses)}", "Frame Time: 0.0333333"]
    lines += [" ".join(f"{x:.10f}" for x in row) for row in np.concatenate(columns, axis=1)]
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(("spread", "tolerance_deg"), [(0.0, 1e-5), (1.0, 0.3)])
def test_rotations_of_smpl_come_back_as_they_are(tmp_path, default_body, spread, tolerance_deg):
    """Random poses, elbows' pronation among them. Ten digits on the mean body; on another, the fitted body is
    not quite it, and bones that lie otherwise by .2 degrees point where they were recorded."""
    rng = np.random.default_rng(7)
    betas = spread * rng.normal(size=default_body.num_betas)
    rest = smpl2mjcf.joint_positions(default_body, betas)[:22]
    poses = rng.normal(scale=0.4, size=(40, 22, 3))
    pelvis = rng.normal(size=(40, 3)) + [0, 1, 0]
    smpl_bvh(tmp_path / "smpl.bvh", rest, poses, pelvis)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # random elbows bend about any axis
        motion = read_bvh_motion(tmp_path / "smpl.bvh", default_body, unit="m")
    apart = Rotation.from_rotvec(motion.poses[:, :22].reshape(-1, 3)).inv() * Rotation.from_rotvec(
        poses.reshape(-1, 3)
    )
    off = np.rad2deg(apart.magnitude().reshape(-1, 22).max(axis=0))
    assert off.max() < tolerance_deg, dict(zip(BODY_JOINTS, off.round(3)))
    assert np.abs(motion.poses[:, 22:]).max(initial=0.0) == 0


def test_a_joint_that_bends_otherwise_than_its_zero_pose_tells_is_named(tmp_path, walk, default_body):
    """The left knee's angles in channels of other names: it bends sideways, and the record shows it."""
    path = tmp_path / "walk.bvh"
    write_bvh(path, walk, "mixamo", "T", order="XYZ")
    text = path.read_text()
    at = text.index("CHANNELS", text.index("JOINT LeftLeg"))
    channels = "Xrotation Yrotation Zrotation"
    path.write_text(text[:at] + text[at:].replace(channels, "Zrotation Yrotation Xrotation", 1))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_bvh_motion(path, default_body, unit="cm")
    bends = [str(w.message) for w in caught if "bends about an axis" in str(w.message)]
    assert len(bends) == 1
    assert re.search(r"the left knee bends about an axis \d+ degrees from the one", bends[0])


HAHNE = {
    "root": "Hips", "lowerback": "LowerBack", "upperback": "Spine", "thorax": "Spine1", "lowerneck": "Neck",
    "upperneck": "Neck1", "head": "Head",
    **{f"{s[0].lower()}{bone}": name.format(S=s, s=s[0]) for s in ("Left", "Right") for bone, name in (
        ("hipjoint", "{s}HipJoint"), ("femur", "{S}UpLeg"), ("tibia", "{S}Leg"), ("foot", "{S}Foot"),
        ("toes", "{S}ToeBase"), ("clavicle", "{S}Shoulder"), ("humerus", "{S}Arm"), ("radius", "{S}ForeArm"),
        ("wrist", "{S}Hand"), ("hand", "{S}FingerBase"), ("fingers", "{S}HandIndex1"),
        ("thumb", "{s}Thumb"))},
}  # fmt: skip

STEADY = ("pelvis", "spine1", "spine2", "spine3", "neck", "head", "collar", "ankle", "foot")


def test_cmu_conversions_with_lost_bones_keep_every_angle(tmp_path, walk, expected, default_body):
    """As amc2bvh writes CMU's skeletons: a joint a bone, no OFFSET where a joint has several children.

    Every angle comes back to .01 degree (six digits); what the lost bones spoil is not fitted, and named.
    """
    skeleton, poses = walk
    children = {name: [n for n, b in skeleton.bones.items() if b.parent == name] for name in HAHNE}
    lines, columns = ["HIERARCHY"], [poses.start["root"] / CMU_UNIT]

    def walk_down(bone):
        parent = None if bone == "root" else skeleton.bones[bone].parent
        lost = parent in (None, "root") or len(children[parent]) > 1
        offset = np.zeros(3) if lost else skeleton.bones[parent].vector / CMU_UNIT
        local = poses.orientation[bone]
        if parent:
            local = poses.orientation[parent].inv() * local
        # The root's own bones do not exist: what hangs on it starts there.
        lines.extend([f"{'JOINT' if parent else 'ROOT'} {HAHNE[bone]}", "{"])
        lines.append("OFFSET " + " ".join(f"{x:.6f}" for x in offset))
        moves = "" if parent else "Xposition Yposition Zposition "
        lines.append(f"CHANNELS {3 if parent else 6} {moves}Zrotation Yrotation Xrotation")
        columns.append(local.as_euler("ZYX", degrees=True))
        for child in children[bone]:
            walk_down(child)
        if not children[bone]:
            lines.extend(["End Site", "{", "OFFSET 0 0 1", "}"])
        lines.append("}")

    walk_down("root")
    rows = np.concatenate(columns, axis=1)[FRAMES]
    lines += ["MOTION", f"Frames: {len(rows)}", "Frame Time: .0750000"]
    lines += [" ".join(f"{x:.6f}" for x in row) for row in rows]
    (tmp_path / "walk.bvh").write_text("\n".join(lines))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        motion = read_bvh_motion(tmp_path / "walk.bvh", default_body, unit="cmu")
    named = [str(w.message) for w in caught if "bones of no length" in str(w.message)]
    assert len(named) == 1
    assert "Spine1 (before Neck, LeftShoulder, RightShoulder)" in named[0]
    assert "fitted without trunk and forearm" in named[0]
    ours, theirs = world_rotations(motion, default_body), world_rotations(expected, default_body)
    for joint in BONES:
        # On a body of other proportions SMPL's rest limbs slant a little otherwise.
        apart = (ours[joint].inv() * theirs[joint][FRAMES]).magnitude()
        assert np.rad2deg(apart.max()) < (0.01 if joint.split("_")[-1] in STEADY else 1.0), joint
