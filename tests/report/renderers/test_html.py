"""The page: its size, its blocks, what a missing package means."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from assay.core.errors import AssayError, UnknownNameError
from assay.core.words import Change, Provenance, Verdict
from assay.report.base import RenderOptions, renderers
from assay.report.renderers.html import MOST_BYTES, block_environment, render_html, report_css
from assay.report.values import Cell, Column, Figure, Report, Section, Table


def large_report(report: Report, rows: int) -> Report:
    columns = (Column("name", "name"), *(Column(f"v{place}", f"value {place}", unit="ns") for place in range(8)))
    table = Table(
        "large",
        "Large",
        columns,
        tuple(
            (
                Cell(f"case {row}"),
                *(Cell(1e6 + row, Provenance.MEASURED, Verdict.TRUSTED, 0.9e6, 1.1e6, n=5) for _ in columns[1:]),
            )
            for row in range(rows)
        ),
    )
    return replace(report, sections=(*report.sections[:2], Section("large", "Large", (table,))))


def no_picture(_: Figure) -> None:
    return None


def test_a_large_report_is_cut_and_says_so(report: Report, read_back: ModuleType) -> None:
    assert MOST_BYTES == 2_000_000
    most = 400_000
    text = render_html(large_report(report, 500), draw=no_picture, most_bytes=most)
    assert 0.5 * most < len(text.encode()) <= most
    page = read_back.read_html(text)
    rows = len(read_back.html_rows(page, "large"))
    shown = page.find(key="large")[0].find("p", name="r-left-out")[0].text()
    assert shown == f"{500 - rows} more rows are not shown."
    assert f"larger than 0.4 MB, so its tables end after {rows} rows" in page.find("main")[0].text()
    assert len(read_back.html_rows(page, "results")) == 6


def test_a_small_report_is_whole(rendered: dict[str, str]) -> None:
    assert "its tables end after" not in rendered["html"]
    assert len(rendered["html"].encode()) < 200_000


def test_provenance_and_verdict_stand_at_each_number(rendered: dict[str, str], read_back: ModuleType) -> None:
    body = read_back.read_html(rendered["html"]).find(key="results")[0].find("tbody")[0]
    words = {
        (row, place): cell.find("span", name="r-tail")[0].spoken()
        for row, one in enumerate(body.find("tr"))
        for place, cell in enumerate(one.children)
        if cell.find("span", name="r-tail")
    }
    assert words[1, 2] == "noisy note 2"
    assert words[2, 2] == "contaminatedleft out note 3"
    assert words[3, 4] == "imported"
    assert words[4, 5] == "predictedleft out"
    assert (0, 2) not in words, "measured and trusted has no sign"


def test_a_missing_value_says_why(rendered: dict[str, str], read_back: ModuleType) -> None:
    block = read_back.read_html(rendered["html"]).find(key="results")[0]
    cell = block.find("tbody")[0].find("tr")[0].children[5]
    assert cell.spoken() == "not known note 1"
    notes = [one.text() for one in block.find("ol", name="r-footnotes")[0].find("li")]
    assert notes[0] == "no counter of energy can be read on this machine"
    assert len(notes) == 11


def test_a_verdict_is_said_once_a_row(read_back: ModuleType) -> None:
    template = block_environment().from_string('{% import "blocks.html" as b %}{{ b.table(table) }}')
    ratio = Cell(1.1, change=Change.REGRESSED, unit="ratio")
    columns = (Column("a", "a"), Column("b", "b"), Column("c", "c"))
    said = Table("t", "T", columns, ((Cell("x"), ratio, Cell("regressed", change=Change.REGRESSED)),))
    alone = replace(said, rows=((Cell("x"), ratio, Cell("y")),))
    for table in (said, alone):
        chips = [one.text() for one in read_back.read_html(template.render(table=table)).find("span", name="r-change")]
        assert chips == ["regressed"]


def test_a_part_of_a_report(report: Report, read_back: ModuleType) -> None:
    html = renderers.get("html")
    page = read_back.read_html(html.render(report, RenderOptions(table="ratios")).decode())
    assert [one.attributes["id"] for one in page.find("div", name="r-table-block")] == ["ratios"]
    with pytest.raises(UnknownNameError, match="Did you mean 'ratios'"):
        html.render(report, RenderOptions(table="ratio"))
    with pytest.raises(UnknownNameError, match="figure"):
        html.render(report, RenderOptions(figure="nothing"))


def test_paper_is_light_and_themes_are_both_there() -> None:
    css = report_css()
    assert css.index('[data-theme="dark"]') < css.index("@media print{:root:root:root{color-scheme:light")
    assert css.count("--paper:#ffffff") == 2


def test_a_figure_that_cannot_be_drawn_shows_its_numbers(rendered: dict[str, str], read_back: ModuleType) -> None:
    page = read_back.read_html(rendered["html"])
    details = page.find("details", name="r-data")
    assert [("open" in one.attributes) for one in details] == [True, True, True]
    assert "No sensor of power could be read." in page.find("figure", key="energy")[0].text()


def test_a_drawing_without_its_package(report: Report, read_back: ModuleType) -> None:
    def draw(_: Figure) -> str:
        raise AssayError("no matplotlib")

    page = read_back.read_html(render_html(report, draw=draw))
    assert page.find("svg") == []


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(AssayError, match=r"pip install 'assay\[report\]'"):
        block_environment()


@pytest.mark.parametrize("name", ["text", "markdown", "csv", "json", "html", "xlsx"])
def test_every_renderer_says_what_it_is(name: str, report: Report) -> None:
    renderer: Any = renderers.get(name)
    assert renderer.name == name
    assert renderer.suffixes[0].startswith(".")
    assert "/" in renderer.media_type
    empty = replace(report, sections=(), summary=(), scope=(), sources=(), how_to_read=(), extra={})
    assert renderer.render(empty, RenderOptions())
