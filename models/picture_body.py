"""Draw the pictures of docs/bodies.md: the default bodies from all sides, close, bent and in other shapes.

    python models/picture_body.py [--folder docs]

MuJoCo draws; without a display set MUJOCO_GL=egl (or osmesa).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.transform import Rotation

from smpl2mjcf import default_body
from smpl2mjcf.body import Body

Array = NDArray[np.float64]
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

# What is drawn close: sex, pose, joint in the middle, width in m, azimuth and elevation in degrees.
CLOSE = [
    ("female", "stand", "head", 0.42, 215, -3), ("male", "stand", "head", 0.42, 270, 0),
    ("neutral", "rest", "left_hand", 0.26, 180, -60), ("neutral", "rest", "left_hand", 0.26, 230, 25),
    ("neutral", "rest", "left_foot", 0.32, 215, -30), ("neutral", "rest", "left_ankle", 0.32, 60, -12),
    ("female", "stand", "left_shoulder", 0.5, 195, 0), ("male", "reach up", "left_shoulder", 0.5, 195, 0),
    ("male", "hands on hips", "left_elbow", 0.5, 215, -5), ("female", "sit", "left_hip", 0.6, 215, -25),
    ("female", "squat", "left_knee", 0.6, 250, 0), ("male", "touch the toes", "left_hip", 0.6, 262, -8),
]  # fmt: skip

SHAPES = [(0, -2), (0, 2), (1, -2), (1, 2), (2, -2), (2, 2), (4, 2), (6, 2)]
"""Betas of the last picture: which, and its value."""

FOV_Y = 20.0
"""Degrees that the camera sees from top to bottom."""


def main() -> None:
    """Draw the four pictures and say how large they are."""
    parser = argparse.ArgumentParser(description="Draw the pictures of docs/bodies.md.")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parents[1] / "docs")
    folder = parser.parse_args().folder
    bodies = {sex: default_body(sex) for sex in SEXES}

    def whole(body: Body, vertices: Array, azimuth: float, size: tuple[int, int], height: float) -> Array:
        middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
        return drawn(vertices, body.faces, middle, height, azimuth, -4, size)

    views = [
        whole(body, posed(body, {})[0], azimuth, (300, 290), 1.9)
        for body in bodies.values()
        for azimuth in (180, 215, 270, 0)
    ]
    close = []
    for sex, pose, joint, width, azimuth, elevation in CLOSE:
        vertices, places = posed(bodies[sex], POSES.get(pose, {}))
        middle = places[bodies[sex].joint_names.index(joint)]
        close.append(drawn(vertices, bodies[sex].faces, middle, width, azimuth, elevation, (240, 240)))
    bent = [
        whole(bodies[sex], posed(bodies[sex], pose)[0], 225, (170, 250), 2.3)
        for sex in SEXES
        for pose in POSES.values()
    ]
    shapes = []
    for sex in SEXES:
        for beta, value in SHAPES:
            betas = np.zeros(bodies[sex].num_betas)
            betas[beta] = value
            vertices = posed(bodies[sex], HANGING, betas)[0]
            shapes.append(whole(bodies[sex], vertices, 205, (150, 230), 2.0))
    for name, images, columns in (
        ("body_views", views, 4),
        ("body_close", close, 6),
        ("body_poses", bent, len(POSES)),
        ("body_shapes", shapes, len(SHAPES)),
    ):
        rows = [np.concatenate(images[i : i + columns], axis=1) for i in range(0, len(images), columns)]
        out = folder / f"{name}.png"
        Image.fromarray(np.concatenate(rows)).quantize(128).save(out, optimize=True)
        print(f"{out}: {out.stat().st_size / 1e3:.0f} kB")


def posed(body: Body, pose: Pose, betas: Array | None = None) -> tuple[Array, Array]:
    """(V, 3) m vertices and (J, 3) m joints by linear blend skinning, y up."""
    vertices = body.v_template if betas is None else body.v_template + body.shapedirs @ betas
    rest = body.joint_regressor @ vertices
    orientation, place = np.zeros((len(rest), 3, 3)), np.zeros((len(rest), 3))
    for j, (name, parent) in enumerate(zip(body.joint_names, body.parents)):
        above, at, start = (np.eye(3), rest[0], rest[0]) if parent < 0 else (
            orientation[parent], place[parent], rest[parent]
        )  # fmt: skip
        orientation[j] = above @ _rotation(name, pose)
        place[j] = at + above @ (rest[j] - start)
    shift = place - np.einsum("jab,jb->ja", orientation, rest)
    turn = np.einsum("vj,jab->vab", body.weights, orientation)
    return np.einsum("vab,vb->va", turn, vertices) + body.weights @ shift, place


def _rotation(name: str, pose: Pose) -> Array:
    side, _, part = name.rpartition("_")
    angles = pose.get(part, (0.0, 0.0, 0.0))
    if isinstance(angles[0], tuple):
        angles = angles[side == "right"]  # type: ignore[assignment]
    x, y, z = angles  # type: ignore[misc]
    vector = (x, -y, -z) if side == "right" else (x, y, z)
    return Rotation.from_rotvec(vector, degrees=True).as_matrix()


def drawn(
    vertices: Array,
    faces: NDArray[np.int64],
    middle: Array,
    height: float,
    azimuth: float,
    elevation: float,
    size: tuple[int, int],
) -> NDArray[np.uint8]:
    """An image (rows, columns, 3) of a smooth mesh, y up, whose middle `height` m fill the image's height."""
    upright = np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]])
    width, rows = size
    spec = mujoco.MjSpec()
    spec.visual.global_.offwidth, spec.visual.global_.offheight = 2 * width, 2 * rows
    spec.visual.global_.fovy = FOV_Y
    spec.visual.map.znear = 0.005
    spec.visual.headlight.ambient, spec.visual.headlight.diffuse = [0.25] * 3, [0.35] * 3
    spec.visual.headlight.specular = [0.05] * 3
    world = vertices @ upright.T
    mesh = spec.add_mesh(name="skin", uservert=world.ravel(), userface=faces.ravel())
    mesh.usernormal = _normals(world, faces).ravel()
    mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
        rgb1=[1, 1, 1],
        rgb2=[1, 1, 1],
        width=8,
        height=48,
    )
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname="skin", rgba=[0.80, 0.68, 0.60, 1])
    for direction, strength in (((-3, -2, -3), 0.45), ((2, 3, -0.5), 0.25)):
        spec.worldbody.add_light(
            dir=direction,
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
            diffuse=[strength] * 3,
            castshadow=False,
        )
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    camera = mujoco.MjvCamera()
    camera.lookat, camera.azimuth, camera.elevation = upright @ middle, azimuth, elevation
    camera.distance = height / 2 / np.tan(np.deg2rad(FOV_Y / 2))
    with mujoco.Renderer(model, 2 * rows, 2 * width) as renderer:
        renderer.update_scene(data, camera)
        pixels = renderer.render().astype(np.float64)
    smooth = pixels.reshape(rows, 2, width, 2, 3).mean(axis=(1, 3))
    return smooth.round().astype(np.uint8)


def _normals(vertices: Array, faces: NDArray[np.int64]) -> Array:
    corners = vertices[faces]
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(total, faces[:, k], face)
    return total / np.linalg.norm(total, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
