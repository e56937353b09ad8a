"""Which unit of length a number looks like, for the message that refuses it."""

from __future__ import annotations

PER_METRE = {
    "millimetres": 1e3,
    "centimetres": 1e2,
    "decimetres": 10.0,
    "inches": 1 / 0.0254,
    "feet": 1 / 0.3048,
    "tens of metres": 0.1,
    "hundreds of metres": 0.01,
    "kilometres": 1e-3,
}


def looks_like(number: float, plausible: tuple[float, float]) -> str:
    """The units, other than metres, in which a length would be plausible (in m): "centimetres or inches"."""
    low, high = plausible
    fitting = [name for name, per_metre in PER_METRE.items() if low <= number / per_metre <= high]
    return " or ".join(fitting) if fitting else "no unit of length that we know"
