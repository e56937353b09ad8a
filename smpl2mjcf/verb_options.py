"""The options that mean the same in every verb, and what they ask for; loaded for `--help` as well."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BodyError, MotionFileError, OutputError
from .options import INERTIAS, JOINTS, TRUNKS
from .skeleton import HANDS, SEXES

if TYPE_CHECKING:
    from .body import Array, Body
    from .motion import Motion

MOTION_HELP = "AMASS-layout .npz, .amc, .bvh, or what WHAM, GVHMR, TRAM, PHALP or PromptHMR wrote"

HUMANOID_OPTIONS = ("mass", "bmi", "sex", "hands", "inertia", "trunk", "joints")

UNITS = ("m", "cm", "mm", "inch", "cmu")

ARMS = ("clear", "recorded")


def add_body_options(parser: argparse.ArgumentParser) -> None:
    """--body, --betas, --stature, --sex, --mass, --bmi, --hands, --inertia, --trunk, --joints."""
    parser.add_argument(
        "--body", metavar="FILE", help="SMPL body file, .npz or .pkl (default: our own body of --sex)"
    )
    parser.add_argument(
        "--betas",
        nargs="+",
        metavar="B",
        help="shape coefficients, or an .npz that holds betas of the body's family "
        "(default: the motion's where they are of that family, else the mean shape)",
    )
    parser.add_argument(
        "--stature",
        type=float,
        metavar="M",
        help="instead of --betas: the likeliest shape of a person so tall and, by --mass or --bmi, so heavy",
    )
    parser.add_argument(
        "--sex", choices=SEXES, help="whose segment inertia, and which default body (default: the body's)"
    )
    parser.add_argument("--mass", type=float, metavar="KG", help="body mass (default: 985 kg/m3 x volume)")
    parser.add_argument(
        "--bmi",
        type=float,
        metavar="KG/M2",
        help="instead of --mass: body mass index, for the shape's stature",
    )
    parser.add_argument(
        "--hands",
        choices=HANDS,
        default=HANDS[0],
        help="fingers of a SMPL-H or SMPL-X body: part of the hand, or bodies of their own (default: merged)",
    )
    parser.add_argument(
        "--inertia",
        choices=INERTIAS,
        default=INERTIAS[0],
        help="de Leva's segments, the mesh at one density, or de Leva's masses on the mesh's shape "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--trunk",
        choices=TRUNKS,
        default=TRUNKS[0],
        help="meet the masses of de Leva's three trunk parts, or also the whole trunk's centre and radii of "
        "gyration (default: %(default)s)",
    )
    parser.add_argument(
        "--joints",
        choices=JOINTS,
        default=JOINTS[0],
        help="a ball joint each, or three hinges with clinical names and ranges (default: %(default)s)",
    )


def add_motion_options(parser: argparse.ArgumentParser) -> None:
    """--skeleton, --fps, --up, --person, --unit, --arms."""
    parser.add_argument("--skeleton", metavar="FILE", help="the .asf skeleton of an .amc motion")
    parser.add_argument("--fps", type=float, metavar="HZ", help="frame rate, where the file stores none")
    parser.add_argument(
        "--up",
        metavar="AXIS",
        help="what points up in the file's axes (default: as its format defines it): y, z, -y for a level "
        "camera whose y axis points down, three numbers as 0,-0.98,0.2, or the nine of a rotation to z up",
    )
    parser.add_argument("--person", metavar="ID", help="who, of a result file with several people")
    parser.add_argument("--unit", choices=UNITS, help="length unit of a .bvh, which stores none")
    parser.add_argument(
        "--arms",
        choices=ARMS,
        help="of a .bvh or an .amc, where an arm would lie inside trunk or thighs: turn the shoulder so that "
        "it is clear of them, or keep the recorded angles (default: clear)",
    )


def motion_from(args: argparse.Namespace, path: str | Path, body: Body) -> Motion:
    """The motion of a file, read as the options say."""
    from .motion_files import load_motion

    up: str | list[float] | list[list[float]] | None = args.up
    if args.up is not None and "," in args.up:
        try:
            numbers = [float(word) for word in args.up.split(",")]
        except ValueError as problem:
            raise MotionFileError(f"--up takes an axis or numbers, received {args.up!r}") from problem
        up = [numbers[i : i + 3] for i in (0, 3, 6)] if len(numbers) == 9 else numbers
    return load_motion(
        path,
        body,
        skeleton=args.skeleton,
        fps=args.fps,
        up=up,
        person=args.person,
        unit=args.unit,
        arms=args.arms,
    )


def add_out_option(parser: argparse.ArgumentParser, default: str) -> None:
    """--out."""
    parser.add_argument(
        "--out", metavar="DIR", default=default, help="folder for the results (default: %(default)s)"
    )


def body_from(args: argparse.Namespace) -> Body:
    """The body that --body names, or the default one of --sex."""
    from .body_files import default_body, load_body

    return default_body(args.sex or "neutral") if args.body is None else load_body(args.body)


def betas_from(args: argparse.Namespace, body: Body) -> Array | None:
    """(B,) the betas that --betas gives or --stature asks for, or None where neither does.

    Raises BodyError for betas of a wrong family or length, or beside a stature; HumanoidError for a person
    that the body cannot be shaped to.
    """
    from .body import complete_betas
    from .motion_files import read_betas

    if args.stature is not None:
        from .person import betas_for_person

        if args.betas is not None:
            raise BodyError("--stature and --betas both give the shape; give one of them")
        return betas_for_person(body, args.stature, args.mass, args.bmi)
    if args.betas is None:
        return None
    words = [word for argument in args.betas for word in argument.split(",") if word]
    if len(words) == 1 and words[0].endswith(".npz"):
        family, betas = read_betas(words[0])
        if family != body.family:
            raise BodyError(
                f"the betas of {words[0]} belong to the {family} family; this body is {body.family} "
                "and their numbers mean nothing to it"
            )
        return complete_betas(body, betas)
    try:
        numbers = [float(word) for word in words]
    except ValueError as problem:
        raise BodyError(
            f"--betas takes numbers or one .npz file, received {' '.join(args.betas)!r}"
        ) from problem
    return complete_betas(body, numbers)


def humanoid_options(args: argparse.Namespace) -> dict[str, Any]:
    """The options of build_humanoid that add_body_options takes, beside body and betas."""
    return {name: getattr(args, name) for name in HUMANOID_OPTIONS}


def require_other_names(motion_path: str | Path, out: Path, files: Sequence[str]) -> None:
    """Raise OutputError where a result would overwrite the motion it is computed from."""
    for name in files:
        if (out / name).resolve() == Path(motion_path).resolve():
            raise OutputError(
                f"{motion_path} would be overwritten by the results; choose another folder with --out"
            )


def motion_record(motion: Motion, path: str | Path) -> dict[str, object]:
    """What run.json says of a motion."""
    return {
        "motion": str(path),
        "source": motion.source,
        "family": motion.family,
        "frames": motion.num_frames,
        "recorded_frames": int(motion.recorded.sum()),
        "fps": motion.fps,
    }


def progress(message: str) -> None:
    """One line on stderr about what a verb is doing."""
    print(f"smpl2mjcf: {' '.join(message.split())}", file=sys.stderr, flush=True)
