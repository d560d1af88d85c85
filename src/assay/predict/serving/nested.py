"""LLM-Pilot's protocol: one model after the other is held out, everything is learned from the rest, a set-up is chosen.

How near a limit latencies are told apart is chosen anew for each model held out, by how well the others are chosen for
when each of them is left out in turn. Beside the demand that was published stand 26 others. Ten models are few: one
model more or less moves the score by .05 to .1, and a method can be fitted to one demand. May import: predict, core;
numpy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.predict.base import Gathered
from assay.predict.llm.shapes import PREFIX
from assay.predict.serving.choose import DRAWS, recommend_setup, tell_setups
from assay.predict.serving.fit import fit_serving, list_examples
from assay.predict.serving.model import ServingModel
from assay.predict.serving.near import (
    USERS,
    draw_within,
    draw_within_left_out,
    held_in_draws,
    learn_near,
    limits_of,
)
from assay.predict.serving.pilot import PilotData, held_by
from assay.predict.serving.protocol import Choice, ChoiceScore, Demand, score_choices
from assay.predict.serving.terms import FIRST
from assay.predict.system.process import Process

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

PUBLISHED = Demand()
DEMANDS = tuple(
    Demand(users, first, between)
    for users in (100, 200, 400)
    for first in (50.0, 100.0, 200.0)
    for between in (35.0, 50.0, 75.0)
)
"""Half, once and twice the users and the first limit that were published, about the second."""
WIDTHS = (math.inf, 0.8, 0.4, 0.2, 0.1, 0.05, 0.02)
"""How near a limit latencies are told apart, in logarithms: what is chosen between."""
_INNER_DRAWS = 600

Choices = Mapping[Demand, Mapping[str, Choice | None]]
_Near = Mapping[tuple[str, float], Process]


@dataclass(frozen=True, slots=True)
class NestedChoice:
    """Choices by demand and model held out, with the width that was taken for each by the mean S-O without it.

    ``by_width`` are the choices of each width alone: to be looked at, not to take the best of.
    """

    choices: Choices
    width: Mapping[str, float]
    inner_so: Mapping[str, Mapping[float, float]]
    by_width: Mapping[float, Choices]


def choose_nested(
    data: PilotData, demands: Sequence[Demand], seed: int, *, models: Sequence[str] | None = None,
    widths: Sequence[float] = WIDTHS,
) -> NestedChoice:  # fmt: skip
    """Choose for each model (of ``models`` these) from what was learned without it, by demand.

    A set-up that the model was not measured on cannot be scored, and is not a candidate, as in the protocol.
    """
    by_width: dict[float, dict[Demand, dict[str, Choice | None]]] = {
        width: {demand: {} for demand in demands} for width in widths
    }
    taken: dict[str, float] = {}
    inner: dict[str, Mapping[float, float]] = {}
    for held_out in models or names_of(data):
        told = without(data, held_out)
        model = fit_serving(Gathered(tuple(list_examples(told, told.curves)), ()), seed)
        near = {width: learn_limits(model, demands, width, seed) for width in widths}
        inner[held_out] = {width: score_left_out(told, model, near[width], demands, seed) for width in widths}
        taken[held_out] = max(widths, key=inner[held_out].__getitem__)
        for width in widths:
            for demand, choice in _choose(data, held_out, model, near[width], demands, seed).items():
                by_width[width][demand][held_out] = choice
    chosen = {demand: {name: by_width[width][demand][name] for name, width in taken.items()} for demand in demands}
    return NestedChoice(chosen, taken, inner, by_width)


def names_of(data: PilotData) -> list[str]:
    """Return the models that were measured, in the order of the file."""
    return list(dict.fromkeys(one.model for one in data.curves))


def without(data: PilotData, model: str) -> PilotData:
    """Return the data as if a model had never been measured."""
    return PilotData(data.llms, data.setups, tuple(one for one in data.curves if one.model != model), data.sha256)


def learn_limits(model: ServingModel, demands: Sequence[Demand], width: float, seed: int) -> dict[Any, Process]:
    """Learn for each limit of the demands, by metric and limit."""
    limits = dict.fromkeys(pair for demand in demands for pair in limits_of(demand).items())
    return {(metric, limit): learn_near(model, metric, limit, width, seed) for metric, limit in limits}


def score_left_out(
    data: PilotData, model: ServingModel, near: _Near, demands: Sequence[Demand], seed: int
) -> float:  # fmt: skip
    """Return the mean S-O of choices for the models learned from, each told by the others (their variances stay)."""
    chosen: dict[Demand, dict[str, Choice | None]] = {demand: {} for demand in demands}
    for name in names_of(data):
        setups, places = _rows_of(data, model, name)
        own = places[places >= 0]
        within = {}
        for place, (key, process) in enumerate(near.items()):
            drawn = draw_within_left_out(process, own, _INNER_DRAWS, seed + place)
            within[key] = _lay_out(drawn, places)
        for demand in demands:
            first, between = (within[key] for key in limits_of(demand).items())
            found = recommend_setup(setups, held_in_draws(first, between), data.price, demand)
            chosen[demand][name] = None if found is None else found.choice
    return mean_so(score_demands(data, chosen))


def score_demands(data: PilotData, choices: Choices) -> dict[Demand, ChoiceScore]:
    """Score choices by demand. A demand that no set-up of a model meets asks nothing of that model."""
    found = {}
    for demand, chosen in choices.items():
        truth = {model: held for model, held in held_by(data.curves, demand).items() if any(held.values())}
        found[demand] = score_choices(chosen, truth, data.price, demand)
    return found


def mean_so(scores: Mapping[Demand, ChoiceScore]) -> float:
    """Return the mean S-O score of demands."""
    return sum(one.so_score for one in scores.values()) / len(scores)


def _choose(
    data: PilotData, held_out: str, model: ServingModel, near: _Near, demands: Sequence[Demand], seed: int
) -> dict[Demand, Choice | None]:
    setups = [data.setups[one.setup] for one in data.curves if one.model == held_out]
    names, told = tell_setups(data.llms[held_out], setups)
    if not names:
        return dict.fromkeys(demands)
    within = {
        key: draw_within(process, model, told, DRAWS, seed + place)
        for place, (key, process) in enumerate(near.items())
    }  # fmt: skip
    found = {}
    for demand in demands:
        first, between = (within[key] for key in limits_of(demand).items())
        one = recommend_setup(names, held_in_draws(first, between), data.price, demand)
        found[demand] = None if one is None else one.choice
    return found


def _rows_of(data: PilotData, model: ServingModel, name: str) -> tuple[list[str], Floats]:
    """Set-ups that a model was learned on, and the places of its rows by set-up and users, -1 where there is none."""
    import numpy as np

    rows = model.processes[FIRST].rows
    setups, places = [], []
    for setup in dict.fromkeys(one.setup for one in data.curves if one.model == name):
        pair = model.names["pair"].get(f"{PREFIX}{name} on {setup}")
        if pair is None:
            continue
        own = np.flatnonzero(rows.words["pair"] == pair)
        users = {round(4 ** float(rows.columns["users"][place])): int(place) for place in own}
        setups.append(setup)
        places.append([users.get(count, -1) for count in USERS])
    return setups, np.array(places).reshape(-1)


def _lay_out(drawn: Floats, places: Floats) -> Floats:
    """Put draws of rows that are there into a column for each place; where there is none nobody is held."""
    import numpy as np

    found = np.zeros((len(drawn), len(places)), dtype=bool)
    found[:, places >= 0] = drawn
    return found
