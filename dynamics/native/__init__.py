"""Inverse dynamics as machine code: the equations of one node, compiled to vector instructions over frames.

`equations` writes the recursive Newton-Euler algorithm for one node as arithmetic on expressions;
`expressions` differentiates it; `forward` and `adjoint` put it into loops over nodes and tiles of frames
(`loops`), `emitter` turns it into LLVM's vector instructions and `library` into machine code for this
processor, once a process: the loops serve every tree. `execution` runs them on all cores over NumPy arrays,
`handler` and `ffi` inside jit.

Why LLVM by way of llvmlite: compilers of Python loops and XLA leave SIMD over frames to auto-vectorisation,
which the many arrays of a tree defeat; an extension in C++ would need a compiler or a wheel for every system.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from ..topology import Topology
from ..tree import Tree
from .layout import node_table, parameters

__all__ = [
    "derivatives_and_flags",
    "node_table",
    "parameters",
    "prepare",
    "serves",
    "tau_and_flags",
]


def serves(dtype: Any) -> bool:
    """Whether there is machine code for this float type on this machine."""
    return np.dtype(dtype) in (np.dtype(np.float32), np.dtype(np.float64)) and _available()


@functools.cache
def _available() -> bool:
    try:
        from . import handler, library
    except (ImportError, OSError):  # llvmlite is not for this system
        return False
    return library.lanes(np.dtype(np.float64)) > 1 and handler.interface_version() is not None


@functools.cache
def prepare(kind: str, dtype: np.dtype, *variant: bool) -> None:
    """Start to compile `library.forward` or `library.adjoint` for a program that is being traced.

    LLVM works without Python's lock: much of it is done by the time that JAX has traced the program.
    """
    if serves(dtype):
        from . import library

        threading.Thread(target=getattr(library, kind), args=(dtype, *variant)).start()


def tau_and_flags(tree: Tree, states: Sequence[np.ndarray], dtype: np.dtype) -> tuple[np.ndarray, int]:
    """tau (1, F, nv) of NumPy arrays where `serves` is true, and whether some values must be refused.

    Args:
        tree: the bodies, NumPy.
        states: qpos, qvel, qacc and with a wrench force and torque, (1, F, ...) each, of that type and
            C-contiguous.
        dtype: float32 or float64.

    Returns:
        tau, in memory that JAX can take over without a copy; flags that are 0 if all entries are finite and
        all quaternions of about unit length.
    """
    from . import execution, library

    tau = library.aligned_empty((*states[0].shape[:2], tree.topology.nv), dtype)
    flags = execution.forward(node_table(tree.topology), parameters_of(tree, dtype)[None], states, tau)
    return tau, flags


def derivatives_and_flags(
    tree: Tree, states: Sequence[np.ndarray], dtype: np.dtype
) -> tuple[list[np.ndarray], int]:
    """d tau / d q, d qvel and d qacc, (1, F, nv, nv) each, and flags, as `tau_and_flags`."""
    from . import execution, library

    shape = (*states[0].shape[:2], tree.topology.nv, tree.topology.nv)
    made = [library.aligned_empty(shape, dtype) for _ in range(3)]
    flags = execution.jacobian(node_table(tree.topology), parameters_of(tree, dtype)[None], states, made)
    return made, flags


def parameters_of(tree: Tree, dtype: np.dtype) -> np.ndarray:
    """`parameters` of a tree of NumPy arrays; those of the last few trees are kept."""
    arrays = (np.ascontiguousarray(array, np.float64) for array in jax.tree.leaves(tree))
    return _parameters_of(tree.topology, tuple(array.tobytes() for array in arrays), dtype)


# By content: a caller may write into a tree's arrays.
@functools.lru_cache(maxsize=16)
def _parameters_of(topology: Topology, contents: tuple[bytes, ...], dtype: np.dtype) -> np.ndarray:
    shapes = Tree.shapes(topology)
    arrays = (np.frombuffer(content).reshape(shape) for content, shape in zip(contents, shapes))
    return parameters(Tree(topology, *arrays), dtype)
