"""Learning what kernels cost: the law of each family, then trees on what it leaves, then errors on devices left out.

A device that is off as a whole is no matter of shapes: its median error is taken out before trees learn, so that
they cannot learn which device a row is of. Settings were chosen on the devices learned from, each left out in turn.
May import: core, predict, stats; numpy inside functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from assay.core.errors import AssayError
from assay.predict.base import Gathered
from assay.predict.kernels.features import describe_shapes
from assay.predict.kernels.law import Rates, expect_ns, fit_constants, rates_of_rows
from assay.predict.kernels.model import KernelModel, take_rates
from assay.predict.kernels.table import FAMILIES, KernelTable
from assay.predict.splits import leave_one_out
from assay.predict.trees import learn_forest
from assay.stats.conformal import Calibration, calibrate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

FEWEST = 2000
_FOR_LAW = 1200
"""Rows of a device and part that the few constants are fitted to."""
_FOR_TREES = 6000
_ROUNDS = 300
_ROWS_A_ROUND = 10
"""A tree more for as many rows: few rows have little to teach."""
_SETTINGS = {
    "objective": "regression_l1", "learning_rate": 0.08, "num_leaves": 31, "min_data_in_leaf": 30, "max_bin": 127,
    "feature_fraction": 0.6, "bagging_fraction": 0.7, "bagging_freq": 1,
}  # fmt: skip


def table_of(gathered: Gathered) -> KernelTable:
    """Return the timings. Raises AssayError where there are too few."""
    if len(gathered.examples) < FEWEST:
        raise AssayError(
            f"{len(gathered.examples)} timings of kernels can be learned from; expected at least {FEWEST}.",
            hint="Give the published ones: --data FOLDER, with a folder `neusight` in it.",
        )
    return cast("KernelTable", gathered.examples)


def fit_kernels(table: KernelTable, seed: int, *, is_calibrated: bool = True) -> KernelModel:
    """Learn from timed kernels; with ``is_calibrated`` each device is left out once, for the intervals."""
    import numpy as np

    rates = rates_of_rows(table.profiles, table.device)
    constants, forests = {}, {}
    for family in FAMILIES:
        own = np.flatnonzero(table.kernels.family == family)
        for_law = sample_groups(table, own, _FOR_LAW, seed)
        values = _fit_law(family, table, rates, for_law)
        for_trees = sample_groups(table, own, _FOR_TREES, seed + 1)
        constants[family] = values
        forests[family] = _fit_trees(family, values, table, rates, for_trees, seed)
    calibration = _calibrate(table, seed) if is_calibrated else None
    return KernelModel(constants, forests, calibration, tuple(sorted(set(table.device))), len(table))


def sample_groups(table: KernelTable, places: Array, most: int, seed: int) -> Array:
    """Draw at most ``most`` of ``places`` from every device and part, seeded."""
    import numpy as np

    draw = np.random.default_rng(seed)
    words = table.device[places].astype(str) + "/" + table.part[places].astype(str)
    found = []
    for word in np.unique(words):
        own = places[words == word]
        found.append(own if len(own) <= most else np.sort(draw.choice(own, most, replace=False)))
    return np.concatenate(found) if found else places


def _fit_law(family: str, table: KernelTable, rates: Rates, places: Array) -> Array:
    return fit_constants(family, table.kernels.take(places), take_rates(rates, places), table.latency_ns[places])


def _fit_trees(family: str, constants: Array, table: KernelTable, rates: Rates, places: Array, seed: int) -> Any:
    import numpy as np

    kernels, given = table.kernels.take(places), take_rates(rates, places)
    left = np.log(table.latency_ns[places]) - np.log(expect_ns(family, constants, kernels, given))
    words = table.device[places].astype(str) + "/" + table.part[places].astype(str)
    names, number, counts = np.unique(words, return_inverse=True, return_counts=True)
    medians = np.array([np.median(left[number == place]) for place in range(len(names))])
    target = left - medians[number] + np.median(medians)
    rounds = min(_ROUNDS, max(1, len(places) // _ROWS_A_ROUND))
    overhead = float(constants[0] if len(constants) == 2 else constants[2])  # noqa: PLR2004  (law.CONSTANTS)
    return learn_forest(
        describe_shapes(family, kernels, given, overhead), target,
        weight=1 / np.sqrt(counts[number]), rounds=rounds, seed=seed, **_SETTINGS,
    )  # fmt: skip


def _calibrate(table: KernelTable, seed: int) -> Calibration | None:
    """Return errors of every device learned without; families weigh the same in each."""
    import numpy as np

    names = sorted(set(table.device))
    if len(names) < 3:  # noqa: PLR2004  (leaving one out has to leave two)
        return None
    drawn = sample_groups(table, np.arange(len(table)), _FOR_TREES, seed)
    small = table.take(drawn)
    errors, groups = [], []
    for fold in leave_one_out(list(small.device)):
        model = fit_kernels(small.take(np.array(fold.train)), seed, is_calibrated=False)
        held = small.take(np.array(fold.test))
        told = model.predict_ns(held.kernels, rates_of_rows(held.profiles, held.device))
        errors.append(np.log(held.latency_ns / told))
        groups += list(fold.held_out) * len(held)
    return calibrate(np.concatenate(errors), groups)
