"""Runs composed for tests of comparing: the launches of each case as a test chooses them, and when they were made.

Loaded by path from several test modules, since tests are no package.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from assay.core.case import AnyCase, Case, series_id
from assay.core.ids import content_hash, new_id
from assay.core.records import (
    EnvironmentRecord,
    LaunchRecord,
    MetricValue,
    ResultRecord,
    RunBundle,
    RunRecord,
    SampleSeries,
)
from assay.core.words import Fidelity, Mark, Provenance, RunStatus, Status, Verdict
from assay.store import Store

HARDWARE = "some cpu 2c 8GiB"
MORNING = datetime(2026, 11, 6, 8, 0, tzinfo=UTC)
EVENING = MORNING + timedelta(hours=10)
STEADY = (1.0e6, 1.002e6, 0.999e6, 1.001e6, 0.998e6)
"""Launch medians in ns that scatter by 0.2 %."""


def times(factor: float, values: Sequence[float] = STEADY) -> tuple[float, ...]:
    """The same launches, so many times slower."""
    return tuple(factor * value for value in values)


def case(**changed: Any) -> Case:
    """The usual case with some fields changed."""
    usual: dict[str, Any] = {"workload": "bert/tiny", "engine": "torch", "device": "cpu", "shape": {"seq": 128}}
    return Case.make(**(usual | changed))


@dataclass(frozen=True, slots=True)
class Made:
    """One result to compose. ``values`` are medians of its launches, None of one that failed."""

    case: AnyCase = field(default_factory=case)
    values: Sequence[float | None] = STEADY
    status: Status = Status.OK
    reason: str | None = None
    hardware: str = HARDWARE
    verdict: Verdict = Verdict.TRUSTED
    verdicts: Sequence[Verdict] = ()
    units_per_call: float | None = 1.0
    unit_of_work: str | None = "sample"
    launch: Mapping[str, Any] = field(default_factory=dict)
    """Fields that every launch gets."""
    metrics: tuple[MetricValue, ...] = ()
    fidelity: Fidelity | None = None
    marks: Mapping[Mark, str] = field(default_factory=dict)
    effective_precision: str | None = "fp32"


def environment(host: str = "host", hardware: str = HARDWARE, **packages: str) -> EnvironmentRecord:
    """A machine with some packages."""
    facts = {"os": {"system": "Linux"}, "python": {"version": "3.12", "packages": {"numpy": "2.0", **packages}}}
    return EnvironmentRecord(content_hash([host, hardware, facts]), host, hardware, facts, MORNING)


def append_run(
    store: Store,
    *results: Made,
    at: datetime = MORNING,
    place: int = 0,
    made_in: EnvironmentRecord | None = None,
    provenance: Provenance = Provenance.MEASURED,
    **fields: Any,
) -> str:
    """Keep a run and return its id. Launch n of every case begins at ``at`` + 10 n seconds, plus ``place``.

    Two runs with the same ``at`` and other places took turns.
    """
    run_id = new_id()
    made_in = made_in or environment()
    records, launches = [], []
    for made in results:
        result_id = new_id()
        records.append(_result(result_id, run_id, made, at, provenance))
        launches += [
            _launch(result_id, run_id, made, ordinal, value, at + timedelta(seconds=10 * ordinal + place))
            for ordinal, value in enumerate(made.values)
        ]
    given: dict[str, Any] = {
        "run_id": run_id, "suite": "mine", "status": RunStatus.OK, "started_at": at + timedelta(seconds=place),
        "finished_at": at + timedelta(minutes=5), "env_id": made_in.env_id, "config": {},
        "cases_planned": len(results), "assay_version": "0.1.0", "source_hash": "abc", "provenance": provenance,
    }  # fmt: skip
    run = RunRecord(**(given | fields))
    store.append(RunBundle(run, made_in, tuple(records), tuple(launches)))
    return run_id


def _result(result_id: str, run_id: str, made: Made, at: datetime, provenance: Provenance) -> ResultRecord:
    known = [value for value in made.values if value is not None]
    metrics = list(made.metrics)
    if known and made.status is Status.OK:
        latency = statistics.median(known)
        metrics.insert(0, MetricValue("latency_ns", latency, "ns", n=len(known)))
        if made.units_per_call is not None:
            metrics.insert(1, MetricValue("throughput_per_s", made.units_per_call * 1e9 / latency, "1/s", n=len(known)))
    return ResultRecord(
        result_id=result_id,
        run_id=run_id,
        series_id=series_id(made.case.case_id, made.hardware),
        case=made.case,
        status=made.status,
        measured_at=at,
        reason=made.reason,
        verdict=made.verdict if made.status is Status.OK else None,
        effective_precision=made.effective_precision,
        fidelity=made.fidelity,
        fidelity_reason="off by 3" if made.fidelity is Fidelity.FAILED else None,
        hardware=made.hardware,
        units_per_call=made.units_per_call,
        unit_of_work=made.unit_of_work,
        launches_planned=len(made.values),
        launches_ok=len(known),
        metrics=tuple(metrics),
        provenance=provenance,
        marks=made.marks,
    )


def _launch(
    result_id: str, run_id: str, made: Made, ordinal: int, value: float | None, started_at: datetime
) -> LaunchRecord:
    verdict = made.verdicts[ordinal] if made.verdicts else Verdict.TRUSTED
    fields: dict[str, Any] = {
        "launch_id": new_id(), "run_id": run_id, "result_id": result_id, "origin_run_id": run_id, "ordinal": ordinal,
        "status": Status.OK if value is not None else Status.FAILED, "started_at": started_at, "wall_ns": 10**9,
        "median_ns": value, "verdict": verdict if value is not None else None,
    }  # fmt: skip
    own = {name: each[ordinal] if isinstance(each, list) else each for name, each in made.launch.items()}
    return LaunchRecord(**(fields | own))


def latency_samples(*values: int, calls_per_sample: int = 1) -> tuple[SampleSeries, ...]:
    """The series that timing plain calls leaves."""
    return (SampleSeries("latency", "ns", values, calls_per_sample),)
