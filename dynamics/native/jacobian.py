"""The compiled derivatives of inverse dynamics: d tau / d q, d qvel and d qacc of every frame.

Forward mode, one dof after the other, over no more of the tree than a dof can reach: it changes the motion of
its own node (the source) and of those that this carries, and the forces that these and the nodes that carry
them transmit. A change of q is one along the dof's direction (MuJoCo's `mj_integratePos`): a rotation R
becomes R (1 + [e]), in the node's axes.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable

import numpy as np
from llvmlite import ir

from ..topology import BALL, FREE, HINGE, SLIDE
from .emitter import INT
from .equations import along_dofs, cross, identity, momentum_rate, motion, transmitted, zeros
from .expressions import inputs, tangent
from .forward import ForwardLoops
from .layout import DOF, NODE_COLUMNS, PARENT_SLOT, dof_count
from .loops import MOTION_FIELDS, Node, Value, joint_inputs, parameter_inputs

VARIABLES = ("qpos", "qvel", "qacc")

# Changes of a node's quantities with a dof, beside the quantities; `turn` is the rotation vector of the
# change.
_CHANGES = {**MOTION_FIELDS, "force": (3,), "moment": (3,), "turn": (3,)}
_MOVING = (FREE, BALL, SLIDE, HINGE)
_MOST_DOFS = 6


class JacobianLoops(ForwardLoops):
    """The two passes of tau, then its change with every dof.

    More arguments: dof_nodes (nv,), the node of each dof; below and below_starts, the nodes that node i
    carries, parents first: below[below_starts[i]] to before below[below_starts[i + 1]].
    """

    def __init__(self, module: ir.Module, name: str, dtype: np.dtype, width: int, wrench: bool) -> None:
        super().__init__(
            module,
            name,
            dtype,
            width,
            wrench,
            outputs=tuple(f"by_{variable}" for variable in VARIABLES),
            more_fields={f"d_{field}": shape for field, shape in _CHANGES.items()},
            others=tuple((table, "int32*") for table in ("dof_nodes", "below", "below_starts")),
        )
        self.matrix = self.scratch(nv_squared=1)
        self.spare_matrix = self.scratch(nv_squared=1)

    def differentiate(self, variable: Value) -> None:
        """Fill the tile of matrices d tau / d variable, an index into VARIABLES."""
        b, a = self.builder, self.arguments
        with self.loop(INT(0), a["nv_squared"]) as place:
            self.store(self.constant(0), self.at(self.matrix, self.scaled(place, self.width)))
        with self.loop(INT(0), a["nv"]) as dof:
            index = self.table_entry("dof_nodes", dof)
            source = self._node(index, dof)
            start, stop = (self.table_entry("below_starts", b.add(index, INT(k))) for k in (0, 1))
            self._at_source(source, index, dof, variable, self._move_source)
            with self.loop(start, stop) as place:
                below = self._node(self.table_entry("below", place), dof)
                self.by_kind(below, lambda kind, _: self._move_below(below, kind), turned=False)
            with self.loop(b.sub(stop, INT(1)), b.sub(start, INT(1)), -1) as place:
                carried = self._node(self.table_entry("below", place), dof)
                self.by_kind(carried, lambda kind, _: self._transmit_change(carried, kind), turned=False)
            self._at_source(source, index, dof, variable, self._transmit_source)
            self._carry(index, dof)

    def write_matrix(self, variable: Value, first: Value, count: Value) -> None:
        """The tile's matrices to the rows of the variable's output."""
        b = self.builder
        chosen = self.arguments["by_qpos"]
        for k, name in enumerate(VARIABLES[1:], start=1):
            chosen = b.select(b.icmp_signed("==", variable, INT(k)), self.arguments[f"by_{name}"], chosen)
        size = self.arguments["nv_squared"]
        self.write_rows(self.matrix, chosen, size, first, count, self.spare_matrix)

    def _node(self, index: Value, dof: Value) -> Node:
        """Node `index`, with "column": its rows of the matrix's column `dof`."""
        b, nv = self.builder, self.arguments["nv"]
        node = self.node(index, self.tile)
        row = self.table_entry("nodes", b.add(self.scaled(index, NODE_COLUMNS), INT(DOF)))
        node.bases["column"] = self.at(self.matrix, self.scaled(b.add(b.mul(row, nv), dof), self.width))
        node.strides["column"] = self.scaled(nv, self.width)
        return node

    def _at_source(
        self,
        node: Node,
        index: Value,
        dof: Value,
        variable: Value,
        action: Callable[[Node, int, int, str], None],
    ) -> None:
        """Run the action for the node's kind, which of its dofs this is, and the variable."""
        b = self.builder
        first = self.table_entry("nodes", b.add(self.scaled(index, NODE_COLUMNS), INT(DOF)))
        own = b.add(self.scaled(node.kind, _MOST_DOFS), b.sub(dof, first))
        cases = {
            (kind * _MOST_DOFS + j) * len(VARIABLES) + k: functools.partial(action, node, kind, j, name)
            for kind in _MOVING
            for j in range(dof_count(kind))
            for k, name in enumerate(VARIABLES)
        }
        self.cases(b.add(self.scaled(own, len(VARIABLES)), variable), cases)

    def _placement_change(self, kind: int, j: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Change of a node's rotation, origin and turn with the j-th direction of its joint."""
        rotation, p = self.placement_of(kind).rotation, parameter_inputs()
        nothing = zeros(9).reshape(3, 3)
        if kind == SLIDE:
            return nothing, rotation @ p.axis, zeros(3)
        if kind == FREE and j < 3:
            return nothing, identity()[j], zeros(3)
        turn = p.axis if kind == HINGE else identity()[j % 3]
        skew = np.array([cross(turn, unit) for unit in identity()], dtype=object).T
        return rotation @ skew, zeros(3), turn

    def _move_source(self, node: Node, kind: int, j: int, variable: str) -> None:
        joint, p, place = joint_inputs(kind), parameter_inputs(), self.placement_of(kind)
        varied = [joint.qvel[j]] if variable == "qvel" else [joint.qacc[j]]
        rates = [identity()[0, 0]]
        turn = zeros(3)
        if variable == "qpos":
            rotation, origin, turn = self._placement_change(kind, j)
            varied, rates = [*place.rotation.ravel(), *place.origin], [*rotation.ravel(), *origin]
        moved = motion(kind, self.motion_of("parent"), place, joint, p)
        self._keep_changes(node, [*moved, *momentum_rate(moved, p)], varied, rates, turn)

    def _move_below(self, node: Node, kind: int) -> None:
        joint, p, place = joint_inputs(kind), parameter_inputs(), self.placement_of(kind)
        parent = self.motion_of("parent")
        moved = motion(kind, parent, place, joint, p)
        varied = [e for array in parent for e in array]
        rates = [e for name in MOTION_FIELDS for e in self.of("parent", f"d_{name}")]
        turn = place.rotation.T @ self.of("parent", "d_turn")
        self._keep_changes(node, [*moved, *momentum_rate(moved, p)], varied, rates, turn)

    def _keep_changes(
        self, node: Node, outputs: list[np.ndarray], varied: list, rates: list, turn: np.ndarray
    ) -> None:
        """Changes of a node's motion and of the forces that it takes, to its memory."""
        changes = tangent([e for array in outputs for e in array], varied, rates)
        *moved, force, moment = np.array(changes, dtype=object).reshape(-1, 3)
        if self.wrench:
            # Outer forces stay in the world; seen from the node they turn against it.
            p = parameter_inputs()
            seen = [self.of("node", "world_rotation").T @ inputs(n, 3) for n in ("force", "torque")]
            d_force, d_torque = (cross(vector, turn) for vector in seen)
            force, moment = force - d_force, moment - d_torque - cross(p.com, d_force)
        values = [*moved, force, moment, turn]
        self.update(node, [self.place("node", f"d_{name}", v) for name, v in zip(_CHANGES, values)])

    def _transmit_change(self, node: Node, kind: int, carried: bool = True) -> None:
        """Change of tau of a node that keeps its placement, and of what its parent feels.

        carried: one of several children; else the only one that changes.
        """
        place, p = self.placement_of(kind), parameter_inputs()
        force, moment = self.of("node", "d_force"), self.of("node", "d_moment")
        tau = along_dofs(kind, place, force, moment, p)
        self._pass_on(node, kind, tau, transmitted(place, force, moment), carried)

    def _transmit_source(self, node: Node, kind: int, j: int, variable: str) -> None:
        place, p = self.placement_of(kind), parameter_inputs()
        force, moment = self.of("node", "force"), self.of("node", "moment")
        varied, rates = [*force, *moment], [*self.of("node", "d_force"), *self.of("node", "d_moment")]
        if variable == "qpos":
            rotation, origin, _ = self._placement_change(kind, j)
            varied += [*place.rotation.ravel(), *place.origin]
            rates += [*rotation.ravel(), *origin]
        outputs = [along_dofs(kind, place, force, moment, p), *transmitted(place, force, moment)]
        changes = np.array(tangent([e for array in outputs for e in array], varied, rates), dtype=object)
        tau, up = changes[:-6], (changes[-6:-3], changes[-3:])
        if variable == "qacc":
            tau[j] = tau[j] + p.armature[j]
        self._pass_on(node, kind, tau, up, carried=False)

    def _pass_on(
        self, node: Node, kind: int, tau: np.ndarray, up: tuple[np.ndarray, np.ndarray], carried: bool
    ) -> None:
        places = [self.place("parent", name, v) for name, v in zip(("d_force", "d_moment"), up)]
        written = [("column", 0, tau)]
        if kind == FREE:  # on the world
            places = []
        if carried:
            self.update(node, written, places)
        else:
            self.update(node, [*written, *places])

    def _carry(self, index: Value, dof: Value) -> None:
        """Pass the change on to the nodes that carry the source, up to the root."""
        b = self.builder

        def parent(child: Value) -> Value:
            place = b.add(self.scaled(child, NODE_COLUMNS), INT(PARENT_SLOT))
            return b.sub(self.table_entry("nodes", place), INT(1))

        present = self.variable(INT, parent(index))
        head, body, after = (b.append_basic_block(name) for name in ("up", "carry", "root"))
        b.branch(head)
        b.position_at_end(head)
        here = b.load(present)
        b.cbranch(b.icmp_signed(">=", here, INT(0)), body, after)
        b.position_at_end(body)
        node = self._node(here, dof)
        self.by_kind(node, lambda kind, _: self._transmit_change(node, kind, carried=False), turned=False)
        b.store(parent(here), present)
        b.branch(head)
        b.position_at_end(after)


def emit_jacobian(module: ir.Module, name: str, dtype: np.dtype, width: int, wrench: bool) -> Counter[str]:
    """The function that writes d tau / d (q, qvel, qacc). Returns the scratch memory that it needs."""
    loops = JacobianLoops(module, name, dtype, width, wrench)
    with loops.tiles() as (first, count):
        loops.read_states(first)
        loops.place_world()
        loops.outward()
        loops.inward(None)
        with loops.loop(INT(0), INT(len(VARIABLES))) as variable:
            loops.differentiate(variable)
            loops.write_matrix(variable, first, count)
    return loops.finish()
