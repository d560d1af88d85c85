"""Where a fleet run stands: counts, and what each node has done. Read from the ledger, so it needs no engine.

May import: core, fleet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from assay.fleet.ledger import LedgerState, is_driven, read_state
from assay.fleet.values import Attempt, Outcome


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What one node did: attempts by outcome, what it is doing, seconds an attempt took at the median."""

    node: str
    hosts: tuple[str, ...]
    ok: int
    failed: int
    lost: int
    timeout: int
    running: tuple[str, ...]
    median_s: float | None


@dataclass(frozen=True, slots=True)
class FleetStatus:
    """A fleet run as it stands. ``expected_left_s`` is the expected time of what is left over the nodes seen so far."""

    fleet_id: str
    on: str
    store: str
    suite: str
    began_at: str
    last: str
    is_driven: bool
    cases: int
    ok: int
    failed: int
    given_up: int
    running: int
    waiting: int
    attempts: int
    outcomes: dict[str, int]
    expected_left_s: float
    nodes: tuple[NodeStatus, ...]
    events: tuple[dict[str, Any], ...]

    @property
    def is_complete(self) -> bool:
        """Whether every case has its answer."""
        return self.ok + self.failed == self.cases


def read_status(path: Path) -> FleetStatus:
    """Read a ledger, and whether a process here drives it. Raises StoreError."""
    return describe_state(read_state(path), is_driven=is_driven(path))


def describe_state(state: LedgerState, *, is_driven: bool) -> FleetStatus:
    """Count what a ledger says. A case whose attempts all ended without an answer waits while it is driven."""
    attempts = [one for made in state.attempts.values() for one in made]
    finals = {case_id: state.final(case_id) for case_id in state.cases}
    answered = Counter(one.outcome for one in finals.values() if one is not None)
    open_cases = {one.case_id for one in attempts if one.outcome is None}
    tried = {case_id for case_id, made in state.attempts.items() if made}
    left = [case_id for case_id, one in finals.items() if one is None]
    over = bool(state.events) and state.events[-1]["event"] == "finished"
    given_up = len([one for one in left if one in tried and one not in open_cases]) if over else 0
    nodes = _describe_nodes(attempts)
    width = max(1, len(nodes))
    last = state.events[-1]["event"] if state.events else "running" if is_driven else "broken off"
    return FleetStatus(
        fleet_id=state.fleet_id,
        on=str(state.header["on"]),
        store=str(state.header["store"]),
        suite=str(state.header["suite"]["name"]),
        began_at=str(state.header["at"]),
        last="running" if is_driven else last,
        is_driven=is_driven,
        cases=len(state.cases),
        ok=answered[Outcome.OK],
        failed=answered[Outcome.FAILED],
        given_up=given_up,
        running=len(open_cases),
        waiting=len(left) - len(open_cases) - given_up,
        attempts=len(attempts),
        outcomes=dict(Counter(one.outcome.value for one in attempts if one.outcome is not None)),
        expected_left_s=sum(state.cases[one].expected_s for one in left) / width,
        nodes=nodes,
        events=tuple(state.events),
    )


def _describe_nodes(attempts: Sequence[Attempt]) -> tuple[NodeStatus, ...]:
    found = []
    for name in sorted({one.node for one in attempts}):
        own = [one for one in attempts if one.node == name]
        counts = Counter(one.outcome for one in own)
        took = [one.wall_s for one in own if one.wall_s is not None]
        found.append(
            NodeStatus(
                node=name,
                hosts=tuple(sorted({one.host for one in own if one.host})),
                ok=counts[Outcome.OK],
                failed=counts[Outcome.FAILED],
                lost=counts[Outcome.LOST],
                timeout=counts[Outcome.TIMEOUT],
                running=tuple(one.label for one in own if one.outcome is None),
                median_s=median(took) if took else None,
            )
        )
    return tuple(found)


def attempt_rows(state: LedgerState) -> list[dict[str, Any]]:
    """Return every attempt as a row, in the order they began."""
    rows = [one for made in state.attempts.values() for one in made]
    return [_row(one) for one in sorted(rows, key=lambda one: (one.began_at, one.case_id))]


def _row(one: Attempt) -> dict[str, Any]:
    return {
        "case": one.label, "case_id": one.case_id, "attempt": one.number, "node": one.node, "host": one.host,
        "pid": one.pid, "began_at": one.began_at, "ended_at": one.ended_at,
        "seconds": one.wall_s if one.wall_s is not None else _span(one),
        "outcome": None if one.outcome is None else one.outcome.value, "status": one.status, "run_id": one.run_id,
        "error": one.error,
    }  # fmt: skip


def _span(one: Attempt) -> float | None:
    if one.ended_at is None:
        return None
    return (datetime.fromisoformat(one.ended_at) - datetime.fromisoformat(one.began_at)).total_seconds()
