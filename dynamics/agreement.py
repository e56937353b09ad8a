"""Do the three engines agree? Random states of a model, and the largest difference of each pair."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import mujoco
import numpy as np

from . import so3
from .mjx_inverse import mjx_inverse
from .mujoco_inverse import mujoco_inverse
from .precision import double_precision
from .rnea import rnea
from .topology import Topology
from .tree import Tree


class States(NamedTuple):
    """Positions, velocities and accelerations without relation to each other: (n, nq), (n, nv), (n, nv)."""

    qpos: np.ndarray
    qvel: np.ndarray
    qacc: np.ndarray


def random_states(model: mujoco.MjModel, count: int, seed: int) -> States:
    """Independent random states: numbers from the standard normal, rotations uniform.

    Args:
        model: a model that `Tree.from_mjmodel` accepts.
        count: number of states n.
        seed: of NumPy's default generator.

    Returns:
        States in float64, in m, rad, m/s, rad/s, m/s2, rad/s2 and MuJoCo's axes.

    Raises:
        ModelError: as `Tree.from_mjmodel`.
    """
    topology = Topology.from_mjmodel(model)
    rng = np.random.default_rng(seed)
    qpos = rng.standard_normal((count, topology.nq))
    for address in topology.quaternion_addresses:
        # Four normal numbers point in no preferred direction of R^4.
        qpos[:, address : address + 4] = so3.normalize(qpos[:, address : address + 4])
    return States(qpos, *rng.standard_normal((2, count, topology.nv)))


def compare_engines(
    model: mujoco.MjModel, states: States, progress: Callable[[str], None] = lambda engine: None
) -> dict[tuple[str, str], float]:
    """Largest relative difference of each pair of engines over the states, all in float64.

    Args:
        model: a model that `Tree.from_mjmodel` accepts.
        states: what to compare at, for example `random_states(model, 20, seed=0)`.
        progress: called with the name of each engine before it runs (MJX compiles for seconds).

    Returns:
        {(engine, engine): max |difference| / max |tau|} for "native", "mjx" and "mujoco", where max |tau| is
        over all engines, states and dofs.

    Raises:
        ModelError: if the model holds what is not modelled.
        StateError: if the states do not fit.
    """
    runs: dict[str, Callable[[], object]] = {
        "native": lambda: rnea(Tree.from_mjmodel(model), *states),
        "mjx": lambda: mjx_inverse(model, *states),
        "mujoco": lambda: mujoco_inverse(model, *states),
    }
    taus = {}
    for engine, run in runs.items():
        progress(engine)
        with double_precision():
            taus[engine] = np.asarray(run())
    scale = max((float(np.abs(tau).max(initial=0)) for tau in taus.values()), default=0.0) or 1.0
    return {(a, b): float(np.abs(taus[a] - taus[b]).max(initial=0)) / scale for a, b in combinations(taus, 2)}
