"""Decisions and plans as plain rows: the same for JSON of the command line and of REST.

May import: core, predict, recommend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from assay.core.errors import UsageError
from assay.recommend.capacity import Load, Margin, ReplicaRate, plan_capacity, rank_capacities

if TYPE_CHECKING:
    from assay.predict.strategy import Plan
    from assay.predict.values import Question
    from assay.recommend.decision import Decision, Option


def describe_decision(found: Decision) -> Mapping[str, Any]:
    """Return a decision: options in order, those that lost and why, and what nothing could be told of."""
    return {
        "objective": found.objective.value,
        "ranked": [describe_option(one) for one in found.ranked],
        "lost": [describe_option(one) for one in found.lost],
        "abstained": describe_abstained(found.abstained),
        "notes": list(found.notes),
    }


def describe_abstained(abstained: Sequence[tuple[Question, str]]) -> list[dict[str, Any]]:
    """Return what there is no number of, each with the reason."""
    return [
        {
            "device": question.device.name,
            "precision": question.conditions.precision,
            "reason": why,
            "devices": question.conditions.devices,
        }
        for question, why in abstained
    ]


def describe_option(one: Option) -> dict[str, Any]:
    """Return one option: times in ns, rates of all its devices, cost in USD. Nothing that is not known is in it."""
    conditions, held = one.question.conditions, one.answer.intervals[-1:] or ()
    graph = one.question.graph
    return {
        "rank": one.rank, "device": one.question.device.name, "hw_id": one.question.device.hw_id,
        "provenance": one.provenance, "layer": one.answer.layer.value, "model": one.answer.model,
        "precision": conditions.precision, "batch": conditions.batch, "engine": conditions.engine,
        "latency_ns": one.latency_ns, "lo": held[0].lo if held else None, "hi": held[0].hi if held else None,
        "level": held[0].level if held else None, "rate_per_s": one.rate_per_s,
        "unit": None if graph is None else graph.unit_of_work, "replicas": one.replicas, "usd_h": one.usd_h,
        "price": None if one.price is None else one.price.origin, "usd_per_million": one.usd_per_million,
        "joules_per_million": one.joules_per_million, "p_meets": one.p_meets, "p_best": one.p_best,
        "regret": one.regret, "is_pareto": one.is_pareto, "misses": list(one.misses), "unknown": dict(one.unknown),
        "flags": list(one.answer.flags), "device_notes": list(one.question.device.notes),
        "devices": one.devices, "strategy": one.strategy.value, "is_validated": one.is_validated,
        "machine": None if one.machine is None else one.machine.label,
        "why": [] if one.plan is None else list(one.plan.reasons), "plan": _describe_plan(one.plan),
    }  # fmt: skip


def _describe_plan(plan: Plan | None) -> dict[str, Any] | None:
    """The parts of a time on several devices. ``bounds`` add up what was tested of each part alone."""
    if plan is None:
        return None
    return {
        "micro_batches": plan.micro_batches, "compute_ns": plan.compute_ns, "exchange_ns": plan.exchange_ns,
        "hideable_ns": plan.hideable_ns, "bubble": plan.bubble,
        "memory_bytes": None if plan.memory is None else plan.memory.value_bytes,
        "p_out_of_memory": plan.p_out_of_memory,
        "bounds": [{"level": held.level, "lo": held.lo, "hi": held.hi} for held in plan.bounds],
    }  # fmt: skip


def plan_rows(decision: Decision, load: Load, margin: Margin) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Return how many of each device a load takes, cheapest first; and devices of which no number carries it, and why.

    Raises UsageError for a load or a margin that cannot be.
    """
    options = {one.question.device.name: one for one in decision.ranked}
    plans, failed = [], []
    for name, one in options.items():
        rate = ReplicaRate(name, one.rate_per_s, one.spread, one.answer.layer, one.usd_h)
        try:
            plans.append(plan_capacity(load, rate, margin))
        except UsageError as error:
            # One device that is too slow is no reason to say nothing of the others.
            failed.append((name, error.message))
    if failed and not plans:
        raise UsageError(failed[0][1], hint="Ask for a smaller load, a longer wait, or less confidence.")
    rows = []
    for found in rank_capacities(plans):
        option = options[found.replica.name]
        conditions = option.question.conditions
        numbers = {name: value for name, value in asdict(found).items() if name != "replica"}
        rows.append(
            {
                "device": found.replica.name, "provenance": option.provenance, "precision": conditions.precision,
                "batch": conditions.batch, "engine": conditions.engine, "rate_per_s": option.rate_per_s,
                "spread": option.spread, **numbers,
            }
        )  # fmt: skip
    return rows, failed
