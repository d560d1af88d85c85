"""The first sheet of a workbook: what it is about, what its signs and columns mean, and what is in which sheet.

May import: core, report.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from assay.report.display import count_provenance, direction_words, made_words
from assay.report.marks import MARKS
from assay.report.renderers.xlsx_book import MUTED, RULE, Book, fit, row_height, set_page
from assay.report.values import Report, Text

_LETTERS = (34, 112)
"""Characters that fit into a line of the two columns."""
_COLUMN_WORDS = (
    ("heading (unit)", "The unit of all numbers below it; it is chosen to read well. Times are UTC."),
    (
        "grey columns at the right",
        "What is to be known of the columns before, each under its heading; one group, to fold.",
    ),
    (": lo, : hi, : level", "Bounds of the value, in the unit of its column, and how sure they are."),
    (": n", "How many launches the value was taken over, unless the report says otherwise."),
    (": provenance, : verdict", "Where the number comes from, and whether it can be believed."),
    (": usable", "FALSE is left out of every ranking and mean."),
    (": reason", "Why a value is missing (–), or what else is to be known of it."),
)


def write_guide(book: Book, sheet: Any, report: Report) -> None:
    """What the workbook is about, what its signs mean, and what is in which sheet."""
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 30)
    sheet.set_column(1, 1, 92)
    rows: list[tuple[str, str, str]] = [
        ("title", report.title, ""),
        ("muted", f"{made_words(report)}; {count_provenance(report.provenance())}", ""),
        *(("text", paragraph, "") for text in report.summary for paragraph in text.paragraphs),
        *_part("What was asked", report.scope),
        *_part("Sheets", book.sheets),
        *_part("Signs beside numbers", ((f"{mark.sign}  {mark.word}", mark.meaning) for mark in MARKS)),
        *_part("Columns", _COLUMN_WORDS),
        *_part("Better", sorted({(column.title, said) for table in report.tables() for column in table.columns
                                 if (said := direction_words(column.direction))})),
        *_part("How to read this", report.how_to_read),
        *_part("Sources", ((source.name, source.detail) for source in report.sources)),
        *_part("Remarks", ((section.title, paragraph) for section in report.sections for block in section.blocks
                           if isinstance(block, Text) for paragraph in block.paragraphs)),
    ]  # fmt: skip
    looks = {
        "title": book.look(bold=True, font_size=16), "muted": book.look(font_color=MUTED), "text": book.look(),
        "head": book.look(bold=True, font_size=12, bottom=1, bottom_color=RULE),
    }  # fmt: skip
    for row, (kind, left, right) in enumerate(rows):
        if kind == "pair":
            sheet.write_string(row, 0, fit(left), book.look(bold=True, text_wrap=True))
            sheet.write_string(row, 1, fit(right), book.look(text_wrap=True))
            sheet.set_row(row, row_height((left, _LETTERS[0]), (right, _LETTERS[1])))
        elif kind == "text":
            sheet.merge_range(row, 0, row, 1, "", book.look(text_wrap=True))
            sheet.write_string(row, 0, fit(left), book.look(text_wrap=True))
            sheet.set_row(row, row_height((left, sum(_LETTERS))))
        else:
            sheet.write_string(row, 0, fit(left), looks[kind])
            if kind == "head":
                sheet.write_string(row, 1, "", looks[kind])
            sheet.set_row(row, {"title": 24, "head": 19}.get(kind, 15))
    set_page(sheet)
    sheet.activate()


def _part(heading: str, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str, str]]:
    found = [("pair", left, right) for left, right in pairs]
    return [("text", "", ""), ("head", heading, ""), *found] if found else []
