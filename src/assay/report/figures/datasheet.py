"""What groups of devices deliver of what their data sheets promise: factors with intervals, and shares of the peak.

May import: core, analysis, report.
"""

from __future__ import annotations

from collections.abc import Sequence

from assay.analysis.datasheet_bias import Factor, SheetBias
from assay.analysis.datasheet_shares import SheetShare
from assay.core.words import Direction, Provenance
from assay.report.display import format_interval, format_number
from assay.report.figures._words import (
    capital,
    empty_figure,
    join_sentences,
    say_better,
    say_name,
    say_names,
    say_reasons,
)
from assay.report.figures.bars import Bar, draw_bars
from assay.report.values import Axis, Cell, Figure, FigureKind, Layer, Marker, Role, Scale, Shape
from assay.report.wording import say_count

MOST_GROUPS = 40


def draw_factors(
    bias: SheetBias, provenance: Provenance | None, *, key: str | None = None, limit: int = MOST_GROUPS
) -> Figure:
    """Draw the factor of each group with its interval, highest first, over the interval of one more number.

    ``key`` None: ``sheet-bias-architecture`` and the like.
    """
    key = key or f"sheet-bias-{bias.key}"
    title = f"Measured over data sheet, by {bias.by}{bias.part_words}"
    known = [one for one in bias.factors if one.factor is not None]
    shown, cut = known[:limit], known[limit:]
    without = [one for one in bias.factors if one.factor is None]
    notes = []
    if without:
        why = say_reasons([one.reason for one in without], otherwise="not known")
        notes.append(
            f"{say_count(len(without), 'group')} without a factor ({say_names([one.group for one in without])}): {why}."
        )
    if cut:
        notes.append(f"The first {format_number(limit)} of {format_number(len(known))} are drawn.")
    x = Axis(str(bias.by), scale=Scale.CATEGORY, categories=tuple(one.group for one in shown))
    y = Axis(f"times {bias.reference or 'the reference'}", "1", Scale.LOG, Direction.HIGHER)
    if not shown:
        why = f"No factors: {bias.reason or 'nothing was measured beside another group'}."
        return empty_figure(key, FigureKind.COMPARISON, title, x, y, why=why, notes=notes)
    return Figure(
        key, FigureKind.COMPARISON, title, x, y,
        layers=(_band(shown), _points(shown, bias, provenance)),
        markers=(Marker("y", 1.0, f"as {bias.reference}", Role.GUIDE),),
        caption=(
            f"How much more of their {bias.basis.words} devices deliver than {bias.reference}, at the same work. Lines "
            f"are {100 * bias.level:g} % intervals, bands those of one more number: another device, work and witness."
        ),
        alt=_alt(title, shown, bias),
        notes=tuple(notes),
    )  # fmt: skip


def draw_shares(shares: Sequence[SheetShare], workload: str, *, key: str | None = None) -> Figure:
    """Draw the share of the peak that generations reach at one work, by precision."""
    own = [one for one in shares if one.workload == workload]
    bars = [
        Bar(
            f"{one.vendor} {one.architecture}, {one.precision}",
            share_cell(one),
            "share of the peak" if not one.is_bound else "at least",
        )
        for one in own
    ]
    return draw_bars(
        bars=bars, title=f"Share of the peak: {workload}", metric="share of the data sheet's peak", unit="share",
        direction=Direction.HIGHER, of="generation and precision", key=key or f"sheet-share-{workload}",
    )  # fmt: skip


def share_cell(one: SheetShare) -> Cell:
    """The share with its interval; ``n`` counts witnesses."""
    return Cell(
        one.share, one.provenance, lo=one.lo, hi=one.hi, level=one.level, n=one.witnesses, unit="share",
        reason=one.reason,
    )  # fmt: skip


def _band(shown: Sequence[Factor]) -> Layer:
    """Of each group a band of its own; what lies between two groups is left open, so that nothing joins them."""
    edges: list[tuple[float, Factor | None]] = []
    for place, one in enumerate(shown):
        edges += [(place - 0.3, one), (place + 0.3, one), (place + 0.5, None)]
    return Layer(
        "one more number", Shape.BAND, x=tuple(place for place, _ in edges),
        lo=tuple(None if one is None else one.new_lo for _, one in edges),
        hi=tuple(None if one is None else one.new_hi for _, one in edges), role=Role.GUIDE,
    )  # fmt: skip


def _points(shown: Sequence[Factor], bias: SheetBias, provenance: Provenance | None) -> Layer:
    return Layer(
        "factor", Shape.POINTS,
        x=tuple(float(place) for place in range(len(shown))),
        y=tuple(one.factor for one in shown),
        lo=tuple(one.lo for one in shown),
        hi=tuple(one.hi for one in shown),
        n=tuple(one.n for one in shown),
        labels=tuple(
            f"{one.group}: {say_count(one.witnesses, 'witness', 'witnesses')}, {say_count(one.devices, 'device')}"
            for one in shown
        ),
        provenance=provenance,
        level=bias.level,
    )  # fmt: skip


def _alt(title: str, shown: Sequence[Factor], bias: SheetBias) -> str:
    ends = zip(("most", "least"), shown[:: max(1, len(shown) - 1)], strict=False)
    said = [f"{capital(word)}: {say_name(one.group)} {_say(one)}." for word, one in ends]
    return join_sentences(
        f"{title}, against {bias.reference}: {say_count(len(shown), 'group')}.", *said, say_better(Direction.HIGHER)
    )


def _say(one: Factor) -> str:
    interval = format_interval(one.lo, one.hi, "1")
    more = f" ({interval}; n = {one.n})" if interval else " (the reference)"
    return f"{format_number(one.factor or 1.0, '1')}{more}"
