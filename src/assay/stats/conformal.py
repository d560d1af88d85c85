"""Intervals that hold what they promise, from errors on held-out groups: split conformal prediction on logarithms.

Errors of one held-out group (a device, a family) are not independent: a group that is off is off as a whole. So the
quantile is taken over groups, each weighing the same, and widened for how few groups there are (Vovk, Gammerman,
Shafer 2005, Algorithmic Learning in a Random World; hierarchical form: Dunn, Wasserman, Ramdas 2023, JASA 118,
"Distribution-free prediction sets for two-layer hierarchical models"). May import: standard library; numpy inside
functions.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class Calibration:
    """Held-out errors that intervals are made of: logarithms of actual over predicted, each in units of its scale.

    ``scores`` are |error| / scale, sorted; ``weights`` sum to 1. ``groups`` is how many groups they are of.
    """

    scores: tuple[float, ...]
    weights: tuple[float, ...]
    groups: int
    _reached: tuple[float, ...] = field(init=False, repr=False, compare=False, default=())
    """The weight up to each score: asked for with every prediction, and there are tens of thousands of scores."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_reached", tuple(accumulate(self.weights)))

    @property
    def n(self) -> int:
        """How many held-out outcomes there are."""
        return len(self.scores)

    def thinned(self, most: int) -> Calibration:
        """At most ``most`` scores that stand for all: of neighbours the larger one stays, with the weight of both.

        So no half width gets smaller, and what is kept of many thousand outcomes stays small.
        """
        if self.n <= most:
            return self
        scores: list[float] = []
        weights: list[float] = []
        total, step = 0.0, 1 / most
        for score, weight in zip(self.scores, self.weights, strict=True):
            if scores and total + weight <= step * len(scores):
                scores[-1] = score
                weights[-1] += weight
            else:
                scores.append(score)
                weights.append(weight)
            total += weight
        return Calibration(tuple(scores), tuple(weights), self.groups)

    def half_width(self, level: float) -> float:
        """Half the width of the interval on the log scale, in units of scale; infinite where evidence is too little.

        The smallest score that a share of ``level`` x (1 + 1/groups) of the weight does not exceed: the next outcome
        is of a group that is not among these, and may be worse than all of them.
        """
        wanted = level * (1 + 1 / self.groups) if self.groups else math.inf
        if wanted > 1 + 1e-12:
            return math.inf
        place = bisect_left(self._reached, wanted - 1e-12)
        return self.scores[min(place, len(self.scores) - 1)]


def calibrate(errors: ArrayLike, groups: Sequence[str], scales: ArrayLike | None = None) -> Calibration:
    """Take held-out errors (n,) on the log scale, the group of each, and how uncertain each was said to be (n,).

    Every group weighs the same, whatever its rows. Raises ValueError for none, or a scale that is not positive.
    """
    import numpy as np

    values = np.abs(np.asarray(errors, dtype=np.float64))
    widths = np.ones_like(values) if scales is None else np.asarray(scales, dtype=np.float64)
    if not values.size or len(groups) != values.size or widths.shape != values.shape:
        raise ValueError(
            f"got {values.size} errors of {len(groups)} rows and {widths.shape} scales; expected as many of each"
        )
    if not (np.isfinite(values).all() and (widths > 0).all()):
        raise ValueError("got an error that is not finite, or a scale that is not positive")
    sizes: dict[str, int] = {}
    for name in groups:
        sizes[name] = sizes.get(name, 0) + 1
    weights = np.array([1 / (len(sizes) * sizes[name]) for name in groups])
    scores = values / widths
    order = np.argsort(scores, kind="stable")
    return Calibration(tuple(scores[order].tolist()), tuple(weights[order].tolist()), len(sizes))
