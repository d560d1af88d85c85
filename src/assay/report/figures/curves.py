"""How training went: loss or accuracy of several runs over steps, epochs or time.

May import: core, report.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assay.core.words import Direction, Provenance
from assay.report.display import format_number
from assay.report.figures._layers import LEFT_OUT, refs_of
from assay.report.figures._thinning import MOST_POINTS, say_thinned, share_out, thin_series
from assay.report.figures._words import empty_figure, join_sentences, say_better, say_name, say_names
from assay.report.values import Axis, Figure, FigureKind, Layer, Marker, Ref, Role, Shape
from assay.report.wording import say_count

_NAMED = 4
_FEWEST_EACH = 50


@dataclass(frozen=True, slots=True)
class TrainingCurve:
    """One number of one run as it went: ``values[i]`` at ``x[i]`` (steps, epochs, or ns since the start).

    None is a value that was not taken. ``lo`` and ``hi`` (empty, or as long) bound it at 95 %, over ``n`` runs where it
    is a mean of several. ``group`` is what it is told apart by in colour; None: itself.
    """

    label: str
    x: Sequence[float]
    values: Sequence[float | None]
    provenance: Provenance = Provenance.MEASURED
    lo: Sequence[float | None] = ()
    hi: Sequence[float | None] = ()
    n: int | None = None
    group: str | None = None
    ref: Ref | None = None
    is_usable: bool = True


def draw_curves(  # noqa: PLR0913  (keyword-only)
    *,
    curves: Sequence[TrainingCurve],
    metric: str,
    unit: str | None,
    direction: Direction,
    over: str = "step",
    over_unit: str | None = None,
    target: float | None = None,
    title: str | None = None,
    key: str = "curves",
    limit: int = MOST_POINTS,
) -> Figure:
    """Draw what several runs reached, over ``over`` (in base unit ``over_unit``); nothing is smoothed.

    ``target`` is a quality to be reached, drawn as a limit. A value that is not finite (a run that diverged) is a gap,
    and a note says where it began. Long curves are thinned so that all together have about ``limit`` points, extremes
    kept. Raises ValueError for a curve whose ``values`` are not as many as its ``x``.
    """
    title = title or f"{metric} over {over}".capitalize()
    x = Axis(over, over_unit)
    y = Axis(metric, unit, direction=direction)
    drawn = [one for one in (_settle(curve) for curve in curves) if one.reached]
    notes = [note for curve in curves for note in _notes(curve, over, over_unit)]
    if not drawn:
        why = f"No run has kept its {metric} over {over}."
        return empty_figure(key, FigureKind.CURVES, title, x, y, why=why, notes=notes)
    shares = share_out([len(one.values) for one in drawn], limit, fewest=_FEWEST_EACH)
    layers = tuple(_layer(one, share) for one, share in zip(drawn, shares, strict=True))
    total, kept = sum(len(one.values) for one in drawn), sum(len(layer.x) for layer in layers)
    if kept < total:
        notes.append(say_thinned(kept, total, "of each stretch of a curve the first, last, lowest and highest"))
    limits = [] if target is None else [Marker("y", target, f"target {format_number(target, unit)}", Role.LIMIT)]
    said = [_describe(one, direction, over, unit, over_unit, target) for one in drawn[:_NAMED]]
    more = f"and {len(drawn) - _NAMED} more." if len(drawn) > _NAMED else None
    return Figure(
        key, FigureKind.CURVES, title, x, y, layers=layers, markers=tuple(limits),
        caption=f"{say_count(len(drawn), 'curve')}, not smoothed.",
        alt=join_sentences(f"{title}: {say_count(len(drawn), 'curve')}.", *said, more, say_better(direction)),
        notes=tuple(notes),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Settled:
    """A curve in order of x, with gaps for what is not finite; ``reached`` are its known points."""

    curve: TrainingCurve
    order: tuple[int, ...]
    values: tuple[float | None, ...]
    reached: tuple[tuple[float, float], ...]


def _settle(curve: TrainingCurve) -> _Settled:
    if len(curve.x) != len(curve.values):
        raise ValueError(f"curve {curve.label!r}: {len(curve.values)} values for {len(curve.x)} of x")
    order = tuple(sorted((place for place, x in enumerate(curve.x) if math.isfinite(x)), key=lambda at: curve.x[at]))
    values = tuple(_finite(curve.values[place]) for place in order)
    reached = tuple((curve.x[place], value) for place, value in zip(order, values, strict=True) if value is not None)
    return _Settled(curve, order, values, reached)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _layer(settled: _Settled, limit: int) -> Layer:
    curve = settled.curve
    kept = thin_series(settled.values, limit)
    places = [settled.order[place] for place in kept]
    words = [curve.label]
    if curve.provenance is not Provenance.MEASURED:
        words.append(curve.provenance.value)
    if not curve.is_usable:
        words.append(LEFT_OUT)
    return Layer(
        ", ".join(words),
        Shape.LINE if len(settled.reached) > 1 else Shape.POINTS,
        x=tuple(curve.x[place] for place in places),
        y=tuple(settled.values[place] for place in kept),
        lo=tuple(_finite(curve.lo[place]) for place in places) if curve.lo else (),
        hi=tuple(_finite(curve.hi[place]) for place in places) if curve.hi else (),
        n=(curve.n,) * len(places) if curve.n is not None else (),
        refs=refs_of([curve.ref] * len(places)),
        provenance=curve.provenance,
        group=curve.group or curve.label,
        is_usable=curve.is_usable,
    )


def _notes(curve: TrainingCurve, over: str, over_unit: str | None) -> Iterator[str]:
    bad = [x for x, value in zip(curve.x, curve.values, strict=True) if value is not None and not math.isfinite(value)]
    if bad:
        at = format_number(min(bad), over_unit)
        yield f"{say_names([curve.label])}: {say_count(len(bad), 'value')} not finite, from {over} {at} on."
    elif not any(value is not None for value in curve.values):
        yield f"{say_names([curve.label])}: no value."


def _describe(
    settled: _Settled, direction: Direction, over: str, unit: str | None, over_unit: str | None, target: float | None
) -> str:
    """Where a curve begins and ends, its best, and when it reached the target."""
    first, last = settled.reached[0], settled.reached[-1]
    said = (
        f"{say_name(settled.curve.label)} goes from {format_number(first[1], unit)} to {format_number(last[1], unit)} "
        f"at {over} {format_number(last[0], over_unit)}"
    )
    if direction is not Direction.NEITHER:
        choose = min if direction is Direction.LOWER else max
        best = choose(settled.reached, key=lambda one: one[1])
        if best[1] != last[1]:
            said += f", best {format_number(best[1], unit)} at {over} {format_number(best[0], over_unit)}"
        if target is not None:
            when = next((at for at, value in settled.reached if _meets(value, target, direction)), None)
            said += (
                ", target not reached"
                if when is None
                else f", target reached at {over} {format_number(when, over_unit)}"
            )
    return f"{said}."


def _meets(value: float, target: float, direction: Direction) -> bool:
    return value <= target if direction is Direction.LOWER else value >= target
