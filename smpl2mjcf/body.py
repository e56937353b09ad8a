"""A SMPL-family body model: its arrays, their checks, and the body that betas make of it.

Only what shape and kinematics need is kept: pose-corrective blend shapes (posedirs) move skin, never
a joint, so they have no part in rigid-body dynamics.

Source: Loper et al. 2015, SMPL: A Skinned Multi-Person Linear Model, doi 10.1145/2816795.2818013.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import BodyError
from .length_units import looks_like
from .skeleton import JOINT_NAMES, SEXES

Array = NDArray[np.float64]

STATURE_RANGE = (0.4, 2.6)
"""Metres that a person's mesh can measure; a millimetre or centimetre file falls far outside."""

LARGEST_REGRESSOR_EXCESS = 0.05
"""How far a joint's weights may sum from 1: fitted regressors do so nearly, anything else moves joints."""


@dataclass(frozen=True, eq=False)
class Body:
    """A SMPL-family body model in metres, y up, facing +z, left = +x, in the T-pose.

    Raises BodyError where the arrays do not fit together.
    """

    family: str  # "smpl", "smplh", "smplx", or "smpl2mjcf" for the default body
    sex: str  # "neutral", "female" or "male"
    joint_names: tuple[str, ...]  # (J,)
    v_template: Array  # (V, 3) m
    shapedirs: Array  # (V, 3, B) m per unit of beta
    joint_regressor: Array  # (J, V), joints from vertices
    weights: Array  # (V, J) skinning weights
    faces: NDArray[np.int64]  # (F, 3), counter-clockwise seen from outside
    parents: tuple[int, ...]  # (J,), -1 for the root, parents before children
    shape_names: tuple[str, ...] = ()  # what each beta means, where that is known

    def __post_init__(self) -> None:
        _check(self)

    @property
    def num_joints(self) -> int:
        """J."""
        return len(self.parents)

    @property
    def num_betas(self) -> int:
        """B."""
        return self.shapedirs.shape[2]


def complete_betas(body: Body, betas: ArrayLike | None) -> Array:
    """betas as (B,) float64; None means the mean shape.

    A model with hundreds of shape directions (SMPL's 300) also takes the usual first 10, or AMASS' 16.
    Raises BodyError for any other length, or for values that are not finite.
    """
    if betas is None:
        return np.zeros(body.num_betas)
    try:
        given = np.asarray(betas, dtype=np.float64)
    except (TypeError, ValueError) as problem:
        raise BodyError(f"betas must be numbers, received {str(betas)[:80]!r}") from problem
    accepted = accepted_betas(body)
    if given.ndim != 1 or len(given) not in accepted:
        raise BodyError(
            f"betas have shape {given.shape}; this {body.family} body takes "
            + " or ".join(f"({n},)" for n in accepted)
        )
    if not np.isfinite(given).all():
        raise BodyError(f"betas must be finite, received {given.tolist()}")
    return np.concatenate([given, np.zeros(body.num_betas - len(given))])


def accepted_betas(body: Body) -> tuple[int, ...]:
    """How many betas a body takes: as many as it has, or the usual first 10 or 16 of many."""
    return (body.num_betas, *(usual for usual in (10, 16) if usual < body.num_betas))


def shaped_vertices(body: Body, betas: ArrayLike | None = None) -> Array:
    """(V, 3) m, the T-pose mesh of a shape in SMPL's model frame."""
    return body.v_template + body.shapedirs @ complete_betas(body, betas)


def joint_positions(body: Body, betas: ArrayLike | None = None) -> Array:
    """(J, 3) m, the rest joints of a shape in SMPL's model frame."""
    return body.joint_regressor @ shaped_vertices(body, betas)


def stature(vertices: Array) -> float:
    """Height of a T-pose mesh in m, from the sole to the top of the head (y up)."""
    return float(np.ptp(vertices[:, 1]))


def _check(body: Body) -> None:
    if body.family not in JOINT_NAMES:
        raise BodyError(f"unknown body family {body.family!r}; accepted: {', '.join(JOINT_NAMES)}")
    if body.sex not in SEXES:
        raise BodyError(f"unknown sex {body.sex!r}; accepted: {', '.join(SEXES)}")
    if body.v_template.ndim != 2 or body.shapedirs.ndim != 3:
        raise BodyError(
            f"v_template {body.v_template.shape} and shapedirs {body.shapedirs.shape} "
            "must be (V, 3) and (V, 3, B)"
        )
    V, J, B = len(body.v_template), len(body.parents), body.shapedirs.shape[2]
    expected: Sequence[tuple[str, tuple[int, ...]]] = [
        ("v_template", (V, 3)),
        ("shapedirs", (V, 3, B)),
        ("joint_regressor", (J, V)),
        ("weights", (V, J)),
        ("faces", (len(body.faces), 3)),
    ]
    for name, shape in expected:
        found = getattr(body, name)
        if found.shape != shape:
            raise BodyError(f"{name} has shape {found.shape}, expected {shape}")
        if not np.isfinite(found).all():
            raise BodyError(f"{name} holds values that are not finite")
    if len(body.joint_names) != J:
        raise BodyError(f"{len(body.joint_names)} joint names for {J} joints")
    if body.parents[0] != -1 or any(not 0 <= p < j for j, p in enumerate(body.parents) if j):
        raise BodyError(
            f"parents must be -1 for the root and come before their children, received {body.parents}"
        )
    if len(body.faces) and not (body.faces.min() >= 0 and body.faces.max() < V):
        raise BodyError(f"faces name vertex {int(body.faces.max())} of a mesh with {V} vertices")
    if body.shape_names and len(body.shape_names) != B:
        raise BodyError(f"{len(body.shape_names)} shape names for {B} shape directions")
    sums = body.joint_regressor.sum(axis=1)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) > LARGEST_REGRESSOR_EXCESS:
        raise BodyError(
            f"the joint regressor's row of {body.joint_names[worst]!r} sums to {sums[worst]:.3g} instead of 1"
        )
    height = stature(body.v_template)
    if not STATURE_RANGE[0] <= height <= STATURE_RANGE[1]:
        depth = float(np.ptp(body.v_template[:, 2]))
        standing_along_z = depth > height and STATURE_RANGE[0] <= depth <= STATURE_RANGE[1]
        unit = "a z-up template" if standing_along_z else looks_like(height, STATURE_RANGE)
        raise BodyError(
            f"the template is {height:.4g} tall along y: it looks like {unit}; metres with y up are accepted "
            f"({STATURE_RANGE[0]}-{STATURE_RANGE[1]} m)"
        )
