"""Which way is up: the axes of the world that a motion was recorded in, turned to z up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from .errors import MotionError
from .motion import LARGEST_LENGTH_ERROR, UNKNOWN, Motion, as_numbers
from .turning import smallest_rotation

Array = NDArray[np.float64]


def up_rotation(up: str | ArrayLike) -> Array:
    """(3, 3) R_zup_file, from axes whose vertical is `up` to z-up ones.

    up: an axis ("x", "-y", ...) or a vector (3,) that points up, turned to z by the smallest rotation
    (so the heading stays the file's), or that rotation (3, 3) itself.
    Raises MotionError for anything else.
    """
    accepted = "x, y, z, -x, -y, -z, 3 numbers that point up, or a rotation of 3 x 3 numbers"
    if isinstance(up, str):
        axis = up.lower().removeprefix("+")
        sign, axis = (-1.0, axis[1:]) if axis.startswith("-") else (1.0, axis)
        if axis not in ("x", "y", "z"):
            raise MotionError(f"unknown up axis {up!r}; accepted: {accepted}")
        up = sign * np.eye(3)["xyz".index(axis)]
    given = as_numbers("up", up)
    if not np.isfinite(given).all():
        raise MotionError(f"up holds values that are not finite: {given.ravel()[:9]}; accepted: {accepted}")
    if given.shape == (3, 3):
        bent = np.abs(given @ given.T - np.eye(3)).max()
        if not (bent < LARGEST_LENGTH_ERROR and np.linalg.det(given) > 0):
            raise MotionError(f"up is no rotation: R R^T is {bent:.2g} off the identity, or it mirrors")
        return given
    if given.shape != (3,) or not given.any():
        raise MotionError(f"up has shape {given.shape} and values {given.ravel()[:9]}; accepted: {accepted}")
    return smallest_rotation(given, np.array([0.0, 0.0, 1.0])).as_matrix()


def to_z_up(motion: Motion, root_joint: ArrayLike, up: str | ArrayLike | None = None) -> Motion:
    """The same motion with z up; root_joint (3,) m is J_pelvis of the body that it is played on.

    A change of axes R turns the pelvis, not the model's origin: trans' = R (J0 + trans) - J0.
    up: as up_rotation takes it; None for the motion's own.
    Raises MotionError where the vertical is not known.
    """
    if up is None and motion.up == UNKNOWN:
        raise MotionError(
            "the motion is in a camera's axes and gravity is not known; say which way is up "
            '(up="-y" for a level camera whose y axis points down, a vector, or a rotation)'
        )
    return turned(motion, up_rotation(motion.up if up is None else up), root_joint, up="z")


def turned(motion: Motion, R_new_old: Array, root_joint: ArrayLike, up: str) -> Motion:
    """The same motion in other world axes, whose vertical is `up`; root_joint (3,) m is J_pelvis."""
    if motion.up == up and np.array_equal(R_new_old, np.eye(3)):
        return motion
    J0 = np.asarray(root_joint, dtype=np.float64)
    poses, trans, seen = motion.poses.copy(), motion.trans.copy(), motion.recorded
    poses[seen, 0] = (Rotation.from_matrix(R_new_old) * Rotation.from_rotvec(poses[seen, 0])).as_rotvec()
    trans[seen] = (J0 + trans[seen]) @ R_new_old.T - J0
    return replace(motion, poses=poses, trans=trans, up=up)
