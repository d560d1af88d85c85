"""METHOD 6's default rules, as bounds: how often each calls what did not change, and finds what did.

Seeded simulations of whole decisions, by the very functions that compare, check and trend call. The figures of larger
simulations, beside other tools' rules on the same series, are in docs/statistics.md (benchmarks/decision_rules.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from assay.core.words import Change, Direction
from assay.stats.change import estimate_ratio, judge_ratio
from assay.stats.cusum import find_change_points
from assay.stats.prediction import judge_next_many

Array = NDArray[np.float64]
Noise = Callable[[np.random.Generator, tuple[int, int]], Array]


def gaussian(spread: float) -> Noise:
    return lambda random, shape: random.normal(0, spread, shape)


def heavy_tailed(spread: float) -> Noise:
    """Student's t with 3 degrees of freedom."""
    return lambda random, shape: spread * random.standard_t(3, shape)


def bimodal(spread: float) -> Noise:
    """Three of ten values in a state that is 10 % slower."""
    return lambda random, shape: (
        random.normal(0, spread, shape) + np.where(random.random(shape) < 0.3, math.log(1.1), 0)
    )


def autocorrelated(spread: float, phi: float) -> Noise:
    """Autoregression of order 1 with this standard deviation."""

    def draw(random: np.random.Generator, shape: tuple[int, int]) -> Array:
        values = random.normal(0, spread, shape)
        for i in range(1, shape[1]):
            values[:, i] = phi * values[:, i - 1] + math.sqrt(1 - phi**2) * values[:, i]
        return values

    return draw


def verdicts(noise: Noise, factor: float, *, launches: int, trials: int, seed: int) -> list[Change]:
    random = np.random.default_rng([6, seed])
    a, b = (np.exp(noise(random, (trials, launches))) for _ in range(2))
    found = []
    for one, other in zip(a, factor * b, strict=True):
        estimate = estimate_ratio(one, other)
        assert estimate is not None
        found.append(judge_ratio(estimate, direction=Direction.LOWER).change)
    return found


def share(found: list[Change], *wanted: Change) -> float:
    return sum(change in wanted for change in found) / len(found)


@pytest.mark.parametrize(
    ("noise", "seed"), [(gaussian(0.01), 1), (gaussian(0.03), 2), (bimodal(0.01), 3)], ids=["1 %", "3 %", "bimodal"]
)
def test_compare_calls_at_most_one_of_a_hundred_unchanged_cases_regressed(noise: Noise, seed: int) -> None:
    found = verdicts(noise, 1.0, launches=5, trials=1_500, seed=seed)
    assert share(found, Change.REGRESSED) <= 0.01
    assert share(found, Change.IMPROVED) <= 0.01


def test_compare_finds_five_percent_at_one_percent_noise() -> None:
    assert share(verdicts(gaussian(0.01), 1.05, launches=5, trials=1_500, seed=4), Change.REGRESSED) >= 0.95
    assert share(verdicts(gaussian(0.01), 1 / 1.05, launches=5, trials=1_500, seed=5), Change.IMPROVED) >= 0.95


def test_compare_says_unchanged_of_what_changed_in_one_of_twenty_at_most() -> None:
    for launches in (3, 5):
        found = verdicts(gaussian(0.01), 1.03, launches=launches, trials=1_000, seed=10 + launches)
        assert share(found, Change.UNCHANGED) <= 0.05 + 0.02  # 3 standard errors: the level is exact on the floor


def test_three_launches_suspect_at_most_one_of_a_hundred() -> None:
    assert share(verdicts(gaussian(0.03), 1.0, launches=3, trials=1_000, seed=6), Change.SUSPECT) <= 0.01


def suspects(noise: Noise, factor: float, *, history: int, trials: int, seed: int) -> float:
    random = np.random.default_rng([7, seed])
    values = np.exp(noise(random, (trials, history + 1)))
    judged = judge_next_many(
        list(values[:, :-1]),
        (factor * values[:, -1]).tolist(),
        directions=[Direction.LOWER] * trials,
        floors=[0.03] * trials,
    )
    return sum(one.is_suspect for one in judged) / trials


@pytest.mark.parametrize("history", [8, 30])
def test_check_suspects_at_most_its_level(history: int) -> None:
    assert suspects(gaussian(0.01), 1.0, history=history, trials=4_000, seed=1) <= 0.005  # the floor
    assert suspects(gaussian(0.03), 1.0, history=history, trials=4_000, seed=2) <= 0.0125
    assert suspects(heavy_tailed(0.01), 1.0, history=history, trials=4_000, seed=3) <= 0.025
    assert suspects(bimodal(0.01), 1.0, history=history, trials=4_000, seed=4) <= 0.03


def test_check_suspects_what_got_five_percent_slower() -> None:
    assert suspects(gaussian(0.01), 1.05, history=30, trials=4_000, seed=5) >= 0.95
    assert suspects(gaussian(0.01), 1.05, history=8, trials=4_000, seed=6) >= 0.85


NULLS = {
    "gaussian": gaussian(0.03),
    "heavy-tailed": heavy_tailed(0.02),
    "bimodal": bimodal(0.01),
    "autocorrelated .3": autocorrelated(0.03, 0.3),
    "autocorrelated .5": autocorrelated(0.03, 0.5),
}


@pytest.mark.parametrize("n", [25, 50])
@pytest.mark.parametrize("name", NULLS)
def test_trend_calls_at_most_three_of_two_hundred_unchanged_series(name: str, n: int) -> None:
    random = np.random.default_rng([8, n, [*NULLS].index(name)])
    found = [find_change_points(values) for values in np.exp(NULLS[name](random, (600, n)))]
    assert sum(map(bool, found)) / len(found) <= 0.015


@pytest.mark.parametrize("history", [20, 30])
def test_trend_finds_five_percent_five_points_after(history: int) -> None:
    random = np.random.default_rng([9, history])
    values = np.exp(gaussian(0.01)(random, (400, history + 5)))
    values[:, history:] *= 1.05
    found = [find_change_points(row) for row in values]
    placed = [any(abs(point.index - history) <= 2 for point in points) for points in found]
    assert sum(placed) / len(placed) >= 0.90


def test_trend_finds_a_regression_that_was_taken_back() -> None:
    random = np.random.default_rng(10)
    values = np.exp(gaussian(0.01)(random, (150, 50)))
    values[:, 20:30] *= 1.05
    found = [[point.index for point in find_change_points(row)] for row in values]
    both = [len(points) == 2 and abs(points[0] - 20) <= 2 and abs(points[1] - 30) <= 2 for points in found]
    assert sum(both) / len(both) >= 0.90
