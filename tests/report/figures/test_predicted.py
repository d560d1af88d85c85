"""Predictions: errors, coverage, and what is not scored."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.core.words import Provenance, Verdict
from assay.report.figures.predicted import Pair, draw_predicted, score_pairs
from assay.report.values import Cell, Figure, Layer, Role, Scale


def pair(label: str, measured: float | None, predicted: float | None, **more: Any) -> Pair:
    bounds = {name: more.pop(name) for name in ("lo", "hi", "level") if name in more}
    return Pair(
        label,
        Cell(measured, provenance=Provenance.MEASURED, **more),
        Cell(predicted, provenance=Provenance.PREDICTED, **bounds),
    )


def draw(*pairs: Pair, **more: Any) -> Figure:
    return draw_predicted(pairs=pairs, metric="latency", unit="ns", **more)


def data(figure: Figure) -> list[Layer]:
    return [layer for layer in figure.layers if layer.role is Role.DATA]


def test_errors_and_coverage_by_hand() -> None:
    pairs = [
        pair("a", 100.0, 105.0, lo=90.0, hi=120.0),
        pair("b", 100.0, 85.0, lo=80.0, hi=90.0),
        pair("c", 100.0, 200.0),
    ]
    score = score_pairs(pairs)
    assert score is not None
    assert (score.n, score.with_interval, score.covered, score.level) == (3, 2, 1, 0.95)
    assert score.median_error == pytest.approx(0.15)
    assert score.mean_error == pytest.approx((0.05 + 0.15 + 1.0) / 3)
    assert (score.within_10, score.within_20) == pytest.approx((1 / 3, 2 / 3))
    figure = draw(*pairs)
    assert figure.caption == (
        "3 predictions: median error 15.0 %, mean 40.0 %; 33.3 % within 10 %, 66.7 % within 20 %. "
        "1 of 2 intervals hold the measured number (50.0 %, 95 % promised)."
    )
    assert "Furthest off: c, +100.0 %." in figure.alt


def test_points_carry_the_interval_and_say_how_far_off() -> None:
    figure = draw(pair("a", 100.0, 150.0, lo=120.0, hi=180.0, level=0.9))
    [layer] = data(figure)
    assert (layer.x, layer.y, layer.lo, layer.hi) == ((100.0,), (150.0,), (120.0,), (180.0,))
    assert (layer.provenance, layer.level) == (Provenance.PREDICTED, 0.9)
    assert layer.labels == ("a: +50.0 %, measured outside the interval",)
    assert (figure.x.scale, figure.y.scale) == (Scale.LOG, Scale.LOG)
    assert figure.caption.endswith("(0 %, 90 % promised).")


def test_guides_lie_on_the_diagonal_and_to_both_sides() -> None:
    figure = draw(pair("a", 100.0, 100.0), pair("b", 1000.0, 1000.0))
    diagonal = next(layer for layer in figure.layers if layer.role is Role.LIMIT)
    assert diagonal.x == diagonal.y == (100.0, 1000.0)
    factors = sorted((layer.y[0] or 0) / 100 for layer in figure.layers if layer.role is Role.GUIDE)
    assert factors == pytest.approx([0.8, 0.9, 1.1, 1.2])


def test_errors_may_be_drawn_around_one() -> None:
    figure = draw(pair("a", 100.0, 150.0, lo=120.0, hi=180.0), pair("b", 1e6, 1e6), is_ratio=True)
    [layer] = data(figure)
    assert (layer.x, layer.y, layer.lo, layer.hi) == ((100.0, 1e6), (1.5, 1.0), (1.2, None), (1.8, None))
    assert (figure.y.unit, figure.y.title, figure.title) == (
        "ratio",
        "predicted / measured",
        "Error of predicted latency",
    )
    diagonal = next(one for one in figure.layers if one.role is Role.LIMIT)
    assert (diagonal.x, diagonal.y) == ((100.0, 1e6), (1.0, 1.0))


@pytest.mark.parametrize("fault", [{"is_usable": False}, {"verdict": Verdict.CONTAMINATED}])
def test_a_measurement_that_may_not_be_ranked_scores_nothing(fault: dict[str, Any]) -> None:
    figure = draw(pair("a", 100.0, 100.0, **fault))
    assert figure.caption == "No measurement may be ranked, so nothing is scored."
    assert [layer.is_usable for layer in data(figure)] == [False]


def test_pairs_without_a_place_are_said() -> None:
    figure = draw(pair("a", 1.0, 1.0), pair("b", None, 1.0, reason="out of memory"), pair("c", 1.0, 0.0))
    assert figure.notes == ("2 pairs not drawn (b, c): out of memory; 0 has no place on a logarithmic axis.",)


def test_nothing_to_hold_against_is_an_empty_figure() -> None:
    assert draw().empty == "No case has both a predicted and a measured latency yet."
    assert score_pairs([]) is None


def test_predictions_without_intervals_say_so() -> None:
    assert draw(pair("a", 1.0, 1.1)).caption.endswith("No prediction came with an interval.")


def test_many_are_thinned_but_scored_all() -> None:
    pairs = [pair(f"p{n}", 100.0 + n, 100.0 + n, lo=90.0, hi=1e9 if n % 100 else 91.0) for n in range(5000)]
    figure = draw(*pairs, limit=1000)
    drawn = sum(len(layer.x) for layer in data(figure))
    assert drawn <= 1000
    assert figure.notes[0].startswith(f"{drawn} of 5000 points are drawn: up to 500 of those outside their interval")
    assert figure.caption.startswith("5000 predictions")
    labels = [label for layer in data(figure) for label in layer.labels]
    assert sum("outside" in label for label in labels) == 50


positive = st.floats(min_value=1e-3, max_value=1e9)


@given(st.lists(st.tuples(positive, positive), min_size=1, max_size=20))
def test_a_score_is_never_negative_and_shares_are_in_order(numbers: list[tuple[float, float]]) -> None:
    score = score_pairs([pair(str(place), a, b) for place, (a, b) in enumerate(numbers)])
    assert score is not None
    assert score.n == len(numbers)
    assert 0 <= score.within_10 <= score.within_20 <= 1
    assert score.median_error >= 0
