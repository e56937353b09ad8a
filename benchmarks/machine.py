"""One line on what a benchmark ran: processor, cores, load, versions, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import jax

from smpl2mjcf.run_record import package_versions

_ROOT = Path(__file__).resolve().parent.parent
_PEERS = ("jaxlib", "llvmlite", "pin")


def description() -> str:
    versions = package_versions()
    for name in _PEERS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    packages = ", ".join(f"{name} {number}" for name, number in versions.items())
    load = " ".join(f"{x:.1f}" for x in os.getloadavg())
    devices = ", ".join(str(device) for device in jax.devices())
    return (
        f"{processor()}, {os.cpu_count()} cores, load {load}; {packages}; JAX devices {devices}; "
        f"commit {commit()}"
    )


def processor() -> str:
    """Its name with the widest vectors that it has."""
    name, widest = platform.machine(), ""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":")[1].strip()
            if line.startswith("flags"):
                flags = line.split()
                widest = next((f for f in ("avx512f", "avx2", "avx") if f in flags), "")
    except OSError:
        pass
    return f"{name} ({platform.machine()}{', ' + widest if widest else ''})"


def commit() -> str:
    """Of the checkout, and whether it differs from it."""
    try:
        words = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
        done = subprocess.run(words, cwd=_ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip().replace("-dirty", " with changes")
