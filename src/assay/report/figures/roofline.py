"""Measured calls under the roofs of their device: how much arithmetic a byte brings, and how fast it is done.

Williams, Waterman and Patterson 2009, "Roofline", Communications of the ACM 52. Roofs are what the probe measured with
one engine, so a point may lie above one; that is said and never clipped. May import: core, stats, recommend, report.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from assay.core.words import Direction, Provenance
from assay.recommend.explain import ExplainedResult, arithmetic_of
from assay.report.cells import result_ref, what_to_know
from assay.report.display import format_number
from assay.report.figures._layers import Dot, is_ranked, layers_of
from assay.report.figures._words import empty_figure, join_sentences, say_name, say_names, say_reasons, say_share
from assay.report.figures.names import tell_apart
from assay.report.values import Axis, Cell, Figure, FigureKind, Layer, Role, Scale, Shape
from assay.report.wording import say_count
from assay.stats.roofline import DeviceRates, Explanation

_MARGIN = 4.0
"""How far beyond the outermost point or ridge the roofs go, as a factor."""
_NAMED = 3
_UNIT = "FLOP/s"


def draw_roofline(
    *,
    explained: Sequence[ExplainedResult],
    rates: DeviceRates | None = None,
    device: str = "",
    title: str | None = None,
    key: str = "roofline",
) -> Figure:
    """Draw results (FLOP/s over FLOP/byte, both logarithmic) with the roofs of one device.

    ``rates`` are the probe's: a flat roof for each precision (products of matrices; of convolutions where they differ),
    a slope for memory and one for the fastest cache. Without them the roofs are those that the explanations used. A
    label says which share of its own roof a point reaches; bytes are the least that any execution must move, so a point
    lies at the right end of where it may be. A point is hollow where rankings leave it out. Results without an
    explanation are in the notes with their reasons.
    """
    title = title or (f"Roofline of {say_name(device)}" if device else "Roofline")
    x = Axis("arithmetic for each byte moved", "FLOP/B", Scale.LOG)
    y = Axis("rate of arithmetic", _UNIT, Scale.LOG, Direction.HIGHER)
    short = tell_apart([one.result.case.label for one in explained])
    placed = [(one, _dot(one, name)) for one, name in zip(explained, short.names, strict=True)]
    dots = [(one, dot) for one, dot in placed if dot is not None]
    others = [one for one, dot in placed if dot is None]
    notes = []
    if others:
        why = say_reasons([one.text for one in others], otherwise="no reason given")
        names = say_names([one.result.case.label for one in others])
        notes.append(f"{say_count(len(others), 'result')} without a place ({names}): {why}.")
    flat, slopes = _roofs(explained, rates)
    if not dots and not (flat and slopes):
        why = "No result here has both a known cost and a probe to be held against: `assay probe` measures the roofs."
        return empty_figure(key, FigureKind.ROOFLINE, title, x, y, why=why, notes=notes)
    span = _span([float(dot.x) for _, dot in dots if isinstance(dot.x, float)], flat, slopes)
    layers = (*_roof_layers(flat, slopes, span), *layers_of([dot for _, dot in dots], Shape.POINTS))
    return Figure(
        key, FigureKind.ROOFLINE, title, x, y,
        layers=layers,
        caption=join_sentences(_caption(flat, slopes, is_probed=rates is not None), short.caption),
        alt=_alt(title, [one for one, _ in dots], flat, slopes),
        notes=tuple(notes),
    )  # fmt: skip


def _dot(one: ExplainedResult, name: str) -> Dot | None:
    """A result's place; None where it has none, because it computes or moves nothing that is counted."""
    found, result = one.explanation, one.result
    if found is None or found.flops_per_s <= 0 or found.bytes_per_s <= 0:
        return None
    latency = result.metric("latency_ns")
    low, high, n = None, None, None
    if latency is not None and latency.value:
        # Slower is lower: the upper end of the time bounds the rate from below.
        low = None if not latency.ci_hi else found.flops_per_s * latency.value / latency.ci_hi
        high = None if not latency.ci_lo else found.flops_per_s * latency.value / latency.ci_lo
        n = latency.n
    cell = Cell(
        found.flops_per_s, provenance=result.provenance, verdict=result.verdict, lo=low, hi=high, n=n,
        reason=what_to_know(result), is_usable=result.is_usable, ref=result_ref(result),
    )  # fmt: skip
    label = f"{name}, {say_share(found.share)}: share of its roof, {found.bound} bound"
    return Dot(found.flops_per_s / found.bytes_per_s, cell, label, arithmetic_of(result))


def _roofs(
    explained: Sequence[ExplainedResult], rates: DeviceRates | None
) -> tuple[dict[str, float], dict[str, float]]:
    """Flat roofs (FLOP/s) and slopes (B/s) by name."""
    if rates is not None:
        return dict(_flat(rates)), dict(_slopes(rates))
    flat: dict[str, float] = {}
    slopes: dict[str, float] = {}
    for one in explained:
        if one.explanation is not None:
            name = arithmetic_of(one.result)
            flat[name] = max(flat.get(name, 0.0), one.explanation.roofline.flops_per_s)
            slopes["memory"] = _widest(slopes.get("memory"), one.explanation)
    return flat, slopes


def _widest(known: float | None, explanation: Explanation) -> float:
    """The slowest bandwidth that any result was held under: that of memory, where some did not fit a cache."""
    own = explanation.roofline.bytes_per_s
    return own if known is None else min(known, own)


def _flat(rates: DeviceRates) -> Iterator[tuple[str, float]]:
    for precision, rate in rates.gemm_flops_per_s.items():
        yield precision, rate
        convolution = rates.convolution_flops_per_s.get(precision)
        if convolution is not None and convolution != rate:
            yield f"{precision} convolution", convolution


def _slopes(rates: DeviceRates) -> Iterator[tuple[str, float]]:
    memory = rates.bandwidth_for(math.inf)
    if memory is not None:
        yield "memory", memory
    if rates.read_bytes_per_s:
        size, fastest = max(rates.read_bytes_per_s.items(), key=lambda one: one[1])
        if memory is not None and fastest > memory:
            yield f"cache ({format_number(float(size), 'B')})", fastest


def _span(places: Sequence[float], flat: Mapping[str, float], slopes: Mapping[str, float]) -> tuple[float, float]:
    ridges = [rate / bandwidth for rate in flat.values() for bandwidth in slopes.values()]
    return min([*places, *ridges]) / _MARGIN, max([*places, *ridges]) * _MARGIN


def _roof_layers(flat: Mapping[str, float], slopes: Mapping[str, float], span: tuple[float, float]) -> Iterator[Layer]:
    """Flat roofs from the fastest slope on, slopes up to the highest roof; straight lines on logarithmic axes."""
    low, high = span
    for name, rate in flat.items():
        begin = max(low, rate / max(slopes.values())) if slopes else low
        label = f"{name} {format_number(rate, _UNIT)}"
        yield Layer(label, Shape.LINE, (begin, high), (rate, rate), provenance=Provenance.MEASURED, role=Role.LIMIT)
    for name, bandwidth in slopes.items():
        end = min(high, max(flat.values()) / bandwidth) if flat else high
        label = f"{name} {format_number(bandwidth, 'B/s')}"
        yield Layer(
            label, Shape.LINE, (low, end), (low * bandwidth, end * bandwidth), provenance=Provenance.MEASURED,
            role=Role.LIMIT,
        )  # fmt: skip


def _say_roofs(flat: Mapping[str, float], slopes: Mapping[str, float]) -> str:
    said = [f"{name} {format_number(rate, _UNIT)}" for name, rate in flat.items()]
    said += [f"{name} {format_number(bandwidth, 'B/s')}" for name, bandwidth in slopes.items()]
    return ", ".join(said)


def _caption(flat: Mapping[str, float], slopes: Mapping[str, float], *, is_probed: bool) -> str:
    origin = "as the probe measured them" if is_probed else "those that the results were held against"
    return join_sentences(
        f"Roofs, {origin}: {_say_roofs(flat, slopes)}." if flat or slopes else None,
        "Bytes are the least that a call must move. A share is of the lowest roof over that very call.",
    )


def _alt(title: str, placed: Sequence[ExplainedResult], flat: Mapping[str, float], slopes: Mapping[str, float]) -> str:
    found = [(one.explanation.share, one) for one in placed if one.explanation is not None and is_ranked(_cell(one))]
    ordered = sorted(found, key=lambda each: -each[0])
    chosen = ordered if len(ordered) <= _NAMED else [*ordered[: _NAMED - 1], ordered[-1]]
    said = [
        f"{say_name(one.result.case.label)} reaches {say_share(share)}, {one.explanation.bound} bound"
        for share, one in chosen
        if one.explanation is not None
    ]
    return join_sentences(
        f"{title}: {say_count(len(placed), 'result')}.",
        f"Roofs: {_say_roofs(flat, slopes)}." if flat or slopes else None,
        f"{'; '.join(said)}." if said else None,
    )


def _cell(one: ExplainedResult) -> Cell:
    return Cell(1.0, verdict=one.result.verdict, is_usable=one.result.is_usable)
