"""The gradients that inverse_dynamics.py times: programs, and what they are called with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import mujoco
import numpy as np
from peers import NotRun, Problem, check_mjx_memory, in_precision

import dynamics

# By name, so that what they import is not timed as their compilation.
from dynamics import mjx_inverse, rnea, so3, torques, trajectory
from dynamics.agreement import States

FPS = 120.0
# The gradient of mjx.inverse compiles for minutes: one program will do. It keeps much for the way back.
_MJX_GRADIENT = (24, "float32", 4096)
_MJX_GRADIENT_MEMORY = 4.0


class Program(NamedTuple):
    """A function under jit and what it is called with."""

    function: Callable[..., Any]
    args: tuple[Any, ...]


def rates(poses: jax.Array, dt: float) -> States:
    """States (frames - 2) of a free root and balls by central differences of poses (frames, nq)."""
    # omega = 2 vec(q* q') and alpha = 2 vec(q* q'') need no logarithm.
    before, now, after = poses[:-2], poses[1:-1], poses[2:]
    first, second = (after - before) / (2 * dt), (after - 2 * now + before) / dt**2
    frames = len(now)
    q, q_rate, q_second = (a[:, 3:].reshape(frames, -1, 4) for a in (now, first, second))
    inverse = so3.conjugate(q)
    turning = (2 * so3.multiply(inverse, rate)[..., 1:].reshape(frames, -1) for rate in (q_rate, q_second))
    qvel, qacc = (
        jnp.concatenate([linear[:, :3], angular], axis=1) for linear, angular in zip((first, second), turning)
    )
    return States(now, qvel, qacc)


def torque_loss(tree: dynamics.Tree, poses: jax.Array, dt: float) -> jax.Array:
    """Sum of tau^2 over a motion: poses to velocities and accelerations to torques."""
    return state_loss(tree, *rates(poses, dt))


def state_loss(tree: dynamics.Tree, qpos: jax.Array, qvel: jax.Array, qacc: jax.Array) -> jax.Array:
    return (rnea(tree, qpos, qvel, qacc) ** 2).sum()


def mass_loss(masses: jax.Array, tree: dynamics.Tree, *states: jax.Array) -> jax.Array:
    return state_loss(tree.replace(masses=masses), *states)


def smoothed(model: mujoco.MjModel, poses: Any) -> States:
    """States (frames) of a motion by `trajectory`: low-pass filter and spline."""
    found = trajectory(model, poses, FPS)
    return States(found.qpos, found.qvel, found.qacc)


def smoothed_loss(tree: dynamics.Tree, poses: jax.Array) -> jax.Array:
    """`torque_loss` with smoothing: `rnea` of `smoothed`, window by window."""
    return (torques(tree, poses, FPS) ** 2).sum()


def smooth_poses(problem: Problem, dtype: str) -> np.ndarray:
    """(frames, nq): every joint sways by half a radian at its own frequency below 2 Hz."""
    rng = np.random.default_rng(1)
    balls = (problem.model.nq - 3) // 4
    time = np.arange(problem.frames)[:, None, None] / FPS
    sway = 0.5 * np.sin(2 * np.pi * rng.uniform(0.3, 2, (balls, 3)) * time + rng.uniform(0, 6, (balls, 3)))
    turns = so3.exp(sway).reshape(problem.frames, -1)
    return np.concatenate([0.1 * sway[:, 0], turns], axis=1).astype(dtype)


def pose_forward(problem: Problem, dtype: str) -> Program:
    return Program(_pose_forward, (problem.tree_as(dtype), smooth_poses(problem, dtype), 1 / FPS))


def pose_gradient(problem: Problem, dtype: str) -> Program:
    return Program(_pose_gradient, (problem.tree_as(dtype), smooth_poses(problem, dtype), 1 / FPS))


def smoothed_forward(problem: Problem, dtype: str) -> Program:
    return Program(_smoothed_forward, (problem.tree_as(dtype), smooth_poses(problem, dtype)))


def smoothed_gradient(problem: Problem, dtype: str) -> Program:
    return Program(_smoothed_gradient, (problem.tree_as(dtype), smooth_poses(problem, dtype)))


def state_forward(problem: Problem, dtype: str) -> Program:
    return Program(_state_forward, (problem.tree_as(dtype), *problem.states(dtype)))


def state_gradient(problem: Problem, dtype: str) -> Program:
    return Program(_state_gradient, (problem.tree_as(dtype), *problem.states(dtype)))


def mass_gradient(problem: Problem, dtype: str) -> Program:
    masses = problem.tree_as(dtype).masses
    return Program(_mass_gradient, (masses, problem.tree_as(dtype), *problem.states(dtype)))


def mjx_gradient(problem: Problem, dtype: str) -> Program:
    if (problem.bodies, dtype, problem.frames) != _MJX_GRADIENT:
        raise NotRun("compiles too long")
    check_mjx_memory(problem, dtype, _MJX_GRADIENT_MEMORY)
    states = problem.states(dtype)
    # Puts the model on the device outside of the trace.
    in_precision(dtype, mjx_inverse, problem.model, *(a[:1] for a in states))()

    def loss(*states: jax.Array) -> jax.Array:
        return (mjx_inverse(problem.model, *states) ** 2).sum()

    return Program(jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2))), tuple(states))


_pose_forward = jax.jit(torque_loss)
_pose_gradient = jax.jit(jax.value_and_grad(torque_loss, argnums=1))
_smoothed_forward = jax.jit(smoothed_loss)
_smoothed_gradient = jax.jit(jax.value_and_grad(smoothed_loss, argnums=1))
_state_forward = jax.jit(state_loss)
_state_gradient = jax.jit(jax.value_and_grad(state_loss, argnums=(1, 2, 3)))
_mass_gradient = jax.jit(jax.value_and_grad(mass_loss))

POSE = {
    "central differences, loss": pose_forward,
    "central differences, loss and gradient": pose_gradient,
    "smoothed, loss": smoothed_forward,
    "smoothed, loss and gradient": smoothed_gradient,
}
STATE = {
    "sum of tau^2": state_forward,
    "and gradient in qpos, qvel, qacc": state_gradient,
    "and gradient in the masses": mass_gradient,
    "mjx.inverse, gradient in qpos, qvel, qacc": mjx_gradient,
}
