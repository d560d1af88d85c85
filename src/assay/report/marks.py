"""Small signs that say what a number is, and footnotes that say why: the same in every format.

A measured and trusted number has no sign. Whatever is imported, predicted, disturbed or left out of rankings has one,
with its word beside it for those who do not see it; the signs of provenance are the markers of the figures. Reasons
become numbered notes under their table, which can be read without a mouse and on paper.
May import: core, report.values, report.display, report.palette.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from assay.core.words import Provenance, Verdict
from assay.report.cleaning import clean_line
from assay.report.display import count_provenance, format_number, is_missing, is_number
from assay.report.palette import LOOKS, UNUSED_LETTER
from assay.report.values import Cell, Facts, Figure, Report, Table


@dataclass(frozen=True, slots=True)
class Mark:
    """One sign: ``key`` for programs and style sheets, ``word`` for a table, ``meaning`` for the legend."""

    key: str
    sign: str
    word: str
    meaning: str


_DIAMOND, _TRIANGLE = LOOKS[Provenance.IMPORTED].letter, LOOKS[Provenance.PREDICTED].letter
IMPORTED = Mark("imported", _DIAMOND, "imported", "somebody else's number, read from the source that is named")
PREDICTED = Mark("predicted", _TRIANGLE, "predicted", "computed by a model, measured by nobody")
NOISY = Mark("noisy", "~", "noisy", "something stirred beside the measurement, so the number moves")
CONTAMINATED = Mark("contaminated", "✗", "contaminated", "the measurement was disturbed: not to be used")
UNUSABLE = Mark("unusable", UNUSED_LETTER, "left out", "left out of every ranking and mean")
MARKS = (IMPORTED, PREDICTED, NOISY, CONTAMINATED, UNUSABLE)

_OF_PROVENANCE = {Provenance.IMPORTED: IMPORTED, Provenance.PREDICTED: PREDICTED}
_OF_VERDICT = {Verdict.NOISY: NOISY, Verdict.CONTAMINATED: CONTAMINATED}


def cell_marks(cell: Cell) -> tuple[Mark, ...]:
    """Return the signs of a cell, none for one that is not known."""
    if is_missing(cell):
        return ()
    found = (
        None if cell.provenance is None else _OF_PROVENANCE.get(cell.provenance),
        None if cell.verdict is None else _OF_VERDICT.get(cell.verdict),
        None if cell.is_usable else UNUSABLE,
    )
    return tuple(mark for mark in found if mark is not None)


def change_word(cell: Cell, row: Sequence[Cell] = ()) -> str | None:
    """Return the verdict of a comparison that is to stand beside a value; None where there is none to say.

    That is also where the value is that word, or another cell of its ``row`` is.
    """
    if cell.change is None or any(one.value == cell.change.value for one in (cell, *row)):
        return None
    return cell.change.value


def marks_of(report: Report) -> tuple[Mark, ...]:
    """Return the signs that a report's tables and facts use, in the order of the legend."""
    used = {mark for cell in report_cells(report) for mark in cell_marks(cell)}
    return tuple(mark for mark in MARKS if mark in used)


def report_cells(report: Report) -> Iterator[Cell]:
    """Every cell of the tables, facts and heat maps of a report."""
    for block in report.blocks():
        if isinstance(block, Table):
            yield from (cell for row in block.rows for cell in row)
        elif isinstance(block, Facts):
            yield from (cell for _, cell in block.items)
        elif isinstance(block, Figure) and block.heat is not None:
            yield from (cell for row in block.heat.cells for cell in row)


_MANY = 8
"""Cells with the same reason, from which on it is told once."""
_MOST_TITLES = 3
_LONGEST_SHARED = 200


class Footnotes:
    """The reasons of some cells, numbered in the order in which they first occur; equal ones share a number."""

    def __init__(self, cells: Iterable[Cell], without: Collection[str] = ()) -> None:
        self._numbers: dict[str, int] = {}
        for cell in cells:
            if cell.reason and (reason := clean_line(cell.reason)) and reason not in without:
                self._numbers.setdefault(reason, len(self._numbers) + 1)

    @property
    def texts(self) -> tuple[str, ...]:
        """The notes, the first of which has the number 1."""
        return tuple(self._numbers)

    def number(self, cell: Cell) -> int | None:
        """Return the number of a cell's reason, None where it gives none."""
        return self._numbers.get(clean_line(cell.reason)) if cell.reason else None


def table_footnotes(table: Table, without: Collection[str] = ()) -> Footnotes:
    """Return the notes of a table, row by row; ``without`` are reasons that are told elsewhere."""
    return Footnotes((cell for row in table.rows for cell in row), without)


def shared_reasons(table: Table) -> dict[str, str]:
    """Return the reasons that are given so often that a sign at each would be noise, each with one sentence for all.

    Those are reasons of eight or more missing values, and what is said of every value that a column has.
    """
    places: dict[str, list[tuple[int, bool]]] = {}
    for row in table.rows:
        for place, cell in enumerate(row):
            if cell.reason and (reason := clean_line(cell.reason)):
                places.setdefault(reason, []).append((place, is_missing(cell)))
    known = Counter(place for row in table.rows for place, cell in enumerate(row) if not is_missing(cell))
    found: dict[str, str] = {}
    for reason, cells in places.items():
        columns = list(dict.fromkeys(place for place, _ in cells))
        if len(cells) < _MANY or len(reason) > _LONGEST_SHARED:
            continue
        titles = ", ".join(clean_line(table.columns[place].title) for place in columns)
        under = f" under {titles}" if len(columns) <= _MOST_TITLES else ""
        if all(missing for _, missing in cells):
            found[reason] = f"– without a number{under}: {reason}."
        elif not any(missing for _, missing in cells) and len(cells) == sum(known[place] for place in columns):
            found[reason] = f"All{under}: {reason}."
    return found


def facts_footnotes(facts: Facts) -> Footnotes:
    """Return the notes of named values."""
    return Footnotes(cell for _, cell in facts.items)


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What numbers of a table have in common is said once, above it.

    ``counts`` holds, for each column, the n that all its numbers share (None: they differ, or have none); ``level`` is
    None where intervals are of several levels.
    """

    provenance: Mapping[Provenance, int]
    verdicts: Mapping[Verdict, int]
    counts: tuple[int | None, ...]
    titles: tuple[str, ...]
    level: float | None
    has_interval: bool

    @property
    def text(self) -> str:
        """``48 numbers: 45 measured, 3 imported; 40 trusted, 5 noisy; n = 5; with 95 % intervals``; empty of none."""
        numbers = sum(self.provenance.values())
        if not numbers:
            return ""
        judged = sum(self.verdicts.values())
        if judged and len(self.verdicts) == 1 and judged == numbers:
            verdicts = f"{'all ' if judged > 1 else ''}{next(iter(self.verdicts))}"
        else:
            verdicts = ", ".join(f"{format_number(count)} {word}" for word, count in self.verdicts.items())
        interval = "with intervals" if self.level is None else f"with {100 * self.level:g} % intervals"
        parts = (count_provenance(self.provenance), verdicts, self._n_words(), interval if self.has_interval else "")
        return "; ".join(part for part in parts if part)

    def _n_words(self) -> str:
        """``n = 5``, or ``n = 710 (p90, p95), 5 (MAD)`` where columns differ."""
        groups: dict[int, list[str]] = {}
        for n, title in zip(self.counts, self.titles, strict=True):
            if n is not None:
                groups.setdefault(n, []).append(clean_line(title))
        if len(groups) < 2:  # noqa: PLR2004
            return "".join(f"n = {n}" for n in groups)
        return "n = " + ", ".join(f"{n} ({', '.join(titles)})" for n, titles in groups.items())


def table_facts(table: Table) -> TableFacts:
    """Count the numbers of a table that have a provenance, and find what they share."""
    cells = [cell for row in table.rows for cell in row if cell.provenance is not None and is_number(cell)]
    counts = Counter(cell.provenance for cell in cells if cell.provenance is not None)
    verdicts = Counter(cell.verdict for cell in cells if cell.verdict is not None)
    with_interval = [cell for cell in cells if cell.lo is not None or cell.hi is not None]
    levels = {cell.level for cell in with_interval}
    return TableFacts(
        provenance={word: counts[word] for word in Provenance if counts[word]},
        verdicts={word: verdicts[word] for word in Verdict if verdicts[word]},
        counts=tuple(_shared_n([row[index] for row in table.rows]) for index in range(len(table.columns))),
        titles=tuple(column.title for column in table.columns),
        level=levels.pop() if len(levels) == 1 else None,
        has_interval=bool(with_interval),
    )


def _shared_n(cells: Sequence[Cell]) -> int | None:
    sizes = {cell.n for cell in cells if not is_missing(cell)}
    return sizes.pop() if len(sizes) == 1 else None
