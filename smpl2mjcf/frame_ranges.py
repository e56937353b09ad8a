"""Naming frames in a message."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_RUNS = 4


def frame_ranges(indices: NDArray[np.intp]) -> str:
    """'frames 3-5, 9' of a sorted list of frames; after MOST_RUNS runs only their number."""
    runs = np.split(indices, np.flatnonzero(np.diff(indices) != 1) + 1)
    parts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    more = f" and {len(parts) - MOST_RUNS} more runs" if len(parts) > MOST_RUNS else ""
    return ("frame " if len(indices) == 1 else "frames ") + ", ".join(parts[:MOST_RUNS]) + more
