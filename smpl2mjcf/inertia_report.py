"""What a humanoid's inertia is, segment by segment, beside de Leva's table.

A segment of several bodies (head, trunk, hand, foot) is composed of them by the parallel-axis theorem. Its
centre of mass and radii of gyration are fractions of its own length on this body, as in the table.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import deleva
from .cut_plan import TRUNK_JOINTS
from .humanoid import Humanoid
from .inertia import Inertia
from .segment_frames import SEGMENT_JOINTS, SegmentFrame, segment_frame, segment_part, trunk_frame

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SegmentRow:
    """One segment of a humanoid and of the table; fractions, not percent."""

    segment: str
    bodies: tuple[str, ...]
    length: float  # m, between the table's endpoints on this body
    mass: float  # kg
    share: float  # of body mass
    com: float  # of the length, from the table's first endpoint
    radii: tuple[float, float, float]  # of the length: sagittal, transverse, longitudinal
    table_share: float
    table_com: float
    table_radii: tuple[float, float, float]


def segment_rows(humanoid: Humanoid) -> list[SegmentRow]:
    """The whole trunk and the 13 other segments of a humanoid, each beside its row of the table."""
    shape = humanoid.shape
    cells, positions = shape.cells(humanoid.sex), shape.positions
    by_name = dict(zip(humanoid.joint_names, humanoid.inertias))
    table = deleva.segments(humanoid.sex)

    def row(segment: str, names: Sequence[str], frame: SegmentFrame, ideal: deleva.Segment) -> SegmentRow:
        whole = composed([by_name[name] for name in names], [positions[name] for name in names])
        axes = np.stack(frame.axes)
        radii = np.sqrt(np.einsum("ai,ij,aj->a", axes, whole.tensor, axes) / whole.mass) / frame.length
        return SegmentRow(
            segment,
            tuple(names),
            float(frame.length),
            whole.mass,
            whole.mass / humanoid.mass,
            float((whole.com - frame.origin) @ frame.long_axis / frame.length),
            (float(radii[0]), float(radii[1]), float(radii[2])),
            ideal.mass,
            ideal.com,
            (ideal.sagittal, ideal.transverse, ideal.longitudinal),
        )

    centroid = composed(
        [by_name[name] for name in TRUNK_JOINTS], [positions[name] for name in TRUNK_JOINTS]
    ).com
    frame = trunk_frame(positions, centroid)
    rows = [row("trunk", TRUNK_JOINTS, frame, deleva.whole_trunk(humanoid.sex))]
    for segment, candidates in SEGMENT_JOINTS.items():
        names = [name for name in candidates if name in by_name]
        frame = segment_frame(segment, names, cells, positions)
        rows.append(row(segment, names, frame, table[segment_part(segment)]))
    return rows


def composed(inertias: Sequence[Inertia], origins: Sequence[Array]) -> Inertia:
    """Several bodies as one, in the frame that their origins (3,) m are given in."""
    mass = sum(inertia.mass for inertia in inertias)
    places = [origin + inertia.com for origin, inertia in zip(origins, inertias)]
    com = sum((inertia.mass * place for inertia, place in zip(inertias, places)), np.zeros(3)) / mass
    tensor = np.zeros((3, 3))
    for inertia, place in zip(inertias, places):
        d = place - com
        tensor += inertia.tensor + inertia.mass * (d @ d * np.eye(3) - np.outer(d, d))
    return Inertia(mass, com, tensor)


def save_report(humanoid: Humanoid, folder: Path) -> str:
    """Write inertia.txt, inertia_segments.csv and inertia_bodies.csv; returns the text."""
    text = report_text(humanoid)
    for name, content in (
        ("inertia.txt", text),
        ("inertia_segments.csv", segments_csv(humanoid)),
        ("inertia_bodies.csv", bodies_csv(humanoid)),
    ):
        (folder / name).write_text(content, encoding="utf-8")
    return text


def segments_csv(humanoid: Humanoid) -> str:
    """One line a segment: kg, m, and shares and fractions in percent beside de Leva's."""
    columns = ("mass_pct", "com_pct", "rg_sagittal_pct", "rg_transverse_pct", "rg_longitudinal_pct")
    header = ["segment", "bodies", "length_m", "mass_kg", *columns]
    header += [f"{kind}_{name}" for kind in ("deleva", "deviation") for name in columns]
    rows = []
    for row in segment_rows(humanoid):
        own, ideal = _percent(row)
        numbers = (*own, *ideal, *(a - b for a, b in zip(own, ideal)))
        rows.append([row.segment, " ".join(row.bodies), *map(_rounded, (row.length, row.mass, *numbers))])
    return _csv(header, rows)


def bodies_csv(humanoid: Humanoid) -> str:
    """One line a body: mass in kg, centre of mass in m and inertia about it in kg m2, in the body frame."""
    header = ["body", "mass_kg", *(f"com_{axis}_m" for axis in "xyz")]
    header += [f"inertia_{axes}_kgm2" for axes in ("xx", "yy", "zz", "xy", "xz", "yz")]
    rows = []
    for name, inertia in zip(humanoid.joint_names, humanoid.inertias):
        I = inertia.tensor
        six = (I[0, 0], I[1, 1], I[2, 2], I[0, 1], I[0, 2], I[1, 2])
        rows.append([name, *(f"{number:.9g}" for number in (inertia.mass, *inertia.com, *six))])
    return _csv(header, rows)


def _csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def _rounded(number: float) -> str:
    """Six decimals; a rounding error around zero has no sign."""
    return f"{round(number, 6) + 0.0:.6f}"


def report_text(humanoid: Humanoid) -> str:
    """Segments and bodies as tables to read."""
    return "\n".join(_lines(humanoid)) + "\n"


def _lines(humanoid: Humanoid) -> Iterator[str]:
    yield (
        f"{humanoid.mass:.3f} kg, segment inertia {humanoid.inertia!r} ({humanoid.sex}), trunk "
        f"{humanoid.trunk!r}, {humanoid.shape.stature:.4f} m tall, surface {humanoid.surface}"
    )
    yield ""
    yield "mass in % of body mass; centre of mass (CM, from the first endpoint) and radii of gyration in % of"
    yield "the segment's length; in brackets the deviation from de Leva 1996 in percentage points"
    yield ""
    yield (
        f"{'segment':16}{'m':>7}{'kg':>9}{'mass':>17}{'CM':>17}{'Rg sagittal':>17}{'transverse':>17}"
        f"{'longitudinal':>17}"
    )
    for row in segment_rows(humanoid):
        own, ideal = _percent(row)
        pairs = "".join(f"{f'{a:.2f} ({round(a - b, 2) + 0.0:+.2f})':>17}" for a, b in zip(own, ideal))
        yield f"{row.segment:16}{row.length:7.3f}{row.mass:9.3f}{pairs}"
    whole = composed(humanoid.inertias, list(humanoid.joint_positions))
    floor = float(humanoid.shape.vertices[:, 1].min())
    height = (whole.com[1] - floor) / humanoid.shape.stature
    yield ""
    yield f"whole body in the T-pose: centre of mass at {100 * height:.2f} % of stature above the sole"
    yield ""
    yield f"{'body':16}{'kg':>9}{'CM in the body frame, mm (x y z)':>36}{'principal moments, kg m2':>36}"
    for name, inertia in zip(humanoid.joint_names, humanoid.inertias):
        place = " ".join(f"{1000 * x:8.1f}" for x in inertia.com)
        moments = " ".join(f"{value:10.6f}" for value in np.linalg.eigvalsh(inertia.tensor))
        yield f"{name:16}{inertia.mass:9.4f}{place:>36}{moments:>36}"


def _percent(row: SegmentRow) -> tuple[list[float], list[float]]:
    """Mass share, CM and radii of the humanoid and of the table."""
    own = [row.share, row.com, *row.radii]
    ideal = [row.table_share, row.table_com, *row.table_radii]
    return [100 * value for value in own], [100 * value for value in ideal]
