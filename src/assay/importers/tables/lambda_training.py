"""Lambda's training throughputs: a GPU configuration a row, a task a column.

``pytorch-train-throughput-fp16.csv`` and its kin of lambdal/deeplearning-benchmark. What a task counts is that of
NVIDIA's DeepLearningExamples, whose training scripts it runs. A 0 stands for "not run, or failed", and ``watt`` and
``price`` are list values of the GPUs, no measurements, so they stay among the fields. The tables of batch sizes there
have the same header, and only the name of a file tells the two apart. May import: core, catalog, importers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Mode, Status
from assay.importers.base import ImportedRow, ImportFileError, Item, Note, importers
from assay.importers.numbers import Numbers, read_number
from assay.importers.source import Source
from assay.importers.tables.cells import need_text, read_size, take_row

_SHARED = ("name_gpu", "num_gpu", "watt", "price")
_UNITS = {
    "ssd": "image",
    "resnet50": "image",
    "maskrcnn": "image",
    "bert_base_squad": "sequence",
    "bert_large_squad": "sequence",
    "gnmt": "token",
    "transformerxlbase": "token",
    "transformerxllarge": "token",
    "ncf": "sample",
    "tacotron2": "mel frame",
    "waveglow": "audio sample",
}
_BATCH_SIZES = re.compile(r"[-_]bs[-_.]")
_PRECISION = re.compile(r"[-_](fp16|fp32)\b")
_NOT_RUN = "the source says {value}, which stands for not run or failed"


class LambdaTraining:
    """Training throughput by GPU configuration and task."""

    name = "lambda-training"
    title = "Lambda's training throughputs (CSV)"

    def recognise(self, source: Source) -> bool:
        """True for this header in a file that calls its numbers throughputs."""
        return source.mapping is None and source.csv_header[:4] == _SHARED and "throughput" in _file_name(source)

    def read(self, source: Source) -> Iterator[Item]:
        """Give one row for each task of each configuration. Raises ImportFileError for a table of batch sizes."""
        name = _file_name(source)
        if _BATCH_SIZES.search(name):
            raise ImportFileError(
                f"{source.name} holds batch sizes, no results.", hint="Import pytorch-train-throughput-*.csv instead."
            )
        if source.csv_header[:4] != _SHARED:
            raise ImportFileError(f"{source.name} does not begin with the columns {', '.join(_SHARED)}.")
        found = _PRECISION.search(name)
        precision = found[1] if found else None
        yield Note(f"The precision, {precision}, is from the file's name." if precision else "No precision is said.")
        tasks = source.csv_header[4:]
        for number, record in source.csv_rows():
            for task in tasks:
                cell = {**{shared: record[shared] for shared in _SHARED}, task: record[task]}
                yield take_row(f"row {number}, column {task}", cell, lambda place, cell: _build(place, cell, precision))


def _file_name(source: Source) -> str:
    return re.split(r"[/\\!]", source.name)[-1].casefold()


def _build(place: str, cell: Mapping[str, Any], precision: str | None) -> ImportedRow:
    task = next(name for name in cell if name not in _SHARED)
    value = read_number(cell[task])
    # -1 is what the source's own script begins with.
    missing = value in (None, 0.0, -1.0)
    reason = _NOT_RUN.format(value=repr(cell[task])) if missing else None
    numbers = Numbers()
    numbers.add("throughput_per_s", None if missing else value, field=task, unit="1/s", note=reason)
    return ImportedRow(
        place,
        ForeignCase.make(
            workload=task,
            engine="torch",
            device=need_text(cell, "name_gpu"),
            mode=Mode.TRAINING,
            precision=precision,
            options={"accelerators": read_size(cell, "num_gpu")},
        ),
        Status.SKIPPED if missing else Status.OK,
        reason,
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=cell,
        unit_of_work=_UNITS.get(task),
    )


importers.add(LambdaTraining.name, LambdaTraining())
