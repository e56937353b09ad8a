"""The left half of a standing person as a signed field over the SMPL skeleton.

Lofts (tables of sections square to one axis), tapered capsules and ellipsoids are joined by smooth
unions. All lengths here are in millimetres in the pelvis frame: x to the person's left, y up, z
forward, the pelvis joint at the origin, T-pose with the palms down. Only x >= 0 is meant: the right
half is a mirror image.

Where the numbers come from
- Joints: the mean rest joints of SMPL as published numbers, left side, rounded, legs 2 % longer and the
  arms 7 mm lower; the midline is at x = 0.
- Sections: drawn by hand inside the usual range of adults, no survey's data and no scan. They were then
  scaled part by part until the shares of volume met the mass shares of de Leva 1996 (J. Biomech.
  29:1223-1230, doi 10.1016/0021-9290(95)00178-6), the mean of both sexes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Array = NDArray[np.float64]
Field = Callable[[Array], Array]

SOLE_Y = -963.0
"""Height of the flat sole, mm."""

LEFT_JOINTS: dict[str, tuple[float, float, float]] = {
    "pelvis": (0, 0, 0),
    "left_hip": (72, -87, -7),
    "spine1": (0, 109, -27),
    "left_knee": (104, -478, -11),
    "spine2": (0, 244, -26),
    "left_ankle": (92, -882, -53),
    "spine3": (0, 298, 0),
    "left_foot": (117, -937, 66),
    "neck": (0, 512, -43),
    "left_collar": (83, 416, -34),
    "head": (0, 578, 8),
    "left_shoulder": (176, 443, -43),
    "left_elbow": (438, 432, -70),
    "left_wrist": (688, 438, -72),
    "left_hand": (772, 430, -86),
}
"""Rest joints of the midline and the left side, mm from the pelvis."""

# Sections square to y, on the midline: y, half-width, z back, z front.
TORSO = [
    (-150, 92, -90, 80),
    (-120, 130, -106, 90),
    (-85, 164, -118, 96),
    (-40, 168, -122, 99),
    (10, 160, -114, 99),
    (60, 145, -104, 96),
    (110, 134, -100, 93),
    (150, 132, -101, 92),
    (200, 136, -107, 94),
    (260, 139, -114, 96),
    (320, 145, -119, 96),
    (370, 147, -121, 86),
    (410, 145, -120, 70),
    (440, 146, -120, 54),
    (470, 112, -108, 32),
    (500, 66, -94, 16),
]
NECK = [
    (420, 46, -82, 6),
    (450, 67, -97, 27),
    (490, 62, -93, 23),
    (530, 58, -85, 29),
    (570, 56, -77, 39),
    (615, 56, -75, 45),
]
FACE = [
    (550, 26, 22, 91),
    (563, 37, -8, 94),
    (585, 49, -42, 95),
    (610, 58, -58, 97),
    (640, 64, -62, 98),
    (668, 63, -60, 97),
    (690, 50, -46, 82),
    (708, 30, -24, 54),
]
# Sections square to y: y, x inner, x outer, z back, z front.
LEG = [
    (10, 62, 132, -78, 66),
    (-30, 42, 152, -92, 80),
    (-90, 14, 181, -110, 92),
    (-150, 10, 188, -110, 97),
    (-200, 10, 188, -105, 97),
    (-280, 16, 184, -93, 93),
    (-360, 28, 173, -82, 79),
    (-430, 43, 161, -69, 60),
    (-478, 50, 158, -67, 51),
    (-520, 50, 157, -78, 43),
    (-585, 43, 158, -100, 33),
    (-640, 47, 151, -103, 20),
    (-720, 58, 133, -98, 3),
    (-800, 63, 121, -96, -11),
    (-850, 61, 122, -97, -13),
    (-890, 60, 125, -97, -13),
]
# Sections square to x: x, y down, y up, z back, z front.
ARM = [
    (120, 388, 470, -90, 10),
    (160, 384, 491, -97, 13),
    (190, 383, 497, -99, 11),
    (225, 385, 490, -98, 3),
    (270, 387, 482, -99, -5),
    (330, 386, 475, -104, -10),
    (390, 388, 469, -107, -17),
    (438, 393, 467, -110, -26),
    (480, 392, 474, -115, -24),
    (530, 397, 475, -115, -28),
    (590, 404, 471, -109, -36),
    (645, 413, 463, -104, -41),
    (690, 416, 458, -102, -42),
]
PALM = [
    (684, 419, 459, -101, -44),
    (715, 412, 457, -115, -41),
    (750, 410, 453, -127, -38),
    (784, 412, 446, -127, -43),
]
# Sections square to z: z, x inner, x outer, y top (the sole cuts them below).
FOOT = [
    (-96, 68, 116, -912),
    (-70, 63, 121, -888),
    (-30, 62, 124, -876),
    (10, 64, 132, -890),
    (50, 66, 149, -913),
    (80, 67, 159, -926),
    (103, 69, 160, -934),
    (124, 74, 148, -940),
]
# Tapered capsules: start, end, radius at the start, radius at the end.
FINGERS = [
    ((760, 430, -56), (856, 426, -44), 11.0, 8.0),
    ((765, 430, -77), (872, 425, -76), 11.0, 8.0),
    ((762, 429, -97), (862, 424, -106), 11.0, 7.8),
    ((755, 428, -115), (838, 422, -133), 10.0, 7.2),
]
THUMB = [((702, 432, -58), (742, 426, -26), 17.0, 12.0), ((742, 426, -26), (784, 422, -8), 12.0, 8.5)]
TOES = [
    ((84, -946, 100), (89, -950, 137), 16.0, 12.0),
    ((107, -946, 100), (109, -952, 136), 13.0, 10.0),
    ((124, -946, 95), (126, -953, 128), 12.0, 9.5),
    ((139, -946, 88), (141, -953, 117), 12.0, 9.0),
    ((153, -946, 78), (154, -954, 103), 12.0, 9.0),
]
TRAPEZIUS = ((20, 540, -54), (155, 460, -50), 32.0, 32.0)
NOSE = ((0, 650, 91), (0, 610, 106), 7.0, 11.0)
# Ellipsoids: centre, radii.
BUTTOCK = ((72, -92, -72), (78, 86, 62))
PECTORAL = ((70, 350, 44), (84, 72, 44))
CRANIUM = ((0, 667, 2), (79, 91, 98))
EYE_SOCKET = ((33, 646, 107), (18, 11, 17))
LIPS = ((0, 577, 89), (21, 9, 8))
EAR = ((74, 634, -6), (11, 29, 17))


def person(points: Array) -> Array:
    """(N,) mm, negative inside the left half of the body, for points (N, 3) mm in the pelvis frame.

    Near the surface it is close to a distance; far away it only has the right sign.
    """
    return _person(points)


def _build() -> Field:
    """The union of all parts, from the tables of this module."""
    torso = _loft(1, _torso_rows(TORSO), power=2.4, cap=30.0)
    trunk = _union(
        [torso, _ellipsoid(*BUTTOCK), _ellipsoid(*PECTORAL), _capsule(*TRAPEZIUS)],
        blends=[45.0, 70.0, 60.0],
    )
    skull = _union([_loft(1, _torso_rows(FACE), power=2.1, cap=13.0), _ellipsoid(*CRANIUM)], blends=[30.0])
    face = _carved(skull, _ellipsoid(*EYE_SOCKET), blend=14.0)
    head = _union([face, _capsule(*NOSE), _ellipsoid(*LIPS), _ellipsoid(*EAR)], blends=[9.0, 10.0, 6.0])
    neck = _loft(1, _torso_rows(NECK), power=2.0, cap=20.0)
    leg = _loft(1, LEG, power=2.1, cap=25.0)
    foot = _union(
        [_loft(2, _foot_rows(FOOT), power=2.4, cap=18.0), *(_capsule(*toe) for toe in TOES)], [6.0] * 5
    )
    hand = _union(
        [_loft(0, PALM, power=2.4, cap=8.0), *(_capsule(*part) for part in (*THUMB, *FINGERS))],
        blends=[14.0, 6.0, *[7.0] * len(FINGERS)],
    )
    arm = _union([_loft(0, ARM, power=2.0, cap=30.0), hand], blends=[12.0])
    lower = _carved(_union([leg, foot], blends=[30.0]), _ground, blend=6.0)
    upper = _union([trunk, neck, head], blends=[50.0, 12.0])
    return _union([upper, arm, lower], blends=[42.0, 40.0])


def _torso_rows(rows: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    return [(y, -x, x, back, front) for y, x, back, front in rows]


def _foot_rows(rows: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    # Sections reach below the sole by a third of their height, so that its cut is wide.
    return [(z, x0, x1, SOLE_Y - (top - SOLE_Y) / 3, top) for z, x0, x1, top in rows]


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
        t = np.clip((points - a) @ bone / (bone @ bone), 0, 1)
        return np.linalg.norm(points - a - t[:, None] * bone, axis=1) - (r_start + (r_end - r_start) * t)

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
    return points[:, 1] - SOLE_Y


_person = _build()
