"""Where a clip's floor is, and whether its frame rate can be true: both from the humanoid's own motion."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .skeleton import SIDES

Array = NDArray[np.float64]

SOLE = 0.005
"""m above a foot's lowest point in the T-pose, within which its contact points are its sole."""

PLANTED = 0.2
"""m/s, below which the lowest point of a foot tells where the floor is."""

AIRBORNE, WELL_CLEAR = 0.01, 0.04
"""m above the floor that every point of both soles must be throughout a flight phase, and at its
height. Runners skim the floor with less, as do standing people's soles in noisy recordings: flights that stay
lower count where several of a clip agree."""

AGREEING, AGREEMENT = 3, 0.15
"""How many low flights must agree with each other, and how closely, relative to their median acceleration."""

SHORTEST_FLIGHT = 5
"""Frames; fewer do not tell a curvature."""

LEAST_SAGITTA, LARGEST_MISFIT = 0.002, 0.15
"""m that a flight's arc rises over its chord, and the share of it by which it may miss a parabola (RMS): who
sits on a high chair or swings from a bar has both feet in the air and does not fall."""

MOST_MISTAKEN = 6.0
"""Factor between two frame rates that somebody can mistake for each other (20 and 120); an arc that would
need a larger one is no fall."""

LARGEST_SPREAD = 0.05
"""m, median distance of the resting soles from the floor; more is stairs, drift or no floor."""

RATE_TOLERANCE = 1.19
"""Factor by which the rate that free fall implies may differ from the stated one. Rates are mistaken
for each other by factors of 1.2 (25 and 30) to 4; marker noise shifts a nine-frame flight's by up to 1.17."""


@dataclass(frozen=True)
class Floor:
    """The floor of a clip, level."""

    height: float  # m, world z
    spread: float  # m, median distance of the resting soles from it
    resting_frames: int  # on which it rests; 0: no foot ever rested, it is the lowest point of any sole

    def __str__(self) -> str:
        rests = f"soles at rest in {self.resting_frames} frames, median distance {100 * self.spread:.1f} cm"
        return f"floor at z = {self.height:.3f} m ({rests if self.resting_frames else 'lowest sole'})"


@dataclass(frozen=True)
class Flight:
    """A stretch of frames in which nothing touches the floor."""

    start: int  # first and last frame
    end: int
    acceleration: float  # m/s2, of the centre of mass along z, of the parabola that fits the flight best


def find_floor(model: mujoco.MjModel, qpos: ArrayLike, fps: float) -> Floor:
    """The height of a clip's floor: the median over the frames of the lower resting sole's lowest point.

    A foot rests in a frame if the lowest point of its sole moves slower than PLANTED; the lower one, since
    the other may be held up. The median, since each recording has its own floor, which a kick or a jump
    reaches below for some frames. Where no foot ever rests (sliding, swimming, a clip of one frame), the
    lowest point of any sole. A spread beyond LARGEST_SPREAD is warned of.

    model: a humanoid of ours. qpos: (T, nq), NaN where
    not recorded.
    """
    positions = np.asarray(qpos, dtype=np.float64)
    recorded = np.flatnonzero(np.isfinite(positions).all(axis=1))
    soles = np.stack([sole_points(model, positions[recorded], side) for side in SIDES], axis=1)
    lowest_height, resting = _lowest(soles, recorded / fps)
    if not resting.any():
        return Floor(float(lowest_height.min()), 0.0, 0)
    heights = np.where(resting, lowest_height, np.inf).min(axis=1)[resting.any(axis=1)]
    floor = float(np.median(heights))
    spread = float(np.median(np.abs(heights - floor)))
    if spread > LARGEST_SPREAD:
        warnings.warn(
            f"the soles rest at heights that lie {100 * spread:.0f} cm (median) from the floor found at "
            f"z = {floor:.3f} m: stairs, a recording that drifts, or no level floor",
            stacklevel=2,
        )
    return Floor(floor, spread, len(heights))


def flights(model: mujoco.MjModel, qpos: ArrayLike, fps: float, floor: Floor) -> list[Flight]:
    """The flight phases of a clip: both soles AIRBORNE above the floor while the centre of mass draws an arc.

    Those that never get WELL_CLEAR of the floor count where AGREEING of them fall alike.
    model, qpos: as for find_floor.
    """
    soles = np.concatenate([sole_points(model, qpos, side) for side in SIDES], axis=1)
    clearance = soles[..., 2].min(axis=1) - floor.height
    with np.errstate(invalid="ignore"):  # a gap is no flight
        aloft = clearance > AIRBORNE
    high: list[Flight] = []
    low: list[Flight] = []
    for run in np.split(np.arange(len(aloft)), np.flatnonzero(np.diff(aloft)) + 1):
        if not aloft[run[0]] or len(run) < SHORTEST_FLIGHT:
            continue
        acceleration = _falling(model, np.asarray(qpos)[run], fps)
        if acceleration is not None:
            flight = Flight(int(run[0]), int(run[-1]), acceleration)
            (high if clearance[run].max() > WELL_CLEAR else low).append(flight)
    if low:
        common = np.median([flight.acceleration for flight in low])
        alike = [f for f in low if abs(f.acceleration - common) < AGREEMENT * abs(common)]
        high += alike if len(alike) >= AGREEING else []
    return sorted(high, key=lambda flight: flight.start)


def _falling(model: mujoco.MjModel, qpos: Array, fps: float) -> float | None:
    """m/s2, the vertical acceleration of the centre of mass where its path is a fall's, else None."""
    height = _com_heights(model, qpos)
    frames = np.arange(len(qpos)) - (len(qpos) - 1) / 2
    parabola = np.polyfit(frames, height, 2)
    misfit = float(np.sqrt(np.mean((np.polyval(parabola, frames) - height) ** 2)))
    sagitta = -parabola[0] * frames[-1] ** 2
    acceleration = float(2 * parabola[0] * fps**2)
    fall = -acceleration / float(np.linalg.norm(model.opt.gravity))
    is_fall = MOST_MISTAKEN**-2 < fall < MOST_MISTAKEN**2
    return acceleration if is_fall and sagitta > LEAST_SAGITTA and misfit < LARGEST_MISFIT * sagitta else None


def warn_of_implausible_rate(model: mujoco.MjModel, found: list[Flight], fps: float) -> float | None:
    """The frame rate that free fall implies, Hz, or None where nobody flies; one warning where it differs.

    The centre of mass falls at g whatever the body does; a wrong rate scales its acceleration by the square.
    """
    if not found:
        return None
    g = float(np.linalg.norm(model.opt.gravity))
    fall = float(np.median([-flight.acceleration for flight in found]))
    implied = fps * np.sqrt(g / fall)
    if not 1 / RATE_TOLERANCE < implied / fps < RATE_TOLERANCE:
        number = f"{len(found)} flight phase" + "s" * (len(found) > 1)
        warnings.warn(
            f"in {number} the centre of mass falls at {fall:.3g} m/s2 instead of {g:.3g}: "
            f"the frame rate of {fps:g} Hz, or the unit of length, is not the recording's "
            f"(at {implied:.0f} Hz it would fall at {g:.3g})",
            stacklevel=2,
        )
    return float(implied)


def sole_points(model: mujoco.MjModel, qpos: ArrayLike, side: str) -> Array:
    """(T, P, 3) m, world: the points of a side's foot and toes that a humanoid stands on; NaN in a gap.

    Where the geoms of the bodies `<side>_ankle` and `<side>_foot` that collide are lowest in the T-pose
    (under a capsule's ends, at a box's lower corners), as far as that is within SOLE of the foot's lowest
    point. They move with the foot as the skin there does, so a resting one has no speed.
    """
    positions = np.asarray(qpos, dtype=np.float64)
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)  # qpos0 is the T-pose in SMPL's model frame, y up
    feet = []
    for part in ("ankle", "foot"):
        body = model.body(f"{side}_{part}")
        colliding = [
            g
            for g in range(body.geomadr[0], body.geomadr[0] + body.geomnum[0])
            if model.geom_contype[g] | model.geom_conaffinity[g]
        ]
        feet += [(int(body.id), point) for g in colliding for point in _lowest_points(model, data, g)]
    lowest = min(point[1] for _, point in feet)
    local = [
        (body, (point - data.xpos[body]) @ data.xmat[body].reshape(3, 3))
        for body, point in feet
        if point[1] < lowest + SOLE
    ]
    points = np.full((len(positions), len(local), 3), np.nan)
    for frame in np.flatnonzero(np.isfinite(positions).all(axis=1)):
        data.qpos[:] = positions[frame]
        mujoco.mj_kinematics(model, data)
        points[frame] = [data.xpos[body] + data.xmat[body].reshape(3, 3) @ point for body, point in local]
    return points


def _lowest_points(model: mujoco.MjModel, data: mujoco.MjData, geom: int) -> Array:
    """(P, 3) m, world: a box's four corners of least y, the lowest points of a capsule's two ends."""
    size, frame = model.geom_size[geom], data.geom_xmat[geom].reshape(3, 3)
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CAPSULE:
        ends = np.outer([-size[1], size[1]], frame[:, 2])
        return data.geom_xpos[geom] + ends - [0.0, size[0], 0.0]
    corners = (np.array(np.meshgrid(*[(-1.0, 1.0)] * 3)).reshape(3, -1).T * size) @ frame.T
    return data.geom_xpos[geom] + corners[np.argsort(corners[:, 1], kind="stable")[:4]]


def _lowest(soles: Array, time: Array) -> tuple[Array, NDArray[np.bool_]]:
    """(T, 2) height of each sole's (T, 2, P, 3) lowest point at times (T,), and whether that point rests."""
    height = soles[..., 2]
    lowest = height.argmin(axis=2)[..., None]
    lowest_height = np.take_along_axis(height, lowest, axis=2)[..., 0]
    if len(soles) < 2:
        return lowest_height, np.zeros(lowest_height.shape, dtype=bool)
    speed = np.linalg.norm(np.gradient(soles, time, axis=0), axis=-1)
    return lowest_height, np.take_along_axis(speed, lowest, axis=2)[..., 0] < PLANTED


def _com_heights(model: mujoco.MjModel, qpos: Array) -> Array:
    data, heights = mujoco.MjData(model), np.empty(len(qpos))
    for frame, positions in enumerate(qpos):
        data.qpos[:] = positions
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        heights[frame] = data.subtree_com[0, 2]
    return heights
