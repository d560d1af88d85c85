"""Power of the rules: against quadratures by scipy, simulation, and each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from assay.stats.change import RatioEstimate, estimate_ratio
from assay.stats.power import (
    MOST_LAUNCHES,
    launches_to_decide,
    power_to_exclude,
    power_to_find,
    required_launches,
    smallest_change,
)


def welch_power(sd: float, effect: float, n: int, alpha: float) -> float:
    """Compute the power of Welch's test to the right side: a non-central t, averaged over the sides' shares."""
    shift = math.log1p(effect) / (sd * math.sqrt(2 / n))

    def given_share(share: float) -> float:
        df = (n - 1) / (share**2 + (1 - share) ** 2)
        found = stats.nct.sf(stats.t.ppf(1 - alpha / 2, df), 2 * n - 2, shift)
        return float(found * stats.beta.pdf(share, (n - 1) / 2, (n - 1) / 2))

    return float(integrate.quad(given_share, 0, 1, epsabs=1e-9)[0])


@pytest.mark.parametrize(
    ("sd", "effect", "n"), [(0.01, 0.02, 5), (0.03, 0.05, 4), (0.02, 0.04, 3), (0.05, 0.05, 20), (0.01, 0.05, 5)]
)
def test_without_a_floor_it_is_the_non_central_t(sd: float, effect: float, n: int) -> None:
    assert power_to_find(sd, effect, n) == pytest.approx(welch_power(sd, effect, n, 0.01), abs=1e-6)


def test_with_many_launches_it_is_students() -> None:
    # power.t.test(n = 100, delta = 0.02, sd = 0.05, sig.level = 0.01) in R, one rejection region.
    shift = 0.02 / (0.05 * math.sqrt(2 / 100))
    student = stats.nct.sf(stats.t.ppf(0.995, 198), 198, shift)
    assert power_to_find(0.05, math.expm1(0.02), 100) == pytest.approx(student, abs=1e-3)


@pytest.mark.parametrize(("sd", "effect", "n", "floor"), [(0.03, 0.05, 5, 0.03), (0.02, 0.04, 8, 0.03)])
def test_it_is_what_a_simulation_of_the_rule_finds(sd: float, effect: float, n: int, floor: float) -> None:
    trials = 20_000
    random = np.random.default_rng([5, n])
    a, b = random.normal(0, sd, (trials, n)), random.normal(math.log1p(effect), sd, (trials, n))
    result = stats.ttest_ind(b, a, axis=1, equal_var=False)
    estimate = b.mean(axis=1) - a.mean(axis=1)
    found = np.mean((result.pvalue < 0.01) & (estimate >= math.log1p(floor)))
    assert power_to_find(sd, effect, n, floor=floor) == pytest.approx(found, abs=4 * math.sqrt(0.25 / trials))
    interval = result.confidence_interval(0.90)
    inside = np.mean((interval.low > -math.log1p(floor)) & (interval.high < math.log1p(floor)))
    assert power_to_exclude(sd, effect, n, floor=floor) == pytest.approx(inside, abs=4 * math.sqrt(0.25 / trials))


def test_a_change_of_the_floor_itself_is_found_in_half_of_the_trials_at_most() -> None:
    assert power_to_find(0.01, 0.03, 1_000, floor=0.03) == pytest.approx(0.5, abs=1e-9)


def test_an_improvement_is_found_as_a_regression_is() -> None:
    assert power_to_find(0.02, 0.05, 6) == pytest.approx(power_to_find(0.02, 1 / 1.05 - 1, 6))


@given(st.floats(1e-3, 0.2), st.floats(0.02, 0.5), st.sampled_from([0.0, 0.03]))
@settings(max_examples=40, deadline=None)
def test_the_fewest_launches_are_the_fewest(sd: float, effect: float, floor: float) -> None:
    n = required_launches(sd, effect, floor=floor)
    if n is None:
        assert power_to_find(sd, effect, MOST_LAUNCHES, floor=floor) < 0.95
        return
    assert power_to_find(sd, effect, n, floor=floor) >= 0.95
    assert n == 2 or power_to_find(sd, effect, n - 1, floor=floor) < 0.95


@given(st.floats(1e-3, 0.3), st.integers(3, 40), st.sampled_from([0.0, 0.03, 0.1]))
@settings(max_examples=30, deadline=None)
def test_the_smallest_change_is_found_with_just_that_power(sd: float, n: int, floor: float) -> None:
    change = smallest_change(sd, n, floor=floor)
    assert change > floor
    assert power_to_find(sd, change, n, floor=floor) == pytest.approx(0.95, abs=1e-6)


def test_no_effect_is_never_found_and_no_noise_finds_all() -> None:
    assert required_launches(0.01, 0.0) is None
    assert required_launches(0.01, 0.02, floor=0.03) is None
    assert required_launches(0.0, 0.01) == 2
    assert smallest_change(0.0, 5) == 0.03
    assert power_to_find(0.0, 0.01, 5, floor=0.03) == 0
    assert power_to_exclude(0.0, 0.01, 5) == 1
    assert power_to_exclude(0.01, 0.01, 5, floor=0.0) == 0


@pytest.mark.parametrize(("sd", "effect", "n"), [(0.01, 0.05, 1), (-0.1, 0.05, 5), (math.nan, 0.05, 5), (0.1, -1, 5)])
def test_what_cannot_be_is_an_error(sd: float, effect: float, n: int) -> None:
    with pytest.raises(ValueError, match="got"):
        power_to_find(sd, effect, n)


def ratio_estimate(ratio: float, sd: float, n: int) -> RatioEstimate:
    side = np.exp(sd * np.array([-1.0, 1.0] * (n // 2)) * math.sqrt((n - 1) / n))
    found = estimate_ratio(side.tolist(), (ratio * side).tolist())
    assert found is not None
    assert found.sd_log == pytest.approx(sd)
    return found


def test_launches_that_would_decide() -> None:
    beyond = launches_to_decide(ratio_estimate(1.08, 0.04, 6), floor=0.03)
    assert beyond is not None
    assert power_to_find(0.04, 0.08, beyond, floor=0.03) >= 0.95 > power_to_find(0.04, 0.08, beyond - 1, floor=0.03)
    within = launches_to_decide(ratio_estimate(1.01, 0.04, 6), floor=0.03)
    assert within is not None
    assert power_to_exclude(0.04, 0.01, within) >= 0.95 > power_to_exclude(0.04, 0.01, within - 1)
    # An improvement needs as many as a regression of the same size.
    assert launches_to_decide(ratio_estimate(1 / 1.08, 0.04, 6), floor=0.03) == beyond


def test_on_the_floor_no_number_decides() -> None:
    for ratio in (1.03, 1.0299, 1.0301):
        assert launches_to_decide(ratio_estimate(ratio, 0.04, 6), floor=0.03) is None
    assert launches_to_decide(ratio_estimate(1.08, 0.04, 6), floor=0.03, most=10) is None


def test_more_launches_are_asked_for_than_there_are() -> None:
    quiet = ratio_estimate(1.2, 0.001, 8)
    assert launches_to_decide(quiet, floor=0.03) == 9
    assert launches_to_decide(ratio_estimate(1.2, 0.001, 2), floor=0.03) == 5
