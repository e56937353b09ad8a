"""Studies on bodies and motions: the main job from a motion to joint torques, and what follows from it.

Names are loaded on first use, so that `smpl2mjcf --help` stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .amplification import TorqueNoise, torque_noise
    from .body_uncertainty import BodyUncertainty, ShapeUncertainty, body_covariance
    from .calculator import Needed, Trust, needed, trust
    from .clean_motion import CleanMotion
    from .errors import Error
    from .noise import NoiseStudy, noise_study
    from .noise_files import save_noise_study
    from .pose_noise import PoseNoise
    from .refinement import Refined, refine
    from .scores import Score, score
    from .stance import lacks_ground_force, standing_feet
    from .study import Study, torque_study
    from .study_files import save_study
    from .uncertainty import TorqueUncertainty, torque_uncertainty

__distribution__ = "smpl2mjcf"

_HOME = {
    "TorqueNoise": "amplification",
    "torque_noise": "amplification",
    "BodyUncertainty": "body_uncertainty",
    "ShapeUncertainty": "body_uncertainty",
    "body_covariance": "body_uncertainty",
    "Needed": "calculator",
    "Trust": "calculator",
    "needed": "calculator",
    "trust": "calculator",
    "CleanMotion": "clean_motion",
    "Error": "errors",
    "NoiseStudy": "noise",
    "noise_study": "noise",
    "save_noise_study": "noise_files",
    "PoseNoise": "pose_noise",
    "Refined": "refinement",
    "refine": "refinement",
    "Score": "scores",
    "score": "scores",
    "lacks_ground_force": "stance",
    "standing_feet": "stance",
    "Study": "study",
    "torque_study": "study",
    "save_study": "study_files",
    "TorqueUncertainty": "uncertainty",
    "torque_uncertainty": "uncertainty",
}

__all__ = [
    "BodyUncertainty",
    "CleanMotion",
    "Error",
    "Needed",
    "NoiseStudy",
    "PoseNoise",
    "Refined",
    "Score",
    "ShapeUncertainty",
    "Study",
    "TorqueNoise",
    "TorqueUncertainty",
    "Trust",
    "body_covariance",
    "lacks_ground_force",
    "needed",
    "noise_study",
    "refine",
    "save_noise_study",
    "save_study",
    "score",
    "standing_feet",
    "torque_noise",
    "torque_study",
    "torque_uncertainty",
    "trust",
]


def _require_our_ground_floor() -> None:
    """A foreign package named `dynamics` would fail later, with an error that explains nothing."""
    dynamics = import_module("dynamics")
    if getattr(dynamics, "__distribution__", None) != __distribution__:
        where = getattr(dynamics, "__file__", None) or next(iter(dynamics.__path__), "?")
        raise ImportError(f"another package named 'dynamics' hides smpl2mjcf's: {where}")


_require_our_ground_floor()


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; available: {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
