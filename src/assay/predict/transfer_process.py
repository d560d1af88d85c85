"""Which rows of other devices a time is brought over from, and the Gaussian process that probes of a device teach.

One place for both, so that what is validated is what answers. Rasmussen, Williams 2006, Gaussian Processes for Machine
Learning, 2.2. May import: standard library; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

_PRIOR_PROBES = 2.0
"""Probes that the scale of a process, as it was chosen on other devices, weighs as much as."""
_HALF_AFTER = 0.02
"""Releases (2.04 for 2.4) after which a row counts half: two minor ones. What 0.005 to 0.03 gave differs by 0.1 %."""
_FARTHEST_RELEASE = 0.5
Software = tuple[str | None, float | None]
"""Memory layout and release of the framework (2.04 for 2.4), None where nobody says."""


@dataclass(frozen=True, slots=True)
class Surface:
    """Of what a process over make-ups is made: standard deviations of its level, its shape, a row; its length.

    ``lean`` is the standard deviation of each of the lines that devices lean along.
    """

    level: float = 0.5
    shape: float = 0.12
    row: float = 0.04
    length: float = 3.0
    lean: float = 0.05


@dataclass(frozen=True, slots=True)
class Index:
    """Places of rows by key, and of each its device and software."""

    places: Mapping[str, Sequence[int]]
    devices: Sequence[str]
    software: Sequence[Software]

    @classmethod
    def of(cls, keys: Sequence[str], devices: Sequence[str], software: Sequence[Software]) -> Index:
        """Sort rows by key."""
        places: dict[str, list[int]] = {}
        for place, key in enumerate(keys):
            places.setdefault(key, []).append(place)
        return cls(places, devices, software)

    def find(self, key: str, device: str, software: Software) -> list[int]:
        """Return the rows of every other device whose software is the most alike: layout first, then the release."""
        best: dict[str, tuple[tuple[bool, float], list[int]]] = {}
        layout, release = software
        for place in self.places.get(key, ()):
            other = self.devices[place]
            if other == device:
                continue
            theirs, other_release = self.software[place]
            is_known = release is not None and other_release is not None
            apart = abs(other_release - release) if is_known else 0.0  # type: ignore[operator]
            rank = (layout is not None and theirs != layout, apart)
            if other not in best or rank < best[other][0]:
                best[other] = (rank, [place])
            elif rank == best[other][0]:
                best[other][1].append(place)
        return [place for _, found in best.values() for place in found]

    def mean(self, values: Floats, places: Sequence[int], software: Software) -> float:
        """Return the mean of rows, in which one counts the less the further its release is from that of ``software``.

        A release changes kernels: what an old one took tells little of what a new one takes. Where nobody says which
        release it was, all count alike.
        """
        import numpy as np

        release = software[1]
        apart = [
            0.0 if release is None or (theirs := self.software[place][1]) is None else abs(theirs - release)
            for place in places
        ]
        weights = 0.5 ** (np.minimum(apart, _FARTHEST_RELEASE) / _HALF_AFTER)
        return float(np.average(values[list(places)], weights=weights))


@dataclass(frozen=True, slots=True)
class Scaling:
    """Middle and spread (features,) of rows that features are put on one scale by: the same for every question."""

    middle: Floats
    spread: Floats

    @classmethod
    def of(cls, rows: Floats) -> Scaling:
        """Take them from rows (n, features)."""
        import numpy as np

        spread = rows.std(axis=0)
        return cls(rows.mean(axis=0), np.where(spread > 0, spread, 1.0))

    def scale(self, rows: Floats) -> Floats:
        """Return rows (n, features) on one scale: two of them are about 1.4 apart."""
        return (rows - self.middle) / self.spread / math.sqrt(max(1, rows.shape[1]))


@dataclass(frozen=True, slots=True)
class MakeUp:
    """How models are made up: ``scaled`` (n, features), and how they lean, (n, lines)."""

    scaled: Floats
    leanings: Floats

    def take(self, places: Sequence[int]) -> MakeUp:
        """Only some models, in that order."""
        own = list(places)
        return MakeUp(self.scaled[own], self.leanings[own])


@dataclass(frozen=True, slots=True)
class Taught:
    """A process over make-ups after ``probes`` rows (k,): what it says of others."""

    surface: Surface
    left: MakeUp
    residuals: Floats
    inverse: Floats
    stretch: float
    """How much further the probes lay apart than the process would have it: its standard deviations are times this."""

    @property
    def probes(self) -> int:
        """How many rows taught it."""
        return len(self.residuals)

    def expect(self, asked: MakeUp) -> tuple[Floats, Floats]:
        """Return mean and standard deviation (m,) of what ``asked`` miss."""
        import numpy as np

        surface = self.surface
        prior = surface.level**2 + surface.shape**2 + surface.lean**2 * (asked.leanings**2).sum(axis=1)
        if not self.probes:
            return np.zeros(len(prior)), np.sqrt(prior)
        cross = _share(surface, asked, self.left)
        mean = cross @ (self.inverse @ self.residuals)
        variance = prior + surface.row**2 - np.einsum("ij,jk,ik->i", cross, self.inverse, cross, optimize=True)
        return mean, self.stretch * np.sqrt(np.maximum(variance, surface.row**2))


def teach(surface: Surface, known: MakeUp, residuals: Floats) -> Taught:
    """Learn from rows (k,), and what each took over what others foretell, (k,), as a logarithm.

    The scale of the whole process is learned with it, from a prior that weighs as much as a few probes: a Student-t
    process (Shah, Wilson, Ghahramani 2014, AISTATS, equation 6), so that a device unlike all others gets wider answers.
    """
    import numpy as np

    inner = _share(surface, known, known) + surface.row**2 * np.eye(len(residuals))
    inverse = np.linalg.inv(inner)
    fit = float(residuals @ inverse @ residuals)
    stretch = math.sqrt((_PRIOR_PROBES + fit) / (_PRIOR_PROBES + len(residuals)))
    return Taught(surface, known, residuals, inverse, stretch)


def _share(surface: Surface, one: MakeUp, other: MakeUp) -> Floats:
    import numpy as np

    # |a - b|^2 by products: tables of a thousand models would fill the memory otherwise.
    left, right = one.scaled, other.scaled
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None, :] - 2 * left @ right.T
    near = np.exp(-0.5 * np.maximum(squares, 0) * (3 / surface.length) ** 2)
    return np.asarray(surface.level**2 + surface.shape**2 * near + surface.lean**2 * one.leanings @ other.leanings.T)
