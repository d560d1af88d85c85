"""Findings of checks as tables and as a report of their own: what is worse, by how much, and how sure that is.

May import: core, analysis, report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from assay import __version__
from assay.analysis.values import CheckReport
from assay.catalog.metrics import metrics as registry
from assay.core.records import FindingRecord
from assay.core.words import Change, Direction, Provenance
from assay.report.cells import metric_title, run_cell, run_ref, short_id
from assay.report.compared import change_cell
from assay.report.display import format_interval
from assay.report.how_to_read import how_to_read
from assay.report.values import Cell, Column, Facts, Ref, RefKind, Report, Section, Table, Text, Tone
from assay.report.wording import count_words, name_some, number_words, plural, sentence

WORST_FIRST = (
    Change.REGRESSED, Change.FAILED, Change.MISSING, Change.SUSPECT, Change.INCONCLUSIVE, Change.INCOMPARABLE,
    Change.NEW, Change.IMPROVED, Change.UNCHANGED,
)  # fmt: skip
"""The order in which a person should read findings."""
_BY_HISTORY = "prediction-interval"
"""The rule whose limits say what was to be expected, and not how sure the ratio is."""
_COLUMNS = (
    Column("change", "verdict"),
    Column("case", "case"),
    Column("hardware", "hardware"),
    Column("number", "number"),
    Column("before", "before"),
    Column("now", "now"),
    Column("ratio", "change", unit="ratio", description="Now over before"),
    Column("expected", "expected", description="Limits within which its history lets the next value fall"),
    Column("against", "held against"),
    Column("run", "run"),
    Column("muted", "muted"),
)


def report_of_check(checked: CheckReport, *, time: datetime | None = None, limit: int | None = None) -> Report:
    """Return a check as a report."""
    facts = [
        ("suite", Cell(checked.suite)),
        ("run", run_cell(checked.run_id)),
        ("held against", Cell(checked.against)),
        ("series expected", Cell(checked.expected, unit="count")),
    ]
    facts += [("commit", Cell(checked.git_commit))] if checked.git_commit else []
    if checked.reference_run_id is not None:
        facts.append(("reference", run_cell(checked.reference_run_id)))
    if checked.environment_break is not None:
        facts.append(("environment", Cell(checked.environment_break)))
    return Report(
        kind="check",
        title=f"Check of {checked.suite}, run {short_id(checked.run_id)}",
        generated_at=time or checked.created_at,
        assay_version=__version__,
        summary=tuple(findings_words(checked.findings)),
        scope=(("run", f"{checked.suite}, {checked.run_id}"), ("against", checked.against)),
        sections=(
            Section("findings", "Findings", (findings_table(checked.findings, limit=limit),)),
            Section("origin", "What was checked", (Facts("check", "The check", tuple(facts)), *_notes(checked))),
        ),
        how_to_read=how_to_read("change", "floor"),
        ref=run_ref(checked.run_id),
    )


def findings_table(
    findings: Sequence[FindingRecord], *, key: str = "findings", title: str = "Findings", limit: int | None = None
) -> Table:
    """One row a finding, worst first and muted ones last."""
    ordered = sort_findings(findings)
    shown = ordered if limit is None else ordered[:limit]
    left_out = len(ordered) - len(shown)
    return Table(
        key, title, _COLUMNS, tuple(map(_row, shown)),
        rows_left_out=left_out, when_empty="No check has found anything yet: `assay check` makes one.",
    )  # fmt: skip


def sort_findings(findings: Sequence[FindingRecord]) -> list[FindingRecord]:
    """Worst first: by verdict, then by how far from 1 the ratio is; those that are muted last."""
    return sorted(
        findings,
        key=lambda one: (
            one.muted is not None,
            WORST_FIRST.index(one.change),
            -max(one.ratio or 1.0, 1 / (one.ratio or 1.0)),
            one.case_label,
        ),
    )


def findings_words(findings: Sequence[FindingRecord]) -> Iterator[Text]:
    """Findings in sentences: how many of which verdict, and the alarms by name."""
    heard = [one for one in findings if one.muted is None]
    counts = Counter(one.change for one in heard)
    muted = len(findings) - len(heard)
    if not findings:
        yield Text(("Nothing was checked yet.",))
        return
    said = count_words({word.value: counts[word] for word in WORST_FIRST})
    tone = Tone.BAD if counts[Change.REGRESSED] or counts[Change.FAILED] else Tone.PLAIN
    tone = Tone.WARNING if tone is Tone.PLAIN and any(one.change.is_alarm for one in heard) else tone
    tone = Tone.GOOD if set(counts) == {Change.UNCHANGED} else tone
    yield Text((sentence(f"Of {plural(len(findings), 'finding')}: {said}", f"{muted} muted" if muted else None),), tone)
    alarms = sort_findings([one for one in heard if one.change.is_alarm])
    if alarms:
        yield Text((f"To be looked at: {name_some(_alarm(one) for one in alarms)}.",), tone)


def _alarm(one: FindingRecord) -> str:
    by = "" if one.ratio is None else f", {number_words(one.ratio, 'ratio')}"
    return f"{one.case_label} ({one.change}{by})"


def _row(one: FindingRecord) -> tuple[Cell, ...]:
    known = one.metric in registry.names()
    title = metric_title(one.metric, one.stat) if known else f"{one.metric} {one.stat}"
    by_history = one.method == _BY_HISTORY
    nothing = one.reasons[0] if one.reasons else "there was nothing to compare"
    result = None if one.result_id is None else Ref(RefKind.RESULT, one.result_id)
    ratio = (
        Cell(reason=nothing)
        if one.ratio is None
        else Cell(
            one.ratio,
            Provenance.MEASURED,
            lo=None if by_history else one.ci_lo,
            hi=None if by_history else one.ci_hi,
            n=one.launches,
            change=one.change,
            reason=_direction_words(one),
        )
    )
    return (
        change_cell(one.change, one.reasons),
        Cell(one.case_label, ref=Ref(RefKind.SERIES, one.series_id)),
        Cell(one.hardware, reason=None if one.hardware else "not known"),
        Cell(title),
        _value(one.reference_value, one, None, nothing),
        _value(one.value, one, result, nothing),
        ratio,
        Cell(_limits(one)) if by_history and _limits(one) else Cell(""),
        Cell(f"{one.against} ({one.reference_n})" if one.reference_n else one.against),
        run_cell(one.run_id),
        Cell(one.muted or ""),
    )


def _value(value: float | None, one: FindingRecord, ref: Ref | None, nothing: str) -> Cell:
    if value is None:
        return Cell(reason=nothing, ref=ref)
    return Cell(value, Provenance.MEASURED, unit=one.unit, ref=ref)


def _limits(one: FindingRecord) -> str | None:
    return format_interval(one.ci_lo, one.ci_hi, "ratio")


def _direction_words(one: FindingRecord) -> str | None:
    if one.is_worse is None or one.change is Change.UNCHANGED:
        return None
    direction = registry.get(one.metric).direction if one.metric in registry.names() else Direction.NEITHER
    return None if direction is Direction.NEITHER else "worse" if one.is_worse else "better"


def _notes(checked: CheckReport) -> Iterator[Text]:
    if checked.notes:
        yield Text(checked.notes)
