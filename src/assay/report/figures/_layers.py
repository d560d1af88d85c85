"""Points of cells, told apart into layers: by group, by where they come from, and by whether rankings may use them.

May import: core, report.values.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from assay.core.words import Provenance, Verdict
from assay.report.values import Cell, Layer, Ref, Role, Shape

LEFT_OUT = "left out of rankings"
_ORDER = {provenance: place for place, provenance in enumerate(Provenance)}


@dataclass(frozen=True, slots=True)
class Dot:
    """One point: where it stands, its number (``cell``, whose ``ref`` it leads to), what it is, whose colour it has."""

    x: float | datetime
    cell: Cell
    label: str = ""
    group: str | None = None


def number_of(cell: Cell) -> float | None:
    """The finite number that a cell holds, None where it holds none."""
    value = cell.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def is_ranked(cell: Cell) -> bool:
    """True for a known number that rankings may use: usable, and not contaminated."""
    return number_of(cell) is not None and cell.is_usable and cell.verdict is not Verdict.CONTAMINATED


def why_no_dot(cell: Cell, *, is_log: bool = False) -> str | None:
    """Why a cell cannot be drawn, None where it can be: unknown, or not positive on a logarithmic axis."""
    value = number_of(cell)
    if value is None:
        return cell.reason or "not known"
    if is_log and value <= 0:
        return f"{value:g} has no place on a logarithmic axis"
    return None


def layers_of(dots: Iterable[Dot], shape: Shape, *, role: Role = Role.DATA, name: str = "values") -> tuple[Layer, ...]:
    """Sort points into layers, each of one group, one provenance and one level, usable or not.

    Groups stand in order of appearance, within them measured before imported before predicted, and last what rankings
    leave out. A layer is called by its group, with what tells it from the others of the group; without a group by its
    provenance, or ``name`` where the numbers are nobody's. Every dot must have a number.
    """
    found: dict[tuple[int, int, bool, float], list[Dot]] = {}
    groups: dict[str | None, int] = {}
    for dot in dots:
        place = groups.setdefault(dot.group, len(groups))
        word = dot.cell.provenance
        key = (place, len(_ORDER) if word is None else _ORDER[word], not is_ranked(dot.cell), dot.cell.level)
        found.setdefault(key, []).append(dot)
    kinds = {each[0].cell.provenance for each in found.values()}
    is_mixed = len(kinds) > 1 or not kinds <= {Provenance.MEASURED, None}
    return tuple(_layer(found[key], shape, role, name, is_mixed=is_mixed) for key in sorted(found))


def _layer(dots: Sequence[Dot], shape: Shape, role: Role, name: str, *, is_mixed: bool) -> Layer:
    first = dots[0]
    provenance = first.cell.provenance
    usual = name if provenance is None else provenance.value
    words = [first.group or usual]
    if first.group is not None and is_mixed and provenance is not None:
        words.append(provenance.value)
    if not is_ranked(first.cell):
        words.append(LEFT_OUT)
    cells = [dot.cell for dot in dots]
    has_interval = any(cell.lo is not None or cell.hi is not None for cell in cells)
    return Layer(
        ", ".join(words),
        shape,
        x=tuple(dot.x for dot in dots),
        y=tuple(number_of(cell) for cell in cells),
        lo=tuple(_finite(cell.lo) for cell in cells) if has_interval else (),
        hi=tuple(_finite(cell.hi) for cell in cells) if has_interval else (),
        n=tuple(cell.n for cell in cells) if any(cell.n is not None for cell in cells) else (),
        labels=tuple(dot.label for dot in dots) if any(dot.label for dot in dots) else (),
        refs=refs_of([cell.ref for cell in cells]),
        provenance=provenance,
        role=role,
        group=first.group or usual,
        is_usable=is_ranked(first.cell),
        level=first.cell.level,
    )


def _finite(bound: float | None) -> float | None:
    return bound if bound is not None and math.isfinite(bound) else None


def clamp(value: float) -> float:
    """A number that a guide is drawn at, kept within what a float holds: a product of huge numbers is none."""
    return min(max(value, -sys.float_info.max), sys.float_info.max)


def refs_of(refs: Sequence[Ref | None]) -> tuple[Ref | None, ...]:
    """References of a layer: empty where no point leads anywhere."""
    return tuple(refs) if any(ref is not None for ref in refs) else ()
