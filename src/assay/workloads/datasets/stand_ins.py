"""Generated data of the shapes and counts of CIFAR-10, SST-2 and a small segmentation set, for machines without them.

They are drawn anew each time, from a seed that is their own and not the launch's: like a published data set they are
the same for everyone, and what differs between launches is the training alone. Every row that used one says so. WHERE
is the number of training samples (``cifar10-synthetic:5000``), the test split then shrinks in proportion;
``?seed=1`` draws another set. May import: core, workloads.datasets; numpy inside functions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.core.errors import WorkloadError
from assay.workloads.datasets.base import Dataset, DatasetInfo, DatasetRequest, DatasetSource, DataTask, Split, datasets
from assay.workloads.datasets.places import Place, read_count, read_place

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SEQ = 64
_IMAGE_CIFAR, _IMAGE_SEGMENTATION = 32, 64
_TRAIN, _TEST = 0, 1


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be generated: counts, the dimension that may be chosen, and the seed."""

    train: int
    test: int
    side: int
    seed: int


@dataclass(frozen=True, slots=True)
class _StandIn:
    """One kind of generated data: what it stands for, and how a split of it is made."""

    name: str
    summary: str
    task: DataTask
    counts: tuple[int, int]
    dimension: tuple[str, int]
    labels: tuple[str, ...]
    source: str
    make: Callable[[_Plan, int, int], Split]
    channels: int | None = None
    vocab: int | None = None
    notes: tuple[str, ...] = ()


def _make_figures(plan: _Plan, split: int, count: int) -> Split:
    from assay.workloads.datasets.arrays import PictureSplit
    from assay.workloads.datasets.drawn_figures import draw_figures

    pixels, labels = draw_figures(count, side=plan.side, key=(plan.seed, split))
    return PictureSplit(pixels, labels)


def _make_scenes(plan: _Plan, split: int, count: int) -> Split:
    from assay.workloads.datasets.arrays import PictureSplit
    from assay.workloads.datasets.drawn_figures import draw_scenes

    pixels, labels = draw_scenes(count, side=plan.side, key=(plan.seed, split))
    return PictureSplit(pixels, labels)


def _make_sentences(plan: _Plan, split: int, count: int) -> Split:
    from assay.workloads.datasets.tokens import HashingTokenizer, encode_texts
    from assay.workloads.datasets.written_sentences import write_sentences

    texts, labels = write_sentences(count, key=(plan.seed, split))
    return encode_texts(texts, labels, HashingTokenizer(), plan.side)


_STAND_INS = (
    _StandIn(
        name="cifar10-synthetic",
        summary="ten drawn figures in CIFAR-10's shape: 50 000 + 10 000 pictures, 3 x 32 x 32",
        task=DataTask.IMAGES,
        counts=(50_000, 10_000),
        dimension=("image", _IMAGE_CIFAR),
        labels=("disc", "ring", "square", "triangle", "cross", "bars", "quarters", "crescent", "pair", "star"),
        source="generated: ten figures under random place, size, angle, colour, light, cover and grain",
        make=_make_figures,
        channels=3,
        notes=("stands for CIFAR-10 in shape, count and type; accuracies are not comparable with it",),
    ),
    _StandIn(
        name="sst2-synthetic",
        summary="sentences with a feeling, in SST-2's shape: 67 349 + 872, two classes",
        task=DataTask.TEXTS,
        counts=(67_349, 872),
        dimension=("seq", _SEQ),
        labels=("negative", "positive"),
        source="generated: statements with judgements, negations and contrasts; words hashed to ids",
        make=_make_sentences,
        vocab=30522,
        notes=(
            "stands for SST-2 in shape, count and type; accuracies are not comparable with it",
            "one label in twenty is wrong on purpose: 95 % is the most that can be learned",
        ),
    ),
    _StandIn(
        name="segmentation-synthetic",
        summary="scenes of discs and squares to be segmented: 3 680 + 3 669, three classes",
        task=DataTask.SEGMENTATION,
        counts=(3_680, 3_669),
        dimension=("image", _IMAGE_SEGMENTATION),
        labels=("background", "disc", "square"),
        source="generated: four figures a scene, one over another, under random colour, light and grain",
        make=_make_scenes,
        channels=3,
        notes=("has the counts and the three classes of Oxford-IIIT Pet; accuracies are not comparable with it",),
    ),
)


def _open(kind: _StandIn, request: DatasetRequest) -> Dataset:
    plan = _plan(kind, request)
    train, test = kind.make(plan, _TRAIN, plan.train), kind.make(plan, _TEST, plan.test)
    shape = {kind.dimension[0]: plan.side}
    if kind.channels is not None:
        shape["channels"] = kind.channels
    info = DatasetInfo(
        name=kind.name,
        task=kind.task,
        classes=len(kind.labels),
        train_samples=len(train),
        test_samples=len(test),
        shape=shape,
        is_synthetic=True,
        source=kind.source,
        vocab=kind.vocab,
        labels=kind.labels,
        notes=(*kind.notes, f"seed {plan.seed}, the same for every launch", *_describe_shares(test)),
    )
    return Dataset(info, train, test)


def _plan(kind: _StandIn, request: DatasetRequest) -> _Plan:
    place = read_place(kind.name, request.where, ("seed",))
    train = _read_size(kind, place)
    if request.limit is not None:
        train = min(train, read_count(str(request.limit), "limit", least=1))
    name, default = kind.dimension
    whole_train, whole_test = kind.counts
    # In proportion, but never so few that one sample more or less moves an accuracy by a percent.
    test = min(whole_test, max(200, round(whole_test * train / whole_train)))
    seed = read_count(place.settings.get("seed", "0"), "seed", least=0)
    side = request.shape.get(name, default)
    if side < _SMALLEST[name]:
        raise WorkloadError(f"got {name}={side} for {kind.name}, expected at least {_SMALLEST[name]}.")
    return _Plan(train, test, side, seed)


_SMALLEST = {"image": 8, "seq": 8}


def _read_size(kind: _StandIn, place: Place) -> int:
    if not place.text:
        return kind.counts[0]
    size = read_count(place.text, f"samples of {kind.name}", least=1)
    if size > kind.counts[0]:
        raise WorkloadError(f"{kind.name} has at most {kind.counts[0]} training samples, as what it stands for.")
    return size


def _describe_shares(test: Split) -> tuple[str, ...]:
    """Say how many pixels or samples a model gets right that always answers with the commonest class."""
    import numpy as np

    labels: NDArray[Any] = test.take(range(len(test)))["labels"]
    share = np.bincount(labels.ravel()).max() / labels.size
    return (f"always answering with the commonest class is right in {100 * share:.1f} %",)


for _kind in _STAND_INS:
    datasets.add(
        _kind.name,
        DatasetSource(
            name=_kind.name,
            summary=_kind.summary,
            task=_kind.task,
            is_synthetic=True,
            open=functools.partial(_open, _kind),
            takes_place="optional",
            shape=dict([_kind.dimension]),
        ),
    )
