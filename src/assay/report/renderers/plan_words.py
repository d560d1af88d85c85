"""The words of a plan: axis titles, what is said of a point, legends, notes: the same in every format.

May import: core, report.values, report.display, report.cleaning, plan, ticks.
"""

from __future__ import annotations

from dataclasses import replace

from assay.core.words import Direction, Provenance
from assay.report.cleaning import clean_line, isolate
from assay.report.display import cell_title, direction_words, format_number
from assay.report.renderers.plan import Plan, Series, interval, middle, numbers
from assay.report.renderers.ticks import Ticks, value_text
from assay.report.values import Axis, Cell, Column, Layer, Ref, Scale, Shape

_TEXT_LIMIT = 400
"""Letters of a name that are told."""


def axis_title(axis: Axis, ticks: Ticks) -> str:
    """``Latency, ms``: title and unit, and the day or zone of a time axis."""
    title = clean_line(axis.title)
    note = "" if ticks.note in title else ticks.note
    return ", ".join(part for part in (f"{title[:1].upper()}{title[1:]}", ticks.unit, note) if part)


def axis_direction(axis: Axis, *, is_upright: bool) -> str:
    """``↓ lower is better``; along a flat axis ``← lower is better`` and ``higher is better →``. Empty for neither."""
    words = direction_words(axis.direction)
    if words is None:
        return ""
    is_lower = axis.direction is Direction.LOWER
    if is_upright:
        return f"{'↓' if is_lower else '↑'} {words}"
    return f"← {words}" if is_lower else f"{words} →"


def point_text(plan: Plan, series: Series, index: int) -> str:
    """All that is to be known of one point, line by line: names, place, and the number as ``cell_title`` words it."""
    layer = series.layer
    at = series.at[index]
    label = clean_line(layer.labels[index])[:_TEXT_LIMIT] if layer.labels else ""
    names = " · ".join(isolate(name) for name in dict.fromkeys((label, clean_line(layer.label)[:_TEXT_LIMIT])) if name)
    value = series.value[index] if series.value else None
    cell = Cell(
        value, layer.provenance, lo=series.lo[index] if series.lo else None, hi=series.hi[index] if series.hi else None,
        level=layer.level, n=layer.n[index] if layer.n else None, is_usable=layer.is_usable,
    )  # fmt: skip
    if layer.shape is Shape.BOXES:
        cell = replace(cell, lo=None, hi=None, reason=_box_words(plan, series, index))
    elif layer.shape is Shape.BAND:
        cell = replace(cell, value=middle(series, index), reason="middle of the band")
    place = "" if at is None else f"{clean_line(plan.base.title)}: {isolate(value_text(at, plan.base))}"
    if plan.values.scale in {Scale.TIME, Scale.CATEGORY}:
        text = "" if value is None else value_text(value, plan.values)
    else:
        text = cell_title(cell, Column("value", "", plan.values.unit))
    title = clean_line(plan.values.title)
    return "\n".join(part for part in (names, place, f"{title}: {text}" if title else text) if part)


def ref_of(layer: Layer, index: int) -> Ref | None:
    """What a point leads to."""
    return layer.refs[index] if layer.refs else None


def ref_text(ref: Ref | None) -> str | None:
    """``result:0198…``: the kind and id of what a point leads to, as pages read it back."""
    return None if ref is None else f"{ref.kind.value}:{clean_line(ref.id)}"


def legend_entries(plan: Plan) -> list[tuple[str, Series]]:
    """What the legend says: each look once, with where its numbers are from wherever that is not plain.

    Empty where there is one look and it is measured and used: the title says it all then.
    """
    entries: dict[tuple[str, str, Shape, Provenance | None, bool], tuple[str, Series]] = {}
    drawn = [series for series in plan.series if numbers(series)]
    provenances = {series.layer.provenance for series in drawn if series.layer.provenance}
    says = len(provenances) > 1 or bool(provenances - {Provenance.MEASURED})
    for series in drawn:
        entries.setdefault(entry_key(series), (_entry_text(series, says=says), series))
    if len(entries) == 1 and not says and drawn[0].layer.is_usable:
        return []
    return list(entries.values())


def entry_key(series: Series) -> tuple[str, str, Shape, Provenance | None, bool]:
    """What makes two layers one entry of the legend."""
    layer = series.layer
    return series.name, series.colour, layer.shape, layer.provenance, layer.is_usable


def interval_note(plan: Plan) -> str:
    """``Intervals 95 %; n = 5 to 10.`` where the layers say so; what the figure's own caption says is not repeated."""
    said = " ".join((plan.figure.caption, *plan.figure.notes))
    with_ends = [
        one.layer for one in plan.series if one.layer.shape not in {Shape.BOXES, Shape.BAND} and (one.lo or one.hi)
    ]
    parts = []
    if with_ends and "interval" not in said and "%" not in said:
        levels = sorted({layer.level for layer in with_ends})
        parts.append(f"intervals {' and '.join(f'{100 * level:g} %' for level in levels)}")
    counts = sorted({count for one in plan.series for count in one.layer.n if count is not None})
    if counts and "n =" not in said and "n=" not in said:
        ends = (
            f"{format_number(counts[0])} to {format_number(counts[-1])}"
            if len(counts) > 1
            else format_number(counts[0])
        )
        parts.append(f"n = {ends}")
    text = "; ".join(parts)
    return f"{text[0].upper() if text.startswith('i') else text[0]}{text[1:]}." if text else ""


def _entry_text(series: Series, *, says: bool) -> str:
    layer = series.layer
    text = series.name or "(no name)"
    if says and layer.provenance is not None and layer.provenance.value.removesuffix("ed") not in text.casefold():
        text = f"{text} ({layer.provenance.value})"
    if not layer.is_usable and "not used" not in text.casefold() and "left out" not in text.casefold():
        text = f"{text}, not used"
    return text


def _box_words(plan: Plan, series: Series, index: int) -> str:
    unit = plan.values.unit
    words = "median"
    if ends := interval(series, index):
        words += f"; quartiles {format_number(ends[0], unit)} and {format_number(ends[1], unit)}"
    if series.whiskers:
        low, high = series.whiskers[index]
        words += f"; 5th and 95th per cent {format_number(low, unit)} and {format_number(high, unit)}"
    return words
