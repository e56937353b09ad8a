"""Recorded motions of CMU's library, from file to root residual.

The data used here was obtained from mocap.cs.cmu.edu. The database was created with funding from NSF
EIA-0196217.
"""

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import analysis
import smpl2mjcf
from dynamics import lowpass
from smpl2mjcf import deleva
from smpl2mjcf.asf_amc import bone_poses, read_amc, read_asf
from smpl2mjcf.bone_fit import fit_betas
from smpl2mjcf.cmu_bones import cmu_lengths

LIMBS = ("thigh", "shank", "upper_arm", "forearm")
CLIPS = {
    "walk": ("02_01.amc", "02_rebuilt.asf"),
    "jumps": ("01_01.amc", "01.asf"),
    "kick": ("11_01.amc", "11.asf"),
}
FPS = 120.0


@pytest.fixture(scope="module")
def clips(shared, default_body):
    folder = shared / "data" / "cmu_mocap"
    loaded = {}
    for name, (amc, asf) in CLIPS.items():
        skeleton = read_asf(folder / asf)
        poses = bone_poses(skeleton, read_amc(folder / amc, skeleton))
        # CMU's hips and shoulders are defined otherwise than SMPL's, and the fit says by how much.
        with pytest.warns(UserWarning, match="differs from them: .*trunk"):
            motion = smpl2mjcf.load_motion(folder / amc, body=default_body, skeleton=folder / asf, fps=FPS)
        loaded[name] = (skeleton, poses, motion)
    return loaded


@pytest.fixture(scope="module")
def studies(clips, default_body):
    # Jumps last .36 s: 6 Hz would smear their flights, 10 Hz does not.
    cutoffs = {"walk": 6.0, "jumps": 10.0}
    return {n: analysis.torque_study(default_body, clips[n][2], cutoff=c) for n, c in cutoffs.items()}


def z_up(points):
    return points @ np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]).T


@pytest.mark.parametrize("name", CLIPS)
def test_the_body_takes_the_recorded_limb_lengths(clips, default_body, name):
    skeleton, _, motion = clips[name]
    with pytest.warns(UserWarning, match="differs from them"):
        fit = fit_betas(default_body, cmu_lengths(skeleton))
    assert all(abs(fit.misfit[limb]) < 0.002 for limb in LIMBS)
    np.testing.assert_allclose(motion.betas, fit.betas)


@pytest.mark.parametrize("name", CLIPS)
def test_joints_go_where_they_were_recorded(clips, default_body, name):
    """Legs to 2 cm of where the skeleton has them; time and root displacement are not scaled."""
    _, poses, motion = clips[name]
    human = smpl2mjcf.build_humanoid(default_body, motion.betas)
    data = mujoco.MjData(human.model)
    qpos = smpl2mjcf.motion_to_qpos(human, motion)
    joints = {
        n: [] for n in ("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle")
    }
    for row in qpos:
        data.qpos[:] = row
        mujoco.mj_kinematics(human.model, data)
        for joint, track in joints.items():
            track.append(data.body(joint).xpos.copy())
    bones = {"hip": "femur", "knee": "tibia", "ankle": "foot"}
    for joint, track in joints.items():
        side, part = joint.split("_")
        recorded = z_up(poses.start[side[0] + bones[part]])
        # Hips: 15 mm a side, since SMPL's hip joints lie nearer together than CMU's; the rest follows.
        assert np.linalg.norm(np.array(track) - recorded, axis=1).max() < 0.025, joint
    middle = (np.array(joints["left_hip"]) + np.array(joints["right_hip"])) / 2
    recorded = z_up((poses.start["lfemur"] + poses.start["rfemur"]) / 2)
    np.testing.assert_allclose(middle, recorded, atol=1e-6)


def test_recorded_angles_keep_their_meaning(clips, default_body):
    """Knee flexion about +x and within a walk's range; hips, ankles and elbows without twist."""
    names = default_body.joint_names
    poses = np.rad2deg(clips["walk"][2].poses)

    def angle(joint, axis):
        return poses[:, names.index(joint), axis]

    for side, sign in (("left", 1), ("right", -1)):
        knee = angle(f"{side}_knee", 0)
        assert -2 < knee.min() < 10
        assert 55 < knee.max() < 70
        assert np.abs(poses[:, names.index(f"{side}_knee"), 1:]).max() < 10
        assert -25 < angle(f"{side}_ankle", 0).min() < 0 < angle(f"{side}_ankle", 0).max() < 30
        assert (-sign * angle(f"{side}_elbow", 1)).min() > 0  # elbows flex, none bends backwards
        assert 70 > (-sign * angle(f"{side}_elbow", 1)).max() > 20
        assert -35 < angle(f"{side}_hip", 0).min() < -20 < 10 < angle(f"{side}_hip", 0).max() < 30


def test_a_standing_foot_is_flat(clips, default_body):
    """In the middle of stance the sole is level: its normal within 5.5 degrees of vertical."""
    _, _, motion = clips["walk"]
    world = {0: Rotation.from_rotvec(motion.poses[:, 0])}
    for j, parent in enumerate(default_body.parents):
        if j:
            world[j] = world[parent] * Rotation.from_rotvec(motion.poses[:, j])
    for side in ("left", "right"):
        j = default_body.joint_names.index(f"{side}_ankle")
        toe = default_body.joint_names.index(f"{side}_foot")
        up = world[j].apply([0, 1, 0])
        tilt = np.rad2deg(np.arccos(np.clip(up[:, 2], -1, 1)))
        spin = np.linalg.norm(np.diff(world[j].as_matrix(), axis=0), axis=(1, 2)) * FPS
        still = np.flatnonzero(spin < 1.0)
        assert len(still) > 20
        assert np.median(tilt[still]) < 5.5, side  # SMPL's shank leans by 6: the foot must not follow it
        assert np.rad2deg(np.abs(motion.poses[still, toe]).max()) < 25


def strides(motion, default_body):
    """Frames of successive left heel strikes: the left ankle farthest ahead of the pelvis."""
    human = smpl2mjcf.build_humanoid(default_body, motion.betas)
    data = mujoco.MjData(human.model)
    ahead = []
    for row in smpl2mjcf.motion_to_qpos(human, motion):
        data.qpos[:] = row
        mujoco.mj_kinematics(human.model, data)
        forward = data.body("pelvis").xmat.reshape(3, 3)[:, 2] * [1, 1, 0]
        ahead.append((data.body("left_ankle").xpos - data.body("pelvis").xpos) @ forward)
    ahead = np.array(ahead)
    window = 30
    return [
        t for t in range(window, len(ahead) - window) if ahead[t] == ahead[t - window : t + window + 1].max()
    ]


def test_a_walk_weighs_its_body(clips, studies, default_body):
    """Over whole strides the mean vertical force is body weight (+- 3 %): no net acceleration."""
    strikes = strides(clips["walk"][2], default_body)
    assert len(strikes) >= 2
    study = studies["walk"]
    assert study.trajectory.valid[strikes[0] : strikes[-1]].all()
    mean = study.vertical_residual_bw[strikes[0] : strikes[-1]].mean()
    print(f"walk, frames {strikes[0]}-{strikes[-1]}: mean vertical residual {mean:.4f} body weight")
    assert abs(mean - 1) < 0.03


def flights(study, lowest=0.06, frames=30):
    """First and last frame of every time both feet are off the ground for a quarter of a second."""
    human, path = study.humanoid, study.trajectory
    data = mujoco.MjData(human.model)
    model = human.model
    feet = {model.body(f"{side}_{part}").id for side in ("left", "right") for part in ("ankle", "foot")}
    capsules = [g for g in range(model.ngeom) if model.geom_bodyid[g] in feet]
    assert (model.geom_type[capsules] == mujoco.mjtGeom.mjGEOM_CAPSULE).all()
    radius, half, _ = model.geom_size[capsules].T
    low = []
    for row in path.qpos:
        data.qpos[:] = row
        mujoco.mj_kinematics(model, data)
        low.append((data.geom_xpos[capsules, 2] - np.abs(data.geom_xmat[capsules, 8]) * half - radius).min())
    air = np.array(low) > np.percentile(low, 1) + lowest
    edges = np.flatnonzero(np.diff(np.concatenate([[0], air.astype(int), [0]])))
    return [(s, e) for s, e in zip(edges[::2], edges[1::2]) if e - s >= frames]


def recorded_fall(poses, start, end):
    """m/s2 at which the recorded bones fall, without our body: de Leva's masses on CMU's bones."""
    table = deleva.segments("neutral")
    at = poses.start
    com = np.zeros_like(at["root"])
    for s in "lr":
        for part, (first, last) in {
            "thigh": ("femur", "tibia"),
            "shank": ("tibia", "foot"),
            "foot": ("foot", "toes"),
            "upper_arm": ("humerus", "radius"),
            "forearm": ("radius", "hand"),
            "hand": ("hand", "fingers"),
        }.items():
            com += table[part].mass * (at[s + first] + table[part].com * (at[s + last] - at[s + first]))
    shoulders, hips = ((at["l" + bone] + at["r" + bone]) / 2 for bone in ("humerus", "femur"))
    com += sum(table[p].mass for p in deleva.TRUNK_PARTS) * (shoulders + 0.405 * (hips - shoulders))
    com += table["head"].mass * at["head"]
    t = np.arange(start, end) / FPS
    return -2 * np.polyfit(t - t.mean(), com[start:end, 1], 2)[0]


# Of the ten flights of this clip one is not a free fall in the recording itself: CMU's own bones, pelvis,
# trunk and head alike, fall at 10.8 m/s2 there, with 4 mm of scatter about a parabola; no body can mend that.
# The others fall at 9.56-9.96, so 5 % tells them apart.
FALL_TOLERANCE = 0.05


def test_jumps_are_free_falls(clips, studies, default_body):
    """The vertical residual is below .1 body weight in the middle of each flight that is one.

    Twice: the mean of the flight's middle third at 10 Hz, and the single frame in its middle at 4 Hz (at
    10 Hz one frame carries the pose noise of some 5 Hz: a millimetre is .1 body weight).
    """
    calm = analysis.torque_study(default_body, clips["jumps"][2], cutoff=4.0)
    study = studies["jumps"]
    found = flights(study)
    assert len(found) == 10
    broken = []
    for start, end in found:
        fall = recorded_fall(clips["jumps"][1], start, end)
        third, middle = (end - start) // 3, (start + end) // 2
        mean = study.vertical_residual_bw[start + third : end - third].mean()
        instant = calm.vertical_residual_bw[middle]
        print(
            f"flight {start}-{end}: mean of the middle third at 10 Hz {mean:+.3f}, middle frame at 4 Hz "
            f"{instant:+.3f} (at 10 Hz {study.vertical_residual_bw[middle]:+.3f}) body weight; "
            f"CMU's bones fall at {fall:.2f} m/s2"
        )
        if abs(fall - 9.81) > FALL_TOLERANCE * 9.81:
            broken.append((start, end))
        else:
            assert abs(mean) < 0.1
            assert abs(instant) < 0.1
    assert len(broken) == 1


def test_four_hertz_does_not_smear_a_flight_to_its_middle(studies):
    """The recorded ground force with its flights set to exactly 0, through the same 4 Hz filter."""
    study = studies["jumps"]
    force = study.vertical_residual_bw.copy()
    found = flights(study)
    for start, end in found:
        force[start:end] = 0.0
    sections = lowpass.design(4.0, FPS)
    smooth = lowpass.smooth(sections, force[:, None])[:, 0]
    middles = [(start + end) // 2 for start, end in found]
    print("ideal flights at 4 Hz, middle frame:", np.round(smooth[middles], 3))
    assert np.abs(smooth[middles]).max() < 0.05


def test_recorded_betas_shape_the_humanoid(clips, studies):
    for name, study in studies.items():
        np.testing.assert_array_equal(study.humanoid.betas, clips[name][2].betas)


@pytest.mark.parametrize(
    ("row", "edited", "message"),
    [
        ("lradius", "lradius nan", r"line \d+: not a number in 'lradius nan'; accepted: finite"),
        ("lradius", "lradius 1_0", "not a number in 'lradius 1_0'"),
        ("lradius", "lradius 1e999", "not a number in 'lradius 1e999'"),
        ("lradius", "lradius 1e8", "not a number in 'lradius 1e8'"),
        ("2", "5", "frame 5 follows frame 1"),
        ("lradius", "lradius 1\nlradius 1", "'lradius' stands twice in frame 1"),
    ],
)
def test_a_damaged_recording_is_refused(shared, tmp_path, row, edited, message):
    folder = shared / "data" / "cmu_mocap"
    lines = (folder / "02_01.amc").read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.split()[0] == row)
    lines[at] = edited
    (tmp_path / "bad.amc").write_text("\n".join(lines))
    with pytest.raises(smpl2mjcf.MotionFileError, match=message):
        smpl2mjcf.load_motion(tmp_path / "bad.amc", skeleton=folder / "02_rebuilt.asf", fps=FPS)


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("450", r"0\.0004\d+ m long"),
        ("0.00045", "look like millimetres"),
        ("0.0045", "look like centimetres"),
        ("nan", "must be positive"),
    ],
)
def test_a_skeleton_in_another_unit_is_refused(shared, tmp_path, unit, message):
    folder = shared / "data" / "cmu_mocap"
    text = (folder / "02_rebuilt.asf").read_text()
    (tmp_path / "bad.asf").write_text(text.replace("length 0.45", f"length {unit}", 1))
    with pytest.raises(smpl2mjcf.MotionFileError, match=message):
        smpl2mjcf.load_motion(folder / "02_01.amc", skeleton=tmp_path / "bad.asf", fps=FPS)


def test_no_loaded_leg_goes_unflagged(clips, default_body):
    """Where the ground must carry half the body, some leg is flagged, on every clip (the kick dips 8 cm)."""
    for name in CLIPS:
        study = analysis.torque_study(default_body, clips[name][2], cutoff=6.0)
        loaded = study.trajectory.valid & (study.vertical_residual_bw > 0.5)
        assert study.lacks_ground_force[loaded].any(axis=1).all(), name
        if name == "kick":  # the person waits, and shifts a foot, before running up
            assert study.standing[:260].any(axis=1).all()
            assert (study.standing[:100].mean(axis=0) > 0.85).all()
        if name == "jumps":
            for start, end in flights(study):
                assert not study.standing[(start + end) // 2 - 5 : (start + end) // 2 + 5].any()


def reordered(text):
    """A bone's lines in another order, and an axis of other angles, without XYZ, that is the same frame."""
    text = text.replace(
        "direction 0.342020 -0.939693 0.000000\n     length 7.593716", "length 7.593716\n     @"
    )
    text = text.replace("@", "direction 0.342020 -0.939693 0.000000")
    return text.replace("axis 0 0 -20   XYZ", "axis -180 180 160")


def without_fingers(text):
    """Skeletons of other recorders, and cut ones, lack fingers and thumbs."""
    lines, kept = text.splitlines(), []
    drop = {"lfingers", "rfingers", "lthumb", "rthumb"}
    start = 0
    for line in lines:
        if line.strip() == "begin":
            start = len(kept)
        kept.append(line)
        if line.strip() == "end" and any(f"name {name}" in " ".join(kept[start:]) for name in drop):
            del kept[start:]
    return "\n".join(" ".join(w for w in line.split() if w not in drop) for line in kept)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace("\n", "\r\n"),
        lambda t: t.replace("  ", "\t"),
        lambda t: t.replace("dof rx ry rz", "DOF RX RY RZ".replace("DOF", "dof")),
        lambda t: t.replace("XYZ", "xyz").replace("axis xyz", "axis XYZ", 1),
        lambda t: t.replace("(-160.0 20.0)", "(-inf inf)"),
        lambda t: t.replace("mass 1.0", "mass 1.0\n\n# a comment"),
        reordered,
    ],
)
def test_asf_spellings_that_occur(shared, tmp_path, change):
    """The same skeleton, however its file is laid out: bones to 1e-6 m, axes to 1e-6."""
    original = shared / "data" / "cmu_mocap" / "02_rebuilt.asf"
    (tmp_path / "other.asf").write_bytes(change(original.read_text()).encode())
    ours, theirs = read_asf(tmp_path / "other.asf"), read_asf(original)
    assert list(ours.bones) == list(theirs.bones)
    for name, bone in theirs.bones.items():
        np.testing.assert_allclose(ours.bones[name].vector, bone.vector, atol=1e-6)
        np.testing.assert_allclose(ours.bones[name].axes, bone.axes, atol=1e-6)
        assert ours.bones[name].dof == bone.dof


def test_skeletons_with_other_dofs_and_bones(shared, tmp_path):
    """No fingers, a clavicle without dof, the feet's angles in another order: the same poses elsewhere."""
    folder = shared / "data" / "cmu_mocap"
    text = without_fingers((folder / "02_rebuilt.asf").read_text())
    text = text.replace("dof rx rz\nlimits (-45.0 90.0)", "dof rz rx\nlimits (-45.0 90.0)")
    assert text.count("dof rz rx") == 2
    at = text.index("name lclavicle")
    dof = text.index("dof", at)
    text = text[:dof] + text[text.index("\n", dof) :]
    (tmp_path / "other.asf").write_text(text)
    rows = []
    for line in (folder / "02_01.amc").read_text().splitlines()[: 30 * 20]:
        words = line.split()
        if words[0] in ("lfoot", "rfoot"):
            words[1:] = reversed(words[1:])
        if words[0] not in ("lclavicle", "lfingers", "rfingers", "lthumb", "rthumb"):
            rows.append(" ".join(words))
    last = max(i for i, row in enumerate(rows) if row.isdigit())
    (tmp_path / "other.amc").write_text("\n".join(rows[:last]))
    skeleton = read_asf(tmp_path / "other.asf")
    assert len(skeleton.bones) == 26
    ours = bone_poses(skeleton, read_amc(tmp_path / "other.amc", skeleton))
    original = read_asf(folder / "02_rebuilt.asf")
    theirs = bone_poses(original, read_amc(folder / "02_01.amc", original))
    for name in ("ltoes", "rtoes", "head", "rhand"):
        T = len(ours.start[name])
        np.testing.assert_allclose(ours.start[name], theirs.start[name][:T], atol=1e-9)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("length 7.593716", "length 0", "'lfemur' is incomplete .length 0.0; accepted: above 0"),
        ("length 7.593716", "length -1", "accepted: above 0"),
        ("length 7.593716", "length 1e999", "length 1e999 is not a number"),
        ("length 7.593716", "", "'lfemur' is incomplete .'length'"),
        ("direction 0.342020 -0.939693 0.000000", "direction 0 0 0", "points nowhere"),
        ("direction 0.342020 -0.939693 0.000000", "direction 0 1", "three numbers are expected"),
        ("axis 0 0 20  XYZ", "axis 0 0 20  XXZ", "axis order 'XXZ'"),
        ("dof rx ry rz", "dof rx rx rz", "names one twice"),
        ("dof rx ry rz", "dof rx ry tz", "unknown dof tz"),
        ("name ltibia", "name lfemur", "'lfemur' stands twice"),
        ("name ltibia", "name root", "'root' stands twice, is called as the root is"),
        ("    lfemur ltibia", "    lfemur ltibia rfemur", "'rfemur' has a second parent|second parent"),
        ("    lfemur ltibia", "    ltibia ltibia", "does not lead from the root|second parent"),
        ("length 0.45", "length 1e300", "must be positive"),
    ],
)
def test_a_damaged_skeleton_is_refused(shared, tmp_path, old, new, message):
    text = (shared / "data" / "cmu_mocap" / "02_rebuilt.asf").read_text()
    assert old in text
    (tmp_path / "bad.asf").write_text(text.replace(old, new, 1))
    with pytest.raises(smpl2mjcf.MotionFileError, match=message):
        read_asf(tmp_path / "bad.asf")


@pytest.mark.parametrize("kind", ["asf", "amc"])
def test_damaged_files_give_our_errors_only(shared, tmp_path, kind):
    """300 damaged skeletons and motions: bones, or one of our errors in one line; never anything else."""
    folder = shared / "data" / "cmu_mocap"
    rng = np.random.default_rng(2)
    asf = (folder / "02_rebuilt.asf").read_bytes()
    amc = b"\n".join((folder / "02_01.amc").read_bytes().splitlines()[:93])
    words = [
        b" nan ",
        b"1e999",
        b"begin",
        b"end",
        b"\xb2",
        b" -1 ",
        b"9" * 5000,
        b":root",
        b"\0",
        b"\n",
        b"\n2\n",
    ]
    read, lines = 0, set()
    for i in range(300):
        files = {"asf": bytearray(asf), "amc": bytearray(amc)}
        damaged = files[kind]
        if i % 5 == 0:
            del damaged[rng.integers(1, len(damaged)) :]
        for _ in range(rng.integers(1, 4)):
            at = rng.integers(0, len(damaged))
            if i % 3 == 0:
                damaged[at] ^= 1 << rng.integers(0, 8)
            elif i % 3 == 1:
                damaged[at] = ord("7") if damaged[at] in b"0123456789" else damaged[at]
            else:
                damaged[at : at + rng.integers(0, 5)] = words[rng.integers(0, len(words))]
        for name, content in files.items():
            (tmp_path / f"fuzz.{name}").write_bytes(content)
        try:
            skeleton = read_asf(tmp_path / "fuzz.asf")
            poses = bone_poses(skeleton, read_amc(tmp_path / "fuzz.amc", skeleton))
            assert all(np.isfinite(track).all() for track in poses.start.values())
            read += 1
        except smpl2mjcf.Error as error:
            lines.add(len(str(error).splitlines()))
    assert 30 < read < 270
    assert lines == {1}
