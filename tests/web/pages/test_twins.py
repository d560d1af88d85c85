"""A page, its JSON and its CSV hold the same numbers, the same rows, in the same order."""

from __future__ import annotations

import csv
import importlib.util
import io
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from assay.report.display import cell_text
from assay.report.values import Cell, Column

if TYPE_CHECKING:
    from starlette.testclient import TestClient

_SPEC = importlib.util.spec_from_file_location("page_parser_twins", Path(__file__).with_name("page_parser.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
page_parser = importlib.util.module_from_spec(_SPEC)
sys.modules["page_parser_twins"] = page_parser
_SPEC.loader.exec_module(page_parser)


def tables_of(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {block["key"]: block for section in content["sections"] for block in section["blocks"] if "columns" in block}


def value_of(cell: dict[str, Any]) -> Any:
    value = cell.get("value")
    if isinstance(value, str) and len(value) > 18 and value[4:5] == "-" and "T" in value:
        return datetime.fromisoformat(value)
    return value


def text_of(cell: dict[str, Any], column: dict[str, Any]) -> str:
    made = Cell(value_of(cell), unit=cell.get("unit"))
    return cell_text(
        made, Column(column["key"], column["title"], column.get("unit"), is_code=column.get("is_code", False))
    )


@pytest.mark.parametrize(
    ("path", "key", "before"),
    [
        ("/runs?suite=nightly&sort=started", "runs", 1),
        ("/runs?cols=took&cols=host&cols=provenance", "runs", 1),
        ("/results?engine=openvino&sort=latency_ns", "results", 0),
        ("/results?provenance=imported", "results", 0),
        ("/results?page=2", "results", 0),
        ("/trends?sort=-n", "series", 0),
        ("/devices?all=1&sort=-peak", "devices", 0),
        ("/workloads?q=e", "workloads", 0),
    ],
)
def test_a_list_and_its_twins_hold_the_same(measured: TestClient, path: str, key: str, before: int) -> None:
    place, _, query = path.partition("?")
    page = page_parser.parse(measured.get(path).text)
    shown = [
        [one for one in row.children if not isinstance(one, str) and not one.has_class("app-own")]
        for row in page.find("tbody")[0].find("tr")
    ]
    assert before in {0, 1}
    table = tables_of(measured.get(f"{place}.json?{query}").json())[key]
    assert len(table["rows"]) == len(shown) > 0
    for row, cells in zip(shown, table["rows"], strict=True):
        for element, cell, column in zip(row, cells, table["columns"], strict=True):
            expected = " ".join(text_of(cell, column).split())
            assert element.text.startswith(expected[:90]), (element.text, expected)
    lines = list(csv.DictReader(io.StringIO(measured.get(f"{place}.csv?{query}").text)))
    assert len(lines) == len(table["rows"])
    for line, cells in zip(lines, table["rows"], strict=True):
        for cell, column in zip(cells, table["columns"], strict=True):
            value = cell.get("value")
            if isinstance(value, int | float) and not isinstance(value, bool):
                assert float(line[column["key"]]) == value
            elif value is None:
                assert line[column["key"]] == ""
            for end in ("lo", "hi"):
                if cell.get(end) is not None:
                    assert float(line[f"{column['key']}.{end}"]) == cell[end]


def test_filters_of_the_address_hold_in_every_twin(measured: TestClient) -> None:
    every = tables_of(measured.get("/results.json?size=1000").json())["results"]
    some = tables_of(measured.get("/results.json?size=1000&engine=openvino").json())["results"]
    engine = [column["key"] for column in some["columns"]].index("engine")
    assert {row[engine]["value"] for row in some["rows"]} == {"openvino"}
    assert 0 < len(some["rows"]) < len(every["rows"])


def test_all_rows_come_as_csv_where_the_page_has_a_part(measured: TestClient) -> None:
    page = page_parser.parse(measured.get("/results").text)
    link = next(one for one in page.find("a") if one.text == "all as CSV")
    rows = list(csv.DictReader(io.StringIO(measured.get(link.attributes["href"]).text)))
    assert (
        len(rows) == measured.get("/results.json?size=10000").json()["sections"][0]["blocks"][0]["rows"].__len__() > 50
    )


def test_another_table_and_a_figure_come_when_they_are_named(measured: TestClient, facts: Any) -> None:
    launches = measured.get(f"/results/{facts.result_id}.csv?table=launches")
    assert len(list(csv.DictReader(io.StringIO(launches.text)))) == 5
    picture = measured.get(f"/results/{facts.result_id}.svg?figure=distribution")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert picture.text.lstrip().startswith(("<?xml", "<svg"))
    assert measured.get(f"/results/{facts.result_id}.csv?table=nothing").status_code == 400


def test_a_page_and_its_twin_were_made_from_one_report(measured: TestClient) -> None:
    page = page_parser.parse(measured.get("/workloads?q=bert").text)
    made = page.find("time")[-1].attributes["datetime"]
    assert datetime.fromisoformat(
        measured.get("/workloads.json?q=bert").json()["generated_at"]
    ) == datetime.fromisoformat(made)


def test_measured_numbers_are_what_is_shown_unasked(measured: TestClient) -> None:
    for path in ("/results.json", "/trends.json", "/kpi.json"):
        content = measured.get(path).json()
        words = {
            cell.get("provenance")
            for table in tables_of(content).values()
            for row in table["rows"]
            for cell in row
            if cell.get("provenance")
        }
        assert words <= {"measured"}, path
