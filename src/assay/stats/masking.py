"""Known cells hidden and filled again: how far off each method is where it knows no more than of a real gap.

A cell is hidden the way real gaps are: with it goes whatever a row that really lacks this column lacks besides, or the
test would lend the methods knowledge that they do not have where they are needed. Two situations are tested apart
(another row of the architecture has the column, or none has), because they differ manyfold in error. Rows that are one
product under several names are hidden together. May import: stats; numpy.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from assay.stats.gaps import GapTable, Method, Situation
from assay.stats.imputation import Predictor, fit_methods

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

FOLDS = 5


@dataclass(slots=True)
class MaskedErrors:
    """Log errors (filled minus true) of every method on the same cells; the median's where a method abstained."""

    groups: list[Hashable] = field(default_factory=list)
    by_method: dict[Method, list[float]] = field(default_factory=lambda: {method: [] for method in Method})
    answered: dict[Method, int] = field(default_factory=lambda: dict.fromkeys(Method, 0))

    def sizes(self, method: Method) -> Floats:
        """How far off, whichever way: (cells,)."""
        sizes: Floats = np.abs(np.array(self.by_method[method], dtype=np.float64))
        return sizes


def mask_cells(
    table: GapTable, wanted: Collection[tuple[int, Situation]], *, folds: int = FOLDS, seed: int = 0
) -> Mapping[tuple[int, Situation], MaskedErrors]:
    """Hide every known cell of the ``wanted`` columns once in their situation; errors by (column, situation).

    Within: a fifth of the rows at a time (twins together), those cells counting whose architecture still has a value
    among the other rows. Beyond: a fifth of the architectures at a time. Deterministic by ``seed``, whatever else is
    wanted.
    """
    donors = _Donors(table, wanted, seed)
    errors = {key: MaskedErrors() for key in wanted}
    units: Mapping[Situation, Sequence[Hashable]] = {
        Situation.WITHIN: table.twins,
        Situation.BEYOND: [group[0] for group in table.groups],
    }
    for situation, of_row in units.items():
        columns = [column for column, asked in wanted if asked is situation]
        for held_out, rest in _folds(of_row, folds, seed) if columns else ():
            methods = fit_methods(table, rest, situation)
            still = _known_groups(table, rest)
            for place, column in _known_cells(table, held_out, columns):
                if situation is Situation.WITHIN and (table.groups[place][0], column) not in still:
                    continue
                row = donors.hide(place, column, situation)
                _record(errors[column, situation], table, methods, row, (place, column))
    return errors


def answer(
    table: GapTable, methods: Mapping[Method, Predictor], method: Method, row: Floats, cell: tuple[int, int]
) -> tuple[float, Method]:
    """Fill one cell (place of the row, place of the column): its log, and who answered; the median for who abstains."""
    place, column = cell
    groups = table.groups[place]
    log = methods[method].predict(row, groups, column)
    if not math.isfinite(log):
        method = Method.MEDIAN
        log = methods[method].predict(row, groups, column)
    return table.nearest_step(column, log), method


def find_within(table: GapTable) -> Flags:
    """(rows, columns): True where another row of the same architecture has a value."""
    known = table.is_known
    within = np.zeros_like(known)
    first = [group[0] for group in table.groups]
    for name in set(first):
        places = np.flatnonzero([one == name for one in first])
        within[places] = known[places].sum(axis=0) - known[places] > 0
    return within


def count_gaps(table: GapTable, rows: Sequence[int] | None = None) -> dict[tuple[int, Situation], int]:
    """How many gaps each target column has in each situation, of all rows or of some."""
    within = find_within(table)
    wanted = table.is_gap & table.is_target
    held = slice(None) if rows is None else list(rows)
    return {
        (column, situation): int(
            (wanted[held, column] & (within[held, column] == (situation is Situation.WITHIN))).sum()
        )
        for column in np.flatnonzero(table.is_target).tolist()
        for situation in Situation
    }


class _Donors:
    """Hides with a cell what a row with a real gap there lacks besides."""

    def __init__(self, table: GapTable, wanted: Collection[tuple[int, Situation]], seed: int) -> None:
        self._table = table
        within = find_within(table)
        self._places = {
            (column, situation): np.flatnonzero(
                table.is_gap[:, column] & (within[:, column] == (situation is Situation.WITHIN))
            )
            for column, situation in wanted
        }
        # One stream each: what is drawn for a column does not depend on which others are tested.
        self._streams = {
            (column, situation): np.random.default_rng([seed, column, situation is Situation.WITHIN])
            for column, situation in wanted
        }

    def hide(self, place: int, column: int, situation: Situation) -> Floats:
        """The row as it would be known; without a real gap like it, the row less its cell."""
        row: Floats = self._table.logs[place].copy()
        row[column] = np.nan
        places = self._places[column, situation]
        if places.size:
            row[~self._table.is_known[self._streams[column, situation].choice(places)]] = np.nan
        return row


def _folds(of_row: Sequence[Hashable], folds: int, seed: int) -> Iterator[tuple[list[int], list[int]]]:
    """Places held out, and the rest; what ``of_row`` calls the same is never divided."""
    names = list(dict.fromkeys(of_row))
    order = np.random.default_rng(seed).permutation(len(names)).tolist()
    fold_of = {names[place]: number % folds for number, place in enumerate(order)}
    for fold in range(min(folds, len(names))):
        held_out = [place for place, name in enumerate(of_row) if fold_of[name] == fold]
        yield held_out, [place for place, name in enumerate(of_row) if fold_of[name] != fold]


def _known_groups(table: GapTable, rows: Sequence[int]) -> set[tuple[Hashable, int]]:
    known = table.is_known
    return {(table.groups[place][0], column) for place in rows for column in np.flatnonzero(known[place]).tolist()}


def _known_cells(table: GapTable, rows: Sequence[int], columns: Sequence[int]) -> Iterator[tuple[int, int]]:
    known = table.is_known
    yield from ((place, column) for place in rows for column in columns if known[place, column])


def _record(
    errors: MaskedErrors, table: GapTable, methods: Mapping[Method, Predictor], row: Floats, cell: tuple[int, int]
) -> None:
    place, column = cell
    truth = float(table.logs[place, column])
    found = {method: answer(table, methods, method, row, cell) for method in Method}
    if not all(math.isfinite(log) for log, _ in found.values()):
        return  # nobody else has a value at all: there is nothing to compare
    errors.groups.append(table.groups[place][0])
    for method, (log, who) in found.items():
        errors.by_method[method].append(log - truth)
        errors.answered[method] += who is method
