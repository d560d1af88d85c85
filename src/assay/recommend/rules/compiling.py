"""Compiling pays after so many calls: what it costs once, over what it saves each time."""

from __future__ import annotations

from collections.abc import Iterator

from assay.core.units import format_count, format_duration_ns
from assay.recommend.base import (
    Advice,
    Ground,
    by_group,
    collect,
    evidence_of,
    is_right,
    label_without,
    ratio_of,
    rules,
)

_COMPILED, _EAGER = "torch-compile", "torch"
_LEAST = 1.02


@rules.register("compiling")
def advise(ground: Ground) -> Iterator[Advice]:
    """Say after how many calls torch-compile has earned what compiling took."""
    for subject in by_group(ground.subjects, "engine"):
        variants = ground.variants(subject, "engine")
        compiled, eager = variants.get(_COMPILED), variants.get(_EAGER)
        if compiled is None or eager is None or not is_right(compiled):
            continue
        ratio = ratio_of(compiled, eager, "latency_ns", higher_is_better=False)
        evidence = collect(
            evidence_of(compiled, "compile_ns", "time to compile"),
            evidence_of(eager, "latency_ns", "latency of a call, eager"),
            evidence_of(compiled, "latency_ns", "latency of a call, compiled"),
        )
        if ratio is None or len(evidence) < 3 or not ratio.exceeds(_LEAST):  # noqa: PLR2004
            continue
        once, before, after = (one.value for one in evidence)
        calls = once / (before - after)
        yield Advice(
            "compiling", label_without(subject.case, "engine"),
            f"compile where a process makes more than {format_count(calls)} calls",
            f"compiling takes {format_duration_ns(once)} and saves {format_duration_ns(before - after)} a call "
            f"({ratio.text})", evidence, ratio.value, "latency",
        )  # fmt: skip
