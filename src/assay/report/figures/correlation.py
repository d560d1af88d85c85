"""Which metrics go together: rank correlations of columns that have gaps, each with its count and interval.

May import: core, report; numpy and scipy inside functions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.core.words import Provenance
from assay.report.display import format_interval, format_plain
from assay.report.figures._words import capital, empty_figure, join_sentences, say_name
from assay.report.values import Axis, Cell, Figure, FigureKind, Heat, Scale
from assay.report.wording import say_count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEWEST_PAIRS = 10
"""Fewest pairs of values from which a correlation is stated: with fewer its interval says next to nothing."""
_NAMED = 3

Column = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class _Found:
    """One pair of columns and its cell."""

    one: str
    other: str
    cell: Cell


def correlate(
    columns: Mapping[str, Column],
    *,
    level: float = 0.95,
    fewest: int = FEWEST_PAIRS,
    provenance: Provenance | None = None,
) -> tuple[tuple[Cell, ...], ...]:
    """Return Spearman's rank correlation of every pair of columns, a row a column, in the order given.

    The i-th values of all columns belong together; None (and what is not finite) is a gap, and each pair of columns
    uses the places where both have a value, ``n`` of them. Equal values share their mean rank. The interval is Fisher's
    z with the variance (1 + r^2 / 2) / (n - 3) (Bonett and Wright 2000, Psychometrika 65, for Spearman's coefficient);
    it does not exist where all pairs are in the same order. A cell is None with the reason where fewer than ``fewest``
    (at least 4) pairs are known or a column does not vary. The diagonal is 1.

    Raises ValueError for columns of unequal length or ``fewest`` below 4.
    """
    import numpy as np

    if fewest < 4:  # noqa: PLR2004  (the interval divides by n - 3)
        raise ValueError(f"got fewest={fewest}; expected at least 4")
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise ValueError(f"got columns of {sorted(lengths)} values; expected the same length, gaps being None")
    names = list(columns)
    arrays = [np.array([math.nan if value is None else value for value in columns[name]], float) for name in names]
    cells: dict[tuple[int, int], Cell] = {}
    for i, j in itertools.combinations_with_replacement(range(len(names)), 2):
        both = np.isfinite(arrays[i]) & np.isfinite(arrays[j])
        pair = names[i], names[j]
        cells[i, j] = _cell(pair, arrays[i][both], arrays[j][both], level, fewest, provenance)
    return tuple(tuple(cells[min(i, j), max(i, j)] for j in range(len(names))) for i in range(len(names)))


def draw_correlation(
    *,
    columns: Mapping[str, Column],
    title: str = "Which metrics go together",
    key: str = "correlation",
    level: float = 0.95,
    fewest: int = FEWEST_PAIRS,
    provenance: Provenance | None = None,
) -> Figure:
    """Draw the rank correlations of columns (see ``correlate``) from -1 to 1: a column a metric, a place a result."""
    names = tuple(columns)
    axis = Axis("metric", scale=Scale.CATEGORY, categories=names)
    if len(names) < 2:  # noqa: PLR2004  (a correlation takes two)
        why = f"A correlation takes two metrics, and there {'is one' if names else 'are none'}."
        return empty_figure(key, FigureKind.CORRELATION, title, axis, axis, why=why)
    grid = correlate(columns, level=level, fewest=fewest, provenance=provenance)
    found = [_Found(names[i], names[j], grid[i][j]) for i, j in itertools.combinations(range(len(names)), 2)]
    known = [one for one in found if one.cell.value is not None]
    blank = [one for one in found if one.cell.value is None]
    notes = []
    if blank:
        which = say_count(len(blank), "pair")
        notes.append(f"{which} left blank: too few values that both have, or a metric that does not vary.")
    if known:
        chance = (1 - level) * len(known)
        notes.append(
            f"Each interval holds at {100 * level:g} % by itself: of {len(known)} about {format_plain(chance, 2)} miss "
            "by chance. A correlation of metrics is no cause."
        )
    if not known:
        why = f"No two metrics have {fewest} results in common."
        return empty_figure(key, FigureKind.CORRELATION, title, axis, axis, why=why, notes=notes)
    return Figure(
        key, FigureKind.CORRELATION, title, axis, axis,
        heat=Heat(grid, None, "Spearman's rank correlation", limits=(-1.0, 1.0)),
        caption=f"Spearman's rank correlation of {say_count(len(names), 'metric')}, n in each cell; 1: the same order, "
        "−1: the opposite order, 0: none.",
        alt=_alt(title, known, blank),
        notes=tuple(notes),
    )  # fmt: skip


def _cell(
    pair: tuple[str, str],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    level: float,
    fewest: int,
    provenance: Provenance | None,
) -> Cell:
    n = int(x.size)
    if n < fewest:
        return Cell(n=n, reason=f"{say_count(n, 'result')} with both; at least {fewest} are needed")
    still = [name for name, values in zip(pair, (x, y), strict=True) if (values == values[0]).all()]
    if still:
        return Cell(n=n, reason=f"{say_name(still[0])} is the same in all {n} results")
    if pair[0] == pair[1]:
        return Cell(1.0, provenance=provenance, n=n, reason="with itself")
    r = _spearman(x, y)
    bounds = _interval(r, n, level)
    if bounds is None:
        same = "the same" if r > 0 else "the opposite"
        reason = f"all {n} results are in {same} order, so no interval can be given"
        return Cell(r, provenance=provenance, n=n, reason=reason, level=level)
    return Cell(r, provenance=provenance, lo=bounds[0], hi=bounds[1], level=level, n=n)


def _spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Pearson's coefficient of the ranks, which is Spearman's with ties too."""
    from scipy.stats import rankdata

    ranks = [rankdata(values) for values in (x, y)]
    a, b = (each - each.mean() for each in ranks)
    r = float((a @ b) / math.sqrt(float(a @ a) * float(b @ b)))
    return max(-1.0, min(1.0, r))


def _interval(r: float, n: int, level: float) -> tuple[float, float] | None:
    from scipy.special import ndtri

    if abs(r) >= 1 - 1e-12:
        return None
    margin = float(ndtri(0.5 + level / 2)) * math.sqrt((1 + r * r / 2) / (n - 3))
    z = math.atanh(r)
    return math.tanh(z - margin), math.tanh(z + margin)


def _alt(title: str, known: Sequence[_Found], blank: Sequence[_Found]) -> str:
    strongest = sorted(known, key=lambda one: -abs(_value(one)))[:_NAMED]
    said = [
        f"{say_name(one.one)} and {say_name(one.other)} {format_plain(_value(one), 2)}"
        f"{_bounds(one.cell)}, n = {one.cell.n}"
        for one in strongest
    ]
    return join_sentences(
        f"{title}: {say_count(len(known), 'pair')} of metrics.",
        f"{capital('strongest')}: {'; '.join(said)}.",
        f"{say_count(len(blank), 'pair')} blank." if blank else None,
    )


def _value(found: _Found) -> float:
    value = found.cell.value
    return float(value) if isinstance(value, int | float) else 0.0


def _bounds(cell: Cell) -> str:
    interval = format_interval(cell.lo, cell.hi)
    return "" if interval is None else f" ({interval})"
