"""The table of results that one downloads from MLCommons' site: CSV with a byte order mark and repeated headers.

A column that is there twice must say the same twice. The table names no division, precision or software, and its
``Valid / Invalid`` is mostly empty. May import: core, catalog, importers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from assay.importers.base import ImportedRow, Item, Note, RowError, importers
from assay.importers.mlperf.entry import CITATION, Entry, make_row, read_fields
from assay.importers.mlperf.fields import read_text, take_row
from assay.importers.mlperf.units import read_round
from assay.importers.source import Source

_RESULT = "Avg. Result at System Name"
_SIGNS = frozenset({"Model MLC", "Scenario", "Units", _RESULT})
_NAMES = {
    "result": _RESULT, "units": "Units", "power": "Power", "accuracy": "Accuracy",
    "accelerators": "# of Accelerators", "nodes": "# of Nodes",
}  # fmt: skip
_COLUMNS = {
    "model": "Model MLC", "scenario": "Scenario", "result": _RESULT, "units": "Units", "division": "Division",
    "suite": "Suite", "submitter": "Organization", "system": "System Name (click + for details)",
    "availability": "Availability", "accelerator": "Accelerator", "accelerators_per_node": "# of Accelerators",
    "nodes": "# of Nodes", "processor": "Processor", "verdict": "Valid / Invalid",
}  # fmt: skip
_NOTE = (
    "The table gives no division, precision, software or latency. Its numbers are averages over the rows of a system "
    "that the table's filters left."
)


class TableImporter:
    """Reads the downloaded table."""

    name = "mlperf-table"
    title = "MLPerf results table (CSV as downloaded)"

    def recognise(self, source: Source) -> bool:
        """True for a CSV file with the table's headers."""
        return set(source.csv_header) >= _SIGNS

    def read(self, source: Source) -> Iterator[Item]:
        """Give one row a result. Raises ImportFileError."""
        yield Note(CITATION)
        yield Note(_NOTE)
        for number, record in source.csv_rows():
            yield take_row(f"row {number}", record, _make_row)


def _make_row(place: str, record: Mapping[str, str]) -> ImportedRow:
    if read_text(record.get(_RESULT)) is not None:  # a row that is cut off is to be called that
        _check_repeated(record)
    round_ = read_round(read_text(record.get("Round")) or read_text(record.get("Public ID")))
    return make_row(Entry(place=place, fields=record, names=_NAMES, round_=round_, **read_fields(record, _COLUMNS)))


def _check_repeated(record: Mapping[str, str]) -> None:
    for name, value in record.items():
        first, dot, number = name.rpartition(".")
        if dot and number.isdecimal() and first in record and record[first] != value:
            raise RowError(f"the column {first!r} is there twice with {record[first][:40]!r} and {value[:40]!r}.")


importers.add(TableImporter.name, TableImporter())
