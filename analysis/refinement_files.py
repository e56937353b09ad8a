"""The files of a refinement: refinement.npz for programs, refinement.png to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .dof_blocks import DofBlocks
from .refinement import Refined
from .scores import inner_joints
from .study_files import dof_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN = ("left_hip", "left_knee", "left_ankle", "spine1", "left_shoulder", "left_elbow")
_COLOURS = {"as recorded": "0.75", "smoothed": "tab:blue", "refined": "tab:orange"}


def save_refinement(found: Refined, folder: Path) -> None:
    """Write refinement.npz and refinement.png into an existing folder."""
    path = found.trajectory
    np.savez_compressed(
        folder / "refinement.npz",
        time=path.time,
        dof_names=np.array(dof_names(found.model)),
        tau_before=found.tau_before,
        tau_smoothed=found.tau_smoothed,
        tau=found.tau,
        qpos_before=found.before.qpos,
        qpos_smoothed=found.smoothed.qpos,
        qpos=path.qpos,
        qvel=path.qvel,
        qacc=path.qacc,
        valid=path.valid,
        noise_sigma=found.noise.sigma,
        noise_rho=found.noise.rho,
        ground=np.array("none"),
    )
    plot_refinement(found, folder / "refinement.png")


def plot_refinement(found: Refined, path: Path) -> None:
    """The length of some joints' torques before and after, and the size of all of them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from dynamics.topology import Topology

    blocks = DofBlocks.of(Topology.from_mjmodel(found.model))
    joints = inner_joints(found.model)
    names = [blocks.names[k] for k in joints]
    lengths = {
        label: np.linalg.norm(blocks.grouped(tau), axis=-1)[:, joints]
        for label, tau in (
            ("as recorded", found.tau_before),
            ("smoothed", found.tau_smoothed),
            ("refined", found.tau),
        )
    }
    shown = [names.index(name) for name in _SHOWN if name in names] or list(range(min(6, len(names))))
    figure = Figure(figsize=(11, 8), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(3, 3)
    axes = [figure.add_subplot(grid[row, column]) for row in range(2) for column in range(3)]
    valid = np.asarray(found.trajectory.valid)
    for place, axis in enumerate(axes):
        if place >= len(shown):
            axis.set_axis_off()
            continue
        for label, values in lengths.items():
            axis.plot(
                found.trajectory.time,
                np.where(valid, values[:, shown[place]], np.nan),
                color=_COLOURS[label],
                lw=1.2,
                label=label,
            )
        # The noise is cut off where it would hide what is left of it.
        axis.set_ylim(0, _ceiling(lengths, shown[place], valid))
        axis.set_title(names[shown[place]].replace("_", " "), fontsize=10)
        axis.set_xlabel("time [s]")
        axis.set_ylabel("torque [N m]")
    axes[0].legend(fontsize=8, loc="upper right")
    _bars(figure.add_subplot(grid[2, :]), names, lengths, valid)
    figure.suptitle(
        f"torques before and after refinement ({found.method}), without ground forces; most of what was "
        "recorded lies beyond the axes"
    )
    figure.savefig(path, dpi=110, format="png")


def _ceiling(lengths: dict[str, NDArray[np.float64]], joint: int, valid: NDArray[np.bool_]) -> float:
    calm = max(lengths[label][valid, joint].max(initial=0.0) for label in ("smoothed", "refined"))
    return max(1.3 * float(calm), 1e-6)


def _bars(
    axis: Axes, names: list[str], lengths: dict[str, NDArray[np.float64]], valid: NDArray[np.bool_]
) -> None:
    places, width = np.arange(len(names)), 0.27
    for k, (label, values) in enumerate(lengths.items()):
        rms = np.sqrt((values[valid] ** 2).mean(axis=0)) if valid.any() else np.zeros(len(names))
        axis.bar(places + (k - 1) * width, np.maximum(rms, 1e-3), width, color=_COLOURS[label], label=label)
    axis.set_yscale("log")
    axis.set_ylabel("RMS torque [N m]")
    axis.set_xticks(places, [name.replace("_", " ") for name in names], rotation=60, ha="right", fontsize=8)
