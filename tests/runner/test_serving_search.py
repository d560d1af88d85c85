"""The search for the highest rate, against systems whose answer is known."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.runner.rate_search import RateSearch, find_highest_rate


@dataclass(frozen=True, slots=True)
class Verdict:
    is_valid: bool


def below(limit: float) -> Callable[[float], Verdict]:
    return lambda rate: Verdict(rate <= limit)


@given(limit=st.floats(0.5, 5000.0), start=st.floats(1.0, 1000.0))
def test_a_sharp_limit_is_found_to_within_the_tolerance_and_confirmed(limit: float, start: float) -> None:
    found = find_highest_rate(below(limit), start_per_s=start, tolerance=0.05, most_trials=60)
    if start / 8 < limit < start * 512:
        assert found.stop_reason == "confirmed"
        assert found.is_confirmed
        assert found.highest_valid_per_s is not None
        assert found.lowest_invalid_per_s is not None
        assert found.highest_valid_per_s <= limit < found.lowest_invalid_per_s
        assert found.lowest_invalid_per_s <= found.highest_valid_per_s * 1.05
        assert found.best == Verdict(is_valid=True)


def test_trials_are_kept_as_they_were() -> None:
    found = find_highest_rate(below(10), start_per_s=4, tolerance=0.5)
    rates = [trial.rate_per_s for trial in found.trials]
    assert rates == pytest.approx([4, 8, 16, 11.3137, 8])
    assert [trial.result.is_valid for trial in found.trials] == [True, True, False, False, True]


def test_where_no_rate_holds_there_is_none() -> None:
    found = find_highest_rate(below(0), start_per_s=4)
    assert (found.highest_valid_per_s, found.is_confirmed, found.stop_reason) == (None, False, "no rate holds")
    assert found.lowest_invalid_per_s == 4 / 16
    assert found.best is None


def test_where_every_rate_holds_that_is_said() -> None:
    found = find_highest_rate(below(1e12), start_per_s=4)
    assert (found.lowest_invalid_per_s, found.is_confirmed, found.stop_reason) == (None, False, "every rate holds")


def test_a_rate_that_held_by_luck_is_lowered_until_one_holds_twice() -> None:
    lucky = [10.0]

    def run(rate: float) -> Verdict:
        if rate > 9 and lucky:
            lucky.clear()
            return Verdict(is_valid=True)
        return Verdict(rate <= 9)

    found = find_highest_rate(run, start_per_s=10, tolerance=0.1)
    assert found.is_confirmed
    assert found.highest_valid_per_s is not None
    assert found.highest_valid_per_s <= 9
    assert any(trial.rate_per_s > 9 and trial.result.is_valid for trial in found.trials)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_confirmed_lies_below_every_failure_whatever_luck_does(seed: int) -> None:
    luck = random.Random(seed)
    found: RateSearch[Verdict] = find_highest_rate(
        lambda rate: Verdict(luck.random() < 1 / (1 + (rate / 50) ** 6)), start_per_s=20, most_trials=40
    )
    failed = [trial.rate_per_s for trial in found.trials if not trial.result.is_valid]
    if found.highest_valid_per_s is not None:
        assert found.highest_valid_per_s < min(failed)
    if found.is_confirmed:
        assert found.trials[-1].result.is_valid
        assert sum(trial.rate_per_s == found.highest_valid_per_s for trial in found.trials) >= 2


def test_an_endless_search_ends() -> None:
    found = find_highest_rate(below(100), start_per_s=1, most_trials=3)
    assert len(found.trials) == 3
    assert found.stop_reason == "not confirmed in 3 runs"
    assert not found.is_confirmed
