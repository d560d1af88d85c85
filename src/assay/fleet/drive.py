"""Drive a fleet run to its end: hand out, listen, write down, try again, and live through the loss of the head.

Everything outside comes in as arguments (engine, ledger, clock, the store's word on what it holds), so that each kind
of loss can be planted. May import: core, fleet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from assay.fleet.backend import Backend, BackendLostError, Said
from assay.fleet.ledger import Ledger
from assay.fleet.schedule import Scheduler
from assay.fleet.values import Attempt, Ended, Order, Outcome

_WAIT_S = 0.5
_RECONNECT_PAUSE_S = 2.0
_LOST_WITH_HEAD = "the head was lost while it went on"
_LOST_WITH_DRIVER = "whoever drove the fleet run ended before this attempt did"

Connect = Callable[[], Backend]
"""Connect to the engine. Raises BackendLostError where it cannot be reached."""
FindKept = Callable[[], Mapping[str, "Kept"]]
"""Look into the store for runs of this fleet run: by key of the attempt."""


class End(StrEnum):
    """How a sitting ended."""

    FINISHED = "finished"
    HEAD_LOST = "head lost"
    NO_NODE = "no node left"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Kept:
    """A run in the store that an attempt left: its id and the status of its result."""

    run_id: str
    status: str


@dataclass(frozen=True, slots=True)
class Policy:
    """How often a case is tried once more, how long a lost head is waited for, how long a case may wait for a node."""

    retries: int = 2
    reconnect_s: float = 120.0
    node_patience_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Clock:
    """Where time comes from, in seconds; tests give their own."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


DEFAULT_POLICY = Policy()
SYSTEM_CLOCK = Clock()


def drive(
    ledger: Ledger,
    connect: Connect,
    *,
    find_kept: FindKept,
    policy: Policy = DEFAULT_POLICY,
    clock: Clock = SYSTEM_CLOCK,
    listener: Callable[[Ledger], None] = lambda _ledger: None,
) -> End:
    """Carry a fleet run as far as it goes in this sitting. Raises StoreError where the ledger cannot be written."""
    settle_open_attempts(ledger, find_kept, _LOST_WITH_DRIVER)
    while True:
        try:
            backend = _connect(connect, ledger, policy, clock)
        except KeyboardInterrupt:
            ledger.driver(End.INTERRUPTED)
            return End.INTERRUPTED
        if backend is None:
            return End.HEAD_LOST
        try:
            end = _sit(ledger, backend, policy, clock, listener)
        except BackendLostError as error:
            ledger.driver("connection lost", error=error.message)
            settle_open_attempts(ledger, find_kept, _LOST_WITH_HEAD)
        except KeyboardInterrupt:
            settle_open_attempts(ledger, dict, "interrupted")
            ledger.driver(End.INTERRUPTED)
            return End.INTERRUPTED
        else:
            ledger.driver(end)
            return end
        finally:
            backend.close()


def settle_open_attempts(ledger: Ledger, find_kept: FindKept, reason: str) -> None:
    """Write an end to each attempt that has none: what the store holds of it, else that it is lost.

    An attempt that was lost may have gone on unseen, and have written its run since: then it is its case's answer.
    """
    left, lost = ledger.state.open_attempts(), ledger.state.lost_attempts()
    if not left and not lost:
        return
    kept = find_kept()
    for attempt in left:
        ledger.ended(_end_of(attempt, kept.get(f"{attempt.case_id}/{attempt.number}"), reason))
    for attempt in lost:
        found = kept.get(f"{attempt.case_id}/{attempt.number}")
        if found is not None and ledger.state.final(attempt.case_id) is None:
            ledger.ended(_end_of(attempt, found, reason))


def _end_of(attempt: Attempt, kept: Kept | None, reason: str) -> Ended:
    key = f"{attempt.case_id}/{attempt.number}"
    if kept is None:
        return Ended(key, Outcome.LOST, error=reason)
    outcome = Outcome.OK if kept.status == "ok" else Outcome.FAILED
    return Ended(key, outcome, run_id=kept.run_id, status=kept.status)


def _connect(connect: Connect, ledger: Ledger, policy: Policy, clock: Clock) -> Backend | None:
    deadline = clock.now() + policy.reconnect_s
    while True:
        try:
            return connect()
        except BackendLostError as error:
            if clock.now() >= deadline:
                ledger.driver(End.HEAD_LOST, error=error.message)
                return None
            clock.sleep(_RECONNECT_PAUSE_S)


def _sit(ledger: Ledger, backend: Backend, policy: Policy, clock: Clock, listener: Callable[[Ledger], None]) -> End:
    """Go on with one connection until all is done."""
    state = ledger.state
    made = {case_id: max(one.number for one in attempts) for case_id, attempts in state.attempts.items() if attempts}
    failures = {case_id: sum(_counts(one, state.resumed_at) for one in state.attempts[case_id]) for case_id in made}
    left = [case for case in state.unfinished() if failures.get(case.case_id, 0) <= policy.retries]
    scheduler = Scheduler(left, retries=policy.retries, attempts_made=made, failures=failures)
    deadlines: dict[str, float] = {}
    at_work = clock.now()
    while not scheduler.is_over:
        for order in scheduler.see_nodes(backend.nodes()):
            _note(ledger, scheduler, deadlines, Ended(order.key, Outcome.LOST, error="its node went away"))
            backend.cancel(order)
        for order in scheduler.assign():
            ledger.began(order)
            backend.submit(order)
            deadlines[order.key] = clock.now() + order.case.limit_s
        for said in backend.wait(_WAIT_S):
            _hear(ledger, scheduler, deadlines, said)
        for order in _overdue(scheduler, deadlines, clock.now()):
            backend.cancel(order)
            error = f"longer than {order.case.limit_s:.0f} s"
            _note(ledger, scheduler, deadlines, Ended(order.key, Outcome.TIMEOUT, error=error))
        listener(ledger)
        if scheduler.running:
            at_work = clock.now()
        elif not scheduler.is_over and clock.now() - at_work > policy.node_patience_s:
            return End.NO_NODE
    return End.FINISHED


def _hear(ledger: Ledger, scheduler: Scheduler, deadlines: dict[str, float], said: Said) -> None:
    if isinstance(said, Ended):
        _note(ledger, scheduler, deadlines, said)
    elif said.key in scheduler.running:
        ledger.started(said)


def _counts(attempt: Attempt, since: str) -> bool:
    """Whether an attempt counts against the retries of its case: not one lost with the head, nor before a resume."""
    blameless = (_LOST_WITH_HEAD, _LOST_WITH_DRIVER)
    return not attempt.is_final and attempt.began_at >= since and attempt.error not in blameless


def _note(ledger: Ledger, scheduler: Scheduler, deadlines: dict[str, float], ended: Ended) -> None:
    """Write an end down, once: of two ends of an attempt the first counts."""
    if ended.key in scheduler.running:
        ledger.ended(ended)
        scheduler.end(ended)
        deadlines.pop(ended.key, None)


def _overdue(scheduler: Scheduler, deadlines: Mapping[str, float], now: float) -> list[Order]:
    return [scheduler.running[key] for key, deadline in deadlines.items() if now > deadline]
