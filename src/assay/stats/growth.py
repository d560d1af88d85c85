"""How fast something grows over the years: a straight line through logarithms, its doubling time and interval.

May import: stats; numpy; scipy inside functions.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
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

FEWEST_VALUES = 8
FEWEST_YEARS = 3.0
"""A line through less time than this says more of the months of launches than of a trend."""
_PLACES = 25


@dataclass(frozen=True, slots=True)
class Doubling:
    """Years in which something doubles, or halves; ``hi`` None is no bound: it may take for ever."""

    word: str
    years: float
    lo: float | None = None
    hi: float | None = None


@dataclass(frozen=True, slots=True)
class Growth:
    """Growth of ``n`` values of ``groups`` groups between two times, in years.

    ``per_year`` is the factor of one year (1.3: 30 % more each year), bounded by ``lo`` and ``hi`` at ``level``.
    ``line`` has the fitted value along the years, as (year, value, lo, hi). ``scatter`` is the factor by which a single
    value typically misses the line (the standard deviation of its logarithm, as a factor). Without a line all is None,
    and ``reason`` says why; so it does for an interval that is None.
    """

    n: int
    groups: int
    first_year: float | None = None
    last_year: float | None = None
    per_year: float | None = None
    lo: float | None = None
    hi: float | None = None
    level: float = 0.95
    scatter: float | None = None
    line: tuple[tuple[float, float, float | None, float | None], ...] = ()
    reason: str | None = None

    @property
    def doubling(self) -> Doubling | None:
        """The time in which it doubles or halves; None where nothing is known or it stands still."""
        if self.per_year is None or self.per_year == 1:
            return None
        slope = float(np.log2(self.per_year))
        word, sign = ("doubles", 1.0) if slope > 0 else ("halves", -1.0)
        if self.lo is None or self.hi is None:
            return Doubling(word, abs(1 / slope))
        slow, fast = sorted(sign * float(np.log2(bound)) for bound in (self.lo, self.hi))
        return Doubling(word, abs(1 / slope), 1 / fast, 1 / slow if slow > 0 else None)


def fit_growth(
    years: ArrayLike,
    values: ArrayLike,
    *,
    groups: Sequence[Hashable],
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Growth:
    """Fit log2(value) = a + b (year - mean year) by least squares; the factor of a year is 2^b.

    Values are positive, NaN is a gap. The interval draws whole ``groups`` anew (devices of one architecture come out
    together and share its merits: counted one by one they would promise a slope that they do not know), t by the
    effective number of groups. Fewer than eight values, five groups or three years say nothing.

    Raises ValueError for unequal lengths and for values that are not positive.
    """
    time, number = np.asarray(years, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if not time.size == number.size == len(groups):
        raise ValueError(f"got {time.size} years, {number.size} values, {len(groups)} groups; expected the same length")
    known = np.isfinite(time) & np.isfinite(number)
    if (number[known] <= 0).any():
        raise ValueError("got a value that is not positive, which has no logarithm")
    time, logs = time[known], np.log2(number[known])
    kept = [group for group, is_known in zip(groups, known, strict=True) if is_known]
    n, count = len(kept), number_groups(kept)[1]
    span = float(np.ptp(time)) if n else 0.0
    for is_short, reason in (
        (n < FEWEST_VALUES, f"{n} values, expected {FEWEST_VALUES}"),
        (span < FEWEST_YEARS, f"they span {span:.1f} years, expected {FEWEST_YEARS:g}"),
    ):
        if is_short:
            return Growth(n, count, level=level, reason=f"too little to fit: {reason}")
    centre, slope = (float(found[0]) for found in _fit(time, logs, np.ones((n, 1))))
    at = np.linspace(time.min(), time.max(), _PLACES)
    middle = float(time.mean())
    fitted = centre + slope * (at - middle)
    scatter = float(2 ** np.sqrt(((logs - centre - slope * (time - middle)) ** 2).sum() / (n - 2)))
    ends = {"first_year": float(time.min()), "last_year": float(time.max())}
    half: float | None = None
    halves: list[float | None] = [None] * _PLACES
    missing: str | None = f"no interval: {count} groups, expected {FEWEST_GROUPS}"
    if count >= FEWEST_GROUPS:
        centres, slopes = _fit(time, logs, draw_group_weights(kept, resamples=resamples, seed=seed))
        effective = count_effective(kept)
        half = half_width(slopes, effective, level)
        halves = [half_width(centres + slopes * (year - middle), effective, level) for year in at]
        missing = None if half is not None else "no interval: too many resamples had one year only"
    return Growth(
        n, count,
        per_year=2**slope,
        lo=None if half is None else 2 ** (slope - half),
        hi=None if half is None else 2 ** (slope + half),
        level=level,
        scatter=scatter,
        line=tuple(
            (float(year), float(2**log), None if each is None else float(2 ** (log - each)),
             None if each is None else float(2 ** (log + each)))
            for year, log, each in zip(at, fitted, halves, strict=True)
        ),
        reason=missing,
        **ends,
    )  # fmt: skip


def find_records(years: ArrayLike, values: ArrayLike, *, is_higher_better: bool) -> tuple[int, ...]:
    """Return the places of the values that were better than every earlier one, in order of time; NaN is no record."""
    time, number = np.asarray(years, dtype=np.float64), np.asarray(values, dtype=np.float64)
    merit = number if is_higher_better else -number
    known = np.flatnonzero(np.isfinite(time) & np.isfinite(number))
    # Of one day only the best can be a record.
    order = known[np.lexsort((-merit[known], time[known]))]
    found: list[int] = []
    for place in order:
        if not found or merit[place] > merit[found[-1]]:
            found.append(int(place))
    return tuple(found)


def _fit(time: Floats, logs: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Fitted value at the mean of ``time``, and slope, for every column of weights; NaN where there is none."""
    middle = float(time.mean())
    away = time - middle
    total = weights.sum(axis=0)
    mean_x, mean_y = away @ weights / total, logs @ weights / total
    above = (away * logs) @ weights - total * mean_x * mean_y
    below = away**2 @ weights - total * mean_x**2
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(below > 1e-12 * total, above / below, np.nan)
    return mean_y - slope * mean_x, slope
