"""The two ways between a motion and a humanoid's qpos."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from .errors import MotionError
from .frame_ranges import frame_ranges
from .hinges import is_hinged, joint_ids, rotation_columns, rotation_of, rotation_values
from .humanoid import Humanoid
from .motion import LARGEST_LENGTH_ERROR, Motion, as_numbers
from .world_axes import to_z_up

Array = NDArray[np.float64]


def motion_to_qpos(humanoid: Humanoid, motion: Motion) -> Array:
    """(T, nq) MuJoCo positions of a motion on a humanoid; frames as recorded, nothing scaled.

    Joints map by name. Joints that the motion lacks stay at rest; joints that the humanoid lacks
    (fingers, jaw and eyes on a SMPL body) are left out. A y-up motion is turned to z up. Rows of
    frames that were not recorded are NaN. A joint that is three hinges gets the angles of `angles_of`,
    continuous in time (over a gap as well) and within its limits only where the motion is.

    Raises MotionError where the humanoid lacks the motion's root joint, or gravity is not known.
    """
    motion = to_z_up(motion, humanoid.joint_positions[0])
    model = humanoid.model
    qpos = np.tile(model.qpos0, (motion.num_frames, 1))
    seen = slice(None) if motion.recorded.all() else motion.recorded
    known = set(humanoid.joint_names)
    if motion.joint_names[0] not in known:
        raise MotionError(
            f"the motion's root joint {motion.joint_names[0]!r} is not in the humanoid; "
            f"available: {', '.join(humanoid.joint_names)}"
        )
    for column, name in enumerate(motion.joint_names):
        if name not in known:
            continue
        rotations = Rotation.from_rotvec(motion.poses[seen, column])
        columns = rotation_columns(model, name)
        qpos[np.ix_(motion.recorded, columns)] = rotation_values(model, name, rotations)
    root = _root_address(model, motion.joint_names[0])
    qpos[:, root : root + 3] = humanoid.joint_positions[0] + motion.trans
    qpos[~motion.recorded] = np.nan
    return qpos


def qpos_to_motion(humanoid: Humanoid, qpos: ArrayLike, fps: float) -> Motion:
    """The z-up Motion of a humanoid's positions: the inverse of motion_to_qpos.

    qpos: (T, nq); rows that are NaN throughout are frames that were not recorded. Axis-angles come back
    as the rotation of at most pi; joints that the humanoid lacks (merged fingers) are at rest.
    Raises MotionError for a wrong width, values that are not finite or quaternions that are not unit.
    """
    model, body = humanoid.model, humanoid.body
    positions = as_numbers("qpos", qpos)
    if positions.ndim != 2 or positions.shape[1] != model.nq:
        raise MotionError(f"qpos has shape {positions.shape}; this humanoid takes (T, {model.nq})")
    recorded = np.asarray(~np.isnan(positions).all(axis=1))
    bad = ~np.isfinite(positions).all(axis=1) & recorded
    if bad.any():
        raise MotionError(
            f"NaN or infinite values in {frame_ranges(np.flatnonzero(bad))} of {len(positions)} of qpos"
        )
    poses = np.zeros((len(positions), body.num_joints, 3))
    for name in humanoid.joint_names:
        column = body.joint_names.index(name)
        values = positions[:, rotation_columns(model, name)]
        if is_hinged(model, name):
            poses[recorded, column] = rotation_of(values[recorded], name).as_rotvec()
            continue
        bent = np.abs(np.linalg.norm(values, axis=1) - 1) > LARGEST_LENGTH_ERROR
        if bent.any():
            raise MotionError(
                f"joint {name!r} has a quaternion not of unit length in {frame_ranges(np.flatnonzero(bent))}"
            )
        poses[recorded, column] = Rotation.from_quat(values[recorded], scalar_first=True).as_rotvec()
    root = _root_address(model, humanoid.joint_names[0])
    trans = positions[:, root : root + 3] - humanoid.joint_positions[0]
    return Motion(
        poses,
        trans,
        fps,
        betas=humanoid.betas,
        family=body.family,
        sex=body.sex,
        source="qpos",
        recorded=recorded,
    )


def _root_address(model: mujoco.MjModel, joint: str) -> int:
    """Where the root joint's position starts in qpos."""
    return int(model.jnt_qposadr[joint_ids(model, joint)[0]])
