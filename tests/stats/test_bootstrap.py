"""The hierarchical bootstrap: against one that really draws every sample, and what must hold for any data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from assay.stats.bootstrap import bootstrap_ratio

Launches = list[NDArray[np.float64]]


def launches(count: int, *, factor: float = 1.0, samples: int = 30, seed: int = 0) -> Launches:
    random = np.random.default_rng([9, seed])
    return [factor * np.exp(random.normal(0, 0.02) + random.normal(0, 0.05, samples)) for _ in range(count)]


def drawn(side: Launches, resamples: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Resample by drawing everything: launches of one size."""
    samples = np.stack(side)
    picked = random.integers(samples.shape[0], size=(resamples, samples.shape[0], 1))
    within = random.integers(samples.shape[1], size=(resamples, *samples.shape))
    medians: NDArray[np.float64] = np.median(np.median(samples[picked, within], axis=2), axis=1)
    return medians


@pytest.mark.parametrize("samples", [8, 9])
def test_it_is_the_bootstrap_that_draws_every_sample(samples: int) -> None:
    a, b = launches(6, samples=samples), launches(6, factor=1.1, samples=samples, seed=1)
    random = np.random.default_rng(2)
    resampled = drawn(b, 20_000, random) / drawn(a, 20_000, random)
    found = bootstrap_ratio(a, b, resamples=20_000)
    lo, hi = np.quantile(resampled, [0.025, 0.975])
    assert found.lo == pytest.approx(lo, abs=0.004)
    assert found.hi == pytest.approx(hi, abs=0.004)


def test_the_ratio_is_of_medians_of_launch_medians() -> None:
    found = bootstrap_ratio([[1, 2, 3], [4, 4], [9, 5, 7]], [[8, 8], [8, 10, 8], [1, 30, 30]])
    assert found.ratio == 2
    assert found.lo <= 2 <= found.hi


def test_swapping_inverts_and_the_unit_does_not_matter() -> None:
    a, b = launches(5), launches(5, factor=1.2, seed=1)
    one = bootstrap_ratio(a, b, resamples=20_000)
    back = bootstrap_ratio(b, a, resamples=20_000)
    assert one.ratio * back.ratio == pytest.approx(1)
    assert one.lo * back.hi == pytest.approx(1, abs=0.01)
    other = bootstrap_ratio([8 * x for x in a], [8 * x for x in b], resamples=20_000)
    assert (other.lo, other.hi) == (one.lo, one.hi)


def test_the_seed_decides() -> None:
    a, b = launches(5), launches(5, seed=1)
    assert bootstrap_ratio(a, b, seed=3) == bootstrap_ratio(a, b, seed=3)
    assert bootstrap_ratio(a, b, seed=3) != bootstrap_ratio(a, b, seed=4)


def test_what_never_varies_has_no_width() -> None:
    found = bootstrap_ratio([[4.0] * 5] * 3, [[6.0] * 7] * 3)
    assert (found.ratio, found.lo, found.hi) == (1.5, 1.5, 1.5)


def test_noise_between_launches_widens_it() -> None:
    random = np.random.default_rng(4)
    apart = [[factor * x for x in 1 + random.normal(0, 0.001, 30)] for factor in (1.0, 1.1, 0.9, 1.05, 0.95)]
    alike = [1 + random.normal(0, 0.001, 30) for _ in range(5)]
    wide, narrow = bootstrap_ratio(apart, apart), bootstrap_ratio(alike, alike)
    assert wide.hi - wide.lo > 20 * (narrow.hi - narrow.lo)


@pytest.mark.parametrize("side", [[[1.0, 2.0]], [], [[1.0], []], [[1.0], [0.0]], [[1.0], [math.nan]], [[1.0], [-1.0]]])
def test_what_cannot_be_resampled_is_an_error(side: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="got"):
        bootstrap_ratio(side, [[1.0], [2.0]])
