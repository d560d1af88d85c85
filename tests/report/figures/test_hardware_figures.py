"""Figures of data sheets: every number of the analysis stands in them, and nothing to draw says why."""

from __future__ import annotations

import pytest

from assay.analysis.hardware_clusters import cluster_devices
from assay.analysis.hardware_fronts import find_device_front
from assay.analysis.hardware_matrix import compare_matrix, matrix_figures
from assay.analysis.hardware_stats import correlate_devices
from assay.analysis.hardware_table import DeviceChoice, read_hardware
from assay.analysis.hardware_tier_rules import AI
from assay.analysis.hardware_tiers import tier_devices
from assay.analysis.hardware_trends import trend_devices
from assay.catalog.hardware.facts import view_facts
from assay.report.figures.hardware_groups import (
    draw_cluster_choice,
    draw_device_clusters,
    draw_device_front,
    draw_device_tiers,
)
from assay.report.figures.hardware_stats import draw_device_correlations, draw_device_matrix, draw_device_trends
from assay.report.values import Role, Shape

DATACENTRE = DeviceChoice(categories=("datacentre gpu",))


def test_correlations_are_a_square_with_intervals() -> None:
    found = correlate_devices(read_hardware(view_facts(), ["peak16", "bandwidth", "peak16_per_w"]))
    figure = draw_device_correlations(found)
    assert figure.heat is not None
    cell = figure.heat.cells[0][1]
    assert cell.value == found.cells[0][1].r
    assert (cell.lo, cell.hi) == (found.cells[0][1].lo, found.cells[0][1].hi)
    assert "architectures" in (cell.reason or "")
    assert figure.heat.cells[0][2].value is None
    assert "one is computed from the other" in (figure.heat.cells[0][2].reason or "")
    assert "1 pair left blank" in figure.notes[0]


def test_a_trend_has_points_a_line_and_a_band() -> None:
    table = read_hardware(view_facts(), ["peak16_per_w", "memory", "year"], DATACENTRE)
    (trend,) = trend_devices(table, ["peak16_per_w"])
    figure = draw_device_trends([trend])
    shapes = [layer.shape for layer in figure.layers]
    assert shapes == [Shape.BAND, Shape.POINTS, Shape.LINE]
    assert len(figure.layers[1].x) == trend.growth.n
    assert "doubles every" in figure.alt
    assert any("most of its kind so far" in label for label in figure.layers[1].labels)
    with pytest.raises(ValueError, match="expected one"):
        draw_device_trends(trend_devices(table, ["peak16_per_w", "memory"]))


def test_groups_are_colours_and_the_rule_stands_below() -> None:
    table = read_hardware(view_facts(), [*AI.columns, "peak32", "tdp"], DATACENTRE)
    tiers = tier_devices(table, AI, draws=5)
    figure = draw_device_tiers(tiers)
    assert {layer.label for layer in figure.layers} <= set(AI.tiers)
    assert sum(len(layer.x) for layer in figure.layers) == sum(one.tier is not None for one in tiers.devices)
    assert "72 GiB" in figure.caption
    clusters = cluster_devices(table, ["peak16", "bandwidth"], k=2)
    assert len(draw_device_clusters(clusters).layers) == 2
    choice = draw_cluster_choice(clusters)
    assert [len(layer.x) for layer in choice.layers] == [7, 7, 7]


def test_a_front_takes_two_figures() -> None:
    table = read_hardware(view_facts(), ["tdp", "peak16", "memory"], DATACENTRE)
    found = find_device_front(table, ["tdp", "peak16"], draws=10)
    figure = draw_device_front(found)
    (front,) = [layer for layer in figure.layers if layer.role is Role.FRONT]
    assert {one.values for one in found.front} <= set(zip(front.x, front.y, strict=True))
    with pytest.raises(ValueError, match="takes 2"):
        draw_device_front(find_device_front(table, ["tdp", "peak16", "memory"], draws=10))


def test_a_matrix_shows_scaled_figures_and_tells_raw_ones() -> None:
    found = compare_matrix(read_hardware(view_facts(), matrix_figures("compute"), DATACENTRE), "compute")
    figure = draw_device_matrix(found, most_rows=10)
    assert figure.heat is not None
    assert len(figure.heat.cells) == 10
    assert "10 of" in figure.notes[0]
    first = figure.heat.cells[0][found.columns.index(next(c for c in found.columns if c.key == "peak16"))]
    assert "FLOP/s" in (first.reason or "")
    assert found.rule == figure.caption
