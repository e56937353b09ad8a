"""The left half of a standing person as a signed field over the SMPL skeleton.

Lofts (tables of sections square to one axis), tapered capsules and ellipsoids are joined by smooth
unions and carved by smooth hollows. The tables are in body_tables; lengths are in millimetres in the
pelvis frame: x to the person's left, y up, z forward. Only x >= 0 is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import body_tables as t
import numpy as np
from body_tables import Build
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Array = NDArray[np.float64]
Field = Callable[[Array], Array]
Stations = Sequence[tuple[float, float]]


def person(build: Build) -> Field:
    """The field of a body: (N,) mm, negative inside its left half, for points (N, 3) mm.

    Near the surface it is close to a distance; far away it only has the right sign.
    """
    parts = _union([_upper(build), _arm(build), _lower(build)], blends=[46.0, 40.0])

    def field(points: Array) -> Array:
        return parts(points / build.stature) * build.stature

    return field


def joints(build: Build) -> dict[str, Array]:
    """Rest joints of the midline and the left side, (3,) mm from the pelvis."""
    moved = {}
    for name, place in t.LEFT_JOINTS.items():
        if name in _ARM_JOINTS:
            out = build.shoulder
        elif name == "left_collar":
            out = build.shoulder / 2
        else:
            out = build.hip * _leg_share(place[1]) if name.startswith("left") else 0
        moved[name] = build.stature * (np.array(place) + [out, 0, 0])
    return moved


_ARM_JOINTS = ("left_shoulder", "left_elbow", "left_wrist", "left_hand")


def _leg_share(y: float) -> float:
    """How much of the hips' breadth a height of the leg takes part in: none at the ankle."""
    hip, ankle = t.LEFT_JOINTS["left_hip"][1], t.LEFT_JOINTS["left_ankle"][1]
    return float(np.clip((y - ankle) / (hip - ankle), 0, 1))


def _upper(build: Build) -> Field:
    """Trunk, neck and head."""
    rows = [
        (y, -half * w, half * w, back * b, front * f)
        for (y, half, back, front), w, b, f in zip(
            t.TORSO,
            _at(build.trunk_width, t.TORSO),
            _at(build.trunk_back, t.TORSO),
            _at(build.trunk_front, t.TORSO),
        )
    ]
    torso = _loft(1, rows, power=2.3, cap=30.0)
    pectoral = (t.PECTORAL[0], np.multiply(t.PECTORAL[1], build.pectoral))
    buttock = (t.BUTTOCK[0], np.multiply(t.BUTTOCK[1], build.buttock))
    trapezius = (*t.TRAPEZIUS[:2], *(np.multiply(t.TRAPEZIUS[2:], (build.neck + 1) / 2)))
    trunk = _union(
        [torso, _ellipsoid(*buttock), _ellipsoid(*pectoral), _capsule(*trapezius)], blends=[45.0, 70.0, 60.0]
    )
    if build.bust:
        trunk = _union([trunk, _ellipsoid(*build.bust)], blends=[26.0])
    trunk = _carved(trunk, _capsule(*t.SPINE_GROOVE), blend=40.0)
    neck_rows = [(y, -half, half, back, front) for y, half, back, front in t.NECK]
    neck = _loft(1, _widened(neck_rows, [build.neck] * len(neck_rows)), power=2.0, cap=20.0)
    return _union([trunk, neck, _head(build)], blends=[50.0, 22.0])


def _head(build: Build) -> Field:
    jaw = [build.jaw] * len(t.FACE)
    face_rows = _widened([(y, -half, half, back, front) for y, half, back, front in t.FACE], jaw)
    skull = _union([_loft(1, face_rows, power=2.1, cap=13.0), _ellipsoid(*t.CRANIUM)], blends=[30.0])
    skull = _union(
        [skull, _ellipsoid(*t.BROW), _ellipsoid(*t.CHEEK), _ellipsoid(*t.CHIN)], blends=[16.0, 22.0, 14.0]
    )
    face = _union([_carved(skull, _ellipsoid(*t.EYE_SOCKET), blend=12.0), _ellipsoid(*t.EYE)], blends=[8.0])
    nose = _union([_capsule(*t.NOSE), _ellipsoid(*t.NOSTRIL)], blends=[6.0])
    lips = _union([_ellipsoid(*t.UPPER_LIP), _ellipsoid(*t.LOWER_LIP)], blends=[3.0])
    ear = _carved(_ellipsoid(*t.EAR), _ellipsoid(*t.EAR_HOLLOW), blend=5.0)
    head = _union([face, nose, lips, ear], blends=[13.0, 9.0, 6.0])
    return _scaled(head, t.LEFT_JOINTS["head"], build.head)


def _lower(build: Build) -> Field:
    """Leg and foot, cut level at the sole."""
    factors = _at(build.leg, t.LEG)
    shift = [build.hip * _leg_share(row[0]) for row in t.LEG]
    rows = [(y, a + dx, b + dx, c, d) for (y, a, b, c, d), dx in zip(t.LEG, shift)]
    ankle = [t.MALLEOLI[0], t.MALLEOLI[1]]
    leg = _union(
        [
            _loft(1, _widened(rows, factors, inner=0.6), power=2.1, cap=25.0),
            _ellipsoid(*t.PATELLA),
            _ellipsoid(*t.CALF_INNER),
            *(_ellipsoid(*bump) for bump in ankle),
        ],
        blends=[24.0, 50.0, 14.0, 14.0],
    )
    # Sections reach below the sole by a third of their height, so that its cut is wide.
    foot_rows = [(z, x0, x1, t.SOLE_Y - (top - t.SOLE_Y) / 3, top) for z, x0, x1, top in t.FOOT]
    foot = _carved(_loft(2, foot_rows, power=2.4, cap=16.0), _ellipsoid(*t.ARCH), blend=14.0)
    toes = [_union([_capsule(*part) for part in toe], blends=[3.0]) for toe in t.TOES]
    foot = _union([foot, *toes], blends=[10.0, *[3.5] * 4])
    foot = _scaled(foot, (t.LEFT_JOINTS["left_ankle"][0], t.SOLE_Y, -20.0), build.foot)
    lower = _union([leg, foot], blends=[30.0])
    for hollow in t.BEHIND_MALLEOLI:
        lower = _carved(lower, _ellipsoid(*hollow), blend=14.0)
    return _carved(lower, _ground, blend=5.0)


def _arm(build: Build) -> Field:
    """Arm and hand."""
    fingers = [_chain(*finger) for finger in (t.THUMB, *t.FINGERS)]
    palm = _union(
        [_loft(0, t.PALM, power=2.4, cap=8.0), *(_ellipsoid(*pad) for pad in t.HEEL_OF_HAND)], [14.0, 14.0]
    )
    hand = _union([palm, *fingers], blends=[14.0, *[6.0] * len(t.FINGERS)])
    hand = _scaled(hand, t.LEFT_JOINTS["left_wrist"], build.hand)
    rows = _widened(t.ARM, _at(build.arm, t.ARM))
    arm = _union([_loft(0, rows, power=2.0, cap=30.0), hand], blends=[14.0])

    def field(points: Array) -> Array:
        return arm(points - [build.shoulder, 0, 0])

    return field


def _at(stations: Stations, rows: Sequence[Sequence[float]]) -> Array:
    """(len(rows),) the factor at each row's station."""
    table = np.array(sorted(stations), dtype=np.float64)
    return np.interp([row[0] for row in rows], table[:, 0], table[:, 1])


def _widened(
    rows: Sequence[Sequence[float]], factors: Sequence[float] | Array, inner: float = 1.0
) -> list[tuple[float, ...]]:
    """Sections grown about their middles; their inner edge by a share of that, as legs touch otherwise."""
    grown = []
    for (station, u0, u1, v0, v1), factor in zip(rows, factors):
        du, dv = (factor - 1) * (u1 - u0) / 2, (factor - 1) * (v1 - v0) / 2
        grown.append((station, u0 - inner * du, u1 + (2 - inner) * du, v0 - dv, v1 + dv))
    return grown


def _scaled(part: Field, centre: Sequence[float], factor: float) -> Field:
    """A part grown about a centre."""
    c = np.asarray(centre, dtype=np.float64)

    def field(points: Array) -> Array:
        return part(c + (points - c) / factor) * factor

    return field


def _chain(points: Sequence[Sequence[float]], radii: Sequence[float]) -> Field:
    """Tapered capsules end to end: a finger."""
    links = [_capsule(a, b, ra, rb) for a, b, ra, rb in zip(points, points[1:], radii, radii[1:])]
    return _union(links, blends=[3.0] * (len(links) - 1))


def _loft(axis: int, rows: Sequence[Sequence[float]], power: float, cap: float) -> Field:
    """Superellipse sections square to an axis: rows of station, low u, high u, low v, high v.

    u and v are the other two axes in the order x, y, z. Beyond the last stations the section closes
    over `cap` mm.
    """
    table = np.array(sorted(rows), dtype=np.float64)
    sections = PchipInterpolator(table[:, 0], table[:, 1:])
    first, last = table[0, 0], table[-1, 0]
    others = [i for i in range(3) if i != axis]

    def field(points: Array) -> Array:
        along = np.clip(points[:, axis], first, last)
        low_u, high_u, low_v, high_v = sections(along).T
        u = np.abs(points[:, others[0]] - (low_u + high_u) / 2) / ((high_u - low_u) / 2)
        v = np.abs(points[:, others[1]] - (low_v + high_v) / 2) / ((high_v - low_v) / 2)
        w = np.abs(points[:, axis] - along) / cap
        flat = (u**power + v**power + 1e-12) ** (1 / power)
        level = np.sqrt(flat**2 + w**2)
        # First-order distance: (level - 1) / |gradient of level|.
        slope_u = flat ** (2 - power) * u ** (power - 1) / ((high_u - low_u) / 2)
        slope_v = flat ** (2 - power) * v ** (power - 1) / ((high_v - low_v) / 2)
        slope = np.sqrt(slope_u**2 + slope_v**2 + (w / cap) ** 2) / level
        return (level - 1) / np.maximum(slope, 1e-6)

    return field


def _capsule(start: Sequence[float], end: Sequence[float], r_start: float, r_end: float) -> Field:
    """A tapered capsule between two points."""
    a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    bone = b - a

    def field(points: Array) -> Array:
        along = np.clip((points - a) @ bone / (bone @ bone), 0, 1)
        gap = np.linalg.norm(points - a - along[:, None] * bone, axis=1)
        return gap - (r_start + (r_end - r_start) * along)

    return field


def _ellipsoid(centre: Sequence[float], radii: Sequence[float]) -> Field:
    """An ellipsoid along the axes, to first order in distance."""
    c, r = np.asarray(centre, dtype=np.float64), np.asarray(radii, dtype=np.float64)

    def field(points: Array) -> Array:
        scaled = (points - c) / r
        level = np.linalg.norm(scaled, axis=1)
        return level * (level - 1) / np.maximum(np.linalg.norm(scaled / r, axis=1), 1e-9)

    return field


def _union(fields: Sequence[Field], blends: Sequence[float]) -> Field:
    """The smooth union, part by part; blends[i] mm is the width over which part i + 1 joins."""

    def field(points: Array) -> Array:
        value = fields[0](points)
        for part, width in zip(fields[1:], blends):
            other = part(points)
            overlap = np.maximum(width - np.abs(value - other), 0) / width
            value = np.minimum(value, other) - overlap**2 * width / 4
        return value

    return field


def _carved(part: Field, hollow: Field, blend: float) -> Field:
    """A part less a hollow, with the edge rounded over `blend` mm."""

    def field(points: Array) -> Array:
        value, outside = part(points), -hollow(points)
        overlap = np.maximum(blend - np.abs(value - outside), 0) / blend
        return np.maximum(value, outside) + overlap**2 * blend / 4

    return field


def _ground(points: Array) -> Array:
    """Height above the sole, mm: negative in the ground."""
    return points[:, 1] - t.SOLE_Y
