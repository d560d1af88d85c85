"""Results on many devices, composed for rankings: what each test needs is a line, and everything else is usual.

Loaded by path from several test modules, since tests are no package.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from assay.core.case import Case, ForeignCase, series_id
from assay.core.ids import content_hash, new_id
from assay.core.records import EnvironmentRecord, MetricValue, ResultRecord, RunBundle, RunRecord
from assay.core.words import Fidelity, Mark, Provenance, RunStatus, Status, Verdict
from assay.store import Store

STARTED_AT = datetime(2026, 11, 2, 8, tzinfo=UTC)
H100, A100, L4, P4000 = "NVIDIA H100 PCIe 80GB", "NVIDIA A100 PCIe 80GB", "NVIDIA L4", "Quadro P4000"
CPU = "some cpu 2c 8GiB"
MLPERF: Mapping[str, Any] = {
    "accelerators_per_node": 8, "division": "closed", "nodes": 1, "round": "v4.1", "scenario": "Offline",
    "submitter": "somebody", "suite": "datacenter", "system": "a system",
}  # fmt: skip
UNITS = {"latency_ns": "ns", "throughput_per_s": "1/s", "serving_rate_per_s": "1/s", "time_to_train_ns": "ns",
         "energy_j_per_sample": "J", "energy_j_per_call": "J", "average_power_w": "W", "macs": "1",
         "memory_peak_bytes": "B", "output_tokens_per_s": "1/s", "accuracy": "1"}  # fmt: skip


class Results:
    """Collects results, a run for each source of theirs, and appends all at once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._waiting: dict[tuple[str, Provenance], list[ResultRecord]] = {}
        self._count = 0

    def measured(self, workload: str, hardware: str = CPU, **fields: Any) -> ResultRecord:
        """Add a measured result: numbers by metric name, fields of the case, fields of the result."""
        return self._add(Provenance.MEASURED, workload, hardware, fields)

    def predicted(self, workload: str, hardware: str = CPU, **fields: Any) -> ResultRecord:
        """Add a predicted one."""
        return self._add(Provenance.PREDICTED, workload, hardware, fields)

    def imported(self, workload: str, hardware: str | None = H100, **fields: Any) -> ResultRecord:
        """Add somebody else's, whose numbers are means."""
        return self._add(Provenance.IMPORTED, workload, hardware, fields)

    def mlperf(self, workload: str, hardware: str = H100, **fields: Any) -> ResultRecord:
        """Add a result of a benchmark with rules; ``options`` overrides what is usual of it."""
        options = {**MLPERF, **fields.pop("options", {})}
        fields = {"mode": "serving", "engine": "TensorRT 10", "batch": None, "precision": None, **fields}
        return self._add(Provenance.IMPORTED, workload, hardware, {**fields, "options": options})

    def keep(self) -> Store:
        """Append what was added, and return the store."""
        facts = {"cpu": {"model": "some cpu"}}
        env = EnvironmentRecord(content_hash(facts), "host", CPU, facts, STARTED_AT)
        for (source, provenance), results in self._waiting.items():
            run = RunRecord(
                run_id=results[0].run_id, suite=source, status=RunStatus.OK, started_at=STARTED_AT,
                finished_at=STARTED_AT + timedelta(minutes=1), env_id=env.env_id, config={},
                cases_planned=len(results), assay_version="0.1.0", source_hash="b", provenance=provenance,
            )  # fmt: skip
            self.store.append(RunBundle(run, env, tuple(results), ()))
        self._waiting = {}
        return self.store

    def _add(self, provenance: Provenance, workload: str, hardware: str | None, fields: dict[str, Any]) -> ResultRecord:
        self._count += 1
        fields = dict(fields)
        is_imported = provenance is Provenance.IMPORTED
        source = fields.pop("source", "somebody.csv" if is_imported else "quick")
        numbers = {name: fields.pop(name) for name in UNITS if name in fields}
        case_fields = {
            "engine": "torch", "device": "cuda", "mode": "inference", "precision": "fp16", "batch": 1,
            "shape": {}, "options": {},
        }  # fmt: skip
        case_fields |= {name: fields.pop(name) for name in list(case_fields) if name in fields}
        make: Any = ForeignCase.make if is_imported else Case.make
        case = make(workload=workload, **case_fields)
        known = self._waiting.setdefault((source, provenance), [])
        run_id = known[0].run_id if known else new_id()
        at = None if is_imported else STARTED_AT + timedelta(seconds=self._count)
        result = ResultRecord(
            result_id=new_id(), run_id=run_id, series_id=series_id(case.case_id, hardware or "unknown"), case=case,
            status=Status.OK, measured_at=at, hardware=hardware, unit_of_work="sample", provenance=provenance,
            verdict=None if is_imported else Verdict.TRUSTED, fidelity=None if is_imported else Fidelity.PASSED,
            launches_planned=0 if is_imported else 5, launches_ok=0 if is_imported else 5,
            source=source if is_imported else None,
            metrics=tuple(_metrics(numbers, "mean" if is_imported else "median")),
        )  # fmt: skip
        result = replace(result, **fields)
        known.append(result)
        return result


def _metrics(numbers: Mapping[str, Any], stat: str) -> Iterable[MetricValue]:
    """A number alone, or (value, lower, upper bound)."""
    for name, given in numbers.items():
        value, lo, hi = given if isinstance(given, tuple) else (given, None, None)
        own = "max" if name == "memory_peak_bytes" else stat
        yield MetricValue(name, value, UNITS[name], own, ci_lo=lo, ci_hi=hi, n=None if lo is None else 5)


def marked(mark: Mark = Mark.SIMULATED, why: str = "the source says so") -> dict[Mark, str]:
    """Marks of a result that may not be ranked."""
    return {mark: why}
