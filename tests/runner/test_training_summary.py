"""From launches that trained to one result, and joules until a target from the sensors read beside them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from assay.core.absence import Unavailable
from assay.core.records import MetricValue
from assay.probes.telemetry.base import Telemetry, Trace
from assay.runner.converge_energy import measure_energy_to_target
from assay.runner.protocol import Measured
from assay.runner.training_summary import summarise_training
from assay.stats.convergence import share_interval

S = 1_000_000_000
TIME, PEAK = "time_to_train_ns", "memory_phase_peak_bytes"


def find(metrics: tuple[MetricValue, ...], name: str, stat: str = "median", phase: str = "steady") -> MetricValue:
    (hit,) = [one for one in metrics if (one.name, one.stat, one.phase) == (name, stat, phase)]
    return hit


# --- over seeds -----------------------------------------------------------------------------------------------


def test_the_luckiest_and_the_unluckiest_seed_stand_beside_the_median() -> None:
    launches = [(MetricValue(TIME, value, "ns"),) for value in (5e9, 9e9, 6e9)]
    merged = summarise_training(launches)
    assert find(merged, TIME).value == 6e9
    assert find(merged, TIME, "min").value == 5e9
    assert find(merged, TIME, "max").value == 9e9
    assert find(merged, TIME, "max").n == 3


def test_a_target_that_a_seed_missed_has_no_spread_either() -> None:
    launches = [(MetricValue(TIME, 5e9, "ns"),), (MetricValue(TIME, None, "ns", reason="plateau"),)]
    (only,) = summarise_training(launches)
    assert only.value is None
    assert only.reason == "1 of 2 launches: plateau"


def test_one_seed_has_no_spread() -> None:
    assert [one.stat for one in summarise_training([(MetricValue(TIME, 5e9, "ns"),)])] == ["median"]


def test_steps_without_a_target_keep_their_median_only() -> None:
    launches = [(MetricValue("accuracy", value, "1", phase="test"),) for value in (0.5, 0.6, 0.7)]
    assert [one.stat for one in summarise_training(launches)] == ["median"]


def test_peaks_of_memory_are_the_largest() -> None:
    launches = [(MetricValue(PEAK, value, "B", phase="backward"),) for value in (1e6, 3e6, 2e6)]
    peak = find(summarise_training(launches), PEAK, "max", "backward")
    assert peak.value == 3e6
    assert peak.ci_lo is None


def test_shares_end_at_1_and_the_sum_of_parts_may_exceed_it() -> None:
    accuracy = [(MetricValue("accuracy", value, "1", phase="test"),) for value in (0.9, 0.97, 1.0)]
    found = find(summarise_training(accuracy), "accuracy", phase="test")
    assert found.ci_hi == 1.0
    assert found.ci_lo == pytest.approx(0.9567 - 4.3027 * 0.05132 / 3**0.5, abs=1e-3)
    parts = [(MetricValue("parts_share", value, "1"),) for value in (0.99, 1.01, 1.03)]
    bound = find(summarise_training(parts), "parts_share").ci_hi
    assert bound is not None
    assert bound > 1


def test_two_launches_bound_nothing() -> None:
    assert share_interval([0.5, 0.6]) is None
    interval = share_interval([0.0, 0.0, 0.0])
    assert interval is not None
    assert (interval.lo, interval.hi) == (0.0, 0.0)


# --- joules ---------------------------------------------------------------------------------------------------


def measured(*metrics: MetricValue, begin_s: float | None = 10.0) -> Measured:
    marks: dict[str, int] = {} if begin_s is None else {"measure_begin": round(begin_s * S)}
    given: dict[str, Any] = {
        "values": (), "device_values": (), "calls_per_sample": 1, "stop_reason": "target reached", "median_ns": 1.0,
        "warmup_calls": 0, "warmup_converged": None, "costs_ns": {}, "memory_bytes": {}, "witnesses": {},
        "effective_precision": "fp32", "threads": 1, "hardware": "", "parameters": None,
    }  # fmt: skip
    return Measured(**given, metrics=metrics, marks_ns=marks)


def count_joules(seconds: int, watts: float) -> Telemetry:
    """A counter of the package that is read every 100 ms."""
    times = [step * S // 10 for step in range(10 * seconds)]
    steps = (0, *(later - earlier for earlier, later in pairwise(times)))
    joules = tuple(watts * time / S for time in times)
    return Telemetry((Trace("energy_j", "cpu:package-0", "rapl", "package", 0, steps, joules),))


def energy(launch: Measured, telemetry: Telemetry) -> tuple[MetricValue, ...]:
    absent = {"rapl": Unavailable("no RAPL counter")}
    return measure_energy_to_target(launch, telemetry, device="cpu", absent=absent)


def test_energy_is_that_between_the_first_step_and_the_target() -> None:
    (found,) = energy(measured(MetricValue(TIME, 20e9, "ns")), count_joules(60, 30.0))
    assert found.name == "energy_to_target_j"
    assert found.value == pytest.approx(600, rel=0.02)
    assert found.unit == "J"


def test_energy_that_is_not_known_has_its_reason() -> None:
    reached = MetricValue(TIME, 20e9, "ns")
    (absent,) = energy(measured(reached), Telemetry(()))
    assert absent.value is None
    assert "no RAPL counter" in (absent.reason or "")
    (short,) = energy(measured(MetricValue(TIME, 2e9, "ns")), count_joules(60, 30.0))
    assert short.reason == "the load lasted 2.0 s; at least 10 s are needed"
    (missed,) = energy(measured(MetricValue(TIME, None, "ns", reason="plateau")), count_joules(60, 30.0))
    assert missed.reason == "plateau"
    (unknown,) = energy(measured(reached, begin_s=None), count_joules(60, 30.0))
    assert unknown.reason == "when training began is not known"


def test_a_launch_without_a_target_has_no_energy_to_one() -> None:
    assert energy(measured(), count_joules(60, 30.0)) == ()
