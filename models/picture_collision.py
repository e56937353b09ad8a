"""Draw docs/collision.png: default bodies of several shapes, and their collision primitives in them.

    python models/picture_collision.py [--out docs/collision.png]

MuJoCo draws; without a display set MUJOCO_GL=egl (or osmesa).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import mujoco
import numpy as np
from picture_body import UPRIGHT, one_beta
from render import Array, Pixels, drawn, save, table

from smpl2mjcf import default_body
from smpl2mjcf.body import shaped_vertices
from smpl2mjcf.collision import collision_primitives
from smpl2mjcf.primitive import Primitive
from smpl2mjcf.surface import closed_surface

Mesh = tuple[Array, Array]

SHAPES = {  # column: whose default body, and which of its betas is not zero
    "neutral": ("neutral", "", 0.0),
    "female": ("female", "", 0.0),
    "male": ("male", "", 0.0),
    "heavy (male, mass +2.5)": ("male", "mass", 2.5),
    "light (female, mass -2)": ("female", "mass", -2.0),
}
VIEWS = {"oblique": 215, "front": 180, "side": 270}  # azimuths in degrees

SIZE, FOOT_SIZE = (280, 290), (280, 150)  # pixels
BLUE = np.array([0.3, 0.6, 1.15])
"""What the primitives' colour is multiplied by."""

AROUND, ALONG = 32, 9
"""Of a drawn capsule: points of each ring, and rings of each end."""


def main() -> None:
    """Draw the picture and say how large it is."""
    parser = argparse.ArgumentParser(description="Draw docs/collision.png.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs" / "collision.png")
    columns = [_column(*shape) for shape in SHAPES.values()]
    rows = ["primitives", *(f"and skin, {view}" for view in VIEWS), "sole"]
    tall = table([list(row) for row in zip(*columns)][:-1], list(SHAPES), rows[:-1])
    low = table([[column[-1] for column in columns]], rows=rows[-1:])
    save(np.concatenate([tall, low]), parser.parse_args().out)


def _column(sex: str, beta: str, value: float) -> list[Pixels]:
    body = default_body(sex)
    vertices = shaped_vertices(body, one_beta(body, beta, value) if beta else None)
    joints = dict(zip(body.joint_names, body.joint_regressor @ vertices))
    surface = closed_surface(body, vertices)
    primitives = collision_primitives(surface.vertices, surface.faces, joints, body.joint_names, "simulation")
    skin = surface.vertices @ UPRIGHT.T, surface.faces
    solids = _joined([_mesh(p, joints[p.body]) for p in primitives])
    middle = (skin[0].min(axis=0) + skin[0].max(axis=0)) / 2
    sole = np.array([0.03, middle[1], skin[0][:, 2].min() + 0.05])
    first = next(iter(VIEWS.values()))
    return [
        _tinted(drawn(*solids, middle, 2.0, first, -4, SIZE)),
        *(_overlaid(skin, solids, middle, 2.0, azimuth, SIZE) for azimuth in VIEWS.values()),
        _overlaid(skin, solids, sole, 0.17, VIEWS["side"], FOOT_SIZE),
    ]


def _overlaid(
    skin: Mesh, solids: Mesh, middle: Array, height: float, azimuth: float, size: tuple[int, int]
) -> Pixels:
    """The skin over its primitives, each half transparent."""
    images = [drawn(*mesh, middle, height, azimuth, -4 if height > 1 else 0, size) for mesh in (skin, solids)]
    return ((images[0].astype(np.float64) + _tinted(images[1])) / 2).round().astype(np.uint8)


def _tinted(image: Pixels) -> Pixels:
    """An image whose white stays while the rest turns blue."""
    white = (image > 250).all(axis=2, keepdims=True)
    return np.where(white, image, np.minimum(image * BLUE, 255).round().astype(np.uint8))


def _mesh(primitive: Primitive, joint: Array) -> Mesh:
    """Vertices (V, 3) m, facing the world's +x, and faces (F, 3) of a primitive."""
    if primitive.type == mujoco.mjtGeom.mjGEOM_BOX:
        points, faces = _box(primitive.size)
    else:
        points, faces = _capsule(*primitive.size[:2])
    return (points @ primitive.frame.T + primitive.pos + joint) @ UPRIGHT.T, faces


def _capsule(radius: float, half: float) -> Mesh:
    """A grid of latitudes, poles included, and longitudes; the middle two latitudes are the cylinder's."""
    latitude = np.concatenate([np.linspace(-np.pi / 2, 0, ALONG), np.linspace(0, np.pi / 2, ALONG)])
    end = np.repeat([-half, half], ALONG)
    longitude = 2 * np.pi * np.arange(AROUND) / AROUND
    ring = radius * np.cos(latitude)[:, None]
    height = np.broadcast_to((end + radius * np.sin(latitude))[:, None], (2 * ALONG, AROUND))
    points = np.stack([ring * np.cos(longitude), ring * np.sin(longitude), height], axis=-1).reshape(-1, 3)
    low = (np.arange(2 * ALONG - 1)[:, None] * AROUND + np.arange(AROUND)).ravel()
    right = (np.arange(2 * ALONG - 1)[:, None] * AROUND + (np.arange(AROUND) + 1) % AROUND).ravel()
    lower, upper = [low, right, right + AROUND], [low, right + AROUND, low + AROUND]
    faces = np.concatenate([np.stack(lower, axis=1), np.stack(upper, axis=1)])
    a, b, c = points[faces].swapaxes(0, 1)
    return points, faces[np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-12]  # none at the poles


def _box(half: Array) -> Mesh:
    """Each face with corners of its own, so that the edges stay sharp."""
    sides = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            u, v = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
            corners = [
                sign * np.eye(3)[axis] + a * u + b * v for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
            ]
            sides.append(np.array(corners if sign > 0 else corners[::-1]) * half)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    return _joined([(side, faces) for side in sides])


def _joined(meshes: Sequence[Mesh]) -> Mesh:
    starts = np.cumsum([0] + [len(points) for points, _ in meshes])
    faces = [triangles + start for (_, triangles), start in zip(meshes, starts)]
    return np.concatenate([points for points, _ in meshes]), np.concatenate(faces)


if __name__ == "__main__":
    main()
