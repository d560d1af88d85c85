"""A check as a person reads it, worst first, and as rows for ``--json`` and ``--csv``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from rich.text import Text

from assay.ci.lines import format_change, format_interval, format_value
from assay.ci.words import MEANINGS, WORST_FIRST
from assay.cli.output import make_console, new_table, short_id
from assay.core.records import FindingRecord
from assay.core.units import MISSING
from assay.core.words import Change

if TYPE_CHECKING:
    from rich.table import Table

    from assay.analysis.values import CheckReport

FINDING_COLUMNS = ("number", *(one.name for one in fields(FindingRecord) if one.name != "schema_version"))
_STYLES = {
    Change.REGRESSED: "bold red",
    Change.FAILED: "red",
    Change.MISSING: "red",
    Change.SUSPECT: "yellow",
    Change.INCONCLUSIVE: "yellow",
    Change.IMPROVED: "green",
    Change.UNCHANGED: "dim",
    Change.NEW: "cyan",
    Change.INCOMPARABLE: "cyan",
}
_MOST_ROWS = 40
_MOST_REASONS = 24
_SMALLEST_P = 0.001


def report_row(report: CheckReport, exit_code: int) -> dict[str, Any]:
    """A whole check as plain values."""
    return {
        "check_id": report.check_id, "run_id": report.run_id, "created_at": report.created_at, "suite": report.suite,
        "against": report.against, "expected": report.expected, "git_commit": report.git_commit,
        "git_branch": report.git_branch, "git_dirty": report.git_dirty, "reference_run_id": report.reference_run_id,
        "reference_git_commit": report.reference_git_commit, "environment_break": report.environment_break,
        "counts": {change.value: count for change, count in report.counts().items()}, "exit_code": exit_code,
        "notes": list(report.notes), "findings": finding_rows(report),
    }  # fmt: skip


def finding_rows(report: CheckReport) -> list[dict[str, Any]]:
    """One row a finding, by the names of the store's columns; ``number`` is what accept and mute take."""
    return [
        {"number": number, **{name: getattr(one, name) for name in FINDING_COLUMNS[1:]}}
        for number, one in enumerate(report.findings, start=1)
    ]


def print_check(report: CheckReport, *, everything: bool = False) -> None:
    """Print the table, why each verdict is what it is, and one sentence for the whole."""
    console = make_console()
    shown = _choose_rows(report.findings, everything=everything)
    if shown:
        console.print(_table(report, shown))
    hidden = len(report.findings) - len(shown)
    if hidden:
        console.print(Text(f"and {hidden} more, none of them an alarm (--all lists them)", style="dim"))
    for line in _reasons(shown):
        console.print(Text(f"  {line}", style="yellow"), soft_wrap=True)
    console.print(Text(summarise(report), style="bold"), soft_wrap=True)
    for line in _closing(report):
        console.print(Text(line, style="dim"), soft_wrap=True)


def summarise(report: CheckReport) -> str:
    """Return the check in a sentence: how many of which verdict, and what with it was compared."""
    series = {(one.series_id, one.metric) for one in report.findings}
    muted = sum(one.muted is not None for one in report.findings)
    counts = report.counts()
    told = [f"{counts[change]} {change}" for change in WORST_FIRST if change in counts]
    if muted:
        told.append(f"{muted} of them muted")
    found = ", ".join(told) or "nothing to judge"
    if report.environment_break is not None:
        found += f"; a break in the environment, not a regression ({report.environment_break})"
    noun = "series" if len({one.metric for one in report.findings}) <= 1 else "numbers"
    return ". ".join([f"{len(series)} {noun} against {report.against}: {found}", *report.notes]) + "."


def _choose_rows(findings: Sequence[FindingRecord], *, everything: bool) -> list[tuple[int, FindingRecord]]:
    """Number the findings and leave out what a person need not read: of many the unchanged, but never an alarm."""
    numbered = list(enumerate(findings, start=1))
    if everything or len(numbered) <= _MOST_ROWS:
        return numbered
    alarms = sum(one.change.is_alarm for one in findings)
    return numbered[: max(alarms, _MOST_ROWS)]


def _table(report: CheckReport, shown: Sequence[tuple[int, FindingRecord]]) -> Table:
    findings = [one for _, one in shown]
    shared, labels = _split_labels([one.case_label for one in findings])
    has_metrics = len({(one.metric, one.stat) for one in findings}) > 1
    metric = "" if has_metrics else f" · {_metric(findings[0])}"
    table = new_table(f"{report.suite} · run {short_id(report.run_id)} against {report.against}{metric}")
    table.caption_justify = "left"
    if shared:
        table.caption = Text(f"all cases: {shared}")
    headers = ["#", "case", *(["metric"] if has_metrics else []), "was", "now", "change", "limits", "p", "q", "n"]
    for header in headers:
        is_text = header in {"case", "metric"}
        table.add_column(header, justify="left" if is_text else "right", overflow="fold", no_wrap=not is_text)
    table.add_column("verdict", overflow="fold", min_width=12)
    for (number, one), label in zip(shown, labels, strict=True):
        verdict = Text(one.change.value, style=_STYLES[one.change])
        if one.muted is not None:
            verdict.append(" (muted)", style="dim")
        table.add_row(
            str(number), label, *([_metric(one)] if has_metrics else []), format_value(one.reference_value, one.unit),
            format_value(one.value, one.unit), format_change(one).replace(" (worse)", ""), format_interval(one),
            _format_p(one.p), _format_p(one.q), str(one.reference_n or MISSING), verdict,
        )  # fmt: skip
    return table


def _reasons(shown: Iterable[tuple[int, FindingRecord]]) -> list[str]:
    lines = []
    for number, one in shown:
        said = [*one.reasons, *([f"muted: {one.muted}"] if one.muted is not None else [])]
        if said:
            lines.append(f"{number}: {'; '.join(said)}")
    more = len(lines) - _MOST_REASONS
    return [*lines[:_MOST_REASONS], *([f"and {more} more reasons (--json has them)"] if more > 0 else [])]


def _closing(report: CheckReport) -> Iterable[str]:
    alarms = [one.change for one in report.alarms()]
    for change in (one for one in WORST_FIRST if one in alarms):
        yield f"{change}: {MEANINGS[change]}"
    if alarms:
        yield "a level that is meant to be: assay accept NUMBER REASON · nobody is to be told: assay mute NUMBER REASON"


def _metric(finding: FindingRecord) -> str:
    from assay.catalog.launch_metrics import usual_stat

    return finding.metric if finding.stat == usual_stat(finding.metric) else f"{finding.metric}.{finding.stat}"


def _format_p(value: float | None) -> str:
    if value is None:
        return MISSING
    return f"<{_SMALLEST_P:g}" if value < _SMALLEST_P else f"{value:.3f}".removeprefix("0")


def _split_labels(labels: Sequence[str]) -> tuple[str, list[str]]:
    """Take out the words that every label has, but for the first of each: ``cpu fp32 b1``, and what is left."""
    words = [label.split() for label in labels]
    if len(set(labels)) <= 1:  # a case by itself has nothing to share
        return "", list(labels)
    shared = [word for word in words[0][1:] if all(word in others for others in words)]
    return " ".join(shared), [" ".join(word for word in one if word not in shared) for one in words]
