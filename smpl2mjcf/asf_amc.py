"""Acclaim ASF skeletons and AMC motions, as CMU's motion capture library publishes them.

Axes: y up, facing +z, left = +x, the same as SMPL's. A bone's axis angles (a, b, c) make its frame
C = Rz(c) Ry(b) Rx(a) in the zero pose; with joint angles (rx, ry, rz)

    G = G_parent C Rz(rz) Ry(ry) Rx(rx) C^-1,    end = start + G direction length.

The unit of length is an inch divided by the file's `length` (0.45 in CMU's files), angles in degrees.
Source: the files themselves and mocap.cs.cmu.edu; free fall in CMU's jumps confirms unit and rate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .errors import MotionFileError
from .input_file import read_file
from .text_numbers import LARGEST_NUMBER, LARGEST_TEXT, plain_numbers

Array = NDArray[np.float64]

INCH = 0.0254  # m

MOST_BONES = 1000  # CMU's skeletons have 30

_FRAME = re.compile(r"\d{1,12}", re.ASCII)

ROOT = "root"

ROOT_ORDER: tuple[str, ...] = ("tx", "ty", "tz", "rx", "ry", "rz")
"""The numbers of a root, in any order; CMU's files have this one."""


@dataclass(frozen=True, eq=False)
class AsfBone:
    """One bone of a skeleton in its zero pose."""

    parent: str
    vector: Array  # (3,) m from its start to its end
    axes: Array  # (3, 3) C, columns are the axes that its angles turn about
    dof: tuple[str, ...]  # of "rx", "ry", "rz", in the order of the motion file's numbers


@dataclass(frozen=True, eq=False)
class AsfSkeleton:
    """An ASF file: bones by name, parents before children, lengths in metres."""

    bones: dict[str, AsfBone]
    metres: float  # per unit of length in the file, also the scale of root positions
    root_order: tuple[str, ...]  # of "tx", "ty", "tz", "rx", "ry", "rz"
    degrees: bool

    def rest_starts(self) -> dict[str, Array]:
        """Where each bone starts in the zero pose, (3,) m from the root."""
        starts: dict[str, Array] = {ROOT: np.zeros(3)}
        ends = {ROOT: np.zeros(3)}
        for name, bone in self.bones.items():
            starts[name] = ends[bone.parent]
            ends[name] = starts[name] + bone.vector
        return starts


@dataclass(frozen=True, eq=False)
class BonePoses:
    """World pose of every bone in every frame; "root" is among them."""

    orientation: dict[str, Rotation]  # T rotations each, G: zero-pose axes to world
    start: dict[str, Array]  # (T, 3) m


def read_asf(path: Path) -> AsfSkeleton:
    """The skeleton of an ASF file. Raises MotionFileError with the line where it cannot be read."""
    lines = list(_lines(path))
    length_unit, degrees = 1.0, True
    root_order = ROOT_ORDER
    raw: dict[str, dict[str, list[str]]] = {}
    parents: dict[str, str] = {}
    section = ""
    bone: dict[str, list[str]] = {}
    for number, words in lines:
        try:
            if words[0].startswith(":"):
                section = words[0][1:].lower()
            elif section == "units" and words[0] == "length":
                unit = plain_numbers(words[1:2])
                if unit is None or not (unit >= 1 / LARGEST_NUMBER).all():
                    what = f"cannot read {' '.join(words)[:80]!r}: the unit of length must be positive"
                    raise MotionFileError(f"{path}, line {number}: {what}, up to {LARGEST_NUMBER:g}")
                length_unit = float(unit[0])
            elif section == "units" and words[0] == "angle":
                degrees = words[1].lower() == "deg"
            elif section == "root" and words[0] == "order":
                root_order = tuple(word.lower() for word in words[1:])
            elif section == "root" and words[0] in ("position", "orientation"):
                if _numbers(words[1:], 3).any():
                    raise MotionFileError(
                        f"{path}, line {number}: a root with a {words[0]} of its own in the zero pose is "
                        "not read; accepted: 0 0 0"
                    )
            elif section == "root" and words[0] == "axis":
                if words[1].upper() != "XYZ":
                    raise MotionFileError(f"{path}, line {number}: root axis {words[1]}; accepted: XYZ")
            elif section == "bonedata":
                if words[0] == "begin":
                    bone = {}
                elif words[0] == "end":
                    name = bone["name"][0]
                    if name in raw or name == ROOT or len(raw) >= MOST_BONES:
                        raise MotionFileError(
                            f"{path}, line {number}: bone {name[:40]!r} stands twice, is called as the root "
                            f"is, or is one of more than {MOST_BONES}"
                        )
                    raw[name] = bone
                else:
                    bone[words[0]] = words[1:]
            elif section == "hierarchy" and words[0] not in ("begin", "end"):
                again = [name for name in words[1:] if name in parents]
                if again:
                    raise MotionFileError(f"{path}, line {number}: {again[0]!r} has a second parent")
                parents.update(dict.fromkeys(words[1:], words[0]))
        except MotionFileError:
            raise
        except (IndexError, KeyError, ValueError) as problem:
            raise MotionFileError(f"{path}, line {number}: cannot read {' '.join(words)[:80]!r}") from problem
    if not raw or not parents:
        raise MotionFileError(f"{path} is not an ASF skeleton: it has no :bonedata or no :hierarchy")
    if sorted(root_order) != sorted(ROOT_ORDER):
        given = " ".join(root_order)
        raise MotionFileError(f"{path}: the root's order is {given}; accepted: {' '.join(ROOT_ORDER)}")
    absent = [name for name in parents if name not in raw]
    if absent:
        raise MotionFileError(f"{path}: {', '.join(absent)[:200]} stands in :hierarchy but not in :bonedata")
    metres = INCH / length_unit
    bones: dict[str, AsfBone] = {}
    for name in _parents_first(path, parents):
        try:
            bones[name] = _bone(raw[name], parents[name], metres, degrees)
        except (KeyError, IndexError, ValueError) as problem:
            raise MotionFileError(
                f"{path}: bone {name[:40]!r} is incomplete ({str(problem)[:200]})"
            ) from problem
    return AsfSkeleton(bones, metres, root_order, degrees)


def read_amc(path: Path, skeleton: AsfSkeleton) -> dict[str, Array]:
    """Joint numbers of an AMC motion: (T, n) for each bone and "root", as in the file.

    Raises MotionFileError with the line where the file does not fit the skeleton.
    """
    widths = {ROOT: len(skeleton.root_order)}
    widths.update({name: len(bone.dof) for name, bone in skeleton.bones.items() if bone.dof})
    frames: list[dict[str, Array]] = []
    frame_number = None
    for number, words in _lines(path):
        if words[0].startswith(":"):
            unit = words[0][1:].upper()
            if unit in ("DEGREES", "RADIANS") and (unit == "DEGREES") != skeleton.degrees:
                other = "degrees" if skeleton.degrees else "radians"
                raise MotionFileError(
                    f"{path}, line {number}: {unit.lower()}, but the skeleton's angles are {other}"
                )
            continue
        if len(words) == 1 and _FRAME.fullmatch(words[0]):
            if frame_number is not None and int(words[0]) != frame_number + 1:
                raise MotionFileError(
                    f"{path}, line {number}: frame {words[0]} follows frame {frame_number}; "
                    "a gap cannot be differentiated, every frame must be there"
                )
            frame_number = int(words[0])
            frames.append({})
            continue
        name, values = words[0], words[1:]
        if not frames or name not in widths or len(values) != widths[name]:
            expected = f"{widths[name]} numbers" if name in widths else "a bone of the skeleton with dof"
            raise MotionFileError(
                f"{path}, line {number}: {name[:40]!r} with {len(values)} numbers; expected {expected} "
                "(does the skeleton belong to this motion?)"
            )
        if name in frames[-1]:
            raise MotionFileError(f"{path}, line {number}: {name!r} stands twice in frame {frame_number}")
        found = plain_numbers(values)
        if found is None:
            raise MotionFileError(
                f"{path}, line {number}: not a number in {' '.join(words)[:80]!r}; accepted: finite ones up "
                f"to {LARGEST_NUMBER:g}"
            )
        frames[-1][name] = found
    if not frames:
        raise MotionFileError(f"{path} is not an AMC motion: it has no frames")
    absent = [(i + 1, name) for i, frame in enumerate(frames) for name in widths if name not in frame]
    if absent:
        raise MotionFileError(f"{path}: frame {absent[0][0]} has no {absent[0][1]!r}; is the file cut off?")
    return {name: np.array([frame[name] for frame in frames]) for name in widths}


def bone_poses(skeleton: AsfSkeleton, numbers: dict[str, Array]) -> BonePoses:
    """Forward kinematics of every frame, metres, y up."""
    root = dict(zip(skeleton.root_order, numbers[ROOT].T))
    T = len(numbers[ROOT])
    orientation = {ROOT: _rotation(root, T, skeleton.degrees)}
    end = {ROOT: np.stack([root[axis] for axis in ("tx", "ty", "tz")], axis=1) * skeleton.metres}
    start = {ROOT: end[ROOT]}
    for name, bone in skeleton.bones.items():
        local = _rotation(dict(zip(bone.dof, numbers[name].T)) if bone.dof else {}, T, skeleton.degrees)
        C = Rotation.from_matrix(bone.axes)
        orientation[name] = orientation[bone.parent] * C * local * C.inv()
        start[name] = end[bone.parent]
        end[name] = start[name] + orientation[name].apply(bone.vector)
    return BonePoses(orientation, start)


def _rotation(angles: dict[str, Array], T: int, degrees: bool) -> Rotation:
    """Rz Ry Rx of T frames; an angle that the bone does not have is 0."""
    columns = [angles.get(axis, np.zeros(T)) for axis in ("rx", "ry", "rz")]
    return Rotation.from_euler("xyz", np.stack(columns, axis=1), degrees=degrees)


def _bone(raw: dict[str, list[str]], parent: str, metres: float, degrees: bool) -> AsfBone:
    direction = _numbers(raw["direction"], 3)
    angles = _numbers(raw["axis"], 3)
    order = raw["axis"][3].upper() if len(raw["axis"]) > 3 else "XYZ"
    if sorted(order) != ["X", "Y", "Z"]:
        raise ValueError(f"axis order {order[:20]!r}; accepted: XYZ in any order")
    axes = Rotation.from_euler(order.lower(), angles, degrees=degrees).as_matrix()
    dof = tuple(word.lower() for word in raw.get("dof", []))
    unknown = set(dof) - {"rx", "ry", "rz"}
    if unknown:
        raise ValueError(f"unknown dof {', '.join(sorted(unknown))}; accepted: rx, ry, rz")
    if len(set(dof)) < len(dof):
        raise ValueError(f"dof {' '.join(dof)} names one twice")
    length = float(_numbers(raw["length"], 1, "length ")[0])
    if not length > 0:
        raise ValueError(f"length {length}; accepted: above 0")
    if not np.abs(direction).max() > 1e-9:
        raise ValueError(f"direction {direction.tolist()} points nowhere")
    vector = direction / np.linalg.norm(direction) * length * metres
    return AsfBone(parent, vector, axes, dof)


def _numbers(words: list[str], count: int, what: str = "") -> Array:
    """(count,) the first numbers of a line."""
    if len(words) < count:
        expected = "three numbers are" if count == 3 else "a number is"
        raise ValueError(f"{' '.join(words)!r} where {expected} expected")
    numbers = plain_numbers(words[:count])
    if numbers is None:
        raise ValueError(f"{what}{' '.join(words[:count])[:40]} is not a number up to {LARGEST_NUMBER:g}")
    return numbers


def _parents_first(path: Path, parents: dict[str, str]) -> list[str]:
    ordered: list[str] = []
    placed = {ROOT}
    waiting = list(parents)
    while waiting:
        ready = [name for name in waiting if parents[name] in placed]
        if not ready:
            raise MotionFileError(
                f"{path}: the hierarchy does not lead from the root to {', '.join(waiting)[:200]}"
            )
        ordered += ready
        placed.update(ready)
        waiting = [name for name in waiting if name not in placed]
    return ordered


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and words of every line that is not blank or a comment."""
    text = read_file(path, MotionFileError, LARGEST_TEXT).decode("latin-1")
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if words and not words[0].startswith("#"):
            yield number, words
