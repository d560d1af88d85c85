"""A training session: one model that learns, taken apart so that its parts can be timed apart.

``session.infer`` is one whole optimizer step, as a plain loop would make it; the parts are the same code, called one by
one. Values only: `assay.engines.training` makes them. May import: core, engines, workloads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.engines.base import Session
from assay.workloads.datasets.base import DatasetInfo


@dataclass(frozen=True, slots=True)
class Shard:
    """Which part of the data this process takes: every ``ranks``-th sample, from ``rank`` on."""

    rank: int = 0
    ranks: int = 1


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Quality on the test split: mean loss, and the share of right answers (None for a task without classes)."""

    loss: float
    accuracy: float | None
    samples: int


@dataclass(frozen=True, slots=True)
class TrainingSession:
    """A loaded model in training, its data and its optimizer.

    A step is ``accumulate`` times (``next_batch`` -> ``forward`` -> ``loss`` -> ``backward``), then ``update``.
    ``session.infer`` does all of it and returns the last loss, not read. None of them waits for the device:
    ``session.synchronize`` does. ``separates_loss`` is False where forward computes the loss. ``read_loss`` waits and
    returns a float, of the sum over micro-batches as it is on one of them. ``evaluate`` is None without a data set;
    ``steps_per_epoch`` too. ``module`` and ``optimizer`` are torch's own, for what reads gradients.
    """

    session: Session
    next_batch: Callable[[], Any]
    forward: Callable[[Any], Any]
    loss: Callable[[Any, Any], Any]
    backward: Callable[[Any], None]
    update: Callable[[], None]
    read_loss: Callable[[Any], float]
    module: Any
    optimizer: Any
    batch: int
    accumulate: int = 1
    separates_loss: bool = False
    steps_to_learn: int = 30
    trainable_parameters: int | None = None
    dataset: DatasetInfo | None = None
    evaluate: Callable[[], Evaluation] | None = None
    steps_per_epoch: int | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    read_losses: Callable[[], tuple[float, ...]] | None = None
    """Waits, and returns the loss of every step since loading, in order: warm-up and compiling included."""
    most_steps_to_learn: int | None = None
    """How long a training whose loss has not fallen yet goes on, untimed; None is ``steps_to_learn``."""
