"""Where a history changed its level: permutation CUSUM on normal scores, then a test that knows of memory (METHOD 6).

Two steps, because no one test is right for both. *Finding*: ranks become normal scores, so that outliers and modes
weigh no more than their order, and the largest weighted CUSUM is held against those of shuffled histories. That is
exact whatever the distribution; but shuffling forgets that a slow hour is followed by another. *Keeping*: every point
found must also hold in a t-test between its two segments, whose error counts the memory (lag-1 autocorrelation) that
is left once the segments' means are taken away. docs/statistics.md has the false alarms with and without it.

May import: core; numpy; scipy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from assay.stats.change import DEFAULT_FLOOR

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

ALPHA = 0.001
MIN_SEGMENT = 5
FEWEST_SHUFFLES, MOST_SHUFFLES = 1_999, 9_999
"""A long history has fewer: they cost more, and true changes in it have p far below alpha. The level stays alpha."""
_SHUFFLED_VALUES = 500_000
_FIRST_SHUFFLES = 499
"""These settle most histories: once too many shuffles are as extreme, the rest cannot change the answer."""
_SHUFFLES_AT_ONCE = 250  # what the processor's cache holds
_END_WEIGHT = 0.7
"""Exponent of the weight; 0.5 gives every split the same variance, more favours the ends, where the news is."""
_LENGTH_STEP = 1.15
_MOST_MEMORY = 0.9
_MEANS_A_SPLIT = 3
"""A split chosen as the best of many takes away more memory than a mean fitted at a known place: it counts as 3."""
_EPSILON = 1e-9  # two sums of the same scores in another order are equal
_NO_SPREAD = 1e-24


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """The level changed at ``index``, the first value of the new segment.

    ``ratio`` is the geometric mean of the segment that begins here over that of the one before. ``p`` is the larger of
    the two tests' p-values.
    """

    index: int
    ratio: float
    p: float


def find_change_points(
    values: ArrayLike,
    *,
    alpha: float = ALPHA,
    min_segment: int = MIN_SEGMENT,
    floor: float = DEFAULT_FLOOR,
    seed: int = 0,
) -> tuple[ChangePoint, ...]:
    """Find where positive values, oldest first and in one unit, change their level by at least ``floor``.

    1. Normal scores z = Phi^-1((rank - 3/8) / (n + 1/4)) of the logarithms (Blom 1958), S_k their sums. A split at k
       has abs(S_k) / (k (n - k) / n)^0.7 (weighted CUSUM: Csorgo and Horvath 1997); p = (1 + shuffles whose largest is
       at least as large) / (1 + shuffles). Binary segmentation: split at the largest while p <= alpha.
    2. Where no split shows, an interlude may: the level left and came back, which cancels in S_k. The same for
       abs(S_j - S_i), lengths on a grid of 15 % (circular binary segmentation: Olshen et al. 2004, Biostatistics 5).
    3. Every point moves to the least-squares split between its neighbours (Bai 1997, Econometric Theory 13).
    4. The weakest point goes until all hold: neighbouring geometric means differ by the floor, and n times the p of
       t = (m2 - m1) / (s sqrt(v1 / n1 + v2 / n2)) is at most alpha. v_i is how many times larger lag-1 autocorrelation
       phi makes the variance of a mean of n_i values (Bayley and Hammersley 1946, J. Royal Statistical Society Suppl.
       8), s^2 the residual squares over n - sum(v), and phi that of the residuals, raised by the bias of r fitted
       means, (r (1 + phi) + 2 phi) / n (r = 1: Kendall 1954, Biometrika 41), and held within 0..0.9.

    Deterministic by ``seed``. Raises ValueError for a value that is not positive and finite, an ``alpha`` that the
    shuffles cannot show, and a ``min_segment`` below 2.
    """
    array = np.asarray(values, dtype=np.float64).ravel()
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise ValueError("got a value that is not positive and finite; leave such results out of a history")
    if alpha * (FEWEST_SHUFFLES + 1) < 1:
        raise ValueError(f"got alpha {alpha:g}; {FEWEST_SHUFFLES} shuffles show {1 / (FEWEST_SHUFFLES + 1):g} at least")
    if min_segment < 2:  # noqa: PLR2004  (a spread needs two)
        raise ValueError(f"got a shortest segment of {min_segment}; expected 2 or more")
    if array.size < 2 * min_segment:
        return ()
    logs = np.log(array / array[0])
    finder = _Finder(alpha, min_segment, seed)
    found = sorted(finder.find(logs, 0))
    moved = _move_to_least_squares(logs, [index for index, _ in found], min_segment)
    return _keep(logs, list(zip(moved, (p for _, p in found), strict=True)), alpha=alpha, floor=floor)


@dataclass(frozen=True, slots=True)
class _Finder:
    """Steps 1 and 2, with what stays the same over the recursion."""

    alpha: float
    min_segment: int
    seed: int

    def find(self, logs: Floats, start: int) -> Iterator[tuple[int, float]]:
        """Yield the index, counted from ``start``, and p of every split and interlude."""
        n = logs.size
        if n < 2 * self.min_segment:
            return
        scores = normal_scores(logs)
        if not scores.any():  # all equal
            return
        # Shuffles know nothing of the order, so histories of one length without ties share theirs.
        key = np.sort(scores).tobytes()
        sums = np.cumsum(scores)
        statistics = _split_statistics(sums, self.min_segment)
        best = int(statistics.argmax())
        cuts: tuple[int, ...] = (best + self.min_segment,)
        p = self._significant(key, float(statistics[best]), is_interlude=False)
        if p is None and n >= 3 * self.min_segment:
            statistic, begin, end = _best_interlude(sums, self.min_segment)
            cuts = (begin, end)
            p = self._significant(key, statistic, is_interlude=True)
        if p is None:
            return
        yield from ((start + cut, p) for cut in cuts)
        for low, high in pairwise((0, *cuts, n)):
            yield from self.find(logs[low:high], start + low)

    def _significant(self, key: bytes, statistic: float, *, is_interlude: bool) -> float | None:
        """Return p = (k + 1) / (B + 1) where it is at most alpha (Phipson and Smyth 2010), else None."""
        as_extreme, shuffles = 0, _count_shuffles(len(key) // 8)
        for is_first in (True, False):
            null = _shuffled_maxima(key, self.min_segment, self.seed, is_interlude=is_interlude, is_first=is_first)
            as_extreme += null.size - int(np.searchsorted(null, statistic - _EPSILON))
            if as_extreme + 1 > self.alpha * (shuffles + 1):
                return None
        return (as_extreme + 1) / (shuffles + 1)


def normal_scores(values: Floats) -> Floats:
    """Normal scores (Blom 1958) of values, centred and of standard deviation 1; ties share the mean of their ranks.

    All 0 where all values are equal.
    """
    from scipy.special import ndtri

    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    if counts.size == 1:
        return np.zeros(values.size)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    scores = ndtri((ranks - 0.375) / (values.size + 0.25))
    # Moments in the order of the ranks: equal to the last bit for every history of this length.
    ordered = np.repeat(scores, counts)
    scores = (scores - ordered.mean()) / ordered.std()
    standardised: Floats = scores[places]
    return standardised


def _split_statistics(sums: Floats, min_segment: int) -> Floats:
    """Weighted CUSUM of every split that leaves ``min_segment`` on both sides, along the last axis."""
    n = sums.shape[-1]
    sizes = np.arange(min_segment, n - min_segment + 1)
    statistics: Floats = np.abs(sums[..., sizes[0] - 1 : sizes[-1]]) * (sizes * (n - sizes) / n) ** -_END_WEIGHT
    return statistics


def _interlude_statistics(sums: Floats, min_segment: int) -> Iterator[tuple[int, Floats]]:
    """Give the length of an interlude, and its weighted CUSUM at every begin from ``min_segment`` on (last axis)."""
    n = sums.shape[-1]
    length = min_segment
    while length <= n - 2 * min_segment:
        ends, begins = sums[..., min_segment + length - 1 : n - min_segment], sums[..., min_segment - 1 : -1]
        difference = np.abs(ends - begins[..., : ends.shape[-1]])
        yield length, difference * (length * (n - length) / n) ** -_END_WEIGHT
        length = max(length + 1, int(length * _LENGTH_STEP))


def _best_interlude(sums: Floats, min_segment: int) -> tuple[float, int, int]:
    """Return statistic, begin and end of the most extreme interlude."""
    each = ((row, length, int(row.argmax())) for length, row in _interlude_statistics(sums, min_segment))
    return max((float(row[i]), min_segment + i, min_segment + i + length) for row, length, i in each)


def _count_shuffles(n: int) -> int:
    """Return how many shuffles a history of ``n`` values gets: one less than a number of thousands."""
    thousands = _SHUFFLED_VALUES // n // 1_000
    return min(MOST_SHUFFLES, max(FEWEST_SHUFFLES, thousands * 1_000 - 1))


@lru_cache(maxsize=256)
def _shuffled_maxima(key: bytes, min_segment: int, seed: int, *, is_interlude: bool, is_first: bool) -> Floats:
    """Largest statistic of each of many shuffles of the scores in ``key``, ascending."""
    scores = np.frombuffer(key)
    count = _FIRST_SHUFFLES if is_first else _count_shuffles(scores.size) - _FIRST_SHUFFLES
    random = np.random.default_rng([seed, scores.size, is_first])
    maxima = np.zeros(count)
    for start in range(0, count, _SHUFFLES_AT_ONCE):
        block = maxima[start : start + _SHUFFLES_AT_ONCE]
        sums = np.cumsum(random.permuted(np.broadcast_to(scores, (block.size, scores.size)), axis=1), axis=1)
        if is_interlude:
            for _, row in _interlude_statistics(sums, min_segment):
                np.maximum(block, row.max(axis=-1), out=block)
        else:
            np.max(_split_statistics(sums, min_segment), axis=-1, out=block)
    return np.sort(maxima)


def _move_to_least_squares(logs: Floats, points: list[int], min_segment: int) -> list[int]:
    """Step 3. Ranks saturate, and the weight pulls to the ends: they find a change better than they place it."""
    bounds = [0, *points, logs.size]
    for i in range(1, len(bounds) - 1):
        segment = logs[bounds[i - 1] : bounds[i + 1]]
        sizes = np.arange(min_segment, segment.size - min_segment + 1)
        gain = np.cumsum(segment - segment.mean())[sizes - 1] ** 2 / (sizes * (segment.size - sizes))
        bounds[i] = bounds[i - 1] + int(sizes[gain.argmax()])
    return bounds[1:-1]


def _keep(logs: Floats, points: list[tuple[int, float]], *, alpha: float, floor: float) -> tuple[ChangePoint, ...]:
    """Step 4: drop the weakest point that does not hold, and look again at the rest."""
    from scipy.special import stdtr

    n, least = logs.size, math.log1p(floor)
    while points:
        bounds = (0, *(index for index, _ in points), n)
        segments = [logs[low:high] for low, high in pairwise(bounds)]
        means = np.array([segment.mean() for segment in segments])
        inflation, squares = _inflate_for_memory(segments, means)
        sizes = np.diff(bounds)
        errors = np.sqrt(squares * (inflation[:-1] / sizes[:-1] + inflation[1:] / sizes[1:]))
        differences = np.diff(means)
        with np.errstate(divide="ignore", invalid="ignore"):  # no spread: infinitely sure, or no difference
            distances = np.where(differences == 0, 0.0, np.abs(differences) / errors)
        p = np.minimum(1.0, 2 * n * stdtr(n - len(segments), -distances))
        holds = (p <= alpha) & (np.abs(differences) >= least)
        if holds.all():
            larger = np.maximum(p, [found for _, found in points])
            rows = zip(points, np.exp(differences), larger, strict=True)
            return tuple(ChangePoint(index, float(ratio), float(worst)) for (index, _), ratio, worst in rows)
        del points[int(np.where(holds, np.inf, distances).argmin())]
    return ()


def _inflate_for_memory(segments: list[Floats], means: Floats) -> tuple[Floats, float]:
    """Return how many times larger memory makes the variance of each segment's mean, and the variance of one value."""
    residuals = np.concatenate([segment - mean for segment, mean in zip(segments, means, strict=True)])
    n, total = residuals.size, float(residuals @ residuals)
    if total < n * _NO_SPREAD:
        return np.ones(len(segments)), 0.0
    fitted = len(segments) + _MEANS_A_SPLIT * (len(segments) - 1)
    seen = float(residuals[1:] @ residuals[:-1]) / total
    phi = min(_MOST_MEMORY, max(0.0, seen + (fitted * (1 + seen) + 2 * seen) / n))
    sizes = np.array([segment.size for segment in segments])
    inflation = (1 + phi) / (1 - phi) - 2 * phi * (1 - phi**sizes) / (sizes * (1 - phi) ** 2)
    return inflation, total / max(1.0, n - float(inflation.sum()))
