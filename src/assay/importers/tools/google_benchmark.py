"""Results of google/benchmark (``--benchmark_format=json``): functions, with repetitions and aggregates over them.

Fields as its ``src/json_reporter.cc`` of 1.5 to 1.9 writes them. The repetitions of a benchmark and the aggregates over
them are separate records of one run name; they are one row here. May import: core, importers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from assay.core.case import ForeignCase
from assay.core.records import SampleSeries
from assay.core.words import Mark, Status
from assay.importers.base import Facts, ImportedRow, Item, Note, Refusal, RowError, importers
from assay.importers.numbers import Numbers
from assay.importers.plain import plain, pointer
from assay.importers.source import Source
from assay.importers.tools.records import (
    as_object,
    calls_of,
    checked_unit,
    derive_statistics,
    list_at,
    make_series,
    need,
    need_text,
    object_of,
    read_readings,
    read_time,
    records_at,
    refuse,
    require_some,
    without,
)

_STATS = {"mean": "mean", "median": "median", "stddev": "std", "min": "min", "max": "max", "cv": "cv"}
_TIMES = {"real_time": "latency_ns", "cpu_time": "cpu_time_ns"}
_RATES = {"items_per_second": "items", "bytes_per_second": "bytes"}
"""The phase says what is counted: how many of them one iteration does is not in the file."""
_PASSING = ("date", "executable", "load_avg")
"""What the context says of the run and not of the machine; it goes with the rows."""
_KNOWN = frozenset({
    "name", "family_index", "per_family_instance_index", "run_name", "run_type", "repetitions", "repetition_index",
    "threads", "aggregate_name", "aggregate_unit", "iterations", "time_unit", "label", "error_occurred",
    "error_message", "skipped", "skip_message", "allocs_per_iter", "max_bytes_used", "total_allocated_bytes",
    "net_heap_growth", *_TIMES, *_RATES,
})  # fmt: skip
"""Whatever else has a number is a counter of the benchmark's author."""


class GoogleBenchmark:
    """``context`` and ``benchmarks[]``."""

    name = "google-benchmark"
    title = "google/benchmark JSON"

    def recognise(self, source: Source) -> bool:
        """True for benchmarks with a real or CPU time, beside a context."""
        content = source.json_or_none()
        if not isinstance(content, dict) or not isinstance(content.get("context"), dict):
            return False
        return any(
            "name" in record and ("real_time" in record or "cpu_time" in record or "error_occurred" in record)
            for record in records_at(content, "benchmarks")
        )

    def read(self, source: Source) -> Iterator[Item]:
        """Give the machine, a row for each benchmark with all its repetitions, and how many fits were left out."""
        content = object_of(source, self.title)
        benchmarks = list_at(source, content, "benchmarks", self.title)
        context = content.get("context")
        context = context if isinstance(context, dict) else {}
        yield Facts({"context": without(context, *_PASSING)})
        groups, refusals, fits = _group(benchmarks)
        yield from refusals
        measured_at = read_time(context.get("date"))
        for group in groups:
            try:
                yield _read(group, measured_at, {key: plain(context[key]) for key in _PASSING if key in context})
            except RowError as error:
                yield refuse(group.place, error, group.records())
        if fits:
            yield Note(f"{fits} records of BigO or RMS are fits of a curve to other records, no results; left out.")


@dataclass(slots=True)
class _Group:
    """The records of one benchmark: its repetitions, and aggregates over them by their name."""

    place: str = ""
    repetitions: list[dict[str, Any]] = field(default_factory=list)
    aggregates: dict[str, dict[str, Any]] = field(default_factory=dict)

    def take(self, place: str, record: dict[str, Any]) -> None:
        if record.get("run_type") != "aggregate":
            self.repetitions.append(record)
        else:
            name = need_text(record, "aggregate_name")
            if name in self.aggregates:
                raise RowError(f"aggregate_name {name!r:.40} is there twice for one benchmark.")
            self.aggregates[name] = record
        self.place = self.place or place

    def records(self) -> list[dict[str, Any]]:
        return [*self.repetitions, *self.aggregates.values()]


def _group(benchmarks: list[Any]) -> tuple[list[_Group], list[Refusal], int]:
    """Put records of one run name together, in the order of the file."""
    groups: dict[tuple[str, ...], _Group] = {}
    refusals: list[Refusal] = []
    fits = 0
    for at, record in enumerate(benchmarks):
        place = pointer("benchmarks", at)
        if isinstance(record, dict) and record.get("aggregate_name") in ("BigO", "RMS"):
            fits += 1
            continue
        try:
            groups.setdefault(_identity(record), _Group()).take(place, as_object(record))
        except RowError as error:
            refusals.append(refuse(place, error, record))
    return [group for group in groups.values() if group.place], refusals, fits


def _identity(record: object) -> tuple[str, ...]:
    """Tell benchmarks apart: the same name may be there twice, for instance with other threads."""
    content = as_object(record)
    name = need_text(content, "run_name" if "run_name" in content else "name")
    return (name, *(str(content.get(key)) for key in ("family_index", "per_family_instance_index", "threads")))


def _read(group: _Group, measured_at: datetime | None, passing: Mapping[str, Any]) -> ImportedRow:
    first = group.records()[0]
    numbers, marks = Numbers(), {}
    status, reason = _ending(group.repetitions)
    good = [one for one in group.repetitions if not (one.get("error_occurred") or one.get("skipped"))]
    samples: tuple[SampleSeries, ...] = ()
    for aggregate, record in group.aggregates.items():
        _add_aggregate(numbers, aggregate, record)
    if len(good) == 1 and not group.aggregates:
        _add_single(numbers, good[0])
        if good[0].get("iterations") == 1:
            marks[Mark.SINGLE_SHOT] = "one iteration, not repeated"
    elif good and not group.aggregates:
        _derive_all(numbers, good)
        marks[Mark.DERIVED] = "the statistics are those of the repetitions; the file has none"
    if good:
        samples = _samples(good)
    if status is Status.OK:
        require_some(numbers)
    threads = first.get("threads")
    return ImportedRow(
        group.place,
        ForeignCase.make(
            workload=need_text(first, "run_name" if "run_name" in first else "name"),
            options={"threads": threads if isinstance(threads, int) and threads > 1 else None},
        ),
        status=status,
        reason=reason,
        measured_at=measured_at,
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields={"records": plain(group.records()), "context": dict(passing)},
        samples=samples,
        marks=marks,
    )


def _ending(repetitions: list[dict[str, Any]]) -> tuple[Status, str | None]:
    errors = [str(one.get("error_message") or "no message") for one in repetitions if one.get("error_occurred")]
    if errors:
        return Status.FAILED, f"{len(errors)} of {len(repetitions)} repetitions: {errors[0]}"
    skips = [str(one.get("skip_message") or "no message") for one in repetitions if one.get("skipped")]
    if skips and len(skips) == len(repetitions):
        return Status.SKIPPED, skips[0]
    return Status.OK, None


def _counters(record: Mapping[str, Any]) -> list[str]:
    numbers = (key for key, value in record.items() if isinstance(value, (int, float)) and not isinstance(value, bool))
    return [key for key in numbers if key not in _KNOWN]


def _add_single(numbers: Numbers, record: dict[str, Any]) -> None:
    iterations = calls_of(need(record, "iterations"), "iterations")
    _add(numbers, record, "mean", n=iterations)


def _add_aggregate(numbers: Numbers, aggregate: str, record: dict[str, Any]) -> None:
    """Add one aggregate; a user's own statistic keeps its name. One that is a ratio of numbers has no unit."""
    stat = _STATS.get(aggregate, aggregate)
    repetitions = record.get("repetitions")
    n = repetitions if isinstance(repetitions, int) and not isinstance(repetitions, bool) else None
    if record.get("aggregate_unit") == "percentage" or stat == "cv":
        for name in (*_TIMES, *_RATES, *_counters(record)):
            if name in record:
                numbers.add(
                    "score", record[name], field=f"{aggregate}/{name}", unit="1", stat=stat, phase=name,
                    zero_is_unknown=False, n=n,
                )  # fmt: skip
    else:
        _add(numbers, record, stat, n=n, prefix=f"{aggregate}/")


def _add(numbers: Numbers, record: dict[str, Any], stat: str, *, n: int | None, prefix: str = "") -> None:
    unit = checked_unit("latency_ns", record.get("time_unit"), "time_unit")
    zero_is_unknown = stat != "std"
    for name, metric in _TIMES.items():
        if name in record:
            numbers.add(
                metric, record[name], field=prefix + name, unit=unit, stat=stat, n=n, zero_is_unknown=zero_is_unknown
            )
    for name, phase in _RATES.items():
        if name in record:
            numbers.add(
                "throughput_per_s", record[name], field=prefix + name, unit="1/s", stat=stat, phase=phase, n=n,
                zero_is_unknown=zero_is_unknown,
            )  # fmt: skip
    for name in _counters(record):
        numbers.add(
            "score", record[name], field=prefix + name, unit="1", stat=stat, phase=name, n=n, zero_is_unknown=False
        )


def _derive_all(numbers: Numbers, good: list[dict[str, Any]]) -> None:
    unit = checked_unit("latency_ns", good[0].get("time_unit"), "time_unit")
    for name, metric in _TIMES.items():
        if all(name in one for one in good):
            values = read_readings([one[name] for one in good], f"repetitions/{name}")
            derive_statistics(numbers, metric, values, field=name, unit=unit)


def _samples(good: list[dict[str, Any]]) -> tuple[SampleSeries, ...]:
    """Make a reading of each repetition, which timed all its iterations as one."""
    units = {checked_unit("latency_ns", one.get("time_unit"), "time_unit") for one in good}
    if len(units) > 1:
        raise RowError(f"time_unit differs between the repetitions: {', '.join(sorted(units))}.")
    times = read_readings([need(one, "real_time") for one in good], "real_time")
    calls = [calls_of(need(one, "iterations"), "iterations") for one in good]
    return make_series("latency_ns", zip(times, calls, strict=True), unit=units.pop())


importers.add(GoogleBenchmark.name, GoogleBenchmark())
