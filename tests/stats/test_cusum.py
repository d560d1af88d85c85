"""Change points: a published series, exact permutation levels, and what must hold for any data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from assay.stats.cusum import ChangePoint, find_change_points, normal_scores

# Annual flow of the Nile at Aswan 1871-1970, in 10^8 cubic metres (Cobb 1978, Biometrika 65): the level fell in 1899.
NILE = [
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140,
    1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969, 831,
    726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759, 781, 865, 845,
    944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890, 744, 749, 838, 1050, 918,
    986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
]  # fmt: skip


def steps(*levels: tuple[int, float], noise: float = 0.01, seed: int = 0) -> list[float]:
    """Give values at each level in turn: (how many, level)."""
    random = np.random.default_rng([8, seed])
    flat = np.concatenate([np.full(count, level) for count, level in levels])
    return [float(value) for value in flat * np.exp(random.normal(0, noise, flat.size))]


def indices(points: tuple[ChangePoint, ...]) -> list[int]:
    return [point.index for point in points]


def test_the_nile_fell_in_1899() -> None:
    (point,) = find_change_points(NILE)
    assert 1871 + point.index == 1899
    assert point.ratio == pytest.approx(float(stats.gmean(NILE[28:]) / stats.gmean(NILE[:28])))
    assert point.p <= 0.001


def test_five_points_after_a_step_are_enough() -> None:
    (point,) = find_change_points(steps((20, 100), (5, 105)))
    assert point.index == 20
    assert point.ratio == pytest.approx(1.05, abs=0.015)


def test_a_regression_that_was_taken_back_shows_both_ends() -> None:
    # The sums of a plain CUSUM cancel over an interlude: binary segmentation alone sees nothing here.
    points = find_change_points(steps((20, 100), (10, 105), (20, 100)))
    assert indices(points) == [20, 30]
    assert points[0].ratio * points[1].ratio == pytest.approx(1, abs=0.01)


def test_stairs_are_found_step_by_step() -> None:
    points = find_change_points(steps((20, 100), (20, 110), (20, 121), (20, 95)))
    assert indices(points) == [20, 40, 60]
    assert [point.ratio > 1 for point in points] == [True, True, False]


def test_a_step_below_the_floor_is_none_however_sure() -> None:
    values = steps((30, 100), (30, 102), noise=0.001)
    assert find_change_points(values) == ()
    assert indices(find_change_points(values, floor=0.01)) == [30]


def test_one_wild_value_is_no_change() -> None:
    values = steps((30, 100))
    values[17] *= 10
    assert find_change_points(values) == ()


def test_a_wild_value_does_not_hide_a_change() -> None:
    values = steps((20, 100), (20, 120))
    values[7] *= 1.5
    assert indices(find_change_points(values)) == [20]


def test_a_slow_drift_within_the_memory_is_no_change() -> None:
    # Autoregression of 3 % noise and lag-1 correlation .7: shuffles alone call a third of such histories changed.
    random = np.random.default_rng(11)
    called = 0
    for _ in range(40):
        values = [0.0]
        for shock in random.normal(0, 0.03 * math.sqrt(1 - 0.7**2), 40):
            values.append(0.7 * values[-1] + shock)
        called += bool(find_change_points(np.exp(values)))
    assert called <= 3


def test_without_noise_a_step_is_certain() -> None:
    (point,) = find_change_points([100.0] * 20 + [106.0] * 5)
    assert point.index == 20
    assert point.ratio == pytest.approx(1.06)
    assert find_change_points([100.0] * 40) == ()


def test_quantised_values_are_judged_with_their_ties() -> None:
    values = np.round(np.asarray(steps((20, 100), (10, 110))) / 2) * 2
    assert indices(find_change_points(values)) == [20]


@pytest.mark.parametrize("n", [0, 1, 9])
def test_a_history_too_short_for_two_segments_has_no_change(n: int) -> None:
    assert find_change_points(range(1, n + 1)) == ()


def test_the_permutation_p_is_the_exact_one() -> None:
    # Ten values, one possible split: complete separation has p = 2 / C(10, 5), which .001 never accepts.
    values = [*range(100, 105), *range(200, 205)]
    assert find_change_points(values) == ()
    (point,) = find_change_points(values, alpha=0.02)
    assert point.p == pytest.approx(2 / math.comb(10, 5), abs=0.004)


@given(st.integers(0, 1_000), st.integers(-20, 20), st.booleans())
@settings(max_examples=15, deadline=None)
def test_unit_and_reversal_do_not_matter(seed: int, power: int, turned: bool) -> None:  # noqa: FBT001
    values = np.asarray(steps((15, 100), (9, 108), (16, 100), seed=seed))
    points = find_change_points(values)
    assert indices(find_change_points(values * 2.0**power)) == indices(points)
    if turned:
        back = find_change_points(1 / values)
        assert indices(back) == indices(points)
        assert [point.ratio for point in back] == pytest.approx([1 / point.ratio for point in points])


def test_the_answer_depends_on_nothing_but_values_and_seed() -> None:
    values = steps((25, 100), (8, 104), noise=0.02)
    first = find_change_points(values)
    find_change_points(steps((33, 100), seed=5))
    assert find_change_points(values) == first


def test_normal_scores_are_bloms() -> None:
    scores = normal_scores(np.array([3.0, 1.0, 2.0, 9.0, 5.0]))
    expected = stats.norm.ppf((np.array([3, 1, 2, 5, 4]) - 0.375) / 5.25)
    assert scores == pytest.approx(expected / expected.std())
    tied = normal_scores(np.array([1.0, 1.0, 2.0, 3.0]))
    assert tied[0] == tied[1] < tied[2] < tied[3]
    assert tied.mean() == pytest.approx(0)
    assert not normal_scores(np.full(6, 2.5)).any()


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_positive_number_is_an_error(bad: float) -> None:
    with pytest.raises(ValueError, match="not positive"):
        find_change_points([*steps((20, 100)), bad])


def test_a_level_that_shuffles_cannot_show_is_an_error() -> None:
    with pytest.raises(ValueError, match="shuffles"):
        find_change_points(steps((20, 100)), alpha=1e-4)
    with pytest.raises(ValueError, match="shortest segment"):
        find_change_points(steps((20, 100)), min_segment=1)
