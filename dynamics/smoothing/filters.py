"""Filters with fixed weights: the quintic spline, Butterworth, Savitzky-Golay; Winter's choice of cutoff."""

from __future__ import annotations

import numpy as np
from scipy import signal

from .. import lowpass
from ..errors import TrajectoryError
from ..samples import low_pass, spline_rates
from ..topology import Topology
from .kernels import Operator

_NUMBERS = Topology(parents=(0,), joint_types=(), joint_bodies=())  # a model whose samples are plain numbers

# Cutoffs that the residual analysis tries: from this frequency, Hz, to this share of half the frame rate.
_LOWEST, _HIGHEST, _TRIED = 0.5, 0.9, 40
# Of a lower cutoff than so many periods a clip nothing would be valid (see `trajectory`).
_PERIODS = 2.2
# The band above the signal starts at this share of half the frame rate: the noise alone is there.
_NOISE_BAND = 0.5


def spline(fps: float, cutoff: float | None = None) -> Operator:
    """The quintic spline through the samples, after the zero-lag Butterworth filter if there is a cutoff."""
    sections = None if cutoff is None else lowpass.design(cutoff, fps)

    def operator(samples: np.ndarray) -> np.ndarray:
        passed = samples if sections is None else low_pass(_NUMBERS, samples, sections)
        return np.stack([passed, *spline_rates(passed, fps)])

    return operator


def residual_cutoff(samples: np.ndarray, fps: float) -> float:
    """Winter's cutoff in Hz of a zero-lag Butterworth filter for components (T, m) that share it.

    The root mean square of what the filter removes, over all components, falls with the cutoff. Far above
    the signal it falls in a straight line, which is noise alone; continued to 0 Hz it tells how much noise
    there is. The cutoff is where as much is removed: what is lost of the signal then equals what is left of
    the noise. Correlated noise bends the line, and the cutoff comes out too high.

    Source: Winter (2009), "Biomechanics and motor control of human movement", section 3.4.4.3,
    doi:10.1002/9780470549148.
    """
    half = fps / 2
    lowest = max(min(_LOWEST, half / _TRIED), _PERIODS * fps / len(samples))
    tried = np.geomspace(min(lowest, _NOISE_BAND * half), _HIGHEST * half, _TRIED)
    passed = (low_pass(_NUMBERS, samples, lowpass.design(cutoff, fps)) for cutoff in tried)
    removed = np.array([np.sqrt(np.mean((samples - smooth) ** 2)) for smooth in passed])
    band = tried >= _NOISE_BAND * half
    noise = np.polyfit(tried[band], removed[band], 1)[1]
    below = np.flatnonzero(removed <= noise)
    first = below[0] if len(below) else len(tried) - 1
    if first == 0:
        return float(tried[0])
    pair = [first, first - 1]
    return float(np.interp(noise, removed[pair], tried[pair]))


def savitzky_golay(frames: int, fps: float, window: float = 1.0, degree: int = 5) -> tuple[Operator, int]:
    """Polynomials fitted to a window of seconds about each frame, and how many frames it reaches either way.

    Position and both derivatives are the polynomial's in the window's middle; at the ends the last whole
    window's polynomial is evaluated off its middle.

    Raises:
        TrajectoryError: for a window too short for the degree or longer than the clip.

    Source: Savitzky and Golay (1964), doi:10.1021/ac60214a047.
    """
    if not (isinstance(degree, int | np.integer) and degree >= 2):
        raise TrajectoryError(f"degree is {degree!r}; accepted: an integer of 2 or more, for an acceleration")
    if not (isinstance(window, int | float | np.number) and np.isfinite(window) and window > 0):
        raise TrajectoryError(f"window is {window!r}; accepted: a finite length above 0, in seconds")
    length = 2 * round(window * fps / 2) + 1
    if not degree < length <= frames:
        raise TrajectoryError(
            f"a window of {window:g} s is {length} frames at {fps:g} frames a second; a polynomial of degree "
            f"{degree} in a clip of {frames} frames accepts windows of {degree + 1} to {frames}"
        )

    def operator(samples: np.ndarray) -> np.ndarray:
        fits = (
            signal.savgol_filter(samples, length, degree, deriv=order, delta=1 / fps, axis=0)
            for order in range(3)
        )
        return np.stack(list(fits))

    return operator, length // 2
