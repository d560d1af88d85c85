"""The regression on whatever is known: against ordinary least squares, with gaps, with too little to go by."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assay.stats.gaussian import fit_gaussian


def correlated(rows: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, 2))
    y = 1.5 + 2.0 * x[:, 0] - 1.0 * x[:, 1] + 0.1 * generator.normal(size=rows)
    return np.column_stack([x, y])


def test_without_gaps_it_is_least_squares() -> None:
    values = correlated(500)
    fitted = fit_gaussian(values, fewest=8)
    design = np.column_stack([np.ones(500), values[:, :2]])
    slopes = np.linalg.lstsq(design, values[:, 2], rcond=None)[0]
    row = np.array([0.7, -0.3, math.nan])
    assert fitted.expect(row, 2) == pytest.approx(float(slopes @ [1.0, 0.7, -0.3]), abs=0.03)


def test_gaps_at_random_cost_little() -> None:
    values = correlated(500)
    holed = values.copy()
    holed[np.random.default_rng(1).random(holed.shape) < 0.3] = math.nan
    fitted = fit_gaussian(holed, fewest=8)
    row = np.array([0.7, -0.3, math.nan])
    assert fitted.expect(row, 2) == pytest.approx(1.5 + 2 * 0.7 + 0.3, abs=0.15)


def test_a_row_that_knows_less_is_expected_less_sharply() -> None:
    fitted = fit_gaussian(correlated(500), fewest=8)
    # Only the second column is known: the first is then at its mean, 0.
    assert fitted.expect(np.array([math.nan, -0.3, math.nan]), 2) == pytest.approx(1.8, abs=0.2)


def test_the_value_sought_is_never_looked_at() -> None:
    fitted = fit_gaussian(correlated(100), fewest=8)
    asked = [fitted.expect(np.array([0.7, -0.3, told]), 2) for told in (math.nan, 1e6)]
    assert asked[0] == asked[1]


def test_it_abstains_where_nothing_is_known() -> None:
    values = correlated(100)
    assert math.isnan(fit_gaussian(values, fewest=8).expect(np.full(3, math.nan), 2))
    assert math.isnan(fit_gaussian(values, fewest=101).expect(values[0], 2))
    assert math.isnan(fit_gaussian(np.full((4, 3), math.nan), fewest=2).expect(values[0], 2))


def test_a_column_that_never_differs_is_its_value() -> None:
    values = np.column_stack([correlated(50), np.full(50, 7.0)])
    assert fit_gaussian(values, fewest=8).expect(np.array([0.7, -0.3, math.nan, math.nan]), 3) == 7.0
