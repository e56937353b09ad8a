"""Square roots of symmetric matrices, for NumPy and JAX arrays, with derivatives that are always finite."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np

Array = Any  # a numpy.ndarray, a jax.Array or a tracer

STEPS = 24
"""Of the Newton iteration: an eigenvalue grows by 2.25 a step until it is near 1, then squares its distance;
24 steps reach rounding from eigenvalues 1e-6 of the trace, far flatter than any body part."""


def namespace_of(array: Array) -> ModuleType:
    """jax.numpy for JAX's arrays and tracers, else numpy; imports nothing."""
    jax = sys.modules.get("jax")
    return jax.numpy if jax is not None and isinstance(array, jax.Array) else np


def root_and_inverse(matrix: Array) -> tuple[Array, Array]:
    """The square root of a symmetric positive definite matrix (n, n), and its inverse.

    NumPy: by eigenvalues. JAX: by the Newton-Schulz iteration (Higham 2008, Functions of Matrices, eq. 6.20),
    because the derivative of an eigenvector does not exist where two eigenvalues meet, the root's does.
    """
    if namespace_of(matrix) is np:
        values, vectors = np.linalg.eigh(matrix)
        return (vectors * values**0.5) @ vectors.T, (vectors * values**-0.5) @ vectors.T
    identity = np.eye(matrix.shape[0])
    scale = matrix.trace()
    root, inverse = matrix / scale, identity
    for _ in range(STEPS):
        step = (3 * identity - inverse @ root) / 2
        root, inverse = root @ step, step @ inverse
    return root * scale**0.5, inverse / scale**0.5
