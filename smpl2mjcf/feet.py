"""Feet that stand: heel, ball and toes on one flat sole, the instep and the toes' roots above it.

The three are level capsules across the foot, which each touch a level floor in two points: six contacts a
foot. Their lowest points lie in one plane at the mesh's lowest point. The ball's capsule lies under the
metatarsal heads and belongs to the body `<side>_ankle`, that of the toes to `<side>_foot`: on tiptoe both
keep the floor.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .capsule_fit import across_capsule, standing_capsule
from .cut_plan import LEVEL, UP
from .primitive import Capsule, Primitive
from .skin_samples import Samples

Array = NDArray[np.float64]

HEEL, BALL, ROOTS, TOES = 0.3, 0.72, 0.3, 0.45
"""Where along its body's own skin (0 its rearmost point, 1 its foremost) the heel ends, the ball begins and
the toes' pads begin."""

PAD_HEIGHT = 0.45
"""Of the ankle joint's height above the sole: skin above it belongs to no heel pad or ball."""

INSTEP = 0.35
"""The instep's radius, of the ankle joint's height above the sole."""

CLEARANCE = 0.008
"""m at least between the sole and the primitives above it, which do not carry in standing."""

SOLE = ("ankle_heel", "ankle_ball", "foot_toes")
"""Names, without the side, of the geoms that a humanoid stands on."""


def foot_primitives(
    skin: Mapping[str, Samples], joints: Mapping[str, Array], side: str, sole: float
) -> list[Primitive]:
    """A side's heel, ball, instep, toes and toes' roots, in the frames of its bodies ankle and foot.

    skin: samples by body; joints (3,) m by name; sole: m, the y of the plane to stand on; all model frame.
    Raises HumanoidError where a part of the foot has no vertex.
    """
    ankle, toes = joints[f"{side}_ankle"], joints[f"{side}_foot"]
    height = ankle[1] - sole
    along = (toes - ankle) * LEVEL
    along = along / np.linalg.norm(along)
    across = np.cross(UP, along)
    rear, front = skin[f"{side}_ankle"], skin[f"{side}_foot"]
    low = rear.points[:, 1] < sole + PAD_HEIGHT * height
    place, toe_place = _place(rear, along), _place(front, along)
    heel = standing_capsule(rear[low & (place < HEEL)], across, sole)
    ball = standing_capsule(rear[low & (place > BALL)], across, sole)
    pads = standing_capsule(front[toe_place > TOES], across, sole)
    # From between ankle and heel to the ball: fitted, the broad dorsum would make it bulge over the toes.
    radius = INSTEP * height
    hind = ankle + (heel.start + heel.end) / 2
    top = np.array([hind[0] / 2, ankle[1] - radius, hind[2] / 2])
    instep = Capsule(top, (ball.start + ball.end) / 2, radius)
    roots = across_capsule(front[toe_place < ROOTS], across)
    capsules = {
        "ankle_heel": heel,
        "ankle_ball": ball,
        "ankle_instep": _raised(instep, sole),
        "foot_toes": pads,
        "foot_roots": _raised(roots, sole),
    }
    return [
        capsule.primitive(f"{side}_{name}", body, joints[body])
        for name, capsule in capsules.items()
        for body in [f"{side}_{name.partition('_')[0]}"]
    ]


def _place(skin: Samples, along: Array) -> Array:
    """(N,) where samples lie along a foot: 0 the rearmost, 1 the foremost."""
    reach = skin.points @ along
    return (reach - reach.min()) / max(float(np.ptp(reach)), 1e-9)


def _raised(capsule: Capsule, sole: float) -> Capsule:
    """A capsule with its ends lifted clear of the sole."""
    least = sole + CLEARANCE + capsule.radius
    start, end = (point + max(least - point[1], 0.0) * UP for point in (capsule.start, capsule.end))
    return Capsule(start, end, capsule.radius)
