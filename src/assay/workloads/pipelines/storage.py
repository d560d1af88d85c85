"""Pipeline that reads windows from where they are kept: memory, HDF5, Parquet or a memory map. All hold the same ones.

May import: core, workloads.vibration; numpy inside functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from assay.workloads.datasets.base import Batch
from assay.workloads.pipelines.base import Opened, PipelineKind, PipelineRequest, generator_for
from assay.workloads.pipelines.signals import cut_pool
from assay.workloads.vibration.storage import StoredWindows, open_windows, write_windows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MEMORY = "memory"
_LEAST_BYTES = 64 << 20
"""A file is so large at least, so that batches do not come from a few pages that the processor's caches hold."""


@dataclass(frozen=True, slots=True)
class ReadWindows:
    """Windows drawn at random from where they are kept, as a loader reads that shuffles."""

    windows: StoredWindows | NDArray[np.float32]
    labels: NDArray[np.int64]
    batch: int
    seed: int

    def make_batch(self, index: int) -> Batch:
        """``signal`` (batch, channels, window) float32, as recorded, and ``labels`` (batch) int64."""
        import numpy as np

        chosen = generator_for(self.seed, index).integers(len(self.windows), size=self.batch)
        if isinstance(self.windows, np.ndarray):
            return {"signal": self.windows[chosen], "labels": self.labels[chosen]}
        return {"signal": self.windows.take(chosen.tolist()), "labels": self.labels[chosen]}


def _open(request: PipelineRequest) -> Opened:
    import numpy as np

    storage = str(request.options.get("storage", MEMORY))
    windows, labels = cut_pool(request)
    # Repeated rather than generated: a reader does not look at what it reads.
    times = -(-_LEAST_BYTES // windows.nbytes)
    windows, labels = np.tile(windows, (times, 1, 1)), np.tile(labels, times)
    facts = {
        "dataset": "bearings-synthetic", "dataset_kind": "synthetic", "storage": storage,
        "stored_bytes": str(windows.nbytes), "windows": str(len(windows)),
    }  # fmt: skip
    if storage == MEMORY:
        return Opened(ReadWindows(windows, labels, request.batch, request.seed), facts)
    path = write_windows(windows, request.folder, storage)
    cache = "written just before, so the files are in the system's page cache: formats are compared, not disks"
    facts |= {"file_bytes": str(path.stat().st_size), "page_cache": cache}
    return Opened(ReadWindows(open_windows(path), labels, request.batch, request.seed), facts)


KINDS = (
    PipelineKind(
        "storage", "windows read by position from memory, HDF5, Parquet or a memory map",
        {"window": 1024, "channels": 2}, _open, options=("storage",),
        packages={"h5py": "pip install 'assay[vibration]'"},
    ),
)  # fmt: skip
