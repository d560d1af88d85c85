"""Serving real LoadGen's queries with a session that only sleeps: what arrives, what is answered, what is judged."""

from __future__ import annotations

import dataclasses
import importlib.util
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from assay.core.errors import UnsupportedError, UsageError
from assay.engines.base import Session
from assay.runner.rate_search import RateSearch, Trial
from assay.runner.serving import ScenarioResult, check_serving, find_loadgen, run_scenario
from assay.runner.serving_mode import (
    QUERY_LATENCY,
    ServingRequest,
    measure_serving,
    plan_serving,
    read_serving_options,
)
from assay.runner.serving_settings import (
    MLPERF_MIN_DURATION_S,
    MLPERF_MIN_QUERIES,
    MLPERF_OFFLINE_SAMPLES,
    MLPERF_PERCENTILES,
    SAMPLES_PER_QUERY,
    Profile,
    Scenario,
    ScenarioSettings,
    at_rate,
    choose_settings,
    estimate_samples,
    estimate_scenario_s,
)
from assay.runner.timing import Timing

MS = 1_000_000
SECOND = 1_000 * MS
SHORT = 0.2
TIMING = Timing(warmup_min_s=0.0, warmup_max_s=0.1)


class Sleeper:
    """A model whose call sleeps 1 ms, and counts."""

    def __init__(self, *, sleep_s: float = 0.001, fails_at: int | None = None) -> None:
        self.calls = 0
        self.synced = 0
        self.slow_calls = 0
        self.threads: set[int] = set()
        self._sleep_s, self._fails_at = sleep_s, fails_at

    def infer(self) -> None:
        self.calls += 1
        self.threads.add(threading.get_ident())
        if self.calls == self._fails_at:
            raise ZeroDivisionError("the model's own fault")
        time.sleep(0.3 if self.calls <= self.slow_calls else self._sleep_s)

    def synchronize(self) -> None:
        self.synced += 1

    def session(self, *, is_async: bool = False) -> Session:
        return Session(
            infer=self.infer,
            unload=lambda: None,
            effective_precision="fp32",
            threads=1,
            hardware="",
            parameters=None,
            facts={},
            synchronize=self.synchronize if is_async else None,
        )


@pytest.fixture
def loadgen() -> Any:
    return pytest.importorskip("mlperf_loadgen", reason="serving needs LoadGen: pip install 'assay[mlperf]'")


@pytest.fixture
def run(loadgen: Any) -> Callable[..., ScenarioResult]:  # noqa: ARG001  (skips where it is absent)
    def run_short(model: Sleeper, settings: ScenarioSettings, *, batch: int = 1) -> ScenarioResult:
        return run_scenario(model.session(), settings, batch=batch, call_ns=MS)

    return run_short


def short(scenario: Scenario) -> ScenarioSettings:
    return choose_settings(scenario, min_duration_s=SHORT)


def server(rate_per_s: float, target_ns: int) -> ScenarioSettings:
    return at_rate(short(Scenario.SERVER), rate_per_s, latency_target_ns=target_ns)


# --- scenarios ------------------------------------------------------------------------------------------------


def test_single_stream_is_valid_and_every_query_is_one_call(run: Callable[..., ScenarioResult]) -> None:
    model = Sleeper()
    found = run(model, short(Scenario.SINGLE_STREAM))
    assert found.verdict == "VALID"
    assert found.log.reasons == ()
    assert model.calls == found.log.queries == len(found.latencies_ns) >= 64
    assert min(found.latencies_ns) >= MS
    assert model.threads == {threading.get_ident()}
    assert found.log.early_stopping_ns is not None
    assert found.log.early_stopping_ns >= found.log.percentiles_ns["50.00"]
    assert found.log.version.startswith(("5.", "6."))


def test_latencies_are_loadgens_own(run: Callable[..., ScenarioResult]) -> None:
    found = run(Sleeper(), short(Scenario.SINGLE_STREAM))
    ordered = sorted(found.latencies_ns)
    # PerformanceSummary::ProcessLatencies takes the value of rank n x p.
    expected = {name: ordered[int(len(ordered) * float(name) / 100)] for name in found.log.percentiles_ns}
    assert found.log.percentiles_ns == expected


def test_multi_stream_waits_for_the_last_of_eight(run: Callable[..., ScenarioResult]) -> None:
    model = Sleeper()
    found = run(model, short(Scenario.MULTI_STREAM))
    assert found.verdict == "VALID"
    assert model.calls == SAMPLES_PER_QUERY * found.log.queries
    assert min(found.latencies_ns) >= SAMPLES_PER_QUERY * MS
    assert found.log.percentiles_ns["50.00"] == sorted(found.latencies_ns)[len(found.latencies_ns) // 2]


def test_multi_stream_in_calls_of_four_takes_two_calls_a_query(run: Callable[..., ScenarioResult]) -> None:
    model = Sleeper()
    found = run(model, short(Scenario.MULTI_STREAM), batch=4)
    assert model.calls == 2 * found.log.queries


def test_offline_shares_calls_and_its_latencies_are_of_samples(run: Callable[..., ScenarioResult]) -> None:
    model = Sleeper()
    found = run(model, short(Scenario.OFFLINE), batch=4)
    assert found.verdict == "VALID"
    assert found.log.queries == 1
    assert model.calls == -(-len(found.latencies_ns) // 4)
    assert found.log.samples_per_s is not None


def test_server_holds_a_rate_far_below_what_it_can_do(run: Callable[..., ScenarioResult]) -> None:
    found = run(Sleeper(), server(200, 10 * SECOND))
    assert found.verdict == "VALID"
    assert found.log.overlatency == 0
    assert found.log.scheduled_per_s is not None


def test_server_misses_a_target_below_the_time_of_a_call_and_says_why(run: Callable[..., ScenarioResult]) -> None:
    found = run(Sleeper(), server(200, MS // 2))
    assert not found.is_valid
    assert found.log.overlatency == found.log.queries
    assert found.verdict.startswith("INVALID: ")
    assert "Reduce target QPS to improve latency." in found.verdict
    assert "early stopping: Run unsuccessful." in found.verdict


def test_server_gives_up_where_queries_pile_up(run: Callable[..., ScenarioResult]) -> None:
    settings = dataclasses.replace(server(20_000, MS), min_queries=10_000)
    assert settings.most_waiting == 200
    model = Sleeper()
    found = run(model, settings)
    assert not found.is_valid
    assert "Too many outstanding queries" in found.log.reasons[0]
    assert model.calls == found.log.queries < 10_000


def test_waiting_server_queries_share_calls(run: Callable[..., ScenarioResult]) -> None:
    model = Sleeper(sleep_s=0.01)
    found = run(model, server(2_000, 10 * SECOND), batch=16)
    assert model.calls < found.log.queries


def test_repetitions_draw_other_arrivals(run: Callable[..., ScenarioResult]) -> None:
    settings = dataclasses.replace(server(500, 10 * SECOND), min_queries=64)
    runs = [run(Sleeper(), dataclasses.replace(settings, repetition=number)) for number in (0, 0, 1)]
    same, again, other = (one.log.scheduled_per_s for one in runs)
    assert same == again != other


def test_devices_are_waited_for(loadgen: Any) -> None:  # noqa: ARG001
    model = Sleeper()
    run_scenario(model.session(is_async=True), short(Scenario.SINGLE_STREAM), call_ns=MS)
    assert model.synced == model.calls


def test_long_runs_keep_no_latencies_but_loadgens_percentiles(
    run: Callable[..., ScenarioResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.runner.serving._SAMPLES_TRACED", 10)
    found = run(Sleeper(), short(Scenario.SINGLE_STREAM))
    assert found.latencies_ns == ()
    assert found.log.percentiles_ns["90.00"] >= MS


@pytest.mark.parametrize("scenario", [Scenario.SINGLE_STREAM, Scenario.OFFLINE])
def test_a_failed_call_is_raised_and_the_next_run_works(run: Callable[..., ScenarioResult], scenario: Scenario) -> None:
    with pytest.raises(ZeroDivisionError, match="own fault"):
        run(Sleeper(fails_at=3), short(scenario))
    assert run(Sleeper(), short(scenario)).is_valid


# --- settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", list(Scenario))
def test_mlperf_like_has_the_counts_of_loadgens_own_file_or_more(loadgen: Any, scenario: Scenario) -> None:
    test = loadgen.TestSettings()
    assert test.FromConfig("none", "resnet50", scenario.loadgen_name, 0) == 0
    found = choose_settings(scenario, Profile.MLPERF_LIKE)
    assert found.min_duration_s == MLPERF_MIN_DURATION_S == test.min_duration_ms / 1000
    if scenario is Scenario.OFFLINE:
        assert found.min_samples == MLPERF_OFFLINE_SAMPLES == test.min_query_count
        return
    assert found.min_queries == MLPERF_MIN_QUERIES[scenario] >= test.min_query_count
    own = {
        Scenario.SINGLE_STREAM: test.single_stream_target_latency_percentile,
        Scenario.MULTI_STREAM: test.multi_stream_target_latency_percentile,
        Scenario.SERVER: test.server_target_latency_percentile,
    }
    assert found.percentile == MLPERF_PERCENTILES[scenario] == round(100 * own[scenario])
    if scenario is Scenario.MULTI_STREAM:
        assert found.samples_per_query == test.multi_stream_samples_per_query


def test_mlperf_like_is_labelled_and_cannot_be_shortened() -> None:
    assert "not a submission" in Profile.MLPERF_LIKE.label
    with pytest.raises(UsageError, match="fixes percentile and duration"):
        choose_settings(Scenario.OFFLINE, Profile.MLPERF_LIKE, min_duration_s=1)


def test_short_runs_have_enough_queries_for_the_percentile_they_judge() -> None:
    counts = {p: choose_settings(Scenario.SINGLE_STREAM, percentile=p).min_queries for p in (90, 95, 99)}
    assert counts == {90: 64, 95: 130, 99: 662}
    with pytest.raises(UsageError, match="percentile 97, expected one of 90, 95, 99"):
        choose_settings(Scenario.SERVER, percentile=97)


@pytest.mark.parametrize(
    ("scenario", "batch", "message"),
    [
        (Scenario.SINGLE_STREAM, 2, "got batch 2, expected 1"),
        (Scenario.MULTI_STREAM, 3, "calls of 3 do not divide"),
    ],
)
def test_what_would_not_be_the_scenario_is_refused(loadgen: Any, scenario: Scenario, batch: int, message: str) -> None:  # noqa: ARG001
    with pytest.raises(UsageError, match=message):
        check_serving(short(scenario), batch=batch)


def test_a_server_run_needs_its_rate(run: Callable[..., ScenarioResult]) -> None:
    with pytest.raises(UsageError, match="needs a rate above 0 and a latency target"):
        run(Sleeper(), short(Scenario.SERVER))


def test_a_case_is_planned_from_its_options(loadgen: Any) -> None:  # noqa: ARG001
    found = plan_serving({"scenario": "server", "latency_target_ms": 20}, batch=4)
    assert found == ServingRequest(Scenario.SERVER, latency_target_ns=20 * MS)
    with pytest.raises(UsageError, match="got batch 4, expected 1"):
        plan_serving({}, batch=4)


def test_absent_loadgen_is_a_reason_and_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    absent = find_loadgen()
    assert absent is not None
    assert absent.install_hint == "pip install 'assay[mlperf]'"
    with pytest.raises(UnsupportedError, match=r"LoadGen is not installed\. Install it: pip install 'assay\[mlperf\]'"):
        check_serving(short(Scenario.OFFLINE), batch=1)


def test_how_long_a_run_takes_is_known_before() -> None:
    single = choose_settings(Scenario.SINGLE_STREAM)
    assert estimate_scenario_s(single, batch=1, call_ns=MS) == 5
    assert estimate_scenario_s(single, batch=1, call_ns=SECOND) == 64
    multi = choose_settings(Scenario.MULTI_STREAM, Profile.MLPERF_LIKE)
    assert estimate_scenario_s(multi, batch=8, call_ns=100 * MS) == pytest.approx(27_033.6)
    slow = at_rate(choose_settings(Scenario.SERVER), 2, latency_target_ns=SECOND)
    assert estimate_scenario_s(slow, batch=1, call_ns=MS) == 64
    assert estimate_samples(choose_settings(Scenario.OFFLINE), batch=8, call_ns=100 * MS) == 400


# --- a launch -------------------------------------------------------------------------------------------------


def test_options_of_a_case_are_read() -> None:
    found = read_serving_options(
        {"scenario": "server", "profile": "mlperf-like", "latency_target_ms": 15, "threads": 2}
    )
    assert found == ServingRequest(Scenario.SERVER, Profile.MLPERF_LIKE, latency_target_ns=15 * MS)
    assert read_serving_options({"rate_per_s": 12.5}).rate_per_s == 12.5
    assert read_serving_options({}) == ServingRequest()


def test_a_launch_of_single_stream(loadgen: Any) -> None:  # noqa: ARG001
    phases: list[str] = []
    found = measure_serving(
        Sleeper().session(), ServingRequest(min_duration_s=SHORT), TIMING, batch=1, began=phases.append
    )
    assert phases == ["warmup", "measure"]
    assert found.facts["loadgen_verdict"] == "VALID"
    assert "not MLPerf" in found.facts["serving_profile"]
    (series,) = found.series
    assert series.name == QUERY_LATENCY
    metrics = {(metric.name, metric.stat): metric for metric in found.metrics}
    assert metrics["serving_queries", "median"].value == len(series.values)
    tail = metrics["serving_latency_ns", "p99"]
    assert (tail.value is None) == (len(series.values) < 473)
    assert metrics["serving_early_stopping_latency_ns", "p90"].value


@pytest.mark.parametrize("scenario", [Scenario.OFFLINE, Scenario.SINGLE_STREAM])
def test_a_warm_up_slower_than_the_run_costs_a_second_run_and_not_the_result(
    loadgen: Any,  # noqa: ARG001
    scenario: Scenario,
) -> None:
    slow_start = Sleeper()
    slow_start.slow_calls = 3
    timing = Timing(warmup_min_s=0.0, warmup_max_s=0.0)
    found = measure_serving(slow_start.session(), ServingRequest(scenario, min_duration_s=SHORT), timing, batch=1)
    assert found.facts["loadgen_verdict"] == "VALID"


def test_a_launch_at_a_rate_that_does_not_hold_has_no_rate_but_a_reason(loadgen: Any) -> None:  # noqa: ARG001
    request = ServingRequest(Scenario.SERVER, latency_target_ns=MS // 2, rate_per_s=300, min_duration_s=SHORT)
    found = measure_serving(Sleeper().session(), request, TIMING, batch=1)
    (rate,) = [metric for metric in found.metrics if metric.name == "serving_rate_per_s"]
    assert rate.value is None
    assert rate.reason is not None
    assert rate.reason.startswith("INVALID: ")
    assert found.facts["loadgen_verdict"] == rate.reason
    assert found.series[0].values


def test_a_launch_that_searches_finds_no_rate_for_an_impossible_target(loadgen: Any) -> None:  # noqa: ARG001
    request = ServingRequest(Scenario.SERVER, latency_target_ns=1_000, min_duration_s=0.01)
    found = measure_serving(Sleeper(sleep_s=0.0001).session(), request, TIMING, batch=1)
    values = {metric.name: metric for metric in found.metrics if metric.stat == "median"}
    assert values["serving_rate_per_s"].value is None
    assert values["serving_rate_per_s"].reason == "no rate holds"
    assert "INVALID" in found.facts["serving_search"]


def test_a_launch_that_searches_confirms_a_rate_below_the_lowest_that_failed(loadgen: Any) -> None:  # noqa: ARG001
    tried: list[tuple[float, bool]] = []
    request = ServingRequest(Scenario.SERVER, latency_target_ns=60 * MS, min_duration_s=SHORT)
    found = measure_serving(
        Sleeper(sleep_s=0.004).session(),
        request,
        TIMING,
        batch=1,
        tried=lambda trial: tried.append((trial.rate_per_s, trial.result.is_valid)),
    )
    values = {metric.name: metric.value for metric in found.metrics if metric.stat == "median"}
    rate = values["serving_rate_per_s"]
    assert rate is not None, found.facts["serving_search"]
    assert [valid for tried_rate, valid in tried if tried_rate == rate] == [True, True]
    assert all(valid for tried_rate, valid in tried if tried_rate <= rate)
    assert values["serving_latency_target_ns"] == 60 * MS
    assert found.facts["serving_search"].endswith("confirmed")


def test_mlperf_like_searches_with_short_runs_and_confirms_with_full_ones(
    loadgen: Any,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = "assay.runner.serving_settings"
    monkeypatch.setattr(f"{settings}.MLPERF_MIN_DURATION_S", 0.3)
    monkeypatch.setattr(f"{settings}.MLPERF_MIN_QUERIES", {Scenario.SERVER: 700})
    monkeypatch.setattr(f"{settings}._SHORT_DURATION_S", SHORT)
    monkeypatch.setattr("assay.runner.serving_mode.find_highest_rate", find_two_rates)
    request = ServingRequest(Scenario.SERVER, Profile.MLPERF_LIKE, latency_target_ns=10 * SECOND)
    found = measure_serving(Sleeper().session(), request, TIMING, batch=1)
    values = {metric.name: metric.value for metric in found.metrics if metric.stat == "median"}
    assert values["serving_rate_per_s"] == 2_000
    assert values["serving_queries"] == 700
    assert found.facts["serving_search"] == "1000/s VALID, 2000/s VALID; every rate holds; full run 2000/s VALID"
    assert "not a submission" in found.facts["serving_profile"]


def find_two_rates(run: Callable[[float], ScenarioResult], **_: float) -> RateSearch[ScenarioResult]:
    trials = tuple(Trial(rate, run(rate)) for rate in (1_000.0, 2_000.0))
    return RateSearch(2_000.0, None, is_confirmed=False, trials=trials, stop_reason="every rate holds")
