"""A hand's matter, cut into the palm and fifteen finger bones.

Fingers are told apart by planes between neighbouring bone chains and cut across at their joints, so
the pieces cannot overlap and sum to the hand, whatever the mesh: webs and touching fingers go to the
nearer chain. The palm, with all that no finger takes, stays with the wrist.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .errors import HumanoidError
from .segments import Plane, bisecting, carve, matter, split
from .skeleton import FINGERS

Array = NDArray[np.float64]

SMALLEST_BONE = 1e-8
"""m3: ten cubic millimetres, a fortieth of a newborn's finger tip. Less is a sliver that a plane cut off."""


def hand_pieces(hand: Array, joints: Mapping[str, Array], side: str) -> dict[str, Array]:
    """The matter of one side's wrist and finger joints as closed chains (N, 3, 3) m.

    hand: the closed chain of the whole hand, T-pose, model frame; joints (3,) m by name, same frame;
    side: "left" or "right". The cuts, in order: the thumb, by the plane between it and the index finger
    and across its first joint; the planes between neighbouring fingers; each finger at its knuckle and
    at its two joints, by planes that halve the angle there.

    Raises HumanoidError where a finger bone gets no volume.
    """
    wrist = joints[f"{side}_wrist"]
    chains = {
        finger: np.stack([joints[f"{side}_{finger}{k}"] for k in (1, 2, 3)]) for finger in FINGERS
    }  # (3, 3) m each, from the knuckle out
    fingers: dict[str, Array] = {}
    index_side = _between(chains["index"], chains["thumb"])
    fingers["thumb"], rest = carve(hand, [index_side.flipped, _knuckle_cut(wrist, chains["thumb"])])
    for finger, neighbour in (("index", "middle"), ("middle", "ring"), ("ring", "pinky")):
        fingers[finger], rest = split(rest, _between(chains[finger], chains[neighbour]))
    fingers["pinky"] = rest

    palm: list[Array] = []
    pieces: dict[str, Array] = {}
    for finger, chain in chains.items():
        first, second, third = chain
        # The thumb has been cut across already; for it this cut takes nothing off.
        whole, base = split(fingers[finger], _knuckle_cut(wrist, chain))
        palm.append(base)
        beyond, pieces[f"{side}_{finger}1"] = split(whole, bisecting(first, second, third))
        tip, pieces[f"{side}_{finger}2"] = split(beyond, Plane(third, third - second))
        pieces[f"{side}_{finger}3"] = tip
    empty = [name for name, piece in pieces.items() if matter(piece).volume < SMALLEST_BONE]
    if empty:
        raise HumanoidError(
            f"no volume is left for {', '.join(empty)}: the shape folds, or its mesh has no such finger; "
            "use smaller betas or merged hands"
        )
    return {f"{side}_wrist": np.concatenate(palm), **pieces}


def _knuckle_cut(wrist: Array, chain: Array) -> Plane:
    return bisecting(wrist, chain[0], chain[1])


def _between(chain: Array, neighbour: Array) -> Plane:
    """The plane midway between two fingers' joints (3, 3) m each; the first chain's side is inside.

    It runs along the mean direction of both fingers and is square to the line between them.
    """
    along = _direction(chain) + _direction(neighbour)
    along /= np.linalg.norm(along)
    across = (chain - neighbour).mean(axis=0)
    return Plane((chain + neighbour).mean(axis=0) / 2, across - (across @ along) * along)


def _direction(chain: Array) -> Array:
    reach = chain[-1] - chain[0]
    return reach / np.linalg.norm(reach)
