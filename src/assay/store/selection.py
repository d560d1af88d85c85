"""Which results are wanted, as values that become one WHERE clause with its parameters.

May import: core and store.schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import Enum
from typing import TypedDict

from assay.core.case import Scalar
from assay.core.errors import UnknownNameError, UsageError, join_or
from assay.core.words import Fidelity, Mode, Provenance, Status, Verdict
from assay.store.schema import VISIBLE

Text = str | Iterable[str]
"""One text or several, any of which will do. ``*``, ``?`` and ``[...]`` stand for what they do in file names."""

ANY = "any"
"""Of ``provenance``: measured, imported and predicted together, which nothing does unasked."""

_VOCABULARIES: Mapping[str, type[Enum]] = {
    "status": Status,
    "verdict": Verdict,
    "fidelity": Fidelity,
    "mode": Mode,
    "provenance": Provenance,
}
_TEXT_COLUMNS = (
    "run_id", "case_id", "series_id", "result_id", "workload", "family", "engine", "device", "precision", "hardware",
    "source", *_VOCABULARIES,
)  # fmt: skip
_NAMES_ITS_ROWS = ("run_id", "result_id", "import_id")


class SelectionFields(TypedDict, total=False):
    """What ``Store.results`` takes, by keyword."""

    run_id: Text | None
    result_id: Text | None
    case_id: Text | None
    series_id: Text | None
    import_id: Text | None
    env_id: Text | None
    suite: Text | None
    tag: str | None
    workload: Text | None
    family: Text | None
    engine: Text | None
    device: Text | None
    hardware: Text | None
    mode: Text | None
    precision: Text | None
    batch: int | Iterable[int] | None
    shape: Mapping[str, int] | None
    options: Mapping[str, Scalar] | None
    status: Text | None
    verdict: Text | None
    fidelity: Text | None
    usable: bool | None
    provenance: Text | None
    source: Text | None
    since: datetime | None
    until: datetime | None
    include_superseded: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """Which results are wanted; None means any. docs/api.md says what each field means."""

    run_id: Text | None = None
    result_id: Text | None = None
    case_id: Text | None = None
    series_id: Text | None = None
    import_id: Text | None = None
    env_id: Text | None = None
    suite: Text | None = None
    tag: str | None = None
    workload: Text | None = None
    family: Text | None = None
    engine: Text | None = None
    device: Text | None = None
    hardware: Text | None = None
    mode: Text | None = None
    precision: Text | None = None
    batch: int | Iterable[int] | None = None
    shape: Mapping[str, int] | None = None
    options: Mapping[str, Scalar] | None = None
    status: Text | None = None
    verdict: Text | None = None
    fidelity: Text | None = None
    usable: bool | None = None
    provenance: Text | None = None
    source: Text | None = None
    since: datetime | None = None
    until: datetime | None = None
    include_superseded: bool = False

    @classmethod
    def of(cls, given: Mapping[str, object]) -> Selection:
        """Build from keywords. Raises UnknownNameError for one that is no field."""
        valid = tuple(field.name for field in fields(cls))
        for name in given:
            if name not in valid:
                raise UnknownNameError("field to select by", name, valid)
        return cls(**given)  # type: ignore[arg-type]  # the caller's keywords were checked against SelectionFields

    def where(self) -> tuple[str, list[object]]:
        """Return a condition on the view ``results``, and its parameters. Raises UsageError for a word nobody knows."""
        clauses: list[str] = []
        parameters: list[object] = []
        for column in _TEXT_COLUMNS:
            _add_texts(column, _known_words(column, getattr(self, column)), clauses, parameters)
        self._add_provenance(clauses, parameters)
        for column in ("env_id", "suite", "import_id"):
            inner: list[str] = []
            _add_texts(column, _listed(getattr(self, column)), inner, parameters)
            clauses += [f"run_id IN (SELECT run_id FROM runs WHERE {condition})" for condition in inner]  # noqa: S608
        if self.tag is not None:
            clauses.append("run_id IN (SELECT run_id FROM runs WHERE list_contains(tags, ?))")
            parameters.append(self.tag)
        if self.batch is not None:
            sizes = [self.batch] if isinstance(self.batch, int) else list(self.batch)
            clauses.append(f"batch IN ({_marks(sizes)})")
            parameters += sizes
        for name, size in (self.shape or {}).items():
            clauses.append("list_contains(map_entries(shape), {'key': ?, 'value': ?::BIGINT})")
            parameters += [name, size]
        for name, value in (self.options or {}).items():
            clauses.append("json_extract(options, ?)::VARCHAR = ?")
            parameters += [f"$.{json.dumps(name)}", json.dumps(value, ensure_ascii=False)]
        self._add_times(clauses, parameters)
        if self.usable is not None:
            clauses.append("usable" if self.usable else "NOT usable")
        if not self.include_superseded and self.run_id is None:
            clauses.append(f"run_id NOT IN (SELECT run_id FROM {VISIBLE} WHERE superseded)")  # noqa: S608  (a name of ours)
        return " AND ".join(clauses) or "TRUE", parameters

    def _add_provenance(self, clauses: list[str], parameters: list[object]) -> None:
        """Only measured results, unless others are asked for or the rows are named by what they came with."""
        if self.provenance is None and all(getattr(self, name) is None for name in _NAMES_ITS_ROWS):
            clauses.append("provenance = ?")
            parameters.append(Provenance.MEASURED.value)

    def _add_times(self, clauses: list[str], parameters: list[object]) -> None:
        for sign, name in ((">=", "since"), ("<", "until")):
            time: datetime | None = getattr(self, name)
            if time is None:
                continue
            if time.tzinfo is None:
                raise UsageError(f"{name}={time.isoformat()} has no time zone.", hint="Use datetime.UTC.")
            clauses.append(f"measured_at {sign} ?")
            parameters.append(time.astimezone(UTC).replace(tzinfo=None))


def _listed(value: Text | None) -> list[str] | None:
    if value is None:
        return None
    return [str(value)] if isinstance(value, str) else [str(one) for one in value]


def _known_words(column: str, value: Text | None) -> list[str] | None:
    """The words asked for; those of a closed vocabulary must be in it. Raises UsageError."""
    words = _listed(value)
    vocabulary = _VOCABULARIES.get(column)
    if words is None or vocabulary is None:
        return words
    if column == "provenance" and ANY in words:
        return None
    valid = [str(word.value) for word in vocabulary]
    for word in words:
        if word not in valid:
            raise UsageError(f"{column} {word!r} is not known.", hint=f"Expected {join_or(valid)}.")
    return words


def _add_texts(column: str, words: list[str] | None, clauses: list[str], parameters: list[object]) -> None:
    if words is None:
        return
    patterns = [word for word in words if set(word) & set("*?[")]
    exact = [word for word in words if word not in patterns]
    parts = [f"{column} GLOB ?"] * len(patterns) + ([f"{column} IN ({_marks(exact)})"] if exact else [])
    clauses.append(f"({' OR '.join(parts)})" if parts else "FALSE")
    parameters += [*patterns, *exact]


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values) or "NULL"
