"""What a serving scenario is run with: how queries arrive, for how long, and how many there must be.

Two profiles. ``assay`` is short: just enough queries for LoadGen's early-stopping bound of the percentile that is
judged. ``mlperf-like`` has MLPerf's counts, durations, percentiles and seeds, and is not a submission.
May import: core.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum

from assay.core.errors import UsageError


class Scenario(StrEnum):
    """How queries arrive (MLPerf inference rules, section "Scenarios")."""

    SINGLE_STREAM = "single-stream"
    MULTI_STREAM = "multi-stream"
    SERVER = "server"
    OFFLINE = "offline"

    @property
    def loadgen_name(self) -> str:
        """LoadGen's word for it: ``SingleStream``."""
        return "".join(part.capitalize() for part in self.value.split("-"))


class Profile(StrEnum):
    """How long a scenario is run."""

    ASSAY = "assay"
    MLPERF_LIKE = "mlperf-like"

    @property
    def label(self) -> str:
        """What a result of it may be called."""
        if self is Profile.MLPERF_LIKE:
            return "mlperf-like: MLPerf's counts and durations, all queries alike; not a submission"
        return "assay: short runs, all queries alike; not MLPerf"


EARLY_STOPPING_QUERIES = {90: 64, 95: 130, 99: 662}
"""Fewest queries from which LoadGen bounds each percentile: with one query over the bound, 99 % confidence (METHOD 2;
MLPerf inference rules, appendix "Early Stopping Criterion")."""

MLPERF_MIN_DURATION_S = 600.0
"""``min_duration`` of every scenario in LoadGen's own mlperf.conf."""
MLPERF_MIN_QUERIES = {Scenario.SINGLE_STREAM: 1024, Scenario.MULTI_STREAM: 270_336, Scenario.SERVER: 270_336}
"""``min-queries`` of ResNet-50 and BERT in MLPerf's submission checker (tools/submission, constants of v6.0).

The rules accept fewer where early stopping is satisfied; ``dataclasses.replace(settings, min_queries=...)`` does too.
"""
MLPERF_OFFLINE_SAMPLES = 24_576
"""``Offline.min_query_count`` of ResNet-50 in mlperf.conf; the rules' "at least 24,576 samples" in one query."""
MLPERF_PERCENTILES = {Scenario.SINGLE_STREAM: 90, Scenario.MULTI_STREAM: 99, Scenario.SERVER: 99, Scenario.OFFLINE: 90}
"""``target_latency_percentile`` in mlperf.conf."""
SAMPLES_PER_QUERY = 8
"""Of the MultiStream scenario: ``samples_per_query`` in mlperf.conf."""

_SHORT_DURATION_S = 5.0
_SHORT_PERCENTILE = 90
_SHORT_FACTORS = {Scenario.SINGLE_STREAM: 1, Scenario.MULTI_STREAM: 1, Scenario.SERVER: 2, Scenario.OFFLINE: 0}
"""How many times the fewest queries, or none. Of the fewest one may be late, of twice as many five."""


@dataclass(frozen=True, slots=True)
class ScenarioSettings:
    """One run of LoadGen.

    ``percentile`` is that which is judged (and bounded by early stopping). ``min_queries`` counts queries of
    ``samples_per_query`` samples; Offline sends one query, of at least ``min_samples``. ``rate_per_s`` and
    ``latency_target_ns`` belong to Server. More than ``most_waiting`` unanswered queries end a Server run early, as
    INVALID (0: never). Random seeds are those of LoadGen's own mlperf.conf; each ``repetition`` of a Server run has
    arrival times of its own.
    """

    scenario: Scenario
    profile: Profile
    percentile: int
    min_duration_s: float
    min_queries: int = 1
    min_samples: int = 1
    samples_per_query: int = 1
    rate_per_s: float | None = None
    latency_target_ns: int | None = None
    most_waiting: int = 0
    repetition: int = 0


def choose_settings(
    scenario: Scenario,
    profile: Profile = Profile.ASSAY,
    *,
    percentile: int | None = None,
    min_duration_s: float | None = None,
) -> ScenarioSettings:
    """Settings of a scenario in a profile; Server needs :func:`at_rate` before it can run.

    ``percentile`` and ``min_duration_s`` change the ``assay`` profile only. Raises UsageError.
    """
    samples = SAMPLES_PER_QUERY if scenario is Scenario.MULTI_STREAM else 1
    if profile is Profile.MLPERF_LIKE:
        if percentile is not None or min_duration_s is not None:
            raise UsageError(
                "The profile 'mlperf-like' fixes percentile and duration.", hint="Leave them out, or use 'assay'."
            )
        return ScenarioSettings(
            scenario=scenario,
            profile=profile,
            percentile=MLPERF_PERCENTILES[scenario],
            min_duration_s=MLPERF_MIN_DURATION_S,
            min_queries=MLPERF_MIN_QUERIES.get(scenario, 1),
            min_samples=MLPERF_OFFLINE_SAMPLES if scenario is Scenario.OFFLINE else 1,
            samples_per_query=samples,
        )
    chosen = percentile if percentile is not None else _SHORT_PERCENTILE
    if chosen not in EARLY_STOPPING_QUERIES:
        known = ", ".join(map(str, EARLY_STOPPING_QUERIES))
        raise UsageError(f"Got the percentile {chosen}, expected one of {known}.")
    return ScenarioSettings(
        scenario=scenario,
        profile=profile,
        percentile=chosen,
        min_duration_s=_SHORT_DURATION_S if min_duration_s is None else min_duration_s,
        min_queries=_SHORT_FACTORS[scenario] * EARLY_STOPPING_QUERIES[chosen] or 1,
        samples_per_query=samples,
    )


def at_rate(
    settings: ScenarioSettings, rate_per_s: float, *, latency_target_ns: int, repetition: int = 0
) -> ScenarioSettings:
    """Set the rate of a Server run.

    The short profile gives up once ten times the queries wait that the target allows (Little's law: at this rate,
    rate x target queries are in the system when each takes as long as the target).
    """
    is_short = settings.profile is Profile.ASSAY
    return dataclasses.replace(
        settings,
        rate_per_s=rate_per_s,
        latency_target_ns=latency_target_ns,
        most_waiting=max(100, round(10 * rate_per_s * latency_target_ns / 1e9)) if is_short else 0,
        repetition=repetition,
    )


def estimate_samples(settings: ScenarioSettings, *, batch: int, call_ns: float) -> float:
    """How many samples a run will take, from the time of one call on ``batch`` samples."""
    per_ns = batch / call_ns
    if settings.scenario is Scenario.OFFLINE:
        return max(settings.min_samples, settings.min_duration_s * 1e9 * per_ns)
    fewest = settings.min_queries * settings.samples_per_query
    if settings.scenario is Scenario.SERVER:
        return max(fewest, settings.min_duration_s * (settings.rate_per_s or 0))
    return max(fewest, settings.min_duration_s * 1e9 * per_ns)


def estimate_scenario_s(settings: ScenarioSettings, *, batch: int, call_ns: float) -> float:
    """How long a run will take, in s: the arrivals of a Server run, or the work that the samples are."""
    samples = estimate_samples(settings, batch=batch, call_ns=call_ns)
    busy_s = samples / batch * call_ns / 1e9
    if settings.scenario is Scenario.SERVER and settings.rate_per_s:
        return max(busy_s, samples / settings.rate_per_s, settings.min_duration_s)
    return max(busy_s, settings.min_duration_s)
