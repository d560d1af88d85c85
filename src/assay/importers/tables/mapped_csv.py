"""CSV of any make, as a mapping file says. May import: core, importers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.importers.base import ImportFileError, Item, Note, importers
from assay.importers.source import Source
from assay.importers.tables.cells import take_row
from assay.importers.tables.mapped_rows import build_row, is_skipped
from assay.importers.tables.mapping import MappingForm, TableMapping, load_mapping

NO_MAPPING_HINT = "Give one with --mapping; --suggest-mapping writes one to start from."


class MappedCsv:
    """A CSV file with a header, and a mapping that says what its columns are."""

    name = "csv"
    title = "CSV with a mapping file"

    def recognise(self, source: Source) -> bool:
        """True for text with a header, where a mapping is given: without one nothing is known of the columns."""
        if source.mapping is None or source.is_parquet or source.is_duckdb or b"\0" in source.head:
            return False
        return source.head_text.lstrip()[:1] not in ("", "{", "[")

    def read(self, source: Source) -> Iterator[Item]:
        """Give one row for each row of data that the mapping does not skip. Raises MappingError, ImportFileError."""
        mapping = need_mapping_of(source)
        yield from apply_mapping(mapping, _rows(source, mapping))


def _rows(source: Source, mapping: TableMapping) -> Iterator[tuple[int, Mapping[str, Any]]]:
    checked = False
    for number, record in source.csv_rows(delimiter=mapping.form.delimiter):
        if not checked:
            mapping.check_columns(record)
            checked = True
        yield number, record


def need_mapping_of(source: Source) -> TableMapping:
    """Load the mapping of a source. Raises ImportFileError where it has none, MappingError where it is broken."""
    if source.mapping is None:
        raise ImportFileError(
            f"{source.name} needs a mapping file that says what its columns mean.", hint=NO_MAPPING_HINT
        )
    return load_mapping(source.mapping)


def apply_mapping(mapping: TableMapping, numbered: Iterator[tuple[int, Mapping[str, Any]]]) -> Iterator[Item]:
    """Build the results of a table's rows, and say how many were passed over."""
    form = mapping.form
    skipped = 0
    for number, record in numbered:
        if is_skipped(form, record):
            skipped += 1
            continue
        yield take_row(f"row {number}", record, lambda place, record: build_row(form, place, record))
    if skipped:
        rows = "1 row" if skipped == 1 else f"{skipped} rows"
        yield Note(f"{rows} passed over, as the mapping's 'skip' says: {_skips(form)}.")


def _skips(form: MappingForm) -> str:
    return "; ".join(f"{skip.column} is {' or '.join(str(word) for word in skip.equals)}" for skip in form.skip)


importers.add(MappedCsv.name, MappedCsv())
