"""Histories as tables: a row a series, a change point, a break; and which series a person should look at first.

May import: core, analysis, report.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from assay import __version__
from assay.analysis.trend import Begin, Trend, TrendBreak, TrendChange, TrendPoint
from assay.core.words import Change, Provenance, Verdict
from assay.report.cells import device_cell, metric_column, metric_title, run_cell, series_ref
from assay.report.figures.trend import draw_trend
from assay.report.how_to_read import how_to_read
from assay.report.values import Block, Cell, Column, Ref, RefKind, Report, Section, Table, Text, Tone
from assay.report.wording import agree, name_some, number_words, plural, sentence, short_name
from assay.stats.cusum import MIN_SEGMENT

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_LONG_ENOUGH = 2 * MIN_SEGMENT
"""Results of a series in which a change of level can be found: a segment on either side."""
_BEGUN = {
    Begin.ENVIRONMENT: "another environment",
    Begin.SPLIT: "a person's split",
    Begin.ACCEPT: "a level that a person accepted",
}


def most_telling(trends: Sequence[Trend]) -> list[Trend]:
    """The series with something to look at first: open changes for the worse, newest first; then any; then longest."""
    return sorted(trends, key=_interest)


def open_changes(trend: Trend) -> list[TrendChange]:
    """The changes of a series that nobody accepted or muted."""
    return [one for one in trend.changes if one.accepted is None and one.muted is None]


def series_table(trends: Sequence[Trend], *, key: str = "series", title: str = "Series") -> Table:
    """One row a series: how long it is, its level now, and its last change. All must be of one metric."""
    metric, stat = (trends[0].metric, trends[0].stat) if trends else ("latency_ns", "median")
    has_changes = any(trend.changes for trend in trends)
    level = metric_column(metric, stat, key="level", title="level")
    columns: tuple[Column, ...] = (
        Column("case", "case"),
        Column("hardware", "hardware"),
        Column("results", "results", description="That count, of those that there are"),
        level,
        metric_column(metric, stat, key="newest", title="newest"),
        Column("measured", "measured", description="When the newest was"),
    )
    if has_changes:
        columns += (
            Column("changes", "changes", unit="count"),
            Column("last", "last change", unit="ratio", direction=level.direction),
            Column("when", "when"),
            Column("state", "state", description="What is to be said of that change"),
        )
    rows = tuple(_series_row(trend, has_changes=has_changes) for trend in trends)
    return Table(key, title, columns, rows, when_empty="No series has a history yet.")


def changes_table(trends: Sequence[Trend], *, limit: int | None = None) -> Table:
    """One row a change point, newest first."""
    pairs = sorted(
        ((trend, change) for trend in trends for change in trend.changes),
        key=lambda pair: _time(pair[0].points[pair[1].after]),
        reverse=True,
    )
    shown = pairs if limit is None else pairs[:limit]
    left_out = len(pairs) - len(shown)
    columns = (
        Column("when", "when", description="The first result of the new level"),
        Column("case", "case"),
        Column("hardware", "hardware"),
        Column("ratio", "change", unit="ratio", description="New level over old"),
        Column("p", "p", unit="1"),
        Column("state", "state"),
        Column("before", "last before"),
        Column("after", "first after"),
        Column("commit", "commit", is_code=True, description="Of the user's code, at the first of the new level"),
    )
    return Table(
        "changes", "Change points", columns, tuple(_change_row(trend, change) for trend, change in shown),
        rows_left_out=left_out, when_empty="No level has changed.",
    )  # fmt: skip


def breaks_table(trends: Sequence[Trend], *, limit: int | None = None) -> Table | None:
    """What else began, without anything having regressed by it: a row for each text, newest first; None if nothing."""
    found: dict[str, tuple[TrendBreak, TrendPoint, int]] = {}
    for trend in trends:
        for one in trend.breaks:
            point = trend.points[one.after]
            _, newest, count = found.get(one.text, (one, point, 0))
            found[one.text] = (one, max(newest, point, key=_time), count + 1)
    if not found:
        return None
    ordered = sorted(found.items(), key=lambda item: _time(item[1][1]), reverse=True)
    shown = ordered if limit is None else ordered[:limit]
    columns = (
        Column("when", "last met"),
        Column("kind", "what began"),
        Column("text", "what is different"),
        Column("series", "in so many places", unit="count"),
    )
    rows = tuple(
        (
            _time_cell(point),
            Cell(_BEGUN.get(one.kind, one.kind.value) + (" (it was there before)" if one.is_return else "")),
            Cell(text),
            Cell(count),
        )
        for text, (one, point, count) in shown
    )
    return Table(
        "breaks", "Breaks", columns, rows, rows_left_out=len(ordered) - len(shown),
        caption="Another environment, or a person's word. Numbers on either side are never held against each other.",
    )  # fmt: skip


def trend_words(trends: Sequence[Trend], *, of: int) -> Iterator[Text]:
    """Histories in sentences; ``of`` counts the series that there are, of which these were looked at."""
    if not trends:
        yield Text(("No measured series fits, so there is no history.", "Make one with: assay run"), Tone.WARNING)
        return
    points = sum(len(one.points) for one in trends)
    worse = [(one, change) for one in trends for change in open_changes(one) if change.is_worse]
    better = sum(1 for one in trends for change in open_changes(one) if change.is_worse is False)
    named = plural(of, "series") if len(trends) == of else f"{len(trends)} of {plural(of, 'series')}"
    looked = f"{named} {agree(len(trends), 'was')} looked at, with {plural(points, 'result')}"
    yield Text((sentence(looked, _changes_words(trends, len(worse), better)),), _tone(trends, len(worse)))
    if worse:
        named = name_some(
            f"{one.case_label} ({number_words(change.ratio, 'ratio')})"
            for one, change in sorted(worse, key=_newest_first)
        )
        yield Text((f"Worse: {named}.",), Tone.BAD)


def _changes_words(trends: Sequence[Trend], worse: int, better: int) -> str:
    if worse or better:
        return f"{plural(worse, 'level')} became worse, {better} better"
    if not any(map(_is_long, trends)):
        return f"no level could be seen to change, which takes {_LONG_ENOUGH} results that count"
    return "no level has changed"


def _tone(trends: Sequence[Trend], worse: int) -> Tone:
    """Nothing is good of histories that are too short to show anything."""
    return Tone.BAD if worse else Tone.GOOD if any(map(_is_long, trends)) else Tone.PLAIN


def _is_long(trend: Trend) -> bool:
    return sum(point.is_used for point in trend.points) >= _LONG_ENOUGH


def report_of_trend(trend: Trend, *, time: datetime | None = None) -> Report:
    """Return the history of one series as a report."""
    blocks: list[Block] = [draw_trend(trend), changes_table([trend])]
    found = breaks_table([trend])
    blocks += [] if found is None else [found]
    return Report(
        kind="trend",
        title=f"{metric_title(trend.metric, trend.stat)} of {short_name(trend.case_label)}",
        generated_at=time or datetime.now(UTC),
        assay_version=__version__,
        summary=tuple(trend_words([trend], of=1)),
        scope=(("case", trend.case_label), ("hardware", trend.hardware or "not known"), ("series", trend.series_id)),
        sections=(
            Section("history", "History", tuple(blocks)),
            Section("points", "Results", (points_table(trend),)),
        ),
        how_to_read=how_to_read("trend"),
        ref=series_ref(trend.series_id),
    )


def points_table(trend: Trend, *, limit: int | None = None) -> Table:
    """One row a result of a series, newest first, with the level that it belongs to."""
    levels = {place: segment.level for segment in trend.segments for place in segment.places}
    places = list(reversed(range(len(trend.points))))
    shown = places if limit is None else places[:limit]
    columns = (
        Column("measured", "measured"),
        metric_column(trend.metric, trend.stat, key="value"),
        metric_column(trend.metric, trend.stat, key="level", title="level"),
        Column("run", "run"),
        Column("commit", "commit", is_code=True),
        Column("note", "left out because"),
    )
    return Table(
        "points", "Results", columns,
        tuple(_point_row(trend.points[place], levels.get(place)) for place in shown),
        rows_left_out=len(places) - len(shown), when_empty="The series has no results.",
    )  # fmt: skip


# -- rows ------------------------------------------------------------------------------------------------------


def _series_row(trend: Trend, *, has_changes: bool) -> tuple[Cell, ...]:
    used = sum(point.is_used for point in trend.points)
    newest, last = trend.newest, trend.changes[-1] if trend.changes else None
    nothing = (
        f"no result of it counts; the newest: {trend.points[-1].left_out}" if trend.points else "it has no results"
    )
    some = f"{used}" if used == len(trend.points) else f"{used} of {len(trend.points)}"
    return (
        Cell(trend.case_label, ref=series_ref(trend.series_id)),
        device_cell(trend.hardware),
        Cell(some),
        Cell(reason=nothing) if trend.level is None else Cell(trend.level, Provenance.MEASURED),
        Cell(reason=nothing) if newest is None else _value_cell(newest),
        Cell(reason=nothing) if newest is None else _time_cell(newest),
        *(_last_change_cells(trend, last) if has_changes else ()),
    )


def _last_change_cells(trend: Trend, last: TrendChange | None) -> tuple[Cell, ...]:
    if last is None:
        return Cell(0), Cell(""), Cell(""), Cell("")
    return Cell(len(trend.changes)), _ratio_cell(last), _time_cell(trend.points[last.after]), _state_cell(last)


def _change_row(trend: Trend, change: TrendChange) -> tuple[Cell, ...]:
    before, after = trend.between(change)
    return (
        _time_cell(after),
        Cell(trend.case_label, ref=series_ref(trend.series_id)),
        device_cell(trend.hardware),
        _ratio_cell(change),
        Cell(change.p),
        _state_cell(change),
        run_cell(before.run_id),
        run_cell(after.run_id),
        Cell(after.git_commit, reason=None if after.git_commit else "it was made outside of a repository"),
    )


def _point_row(point: TrendPoint, level: float | None) -> tuple[Cell, ...]:
    return (
        _time_cell(point),
        _value_cell(point),
        Cell(level, Provenance.MEASURED) if level is not None else Cell(reason=point.left_out or "it is in no segment"),
        run_cell(point.run_id),
        Cell(point.git_commit, reason=None if point.git_commit else "it was made outside of a repository"),
        Cell(point.left_out or ""),
    )


def _value_cell(point: TrendPoint) -> Cell:
    ref = Ref(RefKind.RESULT, point.result_id)
    if point.value is None:
        return Cell(reason=point.left_out or "it has no such number", ref=ref, is_usable=False)
    verdict = None if point.verdict is None else Verdict(point.verdict)
    return Cell(point.value, Provenance.MEASURED, verdict, is_usable=point.is_used, ref=ref)


def _ratio_cell(change: TrendChange) -> Cell:
    return Cell(change.ratio, Provenance.MEASURED, change=_change_of(change))


def _state_cell(change: TrendChange) -> Cell:
    if change.accepted is not None:
        return Cell("accepted", reason=change.accepted)
    if change.muted is not None:
        return Cell("muted", reason=change.muted)
    word = {True: "worse", False: "better", None: "other"}[change.is_worse]
    return Cell(word, change=_change_of(change))


def _change_of(change: TrendChange) -> Change | None:
    """The colour of a change. A change point is no verdict of a comparison, so what is worse is suspect and no more."""
    if change.accepted is not None or change.muted is not None or change.is_worse is None:
        return None
    return Change.SUSPECT if change.is_worse else Change.IMPROVED


def _time_cell(point: TrendPoint) -> Cell:
    return Cell(point.measured_at, reason=None if point.measured_at else "it was not recorded")


def _time(point: TrendPoint) -> datetime:
    return point.measured_at or _LONG_AGO


def _newest_first(pair: tuple[Trend, TrendChange]) -> float:
    return -_time(pair[0].points[pair[1].after]).timestamp()


def _interest(trend: Trend) -> tuple[int, float, int]:
    opened = open_changes(trend)
    worse = [one for one in opened if one.is_worse]
    newest = max((_time(trend.points[one.after]) for one in worse or opened or trend.changes), default=_LONG_AGO)
    rank = 0 if worse else 1 if opened else 2 if trend.changes else 3
    age = 0.0 if newest == _LONG_AGO else -newest.timestamp()
    return rank, age, -sum(point.is_used for point in trend.points)
