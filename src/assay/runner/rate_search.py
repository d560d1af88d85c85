"""Search for the highest rate of arrivals that still holds: bracket, halve the bracket, confirm.

May import: standard library.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

_FARTHEST_UP = 1024.0
_FARTHEST_DOWN = 16.0
"""How far from where it began the search goes, as a factor, before it says that there is no such rate. Runs at low
rates are long, and where a device that is nearly idle misses the target, no rate will hold."""


class Judged(Protocol):
    """A result with a verdict."""

    @property
    def is_valid(self) -> bool:
        """Whether the rate held."""
        ...


R = TypeVar("R", bound=Judged)


@dataclass(frozen=True, slots=True)
class Trial(Generic[R]):
    """One rate that was tried, and what came of it."""

    rate_per_s: float
    result: R


@dataclass(frozen=True, slots=True)
class RateSearch(Generic[R]):
    """What a search found; every trial is here, in order, whatever became of it.

    ``highest_valid_per_s`` held twice where ``is_confirmed``; else it is the highest rate that held once and lies below
    every rate that failed, None where none did. ``lowest_invalid_per_s`` is the lowest rate that failed, None where
    none did.
    """

    highest_valid_per_s: float | None
    lowest_invalid_per_s: float | None
    is_confirmed: bool
    trials: tuple[Trial[R], ...]
    stop_reason: str

    @property
    def best(self) -> R | None:
        """The result that confirmed the highest valid rate, or the one that found it."""
        hits = [trial.result for trial in self.trials if trial.rate_per_s == self.highest_valid_per_s]
        return hits[-1] if hits else None


def find_highest_rate(
    run: Callable[[float], R], *, start_per_s: float, tolerance: float = 0.05, most_trials: int = 24
) -> RateSearch[R]:
    """Find the highest rate at which ``run`` is valid, to within ``tolerance`` of the lowest at which it is not.

    Doubles or halves from ``start_per_s`` until one rate held and one did not, then bisects the logarithm of the
    rate. A rate that wins must hold twice: arrivals are random, and near the edge luck decides. Where it does not, the
    rate is lowered by the tolerance until one holds twice (as the first MLPerf inference rules, 0.5, had LoadGen do).
    ``run`` should use other arrival times each time.
    """
    trials: list[Trial[R]] = []

    def holds(rate: float) -> bool:
        trials.append(Trial(rate, run(rate)))
        return trials[-1].result.is_valid

    def finish(stop_reason: str, confirmed: float | None = None) -> RateSearch[R]:
        low, high = _bracket(trials)
        highest = low if confirmed is None else confirmed
        return RateSearch(highest, high, confirmed is not None, tuple(trials), stop_reason)

    while len(trials) < most_trials:
        low, high = _bracket(trials)
        if low is not None and high is not None and high <= low * (1 + tolerance):
            break
        rate = _choose_next(low, high, start_per_s)
        if not start_per_s / _FARTHEST_DOWN <= rate <= start_per_s * _FARTHEST_UP:
            return finish("no rate holds" if low is None else "every rate holds")
        holds(rate)
    candidate, _ = _bracket(trials)
    while candidate is not None and len(trials) < most_trials:
        if holds(candidate):
            if sum(trial.rate_per_s == candidate for trial in trials) > 1:
                return finish("confirmed", candidate)
        else:
            candidate /= 1 + tolerance
    return finish(f"not confirmed in {most_trials} runs")


def _bracket(trials: list[Trial[R]]) -> tuple[float | None, float | None]:
    """The lowest rate that ever failed, and the highest valid one below it."""
    high = min((trial.rate_per_s for trial in trials if not trial.result.is_valid), default=None)
    limit = math.inf if high is None else high
    held = (trial.rate_per_s for trial in trials if trial.result.is_valid and trial.rate_per_s < limit)
    return max(held, default=None), high


def _choose_next(low: float | None, high: float | None, start: float) -> float:
    if low is None:
        return start if high is None else high / 2
    return low * 2 if high is None else math.sqrt(low * high)
