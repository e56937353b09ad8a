"""Draw the pictures of docs/bodies.md: the default bodies from all sides, close, bent and in other shapes.

    python models/picture_body.py [--folder docs]

MuJoCo draws; without a display set MUJOCO_GL=egl (or osmesa).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from render import Array, Pixels, caption, drawn, posed, save, table
from scipy.spatial.transform import Rotation

from smpl2mjcf import default_body
from smpl2mjcf.body import Body

Degrees = tuple[float, float, float]
Pose = Mapping[str, Degrees | tuple[Degrees, Degrees]]

SEXES = ("neutral", "female", "male")

# Axis-angle rotations in degrees by joint. The right side mirrors the left, unless both are given.
HANGING: Pose = {"shoulder": (0, 0, -78), "elbow": (0, -10, 0)}
POSES: dict[str, Pose] = {
    "stand": HANGING,
    "reach forward": {"shoulder": (-60, -60, -60)},
    "reach up": {"collar": (0, 0, 15), "shoulder": (0, 0, 65), "elbow": (0, -10, 0)},
    "hands on hips": {"shoulder": (46, 0, -38), "elbow": (0, -100, 0)},
    "stride": {
        **HANGING, "hip": ((-30, 0, 0), (15, 0, 0)), "knee": ((8, 0, 0), (30, 0, 0)),
        "foot": ((0, 0, 0), (-25, 0, 0)),
    },
    "sit": {**HANGING, "hip": (-85, 0, 5), "knee": (90, 0, 0)},
    "squat": {
        "hip": (-95, 10, 15), "knee": (110, 0, 0), "ankle": (-25, 0, 0), "spine1": (7, 0, 0),
        "spine2": (7, 0, 0), "spine3": (6, 0, 0), "shoulder": (-60, -60, -60),
    },
    "touch the toes": {
        **HANGING, "hip": (-90, 0, 3), "spine1": (23, 0, 0), "spine2": (23, 0, 0), "spine3": (24, 0, 0),
        "shoulder": (-70, -70, -60),
    },
}  # fmt: skip

VIEWS = {"front": 180, "oblique": 215, "side": 270, "back": 0}
"""Azimuths in degrees."""

# What is drawn close: label, sex, pose, joint in the middle, height in m, azimuth and elevation in degrees.
CLOSE = [
    ("face (female)", "female", "stand", "head", 0.42, 215, -3),
    ("face, side (male)", "male", "stand", "head", 0.42, 270, 0),
    ("hand, above (neutral)", "neutral", "rest", "left_hand", 0.26, 180, -60),
    ("hand, below (neutral)", "neutral", "rest", "left_hand", 0.26, 230, 25),
    ("foot, front (neutral)", "neutral", "rest", "left_foot", 0.32, 215, -30),
    ("foot, behind (neutral)", "neutral", "rest", "left_ankle", 0.32, 60, -12),
    ("shoulder (female)", "female", "stand", "left_shoulder", 0.5, 195, 0),
    ("shoulder, reach up (male)", "male", "reach up", "left_shoulder", 0.5, 195, 0),
    ("elbow, hands on hips (male)", "male", "hands on hips", "left_elbow", 0.5, 215, -5),
    ("hip, sit (female)", "female", "sit", "left_hip", 0.6, 215, -25),
    ("knee, squat (female)", "female", "squat", "left_knee", 0.6, 250, 0),
    ("hip, touch the toes (male)", "male", "touch the toes", "left_hip", 0.6, 262, -8),
]
CLOSE_UP, GAP = 240, 4  # pixels, and how many of them at the left and right stay white

SHAPES = [
    ("stature", -2), ("stature", 2), ("mass", -2), ("mass", 2), ("leg length", -2), ("leg length", 2),
    ("shoulder breadth", 2), ("muscularity", 2),
]  # fmt: skip
"""Betas of the last picture: the first words of its name, and its value."""

UPRIGHT = np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]])
"""R_world_body of a body that faces the world's +x."""


def main() -> None:
    """Draw the four pictures and say how large they are."""
    parser = argparse.ArgumentParser(description="Draw the pictures of docs/bodies.md.")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parents[1] / "docs")
    folder = parser.parse_args().folder
    bodies = {sex: default_body(sex) for sex in SEXES}
    views = [
        [_whole(body, {}, azimuth, (300, 290), 1.9) for azimuth in VIEWS.values()] for body in bodies.values()
    ]
    save(table(views, list(VIEWS), SEXES), folder / "body_views.png")

    close = []
    for label, sex, pose, joint, height, azimuth, elevation in CLOSE:
        vertices, joints = _bent(bodies[sex], POSES.get(pose, {}))
        middle = joints[bodies[sex].joint_names.index(joint)]
        image = drawn(vertices, bodies[sex].faces, middle, height, azimuth, elevation, (CLOSE_UP, CLOSE_UP))
        for edge in (image[:, :GAP], image[:, -GAP:]):
            edge[:] = 255
        close.append(np.concatenate([caption(label, CLOSE_UP), image]))
    save(table([close[:6], close[6:]]), folder / "body_close.png")

    poses = [
        [_whole(body, pose, 225, (170, 250), 2.3) for pose in POSES.values()] for body in bodies.values()
    ]
    save(table(poses, list(POSES), SEXES), folder / "body_poses.png")

    shapes = [
        [_whole(body, HANGING, 205, (150, 230), 2.1, one_beta(body, *shape)) for shape in SHAPES]
        for body in bodies.values()
    ]
    labels = [f"{name} {value:+d}" for name, value in SHAPES]
    save(table(shapes, labels, SEXES), folder / "body_shapes.png")


def one_beta(body: Body, name: str, value: float) -> Array:
    """(B,) betas, all zero but the one whose description begins with this name."""
    return np.array([value if what.startswith(f"{name}:") else 0.0 for what in body.shape_names])


def _whole(
    body: Body, pose: Pose, azimuth: float, size: tuple[int, int], height: float, betas: Array | None = None
) -> Pixels:
    vertices, _ = _bent(body, pose, betas)
    middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    return drawn(vertices, body.faces, middle, height, azimuth, -4, size)


def _bent(body: Body, pose: Pose, betas: Array | None = None) -> tuple[Array, Array]:
    """(V, 3) m vertices and (J, 3) m joints in a pose, facing the world's +x."""
    rotations = np.stack([_rotation(name, pose) for name in body.joint_names])
    vertices, joints = posed(body, rotations, betas)
    return vertices @ UPRIGHT.T, joints @ UPRIGHT.T


def _rotation(name: str, pose: Pose) -> Array:
    side, _, part = name.rpartition("_")
    angles = pose.get(part, (0.0, 0.0, 0.0))
    if isinstance(angles[0], tuple):
        angles = angles[side == "right"]
    x, y, z = angles
    vector = (x, -y, -z) if side == "right" else (x, y, z)
    return Rotation.from_rotvec(vector, degrees=True).as_matrix()


if __name__ == "__main__":
    main()
