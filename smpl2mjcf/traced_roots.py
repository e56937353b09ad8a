"""Square roots of symmetric matrices in JAX, with derivatives where eigenvalues meet."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

Array = Any  # a jax.Array or a tracer


@jax.custom_jvp
def root_and_inverse(matrix: Array) -> tuple[Array, Array]:
    """The square root of a symmetric positive definite matrix (n, n), and its inverse, by eigenvalues.

    The eigenvectors have no derivative where two eigenvalues meet (every limb with two equal radii of
    gyration); the root R has, of any order: the solution of R dR + dR R = dM.
    """
    values, vectors = jnp.linalg.eigh(matrix)
    return (vectors * values**0.5) @ vectors.T, (vectors * values**-0.5) @ vectors.T


@root_and_inverse.defjvp
def _derivative(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Any, Any]:
    root, inverse = root_and_inverse(*primals)
    identity = jnp.eye(len(root), dtype=root.dtype)
    system = jnp.kron(identity, root) + jnp.kron(root, identity)
    change = jnp.linalg.solve(system, tangents[0].ravel()).reshape(root.shape)
    return (root, inverse), (change, -inverse @ change @ inverse)
