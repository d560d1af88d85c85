"""Results of a selection: records one by one, or a table for analysis. Nothing is read before it is asked for.

May import: core and store; pyarrow, pandas and polars inside functions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, overload

from assay.core.display import Displayed
from assay.core.errors import AssayError
from assay.core.records import ResultRecord
from assay.store.query import read_dicts, read_failure, reading
from assay.store.rows import result_from_row
from assay.store.schema import RESULTS, TABLES
from assay.store.selection import Selection

_INTERNAL = frozenset({"write_id", "metric_order", "schema_version"})
COLUMNS = (*(column.name for column in TABLES[RESULTS] if column.name not in _INTERNAL), "usable")
"""Of the wide form: one row a result. docs/store.md says what each holds."""
_CASE_COLUMNS = (
    "result_id", "run_id", "series_id", "case_id", "workload", "family", "engine", "device", "hardware", "mode",
    "precision", "batch", "shape", "options", "status", "verdict", "usable", "measured_at", "provenance", "source",
)  # fmt: skip
LONG_COLUMNS = (*_CASE_COLUMNS, "name", "phase", "stat", "value", "unit", "ci_lo", "ci_hi", "n", "reason")
"""Of the long form: one row for each number of each result."""


class ResultSet(Displayed, Sequence[ResultRecord]):
    """What a selection finds in a store, oldest first; a sequence of frozen records.

    ``arrow``, ``pandas`` and ``polars`` give the same rows as a table without making a record of each.
    """

    def __init__(
        self,
        location: str,
        selection: Selection,
        *,
        limit: int | None = None,
        versions: Mapping[str, int] | None = None,
    ) -> None:
        self._location = location
        self._where, self._parameters = selection.where()
        self._limit = limit
        self._versions = versions
        self._records: list[ResultRecord] | None = None

    def arrow(self, *, long: bool = False) -> Any:
        """Return a ``pyarrow.Table``: a row a result (``COLUMNS``), or with ``long`` a row a number (``LONG_COLUMNS``).

        Times are UTC without saying so. Raises StoreError.
        """
        chosen, parameters = self._chosen()
        if long:
            names = ", ".join(f'"{name}"' for name in LONG_COLUMNS)
            sql = (
                # `reason` is the number's own; the result's stays in the wide form.
                f"WITH chosen AS (SELECT * EXCLUDE (reason) FROM ({chosen})), "  # noqa: S608
                "numbers AS (SELECT result_id, name, phase, stat, value, unit, ci_lo, ci_hi, n, reason "
                "FROM metrics WHERE result_id IN (SELECT result_id FROM chosen)) "
                f"SELECT {names} FROM chosen JOIN numbers USING (result_id) "
                "ORDER BY measured_at NULLS FIRST, result_id, name, phase, stat"
            )
        else:
            names = ", ".join(f'"{name}"' for name in COLUMNS)
            sql = f"SELECT {names} FROM ({chosen}) ORDER BY measured_at NULLS FIRST, result_id"  # noqa: S608
        return self._read(lambda connection: connection.sql(sql, params=parameters).to_arrow_table())

    def pandas(self, *, long: bool = False) -> Any:
        """Return a ``pandas.DataFrame``; see :meth:`arrow`. Raises AssayError where pandas is not installed."""
        _need("pandas")
        return self.arrow(long=long).to_pandas()

    def polars(self, *, long: bool = False) -> Any:
        """Return a ``polars.DataFrame``; see :meth:`arrow`. Raises AssayError where polars is not installed."""
        return _need("polars").from_arrow(self.arrow(long=long))

    def count_rows(self) -> int:
        """Return how many results there are without making records of them, which ``len`` does."""
        chosen, parameters = self._chosen()
        found = self._read(
            lambda connection: connection.cursor().execute(f"SELECT count(*) FROM ({chosen})", parameters).fetchall()  # noqa: S608
        )
        return int(found[0][0])

    def newest(self, count: int) -> ResultSet:
        """Return the newest so many of them, without reading the others."""
        found = copy.copy(self)
        found._limit = count if self._limit is None else min(count, self._limit)  # noqa: SLF001  (its own copy)
        found._records = None  # noqa: SLF001
        return found

    @property
    def records(self) -> list[ResultRecord]:
        """Every result as a record; read once."""
        if self._records is None:
            chosen, parameters = self._chosen()
            self._records = [result_from_row(row) for row in reversed(self._rows(chosen, parameters))]
        return self._records

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[ResultRecord]:
        return iter(self.records)

    @overload
    def __getitem__(self, index: int) -> ResultRecord: ...
    @overload
    def __getitem__(self, index: slice) -> list[ResultRecord]: ...
    def __getitem__(self, index: int | slice) -> ResultRecord | list[ResultRecord]:
        return self.records[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self.records == list(other)

    __hash__ = None  # type: ignore[assignment]  # equal to lists, which have none

    def __repr__(self) -> str:
        return f"<{len(self)} results>"

    def _chosen(self) -> tuple[str, list[object]]:
        sql = f"SELECT * FROM results WHERE {self._where} ORDER BY measured_at DESC NULLS LAST, result_id DESC LIMIT ?"  # noqa: S608
        return sql, [*self._parameters, self._limit]

    def _rows(self, sql: str, parameters: list[object]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._read(lambda connection: read_dicts(connection, sql, parameters))
        return rows

    def _read(self, work: Callable[[Any], Any]) -> Any:
        import duckdb

        with reading(self._location, [RESULTS], versions=self._versions) as connection:
            try:
                return work(connection)
            except duckdb.Error as error:
                raise read_failure(self._location, error) from error


def _need(package: str) -> Any:
    try:
        return import_module(package)
    except ImportError:
        raise AssayError(f"{package} is not installed.", hint=f"pip install {package}, or use .arrow().") from None
