"""Reading the points of C3D files: `load_markers`.

A C3D file has blocks of 512 bytes: a header; parameters in named groups; frames of points (x, y, z and a word
of residual, which is negative where the point was not seen), each followed by its analog samples. A processor
byte sets byte order and float format: Intel (little endian, IEEE), DEC (little endian, VAX floats), MIPS (big
endian, IEEE). A negative POINT:SCALE means floats, a positive one 16-bit integers to be multiplied by it.

This reader is our own, in plain numpy, since files come from strangers and ezc3d parses them in C++: of 100
files with 1 to 10 flipped bits (version 1.7.2, two of CMU's) one ended the process with a segmentation fault,
which no caller can catch; it reads no MIPS files either. It judges this reader in the tests.

Source: the C3D file format user guide, Motion Lab Systems 2008, https://www.c3d.org.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .c3d_parameters import BLOCK, Order, Parameters, fail, read_parameters
from .errors import MotionError, MotionFileError
from .input_file import read_file
from .markers import UNKNOWN_UP, Markers

Array = NDArray[np.float64]

LARGEST_FILE = 1 << 30
FARTHEST_MARKER = 1e4  # m
FASTEST_RATE = 1e5  # 1/s
MOST_STATED = 65535  # frames that the 16-bit fields can state

SMALLEST_SPREAD = 0.05  # m; one hand's markers spread wider, a person's in a unit 25 times wrong do not
SMALLEST_PERSON = 0.3  # m; below it the markers are a limb's or a prop's, or the unit is ten times wrong
LARGEST_PERSON = 3.0  # m; the tallest with raised arms have 2.6
LARGEST_SCENE = 10.0  # m, several people or things without names; one person in a unit ten times wrong has 16
LIKELY_PERSON = 1.5  # m, between one who sits and one who reaches up

METRES = {"m": 1.0, "mm": 1e-3, "cm": 1e-2, "dm": 1e-1, "in": 0.0254, "inch": 0.0254, "ft": 0.3048}
UNIT_NAMES = {
    "m": "metres", "mm": "millimetres", "cm": "centimetres", "dm": "decimetres", "in": "inches", "ft": "feet",
}  # fmt: skip

NOT_POSITIONS = ("ANGLES", "FORCES", "MOMENTS", "POWERS", "REACTIONS", "SCALARS")
"""Parameters of POINT that list labels of computed curves, which Vicon stores among the points."""

FOR_MOTIONS = (
    "{path} holds markers, not a motion: smpl2mjcf.load_markers reads them; fitting a body to markers is not "
    "there yet"
)
"""What to tell a user who asks for the motion of a C3D file."""


def load_markers(
    path: str | Path, up: str | None = None, subject: str | None = None, unit: str | None = None
) -> Markers:
    """The markers of a C3D file in metres, NaN where one was not seen, in the file's axes.

    up: the axis that points up, "z" or "-y" for example, where the file does not say (POINT:Y_SCREEN) or
    says it wrong. subject: whose, where the labels have the prefixes ("name:") of several. unit: of METRES,
    where the file does not say (POINT:UNITS); it overrules what it says with a warning. Labels lose their
    prefix; curves that are no positions are left out with a warning, and unnamed points silently get the
    names "unlabelled_1" ...

    Raises MotionFileError for a file that cannot be read, that is cut off, that holds no markers, or whose
    markers spread as no person's in this unit of length (the message says which it looks like).
    """
    path = Path(path)
    data = read_file(path, MotionFileError, LARGEST_FILE)
    parameters = read_parameters(path, data)
    order = parameters.order
    header = order.words(data[:BLOCK])
    points, samples = int(header[1]), int(header[2])
    used = parameters.integer("POINT", "USED", points)
    if not points or used != points:
        fail(
            path, f"holds {points} points a frame by its header and {used} by POINT:USED; one number above 0"
        )
    scale = parameters.real("POINT", "SCALE", float(order.floats(data[12:16])[0]))
    rate = parameters.real("POINT", "RATE", float(order.floats(data[40:44])[0]))
    if not (np.isfinite(scale) and scale != 0):
        fail(path, f"has a POINT:SCALE of {scale}; a number other than 0 is expected")
    if not 0 < rate <= FASTEST_RATE:
        fail(path, f"states {rate} frames/s")
    width = (2 if scale > 0 else 4) * (4 * points + samples)
    start = (parameters.integer("POINT", "DATA_START", int(header[8])) - 1) * BLOCK
    if start < BLOCK:
        fail(path, f"has its data at block {start // BLOCK + 1}, inside its header")
    frames = _frames(path, parameters, header, (len(data) - start) // width)
    names, keep, owner = _names(path, parameters, points, subject)
    metres = _metres(path, parameters, unit)
    positions = _positions(order, data[start : start + frames * width], frames, points, samples, scale)[
        :, keep
    ]
    positions *= metres
    with np.errstate(invalid="ignore"):
        far = np.abs(positions) > FARTHEST_MARKER
    if far.any():
        t, n, _ = np.argwhere(far)[0]
        fail(
            path,
            f"has marker {names[n]} at {np.abs(positions[t, n]).max():.3g} m in frame {t}; is it damaged?",
        )
    labels = parameters.texts("POINT", "LABELS")
    # A label without a prefix may be anyone's, or a thing's.
    alone = all(n < len(labels) and ":" in labels[n] for n in keep)
    _require_plausible_spread(path, positions, metres, alone)
    try:
        return Markers(names, positions, _tidy(rate), up or _up(parameters), path.name, owner)
    except MotionError as problem:
        raise MotionFileError(f"{path}: {problem}") from problem


def _tidy(rate: float) -> float:
    """The rate without the noise of its 32 bits: 119.99999 is 120."""
    return float(round(rate)) if abs(rate - round(rate)) < 1e-5 * rate else rate


def _positions(order: Order, data: bytes, frames: int, points: int, samples: int, scale: float) -> Array:
    """(T, N, 3) in the file's unit, NaN where the residual is negative or the point is the origin itself."""
    if scale > 0:
        table = np.frombuffer(data, f"{order.endian}i2").reshape(frames, 4 * points + samples)
        cells = table[:, : 4 * points].reshape(frames, points, 4)
        positions = cells[:, :, :3] * scale
        unseen = cells[:, :, 3] < 0
    else:
        numbers = order.floats(data).reshape(frames, 4 * points + samples)
        cells = numbers[:, : 4 * points].reshape(frames, points, 4)
        positions = cells[:, :, :3].astype(np.float64)
        unseen = ~(cells[:, :, 3] >= 0)
    # Some programs write zeros for a marker that was not seen; none is exactly at the origin.
    unseen = unseen | (positions == 0).all(axis=2) | ~np.isfinite(positions).all(axis=2)
    positions[unseen] = np.nan
    return positions


def _frames(path: Path, parameters: Parameters, header: NDArray, held: int) -> int:
    """The number of frames that the file states; it must hold them."""
    first, last = int(header[3]), int(header[4])
    stated = last - first + 1
    if parameters.has("POINT", "FRAMES"):
        stated = parameters.integer("POINT", "FRAMES", stated)
    if parameters.has("POINT", "LONG_FRAMES"):
        stated = int(parameters.real("POINT", "LONG_FRAMES", stated))
    field = [parameters.long("TRIAL", f"ACTUAL_{end}_FIELD") for end in ("START", "END")]
    if field[0] is not None and field[1] is not None:
        stated = field[1] - field[0] + 1
    elif stated == MOST_STATED and held > stated:
        warnings.warn(
            f"{path} states {stated} frames, the most that it can, and holds {held}: all of them are read",
            stacklevel=3,
        )
        stated = held
    if stated < 1 or stated > held:
        fail(path, f"states {stated} frames and holds {held}; is it cut off?")
    return stated


def _names(
    path: Path, parameters: Parameters, points: int, subject: str | None
) -> tuple[tuple[str, ...], list[int], str]:
    """Names of the markers of one person, their places in the file, and the person's name."""
    labels = parameters.texts("POINT", "LABELS")[:points]
    labels += [f"unlabelled_{n + 1}" for n in range(len(labels), points)]
    labels = [label or f"unlabelled_{n + 1}" for n, label in enumerate(labels)]
    curves = {label for name in NOT_POSITIONS for label in parameters.texts("POINT", name) if label}
    split = [label.rsplit(":", 1) if ":" in label else ["", label] for label in labels]
    keep = [n for n, label in enumerate(labels) if label not in curves and split[n][1] not in curves]
    if len(keep) < points:
        warnings.warn(
            f"{path}: {points - len(keep)} of {points} points are angles, forces or the like: left out",
            stacklevel=3,
        )
    owners = sorted({split[n][0] for n in keep} - {""})
    if subject is None and len(owners) > 1:
        fail(path, f"holds the markers of several people: choose one of {', '.join(owners)}")
    if subject is not None:
        if subject not in owners:
            fail(
                path,
                f"holds no markers of {subject!r}; available: {', '.join(owners) or 'no prefixes at all'}",
            )
        keep = [n for n in keep if split[n][0] == subject]
    if not keep:
        fail(path, "holds no markers")
    return tuple(split[n][1] for n in keep), keep, subject or (owners[0] if owners else "")


def _metres(path: Path, parameters: Parameters, unit: str | None) -> float:
    stated = (parameters.texts("POINT", "UNITS") or [""])[0].lower()
    named = stated if unit is None else unit.lower()
    if named not in METRES:
        fail(path, f"has the unit of length {named!r} (unit=); accepted: {', '.join(METRES)}")
    if stated in METRES and METRES[stated] != METRES[named]:
        warnings.warn(
            f"{path} states the unit of length {stated!r}; {named!r} was asked for and is used", stacklevel=3
        )
    return METRES[named]


def _require_plausible_spread(path: Path, positions: Array, metres: float, alone: bool) -> None:
    """Refuse markers (T, N, 3) m that are in another unit; alone: all of them are one person's or thing's."""
    seen = ~np.isnan(positions).any(axis=2)
    several = seen.sum(axis=1) > 1
    if not several.any():
        return
    extent = np.nanmax(positions[several], axis=1) - np.nanmin(positions[several], axis=1)
    spread = float(np.median(extent.max(axis=1)))
    largest = LARGEST_PERSON if alone else LARGEST_SCENE
    if SMALLEST_PERSON <= spread <= largest:
        return
    sizes = {name: spread / metres * METRES[name] for name in UNIT_NAMES}
    fitting = [name for name, size in sizes.items() if SMALLEST_PERSON <= size <= LARGEST_PERSON]
    likely = min(fitting, key=lambda name: abs(np.log(sizes[name] / LIKELY_PERSON)), default=None)
    looks = "is a person's in no known unit"
    if likely is not None:
        looks = f"looks like {UNIT_NAMES[likely]} (unit={likely!r})"
    what = f"has markers that spread over {spread:.3g} m in the middle of its frames; this"
    if not SMALLEST_SPREAD <= spread <= largest:
        fail(path, f"{what} {looks}; accepted: {SMALLEST_SPREAD:g} to {largest:g} m")
    warnings.warn(f"{path} {what} is a hand, a foot or a prop, or else {looks}", stacklevel=3)


def _up(parameters: Parameters) -> str:
    """The axis that points up on the screen, as many programs note it."""
    stated = (parameters.texts("POINT", "Y_SCREEN") or [""])[0].strip().lower().lstrip("+")
    return stated if re.fullmatch(r"-?[xyz]", stated) else UNKNOWN_UP
