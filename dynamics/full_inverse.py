"""MuJoCo's whole inverse dynamics of a model as it is: tau less passive and constraint forces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from .errors import ModelError
from .mujoco_inverse import check_threads, float64_frames, in_threads
from .topology import Topology


@dataclass(frozen=True)
class FullInverse:
    """What `mj_inverse` returns and what it is made of: `total = tau - passive - constraint`.

    All are (..., nv) float64, N and N m, in the axes of qvel.

    Attributes:
        total: what actuators and external forces together must supply, MuJoCo's `qfrc_inverse`.
        tau: what `rnea` returns. On models that `rnea` refuses, with the inertia of the armature of
            tendons and actuators. It is the sum of the other three, so it is exact to the rounding of the
            largest of them.
        passive: springs, dampers, gravity compensation, the medium's drag and lift, adhesion.
        constraint: contacts, limits, friction loss and equality constraints.
    """

    total: np.ndarray
    tau: np.ndarray
    passive: np.ndarray
    constraint: np.ndarray


def full_inverse(
    model: mujoco.MjModel, qpos: Any, qvel: Any, qacc: Any, threads: int | None = None
) -> FullInverse:
    """The forces that `mj_inverse` finds, on the caller's model with all that it contains.

    Every frame starts from the model's own state: mocap bodies where the model has them, plastic springs
    unyielded; bodies that would start asleep are awake. Where the model's options make accelerations
    discrete (the flag `invdiscrete`, the integrator "discrete"), MuJoCo reads qacc as a difference of
    velocities over a time step, and tau is that of the continuous acceleration that it finds.

    Args:
        model: any MuJoCo model; it is only read.
        qpos: (..., nq) m, rad and quaternions wxyz, which are normalised.
        qvel: (..., nv) m/s and rad/s, in MuJoCo's axes.
        qacc: (..., nv) m/s2 and rad/s2, in MuJoCo's axes.
        threads: how many; None for one a core. The numbers do not depend on it.

    Returns:
        The total and its parts.

    Raises:
        StateError: for shapes that differ or do not fit, mixed float types, NaN, quaternions far from unit
            length, and fewer than one thread.
        ModelError: if the contacts of a state do not fit the memory that the model reserves.

    Source: MuJoCo, "Computation: inverse dynamics", https://mujoco.readthedocs.io/en/stable/computation.
    """
    leading, frames = float64_frames(Topology.unchecked(model), qpos, qvel, qacc)
    threads = check_threads(threads)
    count = len(frames[0])
    parts = np.empty((3, count, model.nv))
    in_threads(lambda rows: _mj_inverse(model, [a[rows] for a in frames], parts[:, rows]), count, threads)
    total, passive, constraint = parts.reshape(3, *leading, model.nv)
    return FullInverse(total, total + passive + constraint, passive, constraint)


def _mj_inverse(model: mujoco.MjModel, states: Sequence[np.ndarray], parts: np.ndarray) -> None:
    """Write total, passive and constraint of each row of the states into the rows of `parts` (3, n, nv)."""
    qpos, qvel, qacc = states
    data = mujoco.MjData(model)
    position, velocity, acceleration = data.qpos, data.qvel, data.qacc
    found = data.qfrc_inverse, data.qfrc_passive, data.qfrc_constraint
    every_stage, no_sensors = int(mujoco.mjtStage.mjSTAGE_NONE), 1
    for row in range(len(qpos)):
        position[:], velocity[:], acceleration[:] = qpos[row], qvel[row], qacc[row]
        mujoco.mj_inverseSkip(model, data, every_stage, no_sensors)
        for part, values in zip(parts, found):
            part[row] = values
    full = mujoco.mjtWarning.mjWARN_CONTACTFULL, mujoco.mjtWarning.mjWARN_CNSTRFULL
    if any(data.warning[int(kind)].number for kind in full):
        raise ModelError(
            f"the {model.narena} bytes that this model reserves do not hold the contacts and constraints of "
            'some frames; accepted: a larger <size memory="..."/>'
        )
