"""Where a body is cut into the matter of its joints: planes in order, each splitting one piece in two.

The same plan drives the exact cuts of one mesh (segments.py) and their traced, differentiable twin
(population.py), so joints may be NumPy or JAX arrays here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import HumanoidError
from .skeleton import BODY_JOINTS, FINGERS, SIDES

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

WHOLE = "spine3"
"""What the uncut body is called: spine3 keeps what no cut takes."""

THIGH_CUT = np.deg2rad(37.0)
"""Angle between the plane that cuts off the thigh and the sagittal plane: Zatsiorsky's and de Leva's
thigh runs from the crotch past the hip joint centre up to the height of the iliac spine."""

TRUNK_JOINTS = ("pelvis", "spine1", "spine2", "spine3", "left_collar", "right_collar")

# In float32, which holds them exactly and becomes whatever type they meet: JAX 0.10 takes a float64 constant
# that it has met with x64 for one without it as well.
UP = np.array([0.0, 1.0, 0.0], np.float32)
LEVEL = np.array([1.0, 0.0, 1.0], np.float32)  # keeps the horizontal part of a vector


@dataclass(frozen=True)
class Plane:
    """A half-space: the points x with normal . (x - point) >= 0."""

    point: Array  # (3,) m
    normal: Array  # (3,)

    def height(self, points: Array) -> Array:
        """Signed distance (in units of |normal|) of (..., 3) points, the same number for the same point.

        A matrix product may round equal rows differently; a point that two triangles share must lie on one
        side for both, or the cut does not close.
        """
        (x, y, z), (p, q, r), (a, b, c) = (points[..., k] for k in range(3)), self.point, self.normal
        return (x - p) * a + (y - q) * b + (z - r) * c

    @property
    def flipped(self) -> Plane:
        """The other half-space of the same plane."""
        return Plane(self.point, -self.normal)


@dataclass(frozen=True)
class Cut:
    """One split: what piece `of` holds within the plane's half-space joins `inside`, the rest `outside`."""

    of: str
    plane: Plane
    inside: str
    outside: str


def body_cuts(joints: Mapping[str, Array]) -> list[Cut]:
    """The cuts that leave every SMPL joint its piece of the body, from the piece WHOLE.

    joints: (3,) m each by SMPL name, T-pose, model frame. In order: arms at the shoulder square to the upper
    arm, head and neck at the base of the neck, thighs at THIGH_CUT through the hip joint; limbs at planes
    that halve the angle at each joint; feet horizontally at the ankle; the trunk horizontally at the spine
    joints, and at the collar joints square to the line from spine3 to the shoulder. A body without SMPL's
    hand joints keeps each whole hand at its wrist.

    Raises HumanoidError for joints that are missing.
    """
    _require_joints(joints)
    cuts: list[Cut] = []
    for side in SIDES:
        names = [f"{side}_{name}" for name in ("shoulder", "elbow", "wrist")]
        shoulder, elbow, wrist = (joints[name] for name in names)
        hand = knuckle(joints, side)
        upper_arm = elbow - shoulder
        # One plane keeps the flank of a broad trunk out, which lies beyond the shoulder's plane too.
        # It runs along the arm, half an upper arm below it, so that an arm that droops stays whole.
        along = unit(wrist - shoulder)
        below = unit(UP - (UP @ along) * along)
        armpit = Plane(shoulder - 0.5 * norm(upper_arm) * below, below)
        cuts += [
            # The armpit first: the shoulder's plane cuts through thigh and foot as well.
            Cut(WHOLE, armpit, names[0], WHOLE),
            Cut(names[0], Plane(shoulder, upper_arm), names[0], WHOLE),
            Cut(names[0], bisecting(shoulder, elbow, wrist), names[1], names[0]),
            Cut(names[1], bisecting(elbow, wrist, hand), names[2], names[1]),
        ]
        if f"{side}_hand" in joints:
            cuts.append(Cut(names[2], Plane(hand, hand - wrist), f"{side}_hand", names[2]))

    # SMPL's head joint lies well in front of its neck joint, so a plane square to that line would cut
    # into the chest; halfway between it and the horizontal runs from C7 to the sternal notch.
    neck_normal = unit(joints["head"] - joints["neck"]) + UP
    cuts += [
        Cut(WHOLE, Plane(joints["neck"], neck_normal), "head", WHOLE),
        Cut("head", Plane(joints["head"], neck_normal), "head", "neck"),
    ]

    for side, lateral in (("left", 1.0), ("right", -1.0)):
        names = [f"{side}_{name}" for name in ("hip", "knee", "ankle", "foot")]
        hip, knee, ankle, toes = (joints[name] for name in names)
        outward = np.array([lateral, 0.0, 0.0])
        thigh = np.array([lateral * np.cos(THIGH_CUT), -np.sin(THIGH_CUT), 0.0])
        cuts += [
            Cut(WHOLE, Plane(joints["pelvis"], outward), names[0], WHOLE),
            Cut(names[0], Plane(hip, thigh), names[0], WHOLE),
            Cut(names[0], bisecting(hip, knee, ankle), names[1], names[0]),
            Cut(names[1], Plane(ankle, -UP), names[2], names[1]),
            Cut(names[2], Plane(toes, (toes - ankle) * LEVEL), names[3], names[2]),
        ]

    cuts += [
        Cut(WHOLE, Plane(joints[above], UP), WHOLE, below)
        for below, above in (("pelvis", "spine1"), ("spine1", "spine2"), ("spine2", "spine3"))
    ]
    for side, lateral in (("left", 1.0), ("right", -1.0)):
        collar = f"{side}_collar"
        reach = joints[f"{side}_shoulder"] - joints[WHOLE]
        cuts += [
            Cut(WHOLE, Plane(joints[WHOLE], np.array([lateral, 0.0, 0.0])), collar, WHOLE),
            Cut(collar, Plane(joints[collar], reach), collar, WHOLE),
        ]
    return cuts


def hand_cuts(joints: Mapping[str, Array], side: str) -> list[Cut]:
    """The cuts of one side's whole hand, the piece `<side>_wrist`, into the palm and fifteen finger bones.

    joints (3,) m by name; side: "left" or "right". Fingers are told apart by planes between neighbouring bone
    chains and cut across at their joints, so pieces cannot overlap and sum to the hand, whatever the mesh:
    webs and touching fingers go to the nearer chain. In order: the thumb, by the plane between it and the
    index finger and across its first joint; the planes between neighbouring fingers; each finger at its
    knuckle and at its two joints, by planes that halve the angle there. The palm, with all that no finger
    takes, stays with the wrist.
    """
    palm = f"{side}_wrist"
    chains = {finger: [joints[f"{side}_{finger}{k}"] for k in (1, 2, 3)] for finger in FINGERS}
    first = {finger: f"{side}_{finger}1" for finger in FINGERS}

    def knuckle_cut(finger: str) -> Plane:
        return bisecting(joints[palm], *chains[finger][:2])

    cuts = [
        Cut(palm, _between(chains["thumb"], chains["index"]), first["thumb"], palm),
        Cut(first["thumb"], knuckle_cut("thumb"), first["thumb"], palm),
    ]
    cuts += [
        Cut(palm, _between(chains[finger], chains[neighbour]), first[finger], palm)
        for finger, neighbour in (("index", "middle"), ("middle", "ring"), ("ring", "pinky"))
    ]
    # What is left now is the little finger's strip; the other strips' palm joins it afterwards.
    cuts.append(Cut(palm, knuckle_cut("pinky"), first["pinky"], palm))
    cuts += [
        Cut(first[finger], knuckle_cut(finger), first[finger], palm) for finger in ("index", "middle", "ring")
    ]
    for finger, (base, middle, tip) in chains.items():
        names = [f"{side}_{finger}{k}" for k in (1, 2, 3)]
        cuts += [
            Cut(names[0], bisecting(base, middle, tip), names[1], names[0]),
            Cut(names[1], Plane(tip, tip - middle), names[2], names[1]),
        ]
    return cuts


def knuckle(joints: Mapping[str, Array], side: str) -> Array:
    """(3,) m where a hand's long axis leads from the wrist: SMPL's hand joint, or the middle finger's."""
    return joints[f"{side}_hand"] if f"{side}_hand" in joints else joints[f"{side}_middle1"]


def bisecting(before: Array, joint: Array, after: Array) -> Plane:
    """The plane through a joint that halves the angle between its two bones; beyond it lies inside."""
    return Plane(joint, unit(joint - before) + unit(after - joint))


def _require_joints(joints: Mapping[str, Array]) -> None:
    missing = [name for name in BODY_JOINTS if name not in joints]
    missing += [
        f"{side}_hand or {side}_middle1"
        for side in SIDES
        if f"{side}_hand" not in joints and f"{side}_middle1" not in joints
    ]
    if missing:
        raise HumanoidError(f"the body lacks joints that a SMPL humanoid has: {', '.join(missing)}")


def _between(chain: Sequence[Array], neighbour: Sequence[Array]) -> Plane:
    """The plane midway between two fingers' three joints; the first chain's side is inside.

    It runs along the mean direction of both fingers and is square to the line between them.
    """
    along = unit(unit(chain[-1] - chain[0]) + unit(neighbour[-1] - neighbour[0]))
    middle, beside = sum(chain) / 3, sum(neighbour) / 3
    across = middle - beside
    return Plane((middle + beside) / 2, across - (across @ along) * along)


def norm(vector: Array) -> Array:
    """The length of a vector."""
    return (vector @ vector) ** 0.5


def unit(vector: Array) -> Array:
    """A vector's direction."""
    return vector / norm(vector)
