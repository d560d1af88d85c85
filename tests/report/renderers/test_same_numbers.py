"""The same numbers stand in every format: they are read back from each, cell by cell, and compared with the report."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import openpyxl
import pytest

from assay.report.cleaning import clean_text
from assay.report.display import cell_text, cell_unit, is_missing, is_number, number_column_unit
from assay.report.json_content import to_content
from assay.report.parts import find_table
from assay.report.renderers.csv_text import render_wide
from assay.report.renderers.html import anchor
from assay.report.sheet_columns import sheet_columns
from assay.report.values import Cell, Facts, Report, Table

TABLES = ("results", "ratios")
SHEETS = {"results": "Results", "ratios": "Ratios"}


def expected(table: Table) -> list[list[str]]:
    return [[cell_text(cell, column) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]


def bare(text: str) -> str:
    """A cell of a text format without the signs, the verdict and the note behind its value."""
    without_note = re.sub(r" ?(\[\d+\]|<sup>\d+</sup>)$", "", text)
    words = r" (regressed|improved|inconclusive|suspect|missing)"
    behind = rf"^(–|.*?(?: [%\w/°]+)?)(?: [◇△~✗⊗]+)?(?:{words})?$"
    found = re.fullmatch(behind, without_note)
    return found[1] if found else without_note


@pytest.mark.parametrize("key", TABLES)
def test_html(report: Report, rendered: dict[str, str], read_back: ModuleType, key: str) -> None:
    page = read_back.read_html(rendered["html"])
    assert read_back.html_rows(page, key) == expected(find_table(report, key))


@pytest.mark.parametrize("key", TABLES)
@pytest.mark.parametrize("form", ["text", "markdown"])
def test_text_and_markdown(
    report: Report, rendered: dict[str, str], read_back: ModuleType, form: str, key: str
) -> None:
    table = find_table(report, key)
    if form == "text":
        heads, rows = read_back.text_rows(rendered["text"], table.title)
    else:
        heading = f"## {table.title}" if table.title == "Results" else f"### {table.title}"
        heads, rows = read_back.markdown_rows(rendered["markdown"], heading)
    added = [number for number, head in enumerate(heads) if head == "n" or head.endswith("interval")]
    kept = [[bare(cell) for number, cell in enumerate(row) if number not in added] for row in rows]
    assert kept == expected(table)


@pytest.mark.parametrize("key", TABLES)
def test_csv_of_one_table(report: Report, key: str) -> None:
    table = find_table(report, key)
    rows = list(csv.DictReader(io.StringIO(render_wide(table), newline="")))
    assert len(rows) == len(table.rows)
    for row, cells in zip(rows, table.rows, strict=True):
        for column, cell in zip(table.columns, cells, strict=True):
            assert_same(row[column.key], cell)
            assert row.get(f"{column.key}.lo", "") == ("" if cell.lo is None else repr(cell.lo))
            assert row.get(f"{column.key}.provenance", "") == (cell.provenance or "")
            assert row.get(f"{column.key}.verdict", "") == (cell.verdict or "")
            assert row.get(f"{column.key}.reason", "") == (cell.reason or "")


def assert_same(text: str, cell: Cell) -> None:
    if is_missing(cell):
        assert text == ""
    elif is_number(cell):
        assert float(text) == cell.value
    elif isinstance(cell.value, datetime):
        assert datetime.fromisoformat(text) == aware(cell.value)
    elif isinstance(cell.value, bool):
        assert text == ("true" if cell.value else "false")
    else:
        assert text == cell.value


def aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def test_csv_of_everything_has_every_number(report: Report, rendered: dict[str, str]) -> None:
    rows = list(csv.DictReader(io.StringIO(rendered["csv"], newline="")))
    found = {(row["block"], row["row"], row["column"]): row for row in rows}
    numbers = 0
    for table in report.tables():
        for place, cells in enumerate(table.rows, start=1):
            for column, cell in zip(table.columns, cells, strict=True):
                if not is_number(cell):
                    continue
                row = found[clean_text(table.key), str(place), column.key]
                assert float(row["value"]) == cell.value
                assert row["unit"] == (cell_unit(cell, column) or "")
                assert (row["provenance"], row["verdict"]) == (cell.provenance or "", cell.verdict or "")
                assert row["usable"] == ("true" if cell.is_usable else "false")
                assert (row["lo"], row["hi"]) == tuple("" if end is None else repr(end) for end in (cell.lo, cell.hi))
                numbers += 1
    assert numbers == 64
    for figure in report.figures():
        drawn = [
            float(row["value"]) for row in rows if row["block"] == figure.key and row["column"] == "y" and row["value"]
        ]
        assert drawn == [y for layer in figure.layers for y in layer.y if y is not None]
    heat = [row for row in rows if row["block"] == "matrix"]
    assert [row["value"] for row in heat] == ["120.5", "2400.0", "80.25", ""]
    assert [row["provenance"] for row in heat] == ["measured", "predicted", "imported", ""]
    assert heat[3]["reason"] == "it needs more memory than the device has"


def test_json_is_the_report(report: Report, rendered: dict[str, str]) -> None:
    content = json.loads(rendered["json"])
    for section, shown in zip(report.sections, content["sections"], strict=True):
        for block, drawn in zip(section.blocks, shown["blocks"], strict=True):
            if isinstance(block, Table):
                values = [[cell.get("value") for cell in row] for row in drawn.get("rows", [])]
                assert values == [[to_content(cell.value) for cell in row] for row in block.rows]
            if isinstance(block, Facts):
                assert [name for name, _ in drawn["items"]] == [to_content(name) for name, _ in block.items]
    latency = content["sections"][0]["blocks"][0]["rows"][0][2]
    assert latency == {
        "value": 1234567.891, "provenance": "measured", "verdict": "trusted", "lo": 1221000.5, "hi": 1249000.25, "n": 5,
        "ref": {"kind": "result", "id": "r1"},
    }  # fmt: skip


@pytest.mark.parametrize("key", TABLES)
def test_xlsx(report: Report, workbook: bytes, key: str) -> None:
    table = find_table(report, key)
    sheet = openpyxl.load_workbook(io.BytesIO(workbook))[SHEETS[key]]
    columns = sheet_columns(table)
    assert [sheet.cell(4, place).value for place in range(1, len(columns) + 1)] == [one.heading for one in columns]
    units = [place for place, column in enumerate(columns, start=1) if column.heading.endswith(": unit")]
    own = [place for place, column in enumerate(columns, start=1) if not column.is_companion and place not in units]
    assert len(own) == len(table.columns)
    for index, place in enumerate(own):
        scale = number_column_unit(table, index)
        is_share = table.columns[index].unit == "share"
        divisor = 1.0 if scale is None or is_share else scale.divisor
        for number, row in enumerate(table.rows):
            assert_in_sheet(sheet.cell(5 + number, place), row[index], divisor)


def assert_in_sheet(found: Any, cell: Cell, divisor: float) -> None:
    if is_missing(cell):
        assert found.value == "–"
    elif isinstance(cell.value, datetime):
        assert found.value == aware(cell.value).astimezone(UTC).replace(tzinfo=None)
        assert found.is_date
    elif isinstance(cell.value, bool):
        assert found.value is cell.value
    elif isinstance(cell.value, int | float):
        assert found.data_type == "n"
        assert math.isclose(found.value * divisor, cell.value, rel_tol=1e-12)
        for word, sign in (("imported", "◇"), ("predicted", "△")):
            assert (sign in found.number_format) == (cell.provenance == word)
    else:
        assert found.value == cell.value


def test_facts_are_the_same_everywhere(report: Report, rendered: dict[str, str], read_back: ModuleType) -> None:
    facts = next(block for block in report.blocks() if isinstance(block, Facts))
    shown = [cell_text(cell) for _, cell in facts.items]
    page = read_back.read_html(rendered["html"]).find(key=anchor(facts.key))[0]
    assert [read_back.value_text(one) for one in page.find("dd")] == shown
    lines = rendered["text"].splitlines()
    start = lines.index("Environment") + 2
    assert [bare(line[13:]) for line in lines[start : start + len(shown)]] == shown
    _, rows = read_back.markdown_rows(rendered["markdown"], "### Environment")
    assert [bare(row[1]) for row in rows] == shown
