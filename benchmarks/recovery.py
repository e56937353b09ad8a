"""How much of the torque noise each smoother removes, beside baselines that anyone can beat or not.

Run: python benchmarks/recovery.py [--fps 30 60 120] [--noise NAME ...] [--method NAME ...] [--seeds 1]

Clean motion: an example motion as it is (dense splines, 120 Hz), or a 120 Hz recording of CMU's library
through the zero-lag 6 Hz low-pass and quintic spline of `dynamics.trajectory`. Its torque is that of its own
120 Hz derivatives. It is thinned to the frame rate, and every rotation R becomes R Exp(n), n a rotation
vector whose components have standard deviation sigma, white or AR(1); bias is a constant one. The root's
translation stays clean.

Error: per joint, the root mean square over frames of the torque vector's error, contact-free, body 70 kg;
then the mean over joints. `reduction` is against central differences applied twice to the same samples, and
`error/signal` divides the error by the same mean of the clean torque: 1 is what predicting zero scores.
.2 s at either end are left out, for every method alike. Pose error: per joint root mean square of the angle
to the clean rotation, mean over joints. The estimate's torque is that of the method's own derivatives.

TUNED are the clips on which choices were made (of quantiles, bandwidths, grids), HELD_OUT those on which
none was.

The data used here was obtained from mocap.cs.cmu.edu. The database was created with funding from NSF
EIA-0196217.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import mujoco
import numpy as np

import smpl2mjcf
from dynamics import mujoco_inverse, so3, trajectory
from dynamics.smoothing import METHODS, smooth
from smpl2mjcf.run_record import package_versions

RATE = 120.0  # Hz, of every clip
MASS = 70.0  # kg
RECORDING_CUTOFF = 6.0  # Hz
MARGIN = 0.2  # s at either end that no method is judged on
RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "data" / "cmu_mocap"

# name: the file, its skeleton (AMC), and seconds of it. Names of files without suffix are example motions.
_SOURCES: dict[str, tuple[str, str | None, tuple[float, float]]] = {
    "walk": ("walk", None, (0, 5)),
    "run": ("run", None, (0, 4.3)),
    "squat": ("squat", None, (0, 5)),
    "sit_to_stand": ("sit_to_stand", None, (0, 3.6)),
    "cmu_walk": ("02_01.amc", "02_rebuilt.asf", (0, 2.85)),
    "cmu_jumps": ("01_01.amc", "01.asf", (3, 8)),
    "cmu_kick": ("11_01.amc", "11.asf", (0, 4.97)),
    "cmu_start": ("131_01.bvh", None, (0, 5)),
    "jump": ("jump", None, (0, 3.2)),
    "arm_raise": ("arm_raise", None, (0, 5)),
    "cmu_skip": ("131_03.bvh", None, (0, 4.5)),
    "cmu_skip_on": ("131_03.bvh", None, (4.5, 9.1)),
    "cmu_jumps_on": ("01_01.amc", "01.asf", (12, 17)),
}
TUNED = ("walk", "run", "squat", "sit_to_stand", "cmu_walk", "cmu_jumps", "cmu_kick", "cmu_start")
HELD_OUT = ("jump", "arm_raise", "cmu_skip", "cmu_skip_on", "cmu_jumps_on")


class Noise(NamedTuple):
    """Noise of a rotation's samples: rad, correlation of neighbouring frames, rad of a constant offset."""

    sigma: float
    rho: float = 0.0
    bias: float = 0.0


NOISES = {
    "white .03": Noise(0.03),
    "white .05": Noise(0.05),
    "white .08": Noise(0.08),
    "AR .8": Noise(0.05, 0.8),
    "AR .95": Noise(0.05, 0.95),
    "bias .03": Noise(0.05, 0.0, 0.03),
}


@dataclass(frozen=True, eq=False)
class Clip:
    """A clean motion: qpos, qvel, qacc at `fps`, contact-free torque, and the frames that are judged."""

    name: str
    model: mujoco.MjModel
    fps: float
    qpos: np.ndarray
    qvel: np.ndarray
    qacc: np.ndarray
    tau: np.ndarray
    judged: slice

    def at(self, fps: float) -> Clip:
        """The same motion with every so many frames left out."""
        step = round(self.fps / fps)
        thin = (array[::step] for array in (self.qpos, self.qvel, self.qacc, self.tau))
        margin = int(np.ceil(MARGIN * fps))
        return Clip(self.name, self.model, fps, *thin, slice(margin, len(self.qpos[::step]) - margin))


class Estimate(NamedTuple):
    """A method's torque (T, nv) N m and pose (T, nq), None where it has none."""

    tau: np.ndarray
    qpos: np.ndarray | None = None


Method = Callable[[mujoco.MjModel, np.ndarray, float], Estimate]


class Score(NamedTuple):
    """Of one method on one clip."""

    reduction: float  # %, against central differences applied twice
    error: float  # N m
    relative: float  # error over the clean torque's size
    pose_deg: float
    milliseconds: float


@cache
def clip(name: str) -> Clip:
    """A clip of `_SOURCES` at 120 Hz."""
    file, skeleton, (start, end) = _SOURCES[name]
    body = smpl2mjcf.default_body()
    with warnings.catch_warnings():
        # CMU's trunk differs from SMPL's; the judgement needs a motion, not a good likeness.
        warnings.simplefilter("ignore")
        if "." not in file:
            motion = smpl2mjcf.load_motion(smpl2mjcf.model_file(f"{file}.npz"), body=body)
        elif skeleton:
            skeleton = RECORDINGS / skeleton
            motion = smpl2mjcf.load_motion(RECORDINGS / file, body=body, skeleton=skeleton, fps=RATE)
        else:
            motion = smpl2mjcf.load_motion(RECORDINGS / file, body=body, unit="cmu")
        humanoid = smpl2mjcf.build_humanoid(body, motion.betas, mass=MASS)
        qpos = smpl2mjcf.motion_to_qpos(humanoid, motion)
    assert round(motion.fps, 3) == RATE
    path = trajectory(humanoid.model, qpos, RATE, RECORDING_CUTOFF if "." in file else None)
    window = slice(round(start * RATE), round(end * RATE))
    qpos, qvel, qacc = (np.asarray(a)[window] for a in (path.qpos, path.qvel, path.qacc))
    tau = mujoco_inverse(humanoid.model, qpos, qvel, qacc)
    return Clip(name, humanoid.model, RATE, qpos, qvel, qacc, tau, slice(None)).at(RATE)


def perturbed(clean: Clip, noise: Noise, seed: int) -> np.ndarray:
    """qpos (T, nq) of a clip with noise on every rotation."""
    rng = np.random.default_rng(seed)
    qpos = clean.qpos.copy()
    for address in quaternions(clean.model):
        shocks = rng.normal(size=(len(qpos), 3)) * np.sqrt(1 - noise.rho**2)
        shocks[0] /= np.sqrt(1 - noise.rho**2)
        for t in range(1, len(shocks)):
            shocks[t] += noise.rho * shocks[t - 1]
        n = noise.sigma * shocks + noise.bias * rng.normal(size=3)
        qpos[:, address : address + 4] = so3.multiply(qpos[:, address : address + 4], so3.exp(n))
    return qpos


def quaternions(model: mujoco.MjModel) -> list[int]:
    """Where the model's quaternions start in qpos."""
    free = model.jnt_type == mujoco.mjtJoint.mjJNT_FREE
    return (model.jnt_qposadr + np.where(free, 3, 0)).tolist()


def joint_rms(torque: np.ndarray) -> float:
    """N m: mean over joints of the root mean square over frames of a torque vector, the root left out."""
    vectors = torque[:, 6:].reshape(len(torque), -1, 3)
    return float(np.sqrt((vectors**2).sum(axis=-1).mean(axis=0)).mean())


def pose_error_deg(model: mujoco.MjModel, qpos: np.ndarray, clean: np.ndarray) -> float:
    """Mean over joints of the root mean square angle between two poses, degrees."""
    angles = [
        np.linalg.norm(so3.log(so3.multiply(so3.conjugate(clean[:, a : a + 4]), qpos[:, a : a + 4])), axis=-1)
        for a in quaternions(model)
    ]
    return float(np.rad2deg(np.sqrt(np.mean(np.square(angles), axis=1)).mean()))


def smoothing(method: str, **options: float) -> Method:
    """A smoother of `dynamics.smoothing` with the torque of its own derivatives."""

    def estimate(model: mujoco.MjModel, qpos: np.ndarray, fps: float) -> Estimate:
        path = smooth(model, qpos, fps, method, **options).trajectory
        return Estimate(mujoco_inverse(model, path.qpos, path.qvel, path.qacc), path.qpos)

    return estimate


def zero_torque(model: mujoco.MjModel, qpos: np.ndarray, fps: float) -> Estimate:
    """No torque at all."""
    return Estimate(np.zeros((len(qpos), model.nv)))


def static_torque(model: mujoco.MjModel, qpos: np.ndarray, fps: float) -> Estimate:
    """What holds the smoothed pose against gravity."""
    pose = smooth(model, qpos, fps).trajectory.qpos
    still = np.zeros((len(pose), model.nv))
    return Estimate(mujoco_inverse(model, pose, still, still), pose)


METHODS_JUDGED: dict[str, Method] = {
    "zero torque": zero_torque,
    "static torque": static_torque,
    **{name: smoothing(name) for name in METHODS if name not in ("butterworth", "central")},
    "butterworth 6 Hz": smoothing("butterworth"),
    "butterworth 2 Hz": smoothing("butterworth", cutoff=2.0),
}
raw = smoothing("central")


def scores(methods: dict[str, Method], clean: Clip, noise: Noise, seed: int) -> dict[str, Score]:
    """Every method's score on one clip with one draw of noise."""
    qpos = perturbed(clean, noise, seed)
    judged = clean.judged
    baseline = joint_rms((raw(clean.model, qpos, clean.fps).tau - clean.tau)[judged])
    signal = joint_rms(clean.tau[judged])
    found = {}
    for name, method in methods.items():
        start = time.perf_counter()
        estimate = method(clean.model, qpos, clean.fps)
        elapsed = 1e3 * (time.perf_counter() - start)
        error = joint_rms((estimate.tau - clean.tau)[judged])
        pose = np.nan
        if estimate.qpos is not None:
            pose = pose_error_deg(clean.model, estimate.qpos[judged], clean.qpos[judged])
        found[name] = Score(100 * (1 - error / baseline), error, error / signal, pose, elapsed)
    return found


def table(methods: dict[str, Method], names: Iterable[str], noise: Noise, fps: float, seeds: int) -> None:
    """Print means over clips, and the worst clip's reduction."""
    rows: dict[str, list[Score]] = {name: [] for name in methods}
    for name in names:
        for seed in range(seeds):
            for method, score in scores(methods, clip(name).at(fps), noise, seed).items():
                rows[method].append(score)
    for method, found in rows.items():
        mean = Score(*np.mean(found, axis=0))
        worst = min(score.reduction for score in found)
        print(
            f"  {method:17s} {mean.reduction:8.1f} {worst:8.1f} {mean.error:9.2f} {mean.relative:8.2f} "
            f"{mean.pose_deg:7.2f} {mean.milliseconds:7.0f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fps", type=float, nargs="+", default=[30.0, 60.0])
    parser.add_argument("--noise", nargs="+", choices=NOISES, default=list(NOISES))
    parser.add_argument("--method", nargs="+", choices=METHODS_JUDGED, default=list(METHODS_JUDGED))
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    versions = ", ".join(f"{name} {version}" for name, version in package_versions().items())
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {versions}; float64")
    methods = {name: METHODS_JUDGED[name] for name in given.method}
    recorded = RECORDINGS.is_dir()
    for fps in given.fps:
        for name in given.noise:
            for title, clips in (("tuned on", TUNED), ("held out", HELD_OUT)):
                used = [c for c in clips if recorded or "." not in _SOURCES[c][0]]
                print(f"{fps:g} Hz, {name}, {title}: {', '.join(used)}")
                print("                    reduction   worst   error/N m  /signal  pose/deg   ms")
                table(methods, used, NOISES[name], fps, given.seeds)


if __name__ == "__main__":
    main()
