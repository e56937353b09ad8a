"""The body that is seen: the shaped mesh as a MuJoCo skin that bends with the joints, or as rigid segments.

Neither has mass or touches anything. The skin is linear blend skinning with the body's own weights; SMPL's
pose correctives are not part of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from .body import Body
from .skeleton import kept_ancestor, parent_name

Array = NDArray[np.float64]

COLOUR = (0.80, 0.68, 0.60, 1.0)
"""RGBA of the visible body."""

OVERLAP = 0.1
"""Least skinning weight with which a vertex is part of a body's rigid mesh."""

SINKING = 0.7
"""Of the way to the joint that a vertex is drawn in where it hardly follows the body at all."""

VISIBLE_GROUP = 2
"""MuJoCo's usual group of what is only seen."""


def kept_weights(body: Body, joint_names: Sequence[str]) -> Array:
    """(V, K) skinning weights of a humanoid's joints; those of a merged joint go to its parent."""
    weights = np.zeros((len(body.weights), len(joint_names)))
    for column, name in enumerate(body.joint_names):
        weights[:, joint_names.index(kept_ancestor(name, joint_names))] += body.weights[:, column]
    return weights


def skin_parts(body: Body, vertices: Array, joint_names: Sequence[str]) -> dict[str, Array]:
    """(N, 3) m for each of a humanoid's joints: the vertices (V, 3) m that follow it more than any other."""
    owner = kept_weights(body, joint_names).argmax(axis=1)
    return {name: vertices[owner == j] for j, name in enumerate(joint_names)}


def add_skin(
    spec: mujoco.MjSpec,
    body: Body,
    vertices: Array,
    positions: Mapping[str, Array],
    joint_names: Sequence[str],
) -> None:
    """Add a shape's mesh to a model as a skin bound to its bodies.

    vertices: (V, 3) m, the mesh in the T-pose; positions: (3,) m rest joints by name, both in the model
    frame; joint_names: the humanoid's bodies.
    """
    weights = kept_weights(body, joint_names)
    moving = np.flatnonzero((weights > 0).any(axis=0)).tolist()
    bones = [np.flatnonzero(weights[:, j]) for j in moving]
    skin = spec.add_skin(name="skin", group=VISIBLE_GROUP, rgba=COLOUR)
    skin.vert = vertices.ravel()
    skin.face = body.faces.ravel()
    skin.bodyname = [joint_names[j] for j in moving]
    skin.bindpos = np.concatenate([positions[joint_names[j]] for j in moving])
    skin.bindquat = np.tile([1.0, 0.0, 0.0, 0.0], len(moving))
    skin.vertid = [bone.tolist() for bone in bones]
    skin.vertweight = [weights[bone, j].tolist() for bone, j in zip(bones, moving)]


def add_meshes(
    spec: mujoco.MjSpec,
    body: Body,
    vertices: Array,
    positions: Mapping[str, Array],
    joint_names: Sequence[str],
) -> None:
    """Add the skin of each body to a model as a rigid visible geom, a closed mesh named `<body>_skin`.

    A body's part is all that follows it by OVERLAP or more. What follows a neighbour more is drawn in
    towards the joint between them, so a part ends in a dome inside its neighbour and leaves no gap when the
    joint bends. Arguments as of add_skin.
    """
    weights = kept_weights(body, joint_names)
    owner = weights.argmax(axis=1)
    share = weights / weights.max(axis=1, keepdims=True)
    for j, name in enumerate(joint_names):
        faces = body.faces[(weights[:, j] >= OVERLAP)[body.faces].all(axis=1)]
        if not len(faces):
            continue
        towards = np.stack([positions[_joint_between(name, other)] for other in joint_names])
        sunk = vertices + SINKING * (1 - share[:, [j]]) ** 2 * (towards[owner] - vertices)
        points, faces = closed_part(sunk, faces)
        mesh = spec.add_mesh(name=f"{name}_skin")
        mesh.uservert = (points - positions[name]).ravel()
        mesh.userface = faces.ravel()
        mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL  # parts need not enclose a volume
        spec.body(name).add_geom(
            name=f"{name}_skin",
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=f"{name}_skin",
            mass=0.0,
            contype=0,
            conaffinity=0,
            group=VISIBLE_GROUP,
            rgba=COLOUR,
        )


def _joint_between(joint: str, other: str) -> str:
    """The joint at which a body's part ends towards another: its own, or a child's that leads there."""
    step: str | None = other
    while step is not None and step != joint:
        parent = parent_name(step)
        if parent == joint:
            return step
        step = parent
    return joint


def closed_part(vertices: Array, faces: NDArray[np.int64]) -> tuple[Array, NDArray[np.int64]]:
    """Some faces of a mesh as a closed mesh of their own: (V, 3) m and (F, 3).

    Each rim is closed by a fan from its middle; of rims that meet in a vertex, by a common one.
    """
    used, corner = np.unique(faces, return_inverse=True)
    faces, points = corner.reshape(-1, 3), vertices[used]
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    is_open = ~np.isin(start * len(points) + end, end * len(points) + start)
    start, end = start[is_open], end[is_open]
    if not len(start):
        return points, faces
    count = len(points)
    _, rim = connected_components(coo_matrix((np.ones(len(start)), (start, end)), shape=(count, count)))
    labels, rim = np.unique(rim[start], return_inverse=True)
    middles = np.stack([points[start[rim == label]].mean(axis=0) for label in range(len(labels))])
    fan = np.stack([end, start, count + rim], axis=1)  # against the rim's own direction
    return np.concatenate([points, middles]), np.concatenate([faces, fan])
