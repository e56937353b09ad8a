"""Vertex numbers of markers on the public meshes: SMPL and SMPL-H (6890 vertices), SMPL-X (10475).

Numbers only, as each source publishes them; they mean nothing on another mesh. Where sources differ by
more than a few centimetres the marker is not better known than that: `landmarks` takes the source that
lies nearest to the anatomical definition. Left before right for markers of both sides.
"""

from __future__ import annotations

from collections.abc import Mapping

Candidates = Mapping[str, tuple[int, ...]]

SOURCES = {
    "mosh": "MoSh++ layouts, nghorbani/moshpp: Mahmood et al. 2019, AMASS, doi 10.1109/ICCV.2019.00554",
    "bsm": "SMPL2AddBiomechanics, bsm_markers: Keller et al. 2023, doi 10.1145/3618381",
    "smplx": "the smplx package, vertex_ids (keypoints of OpenPose)",
    "anthropometry": "DavidBoja/SMPL-Anthropometry and its descendants, landmark definitions",
    "vehs": "the SMPL-X marker layout of VEHS-7M (a data set of manual work) for MoSh++",
}

SMPL: Mapping[str, Candidates] = {
    "vertex": {"mosh": (411,), "anthropometry": (412,), "bsm": (414,)},
    "front_head": {"mosh": (0, 3512), "bsm": (136, 3648)},
    "back_head": {"mosh": (182, 3694), "bsm": (395, 3897)},
    "c7": {"mosh": (3470,), "bsm": (1306,), "anthropometry": (829,)},
    "t8": {"mosh": (3508,)},
    "t10": {"mosh": (3016,)},
    "suprasternale": {"mosh": (3171,), "bsm": (3169,)},
    "xiphoid": {"mosh": (3506,)},
    "scapula": {"mosh": (1812, 5273), "bsm": (1834, 5295)},
    "acromion": {"mosh": (1861, 5322), "bsm": (1239, 4724)},
    "upper_arm": {"mosh": (1443, 4918)},
    "lateral_humeral_epicondyle": {"mosh": (1666, 5135), "bsm": (1657, 5112)},
    "medial_humeral_epicondyle": {"mosh": (1725, 5194)},
    "forearm": {"mosh": (1568, 5037), "bsm": (1688, 5155)},
    "radial_styloid": {"mosh": (2112, 5573), "bsm": (2112, 5573)},
    "ulnar_styloid": {"mosh": (2108, 5568), "bsm": (2108, 5568)},
    "second_metacarpal_head": {"mosh": (2274, 5735)},
    "third_metacarpal_head": {"mosh": (2270, 5731), "bsm": (2214, 5675)},
    "fifth_metacarpal_head": {"mosh": (2193, 5655)},
    "dactylion": {"smplx": (2445, 5905), "bsm": (2445, 5905), "mosh": (2446, 5907)},
    "asis": {"mosh": (857, 4343), "bsm": (3156, 6573)},
    "psis": {"mosh": (3122, 6544), "bsm": (3099, 6522)},
    "sacrum": {"mosh": (1783,)},
    "greater_trochanter": {"mosh": (1454, 4927)},
    "thigh": {"mosh": (850, 4334), "bsm": (848, 4336)},
    "lateral_femoral_epicondyle": {"mosh": (1053, 4538), "bsm": (1010, 4495)},
    "medial_femoral_epicondyle": {"mosh": (1058, 4544), "bsm": (1148, 4634)},
    "shank": {"mosh": (1112, 4598), "bsm": (1076, 4560)},
    "lateral_malleolus": {"mosh": (3327, 6728), "bsm": (3328, 6727)},
    "medial_malleolus": {"bsm": (3199, 6599)},
    "heel": {"mosh": (3387, 6786), "bsm": (3387, 6786), "smplx": (3387, 6787)},
    "first_metatarsal_head": {"mosh": (3336, 6736)},
    "second_metatarsal_head": {"mosh": (3365, 6765), "bsm": (3348, 6749)},
    "fifth_metatarsal_head": {"mosh": (3346, 6747), "bsm": (3303, 6703)},
    "hallux": {"smplx": (3216, 6617), "bsm": (3216, 6618), "mosh": (3233, 6633)},
}

SMPLX: Mapping[str, Candidates] = {
    "vertex": {"anthropometry": (8976,), "bsm": (8969,), "vehs": (9011,)},
    "front_head": {"bsm": (797, 2256)},
    "back_head": {"bsm": (1016, 2374)},
    "c7": {"bsm": (3832,), "vehs": (3353,)},
    "t8": {"vehs": (5487,)},
    "suprasternale": {"bsm": (5619,), "vehs": (5533,)},
    "xiphoid": {"vehs": (5534,)},
    "scapula": {"bsm": (4452, 7188)},
    "acromion": {"bsm": (3878, 6629), "vehs": (3414, 6175)},
    # The right number as printed; bsm pairs the left one with 6995. A pair competes as one, so it loses.
    "lateral_humeral_epicondyle": {"bsm": (4293, 7017), "vehs": (4251, 6695)},
    "medial_humeral_epicondyle": {"vehs": (4371, 7107)},
    "forearm": {"bsm": (4324, 7060)},
    "radial_styloid": {"bsm": (4726, 7462), "vehs": (4726, 7462)},
    "ulnar_styloid": {"bsm": (4722, 7458), "vehs": (4722, 7458)},
    "second_metacarpal_head": {"mosh": (4747, 7483), "vehs": (4747, 7483)},
    "third_metacarpal_head": {"mosh": (4828, 7564), "bsm": (4828, 7564)},
    "fifth_metacarpal_head": {"mosh": (4676, 7412), "vehs": (4788, 7525)},
    "dactylion": {"smplx": (5058, 7794), "bsm": (5058, 7794)},
    "asis": {"bsm": (5727, 8421), "vehs": (5727, 8421)},
    "psis": {"bsm": (5675, 8369), "vehs": (4405, 7141)},
    "greater_trochanter": {"vehs": (4088, 6831)},
    "thigh": {"bsm": (3479, 6240)},
    "lateral_femoral_epicondyle": {"bsm": (3639, 6400), "vehs": (3684, 6445)},
    "medial_femoral_epicondyle": {"bsm": (3781, 6539), "vehs": (3999, 6747)},
    "shank": {"bsm": (3706, 6465)},
    "lateral_malleolus": {"bsm": (5881, 8575), "vehs": (5882, 8576)},
    "medial_malleolus": {"bsm": (5753, 8447), "vehs": (8892, 8680)},
    "heel": {"bsm": (8846, 8634), "vehs": (8846, 8634), "smplx": (8846, 8635)},
    "first_metatarsal_head": {"vehs": (5893, 8587)},
    "second_metatarsal_head": {"bsm": (5903, 8597)},
    "fifth_metatarsal_head": {"bsm": (5857, 8551), "vehs": (5899, 8593)},
    "hallux": {"smplx": (5770, 8463)},
}

BY_VERTEX_COUNT: Mapping[tuple[str, int], Mapping[str, Candidates]] = {
    ("smpl", 6890): SMPL,
    ("smplh", 6890): SMPL,
    ("smplx", 10475): SMPLX,
}
"""The tables by family and number of vertices."""
