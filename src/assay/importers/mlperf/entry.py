"""One published inference result into one row: the same rules whatever file it stands in.

A result is of a whole system. What one accelerator does is derived from it and marked so. May import: core, catalog,
importers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from assay.core.case import ForeignCase
from assay.core.words import Mark, Mode, Status
from assay.importers.base import ImportedRow, RowError
from assay.importers.mlperf.fields import read_flag, read_precision, read_text, short
from assay.importers.mlperf.units import (
    JUDGED_PERCENTILE,
    OPEN_LOOP,
    SAMPLES_PER_QUERY,
    Unit,
    read_scenario,
    read_unit,
)
from assay.importers.numbers import Numbers, read_count, read_number

CITATION = (
    "MLPerf is a trademark of MLCommons. Whoever shows a result names round, division, submitter, system, benchmark, "
    "scenario, result ID and where and when it was retrieved, says whether MLCommons verified it, and compares it with "
    "MLPerf results only. Numbers per accelerator are derived by assay and are no MLPerf metric "
    "(docs/importing-mlperf.md)."
)
_POWER = {"watts": ("average_power_w", "W"), "millijoules": ("energy_j_per_call", "mJ")}
_INFERRED = "MLPerf's submission checker computed the result from the run of another scenario, which the rules allow"
_ACCURACY_UNITS = {"acc": "%", "f1": "%", "auc": "%", "map": "%", "dice": "1"}
"""Scores with a meaning as a share, by the name they have in MLCommons' own files."""
_ACCURACY_UNITS_OF_MODELS = {
    "resnet": "%", "bert": "%", "retinanet": "%", "rnnt": "%", "dlrm": "%", "ssd": "%", "3d-unet": "1",
}  # fmt: skip
"""The same for files that leave the name out: the first score of a model (rnnt: 100 - word error rate)."""
_MOST_UNITS = 1_000_000
_NAMED = re.compile(r"([A-Za-z_]\w*)\s*:\s*([0-9.eE+-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A result as its file has it: text cells are None where they say nothing, numbers are still raw.

    ``names`` gives the file's own names of ``result``, ``units``, ``power``, ``accuracy``, ``accelerators``, ``nodes``.
    """

    place: str
    fields: Mapping[str, Any]
    names: Mapping[str, str]
    round_: str | None
    model: str | None
    scenario: str | None
    result: object
    units: str | None
    units_fixed: str | None = None
    division: str | None = None
    suite: str | None = None
    submitter: str | None = None
    system: str | None = None
    platform: str | None = None
    availability: str | None = None
    model_used: str | None = None
    accelerator: str | None = None
    accelerators_per_node: object = None
    nodes: object = None
    processor: str | None = None
    software: str | None = None
    precision: str | None = None
    accuracy: str | None = None
    power: object = None
    power_units: str | None = None
    is_inferred: bool = False
    verdict: str | None = None


_READ: Mapping[str, Callable[[object], object]] = {
    **dict.fromkeys(("result", "accelerators_per_node", "nodes", "power"), lambda raw: raw),
    "precision": read_precision,
    "is_inferred": read_flag,
}
"""How a field of an entry is read that is no text."""


def read_fields(record: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """Read fields of an entry, each from the column that a file has it in; a column that is absent says nothing."""
    return {field: _READ.get(field, read_text)(record.get(column)) for field, column in columns.items()}


def make_row(entry: Entry) -> ImportedRow:
    """Make the row of a result. Raises RowError where the result is absent or makes no sense."""
    if entry.model is None:
        raise RowError("the row names no model.")
    scenario = read_scenario(entry.scenario)
    unit = read_unit(entry.units, model=entry.model, scenario=scenario, round_=entry.round_, fixed=entry.units_fixed)
    accelerators = _read_units(entry.accelerators_per_node, entry.names["accelerators"])
    nodes = _read_units(entry.nodes, entry.names["nodes"])
    numbers = Numbers()
    marks: dict[Mark, str] = {}
    if unit.correction is not None:
        marks[Mark.CORRECTED] = unit.correction
    if entry.is_inferred:
        marks[Mark.DERIVED] = _INFERRED
    value = _add_result(numbers, entry, scenario, unit)
    if unit.time is None:
        share = _share(value, accelerators, nodes)
        _derive_share(numbers, entry, share, accelerators)
        if share is not None:
            formula = f"throughput_per_accelerator_per_s = result / ({accelerators} accelerators x {nodes} nodes)"
            marks[Mark.DERIVED] = "; ".join(filter(None, (marks.get(Mark.DERIVED), formula)))
    _add_power(numbers, entry)
    _add_accuracy(numbers, entry)
    is_invalid = (entry.verdict or "").casefold().startswith("invalid")
    device = entry.accelerator or entry.processor
    return ImportedRow(
        place=entry.place,
        case=_make_case(entry, scenario, device, accelerators, nodes),
        status=Status.FAILED if is_invalid else Status.OK,
        reason=f"the source says {entry.verdict}" if is_invalid else None,
        metrics=tuple(numbers.metrics),
        conversions=numbers.conversions,
        fields=entry.fields,
        hardware=device,
        units_per_call=SAMPLES_PER_QUERY.get(scenario),
        unit_of_work=unit.work or "sample",
        marks=marks,
    )


def _make_case(
    entry: Entry, scenario: str, device: str | None, accelerators: int | None, nodes: int | None
) -> ForeignCase:
    engine = short(entry.software)
    return ForeignCase.make(
        workload=entry.model or "",
        engine=engine,
        device=device,
        mode=Mode.SERVING,
        precision=entry.precision,
        options={
            "accelerators_per_node": accelerators,
            "availability": entry.availability and entry.availability.casefold(),
            "division": entry.division,
            "inferred": True if entry.is_inferred else None,
            "model_used": entry.model_used if entry.model_used != entry.model else None,
            "nodes": nodes,
            "platform": entry.platform,
            "round": entry.round_,
            "scenario": scenario,
            "software": entry.software if engine is None else None,
            "submitter": entry.submitter,
            "suite": entry.suite,
            "system": entry.system,
        },
    )


def _add_result(numbers: Numbers, entry: Entry, scenario: str, unit: Unit) -> float:
    raw = read_number(entry.result)
    if not raw:
        raise RowError(f"{entry.names['result']}: there is no result ({entry.result!r}).")
    field = entry.names["result"]
    note = _INFERRED if entry.is_inferred else None
    if unit.time is not None:
        value = numbers.add("latency_ns", raw, field=field, unit=unit.time, stat=JUDGED_PERCENTILE[scenario], note=note)
    elif scenario in OPEN_LOOP and unit.work == "query":
        value = numbers.add("serving_rate_per_s", raw, field=field, unit="1/s", note=note)
    else:
        value = numbers.add("throughput_per_s", raw, field=field, unit="1/s", note=note)
    if value is None:  # not for the numbers that get here, but the reader of one says so only by its type
        raise RowError(f"{field}: there is no result ({entry.result!r}).")
    return value


def _read_units(raw: object, field: str) -> int | None:
    count = read_count(raw)
    if count is not None and count > _MOST_UNITS:
        raise RowError(f"{field}: {count:.3g} is more than any system has.")
    return count


def _share(value: float, accelerators: int | None, nodes: int | None) -> float | None:
    return value / (accelerators * nodes) if accelerators and nodes else None


def _derive_share(numbers: Numbers, entry: Entry, share: float | None, accelerators: int | None) -> None:
    how = f"{entry.names['result']} / ({entry.names['accelerators']} x {entry.names['nodes']})"
    if share is None:
        gap = "no number of them" if entry.accelerator is not None and accelerators is None else "none"
        how = f"{how}; of accelerators the source names {gap}"
    numbers.derive("throughput_per_accelerator_per_s", share, field=entry.names["result"], how=how)


def _add_power(numbers: Numbers, entry: Entry) -> None:
    if read_number(entry.power) is None:
        return
    known = _POWER.get((entry.power_units or "").casefold())
    if known is None:
        unit = (entry.power_units or "")[:20]
        raise RowError(f"{entry.names['power']}: {unit!r} is no unit of power, expected Watts or millijoules.")
    metric, unit = known
    numbers.add(metric, entry.power, field=entry.names["power"], unit=unit, note="of the whole system, MLPerf Power")


def _add_accuracy(numbers: Numbers, entry: Entry) -> None:
    """Add a score that is a share. Several scores, and those that are none (ROUGE, CLIP), stay in the fields."""
    if entry.accuracy is None or entry.model is None:
        return
    named = _NAMED.findall(entry.accuracy)
    if len(named) == 1:
        unit, raw = _ACCURACY_UNITS.get(named[0][0].casefold()), named[0][1]
    elif not named:
        model = entry.model
        raw = entry.accuracy
        unit = next((unit for name, unit in _ACCURACY_UNITS_OF_MODELS.items() if model.startswith(name)), None)
    else:
        return
    if unit is None:
        return
    field = entry.names["accuracy"]
    value = numbers.add("accuracy", raw, field=field, unit=unit)
    if value is not None and value > 1:
        raise RowError(f"{field}: an accuracy of {raw} {unit} is more than all.")
