"""Stand-ins for the numpy, scipy.sparse and chumpy objects in pickles, and the tables that allow them.

None of the three libraries is called while a pickle is read, and chumpy and scipy never are. Each
stand-in keeps references to what the file holds; `to_array` and `SparseMatrix.dense` make the numbers.

Sources: numpy's `ndarray.__reduce__`, scipy.sparse's instance attributes, and chumpy's ch.py and
reordering.py (M. Loper; `Ch` keeps its array in `x`, `Select` is a.ravel()[idxs].reshape(preferred_shape)).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import UnsafeFileError
from .restricted_pickle import AllowList, Global, Make, StandIn
from .untrusted_arrays import AnyArray, MalformedFileError, array_from_bytes, quoted

_MAX_NESTING = 8  # a Select of a Ch is two deep; a longer chain is not a model file


class PickledBytes(StandIn):
    """Bytes that Python 3 wrote into a protocol-2 pickle as `_codecs.encode(text, "latin1")`."""

    def __init__(self, text: str) -> None:
        self.text = text


class PickledDtype(StandIn):
    """numpy.dtype: its code ("f8"), and its byte order from the state."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.order = "|"

    def set_state(self, state: object) -> None:
        """Keep the byte order; a dtype with fields or a sub-array is refused."""
        match state:
            case (int(), "<" | ">" | "|" | "=" as order, None, None, None, *_):
                self.order = order
            case _:
                raise MalformedFileError("a structured dtype in a pickle; plain numbers and text are read")


class PickledArray(StandIn):
    """numpy.ndarray: shape, dtype and bytes as the file states them, nothing checked yet."""

    def __init__(self) -> None:
        self.shape: Any = None
        self.dtype: Any = None
        self.fortran_order: Any = False
        self.raw: Any = b""

    def set_state(self, state: object) -> None:
        """Keep (version, shape, dtype, Fortran order, data); very old numpy left the version out."""
        match state:
            case (int(), shape, dtype, fortran_order, raw) | (shape, dtype, fortran_order, raw):
                self.shape, self.dtype, self.fortran_order, self.raw = shape, dtype, fortran_order, raw
            case _:
                raise MalformedFileError("a numpy array in a pickle whose state is not numpy's")

    def array(self) -> AnyArray:
        """The numbers. Raises UnsafeFileError for Python objects, MalformedFileError for damage."""
        if not isinstance(self.dtype, PickledDtype):
            raise MalformedFileError("a numpy array in a pickle without a dtype")
        raw, dtype = _raw_bytes(self.raw, self.dtype), self.dtype.order + self.dtype.code
        return array_from_bytes(raw, dtype, _shape(self.shape), self.fortran_order is True)


class _Attributes(StandIn):
    """An object whose state is a dictionary of attributes, kept aside and never made attributes of ours."""

    def __init__(self) -> None:
        self.state: dict[Any, Any] = {}

    def set_state(self, state: object) -> None:
        """Keep the attributes."""
        if not isinstance(state, dict):
            raise MalformedFileError(f"a pickled {type(self).__name__} whose state is not a dictionary")
        self.state = state

    def attribute(self, name: str) -> Any:
        if name not in self.state:
            raise MalformedFileError(f"a pickled {type(self).__name__} without {name!r}")
        return self.state[name]


class Ch(_Attributes):
    """chumpy.ch.Ch: an array in `x`."""


class Select(_Attributes):
    """chumpy.reordering.Select: items of `a`, in C order, by number."""


class SparseMatrix(_Attributes):
    """scipy.sparse's csc, csr or coo matrix."""

    def __init__(self, layout: str) -> None:
        super().__init__()
        self.layout = layout

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns, as declared."""
        return _shape(self.attribute("_shape"))

    def dense(self) -> NDArray[np.float64]:
        """(rows, columns); callers check `shape` first: a sparse file can declare any size.

        Raises MalformedFileError where indices do not fit the shape.
        """
        shape = self.shape
        if len(shape) != 2 or min(shape) < 0:
            raise MalformedFileError(f"a sparse {self.layout} matrix whose shape is not (rows, columns)")
        data = _plain(self.attribute("data")).ravel()
        rows, columns = self._coordinates(shape)
        fits = len(rows) == len(columns) == len(data) and data.dtype.kind in "fiu"
        if not fits or not (_within(rows, shape[0]) and _within(columns, shape[1])):
            raise MalformedFileError(f"a sparse {self.layout} matrix whose entries do not fit its shape")
        result = np.zeros(shape)
        np.add.at(result, (rows, columns), data)  # entries given twice add up, as in scipy
        return result

    def _coordinates(self, shape: tuple[int, ...]) -> tuple[AnyArray, AnyArray]:
        if self.layout == "coo":
            # newer scipy keeps both in one tuple
            pair = self.state.get("coords") or (self.attribute("row"), self.attribute("col"))
            if not (isinstance(pair, tuple) and len(pair) == 2):
                raise MalformedFileError("a sparse coo matrix without two coordinates")
            return _indices(pair[0]), _indices(pair[1])
        minor, starts = _indices(self.attribute("indices")), _indices(self.attribute("indptr"))
        counts = np.diff(starts)
        lines = shape[1 if self.layout == "csc" else 0]
        ends = len(starts) == lines + 1 and starts[0] == 0 and starts[-1] == len(minor)
        if not ends or counts.min(initial=0) < 0:
            raise MalformedFileError(f"a sparse {self.layout} matrix whose indptr does not fit its indices")
        major = np.repeat(np.arange(len(counts)), counts)
        return (minor, major) if self.layout == "csc" else (major, minor)


def to_array(value: object, depth: int = _MAX_NESTING) -> AnyArray:
    """The array that a numpy or chumpy stand-in holds; read-only.

    Raises UnsafeFileError for an array of Python objects, MalformedFileError for anything that is not an
    array or is damaged.
    """
    if depth == 0:
        raise MalformedFileError(f"a chumpy object nested more than {_MAX_NESTING} deep")
    match value:
        case PickledArray():
            return value.array()
        case Ch():
            return to_array(value.attribute("x"), depth - 1)
        case Select():
            source, chosen = to_array(value.attribute("a"), depth - 1), _indices(value.attribute("idxs"))
            if not _within(chosen, source.size):
                raise MalformedFileError("a chumpy Select that chooses items its array does not have")
            shape = _shape(value.state.get("preferred_shape", chosen.shape))
            return array_from_bytes(source.ravel()[chosen].tobytes(), source.dtype.str, shape, False)
        case _:
            raise MalformedFileError(f"a {type(value).__name__} where an array is expected")


def _raw_bytes(raw: object, dtype: PickledDtype) -> bytes:
    match raw:
        case bytes() | bytearray():
            return bytes(raw)
        case PickledBytes(text=text) | str(text):
            return _latin1(text)
        case list() if "O" in dtype.code:
            raise UnsafeFileError("an array of Python objects; only plain numbers are read")
        case _:
            raise MalformedFileError("a numpy array in a pickle whose data are not bytes")


def _latin1(text: str) -> bytes:
    try:
        return text.encode("latin1")
    except UnicodeEncodeError:
        raise MalformedFileError("a numpy array in a pickle whose data are not bytes") from None


def _shape(value: object) -> tuple[int, ...]:
    extents = value if isinstance(value, tuple | list) else (value,)
    return tuple(_integer(extent) for extent in extents)


def _integer(value: object) -> int:
    number = value.array() if isinstance(value, PickledArray) else value  # old scipy kept numpy scalars
    if isinstance(number, np.ndarray) and number.shape == () and number.dtype.kind in "iu":
        return int(number)
    if isinstance(number, int):
        return number
    raise MalformedFileError("a pickled shape that is not made of integers")


def _plain(value: object) -> AnyArray:
    # no chumpy objects here: indices that are themselves selections could multiply without end
    if not isinstance(value, PickledArray):
        raise MalformedFileError(f"a {type(value).__name__} where a plain array is expected")
    return value.array()


def _indices(value: object) -> AnyArray:
    found = _plain(value)
    if found.dtype.kind not in "iu":
        raise MalformedFileError(f"pickled indices of dtype {found.dtype}; integers are expected")
    return found.ravel().astype(np.int64)


def _within(indices: AnyArray, count: int) -> bool:
    return not len(indices) or (int(indices.min()) >= 0 and int(indices.max()) < count)


# --- what the tables call ---


def _reconstruct(arguments: tuple[Any, ...]) -> PickledArray:
    match arguments:
        case (Global(module="numpy", name="ndarray"), _, _):
            return PickledArray()
        case (Global() as other, *_):
            raise UnsafeFileError(f"a pickle that asks numpy for an array of class {other}")
        case _:
            raise MalformedFileError("a pickled numpy array that does not name its class")


def _scalar(arguments: tuple[Any, ...]) -> PickledArray:
    match arguments:
        case (PickledDtype() as dtype, raw):
            return _stated_array((), dtype, False, raw)
        case _:
            raise MalformedFileError("a pickled numpy scalar without a dtype and bytes")


def _frombuffer(arguments: tuple[Any, ...]) -> PickledArray:
    match arguments:
        case (raw, PickledDtype() as dtype, shape, "C" | "F" as order):
            return _stated_array(shape, dtype, order == "F", raw)
        case _:
            raise MalformedFileError("a pickled numpy buffer that does not say what it holds")


def _stated_array(shape: Any, dtype: PickledDtype, fortran_order: bool, raw: Any) -> PickledArray:
    result = PickledArray()
    result.set_state((1, shape, dtype, fortran_order, raw))
    return result


def _dtype(arguments: tuple[Any, ...]) -> PickledDtype:
    match arguments:
        case (str() as code, *_):
            return PickledDtype(code)
        case _:
            raise MalformedFileError("a pickled dtype that is not given by its code")


def _encode(arguments: tuple[Any, ...]) -> PickledBytes:
    match arguments:
        case (str() as text, "latin1" | "latin-1"):
            return PickledBytes(text)
        case (_, codec, *_):
            raise UnsafeFileError(f"a pickle that calls _codecs.encode with {quoted(codec)}, not latin1")
        case _:
            raise UnsafeFileError("a pickle that calls _codecs.encode without naming latin1")


def _no_bytes(arguments: tuple[Any, ...]) -> PickledBytes:
    if arguments:  # a number would ask for that many bytes
        raise UnsafeFileError("a pickle that calls bytes with arguments")
    return PickledBytes("")


def _set(_: tuple[Any, ...]) -> StandIn:
    return StandIn()  # chumpy's book-keeping of stale variables; nothing reads it


def _empty(kind: Callable[[], StandIn], name: str) -> Make:
    def make(arguments: tuple[Any, ...]) -> StandIn:
        if arguments:
            raise UnsafeFileError(f"a pickle that gives the constructor of {name} arguments")
        return kind()

    return make


NUMPY: AllowList = {
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,  # how Python 3 spells no bytes at all in protocol 2
    # numpy 2 renamed numpy.core to numpy._core; files name either
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
}
"""Arrays and scalars, of Python 2 or 3."""

SCIPY_SPARSE: AllowList = {
    (module, f"{layout}_matrix"): _empty(partial(SparseMatrix, layout), f"{layout}_matrix")
    for layout in ("csc", "csr", "coo")
    for module in ("scipy.sparse", f"scipy.sparse.{layout}", f"scipy.sparse._{layout}")
}
"""Sparse matrices, with the module paths of old and new scipy."""

CHUMPY: AllowList = {
    ("chumpy.ch", "Ch"): _empty(Ch, "Ch"),
    ("chumpy.reordering", "Select"): _empty(Select, "Select"),
    ("__builtin__", "set"): _set,
    ("builtins", "set"): _set,
}
"""The two chumpy classes of the official SMPL files, and the sets in their book-keeping."""
