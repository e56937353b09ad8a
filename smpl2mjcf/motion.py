"""The Motion type.

A motion is what cameras and marker systems deliver: axis-angle joint rotations and the SMPL family's
`trans`, at a frame rate. Where the pelvis is in the world follows from the body:

    pelvis_world = J_pelvis(betas) + trans

and the root rotation turns the body about the pelvis joint, not about the model's origin.

Frames that were not recorded stay gaps: NaN rows, and False in `recorded`. Nothing here fills them;
`dynamics.trajectory` bridges them and marks every frame that they reach as not valid.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .body import Body
from .errors import MotionError
from .frame_ranges import frame_ranges
from .skeleton import JOINT_NAMES, SEXES

Array = NDArray[np.float64]

UP_AXES = ("y", "z")
UNKNOWN = "unknown"
"""The up axis of a motion seen by a camera that was not told where gravity points."""

FPS_RANGE = (1e-3, 1e5)

LARGEST_LENGTH_ERROR = 1e-3
"""Of a quaternion; what is nearer to unit length is normalised, as in `dynamics`."""


@dataclass(frozen=True, eq=False)
class Motion:
    """A recorded or made motion of a SMPL-family skeleton.

    Raises MotionError where the arrays do not make a motion: wrong shapes, values that are not
    finite (with their frames), a frame rate that is not positive, unknown family, sex or up axis.
    """

    poses: Array  # (T, J, 3) rad, axis-angle of each joint in its parent's rest frame; row 0 the root
    trans: Array  # (T, 3) m, pelvis_world - J_pelvis(betas)
    fps: float  # frames per second
    betas: Array | None = None  # shape coefficients of `family`, where known
    family: str = "smpl"
    sex: str = "neutral"
    up: str = "z"  # the world's vertical axis; "unknown" in the axes of a camera
    source: str = ""  # where it came from, for people to read
    recorded: NDArray[np.bool_] = None  # type: ignore[assignment]  # (T,) False in a gap; None = all True
    root_known: bool = True  # False: joint angles alone were seen, trans is a placeholder
    joint_names: tuple[str, ...] = field(init=False, default=())  # (J,), follows from family and J

    def __post_init__(self) -> None:
        poses, trans = as_numbers("poses", self.poses), as_numbers("trans", self.trans)
        object.__setattr__(self, "poses", poses)
        object.__setattr__(self, "trans", trans)
        if self.betas is not None:
            object.__setattr__(self, "betas", as_numbers("betas", self.betas))
        if self.family not in JOINT_NAMES:
            raise MotionError(f"unknown family {self.family!r}; accepted: {', '.join(JOINT_NAMES)}")
        if self.sex not in SEXES:
            raise MotionError(f"unknown sex {self.sex!r}; accepted: {', '.join(SEXES)}")
        if self.up not in (*UP_AXES, UNKNOWN):
            raise MotionError(f"up axis {self.up!r}; accepted: {', '.join((*UP_AXES, UNKNOWN))}")
        require_fps(self.fps)
        names = JOINT_NAMES[self.family]
        if poses.ndim != 3 or poses.shape[2] != 3 or poses.shape[1] not in (22, len(names)):
            raise MotionError(
                f"poses have shape {poses.shape}; a {self.family} motion has (T, {len(names)}, 3), "
                "or (T, 22, 3) without hands, axis-angle in radians"
            )
        if trans.shape != (len(poses), 3):
            raise MotionError(f"trans has shape {trans.shape}, expected {(len(poses), 3)} to match poses")
        if len(poses) == 0:
            raise MotionError("the motion has no frames")
        if self.betas is not None and (self.betas.ndim != 1 or not np.isfinite(self.betas).all()):
            raise MotionError(f"betas must be one row of finite numbers, received shape {self.betas.shape}")
        recorded = self._recorded()
        object.__setattr__(self, "recorded", recorded)
        broken = ~(np.isfinite(poses).all(axis=(1, 2)) & np.isfinite(trans).all(axis=1)) & recorded
        if broken.any():
            raise MotionError(
                f"NaN or infinite values in {frame_ranges(np.flatnonzero(broken))} of {len(poses)}; "
                "frames that were not recorded are marked with recorded"
            )
        poses[~recorded], trans[~recorded] = np.nan, np.nan
        object.__setattr__(self, "joint_names", names[: poses.shape[1]])

    def _recorded(self) -> NDArray[np.bool_]:
        T = len(self.poses)
        recorded = np.ones(T, dtype=bool) if self.recorded is None else np.array(self.recorded)
        if recorded.dtype != bool or recorded.shape != (T,):
            raise MotionError(
                f"recorded must be ({T},) bool to match poses, received {recorded.shape} {recorded.dtype}"
            )
        if not recorded.any():
            raise MotionError(f"none of the {T} frames was recorded")
        return recorded

    @property
    def num_frames(self) -> int:
        """T."""
        return len(self.poses)


def betas_for_body(motion: Motion, body: Body) -> Array | None:
    """(B,) the motion's betas where they fit this body, else None.

    Betas of another family are dropped with one warning: their numbers mean nothing to this body (SMPL-H's
    to SMPL neither: each family has a shape space of its own). Betas of another sex are used, with a
    warning. More betas than the body has are cut with a warning (AMASS stores 16, most files hold 10).
    """
    betas = motion.betas
    if betas is None:
        return None
    if motion.family != body.family:
        warnings.warn(
            f"the motion's {len(betas)} betas belong to the {motion.family} family and mean nothing to this "
            f"{body.family} body: its mean shape is used (choose a shape with betas)",
            stacklevel=2,
        )
        return None
    if motion.sex != body.sex and betas.any():
        warnings.warn(
            f"the motion's betas belong to a {motion.sex} body and are used on a {body.sex} one", stacklevel=2
        )
    count = body.num_betas
    if len(betas) > count:
        warnings.warn(f"{len(betas)} betas cut to the {count} of this body", stacklevel=2)
    return np.concatenate([betas, np.zeros(count)])[:count]


def require_fps(fps: object) -> None:
    """Check a frame rate. Raises MotionError where it is not positive and finite, or out of FPS_RANGE."""
    low, high = FPS_RANGE
    if isinstance(fps, bool) or not (isinstance(fps, Real) and low <= float(fps) <= high):
        raise MotionError(
            f"fps must be a positive number of frames per second, {low:g} to {high:g}, received {fps!r}"
        )


def as_numbers(name: str, values: ArrayLike) -> Array:
    """A copy as float64: callers keep theirs, and what JAX hands over is read-only."""
    try:
        if np.iscomplexobj(values):
            raise TypeError("complex numbers")
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as problem:
        raise MotionError(f"{name} must be an array of numbers ({problem})") from problem
