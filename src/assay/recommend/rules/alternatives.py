"""Engine, precision, threads: the same case done another way, and measured to be faster with right answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from assay.core.records import ResultRecord
from assay.core.units import format_bytes, format_duration_ns, format_significant
from assay.core.words import Precision
from assay.recommend.base import (
    LEAST_GAIN,
    Advice,
    Evidence,
    Ground,
    by_group,
    collect,
    evidence_of,
    is_right,
    label_without,
    ratio_of,
    rules,
)

_NO_GAIN = 1.02


@rules.register("engine")
def advise_engine(ground: Ground) -> Iterator[Advice]:
    """Use the engine that was measured to be fastest, its answers having passed the fidelity gate."""
    yield from _advise_fastest(ground, "engine", lambda one: f"use {one.case.engine}")


@rules.register("precision")
def advise_precision(ground: Ground) -> Iterator[Advice]:
    """Use the precision that was measured to be fastest with right answers; say where a lower one gains nothing."""
    yield from _advise_fastest(ground, "precision", lambda one: f"use {one.case.precision}")
    for subject in by_group(ground.subjects, "precision"):
        variants = ground.variants(subject, "precision")
        full = variants.get(Precision.FP32.value)
        for name, other in variants.items():
            ratio = (
                None if full is None or other is full else ratio_of(other, full, "latency_ns", higher_is_better=False)
            )
            if full is None or ratio is None or ratio.hi is None or ratio.hi >= _NO_GAIN:
                continue
            evidence = collect(
                evidence_of(full, "latency_ns", "latency in fp32"),
                evidence_of(other, "latency_ns", f"latency in {name}"),
                *_sizes(full, other),
            )
            yield Advice(
                "precision", label_without(subject.case, "precision"), f"do not use {name} for speed here",
                f"{_times(other, full)}: {ratio.text} of fp32's speed{_size_text(full, other)}", evidence,
            )  # fmt: skip


@rules.register("threads")
def advise_threads(ground: Ground) -> Iterator[Advice]:
    """Use the number of threads that was measured to be fastest."""
    yield from _advise_fastest(
        ground, "threads", lambda one: f"use {dict(one.case.options)['threads']} threads", needs_fidelity=False
    )


def _advise_fastest(
    ground: Ground, name: str, say: Callable[[ResultRecord], str], *, needs_fidelity: bool = True
) -> Iterator[Advice]:
    asked = {one.result_id for one in ground.subjects}
    for subject in by_group(ground.subjects, name):
        variants = [
            (value, one)
            for value, one in ground.variants(subject, name).items()
            if not needs_fidelity or is_right(one) or one.result_id == subject.result_id
        ]
        timed = [
            (value, one, found.value) for value, one in variants if (found := one.metric("latency_ns")) and found.value
        ]
        if len(timed) < 2:  # noqa: PLR2004  (nothing to choose from)
            continue
        best_value, best, _ = min(timed, key=lambda one: one[2])
        for value, other, _ in timed:
            ratio = ratio_of(best, other, "latency_ns", higher_is_better=False)
            is_asked = other.result_id in asked  # advice is for what was asked about
            if not is_asked or other is best or ratio is None or not ratio.exceeds(LEAST_GAIN):
                continue
            evidence = collect(
                evidence_of(other, "latency_ns", f"latency with {name} {value}"),
                evidence_of(best, "latency_ns", f"latency with {name} {best_value}"),
                evidence_of(best, "fidelity_max_relative_error", f"error with {name} {best_value}", stat="worst"),
                *_sizes(other, best),
            )
            because = f"{_times(best, other)}: {ratio.text}{_error_text(best)}{_size_text(other, best)}"
            action, label = f"{say(best)} rather than {value}", label_without(subject.case, name)
            yield Advice(name, label, action, because, evidence, ratio.value, "latency")


def _times(new: ResultRecord, old: ResultRecord) -> str:
    texts = [format_duration_ns(found.value) for one in (new, old) if (found := one.metric("latency_ns")) is not None]
    return " instead of ".join(texts)


def _sizes(*results: ResultRecord) -> list[Evidence | None]:
    return [
        evidence_of(one, "model_bytes", f"size of the model in {one.case.precision}", stat="max") for one in results
    ]


def _size_text(old: ResultRecord, new: ResultRecord) -> str:
    sizes = [
        found.value for one in (new, old) if (found := one.metric("model_bytes", "max")) is not None and found.value
    ]
    if len(sizes) < 2 or sizes[0] == sizes[1]:  # noqa: PLR2004
        return ""
    return f"; model {format_bytes(sizes[0])} instead of {format_bytes(sizes[1])}"


def _error_text(result: ResultRecord) -> str:
    found = result.metric("fidelity_max_relative_error", "worst")
    if found is None or found.value is None:
        return ""
    return f"; fidelity passed (error {format_significant(found.value, 2)})"
