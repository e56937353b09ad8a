"""A comparison as text to read and as CSV."""

from __future__ import annotations

import csv
import io
import math

from .two_models import Comparison, Row

DECIMALS = {"kg": 3, "m": 3, "deg": 1, "s": 4, "SI": 4, "": 0}
"""1 g, 1 mm, 0.1 degrees; percentages have two."""

STACKED = ("joints", "actuators")
"""Sections of long texts: one below the other instead of side by side."""

HOW = """\
Bodies are matched by the part that their names mean; a body may hold more than its counterpart.
Masses, lengths and radii of paired segments are the mean of both sides.
Stature: extent of the geoms along up in the most extended pose, qpos0 or a keyframe; the centre of mass
is of the same pose, the arms as they are there.
Lengths: from joint to joint. Ranges: about qpos0, * a whole turn or more, which limits nothing.
"""


def comparison_csv(comparison: Comparison) -> str:
    """One line a row, under a header; numbers with six digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["section", "name", "unit", "A", "B", "B - A", "de Leva", "A belongs to", "B belongs to"])
    for row in comparison.rows:
        values = (row.a, row.b, row.difference, row.reference)
        cells = ["" if x is None else x if isinstance(x, str) else f"{x:.6g}" for x in values]
        writer.writerow([row.section, row.name, row.unit, *cells, row.label_a, row.label_b])
    return text.getvalue()


def comparison_text(comparison: Comparison) -> str:
    """Tables with a header, section by section, then what could not be matched and notes."""
    parts = [f"A: {comparison.title_a}\nB: {comparison.title_b}\n"]
    for section in dict.fromkeys(row.section for row in comparison.rows):
        rows = [row for row in comparison.rows if row.section == section]
        units = {row.unit for row in rows}
        shared = units.pop() if len(units) == 1 else ""
        body = _stacked(rows) if section in STACKED else _table(rows, comparison.sex, shared)
        parts.append(f"{section.upper()}{shared and f', {shared}'}\n{body}")
    if not any(row.section == "actuators" for row in comparison.rows):
        parts.append("ACTUATORS\n  none on joints in either model\n")
    unmatched = (("A", comparison.unmatched_a, "B"), ("B", comparison.unmatched_b, "A"))
    lines = [
        f"  {len(names)} of {letter}'s have no counterpart in {other}: {', '.join(names)}\n"
        for letter, names, other in unmatched
        if names
    ]
    parts.append("BODIES WITHOUT A MATCH\n" + ("".join(lines) or "  none: every body has its counterpart\n"))
    parts.append("NOTES\n" + "".join(f"  {line}\n" for line in (*comparison.notes, *HOW.splitlines())))
    return "\n".join(parts)


def _table(rows: list[Row], sex: str, shared_unit: str) -> str:
    header = ["", "A", "B", "B - A", f"de Leva, {sex}", ""]
    lines = [header]
    for row in rows:
        unit = f", {row.unit}" if row.unit not in ("", "SI", shared_unit) else ""
        cells = [_shown(value, row.unit) for value in (row.a, row.b)]
        difference = row.difference
        gap = "" if difference is None else _shown(difference, row.unit, sign=True)
        reference = "" if row.reference is None else _shown(row.reference, row.unit)
        lines.append([row.name + unit, *cells, gap, reference, _labels(row)])
    kept = [k for k in range(6) if k in (0, 1, 2) or any(line[k] for line in lines[1:])]
    widths = {k: max(len(line[k]) for line in lines) for k in kept}
    return "".join(
        (
            "  "
            + "  ".join(line[k].ljust(widths[k]) if k in (0, 5) else line[k].rjust(widths[k]) for k in kept)
        ).rstrip()
        + "\n"
        for line in lines
    )


def _labels(row: Row) -> str:
    """Whose the values are: once where both say the same."""
    if row.label_a == row.label_b:
        return "" if row.label_a == row.name else row.label_a
    return f"{row.label_a or '-'} | {row.label_b or '-'}"


def _stacked(rows: list[Row]) -> str:
    lines = []
    width = max(len(row.name) for row in rows)
    for row in rows:
        name = row.name.ljust(width)
        if row.a == row.b:
            lines.append(f"  {name}  A, B  {row.a}\n")
        else:
            lines.append(f"  {name}  A     {'-' if row.a is None else row.a}\n")
            lines.append(f"  {' ' * width}  B     {'-' if row.b is None else row.b}\n")
    return "".join(lines)


def _shown(value: float | str | None, unit: str, sign: bool = False) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if not math.isfinite(value):
        return "one side only" if unit == "deg" else "inf"
    text = f"{value:.{DECIMALS.get(unit, 2)}f}"
    if float(text) == 0:
        return text.removeprefix("-")
    return f"+{text}" if sign and value > 0 else text
