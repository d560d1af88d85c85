"""Comparing the mirror with the store: rows and checksums of each table, computed by each side over its own rows.

A row's hash is an md5 of its columns in one canonical text; a checksum is the sum of the hashes' first 60 bits, which
does not depend on order. Where sums differ, the runs that differ are named, and of these some rows. May import: core,
store, mirrors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from assay.mirrors import ddl
from assay.mirrors.connection import Connection, MirrorError
from assay.mirrors.plan import DEFAULT_SCHEMA, check_identity
from assay.mirrors.shape import Filling, Table
from assay.mirrors.source import Source
from assay.mirrors.statements import HASH_DIGITS, mirror_rows, mirror_sums, name, of_run
from assay.mirrors.tables import filled

_MOST_RUNS = 3
_MOST_ROWS = 5


@dataclass(frozen=True, slots=True)
class Comparison:
    """One table on both sides. ``differences`` names some of what differs, in sentences."""

    table: str
    store_rows: int
    mirror_rows: int
    store_checksum: str
    mirror_checksum: str
    differences: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class Verification:
    """Every table that the mirror holds, compared. ``runs_not_mirrored`` are in the store alone."""

    target: str
    schema: str
    tables: tuple[Comparison, ...]
    runs_compared: int
    runs_not_mirrored: int

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs, and no run is missing."""
        return not self.runs_not_mirrored and all(table.is_equal for table in self.tables)


def verify_mirror(location: str, url: str, schema: str = DEFAULT_SCHEMA) -> Verification:
    """Compare every table. An optional table is compared for the runs that it was copied of.

    Raises UsageError, StoreError, MirrorError (there is no mirror, it is of another store).
    """
    ddl.check_schema_name(schema)
    with Source(location) as source, Connection(url) as connection:
        ddl.check_server(connection)
        if not ddl.schema_exists(connection, schema):
            raise MirrorError(
                f"There is no mirror in the schema {schema!r} of {connection.shown}.",
                hint="`assay store mirror` makes it.",
            )
        ddl.check_schema(connection, schema)
        ddl.require_present_schema(connection, schema)
        check_identity(connection, source, schema)
        connection.commit()
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")  # one state of all tables
        state = {
            row["run_id"]: frozenset(row["tables"])
            for row in connection.fetch(f"SELECT run_id, tables FROM {name(schema)}.{ddl.STATE}")  # noqa: S608
        }
        runs = source.runs()
        source.choose(run.write_id for run in runs if run.run_id in state)
        compared = [_compare_rows(connection, source, table, schema) for table in filled(Filling.WHOLE, Filling.SHARED)]
        for table in filled(Filling.RUN):
            wanted = {run_id for run_id, tables in state.items() if not table.optional or table.name in tables}
            if wanted or not table.optional:
                compared.append(_compare_runs(connection, source, table, schema, wanted))
        return Verification(
            target=connection.shown,
            schema=schema,
            tables=tuple(compared),
            runs_compared=len(state),
            runs_not_mirrored=sum(run.run_id not in state for run in runs),
        )


def _compare_rows(connection: Connection, source: Source, table: Table, schema: str) -> Comparison:
    """Compare a table without runs, row by row."""
    ours = source.hashes(table)
    theirs = {row["key"]: row["hash"] for row in connection.fetch(mirror_rows(table, schema))}
    if table.grows:
        theirs = {key: value for key, value in theirs.items() if key in ours}
    return Comparison(
        table.name,
        len(ours),
        len(theirs),
        _sum_hashes(ours),
        _sum_hashes(theirs),
        tuple(_explain(ours, theirs)),
    )


def _compare_runs(connection: Connection, source: Source, table: Table, schema: str, wanted: set[str]) -> Comparison:
    """Compare a table run by run, and the rows of the first runs that differ."""
    ours = {run_id: found for run_id, found in source.sums(table).items() if run_id in wanted}
    theirs = {
        row["run_id"]: (int(row["rows"]), int(row["checksum"])) for row in connection.fetch(mirror_sums(table, schema))
    }
    differing = sorted(run for run in ours.keys() | theirs.keys() if ours.get(run) != theirs.get(run))
    differences = [
        text for run in differing[:_MOST_RUNS] for text in _explain_run(connection, source, table, schema, run)
    ]
    if len(differing) > _MOST_RUNS:
        differences.append(f"{len(differing) - _MOST_RUNS} more runs differ")
    return Comparison(
        table.name,
        sum(rows for rows, _ in ours.values()),
        sum(rows for rows, _ in theirs.values()),
        _shown(sum(checksum for _, checksum in ours.values())),
        _shown(sum(checksum for _, checksum in theirs.values())),
        tuple(differences),
    )


def _explain_run(connection: Connection, source: Source, table: Table, schema: str, run_id: str) -> Iterator[str]:
    ours = source.hashes(table, run_id)
    sql = mirror_rows(table, schema) + of_run(table, schema)
    theirs = {row["key"]: row["hash"] for row in connection.fetch(sql, [run_id])}
    for text in _explain(ours, theirs):
        yield f"run {run_id}: {text}"


def _explain(ours: dict[str, str], theirs: dict[str, str]) -> Iterator[str]:
    groups = (
        ("not in the mirror", ours.keys() - theirs.keys()),
        ("not in the store", theirs.keys() - ours.keys()),
        ("different", {key for key in ours.keys() & theirs.keys() if ours[key] != theirs[key]}),
    )
    for what, keys in groups:
        if keys:
            shown = ", ".join(sorted(keys)[:_MOST_ROWS])
            yield f"{len(keys)} {'row is' if len(keys) == 1 else 'rows are'} {what}: {shown}" + (
                ", ..." if len(keys) > _MOST_ROWS else ""
            )


def _sum_hashes(hashes: dict[str, str]) -> str:
    return _shown(sum(int(value[:HASH_DIGITS], 16) for value in hashes.values()))


def _shown(checksum: int) -> str:
    return f"{checksum % (1 << 64):016x}"
