"""The frame rate that a written frame time stands for: .0083333 is 120, and .017 is 60."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from .text_numbers import plain_numbers

CUSTOMARY_RATES = (
    *(10, 12, 15, 20, 24, 25, 30, 40, 48, 50, 60, 72, 75, 80, 90, 100, 120, 144, 150, 160, 180, 200),
    *(240, 250, 300, 360, 400, 480, 500, 600, 1000),
)
"""Frames/s that cameras, screens and motion capture systems run at. 125 and 96 are not among them, since .008
is rather 120 and .01 rather 100."""

CLEAR = 1e-3
"""Relative rounding of a frame time that leaves no doubt of its rate: 60 and 59.94 are as far apart."""

NOISE = 1e-4
"""How far, relatively, a frame time of many digits may be off a customary one: 32 bits, or six digits."""

MOST_CHARACTERS = 40  # of a number; 17 digits hold all that a double does


def written_rate(word: str) -> tuple[float, str]:
    """Frames/s of a written frame time in seconds, and what is doubtful about it ("" where nothing is).

    The customary rate whose period rounds to what is written; without one, the only whole rate that does, or
    else the number as it stands. Times of few digits may fit several rates or none, and that is said.
    Raises ValueError for anything but a time from 1e-5 to 1000 s.
    """
    # Decimal too takes nan, inf and 1_0, and more digits than anyone can wait for.
    number = plain_numbers([word]) if len(word) <= MOST_CHARACTERS else None
    if number is None or not 1e-5 <= number[0] <= 1000:
        raise ValueError(word)
    period = Decimal(word)
    written = Fraction(period)
    digit = Fraction(10) ** int(period.as_tuple().exponent)  # one unit of the last digit that was written
    off = {rate: abs(Fraction(1, rate) - written) for rate in CUSTOMARY_RATES}
    nearest = min(off, key=lambda rate: off[rate])
    # Programs write three decimals or more, but some drop zeros at the end: .01 is first read as .010.
    fitting: list[int] = []
    for step in (min(digit, Fraction(1, 1000)), digit):
        fitting = fitting or [rate for rate in CUSTOMARY_RATES if off[rate] <= step / 2]
    if len(fitting) == 1:
        return float(fitting[0]), ""
    if len(fitting) > 1:
        rates = ", ".join(map(str, fitting))
        return float(nearest), f"of {word} s rounds that of {rates} frames/s; {nearest} are taken"
    # Many digits: cut off instead of rounded (.0166666), or noise of 32 bits.
    clear = digit / 2 < CLEAR * written
    if off[nearest] < max(digit if clear else 0, Fraction(NOISE) * written):
        return float(nearest), ""
    rate = float(1 / written)
    if clear:
        whole = round(rate)
        return (float(whole) if whole and abs(Fraction(1, whole) - written) < digit / 2 else rate), ""
    return rate, f"of {word} s rounds that of no customary rate; {rate:.4g} frames/s are taken"
