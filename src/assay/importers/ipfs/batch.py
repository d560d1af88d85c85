"""Shape C: ``batch_benchmarks_*.json``, the direct benchmark (shape B) of several models, each with its log.

May import: core, importers.base, importers.ipfs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.core.case import ForeignCase
from assay.importers.base import ImportedRow, Item, Note, RowError, importers
from assay.importers.ipfs.common import (
    CLOCK,
    TRANSFORMERS,
    JsonImporter,
    guarded,
    keys_without,
    last_line,
    members,
    moment,
    outcome,
    required,
    text_of,
    text_or_none,
)
from assay.importers.ipfs.direct import direct_items
from assay.importers.plain import pointer


def _fits(content: dict[str, Any]) -> bool:
    return (
        isinstance(content.get("models"), list)
        and isinstance(content.get("results"), dict)
        and "hardware" in content
        and "batch_sizes" in content
    )


def _items(content: dict[str, Any]) -> Iterator[Item]:
    yield CLOCK
    absent = [model for model in content["models"] if isinstance(model, str) and model not in content["results"]]
    if absent:
        yield Note(f"Asked for, but without any result: {', '.join(absent)}.")
    for model, record in content["results"].items():
        path = ("results", model)
        if isinstance(record, dict) and "benchmark_data" in record:
            more = {"command": keys_without(record, "benchmark_data")}
            yield from direct_items(record["benchmark_data"], (*path, "benchmark_data"), more)
        else:
            place = pointer(*path)
            yield guarded(place, record, lambda: _failure(model, record, place))  # noqa: B023


def _failure(model: str, raw: object, place: str) -> ImportedRow:
    record: Mapping[str, Any] = members(raw, "the model's result")
    if required(record, "success") is not False:
        raise RowError("It is a success, but there is no 'benchmark_data'.")
    said = [text_or_none(record, "error"), last_line(record.get("stderr"))]
    reason = ": ".join(each for each in said if each) or "the source says that it failed, without a message"
    asked = record.get("batch_sizes")
    batch = int(asked) if isinstance(asked, str) and asked.isascii() and asked.isdecimal() and len(asked) < 8 else None  # noqa: PLR2004
    return ImportedRow(
        place=place,
        case=ForeignCase.make(workload=model, engine=TRANSFORMERS, device=text_of(record, "hardware"), batch=batch),
        status=outcome(reason),
        reason=reason,
        measured_at=moment(record.get("timestamp")),
        fields=keys_without(record),
    )


importers.add(
    "ipfs-batch",
    JsonImporter(
        "ipfs-batch",
        "ipfs_accelerate_py batch of direct benchmarks",
        "an object with 'models', 'hardware', 'batch_sizes' and 'results'",
        _fits,
        _items,
    ),
)
