"""One optimizer step, whole and in its parts, as a plain loop would write it; and what is read of it afterwards.

May import: engines, workloads; torch inside functions.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from assay.engines.training_base import Evaluation
from assay.engines.training_precision import MixedPrecision
from assay.workloads.datasets.base import Split
from assay.workloads.trainables.base import Trainable


@dataclass(frozen=True, slots=True)
class Learner:
    """What learns: the module (wrapped, compiled), its loss, what updates it, and in which precision."""

    module: Any
    trainable: Trainable
    precision: MixedPrecision
    optimizer: Any
    scheduler: Any | None


class TrainingLoop:
    """The parts of a step. State is the number of the micro-batch, and the losses of all steps so far.

    Losses are kept as they come, on the device, so that no step waits for its loss.
    """

    def __init__(
        self, learner: Learner, next_batch: Callable[[], Any], *, accumulate: int, copies_losses: bool = False
    ) -> None:
        self._learner = learner
        self._module, self._trainable = learner.module, learner.trainable
        self._is_mixed, self._context = learner.precision.autocast is not None, learner.precision.context
        self._scaler = learner.precision.scaler
        self._next_batch, self._accumulate, self._copies_losses = next_batch, accumulate, copies_losses
        self._micro = 0
        self._losses: list[Any] = []
        self._unsynced = contextlib.ExitStack()

    def step(self) -> Any:
        """Take one whole step; returns the last loss, not read."""
        for _ in range(self._accumulate):
            batch = self._next_batch()
            loss = self.loss(self.forward(batch), batch)
            self.backward(loss)
        self.update()
        return loss

    def forward(self, batch: Any) -> Any:
        """Call the model on one micro-batch."""
        if self._accumulate > 1:
            self._switch_exchange()
        if not self._is_mixed:
            return self._trainable.forward(self._module, batch)
        with self._context():
            return self._trainable.forward(self._module, batch)

    def loss(self, outputs: Any, batch: Any) -> Any:
        """Compute the loss of one micro-batch, or pick it out of the outputs."""
        if not self._is_mixed:
            return self._trainable.loss(outputs, batch)
        with self._context():
            return self._trainable.loss(outputs, batch)

    def backward(self, loss: Any) -> None:
        """Compute gradients, and add them to those of the step's other micro-batches."""
        self._micro += 1
        if self._micro == self._accumulate:
            kept = loss.detach()
            self._losses.append(kept.clone() if self._copies_losses else kept)
        scaled = loss / self._accumulate if self._accumulate > 1 else loss
        if self._scaler is not None:
            scaled = self._scaler.scale(scaled)
        scaled.backward()

    def update(self) -> None:
        """Let the optimizer step, clear the gradients, move the learning rate on."""
        if self._scaler is None:
            self._learner.optimizer.step()
        else:
            self._scaler.step(self._learner.optimizer)
            self._scaler.update()
        self._learner.optimizer.zero_grad(set_to_none=True)
        if self._learner.scheduler is not None:
            self._learner.scheduler.step()
        self._micro = 0

    def read_losses(self) -> tuple[float, ...]:
        """Wait, and return the loss of every step since loading, in order (of its last micro-batch)."""
        import torch

        return tuple(torch.stack(self._losses).float().tolist()) if self._losses else ()

    def _switch_exchange(self) -> None:
        """Let ranks exchange gradients in the last micro-batch of a step only."""
        is_last = self._micro == self._accumulate - 1
        if hasattr(self._module, "no_sync"):  # DistributedDataParallel
            if is_last:
                self._unsynced.close()
            elif self._micro == 0:
                self._unsynced.enter_context(self._module.no_sync())
        elif hasattr(self._module, "set_requires_gradient_sync"):  # fully_shard
            self._module.set_requires_gradient_sync(is_last)


def evaluate(learner: Learner, split: Split, read: Callable[[list[int]], Mapping[str, Any]], batch: int) -> Evaluation:
    """Go through a split once in evaluation mode; the mean loss, and the share of right answers.

    Batches are of nearly equal size, at most ``batch``: none is left over that is too small for its loss. A compiled
    model runs as it was written: compiling for another size would be timed with the training.
    """
    import torch

    module, trainable = learner.module, learner.trainable
    was_training = module.training
    module.eval()
    losses, right, answers = [], [], 0
    with torch.no_grad(), torch.compiler.set_stance("force_eager"), learner.precision.context():
        for start, end in itertools.pairwise(_share_out(len(split), batch)):
            positions = list(range(start, end))
            inputs = read(positions)
            outputs = trainable.forward(module, inputs)
            losses.append(trainable.loss(outputs, inputs).float() * len(positions))
            if trainable.scores is not None:
                labels = inputs["labels"]
                right.append((trainable.scores(outputs, inputs).argmax(1) == labels).sum())
                answers += labels.numel()
    module.train(was_training)
    loss = float(torch.stack(losses).sum()) / len(split)
    accuracy = int(torch.stack(right).sum()) / answers if right else None
    return Evaluation(loss, accuracy, len(split))


def _share_out(samples: int, batch: int) -> list[int]:
    """Where batches of nearly equal size begin, and the last one ends."""
    batches = -(-samples // batch)
    return [index * samples // batches for index in range(batches + 1)]
