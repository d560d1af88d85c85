"""Energy: which batch, engine or precision takes the fewest joules for the same work."""

from __future__ import annotations

from collections.abc import Iterator

from assay.core.units import format_significant
from assay.recommend.base import (
    LEAST_GAIN,
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

_METRIC = "energy_j_per_sample"
_FIELDS = ("batch", "engine", "precision")


@rules.register("energy")
def advise(ground: Ground) -> Iterator[Advice]:
    """Say what was measured to take less energy for the same work, where its answers are right."""
    for name in _FIELDS:
        for subject in by_group(ground.subjects, name):
            metered = [
                (found.value, value, one)
                for value, one in ground.variants(subject, name).items()
                if (found := one.metric(_METRIC)) is not None and found.value and (name == "batch" or is_right(one))
            ]
            if len(metered) < 2:  # noqa: PLR2004  (nothing to choose from)
                continue
            _, frugal, best = min(metered, key=lambda one: one[0])
            _, hungry, worst = max(metered, key=lambda one: one[0])
            ratio = ratio_of(best, worst, _METRIC, higher_is_better=False)
            if ratio is None or not ratio.exceeds(LEAST_GAIN):
                continue
            evidence = collect(
                evidence_of(worst, _METRIC, f"energy with {name} {hungry}"),
                evidence_of(best, _METRIC, f"energy with {name} {frugal}"),
            )
            numbers = " instead of ".join(f"{format_significant(one.value)} J" for one in reversed(evidence))
            yield Advice(
                "energy", label_without(subject.case, name), f"use {name} {frugal} rather than {hungry} to save energy",
                f"{numbers} a {subject.unit_of_work or 'sample'}: {ratio.text}", evidence, ratio.value, "energy",
            )  # fmt: skip
