"""Where the batches of a training come from: the workload's own task, or a data set, read epoch after epoch.

A data set is read through torch's DataLoader, by position: what workers, prefetching and page-locked memory do is
torch's doing, and what a plain loop would use. May import: core, engines, workloads; numpy and torch inside functions.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import WorkloadError
from assay.engines.base import LoadRequest
from assay.engines.training_base import Shard
from assay.engines.training_plan import TrainingOptions
from assay.workloads.datasets.base import Batch, Dataset, DatasetRequest, Split, datasets, split_reference
from assay.workloads.trainables.base import Trainable

if TYPE_CHECKING:
    import torch

_OWN_TASK_MARK = 6
"""Kept apart from the seeds that weights and inputs are drawn with."""


@dataclass(frozen=True, slots=True)
class Feed:
    """Batches on the device, one a call; optimizer steps in an epoch. ``close`` ends the processes that load."""

    next_batch: Callable[[], Mapping[str, Any]]
    close: Callable[[], None]
    steps_per_epoch: int | None = None


def open_dataset(reference: str, request: LoadRequest) -> Dataset:
    """Open ``NAME`` or ``NAME:WHERE`` in the dimensions of the case. The same data whatever the launch's seed.

    That seed orders the samples. Raises WorkloadError or UnknownNameError.
    """
    name, where = split_reference(reference)
    return datasets.get(name).open(DatasetRequest(where=where, shape=request.shape))


def feed_own_task(
    trainable: Trainable, request: LoadRequest, asked: TrainingOptions, shard: Shard, place: Place
) -> Feed:
    """Go round a fixed pool of batches, which can be learned by heart; each rank has its own."""
    import numpy as np

    generator = np.random.default_rng([request.seed, _OWN_TASK_MARK, shard.rank])
    size, batch = request.workload.size, request.batch
    made = (trainable.make_batch(size, batch, request.shape, generator) for _ in range(trainable.pool))
    pool = [as_tensors(one) for one in made]
    if asked.pin:
        pool = [{name: tensor.pin_memory() for name, tensor in one.items()} for one in pool]
    turns = itertools.cycle(pool)
    return Feed(lambda: place(next(turns)), lambda: None)


def feed_dataset(split: Split, request: LoadRequest, asked: TrainingOptions, shard: Shard, place: Place) -> Feed:
    """Read the training split epoch after epoch, shuffled anew for each by the seed, and shared out among ranks.

    What does not fill a whole step is left out of an epoch, so that all steps are of one size; the order of the next
    epoch takes other samples. Raises WorkloadError where not one step can be filled.
    """
    import torch

    order = EpochOrder(len(split), request.batch, asked.accumulate, shard, request.seed)
    loader = torch.utils.data.DataLoader(
        BatchReader(split),
        sampler=order,
        batch_size=None,
        collate_fn=_keep,
        num_workers=asked.workers,
        prefetch_factor=asked.prefetch if asked.workers else None,
        pin_memory=asked.pin,
        generator=torch.Generator().manual_seed(request.seed),
    )
    # Held in a list so that `close` can drop the only reference, whereupon torch ends its processes.
    held: list[Iterator[Any]] = [iter(loader)]
    return Feed(lambda: place(next(held[0])), held.clear, order.steps_per_epoch)


class EpochOrder:
    """Positions of one batch after another, without end: what a DataLoader takes as its sampler."""

    def __init__(self, samples: int, batch: int, accumulate: int, shard: Shard, seed: int) -> None:
        self._samples, self._batch, self._shard, self._seed = samples, batch, shard, seed
        self.steps_per_epoch = samples // shard.ranks // (batch * accumulate)
        self._batches = self.steps_per_epoch * accumulate
        if not self.steps_per_epoch:
            needed = batch * accumulate * shard.ranks
            raise WorkloadError(
                f"A step takes {needed} samples, and the training split has {samples}.",
                hint="Use a smaller batch, fewer micro-batches or fewer ranks.",
            )

    def __iter__(self) -> Iterator[list[int]]:
        import numpy as np

        for epoch in itertools.count():
            shuffled = np.random.default_rng([self._seed, epoch]).permutation(self._samples)
            own = shuffled[self._shard.rank :: self._shard.ranks]
            for start in range(0, self._batches * self._batch, self._batch):
                yield own[start : start + self._batch].tolist()


@dataclass(frozen=True, slots=True)
class BatchReader:
    """A split as a DataLoader's data set: an item is a whole batch. Pickled into the processes that load."""

    split: Split

    def __getitem__(self, positions: Sequence[int]) -> dict[str, torch.Tensor]:
        return as_tensors(self.split.take(positions))

    def __len__(self) -> int:
        return len(self.split)


Place = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Bring the tensors of a batch to the device."""


def make_place(device: torch.device, *, is_pinned: bool) -> Place:
    """Bring batches to the device, without waiting where their memory is page-locked; on the CPU they are there."""
    if device.type == "cpu":
        return lambda batch: batch
    return lambda batch: {name: tensor.to(device, non_blocking=is_pinned) for name, tensor in batch.items()}


def as_tensors(batch: Batch) -> dict[str, torch.Tensor]:
    """Arrays as tensors on the same memory; copied where they may not be written to (a memory map)."""
    import torch

    return {name: torch.from_numpy(array if array.flags.writeable else array.copy()) for name, array in batch.items()}


def _keep(batch: Any) -> Any:
    return batch
