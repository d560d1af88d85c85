"""What ``assay dataset new`` writes: a data set of one's own that works as it is. May import: core."""

from __future__ import annotations

TEMPLATE = '''"""A data set of my own. Check it: assay dataset check python:{module}:open_mine

Train on it: assay run --model resnet/tiny --mode training --option dataset=python:{module}:open_mine
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from assay.workloads.datasets.base import Batch, Dataset, DatasetInfo, DatasetRequest, DataTask

CLASSES = ("dark", "light")
SIDE = 16


class MySplit:
    """The samples of one split, read by position, in any order, as often as asked for.

    Keep here what finds a sample (paths, offsets), not open files: loading processes get a copy by pickle.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self.seed = seed

    def __len__(self) -> int:
        return self.count

    def take(self, positions: Sequence[int]) -> Batch:
        """Return these samples as one batch. Replace what is drawn here by what your files hold."""
        pixels = np.empty((len(positions), 3, SIDE, SIDE), dtype=np.float32)
        labels = np.empty(len(positions), dtype=np.int64)
        for row, position in enumerate(positions):
            if not 0 <= position < self.count:
                raise IndexError(position)
            random = np.random.default_rng([self.seed, position])
            labels[row] = position % len(CLASSES)
            pixels[row] = random.normal(labels[row] - 0.5, 1.0, (3, SIDE, SIDE))
        return {{"pixel_values": pixels, "labels": labels}}


def open_mine(request: DatasetRequest) -> Dataset:
    """Open both splits. ``request.where`` is what stands behind a question mark: python:{module}:open_mine?PLACE"""
    train, test = MySplit(request.limit or 600, seed=0), MySplit(200, seed=1)
    info = DatasetInfo(
        name="{module}",
        task=DataTask.IMAGES,  # the fields that a batch must have: docs/datasets.md
        classes=len(CLASSES),
        train_samples=len(train),
        test_samples=len(test),
        shape={{"image": SIDE, "channels": 3}},
        is_synthetic=True,  # False where the samples are real; every result says which
        source="drawn at random",  # where the data can be had
        checksum=None,  # SHA-256 of the files that were read
        labels=CLASSES,
    )
    return Dataset(info, train, test)
'''


def render_dataset_template(module: str) -> str:
    """Return the file for a module of this name."""
    return TEMPLATE.format(module=module)
