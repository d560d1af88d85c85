"""Metrics that only others' results have: name, unit, direction, meaning, formula, source.

Importing this module registers them. May import: core, catalog.metrics.
"""

from __future__ import annotations

import functools

from assay.catalog.metrics import define
from assay.core.words import Direction

_SOURCE = "docs/importing.md"
_define = functools.partial(define, source=_SOURCE)


THROUGHPUT_PER_ACCELERATOR = _define(
    "throughput_per_accelerator_per_s", "1/s", Direction.HIGHER,
    "Derived: the throughput of a system shared out evenly to its accelerators",
    "throughput / (accelerators per node x nodes)",
)  # fmt: skip
TIME_TO_TRAIN = _define(
    "time_to_train_ns", "ns", Direction.LOWER, "Time from the start of training until the target quality is reached, as its source defines it", "as the source says; measured: docs/time-to-accuracy.md",
)  # fmt: skip
TRAINING_TIME = _define(
    "training_time_ns", "ns", Direction.LOWER, "Wall time of a whole training, whatever it reached", "as the source says; measured: docs/time-to-accuracy.md",
)  # fmt: skip
EPOCHS = _define(
    "epochs", "1", Direction.NEITHER, "Epochs that a training took", "as the source says; measured: docs/time-to-accuracy.md",
)  # fmt: skip
ACCURACY = _define(
    "accuracy", "1", Direction.HIGHER, "Quality of the answers as a share of right ones, or the source's own score; the phase tells validation from test", "as the source says; measured: docs/time-to-accuracy.md",
)  # fmt: skip
LOSS = _define(
    "loss", "1", Direction.LOWER, "Training or test loss; the phase tells which", "as the source says; measured: docs/time-to-accuracy.md",
)  # fmt: skip
SCORE = _define(
    "score", "1", Direction.NEITHER, "A number of the source without a unit that no other metric stands for; the phase holds its name there", "as the source says",
)  # fmt: skip
WALL_TIME = _define(
    "wall_time_ns", "ns", Direction.LOWER, "Elapsed time of a whole program or test, start-up included", "as the source says",
)  # fmt: skip
MEMORY_USED = _define(
    "memory_used_bytes", "B", Direction.LOWER, "Memory of a process or device as its source reports it, not net of anything", "as the source says",
)  # fmt: skip
ENERGY = _define(
    "energy_j", "J", Direction.LOWER, "Energy of a whole run, as its source reports it", "as the source says",
)  # fmt: skip
UTILISATION = _define(
    "utilisation", "1", Direction.NEITHER, "Share of a device in use, by its source's account; the phase names the device", "as the source says",
)  # fmt: skip
MACS = _define(
    "macs", "1", Direction.NEITHER, "Multiply-accumulate operations of one sample", "as the source says",
)  # fmt: skip
ACTIVATIONS = _define(
    "activations", "1", Direction.NEITHER, "Elements of activations of one sample", "as the source says",
)  # fmt: skip
