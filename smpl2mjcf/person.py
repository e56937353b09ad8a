"""The shape of a person of whom no more is known than how tall, and perhaps how heavy."""

from __future__ import annotations

from numbers import Real

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, minimize

from .body import STATURE_RANGE, Body, shaped_vertices, stature
from .bone_fit import LARGEST_BETA
from .errors import HumanoidError
from .inertia import BODY_DENSITY
from .length_units import looks_like
from .segments import matter
from .shape import requested_mass
from .surface import Surface, closed_surface

Array = NDArray[np.float64]

USED_BETAS = 10
"""How many betas are used of a body that has more: those that every file of its family has."""

LENGTH_ACCURACY = 1e-4
"""m, how closely the mesh is as tall as asked."""

MASS_ACCURACY = 0.01
"""kg, how closely the mesh is as heavy as asked."""


def betas_for_person(
    body: Body, stature: float, mass: float | None = None, bmi: float | None = None
) -> Array:
    """(B,) the betas nearest to the mean shape whose mesh is that tall and, where asked, that heavy.

    stature: m, from the sole to the top of the head. mass: kg, met by the volume of the closed mesh at
    985 kg/m3; bmi: kg/m2, the same by body mass index. Neither: the mass is what that stature brings along.
    Betas are counted in standard deviations of a population, so those of smallest norm belong to the most
    probable of such persons. They are sought within LARGEST_BETA, among the first USED_BETAS.

    Raises HumanoidError for a stature, a mass or an index that is no person's (in another unit, say), for
    mass and index at once, and where no such betas make that person, saying how near they come.
    """
    _require_stature(stature)
    measures = _Measures(body, stature, requested_mass(stature, mass, bmi))
    betas = _nearest_to_the_mean(measures)
    miss = measures.miss(betas)
    if np.abs(miss / measures.accuracy).max() > 1:
        betas = _least_miss(measures, betas)
        found = measures.found(betas)
        raise HumanoidError(
            f"no betas within +-{LARGEST_BETA:g} make this {body.sex} {body.family} body "
            f"{measures.describe(measures.wanted)}; the nearest is {measures.describe(found)}"
        )
    return np.concatenate([betas, np.zeros(body.num_betas - len(betas))])


def _require_stature(value: float) -> None:
    if isinstance(value, bool) or not (isinstance(value, Real) and np.isfinite(value) and value > 0):
        raise HumanoidError(f"stature must be a positive number of metres, received {value!r}")
    if not STATURE_RANGE[0] <= value <= STATURE_RANGE[1]:
        raise HumanoidError(
            f"a stature of {value:g} m is not a person's: it looks like {looks_like(value, STATURE_RANGE)}; "
            f"accepted: {STATURE_RANGE[0]}-{STATURE_RANGE[1]} m"
        )


class _Measures:
    """Stature and mass of a body's shapes, and how they change with its first betas."""

    def __init__(self, body: Body, height: float, mass: float | None) -> None:
        self.wanted = np.array([height] if mass is None else [height, mass])
        self.accuracy = np.array([LENGTH_ACCURACY, MASS_ACCURACY])[: len(self.wanted)]
        self._directions = body.shapedirs[:, :, :USED_BETAS]
        self._mean = shaped_vertices(body)
        self.num_betas = self._directions.shape[2]
        surface = closed_surface(body, self._mean)
        self._faces = surface.faces
        self._closed_mean = surface.vertices
        self._closed_directions = _closed_directions(self._directions, surface)

    def miss(self, betas: Array) -> Array:
        """(1,) or (2,) by how many m and kg a shape is too tall and too heavy."""
        return self.found(betas) - self.wanted

    def found(self, betas: Array) -> Array:
        """(1,) or (2,) a shape's stature in m and, where asked for, its mass in kg."""
        found = [stature(self._mean + self._directions @ betas)]
        if len(self.wanted) == 2:
            found.append(BODY_DENSITY * matter(self._closed(betas)[self._faces]).volume)
        return np.array(found)

    def slopes(self, betas: Array) -> Array:
        """(1, N) or (2, N) m and kg per unit of each beta."""
        height = (self._mean + self._directions @ betas)[:, 1]
        rows = [self._directions[height.argmax(), 1] - self._directions[height.argmin(), 1]]
        if len(self.wanted) == 2:
            # A closed surface's volume changes by each corner's shift along a third of its faces' areas.
            a, b, c = self._closed(betas)[self._faces].transpose(1, 0, 2)
            pull = np.zeros_like(self._closed_mean)
            for corner, area in ((0, np.cross(b, c)), (1, np.cross(c, a)), (2, np.cross(a, b))):
                np.add.at(pull, self._faces[:, corner], area / 6)
            rows.append(BODY_DENSITY * np.einsum("va,vab->b", pull, self._closed_directions))
        return np.array(rows)

    def _closed(self, betas: Array) -> Array:
        return self._closed_mean + self._closed_directions @ betas

    @staticmethod
    def describe(measures: Array) -> str:
        """The measures as text: "1.8 m tall and 75 kg heavy"."""
        tall = f"{measures[0]:.4g} m tall"
        return tall if len(measures) == 1 else f"{tall} and {measures[1]:.4g} kg heavy"


def _closed_directions(directions: Array, surface: Surface) -> Array:
    """(V', 3, N) the shape directions of a closed surface: its caps' middles move with their rims."""
    count = len(directions)
    middles = [
        directions[np.unique(surface.faces[surface.faces[:, 0] == apex, 1:])].mean(axis=0)
        for apex in range(count, len(surface.vertices))
    ]
    return np.concatenate([directions, np.reshape(middles, (len(middles), *directions.shape[1:]))])


def _nearest_to_the_mean(measures: _Measures) -> Array:
    """(N,) betas of the smallest norm that meet the measures, as far as they can within LARGEST_BETA."""
    found = minimize(
        lambda betas: betas @ betas / 2,
        np.zeros(measures.num_betas),
        jac=lambda betas: betas,
        method="SLSQP",
        bounds=[(-LARGEST_BETA, LARGEST_BETA)] * measures.num_betas,
        constraints={
            "type": "eq",
            "fun": lambda betas: measures.miss(betas) / measures.wanted,
            "jac": lambda betas: measures.slopes(betas) / measures.wanted[:, None],
        },
        options={"ftol": 1e-10, "maxiter": 100},
    )
    return np.asarray(found.x)


def _least_miss(measures: _Measures, start: Array) -> Array:
    """(N,) the betas within LARGEST_BETA that come nearest, stature and mass weighed by their sizes."""
    found = least_squares(
        lambda betas: measures.miss(betas) / measures.wanted,
        np.clip(start, -LARGEST_BETA, LARGEST_BETA),
        jac=lambda betas: measures.slopes(betas) / measures.wanted[:, None],
        bounds=(-LARGEST_BETA, LARGEST_BETA),
    )
    return np.asarray(found.x)
