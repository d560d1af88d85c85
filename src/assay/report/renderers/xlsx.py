"""Reports as a workbook: typed cells to filter and compute with, and a first sheet that says how to read them.

Numbers are numbers and times are times (UTC); the sign of a number's provenance is part of its number format, so that
it is seen and the cell still holds a number. A text is never a formula and never a link.
May import: core, report; xlsxwriter inside functions.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from assay.core.errors import AssayError
from assay.report.base import Renderer, RenderOptions, renderers
from assay.report.cleaning import clean_line, clean_text, shorten
from assay.report.display import count_provenance, direction_words, format_number, made_words
from assay.report.figure_data import figure_table
from assay.report.marks import MARKS, table_facts
from assay.report.parts import narrow_report
from assay.report.sheet_columns import MOST_LETTERS, MOST_ROWS, SheetCell, SheetColumn, sheet_columns, sheet_name
from assay.report.values import Facts, Figure, Report, Table, Text

INSTALL_HINT = "pip install 'assay[report]'"
_HEADING_ROW = 3
_WIDTHS = (8.0, 48.0)
"""Narrowest and widest column, in characters."""
_LOOKED_AT = 300
"""Rows by which a column's width is chosen."""
_PICTURE_DPI = 110
_PICTURE_ROWS = 29
_MUTED, _RULE = "#59636f", "#858d97"
_COLOURS = {"noisy": "#8a5a00", "contaminated": _MUTED, "unusable": _MUTED}


@dataclass(slots=True)
class _Book:
    """A workbook that is being written, the names of its sheets, and formats made once."""

    book: Any
    names: set[str] = field(default_factory=set)
    formats: dict[tuple[tuple[str, object], ...], Any] = field(default_factory=dict)
    sheets: list[tuple[str, str]] = field(default_factory=list)

    def look(self, **properties: object) -> Any:
        """Return a cell format, the same one for the same properties."""
        key = tuple(sorted(properties.items()))
        if key not in self.formats:
            self.formats[key] = self.book.add_format({"font_size": 10, "valign": "top", **properties})
        return self.formats[key]


def render_xlsx(report: Report, *, draw: Callable[[Figure], bytes | None] | None = None) -> bytes:
    """Return a report as a workbook: how to read it, named values, one sheet a table, figures with their numbers.

    ``draw`` makes PNG of a figure (None: the project's own drawing, where it can be had). Raises AssayError where
    xlsxwriter is not installed.
    """
    try:
        import xlsxwriter
    except ImportError as error:
        raise AssayError("XLSX needs the package xlsxwriter, which is not installed.", hint=INSTALL_HINT) from error
    content = io.BytesIO()
    options = {
        "in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
        "nan_inf_to_errors": False,
    }  # fmt: skip
    book = _Book(xlsxwriter.Workbook(content, options))
    created = report.generated_at.astimezone(UTC).replace(tzinfo=None)
    title, version = shorten(clean_line(report.title), 250), clean_line(report.assay_version)
    book.book.set_properties({"title": title, "comments": f"assay {version}", "created": created})
    first = book.book.add_worksheet(sheet_name("How to read", book.names))
    _write_facts(book, report)
    for table in report.tables():
        _write_table(book, table)
    _write_figures(book, report, draw or _find_drawing())
    _write_guide(book, first, report)
    book.book.close()
    return content.getvalue()


def _write_table(book: _Book, table: Table, title: str | None = None) -> None:
    name = sheet_name(title or table.title or table.key, book.names)
    sheet = book.book.add_worksheet(name)
    counts = table_facts(table).text
    said = [clean_line(part).rstrip(".") for part in (table.caption, counts) if part]
    kept = min(len(table.rows), MOST_ROWS - _HEADING_ROW - 2)
    if left_out := table.rows_left_out + len(table.rows) - kept:
        said.append(f"{format_number(left_out)} more rows are not in this sheet")
    sheet.write_string(0, 0, _fit(table.title or table.key), book.look(bold=True, font_size=13))
    sheet.write_string(1, 0, _fit(". ".join(said)), book.look(font_color=_MUTED))
    book.sheets.append((name, ". ".join([*said, *(clean_line(note).rstrip(".") for note in table.notes)])))
    sheet.set_row(0, 20)
    if not table.rows:
        sheet.write_string(_HEADING_ROW, 0, _fit(table.when_empty), book.look(font_color=_MUTED))
        return
    columns = sheet_columns(table)
    for place, column in enumerate(columns):
        _write_column(book, sheet, place, column, kept)
    sheet.freeze_panes(_HEADING_ROW + 1, 1)
    sheet.autofilter(_HEADING_ROW, 0, _HEADING_ROW + kept, len(columns) - 1)
    _set_page(sheet)
    sheet.repeat_rows(_HEADING_ROW)
    # Without this the heading is as high as its longest wrapped text, which programs guess differently.
    sheet.set_row(_HEADING_ROW, 30)


def _write_column(book: _Book, sheet: Any, place: int, column: SheetColumn, kept: int) -> None:
    side = "right" if column.is_number else "left"
    colour = {"font_color": _MUTED} if column.is_companion else {}
    head = book.look(bold=not column.is_companion, text_wrap=True, valign="bottom", align=side, bottom=1,
                     bottom_color=_RULE, **colour)  # fmt: skip
    sheet.write_string(_HEADING_ROW, place, _fit(column.heading), head)
    for row, cell in enumerate(column.cells[:kept], start=_HEADING_ROW + 1):
        _write_cell(sheet, row, place, cell, _format(book, column, cell))
    level = {"level": 1} if column.is_companion else {}
    sheet.set_column(place, place, _column_width(column), None, level)


def _write_cell(sheet: Any, row: int, place: int, cell: SheetCell, look: Any) -> None:
    value = cell.value
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, place, value, look)
    elif isinstance(value, int | float):
        sheet.write_number(row, place, value, look)
    elif isinstance(value, datetime):
        sheet.write_datetime(row, place, value, look)
    else:
        sheet.write_string(row, place, value, look)


def _format(book: _Book, column: SheetColumn, cell: SheetCell) -> Any:
    """A cell's format: the number with its signs behind it, predicted and imported in italics, disturbed ones dim."""
    properties: dict[str, object] = {}
    if column.is_number:
        properties["align"] = "right"
        if not isinstance(cell.value, str):
            signs = f" {cell.signs}" if cell.signs else ""
            properties["num_format"] = f'{column.number_format}"{signs}"' if signs else column.number_format
    if {"imported", "predicted"} & set(cell.keys):
        properties["italic"] = True
    colour = next((_COLOURS[key] for key in cell.keys if key in _COLOURS), None)
    if cell.is_missing or column.is_companion or colour:
        properties["font_color"] = colour or _MUTED
    return book.look(**properties)


def _column_width(column: SheetColumn) -> float:
    texts = (str(cell.value) for cell in column.cells[:_LOOKED_AT] if isinstance(cell.value, str))
    longest = max((len(text) for text in texts), default=0)
    if column.number_format is not None:
        longest = max(longest, 19 if "yyyy" in column.number_format else 9)
    # Headings wrap at blanks, so they need the width of their longest word, and half of the whole to fit two lines.
    words = max((len(word) for word in column.heading.split()), default=0)
    heading = max(words, len(column.heading) / 2) + 3
    return min(_WIDTHS[1], max(_WIDTHS[0], longest + 1.5, heading))


def _write_facts(book: _Book, report: Report) -> None:
    blocks = [block for block in report.blocks() if isinstance(block, Facts) and block.items]
    if not blocks:
        return
    name = sheet_name("Facts", book.names)
    book.sheets.append((name, "Named values: " + ", ".join(clean_line(block.title) for block in blocks)))
    sheet = book.book.add_worksheet(name)
    for place, (heading, width) in enumerate((("of", 24), ("name", 30), ("value", 60), ("unit", 8), ("remarks", 50))):
        sheet.write_string(0, place, heading, book.look(bold=True, bottom=1, bottom_color=_RULE))
        sheet.set_column(place, place, width)
    sheet.freeze_panes(1, 0)
    _set_page(sheet)
    row = 1
    for block in blocks:
        for label, cell in block.items:
            sheet.write_string(row, 0, _fit(block.title), book.look(font_color=_MUTED, text_wrap=True))
            sheet.write_string(row, 1, _fit(label), book.look(text_wrap=True))
            column = sheet_columns(_single(label, cell))[0]
            pattern = {"num_format": column.number_format} if column.number_format else {}
            _write_cell(sheet, row, 2, column.cells[0], book.look(align="left", text_wrap=True, **pattern))
            unit = column.heading.removeprefix(clean_text(label)).strip(" ()")
            sheet.write_string(row, 3, unit, book.look(font_color=_MUTED))
            said = [word for word in (cell.provenance, cell.verdict, cell.change, cell.reason) if word]
            sheet.write_string(row, 4, _fit("; ".join(said)), book.look(font_color=_MUTED, text_wrap=True))
            row += 1


def _single(label: str, cell: Any) -> Table:
    from assay.report.values import Column

    return Table("one", label, (Column("value", label),), ((cell,),))


def _write_figures(book: _Book, report: Report, draw: Callable[[Figure], bytes | None]) -> None:
    figures = [figure for figure in report.figures() if figure.empty is None]
    if not figures:
        return
    name = sheet_name("Figures", book.names)
    book.sheets.append((name, "Pictures of the figures, whose numbers have sheets of their own"))
    sheet = book.book.add_worksheet(name)
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 120)
    row = 0
    for figure in figures:
        sheet.write_string(row, 0, _fit(figure.title), book.look(bold=True, font_size=13))
        sheet.write_string(row + 1, 0, _fit(figure.alt), book.look(text_wrap=True, font_color=_MUTED))
        picture = draw(figure)
        row += 3
        if picture is not None:
            place = {"object_position": 2, "description": shorten(clean_line(figure.alt or figure.title), 250)}
            image = io.BytesIO(picture)
            sheet.insert_image(row, 0, "figure.png", {"image_data": image, **place, **_image_scale(picture)})
            row += _PICTURE_ROWS
    for figure in figures:
        _write_table(book, figure_table(figure), f"{shorten(clean_line(figure.title), 21)} (numbers)")


def _image_scale(picture: bytes) -> dict[str, float]:
    """Fit a picture into the rows that are kept for it (20 px each); width and height stand in its header."""
    height = int.from_bytes(picture[20:24], "big")
    scale = min(1.0, (_PICTURE_ROWS - 1) * 20 / max(1, height))
    return {"x_scale": scale, "y_scale": scale}


def _find_drawing() -> Callable[[Figure], bytes | None]:
    try:
        from assay.report.renderers.picture import draw_figure_png
    except ImportError:
        return lambda _figure: None

    def draw(figure: Figure) -> bytes | None:
        try:
            return draw_figure_png(figure, is_dark=False, dpi=_PICTURE_DPI)
        except AssayError:  # no matplotlib: the numbers have a sheet
            return None

    return draw


def _write_guide(book: _Book, sheet: Any, report: Report) -> None:
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
        "title": book.look(bold=True, font_size=16), "muted": book.look(font_color=_MUTED), "text": book.look(),
        "head": book.look(bold=True, font_size=12, bottom=1, bottom_color=_RULE),
    }  # fmt: skip
    for row, (kind, left, right) in enumerate(rows):
        if kind == "pair":
            sheet.write_string(row, 0, _fit(left), book.look(bold=True, text_wrap=True))
            sheet.write_string(row, 1, _fit(right), book.look(text_wrap=True))
        elif kind == "text":
            sheet.merge_range(row, 0, row, 1, "", book.look(text_wrap=True))
            sheet.write_string(row, 0, _fit(left), book.look(text_wrap=True))
            sheet.set_row(row, 14.0 * max(1, -(-len(left) // 115)))
        else:
            sheet.write_string(row, 0, _fit(left), looks[kind])
            if kind == "head":
                sheet.write_string(row, 1, "", looks[kind])
            sheet.set_row(row, {"title": 24, "head": 19}.get(kind, 15))
    _set_page(sheet)
    sheet.activate()


def _set_page(sheet: Any) -> None:
    """On paper a sheet is landscape and as wide as the page."""
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)


_COLUMN_WORDS = (
    ("heading (unit)", "The unit of all numbers below it; it is chosen to read well. Times are UTC."),
    (": lo, : hi, : level", "Bounds of the value, in the unit of the column beside it, and how sure they are."),
    (": n", "How many launches the value was taken over, unless the report says otherwise."),
    (": provenance, : verdict", "Where the number comes from, and whether it can be believed."),
    (": usable", "FALSE is left out of every ranking and mean."),
    (": reason", "Why a value is missing (–), or what else is to be known of it."),
)


def _part(heading: str, pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str, str]]:
    found = [("pair", left, right) for left, right in pairs]
    return [("text", "", ""), ("head", heading, ""), *found] if found else []


def _fit(text: str) -> str:
    return shorten(clean_line(text), MOST_LETTERS)


def _render_file(report: Report, options: RenderOptions) -> bytes:
    return render_xlsx(narrow_report(report, options))


renderers.add(
    "xlsx",
    Renderer(
        "xlsx", (".xlsx",), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "A workbook: typed cells, one sheet a table, and a sheet that says how to read them.", _render_file,
    ),
)  # fmt: skip
