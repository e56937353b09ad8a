"""Collision primitives of each body, sized from the body's own piece of the mesh.

They carry no mass and only meet the floor: capsules, boxes and spheres, the kinds that every MuJoCo
backend can collide with a plane.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from .segments import matter
from .skeleton import FINGERS

Array = NDArray[np.float64]

LIMB_ENDS = {
    "hip": "knee",
    "knee": "ankle",
    "shoulder": "elbow",
    "elbow": "wrist",
    "collar": "shoulder",
    "wrist": "hand",
    **{f"{finger}{k}": f"{finger}{k + 1}" for finger in FINGERS for k in (1, 2)},
}
"""Joints whose capsule runs along the bone, and the joint where it ends."""


@dataclass(frozen=True)
class Primitive:
    """One geom in its body's frame, sizes as MuJoCo defines them for its type."""

    type: mujoco.mjtGeom
    size: Array  # (3,) m
    pos: Array  # (3,) m
    quat: Array  # (4,) wxyz


def primitives(pieces: Mapping[str, Array], joints: Mapping[str, Array]) -> dict[str, Primitive]:
    """One primitive a joint. pieces: closed chains (N, 3, 3) m, joints (3,) m, both in the model frame."""
    return {name: _primitive(name, pieces[name], joints) for name in pieces}


def _primitive(name: str, piece: Array, joints: Mapping[str, Array]) -> Primitive:
    joint = joints[name]
    side, _, part = name.rpartition("_")
    low, high = piece.reshape(-1, 3).min(axis=0), piece.reshape(-1, 3).max(axis=0)
    middle, half = (low + high) / 2 - joint, (high - low) / 2
    end = f"{side}_{LIMB_ENDS[part]}" if part in LIMB_ENDS else ""
    if end in joints:
        bone = joints[end] - joint
        return _capsule(np.zeros(3), bone, _capsule_radius(matter(piece).volume, float(np.linalg.norm(bone))))
    if part[:-1] in FINGERS:  # a finger's last bone: from its joint to the tip of the mesh
        along = joint - joints[f"{side}_{part[:-1]}2"]
        along = along / np.linalg.norm(along)
        extent = float(((piece.reshape(-1, 3) - joint) @ along).max())
        thickness = _capsule_radius(matter(piece).volume, extent)
        return _capsule(np.zeros(3), max(extent - thickness, 1e-3) * along, thickness)
    if part in ("ankle", "foot", "hand", "wrist"):
        # A box, so that the sole is flat and lies where the mesh's does; a wrist without a hand joint
        # carries the palm, or the whole hand.
        return Primitive(mujoco.mjtGeom.mjGEOM_BOX, half, middle, np.array([1.0, 0.0, 0.0, 0.0]))
    if name == "head":
        radius = min(half[0], half[2])
        rise = np.array([0.0, max(half[1] - radius, 1e-3), 0.0])
        return _capsule(middle - rise, middle + rise, radius)
    if name == "neck":
        bone = joints["head"] - joint
        return _capsule(np.zeros(3), bone, min(half[0], half[2]))
    # The trunk: capsules across, as deep as the mesh is there.
    radius = min(half[2], half[0])
    reach = np.array([max(half[0] - radius, 1e-3), 0.0, 0.0])
    return _capsule(middle - reach, middle + reach, radius)


def _capsule(start: Array, end: Array, radius: float) -> Primitive:
    axis = end - start
    length = float(np.linalg.norm(axis))
    quat = np.zeros(4)
    mujoco.mju_quatZ2Vec(quat, axis)
    return Primitive(
        mujoco.mjtGeom.mjGEOM_CAPSULE, np.array([radius, length / 2, 0.0]), (start + end) / 2, quat
    )


def _capsule_radius(volume: float, length: float) -> float:
    """The radius at which a capsule along the bone has the piece's volume: 4/3 pi r^3 + pi r^2 length."""
    roots = np.roots([4 / 3 * np.pi, np.pi * length, 0.0, -volume])
    return float(roots[np.isreal(roots) & (roots.real > 0)].real[0])  # one change of sign: one positive root
