"""Square roots of symmetric matrices, for NumPy and JAX arrays."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np

Array = Any  # a numpy.ndarray, a jax.Array or a tracer


def namespace_of(array: Array) -> ModuleType:
    """jax.numpy for JAX's arrays and tracers, else numpy; imports nothing."""
    jax = sys.modules.get("jax")
    return jax.numpy if jax is not None and isinstance(array, jax.Array) else np


def root_and_inverse(matrix: Array) -> tuple[Array, Array]:
    """The square root of a symmetric positive definite matrix (n, n), and its inverse."""
    if namespace_of(matrix) is np:
        values, vectors = np.linalg.eigh(matrix)
        return (vectors * values**0.5) @ vectors.T, (vectors * values**-0.5) @ vectors.T
    from . import traced_roots  # imports jax

    return traced_roots.root_and_inverse(matrix)
