"""Numbers in the text files of motions (ASF, AMC, BVH), which come from strangers."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LARGEST_TEXT = 1 << 29
"""Bytes of a file; CMU's longest clip has 20 MB, ten minutes at 120 Hz of 70 joints a quarter of this."""

LARGEST_NUMBER = 1e7
"""Of any length or angle: a kilometre in millimetres is 1e6, and beyond this squares overflow somewhere."""

_NEVER_IN_A_NUMBER = re.compile(r"[^-+.0-9eE]")


def plain_numbers(words: Sequence[str]) -> NDArray[np.float64] | None:
    """(n,) the decimal numbers that the words are; None where one is no number up to LARGEST_NUMBER.

    float() alone also takes nan, inf and 1_000: none of these is a measured length or angle.
    """
    if _NEVER_IN_A_NUMBER.search("".join(words)):
        return None
    try:
        values = np.array([float(word) for word in words])
    except ValueError:
        return None
    return values if (np.abs(values) <= LARGEST_NUMBER).all() else None
