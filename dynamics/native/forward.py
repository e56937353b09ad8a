"""The compiled inverse dynamics: tau of all frames."""

from __future__ import annotations

from collections import Counter

import numpy as np
from llvmlite import ir

from ..topology import FREE, SLIDE
from .emitter import INT
from .equations import (
    Placement,
    along_dofs,
    momentum_rate,
    motion,
    outer_forces,
    placement,
    transmitted,
)
from .expressions import inputs
from .layout import PARAMETER_COUNT
from .loops import STATE_FIELDS, WORLD_FIELDS, Node, TreeLoops, Value, fields, joint_inputs, parameter_inputs


class ForwardLoops(TreeLoops):
    """The two passes of the recursive Newton-Euler algorithm over a tile."""

    def __init__(
        self,
        module: ir.Module,
        name: str,
        dtype: np.dtype,
        width: int,
        wrench: bool,
        outputs: tuple[str, ...],
        more_fields: dict[str, tuple[int, ...]] | None = None,
        others: tuple[tuple[str, str], ...] = (),
    ) -> None:
        layout = fields(**STATE_FIELDS, **(WORLD_FIELDS if wrench else {}), **(more_fields or {}))
        states = ("qpos", "qvel", "qacc", *(("force", "torque") if wrench else ()))
        super().__init__(module, name, dtype, width, layout, (*states, *outputs), others)
        self.wrench = wrench
        self.states = states
        a = self.arguments
        wide = self.scaled(a["nbody"], 3)
        self.columns = {"qpos": a["nq"], "qvel": a["nv"], "qacc": a["nv"], "force": wide, "torque": wide}
        self.tile = {name: self.column_scratch(name) for name in states}
        # Room for the longest row: lanes beyond the last frame are written here.
        self.spare = self.scratch(nq=1, nv=1, nbody=3)

    def column_scratch(self, name: str) -> Value:
        """Scratch memory for a tile of qpos, qvel, qacc, force or torque."""
        sizes = {"qpos": {"nq": 1}, "qvel": {"nv": 1}, "qacc": {"nv": 1}}
        return self.scratch(**sizes.get(name, {"nbody": 3}))

    def read_states(self, first: Value) -> None:
        """The states of the tile's frames to lanes."""
        for name in self.states:
            self.read_rows(name, self.columns[name], first, self.tile[name])
        self.clear_world_wrench(("force", "torque"))

    def clear_world_wrench(self, names: tuple[str, ...]) -> None:
        """Zero the world's row, which nodes without a body of their own share and which has no effect."""
        for name in names if self.wrench else ():
            for k in range(3):
                self.store(self.constant(0), self.at(self.tile[name], INT(k * self.width)))

    def place_world(self) -> None:
        """The world's slot: it rests, and is accelerated against gravity."""
        b, a = self.builder, self.arguments
        world = self.slot(INT(0))
        with self.loop(INT(0), INT(self.state_size)) as place:
            self.store(self.constant(0), self.at(world, self.scaled(place, self.width)))
        gravity = self.at(a["parameters"], self.scaled(a["nnode"], PARAMETER_COUNT))
        for k in range(3):
            up = b.fneg(self.spread(b.load(self.at(gravity, INT(k)))))
            place = self.layout["acceleration"].start + k
            self.store(up, self.at(world, INT(place * self.width)))
        if self.wrench:
            for k in (0, 4, 8):
                place = self.layout["world_rotation"].start + k
                self.store(self.constant(1), self.at(world, INT(place * self.width)))

    def outward(self) -> None:
        """Motion of every node, parents first, and the forces that it takes."""
        with self.loop(INT(0), self.arguments["nnode"]) as index:
            node = self.node(index, self.tile)
            self.by_kind(node, lambda kind, turned: self._move(node, kind, turned))

    def _move(self, node: Node, kind: int, turned: bool) -> None:
        joint, p = joint_inputs(kind), parameter_inputs()
        self.check_unit(node, kind, joint)
        place = placement(kind, turned, joint, p)
        moved = motion(kind, self.motion_of("parent"), place, joint, p)
        force, moment = momentum_rate(moved, p)
        results = {"rotation": place.rotation, **moved._asdict()}
        if self.wrench:
            R_world_node = self.of("parent", "world_rotation") @ place.rotation
            outer = outer_forces(R_world_node, inputs("force", 3), inputs("torque", 3), p)
            force, moment = force - outer[0], moment - outer[1]
            results["world_rotation"] = R_world_node
        if kind in (SLIDE, FREE):
            results["origin"] = place.origin
        results |= {"force": force, "moment": moment}
        self.update(node, [self.place("node", name, array) for name, array in results.items()])

    def placement_of(self, kind: int) -> Placement:
        """Where the outward pass has put the node."""
        origin = self.of("node", "origin") if kind in (SLIDE, FREE) else parameter_inputs().origin
        return Placement(self.of("node", "rotation"), origin)

    def inward(self, tau: Value | None) -> None:
        """Sum the forces towards the roots; write tau to that tile, if given."""
        b = self.builder
        columns = self.tile if tau is None else {**self.tile, "tau": tau}
        start = b.sub(self.arguments["nnode"], INT(1))
        with self.loop(start, INT(-1), -1) as index:
            node = self.node(index, columns)
            self.by_kind(node, lambda kind, _: self._transmit(node, kind, tau is not None), turned=False)

    def _transmit(self, node: Node, kind: int, wanted: bool) -> None:
        place, p = self.placement_of(kind), parameter_inputs()
        force, moment = self.of("node", "force"), self.of("node", "moment")
        qacc = joint_inputs(kind).qacc
        written, added = [], []
        if wanted:
            tau = along_dofs(kind, place, force, moment, p) + p.armature[: len(qacc)] * qacc
            written.append(("tau", 0, tau))
        if kind != FREE:  # nobody asks what a free joint presses on the world
            up = transmitted(place, force, moment)
            added = [self.place("parent", name, array) for name, array in zip(("force", "moment"), up)]
        self.update(node, written, added)


def emit_forward(module: ir.Module, name: str, dtype: np.dtype, width: int, wrench: bool) -> Counter[str]:
    """The function tau(states): writes rows of tau. Returns the scratch memory that it needs."""
    loops = ForwardLoops(module, name, dtype, width, wrench, outputs=("tau",))
    tau = loops.scratch(nv=1)
    with loops.tiles() as (first, count):
        loops.read_states(first)
        loops.place_world()
        loops.outward()
        loops.inward(tau)
        a = loops.arguments
        loops.write_rows(tau, a["tau"], a["nv"], first, count, loops.spare)
    return loops.finish()
