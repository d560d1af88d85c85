"""What thinning keeps: ends, extremes, gaps; and how few it leaves."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.report.figures._thinning import (
    drawn_at,
    is_log_worth,
    say_thinned,
    share_out,
    thin_cloud,
    thin_ranks,
    thin_series,
)

values = st.floats(min_value=-1e6, max_value=1e6)


@given(st.lists(st.none() | values, max_size=300), st.integers(5, 60))
def test_a_thinned_series_keeps_its_ends_and_extremes(series: list[float | None], limit: int) -> None:
    kept = thin_series(series, limit)
    assert len(kept) <= max(limit, 0)
    assert list(kept) == sorted(set(kept))
    if series:
        assert kept[0] == 0
        assert kept[-1] == len(series) - 1
    known = [value for value in series if value is not None]
    chosen = [series[place] for place in kept]
    if known:
        assert min(known) in chosen
        assert max(known) in chosen
    assert (None in series) == (None in chosen)


def test_a_short_series_is_kept_whole() -> None:
    assert thin_series([3.0, None, 1.0], 5) == (0, 1, 2)
    assert thin_series([], 5) == ()


def test_every_stretch_keeps_its_own_extremes() -> None:
    saw = [float(place % 10) for place in range(1000)]
    chosen = [saw[place] for place in thin_series(saw, 500)]
    assert chosen.count(0.0) >= 99
    assert chosen.count(9.0) >= 99


def test_a_limit_that_holds_no_stretch_is_refused() -> None:
    with pytest.raises(ValueError, match="limit of 4 points; expected at least 5"):
        thin_series([1.0] * 10, 4)
    with pytest.raises(ValueError, match="limit of 1 points; expected at least 2"):
        thin_ranks(10, 1)


@given(st.integers(0, 5000), st.integers(2, 400))
def test_thinned_ranks_are_even_and_keep_both_ends(count: int, limit: int) -> None:
    kept = thin_ranks(count, limit)
    assert len(kept) == min(count, limit)
    if count:
        assert kept[0] == 0
        assert kept[-1] == count - 1
    widest = max((after - before for before, after in itertools.pairwise(kept)), default=0)
    assert widest <= math.ceil((count - 1) / (limit - 1)) if count > limit else widest <= 1


@given(st.lists(st.tuples(values, values), max_size=200), st.integers(1, 50), st.sets(st.integers(0, 199), max_size=5))
def test_a_thinned_cloud_keeps_its_extremes_and_what_it_must(
    points: list[tuple[float, float]], limit: int, wanted: set[int]
) -> None:
    keep = {place for place in wanted if place < len(points)}
    kept = thin_cloud(points, keep=keep, limit=limit)
    assert list(kept) == sorted(set(kept))
    assert len(kept) <= limit + len(keep) + 4
    assert keep <= set(kept)
    for axis in (0, 1):
        all_of = [point[axis] for point in points]
        chosen = [points[place][axis] for place in kept]
        if all_of:
            assert (min(all_of), max(all_of)) == (min(chosen), max(chosen))


def test_a_cloud_is_thinned_no_more_than_it_must_be() -> None:
    points = [(float(x), float(y)) for x in range(30) for y in range(30)]
    assert len(thin_cloud(points, limit=899)) > 899 / 4
    assert len(thin_cloud(points, limit=900)) == 900


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=8), st.integers(50, 2000))
def test_shares_leave_short_series_whole_and_stay_near_the_limit(sizes: list[int], limit: int) -> None:
    shares = share_out(sizes, limit)
    assert all(share >= 5 for share in shares)
    used = sum(min(size, share) for size, share in zip(sizes, shares, strict=True))
    assert used <= limit
    if sum(sizes) <= limit:
        assert used == sum(sizes)
    cut = [share for size, share in zip(sizes, shares, strict=True) if share < size]
    assert not cut or max(cut) - min(cut) <= len(sizes)


def test_when_a_logarithmic_axis_is_worth_it() -> None:
    assert is_log_worth([1.0, 30.0], 20)
    assert not is_log_worth([1.0, 10.0], 20)
    assert not is_log_worth([0.0, 30.0], 20)
    assert not is_log_worth([], 20)
    assert drawn_at(math.e, is_log=True) == pytest.approx(1)
    assert drawn_at(5.0, is_log=False) == 5.0


def test_thinning_is_said() -> None:
    said = say_thinned(2000, 58_559, "evenly spaced ranks")
    assert said == "2000 of 58\u202f559 points are drawn: evenly spaced ranks."
