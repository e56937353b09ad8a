"""Numpy arrays out of files that nobody vouches for: declared sizes are checked before memory is asked for.

The .npy header is read by pattern, never evaluated. Format: numpy's NEP 1, "A Simple File Format for
NumPy Arrays".
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import Error, UnsafeFileError

AnyArray = NDArray[Any]

MAX_UNPACKED_BYTES = 1 << 29
"""What the wanted arrays of one .npz may unpack to. SMPL-X needs .11 GB; a zip bomb declares more."""

_MAX_DIMENSIONS = 8
_MAX_ITEMS = 1 << 40
_DTYPE = re.compile(r"(?P<order>[<>|=]?)(?P<code>f[248]|[iu][1248]|b1|[SU][1-9]\d{0,5})")
_LAST_CHARACTER = 0x10FFFF  # numpy raises SystemError where it meets a later one
_NPY_MAGIC = b"\x93NUMPY"
_HEADER_FIELD = re.compile(
    r"""["'](descr|fortran_order|shape)["']\s*:\s*("[^"]*"|'[^']*'|True|False|\([\dL, ]*\)|\[)"""
)
_EXTENT = re.compile(r"\d{1,13}L?")  # Python 2 wrote its long integers as 3L


# What zipfile lets through on damaged bytes; RuntimeError is its "encrypted" and "unsupported".
_DAMAGED_ZIP = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError, IndexError,
)  # fmt: skip


class MalformedFileError(Error):
    """A file whose bytes do not follow its own format; readers say which file it was."""


def quoted(name: object) -> str:
    """A name out of a file as one short line that is safe to print; of anything but text, its type."""
    if not isinstance(name, str):
        return f"a {type(name).__name__}"  # the repr of a hostile object can be endless
    text = ascii(name[:100])
    return text if len(text) <= 80 else text[:76] + "...'"


def array_from_bytes(
    raw: bytes | memoryview, dtype: str, shape: Sequence[int], fortran_order: bool
) -> AnyArray:
    """The array that raw bytes hold, not copied and so read-only.

    Raises UnsafeFileError for Python objects, MalformedFileError for a structured or otherwise unknown
    dtype, and where the bytes are not exactly as many as the shape needs.
    """
    if "O" in dtype:
        raise UnsafeFileError("an array of Python objects (it holds a pickle); only plain numbers are read")
    match = _DTYPE.fullmatch(dtype)
    if match is None:
        raise MalformedFileError(f"an array of dtype {quoted(dtype)}; only plain numbers and text are read")
    kind = np.dtype(match["order"].replace("|", "") + match["code"])
    # Empty axes count as one here: an array of no bytes can still declare impossible axes.
    if len(shape) > _MAX_DIMENSIONS or not all(0 <= extent <= _MAX_ITEMS for extent in shape):
        raise MalformedFileError("an array with an impossible shape")
    if math.prod(max(extent, 1) for extent in shape) > _MAX_ITEMS:
        raise MalformedFileError("an array with an impossible shape")
    needed = math.prod(shape) * kind.itemsize
    if needed != len(raw):
        raise MalformedFileError(
            f"an array of shape {tuple(shape)} and dtype {kind} needs {needed} bytes, found {len(raw)}"
        )
    if kind.kind == "U" and np.frombuffer(raw, f"{kind.str[0]}u4").max(initial=0) > _LAST_CHARACTER:
        raise MalformedFileError("an array of text with characters beyond Unicode")
    return np.frombuffer(raw, kind).reshape(shape, order="F" if fortran_order else "C")


def read_npz(data: bytes, wanted: Collection[str]) -> tuple[dict[str, AnyArray], list[str]]:
    """The wanted arrays of an .npz file, and the names of all that it holds; others are not unpacked.

    Raises UnsafeFileError for an object array among the wanted, MalformedFileError for a zip file that
    is damaged, not an .npz, encrypted, or that unpacks to more than MAX_UNPACKED_BYTES.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {
                info.filename.removesuffix(".npy"): info
                for info in archive.infolist()
                if info.filename.endswith(".npy")
            }
            if not members:
                raise MalformedFileError("a zip archive without numpy arrays, not an .npz")
            chosen = {name: info for name, info in members.items() if name in wanted}
            _check_members(chosen.values())
            arrays = {name: _npy(name, archive.read(info)) for name, info in chosen.items()}
    except Error:
        raise
    except _DAMAGED_ZIP as error:
        raise MalformedFileError(f"a truncated or corrupted .npz ({quoted(str(error))})") from error
    return arrays, list(members)


def _check_members(members: Iterable[zipfile.ZipInfo]) -> None:
    total = 0
    for info in members:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise MalformedFileError(f"member {quoted(info.filename)} is packed as numpy never packs")
        total += info.file_size
    if total > MAX_UNPACKED_BYTES:
        raise MalformedFileError(
            f"its arrays unpack to {total} bytes; at most {MAX_UNPACKED_BYTES} are read (a zip bomb?)"
        )


def _npy(name: str, data: bytes) -> AnyArray:
    try:
        return _npy_array(data)
    except Error as error:
        raise type(error)(f"{quoted(name)} is {error}") from None


def _npy_array(data: bytes) -> AnyArray:
    wide = data[6:7] in (b"\x02", b"\x03")  # format 2 and 3 have a four-byte header length
    start = 12 if wide else 10
    end = start + int.from_bytes(data[8:start], "little")
    if not data.startswith(_NPY_MAGIC) or end > len(data):
        raise MalformedFileError("not in numpy's .npy format")
    fields = dict(_HEADER_FIELD.findall(data[start:end].decode("latin1")))
    if len(fields) != 3 or fields["fortran_order"] not in ("True", "False") or fields["shape"][0] != "(":
        raise MalformedFileError("an array whose .npy header is damaged")
    if fields["descr"][0] not in "\"'":
        raise MalformedFileError("a structured array; only plain numbers and text are read")
    extents = [part.strip() for part in fields["shape"].strip("()").split(",") if part.strip()]
    if not all(_EXTENT.fullmatch(extent) for extent in extents):
        raise MalformedFileError("an array whose .npy header is damaged")
    shape = [int(extent.rstrip("L")) for extent in extents]
    return array_from_bytes(
        memoryview(data)[end:], fields["descr"][1:-1], shape, fields["fortran_order"] == "True"
    )
