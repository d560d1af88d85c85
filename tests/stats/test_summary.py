"""Summaries against values worked out by other means; percentiles that refuse to guess."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from assay.stats.summary import (
    FEWEST_LAUNCHES_FOR_INTERVAL,
    PERCENTILE_MINIMUM_N,
    Interval,
    coefficient_of_variation,
    launch_interval,
    median_absolute_deviation,
    median_interval,
    percentile,
)

POSITIVE = st.floats(1e-3, 1e12)


def test_half_width() -> None:
    assert Interval(2.0, 5.0).half_width == 1.5


# -- percentiles ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [90, 95, 99])
def test_a_percentile_is_stated_from_its_smallest_n_and_not_one_below(rank: int) -> None:
    fewest = PERCENTILE_MINIMUM_N[rank]
    assert percentile(range(fewest - 1), rank) is None
    assert percentile([], rank) is None
    assert percentile(range(fewest), rank) == math.ceil((fewest - 1) * rank / 100)


@pytest.mark.parametrize("rank", [90, 95, 99])
def test_a_percentile_is_a_value_that_was_measured(rank: int) -> None:
    values = np.random.default_rng(1).lognormal(size=1000)
    stated = percentile(values, rank)
    assert stated is not None
    assert stated in values
    assert np.mean(values <= stated) >= rank / 100


def test_the_smallest_n_of_each_percentile_follows_from_its_rule() -> None:
    # MLPerf's early stopping at 95 % confidence, with one sample allowed above the percentile: the fewest samples
    # of which two or more exceed the true percentile in 95 % of cases.
    for rank, fewest in PERCENTILE_MINIMUM_N.items():
        at_most_one = stats.binom.cdf(1, [fewest - 1, fewest], 1 - rank / 100)
        assert at_most_one[1] <= 0.05 < at_most_one[0]


# -- the interval of one launch's median ---------------------------------------------------------------------


def test_the_median_interval_is_a_pair_of_order_statistics() -> None:
    values = np.random.default_rng(2).permutation(np.arange(1, 31))
    # Ranks of the sign test for n = 30 at 95 %: 10 and 21 (Conover 1999, table A3; exact level 95.7 %).
    assert median_interval(values) == Interval(10.0, 21.0)
    exact = stats.binom.cdf(20, 30, 0.5) - stats.binom.cdf(9, 30, 0.5)
    assert exact == pytest.approx(0.957, abs=5e-4)


def test_no_median_interval_below_six_values() -> None:
    assert median_interval([1, 2, 3, 4, 5]) is None
    assert median_interval([]) is None
    assert median_interval([6, 5, 4, 3, 2, 1]) == Interval(1.0, 6.0)


def _exact_level(n: int, level: float = 0.95) -> float:
    """Distribution-free: how often the median of n values lies between the two order statistics."""
    interval = median_interval(np.arange(1, n + 1), level)
    assert interval is not None
    return float(stats.binom.cdf(interval.hi - 1, n, 0.5) - stats.binom.cdf(interval.lo - 1, n, 0.5))


@pytest.mark.parametrize(("sizes", "least", "most"), [(range(6, 30), 0.92, 0.985), (range(30, 1001), 0.929, 0.967)])
def test_the_exact_level_is_near_95_percent_at_every_size_and_at_it_on_average(
    sizes: range, least: float, most: float
) -> None:
    # Ranks are whole numbers, so the level cannot be 95 % at each n.
    levels = [_exact_level(n) for n in sizes]
    assert least <= min(levels)
    assert max(levels) <= most
    assert np.mean(levels) == pytest.approx(0.95, abs=0.003)


@pytest.mark.parametrize(("level", "least", "most"), [(0.90, 0.87, 0.93), (0.95, 0.93, 0.97), (0.99, 0.98, 0.995)])
def test_other_levels(level: float, least: float, most: float) -> None:
    assert least <= _exact_level(100, level) <= most


@settings(deadline=None)
@given(values=st.lists(POSITIVE, min_size=6, max_size=200))
def test_the_median_interval_holds_the_median_and_consists_of_values(values: list[float]) -> None:
    interval = median_interval(values)
    assert interval is not None
    assert interval.lo in values
    assert interval.hi in values
    assert interval.lo <= np.median(values) <= interval.hi
    assert median_interval(sorted(values)) == interval


# -- the interval over launches ------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2])
def test_no_interval_below_three_launches(count: int) -> None:
    assert launch_interval([1e6] * count) is None
    assert FEWEST_LAUNCHES_FOR_INTERVAL == 3


@pytest.mark.parametrize("level", [0.90, 0.95, 0.99])
def test_the_launch_interval_is_students_on_logs(level: float) -> None:
    medians = [101e6, 99e6, 104e6, 100.5e6, 98e6]
    logs = np.log(medians)
    lo, hi = stats.t.interval(level, len(logs) - 1, loc=logs.mean(), scale=stats.sem(logs))
    interval = launch_interval(medians, level)
    assert interval is not None
    assert interval.lo == pytest.approx(math.exp(lo), rel=1e-9)
    assert interval.hi == pytest.approx(math.exp(hi), rel=1e-9)


def test_equal_launches_have_an_interval_without_width() -> None:
    interval = launch_interval([5e6] * 5)
    assert interval is not None
    assert interval.lo == pytest.approx(5e6)
    assert interval.hi == pytest.approx(5e6)


@settings(deadline=None)
@given(medians=st.lists(st.floats(1e3, 1e10), min_size=3, max_size=9), factor=st.floats(0.01, 100))
def test_the_launch_interval_does_not_depend_on_the_unit_of_time(medians: list[float], factor: float) -> None:
    one, other = launch_interval(medians), launch_interval([factor * median for median in medians])
    assert one is not None
    assert other is not None
    assert other.lo == pytest.approx(factor * one.lo, rel=1e-6)
    assert other.hi == pytest.approx(factor * one.hi, rel=1e-6)


# -- spread --------------------------------------------------------------------------------------------------


def test_median_absolute_deviation() -> None:
    assert median_absolute_deviation([1, 1, 2, 2, 4, 6, 9]) == pytest.approx(1.4826)
    assert median_absolute_deviation([7]) == 0
    assert median_absolute_deviation([3, 3, 3, 1000]) == 0
    values = np.random.default_rng(3).normal(100, 5, size=2001)
    assert median_absolute_deviation(values) == pytest.approx(stats.median_abs_deviation(values, scale="normal"), 1e-4)
    assert median_absolute_deviation(values) == pytest.approx(5, rel=0.1)


def test_coefficient_of_variation() -> None:
    assert coefficient_of_variation([]) is None
    assert coefficient_of_variation([5]) is None
    assert coefficient_of_variation([5, 5]) == 0
    assert coefficient_of_variation([2, 4, 4, 4, 5, 5, 7, 9]) == pytest.approx(math.sqrt(32 / 7) / 5)
