"""The dense derivatives that inverse_dynamics.py times: d tau / d(q, qvel, qacc), (frames, nv, nv) each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np
from peers import NotRun, Problem, in_precision, only_float64, pinocchio

import dynamics

# Three matrices a frame fill the memory; and MuJoCo's differences run mj_inverse some times a dof.
MOST_FRAMES, _MUJOCO_FRAMES = 4096, 128


def native_derivatives(problem: Problem, dtype: str) -> Callable[[], Any]:
    call = in_precision(dtype, dynamics.rnea_derivatives, problem.tree_as(dtype), *problem.states(dtype))

    def run() -> tuple[np.ndarray, ...]:
        found = call()
        return found.qpos, found.qvel, found.qacc

    return run


def pinocchio_derivatives(problem: Problem, dtype: str) -> Callable[[], Any]:
    only_float64(dtype)
    pin, model = pinocchio(), problem.pinocchio
    data, (qpos, qvel, qacc) = model.createData(), problem.pinocchio_states

    def run() -> np.ndarray:
        found = np.empty((3, problem.frames, model.nv, model.nv))
        for i in range(problem.frames):
            found[:, i] = pin.computeRNEADerivatives(model, data, qpos[i], qvel[i], qacc[i])
        return found

    return run


def mujoco_derivatives(problem: Problem, dtype: str) -> Callable[[], Any]:
    only_float64(dtype)
    if problem.frames > _MUJOCO_FRAMES:
        raise NotRun(f"at most {_MUJOCO_FRAMES} frames")
    model, data, nv = problem.model, mujoco.MjData(problem.model), problem.model.nv

    def run() -> np.ndarray:
        found = np.empty((problem.frames, 3, nv, nv))
        for i, (qpos, qvel, qacc) in enumerate(zip(*problem.states(dtype))):
            data.qpos, data.qvel, data.qacc = qpos, qvel, qacc
            mujoco.mjd_inverseFD(model, data, 1e-6, False, *found[i], None, None, None, None)
        return found

    return run


DERIVATIVES = {
    "dynamics.rnea_derivatives": native_derivatives,
    "pin.computeRNEADerivatives, Python loop": pinocchio_derivatives,
    "mjd_inverseFD, Python loop": mujoco_derivatives,
}
