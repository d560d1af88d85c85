"""Small but complete runs to store, and processes that append them.

Loaded by conftest.py, and run as a script by the tests that need processes of their own:
``bundles.py append STORE ACKNOWLEDGED COUNT SEED`` (``insist`` tries again what failed),
``bundles.py journal STORE COUNT``, or ``bundles.py fork``, which starts processes that are to be killed: to each line
``append STORE ACKNOWLEDGED SEED`` or ``tidy STORE`` it answers the id of one that it forked, and to ``kill ID`` whether
that one was at work until then. Forked, as starting afresh would take most of a test's time; deltalake and DuckDB begin
their threads with the first call, which each process makes for itself.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from assay.core.case import Case, series_id
from assay.core.errors import StoreError
from assay.core.ids import content_hash, new_id
from assay.core.records import (
    EnvironmentRecord,
    LaunchRecord,
    MetricValue,
    ResultRecord,
    RunBundle,
    RunRecord,
    SampleSeries,
    TelemetrySeries,
)
from assay.core.words import RunStatus, Status, Verdict
from assay.store import Journal, Store

HARDWARE = "some cpu, 2 cores"
STARTED_AT = datetime(2026, 11, 5, 12, 30, 15, 123456, tzinfo=UTC)


def environment(host: str = "host-1") -> EnvironmentRecord:
    facts = {"os": "linux", "cpu": {"vendor": "AMD", "cores": 2}, "packages": ["numpy 2.0"]}
    return EnvironmentRecord(content_hash([host, facts]), host, HARDWARE, facts, STARTED_AT)


def make_bundle(
    *,
    cases: int = 2,
    launches: int = 2,
    samples: int = 20,
    suite: str = "quick",
    started_at: datetime = STARTED_AT,
    parent_id: str | None = None,
    run_id: str | None = None,
) -> RunBundle:
    run_id = run_id or new_id()
    env = environment()
    results, all_launches = [], []
    for number in range(cases):
        case = Case.make(
            workload="bert/base",
            engine="torch",
            device="cpu",
            batch=2**number,
            shape={"seq": 128},
            options={"threads": 2},
        )
        result_id = new_id()
        results.append(
            ResultRecord(
                result_id=result_id,
                run_id=run_id,
                series_id=series_id(case.case_id, HARDWARE),
                case=case,
                status=Status.OK,
                measured_at=started_at + timedelta(seconds=number),
                verdict=Verdict.TRUSTED,
                launches_planned=launches,
                launches_ok=launches,
                metrics=(
                    MetricValue("latency_ns", 1e6 + number, "ns", ci_lo=9e5, ci_hi=1.1e6, n=launches),
                    MetricValue("memory_peak_bytes", 4e8, "B", stat="max", n=launches),
                    MetricValue("latency_ns", 2e6, "ns", stat="p90", n=launches * samples),
                    MetricValue("load_ns", None, "ns", reason="the engine does not say"),
                ),
            )
        )
        all_launches += [
            LaunchRecord(
                launch_id=new_id(),
                run_id=run_id,
                result_id=result_id,
                origin_run_id=run_id,
                ordinal=ordinal,
                status=Status.OK,
                started_at=started_at + timedelta(seconds=number, milliseconds=ordinal),
                wall_ns=10**9,
                threads=2,
                median_ns=1e6,
                costs_ns={"import": 10**8, "load": 5 * 10**7},
                memory_bytes={"peak": 4 * 10**8},
                witnesses={"steal": 0.01},
                engine_facts={"torch": "2.13.0"},
                telemetry=(
                    TelemetrySeries("memory_used_bytes", "cpu", "B", "host", "host", 5, (0, 10**8), (1e9, None)),
                ),
                samples=(SampleSeries("latency", "ns", tuple(range(10**6, 10**6 + samples))),),
            )
            for ordinal in range(launches)
        ]
    run = RunRecord(
        run_id=run_id,
        suite=suite,
        status=RunStatus.OK,
        started_at=started_at,
        finished_at=started_at + timedelta(minutes=1),
        env_id=env.env_id,
        config={"cases": cases, "seed": 7},
        cases_planned=cases,
        assay_version="0.1.0",
        source_hash="abc123",
        parent_id=parent_id,
        tags=("nightly",),
    )
    return RunBundle(run, env, tuple(results), tuple(all_launches))


def write_all(journal: Journal, bundle: RunBundle) -> None:
    journal.record(bundle.run)
    journal.record(bundle.environment)
    for launch in bundle.launches:
        journal.record(launch)
    for result in bundle.results:
        journal.record(result)


def append_runs(location: str, acknowledged: Path, count: int, seed: int, *, tries: int = 1) -> None:
    """Append runs of varying size; name each in ``acknowledged`` only once it is in the store."""
    draw = random.Random(seed)
    store = Store.open(location)
    for _ in range(count):
        bundle = make_bundle(cases=draw.randint(1, 4), launches=draw.randint(1, 3), samples=draw.randint(1, 200))
        for left in reversed(range(tries)):
            try:
                store.append(bundle)
            except StoreError:
                if not left:
                    raise
            else:
                break
        with acknowledged.open("a", encoding="ascii") as file:
            file.write(bundle.run.run_id + "\n")


def journal_and_hang(location: str, launches: int) -> None:
    """Write a journal with so many launches, say so on stdout, and wait to be killed."""
    bundle = make_bundle(cases=1, launches=launches)
    journal = Store.open(location).journal(bundle.run.run_id)
    journal.record(bundle.run)
    journal.record(bundle.environment)
    for launch in bundle.launches:
        journal.record(launch)
        journal.record(bundle.results[0])
    sys.stdout.write(bundle.run.run_id + "\n")
    sys.stdout.flush()
    time.sleep(300)


def tidy(location: str) -> None:
    """Cluster, compact and vacuum again and again, and early, so that little has to be written before."""
    from assay.store import latest, tables
    from assay.store.housekeeping import tidy_after_append

    tables.COMPACT_AFTER_FILES = 3
    latest.REFRESH_AFTER_FILES = 5
    while True:
        tidy_after_append(location, ["results", "launches", "samples"])
        opened = tables.open_table(location, "results")
        if opened is not None:
            opened.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)


def serve_forks() -> None:
    import deltalake  # noqa: F401  (loaded before the fork, as are the others)
    import duckdb  # noqa: F401
    import pyarrow.dataset
    import pyarrow.parquet

    pyarrow.array([])  # loads what it can work with
    for line in sys.stdin:
        word, *values = line.rstrip("\n").split("\t")
        if word == "kill":
            os.kill(int(values[0]), signal.SIGKILL)
            _, status = os.waitpid(int(values[0]), 0)
            answer = str(os.WIFSIGNALED(status))
        else:
            answer = str(os.fork())
            if answer == "0":
                _work(word, values)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _work(word: str, values: list[str]) -> NoReturn:
    try:
        if word == "tidy":
            tidy(values[0])
        append_runs(values[0], Path(values[1]), 10**6, int(values[2]))
    except BaseException:  # noqa: BLE001  (whatever it is, it ends here, and the test finds it in the file of errors)
        traceback.print_exc()
    os._exit(1)


if __name__ == "__main__":
    if sys.argv[1] == "fork":
        serve_forks()
    elif sys.argv[1] in {"append", "insist"}:
        tries = 30 if sys.argv[1] == "insist" else 1
        append_runs(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]), tries=tries)
    else:
        journal_and_hang(sys.argv[2], int(sys.argv[3]))
