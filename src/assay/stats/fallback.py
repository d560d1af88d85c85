"""Suspected fallback: rows of two devices that are too equal to come from two devices.

An accelerator and a CPU that take the same time once may do so by chance. Over many cases that is not credible: either
the accelerator's rows ran on the CPU, or one was copied from the other. In one published collection 54 pairs of "cpu"
and "cuda" rows have a median ratio of 0.998. May import: standard library.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

FEWEST_PAIRS = 5
MEDIAN_WITHIN = 0.03
"""The median ratio of a suspect pattern lies this close to 1: the floor below which nothing is called a change."""
SPREAD_WITHIN = 0.25
"""And three quarters of its pairs within a quarter of it. Real speed-ups of a device vary more from model to model."""
_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class FallbackSuspicion:
    """The pattern over all pairs of two devices. ``is_suspect`` is None where there are too few pairs to tell."""

    pairs: int
    median_ratio: float | None
    share_close: float | None
    is_suspect: bool | None

    @property
    def text(self) -> str:
        """The finding in words."""
        if self.is_suspect is None or self.median_ratio is None or self.share_close is None:
            return f"{self.pairs} pairs, too few to tell (at least {FEWEST_PAIRS})"
        found = f"{self.pairs} pairs with a median ratio of {self.median_ratio:.3f}"
        if not self.is_suspect:
            return f"{found}: two devices"
        close = f"{100 * self.share_close:.0f} % of them within {100 * SPREAD_WITHIN:.0f} %"
        return f"suspected fallback: {found}, {close}: these are hardly two devices"


def suspect_fallback(pairs: Sequence[tuple[float, float]]) -> FallbackSuspicion:
    """Judge pairs of latencies of the same case on two devices, in any one unit, above 0.

    Raises ValueError for a latency that is none.
    """
    if any(not (0 < value < math.inf) for pair in pairs for value in pair):
        raise ValueError("a latency must be a finite number above 0")
    ratios = [second / first for first, second in pairs]
    if len(ratios) < FEWEST_PAIRS:
        return FallbackSuspicion(len(ratios), statistics.median(ratios) if ratios else None, None, None)
    median = statistics.median(ratios)
    close = sum(abs(math.log(ratio / median)) <= math.log1p(SPREAD_WITHIN) for ratio in ratios) / len(ratios)
    is_suspect = abs(math.log(median)) <= math.log1p(MEDIAN_WITHIN) and close >= _SHARE
    return FallbackSuspicion(len(ratios), median, close, is_suspect)
