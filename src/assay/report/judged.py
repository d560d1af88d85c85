"""Targets held against results, as blocks: the scorecard, one target on one case a row.

May import: core, analysis, catalog, report.
"""

from __future__ import annotations

from collections.abc import Iterator

from assay.analysis.targets import FEWEST_KNOWN_SHARE, GRADES, Met, Outcome, TargetReport
from assay.catalog.targets import LARGEST, OVER_SEVERAL, SAVING, Bound
from assay.core.words import Direction
from assay.report.cells import device_cell, metric_title
from assay.report.display import format_number
from assay.report.values import Cell, Column, Facts, Ref, RefKind, Table, Text, Tone
from assay.report.wording import agree, name_some, plural, sentence

_SIGNS = {"<=": "≤", ">=": "≥"}
_ORDER = (Met.FAIL, Met.UNKNOWN, Met.PASS)
_GRADES = ", ".join(f"{grade} from {least:g}" for grade, least in GRADES)


def scorecard_facts(report: TargetReport) -> Facts:
    """The score, the grade, and how many targets are met, missed and not known."""
    why = f"less than {format_number(FEWEST_KNOWN_SHARE, 'share')} of the weight is known"
    score = Cell(reason=why) if report.score is None else Cell(report.score, unit="of 100")
    items = [
        ("score", score),
        ("grade", Cell(report.grade, reason=why if report.grade is None else f"{_GRADES}; an A also takes no failure")),
        *((_word(met), Cell(report.count(met), unit="count")) for met in Met),
        ("weight that is known", Cell(report.known_share, unit="share")),
    ]
    return Facts("score", "Score", tuple(items))


def groups_table(report: TargetReport) -> Table | None:
    """Score and grade of each group of targets, in the order of the suite; None where there are no groups."""
    if not report.groups:
        return None
    why = f"less than {format_number(FEWEST_KNOWN_SHARE, 'share')} of the weight is known"
    columns = (
        Column("group", "group", description="The heading that the targets have in the suite"),
        Column("score", "score", unit="of 100", direction=Direction.HIGHER),
        Column("grade", "grade"),
        *(Column(met.value, _word(met), unit="count") for met in Met),
        Column("known", "weight known", unit="share"),
    )
    rows = tuple(
        (
            Cell(one.name),
            Cell(reason=why) if one.score is None else Cell(one.score),
            Cell(one.grade, reason=why if one.grade is None else None),
            *(Cell(one.met[met]) for met in Met),
            Cell(one.known_share),
        )
        for one in report.groups
    )
    return Table("groups", "Scores by group", columns, rows)


def targets_table(report: TargetReport, *, limit: int | None = None) -> Table:
    """One row for each target on each case, missed ones first; a value in each row's own unit."""
    ordered = sorted(report.outcomes, key=lambda one: (_ORDER.index(one.met), -(1.0 - (one.credit or 0.0))))
    shown = ordered if limit is None else ordered[:limit]
    left_out = len(ordered) - len(shown)
    has_missed = any(one.met is Met.FAIL for one in shown)
    has_weights = len({one.target.weight for one in shown}) > 1
    has_groups = bool(report.groups)
    columns = [
        *([Column("group", "group", description="The heading that it is scored under")] if has_groups else []),
        Column("target", "target", description="As it was written, or its name"),
        Column("case", "case"),
        Column("hardware", "hardware"),
        Column("met", "met", description="pass, fail or unknown"),
        Column("value", "value", description="What was measured, with its 95 % interval"),
        Column("bound", "bound"),
    ]
    if has_missed:
        columns.append(
            Column("distance", "off by", "ratio", description="The value over the bound, where it is missed")
        )
    about = "What it gives to the score"
    columns.append(Column("credit", "credit", unit="share", direction=Direction.HIGHER, description=about))
    columns += [Column("weight", "weight", unit="1")] if has_weights else []
    rows = tuple(
        (
            *([Cell(one.target.group)] if has_groups else []),
            *_row(one, has_missed=has_missed, has_weights=has_weights),
        )
        for one in shown
    )
    return Table(
        "targets", "Targets", tuple(columns), rows,
        rows_left_out=left_out, when_empty="There are no targets.",
    )  # fmt: skip


def targets_words(report: TargetReport) -> Iterator[Text]:
    """The scorecard in sentences."""
    counts = {met: report.count(met) for met in Met}
    said = f"{counts[Met.PASS]} of {plural(len(report.outcomes), 'target')} {agree(counts[Met.PASS], 'is')} met"
    open_ones = f"{counts[Met.UNKNOWN]} not known" if counts[Met.UNKNOWN] else None
    score = (
        "too little is known for a score"
        if report.score is None
        else f"score {format_number(report.score)} of 100, grade {report.grade}"
    )
    tone = Tone.BAD if counts[Met.FAIL] else Tone.WARNING if counts[Met.UNKNOWN] else Tone.GOOD
    yield Text((sentence(said, open_ones, score),), tone)
    missed = [one for one in report.outcomes if one.met is Met.FAIL]
    if missed:
        worst = sorted(missed, key=lambda one: one.credit or 0.0)
        yield Text((f"Missed: {name_some(f'{one.target.label} by {one.case_label}' for one in worst)}.",))
    close = [one for one in report.outcomes if one.is_close]
    if close:
        names = name_some(f"{one.target.label} of {one.case_label}" for one in close)
        yield Text((f"The bound lies within the interval of {names}: another run may judge otherwise.",))


def bound_text(bound: Bound) -> str:
    """``latency p99 ≤ 50.0 ms``; of several results ``speedup onnxruntime/torch ≥ 1.20``, ``largest batch ≥ 128``."""
    sign = _SIGNS.get(bound.sign, bound.sign)
    number = format_number(bound.bound, _unit(bound))
    if bound.metric in OVER_SEVERAL:
        return f"{bound.metric} {bound.size or f'{bound.new}/{bound.old}'} {sign} {number}"
    counted = f" {bound.counted}" if bound.counted else ""
    return f"{metric_title(bound.metric, bound.stat)} {sign} {number}{counted}"


def _unit(bound: Bound) -> str:
    """What a bound is shown in: of memory saved a percentage, of the largest size a whole number."""
    return {SAVING: "share", LARGEST: "count"}.get(bound.metric, bound.unit)


def _row(one: Outcome, *, has_missed: bool, has_weights: bool) -> tuple[Cell, ...]:
    refs = one.result_ids
    ref = Ref(RefKind.RESULT, refs[0]) if refs else None
    reason = "; ".join(filter(None, ("the bound lies within the interval" if one.is_close else None, one.reason)))
    unit = _unit(one.bound)
    value = (
        Cell(reason=one.reason or "not known", ref=ref)
        if one.value is None
        else Cell(one.value, one.provenance, lo=one.lo, hi=one.hi, unit=unit, reason=reason or None, ref=ref)
    )
    credit = Cell(reason="not known, so it gives nothing and takes nothing") if one.credit is None else Cell(one.credit)
    return (
        Cell(one.target.label),
        Cell(one.case_label, ref=ref),
        device_cell(one.hardware) if one.hardware else Cell(reason="no case"),
        Cell(one.met.value, is_usable=True, reason=one.reason if one.met is Met.UNKNOWN else None),
        value,
        Cell(bound_text(one.bound)),
        *([_distance(one)] if has_missed else []),
        credit,
        *([Cell(one.target.weight)] if has_weights else []),
    )


def _distance(one: Outcome) -> Cell:
    if one.met is not Met.FAIL:
        return Cell("")
    if one.value is None or one.value <= 0 or one.bound.bound <= 0:
        return Cell(reason="no ratio can be given")
    return Cell(one.value / one.bound.bound)


def _word(met: Met) -> str:
    return {Met.PASS: "met", Met.FAIL: "missed", Met.UNKNOWN: "not known"}[met]
