"""The humanoid: a SMPL body and de Leva's inertia as a MuJoCo model.

One MuJoCo body a joint, at the shape's joints, with axes parallel to SMPL's rest frames (x left, y up,
z forward), so that a SMPL joint rotation is a ball joint's quaternion without any conversion. In
MuJoCo's z-up world the model at qpos0 therefore lies on its back, its joints where SMPL's model frame
has them; the keyframes `tpose`, `apose` and `stand` hold it upright with its feet on the floor.

Jaw and eyes are part of the head. Fingers are part of the wrist's body, or bodies of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .assembly import assemble
from .body import Body
from .collision import add_collisions, collision_primitives
from .errors import HumanoidError
from .hinges import add_range_metadata, dof_columns, hinge_names, joint_ids
from .imus import add_imus, imus
from .inertia import Inertia, body_inertias, require_mass
from .joint_strength import joint_strengths
from .keyframes import add_keyframes, standard_poses
from .landmarks import add_markers, landmarks
from .options import ACTUATORS, EXTRAS, LOOKS
from .output_folder import write_whole
from .profiles import Profile, apply_profile, find_profile
from .sensors import add_foot_forces, add_imu_sensors, add_sole_sensors
from .shape import Shape, mass_of, shape_of
from .skeleton import SEXES, parents_of
from .skin import add_meshes, add_skin, skin_parts
from .surface import Surface

Array = NDArray[np.float64]

HIDDEN_GROUP = 3
"""MuJoCo's geom group that viewers do not draw: the collision geoms' where there is a visible body."""


@dataclass(frozen=True, eq=False)
class Humanoid:
    """A MuJoCo humanoid of one shape, and what it was made of."""

    spec: mujoco.MjSpec
    model: mujoco.MjModel
    shape: Shape
    sex: str  # whose segment inertia it has
    inertias: tuple[Inertia, ...]  # (K,), in the order of joint_names
    inertia: str = "deleva"  # one of options.INERTIAS
    trunk: str = "parts"  # one of options.TRUNKS
    joints: str = "ball"  # one of options.JOINTS
    profile: str = "inverse-dynamics"  # one of options.PROFILES
    actuators: str | None = None  # one of options.ACTUATORS, None in a profile without any
    look: str = "none"  # one of options.LOOKS
    extras: tuple[str, ...] = ()  # of options.EXTRAS

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

    def joint_ids(self, name: str) -> tuple[int, ...]:
        """MuJoCo's joint indices of a SMPL joint: one, or three of hinges, in order.

        Raises HumanoidError for a name that is none.
        """
        self._require(name)
        return joint_ids(self.model, name)

    def joint_id(self, name: str) -> int:
        """MuJoCo's joint index of a SMPL joint that is one joint. Raises HumanoidError where it is none."""
        ids = self.joint_ids(name)
        if len(ids) > 1:
            raise HumanoidError(
                f"joint {name!r} is three hinges here: {', '.join(hinge_names(name))}; use joint_ids or "
                "joint_dofs"
            )
        return ids[0]

    def joint_dofs(self, name: str) -> NDArray[np.intp]:
        """Where a SMPL joint stands in qvel, qacc and tau: 3 columns, 6 of the root.

        Raises HumanoidError for a name that is none.
        """
        self._require(name)
        return dof_columns(self.model, name)

    def _require(self, name: str) -> None:
        if name not in self.joint_names:
            raise HumanoidError(f"joint {name!r} not in humanoid; available: {', '.join(self.joint_names)}")


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
    joints: str = "ball",
    profile: str = "inverse-dynamics",
    actuators: str | None = None,
    look: str = "none",
    extras: Collection[str] = ("markers",),
) -> Humanoid:
    """The humanoid of a shape.

    betas: (B,), None for the mean shape.
    mass: kg; bmi: kg/m2, body mass index, with the shape's stature a mass; neither: 985 kg/m3 times the
    mesh's volume.
    sex: whose segment inertia (de Leva 1996): "female", "male", or "neutral" for the mean of both;
    None takes the body's.
    hands: "merged" makes a hand's fingers part of its wrist's body, "articulated" gives SMPL-H and SMPL-X
    bodies 30 finger bodies that share de Leva's hand. Jaw and eyes are part of the head. SMPL's own
    `left_hand` and `right_hand` stay.
    inertia: "deleva" lays the table's segments over the body, "mesh" takes the mesh at one density, "hybrid"
    the table's masses with the mesh's centres and shapes. trunk: "parts" gives the trunk the masses of de
    Leva's three parts, "whole" also the table's centre of mass and radii of gyration of the whole trunk.
    joints: "ball", or "hinge" for three hinges a joint with clinical ranges (joint_ranges.py); ball joints
    carry the ranges as <custom> fields, since MuJoCo has no such limit for them.
    profile: "inverse-dynamics" has no actuator, damping or armature; "simulation" stands on its own and
    collides with itself; "mjx" is that with few geoms and contacts (profiles.py). actuators: "servos" (None)
    or "motors", of the two latter.
    look: "none" shows the collision geoms, "skin" the mesh as a skin that bends with the joints, "meshes" a
    rigid mesh a body.
    extras: any of "markers" (anatomical landmarks as sites), "imus" (inertial sensors' sites), "sensors"
    (what those and the soles measure).

    Raises BodyError for betas of a wrong length, HumanoidError for a mass that is not positive, an
    unknown option, articulated hands on a body without fingers or with a finger that has no volume, joints
    in another order than the family's, or a mesh that is open or folds. Warns of a mass that means a density
    that no living body has, and of a mesh whose faces cross.
    """
    sex = body.sex if sex is None else sex
    if sex not in SEXES:
        raise HumanoidError(f"unknown sex {sex!r}; accepted: {', '.join(SEXES)}")
    settings = find_profile(profile)
    actuators = _actuators(actuators, profile, settings)
    extras = _known_extras(extras)
    if look not in LOOKS:
        raise HumanoidError(f"unknown look {look!r}; accepted: {', '.join(LOOKS)}")
    if mass is not None:
        require_mass(mass)
    shape = shape_of(body, betas, hands)
    kilograms = mass_of(shape, mass, bmi)
    by_name = body_inertias(shape.cells(sex), shape.positions, sex, kilograms, inertia, trunk)
    names, positions, surface = shape.joint_names, shape.positions, shape.surface
    inertias = tuple(by_name[name] for name in names)
    spec = assemble(
        names, parents_of(names), shape.joints, inertias, f"{body.family}_{body.sex}", kind=joints
    )
    add_range_metadata(spec, names)
    parts = skin_parts(body, shape.vertices, names)
    poses = standard_poses(parts, positions, dict(zip(names, inertias)))
    add_collisions(
        spec,
        collision_primitives(surface.vertices, surface.faces, positions, names, profile),
        positions,
        names,
        [pose.rotations for pose in poses.values()],
        profile,
        group=0 if look == "none" else HIDDEN_GROUP,
    )
    add_keyframes(spec, poses)
    _add_extras(spec, shape, parts, extras, settings)
    if look == "skin":
        add_skin(spec, body, shape.vertices, positions, names)
    elif look == "meshes":
        add_meshes(spec, body, shape.vertices, positions, names)
    strengths = joint_strengths(names, sex, kilograms, shape.stature)
    apply_profile(spec, settings, strengths, actuators or ACTUATORS[0])
    return Humanoid(
        spec, spec.compile(), shape, sex, inertias, inertia, trunk, joints, profile, actuators, look, extras
    )


def _add_extras(
    spec: mujoco.MjSpec,
    shape: Shape,
    parts: Mapping[str, Array],
    extras: Collection[str],
    profile: Profile,
) -> None:
    """Sites and sensors."""
    body, vertices, positions, names = shape.body, shape.vertices, shape.positions, shape.joint_names
    if "markers" in extras:
        add_markers(spec, landmarks(body, vertices, positions, names))
    if "imus" in extras or "sensors" in extras:
        sites = imus(body, vertices, positions, names)
        add_imus(spec, sites)
        if "sensors" in extras:
            add_imu_sensors(spec, sites)
            add_sole_sensors(spec, parts, positions)
            if profile.contact_sensors:
                add_foot_forces(spec)


def _actuators(asked: str | None, name: str, profile: Profile) -> str | None:
    """The kind of actuators of a profile: as asked, servos where nothing is, None where it has none."""
    if asked is None:
        return ACTUATORS[0] if profile.actuated else None
    if asked not in ACTUATORS:
        raise HumanoidError(f"unknown actuators {asked!r}; accepted: {', '.join(ACTUATORS)}")
    if not profile.actuated:
        raise HumanoidError(
            f"the profile {name!r} has no actuators, received {asked!r}; simulation and mjx have"
        )
    return asked


def _known_extras(extras: Collection[str]) -> tuple[str, ...]:
    if isinstance(extras, str) or not isinstance(extras, Iterable):
        raise HumanoidError(f"extras must be a list of {', '.join(EXTRAS)}; received {extras!r}")
    words = tuple(extras)
    for word in words:
        if word not in EXTRAS:
            raise HumanoidError(f"unknown extra {word!r}; accepted: {', '.join(EXTRAS)}")
    return words
