"""Inverse dynamics by MuJoCo's C engine."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mujoco
import numpy as np

from .errors import StateError
from .reference_model import reference_model
from .states import as_array, check_same_dtype, check_states
from .topology import Topology

# Frames that one call into MuJoCo computes: fewer, and Python takes a part of the time and holds its lock
# (4 copies: 1.1 x the time of 16 with one thread, 1.6 x with two); more are no faster and slow to compile.
COPIES = 16
# A first call with copies compiles for 45 ms; below so many frames it would not pay.
_FRAMES_FOR_COPIES = 2048


def mujoco_inverse(
    model: mujoco.MjModel, qpos: Any, qvel: Any, qacc: Any, threads: int | None = None
) -> np.ndarray:
    """tau by MuJoCo's C engine in float64; see `rnea` for what tau is.

    It calls what `mj_inverse` calls for tau (kinematics, velocities, `mj_rne` with accelerations) and none
    of what tau does not need (the mass matrix and its factors, collisions, constraints), on a private copy
    that holds only what enters tau (see `reference_model`): the caller's model is not changed and its
    flags, limits and passive forces have no influence. `full_inverse` gives those forces too.

    Args:
        model: a model that `Tree.from_mjmodel` accepts.
        qpos: (..., nq) m, rad and quaternions wxyz.
        qvel: (..., nv) m/s and rad/s, in MuJoCo's axes.
        qacc: (..., nv) m/s2 and rad/s2, in MuJoCo's axes.
        threads: how many; None for one a core. The numbers do not depend on it. Fewer than 2048 frames
            run in one.

    Returns:
        tau (..., nv) N and N m, float64.

    Raises:
        ModelError: if the model holds what `rnea` does not model either.
        StateError: for shapes that differ or do not fit, mixed float types, NaN, quaternions far from unit
            length, and fewer than one thread.

    Source: MuJoCo, "Computation: inverse dynamics", https://mujoco.readthedocs.io/en/stable/computation.
    """
    leading, frames = float64_frames(Topology.from_mjmodel(model), qpos, qvel, qacc)
    threads = check_threads(threads)
    count = math.prod(leading)
    tau = np.empty((count, model.nv))
    # What fills whole copies of the forest, frame after frame, and a rest of single frames.
    bulk = count // COPIES * COPIES if count >= _FRAMES_FOR_COPIES else 0
    if bulk:
        many = reference_model(model, COPIES)
        rows = [a[:bulk].reshape(bulk // COPIES, -1) for a in (*frames, tau)]
        in_threads(lambda part: _newton_euler(many, *(a[part] for a in rows)), bulk // COPIES, threads)
    _newton_euler(reference_model(model), *(a[bulk:] for a in (*frames, tau)))
    tau += model.dof_armature * frames[2]
    return tau.reshape(*leading, model.nv)


def _newton_euler(
    model: mujoco.MjModel, qpos: np.ndarray, qvel: np.ndarray, qacc: np.ndarray, tau: np.ndarray
) -> None:
    """Write M qacc + c - g without armature of each row of the states into the rows of tau."""
    spare = _spare_data(model)
    try:
        data = spare.pop()
    except IndexError:
        data = mujoco.MjData(model)
    # Views, taken once: looking them up costs more than copying a frame.
    position, velocity, acceleration = data.qpos, data.qvel, data.qacc
    for row in range(len(tau)):
        position[:], velocity[:], acceleration[:] = qpos[row], qvel[row], qacc[row]
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_comVel(model, data)
        mujoco.mj_rne(model, data, 1, tau[row])
    spare.append(data)


@functools.lru_cache(maxsize=16)
def _spare_data(model: mujoco.MjModel) -> list[mujoco.MjData]:
    """MuJoCo's work space of a model that `reference_model` keeps, where no thread uses it: .4 ms to make."""
    return []


def float64_frames(
    topology: Topology, qpos: Any, qvel: Any, qacc: Any
) -> tuple[tuple[int, ...], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Leading axes of the three arrays, and each as float64 rows, one a frame.

    Raises:
        StateError: as `check_states` does, and for mixed float types.
    """
    named = {"qpos": as_array("qpos", qpos), "qvel": as_array("qvel", qvel), "qacc": as_array("qacc", qacc)}
    leading = check_states(topology, *named.values())
    # Whole numbers fit every float type; two float types mean that one of them lost digits elsewhere.
    kinds = {name: np.dtype(a.dtype) for name, a in named.items() if np.dtype(a.dtype).kind == "f"}
    if kinds:
        check_same_dtype(**kinds)
    count = math.prod(leading)
    position, velocity, acceleration = (
        np.ascontiguousarray(a, dtype=np.float64).reshape(count, a.shape[-1]) for a in named.values()
    )
    return leading, (position, velocity, acceleration)


def check_threads(threads: int | None) -> int:
    """The number of threads asked for, or one for each core that this process may use.

    Raises:
        StateError: if it is no whole number of 1 or more.
    """
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or threads < 1:
        raise StateError(f"threads is {threads!r}; accepted: a whole number of 1 or more, or None")
    return int(threads)


def in_threads(work: Callable[[slice], None], count: int, threads: int) -> None:
    """Call `work` on slices that make up range(count), one for each thread; MuJoCo releases Python's lock."""
    threads = min(threads, count)
    if threads <= 1:
        work(slice(0, count))
        return
    bounds = [count * i // threads for i in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        # list() raises here what was raised there.
        list(pool.map(work, map(slice, bounds[:-1], bounds[1:])))
