"""Inverse dynamics by MuJoCo's JAX engine, MJX."""

from __future__ import annotations

import contextlib
import functools
import io
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as Spec

# MJX prints to standard output when the optional warp is absent; that is not ours to show.
with contextlib.redirect_stdout(io.StringIO()):
    from mujoco import mjx

from .devices import default_devices, mesh_of
from .precision import canonical_dtype
from .reference_model import reference_model
from .states import as_array, check_same_dtype, check_states, is_traced
from .topology import Topology

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

# Frames that one compiled call computes on each device. MJX needs about 70 kB of temporaries a frame of 24
# bodies in float32: beyond some hundred frames a CPU's caches overflow (24 bodies, a frame: 22-42 us up to
# 256 frames, 47-51 us from 512 on), and an accelerator, which wants many, is kept at some half a gigabyte.
_BLOCK_ON_CPU = 128
_BLOCK_ON_ACCELERATOR = 8192


def mjx_inverse(model: mujoco.MjModel, qpos: Array, qvel: Array, qacc: Array) -> jax.Array:
    """tau by `mjx.inverse` on JAX's default devices; see `rnea` for what tau is.

    It runs on a private copy that holds only what enters tau (see `reference_model`): the caller's model
    is not changed and its flags, limits and passive forces have no influence.

    The frames go through in blocks of one length (the last is filled up), so temporary memory does not
    grow with their number, and one compiled program serves every number of frames and every body of the
    same topology; it compiles for some seconds on the first call. Where JAX has several devices and the
    frames fill more than one block, each device takes its share.

    Args:
        model: a model that `Tree.from_mjmodel` accepts.
        qpos: (..., nq) m, rad and quaternions wxyz.
        qvel: (..., nv) m/s and rad/s, in MuJoCo's axes.
        qacc: (..., nv) m/s2 and rad/s2, in MuJoCo's axes.

    Returns:
        tau (..., nv) N and N m. MJX holds its model in JAX's default float, so this is float64 where
        `jax_enable_x64` is on and float32 otherwise, whatever the states' type.

    Raises:
        ModelError: if the model holds what `rnea` does not model either.
        StateError: for shapes that differ or do not fit, mixed float types, NaN, and quaternions far from
            unit length.

    Source: MuJoCo, "MuJoCo XLA (MJX)", https://mujoco.readthedocs.io/en/stable/mjx.html.
    """
    qpos, qvel, qacc = as_array("qpos", qpos), as_array("qvel", qvel), as_array("qacc", qacc)
    leading = check_states(Topology.from_mjmodel(model), qpos, qvel, qacc)
    check_same_dtype(qpos=canonical_dtype(qpos), qvel=canonical_dtype(qvel), qacc=canonical_dtype(qacc))
    dtype = np.dtype(jax.dtypes.canonicalize_dtype(float))
    count = math.prod(leading)
    frames = tuple(a.astype(dtype).reshape(count, a.shape[-1]) for a in (qpos, qvel, qacc))
    if model.nv == 0 or count == 0:  # MJX scans over dofs and refuses none
        return jnp.zeros((*leading, model.nv), dtype)
    reference = reference_model(model)
    compute = _in_a_trace if is_traced(*frames) else _in_blocks
    return compute(reference, dtype, frames).reshape(*leading, model.nv)


def _in_blocks(reference: mujoco.MjModel, dtype: np.dtype, frames: tuple[Array, ...]) -> jax.Array:
    """tau (n, nv) of frames whose values are at hand, block after block on one or all devices."""
    devices = default_devices()
    block = _block_length(devices[0])
    count = len(frames[0])
    if count <= block:
        devices = devices[:1]
    inverse, place = _program(devices)
    bodies = _on_devices(reference, dtype, devices)
    taus = []
    for start in range(0, count, block * len(devices)):
        rows = (_rows(array, start, block * len(devices)) for array in frames)
        taus.append(inverse(*bodies, *map(place, rows)))
    if devices[0].platform == "cpu":  # NumPy joins in place what JAX would compile for each number of blocks
        return jnp.asarray(np.concatenate([np.asarray(tau) for tau in taus])[:count])
    tau = jnp.concatenate(taus)[:count]
    return tau if len(devices) == 1 else jax.device_put(tau, devices[0])


def _in_a_trace(reference: mujoco.MjModel, dtype: np.dtype, frames: tuple[Array, ...]) -> jax.Array:
    """tau (n, nv) of frames that are being traced; the caller's jit decides where they are computed."""
    bodies = _on_devices(reference, dtype, default_devices()[:1])
    block = _block_length(default_devices()[0])
    return jax.lax.map(lambda frame: _inverse(*bodies, *frame), frames, batch_size=block)


def _block_length(device: jax.Device) -> int:
    return _BLOCK_ON_CPU if device.platform == "cpu" else _BLOCK_ON_ACCELERATOR


def _rows(array: Array, start: int, length: int) -> Array:
    """`length` rows from `start` on; the last row again where there are no more (a valid state)."""
    rows = array[start : start + length]
    if len(rows) == length:
        return rows
    padding = ((0, length - len(rows)), (0, 0))
    return jnp.pad(rows, padding, "edge") if isinstance(rows, jax.Array) else np.pad(rows, padding, "edge")


def _inverse(model: mjx.Model, data: mjx.Data, qpos: Array, qvel: Array, qacc: Array) -> Array:
    """tau (nv,) of one frame."""
    return mjx.inverse(model, data.replace(qpos=qpos, qvel=qvel, qacc=qacc)).qfrc_inverse


_mjx_frames = jax.jit(jax.vmap(_inverse, in_axes=(None, None, 0, 0, 0)))


@functools.lru_cache(maxsize=4)
def _program(devices: tuple[jax.Device, ...]) -> tuple[Callable[..., jax.Array], Callable[[Array], Array]]:
    """The compiled `_mjx_frames` for these devices, and what places a block of rows on them."""
    if len(devices) == 1:
        return _mjx_frames, lambda rows: rows
    mesh, split, whole = mesh_of(devices), Spec("frames"), Spec()
    shared = jax.shard_map(
        _mjx_frames,
        mesh=mesh,
        in_specs=(whole, whole, split, split, split),
        out_specs=split,
        check_vma=False,  # every device computes its own frames: nothing to check, and MJX's scans fail it
    )
    return jax.jit(shared), lambda rows: jax.device_put(rows, NamedSharding(mesh, split))


@functools.lru_cache(maxsize=16)
def _on_devices(
    reference: mujoco.MjModel, dtype: np.dtype, devices: tuple[jax.Device, ...]
) -> tuple[mjx.Model, mjx.Data]:
    """The model and an empty state as MJX holds them under the present JAX setting (`dtype`).

    Kept by identity, which serves because `reference_model` returns one object for equal contents.
    """
    # MJX chooses its own implementation by the device; the other one, Warp, does not trace.
    chosen = {"device": devices[0], "impl": "jax"}
    held = mjx.put_model(reference, **chosen), mjx.make_data(reference, **chosen)
    return held if len(devices) == 1 else jax.device_put(held, NamedSharding(mesh_of(devices), Spec()))
