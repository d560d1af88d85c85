"""Keeping results of one series together, so that a trend over millions of rows reads a few thousand of them.

Results arrive in order of time, each run touching many series. Here the files they came in are rewritten, about two
million rows at a time, sorted by series: a **settled** file, never touched again. A trend then reads one or two row
groups of each settled file, and a single run still lies in one or two of those files. Rows that came since wait in
**loose** files, and small ones are merged by tiers (a file is rewritten only together with others that are, in sum, not
much smaller), so a row is rewritten a few times in its life and memory stays bounded however large the store grows.

Small files of the other tables are merged in the same way, in the order they came. (deltalake's own compaction doubles
rows where two processes run it at once.) No row is changed by this. Safe beside writers, readers and other processes
that do the same; see ``writing.commit_replacement``. Files of object storage are fetched, merged on this machine, and
uploaded: DuckDB does not read them there. May import: core and store; duckdb, deltalake and pyarrow inside functions.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from assay.core.errors import StoreError
from assay.core.ids import new_id
from assay.store.address import is_remote, storage_options, table_uri
from assay.store.latest_cache import CACHE
from assay.store.locks import take_abandoned
from assay.store.schema import RESULTS, TABLES, arrow_schema
from assay.store.spool import ensure_state_folder, free_bytes, state_folder
from assay.store.transfer import fetch_files, upload_file
from assay.store.writing import (
    ROW_GROUP_ROWS,
    Part,
    commit_replacement,
    describe_part,
    discard,
    file_of,
    open_writer,
    replace_files,
)

SETTLED_ROWS = 2_000_000
SETTLED_BYTES = 512 * 1024 * 1024
"""A batch of loose files is rewritten as one settled file once it has so many rows or bytes."""
UNSORTED_ROWS = 250_000
"""So many rows in the order they arrived are sorted even if they do not make a settled file yet."""
BRIEF_FILES = 2 * 200
BRIEF_BYTES = 32 * 1024 * 1024
"""What is rewritten at most where someone waits for it over a network."""
SORTED_PREFIX, MERGED_PREFIX = "series-", "merged-"
_TIER = 4
_MEMORY_LIMIT = "2GB"


@dataclass(frozen=True, slots=True)
class TableFile:
    """One file of a snapshot as the log describes it."""

    path: str
    size_bytes: int
    rows: int
    modified_ms: int

    @property
    def is_sorted(self) -> bool:
        """True where it was written here."""
        return self.path.startswith(SORTED_PREFIX)

    @property
    def is_large(self) -> bool:
        """True where merging it with others would gain nothing."""
        return 2 * self.rows >= SETTLED_ROWS or 2 * self.size_bytes >= SETTLED_BYTES


def cluster(location: str, table: str, opened: Any, *, after_files: int, brief: bool = False) -> int | None:
    """Merge loose files of a table where enough have gathered, results by series; return how many were replaced.

    ``brief`` merges a few hundred small ones and leaves the rest for another time. None where nothing could be done
    about it (another process is at it, the disk is nearly full, a file cannot be read): that is no error, as every row
    is where it was. Raises StoreError where object storage fails, and deltalake's errors.
    """
    from deltalake import DeltaTable

    choose = functools.partial(
        _choose_brief if brief else choose_batches, after_files=after_files, by_series=table == RESULTS
    )
    if not choose(table_files(opened)):
        return 0
    with _alone(location) as scratch:
        if scratch is None:
            return None
        # One of our own: no other thread may bring it forward between our look at it and our commit.
        own = DeltaTable(table_uri(location, table), storage_options=storage_options(location))
        replaced = 0
        for batch in choose(table_files(own)):
            if not _rewrite(location, table, own, batch, scratch):
                return replaced or None
            replaced += len(batch)
    return replaced


def table_files(opened: Any) -> list[TableFile]:
    """Return the files of an open table's snapshot, in the order they were written.

    Without those of which the log does not say how many rows they have, as another program may write them.
    """
    import pyarrow as pa

    actions = pa.table(opened.get_add_actions(flatten=True))
    columns = [actions[name].to_pylist() for name in ("path", "size_bytes", "num_records")]
    times = actions["modification_time"].cast(pa.int64()).to_pylist()
    found = (TableFile(*each) for each in zip(*columns, times, strict=True) if each[2] is not None)
    return sorted(found, key=lambda file: (file.modified_ms, file.path))


def _choose_brief(files: Sequence[TableFile], *, after_files: int, by_series: bool) -> list[list[TableFile]]:
    small = [file for file in files if 2 * file.size_bytes < BRIEF_BYTES]
    for batch in choose_batches(small, after_files=after_files, by_series=by_series):
        sizes = itertools.accumulate(file.size_bytes for file in batch)
        chosen = [file for file, size in zip(batch, sizes, strict=True) if size <= BRIEF_BYTES][:BRIEF_FILES]
        if len(chosen) > 1:
            return [chosen]
    return []


def choose_batches(files: Sequence[TableFile], *, after_files: int, by_series: bool = True) -> list[list[TableFile]]:
    """Return the files to be rewritten, each list into one file.

    Unless ``by_series``, files are merged only for being many.
    """
    loose = [file for file in files if not (file.is_large and (file.is_sorted or not by_series))]
    rows = sum(file.rows for file in loose)
    unsorted_rows = sum(file.rows for file in loose if not file.is_sorted)
    if by_series and (rows >= SETTLED_ROWS or sum(file.size_bytes for file in loose) >= SETTLED_BYTES):
        chosen = loose
    elif len(loose) >= after_files or (by_series and unsorted_rows >= UNSORTED_ROWS):
        chosen = _lowest_tiers(loose)
    else:
        return []
    batches: list[list[TableFile]] = [[]]
    rows = size = 0
    for file in chosen:
        if batches[-1] and (rows + file.rows > SETTLED_ROWS or size + file.size_bytes > SETTLED_BYTES):
            batches.append([])
            rows = size = 0
        batches[-1].append(file)
        rows += file.rows
        size += file.size_bytes
    return [
        batch
        for batch in batches
        if len(batch) > 1 or (by_series and not batch[0].is_sorted and batch[0].rows >= UNSORTED_ROWS)
    ]


def _lowest_tiers(loose: Sequence[TableFile]) -> list[TableFile]:
    """Return the smaller files, up to the first one that is much larger than all of them together."""
    chosen: set[str] = set()
    rows = 0
    for file in sorted(loose, key=lambda file: file.rows):
        if rows and file.rows > _TIER * rows:
            break
        chosen.add(file.path)
        rows += file.rows
    return [file for file in loose if file.path in chosen]


def _rewrite(location: str, table: str, opened: Any, batch: Sequence[TableFile], scratch: Path) -> bool:
    """Write the rows of some files into one and put it in their place. True where that was done."""
    if free_bytes(location) < 4 * sum(file.size_bytes for file in batch):
        return False
    name = f"{SORTED_PREFIX if table == RESULTS else MERGED_PREFIX}{new_id()}.parquet"
    replaced = {file.path: file.size_bytes for file in batch}
    if not is_remote(location):
        folder = Path(location) / table
        sources = [file_of(folder, file.path) for file in batch]
        part = _merge(table, sources, folder / name, scratch, rows=sum(file.rows for file in batch))
        return part is not None and replace_files(opened, folder, table, part, replaced)
    with tempfile.TemporaryDirectory(dir=scratch) as place:
        folder = Path(place)
        try:
            sources = fetch_files(location, [f"{table}/{unquote(file.path)}" for file in batch], folder)
        except OSError:  # one is gone by now, or the disk is full
            return False
        part = _merge(table, sources, folder / name, scratch, rows=sum(file.rows for file in batch))
        if part is None:
            return False
        began_at = time.time()
        upload_file(location, folder / name, f"{table}/{name}")
    # An object that loses is left to `vacuum`: an earlier state may name it, if a third rewriting came in between.
    return commit_replacement(opened, table, part, replaced, began_at=began_at)


def _merge(table: str, sources: Sequence[Path], target: Path, scratch: Path, *, rows: int) -> Part | None:
    """Write so many rows of some files into one; None, and no file, where it does not come to that."""
    import duckdb
    import pyarrow as pa

    try:
        if _write_merged(table, sources, target, scratch) == rows:
            return describe_part(target)
    except (duckdb.Error, pa.ArrowException, OSError):  # a damaged file, a full disk: `check` says which
        pass
    discard(target.parent, [target.name])
    return None


def _write_merged(table: str, sources: Sequence[Path], target: Path, scratch: Path) -> int:
    """Write the rows of some files into one, results in the order of series and time; return how many."""
    import duckdb
    import pyarrow as pa

    columns = ", ".join(f'"{column.name}"' for column in TABLES[table])
    order = "ORDER BY series_id, measured_at, result_id" if table == RESULTS else ""
    listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in sources)
    schema = arrow_schema(table)
    rows = 0
    config: dict[str, Any] = {
        "memory_limit": _MEMORY_LIMIT,
        "temp_directory": str(scratch),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    with duckdb.connect(":memory:", config=config) as connection, open_writer(target, table) as writer:
        found = connection.sql(
            f"SELECT {columns} FROM read_parquet([{listed}], union_by_name = true) {order}"  # noqa: S608  (ours)
        )
        for batch in found.to_arrow_reader(ROW_GROUP_ROWS):
            writer.write_table(pa.Table.from_batches([batch]).cast(schema), row_group_size=ROW_GROUP_ROWS)
            rows += batch.num_rows
    return rows


@contextlib.contextmanager
def _alone(location: str) -> Iterator[Path | None]:
    """Keep other processes of this machine from the same work, and give a folder for what does not fit into memory.

    None if taken. It spares work and is not needed to be right.
    """
    mark = state_folder(location) / CACHE / "clustering.lock"
    scratch = mark.with_name("clustering")
    try:
        ensure_state_folder(location)
        mark.parent.mkdir(exist_ok=True)
        mark.touch()
        lock = take_abandoned(mark)
    except (OSError, StoreError):
        lock = None
    if lock is None:
        yield None
        return
    try:
        shutil.rmtree(scratch, ignore_errors=True)  # of one that was killed
        scratch.mkdir(exist_ok=True)
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        lock.close()
