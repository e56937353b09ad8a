"""How a foot of the default body stands and rolls on the floor: over the heel, and over ball and toes.

A foot's stance is told by two angles, neither negative: `toe_up`, the toes' lift while the sole rolls on the
heel, and `heel_up`, the heel's lift while it rolls over the ball. In the latter the toes stay flat (the toe
joint extends) until they extend no further and roll over their tip. Whichever part touches the floor rolls
without slipping: for a rigid outline whose support function (the height of its reference point when pitched
by t) is h(t), the reference point moves by h dt along the floor.
"""

from __future__ import annotations

import numpy as np
from motion_maker import FORWARD, SIDES, Array, FootPlace, Person, Pose, apply, turn

LARGEST_TOE_EXTENSION = np.deg2rad(38.0)
"""Where the toes extend no further; metatarsophalangeal extension at push-off is some 30-50 degrees."""
TOE_BLEND = np.deg2rad(16.0)
"""Over this much heel lift the roll passes from the ball to the tip of the toes."""
OUTLINE_RANGE = np.deg2rad(70.0)
OUTLINE_DEGREE = 6


class Outline:
    """A rigid outline in the sagittal plane that rolls over one end: support function and travel."""

    def __init__(self, points: Array, sense: float) -> None:
        """points: (V, 2) m forward and up from the reference point; sense: +1 rolls forward, -1 backward."""
        angle = np.linspace(0, OUTLINE_RANGE, 141)
        # Pitched forward (top forward) by t a point's height is up cos t - forward sin t.
        height = -(np.outer(np.cos(angle), points[:, 1]) - sense * np.outer(np.sin(angle), points[:, 0]))
        support = height.max(1)
        powers = np.arange(1, OUTLINE_DEGREE + 1)
        fit = np.linalg.lstsq(angle[:, None] ** powers, support - support[0], rcond=None)[0]
        self.sense = sense
        self.height = np.polynomial.Polynomial([support[0], *fit])
        self.travel = sense * self.height.integ()


class Foot:
    """The roll of the default body's feet; left and right are alike but for the mirror."""

    def __init__(self, person: Person) -> None:
        body = person.body
        ankle, toe = person.index("left_ankle"), person.index("left_foot")
        V, W = body.v_template, body.weights
        foot = V[W[:, ankle] + W[:, toe] > 0.9]
        toes = V[W[:, toe] > 0.9]
        self.rest = {side: person.rest[person.index(f"{side}_ankle")] for side in SIDES}
        self.height = float(person.rest[ankle, 1] - person.floor)
        self.toe_bone = person.rest[toe, 1:] - person.rest[ankle, 1:]  # up, forward
        self.heel = Outline((foot - person.rest[ankle])[:, [2, 1]], -1.0)
        self.tip = Outline((toes - person.rest[toe])[:, [2, 1]], 1.0)
        self.watched: list[tuple[int, Array]] = []
        for joint, places in ((ankle, (0.0, 0.25, 1.0)), (toe, (0.0, 1.0))):
            sole = V[(W[:, joint] > 0.97) & (V[:, 1] < person.floor + 0.006)]
            order = np.argsort(sole[:, 2])
            for place in places:
                row = order[int(place * (len(order) - 1))]
                self.watched.append((joint, sole[row] - person.rest[joint]))

    def sole_points(self, pose: Pose) -> list[Array]:
        """(..., T, 3) m of some points of the left sole: the heel's, then the toes', from back to front."""
        made = []
        for joint, offset in self.watched:
            made.append(pose.position[..., joint, :] + apply(pose.world[..., joint, :, :], offset))
        return made

    def toe_pitch(self, heel_up: Array) -> Array:
        """(...) rad, how far the toes have left the floor: zero while they can extend."""
        s = np.clip((heel_up - LARGEST_TOE_EXTENSION + TOE_BLEND / 2) / TOE_BLEND, 0, None)
        inside = np.clip(s, 0, 1)
        ramp = inside**4 * (2.5 - 3 * inside + inside**2)  # the integral of a quintic step
        return TOE_BLEND * (ramp + np.clip(s - 1, 0, None))

    def stance(self, toe_up: Array, heel_up: Array, turn_out: Array | float = 0.0) -> FootPlace:
        """The foot for roll angles (...) rad, either of them zero, turned by turn_out to its left.

        From the point of the floor below the ankle in flat standing; x forward, y left, z up.
        """
        pitch = self.toe_pitch(heel_up)
        h0 = self.tip.height(0.0)
        up, forward = self.toe_bone
        c, s = np.cos(heel_up), np.sin(heel_up)
        # From the toe joint back to the ankle, pitched by heel_up.
        x = forward + self.tip.travel(pitch) - (forward * c + up * s) + self.heel.travel(toe_up)
        z = self.tip.height(pitch) - h0 - (up * c - forward * s) + up
        z = z + self.heel.height(toe_up)
        offset = np.stack([x, np.zeros_like(x), z], axis=-1)
        yaw = turn(2, turn_out)
        rotation = yaw @ (FORWARD @ turn(0, heel_up - toe_up))
        return FootPlace(apply(yaw, offset), rotation, heel_up - pitch)


def low_point_residuals(
    points: Array, height: Array, home: Array, low: float = 0.006, spread: float = 0.0015
) -> tuple[Array, Array]:
    """How far swinging points (..., T, 3) m are below a wished height, and how far from home where low.

    height: (T,) m. home: (..., T or 1, 2) m. Returns (..., T) and (..., T, 2) m; the second fades out
    above `low`.
    """
    z = points[..., 2:]
    near = 1 / (1 + np.exp(np.clip((z - low) / spread, -40, 40)))
    return np.minimum(z[..., 0] - height, 0), near * (points[..., :2] - home)
