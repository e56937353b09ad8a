"""What result files of pose estimators hold, out of their containers and checked, as numpy arrays.

A container is a pickle, plain or joblib's (also compressed), a torch archive, a torch file before 1.6, or
numpy's .npy of one object. What a container is, is told by its first bytes. Nothing in it is run, no array
is made before it is asked for, and neither joblib nor torch is needed.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .errors import MotionFileError
from .frame_ranges import frame_ranges
from .joblib_pickle import JOBLIB, decompressed
from .pickle_stand_ins import AllowList
from .pickled_arrays import CONTAINERS, NUMPY, PickledArray
from .restricted_pickle import read_pickle
from .torch_archive import read_torch_zip
from .torch_tensors import LEGACY_HEAD, TORCH, TorchTensor, read_torch_legacy
from .untrusted_arrays import AnyArray, MalformedFileError, quoted

Array = NDArray[np.float64]

ALLOWED: AllowList = {**NUMPY, **CONTAINERS, **JOBLIB, **TORCH}
"""All that a result file may name."""

LARGEST_BEND = 1e-3
"""Of a rotation matrix: largest entry of R^T R - I; what is nearer to a rotation is projected onto one."""

SMALLEST_SPREAD = 1e-4
"""Betas that differ by less over the frames differ by rounding."""

MOST_MISSING_FRAMES = 200_000
"""Frames that a clip may lack between its first and last: an hour; more is a damaged frame number."""

_NPY_OF_ONE_OBJECT = re.compile(r"""(?=.*["']descr["']\s*:\s*["']\|O["'])(?=.*["']shape["']\s*:\s*\(\s*\))""")


def read_container(data: bytes) -> object:
    """The Python object that a result file holds; arrays in it are still PickledArray or TorchTensor.

    Raises UnsafeFileError for anything that would have to be run, MalformedFileError for a file that is
    damaged or of another kind.
    """
    if data.startswith(b"PK"):
        return read_torch_zip(data)
    if data.startswith(b"\x93NUMPY"):
        return _object_in_npy(data)
    if data.startswith(LEGACY_HEAD):
        return read_torch_legacy(data)
    data = decompressed(data)
    if data.startswith(b"\x80"):
        return read_pickle(data, ALLOWED)
    kind = "neither a pickle, a torch archive nor an .npy" if data else "an empty file"
    raise MalformedFileError(kind + (" (or a text pickle of protocol 0)" if data.startswith(b"(") else ""))


def _object_in_npy(data: bytes) -> object:
    start = 12 if data[6:7] in (b"\x02", b"\x03") else 10
    end = start + int.from_bytes(data[8:start], "little")
    if not _NPY_OF_ONE_OBJECT.match(data[start:end].decode("latin1")):
        raise MalformedFileError("an .npy that does not hold one Python object, as a result file does")
    array = read_pickle(data[end:], ALLOWED)
    objects = array.objects() if isinstance(array, PickledArray) else []
    if len(objects) != 1:
        raise MalformedFileError("an .npy whose content is not the one object that its header announces")
    return objects[0]


# --- values ---


def dictionary(value: object, where: str) -> dict[Any, Any]:
    """The value if it is a dictionary. Raises MotionFileError naming `where` and what it is instead."""
    if not isinstance(value, dict):
        raise MotionFileError(f"{where} is {kind_of(value)}; a dictionary is expected")
    return value


def entry(content: dict[Any, Any], key: str, where: str) -> object:
    """content[key]. Raises MotionFileError naming the key and those that are there."""
    if key not in content:
        found = ", ".join(quoted(name) if isinstance(name, str) else "a number" for name in [*content][:20])
        raise MotionFileError(f"{where} lacks {key!r}; found: {found or 'nothing'}")
    return content[key]


def numbers(value: object, where: str, *shapes: tuple[int | str, ...]) -> AnyArray:
    """A copy of the array that a value holds, of one of the shapes; text in a shape stands for any extent.

    Raises MotionFileError naming `where`, what was received and what is expected.
    """
    match value:
        case PickledArray() | TorchTensor():
            array = value.array()
        case list() | tuple() if None not in (items := [_python_number(item) for item in value]):
            # larger integers are no numbers of ours, and some do not even fit a float
            array = np.array([item if abs(item) < 2**53 else np.nan for item in items], dtype=np.float64)
        case _:
            raise MotionFileError(f"{where} is {kind_of(value)}; an array of numbers is expected")
    if array.dtype.kind not in "fiu":
        raise MotionFileError(f"{where} holds {array.dtype} instead of numbers")
    if not any(_fits(array.shape, shape) for shape in shapes):
        expected = " or ".join(str(shape).replace("'", "") for shape in shapes)
        raise MotionFileError(f"{where} has shape {array.shape}, expected {expected}")
    # A copy: views of a file's bytes are read-only, and scipy's rotations take no such arrays.
    return array.copy()


def _python_number(item: object) -> Any:
    """The int or float of an item of a list, which may be numpy's; None where it is no number."""
    if isinstance(item, PickledArray) and item.shape == ():  # others may be large
        item = item.array().item()
    return item if type(item) in (int, float) else None


def _fits(shape: tuple[int, ...], expected: tuple[int | str, ...]) -> bool:
    return len(shape) == len(expected) and all(
        isinstance(wanted, str) or extent == wanted for extent, wanted in zip(shape, expected)
    )


def kind_of(value: object) -> str:
    """A value's type for a message."""
    if isinstance(value, PickledArray | TorchTensor):
        return "an array"
    return "nothing" if value is None else f"a {type(value).__name__}"


def finite(array: AnyArray, frames: NDArray[np.int64], where: str) -> Array:
    """(n, ...) the array in float64. Raises MotionFileError naming the frames that are not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        result = np.asarray(array, dtype=np.float64)
    broken = ~np.isfinite(result.reshape(len(result), -1)).all(axis=1)
    if broken.any():
        raise MotionFileError(f"{where} has NaN or infinite values in {frame_ranges(frames[broken])}")
    return result


def frame_numbers(value: object, where: str) -> NDArray[np.int64]:
    """(n,) the video frames of a track, strictly increasing.

    Raises MotionFileError for numbers that are not whole, negative, repeated or decreasing, and for gaps
    that no clip has.
    """
    array = numbers(value, where, ("n",))
    if len(array) == 0:
        raise MotionFileError(f"{where} is empty: the person is in no frame")
    if not ((array >= 0) & (array < 2**53) & (array == np.floor(array))).all():
        raise MotionFileError(f"{where} holds numbers that do not count frames")
    frames = array.astype(np.int64)
    steps = np.diff(frames)
    if (steps == 0).any():
        raise MotionFileError(f"{where} holds {frame_ranges(np.unique(frames[1:][steps == 0]))} twice")
    if (steps < 0).any():
        at = int(np.argmax(steps < 0))
        raise MotionFileError(f"{where} decreases from frame {frames[at]} to frame {frames[at + 1]}")
    if frames[-1] - frames[0] >= len(frames) + MOST_MISSING_FRAMES:
        raise MotionFileError(
            f"{where} goes from frame {frames[0]} to {frames[-1]} in {len(frames)} frames; at most "
            f"{MOST_MISSING_FRAMES} may be missing"
        )
    return frames


def whole_number(value: object, where: str) -> int:
    """The integer that a Python, numpy or torch number holds: 3, 3.0 or True.

    Raises MotionFileError for anything else.
    """
    number = value
    if isinstance(value, PickledArray | TorchTensor):
        array = value.array()
        number = array.item() if array.shape in ((), (1,)) else None
    if not isinstance(number, int | float):
        raise MotionFileError(f"{where} is {kind_of(value)}; a number that counts is expected")
    if not (0 <= number < 2**53 and number == int(number)):
        # an integer can be too long to print
        shown = "far too large" if abs(number) >= 2**53 else f"{number:.9g}"
        raise MotionFileError(f"{where} is {shown}; a whole number that counts is expected")
    return int(number)


def rotation_vectors(
    matrices: AnyArray, names: tuple[str, ...], frames: NDArray[np.int64], where: str
) -> Array:
    """(n, J, 3) rad axis-angle of (n, J, 3, 3) rotation matrices, each projected onto the nearest rotation.

    Raises MotionFileError naming the joint and the frames where one is no rotation (LARGEST_BEND).
    """
    R = finite(matrices, frames, where)
    with np.errstate(over="ignore", invalid="ignore"):
        bend = np.abs(np.swapaxes(R, -1, -2) @ R - np.eye(3)).max(axis=(-1, -2))
        good = (bend <= LARGEST_BEND) & (np.linalg.det(R) > 0)
    if not good.all():
        joint = int(np.argmax(~good.all(axis=0)))
        bad = ~good[:, joint]
        worst = bend[bad, joint].max()
        what = "mirrors" if worst <= LARGEST_BEND else f"is not orthonormal (R^T R is {worst:.2g} off)"
        raise MotionFileError(
            f"{where}: the matrix of {names[joint]!r} {what} in {frame_ranges(frames[bad])}; rotations to "
            f"{LARGEST_BEND:g} are accepted"
        )
    U, _, Vt = np.linalg.svd(R)  # what from_matrix makes of a bent matrix depends on scipy's version
    return Rotation.from_matrix((U @ Vt).reshape(-1, 3, 3)).as_rotvec().reshape(*R.shape[:2], 3)


def one_shape(betas: AnyArray, frames: NDArray[np.int64], where: str) -> Array:
    """(B,) the betas of a clip: the median over its frames, with one warning where they differ."""
    if betas.ndim == 1:
        betas = betas[np.newaxis]
    rows = finite(betas, frames[: len(betas)], where)  # one row stands for all frames
    with np.errstate(over="ignore", invalid="ignore"):
        varies = np.ptp(rows, axis=0).max(initial=0) > SMALLEST_SPREAD
        spread = rows.std(axis=0)
    if varies:
        widest = int(np.argmax(spread))
        warnings.warn(
            f"{where} differ from frame to frame (most betas[{widest}], whose standard deviation is "
            f"{spread[widest]:.2g}); their median is used",
            stacklevel=6,
        )
    return np.median(rows, axis=0)
