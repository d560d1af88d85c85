"""``summary_results.json``: every result of a round of MLPerf Inference, as MLCommons' repositories of results have it.

A list of objects, one a result; ``a#`` counts accelerators per node. May import: core, catalog, importers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from assay.importers.base import ImportedRow, ImportFileError, Item, Note, RowError, importers
from assay.importers.mlperf.entry import CITATION, Entry, make_row, read_fields
from assay.importers.mlperf.fields import read_text, take_row
from assay.importers.mlperf.units import read_round
from assay.importers.source import Source

_SIGNS = ('"Submitter"', '"Scenario"', '"Performance_Result"', '"Performance_Units"')
_NAMES = {
    "result": "Performance_Result", "units": "Performance_Units", "power": "Power_Result", "accuracy": "Accuracy",
    "accelerators": "a#", "nodes": "Nodes",
}  # fmt: skip
_COLUMNS = {
    "model": "Model", "model_used": "UsedModel", "scenario": "Scenario", "result": "Performance_Result",
    "units": "Performance_Units", "division": "Category", "suite": "Suite", "submitter": "Submitter",
    "system": "System", "platform": "Platform", "availability": "Availability", "accelerator": "Accelerator",
    "accelerators_per_node": "a#", "nodes": "Nodes", "processor": "Processor", "software": "Software",
    "precision": "weight_data_types", "accuracy": "Accuracy", "power": "Power_Result", "power_units": "Power_Units",
    "is_inferred": "inferred",
}  # fmt: skip


class SummaryImporter:
    """Reads ``summary_results.json``."""

    name = "mlperf-summary"
    title = "MLPerf Inference summary_results.json"

    def recognise(self, source: Source) -> bool:
        """True for a JSON list whose first objects have MLPerf's names."""
        head = source.head_text
        return head.lstrip()[:1] == "[" and all(sign in head for sign in _SIGNS)

    def read(self, source: Source) -> Iterator[Item]:
        """Give one row a result. Raises ImportFileError."""
        content = source.json
        if not isinstance(content, list):
            raise ImportFileError(f"{source.name} holds a {type(content).__name__}, expected a list of results.")
        yield Note(CITATION)
        for position, record in enumerate(content):
            yield take_row(f"/{position}", record, _make_row)


def _make_row(place: str, record: Any) -> ImportedRow:
    if not isinstance(record, dict):
        raise RowError(f"a {type(record).__name__}, expected an object.")
    round_ = read_round(read_text(record.get("version")) or read_text(record.get("ID")))
    return make_row(Entry(place=place, fields=record, names=_NAMES, round_=round_, **read_fields(record, _COLUMNS)))


importers.add(SummaryImporter.name, SummaryImporter())
