"""From the launches of a case to its result: median of launch medians, interval, spread, verdict.

May import: core, catalog, stats, runner.plan.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from assay.catalog.launch_metrics import COSTS, MEMORY
from assay.catalog.metrics import metrics as registry
from assay.core.case import series_id
from assay.core.records import LaunchRecord, MetricValue, ResultRecord
from assay.core.words import Fidelity, Mode, Status, Verdict
from assay.runner.generate_summary import summarise_generation
from assay.runner.modes import merge_launch_metrics
from assay.runner.plan import PlannedCase, is_own_reference
from assay.runner.training_summary import summarise_training
from assay.stats.fidelity import TOLERANCES, judge_fidelity
from assay.stats.summary import (
    PERCENTILE_MINIMUM_N,
    coefficient_of_variation,
    launch_interval,
    median_absolute_deviation,
    percentile,
)
from assay.workloads.base import UnitOfWork
from assay.workloads.generation import count_prompt_tokens

_METHOD_SAMPLES = 30
_PREPARING = "prepare_"


@dataclass(frozen=True, slots=True)
class CaseIdentity:
    """What a result says of its case beyond the numbers."""

    result_id: str
    run_id: str
    hardware: str
    launches_planned: int


def summarise_case(
    identity: CaseIdentity,
    planned: PlannedCase,
    launches: Sequence[LaunchRecord],
    *,
    now: datetime,
    parameters: int | None,
) -> ResultRecord:
    """Make the result of a case from its launches so far.

    A failed launch makes the result a failure with that launch's reason; launches that worked stay in the store.
    A case that was never launched takes its obstacle.
    """
    good = [launch for launch in launches if launch.status is Status.OK]
    bad = next((launch for launch in launches if launch.status is not Status.OK), None)
    status, reason = _judge_status(planned, good, bad, identity.launches_planned)
    verdict, reasons = judge_launches(good) if status is Status.OK else (None, ())
    fidelity, fidelity_reason = _judge_fidelity(planned, good) if status is Status.OK else (None, None)
    return ResultRecord(
        result_id=identity.result_id,
        run_id=identity.run_id,
        series_id=series_id(planned.case.case_id, identity.hardware),
        case=planned.case,
        status=status,
        measured_at=max((launch.started_at for launch in launches if launch.started_at), default=now),
        reason=reason,
        verdict=verdict,
        verdict_reasons=reasons,
        effective_precision=good[0].effective_precision if good else None,
        fidelity=fidelity,
        fidelity_reason=fidelity_reason,
        hardware=identity.hardware,
        parameters=parameters if parameters is not None else planned.workload.size.parameters,
        units_per_call=planned.units_per_call,
        unit_of_work=planned.unit_of_work,
        launches_planned=identity.launches_planned,
        launches_ok=len(good),
        metrics=tuple(_summarise(planned, good)) if status is Status.OK else (),
    )


def _judge_status(
    planned: PlannedCase, good: Sequence[LaunchRecord], bad: LaunchRecord | None, launches_planned: int
) -> tuple[Status, str | None]:
    if planned.obstacle is not None:
        return planned.obstacle.status, planned.obstacle.reason
    if bad is not None:
        place = f"launch {bad.ordinal + 1} of {launches_planned}: " if good else ""
        return bad.status, f"{place}{bad.reason}"
    if not good:
        return Status.SKIPPED, "interrupted before its first launch"
    return Status.OK, None


def _judge_fidelity(planned: PlannedCase, launches: Sequence[LaunchRecord]) -> tuple[Fidelity | None, str | None]:
    """METHOD 4: the worst launch decides. None where no launch was compared, with the reason.

    Training has a gate of its own, in the launch (a model that does not learn fails); data has no answers.
    """
    if planned.case.mode in (Mode.TRAINING, Mode.DATA):
        return None, None
    compared = [launch.fidelity for launch in launches if launch.fidelity]
    if not compared:
        reason = next((launch.fidelity_reason for launch in launches if launch.fidelity_reason), None)
        if reason is None and is_own_reference(planned):
            return Fidelity.REFERENCE, None
        return None, reason
    if planned.case.mode is Mode.GENERATION:
        share = min(numbers["token_agreement"] for numbers in compared)
        before = min(numbers["tokens_before_difference"] for numbers in compared)
        return (
            None,
            f"texts are compared, not judged: {100 * share:.0f} % of the tokens agree, the first {before:.0f} all",
        )
    for numbers in compared:
        passed, reason = judge_fidelity(numbers, planned.case.precision)
        if not passed:
            return Fidelity.FAILED, reason
    return Fidelity.PASSED, None


def judge_launches(launches: Sequence[LaunchRecord]) -> tuple[Verdict, tuple[str, ...]]:
    """Judge a result by its launches: the median verdict, and never trusted beside a contaminated launch.

    The median of launch medians survives a minority of disturbed launches; the verdict follows the same
    majority, and every distinct reason is kept with how many launches gave it.
    """
    verdicts = sorted((launch.verdict or Verdict.TRUSTED for launch in launches), key=list(Verdict).index)
    verdict = verdicts[len(verdicts) // 2]
    if verdict is Verdict.TRUSTED and Verdict.CONTAMINATED in verdicts:
        verdict = Verdict.NOISY
    reasons = []
    for level in (Verdict.CONTAMINATED, Verdict.NOISY):
        affected = [launch for launch in launches if launch.verdict is level]
        if affected:
            example = affected[0].verdict_reasons[0] if affected[0].verdict_reasons else "no reason recorded"
            reasons.append(f"{len(affected)} of {len(launches)} launches {level}: {example}")
    unsettled = [launch for launch in launches if launch.warmup_converged is False]
    if unsettled:
        reasons.append(f"{len(unsettled)} of {len(launches)} launches: the warm-up had not settled at its limit")
    few = min((len(launch.samples[0].values) for launch in launches if launch.samples), default=_METHOD_SAMPLES)
    if few < _METHOD_SAMPLES:
        reasons.append(f"a launch has only {few} samples (calls are long or the window was short)")
    return verdict, tuple(reasons)


def _summarise(planned: PlannedCase, launches: Sequence[LaunchRecord]) -> Iterable[MetricValue]:
    medians = [launch.median_ns for launch in launches if launch.median_ns is not None]
    if not medians:
        return
    n = len(medians)
    latency = statistics.median(medians)
    interval = launch_interval(medians)
    lo, hi = (interval.lo, interval.hi) if interval else (None, None)
    yield _metric("latency_ns", latency, ci_lo=lo, ci_hi=hi, n=n)
    yield _metric("latency_ns", median_absolute_deviation(medians), stat="mad", n=n)
    yield _metric("latency_ns", coefficient_of_variation(medians), stat="cv", n=n, reason="needs 2 launches", unit="1")
    yield from _latency_of_calls(launches)
    if planned.case.mode is not Mode.SERVING:  # where queries wait, the latency of one says nothing of how many
        # In the registry's unit, which the store's column has; what is counted is the result's unit of work.
        rates = {"throughput_per_s": planned.units_per_call, "real_time_factor": _audio_seconds(planned)}
        for name, units in rates.items():
            if units is not None:
                rate_lo, rate_hi = units * 1e9 / hi if hi else None, units * 1e9 / lo if lo else None
                yield _metric(name, units * 1e9 / latency, ci_lo=rate_lo, ci_hi=rate_hi, n=n)
    merge = summarise_training if planned.case.mode is Mode.TRAINING else merge_launch_metrics
    yield from merge([launch.metrics for launch in launches])
    if planned.case.mode is Mode.GENERATION:
        prompt = count_prompt_tokens(planned.workload, dict(planned.case.shape))
        yield from summarise_generation(
            launches, batch=planned.case.batch, new_tokens=planned.new_tokens, prompt_tokens=prompt
        )
    for name, key in COSTS.items():
        yield from _over_launches(name, key, launches, statistics.median, "median")
    for name, key in MEMORY.items():
        yield from _over_launches(name, key, launches, max, "max")
    yield from _preparation(launches)
    yield from _fidelity(planned, launches)


def _audio_seconds(planned: PlannedCase) -> float | None:
    """Seconds of sound that one call hears, or one generation, whose own unit is the token; None of other work."""
    if planned.case.mode is not Mode.GENERATION:
        return planned.units_per_call if planned.unit_of_work == UnitOfWork.AUDIO_SECOND else None
    if planned.workload.family.unit is not UnitOfWork.AUDIO_SECOND:
        return None
    return planned.workload.units_per_call(planned.case.batch, dict(planned.case.shape))


def _preparation(launches: Sequence[LaunchRecord]) -> Iterable[MetricValue]:
    """What making the artefacts took, and how large the model is that runs."""
    takes = [value for name, value in launches[0].costs_ns.items() if name.startswith(_PREPARING)]
    if takes:
        yield _metric("export_ns", float(sum(takes)), n=1)
    sizes = [int(text) for name, text in launches[0].engine_facts.items() if name == "model_bytes" and text.isdecimal()]
    if sizes:
        yield _metric("model_bytes", float(sizes[0]), stat="max", n=1)


def _fidelity(planned: PlannedCase, launches: Sequence[LaunchRecord]) -> Iterable[MetricValue]:
    compared = [launch.fidelity for launch in launches if launch.fidelity]
    if not compared:
        return
    if planned.case.mode is Mode.GENERATION:
        for name in ("token_agreement", "tokens_before_difference"):
            yield _metric(name, min(numbers[name] for numbers in compared), stat="worst", n=len(compared))
        return
    worst: dict[str, Callable[[list[float]], float]] = {
        "max_relative_error": max, "mean_relative_error": max, "cosine": min, "top1_agreement": min,
    }  # fmt: skip
    for name, reduce in worst.items():
        values = [numbers[name] for numbers in compared if name in numbers]
        value = reduce(values) if values else None
        yield _metric(f"fidelity_{name}", value, stat="worst", n=len(compared), reason="not defined for these outputs")
    tolerance = TOLERANCES[planned.case.precision]
    yield _metric("fidelity_tolerance", tolerance, stat="bound", n=len(compared))


def _latency_of_calls(launches: Sequence[LaunchRecord]) -> Iterable[MetricValue]:
    """Best call and tail percentiles over the samples of all launches.

    A sample that spans several calls is their mean, and a percentile of means is not a percentile of calls.
    """
    series = [samples for launch in launches for samples in launch.samples if samples.name == "latency"]
    calls = [value / one.calls_per_sample for one in series for value in one.values]
    if not calls:
        return
    yield _metric("latency_ns", min(calls), stat="best", n=len(calls))
    blocked = any(one.calls_per_sample > 1 for one in series)
    for rank, fewest in PERCENTILE_MINIMUM_N.items():
        if blocked:
            yield _metric("latency_ns", None, stat=f"p{rank}", n=len(calls), reason="calls are timed in blocks")
        else:
            value = percentile(calls, rank)
            reason = None if value is not None else f"needs {fewest} samples, has {len(calls)}"
            yield _metric("latency_ns", value, stat=f"p{rank}", n=len(calls), reason=reason)


def _over_launches(
    name: str, key: str, launches: Sequence[LaunchRecord], reduce: Callable[[list[int]], float], stat: str
) -> Iterable[MetricValue]:
    source = "costs_ns" if name in COSTS else "memory_bytes"
    values = [getattr(launch, source)[key] for launch in launches if key in getattr(launch, source)]
    if values:
        yield _metric(name, float(reduce(values)), stat=stat, n=len(values))


def _metric(
    name: str,
    value: float | None,
    *,
    stat: str = "median",
    ci_lo: float | None = None,
    ci_hi: float | None = None,
    n: int | None = None,
    unit: str | None = None,
    reason: str | None = None,
) -> MetricValue:
    return MetricValue(
        name=name,
        value=value,
        unit=unit or registry.get(name).unit,
        stat=stat,
        ci_lo=ci_lo,
        ci_hi=ci_hi,
        n=n,
        reason=None if value is not None else reason,
    )
