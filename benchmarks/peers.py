"""The bodies and contenders of inverse_dynamics.py: each engine behind one call, NumPy in and out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import mujoco
import numpy as np

import dynamics
import smpl2mjcf
from dynamics import so3
from dynamics.agreement import States
from dynamics.reference_model import reference_model
from smpl2mjcf.skeleton import JOINT_NAMES, parent_name

BODIES = (24, 52, 55)
DTYPES = ("float32", "float64")
FAMILIES = {52: "smplh", 55: "smplx"}
# Temporary memory of mjx.inverse on 24 bodies (nv = 75) in float32; it grows with the mass matrices, nv^2.
_MJX_BYTES_A_FRAME = 73e3
_SPARE_MEMORY = 1.5


class NotRun(Exception):
    """Why a contender was left out."""


class Problem:
    """One body and random states of it, in both float types and in Pinocchio's conventions."""

    def __init__(self, bodies: int, frames: int) -> None:
        self.bodies, self.frames = bodies, frames
        # What is in the file, so that every engine has the same numbers, and no more than enters tau.
        self.model = reference_model(mujoco.MjModel.from_xml_string(body_xml(bodies)))
        self.tree = dynamics.Tree.from_mjmodel(self.model)
        self._states = dynamics.random_states(self.model, frames, seed=0)

    def first(self, frames: int) -> Problem:
        """The same body with the first of its states only; trees and models are shared."""
        if frames == self.frames:
            return self
        few = copy.copy(self)
        few.frames, few._states = frames, States(*(a[:frames] for a in self._states))
        for cached in ("_by_dtype", "pinocchio_states", "_world_in_root"):
            few.__dict__.pop(cached, None)
        return few

    def tree_as(self, dtype: str) -> dynamics.Tree:
        """The body in that float type, so that nothing is cast at the call."""
        # With a Topology of its own: JAX keeps index arrays by identity as int32 or int64, whichever is
        # asked for first, and this process computes in both precisions.
        return self._trees[dtype]

    @cached_property
    def _trees(self) -> dict[str, dynamics.Tree]:
        return {dtype: dynamics.Tree.from_mjmodel(self.model).astype(np.dtype(dtype)) for dtype in DTYPES}

    def states(self, dtype: str) -> States:
        """(frames, nq), (frames, nv) and (frames, nv) in that float type."""
        return self._by_dtype[dtype]

    @cached_property
    def _by_dtype(self) -> dict[str, States]:
        return {dtype: States(*(a.astype(dtype) for a in self._states)) for dtype in DTYPES}

    @cached_property
    def pinocchio(self) -> Any:
        """The body as a pinocchio.Model."""
        return pinocchio_model(self.model)

    @cached_property
    def pinocchio_states(self) -> States:
        """The states for Pinocchio: quaternions xyzw, the free joint's linear parts in body axes."""
        qpos, qvel, qacc = (a.copy() for a in self._states)
        for at in self.tree.topology.quaternion_addresses:
            qpos[:, at : at + 4] = np.roll(qpos[:, at : at + 4], -1, axis=1)
        upright = self._world_in_root
        qvel[:, :3] = so3.rotate(upright, qvel[:, :3])
        # The derivative of body coordinates: the classical one less omega x v.
        qacc[:, :3] = so3.rotate(upright, qacc[:, :3]) - np.cross(qvel[:, 3:6], qvel[:, :3])
        return States(qpos, qvel, qacc)

    def from_pinocchio(self, tau: np.ndarray) -> np.ndarray:
        """tau (frames, nv) in MuJoCo's axes."""
        tau = tau.copy()
        tau[:, :3] = so3.rotate(so3.conjugate(self._world_in_root), tau[:, :3])
        return tau

    @cached_property
    def _world_in_root(self) -> np.ndarray:
        return so3.conjugate(self._states.qpos[:, 3:7])


def body_xml(bodies: int) -> str:
    """MJCF of our 24 bodies, or of SMPL-H's 52 joints or SMPL-X's 55 with made-up inertia."""
    body = smpl2mjcf.default_body()
    if bodies == 24:
        return smpl2mjcf.build_humanoid(body).xml
    names = JOINT_NAMES[FAMILIES[bodies]]
    places = dict(zip(body.joint_names, smpl2mjcf.joint_positions(body)))
    rng = np.random.default_rng(bodies)
    spec = mujoco.MjSpec()
    made: dict[str | None, Any] = {None: spec.worldbody}
    for name in names:
        above = parent_name(name)
        if name not in places:  # fingers, jaw and eyes: some centimetres further out
            places[name] = places[above] + rng.normal(scale=0.03, size=3)
        mass = rng.uniform(0.5, 8) if name in body.joint_names else rng.uniform(0.005, 0.05)
        made[name] = made[above].add_body(
            name=name,
            pos=places[name] - (places[above] if above else 0),
            mass=mass,
            ipos=rng.normal(scale=0.02, size=3),
            inertia=mass * 0.05**2 * rng.uniform(0.5, 1, 3),
            iquat=so3.normalize(rng.normal(size=4)),
            explicitinertial=True,
        )
        kind = mujoco.mjtJoint.mjJNT_BALL if above else mujoco.mjtJoint.mjJNT_FREE
        made[name].add_joint(type=kind, name=name)
    spec.compile()
    return spec.to_xml()


def pinocchio_model(model: mujoco.MjModel) -> Any:
    """The same numbers in Pinocchio, for balls on a free root, every joint at its body's origin."""
    pin = pinocchio()
    built = pin.Model()
    built.gravity = pin.Motion(np.array(model.opt.gravity), np.zeros(3))
    for body in range(1, model.nbody):
        fixed = pin.SE3(so3.matrix(np.array(model.body_quat[body])), model.body_pos[body].copy())
        free = model.jnt_type[model.body_jntadr[body]] == mujoco.mjtJoint.mjJNT_FREE
        joint = pin.JointModelFreeFlyer() if free else pin.JointModelSpherical()
        at = pin.SE3.Identity() if free else fixed
        added = built.addJoint(int(model.body_parentid[body]), joint, at, f"joint{body}")
        axes = so3.matrix(np.array(model.body_iquat[body]))
        tensor = axes @ np.diag(model.body_inertia[body]) @ axes.T
        inertia = pin.Inertia(model.body_mass[body], model.body_ipos[body].copy(), tensor)
        built.appendBodyToJoint(added, inertia, pin.SE3.Identity())
    built.armature = model.dof_armature.copy()
    return built


def pinocchio() -> Any:
    """The package, which only the benchmarks and tests need; raises NotRun where it is not installed."""
    try:
        import pinocchio as pin
    except ImportError as error:
        raise NotRun(f"Pinocchio is not installed ({error})") from error
    return pin


@dataclass(frozen=True)
class Contender:
    """A call to time, and what brings its answer to MuJoCo's axes outside the timing."""

    run: Callable[[], Any]
    to_mujoco: Callable[[Any], np.ndarray] = np.asarray


def in_precision(dtype: str, function: Callable[..., Any], *args: Any) -> Callable[[], Any]:
    """A call under JAX's setting for that float type that returns NumPy arrays."""

    def run() -> Any:
        with jax.enable_x64(dtype == "float64"):
            return jax.tree.map(np.asarray, function(*args))

    return run


def native(problem: Problem, dtype: str) -> Contender:
    return Contender(in_precision(dtype, dynamics.rnea, problem.tree_as(dtype), *problem.states(dtype)))


def mjx(problem: Problem, dtype: str) -> Contender:
    return Contender(in_precision(dtype, dynamics.mjx_inverse, problem.model, *problem.states(dtype)))


def mujoco_threads(problem: Problem, dtype: str) -> Contender:
    only_float64(dtype)
    return Contender(lambda: dynamics.mujoco_inverse(problem.model, *problem.states(dtype)))


def mujoco_loop(problem: Problem, dtype: str) -> Contender:
    only_float64(dtype)
    data = mujoco.MjData(problem.model)
    return Contender(lambda: mujoco_tau(problem.model, data, problem.states(dtype)))


def mujoco_tau(model: mujoco.MjModel, data: mujoco.MjData, states: States) -> np.ndarray:
    """tau (frames, nv) as anyone would write it first."""
    qpos, qvel, qacc = states
    tau = np.empty_like(qvel)
    for i in range(len(qpos)):
        data.qpos, data.qvel, data.qacc = qpos[i], qvel[i], qacc[i]
        mujoco.mj_inverse(model, data)
        tau[i] = data.qfrc_inverse
    return tau


def judge_tau(problem: Problem, frames: int) -> np.ndarray:
    """tau (frames, nv) of the first frames by mj_inverse in float64."""
    states = States(*(a[:frames] for a in problem.states("float64")))
    return mujoco_tau(problem.model, mujoco.MjData(problem.model), states)


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference over the largest value."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def pinocchio_loop(problem: Problem, dtype: str) -> Contender:
    only_float64(dtype)
    pin, model = pinocchio(), problem.pinocchio
    data = model.createData()
    qpos, qvel, qacc = problem.pinocchio_states

    def run() -> np.ndarray:
        tau = np.empty_like(qvel)
        for i in range(len(qpos)):
            tau[i] = pin.rnea(model, data, qpos[i], qvel[i], qacc[i])
        return tau

    return Contender(run, problem.from_pinocchio)


def pinocchio_parallel(threads: int) -> Callable[[Problem, str], Contender]:
    def contender(problem: Problem, dtype: str) -> Contender:
        only_float64(dtype)
        pin = pinocchio()
        if not hasattr(pin, "rneaInParallel"):
            raise NotRun("this Pinocchio has no rneaInParallel")
        pool = pin.ModelPool(problem.pinocchio, threads)
        # One frame a column, as it demands, and the result in place.
        qpos, qvel, qacc = (np.asfortranarray(a.T) for a in problem.pinocchio_states)
        tau = np.zeros_like(qvel)

        def run() -> np.ndarray:
            pin.rneaInParallel(threads, pool, qpos, qvel, qacc, tau)
            return tau

        return Contender(run, lambda tau: problem.from_pinocchio(tau.T))

    return contender


FORWARD: dict[str, Callable[[Problem, str], Contender]] = {
    "dynamics.rnea": native,
    "mjx.inverse": mjx,
    "mujoco_inverse, threads": mujoco_threads,
    "mj_inverse, Python loop": mujoco_loop,
    "pin.rnea, Python loop": pinocchio_loop,
    "pin.rneaInParallel, 1 thread": pinocchio_parallel(1),
    "pin.rneaInParallel, 2 threads": pinocchio_parallel(2),
}


def only_float64(dtype: str) -> None:
    if dtype != "float64":
        raise NotRun("float64 only")


def check_mjx_memory(problem: Problem, dtype: str, factor: float) -> None:
    """Raises NotRun where a gradient of mjx.inverse, `factor` times a batch, needs more than there is.

    Without a gradient it runs in blocks and needs little.
    """
    size = np.dtype(dtype).itemsize / 4 * (problem.model.nv / 75) ** 2
    needed = _SPARE_MEMORY * factor * _MJX_BYTES_A_FRAME * size * problem.frames
    free = available_memory()
    if jax.default_backend() == "cpu" and needed > free:
        raise NotRun(f"needs some {needed / 1e9:.0f} GB, {free / 1e9:.0f} GB are free")


def available_memory() -> float:
    """Bytes of memory that can be had; endless where the system does not say."""
    try:
        with open("/proc/meminfo") as lines:
            return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return float("inf")
