from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.loading import load_module

from assay.fleet.backend import BackendLostError
from assay.fleet.drive import Clock, End, Kept, Policy, drive
from assay.fleet.ledger import Ledger
from assay.fleet.values import FleetCase, Node, Outcome

MakeCase = Callable[..., FleetCase]
MakeNode = Callable[..., Node]


@pytest.fixture(scope="module")
def fakes() -> Any:
    return load_module("fleet.conftest")


Drive = Callable[..., End]


@pytest.fixture
def ledger(tmp_path: Path, make_case: MakeCase) -> Ledger:
    header = {"fleet_id": "f", "on": "ray://local", "store": "s", "suite": {"name": "t", "cases": []}, "retries": 2}
    return Ledger.begin(str(tmp_path), header, [make_case(name, 1.0) for name in "abcdef"])


@pytest.fixture
def carry(ledger: Ledger, fakes: ModuleType) -> Drive:
    def run(connections: Sequence[Any], kept: dict[str, Kept] | None = None, **policy: Any) -> End:
        waiting = list(connections)

        def connect() -> Any:
            if not waiting:
                raise BackendLostError("nobody answers")
            return waiting.pop(0)

        clock = fakes.FakeClock()
        return drive(
            ledger, connect, find_kept=lambda: kept or {}, policy=Policy(**policy), clock=Clock(clock.now, clock.sleep)
        )

    return run


def _outcomes(ledger: Ledger) -> dict[str, list[str | None]]:
    return {case: [one.outcome and one.outcome.value for one in made] for case, made in ledger.state.attempts.items()}


def test_all_is_done_and_each_attempt_is_a_row(
    ledger: Ledger, fakes: ModuleType, carry: Drive, make_node: MakeNode
) -> None:
    backend = fakes.FakeBackend([make_node("x"), make_node("y")], {"b/1": "lost", "c/1": "answer", "d/1": "failed"})
    assert carry([backend]) is End.FINISHED
    assert backend.closed
    outcomes = _outcomes(ledger)
    assert outcomes["b"] == ["lost", "ok"]
    assert outcomes["c"] == ["failed"], "an answer is an answer"
    assert outcomes["d"] == ["failed", "ok"], "a worker that could not run it is no answer"
    assert ledger.state.unfinished() == []


def test_what_never_ends_is_ended(ledger: Ledger, fakes: ModuleType, carry: Drive, make_node: MakeNode) -> None:
    backend = fakes.FakeBackend([make_node("x")], {f"a/{number}": "hang" for number in (1, 2)})
    assert carry([backend], retries=1) is End.FINISHED
    assert _outcomes(ledger)["a"] == ["timeout", "timeout"]
    assert backend.cancelled == ["a/1", "a/2"]
    assert [case.case_id for case in ledger.state.unfinished()] == ["a"]


def test_a_lost_head_is_waited_for(ledger: Ledger, fakes: ModuleType, carry: Drive, make_node: MakeNode) -> None:
    nodes = [make_node("x"), make_node("y")]
    first = fakes.FakeBackend(nodes, {"c/1": "head"})
    second = fakes.FakeBackend(nodes)
    assert carry([first, second], retries=0) is End.FINISHED
    assert first.closed
    counts = Counter(one for made in _outcomes(ledger).values() for one in made)
    assert counts["ok"] == 6, "what was lost with the head does not count against the retries"
    assert counts["lost"] >= 1
    assert [one["event"] for one in ledger.state.events] == ["connection lost", "finished"]


def test_a_head_that_stays_away_ends_the_sitting_and_the_next_goes_on(
    ledger: Ledger, fakes: ModuleType, carry: Drive, make_node: MakeNode
) -> None:
    nodes = [make_node("x"), make_node("y")]
    first = fakes.FakeBackend(nodes, {"c/1": "head"})
    assert carry([first], {"d/1": Kept("run-of-d", "ok")}) is End.HEAD_LOST
    done = {case for case in "abcdef" if ledger.state.final(case)}
    final = ledger.state.final("d")
    assert final is not None
    assert final.run_id == "run-of-d", "what the store holds is not asked for again"
    ledger.driver("resumed")
    again = fakes.FakeBackend(nodes)
    assert carry([again]) is End.FINISHED
    assert not done & {order.case.case_id for order in again.submitted}
    assert ledger.state.unfinished() == []


def test_a_driver_that_was_killed_is_followed_by_another(
    ledger: Ledger, fakes: ModuleType, carry: Drive, make_node: MakeNode
) -> None:
    from assay.fleet.values import Order

    for name in "ab":
        ledger.began(Order(ledger.state.cases[name], 1, make_node("x")))
    assert carry([fakes.FakeBackend([make_node("x")])], {"a/1": Kept("r", "ok")}, retries=0) is End.FINISHED
    assert _outcomes(ledger)["a"] == ["ok"]
    assert _outcomes(ledger)["b"] == ["lost", "ok"]


def test_what_was_lost_and_written_later_is_taken(
    ledger: Ledger, fakes: ModuleType, carry: Drive, make_node: MakeNode
) -> None:
    assert carry([fakes.FakeBackend([make_node("x")], {"a/1": "lost"})], retries=0) is End.FINISHED
    assert [case.case_id for case in ledger.state.unfinished()] == ["a"]
    again = fakes.FakeBackend([make_node("x")])
    assert carry([again], {"a/1": Kept("late", "ok")}) is End.FINISHED
    assert again.submitted == []
    assert _outcomes(ledger)["a"] == ["ok"]


def test_without_a_node_it_ends(ledger: Ledger, fakes: ModuleType, carry: Drive) -> None:
    assert carry([fakes.FakeBackend([])], node_patience_s=5) is End.NO_NODE
    assert len(ledger.state.unfinished()) == 6


def test_a_node_that_goes_takes_its_attempt_with_it(
    ledger: Ledger, fakes: ModuleType, carry: Drive, make_node: MakeNode
) -> None:
    class Leaving(fakes.FakeBackend):  # type: ignore[misc, name-defined]
        def wait(self, timeout_s: float) -> Sequence[Any]:
            said: Sequence[Any] = super().wait(timeout_s)
            self.there = [make_node("y")]
            return said

    backend = Leaving([make_node("x")], {"a/1": "hang"})
    assert carry([backend]) is End.FINISHED
    first, second = ledger.state.attempts["a"]
    assert (first.outcome, first.node) == (Outcome.LOST, "x")
    assert (second.outcome, second.node) == (Outcome.OK, "y")
