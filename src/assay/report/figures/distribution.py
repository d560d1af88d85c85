"""How the calls of a result were spread: a box for each launch, beside the interval of the result.

May import: core, report; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from assay.core.records import LaunchRecord, MetricValue, ResultRecord
from assay.core.words import Direction, Status, Verdict
from assay.report.cells import choose_metric, metric_title
from assay.report.display import format_interval, format_number
from assay.report.figures._samples import METRIC_OF_SERIES, NS, Calls, find_series, read_calls, why_no_calls
from assay.report.figures._words import capital, empty_figure, join_sentences, say_name, say_range, say_reasons
from assay.report.values import Axis, Figure, FigureKind, Layer, Role, Scale, Shape
from assay.report.wording import say_count

MOST_LAUNCHES = 60
_LAUNCH = ("launch", "launches")
_WITH_MEDIAN = frozenset({"latency", "query_latency", "generation"})
"""Series of which a launch states the median itself."""


def draw_distributions(
    *,
    launches: Sequence[LaunchRecord],
    result: ResultRecord,
    series: str | None = None,
    title: str | None = None,
    key: str = "distribution",
) -> Figure:
    """Draw a box for each launch of one result, in ns a call: quartiles, median, and the 5th and 95th per cent.

    ``launches`` are the result's, with their samples; a reading over ``calls_per_sample`` calls counts as their mean.
    ``series`` names the samples (``latency``, ``prefill`` ...); None takes the first of ``METRIC_OF_SERIES`` that there
    is. The launches' own medians are points, and a band is the result's 95 % interval, which is over launches and not
    over calls. Launches that were disturbed are layers of their own; contaminated ones are hollow. The extremes of each
    launch stand in its label.
    """
    series = series or find_series(launches)
    metric_name = METRIC_OF_SERIES.get(series)
    metric = None if metric_name is None else choose_metric(result, metric_name, "median")
    name = metric_title(metric_name or series)
    title = title or f"{capital(name)} by launch"
    ordered = sorted(launches, key=lambda one: one.ordinal)
    shown = ordered[:MOST_LAUNCHES]
    x = Axis("launch", scale=Scale.CATEGORY, categories=tuple(str(one.ordinal + 1) for one in shown))
    y = Axis(name, NS, direction=Direction.LOWER)
    read = {place: found for place, one in enumerate(shown) if (found := read_calls(one, series)) is not None}
    medians = dict(_find_medians(shown, read, series))
    notes = tuple(_notes(ordered, shown, read, series))
    if not medians:
        why = why_no_calls(launches, series)
        return empty_figure(key, FigureKind.DISTRIBUTION, title, x, y, why=why, notes=notes)
    return Figure(
        key,
        FigureKind.DISTRIBUTION,
        title,
        x,
        y,
        layers=(*_result(metric, len(shown)), *_boxes(read, result), *_medians(shown, medians, read, result)),
        caption=_caption(result, metric, name),
        alt=_alt(title, shown, read, medians, metric, result),
        notes=notes,
    )


def _find_medians(shown: Sequence[LaunchRecord], read: Mapping[int, Calls], series: str) -> Iterator[tuple[int, float]]:
    """The median that each launch states, else that of its samples: what launches are compared by."""
    for place, one in enumerate(shown):
        if one.status is Status.OK and one.median_ns is not None and series in _WITH_MEDIAN:
            yield place, one.median_ns
        elif place in read:
            yield place, read[place].median_ns


def _boxes(read: Mapping[int, Calls], result: ResultRecord) -> Iterator[Layer]:
    import numpy as np

    for verdict in Verdict:
        chosen = [(place, one) for place, one in read.items() if one.verdict is verdict]
        if not chosen:
            continue
        cuts = [[float(cut) for cut in np.percentile(one.times, [5, 25, 50, 75, 95])] for _, one in chosen]
        yield Layer(
            f"{verdict.value} launches",
            Shape.BOXES,
            x=tuple(float(place) for place, _ in chosen),
            y=tuple(cut[2] for cut in cuts),
            lo=tuple(cut[1] for cut in cuts),
            hi=tuple(cut[3] for cut in cuts),
            whiskers=tuple((cut[0], cut[4]) for cut in cuts),
            n=tuple(int(one.times.size) for _, one in chosen),
            labels=tuple(_label(one) for _, one in chosen),
            provenance=result.provenance,
            group=verdict.value,
            is_usable=verdict is not Verdict.CONTAMINATED,
        )


def _label(calls: Calls) -> str:
    fastest, slowest = (format_number(float(calls.times[place]), NS) for place in (0, -1))
    reasons = "; ".join(calls.record.verdict_reasons) if calls.verdict is not Verdict.TRUSTED else ""
    said = f"{calls.name}: fastest call {fastest}, slowest {slowest}"
    return f"{said}; {calls.verdict.value}: {reasons}" if reasons else said


def _medians(
    shown: Sequence[LaunchRecord], medians: Mapping[int, float], read: Mapping[int, Calls], result: ResultRecord
) -> Iterator[Layer]:
    for is_usable in (True, False):
        places = [place for place in medians if (shown[place].verdict is not Verdict.CONTAMINATED) is is_usable]
        if places:
            yield Layer(
                "median of a launch" if is_usable else "median of a contaminated launch",
                Shape.POINTS,
                x=tuple(float(place) for place in places),
                y=tuple(medians[place] for place in places),
                n=tuple(int(read[place].times.size) if place in read else None for place in places),
                labels=tuple(f"launch {shown[place].ordinal + 1}" for place in places),
                provenance=result.provenance,
                group=Verdict.TRUSTED.value,
                is_usable=is_usable,
            )


def _result(metric: MetricValue | None, count: int) -> Iterator[Layer]:
    """The result's number across all launches, in the band of its interval."""
    if metric is None or metric.value is None:
        return
    ends = (-0.5, count - 0.5)
    if metric.ci_lo is not None and metric.ci_hi is not None:
        low, high = (metric.ci_lo,) * 2, (metric.ci_hi,) * 2
        yield Layer("95 % interval of the result", Shape.BAND, ends, lo=low, hi=high, role=Role.GUIDE, group="result")
    label = f"result {format_number(metric.value, metric.unit)}"
    yield Layer(label, Shape.LINE, ends, (metric.value,) * 2, role=Role.GUIDE, group="result")


def _notes(
    ordered: Sequence[LaunchRecord], shown: Sequence[LaunchRecord], read: Mapping[int, Calls], series: str
) -> Iterator[str]:
    failed = [one for one in ordered if one.status is not Status.OK]
    if failed:
        why = say_reasons([one.reason for one in failed], otherwise="no reason recorded")
        yield f"{say_count(len(failed), *_LAUNCH)} without samples, as they failed: {why}."
    if len(shown) < len(ordered):
        yield f"The first {len(shown)} of {len(ordered)} launches are drawn."
    bare = [one for place, one in enumerate(shown) if one.status is Status.OK and place not in read]
    if bare:
        yield f"{say_count(len(bare), *_LAUNCH)} without {series} samples: only the median is drawn."
    if any(one.is_blocked for one in read.values()):
        yield "Calls were too short to be timed singly: a sample is the mean of several, and single calls spread wider."


def _caption(result: ResultRecord, metric: MetricValue | None, name: str) -> str:
    if metric is None or metric.value is None:
        return f"{result.case.label}."
    interval = format_interval(metric.ci_lo, metric.ci_hi, metric.unit)
    bounds = "" if interval is None else f", 95 % interval {interval}"
    count = "" if metric.n is None else f", {say_count(metric.n, *_LAUNCH)}"
    return f"{result.case.label}: {name} {format_number(metric.value, metric.unit)}{bounds}{count}."


def _alt(
    title: str,
    shown: Sequence[LaunchRecord],
    read: Mapping[int, Calls],
    medians: Mapping[int, float],
    metric: MetricValue | None,
    result: ResultRecord,
) -> str:
    disturbed = [
        f"{shown[place].ordinal + 1} {shown[place].verdict}"
        for place in medians
        if shown[place].verdict not in {None, Verdict.TRUSTED}
    ]
    slowest = max((float(one.times[-1]) for one in read.values()), default=None)
    low, high = min(medians.values()), max(medians.values())
    apart = f", {format_number(high / low - 1, 'share')} apart" if len(medians) > 1 and low > 0 else ""
    return join_sentences(
        f"{title} of {say_name(result.case.label)}: {say_count(len(medians), *_LAUNCH)}, "
        f"medians {say_range(medians.values(), NS)}{apart}.",
        None if slowest is None else f"Slowest call {format_number(slowest, NS)}.",
        None
        if metric is None or metric.value is None
        else f"The result is {format_number(metric.value, metric.unit)}.",
        f"Disturbed launches: {', '.join(disturbed)}." if disturbed else "No launch was disturbed.",
    )
