"""Principal moments and axes of inertia in JAX, as MuJoCo's models hold them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

Array = Any  # a numpy.ndarray, a jax.Array or a tracer


def principal_axes(tensors: Array) -> tuple[Array, Array]:
    """Principal moments (..., 3) kg m2, the largest first, and the quaternions (..., 4) wxyz of their axes.

    tensors: (..., 3, 3) kg m2; tensor = R(quaternion) diag(moments) R(quaternion)^T.

    Axes have no derivative where two moments meet, as de Leva's do in every male thigh: there they turn by
    any angle and the tensor stays. Here they are taken not to turn about each other there, and hardly where
    moments are nearly equal (1e-10 of their sum; 1e-5 in float32). So derivatives are finite everywhere, and
    those of anything that depends on the tensor, such as MJX's torques, are right wherever the tensor's own
    change keeps the two moments together, as de Leva's radii do.
    """
    tensors = jnp.asarray(tensors)
    moments, quaternions = jax.vmap(_principal)(tensors.reshape(-1, 3, 3))
    leading = tensors.shape[:-2]
    return moments.reshape(*leading, 3), quaternions.reshape(*leading, 4)


@jax.custom_jvp
def _principal(tensor: Array) -> tuple[Array, Array]:
    moments, axes = jnp.linalg.eigh(tensor)
    moments, axes = moments[::-1], axes[:, ::-1]
    handed = jnp.where(jnp.linalg.det(axes) < 0, -1.0, 1.0).astype(axes.dtype)
    return moments, _quaternion(axes * handed)


@_principal.defjvp
def _derivative(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Any, Any]:
    moments, quaternion = _principal(*primals)
    R = _matrix(quaternion)
    change = R.T @ tangents[0] @ R
    gap = moments - moments[:, None]
    smallest = (1e-10 if gap.dtype == jnp.float64 else 1e-5) * moments.sum()
    # A tensor of zeros (the world's) has no gap at all.
    spread = gap**2 + jnp.where(smallest > 0, smallest, 1) ** 2
    turn = change * gap / spread  # skew: R changes by R turn
    w, v = quaternion[0], quaternion[1:]
    spin = jnp.stack([turn[2, 1], turn[0, 2], turn[1, 0]])
    rate = jnp.concatenate([-(v @ spin)[None], w * spin + jnp.cross(v, spin)]) / 2
    return (moments, quaternion), (jnp.diagonal(change), rate)


def _matrix(quaternion: Array) -> Array:
    w, v = quaternion[0], quaternion[1:]
    skew = jnp.cross(v, -jnp.eye(3, dtype=v.dtype))
    return jnp.eye(3, dtype=v.dtype) + 2 * w * skew + 2 * skew @ skew


def _quaternion(R: Array) -> Array:
    """wxyz of a rotation matrix, from the row of 4 q q^T that is the longest."""
    (a, b, c), (d, e, f), (g, h, i) = R
    rows = jnp.array(
        [
            [1 + a + e + i, h - f, c - g, d - b],
            [h - f, 1 + a - e - i, b + d, c + g],
            [c - g, b + d, 1 - a + e - i, f + h],
            [d - b, c + g, f + h, 1 - a - e + i],
        ]
    )
    row = rows[jnp.argmax(jnp.diagonal(rows))]
    return row / jnp.linalg.norm(row)
