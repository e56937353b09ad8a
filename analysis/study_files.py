"""The files of a torque study: torques.npz for programs, torques.csv for people, torques.png to look at."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np

from smpl2mjcf.hinges import is_hinged

from .study import Study
from .study_plot import plot_study

NO_GROUND_FORCE = (
    "no ground reaction forces: the torques of a standing leg lack their share of the ground force "
    "(lacks_ground_force), and the root residual is what the ground would have to supply"
)


BALL_FRAMES = (
    "frames: ball joints in the child body's axes (SMPL rest frame: x left, y up, z forward in the "
    "T-pose); pelvis_t* and root_residual in world axes (z up); pelvis_r* in the pelvis's axes",
    "sign: the torque that turns the child body the positive way about its axis "
    "(hip x > 0 extends, knee x > 0 flexes, ankle x > 0 plantarflexes, spine x > 0 flexes; "
    "y and z mirror between the sides)",
)
HINGE_FRAMES = (
    "frames: hinges about their own axes; pelvis_t* and root_residual in world axes (z up); pelvis_r* in the "
    "pelvis's axes",
    "sign: the torque toward the motion in the column's name, on both sides of the body",
)


def dof_names(model: mujoco.MjModel) -> list[str]:
    """(nv,) names: "left_knee_x" of a ball joint, "left_knee_flexion" of a hinge, "pelvis_tx" of the root."""
    parts = {
        mujoco.mjtJoint.mjJNT_FREE: ("_tx", "_ty", "_tz", "_rx", "_ry", "_rz"),
        mujoco.mjtJoint.mjJNT_BALL: ("_x", "_y", "_z"),
    }
    return [
        model.joint(joint).name + part
        for joint in range(model.njnt)
        for part in parts.get(mujoco.mjtJoint(int(model.jnt_type[joint])), ("",))
    ]


def save_study(study: Study, folder: Path) -> None:
    """Write humanoid.xml, torques.npz, torques.csv and torques.png into an existing folder."""
    study.humanoid.save(folder / "humanoid.xml")
    _save_npz(study, folder / "torques.npz")
    _save_csv(study, folder / "torques.csv")
    plot_study(study, folder / "torques.png")


def _save_npz(study: Study, path: Path) -> None:
    trajectory = study.trajectory
    np.savez_compressed(
        path,
        time=trajectory.time,
        dof_names=np.array(dof_names(study.humanoid.model)),
        tau=study.result.tau,
        qpos=trajectory.qpos,
        qvel=trajectory.qvel,
        qacc=trajectory.qacc,
        root_residual=np.asarray(study.result.root_residual),
        valid=trajectory.valid,
        standing=study.standing,
        lacks_ground_force=study.lacks_ground_force,
        ground=np.array("none"),
    )


def _save_csv(study: Study, path: Path) -> None:
    names = dof_names(study.humanoid.model)
    mass = study.humanoid.mass
    tau = np.asarray(study.result.tau)
    units = ["N" if name.startswith("pelvis_t") else "N m" for name in names]
    columns = ["time [s]", "valid", "left foot stands", "right foot stands"]
    columns += [f"root_residual_{axis} [N]" for axis in ("fx", "fy", "fz")]
    columns += [f"root_residual_{axis} [N m]" for axis in ("mx", "my", "mz")]
    columns += [f"{name} [{unit}]" for name, unit in zip(names, units)]
    columns += [f"{name} [{unit}/kg]" for name, unit in zip(names, units)]
    header = [
        f"joint torques of {study.title} on a body of {mass:.3f} kg",
        "units: s, N, N m; the second block of torques is divided by body mass (N/kg, N m/kg)",
        *(HINGE_FRAMES if is_hinged(study.humanoid.model, "left_hip") else BALL_FRAMES),
        f"GROUND: {NO_GROUND_FORCE}",
        "a leg's columns lack their ground force in rows where its foot stands; "
        "rows with valid = 0 are extrapolated",
    ]
    table = np.column_stack(
        [
            study.trajectory.time,
            study.trajectory.valid,
            study.standing,
            np.asarray(study.result.root_residual),
            tau,
            tau / mass,
        ]
    )
    with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(f"# {line}\n" for line in header)
        np.savetxt(file, table, fmt="%.7g", delimiter=",", header=",".join(columns), comments="")
