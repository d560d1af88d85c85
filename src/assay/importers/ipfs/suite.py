"""Shape A: the suite's ``benchmark_results.json``, with every single latency; and the older run over all models.

The older one (its ``performance_benchmarks`` hold a message for each family) has no timing at all: which models
started where, and why each family failed. May import: core, importers.base, importers.numbers, importers.ipfs.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Mark, Status
from assay.importers.base import Facts, ImportedRow, Item, Note, RowError, importers
from assay.importers.ipfs.common import (
    CLOCK,
    SAMPLE,
    TRANSFORMERS,
    JsonImporter,
    add_mean,
    add_readings,
    announced_simulations,
    cut,
    derived,
    elements,
    guarded,
    keys_without,
    last_line,
    members,
    moment,
    not_an_object,
    outcome,
    required,
    text_of,
    text_or_none,
)
from assay.importers.ipfs.functionality import functionality_items
from assay.importers.numbers import Numbers
from assay.importers.plain import pointer

_CONFIGURATION = re.compile(r"^batch_(\d{1,7})(?:_seq_(\d{1,7})|_img_(\d{1,5})x(\d{1,5})|_audio_(\d{1,6})s)?$")
_VOLATILE = ("timestamp", "available_memory_gb", "memory_percent_used")
_VOLATILE_DETAILS = ("cuda_memory_allocated", "cuda_memory_reserved", "system")
_STATUS = {"completed": Status.OK, "success": Status.OK, "skipped": Status.SKIPPED, "timeout": Status.TIMEOUT}
_MUCH_LARGER = 2.0


def _fits(content: dict[str, Any]) -> bool:
    if isinstance(content.get("benchmarks"), dict):
        return isinstance(content.get("system_info"), dict)
    return all(isinstance(content.get(key), dict) for key in ("performance_benchmarks", "functionality_verification"))


def _items(content: dict[str, Any]) -> Iterator[Item]:
    yield CLOCK
    if "benchmarks" not in content:
        yield from _older_items(content)
        return
    yield _facts(content)
    momentary = {key: content["system_info"][key] for key in _VOLATILE if key in content["system_info"]}
    if momentary:
        yield Note(
            f"At the start of the run: {', '.join(f'{key} {cut(str(each), 60)}' for key, each in momentary.items())}."
        )
    for family, models in content["benchmarks"].items():
        if not isinstance(models, dict):
            yield not_an_object(pointer("benchmarks", family), models)
            continue
        for model, devices in models.items():
            if not isinstance(devices, dict):
                yield not_an_object(pointer("benchmarks", family, model), devices)
                continue
            for device, entry in devices.items():
                yield from _entry_items(_Entry(family, model, device, entry, content))


@dataclass(frozen=True, slots=True)
class _Entry:
    """One model on one device: what its configurations share."""

    family: str
    model: str
    device: str
    record: Any
    content: Mapping[str, Any]

    @property
    def place(self) -> str:
        return pointer("benchmarks", self.family, self.model, self.device)

    def measured_at(self) -> datetime | None:
        return moment(self.record.get("timestamp", self.content.get("timestamp")))

    def case(self, batch: int | None, shape: Mapping[str, int], **more: str | int | None) -> ForeignCase:
        options = {"family": self.family, "model_class": text_or_none(self.record, "model_class"), **more}
        return ForeignCase.make(
            workload=self.model, engine=TRANSFORMERS, device=self.device, batch=batch, shape=shape, options=options
        )


def _entry_items(entry: _Entry) -> Iterator[Item]:
    configurations = entry.record.get("benchmark_results") if isinstance(entry.record, dict) else None
    if not isinstance(configurations, dict) or not configurations:
        yield guarded(entry.place, entry.record, lambda: _whole_entry(entry))
        return
    for key, record in configurations.items():
        place = entry.place + pointer("benchmark_results", key)
        yield guarded(place, record, lambda: _configuration(entry, key, record, configurations, place))  # noqa: B023


def _whole_entry(entry: _Entry) -> ImportedRow:
    record = members(entry.record, "the entry")
    if _STATUS.get(text_of(record, "status")) is Status.OK:
        raise RowError("Its status is completed, but it has no 'benchmark_results'.")
    message = text_or_none(record, "error") or f"the source says {record['status']!r} without a message"
    return ImportedRow(
        place=entry.place,
        case=entry.case(None, {}),
        status=_STATUS.get(record["status"], outcome(message)),
        reason=cut(message),
        measured_at=entry.measured_at(),
        fields=keys_without(record),
        hardware=_hardware(entry),
    )


def _configuration(entry: _Entry, key: str, raw: object, siblings: Mapping[str, Any], place: str) -> ImportedRow:
    record = members(raw, "the configuration")
    batch, shape = _parse_key(key)
    asked, correction = _corrected_image(shape, batch, record, siblings)
    shared = keys_without(entry.record, "benchmark_results")
    fields = {"configuration": key, **keys_without(record, "latencies"), "model_entry": shared}
    case = entry.case(batch, {**shape, "image": correction[0]} if correction else shape, image_asked=asked)
    status = _STATUS.get(text_of(record, "status"), Status.FAILED)
    if status is not Status.OK:
        message = text_or_none(record, "error") or f"the source says {record['status']!r} without a message"
        return ImportedRow(
            place=place,
            case=case,
            status=outcome(message) if status is Status.FAILED else status,
            reason=cut(message),
            measured_at=entry.measured_at(),
            fields=fields,
            hardware=_hardware(entry),
            marks={Mark.CORRECTED: correction[1]} if correction else {},
        )
    numbers = Numbers()
    latencies = elements(required(record, "latencies"), "latencies")
    stopped = "stopped at the source's time limit" if record.get("timeout") is True else None
    add_mean(numbers, required(record, "avg_latency"), field="avg_latency", unit="s", n=len(latencies), note=stopped)
    series = add_readings(numbers, latencies, field="latencies", unit="s", mean=record["avg_latency"])
    numbers.add("throughput_per_s", required(record, "throughput"), field="throughput", unit="1/s")
    marks = derived(series)
    if "real_time_factor" in record:
        numbers.add("real_time_factor", record["real_time_factor"], field="real_time_factor", unit="1")
    if "model_load_time" in entry.record:
        numbers.add(
            "load_ns", entry.record["model_load_time"], field="model_load_time", unit="s",
            note="one load, shared by the configurations of this model on this device",
        )  # fmt: skip
    return ImportedRow(
        place=place,
        case=case,
        measured_at=entry.measured_at(),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=fields,
        hardware=_hardware(entry),
        units_per_call=float(batch),
        unit_of_work=SAMPLE,
        samples=(series,),
        marks={**marks, Mark.CORRECTED: correction[1]} if correction else marks,
    )


def _parse_key(key: str) -> tuple[int, dict[str, int]]:
    found = _CONFIGURATION.match(key)
    if found is None or int(found[1]) == 0:
        raise RowError(
            f"{cut(key, 60)!r} is no configuration; expected batch_8, batch_8_seq_128, _img_224x224, _audio_10s."
        )
    batch = int(found[1])
    seq, height, width, seconds = (None if each is None else int(each) for each in found.groups()[1:])
    if seq is not None:
        return batch, {"seq": seq}
    if height is not None and width is not None:
        return batch, {"image": height} if height == width else {"height": height, "width": width}
    return batch, {} if seconds is None else {"seconds": seconds}


def _corrected_image(
    shape: Mapping[str, int], batch: int, record: Mapping[str, Any], siblings: Mapping[str, Any]
) -> tuple[int | None, tuple[int, str] | None]:
    """Find out that the image processor resized: at least twice the pixels must take more time than the smallest.

    Returns the size asked for and (the size it must have been, why), or (None, None). The models of these files take
    224 pixels by their own processor's setting; a call that really worked on 2.9 times the pixels cannot be as fast.
    """
    image, own = shape.get("image"), _median(record)
    smallest = min((size for size, _ in _same_batch(siblings, batch)), default=None)
    if image is None or own is None or smallest is None:
        return None, None
    other = next(median for size, median in _same_batch(siblings, batch) if size == smallest)
    pixels = (image / smallest) ** 2
    if pixels < _MUCH_LARGER or own > other * pixels**0.5:
        return None, None
    why = (
        f"asked for {image}, but {pixels:.1f} times the pixels of {smallest} took {own / other:.2f} times as long: "
        f"the image processor resized to {smallest}"
    )
    return image, (smallest, why)


def _same_batch(siblings: Mapping[str, Any], batch: int) -> Iterator[tuple[int, float]]:
    for key, record in siblings.items():
        found = _CONFIGURATION.match(key)
        median = _median(record)
        if found and int(found[1]) == batch and found[3] and found[3] == found[4] and int(found[3]) and median:
            yield int(found[3]), median


def _median(record: object) -> float | None:
    values = record.get("latencies") if isinstance(record, dict) else None
    numbers = [each for each in values if isinstance(each, float)] if isinstance(values, list) else []
    return statistics.median(numbers) if numbers else None


def _facts(content: Mapping[str, Any]) -> Facts:
    details = content.get("hardware_details")
    values = {
        "system_info": keys_without(content["system_info"], *_VOLATILE),
        "hardware_info": keys_without(content["hardware_info"])
        if isinstance(content.get("hardware_info"), dict)
        else {},
        "hardware_details": keys_without(details, *_VOLATILE_DETAILS) if isinstance(details, dict) else {},
    }
    names = [name for name in (_processor(content), _graphics(content)) if name]
    return Facts(values, " + ".join(names) or None)


def _hardware(entry: _Entry) -> str | None:
    """Name what the source says it ran on; of OpenVINO only the CPU device was there."""
    return _graphics(entry.content) if entry.device == "cuda" else _processor(entry.content)


def _processor(content: Mapping[str, Any]) -> str | None:
    details = content.get("hardware_details")
    devices = details.get("openvino_device_info") if isinstance(details, dict) else None
    return text_or_none(devices, "CPU") if isinstance(devices, dict) else None


def _graphics(content: Mapping[str, Any]) -> str | None:
    devices = content["system_info"].get("cuda_devices")
    first = devices[0] if isinstance(devices, list) and devices else None
    return text_or_none(first, "name") if isinstance(first, dict) else None


def _older_items(content: Mapping[str, Any]) -> Iterator[Item]:
    simulated = announced_simulations(content)
    yield Facts(keys_without(content, "timestamp", "functionality_verification", "performance_benchmarks"))
    for hardware, checks in content["functionality_verification"].items():
        yield from functionality_items(checks, ("functionality_verification", hardware), simulated)
    for family, record in content["performance_benchmarks"].items():
        place = pointer("performance_benchmarks", family)
        yield guarded(place, record, lambda: _family_failure(content, family, record, place))  # noqa: B023


def _family_failure(content: Mapping[str, Any], family: str, raw: object, place: str) -> ImportedRow:
    record = members(raw, "the family")
    status = text_of(record, "status")
    message = text_or_none(record, "error")
    if message is None:
        raise RowError(f"Its status is {status!r}, and there is neither an error nor a number.")
    reason = last_line(message) or message
    return ImportedRow(
        place=place,
        case=ForeignCase.make(workload=family, options={"check": "performance of the family"}),
        status=outcome(reason),
        reason=reason,
        measured_at=moment(content.get("timestamp")),
        fields=keys_without(record),
    )


importers.add(
    "ipfs-suite",
    JsonImporter(
        "ipfs-suite", "ipfs_accelerate_py suite results", "an object with 'benchmarks' and 'system_info'", _fits, _items
    ),
)
