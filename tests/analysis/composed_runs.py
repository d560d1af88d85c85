"""Runs composed for tests of checking: latencies that a test chooses, launches around them, environments that differ.

Loaded by path from several test modules, since tests are no package.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from assay.core.case import Case, series_id
from assay.core.ids import content_hash, new_id
from assay.core.records import (
    SCHEMA_VERSION,
    EnvironmentRecord,
    LaunchRecord,
    MetricValue,
    ResultRecord,
    RunBundle,
    RunRecord,
)
from assay.core.words import Fidelity, RunStatus, Status, Verdict
from assay.store import Store
from assay.store.append import Attempt, append_environment
from assay.store.rows import bundle_rows, run_row
from assay.store.schema import RUNS
from assay.store.tables import arrow_table

STARTED_AT = datetime(2026, 11, 2, 8, tzinfo=UTC)
HARDWARE = "some cpu 2c 8GiB"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FACTS: dict[str, Any] = {
    "cpu": {"model": "some cpu", "microcode": "0x1", "usable_cores": 2},
    "memory": {"total_bytes": 8 * 1024**3},
    "gpus": [],
    "os": {"system": "Linux", "kernel": "6.1"},
    "python": {
        "version": "3.12.1",
        "packages": {"numpy": "2.0.0", "torch": "2.12.0"},
        "package_count": 7,
        "packages_hash": "a",
    },
    "threads": {"OMP_NUM_THREADS": None},
    "env": {},
    "assay": {"version": "0.1.0", "source_hash": "b"},
}
STEADY = (1.0, 1.004, 0.996, 1.002, 0.998, 1.003, 0.997, 1.001)
"""A history that scatters by 0.3 %."""

Given = float | Sequence[float] | Status


def environment(host: str = "host", hardware: str = HARDWARE, **packages: str) -> EnvironmentRecord:
    """The usual environment, or one whose packages differ."""
    python = {**FACTS["python"], "packages": {**FACTS["python"]["packages"], **packages}}
    facts = {**FACTS, "python": python}
    return EnvironmentRecord(content_hash([host, hardware, facts]), host, hardware, facts, STARTED_AT)


def case(name: str) -> Case:
    """The case that a test calls by a short name: of the user's own code, or built in where the name has a slash."""
    if "/" in name:
        return Case.make(workload=name, engine="torch", device="cpu", shape={"seq": 128})
    return Case.make(workload=f"mine:{name}", engine="torch", device="cpu")


def series(name: str, hardware: str = HARDWARE) -> str:
    """Its series."""
    return series_id(case(name).case_id, hardware)


class Composer:
    """Composes runs, an hour apart, and appends them all at once: one by one takes ten times as long."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.hours = 0
        self._waiting: list[RunBundle] = []

    def add(
        self,
        given: Mapping[str, Given],
        *,
        env: EnvironmentRecord | None = None,
        changed: Mapping[str, Mapping[str, Any]] | None = None,
        **run_fields: Any,
    ) -> RunRecord:
        """Append a run: by case a latency in ms, those of its launches, or how it failed.

        ``changed`` are fields of a result that a test wants otherwise, by case.
        """
        self.hours += 1
        env = env or environment()
        run = replace(self._run(env, len(given)), **run_fields)
        results, launches = [], []
        for place, (name, value) in enumerate(given.items()):
            result, made = self._result(run, name, value, env, run.started_at + timedelta(seconds=place))
            results.append(replace(result, **(changed or {}).get(name, {})))
            launches += made
        self._waiting.append(RunBundle(run, env, tuple(results), tuple(launches)))
        return run

    def flush(self) -> Store:
        """Append what was composed, and return the store."""
        bundles, self._waiting = self._waiting, []
        if not bundles:
            return self.store
        location = self.store.location
        with Attempt(location) as attempt:
            for env in {one.environment.env_id: one.environment for one in bundles}.values():
                append_environment(location, env, SCHEMA_VERSION)
            by_table = [bundle_rows(one) for one in bundles]
            for table in by_table[0]:
                attempt.add(table, [row for rows in by_table for row in rows[table]])
            written = {"results_written": 0, "launches_written": 0, "samples_written": 0, "write_id": ""}
            runs = arrow_table(RUNS, [run_row(one.run) | written for one in bundles])
            attempt.commit_copies(runs.drop_columns(["write_id"]))
        return self.store

    def add_history(self, names: Sequence[str], ratios: Sequence[float] = STEADY, **more: Any) -> list[RunRecord]:
        """Append a run for each ratio, in which every case takes that many times 10 ms."""
        return [self.add(dict.fromkeys(names, 10.0 * ratio), **more) for ratio in ratios]

    def _run(self, env: EnvironmentRecord, cases: int) -> RunRecord:
        started = STARTED_AT + timedelta(hours=self.hours)
        return RunRecord(
            run_id=new_id(), suite="nightly", status=RunStatus.OK, started_at=started,
            finished_at=started + timedelta(minutes=1), env_id=env.env_id, config={}, cases_planned=cases,
            assay_version="0.1.0", source_hash="b", git_commit=COMMIT, git_branch="main", git_dirty=False,
        )  # fmt: skip

    def _result(
        self, run: RunRecord, name: str, given: Given, env: EnvironmentRecord, at: datetime
    ) -> tuple[ResultRecord, list[LaunchRecord]]:
        result_id = new_id()
        result = ResultRecord(
            result_id=result_id, run_id=run.run_id, series_id=series(name, env.hardware_class), case=case(name),
            status=Status.OK, measured_at=at, verdict=Verdict.TRUSTED, fidelity=Fidelity.PASSED,
            hardware=env.hardware_class,
        )  # fmt: skip
        if isinstance(given, Status):
            why = f"{given.value} on purpose"
            return replace(result, status=given, reason=why, verdict=None, fidelity=None, launches_planned=5), []
        times_ms = [given * ratio for ratio in (0.99, 1.0, 1.01, 0.995, 1.005)] if isinstance(given, float) else given
        launches = [
            LaunchRecord(
                launch_id=new_id(), run_id=run.run_id, result_id=result_id, origin_run_id=run.run_id, ordinal=ordinal,
                status=Status.OK, started_at=at + timedelta(milliseconds=ordinal), wall_ns=10**9,
                verdict=Verdict.TRUSTED, median_ns=time_ms * 1e6, memory_bytes={"peak": 4 * 10**8},
            )
            for ordinal, time_ms in enumerate(times_ms)
        ]  # fmt: skip
        median = statistics.median(times_ms) * 1e6
        numbers = (
            MetricValue("latency_ns", median, "ns", n=len(times_ms)),
            MetricValue("memory_peak_bytes", 4e8, "B", stat="max", n=len(times_ms)),
            MetricValue("load_ns", median / 10, "ns", n=len(times_ms)),
        )
        count = len(times_ms)
        return replace(result, metrics=numbers, launches_planned=count, launches_ok=count), launches
