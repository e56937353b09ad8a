"""The Markers type: where skin markers were in a recording."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from .errors import MotionError

Array = NDArray[np.float64]

UNKNOWN_UP = "unknown"
MARKER_UPS = ("x", "y", "z", "-x", "-y", "-z", UNKNOWN_UP)


@dataclass(frozen=True, eq=False)
class Markers:
    """Named points in every frame, in the recording's own axes; NaN where a marker was not seen.

    Raises MotionError where the arrays do not fit together.
    """

    names: tuple[str, ...]  # (N,) without the subject's prefix
    positions: Array  # (T, N, 3) m, NaN where missing
    fps: float  # frames per second
    up: str = UNKNOWN_UP  # the axis that points up, of MARKER_UPS
    source: str = ""  # where it came from, for people to read
    subject: str = ""  # whose markers, where the file names several people or one

    def __post_init__(self) -> None:
        positions = np.array(self.positions, dtype=np.float64)
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "names", tuple(self.names))
        if positions.ndim != 3 or positions.shape[1:] != (len(self.names), 3):
            raise MotionError(
                f"positions have shape {positions.shape}; expected (T, {len(self.names)}, 3) for "
                f"{len(self.names)} names"
            )
        if len(set(self.names)) < len(self.names):
            twice = sorted({name for name in self.names if self.names.count(name) > 1})
            raise MotionError(f"markers named twice: {', '.join(twice[:5])}")
        if self.up not in MARKER_UPS:
            raise MotionError(f"unknown up axis {self.up!r}; accepted: {', '.join(MARKER_UPS)}")
        if isinstance(self.fps, bool) or not (isinstance(self.fps, Real) and 0 < self.fps < np.inf):
            raise MotionError(f"fps must be a positive number of frames per second, received {self.fps!r}")

    @property
    def num_frames(self) -> int:
        """T."""
        return len(self.positions)

    def track(self, name: str) -> Array:
        """(T, 3) m, one marker. Raises MotionError for a name that is not there."""
        if name not in self.names:
            raise MotionError(f"no marker {name!r}; available: {', '.join(self.names)}")
        return self.positions[:, self.names.index(name)]
