"""Tables that others collected of many rounds of MLPerf, inference or training, as Parquet or CSV.

Told apart by their columns; read in pieces, whatever their size. May import: core, catalog, importers; pyarrow inside
functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from assay.importers.base import ImportedRow, ImportFileError, Item, Note, importers
from assay.importers.mlperf.entry import CITATION, Entry, make_row, read_fields
from assay.importers.mlperf.fields import read_text, take_row
from assay.importers.mlperf.training import RESULT, make_training_row
from assay.importers.mlperf.units import read_round
from assay.importers.source import Source

_INFERENCE = frozenset({"round", "division", "submitter", "system_name", "model", "scenario", "result", "units"})
_TRAINING = frozenset({"round", "division", "submitter", "system", "benchmark", RESULT, "units"})
_BATCH_ROWS = 4096
_NAMES = {
    "result": "result", "units": "units", "power": "power_result", "accuracy": "accuracy",
    "accelerators": "accelerators_per_node", "nodes": "nodes",
}  # fmt: skip
_COLUMNS = {
    "model": "model", "model_used": "model_used", "scenario": "scenario", "result": "result", "units": "units",
    "units_fixed": "units_fixed", "division": "division", "suite": "suite", "submitter": "submitter",
    "system": "system_name", "platform": "platform", "availability": "availability", "accelerator": "accelerator",
    "accelerators_per_node": "accelerators_per_node", "nodes": "nodes", "processor": "cpu", "software": "software",
    "precision": "weight_dtype", "accuracy": "accuracy", "power": "power_result", "power_units": "power_units",
    "is_inferred": "inferred",
}  # fmt: skip
_INFERENCE_NOTE = (
    "A collection of several rounds. accelerators_per_node is what a node has, not always what was used, and names of "
    "accelerators are free text (slices, virtual ones and power variants among them). The table has no result IDs."
)
_TRAINING_NOTE = (
    "A collection of several rounds: minutes from the start of a run to its target quality, of a whole system. Rows "
    "with a number of runs were computed from the logs by the collector and are marked unverified."
)


class CollectedImporter:
    """Reads collected tables."""

    name = "mlperf-parquet"
    title = "Collected MLPerf results (Parquet or CSV)"

    def recognise(self, source: Source) -> bool:
        """True for a table with the columns of either kind; of Parquet only the schema is read."""
        try:
            columns = _read_columns(source)
        except ImportFileError:
            return False
        return columns >= _INFERENCE or columns >= _TRAINING

    def read(self, source: Source) -> Iterator[Item]:
        """Give one row a result. Raises ImportFileError."""
        columns = _read_columns(source)
        is_training = columns >= _TRAINING
        if not (is_training or columns >= _INFERENCE):
            missing = ", ".join(sorted(_INFERENCE - columns))
            raise ImportFileError(f"{source.name} lacks columns of collected MLPerf results: {missing}.")
        yield Note(CITATION)
        yield Note(_TRAINING_NOTE if is_training else _INFERENCE_NOTE)
        for number, record in _read_records(source):
            yield take_row(f"row {number}", record, make_training_row if is_training else _make_inference_row)


def _make_inference_row(place: str, record: Mapping[str, Any]) -> ImportedRow:
    round_ = read_round(read_text(record.get("round")))
    return make_row(Entry(place=place, fields=record, names=_NAMES, round_=round_, **read_fields(record, _COLUMNS)))


def _read_columns(source: Source) -> frozenset[str]:
    """The names of the columns. Raises ImportFileError for a broken Parquet file or one with a column twice."""
    if not source.is_parquet:
        return frozenset(source.csv_header)
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(source.path).names
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ImportFileError(f"{source.name} is no sound Parquet file: {error}.", hint="It may be cut off.") from error
    if repeated := [name for name in set(names) if names.count(name) > 1]:
        raise ImportFileError(f"{source.name} has the column {min(repeated)!r} twice; which one counts is not known.")
    return frozenset(names)


def _read_records(source: Source) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if not source.is_parquet:
        yield from source.csv_rows()
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(source.path) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                for record in batch.to_pylist():
                    number += 1
                    yield number, record
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise ImportFileError(f"{source.name}, after row {number}: {type(error).__name__}: {error}.") from error


importers.add(CollectedImporter.name, CollectedImporter())
