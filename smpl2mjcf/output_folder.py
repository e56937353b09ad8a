"""Result folders that are written whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import OutputError


@contextmanager
def output_folder(folder: str | Path) -> Iterator[Path]:
    """A scratch folder whose files move to `folder` when the block ends well, and vanish otherwise.

    Other files in the folder stay; files of the same name are replaced, each in one step.
    Raises OutputError where the folder cannot be made or written, before any work is done.
    """
    target = Path(folder)
    made = not target.exists()
    try:
        target.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".part-", dir=target))
    except OSError as problem:
        raise OutputError(f"cannot write into the folder {target}: {problem.strerror}") from problem
    finished = False
    try:
        yield scratch
        for part in sorted(scratch.iterdir()):
            part.replace(target / part.name)
        finished = True
    except OSError as problem:
        raise OutputError(f"cannot write {target}: {problem.strerror}") from problem
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if made and not finished:
            shutil.rmtree(target, ignore_errors=True)
