"""The person in a MuJoCo model: which kinematic tree it is, and what part of a body each of its bodies is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError
from .body_aliases import PART_ORDER, Anatomy, anatomy


@dataclass(frozen=True, eq=False)
class PersonTree:
    """One kinematic tree of a model: a body that hangs on the world, and all that hangs on it."""

    model: mujoco.MjModel
    bodies: NDArray[np.intp]  # (K,) MuJoCo's ids, parents before children
    names: tuple[str, ...]  # (K,) as in the file; a body without a name is called by its id
    naming: str  # whose words they are
    parts: Mapping[str, int]  # part ("left_hip", see body_aliases) -> MuJoCo's id
    segments: Mapping[int, str]  # MuJoCo's id -> segment ("left_thigh"); ids of unknown bodies lack
    others: tuple[str, ...]  # the other trees of the model that have joints: "name (n bodies)"

    @property
    def root(self) -> int:
        """MuJoCo's id of the body that hangs on the world."""
        return int(self.bodies[0])

    def name(self, body: int) -> str:
        """The name of a body of the tree in its file."""
        return _name(self.model, body)

    def titles(self) -> dict[int, str]:
        """How tables call each body: its part, or its own name where it is no known one; SMPL's order."""
        part_of = {body: part for part, body in self.parts.items()}
        known = sorted(part_of, key=lambda body: PART_ORDER.index(part_of[body]))
        unknown = [int(body) for body in self.bodies if body not in part_of]
        # A body may be called as a part of another one is: then its name alone would hide that one.
        return {body: part_of[body] for body in known} | {
            body: f"({self.name(body)})" if self.name(body) in self.parts else self.name(body)
            for body in unknown
        }


def person_tree(model: mujoco.MjModel) -> PersonTree:
    """The tree of a model whose bodies have the most known names; among equals the one of most bodies.

    Trees that cannot move count only where no tree can. A body of unknown name that is welded to its
    parent counts in the parent's segment: they are one rigid body.
    Raises ModelFileError for a model without bodies.
    """
    trees: dict[int, list[int]] = {}
    for body in range(1, model.nbody):
        trees.setdefault(int(model.body_rootid[body]), []).append(body)
    if not trees:
        raise ModelFileError("the model has no body beside the world; accepted: a model of a person")
    moving = {root: bodies for root, bodies in trees.items() if model.body_jntnum[bodies].any()}
    candidates = moving or trees
    known: dict[int, Anatomy] = {
        root: anatomy([_name(model, body) for body in bodies]) for root, bodies in candidates.items()
    }
    root = max(candidates, key=lambda root: (len(known[root].parts), len(candidates[root])))
    bodies = candidates[root]
    segments = {bodies[k]: segment for k, segment in known[root].segments.items()}
    for body in bodies:
        parent = int(model.body_parentid[body])
        if body not in segments and parent in segments and model.body_jntnum[body] == 0:
            segments[body] = segments[parent]
    return PersonTree(
        model=model,
        bodies=np.array(bodies),
        names=tuple(_name(model, body) for body in bodies),
        naming=known[root].naming,
        parts={part: bodies[k] for k, part in known[root].parts.items()},
        segments=segments,
        others=tuple(
            f"{_name(model, other)} ({len(members)} bodies)"
            for other, members in moving.items()
            if other != root
        ),
    )


def _name(model: mujoco.MjModel, body: int) -> str:
    return model.body(body).name or f"body {body} without a name"
