"""Results of pyperf (``-o``): values of many fresh processes; the file has no statistics, so those are derived.

Format 1.0 as ``pyperf/_bench.py`` of 2.x writes it: a value is the time of one call, already divided by the loops that
the reading spanned; metadata stands at the file, the benchmark and the run, the inner one counting. Dates have no time
zone. May import: core, importers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from assay.core.case import ForeignCase
from assay.core.records import SampleSeries
from assay.core.words import Mark
from assay.importers.base import Facts, ImportedRow, ImportFileError, Item, Note, RowError, importers
from assay.importers.numbers import Numbers
from assay.importers.plain import plain, pointer
from assay.importers.source import Source
from assay.importers.tools.records import (
    calls_of,
    derive_statistics,
    list_at,
    make_series,
    object_of,
    optional_list,
    optional_object,
    read_readings,
    read_time,
    records_at,
    require_some,
    rows_of,
    scalar,
    without,
)

_UNITS = {"second": ("latency_ns", "s"), "byte": ("memory_used_bytes", "B"), "integer": ("score", "1")}
_OPTIONS = ("command", "timeit_stmt", "timeit_setup", "timeit_teardown")
_PASSING = (
    "name", "command", "date", "duration", "uptime", "load_avg_1min", "runnable_threads", "loops", "inner_loops",
    "unit", "calibrate_loops", "timeit_stmt", "timeit_setup", "timeit_teardown", "mem_max_rss", "command_max_rss",
)  # fmt: skip
"""Metadata of a run and not of the machine; where the file as a whole has it, it goes with the rows."""
_PEAKS = ("mem_max_rss", "command_max_rss")


class Pyperf:
    """``benchmarks[].runs[]`` with values, warm-ups and metadata."""

    name = "pyperf"
    title = "pyperf JSON"

    def recognise(self, source: Source) -> bool:
        """True for a version and benchmarks that have runs."""
        content = source.json_or_none()
        if not isinstance(content, dict) or "version" not in content:
            return False
        return any(isinstance(record.get("runs"), list) for record in records_at(content, "benchmarks"))

    def read(self, source: Source) -> Iterator[Item]:
        """Give the machine, then a row for each benchmark."""
        content = object_of(source, self.title)
        if content.get("version") != "1.0":
            raise ImportFileError(
                f"{source.name} is pyperf's format {content.get('version')!r}, expected '1.0'.",
                hint="Bring it up to date with `python -m pyperf convert old.json -o new.json`.",
            )
        benchmarks = list_at(source, content, "benchmarks", self.title)
        common = content.get("metadata")
        common = common if isinstance(common, dict) else {}
        brand = common.get("cpu_model_name")
        yield Facts({"metadata": without(common, *_PASSING)}, brand if isinstance(brand, str) else None)
        if benchmarks:
            yield Note("pyperf writes dates without a time zone; they are taken as UTC.")
        records = ((pointer("benchmarks", at), record) for at, record in enumerate(benchmarks))
        yield from rows_of(records, lambda place, record: _read(place, record, common))


def _read(place: str, record: dict[str, Any], common: Mapping[str, Any]) -> ImportedRow:
    metadata = {**common, **optional_object(record, "metadata")}
    runs = optional_list(record, "runs") or []
    unit = str(metadata.get("unit", "second"))
    if unit not in _UNITS:
        raise RowError(f"metadata/unit is {unit!r:.40}, expected second, byte or integer.")
    metric, source_unit = _UNITS[unit]
    if metric == "latency_ns" and "command" in metadata:
        metric = "wall_time_ns"
    readings = [(rank, _values(rank, run), _calls(rank, run, metadata)) for rank, run in enumerate(runs)]
    values = [value for _, run_values, _ in readings for value in run_values]
    if not values:
        raise RowError("runs have no values (calibration only, or none ended).")
    numbers = Numbers()
    derive_statistics(numbers, metric, values, field="runs/values", unit=source_unit)
    _derive_peak(numbers, runs)
    require_some(numbers)
    samples: list[SampleSeries] = []
    if unit == "second":
        for rank, run_values, calls in readings:
            samples += make_series(metric, ((value, calls) for value in run_values), unit="s", rank=rank)
    marks = {Mark.DERIVED: "the statistics are computed from the values; the file has none"}
    if len(values) == 1:
        marks[Mark.SINGLE_SHOT] = "one value"
    return ImportedRow(
        place,
        ForeignCase.make(
            workload=_workload(metadata), options={key: scalar(metadata[key]) for key in _OPTIONS if key in metadata}
        ),
        measured_at=_first_date(runs),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields={
            **without(record, "runs"),
            "file_metadata": {key: plain(common[key]) for key in _PASSING if key in common},
            "runs": [without(run, "values") if unit == "second" else plain(run) for run in runs],
        },
        samples=tuple(samples),
        marks=marks,
    )


def _workload(metadata: Mapping[str, Any]) -> str:
    """Return the name; a suite of one benchmark may leave it out, and is then known by what it runs."""
    for key in ("name", "command", "timeit_stmt"):
        if isinstance(metadata.get(key), str) and metadata[key].strip():
            return str(metadata[key])
    raise RowError("metadata/name is missing.")


def _values(rank: int, run: object) -> list[float]:
    if not isinstance(run, dict):
        raise RowError(f"runs/{rank} is of type {type(run).__name__}, expected an object.")
    return read_readings(optional_list(run, "values") or (), f"runs/{rank}/values")


def _calls(rank: int, run: dict[str, Any], metadata: Mapping[str, Any]) -> int:
    own = {**metadata, **optional_object(run, "metadata")}
    loops, inner = (calls_of(own.get(key), f"runs/{rank}/metadata/{key}") for key in ("loops", "inner_loops"))
    return loops * inner


def _derive_peak(numbers: Numbers, runs: list[dict[str, Any]]) -> None:
    """Add the largest peak of memory over the processes, where they read it."""
    for key in _PEAKS:
        found = [optional_object(run, "metadata").get(key) for run in runs]
        peaks = read_readings([peak for peak in found if peak is not None], f"runs/metadata/{key}")
        if any(peaks):
            numbers.derive(
                "memory_used_bytes", max(peaks), field=f"runs/metadata/{key}", how="max over the runs (B x 1)",
                stat="max", phase="process" if key == "mem_max_rss" else "command",
            )  # fmt: skip


def _first_date(runs: list[dict[str, Any]]) -> datetime | None:
    dates = (read_time(optional_object(run, "metadata").get("date")) for run in runs)
    return min((date for date in dates if date is not None), default=None)


importers.add(Pyperf.name, Pyperf())
