"""Shape H: ``model_functionality_*.json``, which says of each model whether its test program ran, and its log.

May import: core, importers.base, importers.ipfs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Mark, Status
from assay.importers.base import ImportedRow, Item, RowError, importers
from assay.importers.ipfs.common import (
    CLOCK,
    UNVERIFIED_SUCCESS,
    JsonImporter,
    cut,
    guarded,
    keys_without,
    last_line,
    members,
    moment,
    outcome,
    refusal,
    required,
    text_of,
    text_or_none,
)
from assay.importers.plain import pointer


def _fits(content: dict[str, Any]) -> bool:
    return isinstance(content.get("model_results"), dict) and isinstance(content.get("detailed_results"), list)


def _items(content: dict[str, Any]) -> Iterator[Item]:
    yield CLOCK
    yield from functionality_items(content, (), {})


def functionality_items(content: object, path: tuple[str, ...], simulated: Mapping[str, str]) -> Iterator[Item]:
    """Give a row for each check; ``path`` is where in the file the checks stand.

    Checks that stand under one platform and name another keep both (``asked_device``): the record is believed.
    ``simulated`` holds the platforms that the file itself calls simulated, with its words.
    """
    place = pointer(*path)
    if not isinstance(content, dict) or not _fits(content):
        yield refusal(place, content, "It is no set of checks: expected 'model_results' and 'detailed_results'.")
        return
    asked = path[-1] if path else None
    stats = content.get("stats")
    at = stats.get("timestamp") if isinstance(stats, dict) else None
    seen: set[tuple[str | None, str | None]] = set()
    for index, record in enumerate(content["detailed_results"]):
        where = place + pointer("detailed_results", index)
        if isinstance(record, dict):
            seen.add((text_or_none(record, "model"), text_or_none(record, "hardware")))
        yield guarded(where, record, lambda: _detailed(record, where, at, asked, simulated))  # noqa: B023
    for model, devices in content["model_results"].items():
        for device, worked in devices.items() if isinstance(devices, dict) else ((None, devices),):
            if (model, device) in seen:
                continue
            where = place + pointer("model_results", model, *([] if device is None else [device]))
            record = {"model": model, "hardware": device, "success": worked}
            yield guarded(where, record, lambda: _detailed(record, where, at, asked, simulated))  # noqa: B023


def _detailed(raw: object, place: str, at: object, asked: str | None, simulated: Mapping[str, str]) -> ImportedRow:
    record = members(raw, "the check")
    worked = required(record, "success")
    if not isinstance(worked, bool):
        raise RowError(f"'success' is {cut(repr(worked), 60)}, expected true or false.")
    device = text_of(record, "hardware")
    reason = None if worked else _failure(record)
    marks = {Mark.UNVERIFIED: _doubt(record)} if worked else {}
    if device in simulated:
        marks[Mark.SIMULATED] = simulated[device]
    return ImportedRow(
        place=place,
        case=ForeignCase.make(
            workload=text_of(record, "model"),
            device=device,
            options={"check": "functionality", "asked_device": asked if asked != device else None},
        ),
        status=Status.OK if reason is None else outcome(reason),
        reason=reason,
        measured_at=moment(at),
        fields=keys_without(record),
        simulated=True if device in simulated else None,
        marks=marks,
    )


def _failure(record: Mapping[str, Any]) -> str:
    said = last_line(record.get("stderr")) or last_line(record.get("error")) or last_line(record.get("stdout"))
    code = record.get("return_code")
    return said or (f"exit code {code}, no message" if code is not None else "the source gives no message")


def _doubt(record: Mapping[str, Any]) -> str:
    log = f"{record.get('stdout')} {record.get('stderr')}"
    return f"{UNVERIFIED_SUCCESS}; its log speaks of mock implementations" if "MOCK" in log else UNVERIFIED_SUCCESS


importers.add(
    "ipfs-functionality",
    JsonImporter(
        "ipfs-functionality",
        "ipfs_accelerate_py model functionality",
        "an object with 'model_results' and 'detailed_results'",
        _fits,
        _items,
    ),
)
