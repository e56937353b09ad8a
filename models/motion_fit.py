"""What the fitted motions share: spline bases, angles read from leg rotations, and damped least squares."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from motion_maker import Array, Person
from scipy.interpolate import BSpline


def bumps(time: Array, start: float, end: float, spacing: float, degree: int = 3) -> Array:
    """(T, K) B-splines on [start, end] that vanish smoothly at both ends, and outside.

    spacing: of the knots, taken to the nearest that divides the interval.
    """
    count = max(round((end - start) / spacing), degree + 1)
    knots = np.linspace(start, end, count + 1)
    inside = (time > start) & (time < end)
    made = np.zeros((len(time), count - degree))
    for k in range(count - degree):
        element = BSpline.basis_element(knots[k : k + degree + 2], extrapolate=False)
        made[inside, k] = np.nan_to_num(element(time[inside]))
    return made


def hip_angles(R: Array, mirror: float) -> tuple[Array, Array, Array]:
    """(...) rad flexion, adduction and outward rotation of a hip from its (..., 3, 3) local rotation."""
    return _angles(R, mirror)


def ankle_angles(R: Array, mirror: float) -> tuple[Array, Array, Array]:
    """(...) rad dorsiflexion, inversion and outward rotation of an ankle from its (..., 3, 3) rotation."""
    return _angles(R, mirror)


def _angles(R: Array, mirror: float) -> tuple[Array, Array, Array]:
    """Angles of R = Rx(-first) Rz(-mirror second) Ry(-mirror third), as motion_maker composes them."""
    first = -np.arctan2(R[..., 2, 1], R[..., 1, 1])
    second = mirror * np.arcsin(np.clip(R[..., 0, 1], -1, 1))
    third = -mirror * np.arctan2(R[..., 0, 2], R[..., 0, 0])
    return first, second, third


def knee_angle(R: Array) -> Array:
    """(...) rad flexion of a knee from its (..., 3, 3) local rotation, a turn about x."""
    return np.arctan2(R[..., 2, 1], R[..., 1, 1])


def leg_angles(person: Person, local: Array, side: str, mirror: float) -> dict[str, Array]:
    """The leg's coordinates (..., T) rad, by name without the side."""
    hip = hip_angles(local[..., person.index(f"{side}_hip"), :, :], mirror)
    ankle = ankle_angles(local[..., person.index(f"{side}_ankle"), :, :], mirror)
    return {
        "hip_flexion": hip[0],
        "hip_adduction": hip[1],
        "hip_rotation": hip[2],
        "knee_flexion": knee_angle(local[..., person.index(f"{side}_knee"), :, :]),
        "ankle_dorsiflexion": ankle[0],
        "ankle_inversion": ankle[1],
        "ankle_rotation": ankle[2],
    }


STEP_SIZE = 1e-6
"""Of the forward differences; parameters are in rad, m and body weights, of order 0.01 to 1."""

LONGEST_STEP = 0.3
"""Of any parameter at once: a longer one leaves the valley that the start lies in."""


def least_squares(
    residuals: Callable[[Array], Array],
    start: Array,
    most_steps: int = 30,
    least_gain: float = 1e-4,
    report: Callable[[str], None] | None = None,
) -> Array:
    """(N,) parameters that make the residuals' sum of squares small: Levenberg-Marquardt.

    residuals: of a batch (P, N) -> (P, R). Derivatives are forward differences, all in one batch.
    Stops when a step gains less than `least_gain` of the cost, or after `most_steps`.
    """
    c, damping = start, 1e-3
    for number in range(most_steps):
        batch = residuals(np.concatenate([c[None], c + STEP_SIZE * np.eye(len(c))]))
        r, J = batch[0], (batch[1:] - batch[0]).T / STEP_SIZE
        A, b, cost = J.T @ J, J.T @ r, r @ r
        while True:
            step = np.linalg.solve(A + damping * np.diag(np.diag(A) + 1e-9), b)
            moved = c - step * min(1.0, LONGEST_STEP / np.abs(step).max())
            r_new = residuals(moved[None])[0]
            if r_new @ r_new < cost:
                break
            damping *= 6
            if damping > 1e8:
                return c
        gain = 1 - (r_new @ r_new) / cost
        if report is not None:
            report(f"{number}: cost {r_new @ r_new:.3f}, damping {damping:.0e}")
        c, damping = moved, damping / 6
        if gain < least_gain:
            break
    return c


def stack(parts: Sequence[Array]) -> Array:
    """(P, R) of blocks (P, ...)."""
    return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)
