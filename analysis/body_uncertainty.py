"""What an uncertain body does to torques: shape, mass, and the inertia of each segment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynamics import Trajectory, Tree, Wrench, rnea
from dynamics.precision import double_precision
from smpl2mjcf import Body, Humanoid, shape_arrays
from smpl2mjcf.skeleton import FINGER_JOINTS, HANDS

from .dof_blocks import DofBlocks
from .errors import Error

Array = NDArray[np.float64]

# Half of the step of the central differences by betas: shapes are smooth over tenths of a deviation, and
# rounding of 1e-12 stays below 1e-10.
_STEP = 1e-2
_EIGENVALUE = 1e-10


@dataclass(frozen=True, eq=False)
class ShapeUncertainty:
    """Uncertain betas.

    Attributes:
        body: the SMPL-family model that the humanoid was made of.
        betas: (B,) its betas.
        covariance: (B, B) of them.
        options: of `smpl2mjcf.shape_arrays` as the humanoid was built: mass, sex, hands, inertia, trunk.
    """

    body: Body
    betas: Array
    covariance: Array
    options: dict[str, Any]

    @classmethod
    def of(cls, humanoid: Humanoid, betas: ArrayLike) -> ShapeUncertainty:
        """Of a humanoid, by its betas' standard deviations (B,) or covariance (B, B).

        The mass stays the humanoid's: its own uncertainty is BodyUncertainty's.

        Raises:
            Error: for a wrong shape, values that are not finite or a covariance that is not positive.
        """
        given, count = np.asarray(betas, dtype=np.float64), len(humanoid.betas)
        if given.shape not in ((count,), (count, count)):
            raise Error(
                f"the betas' uncertainty has shape {given.shape}; this body takes ({count},) standard "
                f"deviations or a ({count}, {count}) covariance"
            )
        if not np.isfinite(given).all():
            raise Error("the betas' uncertainty holds NaN or infinity")
        if given.ndim == 1:
            if (given < 0).any():
                raise Error(f"the betas' standard deviation is {given.min():g}; accepted: 0 or more")
            given = np.diag(given**2)
        largest = float(np.abs(given).max())
        if np.abs(given - given.T).max() > _EIGENVALUE * largest:
            raise Error("the betas' covariance is not symmetric")
        least = float(np.linalg.eigvalsh(given)[0]) if count else 0.0
        if least < -_EIGENVALUE * largest:
            raise Error(f"the betas' covariance is not positive: its least eigenvalue is {least:.3g}")
        if humanoid.joints != "ball":
            raise Error(f"uncertain betas need ball joints; this humanoid has {humanoid.joints!r} joints")
        options = {
            "mass": humanoid.mass,
            "sex": humanoid.sex,
            "hands": HANDS[any(name in FINGER_JOINTS for name in humanoid.joint_names)],
            "inertia": humanoid.inertia,
            "trunk": humanoid.trunk,
        }
        return cls(humanoid.body, np.asarray(humanoid.betas, dtype=np.float64), given, options)


@dataclass(frozen=True, eq=False)
class BodyUncertainty:
    """How uncertain a body is; errors of segments are independent of each other, of shape and of mass.

    Attributes:
        mass: standard deviation of the body's mass as a share of it; all segments change in proportion.
        segment_mass: of each segment's mass, as a share of it.
        segment_com: m, of each coordinate of each segment's centre of mass.
        segment_inertia: of each segment's inertia about its centre of mass, as a share of it.
        shape: uncertain betas; see `ShapeUncertainty.of`.
    """

    mass: float = 0.0
    segment_mass: float = 0.0
    segment_com: float = 0.0
    segment_inertia: float = 0.0
    shape: ShapeUncertainty | None = None

    def __post_init__(self) -> None:
        for name in ("mass", "segment_mass", "segment_com", "segment_inertia"):
            value = getattr(self, name)
            if not (isinstance(value, int | float | np.number) and np.isfinite(value) and value >= 0):
                raise Error(f"{name} is {value!r}; accepted: a finite standard deviation, 0 or more")


def body_covariance(
    model: mujoco.MjModel, path: Trajectory, body: BodyUncertainty, wrench: Wrench | None = None
) -> Array:
    """(T, K, 3, 3) covariance of the torques that an uncertain body gives, to first order.

    Torques are linear in masses and inertias, whose slopes are torques of a body with nothing else, and
    quadratic in the centres of mass, whose central differences are exact. Slopes by betas are central
    differences of `smpl2mjcf.shape_arrays`.

    model: the humanoid that `path` was computed on. wrench: external forces; they stay as they are.

    Raises:
        Error: where the shape's bodies are not the model's.
        dynamics.Error: as `dynamics.rnea`.
    """
    tree = Tree.from_mjmodel(model)
    blocks = DofBlocks.of(tree.topology)
    covariance = np.zeros((len(path.qpos), len(blocks.names), 3, 3))
    with double_precision():
        for slope in _slopes(tree, path, body, wrench):
            grouped = blocks.grouped(slope)
            covariance += grouped[..., :, None] * grouped[..., None, :]
    return covariance


def _slopes(tree: Tree, path: Trajectory, body: BodyUncertainty, wrench: Wrench | None) -> Iterator[Array]:
    """Change (T, nv) of the torques by one standard deviation of each independent uncertainty."""
    # Armature is the model's, not the body's.
    bare = tree.replace(armature=np.zeros_like(tree.armature))

    def torques(of: Tree, outer: Wrench | None = None) -> Array:
        return np.asarray(rnea(of, path.qpos, path.qvel, path.qacc, outer))

    if body.mass:
        yield body.mass * torques(bare)
    segments = np.flatnonzero(tree.masses > 0)
    for k in segments if body.segment_mass or body.segment_inertia else ():
        alone = np.arange(len(tree.masses)) == k
        mass = np.where(alone, tree.masses, 0.0)
        tensor = np.where(alone[:, None, None], tree.tensors, 0.0)
        if body.segment_mass:
            yield body.segment_mass * torques(bare.replace(masses=mass, tensors=np.zeros_like(tensor)))
        if body.segment_inertia:
            yield body.segment_inertia * torques(bare.replace(masses=np.zeros_like(mass), tensors=tensor))
    for k in segments if body.segment_com else ():
        for axis in range(3):
            shifted = []
            for sign in (1, -1):
                coms = np.array(tree.coms)
                coms[k, axis] += sign * body.segment_com
                shifted.append(torques(bare.replace(coms=coms)))
            yield (shifted[0] - shifted[1]) / 2
    if body.shape is not None:
        yield from _shape_slopes(bare, path, body.shape, wrench)


def _shape_slopes(
    tree: Tree, path: Trajectory, shape: ShapeUncertainty, wrench: Wrench | None
) -> Iterator[Array]:
    """Change (T, nv) of the torques by one deviation along each principal axis of the betas' covariance."""
    values, vectors = np.linalg.eigh(shape.covariance)
    axes = vectors.T[values > 0]
    if not len(axes):
        return
    steps = np.concatenate([sign * _STEP * axes for sign in (1, -1)])
    found = shape_arrays(shape.body, shape.betas + steps, **shape.options)
    if found.names != tree.topology.body_names:
        raise Error(
            f"the shape's bodies are {', '.join(found.names)}; "
            f"the model's {', '.join(tree.topology.body_names)}"
        )
    if not np.asarray(found.valid).all():
        raise Error("a shape near these betas is no person that a humanoid can be made of")

    def torques(k: int) -> Array:
        of = tree.replace(
            offsets=np.asarray(found.offsets[k]),
            masses=np.asarray(found.masses[k]),
            coms=np.asarray(found.coms[k]),
            tensors=np.asarray(found.tensors[k]),
        )
        return np.asarray(rnea(of, path.qpos, path.qvel, path.qacc, wrench))

    for k, value in enumerate(values[values > 0]):
        yield np.sqrt(value) * (torques(k) - torques(k + len(axes))) / (2 * _STEP)
