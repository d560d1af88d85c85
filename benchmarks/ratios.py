"""Ratio of two interleaved sets of launches, with its 95 % interval: Welch's t on the logarithms."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ratio:
    """Geometric mean ratio of ``a`` over ``b``, one value a launch, and the ratio of their medians."""

    of_medians: float
    of_means: float
    lo: float
    hi: float


def ratio_of(a: Sequence[float], b: Sequence[float], level: float = 0.95) -> Ratio:
    """Compare launch medians of two sides."""
    logs_a, logs_b = [math.log(value) for value in a], [math.log(value) for value in b]
    share_a, share_b = statistics.variance(logs_a) / len(a), statistics.variance(logs_b) / len(b)
    freedom = (share_a + share_b) ** 2 / (share_a**2 / (len(a) - 1) + share_b**2 / (len(b) - 1))
    difference = statistics.fmean(logs_a) - statistics.fmean(logs_b)
    of_medians = statistics.median(a) / statistics.median(b)
    return _make(of_medians, difference, math.sqrt(share_a + share_b), freedom, level)


def ratio_of_pairs(a: Sequence[float], b: Sequence[float], level: float = 0.95) -> Ratio:
    """Compare values that were taken in pairs, next to each other in time: Student's t on the logs of their ratios."""
    logs = [math.log(one / other) for one, other in zip(a, b, strict=True)]
    error = statistics.stdev(logs) / math.sqrt(len(logs))
    of_medians = statistics.median(a) / statistics.median(b)
    return _make(of_medians, statistics.fmean(logs), error, len(logs) - 1, level)


def _make(of_medians: float, difference: float, error: float, freedom: float, level: float) -> Ratio:
    from scipy.special import stdtrit

    margin = float(stdtrit(freedom, 0.5 + level / 2)) * error
    return Ratio(of_medians, math.exp(difference), math.exp(difference - margin), math.exp(difference + margin))
