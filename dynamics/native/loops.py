"""What the compiled functions share: tiles of frames, memory of the nodes, loops over the nodes."""

from __future__ import annotations

import contextlib
import functools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from ..states import UNIT_TOLERANCE
from ..topology import BALL, FREE, HINGE, SLIDE
from .emitter import INT, Emitter
from .equations import PARAMETER_SHAPES, WELD, Joint, Motion, Parameters, quaternion, squared_length
from .expressions import inputs
from .layout import (
    BODY,
    DOF,
    KIND,
    NODE_COLUMNS,
    PARAMETER_COUNT,
    PARENT_SLOT,
    QPOS,
    TURNED,
    dof_count,
    position_count,
)

Value = Any  # an llvmlite.ir.Value

Places = Sequence[tuple[str, int, np.ndarray]]

KINDS = (FREE, BALL, SLIDE, HINGE, WELD)

# Integer arguments: how large a tree is.
SIZES = ("nnode", "nq", "nv", "nbody", "nv_squared")

_CACHE_LINE = 64  # bytes

# The flags that a function returns.
NOT_FINITE, NOT_UNIT = 1, 2


class Field(NamedTuple):
    """A quantity of every node in memory: its first place, and its shape."""

    start: int
    shape: tuple[int, ...]


def fields(**shapes: tuple[int, ...]) -> dict[str, Field]:
    """Places of the quantities one after the other."""
    start, made = 0, {}
    for name, shape in shapes.items():
        made[name] = Field(start, shape)
        start += math.prod(shape)
    return made


MOTION_FIELDS = {"omega": (3,), "alpha": (3,), "acceleration": (3,)}
STATE_FIELDS = {
    "rotation": (3, 3),
    "origin": (3,),
    **MOTION_FIELDS,
    "force": (3,),
    "moment": (3,),
}
WORLD_FIELDS = {"world_rotation": (3, 3)}


class Node(NamedTuple):
    """A node within a loop: where its numbers lie.

    Attributes:
        kind: 0 to 4, and whether it is turned (0 or 1): IR integers.
        bases: pointer to each area of the node's numbers, for `Expression` inputs.
        strides: for areas whose places are not consecutive vectors, how many numbers apart they are.
    """

    kind: Value
    turned: Value
    bases: dict[str, Value]
    strides: dict[str, Value]


class TreeLoops(Emitter):
    """A function over frames first to last of a forest of nodes, tile by tile of `width` frames.

    Arguments of every such function: first, last, SIZES, nodes (layout.node_table), parameters
    (layout.parameters), then `rows` (arrays with a row a frame), others, scratch memory.
    """

    def __init__(
        self,
        module: ir.Module,
        name: str,
        dtype: np.dtype,
        width: int,
        layout: Mapping[str, Field],
        rows: tuple[str, ...],
        others: tuple[tuple[str, str], ...] = (),
    ) -> None:
        arguments = dict.fromkeys(("first", "last", *SIZES), "int")
        arguments |= {"nodes": "int32*", "parameters": "real*"}
        arguments |= dict.fromkeys(rows, "real*") | dict(others) | {"scratch": "real*"}
        super().__init__(module, name, dtype, width, arguments)
        self.layout = layout
        self.state_size = sum(math.prod(f.shape) for f in layout.values())
        self._taken: Value = INT(0)
        self.scratch_needed: Counter[str] = Counter()
        self.state = self.scratch(nnode=self.state_size, one=self.state_size)
        self.flags = self.variable(INT, INT(0))

    def scratch(self, one: int = 0, **counts: int) -> Value:
        """The pointer to scratch memory that nobody else has.

        one: that many vectors; others: so many vectors for each node (`nnode`), dof (`nv`), and so on.
        """
        start = self._taken
        self.scratch_needed.update(one=one, **counts)
        vectors = INT(one)
        for name, count in counts.items():
            vectors = self.builder.add(vectors, self.scaled(self.arguments[name], count))
        self._taken = self.builder.add(start, self.scaled(vectors, self.width))
        return self.at(self.arguments["scratch"], start)

    # Tiles

    @contextlib.contextmanager
    def tiles(self) -> Iterator[tuple[Value, Value]]:
        """Loop over tiles: (first frame, number of frames up to `width`)."""
        a = self.arguments
        with self.loop(a["first"], a["last"], self.width) as first:
            yield first, self.smaller(self.builder.sub(a["last"], first), INT(self.width))

    def read_rows(self, name: str, columns: Value, first: Value, target: Value) -> None:
        """Columns of the tile to lanes; lanes beyond the last frame repeat it. Flags what is not finite."""
        b, last = self.builder, self.builder.sub(self.arguments["last"], INT(1))
        frames = [self.smaller(b.add(first, INT(lane)), last) for lane in range(self.width)]
        self.gather([self.at(self.arguments[name], b.mul(f, columns)) for f in frames], columns, target)
        seen = self.variable(self.vector, self.constant(0))
        with self.loop(INT(0), columns) as column:
            x = self.load(self.at(target, self.scaled(column, self.width)))
            b.store(b.fadd(b.load(seen), b.fsub(x, x)), seen)  # NaN or infinity minus itself is NaN
        self.prefetch(name, columns, b.add(first, INT(self.width)))
        total = b.load(seen)
        self.raise_flag(b.fcmp_unordered("uno", total, total), NOT_FINITE)

    def prefetch(self, name: str, columns: Value, first: Value) -> None:
        """Ask for the rows of the tile that starts at `first`, while another is computed.

        Reading in turns with computing, the processor's own prefetching starts anew in every tile.
        """
        b = self.builder
        byte = ir.IntType(8).as_pointer()
        start = b.bitcast(self.at(self.arguments[name], b.mul(first, columns)), byte)
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        full = "llvm.prefetch.p0"
        module = b.module
        function = module.globals.get(full) or ir.Function(module, kind, name=full)
        size = b.mul(self.scaled(columns, self.width), INT(self.dtype.itemsize))
        with self.loop(INT(0), size, _CACHE_LINE) as place:
            b.call(function, [b.gep(start, [place]), flag(0), flag(3), flag(1)])

    def write_rows(
        self, source: Value, target: Value, columns: Value, first: Value, count: Value, spare: Value
    ) -> None:
        """Lanes to rows of the tile in the target; lanes beyond `count` go to the spare row."""
        b = self.builder
        rows = []
        for lane in range(self.width):
            row = self.at(target, b.mul(b.add(first, INT(lane)), columns))
            rows.append(b.select(b.icmp_signed("<", INT(lane), count), row, spare))
        self.scatter(source, columns, rows)

    def raise_flag(self, mask: Value, flag: int) -> None:
        """Add the flag to what the function returns if any lane of the mask is true."""
        b = self.builder
        found = b.icmp_signed("!=", b.bitcast(mask, ir.IntType(self.width)), ir.IntType(self.width)(0))
        b.store(b.or_(b.load(self.flags), b.select(found, INT(flag), INT(0))), self.flags)

    def finish(self) -> Counter[str]:
        """End the function, which returns the flags. Returns the scratch memory that it needs."""
        self.builder.ret(self.builder.load(self.flags))
        return self.scratch_needed

    # Nodes

    def slot(self, index: Value) -> Value:
        """Pointer to the memory of a slot: 0 for the world, i + 1 for node i."""
        return self.at(self.state, self.scaled(index, self.state_size * self.width))

    def table_entry(self, table: str, index: Value) -> Value:
        """An integer of a table."""
        return self.builder.sext(self.builder.load(self.builder.gep(self.arguments[table], [index])), INT)

    def node(self, index: Value, columns: Mapping[str, Value]) -> Node:
        """Node `index`, with the columns of its joint.

        columns: pointers to tiles: "qpos" and "force" are entered where the node's own entries begin, all
        others where its dofs begin.
        """
        b = self.builder

        def entry(column: int) -> Value:
            return self.table_entry("nodes", b.add(self.scaled(index, NODE_COLUMNS), INT(column)))

        starts = {"qpos": entry(QPOS), "dof": entry(DOF), "body": self.scaled(entry(BODY), 3)}
        bases = {
            "parameter": self.at(self.arguments["parameters"], self.scaled(index, PARAMETER_COUNT)),
            "parent": self.slot(entry(PARENT_SLOT)),
            "node": self.slot(b.add(index, INT(1))),
        }
        for name, pointer in columns.items():
            key = "qpos" if "qpos" in name else "body" if name.startswith(("force", "torque")) else "dof"
            bases[name] = self.at(pointer, self.scaled(starts[key], self.width))
        return Node(entry(KIND), entry(TURNED), bases, {})

    def reader(self, node: Node) -> Callable[[str, int], Value]:
        """How the inputs of expressions are read at a node."""

        def read(area: str, place: int) -> Value:
            if area == "parameter":
                return self.spread(self.builder.load(self.at(node.bases[area], INT(place))))
            return self.load(self.at(node.bases[area], INT(place * self.width)))

        return read

    def update(self, node: Node, written: Places = (), added: Places = ()) -> None:
        """Evaluate expressions at a node together; write or add them to consecutive places of areas.

        written, added: (area, first place, array of expressions). Zeros are not added.
        """
        plain = [(area, first + k, e) for area, first, array in written for k, e in enumerate(array.ravel())]
        more = [
            (area, first + k, e)
            for area, first, array in added
            for k, e in enumerate(array.ravel())
            if not e.is_constant(0)
        ]
        values = self.evaluate([e for *_, e in (*plain, *more)], self.reader(node))
        for k, ((area, place, _), value) in enumerate(zip((*plain, *more), values)):
            stride = node.strides.get(area, INT(self.width))
            pointer = self.at(node.bases[area], self.builder.mul(INT(place), stride))
            self.store(value if k < len(plain) else self.builder.fadd(self.load(pointer), value), pointer)

    def place(self, area: str, name: str, values: np.ndarray) -> tuple[str, int, np.ndarray]:
        """Values for a field of the node's ("node") or its parent's ("parent") memory, for `update`."""
        return area, self.layout[name].start, values

    def of(self, area: str, name: str) -> np.ndarray:
        """Expressions of a field of the node's ("node") or its parent's ("parent") memory."""
        field = self.layout[name]
        return inputs(area, *field.shape, start=field.start)

    def motion_of(self, area: str) -> Motion:
        """The motion of the node or of its parent, as expressions."""
        return Motion(*(self.of(area, name) for name in MOTION_FIELDS))

    def check_unit(self, node: Node, kind: int, joint: Joint) -> None:
        """Flag quaternions far from unit length."""
        q = quaternion(kind, joint.qpos)
        if q is None:
            return
        (length,) = self.evaluate([squared_length(q)], self.reader(node))
        for relation, bound in ((">", (1 + UNIT_TOLERANCE) ** 2), ("<", (1 - UNIT_TOLERANCE) ** 2)):
            self.raise_flag(self.builder.fcmp_ordered(relation, length, self.constant(bound)), NOT_UNIT)

    def by_kind(self, node: Node, action: Callable[[int, bool], None], turned: bool = True) -> None:
        """Run the action for the node's kind, and for whether its rotation at rest counts."""
        b = self.builder
        actions = {2 * kind: functools.partial(action, kind, False) for kind in KINDS}
        if turned:
            actions |= {2 * k + 1: functools.partial(action, k, True) for k in KINDS if k != FREE}
        code = self.scaled(node.kind, 2)
        self.cases(b.add(code, node.turned) if turned else code, actions)


def joint_inputs(kind: int) -> Joint:
    """Position, velocity and acceleration of a node's joint, as expressions."""
    positions, dofs = position_count(kind), dof_count(kind)
    return Joint(inputs("qpos", positions), inputs("qvel", dofs), inputs("qacc", dofs))


def parameter_inputs() -> Parameters:
    """What describes a node, as expressions."""
    start, made = 0, []
    for shape in PARAMETER_SHAPES:
        made.append(inputs("parameter", *shape, start=start))
        start += math.prod(shape)
    return Parameters(*made)
