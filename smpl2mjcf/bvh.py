"""BVH motion files (Biovision hierarchy): the file as it stands, and where its joints go in every frame.

A joint's rotation channels act in the order in which the file names them, R = R_first R_second R_third;
G = G_parent R, start = start_parent + G_parent offset. In the zero pose all axes are the file's. Angles are
degrees. The file stores no unit of length, no vertical axis and no meaning of its joint names.

Source: the public description of the format (Meredith and Maddock 2001, Motion capture file formats
explained, University of Sheffield CS-01-11) and the files themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .errors import MotionFileError
from .frame_time import written_rate
from .input_file import read_file
from .text_numbers import LARGEST_NUMBER, LARGEST_TEXT, plain_numbers

Array = NDArray[np.float64]

MOST_JOINTS = 2000  # a body with hands and face has a hundred
MOST_DEPTH = 200

POSITIONS = ("xposition", "yposition", "zposition")
ROTATIONS = ("xrotation", "yrotation", "zrotation")

_MOTION = re.compile(r"^[ \t]*MOTION[ \t\r]*$", re.MULTILINE)
_TIMING = re.compile(r"\s*Frames\s*:[ \t]*(\S+)[ \t\r]*\n\s*Frame[ \t]+Time\s*:[ \t]*(\S+)[ \t\r]*(?:\n|$)")


@dataclass(frozen=True, eq=False)
class BvhClip:
    """A BVH file: joints parents first, lengths in the file's unit, angles in degrees."""

    names: tuple[str, ...]  # (J,)
    parents: tuple[int, ...]  # (J,), -1 for the root
    offsets: Array  # (J, 3) from the parent's start, in the file's unit
    channels: tuple[tuple[str, ...], ...]  # (J,) tuples of POSITIONS and ROTATIONS, in the file's order
    values: Array  # (T, C) one row a frame, the joints' channels after one another
    fps: float
    rate_doubt: str = ""  # why fps may be wrong: a Frame Time of few digits

    @property
    def num_frames(self) -> int:
        """T."""
        return len(self.values)

    def rest_starts(self) -> Array:
        """(J, 3) where each joint is in the zero pose, from the root, in the file's unit."""
        starts = np.zeros((len(self.names), 3))
        for j, parent in enumerate(self.parents):
            if parent >= 0:
                starts[j] = starts[parent] + self.offsets[j]
        return starts


def read_bvh(path: Path) -> BvhClip:
    """The contents of a BVH file.

    Raises MotionFileError with what is wrong: a hierarchy that does not close, a second ROOT, unknown
    channels, rows that do not fit the hierarchy or the stated number of frames, NaN, a Frame Time of 0.
    """
    text = read_file(path, MotionFileError, LARGEST_TEXT).decode("latin-1")
    split = _MOTION.search(text)
    if not text.lstrip("\ufeffï»¿ \t\r\n").startswith("HIERARCHY") or split is None:
        raise MotionFileError(
            f"{path} is not a BVH file: it does not go from a line HIERARCHY to a line MOTION"
        )
    names, parents, offsets, channels = _hierarchy(path, text[: split.start()])
    timing = _TIMING.match(text, split.end())
    if timing is None:
        raise MotionFileError(
            f"{path}: MOTION must go on with the lines 'Frames: n' and 'Frame Time: seconds'"
        )
    count, (fps, doubt) = _count(path, timing[1]), _rate(path, timing[2])
    first_line = text.count("\n", 0, timing.end()) + 1
    values = _rows(path, text[timing.end() :], sum(map(len, channels)), first_line, count)
    return BvhClip(names, parents, offsets, channels, values, fps, doubt)


def joint_poses(clip: BvhClip) -> tuple[list[Rotation], Array]:
    """Forward kinematics: J world orientations of T rotations each, and (J, T, 3) starts in the file's unit.

    Position channels stand for the joint's OFFSET, as most programs write them. Some add them to it: below
    the root, a joint whose positions lie nearer to 0 than to its OFFSET is read so.
    """
    T = clip.num_frames
    orientation: list[Rotation] = []
    start = np.empty((len(clip.names), T, 3))
    column = 0
    for j, (parent, names) in enumerate(zip(clip.parents, clip.channels)):
        block = clip.values[:, column : column + len(names)]
        column += len(names)
        axes = [i for i, name in enumerate(names) if name in ROTATIONS]
        local = Rotation.identity(T)
        if axes:
            order = "".join(names[i][0].upper() for i in axes)  # upper case: about the turned axes
            local = Rotation.from_euler(order, block[:, axes], degrees=True)
        offset = np.tile(clip.offsets[j], (T, 1))
        moved = {POSITIONS.index(name): block[:, i] for i, name in enumerate(names) if name in POSITIONS}
        if moved:
            axis = list(moved)
            given = np.stack([moved[a] for a in axis], axis=1)
            away = given - clip.offsets[j][axis]
            added = parent >= 0 and np.median(_length(given)) < np.median(_length(away))
            offset[:, axis] = given + clip.offsets[j][axis] if added else given
        if parent < 0:
            orientation.append(local)
            start[j] = offset
        else:
            orientation.append(orientation[parent] * local)
            start[j] = start[parent] + orientation[parent].apply(offset)
    return orientation, start


def lost_bones(clip: BvhClip) -> dict[str, list[str]]:
    """Joints that start where their parent does, by that parent's name.

    ASF-to-BVH converters of CMU's library write an OFFSET of 0 0 0 wherever a joint has several children: the
    parent's bone is lost, and what hangs on it sits too near. Children of the root start there in the
    ASF too, so they have lost nothing.
    """
    lost: dict[str, list[str]] = {}
    for j, parent in enumerate(clip.parents):
        if parent >= 0 and clip.parents[parent] >= 0 and not clip.offsets[j].any():
            lost.setdefault(clip.names[parent], []).append(clip.names[j])
    return lost


def _length(vectors: Array) -> Array:
    return np.sqrt((vectors * vectors).sum(axis=-1))


def _hierarchy(
    path: Path, text: str
) -> tuple[tuple[str, ...], tuple[int, ...], Array, tuple[tuple[str, ...], ...]]:
    """Names, parents, offsets and channels; the nesting is on a list, not on the call stack."""
    words = text.split()
    names: list[str] = []
    parents: list[int] = []
    offsets: dict[int, Array] = {}
    channels: dict[int, tuple[str, ...]] = {}
    open_blocks: list[tuple[int, bool]] = []  # joint, and whether the block is its End Site
    at = words.index("HIERARCHY") + 1 if "HIERARCHY" in words else 1

    def where() -> str:
        inside = f" in joint {names[open_blocks[-1][0]]!r}" if open_blocks else ""
        return f"{path}, hierarchy{inside}"

    while at < len(words):
        word = words[at]
        joint, in_end = open_blocks[-1] if open_blocks else (-1, False)
        if word in ("ROOT", "JOINT", "End"):
            brace = next((i for i in range(at + 1, min(at + 20, len(words))) if words[i] == "{"), None)
            if brace is None or in_end or (word == "ROOT") != (not open_blocks):
                raise MotionFileError(
                    f"{where()}: {' '.join(words[at : at + 3])[:80]!r} is not expected here"
                )
            if word == "ROOT" and names:
                raise MotionFileError(
                    f"{path} has a second ROOT, {' '.join(words[at + 1 : brace])[:80]!r}; "
                    "one person a file is read"
                )
            if word == "End":
                open_blocks.append((joint, True))
            else:
                names.append(" ".join(words[at + 1 : brace]))
                parents.append(joint)
                open_blocks.append((len(names) - 1, False))
            if len(names) > MOST_JOINTS or len(open_blocks) > MOST_DEPTH:
                raise MotionFileError(
                    f"{path}: more than {MOST_JOINTS} joints, or more than {MOST_DEPTH} inside one another"
                )
            at = brace + 1
        elif word == "OFFSET" and open_blocks:
            vector = plain_numbers(words[at + 1 : at + 4])
            if vector is None or len(vector) != 3:
                raise MotionFileError(
                    f"{where()}: OFFSET {' '.join(words[at + 1 : at + 4])[:80]!r}; three numbers are expected"
                )
            if not in_end:  # where a bone ends is not needed, only that the file is sound
                offsets[joint] = vector
            at += 4
        elif word == "CHANNELS" and open_blocks and not in_end:
            count = words[at + 1] if at + 1 < len(words) else ""
            known = re.fullmatch("[0-6]", count) is not None
            found = tuple(w.lower() for w in words[at + 2 : at + 2 + int(count)]) if known else ()
            if not known or len(found) != len(set(found)) or not set(found) <= {*POSITIONS, *ROTATIONS}:
                raise MotionFileError(
                    f"{where()}: {' '.join(words[at : at + 8])[:80]!r}; accepted: CHANNELS, "
                    f"a number up to 6 and as many different ones of {', '.join(POSITIONS + ROTATIONS)}"
                )
            if str(len(found)) != count:
                raise MotionFileError(f"{where()}: CHANNELS states {count[:20]} and names {len(found)}")
            channels[joint] = found
            at += 2 + len(found)
        elif word == "}" and open_blocks:
            open_blocks.pop()
            at += 1
        else:
            raise MotionFileError(f"{where()}: {word[:80]!r} is not expected here")
    if open_blocks or not names:
        what = f"joint {names[open_blocks[-1][0]]!r} is not closed" if open_blocks else "there is no ROOT"
        raise MotionFileError(f"{path}: {what} before MOTION; is the file cut off?")
    bare = [name for j, name in enumerate(names) if j not in offsets or j not in channels]
    if bare:
        raise MotionFileError(f"{path}: joint {bare[0]!r} has no OFFSET or no CHANNELS")
    twice = [name for j, name in enumerate(names) if name in names[:j]]
    if twice:
        raise MotionFileError(f"{path}: joint {twice[0]!r} stands twice in the hierarchy")
    order = range(len(names))
    rows = np.array([offsets[j] for j in order])
    return tuple(names), tuple(parents), rows, tuple(channels[j] for j in order)


def _rows(path: Path, text: str, width: int, first_line: int, count: int) -> Array:
    lines = [
        (number, words) for number, line in enumerate(text.split("\n"), first_line) if (words := line.split())
    ]
    for number, words in lines:
        if len(words) != width:
            raise MotionFileError(
                f"{path}, line {number}: {len(words)} numbers, the hierarchy has {width} channels"
                + ("; is the file cut off?" if number == lines[-1][0] else "")
            )
    if len(lines) != count or not count:
        raise MotionFileError(f"{path} states {count} frames and has {len(lines)} rows; is the file cut off?")
    if not width:
        raise MotionFileError(f"{path}: no joint has a channel, so nothing moves")
    rows = [plain_numbers(words) for _, words in lines]
    values = [row for row in rows if row is not None]
    if len(values) < len(rows):
        number, words = next(line for line, row in zip(lines, rows) if row is None)
        word = next(w for w in words if plain_numbers([w]) is None)
        raise MotionFileError(
            f"{path}, line {number}: {word[:40]!r} is not a number; accepted: finite ones up "
            f"to {LARGEST_NUMBER:g}"
        )
    return np.array(values)


def _count(path: Path, word: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", word):
        raise MotionFileError(f"{path}: Frames: {word[:40]!r}; a whole number is expected")
    return int(word)


def _rate(path: Path, word: str) -> tuple[float, str]:
    try:
        return written_rate(word)
    except ValueError:
        raise MotionFileError(
            f"{path}: Frame Time: {word[:40]!r}; a time above 0 in seconds is expected (1e-5 to 1000)"
        ) from None
