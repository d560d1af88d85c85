"""One ratio for many cases: their geometric mean, and how sure it is (METHOD 6, compare).

May import: numpy; scipy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class MeanRatio:
    """Geometric mean of ``n`` ratios with its 95 % interval, which is of these cases and says nothing of others."""

    ratio: float
    lo95: float
    hi95: float
    n: int


def geometric_mean(
    ratios: Sequence[float], variances: Sequence[float], *, df: Sequence[float] | None = None
) -> MeanRatio:
    """Take the geometric mean of positive ratios, each with the same weight, and bound it.

    ``variances`` are the squared standard errors of the ratios' logarithms (``RatioEstimate.error_log`` squared). The
    cases are measured independently, so the mean of logs has variance V = sum(v) / n^2. It is bounded by Student's t
    with Satterthwaite's degrees of freedom, (sum v)^2 / sum(v^2 / df) (1946, Biometrics Bulletin 2), from those of each
    case; without ``df`` the variances count as known. Equal weights, and not those of the variances: a case does not
    count more because it is quiet, nor because it is slow (Fleming and Wallace 1986, Communications of the ACM 29).

    Raises ValueError for no ratios, a ratio that is not positive and finite, a negative variance, or unequal lengths.
    """
    values, spread = np.asarray(ratios, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    freedom = None if df is None else np.asarray(df, dtype=np.float64)
    if values.size == 0:
        raise ValueError("got no ratios; a mean takes at least one")
    if spread.size != values.size or (freedom is not None and freedom.size != values.size):
        raise ValueError(
            f"got {values.size} ratios with {spread.size} variances; expected one for each, and as many df"
        )
    if not (np.isfinite(values).all() and (values > 0).all() and (spread >= 0).all()):
        raise ValueError("got a ratio that is not positive and finite, or a negative variance")
    from scipy.special import ndtri, stdtrit

    centre, total = float(np.log(values).mean()), float(spread.sum())
    if total == 0:
        quantile = 0.0
    elif freedom is None:
        quantile = float(ndtri(0.975))
    else:
        share = spread / total  # of relative sizes: squares of tiny variances would underflow
        quantile = float(stdtrit(1 / float((share**2 / freedom).sum()), 0.975))
    margin = quantile * math.sqrt(total) / values.size
    lo, mean, hi = (float(bound) for bound in np.exp([centre - margin, centre, centre + margin]))
    return MeanRatio(mean, lo, hi, values.size)
