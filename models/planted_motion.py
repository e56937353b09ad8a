"""What the motions on planted feet share (squat, sit-to-stand, arm raise): a symmetric stance whose feet
never move, arms with the scapula's rhythm, balance over the feet, and the centre of pressure.

World axes: z up, x forward, y left; the ankles stand at x = 0 and the floor is z = 0. Left and right do the
same, so a posture is a few sagittal curves, the arms, and one unknown: how far forward the hips are.

Curves are sums of smooth steps (motion_maker.step: three continuous derivatives), so a motion begins and
ends at rest and its accelerations have no jumps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from motion_maker import FORWARD, SIDES, Array, Person, Pose, motion_file, save, step, turn
from numpy.typing import ArrayLike

from smpl2mjcf.assembly import GRAVITY
from smpl2mjcf.body_files import default_body

FPS = 120.0  # frames per second

COM_BEFORE_ANKLES = 0.045
"""m. Quiet standing: the centre of mass's plumb line passes some 5 cm before the ankles (Winter 1995, Gait &
Posture 3:193-214, doi 10.1016/0966-6362(96)82849-9); ours is 4.5."""

STANDING_KNEE = np.deg2rad(1.0)
"""rad beyond the rest pose, whose knee is bent by 5 degrees: standing, with the knees not locked."""

COLLAR_SHARE = 0.5
"""How much of the scapula's upward rotation the collar joint makes; the shoulder's ball joint makes the rest.

An assumption of ours: SMPL has no scapula. The collar swings the shoulder joint about a point near the middle
of the clavicle, and half of the scapula's 50 degrees lifts that joint by 4 cm, as far as it rises in people.
"""

SCAPULA_ROUNDING = np.deg2rad(15.0)
"""Over about how much arm elevation the scapula's setting phase goes over into its steady rhythm."""


BREATH, BREATH_PERIOD = np.deg2rad(0.15), 4.0
"""rad by which the spine sways about its mean with quiet breathing, and s of about one breath (ours).

Without it nothing would move in the pauses, and frames that repeat others exactly are what broken recordings
have.
"""


def seconds(duration: float) -> Array:
    """(T,) the times of the frames from 0 to a duration, both included."""
    return np.arange(round(duration * FPS) + 1) / FPS


def moves(time: Array, start: float, *each: tuple[float, float, float]) -> Array:
    """(T,) rad: from `start` by smooth moves (begin s, duration s, degrees), at rest before and after each.

    start: degrees.
    """
    return np.deg2rad(start + sum(by * step((time - begin) / length) for begin, length, by in each))


def breath(time: Array) -> Array:
    """(T,) rad, how far breathing straightens the spine: whole breaths, at rest at both ends."""
    duration, settling = time[-1], 0.3  # s
    turns = 2 * np.pi * max(1, round(duration / BREATH_PERIOD)) * time / duration
    ends = (1 - np.exp(-time / settling)) * (1 - np.exp((time - duration) / settling))
    return BREATH * (1 - np.cos(turns)) * ends  # at an end like the cube of the time from it


def scapular_rotation(elevation: Array, setting_deg: float) -> Array:
    """(T,) rad, the scapula's upward rotation at an arm's elevation (T,) rad: little, then a third of it.

    Inman, Saunders & Abbott 1944, J Bone Joint Surg 26:1-30: a setting phase up to 30 degrees of abduction or
    60 of flexion, then two degrees in the shoulder joint for one of the scapula. To 170 degrees of abduction
    that is 2.6 : 1 in all; Braman et al. 2009, doi 10.1016/j.jse.2009.02.001, measured 2.3 : 1 on the way up
    and 2.7 : 1 down.
    """
    corner = np.deg2rad(setting_deg)
    ramp = [np.logaddexp(0.0, (angle - corner) / SCAPULA_ROUNDING) for angle in (elevation, 0.0)]
    return SCAPULA_ROUNDING / 3 * (ramp[0] - ramp[1])


@dataclass(frozen=True)
class Stance:
    """Where the feet stand, mirrored."""

    half_width: float  # m, an ankle from the midline
    turn_out: float  # degrees, from the rest pose's feet, which point some 5 degrees outward
    knees_out: float  # degrees, where the knees point


@dataclass(frozen=True)
class Arms:
    """Both arms against the upper trunk, each (T,) rad. All zero: straight down, the palms to the thighs.

    The upper arm is lifted to the side by `abduction`, and the plane in which that happens is turned forward
    by `flexion`. `outward` turns the upper arm about its length, `supination` the forearm, the palm forward;
    half of the latter is made at the elbow and half at the wrist.

    Overhead, a pure abduction and a pure flexion end half a turn about the arm's length apart (Codman's
    paradox). People end between the two: they turn the arm outward in abduction and inward in flexion.
    """

    flexion: Array
    abduction: Array
    outward: Array
    supination: Array
    elbow: Array
    scapula: Array  # upward rotation


class Planted:
    """The default body on two feet that stay where they are."""

    def __init__(self, stance: Stance) -> None:
        self.stance = stance
        self.person = Person(default_body())
        rest, index = self.person.rest, self.person.index
        self.hips = rest[[index("left_hip"), index("right_hip")]].mean(0) - rest[0]
        self.ankle_height = rest[index("left_ankle"), 1] - self.person.floor

    def leg_length(self, knee: ArrayLike) -> Array:
        """(...,) m from hip to ankle at a knee flexion (...,) rad."""
        thigh, shank = self.person.bone("left_knee"), self.person.bone("left_ankle")
        return np.linalg.norm(thigh + turn(0, knee) @ shank, axis=-1)

    def hip_distance(self, knee: ArrayLike, other: ArrayLike) -> Array:
        """(...,) m from ankles to hips along one axis of the sagittal plane, given it along the other.

        knee: (...,) rad flexion; other: (...,) m.
        """
        sideways = self.stance.half_width - self.person.bone("left_hip")[0]
        return np.sqrt(self.leg_length(knee) ** 2 - np.square(other) - sideways**2)

    def pose(self, tilts: Mapping[str, Array], arms: Arms, knee: Array, hips_forward: Array) -> Pose:
        """The posture with the hips `hips_forward` (..., T) m before the ankles.

        tilts: pelvis_tilt, trunk_tilt, head_tilt, each (T,) rad, top forward; knee: (T,) rad flexion.
        """
        still = np.zeros(np.shape(hips_forward))
        local = self.person.local({name: angle + still for name, angle in tilts.items()})
        self._set_arms(local, arms)
        height = self.ankle_height + self.hip_distance(knee, hips_forward)
        pelvis = np.stack([hips_forward, still, height], axis=-1) - local[..., 0, :, :] @ self.hips
        for side, mirror in SIDES.items():
            ankle = np.array([0.0, mirror * self.stance.half_width, self.ankle_height])
            foot = turn(2, mirror * np.deg2rad(self.stance.turn_out)) @ FORWARD
            hinge = turn(2, mirror * np.deg2rad(self.stance.knees_out))[:, 1]
            self.person.set_leg(
                local,
                side,
                pelvis,
                np.broadcast_to(ankle, pelvis.shape),
                np.broadcast_to(foot, (*pelvis.shape, 3)),
                np.broadcast_to(hinge, pelvis.shape),
            )
        return self.person.pose(local, pelvis)

    def _set_arms(self, local: Array, arms: Arms) -> None:
        for side, mirror in SIDES.items():
            collar = turn(2, mirror * COLLAR_SHARE * arms.scapula)
            whole = turn(0, -arms.flexion) @ turn(2, mirror * (arms.abduction - np.pi / 2))
            half_forearm = turn(0, -0.5 * arms.supination)
            for joint, R in (
                ("collar", collar),
                ("shoulder", collar.swapaxes(-1, -2) @ whole @ turn(0, -arms.outward)),
                ("elbow", half_forearm @ turn(1, -mirror * arms.elbow)),
                ("wrist", half_forearm),
            ):
                local[..., self.person.index(f"{side}_{joint}"), :, :] = R

    def balanced(self, build: Callable[[Array], Pose], frames: int) -> Array:
        """(T,) m, the hips' place that puts the centre of mass COM_BEFORE_ANKLES.

        build: from hips' places (T,) to the posture. Newton's method, every frame by itself: the centre of
        mass is nearly linear in the hips' place, so a few steps reach rounding.
        """
        x, small = np.zeros(frames), 1e-5
        for _ in range(8):
            now, ahead = (self.person.com(build(x + d))[:, 0] for d in (0.0, small))
            x = x - (now - COM_BEFORE_ANKLES) * small / (ahead - now)
        return x

    def pressure(self, pose: Pose) -> Array:
        """(..., T) m before the ankles: the centre of pressure of all that pushes on the body from below,
        moved to the floor along the force.
        """
        mass, com = self.person.weight / GRAVITY, self.person.com(pose)
        force = mass * (rate(rate(com)) + [0.0, 0.0, GRAVITY])
        turning = rate(self.person.angular_momentum(pose, rate))[..., 1]
        return com[..., 0] - (com[..., 2] * force[..., 0] + turning) / force[..., 2]

    def arrays(self, pose: Pose, source: str) -> dict[str, Array]:
        """The arrays of the motion's npz, in AMASS' layout."""
        return motion_file(self.person, pose, FPS, source)


def rate(X: Array) -> Array:
    """(..., T, K) 1/s, derivatives by time: central differences."""
    return np.gradient(X, 1 / FPS, axis=-2)


def write(name: str, arrays: Mapping[str, Array]) -> None:
    """Write an npz beside this file and say so."""
    path = Path(__file__).with_name(name)
    save(path, arrays)
    print(f"{path.name}: {len(arrays['poses'])} frames, {path.stat().st_size / 1e3:.0f} kB")
