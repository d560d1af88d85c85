"""Shape G: ``hardware_compatibility_matrix.json``: flags for families of models, without a run or a number.

May import: core, importers.base, importers.ipfs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Mark, Status
from assay.importers.base import Facts, ImportedRow, Item, RowError, importers
from assay.importers.ipfs.common import (
    CLOCK,
    JsonImporter,
    announced_simulations,
    cut,
    guarded,
    keys_without,
    members,
    moment,
    not_an_object,
    required,
)
from assay.importers.numbers import Numbers
from assay.importers.plain import pointer


def _fits(content: dict[str, Any]) -> bool:
    families = content.get("model_families")
    return (
        "hardware_types" in content
        and isinstance(families, dict)
        and any(isinstance(each, dict) and "hardware_compatibility" in each for each in families.values())
    )


def _items(content: dict[str, Any]) -> Iterator[Item]:
    yield CLOCK
    yield Facts(keys_without(content, "model_families", "timestamp"))
    simulated = announced_simulations(content)
    for family, record in content["model_families"].items():
        devices = record.get("hardware_compatibility") if isinstance(record, dict) else None
        if not isinstance(devices, dict):
            yield not_an_object(pointer("model_families", family, "hardware_compatibility"), devices)
            continue
        for device, flags in devices.items():
            place = pointer("model_families", family, "hardware_compatibility", device)
            yield guarded(place, flags, lambda: _flags(content, family, device, flags, place, simulated))  # noqa: B023


def _flags(
    content: Mapping[str, Any], family: str, device: str, raw: object, place: str, simulated: Mapping[str, str]
) -> ImportedRow:
    record = members(raw, "the flags")
    compatible = required(record, "compatible")
    if not isinstance(compatible, bool):
        raise RowError(f"'compatible' is {cut(repr(compatible), 60)}, expected true or false.")
    runs = record.get("benchmark_results")
    listed = f"{len(runs)} run(s) listed without a number" if isinstance(runs, list) and runs else "no run listed"
    marks = {Mark.UNVERIFIED: f"a flag of the source, {listed}"}
    if device in simulated:
        marks[Mark.SIMULATED] = simulated[device]
    numbers = Numbers()
    if record.get("performance_rating") is not None and not isinstance(record["performance_rating"], str):
        numbers.add(
            "score", record["performance_rating"], field="performance_rating", unit="1", phase="performance_rating"
        )
    return ImportedRow(
        place=place,
        case=ForeignCase.make(workload=family, device=device, options={"check": "compatibility"}),
        status=Status.OK if compatible else Status.UNSUPPORTED,
        reason=None if compatible else f"the source says that it is not compatible, {listed}",
        measured_at=moment(content.get("timestamp")),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=keys_without(record),
        simulated=True if device in simulated else None,
        marks=marks,
    )


importers.add(
    "ipfs-compatibility",
    JsonImporter(
        "ipfs-compatibility",
        "ipfs_accelerate_py compatibility matrix",
        "an object with 'hardware_types' and 'model_families' that have 'hardware_compatibility'",
        _fits,
        _items,
    ),
)
