"""The command line: `smpl2mjcf VERB`, where every package brings its own verbs."""

from __future__ import annotations

import argparse
import sys
import warnings
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.metadata import version as distribution_version
from typing import Any, NoReturn

from . import __distribution__
from .errors import Error

GROUP = "smpl2mjcf.verbs"

OUR_PACKAGES = ("smpl2mjcf", "dynamics", "analysis")
"""Names so plain that another project may have one of them too."""


class _Parser(argparse.ArgumentParser):
    """Bad usage is one line, as every other bad input."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(argv: list[str] | None = None) -> int:
    """Run one verb; returns the exit code: 0 done, 1 a check failed, 2 bad input."""
    warnings.showwarning = _show_warning
    try:
        verbs = {
            point.name: load_verb(point) for point in sorted(entry_points(group=GROUP), key=lambda p: p.name)
        }
    except Error as problem:
        return _fail(problem)
    parser = _Parser(
        prog="smpl2mjcf", description="SMPL bodies and motions to MuJoCo humanoids and joint torques."
    )
    parser.add_argument(
        "--version", action="version", version=f"smpl2mjcf {distribution_version(__distribution__)}"
    )
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, verb in verbs.items():
        verb.add_arguments(subparsers.add_parser(name, help=verb.help, description=verb.help))
    args = parser.parse_args(argv)
    verb = verbs[args.verb]
    try:
        return verb.run(args)
    except (Error, *getattr(verb, "errors", ())) as problem:
        return _fail(problem)
    except KeyboardInterrupt:
        return _fail("interrupted", code=130)


def load_verb(point: EntryPoint) -> Any:
    """The verb of an entry point.

    Raises Error where another project's package of the same name stands before ours on the path.
    """
    name = point.module.split(".")[0]
    if name in OUR_PACKAGES:
        package = import_module(name)
        if getattr(package, "__distribution__", None) != __distribution__:
            where = getattr(package, "__file__", None) or next(iter(getattr(package, "__path__", ["?"])))
            raise Error(
                f"another package named {name!r} hides ours: {where}; "
                "run from another folder, rename it, or take it off PYTHONPATH"
            )
    return point.load()


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"smpl2mjcf: warning: {message}", file=sys.stderr)


def _fail(problem: object, code: int = 2) -> int:
    print(f"smpl2mjcf: error: {problem}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
