"""Which hardware for a model: devices ranked by what was measured on them or is foretold, with how sure that is.

Every candidate is asked for its time under each of the conditions that one may choose (precision, batch, engine); the
best that probably meets the limits stands for it. What is measured and what is foretold each say which they are.
May import: core, catalog, analysis.ranking_prices, predict, recommend.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from assay.analysis.device_names import DeviceName
from assay.analysis.ranking_prices import HourPrice, PriceBook
from assay.core.errors import UsageError
from assay.predict.layers import Estimator
from assay.predict.questions import why_impossible
from assay.predict.values import Abstention, Answer, Layer, Prediction, Question
from assay.recommend.decision_odds import Outcome, find_odds, probability_below, spread_of

if TYPE_CHECKING:
    from assay.store import Store

_HOUR_S = 3600.0
_LIKELY = 0.5
"""Conditions that meet a limit with less than this are taken only where no others do better."""
_POWER = "average_power_w"


class Objective(StrEnum):
    """What is to be least (of throughput: most)."""

    LATENCY = "latency"
    THROUGHPUT = "throughput"
    ENERGY = "energy"
    COST = "cost"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a choice has to keep: time of a call in ns, USD an hour for all devices together, units a second."""

    max_latency_ns: float | None = None
    budget_usd_h: float | None = None
    qps: float | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One device under the conditions in which it does best by the objective.

    ``latency_ns`` is of a call, ``rate_per_s`` counts units (samples, tokens); ``spread`` is the standard deviation of
    their logarithm. ``replicas`` are as many as the load takes (1 without a load). ``usd_h`` and ``power_w`` are of all
    replicas; None with a reason in ``unknown``. ``p_meets`` is the probability that the latency is kept, ``p_best``
    that no other option does better, ``regret`` by how much (a share) it is expected to be worse than the best.
    """

    question: Question
    answer: Prediction
    latency_ns: float
    rate_per_s: float
    spread: float
    replicas: int = 1
    usd_h: float | None = None
    price: HourPrice | None = None
    power_w: float | None = None
    p_meets: float = 1.0
    p_best: float = 0.0
    regret: float = 0.0
    rank: int | None = None
    is_pareto: bool = False
    misses: tuple[str, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def provenance(self) -> str:
        """``measured`` or ``predicted``."""
        return "measured" if self.answer.layer is Layer.MEASURED else "predicted"

    @property
    def usd_per_million(self) -> float | None:
        """USD for a million units, at full load."""
        return None if self.usd_h is None else self.usd_h / self.replicas / _HOUR_S / self.rate_per_s * 1e6

    @property
    def joules_per_million(self) -> float | None:
        """Joules for a million units."""
        return None if self.power_w is None else self.power_w / self.replicas / self.rate_per_s * 1e6

    def merit(self, objective: Objective) -> float | None:
        """The number to be least; None where it is not known."""
        if objective is Objective.LATENCY:
            return self.latency_ns
        if objective is Objective.THROUGHPUT:
            return 1 / self.rate_per_s
        return self.usd_per_million if objective is Objective.COST else self.joules_per_million


@dataclass(frozen=True, slots=True)
class Decision:
    """Options in order; ``lost`` miss a limit or a number; ``abstained`` could not be told anything of."""

    objective: Objective
    limits: Limits
    ranked: tuple[Option, ...]
    lost: tuple[Option, ...]
    abstained: tuple[tuple[Question, str], ...]
    notes: tuple[str, ...] = ()

    @property
    def is_close(self) -> bool:
        """True where the first may well not be the best: what to measure next is then worth asking."""
        return bool(self.ranked) and self.ranked[0].p_best < 0.8  # noqa: PLR2004  (four times in five)


def decide(
    questions: Sequence[Question], estimator: Estimator, prices: PriceBook, objective: Objective, limits: Limits,
    *, seed: int = 0,
) -> Decision:  # fmt: skip
    """Rank the devices of these questions (all of latency). Raises UsageError for none, or another metric."""
    if not questions or any(one.metric != "latency_ns" for one in questions):
        raise UsageError("A decision is made between devices by their latencies; nothing to decide between was given.")
    possible = [one for one in questions if why_impossible(one) is None]
    abstained = [(one, why_impossible(one) or "") for one in questions if why_impossible(one) is not None]
    answers = estimator.estimate(possible)
    powers = estimator.estimate([replace(one, metric=_POWER) for one in possible])
    options: dict[str, list[Option]] = {}
    for question, answer, power in zip(possible, answers, powers, strict=True):
        if isinstance(answer, Abstention):
            abstained.append((question, answer.reason))
        else:
            made = _make_option(question, answer, power, prices, limits)
            options.setdefault(question.device.name, []).append(made)
    best = [_best_of(own, objective) for own in options.values()]
    answered = {one.question.device.name for one in best}
    left = tuple((question, why) for question, why in abstained if question.device.name not in answered)
    return _rank(best, left, objective, limits, seed)


def candidates(store: Store, given: Sequence[str]) -> list[str]:
    """Return the devices to decide between: those given, else those with a stored price, and this machine's CPU."""
    if given:
        return list(given)
    from assay.store.catalogue import read_prices

    priced = dict.fromkeys(one.hw_id for one in read_prices(store) if one.hw_id)
    return [*priced, "cpu"]


def _make_option(question: Question, answer: Prediction, power: Answer, prices: PriceBook, limits: Limits) -> Option:
    graph = question.graph
    units = (graph.units_per_call if graph is not None else None) or float(question.conditions.batch)
    rate = units / answer.value * 1e9
    replicas = 1 if limits.qps is None else max(1, math.ceil(limits.qps / rate))
    unknown: dict[str, str] = {}
    price = prices.price_of(DeviceName(question.device.name, question.device.hw_id))
    if isinstance(price, str):
        unknown["cost"] = price
    watts = power.value if isinstance(power, Prediction) else None
    if watts is None:
        unknown["energy"] = "no power is known of it" if not isinstance(power, Abstention) else power.reason
    count = replicas * question.conditions.devices
    option = Option(
        question, answer, answer.value, rate, spread_of(answer), replicas,
        None if isinstance(price, str) else price.usd * count, None if isinstance(price, str) else price,
        None if watts is None else watts * replicas, unknown=unknown,
    )  # fmt: skip
    judged = replace(option, p_meets=_odds_of_limits(option, limits))
    return replace(judged, misses=_misses(judged, limits))


def _odds_of_limits(option: Option, limits: Limits) -> float:
    """Of the latency alone; replicas are counted so that the load is met at the middle of what is foretold."""
    return 1.0 if limits.max_latency_ns is None else probability_below(
        option.latency_ns, option.spread, limits.max_latency_ns
    )  # fmt: skip


def _misses(option: Option, limits: Limits) -> tuple[str, ...]:
    from assay.core.units import format_duration_ns

    found = []
    if limits.max_latency_ns is not None and option.p_meets < _LIKELY:
        limit = format_duration_ns(limits.max_latency_ns)
        found.append(
            f"{format_duration_ns(option.latency_ns)} is above {limit}: it meets that with {option.p_meets:.0%}"
        )
    if limits.budget_usd_h is not None:
        if option.usd_h is None:
            found.append(f"the budget cannot be judged: {option.unknown['cost']}")
        elif option.usd_h > limits.budget_usd_h:
            found.append(f"{option.usd_h:.2f} USD/h is above {limits.budget_usd_h:g}")
    return tuple(found)


def _best_of(options: Sequence[Option], objective: Objective) -> Option:
    def order(one: Option) -> tuple[bool, bool, float]:
        merit = one.merit(objective)
        return bool(one.misses), merit is None, math.inf if merit is None else merit

    return min(options, key=order)


def _rank(
    options: Sequence[Option],
    abstained: tuple[tuple[Question, str], ...],
    objective: Objective,
    limits: Limits,
    seed: int,
) -> Decision:
    known = {Objective.COST: "cost", Objective.ENERGY: "energy"}.get(objective)
    judged = [
        replace(one, misses=(*one.misses, one.unknown[known]))
        if known is not None and one.merit(objective) is None
        else one
        for one in options
    ]
    fitting = sorted((one for one in judged if not one.misses), key=lambda one: one.merit(objective) or math.inf)
    outcomes = [Outcome(one.merit(objective) or math.inf, one.spread) for one in fitting]
    odds = find_odds(outcomes, seed=seed)
    front = _pareto(fitting)
    ranked = tuple(
        replace(one, rank=place, p_best=best, regret=regret, is_pareto=place - 1 in front)
        for place, (one, (best, regret)) in enumerate(zip(fitting, odds, strict=True), start=1)
    )
    lost = tuple(sorted((one for one in judged if one.misses), key=lambda one: one.latency_ns))
    notes = []
    if any(one.provenance == "predicted" for one in ranked):
        notes.append("predicted options are not measured: measure the first ones before you buy")
    return Decision(objective, limits, ranked, lost, abstained, tuple(notes))


def _pareto(options: Sequence[Option]) -> set[int]:
    """Places that no other beats in latency and in cost together; without prices, in latency and rate."""

    def pair(one: Option) -> tuple[float, float]:
        cost = one.usd_per_million
        return one.latency_ns, 1 / one.rate_per_s if cost is None else cost

    pairs = [pair(one) for one in options]
    return {
        place
        for place, mine in enumerate(pairs)
        if not any(all(a <= b for a, b in zip(other, mine, strict=True)) and other != mine for other in pairs)
    }
