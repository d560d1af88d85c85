"""From records to cells and columns: the one way in which a number of the store enters a table.

Every report kind builds its cells here, so that value, interval, count, provenance, verdict and reason always travel
together. May import: core, catalog, store, report.values.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from assay.catalog.launch_metrics import usual_stat
from assay.catalog.metrics import metrics as registry
from assay.core.records import MetricValue, ResultRecord, RunRecord
from assay.core.words import Direction, Fidelity, Provenance, Status, Verdict
from assay.report.values import Cell, Column, Ref, RefKind
from assay.store.schema import HEADLINE_PHASE, headline_columns

_STATS = ("median", "mean", "p50", "p90", "p99", "min", "max")
"""Which statistic of a metric stands for it where the usual one is not there: the first of these."""
_TITLES = {
    "latency_ns": "latency",
    "throughput_per_s": "throughput",
    "memory_peak_bytes": "memory",
    "device_memory_peak_bytes": "device memory",
    "device_memory_driver_bytes": "device memory (driver)",
    "memory_load_peak_bytes": "memory while loading",
    "first_infer_ns": "first call",
    "compile_cached_ns": "compile (cached)",
    "model_bytes": "model size",
    "spawn_ns": "start of process",
    "energy_j_per_sample": "energy per sample",
    "energy_net_j_per_sample": "net energy per sample",
    "energy_j_per_call": "energy per call",
    "energy_net_j_per_call": "net energy per call",
    "fidelity_max_relative_error": "largest error",
    "fidelity_mean_relative_error": "mean error",
    "fidelity_cosine": "cosine similarity",
    "fidelity_top1_agreement": "same answer (top 1)",
    "fidelity_tolerance": "tolerance",
    "macs": "MACs",
}
_UNIT_ENDINGS = ("_per_s", "_ns", "_bytes", "_j", "_w")
_RATE = "1/s"
_WORDS_OF_WORK = {"sample": "samples", "token": "tokens"}


# -- what a cell leads to --------------------------------------------------------------------------------------


def result_ref(result: ResultRecord) -> Ref:
    """Lead to a result."""
    return Ref(RefKind.RESULT, result.result_id)


def run_ref(run: RunRecord | str) -> Ref:
    """Lead to a run, given as record or id."""
    return Ref(RefKind.RUN, run if isinstance(run, str) else run.run_id)


def series_ref(series_id: str) -> Ref:
    """Lead to the history of a series."""
    return Ref(RefKind.SERIES, series_id)


def run_cell(run: RunRecord | str) -> Cell:
    """A run by the end of its id, which is what a person types."""
    run_id = run if isinstance(run, str) else run.run_id
    return Cell(short_id(run_id), ref=Ref(RefKind.RUN, run_id))


def device_cell(hardware: str | None) -> Cell:
    """A hardware class, leading to its page."""
    if hardware is None:
        return Cell(reason="its source does not say on what")
    return Cell(hardware, ref=Ref(RefKind.DEVICE, hardware))


def workload_cell(workload: str) -> Cell:
    """A workload by name, leading to its page."""
    return Cell(workload, ref=Ref(RefKind.WORKLOAD, workload))


def short_id(identity: str) -> str:
    """The last eight characters: the random end of a UUIDv7, which people can type."""
    return identity[-8:]


# -- numbers ---------------------------------------------------------------------------------------------------


def choose_metric(
    result: ResultRecord, name: str, stat: str | None = None, phase: str | None = None
) -> MetricValue | None:
    """Return the value of a result that answers to a metric's name; None where it has none.

    ``stat`` None is the usual one (median; of memory the maximum), else the first that the result has of median, mean
    and so on, since imported results have what their source took. ``phase`` None is the steady one, else the only one.
    """
    found = [one for one in result.metrics if one.name == name and stat in (None, one.stat)]
    if phase is not None:
        found = [one for one in found if one.phase == phase]
    elif len({one.phase for one in found}) > 1:
        found = [one for one in found if one.phase == HEADLINE_PHASE]
    usual = usual_stat(name)
    return min(found, key=lambda one: (one.value is None, one.stat != usual, _preference(one.stat)), default=None)


def metric_cell(
    result: ResultRecord,
    name: str,
    stat: str | None = None,
    phase: str | None = None,
    *,
    is_beside_verdict: bool = False,
) -> Cell:
    """One number of a result with all that is to be known of it, leading to the result.

    See ``choose_metric`` for ``stat`` and ``phase``. A result that failed, or lacks the number, gives a cell without a
    value and with the reason. ``is_beside_verdict`` is for tables with a ``verdict_cell`` in the row, which says once
    what would else be said with every number: what disturbed it, why it is left out.
    """
    found = choose_metric(result, name, stat, phase)
    if found is None or found.value is None:
        return Cell(reason=why_no_number(result, found), is_usable=result.is_usable, ref=result_ref(result))
    wanted = stat or usual_stat(name)
    other = None if found.stat == wanted else f"{found.stat}: it has no {wanted}"
    known = None if is_beside_verdict else what_to_know(result)
    return Cell(
        found.value,
        provenance=result.provenance,
        verdict=result.verdict,
        lo=found.ci_lo,
        hi=found.ci_hi,
        n=found.n,
        reason="; ".join(filter(None, (other, found.reason, known))) or None,
        unit=cell_unit(result, found),
        is_usable=result.is_usable,
        ref=result_ref(result),
    )


def headline_cell(row: Mapping[str, Any], name: str) -> Cell:
    """The same from a row of the view ``results`` or ``latest``, for metrics with columns of their own.

    The row needs ``name`` with its ``_lo``, ``_hi`` and ``_n``, and of ``provenance, verdict, usable, status, reason,
    result_id, unit_of_work`` those that are known. A row of the wide form never makes a record, so it is what tables of
    many results are built with.
    """
    value, low, high, count = (row.get(column) for column in headline_columns(name))
    ref = None if row.get("result_id") is None else Ref(RefKind.RESULT, row["result_id"])
    is_usable = row.get("usable") is not False
    if value is None:
        status = row.get("status") or Status.OK.value
        why = (
            "not measured"
            if status == Status.OK.value
            else f"{Status(status).text}: {row.get('reason') or 'no reason'}"
        )
        return Cell(reason=why, is_usable=is_usable, ref=ref)
    word = row.get("verdict")
    unit = registry.get(name).unit
    return Cell(
        value,
        provenance=Provenance(row.get("provenance") or Provenance.MEASURED.value),
        verdict=None if word is None else Verdict(word),
        lo=low,
        hi=high,
        n=count,
        unit=work_unit(row.get("unit_of_work")) if unit == _RATE else None,
        is_usable=is_usable,
        ref=ref,
    )


def why_no_number(result: ResultRecord, found: MetricValue | None = None) -> str:
    """Why a result lacks a number: how it ended, else what is said of the number."""
    if result.status is not Status.OK:
        return f"{result.status.text}: {result.reason or 'no reason recorded'}"
    if found is not None:
        return found.reason or "no value"
    return "not measured" if result.provenance is Provenance.MEASURED else "its source does not say"


def what_to_know(result: ResultRecord) -> str | None:
    """What else is to be known before a result's numbers are used: disturbances, marks, wrong answers."""
    said = [f"{mark}: {why}" for mark, why in result.marks.items()]
    if result.fidelity is Fidelity.FAILED:
        said.insert(0, f"its answers are wrong: {result.fidelity_reason or 'fidelity failed'}")
    if result.verdict not in (None, Verdict.TRUSTED):
        said = [*result.verdict_reasons, *said]
    return "; ".join(said) or None


def cell_unit(result: ResultRecord, metric: MetricValue) -> str | None:
    """What stands in for the column's unit: the work that a throughput counts, or a source's own unit; else None."""
    if metric.name == "throughput_per_s" and metric.unit == _RATE:
        return work_unit(result.unit_of_work)
    return None if metric.unit == known_unit(metric.name) else metric.unit


@functools.cache
def known_unit(name: str) -> str | None:
    """The registry's unit of a metric; None for one that it does not have."""
    return registry.get(name).unit if name in registry.names() else None


def work_unit(unit_of_work: str | None) -> str | None:
    """``sample`` -> ``samples/s``; None where the work is not known."""
    return None if not unit_of_work else f"{_WORDS_OF_WORK.get(unit_of_work, unit_of_work)}/s"


# -- columns ---------------------------------------------------------------------------------------------------


def metric_column(name: str, stat: str | None = None, *, key: str | None = None, title: str | None = None) -> Column:
    """The column of a metric: its unit, which way is better, and what it is, from the registry.

    ``key`` is ``name`` or ``name.stat`` unless given. Raises UnknownNameError for a metric that nobody knows.
    """
    known = registry.get(name)
    return Column(
        key or (name if stat is None else f"{name}.{stat}"),
        title or metric_title(name, stat),
        unit=known.unit,
        direction=known.direction,
        description=f"{known.description}: {stat or usual_stat(name)}, {known.formula}",
    )


def metric_title(name: str, stat: str | None = None) -> str:
    """A metric in words, as a heading: ``latency``, ``latency p99``, ``time to first token``."""
    words = _TITLES.get(name)
    if words is None:
        ending = next((one for one in _UNIT_ENDINGS if name.endswith(one) and name != one), "")
        words = name.removesuffix(ending).replace("_", " ")
    return words if stat in (None, usual_stat(name)) else f"{words} {stat}"


def direction_of(name: str) -> Direction:
    """Which way is better. Raises UnknownNameError."""
    return registry.get(name).direction


def _preference(stat: str) -> int:
    return _STATS.index(stat) if stat in _STATS else len(_STATS)
