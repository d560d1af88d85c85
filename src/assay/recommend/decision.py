"""Which hardware for a model: devices ranked by what was measured on them or is foretold, with how sure that is.

Every candidate is asked for its time under each of the conditions that one may choose (precision, batch, engine); the
best that probably meets the limits stands for it. What is measured and what is foretold each say which they are, and so
does what nothing validates. A candidate is one device, several of it, or a machine that is rented (`fleets`). May
import: core, catalog, analysis.ranking_prices, predict, recommend.
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
from assay.predict.strategy import Plan
from assay.predict.strategy_memory import Strategy
from assay.predict.values import Abstention, Answer, Layer, Prediction, Question
from assay.recommend.decision_odds import UNTESTED_SPREAD, Outcome, find_odds, probability_below, spread_of
from assay.recommend.fleets import Fleet, Machine, Shared, share_out

if TYPE_CHECKING:
    from assay.store import Store

_HOUR_S = 3600.0
_LIKELY = 0.5
"""Conditions that meet a limit with less than this are taken only where no others do better."""
_POWER = "average_power_w"
_Key = tuple[str, int, str | None]
"""What stands for itself: a device, how many of it, and the machine that is rented."""


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
    """One device, or several of it, under the conditions in which that does best by the objective.

    ``latency_ns`` is of a call, ``rate_per_s`` counts units (samples, tokens) of all ``devices``; ``spread`` is the
    standard deviation of their logarithm. ``replicas`` are as many such as the load takes (1 without a load). ``usd_h``
    and ``power_w`` are of all replicas; None with a reason in ``unknown``. ``p_meets`` is the probability that the
    latency is kept, ``p_best`` that no other option does better, ``regret`` by how much (a share) it is expected to be
    worse than the best. ``strategy`` is how the devices share the work, with its ``plan``; ``machine`` is what is
    rented. ``is_validated``: the time is measured, or foretold with an interval that was tested.
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
    strategy: Strategy = Strategy.SINGLE
    plan: Plan | None = None
    machine: Machine | None = None
    is_validated: bool = True

    @property
    def devices(self) -> int:
        """Devices of one replica."""
        return self.question.conditions.devices

    @property
    def label(self) -> str:
        """What it is, in words: ``4 x NVIDIA L4 (AWS g6.12xlarge us-east-1)``."""
        many = f"{self.devices} × {self.question.device.name}" if self.devices > 1 else self.question.device.name
        return many if self.machine is None else f"{many} ({self.machine.label})"

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
    *, seed: int = 0, fleet: Fleet | None = None,
) -> Decision:  # fmt: skip
    """Rank the devices of these questions (all of latency, of one device), and as many of each as ``fleet`` says.

    Raises UsageError for none, or another metric.
    """
    if not questions or any(one.metric != "latency_ns" for one in questions):
        raise UsageError("A decision is made between devices by their latencies; nothing to decide between was given.")
    possible = [one for one in questions if why_impossible(one) is None]
    abstained = [(one, why_impossible(one) or "") for one in questions if why_impossible(one) is not None]
    answers = estimator.estimate(possible)
    powers = estimator.estimate([replace(one, metric=_POWER) for one in possible])
    options: dict[_Key, list[Option]] = {}
    for question, answer, power in zip(possible, answers, powers, strict=True):
        for shared in share_out(question, answer, fleet or Fleet(), estimator):
            if isinstance(shared.answer, Abstention):
                abstained.append((shared.question, shared.answer.reason))
            else:
                made = _make_option(shared, shared.answer, power, prices, limits)
                options.setdefault(_key_of(made), []).append(made)
    best = [_best_of(own, objective) for own in options.values()]
    answered = {_key_of(one)[:2] for one in best}
    left = {
        (question.device.name, question.conditions, why): (question, why)
        for question, why in abstained
        if (question.device.name, question.conditions.devices) not in answered
    }
    return _rank(best, tuple(left.values()), objective, limits, seed)


def candidates(store: Store, given: Sequence[str]) -> list[str]:
    """Return the devices to decide between: those given, else those with a stored price, and this machine's CPU."""
    if given:
        return list(given)
    from assay.store.catalogue import read_prices

    priced = dict.fromkeys(one.hw_id for one in read_prices(store) if one.hw_id)
    return [*priced, "cpu"]


def _make_option(shared: Shared, answer: Prediction, power: Answer, prices: PriceBook, limits: Limits) -> Option:
    question, rate = shared.question, shared.rate_per_s
    replicas = 1 if limits.qps is None else max(1, math.ceil(limits.qps / rate))
    unknown: dict[str, str] = {}
    price = _price_of(shared, prices)
    if isinstance(price, str):
        unknown["cost"] = price
    watts = power.value if isinstance(power, Prediction) else None
    if shared.strategy not in (Strategy.SINGLE, Strategy.REPLICAS):
        watts, unknown["energy"] = None, "the power of devices that wait for each other is not known"
    elif watts is None:
        unknown["energy"] = "no power is known of it" if not isinstance(power, Abstention) else power.reason
    count = replicas * shared.devices
    spread = spread_of(answer)
    if not shared.is_validated and shared.plan is not None and shared.plan.compute is not None:
        # Never surer than the part that was tested, and never sure.
        spread = max(spread_of(shared.plan.compute), UNTESTED_SPREAD)
    option = Option(
        question, answer, answer.value, rate, spread, replicas,
        None if isinstance(price, str) else price.usd * count, None if isinstance(price, str) else price,
        None if watts is None else watts * count, unknown=unknown, strategy=shared.strategy, plan=shared.plan,
        machine=shared.machine, is_validated=shared.is_validated or answer.layer is Layer.MEASURED,
    )  # fmt: skip
    judged = replace(option, p_meets=_odds_of_limits(option, limits))
    lacks = () if shared.lacks is None else (shared.lacks,)
    return replace(judged, misses=(*lacks, *_misses(judged, limits)))


def _price_of(shared: Shared, prices: PriceBook) -> HourPrice | str:
    """USD for an hour of one device: of a rented machine its share, else as the book has it."""
    if shared.machine is None:
        return prices.price_of(DeviceName(shared.question.device.name, shared.question.device.hw_id))
    usd = shared.machine.usd_h
    if usd is None:
        return f"no price of {shared.machine.label} is stored"
    return HourPrice(usd / shared.machine.devices, shared.machine.offer)


def _key_of(option: Option) -> _Key:
    return option.question.device.name, option.devices, None if option.machine is None else option.machine.label


def _hangs_on(option: Option) -> str:
    """What the time rests on: one device and many of it under the same conditions are off together."""
    conditions = replace(option.question.conditions, devices=1)
    alone = option.strategy in (Strategy.SINGLE, Strategy.REPLICAS)
    own = "" if alone else f" {option.strategy} {option.devices}"
    return f"{option.question.device.name} {conditions}{own}"


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
    outcomes = [Outcome(one.merit(objective) or math.inf, one.spread, _hangs_on(one)) for one in fitting]
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
    notes += _untested_first(ranked)
    return Decision(objective, limits, ranked, lost, abstained, tuple(notes))


def _untested_first(ranked: Sequence[Option]) -> list[str]:
    """Say of what nothing validates that it stands above something that is validated."""
    tested = next((one for one in ranked if one.is_validated), None)
    above = [one for one in ranked if tested is not None and (one.rank or 0) < (tested.rank or 0)]
    if tested is not None and above:
        names = ", ".join(f"{one.label} ({one.strategy})" for one in above)
        return [f"not validated and yet first: {names}; the first whose time is validated is {tested.label}"]
    if ranked and tested is None:
        return ["nothing validates the times of any of these: they are sums of tested parts, and may be off by a lot"]
    return []


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
