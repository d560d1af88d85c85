"""Growth over years: planted doubling times come back, and intervals hold them as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.stats.growth import find_records, fit_growth


def test_an_exact_doubling_time_comes_back() -> None:
    years = np.linspace(2010, 2024, 15)
    found = fit_growth(years, 3 * 2 ** ((years - 2010) / 2), groups=range(15))
    assert found.per_year == pytest.approx(2**0.5)
    assert found.scatter == pytest.approx(1.0)
    doubling = found.doubling
    assert doubling is not None
    assert doubling.word == "doubles"
    assert doubling.years == pytest.approx(2.0)
    assert doubling.lo == pytest.approx(2.0)
    assert found.line[0][0] == 2010
    assert found.line[0][1] == pytest.approx(3.0)
    assert found.line[-1][1] == pytest.approx(3 * 2**7)


def test_what_shrinks_halves() -> None:
    years = np.linspace(2010, 2024, 15)
    doubling = fit_growth(years, 2 ** (-(years - 2010) / 4), groups=range(15)).doubling
    assert doubling is not None
    assert doubling.word == "halves"
    assert doubling.years == pytest.approx(4.0)


def test_a_slope_that_may_be_none_has_no_upper_bound() -> None:
    random = np.random.default_rng(1)
    years = random.uniform(2012, 2024, 30)
    found = fit_growth(years, np.exp(0.02 * (years - 2018) + random.normal(size=30)), groups=range(30))
    assert found.lo is not None
    assert found.hi is not None
    assert found.lo < 1 < found.hi
    doubling = found.doubling
    assert doubling is not None
    assert doubling.hi is None
    assert 0 < (doubling.lo or 0) < doubling.years


@pytest.mark.parametrize(
    ("years", "groups", "reason"),
    [
        (range(2010, 2015), range(5), "too little to fit: 5 values, expected 8"),
        ([2020 + place / 10 for place in range(10)], range(10), "too little to fit: they span 0.9 years, expected 3"),
        ([], [], "too little to fit: 0 values, expected 8"),
    ],
)
def test_too_little_is_no_trend(years: list[float], groups: list[int], reason: str) -> None:
    found = fit_growth(list(years), [2.0 + place for place in range(len(years))], groups=list(groups))
    assert (found.per_year, found.line, found.doubling, found.reason) == (None, (), None, reason)


def test_few_designs_give_a_line_without_an_interval() -> None:
    years = np.linspace(2010, 2024, 12)
    found = fit_growth(years, 1.3**years, groups=[place // 4 for place in range(12)])
    assert found.per_year == pytest.approx(1.3)
    assert (found.lo, found.reason) == (None, "no interval: 3 groups, expected 5")
    assert found.doubling is not None
    assert found.doubling.lo is None


def test_what_has_no_logarithm_is_refused() -> None:
    with pytest.raises(ValueError, match="not positive"):
        fit_growth([2010.0], [0.0], groups=[1])
    with pytest.raises(ValueError, match="expected the same length"):
        fit_growth([2010.0], [1.0, 2.0], groups=[1])


def test_intervals_of_designs_hold_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(2)
    hits = {"designs": 0, "devices": 0}
    for _ in range(120):
        released, merit = random.uniform(2012, 2024, 14), random.normal(0, 0.5, 14)
        groups = [place // 5 for place in range(70)]
        years = released[groups] + random.uniform(0, 1, 70)
        values = np.exp2(0.3 * (years - 2018) + merit[groups] + random.normal(0, 0.2, 70))
        for name, ours in (("designs", groups), ("devices", range(70))):
            found = fit_growth(years, values, groups=ours, resamples=199)
            assert found.lo is not None
            assert found.hi is not None
            hits[name] += found.lo <= 2**0.3 <= found.hi
    assert hits["designs"] >= 0.90 * 120
    assert hits["devices"] <= 0.80 * 120, "devices counted as lone witnesses promise too much"


@given(st.lists(st.tuples(st.integers(2010, 2015), st.integers(0, 5)), max_size=12))
def test_a_record_beats_everything_before_it(points: list[tuple[int, int]]) -> None:
    years, values = [float(year) for year, _ in points], [float(value) for _, value in points]
    found = find_records(years, values, is_higher_better=True)
    for place, (year, value) in enumerate(zip(years, values, strict=True)):
        earlier = [other for at, other in zip(years, values, strict=True) if at < year]
        same_day = [other for at, other in zip(years, values, strict=True) if at == year]
        is_first_best = value == max(same_day) and all(value > other for other in earlier)
        assert (place in found) <= is_first_best
        if is_first_best:
            assert any(years[each] == year and values[each] == value for each in found)
    assert [years[place] for place in found] == sorted(years[place] for place in found)
    assert find_records(years, [-value for value in values], is_higher_better=False) == found
