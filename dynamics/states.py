"""Checks of positions, velocities, accelerations and wrenches at the public calls."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from .errors import StateError
from .topology import Topology

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

# A quaternion this far from unit length is rounding and is normalised; beyond, it is some other quantity.
UNIT_TOLERANCE = 1e-3

_NAMES_SHOWN = 5


def as_array(name: str, value: Any) -> Array:
    """The value itself if JAX holds it, else as a NumPy array.

    Raises:
        StateError: if it is not an array of real numbers.
    """
    try:
        array = value if isinstance(value, jax.Array) else np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise StateError(f"{name} is not an array: {error}") from error
    if not (np.issubdtype(array.dtype, np.integer) or jax.dtypes.issubdtype(array.dtype, np.floating)):
        raise StateError(f"{name} holds {array.dtype}; accepted: real numbers")
    return array


def as_float64(name: str, value: Any) -> np.ndarray:
    """The value as a float64 NumPy array; raises StateError as `as_array` does."""
    return np.asarray(as_array(name, value), dtype=np.float64)


def is_traced(*arrays: Array) -> bool:
    """Whether one of the arrays is being traced (jit, vmap, grad), so that it has no values to check."""
    return any(isinstance(array, jax.core.Tracer) for array in arrays)


def check_shapes(topology: Topology, qpos: Array, qvel: Array, qacc: Array) -> tuple[int, ...]:
    """Leading axes that the three arrays share: (), (T,), (B, T), ...

    Args:
        topology: what the states belong to.
        qpos: (..., nq).
        qvel: (..., nv).
        qacc: (..., nv).

    Raises:
        StateError: for shapes that differ or do not fit the model (all are shown).
    """
    leading = tuple(qpos.shape[:-1])
    accepted = (*leading, topology.nq), (*leading, topology.nv), (*leading, topology.nv)
    received = tuple(qpos.shape), tuple(qvel.shape), tuple(qacc.shape)
    if qpos.ndim == 0 or received != accepted:
        raise StateError(
            f"qpos has shape {received[0]}, qvel {received[1]}, qacc {received[2]}; this model needs "
            f"(..., {topology.nq}), (..., {topology.nv}), (..., {topology.nv}) with the same leading axes"
        )
    return leading


def check_states(topology: Topology, qpos: Array, qvel: Array, qacc: Array) -> tuple[int, ...]:
    """Leading axes of states, as `check_shapes`, whose values were looked at where there are any.

    Raises:
        StateError: as `check_shapes` and `check_values`.
    """
    leading = check_shapes(topology, qpos, qvel, qacc)
    for name, array in (("qpos", qpos), ("qvel", qvel), ("qacc", qacc)):
        if not is_traced(array):
            check_values(topology, name, np.asarray(array))
    return leading


def check_values(topology: Topology, name: str, values: np.ndarray) -> None:
    """Return if every entry is finite and, for qpos, every quaternion has about unit length.

    Args:
        topology: names the joints.
        name: "qpos", or the name of an array over dofs.
        values: (..., nq) or (..., nv).

    Raises:
        StateError: naming the frames and the joint.
    """
    joint_at = topology.joint_at_position if name == "qpos" else topology.joint_at_dof
    bad = ~np.isfinite(values)
    if bad.any():
        column = int(np.argmax(bad.reshape(-1, values.shape[-1]).any(axis=0)))
        raise StateError(
            f"{name} of joint '{joint_at(column)}' is not finite at {name_frames(bad.any(axis=-1))}; "
            "every entry must be a finite number"
        )
    if name != "qpos":
        return
    for address in topology.quaternion_addresses:
        lengths = np.linalg.norm(values[..., address : address + 4], axis=-1)
        far = np.abs(lengths - 1) > UNIT_TOLERANCE
        if far.any():
            raise StateError(
                f"the quaternion of joint '{joint_at(address)}' has length {lengths[far].flat[0]:.6g} at "
                f"{name_frames(far)}; accepted: 1 within {UNIT_TOLERANCE:g}, which is then normalised"
            )


def name_frames(mask: np.ndarray) -> str:
    """The frames where a mask over leading axes is true, in words, the first few of many."""
    if mask.ndim == 0:
        return "the one frame given"
    found = np.argwhere(mask)
    shown = ", ".join(
        str(int(i[0])) if mask.ndim == 1 else str(tuple(i.tolist())) for i in found[:_NAMES_SHOWN]
    )
    more = f", ... ({len(found)} frames)" if len(found) > _NAMES_SHOWN else ""
    return f"frame{'s' if len(found) > 1 else ''} {shown}{more}"


def check_same_dtype(**arrays: np.dtype) -> np.dtype:
    """The float type that all arrays share.

    Raises:
        StateError: if they differ; shows each.
    """
    kinds = set(arrays.values())
    if len(kinds) > 1:
        received = ", ".join(f"{name} {dtype}" for name, dtype in arrays.items())
        raise StateError(f"mixed float types: {received}; pass all of them in one type")
    return kinds.pop()
