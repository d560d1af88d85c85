"""One row of a table of the framework's databases, whatever table it is from: by the names of its columns.

The star schema's rows come with what they refer to already joined in; the flat tables have it all themselves. May
import: core, importers.base, importers.numbers, importers.ipfs.common.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from assay.core.case import ForeignCase, Scalar
from assay.core.records import SampleSeries
from assay.core.words import Mark, Mode, Status
from assay.importers.base import ImportedRow, RowError
from assay.importers.ipfs.common import SAMPLE, add_readings, cut, derived, moment, number_of, outcome, text_or_none
from assay.importers.numbers import Numbers, read_count
from assay.importers.plain import plain

FLAT = frozenset({"model", "hardware", "batch_size", "throughput", "latency_avg", "memory_peak"})
"""Columns by which a flat table of results is known."""
SAMPLES = frozenset({"benchmark_id", "model_name", "hardware_type", "batch_size", "avg_latency", "peak_memory_usage"})
"""Columns by which the table of the framework's Parquet database is known. Its code gives s, bytes and items/s."""

_FIGURES: dict[str, tuple[str, str, str, str]] = {
    "average_latency_ms": ("latency_ns", "ms", "mean", "steady"),
    "avg_latency_ms": ("latency_ns", "ms", "mean", "steady"),
    "inference_time_ms": ("latency_ns", "ms", "mean", "steady"),
    "load_time_ms": ("load_ns", "ms", "mean", "steady"),
    "shader_compilation_time_ms": ("compile_ns", "ms", "mean", "steady"),
    "initialization_time_ms": ("wall_time_ns", "ms", "mean", "initialization"),
    "total_time_ms": ("wall_time_ns", "ms", "mean", "steady"),
    "total_time_seconds": ("wall_time_ns", "s", "mean", "steady"),
    "execution_time_seconds": ("wall_time_ns", "s", "mean", "steady"),
    "throughput_items_per_second": ("throughput_per_s", "1/s", "mean", "steady"),
    "throughput": ("throughput_per_s", "1/s", "mean", "steady"),
    "memory_peak_mb": ("memory_used_bytes", "MB", "max", "steady"),
    "memory_usage_mb": ("memory_used_bytes", "MB", "mean", "steady"),
    "avg_latency": ("latency_ns", "s", "mean", "steady"),
    "p50_latency": ("latency_ns", "s", "median", "steady"),
    "p90_latency": ("latency_ns", "s", "p90", "steady"),
    "p99_latency": ("latency_ns", "s", "p99", "steady"),
    "min_latency": ("latency_ns", "s", "min", "steady"),
    "max_latency": ("latency_ns", "s", "max", "steady"),
    "std_latency": ("latency_ns", "s", "std", "steady"),
    "peak_memory_usage": ("memory_used_bytes", "B", "max", "steady"),
    "avg_memory_usage": ("memory_used_bytes", "B", "mean", "steady"),
    "memory_utilization": ("utilisation", "1", "mean", "memory"),
    "samples_per_second": ("throughput_per_s", "1/s", "mean", "training"),
    "gradient_computation_time": ("wall_time_ns", "s", "mean", "backward"),
}
"""Column: metric, unit there, statistic, phase."""
_UNITLESS: dict[str, tuple[str, str, str]] = {
    "latency_avg": ("latency_ns", "ns", "mean"),
    "latency_p90": ("latency_ns", "ns", "p90"),
    "latency_p95": ("latency_ns", "ns", "p95"),
    "latency_p99": ("latency_ns", "ns", "p99"),
    "memory_peak": ("memory_used_bytes", "B", "max"),
}
"""The flat table copied these from whatever file it met, in s or ms, bytes or MB: a 0 is unknown, others are scores."""
_OPTIONS = (
    "model_family", "model_size", "test_case", "test_class", "browser", "browser_version", "sequence_length_unit",
)  # fmt: skip
_OK_WORDS = frozenset({"", "completed", "success", "passed", "pass", "ok"})
_UNKNOWN_WORDS = frozenset({"simulation", "simulated", "mock"})


def result_row(record: Mapping[str, Any], place: str, *, check: str | None = None) -> ImportedRow:
    """Take one row. ``check`` names what was checked, for tables that hold no timing. Raises RowError."""
    record = {key: float(value) if isinstance(value, Decimal) else value for key, value in record.items()}
    numbers, samples, marks = Numbers(), _readings(record), _simulation(record)
    series: tuple[SampleSeries, ...] = ()
    if samples:
        mean = record.get("average_latency_ms")
        claimed = mean if number_of(mean, "average_latency_ms") else None
        found = add_readings(numbers, samples, field="performance_batch_results.latency_ms", unit="ms", mean=claimed)
        series, marks = (found,), {**marks, **derived(found)}
    _add_figures(numbers, record, has_median=bool(samples))
    status, reason = _status(record)
    known = any(metric.value is not None for metric in numbers.metrics)
    if status is Status.OK and not known:
        if check:
            marks = {**marks, Mark.UNVERIFIED: "a flag of the source, without a run"}
        else:
            status, reason = Status.SKIPPED, "nothing measured: every number of the row is 0 or missing"
    batch = read_count(record.get("batch_size"))
    return ImportedRow(
        place=place,
        case=_case(record, batch, check),
        status=status,
        reason=reason,
        measured_at=moment(record.get("timestamp") or record.get("created_at")),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields={key: plain(value) for key, value in record.items() if key != "batch_latencies_ms"},
        hardware=_first_text(record, "hardware_name", "device_name", "device"),
        parameters=_parameters(record),
        units_per_call=float(batch) if batch and known else None,
        unit_of_work=SAMPLE if known else None,
        samples=series,
        simulated=True if Mark.SIMULATED in marks else None,
        marks=marks,
    )


def _case(record: Mapping[str, Any], batch: int | None, check: str | None) -> ForeignCase:
    workload = _first_text(record, "model_name", "model", *(["test_name"] if check else []))
    if workload is None and record.get("model_id") is not None:
        workload = f"model_id {record['model_id']}"
    if workload is None:
        raise RowError("It names no model.")
    length = read_count(record.get("sequence_length"))
    options: dict[str, Scalar | None] = {key: text_or_none(record, key) for key in _OPTIONS}
    return ForeignCase.make(
        workload=workload,
        device=_first_text(record, "hardware_type", "hardware", "platform"),
        mode=Mode.TRAINING if record.get("test_type") == "training" else Mode.INFERENCE,
        precision=text_or_none(record, "precision"),
        batch=batch,
        shape={} if length is None else {"seq": length},
        options={**options, "check": check},
    )


def _add_figures(numbers: Numbers, record: Mapping[str, Any], *, has_median: bool) -> None:
    count = read_count(record.get("iterations") or record.get("benchmark_iterations"))
    taken = {("latency_ns", "median", "steady")} if has_median else set()
    for column, (name, unit, stat, phase) in _FIGURES.items():
        if record.get(column) is None or (name, stat, phase) in taken:
            continue
        taken.add((name, stat, phase))
        n = count if name == "latency_ns" else None
        numbers.add(name, record[column], field=column, unit=unit, stat=stat, phase=phase, n=n)
    for column, (name, unit, stat) in _UNITLESS.items():
        if record.get(column) is None:
            continue
        if number_of(record[column], column):
            numbers.add(
                "score", record[column], field=column, unit="1", stat=stat, phase=column,
                note="the table does not say its unit",
            )  # fmt: skip
        else:
            numbers.add(name, record[column], field=column, unit=unit, stat=stat)


def _readings(record: Mapping[str, Any]) -> list[Any]:
    listed = record.get("batch_latencies_ms")
    return [each for each in listed if each is not None] if isinstance(listed, list) else []


def _status(record: Mapping[str, Any]) -> tuple[Status, str | None]:
    said = record.get("error_message") or record.get("error")
    message = cut(said) if isinstance(said, str) and said.strip() else None
    word = record.get("status")
    if isinstance(word, str) and word.casefold() == "skipped":
        return Status.SKIPPED, message or "the source says that it was skipped"
    if isinstance(word, str) and word.casefold() not in _OK_WORDS:
        return outcome(word), message or f"the source says {word!r} without a message"
    if record.get("success") is False:
        return outcome(message or ""), message or "the source says that it failed, without a message"
    if record.get("is_compatible") is False:
        reason = message or "the source says that it is not compatible"
        return (outcome(message) if message else Status.UNSUPPORTED), reason
    return Status.OK, None


def _simulation(record: Mapping[str, Any]) -> dict[Mark, str]:
    """Find what in a row says that it was simulated or made up."""
    for flag in ("is_simulated", "is_simulation", "simulated", "simulation_mode"):
        if record.get(flag) is True:
            why = text_or_none(record, "simulation_reason")
            return {Mark.SIMULATED: f"{flag} is true" + (f": {cut(why, 200)}" if why else "")}
    environment = record.get("environment")
    if isinstance(environment, str) and environment.casefold() in _UNKNOWN_WORDS:
        return {Mark.SIMULATED: f"environment is {environment!r}"}
    metadata = _object(record.get("metadata"))
    tags = metadata.get("tags")
    if isinstance(tags, list) and "sample" in tags:
        return {Mark.SIMULATED: f"made up: its metadata says {cut(str(metadata.get('notes')), 120)!r}, tagged 'sample'"}
    for name in ("metadata", "metrics"):
        inner = _object(record.get(name))
        if (
            inner.get("is_simulated") is True
            or inner.get("simulated") is True
            or inner.get("environment") == "simulation"
        ):
            return {Mark.SIMULATED: f"{name} says that it is simulated"}
    return {}


def _object(value: object) -> dict[str, Any]:
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _parameters(record: Mapping[str, Any]) -> int | None:
    if record.get("model_parameters") is not None:
        return read_count(record["model_parameters"])
    millions = number_of(record.get("parameters_million"), "parameters_million")
    return None if not millions or millions < 0 else round(millions * 1e6)


def _first_text(record: Mapping[str, Any], *keys: str) -> str | None:
    return next((text for key in keys if (text := text_or_none(record, key))), None)
