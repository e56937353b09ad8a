"""One call that smooths and differentiates a recorded motion, by the method that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mujoco
import numpy as np

from ..errors import StateError, TrajectoryError
from ..samples import checked, continuous
from ..states import as_float64
from ..topology import Topology
from . import methods, stencils
from .methods import Noise, Recording, Smoothed

__all__ = ["METHODS", "Noise", "Smoothed", "smooth"]


def smooth(
    model: mujoco.MjModel,
    qpos: Any,
    fps: float,
    method: str = "reml",
    confidence: Any = None,
    **options: Any,
) -> Smoothed:
    """A recorded motion smoothed and differentiated on the rotation manifold.

    | method | what it does | options |
    |---|---|---|
    | "reml" | finds noise and bandwidths by itself; correlated noise too | sigma, rho, corner |
    | "gcv" | smoothing splines by generalized cross-validation; white noise only | |
    | "butterworth" | zero-lag low-pass (`dynamics.trajectory`) | cutoff: Hz, 6 |
    | "winter" | the same, its cutoff chosen by residual analysis; white noise only | |
    | "savitzky-golay" | polynomials in a moving window | window: s, 1; degree: 5 |
    | "spline" | no smoothing: the quintic spline through the samples | |
    | "central" | no smoothing: central differences, twice | |
    | "three-point" | no smoothing: the compact three-point stencil | |

    Options of "reml": sigma (rad) and rho of the rotations' noise, where they are known; corner (Hz, 3; None
    for an order-3 prior) of the accelerations' spectrum (`reml.prior`).

    "reml" passes translations at no wider a band than the wide ones among the rotations, though they were
    free of noise: a torque is a difference of accelerations, which a common band keeps consistent.

    "reml" and "gcv" skip frames that were not recorded and weigh the others by their confidence;
    "butterworth", "winter" and "spline" bridge gaps first (see `trajectory`); the others take no gaps.

    Args:
        model: what the motion belongs to; it is only read.
        qpos: (T, nq) m, rad and quaternions wxyz; rows of NaN were not recorded.
        fps: frames a second, Hz.
        method: a name of the table.
        confidence: (T,) from 0 to 1: the noise variance of a frame is 1 / confidence times sigma squared;
            0 is a frame that was not recorded.
        **options: of the method, as in the table.

    Raises:
        ModelError: as `Tree.from_mjmodel`.
        StateError: for qpos as `trajectory`; for a confidence of a wrong shape or out of range.
        TrajectoryError: for an unknown method or option, a value out of range, gaps or confidences that the
            method does not take, and clips too short for it.
    """
    if method not in _METHODS:
        raise TrajectoryError(f"method is {method!r}; available: {', '.join(METHODS)}")
    smoother, accepted, takes = _METHODS[method]
    unknown = sorted(set(options) - set(accepted))
    if unknown:
        known = ", ".join(accepted) or "none"
        raise TrajectoryError(f"method '{method}' has no option '{unknown[0]}'; accepted: {known}")
    topology = Topology.from_mjmodel(model)
    samples, missing = checked(topology, qpos, fps)
    scale = _scale(missing, confidence)
    if (scale == 0).any() and "gaps" not in takes:
        count = int((scale == 0).sum())
        raise TrajectoryError(
            f"method '{method}' takes no gaps, and {count} of {len(scale)} frames were not recorded; "
            f"those that do: {_taking('gaps')}"
        )
    if confidence is not None and "confidence" not in takes:
        able = _taking("confidence")
        raise TrajectoryError(f"method '{method}' takes no confidence; those that do: {able}")
    made = continuous(topology, samples, scale == 0)
    return smoother(Recording(model, topology, samples, made, scale, float(fps)), **options)


def _scale(missing: np.ndarray, confidence: Any) -> np.ndarray:
    """(T,) relative noise of the frames, 0 where there is none."""
    if confidence is None:
        return np.where(missing, 0.0, 1.0)
    weights = as_float64("confidence", confidence)
    if weights.shape != missing.shape:
        raise StateError(f"confidence has shape {weights.shape}; this motion needs ({len(missing)},)")
    wrong = ~((weights >= 0) & (weights <= 1))
    if wrong.any():
        frame = int(np.argmax(wrong))
        raise StateError(f"confidence is {weights[frame]} at frame {frame}; accepted: from 0 to 1")
    lost = missing | (weights == 0)
    if lost.all():
        raise StateError(f"none of the {len(lost)} frames was recorded with a confidence above 0")
    return np.where(lost, 0.0, 1 / np.sqrt(np.where(lost, 1.0, weights)))


def _taking(what: str) -> str:
    """Names of the methods that take gaps, or confidences."""
    return ", ".join(name for name, (_, _, takes) in _METHODS.items() if what in takes)


_METHODS: dict[str, tuple[Callable[..., Smoothed], tuple[str, ...], tuple[str, ...]]] = {
    # name: the smoother, its options, and what it takes beyond whole recordings
    "reml": (methods.by_reml, ("sigma", "rho", "corner"), ("gaps", "confidence")),
    "gcv": (methods.by_gcv, (), ("gaps", "confidence")),
    "butterworth": (methods.by_butterworth, ("cutoff",), ("gaps",)),
    "winter": (methods.by_winter, (), ("gaps",)),
    "savitzky-golay": (methods.by_savitzky_golay, ("window", "degree"), ()),
    "spline": (methods.by_spline, (), ("gaps",)),
    "central": (methods.by_differences("central", stencils.central), (), ()),
    "three-point": (methods.by_differences("three-point", stencils.three_point), (), ()),
}
METHODS = tuple(_METHODS)
