"""Which set-up to rent for so many users, from draws of how many users each may turn out to hold.

A choice that fails is worth nothing; one that does is worth what is left of a budget of twice the cheapest that would
have done: 2 - cost / cheapest. That is how the S-O score weighs the two where they stand equal (its derivatives by
success rate and by overspend are then the same), so nothing has to be tuned.
May import: predict.serving; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.absence import Unavailable
from assay.predict.llm.shapes import LlmShape
from assay.predict.serving.fit import ask
from assay.predict.serving.model import ServingModel
from assay.predict.serving.near import USERS, draw_within, held_in_draws, learn_near, limits_of
from assay.predict.serving.pilot import Llm, Setup
from assay.predict.serving.protocol import Choice, Demand
from assay.predict.serving.terms import BETWEEN, Replica, describe_replica

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

WIDTH = 0.1
"""How near a limit latencies are told apart, in logarithms: of the widths tried, the best where a model is left out."""
DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A choice, the probability that it meets the demand, and what it is worth (1: as good as the cheapest)."""

    choice: Choice
    p_meets: float
    worth: float


def choose_setup(
    model: ServingModel, llm: Llm | LlmShape, setups: Sequence[Setup], demand: Demand, *, width: float = WIDTH,
    seed: int = 0,
) -> Recommendation | None:  # fmt: skip
    """Choose set-up and replicas for a demand on a language model; None where no set-up holds its weights.

    Learns what is within the demand's limits first, which takes some seconds.
    """
    return next(iter(rank_for(model, llm, setups, demand, width=width, seed=seed)), None)


def rank_for(
    model: ServingModel, llm: Llm | LlmShape, setups: Sequence[Setup], demand: Demand, *, width: float = WIDTH,
    seed: int = 0,
) -> list[Recommendation]:  # fmt: skip
    """``choose_setup``, with all that it chose between, the most worth first."""
    names, told = tell_setups(llm, setups)
    if not names:
        return []
    first, between = (
        draw_within(learn_near(model, metric, limit_ms, width, seed), model, told, DRAWS, seed + place)
        for place, (metric, limit_ms) in enumerate(limits_of(demand).items())
    )
    price = {one.name: one.usd_h for one in setups}
    return rank_setups(names, held_in_draws(first, between), price, demand)


def tell_setups(llm: Llm | LlmShape, setups: Sequence[Setup]) -> tuple[list[str], list[Replica]]:
    """Return the set-ups that can be told of a model by name, and its replicas on them at each number of users."""
    told: list[Replica] = []
    names = []
    for setup in setups:
        found = [describe_replica(ask(llm, setup, users, BETWEEN)) for users in USERS]
        kept = [one for one in found if not isinstance(one, Unavailable)]
        if len(kept) == len(USERS):
            told += kept
            names.append(setup.name)
    return names, told


def recommend_setup(
    names: Sequence[str], held: Floats, price: Mapping[str, float], demand: Demand
) -> Recommendation | None:
    """Choose set-up and replicas by what they are worth on average over draws, (draws, set-ups); None for none."""
    return next(iter(rank_setups(names, held, price, demand)), None)


def rank_setups(
    names: Sequence[str], held: Floats, price: Mapping[str, float], demand: Demand
) -> list[Recommendation]:  # fmt: skip
    """Return each set-up with the replicas that are worth most on it, the most worth first; ties as they were given."""
    import numpy as np

    if not names:
        return []
    prices = np.array([price[name] for name in names])
    counts = np.where(held > 0, np.ceil(demand.users / np.maximum(held, 1)), np.inf)
    cheapest = (counts * prices).min(axis=1)
    found = []
    for place, name in enumerate(names):
        options = []
        for count in dict.fromkeys(math.ceil(demand.users / users) for users in USERS):
            meets = held[:, place] * count >= demand.users
            worth = float(np.where(meets, 2 - count * prices[place] / cheapest, 0.0).mean())
            options.append(Recommendation(Choice(name, count), float(meets.mean()), worth))
        found.append(max(options, key=lambda one: one.worth))
    return sorted(found, key=lambda one: -one.worth)
