"""What a data set is: named arrays, one sample after another, with its origin and whether it is real.

A data set is registered in the group ``assay.dataset`` under its name; ``NAME:WHERE`` opens files of the user's. Data
sets of one ``task`` have the same fields, so that any model of that task learns from any of them. May import: core;
numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from assay.core.registry import Registry

if TYPE_CHECKING:
    from numpy.typing import NDArray

Batch = Mapping[str, "NDArray[Any]"]
"""Named arrays whose first dimension counts samples."""


class DataTask(StrEnum):
    """What there is to be learned, and so which fields a batch has.

    ``image classification``: ``pixel_values`` (batch, channels, height, width) float32 and ``labels`` (batch) int64.
    ``text classification``: ``input_ids`` and ``attention_mask`` (batch, seq) int64, ``labels`` (batch) int64.
    ``segmentation``: ``pixel_values`` as above, ``labels`` (batch, height, width) int64.
    ``signal``: ``signal`` (batch, channels, window) float32 and ``labels`` (batch) int64, the fault.
    """

    IMAGES = "image classification"
    TEXTS = "text classification"
    SEGMENTATION = "segmentation"
    SIGNALS = "signal"


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """What is known of a data set without reading its samples.

    ``shape`` names the free dimensions that its samples have (``image``, ``seq``, ``window``, ``channels``);
    ``vocab`` counts token ids of texts. ``is_synthetic`` marks a generated stand-in, which every row then says.
    ``checksum`` is the SHA-256 of what was read, None where it was generated.
    """

    name: str
    task: DataTask
    classes: int
    train_samples: int
    test_samples: int
    shape: Mapping[str, int]
    is_synthetic: bool
    source: str
    licence: str | None = None
    checksum: str | None = None
    vocab: int | None = None
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Split(Protocol):
    """The training or the test samples. Reading is by position, so that loaders may shuffle and share out."""

    def __len__(self) -> int:
        """How many samples."""
        ...

    def take(self, positions: Sequence[int]) -> Batch:
        """Return these samples as one batch, in this order, with the fields of the task. Raises WorkloadError."""
        ...


@dataclass(frozen=True, slots=True)
class Dataset:
    """An opened data set. Both splits can be pickled, so that worker processes may read them."""

    info: DatasetInfo
    train: Split
    test: Split


@dataclass(frozen=True, slots=True)
class DatasetRequest:
    """Which data: ``where`` is what stood behind the colon of ``NAME:WHERE``.

    ``seed`` is for sources that draw by it; the built-in stand-ins are the same for every launch.
    ``shape`` are dimensions that the reader may choose (``image``, ``seq``, ``window``); ``limit`` the most samples of
    the training split, for trying things.
    """

    where: str | None = None
    seed: int = 0
    shape: Mapping[str, int] = field(default_factory=dict)
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A registered way to open data. ``describe`` reads no samples and says what there would be.

    ``open`` raises WorkloadError for files that are missing, incomplete or do not match their checksum, saying which,
    what was expected and where the data can be had. ``takes_place`` says whether WHERE is needed ("required"),
    possible ("optional") or senseless ("no").
    """

    name: str
    summary: str
    task: DataTask
    is_synthetic: bool
    open: Callable[[DatasetRequest], Dataset]
    takes_place: str = "no"
    packages: tuple[str, ...] = ()
    install_hint: str | None = None
    shape: Mapping[str, int] = field(default_factory=dict)
    """What its samples have unless others are asked for; of files of the user's that is not known before."""
    other_tasks: tuple[DataTask, ...] = ()
    """What it may turn out to be instead, once it is opened: what files of the user's hold is not known before."""


datasets: Registry[DatasetSource] = Registry("dataset")


def split_reference(reference: str) -> tuple[str, str | None]:
    """``cifar10:/data/cifar`` -> (``cifar10``, ``/data/cifar``); ``digits`` -> (``digits``, None)."""
    name, colon, where = reference.partition(":")
    return name, where if colon else None
