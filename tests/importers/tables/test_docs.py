"""docs/importing-tables.md says what the code does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from assay.core.words import Status
from assay.importers.base import ImportedRow, Importer, Item, Note
from assay.importers.tables.mapping import MappingForm, MetricForm

TEXT = (Path(__file__).parents[3] / "docs" / "importing-tables.md").read_text(encoding="utf-8")


def first_cells(heading: str, end: str) -> set[str]:
    section = TEXT.partition(heading)[2].partition(end)[0]
    return set(re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE))


def test_every_key_has_a_row() -> None:
    assert first_cells("### Keys", "An entry of `metrics`:") == set(MappingForm.model_fields)
    assert first_cells("An entry of `metrics`:", "### A worked example") == set(MetricForm.model_fields)


def test_every_format_has_a_row(own_importers: dict[str, Importer]) -> None:
    assert first_cells("# Importing tables", "## What is read how") - {"--format"} == set(own_importers)


def test_the_worked_example(
    read_items: Callable[..., list[Item]],
    rows_of: Callable[[list[Item]], list[ImportedRow]],
    values_of: Callable[[ImportedRow], dict[str, float | None]],
) -> None:
    (table,) = re.findall(r"```csv\n(.*?)```", TEXT, re.DOTALL)
    (mapping,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    items = read_items("csv", table, mapping=mapping)
    one, eight, failed = rows_of(items)
    assert one.case.label == "bert/base onnxruntime A100 fp16 b1"
    assert values_of(one) == {"latency_ns.median": 2.1e6, "latency_ns.p95": 2.4e6, "average_power_w.mean": 180.0}
    assert values_of(eight)["average_power_w.mean"] is None
    assert (failed.status, failed.reason) == (Status.FAILED, "CUDA out of memory")
    assert isinstance(items[-1], Note)
