"""Generate the default bodies of models/: licence-free bodies in SMPL's format, from formulas and tables.

    python models/generate_body.py [--folder models]

1. body_field describes the left half of a person by a signed field over SMPL's rest joints, from the
   tables of body_tables (where the numbers come from is said there).
2. body_mesh turns the neutral person into a closed mirror-symmetric mesh with SMPL's 6890 vertices and
   13776 faces, and carries its vertices over to the woman's and the man's field: the faces stay the same.
3. body_skin labels each vertex with a bone and spreads the labels into skinning weights, for all three alike.
4. body_shapes makes the shape directions of each and sizes their units.
5. Non-negative least squares finds few vertices around each joint whose weighted mean is the joint,
   at the template and along every shape direction.

The betas are these bodies' own and mean nothing to SMPL, as SMPL's mean nothing here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import body_field
import body_mesh
import body_shapes
import body_skin
import numpy as np
from body_tables import BUILDS, JOINTS, MIRROR, PARENTS, Build
from numpy.typing import NDArray
from scipy import optimize

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

NUM_VERTICES, NUM_FACES = 6890, 13776

FILES = {
    "neutral": "default_body.npz",
    "female": "default_body_female.npz",
    "male": "default_body_male.npz",
}

PELVIS = np.array([0.0, -220.0, 25.0])
"""The pelvis joint in the model frame, mm: SMPL's origin lies about this far above it too."""

# Wanted edge length, mm, near a point of the left half (mm in the pelvis frame).
EDGE_LENGTHS = [
    ((0, 757, 0), 16), ((0, 680, -95), 17), ((75, 690, 0), 16), ((0, 612, 105), 5.4),
    ((32, 646, 92), 6.5), ((0, 545, 85), 9), ((80, 630, -6), 8.5),
    ((50, 610, 70), 10), ((0, 580, 98), 5.4), ((0, 598, 98), 5.4), ((22, 580, 92), 5.8),
    ((0, 530, -40), 16), ((90, 500, -40), 20), ((0, 400, 60), 24), ((0, 400, -120), 24),
    ((150, 330, 0), 23), ((0, 200, 90), 25), ((0, 200, -100), 25), ((135, 150, 0), 25),
    ((0, 20, 100), 25), ((100, -60, -130), 24), ((170, -60, 0), 25), ((0, -160, 0), 17),
    ((95, -250, 0), 25), ((100, -400, 0), 22), ((104, -480, 0), 19), ((100, -600, -40), 21),
    ((92, -760, -50), 18), ((92, -870, -50), 14), ((92, -940, -80), 13), ((100, -920, 0), 13),
    ((112, -940, 80), 10), ((90, -950, 135), 6.5), ((150, -950, 100), 6.5), ((120, -950, 125), 6.5),
    ((190, 443, -40), 20), ((300, 433, -55), 20), ((438, 432, -70), 18), ((560, 434, -70), 17),
    ((688, 438, -72), 12), ((740, 432, -80), 9), ((784, 430, -86), 6.5), ((775, 418, -12), 6.7),
    ((865, 418, -76), 6.7), ((850, 420, -45), 6.7), ((855, 420, -105), 6.7), ((830, 418, -132), 6.7),
]  # fmt: skip

SHAPE_REACH = 2.5
"""Reach of the diffusion of labels into the blend of shape directions, in edge lengths."""

REGRESSOR_REACH = 8.5
"""Distance from a joint, in edge lengths, within which its regressor chooses vertices."""


def main() -> None:
    """Generate the bodies, write them and print what came out."""
    parser = argparse.ArgumentParser(description="Generate the default bodies in SMPL's format.")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent)
    folder = parser.parse_args().folder
    for sex, arrays in default_bodies().items():
        out = folder / FILES[sex]
        np.savez_compressed(out, **arrays)
        stature = np.ptp(arrays["v_template"][:, 1])
        mass = body_shapes.DENSITY * body_shapes.volume(arrays["v_template"].astype(np.float64), arrays["f"])
        print(f"{out}: {out.stat().st_size / 1e6:.2f} MB, stature {stature:.3f} m, mass {mass:.1f} kg")


def default_bodies() -> dict[str, dict[str, NDArray]]:
    """For each sex the arrays of a SMPL file, in m, by their keys there, and family, sex and shape_names."""
    template, faces, partner = template_mesh()
    joints = template_joints(BUILDS["neutral"])
    bones = body_skin.bone_labels(template, joints)
    left = body_skin.on_the_left(template)
    weights = body_skin.skinning_weights(
        body_skin.diffused(
            bones, template, faces, partner, body_skin.near(left, body_skin.SKIN_REACHES, 30.0)
        )
    )
    blend = body_skin.diffused(bones, template, faces, partner, SHAPE_REACH * edge_length(left))
    bodies = {}
    for sex, build in BUILDS.items():
        vertices = template if sex == "neutral" else carried_over(template, faces, build)
        bodies[sex] = _arrays(sex, vertices, faces, partner, template_joints(build), weights, blend)
    return bodies


def _arrays(
    sex: str, vertices: Array, faces: Ints, partner: Ints, joints: Array, weights: Array, blend: Array
) -> dict[str, NDArray]:
    """One body's arrays from its vertices (V, 3) and joints (24, 3), mm in the pelvis frame."""
    origin = PELVIS * BUILDS[sex].stature
    fields, joint_fields = body_shapes.shape_directions(vertices, joints, blend, origin)
    scales = body_shapes.calibration(
        vertices / 1000, fields / 1000, faces, *body_shapes.standard_deviations(sex)
    )
    fields, joint_fields = fields * scales, joint_fields * scales
    # Multiples of 2^-20 m are exact in float32, mirror exactly and compress well.
    template = _rounded((vertices + origin) / 1000, 20)
    shapedirs = _rounded(fields / 1000, 20)
    regressor = joint_regressor(
        template,
        shapedirs,
        (joints + origin) / 1000,
        joint_fields / 1000,
        partner,
        REGRESSOR_REACH * edge_length(joints / BUILDS[sex].stature) / 1000,
    )
    stature_sd, mass_sd = body_shapes.standard_deviations(sex)
    names = [
        shape.meaning.format(stature_cm=100 * stature_sd, mass_kg=mass_sd) for shape in body_shapes.SHAPES
    ]
    return {
        "v_template": template.astype(np.float32),
        "shapedirs": shapedirs.astype(np.float32),
        "J_regressor": regressor,
        "weights": weights,
        "f": faces.astype(np.int32),
        "kintree_table": np.array([PARENTS, range(len(JOINTS))], dtype=np.int64),
        "family": np.array("smpl2mjcf"),
        "sex": np.array(sex),
        "shape_names": np.array(names),
    }


def carried_over(template: Array, faces: Ints, build: Build) -> Array:
    """(V, 3) mm, the neutral body's vertices on another build: the same faces, and left and right alike."""
    num_seam = int((template[:, 0] == 0).sum())
    half = template[: (len(template) + num_seam) // 2].copy()
    # A first guess, since features as small as fingers and lips have to start near their place.
    wrist = template_joints(BUILDS["neutral"])[JOINTS.index("left_wrist")]
    is_arm_side = half[:, 1] > 300
    is_hand = half[:, 0] > wrist[0]
    half[is_hand] = wrist + (half[is_hand] - wrist) * build.hand
    half[:, 0] += is_arm_side * build.shoulder * np.clip((half[:, 0] - 60) / 90, 0, 1)
    head = template_joints(BUILDS["neutral"])[JOINTS.index("head")]
    half += (build.head - 1) * np.clip((half[:, 1:2] - 500) / 60, 0, 1) * (half - head)
    half = body_mesh.reshaped(
        half * build.stature,
        faces[: len(faces) // 2],
        body_field.person(build),
        lambda points: edge_length(points / build.stature),
    )
    return np.concatenate([half, half[num_seam:] * [-1, 1, 1]])


def template_mesh() -> tuple[Array, Ints, Ints]:
    """Vertices (6890, 3) mm in the pelvis frame, faces (13776, 3) and mirror partners (6890,)."""
    # Fine where the hands and toes are, coarse elsewhere.
    ticks = [
        np.concatenate([np.arange(0, 92, 4.0), np.arange(95, 686, 7.0), np.arange(686, 900, 3.5)]),
        np.concatenate([np.arange(-976, -898, 4.0), np.arange(-895, 396, 8.0), np.arange(396, 486, 3.0),
                        np.arange(489, 770, 4.5)]),
        np.arange(-150, 160, 4.5),
    ]  # fmt: skip
    field = body_field.person(BUILDS["neutral"])
    vertices, faces = body_mesh.half_surface(field, ticks)
    vertices, faces = body_mesh.collapse_edges(vertices, faces, edge_length(vertices), NUM_FACES // 2)
    vertices, faces = body_mesh.even_out(vertices, faces, field, edge_length)
    return body_mesh.mirrored(vertices, faces)


def edge_length(points: Array) -> Array:
    """(N,) mm, the edge length wanted at points (N, 3) mm, from the anchors of EDGE_LENGTHS."""
    return body_skin.near(points, EDGE_LENGTHS, 15.0)


def template_joints(build: Build) -> Array:
    """(24, 3) mm, rest joints in SMPL's order, in the pelvis frame."""
    left = body_field.joints(build)
    return np.array(
        [left[n] if n in left else np.multiply(left[n.replace("right", "left")], (-1, 1, 1)) for n in JOINTS],
        dtype=np.float64,
    )


def joint_regressor(
    template: Array, shapedirs: Array, joints: Array, joint_fields: Array, partner: Ints, reach: Array
) -> Array:
    """(24, V) non-negative rows that sum to 1 and give the joints and their shape displacements.

    template (V, 3), shapedirs (V, 3, 10), joints (24, 3), joint_fields (24, 3, 10), reach (24,), all in m.
    Solved for the left and the middle; the right is the mirror image.
    """
    regressor = np.zeros((len(joints), len(template)))
    num_shapes = shapedirs.shape[2]
    # The template counts most: it is met to a hundredth of a millimetre, a unit of beta to tenths.
    importance = np.r_[np.full(3, 100.0), np.full(3 * num_shapes, 3.0), 100.0]
    for j, name in enumerate(JOINTS):
        if name.startswith("right"):
            continue
        is_near = np.linalg.norm(template - joints[j], axis=1) < reach[j]
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


if __name__ == "__main__":
    main()
