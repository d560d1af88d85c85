"""Shape K: ``benchmark_summary.json``, one mean for each model over every batch size and sequence length.

Means of measurements that the suite's own file (shape A) has one by one, over unlike work: kept, and left out of every
aggregate as repeated. May import: core, importers.base, importers.numbers, importers.ipfs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Mark, Status
from assay.importers.base import Facts, ImportedRow, Item, Note, RowError, importers
from assay.importers.ipfs.common import (
    CLOCK,
    TRANSFORMERS,
    JsonImporter,
    add_mean,
    elements,
    guarded,
    keys_without,
    members,
    moment,
    not_an_object,
    required,
)
from assay.importers.numbers import Numbers
from assay.importers.plain import pointer

_STATISTIC = "mean over all configurations"
_WHY = "a mean over every batch size and input size of results that the suite's own file holds one by one"


def _fits(content: dict[str, Any]) -> bool:
    families = content.get("model_families")
    return isinstance(families, dict) and any(
        isinstance(each, dict) and "hardware_results" in each for each in families.values()
    )


def _items(content: dict[str, Any]) -> Iterator[Item]:
    yield CLOCK
    system = content.get("system_info")
    yield Facts({"system_info": keys_without(system) if isinstance(system, dict) else {}})
    measured: set[str] = set()
    for family, record in content["model_families"].items():
        devices = record.get("hardware_results") if isinstance(record, dict) else None
        if not isinstance(devices, dict):
            yield not_an_object(pointer("model_families", family, "hardware_results"), devices)
            continue
        measured |= devices.keys()
        for device, lists in devices.items():
            yield from _device_items(content, family, device, lists)
    listed = content.get("hardware_types")
    named = [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
    absent = [each for each in named if each not in measured]
    if absent:
        yield Note(f"Listed as hardware, but without any result: {', '.join(absent)}.")
    yield from _comparison(content)


def _device_items(content: Mapping[str, Any], family: str, device: str, lists: object) -> Iterator[Item]:
    models = content["model_families"][family].get("models_tested")
    place = pointer("model_families", family, "hardware_results", device)
    if not isinstance(models, list):
        yield guarded(place, lists, lambda: _row(content, family, device, lists, 0, place))
        return
    for index in range(len(models)):
        where = f"{place} [{index}]"
        yield guarded(where, lists, lambda: _row(content, family, device, lists, index, where))  # noqa: B023


def _row(content: Mapping[str, Any], family: str, device: str, raw: object, index: int, place: str) -> ImportedRow:
    models = elements(required(content["model_families"][family], "models_tested"), "models_tested")
    record = members(raw, "the device")
    if not isinstance(models[index], str):
        raise RowError(f"models_tested[{index}] is {models[index]!r}, expected a text.")
    values = {}
    for key in ("latency_ms", "throughput"):
        listed = elements(required(record, key), key)
        if len(listed) != len(models):
            raise RowError(f"{key} has {len(listed)} values for {len(models)} models: which is whose is not known.")
        values[key] = listed[index]
    numbers = Numbers()
    add_mean(numbers, values["latency_ms"], field=f"latency_ms[{index}]", unit="ms", note=_STATISTIC)
    numbers.add("throughput_per_s", values["throughput"], field=f"throughput[{index}]", unit="1/s", note=_STATISTIC)
    return ImportedRow(
        place=place,
        case=ForeignCase.make(
            workload=models[index],
            engine=TRANSFORMERS,
            device=device,
            options={"family": family, "statistic": _STATISTIC},
        ),
        status=Status.OK,
        measured_at=moment(content.get("timestamp")),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=keys_without({"models_tested": models[index], **values}),
        marks={Mark.REPEATED: _WHY},
    )


def _comparison(content: Mapping[str, Any]) -> Iterator[Item]:
    families = content.get("performance_comparison")
    for family, kinds in families.items() if isinstance(families, dict) else ():
        for kind, devices in kinds.items() if isinstance(kinds, dict) else ():
            for device, value in devices.items() if isinstance(devices, dict) else ():
                place = pointer("performance_comparison", family, kind, device)
                yield guarded(place, value, lambda: _ratio(content, (family, kind, device), value, place))  # noqa: B023


def _ratio(content: Mapping[str, Any], path: tuple[str, str, str], value: object, place: str) -> ImportedRow:
    family, kind, device = path
    numbers = Numbers()
    numbers.add("score", value, field=kind, unit="1", phase=kind, note="against cpu")
    return ImportedRow(
        place=place,
        case=ForeignCase.make(workload=family, engine=TRANSFORMERS, device=device, options={"statistic": kind}),
        status=Status.OK,
        measured_at=moment(content.get("timestamp")),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=keys_without({kind: value}),
        marks={Mark.REPEATED: _WHY.replace("a mean", "a ratio of means")},
    )


importers.add(
    "ipfs-summary",
    JsonImporter(
        "ipfs-summary",
        "ipfs_accelerate_py suite summary",
        "an object with 'model_families' that have 'hardware_results'",
        _fits,
        _items,
    ),
)
