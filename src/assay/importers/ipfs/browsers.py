"""Shape L: ``<model>_firefox_vs_chrome_*.json``: improvements in per cent, of what is not said.

May import: core, importers.base, importers.numbers, importers.ipfs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Mark, Status
from assay.importers.base import ImportedRow, Item, RowError, importers
from assay.importers.ipfs.common import (
    JsonImporter,
    cut,
    guarded,
    keys_without,
    members,
    outcome,
    required,
    text_of,
    text_or_none,
)
from assay.importers.numbers import Numbers, read_number
from assay.importers.plain import pointer

_IMPROVEMENT = "improvement_percentage"
_TOO_EQUAL = 1.0
_ENOUGH = 4


def _fits(content: dict[str, Any]) -> bool:
    tests = content.get("tests")
    return (
        "model" in content
        and isinstance(tests, list)
        and bool(tests)
        and any(isinstance(each, dict) and "browser" in each and "performance" in each for each in tests)
    )


def _items(content: dict[str, Any]) -> Iterator[Item]:
    doubt = _doubt(content["tests"])
    for index, record in enumerate(content["tests"]):
        place = pointer("tests", index)
        yield guarded(place, record, lambda: _test(content, record, place, doubt))  # noqa: B023


def _test(content: Mapping[str, Any], raw: object, place: str, doubt: Mapping[Mark, str]) -> ImportedRow:
    record = members(raw, "the test")
    shaders = record.get("compute_shaders")
    case = ForeignCase.make(
        workload=text_or_none(record, "model") or text_of(content, "model"),
        device="webgpu",
        options={
            "browser": text_of(record, "browser"),
            "compute_shaders": shaders if isinstance(shaders, bool) else None,
        },
    )
    succeeded = required(record, "success")
    if not isinstance(succeeded, bool):
        raise RowError(f"'success' is {cut(repr(succeeded), 60)}, expected true or false.")
    if not succeeded:
        message = text_or_none(record, "error") or "the source says that it failed, without a message"
        return ImportedRow(place, case, outcome(message), cut(message), fields=keys_without(record))
    performance = members(required(record, "performance"), "'performance'")
    numbers = Numbers()
    numbers.add(
        "score", required(performance, _IMPROVEMENT), field=f"performance.{_IMPROVEMENT}", unit="%", phase=_IMPROVEMENT,
        note="over what is not said",
    )  # fmt: skip
    return ImportedRow(
        place=place,
        case=case,
        status=Status.OK,
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=keys_without(record),
        marks=doubt,
    )


def _doubt(tests: list[Any]) -> dict[Mark, str]:
    """Two browsers, with compute shaders and without, cannot all gain the same: then no browser was timed."""
    values = []
    for each in tests:
        performance = each.get("performance") if isinstance(each, dict) else None
        try:
            values.append(read_number(performance.get(_IMPROVEMENT)) if isinstance(performance, dict) else None)
        except RowError:
            values.append(None)
    known = [value for value in values if value is not None]
    if len(known) >= _ENOUGH and max(known) - min(known) < _TOO_EQUAL:
        why = f"all {len(known)} combinations of browser and shaders gain {min(known):.2f} to {max(known):.2f} %"
        return {Mark.CONSTANT: f"{why}: nothing that was switched has any effect"}
    return {Mark.UNVERIFIED: "a gain in per cent, of what is not said"}


importers.add(
    "ipfs-browsers",
    JsonImporter(
        "ipfs-browsers",
        "ipfs_accelerate_py browser comparison",
        "an object with 'model' and 'tests' that have 'browser' and 'performance'",
        _fits,
        _items,
    ),
)
