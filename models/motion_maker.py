"""What the made motions share: the default body's kinematics in the world, its centre of mass, leg inverse
kinematics, smooth curves, and the file.

World axes: z up, x forward, y left, floor z = 0. Arrays of poses have any leading axes, time the last of
them: rotations (..., T, 3, 3), positions (..., T, 3) m, angles (..., T) rad. Coordinates (`COORDINATES`) are
anatomical angles by name, zero in SMPL's rest pose but for the arms, which hang straight down at zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline, make_interp_spline
from scipy.spatial.transform import Rotation

from smpl2mjcf.assembly import GRAVITY
from smpl2mjcf.body import Body, joint_positions
from smpl2mjcf.humanoid import Humanoid, build_humanoid

Array = NDArray[np.float64]
Points = Sequence[tuple[float, float]]
"""(time, value) points of a curve."""

QUANTUM = 2.0**-32  # rad and m: far finer than any use, and it compresses

NUDGE, CLOSE = 1e-4, 1e-11  # m: what the pelvis is moved by to see what follows, and how near is there

SIDES = {"left": 1.0, "right": -1.0}
"""The sides, and the sign that mirrors a left-hand turn about z or y."""

FORWARD = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""SMPL's axes (x left, y up, z forward) to the world's (x forward, y left, z up)."""


def _coordinates() -> dict[str, list[tuple[str, int, str, float]]]:
    """By joint: (joint, axis 0-2, coordinate, factor) of its elementary turns, in the order composed."""
    made = []
    for part, joints in (
        ("pelvis", ("pelvis",)),
        ("trunk", ("spine1", "spine2", "spine3")),
        ("head", ("neck", "head")),
    ):
        share = 1 / len(joints)
        for joint in joints:
            made += [(joint, 1, f"{part}_rotation", -share), (joint, 2, f"{part}_list", share)]
            made += [(joint, 0, f"{part}_tilt", share)]
    for side, mirror in SIDES.items():
        for joint, axis, name, factor in (
            ("hip", 0, "hip_flexion", -1.0),
            ("hip", 2, "hip_adduction", -mirror),
            ("hip", 1, "hip_rotation", -mirror),
            ("knee", 0, "knee_flexion", 1.0),
            ("ankle", 0, "ankle_dorsiflexion", -1.0),
            ("ankle", 2, "ankle_inversion", -mirror),
            ("foot", 0, "toe_extension", -1.0),
            ("collar", 2, "collar_elevation", mirror),
            ("shoulder", 0, "shoulder_flexion", -1.0),
            ("shoulder", 2, "shoulder_adduction", -mirror),
            ("shoulder", 1, "shoulder_rotation", -mirror),
            ("elbow", 1, "elbow_flexion", -mirror),
        ):
            made.append((f"{side}_{joint}", axis, f"{side}_{name}", factor))
    table: dict[str, list[tuple[str, int, str, float]]] = {}
    for row in made:
        table.setdefault(row[0], []).append(row)
    return table


COORDINATES = _coordinates()
"""tilt: top forward; list: left side up (pelvis) or top to the right; rotation: left side backward is
negative, forward positive; flexion, adduction, dorsiflexion, inversion, extension, elevation by their
names; hip and shoulder rotation: outward positive."""


# ---- rotations ---------------------------------------------------------------------------------------


def turn(axis: int, angle: ArrayLike) -> Array:
    """(..., 3, 3) rotations by angles (...) rad about a coordinate axis."""
    c, s = np.cos(angle), np.sin(angle)
    R = np.zeros((*np.shape(angle), 3, 3))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    R[..., axis, axis] = 1.0
    R[..., a, a] = R[..., b, b] = c
    R[..., a, b], R[..., b, a] = -s, s
    return R


def apply(R: Array, v: Array) -> Array:
    """(..., 3) rotated vectors, broadcast."""
    return R[..., 0] * v[..., 0:1] + R[..., 1] * v[..., 1:2] + R[..., 2] * v[..., 2:3]


def unit(v: Array) -> Array:
    """(..., 3) vectors of length 1."""
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def frame(first: Array, second: Array) -> Array:
    """(..., 3, 3) rotation whose columns are `first`'s direction, `second` made orthogonal to it, and theirs.

    Not defined where the two are parallel.
    """
    a = unit(first)
    b = unit(second - (second * a).sum(-1, keepdims=True) * a)
    return np.stack([a, b, np.cross(a, b)], axis=-1)


# ---- the person --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pose:
    """A posed body in the world."""

    local: Array  # (..., T, J, 3, 3) joint rotations, the root's in the world
    world: Array  # (..., T, J, 3, 3)
    position: Array  # (..., T, J, 3) m, the joints


@dataclass(frozen=True)
class FootPlace:
    """Where a foot should be in the world."""

    ankle: Array  # (..., T, 3) m
    rotation: Array  # (..., T, 3, 3) of the ankle's body
    toe_extension: Array  # (..., T) rad


class Person:
    """The default body with its masses, ready to be posed. Left and right mirror each other."""

    def __init__(self, body: Body, humanoid: Humanoid | None = None) -> None:
        humanoid = build_humanoid(body) if humanoid is None else humanoid
        self.body = body
        self.joints = list(body.joint_names)
        self.parents = body.parents
        self.rest = joint_positions(body)
        self.floor = float(body.v_template[:, 1].min())  # the sole's height in the rest pose
        self.mass = np.array([inertia.mass for inertia in humanoid.inertias])
        self.com_offset = np.array([inertia.com for inertia in humanoid.inertias])
        self.weight = float(self.mass.sum()) * GRAVITY
        self._points = _mass_points(humanoid)

    def index(self, joint: str) -> int:
        """A joint's row."""
        return self.joints.index(joint)

    def bone(self, joint: str) -> Array:
        """(3,) m from a joint's parent to it in the rest pose."""
        j = self.index(joint)
        return self.rest[j] - self.rest[self.parents[j]]

    def local(self, angles: Mapping[str, Array]) -> Array:
        """(..., T, J, 3, 3) joint rotations of coordinates in rad; those not given are zero.

        Raises KeyError for a coordinate that is none.
        """
        shape = np.broadcast_shapes(*(np.shape(a) for a in angles.values()))
        local = np.tile(np.eye(3), (*shape, len(self.joints), 1, 1))
        known = set()
        for joint, turns in COORDINATES.items():
            R = np.eye(3)
            for _, axis, name, factor in turns:
                known.add(name)
                angle = factor * np.asarray(angles.get(name, 0.0))
                if name.endswith("shoulder_adduction"):
                    angle = angle + factor * np.pi / 2  # from the T-pose to hanging
                R = R @ turn(axis, angle)
            local[..., self.index(joint), :, :] = R
        if set(angles) - known:
            raise KeyError(f"unknown coordinates {sorted(set(angles) - known)}; known: {sorted(known)}")
        local[..., 0, :, :] = FORWARD @ local[..., 0, :, :]
        return local

    def pose(self, local: Array, pelvis: Array) -> Pose:
        """Forward kinematics. pelvis: (..., T, 3) m, the pelvis joint in the world."""
        world, position = np.empty_like(local), np.empty(local.shape[:-1])
        for j, parent in enumerate(self.parents):
            if parent < 0:
                world[..., j, :, :], position[..., j, :] = local[..., j, :, :], pelvis
            else:
                before = world[..., parent, :, :]
                world[..., j, :, :] = before @ local[..., j, :, :]
                position[..., j, :] = position[..., parent, :] + before @ (self.rest[j] - self.rest[parent])
        return Pose(local, world, position)

    def com(self, pose: Pose, joints: Sequence[int] | None = None) -> Array:
        """(..., T, 3) m, the centre of mass of the body, or of some joints' bodies."""
        rows = np.arange(len(self.joints)) if joints is None else np.asarray(joints)
        at = pose.position[..., rows, :] + apply(pose.world[..., rows, :, :], self.com_offset[rows])
        return np.einsum("j,...ji->...i", self.mass[rows] / self.mass[rows].sum(), at)

    def set_leg(
        self,
        local: Array,
        side: str,
        pelvis: Array,
        ankle: Array,
        foot: Array,
        knee_axis: Array,
        straightest: float = 0.0,
    ) -> Array:
        """Turn one leg's joints in `local` so that the foot is exactly where it is asked to be.

        pelvis, ankle: (..., T, 3) m; foot: (..., T, 3, 3) the ankle body's rotation in the world;
        knee_axis: (..., T, 3) world direction, to the left, that the knee's hinge should lie along as far
        as it can: the knee then points to the front of it. The toes are left alone.
        straightest: rad of knee flexion from the straight leg; below it the leg gives smoothly and ever
        less, and the foot stays behind: a fit can then step out of reach and find its way back.

        Returns (..., T) the leg's slack, 1 - cos of the knee flexion from the straight leg that the ankle
        asks for: below zero it is out of reach, and below 1 - cos(straightest) the foot is not exact.
        """
        hip, knee, joint = (self.index(f"{side}_{name}") for name in ("hip", "knee", "ankle"))
        thigh, shank = self.bone(f"{side}_knee"), self.bone(f"{side}_ankle")
        root = local[..., 0, :, :]
        line = ankle - (pelvis + root @ self.bone(f"{side}_hip"))
        # |thigh + Rx(flexion) shank| = |line|: A cos + B sin = C
        A = thigh[1] * shank[1] + thigh[2] * shank[2]
        B = thigh[2] * shank[1] - thigh[1] * shank[2]
        C = ((line**2).sum(-1) - thigh @ thigh - shank @ shank) / 2 - thigh[0] * shank[0]
        cosine = C / np.hypot(A, B)
        room = 1 - np.cos(straightest)
        if room > 0:
            beyond = np.clip(cosine - (1 - room), 0, None)
            bent = np.minimum(cosine, 1 - room) + room * (1 - np.exp(-beyond / room))
        else:
            bent = cosine
        flexion = np.arctan2(B, A) + np.arccos(np.clip(bent, -1.0, 1.0))
        local[..., knee, :, :] = turn(0, flexion)
        reach = thigh + apply(local[..., knee, :, :], shank)
        in_thigh = frame(reach, np.broadcast_to([1.0, 0.0, 0.0], reach.shape))
        upper = frame(line, knee_axis) @ in_thigh.swapaxes(-1, -2)
        local[..., hip, :, :] = root.swapaxes(-1, -2) @ upper
        local[..., joint, :, :] = (upper @ local[..., knee, :, :]).swapaxes(-1, -2) @ foot
        return 1 - cosine

    def stand(
        self, local: Array, com: Array, feet: Mapping[str, FootPlace], straightest: float = 0.0
    ) -> tuple[Pose, Array]:
        """The pose whose feet and whose centre of mass are where they should be; (..., T, 2) its legs' slack.

        local: (..., T, J, 3, 3) the joints' rotations; the legs' are overwritten. com: (..., T, 3) m.
        The knees point where feet and pelvis do on average. straightest and slack: see set_leg.
        """
        legs = {side: [self.index(f"{side}_{n}") for n in ("hip", "knee", "ankle", "foot")] for side in SIDES}
        others = [j for j in range(len(self.joints)) if not any(j in leg for leg in legs.values())]
        share = self.mass / self.mass.sum()
        root = local[..., 0, :, :]
        above = self.com(self.pose(local, np.zeros_like(com)), others)
        axis = root[..., :, 0] * [1, 1, 0] + sum(place.rotation[..., :, 0] for place in feet.values()) / 2
        for side, place in feet.items():
            local[..., legs[side][-1], :, :] = turn(0, -place.toe_extension)

        def centre(pelvis: Array) -> tuple[Array, Array]:
            total, slack = share[others].sum() * (above + pelvis), []
            for side, place in feet.items():
                slack.append(
                    self.set_leg(local, side, pelvis, place.ankle, place.rotation, axis, straightest)
                )
                R, at = root, pelvis
                for j in legs[side]:
                    at = at + apply(R, self.rest[j] - self.rest[self.parents[j]])
                    R = R @ local[..., j, :, :]
                    total = total + share[j] * (at + apply(R, self.com_offset[j]))
            return total, np.stack(slack, axis=-1)

        # Chord iterations: the centre of mass follows the pelvis by a matrix that hardly changes.
        pelvis = com - above + [0.0, 0.0, 0.1]
        for _ in range(3):
            error = centre(pelvis)[0] - com
            D = [(centre(pelvis + NUDGE * e)[0] - com - error) / NUDGE for e in np.eye(3)]
            back = np.linalg.inv(np.stack(D, axis=-1))
            for _ in range(6):
                pelvis = pelvis - apply(back, error)
                error = centre(pelvis)[0] - com
                if np.abs(error).max() < CLOSE:
                    break
            if np.abs(error).max() < CLOSE:
                break
        slack = centre(pelvis)[1]
        return self.pose(local, pelvis), slack

    def skin(self, pose: Pose, vertices: ArrayLike | None = None) -> Array:
        """(..., T, V, 3) m, skinned vertices (all, or the given rows)."""
        rows = np.arange(len(self.body.v_template)) if vertices is None else np.asarray(vertices)
        rest, weights = self.body.v_template[rows], self.body.weights[rows]
        out = np.zeros((*pose.position.shape[:-2], len(rows), 3))
        for j in np.flatnonzero(weights.any(0)):
            v = np.flatnonzero(weights[:, j])
            moved = (rest[v] - self.rest[j]) @ pose.world[..., j, :, :].swapaxes(-1, -2)
            out[..., v, :] += weights[v, j, None] * (moved + pose.position[..., None, j, :])
        return out

    def angular_momentum(self, pose: Pose, derivative: Callable[[Array], Array]) -> Array:
        """(..., T, 3) kg m2/s about the centre of mass, world axes.

        derivative: by time, of (..., T, K) along T.
        """
        X = pose.world @ self._points + pose.position[..., None]  # (..., T, J, 3, 4)
        X = X - self.com(pose)[..., None, :, None]
        V = derivative(X.reshape(*X.shape[:-3], -1)).reshape(X.shape)
        mass = self.mass[:, None] / 4
        made = []
        for a, b in ((1, 2), (2, 0), (0, 1)):
            spin = X[..., a, :] * V[..., b, :] - X[..., b, :] * V[..., a, :]
            made.append((mass * spin).sum((-2, -1)))
        return np.stack(made, axis=-1)

    def arrays(self, pose: Pose) -> tuple[Array, Array]:
        """poses (T, 72) rad and trans (T, 3) m of a (T,) pose."""
        T = len(pose.local)
        poses = Rotation.from_matrix(pose.local.reshape(-1, 3, 3)).as_rotvec().reshape(T, -1)
        return poses, pose.position[:, 0] - self.rest[0]


def _mass_points(humanoid: Humanoid) -> Array:
    """(J, 3, 4) m, points in the bodies' frames that weigh and turn as the bodies do.

    Four points of a quarter of the mass at the corners of a stretched tetrahedron have a body's centre and
    inertia tensor.
    """
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=float)
    made = []
    for inertia in humanoid.inertias:
        spread = 0.5 * np.trace(inertia.tensor) * np.eye(3) - inertia.tensor  # sum of m r r'
        values, vectors = np.linalg.eigh(spread / inertia.mass)
        made.append((inertia.com + corners * np.sqrt(values) @ vectors.T).T)
    return np.stack(made)


def cross(a: Array, b: Array) -> Array:
    """a x b along the last axis, broadcast; several times faster than np.cross on large arrays."""
    ax, ay, az = np.moveaxis(a, -1, 0)
    bx, by, bz = np.moveaxis(b, -1, 0)
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


# ---- curves ------------------------------------------------------------------------------------------


def curve(points: Points, time: ArrayLike) -> Array:
    """(T,) a smooth curve through (time, value) points at rest at both ends: quintic, four times smooth.

    Before the first and after the last point it keeps their values.
    """
    knots, values = np.array(points, dtype=float).T
    still = [(1, 0.0), (2, 0.0)]
    spline = make_interp_spline(knots, values, k=5, bc_type=(still, still))
    return spline(np.clip(time, knots[0], knots[-1]))


def periodic_curve(points: Points, phase: ArrayLike) -> Array:
    """(T,) a smooth curve through (percent of the period, value) points, at phases (T,) in periods."""
    percent, values = np.array([*points, (points[0][0] + 100, points[0][1])], dtype=float).T
    spline = CubicSpline(percent, values, bc_type="periodic", extrapolate="periodic")
    return spline(100 * np.asarray(phase))


def step(x: ArrayLike) -> Array:
    """0 for x <= 0, 1 for x >= 1, between them a polynomial with three continuous derivatives."""
    s = np.clip(x, 0.0, 1.0)
    return s**4 * (35 - 84 * s + 70 * s**2 - 20 * s**3)


# ---- the file ----------------------------------------------------------------------------------------


def motion_file(person: Person, pose: Pose, fps: float, source: str) -> dict[str, NDArray]:
    """The arrays of a motion's npz in AMASS' layout, with our `family` and `source`."""
    poses, trans = person.arrays(pose)
    return {
        "poses": np.round(poses / QUANTUM) * QUANTUM,
        "trans": np.round(trans / QUANTUM) * QUANTUM,
        "betas": np.zeros(person.body.num_betas),
        "gender": np.array("neutral"),
        "mocap_framerate": np.array(float(fps)),
        "family": np.array(person.body.family),
        "source": np.array(source),
    }


def save(path: str | Path, arrays: Mapping[str, NDArray]) -> None:
    """Write a motion's npz."""
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
