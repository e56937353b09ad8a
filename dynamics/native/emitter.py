"""Expressions as vector instructions: a thin layer over llvmlite's IR builder.

Every number of an expression becomes a vector whose lanes are frames, so one instruction serves as many
frames as a register holds (16 float32 or 8 float64 with AVX-512). Vectors are explicit in the IR: no compiler
has to discover that loops over frames can be vectorised.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from .expressions import Expression, in_order
from .trigonometry import sine_and_cosine

Value = Any  # an llvmlite.ir.Value

INT = ir.IntType(64)
# Products and sums may fuse; nothing else may change what is rounded, or NaN would not be seen.
_FLAGS = ("contract", "nsz")


class Emitter:
    """Builds one function: its arguments, loops, memory and arithmetic.

    Attributes:
        builder: llvmlite's IRBuilder.
        real: the IR type of a number (float or double).
        vector: the IR type of one number in every lane.
        width: number of lanes.
        arguments: the function's arguments by name.
    """

    def __init__(
        self, module: ir.Module, name: str, dtype: np.dtype, width: int, arguments: dict[str, str]
    ) -> None:
        self.dtype = np.dtype(dtype)
        self.width = width
        self.real = ir.FloatType() if self.dtype == np.float32 else ir.DoubleType()
        self.vector = ir.VectorType(self.real, width)
        types = {"int": INT, "real*": self.real.as_pointer(), "int32*": ir.IntType(32).as_pointer()}
        function = ir.Function(
            module, ir.FunctionType(INT, [types[kind] for kind in arguments.values()]), name=name
        )
        for argument, kind in zip(function.args, arguments.values()):
            if kind.endswith("*"):
                argument.add_attribute("noalias")
        self.arguments = dict(zip(arguments, function.args))
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        self._entry = function.entry_basic_block

    # Integers and control flow

    def integer(self, number: int) -> Value:
        """A constant integer."""
        return INT(number)

    def variable(self, kind: Any, initial: Value) -> Value:
        """A place on the stack that holds a value which changes; LLVM makes it a register."""
        with self.builder.goto_block(self._entry):
            place = self.builder.alloca(kind)
        self.builder.store(initial, place)
        return place

    @contextlib.contextmanager
    def loop(self, start: Value, stop: Value, step: int = 1) -> Iterator[Value]:
        """The statements inside run for every index from start to before stop (down if step < 0)."""
        b = self.builder
        index = self.variable(INT, start)
        head, body, after = (b.append_basic_block(name) for name in ("head", "body", "after"))
        b.branch(head)
        b.position_at_end(head)
        present = b.load(index)
        b.cbranch(b.icmp_signed("<" if step > 0 else ">", present, stop), body, after)
        b.position_at_end(body)
        yield present
        b.store(b.add(b.load(index), INT(step)), index)
        b.branch(head)
        b.position_at_end(after)

    def cases(self, value: Value, actions: Mapping[int, Callable[[], None]]) -> None:
        """Run the action of the value; every value must have one."""
        b = self.builder
        blocks = {case: b.append_basic_block(f"case{case}") for case in actions}
        after = b.append_basic_block("joined")
        # The values come from our own tables; what is none of them can do nothing.
        switch = b.switch(value, after)
        for case, block in blocks.items():
            switch.add_case(INT(case), block)
        for case, action in actions.items():
            b.position_at_end(blocks[case])
            action()
            b.branch(after)
        b.position_at_end(after)

    def smaller(self, a: Value, b: Value) -> Value:
        """The smaller of two integers."""
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    # Memory

    def at(self, pointer: Value, *offsets: Value) -> Value:
        """The pointer moved by the sum of the offsets, in numbers."""
        total = offsets[0]
        for offset in offsets[1:]:
            total = self.builder.add(total, offset)
        return self.builder.gep(pointer, [total])

    def scaled(self, index: Value, stride: int) -> Value:
        """An index times a constant stride."""
        return self.builder.mul(index, INT(stride))

    def load(self, pointer: Value, aligned: bool = True) -> Value:
        """A vector of consecutive numbers."""
        size = self.dtype.itemsize * (self.width if aligned else 1)
        return self.builder.load(self.builder.bitcast(pointer, self.vector.as_pointer()), align=size)

    def store(self, value: Value, pointer: Value, aligned: bool = True) -> None:
        """Write a vector to consecutive numbers."""
        size = self.dtype.itemsize * (self.width if aligned else 1)
        self.builder.store(value, self.builder.bitcast(pointer, self.vector.as_pointer()), align=size)

    def spread(self, scalar: Value) -> Value:
        """One number in all lanes."""
        one = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), scalar, INT(0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.width), [0] * self.width)
        return self.builder.shuffle_vector(one, one, mask)

    def constant(self, number: float) -> Value:
        """A constant in all lanes."""
        return ir.Constant(self.vector, [float(number)] * self.width)

    # Arithmetic

    def evaluate(self, outputs: Sequence[Expression], read: Callable[[str, int], Value]) -> Sequence[Value]:
        """Vectors of the outputs.

        Args:
            outputs: what to compute.
            read: gives the vector of an input (area, place); called once for each that is needed.
        """
        b = self.builder
        values: dict[int, Value] = {}
        for node in in_order(outputs):
            a = [values[id(operand)] for operand in node.operands]
            match node.operation:
                case "constant":
                    value = self.constant(node.value)  # type: ignore[arg-type]
                case "input":
                    value = read(*node.value)  # type: ignore[misc]
                case "add":
                    value = b.fadd(*a, flags=_FLAGS)
                case "subtract":
                    value = b.fsub(*a, flags=_FLAGS)
                case "multiply":
                    value = b.fmul(*a, flags=_FLAGS)
                case "divide":
                    value = b.fdiv(*a, flags=_FLAGS)
                case "negate":
                    value = b.fneg(*a, flags=_FLAGS)
                case "sqrt":
                    value = b.call(self.intrinsic("sqrt"), a)
                case _:
                    value = sine_and_cosine(self, a[0])[node.operation == "cosine"]
            values[id(node)] = value
        return [values[id(output)] for output in outputs]

    def intrinsic(self, name: str, operands: int = 1) -> Value:
        """LLVM's own function of vectors, for example sqrt."""
        full = f"llvm.{name}.v{self.width}f{8 * self.dtype.itemsize}"
        module = self.builder.module
        if full in module.globals:
            return module.globals[full]
        return ir.Function(module, ir.FunctionType(self.vector, [self.vector] * operands), name=full)

    # Rows of frames to lanes and back

    def transposed(self, rows: Sequence[Value]) -> list[Value]:
        """A square of `width` vectors with rows and columns exchanged, in log2(width) rounds of shuffles."""
        rows = list(rows)
        n, half = self.width, self.width // 2
        kind = ir.VectorType(ir.IntType(32), n)
        while half:
            # Exchange the off-diagonal blocks of side `half` in each block of side 2 half.
            low = [i if i % (2 * half) < half else i - half + n for i in range(n)]
            high = [i + half if i % (2 * half) < half else i + n for i in range(n)]
            for i in (i for i in range(n) if i % (2 * half) < half):
                a, c = rows[i], rows[i + half]
                rows[i] = self.builder.shuffle_vector(a, c, ir.Constant(kind, low))
                rows[i + half] = self.builder.shuffle_vector(a, c, ir.Constant(kind, high))
            half //= 2
        return rows

    def gather(self, rows: Sequence[Value], columns: Value, target: Value) -> None:
        """Entries of each lane's row (a pointer a lane) to `columns` consecutive vectors at the target."""
        self._by_blocks(
            columns,
            lambda first: self._gather_block(rows, first, target),
            lambda column: self._gather_column(rows, column, target),
        )

    def scatter(self, source: Value, columns: Value, rows: Sequence[Value]) -> None:
        """`columns` consecutive vectors from the source to each lane's row."""
        self._by_blocks(
            columns,
            lambda first: self._scatter_block(source, first, rows),
            lambda column: self._scatter_column(source, column, rows),
        )

    def _by_blocks(
        self, columns: Value, block: Callable[[Value], None], single: Callable[[Value], None]
    ) -> None:
        """Squares of columns, the last overlapping the one before; single columns if there are too few."""
        b, n = self.builder, self.width
        with b.if_else(b.icmp_signed("<", columns, INT(n))) as (few, many):
            with few, self.loop(INT(0), columns) as column:
                single(column)
            with many, self.loop(INT(0), columns, n) as first:
                block(self.smaller(first, b.sub(columns, INT(n))))

    def _gather_block(self, rows: Sequence[Value], first: Value, target: Value) -> None:
        square = self.transposed([self.load(self.at(row, first), aligned=False) for row in rows])
        for k, vector in enumerate(square):
            self.store(vector, self.at(target, self.scaled(first, self.width), INT(k * self.width)))

    def _gather_column(self, rows: Sequence[Value], column: Value, target: Value) -> None:
        b = self.builder
        vector = ir.Constant(self.vector, ir.Undefined)
        for lane, row in enumerate(rows):
            vector = b.insert_element(vector, b.load(self.at(row, column)), INT(lane))
        self.store(vector, self.at(target, self.scaled(column, self.width)))

    def _scatter_block(self, source: Value, first: Value, rows: Sequence[Value]) -> None:
        square = [
            self.load(self.at(source, self.scaled(first, self.width), INT(k * self.width)))
            for k in range(self.width)
        ]
        for row, vector in zip(rows, self.transposed(square)):
            self.store(vector, self.at(row, first), aligned=False)

    def _scatter_column(self, source: Value, column: Value, rows: Sequence[Value]) -> None:
        b = self.builder
        vector = self.load(self.at(source, self.scaled(column, self.width)))
        for lane, row in enumerate(rows):
            b.store(b.extract_element(vector, INT(lane)), self.at(row, column))
