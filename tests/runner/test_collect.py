"""The numbers of a result, against values worked out by hand from launches made up here."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assay.core.case import Case, series_id
from assay.core.records import LaunchRecord, MetricValue, ResultRecord, SampleSeries
from assay.core.words import Mode, Status, Verdict
from assay.runner.collect import CaseIdentity, judge_launches, summarise_case
from assay.runner.plan import Obstacle, PlannedCase
from assay.workloads.base import find_workload

MS = 1_000_000
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
WORKLOAD = find_workload("bert/tiny")
CASE = Case.make(workload="bert/tiny", engine="torch", device="cpu", batch=8, shape={"seq": 128})
PLANNED = PlannedCase(CASE, WORKLOAD, threads=2)
IDENTITY = CaseIdentity("result-1", "run-1", "some CPU 2c", launches_planned=3)
STEADY = (100 * MS, 110 * MS, 120 * MS)


def make_launch(ordinal: int = 0, values: tuple[int, ...] = (100 * MS,) * 30, **fields: Any) -> LaunchRecord:
    given: dict[str, Any] = {
        "median_ns": float(sorted(values)[len(values) // 2]),
        "status": Status.OK,
        "verdict": Verdict.TRUSTED,
        "effective_precision": "fp32",
        "warmup_converged": True,
        "samples": (SampleSeries("latency", "ns", values),),
    } | fields
    return LaunchRecord(
        launch_id=f"launch-{ordinal}",
        run_id="run-1",
        result_id="result-1",
        origin_run_id="run-1",
        ordinal=ordinal,
        started_at=NOW - timedelta(minutes=10 - ordinal),
        wall_ns=5_000 * MS,
        **given,
    )


def make_failure(ordinal: int, status: Status, reason: str) -> LaunchRecord:
    return make_launch(
        ordinal, status=status, reason=reason, verdict=None, median_ns=None, samples=(), effective_precision=None
    )


def summarise(*launches: LaunchRecord, planned: PlannedCase = PLANNED, parameters: int | None = None) -> ResultRecord:
    return summarise_case(IDENTITY, planned, launches, now=NOW, parameters=parameters)


def three_launches(**fields: Any) -> tuple[LaunchRecord, ...]:
    return tuple(make_launch(nth, (median,) * 30, **fields) for nth, median in enumerate(STEADY))


def metric(result: ResultRecord, name: str, stat: str = "median") -> MetricValue:
    found = result.metric(name, stat)
    assert found is not None
    return found


# --- numbers --------------------------------------------------------------------------------------------------


def test_latency_is_the_median_of_launch_medians_with_students_interval_on_logs() -> None:
    latency = metric(summarise(*three_launches()), "latency_ns")
    assert (latency.value, latency.unit, latency.n) == (110 * MS, "ns", 3)
    # logs of 100, 110, 120: mean 4.697714, SD 0.091192; Student's t of 2 degrees at 97.5 %: 4.302653.
    # exp(4.697714 -+ 4.302653 x 0.091192 / sqrt(3)) = 87.46 and 137.59.
    assert latency.ci_lo == pytest.approx(87.46 * MS, rel=1e-4)
    assert latency.ci_hi == pytest.approx(137.59 * MS, rel=1e-4)


def test_the_spread_is_given_three_ways() -> None:
    result = summarise(*three_launches())
    assert metric(result, "latency_ns", "mad").value == pytest.approx(14.826 * MS)  # 10 ms x 1.4826
    cv = metric(result, "latency_ns", "cv")
    assert cv.unit == "1"
    assert cv.value == pytest.approx(10 / 110)
    assert metric(result, "latency_ns", "best").value == 100 * MS


def test_throughput_is_units_over_latency_and_its_interval_is_turned_round() -> None:
    result = summarise(*three_launches())
    latency, throughput = metric(result, "latency_ns"), metric(result, "throughput_per_s")
    assert (throughput.unit, result.unit_of_work) == ("1/s", "sample")
    assert throughput.value == pytest.approx(8 / 0.110)
    assert latency.ci_lo is not None
    assert latency.ci_hi is not None
    assert throughput.ci_lo == pytest.approx(8e9 / latency.ci_hi)
    assert throughput.ci_hi == pytest.approx(8e9 / latency.ci_lo)
    assert result.units_per_call == 8


def test_the_throughput_of_audio_is_its_real_time_factor() -> None:
    heard = Case.make(workload="wav2vec2/tiny", engine="torch", device="cpu", batch=2, shape={"seconds": 5})
    result = summarise(*three_launches(), planned=PlannedCase(heard, find_workload("wav2vec2/tiny"), threads=2))
    factor, throughput = metric(result, "real_time_factor"), metric(result, "throughput_per_s")
    assert (result.unit_of_work, factor.unit, factor.n) == ("s audio", "1", 3)
    assert factor.value == throughput.value == pytest.approx(10 / 0.110)
    assert (factor.ci_lo, factor.ci_hi) == (throughput.ci_lo, throughput.ci_hi)
    assert summarise(*three_launches()).metric("real_time_factor") is None


def test_a_generation_that_hears_has_a_real_time_factor_beside_its_tokens() -> None:
    options = {"new_tokens": 16}
    heard = Case.make(
        workload="whisper/tiny", engine="torch", device="cpu", mode=Mode.GENERATION, batch=2, options=options
    )
    result = summarise(*three_launches(), planned=PlannedCase(heard, find_workload("whisper/tiny"), threads=2))
    assert result.unit_of_work == "token"
    assert metric(result, "throughput_per_s").value == pytest.approx(2 * 16 / 0.110)
    assert metric(result, "real_time_factor").value == pytest.approx(2 * 30 / 0.110), "windows of 30 s"
    read = Case.make(workload="qwen2/tiny", engine="torch", device="cpu", mode=Mode.GENERATION, options=options)
    planned = PlannedCase(read, find_workload("qwen2/tiny"), threads=2)
    assert summarise(*three_launches(), planned=planned).metric("real_time_factor") is None


def test_what_a_browser_costs_has_metrics_of_its_own() -> None:
    costs = {"browser_launch": 4, "page": 5, "runtime_init": 6, "fetch": 7, "compile": 8, "unload": 9}
    memory = {"process_tree": 60, "process_renderer": 30, "process_gpu": 20, "process_utility": 10}
    result = summarise(*three_launches(costs_ns=costs, memory_bytes=memory))
    phases = ("browser_launch_ns", "page_ns", "runtime_init_ns", "fetch_ns", "compile_ns", "unload_ns")
    assert [metric(result, name).value for name in phases] == [4, 5, 6, 7, 8, 9]
    kinds = ("browser_memory_bytes", "renderer_memory_bytes", "gpu_process_memory_bytes")
    assert [metric(result, name, "max").value for name in kinds] == [60, 30, 20]
    assert result.metric("memory_peak_bytes", "max") is None


def test_one_launch_has_no_interval_and_no_spread_and_says_why() -> None:
    result = summarise(make_launch())
    latency, throughput = metric(result, "latency_ns"), metric(result, "throughput_per_s")
    assert (latency.value, latency.ci_lo, latency.ci_hi, latency.n) == (100 * MS, None, None, 1)
    assert (throughput.ci_lo, throughput.ci_hi) == (None, None)
    cv = metric(result, "latency_ns", "cv")
    assert (cv.value, cv.reason) == (None, "needs 2 launches")


def test_samples_of_several_calls_give_the_time_of_one() -> None:
    launch = make_launch(values=(1000, 1200, 1100), median_ns=110.0)
    launch = replace(launch, samples=(SampleSeries("latency", "ns", (1000, 1200, 1100), calls_per_sample=10),))
    result = summarise(launch)
    assert metric(result, "latency_ns").value == 110
    assert metric(result, "latency_ns", "best").value == 100


@pytest.mark.parametrize(
    ("count", "known"), [(45, []), (46, ["p90"]), (92, ["p90"]), (93, ["p90", "p95"]), (473, ["p90", "p95", "p99"])]
)
def test_percentiles_are_stated_from_enough_samples_and_are_null_below(count: int, known: list[str]) -> None:
    values = tuple(range(count * MS, 0, -MS))
    result = summarise(make_launch(values=values))
    fewest = {"p90": 46, "p95": 93, "p99": 473}
    for stat, needed in fewest.items():
        found = metric(result, "latency_ns", stat)
        if stat in known:
            assert found.reason is None
            assert found.value is not None
            above = sum(value > found.value for value in values)
            assert above <= count * (100 - int(stat[1:])) / 100
        else:
            assert (found.value, found.reason) == (None, f"needs {needed} samples, has {count}")
        assert found.n == count


def test_percentiles_are_over_the_samples_of_all_launches() -> None:
    launches = [make_launch(nth, (100 * MS,) * 20) for nth in range(3)]
    assert metric(summarise(*launches), "latency_ns", "p90").value == 100 * MS


def test_a_percentile_of_blocks_is_not_one_of_calls() -> None:
    blocked = replace(make_launch(), samples=(SampleSeries("latency", "ns", (MS,) * 500, calls_per_sample=2),))
    p90 = metric(summarise(blocked, make_launch(1)), "latency_ns", "p90")
    assert (p90.value, p90.reason) == (None, "calls are timed in blocks")


def test_the_devices_own_clock_is_not_mixed_into_latency() -> None:
    wall = SampleSeries("latency", "ns", (100 * MS,) * 50)
    device = SampleSeries("device_latency", "ns", (MS,) * 50)
    result = summarise(make_launch(samples=(wall, device)))
    best = metric(result, "latency_ns", "best")
    assert (best.value, best.n) == (100 * MS, 50)


def test_costs_are_medians_and_memory_is_the_most_over_launches() -> None:
    launches = [
        make_launch(nth, costs_ns={"import": cost, "load": 5}, memory_bytes={"peak": size, "device_allocator_peak": 9})
        for nth, (cost, size) in enumerate([(30, 1000), (10, 3000), (20, 2000)])
    ]
    result = summarise(*launches)
    assert (metric(result, "import_ns").value, metric(result, "import_ns").n) == (20, 3)
    assert (metric(result, "memory_peak_bytes", "max").value, metric(result, "memory_peak_bytes", "max").unit) == (
        3000,
        "B",
    )
    assert metric(result, "device_memory_peak_bytes", "max").value == 9


def test_what_was_not_read_has_no_metric_rather_than_zero() -> None:
    result = summarise(*three_launches(memory_bytes={"peak_since_start": 5}))
    names = {one.name for one in result.metrics}
    assert names == {"latency_ns", "throughput_per_s"}
    assert all(one.value != 0 for one in result.metrics if one.stat != "mad")


def test_a_result_says_what_it_is_of() -> None:
    result = summarise(*three_launches())
    assert (result.result_id, result.run_id, result.hardware) == ("result-1", "run-1", "some CPU 2c")
    assert result.series_id == series_id(CASE.case_id, "some CPU 2c")
    assert (result.launches_ok, result.launches_planned) == (3, 3)
    assert result.measured_at == NOW - timedelta(minutes=8)
    assert result.effective_precision == "fp32"
    assert result.parameters == WORKLOAD.size.parameters
    assert summarise(*three_launches(), parameters=7).parameters == 7


# --- verdicts -------------------------------------------------------------------------------------------------

T, N, C = Verdict.TRUSTED, Verdict.NOISY, Verdict.CONTAMINATED


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ([T], T),
        ([N], N),
        ([T, T, T, T, N], T),
        ([T, T, N, N, N], N),
        ([T, T, T, T, C], N),  # never trusted beside a contaminated launch
        ([T, T, C, C, C], C),
        ([T, C], C),
        ([N, N, C], N),
        ([], T),
    ],
)
def test_the_verdict_follows_the_median_launch(verdicts: list[Verdict], whole: Verdict) -> None:
    launches = [make_launch(nth, verdict=verdict) for nth, verdict in enumerate(verdicts)]
    if not launches:
        assert summarise().verdict is None
        return
    assert judge_launches(launches)[0] is whole


def test_every_reason_is_kept_with_how_many_launches_gave_it() -> None:
    launches = [
        make_launch(0, verdict=N, verdict_reasons=("clocks fell", "and more")),
        make_launch(1, verdict=C, verdict_reasons=("a neighbour",)),
        make_launch(2, warmup_converged=False),
        make_launch(3, values=(MS,) * 7),
        make_launch(4, warmup_converged=None, verdict=N),
    ]
    assert judge_launches(launches)[1] == (
        "1 of 5 launches contaminated: a neighbour",
        "2 of 5 launches noisy: clocks fell",
        "1 of 5 launches: the warm-up had not settled at its limit",
        "a launch has only 7 samples (calls are long or the window was short)",
    )


# --- failures -------------------------------------------------------------------------------------------------


def test_one_failed_launch_makes_the_result_a_failure_without_numbers() -> None:
    result = summarise(make_launch(0), make_failure(1, Status.TIMEOUT, "still in load"))
    assert (result.status, result.reason) == (Status.TIMEOUT, "launch 2 of 3: still in load")
    assert (result.metrics, result.verdict, result.verdict_reasons) == ((), None, ())
    assert (result.launches_ok, result.launches_planned) == (1, 3)


def test_a_first_launch_that_fails_gives_its_own_reason() -> None:
    result = summarise(make_failure(0, Status.OOM, "out of memory in load"))
    assert (result.status, result.reason, result.launches_ok) == (Status.OOM, "out of memory in load", 0)
    assert result.effective_precision is None


def test_a_case_that_cannot_run_takes_its_obstacle() -> None:
    planned = replace(PLANNED, obstacle=Obstacle(Status.SKIPPED, "does not fit"))
    result = summarise(planned=planned)
    assert (result.status, result.reason, result.measured_at) == (Status.SKIPPED, "does not fit", NOW)


def test_a_case_that_was_never_launched_was_interrupted() -> None:
    result = summarise()
    assert (result.status, result.reason) == (Status.SKIPPED, "interrupted before its first launch")


def test_a_case_with_some_of_its_launches_is_a_result() -> None:
    result = summarise(make_launch(0))
    assert (result.status, result.launches_ok, result.launches_planned) == (Status.OK, 1, 3)
