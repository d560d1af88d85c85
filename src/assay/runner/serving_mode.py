"""One launch of a serving case: warm up, run the scenario (for Server: search for the highest rate), say what was read.

May import: core, catalog, engines, runner, stats.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from assay.catalog.metrics import Metric
from assay.catalog.serving_metrics import (
    COMPLETED_RATE,
    EARLY_STOPPING_LATENCY,
    LATENCY_TARGET,
    LOWEST_INVALID_RATE,
    SCHEDULED_RATE,
    SERVING_LATENCY,
    SERVING_QUERIES,
    SERVING_RATE,
    SERVING_THROUGHPUT,
)
from assay.core.case import Scalar
from assay.core.records import MetricValue, SampleSeries
from assay.engines.base import Session
from assay.runner.measure import warm_up
from assay.runner.modes import ModeMeasured
from assay.runner.rate_search import RateSearch, Trial, find_highest_rate
from assay.runner.serving import ScenarioResult, check_serving, run_scenario
from assay.runner.serving_settings import Profile, Scenario, ScenarioSettings, at_rate, choose_settings
from assay.runner.timing import Timing
from assay.stats.summary import PERCENTILE_MINIMUM_N

QUERY_LATENCY = "query_latency"
"""Series: from when a query was due to its answer; of Offline's one query, each of its samples."""
TARGET_FACTOR = 3
"""The latency target where none is given: this many times the median of SingleStream, room for two in the queue."""

_SINGLE_STREAM_S = 1.0
_BACK_OFF = 0.95
_FULL_RUNS = 3


@dataclass(frozen=True, slots=True)
class ServingRequest:
    """What a case asks for. Without ``rate_per_s`` a Server case searches; without a target it takes the default.

    ``percentile`` and ``min_duration_s`` change the short profile only.
    """

    scenario: Scenario = Scenario.SINGLE_STREAM
    profile: Profile = Profile.ASSAY
    latency_target_ns: int | None = None
    rate_per_s: float | None = None
    percentile: int | None = None
    min_duration_s: float | None = None


def read_serving_options(options: Mapping[str, Scalar]) -> ServingRequest:
    """Read a case's options ``scenario``, ``profile``, ``latency_target_ms`` and ``rate_per_s``."""
    target, rate = options.get("latency_target_ms"), options.get("rate_per_s")
    return ServingRequest(
        scenario=Scenario(str(options.get("scenario", Scenario.SINGLE_STREAM.value))),
        profile=Profile(str(options.get("profile", Profile.ASSAY.value))),
        latency_target_ns=None if target is None else round(float(target) * 1e6),
        rate_per_s=None if rate is None else float(rate),
    )


def plan_serving(options: Mapping[str, Scalar], *, batch: int) -> ServingRequest:
    """Read the options and refuse, while planning, what cannot be served. Raises UnsupportedError or UsageError."""
    request = read_serving_options(options)
    check_serving(_settings_of(request), batch=batch)
    return request


def measure_serving(
    session: Session,
    request: ServingRequest,
    timing: Timing,
    *,
    batch: int,
    began: Callable[[str], None] = lambda _phase: None,
    tried: Callable[[Trial[ScenarioResult]], None] = lambda _trial: None,
) -> ModeMeasured:
    """Warm up and run the scenario on a session whose calls are ``batch`` samples.

    ``began`` is told of the phases ``warmup`` and ``measure``, ``tried`` of every run of a search. An INVALID run is a
    result: its latencies are kept, its figures are None with LoadGen's reasons. Raises as :func:`run_scenario` does.
    """
    began("warmup")
    warm = warm_up(session, timing)
    began("measure")
    settings = _settings_of(request)
    if request.scenario is Scenario.SERVER:
        server = _Server(session, request, settings, batch, warm.last_call_ns, tried)
        result, metrics, facts = server.measure()
    else:
        result, metrics, facts = _run_once(session, settings, batch, warm.last_call_ns), (), {}
    series = SampleSeries(name=QUERY_LATENCY, unit="ns", values=result.latencies_ns)
    return ModeMeasured(
        series=(series,) if result.latencies_ns else (),
        median_ns=statistics.median(result.latencies_ns) if result.latencies_ns else result.log.percentiles_ns["50.00"],
        stop_reason=result.verdict.partition(":")[0],
        wall_ns=result.wall_ns,
        warmup_calls=warm.calls,
        warmup_converged=warm.converged,
        warmup_ns=warm.wall_ns,
        metrics=(*metrics, *_read_metrics(result)),
        facts={**_read_facts(result), **facts},
    )


def _settings_of(request: ServingRequest) -> ScenarioSettings:
    return choose_settings(
        request.scenario, request.profile, percentile=request.percentile, min_duration_s=request.min_duration_s
    )


def _run_once(session: Session, settings: ScenarioSettings, batch: int, call_ns: float) -> ScenarioResult:
    """Run a scenario that has no target; again where the warm-up was so slow that too few queries were prepared."""
    result = run_scenario(session, settings, batch=batch, call_ns=call_ns)
    if result.is_valid:
        return result
    if settings.scenario is Scenario.OFFLINE:
        faster_ns = batch * 1e9 / result.log.samples_per_s if result.log.samples_per_s else call_ns
    else:
        faster_ns = result.log.percentiles_ns["50.00"] / -(-settings.samples_per_query // batch)
    return run_scenario(session, settings, batch=batch, call_ns=faster_ns) if faster_ns < call_ns else result


class _Server:
    """The runs of one Server case; each has arrival times of its own."""

    def __init__(
        self,
        session: Session,
        request: ServingRequest,
        settings: ScenarioSettings,
        batch: int,
        call_ns: int,
        tried: Callable[[Trial[ScenarioResult]], None],
    ) -> None:
        self._session, self._request, self._settings = session, request, settings
        self._batch, self._call_ns, self._tried = batch, call_ns, tried
        self._runs = 0

    def measure(self) -> tuple[ScenarioResult, tuple[MetricValue, ...], dict[str, str]]:
        """Run at the rate that was given, or search for the highest."""
        target_ns, origin = self._find_target()
        facts = {"serving_latency_target": origin}
        target = _metric(LATENCY_TARGET, target_ns)
        if self._request.rate_per_s is not None:
            result = self._run(self._settings, self._request.rate_per_s, target_ns)
            held = self._request.rate_per_s if result.is_valid else None
            return result, (target, _metric(SERVING_RATE, held, reason=result.verdict)), facts
        # MLPerf's counts at every rate that is tried would take days: short runs search, full ones confirm.
        short = choose_settings(
            Scenario.SERVER, percentile=self._settings.percentile, min_duration_s=self._request.min_duration_s
        )
        search = find_highest_rate(
            lambda rate: self._run(short, rate, target_ns), start_per_s=self._batch * 1e9 / self._call_ns / 2
        )
        found = search.highest_valid_per_s
        is_short = self._settings.profile is Profile.ASSAY
        full = [] if is_short or found is None else self._run_in_full(found, target_ns)
        if full:
            result = full[-1].result
            rate, reason = (full[-1].rate_per_s if result.is_valid else None), f"the full run is {result.verdict}"
        else:
            result = search.best or search.trials[-1].result
            rate, reason = (found if search.is_confirmed else None), search.stop_reason
        metrics = (
            target,
            _metric(SERVING_RATE, rate, reason=reason),
            _metric(LOWEST_INVALID_RATE, search.lowest_invalid_per_s, reason="no rate that was tried failed"),
        )
        return result, metrics, {**facts, "serving_search": _describe(search, full)}

    def _run_in_full(self, rate_per_s: float, target_ns: int) -> list[Trial[ScenarioResult]]:
        """Run with the profile's own counts, at a somewhat lower rate each time that one fails."""
        trials: list[Trial[ScenarioResult]] = []
        while len(trials) < _FULL_RUNS and not (trials and trials[-1].result.is_valid):
            rate = rate_per_s * _BACK_OFF ** len(trials)
            trials.append(Trial(rate, self._run(self._settings, rate, target_ns)))
        return trials

    def _run(self, settings: ScenarioSettings, rate_per_s: float, target_ns: int) -> ScenarioResult:
        wanted = at_rate(settings, rate_per_s, latency_target_ns=target_ns, repetition=self._runs)
        self._runs += 1
        result = run_scenario(self._session, wanted, batch=self._batch, call_ns=self._call_ns)
        self._tried(Trial(rate_per_s, result))
        return result

    def _find_target(self) -> tuple[int, str]:
        """The target in ns, and where it comes from."""
        if self._request.latency_target_ns is not None:
            return self._request.latency_target_ns, "given"
        if self._batch > 1:
            return TARGET_FACTOR * self._call_ns, f"{TARGET_FACTOR} x the median warm call"
        single = choose_settings(Scenario.SINGLE_STREAM, min_duration_s=_SINGLE_STREAM_S)
        result = run_scenario(self._session, single, call_ns=self._call_ns)
        return TARGET_FACTOR * result.log.percentiles_ns["50.00"], f"{TARGET_FACTOR} x the median of SingleStream"


def _read_metrics(result: ScenarioResult) -> Iterable[MetricValue]:
    """LoadGen's figures of the run that counts; a percentile only from enough queries (METHOD 2)."""
    log = result.log
    n = len(result.latencies_ns) or log.queries
    yield _metric(SERVING_QUERIES, log.queries)
    yield _metric(SERVING_LATENCY, log.percentiles_ns["50.00"], stat="p50", n=n)
    for rank, fewest in PERCENTILE_MINIMUM_N.items():
        value = log.percentiles_ns[f"{rank}.00"] if n >= fewest else None
        yield _metric(SERVING_LATENCY, value, stat=f"p{rank}", n=n, reason=f"needs {fewest} queries, has {n}")
    if result.settings.scenario in {Scenario.SINGLE_STREAM, Scenario.MULTI_STREAM}:
        bound = log.early_stopping_ns if result.is_valid else None
        stat = f"p{result.settings.percentile}"
        yield _metric(EARLY_STOPPING_LATENCY, bound, stat=stat, n=n, reason=result.verdict)
    if log.scheduled_per_s is not None:
        yield _metric(SCHEDULED_RATE, log.scheduled_per_s)
    if log.completed_per_s is not None:
        yield _metric(COMPLETED_RATE, log.completed_per_s)
    if log.samples_per_s is not None:
        per_s = log.samples_per_s if result.is_valid else None
        yield _metric(SERVING_THROUGHPUT, per_s, reason=result.verdict)


def _read_facts(result: ScenarioResult) -> dict[str, str]:
    return {
        "loadgen": result.log.version,
        "loadgen_verdict": result.verdict,
        "loadgen_early_stopping": result.log.early_stopping or "none in this scenario",
        "serving_scenario": result.settings.scenario.loadgen_name,
        "serving_profile": result.settings.profile.label,
    }


def _describe(search: RateSearch[ScenarioResult], full: list[Trial[ScenarioResult]]) -> str:
    """Every rate that was tried, in order: ``12.0/s VALID, 24.0/s INVALID; confirmed``."""
    tried = ", ".join(f"{trial.rate_per_s:.4g}/s {_word(trial)}" for trial in search.trials)
    confirmed = "".join(f"; full run {trial.rate_per_s:.4g}/s {_word(trial)}" for trial in full)
    return f"{tried}; {search.stop_reason}{confirmed}"


def _word(trial: Trial[ScenarioResult]) -> str:
    return "VALID" if trial.result.is_valid else "INVALID"


def _metric(
    metric: Metric, value: float | None, *, stat: str = "median", n: int | None = None, reason: str | None = None
) -> MetricValue:
    return MetricValue(metric.name, value, metric.unit, stat, n=n, reason=None if value is not None else reason)
