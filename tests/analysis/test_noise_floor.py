"""The noise floor of launches: what it is worth is held as bounds on simulated launches, seeded."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from assay.analysis.noise_floor import call_changed, find_groups, measure_noise_floor, wilson_interval
from assay.core.words import Change, Direction
from assay.stats.change import estimate_ratio, judge_ratio

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]

NOISES: dict[str, Draw] = {
    "normal": lambda random, shape: 0.02 * random.standard_normal(shape),
    "bimodal": lambda random, shape: 0.004 * random.standard_normal(shape) + 0.04 * (random.random(shape) < 0.4),
    "heavy": lambda random, shape: 0.02 / math.sqrt(3) * random.standard_t(3, shape),
}


@pytest.mark.parametrize(("noise", "bound"), [("normal", 0.015), ("bimodal", 0.01), ("heavy", 0.04)])
def test_new_sides_seldom_exceed_the_floor_of_twenty_launches(noise: str, bound: float) -> None:
    random, draw = np.random.default_rng(1), NOISES[noise]
    exceeded = []
    for _ in range(150):
        limit = math.log1p(measure_noise_floor(np.exp(draw(random, (20,))).tolist()).floor)
        sides = draw(random, (60, 2, 5)).mean(axis=2)
        exceeded.append(float((np.abs(sides[:, 0] - sides[:, 1]) > limit).mean()))
    assert np.mean(exceeded) <= bound


def test_floor_of_ten_launches_is_wider_than_that_of_as_noisy_many() -> None:
    random = np.random.default_rng(2)
    standard = random.standard_normal(10)
    few = np.exp(0.02 * (standard - standard.mean()) / standard.std(ddof=1))
    many = np.exp(0.02 * np.linspace(-1.7, 1.7, 40))
    floors = [measure_noise_floor(values.tolist()) for values in (few, many)]
    assert floors[0].sd_log == pytest.approx(0.02)
    assert floors[0].floor > floors[1].floor * 0.02 / floors[1].sd_log
    # t(.995, 9) s sqrt(2 / 5)
    assert floors[0].floor >= math.expm1(3.2498 * 0.02 * math.sqrt(0.4)) - 1e-6


def test_every_split_of_two_sides_is_tried_where_there_are_no_more_launches() -> None:
    noise = measure_noise_floor(np.exp(NOISES["normal"](np.random.default_rng(3), (10,))).tolist())
    assert (noise.splits, noise.comparisons) == (126, 1)


def test_splits_are_the_same_each_time_and_others_with_another_seed() -> None:
    values = np.exp(NOISES["normal"](np.random.default_rng(4), (20,))).tolist()
    assert measure_noise_floor(values) == measure_noise_floor(values)
    assert measure_noise_floor(values, seed=1).floor == pytest.approx(measure_noise_floor(values).floor, rel=0.1)


def test_false_alarms_of_equal_launches_are_below_one_per_cent() -> None:
    random = np.random.default_rng(5)
    found = [measure_noise_floor(np.exp(NOISES["normal"](random, (20,))).tolist()) for _ in range(100)]
    assert sum(one.comparisons for one in found) == 200
    assert sum(one.alarms for one in found) <= 4  # 0.8 % expected at most
    assert np.mean([one.false_alarm_rate for one in found]) <= 0.01


def test_launches_without_spread_have_no_floor() -> None:
    noise = measure_noise_floor([3.0] * 20)
    assert (noise.sd_log, noise.floor, noise.false_alarms, noise.block_difference) == (0.0, 0.0, 0, 0.0)
    assert not noise.has_drifted
    assert noise.groups is None


def test_a_drift_is_said_beside_the_floor_and_not_put_into_it() -> None:
    random = np.random.default_rng(6)
    steady = np.exp(0.005 * random.standard_normal(20))
    drifting = steady * np.exp(np.linspace(0, 0.10, 20))
    noise = measure_noise_floor(drifting.tolist())
    assert noise.has_drifted
    assert noise.drift_ratio == pytest.approx(1.05, abs=0.01)
    assert noise.block_difference == pytest.approx(0.027, abs=0.01)
    assert not measure_noise_floor(steady.tolist()).has_drifted


@given(
    st.lists(st.floats(0.9, 1.1), min_size=5, max_size=5), st.lists(st.floats(0.9, 1.1), min_size=5, max_size=5),
    st.sampled_from([1.0, 1.1]),
)  # fmt: skip
def test_many_comparisons_at_once_are_called_as_one_by_one(a: list[float], b: list[float], factor: float) -> None:
    b = [factor * value for value in b]
    estimate = estimate_ratio(a, b)
    assert estimate is not None
    change = judge_ratio(estimate, direction=Direction.LOWER).change
    called = call_changed(np.log([a]), np.log([b]))
    assert bool(called[0]) is (change in {Change.REGRESSED, Change.IMPROVED})


@pytest.mark.parametrize("values", [[1.0] * 9, [1.0] * 9 + [0.0], [1.0] * 9 + [math.inf], [1.0] * 9 + [math.nan]])
def test_too_few_launches_and_impossible_values_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"got"):
        measure_noise_floor(values)


UNIMODAL: dict[str, Draw] = {
    "normal": lambda random, shape: random.standard_normal(shape),
    "uniform": lambda random, shape: random.random(shape),
    "heavy": lambda random, shape: random.standard_t(3, shape),
    "skewed": lambda random, shape: random.standard_exponential(shape),
}


@pytest.mark.parametrize("noise", UNIMODAL)
@pytest.mark.parametrize("n", [10, 20, 40])
def test_one_group_is_seldom_taken_for_two(noise: str, n: int) -> None:
    values = np.exp(UNIMODAL[noise](np.random.default_rng(7), (400, n)))
    assert sum(find_groups(row) is not None for row in values) <= 0.025 * 400


@pytest.mark.parametrize(("n", "share"), [(10, 0.55), (20, 0.95), (40, 0.99)])
def test_two_groups_far_apart_are_found(n: int, share: float) -> None:
    random = np.random.default_rng(8)
    rows = np.exp(0.005 * (random.standard_normal((300, n)) + 10 * (random.random((300, n)) < 0.5)))
    assert sum(find_groups(row) is not None for row in rows) >= share * 300


def test_groups_say_how_many_and_where() -> None:
    low, high = [10.0, 10.01, 10.02, 9.99] * 3, [11.0, 11.01, 10.99] * 2
    found = find_groups([*high, *low])
    assert found is not None
    assert [group.launches for group in found] == [12, 6]
    assert [group.value for group in found] == pytest.approx([10.005, 11.0], abs=0.001)


def test_groups_that_are_nearly_equal_or_of_two_launches_are_no_groups() -> None:
    assert find_groups([1.000, 1.0001] * 5 + [1.005, 1.0051] * 5) is None
    assert find_groups([1.0, 1.001] * 9 + [2.0, 2.001]) is None


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_as_published(count: int, of: int, low: float, high: float) -> None:
    assert list(wilson_interval(count, of)) == pytest.approx([low, high], abs=1e-4)
    assert list(wilson_interval(of - count, of)) == pytest.approx([1 - high, 1 - low], abs=1e-4)


@pytest.mark.parametrize(("count", "of"), [(1, 0), (-1, 3), (4, 3)])
def test_shares_that_cannot_be_are_refused(count: int, of: int) -> None:
    with pytest.raises(ValueError, match=r"expected 0 <= count <= of"):
        wilson_interval(count, of)
