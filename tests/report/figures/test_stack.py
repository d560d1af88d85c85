"""Stacked bars: each part begins where those before it end, in every format that draws figures."""

from __future__ import annotations

import json

import pytest

from assay.core.words import Provenance
from assay.report.figure_data import figure_table
from assay.report.figures.stack import Stack, draw_stacks
from assay.report.renderers.plan import make_plan
from assay.report.renderers.plotly import figure_to_plotly
from assay.report.renderers.textplot import plot_figure
from assay.report.values import Cell, Figure, Layer, Shape


def part(value: float | None) -> Cell:
    return Cell(value, None if value is None else Provenance.MEASURED, n=5, reason="not measured")


def draw(*stacks: Stack) -> Figure:
    return draw_stacks(
        stacks=stacks, parts=("launch", "fetch", "first"), title="Until the first answer", metric="time", unit="ns",
        of="case",
    )  # fmt: skip


ONE = Stack("one", {"launch": part(600e6), "fetch": part(100e6), "first": part(50e6)})
TWO = Stack("two", {"launch": part(500e6), "fetch": part(None), "first": part(20e6)})


def test_parts_stand_on_each_other_and_keep_their_own_lengths() -> None:
    figure = draw(ONE, TWO)
    by_name = {layer.label: layer for layer in figure.layers}
    assert by_name["launch"].base == (0.0, 0.0)
    assert by_name["fetch"].x == (0.0,)
    assert (by_name["fetch"].base, by_name["fetch"].y) == ((600e6,), (100e6,))
    assert (by_name["first"].base, by_name["first"].y) == ((700e6, 500e6), (50e6, 20e6))
    assert figure.notes == ("Not every part is known of two.",)
    assert "Longest: one, 750 ms, of which launch 600 ms." in figure.alt
    assert "Shortest: two, 520 ms" in figure.alt


def test_a_plan_gives_them_one_place_and_an_axis_that_holds_the_whole() -> None:
    plan = make_plan(draw(ONE, TWO), can_turn=True)
    assert {series.offset for series in plan.series} == {0.0}
    assert {round(series.width, 3) for series in plan.series} == {0.8}
    assert plan.x_ticks.low == 0.0
    assert plan.x_ticks.high >= 750e6


def test_an_interactive_plot_begins_them_where_the_others_end() -> None:
    traces = figure_to_plotly(draw(ONE, TWO))["data"]
    bars = {trace["name"]: trace for trace in traces if trace["type"] == "bar"}
    lengths = "x" if bars["first"]["orientation"] == "h" else "y"
    assert bars["first"]["base"] == pytest.approx([700.0, 500.0])
    assert bars["first"][lengths] == pytest.approx([50.0, 20.0])
    assert json.dumps(traces)


def test_text_draws_a_row_for_each_part_behind_the_one_before() -> None:
    lines = plot_figure(draw(ONE), width=80).splitlines()
    rows = [line for line in lines if "│" in line]
    starts = [row.index("│") + 1 + len(row.split("│")[1]) - len(row.split("│")[1].lstrip()) for row in rows]
    assert starts == sorted(starts)
    assert starts[0] < starts[1] < starts[2]
    assert "600 ms" in rows[0]
    assert "100 ms" in rows[1]


def test_its_numbers_are_a_table_of_the_parts() -> None:
    table = figure_table(draw(ONE, TWO))
    assert [(row[0].value, row[-1].value) for row in table.rows] == [
        ("launch", 600e6), ("launch", 500e6), ("fetch", 100e6), ("first", 50e6), ("first", 20e6),
    ]  # fmt: skip


def test_what_is_not_known_is_said_and_nothing_is_drawn_of_nothing() -> None:
    figure = draw(Stack("blank", {"launch": part(None)}))
    assert figure.empty is not None
    assert figure.notes == ("Nothing is known of blank.",)
    assert draw().empty is not None
    many = [Stack(f"case {number}", {"launch": part(1e6)}) for number in range(30)]
    assert draw(*many).notes == ("The first 24 of 30 are drawn.",)


def test_a_layer_of_bars_needs_as_many_bases_as_values() -> None:
    with pytest.raises(ValueError, match="1 values of base for 2 of x"):
        Layer("parts", Shape.BARS, x=(0.0, 1.0), y=(1.0, 2.0), base=(0.0,))
