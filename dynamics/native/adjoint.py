"""The compiled adjoint of inverse dynamics: derivatives of `sum(tau * cotangent)` in all that tau depends on.

Four passes over the nodes: the two of tau itself, whose results stay in memory, then their adjoints in the
opposite order. The equations of a node are differentiated in the reverse mode where they are emitted, so
nothing is written down twice.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from llvmlite import ir

from ..topology import FREE
from .emitter import INT
from .equations import (
    Parameters,
    along_dofs,
    momentum_rate,
    motion,
    outer_forces,
    placement,
    transmitted,
)
from .expressions import adjoint, inputs
from .forward import ForwardLoops
from .layout import GRAVITY_COUNT, PARAMETER_COUNT
from .loops import MOTION_FIELDS, WORLD_FIELDS, Node, Value, joint_inputs, parameter_inputs

# Derivatives in the quantities of a node, beside the quantities themselves.
_ADJOINT_FIELDS = {
    f"{name}_bar": shape
    for name, shape in {
        "rotation": (3, 3),
        "origin": (3,),
        **MOTION_FIELDS,
        "force": (3,),
        "moment": (3,),
    }.items()
}


class AdjointLoops(ForwardLoops):
    """The four passes over a tile."""

    def __init__(
        self, module: ir.Module, name: str, dtype: np.dtype, width: int, wrench: bool, of_bodies: bool
    ) -> None:
        more = dict(_ADJOINT_FIELDS)
        if wrench:
            more |= {f"{field}_bar": shape for field, shape in WORLD_FIELDS.items()}
        states = ("qpos", "qvel", "qacc", *(("force", "torque") if wrench else ()))
        super().__init__(
            module,
            name,
            dtype,
            width,
            wrench,
            outputs=("tau_bar", *(f"{state}_bar" for state in states)),
            more_fields=more,
            others=(("parameters_bar", "real*"),) if of_bodies else (),
        )
        self.of_bodies = of_bodies
        a, b = self.arguments, self.builder
        self.tile["tau_bar"] = self.scratch(nv=1)
        for state in states:
            self.tile[f"{state}_bar"] = self.column_scratch(state)
        if of_bodies:
            self.parameter_count = b.add(self.scaled(a["nnode"], PARAMETER_COUNT), INT(GRAVITY_COUNT))
            self.sums = self.scratch(nnode=PARAMETER_COUNT, one=GRAVITY_COUNT)
            with self.loop(INT(0), self.parameter_count) as place:
                self.store(self.constant(0), self.at(self.sums, self.scaled(place, self.width)))

    def read_cotangents(self, first: Value, count: Value) -> None:
        """The cotangents of the tile, zero in lanes beyond the last frame, so that these add nothing."""
        b, nv, target = self.builder, self.arguments["nv"], self.tile["tau_bar"]
        self.read_rows("tau_bar", nv, first, target)
        lanes = ir.Constant(ir.VectorType(INT, self.width), list(range(self.width)))
        counts = ir.Constant(ir.VectorType(INT, self.width), ir.Undefined)
        for lane in range(self.width):
            counts = b.insert_element(counts, count, INT(lane))
        here = b.icmp_signed("<", lanes, counts)
        with self.loop(INT(0), nv) as column:
            place = self.at(target, self.scaled(column, self.width))
            self.store(b.select(here, self.load(place), self.constant(0)), place)

    def clear(self) -> None:
        """Zero what the passes add to: the derivatives of every node."""
        start = self.layout["rotation_bar"].start
        with self.loop(INT(0), self.builder.add(self.arguments["nnode"], INT(1))) as index:
            slot = self.slot(index)
            for place in range(start, self.state_size):
                self.store(self.constant(0), self.at(slot, INT(place * self.width)))

    def node(self, index: Value, columns: dict[str, Value]) -> Node:  # type: ignore[override]
        """As in TreeLoops, with the place of the sums for the derivatives in the node's parameters."""
        node = super().node(index, columns)
        if self.of_bodies:
            row = self.scaled(index, PARAMETER_COUNT * self.width)
            node.bases["parameters_bar"] = self.at(self.sums, row)
        return node

    def outward_adjoint(self) -> None:
        """Adjoint of the pass that sums the forces: from the roots outward."""
        with self.loop(INT(0), self.arguments["nnode"]) as index:
            node = self.node(index, self.tile)
            self.by_kind(node, lambda kind, _: self._transmit_adjoint(node, kind), turned=False)

    def _transmit_adjoint(self, node: Node, kind: int) -> None:
        place, p, joint = self.placement_of(kind), parameter_inputs(), joint_inputs(kind)
        force, moment = self.of("node", "force"), self.of("node", "moment")
        tau = along_dofs(kind, place, force, moment, p) + p.armature[: len(joint.qacc)] * joint.qacc
        outputs, cotangents = [tau], [inputs("tau_bar", len(tau))]
        if kind != FREE:
            outputs += transmitted(place, force, moment)
            cotangents += [self.of("parent", "force_bar"), self.of("parent", "moment_bar")]
        *bars, qacc_bar, of_body = _adjoint(
            outputs, cotangents, [force, moment, *place, joint.qacc, _flat(p)]
        )
        names = ("force_bar", "moment_bar", "rotation_bar", "origin_bar")
        written = [self.place("node", name, bar) for name, bar in zip(names, bars)]
        self.update(node, [*written, ("qacc_bar", 0, qacc_bar)], self._of_body(of_body))

    def inward_adjoint(self) -> None:
        """Adjoint of the pass that moves the nodes: from the leaves inward."""
        start = self.builder.sub(self.arguments["nnode"], INT(1))
        with self.loop(start, INT(-1), -1) as index:
            node = self.node(index, self.tile)
            # The derivative in a fixed rotation is wanted where that is the identity, too.
            self.by_kind(
                node,
                lambda kind, turned: self._move_adjoint(node, kind, turned or self.of_bodies),
                turned=not self.of_bodies,
            )

    def _move_adjoint(self, node: Node, kind: int, turned: bool) -> None:
        joint, p, parent = joint_inputs(kind), parameter_inputs(), self.motion_of("parent")
        # First in the node's placement, as memory holds it; then from there in the joint's position.
        place = self.placement_of(kind)
        moved = motion(kind, parent, place, joint, p)
        force, moment = momentum_rate(moved, p)
        outputs = moved._asdict()
        varied = dict(zip(MOTION_FIELDS, parent))
        wrench = {name: inputs(name, 3) for name in ("force", "torque") if self.wrench}
        if self.wrench:
            varied["world_rotation"] = self.of("parent", "world_rotation")
            outputs["world_rotation"] = varied["world_rotation"] @ place.rotation
            outer = outer_forces(outputs["world_rotation"], wrench["force"], wrench["torque"], p)
            force, moment = force - outer[0], moment - outer[1]
        outputs |= {"force": force, "moment": moment}
        cotangents = [self.of("node", f"{name}_bar") for name in outputs]
        qvel_bar, qacc_bar, rotation_bar, origin_bar, of_body, *bars = _adjoint(
            list(outputs.values()),
            cotangents,
            [joint.qvel, joint.qacc, *place, _flat(p), *varied.values(), *wrench.values()],
        )
        qpos_bar, of_body_through = _adjoint(
            list(placement(kind, turned, joint, p)),
            [rotation_bar + self.of("node", "rotation_bar"), origin_bar + self.of("node", "origin_bar")],
            [joint.qpos, _flat(p)],
        )
        written = [("qpos_bar", 0, qpos_bar), ("qvel_bar", 0, qvel_bar)]
        written += [(f"{name}_bar", 0, bar) for name, bar in zip(wrench, bars[len(varied) :])]
        added = [("qacc_bar", 0, qacc_bar)]
        added += [self.place("parent", f"{name}_bar", bar) for name, bar in zip(varied, bars)]
        self.update(node, written, [*added, *self._of_body(of_body + of_body_through)])

    def _of_body(self, bar: np.ndarray) -> list[tuple[str, int, np.ndarray]]:
        """Derivatives in the node's parameters, for `update`, if they are wanted."""
        return [("parameters_bar", 0, bar)] if self.of_bodies else []

    def write_derivatives(self, first: Value, count: Value) -> None:
        """The tile's derivatives in the states to their rows; that in gravity to the sums."""
        self.clear_world_wrench(("force_bar", "torque_bar"))
        for state in self.states:
            tile, target = self.tile[f"{state}_bar"], self.arguments[f"{state}_bar"]
            self.write_rows(tile, target, self.columns[state], first, count, self.spare)
        if self.of_bodies:
            gravity = self.builder.sub(self.parameter_count, INT(GRAVITY_COUNT))
            for k in range(GRAVITY_COUNT):
                place = self.at(self.sums, self.scaled(self.builder.add(gravity, INT(k)), self.width))
                # The world accelerates against gravity.
                up = self.layout["acceleration_bar"].start + k
                bar = self.load(self.at(self.slot(INT(0)), INT(up * self.width)))
                self.store(self.builder.fsub(self.load(place), bar), place)

    def write_sums(self) -> None:
        """Add up the lanes of the derivatives in the parameters."""
        b = self.builder
        with self.loop(INT(0), self.parameter_count) as place:
            lanes = self.load(self.at(self.sums, self.scaled(place, self.width)))
            total = b.extract_element(lanes, INT(0))
            for lane in range(1, self.width):
                total = b.fadd(total, b.extract_element(lanes, INT(lane)))
            b.store(total, self.at(self.arguments["parameters_bar"], place))


def _flat(p: Parameters) -> np.ndarray:
    return np.concatenate([array.ravel() for array in p])


def _adjoint(
    outputs: list[np.ndarray], cotangents: list[np.ndarray], varied: list[np.ndarray]
) -> list[np.ndarray]:
    """`expressions.adjoint` for arrays: derivatives in the shape of each varied array."""
    flat = adjoint(
        [e for array in outputs for e in array.ravel()],
        [e for array in cotangents for e in array.ravel()],
        [e for array in varied for e in array.ravel()],
    )
    stops = np.cumsum([array.size for array in varied])
    parts = np.split(np.array(flat, dtype=object), stops[:-1])
    return [part.reshape(array.shape) for part, array in zip(parts, varied)]


def emit_adjoint(
    module: ir.Module, name: str, dtype: np.dtype, width: int, wrench: bool, of_bodies: bool
) -> Counter[str]:
    """The function of states and cotangents of tau: writes rows of derivatives in the states.

    of_bodies: also the derivatives in the parameters, summed over the frames. Returns the scratch memory that
    it needs.
    """
    loops = AdjointLoops(module, name, dtype, width, wrench, of_bodies)
    with loops.tiles() as (first, count):
        loops.read_states(first)
        loops.read_cotangents(first, count)
        loops.place_world()
        loops.clear()
        loops.outward()
        loops.inward(None)
        loops.outward_adjoint()
        loops.inward_adjoint()
        loops.write_derivatives(first, count)
    if of_bodies:
        loops.write_sums()
    return loops.finish()
