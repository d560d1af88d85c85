"""Reports as a workbook: typed cells to filter and compute with, and a first sheet that says how to read them.

Numbers are numbers and times are times (UTC); the sign of a number's provenance is part of its number format, so that
it is seen and the cell still holds a number. A text is never a formula and never a link.
May import: core, report; xlsxwriter inside functions.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC
from typing import Any

from assay.core.errors import AssayError
from assay.report.base import Renderer, RenderOptions, renderers
from assay.report.cleaning import clean_line, shorten
from assay.report.display import cell_text, cell_title, format_number
from assay.report.figure_data import figure_table
from assay.report.marks import table_facts
from assay.report.parts import narrow_report
from assay.report.renderers.xlsx_book import MUTED, RULE, Book, fit, row_height, set_page, write_cell
from assay.report.renderers.xlsx_guide import write_guide
from assay.report.sheet_columns import MOST_ROWS, SheetCell, SheetColumn, sheet_columns, sheet_name
from assay.report.values import Cell, Column, Facts, Figure, Report, Table

INSTALL_HINT = "pip install 'assay[report]'"
_HEADING_ROW = 3
_WIDTHS = (8.0, 48.0)
"""Narrowest and widest column, in characters."""
_LOOKED_AT = 300
"""Rows by which a column's width is chosen."""
_PICTURE_DPI = 150
_PICTURE_WIDTH_PX = 820
_ROW_PX = 20
_YES_NO = '"yes";"yes";"no"'
"""For programs that show a truth value as 1 and 0."""
_FACTS = (("of", 24), ("name", 30), ("value", 60), ("unit", 10), ("remarks", 60))
"""Columns of the sheet of named values, and their widths in characters."""
_COLOURS = {"noisy": "#8a5a00", "contaminated": MUTED, "unusable": MUTED}


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
    book = Book(xlsxwriter.Workbook(content, options))
    created = report.generated_at.astimezone(UTC).replace(tzinfo=None)
    title, version = shorten(clean_line(report.title), 250), clean_line(report.assay_version)
    book.book.set_properties({"title": title, "comments": f"assay {version}", "created": created})
    first = book.book.add_worksheet(sheet_name("How to read", book.names))
    _write_facts(book, report)
    for table in report.tables():
        _write_table(book, table)
    _write_figures(book, report, draw or _find_drawing())
    write_guide(book, first, report)
    book.book.close()
    return content.getvalue()


def _write_table(book: Book, table: Table, title: str | None = None) -> None:
    if not table.rows:
        book.sheets.append(("(none)", f"{clean_line(table.title)}: {clean_line(table.when_empty)}"))
        return
    name = sheet_name(title or table.title or table.key, book.names)
    sheet = book.book.add_worksheet(name)
    counts = table_facts(table).text
    said = [clean_line(part).rstrip(".") for part in (table.caption, counts) if part]
    kept = min(len(table.rows), MOST_ROWS - _HEADING_ROW - 2)
    if left_out := table.rows_left_out + len(table.rows) - kept:
        said.append(f"{format_number(left_out)} more rows are not in this sheet")
    sheet.write_string(0, 0, fit(table.title or table.key), book.look(bold=True, font_size=13))
    sheet.write_string(1, 0, fit(". ".join(said)), book.look(font_color=MUTED))
    book.sheets.append((name, ". ".join([*said, *(clean_line(note).rstrip(".") for note in table.notes)])))
    sheet.set_row(0, 20)
    columns = sheet_columns(table)
    for place, column in enumerate(columns):
        _write_column(book, sheet, place, column, kept)
    sheet.freeze_panes(_HEADING_ROW + 1, 1)
    sheet.autofilter(_HEADING_ROW, 0, _HEADING_ROW + kept, len(columns) - 1)
    set_page(sheet)
    sheet.repeat_rows(_HEADING_ROW)
    # On paper the signs of the numbers have to do: all that is known of them would leave no room to read.
    sheet.print_area(0, 0, _HEADING_ROW + kept, sum(not one.is_companion for one in columns) - 1)
    # Without this the heading is as high as its longest wrapped text, which programs guess differently.
    sheet.set_row(_HEADING_ROW, 30)


def _write_column(book: Book, sheet: Any, place: int, column: SheetColumn, kept: int) -> None:
    side = "right" if column.is_number else "left"
    colour: dict[str, object] = {"font_color": MUTED} if column.is_companion else {}
    if place and not column.is_number:
        colour["indent"] = 1
    head = book.look(bold=not column.is_companion, text_wrap=True, valign="bottom", align=side, bottom=1,
                     bottom_color=RULE, **colour)  # fmt: skip
    sheet.write_string(_HEADING_ROW, place, fit(column.heading), head)
    for row, cell in enumerate(column.cells[:kept], start=_HEADING_ROW + 1):
        write_cell(sheet, row, place, cell.value, _format(book, column, cell, place))
    level = {"level": 1} if column.is_companion else {}
    sheet.set_column(place, place, _column_width(column), None, level)


def _format(book: Book, column: SheetColumn, cell: SheetCell, place: int) -> Any:
    """A cell's format: the number with its signs behind it, predicted and imported in italics, disturbed ones dim."""
    properties: dict[str, object] = {}
    pattern = cell.number_format or column.number_format
    if column.is_number:
        properties["align"] = "right"
    elif place:  # else a name would touch the number before it
        properties |= {"align": "left", "indent": 1}
    if isinstance(cell.value, bool):
        properties |= {"num_format": _YES_NO, "align": "left"}
    elif pattern is not None and not isinstance(cell.value, str):
        properties["num_format"] = f'{pattern}" {cell.signs}"' if cell.signs else pattern
    if {"imported", "predicted"} & set(cell.keys):
        properties["italic"] = True
    colour = next((_COLOURS[key] for key in cell.keys if key in _COLOURS), None)
    if cell.is_missing or column.is_companion or colour:
        properties["font_color"] = colour or MUTED
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


def _write_facts(book: Book, report: Report) -> None:
    blocks = [block for block in report.blocks() if isinstance(block, Facts) and block.items]
    if not blocks:
        return
    name = sheet_name("Facts", book.names)
    book.sheets.append((name, "Named values: " + ", ".join(clean_line(block.title) for block in blocks)))
    sheet = book.book.add_worksheet(name)
    for place, (heading, width) in enumerate(_FACTS):
        sheet.write_string(0, place, heading, book.look(bold=True, bottom=1, bottom_color=RULE))
        sheet.set_column(place, place, width)
    sheet.freeze_panes(1, 0)
    set_page(sheet)
    row = 1
    for block in blocks:
        for label, cell in block.items:
            sheet.write_string(row, 0, fit(block.title), book.look(font_color=MUTED, text_wrap=True))
            sheet.write_string(row, 1, fit(label), book.look(text_wrap=True))
            unit = _write_fact(book, sheet, row, cell)
            sheet.write_string(row, 3, unit, book.look(font_color=MUTED))
            remarks = cell_title(cell).removeprefix(cell_text(cell)).removeprefix("; ")
            sheet.write_string(row, 4, fit(remarks), book.look(font_color=MUTED, text_wrap=True))
            shown = cell_text(cell)
            texts = (block.title, label, shown, "", remarks)
            sheet.set_row(row, row_height(*((text, width) for text, (_, width) in zip(texts, _FACTS, strict=True))))
            row += 1


def _write_fact(book: Book, sheet: Any, row: int, cell: Cell) -> str:
    """Write a named value as a typed cell in the unit that suits it, which is returned."""
    column = sheet_columns(Table("fact", "", (Column("value", ""),), ((cell,),)))[0]
    pattern = {"num_format": column.number_format} if column.number_format else {}
    write_cell(sheet, row, 2, column.cells[0].value, book.look(align="left", text_wrap=True, **pattern))
    return column.heading.strip(" ()")


def _write_figures(book: Book, report: Report, draw: Callable[[Figure], bytes | None]) -> None:
    figures = [figure for figure in report.figures() if figure.empty is None]
    if not figures:
        return
    name = sheet_name("Figures", book.names)
    book.sheets.append((name, "Pictures of the figures, whose numbers have sheets of their own"))
    sheet = book.book.add_worksheet(name)
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 118)
    set_page(sheet)
    row = 0
    for figure in figures:
        picture = draw(figure)
        if picture is None:
            sheet.write_string(row, 0, fit(figure.title), book.look(bold=True, font_size=13))
            row += 1
        else:
            scale = _PICTURE_WIDTH_PX / int.from_bytes(picture[16:20], "big")  # the header holds width and height
            place = {"object_position": 2, "description": shorten(clean_line(figure.alt or figure.title), 250)}
            image = {"image_data": io.BytesIO(picture), "x_scale": scale, "y_scale": scale, **place}
            sheet.insert_image(row, 0, "figure.png", image)
            row += int(int.from_bytes(picture[20:24], "big") * scale / _ROW_PX) + 1
        sheet.write_string(row, 0, fit(figure.alt), book.look(text_wrap=True, font_color=MUTED))
        sheet.set_row(row, row_height((figure.alt, 118)))
        row += 2
    for figure in figures:
        _write_table(book, figure_table(figure), f"{shorten(clean_line(figure.title), 21)} (numbers)")


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


def _render_file(report: Report, options: RenderOptions) -> bytes:
    return render_xlsx(narrow_report(report, options))


renderers.add(
    "xlsx",
    Renderer(
        "xlsx", (".xlsx",), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "A workbook: typed cells, one sheet a table, and a sheet that says how to read them.", _render_file,
    ),
)  # fmt: skip
