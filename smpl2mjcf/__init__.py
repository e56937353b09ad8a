"""SMPL bodies and motions to MuJoCo humanoids: body + betas -> MJCF, motion -> qpos.

Names are loaded on first use, so that importing the package and `smpl2mjcf --help` stay fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .amass_files import save_motion
    from .body import Body, joint_positions, shaped_vertices
    from .body_files import default_body, load_body
    from .c3d import load_markers
    from .comparison.two_models import Comparison, compare
    from .errors import (
        BodyError,
        BodyFileError,
        Error,
        HumanoidError,
        ModelFileError,
        MotionError,
        MotionFileError,
        OutputError,
        UnsafeFileError,
    )
    from .floor import Flight, Floor, find_floor, flights, warn_of_implausible_rate
    from .humanoid import Humanoid, build_humanoid
    from .inertia import Inertia
    from .markers import Markers
    from .motion import Motion, betas_for_body
    from .motion_edit import concatenate, mirror, resample, trim
    from .motion_files import load_motion
    from .person import betas_for_person
    from .population import ShapeArrays, shape_arrays
    from .qpos import motion_to_qpos, qpos_to_motion
    from .shipped_files import model_file
    from .world_axes import to_z_up, turned, up_rotation

__distribution__ = "smpl2mjcf"

_HOME = {
    "Body": "body",
    "joint_positions": "body",
    "shaped_vertices": "body",
    "default_body": "body_files",
    "load_body": "body_files",
    "BodyError": "errors",
    "BodyFileError": "errors",
    "Error": "errors",
    "HumanoidError": "errors",
    "ModelFileError": "errors",
    "Comparison": "comparison.two_models",
    "compare": "comparison.two_models",
    "MotionError": "errors",
    "MotionFileError": "errors",
    "OutputError": "errors",
    "UnsafeFileError": "errors",
    "Flight": "floor",
    "Floor": "floor",
    "find_floor": "floor",
    "flights": "floor",
    "warn_of_implausible_rate": "floor",
    "Humanoid": "humanoid",
    "build_humanoid": "humanoid",
    "Inertia": "inertia",
    "model_file": "shipped_files",
    "Motion": "motion",
    "betas_for_body": "motion",
    "betas_for_person": "person",
    "ShapeArrays": "population",
    "shape_arrays": "population",
    "motion_to_qpos": "qpos",
    "qpos_to_motion": "qpos",
    "load_markers": "c3d",
    "load_motion": "motion_files",
    "Markers": "markers",
    "save_motion": "amass_files",
    "concatenate": "motion_edit",
    "mirror": "motion_edit",
    "resample": "motion_edit",
    "trim": "motion_edit",
    "to_z_up": "world_axes",
    "turned": "world_axes",
    "up_rotation": "world_axes",
}

__all__ = [
    "Body",
    "BodyError",
    "BodyFileError",
    "Comparison",
    "Error",
    "Flight",
    "Floor",
    "Humanoid",
    "HumanoidError",
    "Inertia",
    "Markers",
    "ModelFileError",
    "Motion",
    "MotionError",
    "MotionFileError",
    "OutputError",
    "ShapeArrays",
    "UnsafeFileError",
    "betas_for_body",
    "betas_for_person",
    "build_humanoid",
    "compare",
    "concatenate",
    "default_body",
    "find_floor",
    "flights",
    "joint_positions",
    "load_body",
    "load_markers",
    "load_motion",
    "mirror",
    "model_file",
    "motion_to_qpos",
    "qpos_to_motion",
    "resample",
    "save_motion",
    "shape_arrays",
    "shaped_vertices",
    "to_z_up",
    "trim",
    "turned",
    "up_rotation",
    "warn_of_implausible_rate",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; available: {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
