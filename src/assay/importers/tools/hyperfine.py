"""Results of hyperfine (``--export-json``): commands timed as whole programs.

Fields as hyperfine's ``src/benchmark/benchmark_result.rs`` has them; all times are seconds. The file says neither when
nor where it was made. May import: core, importers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from assay.core.case import ForeignCase
from assay.core.records import SampleSeries
from assay.core.words import Mark, Status
from assay.importers.base import ImportedRow, Item, importers
from assay.importers.numbers import Numbers
from assay.importers.plain import pointer
from assay.importers.source import Source
from assay.importers.tools.records import (
    list_at,
    make_series,
    need,
    need_text,
    object_of,
    optional_list,
    optional_object,
    read_readings,
    records_at,
    require_some,
    rows_of,
    scalar,
    without,
)

_STATS = {"mean": "mean", "stddev": "std", "median": "median", "min": "min", "max": "max"}


class Hyperfine:
    """``results[]`` with command, statistics, every time and every exit code."""

    name = "hyperfine"
    title = "hyperfine JSON"

    def recognise(self, source: Source) -> bool:
        """True for a list of results that have a command and a mean or times."""
        records = records_at(source.json_or_none(), "results")
        return any("command" in record and ("mean" in record or "times" in record) for record in records)

    def read(self, source: Source) -> Iterator[Item]:
        """Give a row for each command."""
        results = list_at(source, object_of(source, self.title), "results", self.title)
        yield from rows_of(((pointer("results", at), record) for at, record in enumerate(results)), _read)


def _read(place: str, record: dict[str, Any]) -> ImportedRow:
    times = read_readings(optional_list(record, "times") or (), "times")
    numbers = Numbers()
    need(record, "mean")
    for field, stat in _STATS.items():
        if record.get(field) is not None:
            numbers.add(
                "wall_time_ns", record[field], field=field, unit="s", stat=stat, n=len(times) or None,
                zero_is_unknown=stat != "std",
            )  # fmt: skip
    for field in ("user", "system"):
        if field in record:
            numbers.add("cpu_time_ns", record[field], field=field, unit="s", phase=field, zero_is_unknown=False)
    marks = _add_memory(numbers, record)
    status, reason = _ending(optional_list(record, "exit_codes") or [])
    if status is Status.OK:
        require_some(numbers)
    if len(times) == 1:
        marks[Mark.SINGLE_SHOT] = "the command ran once"
    samples: tuple[SampleSeries, ...] = make_series("wall_time_ns", ((time, 1) for time in times), unit="s")
    return ImportedRow(
        place,
        ForeignCase.make(
            workload=need_text(record, "command"),
            options={name: scalar(value) for name, value in optional_object(record, "parameters").items()},
        ),
        status=status,
        reason=reason,
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=without(record, "times"),
        samples=samples,
        marks=marks,
    )


def _add_memory(numbers: Numbers, record: dict[str, Any]) -> dict[Mark, str]:
    """Add the peak of memory, which newer versions read once a run."""
    peaks = read_readings(optional_list(record, "memory_usage_byte") or (), "memory_usage_byte")
    if not any(peaks):
        return {}
    numbers.derive(
        "memory_used_bytes", max(peaks), field="memory_usage_byte", how="max over the runs (B x 1)", stat="max"
    )
    return {Mark.DERIVED: "the peak of memory is the largest of the runs"}


def _ending(codes: list[Any]) -> tuple[Status, str | None]:
    """Tell how the runs ended: 0 is well, null means that a signal ended it."""
    bad = [code for code in codes if code != 0]
    if not bad:
        return Status.OK, None
    words = ", ".join(sorted({"a signal" if code is None else f"exit code {code}" for code in bad}))
    return Status.FAILED, f"{len(bad)} of {len(codes)} runs ended with {words}"


importers.add(Hyperfine.name, Hyperfine())
