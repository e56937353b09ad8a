"""Machine code that XLA calls: takes a call's buffers apart and shares its pieces out among XLA's threads.

XLA passes one structure (`xla/ffi/api/c_api.h`, which jaxlib ships; its layout holds for the major version 0
of the interface). The handler is compiled, not Python: a computation that outlives the interpreter would wait
for its lock for ever.

Operands: nodes (layout.turned_nodes), plan [pieces of a body, frames of a piece], parameters (B, n), then the
rows that are read (B, F, ...). Results: the rows that are written (B, F, ...), sums (B, pieces, n) where the
function has them, and scratch memory (threads, m).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from llvmlite import ir

from .emitter import INT

Value = Any  # an llvmlite.ir.Value

_BYTES = ir.IntType(8).as_pointer()
_INT32 = ir.IntType(32)

# Byte offsets in XLA_FFI_CallFrame, _Args and _Rets, _Buffer, _Api and the metadata extension.
_FRAME_EXTENSION, _FRAME_API, _FRAME_CONTEXT, _FRAME_ARGUMENTS, _FRAME_RESULTS = 8, 16, 24, 40, 80
_BUFFERS_ARRAY = 32
_BUFFER_DATA, _BUFFER_RANK, _BUFFER_DIMS = 24, 32, 40
_API_DESTROY_ERROR, _API_SCHEDULE = 48 + 2 * 8, 48 + 11 * 8
_EXTENSION_TYPE, _EXTENSION_METADATA, _METADATA_VERSION, _METADATA_TRAITS = 8, 24, 24, 32
_METADATA_EXTENSION = 1
_MAJOR_VERSION = 0  # that these offsets belong to

ALIGNMENT = 64
"""Bytes, of the widest register; scratch memory must have room to be aligned."""

_SCHEDULE_ARGUMENTS_SIZE = 40
_DESTROY_ARGUMENTS_SIZE = 24

# What the threads of a call share, in words of 8 bytes: counters first, then what the function is called
# with.
_NEXT, _DONE, _HOLDERS, _THREADS, _PIECES, _PIECES_OF_BODY, _LENGTH, _FRAMES, _SIZES = range(9)


@functools.cache
def interface_version() -> tuple[int, int] | None:
    """Major and minor version of this jaxlib's interface; None where it is not the one that we know."""
    header = Path(jax.ffi.include_dir()) / "xla" / "ffi" / "api" / "c_api.h"
    text = header.read_text() if header.exists() else ""
    found = [re.search(rf"#define XLA_FFI_API_{part} (\d+)", text) for part in ("MAJOR", "MINOR")]
    if not all(found):
        return None
    major, minor = (int(match[1]) for match in found if match)
    return (major, minor) if major == _MAJOR_VERSION else None


class HandlerBuilder:
    """Builds the handler of one function in its module.

    Args:
        function: over frames first to last, as `loops.TreeLoops` describes.
        name: of the handler.
        itemsize: bytes of a number.
        sizes: names of the function's integer arguments after first and last.
        read, written: how many arrays of rows are read and written.
        sums: whether the function writes sums over its frames.
    """

    def __init__(
        self,
        function: ir.Function,
        name: str,
        itemsize: int,
        sizes: Sequence[str],
        read: int,
        written: int,
        sums: bool,
    ) -> None:
        self.function, self.itemsize, self.sizes = function, itemsize, sizes
        self.read, self.written, self.sums = read, written, sums
        # The arrays of a call: nodes, then those with a stride from body to body (or piece to piece).
        self.strided = 1 + read + written
        self.arrays = _SIZES + len(sizes)  # nodes' pointer; then pairs of pointer and stride
        self.words = self.arrays + 1 + 2 * self.strided + 4
        self.module = function.module
        self.task = self._task(f"{name}_task")
        self._handler(name)

    # Memory

    def _at(self, b: ir.IRBuilder, pointer: Value, offset: int, kind: Any) -> Value:
        return b.bitcast(b.gep(pointer, [INT(offset)]), kind.as_pointer())

    def _load(self, b: ir.IRBuilder, pointer: Value, offset: int, kind: Any = INT) -> Value:
        return b.load(self._at(b, pointer, offset, kind))

    def _external(self, name: str, result: Any, *arguments: Any) -> Value:
        known = self.module.globals.get(name)
        return known or ir.Function(self.module, ir.FunctionType(result, arguments), name=name)

    # The task

    def _task(self, name: str) -> ir.Function:
        """void task(shared): compute pieces until none is left."""
        task = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [_BYTES]), name=name)
        b = ir.IRBuilder(task.append_basic_block("entry"))
        (shared,) = task.args

        def word(index: int) -> Value:
            return self._load(b, shared, 8 * index)

        def add(index: int, amount: int) -> Value:
            place = self._at(b, shared, 8 * index, INT)
            return b.atomic_rmw("add", place, INT(amount), "seq_cst")

        thread = add(_THREADS, 1)
        head, body, end, last, out = (
            b.append_basic_block(label) for label in ("head", "piece", "end", "last", "out")
        )
        b.branch(head)
        b.position_at_end(head)
        piece = add(_NEXT, 1)
        b.cbranch(b.icmp_signed("<", piece, word(_PIECES)), body, end)

        b.position_at_end(body)
        of_body, length = word(_PIECES_OF_BODY), word(_LENGTH)
        which = b.sdiv(piece, of_body)
        first = b.mul(b.srem(piece, of_body), length)
        stop = b.add(first, length)
        frames = word(_FRAMES)
        stop = b.select(b.icmp_signed("<", stop, frames), stop, frames)
        real = self.function.args[-1].type

        def moved(pair: int, steps: Value) -> Value:
            """The array of a pair of words, moved by so many of its strides."""
            pointer = b.inttoptr(word(pair), _BYTES)
            return b.bitcast(b.gep(pointer, [b.mul(steps, word(pair + 1))]), real)

        pairs = self.arrays + 1
        nodes = b.inttoptr(word(self.arrays), _INT32.as_pointer())
        rows = [moved(pairs + 2 * k, which) for k in range(self.strided)]
        more = pairs + 2 * self.strided
        tail = [moved(more, piece)] if self.sums else []
        scratch = self._aligned(b, moved(more + 2, thread))
        sizes = [word(_SIZES + k) for k in range(len(self.sizes))]
        b.call(self.function, [first, stop, *sizes, nodes, *rows, *tail, scratch])
        add(_DONE, 1)
        b.branch(head)

        b.position_at_end(end)
        holders = add(_HOLDERS, -1)
        b.cbranch(b.icmp_signed("==", holders, INT(1)), last, out)
        b.position_at_end(last)
        b.call(self._external("free", ir.VoidType(), _BYTES), [shared])
        b.branch(out)
        b.position_at_end(out)
        b.ret_void()
        return task

    def _aligned(self, b: ir.IRBuilder, pointer: Value) -> Value:
        """The pointer, moved on to a multiple of ALIGNMENT bytes."""
        address = b.add(b.ptrtoint(pointer, INT), INT(ALIGNMENT - 1))
        return b.inttoptr(b.and_(address, INT(-ALIGNMENT)), pointer.type)

    # The handler

    def _handler(self, name: str) -> None:
        """error* handler(call frame*): null, as nothing here can fail."""
        handler = ir.Function(self.module, ir.FunctionType(_BYTES, [_BYTES]), name=name)
        b = ir.IRBuilder(handler.append_basic_block("entry"))
        (frame,) = handler.args
        extension = self._load(b, frame, _FRAME_EXTENSION, _BYTES)
        asked = b.icmp_unsigned("!=", b.ptrtoint(extension, INT), INT(0))
        with b.if_then(asked):
            kind = self._load(b, extension, _EXTENSION_TYPE, _INT32)
            with b.if_then(b.icmp_signed("==", kind, _INT32(_METADATA_EXTENSION))):
                self._tell_version(b, extension)
                b.ret(_BYTES(None))
        self._run(b, frame)
        b.ret(_BYTES(None))

    def _tell_version(self, b: ir.IRBuilder, extension: Value) -> None:
        """The version of the interface that this was made for. XLA's own table of it may not be there yet."""
        version = interface_version()
        assert version is not None
        metadata = self._load(b, extension, _EXTENSION_METADATA, _BYTES)
        for k, number in enumerate(version):
            b.store(_INT32(number), self._at(b, metadata, _METADATA_VERSION + 4 * k, _INT32))
        b.store(_INT32(0), self._at(b, metadata, _METADATA_TRAITS, _INT32))

    def _run(self, b: ir.IRBuilder, frame: Value) -> None:
        def buffer(group: int, index: int) -> Value:
            array = self._load(b, frame, group + _BUFFERS_ARRAY, _BYTES)
            return self._load(b, array, 8 * index, _BYTES)

        def dim(of: Value, index: int) -> Value:
            return self._load(b, self._load(b, of, _BUFFER_DIMS, _BYTES), 8 * index)

        def data(of: Value) -> Value:
            return self._load(b, of, _BUFFER_DATA)

        def row_size(of: Value, start: int) -> Value:
            """Bytes of all that lies behind the first `start` axes, whose number may be 3 or 4."""
            product = INT(self.itemsize)
            for axis in range(start, 4):
                there = b.icmp_signed("<", INT(axis), self._load(b, of, _BUFFER_RANK))
                # Past the rank there is no number to read.
                index = b.select(there, INT(axis), INT(0))
                dims = self._load(b, of, _BUFFER_DIMS, INT.as_pointer())
                product = b.mul(product, b.select(there, b.load(b.gep(dims, [index])), INT(1)))
            return product

        arguments = [buffer(_FRAME_ARGUMENTS, k) for k in range(3 + self.read)]
        nodes, plan, parameters, *read = arguments
        count = self.written + self.sums + 1
        results = [buffer(_FRAME_RESULTS, k) for k in range(count)]
        written, scratch = results[: self.written], results[-1]

        plan_data = b.inttoptr(data(plan), _BYTES)
        of_body, length = (b.sext(self._load(b, plan_data, 4 * k, _INT32), INT) for k in (0, 1))
        bodies, frames = dim(read[0], 0), dim(read[0], 1)
        pieces = b.mul(bodies, of_body)
        nv = dim(read[1], 2)
        known = {
            "nnode": dim(nodes, 0),
            "nq": dim(read[0], 2),
            "nv": nv,
            "nv_squared": b.mul(nv, nv),
        }
        known["nbody"] = b.sext(self._load(b, plan_data, 8, _INT32), INT)

        shared = b.call(self._external("malloc", _BYTES, INT), [INT(8 * self.words)])
        threads = dim(scratch, 0)
        words = {
            _NEXT: INT(0),
            _DONE: INT(0),
            _HOLDERS: b.add(threads, INT(1)),  # this function holds it, too
            _THREADS: INT(0),
            _PIECES: pieces,
            _PIECES_OF_BODY: of_body,
            _LENGTH: length,
            _FRAMES: frames,
        }
        words |= {_SIZES + k: known[size] for k, size in enumerate(self.sizes)}
        words[self.arrays] = data(nodes)
        pair = self.arrays + 1
        for array, axes in [(parameters, 1), *((a, 1) for a in (*read, *written))]:
            words[pair], words[pair + 1] = data(array), row_size(array, axes)
            pair += 2
        if self.sums:
            words[pair], words[pair + 1] = data(results[self.written]), row_size(results[self.written], 2)
        words[pair + 2], words[pair + 3] = data(scratch), row_size(scratch, 1)
        for index, value in words.items():
            b.store(value, self._at(b, shared, 8 * index, INT))
        self._share_out(b, frame, shared, threads)

        # Pieces that other threads began are being computed: wait for them.
        wait, done = b.append_basic_block("wait"), b.append_basic_block("done")
        b.branch(wait)
        b.position_at_end(wait)
        finished = b.load_atomic(self._at(b, shared, 8 * _DONE, INT), "seq_cst", 8)
        b.cbranch(b.icmp_signed("<", finished, pieces), wait, done)
        b.position_at_end(done)
        holders = b.atomic_rmw("sub", self._at(b, shared, 8 * _HOLDERS, INT), INT(1), "seq_cst")
        with b.if_then(b.icmp_signed("==", holders, INT(1))):
            b.call(self._external("free", ir.VoidType(), _BYTES), [shared])

    def _share_out(self, b: ir.IRBuilder, frame: Value, shared: Value, threads: Value) -> None:
        """Give the task to XLA's other threads, and run it here."""
        place = b.alloca(ir.IntType(8), size=_SCHEDULE_ARGUMENTS_SIZE)
        place.align = 8
        request = {
            0: INT(_SCHEDULE_ARGUMENTS_SIZE),
            8: INT(0),
            16: self._load(b, frame, _FRAME_CONTEXT),
            24: b.ptrtoint(self.task, INT),
            32: b.ptrtoint(shared, INT),
        }
        for offset, value in request.items():
            b.store(value, self._at(b, place, offset, INT))
        api = self._load(b, frame, _FRAME_API, _BYTES)
        kind = ir.FunctionType(_BYTES, [_BYTES]).as_pointer()
        schedule = self._load(b, api, _API_SCHEDULE, kind)
        gone = b.alloca(ir.IntType(8), size=_DESTROY_ARGUMENTS_SIZE)
        gone.align = 8
        index = b.alloca(INT)
        b.store(INT(1), index)
        head, body, after = (b.append_basic_block(label) for label in ("threads", "schedule", "own"))
        b.branch(head)
        b.position_at_end(head)
        b.cbranch(b.icmp_signed("<", b.load(index), threads), body, after)
        b.position_at_end(body)
        refused = b.call(schedule, [place])
        # No such thread: its task will not run, and gives up its hold.
        with b.if_then(b.icmp_unsigned("!=", b.ptrtoint(refused, INT), INT(0))):
            given = b.bitcast(gone, INT.as_pointer())
            for word, value in enumerate((INT(_DESTROY_ARGUMENTS_SIZE), INT(0), b.ptrtoint(refused, INT))):
                b.store(value, b.gep(given, [INT(word)]))
            destroyer = ir.FunctionType(ir.VoidType(), [_BYTES]).as_pointer()
            b.call(self._load(b, api, _API_DESTROY_ERROR, destroyer), [gone])
            b.atomic_rmw("sub", self._at(b, shared, 8 * _HOLDERS, INT), INT(1), "seq_cst")
        b.store(b.add(b.load(index), INT(1)), index)
        b.branch(head)
        b.position_at_end(after)
        b.call(self.task, [shared])
