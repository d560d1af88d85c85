"""Shape E: browser tests, one ``result.json`` each or all models in one file. Every known one is simulated.

They say so themselves (``is_simulation``, ``platform_support.simulated``), though the same record calls its
implementation REAL. May import: core, importers.base, importers.numbers, importers.ipfs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Mark, Status
from assay.importers.base import ImportedRow, Item, Note, importers
from assay.importers.ipfs.common import (
    CLOCK,
    SAMPLE,
    JsonImporter,
    add_mean,
    announced_simulations,
    cut,
    guarded,
    keys_without,
    members,
    moment,
    outcome,
    required,
    text_of,
    text_or_none,
)
from assay.importers.numbers import Numbers
from assay.importers.plain import pointer

_OTHERS = (
    ("load_ns", "load_time_ms", "ms"),
    ("memory_used_bytes", "memory_mb", "MB"),
    ("throughput_per_s", "throughput_items_per_second", "1/s"),
)


def _fits(content: dict[str, Any]) -> bool:
    return _is_result(content) or ("models_tested" in content and isinstance(content.get("results"), list))


def _is_result(content: Mapping[str, Any]) -> bool:
    return "platform" in content and "model_name" in content and "platform_support" in content


def _items(content: dict[str, Any]) -> Iterator[Item]:
    yield CLOCK
    if _is_result(content):
        yield guarded("", content, lambda: _result(content, "", {}, announced_simulations(content)))
        return
    shared = keys_without(content, "results")
    given = {text_or_none(record, "model_key") for record in content["results"] if isinstance(record, dict)}
    tested = content["models_tested"] if isinstance(content["models_tested"], list) else []
    absent = [model for model in tested if isinstance(model, str) and model not in given]
    if absent:
        yield Note(f"Tested, but without any result: {', '.join(absent)}.")
    for index, record in enumerate(content["results"]):
        place = pointer("results", index)
        yield guarded(place, record, lambda: _result(record, place, shared, announced_simulations(content)))  # noqa: B023


def _result(raw: object, place: str, shared: Mapping[str, Any], announced: Mapping[str, str]) -> ImportedRow:
    record = members(raw, "the result")
    platform = text_of(record, "platform")
    case = ForeignCase.make(
        workload=text_of(record, "model_name"),
        device=platform,
        options={
            "model_key": text_or_none(record, "model_key"),
            "modality": text_or_none(record, "modality"),
            "browser": text_or_none(record, "browser"),
            "headless": record["headless"] if isinstance(record.get("headless"), bool) else None,
        },
    )
    marks = _doubt(record, announced.get(platform))
    fields = {**keys_without(record), "file": shared} if shared else keys_without(record)
    at = moment(record.get("timestamp"))
    simulated = _says_simulated(record, announced.get(platform))
    if text_of(record, "status") != "success":
        message = text_or_none(record, "error") or f"the source says {record['status']!r} without a message"
        return ImportedRow(
            place, case, outcome(message), cut(message), at, fields=fields, simulated=simulated, marks=marks
        )
    measured = members(required(record, "metrics"), "'metrics'")
    numbers = Numbers()
    add_mean(numbers, required(measured, "inference_time_ms"), field="metrics.inference_time_ms", unit="ms")
    for name, key, unit in _OTHERS:
        if key in measured:
            numbers.add(name, measured[key], field=f"metrics.{key}", unit=unit)
    return ImportedRow(
        place=place,
        case=case,
        status=Status.OK,
        measured_at=at,
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=fields,
        unit_of_work=SAMPLE,
        simulated=simulated,
        marks=marks,
    )


def _evidence(record: Mapping[str, Any], announced: str | None) -> list[str]:
    support = record.get("platform_support")
    said = [
        "is_simulation is true" if record.get("is_simulation") is True else None,
        "platform_support.simulated is true"
        if isinstance(support, dict) and support.get("simulated") is True
        else None,
        announced,
    ]
    return [each for each in said if each]


def _says_simulated(record: Mapping[str, Any], announced: str | None) -> bool | None:
    if _evidence(record, announced):
        return True
    return False if record.get("is_simulation") is False else None


def _doubt(record: Mapping[str, Any], announced: str | None) -> dict[Mark, str]:
    marks = {}
    evidence = _evidence(record, announced)
    if evidence:
        marks[Mark.SIMULATED] = "; ".join(evidence)
    if record.get("browser_opened") is False:
        marks[Mark.UNVERIFIED] = "browser_opened is false: no browser ran it"
    return marks


importers.add(
    "ipfs-web",
    JsonImporter(
        "ipfs-web",
        "ipfs_accelerate_py browser test",
        "an object with 'model_name', 'platform', 'platform_support', or with 'models_tested' and a list of 'results'",
        _fits,
        _items,
    ),
)
