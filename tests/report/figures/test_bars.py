"""Ranked bars: the order, what is left out of it, and what is said."""

from __future__ import annotations

from typing import Any

from assay.core.words import Direction, Provenance, Verdict
from assay.report.figures.bars import Bar, draw_bars
from assay.report.values import Cell, Figure, FigureKind, Ref, RefKind, Scale

MEASURED = Provenance.MEASURED


def bar(label: str, value: float | None, **more: Any) -> Bar:
    group = more.pop("group", None)
    return Bar(label, Cell(value, **{"provenance": MEASURED, **more}), group)


def draw(*bars: Bar, direction: Direction = Direction.LOWER, **more: Any) -> Figure:
    return draw_bars(bars=bars, title="Latency", metric="latency", unit="ns", direction=direction, **more)


def test_the_best_comes_first_by_the_direction() -> None:
    bars = [bar("b", 2e6), bar("a", 1e6), bar("c", 3e6)]
    assert draw(*bars).x.categories == ("a", "b", "c")
    assert draw(*bars, direction=Direction.HIGHER).x.categories == ("c", "b", "a")
    assert draw(*bars, direction=Direction.NEITHER).x.categories == ("c", "b", "a")
    assert draw(*bars, is_ranked_by_value=False).x.categories == ("b", "a", "c")


def test_points_carry_interval_count_provenance_and_reference() -> None:
    ref = Ref(RefKind.RESULT, "r1")
    figure = draw(bar("a", 1e6, lo=0.9e6, hi=1.1e6, n=5, ref=ref))
    [layer] = figure.layers
    assert (layer.x, layer.y, layer.lo, layer.hi, layer.n) == ((0.0,), (1e6,), (0.9e6,), (1.1e6,), (5,))
    assert (layer.refs, layer.provenance, layer.level) == ((ref,), MEASURED, 0.95)
    assert (figure.x.scale, figure.y.unit, figure.y.direction) == (Scale.CATEGORY, "ns", Direction.LOWER)
    assert figure.caption == "Lines are 95 % intervals. n = 5 each."
    assert figure.alt == "Latency: 1 bar. Best measured: a, 1.00 ms (0.900 … 1.10 ms; n = 5). Lower is better."


def test_provenance_is_told_apart_and_never_ranked_together() -> None:
    figure = draw(
        bar("mine", 3e6),
        bar("theirs", 1e6, provenance=Provenance.IMPORTED),
        bar("guess", 2e6, provenance=Provenance.PREDICTED),
    )
    assert figure.x.categories == ("mine", "theirs", "guess")
    assert [(layer.label, layer.provenance, layer.x) for layer in figure.layers] == [
        ("measured", MEASURED, (0.0,)),
        ("imported", Provenance.IMPORTED, (1.0,)),
        ("predicted", Provenance.PREDICTED, (2.0,)),
    ]
    assert "Best measured: mine, 3.00 ms. Best imported: theirs, 1.00 ms. Best predicted: guess, 2.00 ms." in figure.alt


def test_what_rankings_leave_out_comes_last_and_hollow() -> None:
    figure = draw(
        bar("wrong", 1e5, is_usable=False, reason="simulated"),
        bar("shaken", 2e5, verdict=Verdict.CONTAMINATED),
        bar("a", 1e6),
    )
    assert figure.x.categories == ("a", "wrong", "shaken")
    assert [(layer.label, layer.is_usable) for layer in figure.layers] == [
        ("measured", True), ("measured, left out of rankings", False),
    ]  # fmt: skip
    assert figure.layers[1].labels == ("simulated", "")
    assert "2 bars left out of the ranking." in figure.alt


def test_where_all_are_left_out_the_numbers_are_still_told() -> None:
    figure = draw(bar("a", 1e6, is_usable=False), bar("b", 3e6, is_usable=False))
    assert figure.alt == "Latency: 2 bars, 1.00 ms to 3.00 ms, all left out of the ranking. Lower is better."


def test_what_has_no_number_is_in_the_notes() -> None:
    figure = draw(bar("a", 1e6), bar("b", None, reason="out of memory"), bar("c", float("nan")))
    assert figure.x.categories == ("a",)
    assert figure.notes == ("2 bars without a number (b, c): out of memory; not known.",)


def test_too_many_are_cut_and_it_is_said() -> None:
    figure = draw(*[bar(f"b{n}", float(n)) for n in range(50)], limit=10)
    assert len(figure.x.categories) == 10
    assert figure.notes == ("The first 10 of 50 are drawn.",)
    assert figure.alt.startswith("Latency: 10 of 50 bars. Best measured: b0, 0 ns. Worst measured: b49, 49.0 ns.")


def test_nothing_is_an_empty_figure_of_its_kind() -> None:
    figure = draw(bar("a", None), kind=FigureKind.ENERGY)
    assert (figure.empty, figure.kind) == ("Nothing has a number for latency.", FigureKind.ENERGY)
    assert figure.alt == "Latency: nothing to draw. Nothing has a number for latency."


def test_groups_keep_one_colour_across_provenance() -> None:
    figure = draw(bar("a", 1e6, group="torch"), bar("b", 2e6, group="torch", provenance=Provenance.IMPORTED))
    assert [(layer.label, layer.group) for layer in figure.layers] == [
        ("torch, measured", "torch"), ("torch, imported", "torch"),
    ]  # fmt: skip
