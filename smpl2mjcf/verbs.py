"""The verbs of this package: `build` and `convert`.

A verb is a class with `help`, `add_arguments(parser)`, `run(args) -> exit code` and, where it raises
more than smpl2mjcf.Error, `errors`. Packages register theirs as entry points of the group
`smpl2mjcf.verbs`. This module is loaded for `--help`, so what it needs is imported where it is used.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .options import ACTUATORS, EXTRAS, LOOKS, PROFILES
from .skeleton import SEXES
from .verb_options import (
    MOTION_HELP,
    add_body_options,
    add_motion_options,
    add_out_option,
    betas_from,
    body_from,
    humanoid_options,
    motion_from,
    motion_record,
    progress,
    require_other_names,
)

if TYPE_CHECKING:
    from .body import Body
    from .floor import Flight, Floor
    from .motion import Motion


class Build:
    """`smpl2mjcf build`: the humanoid of a shape as MJCF."""

    help = "make the MuJoCo humanoid of a body shape"

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Body options, what the model is for, and the output folder."""
        add_body_options(parser)
        parser.add_argument(
            "--profile",
            choices=PROFILES,
            default=PROFILES[0],
            help="a chain of rigid bodies only; one that stands on its actuators and collides with itself; "
            "that with few contacts, for thousands of copies (default: %(default)s)",
        )
        parser.add_argument(
            "--actuators",
            choices=ACTUATORS,
            help="of simulation and mjx: position servos or torque motors (default: servos)",
        )
        parser.add_argument(
            "--look",
            choices=LOOKS,
            default=LOOKS[0],
            help="the visible body: collision shapes, a skin that bends, or a rigid mesh a body "
            "(default: %(default)s)",
        )
        parser.add_argument(
            "--extras",
            nargs="*",
            choices=EXTRAS,
            default=list(EXTRAS[:1]),
            help="landmarks and inertial sensors as sites; sensors that measure (default: markers)",
        )
        parser.add_argument(
            "--report",
            action="store_true",
            help="also write every segment's and body's mass, centre and inertia beside de Leva's",
        )
        add_out_option(parser, "out/build")

    @staticmethod
    def run(args: argparse.Namespace) -> int:
        """Write humanoid.xml and run.json, and the report on request."""
        from .humanoid import build_humanoid
        from .output_folder import output_folder
        from .run_record import shown_warnings, write_run_record

        with output_folder(args.out) as folder, shown_warnings(progress) as caught:
            body = body_from(args)
            humanoid = build_humanoid(
                body,
                betas_from(args, body),
                profile=args.profile,
                actuators=args.actuators,
                look=args.look,
                extras=args.extras,
                **humanoid_options(args),
            )
            humanoid.save(folder / "humanoid.xml")
            if args.report:
                from .inertia_report import save_report

                print(save_report(humanoid, folder), end="")
            warnings = [str(warning.message) for warning in caught]
            write_run_record(folder / "run.json", "build", args, humanoid, warnings=warnings)
        print(f"{Path(args.out) / 'humanoid.xml'}: {humanoid.mass:.2f} kg, {humanoid.model.nbody - 1} bodies")
        return 0


class Convert:
    """`smpl2mjcf convert MOTION`: any motion as an AMASS-layout file, cut and resampled."""

    help = "write a motion in AMASS' layout: z up, resampled, trimmed, mirrored"

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """The motion, how to read it, what to do with it."""
        parser.add_argument("motion", metavar="MOTION", help=MOTION_HELP)
        add_motion_options(parser)
        parser.add_argument("--body", metavar="FILE", help="body it is played on (default: our own)")
        parser.add_argument("--sex", choices=SEXES, help="of our own body (default: neutral)")
        parser.add_argument("--start", type=float, metavar="S", default=0.0, help="first second kept")
        parser.add_argument("--end", type=float, metavar="S", help="last second kept")
        parser.add_argument("--resample", type=float, metavar="HZ", help="another frame rate, not filtered")
        parser.add_argument("--mirror", action="store_true", help="exchange left and right")
        parser.add_argument(
            "--to-floor", action="store_true", help="move the clip so that its floor is z = 0"
        )
        add_out_option(parser, "out/convert")

    @staticmethod
    def run(args: argparse.Namespace) -> int:
        """Write motion.npz and run.json."""
        from .amass_files import save_motion
        from .motion_edit import mirror, resample, trim
        from .output_folder import output_folder
        from .run_record import shown_warnings, write_run_record

        require_other_names(args.motion, Path(args.out), ("motion.npz", "run.json"))
        with output_folder(args.out) as folder, shown_warnings(progress) as caught:
            body = body_from(args)
            recording = motion_from(args, args.motion, body)
            motion = trim(recording, args.start, args.end)
            if args.resample is not None:
                motion = resample(motion, args.resample)
            if args.mirror:
                motion = mirror(motion)
            floor, found = _floor_and_flights(motion, body)
            if args.to_floor:
                motion = replace(motion, trans=motion.trans - [0.0, 0.0, floor.height])
            save_motion(motion, folder / "motion.npz")
            write_run_record(
                folder / "run.json",
                "convert",
                args,
                inputs=motion_record(recording, args.motion),
                floor={**asdict(floor), "moved_to_zero": args.to_floor},
                flights=[asdict(flight) for flight in found],
                warnings=[str(warning.message) for warning in caught],
            )
        where = Path(args.out) / "motion.npz"
        print(f"{where}: {motion.num_frames} frames at {motion.fps:g} Hz, family {motion.family}")
        print(f"{floor}{', moved to z = 0' if args.to_floor else ''}")
        return 0


def _floor_and_flights(motion: Motion, body: Body) -> tuple[Floor, list[Flight]]:
    """Where the clip's floor is and where it flies; warns of a frame rate that free fall contradicts."""
    import warnings

    from .floor import find_floor, flights, warn_of_implausible_rate
    from .humanoid import build_humanoid
    from .motion import betas_for_body
    from .qpos import motion_to_qpos

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the file keeps its betas, whatever they mean to the body
        humanoid = build_humanoid(body, betas_for_body(motion, body), extras=())
    qpos = motion_to_qpos(humanoid, motion)
    floor = find_floor(humanoid.model, qpos, motion.fps)
    found = flights(humanoid.model, qpos, motion.fps, floor) if motion.root_known else []
    warn_of_implausible_rate(humanoid.model, found, motion.fps)
    return floor, found
