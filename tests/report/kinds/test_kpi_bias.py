"""The parts of the KPI report: measured against data sheets, data sheets alone, all together; figures as data."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.loading import load_module

from assay.analysis.datasheet_bias import By, estimate_bias
from assay.analysis.datasheet_values import read_evidence
from assay.analysis.usable_numbers import select_any
from assay.core.words import Provenance
from assay.report.base import RenderOptions, ReportRequest, renderers
from assay.report.build import build_report
from assay.report.figures.datasheet import draw_factors
from assay.report.values import Report, Shape
from assay.store import Store

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
EVERY = ("csv", "html", "json", "markdown", "svg", "text", "xlsx")


composed, planted = load_module("analysis.ranked_results"), load_module("analysis.sheet_results")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    results = composed.Results(Store.open(tmp_path_factory.mktemp("kpi-bias") / "store"))
    planted.plant(results, {planted.HOPPER: 1.0, planted.AMPERE: 1.3, planted.CDNA3: 0.5})
    store: Store = results.keep()
    return store


def build(store: Store, **options: str) -> Report:
    return build_report(store, "kpi", ReportRequest(options=options, now=NOW))


def test_factors_stand_in_figure_table_and_summary(store: Store) -> None:
    report = build(store, show="bias")
    assert [section.key for section in report.sections] == ["sheet-bias", "sheet-shares"]
    figure = next(one for one in report.figures() if one.key == "sheet-bias-architecture")
    points = next(layer for layer in figure.layers if layer.shape is Shape.POINTS)
    assert figure.x.categories == (planted.AMPERE, planted.HOPPER, planted.CDNA3)
    assert points.provenance is Provenance.IMPORTED
    assert points.n == (50, 50, 50)
    assert "Least: AMD CDNA 3" in figure.alt
    table = next(one for one in report.tables() if one.key == "sheet-factors-architecture")
    keys = [column.key for column in table.columns]
    highest, lowest = table.rows[0], table.rows[-1]
    assert (highest[0].value, lowest[0].value) == (planted.AMPERE, planted.CDNA3)
    cell = highest[keys.index("factor")]
    assert cell.value is not None
    assert cell.lo is not None
    assert cell.provenance is Provenance.IMPORTED
    said = report.summary[0].paragraphs[0]
    assert "generations against" in said
    assert planted.AMPERE in said


def test_where_no_precision_is_stated_the_figure_is_a_sentence(store: Store) -> None:
    report = build(store, show="bias")
    figure = next(one for one in report.figures() if one.key == "sheet-bias-precision")
    assert figure.empty is not None
    assert figure.layers == ()


def test_a_group_of_reference_has_no_band_and_no_interval(store: Store) -> None:
    evidence = read_evidence(store, select_any({}))
    figure = draw_factors(estimate_bias(evidence, By.VENDOR, reference="NVIDIA"), Provenance.IMPORTED)
    band, points = figure.layers
    place = figure.x.categories.index("NVIDIA")
    assert points.lo[place] is None
    assert band.lo[3 * place] is None
    assert band.lo[2] is None
    assert len(band.x) == 6


def test_data_sheets_alone_need_no_result(tmp_path: Path) -> None:
    report = build(Store.open(tmp_path / "store"), show="sheets")
    keys = {section.key for section in report.sections}
    assert {"hw-correlations", "hw-trends", "hw-tiers", "hw-pareto", "hw-matrix"} <= keys
    again = build(Store.open(tmp_path / "store"), show="sheets")
    assert again.sections == report.sections


def test_all_is_all_parts_in_order(store: Store) -> None:
    keys = [section.key for section in build(store, show="all").sections]
    assert keys.index("correlation") < keys.index("sheet-bias") < keys.index("hw-tiers")


def test_an_empty_store_teaches_what_would_fill_it(tmp_path: Path) -> None:
    report = build(Store.open(tmp_path / "store"), show="bias")
    assert report.sections[0].key == "empty"
    assert "assay import" in report.sections[0].blocks[0].paragraphs[1]  # type: ignore[union-attr]


@pytest.mark.parametrize("form", EVERY)
def test_every_format_draws_it(store: Store, form: str) -> None:
    report = build(store, show="bias")
    figure = "sheet-bias-architecture" if form == "svg" else None
    assert renderers.get(form).render(report, RenderOptions(figure=figure))
