"""What shape_arrays is given, checked: betas and masses, traced or not."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from .body import Body, accepted_betas
from .errors import BodyError, HumanoidError
from .inertia import require_mass

Array = Any  # a numpy.ndarray, a jax.Array or a tracer


def checked_betas(body: Body, betas: Array) -> Array:
    """Betas (..., B) as an array, checked where JAX does not trace them. Raises BodyError."""
    if not isinstance(betas, jax.Array):
        try:
            betas = np.asarray(betas)
            betas = betas if betas.dtype.kind == "c" else betas.astype(np.float64)
        except (TypeError, ValueError) as problem:
            raise BodyError(f"betas must be numbers, received {str(betas)[:80]!r}") from problem
    if betas.dtype.kind == "c":
        raise BodyError(f"betas must be real numbers, received {str(betas)[:80]}")
    accepted = accepted_betas(body)
    if betas.ndim == 0 or betas.shape[-1] not in accepted:
        raise BodyError(
            f"betas have shape {betas.shape}; this {body.family} body takes "
            + " or ".join(f"(..., {n})" for n in accepted)
        )
    if not isinstance(betas, jax.core.Tracer):
        finite = np.isfinite(betas).all(axis=-1)
        if not finite.all():
            index = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise BodyError(f"betas must be finite, received {np.asarray(betas)[index].tolist()}")
    return betas


def checked_mass(mass: Array | None, leading: tuple[int, ...]) -> Array | None:
    """A mass or one a shape, checked where JAX does not trace it. Raises HumanoidError."""
    if mass is None:
        return None
    if not isinstance(mass, jax.core.Tracer):
        try:
            np.asarray(mass)
        except ValueError as problem:
            raise HumanoidError(f"mass must be numbers of kg, received {str(mass)[:80]}") from problem
        if np.asarray(mass).dtype.kind not in "fiu":
            require_mass(mass)
        for one in np.unique(mass).tolist():
            require_mass(one)
    if np.shape(mass) not in ((), leading):
        raise HumanoidError(
            f"mass has shape {np.shape(mass)}; betas with leading axes {leading} take () or {leading}"
        )
    return mass
