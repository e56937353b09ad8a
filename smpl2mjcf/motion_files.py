"""Reading recorded motions: AMASS-layout .npz files, and CMU's .amc with its .asf skeleton."""

from __future__ import annotations

import warnings
from numbers import Real
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .asf_amc import bone_poses, read_amc, read_asf
from .body import Body, joint_positions
from .body_files import default_body
from .bone_fit import fit_betas
from .errors import MotionError, MotionFileError, UnsafeFileError
from .input_file import read_file
from .motion import UP_AXES, Motion, betas_for_body, to_z_up
from .retarget import recorded_lengths, retarget
from .skeleton import JOINT_NAMES, SEXES
from .untrusted_arrays import MalformedFileError, read_npz

Array = NDArray[np.float64]

ACCEPTED = "AMASS-layout .npz, or .amc with its .asf skeleton"

FAMILY_OF_WIDTH = {66: "smpl", 72: "smpl", 156: "smplh", 165: "smplx"}
"""Numbers in a row of AMASS's `poses` and the family they belong to, where the file does not say."""

FPS_KEYS = ("mocap_framerate", "mocap_frame_rate", "fps")
"""AMASS spells it as one word in the SMPL-H release and as two in the SMPL-X release."""

FASTEST_PERSON = 30.0  # m/s, the root; faster is another unit than metres
HIGHEST_PERSON = 20.0  # m above or below the origin; a pelvis at 90 or 900 is in another unit
FARTHEST_PERSON = 1e5  # m from the origin
MOST_UPRIGHT_OF_LYING = 0.5  # cosine of the pelvis's angle to the vertical
LARGEST_ROTATION = 4 * np.pi  # rad, the middle of a joint's axis-angles; beyond it they are degrees


def load_motion(
    path: str | Path,
    body: Body | None = None,
    skeleton: str | Path | None = None,
    fps: float | None = None,
    up: str | None = None,
) -> Motion:
    """A recorded motion, z up.

    path: an AMASS-layout .npz, or an .amc. body: the body it will be played on, which .amc and y-up
    files need (None: the default body): its betas are fitted to the skeleton's bones. skeleton: the .asf
    of an .amc. fps: frames per second, which .amc does not store. up: the file's vertical axis, "y"
    or "z" (None: z for .npz, y for .amc, as their sources write them).

    Raises MotionFileError for a file that cannot be read or lacks a frame rate, MotionError for arrays
    that do not make a motion.
    """
    path = Path(path)
    if up is not None and up not in UP_AXES:
        raise MotionFileError(f"unknown up axis {up!r}; accepted: {', '.join(UP_AXES)}")
    if fps is not None and not (isinstance(fps, Real) and np.isfinite(fps) and fps > 0):
        raise MotionFileError(f"the frame rate (--fps) must be a positive number, received {fps}")
    body = default_body() if body is None else body
    kind = path.suffix.lower()
    if kind == ".npz":
        if skeleton is not None:
            raise MotionFileError(f"{path} is an .npz and takes no skeleton; --skeleton belongs to an .amc")
        motion = _read_amass(path, fps, up)
    elif kind == ".amc":
        motion = _read_cmu(path, body, skeleton, fps, up)
    else:
        raise MotionFileError(f"{path}: unknown kind of motion file {kind!r}; accepted: {ACCEPTED}")
    _require_plausible_units(motion, path)
    if motion.up == "z":
        _warn_of_lying(motion, path)
        return motion
    with warnings.catch_warnings():
        # Dropped betas are warned of where the body is shaped; here only the pelvis height depends on them.
        warnings.simplefilter("ignore")
        betas = betas_for_body(motion, body)
    return to_z_up(motion, joint_positions(body, betas)[0])


def read_betas(path: str | Path) -> tuple[str, Array]:
    """The family and the (B,) betas that an .npz of an AMASS-layout motion, or of a shape, holds.

    Raises MotionFileError where it holds none, or does not tell their family.
    """
    path = Path(path)
    arrays = _npz_arrays(path, {"betas", "family", "poses"})
    if "betas" not in arrays or arrays["betas"].dtype.kind not in "fiu":
        raise MotionFileError(
            f"{path} holds no betas; found: {', '.join(sorted(arrays)) or 'nothing we know'}"
        )
    width = arrays["poses"].shape[-1] if "poses" in arrays and arrays["poses"].ndim else 0
    family = _text(arrays["family"]) if "family" in arrays else FAMILY_OF_WIDTH.get(width, "")
    if family not in JOINT_NAMES:
        raise MotionFileError(
            f"{path} does not tell the family of its betas; accepted: {', '.join(JOINT_NAMES)}"
        )
    return family, arrays["betas"].reshape(-1).astype(np.float64)


def _read_amass(path: Path, fps: float | None, up: str | None) -> Motion:
    arrays = _npz_arrays(path, {"poses", "trans", "betas", "gender", "family", "source", *FPS_KEYS})
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
    family = _text(arrays["family"]) if "family" in arrays else FAMILY_OF_WIDTH[poses.shape[1]]
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
            up=up or "z",
            source=_text(arrays["source"]) if "source" in arrays else path.name,
        )
    except MotionError as problem:
        raise MotionFileError(f"{path}: {problem}") from problem


def _read_cmu(
    path: Path, body: Body, skeleton: str | Path | None, fps: float | None, up: str | None
) -> Motion:
    if skeleton is None:
        raise MotionFileError(f"{path} holds joint angles only: give its skeleton with --skeleton FILE.asf")
    if fps is None:
        raise MotionFileError(f"{path} stores no frame rate: give it with --fps (CMU's clips: 120 or 60)")
    if up == "z":
        raise MotionFileError(f"{path}: ASF/AMC files are y up by definition; --up z does not apply")
    asf = read_asf(Path(skeleton))
    poses = bone_poses(asf, read_amc(path, asf))
    fit = fit_betas(body, recorded_lengths(asf))
    return retarget(body, fit.betas, asf, poses, float(fps), path.name)


def _frame_rate(path: Path, arrays: dict[str, NDArray], fps: float | None) -> float:
    stored = {key: arrays[key] for key in FPS_KEYS if key in arrays}
    for key, value in stored.items():
        if value.size != 1 or value.dtype.kind not in "fiu":
            raise MotionFileError(
                f"{path}: {key} must be one number, received shape {value.shape} {value.dtype}"
            )
    # 120.00004577636719 occurs in AMASS: a float32 period turned into a rate.
    rates = {key: round(float(value.item()), 3) for key, value in stored.items()}
    if len(set(rates.values())) > 1:
        raise MotionFileError(f"{path} states two frame rates: {rates}")
    if not rates and fps is None:
        raise MotionFileError(f"{path} stores no frame rate ({' or '.join(FPS_KEYS)}): give it with --fps")
    stated = next(iter(rates.values()), None)
    if fps is None:
        assert stated is not None  # checked above
        return stated
    if stated is not None and abs(stated - fps) > 1e-3 * fps:
        warnings.warn(f"{path} states {stated} frames/s; {fps} was asked for and is used", stacklevel=4)
    return float(fps)


def _npz_arrays(path: Path, keys: set[str]) -> dict[str, NDArray]:
    """The named arrays of an npz file; nothing is unpickled."""
    try:
        arrays, _ = read_npz(read_file(path, MotionFileError), keys)
    except (MalformedFileError, UnsafeFileError) as problem:
        raise MotionFileError(f"cannot read {path} as a motion: {problem}; accepted: {ACCEPTED}") from problem
    return arrays


def _text(value: NDArray) -> str:
    """A string stored as str, bytes or a 0-d array of either."""
    item = np.asarray(value).reshape(-1)
    first = item[0] if len(item) else ""
    return first.decode("latin-1") if isinstance(first, bytes) else str(first)


def _require_plausible_units(motion: Motion, path: Path) -> None:
    far = float(np.abs(motion.trans).max())
    if far > FARTHEST_PERSON:
        raise MotionFileError(f"{path}: the root is {far:.4g} from the origin; metres are accepted")
    height = float(np.median(np.abs(motion.trans[:, "xyz".index(motion.up)])))
    steps = np.linalg.norm(np.diff(motion.trans, axis=0), axis=1) * motion.fps
    speed = float(np.median(steps)) if len(steps) else 0.0
    if height > HIGHEST_PERSON or speed > FASTEST_PERSON:
        unit = "millimetres" if max(height / 200, speed / 300) > 1 else "centimetres"
        raise MotionFileError(
            f"{path}: the root is {height:.4g} from the floor's height and moves by {speed:.4g} a second; "
            f"this looks like {unit}, metres are accepted"
        )
    turn = np.median(np.linalg.norm(motion.poses, axis=2), axis=0)
    if turn.max() > LARGEST_ROTATION:
        raise MotionFileError(
            f"{path}: joint {motion.joint_names[int(turn.argmax())]!r} is rotated by {turn.max():.4g}; "
            "this looks like degrees, radians are accepted"
        )


def _warn_of_lying(motion: Motion, path: Path) -> None:
    """A y-up file read as z-up shows a person who never rises from lying."""
    spine_up = Rotation.from_rotvec(motion.poses[:, 0]).apply([0.0, 1.0, 0.0])[:, 2]
    if spine_up.max() < MOST_UPRIGHT_OF_LYING:
        warnings.warn(
            f"{path}: the person lies all the time; if the file is y up, say so with --up y", stacklevel=3
        )
