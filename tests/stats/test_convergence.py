"""When a training is over: every rule on curves made for it, and what must not set it off."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.stats.convergence import (
    PATIENCE,
    find_first_reaching,
    find_not_finite,
    has_diverged,
    has_learned,
    has_plateaued,
    loss_ratio,
    standard_error,
)

FALLING = [2.3 * 0.97**step for step in range(100)]


def test_the_first_value_that_is_no_number_is_found() -> None:
    assert find_not_finite([1.0, math.nan, math.inf]) == 1
    assert find_not_finite([1.0, -math.inf]) == 1
    assert find_not_finite([]) is None
    assert find_not_finite(FALLING) is None


def test_a_target_is_reached_by_what_is_equal_to_it() -> None:
    assert find_first_reaching([0.1, 0.95, 0.99], 0.95) == 1
    assert find_first_reaching([0.1, 0.2], 0.95) is None


def test_loss_ratio_compares_the_last_tenth_with_the_first() -> None:
    expected = np.median(FALLING[-10:]) / np.median(FALLING[:10])
    assert loss_ratio(FALLING) == pytest.approx(float(expected))
    assert loss_ratio([2.0, 1.0]) == 0.5


@pytest.mark.parametrize("losses", [[], [1.0], [0.0, 1.0], [1.0, math.nan]])
def test_a_ratio_that_means_nothing_is_none(losses: list[float]) -> None:
    assert loss_ratio(losses) is None


def test_a_loss_that_grows_threefold_has_diverged() -> None:
    assert has_diverged([1.0] * 20 + [3.1] * 20)
    assert not has_diverged([1.0] * 20 + [2.9] * 20)
    assert has_diverged([1.0, math.nan])


def test_one_wild_batch_or_too_few_steps_are_no_divergence() -> None:
    assert not has_diverged([1.0] * 30 + [1000.0])
    assert not has_diverged([1.0] * 9 + [1000.0] * 10)
    assert not has_diverged(FALLING)


@given(st.lists(st.floats(0.01, 10), min_size=20, max_size=200), st.floats(0.001, 1000))
def test_divergence_does_not_depend_on_the_unit_of_the_loss(losses: list[float], factor: float) -> None:
    last, first = np.median(losses[-max(10, len(losses) // 10) :]), np.median(losses[: max(10, len(losses) // 10)])
    if abs(float(last) - 3 * float(first)) > 1e-9:  # on the very edge rounding decides
        assert has_diverged([loss * factor for loss in losses]) == has_diverged(losses)


def test_rest_is_called_when_neither_answers_nor_loss_improve() -> None:
    accuracies, losses = [0.1, 0.5, 0.9], [2.3, 1.0, 0.4]
    assert has_plateaued(accuracies + [0.9] * PATIENCE, losses + [0.4] * PATIENCE, samples=1000)
    assert not has_plateaued(accuracies + [0.9] * (PATIENCE - 1), losses + [0.4] * (PATIENCE - 1), samples=1000)


def test_a_model_at_chance_whose_loss_falls_goes_on() -> None:
    losses = [2.3 * 0.98**place for place in range(30)]
    assert not has_plateaued([0.1] * 30, losses, samples=1000)


def test_a_model_whose_loss_rises_while_its_answers_improve_goes_on() -> None:
    accuracies = [0.5 + 0.01 * place for place in range(30)]
    assert not has_plateaued(accuracies, [1.0 + 0.1 * place for place in range(30)], samples=1000)


def test_an_improvement_within_the_noise_of_the_test_split_is_none() -> None:
    accuracies = [0.5] * 5 + [0.51] * PATIENCE  # a standard error of 100 answers is 0.05, of 10 000 it is 0.005
    losses = [1.0] * len(accuracies)
    assert has_plateaued(accuracies, losses, samples=100)
    assert not has_plateaued(accuracies, losses, samples=10_000)


def test_curves_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 accuracies and 1 losses"):
        has_plateaued([0.1, 0.2], [1.0], samples=10)


def test_standard_error_is_that_of_a_binomial_and_never_0() -> None:
    assert standard_error(0.5, 100) == pytest.approx(0.05)
    random = np.random.default_rng(0)
    shares = random.binomial(360, 0.95, size=20_000) / 360
    assert standard_error(0.95, 360) == pytest.approx(float(shares.std()), rel=0.03)
    assert standard_error(1.0, 100) > 0
    assert standard_error(0.0, 100) == pytest.approx(standard_error(1.0, 100))
    with pytest.raises(ValueError, match="0 samples"):
        standard_error(0.5, 0)


def test_learning_shows_in_the_loss_or_in_the_answers() -> None:
    flat = [2.3] * 100
    assert has_learned(FALLING, before=0.1, best=0.1, samples=360)
    assert has_learned(flat, before=0.1, best=0.3, samples=360)
    assert not has_learned(flat, before=0.1, best=0.12, samples=360)
    assert not has_learned([], before=0.1, best=0.1, samples=360)


def test_an_untrained_model_seldom_looks_as_if_it_had_learned() -> None:
    """Guessing among ten classes, the best of 50 evaluations still lies within 3 standard errors nearly always."""
    random = np.random.default_rng(1)
    shares = random.binomial(360, 0.1, size=(500, 51)) / 360
    wrong = sum(has_learned([2.3] * 50, before=float(row[0]), best=float(row[1:].max()), samples=360) for row in shares)
    assert wrong / 500 < 0.05
