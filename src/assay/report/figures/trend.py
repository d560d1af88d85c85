"""A case over time: every result, the levels that its history fell into, and what changed or broke them.

May import: core, analysis, report.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from assay.analysis.trend import Begin, Trend, TrendBreak, TrendChange, TrendPoint, TrendSegment
from assay.core.records import MetricValue
from assay.core.words import Provenance, Verdict
from assay.report.cells import metric_title, short_id
from assay.report.display import format_number, format_plain, format_time
from assay.report.figures._layers import refs_of
from assay.report.figures._thinning import MOST_POINTS, say_thinned, share_out, thin_series
from assay.report.figures._words import capital, empty_figure, join_sentences, say_better, say_name, say_reasons
from assay.report.values import Axis, Figure, FigureKind, Layer, Marker, Ref, RefKind, Role, Scale, Shape
from assay.report.wording import say_count

_COMMIT = 9
_NEWEST = 4
"""Changes and breaks that the description tells; all are in the figure."""
_DAY = "%Y-%m-%d"
_ACCEPTED, _MUTED = "accepted", "muted"


def draw_trend(
    trend: Trend,
    *,
    intervals: Mapping[str, MetricValue] | None = None,
    title: str | None = None,
    key: str = "trend",
    limit: int = MOST_POINTS,
) -> Figure:
    """Draw one series over time: a point a result, the level of each segment, and a band of a standard deviation.

    ``intervals`` gives the number of a result (by its id) with its bounds and count, which a trend does not carry. A
    marker stands at the first result after each change point, with its size, and at each break, with what differs;
    changes for the worse are highlighted unless they were accepted or muted, which they say. What nothing is concluded
    from is hollow, with the reason in its label. More than ``limit`` points are thinned, extremes kept.
    """
    name = metric_title(trend.metric, trend.stat)
    title = title or f"{capital(name)} over time"
    x = Axis("measured at (UTC)", scale=Scale.TIME)
    y = Axis(name, trend.unit, direction=trend.direction)
    used = [one for one in trend.points if one.is_used]
    others = [one for one in trend.points if not one.is_used]
    notes = list(_notes(used, others))
    drawn = [[one for one in group if _is_placed(one)] for group in (used, others)]
    if not any(drawn):
        why = f"No result of this series has a {name} and a time."
        return empty_figure(key, FigureKind.TREND, title, x, y, why=why, notes=notes)
    total = sum(len(group) for group in drawn)
    shares = share_out([len(group) for group in drawn], limit)
    chosen = [_thin(group, share) for group, share in zip(drawn, shares, strict=True)]
    if sum(len(group) for group in chosen) < total:
        rule = "of each stretch the first, last, lowest and highest; levels and changes are of all"
        notes.append(say_thinned(sum(len(group) for group in chosen), total, rule))
    known = intervals or {}
    points = [
        _point_layer(label, group, known, is_usable=label == "results")
        for label, group in zip(("results", "not used"), chosen, strict=True)
        if group
    ]
    return Figure(
        key, FigureKind.TREND, title, x, y,
        layers=(*_segment_layers(trend), *points),
        markers=tuple(_markers(trend)),
        caption=_caption(trend, used),
        alt=_alt(title, trend, used, others),
        notes=tuple(notes),
    )  # fmt: skip


def _is_placed(point: TrendPoint) -> bool:
    return point.value is not None and point.measured_at is not None


def _time(point: TrendPoint) -> datetime:
    if point.measured_at is None:
        raise AssertionError("points without a time were sorted out")
    return point.measured_at


def _thin(group: Sequence[TrendPoint], limit: int) -> list[TrendPoint]:
    return [group[place] for place in thin_series([one.value for one in group], limit)]


def _point_layer(
    label: str, points: Sequence[TrendPoint], known: Mapping[str, MetricValue], *, is_usable: bool
) -> Layer:
    numbers = [known.get(one.result_id) for one in points]
    lows = tuple(None if one is None else one.ci_lo for one in numbers)
    highs = tuple(None if one is None else one.ci_hi for one in numbers)
    counts = tuple(None if one is None else one.n for one in numbers)
    has_interval = any(one is not None for one in (*lows, *highs))
    return Layer(
        label,
        Shape.POINTS,
        x=tuple(_time(one) for one in points),
        y=tuple(one.value for one in points),
        lo=lows if has_interval else (),
        hi=highs if has_interval else (),
        n=counts if any(one is not None for one in counts) else (),
        labels=tuple(_label(one) for one in points),
        refs=refs_of([Ref(RefKind.RESULT, one.result_id) for one in points]),
        provenance=Provenance.MEASURED,
        group="results",
        is_usable=is_usable,
    )


def _label(point: TrendPoint) -> str:
    said = [f"run {short_id(point.run_id)}"]
    if point.git_commit:
        said.append(f"commit {point.git_commit[:_COMMIT]}{' (changed)' if point.git_dirty else ''}")
    if point.verdict not in {None, Verdict.TRUSTED}:
        said.append(str(point.verdict))
    if point.left_out:
        said.append(f"not used: {point.left_out}")
    return ", ".join(said)


def _segment_layers(trend: Trend) -> Iterator[Layer]:
    """The level of each segment as a line from its first to its last result, in a band of one standard deviation."""
    for segment in trend.segments:
        times = [time for place in segment.places if (time := trend.points[place].measured_at) is not None]
        if not times:
            continue
        ends = (min(times), max(times))
        if segment.sd_log is not None and len(times) > 1:
            low, high = _spread(segment)
            yield Layer("level ± sd", Shape.BAND, ends, lo=(low, low), hi=(high, high), role=Role.GUIDE, group="level")
        said = f"level {format_number(segment.level, trend.unit)} of {say_count(len(segment.places), 'result')}"
        yield Layer(
            "level", Shape.LINE, ends, (segment.level, segment.level),
            labels=(said, said), role=Role.GUIDE, group="level",
        )  # fmt: skip


def _spread(segment: TrendSegment) -> tuple[float, float]:
    """One standard deviation of the logarithms to both sides of the level."""
    sd = segment.sd_log or 0.0
    return segment.level * math.exp(-sd), segment.level * math.exp(sd)


def _markers(trend: Trend) -> Iterator[Marker]:
    for one in trend.breaks:
        time = trend.points[one.after].measured_at
        if time is not None:
            yield Marker("x", time, _say_break(one), Role.GUIDE)
    for change in trend.changes:
        time = trend.points[change.after].measured_at
        if time is not None:
            is_open = change.accepted is None and change.muted is None
            role = Role.HIGHLIGHT if is_open and change.is_worse else Role.GUIDE
            yield Marker("x", time, _say_change(change), role)


def _say_break(one: TrendBreak) -> str:
    words = {Begin.ENVIRONMENT: "environment", Begin.SPLIT: "split", Begin.ACCEPT: "accepted"}
    back = " again" if one.is_return else ""
    return f"{words.get(one.kind, one.kind.value)}{back}: {say_name(one.text)}"


def _say_change(change: TrendChange) -> str:
    worth = {True: " worse", False: " better", None: ""}[change.is_worse]
    said = f"{format_number(change.ratio, 'ratio')}{worth}, p {format_plain(change.p, 2)}"
    for word, text in ((_ACCEPTED, change.accepted), (_MUTED, change.muted)):
        if text is not None:
            said += f", {word}: {say_name(text)}"
    return said


def _notes(used: Sequence[TrendPoint], others: Sequence[TrendPoint]) -> Iterator[str]:
    if others:
        why = say_reasons([one.left_out for one in others], otherwise="no reason given")
        yield f"{say_count(len(others), 'result')} not used: {why}."
    timeless = sum(one.measured_at is None for one in used)
    if timeless:
        yield f"{say_count(timeless, 'result')} used but not drawn: the time of measuring is not known."


def _caption(trend: Trend, used: Sequence[TrendPoint]) -> str:
    where = f" on {trend.hardware}" if trend.hardware else ""
    return join_sentences(
        f"{trend.case_label}{where}; {say_count(len(used), 'result')} of {len(trend.points)} used.",
        "Lines are the levels, bands one standard deviation." if trend.segments else None,
    )


def _alt(title: str, trend: Trend, used: Sequence[TrendPoint], others: Sequence[TrendPoint]) -> str:
    times = [one.measured_at for one in trend.points if one.measured_at is not None]
    newest = trend.newest
    said = []
    if newest is not None and newest.value is not None:
        level = "" if trend.level is None else f", of a level of {format_number(trend.level, trend.unit)}"
        said.append(f"Newest {format_number(newest.value, trend.unit)}{level}.")
    changes = [f"{_say_change(one)} at {_when(trend, one.after)}" for one in trend.changes[-_NEWEST:]]
    breaks = [f"{_say_break(one)} at {_when(trend, one.after)}" for one in trend.breaks[-_NEWEST:]]
    return join_sentences(
        f"{title} of {say_name(trend.case_label)}: {say_count(len(used), 'result')} used and {len(others)} not, "
        f"{min(times).strftime(_DAY)} to {max(times).strftime(_DAY)}, "
        f"in {say_count(len(trend.segments), 'segment')}.",
        *said,
        _say_events("change", len(trend.changes), changes) if changes else "No change point.",
        _say_events("break", len(trend.breaks), breaks) if breaks else None,
        say_better(trend.direction),
    )


def _say_events(word: str, total: int, newest: Sequence[str]) -> str:
    of = "" if total == len(newest) else f", the newest {len(newest)}"
    return f"{say_count(total, word)}{of}: {'; '.join(newest)}."


def _when(trend: Trend, place: int) -> str:
    time = trend.points[place].measured_at
    return "a time not known" if time is None else format_time(time)
