"""Shape B: ``direct_benchmark_*.json``, one model on one device at a few batch sizes, with every single latency.

May import: core, importers.base, importers.numbers, importers.ipfs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Status
from assay.importers.base import ImportedRow, Item, RowError, importers
from assay.importers.ipfs.common import (
    CLOCK,
    PAGES_NOTE,
    SAMPLE,
    TRANSFORMERS,
    JsonImporter,
    add_mean,
    add_readings,
    cut,
    derived,
    elements,
    guarded,
    keys_without,
    members,
    moment,
    outcome,
    required,
    text_of,
    text_or_none,
)
from assay.importers.numbers import Numbers, read_count
from assay.importers.plain import pointer


def _fits(content: dict[str, Any]) -> bool:
    return (
        "success" in content
        and ("batch_results" in content or "error" in content)
        and "model" in content
        and "hardware" in content
        and "benchmark_data" not in content
    )


def _items(content: dict[str, Any]) -> Iterator[Item]:
    yield CLOCK
    yield from direct_items(content, (), {})


def direct_items(raw: object, path: tuple[str, ...], more: Mapping[str, Any]) -> Iterator[Item]:
    """Give a row for each batch size; ``path`` is where in the file it stands, ``more`` fields that belong to it."""
    place = pointer(*path)
    content = raw if isinstance(raw, dict) else {}
    batches = content.get("batch_results")
    if not isinstance(batches, dict) or not batches:
        yield guarded(place, raw, lambda: _without_batches(raw, place, more))
        return
    for key, record in batches.items():
        where = place + pointer("batch_results", key)
        yield guarded(where, record, lambda: _batch(content, key, record, where, more))  # noqa: B023


def _without_batches(raw: object, place: str, more: Mapping[str, Any]) -> ImportedRow:
    content = members(raw, "the benchmark")
    if required(content, "success") is not False:
        raise RowError("There are no 'batch_results'.")
    message = text_or_none(content, "error") or "the source says that it failed, without a message"
    return ImportedRow(
        place=place,
        case=_case(content, {}, None),
        status=outcome(message),
        reason=cut(message),
        measured_at=moment(content.get("timestamp")),
        fields={**keys_without(content), **more},
    )


def _case(content: Mapping[str, Any], record: Mapping[str, Any], batch: int | None) -> ForeignCase:
    device = text_or_none(record, "device") or text_of(content, "hardware")
    return ForeignCase.make(workload=text_of(content, "model"), engine=TRANSFORMERS, device=device, batch=batch)


def _batch(content: Mapping[str, Any], key: str, raw: object, place: str, more: Mapping[str, Any]) -> ImportedRow:
    record = members(raw, "the batch size")
    batch = read_count(record.get("batch_size", key))
    if not batch:
        raise RowError(f"{record.get('batch_size', key)!r} is no batch size.")
    case = _case(content, record, batch)
    at = moment(record.get("timestamp", content.get("timestamp")))
    shared = keys_without(content, "batch_results", "timestamp")
    fields = {**keys_without(record, "latencies_ms"), "file": shared, **more}
    if required(record, "success") is not True:
        message = text_or_none(record, "error") or "the source says that it failed, without a message"
        return ImportedRow(place, case, outcome(message), cut(message), at, fields=fields)
    numbers = Numbers()
    latencies = elements(required(record, "latencies_ms"), "latencies_ms")
    mean = required(record, "avg_latency_ms")
    add_mean(numbers, mean, field="avg_latency_ms", unit="ms", n=len(latencies))
    series = add_readings(numbers, latencies, field="latencies_ms", unit="ms", mean=mean)
    numbers.add(
        "throughput_per_s",
        required(record, "throughput_items_per_second"),
        field="throughput_items_per_second",
        unit="1/s",
    )
    if "memory_mb" in record:
        numbers.add("memory_used_bytes", record["memory_mb"], field="memory_mb", unit="MiB", note=PAGES_NOTE)
    return ImportedRow(
        place=place,
        case=case,
        status=Status.OK,
        measured_at=at,
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=fields,
        units_per_call=float(batch),
        unit_of_work=SAMPLE,
        samples=(series,),
        marks=derived(series),
    )


importers.add(
    "ipfs-direct",
    JsonImporter(
        "ipfs-direct",
        "ipfs_accelerate_py direct benchmark",
        "an object with 'model', 'hardware', 'success' and 'batch_results'",
        _fits,
        _items,
    ),
)
