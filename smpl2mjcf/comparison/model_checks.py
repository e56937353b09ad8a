"""Whether a model's person is the same on both sides, and whether it is one that physics allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from .fact import Fact
from .joint_facts import joints_of, range_widths, rests_outside, unlimited_axes
from .person_tree import PersonTree
from .posture import Posture, joint_place

Array = NDArray[np.float64]

ROUNDING = 1e-6
"""%, m or degrees: less than this between two sides is no difference, and no part has it."""


def symmetry(tree: PersonTree, posture: Posture) -> Iterator[Fact]:
    """The largest differences between left and right, each with the part that has it."""
    model, section = tree.model, "left against right"
    sided = [part for part in tree.parts if part.startswith(("left_", "right_"))]
    words = dict.fromkeys(part.partition("_")[2] for part in sided)
    pairs = {
        word: (tree.parts[f"left_{word}"], tree.parts[f"right_{word}"])
        for word in words
        if f"left_{word}" in tree.parts and f"right_{word}" in tree.parts
    }
    yield Fact(section, "pairs", "", float(len(pairs)))
    yield _listed(section, "without a twin", [part for part in sided if part.partition("_")[2] not in pairs])

    def bone(body: int) -> Array:
        parent = int(model.body_parentid[body])
        return joint_place(tree, posture.data, body) - joint_place(tree, posture.data, parent)

    measures: dict[str, tuple[str, Callable[[int], Sequence[float]], Callable[[Array, Array], Array]]] = {
        "mass": ("%", lambda body: [float(model.body_mass[body])], _share_apart),
        "the distance to the joint before": ("m", lambda body: [float(np.linalg.norm(bone(body)))], _apart),
        "principal inertia": ("%", lambda body: sorted(model.body_inertia[body].tolist()), _share_apart),
        "the width of a range": (
            "deg",
            lambda body: np.rad2deg(range_widths(model, body)).tolist(),
            _apart,
        ),
    }
    for name, (unit, measure, apart) in measures.items():
        gaps = {}
        for word, (left, right) in pairs.items():
            a, b = np.array(measure(left)), np.array(measure(right))
            gaps[word] = float(apart(a, b).max(initial=0.0)) if len(a) == len(b) else np.inf
        if gaps:
            worst = max(gaps, key=lambda word: gaps[word])
            yield Fact(section, f"most in {name}", unit, gaps[worst], worst if gaps[worst] > ROUNDING else "")


def _apart(a: Array, b: Array) -> Array:
    same = a == b  # two axes without a limit, inf both, too
    return np.abs(np.where(same, 0.0, a) - np.where(same, 0.0, b))


def _share_apart(a: Array, b: Array) -> Array:
    """% of the larger one."""
    larger = np.maximum(np.abs(a), np.abs(b))
    return np.divide(100 * np.abs(a - b), larger, out=np.zeros_like(larger), where=larger > 0)


def validity(tree: PersonTree) -> Iterator[Fact]:
    """What a compiled model can have that no person has."""
    model, section = tree.model, "validity"
    moments = np.sort(model.body_inertia[tree.bodies], axis=1)  # (K, 3) kg m2
    solid = moments[:, 2] > 0
    if solid.any():
        A, B, C = moments[solid].T
        margin = (A + B - C) / C
        worst = int(margin.argmin())
        name = tree.name(int(tree.bodies[solid][worst]))
        yield Fact(
            section, "least A + B - C of the principal moments, of C", "%", float(100 * margin[worst]), name
        )
    mass = model.body_mass[tree.bodies]
    yield _listed(section, "bodies without mass", _names(tree, ~(mass > 0)))
    yield _listed(section, "bodies with mass and no inertia", _names(tree, (mass > 0) & ~(moments[:, 0] > 0)))
    joints = [joint for body in tree.bodies for joint in joints_of(model, body)]
    open_axes = sum(unlimited_axes(model, joint) for joint in joints)
    yield Fact(section, "turning axes without a limit", "", float(open_axes))
    outside = [model.joint(joint).name or f"joint {joint}" for joint in joints if rests_outside(model, joint)]
    yield _listed(section, "joints with qpos0 out of their range", outside)
    dofs = np.flatnonzero(np.isin(model.dof_bodyid, tree.bodies))
    for name, values in (
        ("largest joint damping, SI", model.dof_damping[dofs]),
        ("largest armature, SI", model.dof_armature[dofs]),
    ):
        value = float(values.max(initial=0.0))
        where = tree.name(int(model.dof_bodyid[dofs[values.argmax()]])) if value else ""
        yield Fact(section, name, "SI", value, where)


def sources(tree: PersonTree, spec: mujoco.MjSpec) -> Iterator[Fact]:
    """Where the file takes each body's inertia from, and what it asks the compiler to change."""
    compiler, section = spec.compiler, "validity"
    forced = compiler.inertiafromgeom == mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_TRUE
    given = {node.id for node in spec.bodies if node.explicitinertial and not forced}
    written = [body for body in tree.bodies if body in given]
    yield Fact(section, "bodies whose inertia is written in the file", "", float(len(written)))
    yield Fact(section, "bodies whose inertia comes from geoms", "", float(len(tree.bodies) - len(written)))
    changes = ["balanceinertia"] if compiler.balanceinertia else []
    for option in ("boundmass", "boundinertia", "settotalmass"):
        value = getattr(compiler, option, 0.0)  # MuJoCo has announced that settotalmass will go
        if value > 0:
            changes.append(f"{option} {value:g}")
    yield Fact(section, "masses and inertia changed by the compiler", "", ", ".join(changes) or "no")


def _names(tree: PersonTree, which: NDArray[np.bool_]) -> list[str]:
    return [tree.name(int(body)) for body in tree.bodies[which]]


def _listed(section: str, name: str, found: Sequence[str]) -> Fact:
    """A count, and the first few that it counts."""
    return Fact(
        section, name, "", float(len(found)), ", ".join(found[:4]) + (", ..." if len(found) > 4 else "")
    )
