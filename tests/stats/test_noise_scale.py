"""The noise scale of gradients whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assay.stats.noise_scale import GradientNoise, combine_noise, estimate_noise, suggest_batch

RANDOM = np.random.default_rng(20180712)


def draw_norms(truth: float, spread: float, *, size: int, batch: int, batches: int) -> tuple[list[float], float]:
    """Squared norms of the gradients of some batches and of their mean: parameters alike."""
    gradients = truth + RANDOM.normal(0, spread / math.sqrt(batch), size=(batches, size))
    return [float(row @ row) for row in gradients], float(np.square(gradients.mean(axis=0)).sum())


def test_both_estimates_are_unbiased() -> None:
    truth, spread, size, batch, batches = 0.05, 1.0, 400, 8, 16
    found = [
        estimate_noise(
            *draw_norms(truth, spread, size=size, batch=batch, batches=batches), small_batch=8, big_batch=128
        )
        for _ in range(400)
    ]
    assert np.mean([one.signal for one in found]) == pytest.approx(size * truth**2, rel=0.05)
    assert np.mean([one.noise for one in found]) == pytest.approx(size * spread**2, rel=0.02)
    # tr(Sigma) / |G|^2 = 1 / 0.0025: 400 samples
    assert combine_noise(found).scale == pytest.approx(400, rel=0.06)


def test_without_noise_the_scale_is_not_given() -> None:
    found = estimate_noise([4.0, 4.0], 4.0, small_batch=8, big_batch=16)
    assert found == GradientNoise(signal=4.0, noise=0.0)
    assert found.scale is None


def test_a_signal_lost_in_noise_gives_no_scale() -> None:
    assert estimate_noise([1.0] * 16, 1 / 16, small_batch=8, big_batch=128).scale is None
    assert estimate_noise([1.0] * 16, 0.01, small_batch=8, big_batch=128).signal < 0


def test_a_moment_that_is_lost_does_not_spoil_the_others() -> None:
    combined = combine_noise([GradientNoise(-1.0, 30.0), GradientNoise(4.0, 30.0)])
    assert combined.scale == 20.0


@pytest.mark.parametrize(
    ("small", "big", "sizes"),
    [
        ([], 1.0, (8, 16)),
        ([math.nan], 1.0, (8, 16)),
        ([1.0], math.inf, (8, 16)),
        ([1.0], 1.0, (8, 8)),
        ([1.0], 1.0, (0, 8)),
    ],
)
def test_what_cannot_be_estimated_is_refused(small: list[float], big: float, sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="got"):
        estimate_noise(small, big, small_batch=sizes[0], big_batch=sizes[1])


def test_nothing_cannot_be_averaged() -> None:
    with pytest.raises(ValueError, match="no moments"):
        combine_noise([])


@pytest.mark.parametrize(
    ("scale", "most", "expected"),
    [(100.0, 1000, 128), (90.0, 1000, 64), (0.2, 1000, 1), (5000.0, 179, 128), (64.0, 64, 64), (3.0, 1, 1)],
)
def test_the_batch_is_the_nearest_power_of_two_that_fits(scale: float, most: int, expected: int) -> None:
    assert suggest_batch(scale, most=most) == expected


@pytest.mark.parametrize(("scale", "most"), [(0.0, 8), (math.nan, 8), (math.inf, 8), (8.0, 0)])
def test_a_batch_of_nothing_is_refused(scale: float, most: int) -> None:
    with pytest.raises(ValueError, match="noise scale"):
        suggest_batch(scale, most=most)
