"""The numbers of the default bodies: joints, sections and parts of the left half, and how the sexes differ.

All lengths are in millimetres in the pelvis frame: x to the person's left, y up, z forward, the pelvis
joint at the origin, T-pose with the palms down. Only x >= 0 is meant: the right half is a mirror image.

Where the numbers come from
- Joints: the mean rest joints of SMPL as published numbers, left side, rounded, legs 2 % longer and the
  arms 7 mm lower; the midline is at x = 0.
- Sections: drawn by hand inside the usual range of adults, no survey's data and no scan. They were then
  scaled part by part until the shares of volume met the mass shares of de Leva 1996 (J. Biomech.
  29:1223-1230, doi 10.1016/0021-9290(95)00178-6), for the neutral body the mean of both sexes.
- The sexes: stature and mass are those of SURVEY, breadths and girths follow it in proportion.
"""

from __future__ import annotations

from dataclasses import dataclass

from smpl2mjcf.skeleton import SMPL_JOINTS, SMPL_PARENTS, mirror_name

JOINTS, PARENTS = SMPL_JOINTS, SMPL_PARENTS
MIRROR = [JOINTS.index(mirror_name(name)) for name in JOINTS]

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
"""Rest joints of the midline and the left side, mm from the pelvis, of the neutral body."""

# --- trunk and head: sections square to y, on the midline: y, half-width, z back, z front ---

TORSO = [
    (-150, 92, -90, 80),
    (-120, 130, -106, 90),
    (-85, 164, -118, 96),
    (-40, 168, -122, 99),
    (10, 160, -114, 99),
    (60, 145, -104, 96),
    (110, 134, -100, 93),
    (150, 131, -101, 92),
    (200, 134, -107, 94),
    (260, 133, -114, 97),
    (320, 138, -119, 98),
    (370, 148, -121, 90),
    (410, 152, -120, 73),
    (440, 147, -119, 56),
    (470, 112, -108, 34),
    (500, 66, -94, 16),
]
NECK = [
    (420, 46, -82, 6),
    (450, 66, -97, 26),
    (490, 60, -93, 21),
    (530, 56, -85, 25),
    (570, 55, -77, 33),
    (615, 55, -75, 42),
]
FACE = [
    (549, 30, 22, 84),
    (562, 44, -10, 89),
    (585, 57, -46, 90),
    (610, 61, -58, 93),
    (640, 65, -62, 94),
    (668, 64, -60, 96),
    (690, 50, -46, 82),
    (708, 30, -24, 54),
]
# Ellipsoids: centre, radii.
BUTTOCK = ((72, -92, -72), (78, 86, 62))
PECTORAL = ((64, 358, 44), (78, 62, 44))
CRANIUM = ((0, 667, 2), (79, 91, 98))
BROW = ((26, 661, 84), (22, 7, 9))
EYE_SOCKET = ((32, 644, 104), (17, 10, 17))
EYE = ((31, 644, 83), (12, 8, 11))
CHEEK = ((45, 622, 66), (17, 12, 15))
NOSTRIL = ((10, 615, 97), (8, 7, 8))
UPPER_LIP = ((0, 589, 89), (24, 6.5, 9))
LOWER_LIP = ((0, 573, 88), (21, 6.5, 9))
CHIN = ((0, 558, 82), (22, 15, 14))
EAR = ((75, 634, -8), (9, 30, 17))
EAR_HOLLOW = ((85, 636, -4), (6, 17, 8))
# Tapered capsules: start, end, radius at the start, radius at the end.
NOSE = ((0, 651, 94), (0, 619, 107), 6.5, 9.5)
TRAPEZIUS = ((20, 540, -54), (155, 460, -50), 32.0, 32.0)
SPINE_GROOVE = ((0, 60, -138), (0, 400, -150), 14.0, 14.0)

# --- legs: sections square to y: y, x inner, x outer, z back, z front ---

LEG = [
    (10, 62, 132, -78, 66),
    (-30, 42, 152, -92, 80),
    (-90, 14, 181, -110, 92),
    (-150, 10, 188, -110, 97),
    (-200, 10, 188, -105, 97),
    (-280, 16, 184, -93, 93),
    (-360, 28, 173, -82, 79),
    (-430, 43, 161, -66, 60),
    (-478, 50, 158, -61, 48),
    (-520, 50, 156, -70, 40),
    (-585, 44, 157, -97, 31),
    (-640, 48, 150, -99, 18),
    (-720, 58, 132, -95, 2),
    (-800, 63, 121, -94, -13),
    (-850, 62, 121, -94, -15),
    (-890, 61, 124, -95, -15),
]
PATELLA = ((102, -474, 42), (26, 32, 14))
CALF_INNER = ((80, -585, -78), (34, 80, 28))
MALLEOLI = (((64, -882, -50), (10, 16, 15)), ((121, -890, -58), (8, 15, 13)))
BEHIND_MALLEOLI = (((54, -872, -84), (14, 34, 14)), ((131, -876, -88), (14, 34, 14)))
# Sections square to z: z, x inner, x outer, y top (the sole cuts them below).
FOOT = [
    (-96, 68, 116, -912),
    (-70, 63, 121, -888),
    (-30, 63, 123, -876),
    (10, 65, 132, -890),
    (50, 66, 149, -912),
    (80, 67, 159, -927),
    (100, 70, 160, -937),
    (114, 76, 150, -943),
]
ARCH = ((58, -966, 4), (26, 15, 46))
TOES = [
    [((85, -945, 98), (89, -948, 124), 16.0, 13.0), ((89, -948, 124), (91, -950, 138), 13.0, 12.0)],
    [((109, -944, 98), (111, -946, 124), 11.5, 9.5), ((111, -946, 124), (112, -953, 138), 9.5, 9.0)],
    [((126, -945, 93), (129, -947, 116), 11.0, 9.0), ((129, -947, 116), (130, -954, 129), 9.0, 8.5)],
    [((141, -946, 86), (145, -948, 106), 10.5, 8.5), ((145, -948, 106), (146, -954, 118), 8.5, 8.2)],
    [((155, -947, 76), (160, -950, 94), 10.5, 8.5), ((160, -950, 94), (161, -954, 105), 8.5, 8.2)],
]

# --- arms: sections square to x: x, y down, y up, z back, z front ---

ARM = [
    (120, 388, 470, -90, 10),
    (160, 384, 491, -97, 13),
    (190, 383, 499, -101, 13),
    (225, 385, 493, -101, 5),
    (270, 387, 482, -98, -5),
    (330, 385, 475, -104, -8),
    (390, 388, 469, -107, -17),
    (438, 393, 467, -110, -26),
    (480, 391, 475, -114, -22),
    (530, 396, 476, -115, -26),
    (590, 404, 471, -109, -36),
    (645, 413, 463, -104, -41),
    (690, 417, 458, -102, -42),
]
PALM = [
    (684, 419, 459, -101, -44),
    (715, 412, 457, -113, -41),
    (745, 410, 455, -122, -38),
    (775, 413, 450, -124, -42),
]
HEEL_OF_HAND = (((722, 418, -56), (26, 12, 18)), ((724, 418, -102), (32, 11, 15)))
# Chains of tapered capsules: knuckle, two finger joints, tip; radii there.
FINGERS = [
    (((768, 433, -57), (810, 430, -51), (838, 422, -47), (858, 413, -45)), (11.5, 9.6, 8.6, 7.6)),
    (((772, 434, -78), (818, 432, -77), (850, 423, -76), (873, 413, -76)), (11.5, 9.8, 8.8, 7.8)),
    (((768, 433, -98), (812, 430, -101), (842, 421, -104), (864, 411, -106)), (11.2, 9.4, 8.5, 7.6)),
    (((759, 431, -115), (794, 427, -124), (815, 420, -130), (832, 412, -135)), (10.2, 8.4, 7.6, 6.9)),
]
THUMB = (((704, 430, -60), (738, 422, -33), (764, 417, -17), (787, 412, -9)), (17.0, 13.0, 10.8, 8.6))


@dataclass(frozen=True)
class Survey:
    """Means and standard deviations within one sex."""

    stature: float  # m
    stature_sd: float  # m
    mass: float  # kg
    mass_sd: float  # kg

    @property
    def mass_sd_at_given_stature(self) -> float:
        """kg, the standard deviation of mass among people of one stature."""
        return self.mass_sd * (1 - STATURE_MASS_CORRELATION**2) ** 0.5


SURVEY = {
    "female": Survey(stature=1.629, stature_sd=0.064, mass=67.8, mass_sd=11.0),
    "male": Survey(stature=1.756, stature_sd=0.069, mass=85.5, mass_sd=14.2),
}
"""ANSUR II: Gordon et al. 2014, 2012 Anthropometric Survey of U.S. Army Personnel: Methods and Summary
Statistics, NATICK/TR-15/007; 1986 women and 4082 men."""

STATURE_MASS_CORRELATION = 0.5
"""Within either sex, to one digit: an assumption; published coefficients of such surveys lie near it."""


@dataclass(frozen=True)
class Build:
    """How a body differs from the neutral tables. Stations are (y or x in mm, factor), linear between."""

    stature: float = 1.0  # scale of everything, last of all
    shoulder: float = 0.0  # mm that each shoulder and arm lies further out
    hip: float = 0.0  # mm that each hip joint lies further out, fading towards the ankle
    trunk_width: tuple[tuple[float, float], ...] = ((0, 1.0),)
    trunk_back: tuple[tuple[float, float], ...] = ((0, 1.0),)
    trunk_front: tuple[tuple[float, float], ...] = ((0, 1.0),)
    neck: float = 1.0
    head: float = 1.0
    leg: tuple[tuple[float, float], ...] = ((0, 1.0),)
    arm: tuple[tuple[float, float], ...] = ((0, 1.0),)
    hand: float = 1.0
    foot: float = 1.0
    buttock: float = 1.0
    jaw: float = 1.0
    pectoral: float = 1.0
    bust: tuple[tuple[float, ...], tuple[float, ...]] | None = None  # ellipsoid: centre, radii


BUILDS = {
    "neutral": Build(),
    "female": Build(
        stature=0.9414, shoulder=-5.5, hip=2.5,
        trunk_width=((-120, 1.08), (-40, 1.08), (60, 1.16), (140, 1.21), (320, 1.14), (440, 0.99)),
        trunk_back=((-120, 1.07), (140, 1.13), (400, 1.05)),
        trunk_front=((-120, 1.08), (100, 1.24), (300, 1.12), (400, 1.01)),
        neck=0.96, head=1.053,
        leg=((-30, 1.05), (-150, 1.08), (-300, 1.14), (-480, 1.05), (-590, 1.13), (-850, 1.09)),
        arm=((150, 1.03), (300, 1.09), (500, 1.045), (690, 1.02)),
        hand=1.04, foot=1.055, buttock=1.04, jaw=0.97, pectoral=0.95,
        bust=((70, 318, 80), (57, 54, 52)),
    ),
    "male": Build(
        stature=1.0158, shoulder=5.5, hip=-2.0,
        trunk_width=((-120, 0.99), (-40, 0.99), (60, 1.12), (140, 1.23), (320, 1.20), (440, 1.07)),
        trunk_back=((-120, 1.03), (140, 1.10), (400, 1.08)),
        trunk_front=((-120, 1.08), (100, 1.26), (300, 1.18), (400, 1.08)),
        neck=1.17, head=1.045,
        leg=((-30, 1.0), (-150, 1.055), (-300, 1.125), (-480, 1.05), (-590, 1.055), (-850, 1.06)),
        arm=((150, 1.05), (300, 1.11), (500, 1.14), (690, 1.08)),
        hand=1.065, foot=1.085, buttock=0.98, jaw=1.06, pectoral=1.06,
    ),
}  # fmt: skip
