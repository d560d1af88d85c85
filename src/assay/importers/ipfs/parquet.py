"""The framework's Parquet files: the flat table of results that its converter wrote, and its older database.

May import: core, importers.base, importers.ipfs; pyarrow inside functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from assay.importers.base import ImportFileError, Item, importers
from assay.importers.ipfs.common import CLOCK, guarded
from assay.importers.ipfs.records import FLAT, SAMPLES, result_row
from assay.importers.source import Source

_BATCH_ROWS = 4096
_COMPATIBILITY = frozenset({"model", "hardware_type", "is_compatible", "compatibility_level"})


class ParquetImporter:
    """Rows of one of the framework's tables, known by their columns."""

    name = "ipfs-parquet"
    title = "ipfs_accelerate_py Parquet table"

    def recognise(self, source: Source) -> bool:
        """Tell by the columns."""
        if not source.is_parquet:
            return False
        try:
            return _kind(_columns(source)) is not None
        except ImportFileError:
            return False

    def read(self, source: Source) -> Iterator[Item]:
        """Give the rows. Raises ImportFileError for a broken file or other columns."""
        if not source.is_parquet:
            raise ImportFileError(f"{source.name} is no Parquet file.")
        columns = _columns(source)
        kind = _kind(columns)
        if kind is None:
            raise ImportFileError(
                f"{source.name} has none of the framework's tables; its columns are {', '.join(sorted(columns)[:12])}."
            )
        return _rows(source, kind or None)


def _kind(columns: frozenset[str]) -> str | None:
    """Return what is checked ('' for results proper), or None for columns that are not known."""
    if columns >= FLAT or columns >= SAMPLES:
        return ""
    return "compatibility" if columns >= _COMPATIBILITY else None


def _rows(source: Source, check: str | None) -> Iterator[Item]:
    import pyarrow as pa

    yield CLOCK
    number = 0
    with _open(source) as file:
        try:
            for batch in file.iter_batches(_BATCH_ROWS):
                for record in batch.to_pylist():
                    number += 1
                    place = f"row {number}"
                    yield guarded(place, record, lambda: result_row(record, place, check=check))  # noqa: B023
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise ImportFileError(f"{source.name} cannot be read beyond row {number}: {error}") from None


def _columns(source: Source) -> frozenset[str]:
    with _open(source) as file:
        return frozenset(file.schema_arrow.names)


def _open(source: Source) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(source.path)
        metadata = file.metadata
        unpacked = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise ImportFileError(f"{source.name} cannot be read as Parquet: {error}") from None
    if unpacked > source.limits.unpacked_bytes:
        file.close()
        raise ImportFileError(
            f"{source.name} says that it unpacks to {unpacked} bytes; {source.limits.unpacked_bytes} are read at most."
        )
    return file


importers.add("ipfs-parquet", ParquetImporter())
