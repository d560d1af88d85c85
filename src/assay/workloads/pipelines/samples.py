"""Pipeline of a registered data set: its training samples, shuffled anew in every epoch, as training takes them.

May import: core, workloads.datasets; numpy inside functions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assay.core.errors import UnsupportedError, WorkloadError
from assay.workloads.datasets.base import Batch, DatasetRequest, Split, datasets, split_reference
from assay.workloads.pipelines.base import Opened, PipelineKind, PipelineRequest, generator_for

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(slots=True)
class ReadSamples:
    """Batches of whole epochs; a last batch that is not full is left out. The order of the epoch at hand is kept."""

    split: Split
    batch: int
    seed: int
    _order: tuple[int, NDArray[np.int64]] | None = field(default=None, init=False, repr=False)

    def make_batch(self, index: int) -> Batch:
        """The fields of the data set's task."""
        epoch, place = divmod(index, len(self.split) // self.batch)
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, generator_for(self.seed, epoch).permutation(len(self.split))
        first = place * self.batch
        return self.split.take(self._order[1][first : first + self.batch].tolist())


def _open(request: PipelineRequest) -> Opened:
    reference = request.options.get("dataset")
    if reference is None:
        raise UnsupportedError("pipeline/dataset needs a data set.", hint="Add the option dataset: dataset=digits.")
    name, where = split_reference(str(reference))
    # As training opens it: the same data whatever the seed, which orders them.
    opened = datasets.get(name).open(DatasetRequest(where=where))
    if len(opened.train) < request.batch:
        raise WorkloadError(
            f"{reference} has {len(opened.train)} training samples, and a batch of {request.batch} was asked for.",
            hint="Use a smaller batch.",
        )
    facts = {
        "dataset": opened.info.name,
        "dataset_kind": "synthetic" if opened.info.is_synthetic else "real",
        "samples": str(len(opened.train)),
        **({"dataset_checksum": opened.info.checksum} if opened.info.checksum else {}),
    }
    return Opened(ReadSamples(opened.train, request.batch, request.seed), facts)


KINDS = (PipelineKind("dataset", "samples of a registered data set (option dataset)", {}, _open, options=("dataset",)),)
