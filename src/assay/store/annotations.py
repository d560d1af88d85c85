"""What people say of results, and the runs that they pin: rows like any other, added and never changed.

May import: core and store.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, TypeVar

from assay.core.errors import NotFoundError, UsageError, join_or
from assay.core.ids import new_id
from assay.core.records import AnnotationRecord, BaselineRecord
from assay.store.query import fetch_rows
from assay.store.rows import optional_aware, optional_utc
from assay.store.schema import ANNOTATIONS, BASELINES, RESULTS
from assay.store.tables import append_arrow, arrow_table, live_files

KINDS = ("note", "accept", "mute", "split", "retract")
SUBJECTS = ("run", "result", "series")
_TIMES = frozenset({"created_at", "expires_at"})

Record = TypeVar("Record", AnnotationRecord, BaselineRecord)


def annotate(
    location: str,
    *,
    kind: str,
    subject_kind: str,
    subject_id: str,
    text: str,
    author: str | None = None,
    metric: str | None = None,
    expires_at: datetime | None = None,
) -> AnnotationRecord:
    """Say something of a run, a result or a series. Raises UsageError, and NotFoundError where that is not there."""
    if kind not in KINDS or kind == "retract":
        raise UsageError(f"{kind!r} is no kind of annotation.", hint=f"Expected {join_or(KINDS[:-1])}.")
    if subject_kind not in SUBJECTS:
        raise UsageError(f"{subject_kind!r} cannot be annotated.", hint=f"Expected {join_or(SUBJECTS)}.")
    if not text.strip():
        raise UsageError("An annotation without a text says nothing.", hint="Give the reason.")
    _require(location, subject_kind, subject_id)
    record = AnnotationRecord(
        new_id(), kind, subject_kind, subject_id, text.strip(), author or default_author(), datetime.now(UTC), metric,
        expires_at,
    )  # fmt: skip
    _append(location, ANNOTATIONS, record)
    return record


def retract(location: str, annotation_id: str, *, text: str, author: str | None = None) -> AnnotationRecord:
    """Take an annotation back; both rows stay. Raises NotFoundError."""
    found = {one.annotation_id: one for one in read_annotations(location)}
    if annotation_id not in found:
        raise NotFoundError(f"There is no annotation {annotation_id!r} that holds.")
    old = found[annotation_id]
    record = AnnotationRecord(
        new_id(), "retract", old.subject_kind, old.subject_id, text.strip() or "taken back", author or default_author(),
        datetime.now(UTC), old.metric, retracts=annotation_id,
    )  # fmt: skip
    _append(location, ANNOTATIONS, record)
    return record


def read_annotations(
    location: str,
    *,
    subject_id: str | None = None,
    include_ended: bool = False,
    versions: Mapping[str, int] | None = None,
) -> list[AnnotationRecord]:
    """Return the annotations that hold, oldest first; ``include_ended`` adds those taken back and expired."""
    if versions is None and not live_files(location, ANNOTATIONS):
        return []  # nobody has said anything yet, which takes no query engine to see
    rows = fetch_rows(
        location,
        "SELECT * FROM annotations WHERE subject_id = coalesce(?, subject_id) ORDER BY created_at, annotation_id",
        [subject_id],
        tables=[ANNOTATIONS],
        versions=versions,
    )
    found = [_record(AnnotationRecord, row) for row in rows]
    if include_ended:
        return found
    ended = {one.retracts for one in found}
    now = datetime.now(UTC)
    return [
        one
        for one in found
        if one.retracts is None and one.annotation_id not in ended and (one.expires_at is None or one.expires_at > now)
    ]


def pin_baseline(
    location: str,
    name: str,
    run_id: str | None,
    *,
    series_id: str | None = None,
    note: str | None = None,
    author: str | None = None,
) -> BaselineRecord:
    """Pin a run under a name, in place of the one pinned before; None ends the name. Raises NotFoundError."""
    if not name.strip():
        raise UsageError("A baseline needs a name.", hint="For instance `main` or the name of a release.")
    if run_id is not None:
        _require(location, "run", run_id)
    elif not any(one.name == name and one.series_id == series_id for one in read_baselines(location)):
        raise NotFoundError(f"There is no baseline {name!r}.")
    record = BaselineRecord(new_id(), name, run_id, datetime.now(UTC), author or default_author(), series_id, note)
    _append(location, BASELINES, record)
    return record


def read_baselines(
    location: str, *, include_ended: bool = False, versions: Mapping[str, int] | None = None
) -> list[BaselineRecord]:
    """Return what is pinned now, by name; ``include_ended`` gives the whole history, oldest first."""
    rows = fetch_rows(
        location, "SELECT * FROM baselines ORDER BY created_at, baseline_id", tables=[BASELINES], versions=versions
    )
    found = [_record(BaselineRecord, row) for row in rows]
    if include_ended:
        return found
    newest = {(one.name, one.series_id): one for one in found}
    return sorted((one for one in newest.values() if one.run_id is not None), key=lambda one: one.name)


def default_author() -> str:
    """Return the user's name on this machine, or ``unknown`` where it has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def _require(location: str, subject_kind: str, subject_id: str) -> None:
    table, column = {"run": ("runs", "run_id"), "result": (RESULTS, "result_id"), "series": (RESULTS, "series_id")}[
        subject_kind
    ]
    sql = f"SELECT 1 FROM {table} WHERE {column} = ? LIMIT 1"  # noqa: S608  (names of ours)
    if not fetch_rows(location, sql, [subject_id], tables=[table]):
        raise NotFoundError(f"There is no {subject_kind} {subject_id!r} in the store {location}.")


def _append(location: str, table: str, record: AnnotationRecord | BaselineRecord) -> None:
    row = {
        field.name: optional_utc(getattr(record, field.name)) if field.name in _TIMES else getattr(record, field.name)
        for field in fields(record)
    }
    append_arrow(location, table, arrow_table(table, [row]))


def _record(kind: type[Record], row: Mapping[str, Any]) -> Record:
    values: dict[str, Any] = {
        field.name: optional_aware(row[field.name]) if field.name in _TIMES else row[field.name]
        for field in fields(kind)
    }
    return kind(**values)
