"""A thousand damaged, lying and hostile files through the command line: one clear line or a whole result.

Every file goes through `smpl2mjcf convert` or `smpl2mjcf build` in this process, so an exception that is no
smpl2mjcf.Error fails the test with its traceback. An audit hook watches for processes, sockets, foreign
pickles and files written anywhere but into the result's folder.
"""

import collections
import io
import os
import pickle
import shutil
import struct
import sys
import warnings
import zipfile

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf.__main__ import main

FRAMES = 12

WATCHED = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "subprocess.Popen",
    "socket.connect",
    "pickle.find_class",
)
_seen: list[str] = []
_watching = False


def _audit(event, arguments):
    if not _watching:
        return
    if event in WATCHED:
        _seen.append(f"{event} {arguments}")
    if event == "open" and isinstance(arguments[0], str) and set(str(arguments[1])) & set("wax+"):
        _seen.append(f"open {arguments[:2]}")


sys.addaudithook(_audit)  # cannot be taken back; it does nothing while nobody watches


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """Everything is imported before anybody watches: mujoco's glfw looks for its library in a process."""
    folder = tmp_path_factory.mktemp("imported")
    assert main(["convert", str(smpl2mjcf.model_file("walk.npz")), "--out", str(folder)]) == 0


@pytest.fixture
def watched(tmp_path, imported):
    """Code that a file ran, or files that were written outside of tmp_path, while the test lasted."""
    global _watching
    _seen.clear()
    _watching = True
    yield lambda: [event for event in _seen if str(tmp_path) not in event]
    _watching = False


# --- what is damaged: a whole file of each kind, as bytes ---


def upright(frames=FRAMES, joints=24):
    t = np.arange(frames) / 30
    poses = 0.3 * np.sin(t[:, None, None] * 3 + np.arange(joints * 3).reshape(joints, 3))
    poses[:, 0] = (
        Rotation.from_euler("z", 0.2 * t[:, None]) * Rotation.from_euler("x", np.pi / 2)
    ).as_rotvec()
    return poses, np.stack([t, 0 * t, 0.9 + 0.05 * np.sin(5 * t)], axis=1)


def npz(width=156, save=np.savez, **changes):
    poses, trans = upright(joints=width // 3)
    arrays = {
        "poses": poses.reshape(FRAMES, width),
        "trans": trans,
        "betas": np.zeros(16),
        "gender": np.array(b"male"),
        "mocap_framerate": np.array(120.0),
    }
    buffer = io.BytesIO()
    save(buffer, **(arrays | changes))
    return buffer.getvalue()


def people():
    poses, trans = upright()
    person = {
        "pose": poses.reshape(FRAMES, 72),
        "trans": trans,
        "pose_world": poses.reshape(FRAMES, 72),
        "trans_world": trans,
        "betas": np.zeros((FRAMES, 10)),
        "verts": np.zeros((FRAMES, 5, 3)),
        "frame_ids": np.arange(FRAMES) + (np.arange(FRAMES) > 5),
    }
    return collections.defaultdict(dict, {0: person})


def wham_pickle():
    return pickle.dumps(people(), protocol=2)


def wham_joblib(oracle, **options):
    buffer = io.BytesIO()
    oracle("joblib").dump(people(), buffer, **options)
    return buffer.getvalue()


def phalp(oracle):
    poses, _ = upright()
    matrices = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(FRAMES, 24, 3, 3)
    frames = {}
    for i, R in enumerate(matrices):
        smpl = {"global_orient": R[:1], "body_pose": R[1:], "betas": np.zeros(10)}
        frames[f"{i:06d}.jpg"] = {
            "time": i,
            "shot": 0,
            "tid": [1],
            "tracked_ids": [1],
            "tracked_time": [0],
            "smpl": [smpl],
            "camera": [np.array([0.0, 0.0, 30.0])],
            "conf": [0.9],
        }
    buffer = io.BytesIO()
    oracle("joblib").dump(frames, buffer, compress=3)
    return buffer.getvalue()


def prompthmr(oracle):
    poses, trans = upright()
    pose = np.zeros((FRAMES, 165))
    pose[:, :66] = poses[:, :22].reshape(FRAMES, 66)
    world = {"pose": pose, "shape": np.zeros((FRAMES, 10)), "trans": trans}
    person = {"frames": np.arange(FRAMES), "track_id": 1, "smplx_world": world, "smplx_cam": {}}
    buffer = io.BytesIO()
    oracle("joblib").dump({"people": {1: person}, "camera": {}, "camera_world": {}}, buffer)
    return buffer.getvalue()


def gvhmr(oracle):
    torch = oracle("torch")
    poses, trans = (torch.tensor(array, dtype=torch.float32) for array in upright())
    part = {
        "global_orient": poses[:, 0],
        "body_pose": poses[:, 1:22].reshape(FRAMES, 63),
        "betas": torch.zeros(FRAMES, 10),
        "transl": trans,
    }
    content = {"smpl_params_global": part, "smpl_params_incam": part, "K_fullimg": torch.zeros(FRAMES, 3, 3)}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def tram(oracle):
    torch = oracle("torch")
    poses, trans = upright()
    R = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(FRAMES, 24, 3, 3)
    track = {
        "pred_rotmat": torch.tensor(R),
        "pred_trans": torch.tensor(trans[:, None]),
        "pred_shape": torch.zeros(FRAMES, 10),
        "frame": torch.arange(FRAMES),
    }
    buffer = io.BytesIO()
    np.save(buffer, np.array(track, dtype=object), allow_pickle=True)
    return buffer.getvalue()


BVH_TREE = (
    ("Hips", None), ("Spine", 0), ("Spine1", 1), ("Spine2", 2), ("Neck", 3), ("Head", 4),
    ("LeftShoulder", 3), ("LeftArm", 6), ("LeftForeArm", 7), ("LeftHand", 8),
    ("RightShoulder", 3), ("RightArm", 10), ("RightForeArm", 11), ("RightHand", 12),
    ("LeftUpLeg", 0), ("LeftLeg", 14), ("LeftFoot", 15), ("LeftToeBase", 16),
    ("RightUpLeg", 0), ("RightLeg", 18), ("RightFoot", 19), ("RightToeBase", 20),
)  # fmt: skip
BVH_OFFSETS = (
    (0, 0, 0), (0, 10, 0), (0, 13, 0), (0, 13, 0), (0, 20, 0), (0, 9, 0),
    (4, 15, 0), (13, 3, 0), (27, 0, 0), (25, 0, 0),
    (-4, 15, 0), (-13, 3, 0), (-27, 0, 0), (-25, 0, 0),
    (9, -5, 0), (0, -42, 0), (0, -41, 0), (0, -6, 13),
    (-9, -5, 0), (0, -42, 0), (0, -41, 0), (0, -6, 13),
)  # fmt: skip


def bvh():
    """A person in Mixamo's names and centimetres."""

    def joint(index, depth):
        name, parent = BVH_TREE[index]
        pad = "  " * depth
        channels = "Xposition Yposition Zposition " if parent is None else ""
        count = 6 if parent is None else 3
        lines = [
            f"{pad}{'ROOT' if parent is None else 'JOINT'} mixamorig:{name}",
            f"{pad}{{",
            f"{pad}  OFFSET {BVH_OFFSETS[index][0]} {BVH_OFFSETS[index][1]} {BVH_OFFSETS[index][2]}",
            f"{pad}  CHANNELS {count} {channels}Zrotation Xrotation Yrotation",
        ]
        children = [i for i, (_, up) in enumerate(BVH_TREE) if up == index]
        for child in children:
            lines += joint(child, depth + 1)
        if not children:
            lines += [f"{pad}  End Site", f"{pad}  {{", f"{pad}    OFFSET 0 0 5", f"{pad}  }}"]
        return [*lines, f"{pad}}}"]

    rows = []
    for frame in range(FRAMES):
        angles = 10 * np.sin(0.2 * frame + np.arange(3 * len(BVH_TREE)))
        rows.append(" ".join(f"{x:.4f}" for x in [frame, 95, 0, *angles]))
    head = ["HIERARCHY", *joint(0, 0), "MOTION", f"Frames: {FRAMES}", "Frame Time: 0.033333"]
    return "\n".join([*head, *rows, ""]).encode()


def body_npz():
    return smpl2mjcf.model_file("default_body.npz").read_bytes()


def body_pickle():
    body = smpl2mjcf.default_body()
    arrays = {
        "v_template": body.v_template,
        "shapedirs": body.shapedirs,
        "J_regressor": body.joint_regressor,
        "weights": body.weights,
        "f": body.faces.astype(np.uint32),
        "kintree_table": np.array([[2**32 - 1, *body.parents[1:]], range(24)], dtype=np.uint32),
    }
    return pickle.dumps(arrays, protocol=2)


MOTIONS = {
    "amass_h.npz": (lambda oracle: npz(), ()),
    "amass_x.npz": (lambda oracle: npz(165, np.savez_compressed), ()),
    "wham.pkl": (lambda oracle: wham_pickle(), ("--fps", "30")),
    "wham_joblib.pkl": (wham_joblib, ("--fps", "30")),
    "wham_zlib.pkl": (lambda oracle: wham_joblib(oracle, compress=3), ("--fps", "30")),
    "phalp.pkl": (phalp, ("--fps", "30", "--up=-y")),
    "prompthmr.pkl": (prompthmr, ("--fps", "30")),
    "gvhmr.pt": (gvhmr, ()),
    "hps_track_0.npy": (tram, ("--fps", "30", "--up=-y")),
    "mixamo.bvh": (lambda oracle: bvh(), ("--unit", "cm")),
}
BODIES = {"body.npz": body_npz, "body.pkl": body_pickle}

EACH = 80
"""Damaged files of each kind: 12 x 80, and those below, are over 1000."""


def damaged(data, rng):
    """One of the ways in which a file arrives broken."""
    data = bytearray(data)
    match rng.integers(5):
        case 0:
            del data[rng.integers(len(data)) :]
        case 1:
            for _ in range(rng.integers(1, 20)):
                data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        case 2:
            start = rng.integers(len(data))
            data[start : start + 16] = rng.bytes(16)
        case 3:
            start = rng.integers(len(data))
            del data[start : start + rng.integers(1, 200)]
        case 4:  # the structure sits at the ends
            start = rng.integers(min(400, len(data))) if rng.random() < 0.5 else -rng.integers(1, 400)
            data[start] = rng.integers(256)
    return bytes(data)


def outcome(words, out, capsys):
    """Run a verb; check that it ended in a whole result or in one line and nothing else. True: a result."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")  # numpy's and ours: shown, no failure
        code = main([*map(str, words), "--out", str(out)])
    captured = capsys.readouterr()
    assert code in (0, 2), (words, code)
    if code == 2:
        last = captured.err.splitlines()[-1]
        assert last.startswith("smpl2mjcf: error: "), (words, captured.err)
        assert sum("error: " in line for line in captured.err.splitlines()) == 1, captured.err
        assert len(last) < 2000
        assert not out.exists(), words
        return False
    names = {path.name for path in out.iterdir()}
    assert names in ({"motion.npz", "run.json"}, {"humanoid.xml", "run.json"}), names
    shutil.rmtree(out)
    return True


def test_whole_files_give_results(oracle, tmp_path, capsys):
    """What is damaged below is read when it is whole."""
    for name, (make, options) in MOTIONS.items():
        (tmp_path / name).write_bytes(make(oracle))
        assert outcome(["convert", tmp_path / name, *options], tmp_path / "out", capsys), name
    for name, make in BODIES.items():
        (tmp_path / name).write_bytes(make())
        assert outcome(["build", "--body", tmp_path / name], tmp_path / "out", capsys), name


@pytest.mark.parametrize("name", [*MOTIONS, *BODIES])
def test_damaged_files(name, oracle, tmp_path, capsys, watched):
    rng = np.random.default_rng(sum(name.encode()))
    path = tmp_path / name
    if name in MOTIONS:
        make, options = MOTIONS[name]
        data, words = make(oracle), ["convert", path, *options]
    else:
        data, words = BODIES[name](), ["build", "--body", path]
    refused = 0
    for _ in range(EACH):
        path.write_bytes(damaged(data, rng))
        refused += not outcome(words, tmp_path / "out", capsys)
    assert refused >= EACH // 4
    assert watched() == []


# --- files that lie: right format, wrong arrays ---

SHAPES = [(), (0,), (3,), (FRAMES,), (FRAMES, 0), (FRAMES, 3), (FRAMES, 156), (1, FRAMES, 156), (2, 2, 2, 2)]
DTYPES = ["f2", "f4", "f8", "i8", "u1", "b1", "c16", "U3", "S4"]


@pytest.mark.parametrize("key", ["poses", "trans", "betas", "gender", "mocap_framerate"])
def test_arrays_of_wrong_shapes_and_types(key, tmp_path, capsys, watched):
    path = tmp_path / "motion.npz"
    for i, shape in enumerate(SHAPES):
        for dtype in (DTYPES[i % len(DTYPES)], "f8"):
            array = np.full(shape, 1 if np.dtype(dtype).kind not in "SU" else "1").astype(dtype)
            path.write_bytes(npz(**{key: array}))
            outcome(["convert", path], tmp_path / "out", capsys)
    assert watched() == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308, 1e-308, -0.0, 1e20])
@pytest.mark.parametrize("key", ["poses", "trans", "betas", "mocap_framerate"])
def test_numbers_that_no_person_has(key, value, tmp_path, capsys):
    path = tmp_path / "motion.npz"
    shapes = {"poses": (FRAMES, 156), "trans": (FRAMES, 3), "betas": (16,), "mocap_framerate": ()}
    path.write_bytes(npz(**{key: np.full(shapes[key], value)}))
    outcome(["convert", path], tmp_path / "out", capsys)


# --- files that want to run something ---


class Runs:
    """Pickles as a call of a function with arguments."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def hostile(marker):
    """Objects whose unpickling would leave `marker` behind or take the process down."""
    code = f"open({str(marker)!r}, 'w')"
    yield Runs(os.system, f"touch {marker}")
    yield Runs(eval, code)
    yield Runs(exec, code)
    yield Runs(open, str(marker), "w")
    yield Runs(getattr, "text", "upper")
    yield Runs(__import__, "antigravity")
    yield Runs(np.load, str(marker), None, True)
    yield Runs(np.frombuffer, b"12345678")
    yield Runs(os._exit, 3)


@pytest.mark.parametrize("container", ["pickle", "joblib", "joblib zlib", "npy", "npz", "torch", "body"])
def test_hostile_pickles_run_nothing(container, oracle, tmp_path, capsys, watched):
    marker = tmp_path / "ran"
    for number, gadget in enumerate(hostile(marker)):
        for content in (gadget, {**people(), "more": gadget}, {0: {**people()[0], "betas": gadget}}):
            buffer, name, verb = io.BytesIO(), "wham.pkl", ["convert"]
            if container == "pickle":
                buffer.write(pickle.dumps(content, protocol=2 + number % 4))
            elif container.startswith("joblib"):
                oracle("joblib").dump(content, buffer, compress=3 if "zlib" in container else 0)
            elif container == "npy":
                name = "hps_track_0.npy"
                np.save(buffer, np.array([content], dtype=object), allow_pickle=True)
            elif container == "npz":
                name = "motion.npz"
                buffer.write(npz(betas=np.array([content], dtype=object)))
            elif container == "torch":
                name = "hmr4d_results.pt"
                with zipfile.ZipFile(buffer, "w") as archive:
                    archive.writestr("archive/data.pkl", pickle.dumps(content, protocol=2))
                    archive.writestr("archive/version", "3\n")
            else:
                name, verb = "body.pkl", ["build", "--body"]
                whole = pickle.loads(body_pickle())
                buffer.write(pickle.dumps({**whole, "v_template": content}, protocol=2))
            (tmp_path / name).write_bytes(buffer.getvalue())
            _seen.clear()  # writing them has used pickle
            options = ["--fps", "30"] if verb == ["convert"] else []
            assert not outcome([*verb, tmp_path / name, *options], tmp_path / "out", capsys)
            assert watched() == []
            assert not marker.exists()


def test_files_that_declare_more_than_they_hold(tmp_path, capsys):
    """Headers that promise terabytes: refused before any memory is asked for."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 156), }\n"
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    for name in ("poses", "trans"):
        buffer = io.BytesIO(npz())
        with zipfile.ZipFile(buffer, "a") as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # zipfile's: a name that is there already
            archive.writestr(f"{name}.npy", npy)
        (tmp_path / "motion.npz").write_bytes(buffer.getvalue())
        assert not outcome(["convert", tmp_path / "motion.npz"], tmp_path / "out", capsys)
    (tmp_path / "hps_track_0.npy").write_bytes(npy)
    options = ("--fps", "30", "--up=-y")
    assert not outcome(["convert", tmp_path / "hps_track_0.npy", *options], tmp_path / "out", capsys)
