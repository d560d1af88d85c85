"""Rows of any table into results, as a mapping says. May import: core, catalog, importers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from assay.core.case import ForeignCase, Scalar
from assay.core.records import SampleSeries
from assay.core.words import Mark, Mode, Status
from assay.importers.base import ImportedRow, RowError
from assay.importers.numbers import Numbers, conversion_factor, read_number
from assay.importers.plain import plain
from assay.importers.tables.cells import read_option, read_text, read_whole, shorten, to_nanoseconds
from assay.importers.tables.mapping import EPOCHS, FieldForm, MappingForm, TimestampForm, fold

_BETWEEN = re.compile(r"[\s,;]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def is_skipped(form: MappingForm, record: Mapping[str, Any]) -> bool:
    """True for a row that is no result."""
    return any(_folded(record, skip.column) in skip.folded for skip in form.skip)


def build_row(form: MappingForm, place: str, record: Mapping[str, Any]) -> ImportedRow:
    """Build the result of one row. Raises RowError."""
    status, reason = _read_status(form, record)
    numbers = Numbers()
    for entry in form.metrics:
        raw = _cell(record, entry.column)
        if status is not Status.OK and not _is_positive(raw):
            # What failed has no number; a 0 or a word there was never measured, whatever the metric.
            raw = None
        numbers.add(
            entry.metric, raw, field=entry.column, unit=entry.unit, stat=entry.stat, phase=entry.phase,
            zero_is_unknown=entry.zero_is_unknown,
        )  # fmt: skip
    simulated = _read_simulated(form, record)
    sampled = form.samples.column if form.samples else None
    return ImportedRow(
        place,
        _read_case(form, record),
        status,
        reason,
        measured_at=_read_time(form.timestamp, record),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields={name: plain(value) for name, value in record.items() if name != sampled},
        hardware=_text(form.hardware, record),
        parameters=_count(form.parameters, record, "parameters"),
        units_per_call=_number(form.units_per_call, record, "units_per_call"),
        unit_of_work=_text(form.unit_of_work, record),
        effective_precision=_text(form.effective_precision, record),
        samples=_read_samples(form, record),
        simulated=simulated,
        marks={Mark.SIMULATED: "the source says so"} if simulated else {},
    )


def _is_positive(raw: Any) -> bool:
    try:
        return (read_number(raw) or 0) > 0
    except RowError:
        return False


def _folded(record: Mapping[str, Any], column: str) -> str:
    """A cell as it is compared with words of the mapping; what is missing is the empty word."""
    raw = _cell(record, column)
    return "" if raw is None else fold(raw)


def _cell(record: Mapping[str, Any], column: str) -> Any:
    """A cell. Parquet's numpy-like and decimal values are read as what they say."""
    value = record.get(column)
    return value if value is None or isinstance(value, (str, bool, int, float, list, datetime, date)) else str(value)


def _read_case(form: MappingForm, record: Mapping[str, Any]) -> ForeignCase:
    workload = _text(form.workload, record)
    if workload is None:
        raise RowError(f"{form.workload.column or 'workload'} is empty, so it is not known what was measured.")
    mode = _text(form.mode, record) or Mode.INFERENCE
    if mode not in tuple(Mode):
        raise RowError(f"mode: {shorten(mode)!r} is none of {', '.join(Mode)}; give it among the words of the mapping.")
    shape = {name: _count(entry, record, f"shape.{name}") for name, entry in form.shape.items()}
    return ForeignCase.make(
        workload=workload,
        engine=_text(form.engine, record),
        device=_text(form.device, record),
        mode=mode,
        precision=_text(form.precision, record),
        batch=_count(form.batch, record, "batch"),
        shape={name: size for name, size in shape.items() if size is not None},
        options={name: _option(entry, record) for name, entry in form.options.items()},
    )


def _value(entry: FieldForm | None, record: Mapping[str, Any]) -> Any:
    """A constant, or a cell, replaced where the mapping has a word for it."""
    if entry is None:
        return None
    if entry.column is None:
        return entry.value
    raw = _cell(record, entry.column)
    return entry.by_word.get(_folded(record, entry.column), raw) if entry.words else raw


def _text(entry: FieldForm | None, record: Mapping[str, Any]) -> str | None:
    return read_text(_value(entry, record))


def _option(entry: FieldForm, record: Mapping[str, Any]) -> Scalar | None:
    return read_option(plain(_value(entry, record)))


def _count(entry: FieldForm | None, record: Mapping[str, Any], name: str) -> int | None:
    try:
        return read_whole(_value(entry, record))
    except RowError as error:
        raise RowError(f"{_source_of(entry, name)}: {error.message}") from None


def _number(entry: FieldForm | None, record: Mapping[str, Any], name: str) -> float | None:
    try:
        return read_number(_value(entry, record))
    except RowError as error:
        raise RowError(f"{_source_of(entry, name)}: {error.message}") from None


def _source_of(entry: FieldForm | None, name: str) -> str:
    return (entry.column if entry else None) or name


def _read_status(form: MappingForm, record: Mapping[str, Any]) -> tuple[Status, str | None]:
    if form.status is None:
        return Status.OK, None
    raw = _cell(record, form.status.column)
    by_word = form.status.by_word
    word = _folded(record, form.status.column)
    if word not in by_word:
        known = ", ".join(sorted(by_word))
        raise RowError(f"{form.status.column}: {shorten(str(raw))!r} is in no list of the mapping's status ({known}).")
    status = by_word[word]
    if status is Status.OK:
        return status, None
    said = read_text(_cell(record, form.status.reason)) if form.status.reason else None
    return status, said or f"{form.status.column} is {shorten(str(raw))}"


def _read_simulated(form: MappingForm, record: Mapping[str, Any]) -> bool | None:
    if form.simulated is None:
        return None
    return form.simulated.by_word.get(_folded(record, form.simulated.column))


def _read_time(form: TimestampForm | None, record: Mapping[str, Any]) -> datetime | None:
    if form is None:
        return None
    raw = _cell(record, form.column)
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        return None
    try:
        read = _parse_time(form, raw)
    except (ValueError, OverflowError):
        expected = form.format or "ISO 8601, such as 2026-01-31T12:00:00Z"
        raise RowError(f"{form.column}: {shorten(str(raw))!r} is no time, expected {expected}.") from None
    if read.tzinfo is None:
        if form.zone is None:
            raise RowError(f"{form.column}: {shorten(str(raw))!r} has no time zone; give one in the mapping.")
        read = read.replace(tzinfo=ZoneInfo(form.zone))
    try:
        return read.astimezone(UTC)
    except OverflowError:
        raise RowError(f"{form.column}: {shorten(str(raw))!r} is beyond what a time can be.") from None


def _parse_time(form: TimestampForm, raw: Any) -> datetime:
    if isinstance(raw, datetime):
        return raw
    if form.format in EPOCHS:
        seconds = read_number(raw)
        if seconds is None:
            raise ValueError(raw)
        return _EPOCH + timedelta(seconds=seconds * EPOCHS[form.format])
    text = str(raw).strip()
    if form.format:
        return datetime.strptime(text, form.format)  # noqa: DTZ007  (the zone is the mapping's)
    return datetime.fromisoformat(text)


def _read_samples(form: MappingForm, record: Mapping[str, Any]) -> tuple[SampleSeries, ...]:
    if form.samples is None:
        return ()
    raw = _cell(record, form.samples.column)
    try:
        values = [read_number(value) for value in _as_list(raw)]
    except RowError as error:
        raise RowError(f"{form.samples.column}: {error.message}") from None
    factor = conversion_factor("latency_ns", form.samples.unit)
    if any(value is None or value <= 0 for value in values):
        raise RowError(f"{form.samples.column}: a reading is missing, zero or negative.")
    readings = tuple(to_nanoseconds(value, factor) for value in values if value is not None)
    return (SampleSeries("latency", "ns", readings),) if readings else ()


def _as_list(raw: Any) -> list[Any]:
    if raw is None or isinstance(raw, list):
        return raw or []
    text = str(raw).strip()
    if text.startswith("["):
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            raise RowError(f"{shorten(text)!r} is no list of numbers.") from None
        return content if isinstance(content, list) else [content]
    return [word for word in _BETWEEN.split(text) if word]
