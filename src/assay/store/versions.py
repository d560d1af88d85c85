"""Earlier states of a store: which version each table had, by snapshot, by time, or now.

A state is a version for each table (-1: before its first write). That of ``runs`` is always taken first: a writer
commits its ``runs`` row last, so whatever it shows was complete in the other tables by the time those were asked. May
import: core and store.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from assay.core.errors import NotFoundError, StoreError, UsageError, nearest_names
from assay.store.query import fetch_rows
from assay.store.schema import RUNS, SNAPSHOTS, TABLES
from assay.store.tables import open_table

Versions = Mapping[str, int]

DATA_TABLES = (RUNS, *(table for table in TABLES if table not in (RUNS, SNAPSHOTS)))
"""What a state is made of, ``runs`` first. The list of snapshots itself has no earlier states."""

_AGO = re.compile(r"(\d+)\s*(min|h|d|w)(?:\s+ago)?")
_MINUTES = {"min": 1, "h": 60, "d": 1440, "w": 10080}


def current_versions(location: str) -> dict[str, int]:
    """Return the newest version of each table."""
    versions = {}
    for table in DATA_TABLES:
        opened = open_table(location, table)
        versions[table] = -1 if opened is None else int(opened.version())
    return versions


def versions_at(location: str, moment: datetime) -> dict[str, int]:
    """Return the version that each table had at a time. Raises StoreError where the log no longer reaches back."""
    versions = {}
    for table in DATA_TABLES:
        opened = open_table(location, table)
        versions[table] = -1 if opened is None else _version_at(opened, table, moment)
    return versions


def resolve_versions(location: str, text: str) -> dict[str, int]:
    """Return the state that a person means: the name of a snapshot, a time (ISO 8601), or an age (``2 d``).

    Raises UsageError for what is none of these, NotFoundError for a snapshot that is not there.
    """
    wanted = text.strip()
    for row in fetch_rows(
        location,
        "SELECT * FROM snapshots WHERE name = ? ORDER BY created_at DESC LIMIT 1",
        [wanted],
        tables=[SNAPSHOTS],
    ):
        return {str(table): int(version) for table, version in row["versions"].items()}
    moment = _read_moment(wanted)
    if moment is not None:
        return versions_at(location, moment)
    names = [row["name"] for row in fetch_rows(location, "SELECT DISTINCT name FROM snapshots", tables=[SNAPSHOTS])]
    near = nearest_names(wanted, names)
    hint = f"The nearest is {near[0]!r}." if near else "Name a snapshot, a time (2026-11-22T10:00) or an age (2 d)."
    raise NotFoundError(f"There is no snapshot {text!r}, and it is no time.", hint=hint)


def _read_moment(text: str) -> datetime | None:
    """Read a time; one without a zone is local, as people mean it."""
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return datetime.now(UTC) - timedelta(minutes=int(ago[1]) * _MINUTES[ago[2]])
        moment = datetime.fromisoformat(text)
    except OverflowError:
        raise UsageError(f"{text!r} is before every store.") from None
    except ValueError:
        return None
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError, OSError):
        raise UsageError(f"{text!r} is no time that a store can have been in.") from None


def _version_at(opened: object, table: str, moment: datetime) -> int:
    """The newest version committed by then, from the times that the commits themselves hold."""
    commits = opened.history()  # type: ignore[attr-defined]  # deltalake is imported by whoever opened the table
    known = [(int(entry["timestamp"]), int(entry["version"])) for entry in commits if "timestamp" in entry]
    limit = moment.timestamp() * 1000
    before = [version for time, version in known if time <= limit]
    if before:
        return max(before)
    oldest = min((version for _, version in known), default=0)
    if oldest == 0:
        return -1
    raise StoreError(
        f"What {table!r} held at {moment.isoformat()} is no longer known: its log begins at version {oldest}.",
        hint="A backup (`assay store backup`) or a snapshot keeps a state for longer.",
    )
