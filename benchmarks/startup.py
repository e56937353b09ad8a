"""How long a user waits: import, --help, and the demo with cold and warm caches.

Each is a fresh process, alternated with its peer, the bare import of what it cannot do without; the
ratio is what to compare between machines. Run: python benchmarks/startup.py
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from smpl2mjcf.run_record import package_versions

REPEATS = 5


def seconds(words: list[str], folder: Path, environment: dict[str, str]) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    subprocess.run(words, cwd=folder, env={**os.environ, **environment}, check=True, capture_output=True)
    return time.perf_counter() - start


def alternated(words: list[str], peer: list[str], folder: Path, caches: list[dict[str, str]]) -> str:
    """Median [min-max] of a command and of its peer, and their ratio."""
    own, others = [], []
    for environment in caches:
        others.append(seconds(peer, folder, environment))
        own.append(seconds(words, folder, environment))
    return summary(own, others)


def summary(own: list[float], others: list[float]) -> str:
    """Medians, spread and ratio as one row."""
    a, b = statistics.median(own), statistics.median(others)
    return f"{a:6.2f} s [{min(own):.2f}-{max(own):.2f}]   peer {b:5.2f} s   ratio {a / b:5.2f}"


def cold_caches(folder: Path, name: str) -> dict[str, str]:
    """An environment in which bytecode, matplotlib's fonts and compiled functions must be made anew."""
    root = folder / name
    return {
        "PYTHONPYCACHEPREFIX": str(root / "pycache"),
        "XDG_CACHE_HOME": str(root / "cache"),
        "MPLCONFIGDIR": str(root / "matplotlib"),
    }


def main() -> None:
    python = sys.executable
    command = [python, "-m", "smpl2mjcf"]
    versions = ", ".join(f"{name} {version}" for name, version in package_versions().items())
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {versions}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        warm = [{}] * REPEATS
        numpy = [python, "-c", "import numpy"]
        jax = [python, "-c", "import jax, mujoco.mjx, matplotlib.figure"]
        rows = {
            "import smpl2mjcf (peer: import numpy)": alternated(
                [python, "-c", "import smpl2mjcf"], numpy, folder, warm
            ),
            "smpl2mjcf --help (peer: import numpy)": alternated([*command, "--help"], numpy, folder, warm),
        }
        demo = [*command, "demo", "--out", str(folder / "demo")]
        one = cold_caches(folder, "warm")
        seconds(demo, folder, one)
        rows["demo, warm caches (peer: import jax, mjx, matplotlib)"] = alternated(
            demo, jax, folder, [one] * 3
        )
        cold = [cold_caches(folder, f"cold{i}") for i in range(2)]
        # The peer of a cold run gets a cold cache of its own: after it the demo's would be half warm.
        own = [seconds(demo, folder, environment) for environment in cold]
        peers = [seconds(jax, folder, cold_caches(folder, f"peer{i}")) for i in range(2)]
        rows["demo, cold caches (peer: import jax, mjx, matplotlib)"] = summary(own, peers)
    for name, row in rows.items():
        print(f"{name:55s} {row}")


if __name__ == "__main__":
    main()
