"""Result folders that are written whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import OutputError

LAST = "run.json"
"""The record moves last: where it is, the files that it speaks of are."""


@contextmanager
def output_folder(folder: str | Path) -> Iterator[Path]:
    """A scratch folder whose files move to `folder` when the block ends well, and vanish otherwise.

    Other files in the folder stay; files of the same name are replaced, each in one step. Folders that
    were made for a block that failed are removed again if they are still empty.
    Raises OutputError where the folder cannot be made or written, before any work is done.
    """
    target = Path(folder)
    if not str(folder):
        raise OutputError("the output folder has an empty name")
    try:
        absent = [path for path in (target, *target.parents) if not path.exists()]
        target.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".part-", dir=target))
    except OSError as problem:
        raise OutputError(f"cannot write into the folder {target}: {problem.strerror}") from problem
    finished = False
    try:
        yield scratch
        _move(scratch, target)
        finished = True
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if not finished:
            for path in absent:
                try:
                    path.rmdir()
                except OSError:  # somebody else has put something there meanwhile: it stays
                    break


def _move(scratch: Path, target: Path) -> None:
    parts = sorted(scratch.iterdir(), key=lambda part: (part.name == LAST, part.name))
    try:
        blocked = [part.name for part in parts if (target / part.name).is_dir()]
        if blocked:
            raise OutputError(f"cannot write {target / blocked[0]}: there is a folder of that name")
        for part in parts:
            part.replace(target / part.name)
    except OSError as problem:
        raise OutputError(f"cannot write {target}: {problem.strerror}") from problem


def write_whole(path: str | Path, content: str | bytes) -> Path:
    """Write a file beside its place and move it there, or leave what was there untouched.

    Raises OutputError where that is not possible.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {target}: there is no folder {target.parent}")
    try:
        with output_folder(target.parent) as scratch:
            data = content.encode("utf-8") if isinstance(content, str) else content
            (scratch / target.name).write_bytes(data)
    except OSError as problem:
        raise OutputError(f"cannot write {target}: {problem.strerror}") from problem
    return target
