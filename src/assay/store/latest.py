"""The newest result of every series: reading them, and renewing the cache that makes it fast. See ``latest_cache``.

May import: core and store; duckdb inside functions.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from assay.core.ids import new_id
from assay.core.records import ResultRecord
from assay.store.address import is_remote
from assay.store.latest_cache import CACHE, count_rows_since, write_marker
from assay.store.log import newest_version
from assay.store.query import LATEST_VIEW, fetch_rows, read_failure, reading
from assay.store.rows import result_from_row
from assay.store.schema import RESULTS, RUNS
from assay.store.view_sql import quote

REFRESH_AFTER_ROWS = 200_000
REFRESH_AFTER_FILES = 400
"""The cache is renewed where a reading would have to look at so many rows, or files, beside it."""
_KEPT_S = 3600.0


def latest_results(location: str) -> list[ResultRecord]:
    """Return the newest visible result of every series, by series. Raises StoreError."""
    rows = fetch_rows(location, f"SELECT * FROM {LATEST_VIEW} ORDER BY series_id", tables=[RESULTS, LATEST_VIEW])  # noqa: S608
    return [result_from_row(row) for row in rows]


def latest_arrow(location: str) -> Any:
    """Return the same as a ``pyarrow.Table`` with the columns of the view ``results``. Raises StoreError."""
    import duckdb

    with reading(location, [RESULTS, LATEST_VIEW]) as connection:
        try:
            return connection.sql(f"SELECT * FROM {LATEST_VIEW} ORDER BY series_id").to_arrow_table()  # noqa: S608
        except duckdb.Error as error:
            raise read_failure(location, error) from error


def refresh_if_stale(location: str) -> bool:
    """Renew the cache where that pays; True where that was done. For writers, after they have appended."""
    if is_remote(location):
        return False
    rows, files = count_rows_since(location)
    if rows < REFRESH_AFTER_ROWS and files < REFRESH_AFTER_FILES:
        return False
    return refresh_latest(location)


def refresh_latest(location: str) -> bool:
    """Write the cache anew, from the old one where that holds. False where it cannot be written, which is no error."""
    import duckdb

    # Taken before the rows are read, runs first: so the cache holds at least what these versions show.
    versions = {RUNS: newest_version(Path(location) / RUNS), RESULTS: newest_version(Path(location) / RESULTS)}
    if is_remote(location) or min(versions.values()) < 0:
        return False
    folder = Path(location) / CACHE
    name = f"latest-{new_id()}.parquet"
    draft = folder / f".{name}"
    try:
        folder.mkdir(exist_ok=True)
        with reading(location, [RESULTS, LATEST_VIEW]) as connection:
            connection.execute(f"COPY (FROM {LATEST_VIEW}) TO {quote(str(draft))} (FORMAT parquet, COMPRESSION zstd)")
            pending = connection.execute(
                "SELECT DISTINCT write_id FROM raw.results EXCEPT SELECT write_id FROM runs"
            ).fetchall()
            repeated = connection.execute("SELECT count(*) - count(DISTINCT run_id) FROM raw.runs").fetchall()
        draft.replace(folder / name)
        write_marker(
            location,
            file=name,
            versions=versions,
            pending=sorted(row[0] for row in pending),
            repeated_runs=repeated[0][0],
        )
    except (OSError, duckdb.Error):
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        return False
    _remove_older(folder, name)
    return True


def _remove_older(folder: Path, current: str) -> None:
    """Remove the files of earlier caches, once no reader can be about to open them, and drafts of killed processes."""
    oldest = time.time() - _KEPT_S
    for pattern in ("latest-*.parquet", ".latest-*"):
        for path in folder.glob(pattern):
            with contextlib.suppress(OSError):
                if path.name != current and path.stat().st_mtime < oldest:
                    path.unlink()
