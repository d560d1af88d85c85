"""Histories to store: one result a run, written in one commit a table, as hundreds of appends would leave them.

Loaded by the tests through importlib, since tests are no package.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from assay.core.case import Case, series_id
from assay.core.ids import content_hash, new_id
from assay.core.records import EnvironmentRecord, LaunchRecord, MetricValue, ResultRecord, RunBundle, RunRecord
from assay.core.words import RunStatus, Status, Verdict
from assay.store import Store
from assay.store.append import append_environment
from assay.store.rows import bundle_rows, run_row
from assay.store.schema import RUNS
from assay.store.tables import append_arrow, arrow_table

HARDWARE = "some cpu 2c 8GiB"
BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CASE = Case.make(workload="bert/base", engine="torch", device="cpu", batch=8, shape={"seq": 128})
OTHER = Case.make(workload="resnet/50", engine="onnxruntime", device="cpu", batch=1, shape={"image": 224})


def environment(torch: str = "2.12.0") -> EnvironmentRecord:
    facts: dict[str, Any] = {
        "cpu": {"model": "some cpu"},
        "python": {"version": "3.11.7", "packages": {"torch": torch}, "packages_hash": new_id()},
    }
    return EnvironmentRecord(content_hash(facts), "host", HARDWARE, facts, BEGIN)


@dataclass(frozen=True)
class Step:
    """One run of one case."""

    value: float
    day: float
    env: EnvironmentRecord
    case: Case = CASE
    hardware: str = HARDWARE
    status: Status = Status.OK
    verdict: Verdict = Verdict.TRUSTED
    tags: tuple[str, ...] = ()
    git_commit: str | None = None
    launches: Sequence[float] = ()
    more: Sequence[MetricValue] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)


def noisy(levels: Sequence[tuple[int, float]], *, sd: float = 0.01, seed: int = 0) -> list[float]:
    """Values around one level after the other: ``[(20, 1e6), (10, 1.1e6)]``."""
    draw = random.Random(seed)
    return [level * math.exp(draw.gauss(0, sd)) for count, level in levels for _ in range(count)]


def steps(values: Sequence[float], env: EnvironmentRecord, *, begin: float = 0, **more: Any) -> list[Step]:
    """A run a day."""
    return [Step(value, begin + day, env, git_commit=commit(begin + day), **more) for day, value in enumerate(values)]


def commit(day: float) -> str:
    return hashlib.sha1(str(day).encode(), usedforsecurity=False).hexdigest()


def bundle(step: Step) -> RunBundle:
    at = BEGIN + timedelta(days=step.day)
    run_id, result_id = new_id(), new_id()
    run = RunRecord(
        run_id, "nightly", RunStatus.OK, at, at, step.env.env_id, {}, 1, "0.1.0", "hash", git_commit=step.git_commit,
        git_dirty=False, tags=step.tags,
    )  # fmt: skip
    launches = tuple(
        LaunchRecord(
            new_id(), run_id, result_id, run_id, ordinal, Status.OK, at + timedelta(seconds=ordinal), 10**9,
            verdict=step.verdict, median_ns=value,
        )
        for ordinal, value in enumerate(step.launches)
    )  # fmt: skip
    metrics = (MetricValue("latency_ns", step.value, "ns", n=5), *step.more) if step.status is Status.OK else ()
    result = ResultRecord(
        result_id, run_id, series_id(step.case.case_id, step.hardware), step.case, step.status, at,
        reason=None if step.status is Status.OK else "it broke", verdict=step.verdict, hardware=step.hardware,
        unit_of_work="sample", units_per_call=float(step.case.batch), launches_planned=max(5, len(launches)),
        launches_ok=max(5, len(launches)), metrics=metrics,
    )  # fmt: skip
    return RunBundle(run, step.env, (replace(result, **step.changes),), launches)


def store_history(folder: Path, *histories: Sequence[Step]) -> tuple[Store, list[RunBundle]]:
    """A store with all of it, and the runs in the order given."""
    store = Store.open(folder)
    bundles = [bundle(step) for history in histories for step in history]
    rows: dict[str, list[dict[str, Any]]] = {}
    for one in bundles:
        stamp = {"write_id": new_id()}
        for table, own in bundle_rows(one).items():
            rows.setdefault(table, []).extend(row | stamp for row in own)
        counts = {"results_written": 1, "launches_written": len(one.launches), "samples_written": 0}
        rows.setdefault(RUNS, []).append(run_row(one.run) | counts | stamp)
    for env in {one.environment.env_id: one.environment for one in bundles}.values():
        append_environment(store.location, env, 4)
    for table in [*(name for name in rows if name != RUNS), RUNS]:
        if rows[table]:
            append_arrow(store.location, table, arrow_table(table, rows[table]))
    return store, bundles
