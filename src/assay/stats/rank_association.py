"""Which numbers rise together: Spearman's rank correlation and the partial one, with intervals that know of groups.

Ranks and not values: data sheets spread over three powers of ten, and a rank correlation is the same for a number and
its logarithm. May import: stats; numpy; scipy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from assay.stats.resampling import (
    FEWEST_GROUPS,
    RESAMPLES,
    count_effective,
    draw_group_weights,
    half_width,
    number_groups,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

FEWEST_PAIRS = 10
"""Fewest pairs of values from which a correlation is stated: with fewer its interval says next to nothing."""
_SAME = 1e-9
"""Correlations this near to 1 are 1 but for rounding."""


@dataclass(frozen=True, slots=True)
class Association:
    """A rank correlation of ``n`` pairs of ``groups`` groups, with its interval at ``level``.

    ``r`` None has a ``reason``; so has an interval that is None beside a known ``r``.
    """

    r: float | None = None
    lo: float | None = None
    hi: float | None = None
    level: float = 0.95
    n: int = 0
    groups: int = 0
    reason: str | None = None


def associate(
    x: ArrayLike,
    y: ArrayLike,
    *,
    groups: Sequence[Hashable],
    given: Sequence[ArrayLike] = (),
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
    fewest: int = FEWEST_PAIRS,
) -> Association:
    """Correlate the ranks of two columns; with ``given``, what is left of both once those columns are accounted for.

    Columns have one length; NaN is a gap, and only the places where all columns have a value count. Equal values share
    their mean rank. The partial coefficient is that of the ranks, -P01 / sqrt(P00 P11) with P the inverse of their
    correlation matrix (Conover 1999, Practical Nonparametric Statistics, section 5.4). The interval draws whole
    ``groups`` anew, ranks each resample again, and lies symmetrically on Fisher's scale, tanh(atanh(r) +- t s); from
    fewer than five groups there is none. docs/kpi.md has its measured coverage.

    Raises ValueError for columns of unequal length.
    """
    columns = [np.asarray(column, dtype=np.float64) for column in (x, y, *given)]
    if {column.size for column in columns} != {len(groups)}:
        sizes = [column.size for column in columns]
        raise ValueError(f"got columns of {sizes} values and {len(groups)} groups; expected the same length")
    known = np.logical_and.reduce([np.isfinite(column) for column in columns])
    kept = [group for group, is_known in zip(groups, known, strict=True) if is_known]
    columns = [column[known] for column in columns]
    n = len(kept)
    found = Association(level=level, n=n, groups=number_groups(kept)[1])
    if n < max(fewest, len(columns) + 2):
        return replace(found, reason=f"too few have all of it: {n}, expected {fewest}")
    if any((column == column[0]).all() for column in columns):
        return replace(found, reason="one of them never differs")
    r = float(_coefficients(columns, np.ones((n, 1)))[0])
    if not math.isfinite(r):
        return replace(found, reason="what is given already says one of them")
    if abs(r) >= 1 - _SAME:
        return replace(found, r=math.copysign(1.0, r), reason="all are in one order")
    if found.groups < FEWEST_GROUPS:
        return replace(found, r=r, reason=f"no interval: {found.groups} groups, expected {FEWEST_GROUPS}")
    drawn = _coefficients(columns, draw_group_weights(kept, resamples=resamples, seed=seed))
    return _bound(replace(found, r=r), drawn, count_effective(kept))


def _bound(found: Association, drawn: Floats, effective: float) -> Association:
    """Give a known coefficient its interval, or the reason for having none."""
    half = half_width(np.arctanh(np.clip(drawn, _SAME - 1, 1 - _SAME)), effective, found.level)
    if half is None or found.r is None:
        return replace(found, reason="no interval: too many resamples were alike")
    z = math.atanh(found.r)
    return replace(found, lo=math.tanh(z - half), hi=math.tanh(z + half))


def weighted_ranks(values: Floats, weights: Floats) -> Floats:
    """Rank (n,) values in every column of (n, draws) weights: as if each stood there so often; ties share a rank."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    tied = np.add.reduceat(weights[order], starts, axis=0)
    middles = np.cumsum(tied, axis=0) - tied / 2
    ranks = np.empty_like(weights)
    ranks[order] = np.repeat(middles, np.diff(np.append(starts, ordered.size)), axis=0)
    return ranks


def _coefficients(columns: Sequence[Floats], weights: Floats) -> Floats:
    """The (partial) coefficient of the first two columns in every column of weights; NaN where there is none."""
    total = weights.sum(axis=0)
    roots = np.sqrt(weights)
    centred = []
    for column in columns:
        ranks = weighted_ranks(column, weights)
        ranks -= (ranks * weights).sum(axis=0) / total
        ranks *= roots
        centred.append(ranks)
    count = len(columns)
    moments = np.empty((weights.shape[1], count, count))
    for row in range(count):
        for place in range(row, count):
            moments[:, row, place] = moments[:, place, row] = np.einsum("ij,ij->j", centred[row], centred[place])
    spread = np.sqrt(np.einsum("bii->bi", moments))
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = moments / (spread[:, :, None] * spread[:, None, :])
    if count == 2:  # noqa: PLR2004  (nothing is given)
        plain: Floats = matrix[:, 0, 1]
        return plain
    return _partial(matrix)


def _partial(matrix: Floats) -> Floats:
    found = np.full(len(matrix), np.nan)
    known = np.flatnonzero(np.isfinite(matrix).all(axis=(1, 2)))
    # A column that the others say has no inverse worth its name: rounding would decide the answer.
    sound = known[np.linalg.eigvalsh(matrix[known])[:, 0] > _SAME]
    inverse = np.linalg.inv(matrix[sound])
    found[sound] = -inverse[:, 0, 1] / np.sqrt(inverse[:, 0, 0] * inverse[:, 1, 1])
    clipped: Floats = np.clip(found, -1.0, 1.0)
    return clipped
