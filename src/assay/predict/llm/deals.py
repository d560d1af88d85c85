"""Which published rows are held out together, and the errors of what is learned without them.

May import: core, predict, stats; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.predict.llm.features import Measures
from assay.predict.llm.fit import FEWEST, fit_law, times_of
from assay.predict.llm.gather import Served
from assay.predict.splits import Fold, leave_one_out, split_groups
from assay.stats.conformal import Calibration, calibrate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

_DEALS = 5
_FEWEST_LOADS = 3
_MOST_SCORES = 400


@dataclass(frozen=True, slots=True)
class Deal:
    """A way to hold out: ``folds`` of rows and a seed, ``group`` what errors of a row belong to."""

    folds: Callable[[Sequence[Served], int], Iterator[Fold]]
    group: Callable[[Served], str]


def _hold_loads(rows: Sequence[Served], seed: int) -> Iterator[Fold]:
    """The most users of every curve that has three and more: two are left to learn from."""
    del seed
    users: dict[str, set[float]] = {}
    for one in rows:
        users.setdefault(one.curve, set()).add(one.setup.users)
    most = {name: max(own) for name, own in users.items() if len(own) >= _FEWEST_LOADS}
    test = tuple(place for place, one in enumerate(rows) if one.setup.users == most.get(one.curve))
    held = frozenset(test)
    yield Fold(tuple(place for place in range(len(rows)) if place not in held), test, ("most users",))


def _hold_months(rows: Sequence[Served], seed: int) -> Iterator[Fold]:
    """Each month, learned from those before; rows without a day are on neither side."""
    del seed
    months = [one.measured[:7] for one in rows]
    for name in sorted({one for one in months if one}):
        train = tuple(place for place, one in enumerate(months) if one and one < name)
        if len(train) >= FEWEST:
            yield Fold(train, tuple(place for place, one in enumerate(months) if one == name), (name,))


DEALS: dict[str, Deal] = {
    "random": Deal(lambda rows, seed: split_groups([one.configuration for one in rows], _DEALS, seed),
                   lambda one: one.curve),
    "case": Deal(lambda rows, seed: split_groups([one.curve for one in rows], _DEALS, seed), lambda one: one.curve),
    "load": Deal(_hold_loads, lambda one: one.curve),
    "model": Deal(lambda rows, _: leave_one_out([one.setup.shape.name for one in rows]),
                  lambda one: one.setup.shape.name),
    "device": Deal(lambda rows, _: leave_one_out([one.system for one in rows]), lambda one: one.system),
    "temporal": Deal(_hold_months, lambda one: one.measured[:7]),
}  # fmt: skip
CALIBRATIONS = ("case", "load", "model", "device")
"""What intervals are calibrated on, by what a question has in common with what was learned."""


def calibrate_law(metric: str, rows: Sequence[Served], told: Measures, name: str, seed: int) -> Calibration | None:
    """Return the errors of what is held out by a deal, each group weighing the same; None where nothing can be."""
    import numpy as np

    deal = DEALS[name]
    errors: list[float] = []
    groups: list[str] = []
    for fold in deal.folds(rows, seed):
        train, test = [rows[place] for place in fold.train], [rows[place] for place in fold.test]
        if len(train) < FEWEST or not test:
            continue
        law = fit_law(metric, train, told.take(fold.train), seed)
        errors += np.log(times_of(metric, test) / law.expect(told.take(fold.test))).tolist()
        groups += [deal.group(one) for one in test]
    return calibrate(errors, groups).thinned(_MOST_SCORES) if errors else None
