"""Inverse dynamics by MuJoCo's C engine."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from .reference_model import reference_model
from .states import as_float64, check_states
from .topology import Topology


def mujoco_inverse(model: mujoco.MjModel, qpos: Any, qvel: Any, qacc: Any) -> np.ndarray:
    """tau by `mj_inverse`, frame by frame, in float64; see `rnea` for what tau is.

    It runs on a private copy that holds only what enters tau (see `reference_model`): the caller's model
    is not changed and its flags, limits and passive forces have no influence.

    Args:
        model: a model that `Tree.from_mjmodel` accepts.
        qpos: (..., nq) m, rad and quaternions wxyz.
        qvel: (..., nv) m/s and rad/s, in MuJoCo's axes.
        qacc: (..., nv) m/s2 and rad/s2, in MuJoCo's axes.

    Returns:
        tau (..., nv) N and N m, float64.

    Raises:
        ModelError: if the model holds what `rnea` does not model either.
        StateError: for shapes that differ or do not fit, NaN, and quaternions far from unit length.

    Source: MuJoCo, "Computation: inverse dynamics", https://mujoco.readthedocs.io/en/stable/computation.
    """
    named = {"qpos": qpos, "qvel": qvel, "qacc": qacc}
    qpos, qvel, qacc = (as_float64(name, value) for name, value in named.items())
    leading = check_states(Topology.from_mjmodel(model), qpos, qvel, qacc)
    reference = reference_model(model)
    data = mujoco.MjData(reference)
    tau = np.empty((*leading, model.nv))
    for frame in np.ndindex(*leading):
        data.qpos, data.qvel, data.qacc = qpos[frame], qvel[frame], qacc[frame]
        mujoco.mj_inverse(reference, data)
        tau[frame] = data.qfrc_inverse
    return tau
