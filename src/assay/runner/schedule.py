"""In which order launches are made: interleaved, launch by launch, in a seeded order (METHOD 1).

Interleaving spreads whatever drifts (clocks, temperature, neighbours) over all cases alike. May import: runner.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

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


def _cost_of_starting(planned: PlannedCase) -> tuple[int, float, int]:
    """Rank by what must be imported, then by what must be built (unknown: last), then by the batch."""
    parameters = planned.workload.size.parameters
    return (len(planned.workload.family.requires), math.inf if parameters is None else parameters, planned.case.batch)
