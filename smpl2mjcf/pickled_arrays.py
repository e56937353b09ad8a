"""Stand-ins for the numpy objects in pickles, and the table that allows them.

numpy is not called while a pickle is read: a stand-in keeps references to what the file holds, and
`PickledArray.array` makes the numbers of those that a caller wants.

Source: numpy's `ndarray.__reduce__` and `dtype.__reduce__`, as numpy 1 and 2, Python 2 and 3 wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import UnsafeFileError
from .pickle_stand_ins import AllowList, Global, Make, StandIn
from .untrusted_arrays import AnyArray, MalformedFileError, array_from_bytes, quoted

_SIZED = re.compile(r"(?P<kind>[biufcmMSUV])(?P<count>\d{1,6})")


class PickledBytes(StandIn):
    """Bytes that Python 3 wrote into a protocol-2 pickle as `_codecs.encode(text, "latin1")`."""

    def __init__(self, text: str) -> None:
        self.text = text


class PickledDtype(StandIn):
    """numpy.dtype: its code ("f8"), and its byte order from the state."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.order = "|"

    @property
    def itemsize(self) -> int:
        """Bytes of one item. Raises MalformedFileError for a code that does not tell."""
        match = _SIZED.fullmatch(self.code)
        if match is None:
            raise MalformedFileError(f"an array of dtype {quoted(self.code)}, whose size is not known")
        return int(match["count"]) * (4 if match["kind"] == "U" else 1)

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
        self._array: AnyArray | None = None

    def set_state(self, state: object) -> None:
        """Keep (version, shape, dtype, Fortran order, data); very old numpy left the version out."""
        match state:
            case (int(), shape, dtype, fortran_order, raw) | (shape, dtype, fortran_order, raw):
                self.shape, self.dtype, self.fortran_order, self.raw = shape, dtype, fortran_order, raw
                self._array = None
            case _:
                raise MalformedFileError("a numpy array in a pickle whose state is not numpy's")

    def array(self) -> AnyArray:
        """The numbers, made once.

        Raises UnsafeFileError for Python objects, MalformedFileError for damage.
        """
        if not isinstance(self.dtype, PickledDtype):
            raise MalformedFileError("a numpy array in a pickle without a dtype")
        if self._array is None:
            raw, dtype = _raw_bytes(self.raw, self.dtype), self.dtype.order + self.dtype.code
            shape = pickled_shape(self.shape)
            self._array = array_from_bytes(raw, dtype, shape, self.fortran_order is True)
        return self._array

    def objects(self) -> list[Any]:
        """What an array of Python objects holds, as read by the same pickle reader; in C order, flat.

        Raises MalformedFileError where this is not such an array.
        """
        is_objects = isinstance(self.dtype, PickledDtype) and self.dtype.code.startswith("O")
        if not (is_objects and isinstance(self.raw, list)):
            raise MalformedFileError("a numpy array of numbers where one of Python objects is expected")
        return self.raw

    def as_key(self) -> int:
        """The whole number that a numpy scalar holds, as a dictionary's key."""
        number = self.array() if pickled_shape(self.shape) == () else np.empty(0)
        if number.shape == () and number.dtype.kind in "fiu" and float(number).is_integer():
            return int(number)
        return super().as_key()


def _raw_bytes(raw: object, dtype: PickledDtype) -> bytes:
    match raw:
        case bytes() | bytearray() | memoryview():
            return bytes(raw)
        case PickledBytes(text=text) | str(text):
            return bytes_of(text)
        case list() if "O" in dtype.code:
            raise UnsafeFileError("an array of Python objects; only plain numbers are read")
        case _:
            raise MalformedFileError("a numpy array in a pickle whose data are not bytes")


def bytes_of(text: str) -> bytes:
    """Bytes that a pickle holds as text, one character a byte. Raises MalformedFileError for other text."""
    try:
        return text.encode("latin1")
    except UnicodeEncodeError:
        raise MalformedFileError("an array or tensor in a pickle whose data are not bytes") from None


def pickled_shape(value: object) -> tuple[int, ...]:
    """A shape that a pickle states, as plain integers. Raises MalformedFileError for anything else."""
    extents = value if isinstance(value, tuple | list) else (value,)
    return tuple(_integer(extent) for extent in extents)


def _integer(value: object) -> int:
    number = value
    if isinstance(value, PickledArray) and value.shape == ():  # old scipy kept numpy scalars
        number = value.array()  # of no axes, so an array in its own shape ends here
    if isinstance(number, np.ndarray) and number.shape == () and number.dtype.kind in "iu":
        return int(number)
    if isinstance(number, int) and abs(number) < 1 << 62:  # longer ones cannot even be printed
        return number
    raise MalformedFileError("a pickled shape that is not made of integers, or of far too large ones")


# --- what the table calls ---


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
            return stated_array((), dtype, False, raw)
        case _:
            raise MalformedFileError("a pickled numpy scalar without a dtype and bytes")


def _frombuffer(arguments: tuple[Any, ...]) -> PickledArray:
    match arguments:
        case (raw, PickledDtype() as dtype, shape, "C" | "F" as order):
            return stated_array(shape, dtype, order == "F", raw)
        case _:
            raise MalformedFileError("a pickled numpy buffer that does not say what it holds")


def stated_array(shape: Any, dtype: Any, fortran_order: bool, raw: Any) -> PickledArray:
    """A stand-in of these four, nothing checked yet."""
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


def no_arguments(name: str, make: Callable[[], object]) -> Make:
    """A table's function for a constructor that takes nothing; anything given to it is refused."""

    def call(arguments: tuple[Any, ...]) -> object:
        if arguments:
            raise UnsafeFileError(f"a pickle that gives the constructor of {name} arguments")
        return make()

    return call


def _default_dict(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if len(arguments) > 1 or not all(isinstance(factory, Global | None) for factory in arguments):
        raise UnsafeFileError("a pickle that gives collections.defaultdict more than a class")
    return {}  # the class could only be one that the table names; nothing calls it


CONTAINERS: AllowList = {
    ("collections", "OrderedDict"): no_arguments("OrderedDict", dict),
    ("collections", "defaultdict"): _default_dict,
    **{
        (builtins, name): None
        for builtins in ("builtins", "__builtin__")
        for name in ("dict", "list", "int", "float")
    },
}
"""Python's other dictionaries, read as plain ones, and the classes of their default values."""
