"""What training needs beyond inference: a model with a head, a loss, and batches that can be learned.

One file a family, registered in the group ``assay.trainable`` under the family's name. Its own task must be learnable
in some tens of steps, because a training benchmark whose model does not learn is a fault: labels follow from inputs
(or are a fixed pool that can be memorised), never noise that is new at each step. May import: core, workloads; torch
and numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.registry import Registry
from assay.workloads.base import Size
from assay.workloads.datasets.base import Batch, DataTask

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Head:
    """What a data set asks of the model: how many classes, and the dimensions of its samples (``image``, ``vocab``)."""

    classes: int
    shape: Mapping[str, int]


Build = Callable[[Size, Head | None], Any]
"""Build the module with its training head, weights as the library initialises them: (size, head) -> torch.nn.Module.

Without a head the model is the one of the family's published checkpoints, for its own task."""

MakeBatch = Callable[[Size, int, Mapping[str, int], "np.random.Generator"], Batch]
"""Make one batch of the family's own learnable task: (size, batch, shape, generator) -> named arrays, labels included.

The same generator state gives the same bytes. The trainer makes a small fixed pool of such batches."""

Forward = Callable[[Any, Mapping[str, Any]], Any]
"""Call the model: (module, batch of tensors on its device) -> outputs. Runs under autocast where that is asked for."""

Loss = Callable[[Any, Mapping[str, Any]], Any]
"""From outputs and batch to a scalar tensor. For a model that computes its loss itself: ``outputs.loss``."""

Scores = Callable[[Any, Mapping[str, Any]], Any]
"""From outputs to class scores, (batch, classes) or (batch, classes, height, width), to count right answers."""


@dataclass(frozen=True, slots=True)
class Trainable:
    """How one family is trained.

    ``objective`` says in words what is minimised. ``learning_rate`` is what AdamW takes for its own task.
    ``pool`` is how many batches of the own task are made and gone round. ``tasks`` are the tasks of data sets that the
    model can learn with a ``Head``. ``lora`` names the linear layers (ends of module names) that low-rank adapters are
    put beside; ``head`` the parameters (beginnings of names) that stay trainable where the rest is frozen.
    ``separates_loss`` says that ``loss`` computes it; where it does not, forward does and the loss takes no time.
    """

    family: str
    objective: str
    build: Build
    make_batch: MakeBatch
    forward: Forward
    loss: Loss
    head: tuple[str, ...]
    lora: tuple[str, ...] = ()
    learning_rate: float = 1e-3
    pool: int = 4
    tasks: tuple[DataTask, ...] = ()
    scores: Scores | None = None
    separates_loss: bool = False
    steps_to_learn: int = 30
    """After so many steps of AdamW at ``learning_rate`` the loss of a tiny model must have fallen (median of the last
    tenth below 0.9 of the median of the first)."""


trainables: Registry[Trainable] = Registry("trainable")
