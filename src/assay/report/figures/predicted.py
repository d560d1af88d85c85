"""Predicted against measured: how far predictions were off, and whether their intervals held what they promised.

May import: core, report.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from assay.core.words import Provenance
from assay.report.display import format_number
from assay.report.figures._layers import Dot, clamp, is_ranked, layers_of, number_of, why_no_dot
from assay.report.figures._thinning import drawn_at, say_thinned, thin_cloud
from assay.report.figures._words import (
    empty_figure,
    join_sentences,
    say_name,
    say_names,
    say_range,
    say_reasons,
    say_share,
)
from assay.report.values import Axis, Cell, Figure, FigureKind, Layer, Role, Scale, Shape
from assay.report.wording import say_count

_GUIDES = (0.10, 0.20)
"""Relative errors that lines are drawn at (METHOD 8)."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One case, predicted and then measured. The bounds of ``predicted`` are for the measured number, at its level."""

    label: str
    measured: Cell
    predicted: Cell
    group: str | None = None


@dataclass(frozen=True, slots=True)
class PredictionScore:
    """How good ``n`` predictions were: relative errors |predicted / measured - 1|, and intervals that held.

    ``covered`` of the ``with_interval`` intervals contain the measured number; ``level`` is what they promised, None
    where there are none or levels differ.
    """

    n: int
    median_error: float
    mean_error: float
    within_10: float
    within_20: float
    with_interval: int
    covered: int
    level: float | None


def score_pairs(pairs: Sequence[Pair]) -> PredictionScore | None:
    """Score the predictions whose measured number is positive and may be ranked; None where there is none."""
    scored = [pair for pair in pairs if _is_scored(pair)]
    if not scored:
        return None
    errors = [abs(_value(pair.predicted) / _value(pair.measured) - 1) for pair in scored]
    bounded = [pair for pair in scored if pair.predicted.lo is not None and pair.predicted.hi is not None]
    levels = {pair.predicted.level for pair in bounded}
    return PredictionScore(
        n=len(scored),
        median_error=statistics.median(errors),
        mean_error=statistics.fmean(errors),
        within_10=sum(error <= _GUIDES[0] for error in errors) / len(errors),
        within_20=sum(error <= _GUIDES[1] for error in errors) / len(errors),
        with_interval=len(bounded),
        covered=sum(_is_covered(pair) for pair in bounded),
        level=levels.pop() if len(levels) == 1 else None,
    )


def draw_predicted(
    *,
    pairs: Sequence[Pair],
    metric: str,
    unit: str | None,
    is_ratio: bool = False,
    title: str | None = None,
    key: str = "predicted",
    limit: int = 1_500,
) -> Figure:
    """Draw predictions (upward, with their intervals) over what was measured, both axes logarithmic and alike.

    The diagonal is a perfect prediction; lines are 10 and 20 % off. ``is_ratio`` draws predicted over measured instead,
    around 1, which shows small errors over a wide range of sizes. Hollow points are not scored: their measurement is
    not usable or contaminated. Pairs without one of the numbers are in the notes.
    """
    title = title or f"{'Error of predicted' if is_ratio else 'Predicted against measured'} {metric}"
    upward = (
        Axis("predicted / measured", "ratio", Scale.LOG) if is_ratio else Axis(f"predicted {metric}", unit, Scale.LOG)
    )
    axes = Axis(f"measured {metric}", unit, Scale.LOG), upward
    drawable = [pair for pair in pairs if _why_not(pair) is None]
    notes = []
    if len(drawable) < len(pairs):
        others = [pair for pair in pairs if _why_not(pair) is not None]
        why = say_reasons([_why_not(pair) for pair in others], otherwise="not known")
        notes.append(
            f"{say_count(len(others), 'pair')} not drawn ({say_names([pair.label for pair in others])}): {why}."
        )
    if not drawable:
        why = f"No case has both a predicted and a measured {metric} yet."
        return empty_figure(key, FigureKind.PREDICTED, title, *axes, why=why, notes=notes)
    places = thin_cloud(
        [
            (drawn_at(_value(pair.measured), is_log=True), drawn_at(_value(pair.predicted), is_log=True))
            for pair in drawable
        ],
        keep=[place for place, pair in enumerate(drawable) if _is_missed(pair)][: limit // 2],
        limit=limit // 2,
    )
    if len(places) < len(drawable):
        rule = (
            f"up to {limit // 2} of those outside their interval, and of points in the same small square the first; "
            "the caption is of all"
        )
        notes.append(say_thinned(len(places), len(drawable), rule))
    dots = [_dot(drawable[place], is_ratio=is_ratio) for place in places]
    ends = [_value(pair.measured) for pair in drawable]
    if not is_ratio:
        ends += [_value(pair.predicted) for pair in drawable]
    score = score_pairs(drawable)
    return Figure(
        key, FigureKind.PREDICTED, title, *axes,
        layers=(*_guides(min(ends), max(ends), is_ratio=is_ratio), *layers_of(dots, Shape.POINTS)),
        caption=_caption(score),
        alt=_alt(title, drawable, score, unit),
        notes=tuple(notes),
    )  # fmt: skip


def _value(cell: Cell) -> float:
    value = number_of(cell)
    if value is None:
        raise AssertionError("pairs without a number were sorted out")
    return value


def _why_not(pair: Pair) -> str | None:
    return why_no_dot(pair.measured, is_log=True) or why_no_dot(pair.predicted, is_log=True)


def _is_scored(pair: Pair) -> bool:
    return _why_not(pair) is None and is_ranked(pair.measured) and is_ranked(pair.predicted)


def _is_covered(pair: Pair) -> bool:
    low, high = pair.predicted.lo, pair.predicted.hi
    return low is not None and high is not None and low <= _value(pair.measured) <= high


def _is_missed(pair: Pair) -> bool:
    return pair.predicted.lo is not None and pair.predicted.hi is not None and not _is_covered(pair)


def _dot(pair: Pair, *, is_ratio: bool) -> Dot:
    ratio = _value(pair.predicted) / _value(pair.measured)
    label = f"{pair.label}: {format_number(ratio, 'ratio')}"
    if _is_missed(pair):
        label += ", measured outside the interval"
    cell = pair.predicted if is_ranked(pair.measured) else replace(pair.predicted, is_usable=False)
    cell = replace(cell, provenance=cell.provenance or Provenance.PREDICTED, ref=cell.ref or pair.measured.ref)
    if is_ratio:
        low, high = (None if end is None else end / _value(pair.measured) for end in (cell.lo, cell.hi))
        cell = replace(cell, value=ratio, lo=low, hi=high, unit="ratio")
    return Dot(_value(pair.measured), cell, label, pair.group)


def _guides(low: float, high: float, *, is_ratio: bool) -> tuple[Layer, ...]:
    ends = (1.0, 1.0) if is_ratio else (low, high)
    lines = [Layer("as measured", Shape.LINE, (low, high), ends, role=Role.LIMIT, group="as measured")]
    for share in _GUIDES:
        label = f"{format_number(share, 'share')} off"
        lines += [
            Layer(
                label,
                Shape.LINE,
                (low, high),
                (clamp(ends[0] * factor), clamp(ends[1] * factor)),
                role=Role.GUIDE,
                group=label,
            )
            for factor in (1 + share, 1 - share)
        ]
    return tuple(lines)


def _caption(score: PredictionScore | None) -> str:
    if score is None:
        return "No measurement may be ranked, so nothing is scored."
    errors = f"median error {say_share(score.median_error)}, mean {say_share(score.mean_error)}"
    return join_sentences(
        f"{say_count(score.n, 'prediction')}: {errors};",
        f"{say_share(score.within_10)} within 10 %, {say_share(score.within_20)} within 20 %.",
        _say_coverage(score),
    )


def _say_coverage(score: PredictionScore) -> str:
    if not score.with_interval:
        return "No prediction came with an interval."
    promised = "" if score.level is None else f", {100 * score.level:g} % promised"
    share = say_share(score.covered / score.with_interval)
    return f"{score.covered} of {score.with_interval} intervals hold the measured number ({share}{promised})."


def _alt(title: str, drawn: Sequence[Pair], score: PredictionScore | None, unit: str | None) -> str:
    worst = max(drawn, key=lambda pair: abs(_value(pair.predicted) / _value(pair.measured) - 1))
    ratio = _value(worst.predicted) / _value(worst.measured)
    measured = say_range([_value(pair.measured) for pair in drawn], unit)
    return join_sentences(
        f"{title}: {say_count(len(drawn), 'case')}, measured {measured}.",
        _caption(score),
        f"Furthest off: {say_name(worst.label)}, {format_number(ratio, 'ratio')}.",
    )
