"""Stores to mirror: measured and imported runs, marks, refusals, annotations, texts and numbers that are hostile.

Loaded by conftest.py, and run as a script by tests that kill it: ``composed.py STORE URL ROWS_TOGETHER`` mirrors and
writes a line for each step.
"""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from assay.core.case import ForeignCase, series_id
from assay.core.ids import content_hash, new_id
from assay.core.records import (
    AnnotationRecord,
    BaselineRecord,
    CalibrationRecord,
    EnvironmentRecord,
    FindingRecord,
    ImportRecord,
    MetricValue,
    RefusalRecord,
    ResultRecord,
    RunRecord,
)
from assay.core.words import Change, Mark, Provenance, RunStatus, Status
from assay.store import Store, schema
from assay.store.append import Attempt, append_environment
from assay.store.rows import import_row, refusal_row, result_row
from assay.store.tables import append_arrow, arrow_table

MOMENT = datetime(2026, 11, 7, 8, 0, 0, 1, tzinfo=UTC)
GPU = "NVIDIA H100 80GB HBM3"
FACTS: dict[str, Any] = {
    "cpu": {"vendor": "AMD", "model": "AMD EPYC", "architecture": "x86_64", "sockets": 1, "physical_cores": 2,
            "logical_cores": 4, "usable_cores": 4},
    "memory": {"total_bytes": 25_276_510_208, "cgroup_cpu_quota": None},
    "gpus": [
        {"vendor": "nvidia", "name": GPU, "index": 0, "mig": False, "memory_bytes": 85 * 10**9,
         "power_limit_w": 700.0, "compute_capability": "9.0"},
        {"vendor": "nvidia", "name": GPU, "index": 1, "mig": False, "memory_bytes": 85 * 10**9,
         "power_limit_w": 700.0, "compute_capability": "9.0"},
        {"vendor": "amd", "name": "hidden", "index": None, "mig": None},
    ],
    "os": {"system": "Linux", "distribution": "debian 12", "kernel": "6.1", "virtualisation": "kvm", "container": None},
    "python": {"version": "3.11.7"},
}  # fmt: skip
HOSTILE = {
    "quotes": """it's "quoted" \\ and $1 %s {0} ; DROP TABLE runs; --""",
    "nul": "before\0after",
    "surrogate": "broken \ud800 text",
    "scripts": "мера 测量 🧪 é",
    "controls": "\x01\x1d\x1e\x1f\x7f\r\n\t",
    "long": "x" * 300_000,
    "empty": "",
}


def environment() -> EnvironmentRecord:
    return EnvironmentRecord(content_hash(FACTS), "host-2", f"2x {GPU} | AMD EPYC 4c", FACTS, MOMENT)


def imported_result(run_id: str, number: int, **changes: Any) -> ResultRecord:
    """One row of somebody else's file, as the importers keep it."""
    case = ForeignCase.make(
        workload=f"bert/{number}",
        engine="somebody's",
        device="cuda",
        precision="Q4_K_M",
        options={"scenario": "Offline"},
    )
    values: dict[str, Any] = {
        "result_id": new_id(),
        "run_id": run_id,
        "series_id": series_id(case.case_id, GPU),
        "case": case,
        "status": Status.OK,
        "measured_at": None if number % 2 else MOMENT + timedelta(hours=number),
        "hardware": GPU,
        "metrics": (
            MetricValue("throughput_per_s", 10.5 + number, "1/s"),
            MetricValue("accuracy", 0.75, "1", phase="validation"),
            MetricValue("energy_j_per_sample", None, "J", reason="0 in the source, which means unknown"),
        ),
        "provenance": Provenance.IMPORTED,
        "source": "results.json",
        "source_place": f"/rows/{number}",
        "source_fields": {"latency": 1.50, "deep": [{"a": [1e3, None, True]}]},
        "conversions": {"throughput_per_s.median": {"field": "qps", "unit": "1/s", "factor": 1.0}},
        "simulated": False,
        "fingerprint": content_hash([number]),
    }
    return ResultRecord(**(values | changes))


def add_import(store: Store, *, rows: int = 6) -> str:
    """Append what an import leaves: one run, its results (one simulated, one failed), its refusals."""
    run_id, import_id = new_id(), content_hash([rows, "import"])
    results = [imported_result(run_id, number) for number in range(rows)]
    results[1] = imported_result(
        run_id, 1, marks={Mark.SIMULATED: "it says so", Mark.REPEATED: "of row 0"}, simulated=True
    )
    results[2] = imported_result(run_id, 2, status=Status.FAILED, reason="CUDA out of memory", metrics=())
    env = environment()
    run = RunRecord(
        run_id=run_id, suite="import", status=RunStatus.OK, started_at=MOMENT,
        finished_at=MOMENT + timedelta(seconds=1), env_id=env.env_id, config={"format": "some"},
        cases_planned=rows, assay_version="0.1.0", source_hash="abc",
        provenance=Provenance.IMPORTED, import_id=import_id,
    )  # fmt: skip
    record = ImportRecord(
        import_id, run_id, "results.json", "some", "ff" * 32, 1234, MOMENT, "0.1.0", rows + 2, rows, 2, ("a note",)
    )
    refusals = [RefusalRecord(import_id, run_id, f"row {n}", "negative latency", '{"x": -1}') for n in (7, 8)]
    with Attempt(store.location) as attempt:
        append_environment(store.location, env, run.schema_version)
        attempt.add(schema.RESULTS, [result_row(one) for one in results])
        attempt.add(schema.IMPORTS, [import_row(record)])
        attempt.add(schema.REFUSALS, [refusal_row(one) for one in refusals])
        attempt.commit(run)
    return run_id


def add_hostile(store: Store) -> str:
    """Append a run of texts and numbers that a database may choke on."""
    run_id = new_id()
    encodable = {name: text for name, text in HOSTILE.items() if name != "surrogate"}
    numbers = (math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308)
    results = [
        imported_result(
            run_id,
            number,
            reason=text,
            source=text,
            case=ForeignCase.make(workload=text or "none", engine=text, options={f"o{name}": text}),
            series_id=content_hash(["series", name]),
            verdict_reasons=(text, "another"),
            source_fields={name: text, f"key {text[:100]}": [text[:10]], "number": numbers[number % len(numbers)]},
            metrics=(MetricValue(f"unheard_of_{name}", numbers[number % len(numbers)], text[:50], reason=text),),
            marks={Mark.CORRECTED: text},
        )
        for number, (name, text) in enumerate(encodable.items())
    ]
    results.append(imported_result(run_id, 99, reason=HOSTILE["surrogate"], source_fields={"s": HOSTILE["surrogate"]}))
    env = environment()
    run = RunRecord(
        run_id=run_id, suite=HOSTILE["quotes"], status=RunStatus.INTERRUPTED, started_at=MOMENT, finished_at=MOMENT,
        env_id=env.env_id, config=dict.fromkeys(("a\0b", "c"), HOSTILE["nul"]), cases_planned=1, assay_version="0.1.0",
        source_hash="abc", provenance=Provenance.IMPORTED, tags=(HOSTILE["quotes"], "", HOSTILE["nul"]),
    )  # fmt: skip
    with Attempt(store.location) as attempt:
        append_environment(store.location, env, run.schema_version)
        attempt.add(schema.RESULTS, [result_row(one) for one in results])
        attempt.commit(run)
    return run_id


def annotate(store: Store, subject_id: str, text: str = "looks slow") -> AnnotationRecord:
    made = AnnotationRecord(new_id(), "note", "run", subject_id, text, "ada", MOMENT, metric="latency_ns")
    _append(store, schema.ANNOTATIONS, made)
    return made


def pin(store: Store, run_id: str | None, name: str = "main") -> BaselineRecord:
    made = BaselineRecord(new_id(), name, run_id, MOMENT, "ada", note="release")
    _append(store, schema.BASELINES, made)
    return made


def finding() -> FindingRecord:
    return FindingRecord(
        finding_id=new_id(), check_id="check", created_at=MOMENT, run_id="run", series_id="series",
        case_label="bert/tiny torch cpu", metric="latency_ns", stat="median", unit="ns", change=Change.REGRESSED,
        against="history", method="fresh-welch", ratio=1.1, is_worse=True, confirmed_by=("x", "y"), reasons=("slow",),
    )  # fmt: skip


def calibration() -> CalibrationRecord:
    return CalibrationRecord(
        calibration_id=new_id(), created_at=MOMENT, series_id="series", case_label="bert/tiny torch cpu",
        metric="latency_ns", stat="median", run_ids=("run",), env_id="env", hardware=None, launches=20,
        launches_a_side=5, sd_log=0.01, floor=0.02, false_alarm_rate=0.0, splits=100, smallest_change=0.04, power=0.95,
        launches_for_floor=9, is_bimodal=False,
    )  # fmt: skip


def remove_run(store: Store, run_id: str) -> None:
    """Take a run out of the store, as `retain` does: its row first, the rest is then invisible."""
    from deltalake import DeltaTable

    DeltaTable(f"{store.location}/{schema.RUNS}").delete(f"run_id = '{run_id}'")


def _append(store: Store, table: str, record: AnnotationRecord | BaselineRecord) -> None:
    row = {name: getattr(record, name) for name in record.__dataclass_fields__}
    append_arrow(store.location, table, arrow_table(table, [row]))


def main(location: str, url: str, rows_together: int) -> None:
    from assay.mirrors import plan
    from assay.mirrors.transfer import mirror_store

    def tell(progress: plan.Progress) -> None:
        sys.stdout.write(f"{progress.runs_done}\n")
        sys.stdout.flush()

    plan.ROWS_TOGETHER = rows_together
    mirror_store(location, url, on_progress=tell)
    tell(plan.Progress(-1, 0, 0))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
