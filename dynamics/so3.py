"""Rotations: unit quaternions (w, x, y, z), rotation vectors (rad) and matrices.

The only place of quaternion algebra in this package. Every function takes any leading axes and works on
NumPy arrays (and then returns NumPy) as well as on JAX arrays and tracers. The quaternion q_A_B of a frame
B in a frame A rotates coordinates: `v_A = rotate(q_A_B, v_B)`.

Source: J. Solà, "Quaternion kinematics for the error-state Kalman filter" (2017), arXiv:1711.02508, in
Hamilton's convention, which is MuJoCo's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

# Below this squared angle (or tangent) a series replaces the quotient. Its first dropped term is then
# under 2e-17 of the result, so neither float64 nor its gradients see the seam.
_SMALL_SQUARED = 1e-4


def _namespace(*arrays: Array) -> Any:
    """jax.numpy as soon as one argument belongs to JAX, else numpy."""
    return jnp if any(isinstance(a, jax.Array) for a in arrays) else np


def cross(a: Array, b: Array) -> Array:
    """Cross product a x b of (..., 3) vectors; plain products and differences, so that XLA fuses it."""
    xp = _namespace(a, b)
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return xp.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


def apply(matrix: Array, vector: Array) -> Array:
    """Product (..., 3, 3) by (..., 3); sums of products keep full precision on every device."""
    return (matrix * vector[..., None, :]).sum(-1)


def apply_transposed(matrix: Array, vector: Array) -> Array:
    """Product of the transposed (..., 3, 3) by (..., 3)."""
    return (matrix * vector[..., :, None]).sum(-2)


def compose(a: Array, b: Array) -> Array:
    """Product of two (..., 3, 3) matrices, as sums of products like `apply`."""
    return (a[..., :, :, None] * b[..., None, :, :]).sum(-2)


def multiply(p: Array, q: Array) -> Array:
    """Hamilton product p q of (..., 4) quaternions: q_A_C = multiply(q_A_B, q_B_C)."""
    return _namespace(p, q).stack(multiply_components(components(p), components(q)), axis=-1)


def components(q: Array) -> tuple[Array, ...]:
    """The four components (...) of quaternions (..., 4)."""
    return tuple(q[..., i] for i in range(4))


def multiply_components(p: Sequence[Array], q: Sequence[Array]) -> tuple[Array, ...]:
    """The components of the Hamilton product p q from those of p and q.

    Where quaternions are kept as four arrays, XLA fuses what surrounds the product with it.
    """
    pw, px, py, pz = p
    qw, qx, qy, qz = q
    return (
        pw * qw - px * qx - py * qy - pz * qz,
        pw * qx + px * qw + py * qz - pz * qy,
        pw * qy - px * qz + py * qw + pz * qx,
        pw * qz + px * qy - py * qx + pz * qw,
    )


def conjugate(q: Array) -> Array:
    """Conjugate of (..., 4) quaternions, which for unit quaternions is the inverse rotation."""
    return _namespace(q).concatenate([q[..., :1], -q[..., 1:]], axis=-1)


def normalize(q: Array) -> Array:
    """Quaternions (..., 4) at unit length; a zero quaternion becomes the identity, as in MuJoCo."""
    xp = _namespace(q)
    squared = (q * q).sum(-1, keepdims=True)
    zero = squared == 0
    # The root's slope is infinite at zero: its argument must stay away from zero in both branches.
    length = xp.sqrt(xp.where(zero, 1, squared))
    identity = np.array([1, 0, 0, 0], dtype=q.dtype)
    return xp.where(zero, identity, q / length)


def matrix(q: Array) -> Array:
    """Rotation matrices R_A_B (..., 3, 3) of unit quaternions q_A_B (..., 4)."""
    xp = _namespace(q)
    w, x, y, z = (q[..., i] for i in range(4))
    rows = [
        [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
    ]
    return xp.stack([xp.stack(row, axis=-1) for row in rows], axis=-2)


def rotate(q: Array, vector: Array) -> Array:
    """Vectors v_A (..., 3) from v_B and unit quaternions q_A_B (..., 4)."""
    xp = _namespace(q, vector)
    w, u = q[..., :1], q[..., 1:]
    u = xp.broadcast_to(u, (*xp.broadcast_shapes(u.shape, vector.shape)[:-1], 3))
    t = 2 * cross(u, vector)
    return vector + w * t + cross(u, t)


def exp(rotation_vector: Array) -> Array:
    """Unit quaternions (..., 4) of rotation vectors (..., 3) rad; exact and smooth at zero."""
    xp = _namespace(rotation_vector)
    squared = (rotation_vector * rotation_vector).sum(-1, keepdims=True)
    small = squared < _SMALL_SQUARED
    # Both branches stay finite: the quotient never sees the zero that the series handles.
    angle = xp.sqrt(xp.where(small, 1, squared))
    series_w = 1 - squared / 8 + squared**2 / 384
    series_v = 0.5 - squared / 48 + squared**2 / 3840
    w = xp.where(small, series_w, xp.cos(angle / 2))
    v = xp.where(small, series_v, xp.sin(angle / 2) / angle) * rotation_vector
    return xp.concatenate([w, v], axis=-1)


def log(q: Array) -> Array:
    """Rotation vectors (..., 3) rad of unit quaternions (..., 4), the shorter way round: length <= pi.

    At exactly half a turn both ways are equally short and the gradient is that of the way returned.
    """
    xp = _namespace(q)
    q = xp.where(q[..., :1] < 0, -q, q)  # q and -q are the same rotation; w >= 0 is the short way
    w, v = q[..., :1], q[..., 1:]
    squared = (v * v).sum(-1, keepdims=True)
    small = squared < _SMALL_SQUARED
    # Both branches stay finite: |v| is kept off zero in one and w off zero in the other.
    length = xp.sqrt(xp.where(small, 1, squared))
    w_safe = xp.where(small, w, 1)
    t = xp.where(small, squared, 0) / (w_safe * w_safe)  # squared tangent of the half angle
    series = 2 / w_safe * (1 - t * (1 / 3 - t * (1 / 5 - t / 7)))
    return xp.where(small, series, 2 * xp.arctan2(length, w) / length) * v


def from_axis_angle(axis: Array, angle: Array) -> Array:
    """Unit quaternions (..., 4) of a turn by angle (...) rad about a unit axis (..., 3)."""
    xp = _namespace(axis, angle)
    half = angle[..., None] / 2
    vector = xp.sin(half) * axis
    scalar = xp.broadcast_to(xp.cos(half), (*vector.shape[:-1], 1))
    return xp.concatenate([scalar, vector], axis=-1)
