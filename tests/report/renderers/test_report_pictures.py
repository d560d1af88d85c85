from __future__ import annotations

import io
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
from PIL import Image
from tests.loading import load_module

from assay.core.errors import UnknownNameError, UsageError
from assay.core.words import Provenance
from assay.report.base import RenderOptions, renderers
from assay.report.renderers.png import render_png
from assay.report.renderers.svg import render_svg
from assay.report.values import Cell, Column, Report, Section, Table

SVG = "{http://www.w3.org/2000/svg}"


composed = load_module("report.renderers.composed_figures")
TABLE = Table(
    "t", "Numbers", (Column("a", "a", "ns"),), ((Cell(1e6, Provenance.MEASURED),), (Cell(2e6, Provenance.IMPORTED),))
)
WHOLE = Report(
    "run", "Everything <about> one & only run", datetime(2026, 11, 22, 14, 45, tzinfo=UTC), "1.2.3",
    sections=(
        Section("one", "One", (composed.bars(), TABLE)),
        Section("two", "Two", (composed.trend(), composed.matrix(), composed.empty())),
    ),
)  # fmt: skip
TEXTLESS = Report("run", "Only tables", WHOLE.generated_at, "1.2.3", sections=(Section("one", "One", (TABLE,)),))


def parse(text: str) -> ET.Element:
    return ET.fromstring(text.encode())  # noqa: S314  (strict, and what assay wrote)


def words(svg: str) -> str:
    return " ".join(one.text or "" for one in parse(svg).iter(f"{SVG}text"))


def test_a_report_is_one_picture_of_all_its_figures() -> None:
    text = render_svg(WHOLE)
    root = parse(text)
    assert root[0].text == WHOLE.title
    said = words(text)
    for figure in WHOLE.figures():
        assert figure.title in said
    assert "run report · 2026-11-22 14:45 UTC" in said
    assert "assay 1.2.3 · 2026-11-22 14:45 UTC · numbers of the report's tables: 1 measured, 1 imported" in said
    assert "Triangles, dots and hatching: predicted." in said
    ids = [one.get("id") for one in root.iter() if one.get("id")]
    assert len(ids) == len(set(ids))
    assert text == render_svg(WHOLE)


def test_one_figure_stands_alone() -> None:
    options = RenderOptions(figure="bars")
    said = words(render_svg(WHOLE, options))
    assert composed.bars().title in said
    assert WHOLE.title not in said
    assert composed.trend().title not in said
    assert "assay 1.2.3" in said
    with pytest.raises(UnknownNameError, match="trend"):
        render_svg(WHOLE, RenderOptions(figure="trand"))


def test_png_is_as_wide_as_asked_for_and_dark_where_asked() -> None:
    for is_dark, paper in ((False, (255, 255, 255)), (True, (0x14, 0x18, 0x1D))):
        data = render_png(WHOLE, RenderOptions(figure="empty", is_dark=is_dark))
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.width == 760 * 160 // 72
            assert picture.convert("RGB").getpixel((2, 2)) == paper


def test_a_report_without_figures_says_what_to_do() -> None:
    for render in (render_svg, render_png):
        with pytest.raises(UsageError, match="has no figure") as raised:
            render(TEXTLESS)
        assert "Formats that work: " in (raised.value.hint or "")
        assert "png" not in (raised.value.hint or "").split()
        with pytest.raises(UsageError, match="'t' is a table"):
            render(WHOLE, RenderOptions(table="t"))


def test_a_picture_that_is_too_high_is_refused_with_a_way_out() -> None:
    figures = tuple(composed.bars() for _ in range(400))
    report = Report("run", "Many", WHOLE.generated_at, "1", sections=(Section("s", "S", figures),))
    with pytest.raises(UsageError, match="too high") as raised:
        render_png(report)
    assert "'bars'" in (raised.value.hint or "")


def test_both_formats_are_registered_under_their_names() -> None:
    for name, suffix, media in (("svg", ".svg", "image/svg+xml"), ("png", ".png", "image/png")):
        renderer = renderers.get(name)
        assert renderer.suffixes == (suffix,)
        assert renderer.media_type == media
        assert renderer.render(WHOLE, RenderOptions(figure="empty")).startswith((b"<?xml", b"\x89PNG"))
