"""How far off a prediction may be: tested errors of held-out groups, in units of how uncertain a row looks.

The units come from a small forest that learned the size of held-out errors from features, so that a strange graph gets
a wider interval. Where devices are held out there are few: what a whole device is off by is then a term of its own,
Student's t over devices, because no quantile of five groups reaches 90 %. May import: predict.trees, stats; numpy,
scipy inside functions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assay.predict.splits import split_groups
from assay.predict.trees import Forest, learn_forest, read_forest
from assay.predict.values import LEVELS
from assay.stats.conformal import Calibration, calibrate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_FLOOR = 0.02
"""Errors below 2 % are noise of the tables themselves: their size teaches nothing."""
_LEAST, _MOST = 0.01, 1.5
_FOLDS = 4
_FEWEST_ROWS = 400
"""Rows below which the size of errors is taken as one and the same."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Tested errors of one situation, over ``n`` rows of ``groups`` groups.

    ``quantiles`` by ``LEVELS`` are |log error| in units of ``scale``'s forest; ``shared`` by ``LEVELS`` is half the
    width, on the log scale, of what all rows of a new device share (0 where devices were known).
    """

    scale: Forest
    quantiles: tuple[float, ...]
    shared: tuple[float, ...]
    n: int
    groups: int

    def half_widths(self, rows: Array) -> Array:
        """Return half the widths on the log scale, (n, levels), infinite where evidence is too little."""
        import numpy as np

        own = scale_of(self.scale, rows)[:, None] * np.array(self.quantiles)
        # Two independent parts: what its device is off by, and what the graph on it is.
        return np.asarray(np.hypot(own, np.array(self.shared)))

    def meta(self) -> dict[str, Any]:
        """Return what JSON can hold; None for what is infinite."""
        return {
            "quantiles": [one if math.isfinite(one) else None for one in self.quantiles],
            "shared": [one if math.isfinite(one) else None for one in self.shared],
            "n": self.n,
            "groups": self.groups,
        }

    def arrays(self, prefix: str) -> dict[str, Array]:
        """Return the arrays that ``read_spread`` reads."""
        return self.scale.arrays(prefix)


def read_spread(meta: Mapping[str, Any], arrays: Mapping[str, Array], prefix: str) -> Spread:
    """Read back a spread. Raises KeyError, TypeError or ValueError where it is not sound."""
    quantiles, shared = (
        tuple(math.inf if one is None else float(one) for one in meta[name]) for name in ("quantiles", "shared")
    )
    if len(quantiles) != len(LEVELS) or len(shared) != len(LEVELS) or min(*quantiles, *shared) < 0:
        raise ValueError(f"got quantiles {quantiles} and {shared} for the levels {LEVELS}")
    return Spread(read_forest(arrays, prefix), quantiles, shared, int(meta["n"]), int(meta["groups"]))


def scale_of(forest: Forest, rows: Array) -> Array:
    """Return how far off rows look, (n,), on the log scale."""
    import numpy as np

    return np.asarray(np.clip(np.exp(forest.predict(rows)), _LEAST, _MOST))


def learn_scale(rows: Array, errors: Array, seed: int, weight: Array | None = None) -> Forest:
    """Learn the size of errors (n,), on the log scale, from features (n, features)."""
    import numpy as np

    few = len(rows) < _FEWEST_ROWS
    return learn_forest(
        rows, np.log(np.abs(errors) + _FLOOR), weight=weight, rounds=1 if few else 60,
        objective="regression", learning_rate=0.08, num_leaves=2 if few else 8, max_depth=4, max_bin=31,
        min_data_in_leaf=max(1, len(rows) // 4 if few else 100), min_data_in_bin=1, feature_fraction=0.5, seed=seed,
    )  # fmt: skip


def learn_spread(
    rows: Array, errors: Array, groups: Sequence[str], seed: int, *, devices: Sequence[str] | None = None
) -> Spread:
    """Learn from held-out errors (n,), logarithms of actual over predicted, and the group that each was held out with.

    ``devices`` names the device of each row where it was held out too. Scales that errors are measured in come from
    rows of other groups, so that they are as blind as they will be.
    """
    import numpy as np

    within = errors
    shared = tuple(0.0 for _ in LEVELS)
    if devices is not None:
        within, offsets = _take_out(errors, devices)
        shared = tuple(_share(offsets, level) for level in LEVELS)
    scales = np.empty(len(rows))
    for fold in split_groups(list(groups), _FOLDS, seed):
        train, test = np.array(fold.train, dtype=np.int64), np.array(fold.test)
        if not train.size:
            train = test
        scales[test] = scale_of(learn_scale(rows[train], within[train], seed), rows[test])
    found = weigh_by_size(calibrate(within, list(groups), scales), within, groups, scales)
    quantiles = tuple(found.half_width(level) for level in LEVELS)
    return Spread(learn_scale(rows, within, seed), quantiles, shared, len(rows), found.groups)


def weigh_by_size(found: Calibration, errors: Array, groups: Sequence[str], scales: Array) -> Calibration:
    """Let a group weigh as the root of its rows: half way between families and rows.

    A question is of a large family more often than of a small one, and large families are foretold better. Weighing
    all alike holds too much by rows, weighing rows alike too little by families.
    """
    import numpy as np

    sizes: dict[str, int] = {}
    for name in groups:
        sizes[name] = sizes.get(name, 0) + 1
    weights = np.array([sizes[name] ** -0.5 for name in groups])
    scores = np.abs(errors) / scales
    order = np.argsort(scores, kind="stable")
    kept = weights[order] / weights.sum()
    return Calibration(tuple(scores[order].tolist()), tuple(kept.tolist()), found.groups)


def _take_out(errors: Array, devices: Sequence[str]) -> tuple[Array, list[float]]:
    """Return errors less the median of their device, and those medians."""
    import numpy as np

    names = np.asarray(devices, dtype=object)
    within, offsets = errors.copy(), []
    for name in sorted(set(devices)):
        own = names == name
        offsets.append(float(np.median(errors[own])))
        within[own] -= offsets[-1]
    return within, offsets


def _share(offsets: Sequence[float], level: float) -> float:
    """Half the width that holds what a new device is off by: t x s x sqrt(1 + 1/n), about 0; infinite for one device.

    About 0, because the forest is to be off by nothing; so s is the root mean square with n degrees of freedom.
    """
    from scipy.stats import t

    count = len(offsets)
    if count < 2:  # noqa: PLR2004  (one device shows no spread)
        return math.inf
    deviation = math.sqrt(sum(one * one for one in offsets) / count)
    return float(t.ppf(0.5 + level / 2, count)) * deviation
