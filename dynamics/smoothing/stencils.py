"""Finite differences of rotations as they are, without a chart: what most people do first."""

from __future__ import annotations

import numpy as np

from .. import so3
from ..errors import TrajectoryError
from ..topology import Topology
from .chart import plain, quaternion_addresses, rotations, turning
from .kernels import Operator

# Frames at either end whose acceleration would need samples beyond it.
REACH = {"central": 2, "three-point": 1}
_FEWEST = 6


def central(fps: float) -> Operator:
    """Central differences, and central differences of those: (x_{t+2} - 2 x_t + x_{t-2}) fps^2 / 4."""

    def operator(samples: np.ndarray) -> np.ndarray:
        x = _numbers_reflected(samples, REACH["central"])
        rate = (x[2:] - x[:-2]) * (fps / 2)
        return np.stack([samples, rate[1:-1], (rate[2:] - rate[:-2]) * (fps / 2)])

    return operator


def three_point(fps: float) -> Operator:
    """The compact stencil (x_{t+1} - 2 x_t + x_{t-1}) fps^2; central differences for the velocity."""

    def operator(samples: np.ndarray) -> np.ndarray:
        rate = np.diff(_numbers_reflected(samples, REACH["three-point"]), axis=0) * fps
        return np.stack([samples, (rate[1:] + rate[:-1]) / 2, (rate[1:] - rate[:-1]) * fps])

    return operator


def differences(topology: Topology, samples: np.ndarray, fps: float, method: str) -> tuple[np.ndarray, ...]:
    """qvel and qacc (T, nv) of samples (T, nq) by "central" differences or the "three-point" stencil.

    A rotation's difference over a lag is `Log(q_t^-1 q_{t+lag})`, which is the same in the axes of both
    frames; angular velocities are then subtracted component by component.
    """
    if len(samples) < _FEWEST:
        raise TrajectoryError(f"the clip has {len(samples)} frames; finite differences need {_FEWEST}")
    reach = REACH[method]
    qvel = np.empty((len(samples), topology.nv))
    qacc = np.empty_like(qvel)
    position, dof = plain(topology)
    operator = central(fps) if method == "central" else three_point(fps)
    _, qvel[:, dof], qacc[:, dof] = operator(samples[:, position])
    if len(quaternion_addresses(topology)):
        q = _rotations_reflected(rotations(topology, samples), reach)
        lag = reach  # 2 for central differences, 1 for half steps
        rate = so3.log(so3.multiply(so3.conjugate(q[:-lag]), q[lag:])) * (fps / lag)
        at = turning(topology)
        if method == "central":
            qvel[:, at], qacc[:, at] = rate[1:-1], (rate[2:] - rate[:-2]) * (fps / 2)
        else:
            qvel[:, at], qacc[:, at] = (rate[1:] + rate[:-1]) / 2, (rate[1:] - rate[:-1]) * fps
    return qvel, qacc


def _numbers_reflected(samples: np.ndarray, count: int) -> np.ndarray:
    """Samples (T, ...) continued by `count` at both ends, by point reflection: 2 x_0 - x_k."""
    before, after = samples[count:0:-1], samples[-2 : -count - 2 : -1]
    return np.concatenate([2 * samples[:1] - before, samples, 2 * samples[-1:] - after])


def _rotations_reflected(q: np.ndarray, count: int) -> np.ndarray:
    """Quaternions (T, R, 4) continued at both ends by its counterpart for rotations: q_0 q_k^-1 q_0."""
    before, after = so3.conjugate(q[count:0:-1]), so3.conjugate(q[-2 : -count - 2 : -1])
    first, last = q[:1], q[-1:]
    return np.concatenate(
        [
            so3.multiply(so3.multiply(first, before), first),
            q,
            so3.multiply(so3.multiply(last, after), last),
        ]
    )
