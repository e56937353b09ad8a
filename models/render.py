"""Pictures of posed bodies: linear blend skinning, MuJoCo's renderer, and labelled tables of images.

World axes: z up. Images are (rows, columns, 3) bytes. Without a display set MUJOCO_GL=egl (or osmesa).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from smpl2mjcf.body import Body, shaped_vertices

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]

SKIN = (0.80, 0.68, 0.60, 1.0)
INK = (60, 60, 60)
FONT_HEIGHT = 16  # pixels, of labels
LINE = 24  # pixels, of a line of labels
FAR = 10.0  # m from the camera, which sees without perspective, so that nothing is too near
LIGHTS = ((0.0, 0.8, 0.45), (-160.0, 0.15, 0.25))
"""Degrees from where the camera looks to where a light shines, its fall per metre, its strength."""

COLOURS = 256  # of a saved picture


def posed(body: Body, rotations: Array, betas: ArrayLike | None = None) -> tuple[Array, Array]:
    """(V, 3) m vertices and (J, 3) m joints by linear blend skinning, in the axes of the root's rotation.

    rotations: (J, 3, 3) of each joint in its parent. The root joint stays where it is in the rest pose.
    """
    vertices = shaped_vertices(body, betas)
    rest = body.joint_regressor @ vertices
    orientation, place = np.zeros((len(rest), 3, 3)), np.zeros((len(rest), 3))
    for j, parent in enumerate(body.parents):
        above, at, start = (np.eye(3), rest[0], rest[0]) if parent < 0 else (
            orientation[parent], place[parent], rest[parent]
        )  # fmt: skip
        orientation[j] = above @ rotations[j]
        place[j] = at + above @ (rest[j] - start)
    shift = place - np.einsum("jab,jb->ja", orientation, rest)
    turn = np.einsum("vj,jab->vab", body.weights, orientation)
    return np.einsum("vab,vb->va", turn, vertices) + body.weights @ shift, place


def drawn(
    vertices: Array,
    faces: NDArray[np.int64],
    middle: ArrayLike,
    height: float,
    azimuth: float,
    elevation: float,
    size: tuple[int, int],
) -> Pixels:
    """An image of a smooth mesh on white, without perspective.

    vertices: (V, 3) m. middle: (3,) m, what is in the image's middle. height: m from the image's lower to
    its upper edge. azimuth, elevation: degrees in which the camera looks; at azimuth 0 it looks along +x.
    size: (width, height) in pixels.
    """
    spec = mujoco.MjSpec()
    mesh = spec.add_mesh(name="skin", uservert=vertices.ravel(), userface=faces.ravel())
    mesh.usernormal = _normals(vertices, faces).ravel()
    mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname="skin", rgba=SKIN)
    light(spec, azimuth)
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return photograph(model, data, middle, height, azimuth, elevation, size)


def light(spec: mujoco.MjSpec, azimuth: float) -> None:
    """Give a scene the pictures' lights for a camera that looks at an azimuth in degrees, on white."""
    spec.visual.headlight.ambient, spec.visual.headlight.diffuse = [0.25] * 3, [0.35] * 3
    spec.visual.headlight.specular = [0.05] * 3
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT,
        rgb1=[1, 1, 1],
        rgb2=[1, 1, 1],
        width=8,
        height=48,
    )
    for aside, steepness, strength in LIGHTS:
        around = np.deg2rad(azimuth + aside)
        spec.worldbody.add_light(
            dir=[np.cos(around), np.sin(around), -steepness],
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
            diffuse=[strength] * 3,
            castshadow=False,
        )


def photograph(
    model: mujoco.MjModel,
    data: mujoco.MjData,
    middle: ArrayLike,
    height: float,
    azimuth: float,
    elevation: float,
    size: tuple[int, int],
    options: mujoco.MjvOption | None = None,
) -> Pixels:
    """An image of a lit scene without perspective; arguments as those of `drawn`."""
    width, rows = size
    model.vis.global_.offwidth, model.vis.global_.offheight = 2 * width, 2 * rows
    model.vis.global_.fovy = height
    camera = mujoco.MjvCamera()
    camera.lookat, camera.azimuth, camera.elevation = np.asarray(middle), azimuth, elevation
    camera.distance, camera.orthographic = FAR, 1
    with mujoco.Renderer(model, 2 * rows, 2 * width) as renderer:
        renderer.update_scene(data, camera, scene_option=options)
        pixels = renderer.render().astype(np.float64)
    smooth = pixels.reshape(rows, 2, width, 2, 3).mean(axis=(1, 3))
    return smooth.round().astype(np.uint8)


def table(
    images: Sequence[Sequence[Pixels]], columns: Sequence[str] = (), rows: Sequence[str] = ()
) -> Pixels:
    """Images of one size in rows, columns' labels above, rows' on the left (written upwards)."""
    body = np.concatenate([np.concatenate(row, axis=1) for row in images])
    height, width = images[0][0].shape[:2]
    if rows:
        sides = [np.rot90(caption(label, height)) for label in rows]
        body = np.concatenate([np.concatenate(sides), body], axis=1)
    if columns:
        corner = [np.full((LINE, LINE if rows else 0, 3), 255, dtype=np.uint8)]
        head = np.concatenate(corner + [caption(label, width) for label in columns], axis=1)
        body = np.concatenate([head, body])
    return body


def caption(label: str, width: int, start: int | None = None) -> Pixels:
    """A line of text on white, `width` pixels long; the text starts at a pixel, or is in the middle (None).

    Raises ValueError where it is wider than `width` pixels.
    """
    image = Image.new("RGB", (width, LINE), "white")
    font = ImageFont.load_default(FONT_HEIGHT)
    length = font.getlength(label)
    if length > width:
        raise ValueError(f"the label {label!r} is {length:.0f} pixels long, and has {width}")
    at = (width - length) / 2 if start is None else start
    ImageDraw.Draw(image).text((at, LINE / 2), label, fill=INK, font=font, anchor="lm")
    return np.asarray(image)


def save(pixels: Pixels, out: Path) -> None:
    """Write a PNG and say how large it is."""
    Image.fromarray(pixels).quantize(COLOURS).save(out, optimize=True)
    print(f"{out}: {pixels.shape[1]} x {pixels.shape[0]}, {out.stat().st_size / 1e3:.0f} kB")


def _normals(vertices: Array, faces: NDArray[np.int64]) -> Array:
    corners = vertices[faces]
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(total, faces[:, k], face)
    return total / np.linalg.norm(total, axis=1, keepdims=True)
