"""Which set-up to rent for so many users, from draws of what its latencies may turn out to be.

A choice that fails is worth nothing; one that does is worth what is left of a budget of twice the cheapest that would
have done: 2 - cost / cheapest. That is how the S-O score weighs the two where they stand equal (its derivatives by
success rate and by overspend are then the same), so nothing has to be tuned.
May import: predict.serving; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.absence import Unavailable
from assay.predict.serving.fit import ask
from assay.predict.serving.model import ServingModel
from assay.predict.serving.pilot import Llm, Setup
from assay.predict.serving.protocol import Choice, Demand, replicas_for
from assay.predict.serving.terms import BETWEEN, FIRST, Replica, describe_replica

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

USERS = (1, 2, 4, 8, 16, 32, 64, 128)
"""Users of one replica that latencies are foretold for."""
_DRAWS = 2000
_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A choice, the probability that it meets the demand, and what it is worth (1: as good as the cheapest)."""

    choice: Choice
    p_meets: float
    worth: float


def draw_latencies(
    model: ServingModel, llm: Llm, setups: Sequence[Setup], seed: int, draws: int = _DRAWS
) -> tuple[list[str], Floats, Floats]:
    """Draw both latencies of a model on set-ups in ms; names of the set-ups that hold it, (draws, set-ups, users)."""
    import numpy as np

    told: list[Replica] = []
    names = []
    for setup in setups:
        found = [describe_replica(ask(llm, setup, users, BETWEEN)) for users in USERS]
        kept = [one for one in found if not isinstance(one, Unavailable)]
        if len(kept) == len(USERS):
            told += kept
            names.append(setup.name)
    if not told:
        empty = np.empty((draws, 0, len(USERS)))
        return [], empty, empty
    shape = (draws, len(names), len(USERS))
    first, between = (
        (model.draw(metric, told, draws, seed + place) / _NS_PER_MS).reshape(shape)
        for place, metric in enumerate((FIRST, BETWEEN))
    )
    return names, first, between


def held_in_draws(first_ms: Floats, between_ms: Floats, demand: Demand) -> Floats:
    """Return the users held in each draw, (draws, set-ups): the most before the first that breaks a limit."""
    import numpy as np

    within = (first_ms <= demand.nttft_ms) & (between_ms <= demand.itl_ms)
    steps = np.cumprod(within, axis=2).sum(axis=2)
    return np.asarray(np.array((0, *USERS))[steps])


def recommend_setup(
    names: Sequence[str], held: Floats, price: Mapping[str, float], demand: Demand
) -> Recommendation | None:
    """Choose set-up and replicas by what they are worth on average over draws, (draws, set-ups); None for none."""
    import numpy as np

    if not names:
        return None
    prices = np.array([price[name] for name in names])
    counts = np.where(held > 0, np.ceil(demand.users / np.maximum(held, 1)), np.inf)
    cheapest = (counts * prices).min(axis=1)
    best: Recommendation | None = None
    for place, name in enumerate(names):
        for users in USERS:
            count = replicas_for(users, demand)
            if count is None:
                continue
            meets = held[:, place] * count >= demand.users
            worth = float(np.where(meets, 2 - count * prices[place] / cheapest, 0.0).mean())
            if best is None or worth > best.worth:
                best = Recommendation(Choice(name, count), float(meets.mean()), worth)
    return best
