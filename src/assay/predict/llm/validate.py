"""How well both times are foretold of what was held out, beside naive baselines; all is learned anew in each fold.

Every row is answered as a question would be: with the intervals that stand for what it has in common with what is
left. May import: core, predict; numpy inside functions.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from assay.core.errors import AssayError, UnknownNameError
from assay.predict.base import Gathered
from assay.predict.llm.deals import DEALS
from assay.predict.llm.features import Measures, measure
from assay.predict.llm.fit import FEWEST, times_of
from assay.predict.llm.gather import Served
from assay.predict.llm.learn import learn_llm, see
from assay.predict.llm.setups import BETWEEN, FIRST
from assay.predict.scores import GroupScore, Score, SplitOutcome, score_predictions
from assay.predict.values import LEVELS, Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

KIND = "llm"
FIRST_SUFFIX = "-ttft"
_QUESTIONS = {
    "random": "a configuration of which other users were measured",
    "case": "a configuration that was not measured with any users",
    "load": "more users than were measured of a configuration",
    "model": "a model that nobody measured",
    "device": "an accelerator that nobody measured",
    "temporal": "a later month, from all earlier ones",
}
SPLITS = {
    **{name: f"{said}: time per output token" for name, said in _QUESTIONS.items()},
    **{f"{name}{FIRST_SUFFIX}": f"{said}: time to first token" for name, said in _QUESTIONS.items()},
}
_BOUNDS = (8, 64, 512)
"""Users between which errors are told apart."""


def validate_llm(gathered: Gathered, split: str, seed: int) -> SplitOutcome:
    """Hold out and foretell. Raises UnknownNameError for another split, AssayError for too little."""
    import numpy as np

    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    name, metric = split.removesuffix(FIRST_SUFFIX), FIRST if split.endswith(FIRST_SUFFIX) else BETWEEN
    rows: Sequence[Served] = gathered.examples
    told = measure([one.setup for one in rows]) if rows else None
    tested: list[Served] = []
    values: list[float] = []
    intervals: list[tuple[Interval, ...]] = []
    beside: dict[str, list[float]] = {"roofline": [], "nearest": []}
    far = 0
    for fold in DEALS[name].folds(rows, seed):
        if told is None or len(fold.train) < FEWEST:
            continue
        train, at = [rows[place] for place in fold.train], told.take(fold.train)
        seen = see(train)
        asked = [place for place in fold.test if seen.beyond(rows[place].setup) is None]
        far += len(fold.test) - len(asked)
        if not asked:
            continue
        needed = {one for place in asked for one in seen.situation(rows[place].setup, rows[place].system)[1]}
        model = learn_llm(train, at, (metric,), sorted(needed), seed)
        for place in asked:
            value, held = model.expect(metric, rows[place].setup, rows[place].system, told.take([place]))
            values.append(value)
            intervals.append(held)
        tested += [rows[place] for place in asked]
        truth, here = times_of(metric, train), told.take(asked)
        beside["roofline"] += _scale_roofline(metric, at, truth, here).tolist()
        beside["nearest"] += _take_nearest(metric, at, truth, here).tolist()
    if not tested:
        raise AssayError(f"Nothing could be held out for the split {split!r} of {len(rows)} rows.")
    truth, guess = times_of(metric, tested), np.array(values)
    methods = {"assay": _score(truth, guess, intervals)}
    methods |= {other: score_predictions(truth, np.array(own)) for other, own in beside.items()}
    # Curves are too many to be named: their errors are told by model.
    by = DEALS[name].group if name in ("model", "device", "temporal") else DEALS["model"].group
    strata = {
        "users": [_say_users(one.setup.users) for one in tested],
        "precision": [one.setup.precision for one in tested],
        "devices of prompts": ["apart" if one.setup.is_split else "the same" for one in tested],
    }
    notes = (
        *([f"{far} of {far + len(tested)} held out were not answered: too far from the rest"] if far else []),
        *_open_levels(intervals), tell_noise(metric, rows), *gathered.notes,
    )  # fmt: skip
    scored = _score_groups([by(one) for one in tested], truth, guess, intervals)
    return SplitOutcome(
        KIND, split, SPLITS[split], metric, methods, scored,
        {title: _score_groups(names, truth, guess, intervals) for title, names in strata.items()}, notes=notes,
    )  # fmt: skip


def tell_noise(metric: str, rows: Sequence[Served]) -> str:
    """How far runs of one configuration on several days lie from their middle: nobody can foretell better."""
    found: dict[str, list[float]] = {}
    for one, value in zip(rows, times_of(metric, rows).tolist(), strict=True):
        found.setdefault(one.configuration, []).append(math.log(value))
    errors = []
    for logs in found.values():
        if len(logs) > 1:
            middle = sum(logs) / len(logs)
            wide = math.sqrt(len(logs) / (len(logs) - 1))  # the middle of few lies nearer to each than the truth does
            errors += [abs(math.expm1(wide * (one - middle))) for one in logs]
    if not errors:
        return "no configuration was measured twice"
    errors.sort()
    mean, median = sum(errors) / len(errors), errors[len(errors) // 2]
    again = sum(len(one) > 1 for one in found.values())
    lie = f"lie {mean:.1%} from their middle on average, {median:.1%} in the median"
    return f"noise: {len(errors)} runs of {again} configurations measured again {lie}"


def _reference(metric: str, told: Measures) -> Floats:
    """What a roofline says: the larger of traffic and arithmetic of a step, or the arithmetic of one's prompt."""
    import numpy as np

    if metric == FIRST:
        return told.waiting[:, 1]
    found: Floats = np.maximum(told.between[:, 1] + told.between[:, 2], told.between[:, 3])
    return found


def _scale_roofline(metric: str, train: Measures, truth: Floats, test: Measures) -> Floats:
    import numpy as np

    return _reference(metric, test) * float(np.median(truth / _reference(metric, train)))


def _take_nearest(metric: str, train: Measures, truth: Floats, test: Measures) -> Floats:
    """The measured configuration nearest in users, lengths, devices, bits and reference, scaled by the reference."""
    import numpy as np

    known, asked = _reference(metric, train), _reference(metric, test)
    columns = [0, 1, 2, 3, 5]
    one = np.column_stack([train.ratios[:, columns], np.log2(known)])
    two = np.column_stack([test.ratios[:, columns], np.log2(asked)])
    found = [int(np.argmin(np.abs(one - row).sum(axis=1))) for row in two]
    return truth[found] / known[found] * asked


def _score(truth: Floats, guess: Floats, intervals: Sequence[tuple[Interval, ...]]) -> Score:
    """Score all, and the coverage of each level on those that have an interval there: the rest is told in the notes."""
    found = score_predictions(truth, guess)
    coverage, width = {}, {}
    for level in LEVELS:
        ends = [(place, one.lo, one.hi) for place, held in enumerate(intervals) for one in held if one.level == level]
        if ends:
            at, low, high = zip(*ends, strict=True)
            own = score_predictions(truth[list(at)], guess[list(at)], {level: (low, high)})
            coverage[level], width[level] = own.coverage[level], own.width[level]
    return replace(found, coverage=coverage, width=width)


def _score_groups(
    names: Sequence[str], truth: Floats, guess: Floats, intervals: Sequence[tuple[Interval, ...]]
) -> tuple[GroupScore, ...]:
    """Score each group apart, worst mean error first."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name, []).append(place)
    scores = [
        GroupScore(name, _score(truth[at], guess[at], [intervals[place] for place in at]))
        for name, at in places.items()
    ]
    return tuple(sorted(scores, key=lambda one: -one.score.mean_error))


def _open_levels(intervals: Sequence[tuple[Interval, ...]]) -> list[str]:
    missing = Counter(level for held in intervals for level in LEVELS if level not in {one.level for one in held})
    return [
        f"{count} of {len(intervals)} without an interval at {level:.0%}: too few groups, or beyond 10 times either way"
        for level, count in sorted(missing.items())
    ]


def _say_users(users: float) -> str:
    for low, high in zip((0, *_BOUNDS), (*_BOUNDS, math.inf), strict=True):
        if low < users <= high:
            return f"{low + 1} to {high:g}" if math.isfinite(high) else f"more than {low}"
    return "none"
