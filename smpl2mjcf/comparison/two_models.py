"""Two MuJoCo humanoids side by side, whoever made them.

Bodies are matched by the part of the body that their names mean (body_aliases.py), that is by the joint
that they hang on; names of no known kind match the same name only. A matched body may still hold more
than its counterpart, as a foot without a toe joint does: the segments compare the same matter.
Nothing is judged: the rows say what is, and what de Leva (1996) has where it has something.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from .. import deleva
from ..errors import ModelFileError
from .body_aliases import SEGMENTS
from .fact import Fact
from .mjcf_files import read_mjcf
from .model_facts import SECTIONS, model_facts
from .person_tree import PersonTree, person_tree
from .posture import Posture, upright_posture
from .segment_facts import LIMBS, ON_LIMBS, title_of


@dataclass(frozen=True)
class Row:
    """One quantity of both models; None where a model has no such thing."""

    section: str
    name: str
    unit: str  # "" for counts and texts
    a: float | str | None
    b: float | str | None
    reference: float | None = None  # de Leva's value, in the same unit
    label_a: str = ""  # whose it is: a body's name in A's file, the part that is worst
    label_b: str = ""

    @property
    def difference(self) -> float | None:
        """b - a; 0 for two infinities; None where either is a text or absent."""
        if isinstance(self.a, (str, type(None))) or isinstance(self.b, (str, type(None))):
            return None
        return 0.0 if self.a == self.b else self.b - self.a


@dataclass(frozen=True)
class Comparison:
    """What two models say of the same things."""

    title_a: str
    title_b: str
    sex: str  # whose values of de Leva's the reference is
    rows: tuple[Row, ...]
    unmatched_a: tuple[str, ...]  # bodies of A that have no counterpart in B, by their names in A's file
    unmatched_b: tuple[str, ...]
    notes: tuple[str, ...]  # what the reader must know: trees left out, how lengths were measured

    def row(self, section: str, name: str) -> Row:
        """One row. Raises KeyError with the names that the section has."""
        for row in self.rows:
            if (row.section, row.name) == (section, name):
                return row
        there = [row.name for row in self.rows if row.section == section]
        raise KeyError(f"no row {name!r} in section {section!r}; available: {', '.join(there or SECTIONS)}")


@dataclass(frozen=True, eq=False)
class _Side:
    title: str
    tree: PersonTree
    posture: Posture
    facts: tuple[Fact, ...]


def compare(
    a: str | Path | mujoco.MjModel, b: str | Path | mujoco.MjModel, sex: str = "neutral"
) -> Comparison:
    """Any two humanoids side by side: MJCF files, or compiled models.

    sex: whose values of de Leva's stand beside them: "female", "male", or "neutral" for the mean.
    Raises ModelFileError for a file that is missing, is refused by MuJoCo or holds no body, HumanoidError
    for an unknown sex.
    """
    references = _references(sex)
    side_a, side_b = _side(a), _side(b)
    rows = tuple(
        Row(
            section,
            name,
            (in_a or in_b).unit,  # type: ignore[union-attr]  # one of them is there
            in_a.value if in_a else None,
            in_b.value if in_b else None,
            references.get((section, name)),
            in_a.label if in_a else "",
            in_b.label if in_b else "",
        )
        for section in SECTIONS
        for name, in_a, in_b in _paired(side_a.facts, side_b.facts, section)
    )
    bodies = [row for row in rows if row.section == "bodies"]
    return Comparison(
        side_a.title,
        side_b.title,
        sex,
        rows,
        tuple(row.label_a for row in bodies if row.b is None),
        tuple(row.label_b for row in bodies if row.a is None),
        (*_notes("A", side_a), *_notes("B", side_b)),
    )


def _side(source: str | Path | mujoco.MjModel) -> _Side:
    spec = None
    if isinstance(source, mujoco.MjModel):
        model = source
        title = f"model {model.names[: model.names.index(0)].decode() or 'without a name'!r}"
    else:
        spec, model = read_mjcf(source)
        title = str(source)
    try:
        tree = person_tree(model)
    except ModelFileError as problem:
        raise ModelFileError(f"{title}: {problem}") from problem
    posture = upright_posture(tree)
    return _Side(title, tree, posture, tuple(model_facts(tree, posture, spec)))


def _paired(a: Iterable[Fact], b: Iterable[Fact], section: str) -> list[tuple[str, Fact | None, Fact | None]]:
    """The facts of one section by name: in A's order, what only B has after B's fact before it."""
    in_a = {fact.name: fact for fact in a if fact.section == section}
    in_b = {fact.name: fact for fact in b if fact.section == section}
    order = list(in_a)
    place = 0
    for name in in_b:
        if name in in_a:
            place = order.index(name) + 1
        else:
            order.insert(place, name)
            place += 1
    return [(name, in_a.get(name), in_b.get(name)) for name in order]


def _references(sex: str) -> dict[tuple[str, str], float]:
    """De Leva's values by section and name of the row, in its unit."""
    table = deleva.segments(sex)
    trunk = sum(table[part].mass for part in deleva.TRUNK_PARTS)
    found = {
        ("segment masses", title_of(segment)): 100 * (trunk if segment == "trunk" else table[segment].mass)
        for segment in SEGMENTS
    }
    for segment in LIMBS:
        row = table[segment]
        across = np.sqrt((row.sagittal**2 + row.transverse**2) / 2)
        for name, value in zip(ON_LIMBS, (row.com, row.longitudinal, across)):
            found["mass distribution", f"{title_of(segment)}: {name}"] = 100 * float(value)
    return found


def _notes(letter: str, side: _Side) -> list[str]:
    tree, notes = side.tree, []
    if tree.others:
        notes.append(
            f"{letter} has other trees that move, left out: {_some(tree.others)}; "
            f"compared is {tree.name(tree.root)} ({len(tree.bodies)} bodies)"
        )
    if not tree.model.body_jntnum[tree.bodies].any():
        notes.append(f"{letter} has no joint")
    if not side.posture.up_known:
        notes.append(f"{letter}: no ankle or head joint tells which way is up; the world's z is taken")
    if side.posture.stature is None:
        notes.append(f"{letter} has no geoms: no stature")
    unknown = [tree.name(int(body)) for body in tree.bodies if body not in tree.segments]
    if unknown:
        notes.append(f"{letter}: bodies of unknown name, in no segment: {_some(unknown)}")
    present = {segment.removeprefix("left_").removeprefix("right_") for segment in tree.segments.values()}
    lacking = [title_of(segment) for segment in SEGMENTS if segment not in present]
    if lacking:
        notes.append(
            f"{letter} has no body for {', '.join(lacking)}: that mass, if there, is in its neighbours'"
        )
    return notes


def _some(names: Sequence[str]) -> str:
    """Names, the first dozen of many."""
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
