"""What a pose estimator's noise leaves of the torques: joint by joint, and what would be needed instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics import Trajectory, Tree, inverse_dynamics
from dynamics.smoothing import Chart, Smoothed, smooth
from dynamics.topology import Topology
from smpl2mjcf import build_humanoid, default_body, load_motion, model_file, motion_to_qpos

from .amplification import torque_noise
from .clean_motion import CleanMotion
from .dof_blocks import DofBlocks
from .errors import Error
from .pose_noise import PoseNoise, perturbed
from .scores import inner_joints

Array = NDArray[np.float64]

GOOD, FAIR = 0.3, 0.7
"""Error over the torque's RMS: below the first a curve can be read, above the second not even its size."""

CUTOFFS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0)
RATES = (15.0, 30.0, 60.0, 120.0, 240.0)
"""Hz that `needed` tries."""

_CHOOSING = ("reml", "gcv", "winter")
_SEED = 20260524
# The noise's RMS over a motion needs no more frames than these.
_FRAMES = 80


@dataclass(frozen=True)
class JointTrust:
    """One joint's torque under noise, N m, lengths of vectors, RMS over the reference motion.

    Attributes:
        name: the joint.
        signal: the true torque.
        noise: what the poses' noise adds.
        distortion: what the smoother takes away or adds without any noise.
    """

    name: str
    signal: float
    noise: float
    distortion: float

    @property
    def error(self) -> float:
        """N m, noise and distortion together."""
        return float(np.hypot(self.noise, self.distortion))

    @property
    def share(self) -> float:
        """Error over signal; infinite for a joint without torque."""
        return self.error / self.signal if self.signal > 0 else float("inf")

    @property
    def verdict(self) -> str:
        """Whether the torque can be read: "yes", "its size", "no"."""
        return "yes" if self.share <= GOOD else "its size" if self.share <= FAIR else "no"


@dataclass(frozen=True)
class Trust:
    """What can be trusted of a motion's torques: `joints` by name, and what it was asked for."""

    joints: tuple[JointTrust, ...]
    question: str

    def __getitem__(self, name: str) -> JointTrust:
        for joint in self.joints:
            if joint.name == name:
                return joint
        raise Error(f"no joint {name!r}; available: {', '.join(joint.name for joint in self.joints)}")

    @property
    def rms(self) -> float:
        """N m, RMS of the error over all joints."""
        return float(np.sqrt(np.mean([joint.error**2 for joint in self.joints])))

    def __str__(self) -> str:
        lines = [
            self.question,
            f"{'joint':16}{'torque':>8}{'noise':>8}{'smoother':>9}{'of RMS':>8}  to trust?",
        ]
        lines += [
            f"{j.name:16}{j.signal:8.1f}{j.noise:8.1f}{j.distortion:9.1f}{j.share:8.2f}  {j.verdict}"
            for j in sorted(self.joints, key=lambda j: -j.error)
        ]
        return "\n".join([*lines, f"N m, RMS lengths over the motion; all joints {self.rms:.1f}"])


@dataclass(frozen=True)
class Needed:
    """What keeps a joint's torque error (noise and distortion, RMS) within a target.

    Attributes:
        target: N m.
        sigma: rad, largest noise at the stated rate and best cutoff; None if filters alone miss the target.
        cutoffs: Hz among CUTOFFS that meet it at the stated noise and rate (`butterworth`).
        best_cutoff: Hz, where the error is least.
        least_error: N m at that cutoff.
        fps: Hz, the lowest of RATES at which some cutoff meets it; None if none does.
        signal: N m, RMS of the torque itself: what predicting none errs by.
    """

    target: float
    sigma: float | None
    cutoffs: tuple[float, ...]
    best_cutoff: float
    least_error: float
    fps: float | None
    signal: float

    def __str__(self) -> str:
        lines = [f"for {self.target:g} N m (the torque itself has {self.signal:.1f}):"]
        if self.target >= FAIR * self.signal:
            lines.append("  a target so near to the torque asks for little: predicting none nearly meets it")
        lines.append(
            "  noise: none; the smoother alone errs by more"
            if self.sigma is None
            else f"  noise: at most {np.degrees(self.sigma):.2f} deg ({self.sigma:.4f} rad)"
        )
        met = f"{', '.join(f'{cutoff:g}' for cutoff in self.cutoffs)} Hz" if self.cutoffs else "none"
        least = f"the least error is {self.least_error:.1f} N m at {self.best_cutoff:g} Hz"
        lines.append(f"  Butterworth cutoff: {met}; {least}")
        lines.append(f"  frame rate: {'none is enough' if self.fps is None else f'{self.fps:g} Hz'}")
        return "\n".join(lines)


def trust(
    sigma: float = 0.05,
    fps: float = 30.0,
    rho: float = 0.0,
    bias: float = 0.0,
    method: str = "butterworth",
    motion: CleanMotion | None = None,
    noise: PoseNoise | None = None,
    **options: Any,
) -> Trust:
    """What an estimator with this noise at this frame rate leaves to trust, joint by joint.

    The law on a reference motion: what the noise adds, and what the smoother does to the motion itself.
    Without ground forces, of which a biased pose turns a share into torque as well: in stance, legs err more.

    Args:
        sigma: rad on every component of every rotation (3 degrees are 0.052).
        fps: Hz.
        rho: correlation of neighbouring frames' noise.
        bias: rad, of an offset that stays.
        method: a method of `dynamics.smoothing.smooth`. What chooses its own smoothness is given one noisy
            sample to choose from.
        motion: the reference; None for the embedded walk on a 70 kg body.
        noise: instead of sigma, rho and bias, a whole noise model (by joint, root, translation).
        **options: of the method (cutoff=6.0).

    Raises:
        Error: for noise out of range.
        dynamics.Error: for a rate, method or option that cannot be.
    """
    reference = _walk() if motion is None else motion
    if noise is None:
        noise = PoseNoise.of(reference.model, sigma, rho, bias)
        said = f"{np.degrees(sigma):.2f} deg of noise (rho {rho:g}, bias {np.degrees(bias):.2f} deg)"
    else:
        said = "the given noise"
    how = ", ".join([method, *(f"{name} {value}" for name, value in options.items())])
    noise_rms, distortion, signal, names = _errors(reference, fps, method, noise, **options)
    joints = zip(names, signal.tolist(), noise_rms.tolist(), distortion.tolist())
    return Trust(tuple(JointTrust(*row) for row in joints), f"{said} at {fps:g} fps, {how}:")


def needed(
    target: float = 10.0,
    joint: str | None = None,
    sigma: float = 0.05,
    fps: float = 30.0,
    rho: float = 0.0,
    motion: CleanMotion | None = None,
    cutoffs: Sequence[float] = CUTOFFS,
    rates: Sequence[float] = RATES,
) -> Needed:
    """What noise, cutoff or frame rate keeps the torque error within a target: the inverse of `trust`.

    Noise: at the least erring cutoff. Rate: at each the best cutoff. The smoother is the zero-lag Butterworth
    low-pass, whose one number can be turned.

    Args:
        target: N m, RMS length of the error.
        joint: which ("left_hip"); None for the RMS over all joints.
        sigma: rad.
        fps: Hz.
        rho: correlation of neighbouring frames' noise.
        motion: as `trust`.
        cutoffs: Hz to try; those above 45 % of a frame rate are left out.
        rates: Hz to try.

    Raises:
        Error: for a target that is not positive, an unknown joint, or noise out of range.
        dynamics.Error: as `trust`.
    """
    if not (isinstance(target, int | float | np.number) and np.isfinite(target) and target > 0):
        raise Error(f"target is {target!r}; accepted: a finite torque above 0, in N m")
    reference = _walk() if motion is None else motion

    found = trust(sigma, fps, rho, 0.0, "central", reference)
    all_joints = float(np.sqrt(np.mean([j.signal**2 for j in found.joints])))
    signal = all_joints if joint is None else found[joint].signal

    def parts(rate: float, cutoff: float) -> tuple[float, float]:
        found = trust(sigma, rate, rho, 0.0, "butterworth", reference, cutoff=cutoff)
        if joint is not None:
            return found[joint].noise, found[joint].distortion
        rms = [
            float(np.sqrt(np.mean([getattr(j, part) ** 2 for j in found.joints])))
            for part in ("noise", "distortion")
        ]
        return rms[0], rms[1]

    def tried(rate: float) -> dict[float, tuple[float, float]]:
        return {cutoff: parts(rate, cutoff) for cutoff in cutoffs if cutoff < 0.45 * rate}

    here = tried(fps)
    if not here:
        raise Error(f"no cutoff of {', '.join(map(str, cutoffs))} Hz lies below 45 % of {fps:g} Hz")
    total = {cutoff: float(np.hypot(*both)) for cutoff, both in here.items()}
    best = min(total, key=lambda cutoff: total[cutoff])
    # Noise grows in proportion to sigma, distortion is there without any.
    room = {c: target**2 - distortion**2 for c, (_, distortion) in here.items()}
    allowed = [
        sigma * np.sqrt(room[c]) / noise for c, (noise, _) in here.items() if room[c] > 0 and noise > 0
    ]
    rate = next(
        (r for r in sorted(rates) if any(np.hypot(*both) <= target for both in tried(r).values())), None
    )
    return Needed(
        float(target),
        float(max(allowed)) if allowed else None,
        tuple(c for c in total if total[c] <= target),
        best,
        total[best],
        rate,
        signal,
    )


def _errors(
    reference: CleanMotion, fps: float, method: str, noise: PoseNoise, **options: Any
) -> tuple[Array, Array, Array, list[str]]:
    """RMS lengths (J,) of noise, distortion and signal by joint, and the joints' names."""
    model, truth = reference.model, reference.at(fps)
    topology = Tree.from_mjmodel(model).topology
    # A method that chooses its smoothness must see noise; what it then does to the motion itself is judged on
    # the clean one, with the same choice.
    seen = perturbed(topology, truth.qpos, noise.draw(np.random.default_rng(_SEED), len(truth.qpos)))
    found = smooth(model, seen if method in _CHOOSING else truth.qpos, fps, method, **options)
    if method == "winter" and found.cutoffs is not None:
        smoothed = smooth(model, truth.qpos, fps, "butterworth", cutoff=float(found.cutoffs[0])).trajectory
    elif method in _CHOOSING:
        smoothed = _passed(topology, found, truth, fps)
    else:
        smoothed = found.trajectory
    valid = found.trajectory.valid
    some = np.flatnonzero(valid)
    some = some[:: max(1, len(some) // _FRAMES)]
    law = torque_noise(model, truth, found.kernels, noise, at=some)
    joints = inner_joints(model)
    blocks = DofBlocks.of(Tree.from_mjmodel(model).topology)

    def rms(values: Array) -> Array:
        return np.sqrt((blocks.grouped(values)[valid][:, joints] ** 2).sum(-1).mean(0))

    noise_rms = np.sqrt((law.joint_sd[:, joints] ** 2).mean(0))
    true_tau, tau = (inverse_dynamics(model, path).tau for path in (truth, smoothed))
    return noise_rms, rms(tau - true_tau), rms(true_tau), [blocks.names[k] for k in joints]


def _passed(topology: Topology, found: Smoothed, truth: Trajectory, fps: float) -> Trajectory:
    """The clean motion through the weights that a smoother chose for a noisy one."""
    chart = Chart.along(topology, truth.qpos, fps)
    lifted = chart.lift(truth.qpos)
    curves = np.empty((3, *lifted.shape))
    for group, operator in enumerate(found.kernels.operators):
        columns = found.kernels.groups == group
        curves[:, :, columns] = operator(lifted[:, columns])
    qpos, qvel, qacc = chart.lower(curves)
    return Trajectory(truth.time, qpos, qvel, qacc, found.trajectory.valid)


@lru_cache(maxsize=1)
def _walk() -> CleanMotion:
    """The embedded walk on the embedded body, 70 kg."""
    humanoid = build_humanoid(default_body(), mass=70.0)
    motion = load_motion(model_file("walk.npz"))
    return CleanMotion.of(humanoid.model, motion_to_qpos(humanoid, motion), motion.fps)
