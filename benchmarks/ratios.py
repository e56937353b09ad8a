"""What inverse_dynamics.py measured as the ratios that are aimed at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alternation import Row, markdown, significant
from peers import DTYPES

_AIMED_AT = 65_536  # frames
_MB = 1e6

POSE_GRADIENTS = ("gradient in poses", "gradient in poses, smoothed")

Processes = dict[tuple[str, str, int, str], dict[str, Any]]


def ratio_table(rows: list[Row], processes: Processes, bodies: int) -> str:
    """Ours beside each aim, for one body; "not run" where a part is missing."""

    def find(section: str, name: str, dtype: str, frames: int) -> Row | None:
        """At that number of frames, or at the largest below it that was run."""
        wanted = (section, name, bodies, dtype)
        same = [r for r in rows if (r.section, r.name, r.bodies, r.dtype) == wanted and r.seconds]
        return max((r for r in same if r.batch <= frames), key=lambda r: r.batch, default=None)

    def faster(peer: str, peer_dtype: str, dtype: str, frames: int) -> str:
        ours, other = (
            find("forward", "dynamics.rnea", dtype, frames),
            find("forward", peer, peer_dtype, frames),
        )
        return times(other, ours, frames)

    def gradient(section: str, forward: str, gradient: str) -> str:
        pairs = ((find(section, name, dtype, _AIMED_AT) for name in (gradient, forward)) for dtype in DTYPES)
        return by_dtype(times(*pair, _AIMED_AT) for pair in pairs)

    def process(measure: str, job: str, value: Callable[[dict[str, Any]], str]) -> str:
        found = (processes.get((measure, job, bodies, dtype), {}) for dtype in DTYPES)
        return by_dtype(value(f) if f and "failed" not in f else "not run" for f in found)

    def compiled(found: dict[str, Any]) -> str:
        return f"{found['first'] - found['second']:.2f} s"

    def share(found: dict[str, Any]) -> str:
        return f"{found['temporary'] / found['inputs and outputs']:.2f} x"

    def on_gpu(name: str) -> str:
        row = max(
            (r for r in rows if r.section == "gpu" and r.name == name and r.seconds),
            default=None,
            key=lambda r: r.batch,
        )
        return "not run" if row is None else f"{significant(1e9 * row.median / row.batch)} ns"

    pin, mujoco, mjx = "pin.rneaInParallel, 2 threads", "mj_inverse, Python loop", "mjx.inverse"
    state = ("state", "sum of tau^2")
    lines = [
        ["float64, faster than pin.rneaInParallel on 2 threads", "1.5 x", "2.5 x, 5 x",
         faster(pin, "float64", "float64", _AIMED_AT)],
        ["float32, faster than mj_inverse in a Python loop", "20 x", "60 x",
         faster(mujoco, "float64", "float32", _AIMED_AT)],
        ["faster than mjx.inverse, same dtype, 4096 frames", "80 x", "250 x",
         by_dtype(faster(mjx, dtype, dtype, 4096) for dtype in DTYPES)],
        *(["value and gradient over forward, poses to loss, " + how, "4 x", "3 x",
           gradient("pose", f"{how}, loss", f"{how}, loss and gradient")]
          for how in ("smoothed", "central differences")),
        ["the same in qpos, qvel, qacc", "", "", gradient(*state, "and gradient in qpos, qvel, qacc")],
        ["the same in the masses", "", "", gradient(*state, "and gradient in the masses")],
        ["compile, forward", "1.5 s", "", process("compile", "rnea", compiled)],
        *([f"compile, {job}", "5 s", "", process("compile", job, compiled)] for job in POSE_GRADIENTS),
        ["temporary memory, forward", "16 MB", "",
         process("memory", "rnea", lambda found: f"{found['temporary'] / _MB:.1f} MB")],
        *([f"temporary memory, {job}, of inputs and outputs", "2 x", "", process("memory", job, share)]
          for job in POSE_GRADIENTS),
        ["GPU, float32, a frame", "5 ns", "1 ns", on_gpu("dynamics.rnea")],
    ]  # fmt: skip
    return f"{bodies} bodies, {_AIMED_AT} frames\n\n{markdown(['', 'reach', 'beyond', 'found'], lines)}"


def times(slow: Row | None, fast: Row | None, frames: int) -> str:
    """The ratio of the medians, with the frames where they are not the ones aimed at."""
    if slow is None or fast is None or slow.batch != fast.batch:
        return "not run"
    other = "" if fast.batch == frames else f" (at {fast.batch} frames)"
    return f"{significant(slow.median / fast.median)} x{other}"


def by_dtype(found: Any) -> str:
    return ", ".join(f"{dtype} {value}" for dtype, value in zip(DTYPES, found))
