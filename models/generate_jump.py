"""Makes models/jump.npz, the embedded example jump of the default body: `python models/generate_jump.py`.

A counter-movement jump with an arm swing, from quiet standing to quiet standing: 385 frames at 120
frames/s, left and right alike. World z up, floor z = 0, facing +x, left +y; pelvis_world = J_pelvis +
trans. The feet land where they left.

The road: the centre of mass is prescribed. Its height follows from a force curve (PUSH, CATCH); in flight
it falls freely and exactly. On the floor the feet roll over ball and toes without slipping
(motion_foot.py), in flight they move along splines; trunk and arms follow curves. Pelvis and legs are then
solved for in every frame (motion_maker.py), and a nonlinear least squares moves the splines and curves a
little so that
  - no moment acts about the centre of mass in flight, and on the floor the moment fits a centre of pressure
    under the feet;
  - the legs reach, what is near the floor stands still, and all of it stays smooth.
Quiet standing is not still: the trunk breathes by a third of a degree.

What CURVES, PUSH, CATCH and the other tables are: key points of ours, of the size and timing that the
sources describe, moved by hand to where earlier fits led; no data were copied. On the floor the legs'
angles are results.

Sources
  Bobbert, Huijing & van Ingen Schenau 1987, Drop jumping I, Med Sci Sports Exerc 19:332-338: counter-
    movement jumps beside drop jumps.
  Feltner, Fraschetti & Crisp 1999, J Sports Sci 17:449-466, doi 10.1080/026404199365768: take-off at 2.75
    (0.3) m/s with an arm swing and 2.44 (0.23) without; the swing slows the trunk's extension.
  Vaverka et al. 2016, J Hum Kinet 53:41-50, doi 10.1515/hukin-2016-0009: the force's phases with an arm
    swing.
  Rojano Ortega, Rodriguez Bies & Berral de la Rosa 2010, J Sports Sci Med 9:282-287: landing on the balls
    of the feet, then the heels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from motion_fit import bumps, least_squares, stack
from motion_foot import Foot, low_point_residuals
from motion_maker import Array, FootPlace, Person, Points, Pose, curve, motion_file, save
from numpy.typing import NDArray
from scipy.interpolate import make_interp_spline
from scipy.optimize import brentq

from smpl2mjcf.assembly import GRAVITY
from smpl2mjcf.body_files import default_body

FPS = 120.0  # frames per second
NUM_FRAMES = 385
TAKE_OFF, LANDING = 150, 211  # the frames of the last and first force
TAKE_OFF_SPEED = 2.45  # m/s
SOURCE = "smpl2mjcf example counter-movement jump, made by models/generate_jump.py from cited curves"

# ---- what jumping looks like: (seconds, degrees) -------------------------------------------------------

OFF, ON = TAKE_OFF / FPS, LANDING / FPS  # 1.25 s, 1.758 s
END = (NUM_FRAMES - 1) / FPS
CURVES: dict[str, Points] = {
    "pelvis_tilt": (
        *((0.38, 0), (0.52, 3), (0.64, 13), (0.78, 24), (0.90, 25), (0.98, 20), (1.06, 15), (1.14, 12)),
        *((1.20, 10), (1.25, 6), (1.31, 4), (1.40, 6), (1.50, 6), (1.60, 1), (1.68, 1), (1.76, 7)),
        *((1.84, 11), (1.92, 15), (2.02, 22), (2.12, 28), (2.25, 28), (2.40, 18), (2.60, 5), (2.78, 1)),
        *((2.95, 0),),
    ),
    "trunk_tilt": (
        *((0.38, 0), (0.52, 2), (0.64, 8), (0.78, 12), (0.90, 11), (0.98, 8), (1.06, 6), (1.14, 6)),
        *((1.20, 5), (1.25, 2), (1.31, 0), (1.40, 1), (1.50, 4), (1.60, 2), (1.68, 1), (1.76, 3)),
        *((1.84, 6), (1.92, 9), (2.02, 11), (2.12, 13), (2.25, 12), (2.40, 8), (2.60, 3), (2.78, 0)),
        *((2.95, 0),),
    ),
    "head_tilt": (
        *((0.38, 0), (0.64, -6), (0.90, -22), (1.04, -20), (OFF, -6), (1.50, -2), (ON, -4)),
        *((2.00, -16), (2.35, -9), (2.75, 0), (2.95, 0)),
    ),
    "shoulder_flexion": (
        *((0.30, 0), (0.38, -2), (0.52, -21), (0.64, -37), (0.78, -43), (0.90, -12), (0.98, 25)),
        *((1.06, 61), (1.14, 87), (1.20, 105), (1.25, 121), (1.31, 137), (1.40, 143), (1.50, 130)),
        *((1.60, 121), (1.68, 114), (1.76, 94), (1.84, 62), (1.92, 32), (2.02, 12), (2.12, 5), (2.25, 1)),
        *((2.40, -1), (2.60, 2), (2.95, 0)),
    ),
    "elbow_flexion": (
        *((0.30, 8), (0.55, 14), (0.80, 20), (1.00, 45), (1.15, 50), (OFF, 40), (1.45, 35)),
        *((ON, 35), (2.00, 30), (2.40, 16), (2.95, 8)),
    ),
    "shoulder_adduction": (*((0.30, -10), (0.80, -16), (OFF, -14), (ON, -18), (2.95, -10)),),
}
REST_OFFSET_DEG = {"shoulder_flexion": 5.9, "elbow_flexion": -5.4}
BREATH, BREATH_RATE = np.deg2rad(0.3), 0.25  # rad and Hz: nobody stands like a statue
TAKE_OFF_RISE, LEAN = 0.06, 0.05  # m, the centre of mass at take-off above standing, and before the ankles
MOVING = (0.40, 2.95)
FITTED = ("pelvis_tilt", "trunk_tilt", "shoulder_flexion")

HEEL_UP: Points = (
    *((1.02, 0), (1.06, 1.8), (1.10, 9), (1.14, 22), (1.20, 36), (1.25, 41), (1.28, 48), (1.33, 56)),
    *((1.40, 50), (1.50, 36), (1.56, 32), (1.62, 39), (1.70, 48), (1.74, 41), (1.80, 21), (1.83, 9)),
    *((1.87, 0.7), (1.91, 0)),
)
HEEL_UP_SPAN = (0.98, 1.91)
FOOT_LIFT: Points = (
    *((OFF, 0), (1.28, 0.010), (1.30, 0.030), (1.33, 0.075), (1.36, 0.123), (1.40, 0.185), (1.45, 0.242)),
    *((1.50, 0.267), (1.55, 0.261), (1.60, 0.221), (1.64, 0.158), (1.68, 0.082), (1.71, 0.032), (ON, 0)),
)
FOOT_FORWARD: Points = (
    *((OFF, 0), (1.30, -0.011), (1.33, -0.025), (1.36, -0.023), (1.40, 0), (1.45, 0.024), (1.50, 0.036)),
    *((1.55, 0.011), (1.60, -0.042), (1.64, -0.062), (1.68, -0.054), (1.71, -0.028), (ON, 0)),
)
"""s and m: the ankles' way in flight, beyond that of a foot that rolls by HEEL_UP."""
"""In flight; on the floor the knees follow from the feet and the centre of mass."""

# The ground's force in body weights.
PUSH: Points = (
    *((0.40, 1), (0.50, 0.8), (0.624, 0.45), (0.742, 0.75), (0.872, 1.7), (0.99, 2.2), (1.081, 2.35)),
    *((1.151, 2.25), (1.208, 1.0), (OFF, 0)),
)
CATCH: Points = (
    *((ON, 0), (1.788, 0.8), (1.818, 2.2), (1.855, 2.9), (1.90, 2.7), (1.96, 2.1), (2.04, 1.5)),
    *((2.17, 1.2), (2.35, 1.05), (2.50, 0.95), (2.65, 0.88), (2.80, 0.92), (2.93, 1)),
)
FORWARD: Points = (
    *((0.40, 0), (0.60, -0.01), (0.70, 0.04), (0.80, 0.10), (0.90, 0.03), (1.00, -0.11), (1.05, -0.105)),
    *((1.10, -0.06), (1.15, -0.02), (OFF, 0), (ON, 0), (1.85, -0.01), (1.95, -0.06), (2.00, -0.065)),
    *((2.10, 0.03), (2.20, 0.07), (2.30, 0.04), (2.40, 0), (2.50, -0.03), (2.60, -0.02), (2.95, 0)),
)
DIP, SINK = (0.985, 0.33), (2.02, 0.38)
"""s and m: when and how far below standing, and below landing, the centre of mass turns."""
PRESSURE: Points = (
    *((0.35, 0.045), (0.65, 0.04), (0.90, 0.075), (1.05, 0.11), (1.15, 0.125)),
    *((OFF, 0.155), (ON, 0.13), (1.82, 0.12), (1.90, 0.09), (2.1, 0.055), (2.5, 0.045)),
)
"""m ahead of the ankles."""

STANCE_WIDTH = 0.20  # m between the ankles
STAND_KNEE = np.deg2rad(12.0)  # flexion from the straight leg in quiet standing

SIGMA_DEG = {"pelvis_tilt": 2.5, "trunk_tilt": 2.5, "shoulder_flexion": 7.0}
PRESSURE_SIGMA = 0.02  # m
MOMENT_SIGMA, FLIGHT_MOMENT_SIGMA = 1.0, 0.8  # N m
SLIP_SIGMA = 0.0004
LEAST_KNEE, STRAIGHTEST = np.deg2rad(12.0), np.deg2rad(9.0)
CLOSELY = (112, 240)  # frames that the fit looks at one by one; elsewhere every third is enough


def derivative(t: Array) -> Array:
    """(T, T) 1/s, the derivative of the quintic spline through values at times t (T,) s."""
    return make_interp_spline(t, np.eye(len(t)), k=5).derivative()(t)


def path(
    points: Points,
    start: float,
    end: float,
    rise: Array,
    speed: tuple[float, float],
    low: tuple[float, float],
) -> tuple[Array, Array]:
    """The vertical force (T, K) in body weights near `points`, and the height (T, K) m above the start.

    start, end: s. rise: (K,) m from start to end. speed: m/s at start and end. low: s and m below the
    start, where the centre of mass turns.
    """
    fine = 16
    t = np.arange(round(start * FPS) * fine, round(end * FPS) * fine + 1) / (FPS * fine)
    dt, turn_at = 1 / (FPS * fine), round((low[0] - start) * FPS * fine)

    def integrate(a: Array) -> tuple[Array, Array]:
        v, x = np.zeros_like(a), np.zeros_like(a)
        v[1:] = np.cumsum((a[1:] + a[:-1]) / 2, axis=0) * dt
        x[1:] = np.cumsum(v[:-1] * dt + (2 * a[:-1] + a[1:]) * dt**2 / 6, axis=0)
        return v, x

    base = curve(points, t)
    B = bumps(t, max(start, MOVING[0]), min(end, MOVING[1]), 0.05)
    v0, x0 = integrate((base - 1) * GRAVITY)
    x0 = x0 + speed[0] * (t - t[0])
    V, X = integrate(B * GRAVITY)
    A = np.stack([V[-1], X[-1], V[turn_at], X[turn_at]])
    want = np.empty((4, len(rise)))
    want[0], want[1] = speed[1] - speed[0] - v0[-1], rise - x0[-1]
    want[2], want[3] = -speed[0] - v0[turn_at], -low[1] - x0[turn_at]
    # The smallest and smoothest correction that meets speeds and heights.
    bend = np.diff(np.eye(B.shape[1]), 2, axis=0)
    G = np.linalg.solve(np.eye(B.shape[1]) + 4 * bend.T @ bend, A.T)
    k = G @ np.linalg.solve(A @ G, want)
    return (base[:, None] + B @ k)[::fine], (x0[:, None] + X @ k)[::fine]


class Jump:
    """The jump as a function of its parameters, and the residuals of its least squares."""

    def __init__(self, person: Person, frames: NDArray[np.intp]) -> None:
        self.person = person
        self.foot = Foot(person)
        self.frames = frames
        self.t = t = self.frames / FPS
        self.cited = {
            name: np.deg2rad(curve(points, t) + REST_OFFSET_DEG.get(name, 0.0))
            for name, points in CURVES.items()
        }
        self.cited["trunk_tilt"] += BREATH * np.sin(2 * np.pi * BREATH_RATE * t)
        self.moving = bumps(t, *MOVING, 0.10)
        self.heel_up = bumps(t, *HEEL_UP_SPAN, 0.045, 4)
        self.swing = bumps(t, OFF - 0.008, ON + 0.008, 0.035)
        self.heel_prior = np.deg2rad(np.maximum(curve(HEEL_UP, t), 0)) * (
            (t > HEEL_UP[0][0]) & (t < HEEL_UP[-1][0])
        )
        self._vertical()
        self._horizontal()
        self.blocks: dict[str, slice] = {}
        self.size = 0
        for name, width in (
            ("take_off", 1),
            ("lean", 1),
            ("forward", self.forward[0].shape[1]),
            ("heel_up", self.heel_up.shape[1]),
            ("swing_up", self.swing.shape[1]),
            ("swing_forward", self.swing.shape[1]),
            *((name, self.moving.shape[1]) for name in FITTED),
        ):
            self.blocks[name] = slice(self.size, self.size + width)
            self.size += width
        self.D = derivative(t)
        self.share = np.sqrt(np.gradient(t) / t[-1])
        self.pressure = curve(PRESSURE, t)
        self.stand = self._standing_height()

    def _vertical(self) -> None:
        """Force and height over standing, for a take-off (rise above standing) of 0 and of 1 m."""
        rises = np.array([0.0, 1.0])
        T = ON - OFF
        F = np.zeros((NUM_FRAMES, 2))
        z = np.zeros((NUM_FRAMES, 2))
        F[: TAKE_OFF + 1], z[: TAKE_OFF + 1] = path(PUSH, 0.0, OFF, rises, (0.0, TAKE_OFF_SPEED), DIP)
        s = (np.arange(TAKE_OFF, LANDING + 1) - TAKE_OFF) / FPS
        z[TAKE_OFF : LANDING + 1] = rises + (TAKE_OFF_SPEED * s - GRAVITY * s**2 / 2)[:, None]
        down = z[LANDING]
        F[LANDING:], x = path(CATCH, ON, END, -down, (TAKE_OFF_SPEED - GRAVITY * T, 0.0), SINK)
        z[LANDING:] = down + x
        F[TAKE_OFF : LANDING + 1] = 0
        self.force, self.height = F[self.frames], z[self.frames]

    def _horizontal(self) -> None:
        """Forward forces (T, K) in body weights, and paths (T, K) m that end at rest where they began."""
        t = np.arange(NUM_FRAMES * 16) / (FPS * 16)
        B = np.concatenate([bumps(t, MOVING[0], OFF, 0.12), bumps(t, ON, MOVING[1], 0.12)], axis=1) * GRAVITY
        dt = t[1]
        v = np.cumsum(B, 0) * dt
        x = np.cumsum(v, 0) * dt - v * dt / 2
        _, _, Vt = np.linalg.svd(np.stack([v[-1], x[-1]]))
        free = Vt[2:].T
        self.forward = (B @ free / GRAVITY)[::16][self.frames], (x @ free)[::16][self.frames]

    def _standing_height(self) -> float:
        """m, the centre of mass where the knees have STAND_KNEE's flexion."""
        person = self.person
        first = {name: values[:1] for name, values in self.cited.items()}
        local = person.local(self._angles(first))
        feet = {
            side: FootPlace(place.ankle[0, :1], place.rotation[0, :1], place.toe_extension[0, :1])
            for side, place in self.feet(np.zeros((1, self.size))).items()
        }

        def excess(height: float) -> float:
            slack = person.stand(local, np.array([[self.pressure[0], 0.0, height]]), feet)[1]
            return float(slack[0, 0] - (1 - np.cos(STAND_KNEE)))

        return float(brentq(excess, 0.7, 1.0))

    def _angles(self, a: dict[str, Array]) -> dict[str, Array]:
        out = {name: a[name] for name in ("pelvis_tilt", "trunk_tilt", "head_tilt")}
        for side in ("left", "right"):
            for name in ("shoulder_flexion", "shoulder_adduction", "elbow_flexion"):
                out[f"{side}_{name}"] = a[name]
        return out

    def angles(self, c: Array) -> dict[str, Array]:
        """Coordinates (P, T) rad of trunk, head and arms."""
        a = {name: np.broadcast_to(values, (len(c), len(self.t))) for name, values in self.cited.items()}
        for name in FITTED:
            a[name] = a[name] + c[:, self.blocks[name]] @ self.moving.T
        return self._angles(a)

    def com(self, c: Array) -> tuple[Array, Array]:
        """(P, T, 3) the centre of mass m and the ground's force in body weights."""
        shape = (len(c), len(self.t), 3)
        F, x = np.zeros(shape), np.zeros(shape)
        rise = c[:, self.blocks["take_off"]]
        F[..., 2] = self.force[:, 0] + rise * (self.force[:, 1] - self.force[:, 0])
        x[..., 2] = self.stand + self.height[:, 0] + rise * (self.height[:, 1] - self.height[:, 0])
        k = c[:, self.blocks["forward"]]
        F[..., 0], x[..., 0] = k @ self.forward[0].T, k @ self.forward[1].T
        x[..., 0] += c[:, self.blocks["lean"]]
        return x, F

    def feet(self, c: Array) -> dict[str, FootPlace]:
        """Both feet in the world, (P, T)."""
        heel_up = c[:, self.blocks["heel_up"]] @ self.heel_up.T
        place = self.foot.stance(np.zeros_like(heel_up), heel_up)
        relax = np.interp(self.t, [OFF, OFF + 0.15, ON - 0.2, ON - 0.03], [0, 1, 1, 0])
        relax = 1 - 0.6 * relax**3 * (10 - 15 * relax + 6 * relax**2)
        made = {}
        for side, mirror in (("left", 1.0), ("right", -1.0)):
            ankle = place.ankle + [0, mirror * STANCE_WIDTH / 2, 0]
            ankle[..., 0] += c[:, self.blocks["swing_forward"]] @ self.swing.T
            ankle[..., 2] += c[:, self.blocks["swing_up"]] @ self.swing.T
            made[side] = FootPlace(ankle, place.rotation, place.toe_extension * relax)
        return made

    def pose(self, c: Array) -> tuple[Pose, Array]:
        """The body (P, T) and its legs' slack (P, T, 2)."""
        return self.person.stand(self.person.local(self.angles(c)), self.com(c)[0], self.feet(c), STRAIGHTEST)

    def start(self) -> Array:
        """(size,) parameters of the curves as they stand."""
        c = np.zeros(self.size)
        c[self.blocks["take_off"]] = TAKE_OFF_RISE
        c[self.blocks["lean"]] = LEAN
        flight = (self.t >= OFF) & (self.t <= ON)
        on_floor = ~flight & (self.t > MOVING[0]) & (self.t < MOVING[1])
        for name, basis, wanted, rows in (
            ("forward", self.forward[0], curve(FORWARD, self.t), on_floor),
            ("heel_up", self.heel_up, self.heel_prior, self.heel_prior > 0),
            ("swing_up", self.swing, curve(FOOT_LIFT, self.t), flight),
            ("swing_forward", self.swing, curve(FOOT_FORWARD, self.t), flight),
        ):
            c[self.blocks[name]] = np.linalg.lstsq(basis[rows], wanted[rows], rcond=1e-3)[0]
        return c

    def residuals(self, c: Array, ease: float = 1.0) -> Array:
        """(P, R) residuals in standard deviations; ease: how many times larger the moments' are."""
        person, t = self.person, self.t
        w = self.share  # of a frame in a mean square over the jump
        pose, slack = self.pose(c)
        com, F = self.com(c)
        F = F * person.weight
        flight = (t >= OFF) & (t <= ON)
        parts = []
        for name in FITTED:
            k = c[:, self.blocks[name]]
            parts.append(k @ self.moving.T * (w / np.deg2rad(SIGMA_DEG[name])))
            k = np.pad(k, ((0, 0), (2, 2)))
            parts.append(np.diff(k, 3, axis=1) / (0.3 * np.sqrt(k.shape[1])))
        L = person.angular_momentum(pose, lambda X: self.D @ X)[..., 1]
        moment = L @ self.D.T
        arm = self.pressure - com[..., 0]
        want = -com[..., 2] * F[..., 0] - arm * F[..., 2]
        sigma = np.where(flight, FLIGHT_MOMENT_SIGMA, MOMENT_SIGMA + PRESSURE_SIGMA * np.abs(F[..., 2]))
        parts.append((moment - want) * w / (sigma * ease))
        least = 1 - np.cos(LEAST_KNEE)
        parts.append(np.minimum(slack[..., 0] - least, 0) * w / 0.0005)
        heel = c[:, self.blocks["heel_up"]] @ self.heel_up.T
        parts.append(np.minimum(heel, 0) * w / 0.002)
        parts.append((heel - self.heel_prior) * w / np.deg2rad(5.0))
        for name, sigma_smooth in (("swing_up", 0.02), ("swing_forward", 0.02), ("heel_up", 0.3)):
            k = np.pad(c[:, self.blocks[name]], ((0, 0), (2, 2)))
            parts.append(np.diff(k, 3, axis=1) / (sigma_smooth * np.sqrt(k.shape[1])))
        parts.append(c[:, self.blocks["swing_forward"]] / (0.05 * np.sqrt(self.swing.shape[1])))
        parts.append(c[:, self.blocks["forward"]] / 0.2)
        parts.append((c[:, self.blocks["take_off"]] - TAKE_OFF_RISE) / 0.01)
        parts.append((c[:, self.blocks["lean"]] - LEAN) / 0.01)
        rows = np.flatnonzero((t > OFF - 0.01) & (t < ON + 0.01))
        left, right = rows[0], rows[-1]
        floor = np.interp(
            t,
            [OFF, OFF + 0.03, OFF + 0.12, ON - 0.12, ON - 0.03, ON],
            [-0.002, 0.012, 0.08, 0.08, 0.012, -0.002],
        )
        for X in self.foot.sole_points(pose):
            home = np.where(
                (t < (OFF + ON) / 2)[:, None], X[:, left : left + 1, :2], X[:, right : right + 1, :2]
            )
            deep, astray = low_point_residuals(X, floor, home)
            parts.append(deep[:, rows] * w[rows] / 0.003)
            parts.append(astray[:, rows] * w[rows, None] / SLIP_SIGMA)
        return stack(parts)


def jump() -> dict[str, NDArray]:
    """The arrays of jump.npz."""
    person = Person(default_body())
    frames = np.unique(
        np.concatenate([np.arange(0, NUM_FRAMES, 12), np.arange(42, 360, 3), np.arange(*CLOSELY)])
    )
    fitted = Jump(person, frames)
    c = fitted.start()
    for ease, steps in ((10.0, 3), (2.0, 4), (0.5, 12)):

        def eased(batch: Array, ease: float = ease) -> Array:
            return fitted.residuals(batch, ease)

        c = least_squares(eased, c, steps)
    pose, _ = Jump(person, np.arange(NUM_FRAMES)).pose(c[None])
    return motion_file(person, Pose(pose.local[0], pose.world[0], pose.position[0]), FPS, SOURCE)


if __name__ == "__main__":
    save(Path(__file__).with_name("jump.npz"), jump())
