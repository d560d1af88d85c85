"""Shape J: ``benchmark_progress_*.json``, what a run over many models had finished, failed and skipped so far.

May import: core, importers.base, importers.ipfs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Mark, Status
from assay.importers.base import ImportedRow, Item, importers
from assay.importers.ipfs.common import (
    CLOCK,
    UNVERIFIED_SUCCESS,
    JsonImporter,
    guarded,
    keys_without,
    last_line,
    members,
    moment,
    outcome,
    refusal,
    text_of,
    text_or_none,
)
from assay.importers.plain import pointer

_LISTS = ("completed_benchmarks", "failed_benchmarks", "skipped_benchmarks")


def _fits(content: dict[str, Any]) -> bool:
    return "completed_benchmarks" in content and "failed_benchmarks" in content


def _items(content: dict[str, Any]) -> Iterator[Item]:
    yield CLOCK
    for name in _LISTS:
        listed = content.get(name, [])
        if not isinstance(listed, list):
            yield refusal(pointer(name), listed, "It is no list.")
            continue
        for index, record in enumerate(listed):
            place = pointer(name, index)
            yield guarded(place, record, lambda: _entry(name, record, place))  # noqa: B023


def _entry(name: str, raw: object, place: str) -> ImportedRow:
    record = members(raw, "the benchmark")
    case = ForeignCase.make(
        workload=text_of(record, "model_type"),
        device=text_of(record, "hardware_type"),
        options={"check": "benchmark run"},
    )
    said = [text_or_none(record, "error"), last_line(record.get("stderr"))]
    message = ": ".join(each for each in said if each)
    marks = {}
    if name == "completed_benchmarks":
        status, reason = Status.OK, None
        marks[Mark.UNVERIFIED] = UNVERIFIED_SUCCESS
    elif name == "skipped_benchmarks":
        status, reason = Status.SKIPPED, message or text_or_none(record, "reason") or "the source gives no reason"
    else:
        status = outcome(f"{text_or_none(record, 'error_type') or ''} {text_or_none(record, 'error') or ''}")
        reason = message or "the source says that it failed, without a message"
    at = moment(record.get("timestamp"))
    return ImportedRow(place, case, status, reason, at, fields=keys_without(record), marks=marks)


importers.add(
    "ipfs-progress",
    JsonImporter(
        "ipfs-progress",
        "ipfs_accelerate_py benchmark progress",
        "an object with 'completed_benchmarks' and 'failed_benchmarks'",
        _fits,
        _items,
    ),
)
