"""What a case runs into: memory nearly used up, the roof of arithmetic, of bandwidth, of starting operations."""

from __future__ import annotations

from collections.abc import Iterator

from assay.core.units import format_bytes
from assay.recommend.base import Advice, Evidence, Ground, collect, evidence_of, rules
from assay.recommend.explain import ExplainedResult
from assay.stats.roofline import Bound

_NEARLY_ALL = 0.8
_NEAR_ROOF = 0.6
_FAR_FROM_ROOF = 0.25


@rules.register("memory")
def advise_memory(ground: Ground) -> Iterator[Advice]:
    """Say where the peak is at least 80 % of what the process may use."""
    memory = ground.facts.get("memory") or {}
    limit = memory.get("cgroup_limit_bytes") or memory.get("total_bytes")
    if not limit:
        return
    for one in ground.subjects:
        peak = evidence_of(one, "memory_peak_bytes", "peak memory while inferring", stat="max")
        if one.is_usable and peak is not None and peak.value >= _NEARLY_ALL * limit:
            yield Advice(
                "memory", one.case.label, "lower the batch or the precision before this is used beside anything else",
                f"it peaks at {format_bytes(peak.value)} of {format_bytes(limit)} ({100 * peak.value / limit:.0f} %)",
                (peak, Evidence("memory that the process may use", float(limit), "B")),
            )  # fmt: skip


@rules.register("roofline")
def advise_roofline(ground: Ground) -> Iterator[Advice]:
    """Say what would help, by the roof that a case is under and how near it comes. Needs `assay probe`."""
    for one in ground.explained:
        found = one.explanation
        if found is None or found.share > 1:
            continue
        action = _what_helps(found.bound, found.share)
        if action is None:
            continue
        evidence = collect(
            evidence_of(one.result, "latency_ns", "latency"),
            Evidence("least time under the roofs of the probe", found.attainable_ns, "ns", one.result.result_id),
            *_work(one),
        )
        yield Advice("roofline", one.result.case.label, action, one.text, evidence, 1 / found.share, "latency, at most")


def _what_helps(bound: Bound, share: float) -> str | None:
    if bound is Bound.OVERHEAD:
        return "raise the batch or compile: the time goes into starting operations"
    if share >= _NEAR_ROOF:
        roof = "arithmetic: a lower precision helps, a larger batch does not"
        memory = "memory traffic: a lower precision or a larger batch helps, more threads do not"
        return f"it is near the limit of {roof if bound is Bound.COMPUTE else memory}"
    if share <= _FAR_FROM_ROOF:
        return "try another engine, threads or a larger batch: it is far from every limit of this device"
    return None


def _work(one: ExplainedResult) -> tuple[Evidence, ...]:
    if one.cost is None:
        return ()
    ids = one.result.result_id
    return (
        Evidence("operations of a call", float(one.cost.flops), "FLOP", ids),
        Evidence("bytes that any execution must move", float(one.cost.bytes_compulsory), "B", ids),
    )
