"""What a fleet of a thousand nodes would ask of scheduler, ledger and store. SIMULATED, from measured costs.

A discrete-event simulation: the real scheduler decides, durations are drawn from recorded ones, losses by chance.
Commits to the store queue for one server, since appends to a Delta table follow each other; the node is held until its
commit is through, as in a real run. Nothing it says is a measurement of hardware. May import: core, store, fleet.
"""

from __future__ import annotations

import heapq
import random
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from assay.core.case import Case
from assay.core.ids import new_id
from assay.core.records import (
    EnvironmentRecord,
    LaunchRecord,
    MetricValue,
    ResultRecord,
    RunBundle,
    RunRecord,
    SampleSeries,
)
from assay.core.words import RunStatus, Status
from assay.fleet.ledger import Ledger
from assay.fleet.schedule import Scheduler
from assay.fleet.values import Ended, FleetCase, Node, Order, Outcome, Resources

if TYPE_CHECKING:
    from assay.store import Store

_RETRIES = 20
"""High, so that the simulation ends with all cases done."""
_LINES_PER_ATTEMPT = 3
_PROBE_COMMITS = 10
_PROBE_LINES = 200
_PROBE_CASES, _PROBE_NODES = 2000, 200


@dataclass(frozen=True, slots=True)
class Load:
    """What is simulated: nodes, cases, seconds that attempts took, the share of attempts that are lost."""

    nodes: int
    cases: int
    durations_s: tuple[float, ...]
    loss: float = 0.01
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured on this machine: commits of a run, synced lines of a ledger, decisions, each a second."""

    commits_per_s: float
    ledger_lines_per_s: float
    decisions_per_s: float


@dataclass(frozen=True, slots=True)
class Limit:
    """One thing that can be full: the share of its capacity that is used, and the nodes at which that is all."""

    name: str
    use: float
    nodes_at_limit: int


@dataclass(frozen=True, slots=True)
class Simulated:
    """What the simulation says. Times in seconds of simulated time; ``costs`` are measured."""

    nodes: int
    cases: int
    attempts: int
    makespan_s: float
    ideal_s: float
    busy_share: float
    worst_commit_wait_s: float
    commits_asked_per_s: float
    costs: Costs
    limits: tuple[Limit, ...]
    breaks_first: str


def simulate_fleet(load: Load, costs: Costs) -> Simulated:
    """Run the simulation twice: with the store's commits one after the other, and with a store that costs nothing."""
    made = _run(load, commit_s=1.0 / costs.commits_per_s)
    ideal = _run(load, commit_s=0.0)
    asked_per_s = ideal.attempts / ideal.makespan_s
    mean_s = ideal.working_s / ideal.attempts
    each = (
        ("store commits", 1.0, costs.commits_per_s),
        ("ledger lines", float(_LINES_PER_ATTEMPT), costs.ledger_lines_per_s),
        ("scheduler decisions", 1.0, costs.decisions_per_s),
    )
    limits = tuple(
        sorted(
            (Limit(name, asked_per_s * times / rate, int(rate / times * mean_s)) for name, times, rate in each),
            key=lambda one: -one.use,
        )
    )
    first = limits[0]
    said = f"{first.name}, at {first.nodes_at_limit} nodes" + ("" if first.use >= 1 else " (not at this size)")
    return Simulated(
        nodes=load.nodes,
        cases=load.cases,
        attempts=made.attempts,
        makespan_s=made.makespan_s,
        ideal_s=ideal.makespan_s,
        busy_share=made.working_s / (made.makespan_s * load.nodes),
        worst_commit_wait_s=made.worst_wait_s,
        commits_asked_per_s=asked_per_s,
        costs=costs,
        limits=limits,
        breaks_first=said,
    )


@dataclass(slots=True)
class _Made:
    attempts: int = 0
    makespan_s: float = 0.0
    working_s: float = 0.0
    worst_wait_s: float = 0.0


def _run(load: Load, *, commit_s: float) -> _Made:
    draw = random.Random(load.seed)  # noqa: S311  (a simulation is to be repeatable)
    took = [draw.choice(load.durations_s) * draw.uniform(0.9, 1.1) for _ in range(load.cases)]
    cases = [FleetCase(str(n), str(n), {}, Resources(), seconds, "recorded", 1e9) for n, seconds in enumerate(took)]
    scheduler = Scheduler(cases, retries=_RETRIES)
    scheduler.see_nodes([Node(f"n{n}", f"n{n}") for n in range(load.nodes)])
    made, events, free_at = _Made(), list[tuple[float, int, Order, Outcome]](), 0.0
    now, number = 0.0, 0
    while True:
        for order in scheduler.assign():
            is_lost = draw.random() < load.loss
            seconds = order.case.expected_s * (draw.random() if is_lost else 1.0)
            made.attempts += 1
            made.working_s += seconds
            number += 1
            heapq.heappush(events, (now + seconds, number, order, Outcome.LOST if is_lost else Outcome.FAILED))
        if not events:
            made.makespan_s = now
            return made
        now, _, order, outcome = heapq.heappop(events)
        if outcome is Outcome.FAILED:  # measured, and not yet committed: it queues, and holds its node
            begin = max(now, free_at)
            free_at = begin + commit_s
            made.worst_wait_s = max(made.worst_wait_s, begin - now)
            number += 1
            heapq.heappush(events, (free_at, number, order, Outcome.OK))
            continue
        scheduler.end(Ended(order.key, outcome))


def measure_costs(*, commit_s: float | None = None) -> Costs:
    """Measure on this machine, in a temporary folder: a few seconds. ``commit_s`` says what a commit takes instead."""
    with tempfile.TemporaryDirectory() as folder:
        commits = 1.0 / commit_s if commit_s is not None else _measure_commits(folder)
        return Costs(commits, _measure_ledger(folder), _measure_decisions())


def read_durations(store: Store) -> tuple[float, ...]:
    """Return how long launches took that are in a store, in seconds."""
    table = store.query("SELECT wall_ns / 1e9 AS seconds FROM launches WHERE status = 'ok' AND wall_ns > 0")
    return tuple(table.column("seconds").to_pylist())


def _measure_commits(folder: str) -> float:
    """Commits of whole runs a second, one after the other: one environment, result and launch each."""
    from assay.store import Store

    store = Store.open(Path(folder) / "store")
    bundles = [make_bundle() for _ in range(_PROBE_COMMITS + 1)]
    store.append(bundles[0])  # the tables are made by the first
    begin = time.perf_counter()
    for bundle in bundles[1:]:
        store.append(bundle)
    return _PROBE_COMMITS / (time.perf_counter() - begin)


def make_bundle() -> RunBundle:
    """A run with one case, as an attempt leaves it."""
    now, run_id, result_id = datetime.now(UTC), new_id(), new_id()
    case = Case.make(workload="simulated", engine="simulated", device="cpu", options={"id": run_id})
    environment = EnvironmentRecord("simulated", "simulated", "simulated", {}, now)
    run = RunRecord(run_id, "simulated", RunStatus.OK, now, now, "simulated", {}, 1, "0", "0")
    metrics = (MetricValue("latency_ns", 1e6, "ns"),)
    result = ResultRecord(
        result_id, run_id, case.case_id, case, Status.OK, now, launches_planned=1, launches_ok=1, metrics=metrics
    )
    samples = (SampleSeries("latency", "ns", tuple(range(1_000_000, 1_000_100))),)
    launch = LaunchRecord(new_id(), run_id, result_id, run_id, 0, Status.OK, now, 10**9, samples=samples)
    return RunBundle(run, environment, (result,), (launch,))


def _measure_ledger(folder: str) -> float:
    case = FleetCase("0", "0", {}, Resources(), 1.0, "simulated", 1.0)
    with Ledger.begin(folder, {"fleet_id": "probe", "on": "", "store": "", "suite": {"name": ""}}, [case]) as ledger:
        order = Order(case, 1, Node("n", "n"))
        begin = time.perf_counter()
        for _ in range(_PROBE_LINES):
            ledger.began(order)
        return _PROBE_LINES / (time.perf_counter() - begin)


def _measure_decisions() -> float:
    begin = time.perf_counter()
    made = _run(Load(_PROBE_NODES, _PROBE_CASES, (1.0, 2.0, 3.0), 0.0), commit_s=0.0)
    return made.attempts / (time.perf_counter() - begin)
