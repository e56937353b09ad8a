"""Humanoids of several shapes, saved as MJCF that any simulator loads."""

import tempfile
from pathlib import Path

import numpy as np

import smpl2mjcf

body = smpl2mjcf.default_body()
folder = Path(tempfile.mkdtemp())
for name, beta in (("short", -2.0), ("mean", 0.0), ("tall", 2.0)):
    betas = np.zeros(10)
    betas[0] = beta  # body.shape_names says what each beta means
    human = smpl2mjcf.build_humanoid(body, betas)
    path = human.save(folder / f"{name}.xml")
    height = np.ptp(smpl2mjcf.shaped_vertices(body, betas)[:, 1])
    print(f"{path.name}: {height:.2f} m, {human.mass:.1f} kg")
