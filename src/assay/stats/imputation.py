"""Three ways to say what an empty cell holds, all of logarithms: median of the group, regression, nearest neighbours.

Which of them may answer for a column is not decided here but by masking known cells (``stats.masking``). A method that
has nothing to go by abstains with NaN. May import: stats; numpy.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from assay.stats.gaps import GapTable, Method, Situation
from assay.stats.gaussian import Gaussian, fit_gaussian

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Places = NDArray[np.int64]

NEIGHBOURS = 5
FEWEST_SHARED = 3
"""Fewest columns that two rows both know before their distance means something."""
FEWEST_KNOWN = 8
"""Fewest values of a column that a regression or neighbours are taken from."""
_COUSIN, _STRANGER = 0.5, 1.0
"""What it adds to a mean squared distance that rows share only the next wider group, or not even that."""


class Predictor(Protocol):
    """A method that has seen its training rows."""

    def predict(self, row: Floats, groups: Sequence[Hashable], column: int) -> float:
        """Return the logarithm that ``column`` probably has in a row (logs, NaN where unknown); NaN to abstain."""
        ...


class GroupMedian:
    """The median of the narrowest group that has a value: architecture, else maker and kind, else kind."""

    def __init__(self, logs: Floats, groups: Sequence[Sequence[Hashable]]) -> None:
        self._medians: dict[tuple[int, Hashable], Floats] = {}
        for level in range(len(groups[0]) if groups else 0):
            members: dict[Hashable, list[int]] = {}
            for place, group in enumerate(groups):
                members.setdefault(group[level], []).append(place)
            for name, places in members.items():
                self._medians[level, name] = column_medians(logs[places])

    def predict(self, row: Floats, groups: Sequence[Hashable], column: int) -> float:
        """Return the median; NaN where no group has a value. What the row knows does not matter."""
        del row
        for level, name in enumerate(groups):
            found = self._medians.get((level, name))
            if found is not None and math.isfinite(found[column]):
                return float(found[column])
        return math.nan

    def centre(self, groups: Sequence[Hashable], columns: int) -> Floats:
        """The medians of the narrowest group alone, (columns,): NaN where it has none."""
        found = self._medians.get((0, groups[0]))
        return np.full(columns, np.nan) if found is None else found


class Regression:
    """Expected value given all that the row knows, from means and covariances of the logarithms.

    Within a group it regresses what deviates from the group's medians: a rate then scales with units and clock from its
    own architecture's level. Beyond, it regresses the logarithms themselves.
    """

    def __init__(
        self, logs: Floats, groups: Sequence[Sequence[Hashable]], situation: Situation, median: GroupMedian
    ) -> None:
        self._median = median
        self._is_within = situation is Situation.WITHIN
        if self._is_within:
            logs = logs - self._centres_of_several(logs, groups)
        self._gaussian: Gaussian = fit_gaussian(logs, fewest=FEWEST_KNOWN)

    def _centres_of_several(self, logs: Floats, groups: Sequence[Sequence[Hashable]]) -> Floats:
        """The medians to take off each row; NaN where it alone of its group has a value: it would deviate by 0."""
        centres = np.array([self._median.centre(group, logs.shape[1]) for group in groups])
        known = np.isfinite(logs)
        for name in {group[0] for group in groups}:
            places = np.array([place for place, group in enumerate(groups) if group[0] == name])
            centres[np.ix_(places, np.flatnonzero(known[places].sum(axis=0) < 2))] = np.nan  # noqa: PLR2004
        return centres

    def predict(self, row: Floats, groups: Sequence[Hashable], column: int) -> float:
        """Return the conditional mean; NaN where too few training rows knew the column, or the row knows nothing."""
        if not self._is_within:
            return self._gaussian.expect(row, column)
        centre = self._median.centre(groups, row.size)
        return float(centre[column]) + self._gaussian.expect(row - centre, column)


class Neighbours:
    """The mean of the nearest rows that have a value, the nearer the heavier (Troyanskaya et al. 2001, KNNimpute).

    Distance: mean squared difference of the columns that both rows know, each over its standard deviation, plus a
    surcharge for another architecture, and a greater one for another maker or kind.
    """

    def __init__(self, logs: Floats, groups: Sequence[Sequence[Hashable]]) -> None:
        self._logs = logs
        self._known = np.isfinite(logs)
        self._spread = np.array([_spread(column) for column in logs.T])
        self._scaled = logs / self._spread
        levels = [[group[level] for group in groups] for level in (0, 1)]
        self._codes = [{name: code for code, name in enumerate(dict.fromkeys(names))} for names in levels]
        self._names = [
            np.array([codes[name] for name in names]) for codes, names in zip(self._codes, levels, strict=True)
        ]

    def predict(self, row: Floats, groups: Sequence[Hashable], column: int) -> float:
        """Return the weighted mean; NaN where too few rows have a value or know enough of what the row knows."""
        scaled = row / self._spread
        scaled[column] = np.nan
        differences = self._scaled - scaled
        shared = np.isfinite(differences)
        counts = shared.sum(axis=1)
        usable = np.flatnonzero(self._known[:, column] & (counts >= FEWEST_SHARED))
        if usable.size < FEWEST_KNOWN:
            return math.nan
        squares = np.where(shared, differences, 0.0) ** 2
        distances = squares.sum(axis=1)[usable] / counts[usable]
        is_alike, is_akin = (
            (names == codes.get(groups[level], -1))[usable]
            for level, (names, codes) in enumerate(zip(self._names, self._codes, strict=True))
        )
        distances += np.where(is_alike, 0.0, np.where(is_akin, _COUSIN, _STRANGER))
        nearest = np.argsort(distances, kind="stable")[:NEIGHBOURS]
        # An equal row must not be infinitely heavy: two equal rows may differ in the column sought.
        weights = 1 / (distances[nearest] + 0.01)
        return float(np.average(self._logs[usable[nearest], column], weights=weights))


def fit_methods(table: GapTable, rows: Sequence[int] | Places, situation: Situation) -> dict[Method, Predictor]:
    """Fit every method on some rows of a table."""
    logs = table.logs[rows]
    groups = [table.groups[place] for place in rows]
    median = GroupMedian(logs, groups)
    return {
        Method.MEDIAN: median,
        Method.REGRESSION: Regression(logs, groups, situation, median),
        Method.NEIGHBOURS: Neighbours(logs, groups),
    }


def column_medians(logs: Floats) -> Floats:
    """Median of each column's known values; NaN where it has none."""
    ordered = np.sort(logs, axis=0)  # NaN come last
    counts = np.isfinite(logs).sum(axis=0)
    places = np.arange(logs.shape[1])
    low, high = ordered[np.maximum(counts - 1, 0) // 2, places], ordered[counts // 2, places]
    return np.where(counts > 0, (low + high) / 2, np.nan)


def _spread(column: Floats) -> float:
    known = column[np.isfinite(column)]
    spread = float(np.std(known)) if known.size else 0.0
    # A column that never differs says nothing of a distance.
    return spread if spread > 0 else math.nan
