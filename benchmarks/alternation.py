"""Times of several calls in alternation, and the rows that come of them."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

# A short call is repeated until it fills this time, so that the clock and the loop do not count.
_LEAST_SECONDS = 0.02
# The threads of OpenMP and the like spin on for some time after a call, at the next one's cost.
_PAUSE_SECONDS = 0.03
# A call longer than this is timed in few rounds: its spread is small beside the others'.
_LONG_SECONDS, _ROUNDS_OF_LONG = 2.0, 2


@dataclass(frozen=True)
class Row:
    """One contender on one problem.

    Attributes:
        section: what is computed, for example "forward".
        name: the contender.
        bodies, dtype, batch: the problem.
        seconds: of each round, for the whole batch; empty where it was not run.
        error: the largest.
        note: why it was not run.
    """

    section: str
    name: str
    bodies: int
    dtype: str
    batch: int
    seconds: tuple[float, ...] = ()
    error: float | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """s for the whole batch."""
        return statistics.median(self.seconds)

    def cell(self) -> str:
        """us a frame: median [min-max], or why there is none."""
        if not self.seconds:
            return self.note or "-"
        low, middle, high = (
            significant(1e6 * s / self.batch) for s in (min(self.seconds), self.median, max(self.seconds))
        )
        return f"{middle} [{low}-{high}]"


def significant(value: float) -> str:
    """Three digits, without an exponent."""
    if value == 0 or not math.isfinite(value):
        return str(value)
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def alternate(calls: dict[Any, Callable[[], Any]], rounds: int) -> dict[Any, list[float]]:
    """Seconds of one call in each round; every contender has its turn in every round, in random order.

    All are called once before, which compiles what must be compiled.
    """
    for call in calls.values():
        call()
    first = {name: seconds(call, 1) for name, call in calls.items()}
    repeats = {name: max(1, math.ceil(_LEAST_SECONDS / max(s, 1e-7))) for name, s in first.items()}
    times: dict[Any, list[float]] = {name: [] for name in calls}
    order, rng = list(calls), random.Random(0)
    for turn in range(rounds):
        rng.shuffle(order)
        for name in order:
            if turn < _ROUNDS_OF_LONG or first[name] < _LONG_SECONDS:
                time.sleep(_PAUSE_SECONDS)
                times[name].append(seconds(calls[name], repeats[name]))
    return times


def seconds(call: Callable[[], Any], repeats: int) -> float:
    """Mean wall time of a call."""
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def markdown(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table."""
    headings = list(headings)
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def batch_table(rows: list[Row], order: Iterable[str] = ()) -> str:
    """One section of one body: contenders down, batches across, us a frame, the largest error last."""
    places = {name: place for place, name in enumerate(order)}
    rows = sorted(rows, key=lambda row: (places.get(row.name, -1), row.dtype))
    batches = sorted({row.batch for row in rows})
    by_contender: dict[tuple[str, str], dict[int, Row]] = {}
    for row in rows:
        by_contender.setdefault((row.name, row.dtype), {})[row.batch] = row
    lines = []
    for (name, dtype), found in by_contender.items():
        if all(row.note == "float64 only" for row in found.values()):
            continue
        errors = [row.error for row in found.values() if row.error is not None]
        cells = [found[batch].cell() if batch in found else "-" for batch in batches]
        lines.append([name, dtype, *cells, f"{max(errors):.1e}" if errors else "-"])
    return markdown(
        ["", "dtype", *(f"{batch} frame{'s'[: batch != 1]}" for batch in batches), "error"], lines
    )
