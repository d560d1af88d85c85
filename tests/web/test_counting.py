"""Graphs counted beside the requests: who asks never waits long, few are counted at a time, and a name runs nothing."""

from __future__ import annotations

import threading

import pytest

from assay.core.errors import UnknownNameError, UnsupportedError, UsageError
from assay.predict.values import GraphProfile
from assay.web.counting import MOST_WAITING, GraphCounts, Wanted, check_family, count_all
from assay.web.problem import RefusalError

TINY: Wanted = ("bert/tiny", ())


def make(one: Wanted) -> GraphProfile:
    return GraphProfile(one[0], one[0].partition("/")[0], {})


def test_what_was_counted_stays_and_is_counted_once() -> None:
    asked: list[Wanted] = []

    def count(one: Wanted) -> GraphProfile:
        asked.append(one)
        return make(one)

    counts = GraphCounts(count)
    first = counts.find([TINY, TINY], wait_s=10)
    assert first.graphs[TINY].workload == "bert/tiny"
    assert (first.waiting, first.failed, counts.version) == ((), {}, 1)
    assert counts.find([TINY]).graphs == first.graphs
    assert asked == [TINY]


def test_another_shape_is_another_graph() -> None:
    counts = GraphCounts(make)
    longer: Wanted = ("bert/tiny", (("seq", 64),))
    assert set(counts.find([TINY, longer], wait_s=10).graphs) == {TINY, longer}


def test_nobody_waits_for_a_slow_one_and_few_are_counted_at_a_time() -> None:
    go = threading.Event()

    def count(one: Wanted) -> GraphProfile:
        go.wait(10)
        return make(one)

    counts = GraphCounts(count)
    names: list[Wanted] = [("bert/tiny", (("seq", place + 1),)) for place in range(MOST_WAITING + 3)]
    assert len(counts.find(names).waiting) == len(names)
    go.set()
    assert len(counts.find(names[:MOST_WAITING], wait_s=10).graphs) == MOST_WAITING
    assert counts.version == MOST_WAITING
    rest = counts.find(names, wait_s=10)
    assert (len(rest.graphs), rest.waiting) == (len(names), ())


@pytest.mark.parametrize(
    "name", ["os:system", "/etc/passwd", "hf:org/name", "../bert/tiny", "model.onnx", "", "bert/nosuch"]
)
def test_files_and_modules_are_never_counted(name: str) -> None:
    def count(one: Wanted) -> GraphProfile:
        raise AssertionError(one)

    counts = GraphCounts(count)
    found = counts.find([(name, ())], wait_s=10)
    assert found.failed[name, ()].startswith("Unknown ")
    assert (found.waiting, counts.version) == ((), 0)


def test_a_family_is_checked_by_its_name() -> None:
    check_family("bert/anything")
    with pytest.raises(UnknownNameError, match="Unknown workload"):
        check_family("os:system")
    with pytest.raises(UsageError, match="data without a model"):
        check_family("pipeline/windows")


@pytest.mark.parametrize(
    ("error", "said"),
    [(UnsupportedError("no model"), "no model"), (RuntimeError("/home/somebody"), "it could not be counted")],
)
def test_what_fails_has_a_reason_and_ends_nothing(error: Exception, said: str) -> None:
    def count(one: Wanted) -> GraphProfile:
        if one == TINY:
            raise error
        return make(one)

    counts = GraphCounts(count)
    assert counts.find([TINY], wait_s=10).failed[TINY].startswith(said)
    assert "somebody" not in counts.find([TINY]).failed[TINY]
    other: Wanted = ("bert/base", ())
    assert other in counts.find([other], wait_s=10).graphs


def test_a_request_waits_for_all_its_graphs_or_is_told_when_to_come_again() -> None:
    names = [
        "bert/tiny",
        "bert/base",
        "bert/large",
        "t5/tiny",
        "t5/small",
        "t5/base",
        "vit/tiny",
        "vit/base",
        "clip/tiny",
    ]
    assert len(names) > 2 * MOST_WAITING
    counts = GraphCounts(make)
    count_all(names, counts=counts, wait_s=30)
    assert counts.version == len(names)
    go = threading.Event()

    def count(one: Wanted) -> GraphProfile:
        go.wait(10)
        return make(one)

    slow = GraphCounts(count)
    with pytest.raises(RefusalError, match="still being counted") as refused:
        count_all(names, counts=slow, wait_s=0.01)
    go.set()
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "5")
