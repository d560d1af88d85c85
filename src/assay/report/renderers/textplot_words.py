"""The words of a plot in text: letters of its marks, its legend, axis titles, and names cut to so many columns.

May import: core, report.values, report.display, report.cleaning, report.palette, report.text_width, plan, ticks.
"""

from __future__ import annotations

from assay.report.cleaning import clean_line, isolate
from assay.report.palette import UNUSED_LETTER
from assay.report.renderers.lettering import shorten_middle
from assay.report.renderers.plan import Plan, Series, numbers
from assay.report.renderers.plan_words import axis_direction, axis_title
from assay.report.renderers.ticks import Ticks
from assay.report.text_width import text_width
from assay.report.values import Axis, Role, Shape

_MOST_ENTRIES = 12
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
LINES = frozenset({Shape.LINE, Shape.LINE_POINTS, Shape.STEPS})
_LINE_SIGNS = {Role.GUIDE: "·", Role.LIMIT: "·", Role.FRONT: "─"}
_SHAPE_SIGNS = {Shape.BAND: "░", Shape.BOXES: "━"}
_HIGHLIGHT = "!"


def cut(text: str, width: int) -> str:
    """Return a name that takes at most ``width`` columns, its middle cut out where it is longer."""
    shown = shorten_middle(clean_line(text), max(1, width))
    limit = len(shown)
    while limit > 1 and text_width(shown) > width:
        limit -= 1
        shown = shorten_middle(shown, limit)
    return shown


def choose_signs(plan: Plan) -> dict[int, str]:
    """Return the sign of each series, by its ``id``.

    Where one colour is drawn, signs are those of provenance. Else each look has a letter of its own, so that measured
    and predicted numbers of one group have different ones; what is not used, and what is highlighted, keep their signs.
    """
    drawn = [one for one in plan.series if numbers(one)]
    lettered = [one for one in drawn if not _has_own_sign(one)]
    is_single = len({one.colour for one in lettered}) <= 1
    given: dict[tuple[str, object], str] = {}
    signs = {}
    for one in plan.series:
        if _has_own_sign(one):
            signs[id(one)] = _own_sign(one)
        elif is_single:
            signs[id(one)] = one.look.letter
        else:
            key = (one.colour, one.layer.provenance)
            signs[id(one)] = given.setdefault(key, _LETTERS[len(given) % len(_LETTERS)])
    return signs


def _has_own_sign(one: Series) -> bool:
    layer = one.layer
    is_drawn_line = layer.shape in LINES and not one.is_marked and layer.role in _LINE_SIGNS
    return is_drawn_line or layer.shape in _SHAPE_SIGNS or not layer.is_usable or layer.role is Role.HIGHLIGHT


def _own_sign(one: Series) -> str:
    layer = one.layer
    if layer.shape in _SHAPE_SIGNS:
        return _SHAPE_SIGNS[layer.shape]
    if not layer.is_usable:
        return UNUSED_LETTER
    return _HIGHLIGHT if layer.role is Role.HIGHLIGHT else _LINE_SIGNS[layer.role]


def heading(axis: Axis, ticks: Ticks, width: int, *, is_upright: bool) -> list[str]:
    """Title, unit and direction of an axis on one line; none where it has none."""
    words = "  ".join(part for part in (axis_title(axis, ticks), axis_direction(axis, is_upright=is_upright)) if part)
    return [cut(words, width)] if words else []


def foot(axis: Axis, ticks: Ticks, width: int) -> list[str]:
    """The same of the flat axis, ending where the axis ends."""
    return [" " * max(0, width - text_width(words)) + words for words in heading(axis, ticks, width, is_upright=False)]


def tick_line(ticks: Ticks, width: int) -> str:
    """The labels of the flat axis under their places, as many as stand apart."""
    line, end = "", -2
    for place, label in zip(ticks.places, ticks.labels, strict=True):
        text = cut(label, max(8, width // 4))
        wide = text_width(text)
        start = max(0, min(round(ticks.share(place) * (width - 1)) - wide // 2, width - wide))
        if start < end + 2:
            continue
        line += " " * (start - max(end, 0)) + text
        end = start + wide
    return line


def legend(plan: Plan, signs: dict[int, str], width: int) -> list[str]:
    """What the signs are: each look once, with where its numbers are from and whether they are used."""
    entries = dict.fromkeys(f"{signs[id(one)]} {_name(one, width)}" for one in plan.series if numbers(one))
    shown = list(entries)[:_MOST_ENTRIES]
    if len(entries) > _MOST_ENTRIES:
        shown.append(f"and {len(entries) - _MOST_ENTRIES} more")
    lines = [""]
    for entry in shown:
        longer = f"{lines[-1]}   {entry}" if lines[-1] else entry
        if lines[-1] and text_width(longer) > width:
            lines.append(entry)
        else:
            lines[-1] = longer
    return [line for line in lines if line]


def _name(one: Series, width: int) -> str:
    layer = one.layer
    name = cut(one.name or "(no name)", width - 30)
    said = name.casefold()
    words = isolate(name)
    if layer.provenance is not None and layer.provenance.value.removesuffix("ed") not in said:
        words = f"{words} ({layer.provenance.value})"
    if not layer.is_usable and "left out" not in said and "not used" not in said:
        words = f"{words}, not used"
    return words


def line_names(plan: Plan, width: int) -> list[str]:
    """What the lines across the plot are, in the order in which they stand."""
    ordered = sorted(plan.lines, key=lambda line: (line.is_upright, line.at))
    return [
        f"{'┊' if line.is_upright else '┄'} {isolate(cut(line.label, width - 2))}" for line in ordered if line.label
    ]
