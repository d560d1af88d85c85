"""Plain text: aligned, no wider than asked for, and nothing lost that is not said to be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.report.flat_table import flatten_table
from assay.report.parts import find_table
from assay.report.renderers.text import draw_grid, render_text
from assay.report.text_width import clip, pad, text_width, wrap
from assay.report.values import Figure, Report


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_line_is_wider_than_asked_for(report: Report, width: int) -> None:
    lines = render_text(report, width, draw=lambda _figure, _width: "").splitlines()
    assert max(text_width(line) for line in lines) <= width


@pytest.mark.parametrize("width", [60, 90, 300])
def test_columns_that_do_not_fit_follow_below(report: Report, width: int) -> None:
    table = flatten_table(find_table(report, "results"))
    lines = list(draw_grid(table, width))
    rules = [line for line in lines if line.startswith("─")]
    shown = sum(len(rule.split()) for rule in rules) - (len(rules) - 1)
    assert shown == len(table.columns)
    assert (len(rules) == 1) == (width == 300)


def test_numbers_stand_under_each_other(report: Report) -> None:
    lines = list(draw_grid(flatten_table(find_table(report, "results")), 300))
    ends = {
        line.index(text) + len(text) for line, text in zip(lines[2:5], ("1.23 ms", "988 µs", "23.5 ms"), strict=True)
    }
    assert len(ends) == 1


def test_a_drawing_stands_above_its_words(report: Report) -> None:
    def draw(figure: Figure, width: int) -> str:
        return f"[{figure.key} {width}]"

    text = render_text(report, 70, draw=draw)
    assert text.index("[trend 70]") < text.index("Latency rose by 11 % two days ago.")
    assert "[energy" not in text, "an empty figure is its sentence"


@given(st.text(max_size=40), st.integers(1, 30))
def test_clipping_and_padding(text: str, width: int) -> None:
    assert text_width(clip(text, width)) <= max(width, 1)
    assert text_width(pad(clip(text, width), width)) >= min(width, text_width(text))


def test_width_of_characters() -> None:
    assert [text_width(text) for text in ("abc", "漢字", "e\u0301", "a\u200bb", "")] == [3, 4, 1, 2, 0]
    assert clip("漢字漢字", 5) == "漢字…"
    assert wrap("", 20) == [""]
