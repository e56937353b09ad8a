"""Segment inertia of de Leva (1996): masses, centres of mass and radii of gyration, both sexes.

Source: P. de Leva, Adjustments to Zatsiorsky-Seluyanov's segment inertia parameters,
J. Biomech. 29(9):1223-1230, 1996, table 4, doi 10.1016/0021-9290(95)00178-6.

Every percentage belongs to its own pair of endpoints. The centre of mass runs from the endpoint
named first. The three radii of gyration are about axes through it: `sagittal` the antero-posterior
axis, `transverse` the medio-lateral axis, `longitudinal` the segment's long axis, all in the
anatomical position (standing, arms down, palms forward).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from .errors import HumanoidError


@dataclass(frozen=True)
class Segment:
    """One row of the table, as fractions."""

    mass: float  # of body mass
    com: float  # of the endpoint distance, from the first endpoint
    sagittal: float  # radius of gyration about the antero-posterior axis, of the endpoint distance
    transverse: float  # about the medio-lateral axis
    longitudinal: float  # about the long axis
    length: float  # m, mean endpoint distance of the measured people


# Percentages and mm as printed; endpoint sets chosen to suit a skeleton of joint centres.
# name: endpoints, (mass, com, sagittal, transverse, longitudinal, length in mm)
_FEMALE = {
    "head": (6.68, 48.41, 27.1, 29.5, 26.1, 243.7),  # VERT-CERV
    "upper_trunk": (15.45, 20.77, 74.6, 50.2, 71.8, 142.5),  # SUPR-XYPH
    "mid_trunk": (14.65, 45.12, 43.3, 35.4, 41.5, 205.3),  # XYPH-OMPH
    "lower_trunk": (12.47, 49.20, 43.3, 40.2, 44.4, 181.5),  # OMPH-MIDH
    "upper_arm": (2.55, 57.54, 27.8, 26.0, 14.8, 275.1),  # SJC-EJC
    "forearm": (1.38, 45.59, 26.1, 25.7, 9.4, 264.3),  # EJC-WJC
    "hand": (0.56, 34.27, 24.4, 20.8, 15.4, 170.1),  # WJC-DAC3
    "thigh": (14.78, 36.12, 36.9, 36.4, 16.2, 368.5),  # HJC-KJC
    "shank": (4.81, 43.52, 26.7, 26.3, 9.2, 438.6),  # KJC-AJC
    "foot": (1.29, 40.14, 29.9, 27.9, 13.9, 228.3),  # HEEL-TTIP
}
_MALE = {
    "head": (6.94, 50.02, 30.3, 31.5, 26.1, 242.9),
    "upper_trunk": (15.96, 29.99, 71.6, 45.4, 65.9, 170.7),
    "mid_trunk": (16.33, 45.02, 48.2, 38.3, 46.8, 215.5),
    "lower_trunk": (11.17, 61.15, 61.5, 55.1, 58.7, 145.7),
    "upper_arm": (2.71, 57.72, 28.5, 26.9, 15.8, 281.7),
    "forearm": (1.62, 45.74, 27.6, 26.5, 12.1, 268.9),
    "hand": (0.61, 36.24, 28.8, 23.5, 18.4, 187.9),
    "thigh": (14.16, 40.95, 32.9, 32.9, 14.9, 422.2),
    "shank": (4.33, 43.95, 25.1, 24.6, 10.2, 440.3),
    "foot": (1.37, 44.15, 25.7, 24.5, 12.4, 258.1),
}
_WHOLE_TRUNK = {
    "female": (42.57, 37.82, 37.9, 36.1, 18.2, 497.9),
    "male": (43.46, 43.10, 38.4, 35.8, 19.7, 515.5),
}  # MIDS-MIDH, from the middle of the shoulders to the middle of the hips

PAIRED = ("upper_arm", "forearm", "hand", "thigh", "shank", "foot")
"""Segments that a person has two of."""

TRUNK_PARTS = ("upper_trunk", "mid_trunk", "lower_trunk")


def segments(sex: str) -> dict[str, Segment]:
    """The table of one sex by segment name, masses renormalised so that the whole body is exactly 1.

    The female column sums to 99.99 %. "neutral" is the mean of both sexes, value by value.
    Raises HumanoidError for an unknown sex.
    """
    if sex == "neutral":
        female, male = segments("female"), segments("male")
        return {name: _mean(female[name], male[name]) for name in female}
    if sex not in ("female", "male"):
        raise HumanoidError(f"unknown sex {sex!r}; accepted: neutral, female, male")
    rows = _FEMALE if sex == "female" else _MALE
    total = _total(rows)
    return {name: _segment(row, total) for name, row in rows.items()}


def whole_trunk(sex: str) -> Segment:
    """The trunk as one segment, MIDS-MIDH; its share of mass is the sum of its parts' in segments().

    Its centre of mass is the table's own row: the male parts compose to a point .5 % of the trunk's length
    lower, a disagreement within the printed table. Raises HumanoidError for an unknown sex.
    """
    if sex == "neutral":
        return _mean(whole_trunk("female"), whole_trunk("male"))
    mass = sum(segments(sex)[part].mass for part in TRUNK_PARTS)
    return replace(_segment(_WHOLE_TRUNK[sex], 100.0), mass=mass)


def trunk_length(sex: str) -> float:
    """m, de Leva's mean MIDS-MIDH distance; the mean of both sexes for "neutral"."""
    return whole_trunk(sex).length


def _total(rows: Mapping[str, tuple[float, ...]]) -> float:
    """% that the masses of a whole body sum to."""
    return sum(row[0] * (2 if name in PAIRED else 1) for name, row in rows.items())


def _segment(row: tuple[float, ...], total: float) -> Segment:
    mass, com, sagittal, transverse, longitudinal, length = row
    return Segment(
        mass / total, com / 100, sagittal / 100, transverse / 100, longitudinal / 100, length / 1e3
    )


def _mean(a: Segment, b: Segment) -> Segment:
    fields = Segment.__dataclass_fields__
    return Segment(**{name: (getattr(a, name) + getattr(b, name)) / 2 for name in fields})
