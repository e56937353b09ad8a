"""What a MuJoCo model says of the person in it, as facts that can be laid beside another model's."""

from __future__ import annotations

from collections.abc import Iterator

import mujoco
import numpy as np

from .fact import Fact
from .joint_facts import actuator_kind, actuators_text, counted, joints_of, joints_text, kind_of
from .model_checks import sources, symmetry, validity
from .person_tree import PersonTree
from .posture import Posture
from .segment_facts import distributions, lengths, segment_masses

SECTIONS = (
    "whole body",
    "segment masses",
    "bodies",
    "lengths",
    "mass distribution",
    "joints",
    "actuators",
    "left against right",
    "validity",
    "the whole file",
)


def model_facts(tree: PersonTree, posture: Posture, spec: mujoco.MjSpec | None) -> Iterator[Fact]:
    """All facts of one model, section by section; spec None leaves out what only its file says."""
    model = tree.model
    yield from _whole_body(tree, posture)
    yield from segment_masses(tree)
    titles = tree.titles()
    for body, title in titles.items():
        yield Fact("bodies", title, "kg", float(model.body_mass[body]), tree.name(body))
    yield from lengths(tree, posture)
    yield from distributions(tree, posture)
    for body, title in titles.items():
        yield Fact("joints", title, "", joints_text(model, body))
    for body, title in titles.items():
        if text := actuators_text(model, body):
            yield Fact("actuators", title, "", text)
    yield from symmetry(tree, posture)
    yield from validity(tree)
    if spec is not None:
        yield from sources(tree, spec)
    yield from _contents(model)


def _whole_body(tree: PersonTree, posture: Posture) -> Iterator[Fact]:
    model, section = tree.model, "whole body"
    yield Fact(section, "mass", "kg", float(model.body_subtreemass[tree.root]))
    if posture.stature is not None:
        yield Fact(section, "stature", "m", posture.stature)
    if posture.stature and posture.com_height is not None:
        yield Fact(section, "height of the centre of mass", "m", posture.com_height)
        share = 100 * posture.com_height / posture.stature
        yield Fact(section, "the same, of stature", "%", share)
    yield Fact(section, "measured in pose", "", posture.pose)
    yield Fact(section, "bodies", "", float(len(tree.bodies)))
    joints = [joint for body in tree.bodies for joint in joints_of(model, body)]
    yield Fact(section, "degrees of freedom", "", float(model.body_dofnum[tree.bodies].sum()))
    yield Fact(section, "joints", "", counted([kind_of(model, joint) for joint in joints]))
    yield Fact(section, "root joint", "", _root_text(tree))
    yield Fact(section, "names", "", tree.naming)


def _root_text(tree: PersonTree) -> str:
    kinds = [kind_of(tree.model, joint) for joint in joints_of(tree.model, tree.root)]
    if not kinds:
        return "none: fixed to the world"
    return kinds[0] if len(kinds) == 1 else counted(kinds)


def _contents(model: mujoco.MjModel) -> Iterator[Fact]:
    """What the file holds, other trees and scenery included."""
    counts = {
        "bodies": model.nbody - 1,
        "degrees of freedom": model.nv,
        "geoms": model.ngeom,
        "geoms that can collide": np.count_nonzero(model.geom_contype | model.geom_conaffinity),
        "excluded pairs": model.nexclude,
        "meshes": model.nmesh,
        "skins": model.nskin,
        "sites": model.nsite,
        "sensors": model.nsensor,
        "keyframes": model.nkey,
        "tendons": model.ntendon,
        "equality constraints": model.neq,
        "actuators": model.nu,
    }
    for name, count in counts.items():
        yield Fact("the whole file", name, "", float(count))
    kinds = counted([actuator_kind(model, actuator) for actuator in range(model.nu)])
    yield Fact("the whole file", "kinds of actuators", "", kinds)
    yield Fact("the whole file", "time step", "s", float(model.opt.timestep))
