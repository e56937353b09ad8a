"""Torques straight from poses: smoothing, differentiation and inverse dynamics in one traced call."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from .rnea import RNEA, rnea
from .states import as_array, check_values, is_traced
from .traced_trajectory import over_windows
from .trajectory import checked_trace
from .tree import Tree

Array = Any  # a numpy.ndarray, a jax.Array or a tracer


def torques(tree: Tree, qpos: Array, fps: float, cutoff: float | None = 6.0) -> jax.Array:
    """tau of a recorded motion: `rnea` of its `trajectory`, without wrenches.

    What refinement and fitting differentiate: window after window along time, so that velocities,
    accelerations and their derivatives never exist for the whole recording. It traces under jit, vmap and
    grad, in qpos and in the tree's arrays; fps and cutoff are constants of the trace.

    Args:
        tree: the bodies.
        qpos: (T, nq) m, rad and quaternions wxyz, without gaps.
        fps: frames a second, Hz.
        cutoff: effective -3 dB frequency, Hz, below fps / 2; None for no filter.

    Returns:
        tau (T, nv) N and N m, in the axes of qvel, in the float type of qpos under JAX's present setting.
        `trajectory(...).valid` says which frames rest on the recording.

    Raises:
        StateError: for a wrong shape and, where values are at hand, NaN or quaternions far from unit length.
        TrajectoryError: for a frame rate or cutoff out of range, or too short a clip.
    """
    qpos = as_array("qpos", qpos)
    if not is_traced(qpos) and qpos.ndim == 2 and qpos.shape[1] == tree.topology.nq:
        check_values(tree.topology, "qpos", np.asarray(qpos))
    qpos, rate, limit, _ = checked_trace(tree.topology, qpos, fps, cutoff)
    RNEA.prepare(qpos.dtype)  # before the long way there
    tau: jax.Array = over_windows(tree.topology, qpos, rate, limit, rnea, tree.astype(qpos.dtype))
    return tau
