"""What a pickle is made of while it is read: names that call nothing, stand-ins for objects, the stream.

`restricted_pickle` reads; what its stand-ins may be is in pickled_arrays, pickled_models, joblib_pickle
and torch_tensors.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .untrusted_arrays import MalformedFileError

Make = Callable[[tuple[Any, ...]], object]
AllowList = Mapping[tuple[str, str], Make | None]
"""(module, name) -> our function from a tuple of arguments to a stand-in; None = may be named, not called."""


@dataclass(frozen=True, eq=False)
class Global:
    """A name that a pickle refers to; `make` is what stands in for calling it."""

    module: str
    name: str
    make: Make | None

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class StandIn:
    """An object that a pickle builds: it keeps what the pickle says about it and does nothing."""

    def set_state(self, state: object) -> None:
        """Keep the state that a BUILD opcode hands over. Raises MalformedFileError if it cannot be one."""
        raise MalformedFileError(f"a pickle that gives a {type(self).__name__} a state; it has none")

    def as_key(self) -> int:
        """This object as a dictionary's key. Raises MalformedFileError where it is not a whole number."""
        raise _bad_key(self)


def dictionary_key(value: Any) -> Any:
    """A value as a dictionary's key or a set's member: text, bytes, an integer (numpy's too), bool or None.

    Raises MalformedFileError for anything else.
    """
    # A nested tuple would be hashed recursively in C, which a deep enough one crashes; integers beyond
    # Python's hash modulus can all be made to collide.
    key = value.as_key() if isinstance(value, StandIn) else value  # WHAM numbers people with numpy's integers
    if key is None or type(key) in (str, bytes, bool) or (type(key) is int and abs(key) < 2**60):
        return key
    raise _bad_key(key)


def _bad_key(key: object) -> MalformedFileError:
    return MalformedFileError(f"a pickle with a {type(key).__name__} as a key; text and integers are read")


class PickleStream(io.BytesIO):
    """Bytes that hold pickles and other things one after another."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._view = memoryview(data)

    def take(self, count: int) -> memoryview:
        """The next `count` bytes, not copied. Raises MalformedFileError where there are fewer."""
        start = self.tell()
        if not 0 <= count <= len(self._view) - start:
            raise MalformedFileError(
                f"{count} bytes are announced where {max(len(self._view) - start, 0)} are left"
            )
        self.seek(start + count)
        return self._view[start : start + count]


class FollowedByBytes(StandIn):
    """A stand-in whose content follows its state in the stream, between two opcodes."""

    def read_on(self, stream: PickleStream, read_next: Callable[[], object]) -> StandIn:
        """What to put in this one's place, read from `stream`, which is left at the next opcode.

        read_next: reads another pickle from the stream, under the same allow-list.
        """
        raise NotImplementedError
