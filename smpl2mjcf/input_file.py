"""Reading a file that a user names."""

from __future__ import annotations

from pathlib import Path

from .errors import Error


def read_file(path: Path, error: type[Error], most: int = 1 << 31) -> bytes:
    """The bytes of a regular file of at most `most` bytes.

    Raises `error` in one line where there is none: absent, a folder, a pipe (which may never end), not
    readable, too large.
    """
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist, or is not a file"
            raise error(f"{path} {what}")
        size = path.stat().st_size
        if size > most:
            raise error(f"{path} has {size} bytes; at most {most} are read")
        return path.read_bytes()
    except OSError as problem:
        raise error(f"{path} cannot be read: {problem.strerror}") from problem
