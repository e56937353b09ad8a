"""Which bodies of a humanoid touch each other by construction: pairs that its own contacts leave out.

Neighbours overlap at their joint in every pose. Others may do so in the poses that a humanoid starts from
(T-pose, A-pose, standing): a heavy person's forearms in the flanks, a short neck's head in the collars.
MuJoCo measures the distances of the primitives themselves in these poses, so that no pair is missed whatever
the shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .keyframes import placed
from .primitive import Primitive
from .skeleton import parent_name

Array = NDArray[np.float64]
Pair = tuple[str, str]


def touching_primitives(
    primitives: Sequence[Primitive],
    joints: Mapping[str, Array],
    names: Sequence[str],
    poses: Iterable[Mapping[str, Rotation]],
) -> list[tuple[Primitive, Primitive]]:
    """The primitives of different bodies that overlap in some of the poses, in the order of the primitives.

    joints: (3,) m each by name, T-pose, model frame; names: the humanoid's bodies, parents before children;
    poses: rotations of joints in their parents by name; joints that are not named are at rest.
    """
    model = _scene(primitives)
    data = mujoco.MjData(model)
    bodies = np.array([names.index(p.body) for p in primitives])
    reach = np.array([p.reach for p in primitives])
    middles, frames = np.array([p.pos for p in primitives]), np.array([p.frame for p in primitives])
    touching = np.zeros((len(primitives), len(primitives)), dtype=bool)
    open_pairs = np.triu(bodies[:, None] != bodies, 1)
    for rotations in poses:
        orientation, place = placed(joints, names, Rotation.identity(), rotations)
        turns = np.array([orientation[name] for name in names])[bodies]
        at = np.array([place[name] for name in names])[bodies] + np.einsum("pab,pb->pa", turns, middles)
        data.geom_xpos[:], data.geom_xmat[:] = at, (turns @ frames).reshape(-1, 9)
        near = np.linalg.norm(at[:, None] - at, axis=-1) < reach[:, None] + reach
        for i, j in np.argwhere(open_pairs & near).tolist():
            touching[i, j] = mujoco.mj_geomDistance(model, data, i, j, 1e-3, None) < 0
        open_pairs &= ~touching
    return [(primitives[i], primitives[j]) for i, j in np.argwhere(touching).tolist()]


def excluded_pairs(touching: Iterable[tuple[Primitive, Primitive]], names: Sequence[str]) -> tuple[Pair, ...]:
    """Pairs of bodies that must not collide: each parent and child, then those whose primitives touch.

    names: the humanoid's bodies, parents before children, which is the order within a pair too.
    """
    parents = [(parent_name(name), name) for name in names]
    pairs = [(parent, name) for parent, name in parents if parent is not None]
    for first, second in touching:
        a, b = sorted((first.body, second.body), key=names.index)
        pairs.append((a, b))
    return tuple(dict.fromkeys(pairs))


def add_exclusions(spec: mujoco.MjSpec, pairs: Iterable[Pair]) -> None:
    """Write pairs of bodies that must not collide into a model, each named `<first>-<second>`."""
    for first, second in pairs:
        spec.add_exclude(name=f"{first}-{second}", bodyname1=first, bodyname2=second)


def _scene(primitives: Sequence[Primitive]) -> mujoco.MjModel:
    """The primitives alone, which MuJoCo measures wherever data.geom_xpos and data.geom_xmat put them."""
    spec = mujoco.MjSpec()
    for p in primitives:
        spec.worldbody.add_geom(type=p.type, size=p.size)
    return spec.compile()
