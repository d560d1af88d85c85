"""Do the 95 % intervals hold the truth 95 % of the time? Seeded simulation; the figures are in docs/method.md."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from assay.stats.summary import launch_interval, median_interval

Array = NDArray[np.float64]
Sampler = Callable[[np.random.Generator, tuple[int, ...]], Array]

TRIALS = 2_000


def _bimodal(random: np.random.Generator, size: tuple[int, ...]) -> Array:
    """Two states of a machine, 20 % apart and not equally frequent."""
    is_slow = random.random(size) < 0.3
    return np.where(is_slow, 120.0, 100.0) + random.normal(0, 2, size)


def _bimodal_median() -> float:
    grid = np.linspace(90, 110, 200_001)
    below = 0.7 * stats.norm.cdf(grid, 100, 2) + 0.3 * stats.norm.cdf(grid, 120, 2)
    return float(grid[np.searchsorted(below, 0.5)])


# How samples within one launch are spread, each with its true median.
SAMPLES: dict[str, tuple[Sampler, float]] = {
    "normal": (lambda random, size: random.normal(100, 5, size), 100.0),
    "lognormal": (lambda random, size: 100 * random.lognormal(0, 0.3, size), 100.0),
    "heavy-tailed": (lambda random, size: 100 + 5 * random.standard_t(3, size), 100.0),
    "bimodal": (_bimodal, _bimodal_median()),
}


@pytest.mark.parametrize("n", [30, 100, 1000])
@pytest.mark.parametrize("name", SAMPLES)
def test_the_median_interval_holds_the_median(name: str, n: int) -> None:
    sample, truth = SAMPLES[name]
    random = np.random.default_rng([4, n, [*SAMPLES].index(name)])
    hits = 0
    for values in sample(random, (TRIALS, n)):
        interval = median_interval(values)
        assert interval is not None
        hits += interval.lo <= truth <= interval.hi
    # The exact levels are 95.7, 94.3 and 94.6 %; 3.5 standard errors of a simulation of this size are 1.8 %.
    assert 0.925 <= hits / TRIALS <= 0.975


@pytest.mark.parametrize("n", [30, 100, 1000])
@pytest.mark.parametrize("name", SAMPLES)
def test_the_median_interval_is_the_percentile_bootstraps(name: str, n: int) -> None:
    sample, _ = SAMPLES[name]
    for seed in range(3):
        values = np.sort(sample(np.random.default_rng([5, n, seed]), (n,)))
        resampled = stats.bootstrap(
            (values,),
            np.median,
            n_resamples=2000,
            batch=200,
            confidence_level=0.95,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).confidence_interval
        interval = median_interval(values)
        assert interval is not None
        # A rank of our own, and 3 standard errors of the other: 2 000 resamples find the 2.5 % point of a normal
        # distribution to 6 % of its standard deviation, which here is sqrt(n) / 2 ranks.
        tolerance = 1 + math.ceil(3 * 0.06 * math.sqrt(n) / 2)
        assert abs(np.searchsorted(values, interval.lo) - np.searchsorted(values, resampled.low)) <= tolerance
        assert abs(np.searchsorted(values, interval.hi) - np.searchsorted(values, resampled.high)) <= tolerance


def _launch_medians(random: np.random.Generator, noise: float, launches: int) -> Array:
    """Medians of 100 samples a launch: noise between launches multiplies, noise of 5 % within them on top."""
    levels = random.lognormal(0, noise, (TRIALS, launches, 1))
    samples = levels * random.lognormal(0, 0.05, (TRIALS, launches, 100))
    medians: Array = np.median(samples, axis=2) * 1e8
    return medians


def _bootstrap_coverage(random: np.random.Generator, medians: Array, truth: float) -> float:
    """Coverage of the percentile bootstrap of the median over launches, 2 000 resamples each."""
    launches = medians.shape[1]
    hits = 0
    for values in medians:
        resampled = np.median(values[random.integers(0, launches, (2000, launches))], axis=1)
        lo, hi = np.percentile(resampled, [2.5, 97.5])
        hits += bool(lo <= truth <= hi)
    return hits / len(medians)


@pytest.mark.parametrize("launches", [3, 5])
@pytest.mark.parametrize("noise", [0.01, 0.03])
def test_the_launch_interval_holds_the_truth_where_a_bootstrap_does_not(noise: float, launches: int) -> None:
    random = np.random.default_rng([6, round(1000 * noise), launches])
    medians = _launch_medians(random, noise, launches)
    hits = 0
    for values in medians:
        interval = launch_interval([*values])
        assert interval is not None
        hits += interval.lo <= 1e8 <= interval.hi
    assert 0.93 <= hits / TRIALS <= 0.97
    # The range of 3 values holds their median 1 - 2/2^3 = 75 % of the time, that of 5 values 93.75 %: no bootstrap
    # of them can do better.
    ceiling = 1 - 2 / 2**launches
    assert _bootstrap_coverage(random, medians[:500], 1e8) <= ceiling + 0.04
