"""What the formats of this package share: one cell read with care, one bad row refused without the others.

May import: core, catalog, importers.base, importers.numbers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from assay.core.case import Scalar
from assay.core.errors import AssayError
from assay.importers.base import ImportedRow, ImportFileError, Item, Refusal, RowError
from assay.importers.numbers import read_count, read_number
from assay.importers.plain import plain
from assay.importers.source import Source

Raw = TypeVar("Raw")

_RAW_CHARACTERS = 2000
_SHOWN_CHARACTERS = 60
LARGEST = 2**63
_DISAGREEMENT = 2.0
"""Two numbers that say the same thing may differ by how they were averaged, not by this factor."""
_TRUE = frozenset({"true", "yes", "1"})
_FALSE = frozenset({"false", "no", "0"})
_PLAIN = frozenset({str, int, bool})
_COUNTED = re.compile(r"^(\d+)\s*[x×]\s+(.+)$")


def take_row(place: str, raw: Raw, build: Callable[[str, Raw], ImportedRow]) -> ImportedRow | Refusal:
    """Build one row; what is wrong with it becomes a refusal that says where it stands."""
    try:
        return build(place, raw)
    except RowError as error:
        return refuse(place, error, raw)


def read_rows(
    source: Source, columns: frozenset[str], build: Callable[[str, Mapping[str, Any]], ImportedRow]
) -> Iterator[Item]:
    """Give one row for each row of data of a CSV file. Raises ImportFileError where ``columns`` are missing."""
    need_columns(source, columns)
    for number, record in source.csv_rows():
        yield take_row(f"row {number}", record, build)


def need_columns(source: Source, columns: frozenset[str]) -> None:
    """Raise ImportFileError for a CSV file that lacks columns of its format."""
    missing = sorted(columns.difference(source.csv_header))
    if missing:
        raise ImportFileError(
            f"{source.name} lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}.",
            hint="Leave --format out to have the format found, or give a mapping file.",
        )


def refuse(place: str, error: AssayError, raw: object) -> Refusal:
    """Refuse a row, with as much of it as fits."""
    text = raw if isinstance(raw, str) else json.dumps(plain(raw), ensure_ascii=False)
    return Refusal(place, str(error), text if len(text) <= _RAW_CHARACTERS else f"{text[:_RAW_CHARACTERS]}...")


def read_text(raw: object) -> str | None:
    """Read text without the space around it; None where there is none. Raises RowError for a list or an object."""
    if raw is None:
        return None
    if isinstance(raw, (list, Mapping)):
        raise RowError(f"{shorten(str(raw))} is no text.")
    return str(raw).strip() or None


def need_text(content: Mapping[str, Any], name: str) -> str:
    """Read text that a row cannot do without. Raises RowError."""
    value = read_text(content.get(name))
    if value is None:
        raise RowError(f"{name} is empty, so it is not known what was measured.")
    return value


def read_flag(raw: object) -> bool | None:
    """Read a truth value, or None where there is none. Raises RowError."""
    if raw is None or isinstance(raw, bool):
        return raw
    word = str(raw).strip().casefold()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    if not word:
        return None
    raise RowError(f"{shorten(str(raw))!r} is no truth value, expected true or false.")


def read_option(raw: object) -> Scalar | None:
    """Read what tells rows apart: a number where it is one (``128.0`` is 128), else a truth value or text."""
    if isinstance(raw, bool):
        return raw
    try:
        value = read_number(raw)
    except RowError:
        return read_text(raw)
    if value is None:
        return None
    return int(value) if value.is_integer() and abs(value) < 2**63 else value


def read_sizes(content: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, int]:
    """Read dimensions: ours, then the name in the source. What is absent or empty is left out. Raises RowError."""
    sizes: dict[str, int] = {}
    for ours, theirs in names.items():
        try:
            size = read_whole(content.get(theirs))
        except RowError as error:
            raise RowError(f"{theirs}: {error.message}") from None
        if size is not None:
            sizes[ours] = size
    return sizes


def read_whole(raw: object) -> int | None:
    """Read a count that a table of 64 bits can hold, None where it is not known. Raises RowError."""
    count = read_count(raw)
    if count is not None and count >= LARGEST:
        raise RowError(f"{shorten(str(raw))} is more than a count can be.")
    return count


def to_nanoseconds(value: float, factor: float) -> int:
    """Convert a raw reading. Raises RowError for one that is negative or longer than 292 years."""
    converted = value * factor
    if not 0 <= converted < LARGEST:
        raise RowError(f"{value:g} is no time that can have been measured.")
    return round(converted)


def read_size(content: Mapping[str, Any], name: str) -> int | None:
    """Read one count by its name in the source, None where it is absent or empty. Raises RowError."""
    return read_sizes(content, {name: name}).get(name)


def need_mapping(raw: object, what: str) -> Mapping[str, Any]:
    """Return an object of JSON. Raises RowError for anything else."""
    if not isinstance(raw, Mapping):
        raise RowError(f"{what} is {_describe(raw)}, expected an object.")
    return raw


def check_agreement(said: float | None, computed: float | None, *, what: str, how: str) -> None:
    """Refuse a row whose numbers contradict each other: one of them is in another unit than its name says.

    ``computed`` is the same number by another way (``how``). Nothing is checked where either is not known. Raises
    RowError.
    """
    if not said or not computed or not math.isfinite(computed):
        return
    if max(said / computed, computed / said) > _DISAGREEMENT:
        raise RowError(
            f"{what} is {said:g}, but {how} gives {computed:g}: one of these numbers is not in the unit of its name."
        )


def split_devices(text: str) -> tuple[str, int | None]:
    """``2 x A100`` -> (``A100``, 2); anything else is a device by that name, how many is not known."""
    match = _COUNTED.match(text)
    return (match[2].strip(), int(match[1])) if match else (text, None)


def shorten(text: str) -> str:
    """Cut text for a message."""
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _describe(raw: object) -> str:
    return "missing" if raw is None else f"a {type(raw).__name__} ({shorten(str(raw))})"
