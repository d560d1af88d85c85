"""What is written into a workbook alike in all its sheets: formats made once, typed cells, texts that fit, pages.

May import: core, report.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from assay.report.cleaning import clean_line, shorten
from assay.report.sheet_columns import MOST_LETTERS, SheetValue

MUTED, RULE = "#59636f", "#858d97"
LINE = 14.0
"""Height of a line of text of ten points."""
_A4 = 9


@dataclass(slots=True)
class Book:
    """A workbook that is being written, the names of its sheets with what is in them, and formats made once."""

    book: Any
    names: set[str] = field(default_factory=set)
    sheets: list[tuple[str, str]] = field(default_factory=list)
    _formats: dict[tuple[tuple[str, object], ...], Any] = field(default_factory=dict)

    def look(self, **properties: object) -> Any:
        """Return a cell format, the same one for the same properties."""
        key = tuple(sorted(properties.items()))
        if key not in self._formats:
            self._formats[key] = self.book.add_format({"font_size": 10, "valign": "top", **properties})
        return self._formats[key]


def write_cell(sheet: Any, row: int, place: int, value: SheetValue, look: Any) -> None:
    """Write one value as what it is: a text is a text, whatever it begins with."""
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, place, value, look)
    elif isinstance(value, int | float):
        sheet.write_number(row, place, value, look)
    elif isinstance(value, datetime):
        sheet.write_datetime(row, place, value, look)
    else:
        sheet.write_string(row, place, fit(value), look)


def fit(text: str) -> str:
    """Return a text as a cell can hold it, on one line."""
    return shorten(clean_line(text), MOST_LETTERS)


def row_height(*texts: tuple[str, int]) -> float:
    """Return the height of a row whose texts wrap at so many characters: programs guess it differently, or not at all.

    A row is 20 lines high at most.
    """
    lines = max(-(-len(text) // width) for text, width in texts)
    return LINE * min(20, max(1, lines)) + 1


def set_page(sheet: Any) -> None:
    """Put a sheet on paper: landscape, and as wide as the page."""
    sheet.set_landscape()
    sheet.set_paper(_A4)
    sheet.fit_to_pages(1, 0)
