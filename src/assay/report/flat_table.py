"""A table as texts in rows and columns, for formats that have nothing but characters.

Every cell is its text, its signs, its verdict and the number of its note; intervals and differing counts get columns of
their own beside it. May import: report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.report.display import (
    USUAL_LEVEL,
    cell_text,
    direction_arrow,
    interval_text,
    is_missing,
    is_number_column,
)
from assay.report.marks import Footnotes, cell_marks, change_word, table_facts, table_footnotes
from assay.report.values import Cell, Column, Table


@dataclass(frozen=True, slots=True)
class FlatCell:
    """One text; ``note`` is the number of its note, ``is_code`` an identifier, ``tail`` signs and verdict behind it."""

    text: str
    tail: str = ""
    note: int | None = None
    is_code: bool = False


@dataclass(frozen=True, slots=True)
class FlatColumn:
    """One heading. ``source`` is the place of the table's own column, None of one that was added beside it."""

    title: str
    is_number: bool
    source: int | None


@dataclass(frozen=True, slots=True)
class FlatTable:
    """Headings, rows of texts, and the notes that cells refer to, from 1."""

    columns: tuple[FlatColumn, ...]
    rows: tuple[tuple[FlatCell, ...], ...]
    notes: tuple[str, ...]
    counts: str


def flatten_table(table: Table) -> FlatTable:
    """Return a table as texts."""
    notes, shared = table_footnotes(table), table_facts(table)
    columns: list[FlatColumn] = []
    lists: list[list[FlatCell]] = []
    for index, column in enumerate(table.columns):
        cells = [row[index] for row in table.rows]
        arrow = direction_arrow(column.direction)
        title = f"{column.title} {arrow}".rstrip()
        columns.append(FlatColumn(title, is_number_column(cells, column), index))
        lists.append([flatten_cell(row[index], column, notes, row=row) for row in table.rows])
        intervals = [interval_text(cell, column, shared_level=shared.level or USUAL_LEVEL) for cell in cells]
        if any(intervals):
            level = f"{100 * (shared.level or USUAL_LEVEL):g} % interval"
            columns.append(FlatColumn(level, is_number=True, source=None))
            lists.append([FlatCell(one or "") for one in intervals])
        if shared.counts[index] is None and any(cell.n is not None and not is_missing(cell) for cell in cells):
            columns.append(FlatColumn("n", is_number=True, source=None))
            lists.append([FlatCell("" if cell.n is None or is_missing(cell) else str(cell.n)) for cell in cells])
    rows = tuple(zip(*lists, strict=True)) if table.rows else ()
    return FlatTable(tuple(columns), rows, notes.texts, shared.text)


def flatten_cell(
    cell: Cell, column: Column | None = None, notes: Footnotes | None = None, *, row: Sequence[Cell] = ()
) -> FlatCell:
    """Return one cell as a text with what stands behind it; ``row`` is what stands beside it."""
    signs = "".join(mark.sign for mark in cell_marks(cell))
    tail = " ".join(part for part in (signs, change_word(cell, row)) if part)
    is_code = column is not None and column.is_code and not is_missing(cell)
    return FlatCell(cell_text(cell, column), tail, notes.number(cell) if notes else None, is_code)
