"""Training: the batch that the gradient's noise asks for, and steps that wait for their data.

May import: core, recommend.base.
"""

from __future__ import annotations

from collections.abc import Iterator

from assay.core.records import ResultRecord
from assay.core.units import format_significant
from assay.core.words import Mode
from assay.recommend.base import LEAST_GAIN, Advice, Evidence, Ground, collect, evidence_of, rules

_FAR = 4.0
"""Within this factor of the suggestion a training takes little more than it must, and the estimate is no better."""
_MOST_WAITING = 0.99


@rules.register("noise-scale")
def advise_batch(ground: Ground) -> Iterator[Advice]:
    """Train with a batch near the noise scale of the gradient, where the one used is far from it."""
    for result in _trainings(ground):
        scale, suggested = _number(result, "gradient_noise_scale"), _number(result, "suggested_batch")
        step = _samples_in_a_step(result)
        if scale is None or not suggested or step is None or 1 / _FAR < suggested / step < _FAR:
            continue
        is_small = suggested > step
        known = f"its gradient has a noise scale of {format_significant(scale, 3)} samples, and a step takes {step}"
        effect = "twice as many would nearly halve the steps" if is_small else "most of them add nothing"
        yield Advice(
            rule="noise-scale",
            subject=result.case.label,
            action=f"train with {suggested:.0f} samples a step",
            because=f"{known}: {effect}",
            evidence=collect(
                evidence_of(result, "gradient_noise_scale", "noise scale of the gradient"),
                Evidence("samples in a step", float(step), "1", result.result_id),
            ),
            cost="the learning rate has to be chosen anew" + ("; more memory" if is_small else ""),
        )


@rules.register("data-wait")
def advise_loading(ground: Ground) -> Iterator[Advice]:
    """Load data beside the training, where steps wait for them for a tenth of their time or more."""
    for result in _trainings(ground):
        share = _number(result, "data_wait_share")
        options = dict(result.case.options)
        gain = 1 / (1 - min(share or 0.0, _MOST_WAITING))
        if share is None or gain < LEAST_GAIN or "dataset" not in options:
            continue
        workers = int(options.get("workers", 0))
        yield Advice(
            rule="data-wait",
            subject=result.case.label,
            action="load data in processes of their own: workers=2"
            if not workers
            else f"use more than {workers} workers",
            because=f"{100 * share:.0f} % of a step is waiting for its batch",
            evidence=collect(
                evidence_of(result, "data_wait_share", "share of a step that waits for data"),
                evidence_of(result, "data_wait_ns", "wait for a batch"),
                evidence_of(result, "latency_ns", "step"),
            ),
            gain=gain,
            gain_of="throughput, at most",
            cost="CPUs and memory of the loading processes, which a training on the CPU needs itself",
        )


def _trainings(ground: Ground) -> Iterator[ResultRecord]:
    return (one for one in ground.subjects if one.is_usable and one.case.mode is Mode.TRAINING)


def _number(result: ResultRecord, name: str) -> float | None:
    found = result.metric(name)
    return None if found is None else found.value


def _samples_in_a_step(result: ResultRecord) -> int | None:
    """Of all micro-batches and ranks; None where the batch is not known."""
    options = dict(result.case.options)
    if result.case.batch is None:
        return None
    return result.case.batch * int(options.get("accumulate", 1)) * int(options.get("ranks", 1))
