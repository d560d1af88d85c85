"""Results as a table: what each case is, its numbers, and whether to believe them; the table of nearly every report.

Columns are chosen by what the results have: no column is empty, and a statistic or phase that is not the usual one
stands in the heading. May import: core, catalog, report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from assay.catalog.launch_metrics import COSTS, FIDELITY, MEMORY, usual_stat
from assay.core.records import MetricValue, ResultRecord
from assay.core.words import Fidelity, Mode, Precision, Status
from assay.report.cells import (
    cell_unit,
    choose_metric,
    device_cell,
    known_unit,
    metric_cell,
    metric_column,
    metric_title,
    result_ref,
    what_to_know,
    workload_cell,
)
from assay.report.values import Cell, Column, Table
from assay.store.schema import HEADLINE_PHASE

_FIRST = (
    "latency_ns", "throughput_per_s", "time_to_first_token_ns", "time_per_output_token_ns", "serving_rate_per_s",
    "time_to_train_ns", "device_memory_peak_bytes", "memory_peak_bytes", "model_bytes", "energy_net_j_per_sample",
)  # fmt: skip
"""Metrics that a table of results has a column for wherever one of them has a value, in this order."""
_ELSEWHERE = frozenset({*COSTS, *MEMORY, *FIDELITY, "export_ns", "fidelity_tolerance", "cpu_time_ns"}) - frozenset(
    _FIRST
)
"""Metrics that reports on a run have tables of their own for."""
_MOST_METRICS = 7
"""More columns of numbers than these are not read; a table of all numbers has the rest."""
_WHAT_IT_WAS_ASKED = {
    "workload": "What is computed: a family at a size",
    "engine": "The software that executed it",
    "device": "The device it was told to use",
    "mode": "The kind of work that is timed",
    "precision": "Arithmetic asked for; in brackets what really ran, where that is another",
    "batch": "Inputs in one call",
    "settings": "Dimensions of the inputs and options of the engine",
    "hardware": "The hardware it ran on: what would have to be bought to repeat it",
}


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A metric that gets a column: which statistic and phase of it; None is the usual one."""

    name: str
    stat: str | None = None
    phase: str | None = None

    @property
    def column(self) -> Column:
        """Its column, with what is not usual in the heading."""
        if known_unit(self.name) is None:
            return Column(self._key, self._title)
        return metric_column(self.name, self.stat, key=self._key, title=self._title)

    def cell(self, result: ResultRecord, *, is_beside_verdict: bool = False) -> Cell:
        """Its cell for one result; see ``metric_cell``."""
        return metric_cell(result, self.name, self.stat, self.phase, is_beside_verdict=is_beside_verdict)

    @property
    def _key(self) -> str:
        return ".".join(filter(None, (self.name, self.stat, self.phase)))

    @property
    def _title(self) -> str:
        title = metric_title(self.name, self.stat)
        return title if self.phase is None else f"{title} ({self.phase})"


# -- the case --------------------------------------------------------------------------------------------------


def case_columns(results: Sequence[ResultRecord], *, with_hardware: bool = False) -> tuple[Column, ...]:
    """The columns that say what each result measured; those that are empty or say nothing are left out.

    ``with_hardware`` adds the hardware class, for results of more than one machine.
    """
    cases = [result.case for result in results]
    keys = ["workload"]
    keys += ["engine"] if any(case.engine for case in cases) else []
    keys += ["device"] if any(case.device for case in cases) else []
    keys += ["mode"] if any(case.mode is not Mode.INFERENCE for case in cases) else []
    keys += ["precision"] if any(case.precision for case in cases) else []
    keys += ["batch"] if any(case.batch is not None for case in cases) else []
    keys += ["settings"] if any(case.shape or case.options for case in cases) else []
    keys += ["hardware"] if with_hardware else []
    return tuple(Column(key, key, description=_WHAT_IT_WAS_ASKED[key]) for key in keys)


def case_cells(result: ResultRecord, columns: Sequence[Column]) -> tuple[Cell, ...]:
    """The cells of one result under ``case_columns``. What its source does not say is missing, with that reason."""
    return tuple(_case_cell(result, column.key) for column in columns)


def _case_cell(result: ResultRecord, key: str) -> Cell:
    case = result.case
    if key == "workload":
        return workload_cell(case.workload)
    if key == "hardware":
        return device_cell(result.hardware)
    if key == "mode":
        return Cell(case.mode.value)
    if key == "settings":
        return Cell(settings_text(result) or "")
    value = {"engine": case.engine, "device": case.device, "batch": case.batch, "precision": precision_text(result)}[
        key
    ]
    return Cell(value, reason="its source does not say" if value is None else None)


def precision_text(result: ResultRecord) -> str | None:
    """The precision asked for, and in brackets the one that really ran, where that is another: ``fp16 (ran bf16)``."""
    asked, ran = result.case.precision, result.effective_precision
    if asked is None:
        return ran
    is_other = ran is not None and ran != asked and ran in {one.value for one in Precision}
    return f"{asked} (ran {ran})" if is_other else str(asked)


def settings_text(result: ResultRecord) -> str | None:
    """Dimensions and options in words: ``seq 128, threads 2``; None where there are none."""
    parts = [f"{name} {size}" for name, size in result.case.shape]
    parts += [f"{name} {value}" for name, value in result.case.options]
    return ", ".join(parts) or None


# -- how it went -----------------------------------------------------------------------------------------------


def verdict_cell(result: ResultRecord) -> Cell:
    """Whether to believe a result: its verdict with the reasons, or how it ended where that is not well."""
    if result.status is not Status.OK:
        said = result.reason or "no reason recorded"
        return Cell(result.status.text, reason=said, ref=result_ref(result))
    if not result.is_usable:
        return Cell("left out", reason=what_to_know(result), is_usable=False, ref=result_ref(result))
    if result.verdict is None:
        return Cell(reason="no noise was recorded", ref=result_ref(result))
    reasons = "; ".join(result.verdict_reasons) or None
    return Cell(result.verdict.value, verdict=result.verdict, reason=reasons, ref=result_ref(result))


def launches_cell(result: ResultRecord) -> Cell:
    """How many launches ended well, of those that were planned."""
    if not result.launches_planned:
        return Cell(reason="its source does not say")
    return Cell(f"{result.launches_ok} of {result.launches_planned}")


def fidelity_cell(result: ResultRecord) -> Cell:
    """Whether the answers are right, with the reason where they are not, or where that is not known."""
    if result.fidelity is None:
        return Cell(reason=result.fidelity_reason or "nothing to compare the answers with")
    return Cell(result.fidelity.value, reason=result.fidelity_reason, is_usable=result.fidelity is not Fidelity.FAILED)


# -- the table -------------------------------------------------------------------------------------------------


def choose_metrics(results: Sequence[ResultRecord], *, most: int = _MOST_METRICS) -> tuple[NumberColumn, ...]:
    """The metrics that a table of these results has columns for: the headlines, then what most of them have.

    A metric whose values all are of one other statistic says so in its heading; one in several phases has a column for
    each of them.
    """
    counts: Counter[tuple[str, str | None]] = Counter()
    phases: dict[str, set[str]] = {}
    for result in results:
        for one in result.metrics:
            if one.value is not None:
                phases.setdefault(one.name, set()).add(one.phase)
    for result in results:
        for name, phase in {(one.name, one.phase) for one in result.metrics if one.value is not None}:
            counts[name, phase if _needs_phase(phases[name]) else None] += 1
    order = {name: place for place, name in enumerate(_FIRST)}
    wanted = [pair for pair in counts if pair[0] not in _ELSEWHERE]
    found = sorted(
        wanted or counts, key=lambda pair: (order.get(pair[0], len(order)), -counts[pair], pair[0], pair[1] or "")
    )
    return tuple(NumberColumn(name, _stat_of(results, name, phase), phase) for name, phase in found[:most])


def results_table(
    results: Sequence[ResultRecord],
    *,
    key: str = "results",
    title: str = "Results",
    metrics: Sequence[NumberColumn] | None = None,
    with_hardware: bool = False,
    caption: str = "",
    limit: int | None = None,
) -> Table:
    """One row a result, in the order given: the case, the metrics, launches and verdict.

    What is the same in every row (the engine, say) stands last, so that a narrow screen shows what differs. ``metrics``
    None are those of ``choose_metrics``. ``limit`` cuts rows off, which the table then says.
    """
    chosen = choose_metrics(results) if metrics is None else tuple(metrics)
    cases, shared = _part_columns(results, case_columns(results, with_hardware=with_hardware))
    has_launches = any(result.launches_planned for result in results)
    has_fidelity = any(result.fidelity is not None or result.fidelity_reason for result in results)
    has_verdict = has_launches or any(not result.is_usable for result in results)
    columns = [*cases, *(one.column for one in chosen)]
    columns += [Column("fidelity", "fidelity", description="Whether the answers are right")] if has_fidelity else []
    columns += [Column("launches", "launches", description="Launches that ended well")] if has_launches else []
    columns += [Column("verdict", "verdict", description="Whether to believe it")] if has_verdict else []
    columns += shared
    shown = results if limit is None else results[:limit]
    rows = []
    for result in shown:
        cells = [*case_cells(result, cases), *(one.cell(result, is_beside_verdict=has_verdict) for one in chosen)]
        cells += [fidelity_cell(result)] if has_fidelity else []
        cells += [launches_cell(result)] if has_launches else []
        cells += [verdict_cell(result)] if has_verdict else []
        cells += case_cells(result, shared)
        rows.append(tuple(cells))
    left_out = len(results) - len(shown)
    return Table(
        key, title, tuple(columns), tuple(rows), caption, rows_left_out=left_out, when_empty="There are no results."
    )


def _part_columns(
    results: Sequence[ResultRecord], columns: Sequence[Column]
) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """The columns of the case in which results differ, and those that say the same of all. The workload leads."""
    if len(results) == 1:
        return tuple(columns), ()
    values = {column.key: {_case_cell(result, column.key).value for result in results} for column in columns}
    differing = tuple(one for one in columns if one.key == "workload" or len(values[one.key]) > 1)
    return differing, tuple(one for one in columns if one not in differing)


NUMBER_COLUMNS = (
    Column("case", "case", description="What was measured"),
    Column("metric", "metric", is_code=True, description="Its name in the registry"),
    Column("phase", "phase", description="Which part of the work it is of"),
    Column("stat", "statistic", description="Which statistic of it"),
    Column("value", "value"),
)


def numbers_table(
    results: Sequence[ResultRecord], *, key: str = "numbers", title: str = "Every number", limit: int | None = None
) -> Table:
    """One row for each number of each result, also those that are missing: what ``assay show --json`` gives."""
    pairs = [(result, metric) for result in results for metric in result.metrics]
    shown = pairs if limit is None else pairs[:limit]
    left_out = len(pairs) - len(shown)
    return Table(
        key, title, NUMBER_COLUMNS, tuple(_number_row(result, metric) for result, metric in shown),
        rows_left_out=left_out, when_empty="There are no numbers.",
    )  # fmt: skip


def _number_row(result: ResultRecord, metric: MetricValue) -> tuple[Cell, ...]:
    value = Cell(
        metric.value,
        provenance=None if metric.value is None else result.provenance,
        verdict=None if metric.value is None else result.verdict,
        lo=metric.ci_lo,
        hi=metric.ci_hi,
        n=metric.n,
        reason=metric.reason or (None if metric.value is not None else "no value"),
        unit=cell_unit(result, metric) or metric.unit,
        is_usable=result.is_usable,
        ref=result_ref(result),
    )
    case = Cell(result.case.label, ref=result_ref(result))
    return (case, Cell(metric.name), Cell(metric.phase), Cell(metric.stat), value)


def _needs_phase(phases: set[str]) -> bool:
    return len(phases) > 1 and HEADLINE_PHASE not in phases


def _stat_of(results: Sequence[ResultRecord], name: str, phase: str | None) -> str | None:
    """The statistic that all values are of, where it is not the usual one; None where it is, or where they differ."""
    chosen = (choose_metric(result, name, None, phase) for result in results)
    stats = {one.stat for one in chosen if one is not None and one.value is not None}
    only = stats.pop() if len(stats) == 1 else None
    return None if only in (None, usual_stat(name)) else only
