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

The formulas take NumPy and JAX arrays alike: humanoid.py measures one mesh exactly, population.py traces
them over many.

Source: de Leva 1996 (see deleva.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from . import deleva
from .cells import Cells, trunk_cell
from .cut_plan import TRUNK_JOINTS
from .errors import HumanoidError
from .matrix_roots import namespace_of, root_and_inverse
from .options import INERTIAS, TRUNKS
from .segment_frames import SEGMENT_JOINTS, SegmentFrame, segment_frame, segment_part, trunk_frame
from .segments import Matter

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

BODY_DENSITY = 985.0
"""kg/m3, mean density of a living body with air in its lungs; turns mesh volume into mass."""

MASS_RANGE = (0.5, 500.0)
"""kg that a person can weigh, from a preterm child to the heaviest adults; grams and pounds do not fit."""

LEAST_NECK_SHARE = 0.08
"""Of head + neck. Some SMPL shapes put the head joint so low that the neck's slab nearly vanishes."""


@dataclass(frozen=True)
class Inertia:
    """Mass distribution of one body."""

    mass: float  # kg
    com: Array  # (3,) m, in the body frame (origin at the joint, axes of SMPL's rest frame)
    tensor: Array  # (3, 3) kg m2, about com, body axes


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
    mode: one of INERTIAS; trunk: one of TRUNKS. Raises HumanoidError for an unknown sex, mode or trunk.
    """
    if mode not in INERTIAS:
        raise HumanoidError(f"unknown inertia {mode!r}; accepted: {', '.join(INERTIAS)}")
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
        bodies = [masses[name] for name in TRUNK_JOINTS]
        centroid = sum(body.mass * body.com for body in bodies) / sum(body.mass for body in bodies)
        target = _target(deleva.whole_trunk(sex), trunk_frame(joints, centroid))
        masses |= dict(zip(TRUNK_JOINTS, _moved(bodies, *target)))
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
    row = table[segment_part(segment)]
    matters = [cells.matter(name) for name in names]
    shares = _shares([cell.volume for cell in matters], segment)
    bodies = [
        _Mass(mass * row.mass * share, cell.centroid, cell.covariance) for share, cell in zip(shares, matters)
    ]
    if mode == "deleva":
        bodies = _moved(bodies, *_target(row, segment_frame(segment, names, cells, joints)))
    return dict(zip(names, bodies))


def _target(row: deleva.Segment, frame: SegmentFrame) -> tuple[Array, Array]:
    """Centre of mass (3,) m and covariance (3, 3) m2 that the table gives a segment, model frame.

    The squared radius about one axis is the sum of the variances along the other two.
    """
    axes = namespace_of(frame.long_axis).stack(frame.axes, axis=1)
    radii2 = (frame.length * np.array([row.sagittal, row.transverse, row.longitudinal])) ** 2
    variances = radii2.sum() / 2 - radii2
    return frame.origin + row.com * frame.length * frame.long_axis, (axes * variances) @ axes.T


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
    if len(bodies) == 1:  # A S A^T is S*
        return [_Mass(bodies[0].mass, com, covariance)]
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
