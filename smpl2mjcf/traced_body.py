"""A body ready to be traced by JAX: its closed surface and joints, linear in betas, and room for its cuts."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .body import Body
from .joint_layout import require_joint_layout
from .segments import require_closed
from .shape import kept_joints
from .surface import closed_surface
from .traced_cells import Capacities

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

LEVELS = 6
"""How often a triangle can be split after the first time; shapes within three deviations need four."""

OUTLINES = {"merged": (12, 6), "articulated": (22, 13)}
"""How many triangles are split, of the mesh and at a level, in square roots of all of them: a plane cuts
those along its outline. Shapes within three deviations need 11 and 5, with cut fingers 20 and 11."""


class BodyArrays(NamedTuple):
    """A body's closed surface and joints, linear in betas."""

    template: Array  # (3, V) m
    directions: Array  # (3, V, B) m
    joints: Array  # (J, 3) m
    joint_directions: Array  # (J, 3, B) m
    faces: Array  # (3, F)


@dataclass(frozen=True, eq=False)
class TracedBody:
    """A body ready to be traced, and the room that its shapes within three deviations need.

    Kept for a body as it was at the first call: one that is changed in place goes on giving its old shapes.
    """

    names: tuple[str, ...]  # (K,) the joints that are bodies of the humanoid, in the body's order
    arrays: BodyArrays  # float64
    capacities: Capacities


def grown(capacities: Capacities, splits: Array) -> Capacities:
    """Room for shapes that split so many triangles, (N, levels); the same where there is enough.

    What an unusual shape needs is not remembered: later shapes would pay for it.
    """
    if not len(splits):
        return capacities
    first, *later = np.asarray(splits).max(axis=0).tolist()
    levels = capacities.levels + (2 if later[-1] > 0 else 0)
    return Capacities(_roomy(first, capacities.first), _roomy(max(later), capacities.later), levels)


def _roomy(needed: int, present: int) -> int:
    return present if needed <= present else 256 * math.ceil(1.25 * needed / 256)


@functools.lru_cache(maxsize=8)
def traced_body(body: Body, hands: str) -> TracedBody:
    """A body's arrays, made once. hands: as build_humanoid's.

    Raises HumanoidError for bodies that no betas make a humanoid of: joints in another order than the
    family's or elsewhere than a person's, a mesh that is open, articulated hands without fingers.
    """
    names = kept_joints(body, hands)
    surface = closed_surface(body, body.v_template)
    require_closed(surface.vertices, surface.faces)
    require_joint_layout(dict(zip(body.joint_names, body.joint_regressor @ body.v_template)))
    vertices, directions = surface.vertices, body.shapedirs
    V = len(body.v_template)
    # A cap's middle is the mean of its rim, in every shape.
    caps = [np.unique(surface.faces[surface.faces[:, 0] == cap, 1:]) for cap in range(V, len(vertices))]
    directions = np.concatenate([directions, *(directions[rim].mean(axis=0)[None] for rim in caps)])
    used, faces = np.unique(surface.faces, return_inverse=True)
    arrays = BodyArrays(
        np.ascontiguousarray(vertices[used].T),
        np.ascontiguousarray(directions[used].swapaxes(0, 1)),
        body.joint_regressor @ body.v_template,
        np.tensordot(body.joint_regressor, body.shapedirs, axes=1),
        np.ascontiguousarray(faces.reshape(-1, 3).T.astype(np.int32)),
    )
    # Bodies of one topology get the same room, so that they share what was compiled.
    outline = math.sqrt(len(surface.faces))
    first, later = (256 * math.ceil(times * outline / 256) for times in OUTLINES[hands])
    return TracedBody(names, arrays, Capacities(first, later, LEVELS))


@functools.lru_cache(maxsize=16)
def arrays_of(body: TracedBody, dtype: np.dtype, num_betas: int) -> BodyArrays:
    """A body's arrays in a float type, for its first so many betas."""
    template, directions, joints, joint_directions, faces = body.arrays
    return BodyArrays(
        template.astype(dtype),
        directions[..., :num_betas].astype(dtype),
        joints.astype(dtype),
        joint_directions[..., :num_betas].astype(dtype),
        faces,
    )
