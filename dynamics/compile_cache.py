"""JAX's persistent compile cache, for the command line: a second run of a verb does not compile again."""

from __future__ import annotations

import os
from pathlib import Path

import jax

# Shorter compilations are not worth a file.
_LEAST_COMPILE_SECONDS = 0.2


def use_compile_cache() -> None:
    """Keep compiled functions in the user's cache folder (XDG_CACHE_HOME, else ~/.cache).

    A library must not choose this for its callers, so only verbs call it. A folder that
    JAX_COMPILATION_CACHE_DIR names is respected; where no folder can be made, nothing is kept.
    """
    if getattr(jax.config, "jax_compilation_cache_dir", None) is not None:
        return
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "smpl2mjcf" / "jax"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _LEAST_COMPILE_SECONDS)
