"""A model held upright: where its joints are, how tall it is, how high its centre of mass.

Nothing in an MJCF file says which pose is upright or which way is up, so both are found. The pose is
the most extended one among qpos0 and the keyframes: the greatest distance from the middle of the ankles
to the head joint, qpos0 unless a keyframe reaches 1 cm further. Up is the axis of the world nearest to
that line, either way round, or the line itself where it leans more than LARGEST_LEAN. Stature is the
extent along up of the tree's geoms, collision and visible ones (meshes by their vertices), not of those
that tendons only wrap around.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from .person_tree import PersonTree

Array = NDArray[np.float64]

LARGEST_LEAN = np.deg2rad(20.0)
"""Of the line from the ankles to the head in a standing person; SMPL's T-pose has 2 degrees."""

CLEARLY_MORE = 0.01
"""m that a keyframe must reach further than qpos0, which nearly all models share with their makers' rest."""

HEADS = ("head", "neck", "upperneck", "spine3", "torso", "chest", "thorax")
FEET = ("ankle", "calcaneus", "knee")


@dataclass(frozen=True, eq=False)
class Posture:
    """One pose of one person's tree."""

    data: mujoco.MjData  # kinematics and centres of mass are computed
    pose: str  # "qpos0" or "keyframe stand"
    up: Array  # (3,) unit vector in world axes
    up_known: bool  # False where the parts that tell are lacking and up is the world's z
    stature: float | None  # m; None without geoms
    com_height: float | None  # m, the centre of mass above the lowest geom; None without geoms or mass


def upright_posture(tree: PersonTree) -> Posture:
    """The most extended pose of a tree."""
    model = tree.model
    names = ["qpos0", *(f"keyframe {model.key(k).name or k}" for k in range(model.nkey))]
    poses = [model.qpos0, *model.key_qpos]
    best: tuple[float, str, mujoco.MjData] | None = None
    for name, qpos in zip(names, poses):
        data = mujoco.MjData(model)
        data.qpos[:] = qpos
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        line = _line(tree, data)
        reach = 0.0 if line is None else float(np.linalg.norm(line))
        if best is None or reach > best[0] + CLEARLY_MORE:
            best = reach, name, data
    assert best is not None
    _, name, data = best
    up, known = _up(_line(tree, data))
    heights = _extents(tree, data, up)
    com = float(data.subtree_com[tree.root] @ up)
    if heights is None:
        return Posture(data, name, up, known, None, None)
    low, high = heights
    weighs = model.body_subtreemass[tree.root] > 0
    return Posture(data, name, up, known, high - low, com - low if weighs else None)


def joint_place(tree: PersonTree, data: mujoco.MjData, body: int) -> Array:
    """(3,) m, world: where a body turns against its parent.

    The anchor of its first hinge or ball joint; the body's origin where it has none or is free.
    """
    model = tree.model
    start, count = model.body_jntadr[body], model.body_jntnum[body]
    turning = (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_BALL)
    for joint in range(start, start + count):
        if model.jnt_type[joint] in turning:
            return np.array(data.xanchor[joint])
    return np.array(data.xpos[body])


def places(tree: PersonTree, data: mujoco.MjData) -> dict[str, Array]:
    """(3,) m each, world: the joint of every known part."""
    return {part: joint_place(tree, data, body) for part, body in tree.parts.items()}


def _line(tree: PersonTree, data: mujoco.MjData) -> Array | None:
    """(3,) m from the middle of the ankles to the head joint, or to what comes nearest to these."""
    joints = places(tree, data)
    top = next((joints[part] for part in HEADS if part in joints), None)
    for foot in FEET:
        both = [joints[f"{side}_{foot}"] for side in ("left", "right") if f"{side}_{foot}" in joints]
        if both and top is not None:
            return top - np.mean(both, axis=0)
    return None


def _up(line: Array | None) -> tuple[Array, bool]:
    if line is None or not np.linalg.norm(line) > 0:
        return np.array([0.0, 0.0, 1.0]), False
    direction = line / np.linalg.norm(line)
    nearest = int(np.abs(direction).argmax())
    axis = np.zeros(3)
    axis[nearest] = np.sign(direction[nearest])
    return (axis, True) if direction @ axis >= np.cos(LARGEST_LEAN) else (direction, True)


def _extents(tree: PersonTree, data: mujoco.MjData, up: Array) -> tuple[float, float] | None:
    """(lowest, highest) m along up of the tree's geoms; None where there are none."""
    model = tree.model
    wrapping = (mujoco.mjtWrap.mjWRAP_SPHERE, mujoco.mjtWrap.mjWRAP_CYLINDER)
    wrapped = set(model.wrap_objid[np.isin(model.wrap_type, wrapping)].tolist())
    ends = [
        (data.geom_xpos[g] @ up - reach[0], data.geom_xpos[g] @ up + reach[1])
        for g in np.flatnonzero(np.isin(model.geom_bodyid, tree.bodies)).tolist()
        if g not in wrapped and (reach := _reach(model, g, data.geom_xmat[g].reshape(3, 3).T @ up))
    ]
    return (float(min(low for low, _ in ends)), float(max(high for _, high in ends))) if ends else None


def _reach(model: mujoco.MjModel, geom: int, axis: Array) -> tuple[float, float] | None:
    """m that a geom reaches from its centre against and along an axis of its own frame; None if endless."""
    kind, size = mujoco.mjtGeom(model.geom_type[geom]), model.geom_size[geom]
    if kind in (mujoco.mjtGeom.mjGEOM_MESH, mujoco.mjtGeom.mjGEOM_SDF):
        mesh = model.geom_dataid[geom]
        start = model.mesh_vertadr[mesh]
        heights = model.mesh_vert[start : start + model.mesh_vertnum[mesh]] @ axis
        return -float(heights.min()), float(heights.max())
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        reach = size[0]
    elif kind == mujoco.mjtGeom.mjGEOM_CAPSULE:
        reach = size[0] + size[1] * abs(axis[2])
    elif kind == mujoco.mjtGeom.mjGEOM_CYLINDER:
        reach = size[0] * np.hypot(axis[0], axis[1]) + size[1] * abs(axis[2])
    elif kind == mujoco.mjtGeom.mjGEOM_ELLIPSOID:
        reach = np.linalg.norm(size * axis)
    elif kind == mujoco.mjtGeom.mjGEOM_BOX:
        reach = size @ np.abs(axis)
    else:  # a plane or a height field
        return None
    return float(reach), float(reach)
