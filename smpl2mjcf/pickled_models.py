"""Stand-ins for the scipy.sparse and chumpy objects in the official model files, and their tables.

Neither library is imported. Each stand-in keeps the state that the file gives it; `to_array` and
`SparseMatrix.dense` make the numbers.

Sources: scipy.sparse's instance attributes; chumpy's ch.py and reordering.py (M. Loper): `Ch` keeps its
array in `x`, `Select` is a.ravel()[idxs].reshape(preferred_shape).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .pickle_stand_ins import AllowList, StandIn
from .pickled_arrays import PickledArray, no_arguments, pickled_shape
from .untrusted_arrays import AnyArray, MalformedFileError, array_from_bytes

_MAX_NESTING = 8  # a Select of a Ch is two deep; a longer chain is not a model file


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
        return pickled_shape(self.attribute("_shape"))

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
        lines = shape[1 if self.layout == "csc" else 0]
        ends = len(starts) == lines + 1 and starts[0] == 0 and starts[-1] == len(minor)
        counts = np.diff(starts)  # may wrap around where a pointer is beyond the entries
        if not ends or not _within(starts, len(minor) + 1) or counts.min(initial=0) < 0:
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
            shape = pickled_shape(value.state.get("preferred_shape", chosen.shape))
            return array_from_bytes(source.ravel()[chosen].tobytes(), source.dtype.str, shape, False)
        case _:
            raise MalformedFileError(f"a {type(value).__name__} where an array is expected")


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


def _set(_: tuple[Any, ...]) -> StandIn:
    return StandIn()  # chumpy's book-keeping of stale variables; nothing reads it


SCIPY_SPARSE: AllowList = {
    (module, f"{layout}_matrix"): no_arguments(f"{layout}_matrix", partial(SparseMatrix, layout))
    for layout in ("csc", "csr", "coo")
    for module in ("scipy.sparse", f"scipy.sparse.{layout}", f"scipy.sparse._{layout}")
}
"""Sparse matrices, with the module paths of old and new scipy."""

CHUMPY: AllowList = {
    ("chumpy.ch", "Ch"): no_arguments("Ch", Ch),
    ("chumpy.reordering", "Select"): no_arguments("Select", Select),
    ("__builtin__", "set"): _set,
    ("builtins", "set"): _set,
}
"""The two chumpy classes of the official SMPL files, and the sets in their book-keeping."""
