"""A table as columns of a spreadsheet: typed values in one unit a column, and beside them what is to be known.

May import: core, report.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from assay.report.cleaning import clean_line, clean_text
from assay.report.display import ScaledUnit, cell_unit, is_missing, is_number, number_column_unit
from assay.report.marks import cell_marks
from assay.report.renderers.csv_text import companions
from assay.report.values import Cell, Column, Table

MOST_LETTERS = 32_767
"""Characters that a cell of a workbook holds."""
MOST_ROWS = 1_048_576
"""Rows of a sheet."""
_EXACT_INTEGER = 2**53
_MOST_DECIMALS = 8
_LONG = 1e9
"""From here on a row of digits cannot be read; neither can numbers beside each other that differ by so much."""

SheetValue = str | int | float | bool | datetime | None


@dataclass(frozen=True, slots=True)
class SheetCell:
    """One value. ``keys`` are the keys of its signs, ``signs`` the signs; both stand in its format.

    ``number_format`` is its own, where its column's would show too few of its digits.
    """

    value: SheetValue
    signs: str = ""
    keys: tuple[str, ...] = ()
    is_missing: bool = False
    number_format: str | None = None


@dataclass(frozen=True, slots=True)
class SheetColumn:
    """One column: its heading with the unit, its number format (None: text), and whether it stands beside another."""

    heading: str
    cells: tuple[SheetCell, ...]
    number_format: str | None = None
    is_companion: bool = False

    @property
    def is_number(self) -> bool:
        """True where the column is aligned as numbers."""
        return self.number_format is not None


def sheet_columns(table: Table) -> list[SheetColumn]:
    """Return the columns of a table's sheet: first its own, then, at the right, what is to be known of their numbers.

    A column of one base unit is written in the unit that suits its median, which its heading names; where rows have
    several units the numbers stay in base units, and the column beside it says which.
    """
    found = []
    for index, column in enumerate(table.columns):
        cells = [row[index] for row in table.rows]
        if any(isinstance(cell.value, datetime) for cell in cells):
            found.append(_times(column, cells))
        elif any(is_number(cell) for cell in cells) and not column.is_code:
            found += _numbers(table, index, cells)
        else:
            found.append(SheetColumn(clean_text(column.title), tuple(_plain(cell) for cell in cells)))
            found += _beside(column, cells, ScaledUnit(1.0, ""), is_unit_known=True)
    return sorted(found, key=lambda one: one.is_companion)  # keeps the order of each


def _times(column: Column, cells: Sequence[Cell]) -> SheetColumn:
    title = f"{clean_text(column.title)} (UTC)"
    return SheetColumn(title, tuple(_plain(cell) for cell in cells), "yyyy-mm-dd hh:mm:ss")


def _numbers(table: Table, index: int, cells: Sequence[Cell]) -> list[SheetColumn]:
    column = table.columns[index]
    common = number_column_unit(table, index)
    units = {cell_unit(cell, column) for cell in cells if is_number(cell)}
    base = next(iter(units)) if len(units) == 1 else None
    scale = common or ScaledUnit(1.0, "")
    if base == "share":
        scale = ScaledUnit(1.0, "")
    label = f" ({scale.label})" if scale.label else ""
    pattern = "0.0%" if base == "share" else _pattern([_scaled(cell, scale) for cell in cells])
    own = SheetColumn(
        f"{clean_text(column.title)}{label}", tuple(_number(cell, scale, pattern) for cell in cells), pattern
    )
    return [own, *_beside(column, cells, scale, is_unit_known=common is not None)]


def _beside(column: Column, cells: Sequence[Cell], scale: ScaledUnit, *, is_unit_known: bool) -> list[SheetColumn]:
    """Return what is to be known of a column's values; bounds are in the column's own unit."""
    found = []
    for name, values in companions(column, cells):
        if name == "unit" and is_unit_known:
            continue
        heading = f"{clean_text(column.title)}: {name}"
        if name in {"lo", "hi"}:
            scaled = [value / scale.divisor if isinstance(value, int | float) else None for value in values]
            bounds = tuple(SheetCell(value) for value in scaled)
            found.append(SheetColumn(heading, bounds, _pattern(scaled), is_companion=True))
        else:
            said = zip(values, cells, strict=True)
            texts = tuple(SheetCell(None if name == "unit" and is_missing(cell) else _value(one)) for one, cell in said)
            number = {"n": "#,##0", "level": "0.0#"}.get(name)
            found.append(SheetColumn(heading, texts, number, is_companion=name != "unit"))
    return found


def _plain(cell: Cell) -> SheetCell:
    if is_missing(cell):
        return SheetCell("–", is_missing=True)
    if cell.value == "":
        return SheetCell(None)
    marks = cell_marks(cell)
    return SheetCell(_value(cell.value), " ".join(mark.sign for mark in marks), tuple(mark.key for mark in marks))


def _number(cell: Cell, scale: ScaledUnit, pattern: str) -> SheetCell:
    plain = _plain(cell)
    scaled = _scaled(cell, scale)
    if scaled is None:
        return plain
    is_exact = isinstance(cell.value, int) and scale.divisor == 1 and abs(cell.value) < _EXACT_INTEGER
    return replace(plain, value=cell.value if is_exact else scaled, number_format=_finer(scaled, pattern))


def _scaled(cell: Cell, scale: ScaledUnit) -> float | None:
    if not is_number(cell) or not isinstance(cell.value, int | float):
        return None
    return float(cell.value) / scale.divisor


def _value(value: object) -> SheetValue:
    """Return a value as a workbook takes it: a text that fits, a time without its zone, a number that is one."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    if isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < _EXACT_INTEGER):
        return value
    text = clean_line(str(value))
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + "…"


def _pattern(values: Sequence[float | None]) -> str:
    """Return a number format: four significant digits of the median, powers of ten where sizes differ much.

    Whole numbers stay so.
    """
    known = [abs(value) for value in values if value]
    if not known or (all(value.is_integer() for value in known) and max(known) < _LONG):
        return "#,##0"
    middle = statistics.median_low(known)
    if middle < 10.0 ** (2 - _MOST_DECIMALS) or max(known) >= _LONG * min(known):
        return "0.000E+00"
    decimals = min(_MOST_DECIMALS, max(1, 3 - math.floor(math.log10(middle))))
    return f"#,##0.{'0' * decimals}"


def _finer(value: float, pattern: str) -> str | None:
    """Return a format that shows three digits of a number that is small beside the others of its column."""
    if "E" in pattern or "%" in pattern or not value:
        return None
    decimals = 2 - math.floor(math.log10(abs(value)))
    if value.is_integer() or decimals <= len(pattern.partition(".")[2]):
        return None
    return f"#,##0.{'0' * decimals}" if decimals <= _MOST_DECIMALS else "0.000E+00"


def sheet_name(title: str, taken: set[str]) -> str:
    r"""Return a name that a sheet may have and none of ``taken`` (lower case) is; it is added to them.

    At most 31 characters, none of ``[]:*?/\``, no apostrophe at an end, and not "History".
    """
    clean = "".join(" " if character in "[]:*?/\\" else character for character in clean_text(title))
    clean = " ".join(clean.split()).strip("' ") or "Table"
    base = "History " if clean.casefold() == "history" else clean
    name, number = base[:31].strip("' "), 1
    while name.casefold() in taken or name.casefold() == "history":
        number += 1
        ending = f" ({number})"
        name = base[: 31 - len(ending)].strip("' ") + ending
    taken.add(name.casefold())
    return name
