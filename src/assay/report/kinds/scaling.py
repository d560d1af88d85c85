"""Scaling: what growing one size does to rate, latency and memory, where it bends, which size is enough, where it ends.

Trainings that differ in their number of ranks come first, with the efficiency of weak and strong scaling.

May import: core, store, stats, runner, analysis, report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from assay.analysis.device_names import name_device
from assay.analysis.usable_numbers import count_left_out
from assay.core.errors import UsageError
from assay.core.records import ResultRecord
from assay.core.words import Direction, Provenance, Status
from assay.report.base import ReportKind, ReportRequest, report_kinds
from assay.report.cells import metric_column, result_ref, what_to_know, work_unit
from assay.report.curves import USUAL_AXES, FoundCurve, find_curves, label_curve, load_curves
from assay.report.figures.scaling import View, draw_scaling
from assay.report.how_to_read import how_to_read
from assay.report.kinds._over_many import (
    drop_idle_columns,
    empty_report,
    hardware_cell,
    left_out_sections,
    number_option,
    provenance_column,
    say_left_out,
    selection_of,
    start_report,
    whole_option,
)
from assay.report.kinds._ranks import HOW_RANKS_READ, rank_sections, read_rank_lines, say_ranks
from assay.report.origins import sources_of
from assay.report.results_table import verdict_cell
from assay.report.values import Block, Cell, Column, Report, Section, Table, Text
from assay.report.wording import say_count
from assay.stats.scaling import TOLERANCE, End, Point, Scaling, analyse_scaling

if TYPE_CHECKING:
    from assay.analysis.rank_scaling import RankLine
    from assay.runner.sweep import Curve
    from assay.store import Store

KIND = "scaling"
TITLE = "Scaling"
OPTIONS: Mapping[str, str] = {
    "over": "The size that grows: batch, threads, seq, image, another dimension of the inputs, or an option (users). "
    "Default: batch, threads, seq, image and window.",
    "sizes": "How many sizes make a curve. Default: 3.",
    "curves": "How many curves to show: measured before imported, those with most sizes first. Default: 6.",
    "max_latency_ms": "A latency that a size has to meet: what is enough is then the fastest size that does.",
}
_HOW = (
    (
        "`assay sweep --model bert/tiny --over batch --to 64` measures one: each size is a case of one run, and "
        "the curve ends where memory, time or the range does."
    ),
    "Any results that differ in one size make a curve too: `assay run --model bert/tiny --batch 1,2,4,8`.",
    "`assay run --suite distributed` trains on 1, 2 and 4 ranks, which gives weak and strong scaling.",
)
_MOST_NAMED = 4


def build(store: Store, request: ReportRequest) -> Report:
    """Build the report. Raises StoreError, UsageError."""
    over = request.options.get("over")
    axes = tuple(filter(None, (one.strip() for one in over.split(",")))) if over is not None else USUAL_AXES
    if not axes:
        raise UsageError("over= names no size.", hint="Expected for example over=batch.")
    target_ms = number_option(request, "max_latency_ms")
    target_ns = None if target_ms is None else target_ms * 1e6
    selection = selection_of(request)
    found = find_curves(store, selection, axes, fewest=whole_option(request, "sizes", 3, least=2))
    lines = read_rank_lines(store, selection)
    if not found and not lines:
        what = f"No results of this selection differ in {' or '.join(axes)} alone, so there is no curve."
        return empty_report(KIND, TITLE, request, what, _HOW)
    shown = _choose(found, whole_option(request, "curves", 6))
    curves = [
        (curve, _doubt_knee(analyse_scaling(curve.points, tolerance=TOLERANCE, latency_target_ns=target_ns)))
        for curve in load_curves(store, shown)
    ]
    sections = rank_sections(lines, request.limit)
    if curves:
        sections.append(Section("curves", "Curves", (drop_idle_columns(_overview(curves, len(found))),)))
    sections += [_curve_section(number, curve, scaling, target_ns) for number, (curve, scaling) in enumerate(curves, 1)]
    sections += left_out_sections(
        say_left_out(count_left_out(store, selection)),
        "Sizes that failed stand in the tables of their curves; no number of them is used.",
    )
    results = [result for curve, _ in curves for result in curve.results]
    return start_report(
        KIND,
        TITLE,
        request,
        summary=_summary(curves, found, lines),
        sections=sections,
        sources=sources_of(results, store),
        how_to_read=[
            *how_to_read("throughput", "memory"),
            *(HOW_RANKS_READ if lines else ()),
            (
                "knee, best, enough",
                (
                    "Best has the highest rate. Enough is the smallest size within 5 % of it, or with a latency "
                    "to meet the fastest that meets it. The knee is the size after which the rate grows less "
                    "than in proportion (Kneedle on the logarithm of the size)."
                ),
            ),
        ],
    )


def _choose(found: Sequence[FoundCurve], most: int) -> list[FoundCurve]:
    """The first curve of every axis, then the others in order: one axis with many curves does not hide the rest."""
    first: dict[str, FoundCurve] = {}
    for one in found:
        first.setdefault(one.axis.name, one)
    rest = [one for one in found if one is not first[one.axis.name]]
    return [*first.values(), *rest][:most]


def _doubt_knee(scaling: Scaling) -> Scaling:
    """Take back the knee of a curve that hardly rises where its source gives no intervals: it may be noise."""
    rates = [point.rate for point in scaling.points if point.rate is not None]
    has_interval = any(point.rate_lo is not None for point in scaling.points)
    if scaling.knee is None or has_interval or max(rates) > (1 + TOLERANCE) * rates[0]:
        return scaling
    why = f"the rate rises by less than {100 * TOLERANCE:g} %, and its source gives no intervals"
    return replace(scaling, knee=None, knee_reason=why)


def _overview(curves: Sequence[tuple[Curve, Scaling]], total: int) -> Table:
    columns = (
        Column("curve", "curve", description="The case, without the size that grows"),
        Column("hardware", "hardware", description="What it ran on"),
        provenance_column(),
        Column("over", "over", description="The size that grows"),
        Column("sizes", "sizes", description="How many were tried"),
        Column("best", "best size", description="The size with the highest rate"),
        metric_column("throughput_per_s", key="rate", title="best rate"),
        Column("knee", "knee", description="The size after which the rate grows less than in proportion"),
        Column("enough", "enough", description="The smallest size within 5 % of the best, or the fastest in the limit"),
        Column(
            "growth", "growth of latency", description="The power of the size with which latency grows, least and most"
        ),
        Column("end", "ended by", description="Why there are no larger sizes"),
    )
    rows = []
    for curve, scaling in curves:
        first = curve.results[0]
        device = name_device(first.hardware, first.case.device)
        best = next(
            (pair for pair in zip(curve.results, scaling.points, strict=True) if pair[1].x == scaling.best), None
        )
        growth = [one for one in scaling.exponents if one is not None]
        rows.append((
            Cell(label_curve(curve), ref=result_ref(first)),
            hardware_cell(device.label, device.hw_id, device.reason),
            Cell(first.provenance.value),
            Cell(curve.axis.name),
            Cell(len(curve.points)),
            Cell(scaling.best, reason=None if scaling.best is not None else "no size was measured"),
            Cell(reason="no size was measured") if best is None else _rate_cell(curve, *best),
            Cell(scaling.knee, reason=scaling.knee_reason),
            Cell(scaling.enough, reason=scaling.enough_reason),
            Cell(
                    f"{min(growth):.2f} … {max(growth):.2f}"
                ) if growth else Cell(reason="fewer than two latencies are known"),
            Cell(_end(curve, scaling), reason=scaling.end_reason),
        ))  # fmt: skip
    left = total - len(curves)
    notes = (
        (f"{left} of {total} curves are not shown: curves=N shows more, over=NAME and filters narrow.",) if left else ()
    )
    return Table("curves", "Curves", columns, tuple(rows), notes=notes, rows_left_out=left)


def _curve_section(number: int, curve: Curve, scaling: Scaling, target_ns: float | None) -> Section:
    title = f"{label_curve(curve)}, over {curve.axis.name}"
    blocks: list[Block] = [draw_scaling(curve, scaling, key=f"rate-{number}")]
    if any(point.latency_ns is not None for point in scaling.points):
        blocks.append(
            draw_scaling(curve, scaling, view=View.LATENCY, latency_target_ns=target_ns, key=f"latency-{number}")
        )
    blocks += [
        drop_idle_columns(_points_table(number, curve, scaling), keep=("rate", "mark")),
        Text(tuple(_sentences(curve, scaling))),
    ]
    return Section(f"curve-{number}", title, tuple(blocks))


def _points_table(number: int, curve: Curve, scaling: Scaling) -> Table:
    columns = (
        Column("size", curve.axis.name, description="The size"),
        metric_column("latency_ns"),
        Column(
            "rate",
            "rate",
            unit=work_unit(curve.unit) or "1/s",
            direction=Direction.HIGHER,
            description="Work per second",
        ),
        metric_column("memory_peak_bytes"),
        Column("verdict", "verdict", description="Whether to believe it"),
        Column("mark", "mark", description="Knee, best, enough"),
    )
    rows = []
    for result, point in zip(curve.results, scaling.points, strict=True):
        marks = [word for word in ("knee", "best", "enough") if getattr(scaling, word) == point.x]
        rows.append((
            Cell(point.x, ref=result_ref(result)),
            _number(result, point, point.latency_ns, point.latency_lo_ns, point.latency_hi_ns),
            _rate_cell(curve, result, point),
            _number(result, point, point.memory_bytes, None, None),
            verdict_cell(result),
            Cell(", ".join(marks) or None, reason=None if marks else "neither knee nor best nor enough"),
        ))  # fmt: skip
    return Table(f"points-{number}", f"Sizes of {label_curve(curve)}", columns, tuple(rows))


def _rate_cell(curve: Curve, result: ResultRecord, point: Point) -> Cell:
    return replace(
        _number(result, point, point.rate, point.rate_lo, point.rate_hi), unit=work_unit(curve.unit) or "1/s"
    )


def _number(result: ResultRecord, point: Point, value: float | None, lo: float | None, hi: float | None) -> Cell:
    if value is None:
        why = (
            "not measured"
            if point.status is Status.OK
            else f"{point.status.text}: {point.reason or 'no reason recorded'}"
        )
        return Cell(reason=why, is_usable=result.is_usable, ref=result_ref(result))
    return Cell(
        value, result.provenance, result.verdict, lo=lo, hi=hi, n=result.launches_ok or None,
        reason=what_to_know(result), is_usable=result.is_usable, ref=result_ref(result),
    )  # fmt: skip


def _sentences(curve: Curve, scaling: Scaling) -> Iterator[str]:
    name = curve.axis.name
    if scaling.knee is not None:
        yield f"Knee at {name} {scaling.knee}: beyond it the rate grows less than in proportion."
    else:
        yield f"No knee: {scaling.knee_reason}."
    if scaling.enough is not None:
        chosen = "Enough" if curve.axis.is_chosen else "Within 5 % of the best rate from"
        yield f"{chosen}: {name} {scaling.enough} ({scaling.enough_reason})."
    if scaling.undecided and curve.axis.is_chosen:
        sizes = ", ".join(map(str, scaling.undecided))
        yield f"Undecided: {name} {sizes} may do as well by the intervals; more launches would tell."
    yield f"Ended by {_end(curve, scaling)}{f': {scaling.end_reason}' if scaling.end_reason else ''}."


def _end(curve: Curve, scaling: Scaling) -> str:
    if scaling.end is End.RANGE or scaling.end_x is None:
        return "the largest size there is" if scaling.end is End.RANGE else str(scaling.end)
    return f"{scaling.end} at {curve.axis.name} {scaling.end_x}"


def _summary(
    curves: Sequence[tuple[Curve, Scaling]], found: Sequence[FoundCurve], lines: Sequence[RankLine]
) -> list[Text]:
    """Curves and lines of ranks, the most telling in a sentence each."""
    said_of_ranks = tuple(say_ranks(lines))
    if not found:
        return [Text((f"{say_count(len(lines), 'line')} over the number of ranks.", *said_of_ranks))]
    counts = {word: sum(one.provenance is word for one in found) for word in Provenance}
    kinds = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    axes = {name: sum(one.axis.name == name for one in found) for name in dict.fromkeys(one.axis.name for one in found)}
    over = ", ".join(f"{count} over {name}" for name, count in axes.items())
    first = f"{say_count(len(found), 'curve')} ({kinds}): {over}. {len(curves)} shown."
    said = []
    for curve, scaling in curves[:_MOST_NAMED]:
        if scaling.best is not None:
            knee = f"knee at {scaling.knee}" if scaling.knee is not None else f"no knee ({scaling.knee_reason})"
            enough = f", enough at {scaling.enough}" if curve.axis.is_chosen and scaling.enough is not None else ""
            said.append(f"{label_curve(curve)}: best at {curve.axis.name} {scaling.best}{enough}, {knee}.")
    return [Text((first, *said_of_ranks, *said))]


report_kinds.add(
    KIND,
    ReportKind(
        name=KIND,
        title=TITLE,
        description="Curves over batch, threads or input size: knee, best, enough, end; over ranks: weak and strong",
        build=build,
        options=OPTIONS,
    ),
)
