"""Collision primitives of each body, fitted to its own skin, and how each profile lets them collide.

Criterion: a capsule's axis and radius minimise the mean squared distance of the body's skin from its surface.
Limbs get capsules along the bone (thigh and shank two, since they taper), the trunk capsules across, hands
boxes, feet a flat sole (feet.py). They carry no mass.

Who collides, by MuJoCo's contype and conaffinity (the floor has 1 and 1, and meets whatever has one of them):

- `inverse-dynamics`: every primitive 1 and 0: with the floor, not with each other.
- `simulation`: limbs, head, hands and feet 1 and 1; trunk, neck and upper thighs (CORE), which overlap
  each other, 1 and 0: core with limbs, limbs with each other, less the pairs that exclusions.py leaves out.
- `mjx`: one primitive a body and three a foot; feet and MJX_FLOOR 1 and 0, the others 0 and 0. Few pairs of
  limbs (MJX_PAIRS) collide as MJCF's explicit pairs, those that no pose of exclusions.py makes overlap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from .capsule_fit import across_capsule, along_capsule, fitted_capsule
from .cut_plan import body_cuts, hand_cuts, knuckle
from .errors import HumanoidError
from .exclusions import add_exclusions, excluded_pairs, touching_primitives
from .feet import SOLE, foot_primitives
from .options import PROFILES
from .primitive import Capsule, Primitive
from .skeleton import FINGERS, SIDES
from .skin_samples import Samples, samples_by_piece, surface_samples

Array = NDArray[np.float64]

LIMB_ENDS = {"hip": "knee", "knee": "ankle", "shoulder": "elbow", "elbow": "wrist", "collar": "shoulder"}
"""Joints whose capsule runs along the bone, and the joint where the bone ends."""

HALVED = ("hip", "knee")
"""Limbs that taper too much for one capsule: one for each half of the bone."""

STACKED = ("pelvis", "spine3")
"""Trunk bodies too high for one capsule across."""

CORE = ("pelvis", "spine1", "spine2", "spine3", "left_collar", "right_collar", "neck")
CORE_GEOMS = ("left_hip_upper", "right_hip_upper")
"""Bodies and geoms that overlap each other in every pose and are not meant to collide among themselves."""

MJX_FLOOR = ("pelvis", "spine3", "head", "left_knee", "right_knee", "left_elbow", "right_elbow")
"""What beside the soles meets the floor in `mjx`, so that a fallen humanoid lies on it."""

MJX_PAIRS = (
    ("left_knee", "right_knee"),
    ("left_ankle_ball", "right_ankle_ball"),
    ("pelvis", "left_elbow"),
    ("pelvis", "right_elbow"),
    ("spine1", "left_elbow"),
    ("spine1", "right_elbow"),
)

LEAST_SAMPLES = 8
"""A body that holds fewer vertices of a coarse mesh takes as many as lie nearest to its joint."""

NECK_SPREAD = 1.2
"""Times the median distance from the neck's line: skin beyond belongs to the slopes of the shoulders."""

FACE_ROUNDS = 4
"""Of fitting a box: each face to the skin that is nearest to it."""

RGBA = (0.75, 0.6, 0.5, 1.0)


def collision_primitives(
    vertices: Array,
    faces: NDArray[np.int64],
    joints: Mapping[str, Array],
    names: Sequence[str],
    profile: str = "inverse-dynamics",
) -> tuple[Primitive, ...]:
    """The primitives of a humanoid's bodies, in their order.

    vertices (V, 3) m, faces (F, 3): the closed mesh; joints (3,) m by name, merged ones too; T-pose, model
    frame. names: the humanoid's bodies, parents before children.

    Raises HumanoidError for an unknown profile, and where a part of the body has no vertex.
    """
    if profile not in PROFILES:
        raise HumanoidError(f"unknown profile {profile!r}; accepted: {', '.join(PROFILES)}")
    cuts = body_cuts(joints)
    for side in SIDES:
        if f"{side}_index1" in names:
            cuts += hand_cuts(joints, side)
    whole = surface_samples(vertices, faces)
    skin = samples_by_piece(whole, cuts)
    few = [name for name in names if len(skin[name]) < LEAST_SAMPLES]
    skin |= {name: whole.nearest(joints[name], LEAST_SAMPLES) for name in few}
    sole = float(whole.points[:, 1].min())
    feet = {side: foot_primitives(skin, joints, side, sole) for side in SIDES}
    made: list[Primitive] = []
    for name in names:
        side, _, part = name.rpartition("_")
        if part in ("ankle", "foot"):
            fitted = [p for p in feet[side] if p.body == name]
        else:
            fitted = _fitted(name, skin[name], joints, reduced=profile == "mjx")
        made += fitted
    if profile == "mjx":
        return tuple(p for p in made if p.body.partition("_")[2] not in ("ankle", "foot") or _on_sole(p))
    return tuple(made)


def add_collisions(
    spec: mujoco.MjSpec,
    primitives: Sequence[Primitive],
    joints: Mapping[str, Array],
    names: Sequence[str],
    poses: Sequence[Mapping[str, Rotation]],
    profile: str = "inverse-dynamics",
    group: int = 0,
) -> None:
    """Add a profile's primitives, and what it excludes or pairs, to a model whose bodies have SMPL's names.

    primitives: as collision_primitives makes them for the same joints, names and profile. poses: those that
    must be free of contacts, each the rotations of joints in their parents (keyframes.Pose.rotations).
    group: MuJoCo's geom group: 0, or 3 (not drawn by default) where a skin or meshes are the visible body.
    """
    for primitive in primitives:
        contype, conaffinity = contact_bits(primitive, profile)
        spec.body(primitive.body).add_geom(
            name=primitive.name,
            type=primitive.type,
            size=primitive.size,
            pos=primitive.pos,
            quat=primitive.quat,
            mass=0.0,
            contype=contype,
            conaffinity=conaffinity,
            group=group,
            rgba=RGBA,
        )
    if profile == "simulation":
        touching = touching_primitives(primitives, joints, names, poses)
        meeting = [(a, b) for a, b in touching if _meet(a, b, profile)]
        add_exclusions(spec, excluded_pairs(meeting, names))
    elif profile == "mjx":
        paired = [p for p in primitives if any(p.name in pair for pair in MJX_PAIRS)]
        overlapping = {(a.name, b.name) for a, b in touching_primitives(paired, joints, names, poses)}
        for first, second in MJX_PAIRS:
            if (first, second) not in overlapping and (second, first) not in overlapping:
                spec.add_pair(name=f"{first}-{second}", geomname1=first, geomname2=second)


def contact_bits(primitive: Primitive, profile: str) -> tuple[int, int]:
    """MuJoCo's contype and conaffinity of a primitive."""
    if profile == "simulation":
        core = primitive.body in CORE or primitive.name in CORE_GEOMS
        return (1, 0) if core else (1, 1)
    if profile == "mjx":
        return (1, 0) if _on_sole(primitive) or primitive.name in MJX_FLOOR else (0, 0)
    return 1, 0


def _meet(first: Primitive, second: Primitive, profile: str) -> bool:
    a, b = contact_bits(first, profile), contact_bits(second, profile)
    return bool(a[0] & b[1] or b[0] & a[1])


def _on_sole(primitive: Primitive) -> bool:
    return primitive.name.partition("_")[2] in SOLE


def _fitted(name: str, skin: Samples, joints: Mapping[str, Array], reduced: bool) -> list[Primitive]:
    """The primitives of one body that is no foot; reduced: a single one."""
    side, _, part = name.rpartition("_")
    joint = joints[name]
    if part in ("wrist", "hand"):
        return [_plate(name, skin, joint, knuckle(joints, side) - joints[f"{side}_wrist"])]
    parts: dict[str, Capsule] = {}
    if part in LIMB_ENDS:
        end = joints[f"{side}_{LIMB_ENDS[part]}"]
        if part in HALVED and not reduced:
            middle, bone = (joint + end) / 2, end - joint
            beyond = (skin.points - middle) @ bone > 0
            parts["_upper"] = along_capsule(skin[~beyond], joint, middle)
            parts["_lower"] = along_capsule(skin[beyond], middle, end)
        else:
            parts[""] = along_capsule(skin, joint, end)
    elif part[:-1] in FINGERS:
        parts[""] = _finger_bone(name, skin, joints)
    elif name == "neck":
        lateral = _distances(skin.points, joint, joints["head"] - joint)
        column = lateral < NECK_SPREAD * np.median(lateral)
        parts[""] = along_capsule(skin[column], joint, joints["head"])
    elif name == "head":
        parts[""] = _upright(skin)
    elif name in STACKED and not reduced:
        height = skin.points[:, 1]
        above = height > (height.min() + height.max()) / 2
        parts["_lower"], parts["_upper"] = across_capsule(skin[~above]), across_capsule(skin[above])
    else:
        parts[""] = across_capsule(skin)
    return [capsule.primitive(name + suffix, name, joint) for suffix, capsule in parts.items()]


def _upright(skin: Samples) -> Capsule:
    low, high = skin.points.min(axis=0), skin.points.max(axis=0)
    radius = float((high - low)[[0, 2]].mean() / 2)
    rise = np.array([0.0, max(float(high[1] - low[1]) / 2 - radius, 0.1 * radius), 0.0])
    return fitted_capsule(skin, (low + high) / 2 - rise, (low + high) / 2 + rise, radius)


def _finger_bone(name: str, skin: Samples, joints: Mapping[str, Array]) -> Capsule:
    """A finger's capsule along its bone, the last one's to the tip.

    As thick as the median of its skin, which webs and the ball of the thumb do not move.
    """
    joint, number = joints[name], int(name[-1])
    if number < 3:
        end = joints[f"{name[:-1]}{number + 1}"]
    else:
        along = joint - joints[f"{name[:-1]}2"]
        along = along / np.linalg.norm(along)
        end = joint + along * ((skin.points - joint) @ along).max()
    radius = float(np.median(_distances(skin.points, joint, end - joint)))
    if number == 3:
        end = joint + (end - joint) * max(1 - radius / float(np.linalg.norm(end - joint)), 0.1)
    return Capsule(joint, end, radius)


def _plate(name: str, skin: Samples, joint: Array, along: Array) -> Primitive:
    """A hand's box: as long as the skin, its other faces each at the mean of the skin nearest to it."""
    along = along / np.linalg.norm(along)
    offset = skin.points - skin.centroid
    across = offset - (offset @ along)[:, None] * along
    # Of the three principal directions the first is `along` (nothing is left there), the next the palm's.
    normal = np.linalg.eigh(across.T @ (skin.weights[:, None] * across))[1][:, 1]
    frame = np.stack([along, normal, np.cross(along, normal)], axis=1)
    place = offset @ frame
    low, high = place.min(axis=0), place.max(axis=0)
    for _ in range(FACE_ROUNDS):
        nearest = np.concatenate([place - high, low - place], axis=1).argmax(axis=1)
        for k in (1, 2):
            for face, own in ((high, nearest == k), (low, nearest == k + 3)):
                if own.any():
                    face[k] = skin.weights[own] @ place[own, k] / skin.weights[own].sum()
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, frame.ravel())
    middle = skin.centroid + frame @ ((low + high) / 2)
    return Primitive(name, name, mujoco.mjtGeom.mjGEOM_BOX, (high - low) / 2, middle - joint, quat)


def _distances(points: Array, start: Array, along: Array) -> Array:
    """(N,) m of (N, 3) points from a line."""
    offset = points - start
    return np.linalg.norm(offset - np.outer(offset @ along / (along @ along), along), axis=1)
