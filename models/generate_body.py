"""Generate models/default_body.npz: a licence-free body in SMPL's format, from formulas and tables.

    python models/generate_body.py [--out models/default_body.npz]

1. body_field describes the left half of a person of mean proportions by a signed field over SMPL's
   rest joints (tables of sections; where the numbers come from is said there).
2. body_mesh turns it into a closed mirror-symmetric mesh with SMPL's 6890 vertices and 13776 faces.
3. Planes through the joints label each vertex with a bone; labels diffuse over the surface, with a
   reach in proportion to the local thickness, into skinning weights (at most four a vertex).
4. A shape direction stretches each bone's matter along and across the bone at its own rate. The joint
   displacements follow from the chain of bones, or are none where flesh alone grows; the skin blends the
   bones' maps by smoother weights. Displacements are linear in beta, so no direction depends on another.
5. Non-negative least squares finds few vertices around each joint whose weighted mean is the joint,
   at the template and along every shape direction.

One unit of a beta is about one standard deviation among adults where that is common knowledge (stature:
7 cm within either sex); girth directions carry about 60 % of theirs, because all ten drawn together would
otherwise leave the range of living people. The betas are this body's own and mean nothing to SMPL, as
SMPL's mean nothing here.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import body_field
import body_mesh
import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse
from scipy.sparse.linalg import splu

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

NUM_VERTICES, NUM_FACES = 6890, 13776

JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle",
    "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hand", "right_hand",
)  # fmt: skip
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
MIRROR = [JOINTS.index(n.replace("left", "*").replace("right", "left").replace("*", "right")) for n in JOINTS]

PELVIS = np.array([0.0, -220.0, 25.0])
"""The pelvis joint in the model frame, mm: SMPL's origin lies about this far above it too."""

THIGH_CUT = np.deg2rad(37.0)
"""Angle of the plane between trunk and thigh to the sagittal plane (de Leva 1996)."""

# Bones with their next joint: where matter is stretched along and across a line.
NEXT_JOINT = {"hip": "knee", "knee": "ankle", "shoulder": "elbow", "elbow": "wrist", "wrist": "hand"}


@dataclass(frozen=True)
class Shape:
    """A shape direction: strain of each bone's matter per unit of beta, sides alike."""

    meaning: str  # of one positive unit
    rates: dict[str, tuple[float, ...]]  # limb bones: (along, across) the bone; other parts: (x, y, z)
    is_flesh: bool = False  # the surface alone moves, the joints stay


_SPINE = ("spine1", "spine2", "spine3")

SHAPES = (
    Shape("stature: 7 cm taller, all over, with less gain in girth and in the head", {
        **dict.fromkeys(("pelvis", *_SPINE, "collar"), (0.026, 0.045, 0.024)),
        "neck": (0.02, 0.04, 0.02), "head": (0.015, 0.02, 0.015),
        **dict.fromkeys(("hip", "knee", "shoulder", "elbow"), (0.046, 0.022)),
        **dict.fromkeys(("wrist", "hand"), (0.038, 0.02)),
        **dict.fromkeys(("ankle", "foot"), (0.022, 0.03, 0.036)),
    }),
    Shape("adiposity: fuller waist, hips and limbs, 6 kg", {
        "pelvis": (0.012, 0, 0.075), "spine1": (0.07, 0, 0.115), "spine2": (0.07, 0, 0.10),
        "spine3": (0.035, 0, 0.06), "collar": (0, 0.02, 0.035), "neck": (0.04, 0, 0.04),
        "head": (0.012, 0, 0.006), "hip": (0, 0.056), "knee": (0, 0.032), "shoulder": (0, 0.055),
        "elbow": (0, 0.03), "wrist": (0, 0.015), "hand": (0, 0.015),
        "ankle": (0.012, 0, 0), "foot": (0.012, 0, 0),
    }, is_flesh=True),
    Shape("leg length: thigh and shank 3.4 % longer, trunk 1.2 % shorter", {
        **dict.fromkeys(("hip", "knee"), (0.034, 0)), **dict.fromkeys(("pelvis", *_SPINE), (0, -0.012, 0)),
    }),
    Shape("arm length: upper arm and forearm 3.4 % longer", dict.fromkeys(("shoulder", "elbow"), (0.034, 0))),
    Shape("shoulder breadth: shoulder joints 2 cm further apart", {
        "collar": (0.075, 0, 0), "spine3": (0.045, 0, 0), "spine2": (0.02, 0, 0),
    }),
    Shape("hip breadth: hip joints 5 % further apart, pelvis broader", {
        "pelvis": (0.05, 0, 0.01), "spine1": (0.02, 0, 0), "hip": (0, 0.012),
    }),
    Shape("muscularity: stronger limbs, chest and neck, 2.5 kg", {
        **dict.fromkeys(("hip", "knee", "elbow"), (0, 0.025)), "shoulder": (0, 0.04), "wrist": (0, 0.012),
        "spine3": (0.025, 0, 0.03), "spine2": (0.01, 0, 0.01), "collar": (0, 0.03, 0.03),
        "neck": (0.035, 0, 0.035),
    }, is_flesh=True),
    Shape("shank against thigh: shank 3.4 % longer, thigh 3.4 % shorter", {
        "hip": (-0.034, 0), "knee": (0.034, 0),
    }),
    Shape("forearm against upper arm: forearm 3.4 % longer, upper arm 3.4 % shorter", {
        "shoulder": (-0.034, 0), "elbow": (0.034, 0),
    }),
    Shape("hands, feet and head: hands and feet 4 % longer, head 2.5 % larger", {
        **dict.fromkeys(("ankle", "foot"), (0.035, 0.02, 0.045)),
        **dict.fromkeys(("wrist", "hand"), (0.04, 0.03)),
        "head": (0.025, 0.025, 0.025),
    }),
)  # fmt: skip

# Wanted edge length, mm, near a point of the left half (mm in the pelvis frame).
EDGE_LENGTHS = [
    ((0, 757, 0), 15), ((0, 680, -95), 15), ((75, 690, 0), 15), ((0, 610, 105), 7),
    ((32, 646, 92), 7.5), ((0, 545, 85), 9), ((20, 577, 92), 8), ((80, 630, -6), 7.5),
    ((0, 530, -40), 15), ((90, 500, -40), 19), ((0, 400, 60), 23), ((0, 400, -120), 23),
    ((150, 330, 0), 23), ((0, 200, 90), 24), ((0, 200, -100), 24), ((135, 150, 0), 24),
    ((0, 20, 100), 24), ((100, -60, -130), 22), ((170, -60, 0), 24), ((0, -160, 0), 16),
    ((95, -250, 0), 24), ((100, -400, 0), 21), ((104, -480, 0), 19), ((100, -600, -40), 20),
    ((92, -760, -50), 17), ((92, -870, -50), 14), ((92, -940, -80), 12), ((100, -920, 0), 12),
    ((112, -940, 80), 10), ((90, -950, 135), 7.5), ((150, -950, 100), 7.5), ((120, -950, 125), 7.5),
    ((190, 443, -40), 19), ((300, 433, -55), 19), ((438, 432, -70), 17), ((560, 434, -70), 16),
    ((688, 438, -72), 11), ((740, 432, -80), 9), ((784, 430, -86), 7.5), ((775, 424, -12), 7),
    ((865, 425, -76), 7), ((850, 426, -45), 7), ((855, 425, -105), 7), ((835, 423, -132), 7),
]  # fmt: skip

SKIN_REACH, SHAPE_REACH = 1.8, 2.5
"""Reach of the diffusion of labels, in edge lengths, for skinning and for shape directions."""

SEAM_REACH = 12.0
"""mm from the midline within which sideways displacements fade: no part crosses to the other side."""

REGRESSOR_REACH = 8.5
"""Distance from a joint, in edge lengths, within which its regressor chooses vertices."""


def main() -> None:
    """Generate the body, write it and print what came out."""
    parser = argparse.ArgumentParser(description="Generate the default body in SMPL's format.")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("default_body.npz"))
    out = parser.parse_args().out
    arrays = default_body()
    np.savez_compressed(out, **arrays)
    stature = np.ptp(arrays["v_template"][:, 1])
    volume = _volume(arrays["v_template"].astype(np.float64), arrays["f"])
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB, stature {stature:.3f} m, volume {volume * 1e3:.1f} L")


def default_body() -> dict[str, NDArray]:
    """The arrays of a SMPL file, in m, by their keys there, and family, sex and shape_names."""
    vertices, faces, partner = template_mesh()
    joints = template_joints()
    bones = bone_labels(vertices, joints)
    weights = skinning_weights(diffused(bones, vertices, faces, partner, SKIN_REACH))
    fields, joint_fields = shape_directions(
        vertices, joints, diffused(bones, vertices, faces, partner, SHAPE_REACH)
    )
    # Multiples of 2^-20 m are exact in float32, mirror exactly and compress well.
    template = _rounded((vertices + PELVIS) / 1000, 20)
    shapedirs = _rounded(fields / 1000, 20)
    regressor = joint_regressor(template, shapedirs, (joints + PELVIS) / 1000, joint_fields / 1000, partner)
    return {
        "v_template": template.astype(np.float32),
        "shapedirs": shapedirs.astype(np.float32),
        "J_regressor": regressor,
        "weights": weights,
        "f": faces.astype(np.int32),
        "kintree_table": np.array([PARENTS, range(len(JOINTS))], dtype=np.int64),
        "family": np.array("smpl2mjcf"),
        "sex": np.array("neutral"),
        "shape_names": np.array([shape.meaning for shape in SHAPES]),
    }


def template_mesh() -> tuple[Array, Ints, Ints]:
    """Vertices (6890, 3) mm in the pelvis frame, faces (13776, 3) and mirror partners (6890,)."""
    # Fine where the hands and toes are, coarse elsewhere.
    ticks = [
        np.concatenate([np.arange(0, 686, 7.0), np.arange(686, 900, 3.5)]),
        np.concatenate([np.arange(-976, -898, 4.5), np.arange(-895, 396, 8.0), np.arange(396, 486, 3.5),
                        np.arange(489, 770, 5.5)]),
        np.arange(-150, 160, 5.5),
    ]  # fmt: skip
    vertices, faces = body_mesh.half_surface(body_field.person, ticks)
    vertices, faces = body_mesh.collapse_edges(vertices, faces, edge_length(vertices), NUM_FACES // 2)
    vertices, faces = body_mesh.even_out(vertices, faces, body_field.person, edge_length)
    return body_mesh.mirrored(vertices, faces)


def edge_length(points: Array) -> Array:
    """(N,) mm, the edge length wanted at points (N, 3) mm, from the anchors of EDGE_LENGTHS."""
    anchors = np.array([point for point, _ in EDGE_LENGTHS], dtype=np.float64)
    lengths = np.array([length for _, length in EDGE_LENGTHS], dtype=np.float64)
    distance2 = ((points[:, None] - anchors) ** 2).sum(axis=2)
    nearness = 1 / (distance2 + 15.0**2) ** 2
    return nearness @ lengths / nearness.sum(axis=1)


def template_joints() -> Array:
    """(24, 3) mm, rest joints in SMPL's order, in the pelvis frame."""
    left = body_field.LEFT_JOINTS
    return np.array(
        [left[n] if n in left else np.multiply(left[n.replace("right", "left")], (-1, 1, 1)) for n in JOINTS],
        dtype=np.float64,
    )


def bone_labels(vertices: Array, joints: Array) -> Array:
    """(V, 24) 0 or 1: the joint whose bone carries each vertex (V, 3) mm; shared equally at x = 0."""
    left = _left_labels(np.abs(vertices[:, :1]) * [1, 0, 0] + vertices * [0, 1, 1], joints)
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

    for name in _SPINE:
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


def diffused(labels: Array, vertices: Array, faces: Ints, partner: Ints, reach: float) -> Array:
    """(V, 24) labels spread over the surface by two implicit heat steps; rows sum to 1, mirror-exact.

    reach: the length of a step at each vertex, in wanted edge lengths.
    """
    length = reach * edge_length(np.abs(vertices[:, :1]) * [1, 0, 0] + vertices * [0, 1, 1])
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


def shape_directions(vertices: Array, joints: Array, blend: Array) -> tuple[Array, Array]:
    """Displacements per unit of beta, mm: of the vertices (V, 3, 10) and of the joints (24, 3, 10)."""
    fields, joint_fields = [], []
    x = vertices[:, 0]
    fade = np.abs(x) / np.hypot(x, SEAM_REACH)
    for shape in SHAPES:
        stretch = [_stretch(name, shape.rates, joints) for name in JOINTS]
        moved = np.zeros_like(joints)
        for j, parent in enumerate(PARENTS):
            if shape.is_flesh:
                continue
            if parent < 0:
                moved[j] = stretch[j] @ (joints[j] + PELVIS)
            else:
                moved[j] = moved[parent] + stretch[parent] @ (joints[j] - joints[parent])
        field = np.zeros_like(vertices)
        for j in range(len(JOINTS)):
            field += blend[:, j : j + 1] * (moved[j] + (vertices - joints[j]) @ stretch[j].T)
        field[:, 0] *= fade
        fields.append(field)
        joint_fields.append(moved)
    return np.stack(fields, axis=2), np.stack(joint_fields, axis=2)


def _stretch(joint: str, rates: dict[str, tuple[float, ...]], joints: Array) -> Array:
    """(3, 3) the strain of one bone's matter per unit of beta."""
    side, _, name = joint.rpartition("_")
    rate = rates.get(name, (0.0, 0.0, 0.0))
    if len(rate) == 3:
        return np.diag(rate)
    along, across = rate
    # The hand beyond its knuckles runs on along the line from the wrist.
    start, end = ("wrist", "hand") if name == "hand" else (name, NEXT_JOINT[name])
    bone = joints[JOINTS.index(f"{side}_{end}")] - joints[JOINTS.index(f"{side}_{start}")]
    bone = bone / np.linalg.norm(bone)
    return across * np.eye(3) + (along - across) * np.outer(bone, bone)


def joint_regressor(
    template: Array, shapedirs: Array, joints: Array, joint_fields: Array, partner: Ints
) -> Array:
    """(24, V) non-negative rows that sum to 1 and give the joints and their shape displacements.

    template (V, 3), shapedirs (V, 3, 10), joints (24, 3), joint_fields (24, 3, 10), all in m. Solved for
    the left and the middle; the right is the mirror image.
    """
    regressor = np.zeros((len(joints), len(template)))
    num_shapes = shapedirs.shape[2]
    # The template counts most: it is met to a hundredth of a millimetre, a unit of beta to tenths.
    importance = np.r_[np.full(3, 100.0), np.full(3 * num_shapes, 3.0), 100.0]
    for j, name in enumerate(JOINTS):
        if name.startswith("right"):
            continue
        reach = REGRESSOR_REACH * edge_length(1000 * joints[j : j + 1] - PELVIS) / 1000
        is_near = np.linalg.norm(template - joints[j], axis=1) < reach
        if MIRROR[j] == j:
            is_near &= template[:, 0] >= 0
        near = np.flatnonzero(is_near)
        system = _moments(template[near], shapedirs[near])
        if MIRROR[j] == j:
            system = (system + _moments(template[partner[near]], shapedirs[partner[near]])) / 2
        wanted = _moments(joints[j : j + 1], joint_fields[j : j + 1])[:, 0]
        found, _ = optimize.nnls(system * importance[:, None], wanted * importance)
        found /= found.sum()
        np.add.at(regressor[j], near, found / 2)
        np.add.at(regressor[j], partner[near] if MIRROR[j] == j else near, found / 2)
    for j in range(len(JOINTS)):
        if JOINTS[j].startswith("right"):
            regressor[j] = regressor[MIRROR[j]][partner]
    return regressor


def _moments(points: Array, displacements: Array) -> Array:
    """(3 + 3 B + 1, N) the equations that a regressor's weights on N points have to meet."""
    return np.concatenate([points.T, displacements.reshape(len(points), -1).T, np.ones((1, len(points)))])


def _rounded(values: Array, bits: int) -> Array:
    return np.round(values * 2.0**bits) / 2.0**bits


def _volume(vertices: Array, faces: Ints) -> float:
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return float(np.einsum("ni,ni->", a, np.cross(b, c)) / 6)


if __name__ == "__main__":
    main()
