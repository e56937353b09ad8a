"""One noisy sample of a motion, smoothed, with the error bars that it gets: what the bands look like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dynamics import Tree, inverse_dynamics
from dynamics.smoothing import smooth

from .clean_motion import CleanMotion
from .pose_noise import PoseNoise, perturbed
from .uncertainty import torque_uncertainty

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bands:
    """Torques of one noisy sample by the automatic smoother, beside the true ones.

    Attributes:
        time: (T,) s.
        true, tau, sd: (T, nv) N m: true torques, estimate, and its standard deviation.
        valid: (T,) bool.
        covered: share of the true torques, without the root's, in the 95 % bands of valid frames.
    """

    time: Array
    true: Array
    tau: Array
    sd: Array
    valid: NDArray[np.bool_]
    covered: float


def example_bands(clean: CleanMotion, fps: float, noise: PoseNoise, rng: np.random.Generator) -> Bands:
    """Bands of one sample of the noise at a frame rate, Hz."""
    truth = clean.at(fps)
    topology = Tree.from_mjmodel(clean.model).topology
    samples = perturbed(topology, truth.qpos, noise.draw(rng, len(truth.qpos)))
    found = torque_uncertainty(clean.model, samples, fps, smooth(clean.model, samples, fps))
    true = inverse_dynamics(clean.model, truth).tau
    lower, upper = found.band
    roots = topology.dof_addresses[topology.joints.frees]
    inner = np.setdiff1d(np.arange(topology.nv), (roots[:, None] + np.arange(6)).ravel())
    inside = ((true >= lower) & (true <= upper))[np.ix_(found.valid, inner)]
    covered = float(inside.mean()) if inside.size else float("nan")
    return Bands(np.asarray(truth.time), true, found.tau, found.sd, found.valid, covered)
