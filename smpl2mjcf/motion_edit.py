"""Motions resampled, trimmed, mirrored and joined, on the manifold of rotations; gaps stay gaps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import make_interp_spline
from scipy.spatial.transform import Rotation, RotationSpline, Slerp

from .errors import MotionError
from .motion import Motion, as_numbers, require_fps
from .skeleton import mirror_name
from .world_axes import turned

Array = NDArray[np.float64]

SAME_TIME = 1e-6
"""Of a frame's duration: a new frame this near to a recorded one is that one."""

_MIRROR = np.array([-1.0, 1.0, 1.0])  # of points, in the body's sagittal plane and in the world's x = 0


def resample(motion: Motion, fps: float) -> Motion:
    """The motion at another frame rate, from its first frame on, interpolated by cubic splines.

    Rotations follow scipy's RotationSpline (continuous angular acceleration), trans a cubic spline. Frames
    of the old rate that fall on the new one are kept as they are. A new frame next to a frame that was not
    recorded is none either. Nothing is filtered: at a lower rate, what is faster than half of it aliases.

    Raises MotionError for a rate that is not positive.
    """
    require_fps(fps)
    T = motion.num_frames
    # Counted, not accumulated; the last frame is kept where it falls on the new rate up to rounding.
    count = int(np.floor((T - 1) * fps / motion.fps + SAME_TIME)) + 1
    frames = np.arange(count) * (motion.fps / fps)  # in frames of the old rate
    nearest = np.rint(frames)
    frames = np.where(np.abs(frames - nearest) < SAME_TIME, nearest, frames)
    frames = np.minimum(frames, T - 1)
    below, above = np.floor(frames).astype(int), np.ceil(frames).astype(int)
    recorded = motion.recorded[below] & motion.recorded[above]
    poses = np.full((count, *motion.poses.shape[1:]), np.nan)
    trans = np.full((count, 3), np.nan)
    for run in _runs(motion.recorded):
        inside = np.flatnonzero(recorded & (below >= run[0]) & (above <= run[-1]))
        if len(inside) == 0:
            continue
        at = frames[inside]
        degree = min(3, len(run) - 1)
        trans[inside] = make_interp_spline(run, motion.trans[run], k=degree)(at)
        for joint in range(poses.shape[1]):
            poses[inside, joint] = _interpolated(run, motion.poses[run, joint], at)
        exact = inside[below[inside] == above[inside]]
        poses[exact], trans[exact] = motion.poses[below[exact]], motion.trans[below[exact]]
    return replace(motion, poses=poses, trans=trans, fps=float(fps), recorded=recorded)


def trim(motion: Motion, start: float = 0.0, end: float | None = None) -> Motion:
    """The frames from `start` to `end`, s from the first frame, both included.

    Raises MotionError where no recorded frame lies between them.
    """
    end = np.inf if end is None else end
    if not (isinstance(start, Real) and isinstance(end, Real) and start <= end):
        raise MotionError(f"start {start!r} and end {end!r} must be seconds, start before end")
    frames = np.arange(motion.num_frames)
    kept = (frames >= start * motion.fps - SAME_TIME) & (frames <= end * motion.fps + SAME_TIME)
    if not (kept & motion.recorded).any():
        length = (motion.num_frames - 1) / motion.fps
        raise MotionError(
            f"no recorded frame lies between {start} and {end} s; the motion has 0-{length:g} s"
        )
    return replace(motion, poses=motion.poses[kept], trans=motion.trans[kept], recorded=motion.recorded[kept])


def mirror(motion: Motion) -> Motion:
    """The motion with left and right exchanged: its image in the plane x = J_pelvis,x of the world.

    Joints change sides by name; a rotation about x keeps its sign, about y and z changes it. The betas stay.
    """
    names = motion.joint_names
    source = [names.index(mirror_name(name)) for name in names]
    # A rotation vector is a pseudo-vector: under a reflection of x its x stays and the rest turns over.
    return replace(motion, poses=motion.poses[:, source] * -_MIRROR, trans=motion.trans * _MIRROR)


def concatenate(motions: Iterable[Motion], root_joint: ArrayLike, blend: float = 0.2) -> Motion:
    """Motions one after the other: each is turned and moved along the floor to go on where the last ends.

    root_joint: (3,) m, J_pelvis of the body that they are played on. blend: s during which the end of one
    and the beginning of the next overlap and are blended (rotations by slerp), at least one frame. The
    heading is where the pelvis faces; heights are not changed.

    Raises MotionError for motions of different rates, families, shapes or sexes, that are not z up, whose
    blended frames were not all recorded, or that are shorter than the blend.
    """
    motions = [motions] if isinstance(motions, Motion) else list(motions)
    if not motions:
        raise MotionError("no motions to concatenate")
    J0 = as_numbers("root_joint", root_joint)
    if J0.shape != (3,) or not np.isfinite(J0).all():
        raise MotionError(
            f"root_joint has shape {J0.shape}; expected (3,) m, smpl2mjcf.joint_positions(body, betas)[0]"
        )
    if not (isinstance(blend, Real) and np.isfinite(blend) and blend >= 0):
        raise MotionError(f"blend must be seconds, 0 or more, received {blend!r}")
    joined = motions[0]
    for following in motions[1:]:
        _require_alike(joined, following)
        joined = _joined(joined, following, J0, blend)
    return joined


def _joined(first: Motion, second: Motion, J0: Array, blend: float) -> Motion:
    n = max(1, round(blend * first.fps))
    if min(first.num_frames, second.num_frames) < n:
        raise MotionError(
            f"a blend of {blend:g} s takes {n} frames; the motions have {first.num_frames} and "
            f"{second.num_frames}"
        )
    if not (first.recorded[-n:].all() and second.recorded[:n].all()):
        raise MotionError(f"the {n} frames that are blended were not all recorded: trim the motions first")
    middle = n // 2
    end, start = len(first.poses) - n + middle, middle
    yaw = _heading(first.poses[end, 0]) - _heading(second.poses[start, 0])
    second = turned(second, Rotation.from_euler("z", yaw).as_matrix(), J0, up="z")
    shift = first.trans[end] - second.trans[start]
    moved = second.trans + [shift[0], shift[1], 0.0]
    # Minimum-jerk weights inside (0, 1): no frame of the overlap is wholly either motion's.
    s = (np.arange(n) + 1) / (n + 1)
    w = s**3 * (10 - 15 * s + 6 * s**2)
    poses = np.concatenate(
        [first.poses[:-n], _blended(first.poses[-n:], second.poses[:n], w), second.poses[n:]]
    )
    between = (1 - w)[:, None] * first.trans[-n:] + w[:, None] * moved[:n]
    return replace(
        first,
        poses=poses,
        trans=np.concatenate([first.trans[:-n], between, moved[n:]]),
        recorded=np.concatenate([first.recorded, second.recorded[n:]]),
        source=first.source if first.source == second.source else f"{first.source} + {second.source}",
    )


def _require_alike(first: Motion, second: Motion) -> None:
    for name in ("fps", "family", "sex", "up", "joint_names"):
        a, b = getattr(first, name), getattr(second, name)
        if a != b:
            raise MotionError(f"the motions differ in {name}: {str(a)[:60]!r} and {str(b)[:60]!r}")
    if first.up != "z":
        raise MotionError(f"motions are joined z up; their up axis is {first.up!r}")
    betas = [None if m.betas is None else m.betas.tolist() for m in (first, second)]
    if betas[0] != betas[1]:
        raise MotionError(f"the motions have different betas: {betas[0]} and {betas[1]}")


def _runs(recorded: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Indices of every unbroken run of recorded frames."""
    frames = np.flatnonzero(recorded)
    return np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1)


def _interpolated(times: NDArray[np.intp], rotvecs: Array, at: Array) -> Array:
    """(N, 3) rotation vectors between samples; two samples make no spline, one is constant."""
    if len(times) == 1:
        return np.repeat(rotvecs, len(at), axis=0)
    rotations = Rotation.from_rotvec(rotvecs)
    curve = RotationSpline(times, rotations) if len(times) > 2 else Slerp(times, rotations)
    return curve(at).as_rotvec()


def _blended(first: Array, second: Array, weights: Array) -> Array:
    """(n, J, 3) rotation vectors, each the slerp of a pair."""
    a, b = (Rotation.from_rotvec(poses.reshape(-1, 3)) for poses in (first, second))
    step = (a.inv() * b).as_rotvec() * np.repeat(weights, first.shape[1])[:, None]
    return (a * Rotation.from_rotvec(step)).as_rotvec().reshape(first.shape)


def _heading(root: Array) -> float:
    """rad about z, where the pelvis faces: square to its left, which bending and lying leave as it is."""
    R = Rotation.from_rotvec(root).as_matrix()
    left = R[:, 0]
    facing = (left[1], -left[0]) if np.hypot(left[0], left[1]) > 0.5 else R[:2, 2]  # on its side
    return float(np.arctan2(facing[1], facing[0]))
