"""LLM-Pilot's protocol: one model after the other is held out, everything is learned from the rest, a set-up is chosen.

Beside the demand that was published stand 26 others. Ten models are few: one model more or less moves the score by
.05 to .1, and a method can be fitted to one demand. May import: predict, core.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.predict.base import Gathered
from assay.predict.serving.choose import draw_latencies, held_in_draws, recommend_setup
from assay.predict.serving.fit import fit_serving, list_examples
from assay.predict.serving.pilot import METHODS, PilotData, held_by, read_published
from assay.predict.serving.protocol import (
    Choice,
    ChoiceScore,
    Demand,
    apply_policy,
    choose_cheapest,
    list_policies,
    score_choices,
)

PUBLISHED = Demand()
DEMANDS = tuple(
    Demand(users, first, between)
    for users in (100, 200, 400)
    for first in (50.0, 100.0, 200.0)
    for between in (35.0, 50.0, 75.0)
)
"""Half, once and twice the users and the first limit that were published, about the second."""


@dataclass(frozen=True, slots=True)
class MethodScore:
    """A method at the published demand, and the mean of its S-O scores over all demands."""

    method: str
    published: ChoiceScore
    mean_so: float


def score_protocol(data: PilotData, folder: Path, seed: int) -> list[MethodScore]:
    """Score assay, the published methods and the best static policy, each chosen for what it is scored by."""
    own = choose_nested(data, DEMANDS, seed)
    found = [_score("assay", data, own)]
    for method in METHODS:
        chosen = {}
        for demand in DEMANDS:
            said = read_published(folder, method, data, demand)
            chosen[demand] = {model: choose_cheapest(held, data.price, demand) for model, held in said.items()}
        found.append(_score(method, data, chosen))
    policies = [
        _score(
            f"static: {policy.replicas} of {policy.setup}", data,
            {demand: apply_policy(policy, data.truth(demand)) for demand in DEMANDS},
        )
        for policy in list_policies(data.setups)
    ]  # fmt: skip
    found.append(max(policies, key=lambda one: one.published.so_score))
    found.append(max(policies, key=lambda one: one.mean_so))
    return found


def choose_nested(
    data: PilotData, demands: Sequence[Demand], seed: int, *, models: Sequence[str] | None = None
) -> dict[Demand, dict[str, Choice | None]]:
    """Choose for each model (of ``models`` these) from what was learned without it, by demand.

    A set-up that the model was not measured on cannot be scored, and is not a candidate, as in the protocol.
    """
    chosen: dict[Demand, dict[str, Choice | None]] = {demand: {} for demand in demands}
    for held_out in models or list(dict.fromkeys(one.model for one in data.curves)):
        rest = [one for one in data.curves if one.model != held_out]
        model = fit_serving(Gathered(tuple(list_examples(data, rest)), ()), seed)
        setups = [data.setups[one.setup] for one in data.curves if one.model == held_out]
        names, first, between = draw_latencies(model, data.llms[held_out], setups, seed)
        for demand in demands:
            found = recommend_setup(names, held_in_draws(first, between, demand), data.price, demand)
            chosen[demand][held_out] = None if found is None else found.choice
    return chosen


def tell_scores(scores: Sequence[MethodScore]) -> Iterator[str]:
    """Say each score in a line."""
    for one in scores:
        shown = one.published
        spent = "none" if shown.overspend is None else f"{shown.overspend:.1%}"
        yield (
            f"{one.method}: S-O {shown.so_score:.3f} (success {shown.success_rate:.0%}, overspend {spent}); "
            f"mean S-O of {len(DEMANDS)} demands {one.mean_so:.3f}"
        )


def _score(method: str, data: PilotData, chosen: Mapping[Demand, Mapping[str, Choice | None]]) -> MethodScore:
    scores = {}
    for demand, choices in chosen.items():
        # a demand that no set-up of a model meets asks nothing of that model
        truth = {model: held for model, held in held_by(data.curves, demand).items() if any(held.values())}
        scores[demand] = score_choices(choices, truth, data.price, demand)
    return MethodScore(method, scores[PUBLISHED], sum(one.so_score for one in scores.values()) / len(scores))
