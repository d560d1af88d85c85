"""Several devices and rented machines among the candidates: what they cost, what is said of them, how they rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from assay.analysis.ranking_prices import PriceBook
from assay.catalog.hardware.prices import Price, PriceKind, Terms, group_by_device
from assay.core.errors import UsageError
from assay.predict.base import Payload
from assay.predict.layers import Estimator, LoadedKind
from assay.predict.model_file import ModelRecord
from assay.predict.strategy import Surroundings
from assay.predict.strategy_blocks import Blocks
from assay.predict.strategy_memory import Strategy
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
from assay.recommend.decision import Decision, Limits, Objective, decide
from assay.recommend.fleets import Fleet, Machine, check_counts, list_machines, read_machine

GRAPH = GraphProfile(
    "a/b", "a", {"matmul": OpWork(10, 1e12, 1e9)}, shape=(("seq", 128),), parameters=1e10, weight_elements=1e10,
    activation_peak_elements=1e8, units_per_call=1.0, unit_of_work="sample",
)  # fmt: skip
AROUND = Surroundings(blocks=Blocks(10, 1000, 16, 8, 128))
L4, A10 = "nvidia-l4", "nvidia-a10g"
PRICES = PriceBook({L4: 1.0, "big": 20.0})


@dataclass(frozen=True)
class Flops:
    """A tera-flop a second, ten of the device ``big``; a tenth either way; 100 W."""

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        return [self._one(one) for one in questions]

    def payload(self) -> Payload:
        return Payload({})

    def _one(self, question: Question) -> Answer:
        if question.metric == "average_power_w":
            return Prediction(question.metric, 100.0, "W", (), Layer.LEARNED, ())
        if question.graph is None:
            return Abstention(question.metric, "no graph")
        value = question.graph.flops / 1e3 / (10 if question.device.name == "big" else 1)
        return Prediction(
            "latency_ns", value, "ns", (Interval(0.9, value / 1.1, value * 1.1),), Layer.LEARNED, ("work",)
        )


def make_estimator() -> Estimator:
    record = ModelRecord("flops", datetime(2026, 1, 1, tzinfo=UTC), "0", Payload({}), version="0" * 12)
    return Estimator((LoadedKind(record, Flops()),))


def ask(name: str, hw_id: str, memory_gb: float, mode: str = "inference") -> Question:
    device = DeviceProfile(
        name, hw_id, "NVIDIA", "Ada Lovelace", flops_per_s={"fp32": 1e12, "fp16": 1e12}, memory_bytes=memory_gb * 1e9
    )
    graph = replace(GRAPH, saved_elements=1e8)
    return Question("a/b", "a", device, Conditions(precision="fp16", mode=mode), "latency_ns", graph)


def choose(questions: Sequence[Question], objective: Objective, fleet: Fleet, limits: Limits | None = None) -> Decision:
    return decide(questions, make_estimator(), PRICES, objective, limits or Limits(), fleet=fleet)


def offer(instance: str, hw_id: str, devices: int, usd: float, region: str = "here") -> Price:
    return Price(
        hw_id, hw_id, PriceKind.CLOUD, "AWS", region, instance, devices, usd, per_hour=True, terms=Terms.ON_DEMAND,
        as_of="2026-01-01", source="list.csv", source_row=1,
    )  # fmt: skip


def test_replicas_do_more_at_the_same_time_and_cost_for_each() -> None:
    found = choose([ask("small", L4, 64)], Objective.THROUGHPUT, Fleet((1, 2, 4)))
    assert [(one.devices, one.strategy) for one in found.ranked] == [
        (4, Strategy.REPLICAS), (2, Strategy.REPLICAS), (1, Strategy.SINGLE),
    ]  # fmt: skip
    four, two, one = found.ranked
    assert four.latency_ns == one.latency_ns
    assert four.rate_per_s == pytest.approx(4 * one.rate_per_s)
    assert (four.usd_h, two.usd_h, one.usd_h) == (4.0, 2.0, 1.0)
    assert four.usd_per_million == pytest.approx(one.usd_per_million)
    assert four.joules_per_million == pytest.approx(one.joules_per_million)
    assert four.p_best == 1.0, "four of a device are as far off as one: they win whatever it is"
    assert four.is_validated
    assert four.label == "4 × small"


def test_a_load_takes_as_many_groups_as_it_needs() -> None:
    found = choose([ask("small", L4, 64)], Objective.COST, Fleet((2,)), Limits(qps=5))
    assert [(one.replicas, one.devices, one.usd_h) for one in found.ranked] == [(3, 2, 6.0)]


def test_what_does_not_fit_on_one_is_cut_and_marked_as_not_validated() -> None:
    found = choose([ask("small", L4, 11)], Objective.LATENCY, Fleet((1, 2, 4), around=AROUND))
    assert {one.devices for one in found.ranked} == {2, 4}
    first = found.ranked[0]
    assert first.strategy in (Strategy.TENSOR, Strategy.PIPELINE)
    assert not first.is_validated
    assert first.answer.intervals == ()
    assert first.spread >= 0.7, "nothing tested says how far off it is"
    assert first.unknown["energy"] == "the power of devices that wait for each other is not known"
    assert any("nothing validates" in note for note in found.notes)
    (missing,) = found.abstained
    assert missing[0].conditions.devices == 1
    assert "does not fit" in missing[1]


def test_what_nothing_validates_never_passes_silently_above_what_was() -> None:
    asked = [ask("small", L4, 11), ask("big", "big", 80)]
    found = choose(asked, Objective.COST, Fleet((1, 4), around=AROUND))
    tested = next(one for one in found.ranked if one.is_validated)
    assert found.ranked[0].question.device.name == "small"
    assert tested.label == "big"
    assert any(
        note.startswith("not validated and yet first: 4 × small (") and note.endswith("validated is big")
        for note in found.notes
    )
    swift = choose(asked, Objective.LATENCY, Fleet((1, 4), around=AROUND))
    assert swift.ranked[0].is_validated
    assert not any("yet first" in note for note in swift.notes)


def test_training_is_shared_out_by_the_strategy_that_does_most() -> None:
    found = choose([ask("big", "big", 200, "training")], Objective.THROUGHPUT, Fleet((1, 8), around=AROUND))
    many = next(one for one in found.ranked if one.devices == 8)
    assert many.strategy in (Strategy.DDP, Strategy.FSDP, Strategy.TENSOR, Strategy.PIPELINE)
    assert many.plan is not None
    assert many.plan.reasons
    tight = choose([ask("big", "big", 60, "training")], Objective.THROUGHPUT, Fleet((8,), around=AROUND))
    assert [one.strategy for one in tight.ranked if one.strategy is Strategy.DDP] == []
    nowhere = choose([ask("big", "big", 4, "training")], Objective.THROUGHPUT, Fleet((2,), around=AROUND))
    assert nowhere.ranked == ()
    assert "ddp: it does not fit" in nowhere.abstained[0][1]


def test_rented_machines_are_candidates_with_their_price() -> None:
    prices = group_by_device([
        offer("g6.12xlarge", L4, 4, 4.6), offer("g6.12xlarge", L4, 4, 5.2, "there"), offer("g6.24xlarge", L4, 4, 6.7),
        offer("g6.xlarge", L4, 1, 0.8),
    ])  # fmt: skip
    machines = list_machines(prices, [L4, L4, "big"])
    assert {(one.label, one.devices, one.usd_h) for one in machines} == {
        ("AWS g6.12xlarge here", 4, 4.6), ("AWS g6.xlarge here", 1, 0.8),
    }  # fmt: skip
    found = choose([ask("small", L4, 64)], Objective.COST, Fleet((1,), machines))
    assert [one.label for one in found.ranked] == [
        "small (AWS g6.xlarge here)", "small", "4 × small (AWS g6.12xlarge here)",
    ]  # fmt: skip
    assert found.ranked[-1].usd_h == pytest.approx(4.6)
    assert found.ranked[-1].price is not None
    assert "g6.12xlarge" in found.ranked[-1].price.origin
    paid = choose([ask("small", L4, 64)], Objective.THROUGHPUT, Fleet((1,), machines), Limits(budget_usd_h=2))
    assert {one.label for one in paid.lost} == {"4 × small (AWS g6.12xlarge here)"}


def test_a_machine_is_read_by_its_name() -> None:
    prices = group_by_device([offer("g6.12xlarge", L4, 4, 4.6)])
    assert read_machine("l4", prices) is None
    assert read_machine("nvidia-tesla-t4", prices) is None  # Google Cloud rents it by the device's own id
    found = read_machine("G6.12xlarge", prices)
    assert found is not None
    assert (found.devices, found.usd_h) == (4, 4.6)
    unpriced = read_machine("g5.12xlarge", prices)
    assert unpriced == Machine("AWS g5.12xlarge", A10, 4)
    only = Fleet((1,), (found,), bare=frozenset())
    ranked = choose([ask("small", L4, 64)], Objective.COST, only).ranked
    assert [one.label for one in ranked] == ["4 × small (AWS g6.12xlarge here)"]
    without = choose([ask("small", A10, 64)], Objective.COST, Fleet((1,), (unpriced,), bare=frozenset()))
    assert without.lost[0].misses == ("no price of AWS g5.12xlarge is stored",)
    with pytest.raises(UsageError, match="cannot be chosen"):
        read_machine("g2.2xlarge", prices)
    with pytest.raises(UsageError, match="it has 1/8 of a"):
        read_machine("g6f.large", prices)


def test_counts_are_checked() -> None:
    assert check_counts([]) == (1,)
    assert check_counts([4, 1, 4]) == (1, 4)
    with pytest.raises(UsageError, match="got 4096"):
        check_counts([4096])


def test_one_device_that_probably_has_no_room_is_no_choice() -> None:
    found = choose([ask("small", L4, 16)], Objective.LATENCY, Fleet())
    assert found.ranked == ()
    assert found.lost[0].misses[0].startswith("it does not fit: each device holds about")
