"""The parameters of a C3D file, and the byte order and float format that all of it is in."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from .errors import MotionFileError

BLOCK = 512  # bytes
MAGIC = 0x50
INTEL, DEC, MIPS = 84, 85, 86


@dataclass(frozen=True)
class Order:
    """Byte order and float format of a file."""

    endian: str  # of struct and numpy
    vax: bool  # floats are VAX F

    def floats(self, data: bytes) -> NDArray[np.float32]:
        """The 32-bit floats of some bytes."""
        if not self.vax:
            return np.frombuffer(data, f"{self.endian}f4")
        # VAX F stores its 16-bit halves most significant first, and its exponent is 2 higher than IEEE's for
        # the same value; an exponent of 0 is zero.
        halves = np.frombuffer(data, "<u2").astype(np.uint32)
        bits = (halves[0::2] << 16) | halves[1::2]
        values = bits.view(np.float32) / np.float32(4)
        return np.where(bits & 0x7F800000, values, np.float32(0))

    def words(self, data: bytes) -> NDArray[np.uint16]:
        """The unsigned 16-bit integers of some bytes."""
        return np.frombuffer(data, f"{self.endian}u2")


@dataclass(frozen=True)
class Parameters:
    """What a file's parameters hold, asked for by group and name; numbers of any type come as floats."""

    order: Order
    found: dict[tuple[str, str], tuple[int, list[int], bytes]]  # type, dimensions, bytes

    def has(self, group: str, name: str) -> bool:
        """Whether the file has this parameter."""
        return (group, name) in self.found

    def numbers(self, group: str, name: str) -> list[float]:
        """All numbers of a parameter; 16-bit ones unsigned, as files past 32767 frames use them."""
        kind, _, raw = self.found.get((group, name), (0, [], b""))
        if kind == 4:
            return self.order.floats(raw).astype(np.float64).tolist()
        whole = self.order.words(raw) if kind == 2 else np.frombuffer(raw if kind == 1 else b"", np.uint8)
        return whole.astype(np.float64).tolist()

    def real(self, group: str, name: str, default: float) -> float:
        """The first number of a parameter, or the default where there is none that is finite."""
        numbers = self.numbers(group, name)
        return numbers[0] if numbers and np.isfinite(numbers[0]) else default

    def integer(self, group: str, name: str, default: int) -> int:
        """The same as a whole number."""
        return int(self.real(group, name, default))

    def long(self, group: str, name: str) -> int | None:
        """A 32-bit whole number that is stored as two 16-bit words, the low one first."""
        numbers = self.numbers(group, name)
        whole = len(numbers) == 2 and np.isfinite(numbers).all()
        return int(numbers[0]) + 65536 * int(numbers[1]) if whole else None

    def texts(self, group: str, name: str) -> list[str]:
        """The texts of a parameter and of its continuations, LABELS2, LABELS3 and so on."""
        texts: list[str] = []
        number = 1
        while (key := (group, name if number == 1 else f"{name}{number}")) in self.found:
            kind, sizes, raw = self.found[key]
            if kind == -1 and raw:
                width = sizes[0] if sizes else 1
                texts += [
                    raw[i : i + width].decode("latin-1").strip("\0 ") for i in range(0, len(raw), width)
                ]
            number += 1
        return texts


def read_parameters(path: Path, data: bytes) -> Parameters:
    """The parameters of a C3D file's bytes. Raises MotionFileError where they are damaged."""
    if len(data) < 2 * BLOCK or data[1] != MAGIC or not data[0]:
        fail(path, "is not a C3D file: its second byte must be 0x50")
    at = (data[0] - 1) * BLOCK
    if at < BLOCK or at + 4 > len(data):
        fail(path, f"has its parameters at block {data[0]}, outside the file")
    processor, end = data[at + 3], min(len(data), at + max(data[at + 2], 1) * BLOCK)
    if processor not in (INTEL, DEC, MIPS):
        fail(path, f"was written by processor {processor}; accepted: {INTEL} Intel, {DEC} DEC, {MIPS} MIPS")
    order = Order(">" if processor == MIPS else "<", processor == DEC)
    groups: dict[int, str] = {}
    found: dict[tuple[int, str], tuple[int, list[int], bytes]] = {}
    at += 4
    try:
        while at + 2 <= end:
            length, group = struct.unpack_from("bb", data, at)
            length = abs(length)
            if not length or not group:
                break
            name = data[at + 2 : at + 2 + length].decode("latin-1").strip().upper()
            at += 2 + length
            (step,) = struct.unpack_from(f"{order.endian}H", data, at)
            if group < 0:
                groups[-group] = name
            else:
                kind, dimensions = struct.unpack_from("bB", data, at + 2)
                sizes = list(data[at + 4 : at + 4 + dimensions])
                start = at + 4 + dimensions
                # A Python product: that of 255 dimensions does not overflow, it only exceeds what is there.
                size = abs(kind)
                for n in sizes:
                    size *= n
                if kind not in (-1, 1, 2, 4) or len(sizes) < dimensions or start + size > end:
                    fail(path, f"has a damaged parameter {name!r}; is it cut off?")
                found[group, name] = kind, sizes, data[start : start + size]
            if not step:
                break
            at += step
    except struct.error:
        fail(path, "ends inside its parameters; is it cut off?")
    return Parameters(order, {(groups.get(g, ""), name): value for (g, name), value in found.items()})


def fail(path: Path, what: str) -> NoReturn:
    """Raises MotionFileError about a file."""
    raise MotionFileError(f"{path} {what}")
