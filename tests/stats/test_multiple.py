"""Benjamini and Hochberg's procedure, against their own example and scipy."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from assay.stats.multiple import benjamini_hochberg

# Benjamini and Hochberg 1995, section 4: fifteen comparisons of two treatments of heart attacks. At .05 the procedure
# rejects the four smallest, where Bonferroni's rejects three.
PUBLISHED = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240]
PUBLISHED += [0.4262, 0.5719, 0.6528, 0.7590, 1.0000]

PS = st.lists(st.floats(0, 1), min_size=1, max_size=50)


def test_the_example_of_the_paper() -> None:
    q = benjamini_hochberg(PUBLISHED)
    assert sum(value <= 0.05 for value in q) == 4
    assert q[3] == pytest.approx(15 / 4 * 0.0095)


@given(PS)
def test_it_is_scipys(p: list[float]) -> None:
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p).tolist())


@given(PS)
def test_q_is_at_least_p_and_keeps_the_order(p: list[float]) -> None:
    q = benjamini_hochberg(p)
    assert all(p_i <= q_i <= 1 for p_i, q_i in zip(p, q, strict=True))
    by_p = [q_i for _, q_i in sorted(zip(p, q, strict=True))]
    assert by_p == sorted(by_p)


def test_one_test_needs_no_correction_and_none_has_none() -> None:
    assert benjamini_hochberg([0.03]) == [0.03]
    assert benjamini_hochberg([]) == []


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan])
def test_what_is_no_probability_is_an_error(bad: float) -> None:
    with pytest.raises(ValueError, match="outside"):
        benjamini_hochberg([0.5, bad])
