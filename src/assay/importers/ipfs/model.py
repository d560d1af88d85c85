"""Shape D: ``benchmark_<model>_<hardware>_*.json``, one mean for each batch size; most of them constants of a program.

The files for ROCm, MPS and browsers were written on a machine that has none of them, a second apart. May import: core,
importers.base, importers.numbers, importers.ipfs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Mark, Status
from assay.importers.base import ImportedRow, Item, Note, RowError, importers
from assay.importers.ipfs.common import (
    CLOCK,
    SAMPLE,
    JsonImporter,
    add_mean,
    cut,
    guarded,
    keys_without,
    members,
    moment,
    number_of,
    outcome,
    required,
    text_of,
    text_or_none,
)
from assay.importers.numbers import Numbers, read_count
from assay.importers.plain import pointer

_FIGURES = ("latency_ms", "throughput", "memory_usage_mb")
_ITEMS_TOLERANCE = 0.05


def _fits(content: dict[str, Any]) -> bool:
    return "model_path" in content and "hardware_key" in content and isinstance(content.get("batch_sizes"), dict)


def _items(content: dict[str, Any]) -> Iterator[Item]:
    yield CLOCK
    if not content["batch_sizes"]:
        yield Note(f"It has no batch size; compatible: {cut(str(content.get('compatible')), 60)}.")
    for key, record in content["batch_sizes"].items():
        place = pointer("batch_sizes", key)
        yield guarded(place, record, lambda: _batch(content, key, record, place))  # noqa: B023


def _batch(content: Mapping[str, Any], key: str, raw: object, place: str) -> ImportedRow:
    record = members(raw, "the batch size")
    batch = read_count(key)
    if not batch:
        raise RowError(f"{cut(repr(key), 60)} is no batch size.")
    case = ForeignCase.make(
        workload=text_of(content, "model_path"),
        device=text_of(content, "hardware_key"),
        batch=batch,
        options={key: text_or_none(content, key) for key in ("model_key", "model_category")},
    )
    at = moment(content.get("timestamp"))
    fields = {**keys_without(record), "file": keys_without(content, "batch_sizes")}
    if required(record, "success") is not True:
        message = text_or_none(record, "error") or "the source says that it failed, without a message"
        return ImportedRow(place, case, outcome(message), cut(message), at, fields=fields)
    numbers = Numbers()
    add_mean(numbers, required(record, "latency_ms"), field="latency_ms", unit="ms")
    numbers.add("throughput_per_s", required(record, "throughput"), field="throughput", unit="1/s")
    numbers.add("memory_used_bytes", record.get("memory_usage_mb"), field="memory_usage_mb", unit="MB")
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
        marks=_doubt(record, batch),
    )


def _doubt(record: Mapping[str, Any], batch: int) -> dict[Mark, str]:
    """Say why the figures are constants, or, where they may be measured, that nothing of the run can be looked at."""
    figures = {name: number_of(record.get(name), name) for name in _FIGURES}
    if not all(value is not None and value.is_integer() for value in figures.values()):
        return {Mark.UNVERIFIED: "a mean without its readings"}
    said = ", ".join(f"{name} {value:g}" for name, value in figures.items())
    why = f"every figure is a whole number ({said}), which no mean of timings is"
    latency, throughput = figures["latency_ms"], figures["throughput"]
    if latency and throughput:
        expected = batch / latency * 1000
        if abs(expected - throughput) > _ITEMS_TOLERANCE * expected:
            why += f"; {batch} in {latency:g} ms are {expected:.3g}/s, not {throughput:g}/s"
    return {Mark.CONSTANT: why}


importers.add(
    "ipfs-model",
    JsonImporter(
        "ipfs-model",
        "ipfs_accelerate_py model benchmark",
        "an object with 'model_path', 'hardware_key' and 'batch_sizes'",
        _fits,
        _items,
    ),
)
