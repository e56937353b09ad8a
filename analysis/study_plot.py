"""The picture of a torque study: the root residual, and the sagittal torques of legs, trunk and arms."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from smpl2mjcf.hinges import dof_columns, is_hinged

if TYPE_CHECKING:
    from .study import Study

# Colours of Okabe and Ito (2008), told apart with any colour vision.
COLOURS = {"left": "#0072B2", "right": "#D55E00", "": "#333333"}

PANELS = (
    ("Hip (extension +)", "hip", {"left": 1, "right": 1}, 0),
    ("Knee (flexion +)", "knee", {"left": 1, "right": 1}, 0),
    ("Ankle (plantarflexion +)", "ankle", {"left": 1, "right": 1}, 0),
    ("Lumbar, spine1 (flexion +)", "spine1", {"": 1}, 0),
    (
        "Shoulder, the arm's own z axis (abduction + while it hangs)",
        "shoulder",
        {"left": 1, "right": -1},
        2,
    ),
)
"""Title, joint, sign of the torque by side, axis. SMPL's y and z axes mirror between the sides."""

HINGE_PANELS = (
    ("Hip (extension +)", "hip", {"left": -1, "right": -1}, 0),
    ("Knee (flexion +)", "knee", {"left": 1, "right": 1}, 0),
    ("Ankle (plantarflexion +)", "ankle", {"left": -1, "right": -1}, 0),
    ("Lumbar, spine1 (flexion +)", "spine1", {"": 1}, 0),
    ("Shoulder (elevation +)", "shoulder", {"left": 1, "right": 1}, 0),
)
"""The same of a model with hinges, whose positive sense is the same on both sides."""


TITLE_WIDTH = 110
"""Letters in a line of the title: what fits over the panels."""


def plot_study(study: Study, path: Path) -> None:
    """Write the PNG."""
    # The object interface needs no display and leaves a caller's pyplot state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 11), layout="constrained")
    FigureCanvasAgg(figure)
    panels = HINGE_PANELS if is_hinged(study.humanoid.model, "left_hip") else PANELS
    axes = figure.subplots(len(panels) + 1, 1, sharex=True)
    time = np.asarray(study.trajectory.time)
    _plot_residual(axes[0], study, time)
    for axis, panel in zip(axes[1:], panels):
        _plot_torque(axis, study, time, *panel)
    axes[-1].set_xlabel("Time [s]")
    for axis in axes:
        axis.margins(x=0)
        axis.grid(alpha=0.3)
        for start, end in _runs(~np.asarray(study.trajectory.valid)):
            axis.axvspan(time[start], time[end], color="0.9", zorder=0)
    axes[1].plot([], [], ":", color="0.4", label="no ground force")
    axes[1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize="small")
    cutoff = "no filter" if study.cutoff is None else f"low-pass {study.cutoff:g} Hz"
    figure.suptitle(
        f"{textwrap.fill(study.title, TITLE_WIDTH)}\n{study.humanoid.mass:.1f} kg, {cutoff}\n"
        "NO GROUND FORCES: dotted torques belong to a standing leg and lack its ground force; "
        "grey: extrapolated ends and gaps",
        fontsize="medium",
        parse_math=False,
    )
    figure.align_ylabels(axes)
    figure.savefig(path, dpi=110, format="png")


def _plot_residual(axis: Any, study: Study, time: NDArray[np.float64]) -> None:
    axis.plot(time, study.vertical_residual_bw, color=COLOURS[""])
    axis.axhline(1.0, color="0.6", linewidth=0.8)
    axis.axhline(0.0, color="0.6", linewidth=0.8)
    axis.set_title(
        "Vertical root residual: what the ground would have to supply", fontsize="medium", loc="left"
    )
    axis.set_ylabel("Force\n[body weight]")
    _limit(axis, study.vertical_residual_bw, study)
    low, high = axis.get_ylim()
    for row, (side, stands) in enumerate(zip(("left", "right"), study.standing.T)):
        level = low - (0.08 + 0.09 * row) * (high - low)
        for start, end in _runs(stands):
            axis.plot(
                [time[start], time[end]],
                [level, level],
                color=COLOURS[side],
                linewidth=5,
                solid_capstyle="butt",
            )
        axis.annotate(
            f"{side} foot stands",
            (1.005, level),
            xycoords=("axes fraction", "data"),
            fontsize="x-small",
            color=COLOURS[side],
            va="center",
            annotation_clip=False,
        )
    axis.set_ylim(low - 0.26 * (high - low), high)


def _plot_torque(
    axis: Any,
    study: Study,
    time: NDArray[np.float64],
    title: str,
    joint: str,
    sides: dict[str, int],
    component: int,
) -> None:
    model = study.humanoid.model
    shown = []
    for side, sign in sides.items():
        dof = dof_columns(model, f"{side}_{joint}" if side else joint)[component]
        torque = sign * np.asarray(study.result.tau)[:, dof] / study.humanoid.mass
        lacking = study.lacks_ground_force[:, dof]
        # One frame of overlap, so that the dotted curve joins the solid one.
        dotted = lacking | np.roll(lacking, 1) | np.roll(lacking, -1)
        # Left lies wider underneath: where both sides do the same, both are seen.
        width = 2.6 if side == "left" else 1.3
        axis.plot(
            time, np.where(lacking, np.nan, torque), color=COLOURS[side], label=side or None, linewidth=width
        )
        axis.plot(time, np.where(dotted, torque, np.nan), ":", color=COLOURS[side], linewidth=0.6 * width)
        shown.append(torque)
    axis.axhline(0.0, color="0.6", linewidth=0.8)
    axis.set_title(title, fontsize="medium", loc="left")
    axis.set_ylabel("Torque\n[N m/kg]")
    _limit(axis, np.stack(shown, axis=1), study)


def _limit(axis: Any, values: NDArray[np.float64], study: Study) -> None:
    """Scale an axis to the valid frames: extrapolated ends can be of any size."""
    valid = values[np.asarray(study.trajectory.valid)]
    if len(valid):
        low, high = min(float(valid.min()), 0.0), max(float(valid.max()), 0.0)
        margin = 0.08 * (high - low) + 1e-3
        axis.set_ylim(low - margin, high + margin)


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last index of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(int(start), int(end) - 1) for start, end in zip(edges[::2], edges[1::2])]
