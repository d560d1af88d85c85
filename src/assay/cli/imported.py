"""The table of an imported run: others' numbers, which statistic each is, and what is to be known of every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from assay.cli.output import make_console, new_table, short_id
from assay.core.records import ImportRecord, MetricValue, ResultRecord, RunRecord
from assay.core.units import MISSING, format_bytes, format_duration_ns, format_significant
from assay.core.words import Status

if TYPE_CHECKING:
    from rich.table import Table

_MOST_ROWS = 60
_MOST_NUMBERS = 2
_STATS = ("median", "mean", "p50", "p90", "p99", "min", "max")
"""Which statistic of a metric is shown where a row has several: the first of these."""


def print_imported(
    run: RunRecord, results: Sequence[ResultRecord], record: ImportRecord | None, *, store_location: str
) -> None:
    """Print the rows of one imported file and, below, where they come from."""
    console = make_console()
    title = f"{run.suite} · run {short_id(run.run_id)} · imported, not measured here"
    console.print(imported_table(results[:_MOST_ROWS], title=title))
    lines = []
    if len(results) > _MOST_ROWS:
        lines.append(f"the first {_MOST_ROWS} of {len(results)} rows; all of them: assay export {short_id(run.run_id)}")
    marks = Counter(mark for result in results for mark in result.marks)
    lines += [
        f"{count} {mark.value}" + (", left out of every aggregate" if mark.excludes else "")
        for mark, count in sorted(marks.items())
    ]
    if record is not None:
        lines += record.notes
        refused = f", {record.rows_refused} refused" if record.rows_refused else ""
        lines.append(f"from {record.source} (sha256 {record.sha256[:12]}): {record.rows_taken} rows taken{refused}")
    lines.append(f"kept in {store_location}")
    for line in lines:
        console.print(Text(line, style="dim"), soft_wrap=True)


def imported_table(results: Sequence[ResultRecord], *, title: str) -> Table:
    """One row a result; columns that no row fills are left out."""
    table = new_table(title)
    columns: dict[str, Sequence[str | Text]] = {
        "workload": [result.case.workload for result in results],
        "engine": [result.case.engine or MISSING for result in results],
        "device": [result.case.device or MISSING for result in results],
        "precision": [str(result.case.precision or MISSING) for result in results],
        "batch": [str(result.case.batch or MISSING) for result in results],
        "case": [_rest(result) for result in results],
        "numbers": [_numbers(result) for result in results],
        "marks": [", ".join(mark.value for mark in result.marks) or MISSING for result in results],
        "status": [_status(result) for result in results],
    }
    shown = {name: cells for name, cells in columns.items() if any(str(cell) != MISSING for cell in cells)}
    for name in shown:
        table.add_column(name, overflow="fold", justify="right" if name == "batch" else "left")
    for cells in zip(*shown.values(), strict=True):
        table.add_row(*cells)
    return table


def _rest(result: ResultRecord) -> str:
    """Shape and options, in words."""
    parts = [f"{name} {size}" for name, size in result.case.shape]
    parts += [f"{name} {value}" for name, value in result.case.options]
    return ", ".join(parts) or MISSING


def _numbers(result: ResultRecord) -> str:
    """The first metrics that have a value, each in one statistic, which is said."""
    by_name: dict[str, list[MetricValue]] = {}
    for metric in result.metrics:
        if metric.value is not None:
            by_name.setdefault(metric.name, []).append(metric)
    chosen = [min(metrics, key=_preference) for metrics in by_name.values()]
    shown = [_number(metric, result.unit_of_work) for metric in chosen[:_MOST_NUMBERS]]
    more = len(chosen) - _MOST_NUMBERS
    return "; ".join([*shown, *([f"{more} more"] if more > 0 else [])]) or MISSING


def _preference(metric: MetricValue) -> int:
    return _STATS.index(metric.stat) if metric.stat in _STATS else len(_STATS)


def _number(metric: MetricValue, unit_of_work: str | None) -> str:
    name = metric.name.removesuffix("_ns").removesuffix("_bytes").removesuffix("_per_s").replace("_", " ")
    if metric.unit == "ns":
        value = format_duration_ns(metric.value)
    elif metric.unit == "B":
        value = format_bytes(metric.value)
    else:
        unit = f"{unit_of_work or 'units'}/s" if metric.unit == "1/s" else "" if metric.unit == "1" else metric.unit
        value = f"{format_significant(metric.value or 0.0)} {unit}".strip()
    return f"{name} {value} ({metric.stat})"


def _status(result: ResultRecord) -> Text:
    if result.status is Status.OK:
        return Text("ok")
    reason = f": {result.reason}" if result.reason else ""
    return Text(f"{result.status.text}{reason}"[:200], style="red" if result.status.is_failure else "dim")
