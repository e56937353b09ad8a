"""External forces on bodies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

Array = Any  # a numpy.ndarray, a jax.Array or a tracer


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Wrench:
    """Force and torque that the surroundings exert on each body; a JAX pytree.

    Both are in world axes and act at and about each body's centre of mass, as MuJoCo's `xfrc_applied`
    does (which stores [force; torque] in one array). Row 0 is the world and has no effect.

    Attributes:
        force: (..., nbody, 3) N, world axes, through the body's com.
        torque: (..., nbody, 3) N m, world axes, about the body's com.
    """

    force: Array
    torque: Array

    @classmethod
    def zeros(cls, *leading: int, nbody: int) -> Wrench:
        """No force on any body: float64 arrays (*leading, nbody, 3)."""
        return cls(np.zeros((*leading, nbody, 3)), np.zeros((*leading, nbody, 3)))
