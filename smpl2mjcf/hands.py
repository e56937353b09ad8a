"""A hand's matter, cut into the palm and fifteen finger bones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .cut_plan import hand_cuts
from .errors import HumanoidError
from .segments import Piece, cut_up, matter
from .skeleton import FINGERS

Array = NDArray[np.float64]
Faces = NDArray[np.int64]

SMALLEST_BONE = 1e-8
"""m3: ten cubic millimetres, a fortieth of a newborn's finger tip. Less is a sliver that a plane cut off."""


def hand_pieces(
    vertices: Array, faces: Faces, hand: Piece, joints: Mapping[str, Array], side: str
) -> dict[str, Piece]:
    """The matter of one side's wrist and finger joints.

    vertices (V, 3) m, faces (F, 3): the mesh, T-pose, model frame; hand: its piece of the whole hand;
    joints (3,) m by name, same frame; side: "left" or "right". cut_plan.hand_cuts says where.

    Raises HumanoidError where a finger bone gets no volume.
    """
    pieces = cut_up(vertices, faces, hand_cuts(joints, side), {f"{side}_wrist": hand})
    bones = [f"{side}_{finger}{k}" for finger in FINGERS for k in (1, 2, 3)]
    empty = [name for name in bones if matter(pieces[name].chain(vertices, faces)).volume < SMALLEST_BONE]
    if empty:
        raise HumanoidError(
            f"no volume is left for {', '.join(empty)}: the shape folds, or its mesh has no such finger; "
            "use smaller betas or merged hands"
        )
    return pieces
