"""How long a thousand shapes take as arrays. Run: python benchmarks/shapes.py

The peer, alternated with ours, is a loop of build_humanoid over some of the same shapes, and the part of it
that measures a shape and its inertia without making a model. Compile time apart; accuracy beside speed: the
largest differences from the compiled models, relative to each body's largest entry.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import mujoco
import numpy as np
from scipy.spatial.transform import Rotation

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


def differences(body: smpl2mjcf.Body, betas: np.ndarray, arrays: ShapeArrays) -> tuple[float, float]:
    """The largest of masses, offsets and centres of some shapes, and of tensors, relative to the body's."""
    fields = {name: np.asarray(field) for name, field in arrays.model_fields().items()}
    worst = {"places": 0.0, "tensors": 0.0}
    for i in range(0, len(betas), len(betas) // 10):
        model = smpl2mjcf.build_humanoid(body, betas[i]).model
        for kind, found, expected in (
            ("places", fields["body_mass"][i][:, None], model.body_mass[:, None]),
            ("places", fields["body_pos"][i], model.body_pos),
            ("places", fields["body_ipos"][i], model.body_ipos),
            ("tensors", np.asarray(arrays.tensors[i]), tensors_of(model)),
        ):
            off, scale = (
                np.abs(x[1:]).reshape(len(x) - 1, -1).max(axis=1) for x in (found - expected, expected)
            )
            worst[kind] = max(worst[kind], float((off / scale).max()))
    return worst["places"], worst["tensors"]


def tensors_of(model: mujoco.MjModel) -> np.ndarray:
    """(nbody, 3, 3) kg m2 about the centres of mass, in the bodies' axes."""
    axes = Rotation.from_quat(model.body_iquat, scalar_first=True).as_matrix()
    return (axes * model.body_inertia[:, None]) @ axes.swapaxes(1, 2)


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
            places, tensors = differences(body, betas, arrays)
            medians = {name: statistics.median(values) for name, values in times.items()}
            print(
                f"{arrays.masses.dtype}: {SHAPES} shapes {SHAPES * best:.2f} s at best, "
                f"{SHAPES * medians['arrays']:.2f} s median (first call {first:.0f} s, with compilation); "
                f"build_humanoid {1e3 * medians['models']:.0f} ms a shape, ratio "
                f"{medians['models'] / medians['arrays']:.0f}; without a model "
                f"{1e3 * medians['inertias']:.0f} ms, ratio {medians['inertias'] / medians['arrays']:.0f}; "
                f"{int(arrays.valid.sum())} valid; largest difference {places:.1e}, of tensors {tensors:.1e}"
            )


if __name__ == "__main__":
    main()
