"""How Parquet files of the tables are written: encodings, statistics, several at once, and their commit.

deltalake's own writer puts one file together on one processor and takes statistics of every column, which costs a
third of the time and is of use for a few. What is here is for many rows: appending them, and sorting what is there.
The encodings are ones that readers of Parquet have known for long (byte-stream split would save a few per cent more,
but Spark's fast reader refuses it: SPARK-56894). docs/store-scale.md has the measurements. May import: core and store;
deltalake and pyarrow inside functions.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from assay.core.ids import new_id
from assay.store.schema import TABLES, arrow_schema

BULK_ROWS = 200_000
"""From so many rows on an append is written by :func:`write_parts`; fewer gain nothing by it."""
ROW_GROUP_ROWS = 32_768
COMPRESSION_LEVEL = 1
PRUNING_COLUMNS = ("run_id", "result_id", "launch_id", "series_id", "case_id", "measured_at", "started_at", "write_id")
"""Columns whose smallest and largest value each row group and the log keep, to leave out what a query cannot need."""

_UNIQUE = ("result_id", "launch_id")
COMMIT_WITHIN_S = 1800.0
"""A file that replaces others is committed so soon, or never: `vacuum` may remove what nothing names after an hour."""
_COMMIT_ATTEMPTS = 400
_COMMIT_FAILURES = 3
_COMMIT_PAUSE_S = 0.02


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file that is written but not yet in the table: its name there, and what the log says of it."""

    name: str
    size_bytes: int
    rows: int
    stats: str


def writer_properties(table: str) -> Any:
    """Return ``deltalake.WriterProperties`` for a table: what :func:`open_writer` uses, as far as deltalake can."""
    from deltalake import ColumnProperties, WriterProperties

    columns: dict[str, ColumnProperties] = {}
    for column in TABLES[table]:
        if column.name in _UNIQUE:
            columns[column.name] = ColumnProperties(dictionary_enabled=False, encoding="DELTA_BYTE_ARRAY")
        elif column.type == "time":
            columns[column.name] = ColumnProperties(dictionary_enabled=False, encoding="DELTA_BINARY_PACKED")
        elif column.type == "float":
            columns[column.name] = ColumnProperties(dictionary_enabled=False)
    return WriterProperties(compression="ZSTD", compression_level=COMPRESSION_LEVEL, column_properties=columns)


def open_writer(path: Path, table: str) -> Any:
    """Return a ``pyarrow.parquet.ParquetWriter`` for a file of the table."""
    import pyarrow.parquet as pq

    dictionary: Any
    dictionary, encodings = _encodings(table)
    return pq.ParquetWriter(
        path,
        arrow_schema(table),
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=dictionary,
        column_encoding=encodings,
        write_statistics=[column.name for column in TABLES[table] if column.name in PRUNING_COLUMNS],
    )


def write_parts(folder: Path, table: str, content: Any) -> list[Part]:
    """Write a ``pyarrow.Table`` of the table's schema as several files at once, one a processor.

    No log names them yet (:func:`append_bulk` does that). Raises OSError, and then leaves none of them.
    """
    count = max(1, min(os.cpu_count() or 1, content.num_rows // (BULK_ROWS // 2)))
    size = -(-content.num_rows // count)
    names = [f"part-{new_id()}.parquet" for _ in range(count)]

    def write(number: int) -> Part:
        with open_writer(folder / names[number], table) as writer:
            writer.write_table(content.slice(number * size, size), row_group_size=ROW_GROUP_ROWS)
        return describe_part(folder / names[number])

    try:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(write, range(count)))
    except BaseException:
        discard(folder, names)
        raise


def describe_part(path: Path) -> Part:
    """Return what the log is to say of a file: bytes, rows, smallest and largest values."""
    import pyarrow.parquet as pq

    found = pq.read_metadata(path)
    lowest: dict[str, Any] = {}
    highest: dict[str, Any] = {}
    without: set[str] = set()
    for group in range(found.num_row_groups):
        for place in range(found.num_columns):
            column = found.row_group(group).column(place)
            name = column.path_in_schema
            if name not in PRUNING_COLUMNS:
                continue
            statistics: Any = column.statistics
            if statistics is None or not statistics.has_min_max:
                without.add(name)
                continue
            lowest[name] = min(lowest.get(name, statistics.min), statistics.min)
            highest[name] = max(highest.get(name, statistics.max), statistics.max)
    stats = {
        "numRecords": found.num_rows,
        "minValues": {name: _plain(value) for name, value in lowest.items() if name not in without},
        "maxValues": {name: _plain(value) for name, value in highest.items() if name not in without},
    }
    return Part(path.name, path.stat().st_size, found.num_rows, json.dumps(stats))


def discard(folder: Path, names: Iterable[str]) -> None:
    """Remove files that did not make it into the table."""
    for name in names:
        with contextlib.suppress(OSError):
            (folder / name).unlink(missing_ok=True)


def append_bulk(opened: Any, folder: Path, table: str, content: Any, *, max_retries: int) -> None:
    """Append many rows to an open table, in one commit. Raises OSError and deltalake's errors."""
    from deltalake import CommitProperties
    from deltalake.exceptions import CommitFailedError

    parts = write_parts(folder, table, content)
    try:
        opened.create_write_transaction(
            [_addition(part, data_change=True) for part in parts],
            "append",
            arrow_schema(table),
            commit_properties=CommitProperties(max_commit_retries=max_retries),
        )
    except CommitFailedError:  # nothing was committed; after any other error that is not known, so the files stay
        discard(folder, [part.name for part in parts])
        raise


def replace_files(opened: Any, folder: Path, table: str, part: Part, replaced: Mapping[str, int]) -> bool:
    """Put a new file of a folder in the place of ``replaced`` (path in the log -> bytes), whose rows it has.

    False: not done, and the new file is removed, unless it cannot be ruled out that the log names it.
    """
    from deltalake.exceptions import DeltaError

    try:
        stands = commit_replacement(opened, table, part, replaced)
    except (DeltaError, OSError):
        return False
    if not stands:
        discard(folder, [part.name])
    return stands


def commit_replacement(
    opened: Any, table: str, part: Part, replaced: Mapping[str, int], *, began_at: float | None = None
) -> bool:
    """Let the log say that a file, written already, stands in the place of others; False: one of those has gone.

    ``began_at`` is when its writing began (seconds since 1970), now by default: long after that nothing is committed.

    Committed as the very next version after one that is known to hold every replaced file, or not at all: where
    another commit came first we look again. So a row can neither be lost nor doubled, whatever runs beside this. On
    object storage the version is won by a conditional put. No other thread may use ``opened`` meanwhile.

    No retry may be left to deltalake: its check for conflicts passes over files that another rewriting took out
    (1.6.6), and both would stand. Nor is its error an answer, as that of a commit whose answer was lost looks like
    that of one that another process won: the log alone says. Raises deltalake's errors and OSError where it cannot
    be asked, or commits fail with nobody else committing; it is not known then whether the file stands.
    """
    from deltalake import CommitProperties, PostCommitHookProperties
    from deltalake.exceptions import DeltaError

    # The wall clock, which goes on while a machine sleeps.
    until = (began_at or time.time()) + COMMIT_WITHIN_S
    failures = 0
    for _ in range(_COMMIT_ATTEMPTS):
        live = live_sizes(opened)
        if part.name in live:
            return True
        if not replaced.keys() <= live.keys() or time.time() > until:
            return False
        version = opened.version()
        try:
            opened.create_write_transaction(
                _replacement(part, replaced),
                "append",
                arrow_schema(table),
                commit_properties=CommitProperties(max_commit_retries=0),
                post_commithook_properties=PostCommitHookProperties(
                    create_checkpoint=False, cleanup_expired_logs=False
                ),
            )
        except (DeltaError, OSError):
            if failures == _COMMIT_FAILURES:
                raise
        else:
            return True
        time.sleep(_COMMIT_PAUSE_S * random.random())  # noqa: S311  (not in step with others that try)
        opened.update_incremental()
        failures = failures + 1 if opened.version() == version else 0
    return part.name in live_sizes(opened)


def _replacement(part: Part, replaced: Mapping[str, int]) -> list[Any]:
    from deltalake.transaction import RemoveAction

    now_ms = int(time.time() * 1000)
    removals = [
        RemoveAction(path=path, deletion_timestamp=now_ms, data_change=False, size=size, partition_values={})
        for path, size in replaced.items()
    ]
    return [_addition(part, data_change=False), *removals]


def live_sizes(opened: Any) -> dict[str, int]:
    """Return the files of an open table's snapshot: path as the log has it -> bytes."""
    import pyarrow as pa

    actions = pa.table(opened.get_add_actions(flatten=True))
    paths: list[Any] = actions["path"].to_pylist()
    sizes: list[Any] = actions["size_bytes"].to_pylist()
    return dict(zip(paths, sizes, strict=True))


def file_of(folder: Path, path: str) -> Path:
    """Return the file that a path of the log names."""
    return folder / unquote(path)


def _addition(part: Part, *, data_change: bool) -> Any:
    from deltalake.transaction import AddAction

    return AddAction(
        path=part.name,
        size=part.size_bytes,
        partition_values={},
        modification_time=int(time.time() * 1000),
        data_change=data_change,
        stats=part.stats,
    )


def _encodings(table: str) -> tuple[list[str], dict[str, str]]:
    """Return the leaves that get a dictionary, and the encodings of some others.

    An id that no two rows share and a float gain nothing by a dictionary, and trying costs time.
    """
    dictionary: list[str] = []
    encodings: dict[str, str] = {}
    for column in TABLES[table]:
        if column.name in _UNIQUE:
            encodings[column.name] = "DELTA_BYTE_ARRAY"
        elif column.type == "time":
            encodings[column.name] = "DELTA_BINARY_PACKED"
        elif column.type in {"text", "int", "bool"}:
            dictionary.append(column.name)
        elif column.type in {"texts", "positions"}:
            dictionary.append(f"{column.name}.list.element")
        elif column.type.endswith(" map"):
            dictionary += [f"{column.name}.key_value.key", f"{column.name}.key_value.value"]
        elif column.type == "metrics":
            dictionary += [
                f"{column.name}.list.element.{name}" for name in ("name", "phase", "stat", "unit", "n", "reason")
            ]
    return dictionary, encodings


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value, datetime) else value
