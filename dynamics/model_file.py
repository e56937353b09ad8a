"""Reading an MJCF file."""

from __future__ import annotations

from pathlib import Path

import mujoco

from .errors import ModelError


def load_model(path: str | Path) -> mujoco.MjModel:
    """The MuJoCo model of an MJCF (or URDF) file.

    Args:
        path: the XML file; files it includes are found relative to it.

    Raises:
        ModelError: in one line, if the file is missing, cannot be read, or MuJoCo cannot compile it.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise ModelError(f"{path}: no such file; accepted: an MJCF file (.xml)")
        path.open("rb").close()
        return mujoco.MjModel.from_xml_path(str(path))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
    except ModelError:
        raise
    except TypeError as error:
        raise ModelError(f"{path!r}: MuJoCo needs a path in UTF-8") from error
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{path}: MuJoCo cannot compile it ({reason})") from error
