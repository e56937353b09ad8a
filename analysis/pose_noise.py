"""How a recorded pose errs: the noise model that the law, the study and the error bars share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import signal

from dynamics import so3
from dynamics.smoothing.chart import plain, quaternion_addresses, turning
from dynamics.topology import Topology

from .dof_blocks import DofBlocks
from .errors import Error

Array = NDArray[np.float64]

# A covariance's eigenvalue this far below zero, relative to the largest, is rounding of a zero.
_ROUNDING = 1e-10


@dataclass(frozen=True, eq=False)
class PoseNoise:
    """Errors of the recorded poses: Gaussian, stationary, of mean zero.

    Every recorded rotation is the true one times Exp(n), n in the body's own axes; slides, hinges and
    translations have n added. n has two parts: noise that changes from frame to frame, an AR(1) process with
    correlation rho between neighbouring frames, and an offset that stays for the whole clip.

    Attributes:
        sigma: (nv,) standard deviation of the changing part, rad or m.
        rho: its correlation from one frame to the next, 0 (white) to below 1.
        bias: (nv,) standard deviation of the constant part, rad or m.
        mixing: (nv, nv) root L of the changing part's covariance L L^T where dofs err together, else None:
            then the dofs are independent.
    """

    sigma: Array
    rho: float
    bias: Array
    mixing: Array | None = None

    @classmethod
    def of(
        cls,
        model: mujoco.MjModel,
        sigma: float = 0.05,
        rho: float = 0.0,
        bias: float = 0.0,
        translation: float = 0.0,
        translation_bias: float = 0.0,
        joints: Mapping[str, float] | None = None,
    ) -> PoseNoise:
        """The same noise on every rotation and hinge, the root's orientation included, or noise by joint.

        Args:
            model: whose dofs these are.
            sigma: rad.
            rho: correlation of neighbouring frames, of rotations and translations alike.
            bias: rad.
            translation: sigma of the root's translation and of slides, m.
            translation_bias: m.
            joints: sigma of single joints, rad, by body ("left_hip"; m for "pelvis_translation").

        Raises:
            Error: for a value out of range or an unknown joint.
        """
        blocks = DofBlocks.of(Topology.from_mjmodel(model))
        level = np.where(blocks.is_angle, _level("sigma", sigma), _level("translation", translation))
        for name, value in (joints or {}).items():
            if name not in blocks.names:
                raise Error(f"no joint {name!r} to put noise on; available: {', '.join(blocks.names)}")
            level[blocks.names.index(name)] = _level(f"sigma of {name}", value)
        offset = np.where(blocks.is_angle, _level("bias", bias), _level("translation_bias", translation_bias))
        by_dof = (blocks.flat(np.repeat(value[:, None], 3, axis=1)) for value in (level, offset))
        changing, constant = by_dof
        return cls(changing, _correlation(rho), constant)

    @classmethod
    def from_covariance(
        cls, model: mujoco.MjModel, covariance: ArrayLike, rho: float = 0.0, bias: float = 0.0
    ) -> PoseNoise:
        """Noise with a covariance (nv, nv) of one frame's errors, rad and m: dofs that err together.

        Raises:
            Error: for a wrong shape, values that are not finite, and a matrix that is not symmetric or has a
                negative eigenvalue.
        """
        plainly = cls.of(model, 0.0, rho, bias)
        matrix, nv = np.asarray(covariance, dtype=np.float64), model.nv
        if matrix.shape != (nv, nv):
            raise Error(f"the covariance has shape {matrix.shape}; this model needs ({nv}, {nv})")
        if not np.isfinite(matrix).all():
            raise Error("the covariance holds NaN or infinity; accepted: finite numbers")
        largest = float(np.abs(matrix).max())
        if np.abs(matrix - matrix.T).max() > _ROUNDING * largest:
            raise Error("the covariance is not symmetric")
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        if values[0] < -_ROUNDING * largest:
            raise Error(
                f"the covariance is not positive: its least eigenvalue is {values[0]:.3g}; "
                "accepted: 0 or more"
            )
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        return cls(np.sqrt(np.diag(matrix)), plainly.rho, plainly.bias, root)

    def draw(self, rng: np.random.Generator, frames: int) -> Array:
        """One sample of the noise, (T, nv), stationary from the first frame on."""
        nv = len(self.sigma)
        shocks = rng.standard_normal((frames, nv))
        shocks[1:] *= np.sqrt(1 - self.rho**2)
        noise = signal.lfilter([1.0], [1.0, -self.rho], shocks, axis=0)
        changing = noise * self.sigma if self.mixing is None else noise @ self.mixing.T
        return changing + self.bias * rng.standard_normal(nv)


def perturbed(topology: Topology, qpos: ArrayLike, noise: Array) -> Array:
    """qpos (T, nq) with noise (T, nv): rotations times Exp(n), n in the body's axes; plain numbers plus n."""
    moved = np.array(qpos, dtype=np.float64)
    position, dof = plain(topology)
    moved[:, position] += noise[:, dof]
    for address, dofs in zip(quaternion_addresses(topology), turning(topology)):
        q = moved[:, address : address + 4]
        moved[:, address : address + 4] = so3.normalize(so3.multiply(q, so3.exp(noise[:, dofs])))
    return moved


def _level(name: str, value: Any) -> float:
    if not (isinstance(value, int | float | np.number) and np.isfinite(value) and value >= 0):
        raise Error(f"{name} is {value!r}; accepted: a finite standard deviation, 0 or more")
    return float(value)


def _correlation(rho: Any) -> float:
    if not (isinstance(rho, int | float | np.number) and 0 <= rho < 1):
        raise Error(
            f"rho is {rho!r}; accepted: from 0 (white noise) to below 1 "
            "(1 would be a bias; give bias instead)"
        )
    return float(rho)
