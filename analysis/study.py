"""The main job: a body and a motion become joint torques.

There are no ground forces yet. What the ground would have to supply appears as the root residual, and
the torques of a standing leg lack their share of it; `lacks_ground_force` says which those are.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dynamics import InverseDynamics, Trajectory, inverse_dynamics, trajectory
from smpl2mjcf import (
    Body,
    Flight,
    Floor,
    Humanoid,
    Motion,
    betas_for_body,
    build_humanoid,
    find_floor,
    flights,
    motion_to_qpos,
    warn_of_implausible_rate,
)

from .stance import lacks_ground_force, standing_feet

DEFAULT_CUTOFF = 6.0
"""Hz, the usual choice for walking (Winter 2009, ch. 2). Jumps and kicks need more: they are shorter."""


@dataclass(frozen=True, eq=False)
class Study:
    """A motion's torques and all they were computed from."""

    humanoid: Humanoid
    motion: Motion
    trajectory: Trajectory
    result: InverseDynamics
    floor: Floor
    flights: list[Flight]
    standing: NDArray[np.bool_]  # (T, 2) left, right foot on the ground
    lacks_ground_force: NDArray[np.bool_]  # (T, nv) torques that omit a ground force
    cutoff: float | None  # Hz

    @property
    def title(self) -> str:
        """Where the motion came from, in one line."""
        return " ".join(self.motion.source.split()) or "motion"

    @property
    def vertical_residual_bw(self) -> NDArray[np.float64]:
        """(T,) in body weights: the vertical force that the ground would have to supply."""
        return _vertical_residual_bw(self.humanoid, self.result)


def torque_study(
    body: Body,
    motion: Motion,
    betas: ArrayLike | None = None,
    cutoff: float | None = DEFAULT_CUTOFF,
    **options: Any,
) -> Study:
    """Joint torques of a motion on a body, without ground forces.

    betas: (B,), None takes the motion's where they belong to the body's family, else the mean shape.
    cutoff: Hz, effective -3 dB of the zero-lag low-pass; None for no filter.
    options: of build_humanoid, such as mass, sex, hands, joints.

    Raises smpl2mjcf.Error for a body and motion that do not fit, dynamics.Error for a motion too short.
    """
    if betas is None:
        betas = betas_for_body(motion, body)
    if options.get("sex") is None and motion.sex not in ("neutral", body.sex):
        warnings.warn(
            f"the motion's person is {motion.sex}; the segment inertia of the {body.sex} body is used "
            f"(choose with sex, --sex {motion.sex})",
            stacklevel=2,
        )
    humanoid = build_humanoid(body, betas, **options)
    model = humanoid.model
    if motion.family == body.family == "smpl2mjcf" and motion.sex != body.sex:
        warnings.warn(
            f"this motion was made for the {motion.sex} default body: on the {body.sex} one, whose legs are "
            "of another length, feet float or sink and slide by centimetres",
            stacklevel=2,
        )
    qpos = motion_to_qpos(humanoid, motion)
    path = trajectory(model, qpos, fps=motion.fps, cutoff=cutoff)
    floor = find_floor(model, qpos, motion.fps)
    flown = flights(model, qpos, motion.fps, floor) if motion.root_known else []
    warn_of_implausible_rate(model, flown, motion.fps)
    result = inverse_dynamics(model, path)
    standing = standing_feet(model, path, floor)
    lacking = lacks_ground_force(model, standing, _vertical_residual_bw(humanoid, result))
    return Study(humanoid, motion, path, result, floor, flown, standing, lacking, cutoff)


def _vertical_residual_bw(humanoid: Humanoid, result: InverseDynamics) -> NDArray[np.float64]:
    weight = humanoid.mass * float(np.linalg.norm(humanoid.model.opt.gravity))
    return np.asarray(result.root_residual)[:, 2] / weight
