"""The matter of a cut body, measured: moments and extents of one cell a joint.

A trunk joint's cell is divided further, among de Leva's trunk parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from . import deleva
from .cut_plan import TRUNK_JOINTS, UP, Cut, Plane
from .errors import HumanoidError
from .segments import Matter, Measured, Piece, cut_up

Array = Any  # a numpy.ndarray, a jax.Array or a tracer


class Cells(Protocol):
    """The matter of a cut body: one cell a joint, a trunk joint's divided among de Leva's trunk parts."""

    @property
    def names(self) -> Sequence[str]:
        """The joints that have a cell."""
        ...

    def matter(self, name: str) -> Matter:
        """Moments of a joint's cell, or of `trunk_cell(joint, part)`."""
        ...

    def extent(self, names: Sequence[str], direction: Array) -> tuple[Array, Array]:
        """m, the least and greatest reach of some joints' cells along a direction (3,)."""
        ...


class MeshCells:
    """The Cells of one mesh's pieces by joint, T-pose, model frame."""

    def __init__(
        self,
        vertices: Array,
        faces: Array,
        pieces: Mapping[str, Piece],
        joints: Mapping[str, Array],
        sex: str,
    ) -> None:
        """vertices (V, 3) m, faces (F, 3): the closed mesh; joints (3,) m by name; sex: whose trunk parts."""
        self._vertices, self._faces, self._pieces = vertices, faces, pieces
        trunk = {name: pieces[name] for name in TRUNK_JOINTS}
        parts = cut_up(vertices, faces, trunk_cuts(joints, sex), trunk)
        measured = Measured(vertices, faces)
        self._matter = {name: measured.matter(piece) for name, piece in (*pieces.items(), *parts.items())}

    @property
    def names(self) -> Sequence[str]:
        """The joints that have a cell."""
        return list(self._pieces)

    def matter(self, name: str) -> Matter:
        """Moments of a joint's cell, or of `trunk_cell(joint, part)`."""
        return self._matter[name]

    def extent(self, names: Sequence[str], direction: Array) -> tuple[Array, Array]:
        """m, the least and greatest reach of some joints' cells along a direction (3,)."""
        chains = [self._pieces[name].chain(self._vertices, self._faces) for name in names]
        reach = np.concatenate(chains) @ direction
        return reach.min(), reach.max()


def trunk_cell(joint: str, part: str) -> str:
    """The name of the cell that a trunk joint holds of one of de Leva's trunk parts."""
    return f"{joint}:{part}"


def trunk_cuts(joints: Mapping[str, Array], sex: str) -> list[Cut]:
    """The cuts of each trunk joint's piece at omphalion and xiphion.

    On a SMPL body their heights are those of the table's mean person between the middle of the hips (MIDH)
    and the middle of the shoulders (MIDS). joints: (3,) m by name. Raises HumanoidError for an unknown sex.
    """
    table, length = deleva.segments(sex), deleva.trunk_length(sex)
    midh, mids = trunk_axis(joints)
    lower, mid = table["lower_trunk"].length / length, table["mid_trunk"].length / length
    omphalion = Plane(midh + lower * (mids - midh), UP)
    xiphion = Plane(midh + (lower + mid) * (mids - midh), UP)
    upper_part, mid_part, lower_part = deleva.TRUNK_PARTS
    cuts = []
    for name in TRUNK_JOINTS:
        above = trunk_cell(name, upper_part)
        cuts += [
            Cut(name, omphalion, above, trunk_cell(name, lower_part)),
            Cut(above, xiphion, above, trunk_cell(name, mid_part)),
        ]
    return cuts


def trunk_axis(joints: Mapping[str, Array]) -> tuple[Array, Array]:
    """(3,) m each: MIDH and MIDS, the middles of the hips and of the shoulders."""
    midh = (joints["left_hip"] + joints["right_hip"]) / 2
    mids = (joints["left_shoulder"] + joints["right_shoulder"]) / 2
    return midh, mids


def require_volumes(cells: Cells) -> None:
    """Raise HumanoidError where a joint or a trunk part holds no matter, naming it."""
    empty = [name for name in cells.names if not cells.matter(name).volume > 0]
    empty += [
        part
        for part in deleva.TRUNK_PARTS
        if not sum(cells.matter(trunk_cell(name, part)).volume for name in TRUNK_JOINTS) > 0
    ]
    if empty:
        raise HumanoidError(f"the shape folds: no volume is left for {', '.join(empty)}; use smaller betas")
