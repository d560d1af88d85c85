"""Many tests at once: what a p-value is worth when it is the smallest of a family (METHOD 6, check without a re-run).

May import: numpy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """Turn p-values into q-values, in the order given: the false discovery rate at which each would be called.

    With p(1) <= ... <= p(m): q(i) = min over k >= i of m p(k) / k, at most 1. Calling every q <= .05 keeps the expected
    share of false calls among all calls at or below .05, for independent or positively dependent tests (Benjamini and
    Hochberg 1995, J. Royal Statistical Society B 57; Benjamini and Yekutieli 2001, Annals of Statistics 29).
    Raises ValueError for what is no probability.
    """
    values = np.asarray(p, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("got a p-value outside 0..1; leave out series that were not tested")
    m = values.size
    order = np.argsort(values, kind="stable")
    scaled = values[order] * m / np.arange(1, m + 1)
    adjusted = np.empty(m)
    adjusted[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    # m p / m may round to just below p; a q-value is never below its p-value.
    return [float(q) for q in np.clip(adjusted, values, 1.0)]
