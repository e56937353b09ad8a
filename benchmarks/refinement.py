"""How much torque noise refinement removes without the true torque, beside the smoother that it starts from.

Run: python benchmarks/refinement.py [--fps 30 60] [--noise NAME ...] [--method NAME ...] [--seeds 1]

Clips, noise, errors and what is judged are those of benchmarks/recovery.py; a refined motion's torque is
that of the quintic spline through its poses, which no loss here uses (they differentiate by three-point
stencils). TUNED are the clips that the settings were chosen on, HELD_OUT those on which none was; recorded
ones are among both. `against smoother` is the mean error over the mean error of the automatic smoother, and
`by clip` the geometric mean of that ratio over the clips, in which a clip with large torques weighs no more
than another; `worst pose/raw` is that of a single clip and seed. `N m by clip` and `pose/raw by clip` are
means over the seeds. `legs` is the error over the clean torque's size at hips, knees, ankles and feet.

The data used here was obtained from mocap.cs.cmu.edu. The database was created with funding from NSF
EIA-0196217.
"""

from __future__ import annotations

import argparse
import time
from functools import partial

import mujoco
import numpy as np
import recovery
from recovery import Estimate

from analysis.refinement import METHODS, refine

LEG_JOINTS = ("hip", "knee", "ankle", "foot")


def refinement(method: str, model: mujoco.MjModel, qpos: np.ndarray, fps: float) -> Estimate:
    """A refinement's poses, and their torque by the quintic spline through them."""
    found = refine(model, qpos, fps, method=method)
    return Estimate(recovery.smoothing("spline")(model, found.qpos, fps).tau, found.qpos)


JUDGED = {
    "zero torque": recovery.zero_torque,
    "static torque": recovery.static_torque,
    "reml": recovery.smoothing("reml"),
    **{name: partial(refinement, name) for name in METHODS},
}


def leg_share(clean: recovery.Clip, tau: np.ndarray) -> float:
    """Error of the leg torques over their size."""
    dofs = [
        clean.model.joint(name).dofadr[0] + axis
        for name in (f"{side}_{part}" for side in ("left", "right") for part in LEG_JOINTS)
        for axis in range(3)
    ]
    first = np.zeros((len(tau), 6))  # where joint_rms expects the root

    def size(torque: np.ndarray) -> float:
        return recovery.joint_rms(np.hstack([first, torque[:, dofs]])[clean.judged])

    return size(tau - clean.tau) / size(clean.tau)


def table(names: list[str], methods: dict, noise: recovery.Noise, fps: float, seeds: int) -> None:
    rows: dict[str, list[recovery.Score]] = {name: [] for name in methods}
    raw_pose = []
    for name in names:
        clean = recovery.clip(name).at(fps)
        for seed in range(seeds):
            qpos = recovery.perturbed(clean, noise, seed)
            raw_pose.append(
                recovery.pose_error_deg(clean.model, qpos[clean.judged], clean.qpos[clean.judged])
            )
            for method, score in recovery.scores(methods, clean, noise, seed).items():
                rows[method].append(score)
    smoother = np.array([score.error for score in rows["reml"]])
    for method, found in rows.items():
        mean = recovery.Score(*np.mean(found, axis=0))
        worst = min(score.reduction for score in found)
        by_clip = np.exp(np.mean(np.log([score.error for score in found] / smoother)))
        pose = max(score.pose_deg / raw for score, raw in zip(found, raw_pose))
        print(
            f"  {method:14s} {mean.reduction:7.1f} {worst:6.1f} {mean.error:7.2f} {mean.relative:7.2f} "
            f"{mean.error / smoother.mean():8.2f} {by_clip:7.2f} {mean.pose_deg:7.2f} "
            f"{np.mean(raw_pose):6.2f} {pose:8.2f} {mean.milliseconds:7.0f}",
            flush=True,
        )
    for method, found in rows.items():
        errors = np.reshape([score.error for score in found], (len(names), seeds)).mean(axis=1)
        print(f"  N m by clip, {method}: " + ", ".join(f"{n} {e:.2f}" for n, e in zip(names, errors)))
    for method, found in rows.items():
        shares = np.divide([score.pose_deg for score in found], raw_pose).reshape(len(names), seeds)
        if np.isfinite(shares).all():
            listed = ", ".join(f"{n} {share:.2f}" for n, share in zip(names, shares.mean(axis=1)))
            print(f"  pose/raw by clip, {method}: {listed}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fps", type=float, nargs="+", default=[30.0, 60.0])
    parser.add_argument("--noise", nargs="+", choices=recovery.NOISES, default=list(recovery.NOISES))
    parser.add_argument("--method", nargs="+", choices=JUDGED, default=list(JUDGED))
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    methods = {name: JUDGED[name] for name in JUDGED if name in {"reml", *given.method}}
    recorded = recovery.RECORDINGS.is_dir()
    for fps in given.fps:
        for noise in given.noise:
            for title, clips in (("tuned on", recovery.TUNED), ("held out", recovery.HELD_OUT)):
                names = [name for name in clips if recorded or not name.startswith("cmu")]
                print(f"{fps:g} Hz, {noise}, {title}: {', '.join(names)}")
                print(
                    "                 reduct.  worst     N m /signal  against      by    pose    raw  worst"
                    "      ms\n"
                    "                       %      %                 smoother    clip     deg    deg pose/raw"
                )
                table(names, methods, recovery.NOISES[noise], fps, given.seeds)
        for name in ("walk", "run"):
            clean = recovery.clip(name).at(fps)
            shares = dict.fromkeys(methods, 0.0)
            for seed in range(given.seeds):
                qpos = recovery.perturbed(clean, recovery.NOISES["white .05"], seed)
                for method, judge in methods.items():
                    shares[method] += leg_share(clean, judge(clean.model, qpos, fps).tau) / given.seeds
            legs = ", ".join(f"{method} {share:.2f}" for method, share in shares.items())
            print(f"{fps:g} Hz, white .05, legs of {name}: {legs}")
        once_compiled(fps)


def once_compiled(fps: float, repeats: int = 5) -> None:
    clean = recovery.clip("walk").at(fps)
    qpos = recovery.perturbed(clean, recovery.NOISES["white .05"], 0)
    for method in METHODS:
        refine(clean.model, qpos, fps, method=method)
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            refine(clean.model, qpos, fps, method=method)
            seconds.append(time.perf_counter() - start)
        print(
            f"{fps:g} Hz, {len(qpos) / fps:g} s of walk, {method}: {min(seconds):.2f} to {max(seconds):.2f} s"
        )


if __name__ == "__main__":
    main()
