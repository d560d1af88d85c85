"""What keeps these numbers from being believed, or from being what they seem."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from assay.core.words import Fidelity, Status, Verdict
from assay.recommend.base import Advice, Evidence, Ground, collect, evidence_of, rules

_EXAMPLES = 3


@rules.register("noise")
def advise_quiet(ground: Ground) -> Iterator[Advice]:
    """Measure again where launches were disturbed, with what the launches say of it."""
    done = [one for one in ground.subjects if one.status is Status.OK]
    bad = [one for one in done if one.verdict is Verdict.CONTAMINATED]
    if not bad:
        return
    reasons = Counter(reason for one in bad for reason in one.verdict_reasons)
    shown = "; ".join(reason for reason, _ in reasons.most_common(_EXAMPLES)) or "no reason was recorded"
    evidence = tuple(
        Evidence(f"launches of {one.case.label} that worked, disturbed", one.launches_ok, "1", one.result_id)
        for one in bad
    )
    yield Advice(
        "noise", f"{len(bad)} of {len(done)} results", "measure these again where nothing else runs",
        f"their launches were disturbed: {shown}", evidence,
    )  # fmt: skip


@rules.register("precision-used")
def advise_precision(ground: Ground) -> Iterator[Advice]:
    """Say where the device computed in another precision than was asked for."""
    for one in ground.subjects:
        asked, used = one.case.precision, one.effective_precision
        if one.status is not Status.OK or used is None or asked is None or str(asked) == used:
            continue
        evidence = collect(evidence_of(one, "latency_ns", f"latency, asked for {asked}, computed in {used}"))
        if evidence:
            yield Advice(
                "precision-used", one.case.label, f"ask for {used}, or use a device that has {asked}",
                f"the engine says that it computed in {used}: {asked} changes nothing here", evidence,
            )  # fmt: skip


@rules.register("fidelity")
def advise_fidelity(ground: Ground) -> Iterator[Advice]:
    """Do not use what is fast and wrong, however fast."""
    for one in ground.subjects:
        if one.fidelity is not Fidelity.FAILED:
            continue
        evidence = collect(
            evidence_of(one, "fidelity_max_relative_error", "largest relative error", stat="worst"),
            evidence_of(one, "fidelity_tolerance", "tolerance", stat="bound"),
        )
        if evidence:
            yield Advice(
                "fidelity", one.case.label, "do not use this combination: its answers are wrong",
                one.fidelity_reason or "the fidelity gate failed", evidence,
            )  # fmt: skip
