"""Appending a run: results, launches and samples first, the ``runs`` row last.

Every attempt stamps its rows with a fresh ``write_id``, and the ``runs`` row names the attempt that finished. So
an attempt that dies midway stays invisible for ever, even after the same run has been published by another one.
May import: core and store; pyarrow inside functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

from assay.core.errors import StoreError
from assay.core.ids import new_id
from assay.core.records import EnvironmentRecord, RunBundle, RunRecord
from assay.store import schema
from assay.store.housekeeping import tidy_after_append
from assay.store.marks import WritingMark
from assay.store.query import fetch_rows
from assay.store.rows import Row, bundle_rows, environment_row, run_row
from assay.store.tables import append_arrow, arrow_table


def append_bundle(location: str, bundle: RunBundle) -> None:
    """Keep a run. Idempotent for one run id. Raises StoreError; then nothing of the run is visible."""
    if has_run(location, bundle.run.run_id):
        return
    with Attempt(location) as attempt:
        append_environment(location, bundle.environment, bundle.run.schema_version)
        for table, rows in bundle_rows(bundle).items():
            attempt.add(table, rows)
        attempt.commit(bundle.run)


class Attempt:
    """One attempt to append a run, in as many pieces as it takes. Visible once :meth:`commit` has returned.

    A run too large for memory is added piece by piece. An attempt that is left without a commit stays invisible.
    """

    def __init__(self, location: str) -> None:
        self.write_id = new_id()
        self._location = location
        self._written: Counter[str] = Counter()
        self._committed = False

    def __enter__(self) -> Self:
        # Held while the attempt lasts, so that `repair` can tell it from one whose process died.
        self._mark = WritingMark.begin(self._location, self.write_id)
        return self

    def __exit__(self, *_: object) -> None:
        self._mark.remove()
        if self._committed:
            tidy_after_append(self._location, (*self._written, schema.RUNS))

    def add(self, table: str, rows: Sequence[Row]) -> None:
        """Write rows, in one commit of the table. Raises StoreError."""
        if rows:
            self._append(table, arrow_table(table, [{**row, "write_id": self.write_id} for row in rows]))

    def add_arrow(self, table: str, content: Any) -> None:
        """Write a ``pyarrow.Table`` that has every column of the table but ``write_id``. Raises StoreError."""
        import pyarrow as pa

        expected = schema.arrow_schema(table)
        try:
            stamp = pa.repeat(pa.scalar(self.write_id, type=pa.string()), content.num_rows)
            stamped = content.append_column(pa.field("write_id", pa.string(), nullable=False), stamp)
            fitted = stamped.select(expected.names).cast(expected)
        except (pa.ArrowException, KeyError, ValueError) as error:
            raise StoreError(f"These columns do not make rows of {table!r}: {error}.") from error
        self._append(table, fitted)

    def commit(self, run: RunRecord) -> None:
        """Make the run visible, with the counts of what was added. Raises StoreError."""
        counts = {
            f"{table}_written": self._written[table] for table in (schema.RESULTS, schema.LAUNCHES, schema.SAMPLES)
        }
        self._mark.renew()
        append_arrow(
            self._location,
            schema.RUNS,
            arrow_table(schema.RUNS, [run_row(run) | counts | {"write_id": self.write_id}]),
        )
        self._committed = True

    def commit_copies(self, runs: Any) -> None:
        """Make runs visible that were added as another store has them: ``runs`` is a ``pyarrow.Table`` of its rows."""
        self.add_arrow(schema.RUNS, runs)
        self._committed = True

    def _append(self, table: str, content: Any) -> None:
        if content.num_rows:
            self._mark.renew()
            append_arrow(self._location, table, content)
            self._written[table] += content.num_rows


def has_run(location: str, run_id: str) -> bool:
    """True where the run is visible."""
    found = fetch_rows(location, "SELECT 1 FROM runs WHERE run_id = ?", [run_id], tables=())
    return bool(found)


def append_environment(location: str, environment: EnvironmentRecord, schema_version: int) -> None:
    """Keep an environment unless it is there. Raises StoreError."""
    known = fetch_rows(
        location,
        "SELECT 1 FROM environments WHERE env_id = ?",
        [environment.env_id],
        tables=[schema.ENVIRONMENTS],
    )
    if not known:
        append_arrow(
            location,
            schema.ENVIRONMENTS,
            arrow_table(schema.ENVIRONMENTS, [environment_row(environment, schema_version)]),
        )
