"""torch's tensors out of pickles and out of files before torch 1.6, without torch.

A tensor is pickled as a call of `torch._utils._rebuild_tensor_v2` with a storage, an offset into it, a
size and strides (in items). Storages lie elsewhere: in a .pt archive (`torch_archive`) as members of raw
bytes, in the file before torch 1.6 behind the pickle, and in any other pickle (numpy's or joblib's) each as
the bytes of such an old file. Where a tensor lived (cpu, cuda:0) does not matter. A storage is read when
the numbers of a tensor on it are asked for.

Source: torch/serialization.py, torch/_utils.py and torch/storage.py, torch 1.0 to 2.13.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import UnsafeFileError
from .pickle_stand_ins import AllowList, Global, PickleStream, StandIn
from .pickled_arrays import CONTAINERS, NUMPY, PickledBytes, bytes_of, pickled_shape
from .restricted_pickle import read_pickle_from
from .untrusted_arrays import AnyArray, MalformedFileError

MAX_REPEATED_ITEMS = 1 << 24
"""Items of a tensor that shows its storage's items more than once (`expand`): they cost memory here."""

STORAGE_DTYPES = {
    "FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2", "BFloat16Storage": "bfloat16",
    "LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1",
    "ByteStorage": "u1", "BoolStorage": "b1",
}  # fmt: skip
"""torch's storage classes and numpy's codes; numpy has no bfloat16, the upper half of a float32."""

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_HEAD = b"\x80\x02\x8a\x0a" + _LEGACY_MAGIC.to_bytes(10, "little") + b"."
"""How every file of torch.save before 1.6 begins: its magic number as a pickle of protocol 2."""


class Storage(StandIn):
    """A row of numbers that tensors are views of: its dtype, and how to get its bytes."""

    def __init__(
        self, dtype: str, order: str, count: int, fetch: Callable[[int], bytes | memoryview]
    ) -> None:
        self.dtype = dtype
        self.order = order
        self.count = count
        self._fetch = fetch
        self._items: AnyArray | None = None

    @property
    def num_bytes(self) -> int:
        """Of all its items."""
        return self.count * (2 if self.dtype == "bfloat16" else np.dtype(self.dtype).itemsize)

    def items(self) -> AnyArray:
        """(count,) its numbers, bfloat16 as the uint16 of its bits; read once.

        Raises MalformedFileError where its bytes are not as many.
        """
        if self._items is None:
            raw = self._fetch(self.num_bytes)
            if len(raw) != self.num_bytes:
                raise MalformedFileError(
                    f"a tensor's storage of {self.count} numbers needs {self.num_bytes} bytes, "
                    f"found {len(raw)}"
                )
            code = "u2" if self.dtype == "bfloat16" else self.dtype
            self._items = np.frombuffer(raw, self.order + code)
        return self._items


class PickledStorage(StandIn):
    """A storage that a pickle holds as the bytes of a file before torch 1.6."""

    def __init__(self, data: bytes | PickledBytes) -> None:
        self.data = data

    def storage(self) -> Storage:
        """Raises MalformedFileError where the bytes are not those of one storage."""
        data = self.data if isinstance(self.data, bytes) else bytes_of(self.data.text)
        storage = _read_legacy(data, STORAGES)
        if not isinstance(storage, Storage):
            raise MalformedFileError("a pickled tensor whose storage is something else")
        return storage


class TorchTensor(StandIn):
    """torch.Tensor: a view of a storage, as the file states it, nothing checked yet."""

    def __init__(self, storage: Storage | PickledStorage, offset: Any, size: Any, stride: Any) -> None:
        self.storage = storage
        self.offset = offset
        self.size = size
        self.stride = stride

    def array(self) -> AnyArray:
        """The numbers, read-only. Raises MalformedFileError where the view leaves its storage."""
        storage = self.storage.storage() if isinstance(self.storage, PickledStorage) else self.storage
        (offset,), size, stride = map(pickled_shape, ((self.offset,), self.size, self.stride))
        if len(size) != len(stride) or len(size) > 8 or min((*size, *stride, offset)) < 0:
            raise MalformedFileError("a tensor whose size and strides do not fit each other")
        count = math.prod(size)
        # empty axes count as one: a tensor of no items can still declare impossible axes
        if math.prod(max(extent, 1) for extent in size) > max(storage.count, MAX_REPEATED_ITEMS):
            raise MalformedFileError(f"a tensor of size {size} on a storage of {storage.count} numbers")
        end = 1 + offset + sum((extent - 1) * step for extent, step in zip(size, stride)) if count else 0
        if end > storage.count:
            raise MalformedFileError(
                f"a tensor that needs {end} numbers of a storage that has {storage.count}"
            )
        items = storage.items()
        steps = [step * items.itemsize if extent > 1 else 0 for extent, step in zip(size, stride)]
        steps = steps if count else [0] * len(steps)
        view = np.lib.stride_tricks.as_strided(items[offset:], size, steps, writeable=False)
        return (view.astype("u4") << 16).view("f4") if storage.dtype == "bfloat16" else view


# --- what the table calls ---


def _tensor(arguments: tuple[Any, ...]) -> TorchTensor:
    match arguments:
        case (Storage() | PickledStorage() as storage, offset, size, stride, *_):
            return TorchTensor(storage, offset, size, stride)
        case _:
            raise MalformedFileError("a pickled tensor without a storage, offset, size and strides")


def _parameter(arguments: tuple[Any, ...]) -> TorchTensor:
    match arguments:
        case (TorchTensor() as tensor, *_):
            return tensor
        case _:
            raise MalformedFileError("a pickled torch parameter without a tensor")


def _load_from_bytes(arguments: tuple[Any, ...]) -> PickledStorage:
    match arguments:
        case (bytes() | PickledBytes() as data,):
            return PickledStorage(data)
        case _:
            raise MalformedFileError("a pickled torch storage that is not made of bytes")


def _size(arguments: tuple[Any, ...]) -> object:
    return arguments[0] if arguments else ()


def _device(_: tuple[Any, ...]) -> StandIn:
    return StandIn()  # numbers are read to the CPU, wherever they were


STORAGES: AllowList = {
    (module, name): None for module in ("torch", "torch.cuda", "torch.storage") for name in STORAGE_DTYPES
}
"""The storage classes, which persistent ids name and nothing may call."""

TORCH: AllowList = {
    **STORAGES,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch.storage", "_load_from_bytes"): _load_from_bytes,
    ("torch", "Size"): _size,
    ("torch", "device"): _device,
}
"""Tensors, in any pickle."""

IN_TORCH_FILES: AllowList = {**NUMPY, **CONTAINERS, **TORCH}
"""All that a file of torch.save may name."""


# --- the storages of a file, and the file of before torch 1.6 ---


def read_torch_legacy(data: bytes) -> object:
    """What torch.save before 1.6 (or _use_new_zipfile_serialization=False) wrote; tensors as TorchTensor.

    Raises UnsafeFileError for what is not on the tables above, MalformedFileError for damage.
    """
    return _read_legacy(data, IN_TORCH_FILES)


def _read_legacy(data: bytes, allowed: AllowList) -> object:
    stream = PickleStream(data)
    magic, version, system = (read_pickle_from(stream, {}) for _ in range(3))
    if (magic, version) != (_LEGACY_MAGIC, 1001) or not isinstance(system, dict):
        raise MalformedFileError("a file of torch before 1.6 whose head is damaged")
    order = ">" if system.get("little_endian") is False else "<"
    contents: dict[str, memoryview] = {}
    storages = Storages(order, lambda key, _: contents[key])
    result = read_pickle_from(stream, allowed, storages.storage_of)
    keys = read_pickle_from(stream, {})
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise MalformedFileError("a file of torch before 1.6 whose list of storages is damaged")
    if set(keys) != set(storages.found):
        raise MalformedFileError("a file of torch before 1.6 that lacks some of its storages")
    for key in keys:
        storage = storages.found[key]
        count = int.from_bytes(stream.take(8), "little" if order == "<" else "big")
        if count != storage.count:
            raise MalformedFileError(
                f"a tensor's storage has {count} numbers where {storage.count} were announced"
            )
        contents[key] = stream.take(storage.num_bytes)
    return result


class Storages:
    """The storages that the persistent ids of one pickle name, each made once."""

    def __init__(self, order: str, fetch: Callable[[str, int], bytes | memoryview]) -> None:
        self.order = order
        self.fetch = fetch
        self.found: dict[str, Storage] = {}

    def storage_of(self, identity: object) -> Storage:
        """The storage that a persistent id names; where its device was is not looked at."""
        match identity:
            case ("storage", Global(name=name), str() as key, str(), int() as count, *rest) if (
                name in STORAGE_DTYPES and 0 <= count < 1 << 48 and rest in ([], [None])
            ):
                pass
            case ("storage", Global() as other, *_) if other.name not in STORAGE_DTYPES:
                raise UnsafeFileError(f"a torch file with a storage of class {other}")
            case _:
                raise MalformedFileError("a torch file with a persistent id that is no storage's")
        dtype = STORAGE_DTYPES[name]
        fresh = Storage(dtype, self.order, count, lambda needed: self.fetch(key, needed))
        storage = self.found.setdefault(key, fresh)
        if (storage.dtype, storage.count) != (dtype, count):
            raise MalformedFileError("a torch file that describes one storage in two ways")
        return storage
