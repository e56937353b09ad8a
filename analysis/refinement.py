"""Refined motions: noisy poses moved to where they most likely were, so that their torques make sense.

The clean torque is never seen. What is known instead: how noisy the samples are and how smooth they move
(restricted maximum likelihood finds both), that noise is as likely one way as the other, and that torques
change no faster than bodies make them change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynamics import Trajectory, inverse_dynamics, so3, trajectory
from dynamics.smoothing import Noise
from dynamics.topology import Topology
from smpl2mjcf import (
    Body,
    Humanoid,
    Motion,
    betas_for_body,
    build_humanoid,
    motion_to_qpos,
    qpos_to_motion,
)
from smpl2mjcf.world_axes import to_z_up

from . import adam_refinement, map_refinement
from .errors import Error
from .torque_objective import Clip, rotation_columns

Array = NDArray[np.float64]
Settings = map_refinement.Settings | adam_refinement.Settings
Progress = Callable[[str], None]

METHODS = {"map": map_refinement, "adam": adam_refinement}
"""By name: the likeliest poses (default), and the published gradient descent."""


@dataclass(frozen=True, eq=False)
class Refined:
    """A refined motion and its torques, before and after.

    Attributes:
        method: "map" or "adam".
        settings: of the method.
        model: whose motion it is.
        motion: refined, in the joints, family, frame rate and gaps of the Motion that was given (z up); None
            where qpos was given.
        before: the recorded poses with the derivatives of the quintic spline through them.
        smoothed: the automatic smoother's poses and derivatives.
        trajectory: the refined poses with the derivatives of the quintic spline through them.
        tau_before, tau_smoothed, tau: (T, nv) N and N m, contact-free torques of the three.
        noise: what was taken for noise: told, or found and less what cannot be told from movement.
        steps: of the search.
    """

    method: str
    settings: Settings
    model: mujoco.MjModel
    motion: Motion | None
    before: Trajectory
    smoothed: Trajectory
    trajectory: Trajectory
    tau_before: Array
    tau_smoothed: Array
    tau: Array
    noise: Noise
    steps: int

    @property
    def qpos(self) -> Array:
        """(T, nq) the refined poses, frames that were not recorded included."""
        return np.asarray(self.trajectory.qpos)

    @property
    def pose_change_deg(self) -> Array:
        """(T,) mean angle between recorded and refined rotations."""
        at = rotation_columns(Topology.from_mjmodel(self.model))
        if not len(at):
            return np.zeros(len(self.qpos))
        apart = so3.log(so3.multiply(so3.conjugate(self.before.qpos[:, at]), self.qpos[:, at]))
        return np.degrees(np.linalg.norm(apart, axis=-1).mean(axis=1))


def refine(
    subject: Body | Humanoid | mujoco.MjModel,
    motion: Any,
    fps: float | None = None,
    method: str = "map",
    *,
    settings: Settings | None = None,
    sigma: float | None = None,
    rho: float | None = None,
    confidence: Any = None,
    progress: Progress = lambda message: None,
    **body_options: Any,
) -> Any:
    """A motion whose poses are moved so that its torques make sense, without knowing the true ones.

    "map" finds the likeliest poses: the distance from a smoother's of combinations of rotations that move
    together, measured by its own posterior, plus the torques' rates of change, measured by each torque's size
    at the time, is least.
    "adam" is the form of arXiv 2605.24776: mean squared torque plus lambda_r = 5 times the squared distance
    from the recorded poses, 200 steps of Adam. It starts from noise and ends nearer to it.

    Poses are differentiated by three-point stencils, and torques are contact-free: the ground's share is
    missing before and after. A constant offset of the poses looks like a posture, and stays.

    Args:
        subject: a Body (a humanoid is built for the motion's betas), a Humanoid, or any model.
        motion: a Motion, qpos (T, nq) with NaN rows where nothing was recorded, or a list of either; clips
            whose lengths are alike share one compiled program.
        fps: Hz, for qpos; a Motion has its own.
        method: "map" or "adam".
        settings: of the method, None for those that it was tuned to.
        sigma: rad, noise of the rotations where it is known; 0 leaves the poses as they are.
        rho: its correlation from frame to frame, where it is known.
        confidence: (T,) from 0 to 1, as many estimators give with their poses: the noise variance of a frame
            is 1 / confidence times sigma squared; 0 is a frame that was not recorded. For a list of motions a
            list of them, None for a motion without.
        progress: is told what is being done.
        body_options: of `build_humanoid`, for a Body.

    Returns:
        Refined, or a list of them for a list.

    Raises:
        Error: for an unknown method or settings of another one, a subject and a motion that do not fit, a
            model without joints inside, fewer than 12 recorded frames, confidences for other motions than
            there are.
        dynamics.Error: for qpos, fps, sigma, rho or confidence that cannot be, and clips without one valid
            frame.
        smpl2mjcf.Error: for a body and a motion that do not fit.
    """
    if method not in METHODS:
        raise Error(f"method is {method!r}; available: {', '.join(METHODS)}")
    chosen = METHODS[method].Settings() if settings is None else settings
    if not isinstance(chosen, METHODS[method].Settings):
        raise Error(
            f"settings are of {type(settings).__module__}; method {method!r} takes "
            f"{METHODS[method].__name__}.Settings"
        )
    batch = isinstance(motion, list | tuple) or (isinstance(motion, np.ndarray) and motion.ndim == 3)
    if batch and not len(motion):
        raise Error("the list of motions is empty")
    if batch and confidence is not None:
        told_for = len(confidence) if hasattr(confidence, "__len__") else 0
        if told_for != len(motion):
            raise Error(
                f"confidence has {told_for} entries for {len(motion)} motions; accepted: one for each"
            )
    found = []
    for number, given in enumerate(motion if batch else [motion]):
        told = _prefixed(progress, f"clip {number + 1} of {len(motion)}: " if batch else "")
        trusted = confidence[number] if batch and confidence is not None else confidence
        noise = (sigma, rho, trusted)
        found.append(_refine(subject, given, fps, method, chosen, noise, told, body_options))
    return found if batch else found[0]


def _refine(
    subject: Body | Humanoid | mujoco.MjModel,
    given: Any,
    fps: float | None,
    method: str,
    settings: Settings,
    noise: tuple[float | None, float | None, Any],
    progress: Progress,
    body_options: dict[str, Any],
) -> Refined:
    subject, qpos, rate = _recording(subject, given, fps, body_options)
    model = subject.model if isinstance(subject, Humanoid) else subject
    if model.nv == 6 * int((model.jnt_type == mujoco.mjtJoint.mjJNT_FREE).sum()):
        raise Error("the model has no joint beside a free one: there is no torque inside it to refine")
    progress(f"smoothing at {rate:g} Hz")
    clip = Clip.of(model, qpos, rate, *noise)
    before = trajectory(model, qpos, rate, None)
    progress("searching (the first clip of a length compiles for some seconds)")
    poses, steps = METHODS[method].refined(clip, settings, progress)
    after = trajectory(model, poses, rate, None)
    after = replace(after, valid=after.valid & clip.smoothed.valid)
    tau_before, tau_smoothed, tau = (
        np.asarray(inverse_dynamics(model, path).tau) for path in (before, clip.smoothed, after)
    )
    if not np.isfinite(tau).all():
        raise Error("the search ended in torques that are not finite; please report the motion")
    motion = _as_given(given, subject, poses) if isinstance(given, Motion) else None
    return Refined(
        method,
        settings,
        model,
        motion,
        before,
        clip.smoothed,
        after,
        tau_before,
        tau_smoothed,
        tau,
        clip.noise,
        steps,
    )


def _recording(
    subject: Body | Humanoid | mujoco.MjModel, given: Any, fps: float | None, body_options: dict[str, Any]
) -> tuple[Humanoid | mujoco.MjModel, ArrayLike, float]:
    """Who moves, the positions (T, nq) and the frame rate."""
    if body_options and not isinstance(subject, Body):
        raise Error(f"{', '.join(body_options)}: only for a Body, of which a humanoid is built here")
    if not isinstance(given, Motion):
        if isinstance(subject, Body):
            raise Error("qpos belongs to a model: give the Humanoid or the MjModel instead of a Body")
        if fps is None:
            raise Error("fps is missing; qpos has no frame rate of its own")
        return subject, given, fps
    if fps is not None and fps != given.fps:
        raise Error(f"fps is {fps}, the motion's own is {given.fps}; leave fps out")
    if isinstance(subject, Body):
        subject = build_humanoid(subject, **{"betas": betas_for_body(given, subject)} | body_options)
    if not isinstance(subject, Humanoid):
        raise Error("a Motion needs a Body or a Humanoid; for an MjModel give qpos and fps")
    return subject, motion_to_qpos(subject, given), given.fps


def _as_given(given: Motion, humanoid: Any, qpos: Array) -> Motion:
    """The motion with refined joints; those that the humanoid lacks, and what was not recorded, stay."""
    upright = to_z_up(given, humanoid.joint_positions[0])
    moved = qpos_to_motion(humanoid, qpos, given.fps)
    poses = upright.poses.copy()
    for name in set(humanoid.joint_names) & set(given.joint_names):
        poses[:, given.joint_names.index(name)] = moved.poses[:, moved.joint_names.index(name)]
    trans = np.where(given.recorded[:, None], moved.trans, np.nan)
    return replace(upright, poses=poses, trans=trans, source=f"{given.source} (refined)".strip())


def _prefixed(progress: Progress, where: str) -> Progress:
    return lambda message: progress(where + message)
