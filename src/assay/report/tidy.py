"""A whole report as rows of one shape: one number a row, out of every table, every named value and every figure.

For data frames: ``section, block, row, row_label, column, value, unit, ...``. Values are in base units and unrounded.
May import: core, report.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from assay.report.cleaning import clean_line, shorten
from assay.report.display import cell_unit, is_missing
from assay.report.figure_data import figure_table
from assay.report.values import Cell, Column, Facts, Figure, Report, Table, Value

_LABEL_LETTERS = 300


@dataclass(frozen=True, slots=True)
class TidyRow:
    """One value: where it stands, what it is, and all that is to be known of it.

    ``row`` counts from 1. ``row_label`` are the names that begin its row. ``value`` is empty where it is not known, and
    ``reason`` says why. ``usable`` False is left out of every ranking.
    """

    section: str
    block: str
    row: int
    row_label: str
    column: str
    value: Value
    unit: str | None
    lo: float | None
    hi: float | None
    level: float | None
    n: int | None
    provenance: str | None
    verdict: str | None
    change: str | None
    usable: bool
    reason: str | None


TIDY_COLUMNS = tuple(one.name for one in fields(TidyRow))


def tidy_rows(report: Report) -> Iterator[TidyRow]:
    """Yield every value of a report's tables, named values and figures; the names that begin a row are its label."""
    for section in report.sections:
        for block in section.blocks:
            if isinstance(block, Table):
                yield from _table_rows(section.key, block)
            elif isinstance(block, Figure):
                yield from _table_rows(section.key, figure_table(block))
            elif isinstance(block, Facts):
                for number, (name, cell) in enumerate(block.items, start=1):
                    yield _row(section.key, block.key, number, clean_line(name), Column("value", "value"), cell)


def _table_rows(section: str, table: Table) -> Iterator[TidyRow]:
    names = _count_label_columns(table)
    for number, row in enumerate(table.rows, start=1):
        label = " · ".join(clean_line(str(cell.value)) for cell in row[:names] if cell.value is not None)
        for column, cell in zip(table.columns[names:], row[names:], strict=True):
            if cell.value == "":  # a series of a figure that has nothing of that kind
                continue
            yield _row(section, table.key, number, shorten(label, _LABEL_LETTERS), column, cell)


def _count_label_columns(table: Table) -> int:
    """How many columns at the beginning hold nothing but names; all of a table of names but the first."""
    for index in range(len(table.columns)):
        if not all(cell.value is None or isinstance(cell.value, str) for cell in (row[index] for row in table.rows)):
            return index
        if any(row[index].provenance is not None or row[index].reason for row in table.rows):
            return index
    return min(1, len(table.columns))


def _row(section: str, block: str, number: int, label: str, column: Column, cell: Cell) -> TidyRow:
    has_interval = cell.lo is not None or cell.hi is not None
    missing = is_missing(cell)
    return TidyRow(
        section=section, block=block, row=number, row_label=label, column=column.key,
        value=None if missing else cell.value, unit=cell_unit(cell, column), lo=cell.lo, hi=cell.hi,
        level=cell.level if has_interval else None, n=cell.n,
        provenance=cell.provenance.value if cell.provenance else None,
        verdict=cell.verdict.value if cell.verdict else None, change=cell.change.value if cell.change else None,
        usable=cell.is_usable, reason=cell.reason,
    )  # fmt: skip
