"""Intervals from held-out errors: coverage of new groups, weights of groups, too little evidence."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assay.stats.conformal import calibrate


def test_with_one_row_a_group_it_is_the_quantile_of_split_conformal_prediction() -> None:
    errors = np.arange(1, 20) / 100
    found = calibrate(errors, [str(place) for place in range(19)])
    assert found.groups == found.n == 19
    # The ceil((19 + 1) x 0.9) = 18th smallest of 19.
    assert found.half_width(0.9) == pytest.approx(0.18)
    assert found.half_width(0.5) == pytest.approx(0.10)


def test_a_group_weighs_the_same_whatever_its_rows() -> None:
    # One group of 96 exact rows must not drown four groups that are 30 % off.
    errors = [0.0] * 96 + [0.3] * 4
    groups = ["large"] * 96 + ["a", "b", "c", "d"]
    assert calibrate(errors, groups).half_width(0.5) == pytest.approx(0.3)
    assert calibrate(errors, [str(place) for place in range(100)]).half_width(0.5) == 0.0


def test_too_few_groups_bound_nothing_at_a_high_level() -> None:
    found = calibrate([0.1, 0.2, 0.3, 0.4], list("abcd"))
    assert math.isinf(found.half_width(0.9))
    assert found.half_width(0.5) == pytest.approx(0.3)


def test_scales_stretch_the_interval_where_a_prediction_was_unsure() -> None:
    errors, scales = np.array([0.1, 0.4] * 10), np.array([1.0, 4.0] * 10)
    found = calibrate(errors, [str(place) for place in range(20)], scales)
    assert found.half_width(0.9) == pytest.approx(0.1)


@pytest.mark.parametrize("groups", [12, 40])
def test_intervals_hold_a_new_group_as_often_as_they_promise(groups: int) -> None:
    random = np.random.default_rng(7)
    held = []
    for _ in range(400):
        offsets = random.normal(0, 0.2, groups + 1)
        rows = [offset + random.normal(0, 0.05, 15) for offset in offsets]
        errors = np.concatenate(rows[:-1])
        names = [str(place // 15) for place in range(errors.size)]
        half = calibrate(errors, names).half_width(0.9)
        held.append(np.mean(np.abs(rows[-1]) <= half))
    # 400 trials of one new group: the standard error of the share is below 1.5 points.
    assert 0.87 <= float(np.mean(held)) <= 0.97


@pytest.mark.parametrize(
    ("errors", "groups", "scales"),
    [([], [], None), ([0.1], ["a", "b"], None), ([0.1], ["a"], [0.0]), ([math.nan], ["a"], None)],
)
def test_what_cannot_be_calibrated_is_refused(
    errors: list[float], groups: list[str], scales: list[float] | None
) -> None:
    with pytest.raises(ValueError, match="got"):
        calibrate(errors, groups, scales)


def test_thinned_scores_are_few_and_never_promise_more() -> None:
    random = np.random.default_rng(3)
    groups = [str(place) for place in random.integers(0, 25, 5000)]
    whole = calibrate(random.exponential(1, 5000), groups)
    thin = whole.thinned(300)
    assert thin.n <= 330
    assert sum(thin.weights) == pytest.approx(1)
    assert thin.groups == whole.groups
    for level in (0.1, 0.5, 0.8, 0.9):
        assert whole.half_width(level) <= thin.half_width(level) <= whole.half_width(level + 0.01) + 1e-9
    assert whole.thinned(5000) is whole
