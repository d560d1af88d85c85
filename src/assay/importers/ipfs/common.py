"""What the shapes of this framework share: places, moments, raw readings, and its own words for failures.

May import: core, importers.base, importers.numbers, importers.source.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from assay.core.records import SampleSeries
from assay.core.words import Mark, Status
from assay.importers.base import ImportedRow, ImportFileError, Item, Note, Refusal, RowError
from assay.importers.numbers import Numbers, conversion_factor, read_number
from assay.importers.plain import plain
from assay.importers.source import Source

CLOCK = Note("Times in the file have no zone; they are kept as if they were UTC.")
SAMPLE = "sample"
TRANSFORMERS = "transformers"
PAGES_NOTE = "resident size of the whole process; MB of the source are MiB: its values are whole pages of 4096 bytes"
UNVERIFIED_SUCCESS = "the source says that it worked, and gives no number"

_COMPACT = re.compile(r"^\d{8}_\d{6}$")
_RAW_LENGTH = 2000
_LARGEST_NS = 2**63 - 1
_MEAN_TOLERANCE = 0.01
_STATUS_WORDS = (
    (Status.OOM, re.compile(r"out of memory|outofmemory|memoryerror|\boom\b", re.IGNORECASE)),
    (Status.TIMEOUT, re.compile(r"timed?[ _-]?out|time limit", re.IGNORECASE)),
    (Status.UNSUPPORTED, re.compile(r"not available|not supported|unsupported|not compatible", re.IGNORECASE)),
)


@dataclass(slots=True)  # not frozen: the Importer protocol has plain attributes
class JsonImporter:
    """One JSON shape: ``fits`` knows its content, ``items`` reads it.

    ``shape`` says in words what is expected, for the error of a file that was taken for it and is not.
    """

    name: str
    title: str
    shape: str
    fits: Callable[[dict[str, Any]], bool]
    items: Callable[[dict[str, Any]], Iterator[Item]]

    def recognise(self, source: Source) -> bool:
        """Tell by the keys of the content."""
        content = source.json_or_none()
        return isinstance(content, dict) and self.fits(content)

    def read(self, source: Source) -> Iterator[Item]:
        """Give the rows. Raises ImportFileError for a file of another shape."""
        content = source.json
        if not isinstance(content, dict) or not self.fits(content):
            raise ImportFileError(f"{source.name} is no {self.title}: expected {self.shape}.")
        return self.items(content)


def guarded(place: str, raw: object, build: Callable[[], ImportedRow]) -> ImportedRow | Refusal:
    """Build one row, or say why it cannot be."""
    try:
        return build()
    except RowError as error:
        return refusal(place, raw, str(error))


def refusal(place: str, raw: object, error: str) -> Refusal:
    """Refuse one row, keeping what it says."""
    return Refusal(place, error, cut(json.dumps(plain(raw), ensure_ascii=False)))


def not_an_object(place: str, raw: object) -> Refusal:
    """Refuse what should be an object and is none."""
    return refusal(place, raw, f"It is {_kind(raw)}, expected an object.")


def cut(text: str, length: int = _RAW_LENGTH) -> str:
    """Shorten a text that is too long, and show that it was."""
    return text if len(text) <= length else f"{text[:length]}..."


def members(value: object, what: str) -> dict[str, Any]:
    """Take an object for what it must be. Raises RowError for anything else."""
    if not isinstance(value, dict):
        raise RowError(f"{what} is {_kind(value)}, expected an object.")
    return value


def elements(value: object, what: str) -> list[Any]:
    """Take a list for what it must be. Raises RowError for anything else."""
    if not isinstance(value, list):
        raise RowError(f"{what} is {_kind(value)}, expected a list.")
    return value


def required(record: Mapping[str, Any], key: str) -> Any:
    """Take what must be there. Raises RowError where it is not."""
    if key not in record:
        raise RowError(f"There is no {key!r}; found {', '.join(map(repr, list(record)[:8])) or 'nothing'}.")
    return record[key]


def text_of(record: Mapping[str, Any], key: str) -> str:
    """Take a text that must be there and say something. Raises RowError."""
    value = required(record, key)
    if not isinstance(value, str) or not value.strip():
        raise RowError(f"{key!r} is {cut(repr(value), 60)}, expected a text.")
    return value


def text_or_none(record: Mapping[str, Any], key: str) -> str | None:
    """Take a text, or None for what is none."""
    value = record.get(key)
    return value if isinstance(value, str) and value.strip() else None


def moment(raw: object) -> datetime | None:
    """Read one of the framework's four ways to write a time: ISO, ``20250305_204942``, Unix seconds, a database's.

    Raises RowError for anything else but None.
    """
    try:
        read = _parse_moment(raw)
    except (ValueError, OverflowError, OSError):
        raise RowError(f"{cut(repr(raw), 60)} is no time.") from None
    if read is None:
        return None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def _parse_moment(raw: object) -> datetime | None:
    if raw is None or isinstance(raw, datetime):
        return raw
    if isinstance(raw, (int, float)) and not isinstance(raw, bool):
        return datetime.fromtimestamp(raw, UTC)
    if not isinstance(raw, str):
        raise ValueError(raw)  # noqa: TRY004  (its one caller words all of them)
    if _COMPACT.match(raw):
        return datetime.strptime(raw, "%Y%m%d_%H%M%S")  # noqa: DTZ007  (the caller adds the zone)
    return datetime.fromisoformat(raw)


def outcome(message: str) -> Status:
    """Tell from a message how something failed."""
    for status, words in _STATUS_WORDS:
        if words.search(message):
            return status
    return Status.FAILED


def last_line(text: object) -> str | None:
    """Return the last line that says something: of a traceback, the error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] if isinstance(text, str) else []
    return cut(lines[-1], 500) if lines else None


def add_mean(
    numbers: Numbers, raw: object, *, field: str, unit: str, n: int | None = None, note: str | None = None
) -> None:
    """Add the mean latency of a row. Raises RowError where it is not above 0; NaN and null are not known."""
    if numbers.add("latency_ns", raw, field=field, unit=unit, n=n, note=note, zero_is_unknown=False) == 0:
        raise RowError(f"{field}: a latency of 0 {unit} cannot be.")


def number_of(raw: object, field: str) -> float | None:
    """Read a number, naming its field in the error."""
    try:
        return read_number(raw)
    except RowError as error:
        raise RowError(f"{field}: {error.message}") from None


def add_readings(numbers: Numbers, raw: object, *, field: str, unit: str, mean: object) -> SampleSeries:
    """Take the raw readings of a row, and derive their median; the row is to be marked with ``derived``.

    Raises RowError where there are none, where one is not above 0 or too long for 64 bits of ns, or where they
    contradict the mean that the source gives of them (a slip of the unit, or readings of another row).
    """
    factor = conversion_factor("latency_ns", unit)
    values = [_reading(each, f"{field}[{index}]", unit, factor) for index, each in enumerate(elements(raw, field))]
    if not values:
        raise RowError(f"{field} is empty.")
    claimed = number_of(mean, f"the mean of {field}")
    if claimed is not None:
        found = statistics.fmean(values) / factor
        if abs(found - claimed) > _MEAN_TOLERANCE * found:
            raise RowError(f"The mean of {field} is {found:g} {unit}, but the source says {claimed:g}.")
    numbers.derive(
        "latency_ns",
        float(statistics.median(values)),
        field=field,
        stat="median",
        how=f"median of {len(values)} readings",
    )
    return SampleSeries("latency_ns", "ns", tuple(values))


def derived(series: SampleSeries) -> dict[Mark, str]:
    """Return the mark of a row whose median was computed here."""
    return {Mark.DERIVED: f"the median was computed from the {len(series.values)} readings"}


def _reading(raw: object, place: str, unit: str, factor: float) -> int:
    value = number_of(raw, place)
    nanoseconds = 0 if value is None else value * factor
    if not 0.5 < nanoseconds < _LARGEST_NS:  # noqa: PLR2004  (less rounds to 0 ns)
        raise RowError(f"{place} is {raw!r} {unit}, which no call can take.")
    return round(nanoseconds)


def announced_simulations(content: Mapping[str, Any]) -> dict[str, str]:
    """Return the platforms that a file's own warnings call simulated, each with what they say."""
    listed = content.get("simulated_hardware")
    if not isinstance(listed, list):
        return {}
    warnings = content.get("warnings")
    said = [each.get("message") for each in warnings if isinstance(each, dict)] if isinstance(warnings, list) else []
    words = next((each for each in said if isinstance(each, str)), "simulated_hardware")
    return {each: f"the file lists {each} as simulated ({words})" for each in listed if isinstance(each, str)}


def keys_without(record: Mapping[str, Any], *left_out: str) -> dict[str, Any]:
    """Return a record as JSON-able values, without what is kept elsewhere."""
    return {str(key): plain(value) for key, value in record.items() if key not in left_out}


def _kind(value: object) -> str:
    return "null" if value is None else f"{type(value).__name__} {cut(repr(value), 40)}"
