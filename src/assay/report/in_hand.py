"""What a person has in hand as a report: results, a run, a comparison, a check, a history, a scorecard.

May import: core, analysis, store, report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from assay import __version__
from assay.analysis.targets import TargetReport
from assay.analysis.trend import Trend
from assay.analysis.values import CheckReport, CompareReport
from assay.core.records import ResultRecord, RunRecord
from assay.report.cells import result_ref, run_ref, short_id
from assay.report.checked import report_of_check
from assay.report.compared import report_of_comparison
from assay.report.judged import scorecard_facts, targets_table, targets_words
from assay.report.results_table import case_columns, numbers_table, precision_text, results_table, verdict_cell
from assay.report.run_facts import run_facts
from assay.report.traced import report_of_trend
from assay.report.values import Cell, Facts, Report, Section
from assay.report.wording import plural, short_name
from assay.store.results import ResultSet

MOST_ROWS = 50
"""Results that are shown of a set: a cell of a notebook is no report."""


def report_of(value: object, *, time: datetime | None = None) -> Report | None:
    """Return a value as a report; None for one of a kind that has none. ``time`` is when, for tests."""
    if isinstance(value, Report):
        return value
    for kind, build in _BUILDERS.items():
        if isinstance(value, kind):
            return build(value, time or datetime.now(UTC))
    return None


def report_of_results(results: ResultSet | Sequence[ResultRecord], *, time: datetime) -> Report:
    """Return results as a report: a table of the newest, and how many there are."""
    if isinstance(results, ResultSet):
        total = results.count_rows()
        shown: Sequence[ResultRecord] = results.newest(MOST_ROWS).records
    else:
        total, shown = len(results), results[-MOST_ROWS:]
    several = len({one.hardware for one in shown}) > 1
    table = results_table(list(reversed(shown)), title="Results", with_hardware=several)
    title = f"The newest {len(shown)} of {plural(total, 'result')}" if total > len(shown) else plural(total, "result")
    return Report(
        kind="results", title=f"{title[:1].upper()}{title[1:]}", generated_at=time, assay_version=__version__,
        sections=(Section("results", "Results", (table,)),) if total else (),
    )  # fmt: skip


def report_of_result(result: ResultRecord, *, time: datetime) -> Report:
    """Return one result as a report: what it is, whether to believe it, and every number."""
    columns = case_columns([result], with_hardware=True)
    case = result.case
    known = {
        "engine": case.engine, "device": case.device, "precision": precision_text(result), "batch": case.batch,
        "hardware": result.hardware, "mode": case.mode.value,
    }  # fmt: skip
    items = [(column.key, Cell(known[column.key])) for column in columns if known.get(column.key) is not None]
    items += [(name, Cell(size)) for name, size in case.shape]
    items += [(name, Cell(value)) for name, value in case.options]
    items.append(("verdict", verdict_cell(result)))
    items.append(("provenance", Cell(result.provenance.value)))
    items += [("source", Cell(result.source))] if result.source else []
    items += [(str(mark), Cell(why)) for mark, why in result.marks.items()]
    return Report(
        kind="result",
        title=short_name(case.label),
        generated_at=time,
        assay_version=__version__,
        scope=(("run", short_id(result.run_id)),),
        sections=(
            Section("result", "Result", (Facts("result", "Result", tuple(items)),)),
            Section("numbers", "Every number", (numbers_table([result]),)),
        ),
        ref=result_ref(result),
    )


def report_of_run(run: RunRecord, *, time: datetime) -> Report:
    """Return the row of a run as a report. What it measured takes the store: ``build_report(store, "run", ...)``."""
    return Report(
        kind="run",
        title=f"{short_name(run.suite)}, run {short_id(run.run_id)}",
        generated_at=time,
        assay_version=__version__,
        sections=(Section("run", "The run", (run_facts(run),)),),
        ref=run_ref(run),
    )


def report_of_targets(judged: TargetReport, *, time: datetime) -> Report:
    """Return a scorecard as a report."""
    return Report(
        kind="targets",
        title="Targets",
        generated_at=time,
        assay_version=__version__,
        summary=tuple(targets_words(judged)),
        sections=(Section("targets", "Scorecard", (scorecard_facts(judged), targets_table(judged))),),
    )


_BUILDERS: dict[type, Callable[..., Report]] = {
    ResultSet: lambda value, time: report_of_results(value, time=time),
    ResultRecord: lambda value, time: report_of_result(value, time=time),
    RunRecord: lambda value, time: report_of_run(value, time=time),
    CompareReport: lambda value, time: report_of_comparison(value, time=time),
    CheckReport: lambda value, time: report_of_check(value, time=time),
    Trend: lambda value, time: report_of_trend(value, time=time),
    TargetReport: lambda value, time: report_of_targets(value, time=time),
}
