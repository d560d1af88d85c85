"""Is the next result what its history foretells: a one-sided t prediction interval on logarithms (METHOD 6, check).

The next value of a normal series differs from the mean of n earlier ones by its own noise and by theirs, so
(log v - m) / (s sqrt(1 + 1/n)) has Student's t distribution with n - 1 degrees of freedom (Hahn and Meeker 1991,
Statistical Intervals, section 4.8; Whitmore 1986, The American Statistician 40). s is the plain standard deviation, not
the MAD: where a machine has two states the MAD sees one of them and calls the other a change (docs/statistics.md).

May import: core; numpy; scipy inside functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assay.core.words import Direction
from assay.stats.change import within_floor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

LEVEL = 0.99
"""Share of next values that the one-sided interval holds when nothing has changed."""
FEWEST_VALUES = 2
"""Fewest values of a history that have a spread at all; METHOD 6 asks for 8 before it judges."""


@dataclass(frozen=True, slots=True)
class NextValue:
    """A value beside its history of ``n`` values.

    ``centre`` is the history's geometric mean, in its unit; ``ratio`` the value over it; ``limit_ratio`` the end of the
    interval on the worse side (above 1 where lower is better, below 1 where higher is). ``p`` is the probability of
    a value at least as bad were nothing changed. ``is_outside``: worse than the limit. ``is_large``: at least the
    floor away from 1.
    """

    ratio: float
    limit_ratio: float
    p: float
    is_outside: bool
    is_large: bool
    n: int
    centre: float
    sd_log: float

    @property
    def is_suspect(self) -> bool:
        """Worse than the history foretells, and by enough to matter."""
        return self.is_outside and self.is_large


def judge_next(
    history: ArrayLike, value: float, *, direction: Direction, floor: float, level: float = LEVEL
) -> NextValue:
    """Judge one value, positive as those of its history and in the same unit. See ``judge_next_many``."""
    return judge_next_many([history], [value], directions=[direction], floors=[floor], level=level)[0]


def judge_next_many(
    histories: Sequence[ArrayLike],
    values: Sequence[float],
    *,
    directions: Sequence[Direction],
    floors: Sequence[float],
    level: float = LEVEL,
) -> list[NextValue]:
    """Judge the next value of many series at once: four sequences of one length, histories of any length each.

    limit = exp(m + t s sqrt(1 + 1/n)), with m and s the mean and standard deviation of the history's logarithms and t
    the ``level`` quantile at n - 1 degrees of freedom (minus, where higher is better). Without any spread every
    worse value is outside, with p 0; the floor still holds. Raises ValueError for a history below ``FEWEST_VALUES``, a
    value that is not positive and finite, and a metric that has no worse side.
    """
    if not len(histories) == len(values) == len(directions) == len(floors):
        got = (len(histories), len(values), len(directions), len(floors))
        raise ValueError(f"got {got} histories, values, directions and floors; expected as many of each")
    if not len(histories):
        return []
    if Direction.NEITHER in directions:
        raise ValueError("got a metric that has no worse side; expected lower or higher to be better")
    from scipy.special import stdtr, stdtrit

    arrays = [np.asarray(history, dtype=np.float64).ravel() for history in histories]
    lengths = np.array([array.size for array in arrays])
    if lengths.min() < FEWEST_VALUES:
        raise ValueError(f"got a history of {lengths.min()} values; expected at least {FEWEST_VALUES}")
    first = np.array([array[0] for array in arrays])
    flat, latest = np.concatenate(arrays), np.asarray(values, dtype=np.float64)
    for checked in (flat, latest):
        if not (np.isfinite(checked).all() and (checked > 0).all()):
            raise ValueError("got a value that is not positive and finite; leave such results out of a history")
    # Relative to the first value of each, so that a history without spread has exactly none.
    firsts = np.repeat(first, lengths)
    logs = np.where(flat == firsts, 0.0, np.log(flat) - np.log(firsts))
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    means = np.add.reduceat(logs, starts) / lengths
    squares = np.add.reduceat((logs - np.repeat(means, lengths)) ** 2, starts)
    spreads = np.sqrt(squares / (lengths - 1))
    differences = np.where(latest == first, 0.0, np.log(latest) - np.log(first)) - means
    worse = np.where([direction is Direction.LOWER for direction in directions], 1.0, -1.0)
    errors = spreads * np.sqrt(1 + 1 / lengths)
    limits = stdtrit(lengths - 1, level) * errors
    with np.errstate(divide="ignore", invalid="ignore"):  # no spread: infinitely far, or not at all
        distances = np.where(differences == 0, 0.0, worse * differences / errors)
    probabilities = stdtr(lengths - 1, -distances)
    with np.errstate(over="ignore"):  # two values a factor of 10^100 apart bound nothing
        ratios, limit_ratios, centres = np.exp(differences), np.exp(worse * limits), first * np.exp(means)
    is_outside = worse * differences > limits
    return [
        NextValue(
            ratio=float(ratios[i]),
            limit_ratio=float(limit_ratios[i]),
            p=float(probabilities[i]),
            is_outside=bool(is_outside[i]),
            is_large=not within_floor(float(ratios[i]), floors[i]),
            n=int(lengths[i]),
            centre=float(centres[i]),
            sd_log=float(spreads[i]),
        )
        for i in range(len(arrays))
    ]
