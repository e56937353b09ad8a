"""Makes models/walk.npz, the embedded example walk of the default body: `python models/generate_walk.py`.

A straight, level, steady walk at 1.30 m/s and 112.5 steps/min: five identical strides of 128 frames at
120 frames/s, the right side half a stride after the left and mirrored. In the file the world is z up and
the floor is z = 0; the body walks along +x, its left is +y, and pelvis_world = J_pelvis + trans. Frame 0
is a contact of the left heel.

The road: joint-angle curves from the literature (CURVES) say what walking looks like, but under them
alone no foot of this skeleton would stand still. So the joint angles and the pelvis' path are short
Fourier series (at most 10 harmonics of the stride for the legs, 6 for the trunk, 3 for the arms), solved
by nonlinear least squares (Levenberg-Marquardt) to stay near the curves while
  - the sole's vertices stand still on one footprint from landing to leaving: heel first, then flat, then
    rolling over the ball with the toes flat; no vertex is below the floor and the swinging foot clears it;
  - the motion asks of the floor, by the body's own masses and tensors (smpl2mjcf.build_humanoid), a force
    near measured ground forces, a centre of pressure under the standing feet and little turning moment.

What CURVES is: key points that we read off figures or recalled from tables of the sources below, rounded,
smoothed and joined by periodic cubic splines; good to some 2-3 degrees, not a copy of any data set. They
are zero in standing. The fitted angles leave them by a few degrees (models/README.md has the numbers).

Sources
  Winter 1991, The Biomechanics and Motor Control of Human Gait, 2nd ed., University of Waterloo Press,
    chapters on kinematics and kinetics, natural cadence; also Winter 2009, Biomechanics and Motor Control
    of Human Movement, 4th ed., doi 10.1002/9780470549148: knee, ankle, the feet's ground forces.
  Perry & Burnfield 2010, Gait Analysis: Normal and Pathological Function, 2nd ed., SLACK: thigh against
    the vertical, toes; ch. 8: arm (24 degrees behind to 8 before, elbow 20 to 44).
  Kadaba, Ramakrishnan & Wootten 1990, J Orthop Res 8:383-392, doi 10.1002/jor.1100080310: pelvis list and
    rotation, hip adduction. Pelvis tilt: its size only (their mean is anatomical, ours is zero).
  Pietraszewski, Winiarski & Jaroszczuk 2012, Acta Bioeng Biomech 14(3):9-16, doi 10.5277/abb120302: ranges
    of hip, knee and ankle at preferred speed, as a check.
  Murray, Sepic & Barnard 1967, Phys Ther 47:272-284, doi 10.1093/ptj/47.4.272: arm swing.
  Crosbie, Vachalathiti & Smith 1997, Gait & Posture 5:6-12, doi 10.1016/S0966-6362(96)01066-1: trunk
    against pelvis.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from smpl2mjcf.assembly import GRAVITY
from smpl2mjcf.body import Body, joint_positions
from smpl2mjcf.body_files import default_body
from smpl2mjcf.humanoid import Humanoid, build_humanoid

Array = NDArray[np.float64]

FPS = 120.0  # frames per second
STRIDE = 128  # frames in a stride, even so that a step is a whole number of frames too
NUM_STRIDES = 5
SPEED = 1.30  # m/s
QUANTUM = 2.0**-32  # rad and m: far finer than any use, and it compresses
SOURCE = "smpl2mjcf example walk at 1.30 m/s, made by models/generate_walk.py from cited joint-angle curves"

FORWARD = Rotation.from_matrix([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""SMPL's axes (x left, y up, z forward) to the world's (x forward, y left, z up)."""

# ---- what walking looks like -------------------------------------------------------------------------

Curve = tuple[tuple[float, float], ...]
"""(percent of the stride from the left heel's contact, value) points."""

CURVES: dict[str, Curve] = {  # degrees, left side
    # Perry & Burnfield 2010, the thigh against the vertical: the pelvis stays near level
    "hip_flexion": (
        *((0, 21), (6, 20.5), (12, 18), (20, 11), (31, 0), (40, -11)),
        *((50, -19.5), (54, -20), (62, -10), (74, 15), (85, 25), (93, 24)),
    ),
    # Winter 1991
    "knee_flexion": (
        *((0, 4), (5, 11), (13, 19), (20, 17), (30, 10), (40, 5.5), (45, 7)),
        *((50, 13), (60, 38), (66, 55), (72, 62), (80, 50), (90, 19), (96, 4)),
    ),
    "ankle_dorsiflexion": (
        *((0, 0), (6, -5), (12, 0), (20, 4.5), (30, 7), (40, 9.5), (45, 9.5)),
        *((50, 6), (55, -5), (62, -18), (66, -16), (73, -6), (80, 0), (90, 1)),
    ),
    # Perry & Burnfield 2010; less than theirs in swing: this body's toes are one flap
    "toe_extension": (
        *((0, 10), (8, 2), (20, 0), (34, 0), (42, 8), (50, 25)),
        *((57, 40), (62, 36), (70, 14), (80, 8), (90, 9)),
    ),
    # Kadaba et al. 1990
    "hip_adduction": (
        *((0, 2), (8, 5), (16, 8), (30, 7), (42, 5)),
        *((50, 2), (57, -2), (64, -4), (75, -2), (88, 1)),
    ),
    # Half a stride later the right side does the same: midline curves are given for one step.
    "pelvis_list": ((0, 0.5), (6, 3), (13, 4), (25, 2), (38, 0.5)),  # left side up
    "pelvis_rotation": ((0, 4.5), (12, 3.5), (25, 0), (38, -2.5)),  # left side forward
    "pelvis_tilt": ((0, 0.5), (12.5, 0), (25, -0.5), (37.5, 0)),  # top forward
    # Crosbie et al. 1997: the spine takes back what the pelvis does, and leans a little forward
    "trunk_list": ((0, -0.5), (6, -2.5), (13, -3.5), (25, -2), (38, -0.5)),
    "trunk_rotation": ((0, -8), (12, -6), (25, 0), (38, 5)),
    "trunk_tilt": ((0, 1.5), (12.5, 2), (25, 2.5), (37.5, 2)),
    # Murray et al. 1967; Perry & Burnfield 2010
    "shoulder_flexion": (
        *((0, -24), (10, -21), (20, -13), (30, -4), (40, 4)),
        *((50, 8), (60, 6), (70, -1), (80, -11), (90, -20)),
    ),
    "elbow_flexion": (
        *((0, 20), (10, 20.5), (20, 25), (30, 33), (40, 41)),
        *((50, 44), (60, 42), (70, 36), (80, 29), (90, 22)),
    ),
    "shoulder_adduction": ((0, -10), (50, -10)),  # ours: the arms hang clear of the thighs
}

REST_OFFSET_DEG = {"hip_flexion": 3.3, "shoulder_flexion": 5.9, "elbow_flexion": -5.4}
"""Where a curve tells the direction of a line between joints: what that line is in the rest pose.

SMPL's rest pose has the ankle behind the hip, the elbow behind the shoulder, and a bent elbow.
"""

# Winter 1991, both feet together: sums of one foot's curves half a stride apart; body weights.
GROUND_FORCE: dict[str, Curve] = {
    "up": ((0, 1.14), (6, 1.22), (12, 1.14), (18.5, 1.0), (25, 0.86), (31, 0.78), (37, 0.86), (44, 1.0)),
    "forward": (
        *((0, 0.16), (5, 0.02), (10, -0.13), (15, -0.17), (20, -0.13)),
        *((25, -0.06), (31, 0), (38, 0.08), (44, 0.15), (47, 0.17)),
    ),
    "left": ((0, 0.03), (6, 0), (12, -0.04), (20, -0.05), (30, -0.04), (40, -0.05), (46, -0.045)),
}

STEP_WIDTH = 0.12  # m between the ankles

# A foot's stance, in strides from its contact (tables of x, value).
LANDING = ((0.0, 0.0), (0.2, 0.04), (0.35, 0.065), (0.65, 0.09), (1.0, 0.105))
LEAVING = ((0.0, 0.34), (0.35, 0.40), (0.66, 0.50), (0.8, 0.57), (1.0, 0.605))
"""When a point of the sole lands and leaves, by its place from the heel (0) to the toes (1)."""
CLEARANCE = (
    *((0, -0.0005), (0.62, -0.0005), (0.66, 0.005), (0.70, 0.015)),
    *((0.92, 0.015), (0.96, 0.014), (0.992, 0.010), (1, -0.0005)),
)
"""m, how high above the floor the whole sole is at least."""
PRESSURE_PLACE = (
    (0, 0.1),
    (0.1, 0.25),
    (0.2, 0.42),
    (0.35, 0.6),
    (0.5, 0.78),
    (0.6, 0.9),
    (0.61, 0.9),
    (1, 0.1),
)
"""Where along the foot the centre of pressure is, heel (0) to toes (1)."""
LOAD = ((0, 0), (0.02, 0.05), (0.1, 0.95), (0.12, 1), (0.5, 1), (0.52, 0.95), (0.6, 0.05), (0.62, 0), (1, 0))
"""A foot's share of the load, up to the other foot's."""

# ---- how much each wish weighs: one standard deviation in the least squares ---------------------------

CURVE_SIGMA_DEG = {
    "hip_flexion": 3.0,
    "hip_adduction": 3.0,
    "hip_rotation": 4.0,
    "knee_flexion": 3.0,
    "ankle_dorsiflexion": 2.5,
    "ankle_inversion": 3.0,
    "toe_extension": 5.0,
    "pelvis_tilt": 1.0,
    "pelvis_list": 1.0,
    "pelvis_rotation": 1.5,
    "trunk_tilt": 1.0,
    "trunk_list": 1.0,
    "trunk_rotation": 2.0,
    "head_tilt": 0.5,
    "head_list": 0.5,
    "head_rotation": 0.5,
    "shoulder_flexion": 2.0,
    "shoulder_adduction": 0.5,
    "elbow_flexion": 2.0,
}
PATH_SIGMA = 0.10  # m, the pelvis from uniform motion
SMOOTH_SIGMA, SMOOTH_PATH_SIGMA = 10.0, 1.0  # rad, m: amplitude x harmonic cubed
SLIP_SIGMA = 0.0015  # m, a planted point from the footprint
HEIGHT_SIGMA = 0.001  # m, the same, vertically
CLEARANCE_SIGMA = 0.003  # m
LOW, LOW_SPREAD = 0.0045, 0.0012  # m, below which a point should stand still, and how sharply
SLIDE_SIGMA = 0.08  # m/s, a low point's horizontal speed
STRAIGHT_KNEE, KNEE_SIGMA = np.deg2rad(1.0), 0.01  # rad, the least flexion
WIDTH_SIGMA, TURN_SIGMA = 0.003, 0.02  # m, rad: the footprint; unturned, the foot points out as at rest
PRESSURE_SIGMA = 0.02  # m
SPIN_SIGMA = 4.0  # Nm, about the vertical through the centre of pressure
FORCE_SIGMA = 0.03  # body weights

NUM_SOLE_POINTS = 60

# ---- coordinates as Fourier series -------------------------------------------------------------------

PATH = ("pelvis_forward", "pelvis_up", "pelvis_left")  # m; all other coordinates are angles
EVERY_STEP = ("pelvis_tilt", "trunk_tilt", "head_tilt", "pelvis_forward", "pelvis_up")
"""Midline coordinates that repeat every step; the other midline ones change sign every step."""

LEG = (
    "hip_flexion",
    "hip_adduction",
    "hip_rotation",
    "knee_flexion",
    "ankle_dorsiflexion",
    "ankle_inversion",
    "toe_extension",
)
ARM = ("shoulder_flexion", "shoulder_adduction", "elbow_flexion")
MIDLINE = (
    "pelvis_forward",
    "pelvis_up",
    "pelvis_left",
    "pelvis_tilt",
    "pelvis_list",
    "pelvis_rotation",
    "trunk_tilt",
    "trunk_list",
    "trunk_rotation",
    "head_tilt",
    "head_list",
    "head_rotation",
)
LEG_HARMONICS, MIDLINE_HARMONICS, ARM_HARMONICS = 10, 6, 3


def harmonics(name: str) -> tuple[int, ...]:
    """The harmonics of the stride that a coordinate's series has; 0 is its mean."""
    if name in LEG:
        return tuple(range(LEG_HARMONICS + 1))
    if name == "shoulder_adduction":
        return (0,)
    if name in ARM:
        return tuple(range(ARM_HARMONICS + 1))
    if name == "pelvis_forward":
        return tuple(range(2, MIDLINE_HARMONICS + 1, 2))
    return tuple(range(0 if name in EVERY_STEP else 1, MIDLINE_HARMONICS + 1, 2))


def basis(name: str, delay: float = 0.0) -> Array:
    """(STRIDE, K) the Fourier functions of a coordinate at every frame, `delay` strides late."""
    phase = 2 * np.pi * (np.arange(STRIDE) / STRIDE - delay)
    columns = []
    for h in harmonics(name):
        columns += [np.cos(h * phase)] if h == 0 else [np.cos(h * phase), np.sin(h * phase)]
    return np.stack(columns, axis=1)


def curve(name: str) -> Array:
    """(STRIDE,) rad, the cited curve of a coordinate; zero where none is cited."""
    if name.startswith("head_"):  # people keep the head level and straight ahead
        kind = name.removeprefix("head_")
        return -curve(f"pelvis_{kind}") - curve(f"trunk_{kind}")
    if name not in CURVES:
        return np.zeros(STRIDE)
    if name in MIDLINE:
        sign = 1 if name in EVERY_STEP else -1
        return np.deg2rad(periodic(CURVES[name], sign))
    return np.deg2rad(periodic(CURVES[name]) + REST_OFFSET_DEG.get(name, 0.0))


def periodic(points: Curve, step_sign: int = 0) -> Array:
    """(STRIDE,) a smooth curve through (percent, value) points.

    step_sign: 1 where the points cover a step that then repeats, -1 where it repeats negated, 0 where
    they cover the stride.
    """
    whole = list(points) + [(percent + 50, step_sign * value) for percent, value in points if step_sign]
    percent, values = np.array([*whole, (100, whole[0][1])]).T
    return CubicSpline(percent, values, bc_type="periodic")(100 * np.arange(STRIDE) / STRIDE)


@dataclass(frozen=True)
class Column:
    """One coordinate of the posed body: a series, `delay` strides late."""

    name: str
    series: str
    delay: float


def columns() -> list[Column]:
    """The body's coordinates: midline, then left and right limbs."""
    made = [Column(name, name, 0.0) for name in MIDLINE]
    for side, delay in (("left", 0.0), ("right", 0.5)):
        made += [Column(f"{side}_{name}", name, delay) for name in (*LEG, *ARM)]
    return made


# ---- kinematics in SMPL's axes (x left, y up, z forward) ---------------------------------------------


def hinges() -> list[tuple[str, int, str, float]]:
    """(joint, axis 0-2, column, factor) of every elementary rotation, in the order they are composed."""
    made = [
        ("pelvis", 1, "pelvis_rotation", -1.0),
        ("pelvis", 2, "pelvis_list", 1.0),
        ("pelvis", 0, "pelvis_tilt", 1.0),
    ]
    for part, joints in (("trunk", ("spine1", "spine2", "spine3")), ("head", ("neck", "head"))):
        share = 1 / len(joints)
        for joint in joints:
            made += [(joint, 1, f"{part}_rotation", -share), (joint, 2, f"{part}_list", share)]
            made += [(joint, 0, f"{part}_tilt", share)]
    for side, mirror in (("left", 1.0), ("right", -1.0)):
        for joint, axis, name, factor in (
            ("hip", 0, "hip_flexion", -1.0),
            ("hip", 2, "hip_adduction", -mirror),
            ("hip", 1, "hip_rotation", -mirror),
            ("knee", 0, "knee_flexion", 1.0),
            ("ankle", 0, "ankle_dorsiflexion", -1.0),
            ("ankle", 2, "ankle_inversion", -mirror),
            ("foot", 0, "toe_extension", -1.0),
            ("shoulder", 0, "shoulder_flexion", -1.0),
            ("shoulder", 2, "shoulder_adduction", -mirror),
            ("elbow", 1, "elbow_flexion", -mirror),
        ):
            made.append((f"{side}_{joint}", axis, f"{side}_{name}", factor))
    return made


class Kinematics:
    """Forward kinematics of the body over a stride, with derivatives."""

    def __init__(self, body: Body) -> None:
        self.joints = list(body.joint_names)
        self.parents = body.parents
        self.rest = joint_positions(body)
        self.columns = columns()
        self.index = {column.name: i for i, column in enumerate(self.columns)}
        self.hinges = hinges()
        J = len(self.joints)
        self.moves = np.eye(J, dtype=bool)  # [a, b]: joint a carries joint b
        for j in range(1, J):
            self.moves[:, j] |= self.moves[:, self.parents[j]]

    def pose(self, Q: Array) -> tuple[Array, Array, Array, list[tuple[str, str, Array, Array]]]:
        """Local and world rotations (T, J, 3, 3), joint positions (T, J, 3) m, and the hinges' lines.

        Q: (T, columns) rad and m. The axes move forward at SPEED; at frame 0 they are SMPL's model frame.
        A line: joint, column, axis (T, 3) in the turn's sense, and a point (T, 3) m on it.
        """
        T, J = len(Q), len(self.joints)
        local = np.tile(np.eye(3), (T, J, 1, 1))
        world, position = np.empty_like(local), np.empty((T, J, 3))
        lines: list[tuple[str, str, Array, Array]] = []
        at = {name: [h for h in self.hinges if h[0] == name] for name in self.joints}
        for j, name in enumerate(self.joints):
            parent = self.parents[j]
            if parent < 0:
                offset = Q[:, [self.index[f"pelvis_{way}"] for way in ("left", "up", "forward")]]
                position[:, j], before = self.rest[j] + offset, np.tile(np.eye(3), (T, 1, 1))
            else:
                before = world[:, parent]
                position[:, j] = position[:, parent] + before @ (self.rest[j] - self.rest[parent])
            for _, axis, column, factor in at[name]:
                lines.append((name, column, (before @ local[:, j])[:, :, axis] * factor, position[:, j]))
                angle = factor * Q[:, self.index[column]]
                if axis == 2 and column.endswith("shoulder_adduction"):
                    angle = angle + factor * np.pi / 2  # from the T-pose to hanging
                local[:, j] = local[:, j] @ Rotation.from_rotvec(angle[:, None] * np.eye(3)[axis]).as_matrix()
            world[:, j] = before @ local[:, j]
        return local, world, position, lines

    def points(self, Q: Array, joint: NDArray[np.intp], rest: Array) -> tuple[Array, Array]:
        """Positions (T, S, 3) m of points carried by joints, and their derivatives (T, S, 3, columns).

        joint: (S,) who carries a point; rest: (S, 3) m where it is in the rest pose.
        """
        _, world, position, lines = self.pose(Q)
        X = np.einsum("tsij,sj->tsi", world[:, joint], rest - self.rest[joint]) + position[:, joint]
        D = np.zeros((*X.shape, Q.shape[1]))
        for i, way in enumerate(("left", "up", "forward")):
            D[:, :, i, self.index[f"pelvis_{way}"]] = 1.0
        for name, column, axis, origin in lines:
            carried = np.flatnonzero(self.moves[self.joints.index(name), joint])
            arm = X[:, carried] - origin[:, None]
            D[..., self.index[column]][:, carried] += cross(axis[:, None], arm)
        return X, D


def cross(a: Array, b: Array, axis: int = -1) -> Array:
    """a x b along an axis, broadcast; several times faster than np.cross on large arrays."""
    ax, ay, az = np.moveaxis(a, axis, 0)
    bx, by, bz = np.moveaxis(b, axis, 0)
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=axis)


def mass_points(humanoid: Humanoid) -> tuple[NDArray[np.intp], Array, Array]:
    """Carrier (S,), rest position (S, 3) m and mass (S,) kg of points that weigh and turn as the body does.

    Four points a body at the corners of a stretched tetrahedron have its mass, centre and inertia tensor.
    """
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=float)
    joint, rest, mass = [], [], []
    for j, inertia in enumerate(humanoid.inertias):
        spread = 0.5 * np.trace(inertia.tensor) * np.eye(3) - inertia.tensor  # sum of m r r'
        values, vectors = np.linalg.eigh(spread / inertia.mass)
        rest.append(humanoid.joint_positions[j] + inertia.com + corners * np.sqrt(values) @ vectors.T)
        joint += [j] * 4
        mass += [inertia.mass / 4] * 4
    return np.array(joint), np.concatenate(rest), np.array(mass)


def spectral_derivative() -> Array:
    """(STRIDE, STRIDE) 1/s, the derivative of a function that repeats every stride."""
    frequency = 2j * np.pi * np.fft.fftfreq(STRIDE, 1 / FPS)
    frequency[STRIDE // 2] = 0
    return np.fft.ifft(frequency[:, None] * np.fft.fft(np.eye(STRIDE), axis=0), axis=0).real


# ---- what the fit asks for ---------------------------------------------------------------------------


class Fit:
    """The residuals of the walk's least squares and their derivatives."""

    def __init__(self, body: Body, humanoid: Humanoid) -> None:
        self.kinematics = Kinematics(body)
        self.blocks: dict[str, slice] = {}
        start = 0
        for name in (*MIDLINE, *LEG, *ARM):
            width = len(harmonics(name)) * 2 - (0 in harmonics(name))
            self.blocks[name] = slice(start, start + width)
            start += width
        self.blocks["print"] = slice(start, start + 3)  # the left footprint: left m, forward m, toe-in rad
        self.size = start + 3
        self.basis = [basis(column.series, column.delay) for column in self.kinematics.columns]
        self.mass = mass_points(humanoid)
        self.D = spectral_derivative()
        self._choose_sole(body)

    def _choose_sole(self, body: Body) -> None:
        """The left sole's vertices that are watched, spread evenly over it."""
        V = body.v_template
        floor = V[:, 1].min()
        foot = body.weights[:, [body.joint_names.index(f"left_{n}") for n in ("ankle", "foot")]].sum(1)
        sole = np.flatnonzero((foot > 0.99) & (V[:, 1] < floor + 0.012))
        chosen = [sole[np.argmin(V[sole, 2])]]
        distance = np.full(len(sole), np.inf)
        for _ in range(NUM_SOLE_POINTS - 1):
            distance = np.minimum(distance, np.linalg.norm(V[sole] - V[chosen[-1]], axis=1))
            chosen.append(sole[np.argmax(distance)])
        self.floor = floor
        self.sole = V[chosen]
        vertex, joint = np.nonzero(body.weights[chosen] > 1e-9)
        self.skin = np.zeros((len(chosen), len(vertex)))  # blends the carried copies of a vertex
        self.skin[vertex, np.arange(len(vertex))] = body.weights[chosen][vertex, joint]
        self.skin_points = joint, self.sole[vertex]
        length = np.ptp(self.sole[:, 2])
        self.place = (self.sole[:, 2] - self.sole[:, 2].min()) / length  # 0 heel, 1 toe
        self.flat_height = self.sole[:, 1] - floor
        heel, toe = self.sole[:, 2].min(), self.sole[:, 2].max()
        middle = self.sole[:, 0].mean()
        self.heel_to_toe = np.array([[middle, heel], [middle, toe]])

    def start(self) -> Array:
        """(size,) parameters of the cited curves, the feet where the pelvis leaves them."""
        c = np.zeros(self.size)
        for name in (*MIDLINE, *LEG, *ARM):
            if name not in PATH:
                c[self.blocks[name]] = np.linalg.lstsq(basis(name), curve(name), rcond=None)[0]
        c[self.blocks["pelvis_up"].start] = -0.03
        c[self.blocks["print"]] = [-0.04, 0.25, 0.0]
        return c

    def coordinates(self, c: Array) -> Array:
        """(STRIDE, columns) rad and m."""
        return np.stack(
            [B @ c[self.blocks[column.series]] for B, column in zip(self.basis, self.kinematics.columns)],
            axis=1,
        )

    def chain(self, D: Array) -> Array:
        """(T, ..., size) derivatives by the parameters, of (T, ..., columns) by the coordinates."""
        out = np.zeros((*D.shape[:-1], self.size))
        for i, (B, column) in enumerate(zip(self.basis, self.kinematics.columns)):
            if D[..., i].any():
                shape = (len(B),) + (1,) * (D.ndim - 2) + (B.shape[1],)
                out[..., self.blocks[column.series]] += D[..., i, None] * B.reshape(shape)
        return out

    def residuals(self, c: Array, still: float) -> tuple[Array, Array]:
        """(R,) residuals in standard deviations, (R, size) their derivatives.

        still: 0 to 1, how much low points of the sole are asked to stand still, beyond the planted ones.
        """
        Q = self.coordinates(c)
        parts = [*self._likeness(c), *self._contact(c, Q, still), *self._dynamics(c, Q)]
        return np.concatenate([r.ravel() for r, _ in parts]), np.concatenate(
            [J.reshape(-1, self.size) for _, J in parts]
        )

    def _likeness(self, c: Array) -> list[tuple[Array, Array]]:
        """Near the curves, smooth, no knee bent backwards, the footprint where and how a foot stands."""
        made = []
        for name in (*MIDLINE, *LEG, *ARM):
            block, B = self.blocks[name], basis(name)
            sigma = PATH_SIGMA if name in PATH else np.deg2rad(CURVE_SIGMA_DEG[name])
            J = np.zeros((STRIDE, self.size))
            J[:, block] = B / (sigma * np.sqrt(STRIDE))
            made.append((J @ c - curve(name) / (sigma * np.sqrt(STRIDE)), J))
            order = np.array([h for h in harmonics(name) for _ in range(2 if h else 1)])
            J = np.zeros((len(order), self.size))
            J[:, block] = np.diag(order**3.0 / (SMOOTH_PATH_SIGMA if name in PATH else SMOOTH_SIGMA))
            made.append((J @ c, J))
        knee, B = self.blocks["knee_flexion"], basis("knee_flexion")
        bent = B @ c[knee] - STRAIGHT_KNEE
        J = np.zeros((STRIDE, self.size))
        J[:, knee] = B / KNEE_SIGMA
        rows = bent < 0
        made.append((bent[rows] / KNEE_SIGMA, J[rows]))
        J = np.zeros((2, self.size))
        J[:, self.blocks["print"]] = [[1 / WIDTH_SIGMA, 0, 0], [0, 0, 1 / TURN_SIGMA]]
        ankle = self.kinematics.rest[self.kinematics.joints.index("left_ankle"), 0]
        made.append((J @ c - [(STEP_WIDTH / 2 - ankle) / WIDTH_SIGMA, 0], J))
        return made

    def footprint(self, c: Array, rest: Array) -> tuple[Array, Array]:
        """(S, 2) m left and forward where points of the left sole stand, and (S, 2, 3) derivatives."""
        left, forward, turn = c[self.blocks["print"]]
        centre = self.sole[:, [0, 2]].mean(0)
        R = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        dR = np.array([[-np.sin(turn), -np.cos(turn)], [np.cos(turn), -np.sin(turn)]])
        D = np.zeros((len(rest), 2, 3))
        D[:, 0, 0] = D[:, 1, 1] = 1
        D[:, :, 2] = (rest - centre) @ dR.T
        return (rest - centre) @ R.T + centre + [left, forward], D

    def _contact(self, c: Array, Q: Array, still: float) -> list[tuple[Array, Array]]:
        """The feet on the floor, and off it."""
        carrier, rest = self.skin_points
        X, D = self.kinematics.points(Q, carrier, rest)
        X = np.einsum("vs,tsi->tvi", self.skin, X)
        D = self.chain(np.einsum("vs,tsin->tvin", self.skin, D))
        t = (np.arange(STRIDE) / STRIDE + 0.1) % 1 - 0.1  # a stance may begin just before 0
        height, dheight = X[:, :, 1] - self.floor, D[:, :, 1]
        # Planted points stand on the footprint, which drifts back in these moving axes.
        on = np.interp(self.place, *np.array(LANDING).T)
        off = np.interp(self.place, *np.array(LEAVING).T)
        rows = (t[:, None] >= on) & (t[:, None] <= off)
        each = 1 / np.sqrt(len(self.sole))
        target, dtarget = self.footprint(c, self.sole[:, [0, 2]])
        slip = X[:, :, [0, 2]] - target
        slip[:, :, 1] += SPEED * STRIDE / FPS * t[:, None]
        dslip = D[:, :, [0, 2]].copy()
        dslip[..., self.blocks["print"]] -= dtarget
        sink = height - self.flat_height
        made = [
            (slip[rows] * (each / SLIP_SIGMA), dslip[rows] * (each / SLIP_SIGMA)),
            (sink[rows] * (each / HEIGHT_SIGMA), dheight[rows] * (each / HEIGHT_SIGMA)),
        ]
        # Nothing below the floor, and the swinging foot clears it.
        floor = np.interp(t % 1, *np.array(CLEARANCE).T)[:, None]
        low = height - floor
        rows = low < 0
        made.append((low[rows] / CLEARANCE_SIGMA, dheight[rows] / CLEARANCE_SIGMA))
        # What is low stands still.
        if still > 0:
            velocity = np.tensordot(self.D, X[:, :, [0, 2]], axes=1)
            velocity[:, :, 1] += SPEED
            dvelocity = np.tensordot(self.D, D[:, :, [0, 2]], axes=1)
            near = 1 / (1 + np.exp(np.clip((height - LOW) / LOW_SPREAD, -40, 40)))
            rows = near > 1e-4
            near, velocity = near[rows][:, None], velocity[rows]
            dnear = -near * (1 - near) / LOW_SPREAD * dheight[rows]
            scale = still * each / SLIDE_SIGMA
            made.append(
                (
                    velocity * near * scale,
                    (dvelocity[rows] * near[..., None] + velocity[..., None] * dnear[:, None]) * scale,
                )
            )
        return made

    def wrench(self, Q: Array) -> tuple[Array, Array, Array, Array]:
        """The ground's force (T, 3) N and moment (T, 3) Nm that the motion asks for, with derivatives.

        The moment is about the moving axes' origin, at the floor.
        """
        carrier, rest, mass = self.mass
        X, D = self.kinematics.points(Q, carrier, rest)
        X = X - [0, self.floor, 0]
        D = self.chain(D)
        V, dV = np.tensordot(self.D, X, axes=1), np.tensordot(self.D, D, axes=1)
        up = np.array([0, GRAVITY, 0])
        F = np.tensordot(self.D, np.einsum("s,tsi->ti", mass, V), axes=1) + mass.sum() * up
        dF = np.tensordot(self.D, np.einsum("s,tsik->tik", mass, dV), axes=1)
        momentum = np.einsum("s,tsi->ti", mass, cross(X, V))
        X, V = X[..., None], V[..., None]
        dmomentum = np.einsum("s,tsik->tik", mass, cross(D, V, axis=2) + cross(X, dV, axis=2))
        weigh = np.einsum("s,tsi->ti", mass, X[..., 0])
        dweigh = np.einsum("s,tsik->tik", mass, D)
        N = np.tensordot(self.D, momentum, axes=1) + cross(weigh, up)
        dN = np.tensordot(self.D, dmomentum, axes=1) + cross(dweigh, up[None, :, None], axis=1)
        return F, dF, N, dN

    def pressure_path(self, c: Array) -> tuple[Array, Array]:
        """(STRIDE, 2) m left and forward in the moving axes: where the centre of pressure should be.

        With its (STRIDE, 2, 3) derivatives by the footprint.
        """
        t = np.arange(STRIDE) / STRIDE
        anchor, danchor = self.footprint(c, self.heel_to_toe)
        share = np.interp(t, *np.array(PRESSURE_PLACE).T)
        share = np.stack([1 - share, share], axis=1)
        path, dpath = share @ anchor, np.einsum("ta,ain->tin", share, danchor)
        path[:, 1] -= SPEED * STRIDE / FPS * t  # the left foot's own path
        mirror = np.array([-1.0, 1.0])
        load = np.interp(t, *np.array(LOAD).T)[:, None]
        other = np.roll(load, STRIDE // 2, axis=0)
        load, other = load / (load + other), other / (load + other)
        dpath_other = np.roll(dpath, STRIDE // 2, axis=0) * mirror[:, None]
        return (
            load * path + other * np.roll(path, STRIDE // 2, axis=0) * mirror,
            load[..., None] * dpath + other[..., None] * dpath_other,
        )

    def _dynamics(self, c: Array, Q: Array) -> list[tuple[Array, Array]]:
        """A floor could carry the motion."""
        F, dF, N, dN = self.wrench(Q)
        weight = self.mass[2].sum() * GRAVITY
        path, dpath = self.pressure_path(c)
        scale = 1 / (weight * PRESSURE_SIGMA * np.sqrt(STRIDE))
        # r x F = N on the floor: left = -N_z... forward = -N_x / F_y, left = N_z / F_y
        left, dleft = N[:, 2] - path[:, 0] * F[:, 1], dN[:, 2] - path[:, 0, None] * dF[:, 1]
        ahead, dahead = -N[:, 0] - path[:, 1] * F[:, 1], -dN[:, 0] - path[:, 1, None] * dF[:, 1]
        dleft[:, self.blocks["print"]] -= dpath[:, 0] * F[:, 1, None]
        dahead[:, self.blocks["print"]] -= dpath[:, 1] * F[:, 1, None]
        spin = N[:, 1] - path[:, 1] * F[:, 0] + path[:, 0] * F[:, 2]
        dspin = dN[:, 1] - path[:, 1, None] * dF[:, 0] + path[:, 0, None] * dF[:, 2]
        dspin[:, self.blocks["print"]] += dpath[:, 0] * F[:, 2, None] - dpath[:, 1] * F[:, 0, None]
        made = [(left * scale, dleft * scale), (ahead * scale, dahead * scale)]
        made.append((spin / (SPIN_SIGMA * np.sqrt(STRIDE)), dspin / (SPIN_SIGMA * np.sqrt(STRIDE))))
        scale = 1 / (weight * FORCE_SIGMA * np.sqrt(STRIDE))
        for axis, name in enumerate(("left", "up", "forward")):
            wanted = weight * periodic(GROUND_FORCE[name], -1 if name == "left" else 1)
            made.append(((F[:, axis] - wanted) * scale, dF[:, axis] * scale))
        return made


def solve(fit: Fit) -> Array:
    """(size,) the walk's parameters: Levenberg-Marquardt from the cited curves.

    Two rounds: which points are low is known only once the feet are nearly planted.
    """
    c = fit.start()
    for still, most_steps, least_gain in ((0.0, 10, 0.03), (1.0, 25, 1e-4)):
        damping = 1e-3
        r, J = fit.residuals(c, still)
        for _ in range(most_steps):
            A, b = J.T @ J, J.T @ r
            while True:
                step = np.linalg.solve(A + damping * np.diag(np.diag(A) + 1e-6), -b)
                r_new, J_new = fit.residuals(c + step, still)
                if r_new @ r_new <= r @ r:
                    break
                damping *= 8
                if damping > 1e9:
                    return c
            gain = 1 - (r_new @ r_new) / (r @ r)
            c, r, J, damping = c + step, r_new, J_new, damping / 5
            if gain < least_gain:
                break
    return c


def motion_arrays(fit: Fit, c: Array) -> tuple[Array, Array]:
    """poses (T, 72) rad and trans (T, 3) m of the whole file, z up."""
    local, _, position, _ = fit.kinematics.pose(fit.coordinates(c))
    T = STRIDE * NUM_STRIDES
    rotations = Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(STRIDE, -1, 3)
    rotations[:, 0] = (FORWARD * Rotation.from_matrix(local[:, 0])).as_rotvec()
    pelvis = position[:, 0] - [0, fit.floor, 0]
    pelvis = np.tile(pelvis, (NUM_STRIDES, 1))
    pelvis[:, 2] += SPEED * np.arange(T) / FPS
    rest = fit.kinematics.rest[0]
    pelvis[:, 2] -= rest[2]
    return np.tile(rotations.reshape(STRIDE, -1), (NUM_STRIDES, 1)), FORWARD.apply(pelvis) - rest


def walk() -> dict[str, NDArray]:
    """The arrays of walk.npz, in AMASS' layout."""
    body = default_body()
    fit = Fit(body, build_humanoid(body))
    poses, trans = motion_arrays(fit, solve(fit))
    return {
        "poses": np.round(poses / QUANTUM) * QUANTUM,
        "trans": np.round(trans / QUANTUM) * QUANTUM,
        "betas": np.zeros(body.num_betas),
        "gender": np.array("neutral"),
        "mocap_framerate": np.array(FPS),
        "family": np.array(body.family),
        "source": np.array(SOURCE),
    }


if __name__ == "__main__":
    np.savez_compressed(Path(__file__).with_name("walk.npz"), **walk())
