"""What can go wrong with what a user hands to smpl2mjcf, each kind with its own name."""


class Error(ValueError):
    """Base of every error that a user of smpl2mjcf can cause."""


class BodyFileError(Error):
    """A body file that cannot be read as a SMPL-family model."""


class UnsafeFileError(Error):
    """A file that asks for code to be run; it was refused before anything ran."""


class BodyError(Error):
    """Body arrays that do not make a SMPL-family model, or betas that do not fit one."""


class MotionFileError(Error):
    """A motion file that cannot be read."""


class MotionError(Error):
    """Motion arrays that do not make a motion, or that do not fit a humanoid."""


class HumanoidError(Error):
    """A humanoid that cannot be built as asked (mass, sex, an open mesh)."""


class OutputError(Error):
    """A folder or file that cannot be written."""


class ModelFileError(Error):
    """A model file that cannot be read, or that MuJoCo refuses."""
