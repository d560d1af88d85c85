"""The first call is much slower than the others: who serves should make it before anybody waits for it."""

from __future__ import annotations

from collections.abc import Iterator

from assay.core.units import format_duration_ns
from assay.recommend.base import Advice, Ground, collect, evidence_of, rules

_MUCH = 5.0
_NOTICED_NS = 50e6


@rules.register("first-call")
def advise(ground: Ground) -> Iterator[Advice]:
    """Warm up before serving where the first call takes at least five times a later one and 50 ms more."""
    for one in ground.subjects:
        evidence = collect(
            evidence_of(one, "first_infer_ns", "time of the first call"),
            evidence_of(one, "latency_ns", "latency, steady state"),
        )
        if not one.is_usable or len(evidence) < 2:  # noqa: PLR2004
            continue
        first, steady = (number.value for number in evidence)
        if first >= _MUCH * steady and first - steady >= _NOTICED_NS:
            yield Advice(
                "first-call", one.case.label, "make a call before the first request arrives",
                f"the first call takes {format_duration_ns(first)}, later ones {format_duration_ns(steady)}", evidence,
                first / steady, "first call",
            )  # fmt: skip
