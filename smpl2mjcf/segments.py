"""The closed mesh of a T-pose body, cut into one piece of matter per joint.

A piece is a chain of triangles that closes in the sense of the divergence theorem: where a plane
cuts the surface, the cut is closed by a fan of triangles from one point of that plane. The fan may
overlap itself, but its signed contributions are those of the true cap whatever the outline (several
loops, not convex, not star-shaped), so volumes and moments are exact and no triangulation is needed.

Pieces cannot overlap: each cut splits what is left in two, hence they sum to the whole body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import trimesh
from numpy.typing import NDArray

from .errors import HumanoidError
from .skeleton import BODY_JOINTS

Array = NDArray[np.float64]

THIGH_CUT = np.deg2rad(37.0)
"""Angle between the plane that cuts off the thigh and the sagittal plane: Zatsiorsky's and de Leva's
thigh runs from the crotch past the hip joint centre up to the height of the iliac spine."""

TRUNK_JOINTS = ("pelvis", "spine1", "spine2", "spine3", "left_collar", "right_collar")


@dataclass(frozen=True)
class Plane:
    """A half-space: the points x with normal . (x - point) >= 0."""

    point: Array  # (3,) m
    normal: Array  # (3,)

    def height(self, points: Array) -> Array:
        """Signed distance (in units of |normal|) of (..., 3) points."""
        return (points - self.point) @ self.normal

    @property
    def flipped(self) -> Plane:
        """The other half-space of the same plane."""
        return Plane(self.point, -self.normal)


@dataclass(frozen=True)
class Matter:
    """Moments of a solid of density 1 about the model's origin; they add where solids join."""

    volume: float  # m3
    first: Array  # (3,) m4, integral of x
    second: Array  # (3, 3) m5, integral of x x^T

    def __add__(self, other: Matter) -> Matter:
        return Matter(self.volume + other.volume, self.first + other.first, self.second + other.second)

    def __mul__(self, density: float) -> Matter:
        return Matter(self.volume * density, self.first * density, self.second * density)

    @property
    def centroid(self) -> Array:
        """(3,) m."""
        return self.first / self.volume

    @property
    def covariance(self) -> Array:
        """(3, 3) m2, mean of (x - centroid)(x - centroid)^T over the matter."""
        c = self.centroid
        return self.second / self.volume - np.outer(c, c)


def split(triangles: Array, plane: Plane) -> tuple[Array, Array]:
    """The parts of a closed chain (N, 3, 3) inside and outside a half-space, both closed again."""
    return _clip(triangles, plane), _clip(triangles, plane.flipped)


def carve(triangles: Array, planes: Sequence[Plane]) -> tuple[Array, Array]:
    """The part of a closed chain inside all the half-spaces, and the rest."""
    outside = []
    for plane in planes:
        triangles, rest = split(triangles, plane)
        outside.append(rest)
    return triangles, np.concatenate(outside)


def matter(triangles: Array) -> Matter:
    """Volume and moments of a closed chain (N, 3, 3), by signed tetrahedra (divergence theorem)."""
    # Tetrahedra from a point of the piece itself keep the signed terms small: less cancellation.
    base = triangles.reshape(-1, 3).mean(axis=0) if len(triangles) else np.zeros(3)
    corners = triangles - base
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    six_volumes = np.einsum("ni,ni->n", a, np.cross(b, c))
    total = corners.sum(axis=1)
    volume = six_volumes.sum() / 6
    first = six_volumes @ total / 24
    second = (
        np.einsum("n,ni,nj->ij", six_volumes, total, total)
        + np.einsum("n,nki,nkj->ij", six_volumes, corners, corners)
    ) / 120
    shifted = second + np.outer(first, base) + np.outer(base, first) + volume * np.outer(base, base)
    return Matter(float(volume), first + volume * base, shifted)


def knuckle(joints: Mapping[str, Array], side: str) -> Array:
    """(3,) m where a hand's long axis leads from the wrist: SMPL's hand joint, or the middle finger's."""
    return joints[f"{side}_hand"] if f"{side}_hand" in joints else joints[f"{side}_middle1"]


def bisecting(before: Array, joint: Array, after: Array) -> Plane:
    """The plane through a joint that halves the angle between its two bones; beyond it lies inside."""
    return Plane(joint, _unit(joint - before) + _unit(after - joint))


def require_closed(vertices: Array, faces: NDArray[np.int64]) -> None:
    """Check that a mesh encloses one volume: watertight, in one piece, its faces agreeing on what is out.

    vertices (V, 3), faces (F, 3). Raises HumanoidError with the number of open edges, or of pieces.
    """
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    if not mesh.is_watertight:
        _, uses = np.unique(mesh.edges_sorted, axis=0, return_counts=True)
        raise HumanoidError(
            f"the mesh is not closed: {int((uses != 2).sum())} of its {len(uses)} edges do not join "
            "two faces; volumes need a watertight mesh"
        )
    # By faces, not by vertices: dropped eyeballs leave vertices that no face uses.
    piece = trimesh.graph.connected_component_labels(mesh.face_adjacency, node_count=len(faces))
    sizes = np.bincount(piece)
    if len(sizes) > 1:
        raise HumanoidError(
            f"the mesh has {len(sizes)} separate pieces, the smallest of {sizes.min()} faces; "
            "one closed surface is accepted, beside SMPL-X's eyeballs"
        )
    if not mesh.is_winding_consistent or mesh.volume <= 0:
        raise HumanoidError(
            "the mesh has faces that are turned inside out (by extreme betas, or in the file); "
            "volumes need faces that run counter-clockwise seen from outside"
        )


def body_pieces(vertices: Array, faces: NDArray[np.int64], joints: Mapping[str, Array]) -> dict[str, Array]:
    """The matter of each SMPL joint as a closed chain (N, 3, 3) m, T-pose, model frame.

    vertices (V, 3) m; faces (F, 3); joints (3,) m each by SMPL name. The cuts, in order: arms at the
    shoulder square to the upper arm, head and neck at the base of the neck, thighs at THIGH_CUT through
    the hip joint; limbs at planes that halve the angle at each joint; feet horizontally at the ankle;
    the trunk horizontally at the spine joints, and at the collar joints square to the line from
    spine3 to the shoulder. A body without SMPL's hand joints keeps each whole hand at its wrist.

    Raises HumanoidError for joints that are missing, a mesh that is open or has faces inside out.
    """
    missing = [name for name in BODY_JOINTS if name not in joints]
    missing += [
        f"{side}_hand or {side}_middle1"
        for side in ("left", "right")
        if f"{side}_hand" not in joints and f"{side}_middle1" not in joints
    ]
    if missing:
        raise HumanoidError(f"the body lacks joints that a SMPL humanoid has: {', '.join(missing)}")
    require_closed(vertices, faces)
    rest = vertices[faces]
    up = np.array([0.0, 1.0, 0.0])
    pieces: dict[str, Array] = {}

    for side in ("left", "right"):
        shoulder, elbow, wrist = (joints[f"{side}_{n}"] for n in ("shoulder", "elbow", "wrist"))
        hand = knuckle(joints, side)
        upper_arm = elbow - shoulder
        # The second plane keeps the flank of a broad trunk out: it lies beyond the shoulder's plane too.
        # It runs along the arm, half an upper arm below it, so that an arm that droops stays whole.
        along = _unit(wrist - shoulder)
        below = _unit(up - (up @ along) * along)
        armpit = Plane(shoulder - 0.5 * np.linalg.norm(upper_arm) * below, below)
        arm, rest = carve(rest, [Plane(shoulder, upper_arm), armpit])
        forearm, pieces[f"{side}_shoulder"] = split(arm, bisecting(shoulder, elbow, wrist))
        pieces[f"{side}_wrist"], pieces[f"{side}_elbow"] = split(forearm, bisecting(elbow, wrist, hand))
        if f"{side}_hand" in joints:
            beyond, pieces[f"{side}_wrist"] = split(pieces[f"{side}_wrist"], Plane(hand, hand - wrist))
            pieces[f"{side}_hand"] = beyond

    # SMPL's head joint lies well in front of its neck joint, so a plane square to that line would cut
    # into the chest; halfway between it and the horizontal runs from C7 to the sternal notch.
    neck_normal = _unit(joints["head"] - joints["neck"]) + up
    head, rest = split(rest, Plane(joints["neck"], neck_normal))
    pieces["head"], pieces["neck"] = split(head, Plane(joints["head"], neck_normal))

    for side, lateral in (("left", 1.0), ("right", -1.0)):
        hip, knee, ankle, toes = (joints[f"{side}_{n}"] for n in ("hip", "knee", "ankle", "foot"))
        outward = np.array([lateral, 0.0, 0.0])
        cut = np.array([lateral * np.cos(THIGH_CUT), -np.sin(THIGH_CUT), 0.0])
        leg, rest = carve(rest, [Plane(joints["pelvis"], outward), Plane(hip, cut)])
        shank, pieces[f"{side}_hip"] = split(leg, bisecting(hip, knee, ankle))
        foot, pieces[f"{side}_knee"] = split(shank, Plane(ankle, -up))
        pieces[f"{side}_foot"], pieces[f"{side}_ankle"] = split(foot, Plane(toes, _level(toes - ankle)))

    above, pieces["pelvis"] = split(rest, Plane(joints["spine1"], up))
    above, pieces["spine1"] = split(above, Plane(joints["spine2"], up))
    above, pieces["spine2"] = split(above, Plane(joints["spine3"], up))
    for side, lateral in (("left", 1.0), ("right", -1.0)):
        reach = joints[f"{side}_shoulder"] - joints["spine3"]
        own_side = Plane(joints["spine3"], np.array([lateral, 0.0, 0.0]))
        pieces[f"{side}_collar"], above = carve(above, [own_side, Plane(joints[f"{side}_collar"], reach)])
    pieces["spine3"] = above
    return pieces


def _clip(triangles: Array, plane: Plane) -> Array:
    """The part of a closed chain inside a half-space, closed by a fan in the plane."""
    height = plane.height(triangles)
    inside = height >= 0
    count = inside.sum(axis=1)
    if (count == 3).all():
        return triangles
    # Turn each cut triangle so that its odd corner (the one alone on its side) comes first.
    cut = (count == 1) | (count == 2)
    one, inside = count[cut] == 1, inside[cut]
    two = ~one
    odd = np.where(one, inside.argmax(axis=1), (~inside).argmax(axis=1))
    order = (odd[:, None] + np.arange(3)) % 3
    corners = np.take_along_axis(triangles[cut], order[:, :, None], axis=1)
    height = np.take_along_axis(height[cut], order, axis=1)

    tip, first, second = corners[one, 0], corners[one, 1], corners[one, 2]
    a1 = _crossing(tip, first, height[one, 0], height[one, 1])
    b1 = _crossing(tip, second, height[one, 0], height[one, 2])
    kept_tips = np.stack([tip, a1, b1], axis=1)

    tip, first, second = corners[two, 0], corners[two, 1], corners[two, 2]
    a2 = _crossing(first, tip, height[two, 1], height[two, 0])
    b2 = _crossing(second, tip, height[two, 2], height[two, 0])
    kept_bases = np.concatenate([np.stack([a2, first, second], axis=1), np.stack([a2, second, b2], axis=1)])

    # The fan runs against the cut edges, so that every edge has its opposite partner.
    start, end = np.concatenate([b1, a2]), np.concatenate([a1, b2])
    apex = np.broadcast_to(start.mean(axis=0) if len(start) else plane.point, start.shape)
    fan = np.stack([apex, start, end], axis=1)
    return np.concatenate([triangles[count == 3], kept_tips, kept_bases, fan])


def _crossing(inner: Array, outer: Array, height_inner: Array, height_outer: Array) -> Array:
    """Where the edges cross the plane; always from the inner end, so that neighbours agree to the bit."""
    share = height_inner / (height_inner - height_outer)
    return inner + share[:, None] * (outer - inner)


def _unit(vector: Array) -> Array:
    return vector / np.linalg.norm(vector)


def _level(vector: Array) -> Array:
    """The horizontal part of a vector (y is up)."""
    return np.array([vector[0], 0.0, vector[2]])
