"""Summaries of samples and launches: medians, spread, percentiles that refuse to guess.

May import: core; numpy; scipy inside functions (it costs 0.7 s, and workers never need it).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

PERCENTILE_MINIMUM_N = {90: 46, 95: 93, 99: 473}
"""Fewest samples from which each percentile may be stated (METHOD 2: 95 % early-stopping bound)."""

FEWEST_LAUNCHES_FOR_INTERVAL = 3

_MAD_TO_SD = 1.4826  # makes the MAD of a normal distribution estimate its standard deviation
_Z = {0.90: 1.6448536269514722, 0.95: 1.959963984540054, 0.99: 2.5758293035489004}
_FEWEST_FOR_ORDER_CI = 6


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided interval, in the unit of what it bounds."""

    lo: float
    hi: float

    @property
    def half_width(self) -> float:
        """Half of the width."""
        return (self.hi - self.lo) / 2


def median_interval(values: ArrayLike, level: float = 0.95) -> Interval | None:
    """Bound the median of independent values by two order statistics; None below 6 values.

    This is the percentile interval of the *ideal* bootstrap of the median (infinitely many resamples) up to
    one rank: a resampled median lies at or below the k-th value when at least half of n draws fall among the
    lowest k, so its distribution is binomial in the ranks (Efron 1979, Annals of Statistics 7, section 3). The normal
    approximation of that binomial gives ranks n/2 +- z sqrt(n)/2. No resampling, no random numbers: 30 us
    where 1 000 resamples of 2 000 values take 40 ms, which matters because it runs inside the worker.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = ordered.size
    if n < _FEWEST_FOR_ORDER_CI:
        return None
    spread = _Z[level] * math.sqrt(n) / 2
    low = max(0, math.floor(n / 2 - spread))
    high = min(n - 1, math.ceil(n / 2 + spread) - 1)
    return Interval(float(ordered[low]), float(ordered[high]))


def launch_interval(medians: Sequence[float], level: float = 0.95) -> Interval | None:
    """Bound the typical launch from one positive value a launch; None below 3 launches.

    Student's t on the logarithms, because noise between launches multiplies and because every comparison
    (METHOD 6) works on logs too. Honest for 3 launches (a factor of 4.3 standard errors), where a bootstrap of
    3 values cannot reach beyond their range: docs/method.md has the measured coverages. Two launches would give
    13 standard errors, which tells a reader nothing.
    """
    if len(medians) < FEWEST_LAUNCHES_FOR_INTERVAL:
        return None
    logs = np.log(np.asarray(medians, dtype=np.float64))
    return interval_of_logs(logs, level)


def interval_of_logs(logs: NDArray[np.float64], level: float) -> Interval:
    """Student's t interval of the mean of ``logs``, exponentiated back."""
    from scipy.special import stdtrit

    n = logs.size
    quantile = float(stdtrit(n - 1, 0.5 + level / 2))
    margin = quantile * float(np.std(logs, ddof=1)) / math.sqrt(n)
    centre = float(np.mean(logs))
    return Interval(math.exp(centre - margin), math.exp(centre + margin))


def percentile(values: ArrayLike, rank: int) -> float | None:
    """Return p90, p95 or p99, or None where there are too few values to state it."""
    array = np.asarray(values, dtype=np.float64)
    if array.size < PERCENTILE_MINIMUM_N[rank]:
        return None
    return float(np.percentile(array, rank, method="higher"))


def median_absolute_deviation(values: ArrayLike) -> float:
    """Median distance from the median, scaled to estimate a standard deviation."""
    array = np.asarray(values, dtype=np.float64)
    return float(np.median(np.abs(array - np.median(array)))) * _MAD_TO_SD


def coefficient_of_variation(values: ArrayLike) -> float | None:
    """Standard deviation over mean; None below 2 values."""
    array = np.asarray(values, dtype=np.float64)
    if array.size < 2:  # noqa: PLR2004  (a spread needs two)
        return None
    return float(np.std(array, ddof=1) / np.mean(array))
