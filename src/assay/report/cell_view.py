"""What a template needs to know of one cell, a table and a figure, said once and in plain values.

Templates write tags and escape; everything that is decided is decided here. May import: core, report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from assay.report.cleaning import clean_text
from assay.report.display import (
    USUAL_LEVEL,
    cell_text,
    cell_title,
    direction_arrow,
    direction_words,
    interval_text,
    is_missing,
    is_number,
    is_number_column,
)
from assay.report.marks import (
    NOISY,
    Footnotes,
    Mark,
    TableFacts,
    cell_marks,
    change_word,
    shared_reasons,
    table_facts,
    table_footnotes,
)
from assay.report.values import Cell, Column, Ref, Table

SHORT = 96
"""Characters of a text that a cell of a table shows; the rest unfolds."""
_LONG_NAMES = (8, 16, 32)
"""Characters beyond which names get room, more room, and all the room that they get."""
WHOLE = 20_000
"""Characters of a text that a page holds at most."""


@dataclass(frozen=True, slots=True)
class CellView:
    """One cell, ready to be written: ``sort`` orders it in a script, ``whole`` is a text that was shortened."""

    text: str
    title: str
    classes: str
    sort: str
    is_missing: bool
    is_text: bool
    is_code: bool
    marks: tuple[Mark, ...]
    interval: str | None
    n: int | None
    note: int | None
    change: str | None
    is_change: bool
    whole: str | None
    iso: str | None
    ref: Ref | None


@dataclass(frozen=True, slots=True)
class ColumnView:
    """One heading: ``arrow`` points where it gets better, which ``better`` says in words.

    ``classes`` say whether it holds numbers, and keep room: for the signs behind numbers, for names by their length.
    """

    column: Column
    is_number: bool
    arrow: str
    better: str | None
    classes: str = ""


@dataclass(frozen=True, slots=True)
class TableView:
    """A table with its rows ready to be written, its notes, and what its numbers share.

    ``shared`` are reasons that many cells give: they are told once, under the table, and have no sign in each cell.
    """

    columns: tuple[ColumnView, ...]
    rows: tuple[tuple[CellView, ...], ...]
    notes: tuple[str, ...]
    facts: TableFacts
    has_row_headings: bool
    described: tuple[Column, ...]
    shared: tuple[str, ...] = ()


def view_table(table: Table) -> TableView:
    """Return a table ready to be written."""
    shared = shared_reasons(table)
    facts, notes = table_facts(table), table_footnotes(table, without=shared)
    numeric = [
        is_number_column((row[index] for row in table.rows), column) for index, column in enumerate(table.columns)
    ]
    columns = tuple(
        ColumnView(
            column,
            is_numeric,
            direction_arrow(column.direction),
            direction_words(column.direction),
            _column_classes([row[index] for row in table.rows], notes, is_number=is_numeric),
        )
        for index, (column, is_numeric) in enumerate(zip(table.columns, numeric, strict=True))
    )
    rows = tuple(
        tuple(
            view_cell(cell, view.column, notes=notes, look=view, level=facts.level, n=n, row=row)
            for cell, view, n in zip(row, columns, facts.counts, strict=True)
        )
        for row in table.rows
    )
    described = tuple(column for column in table.columns if column.description)
    return TableView(
        columns, rows, notes.texts, facts, bool(columns) and not numeric[0], described, tuple(shared.values())
    )


def view_cell(
    cell: Cell,
    column: Column | None = None,
    *,
    notes: Footnotes | None = None,
    look: ColumnView | None = None,
    level: float | None = None,
    n: int | None = None,
    row: Sequence[Cell] = (),
) -> CellView:
    """Return one cell ready to be written.

    ``look`` is how its column is drawn, ``level`` and ``n`` are what is said of all numbers and so not of each, ``row``
    is what stands beside it.
    """
    text = cell_text(cell, column)
    is_text = isinstance(cell.value, str)
    marks = cell_marks(cell)
    # The value of a text may be longer than what is shown of it: line ends and runs of blanks count there.
    whole = clean_text(cell.value) if isinstance(cell.value, str) and len(text) > SHORT else None
    moment = cell.value if isinstance(cell.value, datetime) else None
    word = change_word(cell, row)
    classes = [
        look.classes if look is not None and look.is_number else "",
        "r-missing" if is_missing(cell) else "",
        *(f"r-{mark.key}" for mark in marks if mark is not NOISY),
        f"r-change-{cell.change}" if cell.change is not None else "",
    ]
    return CellView(
        text=text,
        title="" if is_text and cell.provenance is None else _title(cell, column, text),
        classes=" ".join(name for name in classes if name),
        sort=_sort_key(cell),
        is_missing=is_missing(cell),
        is_text=is_text,
        is_code=column is not None and column.is_code and not is_missing(cell),
        marks=marks,
        interval=interval_text(cell, column, shared_level=level or USUAL_LEVEL),
        n=None if is_missing(cell) or cell.n == n else cell.n,
        note=notes.number(cell) if notes is not None else None,
        change=word,
        is_change=cell.change is not None and cell.value == cell.change.value,
        whole=whole,
        iso=_utc(moment).isoformat() if moment is not None else None,
        ref=cell.ref,
    )


def _column_classes(cells: Sequence[Cell], notes: Footnotes, *, is_number: bool) -> str:
    """Numbers get room for the widest signs behind them, a step for about two characters; names by their length."""
    if is_number:
        widest = max((2 * len(cell_marks(cell)) + len(str(notes.number(cell) or "")) for cell in cells), default=0)
        return f"r-num r-k{min(4, (widest + 1) // 2)}" if widest else "r-num"
    longest = max((len(cell.value) for cell in cells if isinstance(cell.value, str)), default=0)
    step = sum(longest > limit for limit in _LONG_NAMES)
    return f"r-w{step}" if step else ""


def _sort_key(cell: Cell) -> str:
    if isinstance(cell.value, datetime):
        return f"{_utc(cell.value).timestamp():.3f}"
    return f"{cell.value:.10g}" if is_number(cell) and isinstance(cell.value, int | float) else ""


def _title(cell: Cell, column: Column | None, text: str) -> str:
    """What is to be known of a cell and is not in sight: all but its text."""
    return cell_title(cell, column).removeprefix(text).removeprefix("; ")


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
