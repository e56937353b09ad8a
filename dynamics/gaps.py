"""Frames that were not recorded: bridged so that a motion can be filtered, and kept out of what is valid."""

from __future__ import annotations

import numpy as np
from scipy import signal
from scipy.interpolate import PchipInterpolator


def missing_frames(samples: np.ndarray) -> np.ndarray:
    """(T,) bool, True where a row of samples (T, n) is NaN throughout; other NaN are errors elsewhere."""
    return np.isnan(samples).all(axis=1)


def bridge(samples: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Samples (T, n) with the missing rows interpolated; before the first and after the last it holds these.

    Piecewise cubic Hermite interpolation that never overshoots (PCHIP): through a long gap a spline with
    continuous curvature can swing by more than all that was recorded. Quaternion columns must have
    continuous signs over the recorded rows, and are to be normalised afterwards.

    Source: Fritsch and Butland (1984), doi:10.1137/0905021.
    """
    frames = np.arange(len(samples))
    known = frames[~missing]
    bridged = samples.copy()
    if len(known) == 1:
        bridged[missing] = samples[known[0]]
        return bridged
    inside = np.clip(frames[missing], known[0], known[-1])
    bridged[missing] = PchipInterpolator(known, samples[known], axis=0)(inside)
    return bridged


def missing_share(missing: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """(T,) share of each frame's acceleration weights that falls on missing frames.

    lost: the share further than m frames to one side, for m = 0, 1, ... (the weights are symmetric).
    """
    if not missing.any():
        return np.zeros(len(missing))
    one_side = -np.diff(lost)  # of lag 1, 2, ...
    kernel = np.concatenate([one_side[::-1], [1 - 2 * lost[0]], one_side])
    reach = len(one_side)
    padded = np.concatenate([np.zeros(reach), missing.astype(np.float64), np.zeros(reach)])
    return np.maximum(signal.convolve(padded, kernel, mode="valid"), 0)
