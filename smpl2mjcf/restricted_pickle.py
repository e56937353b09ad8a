"""A pickle reader that can run nothing: no import, no call, no attribute access is within its reach.

Python's own unpickler builds whatever a file names, and restricting its `find_class` still leaves its
memory to the file. This one is a small stack machine over the opcode stream (`pickletools.genops`). A
global becomes an inert `Global`, and only if the caller's table names it; "calling" it runs the table's
own function, which returns a stand-in that keeps the arguments; nothing is decoded before it is asked
for, so memory stays proportional to the file.

Two writers put more than opcodes into a stream: joblib the bytes of arrays, torch "persistent ids" of
tensors that lie elsewhere in the file. Both are read by stand-ins of ours, where the caller asks for it.

Format: Python's Lib/pickletools.py; protocols 2 to 5 (Python 2 wrote 2 at most).
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

from .errors import Error, UnsafeFileError
from .pickle_stand_ins import AllowList, FollowedByBytes, Global, PickleStream, StandIn, dictionary_key
from .untrusted_arrays import MalformedFileError, quoted

PersistentId = Callable[[object], object]
"""From the persistent id in a pickle to what it stands for."""

MAX_NESTED_PICKLES = 3
"""Pickles inside a pickle's stream; joblib nests them one deep, each level costs C and Python stack."""


def read_pickle(data: bytes, allowed: AllowList, persistent: PersistentId | None = None) -> object:
    """The object that a pickle describes, from plain Python values and the stand-ins of `allowed`.

    Bytes of Python 2 strings come as str, one character a byte (latin-1). Dictionary keys and set
    members are text, bytes, integers (numpy's too), bool or None. What follows the first pickle is not read.
    persistent: makes of a persistent id what it stands for; without it these ids are refused.
    Raises UnsafeFileError naming the global or opcode for whatever `allowed` does not cover,
    MalformedFileError for a truncated, corrupted or unsupported stream.
    """
    return read_pickle_from(PickleStream(data), allowed, persistent)


def read_pickle_from(
    stream: PickleStream, allowed: AllowList, persistent: PersistentId | None = None, depth: int = 0
) -> object:
    """As read_pickle, for the pickle that begins where the stream is; leaves the stream at its end."""
    if depth > MAX_NESTED_PICKLES:
        raise MalformedFileError(f"pickles nested more than {MAX_NESTED_PICKLES} deep in one another")
    machine = _Machine(
        allowed, stream, persistent, lambda: read_pickle_from(stream, allowed, persistent, depth + 1)
    )
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            machine.step(opcode.name, argument)
        return machine.stack.pop()
    except Error:
        raise
    # genops warns of bad escapes in protocol-0 text, which an "error" filter turns into an exception
    except (ValueError, IndexError, KeyError, Warning) as error:
        raise MalformedFileError(f"a truncated or corrupted pickle ({quoted(str(error))})") from error


# Opcodes that only push the argument read with them. INT is in protocol 2: Python 2 wrote 64-bit integers so.
_LITERALS = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT",
    "BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
})  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], object]] = {
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
# Opcodes that reach for something outside the file, or that build classes in ways no data file needs.
_UNSAFE = frozenset({
    "EXT1", "EXT2", "EXT4", "PERSID", "INST", "OBJ", "NEWOBJ_EX", "NEXT_BUFFER",
    "READONLY_BUFFER",
})  # fmt: skip


class _Machine:
    """The stack, the stacks below each mark, and the memo of one pickle."""

    def __init__(
        self,
        allowed: AllowList,
        stream: PickleStream,
        persistent: PersistentId | None,
        read_next: Callable[[], object],
    ) -> None:
        self.allowed = allowed
        self.stream = stream
        self.persistent = persistent
        self.read_next = read_next
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, object] = {}

    def step(self, name: str, argument: Any) -> None:
        """Run one opcode."""
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            self.stack.append(tuple(reversed([self.stack.pop() for _ in range(_TUPLES[name])])))
        elif name in _UNSAFE:
            self.refuse(name, argument)
        elif name in _OPERATIONS:
            _OPERATIONS[name](self, argument)
        else:
            raise MalformedFileError(
                f"a pickle with opcode {name}, of protocol 0 or 1; protocols 2 to 5 are read"
            )

    def refuse(self, name: str, argument: Any) -> None:
        raise UnsafeFileError(
            f"a pickle with opcode {name} ({quoted(argument)}), which reaches outside the file"
        )

    def protocol(self, version: int) -> None:
        if not 2 <= version <= 5:
            raise MalformedFileError(f"a pickle of protocol {version}; protocols 2 to 5 are read")

    def nothing(self, _: Any) -> None:
        """FRAME and STOP change no object."""

    # --- the memo ---

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    # --- the stack ---

    def mark(self, _: Any) -> None:
        self.below.append(self.stack)
        self.stack = []

    def items(self) -> list[Any]:
        """What was pushed since the last mark, taken off."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def pop(self, _: Any) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.items()

    def pop_mark(self, _: Any) -> None:
        self.items()

    def duplicate(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    # --- containers ---

    def tuple_(self, _: Any) -> None:
        items = self.items()
        self.stack.append(tuple(items))

    def append(self, _: Any) -> None:
        self.extend([self.stack.pop()])

    def appends(self, _: Any) -> None:
        self.extend(self.items())

    def extend(self, items: list[Any]) -> None:
        _container(self.stack[-1], list).extend(items)

    def set_item(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _container(self.stack[-1], dict)[dictionary_key(key)] = value

    def set_items(self, _: Any) -> None:
        items = self.items()
        target = _container(self.stack[-1], dict)
        target.update(zip(map(dictionary_key, items[::2]), items[1::2], strict=True))

    def add_items(self, _: Any) -> None:
        items = self.items()
        _container(self.stack[-1], set).update(map(dictionary_key, items))

    def frozen_set(self, _: Any) -> None:
        items = self.items()
        self.stack.append(frozenset(map(dictionary_key, items)))

    # --- what would run code in Python's unpickler ---

    def global_(self, argument: str) -> None:
        module, _, name = argument.partition(" ")  # genops joins the two lines with a blank
        self.name_global(module, name)

    def stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.name_global(module, name)

    def name_global(self, module: Any, name: Any) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise MalformedFileError("a pickle that names a global by something that is not text")
        if (module, name) not in self.allowed:
            raise UnsafeFileError(
                f"a pickle that names {quoted(f'{module}.{name}')}, which is not on the allow-list"
            )
        self.stack.append(Global(module, name, self.allowed[module, name]))

    def construct(self, _: Any) -> None:
        arguments, target = self.stack.pop(), self.stack.pop()
        if not isinstance(target, Global) or target.make is None:
            raise UnsafeFileError(f"a pickle that calls {_described(target)}")
        if not isinstance(arguments, tuple):
            raise MalformedFileError(f"a pickle that calls {target} without a tuple of arguments")
        self.stack.append(target.make(arguments))

    def build(self, _: Any) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, StandIn):
            raise UnsafeFileError(f"a pickle that sets attributes of {_described(target)}")
        target.set_state(state)
        if isinstance(target, FollowedByBytes):
            self.stack[-1] = target.read_on(self.stream, self.read_next)

    def persistent_id(self, argument: Any) -> None:
        if self.persistent is None:
            self.refuse("BINPERSID", argument)
        else:
            self.stack.append(self.persistent(self.stack.pop()))


_OPERATIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _Machine.protocol,
    "FRAME": _Machine.nothing,
    "STOP": _Machine.nothing,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.memoize,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "DUP": _Machine.duplicate,
    "TUPLE": _Machine.tuple_,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "ADDITEMS": _Machine.add_items,
    "FROZENSET": _Machine.frozen_set,
    "GLOBAL": _Machine.global_,
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.construct,
    "NEWOBJ": _Machine.construct,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent_id,
}


def _container(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise MalformedFileError(f"a pickle that treats a {type(value).__name__} as a {kind.__name__}")
    return value


def _described(target: Any) -> str:
    return str(target) if isinstance(target, Global) else f"a {type(target).__name__}"
