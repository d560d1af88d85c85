"""Generated bearings with and without faults: five classes to be told apart by when the impacts come.

Like the other stand-ins it is drawn from a seed of its own and not the launch's. WHERE is the number of training
windows (``bearings-synthetic:5000``); ``?seed=1`` draws others. All are of one rig, as published recordings are;
training and test windows are of different recordings, so knowing a recording by its resonance gains nothing. May
import: core, workloads; numpy inside functions.
"""

from __future__ import annotations

import functools
import math

from assay.workloads.datasets.base import Dataset, DatasetInfo, DatasetRequest, DatasetSource, DataTask, datasets
from assay.workloads.datasets.places import read_count, read_place
from assay.workloads.vibration.bearings import Fault, draw_recording, generate_signal
from assay.workloads.vibration.split import HeldSignals, Windows, WindowSplit, limit_split, read_shape
from assay.workloads.vibration.windows import WindowPlan, window_starts

_NAME = "bearings-synthetic"
_TRAIN_WINDOWS = 1_200
_TRAIN_RECORDINGS, _TEST_RECORDINGS = 12, 6
"""Of each class."""
_TEST_WINDOWS = 16
"""Of each recording."""
_TRAIN, _TEST = 0, 1


def open_bearings(request: DatasetRequest) -> Dataset:
    """Generate both splits: ``window`` (1024) and ``channels`` (2) can be chosen. Raises WorkloadError."""
    place = read_place(_NAME, request.where, ("seed",))
    wanted = read_count(place.text, "training windows", least=1) if place.text else _TRAIN_WINDOWS
    seed = read_count(place.settings["seed"], "seed", least=0) if "seed" in place.settings else request.seed
    window, channels = read_shape(request.shape)
    each = math.ceil(wanted / (_TRAIN_RECORDINGS * len(Fault)))
    make = functools.partial(_generate_split, window=window, channels=channels, seed=seed)
    train = make(_TRAIN, recordings=_TRAIN_RECORDINGS, each=each)
    train = limit_split(limit_split(train, wanted, seed), request.limit, request.seed)
    test = make(_TEST, recordings=_TEST_RECORDINGS, each=_TEST_WINDOWS)
    info = DatasetInfo(
        name=_NAME,
        task=DataTask.SIGNALS,
        classes=len(Fault),
        train_samples=len(train),
        test_samples=len(test),
        shape={"window": window, "channels": channels},
        is_synthetic=True,
        source="assay's generator of bearing faults (docs/contrastive.md), SKF 6205 at 12 000 samples a second",
        labels=tuple(map(str, Fault)),
        notes=("test: other recordings than those of training",),
    )
    return Dataset(info, train, test)


def _generate_split(split: int, *, recordings: int, each: int, window: int, channels: int, seed: int) -> WindowSplit:
    import numpy as np

    signals, starts = {}, window_starts(each * window, WindowPlan(window))
    names: list[tuple[str, int]] = []
    for fault in Fault:
        for number in range(recordings):
            generator = np.random.default_rng([seed, split, fault.label, number])
            names.append((f"{fault} {number}", fault.label))
            plan = draw_recording(each * window, channels, fault, generator)
            signals[names[-1][0]] = generate_signal(plan, generator)
    held = HeldSignals(signals)
    parts = [Windows(held, name, starts, label) for name, label in names]
    return WindowSplit(parts, size=window, channels=channels)


datasets.add(
    _NAME,
    DatasetSource(
        name=_NAME,
        summary="Generated vibration of a bearing: healthy, or with a fault of inner race, outer race, ball or cage",
        task=DataTask.SIGNALS,
        is_synthetic=True,
        open=open_bearings,
        takes_place="optional",
    ),
)
