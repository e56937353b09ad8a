"""A body with the bone lengths of a recorded person."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from .body import Body, joint_positions
from .errors import MotionFileError
from .length_units import looks_like

Array = NDArray[np.float64]

LENGTH_ACCURACY = {
    "thigh": 0.002,
    "shank": 0.002,
    "upper_arm": 0.002,
    "forearm": 0.002,
    "hip_width": 0.02,
    "shoulder_width": 0.02,
    "trunk": 0.03,
}
"""m, how closely the fitted body keeps to each recorded length. Limbs are rigid and well seen. CMU's
hip centres lie 15-18 cm apart and its shoulders sit low on a straight spine, both by definition: taken
to the letter they would be bought with girth (a 93 kg walker), so they only guide the fit."""

LARGEST_BETA = 5.0
"""Beyond this the shape space says nothing of real people. A tighter box is no more plausible: at 4, CMU's
subject 05 (long upper arms, short forearms) is fitted by a 54 kg body whose arms are 8 mm off, at 5 by one of
69 kg that fits to 1.2 mm and lies as near to the mean shape (5.6 deviations, 5.3)."""

LIMBS = ("thigh", "shank", "upper_arm", "forearm")

REPORTED_MISFIT = {name: 0.005 if name in LIMBS else 0.02 for name in LENGTH_ACCURACY}
"""m, by length: one that the fitted body misses by more is reported."""

THIGH_RANGE = (0.15, 0.75)
"""m, from a small child's to the tallest adult's thigh; a file in another unit falls far outside."""


@dataclass(frozen=True)
class Fit:
    """Betas of the recorded person, and what is left between the body and the record."""

    betas: Array  # (B,)
    misfit: dict[str, float]  # m, body minus record, by recorded length


def fit_betas(body: Body, recorded: Mapping[str, float]) -> Fit:
    """Betas whose bone lengths are the recorded ones, as close to the mean shape as they allow.

    recorded: m, by the names of LENGTH_ACCURACY, "thigh" among them; what is not recorded right is left out
    and takes the mean shape's proportions. Lengths that the body misses by more than REPORTED_MISFIT are
    reported in one warning.
    Raises MotionFileError for lengths that no person has (another unit than the file says).
    """
    _require_plausible(recorded["thigh"])
    base = joint_positions(body)
    directions = np.stack([joint_positions(body, e) - base for e in np.eye(body.num_betas)], axis=-1)
    names = [name for name in LENGTH_ACCURACY if name in recorded]
    wanted = np.array([recorded[name] for name in names])
    accuracy = np.array([LENGTH_ACCURACY[name] for name in names])

    def lengths(betas: Array) -> Array:
        found = joint_lengths(dict(zip(body.joint_names, base + directions @ betas)))
        return np.array([found[name] for name in names])

    solution = least_squares(
        lambda betas: np.concatenate([(lengths(betas) - wanted) / accuracy, betas]),
        np.zeros(body.num_betas),
        bounds=(-LARGEST_BETA, LARGEST_BETA),
    )
    misfit = dict(zip(names, (lengths(solution.x) - wanted).tolist()))
    far = {name: error for name, error in misfit.items() if abs(error) > REPORTED_MISFIT[name]}
    if far:
        parts = ", ".join(f"{name} {100 * error:+.1f} cm" for name, error in far.items())
        warnings.warn(f"the body fitted to the recorded bones differs from them: {parts}", stacklevel=2)
    return Fit(solution.x, misfit)


def joint_lengths(joints: Mapping[str, Array]) -> dict[str, float]:
    """Bone lengths in m between named joints (3,) m, mean of both sides, by the names of LENGTH_ACCURACY."""

    def both(first: str, second: str) -> float:
        return float(
            np.mean(
                [np.linalg.norm(joints[f"{s}_{first}"] - joints[f"{s}_{second}"]) for s in ("left", "right")]
            )
        )

    def middle(name: str) -> Array:
        return (joints[f"left_{name}"] + joints[f"right_{name}"]) / 2

    return {
        "thigh": both("hip", "knee"),
        "shank": both("knee", "ankle"),
        "upper_arm": both("shoulder", "elbow"),
        "forearm": both("elbow", "wrist"),
        "hip_width": float(np.linalg.norm(joints["left_hip"] - joints["right_hip"])),
        "shoulder_width": float(np.linalg.norm(joints["left_shoulder"] - joints["right_shoulder"])),
        "trunk": float(np.linalg.norm(middle("shoulder") - middle("hip"))),
    }


def _require_plausible(thigh: float) -> None:
    low, high = THIGH_RANGE
    if low <= thigh <= high:
        return
    raise MotionFileError(
        f"the skeleton's thigh would be {thigh:.4g} m long, a person's is {low}-{high} m: its unit of length "
        f"is wrong; taken for metres, its numbers look like {looks_like(thigh, THIGH_RANGE)}"
    )
