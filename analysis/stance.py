"""Which foot stands on the ground, from kinematics alone.

Used to say which torques lack their ground reaction force; it does not estimate that force.
"""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from dynamics import Trajectory

SIDES = ("left", "right")

LOW = 0.08
"""m above the clip's floor. Recorded floors drift by some 3 cm along a walkway, and a heel or toe box that
tilts reaches a little below its sole; a swinging foot that is this low moves far too fast."""

SLOW = 0.6
"""m/s. A planted heel or toe moves at some 0.1 m/s in filtered recordings, a swinging one at 1-4 m/s."""

PLANTED = 0.2
"""m/s, below which a foot's lowest point tells where the floor is."""

LEAST_SUPPORT = 0.3
"""Body weights. Where the motion needs more from the ground than this, some leg carries it."""

LEG_JOINTS = ("hip", "knee", "ankle", "foot")


def standing_feet(model: mujoco.MjModel, trajectory: Trajectory) -> NDArray[np.bool_]:
    """(T, 2) whether the left and the right foot stand: some point of the sole is low and slow.

    The floor is where planted feet are: the median height of soles' lowest points while these rest, since
    each recording has its own floor and a kick or a jump may reach below it for some frames.
    model: a humanoid of ours, whose feet are box geoms named after their joints.
    """
    soles = np.stack([_sole_points(model, trajectory, side) for side in SIDES], axis=1)  # (T, 2, P, 3)
    speed = np.linalg.norm(np.gradient(soles, np.asarray(trajectory.time), axis=0), axis=-1)
    height = soles[..., 2]
    lowest = height.argmin(axis=2)[..., None]
    resting = np.take_along_axis(speed, lowest, axis=2) < PLANTED
    lowest_height = np.take_along_axis(height, lowest, axis=2)
    floor = np.median(lowest_height[resting]) if resting.any() else lowest_height.min()
    return ((height - floor < LOW) & (speed < SLOW)).any(axis=2)


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
            start = model.jnt_dofadr[model.joint(f"{side}_{part}").id]
            flags[:, start : start + 3] = (stands | unseen)[:, None]
    return flags


def _sole_points(model: mujoco.MjModel, trajectory: Trajectory, side: str) -> NDArray[np.float64]:
    """(T, 8, 3) m, world: lower corners of the boxes of the foot and the toes."""
    data = mujoco.MjData(model)
    corners = []
    for part in ("ankle", "foot"):
        geom = model.geom(f"{side}_{part}").id
        half, centre = model.geom_size[geom], model.geom_pos[geom]
        signs = np.array([[x, -1.0, z] for x in (-1.0, 1.0) for z in (-1.0, 1.0)])
        corners.append((model.geom_bodyid[geom], centre + signs * half))
    points = np.empty((len(trajectory.qpos), 8, 3))
    for frame, qpos in enumerate(trajectory.qpos):
        data.qpos[:] = qpos
        mujoco.mj_kinematics(model, data)
        points[frame] = np.concatenate(
            [data.xpos[body] + local @ data.xmat[body].reshape(3, 3).T for body, local in corners]
        )
    return points
