from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element, fromstring

import pytest
from tests.loading import load_module

from assay.core.words import Provenance
from assay.report.palette import COLOURS
from assay.report.renderers.first_sight import BELOW, draw_first_sight
from assay.report.renderers.ticks import choose_ticks
from assay.report.values import Axis, Figure, FigureKind, Layer, Marker, Role, Scale, Shape

composed = load_module("report.renderers.composed_figures")
EVERY: tuple[Callable[[], Figure], ...] = (*composed.KINDS, *composed.OTHERS)
DAY = datetime(2026, 3, 1, tzinfo=UTC)


def figure(*layers: Layer, x: Axis | None = None, y: Axis | None = None, markers: tuple[Marker, ...] = ()) -> Figure:
    return Figure(
        "f", FigureKind.TREND, "Trend", x or Axis("size"), y or Axis("latency", "ns"), layers=layers, markers=markers
    )


def drawn(one: Figure) -> Element:
    markup = draw_first_sight(one, height=400, top=24)
    assert markup is not None
    return fromstring(markup)  # noqa: S314  (the project's own)


def tags(root: Element, tag: str) -> list[Element]:
    return [one for one in root.iter() if one.tag == tag]


def test_values_stand_where_their_axis_says() -> None:
    root = drawn(figure(Layer("a", Shape.POINTS, (0.0, 10.0), (0.0, 100.0), provenance=Provenance.MEASURED)))
    x, y = choose_ticks(Axis("size"), (0.0, 10.0), count=5), choose_ticks(Axis("latency", "ns"), (0.0, 100.0), count=6)
    for circle, (at, value) in zip(tags(root, "circle"), ((0.0, 0.0), (10.0, 100.0)), strict=True):
        assert float((circle.get("cx") or "").rstrip("%")) == pytest.approx(100 * x.share(at), abs=0.01)
        assert float((circle.get("cy") or "").rstrip("%")) == pytest.approx(100 * (1 - y.share(value)), abs=0.01)
    lines = {float((line.get("y1") or "").rstrip("%")) for line in tags(root, "line")}
    assert sorted(lines) == pytest.approx(sorted(100 * (1 - y.share(place)) for place in y.places), abs=0.01)


def test_a_gap_is_a_gap_in_lines_and_bands() -> None:
    x = (1.0, 2.0, 3.0, 4.0, 5.0)
    line = Layer("a", Shape.LINE, x, (1.0, 2.0, None, 2.0, 3.0))
    band = Layer("b", Shape.BAND, x, lo=(1.0, 1.0, None, 1.0, 1.0), hi=(2.0, 2.0, 2.0, 2.0, 2.0))
    paths = tags(drawn(figure(line, band)), "path")
    filled = [path for path in paths if path.get("fill") != "none"]
    assert len(filled) == 2
    assert len(paths) - len(filled) == 2
    assert all((path.get("d") or "").endswith("z") for path in filled)


def test_where_a_number_is_from_is_seen_as_in_every_other_drawing() -> None:
    root = drawn(
        figure(
            Layer("a", Shape.POINTS, (1.0,), (1.0,), provenance=Provenance.MEASURED),
            Layer("b", Shape.POINTS, (2.0,), (2.0,), provenance=Provenance.IMPORTED),
            Layer("c", Shape.POINTS, (3.0,), (3.0,), provenance=Provenance.MEASURED, is_usable=False),
            Layer("d", Shape.LINE, (1.0, 3.0), (1.0, 3.0), provenance=Provenance.PREDICTED),
        )
    )
    full, hollow = tags(root, "circle")
    assert (full.get("fill"), hollow.get("fill")) == ("var(--data-1)", "var(--paper)")
    diamond = next(path for path in tags(root, "path") if (path.get("d") or "").startswith("M0-5.5"))
    assert diamond.get("fill") == "var(--paper)"
    assert any(path.get("stroke-dasharray") == "1.5 2.5" for path in tags(root, "path"))


def test_bars_stand_on_zero_and_times_and_limits_are_there() -> None:
    bars = Layer("a", Shape.BARS, (0.0, 1.0), (5.0, 10.0), (4.0, 9.0), (6.0, 11.0), provenance=Provenance.MEASURED)
    root = drawn(figure(bars, x=Axis("device", scale=Scale.CATEGORY, categories=("one", "two"))))
    low, high = tags(root, "rect")
    ends = [float((bar.get("y") or "")[:-1]) + float((bar.get("height") or "")[:-1]) for bar in (low, high)]
    assert ends == pytest.approx([100.0, 100.0], abs=0.02)
    heights = [float((bar.get("height") or "")[:-1]) for bar in (low, high)]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.02)
    times = tuple(DAY + timedelta(days=number) for number in range(3))
    line = Layer("t", Shape.LINE_POINTS, times, (1e6, 2e6, 3e6), provenance=Provenance.MEASURED)
    limit = Marker("y", 2.5e6, "budget", Role.LIMIT)
    timed = drawn(figure(line, x=Axis("time", scale=Scale.TIME), markers=(limit,)))
    assert any(one.get("stroke") == "var(--limit)" for one in tags(timed, "line"))
    days = choose_ticks(Axis("time", scale=Scale.TIME), tuple(time.timestamp() for time in times), count=5)
    assert days.labels
    assert set(days.labels) <= {text.text for text in tags(timed, "text")}


def test_a_hostile_name_is_text() -> None:
    bars = Layer("a", Shape.BARS, (0.0,), (5.0,), provenance=Provenance.MEASURED)
    hostile = Axis("</svg><script>alert(1)</script>", scale=Scale.CATEGORY, categories=('<img src=x onerror="1">',))
    markup = draw_first_sight(figure(bars, x=hostile), height=300, top=0)
    assert markup is not None
    assert "<script" not in markup
    assert "<img" not in markup


def test_what_it_cannot_say_is_left_to_the_script() -> None:
    many = tuple(float(number) for number in range(401))
    assert draw_first_sight(figure(Layer("a", Shape.POINTS, many, many)), height=300, top=0) is None
    assert draw_first_sight(figure(), height=300, top=0) is None
    names = tuple(f"a device with a very long name, number {number}" for number in range(12))
    bars = Layer("a", Shape.BARS, tuple(map(float, range(12))), (1.0,) * 12)
    assert (
        draw_first_sight(figure(bars, x=Axis("device", scale=Scale.CATEGORY, categories=names)), height=300, top=0)
        is None
    )


@pytest.mark.parametrize("compose", EVERY, ids=lambda one: one.__name__)
def test_every_figure_is_drawn_as_strict_xml_or_not_at_all(compose: Callable[[], Figure]) -> None:
    one = compose()
    markup = draw_first_sight(one, height=380, top=52)
    if markup is None:
        return
    root = fromstring(markup)  # noqa: S314  (the project's own)
    assert [one.get("height") for one in root] == ["52", str(380 - 52 - BELOW)]
    assert not re.search(r"\bid=|style=|nan|inf\b", markup)
    named = set(re.findall(r"var\(--([a-z0-9-]+)\)", markup))
    assert named
    assert named <= set(COLOURS)


def test_most_figures_with_lines_have_one() -> None:
    shapes = {Shape.LINE, Shape.LINE_POINTS}
    lined = [one for one in (compose() for compose in EVERY) if {layer.shape for layer in one.layers} & shapes]
    assert sum(draw_first_sight(one, height=380, top=52) is not None for one in lined) > len(lined) / 2
