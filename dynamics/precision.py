"""Which float the numbers are computed in."""

from __future__ import annotations

import functools
import warnings
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def double_precision() -> AbstractContextManager[Any]:
    """A context in which JAX computes in float64, whatever the global setting, which it leaves alone."""
    return jax.enable_x64(True)


def canonical_dtype(array: Any) -> np.dtype:
    """The float type in which JAX will hold this array under its present setting.

    Integers and booleans become JAX's default float. Warns once a process where float64 input is cut to
    float32 because `jax_enable_x64` is off.
    """
    given = np.dtype(array.dtype).newbyteorder("=")  # files may bring the other order of bytes
    if not jnp.issubdtype(given, jnp.floating):
        return np.dtype(jnp.result_type(float))
    kept = np.dtype(jax.dtypes.canonicalize_dtype(given))
    if kept != given:
        _warn_precision_lost()
    return kept


@functools.cache
def _warn_precision_lost() -> None:
    warnings.warn(
        "float64 input is computed in float32, because jax_enable_x64 is off; for float64 wrap the call in "
        "`with jax.enable_x64(True):`, or pass float32 arrays to say that float32 is meant",
        UserWarning,
        stacklevel=2,
    )
