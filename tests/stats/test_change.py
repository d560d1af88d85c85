"""Two sides of launches: against scipy and published values, and what must hold for any data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from assay.core.words import Change, Direction
from assay.stats.change import RatioEstimate, estimate_ratio, is_worse_ratio, judge_ratio, within_floor

LAUNCHES = st.lists(st.floats(1e-3, 1e9), min_size=2, max_size=12)


def estimate(a: list[float], b: list[float]) -> RatioEstimate:
    found = estimate_ratio(a, b)
    assert found is not None
    return found


def test_students_sleep_data_gives_the_published_values() -> None:
    # Student 1908, The probable error of a mean; R's t.test(extra ~ group, data = sleep): t = -1.8608, df = 17.776,
    # p = 0.07939, interval -3.3654832 .. 0.2054832. Here as logarithms.
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found = estimate([math.exp(x) for x in second], [math.exp(x) for x in first])
    assert found.df == pytest.approx(17.776, abs=5e-4)
    assert found.p == pytest.approx(0.07939, abs=5e-6)
    assert math.log(found.lo95) == pytest.approx(-3.3654832, abs=5e-8)
    assert math.log(found.hi95) == pytest.approx(0.2054832, abs=5e-8)


@given(LAUNCHES, LAUNCHES)
@settings(max_examples=40, deadline=None)
def test_it_is_scipys_welch_on_logarithms(a: list[float], b: list[float]) -> None:
    logs_a, logs_b = np.log(a), np.log(b)
    if min(np.ptp(logs_a), np.ptp(logs_b)) < 1e-6:  # scipy loses its digits there
        return
    found, expected = estimate(a, b), stats.ttest_ind(logs_b, logs_a, equal_var=False)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert found.df == pytest.approx(expected.df, rel=1e-6)
    for level, lo, hi in ((0.95, found.lo95, found.hi95), (0.90, found.lo90, found.hi90)):
        interval = expected.confidence_interval(level)
        assert math.log(lo) == pytest.approx(interval.low, rel=1e-6, abs=1e-9) or lo == 0
        assert math.log(hi) == pytest.approx(interval.high, rel=1e-6, abs=1e-9) or hi == math.inf


@given(LAUNCHES, LAUNCHES)
@settings(max_examples=40, deadline=None)
def test_the_share_is_the_mann_whitney_statistic(a: list[float], b: list[float]) -> None:
    u = stats.mannwhitneyu(b, a).statistic
    assert estimate(a, b).p_greater == pytest.approx(u / (len(a) * len(b)))


@given(LAUNCHES, LAUNCHES)
def test_swapping_the_sides_inverts_the_ratio_and_keeps_p(a: list[float], b: list[float]) -> None:
    forward, back = estimate(a, b), estimate(b, a)
    assert forward.ratio * back.ratio == pytest.approx(1, rel=1e-9)
    assert forward.p == pytest.approx(back.p, rel=1e-6, abs=1e-9)
    assert forward.p_greater + back.p_greater == pytest.approx(1)
    assert forward.sd_log == pytest.approx(back.sd_log)
    if forward.lo95 > 0 and forward.hi95 < math.inf:
        assert forward.lo95 * back.hi95 == pytest.approx(1, rel=1e-6)


@given(LAUNCHES, LAUNCHES, st.integers(-30, 30))
def test_the_unit_does_not_matter(a: list[float], b: list[float], power: int) -> None:
    one, other = estimate(a, b), estimate([x * 2.0**power for x in a], [x * 2.0**power for x in b])
    assert one.ratio == pytest.approx(other.ratio, rel=1e-9)
    assert one.p == pytest.approx(other.p, rel=1e-6, abs=1e-9)


@given(LAUNCHES, LAUNCHES)
def test_the_standard_error_is_the_one_of_the_interval(a: list[float], b: list[float]) -> None:
    found = estimate(a, b)
    expected = math.sqrt(np.log(a).var(ddof=1) / len(a) + np.log(b).var(ddof=1) / len(b))
    if expected > 1e-6 and found.hi95 < math.inf:
        assert found.error_log == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("value", [3.0, 0.1, 1e9 / 7])
@pytest.mark.parametrize("n", [2, 3, 5, 7])
def test_equal_values_have_exactly_no_spread(value: float, n: int) -> None:
    same = estimate([value] * n, [value] * n)
    assert (same.ratio, same.p, same.sd_log, same.error_log, same.p_greater) == (1, 1, 0, 0, 0.5)
    other = estimate([value] * n, [value * 1.5] * n)
    assert (other.p, other.sd_log, other.p_greater) == (0, 0, 1)
    assert other.lo95 == other.ratio == other.hi95 == pytest.approx(1.5)


def test_one_side_without_spread_lends_its_certainty_to_the_other() -> None:
    found = estimate([100.0] * 5, [103.0, 104.0, 105.0, 106.0, 107.0])
    assert found.df == pytest.approx(4)
    assert found.p < 0.01


def test_fewer_than_two_launches_a_side_estimate_nothing() -> None:
    assert estimate_ratio([1.0], [1.0, 2.0]) is None
    assert estimate_ratio([1.0, 2.0], []) is None


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_positive_number_is_an_error(bad: float) -> None:
    with pytest.raises(ValueError, match="positive finite"):
        estimate_ratio([1.0, 2.0], [1.0, bad])


def test_sides_a_world_apart_bound_nothing_and_do_not_fail() -> None:
    found = estimate([1e-300, 1e300], [1e-300, 1e300])
    assert (found.lo95, found.hi95) == (0, math.inf)
    assert found.ratio == pytest.approx(1)
    assert judge_ratio(found, direction=Direction.LOWER).change is Change.INCONCLUSIVE


STEADY = [100.0, 100.5, 99.5, 100.2, 99.8]


@pytest.mark.parametrize(
    ("factor", "direction", "expected"),
    [
        (1.05, Direction.LOWER, Change.REGRESSED),
        (1.05, Direction.HIGHER, Change.IMPROVED),
        (1 / 1.05, Direction.LOWER, Change.IMPROVED),
        (1 / 1.05, Direction.HIGHER, Change.REGRESSED),
        (1.005, Direction.LOWER, Change.UNCHANGED),
        (1.05, Direction.NEITHER, Change.INCONCLUSIVE),
        (1.005, Direction.NEITHER, Change.UNCHANGED),
    ],
)
def test_rule_a_on_steady_launches(factor: float, direction: Direction, expected: Change) -> None:
    found = estimate(STEADY, [factor * x for x in STEADY])
    assert judge_ratio(found, direction=direction).change is expected


@pytest.mark.parametrize("n", [3, 4])
def test_three_or_four_launches_are_at_most_a_suspicion(n: int) -> None:
    slower = estimate([100.0, 100.1, 99.9, 100.0][:n], [110.0, 110.1, 109.9, 110.0][:n])
    worse = judge_ratio(slower, direction=Direction.LOWER)
    assert (worse.change, worse.launches_needed) == (Change.SUSPECT, 5)
    better = judge_ratio(slower, direction=Direction.HIGHER)
    assert (better.change, better.launches_needed) == (Change.INCONCLUSIVE, 5)
    assert "suspicion" in worse.reasons[0]


def test_two_launches_give_no_verdict() -> None:
    judgement = judge_ratio(estimate([100.0, 100.1], [200.0, 200.1]), direction=Direction.LOWER)
    assert (judgement.change, judgement.launches_needed) == (Change.INCONCLUSIVE, 5)


def test_a_sure_but_small_difference_is_unchanged() -> None:
    found = estimate(STEADY, [1.01 * x for x in STEADY])
    assert found.p < 0.01
    assert judge_ratio(found, direction=Direction.LOWER).change is Change.UNCHANGED


def test_noise_is_inconclusive_with_what_would_decide() -> None:
    noisy = [100.0, 104.0, 96.0, 108.0, 93.0]
    within = judge_ratio(estimate(noisy, [x * 1.002 for x in noisy]), direction=Direction.LOWER)
    assert within.change is Change.INCONCLUSIVE
    assert within.launches_needed is not None
    assert within.launches_needed > 5
    assert "beyond 3 %" in within.reasons[0]
    beyond = judge_ratio(estimate(noisy, [x * 1.07 for x in noisy]), direction=Direction.LOWER)
    assert beyond.change is Change.INCONCLUSIVE
    assert "may be chance" in beyond.reasons[0]


def test_a_calibrated_floor_replaces_the_default() -> None:
    found = estimate(STEADY, [1.05 * x for x in STEADY])
    assert judge_ratio(found, direction=Direction.LOWER, floor=0.08).change is Change.UNCHANGED


@given(LAUNCHES, LAUNCHES, st.floats(0.001, 0.5))
def test_turning_the_metric_round_turns_the_verdict(a: list[float], b: list[float], floor: float) -> None:
    turned = {Change.REGRESSED: {Change.IMPROVED}, Change.IMPROVED: {Change.REGRESSED, Change.SUSPECT}}
    turned |= {Change.SUSPECT: {Change.INCONCLUSIVE}, Change.UNCHANGED: {Change.UNCHANGED}}
    turned |= {Change.INCONCLUSIVE: {Change.INCONCLUSIVE, Change.SUSPECT}}
    found = estimate(a, b)
    lower = judge_ratio(found, direction=Direction.LOWER, floor=floor).change
    assert judge_ratio(found, direction=Direction.HIGHER, floor=floor).change in turned[lower]


def test_the_floor_is_alike_on_both_sides_of_the_log_scale() -> None:
    assert within_floor(1.029, 0.03)
    assert not within_floor(1.03, 0.03)
    assert within_floor(1 / 1.029, 0.03)
    assert not within_floor(0.97, 0.03)
    assert not within_floor(math.inf, 0.03)
    assert not within_floor(0.0, 0.03)


def test_worse_depends_on_the_metric() -> None:
    assert is_worse_ratio(1.1, Direction.LOWER) is True
    assert is_worse_ratio(1.1, Direction.HIGHER) is False
    assert is_worse_ratio(1.0, Direction.LOWER) is None
    assert is_worse_ratio(1.1, Direction.NEITHER) is None
