"""The device probe as a run: launches of fresh processes, kept in the store like any other, and found there again.

May import: core, catalog, stats, store, probes, runner.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay import __version__
from assay.catalog.metrics import metrics as registry
from assay.catalog.probe_metrics import (
    CACHE_BANDWIDTH,
    CONVOLUTION_RATE,
    COPY_BANDWIDTH,
    GEMM_RATE,
    LAUNCH_OVERHEAD,
)
from assay.core.case import Case, series_id
from assay.core.ids import new_id
from assay.core.records import EnvironmentRecord, LaunchRecord, MetricValue, ResultRecord, RunBundle, RunRecord
from assay.core.words import Direction, RunStatus, Status
from assay.probes.environment import hardware_class, source_hash
from assay.probes.noise import judge_noise
from assay.probes.rates.kernels import parse_size
from assay.runner.collect import judge_launches
from assay.runner.probe_process import Probed, ProbeJob, ProbeOutcome, Rate, run_probe_launch
from assay.runner.repository import read_repository
from assay.stats.roofline import DeviceRates
from assay.stats.summary import launch_interval
from assay.store import Store

SUITE = "probe"
WORKLOAD = "probe/device"
ENGINE = "torch"
DEFAULT_LAUNCHES = 3
_LAUNCH_LIMIT_S = 180.0
"""Ten times what a launch takes."""

Launcher = Callable[..., ProbeOutcome]


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """What to probe. ``precisions`` empty: those that the device has natively.

    ``is_threads_asked`` makes the thread count a part of the case, as ``--threads`` does for any other.
    ``window_scale`` is 1 but in tests, and is kept with the run.
    """

    device: str
    threads: int
    precisions: tuple[str, ...] = ()
    launches: int = DEFAULT_LAUNCHES
    is_threads_asked: bool = False
    window_scale: float = 1.0
    tags: tuple[str, ...] = ()
    note: str | None = None

    @property
    def case(self) -> Case:
        """The case that the result is kept under."""
        options: dict[str, int] = {"threads": self.threads} if self.is_threads_asked else {}
        return Case.make(workload=WORKLOAD, engine=ENGINE, device=self.device, options=options)


@dataclass(frozen=True, slots=True)
class ProbeProgress:
    """What is being measured, in which launch (from 1) of how many; ``launch`` is set when one has ended."""

    number: int
    total: int
    phase: str
    launch: LaunchRecord | None = None


@dataclass(frozen=True, slots=True)
class FinishedProbe:
    """A published probe: one run with one result."""

    run: RunRecord
    result: ResultRecord
    launches: tuple[LaunchRecord, ...]


@dataclass(frozen=True, slots=True)
class ProbeRates:
    """What the newest probe of a device measured, and where that stands."""

    rates: DeviceRates
    run_id: str
    host_id: str
    measured_at: datetime
    threads: int | None
    verdict: str | None


def run_probe(
    request: ProbeRequest,
    environment: EnvironmentRecord,
    store: Store,
    *,
    listener: Callable[[ProbeProgress], None] = lambda _progress: None,
    launcher: Launcher = run_probe_launch,
    folder: Path | None = None,
) -> FinishedProbe:
    """Make the launches, keep each in the journal, publish the run; Ctrl-C publishes what is done as interrupted.

    The first launch that fails ends the probe. Raises StoreError where the store cannot be written.
    """
    store.check_writable()
    header = _begin_run(request, environment, folder or Path.cwd())
    result_id = new_id()
    launches: list[LaunchRecord] = []
    probed: list[Probed] = []
    with store.journal(header.run_id) as journal:
        journal.record(header)
        journal.record(environment)
        status = RunStatus.OK
        try:
            for ordinal in range(request.launches):
                outcome = _launch(request, ordinal, listener, launcher)
                launch = _record_launch(outcome, ordinal, header.run_id, result_id)
                launches.append(launch)
                journal.record(launch)
                listener(ProbeProgress(ordinal + 1, request.launches, "done", launch))
                if not isinstance(outcome.outcome, Probed):
                    status = RunStatus.FAILED
                    break
                probed.append(outcome.outcome)
                journal.record(_summarise(request, environment, header, result_id, launches, probed))
        except KeyboardInterrupt:
            status = RunStatus.INTERRUPTED
        result = _summarise(request, environment, header, result_id, launches, probed)
        run = replace(header, status=status, finished_at=datetime.now(UTC))
        store.publish(RunBundle(run, environment, (result,), tuple(launches)), journal)
    return FinishedProbe(run, result, tuple(launches))


def latest_probe(
    store: Store, environment: EnvironmentRecord, device: str, *, threads: int | None = None
) -> ProbeRates | None:
    """Return the newest probe of this device here, else of one of the same class elsewhere; None where there is none.

    ``threads`` asks for a probe with as many CPU threads. None asks for one that was told no number, as runs usually
    are not; where there is none, any.
    """
    wanted = hardware_class(environment.facts, device)
    found: dict[tuple[bool, bool], ProbeRates] = {}
    for run in store.runs(suite=SUITE):  # newest first
        if run.status is not RunStatus.OK:
            continue
        for result in store.results(run_id=run.run_id):
            if (result.case.workload, result.case.device, result.hardware) != (WORKLOAD, device, wanted):
                continue
            if result.status is not Status.OK:
                continue
            rates = _read_rates(store, run, result)
            if threads is not None and rates.threads != threads:
                continue
            is_usual = threads is not None or "threads" not in dict(result.case.options)
            if rates.host_id == environment.host_id and is_usual:
                return rates
            found.setdefault((rates.host_id == environment.host_id, is_usual), rates)
    # Another machine of this class with all its threads is nearer than this one with some of them.
    return next((found[one] for one in ((False, True), (True, False), (False, False)) if one in found), None)


def rates_of(result: ResultRecord) -> DeviceRates:
    """Read the rates out of a probe's result."""
    return DeviceRates(
        gemm_flops_per_s=_by_phase(result, GEMM_RATE.name),
        convolution_flops_per_s=_by_phase(result, CONVOLUTION_RATE.name),
        read_bytes_per_s={parse_size(phase): value for phase, value in _by_phase(result, CACHE_BANDWIDTH.name).items()},
        copy_bytes_per_s=_by_phase(result, COPY_BANDWIDTH.name).get("steady"),
        launch_overhead_ns=_by_phase(result, LAUNCH_OVERHEAD.name).get("steady"),
    )


def _by_phase(result: ResultRecord, name: str) -> dict[str, float]:
    return {
        metric.phase: metric.value
        for metric in result.metrics
        if metric.name == name and metric.stat == "median" and metric.value is not None
    }


def _read_rates(store: Store, run: RunRecord, result: ResultRecord) -> ProbeRates:
    launches = store.launches(run_id=run.run_id)
    return ProbeRates(
        rates=rates_of(result),
        run_id=run.run_id,
        host_id=store.environment(run.env_id).host_id,
        measured_at=result.measured_at or run.started_at,
        threads=next((launch.threads for launch in launches if launch.threads is not None), None),
        verdict=None if result.verdict is None else result.verdict.value,
    )


def _launch(
    request: ProbeRequest, ordinal: int, listener: Callable[[ProbeProgress], None], launcher: Launcher
) -> ProbeOutcome:
    return launcher(
        ProbeJob(request.device, request.precisions, request.threads, request.window_scale),
        limit_s=_LAUNCH_LIMIT_S,
        on_phase=lambda phase: listener(ProbeProgress(ordinal + 1, request.launches, phase)),
    )


def _begin_run(request: ProbeRequest, environment: EnvironmentRecord, folder: Path) -> RunRecord:
    """The run row as it would stand if everything stopped now."""
    now = datetime.now(UTC)
    repository = read_repository(folder)
    return RunRecord(
        run_id=new_id(),
        suite=SUITE,
        status=RunStatus.INTERRUPTED,
        started_at=now,
        finished_at=now,
        env_id=environment.env_id,
        config={"probe": {"device": request.device, "precisions": list(request.precisions),
                          "threads": request.threads, "launches": request.launches,
                          "window_scale": request.window_scale}},
        cases_planned=1,
        assay_version=__version__,
        source_hash=source_hash(),
        git_commit=repository.commit,
        git_branch=repository.branch,
        git_dirty=repository.dirty,
        tags=request.tags,
        note=request.note,
    )  # fmt: skip


def _record_launch(outcome: ProbeOutcome, ordinal: int, run_id: str, result_id: str) -> LaunchRecord:
    said = outcome.outcome
    witnesses: dict[str, float] = {"supervisor_cpu_share": outcome.supervisor_cpu_share}
    identity: dict[str, Any] = {
        "launch_id": new_id(),
        "run_id": run_id,
        "result_id": result_id,
        "origin_run_id": run_id,
        "ordinal": ordinal,
        "started_at": outcome.started_at,
        "wall_ns": outcome.wall_ns,
    }
    if not isinstance(said, Probed):
        return LaunchRecord(**identity, status=said.status, reason=said.reason, witnesses=witnesses)
    witnesses |= said.witnesses
    verdict, reasons = judge_noise(witnesses)
    return LaunchRecord(
        **identity,
        status=Status.OK,
        verdict=verdict,
        verdict_reasons=reasons,
        threads=said.threads,
        costs_ns=said.costs_ns,
        witnesses=witnesses,
        engine_facts={**said.facts, **({"device_name": said.hardware} if said.hardware else {})},
        samples=said.series,
    )


def _summarise(
    request: ProbeRequest,
    environment: EnvironmentRecord,
    header: RunRecord,
    result_id: str,
    launches: Sequence[LaunchRecord],
    probed: Sequence[Probed],
) -> ResultRecord:
    case = request.case
    hardware = hardware_class(environment.facts, request.device)
    good = [launch for launch in launches if launch.status is Status.OK]
    bad = next((launch for launch in launches if launch.status is not Status.OK), None)
    status, reason = Status.OK, None
    if bad is not None:
        status, reason = bad.status, f"launch {bad.ordinal + 1} of {request.launches}: {bad.reason}"
    elif not good:
        status, reason = Status.SKIPPED, "interrupted before its first launch"
    # The rule about few samples is for latencies: a launch of the probe has some of many kernels.
    verdict, reasons = judge_launches([replace(launch, samples=()) for launch in good]) if good else (None, ())
    return ResultRecord(
        result_id=result_id,
        run_id=header.run_id,
        series_id=series_id(case.case_id, hardware),
        case=case,
        status=status,
        measured_at=max((launch.started_at for launch in launches if launch.started_at), default=header.started_at),
        reason=reason,
        verdict=verdict if status is Status.OK else None,
        verdict_reasons=reasons if status is Status.OK else (),
        hardware=hardware,
        launches_planned=request.launches,
        launches_ok=len(good),
        metrics=tuple(_metrics(probed)) if status is Status.OK else (),
    )


def _metrics(probed: Sequence[Probed]) -> Iterator[MetricValue]:
    """Median over launches with its interval, and the best sample, of each rate; the reason where one is missing."""
    by_key: dict[tuple[str, str], list[Rate]] = {}
    for one in probed:
        for rate in one.rates:
            by_key.setdefault((rate.metric, rate.phase), []).append(rate)
    for (name, phase), rates in by_key.items():
        metric = registry.get(name)
        values = [rate.value for rate in rates]
        interval = launch_interval(values)
        lo, hi = (interval.lo, interval.hi) if interval else (None, None)
        median = statistics.median(values)
        yield MetricValue(name, median, metric.unit, "median", phase, ci_lo=lo, ci_hi=hi, n=len(values))
        choose = max if metric.direction is Direction.HIGHER else min
        yield MetricValue(name, choose(rate.best for rate in rates), metric.unit, "best", phase, n=len(values))
    yield from _missing(by_key, probed[0].missing if probed else {})


def _missing(found: Mapping[tuple[str, str], object], reasons: Mapping[str, str]) -> Iterator[MetricValue]:
    names = {"gemm": GEMM_RATE, "convolution": CONVOLUTION_RATE}
    for key, reason in reasons.items():
        word, _, precision = key.partition(" ")
        metric = names[word]
        if (metric.name, precision) not in found:
            yield MetricValue(metric.name, None, metric.unit, "median", precision, reason=reason)
