"""From a typed wish to a decision: which device for a model, by what was measured and is foretold.

What the command line, REST and pages have in common; each of them reads its own words first. May import: core, catalog,
store, analysis, predict, recommend.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assay.core.errors import UsageError
from assay.recommend.decision import Decision, Limits, Objective, candidates, decide

if TYPE_CHECKING:
    from assay.predict.layers import Estimator
    from assay.store import Store

PRECISIONS = ("fp32", "fp16")
"""What may be chosen where nothing is said: what every device of the last ten years computes in."""

LARGEST_LOAD = 1e9
"""Units a second, and USD an hour: above these a number is a slip, and sums of it are none."""
_MOST_PRICES = 200


@dataclass(frozen=True, slots=True)
class Wish:
    """One model and what may be chosen for it: every device under every precision, batch and engine.

    ``devices`` empty: those with a stored price, and this machine's CPU. ``prices_usd_h`` are of one device by its id
    or name, and go before stored ones.
    """

    model: str
    objective: Objective = Objective.LATENCY
    devices: tuple[str, ...] = ()
    precisions: tuple[str, ...] = PRECISIONS
    batches: tuple[int, ...] = (1,)
    engines: tuple[str, ...] = ("torch",)
    mode: str = "inference"
    limits: Limits = Limits()  # noqa: RUF009  (a frozen value)
    prices_usd_h: Mapping[str, float] = field(default_factory=dict)


def choose_device(store: Store, wish: Wish, estimator: Estimator, *, most: int | None = None) -> Decision:
    """Decide. Raises UsageError (of more than ``most`` questions too), UnknownNameError, StoreError."""
    from assay.analysis.ranking_prices import open_price_book
    from assay.predict.devices import find_profile
    from assay.predict.questions import Asked, make_questions

    names = tuple(dict.fromkeys(candidates(store, wish.devices)))
    check_count(len(names) * len(wish.precisions) * len(wish.batches) * len(wish.engines), most)
    if len(wish.prices_usd_h) > _MOST_PRICES:
        raise UsageError(f"{len(wish.prices_usd_h)} prices were given; expected at most {_MOST_PRICES}.")
    if any(usd > LARGEST_LOAD for usd in wish.prices_usd_h.values()):
        raise UsageError(f"A price is above {LARGEST_LOAD:g} USD an hour.")
    given = {find_profile(name).hw_id or name: usd for name, usd in wish.prices_usd_h.items()}
    prices = open_price_book(store, given)
    questions = make_questions(
        Asked((wish.model,), names, wish.precisions, wish.batches, wish.engines, mode=wish.mode), store=store
    )
    return decide(questions, estimator, prices, wish.objective, wish.limits)


def check_count(count: int, most: int | None) -> None:
    """Raise UsageError where more numbers are asked for than may be at a time."""
    if most is not None and count > most:
        raise UsageError(
            f"{count} numbers were asked for; expected at most {most} at a time.",
            hint="Name fewer devices, precisions, batches or engines.",
        )
