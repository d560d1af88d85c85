"""The batch to train with: what the noise of the gradient says of the one that was used.

May import: core, recommend.base.
"""

from __future__ import annotations

from collections.abc import Iterator

from assay.core.units import format_significant
from assay.core.words import Mode
from assay.recommend.base import Advice, Evidence, Ground, collect, evidence_of, rules

_FAR = 4.0
"""Within this factor of the suggestion a training takes little more than it must, and the estimate is no better."""


@rules.register("noise-scale")
def advise(ground: Ground) -> Iterator[Advice]:
    """Train with a batch near the noise scale of the gradient, where the one used is far from it."""
    for result in ground.subjects:
        scale, suggested = result.metric("gradient_noise_scale"), result.metric("suggested_batch")
        if (
            not result.is_usable
            or result.case.mode is not Mode.TRAINING
            or result.case.batch is None
            or scale is None
            or suggested is None
            or scale.value is None
            or not suggested.value
        ):
            continue
        options = dict(result.case.options)
        step = result.case.batch * int(options.get("accumulate", 1)) * int(options.get("ranks", 1))
        if 1 / _FAR < suggested.value / step < _FAR:
            continue
        is_small = suggested.value > step
        why = (
            f"its gradient has a noise scale of {format_significant(scale.value, 3)} samples, and a step takes {step}: "
            + ("twice the samples would nearly halve the steps" if is_small else "most samples add nothing")
        )
        yield Advice(
            rule="noise-scale",
            subject=result.case.label,
            action=f"train with {suggested.value:.0f} samples a step",
            because=why,
            evidence=collect(
                evidence_of(result, "gradient_noise_scale", "noise scale of the gradient"),
                Evidence("samples in a step", float(step), "1", result.result_id),
            ),
            cost="the learning rate has to be chosen anew" + ("; more memory" if is_small else ""),
        )
