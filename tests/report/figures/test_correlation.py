"""Rank correlations against scipy, with gaps, ties, and columns of which nothing can be said."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from assay.core.words import Provenance
from assay.report.figures.correlation import FEWEST_PAIRS, correlate, draw_correlation
from assay.report.values import Cell

# Whole numbers from a few, so that there are ties.
column = st.lists(st.none() | st.integers(-5, 5).map(float), min_size=30, max_size=30)


def number(cell: Cell) -> float:
    assert isinstance(cell.value, float)
    return cell.value


@given(column, column)
def test_as_scipy_has_it_where_both_are_known(x: list[float | None], y: list[float | None]) -> None:
    cell = correlate({"x": x, "y": y})[0][1]
    both = [(a, b) for a, b in zip(x, y, strict=True) if a is not None and b is not None]
    assert cell.n == len(both)
    if len(both) < FEWEST_PAIRS:
        assert cell.value is None
        assert cell.reason is not None
        assert "at least 10 are needed" in cell.reason
        return
    if len({a for a, _ in both}) == 1 or len({b for _, b in both}) == 1:
        assert cell.value is None
        assert cell.reason is not None
        assert "is the same in all" in cell.reason
        return
    expected = float(spearmanr(*zip(*both, strict=True)).statistic)
    assert number(cell) == pytest.approx(expected, abs=1e-12)
    if abs(expected) < 1 - 1e-9:
        assert cell.lo is not None
        assert cell.hi is not None
        assert -1 <= cell.lo < number(cell) < cell.hi <= 1


def test_the_interval_is_fishers_with_the_variance_for_ranks() -> None:
    x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0]
    y = [2.0, 1.0, 4.0, 3.0, 6.0, 5.0, 8.0, 7.0, 10.0, 9.0, 12.0, 11.0]
    cell = correlate({"x": x, "y": y})[0][1]
    r = 1 - 6 * 12 / (12 * 143)
    half = 1.959963984540054 * math.sqrt((1 + r * r / 2) / 9)
    assert number(cell) == pytest.approx(r)
    assert cell.lo == pytest.approx(math.tanh(math.atanh(r) - half))
    assert cell.hi == pytest.approx(math.tanh(math.atanh(r) + half))


def test_intervals_hold_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(7)
    rho = 0.6  # of a normal pair Spearman's coefficient is 6 / pi asin(rho / 2)
    truth = 6 / math.pi * math.asin(rho / 2)
    held = 0
    for _ in range(400):
        x = random.normal(size=30)
        y = rho * x + math.sqrt(1 - rho * rho) * random.normal(size=30)
        cell = correlate({"x": x.tolist(), "y": y.tolist()})[0][1]
        assert cell.lo is not None
        assert cell.hi is not None
        held += cell.lo <= truth <= cell.hi
    assert 0.92 <= held / 400 <= 0.98


def test_the_matrix_is_symmetric_with_ones_along_its_diagonal() -> None:
    random = np.random.default_rng(1)
    columns = {name: random.normal(size=20).tolist() for name in "abc"}
    grid = correlate(columns, provenance=Provenance.MEASURED)
    for i in range(3):
        assert grid[i][i].value == 1.0
        assert all(grid[i][j] == grid[j][i] for j in range(3))
        assert all(cell.provenance is Provenance.MEASURED for cell in grid[i])


def test_a_perfect_order_has_no_interval_and_says_why() -> None:
    up = [float(n) for n in range(12)]
    cell = correlate({"up": up, "down": up[::-1]})[0][1]
    assert (cell.value, cell.lo, cell.hi, cell.n) == (-1.0, None, None, 12)
    assert cell.reason == "all 12 results are in the opposite order, so no interval can be given"


def test_what_is_not_finite_is_a_gap() -> None:
    x = [float(n) for n in range(12)]
    y = [math.nan, math.inf, *x[2:]]
    assert correlate({"x": x, "y": y})[0][1].n == 10


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="the same length"):
        correlate({"x": [1.0], "y": [1.0, 2.0]})
    with pytest.raises(ValueError, match="fewest=3; expected at least 4"):
        correlate({"x": [1.0]}, fewest=3)


def test_the_figure_says_the_strongest_and_what_is_blank() -> None:
    x = [float(n) for n in range(12)]
    noisy = [*x[:10], 11.0, 10.0]
    figure = draw_correlation(columns={"latency": x, "load": noisy, "empty": [None] * 12})
    assert figure.heat is not None
    assert (figure.heat.limits, figure.heat.unit) == ((-1.0, 1.0), None)
    assert figure.x.categories == ("latency", "load", "empty")
    assert figure.heat.cells[0][2].value is None
    assert figure.heat.cells[2][2].value is None
    assert "1 pair of metrics. Strongest: latency and load 0.99" in figure.alt
    assert "2 pairs blank" in figure.alt
    assert "A correlation of metrics is no cause." in figure.notes[1]


def test_nothing_in_common_is_an_empty_figure() -> None:
    few = draw_correlation(columns={"a": [1.0, 2.0], "b": [3.0, None]})
    assert few.empty == "No two metrics have 10 results in common."
    assert draw_correlation(columns={"a": [1.0]}).empty == "A correlation takes two metrics, and there is one."
    assert draw_correlation(columns={}).empty == "A correlation takes two metrics, and there are none."
