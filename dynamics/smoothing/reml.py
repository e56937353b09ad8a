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
# Noise is slower than movement where, at the end of the wide bands, less of it is left than this share of a
# white noise of its size. Chance then decides in which joints movement is taken for noise. So none is larger
# than third differences leave room for, and wider bands are drawn to a common one: the geometric mean over
# those of this share of the rotations, the widest, that are not still, which is narrower than this part of
# the widest of all.
_SLOW = 0.25
_DIFFERENCE = np.array([-1.0, 3.0, -3.0, 1.0])
_MOVING = 0.5
_STILL = 0.05
# Rotations with less noise than this share of the noisiest fifth's are known, not measured: no guide.
_KNOWN = 0.3
# Nor do joints whose noise is that small a part of the largest: noise on the root alone says nothing of them.
_TOLD_APART = 0.02


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
    than a body's: on benchmarks/recovery.py pose errors grow by up to a tenth, torque errors by 3 to 7 %.
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

    unbounded = np.full(len(angles), np.inf)

    def unlikeliness(design: penalized.Design) -> float:
        criterion, _ = _criterion(design, coarse, given, unbounded)
        return penalized.least_of(criterion[:, deciding], coarse)[1].sum()

    design = min(designs, key=unlikeliness) if len(designs) > 1 else designs[0]

    def likeliest(most: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        criterion, sigmas = _criterion(design, fine, given, most)
        levels, _ = penalized.least_of(criterion, fine)
        return levels, sigmas[np.abs(fine[:, None] - levels).argmin(axis=0), np.arange(len(levels))]

    levels, found = likeliest(unbounded)
    if _is_slow(design.rho, levels[_noisy(found, angles)]):
        levels, found = likeliest(most_noise(design))
    levels = coherent(np.where(given == 0, fine[-1], levels), found, angles, design.rho)
    return Estimate(penalized.rounded(levels), found, design)


def most_noise(design: penalized.Design) -> np.ndarray:
    """(m,) the sigma that third differences of the samples leave room for: all of the noise, little movement.

    Infinite where no four frames in a row were recorded.
    """
    samples, reach = design.samples, len(_DIFFERENCE) - 1
    first = np.flatnonzero(samples.recorded[reach:] - samples.recorded[:-reach] == reach)
    if not len(first):
        return np.full(samples.values.shape[1], np.inf)
    lags = np.arange(reach + 1)
    at = first[:, None] + lags
    weights = _DIFFERENCE * samples.scale[at]
    of_unit_noise = np.einsum("ni,ij,nj->n", weights, design.rho ** np.abs(lags[:, None] - lags), weights)
    differences = np.einsum("k,nkm->nm", _DIFFERENCE, samples.values[at])
    return np.sqrt((differences**2 / of_unit_noise[:, None]).mean(axis=0))


def coherent(levels: np.ndarray, sigma: np.ndarray, angles: np.ndarray, rho: float) -> np.ndarray:
    """Levels (m,) whose bandwidths let the parts of a body move together.

    sigma: (m,) noise of the components. angles: (m,) bool, those that are rotations. rho: of the noise.
    """
    noisy = _noisy(sigma, angles)
    if not noisy.any():
        return levels
    common, kept = np.quantile(levels[noisy], 1 - _WIDE_BANDS), 1.0
    if _is_slow(rho, levels[noisy]):
        widest = np.sort(levels[noisy])[-int(np.ceil(_MOVING * noisy.sum())) :]
        # The likelihood tells the rotations apart by what of their noise is new in every frame.
        common, kept = widest[widest >= widest[-1] + np.log(_STILL)].mean(), np.sqrt(1 - rho**2)
    drawn = np.where(levels > common, common + kept * (levels - common), levels)
    drawn = np.where(noisy, np.maximum(drawn, common + np.log(_NARROWEST)), levels)
    return np.where(angles, drawn, np.minimum(levels, common))


def _noisy(sigma: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """(m,) bool, the rotations whose noise was measured."""
    noisy = angles & (sigma > 0)
    if not noisy.any():
        return noisy
    return noisy & (sigma >= max(_KNOWN * np.quantile(sigma[noisy], 0.8), _TOLD_APART * sigma[noisy].max()))


def _is_slow(rho: float, levels: np.ndarray) -> bool:
    """Whether noise is slower than the movement of rotations with levels (k,).

    Never where a few move on a still body: they say nothing of the rest.
    """
    if not len(levels):
        return False
    wide = np.quantile(levels, 1 - _WIDE_BANDS)
    spectrum = (1 - rho**2) / (1 - 2 * rho * np.cos(min(np.exp(wide), np.pi)) + rho**2)
    return bool(wide > levels.max() + np.log(_STILL) and spectrum < _SLOW)


def _criterion(
    design: penalized.Design, levels: np.ndarray, given: np.ndarray, most: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """-2 log restricted likelihood (L, m) without constants, and the sigma (L, m) at which it is that.

    given: (m,) sigma where it is known; NaN for the most likely one at each level, up to `most` (m,).
    """
    least, log_determinants = design.least(levels)
    freedom = len(design.samples.recorded) - design.samples.basis.null_space
    seen = design.samples.basis.count - design.samples.basis.null_space
    # A trend fits at every level, and what is known exactly needs none: they have no vote.
    votes = (least > 0) & (given != 0)
    likely = np.minimum(np.sqrt(np.where(votes, least, 1.0) / freedom), np.where(most > 0, most, np.inf))
    sigmas = np.where(np.isnan(given), np.where(votes, likely, 0.0), given)
    used = np.where(votes, sigmas, 1.0)
    fitted = least / used**2 + 2 * freedom * np.log(used)
    log_penalty = -np.log(design.samples.basis.power(np.exp(levels)))
    determinants = design.log_determinant + log_determinants - seen * log_penalty
    return np.where(votes, fitted + determinants[:, None], 0.0), sigmas
