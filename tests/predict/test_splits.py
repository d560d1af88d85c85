"""Splits hold whole groups out, each once, and never let one stand on both sides."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assay.predict.splits import leave_one_out, split_groups, split_rows, split_times


@given(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=60), st.integers(2, 10), st.integers(0, 5))
def test_every_group_is_held_out_once_and_whole(groups: list[str], folds: int, seed: int) -> None:
    found = list(split_groups(groups, folds, seed))
    assert sorted(place for fold in found for place in fold.test) == list(range(len(groups)))
    for fold in found:
        assert sorted(fold.train + fold.test) == list(range(len(groups)))
        assert not {groups[place] for place in fold.train} & {groups[place] for place in fold.test}
        assert set(fold.held_out) == {groups[place] for place in fold.test}
    assert found == list(split_groups(groups, folds, seed))


def test_folds_are_of_about_as_many_rows() -> None:
    groups = ["large"] * 50 + [f"small {place // 5}" for place in range(50)]
    sizes = sorted(len(fold.test) for fold in split_groups(groups, 2, 0))
    assert sizes == [50, 50]


def test_one_group_after_the_other() -> None:
    assert [fold.held_out for fold in leave_one_out(["b", "a", "b"])] == [("a",), ("b",)]


def test_random_rows_are_each_held_out_once() -> None:
    found = list(split_rows(11, 3, 1))
    assert sorted(place for fold in found for place in fold.test) == list(range(11))
    assert all(not set(fold.train) & set(fold.test) for fold in found)


def test_time_goes_one_way() -> None:
    times = ["v2", "v1", "v3", "v1"]
    found = list(split_times(times))
    assert [fold.held_out for fold in found] == [("v2",), ("v3",)]
    assert [fold.train for fold in found] == [(1, 3), (0, 1, 3)]
    assert list(split_times(times, fewest_train=3)) == found[1:]
