"""What of a model never changes with its shape: which body hangs on which, by which joints.

It is hashable, so JAX keeps one compiled program for all bodies that share it. NumPy only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import mujoco
import numpy as np

from .errors import ModelError

FREE = int(mujoco.mjtJoint.mjJNT_FREE)
BALL = int(mujoco.mjtJoint.mjJNT_BALL)
SLIDE = int(mujoco.mjtJoint.mjJNT_SLIDE)
HINGE = int(mujoco.mjtJoint.mjJNT_HINGE)

JOINT_NAMES = {FREE: "free", BALL: "ball", SLIDE: "slide", HINGE: "hinge"}
POSITION_COUNT = {FREE: 7, BALL: 4, SLIDE: 1, HINGE: 1}
DOF_COUNT = {FREE: 6, BALL: 3, SLIDE: 1, HINGE: 1}

ACCEPTED = (
    "accepted: any forest of free, ball, slide and hinge joints; springs, damping, limits, friction, "
    "contacts, gravity compensation, actuators and tendons without armature may be there and are left out"
)


class JointsByType(NamedTuple):
    """Indices of a model's joints, an integer array for each type."""

    hinges: np.ndarray
    slides: np.ndarray
    balls: np.ndarray
    frees: np.ndarray


@dataclass(frozen=True)
class Node:
    """One joint, or one body without a joint; a body with several joints is a chain of nodes.

    Attributes:
        body: body index in the model.
        joint: joint index in the model, -1 for a body that is welded to its parent.
        parent: the node it moves on (an index in level order), -1 for the world.
        first: whether it is the first of its body's chain and so carries the body's fixed offset.
        last: whether it is the last of its body's chain and so carries the body's inertia.
    """

    body: int
    joint: int
    parent: int
    first: bool
    last: bool


@dataclass(frozen=True)
class Topology:
    """The parents of the bodies and the types of the joints, in MuJoCo's order.

    Attributes:
        parents: parent body of each body; the world (0) is its own parent.
        joint_types: MuJoCo's joint type of each joint (FREE, BALL, SLIDE, HINGE).
        joint_bodies: the body that each joint moves.
        body_names: names for messages; they take no part in comparison, so bodies that differ only in
            names share one compiled program.
        joint_names: the same for joints.
    """

    parents: tuple[int, ...]
    joint_types: tuple[int, ...]
    joint_bodies: tuple[int, ...]
    body_names: tuple[str, ...] = field(default=(), compare=False)
    joint_names: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def from_mjmodel(cls, model: mujoco.MjModel) -> Topology:
        """Topology of a model that passed `check_model`; raises ModelError as that does."""
        check_model(model)
        return cls.unchecked(model)

    @classmethod
    def unchecked(cls, model: mujoco.MjModel) -> Topology:
        """Topology of any model, for what works on all that it holds: `full_inverse`."""
        return cls(
            parents=tuple(model.body_parentid.tolist()),
            joint_types=tuple(model.jnt_type.tolist()),
            joint_bodies=tuple(model.jnt_bodyid.tolist()),
            body_names=tuple(_name(model, mujoco.mjtObj.mjOBJ_BODY, i) for i in range(model.nbody)),
            joint_names=tuple(_name(model, mujoco.mjtObj.mjOBJ_JOINT, i) for i in range(model.njnt)),
        )

    @property
    def nbody(self) -> int:
        """Number of bodies, the world included."""
        return len(self.parents)

    @property
    def njnt(self) -> int:
        """Number of joints."""
        return len(self.joint_types)

    @cached_property
    def nq(self) -> int:
        """Length of qpos."""
        return sum(POSITION_COUNT[t] for t in self.joint_types)

    @cached_property
    def nv(self) -> int:
        """Length of qvel, qacc and tau."""
        return sum(DOF_COUNT[t] for t in self.joint_types)

    @cached_property
    def qpos_addresses(self) -> np.ndarray:
        """Where each joint's entries start in qpos."""
        return _starts(POSITION_COUNT[t] for t in self.joint_types)

    @cached_property
    def dof_addresses(self) -> np.ndarray:
        """Where each joint's entries start in qvel, qacc and tau."""
        return _starts(DOF_COUNT[t] for t in self.joint_types)

    @cached_property
    def quaternion_addresses(self) -> np.ndarray:
        """Where each unit quaternion (free and ball joints) starts in qpos."""
        first, (_, _, balls, frees) = self.qpos_addresses, self.joints
        return np.sort(np.append(first[balls], first[frees] + 3)).astype(np.int32)

    def joint_at_position(self, index: int) -> str:
        """Name of the joint to which entry `index` of qpos belongs."""
        return self.joint_names[int(np.searchsorted(self.qpos_addresses, index, side="right")) - 1]

    def joint_at_dof(self, index: int) -> str:
        """Name of the joint to which entry `index` of qvel, qacc or tau belongs."""
        return self.joint_names[int(np.searchsorted(self.dof_addresses, index, side="right")) - 1]

    @cached_property
    def joints(self) -> JointsByType:
        """Indices of the joints, sorted by type."""
        types = np.array(self.joint_types, int)
        return JointsByType(*(_indices(np.flatnonzero(types == t)) for t in (HINGE, SLIDE, BALL, FREE)))

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every node, sorted by depth so that each level is one slice (see `levels`)."""
        return self._layout[0]

    @cached_property
    def levels(self) -> tuple[tuple[int, int], ...]:
        """The slice (start, stop) of `nodes` that each depth takes; the roots come first."""
        return self._layout[1]

    @cached_property
    def last_node_of_body(self) -> tuple[int, ...]:
        """For each body but the world the node that carries it; entry 0 is -1."""
        last = [-1] * self.nbody
        for i, node in enumerate(self.nodes):
            if node.last:
                last[node.body] = i
        return tuple(last)

    @cached_property
    def node_of_joint(self) -> np.ndarray:
        """For each joint the node that it is."""
        at = np.empty(self.njnt, int)
        for i, node in enumerate(self.nodes):
            if node.joint >= 0:
                at[node.joint] = i
        return at

    @cached_property
    def _layout(self) -> tuple[tuple[Node, ...], tuple[tuple[int, int], ...]]:
        joints_of_body: list[list[int]] = [[] for _ in range(self.nbody)]
        for joint, body in enumerate(self.joint_bodies):
            joints_of_body[body].append(joint)
        # In model order first (parents precede children there), then sorted by depth.
        nodes: list[Node] = []
        depths: list[int] = []
        last = [-1] * self.nbody
        for body in range(1, self.nbody):
            parent = last[self.parents[body]]
            chain = joints_of_body[body] or [-1]
            for k, joint in enumerate(chain):
                nodes.append(Node(body, joint, parent, first=k == 0, last=k == len(chain) - 1))
                depths.append(0 if parent < 0 else depths[parent] + 1)
                parent = len(nodes) - 1
            last[body] = parent
        order = sorted(range(len(nodes)), key=lambda i: (depths[i], i))
        place = {-1: -1} | {old: new for new, old in enumerate(order)}
        moved = (nodes[i] for i in order)
        laid = tuple(Node(n.body, n.joint, place[n.parent], n.first, n.last) for n in moved)
        counts = np.bincount(depths) if depths else np.zeros(0, int)
        stops = np.cumsum(counts).tolist()
        return laid, tuple(zip([0, *stops[:-1]], stops))


def check_model(model: mujoco.MjModel) -> None:
    """Return if tau of this model is what this package computes, whatever else the model holds.

    tau is `M(q) qacc + armature qacc + c(q, qvel) - g(q)` (docs/conventions.md). What is refused either
    enters that sum in a way that is not modelled (armature of a tendon or an actuator, which MuJoCo adds
    to M) or makes joint torques indeterminate (constraints that close a loop; deformables). An equality
    constraint that is inactive, or that the model's flags switch off, does neither.

    Raises:
        ModelError: for an unknown joint type, an active equality constraint, a deformable, or a tendon
            or an actuator with armature; the message names the first of its kind and what to do.
    """
    for joint in range(model.njnt):
        if int(model.jnt_type[joint]) not in JOINT_NAMES:
            _refuse(model, mujoco.mjtObj.mjOBJ_JOINT, joint, f"joint type {int(model.jnt_type[joint])}")
    bits = mujoco.mjtDisableBit
    switched_off = model.opt.disableflags & (int(bits.mjDSBL_EQUALITY) | int(bits.mjDSBL_CONSTRAINT))
    for equality in [] if switched_off else np.flatnonzero(model.eq_active0).tolist():
        kind = mujoco.mjtEq(int(model.eq_type[equality])).name.removeprefix("mjEQ_").lower()
        _refuse(
            model,
            mujoco.mjtObj.mjOBJ_EQUALITY,
            equality,
            f"an active equality constraint ({kind})",
            "its forces and the joints' cannot be told apart: "
            'write active="false" to leave it out, or call full_inverse, which finds its forces',
        )
    for flex in range(model.nflex):
        _refuse(
            model, mujoco.mjtObj.mjOBJ_FLEX, flex, "a deformable (flex)", "take it out, or call full_inverse"
        )
    for tendon in np.flatnonzero(model.tendon_armature).tolist():
        _refuse(
            model,
            mujoco.mjtObj.mjOBJ_TENDON,
            tendon,
            "a tendon with armature",
            'write armature="0", or call full_inverse',
        )
    # An older MuJoCo knows no armature of actuators.
    for actuator in np.flatnonzero(getattr(model, "actuator_armature", ())).tolist():
        on_joint = model.actuator_trntype[actuator] != int(mujoco.mjtTrn.mjTRN_TENDON)
        _refuse(
            model,
            mujoco.mjtObj.mjOBJ_ACTUATOR,
            actuator,
            "an actuator with armature",
            "write armature x gear^2 at the joint instead" if on_joint else "call full_inverse",
        )


def _refuse(model: mujoco.MjModel, kind: mujoco.mjtObj, index: int, what: str, remedy: str = "") -> None:
    element = kind.name.removeprefix("mjOBJ_").lower()
    remedy = remedy and f" ({remedy})"
    raise ModelError(f"{element} '{_name(model, kind, index)}': {what} is not handled{remedy}; {ACCEPTED}")


def _name(model: mujoco.MjModel, kind: mujoco.mjtObj, index: int) -> str:
    """Name of an element, or its index where the model gives it no name."""
    return mujoco.mj_id2name(model, kind, index) or f"#{index}"


def _starts(counts: Iterable[int]) -> np.ndarray:
    return _indices(np.cumsum([0, *counts])[:-1])


def _indices(values: np.ndarray) -> np.ndarray:
    # JAX remembers a constant array in the type that it had at first: int64 would be one type with x64 on and
    # another with x64 off.
    return values.astype(np.int32)
