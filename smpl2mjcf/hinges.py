"""A SMPL joint as three hinges: their names, the angles of a rotation, and what goes into MJCF.

The hinges of one MuJoCo body turn one after the other, the first next to the parent, so that a joint with
axes e1, e2, e3 (`joint_ranges.freedoms`, fixed in the body) has the rotation

    R_parent_child = R(e1, a) R(e2, b) R(e3, c)

In every joint e2 is perpendicular to e1 and e3, which is what lets three angles reach every rotation
(Davenport's angles; Shuster and Markley 2003, doi:10.1007/BF03546304). Where the second angle brings e3 into
line with e1 (`lock_angles`), only a sum or difference of the other two is determined.

Hinges are called `left_hip_flexion`, not `left_hip_x`: that is a component of a ball joint's torque, in the
child's axes, and a different number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from .errors import HumanoidError
from .joint_ranges import HINGE_JOINTS, freedoms, joint_axes, joint_range

Array = NDArray[np.float64]

LOCKED = 1e-12
"""Sine of the angle between the first and the last axis below which its direction is rounding."""


def hinge_names(joint: str) -> tuple[str, str, str]:
    """The hinges of a SMPL joint, in order. Raises HumanoidError for one without freedoms."""
    first, second, third = (f"{joint}_{freedom.name}" for freedom in freedoms(joint))
    return first, second, third


def lock_angles(joint: str) -> tuple[float, float]:
    """rad, the two second angles around rest at which a joint's first and last axes are in line."""
    offset = _offset(joint_axes(joint))
    return (offset - np.pi, offset) if offset > 0 else (offset, offset + np.pi)


def rotation_of(angles: ArrayLike, joint: str) -> Rotation:
    """The rotations of a joint's hinge angles (..., 3) rad, of the child's frame in the parent's.

    Raises HumanoidError for a joint without freedoms.
    """
    angles = np.asarray(angles, dtype=np.float64)
    first, second, third = (
        Rotation.from_rotvec(angles[..., i, None] * axis) for i, axis in enumerate(joint_axes(joint))
    )
    return first * second * third


def angles_of(rotations: Rotation, joint: str) -> Array:
    """(T, 3) rad, the hinge angles of a joint's rotations (T of them, in time), without jumps.

    `rotation_of` gives the rotations back to rounding, at the lock as well. Two sets of angles make each
    rotation, apart from whole turns. The first frame takes the one whose second angle lies between the
    `lock_angles`, each angle within half a turn of the middle of its range; every other frame the one
    nearest to the frame before. In a frame at the lock itself the first angle stays as it was (zero at the
    start). A path that passes close by the lock turns the first and the last angle fast: that is what the
    hinges of such a joint do.

    Raises HumanoidError for a joint without freedoms.
    """
    e1, e2, e3 = axes = joint_axes(joint)
    matrices = rotations.as_matrix().reshape(-1, 3, 3)
    offset = _offset(axes)
    side = np.sign(offset)
    # The last axis in the parent's frame depends on the first two angles only; along e1, e1 x e2 and e2 it
    # is (cos g, sin g cos a, -sin g sin a) with g = offset - b.
    along, across, sideways = (matrices @ e3 @ axis for axis in (e1, np.cross(e1, e2), e2))
    sine = np.hypot(across, sideways)
    second = offset - side * np.arctan2(sine, along)
    first = _held(np.arctan2(-side * sideways, side * across), sine < LOCKED)
    # What is left turns about e3 alone, exactly so whatever the first angle's rounding near the lock.
    before = rotation_of(np.stack([first, second, np.zeros_like(first)], axis=-1), joint).as_matrix()
    turned = np.einsum("tji,tjk,k->ti", before, matrices, e2)
    third = np.arctan2(turned @ np.cross(e3, e2), turned @ e2)
    found = np.stack([first, second, third], axis=-1)
    other = np.stack([first + np.pi, 2 * offset - second, third + np.pi], axis=-1)
    # Changing to the other set costs the same from either, so each step's choice stands alone.
    stay, change = (np.sum(_half_turn(rows[1:] - found[:-1]) ** 2, axis=-1) for rows in (found, other))
    changed = np.append(0, np.cumsum(change < stay)) % 2 == 1
    angles = np.unwrap(np.where(changed[:, None], other, found), axis=0)
    middle = joint_range(joint).mean(axis=1)
    return np.asarray(angles - 2 * np.pi * np.round((angles[0] - middle) / (2 * np.pi)))


def _offset(axes: Array) -> float:
    """rad in (-pi, pi), how far the last axis (third row) lies from the first at rest, about minus e2."""
    e1, e2, e3 = axes
    return float(np.arctan2(e3 @ np.cross(e1, e2), e3 @ e1))


def _held(values: Array, unknown: NDArray[np.bool_]) -> Array:
    """The values (T,), each unknown one replaced by the last known before it; zero where there is none."""
    last = np.maximum.accumulate(np.where(unknown, -1, np.arange(len(values))))
    return np.where(last < 0, 0.0, values[last])


def _half_turn(angles: Array) -> Array:
    """The same angles within half a turn of zero."""
    return angles - 2 * np.pi * np.round(angles / (2 * np.pi))


def add_ball(node: Any, joint: str) -> None:
    """Give an MjsBody the ball joint of a SMPL joint, named after it.

    It has no limit: MuJoCo knows one angle for a ball, the same in every direction. The ranges go into
    `add_range_metadata`.
    """
    node.add_joint(name=joint, type=mujoco.mjtJoint.mjJNT_BALL)


def add_hinges(node: Any, joint: str, ranges: ArrayLike | None = None) -> None:
    """Give an MjsBody the three hinges of a SMPL joint, with limits.

    node: a body whose frame is parallel to SMPL's at rest. ranges: (3, 2) rad, None for the clinical ones.
    Raises HumanoidError for a joint without freedoms and for ranges of another shape, or that are not
    finite, or run backwards.
    """
    limits = joint_range(joint) if ranges is None else np.asarray(ranges, dtype=np.float64)
    if limits.shape != (3, 2) or not np.isfinite(limits).all() or (limits[:, 0] >= limits[:, 1]).any():
        raise HumanoidError(
            f"ranges of joint {joint!r} are {limits.tolist()}; accepted: three rows (lowest, highest) in rad"
        )
    # An MjSpec counts in its compiler's unit, which is degrees unless it says otherwise.
    shown = np.rad2deg(limits) if node.compiler.degree else limits
    for name, axis, limit in zip(hinge_names(joint), joint_axes(joint), shown):
        node.add_joint(
            name=name,
            type=mujoco.mjtJoint.mjJNT_HINGE,
            axis=axis,
            range=limit,
            limited=mujoco.mjtLimited.mjLIMITED_TRUE,
        )


def add_range_metadata(spec: mujoco.MjSpec, joints: Iterable[str]) -> None:
    """Write the ranges of SMPL joints into an MjSpec's <custom> elements, where ball joints have none.

    For left_hip: the number fields `rom_left_hip`, six values, lowest and highest angle (rad) of the three
    freedoms in order, and `rom_axes_left_hip`, nine, their unit axes in the body's frame; the text
    `rom_left_hip`, their names as "flexion/extension ...". Joints without freedoms (the root) are left out.
    """
    for joint in joints:
        if joint not in HINGE_JOINTS:
            continue
        spec.add_numeric(name=f"rom_{joint}", size=6, data=joint_range(joint).ravel())
        spec.add_numeric(name=f"rom_axes_{joint}", size=9, data=joint_axes(joint).ravel())
        names = " ".join(f"{freedom.name}/{freedom.opposite}" for freedom in freedoms(joint))
        spec.add_text(name=f"rom_{joint}", data=names)


def model_range(model: mujoco.MjModel, joint: str) -> Array:
    """(3, 2) rad, the range of a SMPL joint in a compiled model: its hinges' limits, or the metadata.

    Raises HumanoidError where the model says neither.
    """
    if is_hinged(model, joint):
        return np.array([model.joint(name).range for name in hinge_names(joint)])
    field = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_NUMERIC, f"rom_{joint}")
    if field < 0 or model.numeric_size[field] != 6:
        raise HumanoidError(f"the model has no range of joint {joint!r}; written by add_range_metadata")
    start = model.numeric_adr[field]
    return np.array(model.numeric_data[start : start + 6]).reshape(3, 2)


def is_hinged(model: mujoco.MjModel, joint: str) -> bool:
    """Whether a SMPL joint is three hinges in a model; False where it is one joint of its own name.

    Raises HumanoidError where it is neither.
    """
    if _joint_id(model, joint) >= 0:
        return False
    if joint in HINGE_JOINTS and all(_joint_id(model, name) >= 0 for name in hinge_names(joint)):
        return True
    raise HumanoidError(f"the model has no joint {joint!r} and no hinges of it")


def joint_ids(model: mujoco.MjModel, joint: str) -> tuple[int, ...]:
    """MuJoCo's indices of a SMPL joint: one of a ball or free joint, three of hinges, in order.

    Raises HumanoidError where the model has neither.
    """
    names = hinge_names(joint) if is_hinged(model, joint) else (joint,)
    return tuple(_joint_id(model, name) for name in names)


def rotation_columns(model: mujoco.MjModel, joint: str) -> NDArray[np.intp]:
    """Where a SMPL joint's rotation stands in qpos: 4 columns of a quaternion, or 3 of hinge angles.

    Raises HumanoidError where the model has neither.
    """
    ids = joint_ids(model, joint)
    starts = model.jnt_qposadr[list(ids)]
    if len(ids) > 1:
        return np.asarray(starts)
    free = model.jnt_type[ids[0]] == mujoco.mjtJoint.mjJNT_FREE
    return starts[0] + (3 if free else 0) + np.arange(4)


def dof_columns(model: mujoco.MjModel, joint: str) -> NDArray[np.intp]:
    """Where a SMPL joint stands in qvel, qacc and tau: 3 columns, or 6 of a free joint.

    Raises HumanoidError where the model has neither the joint nor its hinges.
    """
    ids = joint_ids(model, joint)
    count = 6 if model.jnt_type[ids[0]] == mujoco.mjtJoint.mjJNT_FREE else 3
    starts = model.jnt_dofadr[list(ids)]
    return np.asarray(starts) if len(ids) > 1 else starts[0] + np.arange(count)


def rotation_values(model: mujoco.MjModel, joint: str, rotations: Rotation) -> Array:
    """(T, 4) or (T, 3), what stands in `rotation_columns` for rotations of a SMPL joint, T of them in time.

    Quaternions with w >= 0, or the hinge angles of `angles_of`. Raises as `rotation_columns`.
    """
    if is_hinged(model, joint):
        return angles_of(rotations, joint)
    return np.asarray(rotations.as_quat(scalar_first=True, canonical=True)).reshape(-1, 4)


def _joint_id(model: mujoco.MjModel, name: str) -> int:
    return int(mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, name))
