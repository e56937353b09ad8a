"""The verbs `torques` and `demo`; loaded for `--help`, so what a verb needs is imported where it runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynamics.errors import Error as DynamicsError
from smpl2mjcf.shipped_files import MOTIONS
from smpl2mjcf.verb_options import (
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

from .errors import Error

if TYPE_CHECKING:
    from .study import Study

NO_FILTER = "none"

COMPARED_FRAMES = 32
"""Of the demo's motion, on which the three engines are compared."""

AGREEMENT = 1e-12
"""Largest relative difference of two engines in float64 that is rounding."""


class Torques:
    """`smpl2mjcf torques MOTION`: joint torques of a recorded motion."""

    help = "joint torques of a motion (no ground forces yet)"
    errors = (Error, DynamicsError)

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """The motion, how to read it, the body and the filter."""
        parser.add_argument(
            "motion",
            metavar="MOTION",
            help=MOTION_HELP,
        )
        add_motion_options(parser)
        add_body_options(parser)
        add_cutoff_option(parser)
        add_out_option(parser, "out/torques")

    @staticmethod
    def run(args: argparse.Namespace) -> int:
        """Write humanoid.xml, torques.npz, torques.csv, torques.png and run.json."""
        _write_study(args, "torques", args.motion)
        return 0


class Demo:
    """`smpl2mjcf demo`: the main job on the embedded body and one of the embedded motions."""

    help = "joint torques of an embedded motion on the embedded body, by three engines"
    errors = (Error, DynamicsError)

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Which motion, and the output folder."""
        parser.add_argument(
            "motion", metavar="NAME", nargs="?", default=MOTIONS[0], choices=MOTIONS, help=", ".join(MOTIONS)
        )
        add_out_option(parser, "out/demo")

    @staticmethod
    def run(args: argparse.Namespace) -> int:
        """What `torques` does, and the three engines compared on frames of the motion."""
        from smpl2mjcf import model_file

        parser = argparse.ArgumentParser()
        Torques.add_arguments(parser)
        motion = model_file(f"{args.motion}.npz")
        options = parser.parse_args([str(motion), "--out", args.out])
        record = _write_study(options, "demo", motion, _compare_engines)
        for pair, difference in record["engines"].items():
            print(f"  {pair}: largest relative difference {difference:.1e}")
        agree = all(difference <= AGREEMENT for difference in record["engines"].values())
        if not agree:
            progress(f"the engines disagree by more than {AGREEMENT:g}")
        return 0 if agree else 1


def _compare_engines(study: Study) -> dict[str, Any]:
    """Largest relative difference of each pair of engines on frames spread over a study's motion."""
    import numpy as np

    from dynamics import States, compare_engines

    progress("comparing the three engines (MJX compiles for a few seconds)")
    path = study.trajectory
    chosen = np.linspace(0, len(path.time) - 1, min(COMPARED_FRAMES, len(path.time))).astype(int)
    states = States(path.qpos[chosen], path.qvel[chosen], path.qacc[chosen])
    differences = compare_engines(study.humanoid.model, states)
    return {"engines": {f"{a} - {b}": difference for (a, b), difference in differences.items()}}


def _nothing_more(study: Study) -> dict[str, Any]:
    return {}


def add_cutoff_option(parser: argparse.ArgumentParser) -> None:
    """--cutoff, as every verb that smooths has it."""
    parser.add_argument(
        "--cutoff",
        metavar="HZ",
        default="6",
        help=f"effective -3 dB cutoff of the zero-lag low-pass, or '{NO_FILTER}' (default: %(default)s)",
    )


def _write_study(
    args: argparse.Namespace,
    verb: str,
    motion_path: str | Path,
    examine: Callable[[Study], dict[str, Any]] = _nothing_more,
) -> dict[str, Any]:
    """The main job in order: read, build, differentiate, invert, write; returns what `examine` found.

    examine: looks at the study before anything is written; what it returns goes to run.json.
    """
    from dynamics.compile_cache import use_compile_cache
    from smpl2mjcf.output_folder import output_folder
    from smpl2mjcf.run_record import shown_warnings, write_run_record

    from .study import torque_study
    from .study_files import NO_GROUND_FORCE, save_study

    require_other_names(motion_path, Path(args.out), FILES)
    use_compile_cache()
    with output_folder(args.out) as folder, shown_warnings(progress) as caught:
        progress(f"reading {motion_path}")
        body = body_from(args)
        betas = betas_from(args, body)
        cutoff = cutoff_from(args)
        motion = motion_from(args, motion_path, body)
        progress(
            f"{motion.num_frames} frames at {motion.fps:g} frames/s: building the humanoid, computing torques"
        )
        study = torque_study(body, motion, betas, cutoff, **humanoid_options(args))
        found = examine(study)
        progress("writing results")
        save_study(study, folder)
        write_run_record(
            folder / "run.json",
            verb,
            args,
            study.humanoid,
            inputs=motion_record(motion, motion_path),
            cutoff_hz=cutoff,
            floor=asdict(study.floor),
            flights=[asdict(flight) for flight in study.flights],
            warnings=[*(str(warning.message) for warning in caught), NO_GROUND_FORCE],
            **found,
        )
    _print_summary(study, Path(args.out))
    return found


def cutoff_from(args: argparse.Namespace) -> float | None:
    """The value of --cutoff in Hz; None for no filter."""
    if args.cutoff == NO_FILTER:
        return None
    try:
        return float(args.cutoff)
    except ValueError as problem:
        raise Error(
            f"--cutoff takes a frequency in Hz or {NO_FILTER!r}, received {args.cutoff!r}"
        ) from problem


def _print_summary(study: Study, out: Path) -> None:
    import numpy as np

    valid = study.trajectory.valid
    residual = study.vertical_residual_bw[valid] if valid.any() else study.vertical_residual_bw
    print(
        f"{study.humanoid.mass:.2f} kg, {study.motion.num_frames} frames, {study.trajectory.time[-1]:.2f} s"
    )
    missing = int((~study.motion.recorded).sum())
    if missing:
        frames = "1 frame was" if missing == 1 else f"{missing} frames were"
        print(f"{frames} not recorded: bridged, and with their neighbours not valid")
    print(study.floor)
    if study.flights:
        fall = np.median([-flight.acceleration for flight in study.flights])
        print(f"flight phases: {len(study.flights)}, in which the centre of mass falls at {fall:.2f} m/s2")
    print(f"vertical root residual: mean {residual.mean():.3f} body weight over the valid frames")
    print("no ground forces yet: torques of a standing leg lack their ground force (flagged in the results)")
    print("written: " + ", ".join(str(out / name) for name in sorted(FILES)))


FILES = ("humanoid.xml", "torques.npz", "torques.csv", "torques.png", "run.json")
"""What `torques` and `demo` write."""
