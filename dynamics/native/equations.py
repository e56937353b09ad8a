"""The recursive Newton-Euler equations of one node, for every kind of joint.

Written once, for object arrays of `Expression`; the compiled inverse dynamics and its derivatives all come
from here. A node is one joint, or a body that is welded (see topology.Node); its axes are those of its body,
its origin lies at the joint's anchor.

The motion of a node is that of a rigid body: its points x (node axes, from the origin) accelerate by
`a + S x` with `S = [alpha] + [omega][omega]`, and the momentum of its mass changes by

    force  = sum_k m_k (a + S x_k)        = mass a + S h
    moment = sum_k m_k x_k x (a + S x_k)  = h x a + axial(S C),   h = sum m_k x_k,  C = sum m_k x_k x_k^T,

which is linear in the ten inertial numbers and takes half of the products of the usual form with the
inertia tensor. Gravity is an upward acceleration of the world.

Source: Luh, Walker and Paul (1980), doi:10.1115/1.3149599, for the recursion; Atkeson, An and Hollerbach
(1986), doi:10.1177/027836498600500306, for the linear form.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..topology import BALL, FREE, HINGE, SLIDE
from .expressions import Expression, cosine, expression, sine, sqrt

_TINY = 1e-20
WELD = 4  # a body without a joint; MuJoCo's own types are 0 to 3

Vector = np.ndarray  # (3,) of Expression
Matrix = np.ndarray  # (3, 3) of Expression


class Parameters(NamedTuple):
    """What describes a node and its body; node axes unless said otherwise. In this order in memory.

    Attributes:
        turn: (3, 3) fixed rotation of the node in its parent's axes before the joint moves.
        origin: (3,) m, the node's origin in the parent node's frame before the joint moves.
        axis: (3,) of a hinge or slide.
        reference: (1,) rad or m, joint position in which turn and origin hold.
        armature: (6,) one a dof, zeros after.
        mass: (1,) kg.
        first_moment: (3,) kg m, mass times centre of mass.
        second_moment: (6,) kg m2: sum of m x x^T, entries xx, yy, zz, xy, xz, yz.
        com: (3,) m.
    """

    turn: np.ndarray
    origin: np.ndarray
    axis: np.ndarray
    reference: np.ndarray
    armature: np.ndarray
    mass: np.ndarray
    first_moment: np.ndarray
    second_moment: np.ndarray
    com: np.ndarray


PARAMETER_SHAPES = Parameters((3, 3), (3,), (3,), (1,), (6,), (1,), (3,), (6,), (3,))  # type: ignore[arg-type]


class Motion(NamedTuple):
    """Motion of a node's frame: angular velocity, angular acceleration, acceleration of the origin."""

    omega: Vector
    alpha: Vector
    acceleration: Vector


class Placement(NamedTuple):
    """The node's frame in its parent's: rotation (3, 3) and origin (3,) m."""

    rotation: Matrix
    origin: Vector


class Joint(NamedTuple):
    """Position, velocity and acceleration of a joint, as many entries as its kind has."""

    qpos: np.ndarray
    qvel: np.ndarray
    qacc: np.ndarray


def cross(a: Vector, b: Vector) -> Vector:
    """Cross product a x b."""
    return np.array([a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1))], dtype=object)


def zeros(count: int) -> np.ndarray:
    """An object array (count,) of zeros."""
    return np.array([expression(0)] * count, dtype=object)


def identity() -> Matrix:
    """The rotation that changes nothing."""
    return np.array([[expression(i == j) for j in range(3)] for i in range(3)], dtype=object)


def quaternion(kind: int, qpos: np.ndarray) -> np.ndarray | None:
    """The part of a joint's position that is a quaternion, (4,) wxyz."""
    return {FREE: qpos[3:], BALL: qpos}.get(kind)


def squared_length(q: np.ndarray) -> Expression:
    """Sum of squares."""
    return (q * q).sum()


def placement(kind: int, turned: bool, joint: Joint, p: Parameters) -> Placement:
    """Where the joint puts the node. `turned` False: the fixed rotation is the identity and left out."""
    fixed = p.turn if turned else identity()
    if kind == FREE:
        return Placement(_matrix(joint.qpos[3:]), joint.qpos[:3])
    if kind == BALL:
        return Placement(fixed @ _matrix(joint.qpos), p.origin)
    if kind == HINGE:
        return Placement(fixed @ _turn_about(p.axis, joint.qpos[0] - p.reference[0]), p.origin)
    if kind == SLIDE:
        return Placement(fixed, p.origin + fixed @ (p.axis * (joint.qpos[0] - p.reference[0])))
    return Placement(fixed, p.origin)


def _matrix(q: np.ndarray) -> Matrix:
    """Rotation matrix of a quaternion wxyz, which need not have unit length."""
    # The addend is lost in the rounding of any length near 1. At a zero quaternion, which checks refuse but a
    # tracer may hold, it keeps everything finite and yields the identity, as MuJoCo does.
    w, x, y, z = q * (1 / sqrt(squared_length(q) + _TINY))
    xx, yy, zz, xy, xz, yz = x * x, y * y, z * z, x * y, x * z, y * z
    wx, wy, wz = w * x, w * y, w * z
    return np.array(
        [
            [1 - 2 * (yy + zz), 2 * (xy - wz), 2 * (xz + wy)],
            [2 * (xy + wz), 1 - 2 * (xx + zz), 2 * (yz - wx)],
            [2 * (xz - wy), 2 * (yz + wx), 1 - 2 * (xx + yy)],
        ],
        dtype=object,
    )


def _turn_about(axis: Vector, angle: Expression) -> Matrix:
    """Rodrigues' formula for a unit axis."""
    s, c = sine(angle), cosine(angle)
    skew = np.array([cross(axis, column) for column in identity()], dtype=object).T
    return identity() * c + skew * s + np.outer(axis, axis) * (1 - c)


def motion(kind: int, parent: Motion, place: Placement, joint: Joint, p: Parameters) -> Motion:
    """Motion of the node on its moving parent."""
    inward = place.rotation.T
    omega_parent, alpha_parent = inward @ parent.omega, inward @ parent.alpha
    if kind == FREE:
        # It hangs on the world, which does not turn; its linear acceleration is in world axes.
        return Motion(joint.qvel[3:], joint.qacc[3:], inward @ (parent.acceleration + joint.qacc[:3]))
    carried = inward @ (parent.acceleration + spin(parent) @ place.origin)
    if kind == SLIDE:
        velocity, rate = p.axis * joint.qvel[0], p.axis * joint.qacc[0]
        return Motion(omega_parent, alpha_parent, carried + rate + 2 * cross(omega_parent, velocity))
    if kind == WELD:
        return Motion(omega_parent, alpha_parent, carried)
    w, w_rate = (p.axis * r[0] if kind == HINGE else r for r in (joint.qvel, joint.qacc))
    # w is given in the node's own turning axes: hence omega x w.
    return Motion(omega_parent + w, alpha_parent + w_rate + cross(omega_parent, w), carried)


def spin(m: Motion) -> Matrix:
    """S = [alpha] + [omega][omega]: accelerations of the node's points relative to its origin."""
    (x, y, z), (ax, ay, az) = m.omega, m.alpha
    xx, yy, zz, xy, xz, yz = x * x, y * y, z * z, x * y, x * z, y * z
    return np.array(
        [
            [-(yy + zz), xy - az, xz + ay],
            [xy + az, -(xx + zz), yz - ax],
            [xz - ay, yz + ax, -(xx + yy)],
        ],
        dtype=object,
    )


def momentum_rate(m: Motion, p: Parameters) -> tuple[Vector, Vector]:
    """Force and moment about the node's origin that move its mass so: the equations at the top."""
    S, h, a = spin(m), p.first_moment, m.acceleration
    xx, yy, zz, xy, xz, yz = p.second_moment
    SC = S @ np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]], dtype=object)
    axial = np.array([SC[2, 1] - SC[1, 2], SC[0, 2] - SC[2, 0], SC[1, 0] - SC[0, 1]], dtype=object)
    return a * p.mass[0] + S @ h, cross(h, a) + axial


def outer_forces(R_world_node: Matrix, force: Vector, torque: Vector, p: Parameters) -> tuple[Vector, Vector]:
    """A wrench at the body's com in world axes as force and moment about the node's origin, node axes."""
    force_node = R_world_node.T @ force
    return force_node, R_world_node.T @ torque + cross(p.com, force_node)


def transmitted(place: Placement, force: Vector, moment: Vector) -> tuple[Vector, Vector]:
    """Force and moment about the node's origin as seen by the parent, about the parent's origin."""
    force_parent = place.rotation @ force
    return force_parent, place.rotation @ moment + cross(place.origin, force_parent)


def along_dofs(kind: int, place: Placement, force: Vector, moment: Vector, p: Parameters) -> np.ndarray:
    """What the joint transmits along its own directions, in MuJoCo's axes."""
    if kind == FREE:
        return np.concatenate([place.rotation @ force, moment])
    if kind == BALL:
        return moment
    if kind == HINGE:
        return np.array([(p.axis * moment).sum()], dtype=object)
    if kind == SLIDE:
        return np.array([(p.axis * force).sum()], dtype=object)
    return zeros(0)
