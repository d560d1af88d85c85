"""A comparison as a report: ratios with their intervals and verdicts, the mean of them, and what the sides are.

The report kind, web pages and notebooks draw the same. May import: core, catalog, analysis, report.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime

from assay import __version__
from assay.analysis.values import CompareReport, Comparison, Side
from assay.catalog.launch_metrics import usual_stat
from assay.core.words import Change, Direction
from assay.report.cells import metric_title, run_cell, short_id
from assay.report.figures.comparison import draw_comparison
from assay.report.how_to_read import how_to_read
from assay.report.values import Cell, Column, Figure, Ref, RefKind, Report, Section, Source, Table, Text, Tone
from assay.report.wording import count_words, join_and, name_some, number_words, plural, sentence, short_name

_RATIO = "ratio"
_TWO = 2
"""Sides: the baseline and one more. From three on a row says which side it is of."""
_MOST_FIGURES = 4
"""Sides that get a picture of their own."""
_TIMES_AND_RATES = ("ns", "1/s")
_NOT_COMPARED = (Change.NEW, Change.MISSING, Change.FAILED, Change.INCOMPARABLE)


def report_of_comparison(
    compared: CompareReport,
    *,
    time: datetime,
    scope: Sequence[tuple[str, str]] = (),
    sources: Sequence[Source] = (),
    limit: int | None = None,
) -> Report:
    """Return a comparison as a report. ``limit`` bounds the rows of the table."""
    labels = [short_name(side.label) for side in compared.sides]
    varied = tuple(("differ on purpose", ", ".join(compared.varied)) for _ in range(bool(compared.varied)))
    return Report(
        kind="comparison",
        title=f"{_capital(metric_title(compared.metric, compared.stat))}: {join_and(labels[1:])} beside {labels[0]}",
        generated_at=time,
        assay_version=__version__,
        summary=tuple(_summary(compared)),
        scope=(*scope, ("number", f"{compared.metric} {compared.stat}"), *varied),
        sections=(
            Section("comparisons", "Case by case", (*_figures(compared), comparisons_table(compared, limit=limit))),
            *([means] if (means := means_section(compared)) else []),
            Section("sides", "What the sides are", (sides_table(compared.sides), Text(tuple(_how_made(compared))))),
        ),
        sources=tuple(sources),
        how_to_read=how_to_read("change", "floor", "ratio"),
    )


def comparisons_table(compared: CompareReport, *, limit: int | None = None) -> Table:
    """One row for each case and each side beside the baseline: both values, their ratio, and the verdict."""
    has_sides = len(compared.sides) > _TWO
    word = "slower" if compared.unit in _TIMES_AND_RATES else "worse"
    other = "that side" if has_sides else short_name(compared.sides[1].label)
    columns = [
        Column("case", "case", description="What was measured on both sides"),
        *([Column("side", "side")] if has_sides else []),
        _value_column(compared, "baseline", short_name(compared.sides[0].label)),
        _value_column(compared, "value", other),
        Column(_RATIO, "change", unit=_RATIO, direction=compared.direction, description=f"{other} over the first side"),
        Column(
            "speedup", "times better", unit="1", direction=Direction.HIGHER, description="By the metric's direction"
        ),
        Column("p_worse", f"P({word})", unit="share", description=f"Probability that a launch of {other} is {word}"),
        Column("floor", "floor", unit="share", description="The smallest change that counts here"),
        Column("launches", "launches", description="Of the first side and of the other"),
        Column("verdict", "verdict"),
        Column("needed", "would decide", description="Launches a side that would decide where it is open"),
    ]
    shown = compared.comparisons if limit is None else compared.comparisons[:limit]
    left_out = len(compared.comparisons) - len(shown)
    return Table(
        "comparisons", "Case by case", tuple(columns),
        tuple(_comparison_row(one, compared, has_sides=has_sides) for one in shown),
        caption="The ratio is of typical launch to typical launch, with its 95 % interval.",
        rows_left_out=left_out, when_empty="The sides have no case in common.",
    )  # fmt: skip


def means_section(compared: CompareReport) -> Section | None:
    """The geometric mean over the cases of each side; None where no side has two cases that were compared."""
    means = [mean for mean in compared.means if mean.n >= _TWO]
    if not means:
        return None
    columns = (
        Column("side", "side"),
        Column(_RATIO, "geometric mean", unit=_RATIO, direction=compared.direction),
        Column("speedup", "times better", unit="1", direction=Direction.HIGHER),
        Column("cases", "cases", description="That were compared, of those that the sides have"),
    )
    rows = tuple(
        (
            Cell(compared.sides[mean.side].label),
            Cell(mean.ratio, compared.sides[mean.side].provenance, lo=mean.lo95, hi=mean.hi95, n=mean.n),
            _times_better(mean.ratio, compared.direction),
            Cell(f"{mean.n} of {mean.of}"),
        )
        for mean in means
    )
    note = "The interval is of the mean over these cases; it says nothing of others."
    table = Table("means", "Over all cases", columns, rows, notes=(note,))
    return Section("means", "Over all cases", (table,))


def sides_table(sides: Sequence[Side]) -> Table:
    """What each side really is: runs, hardware, commit, and the facts in which they differ."""
    names = list(dict.fromkeys(name for side in sides for name, _ in side.described))
    has_commit = "commit" not in names  # where the commits differ, they are among the facts
    columns = (
        Column("side", "side"),
        Column("run", "run"),
        Column("hardware", "hardware"),
        *([Column("commit", "commit", is_code=True)] if has_commit else []),
        Column("provenance", "provenance"),
        *(Column(f"fact-{place}", name) for place, name in enumerate(names, start=1)),
    )
    rows = tuple(
        (
            Cell(side.label),
            run_cell(side.run_ids[0]) if len(side.run_ids) == 1 else Cell(", ".join(map(short_id, side.run_ids))),
            Cell(", ".join(side.hardware) or None, reason=None if side.hardware else "not known"),
            *([_commit_cell(side)] if has_commit else []),
            Cell(side.provenance.value),
            *(_fact_cell(side, name) for name in names),
        )
        for side in sides
    )
    notes = ("Beside hardware and commit, only facts in which the sides differ are shown.",) if names else ()
    return Table("sides", "What the sides are", columns, rows, notes=notes)


def change_cell(change: Change, reasons: Sequence[str] = ()) -> Cell:
    """A verdict of a comparison, with its reasons."""
    return Cell(change.value, change=change, reason="; ".join(reasons) or None)


def _figures(compared: CompareReport) -> Iterator[Figure]:
    sides = range(1, len(compared.sides))[:_MOST_FIGURES]
    for side in sides:
        yield draw_comparison(compared, side=side, key="comparison" if len(sides) == 1 else f"comparison-{side}")


# -- rows ------------------------------------------------------------------------------------------------------


def _comparison_row(one: Comparison, compared: CompareReport, *, has_sides: bool) -> tuple[Cell, ...]:
    sides, estimate = compared.sides, one.estimate
    why = one.reasons[0] if one.reasons else "it could not be compared"
    nothing = Cell(reason=why)
    worse = _p_worse(one, compared.direction)
    return (
        Cell(one.case_label, ref=None if one.series_b is None else Ref(RefKind.SERIES, one.series_b)),
        *([Cell(sides[one.side].label)] if has_sides else []),
        _side_value(one.value_a, one.result_a, sides[0], why),
        _side_value(one.value_b, one.result_b, sides[one.side], why),
        nothing
        if estimate is None
        else Cell(
            estimate.ratio, sides[one.side].provenance, lo=estimate.lo95, hi=estimate.hi95,
            n=min(estimate.n_a, estimate.n_b), change=one.change,
        ),
        nothing if estimate is None else _times_better(estimate.ratio, compared.direction),
        nothing if worse is None else Cell(worse),
        nothing if one.floor is None else Cell(one.floor),
        nothing if estimate is None else Cell(f"{estimate.n_a} + {estimate.n_b}"),
        change_cell(one.change, one.reasons),
        Cell("") if one.launches_needed is None else Cell(one.launches_needed, unit="count"),
    )  # fmt: skip


def _side_value(value: float | None, result_id: str | None, side: Side, why: str) -> Cell:
    ref = None if result_id is None else Ref(RefKind.RESULT, result_id)
    return Cell(reason=why, ref=ref) if value is None else Cell(value, side.provenance, ref=ref)


def _value_column(compared: CompareReport, key: str, label: str) -> Column:
    return Column(
        key, label, compared.unit, compared.direction, f"{metric_title(compared.metric, compared.stat)} of {label}"
    )


def _commit_cell(side: Side) -> Cell:
    return Cell(side.git_commit, reason=None if side.git_commit else "it was made outside of a repository")


def _fact_cell(side: Side, name: str) -> Cell:
    value = dict(side.described).get(name)
    return Cell(value, reason="not known of this side" if value is None else None)


def _times_better(ratio: float, direction: Direction) -> Cell:
    if direction is Direction.NEITHER:
        return Cell(reason="neither way is better")
    return Cell(1 / ratio if direction is Direction.LOWER else ratio)


def _p_worse(one: Comparison, direction: Direction) -> float | None:
    if one.estimate is None or direction is Direction.NEITHER:
        return None
    return one.estimate.p_greater if direction is Direction.LOWER else 1 - one.estimate.p_greater


# -- in words --------------------------------------------------------------------------------------------------


def _summary(compared: CompareReport) -> Iterator[Text]:
    counts = compared.counts()
    if not counts:
        yield Text(("The sides have no case in common.",), Tone.WARNING)
        return
    total = len(compared.comparisons)
    said = count_words({change.value: count for change, count in counts.items()})
    yield Text((sentence(f"{plural(total, 'comparison')} of {_name(compared)}", said),), _tone(counts))
    means = tuple(_mean_words(compared))
    if means:
        yield Text(means)
    alarms = [one for one in compared.comparisons if one.change in {Change.REGRESSED, Change.SUSPECT}]
    if alarms:
        worst = sorted(alarms, key=lambda one: -abs(_log_ratio(one)))
        named = name_some(
            f"{one.case_label} ({number_words(one.estimate.ratio, _RATIO)})" for one in worst if one.estimate
        )
        yield Text((f"To be looked at: {named}.",), Tone.WARNING)


def _mean_words(compared: CompareReport) -> Iterator[str]:
    for mean in compared.means:
        if mean.of < _TWO:
            continue
        side, first = (short_name(compared.sides[place].label) for place in (mean.side, 0))
        text = f"{side}: geometric mean {number_words(mean.ratio, _RATIO, lo=mean.lo95, hi=mean.hi95)}"
        better = _times_better(mean.ratio, compared.direction).value
        times = ""
        if isinstance(better, float):
            word = "as fast" if compared.unit in _TIMES_AND_RATES else "as good"
            times = f", {number_words(better, '1')} times {word} as {first}"
        yield f"{text} over {mean.n} of {mean.of} cases{times}."


def _how_made(compared: CompareReport) -> Iterator[str]:
    """How far the verdicts may go, by how the launches were made."""
    if compared.varied:
        varied = ", ".join(compared.varied)
        yield f"The sides differ on purpose in {varied}: a verdict says which is better, not that something broke."
    if compared.is_interleaved:
        yield "The launches took turns, so what drifted met both sides alike."
    elif compared.counts().keys() & {Change.REGRESSED, Change.IMPROVED}:
        yield "The sides are other machines, whose launches cannot take turns: a verdict is of the days they were made."
    elif not compared.counts().keys() <= set(_NOT_COMPARED):
        yield (
            "The launches did not take turns, so no difference here is more than suspect: "
            "`assay compare --fresh` launches both sides in turns."
        )


def _tone(counts: dict[Change, int]) -> Tone:
    if counts.get(Change.REGRESSED) or counts.get(Change.FAILED):
        return Tone.BAD
    if counts.get(Change.SUSPECT) or counts.get(Change.MISSING):
        return Tone.WARNING
    only_good = set(counts) <= {Change.IMPROVED, Change.UNCHANGED}
    return Tone.GOOD if only_good else Tone.PLAIN


def _name(compared: CompareReport) -> str:
    stat = None if compared.stat == usual_stat(compared.metric) else compared.stat
    return metric_title(compared.metric, stat)


def _log_ratio(one: Comparison) -> float:
    return 0.0 if one.estimate is None else math.log(one.estimate.ratio)


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
