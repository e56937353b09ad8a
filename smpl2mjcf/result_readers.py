"""One reader for each pose estimator: from what a file says of a person to poses in the file's axes.

Camera axes are x right, y down, z forward. `trans` is the SMPL family's everywhere but in WHAM's files.

Sources: the tools' own code (github.com): yohanshin/WHAM demo.py and lib/models/smpl.py; zju3dv/GVHMR
tools/demo/demo.py; yufu-wang/tram lib/models/hmr_vimo.py and lib/pipeline/visualization.py; brjathu/PHALP
phalp/trackers/PHALP.py; yufu-wang/PromptHMR pipeline/pipeline.py and world.py.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .body import Body, joint_positions
from .errors import MotionFileError
from .frame_ranges import frame_ranges
from .input_file import read_file
from .motion import UNKNOWN, Motion, betas_for_body
from .result_values import (
    Array,
    dictionary,
    entry,
    finite,
    frame_numbers,
    numbers,
    one_shape,
    read_container,
    rotation_vectors,
    whole_number,
)
from .skeleton import JOINT_NAMES, SMPL_JOINTS
from .untrusted_arrays import AnyArray


@dataclass(frozen=True)
class Track:
    """One person in one file: what the readers work on."""

    content: dict[Any, Any]  # what the file says of this person
    where: str  # how messages name it
    path: Path
    body: Body


@dataclass(frozen=True)
class Seen:
    """A person in the frames in which one was seen, in the file's own axes."""

    frames: NDArray[np.int64]  # (n,) of the video, increasing
    poses: Array  # (n, J, 3) rad, axis-angle
    trans: Array  # (n, 3) m, the SMPL family's
    betas: Array  # (B,)
    family: str
    up: str  # "y" or "unknown"
    root_known: bool = True  # False: trans is a placeholder


def wham(track: Track) -> Seen:
    """World stream, y up.

    WHAM's `trans_world` places the midpoint of two hip points, not the model's origin. It regresses them
    from the vertices of SMPL; here the body's own hip joints stand in, so the pelvis is off by a constant
    vector in the pelvis's frame.
    """
    frames = frame_numbers(entry(track.content, "frame_ids", track.where), f"{track.where}, frame_ids")
    poses = _rows(track, "pose_world", frames, (72,)).reshape(-1, 24, 3)
    middle_of_hips = _rows(track, "trans_world", frames, (3,))
    betas = _betas(track, "betas", frames)
    joints = _joints(track.body, betas, "smpl")
    names = list(track.body.joint_names)
    pelvis, left, right = joints[[names.index(name) for name in ("pelvis", "left_hip", "right_hip")]]
    # hips turn rigidly with the root about the pelvis: trans_world = J0 + trans + R_root (middle - J0)
    offset = Rotation.from_rotvec(poses[:, 0]).apply((left + right) / 2 - pelvis)
    return Seen(frames, poses, middle_of_hips - offset - pelvis, betas, "smpl", "y")


def gvhmr(track: Track) -> Seen:
    """World stream (`smpl_params_global`), y up; every frame of the video is there."""
    where = f"{track.where}, smpl_params_global"
    params = dictionary(entry(track.content, "smpl_params_global", track.where), where)
    orient = numbers(entry(params, "global_orient", where), f"{where}, global_orient", ("F", 3))
    frames = np.arange(len(orient))
    if not len(frames):
        raise MotionFileError(f"{where} holds no frames")
    part = Track(params, where, track.path, track.body)
    root, body = _rows(part, "global_orient", frames, (3,)), _rows(part, "body_pose", frames, (63,))
    poses = np.concatenate([root, body], axis=1).reshape(-1, 22, 3)
    return Seen(
        frames, poses, _rows(part, "transl", frames, (3,)), _betas(part, "betas", frames), "smplx", "y"
    )


def tram(track: Track) -> Seen:
    """Camera stream, turned by camera.npy into the axes of the first camera; gravity is not known."""
    frames = frame_numbers(entry(track.content, "frame", track.where), f"{track.where}, frame")
    n = len(frames)
    rotmat = numbers(
        entry(track.content, "pred_rotmat", track.where), f"{track.where}, pred_rotmat", (n, 24, 3, 3)
    )
    poses = rotation_vectors(rotmat, SMPL_JOINTS, frames, f"{track.where}, pred_rotmat")
    where = f"{track.where}, pred_trans"
    trans = numbers(entry(track.content, "pred_trans", track.where), where, (n, 1, 3), (n, 3))
    trans = finite(trans.reshape(n, 3), frames, where)
    betas = _betas(track, "pred_shape", frames)
    cameras = [folder / "camera.npy" for folder in (track.path.parent, track.path.parent.parent)]
    camera = next((path for path in cameras if path.is_file()), None)
    if camera is None:
        warnings.warn(
            f"{track.path}: no camera.npy beside or above it; the motion is in the camera's axes, and "
            "the camera's own motion is in it",
            stacklevel=5,
        )
        return Seen(frames, poses, trans, betas, "smpl", UNKNOWN)
    R, position = _camera(camera, frames)
    pelvis = _joints(track.body, betas, "smpl")[0]
    poses[:, 0] = (R * Rotation.from_rotvec(poses[:, 0])).as_rotvec()
    # the pelvis turns about the camera, the model about the pelvis
    return Seen(frames, poses, R.apply(pelvis + trans) + position - pelvis, betas, "smpl", UNKNOWN)


def _camera(path: Path, frames: NDArray[np.int64]) -> tuple[Rotation, Array]:
    """R_world_camera and (n, 3) m, the camera's place in the world, in the given frames."""
    content = dictionary(read_container(read_file(path, MotionFileError)), str(path))
    R = numbers(entry(content, "pred_cam_R", str(path)), f"{path}, pred_cam_R", ("F", 3, 3))
    position = numbers(entry(content, "pred_cam_T", str(path)), f"{path}, pred_cam_T", (len(R), 3))
    if frames[-1] >= len(R):
        raise MotionFileError(f"{path} has {len(R)} frames; the track goes on to frame {frames[-1]}")
    vectors = rotation_vectors(R[frames, np.newaxis], ("camera",), frames, f"{path}, pred_cam_R")
    return Rotation.from_rotvec(vectors[:, 0]), finite(position[frames], frames, f"{path}, pred_cam_T")


def phalp_people(content: dict[Any, Any]) -> dict[int, dict[str, Any]]:
    """{track id: its frames ("time"), their "smpl", and the frames of camera cuts}, of detected people.

    Entries that PHALP predicted while the person was not seen (tracked_time > 0) are left out.
    """
    people: dict[int, dict[str, Any]] = {}
    cuts = []
    for name, value in content.items():
        where = f"frame {ascii(name)[:80]}"
        frame = dictionary(value, where)
        time = whole_number(entry(frame, "time", where), f"{where}, time")
        if whole_number(frame.get("shot", 0), f"{where}, shot") == 1:
            cuts.append(time)
        tids, ages, bodies = (entry(frame, key, where) for key in ("tid", "tracked_time", "smpl"))
        if not (isinstance(tids, list) and isinstance(ages, list) and isinstance(bodies, list)):
            raise MotionFileError(f"{where}: tid, tracked_time and smpl must be lists, one item a person")
        if not len(tids) == len(ages) == len(bodies):
            raise MotionFileError(
                f"{where}: {len(tids)} tid, {len(ages)} tracked_time and {len(bodies)} smpl do not match"
            )
        for tid, age, smpl in zip(tids, ages, bodies):
            if whole_number(age, f"{where}, tracked_time") == 0:
                person = people.setdefault(
                    whole_number(tid, f"{where}, tid"), {"time": [], "smpl": [], "cuts": cuts}
                )
                person["time"].append(time)
                person["smpl"].append(smpl)
    return people


def phalp(track: Track) -> Seen:
    """Camera stream; the pelvis is held where it is at rest, for PHALP's depth is not metric."""
    frames = frame_numbers(track.content["time"], f"{track.where}, time")
    roots, bodies, shapes = [], [], []
    for number, value in zip(frames, track.content["smpl"]):
        where = f"{track.where}, smpl of frame {number}"
        smpl = dictionary(value, where)
        roots.append(numbers(entry(smpl, "global_orient", where), f"{where}, global_orient", (1, 3, 3)))
        bodies.append(numbers(entry(smpl, "body_pose", where), f"{where}, body_pose", (23, 3, 3)))
        shapes.append(numbers(entry(smpl, "betas", where), f"{where}, betas", (10,)))
    matrices = np.concatenate([np.stack(roots), np.stack(bodies)], axis=1)
    poses = rotation_vectors(matrices, SMPL_JOINTS, frames, f"{track.where}, smpl")
    betas = one_shape(np.stack(shapes), frames, f"{track.path}: {track.where}, betas")
    warnings.warn(
        f"{track.path}: PHALP's depth is not metric, so the pelvis is held still: joint angles can be used, "
        "root motion and ground forces cannot",
        stacklevel=5,
    )
    cuts = np.array([time for time in sorted(track.content["cuts"]) if frames[0] < time <= frames[-1]])
    if len(cuts):
        warnings.warn(
            f"{track.path}: the video cuts to another shot at {frame_ranges(cuts)}; the poses jump there",
            stacklevel=5,
        )
    return Seen(frames, poses, np.zeros((len(frames), 3)), betas, "smpl", UNKNOWN, root_known=False)


def prompthmr(track: Track) -> Seen:
    """World stream (`smplx_world`), y up, its floor at y = 0."""
    frames = frame_numbers(entry(track.content, "frames", track.where), f"{track.where}, frames")
    where = f"{track.where}, smplx_world"
    part = Track(
        dictionary(entry(track.content, "smplx_world", track.where), where), where, track.path, track.body
    )
    poses = _rows(part, "pose", frames, (165,)).reshape(-1, len(JOINT_NAMES["smplx"]), 3)
    return Seen(
        frames, poses, _rows(part, "trans", frames, (3,)), _betas(part, "shape", frames), "smplx", "y"
    )


# --- what they share ---


def _rows(track: Track, key: str, frames: NDArray[np.int64], shape: tuple[int, ...]) -> Array:
    where = f"{track.where}, {key}"
    array: AnyArray = numbers(entry(track.content, key, track.where), where, (len(frames), *shape))
    return finite(array, frames, where)


def _betas(track: Track, key: str, frames: NDArray[np.int64]) -> Array:
    where = f"{track.where}, {key}"
    betas = numbers(entry(track.content, key, track.where), where, (len(frames), "B"), (1, "B"), ("B",))
    return one_shape(betas, frames, f"{track.path}: {where}")


def _joints(body: Body, betas: Array, family: str) -> Array:
    """(J, 3) m, the body's joints at rest in the shape that it will have when the motion is played."""
    motion = Motion(np.zeros((1, 22, 3)), np.zeros((1, 3)), 1.0, betas=betas, family=family)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # betas that do not fit are warned of where the body is shaped
        return joint_positions(body, betas_for_body(motion, body))
