"""What all ranks read, put together to the one result of a launch. May import: core, engines, probes, runner."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from assay.core.records import MetricValue, SampleSeries
from assay.engines.training_base import TrainingSession
from assay.probes.noise import measure_noise
from assay.runner.protocol import Measured
from assay.runner.rank_exchange import WORK, describe_exchange, message_series, straggler_ratio
from assay.runner.rank_group import find_backend
from assay.runner.rank_passes import Passes, Ready, Setting
from assay.runner.rank_steps import PartTimes, mean_losses
from assay.runner.train import PARTS, Learned, judge_losses, scale_losses

_CROWDED = ("psi_cpu_some_share", "involuntary_switches_per_cpu_s", "involuntary_switches_per_sample")
"""Witnesses of waiting for a CPU: where the ranks fill all of them, they wait for each other, and it says no more."""


def sum_up(setting: Setting, ready: Ready, passes: Passes, costs: dict[str, int]) -> Measured:
    """Gather what every rank read, and make this rank's result of it. Raises EngineError where nothing was learned."""
    training, group = ready.training, setting.group
    ranks = group.gather(
        {
            "steps": passes.timed.values,
            "work_ns": passes.silent.median_ns(*WORK) if passes.silent else None,
            "cpu_ns": passes.cpu_ns,
            "memory": dict(passes.memory),
            "losses": ready.losses.values,
        }
    )
    losses = mean_losses([one["losses"] for one in ranks], ready.parallel.loss_rank)
    learned = judge_losses(losses, training.steps_to_learn)
    threads = training.session.threads
    own = ranks[setting.seat.rank - setting.seat.local_rank :][: setting.seat.local_ranks]
    cpus, cpu_ns = os.cpu_count() or 1, sum(one["cpu_ns"] for one in own)
    before, after = passes.snapshots
    witnesses = measure_noise(
        replace(before, children_cpu_ns=None),
        # What the other ranks take, and the processes that load their data, is no disturbance.
        replace(after, process_cpu_ns=before.process_cpu_ns + cpu_ns, children_cpu_ns=None),
        samples=len(passes.timed.values),
        threads=threads * setting.seat.local_ranks,
        cpus=cpus,
    )
    crowded = threads * setting.seat.local_ranks >= cpus
    if crowded:
        witnesses = {name: value for name, value in witnesses.items() if name not in _CROWDED}
    costs |= {"warmup": passes.warm.wall_ns, "measure": passes.timed.wall_ns}
    return Measured(
        values=(),
        device_values=(),
        calls_per_sample=1,
        stop_reason=passes.timed.stop_reason,
        median_ns=passes.timed.median_ns,
        warmup_calls=passes.warm.steps,
        warmup_converged=passes.warm.converged,
        costs_ns=costs,
        memory_bytes={name: max(one["memory"].get(name, 0) for one in ranks) for name in passes.memory},
        witnesses=witnesses,
        effective_precision=training.session.effective_precision,
        threads=threads,
        hardware=training.session.hardware,
        parameters=training.session.parameters,
        facts={
            **training.session.facts, **training.facts, **_describe(setting, ready, crowded=crowded, cpus=cpus),
            "learned": f"loss {learned.first:.4g} to {learned.last:.4g} in {learned.steps} steps",
        },
        fidelity_reason=None,
        series=_series(setting, ready, passes, ranks, losses),
        metrics=_metrics(setting, ready, passes, ranks, learned),
        marks_ns=passes.marks_ns,
        energy=passes.energy,
    )  # fmt: skip


def _describe(setting: Setting, ready: Ready, *, crowded: bool, cpus: int) -> dict[str, str]:
    seat = setting.seat
    facts = {
        "ranks": str(seat.ranks),
        "machines": str(seat.ranks // seat.local_ranks),
        "strategy": ready.parallel.strategy,
        "backend": find_backend(setting.place.device.type),
        "memory_of": "the rank that takes most",
    }
    if ready.parallel.strategy == "ddp":
        facts["unused_parameters"] = "looked for in every step" if ready.left_out else "none"
    if crowded:
        threads = ready.training.session.threads * seat.local_ranks
        facts["crowded"] = (
            f"{seat.local_ranks} ranks of {ready.training.session.threads} threads fill {cpus} processors "
            f"({threads} threads): witnesses of waiting for a CPU are left out"
        )
    return facts


def _series(
    setting: Setting, ready: Ready, passes: Passes, ranks: list[dict[str, Any]], losses: list[float]
) -> tuple[SampleSeries, ...]:
    """Rank 0's steps first (on another machine, those of its first rank), parts, mean loss; then the others' steps."""
    own = setting.seat.rank
    parts = passes.whole.values.items() if passes.whole else ()
    return (
        SampleSeries("latency", "ns", passes.timed.values, rank=own),
        *(
            SampleSeries(part, "ns", tuple(values))
            for part, values in parts
            if part != "loss_time" or ready.training.separates_loss
        ),
        SampleSeries("loss", "1e-9", scale_losses(losses)),
        *message_series(passes.exchange),
        *(
            SampleSeries("rank_latency", "ns", tuple(one["steps"]), rank=rank)
            for rank, one in enumerate(ranks)
            if rank != own
        ),
    )


def _metrics(
    setting: Setting, ready: Ready, passes: Passes, ranks: list[dict[str, Any]], learned: Learned
) -> tuple[MetricValue, ...]:

    training, strategy = ready.training, ready.parallel.strategy
    found = [
        *_part_metrics(training, passes.whole),
        MetricValue("loss_ratio", learned.ratio, "1", n=learned.steps),
        MetricValue("loss", learned.last, "1", phase="training", n=learned.steps),
    ]
    if training.trainable_parameters is not None:
        found.append(MetricValue("trainable_parameters", float(training.trainable_parameters), "1"))
    if passes.silent is None:
        reason = f"under {strategy} this step cannot be computed without its exchange"
        found.append(MetricValue("straggler_ratio", None, "1", reason=reason))
    else:
        found.append(MetricValue("straggler_ratio", straggler_ratio([one["work_ns"] for one in ranks]), "1"))
    reason = f"{strategy} exchanges in the midst of forward and backward, and cannot be told apart in this way"
    step_ns = passes.timed.median_ns
    found += describe_exchange(passes.exchange, ranks=setting.seat.ranks, step_ns=step_ns, silent_reason=reason)
    return tuple(found)


def _part_metrics(training: TrainingSession, whole: PartTimes | None) -> Iterator[MetricValue]:
    """The parts of a step, as for one rank; without any, the reason."""
    if whole is None:
        reason = "a pipeline computes forward of one micro-batch beside backward of another"
        for name, unit in (*((f"{part}_ns", "ns") for part in PARTS), ("parts_share", "1"), ("data_wait_share", "1")):
            yield MetricValue(name, None, unit, reason=reason)
        return
    count = len(whole.whole)
    for part in PARTS:
        if part == "loss_time" and not training.separates_loss:
            reason = "the model computes its loss in its forward pass"
            yield MetricValue("loss_time_ns", None, "ns", reason=reason)
        else:
            yield MetricValue(f"{part}_ns", whole.median_ns(part), "ns", n=count)
    total = whole.median_ns(*PARTS)
    yield MetricValue("parts_share", total / statistics.median(whole.whole), "1", n=count)
    yield MetricValue("data_wait_share", whole.median_ns("data_wait") / total, "1", n=count)
