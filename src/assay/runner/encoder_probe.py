"""What an encoder learns in a training case: a linear probe of it before the first step and after the last.

Asked for by the option ``probe_steps``. The encoder sees no label while it trains; the probe is fitted and scored on
windows of a labelled data set. May import: core, engines, workloads, runner.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from assay.core.errors import UnsupportedError, WorkloadError
from assay.core.records import MetricValue
from assay.engines.base import LoadRequest
from assay.engines.training_base import TrainingSession
from assay.engines.training_data import open_dataset
from assay.runner.modes import ModeMeasured
from assay.workloads.datasets.base import Batch, DataTask, Split, datasets, split_reference
from assay.workloads.vibration.probe import chance_accuracy, encoder_of, probe_accuracy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OPTION = "probe_steps"
DEFAULT_DATASET = "bearings-synthetic"
_TRAIN, _TEST = 600, 300
"""Windows that the probe is fitted on and scored on, at most. 300 answers tell shares to about 6 points."""


@dataclass(frozen=True, slots=True)
class EncoderProbe:
    """A probe in waiting: what it is scored on, how well the untrained encoder did, and how long that took."""

    training: TrainingSession
    steps: int
    dataset: str
    train: Batch
    test: Batch
    before: float
    took_ns: int

    @property
    def encode(self) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        """The encoder as it is now."""
        return encoder_of(self.training.module)

    def finish(self, measured: ModeMeasured) -> ModeMeasured:
        """Train for ``steps`` more steps, probe, and add what was found. Raises WorkloadError where it diverged."""
        for _ in range(self.steps):
            self.training.session.infer()
        if self.training.session.synchronize is not None:
            self.training.session.synchronize()
        after = probe_accuracy(self.encode, self.train, self.test)
        found = (
            MetricValue("probe_accuracy", after, "1"),
            MetricValue("probe_accuracy", self.before, "1", phase="before"),
            MetricValue("probe_chance", chance_accuracy(self.test["labels"]), "1"),
        )
        facts = {
            "probe_dataset": self.dataset,
            "probe_windows": f"{len(self.train['labels'])} to fit, {len(self.test['labels'])} to score",
            OPTION: f"{self.steps}, after those that were timed",
        }
        return replace(measured, metrics=(*measured.metrics, *found), facts={**measured.facts, **facts})


def plan_probe(training: TrainingSession, request: LoadRequest) -> EncoderProbe:
    """Probe the untrained encoder. The case has the option.

    Raises UnsupportedError for a model that is no encoder or data that has no signals, and WorkloadError.
    """
    began_ns = time.perf_counter_ns()
    if not hasattr(training.module, "encode"):
        raise UnsupportedError(
            f"{request.workload.name} has no encoder to probe.", hint=f"{OPTION} is for contrastive/..."
        )
    reference = str(request.options.get("dataset", DEFAULT_DATASET))
    source = datasets.get(split_reference(reference)[0])
    if source.task is not DataTask.SIGNALS:
        raise UnsupportedError(f"{reference} is {source.task}, and a probe needs signals with their faults.")
    opened = open_dataset(reference, request)
    train, test = _take(opened.train, _TRAIN), _take(opened.test, _TEST)
    if not len(test["labels"]):
        raise WorkloadError(f"{reference} has no test windows to score a probe on.")
    before = probe_accuracy(encoder_of(training.module), train, test)
    took_ns = time.perf_counter_ns() - began_ns
    return EncoderProbe(training, int(request.options[OPTION]), reference, train, test, before, took_ns)


def _take(split: Split, most: int) -> Batch:
    """Take samples spread over the whole split, which may be sorted by class."""
    count = min(most, len(split))
    return split.take([number * len(split) // count for number in range(count)])
