"""Which hardware: order, odds, limits, budgets, loads, reasons; on made-up answers whose numbers are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pytest

from assay.analysis.ranking_prices import PriceBook
from assay.core.errors import UsageError
from assay.predict.base import Payload
from assay.predict.layers import Estimator, LoadedKind
from assay.predict.model_file import ModelRecord
from assay.predict.values import (
    Abstention,
    Answer,
    Conditions,
    DeviceProfile,
    GraphProfile,
    Interval,
    Layer,
    OpWork,
    Prediction,
    Question,
)
from assay.recommend.decision import Limits, Objective, decide
from assay.recommend.decision_odds import Outcome, find_odds, probability_below, spread_of

GRAPH = GraphProfile("a/b", "a", {"matmul": OpWork(1, 1e9, 1e6)}, units_per_call=1.0, unit_of_work="sample")
PRICES = PriceBook({"fast": 4.0, "cheap": 0.5, "slow": 0.4})
_TIMES_MS = {"fast": 2.0, "cheap": 10.0, "slow": 40.0}


@dataclass(frozen=True)
class Table:
    """Times by device, a factor of 1.2 either way at 90 %; devices that are not in it get an abstention."""

    watts: float | None = None

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        return [self._one(one) for one in questions]

    def payload(self) -> Payload:
        return Payload({})

    def _one(self, question: Question) -> Answer:
        if question.metric == "average_power_w" and self.watts is not None:
            return Prediction(question.metric, self.watts, "W", (), Layer.LEARNED, ())
        time = _TIMES_MS.get(question.device.name)
        if question.metric != "latency_ns" or time is None:
            return Abstention(question.metric, "nobody knows")
        value = time * 1e6 * (0.5 if question.conditions.precision == "fp16" else 1.0)
        interval = Interval(0.9, value / 1.2, value * 1.2)
        return Prediction("latency_ns", value, "ns", (interval,), Layer.LEARNED, ("table",))


def make_estimator(watts: float | None = None) -> Estimator:
    record = ModelRecord("table", datetime(2026, 1, 1, tzinfo=UTC), "0", Payload({}), version="0" * 12)
    return Estimator((LoadedKind(record, Table(watts)),))


def ask(*names: str, precision: str = "fp32", rates: tuple[str, ...] = ("fp32", "fp16")) -> list[Question]:
    return [
        Question("a/b", "a", DeviceProfile(name, name, flops_per_s=dict.fromkeys(rates, 1e12)),
                 Conditions(precision=precision), "latency_ns", GRAPH)
        for name in names
    ]  # fmt: skip


def test_each_objective_has_its_own_first() -> None:
    asked = ask("fast", "cheap", "slow")
    for objective, first in ((Objective.LATENCY, "fast"), (Objective.THROUGHPUT, "fast"), (Objective.COST, "cheap")):
        found = decide(asked, make_estimator(), PRICES, objective, Limits())
        assert found.ranked[0].question.device.name == first
        assert [one.rank for one in found.ranked] == [1, 2, 3]
        assert sum(one.p_best for one in found.ranked) == pytest.approx(1.0)
    cheap = found.ranked[0]
    assert cheap.usd_per_million == pytest.approx(0.5 / 3600 / 100 * 1e6)
    assert cheap.provenance == "predicted"
    assert {one.question.device.name for one in found.ranked if one.is_pareto} == {"fast", "cheap"}


def test_a_latency_limit_is_met_with_a_probability_and_the_others_say_why_not() -> None:
    found = decide(ask("fast", "cheap", "slow"), make_estimator(), PRICES, Objective.COST, Limits(max_latency_ns=11e6))
    assert [one.question.device.name for one in found.ranked] == ["cheap", "fast"]
    assert found.ranked[0].p_meets == pytest.approx(probability_below(10, math.log(1.2) / 1.6448536, 11), abs=1e-6)
    assert 0.75 < found.ranked[0].p_meets < 0.85
    assert found.lost[0].misses == ("40.0 ms is above 11.0 ms: it meets that with 0%",)


def test_a_load_takes_replicas_and_a_budget_pays_for_all_of_them() -> None:
    limits = Limits(qps=350, budget_usd_h=3.0)
    found = decide(ask("fast", "cheap", "slow"), make_estimator(), PRICES, Objective.COST, limits)
    assert [(one.question.device.name, one.replicas, one.usd_h) for one in found.ranked] == [("cheap", 4, 2.0)]
    assert {one.question.device.name: one.misses[0] for one in found.lost} == {
        "fast": "4.00 USD/h is above 3", "slow": "5.60 USD/h is above 3",
    }  # fmt: skip


def test_the_best_conditions_of_a_device_stand_for_it() -> None:
    asked = [*ask("fast"), *ask("fast", precision="fp16")]
    (only,) = decide(asked, make_estimator(), PRICES, Objective.LATENCY, Limits()).ranked
    assert only.question.conditions.precision == "fp16"
    assert only.latency_ns == pytest.approx(1e6)


def test_what_nobody_can_say_is_listed_with_the_reason() -> None:
    asked = [*ask("fast", "unheard"), *ask("old", precision="fp16", rates=("fp32",))]
    found = decide(asked, make_estimator(), PRICES, Objective.LATENCY, Limits())
    reasons = {question.device.name: why for question, why in found.abstained}
    assert "nobody knows" in reasons["unheard"]
    assert reasons["old"] == "old has no fp16 arithmetic by its sheet; it has fp32"


def test_without_a_price_or_power_there_is_no_cost_and_no_energy_and_it_is_said() -> None:
    found = decide(ask("fast", "dear"), make_estimator(), PRICES, Objective.COST, Limits())
    assert [one.question.device.name for one in found.ranked] == ["fast"]
    without = decide(ask("fast"), make_estimator(), PRICES, Objective.ENERGY, Limits())
    assert without.ranked == ()
    assert "nobody knows" in without.lost[0].misses[0]
    (powered,) = decide(ask("fast"), make_estimator(200.0), PRICES, Objective.ENERGY, Limits()).ranked
    assert powered.joules_per_million == pytest.approx(200 / 500 * 1e6)


def test_nothing_to_decide_between_is_a_slip() -> None:
    with pytest.raises(UsageError, match="nothing to decide between"):
        decide([], make_estimator(), PRICES, Objective.LATENCY, Limits())
    with pytest.raises(UsageError):
        decide(
            [replace(ask("fast")[0], metric="memory_peak_bytes")], make_estimator(), PRICES, Objective.COST, Limits()
        )


def test_odds_are_those_of_lognormal_outcomes() -> None:
    (first, second) = find_odds([Outcome(1.0, 0.1), Outcome(1.2, 0.1)], seed=1)
    # The difference of two normal numbers: P = Phi(ln 1.2 / (0.1 sqrt 2)).
    assert first[0] == pytest.approx(0.5 * math.erfc(-math.log(1.2) / 0.1 / 2), abs=0.02)
    assert first[0] + second[0] == pytest.approx(1.0)
    assert second[1] > first[1] > 0
    assert find_odds([]) == []
    assert find_odds([Outcome(3.0, 1.0)]) == [(1.0, 0.0)]


def test_the_spread_is_that_of_the_widest_tested_interval() -> None:
    answer = Prediction("latency_ns", 1.0, "ns", (Interval(0.5, 0.9, 1.1), Interval(0.9, 0.5, 2.0)), Layer.LEARNED, ())
    assert spread_of(answer) == pytest.approx(math.log(2) / 1.6448536)
    assert spread_of(replace(answer, intervals=())) > spread_of(answer)
    assert spread_of(replace(answer, intervals=(), layer=Layer.MEASURED)) < 0.1
    draws = np.random.default_rng(0).standard_normal(20000) * spread_of(answer)
    assert np.mean(np.abs(draws) < math.log(2)) == pytest.approx(0.9, abs=0.01)
