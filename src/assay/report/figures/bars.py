"""One number of several things, best first: bars with intervals.

May import: core, report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assay.core.words import Direction, Provenance
from assay.report.display import format_interval, format_number
from assay.report.figures._layers import Dot, is_ranked, layers_of, number_of
from assay.report.figures._words import (
    capital,
    empty_figure,
    join_sentences,
    say_better,
    say_name,
    say_names,
    say_range,
    say_reasons,
)
from assay.report.values import Axis, Cell, Figure, FigureKind, Scale, Shape
from assay.report.wording import say_count

MOST_BARS = 40


@dataclass(frozen=True, slots=True)
class Bar:
    """One thing and its number. ``group`` is what it is told apart by in colour."""

    label: str
    cell: Cell
    group: str | None = None


def draw_bars(  # noqa: PLR0913  (keyword-only)
    *,
    bars: Sequence[Bar],
    title: str,
    metric: str,
    unit: str | None,
    direction: Direction,
    of: str = "",
    key: str = "bars",
    kind: FigureKind = FigureKind.BARS,
    limit: int = MOST_BARS,
    is_ranked_by_value: bool = True,
) -> Figure:
    """Draw the numbers of some things, the best first where one side is better, else the largest.

    ``metric`` is the title of the value axis and ``of`` of the other; ``unit`` is the base unit. Numbers that rankings
    leave out come last, hollow. Each provenance is a layer of its own, and none is ranked as if it were another:
    measured come before imported and predicted. Things without a number are in the notes with their reasons, and so is
    what ``limit`` cut off. ``is_ranked_by_value`` False keeps the order given.
    """
    known = [bar for bar in bars if number_of(bar.cell) is not None]
    unknown = [bar for bar in bars if number_of(bar.cell) is None]
    ordered = sorted(known, key=lambda bar: _rank(bar.cell, direction)) if is_ranked_by_value else known
    shown, cut = ordered[:limit], ordered[limit:]
    notes = []
    if unknown:
        why = say_reasons([bar.cell.reason for bar in unknown], otherwise="not known")
        notes.append(
            f"{say_count(len(unknown), 'bar')} without a number ({say_names([bar.label for bar in unknown])}): {why}."
        )
    if cut:
        notes.append(f"The first {format_number(limit)} of {format_number(len(ordered))} are drawn.")
    x = Axis(of, scale=Scale.CATEGORY, categories=tuple(bar.label for bar in shown))
    y = Axis(metric, unit, direction=direction)
    if not shown:
        return empty_figure(key, kind, title, x, y, why=f"Nothing has a number for {metric}.", notes=notes)
    dots = [Dot(float(place), bar.cell, bar.cell.reason or "", bar.group) for place, bar in enumerate(shown)]
    return Figure(
        key, kind, title, x, y,
        layers=layers_of(dots, Shape.BARS),
        caption=_caption(shown),
        alt=_alt(title, ordered, len(shown), unit, direction),
        notes=tuple(notes),
    )  # fmt: skip


def _rank(cell: Cell, direction: Direction) -> tuple[bool, int, float]:
    value = number_of(cell) or 0.0
    order = list(Provenance)
    origin = 0 if cell.provenance is None else order.index(cell.provenance)
    return not is_ranked(cell), origin, value if direction is Direction.LOWER else -value


def _caption(shown: Sequence[Bar]) -> str:
    counts = {bar.cell.n for bar in shown}
    n = counts.pop() if len(counts) == 1 else None
    levels = {bar.cell.level for bar in shown if bar.cell.lo is not None or bar.cell.hi is not None}
    interval = f"Lines are {100 * levels.pop():g} % intervals." if len(levels) == 1 else None
    return join_sentences(interval, None if n is None else f"n = {n} each.")


def _alt(title: str, bars: Sequence[Bar], drawn: int, unit: str | None, direction: Direction) -> str:
    """Best and worst are of all bars, those that were cut off included."""
    count = say_count(len(bars), "bar") if drawn == len(bars) else f"{drawn} of {say_count(len(bars), 'bar')}"
    ranked = [bar for bar in bars if is_ranked(bar.cell)]
    left_out = len(bars) - len(ranked)
    if not ranked:
        values = say_range([number_of(bar.cell) or 0.0 for bar in bars], unit)
        said = f"{title}: {count}, {values}, all left out of the ranking."
        return join_sentences(said, say_better(direction))
    words = ("best", "worst") if direction is not Direction.NEITHER else ("largest", "smallest")
    ends = []
    for kind in dict.fromkeys(bar.cell.provenance for bar in ranked):
        own = [bar for bar in ranked if bar.cell.provenance is kind]
        of = "" if kind is None else f" {kind}"
        ends += [
            f"{capital(word)}{of}: {say_name(bar.label)}, {_say(bar.cell, unit)}."
            for word, bar in zip(words, own[:: max(1, len(own) - 1)], strict=False)
        ]
    return join_sentences(
        f"{title}: {count}.",
        *ends,
        f"{say_count(left_out, 'bar')} left out of the ranking." if left_out else None,
        say_better(direction),
    )


def _say(cell: Cell, unit: str | None) -> str:
    own = cell.unit or unit
    interval = format_interval(cell.lo, cell.hi, own)
    more = [part for part in (interval, None if cell.n is None else f"n = {cell.n}") if part]
    said = format_number(number_of(cell) or 0.0, own)
    return f"{said} ({'; '.join(more)})" if more else said
