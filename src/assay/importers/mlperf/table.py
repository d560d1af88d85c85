"""The table of results that one downloads from MLCommons' site: CSV with a byte order mark and repeated headers.

A column that is there twice must say the same twice. The table names no division, precision or software, and its
``Valid / Invalid`` is mostly empty. May import: core, catalog, importers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from assay.importers.base import Item, Note, RowError, importers
from assay.importers.mlperf.entry import CITATION, Entry, make_row
from assay.importers.mlperf.fields import read_text, refuse
from assay.importers.mlperf.units import read_round
from assay.importers.source import Source

_RESULT = "Avg. Result at System Name"
_SIGNS = frozenset({"Model MLC", "Scenario", "Units", _RESULT})
_NAMES = {
    "result": _RESULT, "units": "Units", "power": "Power", "accuracy": "Accuracy",
    "accelerators": "# of Accelerators", "nodes": "# of Nodes",
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
            place = f"row {number}"
            try:
                row = make_row(_read_entry(place, record))
            except RowError as error:
                yield refuse(place, error, record)
            else:
                yield row


def _read_entry(place: str, record: Mapping[str, str]) -> Entry:
    if read_text(record.get(_RESULT)) is not None:  # a row that is cut off is to be called that
        _check_repeated(record)

    def text(name: str) -> str | None:
        return read_text(record.get(name))

    return Entry(
        place=place,
        fields=record,
        names=_NAMES,
        round_=read_round(text("Round") or text("Public ID")),
        model=text("Model MLC"),
        scenario=text("Scenario"),
        result=record.get(_RESULT),
        units=text("Units"),
        division=text("Division"),
        suite=text("Suite"),
        submitter=text("Organization"),
        system=text("System Name (click + for details)"),
        availability=text("Availability"),
        accelerator=text("Accelerator"),
        accelerators_per_node=record.get("# of Accelerators"),
        nodes=record.get("# of Nodes"),
        processor=text("Processor"),
        verdict=text("Valid / Invalid"),
    )


def _check_repeated(record: Mapping[str, str]) -> None:
    for name, value in record.items():
        first, dot, number = name.rpartition(".")
        if dot and number.isdecimal() and first in record and record[first] != value:
            raise RowError(f"the column {first!r} is there twice with {record[first][:40]!r} and {value[:40]!r}.")


importers.add(TableImporter.name, TableImporter())
