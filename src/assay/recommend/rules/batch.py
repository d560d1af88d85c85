"""Batch: where throughput grows with it, and where it no longer does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from assay.core.records import ResultRecord
from assay.core.units import format_duration_ns, format_significant
from assay.core.words import Mode
from assay.recommend.base import (
    LEAST_GAIN,
    Advice,
    Ground,
    by_group,
    collect,
    evidence_of,
    label_without,
    ratio_of,
    rules,
)

_NOTHING_MORE = 1.05
_DEARER = 1.5


@rules.register("batch")
def advise(ground: Ground) -> Iterator[Advice]:
    """Raise the batch where that does more work a second; stop where it only makes callers wait."""
    for subject in by_group(ground.subjects, "batch"):
        if subject.case.mode is not Mode.INFERENCE:
            continue
        sizes = sorted((size, one) for size, one in ground.variants(subject, "batch").items() if isinstance(size, int))
        for (small, slow), (large, fast) in pairwise(sizes):
            found = _compare(subject, (small, slow), (large, fast))
            if found is not None:
                yield found


def _compare(subject: ResultRecord, old: tuple[int, ResultRecord], new: tuple[int, ResultRecord]) -> Advice | None:
    (small, slow), (large, fast) = old, new
    rate = ratio_of(fast, slow, "throughput_per_s", higher_is_better=True)
    wait = ratio_of(fast, slow, "latency_ns", higher_is_better=True)
    if rate is None or wait is None:
        return None
    evidence = collect(
        evidence_of(slow, "throughput_per_s", f"throughput at batch {small}"),
        evidence_of(fast, "throughput_per_s", f"throughput at batch {large}"),
        evidence_of(slow, "latency_ns", f"latency at batch {small}"),
        evidence_of(fast, "latency_ns", f"latency at batch {large}"),
    )
    unit = subject.unit_of_work or "sample"
    rates = " and ".join(f"{format_significant(one.value)} {unit}/s" for one in evidence[1::-1])
    times = " instead of ".join(format_duration_ns(one.value) for one in evidence[:1:-1])
    label = label_without(subject.case, "batch")
    if rate.exceeds(LEAST_GAIN):
        return Advice(
            "batch", label, f"use batch {large} rather than {small} where throughput counts",
            f"{rates}: {rate.text}", evidence, rate.value, "throughput", f"a call takes {times}",
        )  # fmt: skip
    if rate.hi is not None and rate.hi < _NOTHING_MORE and wait.exceeds(_DEARER):
        return Advice(
            "batch", label, f"stay at batch {small}: batch {large} gains nothing",
            f"{rates}: {rate.text}; a call takes {times}", evidence, wait.value, "latency",
        )  # fmt: skip
    return None
