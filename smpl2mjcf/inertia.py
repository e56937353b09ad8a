"""Rigid-body inertia of every SMPL joint: de Leva's segments laid over the body's own matter.

Each de Leva segment has a mass share, a centre of mass and three radii of gyration. A limb segment is
one SMPL body and takes them as they are. Head (neck + head), hand (wrist + hand, or wrist + finger
bones) and foot (ankle + foot) are several SMPL bodies each: their matter is moved by the one affine map
that gives the whole segment de Leva's values and moves matter least, so each part stays a possible rigid
body and together they are de Leva's segment exactly. A hand whose fingers are merged into the wrist is
one body. The trunk's upper, middle and lower parts get de Leva's masses as
densities, and SMPL's six trunk bodies are summed from what they hold of each part.

That is the mode "deleva". "mesh" gives every body the mesh's own moments at one density; "hybrid" gives
it de Leva's mass and the mesh's centre of mass and shape.

The formulas take NumPy and JAX arrays alike: humanoid.py measures one mesh exactly, shape_arrays.py traces
them over many.

Source: de Leva 1996 (see deleva.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Protocol

import numpy as np

from . import deleva
from .cut_plan import TRUNK_JOINTS, UP, Cut, Plane, knuckle
from .errors import HumanoidError
from .matrix_roots import namespace_of, root_and_inverse
from .segments import Matter, cut_up, matter
from .skeleton import FINGER_JOINTS, SIDES

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

BODY_DENSITY = 985.0
"""kg/m3, mean density of a living body with air in its lungs; turns mesh volume into mass."""

MASS_RANGE = (0.5, 500.0)
"""kg that a person can weigh, from a preterm child to the heaviest adults; grams and pounds do not fit."""

LEAST_NECK_SHARE = 0.08
"""Of head + neck. Some SMPL shapes put the head joint so low that the neck's slab nearly vanishes."""

MODES = ("deleva", "mesh", "hybrid")
"""Where masses and shapes come from: de Leva's table; the mesh at one density; de Leva's masses on the
mesh's shape."""

TRUNKS = ("parts", "whole")
"""What of de Leva's trunk is met: the masses of its three parts; or also the whole trunk's centre of mass
and radii of gyration, by one affine map of its six bodies."""

SEGMENT_JOINTS = {
    "head": ("neck", "head"),
    **{f"{side}_upper_arm": (f"{side}_shoulder",) for side in SIDES},
    **{f"{side}_forearm": (f"{side}_elbow",) for side in SIDES},
    **{
        f"{side}_hand": (f"{side}_wrist", f"{side}_hand", *(n for n in FINGER_JOINTS if n.startswith(side)))
        for side in SIDES
    },
    **{f"{side}_thigh": (f"{side}_hip",) for side in SIDES},
    **{f"{side}_shank": (f"{side}_knee",) for side in SIDES},
    **{f"{side}_foot": (f"{side}_ankle", f"{side}_foot") for side in SIDES},
}
"""The SMPL bodies that each de Leva segment outside the trunk can have; a humanoid has some of a hand's."""


@dataclass(frozen=True)
class Inertia:
    """Mass distribution of one body."""

    mass: float  # kg
    com: Array  # (3,) m, in the body frame (origin at the joint, axes of SMPL's rest frame)
    tensor: Array  # (3, 3) kg m2, about com, body axes


class Cells(Protocol):
    """The matter of a cut body: one cell a joint, a trunk joint's divided among de Leva's trunk parts."""

    @property
    def names(self) -> Sequence[str]:
        """The joints that have a cell."""
        ...

    def matter(self, name: str) -> Matter:
        """Moments of a joint's cell, or of `trunk_cell(joint, part)`."""
        ...

    def extent(self, names: Sequence[str], direction: Array) -> tuple[Array, Array]:
        """m, the least and greatest reach of some joints' cells along a direction (3,)."""
        ...


class Chains:
    """The Cells of closed chains (N, 3, 3) m by joint, T-pose, model frame."""

    def __init__(self, pieces: Mapping[str, Array], joints: Mapping[str, Array], sex: str) -> None:
        self._pieces = pieces
        self._matter = {name: matter(piece) for name, piece in pieces.items() if name not in TRUNK_JOINTS}
        for name in TRUNK_JOINTS:
            piece = pieces[name]
            corners = np.arange(3 * len(piece)).reshape(-1, 3)
            cuts = [cut for cut in trunk_cuts(joints, sex) if cut.of.split(":")[0] == name]
            parts = cut_up(piece.reshape(-1, 3), corners, cuts, name)
            whole = Matter(0.0, np.zeros(3), np.zeros((3, 3)))
            for cell, chain in parts.items():
                self._matter[cell] = matter(chain)
                whole = whole + self._matter[cell]
            self._matter[name] = whole

    @property
    def names(self) -> Sequence[str]:
        """The joints that have a cell."""
        return list(self._pieces)

    def matter(self, name: str) -> Matter:
        """Moments of a joint's cell, or of `trunk_cell(joint, part)`."""
        return self._matter[name]

    def extent(self, names: Sequence[str], direction: Array) -> tuple[Array, Array]:
        """m, the least and greatest reach of some joints' cells along a direction (3,)."""
        reach = np.concatenate([self._pieces[name].reshape(-1, 3) @ direction for name in names])
        return reach.min(), reach.max()


@dataclass(frozen=True)
class _Target:
    """What de Leva says of one segment: mass kg, com (3,) m, covariance (3, 3) m2, model frame."""

    mass: Array
    com: Array
    covariance: Array


@dataclass(frozen=True)
class _Mass:
    """A body's mass in kg, its centre (3,) m in the model frame, the covariance (3, 3) m2 of its matter."""

    mass: Array
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


def require_volumes(cells: Cells) -> None:
    """Raise HumanoidError where a joint or a trunk part holds no matter, naming it."""
    empty = [name for name in cells.names if not cells.matter(name).volume > 0]
    empty += [
        part
        for part in deleva.TRUNK_PARTS
        if not sum(cells.matter(trunk_cell(name, part)).volume for name in TRUNK_JOINTS) > 0
    ]
    if empty:
        raise HumanoidError(f"the shape folds: no volume is left for {', '.join(empty)}; use smaller betas")


def trunk_cell(joint: str, part: str) -> str:
    """The name of the cell that a trunk joint holds of one of de Leva's trunk parts."""
    return f"{joint}:{part}"


def trunk_cuts(joints: Mapping[str, Array], sex: str) -> list[Cut]:
    """The cuts of each trunk joint's piece at omphalion and xiphion.

    On a SMPL body their heights are those of the table's mean person between the middle of the hips (MIDH)
    and the middle of the shoulders (MIDS). joints: (3,) m by name. Raises HumanoidError for an unknown sex.
    """
    table, length = deleva.segments(sex), deleva.trunk_length(sex)
    midh, mids = _trunk_axis(joints)
    lower, mid = table["lower_trunk"].length / length, table["mid_trunk"].length / length
    omphalion = Plane(midh + lower * (mids - midh), UP)
    xiphion = Plane(midh + (lower + mid) * (mids - midh), UP)
    upper_part, mid_part, lower_part = deleva.TRUNK_PARTS
    cuts = []
    for name in TRUNK_JOINTS:
        above = trunk_cell(name, upper_part)
        cuts += [
            Cut(name, omphalion, above, trunk_cell(name, lower_part)),
            Cut(above, xiphion, above, trunk_cell(name, mid_part)),
        ]
    return cuts


def body_inertias(
    cells: Cells,
    joints: Mapping[str, Array],
    sex: str,
    mass: Array,
    mode: str = "deleva",
    trunk: str = "parts",
) -> dict[str, Inertia]:
    """Inertia of each SMPL joint's body.

    cells: the body's matter; joints: (3,) m by name, model frame; mass: kg, which the bodies' sum to;
    mode: one of MODES; trunk: one of TRUNKS. Raises HumanoidError for an unknown sex, mode or trunk.
    """
    if mode not in MODES:
        raise HumanoidError(f"unknown inertia {mode!r}; accepted: {', '.join(MODES)}")
    if trunk not in TRUNKS:
        raise HumanoidError(f"unknown trunk {trunk!r}; accepted: {', '.join(TRUNKS)}")
    if mode == "mesh":
        density = mass / sum(cells.matter(name).volume for name in cells.names)
        masses = {name: _as_mass(cells.matter(name) * density) for name in cells.names}
    else:
        table = deleva.segments(sex)
        masses = _trunk_masses(cells, table, mass)
        for segment, candidates in SEGMENT_JOINTS.items():
            names = [name for name in candidates if name in cells.names]
            masses |= _segment_masses(segment, names, cells, joints, table, mass, mode)
    if trunk == "whole":
        target = _trunk_target(masses, joints, deleva.whole_trunk(sex))
        moved = _moved([masses[name] for name in TRUNK_JOINTS], target.com, target.covariance)
        masses |= dict(zip(TRUNK_JOINTS, moved))
    return {name: _inertia(body, joints[name]) for name, body in masses.items()}


def _segment_masses(
    segment: str,
    names: Sequence[str],
    cells: Cells,
    joints: Mapping[str, Array],
    table: Mapping[str, deleva.Segment],
    mass: Array,
    mode: str,
) -> dict[str, _Mass]:
    """The bodies of one segment outside the trunk: they share its mass by volume."""
    row = table[segment.removeprefix("left_").removeprefix("right_")]
    matters = [cells.matter(name) for name in names]
    shares = _shares([cell.volume for cell in matters], segment)
    bodies = [
        _Mass(mass * row.mass * share, cell.centroid, cell.covariance) for share, cell in zip(shares, matters)
    ]
    if mode == "deleva":
        target = _target(segment, row, names, cells, joints)
        bodies = _moved(bodies, target.com, target.covariance)
    return dict(zip(names, bodies))


def _target(
    segment: str,
    row: deleva.Segment,
    names: Sequence[str],
    cells: Cells,
    joints: Mapping[str, Array],
) -> _Target:
    """Where de Leva's segment lies on this body; names are its joints.

    The sagittal axis of the table is the antero-posterior one of a person who stands with the palms
    forward; it stays z for the head, the legs and the arms raised into the T-pose. A hand's palm faces
    down in the T-pose, which turns its sagittal axis (square to the palm) to y; and the foot's long
    axis runs from heel to toe, which turns its sagittal axis (square to the sole) to y too.
    """
    part = segment.removeprefix("left_").removeprefix("right_")
    y, z = UP, np.array([0.0, 0.0, 1.0])
    if segment == "head":  # VERT-CERV: the top of the head, and C7 at the height of SMPL's neck joint
        top, base = cells.extent(names, y)[1], joints["neck"][1]
        centroid = (cells.matter("neck") + cells.matter("head")).centroid
        com = centroid + (top - row.com * (top - base) - centroid[1]) * y
        return _Target(row.mass, com, _covariance(row, top - base, long_axis=y, sagittal_axis=z))
    if part == "foot":  # HEEL-TTIP, level
        ankle, toes = joints[names[0]], joints[names[1]]
        forward = _unit((toes - ankle) * np.array([1.0, 0.0, 1.0]))
        heel, tip = cells.extent(names, forward)
        centroid = (cells.matter(names[0]) + cells.matter(names[1])).centroid
        com = centroid + (heel + row.com * (tip - heel) - centroid @ forward) * forward
        return _Target(row.mass, com, _covariance(row, tip - heel, long_axis=forward, sagittal_axis=y))
    if part == "hand":  # WJC-DAC3: along the line from the wrist to the finger tips
        wrist = joints[names[0]]
        along = _unit(knuckle(joints, segment.split("_")[0]) - wrist)
        length = cells.extent(names, along)[1] - wrist @ along
        com = wrist + row.com * length * along
        return _Target(row.mass, com, _covariance(row, length, long_axis=along, sagittal_axis=y))
    start, end = joints[names[0]], joints[_BONE_END[part].format(side=segment.split("_")[0])]
    bone = end - start
    covariance = _covariance(row, _norm(bone), long_axis=_unit(bone), sagittal_axis=z)
    return _Target(row.mass, start + row.com * bone, covariance)


_BONE_END = {
    "upper_arm": "{side}_elbow",
    "forearm": "{side}_wrist",
    "thigh": "{side}_knee",
    "shank": "{side}_ankle",
}


def _trunk_target(bodies: Mapping[str, _Mass], joints: Mapping[str, Array], row: deleva.Segment) -> _Target:
    """Where de Leva's whole trunk lies, MIDS-MIDH: at its height on the axis, as deep as its own matter."""
    midh, mids = _trunk_axis(joints)
    axis = mids - midh
    total = sum(bodies[name].mass for name in TRUNK_JOINTS)
    centroid = sum(bodies[name].mass * bodies[name].com for name in TRUNK_JOINTS) / total
    along = _unit(axis)
    com = centroid + ((mids - row.com * axis - centroid) @ along) * along
    covariance = _covariance(row, _norm(axis), long_axis=along, sagittal_axis=np.array([0.0, 0.0, 1.0]))
    return _Target(row.mass, com, covariance)


def _trunk_axis(joints: Mapping[str, Array]) -> tuple[Array, Array]:
    """(3,) m each: MIDH and MIDS, the middles of the hips and of the shoulders."""
    midh = (joints["left_hip"] + joints["right_hip"]) / 2
    mids = (joints["left_shoulder"] + joints["right_shoulder"]) / 2
    return midh, mids


def _covariance(row: deleva.Segment, length: Array, long_axis: Array, sagittal_axis: Array) -> Array:
    """(3, 3) m2 mean of x x^T that has the row's radii of gyration.

    The squared radius about one axis is the sum of the variances along the other two.
    """
    xp = namespace_of(long_axis)
    sagittal_axis = _unit(sagittal_axis - (sagittal_axis @ long_axis) * long_axis)
    axes = xp.stack([sagittal_axis, xp.cross(long_axis, sagittal_axis), long_axis], axis=1)
    radii2 = (length * np.array([row.sagittal, row.transverse, row.longitudinal])) ** 2
    variances = radii2.sum() / 2 - radii2
    return (axes * variances) @ axes.T


def _shares(volumes: Sequence[Array], segment: str) -> list[Array]:
    """How a segment's mass divides among its bodies: by volume, with a floor under the neck."""
    total = sum(volumes)
    shares = [volume / total for volume in volumes]
    if segment == "head":
        neck = namespace_of(total).maximum(shares[0], LEAST_NECK_SHARE)
        shares = [neck, 1 - neck]
    return shares


def _moved(bodies: Sequence[_Mass], com: Array, covariance: Array) -> list[_Mass]:
    """Bodies after the affine map that gives their sum a centre of mass (3,) m and a covariance (3, 3) m2.

    The map x -> com + A (x - centroid) with A = S^-1/2 (S^1/2 S* S^1/2)^1/2 S^-1/2 takes covariance S to
    S* and moves matter least (the optimal transport between Gaussians: Olkin, Pukelsheim 1982,
    doi 10.1016/0024-3795(82)90112-4). The image of a mass distribution is one, so no part can end up
    with a tensor that no body has.
    """
    total = sum(body.mass for body in bodies)
    shares = [body.mass / total for body in bodies]
    centroid = sum(share * body.com for share, body in zip(shares, bodies))
    spread = [body.com - centroid for body in bodies]
    present = sum(
        share * (body.covariance + d[:, None] * d) for share, body, d in zip(shares, bodies, spread)
    )
    root, inverse_root = root_and_inverse(present)
    middle, _ = root_and_inverse(root @ covariance @ root)
    A = inverse_root @ middle @ inverse_root
    return [_Mass(body.mass, com + A @ d, A @ body.covariance @ A.T) for body, d in zip(bodies, spread)]


def _trunk_masses(cells: Cells, table: Mapping[str, deleva.Segment], mass: Array) -> dict[str, _Mass]:
    """Pelvis, spine1-3 and the collars, each trunk part's mass a density over its matter."""
    density = {
        part: mass
        * table[part].mass
        / sum(cells.matter(trunk_cell(name, part)).volume for name in TRUNK_JOINTS)
        for part in deleva.TRUNK_PARTS
    }
    bodies = {}
    for name in TRUNK_JOINTS:
        upper, middle, lower = (cells.matter(trunk_cell(name, part)) * density[part] for part in density)
        bodies[name] = _as_mass(upper + middle + lower)
    return bodies


def _as_mass(weighted: Matter) -> _Mass:
    return _Mass(weighted.volume, weighted.centroid, weighted.covariance)


def _inertia(body: _Mass, joint: Array) -> Inertia:
    trace = body.covariance[0, 0] + body.covariance[1, 1] + body.covariance[2, 2]
    return Inertia(body.mass, body.com - joint, body.mass * (trace * np.eye(3) - body.covariance))


def _norm(vector: Array) -> Array:
    return (vector @ vector) ** 0.5


def _unit(vector: Array) -> Array:
    return vector / _norm(vector)
