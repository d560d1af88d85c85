"""How often each value counts when whole groups are drawn anew: the bootstrap for values that are no lone witnesses.

Devices of one architecture share a design, results of one submitter a laboratory; twenty of them are not twenty
witnesses. Drawing groups, and taking all of a group each time it is drawn, keeps what they share together (Davison and
Hinkley 1997, Bootstrap Methods and their Application, section 3.8). Weights and not places are handed out, so a
statistic that takes weights is computed for all resamples at once. May import: numpy; scipy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RESAMPLES = 499
FEWEST_GROUPS = 5
"""Fewest groups that an interval is taken from: of four there are 35 resamples, too few for tails of 2.5 %."""


def number_groups(groups: Sequence[Hashable]) -> tuple[NDArray[np.int64], int]:
    """Return the place of each value's group in order of appearance, and how many groups there are."""
    places: dict[Hashable, int] = {}
    numbered = [places.setdefault(group, len(places)) for group in groups]
    return np.array(numbered, dtype=np.int64), len(places)


def draw_group_weights(groups: Sequence[Hashable], *, resamples: int = RESAMPLES, seed: int = 0) -> Floats:
    """Draw as many groups as there are, with replacement: (values, resamples), how often each value counts.

    Deterministic by ``seed``. Raises ValueError for no values.
    """
    places, count = number_groups(groups)
    if not count:
        raise ValueError("got no values; a resample takes at least one")
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    weights: Floats = drawn.T.astype(np.float64)[places]
    return weights


def count_effective(groups: Sequence[Hashable]) -> float:
    """Return how many groups of one size would say as much: (sum of sizes)^2 / sum of squared sizes.

    Kish 1965, Survey Sampling; of clusters: Carter, Schnepel and Steigerwald 2017, Review of Economics and Statistics
    99. One architecture of 40 devices beside nine of one each is hardly ten witnesses.
    """
    sizes = np.bincount(number_groups(groups)[0])
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def half_width(resampled: Floats, effective: float, level: float) -> float | None:
    """Half the width of an interval from resampled values of a statistic whose errors are about normal.

    The standard error is half the distance of the 15.87th and 84.13th percentiles, which a few wild resamples do not
    move; Student's t with ``effective`` - 1 degrees of freedom (``count_effective``, at least one) stands in for the
    normal quantile, because groups and not values were drawn. None where fewer than nine in ten resamples gave a
    number.
    """
    from scipy.special import stdtrit

    known = resampled[np.isfinite(resampled)]
    if known.size < 0.9 * resampled.size:
        return None
    low, high = np.quantile(known, [0.15865525393145707, 0.8413447460685429])
    freedom = max(1.0, effective - 1)
    # A resample of g groups has, in the mean, (g - 1) / g of the spread between groups.
    error = float(high - low) / 2 * math.sqrt((freedom + 1) / freedom)
    return float(stdtrit(freedom, 0.5 + level / 2)) * error
