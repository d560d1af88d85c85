"""Mirroring: bring a schema of PostgreSQL to what the store is now, run by run.

A run's rows come in one transaction together with the row of ``mirror_state`` that says so; several small runs share
one. So whatever is killed, each run is there whole or not at all, and the next mirroring goes on from there.
May import: core, store, mirrors.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from assay.mirrors import ddl
from assay.mirrors.connection import Connection, ConnectionLostError, MirrorError
from assay.mirrors.plan import (
    Plan,
    Progress,
    Report,
    Settings,
    check_identity,
    divide,
    make_full_plan,
    make_plan,
)
from assay.mirrors.shape import Filling, Table
from assay.mirrors.source import Source, SourceRun
from assay.mirrors.statements import delete, insert, name, staging, staging_name, update
from assay.mirrors.tables import BY_NAME, OPTIONAL, filled

_LOCK_WAIT = "30s"
_SHARED_PARENTS = (
    ("series", "results", "series_id"),
    ("cases", "series", "case_id"),
    ("workloads", "cases", "workload"),
)
"""A shared table, the table that refers to it, by which column; in the order in which they are swept."""

Sums = dict[str, dict[str, tuple[int, int]]]
"""Table -> run -> rows and checksum."""


def mirror_store(
    location: str,
    url: str,
    settings: Settings | None = None,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Report:
    """Bring the schema to what the store is now; idempotent, and resumed where one was interrupted.

    Raises UsageError, StoreError, MirrorError. What was committed by then stays.
    """
    settings = settings or Settings()
    ddl.check_schema_name(settings.schema)
    with Source(location) as source, Connection(url) as connection:
        ddl.check_server(connection)
        _lock(connection, settings.schema)
        created = _prepare(connection, source, settings)
        plan = make_plan(connection, source, settings)
        transfer = _Transfer(connection, source, settings.schema)
        transfer.reconcile()
        transfer.remove_runs(plan.remove)
        transfer.copy(plan, on_progress)
        transfer.sweep(runs_removed=bool(plan.remove))
        return _report(connection, settings, plan, transfer.rows, transfer.removed, created=created)


def plan_mirror(location: str, url: str, settings: Settings | None = None) -> Report:
    """Say what :func:`mirror_store` would do for the runs, and change nothing."""
    settings = settings or Settings()
    ddl.check_schema_name(settings.schema)
    with Source(location) as source, Connection(url) as connection:
        ddl.check_server(connection)
        exists = ddl.schema_exists(connection, settings.schema)
        if exists:
            ddl.check_schema(connection, settings.schema)
        if settings.full or not exists:
            plan = make_full_plan(source, settings)
        else:
            check_identity(connection, source, settings.schema)
            plan = make_plan(connection, source, settings)
        rows: Counter[str] = Counter()
        for group in plan.groups:
            source.choose(run.write_id for run in group.runs)
            for table in group.tables:
                rows[table.name] += sum(count for count, _ in source.sums(table).values())
        removed = Counter({"runs": len(plan.remove)})
        return _report(connection, settings, plan, rows, removed, created=not exists, dry_run=True)


class _Transfer:
    """One mirroring under way. ``rows`` and ``removed`` count what was committed, by table."""

    def __init__(self, connection: Connection, source: Source, schema: str) -> None:
        self.rows: Counter[str] = Counter()
        self.removed: Counter[str] = Counter()
        self._connection = connection
        self._source = source
        self._schema = schema

    def reconcile(self) -> None:
        """Add and change rows of the small tables, parents first."""
        counts: Counter[str] = Counter()
        for table in filled(Filling.WHOLE):
            self._stage(table)
            counts[table.name] += self._execute(insert(table, self._schema))
            changing = update(table, self._schema)
            if changing is not None:
                counts[table.name] += self._execute(changing)
        self._connection.commit()
        self.rows += counts

    def remove_runs(self, run_ids: Sequence[str]) -> None:
        """Remove runs that the store no longer has so; what belongs to them goes with them."""
        if not run_ids:
            return
        for run_id in run_ids:
            self._connection.execute(f"DELETE FROM {self._in('runs')} WHERE run_id = $1", [run_id])  # noqa: S608
        self._connection.commit()
        self.removed["runs"] += len(run_ids)

    def copy(self, plan: Plan, on_progress: Callable[[Progress], None]) -> None:
        """Copy what the plan names, a transaction for each batch of runs."""
        done, runs = 0, sum(len(group.runs) for group in plan.groups)
        for group in plan.groups:
            for batch in divide(group.runs):
                counts: Counter[str] = Counter()
                self._source.choose(run.write_id for run in batch)
                if group.is_new:
                    for table in filled(Filling.SHARED):
                        self._stage(table)
                        counts[table.name] += self._execute(insert(table, self._schema))
                sums: Sums = {}
                for table in group.tables:
                    sums[table.name] = self._copy_table(table)
                    counts[table.name] += sum(rows for rows, _ in sums[table.name].values())
                    on_progress(Progress(done, runs, self.rows.total() + counts.total()))
                self._note(batch, sums)
                self._connection.commit()
                self.rows += counts
                done += len(batch)
                on_progress(Progress(done, runs, self.rows.total()))

    def sweep(self, *, runs_removed: bool) -> None:
        """Remove rows of small tables that the store has no more, and shared ones that nothing refers to."""
        counts: Counter[str] = Counter()
        for parent, child, key in _SHARED_PARENTS if runs_removed else ():
            counts[parent] += self._execute(
                f"DELETE FROM {self._in(parent)} AS p WHERE NOT EXISTS "  # noqa: S608
                f"(SELECT FROM {self._in(child)} AS c WHERE c.{key} = p.{key})"
            )
        for table in reversed(filled(Filling.WHOLE)):
            if not table.grows:
                self._stage(table)
                counts[table.name] += self._execute(delete(table, self._schema))
        self._connection.commit()
        self.removed += counts

    def _copy_table(self, table: Table) -> dict[str, tuple[int, int]]:
        """Copy the chosen runs' rows of one table; return rows and checksum by run, as the store has them."""
        sums = self._source.sums(table)  # first, so that a damaged store is an error of the store
        counted = sum(rows for rows, _ in sums.values())
        staged = self._stage(table)
        if "metric" in table.names:
            # Metrics that this assay does not know get a row of their own, for the foreign key.
            self._execute(
                f"INSERT INTO {self._in('metric_registry')} (metric) SELECT DISTINCT metric "  # noqa: S608
                f"FROM {name(staging_name(table))} ON CONFLICT DO NOTHING"
            )
        added = self._execute(insert(table, self._schema))
        if not added == staged == counted:
            raise MirrorError(
                f"{counted} rows were to be added to {self._schema}.{table.name}; {staged} arrived, {added} were new.",
                hint="Rows that no mirroring made are in the way. --full empties the mirror and copies it all again.",
            )
        return sums

    def _note(self, batch: Sequence[SourceRun], sums: Sums) -> None:
        """Say in ``mirror_state`` what of which run was copied; tables that come later are added to it."""
        import pyarrow as pa

        notes = [(run.run_id, run.write_id, *_sum_run(sums, run.run_id)) for run in batch]
        columns = ("run_id", "write_id", "rows", "checksum")
        listed = ", ".join(f"{column} text" for column in columns)
        self._execute(f"CREATE TEMPORARY TABLE assay_staging_state ({listed}) ON COMMIT DROP")
        content = pa.table(dict(zip(columns, map(list, zip(*notes, strict=True)), strict=True)))
        self._connection.ingest("assay_staging_state", content.to_reader())
        copied = ", ".join(f"'{table}'" for table in OPTIONAL if table in sums)
        self._execute(
            f"INSERT INTO {self._in(ddl.STATE)} AS old "  # noqa: S608
            f"SELECT run_id, write_id, ARRAY[{copied}]::text[], rows::jsonb, checksum::numeric, now() "
            "FROM assay_staging_state ON CONFLICT (run_id) DO UPDATE SET tables = old.tables || excluded.tables, "
            "rows = old.rows || excluded.rows, checksum = old.checksum + excluded.checksum, mirrored_at = now()"
        )

    def _stage(self, table: Table) -> int:
        """Send the rows to a temporary table; return how many arrived."""
        self._execute(staging(table))
        return self._connection.ingest(staging_name(table), self._source.batches(table))

    def _execute(self, sql: str) -> int:
        return self._connection.execute(sql)

    def _in(self, table: str) -> str:
        return f"{name(self._schema)}.{name(table)}"


def _lock(connection: Connection, schema: str) -> None:
    """Keep a second mirroring into the schema waiting; the lock goes with the connection, however that ends."""
    connection.execute(f"SET lock_timeout = '{_LOCK_WAIT}'")
    try:
        connection.execute("SELECT pg_advisory_lock(hashtextextended($1::text, 0))", [f"assay mirror {schema}"])
    except ConnectionLostError:
        raise
    except MirrorError as error:
        raise MirrorError(f"Another process mirrors into {schema!r}; waited {_LOCK_WAIT}.", hint=error.hint) from None
    connection.commit()


def _prepare(connection: Connection, source: Source, settings: Settings) -> bool:
    """Make the schema, or check it; empty it where asked. True where it was made."""
    info = f"{name(settings.schema)}.{ddl.INFO}"
    created = not ddl.schema_exists(connection, settings.schema)
    if created:
        ddl.create_schema(connection, settings.schema)
    else:
        ddl.check_schema(connection, settings.schema)
        ddl.upgrade_schema(connection, settings.schema)
        if settings.full:
            listed = ", ".join(f"{name(settings.schema)}.{name(one)}" for one in (*BY_NAME, ddl.STATE))
            connection.execute(f"TRUNCATE {listed}")
            connection.execute(f"UPDATE {info} SET store_id = NULL")  # noqa: S608
        else:
            check_identity(connection, source, settings.schema)
    if source.store_id is not None:
        connection.execute(f"UPDATE {info} SET store_id = $1::text WHERE store_id IS NULL", [source.store_id])  # noqa: S608
    connection.commit()
    return created


def _sum_run(sums: Mapping[str, Mapping[str, tuple[int, int]]], run_id: str) -> tuple[str, str]:
    """Return rows by table as JSON, and the sum of the checksums in decimal digits, of a run."""
    found = {table: by_run[run_id] for table, by_run in sums.items() if run_id in by_run}
    rows = {table: count for table, (count, _) in found.items()}
    return json.dumps(rows), str(sum(checksum for _, checksum in found.values()))


def _report(
    connection: Connection,
    settings: Settings,
    plan: Plan,
    rows: Counter[str],
    removed: Counter[str],
    *,
    created: bool,
    dry_run: bool = False,
) -> Report:
    return Report(
        target=connection.shown,
        schema=settings.schema,
        created=created,
        runs_in_store=plan.runs_in_store,
        runs_copied=plan.count(new=True),
        runs_completed=plan.count(new=False),
        runs_removed=len(plan.remove),
        rows={table: count for table, count in rows.items() if count},
        rows_removed={table: count for table, count in removed.items() if count},
        dry_run=dry_run,
    )
