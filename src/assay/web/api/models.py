"""Runs and results as the API gives them. Every number has its unit beside it or in its name.

May import: core, catalog, web.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from assay.catalog.metrics import metrics as registry
from assay.core.case import AnyCase
from assay.core.records import AnnotationRecord, LaunchRecord, MetricValue, ResultRecord, RunRecord, SampleSeries
from assay.core.words import Direction, Fidelity, Mark, Mode, Provenance, RunStatus, Status, Verdict
from assay.web.api.replies import Model, finite, plain

Scalar = bool | int | float | str | None


class AnnotationModel(Model):
    """What a person said."""

    annotation_id: str
    kind: str = Field(examples=["note", "accept", "mute", "split"])
    subject_kind: str = Field(examples=["run", "result", "series"])
    subject_id: str
    text: str
    author: str
    created_at: datetime
    metric: str | None = Field(description="The metric it is about; null: all.")
    expires_at: datetime | None


class CaseModel(Model):
    """What was measured. Of an imported result a field is null where its source does not say."""

    label: str = Field(description="All of it in words.", examples=["bert/base torch cpu fp32 b8 seq128"])
    workload: str = Field(description="Family and size.", examples=["bert/base"])
    family: str = Field(examples=["bert"])
    engine: str | None = Field(description="The software that executed.", examples=["torch"])
    device: str | None = Field(description="The device that was asked for.", examples=["cpu", "cuda:0"])
    mode: Mode
    precision: str | None = Field(description="The precision that was asked for.", examples=["fp32"])
    batch: int | None = Field(examples=[8])
    shape: dict[str, int] = Field(description="Free dimensions of the inputs.", examples=[{"seq": 128}])
    options: dict[str, Scalar] = Field(description="What else the case fixes.", examples=[{"threads": 4}])


class NumberModel(Model):
    """One number of a result. ``value`` null is not known, and ``reason`` says why."""

    name: str = Field(description="A metric of the registry.", examples=["latency_ns"])
    phase: str = Field(description="Part of the work that it is of.", examples=["steady"])
    stat: str = Field(description="Which statistic of the metric.", examples=["median"])
    value: float | None = Field(examples=[1234567.0])
    unit: str = Field(description="Unit of `value` and its bounds; `1` is none.", examples=["ns"])
    direction: Direction | None = Field(description="Which way is better; null of a metric that is not registered.")
    ci_lo: float | None = Field(description="Lower end of the 95 % interval.")
    ci_hi: float | None = Field(description="Upper end of the 95 % interval.")
    n: int | None = Field(description="What it was taken over: launches, or samples.")
    reason: str | None = Field(description="Why the value is not known.")


class ResultModel(Model):
    """One case in one run."""

    result_id: str
    run_id: str
    series_id: str = Field(description="The case on its class of hardware: one line on a trend plot.")
    case_id: str
    case: CaseModel
    provenance: Provenance = Field(description="Where every number of it is from.")
    status: Status
    reason: str | None = Field(description="Why it is not `ok`.")
    verdict: Verdict | None = Field(description="Whether to believe it; null where nothing was witnessed.")
    verdict_reasons: list[str]
    fidelity: Fidelity | None = Field(description="Whether its answers are right; null where that is not known.")
    fidelity_reason: str | None
    usable: bool = Field(description="Whether aggregates and rankings may use its numbers.")
    marks: dict[Mark, str] = Field(description="What is to be known before its numbers are used -> why.")
    hardware: str | None = Field(description="The class of hardware.")
    effective_precision: str | None = Field(description="The precision that really ran.")
    parameters: int | None = Field(description="Parameters of the model.")
    units_per_call: float | None = Field(description="Units of work that one call does.")
    unit_of_work: str | None = Field(description="What throughput counts.", examples=["sample"])
    launches_planned: int
    launches_ok: int
    measured_at: datetime | None = Field(description="Of an imported result: when its source says so.")
    source: str | None = Field(description="Of an imported result: its file or address.")
    source_place: str | None = Field(description="The place in it: a JSON pointer, or a row.")
    simulated: bool | None = Field(description="Whether the source itself calls it simulated; null: it does not say.")
    numbers: list[NumberModel]


class ResultDetail(ResultModel):
    """One case in one run, with where each number of an imported result comes from."""

    source_fields: dict[str, Any] = Field(description="The source's record under its own names.")
    conversions: dict[str, Any] = Field(description="`name.stat` of a number -> field, unit, factor, note.")
    fingerprint: str | None = Field(description="Shared by equal imported measurements, wherever they stand.")
    annotations: list[AnnotationModel] = Field(description="What people said of it, its run or its series.")


class RunModel(Model):
    """One execution of a plan, or one imported file."""

    run_id: str
    parent_id: str | None = Field(description="The run that this one resumed.")
    suite: str
    status: RunStatus
    provenance: Provenance
    started_at: datetime
    finished_at: datetime
    env_id: str
    hardware: str | None = Field(description="Hardware class of its environment; null where that is not stored.")
    cases_planned: int
    results: int = Field(description="How many results it has.")
    launches: int = Field(description="How many launches it has.")
    superseded: bool = Field(description="A run that resumed it is in the store, and holds its launches too.")
    assay_version: str
    git_commit: str | None = Field(description="Commit of the user's code.")
    git_branch: str | None
    git_dirty: bool | None
    tags: list[str]
    note: str | None
    import_id: str | None = Field(description="The import that it came with.")


class RunDetail(RunModel):
    """One run with its settings and its environment."""

    config: dict[str, Any] = Field(description="The settings it ran with.")
    environment: dict[str, Any] | None = Field(description="Facts of machine and software; null where not stored.")
    statuses: dict[Status, int] = Field(description="How many of its results ended how.")
    annotations: list[AnnotationModel]


class LaunchModel(Model):
    """One fresh process that timed one case. Costs, memory and witnesses: docs/measuring.md has names and units."""

    launch_id: str
    run_id: str
    result_id: str
    origin_run_id: str = Field(description="The run that made it.")
    ordinal: int
    provenance: Provenance
    status: Status
    reason: str | None
    started_at: datetime | None
    wall_ns: int | None
    median_ns: float | None = Field(description="Median of its samples; null where it has none.")
    verdict: Verdict | None
    verdict_reasons: list[str]
    effective_precision: str | None
    threads: int | None
    warmup_calls: int | None
    warmup_converged: bool | None
    stop_reason: str | None
    costs_ns: dict[str, int]
    memory_bytes: dict[str, int]
    witnesses: dict[str, float | None]
    engine_facts: dict[str, str]
    fidelity: dict[str, float | None]
    fidelity_reason: str | None
    placement: dict[str, int]
    numbers: list[NumberModel] = Field(description="Numbers that no series of samples holds.")


class SamplesModel(Model):
    """One series of raw readings of one launch."""

    launch_id: str
    result_id: str
    ordinal: int = Field(description="Place among the series of the launch.")
    provenance: Provenance
    name: str = Field(examples=["latency"])
    unit: str = Field(description="Unit of `values`.", examples=["ns"])
    calls_per_sample: int = Field(description="Calls that one reading spans: latency is value / calls_per_sample.")
    rank: int = Field(description="Process of a distributed launch.")
    count: int = Field(description="How many readings there are.")
    values: list[int] = Field(description="The first `max_values` readings, in the order taken.")
    left_out: int = Field(description="Readings beyond `max_values`.")


def case_of(case: AnyCase) -> CaseModel:
    """Return a case as the API gives it."""
    return CaseModel(
        label=plain(case.label), workload=plain(case.workload), family=plain(case.family), engine=plain(case.engine),
        device=plain(case.device), mode=case.mode, precision=None if case.precision is None else str(case.precision),
        batch=case.batch, shape=dict(case.shape), options=plain(dict(case.options)),
    )  # fmt: skip


def numbers_of(metrics: Iterable[MetricValue]) -> list[NumberModel]:
    """Return numbers as the API gives them. One that no JSON can say is null, and says so."""
    found = []
    for one in metrics:
        value = finite(one.value)
        is_odd = value is None and one.value is not None
        found.append(
            NumberModel(
                name=one.name,
                phase=one.phase,
                stat=one.stat,
                value=value,
                unit=one.unit,
                direction=direction_of(one.name),
                ci_lo=finite(one.ci_lo),
                ci_hi=finite(one.ci_hi),
                n=one.n,
                reason=f"it is stored as {one.value}" if is_odd else one.reason,
            )
        )
    return found


def direction_of(metric: str) -> Direction | None:
    """Return which way a metric is better, None of one that is not registered."""
    return registry.get(metric).direction if metric in registry.names() else None


def result_fields(result: ResultRecord) -> dict[str, Any]:
    """Return the fields of a ``ResultModel``."""
    return {
        "result_id": result.result_id, "run_id": result.run_id, "series_id": result.series_id,
        "case_id": result.case.case_id, "case": case_of(result.case), "provenance": result.provenance,
        "status": result.status, "reason": result.reason, "verdict": result.verdict,
        "verdict_reasons": list(result.verdict_reasons), "fidelity": result.fidelity,
        "fidelity_reason": result.fidelity_reason, "usable": result.is_usable, "marks": dict(result.marks),
        "hardware": result.hardware, "effective_precision": result.effective_precision,
        "parameters": result.parameters, "units_per_call": finite(result.units_per_call),
        "unit_of_work": result.unit_of_work, "launches_planned": result.launches_planned,
        "launches_ok": result.launches_ok, "measured_at": result.measured_at, "source": result.source,
        "source_place": result.source_place, "simulated": result.simulated, "numbers": numbers_of(result.metrics),
    }  # fmt: skip


def run_fields(run: RunRecord, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a ``RunModel``; ``row`` has what the record has not."""
    return {
        "run_id": run.run_id, "parent_id": run.parent_id, "suite": run.suite, "status": run.status,
        "provenance": run.provenance, "started_at": run.started_at, "finished_at": run.finished_at,
        "env_id": run.env_id, "hardware": row["hardware_class"], "cases_planned": run.cases_planned,
        "results": row["results_written"], "launches": row["launches_written"], "superseded": row["superseded"],
        "assay_version": run.assay_version, "git_commit": run.git_commit, "git_branch": run.git_branch,
        "git_dirty": run.git_dirty, "tags": list(run.tags), "note": run.note, "import_id": run.import_id,
    }  # fmt: skip


def launch_of(launch: LaunchRecord, provenance: Provenance) -> LaunchModel:
    """Return a launch as the API gives it."""
    same = {
        name: getattr(launch, name)
        for name in LaunchModel.model_fields
        if name in LaunchRecord.__dataclass_fields__
        and name not in {"verdict_reasons", "witnesses", "fidelity", "median_ns"}
    }
    return LaunchModel(
        **same,
        provenance=provenance,
        median_ns=finite(launch.median_ns),
        verdict_reasons=list(launch.verdict_reasons),
        witnesses={name: finite(value) for name, value in launch.witnesses.items()},
        fidelity={name: finite(value) for name, value in launch.fidelity.items()},
        numbers=numbers_of(launch.metrics),
    )


def samples_of(row: Mapping[str, Any], series: SampleSeries, provenance: Provenance, most: int) -> SamplesModel:
    """Return a series of readings as the API gives it, at most so many of them."""
    return SamplesModel(
        launch_id=row["launch_id"], result_id=row["result_id"], ordinal=row["ordinal"], provenance=provenance,
        name=series.name, unit=series.unit, calls_per_sample=series.calls_per_sample, rank=series.rank,
        count=len(series.values), values=list(series.values[:most]), left_out=max(0, len(series.values) - most),
    )  # fmt: skip


def annotation_of(record: AnnotationRecord) -> AnnotationModel:
    """Return what a person said as the API gives it."""
    return AnnotationModel(**{name: getattr(record, name) for name in AnnotationModel.model_fields})
