"""Which bones move the skin: labels from planes through the joints, spread over the surface into weights.

Lengths are in millimetres in the pelvis frame of the neutral body.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from body_tables import JOINTS, MIRROR
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Anchors = Sequence[tuple[tuple[float, float, float], float]]

THIGH_CUT = np.deg2rad(37.0)
"""Angle of the plane between trunk and thigh to the sagittal plane (de Leva 1996)."""

# Reach in mm of the diffusion of labels into skinning weights, near a point of the left half. Skin that a
# joint folds, at a distance d from its centre, passes through itself where it blends over less than
# 2 d tan(bend / 2): so reaches are long behind the knee, in groin, armpit and the crook of the elbow. On the
# outer side of a bend a long reach costs volume: so they are short over buttock, kneecap and elbow.
SKIN_REACHES = [
    ((0, 757, 0), 27), ((0, 600, 100), 27), ((70, 650, 0), 27), ((0, 560, -60), 30), ((0, 545, 60), 30),
    ((60, 530, -40), 30), ((0, 300, -110), 45), ((0, 300, 90), 45), ((130, 300, 0), 40),
    ((0, 180, -100), 45), ((0, 180, 90), 45), ((130, 180, 0), 45), ((0, 60, 90), 45), ((0, 30, -110), 20),
    # groin and the front of the thigh
    ((72, -87, 95), 68), ((90, -30, 90), 68), ((95, -180, 90), 68), ((100, -300, 90), 60),
    # buttock, outer hip, crotch, back of the thigh
    ((72, -87, -115), 16), ((40, -100, -115), 16), ((110, -100, -110), 16), ((72, -30, -115), 16),
    ((72, -160, -105), 16), ((30, -60, -115), 16), ((130, -60, -100), 16), ((130, -140, -100), 16),
    ((60, -190, -108), 18), ((150, -90, -70), 15), ((165, -60, 0), 25), ((30, -160, 0), 32),
    ((100, -300, -90), 40),
    # behind the knee, its sides, kneecap
    ((104, -478, -67), 138), ((104, -420, -68), 138), ((104, -540, -80), 138), ((50, -478, 0), 42),
    ((158, -478, 0), 42), ((104, -478, 50), 10), ((104, -440, 58), 8), ((104, -515, 42), 8),
    ((70, -478, 35), 10), ((140, -478, 35), 10),
    # shank, ankle, foot, toes
    ((92, -700, -50), 38), ((92, -882, -95), 24), ((92, -882, -13), 26), ((100, -920, 0), 22),
    ((92, -940, -80), 21), ((100, -958, 0), 21), ((117, -937, 66), 17), ((80, -955, 66), 17),
    ((150, -955, 66), 17), ((117, -960, 66), 17), ((100, -958, 35), 18), ((110, -958, 100), 15),
    ((90, -950, 135), 12), ((120, -950, 125), 12), ((150, -950, 100), 12),
    # armpit, its front fold, top and back of the shoulder
    ((176, 385, -43), 65), ((150, 370, -20), 70), ((200, 385, -40), 65), ((245, 388, -55), 60),
    ((176, 440, 12), 60), ((150, 400, 20), 65), ((176, 420, 10), 75), ((190, 395, 0), 75),
    ((150, 395, 10), 75), ((100, 350, 60), 60), ((176, 495, -43), 30), ((100, 470, -50), 30),
    ((176, 440, -98), 45),
    # crook of the elbow, its point and sides, wrist, hand
    ((438, 432, -26), 50), ((438, 432, -110), 15), ((438, 392, -70), 28), ((438, 470, -70), 28),
    ((310, 430, -50), 35), ((560, 430, -70), 30), ((688, 438, -72), 20), ((772, 430, -86), 14),
    ((850, 430, -86), 10),
]  # fmt: skip


def bone_labels(vertices: Array, joints: Array) -> Array:
    """(V, 24) 0 or 1: the joint whose bone carries each vertex (V, 3) mm; shared equally at x = 0."""
    left = _left_labels(on_the_left(vertices), joints)
    one = np.zeros((len(vertices), len(JOINTS)))
    one[np.arange(len(vertices)), left] = 1
    other = one[:, MIRROR]
    side = vertices[:, :1]
    return np.where(side > 0, one, np.where(side < 0, other, (one + other) / 2))


def _left_labels(p: Array, joints: Array) -> Ints:
    """(V,) joint numbers for vertices on the left, from planes through the joints."""
    at = {name: joints[i] for i, name in enumerate(JOINTS)}
    label = np.zeros(len(p), dtype=np.int64)

    def assign(name: str, where: NDArray[np.bool_]) -> None:
        label[where] = JOINTS.index(name)

    for name in ("spine1", "spine2", "spine3"):
        assign(name, p[:, 1] > at[name][1])
    reach = at["left_shoulder"] - at["spine3"]
    assign("left_collar", (p[:, 1] > at["spine3"][1]) & ((p - at["left_collar"]) @ reach > 0))
    # Between the line from neck to head and the vertical: from C7 to the notch above the sternum.
    neck = at["head"] - at["neck"]
    neck = neck / np.linalg.norm(neck) + [0, 1, 0]
    assign("neck", (p - at["neck"]) @ neck > 0)
    assign("head", (p - at["head"]) @ neck > 0)
    is_arm = (p[:, 0] > at["left_shoulder"][0]) & (p[:, 1] > at["spine3"][1])
    for name in ("left_shoulder", "left_elbow", "left_wrist", "left_hand"):
        assign(name, is_arm & (p[:, 0] > at[name][0]))
    cut = np.array([np.cos(THIGH_CUT), -np.sin(THIGH_CUT), 0])
    is_leg = ((p - at["left_hip"]) @ cut > 0) & (p[:, 1] < at["spine1"][1])
    assign("left_hip", is_leg)
    for name in ("left_knee", "left_ankle"):
        assign(name, is_leg & (p[:, 1] < at[name][1]))
    assign("left_foot", is_leg & (p[:, 1] < at["left_ankle"][1]) & (p[:, 2] > at["left_foot"][2]))
    return label


def diffused(labels: Array, vertices: Array, faces: Ints, partner: Ints, length: Array) -> Array:
    """(V, 24) labels spread over the surface by two implicit heat steps; rows sum to 1, mirror-exact.

    length: (V,) mm, the length of a step at each vertex.
    """
    laplacian, area = _cotangent_laplacian(vertices, faces)
    heat = sparse.identity(len(vertices)) + sparse.diags(length**2 / (2 * area)) @ laplacian
    solver = splu(heat.tocsc())
    spread = np.clip(solver.solve(solver.solve(labels)), 0, None)
    spread = (spread + spread[partner][:, MIRROR]) / 2
    return spread / spread.sum(axis=1, keepdims=True)


def _cotangent_laplacian(vertices: Array, faces: Ints) -> tuple[sparse.csr_matrix, Array]:
    """The positive Laplacian (V, V) with cotangent weights, none negative, and (V,) vertex areas."""
    size = len(vertices)
    p = vertices[faces]
    area = np.linalg.norm(np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), axis=1) / 2
    weight = sparse.csr_matrix((size, size))
    for k in range(3):
        i, j, o = faces[:, (k + 1) % 3], faces[:, (k + 2) % 3], p[:, k]
        dot = np.einsum("fi,fi->f", vertices[i] - o, vertices[j] - o)
        # An obtuse pair would give a negative weight, and then labels below 0: keep a little flow instead.
        half_cot = np.maximum(dot / (4 * area), 0.01)
        weight = weight + sparse.csr_matrix((half_cot, (i, j)), shape=(size, size))
    weight = weight + weight.T
    return sparse.diags(np.asarray(weight.sum(axis=1)).ravel()) - weight, np.bincount(
        faces.ravel(), np.repeat(area / 3, 3), minlength=size
    )


def skinning_weights(spread: Array) -> Array:
    """(V, 24) the four largest weights of each row, as multiples of 1/4096 that sum to 1."""
    fourth = -np.sort(-spread, axis=1)[:, 3:4]
    kept = np.where((spread >= fourth - 1e-9) & (spread > 0.004), spread, 0)
    # A tie across the midline can hold five: drop both of the smallest then, to stay symmetric.
    crowded = (kept > 0).sum(axis=1) > 4
    smallest = np.where(kept > 0, kept, np.inf).min(axis=1, keepdims=True)
    kept[crowded] = np.where(kept <= smallest + 1e-9, 0, kept)[crowded]
    parts = np.round(kept / kept.sum(axis=1, keepdims=True) * 4096)
    # What rounding leaves goes to the largest weight; on the midline to one that is its own mirror image.
    central = np.array([MIRROR[j] == j for j in range(len(JOINTS))])
    paired = np.isclose(parts, parts[:, MIRROR]).all(axis=1)
    rank = np.where(paired[:, None] & ~central, -1, parts)
    largest = rank.argmax(axis=1)
    parts[np.arange(len(parts)), largest] += 4096 - parts.sum(axis=1)
    return parts / 4096


def near(points: Array, anchors: Anchors, softness: float) -> Array:
    """(N,) the anchors' values at points (N, 3), weighted by nearness; softness in mm."""
    places = np.array([place for place, _ in anchors], dtype=np.float64)
    values = np.array([value for _, value in anchors], dtype=np.float64)
    distance2 = ((points[:, None] - places) ** 2).sum(axis=2)
    nearness = 1 / (distance2 + softness**2) ** 2
    return nearness @ values / nearness.sum(axis=1)


def on_the_left(vertices: Array) -> Array:
    """(V, 3) vertices with those of the right side mirrored to the left."""
    return np.abs(vertices[:, :1]) * [1, 0, 0] + vertices * [0, 1, 1]
