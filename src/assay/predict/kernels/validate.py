"""How well kernels of devices left out are foretold, beside a roofline. The split of NeuSight's paper is one of two.

May import: core, predict; numpy inside functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError, UnknownNameError
from assay.predict.base import Gathered
from assay.predict.kernels.fit import fit_kernels, table_of
from assay.predict.kernels.law import rates_of_rows
from assay.predict.kernels.table import FAMILIES, KernelTable
from assay.predict.scores import SplitOutcome, score_groups, score_predictions
from assay.predict.splits import Fold, hold_out, leave_one_out

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

KIND = "kernels"
SPLITS = {
    "neusight": "kernels of H100, L4 and A100 80 GB, learned on P4, P100, V100, T4 and A100 40 GB",
    "device": "kernels of a device that was not measured, each in turn",
}
HELD_OUT = ("NVIDIA A100 80GB PCIe", "NVIDIA H100 80GB HBM3", "NVIDIA L4")
"""What the paper predicts without having measured it (Lee, Phanishayee, Mahajan 2025)."""
PUBLISHED = 0.089
"""Mean error of whole models over the three, as the paper says. It is of sums, not of single kernels."""


def validate_kernels(gathered: Gathered, split: str, seed: int) -> SplitOutcome:
    """Hold out devices and predict. Raises AssayError where there is too little, UnknownNameError for another split."""
    import numpy as np

    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    table = table_of(gathered)
    told, roof, held, bounds = [], [], [], []
    for fold in _folds(table, split):
        train, test = table.take(np.array(fold.train)), table.take(np.array(fold.test))
        model = fit_kernels(train, seed)
        found = model.predict_ns(test.kernels, rates_of_rows(test.profiles, test.device))
        told.append(found)
        bounds.append({level: (found / width, found * width) for level, width in model.widths().items()})
        roof.append(_scaled_roof(train, test))
        held.append(test)
    if not told:
        raise AssayError(f"Nothing could be held out for the split {split!r}.", hint="It needs the published kernels.")
    truth = np.concatenate([one.latency_ns for one in held])
    guess = np.concatenate(told)
    levels = set.intersection(*(set(one) for one in bounds))
    ends = {
        level: (np.concatenate([one[level][0] for one in bounds]), np.concatenate([one[level][1] for one in bounds]))
        for level in levels
    }
    family = [str(word) for one in held for word in one.kernels.family]
    part = [str(word) for one in held for word in one.part]
    device = [str(word) for one in held for word in one.device]
    methods = {
        "assay": score_predictions(truth, guess, ends),
        "roofline": score_predictions(truth, np.concatenate(roof)),
    }
    groups = score_groups(device, truth, guess, ends)
    by_family = score_groups(family, truth, guess, ends)
    each = score_groups([f"{one} {two}" for one, two in zip(device, family, strict=True)], truth, guess, ends)
    notes = [
        f"mean over families, each weighing the same: {np.mean([one.score.mean_error for one in by_family]):.1%}",
        "what share of the usual power a device has was looked at on all devices, those held out among them",
    ]
    if len(levels) < 3:  # noqa: PLR2004  (LEVELS)
        notes.append("intervals of 90% need ten devices to calibrate on, and are not given")
    if split == "neusight":
        notes.append(f"published: mean error {PUBLISHED:.1%} of whole models, of which no timings are in the folder")
    return SplitOutcome(
        KIND, split, SPLITS[split], "latency_ns", methods, groups,
        {"family": by_family, "shapes": score_groups(part, truth, guess, ends), "device and family": each},
        notes=tuple(notes),
    )  # fmt: skip


def _folds(table: KernelTable, split: str) -> Iterator[Fold]:
    devices = [str(one) for one in table.device]
    if split == "neusight":
        fold = hold_out(devices, HELD_OUT)
        if fold.test and fold.train:
            yield fold
        return
    yield from leave_one_out(devices)


def _scaled_roof(train: KernelTable, test: KernelTable) -> Array:
    """Return ns by the device's rates, times the median that such kernels take of it elsewhere."""
    import numpy as np

    known, asked = _roof_ns(train), _roof_ns(test)
    found = np.empty(len(test))
    for family in FAMILIES:
        own = test.kernels.family == family
        like = train.kernels.family == family
        if own.any() and like.any():
            found[own] = asked[own] * np.median(train.latency_ns[like] / known[like])
    return found


def _roof_ns(table: KernelTable) -> Array:
    import numpy as np

    rates = rates_of_rows(table.profiles, table.device)
    kernels = table.kernels
    work, moving = kernels.flops / rates.flops_per_s, kernels.moved_bytes / rates.bandwidth_bytes_per_s
    return np.asarray(np.maximum(work, moving) * 1e9)
