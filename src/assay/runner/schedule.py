"""In which order launches are made: interleaved, launch by launch, in a seeded order (METHOD 1).

Interleaving spreads whatever drifts (clocks, temperature, neighbours) over all cases alike. May import: runner.
"""

from __future__ import annotations

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

    ``done`` counts, by case id, launches that exist already (a resumed run); those are not made again.
    """
    already = done or {}
    shuffler = random.Random(seed)  # noqa: S311  (an order, not a secret)
    for ordinal in range(launches):
        order = list(cases)
        shuffler.shuffle(order)
        for planned in order:
            if ordinal >= already.get(planned.case.case_id, 0):
                yield ScheduledLaunch(planned, ordinal)
