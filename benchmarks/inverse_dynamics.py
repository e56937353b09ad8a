"""Inverse dynamics in microseconds a frame, beside MuJoCo, MJX and Pinocchio; NumPy arrays in and out.

Run: python benchmarks/inverse_dynamics.py [--quick] [--batches 1 128] [--bodies 24] [--rounds 7]
[--only forward gradient ...] [--out tables.md]

Every contender has its turn in every round; a cell is the median [least-most] of the rounds. MuJoCo and
Pinocchio compute in float64 only. Errors: of torques against mj_inverse, the largest difference over the
largest torque; of gradients and derivatives against fourth-order differences of what mj_inverse gives, along
random directions. All engines have the numbers of one MJCF file. Compile time and memory are measured in
processes of their own, without caches.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import accelerator
import derivatives as dense
import fresh
import gradients
import jax
import judge
import numpy as np
from alternation import Row, alternate, batch_table, markdown
from machine import description
from peers import BODIES, DTYPES, FORWARD, Contender, NotRun, Problem, in_precision, judge_tau, relative_error
from ratios import ratio_table

import dynamics

BATCHES, ROUNDS = (1, 128, 4096, 65_536), 7
QUICK_BATCHES, QUICK_ROUNDS = (1, 128), 3
# Frames whose torques are judged: a loop runs over them.
JUDGED_FRAMES = 4096
# The compile time does not depend on it (a row with other frames would say so).
COMPILE_FRAMES = 4096


class Study:
    """The options, and what was measured so far."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.rounds = args.rounds or (QUICK_ROUNDS if args.quick else ROUNDS)
        self.batches = tuple(args.batches or (QUICK_BATCHES if args.quick else BATCHES))
        self.bodies = tuple(args.bodies or (BODIES[:1] if args.quick else BODIES))
        self.rows: list[Row] = []
        self.processes: dict[tuple[str, str, int, str], dict[str, Any]] = {}
        self._problems: dict[int, Problem] = {}

    def problem(self, bodies: int, frames: int) -> Problem:
        """The first frames of one set of states a body."""
        most = max(*self.batches, judge.FRAMES)
        if bodies not in self._problems:
            self._problems = {bodies: Problem(bodies, most)}  # one at a time: they are large
        return self._problems[bodies].first(frames)

    def compare(
        self,
        section: str,
        makers: dict[str, Callable[[Problem, str], Contender]],
        errors: Callable[[str, Problem, str, Contender], float | None],
        batches: tuple[int, ...] | None = None,
    ) -> str:
        """Every maker's contender at every body, batch and float type, in alternation; the tables."""
        tables = []
        for bodies in self.bodies:
            rows = []
            for batch in batches or self.batches:
                problem, made = self.problem(bodies, batch), {}
                for name, maker in makers.items():
                    for dtype in DTYPES:
                        try:
                            made[name, dtype] = maker(problem, dtype)
                        except NotRun as reason:
                            rows.append(Row(section, name, bodies, dtype, batch, note=str(reason)))
                times = alternate({key: contender.run for key, contender in made.items()}, self.rounds)
                for (name, dtype), contender in made.items():
                    error = errors(name, problem, dtype, contender)
                    seconds = tuple(times[name, dtype])
                    rows.append(Row(section, name, bodies, dtype, batch, seconds, error))
                progress(f"{section}: {bodies} bodies, {batch} frames")
            self.rows += rows
            tables.append(f"{bodies} bodies, nv = {problem.model.nv}\n\n{batch_table(rows, makers)}")
        return "\n".join(tables)


def forward(study: Study) -> str:
    def error(name: str, problem: Problem, dtype: str, contender: Contender) -> float:
        frames = min(problem.frames, JUDGED_FRAMES)
        return relative_error(contender.to_mujoco(contender.run())[:frames], judge_tau(problem, frames))

    return study.compare("forward", FORWARD, error)


def gradient(study: Study) -> str:
    """The two kinds of gradient, each judged once a body and float type."""

    def makers(programs: dict[str, Callable[..., gradients.Program]]) -> dict[str, Callable[..., Contender]]:
        def maker(program: Callable[..., gradients.Program]) -> Callable[..., Contender]:
            def contender(problem: Problem, dtype: str) -> Contender:
                function, args = program(problem, dtype)
                return Contender(in_precision(dtype, function, *args))

            return contender

        return {name: maker(program) for name, program in programs.items()}

    def error(name: str, problem: Problem, dtype: str, contender: Contender) -> float | None:
        if problem.frames != judge.FRAMES:
            return None
        return judge.gradient_error(name, problem, dtype)

    pose = study.compare("pose", makers(gradients.POSE), error, tuple(b for b in study.batches if b >= 3))
    state = study.compare("state", makers(gradients.STATE), error)
    return f"Sum of tau^2 of a motion, from its poses:\n\n{pose}\nSum of tau^2 of states:\n\n{state}"


def derivatives(study: Study) -> str:
    def makers(maker: Callable[..., Callable[[], Any]]) -> Callable[..., Contender]:
        return lambda problem, dtype: Contender(maker(problem, dtype))

    def error(name: str, problem: Problem, dtype: str, contender: Contender) -> float | None:
        if problem.frames != judge.FRAMES or not name.startswith("dynamics."):
            return None
        return judge.derivative_error(problem, contender.run())

    made = {name: makers(maker) for name, maker in dense.DERIVATIVES.items()}
    batches = tuple(b for b in study.batches if b <= dense.MOST_FRAMES)
    return study.compare("derivatives", made, error, batches)


def copies(study: Study) -> str:
    """What NumPy at the door costs: the copies alone, and the call without them and without checks."""

    def copying(problem: Problem, dtype: str) -> Contender:
        states = problem.states(dtype)

        def there_and_back() -> Any:
            held = jax.block_until_ready(jax.device_put(list(states)))
            return np.array(held[1])  # as large as tau; np.asarray would share memory on a CPU

        return Contender(in_precision(dtype, there_and_back))

    def held(function: Callable[..., Any]) -> Callable[[Problem, str], Contender]:
        def maker(problem: Problem, dtype: str) -> Contender:
            with jax.enable_x64(dtype == "float64"):
                tree, states = jax.device_put((problem.tree_as(dtype), problem.states(dtype)))

            def run() -> Any:
                with jax.enable_x64(dtype == "float64"):
                    return jax.block_until_ready(function(tree, *states))

            return Contender(run)

        return maker

    makers = {
        "NumPy in and out": FORWARD["dynamics.rnea"],
        "JAX arrays in and out": held(dynamics.rnea),
        "JAX arrays within jit, which checks no values": held(jax.jit(dynamics.rnea)),
        "the copies alone, in and out": copying,
    }
    return study.compare("copies", makers, lambda *_: None)


def compiling(study: Study) -> str:
    lines = []
    for bodies in study.bodies:
        for job in fresh.JOBS:
            # The other float type differs little; once is enough to see that.
            for dtype in DTYPES if bodies == study.bodies[0] else DTYPES[1:]:
                found = fresh.measured("compile", job, bodies, dtype, min(COMPILE_FRAMES, max(study.batches)))
                study.processes["compile", job, bodies, dtype] = found
                cells = [f"{found[k]:.2f} s" for k in ("first", "second")] if "first" in found else ["-", "-"]
                lines.append([job, str(bodies), dtype, *cells, found.get("failed", "")])
                progress(f"compile: {job}, {bodies} bodies, {dtype}")
    return markdown(["", "bodies", "dtype", "first call", "second call", ""], lines)


def memory(study: Study) -> str:
    lines, bodies, frames = [], study.bodies[0], max(study.batches)
    for job in fresh.JOBS:
        for dtype in DTYPES:
            found = fresh.measured("memory", job, bodies, dtype, frames)
            study.processes["memory", job, bodies, dtype] = found
            sizes = (found.get(key) for key in ("inputs and outputs", "temporary", "kept", "xla"))
            cells = ["-" if size is None else f"{size / 1e6:.1f} MB" for size in sizes]
            lines.append([job, dtype, *cells, found.get("failed", "")])
            progress(f"memory: {job}, {dtype}")
    headings = ["", "dtype", "inputs and outputs", "peak beside them", "kept after", "XLA's temporary", ""]
    return f"{bodies} bodies, {frames} frames\n\n{markdown(headings, lines)}"


def gpu(study: Study) -> str:
    if not accelerator.gpus():
        return "JAX found no GPU.\n"
    rows = accelerator.gpu_rows(study.bodies[0], study.rounds)
    study.rows += rows
    return f"{accelerator.gpus()[0].device_kind}\n\n{batch_table(rows)}"


SECTIONS: dict[str, tuple[str, Callable[[Study], str]]] = {
    "forward": ("Torques, us a frame", forward),
    "gradient": ("Value and gradient, us a frame", gradient),
    "derivatives": ("Dense derivatives of tau in q, qvel and qacc, us a frame", derivatives),
    "copies": ("What NumPy arrays in and out cost, us a frame", copies),
    "compile": ("First call in a fresh process without caches", compiling),
    "memory": ("Memory", memory),
    "gpu": ("GPU, float32, us a frame, arrays on the device", gpu),
}


def progress(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", help=f"frames a call, default {BATCHES}")
    parser.add_argument("--rounds", type=int, help=f"default {ROUNDS}")
    parser.add_argument("--bodies", type=int, nargs="+", choices=BODIES, help=f"default {BODIES}")
    parser.add_argument("--quick", action="store_true", help="24 bodies, 1 and 128 frames, 3 rounds")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--out", type=Path, help="write the tables as Markdown; last on the line")
    return parser.parse_args()


def main() -> None:
    warnings.simplefilter("ignore")  # of the bodies' making, no news here
    args = options()
    study = Study(args)
    parts = []

    def add(text: str) -> None:
        print(text, flush=True)
        parts.append(text)
        if args.out:
            args.out.write_text("\n".join(parts))

    words = sys.argv[: sys.argv.index("--out")] if args.out else sys.argv
    add(f"## Inverse dynamics: `{' '.join(['python', *words])}`\n\n{description()}\n")
    # A GPU has its own section; beside the CPU's engines the CPU is meant.
    with jax.default_device(jax.devices("cpu")[0]) if accelerator.gpus() else contextlib.nullcontext():
        for name in args.only or SECTIONS:
            heading, section = SECTIONS[name]
            add(f"### {heading}\n\n{section(study)}")
    add(f"### Ratios in this run\n\n{ratio_table(study.rows, study.processes, study.bodies[0])}")
    add(f"At the end: {description()}\n")


if __name__ == "__main__":
    main()
