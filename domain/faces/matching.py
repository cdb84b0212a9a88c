"""How alike faces are, and compared with whom: distances, and scores normalised by a cohort.

A distance alone means something else for every population: at 0.5 this kind of model takes one
pair of different East Asian faces in eight for the same person, and of others one in five
thousand. So a distance ``d`` between somebody and who they say they are is put among the distances
of both to the other people who are enrolled (adaptive symmetric normalisation)::

    s = ½ · ((d − mean(C₁)) / std(C₁) + (d − mean(C₂)) / std(C₂))

where C₁ are the fifty smallest distances from the probe to others, and C₂ those from the template
that it is compared with. Measured on public portraits, ``d ≤ 0.50 and s ≤ −3.0`` accepts strangers
equally seldom in both populations (about one in a thousand and one in ten thousand); figures and
their limits are in docs/explanation/faces.md.

Vectors are rows of one float32 matrix, so that a search over thirty thousand of them costs the
event loop about a millisecond.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float32]

WIDTH = 128
NEAREST = 50
_LOOKED_AT = 3


class Match(NamedTuple):
    """How near somebody is.

    Attributes:
        distance: The smallest to any of their templates.
        norm: The normalised score, or ``None`` where too few others are enrolled.
    """

    person_id: str
    distance: float
    norm: float | None


def vector(raw: bytes) -> Vector:
    """Read a vector as engines write it.

    Raises:
        ValueError: It is none.
    """
    read = np.frombuffer(raw, dtype="<f4")
    if read.shape != (WIDTH,) or not np.isfinite(read).all():
        raise ValueError("not a vector of a face")
    return read


def spread(vectors: Sequence[Vector]) -> float:
    """Answer the greatest distance between any two vectors; 0 for fewer than two."""
    if len(vectors) < 2:
        return 0.0
    stacked = np.stack(vectors)
    return float(np.linalg.norm(stacked[:, None] - stacked[None, :], axis=2).max())


class Gallery:
    """Templates of many people, ready to be searched; a value."""

    def __init__(self, people: Mapping[str, Sequence[Vector]]) -> None:
        ordered = sorted(who for who, vectors in people.items() if vectors)
        rows = [each for who in ordered for each in people[who]]
        self._people = ordered
        self._places = {who: place for place, who in enumerate(ordered)}
        self._starts = np.cumsum([0, *(len(people[who]) for who in ordered)])[:-1]
        self._rows = np.stack(rows) if rows else np.empty((0, WIDTH), dtype=np.float32)
        self._squares = np.einsum("ij,ij->i", self._rows, self._rows)

    def __len__(self) -> int:
        return len(self._people)

    def __contains__(self, person_id: object) -> bool:
        return person_id in self._places

    def match(
        self, person_id: str, templates: Sequence[Vector], probe: Vector, *, cohort: int
    ) -> Match:
        """Compare a probe with the templates of one person, beside everybody else's here."""
        distances = [float(np.linalg.norm(each - probe)) for each in templates]
        best = int(np.argmin(distances))
        d = distances[best]
        near, far = self._others(probe, person_id), self._others(templates[best], person_id)
        if len(near) < cohort:
            return Match(person_id, d, None)
        return Match(person_id, d, (_below(d, near) + _below(d, far)) / 2)

    def nearest(
        self,
        probe: Vector,
        *,
        within: float,
        most: int,
        among: Collection[str] | None = None,
    ) -> list[Match]:
        """Answer the people nearest to a probe, the nearest first; no cohort is asked."""
        if not self._people:
            return []
        distances = self._by_person(probe)
        if among is not None:
            distances[[who not in among for who in self._people]] = np.inf
        order = np.argsort(distances)[:most]
        return [
            Match(self._people[place], float(distances[place]), None)
            for place in order
            if distances[place] <= within
        ]

    def twins(
        self,
        person_id: str,
        templates: Sequence[Vector],
        *,
        distance: float,
        norm: float,
        cohort: int,
    ) -> list[str]:
        """Answer the other people who are so near to somebody that they may be the same."""
        found = set()
        for template in templates:
            others = self._others(template, person_id)
            for one in self.nearest(template, within=np.inf, most=_LOOKED_AT):
                if one.person_id == person_id:
                    continue
                # The others without the one who is looked at, who is the nearest or nearly so.
                rest = others[others > one.distance]
                normed = len(others) >= cohort and _below(one.distance, rest) <= norm
                if one.distance <= distance or normed:
                    found.add(one.person_id)
        return sorted(found)

    def _others(self, probe: Vector, person_id: str) -> NDArray[np.float64]:
        """Answer the smallest distances to other people, sorted."""
        if not self._people:
            return np.empty(0)
        distances = self._by_person(probe)
        if (place := self._places.get(person_id)) is not None:
            distances = np.delete(distances, place)
        if len(distances) > NEAREST:
            distances = np.partition(distances, NEAREST)[:NEAREST]
        return np.sort(distances)

    def _by_person(self, probe: Vector) -> NDArray[np.float64]:
        squared = self._squares - 2.0 * (self._rows @ probe) + float(probe @ probe)
        distances = np.sqrt(np.maximum(squared, 0.0), dtype=np.float64)
        return np.asarray(np.minimum.reduceat(distances, self._starts))


def _below(d: float, cohort: NDArray[np.float64]) -> float:
    deviation = float(cohort.std())
    return (d - float(cohort.mean())) / deviation if deviation > 1e-9 else 0.0
