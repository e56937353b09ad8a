"""How long ten minutes at 120 Hz take from an AMASS file to qpos. Run: python benchmarks/loading.py

The peer, alternated with ours, is what any reader must do: numpy.load of the same arrays, and scipy's
Rotation from axis-angles to quaternions for the same joints. Accuracy beside speed: the largest
difference between the two results.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

import smpl2mjcf
from smpl2mjcf.run_record import package_versions
from smpl2mjcf.skeleton import BODY_JOINTS

FRAMES, FPS, REPEATS = 72_000, 120.0, 7


def recording(path: Path, save: Callable[..., None]) -> None:
    """Ten minutes of smooth random joint rotations in the layout of AMASS' SMPL-H release."""
    rng = np.random.default_rng(0)
    poses = 0.6 * np.sin(np.cumsum(rng.normal(size=(FRAMES, 156)) * 0.01, axis=0))
    poses[:, 0] += np.pi / 2
    trans = np.cumsum(rng.normal(size=(FRAMES, 3)) * 1e-3, axis=0)
    trans[:, 2] = 0.9 + 0.02 * np.sin(trans[:, 2])
    rate = {"betas": np.zeros(16), "gender": "male", "mocap_framerate": FPS}
    save(path, poses=poses, trans=trans, dmpls=np.zeros((FRAMES, 8)), **rate)


def ours(path: Path, humanoid: smpl2mjcf.Humanoid) -> Any:
    return smpl2mjcf.motion_to_qpos(humanoid, smpl2mjcf.load_motion(path, body=humanoid.body))


def peer(path: Path, humanoid: smpl2mjcf.Humanoid) -> Any:
    with np.load(path) as stored:
        poses, trans = stored["poses"].reshape(FRAMES, -1, 3), stored["trans"]
    qpos = np.tile(humanoid.model.qpos0, (FRAMES, 1))
    for column, name in enumerate(BODY_JOINTS):
        start = humanoid.model.jnt_qposadr[humanoid.joint_id(name)] + (3 if column == 0 else 0)
        rotation = Rotation.from_rotvec(poses[:, column])
        qpos[:, start : start + 4] = rotation.as_quat(scalar_first=True, canonical=True)
    qpos[:, :3] = humanoid.joint_positions[0] + trans
    return qpos


def main() -> None:
    warnings.simplefilter("ignore")
    humanoid = smpl2mjcf.build_humanoid(smpl2mjcf.default_body())
    versions = ", ".join(f"{name} {version}" for name, version in package_versions().items())
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {versions}")
    with tempfile.TemporaryDirectory() as scratch:
        for kind, save in (("stored", np.savez), ("deflated", np.savez_compressed)):
            path = Path(scratch) / f"{kind}.npz"
            recording(path, save)
            times: dict[str, list[float]] = {"ours": [], "peer": []}
            difference = np.abs(ours(path, humanoid) - peer(path, humanoid)).max()  # also warms the cache
            for _ in range(REPEATS):
                for name, function in (("ours", ours), ("peer", peer)):
                    start = time.perf_counter()
                    function(path, humanoid)
                    times[name].append(time.perf_counter() - start)
            a, b = (statistics.median(times[name]) for name in ("ours", "peer"))
            print(
                f"{kind:9s} {a:5.2f} s [{min(times['ours']):.2f}-{max(times['ours']):.2f}]   peer {b:5.2f} s"
                f"   ratio {a / b:5.2f}   largest difference {difference:.1e}"
            )


if __name__ == "__main__":
    main()
