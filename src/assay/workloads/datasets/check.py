"""Whether a data set keeps what `Split` and `DataTask` promise, asked of its samples.

May import: core, workloads; numpy.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from assay.core.errors import WorkloadError
from assay.workloads.datasets.base import Dataset, DataTask, Split

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEFAULT_SAMPLES = 256


class Level(StrEnum):
    """How bad a finding is: a fault breaks a promise, a warning makes results doubtful, a fact is good to know."""

    FAULT = "fault"
    WARNING = "warning"
    FACT = "fact"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found."""

    level: Level
    text: str


_FIELDS: Mapping[DataTask, Mapping[str, tuple[str, int]]] = {
    DataTask.IMAGES: {"pixel_values": ("float32", 4), "labels": ("int64", 1)},
    DataTask.TEXTS: {"input_ids": ("int64", 2), "attention_mask": ("int64", 2), "labels": ("int64", 1)},
    DataTask.SEGMENTATION: {"pixel_values": ("float32", 4), "labels": ("int64", 3)},
    DataTask.SIGNALS: {"signal": ("float32", 3), "labels": ("int64", 1)},
}
"""Type and number of dimensions of each field, the batch included."""


def check_dataset(dataset: Dataset, samples: int = DEFAULT_SAMPLES) -> tuple[Finding, ...]:
    """Look at up to ``samples`` of each split, spread evenly. No finding of level fault: it can be trained on."""
    findings: list[Finding] = []
    digests = {}
    for name, split, said in (
        ("train", dataset.train, dataset.info.train_samples),
        ("test", dataset.test, dataset.info.test_samples),
    ):
        if len(split) != said:
            findings.append(Finding(Level.FAULT, f"{name}: {len(split)} samples, and the info says {said}"))
        if not len(split):
            findings.append(Finding(Level.FAULT, f"{name}: no samples"))
            continue
        try:
            batch = split.take(_spread(len(split), samples))
        except WorkloadError as error:
            findings.append(Finding(Level.FAULT, f"{name}: {error}"))
            continue
        faults = list(_check_batch(dataset, batch, min(samples, len(split))))
        findings += [Finding(Level.FAULT, f"{name}: {text}") for text in faults]
        if not faults:
            findings += [Finding(level, f"{name}: {text}") for level, text in _check_split(dataset, split, batch)]
            digests[name] = _digest_samples(batch)
    if len(digests) == 2:  # noqa: PLR2004  (train and test)
        shared = len(digests["train"] & digests["test"])
        if shared:
            text = f"{shared} of {len(digests['test'])} test samples looked at are also in the training split"
            findings.append(Finding(Level.WARNING, text))
    return tuple(findings)


def _spread(count: int, samples: int) -> list[int]:
    wanted = min(count, samples)
    return [number * count // wanted for number in range(wanted)]


def _check_batch(dataset: Dataset, batch: Mapping[str, NDArray[Any]], size: int) -> Iterator[str]:
    import numpy as np

    expected = _FIELDS[dataset.info.task]
    for name, (dtype, dimensions) in expected.items():
        array = batch.get(name)
        if array is None:
            yield f"the field {name} is missing; there are {', '.join(batch)}"
            continue
        if str(array.dtype) != dtype or array.ndim != dimensions or len(array) != size:
            yield f"{name} is {array.dtype} {array.shape}, expected {size} samples, {dtype}, {dimensions} dimensions"
        elif array.dtype.kind == "f" and not np.isfinite(array).all():
            yield f"{name} holds NaN or infinity"
    labels, ids = batch.get("labels"), batch.get("input_ids")
    if labels is not None and labels.size and (labels.min() < 0 or labels.max() >= dataset.info.classes):
        yield f"labels are {labels.min()} to {labels.max()}, expected 0 to {dataset.info.classes - 1}"
    if ids is not None and ids.size:
        vocab = dataset.info.vocab
        if vocab is None:
            yield "the info says no vocab, which a model of texts needs"
        elif ids.min() < 0 or ids.max() >= vocab:
            yield f"input_ids are {ids.min()} to {ids.max()}, expected 0 to {vocab - 1}"
    yield from _check_shape(dataset, batch)


def _check_shape(dataset: Dataset, batch: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    axes: Mapping[str, tuple[str, int]] = {
        "image": ("pixel_values", -1), "seq": ("input_ids", -1), "window": ("signal", -1),
        "channels": ("signal" if "signal" in batch else "pixel_values", 1),
    }  # fmt: skip
    for name, (field, axis) in axes.items():
        array, said = batch.get(field), dataset.info.shape.get(name)
        if array is not None and array.ndim > 1 and said != array.shape[axis]:
            yield f"{field} has {name} {array.shape[axis]}, and the info says {said}"


def _check_split(dataset: Dataset, split: Split, batch: Mapping[str, Any]) -> Iterator[tuple[Level, str]]:
    import numpy as np

    labels = batch["labels"]
    counts = np.bincount(labels.ravel(), minlength=dataset.info.classes)
    yield Level.FACT, f"commonest class {100 * counts.max() / counts.sum():.1f} % of {counts.sum()} labels looked at"
    missing = int((counts == 0).sum())
    if missing:
        yield Level.WARNING, f"{missing} of {dataset.info.classes} classes do not occur in what was looked at"
    repeated = len(labels) - len(_digest_samples(batch))
    if repeated:
        yield Level.WARNING, f"{repeated} of {len(labels)} samples looked at are there more than once"
    last = len(split) - 1
    ahead, back = split.take([0, last]), split.take([last, 0])
    if any(not np.array_equal(ahead[name], back[name][::-1]) for name in ahead):
        yield Level.FAULT, "reading the same samples in another order gives other values"
    yield from _try(lambda: split.take([last + 1]), "a position after the last is not refused")
    try:
        copy = pickle.loads(pickle.dumps(split))  # noqa: S301  (made a moment ago)
    except Exception as error:  # noqa: BLE001  (whatever an object of the user's does)
        yield Level.FAULT, f"cannot be handed to other processes: {type(error).__name__}: {error}"
    else:
        if len(copy) != len(split):
            yield Level.FAULT, "has another length after it was handed to another process"


def _try(call: Callable[[], object], fault: str) -> Iterator[tuple[Level, str]]:
    try:
        call()
    except (WorkloadError, IndexError):
        return
    yield Level.FAULT, fault


def _digest_samples(batch: Mapping[str, NDArray[Any]]) -> set[bytes]:
    """Return what tells the inputs of the samples apart, without their labels."""
    inputs = [array for name, array in sorted(batch.items()) if name != "labels"]
    return {
        hashlib.blake2b(b"".join(array[row].tobytes() for array in inputs), digest_size=16).digest()
        for row in range(len(inputs[0]))
    }
