"""Reading a MuJoCo model of anybody's, with what its file says beyond the compiled model."""

from __future__ import annotations

from pathlib import Path

import mujoco

from ..errors import ModelFileError
from ..input_file import read_file


def read_mjcf(path: str | Path) -> tuple[mujoco.MjSpec, mujoco.MjModel]:
    """The specification and the compiled model of an MJCF file.

    Raises ModelFileError in one line: no such file, files lacking that it refers to (all of them, by
    name), or MuJoCo's own words where it refuses the file.
    """
    path = Path(path)
    read_file(path, ModelFileError)
    try:
        spec = mujoco.MjSpec.from_file(str(path))
    except (ValueError, TypeError, mujoco.FatalError) as problem:
        raise ModelFileError(f"{path}: MuJoCo cannot read it: {_one_line(problem)}") from problem
    try:
        return spec, spec.compile()
    except (ValueError, mujoco.FatalError) as problem:
        # MuJoCo names the first file only, and other reasons come first where the file says strippath.
        lacking = _lacking_files(spec, path.parent) if "opening file" in str(problem) else []
        if lacking:
            raise ModelFileError(f"{path} refers to files that are not there: {', '.join(lacking)}") from None
        raise ModelFileError(f"{path}: MuJoCo cannot compile it: {_one_line(problem)}") from problem


def _lacking_files(spec: mujoco.MjSpec, folder: Path) -> list[str]:
    """Meshes, textures, height fields and skins whose file is not where MuJoCo looks for it."""
    places = [
        *((spec.meshdir, mesh.file) for mesh in (*spec.meshes, *spec.skins, *spec.hfields)),
        *((spec.texturedir, texture.file) for texture in spec.textures),
    ]
    named = [folder / subfolder / file for subfolder, file in places if file]
    return [str(file) for file in dict.fromkeys(named) if not file.is_file()]


def _one_line(problem: Exception) -> str:
    return " ".join(str(problem).split())
