"""inverse_dynamics.py on a GPU: float32, arrays on the device, and one call that counts the copies."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from alternation import Row, alternate
from gradients import Program, pose_forward, pose_gradient, state_forward, state_gradient
from peers import Problem, in_precision, judge_tau, relative_error

import dynamics

FRAMES, MJX_FRAMES = (1_048_576, 4_194_304), 65_536
_DTYPE = "float32"
_JUDGED_FRAMES = 1024


def gpus() -> list[Any]:
    """JAX's GPUs; none where JAX has no such backend."""
    try:
        return jax.devices("gpu")
    except RuntimeError:
        return []


def gpu_rows(bodies: int, rounds: int) -> list[Row]:
    """rnea and its gradients at a million frames and more, and mjx.inverse at what it can hold."""
    # Drawn once; more frames repeat them on the device.
    problem = Problem(bodies, MJX_FRAMES)
    states = problem.states(_DTYPE)
    rows = []
    for frames in (MJX_FRAMES, *FRAMES):
        programs = {
            "dynamics.rnea": Program(jax.jit(dynamics.rnea), (problem.tree_as(_DTYPE), *states)),
            "sum of tau^2": state_forward(problem, _DTYPE),
            "and gradient in qpos, qvel, qacc": state_gradient(problem, _DTYPE),
            "pose to torque loss": pose_forward(problem, _DTYPE),
            "pose to torque loss, gradient in the poses": pose_gradient(problem, _DTYPE),
        }
        if frames == MJX_FRAMES:
            in_precision(_DTYPE, dynamics.mjx_inverse, problem.model, *(a[:1] for a in states))()
            inverse = jax.jit(lambda *states: dynamics.mjx_inverse(problem.model, *states))
            programs["mjx.inverse"] = Program(inverse, tuple(states))
        rows += [gpu_row(problem, frames, name, *program, rounds) for name, program in programs.items()]
        if frames < max(FRAMES):
            rows.append(copying_row(problem, frames, rounds))
    return rows


def gpu_row(
    problem: Problem, frames: int, name: str, function: Any, args: tuple[Any, ...], rounds: int
) -> Row:
    """One program with its arrays on the GPU, alone, since those of several would not fit."""
    device, repeats = gpus()[0], frames // problem.frames

    def held(leaf: Any) -> Any:
        per_frame = np.ndim(leaf) == 2 and len(leaf) == problem.frames
        leaf = jax.device_put(leaf, device)
        return jax.numpy.tile(leaf, (repeats, 1)) if per_frame else leaf

    with jax.enable_x64(False):
        try:
            arrays = jax.tree.map(held, args)
            times = alternate({name: lambda: jax.block_until_ready(function(*arrays))}, rounds)[name]
            error = (
                tau_error(problem, function(*arrays)) if name in ("dynamics.rnea", "mjx.inverse") else None
            )
        except jax.errors.JaxRuntimeError as failure:  # out of the device's memory
            note = str(failure).splitlines()[0][:60]
            return Row("gpu", name, problem.bodies, _DTYPE, frames, note=note)
    return Row("gpu", name, problem.bodies, _DTYPE, frames, tuple(times), error)


def copying_row(problem: Problem, frames: int, rounds: int) -> Row:
    """dynamics.rnea from NumPy to NumPy through the GPU."""
    states = [np.tile(a, (frames // problem.frames, 1)) for a in problem.states(_DTYPE)]
    name = "dynamics.rnea, NumPy in and out"
    with jax.default_device(gpus()[0]):
        call = in_precision(_DTYPE, dynamics.rnea, problem.tree_as(_DTYPE), *states)
        times = alternate({name: call}, rounds)[name]
        return Row("gpu", name, problem.bodies, _DTYPE, frames, tuple(times), tau_error(problem, call()))


def tau_error(problem: Problem, tau: Any) -> float:
    """Largest difference from mj_inverse over some frames, over the largest torque."""
    frames = min(_JUDGED_FRAMES, problem.frames)
    return relative_error(np.asarray(tau[:frames]), judge_tau(problem, frames))
