"""The geometric mean of ratios and its interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from assay.stats.change import estimate_ratio
from assay.stats.ratios import geometric_mean

RATIOS = st.lists(st.tuples(st.floats(0.01, 100), st.floats(0, 0.1)), min_size=1, max_size=20)


@given(RATIOS)
def test_it_is_the_geometric_mean_within_its_interval(pairs: list[tuple[float, float]]) -> None:
    ratios, variances = [r for r, _ in pairs], [v for _, v in pairs]
    found = geometric_mean(ratios, variances)
    assert found.ratio == pytest.approx(stats.gmean(ratios))
    assert found.lo95 <= found.ratio <= found.hi95
    assert found.n == len(pairs)
    half = 1.959963984540054 * math.sqrt(sum(variances)) / len(pairs)
    assert math.log(found.hi95 / found.ratio) == pytest.approx(half, abs=1e-12)


@given(RATIOS)
def test_swapping_the_sides_inverts_it(pairs: list[tuple[float, float]]) -> None:
    ratios, variances = [r for r, _ in pairs], [v for _, v in pairs]
    one, back = geometric_mean(ratios, variances), geometric_mean([1 / r for r in ratios], variances)
    assert one.ratio * back.ratio == pytest.approx(1)
    assert one.lo95 * back.hi95 == pytest.approx(1)


def test_one_case_keeps_its_own_interval() -> None:
    found = estimate_ratio([100.0, 104.0, 98.0, 101.0], [110.0, 108.0, 109.0, 113.0, 104.0])
    assert found is not None
    mean = geometric_mean([found.ratio], [found.error_log**2], df=[found.df])
    assert (mean.ratio, mean.lo95, mean.hi95) == pytest.approx((found.ratio, found.lo95, found.hi95))


def test_the_interval_holds_one_where_nothing_changed() -> None:
    # 200 comparisons of 8 cases, 5 launches a side, noise of 1 % to 5 %.
    random = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        each = []
        for noise in np.linspace(0.01, 0.05, 8):
            found = estimate_ratio(*np.exp(random.normal(0, noise, (2, 5))).tolist())
            assert found is not None
            each.append(found)
        mean = geometric_mean([e.ratio for e in each], [e.error_log**2 for e in each], df=[e.df for e in each])
        held += mean.lo95 <= 1 <= mean.hi95
    assert 0.90 <= held / 200 <= 0.99


def test_no_variance_has_no_width() -> None:
    found = geometric_mean([2.0, 8.0], [0.0, 0.0], df=[4.0, 4.0])
    assert (found.ratio, found.lo95, found.hi95) == pytest.approx((4, 4, 4))


@pytest.mark.parametrize(
    ("ratios", "variances", "df"),
    [
        ([], [], None),
        ([1.0], [], None),
        ([1.0], [0.1], [3.0, 4.0]),
        ([0.0], [0.1], None),
        ([math.inf], [0.1], None),
        ([1.0], [-0.1], None),
        ([1.0], [math.nan], None),
    ],
)
def test_what_has_no_mean_is_an_error(ratios: list[float], variances: list[float], df: list[float] | None) -> None:
    with pytest.raises(ValueError, match="got"):
        geometric_mean(ratios, variances, df=df)
