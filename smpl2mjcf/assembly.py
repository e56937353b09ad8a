"""The bare kinematic tree of a humanoid as an MjSpec: bodies, joints and inertia, a floor and a light."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from .errors import HumanoidError
from .hinges import add_ball, add_hinges
from .inertia import Inertia
from .joint_ranges import HINGE_JOINTS
from .options import JOINTS

Array = NDArray[np.float64]

GRAVITY = 9.81  # m/s2


def assemble(
    joint_names: Sequence[str],
    parents: Sequence[int],
    joints: Array,
    inertias: Sequence[Inertia],
    name: str = "humanoid",
    kind: str = "ball",
) -> mujoco.MjSpec:
    """The MjSpec of a kinematic tree: a free root, a SMPL joint for every other body, given inertias.

    parents: (K,) -1 for the root, parents before children; joints: (K, 3) m rest joints in the model frame;
    inertias: (K,) in their body frames; name: the model's; kind: one of options.JOINTS.
    Raises HumanoidError for an unknown kind.
    """
    if kind not in JOINTS:
        raise HumanoidError(f"unknown joints {kind!r}; accepted: {', '.join(JOINTS)}")
    spec = mujoco.MjSpec()
    spec.modelname = name
    spec.option.gravity = [0.0, 0.0, -GRAVITY]
    spec.worldbody.add_geom(
        name="floor",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[0.0, 0.0, 1.0],
        contype=1,
        conaffinity=1,
        rgba=[0.85, 0.85, 0.85, 1.0],
    )
    spec.worldbody.add_light(pos=[0.0, -2.0, 4.0], dir=[0.0, 0.45, -0.9])
    made: list[mujoco.MjsBody] = []
    for j, (joint, parent) in enumerate(zip(joint_names, parents)):
        origin = joints[parent] if parent >= 0 else np.zeros(3)
        node = (made[parent] if parent >= 0 else spec.worldbody).add_body(name=joint, pos=joints[j] - origin)
        # MjSpec needs ipos beside the mass: without it to_xml() silently drops <inertial>.
        I = inertias[j].tensor
        node.explicitinertial = True
        node.mass = inertias[j].mass
        node.ipos = inertias[j].com
        node.fullinertia = [I[0, 0], I[1, 1], I[2, 2], I[0, 1], I[0, 2], I[1, 2]]
        if parent < 0:
            node.add_joint(name=joint, type=mujoco.mjtJoint.mjJNT_FREE)
        elif kind == "hinge" and joint in HINGE_JOINTS:
            add_hinges(node, joint)
        else:
            add_ball(node, joint)
        made.append(node)
    return spec
