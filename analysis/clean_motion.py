"""A motion as a smooth curve in time: its pose, torque and every derivative are known at any frame rate."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import BSpline, make_interp_spline

from dynamics import Trajectory, Tree, inverse_dynamics, trajectory
from dynamics.samples import SPLINE_DEGREE, body_rates
from dynamics.smoothing.chart import plain, quaternion_addresses, turning

from .errors import Error

Array = NDArray[np.float64]

LEAST_SECONDS = 1.0
"""s, the shortest motion that a study of noise takes: some 30 frames at 30 frames a second."""


@dataclass(frozen=True, eq=False)
class CleanMotion:
    """What a study of noise calls true: the quintic spline through a recording's low-passed frames.

    Attributes:
        model: whose motion it is.
        curve: qpos (nq,) by time, s; quaternions of length 1 at the recorded frames and nearly so between.
        span: s, first and last time of the curve that is not extrapolated.
        cutoff: Hz, of the zero-lag low-pass that made it clean; None for none.
        fps: Hz, of the recording.
    """

    model: mujoco.MjModel
    curve: BSpline
    span: tuple[float, float]
    cutoff: float | None
    fps: float

    @classmethod
    def of(
        cls,
        model: mujoco.MjModel,
        qpos: ArrayLike,
        fps: float,
        cutoff: float | None = 6.0,
        seconds: float | None = None,
    ) -> CleanMotion:
        """From recorded samples (T, nq).

        seconds: the longest part to keep, from the start of the longest unbroken run of valid frames.

        Raises:
            Error: where less than a second is valid.
            dynamics.Error: as `dynamics.trajectory`.
        """
        path = trajectory(model, qpos, fps, cutoff)
        first, last = _longest_run(path.valid)
        if seconds is not None:
            last = min(last, first + int(seconds * fps + 1e-6))
        if (last - first) / fps < LEAST_SECONDS - 1e-6:
            raise Error(
                f"{(last - first) / fps:.2f} s of the motion are unbroken and far enough from its ends; a "
                f"study of noise needs {LEAST_SECONDS:g} s"
            )
        curve = make_interp_spline(path.time, path.qpos, k=SPLINE_DEGREE)
        return cls(model, curve, (float(path.time[first]), float(path.time[last])), cutoff, float(fps))

    def at(self, fps: float) -> Trajectory:
        """The true motion at a frame rate, Hz; every frame is valid.

        Raises:
            Error: for a rate that is no positive number or gives fewer than 12 frames.
        """
        if not (isinstance(fps, int | float | np.number) and np.isfinite(fps) and fps > 0):
            raise Error(f"fps is {fps!r}; accepted: a finite number of frames a second above 0")
        start, end = self.span
        count = int((end - start) * fps + 1e-6) + 1
        if count < _FEWEST_FRAMES:
            raise Error(
                f"{end - start:.2f} s at {fps:g} frames a second are {count} frames; a study of noise needs "
                f"{_FEWEST_FRAMES}"
            )
        time = np.arange(count) / fps
        samples, rates, seconds = (self.curve(start + time, order) for order in range(3))
        tree = Tree.from_mjmodel(self.model)
        qpos, qvel, qacc = samples.copy(), np.empty((count, self.model.nv)), np.empty((count, self.model.nv))
        position, dof = plain(tree.topology)
        qvel[:, dof], qacc[:, dof] = rates[:, position], seconds[:, position]
        for address, dofs in zip(quaternion_addresses(tree.topology), turning(tree.topology)):
            columns = slice(address, address + 4)
            # Between the recorded frames the quaternion's length strays a little from 1; what divides it out
            # divides its derivatives.
            length = np.linalg.norm(samples[:, columns], axis=1, keepdims=True)
            qpos[:, columns] /= length
            qvel[:, dofs], qacc[:, dofs] = body_rates(
                qpos[:, columns], rates[:, columns] / length, seconds[:, columns] / length
            )
        return Trajectory(time, qpos, qvel, qacc, np.ones(count, bool))

    def torques(self, fps: float) -> Array:
        """(T, nv) true torques at a frame rate, N m, without ground forces."""
        return inverse_dynamics(self.model, self.at(fps)).tau


_FEWEST_FRAMES = 12


def _longest_run(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """First and last index of the longest run of True; there is one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    starts, ends = edges[::2], edges[1::2] - 1
    longest = int(np.argmax(ends - starts))
    return int(starts[longest]), int(ends[longest])
