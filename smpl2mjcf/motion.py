"""The Motion type, and the two ways between a motion and a humanoid's qpos.

A motion is what cameras and marker systems deliver: axis-angle joint rotations and the SMPL family's
`trans`, at a frame rate. Where the pelvis is in the world follows from the body:

    pelvis_world = J_pelvis(betas) + trans

and the root rotation turns the body about the pelvis joint, not about the model's origin.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from .body import Body
from .errors import MotionError
from .frame_ranges import frame_ranges
from .humanoid import Humanoid
from .skeleton import JOINT_NAMES, SEXES

Array = NDArray[np.float64]

UP_AXES = ("y", "z")

LARGEST_FPS = 1e5

LARGEST_LENGTH_ERROR = 1e-3
"""Of a quaternion; what is nearer to unit length is normalised, as in `dynamics`."""

R_ZUP_YUP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Turns y-up coordinates into z-up ones: +90 degrees about x."""


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
    up: str = "z"  # the world's vertical axis
    source: str = ""  # where it came from, for people to read
    joint_names: tuple[str, ...] = field(init=False, default=())  # (J,), follows from family and J

    def __post_init__(self) -> None:
        poses, trans = _numbers("poses", self.poses), _numbers("trans", self.trans)
        object.__setattr__(self, "poses", poses)
        object.__setattr__(self, "trans", trans)
        if self.betas is not None:
            object.__setattr__(self, "betas", _numbers("betas", self.betas))
        if self.family not in JOINT_NAMES:
            raise MotionError(f"unknown family {self.family!r}; accepted: {', '.join(JOINT_NAMES)}")
        if self.sex not in SEXES:
            raise MotionError(f"unknown sex {self.sex!r}; accepted: {', '.join(SEXES)}")
        if self.up not in UP_AXES:
            raise MotionError(f"unknown up axis {self.up!r}; accepted: {', '.join(UP_AXES)}")
        if isinstance(self.fps, bool) or not (isinstance(self.fps, Real) and 0 < self.fps <= LARGEST_FPS):
            raise MotionError(
                "fps must be a positive number of frames per second, "
                f"{LARGEST_FPS:g} at most, received {self.fps!r}"
            )
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
        broken = ~(np.isfinite(poses).all(axis=(1, 2)) & np.isfinite(trans).all(axis=1))
        if broken.any():
            raise MotionError(
                f"NaN or infinite values in {frame_ranges(np.flatnonzero(broken))} of {len(poses)}"
            )
        object.__setattr__(self, "joint_names", names[: poses.shape[1]])

    @property
    def num_frames(self) -> int:
        """T."""
        return len(self.poses)


def to_z_up(motion: Motion, root_joint: ArrayLike) -> Motion:
    """The same motion with z up; root_joint (3,) m is J_pelvis of the body that it is played on.

    A change of axes R turns the pelvis, not the model's origin: trans' = R (J0 + trans) - J0.
    """
    if motion.up == "z":
        return motion
    J0 = np.asarray(root_joint, dtype=np.float64)
    poses = motion.poses.copy()
    poses[:, 0] = (Rotation.from_matrix(R_ZUP_YUP) * Rotation.from_rotvec(poses[:, 0])).as_rotvec()
    return replace(motion, poses=poses, trans=(J0 + motion.trans) @ R_ZUP_YUP.T - J0, up="z")


def motion_to_qpos(humanoid: Humanoid, motion: Motion) -> Array:
    """(T, nq) MuJoCo positions of a motion on a humanoid; frames as recorded, nothing scaled.

    Joints map by name. Joints that the motion lacks stay at rest; joints that the humanoid lacks
    (fingers, jaw and eyes on a SMPL body) are left out. A y-up motion is turned to z up.

    Raises MotionError where the humanoid lacks the motion's root joint.
    """
    motion = to_z_up(motion, humanoid.joint_positions[0])
    model = humanoid.model
    qpos = np.tile(model.qpos0, (motion.num_frames, 1))
    known = set(humanoid.body.joint_names)
    if motion.joint_names[0] not in known:
        raise MotionError(
            f"the motion's root joint {motion.joint_names[0]!r} is not in the humanoid; "
            f"available: {', '.join(humanoid.body.joint_names)}"
        )
    for column, name in enumerate(motion.joint_names):
        if name not in known:
            continue
        start = model.jnt_qposadr[humanoid.joint_id(name)] + (3 if column == 0 else 0)
        rotation = Rotation.from_rotvec(motion.poses[:, column])
        qpos[:, start : start + 4] = rotation.as_quat(scalar_first=True, canonical=True)
    root = model.jnt_qposadr[humanoid.joint_id(motion.joint_names[0])]
    qpos[:, root : root + 3] = humanoid.joint_positions[0] + motion.trans
    return qpos


def qpos_to_motion(humanoid: Humanoid, qpos: ArrayLike, fps: float) -> Motion:
    """The z-up Motion of a humanoid's positions: the inverse of motion_to_qpos.

    qpos: (T, nq). Axis-angles come back as the rotation of at most pi.
    Raises MotionError for a wrong width, values that are not finite or quaternions that are not unit.
    """
    model, body = humanoid.model, humanoid.body
    positions = _numbers("qpos", qpos)
    if positions.ndim != 2 or positions.shape[1] != model.nq:
        raise MotionError(f"qpos has shape {positions.shape}; this humanoid takes (T, {model.nq})")
    bad = ~np.isfinite(positions).all(axis=1)
    if bad.any():
        raise MotionError(
            f"NaN or infinite values in {frame_ranges(np.flatnonzero(bad))} of {len(positions)} of qpos"
        )
    poses = np.empty((len(positions), body.num_joints, 3))
    for column, name in enumerate(body.joint_names):
        start = model.jnt_qposadr[humanoid.joint_id(name)] + (3 if column == 0 else 0)
        quaternion = positions[:, start : start + 4]
        bent = np.abs(np.linalg.norm(quaternion, axis=1) - 1) > LARGEST_LENGTH_ERROR
        if bent.any():
            raise MotionError(
                f"joint {name!r} has a quaternion not of unit length in {frame_ranges(np.flatnonzero(bent))}"
            )
        poses[:, column] = Rotation.from_quat(quaternion, scalar_first=True).as_rotvec()
    root = model.jnt_qposadr[humanoid.joint_id(body.joint_names[0])]
    trans = positions[:, root : root + 3] - humanoid.joint_positions[0]
    return Motion(
        poses,
        trans,
        fps,
        betas=humanoid.betas,
        family=body.family,
        sex=body.sex,
        source="qpos",
    )


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


def _numbers(name: str, values: ArrayLike) -> Array:
    """A copy as float64: callers keep theirs, and what JAX hands over is read-only."""
    try:
        if np.iscomplexobj(values):
            raise TypeError("complex numbers")
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as problem:
        raise MotionError(f"{name} must be an array of numbers ({problem})") from problem
