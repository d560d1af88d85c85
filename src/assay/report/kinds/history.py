"""Report on how measured cases developed: levels, breaks, change points, what checks found, and what people said of it.

May import: core, analysis, store, report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay import __version__
from assay.analysis.trend import Trend, find_series, find_trends
from assay.core.errors import UsageError
from assay.core.records import AnnotationRecord
from assay.core.words import Provenance
from assay.report.base import ReportKind, ReportRequest, report_kinds
from assay.report.cells import metric_title, run_ref, series_ref
from assay.report.checked import findings_table
from assay.report.figures.intervals import read_intervals
from assay.report.figures.trend import draw_trend
from assay.report.histories import longest_series, read_last_findings
from assay.report.how_to_read import how_to_read
from assay.report.run_facts import where_scope
from assay.report.traced import breaks_table, changes_table, most_telling, series_table, trend_words
from assay.report.values import Block, Cell, Column, Ref, RefKind, Report, Section, Table, Text
from assay.report.wording import agree, plural, short_name
from assay.store.selection import Selection

if TYPE_CHECKING:
    from assay.store import Store

_METRIC = "latency_ns"
_MOST_SERIES = 200
"""Series that are traced: looking for change points takes some milliseconds each."""
_MOST_FIGURES = 6
_MOST_ANNOTATIONS = 50


def build(store: Store, request: ReportRequest) -> Report:
    """Report on the histories of the measured series that the request's fields select.

    Raises UsageError for a field, UnknownNameError for metric or statistic, NotFoundError where words fit no series.
    """
    most = _read_count(request.options, "series", _MOST_SERIES)
    figures = _read_count(request.options, "figures", _MOST_FIGURES)
    selection = Selection.of(_where(request))
    series = find_series(store, selection, request.options.get("words", "").split())
    chosen = longest_series(store, selection, series, most)
    metric = request.metric or _METRIC
    trends = most_telling(find_trends(store, selection, metric=metric, stat=request.stat, series=chosen))
    return Report(
        kind="history",
        title=f"History of {metric_title(metric, request.stat)}",
        generated_at=request.time,
        assay_version=__version__,
        summary=tuple(trend_words(trends, of=len(series))),
        scope=(("number", metric), *where_scope(request.where), *_words_scope(request)),
        sections=tuple(_sections(store, trends, len(series), request.limit, figures)),
        how_to_read=how_to_read("trend", "change"),
    )


def _sections(store: Store, trends: Sequence[Trend], of: int, limit: int, most_figures: int) -> list[Section]:
    table = series_table(trends[:limit])
    blocks: list[Block] = [changes_table(trends, limit=limit), table]
    if of > len(trends):
        note = f"{plural(of - len(trends), 'series')} with fewer results {agree(of - len(trends), 'is')} not looked at."
        blocks.append(Text((f"{note} Narrow the selection, or say --option series=N.",)))
    sections = [Section("changes", "What changed", tuple(blocks))]
    pictures = _figures(store, trends, most_figures)
    if pictures:
        sections.append(Section("histories", "The most telling histories", pictures))
    findings = read_last_findings(store, [one.series_id for one in trends])
    if findings:
        about = Text((f"From the newest check, of {findings[0].created_at:%Y-%m-%d %H:%M} UTC.",))
        sections.append(
            Section("findings", "What the newest check found", (about, findings_table(findings, limit=limit)))
        )
    found = breaks_table(trends, limit=limit)
    if found is not None:
        sections.append(Section("breaks", "What else began", (found,)))
    said = _annotations(store, trends)
    if said:
        sections.append(Section("annotations", "What people said", (annotations_table(said),)))
    return sections


def _figures(store: Store, trends: Sequence[Trend], most: int) -> tuple[Block, ...]:
    """Pictures of the first series that have a history worth one."""
    worth = [one for one in trends if sum(point.is_used for point in one.points) > 1]
    if not worth:
        return ()
    left_out = len(worth) - most
    intervals = read_intervals(store, worth[:most])
    drawn: list[Block] = [
        replace(draw_trend(trend, intervals=intervals, key=f"trend-{place}"), title=_figure_title(trend))
        for place, trend in enumerate(worth[:most], start=1)
    ]
    if left_out > 0:
        drawn.append(
            Text((f"{plural(left_out, 'series')} {agree(left_out, 'is')} not drawn: --option figures=N draws more.",))
        )
    return tuple(drawn)


def _figure_title(trend: Trend) -> str:
    hardware = f", {short_name(trend.hardware)}" if trend.hardware else ""
    return f"{short_name(trend.case_label)}{hardware}"


def annotations_table(annotations: Sequence[AnnotationRecord]) -> Table:
    """What people said, newest first, leading to what it is about."""
    columns = (
        Column("when", "when"),
        Column("author", "who"),
        Column("kind", "what"),
        Column("subject", "of"),
        Column("metric", "number"),
        Column("text", "why"),
    )
    rows = tuple(
        (
            Cell(one.created_at),
            Cell(one.author),
            Cell(one.kind),
            Cell(f"{one.subject_kind} {one.subject_id[-8:]}", ref=_subject_ref(one)),
            Cell(one.metric or "all"),
            Cell(one.text),
        )
        for one in annotations
    )
    return Table("annotations", "What people said", columns, rows, when_empty="Nobody has said anything yet.")


def _annotations(store: Store, trends: Sequence[Trend]) -> list[AnnotationRecord]:
    """What was said of these series, or of a run or result of theirs; newest first."""
    known = {one.series_id for one in trends}
    known |= {identity for one in trends for point in one.points for identity in (point.run_id, point.result_id)}
    found = [one for one in store.annotations() if one.subject_id in known]
    return list(reversed(found))[:_MOST_ANNOTATIONS]


def _where(request: ReportRequest) -> dict[str, Any]:
    """Only measured results have a history; runs, where given, narrow it to their series' results in them."""
    where = {**request.where, "provenance": Provenance.MEASURED.value}
    return {**where, "run_id": list(request.run_ids)} if request.run_ids else where


def _words_scope(request: ReportRequest) -> tuple[tuple[str, str], ...]:
    words = request.options.get("words", "")
    return (("words", words),) if words else ()


def _read_count(options: Mapping[str, str], name: str, usual: int) -> int:
    text = options.get(name)
    if text is None:
        return usual
    if not text.isdecimal() or len(text) > 6:  # noqa: PLR2004  (a count of series that nobody has)
        raise UsageError(f"{name} got {text[:40]!r}; expected a whole number.")
    return int(text)


def _subject_ref(one: AnnotationRecord) -> Ref | None:
    if one.subject_kind == "run":
        return run_ref(one.subject_id)
    if one.subject_kind == "series":
        return series_ref(one.subject_id)
    return Ref(RefKind.RESULT, one.subject_id) if one.subject_kind == "result" else None


report_kinds.add(
    "history",
    ReportKind(
        name="history",
        title="History",
        description="How measured cases developed: levels, change points, breaks, findings of checks",
        build=build,
        runs=(0, None),
        options={
            "words": "words of a series' case or hardware, or the beginning of its id",
            "series": f"how many series are traced; {_MOST_SERIES} unless given",
            "figures": f"how many are drawn; {_MOST_FIGURES} unless given",
        },
    ),
)
