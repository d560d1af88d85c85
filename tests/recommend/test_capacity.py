"""Replicas for a load: known values of the queueing formula, a simulated queue, and what a plan promises."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assay.core.errors import UsageError
from assay.predict.values import Conditions, DeviceProfile, Interval, Layer, Prediction, Question
from assay.recommend.capacity import (
    Load,
    Margin,
    ReplicaRate,
    erlang_c,
    judge_replicas,
    plan_capacity,
    rank_capacities,
    read_rate,
    wait_exceeds,
)

MEASURED = ReplicaRate("a device", 10.0, 0.0, Layer.MEASURED, 2.0)


def test_one_server_waits_as_often_as_it_is_busy() -> None:
    assert erlang_c(1, 0.7) == pytest.approx(0.7)
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)  # 2 rho^2 / (1 + rho) at rho = 1/2
    assert erlang_c(5000, 4900.0) < 1
    with pytest.raises(ValueError, match="offered"):
        erlang_c(2, 2.0)


def test_waits_are_those_of_a_simulated_queue() -> None:
    random = np.random.default_rng(0)
    servers, arrivals, rate, limit = 3, 2.4, 1.0, 0.5
    free = [0.0] * servers
    clock, late, count = 0.0, 0, 60_000
    for gap, work in zip(random.exponential(1 / arrivals, count), random.exponential(1 / rate, count), strict=True):
        clock += gap
        place = free.index(min(free))
        start = max(clock, free[place])
        free[place] = start + work
        late += start - clock > limit
    assert late / count == pytest.approx(wait_exceeds(servers, arrivals, rate, limit), abs=0.03)


def test_a_plan_is_the_fewest_replicas_that_hold() -> None:
    load = Load(100.0, max_wait_s=0.05, wait_share=0.95)
    plan = plan_capacity(load, MEASURED)
    assert plan.p_meets == 1.0
    assert plan.busy <= 0.8
    assert judge_replicas(load, MEASURED, plan.replicas - 1).p_meets == 0.0
    assert plan.usd_h == pytest.approx(2.0 * plan.replicas)
    assert plan.usd_per_million == pytest.approx(2.0 * plan.replicas / 3600 / 100 * 1e6)


def test_less_certain_rates_and_shorter_waits_take_more() -> None:
    unsure = ReplicaRate("foretold", 10.0, 0.3, Layer.LEARNED)
    load = Load(100.0)
    sure = plan_capacity(load, MEASURED)
    more = plan_capacity(load, unsure)
    assert more.replicas > sure.replicas
    assert more.p_meets >= 0.9
    assert more.usd_h is None
    assert plan_capacity(Load(5.0, 0.001, 0.99), MEASURED).replicas > plan_capacity(Load(5.0), MEASURED).replicas
    assert [one.replica.name for one in rank_capacities([more, sure])] == ["a device", "foretold"]


def test_too_few_replicas_are_said_to_fall_behind() -> None:
    plan = judge_replicas(Load(100.0), MEASURED, 5)
    assert plan.p_meets == 0.0
    assert plan.busy == pytest.approx(2.0)
    assert plan.p_wait is None
    assert plan.mean_wait_s is None


def test_a_rate_is_read_from_a_latency_or_a_throughput() -> None:
    question = Question("w", "w", DeviceProfile("d"), Conditions(batch=8))
    interval = Interval(0.9, 1e9, 4e9)
    latency = Prediction("latency_ns", 2e9, "ns", (interval,), Layer.LEARNED, ())
    found = read_rate("d", question, latency)
    assert found.rate_per_s == pytest.approx(4.0)
    assert found.spread == pytest.approx(math.log(2) / 1.6448536, rel=1e-6)
    assert (
        read_rate("d", question, Prediction("throughput_per_s", 7.0, "1/s", (), Layer.MEASURED, ())).rate_per_s == 7.0
    )
    with pytest.raises(UsageError):
        read_rate("d", question, Prediction("average_power_w", 7.0, "W", (), Layer.MEASURED, ()))


@pytest.mark.parametrize(
    ("load", "replica", "margin"),
    [
        (Load(0.0), MEASURED, Margin()),
        (Load(math.nan), MEASURED, Margin()),
        (Load(1.0, -1.0), MEASURED, Margin()),
        (Load(1.0), MEASURED, Margin(most_busy=1.0)),
        (Load(1.0, 1.0, 1.0), MEASURED, Margin()),
        (Load(1.0), ReplicaRate("x", 0.0, 0.0, Layer.MEASURED), Margin()),
        (Load(1e12), MEASURED, Margin()),
    ],
)
def test_what_makes_no_sense_is_refused(load: Load, replica: ReplicaRate, margin: Margin) -> None:
    with pytest.raises(UsageError):
        plan_capacity(load, replica, margin)
