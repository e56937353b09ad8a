"""Frames spread over several devices: every device computes its own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as Spec

# Fewer frames for each device than this would not pay for the transfer.
_LEAST_FRAMES = 4096


def default_devices() -> tuple[jax.Device, ...]:
    """The device that the user has chosen as JAX's default, else all that this process has."""
    chosen = getattr(jax.config, "jax_default_device", None)
    return (chosen,) if isinstance(chosen, jax.Device) else tuple(jax.local_devices(backend=chosen))


def default_platform() -> str:
    """Where JAX computes with arrays that lie nowhere yet: "cpu", "gpu", ..."""
    return default_devices()[0].platform


def mesh_of(devices: Sequence[jax.Device]) -> Mesh:
    """The devices as one axis, "frames"."""
    return Mesh(np.array(devices), ("frames",))


def over_frames(run: Callable[[Any, Any], Any], bodies: Any, frames: Sequence[np.ndarray]) -> Any:
    """`run(bodies, frames)` with the second axis of the frames' arrays split over the default devices.

    One device, or few frames, are computed as they are. `run` must be one object from call to call: its
    compiled program is kept. The result has the frames on its second axis, too.
    """
    devices = default_devices()
    count = frames[0].shape[1]
    if len(devices) == 1 or count < _LEAST_FRAMES * len(devices):
        return run(bodies, frames)
    missing = -count % len(devices)
    sharding = NamedSharding(mesh_of(devices), Spec(None, "frames"))
    placed = [
        # The last frame again, which is a valid state, where there are no more.
        jax.device_put(np.concatenate([a, np.repeat(a[:, -1:], missing, axis=1)], axis=1), sharding)
        for a in frames
    ]
    return _sharded(run, devices)(bodies, placed)[:, :count]


@functools.lru_cache(maxsize=8)
def _sharded(run: Callable[[Any, Any], Any], devices: tuple[jax.Device, ...]) -> Callable[..., Any]:
    split = Spec(None, "frames")
    shared = jax.shard_map(
        run,
        mesh=mesh_of(devices),
        in_specs=(Spec(), split),
        out_specs=split,
        check_vma=False,  # frames have nothing to do with each other
    )
    return jax.jit(shared)
