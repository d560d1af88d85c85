"""``summary_results.json``: every result of a round of MLPerf Inference, as MLCommons' repositories of results have it.

A list of objects, one a result; ``a#`` counts accelerators per node. May import: core, catalog, importers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from assay.importers.base import ImportFileError, Item, Note, RowError, importers
from assay.importers.mlperf.entry import CITATION, Entry, make_row
from assay.importers.mlperf.fields import read_flag, read_precision, read_text, refuse
from assay.importers.mlperf.units import read_round
from assay.importers.source import Source

_SIGNS = ('"Submitter"', '"Scenario"', '"Performance_Result"', '"Performance_Units"')
_NAMES = {
    "result": "Performance_Result", "units": "Performance_Units", "power": "Power_Result", "accuracy": "Accuracy",
    "accelerators": "a#", "nodes": "Nodes",
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
            place = f"/{position}"
            try:
                row = make_row(_read_entry(place, record))
            except RowError as error:
                yield refuse(place, error, record)
            else:
                yield row


def _read_entry(place: str, record: Any) -> Entry:
    if not isinstance(record, dict):
        raise RowError(f"a {type(record).__name__}, expected an object.")

    def text(name: str) -> str | None:
        return read_text(record.get(name))

    return Entry(
        place=place,
        fields=record,
        names=_NAMES,
        round_=read_round(text("version") or text("ID")),
        model=text("Model"),
        model_used=text("UsedModel"),
        scenario=text("Scenario"),
        result=record.get("Performance_Result"),
        units=text("Performance_Units"),
        division=text("Category"),
        suite=text("Suite"),
        submitter=text("Submitter"),
        system=text("System"),
        platform=text("Platform"),
        availability=text("Availability"),
        accelerator=text("Accelerator"),
        accelerators_per_node=record.get("a#"),
        nodes=record.get("Nodes"),
        processor=text("Processor"),
        software=text("Software"),
        precision=read_precision(record.get("weight_data_types")),
        accuracy=text("Accuracy"),
        power=record.get("Power_Result"),
        power_units=text("Power_Units"),
        is_inferred=read_flag(record.get("inferred")),
    )


importers.add(SummaryImporter.name, SummaryImporter())
