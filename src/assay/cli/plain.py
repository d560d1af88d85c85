"""Records as plain rows, for ``--json`` and ``--csv``: the same names as the columns of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.core.records import EnvironmentRecord, LaunchRecord, MetricValue, ResultRecord, RunRecord

RESULT_COLUMNS = (
    "result_id", "run_id", "series_id", "case_id", "workload", "engine", "device", "mode", "precision",
    "effective_precision", "batch", "shape", "options", "status", "reason", "verdict", "verdict_reasons", "hardware",
    "parameters", "unit_of_work", "units_per_call", "latency_ns", "latency_ns_lo", "latency_ns_hi",
    "throughput_per_s", "throughput_unit", "memory_peak_bytes", "launches_ok", "launches_planned", "measured_at",
    "provenance", "source",
)  # fmt: skip
RUN_COLUMNS = (
    "run_id", "parent_id", "suite", "status", "started_at", "finished_at", "cases_planned", "env_id", "assay_version",
    "source_hash", "git_commit", "git_branch", "git_dirty", "tags", "note", "provenance",
)  # fmt: skip


def run_row(run: RunRecord) -> dict[str, Any]:
    """A run as plain values."""
    row: dict[str, Any] = {name: getattr(run, name) for name in RUN_COLUMNS}
    return row | {"status": run.status.value, "provenance": run.provenance.value, "config": run.config}


def environment_row(environment: EnvironmentRecord) -> dict[str, Any]:
    """An environment as plain values."""
    names = ("env_id", "host_id", "hardware_class", "facts", "first_seen_at")
    return {name: getattr(environment, name) for name in names}


def result_row(result: ResultRecord) -> dict[str, Any]:
    """A result as plain values: case fields flat, headline numbers flat, every metric in full."""
    latency = result.metric("latency_ns")
    throughput = result.metric("throughput_per_s")
    memory = result.metric("memory_peak_bytes", stat="max")
    row: dict[str, Any] = {name: getattr(result, name, None) for name in RESULT_COLUMNS}
    return row | {
        **result.case.to_dict(),
        "case_id": result.case.case_id,
        "status": result.status.value,
        "verdict": result.verdict.value if result.verdict else None,
        "provenance": result.provenance.value,
        "latency_ns": latency.value if latency else None,
        "latency_ns_lo": latency.ci_lo if latency else None,
        "latency_ns_hi": latency.ci_hi if latency else None,
        "throughput_per_s": throughput.value if throughput else None,
        "throughput_unit": f"{result.unit_of_work}/s" if throughput and result.unit_of_work else None,
        "memory_peak_bytes": memory.value if memory else None,
        "metrics": [metric_row(metric) for metric in result.metrics],
    }


def metric_row(metric: MetricValue) -> dict[str, Any]:
    """A metric value as plain values."""
    return {name: getattr(metric, name) for name in MetricValue.__dataclass_fields__}


def launch_row(launch: LaunchRecord) -> dict[str, Any]:
    """A launch as plain values, its samples as lists."""
    names = [name for name in LaunchRecord.__dataclass_fields__ if name != "samples"]
    row: dict[str, Any] = {name: getattr(launch, name) for name in names}
    series: Sequence[dict[str, Any]] = [
        {"name": one.name, "unit": one.unit, "calls_per_sample": one.calls_per_sample, "values": list(one.values)}
        for one in launch.samples
    ]
    verdict = launch.verdict.value if launch.verdict else None
    return row | {"status": launch.status.value, "verdict": verdict, "samples": series}
