"""Refinement by gradient descent on raw torques: the form of arXiv 2605.24776, without the true torque."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from dynamics import Tree, so3
from dynamics.precision import double_precision

from .torque_objective import Clip, filled, rotation_columns, stencil_torques

Array = NDArray[np.float64]
Traced = Any  # a jax.Array or a tracer


@dataclass(frozen=True)
class Settings:
    """The published form: so many steps of Adam, and how strongly poses are held to the recorded ones.

    Attributes:
        pose_weight: lambda_r of the mean square of theta - theta_noisy over components and frames, weighed by
            their confidence, rad^-2, against the mean squared torque in units of the recorded torques' own
            RMS, dof by dof. The paper states neither unit nor norm.
        iterations: steps.
        step: rad, Adam's step size.
    """

    pose_weight: float = 5.0
    iterations: int = 200
    step: float = 1e-2


# Steps between two reports of progress; the program is compiled for so many.
_ROUND = 50
# Adam's decay of the means of gradients and of their squares, and what keeps the quotient finite.
_FIRST, _SECOND, _TINY = 0.9, 0.999, 1e-12


def refined(clip: Clip, settings: Settings, progress: Callable[[str], None]) -> tuple[Array, int]:
    """qpos (T, nq) after the last step, and the number of steps."""
    inner = clip.inner
    with double_precision():
        tau = np.asarray(stencil_torques(clip.tree, clip.samples, clip.fps))
        squared = (tau[:, inner] ** 2).mean(axis=0)
        weights = np.zeros_like(tau)
        safe = np.where(squared > 0, np.maximum(squared, 1e-6 * squared.max(initial=0.0)), np.inf)
        weights[:, inner] = 1 / (safe * tau.shape[0] * max(len(inner), 1))
        rotations = len(rotation_columns(clip.tree.topology))
        held = np.repeat(clip.confidence[:, None], rotations, axis=1)
        held *= settings.pose_weight / max(3 * held.sum(), 1.0)
        samples = filled(clip.samples, clip.padding)
        weights = np.concatenate([weights, np.zeros((clip.padding, weights.shape[1]))])
        held = np.concatenate([held, np.zeros((clip.padding, rotations))])
        state = tuple(jnp.zeros((len(samples), rotations, 3)) for _ in range(3))
        done = 0
        while done < settings.iterations:
            count = min(_ROUND, settings.iterations - done)
            state, value = _descent(
                state, clip.tree, samples, weights, held, clip.fps, settings.step, done, count
            )
            done += count
            progress(f"step {done} of {settings.iterations}: objective {float(value):.4g}")
        turned = _turned(clip.tree, samples, np.asarray(state[0]))
    return np.asarray(turned)[: clip.frames], done


def _turned(tree: Tree, samples: Traced, change: Traced) -> Traced:
    """samples (T, nq) whose rotations R are R Exp(change), change (T, R, 3) rad."""
    columns = rotation_columns(tree.topology)
    xp = jnp if isinstance(change, jax.Array) else np
    moved = so3.multiply(samples[:, columns], so3.exp(change))
    others = np.setdiff1d(np.arange(samples.shape[1]), columns)
    order = np.argsort(np.concatenate([others, columns.ravel()]))
    return xp.concatenate([samples[:, others], moved.reshape(len(samples), -1)], axis=1)[:, order]


@functools.partial(jax.jit, static_argnums=8)
def _descent(
    state: tuple[Traced, ...],
    tree: Tree,
    samples: Traced,
    weights: Traced,
    held: Traced,
    fps: Traced,
    step: Traced,
    done: Traced,
    count: int,
) -> tuple[tuple[Traced, ...], Traced]:
    @jax.value_and_grad
    def objective(change: Traced) -> Traced:
        tau = stencil_torques(tree, _turned(tree, samples, change), fps)
        return (weights * tau**2).sum() + (held * (change**2).sum(-1)).sum()

    def one(state: tuple[Traced, ...], number: Traced) -> tuple[tuple[Traced, ...], Traced]:
        change, mean, square = state
        value, gradient = objective(change)
        mean = _FIRST * mean + (1 - _FIRST) * gradient
        square = _SECOND * square + (1 - _SECOND) * gradient**2
        # The means start at zero, which the divisions undo.
        rate = jnp.sqrt(square / (1 - _SECOND**number)) + _TINY
        change = change - step * mean / (1 - _FIRST**number) / rate
        return (change, mean, square), value

    state, values = jax.lax.scan(one, state, done + 1.0 + jnp.arange(count))
    return state, values[-1]
