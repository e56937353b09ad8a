"""An MjModel and qpos: motion on the manifold, joint torques three ways, external forces.

The names below are loaded when first used, so that `import dynamics` is quick and loads no JAX.
"""

# ruff: noqa: F401 (the imports below are for type checkers; at run time __getattr__ makes them)
from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

# Lets smpl2mjcf notice a foreign package of this name that shadows this one.
__distribution__ = "smpl2mjcf"

if TYPE_CHECKING:
    from .agreement import States, compare_engines, random_states
    from .derivatives import RneaDerivatives, rnea_derivatives
    from .errors import Error, ModelError, StateError, TrajectoryError
    from .full_inverse import FullInverse, full_inverse
    from .inverse_dynamics import InverseDynamics, inverse_dynamics
    from .kinematics import BodyPoses, body_poses
    from .mjx_inverse import mjx_inverse
    from .mujoco_inverse import mujoco_inverse
    from .rnea import rnea
    from .smoothing import Kernels, Smoothed, smooth
    from .torques import torques
    from .trajectory import Trajectory, trajectory
    from .tree import Tree
    from .wrench import Wrench

_HOME = {
    "BodyPoses": "kinematics",
    "Error": "errors",
    "FullInverse": "full_inverse",
    "InverseDynamics": "inverse_dynamics",
    "Kernels": "smoothing",
    "ModelError": "errors",
    "Smoothed": "smoothing",
    "StateError": "errors",
    "RneaDerivatives": "derivatives",
    "States": "agreement",
    "Trajectory": "trajectory",
    "TrajectoryError": "errors",
    "Tree": "tree",
    "Wrench": "wrench",
    "body_poses": "kinematics",
    "compare_engines": "agreement",
    "full_inverse": "full_inverse",
    "inverse_dynamics": "inverse_dynamics",
    "mjx_inverse": "mjx_inverse",
    "mujoco_inverse": "mujoco_inverse",
    "random_states": "agreement",
    "rnea": "rnea",
    "rnea_derivatives": "derivatives",
    "smooth": "smoothing",
    "torques": "torques",
    "trajectory": "trajectory",
}
__all__ = sorted(_HOME)


class _Package(types.ModuleType):
    """This package, on which a function keeps its name where its module has the same.

    After `dynamics/rnea.py` is loaded, Python binds the module to `dynamics.rnea`, in whatever order things
    are imported. A package that imports its names eagerly rebinds the function; this does the same here.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if _HOME.get(name) == name and isinstance(value, types.ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'dynamics' has no attribute '{name}'; available: {', '.join(__all__)}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    setattr(sys.modules[__name__], name, value)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
