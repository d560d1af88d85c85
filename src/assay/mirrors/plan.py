"""What is to be done to bring a mirror up to date: which runs to copy, to complete, to remove.

May import: core, mirrors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assay.core.errors import UnknownNameError
from assay.mirrors import ddl
from assay.mirrors.connection import Connection, MirrorError
from assay.mirrors.shape import Filling, Table
from assay.mirrors.source import Source, SourceRun
from assay.mirrors.statements import name
from assay.mirrors.tables import BY_NAME, OPTIONAL, filled, with_parents

DEFAULT_SCHEMA = "assay"
ROWS_TOGETHER = 50_000
RUNS_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class Settings:
    """What to mirror: into which schema, which optional tables (launches, samples, ...), whether all of it again."""

    schema: str = DEFAULT_SCHEMA
    tables: frozenset[str] = frozenset(OPTIONAL)
    full: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a mirroring is: runs done of those to do, rows copied so far."""

    runs_done: int
    runs: int
    rows: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a mirroring did, or (``dry_run``) would do.

    ``rows`` counts rows added or changed by table, ``rows_removed`` those removed. With a run that is removed its rows
    in other tables go too; they are not counted.
    """

    target: str
    schema: str
    created: bool
    runs_in_store: int
    runs_copied: int
    runs_completed: int
    runs_removed: int
    rows: dict[str, int]
    rows_removed: dict[str, int]
    dry_run: bool = False

    @property
    def moved(self) -> int:
        """Rows added, changed or removed."""
        return sum(self.rows.values()) + sum(self.rows_removed.values())


@dataclass(frozen=True, slots=True)
class Group:
    """Runs of which the same tables are to be copied."""

    runs: tuple[SourceRun, ...]
    tables: tuple[Table, ...]

    @property
    def is_new(self) -> bool:
        """Whether the runs are not in the mirror yet; otherwise optional tables are added to them."""
        return BY_NAME["runs"] in self.tables


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done for the runs, in order: remove those that are gone or were written anew, copy the groups."""

    groups: tuple[Group, ...]
    remove: tuple[str, ...]
    runs_in_store: int

    def count(self, *, new: bool) -> int:
        """Return the runs that are copied, or completed."""
        return sum(len(group.runs) for group in self.groups if group.is_new is new)


def choose_tables(names: Sequence[str] | None, *, with_samples: bool = True) -> frozenset[str]:
    """Settle which optional tables are copied; None: all. Raises UnknownNameError for one that is none of them."""
    for one in names or ():
        if one not in OPTIONAL:
            raise UnknownNameError("optional table", one, OPTIONAL, hint="The other tables are always mirrored.")
    chosen = with_parents(frozenset(OPTIONAL if names is None else names))
    return chosen if with_samples else chosen - {"samples"}


def make_plan(connection: Connection, source: Source, settings: Settings) -> Plan:
    """Compare the runs of the store with what ``mirror_state`` says of the mirror."""
    rows = connection.fetch(f"SELECT run_id, write_id, tables FROM {name(settings.schema)}.{ddl.STATE}")  # noqa: S608
    state = {row["run_id"]: row for row in rows}
    runs = source.runs()
    current = {run.run_id: run.write_id for run in runs}
    new: list[SourceRun] = []
    incomplete: dict[frozenset[str], list[SourceRun]] = {}
    for run in runs:
        known = state.get(run.run_id)
        if known is None or known["write_id"] != run.write_id:
            new.append(run)
        elif missing := settings.tables - set(known["tables"]):
            incomplete.setdefault(missing, []).append(run)
    groups = [_new_group(new, settings)]
    groups += [
        Group(tuple(some), tuple(table for table in filled(Filling.RUN) if table.name in missing))
        for missing, some in incomplete.items()
    ]
    remove = tuple(run_id for run_id, row in state.items() if current.get(run_id) != row["write_id"])
    return Plan(tuple(group for group in groups if group.runs), remove, len(runs))


def make_full_plan(source: Source, settings: Settings) -> Plan:
    """Return the plan for an empty mirror."""
    runs = source.runs()
    return Plan((_new_group(runs, settings),) if runs else (), (), len(runs))


def divide(runs: Sequence[SourceRun]) -> Iterator[list[SourceRun]]:
    """Group runs for transactions: many small ones share one, a large one has its own. A run is never divided."""
    batch: list[SourceRun] = []
    rows = 0
    for run in runs:
        if batch and (rows + run.rows > ROWS_TOGETHER or len(batch) == RUNS_TOGETHER):
            yield batch
            batch, rows = [], 0
        batch.append(run)
        rows += run.rows
    if batch:
        yield batch


def check_identity(connection: Connection, source: Source, schema: str) -> None:
    """Refuse to turn a mirror of one store into that of another, which would remove all of its runs."""
    known = connection.fetch(f"SELECT store_id FROM {name(schema)}.{ddl.INFO}")[0]["store_id"]  # noqa: S608
    if known is not None and known != source.store_id:
        raise MirrorError(
            f"The schema {schema!r} mirrors another store than {source.location}.",
            hint="Name another schema with --schema, or replace what is there with --full.",
        )


def _new_group(runs: Sequence[SourceRun], settings: Settings) -> Group:
    tables = (table for table in filled(Filling.RUN) if not table.optional or table.name in settings.tables)
    return Group(tuple(runs), tuple(tables))
