"""States with any leading axes, checked and laid out as the inverse dynamics takes them: one row a frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from . import native
from .devices import default_platform
from .errors import StateError
from .precision import canonical_dtype
from .states import as_array, check_same_dtype, check_shapes, check_values, is_traced, name_frames
from .topology import Topology
from .tree import Tree
from .wrench import Wrench

Array = Any  # a numpy.ndarray, a jax.Array or a tracer


@dataclass(frozen=True)
class Batch:
    """States of one tree.

    Attributes:
        tree: the bodies.
        leading: the leading axes of the states, (...,).
        dtype: the float type that all share under JAX's present setting.
        states: qpos, qvel, qacc and, with a wrench, force and torque, as the caller gave them.
    """

    tree: Tree
    leading: tuple[int, ...]
    dtype: np.dtype
    states: dict[str, Array]

    @classmethod
    def of(cls, tree: Tree, qpos: Array, qvel: Array, qacc: Array, wrench: Wrench | None) -> Batch:
        """The states, whose shapes and types fit.

        Raises:
            StateError: for shapes that differ or do not fit the tree (shown), and mixed float types.
        """
        states = {
            name: as_array(name, value) for name, value in (("qpos", qpos), ("qvel", qvel), ("qacc", qacc))
        }
        leading = check_shapes(tree.topology, *states.values())
        if wrench is not None:
            accepted = (*leading, tree.topology.nbody, 3)
            for name, value in (("force", wrench.force), ("torque", wrench.torque)):
                states[name] = as_array(f"wrench.{name}", value)
                if tuple(states[name].shape) != accepted:
                    raise StateError(
                        f"wrench.{name} has shape {tuple(states[name].shape)}; this model and state need "
                        f"{accepted}"
                    )
        dtype = check_same_dtype(**{name: canonical_dtype(array) for name, array in states.items()})
        return cls(tree, leading, dtype, states)

    def shape(self, *row: int) -> tuple[int, ...]:
        """Shape of an array with such rows: one body, all frames on one axis."""
        return (1, math.prod(self.leading), *row)

    def runs_here(self) -> bool:
        """Whether the compiled loops take the values as they are: at hand, and on the CPU."""
        if not native.serves(self.dtype) or is_traced(*self._arrays()):
            return False
        held = {device for a in self._arrays() if isinstance(a, jax.Array) for device in a.devices()}
        if held:  # on several devices JAX shares the work out, or refuses the mixture
            return len(held) == 1 and held.pop().platform == "cpu"
        return default_platform() == "cpu"

    def _arrays(self) -> list[Array]:
        return [*jax.tree.leaves(self.tree), *self.states.values()]

    def here(self, run: Callable[[Tree, list[np.ndarray], np.dtype], tuple[Any, int]]) -> Any:
        """What the compiled loops make of the frames, which tell whether values must be refused.

        run: given the tree and the states in NumPy, (1, F, ...) each, returns NumPy arrays that nobody else
            holds, and flags.

        Returns:
            those as JAX arrays with the caller's leading axes where JAX's own result would be, without a
            copy if they lie where it wants them.
        """
        frames = [
            np.ascontiguousarray(array, dtype=self.dtype).reshape(
                self.shape(*array.shape[len(self.leading) :])
            )
            for array in self.states.values()
        ]
        result, flags = run(jax.tree.map(np.asarray, self.tree), frames, self.dtype)
        if flags:
            self.check_values()
        bound = (a for a in self._arrays() if isinstance(a, jax.Array) and a.committed)
        (device,) = next((a.devices() for a in bound), {None})
        # Shaped here: JAX would copy.
        shaped = jax.tree.map(lambda array: array.reshape(*self.leading, *array.shape[2:]), result)
        return jax.device_put(shaped, device, may_alias=True)

    def in_jax(self) -> tuple[Tree, list[Array]]:
        """The tree with a leading axis of one body, and the states (1, F, ...), for `primitives`."""
        self.check_values()
        trees = jax.tree.map(lambda array: array[None], self.tree.astype(self.dtype))
        frames = [
            array.astype(self.dtype).reshape(self.shape(*array.shape[len(self.leading) :]))
            for array in self.states.values()
        ]
        return trees, frames

    def is_nowhere_yet(self) -> bool:
        """Whether all arrays are NumPy's, so that the choice of a device is ours."""
        return not any(isinstance(array, jax.Array) for array in self._arrays())

    def check_values(self) -> None:
        """Refuse NaN and quaternions far from unit length, where values are at hand.

        Raises:
            StateError: naming the array, the frames and the joint or body.
        """
        topology = self.tree.topology
        for name, array in self.states.items():
            if is_traced(array):
                continue
            if name in ("force", "torque"):
                _check_wrench_values(topology, name, np.asarray(array))
            else:
                check_values(topology, name, np.asarray(array))


def _check_wrench_values(topology: Topology, name: str, values: np.ndarray) -> None:
    bad = ~np.isfinite(values).all(axis=-1)
    if bad.any():
        body = int(np.argmax(bad.reshape(-1, topology.nbody).any(axis=0)))
        raise StateError(
            f"wrench.{name} on body '{topology.body_names[body]}' is not finite at "
            f"{name_frames(bad.any(axis=-1))}; every entry must be a finite number"
        )
