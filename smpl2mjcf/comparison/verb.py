"""The verb `compare`. It is loaded for `--help`, so what it needs is imported where it is used."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..skeleton import SEXES
from ..verb_options import progress, require_other_names

FILES = ("compare.csv", "compare.txt", "run.json")


class Compare:
    """`smpl2mjcf compare A.xml B.xml`: two humanoids side by side."""

    help = "lay two MuJoCo humanoids side by side: masses, lengths, limits, symmetry, validity"

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """The two models, whose reference, the output folder."""
        parser.add_argument("a", metavar="A.xml", help="MJCF file of a humanoid, ours or any other")
        parser.add_argument("b", metavar="B.xml", help="the one to lay beside it")
        parser.add_argument(
            "--sex", choices=SEXES, default="neutral", help="whose values of de Leva's (default: %(default)s)"
        )
        parser.add_argument("--out", metavar="DIR", help=f"folder for {', '.join(FILES)} (default: none)")

    @staticmethod
    def run(args: argparse.Namespace) -> int:
        """Print the table; with --out write it too. Differences are no failure: the exit code is 0."""
        from ..output_folder import output_folder
        from ..run_record import shown_warnings, write_run_record
        from .table import comparison_csv, comparison_text
        from .two_models import compare

        if args.out is None:
            print(comparison_text(compare(args.a, args.b, args.sex)), end="")
            return 0
        for model in (args.a, args.b):
            require_other_names(model, Path(args.out), FILES)
        with output_folder(args.out) as folder, shown_warnings(progress) as caught:
            comparison = compare(args.a, args.b, args.sex)
            text = comparison_text(comparison)
            (folder / "compare.csv").write_text(comparison_csv(comparison), encoding="utf-8")
            (folder / "compare.txt").write_text(text, encoding="utf-8")
            write_run_record(
                folder / "run.json",
                "compare",
                args,
                units={
                    "mass": "kg",
                    "length": "m",
                    "angle": "deg",
                    "range of a slide": "mm",
                    "torque": "N m",
                },
                frames={"up": "the world's axis from the ankles to the head joint"},
                unmatched={"a": comparison.unmatched_a, "b": comparison.unmatched_b},
                notes=comparison.notes,
                warnings=[str(warning.message) for warning in caught],
            )
        print(text, end="")
        return 0
