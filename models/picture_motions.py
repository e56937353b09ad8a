"""Draw strips of pictures of motions: those that ship with the package, and CMU's where a folder has them.

    python models/picture_motions.py [--folder docs] [--cmu FOLDER]

Every row is a motion, seen from its right side (the arms' from the front), at equal times; the camera goes
along with who travels. FOLDER holds 02_01.amc, 01_01.amc, 11_01.amc with 02_rebuilt.asf, 01.asf and 11.asf,
and 131_01.bvh and 131_03.bvh of mocap.cs.cmu.edu; the bodies have the betas that fit the recorded bones.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from render import Array, Pixels, caption, drawn, posed, save
from scipy.spatial.transform import Rotation

from smpl2mjcf import (
    Motion,
    build_humanoid,
    default_body,
    find_floor,
    load_motion,
    model_file,
    motion_to_qpos,
)

PHASES = 8
CELL = 150  # pixels, the width of a picture
LARGEST_SCALE = 120.0  # pixels a metre; less where somebody needs more width than a cell has
MARGIN = 0.05  # m around a row's bodies
TRAVELS = 0.5  # m that the pelvis goes along the floor, beyond which the camera goes along
PAPER, FLOOR = 250, (150, 150, 150)  # what is lighter is background; colour of the floor line

FRONT, SIDE = 180.0, 90.0
"""Degrees from where the body faces to where the camera looks: at its face, or at its right side."""


class Row(NamedTuple):
    """What is drawn of a motion."""

    file: str
    name: str
    start: float  # s
    end: float  # s
    view: float = SIDE


# One stride of the steady motions: its eighth picture would be followed by the first again.
OURS = (
    Row("walk.npz", "walk, one stride", 0.0, 128 / 120 * 7 / 8),
    Row("run.npz", "run, one stride", 0.0, 86 / 120 * 7 / 8),
    Row("jump.npz", "jump", 0.3, 2.75),
    Row("squat.npz", "squat, the first of two", 0.3, 4.5),
    Row("sit_to_stand.npz", "sit to stand (the seat is not drawn)", 0.4, 2.85),
    Row("arm_raise.npz", "arm raise, sideways and then forward", 0.3, 10.1, FRONT),
)

# The CMU clips: the moments of a long clip that show what is done in it.
CMU = (
    Row("02_01.amc", "CMU 02_01: walk", 0.8, 1.85),
    Row("01_01.amc", "CMU 01_01: the first of its forward jumps", 1.3, 2.7),
    Row("11_01.amc", "CMU 11_01: football kick", 2.75, 3.8),
    Row("131_01.bvh", "CMU 131_01: start, walk, stop (stylised)", 2.4, 5.2),
    Row("131_03.bvh", "CMU 131_03: start, hop, stop", 6.2, 7.6),
)
SKELETONS = {"02_01.amc": "02_rebuilt.asf", "01_01.amc": "01.asf", "11_01.amc": "11.asf"}
CMU_FPS = 120.0


def main() -> None:
    """Draw the strips and say how large they are."""
    parser = argparse.ArgumentParser(description="Draw strips of pictures of motions.")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parents[1] / "docs")
    parser.add_argument("--cmu", type=Path, help="folder with the CMU clips; draws cmu_strips.png too")
    given = parser.parse_args()
    strips = [strip(row, load_motion(model_file(row.file))) for row in OURS]
    save(np.concatenate(strips), given.folder / "motion_strips.png")
    if given.cmu is not None:
        strips = [strip(row, _cmu_motion(given.cmu, row.file)) for row in CMU]
        save(np.concatenate(strips), given.folder / "cmu_strips.png")


def _cmu_motion(folder: Path, file: str) -> Motion:
    with warnings.catch_warnings():
        # How far the fitted body's bones are from the recorded ones does not matter to a picture.
        warnings.simplefilter("ignore")
        if file in SKELETONS:
            return load_motion(folder / file, skeleton=folder / SKELETONS[file], fps=CMU_FPS)
        return load_motion(folder / file, unit="cmu")


def strip(row: Row, motion: Motion) -> Pixels:
    """An image of PHASES pictures of a motion beside each other, its name above, the times below."""
    body = default_body()
    humanoid = build_humanoid(body, motion.betas)
    floor = find_floor(humanoid.model, motion_to_qpos(humanoid, motion), motion.fps).height
    frames = np.linspace(row.start, row.end, PHASES) * motion.fps
    frames = np.minimum(frames.round().astype(int), motion.num_frames - 1)

    meshes, pelvis = [], []
    for frame in frames:
        rotations = Rotation.from_rotvec(motion.poses[frame]).as_matrix()
        vertices, joints = posed(body, rotations, motion.betas)
        meshes.append(vertices + motion.trans[frame])
        pelvis.append(joints[0] + motion.trans[frame])
    azimuth = heading(motion.poses[frames, 0]) + row.view
    right = np.array([np.sin(np.deg2rad(azimuth)), -np.cos(np.deg2rad(azimuth)), 0.0])

    edges = np.array([[(mesh @ right).min(), (mesh @ right).max()] for mesh in meshes])
    if np.ptp(np.array(pelvis) @ right) < TRAVELS:
        # Who stays is drawn in one place, so that the feet can be seen to stand still.
        edges[:] = edges[:, 0].min(), edges[:, 1].max()
    along = edges.mean(axis=1)
    scale = min(LARGEST_SCALE, CELL / (np.ptp(edges, axis=1).max() + 2 * MARGIN))
    top = max(float(mesh[:, 2].max()) for mesh in meshes) + MARGIN
    bottom = min(floor, *(float(mesh[:, 2].min()) for mesh in meshes)) - MARGIN
    rows = int(np.ceil((top - bottom) * scale))
    top = bottom + rows / scale

    cells, times = [], []
    for mesh, at, frame in zip(meshes, along, frames):
        # Along the view, the mesh's own middle: the camera has no perspective, but it must be outside.
        middle = mesh.mean(axis=0)
        middle += (at - middle @ right) * right
        middle[2] = (top + bottom) / 2
        cells.append(drawn(mesh, body.faces, middle, rows / scale, azimuth, 0.0, (CELL, rows)))
        times.append(caption(f"{frame / motion.fps:.2f} s", CELL))
    image = np.concatenate(cells, axis=1)
    line = int((top - floor) * scale)
    bare = (image[line : line + 2] > PAPER).all(axis=-1)
    image[line : line + 2][bare] = FLOOR
    return np.concatenate([caption(row.name, PHASES * CELL, 6), image, np.concatenate(times, axis=1)])


def heading(orientations: Array) -> float:
    """Degrees from the world's x axis to where a pelvis (N, 3) rad faces on average; SMPL's faces its +z."""
    forward = Rotation.from_rotvec(orientations).apply([0.0, 0.0, 1.0]).mean(axis=0)
    return float(np.rad2deg(np.arctan2(forward[1], forward[0])))


if __name__ == "__main__":
    main()
