"""Results of pytest-benchmark (``--benchmark-json``, or a file of its storage): Python functions timed in a test run.

Fields as version 5.3 writes them (older 4.x files have the same); times are seconds of one call. A test that failed is
not in the file. May import: core, importers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from assay.core.case import ForeignCase, Scalar
from assay.core.words import Mark
from assay.importers.base import Facts, ImportedRow, Item, importers
from assay.importers.numbers import Numbers
from assay.importers.plain import plain, pointer
from assay.importers.source import Source
from assay.importers.tools.records import (
    calls_of,
    list_at,
    make_series,
    need,
    need_object,
    need_text,
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

_STATS = {
    "mean": "mean", "stddev": "std", "median": "median", "min": "min", "max": "max", "q1": "p25", "q3": "p75",
    "iqr": "iqr",
}  # fmt: skip
_PASSING = ("hz_actual", "hz_actual_friendly")
"""The clock of the moment is none of the machine's facts."""
_SPREAD = ("std", "iqr")


class PytestBenchmark:
    """``benchmarks[]`` with statistics and, where they were saved, all rounds; ``machine_info``, ``commit_info``."""

    name = "pytest-benchmark"
    title = "pytest-benchmark JSON"

    def recognise(self, source: Source) -> bool:
        """True for benchmarks with statistics beside what is said of the machine."""
        content = source.json_or_none()
        if not isinstance(content, dict) or not isinstance(content.get("machine_info"), dict):
            return False
        records = records_at(content, "benchmarks")
        return isinstance(content.get("benchmarks"), list) and (not records or any("stats" in one for one in records))

    def read(self, source: Source) -> Iterator[Item]:
        """Give the machine, then a row for each benchmark."""
        content = object_of(source, self.title)
        benchmarks = list_at(source, content, "benchmarks", self.title)
        made_at = read_time(content.get("datetime"))
        yield _facts(content)
        records = ((pointer("benchmarks", at), record) for at, record in enumerate(benchmarks))
        commit = {"commit_info": plain(content["commit_info"])} if "commit_info" in content else {}
        yield from rows_of(records, lambda place, record: _read(place, record, made_at, commit))


def _facts(content: Mapping[str, Any]) -> Facts:
    machine = content.get("machine_info")
    cpu = machine.get("cpu") if isinstance(machine, dict) else None
    brand = cpu.get("brand_raw") or cpu.get("brand") if isinstance(cpu, dict) else None
    kept = plain({key: content[key] for key in ("machine_info", "version") if key in content})
    if isinstance(cpu, dict):
        kept["machine_info"]["cpu"] = without(cpu, *_PASSING)
    return Facts(kept, brand if isinstance(brand, str) else None)


def _read(place: str, record: dict[str, Any], made_at: datetime | None, commit: Mapping[str, Any]) -> ImportedRow:
    stats = need_object(record, "stats")
    iterations = calls_of(stats.get("iterations"), "stats/iterations")
    rounds = None if stats.get("rounds") is None else calls_of(stats["rounds"], "stats/rounds")
    need(stats, "mean")
    numbers = Numbers()
    for field, stat in _STATS.items():
        # The spread of a single round is written as 0, and is none.
        if field in stats and not (stat in _SPREAD and rounds == 1):
            numbers.add(
                "latency_ns", stats[field], field=f"stats/{field}", unit="s", stat=stat, n=rounds,
                zero_is_unknown=stat not in _SPREAD,
            )  # fmt: skip
    if "ops" in stats:
        numbers.add("throughput_per_s", stats["ops"], field="stats/ops", unit="1/s", n=rounds)
    require_some(numbers)
    data = read_readings(optional_list(stats, "data") or (), "stats/data")
    workload, options = _identity(record)
    return ImportedRow(
        place,
        ForeignCase.make(workload=workload, options=options),
        measured_at=made_at,
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields={**commit, **without(record, "stats"), "stats": without(stats, "data")},
        units_per_call=1.0,
        unit_of_work="call",
        samples=make_series("latency_ns", ((value, iterations) for value in data), unit="s"),
        marks={Mark.SINGLE_SHOT: "one round of one call"} if rounds == iterations == 1 else {},
    )


def _identity(record: Mapping[str, Any]) -> tuple[str, dict[str, Scalar | None]]:
    """Tell the function from its parameters: ``file.py::test[10]`` with ``n: 10`` is ``file.py::test`` and n=10.

    A parameter that is no plain value is written with an address in memory or left out, so then the test's own word
    for the combination is taken.
    """
    name = need_text(record, "fullname" if record.get("fullname") else "name")
    params, word = optional_object(record, "params"), record.get("param")
    if not params or not isinstance(word, str) or not name.endswith(f"[{word}]"):
        return name, {}
    options = {key: scalar(value) for key, value in params.items()}
    if any(isinstance(value, (dict, list)) or "UNSERIALIZABLE" in str(value) for value in params.values()):
        options = {"param": word}
    return name.removesuffix(f"[{word}]"), options


importers.add(PytestBenchmark.name, PytestBenchmark())
