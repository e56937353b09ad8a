"""Rigid-body inertia of every SMPL joint: de Leva's segments laid over the body's own matter.

Each de Leva segment has a mass share, a centre of mass and three radii of gyration. A limb segment is
one SMPL body and takes them as they are. Head (neck + head), hand (wrist + hand, or wrist + finger
bones) and foot (ankle + foot) are several SMPL bodies each: their matter is moved by the one affine map
that gives the whole segment de Leva's values and moves matter least, so each part stays a possible rigid
body and together they are de Leva's segment exactly. A hand whose fingers are merged into the wrist is
one body. The trunk's upper, middle and lower parts get de Leva's masses as
densities, and SMPL's six trunk bodies are summed from what they hold of each part.

Source: de Leva 1996 (see deleva.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from . import deleva
from .errors import HumanoidError
from .segments import TRUNK_JOINTS, Matter, Plane, knuckle, matter, split
from .skeleton import FINGER_JOINTS

Array = NDArray[np.float64]

BODY_DENSITY = 985.0
"""kg/m3, mean density of a living body with air in its lungs; turns mesh volume into mass."""

MASS_RANGE = (0.5, 500.0)
"""kg that a person can weigh, from a preterm child to the heaviest adults; grams and pounds do not fit."""

LEAST_NECK_SHARE = 0.08
"""Of head + neck. Some SMPL shapes put the head joint so low that the neck's slab nearly vanishes."""

SEGMENT_JOINTS = {
    "head": ("neck", "head"),
    **{f"{side}_upper_arm": (f"{side}_shoulder",) for side in ("left", "right")},
    **{f"{side}_forearm": (f"{side}_elbow",) for side in ("left", "right")},
    **{
        f"{side}_hand": (f"{side}_wrist", f"{side}_hand", *(n for n in FINGER_JOINTS if n.startswith(side)))
        for side in ("left", "right")
    },
    **{f"{side}_thigh": (f"{side}_hip",) for side in ("left", "right")},
    **{f"{side}_shank": (f"{side}_knee",) for side in ("left", "right")},
    **{f"{side}_foot": (f"{side}_ankle", f"{side}_foot") for side in ("left", "right")},
}
"""The SMPL bodies that each de Leva segment outside the trunk can have; a humanoid has some of a hand's."""


@dataclass(frozen=True)
class Inertia:
    """Mass distribution of one body."""

    mass: float  # kg
    com: Array  # (3,) m, in the body frame (origin at the joint, axes of SMPL's rest frame)
    tensor: Array  # (3, 3) kg m2, about com, body axes


@dataclass(frozen=True)
class _Target:
    """What de Leva says of one segment: mass kg, com (3,) m, covariance (3, 3) m2, model frame."""

    mass: float
    com: Array
    covariance: Array


def require_mass(mass: float) -> None:
    """Check a mass in kg. Raises HumanoidError where it is not positive and finite, or no person's."""
    if isinstance(mass, bool) or not (isinstance(mass, Real) and np.isfinite(mass) and mass > 0):
        raise HumanoidError(f"mass must be a positive number of kg, received {mass!r}")
    if not MASS_RANGE[0] <= mass <= MASS_RANGE[1]:
        raise HumanoidError(
            f"a mass of {mass} kg is not a person's; accepted: {MASS_RANGE[0]}-{MASS_RANGE[1]} kg"
        )


def body_inertias(
    pieces: Mapping[str, Array], joints: Mapping[str, Array], sex: str, mass: float
) -> dict[str, Inertia]:
    """Inertia of each SMPL joint's body.

    pieces: closed chains (N, 3, 3) m by joint (segments.body_pieces); joints: (3,) m by name, model
    frame; mass: kg. The masses sum to `mass`.
    Raises HumanoidError for an unknown sex, or a shape so far out that a piece has no volume.
    """
    table = deleva.segments(sex)
    cells = {name: matter(piece) for name, piece in pieces.items()}
    empty = [name for name, cell in cells.items() if cell.volume <= 0]
    if empty:
        raise HumanoidError(f"the shape folds: no volume is left for {', '.join(empty)}; use smaller betas")
    inertias = _trunk(pieces, joints, table, sex, mass)
    for segment, candidates in SEGMENT_JOINTS.items():
        names = [name for name in candidates if name in pieces]
        row = table[segment.removeprefix("left_").removeprefix("right_")]
        target = _target(segment, row, {name: pieces[name] for name in names}, joints, mass)
        shares = _shares([cells[name] for name in names], segment)
        moved = _moved([cells[name] for name in names], shares, target)
        for name, share, (com, covariance) in zip(names, shares, moved):
            inertias[name] = _inertia(target.mass * share, com - joints[name], covariance)
    return inertias


def _target(
    segment: str,
    row: deleva.Segment,
    pieces: Mapping[str, Array],
    joints: Mapping[str, Array],
    mass: float,
) -> _Target:
    """Where de Leva's segment lies on this body; pieces are those of the segment.

    The sagittal axis of the table is the antero-posterior one of a person who stands with the palms
    forward; it stays z for the head, the legs and the arms raised into the T-pose. A hand's palm faces
    down in the T-pose, which turns its sagittal axis (square to the palm) to y; and the foot's long
    axis runs from heel to toe, which turns its sagittal axis (square to the sole) to y too.
    """
    part = segment.removeprefix("left_").removeprefix("right_")
    names = list(pieces)
    y, z = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    points = np.concatenate([pieces[name].reshape(-1, 3) for name in names])
    if segment == "head":  # VERT-CERV: the top of the head, and C7 at the height of SMPL's neck joint
        top, base = points[:, 1].max(), joints["neck"][1]
        centroid = (matter(pieces["neck"]) + matter(pieces["head"])).centroid
        com = np.array([centroid[0], top - row.com * (top - base), centroid[2]])
        return _Target(mass * row.mass, com, _covariance(row, top - base, long_axis=y, sagittal_axis=z))
    if part == "foot":  # HEEL-TTIP, level
        ankle, toes = joints[names[0]], joints[names[1]]
        forward = np.array([toes[0] - ankle[0], 0.0, toes[2] - ankle[2]])
        forward /= np.linalg.norm(forward)
        reach = points @ forward
        heel, length = reach.min(), np.ptp(reach)
        centroid = (matter(pieces[names[0]]) + matter(pieces[names[1]])).centroid
        com = centroid + (heel + row.com * length - centroid @ forward) * forward
        return _Target(mass * row.mass, com, _covariance(row, length, long_axis=forward, sagittal_axis=y))
    if part == "hand":  # WJC-DAC3: along the line from the wrist to the finger tips
        wrist = joints[names[0]]
        along = knuckle(joints, segment.split("_")[0]) - wrist
        along = along / np.linalg.norm(along)
        length = ((points - wrist) @ along).max()
        com = wrist + row.com * length * along
        return _Target(mass * row.mass, com, _covariance(row, length, long_axis=along, sagittal_axis=y))
    start, end = joints[names[0]], joints[_BONE_END[part].format(side=segment.split("_")[0])]
    bone = end - start
    length = float(np.linalg.norm(bone))
    covariance = _covariance(row, length, long_axis=bone / length, sagittal_axis=z)
    return _Target(mass * row.mass, start + row.com * bone, covariance)


_BONE_END = {
    "upper_arm": "{side}_elbow",
    "forearm": "{side}_wrist",
    "thigh": "{side}_knee",
    "shank": "{side}_ankle",
}


def _covariance(row: deleva.Segment, length: float, long_axis: Array, sagittal_axis: Array) -> Array:
    """(3, 3) m2 mean of x x^T that has the row's radii of gyration.

    The squared radius about one axis is the sum of the variances along the other two.
    """
    sagittal_axis = sagittal_axis - (sagittal_axis @ long_axis) * long_axis
    sagittal_axis = sagittal_axis / np.linalg.norm(sagittal_axis)
    axes = np.stack([sagittal_axis, np.cross(long_axis, sagittal_axis), long_axis], axis=1)
    radii2 = (length * np.array([row.sagittal, row.transverse, row.longitudinal])) ** 2
    variances = radii2.sum() / 2 - radii2
    return (axes * variances) @ axes.T


def _shares(cells: list[Matter], segment: str) -> Array:
    """How a segment's mass divides among its bodies: by volume, with a floor under the neck."""
    volumes = np.array([cell.volume for cell in cells])
    shares = volumes / volumes.sum()
    if segment == "head" and shares[0] < LEAST_NECK_SHARE:
        shares = np.array([LEAST_NECK_SHARE, 1 - LEAST_NECK_SHARE])
    return shares


def _moved(cells: list[Matter], shares: Array, target: _Target) -> list[tuple[Array, Array]]:
    """Centroid and covariance of each cell after the affine map that gives their sum the target's.

    The map x -> com + A (x - centroid) with A = S^-1/2 (S^1/2 S* S^1/2)^1/2 S^-1/2 takes covariance S to
    S* and moves matter least (the optimal transport between Gaussians: Olkin, Pukelsheim 1982,
    doi 10.1016/0024-3795(82)90112-4). The image of a mass distribution is one, so no part can end up
    with a tensor that no body has.
    """
    centroid = sum((share * cell.centroid for share, cell in zip(shares, cells)), np.zeros(3))
    spread = [cell.centroid - centroid for cell in cells]
    covariance = sum(
        (share * (cell.covariance + np.outer(d, d)) for share, cell, d in zip(shares, cells, spread)),
        np.zeros((3, 3)),
    )
    root = _matrix_power(covariance, 0.5)
    inverse_root = _matrix_power(covariance, -0.5)
    A = inverse_root @ _matrix_power(root @ target.covariance @ root, 0.5) @ inverse_root
    return [(target.com + A @ d, A @ cell.covariance @ A.T) for cell, d in zip(cells, spread)]


def _trunk(
    pieces: Mapping[str, Array],
    joints: Mapping[str, Array],
    table: Mapping[str, deleva.Segment],
    sex: str,
    mass: float,
) -> dict[str, Inertia]:
    """Inertias of pelvis, spine1-3 and the collars.

    De Leva's trunk parts meet at omphalion and xiphion. On a SMPL body their heights are those of the
    table's mean person between the middle of the hips (MIDH) and the middle of the shoulders (MIDS).
    """
    up = np.array([0.0, 1.0, 0.0])
    midh = (joints["left_hip"] + joints["right_hip"]) / 2
    mids = (joints["left_shoulder"] + joints["right_shoulder"]) / 2
    trunk_length = deleva.trunk_length(sex)
    omphalion = midh + table["lower_trunk"].length / trunk_length * (mids - midh)
    xiphion = midh + (table["lower_trunk"].length + table["mid_trunk"].length) / trunk_length * (mids - midh)

    parts: dict[str, dict[str, Matter]] = {part: {} for part in deleva.TRUNK_PARTS}
    for name in TRUNK_JOINTS:
        above, lower = split(pieces[name], Plane(omphalion, up))
        upper, middle = split(above, Plane(xiphion, up))
        for part, chain in (("upper_trunk", upper), ("mid_trunk", middle), ("lower_trunk", lower)):
            parts[part][name] = matter(chain)
    nothing = Matter(0.0, np.zeros(3), np.zeros((3, 3)))
    bodies = dict.fromkeys(TRUNK_JOINTS, nothing)
    for part, cells in parts.items():
        volume = sum(cell.volume for cell in cells.values())
        if volume <= 0:
            raise HumanoidError(f"the shape folds: no volume is left for the {part}; use smaller betas")
        for name, cell in cells.items():
            bodies[name] = bodies[name] + cell * (mass * table[part].mass / volume)
    return {
        name: _inertia(body.volume, body.centroid - joints[name], body.covariance)
        for name, body in bodies.items()
    }


def _inertia(mass: float, com: Array, covariance: Array) -> Inertia:
    return Inertia(float(mass), com, mass * (np.trace(covariance) * np.eye(3) - covariance))


def _matrix_power(symmetric: Array, power: float) -> Array:
    """A power of a symmetric positive definite matrix."""
    values, vectors = np.linalg.eigh(symmetric)
    return (vectors * values**power) @ vectors.T
