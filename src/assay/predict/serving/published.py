"""Scores of LLM-Pilot's protocol side by side: assay, the published methods, the best static policy; and how sure.

May import: core, predict; numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.predict.serving.near import USERS
from assay.predict.serving.nested import DEMANDS, PUBLISHED, Choices, mean_so, score_demands
from assay.predict.serving.pilot import METHODS, PilotData, read_published
from assay.predict.serving.protocol import Choice, ChoiceScore, Demand, apply_policy, choose_cheapest, list_policies

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

_RESAMPLED = 2000
_ENDS = (5, 95)


@dataclass(frozen=True, slots=True)
class MethodScore:
    """A method at the published demand, and the mean of its S-O scores over all demands."""

    method: str
    published: ChoiceScore
    mean_so: float
    by_demand: Mapping[Demand, ChoiceScore]


@dataclass(frozen=True, slots=True)
class Spread:
    """From where to where nine in ten scores lie when the models are drawn anew, with as many as there are."""

    published: tuple[float, float]
    mean: tuple[float, float]


def score_published(data: PilotData, folder: Path) -> list[MethodScore]:
    """Score the published methods, what did best for the others, and the static policies best in hindsight."""
    found = []
    for method in METHODS:
        chosen = {}
        for demand in DEMANDS:
            said = read_published(folder, method, data, demand)
            chosen[demand] = {model: choose_cheapest(held, data.price, demand) for model, held in said.items()}
        found.append(score_method(method, data, chosen))
    others = {demand: choose_as_others(data, demand) for demand in DEMANDS}
    found.append(score_method("what did best for the others", data, others))
    policies = [
        score_method(
            f"static: {policy.replicas} of {policy.setup}", data,
            {demand: apply_policy(policy, data.truth(demand)) for demand in DEMANDS},
        )
        for policy in list_policies(data.setups)
    ]  # fmt: skip
    found.append(max(policies, key=lambda one: one.published.so_score))
    found.append(max(policies, key=lambda one: one.mean_so))
    return found


def choose_as_others(data: PilotData, demand: Demand) -> dict[str, Choice | None]:
    """Choose for each model what was worth most for the others, by name of set-up: nothing of model or device is read.

    A mean over those that the set-up was measured with and one more that it failed, so that one success is not enough.
    """
    truth = data.truth(demand)
    chosen: dict[str, Choice | None] = {}
    for model, own in truth.items():
        worths: dict[Choice, list[float]] = {}
        for other, held in truth.items():
            best = choose_cheapest(held, data.price, demand)
            if other == model or best is None:
                continue
            least = best.replicas * data.price[best.setup]
            for setup in own.keys() & held.keys():
                for count in dict.fromkeys(math.ceil(demand.users / users) for users in USERS):
                    meets = count * held[setup] >= demand.users
                    worth = 2 - count * data.price[setup] / least if meets else 0.0
                    worths.setdefault(Choice(setup, count), []).append(worth)
        order = sorted(worths, key=lambda one: (-sum(worths[one]) / (len(worths[one]) + 1), one.setup, one.replicas))
        chosen[model] = order[0] if order else None
    return chosen


def score_method(method: str, data: PilotData, chosen: Choices) -> MethodScore:
    """Score choices at the published demand and over all."""
    scores = score_demands(data, chosen)
    return MethodScore(method, scores[PUBLISHED], mean_so(scores), scores)


def resample(methods: Sequence[MethodScore], models: Sequence[str], seed: int) -> list[Spread]:
    """Draw models anew with replacement, the same for every method, and score each."""
    import numpy as np

    drawn = np.random.default_rng(seed).integers(len(models), size=(_RESAMPLED, len(models)))
    found = []
    for method in methods:
        scores = {demand: _redraw(score, models, drawn) for demand, score in method.by_demand.items()}
        both = scores[PUBLISHED], np.mean(list(scores.values()), axis=0)
        published, mean = ((float(low), float(high)) for low, high in (np.percentile(one, _ENDS) for one in both))
        found.append(Spread(published, mean))
    return found


def _redraw(score: ChoiceScore, models: Sequence[str], drawn: Floats) -> Floats:
    """S-O scores of models drawn anew, (draws,). Models that nothing was asked of count nowhere."""
    import numpy as np

    own = {one.model: one for one in score.outcomes}
    asked = np.array([name in own for name in models])
    spent = np.array([own[name].overspend if name in own else None for name in models], dtype=float)
    met = np.isfinite(spent)
    good = met[drawn].sum(axis=1)
    success = good / np.maximum(asked[drawn].sum(axis=1), 1)
    thrift = np.where(good > 0, np.maximum(0.0, 1 - np.nan_to_num(spent)[drawn].sum(axis=1) / np.maximum(good, 1)), 0.0)
    both = success + thrift
    return np.asarray(np.where(both > 0, 2 * success * thrift / np.where(both > 0, both, 1.0), 0.0))


def tell_scores(scores: Sequence[MethodScore]) -> Iterator[str]:
    """Say each score in a line."""
    for one in scores:
        shown = one.published
        spent = "none" if shown.overspend is None else f"{shown.overspend:.1%}"
        yield (
            f"{one.method}: S-O {shown.so_score:.3f} (success {shown.success_rate:.0%}, overspend {spent}); "
            f"mean S-O of {len(DEMANDS)} demands {one.mean_so:.3f}"
        )
