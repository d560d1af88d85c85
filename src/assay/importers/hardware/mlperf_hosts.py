"""What MLPerf's tables say of the machines: memory in an accelerator's name, cores of a host's processor.

Of the results nothing is read here (``assay import`` does that). A table has a row a result, so each statement is given
once, at its first row. Memory that stands in an accelerator's name is the submitter's word for what is sold; the watts
in such names are a limit that was set and no design power, and are not taken. Read: the table downloaded from MLCommons
(with its byte order mark and repeated headers, which must agree), ``summary_results.json``, and collected tables of
many rounds. May import: core, catalog, importers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assay.catalog.hardware.words import describe
from assay.importers.base import ImportFileError, Note, Refusal, RowError
from assay.importers.hardware.table import DeviceRow, Item, Statement
from assay.importers.mlperf.units import read_round
from assay.importers.numbers import read_count
from assay.importers.source import Source

_GIB = 2**30
_NOT_KNOWN = frozenset({"", "n/a", "na", "none", "-", "nan"})
_PUBLISHED = {
    # MLCommons' announcements of MLPerf Inference and Training rounds
    "v1.0": "2021-06", "v1.1": "2021-12", "v2.0": "2022-04", "v2.1": "2022-09", "v3.0": "2023-04", "v3.1": "2023-09",
    "v4.0": "2024-03", "v4.1": "2024-08", "v5.0": "2025-04",
}  # fmt: skip
_OF_CORES = 0.5
"""A third of the core counts are of a whole host or a virtual machine: they may disagree, and never answer."""
_BATCH_ROWS = 4096


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which column says what in one of the tables; a table has the round in a column of its own, or begins its ids."""

    accelerator: str
    processor: str
    cores: str
    round: str
    wanted: tuple[str, ...]
    result: str


_TABLE = _Layout(
    "Accelerator", "Processor", "Host Processor Core Count", "Public ID",
    ("Public ID", "System Name (click + for details)", "Accelerator", "Processor", "Scenario"),
    "Avg. Result at System Name",
)  # fmt: skip
_SUMMARY = _Layout(
    "Accelerator", "Processor", "host_processor_core_count", "version", ("Submitter", "Scenario"), "Performance_Result"
)
_COLLECTED = _Layout("accelerator", "cpu", "cpu_cores", "round", ("round", "division", "submitter"), "result")


class MlperfFormat:
    """Reads the machines of MLPerf's tables."""

    name = "mlperf"
    title = "MLPerf results (the machines of them: CSV, summary_results.json, Parquet)"
    publisher = "MLCommons' submitters"

    def recognise(self, source: Source) -> bool:
        """True for a file with MLPerf's names; of Parquet only the schema is read."""
        try:
            return _find_layout(source) is not None
        except ImportFileError:
            return False

    def read(self, source: Source) -> Iterator[Item]:
        """Give one row for each statement on a device that no earlier row made. Raises ImportFileError."""
        layout = _find_layout(source)
        if layout is None:
            raise ImportFileError(f"{source.name} has no table of MLPerf results.")
        yield Note("MLPerf submitters' words for their machines; results are read by `assay import`.")
        seen: set[tuple[str, str, object]] = set()
        for number, record in _records(source, layout):
            try:
                found = _read_row(number, record, layout)
            except RowError as error:
                yield Refusal(f"row {number}", str(error), str(dict(record))[:2000])
                continue
            for row in found:
                (statement,) = row.statements or (Statement(("",), "", ""),)
                key = (row.device_text, statement.fields[0], statement.value)
                yield DeviceRow(number, row.device_text, ()) if key in seen else row
                seen.add(key)
            if not found:
                yield Refusal(f"row {number}", "it names neither an accelerator nor a processor.", "")


def _find_layout(source: Source) -> _Layout | None:
    head = source.head_text.lstrip()
    if source.is_parquet:
        columns = set(_parquet_columns(source))
    elif head[:1] == "[":
        return _SUMMARY if all(f'"{sign}"' in head for sign in (*_SUMMARY.wanted, _SUMMARY.result)) else None
    else:
        columns = set(source.csv_header)
    return next((one for one in (_TABLE, _COLLECTED) if columns >= {*one.wanted, one.accelerator}), None)


def _records(source: Source, layout: _Layout) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if layout is _SUMMARY:
        content = source.json
        if not isinstance(content, list):
            raise ImportFileError(f"{source.name} holds a {type(content).__name__}, expected a list of results.")
        yield from ((number, one if isinstance(one, dict) else {}) for number, one in enumerate(content, start=1))
    elif source.is_parquet:
        yield from _parquet_records(source, layout)
    else:
        yield from source.csv_rows()


def _read_row(number: int, record: Mapping[str, Any], layout: _Layout) -> list[DeviceRow]:
    if str(record.get(layout.accelerator, "")).strip() == layout.accelerator:
        raise RowError("it is the header again.")
    _check_repeated(record)
    as_of = _PUBLISHED.get(read_round(_text(record, layout.round)) or "", "")
    found = []
    accelerator, processor = (_text(record, column) for column in (layout.accelerator, layout.processor))
    if accelerator is not None:
        gib = describe(accelerator).memory_gib
        said = () if gib is None else (Statement(("memory_gib",), float(gib), layout.accelerator),)
        # The name was just read for its memory: it cannot decide which device that is.
        found.append(DeviceRow(number, accelerator, said, as_of))
    if processor is not None:
        cores = _read_cores(record.get(layout.cores))
        said = () if cores is None else (Statement(("units",), float(cores), layout.cores, _OF_CORES),)
        found.append(DeviceRow(number, processor, said, as_of, kind="cpu"))
    return found


def _read_cores(raw: object) -> int | None:
    """Cores of one processor; a 0 is no number of cores, and neither are words ("64 cores, 2 sockets")."""
    try:
        return read_count(raw) or None
    except RowError:
        return None


def _text(record: Mapping[str, Any], column: str) -> str | None:
    raw = record.get(column)
    text = "" if raw is None else " ".join(str(raw).split())
    return None if text.casefold() in _NOT_KNOWN else text


def _check_repeated(record: Mapping[str, Any]) -> None:
    """Refuse a row whose repeated columns say two things: which of them holds is not known."""
    for name, value in record.items():
        bare, _, number = str(name).rpartition(".")
        if number.isdigit() and bare in record and str(record[bare]).strip() != str(value).strip():
            raise RowError(f"{bare!r} is there twice and says {record[bare]!r} and {value!r}.")


def _parquet_columns(source: Source) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_schema(source.path).names)
    except (pa.ArrowException, OSError) as error:
        raise ImportFileError(f"{source.name} cannot be read as Parquet: {' '.join(str(error).split())}.") from None


def _parquet_records(source: Source, layout: _Layout) -> Iterator[tuple[int, Mapping[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    there = _parquet_columns(source)
    names = (layout.accelerator, layout.processor, layout.cores, layout.round)
    wanted = [column for column in names if column in there]
    number = 0
    try:
        for batch in pq.ParquetFile(source.path).iter_batches(batch_size=_BATCH_ROWS, columns=wanted):
            for record in batch.to_pylist():
                number += 1
                yield number, record
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise ImportFileError(f"{source.name} breaks after row {number}: {' '.join(str(error).split())}.") from None
