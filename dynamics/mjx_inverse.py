"""Inverse dynamics by MuJoCo's JAX engine, MJX."""

from __future__ import annotations

import contextlib
import functools
import io
import math
from typing import Any

import jax
import jax.numpy as jnp
import mujoco
import numpy as np

# MJX prints to standard output when the optional warp is absent; that is not ours to show.
with contextlib.redirect_stdout(io.StringIO()):
    from mujoco import mjx

from .precision import canonical_dtype
from .reference_model import reference_model
from .states import as_array, check_same_dtype, check_states
from .topology import Topology

Array = Any  # a numpy.ndarray, a jax.Array or a tracer


def mjx_inverse(model: mujoco.MjModel, qpos: Array, qvel: Array, qacc: Array) -> jax.Array:
    """tau by `mjx.inverse`, vmapped over frames; see `rnea` for what tau is.

    It runs on a private copy that holds only what enters tau (see `reference_model`): the caller's model
    is not changed and its flags, limits and passive forces have no influence. The first call for a
    topology, number of frames and float type compiles for some seconds; later ones do not.

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
    frames = (
        array.astype(dtype).reshape(math.prod(leading), array.shape[-1]) for array in (qpos, qvel, qacc)
    )
    if model.nv == 0:  # MJX scans over dofs and refuses none
        return jnp.zeros((*leading, 0), dtype)
    device_model, data = _on_device(reference_model(model), dtype)
    return _mjx_frames(device_model, data, *frames).reshape(*leading, model.nv)


@functools.lru_cache(maxsize=16)
def _on_device(reference: mujoco.MjModel, dtype: np.dtype) -> tuple[mjx.Model, mjx.Data]:
    """The model and an empty state as MJX holds them under the present JAX setting (`dtype`).

    Kept by identity, which serves because `reference_model` returns one object for equal contents.
    """
    return mjx.put_model(reference), mjx.make_data(reference)


@jax.jit
@functools.partial(jax.vmap, in_axes=(None, None, 0, 0, 0))
def _mjx_frames(model: mjx.Model, data: mjx.Data, qpos: Array, qvel: Array, qacc: Array) -> Array:
    return mjx.inverse(model, data.replace(qpos=qpos, qvel=qvel, qacc=qacc)).qfrc_inverse
