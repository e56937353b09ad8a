"""The humanoid: a SMPL body and de Leva's inertia as a MuJoCo model.

One MuJoCo body a joint, at the shape's joints, with axes parallel to SMPL's rest frames (x left, y up,
z forward), so that a SMPL joint rotation is a ball joint's quaternion without any conversion. In
MuJoCo's z-up world the model at qpos0 therefore lies on its back, its joints where SMPL's model frame
has them; the keyframes `tpose` and `stand` hold it upright with its feet on the floor.

Jaw and eyes are part of the head. Fingers are part of the wrist's body, or bodies of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from .body import Body
from .collision import Primitive, primitives
from .errors import HumanoidError
from .inertia import Inertia, body_inertias, require_mass
from .output_folder import write_whole
from .shape import Shape, mass_of, shape_of
from .skeleton import SEXES, parents_of
from .surface import Surface

Array = NDArray[np.float64]

GRAVITY = 9.81  # m/s2

STAND_SHOULDER = np.deg2rad(75.0)
"""How far the arms hang from the T-pose in the keyframe `stand`; 90 would press them into the hips."""


@dataclass(frozen=True, eq=False)
class Humanoid:
    """A MuJoCo humanoid of one shape, and what it was made of."""

    spec: mujoco.MjSpec
    model: mujoco.MjModel
    shape: Shape
    sex: str  # whose segment inertia it has
    inertias: tuple[Inertia, ...]  # (K,), in the order of joint_names
    inertia: str = "deleva"  # one of inertia.MODES
    trunk: str = "parts"  # one of inertia.TRUNKS

    @property
    def body(self) -> Body:
        """The body that it is a shape of."""
        return self.shape.body

    @property
    def betas(self) -> Array:
        """(B,)."""
        return self.shape.betas

    @property
    def joint_names(self) -> tuple[str, ...]:
        """(K,) the body's joints that are the humanoid's too, in the body's order."""
        return self.shape.joint_names

    @property
    def joint_positions(self) -> Array:
        """(K, 3) m, rest joints in SMPL's model frame."""
        return self.shape.joints

    @property
    def surface(self) -> Surface:
        """The closed mesh that its matter comes from."""
        return self.shape.surface

    @property
    def xml(self) -> str:
        """The model as MJCF text (numbers with about six digits)."""
        return self.spec.to_xml()

    @property
    def mass(self) -> float:
        """kg."""
        return sum(inertia.mass for inertia in self.inertias)

    def save(self, path: str | Path) -> Path:
        """Write the MJCF file, whole or not at all. Raises OutputError where that is not possible."""
        return write_whole(path, self.xml)

    def joint_id(self, name: str) -> int:
        """MuJoCo's joint index of a SMPL joint. Raises HumanoidError for a name that is none."""
        if name not in self.joint_names:
            raise HumanoidError(f"joint {name!r} not in humanoid; available: {', '.join(self.joint_names)}")
        return int(self.model.joint(name).id)


def build_humanoid(
    body: Body,
    betas: ArrayLike | None = None,
    mass: float | None = None,
    sex: str | None = None,
    hands: str = "merged",
    *,
    bmi: float | None = None,
    inertia: str = "deleva",
    trunk: str = "parts",
) -> Humanoid:
    """The humanoid of a shape.

    betas: (B,), None for the mean shape. mass: kg; bmi: kg/m2, body mass index, with the shape's stature a
    mass; neither: 985 kg/m3 times the mesh's volume.
    sex: whose segment inertia (de Leva 1996): "female", "male", or "neutral" for the mean of both;
    None takes the body's. hands: "merged" makes a hand's fingers part of its wrist's body, "articulated"
    gives SMPL-H and SMPL-X bodies 30 finger bodies that share de Leva's hand. Jaw and eyes are part of
    the head. SMPL's own `left_hand` and `right_hand` stay.
    inertia: "deleva" lays the table's segments over the body, "mesh" takes the mesh at one density, "hybrid"
    the table's masses with the mesh's centres and shapes. trunk: "parts" gives the trunk the masses of de
    Leva's three parts, "whole" also the table's centre of mass and radii of gyration of the whole trunk.

    Raises BodyError for betas of a wrong length, HumanoidError for a mass that is not positive, an
    unknown option, articulated hands on a body without fingers or with a finger that has no volume, joints
    in another order than the family's, or a mesh that is open or folds. Warns of a mass that means a density
    that no living body has.
    """
    sex = body.sex if sex is None else sex
    if sex not in SEXES:
        raise HumanoidError(f"unknown sex {sex!r}; accepted: {', '.join(SEXES)}")
    if mass is not None:
        require_mass(mass)
    shape = shape_of(body, betas, hands)
    kilograms = mass_of(shape, mass, bmi)
    by_name = body_inertias(shape.cells(sex), shape.positions, sex, kilograms, inertia, trunk)
    names = shape.joint_names
    inertias = tuple(by_name[name] for name in names)
    spec = assemble(
        names,
        parents_of(names),
        shape.joints,
        inertias,
        primitives(shape.pieces, shape.positions),
        f"{body.family}_{body.sex}",
    )
    height = shape.positions["pelvis"][1] - float(shape.vertices[:, 1].min())
    _add_keyframes(spec, len(names), pelvis_height=height)
    return Humanoid(spec, spec.compile(), shape, sex, inertias, inertia, trunk)


def assemble(
    joint_names: Sequence[str],
    parents: Sequence[int],
    joints: Array,
    inertias: Sequence[Inertia],
    geoms: Mapping[str, Primitive] | None = None,
    name: str = "humanoid",
) -> mujoco.MjSpec:
    """The MjSpec of a kinematic tree: a free root, a ball joint for every other joint, given inertias.

    parents: (K,) -1 for the root, parents before children; joints: (K, 3) m rest joints in the model frame;
    inertias: (K,) in their body frames; geoms by joint; name: the model's.
    """
    spec = mujoco.MjSpec()
    spec.modelname = name
    spec.option.gravity = [0.0, 0.0, -GRAVITY]
    spec.option.timestep = 0.002
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
        kind = mujoco.mjtJoint.mjJNT_FREE if parent < 0 else mujoco.mjtJoint.mjJNT_BALL
        node.add_joint(name=joint, type=kind)
        if geoms is not None:
            geom = geoms[joint]
            node.add_geom(
                name=joint,
                type=geom.type,
                size=geom.size,
                pos=geom.pos,
                quat=geom.quat,
                mass=0.0,
                # Contact with the floor only: neighbouring primitives overlap by construction.
                contype=1,
                conaffinity=0,
                rgba=[0.75, 0.6, 0.5, 1.0],
            )
        made.append(node)
    return spec


def _add_keyframes(spec: mujoco.MjSpec, num_joints: int, pelvis_height: float) -> None:
    """Upright keyframes with the feet on the floor: the T-pose, and the arms hanging."""
    upright = Rotation.from_euler("x", 90, degrees=True)
    root = np.concatenate([[0.0, 0.0, pelvis_height], _wxyz(upright)])
    model = spec.compile()
    tpose = np.concatenate([root, np.tile([1.0, 0.0, 0.0, 0.0], num_joints - 1)])
    stand = tpose.copy()
    for name, sign in (("left_shoulder", -1.0), ("right_shoulder", 1.0)):
        start = model.jnt_qposadr[model.joint(name).id]
        stand[start : start + 4] = _wxyz(Rotation.from_euler("z", sign * STAND_SHOULDER))
    spec.add_key(name="tpose", qpos=tpose)
    spec.add_key(name="stand", qpos=stand)


def _wxyz(rotation: Rotation) -> Array:
    return rotation.as_quat(scalar_first=True)
