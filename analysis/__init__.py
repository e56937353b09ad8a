"""Studies on bodies and motions: the main job from a motion to joint torques, and what follows from it.

Names are loaded on first use, so that `smpl2mjcf --help` stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import Error
    from .stance import lacks_ground_force, standing_feet
    from .study import Study, torque_study
    from .study_files import save_study

__distribution__ = "smpl2mjcf"

_HOME = {
    "Error": "errors",
    "lacks_ground_force": "stance",
    "standing_feet": "stance",
    "Study": "study",
    "torque_study": "study",
    "save_study": "study_files",
}

__all__ = ["Error", "Study", "lacks_ground_force", "save_study", "standing_feet", "torque_study"]


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
