"""run.json: what was asked for, with what it was computed, in which units and frames."""

from __future__ import annotations

import argparse
import json
import math
import platform
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .humanoid import Humanoid

PACKAGES = ("smpl2mjcf", "mujoco", "mujoco-mjx", "jax", "numpy", "scipy")


def write_run_record(
    path: Path, verb: str, args: argparse.Namespace, humanoid: Humanoid | None = None, **more: Any
) -> None:
    """Write run.json; `more` adds entries of the verb's own (inputs, warnings, results)."""
    record: dict[str, Any] = {
        "verb": verb,
        "options": {
            # JSON has no infinity: such a number is kept as text
            key: str(value) if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in vars(args).items()
            if not callable(value) and key != "verb"
        },
        "versions": package_versions(),
    }
    if humanoid is not None:
        record["body"] = {
            "family": humanoid.body.family,
            "sex": humanoid.sex,
            "betas": humanoid.betas.tolist(),
            "mass_kg": humanoid.mass,
            "surface": str(humanoid.surface),
            "inertia": humanoid.inertia,
            "trunk": humanoid.trunk,
            "joints": humanoid.joints,
            "profile": humanoid.profile,
            "actuators": humanoid.actuators,
            "look": humanoid.look,
            "extras": list(humanoid.extras),
            "bodies": list(humanoid.joint_names),
        }
    record |= {
        "units": {"length": "m", "mass": "kg", "time": "s", "angle": "rad", "force": "N", "torque": "N m"},
        "frames": {
            "world": "z up, right-handed",
            "bodies": "origin at the joint, axes of SMPL's rest frame (T-pose: x left, y up, z forward)",
            "quaternions": "w x y z",
            "ball joints": "velocities and torques in the child body's axes",
            "hinges": "angles, rates and torques about their own axes, positive toward the motion they are "
            "named after",
            "free joint": "linear parts in world axes, angular parts in body axes",
        },
        **more,
    }
    path.write_text(json.dumps(record, indent=2, allow_nan=False) + "\n")


@contextmanager
def shown_warnings(show: Callable[[str], None]) -> Iterator[list[warnings.WarningMessage]]:
    """Collect warnings for run.json, and show each as one line at the end, however the block ends."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield caught
        finally:
            for warning in caught:
                show(f"warning: {warning.message}")


def package_versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
