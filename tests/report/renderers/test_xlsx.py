"""Workbooks: what can be relied on in a sheet, besides its numbers."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

import openpyxl
import pytest

from assay.core.errors import AssayError
from assay.core.words import Provenance
from assay.report import sheet_columns
from assay.report.renderers import xlsx
from assay.report.renderers.xlsx import render_xlsx
from assay.report.values import Cell, Column, Report, Section, Table


def read(content: bytes) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(content))


def only(report: Report, table: Table) -> Report:
    return replace(report, sections=(Section("one", "One", (table,)),))


def test_the_first_sheet_says_how_to_read(workbook: bytes, report: Report) -> None:
    book = read(workbook)
    assert book.sheetnames[0] == "How to read"
    said = "\n".join(str(cell.value) for row in book["How to read"].iter_rows() for cell in row if cell.value)
    for expected in (
        report.title, "41 numbers: 14 measured, 24 imported, 3 predicted", "◇ imported", "suite", "0199aaaa-1a2b3c4d",
        "MLPerf Inference 5.0, closed division", "lower is better", "58\u202f559 more rows are not in this sheet",
        "Nothing: Nothing was measured yet.",
    ):  # fmt: skip
        assert expected in said
    assert all(name in said for name in book.sheetnames[1:])


def test_headings_stay_in_sight_and_can_be_filtered(workbook: bytes) -> None:
    sheet = read(workbook)["Results"]
    assert sheet.freeze_panes == "B5"
    assert sheet.auto_filter.ref is not None
    assert sheet.auto_filter.ref.startswith("A4:")
    assert sheet.print_title_rows == "$4:$4"


def test_what_is_known_of_numbers_stands_in_one_group_at_the_right(workbook: bytes, report: Report) -> None:
    sheet = read(workbook)["Results"]
    columns = sheet_columns.sheet_columns(report.tables()[0])
    beside = [place for place, column in enumerate(columns, start=1) if column.is_companion]
    assert beside == list(range(beside[0], len(columns) + 1))
    letters = [openpyxl.utils.get_column_letter(place) for place in beside]
    levels = [group.outlineLevel for group in sheet.column_dimensions.values() if group.index in letters]
    assert set(levels) == {1}
    assert not any(group.hidden for group in sheet.column_dimensions.values())


def test_a_small_number_keeps_its_digits_beside_large_ones(workbook: bytes) -> None:
    sheet = read(workbook)["Results"]
    heading = [cell.value for cell in sheet[4]].index("energy per sample (J)") + 1
    assert sheet.cell(6, heading).value == 0.01234
    assert sheet.cell(6, heading).number_format.startswith("#,##0.0000")


def test_more_rows_than_a_sheet_holds(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "MOST_ROWS", 25)
    table = Table("many", "Many", (Column("a", "a"),), tuple((Cell(number),) for number in range(100)))
    sheet = read(render_xlsx(only(report, table)))["Many"]
    assert sheet.max_row == 24
    assert sheet["A2"].value == "80 more rows are not in this sheet"


def test_two_tables_of_one_title(report: Report) -> None:
    table = Table("a", "Same", (Column("a", "a"),), ((Cell(1),),))
    both = replace(report, sections=(Section("one", "One", (table, replace(table, key="b", title="SAME"))),))
    assert read(render_xlsx(both)).sheetnames[1:] == ["Same", "SAME (2)"]


def test_large_whole_numbers_are_texts_where_a_sheet_would_round_them(report: Report) -> None:
    cells = (Cell(2**60), Cell(7, Provenance.MEASURED))
    table = Table("a", "A", (Column("a", "a", is_code=True), Column("b", "b")), (cells,))
    sheet = read(render_xlsx(only(report, table)))["A"]
    assert (sheet["A5"].value, sheet["B5"].value) == (str(2**60), 7)


def test_a_package_that_is_missing_is_named(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(AssayError, match=r"pip install 'assay\[report\]'"):
        render_xlsx(report)
