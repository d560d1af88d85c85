"""One value a launch: what is read must be what the runner sums up, and nothing may count twice."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.loading import load_module

from assay.analysis.launch_values import LaunchValues, read_launch_values
from assay.catalog.launch_metrics import COSTS, MEMORY
from assay.catalog.metrics import metrics as registry
from assay.core.case import Case
from assay.core.errors import UnknownNameError
from assay.core.ids import new_id
from assay.core.records import LaunchRecord, MetricValue, ResultRecord, RunBundle, RunRecord, SampleSeries
from assay.core.words import Mode, Provenance, RunStatus, Status, Verdict
from assay.runner.collect import CaseIdentity, summarise_case
from assay.runner.plan import PlannedCase
from assay.stats.summary import percentile
from assay.store import Store
from assay.workloads.base import find_workload

runs = load_module("analysis.compared_runs")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
GENERATED = 5
PROMPT = 16


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def read_only(store: Store, run_id: str, metric: str = "latency_ns", stat: str | None = None) -> LaunchValues:
    (found,) = read_launch_values(store, [run_id], metric, stat).values()
    return found


def keep_summarised(store: Store, planned: PlannedCase, launches: Sequence[LaunchRecord]) -> ResultRecord:
    """Keep launches with the result that the runner makes of them."""
    run_id, result_id = launches[0].run_id, launches[0].result_id
    identity = CaseIdentity(result_id, run_id, runs.HARDWARE, len(launches))
    result = summarise_case(identity, planned, launches, now=NOW, parameters=1)
    made_in = runs.environment()
    run = RunRecord(run_id, "mine", RunStatus.OK, NOW, NOW, made_in.env_id, {}, 1, "0.1.0", "abc")
    store.append(RunBundle(run, made_in, (result,), tuple(launches)))
    return result


def make_launches(count: int, **fields: list[Any]) -> list[LaunchRecord]:
    run_id, result_id = new_id(), new_id()
    return [
        LaunchRecord(
            **{
                "launch_id": new_id(), "run_id": run_id, "result_id": result_id, "origin_run_id": run_id,
                "ordinal": nth, "status": Status.OK, "started_at": NOW + timedelta(seconds=nth), "wall_ns": 10**9,
                "verdict": Verdict.TRUSTED, "effective_precision": "fp32",
                **{name: values[nth] for name, values in fields.items()},
            }
        )
        for nth in range(count)
    ]  # fmt: skip


# -- what launches say is what the result says -------------------------------------------------------------------


def test_values_of_a_plain_case_sum_up_to_its_result(store: Store) -> None:
    costs = [{key: 1000 * nth + place for place, key in enumerate(COSTS.values())} for nth in (3, 1, 2)]
    memory = [{key: 10**6 * nth + place for place, key in enumerate(MEMORY.values())} for nth in (3, 1, 2)]
    samples = [runs.latency_samples(*range(nth * 10**6, nth * 10**6 + 100)) for nth in (12, 10, 11)]
    fidelity = [
        {
            "max_relative_error": 1e-6 * nth,
            "mean_relative_error": 1e-7,
            "cosine": 0.99 + nth / 1000,
            "top1_agreement": 1.0,
        }
        for nth in (3, 1, 2)
    ]
    energy = [(MetricValue("energy_j_per_sample", joules, "J", phase="energy"),) for joules in (2.5, 2.0, 2.25)]
    launches = make_launches(
        3, median_ns=[12e6, 10e6, 11e6], costs_ns=costs, memory_bytes=memory, samples=samples, fidelity=fidelity,
        metrics=energy,
    )  # fmt: skip
    planned = PlannedCase(runs.case(batch=8), find_workload("bert/tiny"), threads=2)
    result = keep_summarised(store, planned, launches)
    compared = []
    reductions: dict[str, Callable[[Sequence[float]], float]] = {"median": statistics.median, "max": max}
    for metric in result.metrics:
        if metric.stat not in reductions or metric.name in {"export_ns", "model_bytes"}:
            continue
        found = read_only(store, result.run_id, metric.name, metric.stat)
        assert found.reason is None, metric
        assert reductions[metric.stat](found.values) == pytest.approx(metric.value, rel=1e-12), metric
        assert found.unit == metric.unit
        compared.append(metric.name)
    assert {"latency_ns", "throughput_per_s", "energy_j_per_sample", *COSTS, *MEMORY} <= set(compared)
    assert read_only(store, result.run_id, "fidelity_cosine").values == (0.993, 0.991, 0.992)
    # The best call of all launches is the best of each launch's best.
    best = result.metric("latency_ns", "best")
    assert best is not None
    assert min(read_only(store, result.run_id, "latency_ns", "best").values) == best.value


def test_values_of_a_generation_sum_up_to_its_result(store: Store) -> None:
    """With an odd number of launches the median of rates is the rate of the median time."""
    draw = np.random.default_rng(7)
    series = []
    for _ in range(3):
        prefill = draw.integers(10**6, 2 * 10**6, size=4)
        steps = draw.integers(10**5, 2 * 10**5, size=(4, GENERATED - 1))
        series.append(
            (
                SampleSeries("prefill", "ns", tuple(map(int, prefill))),
                SampleSeries("decode_step", "ns", tuple(map(int, steps.ravel()))),
                SampleSeries("generation", "ns", tuple(map(int, prefill + steps.sum(axis=1)))),
            )
        )
    medians = [statistics.median(one[2].values) for one in series]
    case = Case.make(
        workload="llama/tiny", engine="torch", device="cpu", mode=Mode.GENERATION, batch=2, shape={"seq": PROMPT},
        options={"new_tokens": GENERATED},
    )  # fmt: skip
    planned = PlannedCase(case, find_workload("llama/tiny"), threads=1)
    result = keep_summarised(store, planned, make_launches(3, median_ns=medians, samples=series))
    names = {
        "time_to_first_token_ns", "prefill_ns", "prefill_tokens_per_s", "time_per_output_token_ns",
        "inter_token_latency_ns", "decode_tokens_per_s", "generation_ns", "output_tokens_per_s", "total_tokens_per_s",
        "latency_ns", "throughput_per_s",
    }  # fmt: skip
    for name in names:
        value = result.metric(name)
        assert value is not None
        found = read_only(store, result.run_id, name)
        assert len(found.values) == 3, found
        assert statistics.median(found.values) == pytest.approx(value.value, rel=1e-9), name


def test_percentiles_of_a_launch_are_the_percentiles_of_its_samples(store: Store) -> None:
    draw = np.random.default_rng(3)
    drawn = [tuple(map(int, draw.integers(1, 10**6, size=size))) for size in (46, 47, 93, 100, 473, 1001)]
    made = runs.Made(values=[1e6] * len(drawn), launch={"samples": [runs.latency_samples(*values) for values in drawn]})
    run_id = runs.append_run(store, made)
    for rank, fewest in ((90, 46), (95, 93), (99, 473)):
        expected = tuple(percentile(values, rank) for values in drawn if len(values) >= fewest)
        found = read_only(store, run_id, "latency_ns", f"p{rank}")
        assert found.values == expected
        assert found.without == len(drawn) - len(expected)
    assert read_only(store, run_id, "latency_ns", "p99").reason == (
        "4 of 6 launches have no value: needs 473 samples a launch, has 46"
    )


# -- what counts, and how often ----------------------------------------------------------------------------------


def test_launches_that_failed_are_left_out_and_disturbed_ones_counted(store: Store) -> None:
    verdicts = [Verdict.CONTAMINATED, Verdict.NOISY, Verdict.TRUSTED, Verdict.TRUSTED]
    run_id = runs.append_run(store, runs.Made(values=(3e6, 1e6, None, 2e6), verdicts=verdicts))
    found = read_only(store, run_id)
    assert (found.values, found.contaminated, found.without, found.reason) == ((3e6, 1e6, 2e6), 1, 0, None)
    assert found.started_at == tuple(runs.MORNING + timedelta(seconds=second) for second in (0, 10, 30))
    assert len(set(found.launch_ids)) == 3


def test_a_launch_that_was_taken_over_counts_in_the_newest_run_alone(store: Store) -> None:
    first = make_launches(2, median_ns=[1e6, 2e6])
    parent = keep_summarised(store, PlannedCase(runs.case(), find_workload("bert/tiny"), 1), first)
    child_run, child_result = new_id(), new_id()
    adopted = [replace(launch, run_id=child_run, result_id=child_result) for launch in first]
    fresh = replace(
        first[0], launch_id=new_id(), run_id=child_run, result_id=child_result, origin_run_id=child_run, ordinal=2,
        median_ns=3e6,
    )  # fmt: skip
    made_in = runs.environment()
    run = RunRecord(
        child_run, "mine", RunStatus.OK, NOW + timedelta(hours=1), NOW, made_in.env_id, {}, 1, "0.1.0", "abc",
        parent_id=parent.run_id,
    )  # fmt: skip
    result = replace(parent, run_id=child_run, result_id=child_result)
    store.append(RunBundle(run, made_in, (result,), (*adopted, fresh)))
    together = read_launch_values(store, [parent.run_id, child_run])
    assert together[child_result].values == (1e6, 2e6, 3e6)
    assert together[parent.result_id].values == ()
    assert together[parent.result_id].reason == "its launches count in a later run that took them over"
    assert read_launch_values(store, [parent.run_id])[parent.result_id].values == (1e6, 2e6)


def test_many_runs_are_read_at_once(store: Store) -> None:
    run_ids = [runs.append_run(store, runs.Made(values=(nth * 1e6, nth * 2e6))) for nth in (1, 2, 3)]
    together = read_launch_values(store, run_ids)
    assert len(together) == 3
    for run_id in run_ids:
        ((result_id, found),) = read_launch_values(store, [run_id]).items()
        assert together[result_id] == found
    assert read_launch_values(store, []) == {}


# -- why there is none -------------------------------------------------------------------------------------------


def test_a_result_without_values_says_why(store: Store) -> None:
    blocked = {"samples": runs.latency_samples(*range(1, 101), calls_per_sample=10)}
    invalid = {"metrics": (MetricValue("serving_rate_per_s", None, "1/s", reason="INVALID"),)}
    expected: list[tuple[Any, str, str | None, str]] = [
        (runs.Made(status=Status.OOM, values=(None,), reason="out of memory in load"), "latency_ns", None,
         "failed: out of memory: out of memory in load"),
        (runs.Made(units_per_call=None), "throughput_per_s", None, "its source does not say what one call does"),
        (runs.Made(case=runs.case(mode="serving")), "throughput_per_s", None,
         "where queries wait, the latency of one says nothing of how many are answered"),
        (runs.Made(), "load_ns", None, "the launch did not record it"),
        (runs.Made(), "time_to_first_token_ns", None, "the launch did not record it"),
        (runs.Made(), "decode_tokens_per_s", None, "the result has no such rate"),
        (runs.Made(), "export_ns", None,
         "no launch has a value of its own: artefacts are made once for all launches of a case"),
        (runs.Made(launch=blocked), "latency_ns", "p90",
         "calls are timed in blocks, and a percentile of means is not one of calls"),
        (runs.Made(launch=invalid), "serving_rate_per_s", None, "INVALID"),
    ]  # fmt: skip
    run_id = runs.append_run(store, *(one[0] for one in expected))
    for place, (_, metric, stat, reason) in enumerate(expected):
        found = read_launch_values(store, [run_id], metric, stat)
        one = found[sorted(found)[place]]  # ids are made in order
        assert (one.values, one.reason) == ((), reason), metric


def test_some_launches_without_a_value_are_counted(store: Store) -> None:
    costs = [{"load": 5}, {}, {"load": 7}]
    found = read_only(
        store, runs.append_run(store, runs.Made(values=(1e6,) * 3, launch={"costs_ns": costs})), "load_ns"
    )
    assert (found.values, found.without) == ((5.0, 7.0), 1)
    assert found.reason == "1 of 3 launches have no value: the launch did not record it"


def test_imported_results_have_no_launches(store: Store) -> None:
    run_id = runs.append_run(store, runs.Made(values=()), provenance=Provenance.IMPORTED)
    assert read_only(store, run_id).reason == "imported results have no launches"


def test_a_metric_in_several_phases_is_read_one_at_a_time(store: Store) -> None:
    rates = tuple(
        MetricValue("gemm_flops_per_s", value, "FLOP/s", phase=phase) for phase, value in (("fp32", 1e9), ("bf16", 2e9))
    )
    run_id = runs.append_run(store, runs.Made(launch={"metrics": rates}))
    assert read_only(store, run_id, "gemm_flops_per_s").reason == (
        "every launch has it in several phases: bf16, fp32; one has to be named"
    )
    (found,) = read_launch_values(store, [run_id], "gemm_flops_per_s", phase="bf16").values()
    assert found.values == (2e9,) * 5


def test_what_nobody_knows_is_refused(store: Store) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'latency_ns'"):
        read_launch_values(store, [], "latency")
    with pytest.raises(UnknownNameError, match=r"statistic of memory_peak_bytes 'median'\. Expected one of: max"):
        read_launch_values(store, [], "memory_peak_bytes", "median")


def test_the_places_name_metrics_that_there_are() -> None:
    from assay.catalog import launch_metrics

    for table in (launch_metrics.COSTS, launch_metrics.MEMORY, launch_metrics.FIDELITY, launch_metrics.SERIES,
                  launch_metrics.RATES, launch_metrics.ONE_A_CASE):  # fmt: skip
        for name in table:
            assert registry.get(name).name == name
