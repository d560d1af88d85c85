"""Results of a vibration (PHM) benchmark suite: nested JSON of category, configuration and metric, and its wide CSV.

PHM-Vibench's component benchmark writes one row a test: ``latency_ms`` is the mean over the iterations,
``memory_peak_mb`` the resident memory of the process after them where there is no CUDA, else the allocator's peak (so
it is taken as memory in use, in units of 10^6 bytes), ``cpu_usage_pct`` the load of the whole host for 0.1 s after
them. The device is not recorded. A test that failed has zeros for numbers, which are not taken. May import: core,
catalog, importers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Status
from assay.importers.base import ImportedRow, ImportFileError, Item, RowError, importers
from assay.importers.numbers import Numbers
from assay.importers.source import Source
from assay.importers.tables.cells import (
    check_agreement,
    need_mapping,
    need_text,
    read_flag,
    read_option,
    read_size,
    read_sizes,
    read_text,
    take_row,
)

_COLUMNS = frozenset({"component", "test", "success", "latency_ms", "memory_peak_mb", "throughput_sps"})
_METRICS = {
    "latency_ms": ("latency_ns", "ms", "mean", "steady"),
    "avg_latency_ms": ("latency_ns", "ms", "mean", "steady"),
    "mean_latency_ms": ("latency_ns", "ms", "mean", "steady"),
    "latency_mean_ms": ("latency_ns", "ms", "mean", "steady"),
    "inference_time_ms": ("latency_ns", "ms", "mean", "steady"),
    "latency_std_ms": ("latency_ns", "ms", "std", "steady"),
    "std_latency_ms": ("latency_ns", "ms", "std", "steady"),
    "min_latency_ms": ("latency_ns", "ms", "min", "steady"),
    "max_latency_ms": ("latency_ns", "ms", "max", "steady"),
    "median_latency_ms": ("latency_ns", "ms", "median", "steady"),
    "p50_latency_ms": ("latency_ns", "ms", "median", "steady"),
    "p95_latency_ms": ("latency_ns", "ms", "p95", "steady"),
    "p99_latency_ms": ("latency_ns", "ms", "p99", "steady"),
    "latency_p95_ms": ("latency_ns", "ms", "p95", "steady"),
    "latency_p99_ms": ("latency_ns", "ms", "p99", "steady"),
    "throughput_sps": ("throughput_per_s", "1/s", "mean", "steady"),
    "throughput_samples_per_sec": ("throughput_per_s", "1/s", "mean", "steady"),
    "throughput_samples_per_second": ("throughput_per_s", "1/s", "mean", "steady"),
    "samples_per_second": ("throughput_per_s", "1/s", "mean", "steady"),
    "avg_throughput_sps": ("throughput_per_s", "1/s", "mean", "steady"),
    "max_throughput_sps": ("throughput_per_s", "1/s", "max", "steady"),
    "memory_mb": ("memory_used_bytes", "MB", "mean", "steady"),
    "memory_peak_mb": ("memory_used_bytes", "MB", "max", "steady"),
    "peak_memory_mb": ("memory_used_bytes", "MB", "max", "steady"),
    "max_memory_mb": ("memory_used_bytes", "MB", "max", "steady"),
    "avg_memory_mb": ("memory_used_bytes", "MB", "mean", "steady"),
    "memory_allocated_mb": ("memory_used_bytes", "MB", "mean", "allocated"),
    "cpu_usage_pct": ("utilisation", "%", "mean", "cpu"),
    "cpu_usage_percent": ("utilisation", "%", "mean", "cpu"),
    "gpu_usage_percent": ("utilisation", "%", "mean", "gpu"),
    "accuracy": ("accuracy", "1", "mean", "steady"),
    "test_accuracy": ("accuracy", "1", "mean", "test"),
    "loss": ("loss", "1", "mean", "steady"),
}
"""Their names, then ours: metric, the source's unit, statistic, phase."""
_TELLING = frozenset(name for name, (metric, *_) in _METRICS.items() if metric in ("latency_ns", "throughput_per_s"))
_ZERO_COUNTS = frozenset({"utilisation", "accuracy", "loss"})
_STATE = frozenset({"success", "error", "error_message", "status"})
_SIZES = frozenset({"batch_size", "seq_len"})
_LEVELS = 3
_OUT_OF_MEMORY = ("out of memory", "outofmemory", "oom")


class Vibration:
    """Results of the suite."""

    name = "vibration"
    title = "vibration (PHM) benchmark suite (JSON, wide CSV)"

    def recognise(self, source: Source) -> bool:
        """True for the wide CSV's columns, its report, or three levels of JSON that end in numbers of a known name."""
        if source.mapping is not None or source.is_parquet:
            return False
        if _COLUMNS.issubset(source.csv_header):
            return True
        if not any(name in source.head_text for name in _TELLING):
            return False
        content = source.json_or_none()
        return _is_report(content) or _is_nested(content)

    def read(self, source: Source) -> Iterator[Item]:
        """Give one row for each test. Raises ImportFileError where the file is none of the three forms."""
        if _COLUMNS.issubset(source.csv_header):
            for number, record in source.csv_rows():
                yield take_row(f"row {number}", record, _build_from_csv)
            return
        content = source.json
        if _is_report(content):
            for index, record in enumerate(content["raw_results"]):
                yield take_row(f"/raw_results/{index}", record, _build_from_report)
        elif _is_nested(content):
            for category, configurations in content.items():
                for name, metrics in configurations.items():
                    place = f"/{_escape(category)}/{_escape(name)}"
                    yield take_row(place, {"category": category, "config": name, "metrics": metrics}, _build_nested)
        else:
            raise ImportFileError(
                f"{source.name} is no result of the vibration suite.",
                hint="Expected {category: {configuration: {metric: number}}} with names such as latency_ms.",
            )


def _is_report(content: Any) -> bool:
    """The component benchmark's JSON report."""
    results = content.get("raw_results") if isinstance(content, Mapping) else None
    return (
        isinstance(results, list)
        and bool(results)
        and isinstance(results[0], Mapping)
        and {"component", "test", "metrics"}.issubset(results[0])
    )


def _is_nested(content: Any) -> bool:
    """Three levels everywhere, numbers or words at the end, and a name that tells among them."""
    if not isinstance(content, Mapping) or not content:
        return False
    inner = [group for group in content.values() if isinstance(group, Mapping) and group]
    tests = [test for group in inner for test in group.values() if isinstance(test, Mapping)]
    if len(inner) != len(content) or len(tests) != sum(len(group) for group in inner):
        return False
    values = [value for test in tests for value in test.values()]
    return not any(isinstance(value, (Mapping, list)) for value in values) and any(
        _TELLING.intersection(test) for test in tests
    )


def _build_from_csv(place: str, record: Mapping[str, Any]) -> ImportedRow:
    numbers = {name: value for name, value in record.items() if name in _METRICS}
    settings = {name: value for name, value in record.items() if name not in _METRICS and name not in _STATE}
    component = need_text(settings, "component")
    return _build(place, record, component, settings, numbers, skipped=("component",))


def _build_from_report(place: str, record: Any) -> ImportedRow:
    content = need_mapping(record, "the result")
    metrics = need_mapping(content.get("metrics"), "metrics")
    settings = {**need_mapping(content.get("config", {}), "config"), "test": content.get("test")}
    state = {**metrics, **{name: content[name] for name in _STATE if name in content}}
    return _build(place, state, need_text(content, "component"), settings, metrics, fields=content)


def _build_nested(place: str, record: Mapping[str, Any]) -> ImportedRow:
    metrics = need_mapping(record["metrics"], "the test")
    settings = {name: value for name, value in metrics.items() if name in _SIZES or not _is_number(value)}
    numbers = {name: value for name, value in metrics.items() if name not in settings and name not in _STATE}
    options = {name: value for name, value in settings.items() if name not in _STATE}
    return _build(
        place, metrics, str(record["category"]), {**options, "config": record["config"]}, numbers, fields=metrics
    )


def _build(
    place: str,
    state: Mapping[str, Any],
    workload: str,
    settings: Mapping[str, Any],
    metrics: Mapping[str, Any],
    *,
    fields: Mapping[str, Any] | None = None,
    skipped: tuple[str, ...] = (),
) -> ImportedRow:
    status, reason = _read_status(state)
    batch = read_size(settings, "batch_size")
    numbers = Numbers()
    if status is Status.OK:
        _add_metrics(numbers, metrics)
        _check_rate(numbers, batch)
    names = [name for name in settings if name not in skipped and name not in _SIZES]
    return ImportedRow(
        place,
        ForeignCase.make(
            workload=workload,
            batch=batch,
            shape=read_sizes(settings, {"seq": "seq_len"}),
            options={name: read_option(settings[name]) for name in names},
        ),
        status,
        reason,
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=state if fields is None else fields,
        units_per_call=None if batch is None else float(batch),
        unit_of_work="sample",
    )


def _add_metrics(numbers: Numbers, metrics: Mapping[str, Any]) -> None:
    taken: set[tuple[str, str, str]] = set()
    for name, value in metrics.items():
        metric, unit, stat, phase = _METRICS.get(name, ("score", "1", "mean", name))
        if name in _STATE or (name not in _METRICS and not _is_number(value)):
            continue
        if (metric, stat, phase) in taken:
            raise RowError(f"{name} is there under another name too; which one counts is not known.")
        taken.add((metric, stat, phase))
        zero_is_unknown = metric not in _ZERO_COUNTS and metric != "score" and stat != "std"
        numbers.add(metric, value, field=name, unit=unit, stat=stat, phase=phase, zero_is_unknown=zero_is_unknown)


def _check_rate(numbers: Numbers, batch: int | None) -> None:
    values = {(metric.name, metric.stat): metric.value for metric in numbers.metrics if metric.phase == "steady"}
    latency, rate = values.get(("latency_ns", "mean")), values.get(("throughput_per_s", "mean"))
    if batch and latency:
        check_agreement(rate, batch / latency * 1e9, what="the throughput", how="batch_size / latency")


def _read_status(state: Mapping[str, Any]) -> tuple[Status, str | None]:
    error = read_text(state.get("error")) or read_text(state.get("error_message"))
    success = read_flag(state.get("success"))
    if success or (success is None and error is None):
        return Status.OK, None
    word = (error or "").casefold()
    out_of_memory = any(words in word for words in _OUT_OF_MEMORY)
    return (Status.OOM if out_of_memory else Status.FAILED), error or "the source says that it failed, not why"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


importers.add(Vibration.name, Vibration())
