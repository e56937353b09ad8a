"""Which foot stands on the ground, from kinematics alone.

Used to say which torques lack their ground reaction force; it does not estimate that force.
"""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from dynamics import Trajectory
from smpl2mjcf import Floor
from smpl2mjcf.floor import SIDES, sole_points
from smpl2mjcf.hinges import dof_columns

LOW = 0.08
"""m above the clip's floor. Recorded floors drift by some 3 cm along a walkway, and a heel or toe box that
tilts reaches a little below its sole; a swinging foot that is this low moves far too fast."""

SLOW = 0.6
"""m/s. A planted heel or toe moves at some 0.1 m/s in filtered recordings, a swinging one at 1-4 m/s."""

LEAST_SUPPORT = 0.3
"""Body weights. Where the motion needs more from the ground than this, some leg carries it."""

LEG_JOINTS = ("hip", "knee", "ankle", "foot")


def standing_feet(model: mujoco.MjModel, trajectory: Trajectory, floor: Floor) -> NDArray[np.bool_]:
    """(T, 2) whether the left and the right foot stand: some point of the sole is low and slow.

    model: a humanoid of ours, whose feet are box geoms named after their joints.
    """
    qpos, time = np.asarray(trajectory.qpos), np.asarray(trajectory.time)
    soles = np.stack([sole_points(model, qpos, side) for side in SIDES], axis=1)  # (T, 2, P, 3)
    speed = np.linalg.norm(np.gradient(soles, time, axis=0), axis=-1)
    return ((soles[..., 2] - floor.height < LOW) & (speed < SLOW)).any(axis=2)


def lacks_ground_force(
    model: mujoco.MjModel, standing: NDArray[np.bool_], support: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """(T, nv) True where a leg's torque omits the ground force under its foot.

    standing: (T, 2) left, right. support: (T,) body weights, the vertical root residual; where it asks for
    a ground force and no foot was seen to stand, both legs are flagged. Only joints between the root and
    the foot carry its ground force.
    """
    unseen = ~standing.any(axis=1) & (support > LEAST_SUPPORT)
    flags = np.zeros((len(standing), model.nv), dtype=bool)
    for side, stands in zip(SIDES, standing.T):
        for part in LEG_JOINTS:
            flags[:, dof_columns(model, f"{side}_{part}")] = (stands | unseen)[:, None]
    return flags
