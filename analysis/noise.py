"""The study of noise: how errors of poses become errors of torques, and what differentiation and filters do.

Every figure of the law (analysis/amplification.py) stands beside one by sampling: noisy rotations, smoothed
and differentiated by the scheme itself, through inverse dynamics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from dynamics import Tree, inverse_dynamics, rnea
from dynamics.precision import double_precision

from .clean_motion import CleanMotion
from .errors import Error
from .noise_bands import Bands, example_bands
from .noise_rows import Row
from .noise_tables import WITH_ROOT, Tables, rms_of

RATES = (30.0, 60.0, 120.0)
LEAST_RATE = 15.0
"""Hz, with room above the 6 Hz filter."""
SIGMAS = (0.01, 0.03, 0.05, 0.08, 0.1)
"""rad; .03-.08 is the band of video pose estimation."""
SIGMA = 0.05
DRAWS = 40
NORM = "mean length of a joint's torque error vector, over the joints without the root and over frames"


@dataclass(frozen=True, eq=False)
class NoiseStudy:
    """The study of one motion.

    Attributes:
        rows: all numbers.
        joints: names of the joints, without the root.
        settings: what was asked for.
        signal_rms: N m, RMS length of the true torques: the error of predicting none.
        signal_mean: N m, their mean length.
        static_rms: N m, error of the gravity torques of the true poses.
        bands: one noisy sample at the first rate, smoothed, with its error bars.
        model: whose torques they are.
    """

    rows: tuple[Row, ...]
    joints: tuple[str, ...]
    settings: dict[str, Any]
    signal_rms: float
    signal_mean: float
    static_rms: float
    bands: Bands
    model: mujoco.MjModel

    def table(self, name: str, **where: Any) -> list[Row]:
        """The rows of a table whose columns have these values."""
        return [
            row
            for row in self.rows
            if row.table == name and all(getattr(row, key) == value for key, value in where.items())
        ]

    @property
    def slope(self) -> float:
        """N m/rad at the first rate, central differences applied twice: the paper's figure is about 1,000."""
        return self._slope(None)

    @property
    def slope_with_root(self) -> float:
        """The same with the root counted as a joint; as `slope` where there is no free root."""
        rooted = self.table("rates", joint=WITH_ROOT)
        return self._slope(WITH_ROOT if rooted else None)

    def _slope(self, joint: str | None) -> float:
        fps = self.settings["rates"][0]
        return self.table("rates", fps=fps, scheme="central", joint=joint)[0].amplification


def noise_study(
    clean: CleanMotion,
    rates: Sequence[float] = RATES,
    sigma: float = SIGMA,
    sigmas: Sequence[float] = SIGMAS,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Callable[[str], None] = lambda message: None,
) -> NoiseStudy:
    """Torque error over noise, frame rate, stencil, joint, filter and kind of noise, for one motion.

    Args:
        clean: the motion that is taken for true.
        rates: Hz; the first is where joints and kinds of noise are compared.
        sigma: rad, noise where it is not varied.
        sigmas: rad, where it is.
        draws: samples of the noise for each figure that sampling checks.
        seed: of the samples.
        progress: is told what is being done.

    Raises:
        Error: for rates, noise levels or draws that cannot be.
        dynamics.Error: for rates so low that no scheme can differentiate the motion.
    """
    _check(rates, sigmas, sigma, draws)
    study = Tables(clean, float(sigma), draws, np.random.default_rng(seed))
    rows: list[Row] = []
    steps: list[tuple[str, Callable[[], Iterator[Row]]]] = [
        (
            f"error over sigma at {', '.join(f'{fps:g}' for fps in rates)} Hz",
            lambda: study.growth(rates, sigmas),
        ),
        ("error over the frame rate, three stencils", lambda: study.by_rate(rates)),
        ("which joints, and whose noise", lambda: study.by_joint(rates[0])),
        ("filter cutoffs", lambda: study.by_cutoff(rates)),
        ("kinds of noise", lambda: study.by_kind(rates[0])),
    ]
    for count, (name, step) in enumerate(steps, start=1):
        progress(f"{count} of {len(steps)}: {name}")
        rows += step()
    truth = clean.at(rates[0])
    true_tau = inverse_dynamics(clean.model, truth).tau
    with double_precision():
        still = np.zeros_like(true_tau)
        static = np.asarray(rnea(Tree.from_mjmodel(clean.model), truth.qpos, still, still))
    settings = {
        "rates": [float(fps) for fps in rates],
        "sigma": float(sigma),
        "sigmas": [float(level) for level in sigmas],
        "draws": draws,
        "seed": seed,
        "clean_cutoff_hz": clean.cutoff,
        "seconds": clean.span[1] - clean.span[0],
        "norm": NORM,
    }
    lengths = study.lengths(true_tau)
    return NoiseStudy(
        tuple(rows),
        study.names,
        settings,
        rms_of(lengths),
        float(lengths.mean()),
        rms_of(study.lengths(static - true_tau)),
        example_bands(clean, rates[0], study.noise(), np.random.default_rng(seed)),
        clean.model,
    )


def _check(rates: Sequence[float], sigmas: Sequence[float], sigma: float, draws: int) -> None:
    for name, values in (("rates", rates), ("sigmas", sigmas), ("sigma", [sigma])):
        if not len(values):
            raise Error(f"no {name} were given; accepted: one number or more")
        for value in values:
            if not (isinstance(value, int | float | np.number) and np.isfinite(value) and value > 0):
                raise Error(f"{name} holds {value!r}; accepted: finite numbers above 0")
    if min(rates) < LEAST_RATE:
        raise Error(
            f"rates holds {min(rates):g} Hz; the filters that are compared need {LEAST_RATE:g} Hz or more"
        )
    if not (isinstance(draws, int) and draws >= 2):
        raise Error(f"draws is {draws!r}; accepted: 2 samples or more")
