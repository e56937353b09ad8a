"""joblib's pickles: compressed as a whole, and with the bytes of arrays between the opcodes.

Where an array is pickled, joblib writes a `NumpyArrayWrapper` with its shape, dtype and order, then (since
version 1.2) one byte that says how many bytes of padding follow, the padding, and the raw bytes. Arrays of
Python objects follow as a pickle of their own. joblib is not needed to read them.

Source: joblib's numpy_pickle.py and compressor.py, versions 0.10 to 1.6.
"""

from __future__ import annotations

import bz2
import lzma
import math
import zlib
from collections.abc import Callable
from typing import Any, Protocol

from .errors import UnsafeFileError
from .pickle_stand_ins import AllowList, FollowedByBytes, Global, PickleStream, StandIn
from .pickled_arrays import PickledArray, PickledDtype, no_arguments, pickled_shape, stated_array
from .untrusted_arrays import MalformedFileError

MAX_DECOMPRESSED_BYTES = 1 << 30
"""What one file may decompress to: PHALP's compressed results are some .1 GB a minute of video at most."""

_MAX_LZMA_MEMORY = 1 << 28  # a header can ask for 4 GB; xz's strongest preset needs .065 GB


class NumpyArrayWrapper(FollowedByBytes):
    """joblib.numpy_pickle.NumpyArrayWrapper: says what array the bytes that follow it are."""

    def __init__(self) -> None:
        self.state: dict[Any, Any] = {}

    def set_state(self, state: object) -> None:
        """Keep the attributes."""
        if not isinstance(state, dict):
            raise MalformedFileError("a joblib array whose state is not a dictionary")
        self.state = state

    def read_on(self, stream: PickleStream, read_next: Callable[[], object]) -> StandIn:
        """The array, its bytes taken from the stream and not looked at."""
        match self.state:
            case {"subclass": Global(module="numpy", name="ndarray"), "dtype": PickledDtype() as dtype,
                  "shape": shape, "order": "C" | "F" as order}:  # fmt: skip
                pass
            case {"subclass": Global() as other} if (other.module, other.name) != ("numpy", "ndarray"):
                raise UnsafeFileError(f"a joblib file that asks for an array of class {other}")
            case _:
                raise MalformedFileError("a joblib array that does not say its shape, dtype and order")
        if dtype.code.startswith("O"):
            nested = read_next()
            if not isinstance(nested, PickledArray):
                raise MalformedFileError("a joblib array of objects that is followed by something else")
            return nested
        extents = pickled_shape(shape)
        count = math.prod(extents) * dtype.itemsize
        if self.state.get("numpy_array_alignment_bytes") is not None:
            stream.take(stream.take(1)[0])  # the padding, whose length comes first
        return stated_array(extents, dtype, order == "F", stream.take(count))


def _of_old_joblib(_: tuple[Any, ...]) -> StandIn:
    raise MalformedFileError(
        "a file of joblib 0.9 or older, which kept each array in a file of its own; load it with joblib and "
        "dump it again"
    )


_MODULES = ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle")  # scikit-learn once shipped it

JOBLIB: AllowList = {
    **{
        (module, "NumpyArrayWrapper"): no_arguments("NumpyArrayWrapper", NumpyArrayWrapper)
        for module in _MODULES
    },
    **{
        (module, name): _of_old_joblib
        for module in (*_MODULES, "joblib.numpy_pickle_compat")
        for name in ("NDArrayWrapper", "ZNDArrayWrapper")
    },
}
"""joblib's placeholders of arrays; to be used together with pickled_arrays.NUMPY."""


# --- compression ---


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _zlib() -> _Decompressor:
    return zlib.decompressobj(wbits=47)  # zlib's own header or gzip's


def _lzma() -> _Decompressor:
    return lzma.LZMADecompressor(memlimit=_MAX_LZMA_MEMORY)  # .xz, or .lzma of old


_COMPRESSIONS: dict[bytes, Callable[[], _Decompressor]] = {
    **{b"\x78" + level: _zlib for level in (b"\x01", b"\x5e", b"\x9c", b"\xda")},
    b"\x1f\x8b": _zlib,
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ": _lzma,
    b"\x5d\x00": _lzma,
}
_UNREAD = {
    b"\x04\x22\x4d\x18": "a file compressed with lz4; load it with joblib and dump it without compression",
    b"ZF": "a compressed file of joblib 0.9 or older; load it with joblib and dump it again",
}


def decompressed(data: bytes) -> bytes:
    """The bytes that joblib compressed (zlib, gzip, bz2, lzma or xz, told by their first bytes), or `data`.

    Raises MalformedFileError for damage, for other compressions, and beyond MAX_DECOMPRESSED_BYTES.
    """
    for magic, why in _UNREAD.items():
        if data.startswith(magic):
            raise MalformedFileError(why)
    found = next((make for magic, make in _COMPRESSIONS.items() if data.startswith(magic)), None)
    if found is None:
        return data
    decompressor = found()
    try:
        result = decompressor.decompress(data, MAX_DECOMPRESSED_BYTES + 1)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise MalformedFileError("a compressed file that is damaged") from error
    if len(result) > MAX_DECOMPRESSED_BYTES:
        raise MalformedFileError(
            f"it decompresses to more than the {MAX_DECOMPRESSED_BYTES} bytes that are read (a bomb?)"
        )
    if not decompressor.eof:
        raise MalformedFileError("a compressed file that is cut short")
    return result
