"""Two sides case by case: the ratio of each with its interval, beside the floor below which nothing counts.

May import: core, analysis, report.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.analysis.values import CompareReport, Comparison, GeometricMean
from assay.core.words import Change, Direction, Provenance
from assay.report.cells import metric_title
from assay.report.display import format_interval, format_number, format_plain
from assay.report.figures._layers import refs_of
from assay.report.figures._words import capital, empty_figure, join_sentences, say_name, say_names, say_reasons
from assay.report.figures.names import tell_apart
from assay.report.values import Axis, Figure, FigureKind, Layer, Marker, Ref, RefKind, Role, Scale, Shape
from assay.report.wording import say_count

MOST_CASES = 60
_ROLES = {Change.REGRESSED: Role.HIGHLIGHT, Change.SUSPECT: Role.HIGHLIGHT, Change.UNCHANGED: Role.GUIDE}
"""What calls for a look stands out, and what did not change steps back."""


def draw_comparison(
    report: CompareReport, *, side: int = 1, title: str | None = None, key: str = "comparison", limit: int = MOST_CASES
) -> Figure:
    """Draw one side over the baseline: a case a place, its ratio with the 95 % interval, by verdict; worst first.

    The band is the floor (of each case its own); the last place is the geometric mean of all. A ratio of 1 is no
    change; above it the metric's number is larger, and the axis says whether that is better. Cases that could not be
    compared are in the notes by verdict. Raises ValueError for a side that the report has not, or the baseline.
    """
    if not 0 < side < len(report.sides):
        raise ValueError(f"got side {side}; expected 1 to {len(report.sides) - 1}")
    a, b = report.sides[0].label, report.sides[side].label
    name = metric_title(report.metric, report.stat)
    title = title or f"{capital(name)} of {say_name(b)} over {say_name(a)}"
    own = [one for one in report.comparisons if one.side == side]
    compared = sorted(
        (one for one in own if one.estimate is not None), key=lambda one: _worst_first(one, report.direction)
    )
    shown = compared[:limit]
    mean = next((one for one in report.means if one.side == side), None)
    if mean is not None and mean.n < 2:  # noqa: PLR2004  (the mean of one is that one)
        mean = None
    notes = _notes(own, shown, compared, report)
    short = tell_apart([one.case_label for one in shown])
    labels = [*short.names, *([] if mean is None else [_mean_label(mean)])]
    x = Axis("case", scale=Scale.CATEGORY, categories=tuple(labels))
    y = Axis(f"{name}, {b} / {a}", "ratio", Scale.LOG, report.direction)
    if not shown:
        why = f"No case of {say_name(a)} and {say_name(b)} gave a ratio."
        return empty_figure(key, FigureKind.COMPARISON, title, x, y, why=why, notes=notes)
    provenance = _provenance(report, side)
    layers = [_floor_layer(shown), *_verdict_layers(shown, provenance)]
    if mean is not None:
        layers.append(_mean_layer(mean, len(shown), provenance))
    return Figure(
        key, FigureKind.COMPARISON, title, x, y,
        layers=tuple(layers),
        markers=(Marker("y", 1.0, "no change", Role.GUIDE),),
        caption=join_sentences(_caption(report, own, mean), short.caption),
        alt=_alt(title, own, compared, mean),
        notes=notes,
    )  # fmt: skip


def _worst_first(one: Comparison, direction: Direction) -> float:
    ratio = _ratio(one)
    return ratio if direction is Direction.HIGHER else -ratio


def _ratio(one: Comparison) -> float:
    if one.estimate is None:
        raise AssertionError("comparisons without a ratio were sorted out")
    return one.estimate.ratio


def _mean_label(mean: GeometricMean) -> str:
    return f"geometric mean of {format_number(mean.n)}"


def _floor_layer(shown: Sequence[Comparison]) -> Layer:
    """A band of the width of a case each, since floors differ between series."""
    edges = [(place + step, one.floor) for place, one in enumerate(shown) for step in (-0.5, 0.5)]
    floors = {one.floor for one in shown if one.floor is not None}
    label = "floor" if len(floors) != 1 else f"floor {format_number(floors.pop(), 'share')}"
    return Layer(
        label, Shape.BAND,
        x=tuple(place for place, _ in edges),
        lo=tuple(None if floor is None else 1 / (1 + floor) for _, floor in edges),
        hi=tuple(None if floor is None else 1 + floor for _, floor in edges),
        role=Role.GUIDE,
    )  # fmt: skip


def _verdict_layers(shown: Sequence[Comparison], provenance: Provenance) -> list[Layer]:
    layers = []
    for change in Change:
        chosen = [(place, one) for place, one in enumerate(shown) if one.change is change]
        if not chosen:
            continue
        estimates = [one.estimate for _, one in chosen if one.estimate is not None]
        refs = [Ref(RefKind.RESULT, one.result_b) if one.result_b else None for _, one in chosen]
        layers.append(
            Layer(
                change.value,
                Shape.POINTS,
                x=tuple(float(place) for place, _ in chosen),
                y=tuple(estimate.ratio for estimate in estimates),
                lo=tuple(estimate.lo95 for estimate in estimates),
                hi=tuple(estimate.hi95 for estimate in estimates),
                n=tuple(min(estimate.n_a, estimate.n_b) for estimate in estimates),
                labels=tuple(_label(one) for _, one in chosen),
                refs=refs_of(refs),
                provenance=provenance,
                role=_ROLES.get(change, Role.DATA),
                group=change.value,
            )
        )
    return layers


def _mean_layer(mean: GeometricMean, place: int, provenance: Provenance) -> Layer:
    return Layer(
        "geometric mean", Shape.POINTS, x=(float(place),), y=(mean.ratio,), lo=(mean.lo95,), hi=(mean.hi95,),
        labels=(f"{_mean_label(mean)} of {format_number(mean.of)} cases",), provenance=provenance,
        role=Role.FRONT,
    )  # fmt: skip


def _label(one: Comparison) -> str:
    estimate = one.estimate
    if estimate is None:
        return one.case_label
    said = [f"p {format_plain(estimate.p, 2)}", f"{estimate.n_a} and {estimate.n_b} launches"]
    return "; ".join([f"{one.case_label}: {one.change}, {', '.join(said)}", *one.reasons])


def _provenance(report: CompareReport, side: int) -> Provenance:
    """A ratio is measured only where both of its numbers are."""
    words = {report.sides[0].provenance, report.sides[side].provenance}
    return next(word for word in reversed(Provenance) if word in words)


def _notes(
    own: Sequence[Comparison], shown: Sequence[Comparison], compared: Sequence[Comparison], report: CompareReport
) -> tuple[str, ...]:
    notes = []
    for change in Change:
        lacking = [one for one in own if one.estimate is None and one.change is change]
        if lacking:
            why = say_reasons([one.reasons[0] if one.reasons else None for one in lacking], otherwise="no reason given")
            names = say_names([one.case_label for one in lacking])
            notes.append(f"{say_count(len(lacking), f'{change} case')} without a ratio ({names}): {why}.")
    if len(shown) < len(compared):
        notes.append(f"The {format_number(len(shown))} worst of {format_number(len(compared))} ratios are drawn.")
    if compared and not report.is_interleaved:
        notes.append("Launches were not made in turns, so a difference may be the machine's.")
    return tuple(notes)


def _counts(own: Sequence[Comparison]) -> str:
    return ", ".join(
        f"{format_number(count)} {change}" for change in Change if (count := sum(one.change is change for one in own))
    )


def _caption(report: CompareReport, own: Sequence[Comparison], mean: GeometricMean | None) -> str:
    better = {Direction.LOWER: "below 1 is better", Direction.HIGHER: "above 1 is better"}.get(report.direction)
    return join_sentences(
        f"{capital(_counts(own))}.",
        None if better is None else f"{capital(better)}.",
        "Lines are 95 % intervals.",
        None if mean is None else f"Geometric mean {_say_mean(mean)}.",
    )


def _say_mean(mean: GeometricMean) -> str:
    interval = format_interval(mean.lo95, mean.hi95, "ratio")
    bounds = "" if interval is None else f" ({interval})"
    return f"{format_number(mean.ratio, 'ratio')}{bounds}, {mean.n} of {mean.of} cases"


def _alt(title: str, own: Sequence[Comparison], compared: Sequence[Comparison], mean: GeometricMean | None) -> str:
    ends = list(zip(("worst", "best"), compared[:: max(1, len(compared) - 1)], strict=False))
    said = [f"{capital(word)}: {say_name(one.case_label)} {_say_ratio(one)}, {one.change}." for word, one in ends]
    return join_sentences(
        f"{title}: {_counts(own)}.", *said, None if mean is None else f"Geometric mean {_say_mean(mean)}."
    )


def _say_ratio(one: Comparison) -> str:
    if one.estimate is None:
        raise AssertionError("comparisons without a ratio were sorted out")
    interval = format_interval(one.estimate.lo95, one.estimate.hi95, "ratio")
    return f"{format_number(one.estimate.ratio, 'ratio')}{'' if interval is None else f' ({interval})'}"
