"""Learning what graphs cost on devices: trees on features, and errors of held-out groups for each situation.

The settings of the trees were set once and are not tuned on any split. May import: core, predict; numpy and lightgbm
inside functions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError
from assay.predict.base import Gathered
from assay.predict.graph.features import FEATURES, arithmetic_of, describe, why_not_described
from assay.predict.graph.intervals import Spread, learn_spread
from assay.predict.graph.model import GraphModel
from assay.predict.splits import Fold, hold_out, split_groups, split_rows, split_times
from assay.predict.trees import Forest, learn_forest
from assay.predict.values import Example, Situation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

FEWEST = 200
"""Examples below which nothing is learned: there are half as many features."""
SITUATIONS = (
    Situation.KNOWN, Situation.UNSEEN_MODEL, Situation.UNSEEN_FAMILY, Situation.UNSEEN_DEVICE, Situation.BOTH_UNSEEN,
    Situation.UNSEEN_VENDOR, Situation.LATER,
)  # fmt: skip
ROUNDS = 300
SETTINGS = {
    "objective": "regression_l1", "learning_rate": 0.06, "num_leaves": 63, "max_depth": 9, "max_bin": 63,
    "min_data_in_leaf": 20, "feature_fraction": 0.5, "bagging_fraction": 0.7, "bagging_freq": 1,
}  # fmt: skip
_FOLDS = 4
_OUTER = (0.5, 99.5)
_MOST_STARTING = 99.9
_STARTING_ROOM = 0.4
"""A factor of one and a half beyond what was seen: the host's part grows steadily up to there."""
_NAMES = ("device", "vendor", "model", "family", "precision", "engine", "mode", "round")


def usable_examples(gathered: Gathered) -> list[Example]:
    """Return the examples that have features and a time."""
    return [one for one in gathered.examples if one.value > 0 and why_not_described(one.question) is None]


def fit_graph(gathered: Gathered, seed: int, *, situations: Iterable[Situation] = SITUATIONS) -> GraphModel:
    """Learn from latencies, with tested errors for ``situations``. Raises AssayError where examples are too few."""
    import numpy as np

    examples = usable_examples(gathered)
    if len(examples) < FEWEST:
        raise AssayError(
            f"{len(examples)} timings can be learned from; expected at least {FEWEST}.",
            hint="Give published timings: assay predict train --kind graph --data FOLDER",
        )
    found = describe([one.question for one in examples])
    fills = np.array([_median(column) for column in found.rows.T])
    rows = np.where(np.isnan(found.rows), fills, found.rows)
    target = np.log([one.value / 1e9 for one in examples]) - np.log(found.base_s)
    weight = np.array([one.weight for one in examples])
    forest = _learn(rows, target, weight, seed)
    spreads = {}
    for one in situations:
        spread = _spread(examples, rows, target, weight, one, seed)
        if spread is not None:
            spreads[one] = spread
    low, high = np.percentile(rows, _OUTER, axis=0)
    return GraphModel(forest, fills, low, high, _names_of(examples), _limits_of(examples, rows), spreads, len(examples))


def _learn(rows: Array, target: Array, weight: Array, seed: int) -> Forest:
    return learn_forest(rows, target, weight=weight, rounds=ROUNDS, seed=seed, **SETTINGS)


def _spread(
    examples: Sequence[Example], rows: Array, target: Array, weight: Array, situation: Situation, seed: int
) -> Spread | None:
    """Hold out what the situation lacks, and learn from the errors; None where there are too few groups."""
    import numpy as np

    errors = np.full(len(rows), np.nan)
    for fold in folds_of(examples, situation, seed):
        known = {_kind_of(examples[place]) for place in fold.train}
        asked = [place for place in fold.test if _kind_of(examples[place]) in known]  # the rest would be refused
        train, test = np.array(fold.train, dtype=np.int64), np.array(asked, dtype=np.int64)
        if len(train) >= FEWEST // 2 and test.size:
            errors[test] = target[test] - _learn(rows[train], target[train], weight[train], seed).predict(rows[test])
    held = np.isfinite(errors)
    group = "family" if situation not in (Situation.KNOWN, Situation.UNSEEN_MODEL) else "model"
    groups = [one.groups[group] for one, own in zip(examples, held, strict=True) if own]
    if len(set(groups)) < 2:  # noqa: PLR2004  (one group shows no spread)
        return None
    devices = None
    if situation in (Situation.UNSEEN_DEVICE, Situation.BOTH_UNSEEN, Situation.UNSEEN_VENDOR):
        word = "vendor" if situation is Situation.UNSEEN_VENDOR else "device"
        devices = [one.groups[word] for one, own in zip(examples, held, strict=True) if own]
    return learn_spread(rows[held], errors[held], groups, seed, devices=devices)


def folds_of(examples: Sequence[Example], situation: Situation, seed: int, *, folds: int = _FOLDS) -> Iterator[Fold]:
    """Return folds that lack what the situation lacks: rows, models, families, devices, or both at once."""
    if situation is Situation.KNOWN:
        yield from split_rows(len(examples), folds, seed)
        return
    if situation in (Situation.UNSEEN_MODEL, Situation.UNSEEN_FAMILY):
        name = "model" if situation is Situation.UNSEEN_MODEL else "family"
        yield from split_groups([one.groups[name] for one in examples], folds, seed)
        return
    if situation is Situation.LATER:
        yield from _later_folds(examples)
        return
    word = "vendor" if situation is Situation.UNSEEN_VENDOR else "device"
    places = [one.groups[word] for one in examples]
    names = sorted(set(places))
    if len(names) < 2:  # noqa: PLR2004  (nothing would be left to learn from)
        return
    families = [one.groups["family"] for one in examples]
    for name in names:
        away = hold_out(places, [name])
        if situation is Situation.UNSEEN_DEVICE:
            yield away
            continue
        of_device = set(away.test)
        for kin in split_groups(families, 2, seed):
            lacking = set(kin.test)
            train = tuple(place for place in away.train if place not in lacking)
            test = tuple(place for place in kin.test if place in of_device)
            yield Fold(train, test, (name, *kin.held_out))


def _later_folds(examples: Sequence[Example]) -> Iterator[Fold]:
    """Hold out each version of the software, and learn from what is older; devices are known from before."""
    for fold in split_times([one.groups.get("round", "") for one in examples], fewest_train=FEWEST):
        known = {_place_of(examples[place]) for place in fold.train}
        yield Fold(
            fold.train, tuple(place for place in fold.test if _place_of(examples[place]) in known), fold.held_out
        )


def _kind_of(example: Example) -> tuple[str, str, str]:
    """What must have been seen for an answer at all."""
    conditions = example.question.conditions
    return arithmetic_of(example.question.device, conditions.precision), conditions.engine, conditions.mode


def _place_of(example: Example) -> tuple[str, str, str]:
    conditions = example.question.conditions
    return example.question.device.name, conditions.precision, conditions.mode


def _names_of(examples: Sequence[Example]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {name: set() for name in _NAMES}
    for one in examples:
        question, under = one.question, one.question.conditions
        words = (
            question.device.name, question.device.vendor, question.workload, question.family,
            arithmetic_of(question.device, under.precision), under.engine, under.mode,
            one.groups.get("round", ""),
        )  # fmt: skip
        for name, word in zip(_NAMES, words, strict=True):
            found[name].add(word)
    return {name: tuple(sorted(words)) for name, words in found.items()}


def _limits_of(examples: Sequence[Example], rows: Array) -> dict[str, float]:
    """Return how much starting operations took at most, over the time at the device's rates, by arithmetic (log)."""
    import numpy as np

    words = np.array(
        [arithmetic_of(one.question.device, one.question.conditions.precision) for one in examples], dtype=object
    )
    starting = rows[:, FEATURES.index("starting over base")]
    return {
        str(word): float(np.percentile(starting[words == word], _MOST_STARTING)) + _STARTING_ROOM
        for word in dict.fromkeys(words)
    }


def _median(column: Array) -> float:
    import numpy as np

    known = column[np.isfinite(column)]
    return float(np.median(known)) if known.size else 0.0
