"""The rows of a noise study: each a number with all that it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One number of the study with all it belongs to; None where a column says nothing.

    Lengths are those of a joint's torque error vector, N m, over the frames and, without a `joint`, over the
    joints that are no root. `law_*` and `sampled_*` are what noise adds to the noiseless scheme's torques,
    `total_*` is the error against the true torques: noise and what the scheme itself distorts.
    """

    table: str  # growth, rates, joints, sources, cutoffs, kinds
    fps: float  # Hz
    scheme: str
    noise: str = "white"
    sigma: float | None = None  # rad
    rho: float = 0.0
    cutoff: float | None = None  # Hz
    source: str | None = None  # the one joint that is noisy
    joint: str | None = None
    law_mean: float | None = None
    law_rms: float | None = None
    sampled_mean: float | None = None
    sampled_rms: float | None = None
    distortion_rms: float | None = None
    total_rms: float | None = None
    sampled_total_rms: float | None = None

    @property
    def amplification(self) -> float:
        """N m/rad: mean error by the law over sigma; NaN where the row has none."""
        if self.law_mean is None or not self.sigma:
            return float("nan")
        return self.law_mean / self.sigma


def column(rows: Sequence[Row], name: str) -> Array:
    """(N,) numbers of rows in one column, NaN where it is empty."""
    return np.array([getattr(row, name) for row in rows], dtype=np.float64)
