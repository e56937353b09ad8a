"""Sensors on request: what inertial sensors and the soles of a humanoid measure.

Names are `<site>_<kind>`. An accelerometer reads specific force (9.81 m/s2 up at rest, 0 in free fall), a
gyro angular velocity, both in the sensor's own axes; an orientation is its quaternion in the world.
A sole's touch is the sum of the normal forces on a body in N; its force is the floor's whole force in N,
world axes, as a force plate's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from .errors import HumanoidError
from .skeleton import SIDES

Array = NDArray[np.float64]

IMU_KINDS: Mapping[str, mujoco.mjtSensor] = {
    "accelerometer": mujoco.mjtSensor.mjSENS_ACCELEROMETER,
    "gyro": mujoco.mjtSensor.mjSENS_GYRO,
    "orientation": mujoco.mjtSensor.mjSENS_FRAMEQUAT,
}
"""What a sensor on a site can measure."""

SOLES: Mapping[str, str] = {"rearfoot": "ankle", "toes": "foot"}
"""The two parts of a sole and the joints whose bodies carry them."""

SOLE_MARGIN = 0.04
"""m by which a touch zone is larger than its part of the foot. A zone counts contacts of its own body only,
so it may be generous: collision geoms reach across the toe joint and under the sole."""

SITE_GROUP = 5
"""MuJoCo's group of the touch zones."""


def add_imu_sensors(
    spec: mujoco.MjSpec, sites: Iterable[str], kinds: Sequence[str] = ("accelerometer", "gyro", "orientation")
) -> None:
    """Add sensors of the given kinds (IMU_KINDS) to sites of a model.

    Raises HumanoidError for an unknown kind.
    """
    unknown = [kind for kind in kinds if kind not in IMU_KINDS]
    if unknown:
        raise HumanoidError(f"unknown sensor {unknown[0]!r}; accepted: {', '.join(IMU_KINDS)}")
    for site in sites:
        for kind in kinds:
            spec.add_sensor(
                name=f"{site}_{kind}",
                type=IMU_KINDS[kind],
                objtype=mujoco.mjtObj.mjOBJ_SITE,
                objname=site,
            )


def add_sole_sensors(spec: mujoco.MjSpec, parts: Mapping[str, Array], positions: Mapping[str, Array]) -> None:
    """Add a touch sensor to each sole's rear and toes: `left_rearfoot_touch`, `left_toes_touch`, and right.

    parts: (N, 3) m skin of each body (skin.skin_parts), positions: (3,) m joints, in the T-pose, model frame.
    """
    for side in SIDES:
        for part, joint in SOLES.items():
            points = parts[f"{side}_{joint}"]
            low, high = points.min(axis=0), points.max(axis=0)
            name = f"{side}_{part}"
            spec.body(f"{side}_{joint}").add_site(
                name=name,
                type=mujoco.mjtGeom.mjGEOM_BOX,
                pos=(low + high) / 2 - positions[f"{side}_{joint}"],
                size=(high - low) / 2 + SOLE_MARGIN,
                rgba=[0.2, 0.8, 0.2, 0.3],
                group=SITE_GROUP,
            )
            spec.add_sensor(
                name=f"{name}_touch",
                type=mujoco.mjtSensor.mjSENS_TOUCH,
                objtype=mujoco.mjtObj.mjOBJ_SITE,
                objname=name,
            )


def add_foot_forces(spec: mujoco.MjSpec) -> None:
    """Add the floor's force on each foot and its toes: `left_foot_force`, `right_foot_force`.

    These are MuJoCo's contact sensors; MJX (4.0.0) refuses a model that has them.
    """
    for side in SIDES:
        spec.add_sensor(
            name=f"{side}_foot_force",
            type=mujoco.mjtSensor.mjSENS_CONTACT,
            objtype=mujoco.mjtObj.mjOBJ_GEOM,  # first the floor: its force on the foot, not the foot's on it
            objname="floor",
            reftype=mujoco.mjtObj.mjOBJ_XBODY,
            refname=f"{side}_ankle",
            intprm=[1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE), 3, 1],
        )
