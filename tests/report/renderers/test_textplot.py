from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.loading import load_module

from assay.report.renderers.textgrid import Grid, to_ascii
from assay.report.renderers.textplot import plot_figure
from assay.report.text_width import text_width
from assay.report.values import Axis, Figure, FigureKind, Layer, Shape

composed = load_module("report.renderers.composed_figures")
EVERY: tuple[Callable[[], Figure], ...] = (*composed.KINDS, *composed.OTHERS)


@pytest.mark.parametrize("compose", EVERY, ids=lambda one: one.__name__)
@pytest.mark.parametrize("width", [40, 61, 100])
def test_no_line_is_too_long_or_holds_what_a_terminal_must_not_get(compose: Callable[[], Figure], width: int) -> None:
    figure = compose()
    text = plot_figure(figure, width)
    assert max(text_width(line) for line in text.split("\n")) <= width
    assert all(letter == "\n" or letter.isprintable() or letter in "\u2068\u2069\u202f\u00a0" for letter in text)
    plain = plot_figure(figure, width, is_ascii=True)
    assert plain.isascii()
    assert len(plain.split("\n")) == len(text.split("\n"))


def test_signs_tell_where_numbers_are_from() -> None:
    text = plot_figure(composed.pareto(), 100)
    assert "─ front   ● measured   ◇ imported   △ predicted   ⊗ measured, not used" in text
    assert text.count("△") == 2  # its mark, and the legend
    assert "Energy per sample, mJ ↓ lower is better" in text
    assert "Latency, ms ← lower is better" in text


def test_each_look_of_each_group_has_a_letter_of_its_own() -> None:
    text = plot_figure(composed.scaling(), 100)
    assert "a torch (measured)   b torch, predicted   c onnxruntime (imported)" in text
    assert "┊ knee at 24" in text


def test_names_get_rows_with_their_numbers() -> None:
    lines = plot_figure(composed.bars(), 100).split("\n")
    row = next(line for line in lines if line.startswith("NVIDIA H100 SXM"))
    assert row.endswith("4300 /s (4200 … 4500 /s)")
    assert row.count("█") > lines[1].count("█")
    forest = plot_figure(composed.comparison(), 100)
    assert "+8.0 % (+4.8 % … +11.2 %)" in forest
    assert "+3.0 % (−10.0 % … +20.0 %) not used" in forest


def test_heat_is_a_table_with_signs() -> None:
    lines = plot_figure(composed.matrix(), 100).split("\n")
    assert lines[0] == "Latency, ms lower is better"
    assert lines[2].split() == ["bert/base", "4.21", "◇", "2.30", "◇", "1.79", "0.885", "△", "0.856", "1.08"]
    assert lines[-1] == "◇ imported   △ predicted   ⊗ not used in rankings   – not known"
    assert "more columns" in plot_figure(composed.matrix(), 40)


def test_empty_is_said() -> None:
    assert plot_figure(composed.empty(), 100) == composed.empty().empty
    figure = Figure("e", FigureKind.BARS, "t", Axis("x"), Axis("y"), (Layer("a", Shape.POINTS, x=(1.0,), y=(None,)),))
    assert plot_figure(figure, 100) == "There is nothing to draw."


def test_a_line_goes_from_corner_to_corner() -> None:
    grid = Grid(10, 5)
    grid.polyline([(0.0, 0.0), (1.0, 1.0)], "x", is_step=False)
    assert grid.lines() == ["        xx", "      xx  ", "    xx    ", "  xx      ", "xx        "]
    steps = Grid(10, 5)
    steps.polyline([(0.0, 0.1), (0.5, 0.9)], "x", is_step=True)
    assert steps.lines()[0] == "     x    "
    assert steps.lines()[4] == "xxxxxx    "


def test_bars_end_between_letters() -> None:
    grid = Grid(8, 1)
    grid.row(0.0, 0.5625, "▏▎▍▌▋▊▉█")
    assert grid.lines() == ["████▌   "]
    assert to_ascii("████▌ ● ◇ △ ⊗ …") == "##### o < ^ x ~"
