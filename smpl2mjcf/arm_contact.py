"""Arms that lie on the trunk instead of inside it.

A recorded person rests a hand on the hip; on a body of the same bones but more girth the recorded angles
put that hand under the skin. Where they do, the upper arm is turned at the shoulder, elbow and wrist keeping
their angles: by the least rotation that lays the arm's bones on the skin, blended in and out in time.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, maximum_filter1d
from scipy.spatial.transform import Rotation

from .body import Body, joint_positions
from .cut_plan import knuckle
from .motion import Motion
from .posed_skin import JointFrames, Skin, heights, joint_frames, skin_of
from .skeleton import BODY_JOINTS, SIDES

Array = NDArray[np.float64]
Frames = NDArray[np.intp]

BONE_RADIUS = 0.007
"""m, half the thickness of ulna and radius about the arm's axis, which must stay outside the skin."""

BRUSH = 0.01
"""m that an arm's axis may be under the skin in passing: the girth of a body is not known better, and in an
ordinary walk (CMU's 02_01) a wrist brushes the thigh 4 mm deep. An arm that only brushes is left; one that is
deeper in some frame is laid on the skin in all."""

TOLERANCE = 1e-3  # m, an arm that is as near to where it should lie is there

LEAST_CLEARANCE = {
    "pelvis": BONE_RADIUS,
    "spine1": BONE_RADIUS,
    "spine2": BONE_RADIUS,
    "spine3": BONE_RADIUS,
    # A hand on the hip, in the groin or on the lap lies on skin that follows the thighs.
    "left_hip": BONE_RADIUS,
    "right_hip": BONE_RADIUS,
    # The collars' skin ends where the arms begin, and tells no inside from outside there.
    "left_collar": -np.inf,
    "right_collar": -np.inf,
    # Where neck and head are depends on lengths that a fit takes from a recording to centimetres only: a hand
    # in the face is no matter of girth.
    "neck": -np.inf,
}
"""m by joint, what an arm's axis must keep over the skin that follows that joint most."""

FOREARM, HAND = (0.0, 0.25, 0.5, 0.75, 1.0), (0.5, 1.0)
"""Where points of the axis are looked at: shares of the way from elbow to wrist, from wrist to knuckles."""

BLEND = 0.25
"""s for which a turn is held before and after its need, and again s in which it is blended in and out."""

COARSE_CELL, COARSE_REACH = 0.06, 0.04
"""m, edge of the cubes that keep one vertex of the skin, and the clearance over that coarse skin beyond which
the whole skin is not looked at."""

LARGEST_STEP, PASSES = np.deg2rad(6), 12
"""What is turned before the skin is looked at again, and how often that is done."""

LEAST_LEVER = 0.25
"""Sine below which an axis does not lift a point out, but carries it along the skin."""

CHUNK = 256  # frames whose skin is posed at once


@dataclass(frozen=True, eq=False)
class _Arm:
    """One arm of a body, and the skin that it must stay out of."""

    side: str
    rest: Array  # (J, 3) m
    hand: Array  # (3,) m, from the wrist to the knuckles at rest
    skin: Skin
    coarse: Skin


@dataclass(frozen=True, eq=False)
class _Clearing:
    """What takes one arm out of the skin."""

    turn: Array  # (T, 3) rad, rotation vector that turns the shoulder in its parent's axes
    frames: Frames  # that needed it
    depth: float  # m that the arm's bones were inside at most
    left: Frames  # that still need it


def clear_arms(motion: Motion, body: Body) -> Motion:
    """The motion with its arms, elbows to knuckles, laid on the trunk and thighs that they are inside of.

    body: the one that the motion's betas shape. Only shoulders are turned, in frames in which their arm is
    inside and up to 2 BLEND s before and after. What a frame needs is held for BLEND by a maximum filter and
    blended by a kernel of that width with a continuous second derivative, so that torques do not jump.

    One warning says which arm was how deep in how many frames, and what was turned. Where no arm is deeper
    than BRUSH, the motion is returned as it is. An arm that its shoulder does not take out in PASSES stays
    where they got it, and is named: elbows are not bent, since even a body four standard deviations too heavy
    is cleared by turning shoulders (CMU's 131_03, by 26 degrees).
    """
    skin = skin_of(body, motion.betas, LEAST_CLEARANCE)
    coarse = skin_of(body, motion.betas, LEAST_CLEARANCE, COARSE_CELL)
    rest = joint_positions(body, motion.betas)
    named = dict(zip(body.joint_names, rest))
    poses, parts = motion.poses, []
    for side in SIDES:
        arm = _Arm(side, rest, knuckle(named, side) - named[f"{side}_wrist"], skin, coarse)
        found = _clearing(arm, motion)
        if len(found.frames):
            poses = _turned(arm, poses, found.turn)
            parts.append(_told(side, found, motion.num_frames))
    if not parts:
        return motion
    warnings.warn(
        f"{motion.source or 'the motion'}: on this body {'; '.join(parts)}; all other angles are the "
        "recording's (arms='recorded', or --arms recorded, keeps these too)",
        stacklevel=3,
    )
    return replace(motion, poses=poses)


def _told(side: str, found: _Clearing, total: int) -> str:
    angle = np.rad2deg(np.linalg.norm(found.turn, axis=1).max())
    text = (
        f"the {side} arm would reach up to {100 * found.depth:.1f} cm into trunk or thighs in "
        f"{len(found.frames)} of {total} frames: its shoulder is turned by up to {angle:.1f} degrees"
    )
    return text + (f", and {len(found.left)} frames are left so" if len(found.left) else "")


def _clearing(arm: _Arm, motion: Motion) -> _Clearing:
    """The turn of one shoulder over a whole motion: every pass adds a smooth turn for each run of frames."""
    half = max(1, round(BLEND * motion.fps))
    turn = np.zeros((motion.num_frames, 3))
    look = np.flatnonzero(motion.recorded)
    first, depth = look[:0], 0.0
    for step in range(PASSES + 1):
        rows, lack, lever = _sunk(arm, _turned(arm, motion.poses[look], turn[look]))
        deep = look[rows]
        if step == 0:
            if lack.max(initial=0.0) <= BONE_RADIUS + BRUSH:
                return _Clearing(turn, first, depth, first)
            first, depth = deep, float(lack.max())
        if not len(deep) or step == PASSES:
            break
        touched = np.zeros(len(turn), dtype=bool)
        # Runs nearer than what the filters reach would be turned for one another.
        for run in np.split(np.arange(len(deep)), np.flatnonzero(np.diff(deep) > 2 * half) + 1):
            axis, angle = _least_turn(lack[run], lever[run])
            start, stop = max(0, deep[run[0]] - 2 * half), min(len(turn), deep[run[-1]] + 2 * half + 1)
            needed = np.zeros(stop - start)
            needed[deep[run] - start] = angle
            turn[start:stop] += _blended(needed, half)[:, None] * axis
            touched[start:stop] = True
        look = np.flatnonzero(touched & motion.recorded)
    turn[~motion.recorded] = 0.0
    return _Clearing(turn, first, depth, deep)


def _sunk(arm: _Arm, poses: Array) -> tuple[Frames, Array, Array]:
    """Rows of poses in which the arm is too deep, by how much (N, P) m, and each point's lever (N, P, 3) m.

    The lever is r x n in the axes of the shoulder's parent: what a turn w lifts the point by is lever . w.
    """
    shoulder, collar = (BODY_JOINTS.index(f"{arm.side}_{joint}") for joint in ("shoulder", "collar"))
    P = len(FOREARM) + len(HAND)
    rows, lacks, levers = [np.zeros(0, dtype=np.intp)], [np.zeros((0, P))], [np.zeros((0, P, 3))]
    for start in range(0, len(poses), CHUNK):
        frames = joint_frames(arm.rest, poses[start : start + CHUNK])
        points = _axis_points(arm, frames)
        clearance, _, _ = heights(arm.coarse, frames, points)
        near = np.flatnonzero(clearance.min(axis=1) < COARSE_REACH)
        frames = JointFrames(frames.orientation[near], frames.place[near])
        clearance, normal, nearest = heights(arm.skin, frames, points[near])
        lack = np.maximum(arm.skin.least[nearest] - clearance, 0.0)
        reach = points[near] - frames.place[:, shoulder, None]
        lever = np.cross(reach, normal) @ frames.orientation[:, collar]
        deep = lack.max(axis=1) > TOLERANCE
        rows.append(start + near[deep])
        lacks.append(lack[deep])
        levers.append(lever[deep])
    return np.concatenate(rows), np.concatenate(lacks), np.concatenate(levers)


def _axis_points(arm: _Arm, frames: JointFrames) -> Array:
    """(N, P, 3) m, points from the elbow to the knuckles."""
    elbow, wrist = (BODY_JOINTS.index(f"{arm.side}_{joint}") for joint in ("elbow", "wrist"))
    start, end = frames.place[:, elbow], frames.place[:, wrist]
    hand = frames.orientation[:, wrist] @ arm.hand
    along = [start + share * (end - start) for share in FOREARM]
    return np.stack([*along, *(end + share * hand for share in HAND)], axis=1)


def _least_turn(lack: Array, lever: Array) -> tuple[Array, Array]:
    """One axis (3,) for a run of N frames, and the angle (N,) rad about it that each of them needs.

    A point alone needs the turn lack lever / |lever|^2; the axis is the mean of those.
    """
    size = np.linalg.norm(lever, axis=2)
    mean = (lack[..., None] * lever / size[..., None] ** 2).sum(axis=(0, 1))
    axis = mean / np.linalg.norm(mean)
    gain = np.maximum(lever @ axis, LEAST_LEVER * size)
    return axis, np.minimum((lack / gain).max(axis=1), LARGEST_STEP)


def _blended(needed: Array, half: int) -> Array:
    """(T,) rad, nowhere less than what is needed, with a continuous second derivative in time."""
    held = maximum_filter1d(needed, 2 * half + 1, mode="nearest")
    u = np.arange(-half, half + 1) / (half + 1)
    kernel = (1 - u**2) ** 3
    return np.asarray(convolve1d(held, kernel / kernel.sum(), mode="nearest"))


def _turned(arm: _Arm, poses: Array, turn: Array) -> Array:
    """A copy of poses (T, J, 3) rad whose shoulder is turned by turn (T, 3) rad in its parent's axes."""
    shoulder = BODY_JOINTS.index(f"{arm.side}_shoulder")
    turned = poses.copy()
    moved = turn.any(axis=1)
    own = Rotation.from_rotvec(poses[moved, shoulder])
    turned[moved, shoulder] = (Rotation.from_rotvec(turn[moved]) * own).as_rotvec()
    return turned
