"""The shape directions: what each beta does to the bones and to the skin, and how large its unit is.

A direction stretches each bone's matter along and across the bone at its own rate. The joint displacements
follow from the chain of bones, or are none where flesh alone grows; the skin blends the bones' maps by
weights that are smoother than those of skinning. Displacements are linear in beta, so that no direction
depends on another.

Beta 0 is a standard deviation of stature within a sex, beta 1 one of mass at given stature (SURVEY in
body_tables): drawn as independent normal numbers they give the survey's spread of stature and of mass,
since stature brings mass along. Were beta 1 a standard deviation of mass itself, tall people's mass would
count twice. The units of the other betas are drawn by hand, not taken from a survey.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from body_tables import JOINTS, PARENTS, SURVEY
from numpy.typing import NDArray
from scipy import optimize

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

DENSITY = 985.0
"""kg/m3, the whole body's: as smpl2mjcf takes it where no mass is given."""

SEAM_REACH, SEAM_REACH_OF_LEGS = 12.0, 22.0
"""mm from the midline within which sideways displacements fade: no part crosses to the other side, and
thighs that grow do so outwards."""

# Bones with their next joint: where matter is stretched along and across a line.
NEXT_JOINT = {"hip": "knee", "knee": "ankle", "shoulder": "elbow", "elbow": "wrist", "wrist": "hand"}


@dataclass(frozen=True)
class Shape:
    """A shape direction: strain of each bone's matter per unit of beta, sides alike."""

    meaning: str  # of one positive unit
    rates: dict[str, tuple[float, ...]]  # limb bones: (along, across) the bone; other parts: (x, y, z)
    is_flesh: bool = False  # the surface alone moves, the joints stay


_SPINE = ("spine1", "spine2", "spine3")

SHAPES = (
    Shape("stature: one standard deviation ({stature_cm:.1f} cm) taller, with less gain in girth and head", {
        **dict.fromkeys(("pelvis", *_SPINE, "collar"), (0.026, 0.045, 0.024)),
        "neck": (0.02, 0.04, 0.02), "head": (0.015, 0.02, 0.015),
        **dict.fromkeys(("hip", "knee", "shoulder", "elbow"), (0.046, 0.022)),
        **dict.fromkeys(("wrist", "hand"), (0.038, 0.02)),
        **dict.fromkeys(("ankle", "foot"), (0.022, 0.03, 0.036)),
    }),
    Shape("mass: one standard deviation at given stature ({mass_kg:.1f} kg) heavier, fuller all over", {
        "pelvis": (0, 0, 0.11), "spine1": (0.095, 0, 0.13), "spine2": (0.085, 0, 0.115),
        "spine3": (0, 0, 0.12), "collar": (0, 0.05, 0.05), "neck": (0.055, 0, 0.055),
        "head": (0.014, 0, 0.008), "hip": (0, 0.08), "knee": (0, 0.064), "shoulder": (0, 0.06),
        "elbow": (0, 0.06), "wrist": (0, 0.03), "hand": (0, 0.025),
        "ankle": (0.025, 0, 0.005), "foot": (0.025, 0, 0.005),
    }, is_flesh=True),
    Shape("leg length: thigh and shank 3.4 % longer, trunk 1.2 % shorter", {
        **dict.fromkeys(("hip", "knee"), (0.034, 0)), **dict.fromkeys(("pelvis", *_SPINE), (0, -0.012, 0)),
    }),
    Shape("arm length: upper arm and forearm 3.4 % longer", dict.fromkeys(("shoulder", "elbow"), (0.034, 0))),
    Shape("shoulder breadth: shoulder joints 2 cm further apart", {
        "collar": (0.075, 0, 0), "spine3": (0.045, 0, 0), "spine2": (0.02, 0, 0),
    }),
    Shape("hip breadth: hip joints 5 % further apart, pelvis broader", {
        "pelvis": (0.05, 0, 0.01), "spine1": (0.02, 0, 0), "hip": (0, 0.012),
    }),
    Shape("muscularity: stronger limbs, chest and neck, 2.5 kg", {
        **dict.fromkeys(("hip", "knee", "elbow"), (0, 0.025)), "shoulder": (0, 0.04), "wrist": (0, 0.012),
        "spine3": (0.025, 0, 0.03), "spine2": (0.01, 0, 0.01), "collar": (0, 0.03, 0.03),
        "neck": (0.035, 0, 0.035),
    }, is_flesh=True),
    Shape("shank against thigh: shank 3.4 % longer, thigh 3.4 % shorter", {
        "hip": (-0.034, 0), "knee": (0.034, 0),
    }),
    Shape("forearm against upper arm: forearm 3.4 % longer, upper arm 3.4 % shorter", {
        "shoulder": (-0.034, 0), "elbow": (0.034, 0),
    }),
    Shape("hands, feet and head: hands and feet 4 % longer, head 2.5 % larger", {
        **dict.fromkeys(("ankle", "foot"), (0.035, 0.02, 0.045)),
        **dict.fromkeys(("wrist", "hand"), (0.04, 0.03)),
        "head": (0.025, 0.025, 0.025),
    }),
)  # fmt: skip


def shape_directions(vertices: Array, joints: Array, blend: Array, origin: Array) -> tuple[Array, Array]:
    """Displacements per unit of beta, mm: of the vertices (V, 3, 10) and of the joints (24, 3, 10)."""
    fields, joint_fields = [], []
    x = vertices[:, 0]
    hip = joints[JOINTS.index("left_hip")]
    below = np.clip((1.4 * hip[1] - vertices[:, 1]) / abs(hip[1]), 0, 1)
    fade = np.abs(x) / np.hypot(x, SEAM_REACH + (SEAM_REACH_OF_LEGS - SEAM_REACH) * below)
    for shape in SHAPES:
        stretch = [_stretch(name, shape.rates, joints) for name in JOINTS]
        moved = np.zeros_like(joints)
        for j, parent in enumerate(PARENTS):
            if shape.is_flesh:
                continue
            if parent < 0:
                moved[j] = stretch[j] @ (joints[j] + origin)
            else:
                moved[j] = moved[parent] + stretch[parent] @ (joints[j] - joints[parent])
        field = np.zeros_like(vertices)
        for j in range(len(JOINTS)):
            field += blend[:, j : j + 1] * (moved[j] + (vertices - joints[j]) @ stretch[j].T)
        field[:, 0] *= fade
        fields.append(field)
        joint_fields.append(moved)
    return np.stack(fields, axis=2), np.stack(joint_fields, axis=2)


def _stretch(joint: str, rates: dict[str, tuple[float, ...]], joints: Array) -> Array:
    """(3, 3) the strain of one bone's matter per unit of beta."""
    side, _, name = joint.rpartition("_")
    rate = rates.get(name, (0.0, 0.0, 0.0))
    if len(rate) == 3:
        return np.diag(rate)
    along, across = rate
    # The hand beyond its knuckles runs on along the line from the wrist.
    start, end = ("wrist", "hand") if name == "hand" else (name, NEXT_JOINT[name])
    bone = joints[JOINTS.index(f"{side}_{end}")] - joints[JOINTS.index(f"{side}_{start}")]
    bone = bone / np.linalg.norm(bone)
    return across * np.eye(3) + (along - across) * np.outer(bone, bone)


def standard_deviations(sex: str) -> tuple[float, float]:
    """Stature in m, and mass at given stature in kg, within a sex; for the neutral body pooled over both."""
    surveys = [SURVEY[sex]] if sex in SURVEY else list(SURVEY.values())
    stature = np.sqrt(np.mean([survey.stature_sd**2 for survey in surveys]))
    mass = np.sqrt(np.mean([survey.mass_sd_at_given_stature**2 for survey in surveys]))
    return float(stature), float(mass)


def calibration(vertices: Array, fields: Array, faces: Ints, stature_sd: float, mass_sd: float) -> Array:
    """(10,) factors that make betas 0 and 1 a standard deviation each; vertices and fields in m."""

    def half_range(measure: Callable[[Array], float], beta: int, factor: float) -> float:
        step = factor * fields[:, :, beta]
        return (measure(vertices + step) - measure(vertices - step)) / 2

    def stature(points: Array) -> float:
        return float(np.ptp(points[:, 1]))

    def mass(points: Array) -> float:
        return DENSITY * volume(points, faces)

    factors = np.ones(fields.shape[2])
    for beta, measure, wanted in ((0, stature, stature_sd), (1, mass, mass_sd)):
        factors[beta] = optimize.brentq(
            lambda f, b=beta, m=measure, w=wanted: half_range(m, b, f) - w, 0.2, 5.0, xtol=1e-6
        )
    return factors


def volume(vertices: Array, faces: Ints) -> float:
    """The volume inside a closed mesh, in its unit cubed."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return float(np.einsum("ni,ni->", a, np.cross(b, c)) / 6)
