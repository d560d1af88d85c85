"""Scores of predictions against hand-computed ones, and what beats what."""

from __future__ import annotations

import pytest

from assay.predict.scores import Score, SplitOutcome, score_groups, score_predictions

_ACTUAL, _PREDICTED = [100.0, 200.0, 50.0, 10.0], [105.0, 240.0, 50.0, 5.0]


def test_errors_are_relative_to_what_came_out() -> None:
    score = score_predictions(_ACTUAL, _PREDICTED, {0.9: ([90, 210, 40, 4], [110, 250, 60, 12])})
    assert score.n == 4
    assert score.mean_error == pytest.approx((0.05 + 0.2 + 0 + 0.5) / 4)
    assert score.median_error == pytest.approx(0.125)
    assert score.within_10 == 0.5
    assert score.within_20 == 0.75
    assert score.coverage == {0.9: 0.75}
    assert score.width[0.9] == pytest.approx((110 / 90 + 60 / 40) / 2)


def test_groups_come_worst_first_each_with_its_own_rows() -> None:
    found = score_groups(["a", "b", "a", "b"], _ACTUAL, _PREDICTED, {0.5: (_ACTUAL, _ACTUAL)})
    assert [(one.group, one.score.n) for one in found] == [("b", 2), ("a", 2)]
    assert found[0].score.mean_error == pytest.approx(0.35)
    assert found[0].score.coverage == {0.5: 1.0}


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(ValueError, match="not none"):
        score_predictions([], [])
    with pytest.raises(ValueError, match="as many"):
        score_predictions([1.0], [1.0, 2.0])


def test_a_baseline_that_does_better_is_named() -> None:
    def made(mean: float) -> Score:
        return Score(1, mean, mean, 0, 0)

    groups = tuple(
        score_groups([str(place) for place in range(20)], [100.0] * 20, [100.0 + place for place in range(20)])
    )
    outcome = SplitOutcome(
        "graph", "family", "?", "latency_ns", {"assay": made(0.2), "roofline": made(0.4), "nearest": made(0.1)}, groups
    )
    assert outcome.own.mean_error == 0.2
    assert outcome.beaten_by == ("nearest",)
    assert [one.group for one in outcome.worst_groups] == ["19", "18"]
