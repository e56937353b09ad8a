"""The tables of a noise study.

Every figure of the law (analysis/amplification.py) stands beside one by sampling: noisy rotations, smoothed
and differentiated by the scheme itself, through inverse dynamics.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dynamics import Tree, inverse_dynamics, rnea
from dynamics.precision import double_precision
from dynamics.smoothing import smooth

from .amplification import TorqueNoise, torque_noise
from .clean_motion import CleanMotion
from .dof_blocks import DofBlocks
from .noise_rows import Row
from .pose_noise import PoseNoise, perturbed
from .scores import inner_joints

Array = NDArray[np.float64]

STENCILS = ("central", "three-point", "spline")
CUTOFFS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0)
CORRELATIONS = (0.0, 0.8, 0.95)
TRANSLATION = 0.01
"""m, noise of the root's position where it is studied alone."""
WITH_ROOT = "joints and root"
"""In place of a joint's name: the mean over all joints, the root counted as one."""
COMPARED: tuple[tuple[str, dict[str, float]], ...] = (
    ("central", {}),
    ("butterworth", {"cutoff": 6.0}),
    ("butterworth", {"cutoff": 2.0}),
    ("reml", {}),
)
"""Schemes for the kinds of noise: raw, the field's usual filter, a heavy one, and the automatic smoother."""

# The law's mean over a motion needs no more frames than these.
_FRAMES = 80
# The automatic smoother takes many times as long as a stencil, and gets this many times fewer samples.
_FEWER = 5


@dataclass(eq=False)
class Tables:
    """The tables of one motion, by name, and what they share."""

    clean: CleanMotion
    sigma: float
    draws: int
    rng: np.random.Generator

    def __post_init__(self) -> None:
        self.model = self.clean.model
        self.tree = Tree.from_mjmodel(self.model)
        self.topology = self.tree.topology
        self.blocks = DofBlocks.of(self.topology)
        self.inner = inner_joints(self.model)
        self.names = tuple(self.blocks.names[k] for k in self.inner)

    def lengths(self, tau: Array) -> Array:
        """(..., J) lengths of the joints' vectors in tau (..., nv)."""
        return np.linalg.norm(self.blocks.grouped(tau), axis=-1)[..., self.inner]

    def torques(self, qpos: Array, qvel: Array, qacc: Array) -> Array:
        """(..., nv) of states with any leading axes."""
        with double_precision():
            return np.asarray(rnea(self.tree, qpos, qvel, qacc))

    def growth(self, rates: Sequence[float], sigmas: Sequence[float]) -> Iterator[Row]:
        """Error over sigma: the law is a straight line, sampling need not be."""
        for fps in rates:
            law_mean, law_rms = self.law_lengths(self.law(fps, "central", self.noise()))
            for sigma in sigmas:
                noise = PoseNoise.of(self.model, sigma)
                mean, rms, _ = self.sampled(fps, "central", noise, self.draws)
                grown = sigma / self.sigma
                yield Row(
                    "growth",
                    fps,
                    "central",
                    sigma=sigma,
                    law_mean=grown * law_mean,
                    law_rms=grown * law_rms,
                    sampled_mean=mean,
                    sampled_rms=rms,
                )

    def by_rate(self, rates: Sequence[float]) -> Iterator[Row]:
        """Error over the frame rate, for each stencil."""
        for fps in rates:
            for scheme in STENCILS:
                law = self.law(fps, scheme, self.noise())
                mean, rms = self.law_lengths(law)
                yield Row("rates", fps, scheme, sigma=self.sigma, law_mean=mean, law_rms=rms)
                if scheme == "central" and len(self.inner) < self.blocks.is_angle.sum():
                    rooted = law.mean_length()[:, self.blocks.is_angle]
                    yield Row(
                        "rates", fps, scheme, sigma=self.sigma, joint=WITH_ROOT, law_mean=float(rooted.mean())
                    )

    def by_joint(self, fps: float) -> Iterator[Row]:
        """Error at each joint when all are noisy, and when one is."""
        law = self.law(fps, "central", self.noise())
        for joint, name in zip(self.inner, self.names):
            yield Row(
                "joints",
                fps,
                "central",
                sigma=self.sigma,
                joint=name,
                law_mean=float(law.mean_length()[:, joint].mean()),
                law_rms=rms_of(law.joint_sd[:, joint]),
            )
        for source in (name for name, angle in zip(self.blocks.names, self.blocks.is_angle) if angle):
            law = self.law(fps, "central", PoseNoise.of(self.model, 0.0, joints={source: self.sigma}))
            for joint, name in zip(self.inner, self.names):
                yield Row(
                    "sources",
                    fps,
                    "central",
                    sigma=self.sigma,
                    source=source,
                    joint=name,
                    law_rms=rms_of(law.joint_sd[:, joint]),
                )

    def by_cutoff(self, rates: Sequence[float]) -> Iterator[Row]:
        """Noise and distortion over the cutoff of the zero-lag Butterworth low-pass."""
        for fps in rates:
            truth = self.clean.at(fps)
            true_tau = inverse_dynamics(self.model, truth).tau
            for cutoff in (c for c in CUTOFFS if c < 0.45 * fps):
                found = smooth(self.model, truth.qpos, fps, "butterworth", cutoff=cutoff)
                valid = found.trajectory.valid
                tau = inverse_dynamics(self.model, found.trajectory).tau
                distortion = rms_of(self.lengths(tau - true_tau)[valid])
                for rho in CORRELATIONS:
                    law = torque_noise(
                        self.model, truth, found.kernels, self.noise(rho=rho), at=_spread(valid)
                    )
                    rms = rms_of(law.joint_sd[:, self.inner])
                    yield Row(
                        "cutoffs",
                        fps,
                        "butterworth",
                        noise=_named(rho),
                        sigma=self.sigma,
                        rho=rho,
                        cutoff=cutoff,
                        law_rms=rms,
                        distortion_rms=distortion,
                        total_rms=float(np.hypot(rms, distortion)),
                    )

    def by_kind(self, fps: float) -> Iterator[Row]:
        """Kinds of noise, raw and smoothed. The automatic smoother has no law before it has seen samples."""
        for name, rho, noise in self.kinds():
            for scheme, options in COMPARED:
                seen = scheme == "reml"
                draws = max(2, self.draws // _FEWER) if seen else self.draws
                mean, rms, total = self.sampled(fps, scheme, noise, draws, **options)
                row = Row(
                    "kinds",
                    fps,
                    scheme,
                    noise=name,
                    sigma=self.sigma,
                    rho=rho,
                    cutoff=options.get("cutoff"),
                    sampled_total_rms=total,
                )
                if not seen:
                    by_law = self.law_lengths(self.law(fps, scheme, noise, **options))
                    row = replace(
                        row, law_mean=by_law[0], law_rms=by_law[1], sampled_mean=mean, sampled_rms=rms
                    )
                yield row

    def kinds(self) -> Iterator[tuple[str, float, PoseNoise]]:
        """Name, correlation and model of each kind of noise."""
        for rho in CORRELATIONS:
            yield _named(rho), rho, self.noise(rho=rho)
        yield "constant bias", 0.0, PoseNoise.of(self.model, 0.0, bias=self.sigma)
        depth = self.depths()
        by_depth = {
            name: self.sigma * float(d / depth.mean())
            for name, d, angle in zip(self.blocks.names, depth, self.blocks.is_angle)
            if angle
        }
        yield "growing outward", 0.0, PoseNoise.of(self.model, self.sigma, joints=by_depth)
        roots = [
            k for k in range(len(self.blocks.names)) if self.blocks.is_rotation[k] and k not in self.inner
        ]
        if roots:
            turned = {self.blocks.names[roots[0]]: self.sigma}
            yield "root orientation only", 0.0, PoseNoise.of(self.model, 0.0, joints=turned)
            yield (
                f"root position only, {100 * TRANSLATION:g} cm",
                0.0,
                PoseNoise.of(self.model, 0.0, translation=TRANSLATION),
            )

    def depths(self) -> Array:
        """(K,) how many bodies away from the world each block is."""
        depth = np.zeros(self.topology.nbody)
        for body, parent in enumerate(self.topology.parents[1:], start=1):
            depth[body] = depth[parent] + 1
        body_of = {name: depth[body] for body, name in enumerate(self.topology.body_names)}
        return np.array([body_of.get(name.removesuffix("_translation"), 1.0) for name in self.blocks.names])

    def noise(self, rho: float = 0.0) -> PoseNoise:
        """Noise of the study's sigma on every rotation."""
        return PoseNoise.of(self.model, self.sigma, rho)

    def law(self, fps: float, scheme: str, noise: PoseNoise, **options: Any) -> TorqueNoise:
        """The law at frames spread over the motion."""
        found = smooth(self.model, self.clean.at(fps).qpos, fps, scheme, **options)
        return torque_noise(
            self.model, found.trajectory, found.kernels, noise, at=_spread(found.trajectory.valid)
        )

    def law_lengths(self, law: TorqueNoise) -> tuple[float, float]:
        """Mean and RMS length over all joints."""
        return float(law.mean_length()[:, self.inner].mean()), rms_of(law.joint_sd[:, self.inner])

    def sampled(
        self, fps: float, scheme: str, noise: PoseNoise, draws: int, **options: Any
    ) -> tuple[float, float, float]:
        """Mean and RMS length of what noise adds, and RMS error against the true torques, by sampling."""
        truth = self.clean.at(fps)
        at = _spread(smooth(self.model, truth.qpos, fps, scheme, **options).trajectory.valid)

        def states(qpos: Array) -> tuple[Array, ...]:
            path = smooth(self.model, qpos, fps, scheme, **options).trajectory
            return path.qpos[at], path.qvel[at], path.qacc[at]

        noisy = [
            states(perturbed(self.topology, truth.qpos, noise.draw(self.rng, len(truth.qpos))))
            for _ in range(draws)
        ]
        stacked = tuple(np.array(part) for part in zip(*noisy))
        exact = truth.qpos[at], truth.qvel[at], truth.qacc[at]
        tau, base, true = (self.torques(*state) for state in (stacked, states(truth.qpos), exact))
        added = self.lengths(tau - base)
        return float(added.mean()), rms_of(added), rms_of(self.lengths(tau - true))


def _spread(valid: NDArray[np.bool_]) -> NDArray[np.int64]:
    at = np.flatnonzero(valid)
    return at[:: max(1, len(at) // _FRAMES)]


def rms_of(values: Array) -> float:
    """Root mean square."""
    return float(np.sqrt((values**2).mean()))


def _named(rho: float) -> str:
    return f"AR(1), rho {rho:g}" if rho else "white"
