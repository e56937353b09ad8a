"""Motions out of the result files of pose estimators: WHAM, GVHMR, TRAM, PHALP (4DHumans), PromptHMR.

Which tool wrote a file is told by its keys, not by its name. The motion is in the file's own axes:
gravity-aligned and y up (WHAM, GVHMR, PromptHMR), or with no known vertical (TRAM: axes of the first
camera; PHALP: axes of the camera). Frames that a track lacks stay gaps.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .body import Body
from .errors import MotionError, MotionFileError, UnsafeFileError
from .input_file import read_file
from .motion import Motion
from .result_readers import Seen, Track, gvhmr, phalp, phalp_people, prompthmr, tram, wham
from .result_values import dictionary, entry, numbers, read_container
from .untrusted_arrays import MalformedFileError, quoted

RESULT_SUFFIXES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".npy")
"""Names that result files have; what they are is told by their content."""

ACCEPTED = (
    "WHAM's wham_output.pkl, GVHMR's hmr4d_results.pt, TRAM's hps_track_<k>.npy, PHALP's or 4DHumans' "
    "results/*.pkl, PromptHMR's results.pkl"
)

GVHMR_FPS = 30.0
"""GVHMR re-encodes every video at this rate first, whatever the camera's was, and does not store it."""

MOST_LISTED_PEOPLE = 20


@dataclass(frozen=True)
class _Tool:
    """How to tell one tool's files and read them."""

    name: str
    keys: set[str]  # any of these at the top, or in what the top's keys stand for, tells the tool
    people: Callable[[dict[Any, Any]], Mapping[Any, object]]  # what the file says of each person
    count: Callable[[dict[Any, Any], str], int]  # the frames of one person
    read: Callable[[Track], Seen]
    fps: float | None = None  # where the tool itself determines it


def read_result(path: Path, body: Body, person: str | None = None, fps: float | None = None) -> Motion:
    """The motion of one person in a result file, in the file's own axes (`up` "y" or "unknown").

    body: the body that it will be played on: WHAM places the hips and TRAM turns the camera, so both
    need to know where its joints are. person: which one, where the file holds several. fps: frames per
    second of the video, which only GVHMR determines itself (30).

    Raises MotionFileError for a file that cannot be read, lacks keys, a frame rate or the person, or holds
    several people and none is chosen; UnsafeFileError for one that holds anything that would have to be run.
    """
    data = read_file(path, MotionFileError)
    try:
        content = read_container(data)
    except UnsafeFileError as problem:
        raise UnsafeFileError(f"{path}: refused, nothing in it was run: {problem}") from problem
    except MalformedFileError as problem:
        raise MotionFileError(f"cannot read {path}: it is {problem}; accepted: {ACCEPTED}") from problem
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # Motion refuses what is not finite
            return _read(dictionary(content, "its content"), path, body, person, fps)
    except UnsafeFileError as problem:
        raise UnsafeFileError(f"{path}: refused, nothing in it was run: {problem}") from problem
    except (MalformedFileError, MotionError, MotionFileError) as problem:
        raise MotionFileError(f"{path}: {problem}") from problem


def _read(content: dict[Any, Any], path: Path, body: Body, person: str | None, fps: float | None) -> Motion:
    tool = _tool(content)
    people = tool.people(content)
    key = _chosen(tool, people, person)
    where = f"{tool.name} person {_named(key)}"
    rate = tool.fps if fps is None else float(fps)
    if rate is None:
        raise MotionFileError(f"{tool.name} stores no frame rate: give the video's with --fps")
    if tool.fps is not None and abs(rate - tool.fps) > 1e-3 * rate:
        warnings.warn(
            f"{path}: {tool.name} works at {tool.fps:g} frames/s; {rate:g} was asked for and is used",
            stacklevel=4,
        )
    seen = tool.read(Track(dictionary(people[key], where), where, path, body))
    rows = seen.frames - seen.frames[0]
    T = int(rows[-1]) + 1
    poses, trans = np.full((T, *seen.poses.shape[1:]), np.nan), np.full((T, 3), np.nan)
    poses[rows], trans[rows] = seen.poses, seen.trans
    recorded = np.zeros(T, dtype=bool)
    recorded[rows] = True
    return Motion(
        poses,
        trans,
        rate,
        betas=seen.betas,
        family=seen.family,
        up=seen.up,
        source=f"{path.name} ({where}, frames {seen.frames[0]}-{seen.frames[-1]})",
        recorded=recorded,
        root_known=seen.root_known,
    )


# --- whose file it is ---


def _itself(content: dict[Any, Any]) -> dict[Any, object]:
    return content


def _one_person(content: dict[Any, Any]) -> dict[int, object]:
    return {0: content}


def _people(content: dict[Any, Any]) -> dict[Any, object]:
    return dictionary(content["people"], "people")


def _rows_of(key: str) -> Callable[[dict[Any, Any], str], int]:
    return lambda person, where: len(numbers(entry(person, key, where), f"{where}, {key}", ("n",)))


def _gvhmr_rows(person: dict[Any, Any], where: str) -> int:
    params = dictionary(entry(person, "smpl_params_global", where), where)
    return len(numbers(entry(params, "transl", where), f"{where}, transl", ("F", 3)))


_TOOLS = (
    _Tool("GVHMR", {"smpl_params_global", "smpl_params_incam"}, _one_person, _gvhmr_rows, gvhmr, GVHMR_FPS),
    _Tool("TRAM", {"pred_rotmat", "pred_trans"}, _one_person, _rows_of("frame"), tram),
    _Tool("PromptHMR", {"people"}, _people, _rows_of("frames"), prompthmr),
    _Tool("WHAM", {"pose_world", "trans_world", "frame_ids"}, _itself, _rows_of("frame_ids"), wham),
    _Tool("PHALP", {"tid", "tracked_time", "smpl"}, phalp_people, _rows_of("time"), phalp),
)


def _tool(content: dict[Any, Any]) -> _Tool:
    if not content:
        raise MotionFileError("it holds no person: an empty dictionary")
    inside = {key for value in content.values() if isinstance(value, dict) for key in value}
    for keys in (set(content), inside):
        for tool in _TOOLS:
            if tool.keys & keys:
                return tool
    if "pred_cam_R" in content:
        raise MotionFileError("this is TRAM's camera.npy; give a track of it: hps/hps_track_<k>.npy")
    found = ", ".join(_named(key) for key in [*content][:20])
    raise MotionFileError(f"no result file that is known; found keys: {found}; accepted: {ACCEPTED}")


# --- who of them ---


def _chosen(tool: _Tool, people: Mapping[Any, object], person: str | None) -> Any:
    if not people:
        raise MotionFileError(f"this {tool.name} file holds no person")
    if person is None and len(people) == 1:
        return next(iter(people))
    found = [key for key in people if person is not None and _named(key, plain=True) == str(person)]
    if found:
        return found[0]
    listed = [f"{_named(key)} ({_count(tool, key, people[key])})" for key in [*people][:MOST_LISTED_PEOPLE]]
    more = f" and {len(people) - len(listed)} more" if len(people) > len(listed) else ""
    asked = "choose one with --person" if person is None else f"there is no person {quoted(str(person))}"
    raise MotionFileError(f"people: {', '.join(listed)}{more}; {asked}")


def _count(tool: _Tool, key: object, person: object) -> str:
    where = f"{tool.name} person {_named(key)}"
    count = tool.count(dictionary(person, where), where)
    return "1 frame" if count == 1 else f"{count} frames"


def _named(key: object, plain: bool = False) -> str:
    """A dictionary's key for a message, or as a user would type it (plain)."""
    return str(key) if plain or not isinstance(key, str) else quoted(key)
