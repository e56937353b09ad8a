"""The command line's verbs of this package; nothing heavy is imported before a verb runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .errors import Error


class Check:
    """`smpl2mjcf check HUMANOID.xml`: do the three engines agree on this model?"""

    help = "compare joint torques of the native, MJX and MuJoCo engines on random states of an MJCF model"
    errors = (Error,)

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declare the verb's arguments."""
        parser.add_argument("model", metavar="HUMANOID.xml", type=Path, help="an MJCF file")
        parser.add_argument("--states", type=int, default=20, help="number of random states (default: 20)")
        parser.add_argument("--seed", type=int, default=0, help="seed of the random states (default: 0)")
        parser.add_argument(
            "--tolerance",
            type=float,
            default=1e-12,
            help="largest relative difference that passes (default: 1e-12, float64)",
        )

    @staticmethod
    def run(args: argparse.Namespace) -> int:
        """Print the largest relative difference of each pair; 0 if all are within the tolerance, else 1.

        Raises:
            ModelError: for a file that is missing or no MJCF, or a model that is not handled.
            StateError: for a number of states, a seed or a tolerance out of range.
        """
        from .agreement import compare_engines, random_states
        from .compile_cache import use_compile_cache
        from .errors import ModelError, StateError
        from .model_file import load_model

        use_compile_cache()
        if args.states < 1:
            raise StateError(f"--states is {args.states}; accepted: 1 or more")
        if args.seed < 0:
            raise StateError(f"--seed is {args.seed}; accepted: 0 or more")
        if not args.tolerance > 0:
            raise StateError(f"--tolerance is {args.tolerance:g}; accepted: above 0")
        model = load_model(args.model)
        if model.nv == 0:
            raise ModelError(f"{args.model} has no joints: there are no torques to compare")
        differences = compare_engines(
            model,
            random_states(model, args.states, args.seed),
            progress=lambda engine: print(f"smpl2mjcf: running {engine} ...", file=sys.stderr, flush=True),
        )
        print(
            f"{args.model}: {model.nbody - 1} bodies, {model.nv} dofs, {args.states} random states, float64\n"
            "largest |difference| / largest |tau|"
        )
        for (a, b), difference in differences.items():
            print(f"  {a:>6} - {b:<6}  {difference:.2e}")
        # A NaN fails too: it is not within any tolerance.
        passed = all(difference <= args.tolerance for difference in differences.values())
        print(f"{'agree' if passed else 'DISAGREE'} (tolerance {args.tolerance:g})")
        return 0 if passed else 1
