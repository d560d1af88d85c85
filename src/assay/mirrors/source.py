"""The store's side of a mirroring: one snapshot of it in DuckDB, with what the mirror's tables are selected from.

May import: core, catalog, store, probes, mirrors; duckdb and pyarrow inside functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from assay.catalog.metrics import metrics
from assay.core.errors import StoreError
from assay.mirrors.canonical import jsonb_texts
from assay.mirrors.catalogue import shipped_tables
from assay.mirrors.hardware import describe_hardware
from assay.mirrors.shape import Field, Table
from assay.mirrors.statements import name, sent, store_rows, store_sums
from assay.mirrors.tables import BY_NAME
from assay.store import schema
from assay.store.query import connect, read_failure
from assay.store.tables import open_table

_READ = (
    schema.RUNS,
    schema.RESULTS,
    schema.LAUNCHES,
    schema.SAMPLES,
    schema.TELEMETRY,
    schema.ENVIRONMENTS,
    schema.IMPORTS,
    schema.REFUSALS,
    schema.ANNOTATIONS,
    schema.BASELINES,
    schema.FINDINGS,
    schema.CALIBRATIONS,
    *schema.OF_CATALOGUE,
)


@dataclass(frozen=True, slots=True)
class SourceRun:
    """One visible run of the store, and about how many rows come with it."""

    run_id: str
    write_id: str
    rows: int


class Source:
    """A snapshot of the store, taken when this is made."""

    def __init__(self, location: str) -> None:
        """Open the snapshot. Raises StoreError."""
        self.location = location
        runs = open_table(location, schema.RUNS)
        self.store_id: str | None = None if runs is None else str(runs.metadata().id)
        self._duck = connect(location, _READ)
        self._duck.create_function(
            "jsonb_text", jsonb_texts, ["VARCHAR"], "VARCHAR", type="arrow", null_handling="special"
        )
        self._duck.execute("CREATE TEMP TABLE batch (write_id VARCHAR)")
        self._duck.execute(
            "CREATE TEMP VIEW batch_results AS SELECT * FROM results WHERE write_id IN (SELECT write_id FROM batch)"
        )
        self._prepare_known()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Left open, DuckDB's binding would complain of leaks at the end of the process.
        self._duck.close()

    def runs(self) -> list[SourceRun]:
        """Return the visible runs, in the order they were written."""
        found = self._rows(
            "SELECT run_id, write_id, 1 + results_written + launches_written + samples_written AS rows "
            "FROM runs ORDER BY write_id"
        )
        return [SourceRun(run_id, write_id, rows) for run_id, write_id, rows in found]

    def choose(self, write_ids: Iterable[str] | None) -> None:
        """Set whose rows the tables give from now on; None: those of every run."""
        self._duck.execute("DELETE FROM batch")
        if write_ids is None:
            self._duck.execute("INSERT INTO batch SELECT write_id FROM runs")
        else:
            self._duck.execute("INSERT INTO batch SELECT unnest($1::VARCHAR[])", [list(write_ids)])

    def batches(self, table: Table) -> Any:
        """Return the rows of the chosen runs (or all rows of a table without runs) as a ``RecordBatchReader``."""
        import duckdb

        try:
            return self._duck.sql(sent(table)).to_arrow_reader(table.batch_rows)
        except duckdb.Error as error:
            raise self._failure(error) from error

    def sums(self, table: Table) -> dict[str, tuple[int, int]]:
        """Return count and checksum by run."""
        return {run: (rows, int(checksum)) for run, rows, checksum in self._rows(store_sums(table))}

    def hashes(self, table: Table, run_id: str | None = None) -> dict[str, str]:
        """Return the hash of each row by its key, or of the rows of one run."""
        if run_id is None:
            return dict(self._rows(store_rows(table)))
        self._duck.execute("CREATE OR REPLACE TEMP TABLE chosen AS SELECT write_id FROM batch")
        self._duck.execute("DELETE FROM batch")
        self._duck.execute("INSERT INTO batch SELECT write_id FROM runs WHERE run_id = $1", [run_id])
        found = dict(self._rows(store_rows(table)))
        self._duck.execute("DELETE FROM batch")
        self._duck.execute("INSERT INTO batch SELECT write_id FROM chosen")
        return found

    def _prepare_known(self) -> None:
        environments = self._rows(
            "SELECT env_id, host_id, hardware_class, facts, first_seen_at, schema_version FROM environments "
            "UNION ALL SELECT DISTINCT env_id, NULL, NULL, NULL, NULL, NULL FROM runs "
            "WHERE env_id NOT IN (SELECT env_id FROM environments) ORDER BY first_seen_at NULLS LAST, env_id"
        )
        hardware = [text for (text,) in self._rows("SELECT DISTINCT hardware FROM results WHERE hardware IS NOT NULL")]
        known = describe_hardware(environments, hardware)
        for table, rows in known.items():
            self._register(f"known_{table}", BY_NAME[table].fields, rows)
        registered = [metrics.get(one) for one in metrics.names()]
        self._register(
            "known_metrics",
            BY_NAME["metric_registry"].fields,
            [(one.name, one.unit, one.direction.value, one.description, one.formula, one.source) for one in registered],
        )

        for view, content in shipped_tables().items():
            self._duck.register(view, content)

    def _register(self, view: str, fields: Sequence[Field], rows: Sequence[tuple[object, ...]]) -> None:
        types = {"int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "time": "TIMESTAMP"}
        listed = ", ".join(f"{name(field.name)} {types.get(field.kind, 'VARCHAR')}" for field in fields)
        self._duck.execute(f"CREATE TEMP TABLE {view} ({listed})")
        if rows:
            marks = ", ".join("?" for _ in fields)
            self._duck.executemany(f"INSERT INTO {view} VALUES ({marks})", [list(row) for row in rows])  # noqa: S608

    def _rows(self, sql: str) -> list[Any]:
        import duckdb

        try:
            return list(self._run(sql).fetchall())
        except duckdb.Error as error:
            raise self._failure(error) from error

    def _run(self, sql: str) -> Any:
        import duckdb

        try:
            return self._duck.execute(sql)
        except duckdb.Error as error:
            raise self._failure(error) from error

    def _failure(self, error: BaseException) -> StoreError:
        return read_failure(self.location, error)
