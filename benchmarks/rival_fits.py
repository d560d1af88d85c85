"""The arithmetic under the rival rules: asv's piecewise constant fit, the energy statistics of E-divisive and Otava.

Sources are named in rival_rules.py, where the decisions are.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Step(NamedTuple):
    """A piece of a piecewise constant fit: ``begin`` to before ``end``, its median and mean absolute deviation."""

    begin: int
    end: int
    value: float
    error: float


def fit_steps(values: Floats) -> list[Step]:
    """Fit pieces by asv's measure: minimise beta pieces + log(noise), with beta = 4 log(n) / n.

    For a penalty gamma a piece, the best partition in least absolute deviations is found exactly (Friedrich and others
    2008; asv approximates it for long series). gamma comes from a rough golden section search of the measure, in which
    the noise is the sum of absolute residuals after the best lag-1 correlation, plus a floor.
    """
    n = values.size
    costs = _absolute_deviations(values)
    scale = costs[0, n - 1] or 1.0
    best: tuple[float, list[int]] = (math.inf, [n])

    def measure(log_gamma: float) -> float:
        nonlocal best
        ends = _best_partition(costs, scale * math.exp(log_gamma))
        levels = [float(np.median(values[low:high])) for low, high in itertools.pairwise((0, *ends))]
        residuals = values - np.repeat(levels, np.diff((0, *ends)))

        def noise(rho: float) -> float:
            return abs(float(residuals[0])) + float(np.abs(residuals[1:] - rho * residuals[:-1]).sum())

        rho = _golden_section(noise, -1, 1, tolerance=0.05, flatness=1e-8)
        jumps = [abs(b - a) for a, b in itertools.pairwise(levels)]
        floor = 0.1 * min(jumps) if len(levels) > 2 else 0.001 * min(map(abs, levels))
        objective = 4 * math.log(n) / n * len(ends) + math.log(max(1e-300, floor) + noise(rho))
        best = min(best, (objective, ends), key=lambda pair: pair[0])
        return objective

    start = math.log(0.1 / n)
    _golden_section(measure, start, 0.0, tolerance=abs(start) * 0.1, flatness=0.0)
    return [
        Step(low, high, float(np.median(values[low:high])), float(costs[low, high - 1]) / (high - low))
        for low, high in itertools.pairwise((0, *best[1]))
    ]


def _absolute_deviations(values: Floats) -> Floats:
    """Sum of absolute deviations from the median of values[l .. r], both included, at [l, r]."""
    costs = np.zeros((values.size, values.size))
    for low in range(values.size):
        ordered: list[float] = []
        for high in range(low, values.size):
            bisect.insort(ordered, float(values[high]))
            half = len(ordered) // 2
            costs[low, high] = sum(ordered[len(ordered) - half :]) - sum(ordered[:half])
    return costs


def _best_partition(costs: Floats, gamma: float) -> list[int]:
    """Return the ends (excluded) of the pieces that minimise gamma pieces + costs."""
    n = costs.shape[0]
    totals = np.empty(n + 1)
    totals[0] = 0.0
    begins = np.zeros(n, dtype=np.int64)
    for last in range(n):
        options = totals[: last + 1] + gamma + costs[: last + 1, last]
        begins[last] = last - int(options[::-1].argmin())  # of equals the shortest piece
        totals[last + 1] = options[begins[last]]
    ends = [n]
    while (begin := int(begins[ends[-1] - 1])) > 0:
        ends.append(begin)
    return ends[::-1]


def _golden_section(
    f: Callable[[float], float], low: float, high: float, *, tolerance: float, flatness: float
) -> float:
    """Search a minimum so that the first two points tried are ``low`` and ``high`` themselves."""
    ratio = (math.sqrt(5) - 1) / 2
    span = (high - low) / (2 * ratio - 1)
    left, right = low - (1 - ratio) * span, low + ratio * span
    x, y = low, high
    at_x, at_y = f(x), f(y)
    size = max(abs(at_x), abs(at_y))
    while right - left >= tolerance and abs(at_x - at_y) >= flatness * size:
        if at_y < at_x:
            left, x, at_x = x, y, at_y
            y = left + ratio * (right - left)
            at_y = f(y)
        else:
            right, y, at_y = y, x, at_x
            x = right - ratio * (right - left)
            at_x = f(x)
    return y if at_y < at_x else x


def find_regressions(steps: list[Step], threshold: float) -> list[int]:
    """Walk back from the newest level, and note each fall to a better one that explains what is lost today.

    A single good result is forgiven where the level before it was no better than the one after.
    """
    level, error = steps[-1].value, steps[-1].error
    single: tuple[float, float] | None = None
    found: list[int] = []
    for step in reversed(steps):
        least = max(step.error, error, threshold * step.value)
        if level > step.value + least:
            if step.end - step.begin < 2:
                single = (level, error)
            found.append(step.end)
            level, error = step.value, step.error
        elif single is not None:
            if single[0] <= step.value + least:
                found.pop()
                level, error = single
            single = None
    return sorted(found)


def energy_of_splits(values: Floats) -> Floats:
    """Energy distance of every split, times n m / (n + m), a row a series; 0 for the empty split."""
    count, n = values.shape
    distances = np.abs(values[:, :, None] - values[:, None, :])
    sums = np.cumsum(np.cumsum(distances, axis=1), axis=2)
    split = np.arange(1, n)
    left = sums[:, split - 1, split - 1]
    both = sums[:, split - 1, n - 1] - left
    right = sums[:, n - 1, n - 1][:, None] - left - 2 * both
    other = n - split
    statistics_ = np.zeros((count, n))
    statistics_[:, 1:] = split * other / n * (2 * both / (split * other) - left / split**2 - right / other**2)
    return statistics_


def energy_of_window(values: Floats) -> tuple[float, int]:
    """Largest statistic over splits of every beginning of ``values``, unbiased within the parts, and its split."""
    n = values.size
    sums = np.cumsum(np.cumsum(np.abs(values[:, None] - values[None, :]), axis=0), axis=1)
    split, end = np.arange(1, n)[:, None], np.arange(2, n + 1)[None, :]
    left = sums[split - 1, split - 1]
    both = sums[split - 1, end - 1] - left
    right = sums[end - 1, end - 1] - left - 2 * both
    other = end - split
    with np.errstate(divide="ignore", invalid="ignore"):
        within = np.where(split > 1, other / end * left / (split - 1), 0.0)
        within = within + np.where(other > 1, split / end * right / (other - 1), 0.0)
        score = np.where(other > 0, 2 / end * both - within, -np.inf)
    best = np.unravel_index(int(score.argmax()), score.shape)
    return float(score[best]), int(best[0]) + 1


def student_p(a: Floats, b: Floats) -> float:
    """Give p of Student's t as Otava calls it: with the biased standard deviations, and 1 for two values."""
    from scipy.stats import ttest_ind_from_stats

    if a.size + b.size <= 2:
        return 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        p = float(ttest_ind_from_stats(a.mean(), a.std(), a.size, b.mean(), b.std(), b.size).pvalue)
    return 1.0 if math.isnan(p) else p
