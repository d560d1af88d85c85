"""What a data pipeline is: something that makes the batch of a given number, in whichever process it is asked.

A batch follows from its number alone, so that loading processes need not agree on anything and every launch of a case
does the same work. May import: core, workloads.datasets; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from assay.core.case import Scalar
from assay.workloads.datasets.base import Batch

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class PipelineRequest:
    """What is asked of a pipeline: ``batch`` samples at a time, in ``shape``, by the case's ``options``.

    ``folder`` is an empty one for files; who opened the pipeline removes it.
    """

    batch: int
    shape: Mapping[str, int]
    seed: int
    folder: Path
    options: Mapping[str, Scalar] = field(default_factory=dict)


class Pipeline(Protocol):
    """An opened pipeline. It can be pickled, so that loading processes may have it."""

    def make_batch(self, index: int) -> Batch:
        """Make the batch of this number, from 0. The same number gives the same bytes. Raises WorkloadError."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A pipeline and what a result should say of it."""

    pipeline: Pipeline
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PipelineKind:
    """One kind of work that a pipeline does.

    ``shape`` are its free dimensions with their defaults. ``options`` are those of the case options that mean something
    to it, beside how batches are loaded. ``packages`` maps what it imports to how that is installed.
    """

    name: str
    summary: str
    shape: Mapping[str, int]
    open: Callable[[PipelineRequest], Opened]
    options: tuple[str, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    batch: int = 32


def generator_for(seed: int, index: int) -> np.random.Generator:
    """Return the generator of one batch: independent of those of all others (numpy's SeedSequence)."""
    import numpy as np

    return np.random.default_rng((seed, index))


def count_bytes(batch: Batch) -> int:
    """Bytes of a batch as it is in memory."""
    return sum(array.nbytes for array in batch.values())
