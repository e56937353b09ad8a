"""How long a thousand shapes take as arrays. Run: python benchmarks/shapes.py

The peer, alternated with ours, is a loop of build_humanoid over some of the same shapes, and the part of it
that measures a shape and its inertia without making a model. Compile time apart; accuracy beside speed: the
largest difference from the compiled models, relative to each body's largest entry.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import smpl2mjcf
from smpl2mjcf.inertia import BODY_DENSITY, body_inertias
from smpl2mjcf.population import ShapeArrays, shape_arrays
from smpl2mjcf.run_record import package_versions
from smpl2mjcf.shape import shape_of

SHAPES, LOOP, REPEATS = 1000, 20, 5


def seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - start


def measured(body: smpl2mjcf.Body, betas: np.ndarray) -> None:
    """A shape's inertias without a model."""
    shape = shape_of(body, betas)
    body_inertias(shape.cells(body.sex), shape.positions, body.sex, BODY_DENSITY * shape.surface.volume)


def difference(body: smpl2mjcf.Body, betas: np.ndarray, arrays: ShapeArrays) -> float:
    """The largest of masses, offsets and centres of some shapes, relative to each body's largest entry."""
    worst = 0.0
    for i in range(0, len(betas), len(betas) // 10):
        model = smpl2mjcf.build_humanoid(body, betas[i]).model
        pairs = (
            (arrays.masses[i][:, None], model.body_mass[:, None]),
            (arrays.offsets[i], model.body_pos),
            (arrays.coms[i], model.body_ipos),
        )
        for found, expected in pairs:
            scale = np.abs(expected[1:]).max(axis=1)
            worst = max(worst, float((np.abs(found - expected)[1:].max(axis=1) / scale).max()))
    return worst


def main() -> None:
    body = smpl2mjcf.default_body()
    betas = np.random.default_rng(0).uniform(-3, 3, (SHAPES, body.num_betas))
    versions = ", ".join(f"{name} {version}" for name, version in package_versions().items())
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {versions}")
    smpl2mjcf.build_humanoid(body)
    for x64 in (True, False):
        with jax.enable_x64(x64):
            first = seconds(lambda: shape_arrays(body, betas))
            times: dict[str, list[float]] = {"arrays": [], "models": [], "inertias": []}
            for _ in range(REPEATS):
                times["arrays"].append(seconds(lambda: shape_arrays(body, betas)) / SHAPES)
                for name, function in (("models", smpl2mjcf.build_humanoid), ("inertias", measured)):
                    loop = seconds(lambda: [function(body, row) for row in betas[:LOOP]])  # noqa: B023
                    times[name].append(loop / LOOP)
            arrays = shape_arrays(body, betas)
            best = min(times["arrays"])
            medians = {name: statistics.median(values) for name, values in times.items()}
            print(
                f"{arrays.masses.dtype}: {SHAPES} shapes {SHAPES * best:.2f} s at best, "
                f"{SHAPES * medians['arrays']:.2f} s median (first call {first:.0f} s, with compilation); "
                f"build_humanoid {1e3 * medians['models']:.0f} ms a shape, ratio "
                f"{medians['models'] / medians['arrays']:.0f}; without a model "
                f"{1e3 * medians['inertias']:.0f} ms, ratio {medians['inertias'] / medians['arrays']:.0f}; "
                f"{int(arrays.valid.sum())} valid; largest difference {difference(body, betas, arrays):.1e}"
            )


if __name__ == "__main__":
    main()
