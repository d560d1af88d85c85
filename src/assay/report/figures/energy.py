"""Power over the time of a launch, and energy over results. A number that is not known is left out with its reason.

May import: core, catalog, probes, report.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from assay.core.records import MetricValue, ResultRecord, TelemetrySeries
from assay.core.words import Provenance
from assay.probes.telemetry.base import Window
from assay.report.cells import metric_cell, metric_title
from assay.report.display import format_number
from assay.report.figures._layers import clamp
from assay.report.figures._thinning import MOST_POINTS, say_thinned, share_out, thin_series
from assay.report.figures._words import capital, empty_figure, join_sentences, say_name, say_names, say_range
from assay.report.figures.bars import MOST_BARS, Bar, draw_bars
from assay.report.figures.names import tell_apart
from assay.report.values import Axis, Figure, FigureKind, Layer, Marker, Role, Shape
from assay.report.wording import say_count

POWER, LIMIT, COUNTER = "power_w", "power_limit_w", "energy_j"
_LEVELS = {"average_power_w": "mean under load", "idle_power_w": "mean when idle"}
_FEWEST_EACH = 100


@dataclass(frozen=True, slots=True)
class _Course:
    """Power of one sensor over time: (ns since the launch began, W); None is a gap."""

    label: str
    group: str
    shape: Shape
    points: tuple[tuple[float, float | None], ...]


def draw_energy(
    *,
    series: Sequence[TelemetrySeries],
    idle: Window | None = None,
    load: Window | None = None,
    metrics: Sequence[MetricValue] = (),
    title: str = "Power over a launch",
    key: str = "energy",
    limit: int = MOST_POINTS,
) -> Figure:
    """Draw the power of each device over one launch, in W over ns since its beginning.

    A power sensor is a line of its readings; an energy counter gives steps, each the mean between two of its updates.
    ``idle`` and ``load`` are windows on the same clock (ns since the launch began), shaded. ``metrics`` are the
    launch's own, of which mean power under load and when idle become lines; those that are not known are in the notes
    with the reason. Long series are thinned, extremes kept.
    """
    x = Axis("time since the launch began", "ns")
    y = Axis("power", "W")
    courses = [*_courses(series)]
    notes = [*_unknown(metrics), *_resets(series)]
    drawn = [one for one in courses if any(value is not None for _, value in one.points)]
    if not drawn:
        names = sorted({one.sensor for one in series})
        read = f" Read were: {', '.join(names)}." if names else ""
        why = f"No sensor of power or energy gave a reading.{read}"
        return empty_figure(key, FigureKind.ENERGY, title, x, y, why=why, notes=notes)
    shares = share_out([len(one.points) for one in drawn], limit, fewest=_FEWEST_EACH)
    layers = [_layer(one, share) for one, share in zip(drawn, shares, strict=True)]
    total, kept = sum(len(one.points) for one in drawn), sum(len(layer.x) for layer in layers)
    if kept < total:
        notes.append(say_thinned(kept, total, "of each stretch the first, last, lowest and highest"))
    top = max(value for one in drawn for _, value in one.points if value is not None)
    windows = [(name, window) for name, window in (("idle window", idle), ("load window", load)) if window is not None]
    shades = [_shade(name, window, top) for name, window in windows]
    edges = [Marker("x", float(window.begin_ns), name) for name, window in windows]
    if not windows:
        notes.append("The idle and the load window of this launch are not known.")
    return Figure(
        key, FigureKind.ENERGY, title, x, y,
        layers=(*shades, *layers),
        markers=(*edges, *_levels(metrics), *_limits(series)),
        caption=_caption(series, windows),
        alt=_alt(title, drawn, metrics),
        notes=tuple(notes),
    )  # fmt: skip


def draw_energy_of_results(
    *,
    results: Sequence[ResultRecord],
    metric: str = "energy_j_per_call",
    title: str | None = None,
    key: str = "energy-of-results",
    limit: int = MOST_BARS,
) -> Figure:
    """Draw an energy metric of several results, least first; those without it are in the notes with their reasons.

    Raises UnknownNameError for a metric that nobody knows.
    """
    from assay.catalog.metrics import metrics as registry

    known = registry.get(metric)
    name = metric_title(metric)
    short = tell_apart([one.case.label for one in results])
    bars = [
        Bar(label, metric_cell(one, metric), one.case.engine) for label, one in zip(short.names, results, strict=True)
    ]
    figure = draw_bars(
        bars=bars, title=title or capital(name), metric=name, unit=known.unit, direction=known.direction, of="case",
        key=key, kind=FigureKind.ENERGY, limit=limit,
    )  # fmt: skip
    return replace(figure, caption=join_sentences(figure.caption, short.caption))


def _times(series: TelemetrySeries) -> list[float]:
    return [float(at) for at in itertools.islice(itertools.accumulate(series.dt_ns, initial=series.t0_ns), 1, None)]


def _courses(series: Sequence[TelemetrySeries]) -> Iterator[_Course]:
    for one in series:
        if not one.values or one.sensor not in {POWER, COUNTER}:
            continue
        points = tuple(zip(_times(one), one.values, strict=True))
        where = f"{one.device} {one.source}, {one.scope}"
        if one.sensor == POWER:
            yield _Course(f"{where}: sensor", one.device, Shape.LINE, points)
        else:
            steps = tuple(_steps(points))
            if steps:
                yield _Course(f"{where}: counter", f"{one.device} counter", Shape.STEPS, steps)


def _steps(points: Sequence[tuple[float, float | None]]) -> Iterator[tuple[float, float | None]]:
    """Mean power from each update of a counter to the next, from where it begins; the last ends the last step.

    A counter that went back (its driver was loaded anew) leaves a gap.
    """
    known = [(at, value) for at, value in points if value is not None]
    updates = known[:1] + [now for before, now in itertools.pairwise(known) if now[1] != before[1]]
    last: float | None = None
    for (begin, before), (end, after) in itertools.pairwise(updates):
        last = clamp((after - before) / (end - begin) * 1e9) if after > before and end > begin else None
        yield begin, last
    if len(updates) > 1:
        yield updates[-1][0], last


def _layer(course: _Course, limit: int) -> Layer:
    kept = thin_series([value for _, value in course.points], limit)
    chosen = [course.points[place] for place in kept]
    return Layer(
        course.label, course.shape, x=tuple(at for at, _ in chosen), y=tuple(value for _, value in chosen),
        provenance=Provenance.MEASURED, group=course.group,
    )  # fmt: skip


def _shade(name: str, window: Window, top: float) -> Layer:
    ends = (float(window.begin_ns), float(window.end_ns))
    return Layer(
        f"{name}, {format_number(window.seconds, 's')}", Shape.BAND, ends, lo=(0.0, 0.0), hi=(top, top), role=Role.GUIDE
    )


def _levels(metrics: Sequence[MetricValue]) -> Iterator[Marker]:
    for metric in metrics:
        if metric.name in _LEVELS and metric.value is not None:
            yield Marker("y", metric.value, f"{_LEVELS[metric.name]} {format_number(metric.value, metric.unit)}")


def _limits(series: Sequence[TelemetrySeries]) -> Iterator[Marker]:
    """The limit in force at the end, once for each that occurs."""
    limits = [
        next((value for value in reversed(one.values) if value is not None), None)
        for one in series
        if one.sensor == LIMIT
    ]
    for limit in dict.fromkeys(limits):
        if limit is not None:
            yield Marker("y", limit, f"power limit {format_number(limit, 'W')}", Role.LIMIT)


def _unknown(metrics: Sequence[MetricValue]) -> Iterator[str]:
    """Each reason once, with the numbers that it keeps from being known."""
    by_reason: dict[str, list[str]] = {}
    for metric in metrics:
        if metric.value is None and (metric.name.startswith("energy_") or metric.name.endswith("_power_w")):
            by_reason.setdefault(metric.reason or "no reason given", []).append(metric_title(metric.name))
    for reason, names in by_reason.items():
        yield f"Not known: {say_names(names)}: {say_name(reason)}."


def _resets(series: Sequence[TelemetrySeries]) -> Iterator[str]:
    for one in series:
        known = [value for value in one.values if value is not None]
        if one.sensor == COUNTER and any(after < before for before, after in itertools.pairwise(known)):
            yield f"The counter of {say_name(one.device)} went back while it was read; the step is left blank."


def _caption(series: Sequence[TelemetrySeries], windows: Sequence[tuple[str, Window]]) -> str:
    scopes = sorted({f"{one.device}: {one.scope}, by {one.source}" for one in series if one.sensor in {POWER, COUNTER}})
    lengths = ", ".join(f"{name} {format_number(window.seconds, 's')}" for name, window in windows)
    return join_sentences(f"What the power covers: {'; '.join(scopes)}.", f"{capital(lengths)}." if lengths else None)


def _alt(title: str, drawn: Sequence[_Course], metrics: Sequence[MetricValue]) -> str:
    said = [
        f"{say_name(one.label)} {say_range([value for _, value in one.points if value is not None], 'W')} "
        f"over {format_number(one.points[-1][0] - one.points[0][0], 'ns')}"
        for one in drawn
    ]
    levels = [
        f"{_LEVELS[metric.name]} {format_number(metric.value, metric.unit)}"
        for metric in metrics
        if metric.name in _LEVELS and metric.value is not None
    ]
    return join_sentences(
        f"{title}: {say_count(len(drawn), 'sensor')}.",
        f"{'; '.join(said)}.",
        f"{capital(', '.join(levels))}." if levels else None,
    )
