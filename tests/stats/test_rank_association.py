"""Rank correlations: against scipy, against the formula of three variables, and their intervals against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from assay.stats.rank_association import Association, associate, weighted_ranks
from assay.stats.resampling import count_effective, draw_group_weights, half_width, number_groups

few_values = st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=12)


def test_the_coefficient_is_scipys_with_ties() -> None:
    random = np.random.default_rng(1)
    x = random.integers(0, 6, 40).astype(float)
    y = x + random.integers(0, 6, 40)
    found = associate(x, y, groups=range(40))
    assert found.r == pytest.approx(spearmanr(x, y).statistic)
    assert (found.n, found.groups) == (40, 40)
    assert found.lo is not None
    assert found.hi is not None
    assert found.lo < (found.r or 0) < found.hi


def test_the_partial_coefficient_is_that_of_the_formula() -> None:
    random = np.random.default_rng(2)
    z = random.normal(size=60)
    x, y = z + random.normal(size=60), z + random.normal(size=60)
    xy, xz, yz = (spearmanr(a, b).statistic for a, b in ((x, y), (x, z), (y, z)))
    expected = (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))
    found = associate(x, y, groups=range(60), given=[z])
    assert found.r == pytest.approx(expected)
    plain = associate(x, y, groups=range(60))
    assert (plain.lo or 0) > 0
    assert (found.lo or 0) < 0 < (found.hi or 0)


def test_what_does_not_depend_on_units_does_not() -> None:
    random = np.random.default_rng(3)
    x, y = random.lognormal(size=30), random.lognormal(size=30)
    assert associate(x, y, groups=range(30)) == associate(np.log(x), y**3, groups=range(30))


def test_devices_of_few_designs_say_less_than_as_many_lone_ones() -> None:
    random = np.random.default_rng(4)
    groups = [place // 6 for place in range(60)]
    design = random.normal(size=(10, 2))
    design[:, 1] += design[:, 0]
    x, y = (design[groups] + 0.1 * random.normal(size=(60, 2))).T
    together, alone = associate(x, y, groups=groups), associate(x, y, groups=range(60))
    assert together.r == alone.r
    assert _width(together) > 1.5 * _width(alone)


def _width(found: Association) -> float:
    assert found.lo is not None
    assert found.hi is not None
    return math.atanh(found.hi) - math.atanh(found.lo)


def test_gaps_are_left_out_of_a_pair_and_counted() -> None:
    x = np.arange(20.0)
    y = x[::-1].copy()
    x[3] = y[5] = np.nan
    found = associate(x, y, groups=["a"] * 10 + ["b"] * 10)
    assert (found.r, found.n, found.groups) == (-1.0, 18, 2)
    assert found.lo is None
    assert found.reason == "all are in one order"


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        (range(5), range(5), "too few have all of it: 5, expected 10"),
        (range(12), [1] * 12, "one of them never differs"),
        ([math.nan] * 12, range(12), "too few have all of it: 0, expected 10"),
    ],
)
def test_what_cannot_be_said_has_its_reason(x: list[float], y: list[float], reason: str) -> None:
    found = associate(list(map(float, x)), list(map(float, y)), groups=range(len(x)))
    assert (found.r, found.reason) == (None, reason)


def test_few_groups_give_no_interval() -> None:
    random = np.random.default_rng(5)
    found = associate(random.normal(size=20), random.normal(size=20), groups=[place % 3 for place in range(20)])
    assert found.r is not None
    assert (found.lo, found.reason) == (None, "no interval: 3 groups, expected 5")


def test_a_control_that_says_it_all_leaves_nothing() -> None:
    random = np.random.default_rng(6)
    x, y = random.normal(size=20), random.normal(size=20)
    assert associate(x, y, groups=range(20), given=[2 * x]).reason == "what is given already says one of them"


def test_unequal_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="expected the same length"):
        associate([1.0, 2.0], [1.0], groups=[0, 1])


@given(few_values, st.data())
def test_weights_rank_as_if_each_value_stood_there_so_often(values: list[float], data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(0, 3), min_size=len(values), max_size=len(values)))
    if not any(weights):
        return
    column = np.array(values)
    found = weighted_ranks(column, np.array(weights, float)[:, None])[:, 0]
    expected = rankdata(np.repeat(column, weights)) - 0.5
    assert np.repeat(found, weights) == pytest.approx(expected)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Two figures that go together within designs and between them; the truth is that of the population."""
    random = np.random.default_rng(7)

    def draw(designs: int, each: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
        shared, own = random.normal(size=(designs, 2)), random.normal(size=(designs * each, 2))
        groups = [place // each for place in range(designs * each)]
        both = shared[groups] + 0.5 * own
        return both[:, 0], 0.6 * both[:, 0] + both[:, 1], groups

    x, y, _ = draw(40_000, 1)
    truth = float(spearmanr(x, y).statistic)
    hits = {"designs": 0, "devices": 0}
    for _ in range(120):
        x, y, groups = draw(20, 6)
        for name, ours in (("designs", groups), ("devices", range(120))):
            found = associate(x, y, groups=ours, resamples=199)
            assert found.lo is not None
            assert found.hi is not None
            hits[name] += found.lo <= truth <= found.hi
    assert hits["designs"] >= 0.90 * 120
    assert hits["devices"] <= 0.80 * 120, "devices counted as lone witnesses promise too much"


def test_groups_are_drawn_whole() -> None:
    groups = ["a", "b", "a", "c", "b"]
    weights = draw_group_weights(groups, resamples=50, seed=3)
    assert weights.shape == (5, 50)
    assert (weights[0] == weights[2]).all()
    assert (weights[1] == weights[4]).all()
    assert (weights[[0, 1, 3]].sum(axis=0) == 3).all()
    assert (draw_group_weights(groups, resamples=50, seed=3) == weights).all()
    assert number_groups(groups)[1] == 3
    with pytest.raises(ValueError, match="no values"):
        draw_group_weights([])


def test_groups_of_unlike_size_are_fewer_than_they_look() -> None:
    assert count_effective(["a", "b", "c", "a", "b", "c"]) == pytest.approx(3)
    assert count_effective(["a"] * 40 + list(range(9))) == pytest.approx(49**2 / (1600 + 9))
    resampled = np.random.default_rng(0).normal(size=5000)
    wide, narrow = half_width(resampled, 2.0, 0.95), half_width(resampled, 50.0, 0.95)
    assert wide is not None
    assert narrow is not None
    assert wide > 5 * narrow


def test_too_many_broken_resamples_are_no_interval() -> None:
    resampled = np.linspace(0, 1, 100)
    resampled[:20] = np.nan
    assert half_width(resampled, 10, 0.95) is None
    assert half_width(np.random.default_rng(0).normal(size=20_000), 1000, 0.95) == pytest.approx(1.96, rel=0.03)
