"""Motions in AMASS' layout (.npz): the SMPL-H and SMPL-X releases, and files of ours.

Layout: poses (T, 156) in the SMPL-H release, (T, 165) in the SMPL-X release, which also splits them into
root_orient, pose_body, pose_jaw, pose_eye, pose_hand; trans (T, 3) m, z up; betas (16,); gender as text
or bytes; the frame rate as mocap_framerate (SMPL-H release) or mocap_frame_rate (SMPL-X release). Files
of ours add `family`, `source` and, where frames are missing, `recorded`; SMPL's own 24 joints are
poses (T, 72).

Source: Mahmood et al. 2019, AMASS, doi 10.1109/ICCV.2019.00554, and the files of its two releases.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import MotionError, MotionFileError, UnsafeFileError
from .input_file import read_file
from .motion import Motion
from .output_folder import write_whole
from .skeleton import JOINT_NAMES, SEXES
from .untrusted_arrays import AnyArray, MalformedFileError, read_npz

Array = NDArray[np.float64]

FAMILY_OF_WIDTH = {66: "smpl", 72: "smpl", 156: "smplh", 165: "smplx"}
"""Numbers in a row of `poses` and the family they belong to, where the file does not say."""

SPLIT_POSES = {"root_orient": 3, "pose_body": 63, "pose_jaw": 3, "pose_eye": 6, "pose_hand": 90}
"""The SMPL-X release's parts of a row of `poses`, in order."""

FPS_KEYS = ("mocap_framerate", "mocap_frame_rate", "fps")
"""AMASS spells it as one word in the SMPL-H release and as two in the SMPL-X release."""

LARGEST_RATE_ERROR = 0.05
"""How far the frame rate may be from frames over `mocap_time_length`, which counts them ends included."""

_TEXTS = ("gender", "family", "source", "surface_model_type")
_NUMBERS = (
    "poses", "trans", "betas", "recorded", "root_known", "root_orient", "mocap_time_length", *FPS_KEYS
)  # fmt: skip


def read_amass(path: Path, fps: float | None = None) -> Motion:
    """The Motion of an AMASS-layout .npz, z up as the layout says.

    Raises MotionFileError for a file that cannot be read, lacks arrays or a frame rate, or contradicts
    itself.
    """
    arrays = _npz_arrays(path, {*_TEXTS, *_NUMBERS})
    if "poses" not in arrays and "root_orient" in arrays:
        _join_poses(path, arrays)
    _require_one_root(path, arrays)
    missing = [key for key in ("poses", "trans") if key not in arrays]
    if missing:
        raise MotionFileError(
            f"{path} lacks {' and '.join(missing)}; an AMASS-layout motion has poses, trans, "
            f"mocap_framerate, betas, gender; found: {', '.join(sorted(arrays)) or 'none of them'}"
        )
    poses = arrays["poses"]
    if poses.ndim and len(poses) == 0:
        raise MotionFileError(f"{path} has no frames")
    if poses.ndim != 2 or poses.shape[1] not in FAMILY_OF_WIDTH:
        widths = ", ".join(f"{width} ({family})" for width, family in FAMILY_OF_WIDTH.items())
        raise MotionFileError(f"{path}: poses have shape {poses.shape}; accepted: (T, n) with n = {widths}")
    family = _family(arrays, poses.shape[1])
    sex = _text(arrays["gender"]).lower() if "gender" in arrays else "neutral"
    betas = arrays.get("betas")
    if betas is not None and betas.ndim == 2 and len(betas) == 1:
        betas = betas[0]
    if sex not in SEXES:
        raise MotionFileError(f"{path}: unknown gender {sex!r}; accepted: {', '.join(SEXES)}")
    if family not in JOINT_NAMES:
        raise MotionFileError(f"{path}: unknown family {family!r}; accepted: {', '.join(JOINT_NAMES)}")
    numbers = {"poses": poses, "trans": arrays["trans"]} | ({} if betas is None else {"betas": betas})
    for key, value in numbers.items():
        if value.dtype.kind not in "fiu":
            raise MotionFileError(f"{path}: {key} holds {value.dtype} instead of numbers")
    try:
        return Motion(
            poses.reshape(len(poses), -1, 3),
            arrays["trans"],
            _frame_rate(path, arrays, fps),
            betas=betas,
            family=family,
            sex=sex,
            source=_text(arrays["source"]) if "source" in arrays else path.name,
            recorded=arrays.get("recorded"),  # type: ignore[arg-type]
            root_known=bool(np.all(arrays.get("root_known", True))),
        )
    except MotionError as problem:
        raise MotionFileError(f"{path}: {problem}") from problem


def read_betas(path: str | Path) -> tuple[str, Array]:
    """The family and the (B,) betas that an .npz of an AMASS-layout motion, or of a shape, holds.

    Raises MotionFileError where it holds none, or does not tell their family.
    """
    path = Path(path)
    arrays = _npz_arrays(path, {"betas", "family", "surface_model_type", "poses"})
    if "betas" not in arrays or arrays["betas"].dtype.kind not in "fiu":
        raise MotionFileError(
            f"{path} holds no betas; found: {', '.join(sorted(arrays)) or 'nothing we know'}"
        )
    width = arrays["poses"].shape[-1] if "poses" in arrays and arrays["poses"].ndim else 0
    family = _family(arrays, width)
    if family not in JOINT_NAMES:
        raise MotionFileError(
            f"{path} does not tell the family of its betas; accepted: {', '.join(JOINT_NAMES)}"
        )
    return family, arrays["betas"].reshape(-1).astype(np.float64)


def save_motion(motion: Motion, path: str | Path) -> Path:
    """Write a z-up motion in AMASS' layout, whole or not at all; `load_motion` reads it back exactly.

    A SMPL-H or SMPL-X motion has the keys of its release and all joints of its family, those that the
    motion lacks (fingers, jaw, eyes) at rest. Frames that were not recorded are NaN, and False in `recorded`.
    Raises MotionError for a motion that is not z up, OutputError where the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise MotionError(f"motions are saved as .npz, received {path.name!r}")
    if motion.up != "z":
        raise MotionError(f"AMASS' layout is z up; this motion's up axis is {motion.up!r}: turn it first")
    T, count = motion.num_frames, len(JOINT_NAMES[motion.family])
    poses = np.zeros((T, 3 * count))
    poses[:, : 3 * len(motion.joint_names)] = motion.poses.reshape(T, -1)
    arrays: dict[str, object] = {
        "poses": poses,
        "trans": motion.trans,
        "gender": motion.sex,
        "family": motion.family,
        "source": motion.source,
    }
    if motion.betas is not None:
        arrays["betas"] = motion.betas
    if motion.family == "smplx":
        parts = np.split(poses, np.cumsum(list(SPLIT_POSES.values()))[:-1], axis=1)
        arrays |= dict(zip(SPLIT_POSES, parts))
        arrays |= {"mocap_frame_rate": motion.fps, "mocap_time_length": T / motion.fps}
        arrays |= {
            "surface_model_type": "smplx",
            "num_betas": 0 if motion.betas is None else len(motion.betas),
        }
    else:
        arrays["mocap_framerate"] = motion.fps
    if not motion.recorded.all():
        arrays["recorded"] = motion.recorded
    if not motion.root_known:
        arrays["root_known"] = False
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]
    return write_whole(path, packed.getvalue())


def _join_poses(path: Path, arrays: dict[str, AnyArray]) -> None:
    """Make `poses` of the SMPL-X release's parts where a file has only these; hands may be absent."""
    arrays |= _npz_arrays(path, set(SPLIT_POSES))
    T = len(arrays["root_orient"]) if arrays["root_orient"].ndim else 0
    names = list(SPLIT_POSES) if "pose_hand" in arrays else list(SPLIT_POSES)[:2]
    parts = [arrays.get(name, np.zeros((T, SPLIT_POSES[name]))) for name in names]
    for name, part in zip(names, parts):
        if part.shape != (T, SPLIT_POSES[name]) or part.dtype.kind not in "fiu":
            raise MotionFileError(
                f"{path}: {name} has shape {part.shape} {part.dtype}, "
                f"expected numbers {(T, SPLIT_POSES[name])}"
            )
    arrays["poses"] = np.concatenate(parts, axis=1)
    arrays.setdefault("surface_model_type", np.array("smplx"))  # these keys are the SMPL-X release's


def _require_one_root(path: Path, arrays: dict[str, AnyArray]) -> None:
    """Raise where a file of the SMPL-X release contradicts itself: its poses begin with its root_orient."""
    poses, root = arrays.get("poses"), arrays.get("root_orient")
    if poses is None or root is None or poses.ndim != 2 or root.shape != poses[:, :3].shape:
        return
    if {poses.dtype.kind, root.dtype.kind} <= set("fiu") and not np.array_equal(
        poses[:, :3].astype(np.float32), root.astype(np.float32), equal_nan=True
    ):
        raise MotionFileError(f"{path} holds two motions: the first three of poses are not root_orient")


def _family(arrays: dict[str, AnyArray], width: int) -> str:
    for key in ("family", "surface_model_type"):
        if key in arrays:
            return _text(arrays[key]).lower()
    return FAMILY_OF_WIDTH.get(width, "")


def _frame_rate(path: Path, arrays: dict[str, AnyArray], fps: float | None) -> float:
    stored = {key: arrays[key] for key in (*FPS_KEYS, "mocap_time_length") if key in arrays}
    for key, value in stored.items():
        if value.size != 1 or value.dtype.kind not in "fiu":
            raise MotionFileError(
                f"{path}: {key} must be one number, received shape {value.shape} {value.dtype}"
            )
    rates = {key: _true_rate(float(value.item())) for key, value in stored.items()}
    seconds = rates.pop("mocap_time_length", None)
    if len(set(rates.values())) > 1:
        raise MotionFileError(f"{path} states two frame rates: {rates}")
    if not rates and fps is None:
        raise MotionFileError(f"{path} stores no frame rate ({' or '.join(FPS_KEYS)}): give it with --fps")
    stated = next(iter(rates.values()), None)
    if fps is not None:
        if stated is not None and abs(stated - fps) > 1e-3 * fps:
            warnings.warn(f"{path} states {stated} frames/s; {fps} was asked for and is used", stacklevel=4)
        return float(fps)
    assert stated is not None  # checked above
    frames = len(arrays["poses"])
    if seconds is not None and abs(frames - stated * seconds) > 1 + LARGEST_RATE_ERROR * frames:
        raise MotionFileError(
            f"{path} states two frame rates: {stated} frames/s, and {frames} frames in {seconds} s; choose "
            "with --fps"
        )
    return stated


def _true_rate(stated: float) -> float:
    """120.00004577636719 occurs in AMASS: a float32 period turned into a rate. 29.97003 is meant so."""
    if np.isfinite(stated) and round(stated) > 0 and abs(stated - round(stated)) < 1e-3:
        return float(round(stated))
    return stated


def _npz_arrays(path: Path, keys: set[str]) -> dict[str, AnyArray]:
    """The named arrays of an npz file; nothing is unpickled."""
    try:
        arrays, _ = read_npz(read_file(path, MotionFileError), keys)
    except (MalformedFileError, UnsafeFileError) as problem:
        raise MotionFileError(
            f"cannot read {path} as a motion: {problem}; accepted: an AMASS-layout .npz"
        ) from problem
    for key in _TEXTS:
        if key in arrays and arrays[key].dtype.kind not in "SU":
            raise MotionFileError(f"{path}: {key} holds {arrays[key].dtype} instead of text")
    return arrays


def _text(value: AnyArray) -> str:
    """A string stored as str, bytes or a 0-d array of either."""
    item = np.asarray(value).reshape(-1)
    first = item[0] if len(item) else ""
    return first.decode("latin-1") if isinstance(first, bytes) else str(first)
