"""In which order launches are made: interleaved, launch by launch, in a seeded order (METHOD 1).

Interleaving spreads whatever drifts (clocks, temperature, neighbours) over all cases alike. May import: runner.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from assay.runner.plan import PlannedCase


@dataclass(frozen=True, slots=True)
class ScheduledLaunch:
    """The ``ordinal``-th launch (from 0) of one case."""

    planned: PlannedCase
    ordinal: int


def schedule_launches(
    cases: Sequence[PlannedCase], *, launches: int, seed: int, done: Mapping[str, int] | None = None
) -> Iterator[ScheduledLaunch]:
    """Yield every launch once, round by round; each round visits the cases in a fresh seeded order.

    Only the very first launch is chosen: the case that starts fastest goes first, so that a person sees a number
    within seconds. ``done`` counts, by case id, launches that exist already (a resumed run); those are not made
    again.
    """
    already = done or {}
    shuffler = random.Random(seed)  # noqa: S311  (an order, not a secret)
    for ordinal in range(launches):
        order = list(cases)
        shuffler.shuffle(order)
        if ordinal == 0 and order:
            quickest = min(order, key=_cost_of_starting)
            order.remove(quickest)
            order.insert(0, quickest)
        for planned in order:
            if ordinal >= already.get(planned.case.case_id, 0):
                yield ScheduledLaunch(planned, ordinal)


@dataclass(frozen=True, slots=True)
class SideLaunches:
    """What one of several plans has to make: ``launches`` of each case, less those ``done`` already, by case id."""

    cases: Sequence[PlannedCase]
    launches: int
    done: Mapping[str, int] = field(default_factory=dict)


def schedule_together(sides: Sequence[SideLaunches], *, seed: int) -> Iterator[tuple[int, ScheduledLaunch]]:
    """Yield every launch of every side once, with the place of its side, round by round over all (side, case).

    Rounds come in pairs: the first of a pair has a fresh seeded order, the second has it backwards. So of any two cases
    each goes first as often as the other, whatever drifts steadily over a pair of rounds weighs on both alike, and none
    always follows the same one. As in a run alone, the very first launch is that of the case that starts fastest.
    """
    everything = [(side, planned) for side, one in enumerate(sides) for planned in one.cases]
    shuffler = random.Random(seed)  # noqa: S311  (an order, not a secret)
    order: list[tuple[int, PlannedCase]] = []
    for ordinal in range(max((one.launches for one in sides), default=0)):
        if ordinal % 2:
            order.reverse()
        else:
            order = list(everything)
            shuffler.shuffle(order)
        if ordinal == 0 and order:
            quickest = min(order, key=lambda entry: _cost_of_starting(entry[1]))
            order.remove(quickest)
            order.insert(0, quickest)
        for side, planned in order:
            if sides[side].done.get(planned.case.case_id, 0) <= ordinal < sides[side].launches:
                yield side, ScheduledLaunch(planned, ordinal)


def _cost_of_starting(planned: PlannedCase) -> tuple[int, float, int]:
    """Rank by what must be imported, then by what must be built (unknown: last), then by the batch."""
    parameters = planned.workload.size.parameters
    return (len(planned.workload.family.requires), math.inf if parameters is None else parameters, planned.case.batch)
