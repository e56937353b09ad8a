"""Where the files of models/ lie: inside an installed package, or beside it in a checkout."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from .errors import Error

MOTIONS = ("walk", "run", "jump", "squat", "sit_to_stand", "arm_raise")
"""The example motions: model_file("walk.npz") and so on."""


def model_file(name: str) -> Path:
    """The path of a file that ships in models/ ("default_body.npz").

    Raises Error where the installation lacks it.
    """
    folders = _folders()
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    looked = " or ".join(str(folder) for folder in folders)
    there = sorted({path.name for folder in folders for path in folder.glob("*.npz")})
    if there:
        raise Error(f"no file {name!r} ships with smpl2mjcf; available: {', '.join(there)}")
    raise Error(
        f"{name} is missing from this installation of smpl2mjcf (looked in {looked}); install it again"
    )


def _folders() -> list[Path]:
    # setuptools installs models/ as the package smpl2mjcf.models; a bare checkout has it next to smpl2mjcf/
    checkout = Path(__file__).resolve().parent.parent / "models"
    spec = find_spec("smpl2mjcf.models")
    return [*map(Path, (spec and spec.submodule_search_locations) or ()), checkout]
