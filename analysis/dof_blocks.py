"""Dofs that belong together: the three of a rotation or a translation, which noise and torque share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from dynamics.topology import BALL, FREE, HINGE, SLIDE, Topology


@dataclass(frozen=True, eq=False)
class DofBlocks:
    """A model's dofs in blocks of at most three with one unit, in the order of the dofs.

    A ball joint is a block, a free joint two (translation, rotation); the hinges of one body form another,
    and so do its slides. Blocks are called after their body, translations "pelvis_translation".

    Attributes:
        names: (K,).
        dofs: (K, 3) dof of each place, -1 where the block has fewer.
        is_rotation: (K,) bool: a rotation, whose velocity is in the body's axes; False for plain numbers.
        is_angle: (K,) bool: rad and N m; False for m and N.
    """

    names: tuple[str, ...]
    dofs: NDArray[np.int64]
    is_rotation: NDArray[np.bool_]
    is_angle: NDArray[np.bool_]

    @staticmethod
    @lru_cache(maxsize=32)
    def of(topology: Topology) -> DofBlocks:
        """The blocks of a model."""
        names: list[str] = []
        rows: list[list[int]] = []
        flags: list[tuple[bool, bool]] = []
        kind_and_body: tuple[int, int] | None = None  # of the hinges or slides that the last block holds

        def add(name: str, dofs: list[int], rotation: bool, angle: bool) -> None:
            names.append(name)
            rows.append(dofs)
            flags.append((rotation, angle))

        for kind, body, first in zip(topology.joint_types, topology.joint_bodies, topology.dof_addresses):
            name, three = topology.body_names[body], [int(first), int(first) + 1, int(first) + 2]
            if kind in (HINGE, SLIDE):
                if kind_and_body == (kind, body) and len(rows[-1]) < 3:
                    rows[-1].append(int(first))
                else:
                    add(name + ("_translation" if kind == SLIDE else ""), [int(first)], False, kind == HINGE)
                kind_and_body = kind, body
                continue
            kind_and_body = None
            if kind == FREE:
                add(f"{name}_translation", three, False, False)
                three = [dof + 3 for dof in three]
            if kind in (FREE, BALL):
                add(name, three, True, True)
        padded = [row + [-1] * (3 - len(row)) for row in rows]
        rotation, angle = np.array(flags, dtype=bool).reshape(-1, 2).T
        return DofBlocks(tuple(names), np.array(padded, dtype=np.int64).reshape(-1, 3), rotation, angle)

    @cached_property
    def is_whole(self) -> bool:
        """Whether the blocks are the dofs in order, three by three, so that grouping them is a reshape."""
        return bool((self.dofs.ravel() == np.arange(self.dofs.size)).all())

    def grouped(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., K, 3) of values (..., nv) by dof; 0 in places without a dof."""
        if self.is_whole:
            return values.reshape(*values.shape[:-1], -1, 3)
        return np.where(self.dofs >= 0, values[..., self.dofs], 0.0)

    def flat(self, grouped: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., nv) by dof of values (..., K, 3): the inverse of `grouped`."""
        nv = int((self.dofs >= 0).sum())
        order = np.argsort(self.dofs.ravel())[self.dofs.size - nv :]
        return grouped.reshape(*grouped.shape[:-2], -1)[..., order]
