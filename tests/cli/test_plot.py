"""Pictures of letters: what stands where, at every width, with and without Unicode."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.cli.plot import (
    ASCII,
    NARROWEST,
    UNICODE,
    Glyphs,
    Level,
    Mark,
    Plot,
    choose_glyphs,
    draw_plot,
    draw_sparkline,
    plain_text,
)


def text_of(plot: Plot, *, width: int = 60, height: int = 6, glyphs: Glyphs = UNICODE) -> list[str]:
    return [plain_text(line) for line in draw_plot(plot, width=width, height=height, glyphs=glyphs)]


def make_plot(count: int = 20, *, changes: int = 2, cuts: int = 1) -> Plot:
    draw = random.Random(count)
    half = max(1, count // 2)
    return Plot(
        values=[12e6 * draw.uniform(0.98, 1.02) * (1.0 if place < half else 1.05) for place in range(count)],
        is_used=[place % 7 != 5 for place in range(count)],
        labels=[f"2026-01-{1 + place % 28:02d}" for place in range(count)],
        levels=[Level(0, half - 1, 12e6), Level(min(half, count - 1), count - 1, 12.6e6)],
        changes=[
            Mark(place * (count - 1) // max(1, changes), f"+{place}.0 % worse", "worse") for place in range(changes)
        ],
        cuts=[Mark(count // 3, "abc"[number], "cut") for number in range(cuts)],
        unit="ms",
        scale=1e6,
    )


WHOLE = Plot(
    values=[1.0, 1.0, 2.0, None, 2.0, 9.0],
    is_used=[True, True, True, False, True, False],
    labels=["mon", "tue", "wed", "thu", "fri", "sat"],
    levels=[Level(0, 1, 1.0), Level(2, 4, 2.0)],
    changes=[Mark(2, "×2.0 worse", "worse")],
    cuts=[Mark(4, "a", "cut")],
    unit="s",
)


def test_a_whole_picture() -> None:
    assert text_of(WHOLE, width=44) == [
        "                 ▼ ×2.0 worse",
        "2.0 s │              ●▔▔▔▔▔▔▔▔▔▔▔▔▔▔●      ▴",
        "      │                         ┊",
        "      │                         ┊",
        "1.5 s │                         ┊",
        "      │                         ┊",
        "1.0 s │●▁▁▁▁▁▁●                 ┊",
        "                                a",
        "       mon          wed                  sat",
    ]


def test_a_whole_picture_in_letters() -> None:
    assert text_of(WHOLE, width=44, glyphs=ASCII) == [
        "                 V x2.0 worse",
        "2.0 s |              o--------------o      ^",
        "      |                         :",
        "      |                         :",
        "1.5 s |                         :",
        "      |                         :",
        "1.0 s |o______o                 :",
        "                                a",
        "       mon          wed                  sat",
    ]


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
@pytest.mark.parametrize("width", [60, 80, 100, 200])
@pytest.mark.parametrize("count", [1, 2, 7, 60, 1000])
def test_no_line_is_wider_than_asked_for(count: int, width: int, glyphs: Glyphs) -> None:
    lines = text_of(make_plot(count, cuts=3), width=width, glyphs=glyphs)
    assert max(map(len, lines)) <= width
    if glyphs is ASCII:
        assert "\n".join(lines).isascii()


@given(
    st.lists(st.one_of(st.none(), st.floats(1e-9, 1e15)), min_size=1, max_size=80), st.integers(NARROWEST, 220),
    st.integers(3, 30),
)  # fmt: skip
def test_any_positive_values_can_be_drawn(values: list[float | None], width: int, height: int) -> None:
    known = [value for value in values if value is not None]
    plot = Plot(
        values, [True] * len(values), [""] * len(values), [Level(0, len(values) - 1, value) for value in known[:1]]
    )
    if not known:
        with pytest.raises(ValueError, match="no value that is used"):
            draw_plot(plot, width=width, height=height)
        return
    lines = text_of(plot, width=width, height=height)
    assert max(map(len, lines)) <= width
    assert sum(line.count("●") for line in lines) >= 1


def test_too_few_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 40"):
        draw_plot(make_plot(), width=39)


def test_higher_values_stand_higher_and_the_axis_is_named_in_round_numbers() -> None:
    plot = Plot([10.0, 11.0, 12.0], [True] * 3, ["a", "b", "c"], unit="ms")
    lines = text_of(plot, height=10)
    rows = [next(row for row, line in enumerate(lines) if len(line) > at and line[at] == "●") for at in _points(lines)]
    assert rows == sorted(rows, reverse=True)
    named = [line.partition(" ms")[0].strip() for line in lines if " ms" in line]
    assert named == ["12.0", "11.5", "11.0", "10.5", "10.0"]


def _points(lines: list[str]) -> list[int]:
    return sorted(at for line in lines for at, letter in enumerate(line) if letter == "●")


def test_marks_that_would_run_into_each_other_take_a_line_each() -> None:
    plot = make_plot(60, changes=0, cuts=0)
    crowded = Plot(
        plot.values, plot.is_used, plot.labels,
        changes=[Mark(30, "+10.0 % worse"), Mark(33, "+20.0 % worse"), Mark(57, "-5.0 % better")],
    )  # fmt: skip
    first, second = text_of(crowded, width=80)[:2]
    assert "+10.0 % worse" in first
    assert "+20.0 % worse" in second
    assert (first + second).count("▼") == 3
    # The sign stays in its place: at the right edge the text stands before it.
    assert "-5.0 % better ▼" in first + second


def test_every_text_has_a_style_of_its_own_that_a_pipe_drops() -> None:
    lines = draw_plot(make_plot(), width=60)
    styles = {style for line in lines for _, style in line}
    assert {"axis", "cut", "level", "point", "left out", "worse"} <= styles
    assert all("\x1b" not in text for line in lines for text, _ in line)


@pytest.mark.parametrize(
    ("encoding", "glyphs"),
    [("utf-8", UNICODE), ("UTF8", UNICODE), ("ascii", ASCII), ("latin-1", ASCII), (None, ASCII), ("no such", ASCII)],
)
def test_letters_stand_in_where_the_output_has_no_unicode(encoding: str | None, glyphs: Glyphs) -> None:
    assert choose_glyphs(encoding) is glyphs


def test_texts_for_an_output_without_unicode() -> None:
    assert ASCII.plain("12 µs → ×2 · −3 % …") == "12 us -> x2 - -3 % ..."
    assert ASCII.plain("模型") == "??"
    assert UNICODE.plain("12 µs") == "12 µs"


def test_sparklines() -> None:
    assert draw_sparkline([1, 2, 4, 8], 10) == "▁▃▆█"
    assert draw_sparkline([8, None, 1], 10) == "█ ▁"
    assert draw_sparkline([5, 5, 5], 10) == "▅▅▅"
    assert draw_sparkline([None, None], 10) == "  "
    assert draw_sparkline([], 10) == ""
    assert draw_sparkline([1, 2, 4, 8], 10, ASCII) == "_-*@"


def test_a_sparkline_is_never_wider_than_asked_for() -> None:
    many = draw_sparkline([1.0] * 50 + [2.0] * 50, 8)
    assert many == "▁▁▁▁████"
    assert len(draw_sparkline([1.0] * 7, 8)) == 7
