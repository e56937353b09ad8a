"""Draw docs/landmarks.png: the landmarks and inertial sensors of the neutral default body, from three sides.

    python models/picture_landmarks.py [--folder docs]

MuJoCo draws the model's own sites; without a display set MUJOCO_GL=egl (or osmesa).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import mujoco
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from render import INK, Array, Pixels, caption, light, photograph, save

from smpl2mjcf import build_humanoid, default_body, joint_positions, shaped_vertices
from smpl2mjcf.imus import add_imus, imus
from smpl2mjcf.landmarks import ALIASES, MARKER_GROUP, add_markers, landmarks
from smpl2mjcf.skeleton import SIDES
from smpl2mjcf.skin import VISIBLE_GROUP, add_skin

SCALE = 400.0  # pixels a metre
HEIGHT = 1.84  # m
VIEWS = {"front": (90.0, 1.92), "left side": (180.0, 0.62), "back": (-90.0, 1.92)}
"""Degrees in which the camera looks at a body that faces -y, and the picture's width in m."""

BESIDE, HIDDEN = 0.018, 0.06  # m aside, and before a site: skin that hides it
FONT_HEIGHT = 10  # pixels
LIFT = 6  # pixels between a site and its name


def main() -> None:
    """Draw the picture and say how large it is."""
    parser = argparse.ArgumentParser(description="Draw the landmarks on the default body.")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parents[1] / "docs")
    folder = parser.parse_args().folder
    views = []
    for name, (azimuth, width) in VIEWS.items():
        image = seen_from(azimuth, round(width * SCALE), round(HEIGHT * SCALE))
        views.append(np.concatenate([caption(name, image.shape[1]), image]))
    save(np.concatenate(views, axis=1), folder / "landmarks.png")


def seen_from(azimuth: float, width: int, rows: int) -> Pixels:
    """The body in the T-pose with its sites, those on the near side named."""
    body = default_body()
    human = build_humanoid(body)
    vertices = shaped_vertices(body)
    joints = dict(zip(body.joint_names, joint_positions(body)))
    for spot in list(human.spec.lights):
        human.spec.delete(spot)
    light(human.spec, azimuth)
    add_skin(human.spec, body, vertices, joints, human.joint_names)
    add_markers(human.spec, landmarks(body, vertices, joints, human.joint_names))
    add_imus(human.spec, imus(body, vertices, joints, human.joint_names))
    model = human.spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key("tpose").id)
    mujoco.mj_forward(model, data)
    options = mujoco.MjvOption()
    options.geomgroup[:] = 0
    options.skingroup[VISIBLE_GROUP] = 1
    options.sitegroup[:] = 0
    options.sitegroup[MARKER_GROUP] = 1
    middle = np.array([0.0, 0.0, HEIGHT / 2 - 0.04])
    image = photograph(model, data, middle, HEIGHT, azimuth, 0.0, (width, rows), options)
    root = data.body("pelvis")
    skin = (vertices - joints["pelvis"]) @ root.xmat.reshape(3, 3).T + root.xpos
    return named(image, data, skin, middle, azimuth)


def named(image: Pixels, data: mujoco.MjData, skin: Array, middle: Array, azimuth: float) -> Pixels:
    """The image with short names above the landmarks that nothing hides. skin: (V, 3) m, world."""
    turn = np.deg2rad(azimuth)
    away, right = np.array([np.cos(turn), np.sin(turn), 0.0]), np.array([np.sin(turn), -np.cos(turn), 0.0])
    picture = Image.fromarray(image)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(FONT_HEIGHT)
    for alias, name in ALIASES.items():
        place = data.site(name).xpos
        beside = np.hypot((skin - place) @ right, skin[:, 2] - place[2]) < BESIDE
        if ((skin[beside] - place) @ away).min(initial=0.0) < -HIDDEN:
            continue
        column = image.shape[1] / 2 + SCALE * (place - middle) @ right
        row = image.shape[0] / 2 - SCALE * (place - middle)[2]
        if name.startswith(SIDES):
            draw.text((column, row - LIFT), alias, fill=INK, font=font, anchor="mb")
        else:  # below, where the left and the right one have their names above
            draw.text((column, row + LIFT), alias, fill=INK, font=font, anchor="mt")
    return np.asarray(picture)


if __name__ == "__main__":
    main()
