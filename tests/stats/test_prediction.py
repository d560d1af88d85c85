"""The next value of a history: against a published interval, scipy, and what must hold for any data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from assay.core.words import Direction
from assay.stats.prediction import judge_next, judge_next_many

HISTORY = st.lists(st.floats(1e-3, 1e9), min_size=2, max_size=30)
VALUE = st.floats(1e-3, 1e9)


def test_the_example_of_hahn_and_meeker() -> None:
    # Statistical Intervals, chapter 4: five readings with mean 50.10 and standard deviation 1.31; the 95 % two-sided
    # interval for the next is 46.1 .. 54.1. Here the readings are logarithms, and each end is a one-sided 97.5 %.
    readings = [51.4, 49.5, 48.7, 49.3, 51.6]
    for direction, end in ((Direction.LOWER, 54.1), (Direction.HIGHER, 46.1)):
        found = judge_next(np.exp(readings), math.exp(50.1), direction=direction, floor=0.03, level=0.975)
        assert 50.10 + math.log(found.limit_ratio) == pytest.approx(end, abs=0.05)
        assert found.sd_log == pytest.approx(1.31, abs=0.005)


@given(HISTORY, VALUE, st.sampled_from([Direction.LOWER, Direction.HIGHER]))
@settings(max_examples=40, deadline=None)
def test_it_is_the_t_interval_on_logarithms(history: list[float], value: float, direction: Direction) -> None:
    logs = np.log(history)
    n, spread = logs.size, float(logs.std(ddof=1))
    if spread < 1e-6:
        return
    found = judge_next(history, value, direction=direction, floor=0.03)
    sign = 1 if direction is Direction.LOWER else -1
    distance = sign * (math.log(value) - logs.mean()) / (spread * math.sqrt(1 + 1 / n))
    assert found.p == pytest.approx(stats.t.sf(distance, n - 1), rel=1e-6)
    assert found.n == n
    assert found.centre == pytest.approx(stats.gmean(history))
    assert found.ratio == pytest.approx(value / stats.gmean(history))
    limit = stats.t.ppf(0.99, n - 1) * spread * math.sqrt(1 + 1 / n)
    if limit < 700:
        assert found.limit_ratio == pytest.approx(math.exp(sign * limit), rel=1e-6)
    if abs(distance - stats.t.ppf(0.99, n - 1)) > 1e-6:
        assert found.is_outside == (found.p < 0.01)


@given(st.lists(st.tuples(HISTORY, VALUE, st.sampled_from([Direction.LOWER, Direction.HIGHER])), max_size=8))
def test_many_at_once_are_each_alone(cases: list[tuple[list[float], float, Direction]]) -> None:
    histories, values, directions = [c[0] for c in cases], [c[1] for c in cases], [c[2] for c in cases]
    floors = [0.03 * (i + 1) for i in range(len(cases))]
    together = judge_next_many(histories, values, directions=directions, floors=floors)
    alone = [judge_next(h, v, direction=d, floor=f) for (h, v, d), f in zip(cases, floors, strict=True)]
    for one, other in zip(together, alone, strict=True):
        assert (one.n, one.is_large) == (other.n, other.is_large)
        assert one.ratio == pytest.approx(other.ratio)
        assert one.p == pytest.approx(other.p, rel=1e-6, abs=1e-12)


def test_a_better_value_is_never_outside() -> None:
    history = [100.0, 101.0, 99.0, 100.5, 99.5, 100.0, 100.2, 99.8]
    assert judge_next(history, 120.0, direction=Direction.LOWER, floor=0.03).is_suspect
    assert not judge_next(history, 80.0, direction=Direction.LOWER, floor=0.03).is_outside
    assert judge_next(history, 80.0, direction=Direction.HIGHER, floor=0.03).is_suspect
    assert not judge_next(history, 120.0, direction=Direction.HIGHER, floor=0.03).is_outside


def test_outside_but_small_is_no_suspect() -> None:
    history = [100.0, 100.01, 99.99, 100.0, 100.01, 99.99, 100.0, 100.0]
    found = judge_next(history, 101.0, direction=Direction.LOWER, floor=0.03)
    assert (found.is_outside, found.is_large, found.is_suspect) == (True, False, False)


def test_a_history_without_spread_leaves_it_to_the_floor() -> None:
    same = judge_next([7.0] * 9, 7.0, direction=Direction.LOWER, floor=0.03)
    assert (same.p, same.is_outside, same.limit_ratio) == (0.5, False, 1)
    more = judge_next([7.0] * 9, 7.5, direction=Direction.LOWER, floor=0.03)
    assert (more.p, more.is_suspect) == (0, True)
    assert judge_next([7.0] * 9, 7.5, direction=Direction.HIGHER, floor=0.03).p == 1


def test_nothing_to_judge_is_nothing() -> None:
    assert judge_next_many([], [], directions=[], floors=[]) == []


@pytest.mark.parametrize(
    ("history", "value", "message"),
    [
        ([1.0], 1.0, "history of 1"),
        ([], 1.0, "history of 0"),
        ([1.0, 2.0], 0.0, "not positive"),
        ([1.0, -2.0], 1.0, "not positive"),
        ([1.0, math.nan], 1.0, "not positive"),
        ([0.0, 1.0], 1.0, "not positive"),
    ],
)
def test_what_cannot_be_judged_is_an_error(history: list[float], value: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        judge_next(history, value, direction=Direction.LOWER, floor=0.03)


def test_a_metric_without_a_worse_side_is_an_error() -> None:
    with pytest.raises(ValueError, match="no worse side"):
        judge_next([1.0, 2.0], 1.0, direction=Direction.NEITHER, floor=0.03)
    with pytest.raises(ValueError, match="as many of each"):
        judge_next_many([[1.0, 2.0]], [], directions=[], floors=[])
