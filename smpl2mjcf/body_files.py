"""Reading SMPL-family body files: .npz, and the official .pkl without chumpy and without running code.

What a file is, is told by its content. Keys and shapes follow the public SMPL, SMPL-H and SMPL-X files:
v_template (V, 3), shapedirs (V, 3, B), J_regressor (J, V), weights (V, J), f (F, 3), kintree_table (2, J);
others (posedirs, bs_type, ...) are ignored. Our own files add family, sex and shape_names.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .body import Array, Body
from .errors import BodyError, BodyFileError, UnsafeFileError
from .input_file import read_file
from .pickled_arrays import NUMPY, PickledArray, PickledBytes
from .pickled_models import CHUMPY, SCIPY_SPARSE, SparseMatrix, to_array
from .restricted_pickle import read_pickle
from .shipped_files import model_file
from .skeleton import BODY_PARENTS, JOINT_NAMES, SEXES, SMPL_PARENTS
from .untrusted_arrays import AnyArray, MalformedFileError, quoted, read_npz

ACCEPTED = "accepted: a SMPL, SMPL-H or SMPL-X model as .npz, or its official .pkl"

REQUIRED_KEYS = ("v_template", "shapedirs", "J_regressor", "weights", "f", "kintree_table")
_OPTIONAL_KEYS = ("family", "sex", "gender", "shape_names")

FAMILY_OF_JOINT_COUNT = {24: "smpl", 52: "smplh", 55: "smplx"}

MAX_SHAPES = 300
"""Shape directions that are kept; SMPL-X files hold expressions after their first 300."""
MAX_SHAPES_OF_A_NARROW_FILE = 10
"""Betas in a SMPL or SMPL-X file with fewer than 300 columns; the rest are expressions or DMPLs (smplx reads
it so too). SMPL-H has no expressions: all of its columns are betas, 16 in the files that AMASS names."""

MAX_FILE_BYTES = 1 << 31

_ROOT_PARENTS = (-1, 2**32 - 1, 2**64 - 1)  # the files store -1 in unsigned integers

_FOREIGN = {
    b"\x89HDF": "an HDF5 file",
    b"\x93NUM": "a single .npy array",
    b"\x1f\x8b": "a gzip file",
    b"(": "a text pickle of protocol 0, or another file",
}


@dataclass(frozen=True)
class _File:
    """What a file holds under the keys that we read, undecoded, and the names of all its keys."""

    values: Mapping[str, object]
    found: Sequence[str]


def load_body(path: str | os.PathLike[str]) -> Body:
    """The body model in a .npz or official .pkl file of the SMPL family; its arrays are read-only.

    The family is the file's `family`, else told by its joint count; the sex is its `sex` or `gender`,
    else told by its name (or its folder's: smplh/female/model.npz), else neutral. Of a file with
    fewer than 300 shape directions the first 10 are kept (of SMPL-H and our own family all), else the
    first 300.

    Raises BodyFileError for a file that cannot be read or whose arrays are missing, mis-shaped or do
    not make a body, UnsafeFileError for one that holds anything that would have to be run.
    """
    path = Path(path)
    data = read_file(path, BodyFileError, MAX_FILE_BYTES)
    try:
        file = _read(data)
        # Exponents near the end of float64 are garbage that Body refuses; numpy need not warn as well.
        with np.errstate(over="ignore", invalid="ignore"):
            return _body(file, path)
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{path}: refused, nothing in it was run: {error}") from error
    except (MalformedFileError, BodyError, BodyFileError) as error:
        raise BodyFileError(f"{path}: {error}") from error


def default_body(sex: str = "neutral") -> Body:
    """The licence-free body that ships with smpl2mjcf (family "smpl2mjcf", 10 named shape directions).

    sex: "neutral", "female" or "male".
    A second call gives the same object. The three share faces, skinning weights and the meaning of each
    beta; models/README.md says what they measure.

    Raises BodyError for an unknown sex, Error where the installation lacks its file.
    """
    if not isinstance(sex, str) or sex not in _DEFAULT_BODIES:
        raise BodyError(f"no default body for sex {sex!r}; accepted: {', '.join(_DEFAULT_BODIES)}")
    return _shipped_body(_DEFAULT_BODIES[sex])


_DEFAULT_BODIES = {
    "neutral": "default_body.npz",
    "female": "default_body_female.npz",
    "male": "default_body_male.npz",
}


@functools.cache
def _shipped_body(name: str) -> Body:
    return load_body(model_file(name))


# --- the two formats ---


def _read(data: bytes) -> _File:
    if data.startswith(b"PK"):
        arrays, found = read_npz(data, REQUIRED_KEYS + _OPTIONAL_KEYS)
        return _File(arrays, found)
    if data.startswith(b"\x80"):
        content = read_pickle(data, {**NUMPY, **SCIPY_SPARSE, **CHUMPY})
        if not isinstance(content, dict):
            raise BodyFileError(f"a pickle of a {type(content).__name__}, not of a dictionary; {ACCEPTED}")
        found = [key for key in content if isinstance(key, str)]
        return _File({key: content[key] for key in found}, found)
    kinds = (kind for magic, kind in _FOREIGN.items() if data.startswith(magic))
    kind = next(kinds, "neither a zip archive nor a binary pickle") if data else "an empty file"
    raise BodyFileError(f"this is {kind}; {ACCEPTED}")


# --- from keys to a body ---


def _body(file: _File, path: Path) -> Body:
    missing = [key for key in REQUIRED_KEYS if key not in file.values]
    if missing:
        found = ", ".join(quoted(name) for name in file.found[:30]) or "none"
        raise BodyFileError(f"missing {', '.join(missing)}; found keys: {found}; {ACCEPTED}")
    kintree = _integers("kintree_table", _numbers(file, "kintree_table", 2))
    family = _family(file, kintree.shape)
    parents = _parents(kintree, family)
    v_template = _numbers(file, "v_template", 2)
    V, J = len(v_template), len(parents)
    shapedirs = _numbers(file, "shapedirs", 3)
    faces = _numbers(file, "f", 2)
    weights = _numbers(file, "weights", 2)
    _check_shape("v_template", v_template.shape, ("V", 3), V > 0)
    fits = shapedirs.shape[:2] == (V, 3) and shapedirs.size > 0
    _check_shape("shapedirs", shapedirs.shape, (V, 3, "B"), fits)
    _check_shape("weights", weights.shape, (V, J), weights.shape == (V, J))
    _check_shape("f", faces.shape, ("F", 3), faces.shape[1] == 3 and len(faces) > 0)
    shapedirs = shapedirs[:, :, : _kept_shapes(family, shapedirs.shape[2])]
    return Body(
        family=family,
        sex=_sex(file, path),
        joint_names=JOINT_NAMES[family],
        v_template=_frozen(v_template),
        shapedirs=_frozen(shapedirs),
        joint_regressor=_frozen(_joint_regressor(file, (J, V))),
        weights=_frozen(weights),
        faces=_integers("f", faces),
        parents=parents,
        shape_names=_shape_names(file)[: shapedirs.shape[2]],
    )


def _numbers(file: _File, key: str, ndim: int) -> AnyArray:
    value = file.values[key]
    try:
        array = value if isinstance(value, np.ndarray) else to_array(value)
    except (MalformedFileError, UnsafeFileError) as error:
        raise type(error)(f"{key!r}: {error}") from error
    if array.dtype.kind not in "fiu":
        raise BodyFileError(f"{key} has dtype {array.dtype}; numbers are expected")
    if array.ndim != ndim:
        raise BodyFileError(f"{key} has shape {array.shape}; {ndim} axes are expected")
    return array


def _integers(key: str, array: AnyArray) -> NDArray[np.int64]:
    # Indices of vertices and joints: exact in float64 too. Unsigned 64-bit values wrap to negative ones.
    if array.dtype.kind == "f" and not (np.abs(array) < 2**53).all():
        raise BodyFileError(f"{key} holds numbers that are not finite or far too large")
    integers = array.astype(np.int64)
    if array.dtype.kind == "f" and not (integers == array).all():
        raise BodyFileError(f"{key} holds numbers that are not whole")
    integers.flags.writeable = False
    return integers


def _check_shape(key: str, shape: tuple[int, ...], expected: tuple[object, ...], fits: bool) -> None:
    if not fits or len(shape) != len(expected) or shape[1] != expected[1]:
        raise BodyFileError(
            f"{key} has shape {shape}, expected ({', '.join(map(str, expected))}) with at least one of each"
        )


def _frozen(array: AnyArray) -> Array:
    result = np.ascontiguousarray(array, np.float64)
    result.flags.writeable = False
    return result


def _joint_regressor(file: _File, shape: tuple[int, int]) -> AnyArray:
    value = file.values["J_regressor"]
    regressor = value if isinstance(value, SparseMatrix) else _numbers(file, "J_regressor", 2)
    if regressor.shape != shape:  # before a sparse matrix of any size is filled in
        raise BodyFileError(f"J_regressor has shape {regressor.shape}, expected {shape}: joints by vertices")
    return regressor.dense() if isinstance(regressor, SparseMatrix) else regressor


def _family(file: _File, kintree_shape: tuple[int, ...]) -> str:
    if kintree_shape[0] != 2:
        raise BodyFileError(f"kintree_table has shape {kintree_shape}, expected (2, J): parents over joints")
    joints = kintree_shape[1]
    family = _text(file, "family")
    if family is None:
        family = FAMILY_OF_JOINT_COUNT.get(joints)
    if family is None:
        known = ", ".join(f"{count} ({name})" for count, name in FAMILY_OF_JOINT_COUNT.items())
        raise BodyFileError(f"a model with {joints} joints; accepted: {known}")
    if family not in JOINT_NAMES:
        raise BodyFileError(f"unknown family {quoted(family)}; accepted: {', '.join(JOINT_NAMES)}")
    expected = len(JOINT_NAMES[family])
    if joints != expected:
        raise BodyFileError(f"a {family} model has {expected} joints; kintree_table has {joints}")
    return family


def _parents(kintree: NDArray[np.int64], family: str) -> tuple[int, ...]:
    if kintree[1].tolist() != list(range(kintree.shape[1])):
        raise BodyFileError(f"kintree_table does not number its joints in order: {kintree[1].tolist()}")
    root, *rest = kintree[0].tolist()
    parents = (-1 if root in _ROOT_PARENTS else root, *rest)
    # The families share the body's joints; those of hands and face follow in each one's own order.
    expected = SMPL_PARENTS if len(parents) == len(SMPL_PARENTS) else BODY_PARENTS
    if parents[: len(expected)] != expected:
        raise BodyFileError(
            f"kintree_table gives parents {list(parents[: len(expected)])}; a {family} model has "
            f"{list(expected)}: its joints are in another order"
        )
    return parents


def _kept_shapes(family: str, columns: int) -> int:
    if family == "smpl2mjcf":
        return columns
    narrow = columns if family == "smplh" else MAX_SHAPES_OF_A_NARROW_FILE
    return MAX_SHAPES if columns >= MAX_SHAPES else min(columns, narrow)


# --- what is text ---


def _text(file: _File, key: str) -> str | None:
    value = file.values.get(key)
    if isinstance(value, PickledBytes):
        value = value.text
    elif isinstance(value, PickledArray):
        value = value.array()
    if isinstance(value, np.ndarray):
        value = _strings(key, value)[0] if value.size == 1 else value
    if isinstance(value, bytes):
        value = value.decode("latin1")
    if value is not None and not isinstance(value, str):
        raise BodyFileError(f"{key} is a {type(value).__name__}; text is expected")
    return value


def _strings(key: str, array: AnyArray) -> list[str]:
    if array.dtype.kind not in "SU":
        raise BodyFileError(f"{key} has dtype {array.dtype}; text is expected")
    return [item.decode("latin1") if isinstance(item, bytes) else item for item in array.ravel().tolist()]


def _shape_names(file: _File) -> tuple[str, ...]:
    value = file.values.get("shape_names")
    if value is None:
        return ()
    array = value if isinstance(value, np.ndarray) else to_array(value)
    return tuple(_strings("shape_names", array))


def _sex(file: _File, path: Path) -> str:
    for key in ("sex", "gender"):
        said = _text(file, key)
        if said is not None:
            sex = {name[:1]: name for name in SEXES}.get(said.lower(), said.lower())
            if sex not in SEXES:
                raise BodyFileError(f"unknown {key} {quoted(said)}; accepted: {', '.join(SEXES)}")
            return sex
    # words and lone letters: SMPL_FEMALE, basicModel_f_lbs_10, SMPLMale
    words = {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", path.stem)}
    spelled = [sex for sex in SEXES if sex in words or sex[0] in words]
    if not spelled:
        spelled = [sex for sex in SEXES if sex == path.parent.name.lower()]
    return spelled[0] if len(spelled) == 1 else "neutral"
