"""The closed surface of a shape: SMPL-X's eyeballs dropped, its mouth and eye openings capped.

SMPL and SMPL-H meshes are closed and pass through unchanged. SMPL-X's is not: its two eyeballs are
components of their own (546 vertices each), and the inner rims of its lips bound an open mouth (32 edges;
V - E + F of its 10475 vertices and 20908 faces leaves no room for more). Where the eye sockets are
open as well, as in meshes derived from it, they are capped too. Any other opening is left as it is
found, for `segments.require_closed` to refuse.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from .body import Body
from .segments import matter
from .skeleton import FACE_JOINTS

Array = NDArray[np.float64]
Faces = NDArray[np.int64]

EYE_REACH = 2.0
"""An opening belongs to an eye where its centre lies within so many radii of the eyeball's centre."""


@dataclass(frozen=True, eq=False)
class Surface:
    """The mesh whose matter a humanoid is made of, and what was done to close it."""

    vertices: Array  # (V, 3) m, T-pose, model frame; the body's own, then one in the middle of each cap
    faces: Faces  # (F, 3), counter-clockwise seen from outside
    volume: float  # m3 that it encloses
    eyeballs_dropped: int = 0
    dropped_volume: float = 0.0  # m3, of the eyeballs
    capped: tuple[str, ...] = ()  # "mouth", "left_eye", "right_eye"
    cap_area: float = 0.0  # m2, of all caps

    def __str__(self) -> str:
        text = f"{1000 * self.volume:.1f} L"
        if self.eyeballs_dropped:
            text += f", {self.eyeballs_dropped} eyeballs dropped ({1e6 * self.dropped_volume:.1f} mL)"
        if self.capped:
            text += f", {', '.join(self.capped)} capped ({1e4 * self.cap_area:.1f} cm2)"
        return text


def closed_surface(body: Body, vertices: Array) -> Surface:
    """The surface of a shape, closed where the face of a SMPL-X mesh is open.

    vertices: (V, 3) m, the body's mesh in some shape (body.shaped_vertices). Components that are skinned to
    the eye joints are dropped. An opening is capped by a fan from its middle where it lies at a
    dropped eyeball, or where its rim is skinned to the jaw and the head as lips are.
    """
    if not any(joint in body.joint_names for joint in FACE_JOINTS):
        return Surface(vertices, body.faces, matter(vertices[body.faces]).volume)
    owner = np.array(body.joint_names)[body.weights.argmax(axis=1)]
    eyeballs = _eyeballs(body.faces, owner)
    of_eyeballs = np.isin(body.faces[:, 0], np.concatenate([np.zeros(0, np.int64), *eyeballs.values()]))
    faces = body.faces[~of_eyeballs]
    capped: list[str] = []
    caps: list[Faces] = []
    middles: list[Array] = []
    for rim in _rims(faces):
        middle = vertices[rim].mean(axis=0)
        name = _opening(owner[rim], middle, {eye: vertices[ids] for eye, ids in eyeballs.items()})
        if name is None:
            continue
        apex = np.full(len(rim), len(vertices) + len(middles))
        caps.append(np.stack([apex, np.roll(rim, -1), rim], axis=1))  # against the rim's own direction
        capped.append(name)
        middles.append(middle)
    dropped = matter(vertices[body.faces[of_eyeballs]]).volume
    vertices = np.concatenate([vertices, *(middle[None] for middle in middles)])
    area = 0.0
    if caps:
        fan = vertices[np.concatenate(caps)]
        normals = np.cross(fan[:, 1] - fan[:, 0], fan[:, 2] - fan[:, 0])
        area = float(np.linalg.norm(normals, axis=1).sum() / 2)
    faces = np.concatenate([faces, *caps])
    return Surface(
        vertices, faces, matter(vertices[faces]).volume, len(eyeballs), dropped, tuple(capped), area
    )


def _eyeballs(faces: Faces, owner: NDArray[np.str_]) -> dict[str, NDArray[np.int64]]:
    """Each eyeball's vertices by its joint. owner: (V,) the joint that each vertex follows most."""
    count = len(owner)
    ends = (faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel())
    graph = coo_matrix((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(count, count))
    _, component = connected_components(graph, directed=False)
    eyeballs = {}
    for eye in ("left_eye", "right_eye"):
        for label in np.unique(component[owner == eye]):
            members = np.flatnonzero(component == label)
            if (owner[members] == eye).all():
                eyeballs[eye] = members
    return eyeballs


def _rims(faces: Faces) -> list[NDArray[np.int64]]:
    """The mesh's simple open loops: vertices in the direction in which its faces run along them."""
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    count = int(faces.max()) + 1
    is_open = ~np.isin(start * count + end, end * count + start)
    following: dict[int, int] = {}
    forked = set()
    for a, b in zip(start[is_open].tolist(), end[is_open].tolist()):
        if a in following:
            forked.add(a)
        following[a] = b
    rims = []
    while following:
        first, vertex = next(iter(following.items()))
        rim = [first]
        following.pop(first)
        while vertex != first and vertex in following:
            rim.append(vertex)
            vertex = following.pop(vertex)
        if vertex == first and not forked.intersection(rim):
            rims.append(np.array(rim))
    return rims


def _opening(owners: NDArray[np.str_], middle: Array, eyeballs: dict[str, Array]) -> str | None:
    """What an opening of the face is: the eye that it lies at, the mouth, or None of these.

    owners: the joint that each vertex of the rim follows most; middle (3,) m; eyeballs (N, 3) m each.
    """
    for eye, points in eyeballs.items():
        centre = points.mean(axis=0)
        if np.linalg.norm(middle - centre) < EYE_REACH * np.linalg.norm(points - centre, axis=1).max():
            return eye
    return "mouth" if set(owners) == {"jaw", "head"} else None
