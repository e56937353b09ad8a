"""Makes models/run.npz, the embedded example run of the default body: `python models/generate_run.py`.

A straight, level, steady run at 3.0 m/s and 167 steps/min: six identical strides of 86 frames at 120
frames/s, the right side half a stride after the left and mirrored. World z up, floor z = 0, along +x, left
+y; pelvis_world = J_pelvis + trans. Frame 0 is a contact of the left heel.

The road: the centre of mass is prescribed. It follows from the floor's force, which is a smooth curve
during each contact and zero in flight, so that flight is free fall exactly. During contact a foot rolls
over heel, ball and toes without slipping (motion_foot.py), in swing it moves along splines; pelvis, trunk
and arms are short Fourier series. Pelvis and legs are then solved for in every frame (motion_maker.py). A
nonlinear least squares finds the forces' shape, the splines and the series, near the cited joint angles
(CURVES), such that
  - no moment acts about the centre of mass in flight, and on the floor the moment fits a centre of pressure
    under the foot;
  - the legs reach, the swinging foot clears the floor, and what is near the floor stands still;
  - pelvis, trunk, arms and legs are hardly accelerated above 6 Hz (TREMOR_SIGMA). Flight without moment would
    else be bought with a pelvis that trembles.

What CURVES is: key points of the size and timing of the sources' curves at 3-3.5 m/s, from memory of their
figures, rounded and joined by periodic cubic splines; good to some 5 degrees, not a copy of any data set.
Hip flexion is the thigh against the vertical. The run leaves them where feet, floor and forces want it
(models/README.md has the numbers).

Sources
  Novacheck 1998, The biomechanics of running, Gait & Posture 7:77-95, doi 10.1016/S0966-6362(97)00038-6:
    hip, knee, ankle and pelvis in running, toe-off before 40 % of the stride, two flights.
  Fukuchi, Fukuchi & Duarte 2017, A public dataset of running biomechanics, PeerJ 5:e3298, doi
    10.7717/peerj.3298: joint angles and ground forces at 2.5, 3.5 and 4.5 m/s.
  Hamner, Seth & Delp 2010, J Biomech 43:2709-2716, doi 10.1016/j.jbiomech.2010.06.025: the arms balance the
    legs' angular momentum about the vertical.
Arm angles, trunk angles and the feet's roll are ours.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from motion_fit import bumps, least_squares, leg_angles, stack
from motion_foot import Foot, low_point_residuals
from motion_maker import (
    Array,
    FootPlace,
    Person,
    Points,
    Pose,
    cross,
    motion_file,
    periodic_curve,
    save,
)
from numpy.typing import NDArray

from smpl2mjcf.assembly import GRAVITY
from smpl2mjcf.body_files import default_body

FPS = 120.0  # frames per second
STRIDE = 86  # frames in a stride, even so that a step is a whole number of frames too
STEP = STRIDE // 2
NUM_STRIDES = 6
SPEED = 3.0  # m/s
CONTACT = 30  # frames from a foot's first to its last force
ADVANCE = SPEED * STRIDE / FPS  # m a stride
SOURCE = "smpl2mjcf example run at 3.0 m/s, made by models/generate_run.py from cited joint-angle curves"

# ---- what running looks like: (percent of the stride from the left foot's contact, degrees) ------------

CURVES: dict[str, Points] = {
    "hip_flexion": (
        *((0, 27), (5, 25.5), (10, 21), (15, 14.5), (20, 6), (25, -4), (30, -14), (35, -21.5)),
        *((39, -25), (43, -24.5), (50, -17), (55, -8), (60, 3), (65, 15), (70, 26)),
        *((75, 34), (80, 38.5), (85, 39), (90, 36), (95, 31)),
    ),
    "knee_flexion": (
        *((0, 15), (5, 27), (10, 37), (15, 42), (20, 39.5), (25, 32), (30, 23.5), (35, 17.5)),
        *((38, 18), (42, 26), (47, 42), (52, 61), (57, 79), (62, 91), (66, 95), (70, 93)),
        *((75, 81), (80, 61), (85, 38), (90, 19.5), (94, 12), (97, 11.5)),
    ),
    "ankle_dorsiflexion": (
        *((0, 6), (4, 5), (8, 11), (12, 17), (17, 21.5), (21, 22), (25, 18), (29, 8), (33, -7)),
        *((37, -20), (40, -24), (45, -20), (52, -11), (60, -4), (70, 1), (80, 4), (90, 5), (95, 6)),
    ),
    "hip_adduction": (
        *((0, 6), (10, 10), (16, 11), (25, 7), (35, 1), (42, -2), (55, -3), (70, -1), (85, 3)),
    ),
    "pelvis_list": ((0, 2), (8, 5), (16, 4), (25, 1), (37, -1)),
    "pelvis_rotation": ((0, 3), (12, 1), (25, -2), (38, -4)),
    "pelvis_tilt": ((0, 3), (12.5, 3.5), (25, 4), (37.5, 3.5)),
    "trunk_list": ((0, -2), (8, -4), (16, -3.5), (25, -1), (37, 1)),
    "trunk_rotation": ((0, -14), (12, -6), (25, 5), (38, 13)),
    "trunk_tilt": ((0, 5), (12.5, 5.5), (25, 5), (37.5, 4.5)),
    "shoulder_flexion": (
        *((0, -34), (10, -22), (20, -7), (30, 4), (40, 9), (50, 8), (60, -3)),
        *((70, -16), (80, -27), (90, -32)),
    ),
    "elbow_flexion": ((0, 102), (20, 98), (40, 105), (50, 108), (60, 105), (80, 100), (90, 100)),
    "shoulder_adduction": ((0, -15), (50, -15)),
    "shoulder_rotation": ((0, -20), (50, -20)),
}
EVERY_STEP = {"pelvis_tilt": 1, "trunk_tilt": 1}
MIDLINE = ("pelvis_tilt", "pelvis_list", "pelvis_rotation", "trunk_tilt", "trunk_list", "trunk_rotation")
ARM = ("shoulder_flexion", "shoulder_adduction", "shoulder_rotation", "elbow_flexion")
REST_OFFSET_DEG = {
    "hip_flexion": 4.0,
    "knee_flexion": -5.3,
    "ankle_dorsiflexion": -5.9,
    "shoulder_flexion": 5.9,
    "elbow_flexion": -5.4,
}

HEEL_UP = (
    (0, 0),
    (16, 0),
    (22, 6),
    (28, 24),
    (34, 50),
    (40, 68),
    (48, 84),
    (57, 92),
    (64, 80),
    (72, 45),
    (80, 12),
    (86, 0),
    (93, 0),
)
TOE_UP = ((0, 16), (4, 5), (8, 0), (15, 0), (60, 0), (80, 0), (85, 6), (90, 20), (94, 28), (97, 25))
HEEL_UP_SPAN = (0.13, 0.90)
TOE_UP_SPAN = (0.70, 1.09)

STEP_WIDTH = 0.09
SLIP_SIGMA = 0.001  # m
CLEARANCE_SIGMA = 0.001  # m
CLEARANCE = (
    (0, -1),
    (0.34, -0.001),
    (0.38, 0.009),
    (0.45, 0.04),
    (0.55, 0.07),
    (0.75, 0.06),
    (0.85, 0.05),
    (0.92, 0.03),
    (0.96, 0.012),
    (0.98, 0.004),
    (1, 0),
)
PRESSURE = ((0, -0.045), (0.1, -0.02), (0.2, 0.03), (0.4, 0.09), (0.6, 0.13), (0.8, 0.15), (1.0, 0.165))
"""m ahead of the ankle in standing, by the part of the contact."""
BRAKING = -0.6
"""Body weights, of the forward force's first function: braking, then pushing, of some 0.2 (Fukuchi 2017)."""

SIGMA_DEG = {
    "hip_flexion": 2.2,
    "hip_adduction": 3.0,
    "hip_rotation": 6.0,
    "knee_flexion": 1.5,
    "ankle_dorsiflexion": 1.5,
    "ankle_inversion": 5.0,
    "ankle_rotation": 8.0,
    "pelvis_tilt": 1.5,
    "pelvis_list": 1.5,
    "pelvis_rotation": 2.0,
    "trunk_tilt": 2.0,
    "trunk_list": 2.0,
    "trunk_rotation": 4.0,
    "shoulder_flexion": 2.5,
    "shoulder_adduction": 2.0,
    "shoulder_rotation": 3.0,
    "elbow_flexion": 5.0,
}
PRESSURE_SIGMA = 0.007  # m
MOMENT_SIGMA = 0.5  # N m
SMOOTH_SIGMA = 40.0
SWAY_SIGMA = 2.0  # m/s2, the pelvis' forward acceleration
TREMOR_FROM = 6.0  # Hz
TREMOR_SIGMA = {
    "pelvis": 1.0,
    "neck": 1.0,
    "left_wrist": 5.0,
    "left_knee": 7.0,
    "left_ankle": 20.0,
    "left_foot": 20.0,
}
"""m/s2, by joint: of each cosine and sine of its acceleration above TREMOR_FROM. Wide where a foot that
lands, stands and leaves has to be quick."""
LEAST_KNEE = np.deg2rad(11.5)
STRAIGHTEST = np.deg2rad(6.0)
LEAST_SHOULDER = np.deg2rad(-33.0)
LARGEST_DORSIFLEXION = np.deg2rad(28.0)
"""An upper arm much further back leaves its published range, and so does a foot at more than 20 degrees, but
that was measured without load (docs/joints.md)."""

PHASE = np.arange(STRIDE) / STRIDE


def cited(name: str) -> Array:
    """(STRIDE,) rad, the cited curve of a coordinate; zero where none is cited."""
    if name not in CURVES:
        return np.zeros(STRIDE)
    points = list(CURVES[name])
    if name in MIDLINE:
        sign = EVERY_STEP.get(name, -1)
        points += [(percent + 50, sign * value) for percent, value in points]
    return np.deg2rad(periodic_curve(points, PHASE) + REST_OFFSET_DEG.get(name, 0.0))


def harmonics(name: str) -> tuple[int, ...]:
    """The harmonics of the stride that a coordinate's series has; 0 is its mean."""
    if name in ("shoulder_adduction", "shoulder_rotation"):
        return (0, 1, 2)
    if name in ARM:
        return tuple(range(5))
    return tuple(range(0 if name in EVERY_STEP else 1, 9, 2))  # to 11 Hz


def fourier(name: str) -> Array:
    """(STRIDE, K) the Fourier functions of a coordinate."""
    columns = []
    for h in harmonics(name):
        columns.append(np.cos(2 * np.pi * h * PHASE))
        if h:
            columns.append(np.sin(2 * np.pi * h * PHASE))
    return np.stack(columns, axis=1)


def spectral(order: int) -> NDArray:
    """(STRIDE, STRIDE) the order-th derivative of a function that repeats every stride."""
    w = 2j * np.pi * np.fft.fftfreq(STRIDE, 1 / FPS)
    w[STRIDE // 2] = 0
    return np.fft.ifft((w**order)[:, None] * np.fft.fft(np.eye(STRIDE), axis=0), axis=0).real


def tremor() -> Array:
    """(K, STRIDE) that takes a path to its acceleration above TREMOR_FROM: root mean square of each part."""
    h = np.arange(int(TREMOR_FROM * STRIDE / FPS) + 1, STRIDE // 2)[:, None]
    gain = np.sqrt(2) * (2 * np.pi * h * FPS / STRIDE) ** 2 / STRIDE
    return np.concatenate([gain * np.cos(2 * np.pi * h * PHASE), gain * np.sin(2 * np.pi * h * PHASE)])


FINE = 64


def profile(s: Array) -> Array:
    """A foot's force by the part of its contact: smooth at both ends, flatter on top than a sine squared."""
    y = np.sin(np.pi * s) ** 2
    return y * (1.3 - 0.6 * y)


def force_basis() -> dict[str, tuple[Array, Array]]:
    """By axis: forces (STRIDE, K) in body weights and the centre of mass' path (STRIDE, K) m they drive."""
    u = np.arange(STRIDE * FINE) / FINE  # frames
    made = {}
    for axis, sign in (("forward", 1), ("left", -1), ("up", 1)):
        rows = []
        for k in range({"forward": 6, "left": 3, "up": 5}[axis]):
            f = np.zeros(len(u))
            for foot, side in ((0, 1), (STEP, sign)):
                s = (u - foot) % STRIDE / CONTACT
                f += side * np.where(s < 1, profile(s) * np.cos(np.pi * k * s), 0)
            rows.append(f)
        F = np.stack(rows, axis=1)
        if axis != "left":  # the mean is zero, or one for the first
            F[:, 1:] -= F[:, :1] * (F[:, 1:].mean(0) / F[:, 0].mean())
            F[:, 0] /= F[:, 0].mean()
            if axis == "forward":
                F = F[:, 1:]
        w = 2 * np.pi * np.fft.fftfreq(len(u), 1 / (FPS * FINE))
        spectrum = np.fft.fft((F - F.mean(0)) * GRAVITY, axis=0)
        w[0] = 1.0
        path = np.fft.ifft(spectrum / -(w[:, None] ** 2), axis=0).real
        made[axis] = F[::FINE], path[::FINE]
    return made


class Run:
    """The run as a function of its parameters, and the residuals of its least squares."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.foot = Foot(person)
        self.forces = force_basis()
        t = np.arange(STRIDE, dtype=float)
        self.swing = bumps(np.where(t < 8, t + STRIDE, t), CONTACT - 1.2, STRIDE + 1.0, 2.8)
        late = np.where(t < 0.2 * STRIDE, t + STRIDE, t)
        self.toe_up = bumps(late, TOE_UP_SPAN[0] * STRIDE, TOE_UP_SPAN[1] * STRIDE, 3.2, 4)
        self.heel_up = bumps(t, HEEL_UP_SPAN[0] * STRIDE, HEEL_UP_SPAN[1] * STRIDE, 4.0, 4)
        s = np.clip((t - CONTACT) / (STRIDE - CONTACT), 0, 1)
        self.progress = s**4 * (35 - 84 * s + 70 * s**2 - 20 * s**3)
        self.blocks: dict[str, slice] = {}
        self.size = 0
        for name, width in (
            ("print", 1),
            ("height", 1),
            ("up", 4),
            ("forward", 5),
            ("left", 3),
            ("toe_up", self.toe_up.shape[1]),
            ("heel_up", self.heel_up.shape[1]),
            *((f"swing_{a}", self.swing.shape[1]) for a in ("forward", "left", "up")),
            *((name, fourier(name).shape[1]) for name in (*MIDLINE, *ARM)),
        ):
            self.blocks[name] = slice(self.size, self.size + width)
            self.size += width
        self.fourier = {name: fourier(name) for name in (*MIDLINE, *ARM)}
        self.cited = {name: cited(name) for name in SIGMA_DEG}
        self.D = spectral(1)
        self.tremor = tremor()

    def start(self) -> Array:
        """(size,) parameters of the cited curves, the swinging foot where they take it."""
        c = np.zeros(self.size)
        for name in (*MIDLINE, *ARM):
            c[self.blocks[name]] = np.linalg.lstsq(self.fourier[name], self.cited[name], rcond=None)[0]
        c[self.blocks["toe_up"]] = np.linalg.lstsq(
            self.toe_up, np.deg2rad(periodic_curve(TOE_UP, PHASE)), rcond=None
        )[0]
        c[self.blocks["heel_up"]] = np.linalg.lstsq(
            self.heel_up, np.deg2rad(periodic_curve(HEEL_UP, PHASE)), rcond=None
        )[0]
        c[self.blocks["forward"].start] = BRAKING
        c[self.blocks["print"]] = 0.25
        c[self.blocks["height"]] = 0.905
        # The swinging ankle where the cited curves take it from a pelvis in steady flight.
        person, T = self.person, STRIDE
        angles = {name: self.cited[name] for name in MIDLINE}
        for name in ("hip_flexion", "knee_flexion", "ankle_dorsiflexion", "hip_adduction"):
            angles[f"left_{name}"] = self.cited[name]
        pelvis = np.stack([SPEED * np.arange(T) / FPS, np.zeros(T), np.full(T, 0.0)], axis=1)
        pose = person.pose(person.local(angles), pelvis)
        ankle = pose.position[:, person.index("left_ankle")]
        stance = self._stance(c[None]).ankle[0]
        shift = (stance - ankle)[:CONTACT].mean(0)
        off = ankle + shift - stance
        off[:, 0] -= ADVANCE * self.progress
        for i, a in enumerate(("forward", "left", "up")):
            c[self.blocks[f"swing_{a}"]] = np.linalg.lstsq(
                self.swing[CONTACT:], off[CONTACT:, i], rcond=1e-3
            )[0]
        c[self.blocks["swing_left"]] *= 0
        return c

    def _stance(self, c: Array) -> FootPlace:
        toe_up = c[:, self.blocks["toe_up"]] @ self.toe_up.T
        heel_up = c[:, self.blocks["heel_up"]] @ self.heel_up.T
        s = self.foot.stance(toe_up, heel_up)
        # The toes relax in swing.
        t = np.arange(STRIDE)
        relax = np.interp(t, [0, CONTACT, CONTACT + 14, STRIDE - 14, STRIDE], [0, 0, 1, 1, 0])
        relax = relax**3 * (10 - 15 * relax + 6 * relax**2)
        return FootPlace(s.ankle, s.rotation, s.toe_extension * (1 - 0.8 * relax))

    def feet(self, c: Array) -> dict[str, FootPlace]:
        """Ankles (P, T, 3) m in the world, rotations and toe extensions of both feet over a stride."""
        stance = self._stance(c)
        swing = np.stack(
            [c[:, self.blocks[f"swing_{a}"]] @ self.swing.T for a in ("forward", "left", "up")], -1
        )
        place = np.zeros((len(c), 1, 3))
        place[..., 0], place[..., 1] = c[:, self.blocks["print"]], STEP_WIDTH / 2
        ankle = stance.ankle + swing + place
        ankle[..., 0] += ADVANCE * self.progress
        other = np.concatenate([ankle[:, STEP:] - [ADVANCE, 0, 0], ankle[:, :STEP]], 1)
        other = (other + [ADVANCE / 2, 0, 0]) * [1, -1, 1]
        return {
            "left": FootPlace(ankle, stance.rotation, stance.toe_extension),
            "right": FootPlace(
                other, np.roll(stance.rotation, STEP, 1), np.roll(stance.toe_extension, STEP, 1)
            ),
        }

    def com(self, c: Array) -> tuple[Array, Array]:
        """(P, T, 3) the centre of mass m and the ground's force in body weights."""
        F, path = np.zeros((len(c), STRIDE, 3)), np.zeros((len(c), STRIDE, 3))
        for i, axis in enumerate(("forward", "left", "up")):
            k = c[:, self.blocks[axis]]
            if axis == "up":
                k = np.concatenate([np.ones((len(c), 1)), k], 1)
            F[..., i], path[..., i] = k @ self.forces[axis][0].T, k @ self.forces[axis][1].T
        path[..., 0] += SPEED * np.arange(STRIDE) / FPS
        path[..., 2] += c[:, self.blocks["height"]]
        return path, F

    def angles(self, c: Array) -> dict[str, Array]:
        """Coordinates (P, T) rad of pelvis, trunk, head and arms."""
        a = {name: c[:, self.blocks[name]] @ self.fourier[name].T for name in (*MIDLINE, *ARM)}
        out = {name: a[name] for name in MIDLINE}
        for kind in ("tilt", "list", "rotation"):
            out[f"head_{kind}"] = -a[f"pelvis_{kind}"] - a[f"trunk_{kind}"]
        for name in ARM:
            out[f"left_{name}"], out[f"right_{name}"] = a[name], np.roll(a[name], STEP, 1)
        return out

    def pose(self, c: Array) -> tuple[Pose, Array]:
        """The body over a stride (P, T) and its legs' least slack (P, T, 2)."""
        person = self.person
        target, _ = self.com(c)
        local = person.local(self.angles(c))
        feet = self.feet(c)
        return person.stand(local, target, feet, STRAIGHTEST)

    def residuals(self, c: Array, ease: float = 1.0) -> Array:
        """(P, R) residuals in standard deviations; ease: how many times larger the moments' are."""
        person, weight = self.person, self.person.weight
        pose, slack = self.pose(c)
        com, F = self.com(c)
        F = F * weight
        T = np.sqrt(STRIDE)
        parts = []
        found = leg_angles(person, pose.local, "left", 1.0)
        found |= {name: c[:, self.blocks[name]] @ self.fourier[name].T for name in (*MIDLINE, *ARM)}
        for name, sigma in SIGMA_DEG.items():
            parts.append((found[name] - self.cited[name]) / (np.deg2rad(sigma) * T))
        # Moments about the centre of mass: the ground's through the wished centre of pressure.
        L = person.angular_momentum(pose, lambda X: self.D @ X)
        moment = self.D @ L
        cop = self.pressure(c)
        want = cross(cop - com, F)
        spread = MOMENT_SIGMA + PRESSURE_SIGMA * np.abs(F[..., 2:])
        parts.append((moment - want) / (spread * T * ease))
        # Legs that reach, joints in range, feet that clear the floor, roll angles that are not negative.
        least = 1 - np.cos(LEAST_KNEE)
        parts.append(np.minimum(slack - least, 0) / (0.002 * T))
        parts.append(np.minimum(found["shoulder_flexion"] - LEAST_SHOULDER, 0) / (0.005 * T))
        parts.append(np.maximum(found["ankle_dorsiflexion"] - LARGEST_DORSIFLEXION, 0) / (0.001 * T))
        for name, basis in (("toe_up", self.toe_up), ("heel_up", self.heel_up)):
            parts.append(np.minimum(c[:, self.blocks[name]] @ basis.T, 0) / (0.003 * T))
        parts.append(self.clearance(c, pose))
        # Smooth. The paths of pelvis, neck and left limbs repeat once the travel is taken off.
        travel = SPEED / FPS * np.outer(np.arange(STRIDE), [1, 0, 0])
        for joint, sigma in TREMOR_SIGMA.items():
            parts.append(self.tremor @ (pose.position[:, :, person.index(joint)] - travel) / sigma)
        sway = self.D @ (self.D @ (pose.position[:, :, 0] - travel)[..., :1])
        parts.append(sway / (SWAY_SIGMA * T))
        for name in self.fourier:
            order = np.array([h for h in harmonics(name) for _ in range(2 if h else 1)])
            parts.append(c[:, self.blocks[name]] * order**3 / SMOOTH_SIGMA)
        for name, sigma in (
            ("swing_forward", 0.05),
            ("swing_left", 0.02),
            ("swing_up", 0.05),
            ("toe_up", 0.4),
            ("heel_up", 0.4),
        ):
            k = c[:, self.blocks[name]]
            k = np.pad(k, ((0, 0), (2, 2)))
            parts.append(np.diff(k, 3, axis=1) / (sigma * np.sqrt(k.shape[1])))
        parts.append(c[:, self.blocks["up"]] / 0.17)
        parts.append(np.maximum(-F[..., 2] / weight, 0) / 0.001)
        parts.append((c[:, self.blocks["forward"]] - [BRAKING, 0, 0, 0, 0]) / 0.15)
        parts.append(c[:, self.blocks["left"]] / 0.06)
        toe = c[:, self.blocks["toe_up"]] @ self.toe_up.T - np.deg2rad(
            np.maximum(periodic_curve(TOE_UP, PHASE), 0)
        )
        parts.append(toe / (np.deg2rad(4.0) * T))
        heel = c[:, self.blocks["heel_up"]] @ self.heel_up.T - np.deg2rad(
            np.maximum(periodic_curve(HEEL_UP, PHASE), 0)
        )
        parts.append(heel / (np.deg2rad(8.0) * T))
        return stack(parts)

    def pressure(self, c: Array) -> Array:
        """(P, T, 3) m, where the centre of pressure should be."""
        t = np.arange(STRIDE)
        out = np.zeros((len(c), STRIDE, 3))
        s = t % STEP / CONTACT
        ahead = np.interp(s, *np.array(PRESSURE).T)
        out[..., 0] = c[:, self.blocks["print"]] + ahead + np.where(t >= STEP, ADVANCE / 2, 0)
        out[..., 1] = np.where(t >= STEP, -1, 1) * (STEP_WIDTH / 2 + 0.012)
        return out

    def clearance(self, c: Array, pose: Pose) -> Array:
        """The swinging foot's heel and toes: high enough, and hardly moving along the floor where low."""
        t = np.arange(STRIDE)
        floor = np.interp(t, *np.array(CLEARANCE).T * [[STRIDE], [1]])
        parts = []
        leaving, landing = slice(CONTACT, CONTACT + 8), slice(STRIDE - 10, STRIDE)
        for X in self.foot.sole_points(pose):
            home = np.where(
                (t < STRIDE // 2 + 10)[:, None], X[:, CONTACT - 1 : CONTACT, :2], X[:, :1, :2] + [ADVANCE, 0]
            )
            deep, astray = low_point_residuals(X, floor, home)
            parts.append(deep[:, CONTACT + 2 :] / (CLEARANCE_SIGMA * np.sqrt(STRIDE)))
            for rows in (leaving, landing):
                parts.append(astray[:, rows] / (SLIP_SIGMA * np.sqrt(STRIDE)))
        return stack(parts)


def run() -> dict[str, NDArray]:
    """The arrays of run.npz."""
    person = Person(default_body())
    made = Run(person)
    c = made.start()
    for ease, steps in ((30.0, 6), (5.0, 6), (1.0, 30)):

        def eased(batch: Array, ease: float = ease) -> Array:
            return made.residuals(batch, ease)

        c = least_squares(eased, c, steps)
    return finish(made, c)


def finish(made: Run, c: Array) -> dict[str, NDArray]:
    """The arrays of the whole file from the parameters of a stride."""
    pose, _ = made.pose(c[None])
    local, position = pose.local[0], pose.position[0]
    position = np.concatenate([position + [ADVANCE * k, 0, 0] for k in range(NUM_STRIDES)])
    local = np.tile(local, (NUM_STRIDES, 1, 1, 1))
    return motion_file(made.person, Pose(local, local, position), FPS, SOURCE)


if __name__ == "__main__":
    save(Path(__file__).with_name("run.npz"), run())
