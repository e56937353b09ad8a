"""The verb `refine`; loaded for `--help`, so what it needs is imported where it runs."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynamics.errors import Error as DynamicsError
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
    from .refinement import Refined

METHODS = ("map", "adam")
FILES = ("humanoid.xml", "motion.npz", "refinement.npz", "refinement.png", "run.json")


class Refine:
    """`smpl2mjcf refine MOTION`: a noisy motion refined so that its torques make sense."""

    help = "remove noise from a motion's poses so that its torques make sense"
    errors = (Error, DynamicsError)

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """The motion, how to read it, the body, and what is known of the noise."""
        parser.add_argument("motion", metavar="MOTION", help=MOTION_HELP)
        add_motion_options(parser)
        add_body_options(parser)
        parser.add_argument(
            "--method",
            choices=METHODS,
            default=METHODS[0],
            help="the likeliest poses, or the published gradient descent (default: %(default)s)",
        )
        parser.add_argument(
            "--sigma",
            type=float,
            metavar="RAD",
            help="noise of every axis of every rotation, where it is known (default: found by itself)",
        )
        parser.add_argument(
            "--rho",
            type=float,
            metavar="R",
            help="its correlation from one frame to the next, 0 to below 1, where it is known",
        )
        add_out_option(parser, "out/refine")

    @staticmethod
    def run(args: argparse.Namespace) -> int:
        """Write humanoid.xml, motion.npz, refinement.npz, refinement.png and run.json."""
        from dynamics.compile_cache import use_compile_cache
        from smpl2mjcf import betas_for_body, build_humanoid, save_motion
        from smpl2mjcf.output_folder import output_folder
        from smpl2mjcf.run_record import shown_warnings, write_run_record

        from .refinement import refine
        from .refinement_files import save_refinement
        from .study_files import NO_GROUND_FORCE

        require_other_names(args.motion, Path(args.out), FILES)
        use_compile_cache()
        with output_folder(args.out) as folder, shown_warnings(progress) as caught:
            progress(f"reading {args.motion}")
            body = body_from(args)
            betas = betas_from(args, body)
            motion = motion_from(args, args.motion, body)
            if betas is None:
                betas = betas_for_body(motion, body)
            humanoid = build_humanoid(body, betas, **humanoid_options(args))
            found = refine(
                humanoid, motion, method=args.method, sigma=args.sigma, rho=args.rho, progress=progress
            )
            progress("writing results")
            humanoid.save(folder / "humanoid.xml")
            save_motion(found.motion, folder / "motion.npz")
            save_refinement(found, folder)
            results = _results(found)
            write_run_record(
                folder / "run.json",
                "refine",
                args,
                humanoid,
                inputs=motion_record(motion, args.motion),
                settings=asdict(found.settings),
                results=results,
                warnings=[*(str(warning.message) for warning in caught), NO_GROUND_FORCE],
            )
        _print_summary(results, Path(args.out))
        return 0


def _results(found: Refined) -> dict[str, Any]:
    """What run.json says of a refinement, and what is printed."""
    import numpy as np

    from dynamics.topology import Topology

    from .scores import torque_error
    from .torque_objective import turning_dofs

    valid = np.asarray(found.before.valid) & np.asarray(found.trajectory.valid)
    if not valid.any():
        valid = np.ones(len(valid), bool)
    rms = {
        name: torque_error(found.model, tau[valid], np.zeros_like(tau[valid])).rms
        for name, tau in (
            ("before", found.tau_before),
            ("smoothed", found.tau_smoothed),
            ("after", found.tau),
        )
    }
    angles = turning_dofs(Topology.from_mjmodel(found.model))
    return {
        "noise_sigma_rad": float(np.median(found.noise.sigma[angles])),
        "noise_rho": found.noise.rho,
        "torque_rms_n_m": rms,
        "pose_change_deg": float(found.pose_change_deg.mean()),
        "steps": found.steps,
        "valid_frames": int(valid.sum()),
    }


def _print_summary(results: dict[str, Any], out: Path) -> None:
    import numpy as np

    torque, sigma = results["torque_rms_n_m"], results["noise_sigma_rad"]
    print(
        f"noise found: {sigma:.4f} rad ({np.degrees(sigma):.2f} deg) "
        f"on the median axis, correlation {results['noise_rho']:g} from frame to frame"
    )
    print(
        f"joint torque, RMS over joints and {results['valid_frames']} frames: {torque['before']:.1f} N m as "
        f"recorded, {torque['smoothed']:.1f} smoothed, {torque['after']:.1f} refined"
    )
    print(f"poses moved by {results['pose_change_deg']:.2f} deg in the mean, {results['steps']} steps")
    print("a constant offset of the poses cannot be told from a posture: it stays")
    print("written: " + ", ".join(str(out / name) for name in FILES))
