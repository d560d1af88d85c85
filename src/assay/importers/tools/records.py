"""What the importers of this package share: records of a JSON file into rows, raw readings into series, plain copies.

Every tool here writes a list of records with times as floats; what is done with them is the same for all, what they
are called is not. May import: core, catalog, importers.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from assay.catalog.metrics import metrics as registry
from assay.core.case import Scalar
from assay.core.records import SampleSeries
from assay.importers.base import ImportedRow, ImportFileError, RowError
from assay.importers.base import Refusal as Refused
from assay.importers.numbers import Numbers, conversion_factor, known_units, read_count, read_number
from assay.importers.plain import plain
from assay.importers.source import Source

RAW_LENGTH = 500
"""Characters of a refused record that are kept."""
_INT64 = 2**63


def object_of(source: Source, tool: str) -> dict[str, Any]:
    """Return the JSON object that the file is. Raises ImportFileError."""
    content = source.json
    if not isinstance(content, dict):
        raise ImportFileError(f"{source.name} is a JSON {type(content).__name__}, expected the object of {tool}.")
    return content


def list_at(source: Source, content: Mapping[str, Any], key: str, tool: str) -> list[Any]:
    """Return the list under a key of the file. Raises ImportFileError where there is none."""
    value = content.get(key)
    if not isinstance(value, list):
        raise ImportFileError(f"{source.name} has no list under {key!r}, expected a file of {tool}.")
    return value


def records_at(content: object, key: str) -> list[dict[str, Any]]:
    """Return the objects in the list under a key, [] where there is none. For recognising: never raises."""
    value = content.get(key) if isinstance(content, dict) else None
    return [record for record in value if isinstance(record, dict)] if isinstance(value, list) else []


def rows_of(
    records: Iterable[tuple[str, Any]], read: Callable[[str, dict[str, Any]], ImportedRow]
) -> Iterator[ImportedRow | Refused]:
    """Read each (place, record); one that cannot be read becomes a refusal at its place."""
    for place, record in records:
        try:
            yield read(place, as_object(record))
        except RowError as error:
            yield refuse(place, error, record)


def as_object(record: object) -> dict[str, Any]:
    """Return a record that is an object. Raises RowError for any other."""
    if not isinstance(record, dict):
        raise RowError(f"It is of type {type(record).__name__}, expected an object.")
    return record


def refuse(place: str, error: RowError, record: object) -> Refused:
    """Refuse a record, keeping the start of what it says."""
    text = json.dumps(plain(record), ensure_ascii=False)
    return Refused(place, error.message, text if len(text) <= RAW_LENGTH else f"{text[:RAW_LENGTH]}...")


def need(record: Mapping[str, Any], key: str) -> Any:
    """Return what stands under a key. Raises RowError that names it where it is missing or null."""
    value = record.get(key)
    if value is None:
        raise RowError(f"{key} is {'null' if key in record else 'missing'}.")
    return value


def need_text(record: Mapping[str, Any], key: str) -> str:
    """Return the text under a key. Raises RowError where there is none."""
    value = need(record, key)
    if not isinstance(value, str) or not value.strip():
        raise RowError(f"{key} is {value!r:.60}, expected a text.")
    return value


def need_object(record: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the object under a key. Raises RowError where there is none."""
    value = need(record, key)
    if not isinstance(value, dict):
        raise RowError(f"{key} is of type {type(value).__name__}, expected an object.")
    return value


def optional_object(record: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the object under a key, {} where it is missing or null. Raises RowError for anything else."""
    return {} if record.get(key) is None else need_object(record, key)


def optional_list(record: Mapping[str, Any], key: str) -> list[Any] | None:
    """Return the list under a key, None where it is missing or null. Raises RowError for anything else."""
    value = record.get(key)
    if value is not None and not isinstance(value, list):
        raise RowError(f"{key} is of type {type(value).__name__}, expected a list.")
    return value


def without(record: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """Copy a record, leaving out keys whose content is kept elsewhere."""
    return {key: plain(value) for key, value in record.items() if key not in keys}


def scalar(value: Any) -> Scalar | None:
    """Return an option's value: what is no plain value becomes its JSON text; None stays None."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return json.dumps(plain(value), sort_keys=True, ensure_ascii=False)


def read_time(raw: object) -> datetime | None:
    """Read an ISO time; one without a zone is taken as UTC. None for what is none."""
    try:
        time = datetime.fromisoformat(raw) if isinstance(raw, str) else None
        if time is None:
            return None
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read_epoch_ms(raw: object) -> datetime | None:
    """Read milliseconds since 1970. None for what is no such number."""
    if isinstance(raw, bool) or not isinstance(raw, (int, float)):
        return None
    try:
        return datetime.fromtimestamp(raw / 1000, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def checked_unit(metric: str, unit: object, field: str) -> str:
    """Return a unit that a metric comes in. Raises RowError for any other."""
    known = known_units(metric)
    if not isinstance(unit, str) or unit not in known:
        raise RowError(f"{field} is {unit!r:.40}, expected one of {', '.join(known)}.")
    return unit


def read_readings(values: Sequence[object], field: str) -> list[float]:
    """Read raw readings. Raises RowError that names the first which is no number, not known, or negative."""
    readings: list[float] = []
    for index, raw in enumerate(values):
        try:
            value = read_number(raw)
        except RowError as error:
            raise RowError(f"{field}[{index}]: {error.message}") from None
        if value is None or value < 0:
            raise RowError(f"{field}[{index}] is {raw!r:.40}, expected a number of at least 0.")
        readings.append(value)
    return readings


def count_of(raw: object, field: str) -> int | None:
    """Read a count, None where it is not known. Raises RowError that names the field."""
    try:
        count = read_count(raw)
    except RowError as error:
        raise RowError(f"{field}: {error.message}") from None
    if count is not None and count >= _INT64:
        raise RowError(f"{field} is {count:.3g}, more than anything is counted to.")
    return count


def calls_of(raw: object, field: str) -> int:
    """Read how many calls a reading spans; 1 where it is not said. Raises RowError for 0."""
    calls = count_of(raw, field)
    if calls == 0:
        raise RowError(f"{field} is 0: nothing was called.")
    return calls or 1


def make_series(
    name: str, readings: Iterable[tuple[float, int]], *, unit: str, rank: int = 0
) -> tuple[SampleSeries, ...]:
    """Make series of raw readings in whole ns from (time of one call, calls that the reading spans).

    What was read is the time of all calls together, so that is what is kept: a call of 0.3 ns is then not rounded to
    nothing. Readings that span different numbers of calls need a series each; the order is kept. Raises RowError for
    more than 292 years.
    """
    factor = conversion_factor("latency_ns", unit)
    series: list[SampleSeries] = []
    for calls, group in groupby(readings, key=lambda reading: reading[1]):
        whole = []
        for time, _ in group:
            total = time * factor * calls
            if not total < _INT64:
                raise RowError(f"{time:g} {unit} x {calls} calls is longer than any run.")
            whole.append(round(total))
        series.append(SampleSeries(name, "ns", tuple(whole), calls, rank + len(series)))
    return tuple(series)


def derive_statistics(numbers: Numbers, name: str, values: Sequence[float], *, field: str, unit: str) -> None:
    """Add mean, median, min, max and, of two or more, the sample standard deviation of raw readings."""
    factor = conversion_factor(name, unit)
    converted = [value * factor for value in values]
    if not all(math.isfinite(value) for value in converted):
        raise RowError(f"{field}: {max(values):g} {unit} is beyond what a float holds in {registry.get(name).unit}.")
    made: dict[str, Callable[[list[float]], float]] = {"mean": statistics.fmean, "median": statistics.median}
    made |= {"min": min, "max": max} | ({"std": statistics.stdev} if len(values) > 1 else {})
    for stat, compute in made.items():
        try:
            value = compute(converted)
        except (OverflowError, ValueError):
            raise RowError(f"{field}: the {stat} of such numbers has no value.") from None
        numbers.derive(name, value, field=field, how=f"{stat} of {field} ({unit} x {factor:g})", stat=stat)
        numbers.metrics[-1] = replace(numbers.metrics[-1], n=len(values))


def require_some(numbers: Numbers) -> None:
    """Raise RowError where a row has no number at all, or one too large to be true."""
    if not any(metric.value is not None for metric in numbers.metrics):
        fields = sorted({conversion.field for conversion in numbers.conversions.values()})
        raise RowError(f"it has no number ({', '.join(fields) or 'nothing that is known'}).")
    for metric in numbers.metrics:
        if metric.value is not None and not math.isfinite(metric.value):
            raise RowError(f"{metric.name} ({metric.stat}) is beyond what a float holds.")
