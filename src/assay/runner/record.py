"""From what the supervisor heard and read to the row of a launch.

May import: core, probes, runner.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from assay.core.ids import new_id
from assay.core.records import LaunchRecord, SampleSeries, TelemetrySeries
from assay.core.words import Status
from assay.probes.noise import judge_noise
from assay.runner.prepare import Preparation
from assay.runner.protocol import Failed, Measured, Prepared
from assay.runner.supervise import LaunchOutcome


def record_launch(
    outcome: LaunchOutcome,
    ordinal: int,
    *,
    run_id: str,
    result_id: str,
    telemetry: tuple[TelemetrySeries, ...] = (),
    more_witnesses: Mapping[str, float] | None = None,
) -> LaunchRecord:
    """Turn what the supervisor got, and read meanwhile, into the row that is kept."""
    said = outcome.outcome
    witnesses: dict[str, float] = {"supervisor_cpu_share": outcome.supervisor_cpu_share, **(more_witnesses or {})}
    identity: dict[str, Any] = {
        "launch_id": new_id(),
        "run_id": run_id,
        "result_id": result_id,
        "origin_run_id": run_id,
        "ordinal": ordinal,
        "started_at": outcome.started_at,
        "wall_ns": outcome.wall_ns,
        "telemetry": telemetry,
    }
    if isinstance(said, Prepared):
        raise TypeError("a launch answered as if it had made an artefact")
    if isinstance(said, Failed):
        return LaunchRecord(**identity, status=said.status, reason=said.reason, witnesses=witnesses)
    witnesses |= said.witnesses
    verdict, reasons = judge_noise(witnesses)
    return LaunchRecord(
        **identity,
        status=Status.OK,
        verdict=verdict,
        verdict_reasons=reasons,
        effective_precision=said.effective_precision,
        threads=said.threads,
        median_ns=said.median_ns,
        warmup_calls=said.warmup_calls,
        warmup_converged=said.warmup_converged,
        stop_reason=said.stop_reason,
        costs_ns=said.costs_ns,
        memory_bytes=said.memory_bytes,
        witnesses=witnesses,
        engine_facts={**said.facts, **({"device_name": said.hardware} if said.hardware else {})},
        fidelity=said.fidelity,
        fidelity_reason=said.fidelity_reason,
        placement=said.placement,
        metrics=said.metrics,
        samples=_sample_series(said),
    )


def describe_preparation(launch: LaunchRecord, preparation: Preparation) -> LaunchRecord:
    """Note on a launch what it started from: what making that took, and what its makers said of it."""
    if launch.status is not Status.OK:
        return launch
    costs = {f"prepare_{recipe}": made.total_ns for recipe, made in preparation.artefacts.items()}
    facts = {
        f"{recipe}: {name}": text for recipe, made in preparation.artefacts.items() for name, text in made.facts.items()
    }
    made_here = {
        f"{recipe}: made": "in this run" if not made.was_cached else f"{made.made_at:%Y-%m-%d}, kept in the cache"
        for recipe, made in preparation.artefacts.items()
    }
    return replace(
        launch,
        costs_ns={**launch.costs_ns, **costs},
        engine_facts={**launch.engine_facts, **facts, **made_here},
        fidelity_reason=launch.fidelity_reason or preparation.reference_reason,
    )


def _sample_series(said: Measured) -> tuple[SampleSeries, ...]:
    if not said.values:
        return said.series
    wall = SampleSeries("latency", "ns", said.values, said.calls_per_sample)
    if not said.device_values:
        return (wall,)
    return (wall, SampleSeries("device_latency", "ns", said.device_values, said.calls_per_sample))
