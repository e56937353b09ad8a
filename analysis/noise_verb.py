"""The verb `noise`; loaded for `--help`, so what it needs is imported where it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

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
from .verbs import add_cutoff_option, cutoff_from

TARGET = 10.0
"""N m, of the question what noise, cutoff or frame rate would be needed."""

LONGEST = 6.0
"""s of a motion that are studied unless told otherwise: figures over more change little."""


class Noise:
    """`smpl2mjcf noise [MOTION]`: how errors of poses become errors of torques."""

    help = "how noise of a motion's poses becomes noise of its torques: law, samples, filters, figures"
    errors = (Error, DynamicsError)

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """The motion, how to read it, the body, and the noise."""
        parser.add_argument(
            "motion", metavar="MOTION", nargs="?", help=f"{MOTION_HELP} (default: the embedded {MOTIONS[0]})"
        )
        add_motion_options(parser)
        add_body_options(parser)
        add_cutoff_option(parser)
        parser.add_argument(
            "--rates",
            type=float,
            nargs="+",
            metavar="HZ",
            default=[30.0, 60.0, 120.0],
            help="frame rates; joints and kinds of noise are compared at the first (default: 30 60 120)",
        )
        parser.add_argument(
            "--sigma",
            type=float,
            metavar="RAD",
            default=0.05,
            help="noise on every axis of every rotation where it is not varied (default: %(default)s)",
        )
        parser.add_argument(
            "--draws",
            type=int,
            metavar="N",
            default=40,
            help="samples for each figure (default: %(default)s)",
        )
        parser.add_argument(
            "--seed", type=int, metavar="N", default=0, help="of the samples (default: %(default)s)"
        )
        parser.add_argument(
            "--seconds",
            type=float,
            metavar="S",
            default=LONGEST,
            help="how much of the motion to study, from its first valid frame (default: %(default)s)",
        )
        add_out_option(parser, "out/noise")

    @staticmethod
    def run(args: argparse.Namespace) -> int:
        """Write noise.csv, trust.txt, the figures and run.json."""
        from dynamics.compile_cache import use_compile_cache
        from smpl2mjcf import betas_for_body, build_humanoid, model_file, motion_to_qpos
        from smpl2mjcf.output_folder import output_folder
        from smpl2mjcf.run_record import shown_warnings, write_run_record

        from .calculator import needed, trust
        from .clean_motion import CleanMotion
        from .noise import noise_study
        from .noise_files import FILES, save_noise_study

        path = model_file(f"{MOTIONS[0]}.npz") if args.motion is None else args.motion
        require_other_names(path, Path(args.out), (*FILES, "run.json"))
        if args.seed < 0:
            raise Error(f"--seed is {args.seed}; accepted: 0 or more")
        use_compile_cache()
        with output_folder(args.out) as folder, shown_warnings(progress) as caught:
            progress(f"reading {path}")
            body = body_from(args)
            betas = betas_from(args, body)
            cutoff = cutoff_from(args)
            motion = motion_from(args, path, body)
            if betas is None:
                betas = betas_for_body(motion, body)
            humanoid = build_humanoid(body, betas, **humanoid_options(args))
            qpos = motion_to_qpos(humanoid, motion)
            clean = CleanMotion.of(humanoid.model, qpos, motion.fps, cutoff, args.seconds)
            study = noise_study(
                clean, args.rates, args.sigma, draws=args.draws, seed=args.seed, progress=progress
            )
            progress("writing results")
            save_noise_study(study, folder)
            # What the automatic smoother leaves to trust, and what it would take.
            found = trust(args.sigma, args.rates[0], method="reml", motion=clean)
            answer = needed(TARGET, sigma=args.sigma, fps=args.rates[0], motion=clean)
            (folder / "trust.txt").write_text(f"{found}\n\n{answer}\n", encoding="utf-8")
            write_run_record(
                folder / "run.json",
                "noise",
                args,
                humanoid,
                inputs=motion_record(motion, path),
                settings=study.settings,
                results={
                    "amplification_n_m_per_rad": study.slope,
                    "amplification_with_root_n_m_per_rad": study.slope_with_root,
                    "true_torque_rms_n_m": study.signal_rms,
                    "static_torque_error_rms_n_m": study.static_rms,
                    "share_in_95_percent_bands": study.bands.covered,
                },
                warnings=[str(warning.message) for warning in caught],
            )
        print(
            f"central differences twice at {args.rates[0]:g} Hz: {study.slope:,.0f} N m of torque error a "
            f"radian of pose noise ({study.slope_with_root:,.0f} with the root), "
            "in proportion to the rate squared"
        )
        print(f"true torques: {study.signal_mean:.1f} N m mean, {study.signal_rms:.1f} N m RMS")
        print(found)
        print(answer)
        print("written: " + ", ".join(str(Path(args.out) / name) for name in (*FILES, "run.json")))
        return 0
