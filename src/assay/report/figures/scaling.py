"""A scaling curve: what growing batch, threads or length does to rate, latency and memory, and where it ends.

May import: core, stats, runner, report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from assay.core.records import ResultRecord
from assay.core.words import Direction, Status
from assay.report.cells import result_ref, what_to_know, work_unit
from assay.report.display import format_number
from assay.report.figures._layers import Dot, clamp, layers_of, number_of
from assay.report.figures._words import (
    capital,
    empty_figure,
    join_sentences,
    say_better,
    say_name,
    say_range,
    say_reasons,
)
from assay.report.figures.names import tell_apart
from assay.report.values import Axis, Cell, Figure, FigureKind, Layer, Marker, Role, Scale, Shape
from assay.report.wording import say_count
from assay.runner.sweep import Curve
from assay.stats.scaling import End, Point, Scaling

_IDEAL_ABOVE = 1.25
"""How far above the best rate the line of proportional growth is drawn: beyond, it would only squeeze the curve."""


class View(StrEnum):
    """What is drawn over the size."""

    RATE = "rate"
    LATENCY = "latency"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class _What:
    """One view: its axis, the value of a point with its bounds, and the metrics that it is read from."""

    title: str
    unit: str | None
    direction: Direction
    scale: Scale
    read: Callable[[Point], tuple[float | None, float | None, float | None]]
    metrics: tuple[str, ...]


def draw_scaling(
    curve: Curve,
    scaling: Scaling,
    *,
    view: View = View.RATE,
    latency_target_ns: float | None = None,
    memory_limit_bytes: float | None = None,
    title: str | None = None,
    key: str | None = None,
) -> Figure:
    """Draw one curve of a sweep: rate (linear), latency or memory (both logarithmic) over the size (logarithmic).

    Markers say where the knee is, which size is best and which is enough, and where the curve ended and why; on the
    latency the target, on the memory the limit in bytes. The dashed line of a rate is growth in proportion to the first
    size. Sizes that rankings leave out are hollow and not on the line; failed ones are in the notes with their reasons.
    """
    what = _what(view, curve)
    size = curve.axis.name
    name = curve.results[0].case.workload if curve.results else "nothing"
    title = title or f"{capital(what.title)} of {name} over {size}"
    key = key or f"scaling-{view}"
    x = Axis(size, scale=Scale.LOG)
    y = Axis(what.title, what.unit, what.scale, what.direction)
    dots = list(_dots(curve, scaling, what))
    notes = tuple(_notes(curve, scaling, what))
    if not dots:
        why = f"No size of this curve has a {what.title}. It ends at {_end(scaling, size)}."
        return empty_figure(key, FigureKind.SCALING, title, x, y, why=why, notes=notes)
    layers = layers_of(dots, Shape.LINE_POINTS)
    ideal = _ideal(dots, size) if view is View.RATE else None
    markers = list(_markers(scaling, size))
    if view is View.LATENCY and latency_target_ns is not None:
        markers.append(Marker("y", latency_target_ns, f"target {format_number(latency_target_ns, 'ns')}", Role.LIMIT))
    if view is View.MEMORY and memory_limit_bytes is not None:
        markers.append(Marker("y", memory_limit_bytes, f"limit {format_number(memory_limit_bytes, 'B')}", Role.LIMIT))
    return Figure(
        key, FigureKind.SCALING, title, x, y,
        layers=(*([] if ideal is None else [ideal]), *layers),
        markers=tuple(markers),
        caption=_caption(curve, scaling),
        alt=_alt(title, dots, scaling, what, size),
        notes=notes,
    )  # fmt: skip


def draw_scaling_together(
    curves: Sequence[tuple[Curve, Scaling]],
    *,
    view: View = View.RATE,
    title: str | None = None,
    key: str | None = None,
) -> Figure:
    """Draw several curves over the same axis beside each other: engines, precisions, devices.

    Each is a colour, called by what tells its case from the others'; the caption says where each is best. Curves over
    another axis, or whose rate counts something else than the first one's, are left out, which a note says.
    """
    if not curves:
        x, y = Axis("size", scale=Scale.LOG), Axis(view.value)
        why = "There is no curve."
        return empty_figure(key or f"scaling-{view}-together", FigureKind.SCALING, title or "Scaling", x, y, why=why)
    first, what = curves[0][0], _what(view, curves[0][0])
    alike = [one for one in curves if one[0].axis == first.axis and _what(view, one[0]).unit == what.unit]
    short = tell_apart([curve.results[0].case.label if curve.results else "nothing" for curve, _ in alike])
    size = first.axis.name
    title = title or f"{capital(what.title)} over {size}"
    key = key or f"scaling-{view}-together"
    x, y = Axis(size, scale=Scale.LOG), Axis(what.title, what.unit, what.scale, what.direction)
    dots = [
        replace(dot, group=name)
        for name, (curve, scaling) in zip(short.names, alike, strict=True)
        for dot in _dots(curve, scaling, what)
    ]
    notes = [
        f"{name}: ends at {_end(scaling, size)}."
        for name, (_, scaling) in zip(short.names, alike, strict=True)
        if scaling.end is not End.RANGE
    ]
    if len(alike) < len(curves):
        notes.append(f"{say_count(len(curves) - len(alike), 'curve')} over another axis, or of other work, not drawn.")
    if not dots:
        why = f"No size of any curve has a {what.title}."
        return empty_figure(key, FigureKind.SCALING, title, x, y, why=why, notes=notes)
    best = [
        f"{say_name(name)} at {size} {format_number(scaling.best)}"
        for name, (_, scaling) in zip(short.names, alike, strict=True)
        if scaling.best is not None
    ]
    values = [number_of(dot.cell) or 0.0 for dot in dots]
    spread = f"{say_count(len(alike), 'curve')}, {say_range(values, what.unit)}"
    said = f"Best: {'; '.join(best)}." if best else None
    return Figure(
        key, FigureKind.SCALING, title, x, y,
        layers=layers_of(dots, Shape.LINE_POINTS),
        caption=join_sentences(said, short.caption),
        alt=join_sentences(f"{title}: {spread}.", said, say_better(what.direction)),
        notes=tuple(notes),
    )  # fmt: skip


def _what(view: View, curve: Curve) -> _What:
    match view:
        case View.RATE:
            unit = work_unit(curve.unit) or "1/s"
            return _What(
                "rate", unit, Direction.HIGHER, Scale.LINEAR, lambda one: (one.rate, one.rate_lo, one.rate_hi),
                ("throughput_per_s",),
            )  # fmt: skip
        case View.LATENCY:
            return _What(
                "latency", "ns", Direction.LOWER, Scale.LOG,
                lambda one: (one.latency_ns, one.latency_lo_ns, one.latency_hi_ns), ("latency_ns",),
            )  # fmt: skip
        case View.MEMORY:
            return _What(
                "memory", "B", Direction.LOWER, Scale.LOG, lambda one: (one.memory_bytes, None, None),
                ("device_memory_peak_bytes", "memory_peak_bytes"),
            )  # fmt: skip


def _dots(curve: Curve, scaling: Scaling, what: _What) -> Iterator[Dot]:
    by_size = {point.x: result for point, result in zip(curve.points, curve.results, strict=True)}
    for point in scaling.points:
        value, low, high = what.read(point)
        if point.status is not Status.OK or value is None or (what.scale is Scale.LOG and value <= 0):
            continue
        result = by_size[point.x]
        cell = Cell(
            value, provenance=result.provenance, verdict=result.verdict, lo=low, hi=high,
            n=_count(result, what.metrics), reason=what_to_know(result), is_usable=result.is_usable,
            ref=result_ref(result),
        )  # fmt: skip
        label = f"{curve.axis.name} {format_number(point.x)}"
        words = [result.verdict.value] if result.verdict is not None and result.verdict != "trusted" else []
        words += [cell.reason] if cell.reason else []
        yield Dot(float(point.x), cell, f"{label}: {'; '.join(words)}" if words else label, what.title)


def _count(result: ResultRecord, metrics: Sequence[str]) -> int | None:
    """What the number was taken over: of the first of these metrics that the result has."""
    found = {one.name: one.n for one in reversed(result.metrics) if one.value is not None}
    return next((found[name] for name in metrics if name in found), None)


def _ideal(dots: Sequence[Dot], size: str) -> Layer | None:
    """Growth in proportion from the smallest size, at the sizes measured, as far as it stays near what was reached."""
    points = [(float(dot.x), number_of(dot.cell) or 0.0) for dot in dots if isinstance(dot.x, float)]
    (x_first, first), best = points[0], max(y for _, y in points)
    near = [x for x, _ in points if first * (x / x_first) <= _IDEAL_ABOVE * best]
    if len(near) < 2 or first <= 0:  # noqa: PLR2004  (a line takes two)
        return None
    return Layer(
        f"in proportion to the first {size}", Shape.LINE, x=tuple(near),
        y=tuple(clamp(first * (x / x_first)) for x in near), role=Role.GUIDE,
    )  # fmt: skip


def _markers(scaling: Scaling, size: str) -> Iterator[Marker]:
    """One marker a size, however many things it is: best and enough are often the same."""
    said: dict[int, list[str]] = {}
    for word, at in (("knee", scaling.knee), ("enough", scaling.enough), ("best", scaling.best)):
        if at is not None:
            said.setdefault(at, []).append(word)
    for at, words in sorted(said.items()):
        yield Marker("x", float(at), f"{', '.join(words)}: {size} {format_number(at)}", Role.GUIDE)
    if scaling.end is not End.RANGE and scaling.end_x is not None:
        yield Marker("x", float(scaling.end_x), f"{scaling.end}: {size} {format_number(scaling.end_x)}", Role.LIMIT)


def _notes(curve: Curve, scaling: Scaling, what: _What) -> Iterator[str]:
    failed = [point for point in scaling.points if point.status is not Status.OK and point.x != scaling.end_x]
    if failed:
        sizes = ", ".join(format_number(point.x) for point in failed)
        why = say_reasons([point.reason or point.status.text for point in failed], otherwise="no reason given")
        yield f"Not measured at {curve.axis.name} {sizes}: {why}."
    lacking = [point for point in scaling.points if point.status is Status.OK and what.read(point)[0] is None]
    if lacking:
        sizes = ", ".join(format_number(point.x) for point in lacking)
        yield f"No {what.title} at {curve.axis.name} {sizes}."
    if scaling.knee is None and scaling.knee_reason:
        yield f"No knee: {scaling.knee_reason}."
    if scaling.undecided:
        sizes = ", ".join(format_number(size) for size in scaling.undecided)
        yield f"By their intervals {curve.axis.name} {sizes} might be enough too; more launches would tell."


def _end(scaling: Scaling, size: str) -> str:
    """Where the curve ends and why, to follow ``ends at``."""
    if scaling.end is End.RANGE or scaling.end_x is None:
        return scaling.end.value
    why, reason = scaling.end.value, scaling.end_reason
    if reason:
        why = reason if why in reason else f"{why} ({reason})"
    return f"{size} {format_number(scaling.end_x)}: {say_name(why)}"


def _caption(curve: Curve, scaling: Scaling) -> str:
    label = curve.results[0].case
    settings = [label.engine, label.device, label.precision]
    said = [f"{label.workload} {' '.join(str(word) for word in settings if word)}."]
    if scaling.enough is not None:
        said.append(f"Enough: {curve.axis.name} {format_number(scaling.enough)}, {scaling.enough_reason}.")
    return join_sentences(*said, f"The curve ends at {_end(scaling, curve.axis.name)}.")


def _alt(title: str, dots: Sequence[Dot], scaling: Scaling, what: _What, size: str) -> str:
    first, last = dots[0], dots[-1]
    ends = [
        f"{format_number(number_of(dot.cell) or 0.0, what.unit)} at {size} {format_number(int(dot.x))}"
        for dot in ((first,) if first is last else (first, last))
        if isinstance(dot.x, float)
    ]
    marks = [
        f"{capital(word)}: {size} {format_number(at)}."
        for word, at in (("knee", scaling.knee), ("best", scaling.best), ("enough", scaling.enough))
        if at is not None
    ]
    return join_sentences(
        f"{title}: {say_count(len(dots), 'size')}, {' to '.join(ends)}.",
        *marks,
        f"The curve ends at {_end(scaling, size)}.",
        say_better(what.direction),
    )
