"""Whether the joints of a T-pose lie as a person's do: tells joints in another order, or a mirrored body.

Names are only as good as their order in a file: a table that is permuted together with its parents, left
exchanged for right say, fits a body's arrays and makes a humanoid that is wrong in silence.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .errors import HumanoidError
from .skeleton import BODY_JOINTS, SIDES, parent_name

Array = NDArray[np.float64]

ABOVE = ("spine1", "spine2", "spine3", "neck", "head")
BELOW = ("hip", "knee", "ankle")
BESIDE = ("hip", "collar", "shoulder", "elbow", "wrist")
"""Joints that lie higher, lower and further out than the one they hang on, by centimetres in every shape."""


def require_joint_layout(joints: Mapping[str, Array]) -> None:
    """Check that joints lie as in SMPL's T-pose: y up, facing +z, left at +x.

    joints: (3,) m by SMPL name, model frame; all of BODY_JOINTS. Raises HumanoidError naming the first that
    lies elsewhere.
    """

    def require(name: str, direction: Array, where: str, other: str | None = None) -> None:
        other = other or parent_name(name) or name
        if not (joints[name] - joints[other]) @ direction > 0:
            raise HumanoidError(
                f"joint {name!r} does not lie {where} {other!r}: the file's joints are in another order, its "
                "body is mirrored or turned, or the betas are extreme; a SMPL body stands in the T-pose, "
                "y up, facing +z, its left at +x"
            )

    left, up, front = np.eye(3)
    for side, outwards in zip(SIDES, (left, -left)):
        for name in (name for name in BODY_JOINTS if name.startswith(side)):
            require(name, outwards, f"on the {side} of", "pelvis")
        for part in BESIDE:
            require(f"{side}_{part}", outwards, f"further {side} than")
        for part in BELOW:
            require(f"{side}_{part}", -up, "below")
        require(f"{side}_foot", front, "in front of")
    for name in ABOVE:
        require(name, up, "above")
