"""Makes models/walk.npz, the embedded example walk of the default body: `python models/generate_walk.py`.

HEADER
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation

from smpl2mjcf.body import Body, joint_positions
from smpl2mjcf.body_files import default_body
from smpl2mjcf.humanoid import GRAVITY, Humanoid, build_humanoid

Array = NDArray[np.float64]

FPS = 120.0  # frames per second
STRIDE = 128  # frames in a stride, even so that a step is a whole number of frames too
NUM_STRIDES = 5
SPEED = 1.30  # m/s

FORWARD = Rotation.from_matrix([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""SMPL's axes (x left, y up, z forward) to the world's (x forward, y left, z up)."""

# Percent of the stride from the left heel's contact, and degrees.
Curve = tuple[tuple[float, float], ...]
CURVES: dict[str, Curve] = {
    # Winter 1991, natural cadence
    "hip_flexion": (
        (0, 20), (5, 19), (10, 16.5), (20, 10), (30, 2), (40, -5.5), (50, -10.5), (54, -11), (60, -7),
        (70, 8), (80, 19), (86, 22), (93, 21.5),
    ),
    "knee_flexion": (
        (0, 4), (5, 11), (13, 19), (20, 17), (30, 10), (40, 5.5), (45, 7), (50, 13), (60, 38), (66, 55),
        (72, 62), (80, 50), (90, 19), (96, 4),
    ),
    "ankle_dorsiflexion": (
        (0, 0), (6, -5), (12, 0), (20, 4.5), (30, 7), (40, 9.5), (45, 9.5), (50, 6), (55, -5), (62, -19),
        (66, -17), (73, -6), (80, 0), (90, 1),
    ),
    # Perry & Burnfield 2010, lowered at initial contact: this body's toes are one stiff flap
    "toe_extension": (
        (0, 10), (8, 2), (20, 0), (34, 0), (42, 8), (50, 25), (57, 40), (62, 36), (70, 14), (80, 8), (90, 9),
    ),
    # Kadaba et al. 1990
    "hip_adduction": (
        (0, 2), (8, 5), (16, 8), (30, 7), (42, 5), (50, 2), (57, -2), (64, -4), (75, -2), (88, 1),
    ),
    "pelvis_list": ((0, 0.5), (6, 3), (13, 4), (25, 2), (38, 0.5)),  # left side up; the second half follows
    "pelvis_rotation": ((0, 4.5), (12, 3.5), (25, 0), (38, -2.5)),  # left side forward
    "pelvis_tilt": ((0, 0.5), (12.5, 0), (25, -0.5), (37.5, 0)),  # top forward, twice a stride
    # Crosbie et al. 1997: the spine takes back what the pelvis does, so that the thorax stays near upright
    "trunk_list": ((0, -0.5), (6, -2.5), (13, -3.5), (25, -2), (38, -0.5)),
    "trunk_rotation": ((0, -8), (12, -6), (25, 0), (38, 5)),
    "trunk_tilt": ((0, 1.5), (12.5, 2), (25, 2.5), (37.5, 2)),
    # Murray et al. 1967
    "shoulder_flexion": (
        (0, -22), (10, -19), (20, -12), (30, -3), (40, 5), (50, 8.5), (60, 6), (70, 0), (80, -9), (90, -18),
    ),
    "elbow_flexion": (
        (0, 17), (10, 17), (20, 21), (30, 28), (40, 35), (50, 38), (60, 36), (70, 31), (80, 25), (90, 19),
    ),
}
