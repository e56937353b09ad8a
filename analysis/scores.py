"""Honest scores of a torque estimate: beside the trivial baselines, by a scheme that the method does not use.

A reduction in per cent means nothing alone: at 60 frames a second predicting no torque at all "removes" 94 %
of the error. And a method that optimises through a finite-difference stencil can hide noise where the stencil
is blind: central differences applied twice do not see the mode that alternates from frame to frame. So the
poses that a method returns are differentiated again, by a scheme of our choosing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from dynamics import Trajectory, Tree, inverse_dynamics, rnea, so3
from dynamics.precision import double_precision
from dynamics.smoothing import smooth
from dynamics.smoothing.chart import quaternion_addresses

from .dof_blocks import DofBlocks
from .errors import Error

Array = NDArray[np.float64]

SCHEMES = ("spline", "three-point", "central")
"""Differentiation without smoothing; the first sees every frequency, the last is blind to the fastest."""

RAW_SCHEME = "central"
"""What raw noisy poses are differentiated by: the gentlest scheme, so that reductions are modest."""


@dataclass(frozen=True)
class TorqueError:
    """How far torques are from the true ones, over the joints without the root.

    Attributes:
        mean: N m, mean over joints and frames of the length of the error vector.
        rms: N m, root mean square of that length.
        share: mean over joints of the error's RMS over the true torque's RMS.
        by_joint: N m, mean length by joint.
    """

    mean: float
    rms: float
    share: float
    by_joint: dict[str, float]


@dataclass(frozen=True)
class Score:
    """A torque estimate beside what costs nothing.

    Attributes:
        estimate: error of the method's poses, differentiated by `scheme`.
        own: error of the torques from the method's own velocities and accelerations; None where it gave none.
        zero: error of predicting no torque.
        static: error of the gravity torques of the estimated poses.
        raw: error of the noisy poses by central differences, without any smoothing; None where not given.
        pose_error_deg: mean angle between estimated and true rotations, all joints and the root.
        raw_pose_error_deg: of the noisy poses.
        true_mean: N m, mean length of the true torque vectors.
        scheme: what differentiated the method's poses.
        frames: how many frames count.
    """

    estimate: TorqueError
    own: TorqueError | None
    zero: TorqueError
    static: TorqueError
    raw: TorqueError | None
    pose_error_deg: float
    raw_pose_error_deg: float | None
    true_mean: float
    scheme: str
    frames: int

    @property
    def beats_trivial(self) -> bool:
        """Whether the estimate is better than no torque and than the static torque."""
        return self.estimate.mean < min(self.zero.mean, self.static.mean)

    @property
    def hides_noise(self) -> bool:
        """Whether the method's poses give far worse torques (twice the error) than the method reports."""
        return self.own is not None and self.estimate.mean > _HIDDEN * self.own.mean

    def reduction(self, error: TorqueError) -> float:
        """Share of the raw error that is gone, below 0 where an error is larger; NaN without noisy poses."""
        if self.raw is None or self.raw.mean == 0:
            return float("nan")
        return 1 - error.mean / self.raw.mean

    def __str__(self) -> str:
        rows = [("method, poses by " + self.scheme, self.estimate)]
        rows += [("method, its own derivatives", self.own)] if self.own else []
        rows += [("zero torque", self.zero), ("static torque", self.static)]
        rows += [("raw poses by " + RAW_SCHEME, self.raw)] if self.raw else []
        lines = [f"{'':30}{'N m':>8}{'of RMS':>8}{'reduction':>11}"]
        for name, error in rows:
            removed = self.reduction(error)
            share = "-" if np.isnan(removed) else f"{100 * removed:.0f} %"
            lines.append(f"{name:30}{error.mean:8.2f}{error.share:8.2f}{share:>11}")
        pose = f"pose error {self.pose_error_deg:.2f} deg"
        if self.raw_pose_error_deg is not None:
            pose += f", before {self.raw_pose_error_deg:.2f} deg"
        lines.append(f"{pose}; true torque {self.true_mean:.2f} N m; {self.frames} frames")
        if self.hides_noise:
            lines.append(
                f"WARNING: the method's own scheme sees less than half of the error that {self.scheme} sees: "
                "noise is hidden where it does not look"
            )
        return "\n".join(lines)


_HIDDEN = 2.0


def score(
    model: mujoco.MjModel,
    truth: Trajectory,
    estimate: Any,
    fps: float,
    noisy: Any = None,
    scheme: str = SCHEMES[0],
    loss_scheme: str | None = None,
) -> Score:
    """A method's estimate of a motion scored against the true one.

    Args:
        model: the bodies.
        truth: T frames of the clean motion with its exact derivatives (`CleanMotion.at`).
        estimate: the method's poses, qpos (T, nq), or its Trajectory, whose valid frames count.
        fps: Hz.
        noisy: (T, nq) the poses before the method, for what it removed.
        scheme: what differentiates the method's poses: "spline", "three-point" or "central".
        loss_scheme: what the method's loss differentiates by, if it has one; it may not be `scheme`.

    Raises:
        Error: for an unknown scheme, or one that the method optimises itself; for frames that do not match or
            estimates that are not finite.
        dynamics.Error: as `dynamics.smoothing.smooth`.
    """
    if scheme not in SCHEMES:
        raise Error(f"scheme is {scheme!r}; available: {', '.join(SCHEMES)}")
    if scheme == loss_scheme:
        raise Error(
            f"the method's loss differentiates by {scheme!r}; a score by the same scheme cannot see the "
            f"noise that it hides. Accepted: {', '.join(name for name in SCHEMES if name != loss_scheme)}"
        )
    path = estimate if isinstance(estimate, Trajectory) else None
    qpos = np.asarray(estimate.qpos if path is not None else estimate, dtype=np.float64)
    if qpos.shape != truth.qpos.shape:
        raise Error(f"the estimate has shape {qpos.shape}; the true motion has {truth.qpos.shape}")
    if not np.isfinite(qpos).all():
        raise Error("the estimate holds NaN or infinity")
    derived = smooth(model, qpos, fps, scheme).trajectory
    counted = truth.valid & derived.valid & (path.valid if path is not None else True)
    raw = None if noisy is None else smooth(model, noisy, fps, RAW_SCHEME).trajectory
    if raw is not None:
        counted = counted & raw.valid
    if not counted.any():
        raise Error("no frame of the estimate is valid")
    tree = Tree.from_mjmodel(model)
    true_tau = _torques(model, truth)

    def error(tau: Array) -> TorqueError:
        return torque_error(model, tau[counted], true_tau[counted])

    with double_precision():
        still = np.zeros_like(true_tau)
        static = np.asarray(rnea(tree, qpos, still, still))
    return Score(
        estimate=error(_torques(model, derived)),
        own=None if path is None else error(_torques(model, path)),
        zero=error(still),
        static=error(static),
        raw=None if raw is None else error(_torques(model, raw)),
        pose_error_deg=pose_error_deg(model, qpos[counted], truth.qpos[counted]),
        raw_pose_error_deg=None
        if noisy is None
        else pose_error_deg(model, np.asarray(noisy)[counted], truth.qpos[counted]),
        true_mean=error(still).mean,
        scheme=scheme,
        frames=int(counted.sum()),
    )


def torque_error(model: mujoco.MjModel, tau: Array, true_tau: Array) -> TorqueError:
    """Error of torques (T, nv) over the joints that turn, without a free root. Raises Error for NaN."""
    if not np.isfinite(tau).all():
        raise Error("the torques hold NaN or infinity")
    topology = Tree.from_mjmodel(model).topology
    blocks = DofBlocks.of(topology)
    joints = inner_joints(model)
    lengths = np.linalg.norm(blocks.grouped(tau - true_tau), axis=-1)[:, joints]
    signal = np.sqrt((blocks.grouped(true_tau) ** 2).sum(-1).mean(0))[joints]
    rms = np.sqrt((lengths**2).mean(0))
    moving = signal > 0
    return TorqueError(
        mean=float(lengths.mean()),
        rms=float(np.sqrt((lengths**2).mean())),
        share=float((rms[moving] / signal[moving]).mean()) if moving.any() else float("nan"),
        by_joint=dict(zip((blocks.names[k] for k in joints), lengths.mean(0).tolist())),
    )


def inner_joints(model: mujoco.MjModel) -> NDArray[np.int64]:
    """Blocks of angles that a muscle crosses: all but the free root's."""
    topology = Tree.from_mjmodel(model).topology
    blocks = DofBlocks.of(topology)
    roots = topology.dof_addresses[topology.joints.frees] + 3
    return np.flatnonzero(blocks.is_angle & ~np.isin(blocks.dofs[:, 0], roots))


def pose_error_deg(model: mujoco.MjModel, qpos: Array, true_qpos: Array) -> float:
    """Mean angle between the rotations of two motions (T, nq), in degrees; 0 for a model without any."""
    topology = Tree.from_mjmodel(model).topology
    at = quaternion_addresses(topology)[:, None] + np.arange(4)
    if not len(at):
        return 0.0
    apart = so3.log(so3.multiply(so3.conjugate(true_qpos[:, at]), so3.normalize(qpos[:, at])))
    return float(np.degrees(np.linalg.norm(apart, axis=-1).mean()))


def _torques(model: mujoco.MjModel, path: Trajectory) -> Array:
    return inverse_dynamics(model, path).tau
