"""Reports as CSV (RFC 4180, UTF-8): all numbers as one long table, or one table as it stands.

Numbers are in base units and unrounded, times in ISO 8601 and UTC. A text that a spreadsheet would take for a formula
gets an apostrophe before it; numbers are left as they are. May import: core, report.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from datetime import UTC, datetime

from assay.report.base import Renderer, RenderOptions, renderers
from assay.report.cleaning import clean_text
from assay.report.display import cell_unit
from assay.report.figure_data import figure_table
from assay.report.parts import find_figure, find_table, narrow_report
from assay.report.tidy import TIDY_COLUMNS, tidy_rows
from assay.report.values import Cell, Column, Report, Table

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection")."""
COMPANIONS = ("unit", "lo", "hi", "level", "n", "provenance", "verdict", "change", "usable", "reason")
"""What stands beside a column of a wide table where some cell of it has that: ``latency_ns.lo``."""


def render_tidy(report: Report) -> str:
    """Return every number of a report, one a row (see ``report.tidy``)."""
    return _write(TIDY_COLUMNS, (astuple(row) for row in tidy_rows(report)))


def render_wide(table: Table) -> str:
    """Return one table, a column for each of its own and for what is to be known of its numbers."""
    header: list[str] = []
    columns: list[list[object]] = []
    for index, column in enumerate(table.columns):
        cells = [row[index] for row in table.rows]
        header.append(column.key)
        columns.append([cell.value for cell in cells])
        for name, values in companions(column, cells):
            header.append(f"{column.key}.{name}")
            columns.append(values)
    return _write(header, zip(*columns, strict=True))


def companions(column: Column, cells: Sequence[Cell]) -> Iterator[tuple[str, list[object]]]:
    """Yield the columns beside a column: those of ``COMPANIONS`` that tell something of it."""
    found: dict[str, list[object]] = {
        "unit": [cell_unit(cell, column) for cell in cells],
        "lo": [cell.lo for cell in cells],
        "hi": [cell.hi for cell in cells],
        "level": [cell.level if cell.lo is not None or cell.hi is not None else None for cell in cells],
        "n": [cell.n for cell in cells],
        "provenance": [cell.provenance for cell in cells],
        "verdict": [cell.verdict for cell in cells],
        "change": [cell.change for cell in cells],
        "usable": [cell.is_usable for cell in cells] if any(not cell.is_usable for cell in cells) else [],
        "reason": [cell.reason for cell in cells],
    }
    for name in COMPANIONS:
        if any(value is not None for value in found[name]):
            yield name, found[name]


def field_text(value: object) -> str:
    """Return one field: a number as Python writes it, a time in ISO 8601, a text that is no formula."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, datetime):
        return (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)).isoformat()
    text = str(value)
    guarded = f"'{text}" if text.startswith(_FORMULA) else text
    return clean_text(guarded)


def _write(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([field_text(name) for name in header])
    writer.writerows([field_text(value) for value in row] for row in rows)
    return text.getvalue()


def _render_file(report: Report, options: RenderOptions) -> bytes:
    if options.table is not None:
        text = render_wide(find_table(report, options.table))
    elif options.figure is not None:
        text = render_wide(figure_table(find_figure(report, options.figure)))
    else:
        text = render_tidy(narrow_report(report, options))
    return text.encode()


renderers.add(
    "csv",
    Renderer(
        "csv", (".csv",), "text/csv; charset=utf-8; header=present",
        "All numbers as one long table, or one table of the report.", _render_file,
    ),
)  # fmt: skip
