"""C3D files of every storage kind, written here with struct alone, and CMU's own, judged by ezc3d.

The data used here was obtained from mocap.cs.cmu.edu. The database was created with funding from NSF
EIA-0196217.
"""

import struct

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf.asf_amc import bone_poses, read_amc, read_asf
from smpl2mjcf.c3d import load_markers

PROCESSORS = {"intel": (84, "<"), "dec": (85, "<"), "mips": (86, ">")}
CMU = ("02_05", "dribble_shoot_basketball")


def vax(values):
    """VAX F bytes: the IEEE bits of four times the value, most significant half first."""
    bits = (np.asarray(values, np.float32) * np.float32(4)).view(np.uint32)
    return np.stack([bits >> 16, bits & 0xFFFF], axis=-1).astype("<u2").tobytes()


def c3d_bytes(
    positions,
    missing,
    processor="intel",
    floats=True,
    labels=None,
    units="mm",
    analog=0,
    trial=None,
    frames_stated=None,
    rate=100.0,
    extra=(),
    point=None,
):
    """A C3D file of positions (T, N, 3) in its unit; missing (T, N) get the residual -1."""
    number, endian = PROCESSORS[processor]
    T, N = missing.shape
    scale = -0.05 if floats else 0.05

    def real(values):
        return vax(values) if processor == "dec" else np.asarray(values, f"{endian}f4").tobytes()

    def word(values):
        return np.asarray(values).astype(f"{endian}u2").tobytes()

    def group(name, index):
        head = bytes([len(name), 256 - index]) + name.encode()
        return head + word([3]) + b"\0"

    def parameter(index, name, kind, sizes, raw):
        head = bytes([len(name), index]) + name.encode()
        body = struct.pack("b", kind) + bytes([len(sizes), *sizes]) + raw + b"\0"
        return head + word([2 + len(body)]) + body

    labels = labels or [f"me:M{n}" for n in range(N)]
    records = group("POINT", 1) + group("TRIAL", 2) + group("ANALOG", 3)
    stated = min(T, 65535) if frames_stated is None else frames_stated
    records += parameter(1, "USED", 2, [], word([N])) + parameter(1, "FRAMES", 2, [], word([stated]))
    records += parameter(1, "SCALE", 4, [], real([scale])) + parameter(1, "RATE", 4, [], real([rate]))
    records += parameter(1, "UNITS", -1, [len(units)], units.encode()) if units else b""
    for part in range(0, len(labels), 255):
        name = "LABELS" if part == 0 else f"LABELS{part // 255 + 1}"
        some = labels[part : part + 255]
        records += parameter(1, name, -1, [16, len(some)], b"".join(x.encode().ljust(16) for x in some))
    for name, kind, sizes, raw in extra:
        records += parameter(1, name, kind, sizes, raw)
    if trial:
        for name, value in zip(("ACTUAL_START_FIELD", "ACTUAL_END_FIELD"), trial):
            records += parameter(2, name, 2, [2], word([value & 0xFFFF, value >> 16]))
    records += parameter(3, "USED", 2, [], word([analog]))
    records += parameter(3, "RATE", 4, [], real([rate * 2 if analog else 0.0]))
    records += parameter(3, "SCALE", 4, [analog], real([1.0] * analog))
    records += parameter(3, "GEN_SCALE", 4, [], real([1.0])) + parameter(
        3, "OFFSET", 2, [analog], word([0] * analog)
    )
    records += parameter(
        3, "LABELS", -1, [4, analog], b"".join(f"A{a}".encode().ljust(4) for a in range(analog))
    )
    start_at = 4 + len(records) + len(parameter(1, "DATA_START", 2, [], word([0]))) + 2
    blocks = -(-start_at // 512)
    data_start = 2 + blocks
    records += parameter(1, "DATA_START", 2, [], word([data_start])) + b"\0\0"
    head = bytes([2, 0x50]) + word([N, 2 * analog, 1, min(T, 65535), 0]) + real([scale])
    head += word([data_start, 2 if analog else 0]) + real([rate])
    out = head.ljust(512, b"\0") + (bytes([1, 0x50, blocks, number]) + records).ljust(512 * blocks, b"\0")
    table = np.zeros((T, 4 * N + 2 * analog))
    cells = table[:, : 4 * N].reshape(T, N, 4)
    cells[:, :, :3] = positions if floats else np.round(positions / abs(scale))
    cells[missing] = [1, 2, 3, -1]  # where it was last, in some programs
    table[:, : 4 * N] = cells.reshape(T, -1)
    table[:, 4 * N :] = np.arange(2 * analog) + 7  # must not be taken for points
    raw = real(table.reshape(-1)) if floats else table.astype(f"{endian}i2").tobytes()
    return out + raw + b"\0" * (-len(raw) % 512)


@pytest.fixture
def cloud():
    rng = np.random.default_rng(3)
    positions = rng.uniform(-1500, 1500, (7, 5, 3))
    missing = rng.random((7, 5)) < 0.2
    return positions, missing


@pytest.mark.parametrize("analog", [0, 3])
@pytest.mark.parametrize("floats", [True, False])
@pytest.mark.parametrize("processor", PROCESSORS)
def test_every_storage_kind_reads_as_written_and_as_ezc3d_reads_it(
    tmp_path, cloud, oracle, processor, floats, analog
):
    """Floats to 24 bits (1e-7 of 1.5 m), integers to half their step of .05 mm."""
    positions, missing = cloud
    path = tmp_path / "cloud.c3d"
    path.write_bytes(c3d_bytes(positions, missing, processor, floats, analog=analog))
    markers = load_markers(path, up="z")
    assert markers.names == ("M0", "M1", "M2", "M3", "M4")
    assert (markers.subject, markers.fps, markers.up) == ("me", 100.0, "z")
    np.testing.assert_array_equal(np.isnan(markers.positions).all(axis=2), missing)
    np.testing.assert_allclose(
        markers.positions[~missing], positions[~missing] / 1000, atol=1e-6 if floats else 2.6e-5
    )
    if processor == "mips":
        return  # ezc3d 1.7 refuses these: the writer above is the only judge
    judge = oracle("ezc3d").c3d(str(path))
    theirs = np.moveaxis(judge["data"]["points"][:3], 0, -1).transpose(1, 0, 2) / 1000
    np.testing.assert_allclose(markers.positions, theirs, atol=1e-6)


@pytest.mark.parametrize("clip", CMU)
def test_cmu_files_as_ezc3d_reads_them(shared, oracle, clip):
    """One is Intel floats, the other DEC integers; 1e-9 m is rounding of the scale."""
    path = shared / "data" / "cmu_mocap" / f"{clip}.c3d"
    markers = load_markers(path)
    judge = oracle("ezc3d").c3d(str(path))
    theirs = np.moveaxis(judge["data"]["points"][:3], 0, -1).transpose(1, 0, 2) / 1000
    np.testing.assert_allclose(markers.positions, theirs, atol=1e-9)
    labels = judge["parameters"]["POINT"]["LABELS"]["value"]
    assert [f"{markers.subject}:{name}" for name in markers.names] == labels
    assert (markers.fps, markers.up) == (120.0, "z")
    assert markers.num_frames == {"02_05": 1854, "dribble_shoot_basketball": 494}[clip]


def test_more_than_255_labels_and_unnamed_points(tmp_path):
    rng = np.random.default_rng(0)
    positions = rng.uniform(1, 900, (2, 300, 3))
    path = tmp_path / "many.c3d"
    labels = [f"P{n}" for n in range(297)] + ["", "me:a"]
    path.write_bytes(c3d_bytes(positions / 1000, np.zeros((2, 300), bool), labels=labels, units="m"))
    markers = load_markers(path)
    assert markers.names[255:257] == ("P255", "P256")
    assert markers.names[297:] == ("unlabelled_298", "a", "unlabelled_300")
    np.testing.assert_allclose(markers.positions, positions / 1000, atol=1e-6)


def test_points_out_of_reach_are_refused(tmp_path, cloud):
    positions, missing = cloud
    path = tmp_path / "far.c3d"
    path.write_bytes(c3d_bytes(positions * 1e5, missing, units="m"))
    with pytest.raises(smpl2mjcf.MotionFileError, match=r"marker M0 at .* m in frame 0; is it damaged"):
        load_markers(path)


def test_frames_beyond_what_sixteen_bits_state(tmp_path):
    """70000 frames: by TRIAL's 32 bits, and without it by the file's size, which is said."""
    T = 70000
    positions = np.zeros((T, 1, 3))
    positions[:, 0, 0] = np.arange(T) + 1
    path = tmp_path / "long.c3d"
    path.write_bytes(c3d_bytes(positions, np.zeros((T, 1), bool), trial=(1, T)))
    np.testing.assert_allclose(load_markers(path).positions, positions / 1000, atol=1e-5)
    path.write_bytes(c3d_bytes(positions, np.zeros((T, 1), bool)))
    with pytest.warns(UserWarning, match="states 65535 frames, the most that it can"):
        markers = load_markers(path)
    # Without TRIAL the last block's padding cannot be told from frames.
    assert T <= markers.num_frames < T + 32


def test_computed_curves_are_no_markers(tmp_path, cloud):
    positions, missing = cloud
    labels = ["me:A", "me:LKneeAngles", "me:B", "me:LKneeMoment", "me:C"]
    extra = [("ANGLES", -1, [12, 1], b"LKneeAngles "), ("MOMENTS", -1, [12, 1], b"LKneeMoment ")]
    path = tmp_path / "curves.c3d"
    path.write_bytes(c3d_bytes(positions, missing, labels=labels, extra=extra))
    with pytest.warns(UserWarning, match="2 of 5 points are angles, forces"):
        markers = load_markers(path)
    assert markers.names == ("A", "B", "C")


def test_several_people(tmp_path, cloud):
    positions, missing = cloud
    path = tmp_path / "two.c3d"
    path.write_bytes(c3d_bytes(positions, missing, labels=["a:X", "b:X", "a:Y", "b:Y", "b:Z"]))
    with pytest.raises(smpl2mjcf.MotionFileError, match="several people: choose one of a, b"):
        load_markers(path)
    markers = load_markers(path, subject="b")
    assert (markers.names, markers.subject) == (("X", "Y", "Z"), "b")
    with pytest.raises(smpl2mjcf.MotionFileError, match="no markers of 'c'; available: a, b"):
        load_markers(path, subject="c")


def test_zeros_are_missing_markers(tmp_path, cloud):
    positions, missing = cloud
    positions[2, 3] = 0
    missing[2, 3] = False
    path = tmp_path / "zeros.c3d"
    path.write_bytes(c3d_bytes(positions, missing))
    assert np.isnan(load_markers(path).positions[2, 3]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[:300], "not a C3D file"),
        (lambda b: b[:1] + b"\x51" + b[2:], "second byte must be 0x50"),
        (lambda b: bytes([99]) + b[1:], "parameters at block 99, outside"),
        (lambda b: b[:515] + bytes([83]) + b[516:], "processor 83"),
        (lambda b: b[:-512], "states 7 frames and holds"),
        (lambda b: b[:2] + b"\x06" + b[3:], "6 points a frame by its header and 5 by POINT:USED"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, cloud, change, message):
    path = tmp_path / "bad.c3d"
    path.write_bytes(change(c3d_bytes(*cloud)))
    with pytest.raises(smpl2mjcf.MotionFileError, match=message):
        load_markers(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(units=""), "unit of length ''"),
        (dict(units="furlong"), "unit of length 'furlong'"),
        (dict(labels=["me:A"] * 5), "markers named twice: A"),
        (dict(rate=0.0), "states 0.0 frames/s"),
        (dict(frames_stated=0), "states 0 frames"),
    ],
)
def test_what_only_the_user_knows_is_asked_for(tmp_path, cloud, options, message):
    path = tmp_path / "bad.c3d"
    path.write_bytes(c3d_bytes(*cloud, **options))
    with pytest.raises(smpl2mjcf.MotionFileError, match=message):
        load_markers(path)
    if options.get("units") == "":
        assert load_markers(path, unit="mm").fps == 100.0


def test_a_unit_of_the_user_wins_and_is_said(tmp_path, cloud):
    path = tmp_path / "cloud.c3d"
    path.write_bytes(c3d_bytes(cloud[0] / 10, cloud[1], units="mm"))
    with pytest.warns(UserWarning, match="states the unit of length 'mm'; 'cm' was asked for and is used"):
        ours = load_markers(path, unit="cm")
    path.write_bytes(c3d_bytes(cloud[0] / 10, cloud[1], units="cm"))
    np.testing.assert_array_equal(ours.positions, load_markers(path, unit="CM").positions)


PERSON = np.array([[0.1, 0.2, 0.02], [0.3, 0.2, 1.7], [-0.2, 0.1, 1.1]])  # m: toe, head, hand
METRES = {"m": 1, "cm": 100, "mm": 1000, "in": 1 / 0.0254, "ft": 1 / 0.3048}


def person(path, per_metre, labels, units, size=1.0, others=()):
    """Three frames of a person, and points of other things (m); some markers are missing in one frame."""
    points = np.concatenate([PERSON * size, np.reshape(others, (-1, 3))]) * per_metre
    missing = np.zeros((3, len(points)), bool)
    missing[1, 1:] = True
    path.write_bytes(c3d_bytes(np.tile(points, (3, 1, 1)), missing, labels=labels, units=units))
    return path


@pytest.mark.parametrize("labels", [["me:A", "me:B", "me:C"], ["A", "B", "C"]])
@pytest.mark.parametrize("claimed", METRES)
@pytest.mark.parametrize("true", METRES)
def test_a_person_in_another_unit_is_refused_and_the_unit_named(tmp_path, true, claimed, labels):
    """1.68 m; units up to 4 times apart are told only where a subject's markers are known to be one's."""
    path = person(tmp_path / "person.c3d", METRES[true], labels, claimed)
    factor = METRES[true] / METRES[claimed]
    name = {"m": "metres", "cm": "centimetres", "mm": "millimetres", "in": "inches", "ft": "feet"}[true]
    if 0.3 <= 1.68 * factor <= (3.0 if ":" in labels[0] else 10.0):
        assert load_markers(path).num_frames == 3
        return
    if 0.05 <= 1.68 * factor < 0.3:
        with pytest.warns(UserWarning, match=rf"a hand, a foot or a prop, or else looks like {name}"):
            load_markers(path)
        return
    with pytest.raises(smpl2mjcf.MotionFileError, match=rf"this looks like {name} \(unit='{true}'\)"):
        load_markers(path)


def test_a_lab_may_be_wider_than_a_person(tmp_path):
    """A force plate 6 m away, without a prefix; as the subject's own marker it is another unit or damage."""
    plate = [[6.0, 0.0, 0.0]]
    path = person(tmp_path / "lab.c3d", 1000, ["me:A", "me:B", "me:C", "plate"], "mm", others=plate)
    assert len(load_markers(path).names) == 4
    assert len(load_markers(path, subject="me").names) == 3
    path = person(tmp_path / "lab.c3d", 1000, ["me:A", "me:B", "me:C", "me:plate"], "mm", others=plate)
    with pytest.raises(smpl2mjcf.MotionFileError, match=r"spread over 6.2 m.*accepted: 0.05 to 3 m"):
        load_markers(path)


def test_a_ball_is_read_with_a_warning_and_a_single_marker_without(tmp_path):
    path = person(tmp_path / "ball.c3d", 1000, ["ball:A", "ball:B", "ball:C"], "mm", size=0.13)
    with pytest.warns(UserWarning, match=r"0.218 m .* a hand, a foot or a prop"):
        load_markers(path)
    path.write_bytes(c3d_bytes(np.ones((2, 1, 3)), np.zeros((2, 1), bool), units="m"))
    assert load_markers(path).names == ("M0",)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("processor", PROCESSORS)
def test_damaged_bytes_give_our_errors_only(tmp_path, cloud, processor):
    """300 files with flipped bits or cut off: markers, or our error in one line; never anything else."""
    rng = np.random.default_rng(5)
    source = c3d_bytes(*cloud, processor, floats=processor != "intel", analog=2, trial=(1, 7))
    path = tmp_path / "fuzz.c3d"
    read, lines = 0, set()
    for i in range(300):
        damaged = bytearray(source)
        if i % 4 == 0:
            damaged = damaged[: rng.integers(1, len(damaged))]
        for _ in range(rng.integers(1, 8)):
            # Header and parameters fill the first three blocks.
            at = rng.integers(0, min(len(damaged), 1536 if i % 3 else len(damaged)))
            damaged[at] ^= 1 << rng.integers(0, 8)
        path.write_bytes(damaged)
        try:
            assert load_markers(path).positions.nbytes < 100 * len(source)
            read += 1
        except smpl2mjcf.Error as error:
            lines.add(len(str(error).splitlines()))
    assert 20 < read < 280
    assert lines == {1}


# One recording day, two files: 02_05.c3d holds the markers, 02_01.amc with its skeleton the bones, of the
# same person. Skin markers lie where a palpated landmark is to .6-2.1 cm (Della Croce et al. 2005, Gait &
# Posture 21:226, doi 10.1016/j.gaitpost.2004.05.003) and slide over the bone by up to 1-3 cm, least on the
# shank (Leardini et al. 2005, Gait & Posture 21:212, doi 10.1016/j.gaitpost.2004.05.002).


@pytest.fixture(scope="module")
def one_day(shared):
    folder = shared / "data" / "cmu_mocap"
    skeleton = read_asf(folder / "02_rebuilt.asf")
    poses = bone_poses(skeleton, read_amc(folder / "02_01.amc", skeleton))
    return load_markers(folder / "02_05.c3d"), skeleton, poses


def length(vectors):
    return np.linalg.norm(vectors, axis=-1)


def standing(markers):
    """Frames in which both feet rest: heels and toes slower than 5 cm/s."""
    slow = np.ones(markers.num_frames, bool)
    for name in ("LHEE", "RHEE", "LTOE", "RTOE"):
        slow &= length(np.gradient(markers.track(name), axis=0)) * markers.fps < 0.05
    return slow


def rigid_frame(markers, names):
    """(T, 3, 3) rotations and (T, 3) m centres of a cluster of markers; NaN where one was not seen."""
    points = np.stack([markers.track(name) for name in names], axis=1)
    seen = ~np.isnan(points).any(axis=(1, 2))
    centres = points.mean(axis=1)
    shape = points[seen][0] - centres[seen][0]
    rotations = np.full((len(points), 3, 3), np.nan)
    for t in np.flatnonzero(seen):
        rotations[t] = Rotation.align_vectors(points[t] - centres[t], shape)[0].as_matrix()
    return rotations, centres


def centre_of_rotation(markers, base, moving):
    """(T, 3) m: the point of one cluster about which other markers move on spheres; their radii; rms in m."""
    rotations, centres = rigid_frame(markers, base)
    local = [np.einsum("tji,tj->ti", rotations, markers.track(name) - centres) for name in moving]
    local = [points[~np.isnan(points).any(axis=1)][::10] for points in local]

    def misfit(x):
        return np.concatenate([length(points - x[:3]) - x[3 + i] for i, points in enumerate(local)])

    start = np.concatenate([np.mean(local[0], axis=0) / 2, [0.3] * len(moving)])
    found = least_squares(misfit, start, loss="soft_l1", f_scale=0.005)
    centre = np.einsum("tij,j->ti", rotations, found.x[:3]) + centres
    return centre, found.x[3:], np.sqrt(np.mean(misfit(found.x) ** 2))


def test_marker_clusters_are_rigid(one_day):
    """Distances within a segment keep to 5 mm (standard deviation): soft tissue, and no swapped labels."""
    markers, _, _ = one_day
    pairs = [("LFWT", "RFWT"), ("LBWT", "RBWT"), ("LTHI", "LKNE"), ("RTHI", "RKNE"), ("LSHN", "LKNE")]
    pairs += [("LKNE", "LANK"), ("RKNE", "RANK"), ("LHEE", "LTOE"), ("RHEE", "RTOE"), ("LUPA", "LELB")]
    pairs += [("LWRA", "LWRB"), ("RWRA", "RWRB"), ("LFHD", "RFHD"), ("LFHD", "LBHD"), ("CLAV", "STRN")]
    for first, second in pairs:
        spread = np.nanstd(length(markers.track(first) - markers.track(second)))
        print(f"{first}-{second}: {1000 * spread:.1f} mm")
        assert spread < 0.005, (first, second)


def test_axes_are_the_same_person_upright(one_day):
    """Markers: z up, AMC: y up; in both, left x up points where the feet point, and the head is on top."""
    markers, _, poses = one_day
    still = standing(markers)
    assert still.sum() > 200
    track = {name: markers.track(name)[still] for name in markers.names}
    up = np.array([0.0, 0.0, 1.0])
    left = np.nanmean(track["LFWT"] - track["RFWT"], axis=0)
    forward = np.nanmean(track["LFWT"] + track["RFWT"] - track["LBWT"] - track["RBWT"], axis=0)
    feet = np.nanmean(track["LTOE"] - track["LHEE"] + track["RTOE"] - track["RHEE"], axis=0)
    across = np.cross(left, up)
    assert forward @ across / length(forward) / length(across) > 0.9
    assert feet @ across / length(feet) / length(across) > 0.5  # a fighter's stance: one foot is turned out
    assert np.nanmean((track["LFHD"] - track["LANK"]) @ up) > 1.3
    start = poses.start
    left = (start["lfemur"] - start["rfemur"]).mean(axis=0)
    across = np.cross(left, [0.0, 1.0, 0.0])
    walked = start["root"][-1] - start["root"][0]
    assert walked @ across / length(walked) / length(across) > 0.98
    assert (start["head"] - start["lfoot"])[:, 1].mean() > 1.2


def test_limbs_of_markers_and_bones_agree(one_day):
    """Lengths by markers and by bones, each within what skin markers can tell."""
    markers, skeleton, _ = one_day
    bone = {name: length(b.vector) for name, b in skeleton.bones.items()}

    def apart(first, second):
        return float(np.nanmedian(length(first - second)))

    for side in "LR":
        track = {n: markers.track(side + n) for n in ("KNE", "ANK", "SHO", "ELB", "WRA", "WRB", "TOE")}
        s = side.lower()
        # Both markers sit on the outside of their joint: their distance is the bone's, to two palpations.
        shank = apart(track["KNE"], track["ANK"])
        # The functional hip needs no landmark; the knee's marker lies 5 cm beside the joint (.5 cm longer).
        base = ("LFWT", "RFWT", "LBWT", "RBWT")
        _, (thigh, _), rms = centre_of_rotation(markers, base, (f"{side}KNE", f"{side}THI"))
        forearm = apart(track["ELB"], (track["WRA"] + track["WRB"]) / 2)
        upper_arm = apart(track["SHO"], track["ELB"])
        print(
            f"{side}: shank {shank:.3f} / {bone[s + 'tibia']:.3f}, thigh {thigh:.3f} / "
            f"{bone[s + 'femur']:.3f} (sphere rms {1000 * rms:.1f} mm), forearm {forearm:.3f} / "
            f"{bone[s + 'radius'] + bone[s + 'wrist']:.3f}, acromion to elbow {upper_arm:.3f} / "
            f"{bone[s + 'humerus']:.3f}, markers / bones in m"
        )
        assert abs(shank - bone[s + "tibia"]) < 0.01
        assert rms < 0.01
        assert abs(thigh - bone[s + "femur"]) < 0.025
        # CMU's hand starts past the wrist's markers: half the radius again is their rule, not anatomy.
        assert 0 < bone[s + "radius"] + bone[s + "wrist"] - forearm < 0.025
        # The acromion's marker sits some 5 cm above the centre of the shoulder.
        assert 0.03 < upper_arm - bone[s + "humerus"] < 0.07


def test_heights_of_markers_and_bones_agree(one_day):
    """Standing in one file, walking in the other: joints at the same heights over the same floor."""
    markers, _, poses = one_day
    still = standing(markers)
    hips = [
        centre_of_rotation(markers, ("LFWT", "RFWT", "LBWT", "RBWT"), (f"{s}KNE", f"{s}THI"))[0] for s in "LR"
    ]
    hip = np.nanpercentile((hips[0] + hips[1])[still, 2] / 2, 95)  # knees and all straight
    hip_bones = np.percentile((poses.start["lfemur"] + poses.start["rfemur"])[:, 1] / 2, 95)
    knee = np.nanpercentile([markers.track(f"{s}KNE")[still, 2] for s in "LR"], 95)
    knee_bones = np.median([poses.start[f"{s}tibia"][:, 1] for s in "lr"])
    shoulder = np.nanpercentile([markers.track(f"{s}SHO")[still, 2] for s in "LR"], 50)
    shoulder_bones = np.median([poses.start[f"{s}humerus"][:, 1] for s in "lr"])
    toe = np.nanpercentile([markers.track(f"{s}TOE")[:, 2] for s in "LR"], 5)
    toe_bones = np.percentile([poses.start[f"{s}toes"][:, 1] for s in "lr"], 5)
    print(
        f"hip {hip:.3f} / {hip_bones:.3f}, knee {knee:.3f} / {knee_bones:.3f}, acromion to shoulder "
        f"{shoulder:.3f} / {shoulder_bones:.3f}, ball of the foot {toe:.3f} / {toe_bones:.3f}, markers / "
        "bones, m over each file's zero"
    )
    assert abs(hip - hip_bones) < 0.03
    assert abs(knee - knee_bones) < 0.03
    assert -0.03 < shoulder - shoulder_bones < 0.07  # acromion 5 cm above the joint, knees a little bent
    assert abs(toe - toe_bones) < 0.03  # the floor: the marker rides on the shoe
