"""A small store for the pages to show: composed runs with every state that a page must draw, and imported files.

Every number of the measured runs is composed here, on hardware that is called "Test": no machine took them.
Loaded by path from the tests beside it, since tests are no package.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from assay.core.case import Case, series_id
from assay.core.ids import content_hash, new_id
from assay.core.records import (
    SCHEMA_VERSION,
    EnvironmentRecord,
    FindingRecord,
    LaunchRecord,
    MetricValue,
    ResultRecord,
    RunBundle,
    RunRecord,
    SampleSeries,
)
from assay.core.words import Change, Fidelity, RunStatus, Status, Verdict
from assay.importers.pipeline import import_paths
from assay.store import Store
from assay.store.annotations import annotate, pin_baseline
from assay.store.append import Attempt, append_environment
from assay.store.findings import append_findings
from assay.store.rows import bundle_rows, run_row
from assay.store.schema import RUNS
from assay.store.tables import arrow_table

CPU = "Test CPU 2c 8GiB"
GPU = "Test GPU 80GiB"
BEGIN = datetime(2026, 9, 1, 6, 0, tzinfo=UTC)
NIGHTS = 24
HOSTILE = 'mine:<script>document.title="broken"</script> אבג ' + "long" * 40
"""A name as a hostile file may have it: markup, right to left, and too long for any column."""
SEEDS = Path(__file__).parents[2] / "importers" / "seeds"
LAUNCHES = 5


@dataclass(frozen=True, slots=True)
class Facts:
    """What the tests ask for by id: the newest run of the history, the one before it, a result of it, its series."""

    run_id: str
    other_run_id: str
    result_id: str
    series_id: str
    workload: str
    results: int


def fill_store(location: Path) -> Facts:
    """Fill a new store and return what is in it."""
    store = Store.open(location)
    draw = random.Random(6)
    bundles = [*_history(draw), _matrix(draw), _gpu(draw)]
    _append(store.location, bundles)
    for name in ("mlperf-table/0-table.csv", "llm-table/0-speeds.md", "timm/0-both.csv", "ml-energy/0-energy.csv"):
        import_paths(store, [SEEDS / name])
    newest, before = bundles[NIGHTS - 1], bundles[NIGHTS - 2]
    first = newest.results[0]
    annotate(store.location, kind="note", subject_kind="run", subject_id=newest.run.run_id, text="After the update.")
    pin_baseline(store.location, name="main", run_id=before.run.run_id, author="tester")
    append_findings(store.location, [_finding(newest, before)])
    count = store.query("SELECT count(*) AS n FROM results")["n"][0].as_py()
    return Facts(newest.run.run_id, before.run.run_id, first.result_id, first.series_id, first.case.workload, count)


def environment(hardware: str, torch: str, gpus: list[dict[str, Any]]) -> EnvironmentRecord:
    facts: dict[str, Any] = {
        "cpu": {"model": "Test CPU", "microcode": "0x1", "usable_cores": 2},
        "memory": {"total_bytes": 8 * 1024**3},
        "gpus": gpus,
        "os": {"system": "Linux", "kernel": "6.1"},
        "python": {"version": "3.12.1", "packages": {"torch": torch}, "package_count": 7, "packages_hash": torch},
        "threads": {"OMP_NUM_THREADS": "2"},
        "env": {},
        "assay": {"version": "0.1.0", "source_hash": "b"},
    }
    return EnvironmentRecord(content_hash([hardware, facts]), "test-host", hardware, facts, BEGIN)


def _history(draw: random.Random) -> Iterator[RunBundle]:
    """A run a night: one case gets 9 % slower half-way, PyTorch is updated later, one case fails in the newest run."""
    cases = [
        Case.make(workload="bert/base", engine="torch", device="cpu", batch=8, shape={"seq": 128}),
        Case.make(workload="resnet/50", engine="torch", device="cpu", shape={"image": 224}),
        Case.make(workload="resnet/50", engine="onnxruntime", device="cpu", precision="int8", shape={"image": 224}),
        Case.make(workload="vit/base", engine="openvino", device="cpu", shape={"image": 224}),
    ]
    for night in range(NIGHTS):
        env = environment(CPU, "2.12.0" if night < 18 else "2.13.0", [])
        at = BEGIN + timedelta(days=night)
        run = _run("nightly", env, at, len(cases))
        results, launches = [], []
        for place, case in enumerate(cases):
            level = (42e6, 31e6, 12e6, 55e6)[place] * (1.09 if place == 0 and night >= NIGHTS // 2 else 1.0)
            is_newest = night == NIGHTS - 1
            if is_newest and place == 3:
                results.append(_failed(run, case, at, Status.OOM, "the worker was killed: out of memory"))
                continue
            value = level * math.exp(draw.gauss(0, 0.006))
            result, made = _result(run, case, value, at, draw, with_samples=is_newest)
            results.append(
                replace(result, verdict=Verdict.NOISY, verdict_reasons=("12 % steal",)) if night == 7 else result
            )
            launches += made if night >= NIGHTS - 2 else []
        yield RunBundle(run, env, tuple(results), tuple(launches))


def _matrix(draw: random.Random) -> RunBundle:
    """Workload by engine by batch, with gaps, a wrong answer, a disturbed number, and a hostile name."""
    env = environment(CPU, "2.13.0", [])
    at = BEGIN + timedelta(days=NIGHTS - 1, hours=3)
    run = replace(_run("matrix", env, at, 40), tags=("matrix",), note="Every engine; not everything can run")
    results, launches = [], []
    for place, workload in enumerate(("bert/base", "resnet/50", "vit/base", "llama/tiny")):
        for engine in ("torch", "onnxruntime", "openvino"):
            for batch in (1, 2, 4, 8, 16):
                case = Case.make(workload=workload, engine=engine, device="cpu", batch=batch, shape={"seq": 64})
                if engine == "openvino" and workload == "llama/tiny":
                    results.append(_failed(run, case, at, Status.UNSUPPORTED, "openvino does not generate text here"))
                    continue
                value = 4e6 * (place + 1) * batch**0.85 * {"torch": 1.0, "onnxruntime": 0.8, "openvino": 0.7}[engine]
                result, made = _result(run, case, value * math.exp(draw.gauss(0, 0.01)), at, draw)
                results.append(result)
                launches += made
    results[1] = replace(results[1], fidelity=Fidelity.FAILED, fidelity_reason="cosine 0.71 is under 0.99")
    results[2] = replace(results[2], verdict=Verdict.CONTAMINATED, verdict_reasons=("another process: 80 % of a core",))
    hostile, made = _result(run, Case.make(workload=HOSTILE, engine="torch", device="cpu"), 5e6, at, draw)
    return RunBundle(run, env, (*results, hostile), (*launches, *made))


def _gpu(draw: random.Random) -> RunBundle:
    """Other hardware, with energy."""
    env = environment(GPU, "2.13.0", [{"name": "Test GPU", "memory_bytes": 80 * 1024**3}])
    at = BEGIN + timedelta(days=NIGHTS - 1, hours=5)
    run = _run("gpu", env, at, 6)
    results, launches = [], []
    for workload in ("bert/base", "resnet/50"):
        for precision in ("fp32", "bf16", "fp16"):
            case = Case.make(
                workload=workload, engine="torch", device="cuda:0", precision=precision, batch=8, shape={"seq": 64}
            )
            value = 2e6 * (1.0 if precision == "fp32" else 0.45) * math.exp(draw.gauss(0, 0.01))
            result, made = _result(run, case, value, at, draw, hardware=GPU)
            energy = MetricValue("energy_j", 0.05 * value / 1e6, "J", stat="mean", n=LAUNCHES)
            results.append(replace(result, metrics=(*result.metrics, energy)))
            launches += made
    return RunBundle(run, env, tuple(results), tuple(launches))


def _run(suite: str, env: EnvironmentRecord, at: datetime, cases: int) -> RunRecord:
    return RunRecord(
        run_id=new_id(), suite=suite, status=RunStatus.OK, started_at=at, finished_at=at + timedelta(minutes=9),
        env_id=env.env_id, config={}, cases_planned=cases, assay_version="0.1.0", source_hash="b",
        git_commit="0123456789abcdef0123456789abcdef01234567", git_branch="main", git_dirty=False,
    )  # fmt: skip


def _failed(run: RunRecord, case: Case, at: datetime, status: Status, reason: str) -> ResultRecord:
    return ResultRecord(
        new_id(), run.run_id, series_id(case.case_id, CPU), case, status, at, reason=reason, hardware=CPU,
        launches_planned=LAUNCHES,
    )  # fmt: skip


def _result(
    run: RunRecord, case: Case, latency_ns: float, at: datetime, draw: random.Random, *, hardware: str = CPU,
    with_samples: bool = False,
) -> tuple[ResultRecord, list[LaunchRecord]]:  # fmt: skip
    result_id = new_id()
    medians = [latency_ns * math.exp(draw.gauss(0, 0.004)) for _ in range(LAUNCHES)]
    launches = [
        LaunchRecord(
            new_id(), run.run_id, result_id, run.run_id, ordinal, Status.OK, at + timedelta(seconds=ordinal), 10**9,
            verdict=Verdict.TRUSTED, median_ns=median, memory_bytes={"peak": 4 * 10**8}, costs_ns={"load": 10**8},
            samples=(_samples(median, draw),) if with_samples else (),
        )
        for ordinal, median in enumerate(medians)
    ]  # fmt: skip
    half = 0.006 * latency_ns
    rate = case.batch * 1e9 / latency_ns
    metrics = (
        MetricValue("latency_ns", latency_ns, "ns", ci_lo=latency_ns - half, ci_hi=latency_ns + half, n=LAUNCHES),
        MetricValue("throughput_per_s", rate, "1/s", ci_lo=rate * 0.994, ci_hi=rate * 1.006, n=LAUNCHES),
        MetricValue("memory_peak_bytes", 4e8, "B", stat="max", n=LAUNCHES),
        MetricValue("load_ns", 1e8, "ns", n=LAUNCHES),
    )
    result = ResultRecord(
        result_id, run.run_id, series_id(case.case_id, hardware), case, Status.OK, at, verdict=Verdict.TRUSTED,
        fidelity=Fidelity.PASSED, hardware=hardware, parameters=10**8, units_per_call=float(case.batch),
        unit_of_work="sample", launches_planned=LAUNCHES, launches_ok=LAUNCHES, metrics=metrics,
        effective_precision=str(case.precision),
    )  # fmt: skip
    return result, launches


def _samples(median_ns: float, draw: random.Random) -> SampleSeries:
    return SampleSeries("latency", "ns", tuple(round(median_ns * math.exp(draw.gauss(0.002, 0.02))) for _ in range(40)))


def _finding(judged: RunBundle, reference: RunBundle) -> FindingRecord:
    result = judged.results[0]
    return FindingRecord(
        finding_id=new_id(), check_id=new_id(), created_at=judged.run.finished_at, run_id=judged.run.run_id,
        series_id=result.series_id, case_label=result.case.label, metric="latency_ns", stat="median", unit="ns",
        change=Change.SUSPECT, against="history", method="prediction-interval", result_id=result.result_id,
        hardware=CPU, reference_run_id=reference.run.run_id, reference_n=20, value=45.8e6, reference_value=42e6,
        ratio=1.09, is_worse=True, ci_lo=0.98, ci_hi=1.02, p=0.002, q=0.008, floor=0.03, launches=LAUNCHES,
    )  # fmt: skip


def _append(location: str, bundles: list[RunBundle]) -> None:
    """Append all runs in one go: one by one they take a minute."""
    with Attempt(location) as attempt:
        for env in {one.environment.env_id: one.environment for one in bundles}.values():
            append_environment(location, env, SCHEMA_VERSION)
        by_table = [bundle_rows(one) for one in bundles]
        for table in by_table[0]:
            attempt.add(table, [row for rows in by_table for row in rows[table]])
        written = {"results_written": 0, "launches_written": 0, "samples_written": 0, "write_id": ""}
        runs = arrow_table(RUNS, [run_row(one.run) | written for one in bundles])
        attempt.commit_copies(runs.drop_columns(["write_id"]))
