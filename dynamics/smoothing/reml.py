"""The automatic choice: noise and smoothness by restricted maximum likelihood.

Each component is taken for a smooth random process plus noise whose neighbouring frames are correlated by
rho. The likelihood of what is left without the process' trend is greatest at one noise level sigma and one
bandwidth for every component; rho is what all rotations agree on.

Source: Patterson and Thompson (1971), doi:10.1093/biomet/58.3.545 (restricted likelihood); Wahba (1985),
doi:10.1214/aos/1176349743 (for splines); Wang (1998), doi:10.2307/2669645 (correlated noise).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import penalized

CORNER = 3.0
"""Hz up to which a moving body's accelerations are about equally strong at all frequencies."""

RHOS = (0.0, 0.3, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98)
# To tell one rho from the next a coarse grid of levels will do.
_COARSE_STEP, _FINE_STEP = 0.5, 1 / 6

# A torque is a difference of large accelerations. If a limb passed at another bandwidth than the pelvis that
# carries it, what cancels in the body would no longer cancel. So the wide bands of a clip (this share of its
# rotations has wider ones) hold for the translations too, and no noisy rotation is cut below a part of them.
_WIDE_BANDS = 0.15
_NARROWEST = 0.5
# Rotations with less noise than this share of the noisiest fifth's are known, not measured: no guide.
_KNOWN = 0.3
# Nor do joints whose noise is that small a part of the largest: noise on the root alone says nothing of them.
_TOLD_APART = 0.1


@dataclass(frozen=True, eq=False)
class Estimate:
    """What restricted maximum likelihood finds.

    Attributes:
        levels: (m,) bandwidth of each component; see penalized.py.
        sigma: (m,) standard deviation of each component's noise.
        design: the smoothing equations at the rho found.
    """

    levels: np.ndarray
    sigma: np.ndarray
    design: penalized.Design


def prior(fps: float, corner: float | None = CORNER) -> tuple[float, ...]:
    """Weights of the squared derivatives in the roughness, in frames; see `quintic.basis`.

    With a corner (Hz) the acceleration is a critically damped process: its spectrum is level up to there and
    falls with the fourth power of the frequency above, 1 / (w^4 (w^2 + corner^2)^2) for the pose. Without
    one the pose is a three times integrated Wiener process, 1 / w^6, whose slow movements are far larger
    than a body's: on benchmarks/recovery.py pose errors grow by up to a tenth, torque errors by 1 to 6 %.
    """
    if corner is None:
        return 0.0, 0.0, 0.0, 1.0
    squared = (2 * np.pi * corner / fps) ** 2
    return 0.0, 0.0, squared**2, 2 * squared, 1.0


def estimate(
    samples: penalized.Samples, angles: np.ndarray, sigma: float | None = None, rho: float | None = None
) -> Estimate:
    """Noise and smoothness of each component.

    Args:
        samples: m components.
        angles: (m,) bool, those that are rotations: they decide on rho and share their bandwidth.
        sigma: noise of the angles, rad, where it is known.
        rho: its correlation, where it is known.
    """
    given = np.where(angles & (sigma is not None), sigma or 0.0, np.nan)
    designs = [penalized.Design.of(samples, r) for r in (RHOS if rho is None else (rho,))]
    deciding = angles if angles.any() else np.ones(len(angles), bool)
    coarse, fine = (penalized.grid(samples.basis, step) for step in (_COARSE_STEP, _FINE_STEP))

    def unlikeliness(design: penalized.Design) -> float:
        criterion, _ = _criterion(design, coarse, given)
        return penalized.least_of(criterion[:, deciding], coarse)[1].sum()

    design = min(designs, key=unlikeliness) if len(designs) > 1 else designs[0]
    criterion, sigmas = _criterion(design, fine, given)
    levels, _ = penalized.least_of(criterion, fine)
    found = sigmas[np.abs(fine[:, None] - levels).argmin(axis=0), np.arange(len(levels))]
    levels = coherent(np.where(given == 0, fine[-1], levels), found, angles)
    return Estimate(penalized.rounded(levels), found, design)


def coherent(levels: np.ndarray, sigma: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Levels (m,) whose bandwidths let the parts of a body move together.

    sigma: (m,) noise of the components. angles: (m,) bool, those that are rotations.
    """
    noisy = angles & (sigma > 0)
    if not noisy.any():
        return levels
    noisy &= sigma >= max(_KNOWN * np.quantile(sigma[noisy], 0.8), _TOLD_APART * sigma[noisy].max())
    wide = np.quantile(levels[noisy], 1 - _WIDE_BANDS)
    floored = np.where(noisy, np.maximum(levels, wide + np.log(_NARROWEST)), levels)
    return np.where(angles, floored, np.minimum(levels, wide))


def _criterion(
    design: penalized.Design, levels: np.ndarray, given: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """-2 log restricted likelihood (L, m) without constants, and the sigma (L, m) at which it is that.

    given: (m,) sigma where it is known; NaN for the most likely one at each level.
    """
    least, log_determinants = design.least(levels)
    freedom = len(design.samples.recorded) - design.samples.basis.null_space
    seen = design.samples.basis.count - design.samples.basis.null_space
    # A trend fits at every level, and what is known exactly needs none: they have no vote.
    votes = (least > 0) & (given != 0)
    likely = np.sqrt(np.where(votes, least, 1.0) / freedom)
    sigmas = np.where(np.isnan(given), np.where(votes, likely, 0.0), given)
    used = np.where(votes, sigmas, 1.0)
    fitted = least / used**2 + 2 * freedom * np.log(used)
    log_penalty = -np.log(design.samples.basis.power(np.exp(levels)))
    determinants = design.log_determinant + log_determinants - seen * log_penalty
    return np.where(votes, fitted + determinants[:, None], 0.0), sigmas
