"""A zero-lag low-pass filter whose stated cutoff is the effective one."""

from __future__ import annotations

import math

import numpy as np
from scipy import signal

from .errors import TrajectoryError

# Of the filter's impulse response so little may be cut off when its length is determined: less than rounding.
_NEGLIGIBLE = 1e-17
_LONGEST = 20_000
# Share of the frame rate below which a filter's poles cannot be told from 1 (and its response lasts
# tens of thousands of frames).
_LEAST_CUTOFF = 1e-4


def design(cutoff: float, fps: float) -> np.ndarray:
    """Second-order sections of a Butterworth filter that, run forward and backward, has -3 dB at `cutoff`.

    Each pass of a second-order Butterworth low-pass has the gain 1 / sqrt(1 + x^4), where x is the ratio of
    the prewarped frequencies tan(pi f / fps) / tan(pi f_design / fps). Two passes square it, so they reach
    1 / sqrt(2) at x^4 = sqrt(2) - 1 and the design frequency must lie that much above the stated cutoff.
    The correction of Winter (2009), "Biomechanics and motor control of human movement", 4th edition,
    section 3.4.4.2, doi:10.1002/9780470549148, applies the same factor to the prewarped frequency; like
    that it is exact up to the Nyquist frequency.

    Args:
        cutoff: effective -3 dB frequency of both passes together, Hz.
        fps: samples a second, Hz.

    Returns:
        (1, 6) second-order section for `smooth`.

    Raises:
        TrajectoryError: if the cutoff is not between 1e-4 and half of the frame rate.
    """
    lowest = _LEAST_CUTOFF * fps
    if not (math.isfinite(cutoff) and lowest <= cutoff < fps / 2):
        raise TrajectoryError(
            f"cutoff is {cutoff:g} Hz; accepted: from {lowest:g} Hz to below half the frame rate, "
            f"{fps / 2:g} Hz, or no filter (None; --cutoff none)"
        )
    prewarped = math.tan(math.pi * cutoff / fps) / (math.sqrt(2) - 1) ** 0.25
    design_frequency = math.atan(prewarped) / math.pi * fps
    return signal.butter(2, design_frequency, fs=fps, output="sos")


def smooth(sections: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Samples (T, n) filtered forward and backward along time, so without lag; T frames out.

    The ends start as if the first and last sample had lasted for ever: continue the recording by `decay`
    samples first and cut them off after.
    """
    return signal.sosfiltfilt(sections, samples, axis=0, padtype=None, padlen=0)


def decay(sections: np.ndarray) -> int:
    """Number of samples after which the impulse response of a pass is negligible, 20000 at most."""
    radius = float(np.abs(np.roots(sections[0, 3:])).max())
    return min(_LONGEST, math.ceil(math.log(_NEGLIGIBLE) / math.log(max(radius, 1e-3))))
