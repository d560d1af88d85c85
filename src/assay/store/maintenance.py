"""Looking at a store: whether every file is whole, every visible run complete, and nothing left over.

Changes nothing; ``repair`` acts on what is found here. May import: core and store; the heavy libraries inside
functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from assay.store import schema
from assay.store.address import is_remote, list_objects, name_below
from assay.store.journal import orphaned_journals
from assay.store.location import JOURNALS, MARKER, WRITING
from assay.store.marks import dead_writers, living_writers
from assay.store.query import ALL_TABLES, fetch_rows
from assay.store.recovery import UNREADABLE_SUFFIX
from assay.store.spool import state_folder
from assay.store.tables import arrow_damage, live_files, open_table
from assay.store.view_sql import quote

_COUNTED_TABLES = (schema.RESULTS, schema.LAUNCHES, schema.SAMPLES)
"""Those whose rows a ``runs`` row counts: what a run's numbers are made of."""
_DRAFT_AGE = timedelta(hours=1)
_DRAFTS = (f"{JOURNALS}/.*.draft", f"{WRITING}/.*.draft", f".{MARKER}.*", ".probe-*", "*/_delta_log/*.tmp")


class Flaw(StrEnum):
    """What can be wrong with a store."""

    DAMAGED_FILE = "damaged file"
    INCOMPLETE_RUN = "incomplete run"
    REPEATED_RUN = "run written twice"
    REPEATED_KEY = "repeated key"
    MISSING_ENVIRONMENT = "missing environment"
    UNFINISHED_ROWS = "rows of an unfinished write"
    ORPHANED_JOURNAL = "orphaned journal"
    UNREADABLE_JOURNAL = "unreadable journal"
    LEFTOVER_FILE = "leftover file"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing found; ``repairable`` says whether ``repair`` mends it."""

    flaw: Flaw
    subject: str
    detail: str
    repairable: bool = True


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What ``check`` saw, or what is left after ``repair``, with what that did in ``repaired``."""

    location: str
    runs: int
    being_written: int
    problems: tuple[Problem, ...]
    repaired: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """True where nothing is wrong."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class TableInfo:
    """One table: its Delta version (None before the first write), rows, files of the snapshot and their bytes."""

    name: str
    version: int | None
    rows: int
    files: int
    live_bytes: int
    disk_bytes: int


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """Every table of a store, and the bytes of the whole folder."""

    location: str
    tables: tuple[TableInfo, ...]
    disk_bytes: int


def check(location: str) -> CheckReport:
    """Examine a store. Where files are damaged the rest is not looked at: every query over them would fail."""
    problems = [
        Problem(Flaw.DAMAGED_FILE, path, f"{table}: {reason}") for table, path, reason in damaged_files(location)
    ]
    runs, being_written = 0, 0
    if not problems:
        unfinished, being_written = unfinished_writes(location)
        for table, write_ids in unfinished.items():
            detail = f"{len(write_ids)} attempts to append a run died before it was complete; nobody sees their rows"
            problems.append(Problem(Flaw.UNFINISHED_ROWS, table, detail))
        problems += _inconsistent_runs(location)
        runs = fetch_rows(location, "SELECT count(*) AS n FROM runs", tables=())[0]["n"]
    problems += _journals(location)
    problems += [
        Problem(Flaw.LEFTOVER_FILE, f"{WRITING}/{write_id}", "the mark of a killed process")
        for write_id in dead_writers(location)
    ]
    problems += [Problem(Flaw.LEFTOVER_FILE, name, "left by a killed process") for name in leftover_files(location)]
    return CheckReport(location, runs, being_written, tuple(problems))


def damaged_files(location: str) -> list[tuple[str, str, str]]:
    """Return (table, path, reason) of every file of a snapshot that is absent or cannot be read to its end."""
    import duckdb

    found = []
    with duckdb.connect(":memory:") as connection:
        for table in ALL_TABLES:
            expected = [column.name for column in schema.TABLES[table]]
            for path in live_files(location, table):
                reason = (
                    arrow_damage(location, path, expected)
                    if is_remote(location)
                    else _damage(connection, path, expected)
                )
                if reason is not None:
                    found.append((table, path, reason))
    return found


def unfinished_writes(location: str) -> tuple[dict[str, set[str]], int]:
    """Return the write ids whose rows no run shows and no living process writes, by table; and how many are live.

    The order matters: rows first, then who is alive, then the runs. A writer that finishes meanwhile is then
    seen either alive or finished; the other way round its rows would look abandoned.
    """
    stamped = {
        table: {
            row["write_id"]
            for row in fetch_rows(location, f"SELECT DISTINCT write_id FROM raw.{table}", tables=[table])  # noqa: S608
        }
        for table in schema.STAMPED
    }
    alive = living_writers(location)
    finished = {row["write_id"] for row in fetch_rows(location, "SELECT write_id FROM runs", tables=())}
    unfinished = {table: write_ids - finished - alive for table, write_ids in stamped.items()}
    return {table: write_ids for table, write_ids in unfinished.items() if write_ids}, len(alive)


def repeated_runs(location: str) -> list[tuple[str, str]]:
    """Return (run id, write id) of every ``runs`` row beyond the first of its run."""
    rows = fetch_rows(
        location, "SELECT run_id, write_id FROM raw.runs EXCEPT SELECT run_id, write_id FROM runs", tables=()
    )
    return [(row["run_id"], row["write_id"]) for row in rows]


def leftover_files(location: str) -> list[str]:
    """Return drafts too old to belong to anyone, as names below the location, or below its folder on this machine."""
    oldest = datetime.now(UTC) - _DRAFT_AGE
    places = {location, str(state_folder(location))}
    return sorted(
        one.name
        for place in places
        for one in list_objects(place)
        if one.modified_at < oldest and any(fnmatch(one.name, pattern) for pattern in _DRAFTS)
    )


def describe(location: str) -> StoreInfo:
    """Return version, rows, files and bytes of every table."""
    tables = []
    sizes = {one.name: one.size_bytes for one in list_objects(location)}
    for name in ALL_TABLES:
        opened = open_table(location, name)
        files = live_files(location, name)
        rows = fetch_rows(location, f"SELECT count(*) AS n FROM raw.{name}", tables=[name])[0]["n"]  # noqa: S608
        tables.append(
            TableInfo(
                name=name,
                version=None if opened is None else opened.version(),
                rows=rows,
                files=len(files),
                live_bytes=sum(sizes.get(name_below(location, path), 0) for path in files),
                disk_bytes=sum(size for path, size in sizes.items() if path.startswith(f"{name}/")),
            )
        )
    return StoreInfo(location, tuple(tables), sum(sizes.values()))


def _damage(connection: Any, path: str, expected: list[str]) -> str | None:
    import duckdb

    if not Path(path).exists():
        return "the file is absent"
    try:
        cursor = connection.cursor()
        # Hashing whole rows decodes every page; the footer alone would not show a broken one.
        cursor.execute(f"SELECT bit_xor(hash(content)) FROM read_parquet([{quote(path)}]) AS content")  # noqa: S608
        cursor.fetchall()
        cursor.execute(f"DESCRIBE SELECT * FROM read_parquet([{quote(path)}])")  # noqa: S608
        columns = [row[0] for row in cursor.fetchall()]
    except duckdb.Error as error:
        return " ".join(str(error).split())
    return None if columns == expected else f"its columns are {columns}, expected {expected}"


def _inconsistent_runs(location: str) -> list[Problem]:
    problems = [
        Problem(Flaw.REPEATED_RUN, run_id, f"attempt {write_id} is not the first and is not shown")
        for run_id, write_id in repeated_runs(location)
    ]
    for row in fetch_rows(location, _INCOMPLETE):
        found = ", ".join(f"{row[table]} of {row[f'{table}_written']} {table}" for table in _COUNTED_TABLES)
        problems.append(Problem(Flaw.INCOMPLETE_RUN, row["run_id"], f"the store holds {found}", repairable=False))
    for row in fetch_rows(location, _WITHOUT_ENVIRONMENT, tables=[schema.ENVIRONMENTS]):
        detail = f"its environment {row['env_id']} is not in the store"
        problems.append(Problem(Flaw.MISSING_ENVIRONMENT, row["run_id"], detail, repairable=False))
    for row in fetch_rows(location, _REPEATED_KEYS):
        detail = f"{row['table_name']}.{row['id']} is there {row['n']} times"
        problems.append(Problem(Flaw.REPEATED_KEY, row["run_id"], detail, repairable=False))
    return problems


_INCOMPLETE = """
SELECT * FROM (
  SELECT run_id, results_written, launches_written, samples_written,
         coalesce(r.n, 0) AS results, coalesce(l.n, 0) AS launches, coalesce(s.n, 0) AS samples
  FROM runs
  LEFT JOIN (SELECT write_id, run_id, count(*) AS n FROM results GROUP BY ALL) AS r USING (write_id, run_id)
  LEFT JOIN (SELECT write_id, run_id, count(*) AS n FROM launches GROUP BY ALL) AS l USING (write_id, run_id)
  LEFT JOIN (SELECT write_id, run_id, count(*) AS n FROM samples GROUP BY ALL) AS s USING (write_id, run_id)
)
WHERE (results, launches, samples) <> (results_written, launches_written, samples_written)
"""

_WITHOUT_ENVIRONMENT = "SELECT run_id, env_id FROM runs WHERE env_id NOT IN (SELECT env_id FROM environments)"

_REPEATED_KEYS = """
SELECT 'results' AS table_name, run_id, result_id AS id, count(*) AS n FROM results GROUP BY ALL HAVING n > 1
UNION ALL
SELECT 'launches', run_id, launch_id, count(*) AS n FROM launches GROUP BY ALL HAVING n > 1
UNION ALL
SELECT 'samples', run_id, launch_id || '/' || ordinal, count(*) AS n FROM samples GROUP BY ALL HAVING n > 1
"""


def _journals(location: str) -> list[Problem]:
    found = [
        Problem(Flaw.ORPHANED_JOURNAL, str(path), "its run was killed; `assay store recover` publishes it")
        for path in orphaned_journals(location)
    ]
    folder = state_folder(location) / JOURNALS
    found += [
        Problem(Flaw.UNREADABLE_JOURNAL, str(path), "kept for you to look at; delete it when done", repairable=False)
        for path in sorted(folder.glob(f"*{UNREADABLE_SUFFIX}"))
    ]
    return found
