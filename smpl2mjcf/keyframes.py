"""Poses that a model starts from: `tpose`, `apose` and `stand`, upright with the soles on the floor.

A pose is a rotation of each joint in its parent, axes of SMPL's rest frames, so it is the same for ball
joints and for hinges. World: z up, floor at z = 0; the pelvis stands at x = y = 0 and faces -y.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.spatial.transform import Rotation

from .hinges import rotation_columns, rotation_values
from .inertia import Inertia
from .skeleton import BODY_JOINTS, SIDES, parent_name

Array = NDArray[np.float64]

UPRIGHT = Rotation.from_euler("x", 90, degrees=True)
"""R_world_model: the model frame's y axis becomes the world's z axis."""

STANDING_KEY = "stand"
"""The relaxed standing pose, which servos are sized for."""

APOSE_SHOULDER_DEG = 45.0
"""How far the A-pose's arms hang below the level."""

STAND_SHOULDER_DEG = (40, 80)
"""How far the standing arms hang from the level, at least and at most: as far as there is room."""

STAND_ELBOW_DEG = 10.0
"""Flexion of a relaxed elbow."""

ARM_CLEARANCE = 0.015
"""m of air between the standing arms and the trunk and thighs."""

TRUNK = ("pelvis", "spine1", "spine2", "spine3")
FEET = tuple(f"{side}_{part}" for side in SIDES for part in ("ankle", "foot"))

CELL = 0.02
"""m, of the grid in which the trunk's breadth is looked up: as wide as the mesh's faces."""


@dataclass(frozen=True, eq=False)
class Pose:
    """A posture of a humanoid. Joints that are not named are at rest."""

    root_position: Array  # (3,) m, the pelvis joint in the world
    root_rotation: Rotation  # R_world_pelvis
    rotations: Mapping[str, Rotation]  # of a joint in its parent, by joint


def standard_poses(
    parts: Mapping[str, Array], positions: Mapping[str, Array], inertias: Mapping[str, Inertia]
) -> dict[str, Pose]:
    """`tpose` (SMPL's rest), `apose` (arms 45 degrees down) and `stand` of a shape.

    In `stand` the arms hang as far as the body leaves them room, elbows a little bent. In `apose` and `stand`
    the body above the ankles leans so that its centre of mass is above the middle between heel and ball; the
    soles stay flat. `tpose` is SMPL's rest pose exactly and does not lean; its weight is further forward.

    parts: (N, 3) m skin of each body (skin.skin_parts), positions: (3,) m joints, both in the T-pose, model
    frame; inertias: of each body, in its frame.
    """
    return {
        "tpose": _on_floor(parts, positions, Rotation.identity(), {}),
        "apose": _balanced(parts, positions, inertias, _shoulders(APOSE_SHOULDER_DEG)),
        STANDING_KEY: _balanced(parts, positions, inertias, standing_arms(parts, positions)),
    }


def standing_arms(parts: Mapping[str, Array], positions: Mapping[str, Array]) -> dict[str, Rotation]:
    """Shoulders and elbows of `stand`: the arms as low as ARM_CLEARANCE allows, in steps of a degree."""
    elbows = {
        f"{side}_elbow": Rotation.from_euler("y", sign * STAND_ELBOW_DEG, degrees=True)
        for side, sign in zip(SIDES, (-1.0, 1.0))
    }
    gaps = [_Gap(parts, positions, side) for side in SIDES]
    lowest, highest = STAND_SHOULDER_DEG
    while lowest < highest:  # the arms at `lowest` are clear, or as far out as they get
        middle = (lowest + highest + 1) // 2
        if min(gap.of(_shoulders(middle) | elbows) for gap in gaps) >= ARM_CLEARANCE:
            lowest = middle
        else:
            highest = middle - 1
    return _shoulders(lowest) | elbows


def standing_lean(
    parts: Mapping[str, Array],
    positions: Mapping[str, Array],
    inertias: Mapping[str, Inertia],
    rotations: Mapping[str, Rotation],
) -> Rotation:
    """The rotation of all but the feet about the ankles that brings the centre of mass above their middle."""
    orientation, place = placed(positions, inertias, Rotation.identity(), rotations)
    ankle = np.mean([positions[f"{side}_ankle"] for side in SIDES], axis=0)
    target = np.mean([support_middle(parts, positions, side) for side in SIDES])
    body, still = np.zeros(3), np.zeros(3)  # first moments about the ankles, kg m
    for name, inertia in inertias.items():
        moment = inertia.mass * (place[name] + orientation[name] @ inertia.com - ankle)
        if name in FEET:
            still += moment
        else:
            body += moment
    # Leaning by an angle brings body to z cos + y sin; with the feet it must be the whole mass at target.
    wanted = (target - ankle[2]) * sum(inertia.mass for inertia in inertias.values()) - still[2]
    angle = np.arcsin(wanted / np.hypot(body[1], body[2])) - np.arctan2(body[2], body[1])
    return Rotation.from_euler("x", angle)


def support_middle(parts: Mapping[str, Array], positions: Mapping[str, Array], side: str) -> float:
    """m along the model's z axis: half-way from the back of the heel to the ball of the foot."""
    return float(parts[f"{side}_ankle"][:, 2].min() + positions[f"{side}_foot"][2]) / 2


def pose_qpos(model: mujoco.MjModel, pose: Pose) -> Array:
    """(nq,) a pose of a compiled humanoid, of ball joints or hinges."""
    qpos = model.qpos0.copy()
    qpos[:3] = pose.root_position
    qpos[3:7] = pose.root_rotation.as_quat(scalar_first=True, canonical=True)
    for name, rotation in pose.rotations.items():
        qpos[rotation_columns(model, name)] = rotation_values(model, name, rotation)[0]
    return qpos


def add_keyframes(spec: mujoco.MjSpec, poses: Mapping[str, Pose]) -> None:
    """Add poses to a model with its joints as keyframes of their names."""
    model = spec.compile()
    for name, pose in poses.items():
        spec.add_key(name=name, qpos=pose_qpos(model, pose))


def placed(
    positions: Mapping[str, Array],
    joint_names: Iterable[str],
    root: Rotation,
    rotations: Mapping[str, Rotation],
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Orientation (3, 3) and place (3,) m of each body in a pose; the root joint stays at its rest position.

    joint_names: the humanoid's, parents before children.
    """
    orientation: dict[str, Array] = {}
    place: dict[str, Array] = {}
    for name in joint_names:
        parent = parent_name(name)
        above = root.as_matrix() if parent is None else orientation[parent]
        orientation[name] = above @ rotations[name].as_matrix() if name in rotations else above
        place[name] = positions[name]
        if parent is not None:
            place[name] = place[parent] + above @ (positions[name] - positions[parent])
    return orientation, place


def _balanced(
    parts: Mapping[str, Array],
    positions: Mapping[str, Array],
    inertias: Mapping[str, Inertia],
    arms: Mapping[str, Rotation],
) -> Pose:
    """The pose with these arms that leans about its ankles until it is in balance."""
    lean = standing_lean(parts, positions, inertias, arms)
    return _on_floor(parts, positions, lean, {**arms, **{f"{side}_ankle": lean.inv() for side in SIDES}})


def _on_floor(
    parts: Mapping[str, Array],
    positions: Mapping[str, Array],
    lean: Rotation,
    rotations: Mapping[str, Rotation],
) -> Pose:
    """The upright pose whose soles' lowest point touches the floor, its pelvis above the world's origin."""
    root = UPRIGHT * lean
    orientation, place = placed(positions, BODY_JOINTS, root, rotations)
    height = min(
        (parts[name] @ orientation[name][2]).min() + place[name][2] - positions[name] @ orientation[name][2]
        for name in FEET
    )
    return Pose(np.array([0.0, 0.0, positions["pelvis"][2] - height]), root, rotations)


def _shoulders(angle_deg: float) -> dict[str, Rotation]:
    return {
        f"{side}_shoulder": Rotation.from_euler("z", sign * angle_deg, degrees=True)
        for side, sign in zip(SIDES, (-1.0, 1.0))
    }


class _Gap:
    """The air beside a trunk and thigh, looked up in a grid of how far out they reach."""

    def __init__(self, parts: Mapping[str, Array], positions: Mapping[str, Array], side: str) -> None:
        self._positions, self._side = positions, side
        self._sign = 1.0 if side == "left" else -1.0
        out, *across = np.concatenate([parts[name] for name in (*TRUNK, f"{side}_hip")]).T
        self._corner = np.array([row.min() for row in across])[:, None] - CELL
        at = self._cells(across)
        breadth = np.full(tuple(int(row.max()) + 2 for row in at), -np.inf)
        np.maximum.at(breadth, tuple(at), self._sign * out)
        # What is in a neighbouring cell may be a face's width away.
        self._breadth = maximum_filter(breadth, 3, mode="constant", cval=-np.inf)
        self._arm = np.concatenate([parts[n] for n in parts if n.startswith(side) and _beyond_elbow(n)]).T

    def _cells(self, across: Sequence[Array]) -> NDArray[np.int64]:
        """(2, N) rows and columns of the grid from heights and depths in m."""
        return np.floor((np.asarray(across) - self._corner) / CELL).astype(np.int64)

    def of(self, arms: Mapping[str, Rotation]) -> float:
        """m, sideways, between the forearm with the hand and the trunk with the thigh; negative inside."""
        elbow = f"{self._side}_elbow"
        orientation, place = placed(self._positions, BODY_JOINTS, Rotation.identity(), arms)
        shift = place[elbow] - orientation[elbow] @ self._positions[elbow]
        out, *across = orientation[elbow] @ self._arm + shift[:, None]
        row, column = self._cells(across)
        beside = (row >= 0) & (column >= 0) & (row < len(self._breadth)) & (column < self._breadth.shape[1])
        reach = self._breadth[row[beside], column[beside]]
        return float((self._sign * out[beside] - reach).min(initial=np.inf))


def _beyond_elbow(joint: str) -> bool:
    return joint.endswith(("_elbow", "_wrist", "_hand")) or joint[-1].isdigit()
