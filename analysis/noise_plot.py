"""The figures of a noise study, each as PNG and SVG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dynamics.topology import Topology

from .amplification import NORMAL_95
from .dof_blocks import DofBlocks
from .noise import NoiseStudy
from .noise_rows import Row, column
from .noise_tables import CORRELATIONS, STENCILS, WITH_ROOT
from .study_files import dof_names
from .study_plot import COLOURS

FIGURES = ("noise_growth", "noise_joints", "noise_cutoffs", "noise_kinds", "noise_bands")
FORMATS = ("png", "svg")

# Okabe and Ito (2008), told apart with any colour vision.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SCHEME_LABELS = {
    "central": "central differences twice",
    "three-point": "three-point stencil",
    "spline": "quintic spline",
}
SHOWN = ("left_hip", "left_knee", "spine1", "left_shoulder")
VIDEO_BAND = (0.03, 0.08)
PAPER_SLOPE = 1000.0
"""N m/rad, as the first paper states it (arXiv:2605.24776), without frame rate, stencil and norm."""


def plot_noise(study: NoiseStudy, folder: Path) -> None:
    """Write the figures into an existing folder."""
    makers = (_growth, _joints, _cutoffs, _kinds, _bands)
    for name, make in zip(FIGURES, makers):
        _save(make(study), folder / name)


def _figure(width: float, height: float, columns: int, rows: int = 1, **options: Any) -> tuple[Any, Any]:
    # The object interface needs no display and leaves a caller's pyplot state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, **options)
    for axis in np.ravel(axes):
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    import matplotlib

    # The same numbers give the same file: no date, no random names.
    with matplotlib.rc_context({"svg.hashsalt": "smpl2mjcf"}):
        for form in FORMATS:
            metadata = {"Date": None} if form == "svg" else {}
            figure.savefig(path.with_suffix(f".{form}"), dpi=130, format=form, metadata=metadata)


def _growth(study: NoiseStudy) -> Any:
    figure, (left, right) = _figure(11, 4.6, 2)
    rates = study.settings["rates"]
    left.axvspan(*np.degrees(VIDEO_BAND), color="0.93", zorder=0)
    for colour, fps in zip(PALETTE, rates):
        rows = study.table("growth", fps=fps)
        sigma = np.degrees(column(rows, "sigma"))
        slope = rows[0].amplification
        left.plot(sigma, [r.law_mean for r in rows], color=colour, label=f"{fps:g} fps: {slope:,.0f} N m/rad")
        left.plot(sigma, [r.sampled_mean for r in rows], "o", color=colour, markersize=4)
    left.axhline(study.signal_mean, color="0.4", linestyle="--", linewidth=1)
    left.annotate(
        f"predict no torque: {study.signal_mean:.1f} N m",
        (0.01, study.signal_mean),
        (0, 3),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        fontsize="small",
        color="0.4",
    )
    left.set(
        xscale="log",
        yscale="log",
        xlabel="Pose noise sigma [deg per axis]",
        ylabel="Mean torque error of a joint [N m]",
        title="Central differences twice; lines: law, dots: sampled",
    )
    left.legend(frameon=False, fontsize="small", loc="upper left")
    _plain_ticks(left, np.degrees(column(study.table("growth", fps=rates[0]), "sigma")))
    left.annotate(
        "video pose\nestimators",
        (np.degrees(np.sqrt(VIDEO_BAND[0] * VIDEO_BAND[1])), 0.98),
        xycoords=("data", "axes fraction"),
        ha="center",
        va="top",
        fontsize="small",
        color="0.4",
    )
    for colour, scheme in zip(PALETTE[::-1], STENCILS):
        rows = study.table("rates", scheme=scheme, joint=None)
        right.plot(
            [row.fps for row in rows],
            [row.amplification for row in rows],
            "o-",
            color=colour,
            label=SCHEME_LABELS[scheme],
        )
    rooted = study.table("rates", scheme="central", joint=WITH_ROOT)
    right.plot(
        [row.fps for row in rooted],
        [row.amplification for row in rooted],
        "--",
        color=PALETTE[-1],
        label="the same, the root counted as a joint",
    )
    squared = study.slope * (np.array(rates) / rates[0]) ** 2
    right.plot(rates, squared, ":", color="0.2", linewidth=1.5, label="rate squared", zorder=5)
    right.axhline(PAPER_SLOPE, color="0.4", linestyle="--", linewidth=1)
    right.annotate(
        "about 1,000 N m/rad (arXiv:2605.24776)",
        (0.99, PAPER_SLOPE),
        (0, -11),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        fontsize="small",
        color="0.4",
    )
    right.set(
        xscale="log",
        yscale="log",
        xlabel="Frame rate [Hz]",
        ylabel="Amplification [N m/rad]",
        title="It is not a constant: it grows with the rate squared",
    )
    _plain_ticks(right, rates)
    right.legend(frameon=False, fontsize="small", loc="upper left")
    return figure


def _joints(study: NoiseStudy) -> Any:
    figure, (left, right) = _figure(12, 6.2, 2, width_ratios=(1, 1.35))
    rows = sorted(study.table("joints"), key=lambda row: row.law_mean or 0.0)
    colours = [
        COLOURS["left"]
        if (row.joint or "").startswith("left")
        else COLOURS["right"]
        if (row.joint or "").startswith("right")
        else COLOURS[""]
        for row in rows
    ]
    left.barh([row.joint for row in rows], [row.amplification for row in rows], color=colours)
    left.set(
        xscale="log",
        xlabel="Amplification [N m/rad]",
        title=f"Every joint noisy, {rows[0].fps:g} fps, central differences",
    )
    left.tick_params(axis="y", labelsize="small")
    sources = list(dict.fromkeys(row.source for row in study.table("sources")))
    by_source = [column(study.table("sources", source=source), "law_rms") for source in sources]
    matrix = np.array(by_source).T / study.settings["sigma"]
    from matplotlib.colors import LogNorm

    largest = matrix.max()
    shown = right.imshow(
        np.where(matrix > 0, matrix, np.nan),
        norm=LogNorm(largest / 1e4, largest),
        cmap="viridis",
        aspect="auto",
    )
    right.grid(False)
    right.set_xticks(range(len(sources)), sources, rotation=90, fontsize="x-small")
    right.set_yticks(range(len(study.joints)), study.joints, fontsize="x-small")
    right.set(xlabel="Only this joint's pose is noisy", ylabel="Torque error at", title="Whose noise it is")
    figure.colorbar(shown, ax=right, label="RMS [N m/rad]")
    return figure


def _cutoffs(study: NoiseStudy) -> Any:
    rates = study.settings["rates"]
    figure, axes = _figure(4.2 * len(rates), 4.8, len(rates), sharey=True, squeeze=False)
    axes = axes[0]
    for axis, fps in zip(axes, rates):
        for colour, rho in zip(PALETTE, CORRELATIONS):
            rows = study.table("cutoffs", fps=fps, rho=rho)
            cutoff = [row.cutoff for row in rows]
            axis.plot(cutoff, [r.law_rms for r in rows], ":", color=colour, linewidth=1)
            axis.plot(
                cutoff, [r.total_rms for r in rows], "o-", color=colour, markersize=3, label=rows[0].noise
            )
        rows = study.table("cutoffs", fps=fps, rho=CORRELATIONS[0])
        cutoff = [row.cutoff for row in rows]
        axis.plot(cutoff, [r.distortion_rms for r in rows], color="0.2", linewidth=1, label="filter alone")
        axis.axhline(study.signal_rms, color="0.5", linestyle="--", linewidth=1, label="no torque")
        axis.axhline(study.static_rms, color="0.5", linestyle="-.", linewidth=1, label="static torque")
        axis.set(xscale="log", yscale="log", xlabel="Cutoff [Hz]", title=f"{fps:g} fps")
        _plain_ticks(axis, [1, 2, 3, 5, 8, 13])
        axis.set_ylim(study.signal_rms / 10, None)
    axes[0].set_ylabel("RMS torque error of a joint [N m]")
    axes[-1].legend(frameon=False, fontsize="small", loc="upper left")
    figure.suptitle(
        f"Zero-lag Butterworth, {np.degrees(study.settings['sigma']):.1f} deg of noise: "
        "solid all error, dotted what noise adds",
        fontsize="medium",
    )
    return figure


def _kinds(study: NoiseStudy) -> Any:
    figure, axis = _figure(10, 5, 1)
    rows = study.table("kinds")
    kinds = list(dict.fromkeys(row.noise for row in rows))
    schemes = list(dict.fromkeys(_scheme_label(row) for row in rows))
    height = 0.8 / len(schemes)
    for place, (colour, scheme) in enumerate(zip(("0.55", *PALETTE), schemes)):
        shown = [row for row in rows if _scheme_label(row) == scheme]
        levels = np.arange(len(kinds)) + (place - (len(schemes) - 1) / 2) * height
        values = [row.sampled_total_rms for row in shown]
        axis.barh(levels, values, height=0.92 * height, color=colour, label=scheme)
        for level, value in zip(levels, values):
            axis.annotate(f" {value:.1f}", (value, level), va="center", fontsize="x-small")
    axis.axvline(study.signal_rms, color="0.3", linestyle="--", linewidth=1, label="no torque at all")
    axis.set_yticks(range(len(kinds)), kinds)
    axis.invert_yaxis()
    axis.set(
        xscale="log",
        xlabel="RMS torque error of a joint against the true torque [N m]",
        title=f"Kinds of noise, {np.degrees(study.settings['sigma']):.1f} deg, {rows[0].fps:g} fps",
    )
    figure.legend(loc="outside lower center", ncols=len(schemes) + 1, frameon=False, fontsize="small")
    return figure


def _bands(study: NoiseStudy) -> Any:
    bands = study.bands
    shown = [name for name in SHOWN if name in study.joints] or list(study.joints[:4])
    figure, axes = _figure(11, 2.2 * len(shown), 1, rows=len(shown), sharex=True, squeeze=False)
    blocks = DofBlocks.of(Topology.from_mjmodel(study.model))
    names = dof_names(study.model)
    for axis, name in zip(axes[:, 0], shown):
        dofs = [dof for dof in blocks.dofs[blocks.names.index(name)] if dof >= 0]
        dof = max(dofs, key=lambda dof: float((bands.true[:, dof] ** 2).sum()))
        half = NORMAL_95 * bands.sd[:, dof]
        tau = np.where(bands.valid, bands.tau[:, dof], np.nan)
        axis.fill_between(bands.time, tau - half, tau + half, color=PALETTE[0], alpha=0.25, linewidth=0)
        axis.plot(bands.time, tau, color=PALETTE[0], label="smoothed, with its 95 % band")
        axis.plot(bands.time, bands.true[:, dof], color="0.1", linewidth=1, label="true")
        axis.set_ylabel(f"{names[dof]}\n[N m]", fontsize="small")
        axis.margins(x=0)
    axes[-1, 0].set_xlabel("Time [s]")
    axes[0, 0].legend(frameon=False, fontsize="small", ncols=2, loc="upper right")
    figure.suptitle(
        f"One sample of {np.degrees(study.settings['sigma']):.1f} deg of noise at "
        f"{study.settings['rates'][0]:g} fps: {100 * bands.covered:.0f} % of all torques lie in their bands",
        fontsize="medium",
    )
    return figure


def _scheme_label(row: Row) -> str:
    names = {"central": "raw, central differences twice", "reml": "automatic smoother (reml)"}
    return names.get(row.scheme, f"Butterworth {row.cutoff:g} Hz" if row.cutoff else row.scheme)


def _plain_ticks(axis: Any, ticks: Any) -> None:
    from matplotlib.ticker import NullFormatter

    axis.set_xticks(ticks, [f"{tick:.2g}" if tick < 10 else f"{tick:.0f}" for tick in ticks])
    axis.xaxis.set_minor_formatter(NullFormatter())
