"""Rotations as curves in R^3: unrolled along a smooth reference path, smoothed there, rolled back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import lowpass, so3
from ..samples import body_rates, low_pass, spline_rates
from ..topology import Topology

# Hz: what the reference path follows. High enough for the fastest turns of a body, so that the samples lie
# within a fraction of a radian of it; noise in it changes only in which axes the rest is written.
_REFERENCE_CUTOFF = 3.0
# At low frame rates: this share of the rate instead.
_REFERENCE_SHARE = 0.2
_SMALL_SQUARED = 1e-4


@dataclass(frozen=True, eq=False)
class Chart:
    """Numbers (T, nv) for a motion, and the way back with derivatives.

    A rotation vector about one fixed mean ends at half a turn and bends long before. Here the chart travels
    with the motion: along a smooth reference path r(t) a frame A is carried in parallel (its angular
    velocity is half of the path's, in the body's axes), and the path itself is unrolled, without slip, to a
    curve x in R^3. A rotation R becomes `y = x + A Log(r^-1 R)`. Smoothing y is smoothing R: a steady spin
    becomes a straight line, however many turns it makes, and a small right perturbation n of R becomes A n.

    The map is smooth in time whatever r is, so that `lower` takes derivatives through it exactly; how near r
    lies to the motion only decides how straight the chart is.

    Attributes:
        topology: what the motion belongs to.
        reference: (T, R, 4) path r of each rotation: of ball joints and, last, of free joints.
        carried: (T, R, 4) A, from the body's axes to the chart's.
        origin: (T, R, 3) rad, x.
        fps: Hz.

    Source: Jupp and Kent (1987), "Fitting smooth paths to spherical data", doi:10.2307/2347843, who unroll
    a path on the sphere; here on the rotation group with its bi-invariant metric.
    """

    topology: Topology
    reference: np.ndarray
    carried: np.ndarray
    origin: np.ndarray
    fps: float

    @classmethod
    def along(cls, topology: Topology, samples: np.ndarray, fps: float) -> Chart:
        """The chart along a 3 Hz low-pass of samples (T, nq), whose quaternions are continuous in sign."""
        cutoff = min(_REFERENCE_CUTOFF, _REFERENCE_SHARE * fps)
        path = low_pass(topology, samples, lowpass.design(cutoff, fps))
        reference = rotations(topology, path)
        steps = so3.log(so3.multiply(so3.conjugate(reference[:-1]), reference[1:]))
        carried = _running_product(so3.exp(steps / 2), len(samples))
        # In the mean the chart's axes are the body's, so that a component keeps its meaning.
        carried = so3.multiply(so3.conjugate(_mean(carried)), carried)
        origin = np.zeros(reference.shape[:2] + (3,))
        origin[1:] = np.cumsum(so3.rotate(carried[:-1], steps), axis=0)
        return cls(topology, reference, carried, origin - origin.mean(axis=0), fps)

    def lift(self, samples: np.ndarray) -> np.ndarray:
        """Coordinates (T, nv), rad and m, of samples (T, nq) near the reference path."""
        position, dof = plain(self.topology)
        lifted = np.empty((len(samples), self.topology.nv))
        lifted[:, dof] = samples[:, position]
        turned = rotations(self.topology, samples)
        offset = so3.log(so3.multiply(so3.conjugate(self.reference), turned))
        lifted[:, turning(self.topology)] = self.origin + so3.rotate(self.carried, offset)
        return lifted

    def lower(self, lifted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """qpos (T, nq), qvel and qacc (T, nv) of coordinates and their two time derivatives (3, T, nv)."""
        position, dof = plain(self.topology)
        frames = lifted.shape[1]
        qpos, qvel, qacc = np.empty((frames, self.topology.nq)), *lifted[1:].copy()
        qpos[:, position] = lifted[0][:, dof]
        count = self.reference.shape[1]
        if not count:
            return qpos, qvel, qacc
        r, A, x = self.reference, self.carried, self.origin
        parts = np.concatenate([r, A, x], axis=-1)
        first, second = (
            rates.reshape(parts.shape) for rates in spline_rates(parts.reshape(frames, -1), self.fps)
        )
        omega_r, alpha_r = body_rates(r, first[..., :4], second[..., :4])
        a, a_rate = body_rates(A, first[..., 4:8], second[..., 4:8])
        at = turning(self.topology)
        back = so3.conjugate(A)
        phi = so3.rotate(back, lifted[0][:, at] - x)
        phi_seen = so3.rotate(back, lifted[1][:, at] - first[..., 8:])
        phi_rate = phi_seen - so3.cross(a, phi)
        phi_second = (
            so3.rotate(back, lifted[2][:, at] - second[..., 8:])
            - so3.cross(a, phi_seen + phi_rate)
            - so3.cross(a_rate, phi)
        )
        turn = so3.exp(phi)
        omega_phi, alpha_phi = exp_rates(phi, phi_rate, phi_second)
        carried_omega = so3.rotate(so3.conjugate(turn), omega_r)
        for k, address in enumerate(quaternion_addresses(self.topology)):
            qpos[:, address : address + 4] = so3.normalize(so3.multiply(r[:, k], turn[:, k]))
        qvel[:, at] = carried_omega + omega_phi
        qacc[:, at] = (
            so3.rotate(so3.conjugate(turn), alpha_r) + so3.cross(carried_omega, omega_phi) + alpha_phi
        )
        return qpos, qvel, qacc


def exp_rates(phi: np.ndarray, phi_rate: np.ndarray, phi_second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Angular velocity and acceleration (..., 3), body axes, of Exp(phi) from phi's time derivatives.

    `omega = Jr phi'` with the right Jacobian `Jr v = v - b phi x v + c phi x (phi x v)`; its derivative is
    taken term by term (phi' x phi' = 0).

    Source: Solà (2017), arXiv:1711.02508, equation 183.
    """
    squared = (phi * phi).sum(-1, keepdims=True)
    small = squared < _SMALL_SQUARED
    # Both branches stay finite: the quotients never see the zero that the series handle.
    s = np.where(small, 1.0, squared)
    angle = np.sqrt(s)
    sine, cosine = np.sin(angle), np.cos(angle)
    b = np.where(small, 1 / 2 - squared / 24 + squared**2 / 720, (1 - cosine) / s)
    c = np.where(small, 1 / 6 - squared / 120 + squared**2 / 5040, (angle - sine) / (s * angle))
    # Derivatives of b and c by the squared angle.
    b_s = np.where(small, -1 / 24 + squared / 360, (sine * angle / 2 - (1 - cosine)) / s**2)
    c_s = np.where(
        small, -1 / 120 + squared / 2520, ((1 - cosine) * angle - 3 * (angle - sine)) / (2 * s**2 * angle)
    )
    squared_rate = 2 * (phi * phi_rate).sum(-1, keepdims=True)
    turned = so3.cross(phi, phi_rate)
    twice = so3.cross(phi, turned)
    second = so3.cross(phi, phi_second)
    omega = phi_rate - b * turned + c * twice
    alpha = (
        phi_second
        - b * second
        + c * (so3.cross(phi_rate, turned) + so3.cross(phi, second))
        + squared_rate * (c_s * twice - b_s * turned)
    )
    return omega, alpha


def plain(topology: Topology) -> tuple[np.ndarray, np.ndarray]:
    """Where plain numbers (slides, hinges, free joints' positions) stand in qpos, and where in qvel."""
    hinges, slides, _, frees = topology.joints
    position, dof = topology.qpos_addresses, topology.dof_addresses
    plain = np.append(hinges, slides)
    axes = np.arange(3)
    return (
        np.append(position[plain], (position[frees][:, None] + axes).ravel()),
        np.append(dof[plain], (dof[frees][:, None] + axes).ravel()),
    )


def turning(topology: Topology) -> np.ndarray:
    """(R, 3) dofs of each rotation, ball joints first, then free joints."""
    (_, _, balls, frees), dof = topology.joints, topology.dof_addresses
    return np.append(dof[balls], dof[frees] + 3)[:, None] + np.arange(3)


def quaternion_addresses(topology: Topology) -> np.ndarray:
    """(R,) where each rotation's quaternion starts in qpos, in `turning`'s order."""
    (_, _, balls, frees), position = topology.joints, topology.qpos_addresses
    return np.append(position[balls], position[frees] + 3)


def rotations(topology: Topology, samples: np.ndarray) -> np.ndarray:
    """Quaternions (T, R, 4) of samples (T, nq), in `turning`'s order."""
    return samples[:, quaternion_addresses(topology)[:, None] + np.arange(4)]


def _running_product(factors: np.ndarray, count: int) -> np.ndarray:
    """Products (count, R, 4): 1, f_0, f_0 f_1, ... of quaternions (count - 1, R, 4).

    In log2(count) rounds, each of which doubles how many factors every product holds.
    """
    products = np.zeros((count, *factors.shape[1:]))
    products[0, :, 0] = 1.0
    products[1:] = factors
    reach = 1
    while reach < count:
        products[reach:] = so3.multiply(products[:-reach], products[reach:])
        reach *= 2
    return so3.normalize(products)


def _mean(rotations: np.ndarray) -> np.ndarray:
    """(R, 4) rotation of the middle of a path (T, R, 4), continuous in sign: its mean direction in R^4."""
    total = rotations.mean(axis=0)
    # A path that turns on and on has no mean; any of its axes will do.
    short = (total * total).sum(-1, keepdims=True) < 0.01
    return so3.normalize(np.where(short, rotations[len(rotations) // 2], total))
