"""One number or text about a model, under a section and a name that are the same for every model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    """What one model says in one row of a comparison."""

    section: str
    name: str
    unit: str  # "" for counts and texts
    value: float | str
    label: str = ""  # which body or part it belongs to
