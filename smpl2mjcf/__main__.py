"""The command line: `smpl2mjcf VERB`, where every package brings its own verbs."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
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


RAISED_AGAIN = 1.0
"""s after which the end that a SIGTERM asked for is asked for again; removing a scratch folder takes less."""


class _Parser(argparse.ArgumentParser):
    """Bad usage is one line, as every other bad input."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # argparse takes -1 and -0.5 for numbers, but -1e-3, -1,0 and the axis -y for options.
        self._negative_number_matcher = re.compile(r"^-([xyz]|[\d.][\d.,eE+-]*)$")

    def error(self, message: str) -> NoReturn:
        self.exit(_fail(f"{message} (see {self.prog} --help)"))


def main(argv: list[str] | None = None) -> int:
    """Run one verb; returns the exit code: 0 done, 1 a check failed, 2 bad input."""
    warnings.showwarning = _show_warning
    try:
        verbs = load_verbs()
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
    _end_on_sigterm()
    try:
        code = verb.run(args)
        sys.stdout.flush()
        return code
    except (Error, *getattr(verb, "errors", ())) as problem:
        return _fail(problem)
    except KeyboardInterrupt:
        return _fail("interrupted", code=130)
    except BrokenPipeError:
        # Whoever read our output has gone; what was written to files is whole. As the shell reports SIGPIPE.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)


def _end_on_sigterm() -> None:
    """Let `finally` blocks run when a batch system ends us, so that no scratch folder stays."""

    def end(*_: object) -> NoReturn:
        # CPython loses an exception that is raised while it compiles a module: raise it again then.
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, end)
            signal.setitimer(signal.ITIMER_REAL, RAISED_AGAIN)
        sys.exit(143)

    with contextlib.suppress(ValueError):  # not in the main thread: then the host program decides
        signal.signal(signal.SIGTERM, end)


def load_verbs() -> dict[str, Any]:
    """Every verb that an installed package registers, by name.

    A package of somebody else's that cannot be loaded costs its own verbs and a warning, not ours.
    Raises Error for two packages with a verb of one name, and as load_verb does.
    """
    verbs: dict[str, Any] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        if point.name in verbs:
            raise Error(
                f"two packages bring a verb {point.name!r}, the second is {point.module}; uninstall one"
            )
        try:
            verbs[point.name] = load_verb(point)
        except (ImportError, AttributeError) as problem:
            warnings.warn(
                f"the verb {point.name!r} of {point.module} cannot be loaded: {problem}", stacklevel=2
            )
    return verbs


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
    print(f"smpl2mjcf: warning: {' '.join(str(message).split())}", file=sys.stderr)


def _fail(problem: object, code: int = 2) -> int:
    print(f"smpl2mjcf: error: {' '.join(str(problem).split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
