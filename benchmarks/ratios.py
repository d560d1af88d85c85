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
    from scipy.special import stdtrit

    logs_a, logs_b = [math.log(value) for value in a], [math.log(value) for value in b]
    share_a, share_b = statistics.variance(logs_a) / len(a), statistics.variance(logs_b) / len(b)
    freedom = (share_a + share_b) ** 2 / (share_a**2 / (len(a) - 1) + share_b**2 / (len(b) - 1))
    margin = float(stdtrit(freedom, 0.5 + level / 2)) * math.sqrt(share_a + share_b)
    difference = statistics.fmean(logs_a) - statistics.fmean(logs_b)
    return Ratio(
        of_medians=statistics.median(a) / statistics.median(b),
        of_means=math.exp(difference),
        lo=math.exp(difference - margin),
        hi=math.exp(difference + margin),
    )
