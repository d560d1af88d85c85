"""What a mapping file says: which column of a table is what, in which unit. Every fault is said with its place.

docs/importing-tables.md describes the keys. May import: core, catalog, importers, pydantic.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from assay.catalog.metrics import metrics as registry
from assay.core.errors import join_or, nearest_names
from assay.core.words import Mode, Status
from assay.importers.numbers import known_units
from assay.importers.tables.mapping_yaml import MappingError, Places, Where, load_mapping_yaml

Word = str | bool | int | float
"""A constant of the mapping."""

EPOCHS = {"epoch_s": 1.0, "epoch_ms": 1e-3, "epoch_us": 1e-6, "epoch_ns": 1e-9}
"""Seconds in one of the unit, since 1970-01-01 UTC."""

_SOME_TIME = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
_MAX_SHOWN = 20
_MAX_NAMES = 20


class Form(BaseModel):
    """A part of the file: no key that is not known, no silent conversion."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FieldForm(Form):
    """One thing of a row: from a ``column``, its ``words`` replaced by ours, or the same ``value`` for all rows."""

    column: str | None = None
    value: Word | None = None
    words: dict[str, Word] = {}

    @functools.cached_property
    def by_word(self) -> Mapping[str, Word]:
        """Ours by theirs, as they are compared."""
        return {fold(word): ours for word, ours in self.words.items()}

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.column is None) == (self.value is None):
            raise PydanticCustomError("assay", "expected either 'column' or 'value'.")
        if self.words and self.column is None:
            raise PydanticCustomError("assay", "'words' goes with 'column'.")
        return self


class MetricForm(Form):
    """One column of numbers: which metric of ours, in which unit, which statistic."""

    metric: str
    column: str
    unit: str
    stat: str = "mean"
    phase: str = "steady"
    zero_is_unknown: bool = True


class SamplesForm(Form):
    """A column of raw latencies: a list, or numbers with blanks, commas or semicolons between them."""

    column: str
    unit: str


class StatusForm(Form):
    """Which values of a column say how a row ended; a value that is in no list is a fault of that row."""

    column: str
    ok: list[Word] = []
    failed: list[Word] = []
    oom: list[Word] = []
    timeout: list[Word] = []
    unsupported: list[Word] = []
    skipped: list[Word] = []
    reason: str | None = None
    """The column that says why."""

    @functools.cached_property
    def by_word(self) -> Mapping[str, Status]:
        """What each value means."""
        return {fold(word): status for status in Status for word in getattr(self, status.value)}


class TimestampForm(Form):
    """When a row was measured. ``zone`` is needed for times that do not say theirs."""

    column: str
    zone: str | None = None
    format: str | None = None
    """``epoch_s``, ``epoch_ms``, ``epoch_us``, ``epoch_ns``, or a pattern of strptime; ISO 8601 where absent."""


class SimulatedForm(Form):
    """Which values of a column say that nothing was measured."""

    column: str
    yes: list[Word]
    no: list[Word] = []

    @functools.cached_property
    def by_word(self) -> Mapping[str, bool]:
        """What each value means."""
        return {**{fold(word): False for word in self.no}, **{fold(word): True for word in self.yes}}


class SkipForm(Form):
    """Rows that are no results: those whose column has one of these values."""

    column: str
    equals: Annotated[list[Word], Field(min_length=1)]

    @functools.cached_property
    def folded(self) -> frozenset[str]:
        """The values as they are compared."""
        return frozenset(fold(word) for word in self.equals)


class MappingForm(Form):
    """The whole file."""

    workload: FieldForm
    metrics: Annotated[list[MetricForm], Field(min_length=1)]
    engine: FieldForm | None = None
    device: FieldForm | None = None
    mode: FieldForm | None = None
    precision: FieldForm | None = None
    batch: FieldForm | None = None
    hardware: FieldForm | None = None
    parameters: FieldForm | None = None
    unit_of_work: FieldForm | None = None
    units_per_call: FieldForm | None = None
    effective_precision: FieldForm | None = None
    shape: dict[str, FieldForm] = {}
    options: dict[str, FieldForm] = {}
    samples: SamplesForm | None = None
    status: StatusForm | None = None
    timestamp: TimestampForm | None = None
    simulated: SimulatedForm | None = None
    skip: list[SkipForm] = []
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","


@dataclass(frozen=True, slots=True)
class TableMapping:
    """A mapping that is sound in itself, with the places for faults that only the table shows."""

    form: MappingForm
    places: Places

    def check_columns(self, header: Iterable[str]) -> None:
        """Raise MappingError where a column is not in the header, naming those that are near."""
        known = tuple(header)
        single = len(known) == 1 and any(mark in known[0] for mark in ",;\t|")
        doubt = " The header is one column: is 'delimiter' right?" if single else ""
        faults = [
            (where, f"unknown column {column!r}. {_advise(column, known)}{doubt}")
            for where, column in _columns_of(self.form.model_dump(), ())
            if column not in known
        ]
        _raise_all(faults, self.places)


def load_mapping(path: Path) -> TableMapping:
    """Read a mapping file. Raises MappingError with every fault in it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise MappingError(f"{path}: cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise MappingError(f"{path}: not UTF-8: byte 0x{error.object[error.start]:02x}.") from None
    return parse_mapping(text, str(path))


def parse_mapping(text: str, name: str) -> TableMapping:
    """Read a mapping from text; ``name`` stands in messages. Raises MappingError with every fault in it."""
    content, places = load_mapping_yaml(text, name)
    if not isinstance(content, Mapping):
        raise MappingError(places.describe("expected keys such as 'workload' and 'metrics'.", ()))
    try:
        form = MappingForm.model_validate(content)
    except ValidationError as error:
        _raise_all([_translate(details) for details in error.errors(include_url=False)], places)
        raise AssertionError from error
    _raise_all(list(_find_faults(form)), places)
    return TableMapping(form, places)


def fold(value: object) -> str:
    """A value of a cell or of the mapping as it is compared: without case and space around it; 1.0 is 1."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().casefold()


def _find_faults(form: MappingForm) -> Iterator[tuple[Where, str]]:
    """What pydantic cannot know: names of the registry, units, modes, time zones."""
    seen: dict[tuple[str, str, str], int] = {}
    for index, entry in enumerate(form.metrics):
        yield from _check_metric(entry, ("metrics", index))
        first = seen.setdefault((entry.metric, entry.stat, entry.phase), index)
        if first != index:
            yield (("metrics", index), f"{entry.metric!r} ({entry.stat}, {entry.phase}) is already metrics[{first}].")
    if form.samples and form.samples.unit not in known_units("latency_ns"):
        yield (("samples", "unit"), _unknown_unit(form.samples.unit, "latency_ns"))
    if form.mode:
        said: list[tuple[Where, Word | None]] = [(("mode", "value"), form.mode.value)]
        said += [(("mode", "words", word), ours) for word, ours in form.mode.words.items()]
        known = (None, *Mode)
        yield from ((where, _unknown("mode", str(mode), tuple(Mode))) for where, mode in said if mode not in known)
    if form.timestamp and form.timestamp.zone is not None:
        try:
            ZoneInfo(form.timestamp.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            yield (("timestamp", "zone"), f"unknown time zone {form.timestamp.zone!r}, expected one such as 'UTC'.")
    if form.timestamp and form.timestamp.format not in (None, *EPOCHS) and not _can_read(str(form.timestamp.format)):
        yield (
            ("timestamp", "format"),
            f"{form.timestamp.format!r} is neither one of {', '.join(EPOCHS)} nor a pattern.",
        )
    if form.status:
        words = [fold(word) for status in Status for word in getattr(form.status, status.value)]
        repeated = sorted({word for word in words if words.count(word) > 1})
        if repeated:
            yield (("status",), f"{join_or(repeated)} is there more than once; case does not count.")


def _check_metric(entry: MetricForm, where: Where) -> Iterator[tuple[Where, str]]:
    if entry.metric not in registry.names():
        yield ((*where, "metric"), _unknown("metric", entry.metric, registry.names()))
    elif entry.unit not in known_units(entry.metric):
        yield ((*where, "unit"), _unknown_unit(entry.unit, entry.metric))


def _can_read(pattern: str) -> bool:
    """True for a pattern by which strptime reads a time back that strftime wrote."""
    try:
        read = datetime.strptime(_SOME_TIME.strftime(pattern), pattern)  # noqa: DTZ007  (only its date is looked at)
    except (ValueError, re.error):
        return False
    return read.date() == _SOME_TIME.date()


def _unknown_unit(unit: str, metric: str) -> str:
    return f"unknown unit {unit!r} for {metric}. Expected one of: {', '.join(known_units(metric))}."


def _unknown(kind: str, got: str, valid: tuple[str, ...]) -> str:
    return f"unknown {kind} {got!r}. {_advise(got, tuple(str(name) for name in valid))}"


def _advise(got: str, valid: tuple[str, ...]) -> str:
    near = nearest_names(got, valid)
    if near:
        return f"Did you mean {join_or(near)}?"
    shown = ", ".join(valid[:_MAX_NAMES]) + (", ..." if len(valid) > _MAX_NAMES else "")
    return f"Expected one of: {shown}."


def _columns_of(content: Any, where: Where) -> Iterator[tuple[Where, str]]:
    """Every name of a column in the form, with its place."""
    if isinstance(content, list):
        for index, inner in enumerate(content):
            yield from _columns_of(inner, (*where, index))
    elif isinstance(content, Mapping):
        for key, inner in content.items():
            is_column = key == "column" or (key == "reason" and where == ("status",))
            if is_column and isinstance(inner, str) and where[-1:] != ("words",):
                yield (*where, key), inner
            else:
                yield from _columns_of(inner, (*where, key))


def _translate(details: Any) -> tuple[Where, str]:  # noqa: PLR0911  (one for each kind of fault)
    """One of pydantic's faults in words of ours."""
    where: Where = tuple(details["loc"])
    match details["type"]:
        case "missing":
            return where[:-1], f"the key {str(where[-1])!r} is missing."
        case "extra_forbidden":
            form = _form_at(where[:-1])
            return where, _unknown("key", str(where[-1]), tuple(form.model_fields))
        case "model_type" | "model_attributes_type" | "dict_type":
            if where and isinstance(details["input"], Word):
                return where, f"got {details['input']!r}, expected '{{column: ...}}' or '{{value: ...}}'."
            return where, f"got {details['input']!r}, expected keys with values."
        case "list_type" | "too_short":
            return where, "expected a list of at least one entry."
        case "assay":
            return where, str(details["msg"])
        case _:
            # A constant has several types, whose names pydantic puts at the end of the path.
            while where and where[-1] in ("str", "bool", "int", "float"):
                where = where[:-1]
            return where, f"got {details['input']!r}: {details['msg']}."


def _form_at(where: Where) -> type[Form]:
    if not where:
        return MappingForm
    forms: dict[str | int, type[Form]] = {
        "metrics": MetricForm,
        "samples": SamplesForm,
        "status": StatusForm,
        "timestamp": TimestampForm,
        "simulated": SimulatedForm,
        "skip": SkipForm,
    }
    return forms.get(where[0], FieldForm)


def _raise_all(faults: list[tuple[Where, str]], places: Places) -> None:
    """Raise MappingError with all faults in the order of the file; one place is named once."""
    if not faults:
        return
    unique = dict.fromkeys(faults)
    texts = [places.describe(message, where, at_key=message.startswith("unknown key")) for where, message in unique]
    ordered = sorted(dict.fromkeys(texts), key=_line_and_column)
    more = [f"{places.name}: and {len(ordered) - _MAX_SHOWN} more faults."] if len(ordered) > _MAX_SHOWN else []
    raise MappingError("\n".join(ordered[:_MAX_SHOWN] + more))


def _line_and_column(text: str) -> tuple[int, int]:
    found = re.search(r":(\d+):(\d+): ", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)
