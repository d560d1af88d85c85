"""A ratio of medians with an interval that knows both levels of noise: between launches, and within each.

For where a ratio of the very numbers a result shows (medians of launch medians) is wanted with its samples behind it.
Verdicts come from Welch's test on logarithms (``change``) instead, which needs no resampling and holds its level with
few launches; docs/statistics.md has the measured coverage of both.

May import: numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class BootstrapRatio:
    """B over A, of medians of launch medians, with the percentile interval at ``level``."""

    ratio: float
    lo: float
    hi: float
    level: float


def bootstrap_ratio(
    a: Sequence[ArrayLike],
    b: Sequence[ArrayLike],
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> BootstrapRatio:
    """Bound the ratio of B's to A's median of launch medians by the hierarchical bootstrap.

    ``a`` and ``b`` are launches, each with its samples: positive, in one unit. A resample draws launches with
    replacement, then samples with replacement inside each launch drawn, anew each time it is (Davison and Hinkley 1997,
    Bootstrap Methods and their Application, section 3.8; Kalibera and Jones 2013, ISMM). The median of a resampled
    launch is drawn directly: of n draws the m-th smallest has the rank ceil(n U), with U of Beta(m, n - m + 1).

    Deterministic by ``seed``. Raises ValueError below 2 launches a side, for an empty launch, and for a sample that is
    not positive and finite.
    """
    random = np.random.default_rng(seed)
    (median_a, resampled_a), (median_b, resampled_b) = (_resample(side, resamples, random) for side in (a, b))
    tail = (1 - level) / 2
    lo, hi = np.quantile(resampled_b / resampled_a, [tail, 1 - tail])
    return BootstrapRatio(median_b / median_a, float(lo), float(hi), level)


def _resample(side: Sequence[ArrayLike], resamples: int, random: np.random.Generator) -> tuple[float, Floats]:
    """Return the median of launch medians, and that of every resample."""
    launches = [np.sort(np.asarray(launch, dtype=np.float64).ravel()) for launch in side]
    if len(launches) < 2 or any(launch.size == 0 for launch in launches):  # noqa: PLR2004  (a spread needs two)
        raise ValueError(f"got {len(launches)} launches, some perhaps empty; expected at least 2, each with samples")
    if not all(np.isfinite(launch).all() and launch[0] > 0 for launch in launches):
        raise ValueError("got a sample that is not positive and finite")
    drawn = random.integers(len(launches), size=(resamples, len(launches)))
    medians = np.empty(drawn.shape)
    for index, launch in enumerate(launches):
        places = drawn == index
        medians[places] = _medians_of_resamples(launch, int(places.sum()), random)
    return float(np.median([np.median(launch) for launch in launches])), np.median(medians, axis=1)


def _medians_of_resamples(ordered: Floats, count: int, random: np.random.Generator) -> Floats:
    """Draw ``count`` medians of resamples of ascending values."""
    n = ordered.size
    middle = (n + 1) // 2
    lower = random.beta(middle, n - middle + 1, count)
    # The next larger of n uniform draws is the smallest of n - middle on what is left above.
    upper = lower if n % 2 else lower + (1 - lower) * random.beta(1, n - middle, count)
    low, high = (np.minimum(n - 1, (n * place).astype(np.int64)) for place in (lower, upper))
    medians: Floats = (ordered[low] + ordered[high]) / 2
    return medians
