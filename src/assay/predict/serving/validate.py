"""How well latencies of serving are foretold for what was held out, beside naive baselines.

May import: core, predict; numpy inside functions.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from assay.core.absence import Unavailable
from assay.core.errors import AssayError, UnknownNameError
from assay.predict.base import Gathered
from assay.predict.scores import SplitOutcome, score_groups, score_predictions
from assay.predict.serving.fit import fit_serving
from assay.predict.serving.terms import BETWEEN, FIRST, Replica, describe_replica, reference_of
from assay.predict.splits import leave_one_out
from assay.predict.values import LEVELS, Example, Prediction

SPLITS = {
    "model": "time between tokens of a language model that nobody measured, by users",
    "model-first": "time to the first token of a language model that nobody measured, by users",
    "device": "time between tokens on a device that nobody measured, by users",
    "device-first": "time to the first token on a device that nobody measured, by users",
}
_HELD_LATENCIES = "each latency as published; what is learned from rises with users"


def validate_serving(gathered: Gathered, split: str, seed: int) -> SplitOutcome:
    """Hold out one model or device after the other. Raises UnknownNameError for another split, AssayError for none."""
    import numpy as np

    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    held_out, _, first = split.partition("-")
    metric = FIRST if first else BETWEEN
    examples = list(gathered.examples)
    rows: list[Example] = []
    answers: list[Prediction] = []
    naive: dict[str, list[float]] = {"roofline": [], "nearest model": []}
    left_out = 0
    for fold in leave_one_out([one.groups[held_out] for one in examples]):
        train = [examples[place] for place in fold.train]
        test = [examples[place] for place in fold.test if examples[place].question.metric == metric]
        try:
            model = fit_serving(Gathered(tuple(train), ()), seed)
        except AssayError:
            left_out += len(test)
            continue
        known = _describe([one for one in train if one.question.metric == metric])
        for one, answer in zip(test, model.answer([one.question for one in test]), strict=True):
            told = describe_replica(one.question)
            if not isinstance(answer, Prediction) or isinstance(told, Unavailable):
                left_out += 1
                continue
            rows.append(one)
            answers.append(answer)
            naive["roofline"].append(_roofline(known, told, metric))
            naive["nearest model"].append(_nearest(known, told, metric))
    if not rows:
        raise AssayError(f"Nothing could be held out for the split {split!r} of {len(examples)} examples.")
    truth, guess = (np.array([one.value for one in some]) for some in (rows, answers))
    bounds = {}
    for level in LEVELS:
        ends = [(found.lo, found.hi) for one in answers if (found := one.interval(level)) is not None]
        if len(ends) == len(answers):
            low, high = np.array(ends).T
            bounds[level] = (low, high)
    methods = {"assay": score_predictions(truth, guess, bounds)}
    methods |= {name: score_predictions(truth, np.array(values)) for name, values in naive.items()}
    notes = [_HELD_LATENCIES, *([f"{left_out} held out were not answered"] if left_out else [])]
    return SplitOutcome(
        "serving", split, SPLITS[split], metric, methods,
        score_groups([one.groups[held_out] for one in rows], truth, guess, bounds),
        {name: score_groups([one.groups[name] for one in rows], truth, guess, bounds) for name in ("users", "setup")},
        notes=(*notes, *gathered.notes),
    )  # fmt: skip


def _describe(examples: Sequence[Example]) -> list[tuple[Replica, float]]:
    told = ((describe_replica(one.question), math.log(one.value)) for one in examples)
    return [(replica, value) for replica, value in told if not isinstance(replica, Unavailable)]


def _roofline(known: Sequence[tuple[Replica, float]], told: Replica, metric: str) -> float:
    """Time to read the weights (or for a token's work), times the median of others' ratio at so many users."""
    import numpy as np

    column = reference_of(metric)
    same = [value - one.columns[column] for one, value in known if one.columns["users"] == told.columns["users"]]
    ratios = same or [value - one.columns[column] for one, value in known]
    return math.exp(told.columns[column] + float(np.median(ratios)))


def _nearest(known: Sequence[tuple[Replica, float]], told: Replica, metric: str) -> float:
    """The replica with as many users whose ratios are nearest, times the ratio of its reference to this one's."""
    column = reference_of(metric)
    by_users: dict[float, list[tuple[Replica, float]]] = defaultdict(list)
    for one, value in known:
        by_users[one.columns["users"]].append((one, value))
    among = by_users.get(told.columns["users"], list(known))
    near, value = min(
        among, key=lambda one: sum((one[0].columns[name] - told.columns[name]) ** 2 for name in told.columns)
    )
    return math.exp(value + told.columns[column] - near.columns[column])
