"""The files of a noise study: noise.csv and the figures."""

from __future__ import annotations

import csv
from dataclasses import astuple, fields
from pathlib import Path

from .noise import NoiseStudy
from .noise_plot import FIGURES, FORMATS, plot_noise
from .noise_rows import Row

FILES = ("noise.csv", "trust.txt", *(f"{name}.{form}" for name in FIGURES for form in FORMATS))

TABLES = {
    "growth": "error over sigma, central differences twice; law and samples",
    "rates": "error over the frame rate, three stencils",
    "joints": "error at each joint, every joint noisy",
    "sources": "error at each joint, one joint (source) noisy",
    "cutoffs": "noise and distortion over the cutoff of a zero-lag Butterworth low-pass",
    "kinds": "kinds of noise, raw and smoothed",
}


def save_noise_study(study: NoiseStudy, folder: Path) -> None:
    """Write noise.csv and the figures, PNG and SVG, into an existing folder."""
    _save_csv(study, folder / "noise.csv")
    plot_noise(study, folder)


def _save_csv(study: NoiseStudy, path: Path) -> None:
    settings = study.settings
    clean = settings["clean_cutoff_hz"]
    header = [
        "torque errors that noise of poses makes; units: Hz, rad, N m",
        f"law_*, sampled_*, distortion_*, total_*: {settings['norm']}",
        "(_mean) or the root mean square of that length (_rms); without a joint: over all joints",
        "law_* and sampled_*: what noise adds; total_*: the error against the true torques",
        f"true motion: {settings['seconds']:.2f} s, "
        f"{'no filter' if clean is None else f'low-pass {clean:g} Hz'}; "
        f"samples: {settings['draws']} of seed {settings['seed']}",
        f"true torques: RMS {study.signal_rms:.4g}, mean {study.signal_mean:.4g}; "
        f"predicting the static torque errs by {study.static_rms:.4g} RMS",
        *(f"table {name}: {meaning}" for name, meaning in TABLES.items()),
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"# {line}\n" for line in header)
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in fields(Row))
        for row in study.rows:
            writer.writerow(f"{v:.7g}" if isinstance(v, float) else v for v in astuple(row))
