"""One measurement in a process of its own: the first call without any cache, or the peak of memory.

Run by inverse_dynamics.py as: python benchmarks/fresh.py MEASURE JOB BODIES DTYPE FRAMES; prints JSON.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Freed memory goes back to the system at once, so that what is resident is what is in use.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
_NO_CACHE = {"JAX_ENABLE_COMPILATION_CACHE": "false"}
_WARM_UP_FRAMES = 64  # a filter needs some

JOBS = (
    "rnea",
    "mjx.inverse",
    "gradient in states",
    "gradient in masses",
    "gradient in poses",
    "gradient in poses, smoothed",
)


def measured(measure: str, job: str, bodies: int, dtype: str, frames: int) -> dict[str, Any]:
    """What `measure` ("compile" or "memory") finds in a fresh process with empty caches."""
    words = [sys.executable, __file__, measure, job, str(bodies), dtype, str(frames)]
    with tempfile.TemporaryDirectory() as empty:
        environment = {**os.environ, **_NO_CACHE, "XDG_CACHE_HOME": empty}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        if measure == "memory":
            environment |= _MALLOC
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1][:200] if done.stderr else "killed"}
    return json.loads(done.stdout.splitlines()[-1])


def program(job: str, bodies: int, dtype: str, frames: int) -> Any:
    """The function and its arguments."""
    import gradients
    from peers import Problem

    import dynamics

    problem = Problem(bodies, frames)
    if job == "rnea":
        return gradients.Program(dynamics.rnea, (problem.tree_as(dtype), *problem.states(dtype)))
    if job == "mjx.inverse":
        return gradients.Program(dynamics.mjx_inverse, (problem.model, *problem.states(dtype)))
    jobs = {
        "gradient in poses": gradients.pose_gradient,
        "gradient in poses, smoothed": gradients.smoothed_gradient,
        "gradient in states": gradients.state_gradient,
        "gradient in masses": gradients.mass_gradient,
    }
    return jobs[job](problem, dtype)


def first_call(job: str, bodies: int, dtype: str, frames: int) -> dict[str, float]:
    """s of the first call (tracing, compiling, running) and of the second.

    Imports, the start of JAX's backend and loading LLVM come before.
    """
    import jax
    from peers import in_precision

    from dynamics import native

    function, args = program(job, bodies, dtype, frames)
    call = in_precision(dtype, function, *args)
    jax.block_until_ready(jax.numpy.zeros(1))  # starts the backend
    native.serves(dtype)  # loads LLVM
    times = []
    for _ in range(2):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return {"first": times[0], "second": times[1]}


def peak(job: str, bodies: int, dtype: str, frames: int) -> dict[str, float | None]:
    """Bytes: temporary beside inputs and outputs, kept afterwards, XLA's own count, inputs and outputs."""
    import jax
    from peers import in_precision

    function, args = program(job, bodies, dtype, frames)
    call = in_precision(dtype, function, *args)
    few, few_args = program(job, bodies, dtype, _WARM_UP_FRAMES)
    in_precision(dtype, few, *few_args)()
    small = resident("VmRSS")
    call()  # compiles for this number of frames
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    result = call()
    highest = resident("VmHWM")
    outputs = sum(leaf.nbytes for leaf in jax.tree.leaves(result))
    inputs = sum(getattr(leaf, "nbytes", 0) for leaf in jax.tree.leaves(args))
    counted = None
    if hasattr(function, "lower"):
        with jax.enable_x64(dtype == "float64"):
            counted = function.lower(*args).compile().memory_analysis().temp_size_in_bytes
    return {
        "temporary": highest - before - outputs,
        "kept": before - small,
        "xla": counted,
        "inputs and outputs": inputs + outputs,
    }


def resident(field: str) -> int:
    """Bytes of this process, with freed memory given back first."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    status = Path("/proc/self/status").read_text()
    found = re.search(rf"{field}:\s+(\d+) kB", status)
    assert found is not None
    return 1024 * int(found[1])


MEASURES: dict[str, Callable[..., dict[str, Any]]] = {"compile": first_call, "memory": peak}


def main() -> None:
    measure, job, bodies, dtype, frames = sys.argv[1:]
    print(json.dumps(MEASURES[measure](job, int(bodies), dtype, int(frames))))


if __name__ == "__main__":
    main()
