"""How far gradients and derivatives are from differences of fourth order of what mj_inverse gives."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import jax
import mujoco
import numpy as np
from gradients import FPS, POSE, STATE, rates, smooth_poses, smoothed
from peers import Problem, in_precision, mujoco_tau, relative_error

from dynamics.agreement import States

# A loop runs over them: some are enough, and programs for these are compiled anyhow.
FRAMES = 128
_DIRECTIONS, _STEP = 4, 1e-4


def gradient_error(name: str, problem: Problem, dtype: str) -> float | None:
    """Largest |gradient along a random direction - difference of MuJoCo's loss|, over the largest."""
    model, data = problem.model, mujoco.MjData(problem.model)
    masses, states = model.body_mass.copy(), problem.states("float64")
    poses = (smooth_poses(problem, "float64"),)

    def loss(*states: np.ndarray) -> float:
        return float((mujoco_tau(model, data, States(*states)) ** 2).sum())

    def loss_of_masses(masses: np.ndarray) -> float:
        heavier = copy.copy(model)
        heavier.body_mass[:] = masses
        return float((mujoco_tau(heavier, data, states) ** 2).sum())

    def loss_of_poses(poses: np.ndarray) -> float:
        return loss(*in_precision("float64", _rates, poses, 1 / FPS)())

    def loss_of_smoothed(poses: np.ndarray) -> float:
        return loss(*smoothed(model, poses))

    judged: dict[str, tuple[Callable[..., float], tuple[np.ndarray, ...]]] = {
        "central differences, loss and gradient": (loss_of_poses, poses),
        "smoothed, loss and gradient": (loss_of_smoothed, poses),
        "and gradient in qpos, qvel, qacc": (loss, tuple(states)),
        "and gradient in the masses": (loss_of_masses, (masses,)),
    }
    if name not in judged:
        return None
    program = (POSE | STATE)[name](problem, dtype)
    gradient = in_precision(dtype, program.function, *program.args)()[1]
    gradient = gradient if isinstance(gradient, tuple) else (gradient,)
    return _along_directions(*judged[name], gradient)


_rates = jax.jit(rates)


def _along_directions(
    loss: Callable[..., float], point: tuple[np.ndarray, ...], gradient: tuple[np.ndarray, ...]
) -> float:
    rng = np.random.default_rng(2)
    found, expected = [], []
    for _ in range(_DIRECTIONS):
        # Relative to each array's size, so that none is drowned by another; a zero (the world's mass) stays.
        along = [rng.standard_normal(x.shape) * (x != 0) * np.abs(x).mean() for x in point]
        found.append(sum(float((g.astype("float64") * d).sum()) for g, d in zip(gradient, along)))

        def at(step: float, along: list[np.ndarray] = along) -> float:
            return loss(*(x + step * d for x, d in zip(point, along)))

        # Central differences of fourth order.
        near, far = at(_STEP) - at(-_STEP), at(2 * _STEP) - at(-2 * _STEP)
        expected.append((8 * near - far) / (12 * _STEP))
    return relative_error(np.array(found), np.array(expected))


def derivative_error(problem: Problem, derivatives: Any) -> float:
    """The same for dense derivatives (qpos, qvel, qacc), each (frames, nv, nv)."""
    model, data, states = problem.model, mujoco.MjData(problem.model), problem.states("float64")
    rng = np.random.default_rng(3)
    along = rng.standard_normal((3, *states.qvel.shape))

    def tau(step: float) -> np.ndarray:
        qpos = states.qpos.copy()
        for q, direction in zip(qpos, along[0]):
            mujoco.mj_integratePos(model, q, direction, step)
        moved = States(qpos, *(x + step * d for x, d in zip(states[1:], along[1:])))
        return mujoco_tau(model, data, moved)

    near, far = tau(_STEP) - tau(-_STEP), tau(2 * _STEP) - tau(-2 * _STEP)
    expected = (8 * near - far) / (12 * _STEP)
    found = sum(np.einsum("tij,tj->ti", d.astype("float64"), x) for d, x in zip(derivatives, along))
    return relative_error(found, expected)
