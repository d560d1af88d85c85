"""Parquet of any make, as a mapping file says, in batches. May import: core, importers; pyarrow inside functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.importers.base import ImportFileError, Item, importers
from assay.importers.source import Source
from assay.importers.tables.mapped_csv import apply_mapping, need_mapping_of

_BATCH_ROWS = 8192


class MappedParquet:
    """A Parquet file and a mapping that says what its columns are."""

    name = "parquet"
    title = "Parquet with a mapping file"

    def recognise(self, source: Source) -> bool:
        """True for Parquet, where a mapping is given: without one nothing is known of the columns."""
        return source.mapping is not None and source.is_parquet

    def read(self, source: Source) -> Iterator[Item]:
        """Give one row for each row of data that the mapping does not skip. Raises MappingError, ImportFileError."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        mapping = need_mapping_of(source)
        try:
            with pq.ParquetFile(source.path) as file:
                mapping.check_columns(file.schema_arrow.names)
                yield from apply_mapping(mapping, _rows(file))
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise ImportFileError(f"{source.name} is no Parquet file that can be read: {error}.") from None


def parquet_head(source: Source) -> tuple[tuple[str, ...], Mapping[str, Any]]:
    """Return the names of the columns and the first row, empty where there is none. Raises ImportFileError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(source.path) as file:
            first = next(file.iter_batches(batch_size=1), None)
            rows = first.to_pylist() if first is not None else []
            return tuple(file.schema_arrow.names), (rows[0] if rows else {})
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise ImportFileError(f"{source.name} is no Parquet file that can be read: {error}.") from None


def _rows(file: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    number = 0
    for batch in file.iter_batches(batch_size=_BATCH_ROWS):
        for record in batch.to_pylist():
            number += 1
            yield number, record


importers.add(MappedParquet.name, MappedParquet())
