"""The .pt archives of torch 1.6 and newer, without torch: a zip file of one pickle and its storages' bytes.

Source: torch/serialization.py, torch 1.6 to 2.13.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from .errors import Error
from .restricted_pickle import read_pickle
from .torch_tensors import IN_TORCH_FILES, Storages
from .untrusted_arrays import MalformedFileError, quoted

MAX_STORAGE_BYTES = 1 << 29
"""What one packed storage may unpack to (torch itself packs nothing)."""

_DAMAGED_ZIP = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError, LookupError,
)  # fmt: skip


def read_torch_zip(data: bytes) -> object:
    """What torch.save (1.6 and newer) put into a .pt archive; tensors as TorchTensor.

    Raises UnsafeFileError for what is not on torch_tensors' tables, MalformedFileError for a zip file that is
    damaged or is no such archive.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        names = archive.namelist()
    except _DAMAGED_ZIP as error:
        raise MalformedFileError(f"a truncated or corrupted zip archive ({quoted(str(error))})") from error
    pickles = [name for name in names if name.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1:
        raise MalformedFileError("a zip archive without one data.pkl, not one of torch.save")
    root = pickles[0].removesuffix("data.pkl")
    order = ">" if f"{root}byteorder" in names and _member(archive, f"{root}byteorder", 16) == b"big" else "<"
    storages = Storages(order, lambda key, needed: _member(archive, f"{root}data/{key}", needed))
    content = _member(archive, pickles[0], MAX_STORAGE_BYTES)
    return read_pickle(content, IN_TORCH_FILES, storages.storage_of)


def _member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    try:
        info = archive.getinfo(name)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise MalformedFileError(f"member {quoted(name)} is packed as torch never packs")
        packed = info.compress_type == zipfile.ZIP_DEFLATED
        most = min(most, MAX_STORAGE_BYTES) if packed else most
        if info.file_size > most:
            raise MalformedFileError(
                f"member {quoted(name)} has {info.file_size} bytes; at most {most} are read (a zip bomb?)"
            )
        return archive.read(info)
    except Error:
        raise
    except _DAMAGED_ZIP as error:
        raise MalformedFileError(f"member {quoted(name)} is missing or corrupted") from error
