"""The order of launches: every launch once, interleaved, the same for the same seed."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from assay.core.case import Case
from assay.runner.plan import PlannedCase
from assay.runner.schedule import SideLaunches, schedule_launches, schedule_together
from assay.workloads.base import find_workload

WORKLOAD = find_workload("bert/tiny")
CASES = tuple(
    PlannedCase(Case.make(workload="bert/tiny", engine="torch", device="cpu", batch=batch), WORKLOAD, threads=1)
    for batch in range(1, 9)
)
COUNTS = st.integers(0, 6)


def order(cases: int, launches: int, seed: int, done: dict[str, int] | None = None) -> list[tuple[int, int]]:
    made = schedule_launches(CASES[:cases], launches=launches, seed=seed, done=done)
    return [(one.planned.case.batch, one.ordinal) for one in made]


@given(st.integers(0, 8), COUNTS, st.integers())
def test_every_launch_is_made_once_and_rounds_do_not_mix(cases: int, launches: int, seed: int) -> None:
    made = order(cases, launches, seed)
    assert Counter(made) == Counter((batch, ordinal) for batch in range(1, cases + 1) for ordinal in range(launches))
    assert [ordinal for _, ordinal in made] == sorted(ordinal for _, ordinal in made)


def test_the_seed_makes_the_order() -> None:
    assert order(8, 5, seed=3) == order(8, 5, seed=3)
    assert order(8, 5, seed=3) != order(8, 5, seed=4)


def test_each_round_has_an_order_of_its_own() -> None:
    made = [batch for batch, _ in order(8, 5, seed=0)]
    assert made[0] == 1, "the case that starts fastest is the first of all"
    rounds = [tuple(made[start : start + 8]) for start in range(0, 40, 8)]
    assert len(set(rounds)) == 5


@given(st.lists(COUNTS, min_size=8, max_size=8), COUNTS, st.integers())
def test_what_is_done_is_not_made_again_and_the_rest_keeps_its_order(done: list[int], launches: int, seed: int) -> None:
    counts = {case.case.case_id: count for case, count in zip(CASES, done, strict=True)}
    whole = order(8, launches, seed)
    assert order(8, launches, seed, counts) == [(batch, nth) for batch, nth in whole if nth >= done[batch - 1]]


def test_the_case_that_starts_fastest_goes_first_of_all_and_only_then() -> None:
    names = ("bert/base", "bert/tiny", "unet/tiny", "resnet/tiny")
    cases = [
        PlannedCase(Case.make(workload=name, engine="torch", device="cpu"), find_workload(name), threads=1)
        for name in names
    ]
    for seed in range(20):
        made = [one.planned.case.workload for one in schedule_launches(cases, launches=3, seed=seed)]
        assert made[0] == "unet/tiny"  # it needs no transformers
    later = {next(iter(schedule_launches(cases, launches=2, seed=seed, done={one.case.case_id: 1 for one in cases})))
             .planned.case.workload for seed in range(20)}  # fmt: skip
    assert len(later) > 1


# --- several sides at once --------------------------------------------------------------------------------------


def together(cases: int, launches: list[int], seed: int) -> list[tuple[int, int, int]]:
    sides = [SideLaunches(CASES[:cases], count) for count in launches]
    made = schedule_together(sides, seed=seed)
    return [(side, one.planned.case.batch, one.ordinal) for side, one in made]


@given(st.integers(0, 8), st.lists(COUNTS, max_size=4), st.integers())
def test_every_launch_of_every_side_is_made_once_round_by_round(cases: int, launches: list[int], seed: int) -> None:
    made = together(cases, launches, seed)
    wanted = [(side, batch, nth) for side, count in enumerate(launches) for batch in range(1, cases + 1)
              for nth in range(count)]  # fmt: skip
    assert Counter(made) == Counter(wanted)
    assert [ordinal for *_, ordinal in made] == sorted(ordinal for *_, ordinal in made)
    assert made == together(cases, launches, seed)


@given(st.integers(1, 8), st.integers(2, 4), st.integers(1, 3), st.integers())
def test_over_two_rounds_none_goes_before_another_more_often(cases: int, sides: int, pairs: int, seed: int) -> None:
    made = together(cases, [2 * pairs] * sides, seed)
    places: dict[tuple[int, int], list[int]] = {}
    width = cases * sides
    for place, (side, batch, _) in enumerate(made):
        places.setdefault((side, batch), []).append(place % width)
    for found in places.values():
        assert [one + two for one, two in zip(found[::2], found[1::2], strict=True)] == [width - 1] * pairs


def test_no_side_is_always_first() -> None:
    firsts = Counter(together(1, [2, 2], seed)[0][0] for seed in range(200))
    assert 60 < firsts[0] < 140


def test_what_a_side_has_done_is_not_made_again() -> None:
    done = {CASES[0].case.case_id: 2}
    sides = [SideLaunches(CASES[:1], 3, done), SideLaunches(CASES[:1], 3)]
    assert sorted((side, one.ordinal) for side, one in schedule_together(sides, seed=0)) == [
        (0, 2), (1, 0), (1, 1), (1, 2),
    ]  # fmt: skip
