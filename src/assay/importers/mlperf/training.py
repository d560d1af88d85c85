"""One result of MLPerf Training into one row: minutes until the target quality was reached, by a whole system.

May import: core, catalog, importers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Mark, Mode
from assay.importers.base import ImportedRow, RowError
from assay.importers.mlperf.fields import read_text, short
from assay.importers.mlperf.units import read_round
from assay.importers.numbers import Numbers, read_count, read_number

RESULT = "minutes_olympic_mean"
_MINUTES = frozenset({"min", "min.", "minutes"})
_OLYMPIC = "mean of the runs without the fastest and the slowest"
_COMPUTED = (
    "computed from the logs by whoever collected the table ({how}); the scaling and the penalties that MLCommons "
    "applies to runs that converge faster than its reference were not, so the published result may differ slightly"
)


def make_training_row(place: str, record: Mapping[str, Any]) -> ImportedRow:
    """Make the row of a result. Raises RowError where the result is absent or makes no sense."""
    numbers = Numbers()
    runs, successes = read_count(record.get("n_runs")), read_count(record.get("n_success"))
    _add_times(numbers, record, successes)
    accelerators = read_count(record.get("accelerators_total"))
    device = read_text(record.get("accelerator")) or read_text(record.get("cpu"))
    return ImportedRow(
        place=place,
        case=_make_case(record, device, accelerators),
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=record,
        hardware=device,
        marks={} if runs is None else {Mark.UNVERIFIED: _COMPUTED.format(how=f"{_OLYMPIC}, of {runs}")},
    )


def _add_times(numbers: Numbers, record: Mapping[str, Any], n: int | None) -> None:
    unit = (read_text(record.get("units")) or "").casefold()
    if unit not in _MINUTES:
        raise RowError(f"{record.get('units')!r} is not minutes, the unit of MLPerf Training.")
    if not read_number(record.get(RESULT)):
        raise RowError(f"{RESULT}: there is no result ({record.get(RESULT)!r}).")
    numbers.add("time_to_train_ns", record[RESULT], field=RESULT, unit="min", n=n, note=_OLYMPIC)
    for stat, name in (("min", "minutes_min"), ("max", "minutes_max")):
        if read_number(record.get(name)) is not None:
            numbers.add("time_to_train_ns", record[name], field=name, unit="min", stat=stat, n=n)


def _make_case(record: Mapping[str, Any], device: str | None, accelerators: int | None) -> ForeignCase:
    def text(name: str) -> str | None:
        return read_text(record.get(name))

    model = text("benchmark")
    if model is None:
        raise RowError("the row names no benchmark.")
    framework = text("framework")
    engine = short(framework)
    return ForeignCase.make(
        workload=model,
        engine=engine,
        device=device,
        mode=Mode.TRAINING,
        options={
            "accelerators": accelerators,
            "division": text("division"),
            "global_batch_size": read_count(record.get("global_batch_size")),
            "nodes": read_count(record.get("nodes")),
            "round": read_round(text("round")),
            "software": framework if engine is None else None,
            "submitter": text("submitter"),
            "system": text("system"),
        },
    )
