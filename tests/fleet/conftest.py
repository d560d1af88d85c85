from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from assay.fleet.backend import BackendLostError
from assay.fleet.values import Ended, FleetCase, Node, Order, Outcome, Resources, Started

MakeCase = Callable[..., FleetCase]


class FakeBackend:
    """An engine without machines: a script says what becomes of each attempt, by its key; ``ok`` where it says nothing.

    A script's value is an outcome, ``hang`` (nothing is ever said), ``answer`` (it failed, and that is its result) or
    ``head`` (the head is lost as soon as it is waited for).
    """

    def __init__(self, nodes: Sequence[Node], script: dict[str, str] | None = None) -> None:
        self.there = list(nodes)
        self.script = script or {}
        self.submitted: list[Order] = []
        self.cancelled: list[str] = []
        self.closed = False
        self._going_on: deque[Order] = deque()

    def nodes(self) -> Sequence[Node]:
        return self.there

    def submit(self, order: Order) -> None:
        self.submitted.append(order)
        self._going_on.append(order)

    def wait(self, timeout_s: float) -> Sequence[Started | Ended]:
        del timeout_s
        said: list[Started | Ended] = []
        for order in list(self._going_on):
            what = self.script.get(order.key, "ok")
            if what == "head":
                raise BackendLostError("the head is gone")
            said.append(Started(order.key, f"host-{order.node.name}", 4711))
            if what != "hang":
                self._going_on.remove(order)
                said.append(_end(order, what))
        return said

    def cancel(self, order: Order) -> None:
        self.cancelled.append(order.key)

    def close(self) -> None:
        self.closed = True


def _end(order: Order, what: str) -> Ended:
    if what == "answer":
        return Ended(order.key, Outcome.FAILED, run_id=f"run-{order.key}", status="oom", error="out of memory")
    outcome = Outcome(what)
    run_id = f"run-{order.key}" if outcome is Outcome.OK else None
    return Ended(
        order.key, outcome, host="h", pid=1, run_id=run_id, status=None if run_id is None else "ok", wall_s=1.0
    )


class FakeClock:
    """A clock that goes on by ``step_s`` each time it is asked."""

    def __init__(self, step_s: float = 1.0) -> None:
        self.at, self.step_s = 0.0, step_s

    def now(self) -> float:
        self.at += self.step_s
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


@pytest.fixture
def make_case() -> MakeCase:
    def make(name: str, expected_s: float = 1.0, *, limit_s: float = 1000.0, **resources: Any) -> FleetCase:
        return FleetCase(name, f"case {name}", {"workload": name}, Resources(**resources), expected_s, "given", limit_s)

    return make


@pytest.fixture
def make_node() -> Callable[..., Node]:
    def make(name: str, **more: Any) -> Node:
        return dataclasses.replace(Node(f"id-{name}", name, cpus=8), **more)

    return make
