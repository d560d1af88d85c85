"""Measure the noise scale of a model's gradient: gradients of some batches, apart and together, no update between.

A pass of its own after training, on the state at its end and on one kept from its beginning, so that nothing of it lies
in the time that is reported and the training itself takes the very steps that it would without. May import: core,
engines, stats.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.core.records import MetricValue
from assay.engines.training_base import TrainingSession
from assay.runner.measure import Clock
from assay.stats.noise_scale import GradientNoise, combine_noise, estimate_noise, suggest_batch

BATCHES = 16
"""Batches that make the large one: its norm then has a sixteenth of a batch's noise in it."""
_FEWEST_BATCHES = 4
_NS = 1_000_000_000
_FEWEST_STEPS_AN_EPOCH = 8
"""A batch is suggested no larger than leaves so many steps in an epoch."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The weights at one moment of a training, and its name. ``weights`` None: as they are now."""

    name: str
    weights: Mapping[str, Any] | None = None


def keep_weights(training: TrainingSession) -> dict[str, Any]:
    """Copy what training has changed so far, buffers included, so that gradients can be taken there later.

    To the host, since an accelerator may be full; what is frozen is left out.
    """
    frozen = {name for name, value in training.module.named_parameters() if not value.requires_grad}
    return {
        name: value.detach().to("cpu", copy=True)
        for name, value in training.module.state_dict().items()
        if name not in frozen and hasattr(value, "detach")
    }


def measure_noise_scale(
    training: TrainingSession,
    moments: Sequence[Moment],
    *,
    limit_s: float,
    batches: int = BATCHES,
    clock: Clock = time.perf_counter_ns,
) -> tuple[MetricValue, ...]:
    """Estimate the noise scale over the moments, and the batch it suggests: metrics, without a value where unknown.

    Each moment takes ``batches`` forward and backward passes, fewer (at least 4) where ``limit_s`` is over. The model
    is left with the weights that it had. With dropout its noise counts as noise of the data, which it is for training.
    """
    found: list[GradientNoise] = []
    used = 0
    last = keep_weights(training)
    try:
        for moment in moments:
            training.module.load_state_dict(last if moment.weights is None else moment.weights, strict=False)
            small, big = _take_gradients(training, batches, deadline=clock() + round(limit_s * _NS), clock=clock)
            used = len(small)
            sizes = {"small_batch": training.batch, "big_batch": training.batch * used}
            found.append(estimate_noise(small, big, **sizes))
    except (ValueError, RuntimeError) as error:  # memory ran out, say: what was trained before is not lost by that
        return _unknown(f"the gradients of {moment.name} cannot be used: {error}")
    finally:
        training.module.load_state_dict(last, strict=False)
        training.optimizer.zero_grad(set_to_none=True)
    scale = combine_noise(found).scale
    if scale is None:
        where = " and ".join(moment.name for moment in moments)
        samples = training.batch * used
        return _unknown(f"the gradient is lost in its noise over {samples} samples ({where})")
    most = training.batch
    if training.dataset is not None:
        most = max(1, training.dataset.train_samples // _FEWEST_STEPS_AN_EPOCH)
    return (
        MetricValue("gradient_noise_scale", scale, "1"),
        MetricValue("suggested_batch", float(suggest_batch(scale, most=most)), "1"),
    )


def _unknown(reason: str) -> tuple[MetricValue, ...]:
    return (
        MetricValue("gradient_noise_scale", None, "1", reason=reason),
        MetricValue("suggested_batch", None, "1", reason=reason),
    )


def _take_gradients(
    training: TrainingSession, batches: int, *, deadline: int, clock: Callable[[], int]
) -> tuple[list[float], float]:
    """Return the squared norm of the gradient of each batch, and that of their mean."""
    parameters = [one for one in training.module.parameters() if one.requires_grad]
    sums: list[Any] = [None] * len(parameters)
    small: list[float] = []
    for taken in range(1, batches + 1):
        training.optimizer.zero_grad(set_to_none=True)
        batch = training.next_batch()
        training.backward(training.loss(training.forward(batch), batch))
        gradients = [one.grad for one in parameters]
        small.append(_square_norm(gradients))
        for place, gradient in enumerate(gradients):
            if gradient is not None:
                held = gradient.detach().float()
                sums[place] = held.clone() if sums[place] is None else sums[place].add_(held)
        if taken >= _FEWEST_BATCHES and clock() >= deadline:
            break
    return small, _square_norm(sums) / len(small) ** 2


def _square_norm(gradients: Sequence[Any]) -> float:
    """Sum of squares over all parameters; what has no gradient counts nothing."""
    squares = [gradient.detach().float().pow(2).sum() for gradient in gradients if gradient is not None]
    return float(sum(square.double().item() for square in squares))
