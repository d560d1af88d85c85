"""Metrics of training, of data pipelines and of training on several ranks: name, unit, direction, meaning, formula, source.

Importing this module registers them. May import: core, catalog.metrics.
"""

from __future__ import annotations

from assay.catalog.metrics import Metric, metrics
from assay.core.words import Direction

_TRAINING = "docs/training.md"
_DATA = "docs/data-pipelines.md"
_DISTRIBUTED = "docs/distributed.md"
_TARGETS = "docs/time-to-accuracy.md"
_LAUNCHES = "median over launches"


def _define(
    name: str,
    unit: str,
    direction: Direction,
    description: str,
    formula: str = _LAUNCHES,
    *,
    source: str = _TRAINING,
) -> Metric:
    return metrics.add(name, Metric(name, unit, direction, description, formula, source))


_PART = "median over launches of (median over steps of the split pass, micro-batches of a step summed)"
FORWARD_TIME = _define(
    "forward_ns", "ns", Direction.LOWER, "Time of the forward pass in a training step, loss not counted where it is apart", _PART
)  # fmt: skip
LOSS_TIME = _define(
    "loss_time_ns", "ns", Direction.LOWER, "Time to compute the loss from the outputs (InfoNCE, say), where the model does not do it itself", _PART
)  # fmt: skip
BACKWARD_TIME = _define("backward_ns", "ns", Direction.LOWER, "Time of the backward pass in a training step", _PART)
OPTIMIZER_TIME = _define(
    "optimizer_ns",
    "ns",
    Direction.LOWER,
    "Time of the optimizer's update, gradients cleared and rates scheduled",
    _PART,
)
DATA_WAIT_TIME = _define(
    "data_wait_ns", "ns", Direction.LOWER, "Time that a training step waits for its batch, bringing it to the device included", _PART
)  # fmt: skip
COMMUNICATION_TIME = _define(
    "communication_ns", "ns", Direction.LOWER, "Time of a step that is spent on exchanging gradients or parameters; the phase tells how it was found", "exposed: step - step without exchange; alone: the exchange by itself; profiler: time in its operators", source=_DISTRIBUTED,
)  # fmt: skip
PARTS_SHARE = _define(
    "parts_share", "1", Direction.NEITHER, "Sum of the parts of a step over the time of a whole step: 1 where nothing is missed", "median over pairs of (sum of the parts of a step / a whole step next to it)",
)  # fmt: skip
DATA_WAIT_SHARE = _define(
    "data_wait_share", "1", Direction.LOWER, "Share of a training step in which the device waits for data", "data_wait_ns / sum of all parts", source=_DATA,
)  # fmt: skip
LOSS_DROP = _define(
    "loss_ratio", "1", Direction.LOWER, "Loss at the end over loss at the start: below 1 the model learned", "median loss of the last tenth of the steps / median of the first tenth of the steps that learning is allowed (at least 4)",
)  # fmt: skip
STEPS = _define(
    "steps_to_target",
    "1",
    Direction.LOWER,
    "Optimizer steps until the target quality was first reached",
    source=_TARGETS,
)
TRAINING_ENERGY = _define(
    "energy_to_target_j",
    "J",
    Direction.LOWER,
    "Energy from the start of training until the target was reached, idle draw included",
    source=_TARGETS,
)
BEST_EPOCH = _define(
    "best_epoch", "1", Direction.NEITHER, "Epoch after which the test split was answered best, from 1", source=_TARGETS
)
NOISE_SCALE = _define(
    "gradient_noise_scale", "1", Direction.NEITHER, "Simple noise scale of the gradient, in samples: the batch at which noise and signal are equal", "tr(Sigma) / |G|^2 (McCandlish et al. 2018, arXiv:1812.06162, appendix A)", source=_TARGETS,
)  # fmt: skip
SUGGESTED_BATCH = _define(
    "suggested_batch",
    "1",
    Direction.NEITHER,
    "Samples in a step that the noise scale suggests, within what the data set has",
    "the power of two nearest to gradient_noise_scale, at most training samples / 8",
    source=_TARGETS,
)
TRAINABLE = _define(
    "trainable_parameters", "1", Direction.NEITHER, "Parameters that receive gradients", "count of the elements",
)  # fmt: skip
MEMORY_PHASE = _define(
    "memory_phase_peak_bytes", "B", Direction.LOWER, "Peak memory in one phase of a training step (named by the phase), net of the process before loading; on accelerators the allocator's", "max over launches",
)  # fmt: skip
PROBE_ACCURACY = _define(
    "probe_accuracy", "1", Direction.HIGHER, "Accuracy of a linear classifier on the frozen encoder's outputs, on samples it has not seen", "right answers / samples; the phase 'before' is the encoder untrained", source="docs/contrastive.md",
)  # fmt: skip
PROBE_CHANCE = _define(
    "probe_chance", "1", Direction.NEITHER, "Accuracy of always answering the most frequent class of the same samples", "count of the largest class / samples", source="docs/contrastive.md",
)  # fmt: skip
READ_RATE = _define(
    "read_bytes_per_s", "B/s", Direction.HIGHER, "Bytes of samples brought into memory per second, as they are in memory", "bytes of the batches / time", source=_DATA,
)  # fmt: skip
COMMUNICATION_SHARE = _define(
    "communication_share", "1", Direction.LOWER, "Share of a training step spent on communication; the phase tells how it was found", "communication_ns / latency", source=_DISTRIBUTED,
)  # fmt: skip
ALL_REDUCE_RATE = _define(
    "all_reduce_bytes_per_s", "B/s", Direction.HIGHER, "Bus bandwidth of an all-reduce; the phase holds the size of the message", "2 (ranks - 1) / ranks x bytes / time (the bus bandwidth of nccl-tests)", source=_DISTRIBUTED,
)  # fmt: skip
STRAGGLER = _define(
    "straggler_ratio", "1", Direction.LOWER, "Time that the slowest rank works in a step over that of the median rank", "max over ranks / median over ranks, of forward + backward without communication", source=_DISTRIBUTED,
)  # fmt: skip
