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

Software = tuple[str | None, float | None]
"""Memory layout and release of the framework (2.04 for 2.4), None where nobody says."""


@dataclass(frozen=True, slots=True)
class Surface:
    """Of what a process over make-ups is made: standard deviations of its level, its shape, a row; its length."""

    level: float = 0.5
    shape: float = 0.12
    row: float = 0.04
    length: float = 3.0


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
class Taught:
    """A process over make-ups after ``probes`` rows: ``left`` (k, features) scaled, what it says of others."""

    surface: Surface
    left: Floats
    residuals: Floats
    inverse: Floats

    @property
    def probes(self) -> int:
        """How many rows taught it."""
        return len(self.residuals)

    def expect(self, asked: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation (m,) of what ``asked`` (m, features), scaled, miss."""
        import numpy as np

        surface = self.surface
        if not self.probes:
            return np.zeros(len(asked)), np.full(len(asked), math.hypot(surface.level, surface.shape))
        cross = _share(surface, asked, self.left)
        mean = cross @ (self.inverse @ self.residuals)
        own = surface.level**2 + surface.shape**2 + surface.row**2
        variance = own - np.einsum("ij,jk,ik->i", cross, self.inverse, cross, optimize=True)
        return mean, np.sqrt(np.maximum(variance, surface.row**2))


def teach(surface: Surface, known: Floats, residuals: Floats) -> Taught:
    """Learn from rows (k, features), scaled, and what each took over what others foretell, (k,), as a logarithm."""
    import numpy as np

    inner = _share(surface, known, known) + surface.row**2 * np.eye(len(known))
    return Taught(surface, known, residuals, np.linalg.inv(inner))


def _share(surface: Surface, one: Floats, other: Floats) -> Floats:
    import numpy as np

    # |a - b|^2 by products: tables of a thousand models would fill the memory otherwise.
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None, :] - 2 * one @ other.T
    near = np.exp(-0.5 * np.maximum(squares, 0) * (3 / surface.length) ** 2)
    return np.asarray(surface.level**2 + surface.shape**2 * near)
