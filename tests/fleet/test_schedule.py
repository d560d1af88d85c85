from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from assay.fleet.schedule import LOSSES_TO_SET_ASIDE, Scheduler
from assay.fleet.values import Ended, FleetCase, Node, Outcome, Resources

MakeCase = Callable[..., FleetCase]
MakeNode = Callable[..., Node]


def _labels(scheduler: Scheduler) -> list[tuple[str, str]]:
    return [(order.case.case_id, order.node.name) for order in scheduler.assign()]


def test_the_longest_goes_first_and_a_case_on_the_cpu_has_its_node_alone(
    make_case: MakeCase, make_node: MakeNode
) -> None:
    scheduler = Scheduler([make_case("short", 1), make_case("long", 9), make_case("mid", 5)], retries=0)
    scheduler.see_nodes([make_node("a"), make_node("b")])
    assert _labels(scheduler) == [("long", "a"), ("mid", "b")]
    assert _labels(scheduler) == []
    scheduler.end(Ended("mid/1", Outcome.OK))
    assert _labels(scheduler) == [("short", "b")]


def test_a_device_is_never_shared_and_the_cpu_not_beside_one(make_case: MakeCase, make_node: MakeNode) -> None:
    cases = [make_case("two", 9, kind="cuda", count=2), *(make_case(f"one{n}", 5, kind="cuda") for n in range(3))]
    scheduler = Scheduler([*cases, make_case("host", 1)], retries=0)
    scheduler.see_nodes([make_node("gpu", kind="cuda", devices=4)])
    assert [case for case, _ in _labels(scheduler)] == ["two", "one0", "one1"]
    scheduler.end(Ended("two/1", Outcome.OK))
    assert _labels(scheduler) == [("one2", "gpu")]
    for name in ("one0", "one1"):
        scheduler.end(Ended(f"{name}/1", Outcome.OK))
        assert _labels(scheduler) == []
    scheduler.end(Ended("one2/1", Outcome.OK))
    assert _labels(scheduler) == [("host", "gpu")]


def test_resources_decide_where(make_case: MakeCase, make_node: MakeNode) -> None:
    gib = 1 << 30
    cases = [
        make_case("h100", kind="cuda", accelerator="H100"),
        make_case("big", memory_bytes=100 * gib),
        make_case("never", kind="rocm"),
    ]
    scheduler = Scheduler(cases, retries=0)
    nodes = [
        make_node("t4", kind="cuda", devices=1, accelerator="T4", memory_bytes=16 * gib),
        make_node("h", kind="cuda", devices=1, accelerator="H100", memory_bytes=16 * gib),
        make_node("fat", memory_bytes=512 * gib),
    ]
    scheduler.see_nodes(nodes)
    assert sorted(_labels(scheduler)) == [("big", "fat"), ("h100", "h")]
    assert [case.case_id for case in scheduler.hopeless()] == ["never"]


def test_a_lost_case_is_tried_elsewhere_and_at_most_so_often(make_case: MakeCase, make_node: MakeNode) -> None:
    scheduler = Scheduler([make_case("x")], retries=2)
    scheduler.see_nodes([make_node("a"), make_node("b")])
    seen = []
    for number in (1, 2, 3):
        (order,) = scheduler.assign()
        seen.append(order.node.name)
        assert order.number == number
        assert scheduler.end(Ended(order.key, Outcome.LOST)) is (number < 3)
    assert seen[0] != seen[1] != seen[2]
    assert scheduler.is_over
    assert list(scheduler.given_up) == ["x"]


def test_an_answer_is_not_asked_for_again(make_case: MakeCase, make_node: MakeNode) -> None:
    scheduler = Scheduler([make_case("x")], retries=5)
    scheduler.see_nodes([make_node("a")])
    scheduler.assign()
    assert not scheduler.end(Ended("x/1", Outcome.FAILED, run_id="r", status="oom"))
    assert scheduler.is_over
    assert not scheduler.given_up
    assert not scheduler.end(Ended("x/1", Outcome.OK)), "an end that is told twice changes nothing"


def test_a_node_that_loses_everything_gets_no_more(make_case: MakeCase, make_node: MakeNode) -> None:
    scheduler = Scheduler([make_case(str(n)) for n in range(10)], retries=9)
    scheduler.see_nodes([make_node("bad")])
    for _ in range(LOSSES_TO_SET_ASIDE):
        (order,) = scheduler.assign()
        scheduler.end(Ended(order.key, Outcome.LOST))
    assert scheduler.assign() == []
    assert scheduler.set_aside == ("bad",)
    scheduler.see_nodes([make_node("bad"), make_node("good")])
    assert [order.node.name for order in scheduler.assign()] == ["good"]


def test_what_was_on_a_node_that_is_gone_is_told(make_case: MakeCase, make_node: MakeNode) -> None:
    scheduler = Scheduler([make_case("x")], retries=1)
    scheduler.see_nodes([make_node("a")])
    (order,) = scheduler.assign()
    assert scheduler.see_nodes([make_node("b")]) == [order]
    scheduler.end(Ended(order.key, Outcome.LOST))
    assert _labels(scheduler) == [("x", "b")]


_OUTCOMES = st.sampled_from([Outcome.OK, Outcome.LOST, Outcome.TIMEOUT, Outcome.FAILED])


@settings(max_examples=60)
@given(
    sizes=st.lists(st.tuples(st.floats(0.1, 100), st.sampled_from(["cpu", "cuda"]), st.integers(1, 3)), max_size=25),
    devices=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    outcomes=st.lists(_OUTCOMES, max_size=200),
    retries=st.integers(0, 2),
)
def test_every_case_ends_once_or_is_given_up_and_no_device_is_given_twice(
    sizes: list[tuple[float, str, int]], devices: list[int], outcomes: list[Outcome], retries: int
) -> None:
    cases = [
        FleetCase(str(n), str(n), {}, Resources(kind, count if kind == "cuda" else 1), seconds, "given", 1.0)
        for n, (seconds, kind, count) in enumerate(sizes)
    ]
    nodes = [Node(f"n{n}", f"n{n}", 4, "cuda" if count else "cpu", count) for n, count in enumerate(devices)]
    scheduler = Scheduler(cases, retries=retries)
    scheduler.see_nodes(nodes)
    hopeless = {case.case_id for case in scheduler.hopeless()}
    script, answered = iter(outcomes), set()
    while scheduler.assign() or scheduler.running:
        for node in nodes:
            here = [order.case.resources for order in scheduler.running.values() if order.node.node_id == node.node_id]
            if any(one.owns_node for one in here):
                assert len(here) == 1
            else:
                assert sum(one.count for one in here) <= node.devices
        order = next(iter(scheduler.running.values()))
        outcome = next(script, Outcome.OK)
        scheduler.end(Ended(order.key, outcome))
        if outcome is Outcome.OK:
            assert order.case.case_id not in answered
            answered.add(order.case.case_id)
        assert order.number <= retries + 1
    if not scheduler.set_aside:
        assert answered | set(scheduler.given_up) | hopeless == {case.case_id for case in cases}
