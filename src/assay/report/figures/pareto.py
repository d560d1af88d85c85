"""Two metrics against each other, and the front: those that nothing beats in both.

Fronts are of usable numbers and never mix where they come from: measured ones have theirs, imported and predicted ones
theirs. May import: core, report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from assay.core.words import Direction, Provenance
from assay.report.display import direction_words, format_number
from assay.report.figures._layers import Dot, is_ranked, layers_of, number_of, why_no_dot
from assay.report.figures._thinning import drawn_at, is_log_worth, say_thinned, thin_cloud
from assay.report.figures._words import (
    capital,
    empty_figure,
    join_sentences,
    say_name,
    say_names,
    say_range,
    say_reasons,
)
from assay.report.values import Axis, Cell, Figure, FigureKind, Layer, Role, Scale, Shape
from assay.report.wording import say_count

_LOG_FROM = 20.0
"""Values that differ by more than this factor are drawn on a logarithmic axis."""
_NAMED_ON_FRONT = 4


@dataclass(frozen=True, slots=True)
class Candidate:
    """One choice: its two numbers, each with all that is to be known of it. Both come from the same place.

    ``group`` is what it is told apart by in colour (an engine, a device).
    """

    label: str
    x: Cell
    y: Cell
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """What an axis shows: a metric in words, its base unit, which way is better."""

    title: str
    unit: str | None
    direction: Direction


def find_front(
    points: Sequence[tuple[float, float]], x_direction: Direction, y_direction: Direction
) -> tuple[int, ...]:
    """Return the places of the points that no other dominates, from the best x to the worst.

    One dominates another if it is at least as good in both and better in one; equal points do not dominate each other.
    In O(n log n) by going from the best x on and keeping the best y so far (Kung, Luccio and Preparata 1975, Journal of
    the ACM 22). Raises ValueError for a direction that has no better side.
    """
    signs = [_sign(direction) for direction in (x_direction, y_direction)]
    costs = [(signs[0] * x, signs[1] * y) for x, y in points]
    front: list[int] = []
    for place in sorted(range(len(costs)), key=lambda each: (costs[each], each)):
        if not front or costs[place][1] < costs[front[-1]][1] or costs[place] == costs[front[-1]]:
            front.append(place)
    return tuple(front)


def draw_pareto(
    *,
    candidates: Sequence[Candidate],
    x: Measure,
    y: Measure,
    title: str | None = None,
    key: str = "pareto",
    limit: int = 1_500,
) -> Figure:
    """Draw choices by two metrics (latency, throughput, energy, cost ...) with the front of each provenance.

    A choice without one of the numbers is in the notes. One that is not usable, or contaminated, is drawn hollow and is
    on no front. The label of a dominated point names one of the front that is at least as good in both. Intervals are
    those of y. More than ``limit`` points are thinned; the fronts are computed of all, and stay whole.
    """
    title = title or f"{capital(y.title)} against {x.title}"
    drawable, notes = _keep_drawable(candidates)
    is_log = [
        is_log_worth([_of(cell) for cell in cells], _LOG_FROM)
        for cells in ([one.x for one in drawable], [one.y for one in drawable])
    ]
    axes = [
        Axis(measure.title, measure.unit, Scale.LOG if log else Scale.LINEAR, measure.direction)
        for measure, log in zip((x, y), is_log, strict=True)
    ]
    if not drawable:
        why = f"No result has both {x.title} and {y.title}."
        return empty_figure(key, FigureKind.PARETO, title, *axes, why=why, notes=notes)
    fronts = _fronts(drawable, x, y)
    on_front = {place for front in fronts.values() for place in front}
    places = thin_cloud(
        [(drawn_at(_of(one.x), is_log=is_log[0]), drawn_at(_of(one.y), is_log=is_log[1])) for one in drawable],
        keep=on_front,
        limit=limit,
    )
    if len(places) < len(drawable):
        rule = "of points that lie in the same small square the first; the fronts are of all points, and whole"
        notes = (*notes, say_thinned(len(places), len(drawable), rule))
    dots = [
        Dot(_of(one.x), one.y if is_ranked(one.x) else replace(one.y, is_usable=False), label, one.group)
        for place in places
        for one, label in [(drawable[place], _label(drawable, place, fronts, x, y))]
    ]
    layers = layers_of(dots, Shape.POINTS)
    lines = tuple(_front_layer([drawable[place] for place in front], word) for word, front in fronts.items())
    return Figure(
        key, FigureKind.PARETO, title, axes[0], axes[1],
        layers=(*lines, *layers),
        caption=_caption(drawable, fronts),
        alt=_alt(title, drawable, fronts, x, y),
        notes=notes,
    )  # fmt: skip


def _sign(direction: Direction) -> float:
    if direction is Direction.NEITHER:
        raise ValueError("a front takes metrics of which one side is better, and neither side of this one is")
    return 1.0 if direction is Direction.LOWER else -1.0


def _of(cell: Cell) -> float:
    value = number_of(cell)
    if value is None:
        raise AssertionError("candidates without a number were sorted out")
    return value


def _keep_drawable(candidates: Sequence[Candidate]) -> tuple[list[Candidate], tuple[str, ...]]:
    drawable = []
    reasons = []
    names = []
    for one in candidates:
        reason = why_no_dot(one.x) or why_no_dot(one.y)
        if reason is None:
            drawable.append(one)
        else:
            reasons.append(reason)
            names.append(one.label)
    if not names:
        return drawable, ()
    why = say_reasons(reasons, otherwise="not known")
    return drawable, (f"{say_count(len(names), 'choice')} not drawn ({say_names(names)}): {why}.",)


def _fronts(candidates: Sequence[Candidate], x: Measure, y: Measure) -> dict[Provenance | None, tuple[int, ...]]:
    """The front of each provenance, as places among the candidates."""
    by_word: dict[Provenance | None, list[int]] = {}
    for place, one in enumerate(candidates):
        if is_ranked(one.x) and is_ranked(one.y):
            by_word.setdefault(one.y.provenance, []).append(place)
    order = [*Provenance, None]
    fronts = {}
    for word in sorted(by_word, key=order.index):
        places = by_word[word]
        points = [(_of(candidates[place].x), _of(candidates[place].y)) for place in places]
        fronts[word] = tuple(places[each] for each in find_front(points, x.direction, y.direction))
    return fronts


def _front_layer(front: Sequence[Candidate], word: Provenance | None) -> Layer:
    """The edge of what the front dominates: steps, since nothing is known to lie between two choices."""
    corners: list[tuple[float, float]] = []
    for one in front:
        point = (_of(one.x), _of(one.y))
        if corners and corners[-1] != point:
            # From the better x on its y holds until the next choice is reached, whose x is worse and y better.
            corners.append((point[0], corners[-1][1]))
        if not corners or corners[-1] != point:
            corners.append(point)
    label = "front" if word is None else f"front of the {word}"
    return Layer(
        label, Shape.LINE, x=tuple(x for x, _ in corners), y=tuple(y for _, y in corners), provenance=word,
        role=Role.FRONT,
    )  # fmt: skip


def _label(
    candidates: Sequence[Candidate],
    place: int,
    fronts: dict[Provenance | None, tuple[int, ...]],
    x: Measure,
    y: Measure,
) -> str:
    one = candidates[place]
    front = fronts.get(one.y.provenance, ())
    if place in front:
        return f"{one.label}: on the front"
    if not (is_ranked(one.x) and is_ranked(one.y)):
        return one.label
    signs = _sign(x.direction), _sign(y.direction)
    better = next(
        candidates[each].label
        for each in front
        if signs[0] * _of(candidates[each].x) <= signs[0] * _of(one.x)
        and signs[1] * _of(candidates[each].y) <= signs[1] * _of(one.y)
    )
    return f"{one.label}: dominated by {better}"


def _caption(candidates: Sequence[Candidate], fronts: dict[Provenance | None, tuple[int, ...]]) -> str:
    counts = []
    for word, front in fronts.items():
        of = sum(is_ranked(one.x) and is_ranked(one.y) and one.y.provenance is word for one in candidates)
        counts.append(f"{format_number(len(front))} of {format_number(of)}{'' if word is None else f' {word}'}")
    if not counts:
        return "No choice may be ranked, so there is no front."
    return f"On the front: {', '.join(counts)}. A choice that is not on it is no better in either than some that is."


def _alt(
    title: str,
    candidates: Sequence[Candidate],
    fronts: dict[Provenance | None, tuple[int, ...]],
    x: Measure,
    y: Measure,
) -> str:
    spreads = [
        f"{one.title} {say_range([_of(cell) for cell in cells], one.unit)} ({direction_words(one.direction)})"
        for one, cells in ((x, [each.x for each in candidates]), (y, [each.y for each in candidates]))
    ]
    spread = f"{title}: {say_count(len(candidates), 'choice')}, {', '.join(spreads)}."
    said = []
    for word, front in fronts.items():
        chosen = front[:_NAMED_ON_FRONT]
        named = "; ".join(
            f"{say_name(candidates[place].label)} ({format_number(_of(candidates[place].x), x.unit)}, "
            f"{format_number(_of(candidates[place].y), y.unit)})"
            for place in chosen
        )
        more = "" if len(front) == len(chosen) else f" and {len(front) - len(chosen)} more"
        said.append(f"Front{'' if word is None else f' of the {word}'}: {named}{more}.")
    return join_sentences(spread, *said)
