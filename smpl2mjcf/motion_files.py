"""Reading recorded motions of every kind: `load_motion`.

Each kind has a reader of its own, which returns a Motion in the file's own axes. What is asked of all of
them stands here: plausible units, a known vertical, frames that differ.
"""

from __future__ import annotations

import warnings
from numbers import Real
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from .amass_files import read_amass, read_betas
from .arm_contact import clear_arms
from .body import Body, joint_positions
from .body_files import default_body
from .bvh_bones import read_bvh_motion
from .c3d import FOR_MOTIONS
from .cmu_bones import read_cmu_motion
from .errors import MotionError, MotionFileError
from .frame_ranges import frame_ranges
from .motion import UNKNOWN, Motion, betas_for_body
from .result_files import RESULT_SUFFIXES, read_result
from .world_axes import to_z_up, up_rotation

__all__ = ["load_motion", "read_betas"]

Array = NDArray[np.float64]

ACCEPTED = (
    "AMASS-layout .npz; .amc with its .asf skeleton; .bvh; results of WHAM, PHALP/4DHumans or PromptHMR "
    "(.pkl), GVHMR (.pt), TRAM (hps_track_*.npy)"
)

RETARGETED = (".bvh", ".amc")
"""Kinds that hold the angles of another body's bones."""

ARMS = ("clear", "recorded")
"""Of a retargeted recording: arms that lie on the trunk instead of inside it, or every angle as recorded."""

FASTEST_PERSON = 30.0  # m/s, the root; faster is another unit than metres
HIGHEST_PERSON = 20.0  # m above or below the origin; a pelvis at 90 or 900 is in another unit
FARTHEST_PERSON = 1e5  # m from the origin
MOST_UPRIGHT_OF_LYING = 0.5  # cosine of the pelvis's angle to the vertical
FRAMES_LOOKED_AT = 2000  # of a long clip, evenly spread, for what is judged by a median
LARGEST_ROTATION = 4 * np.pi  # rad, the middle of a joint's axis-angles; beyond it they are degrees


def load_motion(
    path: str | Path,
    body: Body | None = None,
    skeleton: str | Path | None = None,
    fps: float | None = None,
    up: str | ArrayLike | None = None,
    person: str | None = None,
    unit: str | None = None,
    arms: str | None = None,
) -> Motion:
    """A recorded motion, z up.

    path: an AMASS-layout .npz; an .amc; a .bvh; what WHAM, GVHMR, TRAM, PHALP/4DHumans or PromptHMR wrote.
    body: the body it will be played on, which bones, y-up files and result files need (None: the default
    body). skeleton: the .asf of an .amc. fps: frames per second, where the file stores none; it overrules
    a stored one with a warning. up: what points up in the file's axes, as `up_rotation` takes it (None: as
    the format defines it; a camera's axes define nothing). person: who, of a file with several people.
    unit: length unit of a .bvh, which stores none. arms: of a .bvh or an .amc, whose angles are another
    body's: "clear" (None too) turns the shoulders where an arm would lie inside trunk or thighs, with a
    warning that says how much; "recorded" keeps every angle.

    Raises MotionFileError for a file that cannot be read, that holds several people, or that lacks what
    only its user knows (frame rate, vertical, unit of length).
    """
    path = Path(path)
    try:
        rotation = None if up is None else up_rotation(up)
    except MotionError as problem:
        raise MotionFileError(f"--up: {problem}") from problem
    if fps is not None and not (isinstance(fps, Real) and np.isfinite(fps) and fps > 0):
        raise MotionFileError(f"the frame rate (--fps) must be a positive number, received {fps}")
    kind = path.suffix.lower()
    _require_options_that_apply(path, kind, skeleton, person, unit, arms)
    body = default_body() if body is None else body
    motion = _read(path, kind, body, skeleton, fps, rotation, person, unit)
    _require_plausible_motion(motion, path)
    _warn_of_repeated_frames(motion, path)
    if kind in RETARGETED and arms != "recorded":
        motion = clear_arms(motion, body)
    if motion.up == UNKNOWN and rotation is None:
        raise MotionFileError(
            f"{path} is in a camera's axes and does not tell gravity: say which way is up (--up -y for a "
            "level camera whose y axis points down, three numbers, or the nine of a rotation)"
        )
    with warnings.catch_warnings():
        # Dropped betas are warned of where the body is shaped; here only the pelvis height depends on them.
        warnings.simplefilter("ignore")
        betas = betas_for_body(motion, body)
    turned_already = kind == ".bvh"
    root = joint_positions(body, betas)[0]
    upright = to_z_up(motion, root, None if turned_already else rotation)
    if motion.up != UNKNOWN:  # a camera may look down from a tower
        _require_plausible_height(upright, path)
    if rotation is None:
        _warn_of_lying(upright, path)
    return upright


def _read(
    path: Path,
    kind: str,
    body: Body,
    skeleton: str | Path | None,
    fps: float | None,
    rotation: Array | None,
    person: str | None,
    unit: str | None,
) -> Motion:
    if kind == ".npz":
        return read_amass(path, fps)
    if kind in RESULT_SUFFIXES:
        return read_result(path, body, person, fps)
    if kind == ".bvh":  # y up or as said: its zero pose is turned along with it
        R_yup_file = None if rotation is None else up_rotation("y").T @ rotation
        return read_bvh_motion(path, body, fps, unit, R_yup_file)
    if rotation is not None and not np.allclose(rotation, up_rotation("y")):
        raise MotionFileError(f"{path}: .amc files are y up by definition; --up does not apply")
    if skeleton is None:
        raise MotionFileError(f"{path} holds joint angles only: give its skeleton with --skeleton FILE.asf")
    if fps is None:
        raise MotionFileError(f"{path} stores no frame rate: give it with --fps (CMU's clips: 120 or 60)")
    return read_cmu_motion(path, body, Path(skeleton), float(fps))


def _require_options_that_apply(
    path: Path,
    kind: str,
    skeleton: str | Path | None,
    person: str | None,
    unit: str | None,
    arms: str | None,
) -> None:
    if kind == ".c3d":
        raise MotionFileError(FOR_MOTIONS.format(path=path))
    if kind not in (".npz", ".amc", ".bvh", *RESULT_SUFFIXES):
        raise MotionFileError(f"{path}: unknown kind of motion file {kind!r}; accepted: {ACCEPTED}")
    if skeleton is not None and kind != ".amc":
        raise MotionFileError(f"{path} is an {kind} and takes no skeleton; --skeleton belongs to an .amc")
    if unit is not None and kind != ".bvh":
        raise MotionFileError(f"{path} is an {kind} and takes no unit; --unit belongs to a .bvh")
    if arms is not None and arms not in ARMS:
        raise MotionFileError(f"unknown arms {arms!r} (--arms); accepted: {', '.join(ARMS)}")
    if arms is not None and kind not in RETARGETED:
        raise MotionFileError(
            f"{path} is an {kind}, whose angles are kept; --arms belongs to a .bvh or an .amc"
        )
    if person is not None and kind in (".npz", *RETARGETED):
        raise MotionFileError(f"{path} holds one person; --person belongs to the results of video methods")


def _require_plausible_motion(motion: Motion, path: Path) -> None:
    far = float(np.abs(motion.trans[motion.recorded]).max())
    if far > FARTHEST_PERSON:
        raise MotionFileError(f"{path}: the root is {far:.4g} from the origin; metres are accepted")
    steps = np.linalg.norm(np.diff(motion.trans, axis=0), axis=1) * motion.fps
    speed = float(np.nanmedian(steps)) if np.isfinite(steps).any() else 0.0
    if speed > FASTEST_PERSON:
        unit = "millimetres" if speed > 300 else "centimetres"
        raise MotionFileError(
            f"{path}: the root moves by {speed:.4g} a second; this looks like {unit}, metres are accepted"
        )
    some = np.flatnonzero(motion.recorded)
    some = some[:: -(-len(some) // FRAMES_LOOKED_AT)]
    turn = np.median(np.linalg.norm(motion.poses[some], axis=2), axis=0)
    if turn.max() > LARGEST_ROTATION:
        raise MotionFileError(
            f"{path}: joint {motion.joint_names[int(turn.argmax())]!r} is rotated by {turn.max():.4g}; "
            "this looks like degrees, radians are accepted"
        )


def _require_plausible_height(upright: Motion, path: Path) -> None:
    height = float(np.median(np.abs(upright.trans[upright.recorded, 2])))
    if height > HIGHEST_PERSON:
        unit = "millimetres" if height > 200 else "centimetres"
        raise MotionFileError(
            f"{path}: the root is {height:.4g} above or below the world's origin; this looks like {unit}, "
            "metres are accepted"
        )


def _warn_of_repeated_frames(motion: Motion, path: Path) -> None:
    """A recording never repeats itself to the last digit, unless frames were doubled to fill up a rate."""
    same = (motion.trans[1:] == motion.trans[:-1]).all(axis=1)
    near = np.flatnonzero(same)
    same[near] = (motion.poses[near + 1] == motion.poses[near]).all(axis=(1, 2))
    if same.any() and not same.all():
        warnings.warn(
            f"{path}: {frame_ranges(np.flatnonzero(same) + 1)} of {motion.num_frames} repeat the frame "
            "before exactly; where frames were doubled, every one of them stops and jumps the torques "
            "(resample to the true rate, or leave them out)",
            stacklevel=3,
        )


def _warn_of_lying(motion: Motion, path: Path) -> None:
    """A file whose axes are not its format's shows a person who never rises from lying."""
    spine_up = Rotation.from_rotvec(motion.poses[motion.recorded, 0]).apply([0.0, 1.0, 0.0])[:, 2]
    if spine_up.max() < MOST_UPRIGHT_OF_LYING:
        other = "y" if path.suffix.lower() == ".npz" else "z"
        warnings.warn(
            f"{path}: the person lies all the time; if the file is {other} up, say so with --up {other}",
            stacklevel=3,
        )
